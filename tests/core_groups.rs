//! One number for several: the patients of a group visit, the times of a series.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use appointd::core::appointment::{Appointment, Status, WishKind, WishState};
use appointd::core::claim::{CLAIMS_MAX, Claim};
use appointd::core::delivery::{Failure, Report};
use appointd::core::effect::TaskKind;
use appointd::core::field::Field;
use appointd::core::ids::{AppointmentKey, Identifier, Member, Part};
use appointd::core::reason::Reason;
use appointd::core::reply::Intent;
use appointd::phi::Phi;
use proptest::prelude::*;
use support::{
    JANE, NEXT_TUESDAY, OTHER, World, booked, canceled, confirmed, for_rick, hours, key, local,
    minutes, modified, noshowed, phone, place, rescheduled, utc, with,
};

const THURSDAY: &str = "2026-12-10T10:00:00";
const WEEKS: [&str; 3] = ["2026-12-08T14:00:00", "2026-12-15T14:00:00", "2026-12-22T14:00:00"];

fn part(occurrence: u16, member: Option<&str>) -> AppointmentKey {
    key("1").of_part(&Part { occurrence, member: member.map(Member::of_id) })
}

fn jane(world: &World) -> &Appointment {
    world.appointment("1")
}

fn rick(world: &World) -> &Appointment {
    &world.scene.appointments[&part(1, Some("MRN2000"))]
}

fn week(world: &World, number: u16) -> &Appointment {
    &world.scene.appointments[&part(number, None)]
}

/// Rick, here with a phone of his own.
fn ricks(claim: Claim) -> Claim {
    with(for_rick(claim), |c| c.patient.phone = Field::Value(phone(OTHER)))
}

/// A third one, on Jane's phone.
fn anns(claim: Claim) -> Claim {
    with(claim, |c| {
        c.patient.id = Field::Value("MRN3000".to_owned());
        c.patient.given = Field::Value(Phi::new("Ann".to_owned()));
    })
}

fn nobodys(claim: Claim) -> Claim {
    with(claim, |c| c.patient = appointd::core::claim::PatientClaim::default())
}

fn untimed(claim: Claim) -> Claim {
    with(claim, |c| c.appointment.start = Field::Absent)
}

/// A message about a visit of Jane and Rick.
fn group(claim: &Claim) -> Vec<Claim> {
    let claim = with(claim.clone(), |c| c.share.patients = 2);
    vec![claim.clone(), ricks(claim)]
}

/// A message about several times.
fn series(make: fn(&str, &str) -> Claim, starts: &[&str]) -> Vec<Claim> {
    let times = u16::try_from(starts.len()).unwrap();
    let claim = |(number, start): (u16, &&str)| {
        with(make("1", start), |c| {
            (c.share.occurrence, c.share.occurrences) = (number, times);
        })
    };
    (1..).zip(starts).map(claim).collect()
}

fn world_with_group() -> World {
    let mut world = World::new();
    world.tell_all(group(&booked("1", NEXT_TUESDAY)));
    world
}

fn world_with_series() -> World {
    let mut world = World::new();
    world.tell_all(series(booked, &WEEKS));
    world
}

fn statuses(world: &World) -> Vec<Status> {
    (1..=3).map(|number| week(world, number).status).collect()
}

// ---------------------------------------------------------------------------------- groups

#[test]
fn a_group_visit_is_an_appointment_of_each_patient() {
    let mut world = world_with_group();
    assert_eq!(world.scene.appointments.len(), 2);
    assert_eq!(rick(&world).key.as_str(), "ehr~MRN2000/1");
    assert_eq!(rick(&world).ids, jane(&world).ids);
    world.advance_to(utc("2026-12-08T20:00:00Z"));
    let texts: Vec<_> = world.sent.iter().map(|s| (s.to.as_str(), s.kind.name())).collect();
    let both = |kind| [(JANE, kind), (OTHER, kind)];
    assert_eq!(texts, [both("booked"), both("reminder"), both("reminder")].concat());
}

#[test]
fn the_same_message_again_changes_nothing_in_any_order() {
    let mut world = world_with_group();
    let mut again = group(&booked("1", NEXT_TUESDAY));
    let nothing = [Reason::NothingChanged, Reason::NothingChanged];
    assert_eq!(world.tell_all(again.clone()), nothing);
    again.reverse();
    assert_eq!(world.tell_all(again), nothing);
    assert_eq!(world.scene.appointments.len(), 2);
}

#[test]
fn a_visit_that_becomes_a_group_keeps_the_row_of_whom_it_was_for() {
    let mut world = World::new();
    world.tell(ricks(booked("1", NEXT_TUESDAY)));
    world.tell_all(group(&booked("1", NEXT_TUESDAY)));
    assert_eq!(world.appointment("1").patient.id.as_deref(), Some("MRN2000"));
    assert_eq!(world.scene.appointments.len(), 2);
    assert_eq!(world.kinds(), ["booked", "booked"]);
}

#[test]
fn a_message_about_one_of_a_group_finds_this_one() {
    let mut world = world_with_group();
    world.tell(ricks(rescheduled("1", THURSDAY)));
    assert_eq!(rick(&world).start, Some(local(THURSDAY)));
    assert_eq!(jane(&world).start, Some(local(NEXT_TUESDAY)));
    world.tell(modified("1", THURSDAY));
    assert_eq!(jane(&world).start, Some(local(THURSDAY)));
    assert_eq!(world.scene.appointments.len(), 2);
}

#[test]
fn one_of_a_group_is_known_by_any_number_and_by_name() {
    let mut world = World::new();
    let other = Identifier::new("PI-7", "PI");
    let mut both = group(&booked("1", NEXT_TUESDAY));
    both[1].patient.ids = vec![Identifier::new("MRN2000", "MR"), other.clone()];
    world.tell_all(both);
    world.tell(with(ricks(confirmed("1", NEXT_TUESDAY)), |c| {
        c.patient.id = Field::Value(other.value.clone());
        c.patient.ids = vec![other.clone()];
    }));
    assert_eq!(rick(&world).status, Status::Confirmed);
    world.tell(with(ricks(canceled("1", NEXT_TUESDAY)), |c| c.patient.id = Field::Absent));
    assert_eq!(rick(&world).status, Status::Canceled);
    assert_eq!(world.scene.appointments.len(), 2);
}

#[test]
fn a_number_that_a_family_shares_does_not_make_them_one() {
    let mut world = World::new();
    let account = Identifier::new("FAMILY-1", "AN");
    let both = group(&booked("1", NEXT_TUESDAY));
    world.tell_all(
        both.into_iter()
            .map(|claim| {
                let own = Identifier::new(claim.patient.id.value().unwrap(), "MR");
                with(claim, |c| c.patient.ids = vec![own, account.clone()])
            })
            .collect(),
    );
    assert_eq!(world.scene.appointments.len(), 2);
}

#[test]
fn patients_without_numbers_are_told_apart_by_name() {
    let mut world = World::new();
    let unnumbered = |claims: Vec<Claim>| -> Vec<Claim> {
        claims.into_iter().map(|c| with(c, |c| c.patient.id = Field::Absent)).collect()
    };
    world.tell_all(unnumbered(group(&booked("1", NEXT_TUESDAY))));
    world.tell_all(unnumbered(group(&booked("1", NEXT_TUESDAY))));
    let keys: Vec<_> = world.scene.appointments.keys().map(AppointmentKey::as_str).collect();
    assert_eq!(keys, ["ehr/1", "ehr~Doe,Rick/1"]);
}

#[test]
fn a_newcomer_to_a_group_gets_a_row_and_corrects_nobody() {
    let mut world = world_with_group();
    world.tell(anns(booked("1", NEXT_TUESDAY)));
    assert_eq!(world.scene.appointments.len(), 3);
    assert_eq!(jane(&world).patient.id.as_deref(), Some("MRN1000"));
}

#[test]
fn another_patient_under_a_number_that_is_not_shared_is_a_correction() {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world.tell(ricks(modified("1", NEXT_TUESDAY)));
    assert_eq!(world.scene.appointments.len(), 1);
    let patient = &world.appointment("1").patient;
    assert_eq!(patient.id.as_deref(), Some("MRN2000"));
}

#[test]
fn after_a_correction_the_former_patient_is_another_one() {
    let mut world = World::new();
    let numbered = |claim: Claim| {
        let own = Identifier::new(claim.patient.id.value().unwrap(), "MR");
        with(claim, |c| c.patient.ids = vec![own])
    };
    world.tell(numbered(booked("1", NEXT_TUESDAY)));
    world.tell(numbered(ricks(modified("1", NEXT_TUESDAY))));
    let both = group(&booked("1", NEXT_TUESDAY)).into_iter().map(numbered).collect();
    world.tell_all(both);
    assert_eq!(world.scene.appointments.len(), 2);
}

#[test]
fn a_group_visit_that_is_called_off_is_off_for_each() {
    let mut world = world_with_group();
    world.tell_all(group(&canceled("1", NEXT_TUESDAY)));
    world.advance_to(utc("2026-12-09T20:00:00Z"));
    assert_eq!(world.kinds(), ["booked", "booked", "canceled", "canceled"]);
}

#[test]
fn a_message_without_patient_moves_and_calls_off_the_visit_of_all() {
    let mut world = world_with_group();
    world.tell(nobodys(rescheduled("1", THURSDAY)));
    assert_eq!(rick(&world).start, Some(local(THURSDAY)));
    assert_eq!(jane(&world).start, Some(local(THURSDAY)));
    world.tell(nobodys(canceled("1", THURSDAY)));
    assert_eq!((jane(&world).status, rick(&world).status), (Status::Canceled, Status::Canceled));
    assert_eq!(rick(&world).patient.phone, Some(phone(OTHER)));
}

#[test]
fn that_somebody_did_not_come_is_not_said_of_all() {
    let mut world = world_with_group();
    world.tell(nobodys(noshowed("1", NEXT_TUESDAY)));
    assert_eq!((jane(&world).status, rick(&world).status), (Status::NoShow, Status::Booked));
}

#[test]
fn a_phone_that_comes_without_a_name_stays_with_the_first() {
    let mut world = world_with_group();
    let mut claim = nobodys(modified("1", NEXT_TUESDAY));
    claim.patient.phone = Field::Value(phone("+14155550188"));
    world.tell(claim);
    assert_eq!(rick(&world).patient.phone, Some(phone(OTHER)));
    assert_eq!(jane(&world).patient.phone, Some(phone("+14155550188")));
}

#[test]
fn another_identifier_heard_of_one_finds_them_all() {
    let mut world = world_with_group();
    let placer = Identifier::new("P-1", "placer");
    world.tell(with(ricks(modified("1", NEXT_TUESDAY)), |c| {
        c.appointment.ids.push(placer.clone());
    }));
    world.tell(with(ricks(canceled("1", NEXT_TUESDAY)), |c| c.appointment.ids = vec![placer]));
    assert_eq!(rick(&world).status, Status::Canceled);
    assert_eq!(world.scene.appointments.len(), 2);
}

#[test]
fn a_group_that_changes_all_the_time_has_a_bound() {
    let mut world = World::new();
    for number in 0..CLAIMS_MAX * 2 {
        let claim = with(booked("1", NEXT_TUESDAY), |c| {
            c.share.patients = 2;
            c.patient.id = Field::Value(format!("M{number}"));
            c.patient.phone = Field::Absent;
        });
        world.tell(claim);
    }
    assert_eq!(world.scene.appointments.len(), CLAIMS_MAX * 2);
    assert_eq!(world.appointment("1").sharing.members.len(), CLAIMS_MAX);
    // Who is forgotten is found by number and patient.
    world.tell(with(canceled("1", NEXT_TUESDAY), |c| {
        c.patient.id = Field::Value("M1".to_owned());
        c.patient.phone = Field::Absent;
    }));
    assert_eq!(world.scene.appointments[&part(1, Some("M1"))].status, Status::Canceled);
}

// ---------------------------------------------------------------------------------- wishes

#[test]
fn a_wish_about_a_shared_number_is_for_a_person_to_enter() {
    for (number, from) in [JANE, OTHER].into_iter().enumerate() {
        let mut world = world_with_group();
        let reasons = world.reply(from, "X");
        assert_eq!(reasons.last(), Some(&Reason::Understood(Intent::Cancel)));
        assert!(reasons.contains(&Reason::Shared));
        assert!(world.written.is_empty());
        assert_eq!(world.kinds(), ["booked", "booked", "cancel_noted"]);
        let own = if number == 0 { jane(&world) } else { rick(&world) };
        let wish = own.wish.as_ref().unwrap();
        assert_eq!((wish.kind, &wish.state), (WishKind::Cancel, &WishState::Requested));
        assert_eq!(world.tasks.len(), 1);
        assert_eq!(world.tasks[0].kind, TaskKind::EnterByHand);
        assert_eq!(world.tasks[0].appointment.as_ref(), Some(&own.key));
        let note = world.tasks[0].note.expose();
        assert!(note.starts_with("several patients or times share the number"), "{note}");
        assert!(note.ends_with("texted: X"), "{note}");
    }
}

#[test]
fn a_wish_about_one_of_several_times_is_for_a_person_to_enter() {
    let mut world = world_with_series();
    world.advance_to(utc("2026-12-05T15:00:00Z"));
    assert_eq!(world.reply(JANE, "C"), [Reason::AskedWhich]);
    world.reply(JANE, "2");
    assert!(world.written.is_empty());
    assert_eq!(world.tasks.len(), 1);
    assert_eq!(world.tasks[0].appointment, Some(part(2, None)));
}

#[test]
fn a_wish_that_waits_is_not_written_once_the_number_is_shared() {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world.accepts = false;
    world.reply(JANE, "X");
    let row = world.scene.outbox.values().find(|row| row.is_repeatable()).unwrap().id.clone();
    world.report(&row, Report::NotDone { failure: Failure::TryLater, code: "AR".to_owned() });
    world.written.clear();
    world.accepts = true;
    world.hear_all(group(&booked("1", NEXT_TUESDAY)));
    world.pass(minutes(10));
    assert!(world.written.is_empty());
    assert_eq!(world.tasks.len(), 1);
    assert_eq!(world.tasks[0].kind, TaskKind::EnterByHand);
    assert_eq!(jane(&world).wish.as_ref().unwrap().state, WishState::Requested);
}

// ---------------------------------------------------------------------------------- series

#[test]
fn each_time_of_a_series_is_an_appointment() {
    let mut world = world_with_series();
    for (number, start) in (1..).zip(WEEKS) {
        let row = week(&world, number);
        assert_eq!(row.start, Some(local(start)));
        assert_eq!(row.timers.len(), 3);
    }
    assert_eq!(week(&world, 3).key.as_str(), "ehr#3/1");
    assert_eq!(world.tell_all(series(booked, &WEEKS)), vec![Reason::NothingChanged; 3]);
    world.advance_to(utc("2026-12-22T19:00:00Z"));
    assert_eq!(world.kinds().iter().filter(|kind| **kind == "reminder").count(), 6);
}

#[test]
fn a_series_that_moves_is_counted_off() {
    let mut world = world_with_series();
    let later = [WEEKS[1], WEEKS[2], "2026-12-29T14:00:00"];
    world.tell_all(series(rescheduled, &later));
    for (number, start) in (1..).zip(later) {
        assert_eq!(week(&world, number).start, Some(local(start)));
    }
}

#[test]
fn a_cancellation_without_a_time_calls_off_the_series() {
    let mut world = world_with_series();
    world.tell(untimed(canceled("1", NEXT_TUESDAY)));
    assert_eq!(statuses(&world), [Status::Canceled; 3]);
    assert_eq!(week(&world, 3).start, Some(local(WEEKS[2])));
    world.advance_to(utc("2026-12-30T19:00:00Z"));
    assert!(!world.kinds().contains(&"reminder"));
}

#[test]
fn a_cancellation_with_a_time_of_none_calls_off_the_series_where_it_is() {
    let mut world = world_with_series();
    world.tell(canceled("1", THURSDAY));
    assert_eq!(statuses(&world), [Status::Canceled; 3]);
    assert_eq!(week(&world, 1).start, Some(local(WEEKS[0])));
}

#[test]
fn a_cancellation_with_the_time_of_one_calls_off_this_one() {
    let mut world = world_with_series();
    world.tell(canceled("1", WEEKS[1]));
    assert_eq!(statuses(&world), [Status::Booked, Status::Canceled, Status::Booked]);
}

#[test]
fn a_cancellation_of_some_calls_off_these() {
    let mut world = world_with_series();
    world.tell_all(series(canceled, &WEEKS[1..]));
    assert_eq!(statuses(&world), [Status::Booked, Status::Canceled, Status::Canceled]);
}

#[test]
fn what_is_said_of_one_time_is_not_said_of_another() {
    let mut world = world_with_series();
    world.tell(confirmed("1", WEEKS[1]));
    assert_eq!(statuses(&world), [Status::Booked, Status::Confirmed, Status::Booked]);
    assert_eq!(week(&world, 1).start, Some(local(WEEKS[0])));
    world.tell(noshowed("1", WEEKS[2]));
    assert_eq!(week(&world, 3).status, Status::NoShow);
    world.tell(untimed(noshowed("1", WEEKS[0])));
    assert_eq!(statuses(&world), [Status::NoShow, Status::Confirmed, Status::NoShow]);
    world.tell(with(modified("1", WEEKS[1]), |c| {
        c.appointment.location = Field::Value(place("SENS"));
    }));
    assert_eq!(week(&world, 2).location, Some(place("SENS")));
}

#[test]
fn a_series_of_a_group_is_called_off_for_whom_it_is_called_off() {
    let mut world = World::new();
    let both: Vec<Claim> = series(booked, &WEEKS).iter().flat_map(group).collect();
    world.tell_all(both);
    assert_eq!(world.scene.appointments.len(), 6);
    world.tell(untimed(ricks(canceled("1", NEXT_TUESDAY))));
    assert_eq!(statuses(&world), [Status::Booked; 3]);
    for number in 1..=3 {
        let row = &world.scene.appointments[&part(number, Some("MRN2000"))];
        assert_eq!(row.status, Status::Canceled);
    }
    world.tell(nobodys(untimed(canceled("1", NEXT_TUESDAY))));
    assert!(world.scene.appointments.values().all(|row| row.status == Status::Canceled));
}

// ---------------------------------------------------------------------------------- lives

/// One message of a life: which event, to whom of three or nobody, at which of the times.
type Step = (u8, u8, u8, u16);

fn message((event, who, from, hours): Step) -> (Vec<Claim>, i64) {
    let make = [booked, rescheduled, modified, confirmed, canceled][usize::from(event % 5)];
    let from = usize::from(from % 3);
    let times =
        if who & 8 == 0 { series(make, &WEEKS[from..]) } else { vec![make("1", WEEKS[from])] };
    let of = |claim: &Claim| match who % 5 {
        0 => vec![claim.clone()],
        1 => vec![ricks(claim.clone())],
        2 => vec![anns(claim.clone())],
        3 => vec![nobodys(claim.clone())],
        _ => group(claim),
    };
    (times.iter().flat_map(of).collect(), i64::from(hours))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn after_any_life_a_visit_that_is_called_off_for_all_is_off_for_each(
        steps in proptest::collection::vec((0_u8..5, 0_u8..16, 0_u8..3, 0_u16..30), 1..12),
    ) {
        let mut world = World::new();
        for step in steps {
            let (claims, wait) = message(step);
            let written = world.written.len();
            let shared = world.scene.appointments.get(&key("1")).map(|a| !a.sharing.is_alone());
            world.tell_all(claims);
            world.reply(OTHER, "C");
            if shared == Some(true) {
                prop_assert_eq!(world.written.len(), written);
            }
            world.pass(hours(wait));
        }
        world.tell(nobodys(untimed(canceled("1", NEXT_TUESDAY))));
        world.pass(minutes(5));
        for row in world.scene.appointments.values() {
            prop_assert!(row.status.is_off(), "{} is {}", row.key, row.status);
            prop_assert_eq!(&row.key, &key("1").of_part(&row.sharing.part));
        }
        let sent = world.sent.len();
        world.pass(hours(24 * 30));
        prop_assert!(world.sent[sent..].iter().all(|text| text.kind.name() == "canceled"));
    }
}
