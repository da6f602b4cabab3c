//! Which text a reply is about, and what may be said to it: what goes wrong between two people who
//! do not hear each other.

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use appointd::core::appointment::{WishKind, WishState};
use appointd::core::effect::TaskKind;
use appointd::core::reason::Reason;
use support::{
    JANE, NEXT_TUESDAY, World, booked, canceled, for_rick, hours, minutes, phone, rescheduled,
};

const LATER: &str = "2026-12-10T10:00:00";

fn world_with_booking() -> World {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world
}

/// Two appointments, the text about the first too old to decide which one a reply means.
fn world_with_two() -> World {
    let mut world = world_with_booking();
    world.tell(booked("2", LATER));
    world.pass(hours(73));
    world
}

fn wish(world: &World, id: &str) -> Option<(WishKind, WishState)> {
    world.appointment(id).wish.as_ref().map(|wish| (wish.kind, wish.state.clone()))
}

fn tasks(world: &World) -> Vec<TaskKind> {
    world.tasks.iter().map(|task| task.kind).collect()
}

#[test]
fn an_ok_to_a_text_that_asked_nothing_confirms_nothing() {
    for first in ["X", "R", "yes but can I come at 3"] {
        let mut world = world_with_booking();
        world.reply(JANE, first);
        let wished = wish(&world, "1");
        assert_eq!(world.reply(JANE, "Ok thank you"), [Reason::Acknowledged], "{first}");
        assert_eq!(wish(&world, "1"), wished);
    }
    // To a text that asks it is an answer.
    let mut world = world_with_booking();
    world.reply(JANE, "Ok thank you");
    assert!(wish(&world, "1").is_some());
}

#[test]
fn an_answer_to_a_cancellation_is_not_taken_for_another_visit() {
    let mut world = world_with_booking();
    world.tell(for_rick(booked("2", LATER)));
    world.pass(hours(1));
    world.tell(for_rick(canceled("2", LATER)));
    world.pass(minutes(3));
    assert_eq!(world.reply(JANE, "ok"), [Reason::Acknowledged]);
    world.reply(JANE, "C");
    assert!(wish(&world, "1").is_none(), "{:?}", world.kinds());
}

#[test]
fn a_text_that_did_not_leave_is_not_what_a_reply_is_about() {
    let mut world = world_with_booking();
    world.pass(hours(1));
    world.accepts = false;
    world.tell(booked("2", LATER));
    let id = world.last().outbox.clone();
    let failure = appointd::core::delivery::Failure::Permanent;
    let report = appointd::core::delivery::Report::NotDone { failure, code: "E".to_owned() };
    world.report(&id, report);
    world.reply(JANE, "C");
    assert!(wish(&world, "1").is_some() && wish(&world, "2").is_none());
}

#[test]
fn a_reply_that_names_another_day_is_not_about_this_visit() {
    for text in ["I can't make it today", "see you tomorrow", "can't make it Friday"] {
        let mut world = world_with_booking();
        assert_eq!(world.reply(JANE, text), [Reason::MoreThanOneThing], "{text}");
        assert!(wish(&world, "1").is_none());
    }
    let mut world = world_with_booking();
    world.reply(JANE, "see you Tuesday");
    assert!(wish(&world, "1").is_some());
}

#[test]
fn yes_before_a_number_answers_the_question_that_was_put() {
    let mut world = world_with_two();
    world.reply(JANE, "X");
    world.reply(JANE, "Yes, 2");
    assert_eq!(wish(&world, "2").unwrap().0, WishKind::Cancel);
    let mut world = world_with_two();
    world.reply(JANE, "X");
    world.reply(JANE, "2?");
    assert!(wish(&world, "2").is_none(), "a question is no answer");
}

#[test]
fn an_operators_word_on_another_programme_sends_nothing_twice() {
    use appointd::core::contact::Programme;
    let mut world = World::new();
    world.now = support::utc("2026-12-02T03:00:00Z");
    world.tell(booked("1", NEXT_TUESDAY));
    for opted_out in [true, false] {
        let programme = Some(Programme::Outreach);
        world.turn(
            None,
            &appointd::core::event::Event::ConsentSet { phone: phone(JANE), programme, opted_out },
        );
    }
    world.pass(hours(24));
    assert_eq!(world.kinds(), ["booked"]);
}

#[test]
fn of_two_texts_sent_together_either_may_be_meant() {
    let mut world = world_with_booking();
    world.tell(booked("2", LATER));
    assert_eq!(world.reply(JANE, "C"), [Reason::AskedWhich]);
    world.reply(JANE, "1");
    assert!(wish(&world, "1").is_some() && wish(&world, "2").is_none());
}

#[test]
fn asked_once_and_still_unclear_goes_to_staff() {
    let mut world = world_with_two();
    assert_eq!(world.reply(JANE, "X"), [Reason::AskedWhich]);
    assert_eq!(world.reply(JANE, "X"), [Reason::HandedToStaff]);
    assert_eq!(world.kinds(), ["booked", "booked", "which_one", "handed_to_staff"]);
    assert_eq!(tasks(&world), [TaskKind::Unclear]);
}

#[test]
fn a_reply_to_a_visit_that_was_called_off_says_so_and_is_not_taken_for_another() {
    let mut world = world_with_booking();
    world.pass(hours(1));
    world.tell(booked("2", LATER));
    world.tell(canceled("2", LATER));
    world.pass(minutes(3));
    assert_eq!(world.reply(JANE, "C"), [Reason::ChangedMeanwhile]);
    assert!(wish(&world, "1").is_none() && wish(&world, "2").is_none());
    assert_eq!(world.last().kind.name(), "changed_meanwhile");
    // Now that this is said, the other one is the only one that can be meant.
    world.reply(JANE, "C");
    assert!(wish(&world, "1").is_some());
}

#[test]
fn a_reply_to_a_start_that_has_changed_says_so_and_spares_the_notice() {
    let mut world = world_with_booking();
    world.advance_to(support::utc("2026-12-02T03:00:00Z"));
    world.tell(rescheduled("1", LATER));
    assert_eq!(world.kinds(), ["booked"], "it is night");
    assert_eq!(world.reply(JANE, "C"), [Reason::ChangedMeanwhile]);
    assert!(wish(&world, "1").is_none());
    assert!(world.last().body.contains("Thu, Dec 10"), "{}", world.last().body);
    world.reply(JANE, "C");
    assert!(wish(&world, "1").is_some(), "the new start was told");
    world.pass(hours(24));
    assert_eq!(world.kinds(), ["booked", "changed_meanwhile", "confirm_noted"]);
}

#[test]
fn a_machine_that_answers_is_not_answered_for_ever() {
    let mut world = world_with_booking();
    for _ in 0..50 {
        world.reply(JANE, "OK");
    }
    assert_eq!(world.kinds(), ["booked", "confirm_noted"]);
    for round in 0..50 {
        world.reply(JANE, if round % 2 == 0 { "X" } else { "C" });
    }
    assert!(world.sent.len() <= 7, "{:?}", world.kinds());
}

#[test]
fn opt_out_takes_back_what_waits_and_start_tells_it_after_all() {
    let mut world = World::new();
    world.now = support::utc("2026-12-02T03:00:00Z");
    world.tell(booked("1", NEXT_TUESDAY));
    assert!(world.sent.is_empty());
    world.reply(JANE, "STOP");
    let states: Vec<_> = world.scene.outbox.values().map(|row| row.state.name()).collect();
    assert_eq!(states, ["void"], "at once, not when it would have been sent");
    world.reply(JANE, "START");
    world.pass(hours(12));
    assert_eq!(world.kinds(), ["booked"]);
}
