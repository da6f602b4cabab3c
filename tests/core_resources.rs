//! What happened, found by comparing the states that a FHIR server shows.

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use appointd::core::appointment::{Held, Participation, Status, TimerKind, WishKind};
use appointd::core::claim::{Claim, EhrEvent};
use appointd::core::effect::TaskKind;
use appointd::core::field::Field;
use appointd::core::ids::SourceName;
use appointd::core::reason::Reason;
use appointd::core::rules::{EventNumbers, ServerRules};
use support::{
    JANE, NEXT_TUESDAY, World, booked, canceled, confirmed, local, noshowed, place, rules, stating,
    with,
};

const LATER: &str = "2026-12-10T10:00:00";

/// A resource as it is read: its status says what is, the event is what the status comes to.
fn seen(claim: Claim, status: Status) -> Claim {
    with(stating(claim, status), |claim| claim.origin.protocol = "fhir")
}

fn standing(id: &str, start: &str, answer: Participation) -> Claim {
    with(seen(booked(id, start), Status::Booked), |claim| {
        claim.appointment.participation = Field::Value(answer);
    })
}

fn version(claim: Claim, version: &str) -> Claim {
    with(claim, |claim| {
        let id = claim.appointment.ids.first().map(|id| id.value.clone()).unwrap_or_default();
        claim.appointment.resource = Some(Held { id, version: Some(version.to_owned()) });
    })
}

#[test]
fn only_the_change_to_accepted_confirms() {
    let mut world = World::new();
    world.tell(standing("1", NEXT_TUESDAY, Participation::Accepted));
    assert_eq!(world.kinds(), ["booked"], "accepted at first sight says nothing");
    world.tell(standing("2", LATER, Participation::NeedsAction));
    world.tell(standing("2", LATER, Participation::Accepted));
    assert_eq!(world.kinds(), ["booked", "booked", "confirmed"]);
    assert_eq!(world.appointment("2").status, Status::Confirmed);
    world.tell(standing("2", LATER, Participation::Accepted));
    assert_eq!(world.kinds().len(), 3, "said again it is no news");
}

#[test]
fn an_answer_taken_back_and_a_new_time_end_the_confirmation() {
    let mut world = World::new();
    world.tell(standing("1", NEXT_TUESDAY, Participation::NeedsAction));
    world.tell(standing("1", NEXT_TUESDAY, Participation::Accepted));
    world.tell(standing("1", NEXT_TUESDAY, Participation::Tentative));
    assert_eq!(world.appointment("1").status, Status::Booked);
    world.tell(standing("1", NEXT_TUESDAY, Participation::Accepted));
    world.tell(standing("1", LATER, Participation::Accepted));
    assert_eq!(world.appointment("1").status, Status::Booked);
    assert_eq!(world.kinds().last(), Some(&"rescheduled"));
}

#[test]
fn who_declines_at_the_ehr_is_not_reminded_and_staff_knows() {
    let mut world = World::new();
    world.tell(standing("1", NEXT_TUESDAY, Participation::NeedsAction));
    let reasons = world.tell(standing("1", NEXT_TUESDAY, Participation::Declined));
    assert!(reasons.contains(&Reason::Declined), "{reasons:?}");
    assert_eq!(world.kinds(), ["booked"]);
    assert_eq!(world.tasks.len(), 1);
    assert_eq!(world.tasks[0].kind, TaskKind::Declined);
    let row = world.appointment("1");
    assert_eq!(row.status, Status::Booked, "the appointment stands");
    assert!(row.timers.iter().all(|timer| timer.kind == TimerKind::Expire));
    world.tell(standing("1", NEXT_TUESDAY, Participation::Declined));
    assert_eq!(world.tasks.len(), 1, "one task for one refusal");
}

#[test]
fn a_wish_written_as_an_answer_comes_back_without_a_word() {
    let mut world = World::new();
    world.tell(standing("1", NEXT_TUESDAY, Participation::NeedsAction));
    world.reply(JANE, "C");
    world.tell(standing("1", NEXT_TUESDAY, Participation::Accepted));
    assert_eq!(world.kinds(), ["booked", "confirm_noted"]);
}

#[test]
fn what_is_off_when_seen_first_is_kept_and_not_told() {
    let mut world = World::new();
    for (id, claim) in
        [("1", canceled("1", NEXT_TUESDAY)), ("2", noshowed("2", "2026-11-23T10:00:00"))]
    {
        let status = if id == "1" { Status::Canceled } else { Status::NoShow };
        let reasons = world.tell(seen(claim, status));
        assert_eq!(reasons, [Reason::FirstHeardOff]);
    }
    assert!(world.kinds().is_empty());
    let reasons = world.tell(seen(confirmed("3", NEXT_TUESDAY), Status::Confirmed));
    assert_eq!(world.kinds(), ["booked"], "{reasons:?}");
}

#[test]
fn an_older_version_changes_nothing_back() {
    let mut world = World::new();
    let at = world.now;
    let stamped = |claim: Claim| with(claim, |claim| claim.occurred_at = at);
    world.tell(stamped(version(standing("1", LATER, Participation::Accepted), "10")));
    let reasons =
        world.tell(stamped(version(standing("1", NEXT_TUESDAY, Participation::Accepted), "9")));
    assert_eq!(reasons, [Reason::OutOfOrder]);
    assert_eq!(world.appointment("1").start, Some(local(LATER)));
}

#[test]
fn one_that_names_what_it_replaces_is_a_new_time() {
    let mut world = World::new();
    world.tell(standing("1", NEXT_TUESDAY, Participation::Accepted));
    let new = with(standing("2", LATER, Participation::Accepted), |claim| {
        claim.appointment.replaces = vec!["1".to_owned()];
    });
    // The engine brings the row that is named along.
    world.tell(new);
    assert_eq!(world.kinds(), ["booked", "rescheduled"]);
    let reasons = world.tell(seen(canceled("1", NEXT_TUESDAY), Status::Canceled));
    assert_eq!(reasons, [Reason::Replaced]);
    assert_eq!(world.kinds().len(), 2);
    let old = world.appointment("1");
    assert!(old.replaced_by.is_some());
    assert!(old.timers.iter().all(|timer| timer.kind == TimerKind::Expire));
}

/// The same appointment as the feed `ehr` tells of it, heard from a server.
fn second(claim: Claim) -> Claim {
    with(claim, |claim| claim.origin.source = SourceName::new("fhir"))
}

#[test]
fn two_feeds_tell_of_one_appointment_once() {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    let other = with(second(standing("1", NEXT_TUESDAY, Participation::NeedsAction)), |claim| {
        claim.appointment.location = Field::Value(place("Location/7"));
        claim.appointment.visit_type = Field::Value("1234-5".to_owned());
        claim.patient.id = Field::Value("p9".to_owned());
    });
    assert_eq!(world.tell(other), [Reason::NothingChanged]);
    assert_eq!(world.kinds(), ["booked"]);
    let row = world.appointment("1");
    assert_eq!(row.location, Some(place("MAIN")), "the first feed's names stand");
    assert_eq!(row.patient.id.as_deref(), Some("MRN1000"));
    let moved = second(standing("1", LATER, Participation::NeedsAction));
    world.tell(moved);
    assert_eq!(world.kinds(), ["booked", "rescheduled"]);
    world.tell(with(booked("1", LATER), |claim| claim.event = EhrEvent::Rescheduled));
    assert_eq!(world.kinds().len(), 2, "the first feed says the same");
}

#[test]
fn a_message_is_not_written_from_a_resource() {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    let last = world.appointment("1").last_message;
    world.tell(second(standing("1", NEXT_TUESDAY, Participation::NeedsAction)));
    assert_eq!(world.appointment("1").last_message, last);
}

#[test]
fn a_wish_goes_to_a_server_with_the_start_that_was_told() {
    let mut rules = rules();
    let numbers = ServerRules { event_numbers: EventNumbers::Ignore };
    rules.servers.insert(SourceName::new("ehr"), numbers);
    let mut world = World::with_rules(rules);
    world.tell(standing("1", NEXT_TUESDAY, Participation::NeedsAction));
    world.reply(JANE, "C");
    assert_eq!(world.written.len(), 1);
    assert_eq!(world.written[0].wish, WishKind::Confirm);
    assert_eq!(world.written[0].told_start, Some(local(NEXT_TUESDAY).instant));
}
