//! Reading and writing single resources over HTTP: versions, conditions, patches, and what a server
//! checks before it takes something.

use chrono::DateTime;
use serde_json::{Value, json};

use super::Version;
use super::faults::{PatchForms, http_date};
use super::patch::{Refused, fhirpath_patch, json_patch};
use super::reply::{Asked, Reply};
use super::search::{Query, find, text};
use super::state::{State, is_same};
use super::store::{Held, Key, instant, uuid_of};
use super::subscribe::Channel;
use super::wire::{FHIR_JSON, shown};
use crate::clock::Timestamp;

/// The media type of a JSON Patch.
const JSON_PATCH: &str = "application/json-patch+json";

/// The codes of `Appointment.status`, the same in R4, R4B and R5.
const STATUSES: [&str; 10] = [
    "proposed",
    "pending",
    "booked",
    "arrived",
    "fulfilled",
    "cancelled",
    "noshow",
    "entered-in-error",
    "checked-in",
    "waitlist",
];
/// The codes of `Appointment.participant.status`.
const ANSWERS: [&str; 4] = ["accepted", "declined", "tentative", "needs-action"];

impl State {
    /// `GET Type/id`.
    pub(super) fn read(&self, key: &Key, asked: &Asked, now: Timestamp) -> Reply {
        let Some(held) = self.store.current(key) else { return unknown() };
        let is_known = asked.header("if-none-match").is_some_and(|tags| names(tags, &held.version));
        if is_known && held.resource.is_some() && !self.has_no_etag() {
            return self.tagged(Reply::empty(304), held);
        }
        self.show(held, now)
    }

    /// `GET Type/id/_history/version`.
    pub(super) fn read_version(&self, key: &Key, version: &str, now: Timestamp) -> Reply {
        match self.store.versions(key).find(|held| held.version == version) {
            Some(held) => self.show(held, now),
            None => unknown(),
        }
    }

    /// `GET Type/id/_history`.
    pub(super) fn history(&self, key: &Key, now: Timestamp) -> Reply {
        if self.store.current(key).is_none() {
            return unknown();
        }
        let entries: Vec<Value> = self
            .store
            .versions(key)
            .rev()
            .map(|held| {
                let method = if held.resource.is_some() { "PUT" } else { "DELETE" };
                let mut entry = json!({
                    "fullUrl": format!("{}/{key}", self.base_url),
                    "request": { "method": method, "url": key.to_string() },
                    "response": { "status": "200", "lastModified": instant(held.at) },
                });
                if let (Some(resource), Some(object)) =
                    (shown(held, &self.knobs, now), entry.as_object_mut())
                {
                    object.insert("resource".to_owned(), resource);
                }
                entry
            })
            .collect();
        Reply::ok(json!({
            "resourceType": "Bundle",
            "id": uuid_of(format!("{key} history").as_bytes()),
            "type": "history",
            "total": entries.len(),
            "entry": entries,
        }))
    }

    /// `POST Type`.
    pub(super) fn create(&mut self, kind: &str, asked: &Asked, now: Timestamp) -> Reply {
        let resource = match self.taken(kind, asked.json()) {
            Ok(resource) => resource,
            Err(refusal) => return refusal,
        };
        if let Some(query) = asked.header("if-none-exist") {
            match find(&self.store, kind, &Query::parse(query)).as_deref() {
                Ok([]) => {}
                Ok([known]) => return self.read(known, asked, now),
                Ok(_) => return Reply::refused(412, "duplicate", "several resources match"),
                Err(unclear) => return Reply::refused(400, "invalid", unclear.0),
            }
        }
        let key = Key::new(kind, &self.store.next_id());
        if kind == "AppointmentResponse"
            && let Err(refusal) = self.respond(&resource, now)
        {
            return refusal;
        }
        let Some(held) = self.put(&key, resource, now) else { return full() };
        self.written(&key, asked, now);
        let location = format!("{}/{key}/_history/{}", self.base_url, held.version);
        self.write_reply(201, &held, asked, now).with("location", location)
    }

    /// `PUT Type/id`.
    pub(super) fn update(&mut self, key: &Key, asked: &Asked, now: Timestamp) -> Reply {
        let resource = match self.taken(&key.kind, asked.json()) {
            Ok(resource) => resource,
            Err(refusal) => return refusal,
        };
        if text(&resource, "/id") != Some(key.id.as_str()) {
            return Reply::refused(400, "invalid", "the id is not the one of the address");
        }
        self.meddle(key, now);
        if let Err(refusal) = self.precondition(key, asked, false) {
            return refusal;
        }
        let is_new = self.store.live(key).is_none();
        self.replace(key, resource, asked, now, if is_new { 201 } else { 200 })
    }

    /// `PATCH Type/id`.
    pub(super) fn patch(&mut self, key: &Key, asked: &Asked, now: Timestamp) -> Reply {
        let patch = match asked.json() {
            Ok(patch) => patch,
            Err(refusal) => return refusal,
        };
        self.meddle(key, now);
        let Some(held) = self.store.current(key) else { return unknown() };
        let Some(resource) = &held.resource else { return gone() };
        if let Err(refusal) = self.precondition(key, asked, true) {
            return refusal;
        }
        let listed = &self.knobs.patch_paths;
        let patched = match (asked.media_type(), self.knobs.patch_forms) {
            (JSON_PATCH, PatchForms::Both | PatchForms::Json) => {
                json_patch(resource, &patch, listed)
            }
            (FHIR_JSON, PatchForms::Both | PatchForms::FhirPath) => {
                fhirpath_patch(resource, &patch, listed)
            }
            (FHIR_JSON, PatchForms::Json) => {
                return Reply::refused(400, "invalid", "the patch has to be an array");
            }
            _ => return Reply::refused(415, "not-supported", "this form of patch is not known"),
        };
        let changed = match patched {
            Ok(changed) => changed,
            Err(Refused::Malformed(told)) => return Reply::refused(400, "invalid", told),
            Err(Refused::Unfit(told)) => return Reply::refused(422, "processing", told),
            Err(Refused::Test) => {
                return Reply::refused(self.knobs.test_status, "conflict", "a test failed");
            }
        };
        let is_moved = text(&changed, "/id") != Some(key.id.as_str());
        match self.taken(&key.kind, Ok(changed)) {
            Ok(_) if is_moved => Reply::refused(422, "processing", "an id cannot be changed"),
            Ok(changed) => self.replace(key, changed, asked, now, 200),
            Err(refusal) => refusal,
        }
    }

    /// `DELETE Type/id`.
    pub(super) fn remove(&mut self, key: &Key, asked: &Asked, now: Timestamp) -> Reply {
        if self.store.current(key).is_none() {
            return unknown();
        }
        self.meddle(key, now);
        if let Some(Err(refusal)) =
            asked.header("if-match").map(|_| self.precondition(key, asked, false))
        {
            return refusal;
        }
        // Deleting what is deleted succeeds.
        drop(self.delete(key, now));
        Reply::empty(204)
    }

    /// The answer to a write that leaves `held`.
    pub(super) fn write_reply(
        &self,
        status: u16,
        held: &Held,
        asked: &Asked,
        now: Timestamp,
    ) -> Reply {
        if self.knobs.no_body {
            return Reply::empty(if status == 200 { 204 } else { status });
        }
        let reply = self.tagged(Reply::empty(status), held);
        if asked.prefers("return=minimal") {
            return reply;
        }
        Reply { body: shown(held, &self.knobs, now), ..reply }
    }

    fn replace(
        &mut self,
        key: &Key,
        resource: Value,
        asked: &Asked,
        now: Timestamp,
        status: u16,
    ) -> Reply {
        // A write that changes nothing makes no version.
        let is_idle = self.store.live(key).is_some_and(|known| is_same(known, &resource));
        let idle = self.store.current(key).filter(|_| is_idle && key.kind != "Subscription");
        if let Some(held) = idle {
            return self.write_reply(status, held, asked, now);
        }
        let Some(held) = self.put(key, resource, now) else { return full() };
        self.written(key, asked, now);
        self.write_reply(status, &held, asked, now)
    }

    fn written(&mut self, key: &Key, asked: &Asked, now: Timestamp) {
        if key.kind == "Subscription" {
            let secret = asked.header("x-hub-secret").map(str::to_owned);
            self.requested(&key.id, secret, now);
        }
    }

    fn show(&self, held: &Held, now: Timestamp) -> Reply {
        match shown(held, &self.knobs, now) {
            Some(resource) => self.tagged(Reply::ok(resource), held),
            None => gone(),
        }
    }

    fn tagged(&self, reply: Reply, held: &Held) -> Reply {
        let reply = reply.with("last-modified", http_date(held.at));
        if self.has_no_etag() {
            return reply;
        }
        reply.with("etag", format!("W/\"{}\"", held.version))
    }

    const fn has_no_etag(&self) -> bool {
        self.knobs.no_etag || self.knobs.no_version_id
    }

    /// Looks at If-Match.
    fn precondition(&self, key: &Key, asked: &Asked, is_patch: bool) -> Result<(), Reply> {
        if is_patch && self.knobs.ignore_if_match_on_patch {
            return Ok(());
        }
        let current = self.store.current(key).filter(|held| held.resource.is_some());
        let Some(tags) = asked.header("if-match") else {
            let required = self.knobs.if_match_required.filter(|_| current.is_some());
            return match required {
                Some(status) => Err(Reply::refused(status, "required", "If-Match is missing")),
                None => Ok(()),
            };
        };
        if current.is_some_and(|held| names(tags, &held.version)) {
            return Ok(());
        }
        let told = "the version is not the current one";
        Err(Reply::refused(self.knobs.conflict_status, "conflict", told))
    }

    /// A resource that a client wants to write, if it may be written.
    fn taken(&self, kind: &str, resource: Result<Value, Reply>) -> Result<Value, Reply> {
        let resource = resource?;
        if text(&resource, "/resourceType") != Some(kind) {
            return Err(Reply::refused(400, "invalid", "the type is not the one of the address"));
        }
        let unfit = |told: &str| Reply::refused(422, "processing", told);
        match kind {
            "Appointment" => self.appointment(&resource).map_err(unfit)?,
            "Subscription" => {
                let read = Channel::read(&resource, self.version, self.knobs.headers_cut);
                read.map_err(unfit)?;
            }
            _ => {}
        }
        Ok(resource)
    }

    /// The rules of Appointment that servers were seen to hold; app-2, app-3 among them.
    fn appointment(&self, resource: &Value) -> Result<(), &'static str> {
        let status = text(resource, "/status").ok_or("there is no status")?;
        if !self.knobs.any_status && !STATUSES.contains(&status) {
            return Err("the status is not known");
        }
        let participants = resource.get("participant").and_then(Value::as_array);
        let participants = participants.filter(|list| !list.is_empty());
        for participant in participants.ok_or("there is no participant")? {
            let answer = text(participant, "/status").ok_or("a participant has no status")?;
            if !self.knobs.any_status && !ANSWERS.contains(&answer) {
                return Err("the status of a participant is not known");
            }
        }
        let (start, end) = (text(resource, "/start"), text(resource, "/end"));
        let instants = [start, end].into_iter().flatten();
        if instants.clone().any(|at| DateTime::parse_from_rfc3339(at).is_err()) {
            return Err("start or end is no instant");
        }
        match (instants.count(), status) {
            (2, _) | (0, "proposed" | "cancelled" | "waitlist") => Ok(()),
            _ => Err("start and end have to be there"),
        }
    }
}

/// Whether the tags of an If-Match or If-None-Match name a version.
fn names(tags: &str, version: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| {
        let bare = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
        tag == "*" || bare == version
    })
}

fn unknown() -> Reply {
    Reply::refused(404, "not-found", "the resource is not known")
}

fn gone() -> Reply {
    Reply::refused(410, "deleted", "the resource is deleted")
}

fn full() -> Reply {
    Reply::refused(507, "too-costly", "there is no room for more resources")
}

impl Version {
    /// The element that holds why an appointment was canceled.
    #[must_use]
    pub const fn cancel_reason(self) -> &'static str {
        match self {
            // R5 mended the spelling (FHIR-32768).
            Self::R5 => "cancellationReason",
            Self::R4 | Self::R4b => "cancelationReason",
        }
    }
}
