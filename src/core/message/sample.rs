//! Every template as a patient would read it, and what it costs, for `appointd check`.
//!
//! The samples go the same way as real texts: the practice's places, privacy and preparations decide
//! what is in them. Beside the typical appointment stands the worst one: long names, the longest
//! place and preparation, the longest day of the year, half a dozen appointments on one phone.

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use super::segments::{Encoding, Segments};
use super::trial::counts;
use super::vars::{Subject, vars};
use super::{Error, Texts, Variant, Which};
use crate::clock::Timestamp;
use crate::core::appointment::{Appointment, Disposition, Location, Patient, Provider, Status};
use crate::core::effect::TextKind;
use crate::core::ids::{AppointmentKey, Identifier, SourceName};
use crate::core::local_time::LocalTime;
use crate::core::rules::{Place, Privacy, Rules};
use crate::core::share::Sharing;
use crate::phi::Phi;

/// How many appointments the worst list holds: two parents and four children on one phone.
const WORST_LISTED: usize = 6;

/// A long given name, made different by one more letter: 24 characters in all.
const LONG_GIVEN: &str = "Maximiliana-Wilhelmina-";

/// A template with a sample of what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Which template.
    pub which: Which,
    /// Which text.
    pub kind: TextKind,
    /// How many appointments it is about.
    pub about: About,
    /// What a patient would read.
    pub text: String,
    /// Its size.
    pub typical: Size,
    /// Its size with long names, places and days.
    pub worst: Size,
}

/// How many appointments a sample is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// None: an answer to anybody.
    Nothing,
    /// One.
    One,
    /// Several.
    Several,
}

/// What a text takes on the air, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// Alphabet and parts.
    pub segments: Segments,
    /// The characters that force the large alphabet, each once.
    pub forced_by: Vec<char>,
}

impl Size {
    fn of(text: &str) -> Self {
        let segments = Segments::of(text);
        let mut forced_by = Vec::new();
        if segments.encoding == Encoding::Ucs2 {
            for c in text.chars() {
                if !forced_by.contains(&c)
                    && Segments::of(c.encode_utf8(&mut [0; 4])).encoding == Encoding::Ucs2
                {
                    forced_by.push(c);
                }
            }
        }
        Self { segments, forced_by }
    }
}

/// A sample of every template in every language; `Err` where one cannot be written with long data.
#[must_use]
pub fn samples(rules: &Rules) -> Vec<Result<Sample, Error>> {
    let mut found = Vec::new();
    for language in rules.texts.languages() {
        let worst_start = worst_start(&rules.texts, language);
        for kind in TextKind::ALL {
            for which in rules.texts.choices(language, kind) {
                let bench = Bench { rules, which, kind, worst_start: &worst_start };
                let counts = counts(kind);
                let abouts = [
                    (counts.none && !counts.one, About::Nothing),
                    (counts.one && kind != TextKind::WhichOne, About::One),
                    (counts.several, About::Several),
                ];
                let wanted = abouts.into_iter().filter(|(is_wanted, _)| *is_wanted);
                found.extend(wanted.map(|(_, about)| bench.sample(about)));
            }
        }
    }
    found
}

/// One template, to be tried with one set of data after the other.
struct Bench<'a> {
    rules: &'a Rules,
    which: Which,
    kind: TextKind,
    worst_start: &'a LocalTime,
}

/// What an appointment of a sample has.
#[derive(Debug, Clone, Default)]
struct Traits {
    place: Option<String>,
    visit_type: Option<String>,
}

impl Bench<'_> {
    fn sample(&self, about: About) -> Result<Sample, Error> {
        let text = self.written(&self.typical(about))?;
        let mut worst = text.clone();
        for appointments in self.worst(about) {
            let other = self.written(&appointments)?;
            if weight(&other) > weight(&worst) {
                worst = other;
            }
        }
        let typical = Size::of(&text);
        let worst = Size::of(&worst);
        Ok(Sample { which: self.which.clone(), kind: self.kind, about, text, typical, worst })
    }

    fn written(&self, appointments: &[Appointment]) -> Result<String, Error> {
        let listed: Vec<&Appointment> = appointments.iter().collect();
        let subject = Subject { appointments: &listed, rules: self.rules, now: now() };
        let texts = &self.rules.texts;
        texts.write(&self.which, &vars(&subject, texts, &self.which.language))
    }

    fn variant(&self) -> Option<&Variant> {
        let index = self.which.variant?.checked_sub(1)?;
        self.rules.texts.variants(&self.which.language, self.kind).get(index)
    }

    /// What the template's own conditions ask for, and for the rest what is given.
    fn traits(&self, other: Traits) -> Traits {
        let variant = self.variant();
        Traits {
            place: variant.and_then(|v| v.location.clone()).or(other.place),
            visit_type: variant.and_then(|v| v.visit_type.clone()).or(other.visit_type),
        }
    }

    fn typical(&self, about: About) -> Vec<Appointment> {
        let described = |(_, place): &(&String, &Place)| !place.sensitive && place.name.is_some();
        let place = self.rules.locations.iter().find(described).map(|(code, _)| code.clone());
        let traits = self.traits(Traits { place, visit_type: None });
        let day = typical_day();
        let (first, second) = (self.start(day, 10), self.start(day, 14));
        let one = |given: &str, start: LocalTime| self.appointment(&traits, given, start);
        match about {
            About::Nothing => Vec::new(),
            About::One => vec![one("Jane", first)],
            About::Several => vec![one("Jane", first), one("John", second)],
        }
    }

    /// The sets of appointments of which one takes most.
    fn worst(&self, about: About) -> Vec<Vec<Appointment>> {
        let count = match about {
            About::Nothing => return Vec::new(),
            About::One => 1,
            About::Several => WORST_LISTED,
        };
        let set = |traits: Traits| {
            let traits = self.traits(traits);
            let one = |letter: char| {
                let given = format!("{LONG_GIVEN}{letter}");
                self.appointment(&traits, &given, self.worst_start.clone())
            };
            ('A'..='Z').take(count).map(one).collect()
        };
        self.candidates().into_iter().map(set).collect()
    }

    /// The longest place, the longest preparation, and both.
    fn candidates(&self) -> Vec<Traits> {
        let practice = &self.rules.practice;
        let place = self.rules.locations.iter().max_by_key(|(_, place)| {
            let privacy = if place.sensitive {
                Privacy::Minimal
            } else {
                practice.privacy(Some(place), None)
            };
            let name = place.name.as_deref().filter(|_| privacy >= Privacy::Standard);
            let address = place.address.as_deref().filter(|_| privacy >= Privacy::Detailed);
            name.map_or(0, str::len) + address.map_or(0, str::len)
        });
        let place = place.map(|(code, _)| code.clone());
        let all = self.rules.texts.0.preparations.get(&self.which.language);
        let told = all.into_iter().flatten().filter(|one| {
            let place = one.location.as_deref().and_then(|code| self.rules.place(code));
            practice.privacy(place, Some(&one.visit_type)) >= Privacy::Standard
        });
        let preparation = told.max_by_key(|one| one.text.len());
        let mut found = vec![Traits { place: place.clone(), visit_type: None }];
        if let Some(one) = preparation {
            let visit_type = Some(one.visit_type.clone());
            let own = one.location.clone();
            found.push(Traits { place: own.clone().or(place), visit_type: visit_type.clone() });
            found.push(Traits { place: own, visit_type });
        }
        found
    }

    fn start(&self, day: NaiveDate, hour: u32) -> LocalTime {
        at(day, hour, self.rules.practice.zone)
    }

    fn appointment(&self, traits: &Traits, given: &str, start: LocalTime) -> Appointment {
        let source = self.variant().and_then(|variant| variant.source.clone());
        let source = SourceName::new(source.unwrap_or_else(|| "sample".to_owned()));
        let is_long = given.starts_with(LONG_GIVEN);
        let family = if is_long { "Featherstonehaugh-Roe" } else { "Diaz" };
        let first = if is_long { "Frances Maximiliana" } else { "Ana" };
        Appointment {
            key: AppointmentKey::of(&source, &Identifier::new("sample", Identifier::FILLER)),
            source,
            ids: Vec::new(),
            sharing: Sharing::default(),
            generation: 0,
            status: Status::Booked,
            disposition: Disposition::Queued,
            start: Some(start),
            end: None,
            duration_minutes: None,
            visit_type: traits.visit_type.clone(),
            location: traits.place.clone().map(|code| Location { code, name: None }),
            provider: Some(Provider {
                id: None,
                family: Some(family.to_owned()),
                given: Some(first.to_owned()),
            }),
            callback_phone: None,
            participation: None,
            resources: std::collections::BTreeMap::new(),
            replaced_by: None,
            patient: Patient { given: Some(Phi::new(given.to_owned())), ..Patient::default() },
            occurred_at: now(),
            last_message: None,
            timers: Vec::new(),
            wish: None,
            unsent_notice: None,
            history: Vec::new(),
            created_at: now(),
        }
    }
}

fn weight(text: &str) -> (usize, usize) {
    let segments = Segments::of(text);
    (segments.count, segments.units)
}

/// A Tuesday of no meaning.
fn typical_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 12, 8).unwrap_or_default()
}

/// The present of samples: a week before.
fn now() -> Timestamp {
    let noon = typical_day().and_time(NaiveTime::MIN) + TimeDelta::hours(12);
    noon.and_utc() - TimeDelta::days(7)
}

fn at(day: NaiveDate, hour: u32, zone: crate::core::local_time::Zone) -> LocalTime {
    let time = NaiveTime::from_hms_opt(hour, 30, 0).unwrap_or(NaiveTime::MIN);
    LocalTime::settle(day.and_time(time), zone)
}

/// The day of the next year that takes most in a language: in English a Wednesday in September.
fn worst_start(texts: &Texts, language: &str) -> LocalTime {
    let zone = crate::core::local_time::Zone::UTC;
    let days = typical_day().iter_days().skip(24).take(365);
    let starts = days.map(|day| at(day, 12, zone));
    let taken = |start: &LocalTime| {
        let day = texts.dates(language).map(|dates| dates.day(start, now())).unwrap_or_default();
        let segments = Segments::of(&day);
        (segments.encoding == Encoding::Ucs2, segments.units)
    };
    starts.max_by_key(taken).unwrap_or_else(|| at(typical_day(), 12, zone))
}
