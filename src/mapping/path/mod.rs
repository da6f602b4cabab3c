//! Paths of mappings: [`crate::hl7::Path`]'s syntax, and selection by content.
//!
//! `PID-13[2].1` is the second repetition; `PID-3[5=MR|MRN].1` the first repetition whose
//! component 5 is one of these; `PID-3[type!=SS].1` the first where it is not; `PID-13[*]` each;
//! `OBX[3.1=SchedulingStatus]-5` the first such segment.
//!
//! Without a bracket a path finds the first repetition in which the value stands, in the first
//! segment of its name. For the resources AIS, AIG, AIL and AIP it is the first segment in which
//! the value stands and that is not marked as deleted, by itself or by its RGS group.

mod read;

use std::borrow::Cow;
use std::fmt;

use super::fhirpath::Home;
use super::lines::{Line, Lines};
use super::table::Folded;
use crate::hl7::{Message, SegmentName};

/// The conventional names of components in selections, and where senders put what they mean.
pub(super) const NAMED: [(&str, &[u16]); 5] = [
    // XTN: some senders put `CP` where the use code belongs, some the use code elsewhere.
    ("use", &[2, 3]),
    ("equipment", &[3]),
    // CX.
    ("authority", &[4]),
    ("type", &[5]),
    // XPN.
    ("name_type", &[7]),
];

/// A path as a mapping writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) segment: SegmentName,
    pub(super) occurrence: Pick,
    pub(super) field: u16,
    pub(super) repetition: Pick,
    pub(super) component: Option<u16>,
    pub(super) subcomponent: Option<u16>,
    /// Whether the segment is a resource, of which some may be marked as deleted.
    is_resource: bool,
    /// The segment that heads a group of resources, RGS.
    group: SegmentName,
    timing: Timing,
}

/// What of several times a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timing {
    /// All are the same to it.
    None,
    /// SCH-11: a time is a repetition.
    Repetition,
    /// TQ1: a time is a segment.
    Segment,
}

/// Which of several segments or repetitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pick {
    /// All of these must hold.
    pub(super) tests: Vec<Test>,
    pub(super) number: Number,
}

/// Which of those that pass the tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Number {
    #[default]
    FirstValued,
    Nth(u16),
    Every,
}

/// A selection by content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Test {
    /// Field and component of a segment, or component and subcomponent of a repetition; any may hold.
    pub(super) at: Vec<(u16, Option<u16>)>,
    pub(super) negated: bool,
    pub(super) values: Vec<Wanted>,
}

/// A value that is selected by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Exactly(Folded),
    /// Written with a `*` at the end.
    Prefix(Folded),
}

impl Wanted {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exactly(value) => value.matches(text),
            Self::Prefix(value) => value.begins(text),
        }
    }
}

/// Where in the message a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The segment's name.
    pub segment: SegmentName,
    /// Which of the segments with that name, from 1.
    pub occurrence: u16,
    /// The field.
    pub field: u16,
    /// Which repetition of the field, from 1.
    pub repetition: u16,
    /// The component, if the path goes that deep.
    pub component: Option<u16>,
    /// The subcomponent, if the path goes that deep.
    pub subcomponent: Option<u16>,
    /// The first byte in the message's text.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, occurrence, field, repetition, .. } = self;
        write!(f, "{segment}[{occurrence}]-{field}[{repetition}]")?;
        for part in [self.component, self.subcomponent].into_iter().flatten() {
            write!(f, ".{part}")?;
        }
        Ok(())
    }
}

/// What stands at a place: absent places are not found.
#[derive(Debug, Clone)]
pub(super) struct Found<'m> {
    /// The text as it is written; of a JSON object none.
    pub(super) raw: Cow<'m, str>,
    /// Nowhere, if the mapping itself gives the value, or if it is JSON.
    pub(super) at: Option<Position>,
    /// What stands there in JSON, unless it was computed.
    pub(super) node: Option<&'m serde_json::Value>,
    /// The resource of JSON in which it stands.
    pub(super) home: Option<Home<'m>>,
}

impl<'m> Found<'m> {
    pub(super) const fn constant(raw: &'m str) -> Self {
        Self { raw: Cow::Borrowed(raw), at: None, node: None, home: None }
    }

    pub(super) fn is_null(&self) -> bool {
        self.raw == NULL
    }

    /// A component of a repetition that was found; nothing if it is empty.
    pub(super) fn component(&self, msg: &Message, number: u16) -> Option<Self> {
        // What a message says is borrowed from it.
        let Cow::Borrowed(whole) = self.raw else { return None };
        let (offset, raw) = nth(whole, msg.separators().component, number);
        let at = self.at.map(|at| Position {
            component: Some(number),
            start: at.start + offset,
            end: at.start + offset + raw.len(),
            ..at
        });
        (!raw.trim().is_empty()).then_some(Self {
            raw: Cow::Borrowed(raw),
            at,
            node: None,
            home: None,
        })
    }
}

/// The value that means "delete what you have" (HL7 v2.5.1, 2.5.3.1).
pub(super) const NULL: &str = "\"\"";

impl Path {
    /// What stands at the path: the first text, else the first null.
    pub(super) fn first<'m>(&self, lines: &Lines<'m>) -> Option<Found<'m>> {
        let mut null = None;
        let mut text = None;
        self.visit(lines, &mut |found| {
            if found.is_null() {
                null = null.take().or(Some(found));
            } else {
                text = Some(found);
            }
            text.is_some()
        });
        text.or(null)
    }

    /// Whether the path asks for each of several values.
    pub(super) fn is_every(&self) -> bool {
        self.occurrence.number == Number::Every || self.repetition.number == Number::Every
    }

    /// Shows each value at the path to `see` until it says that it has seen enough.
    pub(super) fn visit<'m>(&self, lines: &Lines<'m>, see: &mut dyn FnMut(Found<'m>) -> bool) {
        let passes_deleted = self.is_resource && self.occurrence.is_unsaid();
        let (mut occurrence, mut matched) = (0_u16, 0_u16);
        for (number, line) in lines.named(self.segment) {
            occurrence = occurrence.saturating_add(1);
            // First: of the segments of others there may be very many.
            if !lines.is_seen(number) {
                continue;
            }
            let skipped =
                passes_deleted && (is_deleted(lines, line) || self.is_group_deleted(lines, number));
            if skipped || !self.occurrence.admits(|at| field_part(lines, line, at)) {
                continue;
            }
            matched = matched.saturating_add(1);
            if self.wanted_occurrence(lines).is_some_and(|number| number != matched) {
                continue;
            }
            let is_last = self.occurrence.number != Number::Every && !self.is_resource;
            if self.visit_segment(lines, line, occurrence, see) || is_last {
                return;
            }
        }
    }

    /// Whether the group that a resource stands in is being taken off the appointment.
    fn is_group_deleted(&self, lines: &Lines<'_>, number: usize) -> bool {
        lines.last_before(self.group, number).is_some_and(|line| is_deleted(lines, line))
    }

    /// The number of the segment that is meant: said by the path, or the time that is looked at.
    fn wanted_occurrence(&self, lines: &Lines<'_>) -> Option<u16> {
        match self.occurrence.number {
            Number::Nth(number) => Some(number),
            Number::FirstValued if self.timing == Timing::Segment && lines.time() > 0 => {
                Some(lines.time())
            }
            Number::FirstValued | Number::Every => None,
        }
    }

    fn wanted_repetition(&self, lines: &Lines<'_>) -> Option<u16> {
        match self.repetition.number {
            Number::Nth(number) => Some(number),
            Number::FirstValued if self.timing == Timing::Repetition && lines.time() > 0 => {
                Some(lines.time())
            }
            Number::FirstValued | Number::Every => None,
        }
    }

    fn visit_segment<'m>(
        &self,
        lines: &Lines<'m>,
        line: &Line,
        occurrence: u16,
        see: &mut dyn FnMut(Found<'m>) -> bool,
    ) -> bool {
        let Some((mut start, field)) = lines.field(line, self.field) else { return false };
        if field.is_empty() {
            return false;
        }
        let separator = lines.msg.separators().repetition;
        let wanted = self.wanted_repetition(lines);
        let mut matched = 0;
        for (repetition, raw) in (1_u16..).zip(field.split(separator)) {
            let from = start;
            start += raw.len() + separator.len_utf8();
            if !self.repetition.admits(|at| repetition_part(lines.msg, raw, at)) {
                continue;
            }
            matched += 1;
            if wanted.is_some_and(|number| number != matched) {
                continue;
            }
            let (offset, part) = self.part(lines.msg, raw);
            if part.trim().is_empty() {
                continue;
            }
            let at = Position {
                segment: self.segment,
                occurrence,
                field: self.field,
                repetition,
                component: self.component,
                subcomponent: self.subcomponent,
                start: from + offset,
                end: from + offset + part.len(),
            };
            if see(Found { raw: Cow::Borrowed(part), at: Some(at), node: None, home: None }) {
                return true;
            }
        }
        false
    }

    /// The addressed part of a repetition and its offset; a null repetition is null in each part.
    fn part<'m>(&self, msg: &Message, raw: &'m str) -> (usize, &'m str) {
        let Some(component) = self.component.filter(|_| raw != NULL) else { return (0, raw) };
        let separators = msg.separators();
        let (offset, part) = nth(raw, separators.component, component);
        let Some(subcomponent) = self.subcomponent.filter(|_| part != NULL) else {
            return (offset, part);
        };
        let (deeper, part) = nth(part, separators.subcomponent, subcomponent);
        (offset + deeper, part)
    }
}

impl Pick {
    fn is_unsaid(&self) -> bool {
        self.tests.is_empty() && self.number == Number::FirstValued
    }

    fn admits<'m>(&self, part: impl Fn((u16, Option<u16>)) -> &'m str) -> bool {
        self.tests.iter().all(|test| {
            let is_one = |at: &(u16, Option<u16>)| {
                let part = part(*at);
                test.values.iter().any(|value| value.matches(part))
            };
            test.at.iter().any(is_one) != test.negated
        })
    }
}

fn is_resource(name: SegmentName) -> bool {
    matches!(name.as_str(), "AIS" | "AIG" | "AIL" | "AIP")
}

/// Whether a resource or its group is being taken off the appointment (segment action code `D`).
fn is_deleted(lines: &Lines<'_>, line: &Line) -> bool {
    lines.field(line, 2).is_some_and(|(_, action)| action.trim() == "D")
}

fn field_part<'m>(lines: &Lines<'m>, line: &Line, at: (u16, Option<u16>)) -> &'m str {
    let Some((_, field)) = lines.field(line, at.0) else { return "" };
    let first = field.split(lines.msg.separators().repetition).next().unwrap_or_default();
    match at.1 {
        Some(component) => component_of(lines.msg, first, component),
        None => first,
    }
}

fn repetition_part<'m>(msg: &Message, raw: &'m str, at: (u16, Option<u16>)) -> &'m str {
    let component = component_of(msg, raw, at.0);
    let subcomponent = at.1.unwrap_or(1);
    nth(component, msg.separators().subcomponent, subcomponent).1
}

/// A component of a repetition's raw text; empty if it does not reach that far.
pub(super) fn component_of<'m>(msg: &Message, raw: &'m str, number: u16) -> &'m str {
    nth(raw, msg.separators().component, number).1
}

/// The part with a number, from 1, and its offset.
fn nth(text: &str, separator: char, number: u16) -> (usize, &str) {
    // All separators are ASCII (see `hl7::Separators`), so a byte of that value is one.
    let Ok(separator) = u8::try_from(separator) else { return (0, text) };
    let mut start = 0;
    let mut left = number;
    for (at, byte) in text.bytes().enumerate() {
        if byte != separator {
            continue;
        }
        left = left.saturating_sub(1);
        if left == 0 {
            return (start, text.get(start..at).unwrap_or_default());
        }
        start = at + 1;
    }
    if left == 1 { (start, text.get(start..).unwrap_or_default()) } else { (text.len(), "") }
}

#[cfg(test)]
mod tests;
