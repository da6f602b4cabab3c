//! JSON Patch and `FHIRPath` Patch.

use super::super::patch::{Refused, fhirpath_patch, json_patch};
use super::*;

fn operation(kind: &str, path: &str, further: &[Value]) -> Value {
    let mut parts = vec![
        json!({ "name": "type", "valueCode": kind }),
        json!({ "name": "path", "valueString": path }),
    ];
    parts.extend_from_slice(further);
    json!({ "name": "operation", "part": parts })
}

fn parameters(operations: &[Value]) -> Value {
    json!({ "resourceType": "Parameters", "parameter": operations })
}

fn replace(path: &str, code: &str) -> Value {
    operation("replace", path, &[json!({ "name": "value", "valueCode": code })])
}

#[tokio::test]
async fn a_reply_is_written_by_json_patch() {
    let bench = Bench::start().await;
    let confirm = json!([
        { "op": "test", "path": "/status", "value": "booked" },
        { "op": "test", "path": "/participant/0/actor/reference", "value": "Patient/jane" },
        { "op": "replace", "path": "/participant/0/status", "value": "accepted" },
    ]);
    let done = bench.json_patch("Appointment/visit-1", "W/\"1\"", &confirm).await;
    assert_eq!((done.status, done.header("etag")), (200, "W/\"2\""));
    assert_eq!(done.at("/participant/0/status"), "accepted");
    let reason = json!({ "coding": [{ "code": "pat" }] });
    let cancel = json!([
        { "op": "replace", "path": "/status", "value": "cancelled" },
        { "op": "add", "path": "/cancelationReason", "value": reason },
        { "op": "remove", "path": "/minutesDuration" },
    ]);
    let done = bench.json_patch("Appointment/visit-1", "W/\"2\"", &cancel).await;
    assert_eq!(
        (done.at("/status"), done.at("/minutesDuration")),
        (&json!("cancelled"), &Value::Null)
    );
    let late = bench.json_patch("Appointment/visit-1", "", &confirm).await;
    assert_eq!((late.status, late.at("/issue/0/code")), (422, &json!("conflict")));
    bench.server.set(|knobs| knobs.test_status = 400);
    assert_eq!(bench.json_patch("Appointment/visit-1", "", &confirm).await.status, 400);
    assert_eq!(bench.json_patch("Appointment/visit-1", "W/\"1\"", &cancel).await.status, 412);
    assert_eq!(bench.json_patch("Appointment/nobody", "", &cancel).await.status, 404);
    bench.server.delete("Appointment/visit-1");
    assert_eq!(bench.json_patch("Appointment/visit-1", "", &cancel).await.status, 410);
}

#[test]
fn a_json_patch_is_applied_as_a_whole() {
    let resource = json!({ "a": { "b~/c": 1 }, "list": [1, 2] });
    let patched = |patch: Value| json_patch(&resource, &patch, &[]);
    let one = |op: &str, path: &str| patched(json!([{ "op": op, "path": path, "value": 9 }]));
    assert_eq!(one("replace", "/a/b~0~1c").unwrap()["a"]["b~/c"], 9);
    assert_eq!(one("add", "/list/-").unwrap()["list"], json!([1, 2, 9]));
    assert_eq!(one("add", "/list/1").unwrap()["list"], json!([1, 9, 2]));
    assert_eq!(one("remove", "/list/0").unwrap()["list"], json!([2]));
    assert_eq!(one("add", "/new").unwrap()["new"], 9);
    for (op, path) in [
        ("replace", "/nothing"),
        ("replace", "list"),
        ("add", "/nothing/at/all"),
        ("add", "/list/3"),
        ("add", "/list/x"),
        ("remove", "/list/2"),
        ("remove", "/nothing"),
    ] {
        assert!(matches!(one(op, path), Err(Refused::Unfit(_))), "{op} {path}");
    }
    assert_eq!(one("test", "/list/0"), Err(Refused::Test));
    for bad in [
        json!({}),
        json!([]),
        json!([{ "op": "replace" }]),
        json!([{ "path": "/a", "value": 1 }]),
        json!([{ "op": "replace", "path": "/a" }]),
        json!([{ "op": "bend", "path": "/a", "value": 1 }]),
        json!([{ "op": "add", "path": "a", "value": 1 }]),
        Value::Array(vec![json!({ "op": "add", "path": "/a", "value": 1 }); 101]),
    ] {
        assert!(matches!(patched(bad.clone()), Err(Refused::Malformed(_))), "{bad}");
    }
}

#[tokio::test]
async fn a_reply_is_written_by_fhirpath_patch() {
    let bench = Bench::start().await;
    let send = async |patch: &Value| {
        bench.ask(Method::PATCH, "Appointment/visit-1", &[], Some(patch)).await
    };
    let done = send(&parameters(&[replace("Appointment.participant[0].status", "accepted")])).await;
    assert_eq!((done.status, done.at("/participant/0/status")), (200, &json!("accepted")));
    let path = "Appointment.participant.where(actor.reference='Patient/jane').status";
    let done = send(&parameters(&[replace(path, "declined")])).await;
    assert_eq!((done.status, done.at("/participant/0/status")), (200, &json!("declined")));
    let concept = json!({ "coding": [{ "code": "pat" }] });
    let reason = [
        json!({ "name": "name", "valueString": "cancelationReason" }),
        json!({ "name": "value", "valueCodeableConcept": concept }),
    ];
    let patch = parameters(&[
        replace("Appointment.status", "cancelled"),
        operation("add", "Appointment", &reason),
        operation("delete", "Appointment.minutesDuration", &[]),
        operation("delete", "Appointment.comment", &[]),
    ]);
    let done = send(&patch).await;
    assert_eq!((done.status, done.at("/status")), (200, &json!("cancelled")));
    assert_eq!(done.at("/cancelationReason"), &concept);
    assert_eq!(done.at("/minutesDuration"), &Value::Null);
    let path = "Appointment.cancelationReason.coding[0].code";
    let again = send(&parameters(&[replace(path, "prov")])).await;
    assert_eq!(again.at("/cancelationReason/coding/0/code"), "prov");
}

#[test]
fn a_fhirpath_patch_names_one_element() {
    let start = Utc.with_ymd_and_hms(2026, 12, 7, 18, 0, 0).unwrap();
    let resource = Visit::new("x", "jane", start).resource(Version::R4);
    let patched = |one: Value| fhirpath_patch(&resource, &parameters(&[one]), &[]);
    let part = |name: &str, kind: &str, value: Value| json!({ "name": name, kind: value });
    let extension = json!({ "url": "urn:x", "valueString": "y" });
    let add = |name: &str, value: &Value| {
        let parts =
            [part("name", "valueString", json!(name)), part("value", "valueX", value.clone())];
        operation("add", "Appointment", &parts)
    };
    assert_eq!(patched(add("extension", &extension)).unwrap()["extension"], json!([extension]));
    let identifiers = patched(add("identifier", &json!({ "value": "2" }))).unwrap();
    assert_eq!(identifiers["identifier"].as_array().unwrap().len(), 2);
    assert!(matches!(patched(add("status", &json!("x"))), Err(Refused::Unfit(_))));
    let coding = json!({ "name": "coding", "part": [part("code", "valueCode", json!("pat"))] });
    let built = [
        part("name", "valueString", json!("cancelationReason")),
        json!({ "name": "value", "part": [coding] }),
    ];
    let built = patched(operation("add", "Appointment", &built)).unwrap();
    assert_eq!(built["cancelationReason"], json!({ "coding": [{ "code": "pat" }] }));
    let insert = [part("index", "valueInteger", json!(0)), part("value", "valueX", json!({}))];
    let inserted = patched(operation("insert", "Appointment.participant", &insert)).unwrap();
    assert_eq!(inserted["participant"].as_array().unwrap().len(), 4);
    for unfit in [
        replace("Appointment.nothing", "x"),
        replace("Appointment.participant.status", "x"),
        replace("Appointment.participant[7].status", "x"),
        replace("Patient.active", "x"),
        operation("delete", "Appointment.participant", &[]),
    ] {
        assert!(matches!(patched(unfit.clone()), Err(Refused::Unfit(_))), "{unfit}");
    }
    for bad in [
        replace("Appointment.status.exists()", "x"),
        replace("Appointment.participant[x].status", "x"),
        replace("Appointment.participant.where(x", "x"),
        operation("replace", "Appointment.status", &[]),
        operation("bend", "Appointment.status", &[part("value", "valueCode", json!("x"))]),
        operation("add", "Appointment", &[part("value", "valueCode", json!("x"))]),
        json!({ "name": "operation" }),
        json!({ "name": "other" }),
    ] {
        assert!(matches!(patched(bad.clone()), Err(Refused::Malformed(_))), "{bad}");
    }
    assert!(matches!(fhirpath_patch(&resource, &json!([]), &[]), Err(Refused::Malformed(_))));
}

#[tokio::test]
async fn a_server_may_know_one_form_only() {
    let bench = Bench::start().await;
    let json_form = json!([{ "op": "replace", "path": "/status", "value": "arrived" }]);
    let fhir_form = parameters(&[replace("Appointment.status", "arrived")]);
    bench.server.set(|knobs| knobs.patch_forms = PatchForms::Json);
    let refused = bench.ask(Method::PATCH, "Appointment/visit-1", &[], Some(&fhir_form)).await;
    assert_eq!(refused.status, 400);
    assert_eq!(bench.json_patch("Appointment/visit-1", "", &json_form).await.status, 200);
    bench.server.set(|knobs| knobs.patch_forms = PatchForms::FhirPath);
    assert_eq!(bench.json_patch("Appointment/visit-2", "", &json_form).await.status, 415);
    let done = bench.ask(Method::PATCH, "Appointment/visit-2", &[], Some(&fhir_form)).await;
    assert_eq!(done.status, 200);
    let plain = [("content-type", "application/json")];
    let refused = bench.ask(Method::PATCH, "Appointment/visit-1", &plain, Some(&json_form)).await;
    assert_eq!(refused.status, 415);
    // A patch may not make what could not be written.
    bench.server.set(|knobs| knobs.patch_forms = PatchForms::Both);
    for (path, value) in [("/status", "bogus"), ("/id", "other"), ("/resourceType", "Patient")] {
        let patch = json!([{ "op": "replace", "path": path, "value": value }]);
        let refused = bench.json_patch("Appointment/visit-1", "", &patch).await;
        assert!(matches!(refused.status, 400 | 422), "{path}");
    }
}

#[tokio::test]
async fn millennium_takes_listed_operations_only() {
    let bench = Bench::start_with(|options| options.knobs = Knobs::like(Habit::Millennium)).await;
    let answer = json!([{ "op": "replace", "path": "/patient-status", "value": "accepted" }]);
    assert_eq!(bench.json_patch("Appointment/visit-1", "", &answer).await.status, 412);
    assert_eq!(bench.json_patch("Appointment/visit-1", "W/\"4\"", &answer).await.status, 409);
    let done = bench.json_patch("Appointment/visit-1", "W/\"1\"", &answer).await;
    assert_eq!((done.status, done.text.as_str()), (204, ""));
    let visit = bench.server.get("Appointment/visit-1").unwrap();
    assert_eq!(visit["participant"][0]["status"], "accepted");
    assert_eq!(visit["participant"][1]["status"], "accepted");
    assert_eq!(visit["patient-status"], Value::Null);
    // Once answered it is not asked again, and `test` is not known.
    assert_eq!(bench.json_patch("Appointment/visit-1", "W/\"2\"", &answer).await.status, 422);
    let test = json!([{ "op": "test", "path": "/status", "value": "booked" }]);
    assert_eq!(bench.json_patch("Appointment/visit-1", "W/\"2\"", &test).await.status, 422);
    let cancel = json!([{ "op": "replace", "path": "/status", "value": "cancelled" }]);
    assert_eq!(bench.json_patch("Appointment/visit-1", "W/\"2\"", &cancel).await.status, 204);
    // Elsewhere the path does not exist.
    bench.server.set(|knobs| knobs.patch_paths.clear());
    assert_eq!(bench.json_patch("Appointment/visit-2", "W/\"1\"", &answer).await.status, 422);
}
