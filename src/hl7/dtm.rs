//! HL7 times: `YYYY[MM[DD[HH[MM[SS[.S..]]]]]][+/-ZZZZ]`, and what senders write instead.
//!
//! A time keeps what it says: civil time, how precise it is, and the offset only if there is one.
//! Which zone a time without offset is in is a question for the mapping, never answered here.

use std::fmt;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::Category;

/// The smallest unit that a time states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// Year only.
    Year,
    /// Year and month.
    Month,
    /// A date.
    Day,
    /// To the hour.
    Hour,
    /// To the minute.
    Minute,
    /// To the second.
    Second,
    /// Below the second.
    Fraction,
}

/// A time as a message states it.
///
/// ```
/// use appointd::hl7::dtm::{Dtm, Precision};
/// let at = Dtm::parse("202603010900-0500")?;
/// assert_eq!((at.precision, at.to_string().as_str()), (Precision::Minute, "202603010900-0500"));
/// // Epic writes hundredths of a second without a point.
/// assert_eq!(Dtm::parse("2026030109000075")?.to_string(), "20260301090000.7500");
/// // A date that does not exist is an error, never another date.
/// assert!(Dtm::parse("20260231").is_err());
/// # Ok::<(), appointd::hl7::dtm::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dtm {
    /// Civil time; what is below the precision is the start of the unit.
    pub local: NaiveDateTime,
    /// The smallest unit stated.
    pub precision: Precision,
    /// The offset from UTC, if stated.
    pub offset: Option<FixedOffset>,
}

/// Why text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing there.
    #[error("the time is empty")]
    Empty,
    /// Only zeros: some senders' way to say that there is none.
    #[error("the time is all zeros")]
    Zeros,
    /// A character that no time has.
    #[error("unexpected character at offset {at} of a time")]
    Unexpected {
        /// Byte offset.
        at: usize,
    },
    /// A number of digits that no form has.
    #[error("a time of {digits} digits")]
    Length {
        /// How many digits before the fraction.
        digits: usize,
    },
    /// A month outside 1 to 12.
    #[error("the month is not from 1 to 12")]
    Month,
    /// A day that this month does not have.
    #[error("the day does not exist in this month")]
    Day,
    /// An hour above 23.
    #[error("the hour is above 23")]
    Hour,
    /// A minute above 59.
    #[error("the minute is above 59")]
    Minute,
    /// A second above 59.
    #[error("the second is above 59")]
    Second,
    /// An offset that is not `+/-HHMM` up to 14 hours.
    #[error("the offset from UTC is not of the form +HHMM up to 14 hours")]
    Offset,
}

impl Error {
    /// The kind of failure.
    #[must_use]
    pub const fn category(self) -> Category {
        Category::Malformed
    }
}

const OFFSET_MINUTES_MAX: u32 = 14 * 60;
/// Longest form: 14 digits, point, 9 digits, offset with colon; and ISO's punctuation.
const BYTES_MAX: usize = 40;

impl Dtm {
    /// Reads a time: HL7's form, 16 or 17 digits (hundredths or thousandths), or ISO 8601.
    ///
    /// # Errors
    ///
    /// Fails for what is empty, all zeros, impossible, or of another form.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::Empty);
        }
        if text.bytes().all(|byte| byte == b'0') {
            return Err(Error::Zeros);
        }
        if text.len() > BYTES_MAX {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            return Err(if digits > 17 {
                Error::Length { digits }
            } else {
                Error::Unexpected { at: digits.min(BYTES_MAX) }
            });
        }
        let (stamp, offset) = split_offset(text);
        let short_offset = offset.is_some_and(|offset| offset.len() == 3);
        let offset = offset.map(read_offset).transpose()?;
        let (whole, fraction) = stamp.split_once(['.', ',']).unwrap_or((stamp, ""));
        let digits = digits_of(whole)?;
        let (local, precision) = civil(&digits, fraction, whole.len() + 1)?;
        if short_offset && precision < Precision::Hour {
            // `2026-03` is a month elsewhere, and no year at an offset.
            return Err(Error::Offset);
        }
        Ok(Self { local, precision, offset })
    }

    /// The instant, if the offset is stated.
    #[must_use]
    pub fn instant(&self) -> Option<DateTime<Utc>> {
        let at = self.local.and_local_timezone(self.offset?).single()?;
        Some(at.with_timezone(&Utc))
    }

    /// Whether no time of day is stated.
    #[must_use]
    pub fn is_date_only(&self) -> bool {
        self.precision <= Precision::Day
    }
}

/// Cuts the offset off; a hyphen before the time of day belongs to an ISO date.
fn split_offset(text: &str) -> (&str, Option<&str>) {
    let dashes_of_iso_date = text.as_bytes().get(4) == Some(&b'-')
        && text.as_bytes().get(7).is_some_and(|byte| !byte.is_ascii_digit());
    let from = if dashes_of_iso_date { 8 } else { 4 };
    let sign =
        text.bytes().enumerate().skip(from).find(|(_, b)| matches!(b, b'+' | b'-' | b'Z' | b'z'));
    let split = sign.and_then(|(at, _)| text.split_at_checked(at));
    split.map_or((text, None), |(stamp, offset)| (stamp.trim_end(), Some(offset)))
}

fn read_offset(text: &str) -> Result<FixedOffset, Error> {
    if text.eq_ignore_ascii_case("Z") {
        return FixedOffset::east_opt(0).ok_or(Error::Offset);
    }
    let (sign, digits) = match text.split_at_checked(1) {
        Some(("+", digits)) => (1, digits),
        Some(("-", digits)) => (-1, digits),
        _ => return Err(Error::Offset),
    };
    let (hours, minutes) = match digits.as_bytes() {
        [a, b] => ([*a, *b], *b"00"),
        [a, b, c, d] | [a, b, b':', c, d] => ([*a, *b], [*c, *d]),
        _ => return Err(Error::Offset),
    };
    let hours = number(&hours).ok_or(Error::Offset)?;
    let minutes = number(&minutes).filter(|minutes| *minutes < 60).ok_or(Error::Offset)?;
    let east = hours * 60 + minutes;
    if east > OFFSET_MINUTES_MAX {
        return Err(Error::Offset);
    }
    let seconds = i32::try_from(east * 60).map_err(|_| Error::Offset)?;
    FixedOffset::east_opt(sign * seconds).ok_or(Error::Offset)
}

/// The digits before the fraction, with the punctuation of ISO 8601 checked and taken out.
fn digits_of(whole: &str) -> Result<Vec<u8>, Error> {
    let iso = whole.as_bytes().get(4) == Some(&b'-');
    let mut digits = Vec::with_capacity(17);
    for (at, byte) in whole.bytes().enumerate() {
        let punctuation = match at {
            4 | 7 => byte == b'-',
            10 => matches!(byte, b'T' | b't' | b' '),
            13 | 16 => byte == b':',
            _ => false,
        };
        match (iso && punctuation, byte.is_ascii_digit()) {
            (true, _) => {}
            (false, true) => digits.push(byte),
            (false, false) => return Err(Error::Unexpected { at }),
        }
    }
    Ok(digits)
}

fn civil(digits: &[u8], fraction: &str, at: usize) -> Result<(NaiveDateTime, Precision), Error> {
    let fail = Error::Length { digits: digits.len() };
    // Hundredths and thousandths without a point.
    let (digits, rest) = match digits.len() {
        16 | 17 if fraction.is_empty() => digits.split_at_checked(14).ok_or(fail)?,
        _ => (digits, fraction.as_bytes()),
    };
    let precision = match (digits.len(), rest.is_empty()) {
        (4, true) => Precision::Year,
        (6, true) => Precision::Month,
        (8, true) => Precision::Day,
        (10, true) => Precision::Hour,
        (12, true) => Precision::Minute,
        (14, true) => Precision::Second,
        (14, false) => Precision::Fraction,
        _ => return Err(fail),
    };
    let pair = |from: usize, default: u32| digits.get(from..from + 2).map_or(Some(default), number);
    let year = digits.get(..4).and_then(number).and_then(|year| i32::try_from(year).ok());
    let year = year.filter(|year| *year > 0).ok_or(fail)?;
    let month = pair(4, 1).filter(|month| (1..=12).contains(month)).ok_or(Error::Month)?;
    let day = pair(6, 1).ok_or(Error::Day)?;
    let hour = pair(8, 0).filter(|hour| *hour < 24).ok_or(Error::Hour)?;
    let minute = pair(10, 0).filter(|minute| *minute < 60).ok_or(Error::Minute)?;
    let second = pair(12, 0).filter(|second| *second < 60).ok_or(Error::Second)?;
    let date = NaiveDate::from_ymd_opt(year, month, day).ok_or(Error::Day)?;
    let time = NaiveTime::from_hms_nano_opt(hour, minute, second, nanoseconds(rest, at)?);
    Ok((date.and_time(time.ok_or(Error::Second)?), precision))
}

fn nanoseconds(fraction: &[u8], at: usize) -> Result<u32, Error> {
    let wrong = fraction.iter().position(|byte| !byte.is_ascii_digit());
    if let Some(offset) = wrong.or_else(|| (fraction.len() > 9).then_some(9)) {
        return Err(Error::Unexpected { at: at + offset });
    }
    let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    Ok(padded.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |sum, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

impl fmt::Display for Dtm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.precision {
            Precision::Year => "%Y",
            Precision::Month => "%Y%m",
            Precision::Day => "%Y%m%d",
            Precision::Hour => "%Y%m%d%H",
            Precision::Minute => "%Y%m%d%H%M",
            Precision::Second | Precision::Fraction => "%Y%m%d%H%M%S",
        };
        write!(f, "{}", self.local.format(form))?;
        if self.precision == Precision::Fraction {
            write!(f, ".{:04}", self.local.and_utc().timestamp_subsec_nanos() / 100_000)?;
        }
        match self.offset {
            Some(offset) => write_offset(f, offset),
            None => Ok(()),
        }
    }
}

fn write_offset(f: &mut fmt::Formatter<'_>, offset: FixedOffset) -> fmt::Result {
    let minutes = offset.local_minus_utc() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    write!(f, "{sign}{:02}{:02}", minutes / 60, minutes % 60)
}

/// Writes an instant to the second, with its offset, as MSH-7 and SCH-11.4 want it.
///
/// ```
/// let at = chrono::DateTime::parse_from_rfc3339("2026-03-01T09:00:00-05:00").unwrap();
/// assert_eq!(appointd::hl7::dtm::format(&at), "20260301090000-0500");
/// ```
#[must_use]
pub fn format(at: &DateTime<FixedOffset>) -> String {
    let (local, offset) = (at.naive_local(), Some(*at.offset()));
    Dtm { local, precision: Precision::Second, offset }.to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> String {
        let at = Dtm::parse(text).unwrap();
        let offset = at.offset.map(|offset| offset.to_string()).unwrap_or_default();
        format!("{}{offset} {:?}", at.local.format("%FT%T%.f"), at.precision)
    }

    #[test]
    fn each_precision_is_kept() {
        for text in ["2026", "202603", "20260301", "2026030109", "202603010930", "20260301093015"] {
            assert_eq!(Dtm::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(read("20260301093015.1234"), "2026-03-01T09:30:15.123400 Fraction");
        assert!(Dtm::parse("20260301").unwrap().is_date_only());
    }

    #[test]
    fn the_offset_is_kept_only_if_stated() {
        assert_eq!(read("202603010900+0215"), "2026-03-01T09:00:00+02:15 Minute");
        assert_eq!(read("202603010900-0030"), "2026-03-01T09:00:00-00:30 Minute");
        assert_eq!(read("202603010900-05"), "2026-03-01T09:00:00-05:00 Minute");
        assert_eq!(read("2026-0500"), "2026-01-01T00:00:00-05:00 Year");
        assert_eq!(Dtm::parse("202603010900").unwrap().offset, None);
        assert_eq!(Dtm::parse("202603010900").unwrap().instant(), None);
        let at = Dtm::parse("202603010900-0500").unwrap();
        assert_eq!(at.instant().unwrap().to_rfc3339(), "2026-03-01T14:00:00+00:00");
    }

    #[test]
    fn iso_8601_is_read() {
        assert_eq!(read("2026-03-01T09:00:00Z"), "2026-03-01T09:00:00+00:00 Second");
        assert_eq!(read("2026-03-01 09:00"), "2026-03-01T09:00:00 Minute");
        assert_eq!(read("2026-03-01T09:00:00.5-08:00"), "2026-03-01T09:00:00.500-08:00 Fraction");
        assert_eq!(read("2026-03-01"), "2026-03-01T00:00:00 Day");
    }

    #[test]
    fn digits_below_the_second_may_stand_without_a_point() {
        assert_eq!(read("2026030109301599"), "2026-03-01T09:30:15.990 Fraction");
        assert_eq!(read("20260301093015123"), "2026-03-01T09:30:15.123 Fraction");
    }

    #[test]
    fn what_does_not_exist_is_an_error_that_says_what() {
        for (text, error) in [
            ("", Error::Empty),
            ("  ", Error::Empty),
            ("0000", Error::Zeros),
            ("00000000000000", Error::Zeros),
            ("20261301", Error::Month),
            ("20260001", Error::Month),
            ("20260231", Error::Day),
            ("20250229", Error::Day),
            ("2026030124", Error::Hour),
            ("202603010960", Error::Minute),
            ("20260301090060", Error::Second),
            ("20240120116412002", Error::Minute),
            ("202401201164120024012011", Error::Length { digits: 24 }),
            ("20260", Error::Length { digits: 5 }),
            ("202603010", Error::Length { digits: 9 }),
            ("2026.5", Error::Length { digits: 4 }),
            ("00000301", Error::Length { digits: 8 }),
            ("2026ABCD", Error::Unexpected { at: 4 }),
            ("tomorrow", Error::Unexpected { at: 0 }),
            ("日本", Error::Unexpected { at: 0 }),
            ("20260301093015.12x4", Error::Unexpected { at: 17 }),
            ("202603010900+9900", Error::Offset),
            ("202603010900+0175", Error::Offset),
            ("202603010900+", Error::Offset),
            ("2026-03", Error::Offset),
            ("202603010900-5", Error::Offset),
        ] {
            assert_eq!(Dtm::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Dtm::parse(&"9".repeat(1000)), Err(Error::Length { digits: 1000 }));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9+.:TZ -]{0,30}|\\PC{0,50}") {
            if let Ok(at) = Dtm::parse(&text) {
                let again = Dtm::parse(&at.to_string()).unwrap();
                prop_assert_eq!((again.precision, again.offset), (at.precision, at.offset));
            }
        }
    }
}
