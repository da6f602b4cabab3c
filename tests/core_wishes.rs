//! A patient's wish on its way to the EHR and back.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use appointd::core::appointment::{Status, WishKind, WishState};
use appointd::core::delivery::{Failure, Report, State};
use appointd::core::effect::TaskKind;
use appointd::core::field::Field;
use appointd::core::ids::{DestinationName, OutboxId};
use appointd::core::reason::Reason;
use appointd::core::reply::Intent;
use support::{
    JANE, NEXT_TUESDAY, World, booked, canceled, confirmed, doctor, hours, key, minutes, modified,
    rescheduled, utc, with,
};

const LATER: &str = "2026-12-10T10:00:00";

fn world_with_booking() -> World {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world
}

fn wish(world: &World, id: &str) -> Option<(WishKind, WishState)> {
    world.appointment(id).wish.as_ref().map(|wish| (wish.kind, wish.state.clone()))
}

fn acknowledged() -> WishState {
    WishState::Acknowledged(DestinationName::new("ehr"))
}

fn write_back(world: &World) -> OutboxId {
    world.scene.outbox.values().find(|row| row.is_repeatable()).unwrap().id.clone()
}

#[test]
fn a_confirmation_is_noted_written_back_and_answered() {
    let mut world = world_with_booking();
    assert_eq!(world.reply(JANE, "C"), [Reason::Understood(Intent::Confirm)]);
    assert_eq!(world.kinds(), ["booked", "confirm_noted"]);
    assert_eq!(wish(&world, "1"), Some((WishKind::Confirm, acknowledged())));
    assert_eq!(world.written.len(), 1);
    assert_eq!(world.written[0].wish, WishKind::Confirm);
    assert_eq!(world.appointment("1").status, Status::Booked, "the EHR has the word on status");
}

#[test]
fn a_cancellation_is_noted_written_back_and_answered() {
    let mut world = world_with_booking();
    assert_eq!(world.reply(JANE, "Can't make it, sorry"), [Reason::Understood(Intent::Cancel)]);
    assert_eq!(world.kinds(), ["booked", "cancel_noted"]);
    assert_eq!(wish(&world, "1"), Some((WishKind::Cancel, acknowledged())));
    assert_eq!(world.happened().iter().filter(|(event, _)| *event == "CANCEL").count(), 1);
}

#[test]
fn without_a_route_a_wish_stays_requested() {
    let mut world = world_with_booking();
    world.rules.routes.clear();
    world.reply(JANE, "C");
    assert_eq!(wish(&world, "1"), Some((WishKind::Confirm, WishState::Requested)));
    assert!(world.written.is_empty());
    assert_eq!(world.kinds(), ["booked", "confirm_noted"]);
}

#[test]
fn a_repeated_wish_is_not_written_twice() {
    let mut world = world_with_booking();
    world.reply(JANE, "C");
    world.reply(JANE, "yes");
    assert_eq!(world.written.len(), 1);
}

#[test]
fn a_changed_mind_is_written_again() {
    let mut world = world_with_booking();
    world.reply(JANE, "C");
    world.reply(JANE, "X");
    assert_eq!(wish(&world, "1"), Some((WishKind::Cancel, acknowledged())));
    let wishes: Vec<_> = world.written.iter().map(|written| written.wish).collect();
    assert_eq!(wishes, [WishKind::Confirm, WishKind::Cancel]);
}

#[test]
fn a_wish_of_an_opted_out_patient_reaches_the_ehr_without_an_answer() {
    let mut world = world_with_booking();
    world.reply(JANE, "STOP");
    world.reply(JANE, "X");
    assert_eq!(world.written.len(), 1);
    assert_eq!(world.kinds(), ["booked"]);
}

#[test]
fn the_ehr_repeating_a_wish_sends_no_second_text() {
    let mut world = world_with_booking();
    world.reply(JANE, "C");
    assert_eq!(world.tell(confirmed("1", NEXT_TUESDAY)), [Reason::Echo(WishKind::Confirm)]);
    assert_eq!(wish(&world, "1"), Some((WishKind::Confirm, WishState::Reflected)));
    let mut other = world_with_booking();
    other.reply(JANE, "X");
    assert_eq!(other.tell(canceled("1", NEXT_TUESDAY)), [Reason::Echo(WishKind::Cancel)]);
    other.pass(minutes(5));
    world.pass(minutes(5));
    assert_eq!(world.kinds(), ["booked", "confirm_noted"]);
    assert_eq!(other.kinds(), ["booked", "cancel_noted"]);
}

#[test]
fn the_patient_is_told_once_more_where_so_configured() {
    let mut world = world_with_booking();
    world.rules.notifications.tell_when_reflected = true;
    world.reply(JANE, "C");
    world.tell(confirmed("1", NEXT_TUESDAY));
    assert_eq!(world.kinds(), ["booked", "confirm_noted", "confirmed"]);
}

#[test]
fn after_a_new_time_nothing_is_an_echo() {
    let mut world = world_with_booking();
    world.reply(JANE, "C");
    world.tell(rescheduled("1", LATER));
    assert_eq!(wish(&world, "1"), None, "the wish was for the old time");
    world.tell(confirmed("1", LATER));
    assert_eq!(world.kinds(), ["booked", "confirm_noted", "rescheduled", "confirmed"]);
}

#[test]
fn the_opposite_of_a_wish_is_no_echo() {
    let mut world = world_with_booking();
    world.reply(JANE, "C");
    world.tell(canceled("1", NEXT_TUESDAY));
    world.pass(minutes(3));
    assert_eq!(world.kinds(), ["booked", "confirm_noted", "canceled"]);
}

#[test]
fn a_second_change_after_the_echo_is_told() {
    let mut world = world_with_booking();
    world.reply(JANE, "C");
    world.tell(confirmed("1", NEXT_TUESDAY));
    world.tell(canceled("1", NEXT_TUESDAY));
    world.pass(minutes(3));
    assert_eq!(world.kinds(), ["booked", "confirm_noted", "canceled"]);
}

#[test]
fn a_refused_wish_fails_and_raises_a_task() {
    let mut world = world_with_booking();
    world.accepts = false;
    world.reply(JANE, "X");
    assert_eq!(wish(&world, "1"), Some((WishKind::Cancel, sent())));
    let row = write_back(&world);
    let refused = Report::NotDone { failure: Failure::Permanent, code: "AE".to_owned() };
    assert_eq!(world.report(&row, refused), [Reason::GivenUp("AE".to_owned())]);
    assert_eq!(wish(&world, "1"), Some((WishKind::Cancel, WishState::Failed)));
    assert_eq!(world.tasks.len(), 1);
    assert_eq!(world.tasks[0].kind, TaskKind::WriteBackFailed);
    assert_eq!(world.tasks[0].appointment, Some(key("1")));
}

fn sent() -> WishState {
    WishState::Sent(DestinationName::new("ehr"))
}

#[test]
fn a_wish_that_could_not_be_brought_yet_is_tried_again() {
    let mut world = world_with_booking();
    world.accepts = false;
    world.reply(JANE, "C");
    let row = write_back(&world);
    let busy = Report::NotDone { failure: Failure::TryLater, code: "AR".to_owned() };
    assert_eq!(world.report(&row, busy), [Reason::RetryPlanned]);
    assert!(world.tasks.is_empty());
    world.accepts = true;
    world.pass(minutes(1));
    assert_eq!(wish(&world, "1"), Some((WishKind::Confirm, acknowledged())));
    assert_eq!(world.written.len(), 2);
    assert_eq!(world.scene.outbox[&row].state, State::Accepted);
}

#[test]
fn a_failed_wish_can_be_wished_again() {
    let mut world = world_with_booking();
    world.accepts = false;
    world.reply(JANE, "C");
    let row = write_back(&world);
    world.report(&row, Report::NotDone { failure: Failure::Permanent, code: "AE".to_owned() });
    world.accepts = true;
    world.reply(JANE, "C");
    assert_eq!(wish(&world, "1"), Some((WishKind::Confirm, acknowledged())));
}

#[test]
fn a_write_back_is_built_from_the_newest_message_applied() {
    let mut world = world_with_booking();
    world.hear(confirmed("1", NEXT_TUESDAY));
    let newest = world.appointment("1").last_message;
    assert_eq!(newest, Some(world.scene.seq));
    world.tell(with(booked("1", NEXT_TUESDAY), |c| c.occurred_at = utc("2026-12-01T14:00:00Z")));
    world.reply(JANE, "X");
    assert_eq!(world.written[0].message, newest, "a late message is not the newest");
}

#[test]
fn a_wish_outlives_another_provider() {
    let mut world = world_with_booking();
    world.reply(JANE, "X");
    world.tell(with(modified("1", NEXT_TUESDAY), |c| {
        c.appointment.provider = Field::Value(doctor("Roe"));
    }));
    assert_eq!(wish(&world, "1"), Some((WishKind::Cancel, acknowledged())));
    assert_eq!(world.tell(canceled("1", NEXT_TUESDAY)), [Reason::Echo(WishKind::Cancel)]);
}

#[test]
fn an_echo_that_brings_another_provider_is_reflected_and_told() {
    let mut world = world_with_booking();
    world.rules.practice.privacy = appointd::core::rules::Privacy::Detailed;
    world.reply(JANE, "C");
    world.tell(with(confirmed("1", NEXT_TUESDAY), |c| {
        c.appointment.provider = Field::Value(doctor("Roe"));
    }));
    assert_eq!(wish(&world, "1"), Some((WishKind::Confirm, WishState::Reflected)));
    assert_eq!(world.kinds(), ["booked", "confirm_noted", "modified"]);
}

/// Both outlets are down: the wish waits for its next try.
fn world_with_waiting_wish(text: &str) -> World {
    let mut world = world_with_booking();
    world.accepts = false;
    world.reply(JANE, text);
    let row = write_back(&world);
    let busy = Report::NotDone { failure: Failure::TryLater, code: "AR".to_owned() };
    world.report(&row, busy);
    world.written.clear();
    world.accepts = true;
    world
}

#[test]
fn a_wish_that_was_taken_back_is_not_written_any_more() {
    let mut world = world_with_waiting_wish("C");
    world.reply(JANE, "X");
    world.pass(hours(1));
    let wishes: Vec<_> = world.written.iter().map(|written| written.wish).collect();
    assert_eq!(wishes, [WishKind::Cancel]);
    assert_eq!(wish(&world, "1"), Some((WishKind::Cancel, acknowledged())));
}

#[test]
fn a_wish_for_the_old_time_is_not_written_after_a_new_one() {
    let mut world = world_with_waiting_wish("X");
    world.hear(rescheduled("1", LATER));
    world.pass(hours(1));
    assert!(world.written.is_empty());
    assert!(world.tasks.is_empty());
}

#[test]
fn a_wish_that_the_ehr_has_come_to_by_itself_is_not_written() {
    let mut world = world_with_waiting_wish("C");
    world.hear(confirmed("1", NEXT_TUESDAY));
    world.pass(hours(1));
    assert!(world.written.is_empty());
    assert_eq!(wish(&world, "1"), Some((WishKind::Confirm, WishState::Reflected)));
}

#[test]
fn a_wish_that_ran_out_of_time_fails_with_a_task() {
    let mut world = world_with_waiting_wish("X");
    world.sleep(hours(25));
    assert!(world.written.is_empty());
    assert_eq!(wish(&world, "1"), Some((WishKind::Cancel, WishState::Failed)));
    assert_eq!(world.tasks.len(), 1);
    assert_eq!(world.tasks[0].kind, TaskKind::WriteBackFailed);
}
