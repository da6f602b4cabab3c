//! Days and times in a patient's language, by what its file says of them.
//!
//! The forms are patterns with places in braces, as in `{weekday}, {month} {day}`. Weekdays are
//! always told: people notice a wrong date by them. "Today" and "tomorrow" are never written, because
//! a text may be read late.

use chrono::{Datelike, Timelike};
use chrono_tz::OffsetName;
use serde::Deserialize;

use chrono::TimeZone;

use crate::clock::Timestamp;
use crate::core::local_time::{LocalTime, Zone};

/// The longest name or pattern, in characters; what is longer is no date.
const FORM_CHARS_MAX: usize = 80;

/// `[dates]` of a language's file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatesFile {
    /// Seven names, Monday first.
    pub weekdays: Option<Vec<String>>,
    /// Twelve names, January first.
    pub months: Option<Vec<String>>,
    /// A day of the present year.
    pub day: Option<String>,
    /// A day of another year.
    pub day_with_year: Option<String>,
    /// A day in figures.
    pub date: Option<String>,
    /// A time of day.
    pub time: Option<String>,
    /// What stands for the hours before noon.
    pub am: Option<String>,
    /// What stands for the hours after noon.
    pub pm: Option<String>,
    /// A day and a time.
    pub when: Option<String>,
    /// A day and a time at one o'clock, in languages that have another word there.
    pub when_at_one: Option<String>,
}

impl DatesFile {
    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Lays another over it, line by line.
    pub(super) fn overlay(&mut self, own: Self) {
        fn over<T>(below: &mut Option<T>, own: Option<T>) {
            if own.is_some() {
                *below = own;
            }
        }
        over(&mut self.weekdays, own.weekdays);
        over(&mut self.months, own.months);
        over(&mut self.day, own.day);
        over(&mut self.day_with_year, own.day_with_year);
        over(&mut self.date, own.date);
        over(&mut self.time, own.time);
        over(&mut self.am, own.am);
        over(&mut self.pm, own.pm);
        // A new form of "when" stands for one o'clock too, unless that is written with it.
        if own.when.is_some() {
            self.when_at_one = None;
        }
        over(&mut self.when, own.when);
        over(&mut self.when_at_one, own.when_at_one);
    }
}

/// How a language writes days and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dates {
    weekdays: Vec<String>,
    months: Vec<String>,
    day: Form,
    day_with_year: Form,
    date: Form,
    time: Form,
    am: String,
    pm: String,
    when: Form,
    when_at_one: Option<Form>,
}

/// A pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Form(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(String),
    Slot(Slot),
}

/// What a pattern can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Weekday,
    Month,
    MonthNumber,
    Day,
    Year,
    Hour12,
    Hour24,
    Minute,
    AmPm,
    Time,
}

const DAY_SLOTS: &[Slot] = &[Slot::Weekday, Slot::Month, Slot::MonthNumber, Slot::Day, Slot::Year];
const TIME_SLOTS: &[Slot] = &[Slot::Hour12, Slot::Hour24, Slot::Minute, Slot::AmPm];
const WHEN_SLOTS: &[Slot] = &[Slot::Day, Slot::Time];

impl Slot {
    const fn name(self) -> &'static str {
        match self {
            Self::Weekday => "weekday",
            Self::Month => "month",
            Self::MonthNumber => "month_number",
            Self::Day => "day",
            Self::Year => "year",
            Self::Hour12 => "hour12",
            Self::Hour24 => "hour24",
            Self::Minute => "minute",
            Self::AmPm => "ampm",
            Self::Time => "time",
        }
    }
}

/// A key of `[dates]`, and what is wrong with it.
pub(super) type Fault = (&'static str, String);

impl Dates {
    /// Reads what a file says.
    pub(super) fn compile(file: &DatesFile) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let dates = Self {
            weekdays: names("weekdays", file.weekdays.as_ref(), 7, &mut faults),
            months: names("months", file.months.as_ref(), 12, &mut faults),
            day: form("day", file.day.as_ref(), DAY_SLOTS, &mut faults),
            day_with_year: form(
                "day_with_year",
                file.day_with_year.as_ref(),
                DAY_SLOTS,
                &mut faults,
            ),
            date: form("date", file.date.as_ref(), DAY_SLOTS, &mut faults),
            time: form("time", file.time.as_ref(), TIME_SLOTS, &mut faults),
            am: file.am.clone().unwrap_or_default(),
            pm: file.pm.clone().unwrap_or_default(),
            when: form("when", file.when.as_ref(), WHEN_SLOTS, &mut faults),
            when_at_one: file
                .when_at_one
                .as_ref()
                .map(|text| form("when_at_one", Some(text), WHEN_SLOTS, &mut faults)),
        };
        if faults.is_empty() {
            faults = dates.lacks();
        }
        if faults.is_empty() { Ok(dates) } else { Err(faults) }
    }

    /// What a form must hold to tell a day or a time.
    fn lacks(&self) -> Vec<Fault> {
        const MONTH: &[Slot] = &[Slot::Month, Slot::MonthNumber];
        const HOUR: &[Slot] = &[Slot::Hour12, Slot::Hour24];
        let mut needed: Vec<(&'static str, &Form, &[&[Slot]])> = vec![
            ("day", &self.day, &[&[Slot::Weekday], MONTH, &[Slot::Day]]),
            (
                "day_with_year",
                &self.day_with_year,
                &[&[Slot::Weekday], MONTH, &[Slot::Day], &[Slot::Year]],
            ),
            ("date", &self.date, &[MONTH, &[Slot::Day], &[Slot::Year]]),
            ("time", &self.time, &[HOUR, &[Slot::Minute]]),
            ("when", &self.when, &[&[Slot::Day], &[Slot::Time]]),
        ];
        if let Some(form) = &self.when_at_one {
            needed.push(("when_at_one", form, &[&[Slot::Day], &[Slot::Time]]));
        }
        let mut faults = Vec::new();
        for (key, form, groups) in needed {
            for group in groups.iter().filter(|group| !group.iter().any(|slot| form.has(*slot))) {
                let names: Vec<String> =
                    group.iter().map(|slot| format!("{{{}}}", slot.name())).collect();
                faults.push((key, format!("lacks {}", names.join(" or "))));
            }
        }
        let needs_half = self.time.has(Slot::Hour12) || self.time.has(Slot::AmPm);
        if self.time.has(Slot::Hour12) && !self.time.has(Slot::AmPm) {
            faults.push(("time", "has {hour12}, and lacks {ampm}".to_owned()));
        }
        for (key, word) in [("am", &self.am), ("pm", &self.pm)] {
            if needs_half && word.trim().is_empty() {
                faults.push((key, "is missing, and {ampm} is used".to_owned()));
            }
        }
        faults
    }

    /// The day, with the year where it is not plain.
    pub(super) fn day(&self, start: &LocalTime, now: Timestamp) -> String {
        let is_this_year = start.zone.date(now).year() == start.local.year();
        let form = if is_this_year { &self.day } else { &self.day_with_year };
        form.fill(|slot| self.slot(slot, start))
    }

    /// The day in figures.
    pub(super) fn date(&self, start: &LocalTime) -> String {
        self.date.fill(|slot| self.slot(slot, start))
    }

    /// The time of day by the place's clock, and the zone if the phone is likely to be in another.
    pub(super) fn time(&self, start: &LocalTime, phone_zones: &[Zone]) -> Option<String> {
        if start.date_only {
            return None;
        }
        let time = self.time.fill(|slot| self.slot(slot, start));
        let is_elsewhere = !phone_zones.is_empty()
            && !phone_zones
                .iter()
                .any(|zone| zone.offset_at(start.instant) == start.zone.offset_at(start.instant));
        Some(if is_elsewhere { format!("{time} {}", zone_mark(start)) } else { time })
    }

    /// Day and time, or the day alone.
    pub(super) fn when(&self, start: &LocalTime, day: &str, time: Option<&str>) -> String {
        let Some(time) = time else { return day.to_owned() };
        let is_one = if self.time.has(Slot::Hour24) {
            start.local.hour() == 1
        } else {
            start.local.hour12().1 == 1
        };
        let form = self.when_at_one.as_ref().filter(|_| is_one).unwrap_or(&self.when);
        form.fill(|slot| if slot == Slot::Time { time.to_owned() } else { day.to_owned() })
    }

    fn slot(&self, slot: Slot, start: &LocalTime) -> String {
        let local = start.local;
        let named = |names: &[String], index: u32| {
            usize::try_from(index).ok().and_then(|index| names.get(index)).cloned()
        };
        let (is_pm, hour12) = local.hour12();
        match slot {
            Slot::Weekday => named(&self.weekdays, local.weekday().num_days_from_monday()),
            Slot::Month => named(&self.months, local.month0()),
            Slot::MonthNumber => Some(local.month().to_string()),
            Slot::Day => Some(local.day().to_string()),
            Slot::Year => Some(local.year().to_string()),
            Slot::Hour12 => Some(hour12.to_string()),
            Slot::Hour24 => Some(local.hour().to_string()),
            Slot::Minute => Some(format!("{:02}", local.minute())),
            Slot::AmPm => Some(if is_pm { self.pm.clone() } else { self.am.clone() }),
            Slot::Time => None,
        }
        .unwrap_or_default()
    }
}

/// The zone as its people call it, or its distance from universal time.
fn zone_mark(start: &LocalTime) -> String {
    let offset = start.zone.offset_at(start.instant);
    let name = match start.zone {
        Zone::Iana(tz) => tz
            .offset_from_utc_datetime(&start.instant.naive_utc())
            .abbreviation()
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphabetic()))
            .map(str::to_owned),
        Zone::Fixed(_) => None,
    };
    name.unwrap_or_else(|| format!("UTC{offset}"))
}

fn names(
    key: &'static str,
    names: Option<&Vec<String>>,
    count: usize,
    faults: &mut Vec<Fault>,
) -> Vec<String> {
    let Some(names) = names else {
        faults.push((key, "is missing".to_owned()));
        return Vec::new();
    };
    if names.len() != count {
        faults.push((key, format!("has {} names; write {count}", names.len())));
    }
    if names.iter().any(|name| !is_short(name)) {
        faults.push((key, "has a name that is empty or too long".to_owned()));
    }
    names.clone()
}

fn is_short(text: &str) -> bool {
    let is_line = !text.trim().is_empty() && !text.contains(char::is_control);
    is_line && text.chars().count() <= FORM_CHARS_MAX
}

fn form(key: &'static str, text: Option<&String>, slots: &[Slot], faults: &mut Vec<Fault>) -> Form {
    let parsed = text.map_or_else(|| Err("is missing".to_owned()), |text| Form::parse(text, slots));
    parsed.unwrap_or_else(|problem| {
        faults.push((key, problem));
        Form(Vec::new())
    })
}

impl Form {
    fn parse(text: &str, slots: &[Slot]) -> Result<Self, String> {
        if !is_short(text) {
            return Err("is empty, too long or not one line".to_owned());
        }
        let known = || {
            let names: Vec<String> =
                slots.iter().map(|slot| format!("{{{}}}", slot.name())).collect();
            names.join(" ")
        };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((words, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err("has a brace that is not closed".to_owned());
            };
            let slot = slots.iter().find(|slot| slot.name() == name);
            let Some(slot) = slot else {
                return Err(format!("has an unknown place {{{name}}}; there are {}", known()));
            };
            pieces.push(Piece::Words(words.to_owned()));
            pieces.push(Piece::Slot(*slot));
            rest = after;
        }
        if rest.contains('}') {
            return Err("has a brace that is not opened".to_owned());
        }
        pieces.push(Piece::Words(rest.to_owned()));
        Ok(Self(pieces))
    }

    fn has(&self, wanted: Slot) -> bool {
        self.0.contains(&Piece::Slot(wanted))
    }

    fn fill(&self, value: impl Fn(Slot) -> String) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Words(words) => words.clone(),
            Piece::Slot(slot) => value(*slot),
        };
        self.0.iter().map(piece).collect()
    }
}

#[cfg(test)]
#[path = "dates_tests.rs"]
mod tests;
