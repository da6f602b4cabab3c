//! A patient's wish in every form, from the text to the EHR and back.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use appointd::clock::Clock;
use appointd::core::phone::{PhoneNumber, Region};
use appointd::engine::view::{Filter, Subject};
use appointd::hl7::{AckCode, Message};
use appointd::sim::ehr::{Line, SimAppointment, SimPatient};
use appointd::sim::world::{Plan, World};
use chrono::NaiveDate;
use serde_json::Value;

/// Far more than anything here takes: what hangs fails.
const WITHIN: Duration = Duration::from_secs(120);
const JANE: &str = "+14155550123";

#[tokio::test]
async fn every_form_reaches_the_ehr_and_comes_back() {
    for (form, reply, trigger, wish) in [
        ("confirm = \"siu_s14\"", "C", "SIU^S14", "confirm"),
        ("cancel = \"siu_s15\"", "X", "SIU^S15", "cancel"),
        ("cancel = \"siu_s14\"", "X", "SIU^S14", "cancel"),
        ("confirm = \"srm_s03\"", "C", "SRM^S03", "confirm"),
        ("cancel = \"srm_s04\"", "X", "SRM^S04", "cancel"),
        ("confirm = \"adt_a08\"", "C", "ADT^A08", "confirm"),
        ("cancel = \"adt_a08\"", "X", "ADT^A08", "cancel"),
        ("confirm = \"oru_r01\"", "C", "ORU^R01", "confirm"),
        ("cancel = \"oru_r01\"", "X", "ORU^R01", "cancel"),
    ] {
        let world = world(form).await;
        let sent = wish_of_jane(&world, "Jane", reply).await;
        assert_eq!((sent.trigger.as_str(), sent.answer.as_str()), (trigger, "AA"), "{form}");
        let found = settled(&world, |row| row["wish"]["state"] == "reflected").await;
        assert_eq!(found["wish"]["kind"], wish, "{form}");
        let status = if wish == "confirm" { "confirmed" } else { "canceled" };
        assert_eq!(found["status"], status, "{form}");
        assert!(tasks(&world).is_empty(), "{form}");
        world.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_receipt_is_no_decision_on_a_request() {
    let world = world("confirm = \"srm_s03\"").await;
    world.ehr.answer_next(&[AckCode::CommitAccept]);
    let sent = wish_of_jane(&world, "Jane", "C").await;
    assert_eq!((sent.trigger.as_str(), sent.answer.as_str()), ("SRM^S03", "CA"));
    settled(&world, |row| row["wish"]["state"] == "failed").await;
    let tasks = tasks(&world);
    assert_eq!((tasks.len(), &tasks[0]["note"]), (1, &Value::from("no_decision")));
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_refused_request_is_a_task_and_a_postponed_one_is_tried_again() {
    let world = world("cancel = \"srm_s04\"").await;
    world.ehr.answer_next(&[AckCode::ApplicationReject, AckCode::ApplicationError]);
    let first = wish_of_jane(&world, "Jane", "X").await;
    settled_in(&world, Subject::Outbox, |row| row["error"] == "AR").await;
    world.clock.advance(chrono::TimeDelta::minutes(10));
    let lines = within(world.ehr.wait_for(|lines| written(lines).count() == 2)).await;
    let second = written(&lines).nth(1).unwrap();
    let control_id = |line: &Line| Message::read(&line.text).unwrap().header().control_id;
    assert_eq!(control_id(&first), control_id(second), "the EHR can drop a repetition");
    settled(&world, |row| row["wish"]["state"] == "failed").await;
    assert_eq!(tasks(&world)[0]["note"], "AE");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn the_destinations_character_set_is_written_and_named() {
    let world = world("charset = \"8859/1\"").await;
    let sent = wish_of_jane(&world, "Zoë", "C").await;
    let header = Message::read(&sent.text).unwrap().header();
    assert_eq!(header.charsets, ["8859/1"]);
    // The stand-in reads UTF-8 only: the byte of Latin-1 is none.
    assert!(sent.text.contains("Zo\u{FFFD}^"), "{}", sent.text);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn what_the_destinations_character_set_lacks_is_a_task_and_never_a_question_mark() {
    for (charset, given) in [("ASCII", "Zoë"), ("8859/1", "Łucja"), ("8859/1", "J’ane")] {
        let world = world(&format!("charset = \"{charset}\"")).await;
        reply_of_jane(&world, given, "C").await;
        settled(&world, |row| row["wish"]["state"] == "failed").await;
        assert_eq!(tasks(&world)[0]["note"], "charset", "{given}");
        assert_eq!(written(&world.ehr.transcript()).count(), 0, "{given}");
        world.stop().await.unwrap();
    }
}

// ---------------------------------------------------------------------------------- helpers

async fn world(destination: &str) -> World {
    let clock = Clock::manual("2026-11-30T18:00:00Z".parse().unwrap());
    let plan = Plan { destination: destination.to_owned(), ..Plan::at(clock) };
    World::start(plan).await.unwrap()
}

/// Jane has an appointment, is told, and texts.
async fn reply_of_jane(world: &World, given: &str, reply: &str) {
    let start = NaiveDate::from_ymd_opt(2026, 12, 8).unwrap().and_hms_opt(9, 30, 0).unwrap();
    let patient = SimPatient {
        mrn: "MRN1000".to_owned(),
        given: given.to_owned(),
        family: "Doe".to_owned(),
        phone: "(415) 555-0123".to_owned(),
    };
    let (location, status) = ("EAST".to_owned(), "Booked".to_owned());
    let visit = SimAppointment { id: "10001".to_owned(), patient, start, location, status };
    assert_eq!(within(world.ehr.book(visit)).await, "AA");
    within(world.carrier.wait_for(|texts| !texts.is_empty())).await;
    let jane = PhoneNumber::parse(JANE, Region::US).unwrap();
    let replied = within(world.carrier.reply(&jane, reply)).await.unwrap();
    assert_eq!(replied.http_status, Some(200));
}

/// And the EHR gets a message.
async fn wish_of_jane(world: &World, given: &str, reply: &str) -> Line {
    reply_of_jane(world, given, reply).await;
    let lines = within(world.ehr.wait_for(|lines| written(lines).next().is_some())).await;
    written(&lines).next().unwrap().clone()
}

fn written(lines: &[Line]) -> impl Iterator<Item = &Line> {
    lines.iter().filter(|line| line.from == "appointd")
}

/// The appointment, once it is as wanted.
async fn settled(world: &World, wanted: impl Fn(&Value) -> bool) -> Value {
    settled_in(world, Subject::Appointments, wanted).await
}

async fn settled_in(world: &World, subject: Subject, wanted: impl Fn(&Value) -> bool) -> Value {
    within(async {
        loop {
            let rows = query(world, subject);
            if let Some(row) = rows.into_iter().find(&wanted) {
                return row;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn tasks(world: &World) -> Vec<Value> {
    query(world, Subject::Tasks)
}

fn query(world: &World, subject: Subject) -> Vec<Value> {
    world.daemon.handle.view().query(subject, &Filter { limit: 10, ..Filter::default() }).unwrap()
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(WITHIN, future).await.unwrap()
}
