//! What a mapping reads, asked of its compiled form: the only place here that knows that form.

use std::collections::BTreeSet;

use super::super::compile::{Compiled, Mapping};
use super::super::document::Reads;
use super::super::output::Output;
use super::super::source::{Look, Options, System, Unit, Xtn};
use super::super::spec::{Action, Heed, TriggerRule};
use super::super::spot::{At, Spot};
use super::super::table::{Code, PhoneUse};
use super::draft::quoted;
use super::inventory::Place;
use crate::core::appointment::Status;
use crate::core::claim::EhrEvent;
use crate::hl7::SegmentName;

/// What the usual table of a field says of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word<'m> {
    Means(&'m Code),
    Unknown,
}

fn word<'m>(mapping: &'m Mapping, output: Output, text: &str) -> Word<'m> {
    let usual = mapping.sources(output).iter().filter(|at| at.source.table.is_none());
    let mut tables = usual.filter_map(|at| at.table.as_ref());
    tables.find_map(|table| table.get(text)).map_or(Word::Unknown, Word::Means)
}

/// The status that a code means; the inner nothing if it is known to say nothing.
pub(super) fn status(mapping: &Mapping, text: &str) -> Option<Option<Status>> {
    match word(mapping, Output::Status, text) {
        Word::Means(code) => Some(code.status()),
        Word::Unknown => None,
    }
}

/// Whether a word names an event.
pub(super) fn is_event(mapping: &Mapping, text: &str) -> bool {
    matches!(word(mapping, Output::Event, text), Word::Means(code) if code.event().is_some())
}

/// What a code says of a phone.
pub(super) fn phone_use(mapping: &Mapping, text: &str) -> Option<PhoneUse> {
    match word(mapping, Output::Phone, text) {
        Word::Means(Code::Phone(usage)) => Some(*usage),
        Word::Means(
            Code::Status(_)
            | Code::Event(_)
            | Code::Participation(_)
            | Code::Flag(_)
            | Code::Text(_)
            | Code::Nothing,
        )
        | Word::Unknown => None,
    }
}

/// The status that a trigger implies.
pub(super) fn implied(mapping: &Mapping, code: &str, event: &str) -> Option<Status> {
    match rule(mapping, code, event).map(|rule| &rule.action) {
        Some(Action::Read { status, .. }) => *status,
        Some(Action::Ignore(_)) | None => None,
    }
}

/// The event of a trigger without a status and without suppression.
pub(super) fn event(mapping: &Mapping, code: &str, event: &str) -> Option<EhrEvent> {
    match rule(mapping, code, event).map(|rule| &rule.action) {
        Some(Action::Read { event, suppress: None, heed: Heed::Any, .. }) => Some(*event),
        Some(Action::Read { .. } | Action::Ignore(_)) | None => None,
    }
}

/// Whether a mapping says what this very trigger means, not only what all of its kind do.
pub(super) fn is_named(mapping: &Mapping, code: &str, event: &str) -> bool {
    const EXACT: u8 = 2;
    rule(mapping, code, event).is_some_and(|rule| rule.trigger.rank() >= EXACT)
}

/// Whether messages of a trigger are read.
pub(super) fn is_read(mapping: &Mapping, code: &str, event: &str) -> bool {
    match rule(mapping, code, event).map(|rule| &rule.action) {
        Some(Action::Read { .. }) => true,
        Some(Action::Ignore(_)) | None => false,
    }
}

fn rule<'m>(mapping: &'m Mapping, code: &str, event: &str) -> Option<&'m TriggerRule> {
    mapping.triggers.iter().find(|rule| rule.trigger.matches(code, event))
}

/// The paths of a field's list, in order.
pub(super) fn paths(mapping: &Mapping, output: Output) -> Vec<String> {
    mapping.sources(output).iter().filter_map(path_of).collect()
}

/// Whether a field's list has a path to a component; of a whole field, or of its first one.
pub(super) fn reads(mapping: &Mapping, output: Output, place: &Place) -> bool {
    mapping.sources(output).iter().any(|at| match &at.source.look {
        Look::Path(Spot::Hl7(path)) => {
            path.segment == place.segment
                && path.field == place.field
                && path.component.is_none_or(|component| component == place.component)
        }
        Look::Path(Spot::Json(_)) | Look::Constant(_) => false,
    })
}

/// All fields that any list has a path into, units beside durations too.
pub(super) fn fields(mapping: &Mapping) -> BTreeSet<(SegmentName, u16)> {
    let mut fields = BTreeSet::new();
    for at in Output::ALL.into_iter().flat_map(|output| mapping.sources(output)) {
        if let Look::Path(Spot::Hl7(path)) = &at.source.look {
            fields.insert((path.segment, path.field));
        }
        if let Options::Duration { unit: Unit::At(Spot::Hl7(path)) } = &at.source.options {
            fields.insert((path.segment, path.field));
        }
    }
    fields
}

/// Whether a mapping says in which zone times without offset are.
pub(super) const fn has_zone(mapping: &Mapping) -> bool {
    mapping.zone.is_some()
}

/// Whether numbers without a unit are seconds to a mapping.
pub(super) const fn counts_seconds(mapping: &Mapping) -> bool {
    mapping.duration_unit_seconds == 1
}

/// How a mapping reads a field of phones: by which codes, and by which components put together.
#[derive(Default)]
pub(super) struct PhoneRules {
    pub(super) codes: BTreeSet<u16>,
    pub(super) ways: BTreeSet<Vec<u16>>,
}

/// The rules of all sources that read a field.
pub(super) fn phone_rules(mapping: &Mapping, place: &Place) -> PhoneRules {
    let mut rules = PhoneRules::default();
    for at in mapping.sources(Output::Phone) {
        let Look::Path(Spot::Hl7(path)) = &at.source.look else { continue };
        if let Options::Phones(xtn) = &at.source.options
            && (path.segment, path.field) == (place.segment, place.field)
        {
            rules.codes.extend(components(&xtn.codes));
            rules.ways.extend(xtn.number.iter().map(|way| components(&way.components)));
        }
    }
    rules
}

fn components(places: &[At]) -> Vec<u16> {
    let component = |at: &At| match at {
        At::Component(number) => Some(*number),
        At::Member(_) => None,
    };
    places.iter().filter_map(component).collect()
}

/// The list of phones, if each is a path without condition, table and options.
pub(super) fn plain_phones(mapping: &Mapping) -> Option<Vec<String>> {
    let plain = |at: &Compiled| {
        let usual = Xtn::usual(Reads::Hl7);
        let is_usual = match &at.source.options {
            Options::Phones(xtn) => {
                xtn.number == usual.number
                    && xtn.codes == usual.codes
                    && xtn.preferred == usual.preferred
            }
            Options::None
            | Options::Coded { .. }
            | Options::Ids(_)
            | Options::Time { .. }
            | Options::Duration { .. }
            | Options::Parts(_) => false,
        };
        let is_plain = is_usual && at.source.when.is_none() && at.source.table.is_none();
        path_of(at).filter(|_| is_plain)
    };
    mapping.sources(Output::Phone).iter().map(plain).collect()
}

/// The identifiers' list, each with its path, as it can be written again.
pub(super) fn ids(mapping: &Mapping) -> Option<Vec<(String, String)>> {
    let again = |at: &Compiled| {
        let is_simple = at.source.when.is_none() && at.source.capture.is_none();
        let path = path_of(at).filter(|_| is_simple)?;
        let Options::Ids(id) = &at.source.options else { return None };
        if !id.also.is_empty() {
            return None;
        }
        let system = match &id.system {
            System::Named(name) => format!("system = {}", quoted(name)),
            System::At(places) => format!("system_at = {:?}", components(places)),
        };
        let toml = format!("{{ path = {}, {system} }}", quoted(&path));
        Some((path, toml))
    };
    mapping.sources(Output::Ids).iter().map(again).collect()
}

fn path_of(at: &Compiled) -> Option<String> {
    match at.source.look {
        Look::Path(_) => Some(at.source.label.clone()),
        Look::Constant(_) => None,
    }
}
