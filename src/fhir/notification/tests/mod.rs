//! Every shape of a notification, and what is wrong with each in the wild.

mod statuses;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fhir::resource::tests::any_value;

const UUID: &str = "0901fb5b-6858-33f2-994f-6680c0c6aadb";
const TIME: &str = "2026-11-20T11:30:55.6138476-05:00";

fn send(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Notification {
    read(&Call { method, path, headers, body: body.as_bytes() })
}

fn post(body: &Value) -> Notification {
    send(Method::Post, "", &[], &body.to_string())
}

fn visit(id: &str, version: &str) -> Value {
    json!({"resourceType": "Appointment", "id": id, "status": "booked",
        "meta": {"versionId": version, "lastUpdated": "2026-11-20T15:00:00Z"}})
}

fn appointment(id: &str) -> Target {
    Target::Appointment(id.to_owned())
}

/// A Bundle whose first entry is a status.
fn notified(status: Value, entries: &[Value]) -> Value {
    let mut all = vec![json!({"fullUrl": format!("urn:uuid:{UUID}"), "resource": status,
        "request": {"method": "GET", "url": "Subscription/s1/$status"}, "response": {"status": "200"}})];
    all.extend(entries.iter().cloned());
    json!({"resourceType": "Bundle", "id": UUID, "type": "history", "timestamp": TIME, "entry": all})
}

/// A status for R4, with an event for each list of parts.
fn parameters(kind: &str, events: &[Value]) -> Value {
    let mut all = vec![
        json!({"name": "subscription", "valueReference": {"reference": "Subscription/s1"}}),
        json!({"name": "topic", "valueCanonical": "urn:owl:topic"}),
        json!({"name": "status", "valueCode": "active"}),
        json!({"name": "type", "valueCode": kind}),
        json!({"name": "events-since-subscription-start", "valueString": "12"}),
    ];
    all.extend(events.iter().map(|part| json!({"name": "notification-event", "part": part})));
    json!({"resourceType": "Parameters", "parameter": all})
}

/// A status for R4B and R5.
fn status(kind: &str, events: Value) -> Value {
    json!({"resourceType": "SubscriptionStatus", "status": "active", "type": kind,
        "eventsSinceSubscriptionStart": "12", "eventsInNotification": 99,
        "subscription": {"reference": "Subscription/s1"}, "topic": "urn:owl:topic",
        "notificationEvent": events})
}

fn event(number: u64, focus: &str) -> Value {
    json!([
        {"name": "event-number", "valueString": number.to_string()},
        {"name": "timestamp", "valueInstant": TIME},
        {"name": "focus", "valueReference": {"reference": focus}},
    ])
}

fn at(url: &str, method: &str, resource: Option<Value>) -> Value {
    let mut entry = json!({"fullUrl": format!("https://ehr.example.org/r4/{url}"),
        "request": {"method": method, "url": url}});
    if let Some(resource) = resource {
        entry["resource"] = resource;
    }
    entry
}

fn targets(told: &Notification) -> Vec<(Target, Change)> {
    told.hints.iter().map(|hint| (hint.target.clone(), hint.change)).collect()
}

#[test]
fn an_empty_post_says_that_something_changed() {
    for body in ["", " \n", "{}"] {
        let told = send(Method::Post, "", &[], body);
        assert_eq!((told.kind, told.skipped), (Kind::Events, 0));
        assert_eq!(targets(&told), [(Target::Any, Change::Unknown)]);
        // The next empty one is news.
        assert_eq!(told.hints[0].key, None);
        assert!(!told.asks_bundle_answer);
    }
    let told = send(Method::Put, "/Appointment/a1/", &[], "");
    assert_eq!(targets(&told), [(appointment("a1"), Change::Unknown)]);
    let told = send(Method::Post, "somewhere/else", &[], "");
    assert_eq!((targets(&told), told.skipped), (vec![(Target::Any, Change::Unknown)], 1));
}

#[test]
fn a_bare_resource_comes_by_post_or_put() {
    let body = visit("a1", "3").to_string();
    for (method, path) in
        [(Method::Post, ""), (Method::Post, "Appointment"), (Method::Put, "Appointment/a1")]
    {
        let told = send(method, path, &[], &body);
        assert_eq!(targets(&told), [(appointment("a1"), Change::Unknown)], "{path}");
        let hint = &told.hints[0];
        assert_eq!(hint.resource, Some(visit("a1", "3")));
        assert_eq!(hint.timestamp, json::instant("2026-11-20T15:00:00Z"));
        assert!(hint.key.is_some() && told.skipped == 0 && !told.asks_bundle_answer);
    }
    let other = send(Method::Post, "", &[], &visit("a1", "4").to_string());
    let first = send(Method::Post, "", &[], &body);
    assert_ne!(other.hints[0].key, first.hints[0].key);
    let patient = post(&json!({"resourceType": "Patient", "id": "p1"}));
    let target = Target::Other { kind: "Patient".to_owned(), id: "p1".to_owned() };
    assert_eq!(targets(&patient), [(target, Change::Unknown)]);
    // Neither version nor time: the same bytes may say that it is so again.
    assert_eq!(patient.hints[0].key, None);
}

#[test]
fn where_path_and_body_disagree_the_path_is_read_and_the_body_not_used() {
    let told = send(Method::Put, "Appointment/a2", &[], &visit("a1", "3").to_string());
    assert_eq!(targets(&told), [(appointment("a2"), Change::Unknown)]);
    assert_eq!((told.skipped, &told.hints[0].resource, &told.hints[0].key), (1, &None, &None));
    let unnamed = json!({"resourceType": "Appointment", "status": "booked"});
    let told = send(Method::Put, "Appointment/a2", &[], &unnamed.to_string());
    assert_eq!(targets(&told), [(appointment("a2"), Change::Unknown)]);
    let told = post(&unnamed);
    assert_eq!((targets(&told), told.skipped), (vec![(Target::Any, Change::Unknown)], 1));
}

#[test]
fn a_delete_names_its_resource_in_the_path() {
    for path in ["Appointment/a1", "/Appointment/a1", "Appointment/a1/_history/2"] {
        let told = send(Method::Delete, path, &[], "<html>");
        assert_eq!(targets(&told), [(appointment("a1"), Change::Deleted)], "{path}");
        assert_eq!(told.hints[0].key, None);
    }
    for path in
        ["", "Appointment", "Appointment/..", "Appointment/a%201", "a/b/c/d", "//e/Patient/1"]
    {
        let told = send(Method::Delete, path, &[], "");
        assert!(matches!(told.kind, Kind::Unreadable(_)), "{path}");
        assert!(told.hints.is_empty());
    }
}

#[test]
fn medplum_says_in_headers_what_happened() {
    let id = "3651dec8-2dae-4ff8-ab4d-09844637afd6";
    let headers = [("X-Medplum-Subscription", id), ("X-Medplum-Interaction", "create")];
    let told = send(Method::Post, "", &headers, &visit("a1", "v").to_string());
    assert_eq!(targets(&told), [(appointment("a1"), Change::Created)]);
    assert_eq!(told.subscription.as_deref(), Some(id));
    let gone =
        [("x-medplum-interaction", "delete"), ("x-medplum-deleted-resource", "Appointment/a1")];
    let told = send(Method::Post, "", &gone, "{}");
    assert_eq!(targets(&told), [(appointment("a1"), Change::Deleted)]);
    let odd =
        [("x-medplum-interaction", "delete"), ("x-medplum-deleted-resource", "Appointment/..")];
    let told = send(Method::Post, "", &odd, "{}");
    assert_eq!((targets(&told), told.skipped), (vec![(Target::Any, Change::Deleted)], 1));
    let told = send(Method::Post, "", &[("x-medplum-subscription", "not an id")], "");
    assert_eq!(told.subscription, None);
}

#[test]
fn a_message_says_in_its_header_what_happened() {
    let message = |event: &str| {
        let header = json!({"resourceType": "MessageHeader", "id": "h",
            "eventUri": format!("https://owl.example.org/EventDefinition/{event}")});
        json!({"resourceType": "Bundle", "type": "message", "entry": [
            {"resource": header},
            {"fullUrl": "urn:uuid:1", "resource": visit("a1", "1")},
            {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Patient", "id": "p1"}}]})
    };
    for (event, change) in [
        ("AppointmentCancel", Change::Updated),
        ("AppointmentReschedule", Change::Updated),
        ("AppointmentNoShow", Change::Updated),
        ("AppointmentCreate", Change::Created),
        ("AppointmentSchedule", Change::Created),
        ("AppointmentDelete", Change::Deleted),
        ("AppointmentX", Change::Unknown),
    ] {
        let told = post(&message(event));
        assert_eq!(targets(&told), [(appointment("a1"), change)], "{event}");
        assert!(told.topic.unwrap().ends_with(event) && told.asks_bundle_answer);
        assert_eq!(told.hints[0].resource, Some(visit("a1", "1")));
        assert_eq!(told.hints[0].included.len(), 1);
    }
    // Known by the sender's number only.
    let mut unnamed = message("AppointmentCancel");
    unnamed["entry"][1]["resource"] = json!({"resourceType": "Appointment",
        "identifier": [{"system": "urn:owl"}, {"system": "urn:owl", "value": "17"}]});
    let target = Target::Identifier { system: Some("urn:owl".to_owned()), value: "17".to_owned() };
    assert_eq!(targets(&post(&unnamed)), [(target, Change::Updated)]);
}

#[test]
fn a_plain_bundle_tells_of_its_appointments_or_else_of_all_it_names() {
    let bundle = |entries: &[Value]| json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
    let patient = at("Patient/p1", "PUT", Some(json!({"resourceType": "Patient", "id": "p1"})));
    let told = post(&bundle(&[patient.clone(), at("Appointment/a1", "DELETE", None)]));
    assert_eq!(targets(&told), [(appointment("a1"), Change::Deleted)]);
    assert_eq!(told.hints[0].included.len(), 1);
    let told = post(&bundle(&[patient]));
    let target = Target::Other { kind: "Patient".to_owned(), id: "p1".to_owned() };
    assert_eq!(targets(&told), [(target, Change::Updated)]);
    for entries in [
        &[][..],
        &[json!({}), json!(null)],
        &[json!({"resource": {"resourceType": "AuditEvent", "id": "1"}})],
    ] {
        assert!(matches!(post(&bundle(entries)).kind, Kind::Unreadable(_)));
    }
}

#[test]
fn what_is_unreadable_says_why() {
    let deep = format!("{}1{}", "{\"resourceType\":".repeat(200), "}".repeat(200));
    let many =
        json!({"resourceType": "Bundle", "id": UUID, "entry": vec![json!({}); ENTRIES_MAX + 1]});
    let events = status("event-notification", json!(vec![json!({}); EVENTS_MAX + 1]));
    for (body, reason) in [
        ("<html>502 Bad Gateway</html>", "the body is markup, not json"),
        ("subscription=1", "the body is not json"),
        (&deep, "the body is nested too deep"),
        ("[]", "the body is no resource"),
        ("7", "the body is no resource"),
        (r#"{"id": "a1"}"#, "the body is no resource"),
        (r#"{"resourceType": "OperationOutcome"}"#, "the body is an outcome, no notification"),
        (&many.to_string(), "the bundle has too many entries"),
        (&events.to_string(), "the status has too many events"),
    ] {
        let told = send(Method::Post, "", &[], body);
        assert_eq!((told.kind, told.hints.len()), (Kind::Unreadable(reason), 0));
    }
    let told = read(&Call { method: Method::Post, path: "", headers: &[], body: b"\xff{}" });
    assert_eq!(told.kind, Kind::Unreadable("the body is not utf-8"));
    for method in [Method::Get, Method::Other] {
        let told = send(method, "Appointment/a1", &[], "{}");
        assert!(matches!(told.kind, Kind::Unreadable(_)));
    }
}

#[test]
fn a_notification_prints_nothing_of_a_patient() {
    let mut full = visit("a1", "1");
    full["comment"] = json!("Jane Doe");
    let focus = json!([{"name": "focus", "valueReference": {"identifier": {"value": "MRN2000"}}}]);
    let status = parameters(
        "event-notification",
        &[event(7, "Appointment/a1"), focus, event(8, "Patient/MRN1000")],
    );
    let body = notified(status, &[at("Appointment/a1", "PUT", Some(full))]).to_string();
    let call = Call { method: Method::Post, path: "", headers: &[], body: body.as_bytes() };
    let shown = format!("{call:?} {:?}", read(&call));
    assert!(shown.contains("Appointment/a1") && shown.contains("Patient/.."), "{shown}");
    assert!(!shown.contains("Jane") && !shown.contains("MRN"), "{shown}");
}

fn any_method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![
        Method::Get,
        Method::Post,
        Method::Put,
        Method::Delete,
        Method::Other,
    ])
}

proptest! {
    #[test]
    fn any_request_is_read(
        method in any_method(),
        path in ".{0,30}",
        header in ".{0,30}",
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let headers = [("x-medplum-deleted-resource", header.as_str()), ("x-medplum-interaction", "delete")];
        let told = read(&Call { method, path: &path, headers: &headers, body: &body });
        prop_assert!(told.hints.len() <= 1);
    }

    #[test]
    fn any_json_is_read(first in any_value(), entries in prop::collection::vec(any_value(), 0..5)) {
        let told = post(&first);
        let is_told = matches!(told.kind, Kind::Events) != told.hints.is_empty();
        prop_assert!(is_told || !matches!(told.kind, Kind::Events));
        for mut status in [status("event-notification", first.clone()), parameters("event-notification", &[first])] {
            let told = post(&notified(status.clone(), &entries));
            prop_assert!(told.hints.len() <= 1 + ENTRIES_MAX.max(EVENTS_MAX));
            prop_assert!(told.kind == Kind::Events && !told.hints.is_empty());
            status["type"] = json!("heartbeat");
            let _told = post(&notified(status, &entries));
        }
    }
}
