//! When reminders go out, how many, and when they do not.

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use appointd::clock::Timestamp;
use appointd::core::appointment::{Disposition, Status, TimerKind};
use appointd::core::effect::TextKind;
use appointd::core::event::Event;
use appointd::core::field::Field;
use appointd::core::hours::Hours;
use appointd::core::local_time::{LocalTime, Settled, Zone};
use appointd::core::reason::Reason;
use appointd::core::reminder::{Placement, place};
use appointd::core::rules::Window;
use chrono::TimeDelta;
use support::{
    JANE, NEXT_TUESDAY, World, booked, canceled, confirmed, day, hours, key, local, minutes,
    modified, new_york, noshowed, rescheduled, rules, stating, utc, window, with,
};

fn world_with_booking() -> World {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world
}

fn reminders(world: &World) -> Vec<String> {
    let reminders = world.sent.iter().filter(|sent| sent.kind == TextKind::Reminder);
    reminders.map(|sent| new_york().local(sent.at).format("%m-%d %H:%M").to_string()).collect()
}

fn dues(world: &World, id: &str) -> Vec<String> {
    let timers = world.appointment(id).timers.iter();
    timers
        .filter(|timer| timer.kind != TimerKind::Expire)
        .map(|timer| new_york().local(timer.due).format("%m-%d %H:%M").to_string())
        .collect()
}

#[test]
fn two_days_and_one_day_before_by_default() {
    let mut world = world_with_booking();
    assert_eq!(world.appointment("1").disposition, Disposition::Queued);
    world.advance_to(utc("2026-12-06T19:00:00Z"));
    assert_eq!(world.appointment("1").disposition, Disposition::Reminded(1));
    world.advance_to(utc("2026-12-07T19:00:00Z"));
    assert_eq!(world.appointment("1").disposition, Disposition::Reminded(2));
    assert_eq!(reminders(&world), ["12-06 14:00", "12-07 14:00"]);
    world.advance_to(utc("2026-12-08T20:00:00Z"));
    assert_eq!(world.appointment("1").disposition, Disposition::Expired);
    assert_eq!(world.sent.len(), 3, "the end is silent");
}

#[test]
fn any_number_of_offsets_may_be_set() {
    for (offsets, expected) in [
        (vec![], vec![]),
        (vec![hours(24)], vec!["12-07 14:00"]),
        (vec![hours(72), hours(48), hours(3)], vec!["12-05 14:00", "12-06 14:00", "12-08 11:00"]),
    ] {
        let mut world = World::new();
        world.rules.reminders.offsets = offsets;
        world.tell(booked("1", NEXT_TUESDAY));
        world.pass(hours(24 * 14));
        assert_eq!(reminders(&world), expected);
    }
}

#[test]
fn a_booking_thirty_hours_ahead_has_the_second_reminder_only() {
    let mut world = World::new();
    world.tell(booked("1", "2026-12-02T16:00:00"));
    assert_eq!(dues(&world, "1"), ["12-01 16:00"]);
    world.pass(hours(48));
    assert_eq!(reminders(&world), ["12-01 16:00"]);
}

#[test]
fn a_reminder_before_the_opening_moves_to_the_evening_before() {
    let mut world = World::new();
    world.tell(booked("1", "2026-12-08T08:00:00"));
    assert_eq!(dues(&world, "1"), ["12-05 19:59", "12-06 19:59"]);
}

#[test]
fn the_opening_is_inclusive_and_the_close_exclusive() {
    let mut world = World::new();
    world.tell(booked("1", "2026-12-08T09:00:00"));
    world.tell(booked("2", "2026-12-08T19:59:00"));
    world.tell(booked("3", "2026-12-08T20:00:00"));
    assert_eq!(dues(&world, "1"), ["12-06 09:00", "12-07 09:00"]);
    assert_eq!(dues(&world, "2"), ["12-06 19:59", "12-07 19:59"]);
    assert_eq!(dues(&world, "3"), ["12-06 19:59", "12-07 19:59"]);
}

#[test]
fn a_reminder_moves_on_where_the_evening_before_has_passed() {
    let mut world = World::new();
    // 22:00 on Monday; the visit is at 08:30 on Wednesday.
    world.now = utc("2026-12-08T03:00:00Z");
    world.tell(booked("1", "2026-12-09T08:30:00"));
    assert_eq!(dues(&world, "1"), ["12-08 09:00"]);
}

#[test]
fn a_reminder_is_skipped_where_too_little_time_would_be_left() {
    let mut world = World::new();
    world.rules.reminders.offsets = vec![hours(2)];
    // 21:00; the visit is at 09:30, the next opening at 09:00.
    world.now = utc("2026-12-02T02:00:00Z");
    world.tell(booked("1", "2026-12-02T09:30:00"));
    assert!(dues(&world, "1").is_empty());
    world.tell(booked("2", "2026-12-02T10:00:00"));
    assert_eq!(dues(&world, "2"), ["12-02 09:00"], "exactly the least lead is left");
}

#[test]
fn two_offsets_that_fall_on_one_moment_are_one_reminder() {
    let mut world = World::new();
    world.rules.reminders.offsets = vec![hours(26), hours(24)];
    world.tell(booked("1", "2026-12-08T08:00:00"));
    assert_eq!(dues(&world, "1"), ["12-06 19:59"]);
}

#[test]
fn the_window_is_the_patients_not_the_practices() {
    let mut world = World::new();
    let zone = Zone::parse("America/Los_Angeles").unwrap();
    let start = LocalTime::settle("2026-12-08T09:00:00".parse().unwrap(), zone);
    world.tell(with(booked("1", NEXT_TUESDAY), |c| c.appointment.start = Field::Value(start)));
    let due = world.appointment("1").timers.first().unwrap().due;
    assert_eq!(due, utc("2026-12-06T17:00:00Z"), "09:00 on the west coast");
}

#[test]
fn the_hour_of_the_appointment_itself_does_not_count() {
    let mut world = World::new();
    world.tell(booked("1", "2026-12-08T06:30:00"));
    world.pass(hours(24 * 10));
    assert_eq!(reminders(&world).len(), 2, "an early visit is reminded of all the same");
}

#[test]
fn across_a_change_of_clocks_an_offset_is_elapsed_time_and_the_window_wall_clock() {
    let mut world = World::new();
    world.now = utc("2026-03-02T15:00:00Z");
    // The clocks go forward on Sunday the 8th at 02:00.
    world.tell(booked("1", "2026-03-08T09:30:00"));
    assert_eq!(dues(&world, "1"), ["03-05 19:59", "03-06 19:59"], "08:30 is before the opening");
    world.tell(booked("2", "2026-03-08T15:00:00"));
    assert_eq!(dues(&world, "2"), ["03-06 14:00", "03-07 14:00"]);
    // They go back on Sunday, November 1.
    world.now = utc("2026-10-20T15:00:00Z");
    world.tell(booked("3", "2026-11-01T19:30:00"));
    assert_eq!(dues(&world, "3"), ["10-30 19:59", "10-31 19:59"], "20:30 is after the close");
}

#[test]
fn a_time_that_the_clocks_skip_or_repeat_is_settled_and_marked() {
    let gap = local("2026-03-08T02:30:00");
    assert_eq!((gap.settled, gap.instant), (Settled::Gap, utc("2026-03-08T07:30:00Z")));
    let fold = local("2026-11-01T01:30:00");
    assert_eq!((fold.settled, fold.instant), (Settled::Fold, utc("2026-11-01T05:30:00Z")));
    let plain = local("2026-11-01T03:30:00");
    assert_eq!(plain.settled, Settled::Exact);
}

#[test]
fn no_reminder_after_cancel_or_no_show() {
    for over in [canceled("1", NEXT_TUESDAY), noshowed("1", NEXT_TUESDAY)] {
        let mut world = world_with_booking();
        world.tell(over);
        assert!(dues(&world, "1").is_empty());
        world.pass(hours(24 * 14));
        assert!(reminders(&world).is_empty());
    }
}

#[test]
fn no_reminder_once_the_patient_has_come() {
    let mut world = world_with_booking();
    world.tell(stating(modified("1", NEXT_TUESDAY), Status::Arrived));
    world.pass(hours(24 * 14));
    assert!(reminders(&world).is_empty());
}

#[test]
fn events_that_leave_the_start_leave_the_count_of_reminders() {
    for claim in [
        modified("1", NEXT_TUESDAY),
        with(modified("1", NEXT_TUESDAY), |c| {
            c.appointment.provider = Field::Value(support::doctor("Roe"));
        }),
        confirmed("1", NEXT_TUESDAY),
        canceled("1", NEXT_TUESDAY),
        noshowed("1", NEXT_TUESDAY),
    ] {
        for (until, expected) in [
            ("2026-12-02T15:00:00Z", Disposition::Queued),
            ("2026-12-06T20:00:00Z", Disposition::Reminded(1)),
        ] {
            let mut world = world_with_booking();
            world.advance_to(utc(until));
            world.tell(claim.clone());
            assert_eq!(world.appointment("1").disposition, expected, "{:?}", claim.event);
        }
    }
}

#[test]
fn wishes_leave_the_count_of_reminders() {
    for text in ["C", "X"] {
        let mut world = world_with_booking();
        world.advance_to(utc("2026-12-06T20:00:00Z"));
        world.reply(JANE, text);
        assert_eq!(world.appointment("1").disposition, Disposition::Reminded(1));
    }
}

#[test]
fn a_new_time_begins_anew_from_any_disposition() {
    for (until, before) in [
        ("2026-12-02T15:00:00Z", Disposition::Queued),
        ("2026-12-06T20:00:00Z", Disposition::Reminded(1)),
        ("2026-12-08T21:00:00Z", Disposition::Expired),
    ] {
        let mut world = world_with_booking();
        world.advance_to(utc(until));
        assert_eq!(world.appointment("1").disposition, before);
        world.tell(rescheduled("1", "2026-12-15T14:00:00"));
        assert_eq!(world.appointment("1").disposition, Disposition::Queued);
        assert_eq!(dues(&world, "1"), ["12-13 14:00", "12-14 14:00"]);
    }
}

#[test]
fn opting_out_is_a_disposition_until_the_visit_is_over() {
    for (until, text) in [("2026-12-02T15:00:00Z", "STOP"), ("2026-12-06T20:00:00Z", "stop")] {
        let mut world = world_with_booking();
        world.advance_to(utc(until));
        world.reply(JANE, text);
        assert_eq!(world.appointment("1").disposition, Disposition::OptedOut);
        let texts = world.sent.len();
        world.pass(hours(24 * 14));
        assert_eq!(world.sent.len(), texts);
        assert_eq!(world.appointment("1").disposition, Disposition::OptedOut);
    }
}

#[test]
fn an_expired_appointment_stays_expired_when_the_patient_opts_out() {
    let mut world = world_with_booking();
    world.advance_to(utc("2026-12-09T15:00:00Z"));
    world.reply(JANE, "STOP");
    assert_eq!(world.appointment("1").disposition, Disposition::Expired);
}

#[test]
fn opting_in_again_brings_the_reminders_back() {
    let mut world = world_with_booking();
    world.reply(JANE, "STOP");
    world.advance_to(utc("2026-12-06T20:00:00Z"));
    world.reply(JANE, "START");
    assert_eq!(world.appointment("1").disposition, Disposition::Queued);
    world.pass(hours(24 * 7));
    assert_eq!(reminders(&world), ["12-07 14:00"]);
}

#[test]
fn no_reminder_for_a_patient_who_asked_to_cancel() {
    let mut world = world_with_booking();
    world.reply(JANE, "X");
    world.pass(hours(24 * 14));
    assert!(reminders(&world).is_empty());
    assert!(world.log.iter().any(|outcome| outcome.because == Reason::AskedToCancel));
}

#[test]
fn a_changed_mind_brings_the_reminders_back() {
    let mut world = world_with_booking();
    world.reply(JANE, "X");
    world.reply(JANE, "C");
    world.pass(hours(24 * 14));
    assert_eq!(reminders(&world).len(), 2);
}

#[test]
fn what_was_planned_before_a_change_is_void() {
    let mut world = world_with_booking();
    let generation = world.appointment("1").generation;
    world.tell(rescheduled("1", "2026-12-15T14:00:00"));
    let void = Event::TimerDue { appointment: key("1"), generation };
    assert_eq!(world.turn(None, &void), [Reason::Void]);
}

#[test]
fn a_timer_that_is_not_due_does_nothing() {
    let mut world = world_with_booking();
    let timer =
        Event::TimerDue { appointment: key("1"), generation: world.appointment("1").generation };
    assert_eq!(world.turn(None, &timer), [Reason::Void]);
    assert_eq!(world.appointment("1").timers.len(), 3, "what is planned stays planned");
}

#[test]
fn a_timer_of_an_unknown_appointment_does_nothing() {
    let mut world = World::new();
    let timer = Event::TimerDue { appointment: key("404"), generation: 1 };
    assert_eq!(world.turn(None, &timer), [Reason::Unknown]);
    assert_eq!(world.remind_now("404"), [Reason::Unknown]);
}

#[test]
fn an_appointment_without_a_start_has_no_timers() {
    let mut world = World::new();
    world.tell(support::claim(appointd::core::claim::EhrEvent::Booked, "1"));
    assert!(world.appointment("1").timers.is_empty());
}

#[test]
fn a_day_without_a_time_is_reminded_of_before_it_begins() {
    let mut world = World::new();
    let all_day = with(booked("1", NEXT_TUESDAY), |c| {
        c.appointment.start = Field::Value(day("2026-12-08"));
    });
    world.tell(all_day);
    assert_eq!(dues(&world, "1"), ["12-05 19:59", "12-06 19:59"]);
    world.pass(hours(24 * 14));
    assert_eq!(reminders(&world).len(), 2);
}

#[test]
fn a_placement_is_never_outside_the_window_nor_after_the_least_lead() {
    let zone = new_york();
    let starts = utc("2026-12-03T15:00:00Z");
    for quarter in 0..(24 * 4) {
        let now = starts - hours(30) + minutes(15 * quarter);
        for offset in [1, 2, 6, 12, 24, 48] {
            let placed = place(
                starts - hours(offset),
                starts,
                &Hours::at(zone, window(9, 20)),
                hours(1),
                now,
            );
            let Placement::At(at) = placed else { continue };
            assert!(window(9, 20).contains(zone.local(at).time()), "{at}");
            assert!(at >= now && at <= starts - hours(1), "{at}");
        }
    }
}

#[test]
fn an_unbounded_window_never_moves_anything() {
    let at: Timestamp = utc("2026-12-03T04:59:59Z");
    assert_eq!(Hours::at(new_york(), Window::ALWAYS).next_opening(at), at);
    let mut all_hours = rules();
    all_hours.reminders.window = Window::ALWAYS;
    let mut world = World::with_rules(all_hours);
    world.tell(booked("1", "2026-12-08T03:00:00"));
    world.pass(TimeDelta::days(14));
    assert_eq!(reminders(&world), ["12-06 03:00", "12-07 03:00"]);
}

#[test]
fn a_window_until_midnight_closes_at_midnight() {
    let mut world = World::new();
    world.rules.reminders.window = Window { finish: None, ..window(9, 20) };
    world.tell(booked("1", "2026-12-08T08:00:00"));
    assert_eq!(dues(&world, "1"), ["12-05 23:59", "12-06 23:59"]);
}

#[test]
fn an_appointment_expires_when_it_is_over_however_its_length_changes() {
    let mut world = world_with_booking();
    world.tell(with(modified("1", NEXT_TUESDAY), |c| {
        c.appointment.duration_minutes = Field::Value(180);
    }));
    world.advance_to(utc("2026-12-08T21:00:00Z"));
    assert_eq!(world.appointment("1").disposition, Disposition::Reminded(2));
    world.advance_to(utc("2026-12-08T22:00:00Z"));
    assert_eq!(world.appointment("1").disposition, Disposition::Expired);
}
