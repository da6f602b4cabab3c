//! The lane of wishes at one FHIR server: read, look whether the wish still fits, change, tell.
//!
//! Every try begins with a fresh read, so that a try whose answer was lost is found to be done, and a
//! colleague's change is seen before ours. What was read on the way is handed in as any reading is:
//! our own change comes back by that, and is recognised as the patient's wish.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use appointd_fhir::client::{Method, Request, Response};
use serde_json::Value;
use tracing::{error, info, warn};

use super::super::reported;
use super::server::{Server, Trouble};
use crate::clock::Clock;
use crate::core::appointment::Appointment;
use crate::core::delivery::{Failure, Report};
use crate::core::effect::{Effect, WriteBack};
use crate::core::ids::{DestinationName, Identifier, SourceName};
use crate::engine::rows::Lane;
use crate::engine::{Handle, Work};
use crate::fhir::outcome::says_gone;
use crate::fhir::page::{self, Entry};
use crate::fhir::query::by_identifier;
use crate::fhir::render;
use crate::fhir::resource::identity;
use crate::fhir::write::{self, Change, IfMatch, Judged, Plan, Policy, Wish};
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;

/// How often a change is tried against what others change at the same time.
const ROUNDS_MAX: usize = 3;

/// The system that mappings give to ids of resources.
const FHIR_SYSTEM: &str = "fhir";

/// A future of a trait's method.
pub type Telling<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// Where an appointment goes that was read on the way.
pub trait Told: Send + Sync + fmt::Debug {
    /// Hands it in; says whether that is on disk.
    fn tell(&self, appointment: Value) -> Telling<'_>;

    /// Tells that there is none any more.
    fn tell_gone<'a>(&'a self, id: &'a str) -> Telling<'a>;

    /// Whether an appointment is one that this server is known to tell of.
    fn tells_of(&self, appointment: &Appointment) -> bool;
}

/// How wishes are written to a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name.
    pub name: DestinationName,
    /// What is changed, and how; nothing if the server takes no wishes any more.
    pub policy: Option<Policy>,
    /// The system under which it knows the numbers of other feeds.
    pub identifier_system: Option<String>,
    /// Its base address, for its links.
    pub base: String,
}

/// The lane of one server.
#[derive(Debug)]
pub struct WriteLane {
    options: Options,
    server: Server,
    told: Arc<dyn Told>,
    handle: Handle,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// An appointment as it was just read.
struct Held {
    resource: Value,
    etag: Option<String>,
}

/// What a try came to, and what the server holds now if that is worth telling.
struct Tried {
    report: Report,
    fresh: Option<Value>,
}

/// A change that was refused, maybe because somebody else has changed the appointment meanwhile.
#[derive(Debug, PartialEq, Eq)]
struct Conflict {
    code: String,
    status: u16,
    /// The version that was read before.
    read: Option<String>,
}

impl Conflict {
    /// Whether the answer may be a plain no as well: a failed test and a rule of the server have the
    /// same status.
    const fn says_no(&self) -> bool {
        matches!(self.status, 400 | 422 | 428) && self.read.is_some()
    }
}

/// Why there is nothing to change.
enum Miss {
    /// Nothing is known by this name; a word for why.
    None(&'static str),
    /// It is gone.
    Gone,
    /// The server cannot be asked now.
    Trouble(Trouble),
    /// The server refuses.
    Refused(String),
}

impl WriteLane {
    /// Prepares the lane.
    #[must_use]
    pub fn new(
        options: Options,
        server: Server,
        told: Arc<dyn Told>,
        (handle, clock, metrics): (Handle, Clock, Arc<Metrics>),
    ) -> Self {
        Self { options, server, told, handle, clock, metrics }
    }

    /// Writes what is due until told to stop.
    pub async fn run(self, tasks: Tasks) {
        let stop = tasks.stop_token();
        let lane = Lane::FhirWrite(self.options.name.clone());
        loop {
            let work = tokio::select! {
                work = async {
                    self.server.until_open().await;
                    self.handle.claim(lane.clone(), 1).await
                } => work,
                () = stop.cancelled() => return,
            };
            let Some(work) = work else { return };
            for work in work {
                // Not interrupted: the answer to what is sent is worth the wait at the end too.
                self.take(work).await;
            }
        }
    }

    async fn take(&self, work: Work) {
        let Effect::UpdateFhir(write_back) = &work.row.effect else { return };
        let Some(appointment) = work.appointment.as_deref() else {
            return self.report(&work, refused("unknown")).await;
        };
        let tried = self.deliver(write_back, appointment).await;
        let is_told = self.told.tells_of(appointment);
        let is_overtaken =
            matches!(tried.report, Report::NotDone { failure: Failure::Overtaken, .. });
        let fresh = tried.fresh.filter(|_| is_told);
        if !is_overtaken {
            self.report(&work, tried.report).await;
            if let Some(fresh) = fresh {
                let _is_stored = self.told.tell(fresh).await;
            }
            return;
        }
        // What is so now ends the wish; without that a person has to know.
        let is_known = match fresh {
            Some(fresh) => self.told.tell(fresh).await,
            None => false,
        };
        let report = if is_known { tried.report } else { refused("time_changed") };
        self.report(&work, report).await;
    }

    async fn report(&self, work: &Work, report: Report) {
        let name = &self.options.name;
        reported::report(&self.handle, &self.metrics, name, &work.row.id, report).await;
    }

    async fn deliver(&self, write_back: &WriteBack, appointment: &Appointment) -> Tried {
        let Some(policy) = &self.options.policy else {
            return Tried { report: refused("entered_by_staff"), fresh: None };
        };
        let id = match self.locate(appointment).await {
            Ok(id) => id,
            Err(miss) => return self.missed(miss, None).await,
        };
        let mut code = "conflict".to_owned();
        let mut refused_before = None;
        for _ in 0..ROUNDS_MAX {
            let held = match self.read(&id).await {
                Ok(held) => held,
                Err(miss) => return self.missed(miss, Some(&id)).await,
            };
            match self.change(write_back, appointment, policy, held).await {
                Ok(tried) => return tried,
                Err(conflict) => {
                    // Refused as it was before, while nothing has changed: no test has failed.
                    if conflict.says_no() && refused_before.as_ref() == Some(&conflict) {
                        error!(server = %self.options.name, code = conflict.code, "The server refuses a wish");
                        return Tried { report: refused(&conflict.code), fresh: None };
                    }
                    code.clone_from(&conflict.code);
                    refused_before = Some(conflict);
                }
            }
        }
        warn!(server = %self.options.name, code, "Others change an appointment at the same time");
        Tried { report: later(&code), fresh: None }
    }

    /// One round; an error is a conflict, to be looked at anew.
    async fn change(
        &self,
        write_back: &WriteBack,
        appointment: &Appointment,
        policy: &Policy,
        held: Held,
    ) -> Result<Tried, Conflict> {
        let server = &self.options.name;
        let patients = patient_references(appointment);
        let wish = Wish {
            kind: write_back.wish,
            patient_refs: &patients,
            told_start: write_back.told_start,
            now: self.clock.now(),
            reply_id: &write_back.control_id,
            comment: None,
        };
        let change = match write::plan(&held.resource, &wish, policy) {
            Plan::Done => {
                info!(%server, "What a patient wishes is so already");
                let report = Report::Accepted { id: "already".to_owned() };
                return Ok(Tried { report, fresh: Some(held.resource) });
            }
            Plan::TimeChanged => {
                let code = "time_changed".to_owned();
                let report = Report::NotDone { failure: Failure::Overtaken, code };
                return Ok(Tried { report, fresh: Some(held.resource) });
            }
            Plan::Refuse(refusal) => {
                let code = refusal.name();
                warn!(%server, code, "A wish does not fit the appointment any more");
                return Ok(Tried { report: refused(code), fresh: Some(held.resource) });
            }
            Plan::Write(change) => change,
        };
        let etag = held.etag.filter(|_| change.if_match != IfMatch::Never);
        if change.if_match == IfMatch::Required && etag.is_none() {
            return Ok(Tried { report: refused("no_version"), fresh: Some(held.resource) });
        }
        let read = write::etag(None, Some(&held.resource));
        self.write(&change, etag, read).await
    }

    async fn write(
        &self,
        change: &Change,
        etag: Option<String>,
        read: Option<String>,
    ) -> Result<Tried, Conflict> {
        let server = &self.options.name;
        let nothing = |report| Ok(Tried { report, fresh: None });
        let Ok(body) = render::body(&change.body) else {
            error!(%server, "A change cannot be written");
            return nothing(refused("template"));
        };
        let mut headers = vec![("Content-Type".to_owned(), change.content_type.to_owned())];
        headers.extend(etag.map(|etag| ("If-Match".to_owned(), etag)));
        let once = change.if_none_exist.clone();
        headers.extend(once.map(|once| ("If-None-Exist".to_owned(), once)));
        let request = Request {
            method: method_of(change.method),
            target: change.target.clone(),
            headers,
            body: Some(body),
        };
        let answer = match self.server.send(request).await {
            Ok(answer) => answer,
            Err(trouble) => return nothing(troubled(trouble)),
        };
        match judge(&answer, change) {
            Judged::Accepted { resource, .. } => {
                let fresh = match resource {
                    Some(resource) => Some(resource),
                    None => self.read_again(change).await,
                };
                let report = Report::Accepted { id: answer.status.to_string() };
                Ok(Tried { report, fresh })
            }
            Judged::Reread(code) => {
                Err(Conflict { code: code.as_str().to_owned(), status: answer.status, read })
            }
            Judged::Later { code, .. } => nothing(later(code.as_str())),
            Judged::Unauthorized => nothing(later("unauthorized")),
            Judged::Forbidden => {
                error!(%server, "The server forbids a change");
                nothing(refused("forbidden"))
            }
            Judged::Gone => nothing(refused("gone")),
            Judged::Refused(code) => {
                let code = code.as_str();
                error!(%server, code, status = answer.status, "The server refuses a wish");
                nothing(refused(code))
            }
        }
    }

    /// Reads what was just changed; that it is not read is no failure of the change.
    async fn read_again(&self, change: &Change) -> Option<Value> {
        let held = self.read(&change.appointment).await.ok()?;
        Some(held.resource)
    }

    async fn missed(&self, miss: Miss, id: Option<&str>) -> Tried {
        let report = match miss {
            Miss::None(code) => {
                warn!(server = %self.options.name, code, "A wish cannot be brought to the server");
                refused(code)
            }
            Miss::Gone => {
                if let Some(id) = id {
                    let _is_stored = self.told.tell_gone(id).await;
                }
                refused("gone")
            }
            Miss::Trouble(trouble) => troubled(trouble),
            Miss::Refused(code) => refused(&code),
        };
        Tried { report, fresh: None }
    }

    /// The id at the server: as it was read there, or found by the number that another feed tells.
    async fn locate(&self, appointment: &Appointment) -> Result<String, Miss> {
        let server = SourceName::new(self.options.name.as_str());
        if let Some(held) = appointment.resources.get(&server) {
            return Ok(held.id.clone());
        }
        let system =
            self.options.identifier_system.as_ref().ok_or(Miss::None("not_known_there"))?;
        let number = appointment.ids.iter().find(|id| id.system == Identifier::FILLER);
        let number = number.or_else(|| appointment.ids.first());
        let number = number.ok_or(Miss::None("not_known_there"))?;
        let query = by_identifier(Some(system), &number.value);
        let answer = self.server.get(&query, None).await.map_err(Miss::Trouble)?;
        if answer.status != 200 {
            return Err(self.miss(&answer));
        }
        let page = page::read(&answer.body, &self.options.base);
        let page = page.map_err(|_| Miss::None("page"))?;
        let found: Vec<String> = page
            .entries
            .iter()
            .filter_map(|entry| match entry {
                // A server may overlook what it does not search by, and give any appointment.
                Entry::Match(found) if bears(&found.resource, system, &number.value) => {
                    Some(identity(&found.resource)?.id)
                }
                Entry::Match(_) => None,
                Entry::Include(_) | Entry::Outcome(_) | Entry::Bad { .. } => None,
            })
            .collect();
        match found.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Miss::None("not_known_there")),
            [..] => Err(Miss::None("ambiguous")),
        }
    }

    async fn read(&self, id: &str) -> Result<Held, Miss> {
        let target = format!("Appointment/{id}");
        let answer = self.server.get(&target, None).await.map_err(Miss::Trouble)?;
        if answer.status != 200 {
            return Err(self.miss(&answer));
        }
        let resource: Value =
            serde_json::from_slice(&answer.body).map_err(|_| Miss::None("no_json"))?;
        let etag = write::etag(answer.header("etag"), Some(&resource));
        Ok(Held { resource, etag })
    }

    fn miss(&self, answer: &Response) -> Miss {
        match answer.status {
            status if says_gone(status, &answer.body) => Miss::Gone,
            404 => Miss::Trouble(Trouble::NoAnswer("no_fhir")),
            403 => Miss::Refused("forbidden".to_owned()),
            408 | 423 | 425 | 500..=599 => Miss::Trouble(Trouble::NoAnswer("status_busy")),
            status => Miss::Refused(format!("status_{status}")),
        }
    }
}

fn judge(answer: &Response, change: &Change) -> Judged {
    let header = |name: &str| answer.header(name);
    write::judge(answer.status, &header, &answer.body, change)
}

/// Whether an appointment bears an identifier.
fn bears(appointment: &Value, system: &str, value: &str) -> bool {
    let has = |identifier: &Value, name: &str, wanted: &str| {
        identifier.get(name).and_then(Value::as_str) == Some(wanted)
    };
    let identifiers = appointment.get("identifier").and_then(Value::as_array);
    identifiers
        .into_iter()
        .flatten()
        .any(|identifier| has(identifier, "system", system) && has(identifier, "value", value))
}

const fn method_of(method: write::Method) -> Method {
    match method {
        write::Method::Post => Method::Post,
        write::Method::Put => Method::Put,
        write::Method::Patch => Method::Patch,
    }
}

/// What the patient is called at the server, as far as it is known.
fn patient_references(appointment: &Appointment) -> Vec<String> {
    // A record number is no id of a resource.
    let ids = appointment.patient.ids.iter().filter(|id| id.system == FHIR_SYSTEM);
    ids.map(|id| format!("Patient/{}", id.value)).collect()
}

fn refused(code: &str) -> Report {
    Report::NotDone { failure: Failure::Permanent, code: code.to_owned() }
}

fn later(code: &str) -> Report {
    Report::NotDone { failure: Failure::TryLater, code: code.to_owned() }
}

fn troubled(trouble: Trouble) -> Report {
    match trouble {
        Trouble::NotSent(code) | Trouble::Unauthorized(code) => later(code),
        Trouble::Paused { .. } => later("paused"),
        // It may be done: the next try looks first.
        Trouble::NoAnswer(code) => Report::InDoubt { code: code.to_owned() },
        Trouble::TooLarge => Report::InDoubt { code: "too_large".to_owned() },
        Trouble::Foreign => refused("foreign"),
    }
}
