//! Every shape of a notification, and what is wrong with each in the wild.

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
fn a_status_says_what_it_is_for() {
    for (code, kind) in [
        ("handshake", Kind::Handshake),
        ("heartbeat", Kind::Heartbeat),
        ("query-status", Kind::QueryStatus),
        ("query-event", Kind::QueryEvents),
    ] {
        for status in [parameters(code, &[]), status(code, json!([]))] {
            for body in [notified(status.clone(), &[]), status] {
                let told = post(&body);
                assert_eq!((told.kind, told.hints.len(), told.skipped), (kind, 0, 0), "{body}");
                assert_eq!(told.subscription.as_deref(), Some("Subscription/s1"));
                assert_eq!(told.topic.as_deref(), Some("urn:owl:topic"));
                assert_eq!(told.status.as_deref(), Some("active"));
                assert_eq!(told.events_since_start, Some(12));
                assert_eq!(told.asks_bundle_answer, json::kind(&body) == "Bundle");
                assert_eq!(told.id.is_some(), told.asks_bundle_answer);
            }
        }
    }
}

#[test]
fn a_type_that_is_missing_or_new_is_guessed_and_counted() {
    let without = |mut status: Value, code: &str| {
        status["type"] = json!(null);
        status["status"] = json!(code);
        post(&notified(status, &[]))
    };
    let told = without(status("", json!([])), "requested");
    assert_eq!((told.kind, told.skipped), (Kind::Handshake, 1));
    let told =
        without(status("", json!([{"focus": {"reference": "Appointment/a1"}}])), "requested");
    assert_eq!((told.kind, targets(&told).len()), (Kind::Events, 1));
    let told = without(status("", json!([])), "active");
    assert_eq!((told.kind, targets(&told)), (Kind::Events, vec![(Target::Any, Change::Unknown)]));
    let told = post(&notified(status("good-morning", json!([])), &[]));
    assert_eq!((told.kind, told.hints.len(), told.skipped), (Kind::Heartbeat, 0, 1));
}

#[test]
fn numbers_and_times_come_in_any_value() {
    let number = |number: Value| {
        let parts = json!([number, {"name": "timestamp", "valueDateTime": TIME}]);
        let told = post(&notified(parameters("event-notification", &[parts]), &[]));
        (told.hints[0].number, told.hints[0].timestamp, told.skipped)
    };
    let time = json::instant(TIME);
    assert!(time.is_some());
    for value in [
        json!({"name": "event-number", "valueString": " 7 "}),
        json!({"name": "event-number", "valueUnsignedInt": 7}),
        json!({"name": "event-number", "valueInteger": 7}),
        json!({"name": "eventNumber", "valueInteger64": "7"}),
        json!({"name": "event-number", "value": 7}),
    ] {
        assert_eq!(number(value.clone()), (Some(7), time, 0), "{value}");
    }
    for value in [
        json!({"name": "event-number"}),
        json!({"name": "event-number", "valueString": "seven"}),
        json!({"name": "event-number", "valueInteger": -7}),
    ] {
        assert_eq!(number(value.clone()), (None, time, 1), "{value}");
    }
    let events = json!([{"eventNumber": 7, "timestamp": "2026-11-20T11:30:55", "focus": {"reference": "Appointment/a1"}}]);
    let told = post(&notified(status("event-notification", events), &[]));
    assert_eq!((told.hints[0].number, told.hints[0].timestamp, told.skipped), (Some(7), None, 1));
}

#[test]
fn an_id_only_event_names_its_focus_in_any_way() {
    for focus in [
        "Appointment/a1",
        "https://ehr.example.org/r4/Appointment/a1",
        "Appointment/a1/_history/2",
        "https://ehr.example.org/r4/Appointment/a1/_history/2",
    ] {
        let entry = at("Appointment/a1", "PUT", None);
        for status in [
            parameters("event-notification", &[event(7, focus)]),
            status(
                "event-notification",
                json!([{"eventNumber": "7", "timestamp": TIME, "focus": {"reference": focus}}]),
            ),
        ] {
            let told = post(&notified(status.clone(), &[]));
            assert_eq!(targets(&told), [(appointment("a1"), Change::Unknown)], "{focus}");
            let told = post(&notified(status, &[entry.clone()]));
            assert_eq!(targets(&told), [(appointment("a1"), Change::Updated)], "{focus}");
            assert_eq!((told.kind, told.skipped, told.hints[0].number), (Kind::Events, 0, Some(7)));
            assert_eq!(told.hints[0].resource, None);
        }
    }
}

#[test]
fn an_entry_says_how_it_changed() {
    for (method, change) in [
        ("POST", Change::Created),
        ("PUT", Change::Updated),
        ("PATCH", Change::Updated),
        ("DELETE", Change::Deleted),
        ("GET", Change::Unknown),
    ] {
        let status = parameters("event-notification", &[event(7, "Appointment/a1")]);
        let told = post(&notified(status, &[at("Appointment/a1", method, None)]));
        assert_eq!(targets(&told), [(appointment("a1"), change)], "{method}");
    }
}

#[test]
fn a_focus_may_name_an_entry_by_its_address_in_the_bundle() {
    let status =
        parameters("event-notification", &[event(7, "urn:uuid:22"), event(8, "urn:uuid:23")]);
    let entry = json!({"fullUrl": "urn:uuid:22", "resource": visit("a1", "1"), "request": {"method": "POST", "url": "Appointment"}});
    let told = post(&notified(status, &[entry]));
    assert_eq!(
        targets(&told),
        [(appointment("a1"), Change::Created), (Target::Any, Change::Unknown)]
    );
    assert_eq!(told.skipped, 1);
}

#[test]
fn a_focus_by_identifier_is_what_athena_sends() {
    let focus = json!({"identifier": {"system": "urn:owl:appointment", "value": "2"}});
    let events = json!([{"id": UUID, "eventNumber": "1", "timestamp": TIME, "focus": focus}]);
    let audit = json!({"resource": {"resourceType": "AuditEvent", "id": UUID}});
    let told = post(&notified(status("event-notification", events), &[audit]));
    let target = Target::Identifier {
        system: Some("urn:owl:appointment".to_owned()),
        value: "2".to_owned(),
    };
    assert_eq!((targets(&told), told.skipped), (vec![(target, Change::Unknown)], 0));
    assert!(told.hints[0].included.is_empty());
}

#[test]
fn an_empty_notification_has_no_focus_or_has_one_nevertheless() {
    let parts = json!([{"name": "event-number", "valueString": "7"}]);
    let told = post(&notified(parameters("event-notification", &[parts.clone(), parts]), &[]));
    assert_eq!(targets(&told), [(Target::Any, Change::Unknown), (Target::Any, Change::Unknown)]);
    assert_eq!(told.skipped, 0);
    let told = post(&notified(parameters("event-notification", &[]), &[]));
    assert_eq!(targets(&told), [(Target::Any, Change::Unknown)]);
    // A focus that is only displayed is not understood, and a search finds it.
    let parts = json!([{"name": "focus", "valueReference": {"display": "Jane Doe"}}]);
    let told = post(&notified(parameters("event-notification", &[parts]), &[]));
    assert_eq!((targets(&told), told.skipped), (vec![(Target::Any, Change::Unknown)], 1));
    // No focus, but entries.
    let parts = json!([{"name": "event-number", "valueString": "7"}]);
    let entries =
        [at("Appointment/a1", "PUT", Some(visit("a1", "3"))), at("Patient/p1", "GET", None)];
    let told = post(&notified(parameters("event-notification", &[parts]), &entries));
    assert_eq!(targets(&told), [(appointment("a1"), Change::Updated)]);
    assert_eq!(told.hints[0].number, Some(7));
}

#[test]
fn a_full_resource_comes_with_what_belongs_to_it() {
    let patient = json!({"resourceType": "Patient", "id": "p1"});
    let entries = [
        at("Appointment/a1", "PUT", Some(visit("a1", "3"))),
        at("Patient/p1", "GET", Some(patient.clone())),
        json!({"resource": {"resourceType": "AuditEvent", "id": "e"}}),
        json!({"id": "x", "response": {"status": "200"}}),
    ];
    let told =
        post(&notified(parameters("event-notification", &[event(7, "Appointment/a1")]), &entries));
    let hint = &told.hints[0];
    assert_eq!(hint.resource, Some(visit("a1", "3")));
    let along = json!({"fullUrl": "https://ehr.example.org/r4/Patient/p1", "resource": patient});
    assert_eq!(hint.included.to_vec(), [along]);
    assert_eq!((told.hints.len(), told.skipped), (1, 1));
}

#[test]
fn of_several_states_each_event_gets_its_own() {
    let entries = [
        at("Appointment/a1", "POST", Some(visit("a1", "1"))),
        at("Appointment/a1", "PUT", Some(visit("a1", "2"))),
    ];
    let versions = |focuses: &[&str], entries: &[Value]| {
        let events: Vec<Value> = focuses.iter().map(|focus| event(1, focus)).collect();
        let told = post(&notified(parameters("event-notification", &events), entries));
        let version = |hint: &Hint| hint.resource.as_ref().and_then(resource::identity)?.version;
        told.hints.iter().map(|hint| version(hint).unwrap_or_default()).collect::<Vec<_>>()
    };
    let bare = ["Appointment/a1", "Appointment/a1"];
    assert_eq!(versions(&bare, &entries), ["1", "2"]);
    assert_eq!(versions(&bare, &[entries[1].clone(), entries[0].clone()]), ["1", "2"]);
    assert_eq!(versions(&bare[..1], &entries), ["2"]);
    assert_eq!(versions(&bare, &entries[..1]), ["", "1"]);
    let named = ["Appointment/a1/_history/2", "Appointment/a1/_history/1"];
    assert_eq!(versions(&named, &entries), ["2", "1"]);
}

#[test]
fn a_status_is_found_by_what_it_is_not_by_the_type_of_its_bundle() {
    for kind in ["transaction", "searchset", "subscription-notification", "", "batch"] {
        let mut body =
            notified(parameters("event-notification", &[event(7, "Appointment/a1")]), &[]);
        body["type"] = json!(kind);
        assert_eq!(targets(&post(&body)), [(appointment("a1"), Change::Unknown)]);
    }
    let mut late = notified(status("handshake", json!([])), &[visit("a1", "1")]);
    late["entry"].as_array_mut().unwrap().reverse();
    assert_eq!(post(&late).kind, Kind::Handshake);
    let plain = json!({"resourceType": "Parameters", "parameter": [{"name": "patient"}]});
    assert!(matches!(post(&plain).kind, Kind::Unreadable(_)));
}

#[test]
fn an_error_has_a_code_and_no_text() {
    let code = |error: Value| {
        let mut body = status("query-status", json!([]));
        body["error"] = error;
        body["status"] = json!("error");
        post(&body).error
    };
    let concept = json!({"coding": [{"code": "no-response"}]});
    assert_eq!(code(json!([concept, {"coding": [{"code": "x"}]}])).as_deref(), Some("no-response"));
    assert_eq!(code(concept).as_deref(), Some("no-response"));
    assert_eq!(code(json!([{"text": "Jane Doe"}])).as_deref(), Some("unknown"));
    assert_eq!(code(json!([])), None);
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
fn a_status_may_come_within_a_message_and_no_deeper() {
    let inner = notified(
        status("event-notification", json!([{"focus": {"reference": "Appointment/a1"}}])),
        &[],
    );
    let header = json!({"resource": {"resourceType": "MessageHeader"}});
    let wrap = |inner: &Value| json!({"resourceType": "Bundle", "type": "message", "entry": [header, {"resource": inner}]});
    assert_eq!(targets(&post(&wrap(&inner))), [(appointment("a1"), Change::Unknown)]);
    let deep = post(&wrap(&wrap(&inner)));
    assert!(!targets(&deep).contains(&(appointment("a1"), Change::Unknown)), "{deep:?}");
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
fn a_repetition_has_the_same_key_and_nothing_else_has() {
    let events = |id: Value, number: u64, time: Value, focus: &str| {
        status(
            "event-notification",
            json!([{"id": id, "eventNumber": number, "timestamp": time, "focus": {"reference": focus}}]),
        )
    };
    let key = |body: &Value| post(body).hints[0].key.clone();
    let time = || json!(TIME);
    // Its own id counts whatever is around it; but not one that only numbers an element.
    let by_id = key(&notified(events(json!(UUID), 1, time(), "Appointment/a1"), &[]));
    assert!(by_id.is_some());
    assert_eq!(by_id, key(&events(json!(UUID), 2, json!(null), "Appointment/a1")));
    assert_eq!(key(&events(json!("event-1"), 1, json!(null), "Appointment/a1")), None);
    // A Bundle's id and its events.
    let plain = notified(events(json!(null), 1, time(), "Appointment/a1"), &[]);
    let known = key(&plain);
    assert!(known.is_some());
    assert_eq!(known, key(&plain.clone()));
    let later = json!("2026-11-20T11:31:00Z");
    for other in [
        notified(events(json!(null), 2, time(), "Appointment/a1"), &[]),
        notified(events(json!(null), 1, later.clone(), "Appointment/a1"), &[]),
        notified(events(json!(null), 1, time(), "Appointment/a2"), &[]),
        notified(
            events(json!(null), 1, time(), "Appointment/a1"),
            &[at("Appointment/a1", "DELETE", None)],
        ),
        events(json!(null), 1, time(), "Appointment/a1"),
    ] {
        assert_ne!(key(&other), known, "{other}");
    }
    // A counter that began again, or that always says 1, is told by the time; without one nothing is.
    assert_ne!(
        key(&events(json!(null), 1, time(), "Appointment/a1")),
        key(&events(json!(null), 1, later, "Appointment/a1"))
    );
    assert_eq!(key(&events(json!(null), 1, json!(null), "Appointment/a1")), None);
    let mut short = notified(events(json!(null), 1, json!(null), "Appointment/a1"), &[]);
    short["id"] = json!("1");
    short["timestamp"] = json!(null);
    assert_eq!(key(&short), None);
    // Two alike in one Bundle are two.
    let both =
        parameters("event-notification", &[event(1, "Appointment/a1"), event(1, "Appointment/a1")]);
    let told = post(&notified(both, &[]));
    assert_ne!(told.hints[0].key, told.hints[1].key);
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
