//! The disk forms of what the engine writes, and the keys that it writes them under.
//!
//! A row is one byte of form version and JSON; a journal entry has the message as it came behind it.
//! New fields are optional with a default; a change that old rows do not fit takes a new version
//! byte and a reader for the old one. Integrity (checksums) is the store's own.

use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::core::delivery::{Outgoing, Report};
use crate::core::effect::{Effect, Hinted, ReadAt, Task, TaskKind};
use crate::core::ids::{AppointmentKey, DestinationName, Identifier, OutboxId, Seq, SourceName};
use crate::core::phone::PhoneNumber;
use crate::core::reason::Outcome;
use crate::core::task::{self, TaskId};
use crate::phi::Phi;
use crate::store::{self, DueAt, Key, Table};

/// The version byte of the present forms.
const FORM: u8 = 1;

/// A row that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("row of table {table} cannot be read: {problem}")]
pub struct Unreadable {
    /// Which table.
    pub table: Table,
    /// What is wrong; never holds a value.
    pub problem: &'static str,
}

/// Writes a row.
#[must_use]
pub fn encode<T: Serialize>(row: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    bytes.push(FORM);
    // Our rows have string keys and no fallible parts, so this cannot fail; an empty row would be
    // found as unreadable.
    if serde_json::to_writer(&mut bytes, row).is_err() {
        bytes.truncate(1);
    }
    bytes
}

/// Reads a row.
///
/// # Errors
/// [`Unreadable`] if its form is unknown.
pub fn decode<T: DeserializeOwned>(table: Table, bytes: &[u8]) -> Result<T, Unreadable> {
    match bytes.split_first() {
        Some((&FORM, json)) => serde_json::from_slice(json)
            .map_err(|_| Unreadable { table, problem: "its JSON is not of this form" }),
        Some(_) => Err(Unreadable { table, problem: "its form is of a newer version" }),
        None => Err(Unreadable { table, problem: "it is empty" }),
    }
}

/// One turn, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was decided.
    pub at: Timestamp,
    /// What caused it.
    pub cause: Cause,
    /// What was decided, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<Outcome>,
}

/// What caused a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A message from the EHR.
    Message(MessageMeta),
    /// A planned moment.
    Timer,
    /// A patient's text.
    Reply {
        /// Whose phone.
        from: PhoneNumber,
        /// What it says.
        body: Phi<String>,
    },
    /// The sender took up an effect.
    Send {
        /// Which.
        outbox: OutboxId,
    },
    /// The sender, or the receiver, reported on an effect.
    Delivery {
        /// Which.
        outbox: OutboxId,
        /// How it went.
        report: Report,
    },
    /// An operator.
    Operator {
        /// What was asked.
        action: String,
    },
}

/// What is known of a message besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageMeta {
    /// The feed.
    pub source: SourceName,
    /// Who sent it.
    pub peer: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-9, such as `SIU^S12`.
    pub trigger: String,
    /// MSH-3 and MSH-4.
    pub sender: String,
    /// The mapping that read it.
    pub mapping: String,
    /// The digest of that mapping's files.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mapping_hash: String,
    /// Why that mapping, if it was chosen by what the message tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected: Option<String>,
    /// Which rule gave each value, and where the value stands: the mapping's short form, without
    /// values.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace: String,
    /// What became of it.
    pub filed: Filed,
    /// The entry that this one repeats, if an operator had it read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<Seq>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filed {
    /// It was read as this many events.
    Events(u32),
    /// It was understood, and holds no event for us.
    NoEvent(String),
    /// It names so many things that have changed, which are looked at now.
    Noted(u32),
    /// It could not be understood; a person has to look at it.
    Quarantined(String),
}

/// Splits a journal row into its entry and the message as it came.
///
/// # Errors
/// [`Unreadable`] if its form is unknown.
pub fn decode_entry(bytes: &[u8]) -> Result<(Entry, &[u8]), Unreadable> {
    let cut = Unreadable { table: Table::Journal, problem: "it is cut short" };
    let Some((&FORM, rest)) = bytes.split_first() else { return Err(cut) };
    let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Err(cut) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let Some((json, raw)) = rest.split_at_checked(length) else { return Err(cut) };
    let entry = serde_json::from_slice(json).map_err(|_| Unreadable {
        table: Table::Journal,
        problem: "its JSON is not of this form",
    })?;
    Ok((entry, raw))
}

/// Joins an entry and the message as it came.
#[must_use]
pub fn encode_entry(entry: &Entry, raw: &[u8]) -> Vec<u8> {
    let json = serde_json::to_vec(entry).unwrap_or_default();
    let mut bytes = Vec::with_capacity(json.len() + raw.len() + 5);
    bytes.push(FORM);
    bytes.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(&json);
    bytes.extend_from_slice(raw);
    bytes
}

/// A message that was seen before: where it was filed, and the digest of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its entry in the journal.
    pub seq: Seq,
    /// The digest of its bytes.
    pub digest: String,
    /// What became of it.
    pub filed: Filed,
}

/// The digest that tells a repetition from another message under the same control id.
#[must_use]
pub fn digest(raw: &[u8]) -> String {
    use base64::Engine as _;
    let hash = Sha256::digest(raw);
    // 128 bits tell messages of one control id apart with room to spare.
    let half = hash.get(..16).unwrap_or_default();
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(half)
}

/// Where effects of a kind are performed, in order of their time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Texts.
    Sms,
    /// Messages to a destination.
    Hl7(DestinationName),
    /// Changes of resources at a FHIR server.
    FhirWrite(DestinationName),
    /// Looks at a FHIR server.
    FhirRead(SourceName),
    /// Callbacks to an interface engine.
    Json(DestinationName),
    /// Requests of flows.
    Call,
}

impl Lane {
    /// The lane of an effect.
    #[must_use]
    pub fn of(effect: &Effect) -> Self {
        match effect {
            Effect::SendSms(_) => Self::Sms,
            Effect::SendHl7(write_back) => Self::Hl7(write_back.destination.clone()),
            Effect::UpdateFhir(write_back) => Self::FhirWrite(write_back.destination.clone()),
            Effect::ReadFhir(read) => Self::FhirRead(read.server.clone()),
            Effect::PostJson(write_back) => Self::Json(write_back.destination.clone()),
            Effect::CallHttp(_) => Self::Call,
        }
    }

    /// The first bytes of its keys; no lane's are a prefix of another's.
    #[must_use]
    pub fn prefix(&self) -> Vec<u8> {
        match self {
            Self::Sms => b"sms\0".to_vec(),
            Self::Hl7(destination) => named(b"hl7:", destination.as_str()),
            Self::FhirWrite(server) => named(b"fhir-write:", server.as_str()),
            Self::FhirRead(server) => named(b"fhir-read:", server.as_str()),
            Self::Json(destination) => named(b"json:", destination.as_str()),
            Self::Call => b"call\0".to_vec(),
        }
    }
}

fn named(kind: &[u8], name: &str) -> Vec<u8> {
    [kind, name.as_bytes(), b"\0"].concat()
}

/// The journal's key of an entry.
///
/// # Errors
/// None for any number; the store's own type of error is kept.
pub fn journal(seq: Seq) -> Result<Key, store::Error> {
    Key::new(Table::Journal, &seq.0.to_be_bytes())
}

/// The number of a journal, quarantine or task key.
#[must_use]
pub fn seq_of(key: &Key) -> Option<Seq> {
    key.bytes().first_chunk().map(|bytes| Seq(u64::from_be_bytes(*bytes)))
}

/// The quarantine's key of an entry.
///
/// # Errors
/// As [`journal`].
pub fn quarantine(seq: Seq) -> Result<Key, store::Error> {
    Key::new(Table::Quarantine, &seq.0.to_be_bytes())
}

/// The key of a task.
///
/// # Errors
/// As [`journal`].
pub fn task(id: TaskId) -> Result<Key, store::Error> {
    Key::joined(Table::Task, &[&id.seq.0.to_be_bytes(), &id.index.to_be_bytes()])
}

/// The id of a task's key.
#[must_use]
pub fn task_of(key: &Key) -> Option<TaskId> {
    let (seq, index) = key.bytes().split_first_chunk()?;
    let index = u16::from_be_bytes(*index.first_chunk()?);
    Some(TaskId { seq: Seq(u64::from_be_bytes(*seq)), index })
}

/// The key under which a task is found by what it is about; one with an `id` of its own if it is a
/// flood's, as no two of those are one.
///
/// # Errors
/// As [`journal`].
pub fn desk(task: &Task, id: Option<TaskId>) -> Result<Key, store::Error> {
    let about = match id.filter(|_| task.kind == TaskKind::Flood) {
        Some(id) => id.to_string(),
        None => task::subject(task),
    };
    bounded(Table::Desk, [task.kind.name(), &about].join("\0").as_bytes())
}

/// The key of what the flood guard knows of a source.
///
/// # Errors
/// As [`journal`].
pub fn gate(source: &SourceName) -> Result<Key, store::Error> {
    Key::joined(Table::Gate, &[GATE_ROWS, source.as_str().as_bytes()])
}

/// What keys of sources begin with in their table.
pub(super) const GATE_ROWS: &[u8] = b"s";

/// The key under which a held text is found by its source, the oldest first.
///
/// # Errors
/// As [`journal`].
pub fn held(source: &SourceName, id: &OutboxId) -> Result<Key, store::Error> {
    Key::joined(Table::Gate, &[&held_by(source), id.as_str().as_bytes()])
}

/// What the keys of a source's held texts begin with.
pub(super) fn held_by(source: &SourceName) -> Vec<u8> {
    named(b"h", source.as_str())
}

/// The key of what is remembered of a message, by what should be unique about it.
///
/// Written out rather than hashed: control ids mostly count up, and neighbours are read faster.
///
/// # Errors
/// As [`journal`].
pub fn dedupe(
    source: &SourceName,
    sender: &str,
    trigger: &str,
    control_id: &str,
) -> Result<Key, store::Error> {
    let name = [source.as_str(), sender, control_id, trigger].join("\0");
    bounded(Table::Dedupe, name.as_bytes())
}

/// An appointment's key; identifiers longer than a key allows are hashed.
///
/// # Errors
/// As [`journal`].
pub fn appointment(key: &AppointmentKey) -> Result<Key, store::Error> {
    bounded(Table::Appointment, key.as_str().as_bytes())
}

/// The key of another identifier of an appointment.
///
/// # Errors
/// As [`journal`].
pub fn alias(source: &SourceName, id: &Identifier) -> Result<Key, store::Error> {
    let name = [source.as_str(), id.system.as_str(), id.value.as_str()].join("\0");
    bounded(Table::Alias, name.as_bytes())
}

/// The key under which an appointment is found by the resource that it is at a server.
///
/// # Errors
/// As [`journal`].
pub fn resource(server: &SourceName, id: &str) -> Result<Key, store::Error> {
    // No system of an identifier has a name like this.
    alias(server, &Identifier::new(id, "\u{1}resource"))
}

/// A phone's key.
///
/// # Errors
/// As [`journal`].
pub fn contact(phone: &PhoneNumber) -> Result<Key, store::Error> {
    Key::new(Table::Contact, phone.as_str().as_bytes())
}

/// The key of a row of the outbox.
///
/// # Errors
/// As [`journal`].
pub fn outbox(id: &OutboxId) -> Result<Key, store::Error> {
    bounded(Table::Outbox, id.as_str().as_bytes())
}

/// The key under which an appointment waits for its next moment.
///
/// # Errors
/// As [`journal`].
pub fn due(at: Timestamp, key: &AppointmentKey) -> Result<Key, store::Error> {
    let at = DueAt::new(whole_millis(at));
    let id = key.as_str().as_bytes();
    if id.len() > LONG_ID {
        return Key::due(at, &hashed(id));
    }
    Key::due(at, id)
}

/// The key under which a row of the outbox waits in its lane.
///
/// # Errors
/// As [`journal`].
pub fn ready(row: &Outgoing) -> Result<Key, store::Error> {
    let at = u64::try_from(whole_millis(row.due).timestamp_millis()).unwrap_or(0).to_be_bytes();
    let lane = Lane::of(&row.effect).prefix();
    Key::joined(Table::Ready, &[&lane, &at, row.id.as_str().as_bytes()])
}

/// The millisecond that a moment falls in or before: indexes count in milliseconds, and what they
/// call up must be due by the finer clock as well.
pub(super) fn whole_millis(at: Timestamp) -> Timestamp {
    at + TimeDelta::nanoseconds(999_999)
}

/// The lane in which a row of the outbox waits, if it is a destination's or a server's.
#[must_use]
pub fn lane_of(key: &Key) -> Option<Lane> {
    let end = key.bytes().iter().position(|byte| *byte == 0)?;
    let head = std::str::from_utf8(key.bytes().get(..end)?).ok()?;
    let (kind, name) = head.split_once(':')?;
    match kind {
        "hl7" => Some(Lane::Hl7(DestinationName::new(name))),
        "fhir-write" => Some(Lane::FhirWrite(DestinationName::new(name))),
        "fhir-read" => Some(Lane::FhirRead(SourceName::new(name))),
        "json" => Some(Lane::Json(DestinationName::new(name))),
        _ => None,
    }
}

/// The key of what is known of a FHIR server.
///
/// # Errors
/// As [`journal`].
pub fn feed(server: &SourceName) -> Result<Key, store::Error> {
    Key::joined(Table::Feed, &[FEED_ROWS, server.as_str().as_bytes()])
}

/// What keys of servers begin with in their table.
pub(super) const FEED_ROWS: &[u8] = b"s";

/// The key under which a planned look at a server is found again.
///
/// # Errors
/// As [`journal`].
pub fn planned(read: &ReadAt) -> Result<Key, store::Error> {
    let what = match &read.what {
        Hinted::Appointment(id) => ["a", id, ""],
        Hinted::Identifier { system, value } => ["i", system.as_deref().unwrap_or(""), value],
        Hinted::Patient(id) => ["p", id, ""],
    };
    let name = ["r", read.server.as_str(), &what.join("\0")].join("\0");
    bounded(Table::Feed, name.as_bytes())
}

pub use super::moment::Wake;
pub use super::outreach::{campaign, program, session, sessions_of};

/// Identifiers longer than this are hashed into their key.
const LONG_ID: usize = 512;

fn bounded(table: Table, id: &[u8]) -> Result<Key, store::Error> {
    if id.len() > LONG_ID { Key::new(table, &hashed(id)) } else { Key::new(table, id) }
}

fn hashed(id: &[u8]) -> Vec<u8> {
    [b"#".as_slice(), &Sha256::digest(id)].concat()
}
