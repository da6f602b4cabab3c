//! A notification, in whatever shape a server sends it: what it says happened.
//!
//! What comes out is hints, never facts: events are lost, repeated, renumbered and forged, so each
//! hint only says where to look. Four shapes are told apart by what is in them, never by the type of
//! a Bundle: a bare resource or nothing at all (R4 criteria), a status with events (Backport as
//! `Parameters`, R4B and R5 as `SubscriptionStatus`), a message with a header, and a plain Bundle.
//! Whether the sender is believed was decided before, over the raw bytes.

mod entries;
mod hint;
mod status;

use std::fmt;

use serde_json::Value;

use self::entries::Entries;
pub use self::hint::{Change, Hint, Target};
use self::hint::{Marks, key_of_event, key_of_state, marks_of, share, target_of};
use self::status::{Event, Status};
use super::json::{self, NoJson};
use super::reference::{Literal, Name};
use super::resource;

/// Most entries of a Bundle. Servers that collect send some hundred events at once; what has more is
/// refused as a whole, and a search finds what changed.
pub const ENTRIES_MAX: usize = 1000;

/// Most events of one status; like [`ENTRIES_MAX`].
pub const EVENTS_MAX: usize = 1000;

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET` or `HEAD`.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
    /// Any other.
    Other,
}

/// A request to the address that a server notifies.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// How it came.
    pub method: Method,
    /// What follows the server's own path: empty, or `Appointment/123`.
    pub path: &'a str,
    /// Names and values.
    pub headers: &'a [(&'a str, &'a str)],
    /// The bytes as they came.
    pub body: &'a [u8],
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("headers", &self.headers.len())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Call<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }
}

/// What a notification is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server tries whether anybody answers.
    Handshake,
    /// The server says that it is alive.
    Heartbeat,
    /// Something happened.
    Events,
    /// The answer to `$status`.
    QueryStatus,
    /// The answer to `$events`.
    QueryEvents,
    /// Nothing that could be understood, and why. It is kept for a person, and answered as received:
    /// refused, it would make the server give up the subscription.
    Unreadable(&'static str),
}

/// What a request says.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// What it is for.
    pub kind: Kind,
    /// The subscription, as reference or id.
    pub subscription: Option<String>,
    /// The topic's canonical address, or a message's event.
    pub topic: Option<String>,
    /// The code of the subscription's status: `active`, `error`, ..
    pub status: Option<String>,
    /// How many events the server counted since the subscription began.
    pub events_since_start: Option<u64>,
    /// Where to look, in the order of the notification.
    pub hints: Vec<Hint>,
    /// Whether the request was a Bundle, and so a Bundle is expected for an answer.
    pub asks_bundle_answer: bool,
    /// `Bundle.id`.
    pub id: Option<String>,
    /// The first code of an error of the subscription.
    pub error: Option<String>,
    /// Pieces that were not understood. Each changed what was taken from the notification, or at
    /// most hid something; those that are known to say nothing are not counted.
    pub skipped: usize,
}

impl Notification {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            subscription: None,
            topic: None,
            status: None,
            events_since_start: None,
            hints: Vec::new(),
            asks_bundle_answer: false,
            id: None,
            error: None,
            skipped: 0,
        }
    }

    fn of(hint: Hint) -> Self {
        Self { hints: vec![hint], ..Self::new(Kind::Events) }
    }
}

/// Reads a notification. It never fails: what cannot be understood is [`Kind::Unreadable`].
///
/// ```
/// use appointd::fhir::notification::{Call, Change, Kind, Method, Target, read};
/// // HAPI tells of a deletion by one of its own.
/// let call = Call { method: Method::Delete, path: "Appointment/17", headers: &[], body: b"" };
/// let told = read(&call);
/// assert_eq!(told.kind, Kind::Events);
/// assert_eq!(told.hints[0].target, Target::Appointment("17".to_owned()));
/// assert_eq!(told.hints[0].change, Change::Deleted);
/// ```
#[must_use]
pub fn read(call: &Call<'_>) -> Notification {
    let mut told = match call.method {
        Method::Get | Method::Other => {
            Notification::new(Kind::Unreadable("no notification comes by this method"))
        }
        Method::Delete => match Named::of(call.path) {
            Named::Resource(name) => Notification::of(Hint::new(Target::of(name), Change::Deleted)),
            Named::Nothing | Named::Odd => {
                Notification::new(Kind::Unreadable("the path does not name what was deleted"))
            }
        },
        Method::Post | Method::Put => read_sent(call),
    };
    if told.subscription.is_none() {
        // Medplum: the id alone.
        let id = call.header("x-medplum-subscription");
        told.subscription = id.filter(|id| json::is_id(id)).map(str::to_owned);
    }
    told
}

/// What the path behind the endpoint names.
enum Named {
    Nothing,
    Resource(Name),
    Odd,
}

impl Named {
    fn of(path: &str) -> Self {
        let path = path.trim_matches('/');
        if path.is_empty() || json::is_type(path) {
            return Self::Nothing;
        }
        match Literal::parse(path) {
            Literal::Relative(name) => Self::Resource(name),
            Literal::Absolute(..)
            | Literal::Contained(_)
            | Literal::Urn
            | Literal::Foreign
            | Literal::Unreadable => Self::Odd,
        }
    }
}

fn read_sent(call: &Call<'_>) -> Notification {
    let body = json::parse(call.body);
    let is_bare = match &body {
        Ok(value) => {
            json::kind(value).is_empty() && value.as_object().is_some_and(|o| o.is_empty())
        }
        Err(reason) => *reason == NoJson::Empty,
    };
    if is_bare {
        return read_touch(call);
    }
    let value = match body {
        Ok(value) => value,
        Err(reason) => return Notification::new(Kind::Unreadable(reason.reason())),
    };
    match json::kind(&value) {
        "" => Notification::new(Kind::Unreadable("the body is no resource")),
        "OperationOutcome" => {
            Notification::new(Kind::Unreadable("the body is an outcome, no notification"))
        }
        "Bundle" => Notification { asks_bundle_answer: true, ..read_bundle(value, 1) },
        _ if status::is_status(&value) => read_status(&value, Entries::default(), &Value::Null),
        "Parameters" => {
            Notification::new(Kind::Unreadable("the parameters are of no subscription"))
        }
        _ => read_resource(value, call),
    }
}

/// Reads a request without content: the path or a header names what changed, or nothing does.
fn read_touch(call: &Call<'_>) -> Notification {
    let said = change_said(call);
    let deleted = call.header("x-medplum-deleted-resource");
    if let Some(name) = deleted.and_then(Name::of) {
        return Notification::of(Hint::new(Target::of(name), Change::Deleted));
    }
    let mut told = match Named::of(call.path) {
        Named::Resource(name) => Notification::of(Hint::new(Target::of(name), said)),
        Named::Nothing => Notification::of(Hint::new(Target::Any, said)),
        Named::Odd => Notification { skipped: 1, ..Notification::of(Hint::new(Target::Any, said)) },
    };
    told.skipped += usize::from(deleted.is_some());
    told
}

/// Reads a resource that was sent alone.
fn read_resource(value: Value, call: &Call<'_>) -> Notification {
    let mut skipped = 0;
    let identity = resource::identity(&value);
    let mut hint = Hint::new(target_of(&value, identity.as_ref()), change_said(call));
    skipped += usize::from(hint.target == Target::Any);
    hint.timestamp = identity.as_ref().and_then(|identity| identity.last_updated);
    hint.key = identity.as_ref().and_then(|identity| {
        let is_marked = identity.version.is_some() || identity.last_updated.is_some();
        is_marked.then(|| key_of_state(&[], identity, hint.change))
    });
    hint.resource = Some(value);
    match Named::of(call.path) {
        Named::Nothing => {}
        Named::Odd => skipped += 1,
        Named::Resource(name) => {
            let named = Target::of(name);
            if hint.target == Target::Any {
                hint.target = named;
            } else if hint.target != named {
                // Which of the two is meant is not known; the path is what servers build last.
                skipped += 1;
                hint = Hint::new(named, hint.change);
            }
        }
    }
    Notification { skipped, ..Notification::of(hint) }
}

/// What Medplum says beside the resource; methods say nothing, because HAPI puts what is new too.
fn change_said(call: &Call<'_>) -> Change {
    match call.header("x-medplum-interaction") {
        Some("create") => Change::Created,
        Some("update") => Change::Updated,
        Some("delete") => Change::Deleted,
        Some(_) | None => Change::Unknown,
    }
}

/// Reads a Bundle; `depth` is how many may stand within one another from here.
fn read_bundle(mut value: Value, depth: usize) -> Notification {
    let items = match value.get_mut("entry").map(Value::take) {
        Some(Value::Array(items)) => items,
        Some(single @ Value::Object(_)) => vec![single],
        Some(_) | None => Vec::new(),
    };
    let id = json::word(&value, "id");
    let refused =
        |reason| Notification { id: id.clone(), ..Notification::new(Kind::Unreadable(reason)) };
    if items.len() > ENTRIES_MAX {
        return refused("the bundle has too many entries");
    }
    let mut entries = Entries::new(items);
    if let Some(status) = entries.take_status() {
        return Notification { id, ..read_status(&status, entries, &value) };
    }
    let header = entries.take_header();
    if depth > 0
        && header.is_some()
        && let Some(inner) = entries.take_bundle()
    {
        // A status sent as a message, as R5 shows it.
        return read_bundle(inner, depth - 1);
    }
    let (change, topic) = header.as_ref().map_or((Change::Unknown, None), message_event);
    let mut hints = entries.plain_hints(&marks_of(&value));
    for hint in &mut hints {
        if hint.change == Change::Unknown {
            hint.change = change;
        }
    }
    if hints.is_empty() {
        return refused("the bundle holds no event and no resource");
    }
    share(&mut hints, entries.included());
    let skipped = entries.skipped();
    Notification { topic, hints, id, skipped, ..Notification::new(Kind::Events) }
}

/// What a message's header says: Redox has `.../EventDefinition/AppointmentCancel`.
fn message_event(header: &Value) -> (Change, Option<String>) {
    let coding = header.get("eventCoding").and_then(|coding| json::word(coding, "code"));
    let Some(event) = json::word(header, "eventUri").or(coding) else {
        return (Change::Unknown, None);
    };
    let name = event.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    // A reschedule is a change before it is a schedule, and a cancellation is one of status.
    let change = if says(&["delete"]) {
        Change::Deleted
    } else if says(&["update", "modif", "change", "cancel", "noshow", "reschedul"]) {
        Change::Updated
    } else if says(&["create", "new", "book", "schedul"]) {
        Change::Created
    } else {
        Change::Unknown
    };
    (change, Some(event))
}

fn read_status(value: &Value, mut entries: Entries, bundle: &Value) -> Notification {
    let status = Status::read(value);
    let mut told = Notification {
        subscription: status.subscription.clone(),
        topic: status.topic.clone(),
        status: status.code.clone(),
        events_since_start: status.events_since_start,
        error: status.error.clone(),
        ..Notification::new(status.kind)
    };
    if status.events.len() > EVENTS_MAX {
        told.kind = Kind::Unreadable("the status has too many events");
        return told;
    }
    let marks = marks_of(bundle);
    let has_focus = status.events.iter().any(|event| event.focus.is_some());
    if status.kind == Kind::Events && !has_focus {
        told.hints = entries.plain_hints(&marks);
    }
    if told.hints.is_empty() {
        // From the last, because the newest state of a resource belongs to its last event.
        let events = status.events.iter().enumerate().rev();
        told.hints = events
            .map(|(index, event)| hint_of(event, index, &status, &mut entries, &marks))
            .collect();
        told.hints.reverse();
    } else if let ([event], [hint]) = (&status.events[..], &mut told.hints[..]) {
        hint.number = event.number;
        hint.timestamp = event.timestamp.or(hint.timestamp);
    }
    if told.hints.is_empty() && status.kind == Kind::Events {
        told.hints.push(Hint::new(Target::Any, Change::Unknown));
    }
    let lost = told
        .hints
        .iter()
        .zip(&status.events)
        .filter(|(hint, event)| hint.target == Target::Any && event.focus.is_some());
    told.skipped = status.skipped + lost.count() + entries.skipped();
    share(&mut told.hints, entries.included());
    told
}

fn hint_of(
    event: &Event,
    index: usize,
    status: &Status,
    entries: &mut Entries,
    marks: &Marks,
) -> Hint {
    let mut hint = Hint::new(Target::Any, Change::Unknown);
    hint.number = event.number;
    hint.timestamp = event.timestamp;
    if let Some(focus) = &event.focus {
        let claimed = focus.reference.as_deref().and_then(|text| entries.claim(text));
        let by_identifier = || {
            let (system, value) = focus.identifier.clone()?;
            Some(Target::Identifier { system, value })
        };
        let (target, change, resource) = match claimed {
            Some(claimed) => (claimed.name.map(Target::of), claimed.change, claimed.resource),
            None => (None, Change::Unknown, None),
        };
        hint.target = target.or_else(by_identifier).unwrap_or(Target::Any);
        hint.change = change;
        hint.resource = resource;
    }
    hint.key = key_of_event(event, index, status, marks, &hint);
    hint
}

#[cfg(test)]
mod tests;
