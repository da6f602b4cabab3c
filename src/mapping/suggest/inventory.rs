//! What stands where: each position of the samples with the kinds of its values.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use super::shown::{self, People};
use crate::hl7::{Message, SegmentName, escape};

/// The most positions that are counted; a message of nonsense has any number of fields.
const PLACES_MAX: usize = 20_000;
/// Different values that are told apart by position.
const DISTINCT_MAX: usize = 60;
/// Forms that are kept of a position's values.
const MASKS_MAX: usize = 3;
/// The longest code that an observation is found by.
const OBSERVED_CHARS_MAX: usize = 40;
/// LOINC codes have up to six digits, and people's numbers more.
const OBSERVED_DIGITS_MAX: usize = 6;

/// A component of a field; observations by what they observe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) segment: SegmentName,
    /// The code in field 3 of OBX and segments made like it.
    pub(super) observed: Option<String>,
    pub(super) field: u16,
    pub(super) component: u16,
}

impl Place {
    /// The path of the field.
    pub(super) fn field_path(&self) -> String {
        let Self { segment, field, .. } = self;
        match &self.observed {
            Some(code) => format!("{segment}[3.1={code}]-{field}"),
            None => format!("{segment}-{field}"),
        }
    }

    /// The path of the component; a first component is what a field means where it has only one.
    pub(super) fn path(&self) -> String {
        match self.component {
            1 => self.field_path(),
            component => format!("{}.{component}", self.field_path()),
        }
    }

    pub(super) fn is_in(&self, segment: &str) -> bool {
        self.segment.as_str() == segment
    }

    pub(super) fn is_local(&self) -> bool {
        self.segment.as_str().starts_with('Z')
    }

    pub(super) fn is_at(&self, segment: &str, field: u16) -> bool {
        self.is_in(segment) && self.field == field
    }

    pub(super) const fn beside(&self, component: u16) -> Self {
        Self { component, observed: None, ..*self }
    }
}

/// What the values of a position are. Not to be printed: it holds some.
#[derive(Default)]
pub(super) struct Stats {
    /// In how many messages there is a value.
    pub(super) messages: usize,
    pub(super) values: usize,
    kinds: BTreeMap<Kind, usize>,
    distinct: BTreeSet<String>,
    masks: Vec<String>,
    /// The message that was counted last, from 1.
    last: usize,
}

impl Stats {
    fn add(&mut self, message: usize, text: &str) {
        if self.last != message {
            self.last = message;
            self.messages += 1;
        }
        self.values += 1;
        *self.kinds.entry(Kind::of(text)).or_default() += 1;
        if self.distinct.len() <= DISTINCT_MAX && !self.distinct.contains(text) {
            self.distinct.insert(text.to_owned());
        }
        if self.masks.len() < MASKS_MAX {
            let mask = shown::masked(text);
            if !self.masks.contains(&mask) {
                self.masks.push(mask);
            }
        }
    }

    /// How many values are of one of these kinds.
    pub(super) fn count(&self, kinds: &[Kind]) -> usize {
        kinds.iter().filter_map(|kind| self.kinds.get(kind)).sum()
    }

    /// Whether nearly all values are of these kinds.
    pub(super) fn is_mostly(&self, kinds: &[Kind]) -> bool {
        self.values > 0 && self.count(kinds) * 5 >= self.values * 4
    }

    /// The kind that most values have.
    pub(super) fn usual(&self) -> Kind {
        let most =
            self.kinds.iter().max_by_key(|(kind, count)| (**count, std::cmp::Reverse(*kind)));
        most.map_or(Kind::Text, |(kind, _)| *kind)
    }

    /// The different values, if there are few.
    pub(super) fn distinct(&self) -> Option<&BTreeSet<String>> {
        (self.distinct.len() <= DISTINCT_MAX).then_some(&self.distinct)
    }

    /// Some forms of its values, for an evidence.
    pub(super) fn masks(&self) -> String {
        let masks: Vec<_> = self.masks.iter().map(|mask| format!("\"{mask}\"")).collect();
        masks.join(", ")
    }
}

/// All positions of the samples.
#[derive(Default)]
pub(super) struct Inventory {
    places: BTreeMap<Place, Stats>,
    /// Segments in the order of their first appearance.
    segments: Vec<SegmentName>,
}

impl Inventory {
    pub(super) fn of<'a>(samples: impl Iterator<Item = &'a Message>, people: &People) -> Self {
        let mut inventory = Self::default();
        for (number, msg) in (1..).zip(samples) {
            inventory.count(number, msg, people);
        }
        inventory
    }

    fn count(&mut self, number: usize, msg: &Message, people: &People) {
        let separators = msg.separators();
        for segment in msg.segments().skip(1) {
            let name = segment.name();
            if !self.segments.contains(&name) {
                self.segments.push(name);
            }
            let observed = observed(msg, &segment).filter(|code| is_observation(code, people));
            for (field, part) in (1_u16..).zip(segment.fields()) {
                for repetition in part.raw().split(separators.repetition) {
                    let components = repetition.split(separators.component);
                    for (component, raw) in (1_u16..).zip(components) {
                        let Some(text) = text_of(msg, raw) else { continue };
                        let observed = observed.clone();
                        self.add(
                            number,
                            Place { segment: name, observed, field, component },
                            &text,
                        );
                    }
                }
            }
        }
    }

    fn add(&mut self, number: usize, place: Place, text: &str) {
        if self.places.len() < PLACES_MAX || self.places.contains_key(&place) {
            self.places.entry(place).or_default().add(number, text);
        }
    }

    /// All positions, by segment, field and component.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Place, &Stats)> {
        self.places.iter()
    }

    pub(super) fn get(&self, place: &Place) -> Option<&Stats> {
        self.places.get(place)
    }

    /// Whether a position is part of a person's or a doctor's name: `id^Family^Given`.
    pub(super) fn is_person(&self, place: &Place) -> bool {
        let is_name = |component| {
            self.get(&place.beside(component))
                .is_some_and(|stats| stats.is_mostly(&[Kind::Code, Kind::Text, Kind::Person]))
        };
        let is_numbered = self.get(&place.beside(1)).is_some();
        is_numbered && is_name(2) && is_name(3)
    }

    /// Where a segment appeared first among the others.
    pub(super) fn rank(&self, segment: SegmentName) -> usize {
        self.segments.iter().position(|known| *known == segment).unwrap_or(usize::MAX)
    }
}

/// What is observed by a segment made like OBX.
fn observed(msg: &Message, segment: &crate::hl7::Segment<'_>) -> Option<String> {
    if !segment.name().as_str().ends_with("BX") {
        return None;
    }
    let field = segment.field(3)?;
    let first = field.raw().split(msg.separators().repetition).next()?;
    let text = text_of(msg, first.split(msg.separators().component).next()?)?;
    Some(text)
}

/// Whether a code can stand in a path, and tells of no person.
fn is_observation(code: &str, people: &People) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    let digits = code.chars().filter(char::is_ascii_digit).count();
    code.len() <= OBSERVED_CHARS_MAX
        && code.chars().all(is_plain)
        && digits <= OBSERVED_DIGITS_MAX
        && !people.has(code)
}

/// The text of a component as mappings read it; nothing if it is empty or null.
pub(super) fn text_of(msg: &Message, raw: &str) -> Option<String> {
    let separators = msg.separators();
    let raw = raw.trim();
    if raw.is_empty() || raw == "\"\"" {
        return None;
    }
    let first = raw.split(separators.subcomponent).map(str::trim).find(|part| !part.is_empty())?;
    let text = escape::decode(first, separators);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
