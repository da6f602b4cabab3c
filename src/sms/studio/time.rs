//! Times as interface engines write them: ISO 8601, more or less.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use crate::clock::Timestamp;

/// Years that an appointment can lie in; another one is a slip, or a placeholder such as 9999.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2100;

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is of another form.
    Form,
    /// There is no such day, hour, minute or second.
    NoSuchTime,
    /// The year is far away.
    Year,
}

/// Reads what the wall clock shows; a suffix is left out, whatever it says.
pub(super) fn wall_clock(text: &str) -> Result<NaiveDateTime, Unread> {
    let (local, suffix) = parts(text)?;
    offset(suffix)?;
    Ok(local)
}

/// Reads an instant; without a suffix it is in UTC.
pub(super) fn instant(text: &str) -> Result<Timestamp, Unread> {
    let (local, suffix) = parts(text)?;
    let east = offset(suffix)?;
    let instant = DateTime::<Utc>::from_naive_utc_and_offset(local, Utc);
    instant.checked_sub_signed(east).ok_or(Unread::Year)
}

/// `2026-12-01T09:30`, with seconds and fraction or without; the rest is the suffix.
fn parts(text: &str) -> Result<(NaiveDateTime, &str), Unread> {
    let (date, rest) = text.split_at_checked(10).ok_or(Unread::Form)?;
    let rest = rest.strip_prefix(['T', 't', ' ']).ok_or(Unread::Form)?;
    let (year, rest_of_date) = number(date, 4)?;
    let (month, rest_of_date) = number(separated(rest_of_date, '-')?, 2)?;
    let (day, rest_of_date) = number(separated(rest_of_date, '-')?, 2)?;
    if !rest_of_date.is_empty() {
        return Err(Unread::Form);
    }
    let (hour, rest) = number(rest, 2)?;
    let (minute, mut rest) = number(separated(rest, ':')?, 2)?;
    let mut second = 0;
    if let Some(after) = rest.strip_prefix(':') {
        (second, rest) = number(after, 2)?;
        if let Some(fraction) = rest.strip_prefix(['.', ',']) {
            let after = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if !(1..=9).contains(&(fraction.len() - after.len())) {
                return Err(Unread::Form);
            }
            rest = after;
        }
    }
    let year = i32::try_from(year).map_err(|_| Unread::Form)?;
    let date = NaiveDate::from_ymd_opt(year, month, day).ok_or(Unread::NoSuchTime)?;
    let local = date.and_hms_opt(hour, minute, second).ok_or(Unread::NoSuchTime)?;
    if YEARS.contains(&year) { Ok((local, rest)) } else { Err(Unread::Year) }
}

/// `Z`, `-07:00`, `-0700`, `-07` or nothing, as a distance east of UTC.
fn offset(suffix: &str) -> Result<TimeDelta, Unread> {
    let suffix = suffix.trim_start();
    if matches!(suffix, "" | "Z" | "z") {
        return Ok(TimeDelta::zero());
    }
    let is_west = suffix.starts_with('-');
    let rest = suffix.strip_prefix(['+', '-']).ok_or(Unread::Form)?;
    let (hours, rest) = number(rest, 2)?;
    let minutes = match rest.strip_prefix(':').unwrap_or(rest) {
        "" => 0,
        rest => match number(rest, 2)? {
            (minutes, "") => minutes,
            (_, _) => return Err(Unread::Form),
        },
    };
    if hours > 14 || minutes > 59 {
        return Err(Unread::NoSuchTime);
    }
    let east = TimeDelta::minutes(i64::from(hours * 60 + minutes));
    Ok(if is_west { -east } else { east })
}

fn separated(text: &str, by: char) -> Result<&str, Unread> {
    text.strip_prefix(by).ok_or(Unread::Form)
}

fn number(text: &str, digits: usize) -> Result<(u32, &str), Unread> {
    let (head, rest) = text.split_at_checked(digits).ok_or(Unread::Form)?;
    if !head.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unread::Form);
    }
    Ok((head.parse().map_err(|_| Unread::Form)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_says_nothing_of_the_wall_clock() {
        let nine: NaiveDateTime = "2026-12-01T09:30:00".parse().unwrap();
        for suffix in ["", "Z", "z", ".000Z", ".123456789", "+00:00", "-0700", "+05", ",5Z", " Z"] {
            assert_eq!(wall_clock(&format!("2026-12-01T09:30:00{suffix}")), Ok(nine), "{suffix}");
        }
        assert_eq!(wall_clock("2026-12-01 09:30"), Ok(nine));
        assert_eq!(wall_clock("2026-12-01T09:30-07:00"), Ok(nine));
    }

    #[test]
    fn an_instant_is_in_utc_unless_it_says_otherwise() {
        let noon: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        for text in ["2026-12-01T12:00:00", "2026-12-01T12:00:00.000Z", "2026-12-01T05:00:00-0700"]
        {
            assert_eq!(instant(text), Ok(noon), "{text}");
        }
        assert_eq!(instant("2026-12-01T17:30+05:30"), Ok(noon));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let bad = [
            "",
            "tomorrow",
            "20261201T0930",
            "2026-12-01",
            "2026-12-01T",
            "2026-12-01T9:30",
            "2026-12-01T09:30:00.",
            "2026-12-01T09:30:00.1234567890",
            "2026-12-01T09:30:00+7",
            "2026-12-01T09:30:00+07:00x",
            "2026-12-01T09:30:00 PST",
            "+026-12-01T09:30:00",
            "2026-12-0é 09:30",
            "٢٠٢٦-12-01T09:30",
        ];
        for text in bad {
            assert_eq!(wall_clock(text), Err(Unread::Form), "{text}");
        }
        for text in [
            "2026-02-30T09:30",
            "2026-13-01T09:30",
            "2026-12-01T24:00",
            "2026-12-01T09:60",
            "2026-12-01T09:30:61",
            "2026-12-01T09:30:00+15:00",
        ] {
            assert_eq!(wall_clock(text), Err(Unread::NoSuchTime), "{text}");
        }
        for text in ["1999-12-31T09:30", "9999-12-31T23:59:59Z"] {
            assert_eq!(wall_clock(text), Err(Unread::Year), "{text}");
        }
    }
}
