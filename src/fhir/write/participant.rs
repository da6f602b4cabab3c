//! Which participant of an appointment is the patient.
//!
//! References come relative, absolute, with a version, or to a resource within the appointment; some
//! actors have none, only a type. A related person stands for the patient where no patient takes part,
//! as a parent may.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Refusal;
use super::held::text;

/// How many participants an appointment may have to be written; a large group visit has 60. Looking up
/// what each of them points to within the appointment must stay cheap.
const PARTICIPANTS_MAX: usize = 1_000;
/// How many contained resources are looked at; one or two are usual.
const CONTAINED_MAX: usize = 500;

/// What an actor is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Patient,
    RelatedPerson,
}

/// The participant that a wish is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patient<'a> {
    /// Its place among the participants, from 0.
    pub(super) index: usize,
    /// What it is.
    pub(super) kind: Kind,
    /// Its reference as written.
    pub(super) reference: Option<&'a str>,
    /// Its status as written.
    pub(super) status: Option<&'a str>,
    /// Whether there is a status, be it of a wrong kind.
    pub(super) has_status: bool,
    /// Whether nobody else is a patient of this appointment.
    pub(super) is_alone: bool,
}

/// Finds the patient among the participants: by reference, or as the only one.
pub(super) fn find<'a>(held: &'a Value, known: &[String]) -> Result<Patient<'a>, Refusal> {
    let list = held.get("participant").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if list.len() > PARTICIPANTS_MAX {
        return Err(Refusal::SeveralPatients);
    }
    let mut found: Vec<Patient<'a>> =
        list.iter().enumerate().filter_map(|(index, one)| read(held, index, one)).collect();
    if found.iter().any(|one| one.kind == Kind::Patient) {
        found.retain(|one| one.kind == Kind::Patient);
    }
    let is_alone = count(&found) == 1;
    let exact = found.iter().find(|one| {
        one.reference.is_some_and(|reference| known.iter().any(|known| known == reference))
    });
    let alike = || {
        found.iter().find(|one| {
            let reference = one.reference.and_then(Reference::read);
            reference.is_some_and(|own| known.iter().any(|known| own.is(known, one.kind)))
        })
    };
    // Where we know who ours is, another patient in the same place is another patient.
    let knows_patient = known.iter().any(|known| !known.contains("RelatedPerson/"));
    let is_stranger = |one: &Patient<'_>| {
        let is_named = one.reference.is_some_and(|reference| {
            !reference.trim().starts_with('#') && Reference::read(reference).is_some()
        });
        one.kind == Kind::Patient && knows_patient && is_named
    };
    let only = || found.first().filter(|one| is_alone && !is_stranger(one));
    let chosen = exact.or_else(alike).or_else(only).ok_or(Refusal::NoParticipant)?;
    Ok(Patient { is_alone, ..*chosen })
}

/// How many different people they are: one who is listed twice is one.
fn count(found: &[Patient<'_>]) -> usize {
    let nameless = found.iter().filter(|one| one.reference.is_none()).count();
    let named: BTreeSet<_> = found.iter().filter_map(|one| one.reference).map(short).collect();
    nameless + named.len()
}

/// A reference without its version. One with a base and one without count as two: better a refusal
/// than one patient's word for another.
fn short(reference: &str) -> (&str, &str, &str) {
    Reference::read(reference).map_or(("", "", reference), |read| (read.base, read.kind, read.id))
}

fn read<'a>(held: &'a Value, index: usize, participant: &'a Value) -> Option<Patient<'a>> {
    let actor = participant.get("actor")?;
    let reference = text(actor, "reference").map(str::trim).filter(|text| !text.is_empty());
    let kind = match kind_of(held, actor, reference)? {
        "Patient" => Kind::Patient,
        "RelatedPerson" => Kind::RelatedPerson,
        _ => return None,
    };
    let status = participant.get("status");
    Some(Patient {
        index,
        kind,
        // As written: a test compares it byte by byte.
        reference: text(actor, "reference").filter(|_| reference.is_some()),
        status: status.and_then(Value::as_str),
        has_status: status.is_some(),
        is_alone: false,
    })
}

/// The type of an actor: what its reference says, else what it points to within, else `type`.
fn kind_of<'a>(held: &'a Value, actor: &'a Value, reference: Option<&'a str>) -> Option<&'a str> {
    let by_reference = reference.and_then(|reference| match reference.strip_prefix('#') {
        Some(id) => contained(held, id),
        None => Reference::read(reference).map(|read| read.kind),
    });
    // `type` is a name or the address of its definition. R4, References.
    by_reference.or_else(|| text(actor, "type")?.rsplit('/').next())
}

fn contained<'a>(held: &'a Value, id: &str) -> Option<&'a str> {
    let within = held.get("contained").and_then(Value::as_array)?;
    within
        .iter()
        .take(CONTAINED_MAX)
        .find(|one| text(one, "id") == Some(id))
        .and_then(|one| text(one, "resourceType"))
}

/// A reference to a resource, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    /// The server, without its scheme; empty if relative.
    base: &'a str,
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
}

impl<'a> Reference<'a> {
    /// Reads `Patient/1`, `https://ehr.example/fhir/Patient/1` and either with `/_history/2`.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let plain = text.split_once("/_history/").map_or(text, |(plain, _)| plain);
        let (front, id) = plain.rsplit_once('/')?;
        let (base, kind) = front.rsplit_once('/').unwrap_or(("", front));
        let is_kind = kind.starts_with(|c: char| c.is_ascii_uppercase())
            && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let base = base.split_once("://").map_or(base, |(_, base)| base);
        (is_kind && !id.is_empty()).then_some(Self { base, kind, id })
    }

    /// Whether it is what someone is known by: a reference in any form, or a patient's logical id.
    fn is(self, known: &str, kind: Kind) -> bool {
        let known = known.trim();
        match Reference::read(known) {
            Some(known) => {
                let is_near = self.base.is_empty() || known.base.is_empty();
                (self.kind, self.id) == (known.kind, known.id)
                    && (is_near || self.base.eq_ignore_ascii_case(known.base))
            }
            None => kind == Kind::Patient && self.id == known,
        }
    }
}

#[cfg(test)]
#[path = "participant_tests.rs"]
mod tests;
