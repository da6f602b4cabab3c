//! An HL7 message as a mapping looks at it: where its fields begin, and which part of it one event is
//! about.
//!
//! The fields are found once for all rules. A message of several patients or times is looked at
//! several times, each time with the others hidden ([`Scope`]). Knows nothing of rules or fields of
//! the event.

use std::collections::BTreeSet;
use std::ops::Range;

use memchr::memchr_iter;

use super::path::NULL;
use crate::core::claim::CLAIMS_MAX;
use crate::hl7::{Message, SegmentName};

/// The most events that one message may tell of; a message of more goes to a person.
pub(super) const EVENTS_MAX: usize = CLAIMS_MAX;

/// The most segments that the events of one message look at together: 64 patients of some thousand
/// segments each. It bounds the time that a message may take.
const SEGMENTS_READ_MAX: usize = 200_000;

/// Segments that belong to no patient: they end the group that a PID begins.
const NO_PATIENTS: [&str; 8] = ["MSH", "SCH", "TQ1", "RGS", "AIS", "AIG", "AIL", "AIP"];

/// A message under reading.
#[derive(Debug)]
pub(super) struct Lines<'m> {
    pub(super) msg: &'m Message,
    lines: Vec<Line>,
    separators: Vec<usize>,
    scope: Scope,
}

/// A segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) name: SegmentName,
    is_header: bool,
    end: usize,
    /// Its separators among all.
    separators: (usize, usize),
}

/// What of a message one event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scope {
    /// For each segment whether it belongs to another patient or appointment; empty if none does.
    hidden: Vec<bool>,
    /// Which of several times, from 1; 0 if there is only one.
    pub(super) time: u16,
}

/// One event of a message: its part, and how many others there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) scope: Scope,
    pub(super) patients: u16,
    pub(super) times: u16,
}

impl<'m> Lines<'m> {
    pub(super) fn new(msg: &'m Message) -> Self {
        let separator = u8::try_from(msg.separators().field).unwrap_or(b'|');
        let segments = msg.segments();
        let mut lines = Vec::with_capacity(segments.len());
        let mut separators = Vec::with_capacity(segments.len() * 16);
        for segment in segments {
            let range = segment.range();
            let first = separators.len();
            let found = memchr_iter(separator, segment.raw().as_bytes());
            separators.extend(found.map(|at| range.start + at));
            lines.push(Line {
                name: segment.name(),
                is_header: segment.index() == 0,
                end: range.end,
                separators: (first, separators.len()),
            });
        }
        Self { msg, lines, separators, scope: Scope::default() }
    }

    /// Looks at one part of the message only.
    pub(super) fn narrow(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// Which of several times is looked at, from 1; 0 if all.
    pub(super) const fn time(&self) -> u16 {
        self.scope.time
    }

    /// All segments with whether they can be seen.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&Line, bool)> {
        let hidden = &self.scope.hidden;
        let is_seen = move |number: usize| hidden.get(number).is_none_or(|hidden| !hidden);
        self.lines.iter().enumerate().map(move |(number, line)| (line, is_seen(number)))
    }

    /// A field's text and where it begins.
    pub(super) fn field(&self, line: &Line, number: u16) -> Option<(usize, &'m str)> {
        let text = self.msg.text();
        let mut number = usize::from(number);
        if line.is_header {
            // MSH-1 is the separator itself, so all others stand one place earlier.
            if number == 1 {
                let at = *self.separators.get(line.separators.0)?;
                return Some((at, text.get(at..=at)?));
            }
            number -= 1;
        }
        let (first, last) = line.separators;
        let index = (first + number).checked_sub(1).filter(|index| *index < last)?;
        let start = self.separators.get(index)? + 1;
        let next = self.separators.get(index + 1).filter(|_| index + 1 < last);
        let end = next.copied().unwrap_or(line.end);
        Some((start, text.get(start..end)?))
    }

    /// A component of MSH, as it stands there.
    pub(super) fn header(&self, field: u16, component: usize) -> &'m str {
        let field = self.lines.first().and_then(|line| self.field(line, field));
        let separators = self.msg.separators();
        let first = field.map_or("", |field| field.1).split(separators.repetition).next();
        let part = first.unwrap_or_default().split(separators.component).nth(component - 1);
        part.map(str::trim).filter(|part| *part != NULL).unwrap_or_default()
    }

    /// The events that the message tells of: one for each patient and time that is to be told apart.
    ///
    /// # Errors
    /// The number of events, if it is beyond [`EVENTS_MAX`].
    pub(super) fn shares(&self, patients: bool, times: bool) -> Result<Vec<Share>, usize> {
        // Before anything is compared with anything: a message may have a hundred thousand segments.
        for (name, apart) in [("SCH", times), ("PID", patients)] {
            let count = self.numbers(name).len();
            if apart && count > EVENTS_MAX {
                return Err(count);
            }
        }
        let mut shares = Vec::new();
        for schedule in self.schedules(times) {
            for (patient, count) in self.patients(patients, &schedule) {
                let times = if times { self.times(&schedule) } else { 1 };
                if shares.len() + times > EVENTS_MAX {
                    return Err(shares.len() + times);
                }
                let read = (shares.len() + times).saturating_mul(self.lines.len());
                if shares.len() + times > 1 && read > SEGMENTS_READ_MAX {
                    return Err(shares.len() + times);
                }
                let mut hidden = Vec::new();
                for number in schedule.iter().chain(&patient) {
                    hidden.resize(self.lines.len(), false);
                    if let Some(hidden) = hidden.get_mut(*number) {
                        *hidden = true;
                    }
                }
                for time in 1..=u16::try_from(times).unwrap_or(u16::MAX) {
                    let time = if times > 1 { time } else { 0 };
                    let scope = Scope { hidden: hidden.clone(), time };
                    let times = u16::try_from(times).unwrap_or(u16::MAX);
                    shares.push(Share { scope, patients: count, times });
                }
            }
        }
        Ok(shares)
    }

    fn numbers(&self, name: &str) -> Vec<usize> {
        let lines = self.lines.iter().enumerate();
        lines.filter(|(_, line)| line.name.as_str() == name).map(|(number, _)| number).collect()
    }

    /// For each SCH the segments that belong to another one.
    fn schedules(&self, apart: bool) -> Vec<Vec<usize>> {
        let starts = self.numbers("SCH");
        if !apart || starts.len() < 2 {
            return vec![Vec::new()];
        }
        let ends = starts.iter().skip(1).copied().chain([self.lines.len()]);
        let first = starts.first().copied().unwrap_or_default();
        let hidden = |own: Range<usize>| {
            let own_names: BTreeSet<SegmentName> =
                self.lines.get(own.clone()).unwrap_or_default().iter().map(|l| l.name).collect();
            let hides = |number: usize, line: &Line| {
                // A patient who is named once, after the last schedule, is the patient of all.
                let is_shared = !NO_PATIENTS.contains(&line.name.as_str());
                let is_others = number >= first && !own.contains(&number);
                is_others && (own_names.contains(&line.name) || !is_shared)
            };
            let lines = self.lines.iter().enumerate();
            lines.filter(|(number, line)| hides(*number, line)).map(|(number, _)| number).collect()
        };
        starts.iter().copied().zip(ends).map(|(start, end)| hidden(start..end)).collect()
    }

    /// For each patient the segments that belong to another one, and how many patients there are.
    fn patients(&self, apart: bool, hidden: &[usize]) -> Vec<(Vec<usize>, u16)> {
        let hidden: BTreeSet<usize> = hidden.iter().copied().collect();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut is_open = false;
        for (number, line) in self.lines.iter().enumerate() {
            let name = line.name.as_str();
            if hidden.contains(&number) {
                continue;
            }
            if name == "PID" {
                groups.push(Vec::new());
                is_open = true;
            } else if NO_PATIENTS.contains(&name) {
                is_open = false;
            }
            if is_open && let Some(group) = groups.last_mut() {
                group.push(number);
            }
        }
        if !apart || groups.len() < 2 {
            return vec![(Vec::new(), 1)];
        }
        let count = u16::try_from(groups.len()).unwrap_or(u16::MAX);
        let others = |own: usize| {
            let others = groups.iter().enumerate().filter(|(other, _)| *other != own);
            others.flat_map(|(_, group)| group).copied().collect()
        };
        (0..groups.len()).map(|own| (others(own), count)).collect()
    }

    /// How many times are told: repetitions of SCH-11, or TQ1 segments; at least one.
    fn times(&self, hidden: &[usize]) -> usize {
        let hidden: BTreeSet<usize> = hidden.iter().copied().collect();
        let is_seen = |number: &usize| !hidden.contains(number);
        let timing = self.numbers("TQ1").iter().filter(|number| is_seen(number)).count();
        let schedule = self.numbers("SCH").into_iter().find(is_seen);
        let field = schedule.and_then(|number| self.field(self.lines.get(number)?, 11));
        let repetition = self.msg.separators().repetition;
        let repeated = field.map_or("", |field| field.1).split(repetition);
        repeated.filter(|text| !text.trim().is_empty()).count().max(timing).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(text: &str) -> Vec<(Vec<usize>, u16, u16, u16)> {
        let msg = Message::read(&format!("MSH|^~\\&|A|B\r{text}")).unwrap();
        let shares = Lines::new(&msg).shares(true, true).unwrap();
        let told = |s: Share| {
            let hidden = s.scope.hidden.iter().enumerate().filter(|(_, hidden)| **hidden);
            (hidden.map(|(number, _)| number).collect(), s.scope.time, s.patients, s.times)
        };
        shares.into_iter().map(told).collect()
    }

    #[test]
    fn one_patient_and_one_time_are_one_event() {
        let plain = vec![(vec![], 0, 1, 1)];
        for text in ["PID|1", "SCH|1||||||||||a\rPID|1", "SCH|1||||||||||~a~", "TQ1|1", "ZZZ|1"] {
            assert_eq!(shares(text), plain, "{text}");
        }
    }

    #[test]
    fn each_patient_is_seen_with_what_follows_up_to_the_next() {
        let text = "SCH|1\rPID|1\rPV1|1\rPID|2\rPV1|1\rRGS|1\rAIL|1\rNTE|1";
        assert_eq!(shares(text), [(vec![4, 5], 0, 2, 1), (vec![2, 3], 0, 2, 1)]);
    }

    #[test]
    fn each_time_is_an_event() {
        let text = "SCH|1||||||||||a~b\rPID|1";
        assert_eq!(shares(text), [(vec![], 1, 1, 2), (vec![], 2, 1, 2)]);
        assert_eq!(shares("SCH|1\rTQ1|1\rTQ1|2\rPID|1\rPID|2").len(), 4);
    }

    #[test]
    fn each_schedule_is_seen_with_what_is_its_own() {
        let own = "SCH|1\rPID|1\rAIL|1\rSCH|2\rPID|1\rAIL|1";
        assert_eq!(shares(own), [(vec![4, 5, 6], 0, 1, 1), (vec![1, 2, 3], 0, 1, 1)]);
        let shared = "PID|1\rSCH|1\rSCH|2\rAIL|1";
        assert_eq!(shares(shared), [(vec![3, 4], 0, 1, 1), (vec![2], 0, 1, 1)]);
        let last = "SCH|1\rSCH|2\rPID|1";
        assert_eq!(shares(last), [(vec![2], 0, 1, 1), (vec![1], 0, 1, 1)]);
    }

    #[test]
    fn more_events_than_anyone_means_are_refused() {
        let text = |count: usize| format!("MSH|^~\\&|A|B\r{}", "PID|1\r".repeat(count));
        let msg = Message::read(&text(EVENTS_MAX)).unwrap();
        assert_eq!(Lines::new(&msg).shares(true, true).unwrap().len(), EVENTS_MAX);
        let msg = Message::read(&text(EVENTS_MAX + 1)).unwrap();
        assert_eq!(Lines::new(&msg).shares(true, true), Err(EVENTS_MAX + 1));
        assert_eq!(Lines::new(&msg).shares(false, true).map(|shares| shares.len()), Ok(1));
    }

    #[test]
    fn fields_are_those_of_the_message() {
        let msg = Message::read("MSH|^~\\&|A^B|C\rPID|1||M1").unwrap();
        let view = Lines::new(&msg);
        let all: Vec<_> = view.lines().map(|(line, _)| *line).collect();
        for (line, segment) in all.iter().zip(msg.segments()) {
            for number in 1..8_u16 {
                let expected =
                    segment.field(usize::from(number)).map(|f| (f.range().start, f.raw()));
                assert_eq!(view.field(line, number), expected, "{} {number}", line.name);
            }
        }
        assert_eq!(view.header(3, 2), "B");
    }
}
