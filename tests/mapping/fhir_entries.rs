//! Bundles, lists and lines of resources: entry by entry, nothing lost without a word.

use appointd::mapping::resource::{TEXT_BYTES_MAX, Why};
use appointd::mapping::{Beside, NoResource, Outcome, Resource, lookup};
use serde_json::{Value, json};

use super::{received_at, with_site};

/// What became of each entry: kind and id of what is to be read, or why it is not.
fn entries(text: &Value) -> Vec<Result<String, Why>> {
    told(&text.to_string())
}

fn told(text: &str) -> Vec<Result<String, Why>> {
    let all = Resource::read_all(text).unwrap();
    let name = |read: Resource| format!("{}/{}", read.kind(), read.id());
    all.into_iter().map(|entry| entry.map(name).map_err(|passed| passed.why)).collect()
}

fn appointment(id: &str) -> Value {
    json!({"resourceType": "Appointment", "id": id, "status": "booked", "start": "2026-12-01T15:30:00Z",
        "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}]})
}

fn patient() -> Value {
    json!({"resourceType": "Patient", "id": "p1", "name": [{"family": "Doe"}]})
}

/// The family name that `fhir-r4` finds for the patient.
fn family(resource: &Resource) -> Value {
    let mapping = lookup("fhir-r4").unwrap();
    let outcome = with_site(|site| mapping.apply(resource, site, received_at()));
    let Outcome::Claims(claims) = outcome else { return Value::Null };
    claims[0].to_json()["patient"]["family"].clone()
}

#[test]
fn a_bundle_of_any_type_brings_its_appointments() {
    for kind in ["searchset", "collection", "history", "message", "subscription-notification", "?"]
    {
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [
            {"resource": appointment("a1")}, {"resource": patient()}, {"resource": appointment("a2")}
        ]});
        let all = Resource::read_all(&bundle.to_string()).unwrap();
        let read: Vec<_> = all.into_iter().map(Result::unwrap).collect();
        assert_eq!(read.iter().map(Resource::id).collect::<Vec<_>>(), ["a1", "a2"], "{kind}");
        assert!(read.iter().all(|resource| family(resource) == "Doe"), "{kind}");
        assert!(std::ptr::eq(&*read[0].beside()[0], &*read[1].beside()[0]), "they share, not copy");
    }
}

#[test]
fn a_notification_says_of_each_entry_what_it_is() {
    let status = json!({"resourceType": "SubscriptionStatus", "type": "event-notification"});
    let bundle = json!({"resourceType": "Bundle", "type": "history", "entry": [
        {"resource": status},
        {"resource": {"resourceType": "Parameters"}},
        {"resource": {"resourceType": "MessageHeader"}},
        {"resource": {"resourceType": "OperationOutcome"}},
        {"fullUrl": "https://one.example/fhir/Appointment/a1"},
        {"request": {"method": "GET", "url": "Appointment/a1"}, "response": {"status": "200"}},
        {"resource": {"resourceType": "AuditEvent", "id": "e1"}},
        {"resource": appointment("a1"), "request": {"method": "PUT", "url": "Appointment/a1"}},
    ]});
    assert_eq!(
        entries(&bundle),
        [
            Err(Why::Subscription),
            Err(Why::Subscription),
            Err(Why::Header),
            Err(Why::Remark),
            Err(Why::Hint),
            Err(Why::Hint),
            Ok("Appointment/a1".to_owned()),
        ]
    );
    let all = Resource::read_all(&bundle.to_string()).unwrap();
    assert!(all.iter().all(|entry| entry.as_ref().err().is_none_or(|passed| !passed.is_fault())));
}

#[test]
fn bad_entries_are_told_one_by_one_and_the_others_read() {
    let bundle = json!({"resourceType": "Bundle", "entry": [
        {"resource": {"resourceType": "Appointment", "status": "booked"}},
        {"resource": appointment("a1")},
        {"resource": null}, {"resource": "Jane"}, {"resource": {"id": "x"}}, 7, null, [],
        {"resource": {"resourceType": "Bundle", "entry": [{"resource": appointment("a9")}]}},
        {"resource": {"resourceType": "Appointment", "identifier": [{"system": "urn:owl", "value": "7"}]}},
        {"resource": {"resourceType": "Appointment", "id": 7}},
        {"resource": {"resourceType": "Appointment", "id": "x".repeat(500)}},
        {"resource": appointment("a2")},
    ]});
    let told = entries(&bundle);
    let read: Vec<_> = told.iter().flatten().collect();
    assert_eq!(read, ["Appointment/a1", "Appointment/", "Appointment/a2"]);
    let why: Vec<_> = told.into_iter().filter_map(Result::err).collect();
    assert_eq!(
        why,
        [
            Why::Id,
            Why::Empty,
            Why::Empty,
            Why::Type,
            Why::Empty,
            Why::Empty,
            Why::Empty,
            Why::Nested,
            Why::Id,
            Why::Id
        ]
    );
    let all = Resource::read_all(&bundle.to_string()).unwrap();
    let numbers: Vec<_> =
        all.iter().filter_map(|entry| Some(entry.as_ref().err()?.number)).collect();
    assert_eq!(numbers, [1, 3, 4, 5, 6, 7, 8, 9, 11, 12]);
    assert!(all.iter().filter_map(|entry| entry.as_ref().err()).all(|passed| passed.is_fault()));
}

#[test]
fn a_deletion_is_an_appointment_of_which_nothing_else_is_left() {
    let entry = |request: Value, full_url: &str| {
        json!({"resourceType": "Bundle", "type": "history", "entry": [
            {"request": request, "fullUrl": full_url, "response": {"lastModified": "2026-11-20T17:03:11Z"}}
        ]})
    };
    for url in [
        "Appointment/a1",
        "/fhir/Appointment/a1",
        "Appointment/a1/_history/3",
        "https://one.example/fhir/Appointment/a1",
    ] {
        let bundle = entry(json!({"method": "delete", "url": url}), "urn:uuid:1");
        let read = Resource::read_all(&bundle.to_string()).unwrap().remove(0).unwrap();
        assert_eq!(read.id(), "a1", "{url}");
        let expected = json!({"resourceType": "Appointment", "id": "a1", "status": "cancelled",
            "meta": {"tag": [{"system": "urn:appointd", "code": "deleted"}], "lastUpdated": "2026-11-20T17:03:11Z"}});
        assert_eq!(read.root(), &expected);
    }
    let by_url = entry(json!({"method": "DELETE"}), "https://one.example/fhir/Appointment/a1");
    assert_eq!(entries(&by_url), [Ok("Appointment/a1".to_owned())]);
    for (url, why) in [
        ("Patient/p1", Why::OtherDeleted),
        ("Appointment?identifier=7", Why::NothingDeleted),
        ("Appointment/?x=7", Why::NothingDeleted),
        ("", Why::NothingDeleted),
    ] {
        assert_eq!(
            entries(&entry(json!({"method": "DELETE", "url": url}), "")),
            [Err(why)],
            "{url}"
        );
    }
    assert_eq!(Resource::deleted("a1", None).root()["meta"].get("lastUpdated"), None);
    let mapping = lookup("fhir-r4").unwrap();
    let gone = Resource::deleted("a1", Some("2026-11-20T17:03:11Z"));
    let Outcome::Claims(claims) = with_site(|site| mapping.apply(&gone, site, received_at()))
    else {
        panic!("a deletion is a claim");
    };
    assert_eq!(claims[0].quiet.as_deref(), Some("the appointment was deleted at the server"));
    assert_eq!(claims[0].event.name(), "CANCELED");
    assert_eq!(claims[0].appointment.resource.as_ref().unwrap().id, "a1");
}

#[test]
fn a_list_and_lines_hold_resources_and_bundles() {
    let list = json!([appointment("a1"), 7, patient(), {"resourceType": "Bundle", "entry": [{"resource": appointment("a2")}]}]);
    let expected = [
        Ok("Appointment/a1".to_owned()),
        Err(Why::Type),
        Ok("Patient/p1".to_owned()),
        Ok("Appointment/a2".to_owned()),
    ];
    assert_eq!(entries(&list), expected);
    let lines = format!(
        "\u{feff}{}\n\r\n{{broken\n{}\n{}\r\n",
        appointment("a1"),
        patient(),
        appointment("a2")
    );
    let expected = [
        Ok("Appointment/a1".to_owned()),
        Err(Why::Json),
        Ok("Patient/p1".to_owned()),
        Ok("Appointment/a2".to_owned()),
    ];
    assert_eq!(told(&lines), expected);
    let read: Vec<_> = Resource::read_all(&lines).unwrap().into_iter().flatten().collect();
    assert_eq!(family(&read[0]), "Doe", "what stands beside it is at hand");
    let broken = format!("{}\n", "{\"resourceType\": \"Appointment\"");
    assert!(matches!(Resource::read_all(&broken), Err(NoResource::Json { .. })));
}

#[test]
fn a_bundle_without_appointments_comes_to_nothing() {
    for entry in [json!([]), json!([{"resource": patient()}]), json!({}), json!("x"), Value::Null] {
        let bundle = json!({"resourceType": "Bundle", "entry": entry});
        assert_eq!(entries(&bundle), [], "{bundle}");
    }
}

#[test]
fn what_was_fetched_later_is_laid_beside() {
    let alone = Resource::new(appointment("a1")).unwrap();
    assert_eq!(family(&alone), Value::Null);
    let fetched =
        Beside::new([(Some("https://one.example/fhir/Patient/p1".to_owned()), patient())]);
    assert_eq!(family(&alone.with(fetched.into())), "Doe");
    assert_eq!(Resource::new(json!({"id": "a1"})).err(), Some(NoResource::Type));
    let odd = json!({"resourceType": "Appointment", "id": " a1 ", "meta": {"versionId": 3}});
    let mapping = lookup("fhir-r4").unwrap();
    let odd = Resource::new(odd).unwrap();
    assert_eq!(odd.id(), "a1");
    with_site(|site| {
        assert_eq!(mapping.origin(&odd, site).control_id, "a1");
    });
}

#[test]
fn a_text_that_is_too_long_is_not_read() {
    let long = format!("[\"{}\"]", "x".repeat(TEXT_BYTES_MAX));
    let bytes = long.len();
    assert_eq!(Resource::read_all(&long).err(), Some(NoResource::TooLong { bytes }));
}
