//! What a patient hears when something changes at a FHIR server that the daemon follows.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod fhir_support;

use appointd::core::appointment::{Status, TimerKind};
use appointd::core::phone::PhoneNumber;
use appointd::engine::view::Subject;
use chrono::TimeDelta;
use fhir_support::{Bed, JANE, JOHN, Plan, Way};
use serde_json::{Value, json};

/// Jane's other phone.
const OTHER: &str = "+14155550177";

// ---------------------------------------------------------------------------------- beginning

#[tokio::test]
async fn what_was_there_before_is_not_told_and_is_reminded_of() {
    let mut bed = Bed::prepare(Plan::by(Way::Poll)).await;
    let start = bed.book("a1", 4);
    bed.book("a2", 30);
    bed.up().await;
    bed.settled(Way::Poll).await;
    for id in ["a1", "a2"] {
        let row = bed.followed(id).await;
        assert_eq!(row.status, Status::Booked);
        let reminders =
            row.timers.iter().filter(|timer| matches!(timer.kind, TimerKind::Reminder(_)));
        assert_eq!(reminders.count(), 2, "{id}");
    }
    assert!(bed.texts(JANE).is_empty());
    bed.clock.advance_to(start - TimeDelta::hours(47));
    bed.until("a reminder", || !bed.texts(JANE).is_empty()).await;
    assert_eq!(bed.texts(JANE), ["reminder"]);
    bed.stop().await;
}

#[tokio::test]
async fn a_search_finds_what_nobody_told() {
    let bed = Bed::start(Plan::by(Way::Poll)).await;
    bed.book("a1", 8);
    bed.found("a1").await;
    assert_eq!(bed.texts(JANE), ["booked"]);
    // The next searches reach back over it, and find nothing new.
    for _ in 0..5 {
        bed.clock.advance(TimeDelta::minutes(1));
        let searched_at = bed.feed().searched_at;
        bed.ticking("a search", || bed.feed().searched_at > searched_at).await;
    }
    bed.calm().await;
    assert_eq!(bed.texts(JANE), ["booked"]);
    bed.stop().await;
}

#[tokio::test]
async fn a_criteria_subscription_tells() {
    hears_once(Way::R4, &[]).await;
}

#[tokio::test]
async fn a_backport_subscription_shakes_hands_and_tells() {
    hears_once(Way::Backport, &["handshake"]).await;
}

#[tokio::test]
async fn an_r5_subscription_shakes_hands_and_tells() {
    hears_once(Way::R5, &["handshake"]).await;
}

/// One booking, told by a notification: one text.
async fn hears_once(way: Way, first: &[&str]) {
    let bed = Bed::start(Plan::by(way)).await;
    let subscriptions = bed.server.all("Subscription");
    assert_eq!(subscriptions.len(), 1, "{way:?}");
    assert_eq!(subscriptions[0]["status"], "active", "{way:?}");
    bed.book("a1", 8);
    bed.followed("a1").await;
    assert_eq!(bed.texts(JANE), ["booked"], "{way:?}");

    let deliveries = bed.server.deliveries();
    assert!(deliveries.iter().all(|one| one.is_taken && one.status == Some(200)), "{deliveries:?}");
    let kinds: Vec<&str> = deliveries.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds.split_last().unwrap().1, first, "{way:?}");
    ready(&bed, "up").await;
    bed.ticking("the status", || {
        bed.query(Subject::Servers)[0]["subscription"]["status"] == "active"
    })
    .await;
    let known = bed.query(Subject::Servers);
    assert_eq!(known.len(), 1);
    assert_eq!(known[0]["server"], "owl");
    assert_eq!(known[0]["subscription"]["status"], "active");
    assert_eq!(known[0]["subscription"]["id"], subscriptions[0]["id"]);
    // What is read again is no news.
    bed.resync().await;
    assert_eq!(bed.texts(JANE), ["booked"], "{way:?}");
    bed.stop().await;
}

/// Waits until readiness says this of the server.
async fn ready(bed: &Bed, wanted: &str) {
    let mut said = Value::Null;
    for _ in 0..60 {
        said = bed.get("/readyz").await.json()["parts"]["server owl"].clone();
        if said == wanted {
            return;
        }
        bed.clock.advance(TimeDelta::minutes(1));
        bed.calm().await;
    }
    assert_eq!(said, wanted);
}

#[tokio::test]
async fn a_subscription_that_never_works_is_shown_and_searches_stand_in_for_it() {
    let mut plan = Plan::by(Way::Backport);
    plan.knobs.stuck_requested = true;
    let mut bed = Bed::prepare(plan).await;
    bed.up().await;
    bed.settled(Way::Poll).await;
    ready(&bed, "impaired: subscription requested").await;
    bed.book("a1", 8);
    bed.found("a1").await;
    assert_eq!(bed.texts(JANE), ["booked"]);
    bed.stop().await;
}

// ---------------------------------------------------------------------------------- changes

#[tokio::test]
async fn each_change_that_a_patient_notices_is_told_once() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    let start = bed.book("a1", 8);
    bed.followed("a1").await;
    bed.server.move_to("a1", start + TimeDelta::hours(2)).unwrap();
    let row = bed.followed("a1").await;
    assert_eq!(row.start.unwrap().instant, start + TimeDelta::hours(2));
    assert_eq!(bed.texts(JANE), ["booked", "rescheduled"]);

    let mut participants = bed.there("Appointment/a1", "/participant");
    participants[2]["actor"]["reference"] = json!("Location/west");
    bed.server.change("Appointment/a1", &json!({ "participant": participants })).unwrap();
    bed.followed("a1").await;
    assert_eq!(bed.texts(JANE), ["booked", "rescheduled", "modified"]);

    bed.server.confirm_by_staff("a1").unwrap();
    assert_eq!(bed.followed("a1").await.status, Status::Confirmed);
    assert_eq!(bed.texts(JANE), ["booked", "rescheduled", "modified", "confirmed"]);

    // Nothing that she could see.
    bed.server.change("Appointment/a1", &json!({ "comment": "first visit" })).unwrap();
    bed.followed("a1").await;
    bed.server.cancel("a1", "prov").unwrap();
    assert_eq!(bed.followed("a1").await.status, Status::Canceled);
    bed.clock.advance(TimeDelta::minutes(3));
    let all = ["booked", "rescheduled", "modified", "confirmed", "canceled"];
    bed.until("the cancellation", || bed.texts(JANE).len() == all.len()).await;
    assert_eq!(bed.texts(JANE), all);
    bed.stop().await;
}

#[tokio::test]
async fn what_is_deleted_is_off_and_not_told() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    bed.book("a1", 8);
    bed.followed("a1").await;
    assert!(bed.server.delete("Appointment/a1"));
    let row = bed.followed("a1").await;
    assert!(row.status.is_off());
    bed.clock.advance(TimeDelta::hours(3));
    bed.calm().await;
    assert_eq!(bed.texts(JANE), ["booked"]);
    bed.stop().await;
}

#[tokio::test]
async fn what_is_deleted_without_a_word_is_found_by_comparing() {
    let bed = Bed::start(Plan::by(Way::Poll)).await;
    bed.book("a1", 8);
    bed.found("a1").await;
    assert!(bed.server.delete("Appointment/a1"));
    bed.resync().await;
    assert!(bed.row("a1").unwrap().status.is_off());
    assert_eq!(bed.texts(JANE), ["booked"]);
    bed.stop().await;
}

#[tokio::test]
async fn a_missed_visit_is_told() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    let start = bed.book("a1", 1);
    bed.followed("a1").await;
    bed.clock.advance_to(start + TimeDelta::hours(1));
    bed.server.set_status("a1", "noshow").unwrap();
    assert_eq!(bed.found("a1").await.status, Status::NoShow);
    let told = bed.texts(JANE);
    assert_eq!(told.iter().filter(|kind| *kind == "noshowed").count(), 1, "{told:?}");
    assert_eq!(told.last().unwrap(), "noshowed");
    bed.stop().await;
}

#[tokio::test]
async fn a_visit_that_is_taken_back_in_time_is_told_of_only_as_changed() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    bed.book("a1", 8);
    bed.followed("a1").await;
    bed.server.cancel("a1", "prov").unwrap();
    bed.followed("a1").await;
    bed.server.set_status("a1", "booked").unwrap();
    bed.followed("a1").await;
    bed.clock.advance(TimeDelta::minutes(5));
    bed.calm().await;
    assert_eq!(bed.texts(JANE), ["booked", "modified"]);
    bed.stop().await;
}

// ---------------------------------------------------------------------------------- people

#[tokio::test]
async fn nobody_texts_the_dead() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    let start = bed.book("a1", 8);
    bed.followed("a1").await;
    assert_eq!(bed.texts(JANE), ["booked"]);
    bed.server.change("Patient/jane", &json!({ "deceasedDateTime": "2026-11-30" })).unwrap();
    assert_eq!(bed.notify("Patient/jane").await.status, 200);
    bed.until("the news", || bed.row("a1").unwrap().patient.deceased).await;
    bed.server.move_to("a1", start + TimeDelta::hours(2)).unwrap();
    bed.followed("a1").await;
    bed.book("a2", 9);
    bed.found("a2").await;
    bed.clock.advance_to(start - TimeDelta::hours(20));
    bed.calm().await;
    bed.server.cancel("a1", "pat").unwrap();
    bed.found("a1").await;
    bed.clock.advance(TimeDelta::minutes(5));
    bed.calm().await;
    assert_eq!(bed.texts(JANE), ["booked"]);
    bed.stop().await;
}

#[tokio::test]
async fn a_new_phone_gets_what_comes_and_the_old_one_nothing_more() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    let start = bed.book("a1", 8);
    bed.followed("a1").await;
    let telecom = json!([{ "system": "phone", "use": "mobile", "value": "(415) 555-0177" }]);
    bed.server.change("Patient/jane", &json!({ "telecom": telecom })).unwrap();
    assert_eq!(bed.notify("Patient/jane").await.status, 200);
    let other = PhoneNumber::parse_e164(OTHER).unwrap();
    bed.until("the new phone", || bed.row("a1").unwrap().patient.phone.as_ref() == Some(&other))
        .await;
    bed.calm().await;
    assert!(bed.texts(OTHER).is_empty(), "a new phone alone is no news");
    bed.server.move_to("a1", start + TimeDelta::hours(2)).unwrap();
    bed.followed("a1").await;
    assert_eq!(bed.texts(OTHER), ["rescheduled"]);
    assert_eq!(bed.texts(JANE), ["booked"]);
    bed.stop().await;
}

#[tokio::test]
async fn each_patient_of_a_group_hears_once() {
    let bed = Bed::start(Plan::by(Way::Backport)).await;
    let start = bed.book("other", 12);
    bed.followed("other").await;
    let mut group = bed.server.get("Appointment/other").unwrap();
    group["id"] = json!("group");
    group["identifier"][0]["value"] = json!("group");
    let john = json!({
        "actor": { "reference": "Patient/john" }, "required": "required", "status": "needs-action",
    });
    group["participant"].as_array_mut().unwrap().push(john);
    bed.server.put(group).unwrap();
    bed.followed("group").await;
    assert_eq!(bed.texts(JANE), ["booked", "booked"]);
    assert_eq!(bed.texts(JOHN), ["booked"]);
    bed.server.move_to("group", start + TimeDelta::hours(3)).unwrap();
    bed.followed("group").await;
    assert_eq!(bed.texts(JANE), ["booked", "booked", "rescheduled"]);
    assert_eq!(bed.texts(JOHN), ["booked", "rescheduled"]);
    bed.resync().await;
    assert_eq!((bed.texts(JANE).len(), bed.texts(JOHN).len()), (3, 2));
    bed.stop().await;
}
