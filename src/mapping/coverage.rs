//! How much of a mapping is used by messages, and how much of the messages by the mapping.
//!
//! Rules that no message has ever used are either not needed or wrong; positions that hold values
//! and that no rule reads are what the analyst may have missed; codes that no table knows are what
//! the EHR says and nobody hears. Values are not shown, but for such codes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Site;
use super::compile::Mapping;
use super::fault::Place;
use super::output::Output;
use super::path::NULL;
use super::record::{Note, Recorder, Seen, Verdict};
use super::source::{Look, Options, Source, Unit};
use super::spot::Spot;
use super::view::Input;
use crate::clock::Timestamp;

/// The most codes shown of one rule that no table knows: more are no codes but free text.
const CODES_MAX: usize = 20;
/// The longest code shown.
const CODE_CHARS_MAX: usize = 40;
/// The most positions counted: bounds memory for messages of noise.
const POSITIONS_MAX: usize = 20_000;

/// Segment and field, as explanations name them.
type Position = (String, u16);

/// What is known after some messages.
#[derive(Debug, Default)]
pub struct Coverage {
    messages: u64,
    /// How often each rule was asked, and how often its value was taken.
    rules: BTreeMap<Rule, Uses>,
    /// Codes that a rule met and that its table does not know.
    unknown: BTreeMap<Rule, BTreeMap<String, u64>>,
    /// In how many messages a position holds a value.
    valued: BTreeMap<Position, u64>,
    read: BTreeSet<Position>,
}

/// A rule of a mapping: in reading order of the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    file: String,
    line: usize,
    /// The field that it fills, or the kind of rule.
    of: String,
    what: String,
}

#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    asked: u64,
    used: u64,
}

impl Coverage {
    /// Begins with all rules of a mapping, none of them used.
    #[must_use]
    pub fn of(mapping: &Mapping) -> Self {
        let mut coverage = Self::default();
        coverage.know(mapping);
        coverage
    }

    /// Adds the rules of a further mapping, for feeds that choose by message.
    pub fn know(&mut self, mapping: &Mapping) {
        for output in Output::ALL {
            for compiled in mapping.sources(output) {
                self.rules.entry(rule_of(output, &compiled.source)).or_default();
                self.know_reads(&compiled.source);
            }
        }
        for rule in &mapping.triggers {
            self.rules.entry(named(&rule.place, format!("trigger {}", rule.trigger))).or_default();
        }
        let filters = [("ignore_if", &mapping.ignore_if), ("suppress_if", &mapping.suppress_if)];
        for (kind, rules) in filters {
            for rule in rules {
                let what = format!("{kind} {}: {}", rule.code, rule.when);
                self.rules.entry(named(&rule.place, what)).or_default();
                rule.when.paths(&mut |spot| {
                    self.read.insert(spot.position());
                });
            }
        }
    }

    fn know_reads(&mut self, source: &Source) {
        let read = &mut self.read;
        let mut see = |spot: &Spot| {
            read.insert(spot.position());
        };
        if let Look::Path(path) = &source.look {
            see(path);
        }
        if let Some(when) = &source.when {
            when.paths(&mut see);
        }
        match &source.options {
            Options::Duration { unit: Unit::At(path) } => see(path),
            Options::Ids(id) => id.also.iter().for_each(see),
            Options::Time { zone_at, .. } => zone_at.iter().for_each(see),
            Options::Duration { unit: Unit::Default | Unit::Named(_) }
            | Options::None
            | Options::Coded { .. }
            | Options::Parts(_)
            | Options::Phones(_) => {}
        }
    }

    /// Reads a message and counts what it uses.
    pub fn add<'m>(
        &mut self,
        mapping: &Mapping,
        input: impl Into<Input<'m>>,
        site: &Site<'_>,
        now: Timestamp,
    ) {
        let input = input.into();
        self.messages += 1;
        let mut counter = Counter { coverage: self, field: None };
        let _outcome = mapping.run(input, site, now, &mut counter);
        // Which elements of a resource a path touches is not known beforehand.
        let Input::Hl7(msg) = input else { return };
        let mut positions = BTreeSet::new();
        for segment in msg.segments() {
            for (number, field) in (1..=u16::MAX).zip(segment.fields()) {
                if !field.raw().trim().is_empty() && field.raw() != NULL {
                    positions.insert((segment.name().to_string(), number));
                }
            }
        }
        for position in positions {
            if self.valued.len() < POSITIONS_MAX || self.valued.contains_key(&position) {
                *self.valued.entry(position).or_default() += 1;
            }
        }
    }

    /// Renders the findings, one object each: `finding` is `unused_rule`, `unknown_code` or
    /// `unread_position`.
    #[must_use]
    pub fn to_json(&self) -> Vec<Value> {
        let unused = self.rules.iter().filter(|(_, uses)| uses.used == 0).map(|(rule, uses)| {
            json!({
                "finding": "unused_rule", "of": rule.of, "what": rule.what,
                "written_at": rule.written_at(), "messages": uses.asked,
            })
        });
        let unknown = self.unknown.iter().flat_map(|(rule, codes)| {
            codes.iter().map(|(code, count)| {
                json!({
                    "finding": "unknown_code", "of": rule.of, "what": rule.what, "code": code,
                    "written_at": rule.written_at(), "messages": count,
                })
            })
        });
        let is_header = |(segment, field): &Position| segment == "MSH" && *field < 3;
        let is_unread = |at: &Position| !self.read.contains(at) && !is_header(at);
        let unread = self.valued.iter().filter(|(at, _)| is_unread(at)).map(|(at, count)| {
            json!({
                "finding": "unread_position", "what": format!("{}-{}", at.0, at.1),
                "messages": count,
            })
        });
        unused.chain(unknown).chain(unread).collect()
    }

    /// How many messages were read, how many rules there are, and how many of them were used.
    #[must_use]
    pub fn counts(&self) -> (u64, usize, usize) {
        let used = self.rules.values().filter(|uses| uses.used > 0).count();
        (self.messages, self.rules.len(), used)
    }
}

impl Rule {
    fn written_at(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

fn rule_of(output: Output, source: &Source) -> Rule {
    let what = match &source.when {
        Some(when) => format!("{} when {when}", source.label),
        None => source.label.clone(),
    };
    Rule { of: output.name().to_owned(), ..named(&source.place, what) }
}

fn named(place: &Place, what: String) -> Rule {
    Rule { file: place.file.clone(), line: place.line, of: String::new(), what }
}

/// Counts while a message is read.
struct Counter<'a> {
    coverage: &'a mut Coverage,
    field: Option<Output>,
}

impl Recorder for Counter<'_> {
    const LISTENS: bool = true;

    fn event(&mut self) {}

    fn begin(&mut self, output: Output) {
        self.field = Some(output);
    }

    fn attempt(&mut self, source: &Source, seen: Option<Seen<'_, '_>>, verdict: Verdict) {
        let Some(field) = self.field else { return };
        let rule = rule_of(field, source);
        // Most statuses are no events by themselves, and that is as it should be.
        if verdict == Verdict::NotInTable
            && field != Output::Event
            && let Some(seen) = &seen
        {
            let codes = self.coverage.unknown.entry(rule.clone()).or_default();
            let code: String = seen.found.raw.trim().chars().take(CODE_CHARS_MAX).collect();
            if codes.len() < CODES_MAX || codes.contains_key(&code) {
                *codes.entry(code).or_default() += 1;
            }
        }
        let uses = self.coverage.rules.entry(rule).or_default();
        uses.asked += 1;
        // A second-best number and a repeated identifier were read as well.
        let is_used = matches!(
            verdict,
            Verdict::Taken | Verdict::SecondBest | Verdict::Duplicate | Verdict::Null
        );
        uses.used += u64::from(is_used);
    }

    fn step(&mut self, _say: impl FnOnce() -> String) {}

    fn note(&mut self, _note: Note) {}

    fn failed(&mut self, _field: Output) {}

    fn rule(&mut self, say: impl FnOnce() -> String, place: &Place) {
        let uses = self.coverage.rules.entry(named(place, say())).or_default();
        uses.asked += 1;
        uses.used += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::SourceName;
    use crate::core::local_time::Zone;
    use crate::core::phone::Region;
    use crate::hl7::Message;
    use crate::mapping::lookup;

    #[test]
    fn a_segment_of_any_length_is_counted() {
        let mapping = lookup("hl7-default").unwrap();
        let text = format!("MSH|^~\\&|A\rSCH|{}x", "|".repeat(70_000));
        let msg = Message::read(&text).unwrap();
        let (source, locations) = (SourceName::new("feed"), BTreeMap::new());
        let site = Site {
            source: &source,
            zone: None,
            practice_zone: Zone::UTC,
            region: Region::US,
            locations: &locations,
        };
        let mut coverage = Coverage::of(&mapping);
        coverage.add(&mapping, &msg, &site, chrono::DateTime::UNIX_EPOCH);
        assert_eq!(coverage.counts().0, 1);
    }
}
