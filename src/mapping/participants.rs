//! The patients of an appointment of FHIR: a group visit is an event for each.
//!
//! Which participants are patients is the mapping's to say, by its variable `%patients`. For each
//! patient the others are hidden, so that a rule sees one patient with all those who are none.

use serde_json::Value;

use super::Error;
use super::fhirpath::Name;
use super::lines::{EVENTS_MAX, Scope, Share};
use super::view::Sheet;

/// The most participants that are read: more than the largest group visit with all who come along
/// and work there, and few enough for every path to come to its end.
pub(super) const PARTICIPANTS_MAX: usize = 300;

/// The variable that says which participants are patients.
pub(super) const PATIENTS: &str = "patients";

/// The events that an appointment tells of: one for each patient, or only the first patient's.
pub(super) fn shares(sheet: &Sheet<'_>, apart: bool) -> Result<Vec<Share>, Error> {
    let all = sheet.resource.root().get("participant").and_then(Value::as_array);
    let all = all.map_or(&[][..], Vec::as_slice);
    if all.len() > PARTICIPANTS_MAX {
        return Err(Error::TooLarge);
    }
    let groups = groups(sheet, all);
    let alone =
        |hidden| Share { scope: Scope { hidden, time: 0 }, patients: 1, occurrence: 1, times: 1 };
    if groups.len() < 2 {
        return Ok(vec![alone(Vec::new())]);
    }
    let others = |own: usize| {
        let others = groups.iter().enumerate().filter(|(other, _)| *other != own);
        let mut hidden: Vec<usize> = others.flat_map(|(_, group)| &group.at).copied().collect();
        hidden.sort_unstable();
        hidden
    };
    if !apart {
        return Ok(vec![alone(others(0))]);
    }
    if groups.len() > EVENTS_MAX {
        return Err(Error::TooMany { found: groups.len() });
    }
    let patients = u16::try_from(groups.len()).unwrap_or(u16::MAX);
    Ok((0..groups.len()).map(|own| Share { patients, ..alone(others(own)) }).collect())
}

/// A patient: the numbers of the participants that name this one.
struct Group<'v> {
    who: Option<&'v str>,
    at: Vec<usize>,
}

/// The patients, each once, in the order of the participants.
fn groups<'v>(sheet: &Sheet<'v>, all: &'v [Value]) -> Vec<Group<'v>> {
    let patients = sheet.named(PATIENTS);
    let mut groups: Vec<Group<'v>> = Vec::new();
    for (at, participant) in all.iter().enumerate() {
        if !patients.iter().any(|patient| std::ptr::eq(*patient, participant)) {
            continue;
        }
        let reference = participant.get("actor").and_then(|actor| actor.get("reference"));
        let who =
            reference.and_then(Value::as_str).map(|text| Name::of(text).map_or(text, Name::whole));
        match groups.iter_mut().find(|group| who.is_some() && group.who == who) {
            Some(group) => group.at.push(at),
            None => groups.push(Group { who, at: vec![at] }),
        }
    }
    groups
}
