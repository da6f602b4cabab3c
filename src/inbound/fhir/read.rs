//! The lane of looks at one FHIR server: what notifications hinted at is read, and handed in.
//!
//! A look is repeated until the server answers; that it is done is told when what was seen is on
//! disk. Different appointments are read at the same time, one never twice at once.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;
use tracing::{debug, error, warn};

use super::desk::{Desk, NotTaken};
use super::search;
use crate::core::delivery::{Failure, Report};
use crate::core::effect::{Effect, Hinted};
use crate::core::event::Event;
use crate::engine::rows::Lane;
use crate::engine::{Answer, Work};
use crate::fhir::outcome::says_gone;
use crate::fhir::resource::identity;
use crate::outbound::fhir::Trouble;
use crate::shutdown::Tasks;

/// Reads what is hinted at.
#[derive(Debug)]
pub struct Reader {
    desk: Arc<Desk>,
    parallel: usize,
}

impl Reader {
    /// Prepares the lane.
    #[must_use]
    pub const fn new(desk: Arc<Desk>, parallel: usize) -> Self {
        Self { desk, parallel }
    }

    /// Reads what is due until told to stop.
    pub async fn run(self, tasks: Tasks) {
        let stop = tasks.stop_token();
        let lane = Lane::FhirRead(self.desk.name.clone());
        loop {
            let work = tokio::select! {
                work = async {
                    self.desk.server.until_open().await;
                    self.desk.handle.claim(lane.clone(), self.parallel).await
                } => work,
                () = stop.cancelled() => return,
            };
            let Some(work) = work else { return };
            join_all(work.into_iter().map(|work| self.take(work))).await;
        }
    }

    async fn take(&self, work: Work) {
        let Effect::ReadFhir(read) = &work.row.effect else { return };
        let looked = match &read.what {
            Hinted::Appointment(id) => appointment(&self.desk, id).await,
            Hinted::Identifier { system, value } => {
                search::identifier(&self.desk, system.as_deref(), value).await
            }
            Hinted::Patient(id) => search::patient(&self.desk, id).await,
        };
        let server = self.desk.name.as_str();
        let report = match looked {
            Ok(()) => Report::Accepted { id: "read".to_owned() },
            Err(fault) => {
                warn!(server, error = %fault, "What changed at a server cannot be read");
                let failure = match fault {
                    NotTaken::Trouble(Trouble::Foreign) | NotTaken::Refused(_) => {
                        Failure::Permanent
                    }
                    NotTaken::Trouble(_) | NotTaken::NotStored => Failure::TryLater,
                };
                Report::NotDone { failure, code: code_of(fault).to_owned() }
            }
        };
        let outcome = if matches!(report, Report::Accepted { .. }) { "read" } else { "failed" };
        self.desk.metrics.sent(server, outcome);
        let event = Event::DeliveryReported { outbox: work.row.id.clone(), report };
        if let Answer::NotStored(category) = self.desk.handle.act(event).await {
            error!(outbox.id = %work.row.id, ?category, "A report on a look was not stored");
        }
    }
}

/// A word for what went wrong.
pub(super) const fn code_of(fault: NotTaken) -> &'static str {
    match fault {
        NotTaken::Trouble(trouble) => trouble.code(),
        NotTaken::Refused(code) => code,
        NotTaken::NotStored => "not_stored",
    }
}

/// Reads one appointment; a version that is known already is not sent again.
pub(super) async fn appointment(desk: &Desk, id: &str) -> Result<(), NotTaken> {
    let known = desk.handle.view().resource(&desk.name, id).ok().flatten();
    let held = known.and_then(|row| row.resources.get(&desk.name).cloned());
    let etag = held.and_then(|held| held.version).map(|version| format!("W/\"{version}\""));
    let target = format!("Appointment/{id}");
    let answer = desk.server.get(&target, etag.as_deref()).await?;
    match answer.status {
        200 => match serde_json::from_slice::<Value>(&answer.body) {
            Ok(resource) if is_appointment(&resource, id) => desk.take(resource, Vec::new()).await,
            Ok(_) | Err(_) => Err(NotTaken::Trouble(Trouble::NoAnswer("no_appointment"))),
        },
        304 => {
            debug!(server = desk.name.as_str(), "An appointment is as it was");
            Ok(())
        }
        404 | 410 if says_gone(answer.status, &answer.body) => desk.take_gone(id).await,
        404 => Err(NotTaken::Trouble(Trouble::NoAnswer("no_fhir"))),
        status => Err(refusal(status)),
    }
}

fn is_appointment(resource: &Value, id: &str) -> bool {
    let identity = identity(resource);
    identity.is_some_and(|known| known.kind == "Appointment" && known.id == id)
}

/// Whether a failure says nothing of other resources of the server.
pub(super) const fn is_of_one(fault: NotTaken) -> bool {
    match fault {
        NotTaken::Refused(_) => true,
        NotTaken::Trouble(trouble) => match trouble {
            Trouble::TooLarge | Trouble::Foreign => true,
            Trouble::NoAnswer(code) | Trouble::Unauthorized(code) => {
                matches!(
                    code.as_bytes(),
                    b"status_5xx" | b"no_fhir" | b"no_appointment" | b"forbidden"
                )
            }
            Trouble::NotSent(_) | Trouble::Paused { .. } => false,
        },
        NotTaken::NotStored => false,
    }
}

/// What a status other than success says.
pub(super) const fn refusal(status: u16) -> NotTaken {
    match status {
        500..=599 => NotTaken::Trouble(Trouble::NoAnswer("status_5xx")),
        403 => NotTaken::Trouble(Trouble::Unauthorized("forbidden")),
        408 | 409 | 423 | 425 => NotTaken::Trouble(Trouble::NoAnswer("status_busy")),
        _ => NotTaken::Refused("status_4xx"),
    }
}
