//! What subscriptions of ours look like.

use serde_json::json;

use super::*;

fn endpoint(criteria: &str) -> Endpoint {
    Endpoint {
        server: "owl".to_owned(),
        url: "https://hooks.example/fhir/notify/owl/x1".to_owned(),
        headers: vec!["X-Hook-Token: s3cret".to_owned()],
        criteria: criteria.to_owned(),
        filters: vec!["Appointment?date=ge2026-01-01&location:not=Location/1".to_owned()],
        content: Content::IdOnly,
        heartbeat_seconds: Some(60),
        timeout_seconds: Some(30),
        end: Some("2026-12-31T00:00:00Z".parse().unwrap()),
        secret: Some(Secret {
            url: "https://x.example/secret".to_owned(),
            value: "k3y".to_owned(),
        }),
        attempts_max: Some(4),
        count_max: Some(10),
        starts_active: false,
    }
}

fn r4(model: Model, endpoint: &Endpoint) -> NewSubscription {
    match wanted(model, endpoint) {
        Wanted::R4(new) => *new,
        Wanted::R5(_) => panic!(),
    }
}

const TOPIC: &str = "http://ehr.example/SubscriptionTopic/appointment";

#[test]
fn criteria_are_a_search_and_have_a_body_or_none() {
    let mut endpoint = endpoint("Appointment?");
    let new = r4(Model::Criteria, &endpoint);
    assert_eq!(new.criteria, "Appointment?");
    assert!(new.filters.is_empty() && new.heartbeat_seconds.is_none());
    assert_eq!((new.payload, new.end.as_deref()), (Some(PAYLOAD), Some("2026-12-31T00:00:00Z")));
    assert_eq!(new.secret, Some(("https://x.example/secret".to_owned(), "k3y".to_owned())));
    assert_eq!((new.max_attempts, new.status), (Some(4), SeenStatus::Requested));
    endpoint.content = Content::Empty;
    endpoint.starts_active = true;
    let new = r4(Model::Criteria, &endpoint);
    assert_eq!((new.payload, new.status), (None, SeenStatus::Active));
}

#[test]
fn a_topic_has_its_conditions_beside_it() {
    let new = r4(Model::Backport, &endpoint(TOPIC));
    assert_eq!(new.criteria, TOPIC);
    assert_eq!(new.filters, ["Appointment?date=ge2026-01-01&location:not=Location/1"]);
    assert_eq!((new.content, new.payload), (Content::IdOnly, Some(PAYLOAD)));
    assert_eq!((new.heartbeat_seconds, new.timeout_seconds), (Some(60), Some(30)));
}

#[test]
fn release_5_is_written_here() {
    let Wanted::R5(resource) = wanted(Model::R5, &endpoint(TOPIC)) else { panic!() };
    assert_eq!(
        resource,
        json!({
            "resourceType": "Subscription",
            "extension": [{"url": "https://x.example/secret", "valueString": "k3y"}],
            "status": "requested", "topic": TOPIC, "end": "2026-12-31T00:00:00Z",
            "reason": "appointd: appointments of owl",
            "filterBy": [{"resourceType": "Appointment", "filterParameter": "date",
                "comparator": "ge", "value": "2026-01-01"},
                {"resourceType": "Appointment", "filterParameter": "location", "modifier": "not",
                "value": "Location/1"}],
            "channelType": {"code": "rest-hook",
                "system": "http://terminology.hl7.org/CodeSystem/subscription-channel-type"},
            "endpoint": "https://hooks.example/fhir/notify/owl/x1",
            "parameter": [{"name": "X-Hook-Token", "value": "s3cret"}],
            "heartbeatPeriod": 60, "timeout": 30, "contentType": "application/fhir+json",
            "content": "id-only", "maxCount": 10,
        })
    );
    let bare = Endpoint {
        headers: Vec::new(),
        filters: Vec::new(),
        heartbeat_seconds: None,
        end: None,
        secret: None,
        count_max: None,
        ..endpoint(TOPIC)
    };
    let Wanted::R5(resource) = wanted(Model::R5, &bare) else { panic!() };
    for name in ["extension", "end", "filterBy", "parameter", "heartbeatPeriod", "maxCount"] {
        assert!(resource.get(name).is_none(), "{name}");
    }
}

#[test]
fn only_times_have_comparators() {
    let spelled = |search: &str| Value::Array(r5_filters(search)).to_string();
    assert!(!spelled("Appointment?identifier=ge12").contains("comparator"));
    assert!(spelled("_lastUpdated=sa2026").contains("\"comparator\":\"sa\""));
    assert!(!spelled("date=2026").contains("comparator"));
    assert!(!spelled("date=é").contains("comparator"));
    assert_eq!(spelled("Appointment?"), "[]");
}

#[test]
fn secrets_are_not_printed() {
    let endpoint = endpoint(TOPIC);
    let printed = format!(
        "{endpoint:?} {:?} {:?} {:?} {:?}",
        endpoint.secret,
        r4(Model::Backport, &endpoint),
        wanted(Model::Backport, &endpoint),
        wanted(Model::R5, &endpoint),
    );
    for secret in ["s3cret", "k3y", "x1"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn what_is_asked_for_again_keeps_the_rest() {
    let read = json!({"resourceType": "Subscription", "id": "5", "status": "error",
        "error": "no route to host", "criteria": "Appointment?", "_x": 1});
    let again = changed(&read, false, None);
    assert_eq!(
        again,
        json!({"resourceType": "Subscription", "id": "5", "status": "requested",
            "criteria": "Appointment?", "_x": 1})
    );
    let end = "2026-12-31T00:00:00Z".parse().ok();
    assert_eq!(changed(&read, true, end)["end"], "2026-12-31T00:00:00Z");
    assert_eq!(changed(&read, true, end)["status"], "active");
    assert_eq!(changed(&json!([1]), true, end), json!([1]));
}
