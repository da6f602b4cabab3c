//! What answers mean.

use serde_json::json;

use super::super::{Body, IfMatch};
use super::*;

fn change(method: Method, body: Body) -> Change {
    Change {
        method,
        appointment: "7".to_owned(),
        target: "Appointment/7".to_owned(),
        content_type: "application/json",
        if_match: IfMatch::Send,
        if_none_exist: None,
        body,
    }
}

fn patch() -> Change {
    let operations = vec![json!({"op": "replace", "path": "/status", "value": "cancelled"})];
    change(Method::Patch, Body::JsonPatch(operations))
}

fn tested() -> Change {
    let operations = vec![json!({"op": "test", "path": "/status", "value": "booked"})];
    change(Method::Patch, Body::JsonPatch(operations))
}

fn post() -> Change {
    change(Method::Post, Body::Custom(json!({"resourceType": "AppointmentResponse"})))
}

fn answer(status: u16, body: &str, change: &Change) -> Judged {
    judge(status, &|_| None, body.as_bytes(), change)
}

fn outcome(code: &str) -> String {
    json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]})
        .to_string()
}

#[test]
fn every_success_is_one_with_or_without_a_body() {
    let none = Judged::Accepted { resource: None, etag: None };
    for (status, body) in [(200, "<html>"), (201, ""), (202, "{}"), (204, ""), (200, "[1]")] {
        assert_eq!(answer(status, body, &patch()), none, "{status}");
    }
    let read = json!({"resourceType": "Appointment", "id": "7", "meta": {"versionId": "4"}});
    assert_eq!(
        answer(200, &read.to_string(), &patch()),
        Judged::Accepted { resource: Some(read.clone()), etag: Some("W/\"4\"".to_owned()) }
    );
    let other = json!({"resourceType": "Appointment", "id": "8", "meta": {"versionId": "4"}});
    assert_eq!(answer(200, &other.to_string(), &patch()), none);
    let huge = format!("{read}{}", " ".repeat(RESOURCE_BYTES_MAX));
    assert_eq!(answer(200, &huge, &patch()), none);
}

#[test]
fn the_tag_of_something_else_is_not_the_appointments() {
    let header = |name: &str| (name == "etag").then_some("W/\"9\"");
    let tag = |change: &Change| {
        let Judged::Accepted { etag, .. } = judge(201, &header, b"", change) else { panic!() };
        etag
    };
    assert_eq!(tag(&patch()).as_deref(), Some("W/\"9\""));
    assert_eq!(tag(&post()), None);
}

#[test]
fn what_has_changed_meanwhile_is_read_again() {
    for status in [304, 409, 412, 423, 424, 428] {
        let code = Code::CONFLICT;
        assert_eq!(
            answer(status, &outcome("conflict"), &patch()),
            Judged::Reread(code),
            "{status}"
        );
    }
    for status in [400, 422] {
        assert!(matches!(answer(status, "", &tested()), Judged::Reread(_)));
        assert!(matches!(answer(status, "", &patch()), Judged::Refused(_)));
        assert!(matches!(answer(status, &outcome("conflict"), &patch()), Judged::Reread(_)));
    }
}

#[test]
fn a_response_that_exists_already_is_accepted() {
    let once = Change { if_none_exist: Some("identifier=x".to_owned()), ..post() };
    assert!(matches!(answer(412, "", &once), Judged::Accepted { .. }));
    assert!(matches!(answer(412, "", &post()), Judged::Reread(_)));
}

#[test]
fn a_server_in_trouble_is_asked_later() {
    for status in [408, 425, 429, 500, 502, 503, 504, 507, 524] {
        let judged = answer(status, "<html>", &tested());
        assert_eq!(judged, Judged::Later { after: None, code: Code::NOT_JSON }, "{status}");
    }
    let header = |name: &str| (name == "retry-after").then_some("120");
    let after = Some(RetryAfter::In(Duration::from_secs(120)));
    let judged = judge(503, &header, b"", &patch());
    assert_eq!(judged, Judged::Later { after, code: Code::EMPTY });
    let judged = judge(400, &header, outcome("throttled").as_bytes(), &patch());
    assert_eq!(judged, Judged::Later { after, code: Code::THROTTLED });
}

#[test]
fn what_will_not_change_is_not_tried_again() {
    assert_eq!(answer(401, "", &patch()), Judged::Unauthorized);
    assert_eq!(answer(403, "", &patch()), Judged::Forbidden);
    for status in [405, 406, 413, 415, 418, 501, 505, 301, 100, 0, 999] {
        assert!(
            matches!(answer(status, &outcome("value"), &patch()), Judged::Refused(_)),
            "{status}"
        );
    }
}

#[test]
fn what_is_gone_is_gone_where_it_was_named() {
    assert_eq!(answer(404, "", &patch()), Judged::Gone);
    assert_eq!(answer(410, "", &post()), Judged::Gone);
    assert!(matches!(answer(404, "", &post()), Judged::Reread(_)));
}

#[test]
fn a_wait_is_bounded_whatever_is_asked_for() {
    let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
    let due =
        |text: &str| RetryAfter::parse(text).map(|after| (after.due(now) - now).num_seconds());
    assert_eq!(due("0"), Some(0));
    assert_eq!(due(" 90 "), Some(90));
    assert_eq!(due("86400"), Some(3_600));
    assert_eq!(due("99999999999999999999999999"), Some(3_600));
    assert_eq!(due("Mon, 30 Nov 2026 12:05:00 GMT"), Some(300));
    assert_eq!(due("Mon, 30 Nov 2026 11:05:00 GMT"), Some(0));
    assert_eq!(due("Wed, 30 Nov 2050 11:05:00 GMT"), Some(3_600));
    for text in ["", "-5", "1.5", "soon", "1e9", "２"] {
        assert_eq!(due(text), None, "{text}");
    }
    let end = Timestamp::MAX_UTC;
    assert_eq!(RetryAfter::In(Duration::from_secs(5)).due(end), end);
}

#[test]
fn a_tag_is_sent_back_as_it_came() {
    let read = json!({"meta": {"versionId": "3"}});
    for tag in ["W/\"3\"", "\"3\"", "3", "W/\"a b\""] {
        assert_eq!(etag(Some(tag), Some(&read)).as_deref(), Some(tag));
    }
    for tag in ["", " ", "a\r\nb", "ü", &"x".repeat(257)] {
        assert_eq!(etag(Some(tag), Some(&read)).as_deref(), Some("W/\"3\""), "{tag}");
    }
    let version = |version: Value| etag(None, Some(&json!({"meta": {"versionId": version}})));
    assert_eq!(version(json!(5)).as_deref(), Some("W/\"5\""));
    for odd in [json!(""), json!("a\"b"), json!("a\nb"), json!(null), json!({}), json!(["1"])] {
        assert_eq!(version(odd.clone()), None, "{odd}");
    }
    assert_eq!(etag(None, None), None);
    assert_eq!(etag(None, Some(&json!({"id": "7"}))), None);
}
