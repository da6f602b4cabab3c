//! Reads the dates that systems hand over as texts: ISO 8601, RFC 2822, and what Americans write.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::clock::Timestamp;

/// The longest text that is looked at; a date with weekday, time and zone has half of it.
const BYTES_MAX: usize = 64;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The fewest letters of a name of a month or a day.
const NAME_LETTERS_MIN: usize = 3;

/// The years of eight figures that are a date, `20261201`: no list tells seconds of early 1970 so.
const COMPACT_YEARS: std::ops::RangeInclusive<i32> = 1900..=2200;

/// The moment that a text tells: without a zone it is meant in `zone`, and without a time it is
/// midnight there. JavaScript takes `2026-11-23` as midnight in UTC, which is the day before west of
/// Greenwich; who writes a date in a list means that day.
pub(super) fn read(text: &str, zone: Tz) -> Option<Timestamp> {
    if text.len() > BYTES_MAX || !text.is_ascii() {
        return None;
    }
    let text = text.trim().to_ascii_lowercase();
    iso(&text, zone).or_else(|| loose(&text, zone))
}

/// The moment of a time on the wall. Of a time that is there twice, the first; a time that the clocks
/// skipped is as much later as they were moved.
fn at_wall(local: NaiveDateTime, zone: Tz) -> Option<Timestamp> {
    let found = zone.from_local_datetime(&local).earliest().or_else(|| {
        let day_before = local.checked_sub_signed(TimeDelta::days(1))?;
        let before = zone.from_local_datetime(&day_before).earliest()?;
        before.checked_add_signed(TimeDelta::days(1))
    });
    found.map(|found| found.to_utc())
}

fn at_offset(local: NaiveDateTime, offset: FixedOffset) -> Option<Timestamp> {
    offset.from_local_datetime(&local).single().map(|found| found.to_utc())
}

fn iso(text: &str, zone: Tz) -> Option<Timestamp> {
    let (date, time) = match text.split_once(['t', ' ']) {
        Some((date, time)) => (date, Some(time.trim_start())),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year: i32 = figures(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |part| figures(part, 2))?;
    let day = parts.next().map_or(Some(1), |part| figures(part, 2))?;
    let date = NaiveDate::from_ymd_opt(year, month, day).filter(|_| parts.next().is_none())?;
    let Some(time) = time else {
        return at_wall(date.and_time(NaiveTime::MIN), zone);
    };
    let end = time.find(['z', '+', '-', ' ']).unwrap_or(time.len());
    let (clock, offset) = time.split_at_checked(end)?;
    let local = date.and_time(clock_time(clock)?);
    match offset.trim_start() {
        "" => at_wall(local, zone),
        offset => at_offset(local, offset_of(offset)?),
    }
}

/// `20261201`: midnight of that date in the zone.
pub(super) fn compact(text: &str, zone: Tz) -> Option<Timestamp> {
    let (year, rest) = text.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    let year = figures(year, 4).filter(|year| COMPACT_YEARS.contains(year))?;
    let date = NaiveDate::from_ymd_opt(year, figures(month, 2)?, figures(day, 2)?)?;
    at_wall(date.and_time(NaiveTime::MIN), zone)
}

/// So many figures, as a number.
fn figures<T: std::str::FromStr>(text: &str, count: usize) -> Option<T> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// `10:30`, `10:30:15` or `10:30:15.250`.
fn clock_time(text: &str) -> Option<NaiveTime> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hour = short(parts.next()?)?;
    let minute = figures(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |part| figures(part, 2))?;
    if parts.next().is_some() || fraction.bytes().any(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    // What is finer than a millisecond is dropped.
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    NaiveTime::from_hms_milli_opt(hour, minute, second, digits.parse().ok()?)
}

/// One or two figures.
fn short(text: &str) -> Option<u32> {
    figures(text, 1).or_else(|| figures(text, 2))
}

/// `z`, `utc`, `gmt`, `+01:00`, `+0100` or `+01`.
fn offset_of(text: &str) -> Option<FixedOffset> {
    if matches!(text, "z" | "utc" | "gmt") {
        return FixedOffset::east_opt(0);
    }
    let text = text.strip_prefix("gmt").unwrap_or(text);
    let (sign, figure) = text
        .strip_prefix('-')
        .map(|rest| (-1, rest))
        .or_else(|| text.strip_prefix('+').map(|rest| (1, rest)))?;
    let figure = figure.replace(':', "");
    let (hours, minutes) = figure.split_at_checked(2)?;
    let hours: i32 = figures(hours, 2)?;
    let minutes: i32 = if minutes.is_empty() { 0 } else { figures(minutes, 2)? };
    FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))
}

/// What the words of a date tell.
#[derive(Debug, Default)]
struct Told {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    time: Option<NaiveTime>,
    offset: Option<FixedOffset>,
}

/// `1/15/2027 2:30 PM`, `January 15, 2027`, `Fri, 15 Jan 2027 14:30:00 GMT`.
fn loose(text: &str, zone: Tz) -> Option<Timestamp> {
    let mut told = Told::default();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        told.add(word)?;
    }
    let date = NaiveDate::from_ymd_opt(told.year?, told.month?, told.day?)?;
    let local = date.and_time(told.time.unwrap_or(NaiveTime::MIN));
    match told.offset {
        Some(offset) => at_offset(local, offset),
        None => at_wall(local, zone),
    }
}

impl Told {
    /// Takes a word in; none if it means nothing, or what was told already.
    fn add(&mut self, word: &str) -> Option<()> {
        if word.contains(':') && !word.starts_with(['+', '-']) && self.time.is_none() {
            self.time = Some(clock_time(word)?);
        } else if word.contains('/') {
            self.slashed(word)?;
        } else if let Some(year) = figures(word, 4).filter(|_| self.year.is_none()) {
            self.year = Some(year);
        } else if let Some(day) = short(word).filter(|_| self.day.is_none()) {
            self.day = Some(day);
        } else if let Some(month) = place(word, &MONTHS).filter(|_| self.month.is_none()) {
            self.month = Some(month);
        } else if word == "am" || word == "pm" {
            self.time = Some(half_day(self.time?, word == "pm")?);
        } else if self.time.is_some() && self.offset.is_none() {
            self.offset = Some(offset_of(word)?);
        } else {
            // Weekdays are not checked: JavaScript does not either.
            place(word, &WEEKDAYS)?;
        }
        Some(())
    }

    fn slashed(&mut self, word: &str) -> Option<()> {
        let mut parts = word.split('/');
        let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || self.year.is_some() || self.day.is_some() {
            return None;
        }
        let (year, month, day) =
            if first.len() == 4 { (first, second, third) } else { (third, first, second) };
        self.year = Some(figures(year, 4)?);
        self.month = Some(short(month)?);
        self.day = Some(short(day)?);
        Some(())
    }
}

/// The place, from 1, of a name that begins with one of these.
fn place(word: &str, names: &[&str]) -> Option<u32> {
    let letters = word.get(..NAME_LETTERS_MIN)?;
    let place = names.iter().position(|name| *name == letters)?;
    let is_name = word.bytes().all(|byte| byte.is_ascii_alphabetic());
    u32::try_from(place + 1).ok().filter(|_| is_name)
}

fn half_day(time: NaiveTime, is_afternoon: bool) -> Option<NaiveTime> {
    let hour = chrono::Timelike::hour(&time);
    let hour = match (hour, is_afternoon) {
        (0 | 13.., _) => return None,
        (12, false) => 0,
        (12, true) | (_, false) => hour,
        (_, true) => hour + 12,
    };
    chrono::Timelike::with_hour(&time, hour)
}

/// The moment so many seconds after 1970.
pub(super) fn of_epoch(seconds: f64) -> Option<Timestamp> {
    let milliseconds = super::number::whole((seconds * 1000.0).trunc())?;
    DateTime::from_timestamp_millis(milliseconds)
}
