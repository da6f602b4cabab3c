//! Bodies of the operator's own.

use serde_json::json;

use super::super::{Plan, Policy, Strategy, Wish, plan};
use super::*;
use crate::core::appointment::WishKind;

fn held() -> Value {
    json!({
        "resourceType": "Appointment", "id": "a.7", "status": "booked",
        "start": "2026-12-01T09:00:00Z",
        "participant": [
            {"actor": {"reference": "Location/1"}},
            {"actor": {"reference": "https://ehr.example/Patient/jane-1"}, "status": "tentative"},
        ],
    })
}

fn wished(kind: WishKind, held: &Value, policy: &Policy) -> Plan {
    let wish = Wish {
        kind,
        patient_refs: &[],
        told_start: None,
        now: "2026-11-30T12:00:00Z".parse().unwrap(),
        reply_id: "SM\"1",
        comment: None,
    };
    plan(held, &wish, policy)
}

fn change(plan: Plan) -> Change {
    let Plan::Write(change) = plan else { panic!("{plan:?}") };
    *change
}

fn template(body: &Value) -> Template {
    Template::parse(&body.to_string()).unwrap()
}

fn body(body: &Value) -> Custom {
    Custom { body: Some(template(body)), path: None }
}

fn at(path: &str, body: Option<&Value>) -> Custom {
    Custom { body: body.map(template), path: Some(OperationPath::parse(path).unwrap()) }
}

fn by_operation(confirm: Custom, cancel: Custom) -> Policy {
    Policy { strategy: Strategy::Operation, confirm, cancel, ..Policy::default() }
}

#[test]
fn a_patch_of_a_servers_own_goes_as_it_is() {
    let own =
        json!([{"op": "replace", "path": "/patient-status", "value": "{participant_status}"}]);
    let policy = Policy { confirm: body(&own), ..Policy::default() };
    let change = change(wished(WishKind::Confirm, &held(), &policy));
    assert_eq!(
        (change.method, change.content_type),
        (Method::Patch, "application/json-patch+json")
    );
    let expected = json!([{"op": "replace", "path": "/patient-status", "value": "accepted"}]);
    assert_eq!(change.body, Body::Custom(expected));
    assert!(!change.body.has_tests());
}

#[test]
fn an_operation_is_called_with_its_body() {
    let own = json!({"resourceType": "Bundle", "type": "message", "n": 5, "entry": [{
        "a": "{appointment}/{patient}/{index}", "b": "{status} {participant_status}",
        "c": "{start}", "d": "{reply_id}", "e": "{not a word} {", "{index}": 1}]});
    let cancel = at("Appointment/{appointment}/$cancel?by={patient}", Some(&own));
    let policy = by_operation(Custom::default(), cancel);
    let change = change(wished(WishKind::Cancel, &held(), &policy));
    assert_eq!((change.method, change.content_type), (Method::Post, "application/fhir+json"));
    assert_eq!(change.target, "Appointment/a.7/$cancel?by=jane-1");
    let expected = json!({"resourceType": "Bundle", "type": "message", "n": 5, "entry": [{
        "a": "a.7/jane-1/1", "b": "cancelled declined",
        "c": "2026-12-01T09:00:00Z", "d": "SM\"1", "e": "{not a word} {", "1": 1}]});
    assert_eq!(change.body, Body::Custom(expected));
}

#[test]
fn an_operation_is_never_called_for_another_wish() {
    let policy = by_operation(body(&json!({})), at("Appointment/{appointment}/$cancel", None));
    let refused = Plan::Refuse(Refusal::NotOffered);
    assert_eq!(wished(WishKind::Confirm, &held(), &policy), refused);
    let cancel = change(wished(WishKind::Cancel, &held(), &policy));
    assert_eq!(cancel.body, Body::Custom(json!({"resourceType": "Parameters"})));
    assert_eq!((cancel.content_type, cancel.if_match), ("application/fhir+json", IfMatch::Never));
}

#[test]
fn each_wish_has_an_operation_of_its_own() {
    let own = json!({"id": "{appointment}"});
    let policy = Policy {
        if_match: IfMatch::Required,
        ..by_operation(
            at("appointments/confirm", Some(&own)),
            at("appointments/cancel", Some(&own)),
        )
    };
    let confirm = change(wished(WishKind::Confirm, &held(), &policy));
    assert_eq!(
        (confirm.target.as_str(), confirm.content_type),
        ("appointments/confirm", PLAIN_JSON)
    );
    assert_eq!(confirm.if_match, IfMatch::Required);
    let cancel = change(wished(WishKind::Cancel, &held(), &policy));
    assert_eq!(cancel.target, "appointments/cancel");
}

#[test]
fn an_index_can_be_a_number() {
    let text = r#"[{"op": "x", "n": {index}, "a\\": [{index}], "q": "\"{index}\\", "m": {index}}]"#;
    let own = Custom { body: Some(Template::parse(text).unwrap()), path: None };
    let policy = Policy { confirm: own, ..Policy::default() };
    let expected = json!([{"op": "x", "n": 1, "a\\": [1], "q": "\"1\\", "m": 1}]);
    let change = change(wished(WishKind::Confirm, &held(), &policy));
    assert_eq!(change.body, Body::Custom(expected));
    assert!(Template::parse(r#"[{status}]"#).is_err());
}

#[test]
fn what_cannot_be_filled_in_is_not_sent() {
    let mut held = held();
    held["participant"][1]["actor"] = json!({"type": "Patient"});
    let own = json!([{"op": "replace", "path": "/x", "value": "{patient}"}]);
    let policy = Policy { confirm: body(&own), ..Policy::default() };
    let refused = Plan::Refuse(Refusal::NoParticipant);
    assert_eq!(wished(WishKind::Confirm, &held, &policy), refused);
    held["participant"][1]["actor"] = json!({"reference": "RelatedPerson/5"});
    assert_eq!(wished(WishKind::Confirm, &held, &policy), refused);
    held["participant"][1]["actor"] = json!({"reference": "Patient/5?x=1"});
    assert_eq!(wished(WishKind::Confirm, &held, &policy), refused);
}

#[test]
fn a_body_is_read_when_it_is_set() {
    for (text, error) in [
        ("{", Error::NotJson { line: 1, column: 1 }),
        ("\"x\"", Error::Bare),
        ("{\"a\": [\"{patinet}\"]}", Error::Unknown("patinet".to_owned())),
        ("{\"{Status}\": 1}", Error::Unknown("Status".to_owned())),
    ] {
        assert_eq!(Template::parse(text), Err(error.clone()), "{text}");
        assert!(!error.to_string().is_empty());
    }
    let long = format!("[\"{}\"]", "x".repeat(TEMPLATE_BYTES_MAX));
    assert_eq!(Template::parse(&long), Err(Error::TooLong { max: TEMPLATE_BYTES_MAX }));
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(matches!(Template::parse(&deep), Err(Error::NotJson { .. })));
}

#[test]
fn a_path_stays_below_the_base() {
    for text in [
        "",
        "/Appointment",
        "//host/x",
        "https://host/x",
        "a/../b",
        "..",
        "a//b",
        "a b",
        "a?",
        "a#b",
        "Appointment/./x",
        "a\nb",
    ] {
        assert_eq!(OperationPath::parse(text), Err(Error::Path), "{text}");
    }
    let long = "x".repeat(PATH_BYTES_MAX + 1);
    assert_eq!(OperationPath::parse(&long), Err(Error::TooLong { max: PATH_BYTES_MAX }));
    assert_eq!(OperationPath::parse("{x}"), Err(Error::Unknown("x".to_owned())));
    let policy = by_operation(Custom::default(), at("Appointment/{reply_id}", None));
    let wish = |reply_id| Wish {
        kind: WishKind::Cancel,
        patient_refs: &[],
        told_start: None,
        now: "2026-11-30T12:00:00Z".parse().unwrap(),
        reply_id,
        comment: None,
    };
    let planned = plan(&held(), &wish(".."), &policy);
    assert_eq!(planned, Plan::Refuse(Refusal::NotOffered));
    let spelled = change(plan(&held(), &wish("a/b?ü"), &policy));
    assert_eq!(spelled.target, "Appointment/a%2Fb%3F%C3%BC");
}
