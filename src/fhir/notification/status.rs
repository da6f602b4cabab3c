//! The status that begins a notification of a topic: `Parameters` (Backport for R4) or
//! `SubscriptionStatus` (R4B, R5), read into one form.
//!
//! Names are compared without hyphens and case, values are taken from whatever `value[x]` they come
//! in, and a bare number is as good as one in quotes. `events-in-notification` is ignored: athena
//! sends it, and the events themselves are there to be counted.

use serde_json::Value;

use super::Kind;
use crate::clock::Timestamp;
use crate::fhir::json;

/// A status with its events.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) kind: Kind,
    pub(super) subscription: Option<String>,
    pub(super) topic: Option<String>,
    pub(super) code: Option<String>,
    pub(super) events_since_start: Option<u64>,
    pub(super) error: Option<String>,
    pub(super) events: Vec<Event>,
    pub(super) skipped: usize,
}

/// An event.
#[derive(Debug, Default)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    pub(super) number: Option<u64>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) focus: Option<Focus>,
}

/// What an event is about.
#[derive(Debug)]
pub(super) struct Focus {
    pub(super) reference: Option<String>,
    /// System and value.
    pub(super) identifier: Option<(Option<String>, String)>,
}

impl Focus {
    fn read(value: &Value) -> Self {
        if let Value::String(text) = value {
            return Self { reference: Some(text.clone()), identifier: None };
        }
        let identifier = value.get("identifier").and_then(|identifier| {
            Some((json::word(identifier, "system"), json::word(identifier, "value")?))
        });
        Self { reference: json::word(value, "reference"), identifier }
    }

    /// What it says, for a key.
    pub(super) fn text(&self) -> String {
        let (system, value) = self.identifier.clone().unwrap_or_default();
        let reference = self.reference.as_deref().unwrap_or_default();
        format!("{reference}\n{}\n{value}", system.unwrap_or_default())
    }
}

/// Whether this is a status: of `Parameters`, whether they have a type or a subscription.
pub(super) fn is_status(value: &Value) -> bool {
    match json::kind(value) {
        "SubscriptionStatus" => true,
        "Parameters" => json::each(value, "parameter").iter().any(|parameter| {
            let name = plain(json::text(parameter, "name").unwrap_or_default());
            name == "type" || name == "subscription"
        }),
        _ => false,
    }
}

impl Status {
    pub(super) fn read(value: &Value) -> Self {
        let mut reader = Reader::default();
        if json::kind(value) == "Parameters" {
            for parameter in json::each(value, "parameter") {
                reader.parameter(parameter);
            }
        } else {
            for (name, member) in value.as_object().into_iter().flatten() {
                reader.element(name, member);
            }
        }
        reader.finish()
    }
}

#[derive(Debug, Default)]
struct Reader {
    kind: Option<String>,
    subscription: Option<String>,
    topic: Option<String>,
    code: Option<String>,
    events_since_start: Option<u64>,
    error: Option<String>,
    events: Vec<Event>,
    skipped: usize,
}

impl Reader {
    fn parameter(&mut self, parameter: &Value) {
        let name = plain(json::text(parameter, "name").unwrap_or_default());
        if name == "notificationevent" {
            let mut event = Event { id: json::word(parameter, "id"), ..Event::default() };
            for part in json::each(parameter, "part") {
                let name = plain(json::text(part, "name").unwrap_or_default());
                self.event_part(&mut event, &name, value_of(part));
            }
            self.events.push(event);
            return;
        }
        match value_of(parameter) {
            Some(value) => self.field(&name, value),
            None => self.skipped += 1,
        }
    }

    fn element(&mut self, name: &str, member: &Value) {
        let name = plain(name);
        if name != "notificationevent" {
            self.field(&name, member);
            return;
        }
        let single = std::slice::from_ref(member);
        for item in member.as_array().map_or(single, Vec::as_slice) {
            let mut event = Event::default();
            for (name, part) in item.as_object().into_iter().flatten() {
                self.event_part(&mut event, &plain(name), Some(part));
            }
            self.skipped += usize::from(!item.is_object());
            self.events.push(event);
        }
    }

    fn field(&mut self, name: &str, value: &Value) {
        match name {
            "type" => self.kind = value.as_str().map(json::code),
            "subscription" => self.subscription = reference(value),
            "topic" => self.topic = line(value),
            "status" => self.code = value.as_str().map(json::code),
            "eventssincesubscriptionstart" => {
                self.events_since_start = json::count(value);
                self.skipped += usize::from(self.events_since_start.is_none());
            }
            "error" if self.error.is_none() => {
                let single = std::slice::from_ref(value);
                let mut concepts = value.as_array().map_or(single, Vec::as_slice).iter();
                self.error = concepts.next().map(|concept| {
                    let coding = json::each(concept, "coding").first();
                    json::code(coding.and_then(|c| json::text(c, "code")).unwrap_or_default())
                });
            }
            // What a status has besides says nothing of events, nor would what is added later.
            _ => {}
        }
    }

    fn event_part(&mut self, event: &mut Event, name: &str, value: Option<&Value>) {
        let Some(value) = value else {
            self.skipped += 1;
            return;
        };
        let is_read = match name {
            "id" => {
                event.id = line(value);
                event.id.is_some()
            }
            "eventnumber" => {
                event.number = json::count(value);
                event.number.is_some()
            }
            "timestamp" => {
                event.timestamp = value.as_str().and_then(json::instant);
                event.timestamp.is_some()
            }
            "focus" => {
                event.focus = Some(Focus::read(value));
                true
            }
            _ => true,
        };
        self.skipped += usize::from(!is_read);
    }

    fn finish(self) -> Status {
        let mut skipped = self.skipped;
        let kind = match self.kind.as_deref() {
            Some("handshake") => Kind::Handshake,
            Some("heartbeat") => Kind::Heartbeat,
            Some("event-notification") => Kind::Events,
            Some("query-status") => Kind::QueryStatus,
            Some("query-event" | "query-events") => Kind::QueryEvents,
            other => {
                skipped += 1;
                match self.code.as_deref() {
                    _ if !self.events.is_empty() => Kind::Events,
                    Some("requested") => Kind::Handshake,
                    // Without a type it can be anything, with one that is not known as well.
                    _ if other.is_none() => Kind::Events,
                    _ => Kind::Heartbeat,
                }
            }
        };
        Status {
            kind,
            subscription: self.subscription,
            topic: self.topic,
            code: self.code,
            events_since_start: self.events_since_start,
            error: self.error,
            events: self.events,
            skipped,
        }
    }
}

/// A name as it is compared: `event-number` and `eventNumber` are one.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The value of a parameter, whatever its type.
fn value_of(parameter: &Value) -> Option<&Value> {
    let mut members = parameter.as_object()?.iter();
    members.find(|(name, _)| name.starts_with("value")).map(|(_, value)| value)
}

/// A reference's text, or the value of its identifier.
fn reference(value: &Value) -> Option<String> {
    let identifier = || json::word(value.get("identifier")?, "value");
    line(value).or_else(|| json::word(value, "reference")).or_else(identifier)
}

fn line(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    let is_plain = !text.is_empty() && text.len() <= json::TEXT_BYTES_MAX;
    (is_plain && !text.contains(char::is_control)).then(|| text.to_owned())
}
