//! Wall-clock times with the zone they are meant in.
//!
//! An appointment is kept as the civil time that stands on the patient's card, the zone of the
//! place, and the instant that follows from both. Times that a change to or from daylight saving
//! skips or repeats are settled by rule and marked, never guessed silently.

use std::fmt;

use chrono::{
    DateTime, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta,
    TimeZone, Utc,
};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;

/// A time zone: a place's rules, or just an offset when that is all a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// A zone of the IANA database.
    Iana(Tz),
    /// A fixed distance from UTC.
    Fixed(FixedOffset),
}

/// The error of a zone's name that is neither an IANA zone nor an offset.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "\"{0}\" is no time zone: write an IANA name such as America/Chicago, or an offset such as -06:00"
)]
pub struct UnknownZone(pub String);

impl Zone {
    /// Universal time, the last resort.
    pub const UTC: Self = Self::Iana(Tz::UTC);

    /// Reads `America/Chicago`, `-06:00` or `-0600`.
    ///
    /// # Errors
    /// [`UnknownZone`] if it is neither.
    pub fn parse(text: &str) -> Result<Self, UnknownZone> {
        let text = text.trim();
        if let Ok(tz) = text.parse::<Tz>() {
            return Ok(Self::Iana(tz));
        }
        let starts_with_sign = text.starts_with(['+', '-']);
        let offset = starts_with_sign.then(|| text.parse::<FixedOffset>());
        match offset {
            Some(Ok(offset)) => Ok(Self::Fixed(offset)),
            Some(Err(_)) | None => Err(UnknownZone(text.to_owned())),
        }
    }

    /// The offset from UTC in force at an instant.
    #[must_use]
    pub fn offset_at(self, instant: Timestamp) -> FixedOffset {
        match self {
            Self::Iana(tz) => tz.offset_from_utc_datetime(&instant.naive_utc()).fix(),
            Self::Fixed(offset) => offset,
        }
    }

    /// The wall-clock time at an instant.
    #[must_use]
    pub fn local(self, instant: Timestamp) -> NaiveDateTime {
        instant.with_timezone(&self.offset_at(instant)).naive_local()
    }

    /// The calendar day at an instant.
    #[must_use]
    pub fn date(self, instant: Timestamp) -> NaiveDate {
        self.local(instant).date()
    }

    fn candidates(self, local: NaiveDateTime) -> MappedLocalTime<FixedOffset> {
        match self {
            Self::Iana(tz) => tz.offset_from_local_datetime(&local).map(|offset| offset.fix()),
            Self::Fixed(offset) => MappedLocalTime::Single(offset),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iana(tz) => f.write_str(tz.name()),
            Self::Fixed(offset) => write!(f, "{offset}"),
        }
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// How a wall-clock time was settled on a day when the clocks change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// The time exists once.
    #[default]
    Exact,
    /// The clocks jump over it: the time as much later was taken.
    Gap,
    /// The clocks show it twice: the earlier was taken.
    Fold,
}

/// A wall-clock time in a zone, and the instant that it denotes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTime {
    /// What the wall clock of the place shows.
    pub local: NaiveDateTime,
    /// The place's zone.
    pub zone: Zone,
    /// The instant.
    pub instant: Timestamp,
    /// How it was settled.
    #[serde(default)]
    pub settled: Settled,
    /// Whether only the day is known; `local` then stands at midnight.
    #[serde(default)]
    pub date_only: bool,
}

impl LocalTime {
    /// Settles a wall-clock time in a zone.
    ///
    /// ```
    /// use appointd::core::local_time::{LocalTime, Settled, Zone};
    /// use chrono::NaiveDate;
    /// let chicago = Zone::parse("America/Chicago").unwrap();
    /// // On this night the clocks jump from 02:00 to 03:00.
    /// let gap = NaiveDate::from_ymd_opt(2026, 3, 8).unwrap().and_hms_opt(2, 30, 0).unwrap();
    /// let time = LocalTime::settle(gap, chicago);
    /// assert_eq!(time.to_rfc3339(), "2026-03-08T03:30:00-05:00");
    /// assert_eq!(time.settled, Settled::Gap);
    /// ```
    #[must_use]
    pub fn settle(local: NaiveDateTime, zone: Zone) -> Self {
        let (offset, settled) = match zone.candidates(local) {
            MappedLocalTime::Single(offset) => (offset, Settled::Exact),
            // East of UTC counts up, so the earlier instant has the greater offset.
            MappedLocalTime::Ambiguous(a, b) => {
                (if a.local_minus_utc() >= b.local_minus_utc() { a } else { b }, Settled::Fold)
            }
            MappedLocalTime::None => (offset_before_gap(local, zone), Settled::Gap),
        };
        let instant = instant_of(local, offset);
        let local = if settled == Settled::Gap { zone.local(instant) } else { local };
        Self { local, zone, instant, settled, date_only: false }
    }

    /// Takes the instant from the offset that a message states; the zone is for showing it.
    #[must_use]
    pub fn with_offset(local: NaiveDateTime, offset: FixedOffset, zone: Option<Zone>) -> Self {
        let instant = instant_of(local, offset);
        let zone = zone.unwrap_or(Zone::Fixed(offset));
        Self {
            local: zone.local(instant),
            zone,
            instant,
            settled: Settled::Exact,
            date_only: false,
        }
    }

    /// Settles a day without a time of day.
    #[must_use]
    pub fn day(date: NaiveDate, zone: Zone) -> Self {
        Self { date_only: true, ..Self::settle(date.and_time(NaiveTime::MIN), zone) }
    }

    /// The time `minutes` later, in the same zone.
    #[must_use]
    pub fn plus_minutes(&self, minutes: u32) -> Self {
        let instant = self.instant + TimeDelta::minutes(i64::from(minutes));
        Self {
            local: self.zone.local(instant),
            zone: self.zone,
            instant,
            settled: Settled::Exact,
            date_only: false,
        }
    }

    /// Renders as RFC 3339 with the place's offset.
    #[must_use]
    pub fn to_rfc3339(&self) -> String {
        let offset = self.zone.offset_at(self.instant);
        self.instant.with_timezone(&offset).format("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

fn instant_of(local: NaiveDateTime, offset: FixedOffset) -> Timestamp {
    let seconds = i64::from(offset.local_minus_utc());
    DateTime::<Utc>::from_naive_utc_and_offset(local, Utc)
        .checked_sub_signed(TimeDelta::seconds(seconds))
        .unwrap_or(DateTime::UNIX_EPOCH)
}

/// The offset in force before the clocks jumped over `local`.
fn offset_before_gap(local: NaiveDateTime, zone: Zone) -> FixedOffset {
    // The longest jump on record skipped a whole day (Samoa, 2011-12-30).
    (1..=26)
        .filter_map(|hours| local.checked_sub_signed(TimeDelta::hours(hours)))
        .find_map(|earlier| zone.candidates(earlier).earliest())
        .unwrap_or_else(|| Utc.fix())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn a_repeated_time_is_the_earlier_one() {
        let zone = Zone::parse("America/New_York").unwrap();
        let time = LocalTime::settle(local("2026-11-01T01:30:00"), zone);
        assert_eq!(time.settled, Settled::Fold);
        assert_eq!(time.to_rfc3339(), "2026-11-01T01:30:00-04:00");
    }

    #[test]
    fn a_skipped_day_moves_on() {
        let zone = Zone::parse("Pacific/Apia").unwrap();
        let time = LocalTime::settle(local("2011-12-30T09:00:00"), zone);
        assert_eq!(time.settled, Settled::Gap);
        assert_eq!(time.to_rfc3339(), "2011-12-31T09:00:00+14:00");
    }

    #[test]
    fn an_offset_in_the_message_wins_over_the_zone() {
        let zone = Zone::parse("America/Los_Angeles").unwrap();
        let offset = FixedOffset::west_opt(6 * 3600).unwrap();
        let time = LocalTime::with_offset(local("2026-12-01T11:30:00"), offset, Some(zone));
        assert_eq!(time.to_rfc3339(), "2026-12-01T09:30:00-08:00");
    }

    #[test]
    fn zones_are_read_or_refused() {
        assert_eq!(Zone::parse("-0700").unwrap().to_string(), "-07:00");
        assert_eq!(Zone::parse(" Europe/Berlin ").unwrap().to_string(), "Europe/Berlin");
        for bad in ["", "Mars/Base", "07:00", "+99:99", "EST5EDT4"] {
            assert!(Zone::parse(bad).is_err(), "{bad}");
        }
    }
}
