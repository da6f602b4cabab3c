//! End and duration: where they stand, and in which unit numbers without one are meant.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::super::normalise::duration::seconds_in;
use super::super::output::Output;
use super::base;
use super::draft::{Draft, INHERITED, quoted};
use super::inventory::Place;
use super::kind::Kind;
use super::study::{Study, messages};
use super::times::{self, Column};
use super::trial::{Reading, Trial};

/// Minutes that visits last.
const MINUTES: std::ops::RangeInclusive<u32> = 5..=480;
const VISIT: TimeDelta = TimeDelta::hours(12);
/// Durations of the standard and the places of their units.
const UNITS: [(&str, &str); 6] = [
    ("SCH-9", "SCH-10"),
    ("TQ1-6.1", "TQ1-6.2"),
    ("AIS-7", "AIS-8"),
    ("AIP-9", "AIP-10"),
    ("AIL-9", "AIL-10"),
    ("AIG-11", "AIG-12"),
];

pub(super) fn propose(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let open = now.those(|reading| {
        reading.start.is_some_and(|start| !start.date_only)
            && reading.end.is_none()
            && reading.minutes.is_none()
    });
    // One that books without an end is enough; who cancels need not repeat it.
    let open: Vec<_> = open
        .into_iter()
        .filter(|at| now.readings.get(*at).is_some_and(|reading| !reading.is_off()))
        .collect();
    if !open.is_empty() && !end(study, now, &open, draft) {
        duration(study, &open, draft);
    }
    unit(study, now, draft);
}

/// An end: a time that comes after the start by no more than a visit, nearly always.
fn end(study: &Study<'_>, now: &Trial, open: &[usize], draft: &mut Draft) -> bool {
    let fits = |column: &Column<'_>| {
        let start = |at: &usize| now.readings.get(*at)?.start.map(|start| start.local);
        let pairs: Vec<_> = open.iter().filter_map(|at| column.at(*at).zip(start(at))).collect();
        let good = pairs.iter().filter(|(end, start)| *end > *start && *end - *start <= VISIT);
        !pairs.is_empty() && good.count() * 5 >= pairs.len() * 4
    };
    let columns = times::columns(study, Kind::Time);
    let Some((column, stats)) = columns.iter().find(|(column, _)| fits(column)) else {
        return false;
    };
    let source = format!("{{ path = {}, soft = true }}", quoted(&column.place.path()));
    let because = format!(
        "{}; it comes after the start by less than 12 hours. {} had neither end nor duration.",
        study.evidence(column.place, stats),
        messages(open.len())
    );
    draft.field(Output::End, vec![INHERITED.to_owned(), source], vec![because]);
    true
}

/// A duration: a number beside a unit of time.
fn duration(study: &Study<'_>, open: &[usize], draft: &mut Draft) {
    let mut places: Vec<_> = study
        .inventory
        .iter()
        .filter(|(place, stats)| is_of_visit(place) && stats.is_mostly(&[Kind::Number]))
        .collect();
    // Resources may be needed for a part of the visit only.
    places.sort_by_key(|(place, _)| place.segment.as_str().starts_with("AI"));
    for (place, stats) in places {
        let column = study.column(&place.path());
        let given: Vec<_> = open.iter().filter_map(|at| column.get(*at)?.as_deref()).collect();
        let is_length =
            |text: &&&str| text.parse().is_ok_and(|n| MINUTES.contains(&n) && n % 5 == 0);
        if given.len() * 2 < open.len() || given.iter().filter(is_length).count() < given.len() {
            continue;
        }
        let unit = Place { field: place.field.saturating_add(1), ..place.clone() };
        let is_unit =
            study.inventory.get(&unit).and_then(|stats| stats.distinct()).is_some_and(|units| {
                !units.is_empty() && units.iter().all(|unit| seconds_in(unit).is_some())
            });
        let evidence = study.evidence(place, stats);
        if !is_unit {
            draft.hint(Output::Duration, format!("{evidence}; it could be minutes."));
            continue;
        }
        let (path, unit) = (quoted(&place.path()), quoted(&unit.path()));
        let source = format!("{{ path = {path}, unit_at = {unit} }}");
        let because = format!(
            "{evidence}, beside a unit. {} had neither end nor duration.",
            messages(open.len())
        );
        return draft.field(Output::Duration, vec![INHERITED.to_owned(), source], vec![because]);
    }
}

fn is_of_visit(place: &Place) -> bool {
    let segment = place.segment.as_str();
    place.component == 1
        && place.field > 1
        && (matches!(segment, "SCH" | "ARQ" | "AIS" | "AIP" | "AIL" | "AIG")
            || segment.starts_with('Z'))
}

/// Whether numbers without unit are seconds, told by the ends that stand beside them.
fn unit(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let (mut seconds, mut minutes, mut places) = (0, 0, BTreeSet::new());
    for (number, unit) in UNITS {
        let (numbers, units) = (study.column(number), study.column(unit));
        for (at, reading) in now.readings.iter().enumerate() {
            let is_bare = units.get(at).is_some_and(Option::is_none);
            let number_at = numbers.get(at).and_then(Option::as_deref);
            let lasts = lasts(reading).filter(|_| is_bare);
            let number_at: Option<u32> = number_at.and_then(|text| text.parse().ok());
            let (Some(stated), Some(lasts)) = (number_at, lasts) else { continue };
            if stated == lasts * 60 {
                seconds += 1;
                places.insert(number);
            } else if stated == lasts {
                minutes += 1;
            }
        }
    }
    if seconds > minutes * 4 && !base::counts_seconds(&now.mapping) {
        let places: Vec<_> = places.into_iter().collect();
        let because = format!(
            "{} has no unit, and counts the seconds from start to end in {}.",
            places.join(", "),
            messages(seconds)
        );
        draft.unit("s", because);
    }
}

/// Minutes from start to end, if both are written.
fn lasts(reading: &Reading) -> Option<u32> {
    let (start, end) = (reading.start?, reading.end?);
    let written = reading.has(Output::Start) && reading.has(Output::End);
    let minutes = (end.instant - start.instant).num_minutes();
    u32::try_from(minutes).ok().filter(|minutes| written && *minutes > 0)
}
