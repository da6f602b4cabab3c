//! Bodies of the operator's own.

use serde_json::json;

use super::super::{Plan, Policy, PolicyFault, Strategy, Target, Wish, plan};
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
    match plan {
        Plan::Write(change) => *change,
        other => panic!("{other:?}"),
    }
}

fn template(body: &Value) -> Template {
    Template::parse(&body.to_string()).unwrap()
}

fn path(text: &str) -> OperationPath {
    OperationPath::parse(text).unwrap()
}

#[test]
fn a_patch_of_a_servers_own_goes_as_it_is() {
    let body =
        json!([{"op": "replace", "path": "/patient-status", "value": "{participant_status}"}]);
    let policy = Policy { confirm: Some(template(&body)), ..Policy::default() };
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
    let body = json!({"resourceType": "Bundle", "type": "message", "n": 5, "entry": [{
        "a": "{appointment}/{patient}/{index}", "b": "{status} {participant_status}",
        "c": "{start}", "d": "{reply_id}", "e": "{not a word} {"}]});
    let policy = Policy {
        strategy: Strategy::Operation,
        cancel: Some(template(&body)),
        operation: Some(path("Appointment/{appointment}/$cancel?by={patient}")),
        ..Policy::default()
    };
    let change = change(wished(WishKind::Cancel, &held(), &policy));
    assert_eq!((change.method, change.content_type), (Method::Post, "application/fhir+json"));
    assert_eq!(change.target, "Appointment/a.7/$cancel?by=jane-1");
    let expected = json!({"resourceType": "Bundle", "type": "message", "n": 5, "entry": [{
        "a": "a.7/jane-1/1", "b": "cancelled declined",
        "c": "2026-12-01T09:00:00Z", "d": "SM\"1", "e": "{not a word} {"}]});
    assert_eq!(change.body, Body::Custom(expected));
}

#[test]
fn an_operation_is_never_called_for_another_wish() {
    let policy = Policy {
        strategy: Strategy::Operation,
        cancel: Some(template(&json!({}))),
        operation: Some(path("Appointment/{appointment}/$cancel")),
        ..Policy::default()
    };
    let refused = Plan::Refuse(Refusal::NotOffered);
    assert_eq!(wished(WishKind::Confirm, &held(), &policy), refused);
    let change = change(wished(WishKind::Cancel, &held(), &policy));
    assert_eq!(change.content_type, "application/json");
    let without_path = Policy { operation: None, ..policy };
    assert_eq!(wished(WishKind::Cancel, &held(), &without_path), refused);
}

#[test]
fn each_wish_can_have_an_operation_of_its_own() {
    let policy = Policy {
        strategy: Strategy::Operation,
        if_match: IfMatch::Required,
        confirm: Some(template(&json!({})).at(path("Appointment/$appointment-confirm"))),
        cancel: Some(template(&json!({}))),
        operation: Some(path("Appointment/$appointment-cancel")),
        ..Policy::default()
    };
    assert!(policy.faults().is_empty());
    let confirm = change(wished(WishKind::Confirm, &held(), &policy));
    assert_eq!(confirm.target, "Appointment/$appointment-confirm");
    assert_eq!(confirm.if_match, IfMatch::Required);
    let cancel = change(wished(WishKind::Cancel, &held(), &policy));
    assert_eq!(cancel.target, "Appointment/$appointment-cancel");
}

#[test]
fn what_cannot_be_filled_in_is_not_sent() {
    let mut held = held();
    held["participant"][1]["actor"] = json!({"type": "Patient"});
    let body = json!([{"op": "replace", "path": "/x", "value": "{patient}"}]);
    let policy = Policy { confirm: Some(template(&body)), ..Policy::default() };
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
    let policy = |by: &str| Policy {
        strategy: Strategy::Operation,
        cancel: Some(template(&json!({}))),
        operation: Some(path(by)),
        ..Policy::default()
    };
    let wish = |reply_id| Wish {
        kind: WishKind::Cancel,
        patient_refs: &[],
        told_start: None,
        now: "2026-11-30T12:00:00Z".parse().unwrap(),
        reply_id,
        comment: None,
    };
    let planned = plan(&held(), &wish(".."), &policy("Appointment/{reply_id}"));
    assert_eq!(planned, Plan::Refuse(Refusal::NotOffered));
    let spelled = change(plan(&held(), &wish("a/b?ü"), &policy("Appointment/{reply_id}")));
    assert_eq!(spelled.target, "Appointment/a%2Fb%3F%C3%BC");
}

#[test]
fn a_policy_that_does_not_fit_together_is_told() {
    let list = Some(template(&json!([])));
    let object = Some(template(&json!({})));
    let faults = |strategy, confirm: &Option<Template>, cancel: &Option<Template>| {
        Policy { strategy, confirm: confirm.clone(), cancel: cancel.clone(), ..Policy::default() }
            .faults()
    };
    use WishKind::{Cancel, Confirm};
    assert_eq!(faults(Strategy::Operation, &None, &None), [PolicyFault::NoTemplate]);
    assert_eq!(faults(Strategy::Operation, &list, &None), [PolicyFault::NoPath(Confirm)]);
    assert_eq!(faults(Strategy::JsonPatch, &list, &object), [PolicyFault::NotAList(Cancel)]);
    assert_eq!(
        faults(Strategy::FhirPathPatch, &list, &object),
        [PolicyFault::NotAnObject(Confirm)]
    );
    assert_eq!(faults(Strategy::Put, &None, &list), [PolicyFault::Unused(Cancel)]);
    assert!(faults(Strategy::AppointmentResponse, &object, &None).is_empty());
    assert_eq!(
        PolicyFault::Unused(Cancel).to_string(),
        "the strategy put takes no body for cancel"
    );
    assert_eq!(Policy::default().target, Target::Participant);
}
