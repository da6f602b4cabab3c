//! Resources with their versions; no network, no clock, no knobs.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fmt::Write as _;

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;

/// Resources that are kept; beyond that nothing new is taken.
pub const RESOURCES_MAX: usize = 10_000;
/// Versions of a resource that are kept; the oldest are forgotten first.
const VERSIONS_MAX: usize = 1_000;
/// The longest id (FHIR datatypes, `id`).
const ID_CHARS_MAX: usize = 64;

/// The type and the id of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: String,
    pub(super) id: String,
}

impl Key {
    pub(super) fn new(kind: &str, id: &str) -> Self {
        Self { kind: kind.to_owned(), id: id.to_owned() }
    }

    /// Reads `Type/id`, with anything in front of it and a version behind it.
    pub(super) fn parse(reference: &str) -> Option<Self> {
        let plain = reference.split("/_history/").next()?;
        let mut parts = plain.rsplit('/');
        let (id, kind) = (parts.next()?, parts.next()?);
        (is_id(id) && is_kind(kind)).then(|| Self::new(kind, id))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// Whether a text can be an id.
pub(super) fn is_id(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    !text.is_empty() && text.len() <= ID_CHARS_MAX && text.chars().all(is_allowed)
}

/// Whether a text can be a resource type.
pub(super) fn is_kind(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.len() <= ID_CHARS_MAX
        && text.chars().all(|c| c.is_ascii_alphabetic())
}

/// One version.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) version: String,
    pub(super) at: Timestamp,
    /// With `id` and `meta` as of this version; none if this version is the deletion.
    pub(super) resource: Option<Value>,
}

#[derive(Debug, Default)]
struct Row {
    versions: VecDeque<Held>,
    count: u64,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    rows: BTreeMap<Key, Row>,
    made: u64,
    last: Option<Timestamp>,
}

impl Store {
    /// Keeps a version, and sets its `id`, `meta.versionId` and `meta.lastUpdated`.
    pub(super) fn put(
        &mut self,
        key: &Key,
        mut resource: Value,
        is_uuid: bool,
        now: Timestamp,
    ) -> Option<Held> {
        if self.rows.len() >= RESOURCES_MAX && !self.rows.contains_key(key) {
            return None;
        }
        let at = self.next_moment(now);
        let version = self.next_version(key, is_uuid);
        let object = resource.as_object_mut()?;
        object.insert("id".to_owned(), json!(key.id));
        let meta = object.entry("meta").or_insert_with(|| json!({}));
        if !meta.is_object() {
            *meta = json!({});
        }
        let meta = meta.as_object_mut()?;
        meta.insert("versionId".to_owned(), json!(version));
        meta.insert("lastUpdated".to_owned(), json!(instant(at)));
        Some(self.keep(key, Held { version, at, resource: Some(resource) }))
    }

    /// Deletes what is there.
    pub(super) fn delete(&mut self, key: &Key, is_uuid: bool, now: Timestamp) -> Option<Held> {
        self.live(key)?;
        let at = self.next_moment(now);
        let version = self.next_version(key, is_uuid);
        Some(self.keep(key, Held { version, at, resource: None }))
    }

    /// The latest version, which may be the deletion.
    pub(super) fn current(&self, key: &Key) -> Option<&Held> {
        self.rows.get(key)?.versions.back()
    }

    /// The latest version if it is not deleted.
    pub(super) fn live(&self, key: &Key) -> Option<&Value> {
        self.current(key)?.resource.as_ref()
    }

    /// All versions that are known, oldest first.
    pub(super) fn versions(&self, key: &Key) -> impl DoubleEndedIterator<Item = &Held> {
        self.rows.get(key).into_iter().flat_map(|row| row.versions.iter())
    }

    /// What there is of a type, in the order of the ids.
    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = (&Key, &Held, &Value)> {
        let all = self.rows.iter().filter(move |(key, _)| key.kind == kind);
        all.filter_map(|(key, row)| {
            let held = row.versions.back()?;
            Some((key, held, held.resource.as_ref()?))
        })
    }

    /// An id of the server's choice. It looks random, and is the same in every run.
    pub(super) fn next_id(&mut self) -> String {
        self.made += 1;
        uuid_of(&self.made.to_be_bytes())
    }

    fn keep(&mut self, key: &Key, held: Held) -> Held {
        let row = self.rows.entry(key.clone()).or_default();
        row.count += 1;
        if row.versions.len() == VERSIONS_MAX {
            row.versions.pop_front();
        }
        row.versions.push_back(held.clone());
        held
    }

    /// Later than every change before: a clock that stands must not make two changes equal.
    fn next_moment(&mut self, now: Timestamp) -> Timestamp {
        let after = self.last.map(|last| last + TimeDelta::milliseconds(1));
        let at = after.map_or(now, |after| now.max(after));
        self.last = Some(at);
        at
    }

    fn next_version(&self, key: &Key, is_uuid: bool) -> String {
        let number = self.rows.get(key).map_or(0, |row| row.count) + 1;
        if is_uuid { uuid_of(format!("{key} {number}").as_bytes()) } else { number.to_string() }
    }
}

/// An instant as servers write it.
pub(super) fn instant(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A UUID (version 8, RFC 9562) made of any bytes.
pub(super) fn uuid_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let mut hex = String::new();
    for (place, byte) in digest.iter().take(16).enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            hex.push('-');
        }
        let byte = match place {
            6 => (byte & 0x0f) | 0x80,
            8 => (byte & 0x3f) | 0x80,
            _ => *byte,
        };
        // Writing to a text does not fail.
        let _written = write!(hex, "{byte:02x}").is_ok();
    }
    hex
}
