//! A patient's reply on its way to a FHIR server: changed once, never against what is so by then, and
//! not told to the patient a second time.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod fhir_support;

use appointd::clock::Timestamp;
use appointd::core::appointment::{Status, WishState};
use appointd::sim::ehr::{Ehr, SimAppointment, SimPatient};
use appointd::sim::fhir::{Access, Answer, Client, Fault, Proof, RetryAfter};
use chrono::{SecondsFormat, TimeDelta};
use fhir_support::{Bed, JANE, NUMBERS, Plan, Way, within};
use serde_json::{Value, json};

const STRATEGIES: [&str; 4] = ["json_patch", "fhirpath_patch", "put", "appointment_response"];

// ---------------------------------------------------------------------------------- each strategy

#[tokio::test]
async fn a_yes_is_written_by_each_strategy_and_its_echo_is_silent() {
    for strategy in STRATEGIES {
        let bed = booked(&format!("strategy = \"{strategy}\"")).await;
        bed.reply(JANE, "C").await;
        reflected(&bed).await;
        assert_eq!(bed.there("Appointment/a1", "/participant/0/status"), "accepted", "{strategy}");
        assert_eq!(bed.there("Appointment/a1", "/status"), "booked", "{strategy}");
        assert_eq!(bed.row("a1").unwrap().status, Status::Confirmed, "{strategy}");
        silent(&bed, &["booked", "confirm_noted"], strategy).await;
        bed.stop().await;
    }
}

#[tokio::test]
async fn a_no_is_written_by_each_strategy_and_its_echo_is_silent() {
    for strategy in ["json_patch", "fhirpath_patch", "put"] {
        let bed = booked(&format!("strategy = \"{strategy}\"")).await;
        bed.reply(JANE, "X").await;
        reflected(&bed).await;
        assert_eq!(bed.there("Appointment/a1", "/status"), "cancelled", "{strategy}");
        let reason = bed.there("Appointment/a1", "/cancelationReason/coding/0/code");
        assert_eq!(reason, "pat", "{strategy}");
        assert_eq!(bed.row("a1").unwrap().status, Status::Canceled, "{strategy}");
        silent(&bed, &["booked", "cancel_noted"], strategy).await;
        bed.stop().await;
    }
}

#[tokio::test]
async fn a_no_by_a_response_is_a_refusal_and_nothing_more_is_told() {
    let bed = booked("strategy = \"appointment_response\"").await;
    bed.reply(JANE, "X").await;
    bed.until("the response", || bed.server.all("AppointmentResponse").len() == 1).await;
    bed.followed("a1").await;
    assert_eq!(bed.there("Appointment/a1", "/participant/0/status"), "declined");
    silent(&bed, &["booked", "cancel_noted"], "appointment_response").await;
    bed.stop().await;
}

#[tokio::test]
async fn wishes_are_written_in_r5_too() {
    let bed = Bed::start(Plan::writing(Way::R5, "")).await;
    bed.book("a1", 8);
    bed.followed("a1").await;
    bed.reply(JANE, "X").await;
    reflected(&bed).await;
    assert_eq!(bed.there("Appointment/a1", "/cancellationReason/coding/0/code"), "pat");
    silent(&bed, &["booked", "cancel_noted"], "r5").await;
    bed.stop().await;
}

/// Time passes, everything is read again, and the patient has heard no more than this.
async fn silent(bed: &Bed, texts: &[&str], what: &str) {
    bed.clock.advance(TimeDelta::minutes(5));
    bed.calm().await;
    bed.resync().await;
    assert_eq!(bed.texts(JANE), texts, "{what}");
    assert_eq!(bed.writes().len(), 1, "{what}: {:?}", bed.writes());
    assert!(bed.tasks().is_empty(), "{what}: {:?}", bed.tasks());
}

// ---------------------------------------------------------------------------------- others meanwhile

#[tokio::test]
async fn a_yes_to_a_time_that_is_gone_confirms_nothing_and_the_new_time_is_told() {
    for strategy in STRATEGIES {
        let bed = booked(&format!("strategy = \"{strategy}\"")).await;
        let start = bed.row("a1").unwrap().start.unwrap().instant + TimeDelta::hours(2);
        bed.server.set(|knobs| knobs.hold = true);
        bed.server.move_to("a1", start).unwrap();
        bed.reply(JANE, "C").await;
        bed.until("the new time", || bed.texts(JANE) == ["booked", "confirm_noted", "rescheduled"])
            .await;
        bed.server.set(|knobs| knobs.hold = false);
        not_confirmed(&bed, start).await;
        bed.stop().await;
    }
}

#[tokio::test]
async fn a_move_between_reading_and_writing_is_seen_by_version_or_by_tests() {
    for (strategy, ignores) in [
        ("json_patch", false),
        // The patch tests what it read: that is left where the version is not looked at.
        ("json_patch", true),
        ("fhirpath_patch", false),
        ("put", false),
    ] {
        let bed = booked(&format!("strategy = \"{strategy}\"")).await;
        bed.server.set(|knobs| knobs.ignore_if_match_on_patch = ignores);
        let start = bed.row("a1").unwrap().start.unwrap().instant + TimeDelta::hours(2);
        let end = start + TimeDelta::minutes(30);
        bed.server
            .meddle("Appointment/a1", json!({ "start": written(start), "end": written(end) }));
        bed.reply(JANE, "C").await;
        let told = ["booked", "confirm_noted", "rescheduled"];
        bed.ticking("the new time", || bed.texts(JANE) == told).await;
        assert_eq!(bed.written().len(), 1, "{strategy} {ignores}: {:?}", bed.written());
        not_confirmed(&bed, start).await;
        bed.stop().await;
    }
}

/// Nothing was confirmed, and a person has nothing to do.
async fn not_confirmed(bed: &Bed, start: Timestamp) {
    let row = bed.found("a1").await;
    assert_eq!((row.status, row.start.unwrap().instant), (Status::Booked, start));
    assert_eq!(bed.there("Appointment/a1", "/participant/0/status"), "needs-action");
    assert!(bed.tasks().is_empty(), "{:?}", bed.tasks());
    // She answers to the time that she knows now.
    bed.reply(JANE, "C").await;
    bed.ticking("the answer", || bed.row("a1").unwrap().status == Status::Confirmed).await;
    assert_eq!(bed.there("Appointment/a1", "/participant/0/status"), "accepted");
}

#[tokio::test]
async fn a_conflict_is_looked_at_again_and_written() {
    for (status, strategy) in
        [(412, "json_patch"), (409, "json_patch"), (412, "put"), (409, "fhirpath_patch")]
    {
        let bed = booked(&format!("strategy = \"{strategy}\"")).await;
        bed.server.set(|knobs| knobs.conflict_status = status);
        bed.server.meddle("Appointment/a1", json!({ "comment": "calls back" }));
        bed.reply(JANE, "C").await;
        reflected(&bed).await;
        assert_eq!(bed.written(), [Some(status), Some(200)], "{strategy}");
        assert_eq!(bed.there("Appointment/a1", "/comment"), "calls back", "{strategy}");
        assert_eq!(bed.texts(JANE), ["booked", "confirm_noted"], "{strategy}");
        bed.stop().await;
    }
}

#[tokio::test]
async fn what_others_have_ended_meanwhile_is_a_task() {
    for (code, note) in [("arrived", "arrived"), ("cancelled", "off")] {
        let bed = booked("").await;
        bed.server.set(|knobs| knobs.hold = true);
        bed.server.set_status("a1", code).unwrap();
        bed.reply(JANE, "C").await;
        bed.until("a task", || !bed.tasks().is_empty()).await;
        bed.followed("a1").await;
        let tasks = bed.tasks();
        assert_eq!(tasks.len(), 1, "{code}: {tasks:?}");
        assert_eq!(tasks[0]["kind"], "write_back_failed", "{code}");
        assert!(tasks[0]["note"].as_str().unwrap().contains(note), "{code}: {tasks:?}");
        assert!(bed.writes().is_empty(), "{code}");
        assert_eq!(bed.there("Appointment/a1", "/participant/0/status"), "needs-action", "{code}");
        bed.stop().await;
    }
}

// ---------------------------------------------------------------------------------- troubles

#[tokio::test]
async fn a_server_that_asks_for_time_gets_it_and_is_written_to_once() {
    let bed = booked("").await;
    let busy = Answer::Unavailable(RetryAfter::Seconds(90));
    bed.server.set(|knobs| {
        knobs.fail_next.push(Fault::next(busy).on("PATCH", "/fhir/Appointment"));
    });
    bed.reply(JANE, "C").await;
    bed.until("the first try", || bed.written() == [Some(503)]).await;
    bed.clock.advance(TimeDelta::seconds(60));
    assert_eq!(bed.get("/healthz").await.status, 200);
    assert_eq!(bed.written(), [Some(503)], "it asked for more");
    bed.ticking("the second try", || bed.written().len() == 2).await;
    reflected(&bed).await;
    assert_eq!(bed.written(), [Some(503), Some(200)]);
    assert_eq!(bed.texts(JANE), ["booked", "confirm_noted"]);
    assert!(bed.tasks().is_empty());
    bed.stop().await;
}

#[tokio::test]
async fn what_was_done_without_an_answer_is_not_done_twice() {
    for (reply, answer) in [
        ("C", Answer::Closed),
        ("X", Answer::Closed),
        ("C", Answer::GatewayHtml),
        ("X", Answer::Garbage),
        ("C", Answer::Unavailable(RetryAfter::Missing)),
    ] {
        let bed = booked("").await;
        let lost = Fault::next(answer).on("PATCH", "/fhir/Appointment").though_done();
        bed.server.set(|knobs| knobs.fail_next.push(lost));
        bed.reply(JANE, reply).await;
        reflected_in_time(&bed).await;
        bed.clock.advance(TimeDelta::minutes(10));
        bed.calm().await;
        assert_eq!(bed.writes().len(), 1, "{reply} {answer:?}");
        assert!(bed.tasks().is_empty(), "{reply} {answer:?}: {:?}", bed.tasks());
        assert_eq!(bed.texts(JANE).len(), 2, "{reply} {answer:?}: {:?}", bed.texts(JANE));
        bed.stop().await;
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced() {
    let client =
        Client { id: "owl".to_owned(), proof: Proof::Secret("owl-client-0001".to_owned()) };
    let mut plan = Plan::writing(Way::Backport, "");
    plan.access = Access::Clients(vec![client]);
    plan.further = "[fhir.server.auth]\nkind = \"client_credentials\"\nclient_id = \"owl\"\n\
                    client_secret = \"owl-client-0001\"\ntoken_url = \"{token_url}\"\n"
        .to_owned();
    let bed = Bed::start(plan).await;
    bed.book("a1", 8);
    bed.followed("a1").await;
    bed.server.revoke_tokens();
    bed.reply(JANE, "C").await;
    reflected_in_time(&bed).await;
    assert_eq!(bed.there("Appointment/a1", "/participant/0/status"), "accepted");
    let done = bed.written().iter().filter(|status| **status == Some(200)).count();
    assert_eq!(done, 1, "{:?}", bed.written());
    assert_eq!(bed.texts(JANE), ["booked", "confirm_noted"]);
    bed.stop().await;
}

#[tokio::test]
async fn of_two_replies_to_a_server_that_is_down_only_the_last_is_written() {
    let bed = booked("").await;
    bed.server.set(|knobs| knobs.down = true);
    bed.reply(JANE, "YES").await;
    bed.calm().await;
    bed.reply(JANE, "X").await;
    bed.clock.advance(TimeDelta::minutes(2));
    bed.server.set(|knobs| knobs.down = false);
    reflected_in_time(&bed).await;
    bed.clock.advance(TimeDelta::minutes(15));
    bed.calm().await;
    assert_eq!(bed.there("Appointment/a1", "/status"), "cancelled");
    assert_eq!(bed.there("Appointment/a1", "/participant/0/status"), "needs-action");
    let done: Vec<Value> = bed
        .writes()
        .iter()
        .filter(|one| one.status == Some(200))
        .map(appointd::sim::fhir::Request::json)
        .collect();
    assert_eq!(done.len(), 1, "{done:?}");
    assert_eq!(bed.texts(JANE), ["booked", "confirm_noted", "cancel_noted"]);
    assert!(bed.tasks().is_empty(), "{:?}", bed.tasks());
    bed.stop().await;
}

// ---------------------------------------------------------------------------------- two feeds

/// The server's appointments are those of the HL7 feed: the number comes first.
const TWO_FEEDS: &str = "
title = \"The Owl EHR's FHIR server, beside its HL7 feed\"
extends = \"fhir-r4\"
reads = \"fhir\"

[appointment]
ids = [
  { path = \"Appointment.identifier.where(system = 'urn:owl-clinic:appointment')\", system = \"filler\" },
  { path = \"Appointment.id\", system = \"fhir\" },
]
";
/// The feed, and where its patients' wishes go.
const HL7: &str = "
[[hl7.listener]]
name = \"main-ehr\"
listen = \"127.0.0.1:0\"
[[route]]
source = \"main-ehr\"
destination = \"owl\"
";

#[tokio::test]
async fn one_appointment_of_two_feeds_is_one_and_its_wish_goes_to_the_server() {
    let mut plan = Plan::writing(
        Way::Backport,
        &format!("mapping = \"owls\"\nsame_as = \"main-ehr\"\nidentifier_system = \"{NUMBERS}\""),
    );
    plan.mapping = Some(TWO_FEEDS);
    plan.further = HL7.to_owned();
    let bed = Bed::start(plan).await;
    let ehr = feed(&bed).await;
    twin(&bed);
    bed.followed("a1").await;
    let rows = bed.query(appointd::engine::view::Subject::Appointments);
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!(bed.texts(JANE), ["booked"]);

    bed.reply(JANE, "C").await;
    reflected(&bed).await;
    assert_eq!(bed.there("Appointment/a1", "/participant/0/status"), "accepted");
    assert_eq!(bed.texts(JANE), ["booked", "confirm_noted"]);
    assert!(bed.tasks().is_empty(), "{:?}", bed.tasks());
    ehr.disconnect().await;
    bed.stop().await;
}

#[tokio::test]
async fn a_server_that_is_only_written_to_is_searched_for_the_number() {
    let mut plan = Plan::writing(
        Way::Silent,
        &format!("mapping = \"owls\"\nsame_as = \"main-ehr\"\nidentifier_system = \"{NUMBERS}\""),
    );
    plan.mapping = Some(TWO_FEEDS);
    plan.further = HL7.to_owned();
    let mut bed = Bed::prepare(plan).await;
    bed.up().await;
    let ehr = feed(&bed).await;
    twin(&bed);
    bed.reply(JANE, "X").await;
    bed.until("the write", || bed.there("Appointment/a1", "/status") == "cancelled").await;
    bed.calm().await;
    assert_eq!(bed.written(), [Some(200)]);
    assert_eq!(bed.texts(JANE), ["booked", "cancel_noted"]);
    assert!(bed.tasks().is_empty(), "{:?}", bed.tasks());
    ehr.disconnect().await;
    bed.stop().await;
}

/// The HL7 feed books Jane's visit, and she is told.
async fn feed(bed: &Bed) -> std::sync::Arc<Ehr> {
    let ehr = Ehr::new(bed.clock.clone(), false);
    ehr.connect(bed.daemon().mllp[0]).await;
    let start = "2026-12-08T10:00:00".parse().unwrap();
    let patient = SimPatient {
        mrn: "MRN1000".to_owned(),
        given: "Jane".to_owned(),
        family: "Doe".to_owned(),
        phone: "(415) 555-0123".to_owned(),
    };
    let (location, status) = ("east".to_owned(), "Booked".to_owned());
    let visit = SimAppointment { id: "10001".to_owned(), patient, start, location, status };
    assert_eq!(within(ehr.book(visit)).await, "AA");
    bed.until("a text", || bed.texts(JANE) == ["booked"]).await;
    ehr
}

/// The same visit as the server has it.
fn twin(bed: &Bed) {
    let start = "2026-12-08T18:00:00Z".parse().unwrap();
    let visit = appointd::sim::fhir::Visit::new("a1", "jane", start);
    let mut resource = visit.resource(appointd::sim::fhir::Version::R4);
    resource["identifier"][0]["value"] = json!("10001");
    bed.server.put(resource).unwrap();
}

// ---------------------------------------------------------------------------------- helpers

/// Jane has a visit and knows of it.
async fn booked(lines: &str) -> Bed {
    let bed = Bed::start(Plan::writing(Way::Backport, lines)).await;
    bed.book("a1", 8);
    bed.followed("a1").await;
    assert_eq!(bed.texts(JANE), ["booked"]);
    bed
}

fn is_reflected(bed: &Bed) -> bool {
    let row = bed.row("a1").unwrap();
    row.wish.is_some_and(|wish| wish.state == WishState::Reflected)
}

/// Waits until the wish has come back from the server.
async fn reflected(bed: &Bed) {
    bed.until("the echo", || is_reflected(bed)).await;
    bed.followed("a1").await;
}

/// The same, while time passes.
async fn reflected_in_time(bed: &Bed) {
    bed.ticking("the echo", || is_reflected(bed)).await;
    bed.found("a1").await;
}

fn written(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
