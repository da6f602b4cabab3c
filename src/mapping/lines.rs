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
    /// The numbers of the lines in the order of their names, so that a rule looks at no other line.
    by_name: Vec<(SegmentName, usize)>,
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
    /// Numbers of segments, or of participants, that belong to other patients or appointments, in
    /// order.
    pub(super) hidden: Vec<usize>,
    /// Which of several times, from 1; 0 if there is only one.
    pub(super) time: u16,
}

/// One event of a message: its part, and how many others there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) scope: Scope,
    pub(super) patients: u16,
    /// Which of the times, from 1.
    pub(super) occurrence: u16,
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
        let mut by_name: Vec<_> = (0..).zip(&lines).map(|(at, line)| (line.name, at)).collect();
        by_name.sort_unstable();
        Self { msg, lines, by_name, separators, scope: Scope::default() }
    }

    /// Looks at one part of the message only.
    pub(super) fn narrow(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// Which of several times is looked at, from 1; 0 if all.
    pub(super) const fn time(&self) -> u16 {
        self.scope.time
    }

    /// The segments with a name and their numbers, those that cannot be seen too.
    pub(super) fn named(&self, name: SegmentName) -> impl Iterator<Item = (usize, &Line)> {
        let numbers = self.numbers(name).iter();
        numbers.filter_map(|(_, number)| Some((*number, self.lines.get(*number)?)))
    }

    /// Whether a segment belongs to what is looked at.
    pub(super) fn is_seen(&self, number: usize) -> bool {
        !is_among(&self.scope.hidden, number)
    }

    /// The last segment with a name before the one with a number.
    pub(super) fn last_before(&self, name: SegmentName, number: usize) -> Option<&Line> {
        let numbers = self.numbers(name);
        let before = numbers.partition_point(|(_, other)| *other < number);
        self.lines.get(numbers.get(before.checked_sub(1)?)?.1)
    }

    /// The numbers of the segments with a name, in order.
    fn numbers(&self, name: SegmentName) -> &[(SegmentName, usize)] {
        let start = self.by_name.partition_point(|(other, _)| *other < name);
        let rest = self.by_name.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|(other, _)| *other == name)).unwrap_or_default()
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
        let mut shares = Vec::with_capacity(1);
        for schedule in self.schedules(times)? {
            for (patient, count) in self.patients(patients, &schedule)? {
                let at = if times { self.times(&schedule) } else { Vec::new() };
                let times = at.len().max(1);
                if shares.len() + times > EVENTS_MAX {
                    return Err(shares.len() + times);
                }
                let read = (shares.len() + times).saturating_mul(self.lines.len());
                if shares.len() + times > 1 && read > SEGMENTS_READ_MAX {
                    return Err(shares.len() + times);
                }
                let mut hidden: Vec<usize> = schedule.iter().chain(&patient).copied().collect();
                hidden.sort_unstable();
                let at = if times > 1 { at } else { vec![0] };
                for (occurrence, time) in (1..=u16::MAX).zip(at) {
                    let scope = Scope { hidden: hidden.clone(), time };
                    let times = u16::try_from(times).unwrap_or(u16::MAX);
                    shares.push(Share { scope, patients: count, occurrence, times });
                }
            }
        }
        Ok(shares)
    }

    /// For each SCH the segments that belong to another one.
    fn schedules(&self, apart: bool) -> Result<Vec<Vec<usize>>, usize> {
        let starts = self.numbers(SegmentName::SCH);
        if !apart || starts.len() < 2 {
            return Ok(vec![Vec::new()]);
        }
        if starts.len() > EVENTS_MAX {
            return Err(starts.len());
        }
        let starts: Vec<usize> = starts.iter().map(|(_, number)| *number).collect();
        let ends = starts.iter().skip(1).copied().chain([self.lines.len()]);
        let first = starts.first().copied().unwrap_or_default();
        let hidden = |own: Range<usize>| {
            let names = self.lines.get(own.clone()).unwrap_or_default();
            let names: BTreeSet<SegmentName> = names.iter().map(|line| line.name).collect();
            let lines = self.lines.iter().enumerate().skip(first);
            let others = lines.filter(|(number, _)| !own.contains(number));
            // A patient who is named once, after the last schedule, is the patient of all.
            let hides = |name: &SegmentName| names.contains(name) || is_no_patients(*name);
            others.filter(|(_, line)| hides(&line.name)).map(|(number, _)| number).collect()
        };
        Ok(starts.iter().copied().zip(ends).map(|(start, end)| hidden(start..end)).collect())
    }

    /// For each patient the segments that belong to another one, and how many patients there are.
    fn patients(&self, apart: bool, hidden: &[usize]) -> Result<Vec<(Vec<usize>, u16)>, usize> {
        let patients = self.numbers(SegmentName::PID).iter().map(|(_, number)| *number);
        let count = patients.filter(|number| !is_among(hidden, *number)).count();
        if !apart || count < 2 {
            return Ok(vec![(Vec::new(), 1)]);
        }
        if count > EVENTS_MAX {
            return Err(count);
        }
        let mut groups: Vec<Vec<usize>> = Vec::with_capacity(count);
        let mut is_open = false;
        for (number, line) in self.lines.iter().enumerate() {
            if is_among(hidden, number) {
                continue;
            }
            if line.name == SegmentName::PID {
                groups.push(Vec::new());
                is_open = true;
            } else if is_no_patients(line.name) {
                is_open = false;
            }
            if is_open && let Some(group) = groups.last_mut() {
                group.push(number);
            }
        }
        let count = u16::try_from(groups.len()).unwrap_or(u16::MAX);
        let others = |own: usize| {
            let others = groups.iter().enumerate().filter(|(other, _)| *other != own);
            others.flat_map(|(_, group)| group).copied().collect()
        };
        Ok((0..groups.len()).map(|own| (others(own), count)).collect())
    }

    /// Where the times stand: the numbers of those repetitions of SCH-11, or TQ1 segments, that hold
    /// a time of their own.
    fn times(&self, hidden: &[usize]) -> Vec<u16> {
        let is_seen = |(number, _): &(usize, &Line)| !is_among(hidden, *number);
        let separators = self.msg.separators();
        let timing = self.named(SegmentName::TQ1).filter(is_seen);
        let timing = timing.map(|(_, line)| self.field(line, 7).map_or("", |field| field.1));
        let timing = distinct(timing);
        let schedule = self.named(SegmentName::SCH).find(is_seen);
        let field = schedule.and_then(|(_, line)| self.field(line, 11));
        let repeated = field.map_or("", |field| field.1).split(separators.repetition);
        // TQ.4; some systems put the time into the first component.
        let part = |text: &'m str| text.split(separators.component).nth(3).unwrap_or(text);
        let repeated = distinct(repeated.map(part));
        if repeated.len() >= timing.len() { repeated } else { timing }
    }
}

/// The numbers, from 1, of texts that hold something and that no earlier one is equal to.
fn distinct<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<u16> {
    let mut seen = BTreeSet::new();
    let mut at = Vec::new();
    for (number, text) in (1..=u16::MAX).zip(texts) {
        let text = text.trim();
        let holds = text.bytes().any(|byte| byte.is_ascii_digit());
        // Far more than are read; the rest is counted by nobody.
        if holds && at.len() <= EVENTS_MAX && seen.insert(text) {
            at.push(number);
        }
    }
    at
}

/// Whether a number is among others, which are in order.
fn is_among(numbers: &[usize], number: usize) -> bool {
    !numbers.is_empty() && numbers.binary_search(&number).is_ok()
}

fn is_no_patients(name: SegmentName) -> bool {
    NO_PATIENTS.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(text: &str) -> Vec<(Vec<usize>, u16, u16, u16)> {
        let msg = Message::read(&format!("MSH|^~\\&|A|B\r{text}")).unwrap();
        let shares = Lines::new(&msg).shares(true, true).unwrap();
        let told = |s: Share| (s.scope.hidden, s.scope.time, s.patients, s.times);
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
        let text = "SCH|1||||||||||8~9\rPID|1";
        assert_eq!(shares(text), [(vec![], 1, 1, 2), (vec![], 2, 1, 2)]);
        assert_eq!(shares("SCH|1\rTQ1|1||||||8\rTQ1|2||||||9\rPID|1\rPID|2").len(), 4);
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
        let schedules = text(2 * EVENTS_MAX).replace("PID", "SCH");
        let msg = Message::read(&schedules).unwrap();
        assert_eq!(Lines::new(&msg).shares(true, true), Err(2 * EVENTS_MAX));
    }

    #[test]
    fn what_belongs_to_another_schedule_is_not_seen() {
        let schedules = "SCH|1\r".repeat(EVENTS_MAX);
        let text = format!("MSH|^~\\&|A|B\r{schedules}{}", "AIL|1\r".repeat(1000));
        let msg = Message::read(&text).unwrap();
        let mut view = Lines::new(&msg);
        let shares = view.shares(true, true).unwrap();
        assert_eq!(shares.len(), EVENTS_MAX);
        let ail = SegmentName::parse("AIL").unwrap();
        for (share, seen) in [(0, 0), (EVENTS_MAX - 1, 1000)] {
            view.narrow(shares[share].scope.clone());
            assert_eq!(view.named(ail).filter(|(number, _)| view.is_seen(*number)).count(), seen);
        }
    }

    #[test]
    fn segments_are_found_by_name_in_their_order() {
        let msg = Message::read("MSH|^~\\&|A\rAIL|1\rRGS|1\rAIL|2\rRGS|2\rAIL|3").unwrap();
        let view = Lines::new(&msg);
        let ail = SegmentName::parse("AIL").unwrap();
        let found: Vec<_> = view.named(ail).map(|(number, _)| number).collect();
        assert_eq!(found, [1, 3, 5]);
        let group = |number| view.last_before(SegmentName::RGS, number).map(|line| line.end);
        assert_eq!(group(1), None);
        assert_ne!(group(3), group(5));
        assert_eq!(view.named(SegmentName::PID).count(), 0);
    }

    #[test]
    fn fields_are_those_of_the_message() {
        let msg = Message::read("MSH|^~\\&|A^B|C\rPID|1||M1").unwrap();
        let view = Lines::new(&msg);
        for (line, segment) in view.lines.iter().zip(msg.segments()) {
            for number in 1..8_u16 {
                let expected =
                    segment.field(usize::from(number)).map(|f| (f.range().start, f.raw()));
                assert_eq!(view.field(line, number), expected, "{} {number}", line.name);
            }
        }
        assert_eq!(view.header(3, 2), "B");
    }
}
