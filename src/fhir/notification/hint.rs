//! A hint: where to look, and what tells it from all others.
//!
//! Too many keys cost a read, too few lose a change. So only what a server can hardly repeat by
//! mistake makes a key, and where there is nothing of the kind there is none.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::status::{Event, Focus, Status};
use crate::clock::Timestamp;
use crate::fhir::json;
use crate::fhir::reference::Name;
use crate::fhir::resource::Identity;

/// Shortest id that is taken to be unique for all time. A UUID has 36; `1` or `event-1` is a mark
/// within one document.
const UNIQUE_BYTES_MIN: usize = 16;

/// What a hint is about.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// An appointment by its id at the server.
    Appointment(String),
    /// Something else, such as a patient whose phone changed.
    Other {
        /// Its type.
        kind: String,
        /// Its id at the server.
        id: String,
    },
    /// Something that the server names in another way than by FHIR's ids.
    Identifier {
        /// The identifier's system.
        system: Option<String>,
        /// Its value.
        value: String,
    },
    /// Something: a search has to find out.
    Any,
}

/// What is said to have happened to it; a read tells what really did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Created,
    /// It changed.
    Updated,
    /// It is gone.
    Deleted,
    /// Any of these.
    Unknown,
}

/// Where to look. Printing one does not show what it says.
#[derive(Clone, PartialEq)]
pub struct Hint {
    /// What it is about.
    pub target: Target,
    /// What is said to have happened.
    pub change: Change,
    /// The event's number, which no server is known to keep unique.
    pub number: Option<u64>,
    /// When it happened; of a bare resource when it was last changed.
    pub timestamp: Option<Timestamp>,
    /// What tells the event from all others of this server, so that one that comes twice is seen.
    /// Nothing if the request holds no such mark: the same bytes may then be news.
    pub key: Option<String>,
    /// The whole resource, to be used only if the notification was verified.
    pub resource: Option<Value>,
    /// What came along with all hints of the notification, as entries of a Bundle.
    pub included: Arc<[Value]>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Appointment(id) => write!(f, "Appointment/{id}"),
            Self::Other { kind, .. } => write!(f, "{kind}/.."),
            Self::Identifier { system, .. } => f.debug_tuple("Identifier").field(system).finish(),
            Self::Any => f.write_str("Any"),
        }
    }
}

impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hint")
            .field("target", &self.target)
            .field("change", &self.change)
            .field("number", &self.number)
            .field("timestamp", &self.timestamp)
            .field("key", &self.key)
            .field("resource", &self.resource.is_some())
            .field("included", &self.included.len())
            .finish()
    }
}

impl Target {
    pub(super) fn of(name: Name) -> Self {
        if name.kind == "Appointment" {
            Self::Appointment(name.id)
        } else {
            Self::Other { kind: name.kind, id: name.id }
        }
    }
}

impl Hint {
    pub(super) fn new(target: Target, change: Change) -> Self {
        Self {
            target,
            change,
            number: None,
            timestamp: None,
            key: None,
            resource: None,
            included: Arc::default(),
        }
    }
}

pub(super) fn target_of(value: &Value, identity: Option<&Identity>) -> Target {
    if let Some(Identity { kind, id, .. }) = identity {
        return Target::of(Name { kind: kind.clone(), id: id.clone(), version: None });
    }
    let mut identifiers = json::each(value, "identifier").iter().filter_map(identifier);
    let is_appointment = json::kind(value) == "Appointment";
    identifiers.next().filter(|_| is_appointment).unwrap_or(Target::Any)
}

pub(super) fn identifier(value: &Value) -> Option<Target> {
    let system = json::word(value, "system");
    json::word(value, "value").map(|value| Target::Identifier { system, value })
}

/// What marks a Bundle.
#[derive(Debug, Default)]
pub(super) struct Marks {
    id: Option<String>,
    timestamp: Option<String>,
}

impl Marks {
    pub(super) fn is_unique(&self) -> bool {
        self.timestamp.is_some() || self.id.as_deref().is_some_and(is_unique)
    }

    pub(super) fn parts(&self) -> [&str; 2] {
        [self.id.as_deref().unwrap_or_default(), self.timestamp.as_deref().unwrap_or_default()]
    }
}

fn is_unique(id: &str) -> bool {
    id.len() >= UNIQUE_BYTES_MIN
}

pub(super) fn marks_of(bundle: &Value) -> Marks {
    Marks { id: json::word(bundle, "id"), timestamp: json::word(bundle, "timestamp") }
}

/// The key of an event: its own id; else all that could tell it apart, if anything could.
///
/// Too many keys cost a read, too few lose a change. So a number alone is none (HAPI sends 1 for
/// each, Helios begins again at 1), nor an id that only numbers the parts of a document.
pub(super) fn key_of_event(
    event: &Event,
    index: usize,
    status: &Status,
    marks: &Marks,
    hint: &Hint,
) -> Option<String> {
    let focus = event.focus.as_ref().map(Focus::text).unwrap_or_default();
    if let Some(id) = event.id.as_deref().filter(|id| is_unique(id)) {
        return Some(key(&["event", id, &focus]));
    }
    let is_marked = event.timestamp.is_some() || marks.is_unique();
    is_marked.then(|| {
        let [id, timestamp] = marks.parts();
        key(&[
            "bundle",
            id,
            timestamp,
            &index.to_string(),
            status.subscription.as_deref().unwrap_or_default(),
            &event.number.map(|number| number.to_string()).unwrap_or_default(),
            &event.timestamp.map(|at| at.to_rfc3339()).unwrap_or_default(),
            &focus,
            change_name(hint.change),
        ])
    })
}

/// The key of a state of a resource.
pub(super) fn key_of_state(marks: &[&str], identity: &Identity, change: Change) -> String {
    let Identity { kind, id, version, last_updated } = identity;
    let last_updated = last_updated.map(|at| at.to_rfc3339()).unwrap_or_default();
    let version = version.as_deref().unwrap_or_default();
    let own = ["state", kind, id, version, &last_updated, change_name(change)];
    key(&own.iter().chain(marks).copied().collect::<Vec<_>>())
}

pub(super) const fn change_name(change: Change) -> &'static str {
    match change {
        Change::Created => "created",
        Change::Updated => "updated",
        Change::Deleted => "deleted",
        Change::Unknown => "",
    }
}

pub(super) fn key(parts: &[&str]) -> String {
    json::digest(parts.iter().map(|part| part.as_bytes()))
}

pub(super) fn share(hints: &mut [Hint], included: Vec<Value>) {
    let included: Arc<[Value]> = included.into();
    for hint in hints {
        hint.included = Arc::clone(&included);
    }
}
