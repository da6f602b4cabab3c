//! Lengths of time and times of day as settings write them.

use std::time::Duration;

use chrono::{NaiveTime, TimeDelta};

/// No length of time in the settings is longer; sums of such stay far from overflow.
const SECONDS_MAX: u64 = 100 * 366 * 86_400;

/// Reads `500ms`, `90s`, `15m`, `48h` or `2d`.
///
/// ```
/// use appointd::settings::parse_duration;
/// use std::time::Duration;
/// assert_eq!(parse_duration("15m"), Some(Duration::from_secs(900)));
/// // A bare number would leave the unit to be guessed.
/// assert_eq!(parse_duration("15"), None);
/// assert_eq!(parse_duration("-1h"), None);
/// ```
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let number: u64 = number.parse().ok()?;
    let seconds = match unit.trim_start() {
        "ms" => return (number / 1000 <= SECONDS_MAX).then(|| Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let seconds = number.checked_mul(seconds).filter(|seconds| *seconds <= SECONDS_MAX)?;
    Some(Duration::from_secs(seconds))
}

/// Writes a length of time as [`parse_duration`] reads it.
pub(super) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let whole =
        units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    match whole {
        Some((unit, name)) if duration.subsec_millis() == 0 => format!("{}{name}", seconds / unit),
        Some(_) | None => format!("{}ms", duration.as_millis()),
    }
}

/// Reads how long before an appointment a reminder is sent: `48h`, or the reference system's HHMM
/// as in `4800`. `0000` is `None`: that reminder is off.
///
/// # Errors
/// Nothing but that it is neither.
pub(super) fn parse_offset(text: &str) -> Result<Option<TimeDelta>, ()> {
    let offset = match hhmm(text) {
        Some((hours, minutes)) if minutes < 60 => {
            TimeDelta::hours(hours.into()) + TimeDelta::minutes(minutes.into())
        }
        Some(_) => return Err(()),
        None => {
            let duration = parse_duration(text).ok_or(())?;
            TimeDelta::from_std(duration).map_err(|_| ())?
        }
    };
    Ok((!offset.is_zero()).then_some(offset))
}

/// Four digits, as two numbers.
fn hhmm(text: &str) -> Option<(u32, u32)> {
    let text = text.trim();
    let is_four = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes) = text.split_at_checked(2).filter(|_| is_four)?;
    Some((hours.parse().ok()?, minutes.parse().ok()?))
}

/// Reads a time of day: `09:00`, `9:00` or `0900`. The end of the day, `24:00`, is `None`.
///
/// # Errors
/// Nothing but that it is no time.
pub(super) fn parse_time(text: &str) -> Result<Option<NaiveTime>, ()> {
    let text = text.trim();
    // What TOML itself calls a local time has seconds.
    let text = text.strip_suffix(":00").filter(|rest| rest.contains(':')).unwrap_or(text);
    let (hours, minutes) = match text.split_once(':') {
        Some((hours, minutes)) => {
            let is_plain = (1..=2).contains(&hours.len())
                && minutes.len() == 2
                && hours.bytes().chain(minutes.bytes()).all(|byte| byte.is_ascii_digit());
            if !is_plain {
                return Err(());
            }
            (hours.parse().map_err(|_| ())?, minutes.parse().map_err(|_| ())?)
        }
        None => hhmm(text).ok_or(())?,
    };
    if (hours, minutes) == (24, 0) {
        return Ok(None);
    }
    NaiveTime::from_hms_opt(hours, minutes, 0).map(Some).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_need_a_unit_and_have_a_bound() {
        let good = [("500ms", 500), ("90s", 90_000), ("15 m", 900_000), ("2d", 172_800_000)];
        for (text, millis) in good {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        let bad = [
            "",
            "5",
            "h",
            "1.5h",
            "1h30m",
            "+1h",
            "1w",
            "99999999999999999999s",
            "9999999999h",
            "1ß",
        ];
        for text in bad {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(duration_text(Duration::from_secs(172_800)), "2d");
        assert_eq!(duration_text(Duration::from_millis(1_500)), "1500ms");
        assert_eq!(duration_text(Duration::ZERO), "0ms");
    }

    #[test]
    fn offsets_are_lengths_or_hours_and_minutes() {
        assert_eq!(parse_offset("4800"), Ok(Some(TimeDelta::hours(48))));
        assert_eq!(parse_offset("0130"), Ok(Some(TimeDelta::minutes(90))));
        assert_eq!(parse_offset("24h"), Ok(Some(TimeDelta::hours(24))));
        assert_eq!((parse_offset("0000"), parse_offset("0s")), (Ok(None), Ok(None)));
        for text in ["", "480", "0160", "48000", "4h8m", "٤٨٠٠"] {
            assert_eq!(parse_offset(text), Err(()), "{text}");
        }
    }

    #[test]
    fn times_of_day_have_two_forms_and_an_end() {
        let nine = NaiveTime::from_hms_opt(9, 0, 0);
        for text in ["09:00", "9:00", "0900", "09:00:00", " 09:00 "] {
            assert_eq!(parse_time(text), Ok(nine), "{text}");
        }
        assert_eq!((parse_time("24:00"), parse_time("2400")), (Ok(None), Ok(None)));
        for text in
            ["", "25:00", "24:01", "9", "09:60", "-9:00", "+9:00", "9:0", "9am", "99:99", ":"]
        {
            assert_eq!(parse_time(text), Err(()), "{text}");
        }
    }
}
