//! What messages from the EHR do: what they claim, what happened, and what the patient hears of it.

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use appointd::core::appointment::{Disposition, Notice, Status};
use appointd::core::claim::{EhrEvent, PatientClaim};
use appointd::core::field::Field;
use appointd::core::ids::Identifier;
use appointd::core::local_time::{LocalTime, Zone};
use appointd::core::reason::Reason;
use appointd::phi::Phi;
use support::{
    JANE, NEXT_TUESDAY, OTHER, World, booked, canceled, claim, confirmed, day, doctor, hours, key,
    local, minutes, modified, noshowed, phone, place, rescheduled, stating, utc, with,
};

const LATER: &str = "2026-12-10T10:00:00";

fn world_with_booking() -> World {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world
}

#[test]
fn every_row_of_the_event_table_has_its_text() {
    let table = [
        (rescheduled("1", LATER), "RESCHEDULED", "rescheduled"),
        (modified("1", LATER), "RESCHEDULED", "rescheduled"),
        (
            with(modified("1", NEXT_TUESDAY), |c| {
                c.appointment.location = Field::Value(place("SENS"));
            }),
            "MODIFIED",
            "modified",
        ),
        (
            with(modified("1", NEXT_TUESDAY), |c| {
                c.appointment.provider = Field::Value(doctor("Roe"));
            }),
            "MODIFIED",
            "modified",
        ),
        (
            with(modified("1", NEXT_TUESDAY), |c| {
                c.appointment.visit_type = Field::Value("NEW".to_owned());
            }),
            "MODIFIED",
            "modified",
        ),
        (confirmed("1", NEXT_TUESDAY), "CONFIRMED", "confirmed"),
        (stating(modified("1", NEXT_TUESDAY), Status::Confirmed), "CONFIRMED", "confirmed"),
        (canceled("1", NEXT_TUESDAY), "CANCELED", "canceled"),
        (stating(modified("1", NEXT_TUESDAY), Status::Canceled), "CANCELED", "canceled"),
    ];
    for (claim, event, text) in table {
        let mut world = world_with_booking();
        world.rules.practice.privacy = appointd::core::rules::Privacy::Detailed;
        assert_eq!(world.kinds(), ["booked"]);
        world.hear(claim.clone());
        assert_eq!(world.happened().last().unwrap().0, event, "{:?}", claim.event);
        world.pass(minutes(3));
        assert_eq!(world.kinds(), ["booked", text]);
    }
}

#[test]
fn a_missed_visit_is_told_once() {
    let mut world = world_with_booking();
    world.advance_to(utc("2026-12-08T20:30:00Z"));
    let texts = world.sent.len();
    let reasons = world.tell(noshowed("1", NEXT_TUESDAY));
    assert_eq!(reasons, [Reason::NoticeQueued(Notice::NoShowed)]);
    world.tell(noshowed("1", NEXT_TUESDAY));
    assert_eq!(world.sent.len(), texts + 1);
    assert_eq!(world.last().kind.name(), "noshowed");
    assert_eq!(world.appointment("1").status, Status::NoShow);
}

#[test]
fn a_second_booking_of_a_known_id_is_nothing() {
    let mut world = world_with_booking();
    assert_eq!(world.tell(booked("1", NEXT_TUESDAY)), [Reason::NothingChanged]);
    assert_eq!(world.kinds(), ["booked"]);
}

#[test]
fn a_booking_of_a_known_id_is_an_update() {
    let mut world = world_with_booking();
    world.tell(booked("1", LATER));
    assert_eq!(world.kinds(), ["booked", "rescheduled"]);
    world.tell(with(booked("1", LATER), |c| {
        c.appointment.location = Field::Value(place("ELSE"));
    }));
    assert_eq!(world.kinds(), ["booked", "rescheduled", "modified"]);
}

#[test]
fn a_reschedule_to_the_old_start_is_nothing() {
    let mut world = world_with_booking();
    let generation = world.appointment("1").generation;
    assert_eq!(world.tell(rescheduled("1", NEXT_TUESDAY)), [Reason::NothingChanged]);
    assert_eq!(world.appointment("1").generation, generation, "nothing planned is void");
    assert_eq!(world.kinds(), ["booked"]);
}

#[test]
fn a_second_confirmation_is_nothing() {
    let mut world = world_with_booking();
    world.tell(confirmed("1", NEXT_TUESDAY));
    assert_eq!(world.tell(confirmed("1", NEXT_TUESDAY)), [Reason::NothingChanged]);
    assert_eq!(world.kinds(), ["booked", "confirmed"]);
}

#[test]
fn a_second_cancellation_is_nothing() {
    let mut world = world_with_booking();
    world.tell(canceled("1", NEXT_TUESDAY));
    assert_eq!(world.tell(canceled("1", NEXT_TUESDAY)), [Reason::NothingChanged]);
    world.pass(minutes(3));
    assert_eq!(world.kinds(), ["booked", "canceled"]);
}

#[test]
fn a_repeated_no_show_or_arrival_is_nothing() {
    let mut world = world_with_booking();
    let arrived = stating(modified("1", NEXT_TUESDAY), Status::Arrived);
    assert_eq!(world.tell(arrived.clone()), [Reason::NothingVisible(Status::Arrived)]);
    assert_eq!(world.tell(arrived), [Reason::NothingChanged]);
    assert_eq!(world.kinds(), ["booked"]);
}

#[test]
fn an_event_in_the_middle_of_a_feed_is_taken_as_the_first() {
    let table = [
        (rescheduled("9", NEXT_TUESDAY), "rescheduled", Status::Booked),
        (modified("9", NEXT_TUESDAY), "modified", Status::Booked),
        (confirmed("9", NEXT_TUESDAY), "confirmed", Status::Confirmed),
        (canceled("9", NEXT_TUESDAY), "canceled", Status::Canceled),
        (noshowed("9", "2026-12-01T08:00:00"), "noshowed", Status::NoShow),
    ];
    for (claim, text, status) in table {
        let mut world = World::new();
        world.tell(claim);
        world.pass(minutes(3));
        assert_eq!(world.kinds(), [text]);
        assert_eq!(world.appointment("9").status, status);
        assert_eq!(world.appointment("9").disposition, Disposition::Queued);
    }
}

#[test]
fn every_first_event_queues() {
    for event in [
        EhrEvent::Booked,
        EhrEvent::Rescheduled,
        EhrEvent::Modified,
        EhrEvent::Confirmed,
        EhrEvent::Canceled,
        EhrEvent::NoShowed,
    ] {
        let mut world = World::new();
        world.hear(claim(event, "1"));
        assert_eq!(world.appointment("1").disposition, Disposition::Queued, "{event:?}");
    }
}

#[test]
fn an_older_message_only_fills_gaps() {
    let mut world = World::new();
    let newer = with(rescheduled("1", LATER), |c| {
        c.appointment.location = Field::Absent;
        c.occurred_at = utc("2026-12-01T14:59:00Z");
    });
    world.tell(newer);
    let older = with(canceled("1", NEXT_TUESDAY), |c| {
        c.occurred_at = utc("2026-12-01T14:58:00Z");
        c.patient.given = Field::Value("Janet".to_owned().into());
    });
    assert_eq!(world.tell(older), [Reason::OutOfOrder]);
    let known = world.appointment("1");
    assert_eq!(known.status, Status::Booked);
    assert_eq!(known.start, Some(local(LATER)));
    assert_eq!(known.location, Some(place("MAIN")));
    assert_eq!(known.patient.given.as_ref().unwrap().expose(), "Jane");
    world.pass(minutes(10));
    assert_eq!(world.kinds(), ["rescheduled"]);
}

#[test]
fn a_deleted_phone_gets_nothing_more() {
    let mut world = world_with_booking();
    world.tell(with(modified("1", NEXT_TUESDAY), |c| c.patient.phone = Field::Null));
    assert!(world.contact(JANE).appointments.is_empty());
    assert_eq!(world.tell(rescheduled_silently()), [Reason::NoPhone]);
    world.pass(hours(24 * 14));
    assert_eq!(world.kinds(), ["booked"]);
}

fn rescheduled_silently() -> appointd::core::claim::Claim {
    with(rescheduled("1", LATER), |c| c.patient.phone = Field::Absent)
}

#[test]
fn a_phone_that_is_not_mentioned_stays() {
    let mut world = world_with_booking();
    world.tell(rescheduled_silently());
    assert_eq!(world.kinds(), ["booked", "rescheduled"]);
    assert_eq!(world.last().to, phone(JANE));
}

#[test]
fn a_changed_phone_takes_over() {
    let mut world = world_with_booking();
    let moved = with(modified("1", NEXT_TUESDAY), |c| c.patient.phone = Field::Value(phone(OTHER)));
    world.tell(moved);
    assert!(world.contact(JANE).appointments.is_empty());
    assert!(world.contact(OTHER).appointments.contains(&key("1")));
    world.pass(hours(24 * 14));
    let to: Vec<_> = world.sent.iter().map(|sent| sent.to.as_str()).collect();
    assert_eq!(to, [JANE, OTHER, OTHER], "the booking, and two reminders");
}

#[test]
fn a_text_queued_for_the_old_phone_is_void() {
    let mut world = World::new();
    world.advance_to(utc("2026-12-02T03:00:00Z"));
    world.tell(booked("1", NEXT_TUESDAY));
    world.tell(with(modified("1", NEXT_TUESDAY), |c| c.patient.phone = Field::Null));
    world.pass(hours(24 * 14));
    assert!(world.sent.is_empty());
}

#[test]
fn an_opted_out_phone_hears_nothing() {
    let mut world = World::new();
    world.reply(JANE, "STOP");
    assert_eq!(world.tell(booked("1", NEXT_TUESDAY)), [Reason::OptedOut]);
    assert_eq!(world.appointment("1").disposition, Disposition::OptedOut);
    world.pass(hours(24 * 14));
    assert!(world.sent.is_empty());
}

#[test]
fn the_ehr_can_opt_a_patient_out() {
    let mut world = world_with_booking();
    world.tell(with(modified("1", NEXT_TUESDAY), |c| c.patient.opted_out = Field::Value(true)));
    assert!(world.contact(JANE).consent.opted_out);
    assert_eq!(world.appointment("1").disposition, Disposition::OptedOut);
    world.pass(hours(24 * 14));
    assert_eq!(world.kinds(), ["booked"]);
}

#[test]
fn the_trigger_beats_a_stale_status_where_it_ends_the_visit() {
    let mut world = world_with_booking();
    world.tell(stating(canceled("1", NEXT_TUESDAY), Status::Booked));
    assert_eq!(world.appointment("1").status, Status::Canceled);
    let mut world = world_with_booking();
    world.tell(stating(noshowed("1", NEXT_TUESDAY), Status::Booked));
    assert_eq!(world.appointment("1").status, Status::NoShow);
}

#[test]
fn a_confirmation_was_for_the_old_time() {
    let mut world = world_with_booking();
    world.tell(confirmed("1", NEXT_TUESDAY));
    world.tell(modified("1", LATER));
    assert_eq!(world.appointment("1").status, Status::Booked);
    assert_eq!(world.kinds(), ["booked", "confirmed", "rescheduled"]);
}

#[test]
fn an_old_end_does_not_outlive_its_start() {
    let mut world = World::new();
    world.tell(with(booked("1", NEXT_TUESDAY), |c| {
        c.appointment.end = Field::Value(local("2026-12-08T14:20:00"));
    }));
    world.tell(rescheduled("1", "2026-12-08T09:00:00"));
    let ends = world.appointment("1").ends_at();
    assert_eq!(ends, Some(utc("2026-12-08T15:00:00Z")), "an hour after the new start");
}

#[test]
fn one_appointment_is_known_by_any_of_its_ids() {
    let mut world = World::new();
    world.tell(with(booked("1", NEXT_TUESDAY), |c| {
        c.appointment.ids.push(Identifier::new("P-77", "placer"));
    }));
    world.tell(with(rescheduled("77", LATER), |c| {
        c.appointment.ids = vec![Identifier::new("P-77", "placer")];
    }));
    assert_eq!(world.scene.appointments.len(), 1);
    assert_eq!(world.kinds(), ["booked", "rescheduled"]);
}

#[test]
fn a_message_without_start_or_phone_or_ids_is_kept() {
    let mut world = World::new();
    let bare = with(claim(EhrEvent::Booked, "1"), |c| {
        c.appointment.ids.clear();
        c.patient = PatientClaim::default();
    });
    assert_eq!(world.tell(bare), [Reason::NoPhone]);
    world.pass(hours(48));
    assert!(world.sent.is_empty());
}

#[test]
fn every_message_is_remembered_with_its_appointment() {
    let mut world = world_with_booking();
    let before = world.appointment("1").history.len();
    world.tell(rescheduled("1", NEXT_TUESDAY));
    assert_eq!(world.appointment("1").history.len(), before + 1, "even one that changes nothing");
}

#[test]
fn a_day_without_a_time_moves_like_any_other() {
    let mut world = World::new();
    let all_day = |event, date: &str| {
        with(claim(event, "1"), |c| c.appointment.start = Field::Value(day(date)))
    };
    world.tell(all_day(EhrEvent::Booked, "2026-12-08"));
    world.tell(all_day(EhrEvent::Modified, "2026-12-08"));
    world.tell(all_day(EhrEvent::Modified, "2026-12-09"));
    assert_eq!(world.kinds(), ["booked", "rescheduled"]);
    assert!(!world.last().body.contains("12:00"), "{}", world.last().body);
}

#[test]
fn the_same_instant_in_another_notation_is_nothing() {
    let mut world = world_with_booking();
    let zone = Zone::parse("-05:00").unwrap();
    let same = LocalTime::settle("2026-12-08T14:00:00".parse().unwrap(), zone);
    let again = with(modified("1", NEXT_TUESDAY), |c| c.appointment.start = Field::Value(same));
    assert_eq!(world.tell(again), [Reason::NothingChanged]);
    assert_eq!(world.kinds(), ["booked"]);
}

#[test]
fn the_ehr_cannot_opt_in_a_patient_who_texted_stop() {
    let mut world = world_with_booking();
    world.reply(JANE, "STOP");
    world.tell(with(rescheduled("1", LATER), |c| c.patient.opted_out = Field::Value(false)));
    assert!(world.contact(JANE).consent.opted_out);
    assert_eq!(world.kinds(), ["booked"]);
}

#[test]
fn the_ehr_can_take_back_its_own_opt_out() {
    let mut world = World::new();
    world.tell(with(booked("1", NEXT_TUESDAY), |c| c.patient.opted_out = Field::Value(true)));
    world.tell(with(rescheduled("1", LATER), |c| c.patient.opted_out = Field::Value(false)));
    assert_eq!(world.kinds(), ["rescheduled"]);
}

#[test]
fn an_older_message_cannot_take_back_an_opt_out() {
    let mut world = World::new();
    world.tell(with(booked("1", NEXT_TUESDAY), |c| c.patient.opted_out = Field::Value(true)));
    world.tell(with(booked("1", NEXT_TUESDAY), |c| {
        c.occurred_at = utc("2026-12-01T14:00:00Z");
        c.patient.opted_out = Field::Value(false);
    }));
    assert!(world.contact(JANE).consent.opted_out);
}

#[test]
fn the_disposition_follows_consent_and_leaves_the_expired_alone() {
    let mut world = World::new();
    world.tell(with(booked("1", NEXT_TUESDAY), |c| c.patient.opted_out = Field::Value(true)));
    assert_eq!(world.appointment("1").disposition, Disposition::OptedOut);
    world.tell(with(modified("1", NEXT_TUESDAY), |c| c.patient.opted_out = Field::Value(false)));
    assert_eq!(world.appointment("1").disposition, Disposition::Queued);
    world.advance_to(utc("2026-12-09T15:00:00Z"));
    world.reply(JANE, "STOP");
    world.tell(noshowed("1", NEXT_TUESDAY));
    assert_eq!(world.appointment("1").disposition, Disposition::Expired);
}

#[test]
fn a_new_phone_has_its_own_consent() {
    let mut world = world_with_booking();
    world.reply(JANE, "STOP");
    world.tell(with(modified("1", NEXT_TUESDAY), |c| c.patient.phone = Field::Value(phone(OTHER))));
    assert_eq!(world.appointment("1").disposition, Disposition::Queued);
}

#[test]
fn another_notation_of_the_start_leaves_what_is_planned() {
    let mut world = world_with_booking();
    world.advance_to(utc("2026-12-06T20:00:00Z"));
    let zone = Zone::parse("-05:00").unwrap();
    let same = LocalTime::settle("2026-12-08T14:00:00".parse().unwrap(), zone);
    world.tell(with(modified("1", NEXT_TUESDAY), |c| c.appointment.start = Field::Value(same)));
    assert_eq!(world.appointment("1").disposition, Disposition::Reminded(1));
}

#[test]
fn what_changes_together_with_a_confirmation_is_told() {
    let mut world = world_with_booking();
    world.rules.practice.privacy = appointd::core::rules::Privacy::Detailed;
    world.tell(with(confirmed("1", NEXT_TUESDAY), |c| {
        c.appointment.provider = Field::Value(doctor("Roe"));
    }));
    assert_eq!(world.kinds(), ["booked", "modified"]);
    assert_eq!(world.appointment("1").status, Status::Confirmed);
    assert!(world.last().body.contains("Roe"), "{}", world.last().body);
}

#[test]
fn a_stamp_in_the_future_does_not_block_what_follows() {
    let mut world = World::new();
    world.tell(with(booked("1", NEXT_TUESDAY), |c| c.occurred_at = utc("2206-12-01T00:00:00Z")));
    world.pass(minutes(10));
    world.tell(rescheduled("1", LATER));
    assert_eq!(world.kinds(), ["booked", "rescheduled"]);
}

#[test]
fn a_clock_that_is_a_little_ahead_keeps_its_order() {
    let mut world = World::new();
    world.tell(with(canceled("1", NEXT_TUESDAY), |c| c.occurred_at = utc("2026-12-01T15:00:31Z")));
    let older = with(booked("1", NEXT_TUESDAY), |c| c.occurred_at = utc("2026-12-01T15:00:30Z"));
    assert_eq!(world.tell(older), [Reason::OutOfOrder]);
}

#[test]
fn a_repeated_booking_does_not_undo_a_confirmation() {
    let mut world = world_with_booking();
    world.tell(confirmed("1", NEXT_TUESDAY));
    for repeated in [booked("1", NEXT_TUESDAY), rescheduled("1", NEXT_TUESDAY)] {
        assert_eq!(world.tell(repeated), [Reason::NothingChanged]);
        assert_eq!(world.tell(confirmed("1", NEXT_TUESDAY)), [Reason::NothingChanged]);
    }
    assert_eq!(world.kinds(), ["booked", "confirmed"]);
}

#[test]
fn a_correction_to_another_person_takes_the_phone_away() {
    let mut world = world_with_booking();
    let corrected = with(claim(EhrEvent::Modified, "1"), |c| {
        c.patient = PatientClaim {
            id: Field::Value("MRN9".to_owned()),
            family: Field::Value(Phi::new("Roe".to_owned())),
            ..PatientClaim::default()
        };
    });
    world.tell(corrected);
    assert_eq!(world.appointment("1").patient.phone, None);
}

#[test]
fn another_number_of_the_same_person_keeps_the_phone() {
    let mut world = world_with_booking();
    let renumbered = with(claim(EhrEvent::Modified, "1"), |c| {
        c.patient.id = Field::Value("MRN9".to_owned());
        c.patient.phone = Field::Absent;
    });
    world.tell(renumbered);
    assert!(world.appointment("1").patient.phone.is_some());
}
