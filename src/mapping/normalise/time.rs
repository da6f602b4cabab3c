//! Times: from civil time to an instant, with the zone that is meant.

use std::fmt;

use crate::core::local_time::{LocalTime, Zone};
use crate::hl7::Dtm;
use crate::hl7::dtm::{Error, Precision};

/// The zones that are known besides what the message says.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Zones {
    /// The zone that the message names.
    pub(in super::super) named: Option<Zone>,
    /// The zone of the place of the visit.
    pub(in super::super) place: Option<Zone>,
    /// The zone of the feed or the practice.
    pub(in super::super) site: Zone,
    /// The zone that the dialect writes in, if its mapping says one.
    pub(in super::super) dialect: Option<Zone>,
    /// Whether a stated offset that is not the site's is that of the place.
    pub(in super::super) offset_is_zone: bool,
}

/// Which zone a mapping says that times without offset are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ZoneRule {
    /// A zone by its name.
    Named(Zone),
    /// The offset of the message's own time, MSH-7.
    Message,
}

/// Where a time's zone was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ZoneFrom {
    Stated,
    /// The offset is stated, and the zone of the place is known besides.
    StatedIn(Zone),
    Named(Zone),
    Dialect(Zone),
    Place(Zone),
    Site(Zone),
}

impl fmt::Display for ZoneFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stated => f.write_str("the offset is stated"),
            Self::StatedIn(zone) => write!(f, "the offset is stated; shown in {zone}"),
            Self::Named(zone) => write!(f, "no offset: in {zone}, as the message says"),
            Self::Dialect(zone) => write!(f, "no offset: in {zone}, as the mapping says"),
            Self::Place(zone) => write!(f, "no offset: in {zone}, the place's zone"),
            Self::Site(zone) => write!(f, "no offset: in {zone}, the feed's or practice's zone"),
        }
    }
}

/// Why a text is no usable time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Problem {
    Unreadable(Error),
    /// A year or a month is no day to come on.
    TooCoarse,
}

/// Whether a text means that there is no time.
pub(in super::super) const fn says_nothing(error: Error) -> bool {
    matches!(error, Error::Empty | Error::Zeros)
}

/// Reads a time and settles it: by the offset that it states, else by the dialect's zone, else by the
/// place's, else by the site's. A day without time of day stays a day.
pub(in super::super) fn read(text: &str, zones: Zones) -> Result<(LocalTime, ZoneFrom), Problem> {
    let dtm = Dtm::parse(text).map_err(Problem::Unreadable)?;
    match dtm.precision {
        Precision::Year | Precision::Month => Err(Problem::TooCoarse),
        Precision::Day => {
            // A day is a day of the place, whatever zone the system keeps its clock in.
            let (zone, from) = zones.of_place();
            Ok((LocalTime::day(dtm.local.date(), zone), from))
        }
        Precision::Hour | Precision::Minute | Precision::Second | Precision::Fraction => {
            Ok(settle(&dtm, zones))
        }
    }
}

impl ZoneFrom {
    /// Whether the time was written without an offset.
    pub(in super::super) const fn is_unstated(self) -> bool {
        match self {
            Self::Stated | Self::StatedIn(_) => false,
            Self::Named(_) | Self::Dialect(_) | Self::Place(_) | Self::Site(_) => true,
        }
    }
}

impl Zones {
    fn of_place(self) -> (Zone, ZoneFrom) {
        match (self.named, self.place) {
            (Some(zone), _) => (zone, ZoneFrom::Named(zone)),
            (None, Some(zone)) => (zone, ZoneFrom::Place(zone)),
            (None, None) => (self.site, ZoneFrom::Site(self.site)),
        }
    }

    /// The zone that a time in another zone is shown in: the place's, or the site's if it agrees.
    fn shown(self, local: &LocalTime) -> Option<Zone> {
        // Universal time is how systems count, not where a visit is.
        if local.zone.offset_at(local.instant).local_minus_utc() == 0 {
            return Some(self.of_place().0);
        }
        let agrees = self.site.offset_at(local.instant) == local.zone.offset_at(local.instant);
        self.place.or_else(|| agrees.then_some(self.site))
    }
}

fn settle(dtm: &Dtm, zones: Zones) -> (LocalTime, ZoneFrom) {
    if let Some(offset) = dtm.offset.filter(|_| !zones.offset_is_zone || zones.named.is_some()) {
        let zone = zones.of_place().0;
        let time = LocalTime::with_offset(dtm.local, offset, Some(zone));
        return (time, ZoneFrom::StatedIn(zone));
    }
    if let Some(offset) = dtm.offset {
        let stated = LocalTime::with_offset(dtm.local, offset, None);
        let zone = zones.shown(&stated);
        return (LocalTime::with_offset(dtm.local, offset, zone), ZoneFrom::Stated);
    }
    let Some(zone) = zones.dialect.filter(|_| zones.named.is_none()) else {
        let (zone, from) = zones.of_place();
        return (LocalTime::settle(dtm.local, zone), from);
    };
    let mut time = LocalTime::settle(dtm.local, zone);
    let counts = zone.offset_at(time.instant).local_minus_utc() == 0
        && !matches!(zone, Zone::Iana(tz) if tz.name().contains('/') && !tz.name().starts_with("Etc/"));
    let shown = if counts { zones.of_place().0 } else { zones.place.unwrap_or(zone) };
    time.local = shown.local(time.instant);
    time.zone = shown;
    (time, ZoneFrom::Dialect(zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::parse(name).unwrap()
    }

    fn of(site: &str) -> Zones {
        let site = zone(site);
        Zones { named: None, place: None, site, dialect: None, offset_is_zone: true }
    }

    fn read_in(text: &str, place: Option<&str>, site: &str) -> String {
        let zones = Zones { place: place.map(zone), ..of(site) };
        let (time, _) = read(text, zones).unwrap();
        format!("{} {}", time.to_rfc3339(), time.zone)
    }

    #[test]
    fn a_dialects_zone_settles_and_the_place_shows() {
        let read_in = |dialect, place: Option<&str>| {
            let zones = Zones {
                place: place.map(zone),
                dialect: Some(zone(dialect)),
                ..of("America/Chicago")
            };
            let (time, from) = read("202612011530", zones).unwrap();
            assert_eq!(from, ZoneFrom::Dialect(zone(dialect)));
            format!("{} {}", time.to_rfc3339(), time.zone)
        };
        assert_eq!(read_in("UTC", None), "2026-12-01T09:30:00-06:00 America/Chicago");
        let denver = Some("America/Denver");
        assert_eq!(read_in("UTC", denver), "2026-12-01T08:30:00-07:00 America/Denver");
        assert_eq!(read_in("America/New_York", None), "2026-12-01T15:30:00-05:00 America/New_York");
        assert_eq!(read_in("America/New_York", denver), "2026-12-01T13:30:00-07:00 America/Denver");
    }

    #[test]
    fn a_stated_offset_beats_the_place_and_the_place_beats_the_site() {
        let (site, place) = ("America/Chicago", Some("America/Denver"));
        let local = read_in("202612010930", None, site);
        assert_eq!(local, "2026-12-01T09:30:00-06:00 America/Chicago");
        let local = read_in("202612010930", place, site);
        assert_eq!(local, "2026-12-01T09:30:00-07:00 America/Denver");
        let local = read_in("202612010930-0800", place, site);
        assert_eq!(local, "2026-12-01T10:30:00-07:00 America/Denver");
    }

    #[test]
    fn an_offset_that_is_not_the_sites_is_kept_as_it_is() {
        let site = "America/Chicago";
        let local = read_in("202612010930-0600", None, site);
        assert_eq!(local, "2026-12-01T09:30:00-06:00 America/Chicago");
        let local = read_in("202612010930-0800", None, site);
        assert_eq!(local, "2026-12-01T09:30:00-08:00 -08:00");
    }

    #[test]
    fn a_zone_that_the_message_names_beats_every_other() {
        let zones = Zones {
            named: Some(zone("America/New_York")),
            place: Some(zone("America/Denver")),
            dialect: Some(zone("UTC")),
            ..of("America/Chicago")
        };
        let told = |text: &str| {
            let (time, from) = read(text, zones).unwrap();
            (format!("{} {}", time.to_rfc3339(), time.zone), from.is_unstated())
        };
        let shown = "2026-12-01T09:30:00-05:00 America/New_York".to_owned();
        assert_eq!(told("2026-12-01T14:30:00Z"), (shown.clone(), false));
        assert_eq!(told("2026-12-01T09:30:00"), (shown, true));
        assert_eq!(told("2026-12-01").0, "2026-12-01T00:00:00-05:00 America/New_York");
    }

    #[test]
    fn an_offset_makes_no_zone_where_it_tells_nothing_of_the_place() {
        let told = |place: Option<&str>| {
            let zones =
                Zones { place: place.map(zone), offset_is_zone: false, ..of("America/Chicago") };
            let (time, from) = read("2026-12-01T10:30:00-05:00", zones).unwrap();
            assert_eq!(from, ZoneFrom::StatedIn(time.zone));
            format!("{} {}", time.to_rfc3339(), time.zone)
        };
        assert_eq!(told(None), "2026-12-01T09:30:00-06:00 America/Chicago");
        assert_eq!(told(Some("America/Denver")), "2026-12-01T08:30:00-07:00 America/Denver");
    }

    #[test]
    fn what_is_no_day_is_refused() {
        let zones = of("UTC");
        assert_eq!(read("202612", zones), Err(Problem::TooCoarse));
        assert_eq!(read("20260231", zones), Err(Problem::Unreadable(Error::Day)));
        assert!(read("20261201", zones).unwrap().0.date_only);
        assert!(read("soon", zones).is_err());
    }
}
