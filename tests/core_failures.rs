//! What follows from each way in which the carrier fails a text.

#![expect(clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use appointd::core::consent;
use appointd::core::contact::Contact;
use appointd::core::delivery::{Failure, Outgoing, Report, SPACED, State, provider_midnight};
use appointd::core::effect::{Effect, TaskKind};
use appointd::core::event::Event;
use appointd::core::ids::OutboxId;
use appointd::core::reason::Reason;
use support::{JANE, NEXT_TUESDAY, OTHER, World, booked, hours, minutes, phone, utc, with};

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

fn not_done(failure: Failure) -> Report {
    Report::NotDone { failure, code: "E".to_owned() }
}

fn undelivered(id: &str, failure: Failure) -> Report {
    Report::Undelivered { id: id.to_owned(), failure, code: "E".to_owned() }
}

fn is_bad(world: &World) -> bool {
    world.contact(JANE).bad.is_some()
}

/// A world whose booking found out that Jane's number is bad.
fn world_with_bad_number() -> (World, OutboxId) {
    let (mut world, id) = world_with_booking_underway();
    world.report(&id, Report::Accepted { id: "SM1".to_owned() });
    world.report(&id, undelivered("SM1", Failure::BadNumber));
    (world, id)
}

#[test]
fn a_bad_number_is_marked_once_and_nothing_more_is_queued_for_it() {
    let (mut world, id) = world_with_bad_number();
    let bad = world.contact(JANE).bad.unwrap();
    assert_eq!((bad.code.as_str(), bad.since), ("E", world.now));
    assert_eq!(row(&world, &id).state, State::Failed);
    let kinds: Vec<_> = world.tasks.iter().map(|task| task.kind).collect();
    assert_eq!(kinds, [TaskKind::BadNumber]);
    assert_eq!(world.tasks[0].phone, Some(phone(JANE)));
    let reasons = world.tell(booked("2", "2026-12-10T10:00:00"));
    assert!(reasons.contains(&Reason::BadNumber), "{reasons:?}");
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_text_that_waits_for_a_bad_number_is_void_and_raises_no_second_task() {
    let mut world = World::new();
    world.accepts = false;
    world.tell(booked("1", NEXT_TUESDAY));
    let first = world.last().outbox.clone();
    world.advance_to(utc("2026-12-02T03:00:00Z"));
    world.tell(booked("2", "2026-12-10T10:00:00"));
    let second = world.waiting().first().unwrap().id.clone();
    world.report(&first, not_done(Failure::BadNumber));
    world.pass(hours(24));
    assert_eq!(row(&world, &second).state, State::Void);
    assert!(world.log.iter().any(|outcome| outcome.because == Reason::BadNumber));
    assert_eq!((world.sent.len(), world.tasks.len()), (1, 1));
}

#[test]
fn a_new_number_from_the_ehr_is_free() {
    let (mut world, _) = world_with_bad_number();
    world.accepts = true;
    world.tell(with(booked("2", "2026-12-10T10:00:00"), |c| {
        c.patient.phone = appointd::core::field::Field::Value(phone(OTHER));
    }));
    assert_eq!(world.last().to, phone(OTHER));
}

#[test]
fn a_number_is_good_again_when_it_texts_or_gets_a_text_or_an_operator_says_so() {
    let (mut world, _) = world_with_bad_number();
    world.reply(JANE, "hello?");
    assert!(!is_bad(&world));

    let (mut world, id) = world_with_bad_number();
    world.report(&id, Report::Delivered { id: "SM1".to_owned() });
    assert!(!is_bad(&world));

    let (mut world, _) = world_with_bad_number();
    let event = Event::ConsentSet { phone: phone(JANE), programme: None, opted_out: false };
    world.turn(None, &event);
    assert!(!is_bad(&world));

    // What the EHR says in every message is no news.
    let (mut world, _) = world_with_bad_number();
    world.tell(with(booked("1", NEXT_TUESDAY), |c| {
        c.patient.opted_out = appointd::core::field::Field::Value(false);
    }));
    assert!(is_bad(&world));
}

#[test]
fn a_contact_without_the_mark_is_read_as_before() {
    let mut json = serde_json::to_value(Contact::new(phone(JANE))).unwrap();
    json.as_object_mut().unwrap().remove("bad");
    assert_eq!(serde_json::from_value::<Contact>(json).unwrap(), Contact::new(phone(JANE)));
}

#[test]
fn after_a_refused_opt_out_other_texts_of_the_phone_are_void_at_their_claim() {
    let mut world = World::new();
    world.accepts = false;
    world.tell(booked("1", NEXT_TUESDAY));
    let first = world.last().outbox.clone();
    world.advance_to(utc("2026-12-02T03:00:00Z"));
    world.tell(booked("2", "2026-12-10T10:00:00"));
    let second = world.waiting().first().unwrap().id.clone();
    world.report(&first, not_done(Failure::OptedOut));
    world.pass(hours(24));
    assert_eq!(
        (row(&world, &first).state, row(&world, &second).state),
        (State::Failed, State::Void)
    );
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_throttled_text_goes_again_in_moments_and_no_try_is_counted() {
    let (mut world, id) = world_with_booking_underway();
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let before = world.now;
        world.report(&id, not_done(Failure::Throttled));
        pauses.push((row(&world, &id).due - before).num_milliseconds());
        world.now = row(&world, &id).due;
        world.send(&id);
    }
    assert!((100..=120).contains(&pauses[0]), "{pauses:?}");
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
    assert!((30_000..=36_000).contains(&pauses[11]), "{pauses:?}");
    let spared = row(&world, &id).tries.spared;
    assert_eq!((row(&world, &id).attempts, spared), (13, 12));
    // The first try that counts waits as a first one.
    let before = world.now;
    world.report(&id, not_done(Failure::TryLater));
    assert!((row(&world, &id).due - before).num_seconds() <= 12);
}

#[test]
fn a_text_waits_with_its_sender_and_keeps_its_tries() {
    let cases = [
        (Failure::SenderPaused, "2026-12-01T15:05:00Z"),
        (Failure::Misconfigured, "2026-12-01T15:00:05Z"),
        (Failure::DayUsedUp, "2026-12-02T08:00:00Z"),
    ];
    for (failure, due) in cases {
        assert!(failure.is_of_sender());
        let (mut world, id) = world_with_booking_underway();
        assert_eq!(world.report(&id, not_done(failure)), [Reason::RetryPlanned]);
        assert!(row(&world, &id).due >= utc(due), "{failure:?} {}", row(&world, &id).due);
        assert_eq!(row(&world, &id).tries.spared, 1);
        assert!(world.tasks.is_empty());
    }
}

#[test]
fn a_text_that_is_held_past_its_use_ends_with_its_reason() {
    let mut world = World::new();
    world.accepts = false;
    world.tell(booked("1", "2026-12-01T12:00:00"));
    let id = world.last().outbox.clone();
    world.report(&id, not_done(Failure::DayUsedUp));
    assert_eq!(row(&world, &id).state, State::Failed, "the visit is before midnight");
    assert_eq!(world.tasks.len(), 1);

    let (mut world, id) = world_with_booking_underway();
    world.report(&id, not_done(Failure::SenderPaused));
    world.now = utc("2026-12-09T00:00:00Z");
    assert_eq!(world.send(&id), [Reason::Overdue]);
}

#[test]
fn the_carriers_day_begins_at_midnight_in_los_angeles() {
    let cases = [
        ("2026-12-01T07:59:59Z", "2026-12-01T08:00:00Z"),
        ("2026-12-01T08:00:00Z", "2026-12-02T08:00:00Z"),
        ("2026-07-01T12:00:00Z", "2026-07-02T07:00:00Z"),
        // The nights of the change: 23 and 25 hours.
        ("2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z"),
        ("2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z"),
    ];
    for (now, midnight) in cases {
        assert_eq!(provider_midnight(utc(now)), utc(midnight), "{now}");
    }
}

#[test]
fn refused_words_go_to_staff_by_the_name_of_the_template() {
    let (mut world, id) = world_with_booking_underway();
    world.report(&id, undelivered("SM1", Failure::WordsRefused));
    assert_eq!(row(&world, &id).state, State::Failed);
    assert_eq!(world.tasks[0].note.expose(), "E: template booked");
}

#[test]
fn the_carriers_quiet_hours_move_a_text_to_the_next_opening() {
    let (mut world, id) = world_with_booking_underway();
    assert_eq!(world.report(&id, not_done(Failure::QuietHours)), [Reason::RetryPlanned]);
    assert_eq!(row(&world, &id).due, utc("2026-12-02T14:00:00Z"));
}

#[test]
fn what_the_carrier_forbids_is_dropped_without_a_task() {
    let (mut world, id) = world_with_booking_underway();
    let reasons = world.report(&id, not_done(Failure::Forbidden));
    assert_eq!(reasons, [Reason::GivenUp("E".to_owned())]);
    assert_eq!(row(&world, &id).state, State::Void);
    assert!(world.tasks.is_empty());
}

#[test]
fn a_spaced_try_of_an_answer_keeps_the_hours() {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world.advance_to(utc("2026-12-02T00:50:00Z"));
    world.accepts = false;
    world.reply(JANE, "C");
    let id = world.last().outbox.clone();
    assert!(matches!(&row(&world, &id).effect, Effect::SendSms(sms) if sms.kind.is_answer()));
    world.report(&id, undelivered("SM1", Failure::NotReached));
    let left = world.sent.len();
    world.pass(hours(2));
    assert_eq!(world.sent.len(), left, "it is past eight in the evening");
    assert_eq!(row(&world, &id).due, utc("2026-12-02T14:00:00Z"));
}

#[test]
fn a_spaced_try_after_the_visit_is_none() {
    let mut world = World::new();
    world.accepts = false;
    world.tell(booked("1", "2026-12-01T10:20:00"));
    let id = world.last().outbox.clone();
    world.report(&id, undelivered("SM1", Failure::NotReached));
    assert!(SPACED[0] > minutes(20));
    assert_eq!(row(&world, &id).state, State::Failed);
    assert_eq!(world.tasks[0].kind, TaskKind::TextFailed);
}

#[test]
fn a_spaced_try_is_asked_for_consent_as_any_other() {
    let (mut world, id) = world_with_booking_underway();
    world.report(&id, undelivered("SM1", Failure::NotReached));
    world.reply(JANE, "STOP");
    world.pass(hours(1));
    assert_eq!(row(&world, &id).state, State::Void);
    let again = consent::may_send(row(&world, &id), &world.scene, &world.rules, world.now);
    assert_eq!(again, consent::Permission::Never(Reason::OptedOut));
}

#[test]
fn a_text_that_was_given_up_without_a_trace_is_adopted_when_news_of_it_comes() {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world.accepts = false;
    world.advance_to(utc("2026-12-06T19:00:00Z"));
    let id = world.last().outbox.clone();
    world.report(&id, Report::InDoubt { code: "timeout".to_owned() });
    world.report(&id, Report::NoTrace);
    assert_eq!(row(&world, &id).state, State::Failed);
    assert_eq!(world.report(&id, Report::Accepted { id: "SM9".to_owned() }), [Reason::Accepted]);
    assert_eq!(row(&world, &id).provider_id.as_deref(), Some("SM9"));
}
