//! Statuses: where their words stand, and which codes nobody knows yet.

use std::collections::{BTreeMap, BTreeSet};

use super::super::output::Output;
use super::base;
use super::draft::{Draft, INHERITED, quoted};
use super::inventory::{Place, Stats};
use super::shown::{self, CODES_MAX};
use super::study::{Study, messages};
use super::trial::Trial;
use crate::core::appointment::Status;

/// The fewest values of which can be said that each message has its own.
const COUNT_MIN: usize = 10;
/// The most places that are proposed.
const PLACES_MAX: usize = 4;

pub(super) fn propose(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let heard = now.those(|reading| !reading.is_ignored());
    let silent: Vec<_> = heard
        .iter()
        .copied()
        .filter(|at| now.readings.get(*at).is_some_and(|reading| !reading.has(Output::Status)))
        .collect();
    let candidates = candidates(study, now, &heard, draft);
    let constant = constant(study, now, &heard, draft);
    let wanted = if constant { &heard } else { &silent };
    let chosen = cover(&candidates, wanted);
    if !chosen.is_empty() {
        let mut sources: Vec<_> = chosen.iter().map(|one| quoted(&one.place.path())).collect();
        sources.insert(if constant { sources.len() } else { 0 }, INHERITED.to_owned());
        let mut because: Vec<_> = chosen.iter().map(|one| one.evidence(study)).collect();
        if !constant {
            because.push(base_says(now, &heard));
        }
        draft.field(Output::Status, sources, because);
        events(study, &chosen, draft);
    }
    let left: Vec<_> = silent
        .iter()
        .copied()
        .filter(|at| !chosen.iter().any(|one| one.words.contains_key(at)))
        .collect();
    unknown(study, now, &chosen, &left, draft);
    second_coding(study, now, draft);
    if chosen.is_empty() && silent.len() == heard.len() && !heard.is_empty() {
        following(study, &heard, draft);
    }
}

/// A second code beside the status, as some systems tell how far a visit has got.
fn second_coding(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let seconds = study.inventory.iter().filter(|(place, stats)| {
        place.is_at("SCH", 25) && matches!(place.component, 4 | 5) && are_words(now, stats)
    });
    for (place, stats) in seconds {
        let values = stats.distinct().into_iter().flatten().map(String::as_str);
        let shown = shown::codes_or_masks(values, &study.people).join(", ");
        draft.hint(
            Output::Status,
            format!("{} holds a second status ({shown}), which is not read.", place.path()),
        );
    }
}

/// What the base's own places gave.
fn base_says(now: &Trial, heard: &[usize]) -> String {
    let paths: BTreeSet<_> = base::paths(&now.mapping, Output::Status).into_iter().collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let given = heard
        .iter()
        .filter(|at| now.readings.get(**at).is_some_and(|reading| reading.has(Output::Status)))
        .count();
    format!("The inherited places ({}) have a status in {given}.", paths.join(", "))
}

/// A position whose values are words of the status table.
struct Candidate<'s> {
    place: &'s Place,
    rank: u8,
    /// By sample.
    words: BTreeMap<usize, (String, Option<Status>)>,
}

impl Candidate<'_> {
    fn meanings(&self) -> BTreeSet<&'static str> {
        self.words.values().filter_map(|(_, status)| status.map(Status::name)).collect()
    }

    fn evidence(&self, study: &Study<'_>) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (word, _) in self.words.values() {
            *counts.entry(word).or_default() += 1;
        }
        let words = shown::codes_or_masks(counts.keys().copied(), &study.people);
        let counts: Vec<_> =
            words.iter().zip(counts.values()).map(|(w, n)| format!("\"{w}\" {n}")).collect();
        let all = messages(study.samples.len());
        let path = self.place.path();
        format!(
            "{path} holds words for a status in {} of {all}: {}.",
            self.words.len(),
            counts.join(", ")
        )
    }
}

fn candidates<'s>(
    study: &'s Study<'_>,
    now: &Trial,
    heard: &[usize],
    draft: &mut Draft,
) -> Vec<Candidate<'s>> {
    let mut candidates = Vec::new();
    for (place, stats) in study.inventory.iter() {
        let Some(rank) = rank(place) else { continue };
        let is_read = base::reads(&now.mapping, Output::Status, place) && !is_conditional(place);
        if is_read || !are_words(now, stats) || study.inventory.is_person(place) {
            continue;
        }
        let column = study.column(&place.path());
        let word = |at: &usize| {
            let word = column.get(*at)?.clone()?;
            let status = base::status(&now.mapping, &word)?;
            Some((*at, (word, status)))
        };
        let words: BTreeMap<_, _> = heard.iter().filter_map(word).collect();
        let candidate = Candidate { place, rank, words };
        let meanings = candidate.meanings();
        // "Booked" and nothing else, beside a resource or as a reason, tells nothing.
        if meanings.is_empty() || (rank >= 3 && meanings.iter().all(|name| *name == "booked")) {
            continue;
        }
        match contradicted(study, now, &candidate) {
            Some(why) => draft.hint(Output::Status, why),
            None => candidates.push(candidate),
        }
    }
    candidates.sort_by_key(|candidate| candidate.rank);
    candidates
}

/// SCH-6 is the reason of the event, which the base asks only for no-shows.
fn is_conditional(place: &Place) -> bool {
    place.is_at("SCH", 6)
}

fn are_words(now: &Trial, stats: &Stats) -> bool {
    let Some(values) = stats.distinct().filter(|values| values.len() <= CODES_MAX) else {
        return false;
    };
    let known = values.iter().filter(|value| base::status(&now.mapping, value).is_some()).count();
    known > 0 && known * 5 >= values.len() * 4
}

/// Where senders put statuses, the likeliest first; nowhere else are such words looked for.
fn rank(place: &Place) -> Option<u8> {
    if place.component > 2 {
        return None;
    }
    match (place.segment.as_str(), place.field, &place.observed) {
        ("SCH", 17 | 19..=30, _) => Some(0),
        (name, _, None) if name.starts_with('Z') => Some(1),
        (_, 5, Some(_)) => Some(2),
        ("SCH", 6, _) => Some(3),
        ("AIS", 10, _) | ("AIL" | "AIP", 12, _) | ("AIG", 14, _) => Some(4),
        ("PV2", 24, _) | ("PV1", 41, _) => Some(5),
        _ => None,
    }
}

/// Why words that look like statuses are none: they say the same whatever happens.
fn contradicted(study: &Study<'_>, now: &Trial, candidate: &Candidate<'_>) -> Option<String> {
    let is_off = |status: Status| {
        matches!(status, Status::Canceled | Status::NoShow | Status::EnteredInError)
    };
    let (mut called_off, mut against) = (0, 0);
    for (at, (_, status)) in &candidate.words {
        let Some(sample) = study.samples.get(*at) else { continue };
        let implied = base::implied(&now.mapping, &sample.code, &sample.event);
        if implied.is_some_and(is_off) {
            called_off += 1;
            against += usize::from(status.is_some_and(|status| !is_off(status)));
        }
    }
    let path = candidate.place.path();
    if against * 2 > called_off {
        return Some(format!(
            "{path} holds words for a status, but not of the appointment: in {against} of \
             {called_off} cancellations and no-shows it says something else."
        ));
    }
    let meanings = candidate.meanings();
    let is_weak = candidate.rank >= 4 || (candidate.rank > 0 && meanings.contains("confirmed"));
    let only = meanings.first().copied().filter(|_| is_weak && meanings.len() < 2);
    only.map(|only| {
        format!(
            "{path} always means {only} ({}); whether that is the patient's word is to be asked.",
            messages(candidate.words.len())
        )
    })
}

/// The fewest candidates by which the wanted samples have a status.
fn cover<'c, 's>(candidates: &'c [Candidate<'s>], wanted: &[usize]) -> Vec<&'c Candidate<'s>> {
    let mut open: BTreeSet<usize> = wanted.iter().copied().collect();
    let mut chosen: Vec<&Candidate<'_>> = Vec::new();
    while chosen.len() < PLACES_MAX {
        let gain =
            |one: &Candidate<'_>| open.iter().filter(|at| one.words.contains_key(at)).count();
        let best = candidates.iter().max_by_key(|one| (gain(one), std::cmp::Reverse(one.rank)));
        let Some(best) = best.filter(|best| gain(best) > 0) else { break };
        open.retain(|at| !best.words.contains_key(at));
        chosen.push(best);
    }
    chosen
}

/// Whether the base's place says the same in every message, whatever its trigger.
fn constant(study: &Study<'_>, now: &Trial, heard: &[usize], draft: &mut Draft) -> bool {
    let said: Vec<_> = heard
        .iter()
        .filter_map(|at| now.readings.get(*at).zip(study.samples.get(*at)))
        .filter(|(reading, _)| reading.has(Output::Status))
        .collect();
    let rules: BTreeSet<_> =
        said.iter().filter_map(|(reading, _)| reading.taken.get(&Output::Status)).collect();
    let triggers: BTreeSet<_> = said.iter().map(|(_, sample)| &sample.event).collect();
    let mut values = BTreeSet::new();
    for path in rules.iter().copied().flatten() {
        values.extend(study.column(path).into_iter().flatten());
    }
    let is_constant = values.len() == 1 && triggers.len() > 2 && said.len() > 3;
    if is_constant {
        let rules: Vec<_> = rules.into_iter().flatten().map(String::as_str).collect();
        let hint = format!(
            "{} says the same in all of {} with {} triggers: the trigger tells more.",
            rules.join(", "),
            messages(said.len()),
            triggers.len()
        );
        draft.hint(Output::Status, hint);
    }
    is_constant
}

/// Words among the statuses that name an event, such as "rescheduled".
fn events(study: &Study<'_>, chosen: &[&Candidate<'_>], draft: &mut Draft) {
    let is_event = |one: &&&Candidate<'_>| {
        one.words.values().any(|(word, _)| base::is_event(study.base(), word))
    };
    let mut sources: Vec<_> = chosen
        .iter()
        .filter(is_event)
        .map(|one| {
            let path = quoted(&one.place.path());
            format!("{{ path = {path}, when = {{ trigger = [\"S12\", \"S13\", \"S14\"] }} }}")
        })
        .collect();
    if sources.is_empty() {
        return;
    }
    let because = "Some of the words of appointment.status name an event, such as a new time.";
    sources.push(INHERITED.to_owned());
    draft.field(Output::Event, sources, vec![because.to_owned()]);
}

/// Codes in the places of the status that no table knows.
fn unknown(
    study: &Study<'_>,
    now: &Trial,
    chosen: &[&Candidate<'_>],
    left: &[usize],
    draft: &mut Draft,
) {
    let mut paths: Vec<_> = base::paths(&now.mapping, Output::Status);
    paths.retain(|path| !path.starts_with("SCH-6"));
    paths.extend(chosen.iter().map(|one| one.place.path()));
    paths.dedup();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    for path in paths {
        let column = study.column(&path);
        let mut codes: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
        for at in left.iter().filter(|at| !seen.contains(at)).copied().collect::<Vec<_>>() {
            let (Some(Some(code)), Some(sample)) = (column.get(at), study.samples.get(at)) else {
                continue;
            };
            if base::status(&now.mapping, code).is_none() {
                seen.insert(at);
                *codes.entry(code).or_default().entry(sample.trigger()).or_default() += 1;
            }
        }
        if !codes.is_empty() {
            list_unknown(study, now, &path, &codes, draft);
        }
    }
}

fn list_unknown(
    study: &Study<'_>,
    now: &Trial,
    path: &str,
    codes: &BTreeMap<&str, BTreeMap<String, usize>>,
    draft: &mut Draft,
) {
    let count: usize = codes.values().flat_map(BTreeMap::values).sum();
    // Where nearly every message has a value of its own, it is a name or number.
    let is_own = count >= COUNT_MIN && codes.len() * 2 > count;
    if is_own || codes.len() > CODES_MAX {
        let todo = format!(
            "{path} holds {} different values that are no known status, in {}: it may be no status.",
            codes.len(),
            messages(count)
        );
        return draft.todo(todo);
    }
    let mut lines = vec![format!(
        "Codes of {path} that no table knows. Ask what they mean and write each behind its \
             meaning: booked, confirmed, pending, arrived, fulfilled, canceled, noshow, \
             entered_in_error, or none if it says nothing."
    )];
    let shown = shown::codes_or_masks(codes.keys().copied(), &study.people);
    for (code, triggers) in shown.iter().zip(codes.values()) {
        let counts: Vec<_> = triggers
            .iter()
            .map(|(trigger, count)| format!("{} {count}", shown::label(trigger)))
            .collect();
        let guess = meaning(now, triggers.keys()).filter(|_| codes.contains_key(code.as_str()));
        let guess = guess.map_or_else(String::new, |status| {
            format!("; perhaps {} = [{}]", status.name(), quoted(code))
        });
        lines.push(format!("  \"{code}\" in {}{guess}", counts.join(", ")));
    }
    draft.table("status", lines);
    draft.todo(format!(
        "{} of {path} in {} that no table knows: see [tables.status].",
        if codes.len() == 1 { "A code".to_owned() } else { format!("{} codes", codes.len()) },
        messages(count)
    ));
}

/// What a code must mean if it comes with certain triggers only.
fn meaning<'t>(now: &Trial, triggers: impl Iterator<Item = &'t String>) -> Option<Status> {
    let mut meanings = BTreeSet::new();
    let mut status = None;
    for trigger in triggers {
        let (code, event) = trigger.split_once('^').unwrap_or((trigger, ""));
        status = base::implied(&now.mapping, code, event);
        meanings.insert(status.map(Status::name));
    }
    status.filter(|_| meanings.len() == 1)
}

/// Where no status was found: positions whose value changes with the trigger.
fn following(study: &Study<'_>, heard: &[usize], draft: &mut Draft) {
    let mut found = Vec::new();
    for (place, stats) in study.inventory.iter() {
        let is_candidate = rank(place).is_some_and(|rank| rank < 4) || place.is_at("SCH", 25);
        let few = stats.distinct().is_some_and(|values| (2..=8).contains(&values.len()));
        if !is_candidate || !few {
            continue;
        }
        let column = study.column(&place.path());
        let mut by_value: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for at in heard {
            if let (Some(Some(value)), Some(sample)) = (column.get(*at), study.samples.get(*at)) {
                by_value.entry(value).or_default().insert(sample.trigger());
            }
        }
        if by_value.len() > 1 && by_value.values().all(|triggers| triggers.len() == 1) {
            let shown = shown::codes_or_masks(by_value.keys().copied(), &study.people);
            found.push(format!("{} ({})", place.path(), shown.join(", ")));
        }
    }
    if !found.is_empty() {
        let found = found.into_iter().take(5).collect::<Vec<_>>().join("; ");
        draft.hint(Output::Status, format!("The value changes with the trigger at {found}."));
    }
}
