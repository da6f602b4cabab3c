//! The opening comment of a proposal: what was looked at, what is read, what is left to do.

use std::collections::{BTreeMap, BTreeSet};

use super::super::output::Output;
use super::base;
use super::draft::{Draft, comment};
use super::inventory::{Place, Stats};
use super::kind::Kind;
use super::shown;
use super::study::{Study, messages};
use super::trial::{Came, Trial};
use crate::hl7::Charset;

/// The most rows of a list.
const ROWS_MAX: usize = 20;
/// Fields that tell nothing about appointments, or nothing that is ever read: of the patient what
/// is no name, number, language or death; who entered what; sequence numbers.
const DULL: [(&str, &[u16]); 3] = [
    ("PID", &[6, 7, 8, 10, 11, 12, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28]),
    ("EVN", &[1, 2, 3, 4, 5, 6, 7]),
    ("SCH", &[14, 15, 18, 19]),
];

/// A name for the mapping: that of the sender.
pub(super) fn title(study: &Study<'_>) -> String {
    let senders = senders(study);
    let most = senders.iter().max_by_key(|(_, count)| **count);
    most.map_or_else(|| "A first proposal".to_owned(), |(sender, _)| sender.clone())
}

/// Adds what the samples leave open.
pub(super) fn left_to_do(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let applications: BTreeSet<_> =
        study.samples.iter().map(|sample| sample.msg.header().sending_application).collect();
    if applications.len() > 1 {
        draft.todo("The samples are of several systems (MSH-3): a mapping is for one dialect.");
    }
    let mut failures: BTreeMap<String, usize> = BTreeMap::new();
    for reading in &now.readings {
        let failure = match &reading.came {
            Came::Missing(field) => format!("{} is found nowhere", field.name()),
            Came::Unreadable(field, path) => format!("{} at {path} is no time", field.name()),
            Came::TooMany => "There are too many appointments".to_owned(),
            Came::Event(_) | Came::Ignored(_) => continue,
        };
        *failures.entry(failure).or_default() += 1;
    }
    for (failure, count) in failures {
        draft.todo(format!("{failure} in {}: they would go to quarantine.", messages(count)));
    }
    let events = now.events();
    for output in [Output::Name, Output::Phone] {
        if events > 0 && now.filled(output) == 0 {
            draft.todo(format!("{} is found in no message.", output.name()));
        }
    }
    if let Some(note) = &study.region.note {
        draft.todo(note.clone());
    }
    charsets(study, draft);
    flags(study, now, draft);
}

fn charsets(study: &Study<'_>, draft: &mut Draft) {
    let labels = study.samples.iter().flat_map(|sample| sample.msg.header().charsets);
    let unknown: BTreeSet<_> = labels
        .filter(|label| !label.is_empty() && Charset::for_label(label).is_none())
        .map(|label| format!("\"{}\"", shown::label(&label)))
        .collect();
    if !unknown.is_empty() {
        let unknown: Vec<_> = unknown.into_iter().take(5).collect();
        draft.todo(format!(
            "MSH-18 says {}, which is no character set: look whether names come out right, or set \
             charset at the listener.",
            unknown.join(", ")
        ));
    }
}

/// Flags that no rule reads: one may be the patient's consent to texts.
fn flags(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let read = base::fields(&now.mapping);
    let flags: Vec<_> = study
        .inventory
        .iter()
        .filter(|(place, stats)| {
            let may_be = place.is_local() || place.is_at("PD1", 12);
            may_be
                && stats.is_mostly(&[Kind::Flag])
                && !read.contains(&(place.segment, place.field))
        })
        .map(|(place, _)| place.path())
        .take(8)
        .collect();
    if !flags.is_empty() {
        draft.hint(
            Output::OptedOut,
            format!("Flags Y/N stand in {}: is one a consent to texts?", flags.join(", ")),
        );
    }
}

/// The whole file.
pub(super) fn file(study: &Study<'_>, before: &Trial, now: &Trial, draft: &Draft) -> String {
    let mut out = String::new();
    let all = messages(study.samples.len());
    comment(
        &mut out,
        &format!(
            "A proposal, drawn from {all}: a start, not a result. Examples are masked: 9 stands for \
             a digit, A and a for letters."
        ),
    );
    comment(&mut out, "");
    looked_at(study, before, now, &mut out);
    comment(&mut out, "");
    table(study, before, now, &mut out);
    if draft.is_empty() {
        comment(&mut out, "");
        comment(&mut out, "Nothing was found that should be read in another way.");
    }
    rows(&mut out, "Left to do:", draft.left_to_do().iter().map(|todo| format!("- {todo}")));
    rows(&mut out, "Fields that no rule reads:", unread(study, now).into_iter());
    comment(&mut out, "");
    comment(
        &mut out,
        "Then prove it: an [[example]] for each kind of message, made up, with the event that it \
         must give; `appointd map --explain` shows where each value comes from.",
    );
    out.push('\n');
    out.push_str(&draft.to_toml());
    out
}

fn rows(out: &mut String, title: &str, rows: impl Iterator<Item = String>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    comment(out, "");
    comment(out, title);
    rows.for_each(|row| comment(out, &format!("  {row}")));
}

fn looked_at(study: &Study<'_>, before: &Trial, now: &Trial, out: &mut String) {
    let mut triggers: BTreeMap<String, usize> = BTreeMap::new();
    let readings = before.readings.iter().zip(&now.readings);
    for (sample, (before, now)) in study.samples.iter().zip(readings) {
        let ignored = match (before.is_ignored(), now.is_ignored()) {
            (_, true) => ", ignored",
            (true, false) => ", ignored by the base",
            (false, false) => "",
        };
        let label = format!("{}{ignored}", shown::label(&sample.trigger()));
        *triggers.entry(label).or_default() += 1;
    }
    let charset = |header: &crate::hl7::Header| {
        header
            .charsets
            .first()
            .filter(|label| !label.is_empty())
            .map_or_else(|| "not said".to_owned(), |label| shown::label(label))
    };
    let headers: Vec<_> = study.samples.iter().map(|sample| sample.msg.header()).collect();
    let count = |of: &dyn Fn(&crate::hl7::Header) -> String| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for header in &headers {
            *counts.entry(of(header)).or_default() += 1;
        }
        counts
    };
    for (what, counts) in [
        ("triggers", triggers),
        ("sent by", senders(study)),
        ("version", count(&|header| shown::label(&header.version))),
        ("charset", count(&charset)),
    ] {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let more = counts.len().saturating_sub(ROWS_MAX);
        let mut shown: Vec<_> =
            counts.iter().take(ROWS_MAX).map(|(what, n)| format!("{what} ({n})")).collect();
        if more > 0 {
            shown.push(format!("{more} more"));
        }
        comment(out, &format!("{what}: {}", shown.join("; ")));
    }
}

/// Sending application and facility, with counts.
fn senders(study: &Study<'_>) -> BTreeMap<String, usize> {
    let mut senders: BTreeMap<String, usize> = BTreeMap::new();
    for sample in &study.samples {
        let header = sample.msg.header();
        let names = [header.sending_application, header.sending_facility];
        let names = names.iter().map(|name| shown::label(name)).filter(|name| !name.is_empty());
        let name = names.collect::<Vec<_>>().join(" / ");
        let name = if name.is_empty() { "nobody named".to_owned() } else { name };
        *senders.entry(name).or_default() += 1;
    }
    senders
}

/// Which fields are read in what share of the samples, and from where.
fn table(study: &Study<'_>, before: &Trial, now: &Trial, out: &mut String) {
    let all = study.samples.len();
    let share =
        |count: usize| format!("{count} ({}%)", (count * 100).checked_div(all).unwrap_or(0));
    let base = shown::label(study.base().name());
    let mut line = |a: &str, b: &str, c: &str, d: &str| {
        let text = format!("{a:<27} {b:<13} {c:<13} {d}");
        out.push_str("# ");
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line("read in", &base, "this file", "from");
    line("an event", &share(before.events()), &share(now.events()), "");
    for output in Output::ALL {
        let (was, is) = (before.filled(output), now.filled(output));
        if was + is == 0 && is_rare(output) {
            continue;
        }
        let mut sources: Vec<_> = now.sources(output).into_iter().collect();
        sources.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let more = if sources.len() > 3 { ", .." } else { "" };
        let sources: Vec<_> =
            sources.iter().take(3).map(|(rule, count)| format!("{rule} {count}")).collect();
        let sources = format!("{}{more}", sources.join(", "));
        line(output.name(), &share(was), &share(is), &shown::label(&sources));
    }
}

/// Whether most feeds have nothing for a field, so that its lack tells nothing.
const fn is_rare(output: Output) -> bool {
    matches!(
        output,
        Output::Event
            | Output::OptedOut
            | Output::LocationName
            | Output::CallbackPhone
            | Output::Deceased
    )
}

/// The fields that no list has a path into, local segments first.
fn unread(study: &Study<'_>, now: &Trial) -> Vec<String> {
    let read = base::fields(&now.mapping);
    // Of each field the component that most messages have.
    let mut fields: BTreeMap<String, (usize, &Place, &Stats)> = BTreeMap::new();
    for (place, stats) in study.inventory.iter() {
        let at = (place.segment, place.field);
        if read.contains(&at) || is_dull(place) {
            continue;
        }
        let entry = fields.entry(place.field_path()).or_insert((0, place, stats));
        if stats.messages > entry.0 {
            *entry = (stats.messages, place, stats);
        }
    }
    let mut fields: Vec<_> = fields.into_values().collect();
    fields.sort_by_key(|(messages, place, _)| {
        let rank = study.inventory.rank(place.segment);
        (!place.is_local(), std::cmp::Reverse(*messages), rank, place.field)
    });
    let more = fields.len().saturating_sub(ROWS_MAX);
    let mut rows: Vec<_> = fields
        .iter()
        .take(ROWS_MAX)
        .map(|(count, place, stats)| {
            format!("{}: {} in {count}: {}", place.path(), stats.usual().name(), stats.masks())
        })
        .collect();
    if more > 0 {
        rows.push(format!("and {more} more"));
    }
    rows
}

fn is_dull(place: &Place) -> bool {
    let segment = place.segment.as_str();
    let is_counter = place.field == 1 && !place.is_local();
    let is_observation = place.observed.is_some() && place.field != 5;
    let is_action = place.field == 2 && (segment.starts_with("AI") || segment == "RGS");
    is_counter
        || is_observation
        || is_action
        || DULL.iter().any(|(name, fields)| *name == segment && fields.contains(&place.field))
}
