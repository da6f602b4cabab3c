//! What is built, as JSON.

use appointd_fhir::build::{
    Answer, Content, ENTRIES_MAX, Error, Identifier, Model, NewSubscription, Operation,
    Participation, Value, appointment_response, fhirpath_patch, subscription,
};
use serde_json::{Value as Json, json};

fn read(bytes: &[u8]) -> Json {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_patch_is_parameters_with_an_operation_each() {
    let patch = fhirpath_patch(&[
        Operation::Replace { path: "Appointment.status", value: Value::Code("cancelled") },
        Operation::Add {
            path: "Appointment",
            name: "cancelationReason",
            value: Value::Concept {
                system: Some(
                    "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason",
                ),
                code: "pat",
                text: Some("Patient"),
            },
        },
        Operation::Replace {
            path: "Appointment.participant.where(actor.reference = 'Patient/1').actor",
            value: Value::Reference("Patient/2"),
        },
        Operation::Add {
            path: "Appointment",
            name: "comment",
            value: Value::Text("Runs late.\nSorry"),
        },
        Operation::Delete { path: "Appointment.reasonCode" },
    ]);
    let expected = json!({"resourceType": "Parameters", "parameter": [
        {"name": "operation", "part": [
            {"name": "type", "valueCode": "replace"},
            {"name": "path", "valueString": "Appointment.status"},
            {"name": "value", "valueCode": "cancelled"},
        ]},
        {"name": "operation", "part": [
            {"name": "type", "valueCode": "add"},
            {"name": "path", "valueString": "Appointment"},
            {"name": "name", "valueString": "cancelationReason"},
            {"name": "value", "valueCodeableConcept": {
                "coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason",
                    "code": "pat",
                }],
                "text": "Patient",
            }},
        ]},
        {"name": "operation", "part": [
            {"name": "type", "valueCode": "replace"},
            {"name": "path", "valueString":
                "Appointment.participant.where(actor.reference = 'Patient/1').actor"},
            {"name": "value", "valueReference": {"reference": "Patient/2"}},
        ]},
        {"name": "operation", "part": [
            {"name": "type", "valueCode": "add"},
            {"name": "path", "valueString": "Appointment"},
            {"name": "name", "valueString": "comment"},
            {"name": "value", "valueString": "Runs late.\nSorry"},
        ]},
        {"name": "operation", "part": [
            {"name": "type", "valueCode": "delete"},
            {"name": "path", "valueString": "Appointment.reasonCode"},
        ]},
    ]});
    assert_eq!(read(&patch.unwrap()), expected);
}

#[test]
fn a_patch_of_nothing_or_of_what_fhir_does_not_allow_is_refused() {
    let delete = Operation::Delete { path: "Appointment.comment" };
    assert_eq!(fhirpath_patch(&[]), Err(Error::Entries { field: "operation" }));
    let many = vec![delete; ENTRIES_MAX + 1];
    assert_eq!(fhirpath_patch(&many), Err(Error::Entries { field: "operation" }));
    for (field, operation) in [
        ("path", Operation::Delete { path: "" }),
        ("path", Operation::Delete { path: "a\nb" }),
        ("value", Operation::Replace { path: "a", value: Value::Code(" booked") }),
        ("value", Operation::Replace { path: "a", value: Value::Code("no  show") }),
        ("value", Operation::Replace { path: "a", value: Value::Text(" ") }),
        ("value", Operation::Replace { path: "a", value: Value::Text("a\0") }),
        ("value", Operation::Replace { path: "a", value: Value::Reference("Patient/1 or 2") }),
    ] {
        assert_eq!(fhirpath_patch(&[delete, operation]), Err(Error::Text { field }));
    }
    let concept = Value::Concept { system: None, code: "", text: None };
    let operation = Operation::Add { path: "a", name: "b", value: concept };
    assert_eq!(fhirpath_patch(&[operation]), Err(Error::Text { field: "code" }));
}

fn answer() -> Answer<'static> {
    Answer {
        appointment: "Appointment/1",
        actor: "Patient/2",
        status: Participation::Accepted,
        start: None,
        end: None,
        comment: None,
        identifier: None,
    }
}

#[test]
fn an_answer_is_an_appointment_response() {
    let short = read(&appointment_response(&answer()).unwrap());
    assert_eq!(
        short,
        json!({
            "resourceType": "AppointmentResponse",
            "appointment": {"reference": "Appointment/1"},
            "actor": {"reference": "Patient/2"},
            "participantStatus": "accepted",
        })
    );
    let long = Answer {
        status: Participation::Tentative,
        start: Some("2026-12-01T09:00:00-05:00"),
        end: Some("2026-12-01T14:30:00.500Z"),
        comment: Some("Ja, größtenteils \u{1f44d}"),
        identifier: Some(Identifier { system: "urn:owl-clinic:replies", value: "SM1" }),
        ..answer()
    };
    assert_eq!(
        read(&appointment_response(&long).unwrap()),
        json!({
            "resourceType": "AppointmentResponse",
            "identifier": [{"system": "urn:owl-clinic:replies", "value": "SM1"}],
            "appointment": {"reference": "Appointment/1"},
            "start": "2026-12-01T09:00:00-05:00",
            "end": "2026-12-01T14:30:00.5Z",
            "actor": {"reference": "Patient/2"},
            "participantStatus": "tentative",
            "comment": "Ja, größtenteils \u{1f44d}",
        })
    );
    let declined = Answer { status: Participation::Declined, ..answer() };
    let declined = read(&appointment_response(&declined).unwrap());
    assert_eq!(declined["participantStatus"], "declined");
}

#[test]
fn a_time_needs_seconds_and_an_offset() {
    for start in [
        "",
        "2026-12-01",
        "2026-12-01T09:00:00",
        "2026-12-01T09:00Z",
        "2026-12-01 09:00:00Z",
        "2026-13-01T09:00:00Z",
        "2026-02-30T09:00:00Z",
        "2026-12-01T24:00:00Z",
        "20261201T090000Z",
        "2026-12-01T09:00:00+0500",
        "2026-12-01T09:00:00Z ",
        "+12026-12-01T09:00:00Z",
        "\u{661}026",
    ] {
        let bad = Answer { start: Some(start), ..answer() };
        assert_eq!(appointment_response(&bad), Err(Error::Time { field: "start" }), "{start}");
    }
}

#[test]
fn an_answer_with_what_fhir_does_not_allow_is_refused() {
    let identifier = |system, value| Some(Identifier { system, value });
    let long = "x".repeat(5000);
    for (field, bad) in [
        ("appointment", Answer { appointment: "", ..answer() }),
        ("appointment", Answer { appointment: &long, ..answer() }),
        ("actor", Answer { actor: "Patient/1\u{a0}", ..answer() }),
        ("comment", Answer { comment: Some("\u{1b}[2J"), ..answer() }),
        ("identifier.system", Answer { identifier: identifier("a b", "1"), ..answer() }),
        ("identifier.value", Answer { identifier: identifier("a", ""), ..answer() }),
    ] {
        assert_eq!(appointment_response(&bad), Err(Error::Text { field }));
    }
}

fn wanted() -> NewSubscription<'static> {
    NewSubscription {
        model: Model::Criteria,
        criteria: "Appointment?",
        filters: &[],
        endpoint: "https://owl.example/fhir/notify/a1",
        headers: &[],
        payload: None,
        content: Content::IdOnly,
        heartbeat_seconds: None,
        timeout_seconds: None,
        end: None,
        reason: "Appointments of Owl Clinic",
        secret: None,
        max_attempts: None,
    }
}

#[test]
fn a_subscription_by_criteria_is_plain_r4() {
    let plain = read(&subscription(&wanted()).unwrap());
    let mut expected = json!({
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "Appointments of Owl Clinic",
        "criteria": "Appointment?",
        "channel": {"type": "rest-hook", "endpoint": "https://owl.example/fhir/notify/a1"},
    });
    assert_eq!(plain, expected);
    let signed = NewSubscription {
        headers: &["X-Hook-Token: s3cret", "Authorization: Basic YTpi"],
        payload: Some("application/fhir+json"),
        // Of topics only.
        filters: &["Appointment?actor=Location/1"],
        heartbeat_seconds: Some(60),
        end: Some("2027-01-01T00:00:00Z"),
        secret: Some((
            "https://www.medplum.com/fhir/StructureDefinition/subscription-secret",
            "s3cret",
        )),
        max_attempts: Some(18),
        ..wanted()
    };
    expected["channel"]["header"] = json!(["X-Hook-Token: s3cret", "Authorization: Basic YTpi"]);
    expected["channel"]["payload"] = json!("application/fhir+json");
    expected["end"] = json!("2027-01-01T00:00:00Z");
    expected["extension"] = json!([
        {
            "url": "https://www.medplum.com/fhir/StructureDefinition/subscription-secret",
            "valueString": "s3cret",
        },
        {
            "url": "https://medplum.com/fhir/StructureDefinition/subscription-max-attempts",
            "valueInteger": 18,
        },
    ]);
    assert_eq!(read(&subscription(&signed).unwrap()), expected);
}

// BackportSubscription.fsh of the guide: profile, filters on the criteria, content on the payload,
// periods on the channel.
#[test]
fn a_subscription_by_topic_follows_the_backport_guide() {
    const GUIDE: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition";
    let topic = NewSubscription {
        model: Model::Backport,
        criteria: "https://owl.example/SubscriptionTopic/appointment|1.0",
        filters: &["Appointment?actor=Location/1", "Appointment?date=ge2026-01-01"],
        headers: &["X-Hook-Token: s3cret"],
        heartbeat_seconds: Some(60),
        timeout_seconds: Some(20),
        ..wanted()
    };
    let expected = json!({
        "resourceType": "Subscription",
        "meta": {"profile": [format!("{GUIDE}/backport-subscription")]},
        "status": "requested",
        "reason": "Appointments of Owl Clinic",
        "criteria": "https://owl.example/SubscriptionTopic/appointment|1.0",
        "_criteria": {"extension": [
            {
                "url": format!("{GUIDE}/backport-filter-criteria"),
                "valueString": "Appointment?actor=Location/1",
            },
            {
                "url": format!("{GUIDE}/backport-filter-criteria"),
                "valueString": "Appointment?date=ge2026-01-01",
            },
        ]},
        "channel": {
            "extension": [
                {"url": format!("{GUIDE}/backport-heartbeat-period"), "valueUnsignedInt": 60},
                {"url": format!("{GUIDE}/backport-timeout"), "valueUnsignedInt": 20},
            ],
            "type": "rest-hook",
            "endpoint": "https://owl.example/fhir/notify/a1",
            "payload": "application/fhir+json",
            "_payload": {"extension": [
                {"url": format!("{GUIDE}/backport-payload-content"), "valueCode": "id-only"},
            ]},
            "header": ["X-Hook-Token: s3cret"],
        },
    });
    assert_eq!(read(&subscription(&topic).unwrap()), expected);
    for (content, code) in [(Content::Empty, "empty"), (Content::FullResource, "full-resource")] {
        let topic = NewSubscription { content, filters: &[], heartbeat_seconds: None, ..topic };
        let built = read(&subscription(&topic).unwrap());
        assert_eq!(built["channel"]["_payload"]["extension"][0]["valueCode"], code);
        assert_eq!(built.get("_criteria"), None);
        assert_eq!(built["channel"]["extension"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_subscription_with_what_fhir_does_not_allow_is_refused() {
    let topic =
        NewSubscription { model: Model::Backport, criteria: "https://a.example/t", ..wanted() };
    for (field, bad) in [
        ("criteria", NewSubscription { criteria: "", ..wanted() }),
        ("criteria", NewSubscription { criteria: "two words", ..topic }),
        ("endpoint", NewSubscription { endpoint: "https://a b", ..wanted() }),
        ("reason", NewSubscription { reason: "", ..wanted() }),
        ("payload", NewSubscription { payload: Some(""), ..wanted() }),
        ("header", NewSubscription { headers: &["no colon"], ..wanted() }),
        ("header", NewSubscription { headers: &[": a"], ..wanted() }),
        ("header", NewSubscription { headers: &["a: b\r\nc: d"], ..wanted() }),
        ("filter", NewSubscription { filters: &["ok", ""], ..topic }),
        ("secret", NewSubscription { secret: Some(("urn:a", "")), ..wanted() }),
        ("secret extension", NewSubscription { secret: Some(("", "a")), ..wanted() }),
    ] {
        assert_eq!(subscription(&bad), Err(Error::Text { field }));
    }
    let entries = vec!["a: b"; ENTRIES_MAX + 1];
    let bad = NewSubscription { headers: &entries, ..wanted() };
    assert_eq!(subscription(&bad), Err(Error::Entries { field: "header" }));
    let bad = NewSubscription { filters: &entries, ..topic };
    assert_eq!(subscription(&bad), Err(Error::Entries { field: "filter" }));
    let bad = NewSubscription { end: Some("tomorrow"), ..wanted() };
    assert_eq!(subscription(&bad), Err(Error::Time { field: "end" }));
    let bad = NewSubscription { max_attempts: Some(u32::MAX), ..wanted() };
    assert_eq!(subscription(&bad), Err(Error::Number { field: "max_attempts" }));
    let bad = NewSubscription { timeout_seconds: Some(1 << 31), ..topic };
    assert_eq!(subscription(&bad), Err(Error::Number { field: "backport-timeout" }));
}

#[test]
fn a_subscription_that_is_printed_shows_no_secret() {
    let secret = NewSubscription {
        headers: &["X-Hook-Token: s3cret"],
        endpoint: "https://owl.example/s3cret",
        secret: Some(("urn:a", "s3cret")),
        ..wanted()
    };
    assert!(!format!("{secret:?}").contains("s3cret"));
}
