//! Messages about several patients and times on their way through engine and store, and the forms
//! that they are kept in.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

use appointd::clock::Clock;
use appointd::core::appointment::Appointment;
use appointd::core::claim::{CLAIMS_MAX, Claim, PatientClaim};
use appointd::core::event::{Event, Reply};
use appointd::core::field::Field;
use appointd::core::ids::{Identifier, OutboxId};
use appointd::engine::view::{Filter, Subject, View};
use appointd::engine::{Engine, Handle, Reading, Received, Verdict};
use appointd::phi::Phi;
use appointd::store::{Embedded, Memory, Options, Store};
use serde_json::{Value, json};
use support::{
    JANE, NEXT_TUESDAY, OTHER, TUESDAY, World, booked, canceled, for_rick, local, modified, phone,
    rescheduled, rules, utc, with,
};
use tokio_util::sync::CancellationToken;

/// An engine over a store, and what it is asked by.
struct House {
    clock: Clock,
    handle: Handle,
    view: View,
}

/// Runs an engine for as long as the test lasts.
async fn house<F: Future<Output = ()>>(store: Arc<dyn Store>, test: impl FnOnce(House) -> F) {
    let clock = Clock::manual(utc(TUESDAY));
    let rules = Arc::new(RwLock::new(Arc::new(rules())));
    let (engine, handle) = Engine::new(Arc::clone(&store), rules, clock.clone()).unwrap();
    let test = test(House { clock, handle, view: View::new(store) });
    tokio::select! {
        ended = engine.run(CancellationToken::new()) => ended.unwrap(),
        () = test => {}
    }
}

fn message(control_id: &str, claims: Vec<Claim>) -> Received {
    let stamped = |claim: Claim| with(claim, |c| c.occurred_at = utc(TUESDAY));
    Received {
        source: claims[0].origin.source.clone(),
        peer: "test".to_owned(),
        control_id: control_id.to_owned(),
        trigger: "SIU^S12".to_owned(),
        sender: "EHR|MAIN".to_owned(),
        mapping: "generic".to_owned(),
        mapping_hash: String::new(),
        detected: None,
        trace: String::new(),
        raw: control_id.as_bytes().to_vec(),
        reading: Reading::Claims(claims.into_iter().map(stamped).collect()),
        replay_of: None,
        sameness: appointd::engine::Sameness::Bytes,
    }
}

/// Jane and Rick, with two identifiers.
fn group(make: fn(&str, &str) -> Claim, start: &str) -> Vec<Claim> {
    let claim = with(make("10001", start), |c| {
        c.share.patients = 2;
        c.appointment.ids.push(Identifier::new("P-1", "placer"));
    });
    let rick = with(for_rick(claim.clone()), |c| c.patient.phone = Field::Value(phone(OTHER)));
    vec![claim, rick]
}

/// As many patients and times as a message may have.
fn crowd(id: &str) -> Vec<Claim> {
    let (patients, times) = (8, u16::try_from(CLAIMS_MAX / 8).unwrap());
    let claim = |number: u16| {
        let (patient, time) = (number / times, number % times);
        with(booked(id, &format!("2026-12-{:02}T14:00:00", 8 + time)), |c| {
            c.share.patients = patients;
            (c.share.occurrence, c.share.occurrences) = (time + 1, times);
            c.patient.id = Field::Value(format!("M{patient}"));
            c.patient.phone = Field::Value(phone(&format!("+1415555013{patient}")));
        })
    };
    (0..patients * times).map(claim).collect()
}

fn named(name: &str) -> Filter {
    Filter { appointment: Some(name.to_owned()), limit: 10_000, ..Filter::default() }
}

fn all() -> Filter {
    Filter { limit: 10_000, ..Filter::default() }
}

impl House {
    async fn tell(&self, control_id: &str, claims: Vec<Claim>) -> bool {
        let verdict = self.handle.submit(message(control_id, claims)).await;
        matches!(verdict, Verdict::Stored { is_repeated: false, .. })
    }

    fn rows(&self, subject: Subject, filter: &Filter) -> Vec<Value> {
        self.view.query(subject, filter).unwrap()
    }

    fn row(&self, name: &str) -> Appointment {
        self.view.appointment(name).unwrap().unwrap()
    }

    fn texts(&self, kind: &str) -> Vec<String> {
        let rows = self.rows(Subject::Outbox, &all());
        let to = rows.iter().filter(|row| row["kind"] == kind);
        to.map(|row| row["to"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_group_visit_is_kept_found_and_reminded_of_by_patient() {
    house(Arc::new(Memory::new()), |house| async move {
        assert!(house.tell("1", group(booked, NEXT_TUESDAY)).await);
        assert!(!house.tell("1", group(booked, NEXT_TUESDAY)).await, "a repetition");
        assert!(house.tell("2", group(booked, NEXT_TUESDAY)).await);
        let rows = house.rows(Subject::Appointments, &named("10001"));
        let keys: Vec<_> = rows.iter().map(|row| row["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["ehr/10001", "ehr~MRN2000/10001"]);
        assert!(rows.iter().all(|row| row["shared"] == true && row.get("occurrence").is_none()));
        assert_eq!(house.row("10001").key.as_str(), "ehr/10001");
        assert_eq!(house.row("P-1").key.as_str(), "ehr/10001");
        assert_eq!(house.texts("booked").len(), 2);
        assert_eq!(house.rows(Subject::Timers, &named("10001")).len(), 6);
        house.clock.advance_to(utc("2026-12-06T19:30:00Z"));
        // The next turn takes the timers too.
        assert!(house.tell("3", vec![booked("20001", "2026-12-20T14:00:00")]).await);
        let mut reminded = house.texts("reminder");
        reminded.sort();
        assert_eq!(reminded, [JANE, OTHER]);
    })
    .await;
}

#[tokio::test]
async fn one_of_a_group_is_found_by_any_identifier() {
    house(Arc::new(Memory::new()), |house| async move {
        house.tell("1", group(booked, NEXT_TUESDAY)).await;
        let rick = for_rick(with(canceled("", NEXT_TUESDAY), |c| {
            c.appointment.ids = vec![Identifier::new("P-1", "placer")];
            c.patient.phone = Field::Absent;
        }));
        house.tell("2", vec![rick]).await;
        assert_eq!(house.row("ehr~MRN2000/10001").status.name(), "canceled");
        assert_eq!(house.row("10001").status.name(), "booked");
        assert_eq!(house.rows(Subject::Appointments, &all()).len(), 2);
        // What happened to either is found by the number they share.
        let events = |name: &str| house.rows(Subject::Messages, &named(name)).len();
        assert_eq!((events("10001"), events("ehr/10001"), events("ehr~MRN2000/10001")), (2, 1, 2));
    })
    .await;
}

#[tokio::test]
async fn a_wish_about_a_shared_number_is_a_task_and_no_message() {
    house(Arc::new(Memory::new()), |house| async move {
        house.tell("1", group(booked, NEXT_TUESDAY)).await;
        let reply = Reply {
            message_id: "SM1".to_owned(),
            from: phone(OTHER),
            body: Phi::new("X".to_owned()),
            handled: None,
            sent_at: None,
            media: 0,
        };
        let _answer = house.handle.act(Event::ReplyReceived(reply)).await;
        let tasks = house.rows(Subject::Tasks, &all());
        assert_eq!(tasks.len(), 1);
        assert_eq!(tasks[0]["kind"], "enter_by_hand");
        assert_eq!(tasks[0]["appointment"], "ehr~MRN2000/10001");
        assert!(tasks[0]["note"].as_str().unwrap().contains("share the number"));
        assert!(house.texts("write_back").is_empty());
        assert_eq!(house.texts("cancel_noted"), [OTHER]);
        assert_eq!(house.row("ehr~MRN2000/10001").wish.unwrap().kind.to_owned(), {
            appointd::core::appointment::WishKind::Cancel
        });
        let history = house.rows(Subject::History, &named("ehr~MRN2000/10001"));
        assert!(history[0]["outcomes"][0]["because"].as_str().unwrap().contains("share"));
    })
    .await;
}

#[tokio::test]
async fn the_effects_of_a_full_message_keep_apart() {
    house(Arc::new(Memory::new()), |house| async move {
        assert!(house.tell("1", crowd("10001")).await);
        let rows = house.rows(Subject::Appointments, &named("10001"));
        assert_eq!(rows.len(), CLAIMS_MAX);
        assert_eq!(rows[0]["shared"], true);
        let places: BTreeSet<_> =
            rows.iter().map(|row| row["occurrence"]["number"].as_u64().unwrap()).collect();
        assert_eq!(places, (1..=8).collect());
        assert!(rows.iter().all(|row| row["occurrence"]["of"] == json!(8)));
        let outbox = house.rows(Subject::Outbox, &all());
        let ids: BTreeSet<_> = outbox
            .iter()
            .map(|row| OutboxId::new(row["id"].as_str().unwrap()).control_id())
            .collect();
        assert_eq!(ids.len(), CLAIMS_MAX);
        // Nobody is named and no time: it is off for all, at every time.
        let off = with(canceled("10001", NEXT_TUESDAY), |c| {
            c.appointment.start = Field::Absent;
            c.patient = PatientClaim::default();
        });
        assert!(house.tell("2", vec![off]).await);
        let canceled = Filter { status: Some("canceled".to_owned()), ..named("10001") };
        assert_eq!(house.rows(Subject::Appointments, &canceled).len(), CLAIMS_MAX);
    })
    .await;
}

#[tokio::test]
async fn full_messages_that_come_at_once_are_all_kept() {
    const MESSAGES: usize = 24;
    let folder = tempfile::tempdir().unwrap();
    // Much less than all of them come to, and more than one does.
    let options =
        Options { log_segment_bytes: 1 << 20, free_floor_bytes: 0, ..Options::new(folder.path()) };
    let store = Arc::new(Embedded::open(options).unwrap());
    house(store, |house| async move {
        let mut pending = Vec::new();
        for number in 0..MESSAGES {
            let claims = crowd(&format!("1{number:04}"));
            pending.push(house.handle.enqueue(message(&number.to_string(), claims)).await);
        }
        for pending in pending {
            assert!(matches!(pending.verdict().await, Verdict::Stored { .. }));
        }
        assert_eq!(house.rows(Subject::Appointments, &all()).len(), MESSAGES * CLAIMS_MAX);
        assert_eq!(house.rows(Subject::Messages, &all()).len(), MESSAGES);
    })
    .await;
}

#[tokio::test]
async fn a_patient_is_corrected_where_the_number_is_not_shared() {
    house(Arc::new(Memory::new()), |house| async move {
        house.tell("1", vec![booked("10001", NEXT_TUESDAY)]).await;
        house.tell("2", vec![for_rick(modified("10001", NEXT_TUESDAY))]).await;
        let rows = house.rows(Subject::Appointments, &all());
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["patient"]["id"], "MRN2000");
        assert_eq!(rows[0].get("shared"), None);
        assert_eq!(house.row("10001").start, Some(local(NEXT_TUESDAY)));
    })
    .await;
}

// ---------------------------------------------------------------------------------- forms

#[test]
fn a_row_that_shares_nothing_has_the_form_of_old() {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    let form = serde_json::to_value(world.appointment("1")).unwrap();
    assert_eq!(form.get("sharing"), None);
    assert_eq!(&serde_json::from_value::<Appointment>(form).unwrap(), world.appointment("1"));
}

#[test]
fn a_row_of_several_is_read_as_it_was_written() {
    let mut world = World::new();
    world.tell_all(crowd("1"));
    for row in world.scene.appointments.values() {
        let form = serde_json::to_value(row).unwrap();
        assert_eq!(&serde_json::from_value::<Appointment>(form).unwrap(), row);
    }
}

#[test]
fn the_public_form_tells_of_others_only_where_there_are_some() {
    let alone = booked("1", NEXT_TUESDAY).to_json();
    assert_eq!(alone["appointment"].get("patients"), None);
    assert_eq!(alone["appointment"].get("occurrence"), None);
    let several = with(booked("1", NEXT_TUESDAY), |c| {
        c.share.patients = 2;
        (c.share.occurrence, c.share.occurrences) = (2, 3);
    });
    let appointment = &several.to_json()["appointment"];
    assert_eq!(appointment["patients"], 2);
    assert_eq!(appointment["occurrence"], json!({ "number": 2, "of": 3 }));
}

#[tokio::test]
async fn a_group_without_a_fillers_number_is_told_apart_too() {
    house(Arc::new(Memory::new()), |house| async move {
        let csn = |claims: Vec<Claim>| -> Vec<Claim> {
            let renamed =
                |claim| with(claim, |c| c.appointment.ids = vec![Identifier::new("77", "csn")]);
            claims.into_iter().map(renamed).collect()
        };
        assert!(house.tell("M1", csn(group(booked, NEXT_TUESDAY))).await);
        let rows = house.rows(Subject::Appointments, &named("77"));
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert!(house.tell("M2", csn(group(rescheduled, "2026-12-10T10:00:00"))).await);
        assert_eq!(house.rows(Subject::Appointments, &all()).len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_number_that_several_appointments_share_joins_none_of_them() {
    house(Arc::new(Memory::new()), |house| async move {
        let weak = |id: &str| {
            with(booked(id, NEXT_TUESDAY), |c| {
                c.appointment.ids.push(Identifier::new("1", "placer"));
            })
        };
        assert!(house.tell("M1", vec![weak("70001")]).await);
        assert!(house.tell("M2", vec![for_rick(weak("70002"))]).await);
        assert_eq!(house.rows(Subject::Appointments, &all()).len(), 2);
    })
    .await;
}
