//! The hours at which a phone may be texted.
//!
//! Where the facility and the phone's area have different clocks, a text has to suit both: nobody is
//! called out of bed because a number once came from elsewhere, or because the clinic is.

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use super::local_time::{LocalTime, Zone};
use super::phone::PhoneNumber;
use super::phone::zones::zones;
use super::rules::{Reminders, Window};
use crate::clock::Timestamp;

/// How often a moment is moved from one zone's hours to another's before they count as having none
/// in common; two zones meet within three steps if they meet at all.
const STEPS_MAX: usize = 12;

/// Hours that hold in all of these zones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    window: Window,
    zones: Vec<Zone>,
}

impl Hours {
    /// The hours of a facility in `zone` for a phone.
    ///
    /// Where the two have no hour in common, as with a clinic in New York and a phone of Guam, the
    /// facility's alone count: whoever has a visit there soon is likely to be near.
    #[must_use]
    pub fn of(zone: Zone, phone: Option<&PhoneNumber>, rules: &Reminders) -> Self {
        let mut zones_of_all = vec![zone];
        let areas = phone.filter(|_| rules.by_area_code).map(zones).unwrap_or_default();
        zones_of_all.extend(areas.into_iter().filter(|area| *area != zone));
        Self { window: rules.window, zones: zones_of_all }
    }

    /// The hours of one zone.
    #[must_use]
    pub fn at(zone: Zone, window: Window) -> Self {
        Self { window, zones: vec![zone] }
    }

    /// Whether the phone may be texted at a moment.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.next_opening(at) == at
    }

    /// The next moment, from `from` on, at which the phone may be texted.
    #[must_use]
    pub fn next_opening(&self, from: Timestamp) -> Timestamp {
        let later = |at, zone: &Zone| opening(at, *zone, self.window);
        self.meet(from, later)
            .unwrap_or_else(|| self.alone(|zone| opening(from, zone, self.window), from))
    }

    /// The last minute before `at` at which the phone could be texted.
    #[must_use]
    pub fn last_before(&self, at: Timestamp) -> Option<Timestamp> {
        let earlier = |at, zone: &Zone| {
            let is_open = self.window.contains(zone.local(at).time());
            if is_open { at } else { closing(at, *zone, self.window).unwrap_or(at) }
        };
        let met = self.meet(at, earlier);
        met.or_else(|| self.zones.first().and_then(|zone| closing(at, *zone, self.window)))
    }

    /// Moves a moment from zone to zone until it suits all; `None` if it never does.
    fn meet(
        &self,
        from: Timestamp,
        step: impl Fn(Timestamp, &Zone) -> Timestamp,
    ) -> Option<Timestamp> {
        let mut at = from;
        for _ in 0..STEPS_MAX {
            let moved = self.zones.iter().fold(at, &step);
            if moved == at {
                return Some(at);
            }
            at = moved;
        }
        None
    }

    fn alone(&self, of: impl Fn(Zone) -> Timestamp, otherwise: Timestamp) -> Timestamp {
        self.zones.first().map_or(otherwise, |zone| of(*zone))
    }
}

/// The next moment, from `from` on, that lies in the window of a zone.
fn opening(from: Timestamp, zone: Zone, window: Window) -> Timestamp {
    let local = zone.local(from);
    if window.contains(local.time()) {
        return from;
    }
    let day =
        if local.time() < window.start { Some(local.date()) } else { local.date().succ_opt() };
    day.map_or(from, |day| moment(day, window.start, zone))
}

/// The last minute of a zone's window that closed before `at`.
fn closing(at: Timestamp, zone: Zone, window: Window) -> Option<Timestamp> {
    let local = zone.local(at);
    let Some(finish) = window.finish else {
        // Open until midnight.
        return Some(moment(local.date(), NaiveTime::MIN, zone) - TimeDelta::minutes(1));
    };
    let day = if local.time() >= finish { Some(local.date()) } else { local.date().pred_opt() };
    Some(moment(day?, finish, zone) - TimeDelta::minutes(1))
}

fn moment(day: NaiveDate, time: NaiveTime, zone: Zone) -> Timestamp {
    LocalTime::settle(day.and_time(time), zone).instant
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn zone(name: &str) -> Zone {
        Zone::parse(name).unwrap()
    }

    fn office() -> Window {
        Window {
            start: NaiveTime::from_hms_opt(9, 0, 0).unwrap(),
            finish: NaiveTime::from_hms_opt(20, 0, 0),
        }
    }

    fn both(first: &str, second: &str) -> Hours {
        Hours { window: office(), zones: vec![zone(first), zone(second)] }
    }

    #[test]
    fn an_opening_that_the_clocks_skip_is_moved_on() {
        let night = Window {
            start: NaiveTime::from_hms_opt(2, 30, 0).unwrap(),
            finish: NaiveTime::from_hms_opt(23, 0, 0),
        };
        let hours = Hours::at(zone("America/New_York"), night);
        let opening = hours.next_opening(at("2026-03-08T06:30:00Z"));
        assert_eq!(opening, at("2026-03-08T07:30:00Z"), "03:30 summer time");
    }

    #[test]
    fn a_text_has_to_suit_both_zones() {
        let hours = both("America/New_York", "America/Los_Angeles");
        // 09:00 in New York is 06:00 in Los Angeles, where it opens at noon of New York.
        assert_eq!(hours.next_opening(at("2026-12-01T14:00:00Z")), at("2026-12-01T17:00:00Z"));
        assert!(hours.contains(at("2026-12-02T00:59:00Z")), "19:59 and 16:59");
        // 20:00 in New York: both sleep until 09:00 in Los Angeles.
        assert_eq!(hours.next_opening(at("2026-12-02T01:00:00Z")), at("2026-12-02T17:00:00Z"));
        // Before 08:00 in New York the last common minute was 19:59 there.
        assert_eq!(hours.last_before(at("2026-12-02T13:00:00Z")), Some(at("2026-12-02T00:59:00Z")));
    }

    #[test]
    fn zones_without_a_common_hour_leave_the_facility_alone() {
        let narrow = Window {
            start: NaiveTime::from_hms_opt(9, 0, 0).unwrap(),
            finish: NaiveTime::from_hms_opt(12, 0, 0),
        };
        let zones = vec![zone("America/New_York"), zone("Pacific/Guam")];
        let hours = Hours { window: narrow, zones };
        assert_eq!(hours.next_opening(at("2026-12-01T12:00:00Z")), at("2026-12-01T14:00:00Z"));
        assert_eq!(hours.last_before(at("2026-12-01T12:00:00Z")), Some(at("2026-11-30T16:59:00Z")));
    }

    #[test]
    fn the_whole_day_is_open_everywhere() {
        let zones = vec![zone("America/New_York"), zone("Asia/Tokyo")];
        let hours = Hours { window: Window::ALWAYS, zones };
        let moment = at("2026-12-01T12:00:00Z");
        assert!(hours.contains(moment));
        assert_eq!(hours.last_before(moment), Some(moment));
    }
}
