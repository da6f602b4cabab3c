//! What servers say of subscriptions.

use serde_json::json;

use super::*;

fn parameters(status: &Value) -> Value {
    json!({"resourceType": "Parameters", "parameter": [
        {"name": "subscription", "valueReference": {"reference": "Subscription/1"}},
        {"name": "status", "valueCode": status},
        {"name": "type", "valueCode": "query-status"},
        {"name": "events-since-subscription-start", "valueString": "3"},
        {"name": "error", "valueCodeableConcept": {"coding": [{"code": "no-response"}]}},
    ]})
}

#[test]
fn a_subscription_says_its_status_and_its_end() {
    let seen = Seen::read(&json!({"resourceType": "Subscription", "status": "error",
        "end": "2026-12-31T00:00:00Z", "error": "cannot tell Jane Doe"}));
    assert_eq!(seen.status, SeenStatus::Error);
    assert_eq!(seen.end, "2026-12-31T00:00:00Z".parse().ok());
    assert_eq!(seen.error, None, "a sentence is no code");
}

#[test]
fn a_status_is_read_in_every_form() {
    let status = json!({"resourceType": "SubscriptionStatus", "status": "error",
        "eventsSinceSubscriptionStart": "3", "error": [{"coding": [{"code": "no-response"}]}]});
    let wrapped = |resource: &Value| {
        json!({"resourceType": "Bundle", "type": "searchset",
            "entry": [{"search": {"mode": "match"}}, {"resource": resource}]})
    };
    let parameters = parameters(&json!("error"));
    let returned = |resource: &Value| json!({"resourceType": "Parameters", "parameter": [{"name": "return", "resource": resource}]});
    for (index, value) in [
        status.clone(),
        parameters.clone(),
        wrapped(&status),
        wrapped(&parameters),
        returned(&status),
        returned(&parameters),
        returned(&wrapped(&parameters)),
    ]
    .iter()
    .enumerate()
    {
        let seen = Seen::read(value);
        assert_eq!(seen.status, SeenStatus::Error, "{index}");
        assert_eq!((seen.error.as_deref(), seen.events), (Some("no-response"), Some(3)), "{index}");
    }
}

#[test]
fn counts_and_codes_come_in_any_type() {
    let value = json!({"resourceType": "Parameters", "parameter": [
        {"name": "status", "valueString": "active"},
        {"name": "eventsSinceSubscriptionStart", "valueInteger": 5},
        {"name": "error", "valueCoding": {"code": "no-response"}},
    ]});
    let seen = Seen::read(&value);
    assert_eq!((seen.status, seen.events), (SeenStatus::Active, Some(5)));
    assert_eq!(seen.error.as_deref(), Some("no-response"));
}

#[test]
fn what_is_not_understood_is_unknown() {
    for value in [
        json!(null),
        json!({}),
        json!({"resourceType": "OperationOutcome", "issue": []}),
        json!({"resourceType": "Bundle"}),
        json!({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]}),
        json!({"resourceType": "Subscription", "status": "Active!"}),
        json!({"resourceType": "Subscription", "status": 5}),
        json!({"resourceType": "Parameters", "parameter": "status"}),
        parameters(&json!(["active"])),
    ] {
        assert_eq!(Seen::read(&value).status, SeenStatus::Unknown, "{value}");
    }
    let looped = json!({"resourceType": "Parameters", "parameter": [{"name": "return", "resource":
        {"resourceType": "Parameters", "parameter": [{"name": "return", "resource":
            {"resourceType": "Subscription", "status": "active"}}]}}]});
    assert_eq!(Seen::read(&looped).status, SeenStatus::Unknown);
}

#[test]
fn prose_is_never_an_error_code() {
    for odd in ["Jane Doe", "", "x".repeat(33).as_str(), "tel+1415"] {
        let value = json!({"resourceType": "SubscriptionStatus", "status": "error",
            "error": [{"coding": [{"code": odd, "display": "Jane"}], "text": "Jane"}]});
        assert_eq!(Seen::read(&value).error, None, "{odd}");
    }
}

#[test]
fn ours_is_known_by_where_it_delivers() {
    let ours = "https://hooks.example/notify/x1";
    let r4 = json!({"resourceType": "Subscription", "channel": {"endpoint": format!("{ours}/")}});
    let r5 = json!({"resourceType": "Subscription", "endpoint": ours});
    assert!(is_ours(&r4, ours) && is_ours(&r5, ours));
    for other in [
        json!({"resourceType": "Subscription", "channel": {"endpoint": format!("{ours}2")}}),
        json!({"resourceType": "Subscription", "channel": {"endpoint": 5}}),
        json!({"resourceType": "Subscription"}),
        json!({"resourceType": "Endpoint", "endpoint": ours}),
        json!(null),
    ] {
        assert!(!is_ours(&other, ours), "{other}");
    }
    assert!(!is_ours(&json!({"resourceType": "Subscription", "endpoint": ""}), ""));
}
