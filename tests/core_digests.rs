//! How many reminders a patient gets: digests, the daily cap, standstills, an operator's wish.

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use appointd::core::appointment::{Disposition, Status, TimerKind, WishKind};
use appointd::core::delivery::{Failure, Report};
use appointd::core::effect::TextKind;
use appointd::core::event::Event;
use appointd::core::field::Field;
use appointd::core::reason::Reason;
use chrono::TimeDelta;
use support::{
    JANE, NEXT_TUESDAY, World, booked, canceled, for_rick, hours, key, minutes, new_york,
    rescheduled, utc, with,
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

#[test]
fn appointments_of_one_day_share_one_reminder() {
    let mut world = World::new();
    world.tell(booked("1", "2026-12-08T10:00:00"));
    world.tell(booked("2", "2026-12-08T14:00:00"));
    world.advance_to(utc("2026-12-06T16:00:00Z"));
    assert_eq!(reminders(&world), ["12-06 10:00"]);
    assert_eq!(world.appointment("1").disposition, Disposition::Reminded(1));
    assert_eq!(world.appointment("2").disposition, Disposition::Reminded(1));
    let body = &world.last().body;
    assert!(body.contains("2 appointments") && body.contains("10:00 AM"), "{body}");
    assert!(body.contains("2:00 PM"), "{body}");
    world.pass(hours(24 * 7));
    assert_eq!(reminders(&world), ["12-06 10:00", "12-07 10:00"]);
    assert_eq!(world.appointment("2").disposition, Disposition::Expired);
}

#[test]
fn a_digest_lists_its_appointments_by_time() {
    let mut world = World::new();
    world.tell(booked("1", "2026-12-08T14:00:00"));
    world.tell(booked("2", "2026-12-08T10:00:00"));
    world.advance_to(utc("2026-12-06T16:00:00Z"));
    let listed: Vec<_> = world.last().about.iter().map(|about| &about.appointment).collect();
    assert_eq!(listed, [&key("2"), &key("1")]);
}

#[test]
fn family_members_on_one_phone_share_a_reminder_of_the_day() {
    let mut world = World::new();
    world.tell(booked("1", "2026-12-08T10:00:00"));
    world.tell(for_rick(booked("2", "2026-12-08T14:00:00")));
    world.advance_to(utc("2026-12-06T16:00:00Z"));
    assert_eq!(reminders(&world), ["12-06 10:00"]);
    assert_eq!(world.appointment("2").disposition, Disposition::Reminded(1));
    assert_eq!(world.last().about.len(), 2);
    world.reply(JANE, "C");
    for id in ["1", "2"] {
        assert!(world.appointment(id).has_wish(WishKind::Confirm), "the text was about both");
    }
    assert_eq!(world.kinds(), ["booked", "booked", "reminder", "confirm_noted"]);
    world.pass(hours(24 * 14));
    assert_eq!(reminders(&world), ["12-06 10:00", "12-07 10:00"]);
}

#[test]
fn who_has_had_the_days_reminders_is_left_out_of_a_familys() {
    let mut world = World::new();
    world.rules.reminders.per_patient_per_day = 1;
    world.tell(for_rick(booked("3", "2026-12-09T09:30:00")));
    world.tell(booked("1", "2026-12-08T10:00:00"));
    world.tell(for_rick(booked("2", "2026-12-08T14:00:00")));
    world.advance_to(utc("2026-12-07T16:00:00Z"));
    // On the 7th Rick was told of the 9th at half past nine.
    assert_eq!(world.last().about.len(), 1);
}

#[test]
fn a_phone_gets_no_more_than_the_weeks_texts_but_what_it_needs() {
    let mut world = World::new();
    world.rules.reminders.per_phone_per_week = Some(2);
    world.tell(booked("1", NEXT_TUESDAY));
    world.tell(booked("2", "2026-12-09T10:00:00"));
    world.tell(booked("3", "2026-12-10T10:00:00"));
    assert_eq!(world.kinds(), ["booked", "booked"]);
    assert!(world.log.iter().any(|outcome| outcome.because == Reason::CappedWeek));
    world.tell(canceled("2", "2026-12-09T10:00:00"));
    world.tell(rescheduled("1", "2026-12-11T10:00:00"));
    world.pass(minutes(3));
    assert_eq!(world.kinds(), ["booked", "booked", "rescheduled", "canceled"]);
    world.reply(JANE, "1");
    assert_eq!(world.last().kind.name(), "which_one", "answers are not counted");
    world.advance_to(utc("2026-12-08T14:00:00Z"));
    assert!(reminders(&world).is_empty());
    // Seven days after the first texts there is room again.
    world.pass(hours(24 * 7));
    assert_eq!(reminders(&world), ["12-08 10:00", "12-09 10:00"]);
}

#[test]
fn texts_suit_the_hours_of_the_phones_area_too() {
    let mut world = World::new();
    world.rules.reminders.by_area_code = true;
    // 10:00 in New York is 07:00 in San Francisco.
    world.tell(booked("1", NEXT_TUESDAY));
    assert!(world.sent.is_empty());
    world.pass(hours(2));
    assert_eq!(world.kinds(), ["booked"]);
    world.tell(booked("2", "2026-12-10T10:00:00"));
    world.advance_to(utc("2026-12-09T23:00:00Z"));
    let first = ["12-06 14:00", "12-07 14:00", "12-07 19:59", "12-08 19:59"];
    assert_eq!(reminders(&world), first, "10:00 moves to the evening before");
}

#[test]
fn family_members_are_reminded_apart_where_so_configured() {
    let mut world = World::new();
    world.rules.reminders.digest_by_phone = false;
    world.tell(booked("1", "2026-12-08T10:00:00"));
    world.tell(for_rick(booked("2", "2026-12-08T14:00:00")));
    world.pass(hours(24 * 14));
    let expected = ["12-06 10:00", "12-06 14:00", "12-07 10:00", "12-07 14:00"];
    assert_eq!(reminders(&world), expected);
    let reminders = world.sent.iter().filter(|sent| sent.kind == TextKind::Reminder);
    let named: Vec<bool> = reminders.map(|sent| sent.body.contains("for Rick")).collect();
    assert_eq!(named, [false, true, false, true]);
}

#[test]
fn another_day_is_another_reminder() {
    let mut world = World::new();
    world.tell(booked("1", "2026-12-08T10:00:00"));
    world.tell(booked("2", "2026-12-09T10:00:00"));
    world.pass(hours(24 * 14));
    let expected = ["12-06 10:00", "12-07 10:00", "12-07 10:00", "12-08 10:00"];
    assert_eq!(reminders(&world), expected);
}

#[test]
fn a_patient_has_two_reminders_a_day_at_most() {
    let mut world = World::new();
    for (id, start) in
        [("1", "2026-12-08T10:00:00"), ("2", "2026-12-09T11:00:00"), ("3", "2026-12-10T12:00:00")]
    {
        world.tell(booked(id, start));
    }
    world.rules.reminders.offsets = vec![];
    for id in ["1", "2", "3"] {
        let generation = world.appointment(id).generation;
        let mut due = world.appointment(id).clone();
        due.timers.retain(|timer| timer.kind != TimerKind::Expire);
        due.timers.truncate(1);
        due.timers.iter_mut().for_each(|timer| timer.due = world.now);
        world.scene.appointments.insert(key(id), due);
        let timer = Event::TimerDue { appointment: key(id), generation };
        let reasons = world.turn(None, &timer);
        let expected = if id == "3" { Reason::Capped } else { Reason::ReminderQueued };
        assert_eq!(reasons, [expected]);
    }
}

#[test]
fn the_cap_counts_by_patient_and_day() {
    let mut world = World::new();
    world.rules.reminders.per_patient_per_day = 1;
    world.rules.reminders.digest_by_phone = false;
    world.tell(booked("1", "2026-12-08T10:00:00"));
    world.tell(booked("2", "2026-12-09T09:30:00"));
    world.tell(for_rick(booked("3", "2026-12-08T12:00:00")));
    world.pass(hours(24 * 14));
    // The first of the second appointment and the last of the first fall on the 7th.
    let expected = ["12-06 10:00", "12-06 12:00", "12-07 09:30", "12-07 12:00", "12-08 09:30"];
    assert_eq!(reminders(&world), expected);
}

#[test]
fn after_three_days_down_what_is_overdue_is_sent_once() {
    let mut world = world_with_booking();
    world.advance_to(utc("2026-12-05T15:00:00Z"));
    world.sleep(hours(24 * 2 + 6));
    assert_eq!(reminders(&world), ["12-07 16:00"], "one text for both");
    assert_eq!(world.appointment("1").disposition, Disposition::Reminded(1));
    world.pass(hours(24 * 7));
    assert_eq!(reminders(&world).len(), 1);
}

#[test]
fn after_three_days_down_what_is_of_no_use_is_skipped_with_a_reason() {
    for (down, reason) in [
        (hours(24 * 3 + 3) + minutes(30), Reason::TooLate),
        (hours(24 * 3 + 4) + minutes(30), Reason::Past),
        (hours(24 * 4), Reason::Expired),
    ] {
        let mut world = world_with_booking();
        world.advance_to(utc("2026-12-05T15:00:00Z"));
        world.sleep(down);
        assert!(reminders(&world).is_empty());
        assert!(world.log.iter().any(|outcome| outcome.because == reason), "{reason:?}");
    }
}

#[test]
fn an_operator_can_remind_now_beyond_the_cap() {
    let mut world = World::new();
    world.rules.reminders.per_patient_per_day = 0;
    world.tell(booked("1", NEXT_TUESDAY));
    assert_eq!(world.remind_now("1"), [Reason::ReminderQueued]);
    assert_eq!(world.kinds(), ["booked", "reminder"]);
    assert_eq!(world.appointment("1").disposition, Disposition::Reminded(1));
}

#[test]
fn an_operator_cannot_remind_where_nothing_may_be_sent() {
    let mut world = world_with_booking();
    world.tell(booked("2", NEXT_TUESDAY));
    world.tell(canceled("2", NEXT_TUESDAY));
    assert_eq!(world.remind_now("2"), [Reason::NotExpected(Status::Canceled)]);
    world.reply(JANE, "STOP");
    assert_eq!(world.remind_now("1"), [Reason::OptedOut]);
    world.advance_to(utc("2026-12-08T19:30:00Z"));
    assert_eq!(world.remind_now("1"), [Reason::Past]);
}

#[test]
fn without_record_numbers_names_tell_family_members_apart() {
    let nameless = |claim| with(claim, |c| c.patient.id = Field::Absent);
    let mut world = World::new();
    world.rules.reminders.digest_by_phone = false;
    world.tell(nameless(booked("1", "2026-12-08T10:00:00")));
    world.tell(nameless(for_rick(booked("2", "2026-12-08T14:00:00"))));
    world.tell(nameless(canceled("1", "2026-12-08T10:00:00")));
    world.tell(nameless(for_rick(booked("3", "2026-12-10T14:00:00"))));
    world.pass(minutes(3));
    assert_eq!(world.kinds(), ["booked", "booked", "booked", "canceled"]);
    world.tell(nameless(booked("1", "2026-12-08T10:00:00")));
    world.advance_to(utc("2026-12-06T16:00:00Z"));
    assert_eq!(world.last().about.len(), 1);
}

#[test]
fn what_is_overdue_at_night_counts_for_the_day_on_which_it_leaves() {
    let mut world = World::new();
    world.now = utc("2026-12-02T01:00:00Z");
    world.tell(booked("1", "2026-12-07T15:30:00"));
    world.tell(booked("2", "2026-12-06T16:30:00"));
    world.advance_to(utc("2026-12-02T15:00:00Z"));
    // Down until 03:00 of the 5th.
    world.sleep(hours(65));
    assert!(reminders(&world).is_empty());
    world.advance_to(utc("2026-12-06T03:00:00Z"));
    assert_eq!(reminders(&world), ["12-05 09:00", "12-05 15:30"]);
}

#[test]
fn what_is_overdue_at_night_is_skipped_where_the_opening_is_too_late() {
    let mut world = World::new();
    world.tell(booked("1", "2026-12-08T09:30:00"));
    world.advance_to(utc("2026-12-05T15:00:00Z"));
    world.sleep(hours(69));
    assert!(world.log.iter().any(|outcome| outcome.because == Reason::TooLate));
    world.pass(hours(24));
    assert!(reminders(&world).is_empty());
    assert_eq!(world.appointment("1").disposition, Disposition::Expired);
}

#[test]
fn an_offset_of_just_the_least_lead_is_kept_although_timers_are_a_moment_late() {
    let mut world = World::new();
    world.rules.reminders.offsets = vec![hours(1)];
    world.tell(booked("1", NEXT_TUESDAY));
    world.advance_to(utc("2026-12-08T17:59:59Z"));
    world.sleep(TimeDelta::milliseconds(1_250));
    assert_eq!(reminders(&world), ["12-08 13:00"]);
}

#[test]
fn an_operator_can_remind_shortly_before_the_visit() {
    let mut world = world_with_booking();
    world.rules.reminders.offsets = vec![];
    world.advance_to(utc("2026-12-08T18:40:00Z"));
    let texts = world.sent.len();
    world.turn(None, &Event::RemindNow { appointment: key("1") });
    world.sleep(TimeDelta::milliseconds(40));
    assert_eq!(world.sent.len(), texts + 1);
}

#[test]
fn a_digest_leaves_out_what_is_about_to_begin() {
    let mut world = World::new();
    world.rules.reminders.offsets = vec![hours(2)];
    // In the evening before: too late for a reminder of the first on that day.
    world.advance_to(utc("2026-12-08T02:00:00Z"));
    world.tell(booked("1", "2026-12-08T09:30:00"));
    world.tell(booked("2", "2026-12-08T11:00:00"));
    world.advance_to(utc("2026-12-08T13:59:59Z"));
    world.sleep(TimeDelta::milliseconds(1_100));
    let listed: Vec<_> = world.last().about.iter().map(|about| about.appointment.clone()).collect();
    assert_eq!(reminders(&world), ["12-08 09:00"]);
    assert_eq!(listed, [key("2")]);
}

#[test]
fn a_digest_of_which_one_is_called_off_speaks_for_the_others() {
    let mut world = World::new();
    world.tell(booked("1", "2026-12-08T10:00:00"));
    world.tell(booked("2", "2026-12-08T14:00:00"));
    world.advance_to(utc("2026-12-06T14:59:00Z"));
    let carrier_is_down = Report::NotDone { failure: Failure::TryLater, code: "429".to_owned() };
    world.accepts = false;
    world.advance_to(utc("2026-12-06T15:00:00Z"));
    let id = world.last().outbox.clone();
    world.report(&id, carrier_is_down);
    world.hear(canceled("1", "2026-12-08T10:00:00"));
    world.pass(minutes(1));
    assert_eq!(world.kinds(), ["booked", "booked", "reminder", "reminder"]);
    let body = &world.last().body;
    assert!(body.contains("2:00 PM") && !body.contains("10:00 AM"), "{body}");
}
