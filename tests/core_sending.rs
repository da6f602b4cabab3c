//! What is checked when a text leaves, what becomes of it, and what no sequence of events may do.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use appointd::core::appointment::{Disposition, Status};
use appointd::core::contact::ConsentCause;
use appointd::core::delivery::{Failure, Outgoing, Report, State};
use appointd::core::effect::{Effect, TaskKind};
use appointd::core::event::Event;
use appointd::core::field::Field;
use appointd::core::ids::OutboxId;
use appointd::core::reason::Reason;
use support::{JANE, NEXT_TUESDAY, World, booked, hours, minutes, modified, phone, utc, with};

/// A world at night, in which a booking waits for the morning.
fn world_with_waiting_booking() -> (World, OutboxId) {
    let mut world = World::new();
    world.advance_to(utc("2026-12-02T03:00:00Z"));
    world.tell(booked("1", NEXT_TUESDAY));
    let id = world.waiting().first().unwrap().id.clone();
    (world, id)
}

/// A world in which a booking has left, and nobody has reported on it.
fn world_with_booking_underway() -> (World, OutboxId) {
    let mut world = World::new();
    world.accepts = false;
    world.tell(booked("1", NEXT_TUESDAY));
    let id = world.last().outbox.clone();
    (world, id)
}

fn row<'a>(world: &'a World, id: &OutboxId) -> &'a Outgoing {
    &world.scene.outbox[id]
}

fn accepted(id: &str) -> Report {
    Report::Accepted { id: id.to_owned() }
}

fn in_doubt() -> Report {
    Report::InDoubt { code: "timeout".to_owned() }
}

fn not_done(failure: Failure) -> Report {
    Report::NotDone { failure, code: "E".to_owned() }
}

fn undelivered(id: &str, failure: Failure) -> Report {
    Report::Undelivered { id: id.to_owned(), failure, code: "30003".to_owned() }
}

#[test]
fn at_night_a_notice_waits_for_the_opening() {
    let (mut world, id) = world_with_waiting_booking();
    assert_eq!(row(&world, &id).due, utc("2026-12-02T14:00:00Z"));
    world.pass(hours(24));
    assert_eq!(world.kinds(), ["booked"]);
    assert_eq!(world.last().at, utc("2026-12-02T14:00:00Z"));
}

#[test]
fn at_the_close_a_notice_waits_and_a_moment_before_it_leaves() {
    for (now, left) in [("2026-12-02T00:59:59Z", 1), ("2026-12-02T01:00:00Z", 0)] {
        let mut world = World::new();
        world.advance_to(utc(now));
        world.tell(booked("1", NEXT_TUESDAY));
        assert_eq!(world.sent.len(), left, "{now}");
    }
}

#[test]
fn an_answer_leaves_at_any_hour() {
    let (mut world, _) = world_with_waiting_booking();
    world.reply(JANE, "C");
    assert_eq!(world.kinds(), ["confirm_noted"]);
}

#[test]
fn an_opt_out_between_queueing_and_claim_is_seen() {
    let (mut world, id) = world_with_waiting_booking();
    world.reply(JANE, "STOP");
    world.pass(hours(24));
    assert!(world.sent.is_empty());
    assert_eq!(row(&world, &id).state, State::Void);
    assert!(world.log.iter().any(|outcome| outcome.because == Reason::OptedOut));
}

#[test]
fn an_opt_out_that_is_taken_back_before_the_claim_stops_nothing() {
    let (mut world, _) = world_with_waiting_booking();
    world.reply(JANE, "STOP");
    world.reply(JANE, "START");
    world.pass(hours(24));
    assert_eq!(world.kinds(), ["booked"]);
}

#[test]
fn a_death_between_queueing_and_claim_is_seen() {
    let (mut world, _) = world_with_waiting_booking();
    world.tell(with(modified("1", NEXT_TUESDAY), |c| c.patient.deceased = Field::Value(true)));
    world.pass(hours(24));
    assert!(world.sent.is_empty());
}

#[test]
fn a_notice_of_an_appointment_that_has_begun_is_void() {
    let mut world = World::new();
    world.advance_to(utc("2026-12-02T03:00:00Z"));
    world.tell(booked("1", "2026-12-02T08:00:00"));
    world.pass(hours(24));
    assert!(world.sent.is_empty());
    assert!(world.waiting().is_empty());
}

#[test]
fn the_words_are_written_when_the_text_leaves() {
    let (mut world, id) = world_with_waiting_booking();
    let later = with(booked("1", NEXT_TUESDAY), |c| {
        c.patient.given = Field::Value("Janet".to_owned().into());
    });
    world.tell(later);
    assert!(matches!(&row(&world, &id).effect, Effect::SendSms(sms) if sms.body.is_none()));
    world.pass(hours(24));
    assert!(world.last().body.contains("Hi Janet"), "{}", world.last().body);
}

#[test]
fn an_unknown_row_is_not_performed_nor_reported_on() {
    let mut world = World::new();
    let outbox = OutboxId::new("404");
    assert_eq!(world.turn(None, &Event::SendDue { outbox: outbox.clone() }), [Reason::Unknown]);
    assert_eq!(world.report(&outbox, accepted("SM1")), [Reason::Unknown]);
}

#[test]
fn a_finished_row_is_not_performed_again() {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    let outbox = world.last().outbox.clone();
    assert_eq!(world.turn(None, &Event::SendDue { outbox }), [Reason::Unknown]);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn accepted_then_delivered() {
    let (mut world, id) = world_with_booking_underway();
    assert_eq!(world.report(&id, accepted("SM1")), [Reason::Accepted]);
    let delivered = Report::Delivered { id: "SM1".to_owned() };
    assert_eq!(world.report(&id, delivered.clone()), [Reason::Delivered]);
    assert_eq!(world.report(&id, accepted("SM1")), [Reason::Delivered], "late and out of order");
    assert_eq!(world.report(&id, delivered), [Reason::Delivered]);
    assert_eq!(row(&world, &id).provider_id.as_deref(), Some("SM1"));
}

#[test]
fn refused_for_now_is_tried_again_with_the_same_words() {
    let (mut world, id) = world_with_booking_underway();
    assert_eq!(world.report(&id, not_done(Failure::TryLater)), [Reason::RetryPlanned]);
    world.accepts = true;
    world.tell(with(booked("1", NEXT_TUESDAY), |c| {
        c.patient.given = Field::Value("Janet".to_owned().into());
    }));
    world.pass(minutes(1));
    assert_eq!(world.kinds(), ["booked", "booked"]);
    assert_eq!(world.sent[0].body, world.sent[1].body);
    assert_eq!(row(&world, &id).attempts, 2);
}

#[test]
fn refused_for_good_is_given_up_with_a_task() {
    let failures = [
        (Failure::BadNumber, TaskKind::BadNumber),
        (Failure::Permanent, TaskKind::TextFailed),
        (Failure::WordsRefused, TaskKind::TextFailed),
    ];
    for (failure, kind) in failures {
        let (mut world, id) = world_with_booking_underway();
        assert_eq!(world.report(&id, not_done(failure)), [Reason::GivenUp("E".to_owned())]);
        assert_eq!(world.tasks.len(), 1);
        assert_eq!(world.tasks[0].kind, kind);
        assert_eq!(world.tasks[0].phone, Some(phone(JANE)));
        world.report(&id, not_done(failure));
        assert_eq!(world.tasks.len(), 1, "a person is told once");
    }
}

#[test]
fn the_providers_opt_out_report_is_an_opt_out() {
    for report in [not_done(Failure::OptedOut), undelivered("SM1", Failure::OptedOut)] {
        let (mut world, id) = world_with_booking_underway();
        world.report(&id, report);
        let consent = world.contact(JANE).consent;
        assert_eq!((consent.opted_out, consent.by), (true, Some(ConsentCause::Refusal)));
        assert_eq!(row(&world, &id).state, State::Failed);
    }
}

#[test]
fn an_undelivered_text_is_tried_at_most_twice_more() {
    let (mut world, id) = world_with_booking_underway();
    world.report(&id, accepted("SM1"));
    assert_eq!(world.report(&id, undelivered("SM1", Failure::NotReached)), [Reason::RetryPlanned]);
    world.pass(minutes(29));
    assert_eq!(world.sent.len(), 1);
    world.pass(minutes(2));
    assert_eq!(world.sent.len(), 2);
    world.report(&id, accepted("SM2"));
    world.report(&id, undelivered("SM2", Failure::NotReached));
    world.pass(hours(2));
    assert_eq!(world.sent.len(), 2);
    world.pass(hours(2));
    assert_eq!(world.sent.len(), 3);
    // News of the tries before says nothing of this one.
    world.report(&id, undelivered("SM1", Failure::NotReached));
    world.report(&id, accepted("SM1"));
    assert_eq!(row(&world, &id).state, State::Sending);
    world.report(&id, accepted("SM3"));
    assert!(world.tasks.is_empty());
    world.report(&id, undelivered("SM3", Failure::NotReached));
    assert_eq!(row(&world, &id).state, State::Failed);
    assert_eq!(world.tasks.len(), 1);
}

#[test]
fn a_late_report_of_an_earlier_try_says_nothing_of_a_later_one() {
    let (mut world, id) = world_with_booking_underway();
    world.report(&id, accepted("SM1"));
    world.report(&id, undelivered("SM1", Failure::NotReached));
    world.pass(minutes(31));
    world.report(&id, accepted("SM2"));
    assert_eq!(world.report(&id, undelivered("SM1", Failure::NotReached)), [Reason::Accepted]);
    assert_eq!(row(&world, &id).provider_id.as_deref(), Some("SM2"));
}

#[test]
fn a_notice_in_doubt_is_repeated_only_when_there_is_no_trace() {
    let (mut world, id) = world_with_booking_underway();
    assert_eq!(world.report(&id, in_doubt()), [Reason::InDoubt]);
    world.pass(minutes(30));
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.report(&id, Report::NoTrace), [Reason::RetryPlanned]);
    world.accepts = true;
    world.pass(minutes(1));
    assert_eq!(world.sent.len(), 2);
}

#[test]
fn a_notice_in_doubt_that_is_found_is_not_repeated() {
    let (mut world, id) = world_with_booking_underway();
    world.report(&id, in_doubt());
    assert_eq!(world.report(&id, accepted("SM1")), [Reason::Accepted]);
    world.pass(hours(1));
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_reminder_in_doubt_is_never_repeated() {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world.accepts = false;
    world.advance_to(utc("2026-12-06T19:00:00Z"));
    let id = world.last().outbox.clone();
    world.report(&id, in_doubt());
    world.report(&id, Report::NoTrace);
    assert_eq!(row(&world, &id).state, State::Failed);
    assert_eq!(world.kinds(), ["booked", "reminder"]);
}

#[test]
fn a_text_claimed_before_a_crash_is_in_doubt_after_it() {
    let (mut world, id) = world_with_booking_underway();
    world.now += minutes(2);
    assert_eq!(world.send(&id), [Reason::InDoubt]);
    assert_eq!(row(&world, &id).state, State::InDoubt);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_write_back_claimed_before_a_crash_is_written_again() {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world.accepts = false;
    world.reply(JANE, "C");
    let id = world.scene.outbox.values().find(|row| row.is_repeatable()).unwrap().id.clone();
    world.now += minutes(2);
    assert_eq!(world.send(&id), [Reason::Sending]);
    assert_eq!(world.written.len(), 2);
    assert_eq!(world.written[0].control_id, world.written[1].control_id);
}

#[test]
fn nothing_is_tried_after_its_time() {
    let (mut world, id) = world_with_booking_underway();
    world.report(&id, not_done(Failure::TryLater));
    world.now = utc("2026-12-08T19:00:01Z");
    assert_eq!(world.send(&id), [Reason::Overdue]);
    assert_eq!(row(&world, &id).state, State::Void);
}

#[test]
fn a_text_that_cannot_be_written_goes_to_staff() {
    let mut world = World::new();
    world.rules.practice.name = "Owl ".repeat(1_000);
    world.tell(booked("1", NEXT_TUESDAY));
    assert!(world.sent.is_empty());
    assert_eq!(world.tasks.len(), 1);
    assert!(world.waiting().is_empty());
}

#[test]
fn what_is_settled_is_not_unsettled_by_a_late_report_of_the_sender() {
    let late =
        [Report::NoTrace, in_doubt(), not_done(Failure::TryLater), not_done(Failure::Permanent)];
    for report in late {
        for settled in [accepted("SM1"), Report::Delivered { id: "SM1".to_owned() }] {
            let (mut world, id) = world_with_booking_underway();
            world.report(&id, in_doubt());
            world.report(&id, settled);
            let before = row(&world, &id).clone();
            world.report(&id, report.clone());
            assert_eq!(row(&world, &id), &before, "{report:?}");
            assert!(world.tasks.is_empty());
        }
    }
}

#[test]
fn a_callback_that_overtakes_the_answer_stands() {
    let (mut world, id) = world_with_booking_underway();
    world.report(&id, undelivered("SM1", Failure::BadNumber));
    assert_eq!(row(&world, &id).state, State::Failed);
    world.report(&id, accepted("SM1"));
    assert_eq!(row(&world, &id).state, State::Failed, "the answer says less than the callback");
    assert_eq!(world.tasks.len(), 1);
}

#[test]
fn a_repeated_callback_of_the_first_try_does_not_fail_the_second() {
    let (mut world, id) = world_with_booking_underway();
    world.report(&id, accepted("SM1"));
    world.report(&id, undelivered("SM1", Failure::NotReached));
    world.pass(minutes(31));
    assert_eq!(row(&world, &id).state, State::Sending);
    world.report(&id, undelivered("SM1", Failure::NotReached));
    assert_eq!(row(&world, &id).state, State::Sending);
    assert!(world.tasks.is_empty());
}

#[test]
fn a_text_in_doubt_that_turns_up_is_adopted_before_the_second_try() {
    let (mut world, id) = world_with_booking_underway();
    world.report(&id, in_doubt());
    world.report(&id, Report::NoTrace);
    world.report(&id, Report::Delivered { id: "SM1".to_owned() });
    world.pass(hours(1));
    assert_eq!(world.sent.len(), 1);
    assert_eq!(row(&world, &id).state, State::Delivered);
}

#[test]
fn what_is_underway_is_not_performed_a_second_time() {
    let (mut world, id) = world_with_booking_underway();
    assert_eq!(world.send(&id), [Reason::InDoubt]);
    assert_eq!((world.sent.len(), row(&world, &id).attempts), (1, 1));
    world.report(&id, in_doubt());
    assert_eq!(world.send(&id), [Reason::InDoubt]);
    assert_eq!((world.sent.len(), row(&world, &id).attempts), (1, 1));
}

#[test]
fn what_is_not_due_is_not_performed() {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world.tell(support::canceled("1", NEXT_TUESDAY));
    let held = world.waiting().first().unwrap().id.clone();
    assert_eq!(world.send(&held), [Reason::Postponed]);
    assert_eq!(world.kinds(), ["booked"]);
}

#[test]
fn a_notice_that_no_longer_fits_the_status_is_void() {
    for status in [Status::Pending, Status::Arrived, Status::Fulfilled] {
        let (mut world, id) = world_with_waiting_booking();
        world.tell(support::stating(modified("1", NEXT_TUESDAY), status));
        world.pass(hours(24));
        assert!(world.sent.is_empty(), "{status}");
        assert_eq!(row(&world, &id).state, State::Void);
    }
}

#[test]
fn an_opt_out_by_provider_or_ehr_is_the_disposition_of_all_appointments_of_the_phone() {
    let (mut by_provider, id) = world_with_booking_underway();
    by_provider.tell(booked("2", "2026-12-10T10:00:00"));
    by_provider.report(&id, not_done(Failure::OptedOut));
    let mut by_ehr = World::new();
    by_ehr.tell(booked("2", NEXT_TUESDAY));
    by_ehr.tell(with(booked("1", NEXT_TUESDAY), |c| c.patient.opted_out = Field::Value(true)));
    for world in [by_provider, by_ehr] {
        for id in ["1", "2"] {
            assert_eq!(world.appointment(id).disposition, Disposition::OptedOut, "{id}");
        }
        let events: Vec<_> = world.happened().into_iter().map(|(event, _)| event).collect();
        assert!(events.contains(&"OPTED_OUT"), "{events:?}");
    }
}
