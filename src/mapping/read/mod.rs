//! Reading one field: its sources in order, each by its condition, path, table and normaliser.
//!
//! A value ends the search; `""` counts only if no later source has a value. A start that is
//! written but cannot exist ends it too: another place's time would be a guess.

mod ids;
mod text;

use std::borrow::Cow;

use super::Site;
use super::compile::{Compiled, Mapping};
use super::normalise::duration;
use super::normalise::language;
use super::normalise::phone::{self, Candidate};
use super::normalise::time::{self, Problem, ZoneFrom, ZoneRule, Zones};
use super::output::Output;
use super::path::{Found, NULL};
use super::record::{Note, Recorder, Seen, Verdict};
use super::source::{Look, Options, Unit};
use super::spot::Spot;
use super::table::Code;
use super::view::View;
use crate::clock::Timestamp;
use crate::core::field::Field;
use crate::core::local_time::{LocalTime, Zone};
use crate::core::phone::PhoneNumber;
use crate::hl7::Dtm;

/// The longest text taken from a message; far above names and codes, it bounds what is stored.
const TEXT_CHARS_MAX: usize = 250;

/// A reader of one message.
#[derive(Debug)]
pub(super) struct Reader<'m, R> {
    pub(super) mapping: &'m Mapping,
    pub(super) view: &'m View<'m>,
    pub(super) site: &'m Site<'m>,
    pub(super) recorder: &'m mut R,
    /// The time of the reading, by which phones are in use or not.
    pub(super) now: Timestamp,
    /// The source of a value without which there is no event, if it cannot be meant.
    pub(super) broken: Option<Broken<'m>>,
    /// Whether a time without offset was met.
    pub(super) is_unstated: bool,
}

/// A source whose value ends the search, because nothing else may be taken for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Broken<'m> {
    pub(super) field: Output,
    pub(super) path: &'m str,
    /// Whether nothing is there at all.
    pub(super) is_absent: bool,
}

/// What a source had to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Its condition does not hold.
    NotAsked,
    Nothing,
    Something,
}

/// What was done to a value, for explanations.
#[derive(Debug, Clone, Copy)]
enum Step<'m> {
    None,
    Code(&'m Code),
    Zone(ZoneFrom),
    Unit { is_said: bool },
    Region,
    Language,
}

/// How reading a found value ended.
type Read<T> = Result<T, Verdict>;

impl<'m, R: Recorder> Reader<'m, R> {
    /// The first value that can be read.
    fn first<T>(
        &mut self,
        output: Output,
        mut convert: impl FnMut(&Self, &'m Compiled, &Found<'m>) -> Read<(T, Step<'m>)>,
    ) -> Field<T> {
        self.recorder.begin(output);
        let mut null = false;
        for compiled in self.mapping.sources(output) {
            let mut value = None;
            let mut broken = false;
            let shown = self.each(compiled, |reader, found| {
                if found.is_null() {
                    null = true;
                    broken = is_must(&compiled.source.options);
                    reader.attempt(compiled, &found, Verdict::Null);
                    return broken;
                }
                match convert(reader, compiled, &found) {
                    Ok((converted, step)) => {
                        value = Some(converted);
                        reader.attempt(compiled, &found, Verdict::Taken);
                        reader.tell(compiled, &found);
                        reader.step(step);
                    }
                    Err(verdict) => {
                        broken = is_broken(&compiled.source.options, verdict);
                        reader.attempt(compiled, &found, verdict);
                    }
                }
                value.is_some() || broken
            });
            if let Some(value) = value {
                return Field::Value(value);
            }
            let is_absent = shown == Shown::Nothing && is_must(&compiled.source.options);
            if broken || is_absent {
                let path = &compiled.source.label;
                self.broken = Some(Broken { field: output, path, is_absent });
                return Field::Absent;
            }
        }
        if null { Field::Null } else { Field::Absent }
    }

    fn attempt(&mut self, compiled: &Compiled, found: &Found<'m>, verdict: Verdict) {
        let seen = Seen { found, view: self.view };
        self.recorder.attempt(&compiled.source, Some(seen), verdict);
    }

    fn step(&mut self, step: Step<'_>) {
        let site = self.site;
        let default = self.mapping.duration_unit_seconds;
        match step {
            Step::None => {}
            Step::Code(code) => self.recorder.step(|| format!("means {code}")),
            Step::Zone(from) => {
                self.recorder.step(|| from.to_string());
                // HL7's times seldom have one; FHIR's always should.
                if from.is_unstated() && !self.view.offset_is_zone() && !self.is_unstated {
                    self.is_unstated = true;
                    self.recorder.note(Note::TimeWithoutOffset);
                }
            }
            Step::Unit { is_said: true } => {
                self.recorder.step(|| "in the unit that is said, as minutes".to_owned());
            }
            Step::Unit { is_said: false } => self.recorder.step(|| {
                format!("no unit: {default} seconds each, or one if above 1000; as minutes")
            }),
            Step::Region => {
                self.recorder.step(|| format!("read as a number of {}, as E.164", site.region));
            }
            Step::Language => self.recorder.step(|| "as a BCP 47 tag".to_owned()),
        }
    }

    /// Shows each value of a source to `see` until it says that it has seen enough.
    fn each(
        &mut self,
        compiled: &'m Compiled,
        mut see: impl FnMut(&mut Self, Found<'m>) -> bool,
    ) -> Shown {
        let source = &compiled.source;
        if source.when.as_ref().is_some_and(|when| !when.holds(self.view)) {
            self.recorder.attempt(source, None, Verdict::ConditionNotMet);
            return Shown::NotAsked;
        }
        match &source.look {
            Look::Constant(value) => {
                see(self, Found::constant(value));
                Shown::Something
            }
            Look::Path(path) => {
                let mut is_absent = true;
                path.visit(self.view, &mut |found| {
                    is_absent = false;
                    see(self, found)
                });
                if is_absent {
                    self.recorder.attempt(source, None, Verdict::Absent);
                    return Shown::Nothing;
                }
                Shown::Something
            }
        }
    }

    /// A code by its table.
    pub(super) fn coded<T>(
        &mut self,
        output: Output,
        meaning: impl Fn(&Code) -> Option<T>,
    ) -> Field<T> {
        self.first(output, |reader, compiled, found| {
            let text = reader.value(compiled, found)?;
            let by_table = || compiled.table.as_ref().and_then(|table| table.get(&text));
            let code = compiled.constant.as_ref().or_else(by_table).ok_or(Verdict::NotInTable)?;
            let meaning = meaning(code).ok_or(Verdict::SaysNothing)?;
            Ok((meaning, Step::Code(code)))
        })
    }

    /// A text; a table may replace it.
    pub(super) fn plain(&mut self, output: Output) -> Field<String> {
        self.first(output, |reader, compiled, found| {
            let text = reader.value(compiled, found)?;
            match compiled.table.as_ref().and_then(|table| table.get(&text)) {
                Some(code @ Code::Text(text)) => Ok((text.to_string(), Step::Code(code))),
                Some(Code::Nothing) => Err(Verdict::SaysNothing),
                Some(
                    Code::Status(_)
                    | Code::Event(_)
                    | Code::Participation(_)
                    | Code::Flag(_)
                    | Code::Phone(_),
                )
                | None => Ok((bounded(&text), Step::None)),
            }
        })
    }

    pub(super) fn language(&mut self) -> Field<String> {
        self.first(Output::Language, |reader, compiled, found| {
            let text = reader.value(compiled, found)?;
            let by_table = compiled.table.as_ref().and_then(|table| table.get(&text));
            match by_table {
                Some(code @ Code::Text(tag)) => Ok((tag.to_string(), Step::Code(code))),
                Some(Code::Nothing) => Err(Verdict::SaysNothing),
                Some(
                    Code::Status(_)
                    | Code::Event(_)
                    | Code::Participation(_)
                    | Code::Flag(_)
                    | Code::Phone(_),
                )
                | None => {
                    let tag = language::tag(&text).ok_or(Verdict::NotALanguage)?;
                    Ok((tag, Step::Language))
                }
            }
        })
    }

    pub(super) fn time(&mut self, output: Output, zones: Zones) -> Field<LocalTime> {
        self.first(output, |reader, compiled, found| {
            let Options::Time { zone, zone_at, .. } = &compiled.source.options else {
                return Err(Verdict::Absent);
            };
            let named = reader.named_zone(zone_at);
            let dialect = zone.or(reader.mapping.zone).and_then(|rule| reader.zone(rule));
            let text = reader.value(compiled, found)?;
            let zones = Zones { named, dialect, ..zones };
            let (time, from) = time::read(&text, zones).map_err(Verdict::NotATime)?;
            Ok((time, Step::Zone(from)))
        })
    }

    /// The zone that a rule leads to in this message.
    fn zone(&self, rule: ZoneRule) -> Option<Zone> {
        match rule {
            ZoneRule::Named(zone) => Some(zone),
            ZoneRule::Message => {
                let dtm = Dtm::parse(self.view.stamp()).ok()?;
                dtm.offset.map(Zone::Fixed)
            }
        }
    }

    /// The zone that stands in the message itself, by a name: an offset is none.
    fn named_zone(&self, places: &[Spot]) -> Option<Zone> {
        places.iter().find_map(|spot| {
            let found = spot.first(self.view)?;
            Zone::parse(&self.text(&found)).ok().filter(|zone| matches!(zone, Zone::Iana(_)))
        })
    }

    /// The zones of a time that are known before it is read.
    pub(super) fn zones(&self, place: Option<Zone>) -> Zones {
        Zones {
            named: None,
            place,
            site: self.site.usual_zone(),
            dialect: None,
            offset_is_zone: self.view.offset_is_zone(),
        }
    }

    /// Minutes.
    pub(super) fn duration(&mut self) -> Field<u32> {
        let default = self.mapping.duration_unit_seconds;
        self.first(Output::Duration, |reader, compiled, found| {
            let Options::Duration { unit } = &compiled.source.options else {
                return Err(Verdict::Absent);
            };
            let unit = match unit {
                Unit::Default => None,
                Unit::Named(unit) => Some(Cow::Borrowed(unit.as_str())),
                Unit::At(path) => path.first(reader.view).map(|found| reader.text(&found)),
            };
            let unit = unit.filter(|unit| unit != NULL);
            let text = reader.value(compiled, found)?;
            let minutes = duration::minutes(&text, unit.as_deref(), default)
                .map_err(Verdict::NotADuration)?;
            let is_said = unit.is_some_and(|unit| !unit.trim().is_empty());
            Ok((minutes, Step::Unit { is_said }))
        })
    }

    /// Parts of one repetition, each absent, null or given; at least one is given.
    pub(super) fn parts<const N: usize>(&mut self, output: Output) -> Field<[Field<String>; N]> {
        self.first(output, |reader, compiled, found| {
            let Options::Parts(places) = &compiled.source.options else {
                return Err(Verdict::Absent);
            };
            let mut parts = [const { Field::Absent }; N];
            for (part, components) in parts.iter_mut().zip(&places.each) {
                *part = reader.part(found, components);
            }
            let full = reader.part(found, places.full.as_slice());
            // Family and given name are the last two parts of a person.
            if let (Field::Value(full), [.., family, given]) = (full, parts.as_mut_slice()) {
                match full.split_once(',') {
                    Some((before, after)) => {
                        *family = Field::Value(before.trim().to_owned());
                        *given = Field::from(some_text(after));
                    }
                    None => *family = Field::Value(full),
                }
            }
            let is_given = parts.iter().any(|part| part.value().is_some());
            if is_given { Ok((parts, Step::None)) } else { Err(Verdict::Absent) }
        })
    }

    /// The best of all numbers of all sources.
    pub(super) fn phone(&mut self) -> Field<PhoneNumber> {
        self.recorder.begin(Output::Phone);
        let mut best: Option<Candidate> = None;
        let (mut null, mut order) = (false, 0);
        for compiled in self.mapping.sources(Output::Phone) {
            let Options::Phones(xtn) = &compiled.source.options else { continue };
            if xtn.fallback && best.is_some() {
                continue;
            }
            self.each(compiled, |reader, found| {
                order += 1;
                let phones = reader.phones(compiled);
                let verdict = match phones.candidate(&found, xtn, order) {
                    Err(_) if phones.is_deleted(&found, xtn) => {
                        null = true;
                        Verdict::Null
                    }
                    Err(problem) => Verdict::NotAPhone(problem),
                    Ok(candidate) if best.as_ref().is_some_and(|b| b.rank > candidate.rank) => {
                        Verdict::SecondBest
                    }
                    Ok(candidate) => {
                        best = Some(candidate);
                        Verdict::Taken
                    }
                };
                reader.attempt(compiled, &found, verdict);
                if verdict == Verdict::Taken {
                    reader.step(Step::Region);
                }
                false
            });
        }
        match best {
            Some(best) => Field::Value(best.number),
            None if null => Field::Null,
            None => Field::Absent,
        }
    }

    pub(super) fn callback(&mut self) -> Field<String> {
        self.first(Output::CallbackPhone, |reader, compiled, found| {
            let Options::Phones(xtn) = &compiled.source.options else {
                return Err(Verdict::Absent);
            };
            let number = reader.phones(compiled).number(found, xtn);
            let number = number.ok_or(Verdict::NotAPhone(phone::Problem::NoNumber))?;
            Ok((number.as_str().to_owned(), Step::Region))
        })
    }

    fn phones(&self, compiled: &'m Compiled) -> phone::Reader<'m> {
        phone::Reader {
            view: self.view,
            region: self.site.region,
            uses: compiled.table.as_deref(),
            now: self.now,
            zone: self.site.usual_zone(),
        }
    }
}

/// Whether the search must end, because what is written cannot be meant and nothing else may be
/// taken for it.
fn is_broken(options: &Options, verdict: Verdict) -> bool {
    match (options, verdict) {
        (Options::Time { soft: false, .. }, Verdict::NotATime(Problem::Unreadable(error))) => {
            !time::says_nothing(error)
        }
        (Options::Time { soft: false, .. }, Verdict::NotATime(Problem::TooCoarse)) => true,
        (Options::Coded { must: true }, Verdict::NotInTable | Verdict::NotCaptured) => true,
        _ => false,
    }
}

/// Whether there is no event without a value of this source.
const fn is_must(options: &Options) -> bool {
    matches!(options, Options::Coded { must: true })
}

fn some_text(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
        None => text.to_owned(),
    }
}
