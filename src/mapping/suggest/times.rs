//! The start: where times to come stand, if the base finds none or another one.

use std::collections::BTreeMap;

use chrono::{NaiveDateTime, TimeDelta, Timelike as _};

use super::super::output::Output;
use super::super::path::Path;
use super::base;
use super::draft::{Draft, INHERITED, quoted};
use super::inventory::{Place, Stats};
use super::kind::Kind;
use super::study::{Study, messages};
use super::trial::{Came, Reading, Trial};
use crate::hl7::Dtm;

/// Longer than any visit, shorter than the way to another one.
const VISIT: TimeDelta = TimeDelta::hours(12);
/// Hours in which hardly anybody is seen.
const NIGHT: [u32; 8] = [22, 23, 0, 1, 2, 3, 4, 5];
/// The fewest starts from which the hours of a practice can be told.
const STARTS_MIN: usize = 5;
/// The most places of other times that are named.
const REMARKS_MAX: usize = 5;

/// The times at a position, by sample.
#[derive(Debug)]
pub(super) struct Column<'s> {
    pub(super) place: &'s Place,
    pub(super) times: Vec<Option<Dtm>>,
}

impl<'s> Column<'s> {
    pub(super) fn of(study: &Study<'_>, place: &'s Place) -> Self {
        let path = Path::parse(&place.path()).ok();
        let read =
            |sample: &super::study::Sample<'_>| Dtm::parse(&sample.first(path.as_ref()?)?).ok();
        Self { place, times: study.samples.iter().map(read).collect() }
    }

    pub(super) fn at(&self, at: usize) -> Option<NaiveDateTime> {
        self.times.get(at).copied().flatten().map(|dtm| dtm.local)
    }

    /// Whether the time of a sample lies after the message's own.
    pub(super) fn is_ahead(&self, study: &Study<'_>, at: usize) -> bool {
        let made_at = study.samples.get(at).and_then(|sample| sample.made_at);
        self.at(at)
            .zip(made_at)
            .is_some_and(|(time, made_at)| time > made_at + TimeDelta::minutes(1))
    }

    fn covers(&self, at: &[usize]) -> usize {
        at.iter().filter(|at| self.at(**at).is_some()).count()
    }

    fn ahead(&self, study: &Study<'_>, at: &[usize]) -> usize {
        at.iter().filter(|at| self.is_ahead(study, **at)).count()
    }

    /// Whether its times are ends of what begins at another's.
    pub(super) fn ends(&self, other: &Column<'_>) -> bool {
        let pairs: Vec<_> = (0..self.times.len())
            .filter_map(|at| self.at(at).zip(other.at(at)))
            .map(|(end, start)| end - start)
            .collect();
        let fits = pairs.iter().filter(|length| **length > TimeDelta::zero() && **length <= VISIT);
        !pairs.is_empty() && fits.count() * 10 >= pairs.len() * 9
    }

    fn evidence(&self, study: &Study<'_>, stats: &Stats) -> String {
        let all: Vec<usize> = (0..self.times.len()).collect();
        let ahead = self.ahead(study, &all);
        format!("{}; after the message's own in {ahead}", study.evidence(self.place, stats))
    }
}

/// All positions of times that could be an appointment's, the likeliest first.
pub(super) fn columns<'s>(study: &'s Study<'_>, kind: Kind) -> Vec<(Column<'s>, &'s Stats)> {
    let mut columns: Vec<_> = study
        .inventory
        .iter()
        .filter(|(place, stats)| rank(place).is_some() && stats.is_mostly(&[kind]))
        .map(|(place, stats)| (Column::of(study, place), stats))
        .collect();
    columns.sort_by_key(|(column, _)| rank(column.place));
    columns
}

/// Where times of appointments stand; of people's lives, insurance and entries they are not.
fn rank(place: &Place) -> Option<u8> {
    match (place.segment.as_str(), place.field) {
        ("SCH", _) => Some(0),
        ("TQ1", 7 | 8) => Some(1),
        (name, _) if name.starts_with('Z') => Some(2),
        ("AIS" | "AIP" | "AIL" | "AIG" | "RGS", _) => Some(3),
        ("PV2", 8 | 9) => Some(4),
        ("PV1", 44 | 45) => Some(5),
        ("ARQ", 11) => Some(6),
        (_, 5) if place.observed.is_some() => Some(7),
        _ => None,
    }
}

/// Where the standard itself has the start or something near it.
fn is_strong(place: &Place) -> bool {
    place.is_at("SCH", 11)
        || place.is_at("TQ1", 7)
        || place.is_at("PV2", 8)
        || place.is_at("ARQ", 11)
        || matches!((place.segment.as_str(), place.field), ("AIS", 4..=6))
}

pub(super) fn propose(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let lacking = now.those(is_lacking);
    let mut columns = columns(study, Kind::Time);
    let mut is_day = false;
    if columns.is_empty() {
        columns = self::columns(study, Kind::Day);
        is_day = true;
    }
    let best = best(study, now, &columns, &lacking);
    if let Some((column, stats)) = best {
        let broken = now.those(|r| matches!(&r.came, Came::Unreadable(Output::Start, _)));
        let first = !broken.is_empty();
        let mut because = vec![format!(
            "{}. {} had no start.",
            column.evidence(study, stats),
            messages(lacking.len())
        )];
        if is_day {
            because.push("It has no time of day: reminders go out for the day.".to_owned());
        }
        if column.place.is_in("ARQ") {
            because.push("It is what was asked for, not what was agreed.".to_owned());
        }
        draft.field(Output::Start, list(column, first), because);
        return;
    }
    instead(study, now, &columns, draft);
    unread_days(study, &columns, &lacking, draft);
}

fn is_lacking(reading: &Reading) -> bool {
    match &reading.came {
        Came::Event(_) => reading.start.is_none(),
        Came::Missing(field) | Came::Unreadable(field, _) => *field == Output::Start,
        Came::Ignored(_) | Came::TooMany => false,
    }
}

fn list(column: &Column<'_>, first: bool) -> Vec<String> {
    let path = quoted(&column.place.path());
    let inherited = INHERITED.to_owned();
    if first { vec![path, inherited] } else { vec![inherited, path] }
}

/// The column that gives most of the lacking samples a start.
fn best<'c, 's>(
    study: &Study<'_>,
    now: &Trial,
    columns: &'c [(Column<'s>, &'s Stats)],
    lacking: &[usize],
) -> Option<&'c (Column<'s>, &'s Stats)> {
    let fits = |(column, _): &&(Column<'_>, &Stats)| {
        let covers = column.covers(lacking);
        let is_end = columns.iter().any(|(other, _)| column.ends(other) && !other.ends(column));
        let is_read = base::reads(&now.mapping, Output::Start, column.place);
        let is_to_come = column.ahead(study, lacking) * 2 >= covers;
        covers > 0 && !is_end && !is_read && (is_strong(column.place) || is_to_come)
    };
    let key = |(column, _): &&(Column<'_>, &Stats)| {
        (column.covers(lacking), std::cmp::Reverse(rank(column.place)))
    };
    // Of equals the first is taken, not the last.
    columns.iter().rev().filter(fits).max_by_key(key)
}

/// Where the base finds starts: whether others are to be preferred, and what is odd about them.
fn instead(study: &Study<'_>, now: &Trial, columns: &[(Column<'_>, &Stats)], draft: &mut Draft) {
    let bookings = now.those(|reading| {
        reading.is_event() && !reading.is_off() && reading.start.is_some_and(|s| !s.date_only)
    });
    let start = |at: usize| now.readings.get(at).and_then(|r| r.start).map(|start| start.local);
    let made_at = |at: usize| study.samples.get(at).and_then(|sample| sample.made_at);
    let behind: Vec<_> = bookings
        .iter()
        .copied()
        .filter(|at| start(*at).zip(made_at(*at)).is_some_and(|(start, made)| start <= made))
        .collect();
    if behind.len() * 2 > bookings.len() {
        let better = columns.iter().find(|(column, _)| {
            column.ahead(study, &behind) * 5 >= behind.len() * 4 && !draft_ends(columns, column)
        });
        if let Some((column, stats)) = better {
            let because = format!(
                "{}. The inherited places give a time before the message's own in {} of {}.",
                column.evidence(study, stats),
                behind.len(),
                messages(bookings.len())
            );
            return draft.field(Output::Start, list(column, true), vec![because]);
        }
    }
    remark_others(study, now, columns, draft);
    remark_hours(study, now, draft);
}

fn draft_ends(columns: &[(Column<'_>, &Stats)], column: &Column<'_>) -> bool {
    columns.iter().any(|(other, _)| column.ends(other) && !other.ends(column))
}

/// Other places whose time is another one than the start.
fn remark_others(
    study: &Study<'_>,
    now: &Trial,
    columns: &[(Column<'_>, &Stats)],
    draft: &mut Draft,
) {
    let started = now.those(|reading| reading.start.is_some());
    let mut remarks = Vec::new();
    for (column, _) in columns {
        let both: Vec<_> = started
            .iter()
            .filter_map(|at| {
                let start = now.readings.get(*at)?.start?.local;
                Some((column.at(*at)?, start))
            })
            .collect();
        let other = both.iter().filter(|(time, start)| time != start).count();
        let is_end = both.iter().all(|(time, start)| *time >= *start && *time - *start <= VISIT);
        let is_of_message = column.ahead(study, &started) == 0;
        let is_second = base::reads(&now.mapping, Output::End, column.place);
        if other * 5 > both.len() && !is_end && !is_of_message && !is_second {
            remarks.push(format!("{} (in {other} of {})", column.place.path(), both.len()));
        }
    }
    if !remarks.is_empty() {
        remarks.truncate(REMARKS_MAX);
        let remarks = remarks.join(", ");
        draft.hint(
            Output::Start,
            format!("Another time stands at {remarks}: ask at which the patient is to come."),
        );
    }
}

/// Starts at night may be those of another zone.
fn remark_hours(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let mut hours: Vec<u32> = Vec::new();
    let mut sources: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
    for (at, reading) in now.readings.iter().enumerate() {
        let (Some(start), Some(rules)) = (reading.start, reading.taken.get(&Output::Start)) else {
            continue;
        };
        let Some(rule) = rules.first() else { continue };
        let column = sources.entry(rule).or_insert_with(|| study.column(rule));
        let written = column.get(at).cloned().flatten().and_then(|text| Dtm::parse(&text).ok());
        if written.is_some_and(|dtm| dtm.offset.is_none() && !dtm.is_date_only()) {
            hours.push(start.local.hour());
        }
    }
    if hours.is_empty() {
        return;
    }
    let night = hours.iter().filter(|hour| NIGHT.contains(hour)).count();
    let site = study.site();
    let zone = site.zone.unwrap_or(site.practice_zone);
    if base::has_zone(&now.mapping) {
        return;
    }
    draft.todo(format!(
        "The start has no offset from UTC in {}: it is meant in the zone of the place or the \
         listener, here {zone}.",
        messages(hours.len())
    ));
    if hours.len() >= STARTS_MIN && night * 5 >= hours.len() {
        draft.hint(
            Output::Start,
            format!(
                "{night} of {} starts without offset lie between 22:00 and 06:00: they may be \
                 UTC, not the place's time. Compare one with the EHR's screen; if so, zone = \"UTC\" \
                 under [defaults].",
                hours.len()
            ),
        );
    }
}

/// A day in one place and the time of day in another cannot be read as one.
fn unread_days(
    study: &Study<'_>,
    columns: &[(Column<'_>, &Stats)],
    lacking: &[usize],
    draft: &mut Draft,
) {
    if lacking.is_empty() {
        return;
    }
    let days: Vec<_> = self::columns(study, Kind::Day)
        .iter()
        .filter(|(column, _)| column.ahead(study, lacking) > 0)
        .map(|(column, _)| column.place.path())
        .collect();
    if !days.is_empty() && columns.iter().all(|(column, _)| column.covers(lacking) == 0) {
        draft.hint(
            Output::Start,
            format!("Days to come without a time of day stand in {}.", days.join(", ")),
        );
    }
}
