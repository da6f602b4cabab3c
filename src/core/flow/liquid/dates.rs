//! The filter `date`: a moment in a zone, written by the signs of `strftime`. Names are English.

use chrono::{Datelike, NaiveDateTime, Offset, TimeDelta, Timelike, Utc};
use chrono_tz::{OffsetName, Tz};
use serde_json::Value as Json;

use super::fault::OutOfFuel;
use super::fuel::{Fuel, Page};
use super::{OUTPUT_BYTES_MAX, instant, number};
use crate::clock::Timestamp;

/// The form of a date if none is told, as in `liquidjs`.
pub(super) const FORMAT: &str = "%A, %B %-e, %Y at %-l:%M %P %z";

const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The letters of a short name.
const SHORT_LETTERS: usize = 3;

/// The zone that a date is shown in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Zone {
    /// Of the time zone database.
    Named(Tz),
    /// Minutes west of Greenwich, as JavaScript counts.
    West(i64),
}

impl Zone {
    /// The zone that an argument means, or else another.
    pub(super) fn of(json: &Json, otherwise: Tz) -> Self {
        match json {
            Json::Number(minutes) => Self::West(number::index(number::of(minutes))),
            Json::String(name) => Self::Named(name.parse().unwrap_or(otherwise)),
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => Self::Named(otherwise),
        }
    }
}

/// A moment as a zone shows it.
#[derive(Debug)]
pub(super) struct Moment {
    instant: Timestamp,
    local: NaiveDateTime,
    /// Minutes east of Greenwich.
    east: i64,
    zone: Option<String>,
}

impl Moment {
    /// Reads a date: `now`, `20261201`, seconds since 1970, or what [`instant::read`] reads.
    pub(super) fn read(json: &Json, now: Timestamp, local: Tz, zone: Zone) -> Option<Self> {
        let instant = match json {
            Json::Number(seconds) => instant::of_epoch(number::of(seconds))?,
            Json::String(text) if text == "now" || text == "today" => now,
            Json::String(text) => {
                let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let seconds = if is_number { number::parse(text) } else { None };
                let compact = instant::compact(text, local);
                let told = || seconds.map_or_else(|| instant::read(text, local), instant::of_epoch);
                compact.or_else(told)?
            }
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => return None,
        };
        Self::of(instant, zone)
    }

    fn of(instant: Timestamp, zone: Zone) -> Option<Self> {
        let (east, name) = match zone {
            Zone::Named(zone) => {
                let shown = instant.with_timezone(&zone);
                let seconds = i64::from(shown.offset().fix().local_minus_utc());
                (seconds.div_euclid(60), shown.offset().abbreviation().map(str::to_owned))
            }
            Zone::West(minutes) => (minutes.checked_neg()?, None),
        };
        let local = instant.naive_utc().checked_add_signed(TimeDelta::try_minutes(east)?)?;
        Some(Self { instant, local, east, zone: name })
    }

    /// Writes it; what is no sign of a date stays as it is.
    pub(super) fn write(
        &self,
        format: &str,
        page: &mut Page,
        fuel: &mut Fuel,
    ) -> Result<(), OutOfFuel> {
        let mut rest = format;
        while let Some((before, after)) = rest.split_once('%') {
            page.push(before, fuel)?;
            let (sign, after_sign) = Sign::read(after);
            let raw = after.len() - after_sign.len();
            match self.field(&sign) {
                Some(text) => sign.write(text, page, fuel)?,
                None => {
                    page.push("%", fuel)?;
                    page.push(after.get(..raw).unwrap_or(""), fuel)?;
                }
            }
            rest = after_sign;
        }
        page.push(rest, fuel)
    }

    /// The text of a sign, before it is padded; none if there is no such sign.
    fn field(&self, sign: &Sign) -> Option<String> {
        let local = self.local;
        let hour = local.hour();
        let half = |morning: &str, evening: &str| {
            if hour < 12 { morning.to_owned() } else { evening.to_owned() }
        };
        Some(match sign.letter? {
            'a' => shortened(name(&WEEKDAYS, local.weekday().num_days_from_sunday())),
            'A' => name(&WEEKDAYS, local.weekday().num_days_from_sunday()).to_owned(),
            'b' | 'h' => shortened(name(&MONTHS, local.month0())),
            'B' => name(&MONTHS, local.month0()).to_owned(),
            'c' => self.composed("%-m/%-d/%Y, %-l:%M:%S %p"),
            'C' => local.year().div_euclid(100).to_string(),
            'd' | 'e' => local.day().to_string(),
            'D' => self.composed("%m/%d/%y"),
            'F' => self.composed("%Y-%m-%d"),
            'H' | 'k' => hour.to_string(),
            'I' | 'l' => (if hour.is_multiple_of(12) { 12 } else { hour % 12 }).to_string(),
            'j' => local.ordinal().to_string(),
            'L' => self.milliseconds().to_string(),
            'm' => local.month().to_string(),
            'M' => local.minute().to_string(),
            'N' => self.fraction(sign),
            'p' => half("AM", "PM"),
            'P' => half("am", "pm"),
            'q' => ordinal(local.day()).to_owned(),
            'r' => self.composed("%I:%M:%S %p"),
            'R' => self.composed("%H:%M"),
            's' => self.instant.timestamp().to_string(),
            'S' => local.second().to_string(),
            'T' => self.composed("%H:%M:%S"),
            'u' => local.weekday().number_from_monday().to_string(),
            'U' => self.week(local.weekday().num_days_from_sunday()),
            'w' => local.weekday().num_days_from_sunday().to_string(),
            'W' => self.week(local.weekday().num_days_from_monday()),
            'x' => self.composed("%-m/%-d/%Y"),
            'X' => self.composed("%-l:%M:%S %p"),
            'y' => local.year().rem_euclid(100).to_string(),
            'Y' => local.year().to_string(),
            'z' => self.offset(sign.has_colon),
            'Z' => self.zone.clone().unwrap_or_else(|| self.offset(sign.has_colon)),
            't' => "\t".to_owned(),
            'n' => "\n".to_owned(),
            '%' => "%".to_owned(),
            _ => return None,
        })
    }

    /// A form of other signs, which are all short.
    fn composed(&self, format: &str) -> String {
        let mut page = Page::default();
        let written = self.write(format, &mut page, &mut Fuel::full());
        if written.is_ok() { page.into_text() } else { String::new() }
    }

    fn milliseconds(&self) -> u32 {
        self.instant.with_timezone(&Utc).timestamp_subsec_millis()
    }

    /// Decimals of the second, nine unless told.
    fn fraction(&self, sign: &Sign) -> String {
        let width = if sign.width == 0 { 9 } else { sign.width.min(OUTPUT_BYTES_MAX) };
        let digits: String = format!("{:03}", self.milliseconds()).chars().take(width).collect();
        format!("{digits:0<width$}")
    }

    /// The week of the year, of which this is the given day, counted from the first whole one.
    fn week(&self, day_of_week: u32) -> String {
        ((self.local.ordinal0() + 7 - day_of_week) / 7).to_string()
    }

    fn offset(&self, has_colon: bool) -> String {
        let minutes = self.east.unsigned_abs();
        let sign = if self.east < 0 { '-' } else { '+' };
        let colon = if has_colon { ":" } else { "" };
        format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
    }
}

/// A sign with its flags: `%-d`, `%^B`, `%10Y`.
#[derive(Debug, Default)]
struct Sign {
    /// None at the end of the form.
    letter: Option<char>,
    width: usize,
    is_bare: bool,
    pads_blank: bool,
    pads_zero: bool,
    is_upper: bool,
    is_swapped: bool,
    has_colon: bool,
}

impl Sign {
    /// Reads a sign behind its `%`, and tells what follows it.
    fn read(text: &str) -> (Self, &str) {
        let mut sign = Self::default();
        let figures = text.trim_start_matches(|flag| sign.flag(flag));
        let rest = figures.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let width = figures.get(..figures.len() - rest.len()).unwrap_or("");
        // A width beyond all numbers is beyond all texts, too.
        sign.width = if width.is_empty() { 0 } else { width.parse().unwrap_or(usize::MAX) };
        let modified = rest.strip_prefix(['E', 'O']).filter(|rest| !rest.is_empty());
        let rest = modified.unwrap_or(rest);
        let mut letters = rest.chars();
        match letters.next() {
            Some('\n') | None => (sign, rest),
            letter => {
                sign.letter = letter;
                (sign, letters.as_str())
            }
        }
    }

    fn flag(&mut self, flag: char) -> bool {
        match flag {
            '-' => self.is_bare = true,
            '_' => self.pads_blank = true,
            '0' => self.pads_zero = true,
            '^' => self.is_upper = true,
            '#' => self.is_swapped = true,
            ':' => self.has_colon = true,
            _ => return false,
        }
        true
    }

    fn write(&self, text: String, page: &mut Page, fuel: &mut Fuel) -> Result<(), OutOfFuel> {
        let has_small = text.contains(|letter: char| letter.is_ascii_lowercase());
        let text = match (self.is_upper, self.is_swapped) {
            (true, _) => text.to_uppercase(),
            (false, true) if has_small => text.to_uppercase(),
            (false, true) => text.to_lowercase(),
            (false, false) => text,
        };
        let (usual, is_blank) = self.padding();
        let width = match (self.is_bare, self.width) {
            (true, _) => 0,
            (false, 0) => usual,
            (false, width) => width,
        };
        let missing = width.saturating_sub(text.chars().count());
        if missing > OUTPUT_BYTES_MAX {
            return Err(OutOfFuel::Length);
        }
        let is_blank = self.pads_blank || (is_blank && !self.pads_zero);
        // Zeros stand behind a minus sign.
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) if !is_blank => ("-", digits),
            _ => ("", text.as_str()),
        };
        page.push(sign, fuel)?;
        page.pad(if is_blank { ' ' } else { '0' }, missing, fuel)?;
        page.push(digits, fuel)
    }

    /// The width of a field unless told, and whether it is filled with blanks.
    fn padding(&self) -> (usize, bool) {
        match self.letter {
            Some('a' | 'A' | 'b' | 'B' | 'c' | 'p' | 'P') => (0, true),
            Some('e' | 'k' | 'l') => (2, true),
            Some('C' | 'd' | 'H' | 'I' | 'm' | 'M' | 'S' | 'U' | 'W' | 'y') => (2, false),
            Some('j' | 'L') => (3, false),
            Some('Y') => (4, false),
            _ => (0, false),
        }
    }
}

fn name(names: &[&'static str], index: u32) -> &'static str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("")
}

fn shortened(name: &str) -> String {
    name.chars().take(SHORT_LETTERS).collect()
}

fn ordinal(day: u32) -> &'static str {
    match (day, day % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}
