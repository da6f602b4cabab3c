//! The entries of a notification's Bundle: found by address or name, given away once.
//!
//! An entry may lack everything but its address. What a request of an entry did is what
//! `entry.request.method` says, if a server fills it as it should: Helios writes GET for each.

use std::collections::BTreeMap;

use serde_json::{Value, json as literal};

use super::hint::{Change, Hint, Marks, Target, change_name, key, key_of_state, target_of};
use super::status;
use crate::fhir::json;
use crate::fhir::reference::{Literal, Name};
use crate::fhir::resource::{self, Identity};

/// What comes along with events and says nothing of appointments.
const IGNORED: [&str; 7] = [
    "AuditEvent",
    "MessageHeader",
    "OperationOutcome",
    "Parameters",
    "Provenance",
    "Subscription",
    "SubscriptionStatus",
];

/// The entries that are not yet given away.
#[derive(Default)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    by_url: BTreeMap<String, usize>,
    by_name: BTreeMap<(String, String), Vec<usize>>,
    /// Entries that say nothing.
    skipped: usize,
}

struct Entry {
    url: Option<String>,
    name: Option<Name>,
    change: Change,
    resource: Option<Value>,
    /// Of the resource, read once.
    identity: Option<Identity>,
    is_claimed: bool,
}

/// What an event's focus leads to.
pub(super) struct Claimed {
    pub(super) name: Option<Name>,
    pub(super) change: Change,
    pub(super) resource: Option<Value>,
}

impl Entry {
    fn read(mut item: Value) -> Self {
        let resource = item.get_mut("resource").map(Value::take).filter(Value::is_object);
        let url = json::word(&item, "fullUrl");
        let request = item.get("request").unwrap_or(&Value::Null);
        let change = match json::text(request, "method") {
            Some("POST") => Change::Created,
            Some("PUT" | "PATCH") => Change::Updated,
            Some("DELETE") => Change::Deleted,
            Some(_) | None => Change::Unknown,
        };
        let identity = resource.as_ref().and_then(resource::identity);
        let of_resource = identity.clone().map(name_of);
        let named = || url.as_deref().and_then(Name::of);
        let asked = || json::text(request, "url").and_then(Name::of);
        let name = of_resource.or_else(named).or_else(asked);
        Self { url, name, change, resource, identity, is_claimed: false }
    }

    fn kind(&self) -> &str {
        self.resource.as_ref().map_or("", json::kind)
    }
}

fn name_of(identity: Identity) -> Name {
    Name { kind: identity.kind, id: identity.id, version: identity.version }
}

impl Entries {
    pub(super) fn new(items: Vec<Value>) -> Self {
        let mut all = Self::default();
        for (index, item) in items.into_iter().enumerate() {
            let entry = Entry::read(item);
            if let Some(url) = &entry.url {
                all.by_url.entry(url.clone()).or_insert(index);
            }
            if let Some(name) = &entry.name {
                let name = (name.kind.clone(), name.id.clone());
                all.by_name.entry(name).or_default().push(index);
            }
            let says_nothing = entry.resource.is_none() && entry.name.is_none();
            all.skipped += usize::from(says_nothing);
            all.entries.push(entry);
        }
        all
    }

    /// Takes the status: the first entry, or behind it a resource that can be nothing else.
    pub(super) fn take_status(&mut self) -> Option<Value> {
        let is_first = self.first().is_some_and(status::is_status);
        let later = || self.position("SubscriptionStatus");
        let index = if is_first { Some(0) } else { later() }?;
        self.take(index)
    }

    /// Takes the header of a message, which is its first entry.
    pub(super) fn take_header(&mut self) -> Option<Value> {
        let is_header = self.first().is_some_and(|first| json::kind(first) == "MessageHeader");
        if is_header { self.take(0) } else { None }
    }

    /// Takes a Bundle that stands within this one.
    pub(super) fn take_bundle(&mut self) -> Option<Value> {
        let index = self.position("Bundle")?;
        self.take(index)
    }

    fn first(&self) -> Option<&Value> {
        self.entries.first()?.resource.as_ref()
    }

    fn position(&self, kind: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.kind() == kind)
    }

    fn take(&mut self, index: usize) -> Option<Value> {
        let entry = self.entries.get_mut(index)?;
        entry.is_claimed = true;
        entry.resource.take()
    }

    /// Finds what a focus names: the version that it names, else the newest, and each only once.
    pub(super) fn claim(&mut self, reference: &str) -> Option<Claimed> {
        let reference = reference.trim();
        let own = match Literal::parse(reference) {
            Literal::Relative(name) | Literal::Absolute(_, name) => Some(name),
            Literal::Contained(_) | Literal::Urn | Literal::Foreign | Literal::Unreadable => None,
        };
        let of_url = self.by_url.get(reference).copied();
        let found = of_url.and_then(|index| self.entries.get(index)?.name.clone());
        let name = own.or(found)?;
        let known = self.by_name.get(&(name.kind.clone(), name.id.clone()));
        let known = known.map_or(&[][..], Vec::as_slice);
        let index = self.best(known, name.version.as_deref()).or_else(|| known.last().copied());
        let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) else {
            return Some(Claimed { name: Some(name), change: Change::Unknown, resource: None });
        };
        entry.is_claimed = true;
        let resource = entry.resource.take();
        Some(Claimed { name: Some(name), change: entry.change, resource })
    }

    fn best(&self, known: &[usize], version: Option<&str>) -> Option<usize> {
        let mut best: Option<(usize, &Entry)> = None;
        for index in known {
            let Some(entry) = self.entries.get(*index).filter(|entry| !entry.is_claimed) else {
                continue;
            };
            let own = entry.name.as_ref().and_then(|name| name.version.as_deref());
            if version.is_some() && own == version {
                return Some(*index);
            }
            let is_older = best.is_some_and(|(_, best)| {
                let pair = entry.identity.as_ref().zip(best.identity.as_ref());
                pair.and_then(|(one, other)| resource::is_newer(one, other)) == Some(false)
            });
            if !is_older {
                best = Some((*index, entry));
            }
        }
        best.map(|(index, _)| index)
    }

    /// Hints of a Bundle that has no event with a focus: its appointments, or if it has none
    /// whatever it names.
    pub(super) fn plain_hints(&mut self, marks: &Marks) -> Vec<Hint> {
        let is_appointment = |entry: &Entry| {
            let name = entry.name.as_ref();
            entry.kind() == "Appointment" || name.is_some_and(|name| name.kind == "Appointment")
        };
        let are_appointments = self.entries.iter().any(is_appointment);
        let mut hints = Vec::new();
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let kind = entry.name.as_ref().map_or_else(|| entry.kind(), |name| name.kind.as_str());
            let is_told = !entry.is_claimed
                && !kind.is_empty()
                && !IGNORED.contains(&kind)
                && (is_appointment(entry) || !are_appointments);
            if is_told {
                hints.push(plain_hint(entry, index, marks, &mut self.skipped));
            }
        }
        hints
    }

    /// What is left beside the events, as entries.
    pub(super) fn included(&mut self) -> Vec<Value> {
        let left = self.entries.iter_mut().filter(|entry| !entry.is_claimed);
        let left = left.filter(|entry| !IGNORED.contains(&entry.kind()));
        left.filter_map(|entry| {
            let resource = entry.resource.take()?;
            Some(match &entry.url {
                Some(url) => literal!({"fullUrl": url, "resource": resource}),
                None => literal!({"resource": resource}),
            })
        })
        .collect()
    }

    /// How many entries said nothing.
    pub(super) const fn skipped(&self) -> usize {
        self.skipped
    }
}

fn plain_hint(entry: &mut Entry, index: usize, marks: &Marks, skipped: &mut usize) -> Hint {
    entry.is_claimed = true;
    let resource = entry.resource.take();
    let identity = entry.identity.take();
    let target = match (&entry.name, &resource) {
        (Some(name), _) => Target::of(name.clone()),
        (None, Some(resource)) => target_of(resource, None),
        (None, None) => Target::Any,
    };
    *skipped += usize::from(target == Target::Any);
    let mut hint = Hint::new(target, entry.change);
    let index = index.to_string();
    let parts = marks.parts();
    hint.key = match &identity {
        Some(identity) if identity.version.is_some() || identity.last_updated.is_some() => {
            Some(key_of_state(&parts, identity, entry.change))
        }
        Some(_) | None => marks
            .is_unique()
            .then(|| key(&["entry", parts[0], parts[1], &index, change_name(entry.change)])),
    };
    hint.timestamp = identity.and_then(|identity| identity.last_updated);
    hint.resource = resource;
    hint
}
