//! What becomes of a wish, rule by rule.

use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-11-30T12:00:00Z";
const START: &str = "2026-12-01T09:00:00-05:00";

fn utc(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Jane's appointment with Dr Diaz.
fn visit() -> Value {
    json!({
        "resourceType": "Appointment", "id": "7", "meta": {"versionId": "3"},
        "status": "booked", "start": START, "end": "2026-12-01T09:30:00-05:00",
        "participant": [
            {"actor": {"reference": "Practitioner/diaz"}, "status": "accepted"},
            {"actor": {"reference": "Patient/jane"}, "status": "needs-action"},
        ],
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut held = visit();
    change(&mut held);
    held
}

fn status(word: &str) -> Value {
    with(|held| held["status"] = json!(word))
}

/// A visit of Jane and John.
fn group() -> Value {
    with(|held| {
        let john = json!({"actor": {"reference": "Patient/john"}, "status": "needs-action"});
        held["participant"].as_array_mut().unwrap().push(john);
    })
}

fn wish<'a>(kind: WishKind, refs: &'a [String]) -> Wish<'a> {
    Wish {
        kind,
        patient_refs: refs,
        told_start: Some(utc(START)),
        now: utc(NOW),
        reply_id: "SM1",
        comment: Some("see you"),
    }
}

fn confirm(held: &Value, policy: &Policy) -> Plan {
    plan(held, &wish(WishKind::Confirm, &["Patient/jane".to_owned()]), policy)
}

fn cancel(held: &Value, policy: &Policy) -> Plan {
    plan(held, &wish(WishKind::Cancel, &["Patient/jane".to_owned()]), policy)
}

fn by(strategy: Strategy) -> Policy {
    Policy { strategy, ..Policy::default() }
}

fn to_status() -> Policy {
    Policy { target: Target::Status, ..Policy::default() }
}

fn change(plan: Plan) -> Change {
    let Plan::Write(change) = plan else { panic!("{plan:?}") };
    *change
}

fn json_patch(plan: Plan) -> Value {
    let Body::JsonPatch(operations) = change(plan).body else { panic!() };
    Value::Array(operations)
}

#[test]
fn a_confirmation_accepts_for_the_patient() {
    assert_eq!(
        json_patch(confirm(&visit(), &Policy::default())),
        json!([
            {"op": "test", "path": "/status", "value": "booked"},
            {"op": "test", "path": "/participant/1/actor/reference", "value": "Patient/jane"},
            {"op": "test", "path": "/start", "value": START},
            {"op": "replace", "path": "/participant/1/status", "value": "accepted"},
        ])
    );
    let change = change(confirm(&visit(), &Policy::default()));
    assert_eq!((change.method, change.target.as_str()), (Method::Patch, "Appointment/7"));
    assert_eq!(change.content_type, "application/json-patch+json");
    assert_eq!((change.if_match, change.if_none_exist), (IfMatch::Send, None));
}

#[test]
fn a_cancellation_changes_the_appointment_and_says_why() {
    let reason = json!({"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason",
        "code": "pat"}], "text": "Patient"});
    assert_eq!(
        json_patch(cancel(&visit(), &Policy::default())),
        json!([
            {"op": "test", "path": "/status", "value": "booked"},
            {"op": "test", "path": "/participant/1/actor/reference", "value": "Patient/jane"},
            {"op": "replace", "path": "/status", "value": "cancelled"},
            {"op": "add", "path": "/cancelationReason", "value": reason},
        ])
    );
}

#[test]
fn the_reason_is_spelled_by_version_and_can_be_left_out() {
    let r5 = Policy { version: Version::R5, patch_tests: false, ..Policy::default() };
    assert_eq!(json_patch(cancel(&visit(), &r5))[1]["path"], "/cancellationReason");
    let silent = Policy { cancel_reason: None, patch_tests: false, ..Policy::default() };
    assert_eq!(
        json_patch(cancel(&visit(), &silent)),
        json!([{"op": "replace", "path": "/status", "value": "cancelled"}])
    );
}

#[test]
fn a_participant_without_status_gets_one() {
    let held = with(|held| {
        held["participant"][1].as_object_mut().unwrap().remove("status");
    });
    let policy = Policy { patch_tests: false, ..Policy::default() };
    assert_eq!(json_patch(confirm(&held, &policy))[0]["op"], "add");
    let change = change(confirm(&held, &by(Strategy::FhirPathPatch)));
    let Body::FhirPath(operations) = change.body else { panic!() };
    let added = FhirPathOp::Add {
        path: "Appointment.participant[1]".to_owned(),
        name: "status".to_owned(),
        value: FhirPathValue::Code("accepted".to_owned()),
    };
    assert_eq!(operations, [added]);
}

#[test]
fn what_is_so_already_is_done() {
    let accepted = with(|held| held["participant"][1]["status"] = json!("accepted"));
    assert_eq!(confirm(&accepted, &Policy::default()), Plan::Done);
    assert_eq!(confirm(&visit(), &to_status()), Plan::Done);
    for off in ["cancelled", "entered-in-error"] {
        assert_eq!(cancel(&status(off), &Policy::default()), Plan::Done, "{off}");
    }
    let declined = with(|held| held["participant"][1]["status"] = json!("declined"));
    assert_eq!(cancel(&declined, &by(Strategy::AppointmentResponse)), Plan::Done);
    assert!(matches!(cancel(&declined, &Policy::default()), Plan::Write(_)));
}

#[test]
fn a_proposed_appointment_becomes_booked_where_that_is_confirming() {
    for word in ["proposed", "pending"] {
        let operations = json_patch(confirm(&status(word), &to_status()));
        assert_eq!(operations[3], json!({"op": "replace", "path": "/status", "value": "booked"}));
        assert_eq!(operations[0]["value"], word);
    }
}

#[test]
fn who_declined_and_comes_after_all_is_accepted() {
    let declined = with(|held| held["participant"][1]["status"] = json!("declined"));
    assert!(matches!(confirm(&declined, &Policy::default()), Plan::Write(_)));
}

#[test]
fn a_yes_to_another_time_is_no_yes() {
    let moved = with(|held| held["start"] = json!("2026-12-01T10:00:00-05:00"));
    assert_eq!(confirm(&moved, &Policy::default()), Plan::TimeChanged);
    let accepted = with(|held| {
        held["start"] = json!("2026-12-01T10:00:00-05:00");
        held["participant"][1]["status"] = json!("accepted");
    });
    assert_eq!(confirm(&accepted, &Policy::default()), Plan::TimeChanged);
    assert_eq!(confirm(&moved, &to_status()), Plan::TimeChanged);
    let begun = with(|held| held["start"] = json!("2026-11-30T10:00:00Z"));
    assert_eq!(confirm(&begun, &Policy::default()), Plan::Refuse(Refusal::Past));
    assert!(matches!(cancel(&moved, &Policy::default()), Plan::Write(_)));
}

#[test]
fn the_same_instant_in_another_spelling_is_the_same_time() {
    for same in ["2026-12-01T14:00:00Z", "2026-12-01T14:00:59.999Z", "2026-12-01T14:00Z"] {
        let held = with(|held| held["start"] = json!(same));
        assert!(matches!(confirm(&held, &Policy::default()), Plan::Write(_)), "{same}");
    }
}

#[test]
fn who_was_told_no_start_confirms_any() {
    let refs = ["Patient/jane".to_owned()];
    let wish = Wish { told_start: None, ..wish(WishKind::Confirm, &refs) };
    assert!(matches!(plan(&visit(), &wish, &Policy::default()), Plan::Write(_)));
}

#[test]
fn what_is_not_booked_any_more_is_for_a_person() {
    for word in ["arrived", "checked-in", "fulfilled", "noshow"] {
        let refused = Plan::Refuse(Refusal::NotBooked(State::parse(word).unwrap()));
        assert_eq!(confirm(&status(word), &Policy::default()), refused);
        assert_eq!(cancel(&status(word), &Policy::default()), refused);
    }
    assert!(matches!(
        confirm(&status("waitlist"), &Policy::default()),
        Plan::Refuse(Refusal::NotBooked(State::Waitlist))
    ));
    assert!(matches!(cancel(&status("waitlist"), &Policy::default()), Plan::Write(_)));
    for word in ["cancelled", "entered-in-error"] {
        assert_eq!(confirm(&status(word), &Policy::default()), Plan::Refuse(Refusal::Off));
    }
}

#[test]
fn nothing_is_written_once_it_has_begun() {
    for start in [NOW, "2026-11-30T11:59:00Z"] {
        let held = with(|held| held["start"] = json!(start));
        assert_eq!(cancel(&held, &Policy::default()), Plan::Refuse(Refusal::Past));
        let refs = [];
        let wish = Wish { told_start: Some(utc(start)), ..wish(WishKind::Confirm, &refs) };
        assert_eq!(plan(&held, &wish, &Policy::default()), Plan::Refuse(Refusal::Past));
    }
}

#[test]
fn a_server_can_forbid_to_cancel() {
    let url = "https://ehr.example/r4/StructureDefinition/is-cancelable";
    let held = |value: Value| {
        with(|held| held["extension"] = json!([{"valueBoolean": value, "url": url}]))
    };
    let policy = Policy::default();
    assert_eq!(cancel(&held(json!(false)), &policy), Plan::Refuse(Refusal::NotCancelable));
    assert!(matches!(cancel(&held(json!(true)), &policy), Plan::Write(_)));
    assert!(matches!(confirm(&held(json!(false)), &policy), Plan::Write(_)));
}

#[test]
fn what_cannot_be_read_is_refused() {
    for (held, refusal) in [
        (json!(null), Refusal::NotAnAppointment),
        (json!({"resourceType": "OperationOutcome"}), Refusal::NotAnAppointment),
        (with(|held| held["id"] = json!("../Patient/1")), Refusal::NoId),
        (with(|held| held["id"] = json!("..")), Refusal::NoId),
        (with(|held| held["id"] = json!("")), Refusal::NoId),
        (with(|held| held["id"] = json!("x".repeat(300))), Refusal::NoId),
        (with(|held| held["id"] = json!(7)), Refusal::NoId),
        (status("bogus"), Refusal::UnknownStatus),
        (status("Booked"), Refusal::UnknownStatus),
        (with(|held| held["status"] = json!(null)), Refusal::UnknownStatus),
        (with(|held| held["start"] = json!(null)), Refusal::NoStart),
        (with(|held| held["start"] = json!("2026-12-01T09:00:00")), Refusal::NoStart),
        (with(|held| held["start"] = json!(["2026-12-01T09:00:00Z"])), Refusal::NoStart),
        (with(|held| held["participant"] = json!([])), Refusal::NoParticipant),
        (with(|held| held["participant"] = json!("Patient/jane")), Refusal::NoParticipant),
    ] {
        for plan in [confirm(&held, &Policy::default()), cancel(&held, &Policy::default())] {
            assert_eq!(plan, Plan::Refuse(refusal), "{held}");
        }
        assert!(!refusal.to_string().is_empty() && !refusal.name().contains(' '));
    }
}

#[test]
fn one_of_a_group_speaks_for_themselves_only() {
    let policy = Policy { patch_tests: false, ..Policy::default() };
    assert_eq!(
        json_patch(confirm(&group(), &policy)),
        json!([{"op": "replace", "path": "/participant/1/status", "value": "accepted"}])
    );
    let refused = Plan::Refuse(Refusal::SeveralPatients);
    assert_eq!(cancel(&group(), &policy), refused);
    assert_eq!(cancel(&group(), &by(Strategy::Put)), refused);
    let proposed = {
        let mut held = group();
        held["status"] = json!("proposed");
        held
    };
    assert_eq!(confirm(&proposed, &to_status()), refused);
    let declined = change(cancel(&group(), &by(Strategy::AppointmentResponse)));
    let Body::Response(fields) = declined.body else { panic!() };
    assert_eq!(
        (fields.actor.as_str(), fields.status),
        ("Patient/jane", ParticipantStatus::Declined)
    );
}

#[test]
fn a_fhirpath_patch_names_the_same_places() {
    let operations = |plan| {
        let Body::FhirPath(operations) = change(plan).body else { panic!() };
        operations
    };
    let replace = |path: &str, value| FhirPathOp::Replace { path: path.to_owned(), value };
    let code = |code: &str| FhirPathValue::Code(code.to_owned());
    let policy = by(Strategy::FhirPathPatch);
    assert_eq!(change(confirm(&visit(), &policy)).content_type, "application/fhir+json");
    assert_eq!(
        operations(confirm(&visit(), &policy)),
        [replace("Appointment.participant[1].status", code("accepted"))]
    );
    let status = replace("Appointment.status", code("cancelled"));
    let reason = FhirPathValue::Concept(Concept::patient());
    let added = FhirPathOp::Add {
        path: "Appointment".to_owned(),
        name: "cancelationReason".to_owned(),
        value: reason.clone(),
    };
    assert_eq!(operations(cancel(&visit(), &policy)), [status.clone(), added]);
    let reasoned = with(|held| held["cancelationReason"] = json!({"text": "x"}));
    let replaced = replace("Appointment.cancelationReason", reason);
    assert_eq!(operations(cancel(&reasoned, &policy)), [status, replaced]);
}

#[test]
fn a_put_is_what_was_read_with_the_wish_in_it() {
    let held = with(|held| held["unheardOf"] = json!({"a": [1.5, null]}));
    let put = change(confirm(&held, &by(Strategy::Put)));
    assert_eq!((put.method, put.content_type), (Method::Put, "application/fhir+json"));
    let mut expected = held.clone();
    expected["participant"][1]["status"] = json!("accepted");
    assert_eq!(put.body, Body::Resource(expected.clone()));
    // The order of the fields stays, too.
    assert_eq!(put.body.render(), Some(expected.to_string().into_bytes()));
    let put = change(cancel(&held, &by(Strategy::Put)));
    let mut expected = held;
    expected["status"] = json!("cancelled");
    expected["cancelationReason"] = Concept::patient().to_json();
    assert_eq!(put.body, Body::Resource(expected));
}

#[test]
fn a_response_exists_once_for_one_reply() {
    let held = with(|held| {
        held["participant"][1]["actor"]["reference"] = json!("Patient/jane/_history/4");
    });
    let response = change(confirm(&held, &by(Strategy::AppointmentResponse)));
    assert_eq!((response.method, response.target.as_str()), (Method::Post, "AppointmentResponse"));
    assert_eq!(response.if_match, IfMatch::Never);
    assert_eq!(response.if_none_exist.as_deref(), Some("identifier=urn%3Aappointd%3Areply%7CSM1"));
    let Body::Response(fields) = response.body else { panic!() };
    assert_eq!(
        (fields.appointment.as_str(), fields.actor.as_str()),
        ("Appointment/7", "Patient/jane")
    );
    assert_eq!(
        (fields.start.as_deref(), fields.comment.as_deref()),
        (Some(START), Some("see you"))
    );
    assert_eq!(fields.identifier.value, "SM1");
    assert_eq!(fields.status, ParticipantStatus::Accepted);
}

#[test]
fn a_response_needs_an_actor_that_means_something_elsewhere() {
    let within = |refs: &[String]| {
        let held = with(|held| {
            held["contained"] = json!([{"resourceType": "Patient", "id": "p1"}]);
            held["participant"][1]["actor"]["reference"] = json!("#p1");
        });
        plan(&held, &wish(WishKind::Confirm, refs), &by(Strategy::AppointmentResponse))
    };
    assert_eq!(within(&[]), Plan::Refuse(Refusal::NoParticipant));
    let refs = ["jane".to_owned(), "Patient/jane".to_owned()];
    let Body::Response(fields) = change(within(&refs)).body else { panic!() };
    assert_eq!(fields.actor, "Patient/jane");
}

#[test]
fn a_response_holds_nothing_that_cannot_be_written() {
    let held = with(|held| {
        held["start"] = json!("2026-12-01T09:00-05:00");
        held["end"] = json!("soon");
    });
    let refs = [];
    let words = format!(" see\u{0}you\r\n{} ", "x".repeat(5_000));
    let wish = Wish { comment: Some(&words), ..wish(WishKind::Confirm, &refs) };
    let policy = by(Strategy::AppointmentResponse);
    let Body::Response(fields) = change(plan(&held, &wish, &policy)).body else { panic!() };
    assert_eq!((fields.start, fields.end), (None, None));
    let comment = fields.comment.unwrap();
    assert!(comment.starts_with("see you  xx") && comment.chars().count() == 2_000);
    let blank = Wish { comment: Some(" \n"), ..wish };
    let Body::Response(fields) = change(plan(&held, &blank, &policy)).body else { panic!() };
    assert_eq!(fields.comment, None);
}

#[test]
fn nothing_of_the_patient_is_printed() {
    let refs = ["Patient/jane".to_owned()];
    let mut printed = format!("{:?}", wish(WishKind::Cancel, &refs));
    for strategy in
        [Strategy::JsonPatch, Strategy::FhirPathPatch, Strategy::Put, Strategy::AppointmentResponse]
    {
        printed.push_str(&format!("{:?}", cancel(&visit(), &by(strategy))));
        printed.push_str(&format!("{:?}", change(cancel(&visit(), &by(strategy))).body));
    }
    assert!(!printed.contains("jane") && !printed.contains("see you"), "{printed}");
    let Body::Response(fields) = change(confirm(&visit(), &by(Strategy::AppointmentResponse))).body
    else {
        panic!()
    };
    assert!(!format!("{fields:?}").contains("jane"));
}
