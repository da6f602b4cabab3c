//! What goes over the wire but is no resource of the store: notifications, outcomes, the capability
//! statement. Pure.

use serde_json::{Map, Value, json};

use super::Version;
use super::faults::{Focus, Knobs, Numbering};
use super::store::{Held, instant, uuid_of};
use super::subscribe::{Content, Event, Interaction};
use crate::clock::Timestamp;

/// The media type of everything that is sent.
pub(super) const FHIR_JSON: &str = "application/fhir+json";

/// An `OperationOutcome` with one issue.
pub(super) fn outcome(severity: &str, code: &str, told: &str) -> Value {
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{
            "severity": severity,
            "code": code,
            "details": { "text": told },
            "diagnostics": told,
        }],
    })
}

/// A resource as it is shown, by the server's habits.
pub(super) fn shown(held: &Held, knobs: &Knobs, now: Timestamp) -> Option<Value> {
    Some(by_habit(held.resource.clone()?, knobs, now))
}

pub(super) fn by_habit(mut resource: Value, knobs: &Knobs, now: Timestamp) -> Value {
    if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
        if knobs.no_version_id {
            meta.shift_remove("versionId");
        }
        if knobs.last_updated_now {
            meta.insert("lastUpdated".to_owned(), json!(instant(now)));
        }
    }
    resource
}

/// Makes a resource or a Bundle larger by a narrative of `bytes` bytes.
pub(super) fn pad(value: &mut Value, bytes: usize) {
    if bytes == 0 {
        return;
    }
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", "x".repeat(bytes));
    let text = json!({ "status": "generated", "div": div });
    let is_bundle = value.get("resourceType").and_then(Value::as_str) == Some("Bundle");
    if !is_bundle {
        if let Some(object) = value.as_object_mut() {
            object.insert("text".to_owned(), text);
        }
        return;
    }
    if let Some(Value::Object(first)) = value.pointer_mut("/entry/0/resource") {
        first.insert("text".to_owned(), text);
    } else if let Some(object) = value.as_object_mut() {
        let tag =
            json!([{ "system": "urn:padding", "code": "padding", "display": "x".repeat(bytes) }]);
        object.insert("meta".to_owned(), json!({ "tag": tag }));
    }
}

/// What a notification tells.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) version: Version,
    pub(super) knobs: &'a Knobs,
    /// The server's address.
    pub(super) base: &'a str,
    /// The subscription's id.
    pub(super) id: &'a str,
    pub(super) topic: &'a str,
    pub(super) status: &'a str,
    /// The notification's type: `handshake`, `heartbeat`, `event-notification`, `query-status`,
    /// `query-event`.
    pub(super) kind: &'a str,
    /// Events so far.
    pub(super) count: u64,
    pub(super) events: &'a [Event],
    pub(super) content: Content,
    pub(super) now: Timestamp,
    /// Makes the Bundle's id one of its own.
    pub(super) serial: u64,
}

impl Told<'_> {
    /// The notification.
    pub(super) fn bundle(&self) -> Value {
        let uuid = |part: &str| uuid_of(format!("{} {} {part}", self.id, self.serial).as_bytes());
        let status_url = format!("Subscription/{}/$status", self.id);
        let mut first = Map::new();
        first.insert("fullUrl".to_owned(), json!(format!("urn:uuid:{}", uuid("status"))));
        first.insert("resource".to_owned(), self.status_resource());
        if self.version != Version::R5 {
            first.insert("request".to_owned(), json!({ "method": "GET", "url": status_url }));
            first.insert("response".to_owned(), json!({ "status": "200" }));
        }
        let mut entries = vec![Value::Object(first)];
        if self.content != Content::Empty {
            entries.extend(self.events.iter().map(|event| self.focus_entry(event)));
        }
        let usual = match self.version {
            Version::R5 => "subscription-notification",
            Version::R4 | Version::R4b => "history",
        };
        let kind = self.knobs.bundle_type.as_deref().unwrap_or(usual);
        json!({
            "resourceType": "Bundle",
            "id": uuid("bundle"),
            "type": kind,
            "timestamp": instant(self.now),
            "entry": entries,
        })
    }

    /// What the first entry holds.
    pub(super) fn status_resource(&self) -> Value {
        match self.version {
            Version::R4 => self.parameters(),
            Version::R4b | Version::R5 => self.subscription_status(),
        }
    }

    /// Backport IG, profile `backport-subscription-status-r4`.
    fn parameters(&self) -> Value {
        let number = |name: &str, number: u64| {
            if self.knobs.bare_numbers {
                json!({ "name": name, "valueUnsignedInt": number })
            } else {
                json!({ "name": name, "valueString": number.to_string() })
            }
        };
        let subscription =
            json!({ "reference": format!("{}/Subscription/{}", self.base, self.id) });
        let mut parameters = vec![
            json!({ "name": "subscription", "valueReference": subscription }),
            json!({ "name": "topic", "valueCanonical": self.topic }),
            json!({ "name": "status", "valueCode": self.status }),
            json!({ "name": "type", "valueCode": self.kind }),
            number("events-since-subscription-start", self.count()),
        ];
        for (place, event) in self.events.iter().enumerate() {
            let mut parts = vec![
                number("event-number", self.number(place, event)),
                json!({ "name": "timestamp", "valueInstant": instant(event.at) }),
            ];
            if self.has_focus() {
                parts.push(json!({ "name": "focus", "valueReference": self.focus(event) }));
            }
            let mut parameter = json!({ "name": "notification-event", "part": parts });
            self.name_event(event, &mut parameter);
            parameters.push(parameter);
        }
        json!({ "resourceType": "Parameters", "parameter": parameters })
    }

    fn subscription_status(&self) -> Value {
        let number = |number: u64| {
            if self.knobs.bare_numbers { json!(number) } else { json!(number.to_string()) }
        };
        let mut status = json!({
            "resourceType": "SubscriptionStatus",
            "status": self.status,
            "type": self.kind,
            "eventsSinceSubscriptionStart": number(self.count()),
        });
        let events = self.events.iter().enumerate().map(|(place, event)| {
            let at = instant(event.at);
            let mut told =
                json!({ "eventNumber": number(self.number(place, event)), "timestamp": at });
            if let (true, Some(object)) = (self.has_focus(), told.as_object_mut()) {
                object.insert("focus".to_owned(), self.focus(event));
            }
            self.name_event(event, &mut told);
            told
        });
        let events: Vec<Value> = events.collect();
        if let Some(object) = status.as_object_mut() {
            if !events.is_empty() {
                object.insert("notificationEvent".to_owned(), json!(events));
            }
            let subscription = format!("{}/Subscription/{}", self.base, self.id);
            object.insert("subscription".to_owned(), json!({ "reference": subscription }));
            object.insert("topic".to_owned(), json!(self.topic));
        }
        status
    }

    fn count(&self) -> u64 {
        match self.knobs.numbering {
            Numbering::Counting => {
                self.events.iter().map(|one| one.number).max().unwrap_or(self.count)
            }
            Numbering::AlwaysOne => self.count.min(1),
            Numbering::PerBundle => u64::try_from(self.events.len()).unwrap_or(u64::MAX),
        }
    }

    fn number(&self, place: usize, event: &Event) -> u64 {
        match self.knobs.numbering {
            Numbering::Counting => event.number,
            Numbering::AlwaysOne => 1,
            Numbering::PerBundle => u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1),
        }
    }

    fn has_focus(&self) -> bool {
        self.content != Content::Empty || self.knobs.empty_has_focus
    }

    fn focus(&self, event: &Event) -> Value {
        match self.knobs.focus {
            Focus::Absolute => json!({ "reference": format!("{}/{}", self.base, event.key) }),
            Focus::Relative => json!({ "reference": event.key.to_string() }),
            Focus::Identifier => {
                let own = json!({ "system": "urn:owl-clinic:appointment", "value": event.key.id });
                let known = event.resource.pointer("/identifier/0").cloned();
                json!({ "identifier": known.unwrap_or(own) })
            }
        }
    }

    /// The same event has the same name in every notification of it.
    fn name_event(&self, event: &Event, told: &mut Value) {
        if let (true, Some(object)) = (self.knobs.event_ids, told.as_object_mut()) {
            let about = format!("{} {} {}", self.id, event.key, instant(event.at));
            object.insert("id".to_owned(), json!(uuid_of(about.as_bytes())));
        }
    }

    fn focus_entry(&self, event: &Event) -> Value {
        let (method, url, status) = match event.interaction {
            Interaction::Create => ("POST", event.key.kind.clone(), "201"),
            Interaction::Update => ("PUT", event.key.to_string(), "200"),
            Interaction::Delete => ("DELETE", event.key.to_string(), "204"),
        };
        let mut entry = json!({
            "fullUrl": format!("{}/{}", self.base, event.key),
            "request": { "method": method, "url": url },
            "response": { "status": status },
        });
        let is_told = self.content == Content::FullResource;
        let is_there = event.interaction != Interaction::Delete;
        if let (true, true, Some(object)) = (is_told, is_there, entry.as_object_mut()) {
            let resource = by_habit(event.resource.clone(), self.knobs, self.now);
            object.insert("resource".to_owned(), resource);
        }
        entry
    }
}

/// What `GET metadata` answers.
pub(super) fn capabilities(version: Version, knobs: &Knobs, base: &str, now: Timestamp) -> Value {
    let interactions: Vec<Value> =
        ["read", "vread", "update", "patch", "delete", "history-instance", "create", "search-type"]
            .iter()
            .map(|code| json!({ "code": code }))
            .collect();
    let searches = [
        ("_lastUpdated", "date"),
        ("_id", "token"),
        ("identifier", "token"),
        ("status", "token"),
        ("date", "date"),
        ("patient", "reference"),
        ("practitioner", "reference"),
        ("location", "reference"),
        ("actor", "reference"),
    ];
    let searches: Vec<Value> = searches
        .iter()
        .filter(|(name, _)| !(knobs.needs_actor && *name == "_lastUpdated"))
        .map(|(name, kind)| json!({ "name": name, "type": kind }))
        .collect();
    let kinds = [
        "Appointment",
        "AppointmentResponse",
        "Patient",
        "Practitioner",
        "Location",
        "Subscription",
    ];
    let operation = |name: &str| {
        let definition = format!("http://hl7.org/fhir/OperationDefinition/Subscription-{name}");
        json!({ "name": name, "definition": definition })
    };
    let mut resources = Vec::new();
    for kind in kinds {
        let is_subscription = kind == "Subscription";
        if is_subscription && knobs.no_subscriptions {
            continue;
        }
        let mut resource = json!({
            "type": kind,
            "interaction": interactions,
            "versioning": if knobs.no_version_id { "no-version" } else { "versioned-update" },
            "searchParam": searches,
        });
        if let (true, Some(object)) = (is_subscription, resource.as_object_mut()) {
            let known =
                [("status", knobs.no_status_operation), ("events", knobs.no_events_operation)];
            let known = known.iter().filter(|(_, is_missing)| !is_missing);
            let operations: Vec<Value> = known.map(|(name, _)| operation(name)).collect();
            object.insert("operation".to_owned(), json!(operations));
        }
        resources.push(resource);
    }
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(now),
        "kind": "instance",
        "software": { "name": "Owl Clinic's stand-in" },
        "implementation": { "description": "A stand-in with invented people", "url": base },
        "fhirVersion": version.number(),
        "format": ["json", FHIR_JSON],
        "patchFormat": ["application/json-patch+json", FHIR_JSON],
        "rest": [{ "mode": "server", "resource": resources }],
    })
}
