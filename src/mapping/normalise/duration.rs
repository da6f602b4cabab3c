//! Durations: a number and a unit, each of which may be missing, wrong or in the other's place.

/// The longest visit in minutes; what is longer is a slip (an end on the next day, a unit mixed up).
pub const MINUTES_MAX: u32 = 24 * 60;

/// Above this a number without unit is taken for seconds: no visit lasts 17 hours.
const BARE_MAX: u32 = 1000;

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Problem {
    NoNumber,
    Zero,
    UnknownUnit,
    TooLong,
}

/// The seconds in a unit, by whatever name; `None` if it is no unit of time.
pub(in super::super) fn seconds_in(unit: &str) -> Option<u32> {
    const UNITS: [(u32, &[&str]); 4] = [
        (1, &["s", "sec", "secs", "second", "seconds"]),
        (60, &["m", "mn", "min", "mins", "minute", "minutes", "minuten"]),
        (3600, &["h", "hr", "hrs", "hour", "hours"]),
        (86_400, &["d", "day", "days"]),
    ];
    let unit = unit.trim().trim_end_matches('.');
    let names = |(_, names): &&(u32, &[&str])| names.iter().any(|n| n.eq_ignore_ascii_case(unit));
    UNITS.iter().find(names).map(|(seconds, _)| *seconds)
}

/// Reads a duration in minutes, rounded up. `unit` is what the message says, `default` the seconds
/// of the unit that is meant where it says nothing.
pub(in super::super) fn minutes(
    text: &str,
    unit: Option<&str>,
    default: u32,
) -> Result<u32, Problem> {
    let text = text.trim();
    // HL7 v2.5.1, 4.3.1.3 (TQ-3): the unit as a letter before the number.
    let letter = text.get(..1).filter(|first| !first.starts_with(|c: char| c.is_ascii_digit()));
    let digits = text.get(letter.map_or(0, str::len)..).unwrap_or_default();
    // "30.0" and "30,5" occur; the fraction of a minute does not matter.
    let digits = digits.split(['.', ',']).next().unwrap_or_default();
    let number: u32 = digits.trim().parse().map_err(|_| Problem::NoNumber)?;
    if number == 0 {
        return Err(Problem::Zero);
    }
    let unit = unit.map(str::trim).filter(|unit| !unit.is_empty());
    let seconds = match letter.or(unit) {
        Some(unit) => seconds_in(unit).ok_or(Problem::UnknownUnit)?,
        None if number > BARE_MAX => 1,
        None => default,
    };
    let minutes = number.checked_mul(seconds).ok_or(Problem::TooLong)?.div_ceil(60);
    if minutes > MINUTES_MAX { Err(Problem::TooLong) } else { Ok(minutes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_by_many_names() {
        for unit in ["m", "MIN", "minutes", "MINS", "min."] {
            assert_eq!(minutes("30", Some(unit), 1), Ok(30), "{unit}");
        }
        assert_eq!(minutes("3420", Some("S"), 60), Ok(57));
        assert_eq!(minutes("2", Some("hours"), 60), Ok(120));
        assert_eq!(minutes("M30", None, 1), Ok(30));
        assert_eq!(minutes("S90", Some("min"), 60), Ok(2));
    }

    #[test]
    fn a_large_number_without_unit_is_seconds() {
        assert_eq!(minutes("1800", None, 60), Ok(30));
        assert_eq!(minutes("1800", Some(" "), 60), Ok(30));
        assert_eq!(minutes("60", None, 60), Ok(60));
        assert_eq!(minutes("600", None, 1), Ok(10));
    }

    #[test]
    fn nonsense_is_refused() {
        for (text, unit, problem) in [
            ("", None, Problem::NoNumber),
            ("abc", None, Problem::NoNumber),
            ("-30", None, Problem::UnknownUnit),
            ("日30", None, Problem::NoNumber),
            ("0", None, Problem::Zero),
            ("00", Some("min"), Problem::Zero),
            ("30", Some("parsecs"), Problem::UnknownUnit),
            ("X30", None, Problem::UnknownUnit),
            ("2000", Some("min"), Problem::TooLong),
            ("4294967295", Some("d"), Problem::TooLong),
            ("99999999999", None, Problem::NoNumber),
        ] {
            assert_eq!(minutes(text, unit, 60), Err(problem), "{text}");
        }
    }
}
