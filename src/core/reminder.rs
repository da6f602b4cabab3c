//! When reminders go out.
//!
//! A reminder is wanted an offset before the appointment; the hours at which patients may be texted
//! move it: back to the end of the window before, if that still lies ahead, else on to the next
//! opening, if that leaves enough time, else it is skipped.

use chrono::TimeDelta;

use super::appointment::{Appointment, Timer, TimerKind};
use super::hours::Hours;
use super::rules::Reminders;
use crate::clock::Timestamp;

/// Where a moment falls when texts keep to a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// At this moment.
    At(Timestamp),
    /// Nowhere: too little time is left.
    TooLate,
}

/// Places a reminder that is wanted at `ideal`.
///
/// ```
/// use appointd::core::hours::Hours;
/// use appointd::core::local_time::Zone;
/// use appointd::core::reminder::{Placement, place};
/// use appointd::core::rules::Window;
/// use chrono::{NaiveTime, TimeDelta};
/// let zone = Zone::parse("America/New_York").unwrap();
/// let at = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
/// let window = Window {
///     start: NaiveTime::from_hms_opt(9, 0, 0).unwrap(),
///     finish: NaiveTime::from_hms_opt(20, 0, 0),
/// };
/// // 07:30 in New York is before the opening: the evening before is the latest allowed moment.
/// let placed = place(
///     at("2026-12-02T12:30:00Z"), at("2026-12-03T12:30:00Z"), &Hours::at(zone, window),
///     TimeDelta::hours(1), at("2026-11-30T00:00:00Z"),
/// );
/// assert_eq!(placed, Placement::At(at("2026-12-02T00:59:00Z")));
/// ```
#[must_use]
pub fn place(
    ideal: Timestamp,
    starts_at: Timestamp,
    hours: &Hours,
    min_lead: TimeDelta,
    now: Timestamp,
) -> Placement {
    let latest = starts_at - min_lead;
    let wanted = ideal.max(now);
    let placed = if hours.contains(wanted) {
        wanted
    } else {
        match hours.last_before(wanted) {
            Some(before) if before > now => before,
            Some(_) | None => hours.next_opening(wanted),
        }
    };
    if placed > latest { Placement::TooLate } else { Placement::At(placed) }
}

/// Plans the timers of an appointment that awaits its patient, earliest first.
///
/// Reminders whose moment has passed are not planned: a booking made the day before has had its
/// notice, and needs no reminder meant for two days before.
#[must_use]
pub fn plan(appointment: &Appointment, rules: &Reminders, now: Timestamp) -> Vec<Timer> {
    let Some(start) = &appointment.start else { return Vec::new() };
    let mut timers: Vec<Timer> = Vec::new();
    if appointment.awaits_patient(now) && !appointment.patient.deceased {
        let hours = Hours::of(start.zone, appointment.patient.phone.as_ref(), rules);
        for (index, offset) in rules.offsets.iter().enumerate() {
            let ideal = start.instant - *offset;
            let Ok(index) = u8::try_from(index) else { break };
            if ideal <= now {
                continue;
            }
            let placed = place(ideal, start.instant, &hours, rules.min_lead, now);
            match placed {
                // Two offsets that the window moves to one moment are one reminder.
                Placement::At(due) if timers.iter().all(|timer| timer.due != due) => {
                    timers.push(Timer { kind: TimerKind::Reminder(index), due });
                }
                Placement::At(_) | Placement::TooLate => {}
            }
        }
    }
    if let Some(end) = appointment.ends_at()
        && end > now
    {
        timers.push(Timer { kind: TimerKind::Expire, due: end });
    }
    timers.sort_by_key(|timer| timer.due);
    timers
}

#[cfg(test)]
mod tests {
    use chrono::NaiveTime;

    use super::*;
    use crate::core::local_time::Zone;
    use crate::core::rules::Window;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn office() -> Window {
        Window {
            start: NaiveTime::from_hms_opt(9, 0, 0).unwrap(),
            finish: NaiveTime::from_hms_opt(20, 0, 0),
        }
    }

    fn placed(ideal: &str, starts: &str, now: &str) -> Placement {
        let zone = Zone::parse("America/New_York").unwrap();
        place(at(ideal), at(starts), &Hours::at(zone, office()), TimeDelta::hours(1), at(now))
    }

    #[test]
    fn inside_the_window_nothing_moves() {
        let ideal = "2026-12-02T15:00:00Z";
        assert_eq!(
            placed(ideal, "2026-12-03T15:00:00Z", "2026-12-01T00:00:00Z"),
            Placement::At(at(ideal))
        );
    }

    #[test]
    fn the_finish_is_exclusive_and_the_start_inclusive() {
        let starts = "2026-12-05T15:00:00Z";
        let now = "2026-12-01T15:00:00Z";
        assert_eq!(
            placed("2026-12-02T14:00:00Z", starts, now),
            Placement::At(at("2026-12-02T14:00:00Z"))
        );
        assert_eq!(
            placed("2026-12-03T01:00:00Z", starts, now),
            Placement::At(at("2026-12-03T00:59:00Z"))
        );
    }

    #[test]
    fn when_the_evening_before_has_passed_the_next_opening_serves() {
        // It is 22:00; the reminder is wanted at 07:00; the visit is at noon.
        let result = placed("2026-12-02T12:00:00Z", "2026-12-02T17:00:00Z", "2026-12-02T03:00:00Z");
        assert_eq!(result, Placement::At(at("2026-12-02T14:00:00Z")));
    }

    #[test]
    fn too_late_is_skipped() {
        // The next opening is 09:00, the visit at 09:30, and an hour must be left.
        let result = placed("2026-12-02T12:00:00Z", "2026-12-02T14:30:00Z", "2026-12-02T03:00:00Z");
        assert_eq!(result, Placement::TooLate);
    }
}
