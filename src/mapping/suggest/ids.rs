//! Identifiers: where they are if the base finds none, and which of its places are shared.

use std::collections::{BTreeMap, BTreeSet};

use super::super::output::Output;
use super::base;
use super::draft::{Draft, INHERITED, quoted};
use super::inventory::{Place, Stats};
use super::kind::Kind;
use super::study::{Study, messages};
use super::trial::{Came, Moment, Reading, Trial};
use crate::core::claim::EhrEvent;

pub(super) fn propose(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let lacking = now.those(|reading| reading.came == Came::Missing(Output::Ids));
    if lacking.is_empty() {
        return;
    }
    let mut candidates: Vec<_> = study
        .inventory
        .iter()
        .filter_map(|(place, stats)| Candidate::of(study, place, stats, &lacking))
        .collect();
    candidates.sort_by_key(|candidate| (std::cmp::Reverse(candidate.covers), candidate.rank));
    let Some(best) = candidates.first() else { return };
    let evidence = format!(
        "{}; different values: {}. {} had no identifier.",
        study.evidence(best.place, best.stats),
        best.distinct,
        messages(lacking.len()),
    );
    let mut sources = vec![INHERITED.to_owned(), best.to_toml()];
    let mut because = vec![evidence];
    let others: Vec<_> =
        candidates.iter().skip(1).take(3).map(|other| other.place.path()).collect();
    if best.place.is_in("ARQ") {
        let twin = candidates.iter().skip(1).find(|other| other.place.is_in("ARQ"));
        sources.extend(twin.map(Candidate::to_toml));
    } else if !others.is_empty() {
        because.push(format!("Others that could be one: {}.", others.join(", ")));
    }
    draft.field(Output::Ids, sources, because);
}

/// A position that could hold the appointment's identifier.
struct Candidate<'s> {
    place: &'s Place,
    stats: &'s Stats,
    covers: usize,
    distinct: usize,
    /// The usual place first, then the less usual; of one segment the earlier field.
    rank: (u8, std::cmp::Reverse<usize>, u16),
}

impl<'s> Candidate<'s> {
    fn of(
        study: &Study<'_>,
        place: &'s Place,
        stats: &'s Stats,
        lacking: &[usize],
    ) -> Option<Self> {
        let usual = usual(place)?;
        let is_id = stats.is_mostly(&[Kind::Identifier, Kind::Number]) && is_long(stats);
        if !is_id || study.inventory.is_person(place) {
            return None;
        }
        let column = study.column(&place.path());
        let covers = lacking.iter().filter(|at| column.get(**at).is_some_and(Option::is_some));
        let covers = covers.count();
        if covers * 2 < lacking.len() || strangers(study, &column, &[]) > 0 {
            return None;
        }
        let distinct = column.iter().flatten().collect::<BTreeSet<_>>().len();
        let rank = (usual, std::cmp::Reverse(distinct), place.field);
        Some(Self { place, stats, covers, distinct, rank })
    }

    fn to_toml(&self) -> String {
        let system = if self.place.is_at("ARQ", 1) {
            "placer"
        } else if self.place.is_in("PV1") {
            "visit"
        } else {
            "filler"
        };
        format!("{{ path = {}, system = \"{system}\" }}", quoted(&self.place.path()))
    }
}

/// Whether values are longer than the numbers by which segments are counted.
fn is_long(stats: &Stats) -> bool {
    stats.distinct().is_none_or(|values| values.iter().any(|value| value.chars().count() >= 3))
}

/// Where identifiers of appointments stand in systems that do not use SCH-1 and SCH-2.
fn usual(place: &Place) -> Option<u8> {
    if place.component != 1 || place.observed.is_some() {
        return None;
    }
    match (place.segment.as_str(), place.field) {
        ("SCH", 3..=5 | 26 | 27) => Some(0),
        ("ARQ", 2) => Some(1),
        ("ARQ", 1) => Some(2),
        (name, _) if name.starts_with('Z') => Some(3),
        ("PV1", 19 | 50) => Some(4),
        ("ORC" | "OBR", 2 | 3) => Some(5),
        _ => None,
    }
}

/// How many values stand in messages of several patients who do not come at one time: they name
/// something else than an appointment. `starts` may be empty, when no start is known yet.
fn strangers(study: &Study<'_>, column: &[Option<String>], starts: &[Option<Moment>]) -> usize {
    let mut seen: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<Moment>)> = BTreeMap::new();
    for (at, value) in column.iter().enumerate() {
        let (Some(value), Some(sample)) = (value, study.samples.get(at)) else { continue };
        let (patients, times) = seen.entry(value).or_default();
        patients.extend(sample.patient.as_deref());
        times.extend(starts.get(at).copied().flatten());
    }
    let is_strange = |(patients, times): &&(BTreeSet<&str>, BTreeSet<Moment>)| {
        patients.len() > 1 && (starts.is_empty() || times.len() > 1)
    };
    seen.values().filter(is_strange).count()
}

/// One of the base's places of identifiers.
struct Known {
    path: String,
    toml: String,
    column: Vec<Option<String>>,
}

/// Takes places out of the list whose values stand for more than one appointment.
pub(super) fn propose_without_shared(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let Some(list) = base::ids(study.base()) else { return };
    let known: Vec<_> = list
        .into_iter()
        .map(|(path, toml)| Known { column: study.column(&path.replace("[*]", "")), path, toml })
        .collect();
    let starts: Vec<_> = now.readings.iter().map(|reading| reading.start).collect();
    let mut because = Vec::new();
    let mut kept: Vec<&Known> = known.iter().collect();
    for one in &known {
        let others: Vec<&Known> =
            kept.iter().copied().filter(|other| other.path != one.path).collect();
        let strangers = strangers(study, &one.column, &starts);
        let coarse = coarse(now, one, &others, &starts);
        if strangers == 0 && coarse == 0 {
            continue;
        }
        let what = if strangers > 0 {
            format!("{strangers} of its values are those of several patients at several times")
        } else {
            format!(
                "{coarse} of its values stand beside several other identifiers, with several times"
            )
        };
        let is_needed = one.column.iter().enumerate().any(|(at, value)| {
            value.is_some() && !others.iter().any(|o| o.column.get(at).is_some_and(Option::is_some))
        });
        // One case may be a slip or a new booking under an old number.
        if is_needed || strangers + coarse < 2 {
            let hint = format!(
                "{}: {what}. If it names a case or account, take it out of the list: \
                 appointments are found by each of their identifiers.",
                one.path
            );
            draft.hint(Output::Ids, hint);
            continue;
        }
        because.push(format!("Without {}: {what}.", one.path));
        kept = others;
    }
    if because.is_empty() {
        return;
    }
    let mut sources: Vec<String> = Vec::new();
    // What two files say is said in one now, where a repetition is a fault.
    for one in &kept {
        if !sources.contains(&one.toml) {
            sources.push(one.toml.clone());
        }
    }
    sources.extend(draft.sources(Output::Ids).into_iter().filter(|source| source != INHERITED));
    draft.field(Output::Ids, sources, because);
}

/// How many values of a place stand for several bookings that another place tells apart, none of
/// which was called off: a booking anew may well keep the number of the visit.
fn coarse(now: &Trial, one: &Known, others: &[&Known], starts: &[Option<Moment>]) -> usize {
    let mut by_value: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, value) in one.column.iter().enumerate() {
        if let Some(value) = value {
            by_value.entry(value).or_default().push(at);
        }
    }
    let is_off = |at: &usize| now.readings.get(*at).is_some_and(Reading::is_off);
    let is_booking = |at: &&usize| {
        now.readings.get(**at).is_some_and(|r| r.came == Came::Event(EhrEvent::Booked))
    };
    let is_split = |at: &&Vec<usize>| {
        let apart_by = |other: &&Known| {
            let value = |at: &usize| other.column.get(*at).cloned().flatten();
            let start = |at: &usize| starts.get(*at).copied().flatten();
            let bookings = || at.iter().filter(is_booking);
            let values: BTreeSet<_> = bookings().filter_map(value).collect();
            let times: BTreeSet<_> = bookings().filter_map(start).collect();
            values.len() > 1 && times.len() > 1
        };
        !at.iter().any(is_off) && others.iter().any(apart_by)
    };
    by_value.values().filter(is_split).count()
}
