//! The lane of one HL7 destination: write-back over MLLP, one message in flight.
//!
//! The answer is matched by MSA-2; an answer to another message is never taken for this one, and
//! closes the connection (a late answer has cost others patient data). Every try of a message has
//! the same control id, so that the EHR can drop a repetition. A request is accepted by the EHR's
//! response only: a receipt for it says nothing of the wish. No character is replaced by another;
//! what the destination's character set lacks goes to staff.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::breaker::Breaker;
use super::mllp::{Connection, Exchange};
use super::reported;
use crate::clock::Clock;
use crate::core::appointment::{Appointment, WishKind};
use crate::core::delivery::{Failure, Report};
use crate::core::effect::{Effect, WriteBack};
use crate::core::ids::{DestinationName, SourceName};
use crate::core::local_time::Zone;
use crate::engine::rows::Lane;
use crate::engine::{Handle, Work};
use crate::hl7::charset::{self, Target, Warning};
use crate::hl7::receipt::Response;
use crate::hl7::{AckCode, AckReceived, Charset, Message, normalise};
use crate::mapping::reverse::{self, Form, Request, Template};
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;
use crate::tls;

/// How one destination is talked to.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name.
    pub name: DestinationName,
    /// Where it listens, `host:port`.
    pub address: String,
    /// How "I am coming" is written for it; without one, staff enters it.
    pub confirm: Option<Template>,
    /// How "I am not coming" is written for it; without one, staff enters it.
    pub cancel: Option<Template>,
    /// Whether an acknowledgment with AA is the EHR's consent to a request, as its response is.
    pub takes_acknowledgment: bool,
    /// The zone of MSH-7 where the appointment has none.
    pub zone: Zone,
    /// The character set to write in; that of the stored message if not given.
    pub charset: Option<Target>,
    /// Feeds that are read in a character set of the settings, whatever their messages say.
    pub sources: BTreeMap<SourceName, Charset>,
    /// Transport security, if configured.
    pub tls: Option<tls::Connector>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub ack_timeout: Duration,
    /// After which silence the connection is closed.
    pub idle_close: Option<Duration>,
}

/// The lane of one destination.
pub struct Hl7Lane {
    options: Options,
    handle: Handle,
    clock: Clock,
    metrics: Arc<Metrics>,
    breaker: Breaker,
    connection: Option<Connection>,
}

impl std::fmt::Debug for Hl7Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hl7Lane({})", self.options.name)
    }
}

impl Hl7Lane {
    /// Prepares the lane.
    #[must_use]
    pub fn new(options: Options, handle: Handle, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self { options, handle, clock, metrics, breaker: Breaker::default(), connection: None }
    }

    /// Sends what is due until told to stop.
    pub async fn run(mut self, tasks: Tasks) {
        let stop = tasks.stop_token();
        let lane = Lane::Hl7(self.options.name.clone());
        loop {
            let pause = self.breaker.pause();
            let idle = self.options.idle_close.filter(|_| self.connection.is_some());
            let work = tokio::select! {
                work = async {
                    tokio::time::sleep(pause).await;
                    self.handle.claim(lane.clone(), 1).await
                } => work,
                () = tokio::time::sleep(idle.unwrap_or_default()), if idle.is_some() => {
                    self.connection = None;
                    continue;
                }
                () = stop.cancelled() => return,
            };
            let Some(work) = work else { return };
            for work in work {
                // Not interrupted: the answer to what is sent is worth the wait at the end too.
                self.take(work).await;
            }
        }
    }

    async fn take(&mut self, work: Work) {
        let Effect::SendHl7(write_back) = &work.row.effect else { return };
        let report =
            self.deliver(write_back, work.message.as_deref(), work.appointment.as_deref()).await;
        let name = &self.options.name;
        reported::report(&self.handle, &self.metrics, name, &work.row.id, report).await;
    }

    async fn deliver(
        &mut self,
        write_back: &WriteBack,
        message: Option<&[u8]>,
        appointment: Option<&Appointment>,
    ) -> Report {
        let destination = self.options.name.clone();
        let template = match write_back.wish {
            WishKind::Confirm => self.options.confirm.clone(),
            WishKind::Cancel => self.options.cancel.clone(),
        };
        let Some(template) = template else {
            let code = "entered_by_staff".to_owned();
            return Report::NotDone { failure: Failure::Permanent, code };
        };
        let payload = match self.write(write_back, &template, message, appointment) {
            Ok(payload) => payload,
            Err(problem) => {
                error!(%destination, error = %problem, "A wish cannot be written as HL7");
                let code = problem.code().to_owned();
                return Report::NotDone { failure: Failure::Permanent, code };
            }
        };
        match self.exchange(&payload, &write_back.control_id, template.form).await {
            Exchange::Answered(answered) => {
                self.note_success();
                let takes_acknowledgment = self.options.takes_acknowledgment;
                let is_decision = decides(&answered.ack, template.form, takes_acknowledgment);
                judge(&answered.ack, is_decision, write_back.wish, &destination)
            }
            Exchange::NotSent(code) => {
                self.note_failure(code);
                Report::NotDone { failure: Failure::TryLater, code: code.to_owned() }
            }
            Exchange::NoAnswer(code) => {
                self.note_failure(code);
                Report::InDoubt { code: code.to_owned() }
            }
        }
    }

    fn write(
        &self,
        write_back: &WriteBack,
        template: &Template,
        message: Option<&[u8]>,
        appointment: Option<&Appointment>,
    ) -> Result<Vec<u8>, Unwritten> {
        let forced = appointment.and_then(|known| self.options.sources.get(&known.source)).copied();
        let decoded = message.map(|raw| charset::decode(raw, forced)).transpose()?;
        let last = match decoded.as_ref().map(|decoded| Message::read(&decoded.text)).transpose() {
            Ok(last) => last,
            // What has no header is no HL7 v2: the feed speaks another language.
            Err(normalise::Error::NoHeader) => None,
            Err(fault) => return Err(Unwritten::Last(fault)),
        };
        let decoded = decoded.filter(|_| last.is_some());
        if decoded.as_ref().is_some_and(|d| d.warnings.contains(&Warning::Undecodable)) {
            return Err(Unwritten::Undecodable);
        }
        let zone = appointment.and_then(|a| a.start.as_ref()).map(|start| start.zone);
        let request = Request {
            wish: write_back.wish,
            appointment,
            control_id: &write_back.control_id,
            now: self.clock.now(),
            zone: zone.unwrap_or(self.options.zone),
        };
        let built = reverse::build(&request, template, last.as_ref())?;
        let own = decoded.map_or(Charset::UTF_8, |decoded| decoded.charset);
        Ok(match &self.options.charset {
            Some(target) => target.encode(built.text())?,
            None => charset::encode_whole(built.text(), own)?,
        })
    }

    async fn exchange(&mut self, payload: &[u8], control_id: &str, form: Form) -> Exchange {
        let options = &self.options;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let tls = options.tls.as_ref();
                match Connection::open(&options.address, tls, options.connect_timeout).await {
                    Ok(connection) => connection,
                    Err(problem) => {
                        debug!(destination = %options.name, error = %problem, "No connection");
                        return Exchange::NotSent("connect");
                    }
                }
            }
        };
        let takes_acknowledgment = options.takes_acknowledgment;
        let decides = |ack: &AckReceived| decides(ack, form, takes_acknowledgment);
        let exchange =
            connection.exchange_until(payload, control_id, options.ack_timeout, decides).await;
        if let Exchange::Answered(answered) = &exchange
            && decides(&answered.ack)
        {
            // Otherwise it is dropped: what still comes on it is no answer to the next message.
            self.connection = Some(connection);
        }
        exchange
    }

    fn note_success(&mut self) {
        if self.breaker.succeeded() {
            info!(destination = %self.options.name, "The destination answers again");
            self.metrics.breaker(self.options.name.as_str(), false);
        }
    }

    fn note_failure(&mut self, code: &'static str) {
        let destination = self.options.name.as_str();
        warn!(destination, code, "The destination gives no answer");
        if self.breaker.failed() {
            error!(destination, "The destination is out of order; its lane is paused");
            self.metrics.breaker(destination, true);
        }
    }
}

/// Whether an answer is the EHR's last word: a refusal is, and of a request only its response.
fn decides(answer: &AckReceived, form: Form, takes_acknowledgment: bool) -> bool {
    let is_response = answer.response.is_some() || takes_acknowledgment;
    !form.asks()
        || !answer.code.is_positive()
        || (answer.code == AckCode::ApplicationAccept && is_response)
}

fn judge(
    answer: &AckReceived,
    is_decision: bool,
    wish: WishKind,
    destination: &DestinationName,
) -> Report {
    let code = answer.code.as_str();
    let refused =
        |code: &str| Report::NotDone { failure: Failure::Permanent, code: code.to_owned() };
    let is_off = answer.response.as_ref().is_some_and(Response::is_off);
    match answer.code {
        AckCode::ApplicationAccept | AckCode::CommitAccept if !is_decision => {
            error!(%destination, code, "The EHR has taken a request and not decided in time");
            refused("no_decision")
        }
        AckCode::ApplicationAccept if is_off && wish == WishKind::Confirm => {
            error!(%destination, code, "The EHR says that a confirmed appointment is off");
            refused("appointment_off")
        }
        AckCode::ApplicationAccept | AckCode::CommitAccept => {
            Report::Accepted { id: code.to_owned() }
        }
        AckCode::ApplicationError | AckCode::CommitError => {
            error!(%destination, code, errors = ?answer.errors, "The EHR refuses a wish");
            refused(code)
        }
        AckCode::ApplicationReject | AckCode::CommitReject => {
            warn!(%destination, code, errors = ?answer.errors, "The EHR cannot take a wish now");
            Report::NotDone { failure: Failure::TryLater, code: code.to_owned() }
        }
    }
}

/// Why a wish cannot be written; holds no value of a message.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    /// The template does not fit.
    #[error(transparent)]
    Template(#[from] reverse::Error),
    /// The character set does not reach.
    #[error(transparent)]
    Charset(#[from] charset::Error),
    /// Bytes of the last message would not go back as they came.
    #[error("the last message holds bytes that mean nothing in its character set")]
    Undecodable,
    /// The last message cannot be read, though it could be once.
    #[error("the last message cannot be read")]
    Last(#[source] normalise::Error),
}

impl Unwritten {
    /// The word in the task for staff.
    const fn code(&self) -> &'static str {
        match self {
            Self::Template(_) => "template",
            Self::Charset(_) | Self::Undecodable => "charset",
            Self::Last(_) => "last_message",
        }
    }
}

#[cfg(test)]
#[path = "hl7_tests.rs"]
mod tests;
