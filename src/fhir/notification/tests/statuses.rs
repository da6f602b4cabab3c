//! Statuses with their events: Backport, R4B and R5.

use serde_json::json;

use super::*;

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
            let told = post(&notified(status, std::slice::from_ref(&entry)));
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
    assert_eq!(known, key(&plain));
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
