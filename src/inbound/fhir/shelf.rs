//! What belongs to appointments: patients, people, places, read once and kept for a while.
//!
//! Keeps what a server answered, not what it means. Bounded; forgets the oldest first.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use serde_json::Value;

use crate::clock::{Clock, Timestamp};
use crate::fhir::reference::{Kind, Origins, Want, wanted};
use crate::outbound::fhir::{Server, Trouble};

/// How many resources are kept; a practice has some hundred people and places, and the patients of
/// the last minutes.
const KEPT_MAX: usize = 4_096;
/// How long a person or place counts as known.
const KEPT_FOR: TimeDelta = TimeDelta::minutes(15);
/// How long a patient does: phone and language are what texts depend on. As long as one page of a
/// search takes.
const PATIENT_KEPT_FOR: TimeDelta = TimeDelta::minutes(1);
/// How many times what was read is looked through for further references.
const ROUNDS_MAX: usize = 6;

/// The resources at hand of one server.
#[derive(Debug)]
pub(super) struct Shelf {
    server: Server,
    origins: Origins,
    clock: Clock,
    kept: Mutex<BTreeMap<String, Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    /// Nothing if the server says that there is none.
    resource: Option<Value>,
    until: Timestamp,
}

impl Shelf {
    pub(super) fn new(server: Server, origins: Origins, clock: Clock) -> Self {
        Self { server, origins, clock, kept: Mutex::default() }
    }

    /// Reads what an appointment refers to and what did not come with it.
    ///
    /// What the server does not give out is left out; the appointment is still told of.
    ///
    /// # Errors
    /// If the server cannot be asked now: then the appointment waits, since it would be told of
    /// without its patient.
    pub(super) async fn complete(
        &self,
        appointment: &Value,
        mut at_hand: Vec<Value>,
    ) -> Result<Vec<Value>, Trouble> {
        let mut asked = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let known: Vec<&Value> = at_hand.iter().collect();
            let wants = wanted(appointment, &known, &self.origins).wants;
            let new: Vec<Want> =
                wants.into_iter().filter(|want| !asked.contains(&want.url)).collect();
            if new.is_empty() {
                break;
            }
            for want in new {
                asked.push(want.url.clone());
                if let Some(resource) = self.get(&want).await? {
                    at_hand.push(self.origins.entry_of(&want, resource));
                }
            }
        }
        Ok(at_hand)
    }

    /// Forgets a resource, because it may have changed.
    pub(super) fn forget(&self, url: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(url);
    }

    async fn get(&self, want: &Want) -> Result<Option<Value>, Trouble> {
        let now = self.clock.now();
        if let Some(kept) = self.look(&want.url, now) {
            return Ok(kept.resource);
        }
        let answer = match self.server.get(&want.url, None).await {
            Err(Trouble::TooLarge) if !is_person(want.kind) => {
                self.keep(want, None, now);
                return Ok(None);
            }
            answer => answer?,
        };
        let resource = match answer.status {
            200 => serde_json::from_slice::<Value>(&answer.body).ok(),
            // Without its patient an appointment is told to nobody; who and where can be missing.
            500..=599 if is_person(want.kind) => return Err(Trouble::NoAnswer("status_5xx")),
            _ => None,
        };
        let is_kind = |value: &Value| {
            value.get("resourceType").and_then(Value::as_str) == Some(want.kind.name())
        };
        let resource = resource.filter(is_kind);
        self.keep(want, resource.clone(), now);
        Ok(resource)
    }

    fn look(&self, url: &str, now: Timestamp) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(url).filter(|kept| kept.until > now).cloned()
    }

    fn keep(&self, want: &Want, resource: Option<Value>, now: Timestamp) {
        let span = if is_person(want.kind) { PATIENT_KEPT_FOR } else { KEPT_FOR };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, kept| kept.until > now);
        }
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(want.url.clone(), Kept { resource, until: now + span });
    }
}

const fn is_person(kind: Kind) -> bool {
    match kind {
        Kind::Patient | Kind::RelatedPerson => true,
        Kind::Practitioner
        | Kind::PractitionerRole
        | Kind::Location
        | Kind::HealthcareService
        | Kind::Slot
        | Kind::Schedule => false,
    }
}
