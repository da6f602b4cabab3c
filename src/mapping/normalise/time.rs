//! Times: from civil time to an instant, with the zone that is meant.

use crate::core::local_time::{LocalTime, Zone};
use crate::hl7::Dtm;
use crate::hl7::dtm::{Error, Precision};

/// The zones that are known besides what the message says.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Zones {
    /// The zone of the place of the visit.
    pub(in super::super) place: Option<Zone>,
    /// The zone of the feed or the practice.
    pub(in super::super) site: Zone,
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

/// Reads a time and settles it: by the offset that it states, else by the place's zone, else by the
/// site's. A day without time of day stays a day.
pub(in super::super) fn read(text: &str, zones: Zones) -> Result<LocalTime, Problem> {
    let dtm = Dtm::parse(text).map_err(Problem::Unreadable)?;
    match dtm.precision {
        Precision::Year | Precision::Month => Err(Problem::TooCoarse),
        Precision::Day => Ok(LocalTime::day(dtm.local.date(), zones.place.unwrap_or(zones.site))),
        Precision::Hour | Precision::Minute | Precision::Second | Precision::Fraction => {
            Ok(settle(&dtm, zones))
        }
    }
}

fn settle(dtm: &Dtm, zones: Zones) -> LocalTime {
    let Some(offset) = dtm.offset else {
        return LocalTime::settle(dtm.local, zones.place.unwrap_or(zones.site));
    };
    let stated = LocalTime::with_offset(dtm.local, offset, None);
    // The site's zone only shows the time of a place that it agrees with.
    let agrees = zones.site.offset_at(stated.instant) == offset;
    let zone = zones.place.or_else(|| agrees.then_some(zones.site));
    LocalTime::with_offset(dtm.local, offset, zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::parse(name).unwrap()
    }

    fn read_in(text: &str, place: Option<&str>, site: &str) -> String {
        let time = read(text, Zones { place: place.map(zone), site: zone(site) }).unwrap();
        format!("{} {}", time.to_rfc3339(), time.zone)
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
    fn what_is_no_day_is_refused() {
        let zones = Zones { place: None, site: Zone::UTC };
        assert_eq!(read("202612", zones), Err(Problem::TooCoarse));
        assert_eq!(read("20260231", zones), Err(Problem::Unreadable(Error::Day)));
        assert!(read("20261201", zones).unwrap().date_only);
        assert!(read("soon", zones).is_err());
    }
}
