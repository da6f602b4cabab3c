//! Moments as FHIR and HTTP write them.
//!
//! A moment without an offset is none: guessing the zone would confirm the wrong hour.

use chrono::{DateTime, NaiveDateTime};

use crate::clock::Timestamp;

/// The longest text that is looked at; an instant with nanoseconds has 35 bytes.
const TEXT_BYTES_MAX: usize = 64;

/// Reads a FHIR `instant` or a `dateTime` with time and offset; seconds may be missing.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let exact = DateTime::parse_from_rfc3339(text).ok();
    exact.or_else(|| minutes_only(text)).map(|moment| moment.to_utc())
}

fn minutes_only(text: &str) -> Option<DateTime<chrono::FixedOffset>> {
    let spelled = text.strip_suffix('Z').map(|rest| format!("{rest}+00:00"));
    DateTime::parse_from_str(spelled.as_deref().unwrap_or(text), "%Y-%m-%dT%H:%M%:z").ok()
}

/// Reads an HTTP date in any of its three forms. RFC 9110, 5.6.7.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let current = DateTime::parse_from_rfc2822(text).ok().map(|moment| moment.to_utc());
    current.or_else(|| {
        ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .map(|moment| moment.and_utc())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_needs_an_offset() {
        let nine = instant("2026-12-01T09:00:00-05:00").unwrap();
        for same in ["2026-12-01T14:00:00Z", "2026-12-01T14:00:00.000+00:00", "2026-12-01T14:00Z"] {
            assert_eq!(instant(same), Some(nine), "{same}");
        }
        assert_eq!(instant("2026-12-01T09:00-05:00"), Some(nine));
        let none = ["", "2026-12-01", "2026-12-01T09:00:00", "2026-12-01T24:00:00Z", "tomorrow"];
        for text in none {
            assert_eq!(instant(text), None, "{text}");
        }
        assert_eq!(instant(&format!("2026-12-01T09:00:00.{}Z", "0".repeat(80))), None);
    }

    #[test]
    fn an_http_date_has_three_forms() {
        let moment = instant("1994-11-06T08:49:37Z");
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(http_date(text), moment, "{text}");
        }
        assert_eq!(http_date("soon"), None);
        assert_eq!(http_date(&"Sun".repeat(100)), None);
    }
}
