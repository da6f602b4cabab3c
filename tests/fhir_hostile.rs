//! What a FHIR server, or somebody who says to be one, can send that is wrong: each entry is handled by
//! itself, and what is not understood is kept with its reason.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod fhir_support;

use appointd::engine::view::Subject;
use appointd::sim::fhir::{Answer, Fault, Forgery, NextLink, RetryAfter, Version, Visit};
use appointd::store::Store as _;
use chrono::TimeDelta;
use fhir_support::{Bed, JANE, JOHN, OWL, Plan, SECRET, Way, patient, send};
use serde_json::{Value, json};
use tokio::net::TcpListener;

// ---------------------------------------------------------------------------------- entries

/// An appointment of Jane's with something changed.
fn odd(id: &str, change: impl FnOnce(&mut Value)) -> Value {
    let start = "2026-12-08T18:00:00Z".parse().unwrap();
    let mut resource = Visit::new(id, "jane", start).resource(Version::R4);
    change(&mut resource);
    resource
}

fn remove(resource: &mut Value, name: &str) {
    resource.as_object_mut().unwrap().remove(name);
}

/// Why the messages in quarantine are there.
fn faults(bed: &Bed) -> Vec<String> {
    let rows = bed.query(Subject::Quarantine);
    let fault = |row: &Value| {
        let fault = &row["cause"]["message"]["filed"]["quarantined"];
        fault.as_str().unwrap_or_default().to_owned()
    };
    rows.iter().map(fault).collect()
}

#[tokio::test]
async fn a_bad_entry_is_kept_with_its_reason_and_those_beside_it_are_read() {
    for (what, bad) in [
        ("an unknown status", odd("bad", |it| it["status"] = json!("on-hold"))),
        ("no status", odd("bad", |it| remove(it, "status"))),
    ] {
        let mut bed = Bed::prepare(Plan::by(Way::Poll)).await;
        bed.server.put(odd("a1", |_| {})).unwrap();
        bed.server.put(bad).unwrap();
        bed.server.put(odd("z1", |_| {})).unwrap();
        bed.up().await;
        bed.settled(Way::Poll).await;
        bed.followed("a1").await;
        bed.followed("z1").await;
        assert!(bed.row("bad").is_none(), "{what}");
        let kept = faults(&bed);
        assert_eq!(kept.len(), 1, "{what}: {kept:?}");
        assert!(!kept[0].is_empty() && !kept[0].contains("on-hold"), "{what}: {kept:?}");
        // Found again, it is kept once.
        bed.resync().await;
        assert_eq!(faults(&bed).len(), 1, "{what}");
        // What is put right is read.
        bed.server.put(odd("bad", |_| {})).unwrap();
        bed.found("bad").await;
        bed.stop().await;
    }
}

#[tokio::test]
async fn a_start_that_cannot_be_read_is_kept_with_its_reason() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    let starts = [
        ("none", Value::Null),
        ("a day that there is not", json!("2026-02-30T10:00:00Z")),
        ("words", json!("tomorrow")),
        ("another kind", json!({ "at": 1 })),
    ];
    for (kept, (what, start)) in (1..).zip(starts) {
        bed.server.put(odd(&format!("bad-{kept}"), |it| it["start"] = start)).unwrap();
        bed.until(what, || faults(&bed).len() == kept).await;
        assert!(!faults(&bed)[0].contains("2026"), "{:?}", faults(&bed));
    }
    bed.book("a1", 8);
    bed.followed("a1").await;
    assert_eq!(bed.query(Subject::Appointments).len(), 1);
    assert_eq!(bed.texts(JANE), ["booked"]);
    bed.stop().await;
}

#[tokio::test]
async fn what_cannot_be_told_to_anybody_is_known_and_not_told() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    for (id, resource) in [
        ("nobody", odd("nobody", |it| remove(it, "participant"))),
        ("empty", odd("empty", |it| it["participant"] = json!([]))),
        ("nameless", odd("nameless", |it| it["participant"] = json!([{ "status": "accepted" }]))),
        ("gone", odd("gone", |it| it["participant"][0]["actor"]["reference"] = json!("Patient/x"))),
        (
            "odd",
            odd("odd", |it| it["participant"][0]["actor"]["reference"] = json!("Patient/../x")),
        ),
    ] {
        bed.server.put(resource).unwrap();
        bed.followed(id).await;
    }
    assert!(bed.query(Subject::Outbox).iter().all(|row| row["to"].is_null()));
    bed.stop().await;
}

#[tokio::test]
async fn a_start_without_offset_is_kept_for_a_person_or_read_where_the_clinic_is() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    bed.server.put(odd("local", |it| it["start"] = json!("2026-12-08T10:00:00"))).unwrap();
    bed.until("it", || bed.row("local").is_some() || faults(&bed).len() == 1).await;
    match bed.row("local") {
        Some(row) => {
            let start: chrono::DateTime<chrono::Utc> = "2026-12-08T18:00:00Z".parse().unwrap();
            assert_eq!(row.start.unwrap().instant, start);
        }
        None => assert_eq!(faults(&bed).len(), 1),
    }
    bed.stop().await;
}

#[tokio::test]
async fn an_entry_that_is_no_resource_does_not_stop_its_page() {
    let mut plan = Plan::by(Way::Poll);
    plan.knobs.bad_entry = true;
    plan.knobs.outcome_entry = true;
    plan.knobs.page_max = 1;
    let mut bed = Bed::prepare(plan).await;
    for id in ["a1", "a2", "a3"] {
        bed.book(id, 8);
    }
    bed.up().await;
    bed.settled(Way::Poll).await;
    for id in ["a1", "a2", "a3"] {
        bed.followed(id).await;
    }
    assert!(!faults(&bed).is_empty());
    bed.stop().await;
}

#[tokio::test]
async fn whatever_stands_for_a_date_of_death_nobody_is_texted() {
    for date in [json!("yesterday"), json!(""), json!("2026-13-45"), json!(17), json!({ "a": 1 })] {
        let bed = Bed::start(Plan::by(Way::Backport)).await;
        let mut jane = patient("jane", "Jane", "Doe", "(415) 555-0123");
        jane["deceasedDateTime"] = date.clone();
        bed.server.put(jane).unwrap();
        bed.book("a1", 8);
        bed.followed("a1").await;
        bed.clock.advance(TimeDelta::days(7));
        bed.calm().await;
        assert!(bed.texts(JANE).is_empty(), "{date}");
        bed.stop().await;
    }
}

// ---------------------------------------------------------------------------------- answers

#[tokio::test]
async fn what_is_no_answer_is_asked_again() {
    for answer in [
        Answer::GatewayHtml,
        Answer::Garbage,
        Answer::Closed,
        Answer::Status(500),
        Answer::Status(404),
        Answer::Throttled(RetryAfter::Seconds(20)),
        Answer::Unavailable(RetryAfter::Seconds(40)),
    ] {
        let mut bed = Bed::prepare(Plan::by(Way::Poll)).await;
        bed.book("a1", 8);
        let fault = Fault::next(answer).on("GET", "/fhir/Appointment").times(3);
        bed.server.set(|knobs| knobs.fail_next.push(fault));
        bed.up().await;
        bed.settled(Way::Poll).await;
        bed.followed("a1").await;
        assert!(bed.server.knobs().fail_next.is_empty(), "{answer:?}");
        assert!(bed.texts(JANE).is_empty(), "{answer:?}");
        bed.stop().await;
    }
}

#[tokio::test]
async fn a_look_that_gets_nonsense_is_made_again() {
    for answer in [Answer::GatewayHtml, Answer::Closed, Answer::Unauthorized] {
        let bed = Bed::start(Plan::by(Way::Backport)).await;
        let fault = Fault::next(answer).on("GET", "/fhir/Appointment/a1").times(2);
        bed.server.set(|knobs| knobs.fail_next.push(fault));
        bed.book("a1", 8);
        bed.found("a1").await;
        assert_eq!(bed.texts(JANE), ["booked"], "{answer:?}");
        bed.stop().await;
    }
}

#[tokio::test]
async fn what_a_search_without_end_has_brought_counts() {
    let mut plan = Plan::by(Way::Poll);
    plan.knobs.page_loop = true;
    plan.knobs.page_max = 1;
    let mut bed = Bed::prepare(plan).await;
    bed.book("a1", 8);
    bed.book("a2", 9);
    bed.up().await;
    bed.followed("a1").await;
    bed.followed("a2").await;
    bed.server.set(|knobs| knobs.page_loop = false);
    bed.settled(Way::Poll).await;
    assert!(bed.texts(JANE).is_empty());
    bed.stop().await;
}

#[tokio::test]
async fn no_request_leaves_for_another_host() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", elsewhere.local_addr().unwrap());
    let mut plan = Plan::by(Way::Poll);
    plan.knobs.next = NextLink::Elsewhere(host.clone());
    plan.knobs.page_max = 1;
    let mut bed = Bed::prepare(plan).await;
    bed.book("a1", 8);
    bed.book("a2", 9);
    bed.server
        .put(odd("a3", |it| {
            it["participant"][0]["actor"]["reference"] = json!(format!("{host}/fhir/Patient/jane"));
        }))
        .unwrap();
    bed.up().await;
    impaired(&bed, "page").await;
    bed.server.set(|knobs| knobs.next = NextLink::Absolute);
    bed.settled(Way::Poll).await;
    bed.followed("a3").await;
    let called = tokio::time::timeout(std::time::Duration::ZERO, elsewhere.accept()).await;
    assert!(called.is_err(), "somebody was called");
    bed.stop().await;
}

#[tokio::test]
async fn an_answer_over_the_cap_is_not_read_and_the_next_one_is() {
    let mut plan = Plan::by(Way::Poll);
    plan.server = "body_bytes_max = 65536".to_owned();
    plan.knobs.pad_answers = 100_000;
    let mut bed = Bed::prepare(plan).await;
    bed.book("a1", 8);
    bed.up().await;
    impaired(&bed, "too_large").await;
    bed.server.set(|knobs| knobs.pad_answers = 0);
    bed.settled(Way::Poll).await;
    bed.followed("a1").await;
    bed.stop().await;
}

/// Waits until readiness shows that the server cannot be searched, for this reason.
async fn impaired(bed: &Bed, why: &str) {
    let wanted = format!("impaired: it cannot be searched: {why}");
    let mut said = Value::Null;
    for _ in 0..1_000 {
        said = bed.get("/readyz").await.json()["parts"]["server owl"].clone();
        if said == wanted.as_str() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(said, wanted);
}

// ---------------------------------------------------------------------------------- notifications

/// How much is stored.
fn rows(bed: &Bed) -> Vec<(String, u64)> {
    let tables = bed.store.stats().unwrap().tables;
    tables.iter().map(|(table, held)| (table.name().to_owned(), held.rows)).collect()
}

#[tokio::test]
async fn who_does_not_know_the_secret_is_refused_and_nothing_is_stored() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    bed.book("a1", 8);
    bed.followed("a1").await;
    let before = rows(&bed);
    let forged = odd("a1", |it| it["status"] = json!("cancelled")).to_string();
    let path = format!("/fhir/notify/{OWL}/Appointment/a1");
    let long = "x".repeat(10_000);
    for secret in ["", "owl", "owl-hook-secret-000", "owl-hook-secret-00011", long.as_str()] {
        for method in ["PUT", "POST", "DELETE"] {
            let headers = [("X-Hook-Token", secret), ("Content-Type", "application/fhir+json")];
            let answer = send(bed.http, (method, &path), &headers, &forged).await;
            assert_eq!(answer.status, 403, "{method} {secret}");
            assert!(!answer.body.contains("secret"), "{}", answer.body);
        }
    }
    assert_eq!(send(bed.http, ("PUT", &path), &[], &forged).await.status, 403);
    assert_eq!(rows(&bed), before);
    assert_eq!(bed.texts(JANE), ["booked"]);
    bed.stop().await;
}

#[tokio::test]
async fn what_a_forger_tells_is_looked_up_and_not_believed() {
    for forgery in [Forgery::WrongSecret, Forgery::MadeUpId] {
        let bed = Bed::start(Plan::by(Way::R4)).await;
        bed.server.set(|knobs| knobs.forge = forgery);
        let start = bed.book("a1", 8);
        bed.followed("a1").await;
        bed.server.move_to("a1", start + TimeDelta::hours(1)).unwrap();
        bed.followed("a1").await;
        bed.clock.advance(TimeDelta::minutes(5));
        bed.calm().await;
        assert_eq!(bed.texts(JANE), ["booked", "rescheduled"], "{forgery:?}");
        assert_eq!(bed.query(Subject::Appointments).len(), 1, "{forgery:?}");
        assert!(bed.tasks().is_empty(), "{forgery:?}");
        bed.stop().await;
    }
}

#[tokio::test]
async fn a_notification_that_cannot_be_read_is_kept_and_answered() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    let path = format!("/fhir/notify/{OWL}");
    let headers = [("X-Hook-Token", SECRET), ("Content-Type", "application/fhir+json")];
    for body in ["<html>", "{", "[1, 2]", "\"text\"", "{\"resourceType\": 17}"] {
        let answer = send(bed.http, ("POST", &path), &headers, body).await;
        assert_eq!(answer.status, 200, "{body}");
        assert!(answer.json()["resourceType"].is_string(), "{body}: {}", answer.body);
    }
    assert!(!faults(&bed).is_empty());
    let nothing = send(bed.http, ("POST", "/fhir/notify/barn"), &headers, "{}").await;
    assert_eq!(nothing.status, 404);
    let large = "x".repeat((1 << 20) + 1);
    let answer = send(bed.http, ("POST", &path), &headers, &large).await;
    assert_eq!(answer.status, 413);
    // It still hears what is right.
    bed.book("a1", 8);
    bed.followed("a1").await;
    assert_eq!(bed.texts(JANE), ["booked"]);
    bed.stop().await;
}

#[tokio::test]
async fn metrics_tell_of_the_server_and_of_no_patient() {
    let bed = Bed::start(Plan::writing(Way::Backport, "")).await;
    bed.book("visit-17", 8);
    bed.followed("visit-17").await;
    bed.reply(JANE, "C").await;
    bed.until("the write", || bed.written() == [Some(200)]).await;
    bed.followed("visit-17").await;
    bed.server.put(odd("bad", |it| it["status"] = json!("on-hold"))).unwrap();
    bed.until("quarantine", || faults(&bed).len() == 1).await;
    let metrics = bed.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.contains("\"owl\""), "{}", metrics.body);
    for secret in ["Doe", "Jane", "jane", "Frances", "555", "visit-17", "on-hold", SECRET, JOHN] {
        assert!(!metrics.body.contains(secret), "{secret}\n{}", metrics.body);
    }
    bed.stop().await;
}
