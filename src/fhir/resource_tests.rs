//! Identity, fingerprint and the forms in which appointments and deletions are kept.

use proptest::prelude::*;

use super::*;

fn visit() -> Value {
    json!({
        "resourceType": "Appointment", "id": "a17", "status": "booked",
        "meta": {"versionId": "3", "lastUpdated": "2026-11-20T15:00:00Z", "tag": [{"code": "x"}]},
        "text": {"status": "generated", "div": "<div>Jane Doe</div>"},
        "start": "2026-12-01T09:00:00-05:00",
        "contained": [{"resourceType": "Patient", "id": "p", "meta": {"versionId": "1"}}],
        "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut visit = visit();
    for (pointer, value) in changes {
        *visit.pointer_mut(pointer).unwrap() = value.clone();
    }
    visit
}

fn state(version: Option<&str>, last_updated: Option<&str>) -> Identity {
    let meta = json!({"versionId": version, "lastUpdated": last_updated});
    identity(&json!({"resourceType": "Appointment", "id": "a17", "meta": meta})).unwrap()
}

#[test]
fn identity_is_type_and_id_with_what_is_known_of_the_state() {
    let found = identity(&visit()).unwrap();
    assert_eq!((found.kind.as_str(), found.id.as_str()), ("Appointment", "a17"));
    assert_eq!(found.version.as_deref(), Some("3"));
    assert_eq!(found.last_updated, json::instant("2026-11-20T15:00:00Z"));
    assert_eq!(identity(&json!({"fullUrl": "x", "resource": visit()})), Some(found));
    let odd = json!({"resourceType": "Patient", "id": 9, "meta": {"versionId": 2, "lastUpdated": "soon"}});
    let odd = identity(&odd).unwrap();
    assert_eq!((odd.id.as_str(), odd.version.as_deref(), odd.last_updated), ("9", Some("2"), None));
    for none in [
        json!(null),
        json!([]),
        json!("Appointment/1"),
        json!({"resourceType": "Appointment"}),
        json!({"resourceType": "Appointment", "id": "a/17"}),
        json!({"resourceType": "Appointment", "id": ".."}),
        json!({"resourceType": "../Appointment", "id": "a17"}),
        json!({"id": "a17"}),
    ] {
        assert_eq!(identity(&none), None, "{none}");
    }
}

#[test]
fn newer_is_by_time_then_by_number_of_version() {
    let (early, late) = (Some("2026-11-20T15:00:00Z"), Some("2026-11-20T10:00:01-05:00"));
    for (one, other, expected) in [
        ((Some("1"), late), (Some("9"), early), Some(true)),
        ((Some("9"), early), (Some("1"), late), Some(false)),
        ((Some("10"), early), (Some("9"), early), Some(true)),
        ((Some("9"), early), (Some("9"), early), Some(false)),
        ((Some("10"), None), (Some("9"), early), Some(true)),
        ((Some("2-1"), early), (Some("2-0"), early), None),
        ((Some("2-1"), early), (Some("2-1"), early), Some(false)),
        ((None, early), (Some("9"), early), None),
        ((None, None), (None, None), None),
    ] {
        let found = is_newer(&state(one.0, one.1), &state(other.0, other.1));
        assert_eq!(found, expected, "{one:?} {other:?}");
    }
    let stranger = Identity { id: "a18".to_owned(), ..state(Some("9"), late) };
    assert_eq!(is_newer(&stranger, &state(Some("1"), early)), None);
}

#[test]
fn a_stamp_of_the_request_is_no_change() {
    let known = fingerprint(&visit(), &[]);
    for same in [
        with(&[("/meta/lastUpdated", json!("2026-11-21T00:00:00Z"))]),
        with(&[("/meta/versionId", json!("4"))]),
        with(&[("/contained/0/meta/versionId", json!("2"))]),
        with(&[("/text/div", json!("<div/>"))]),
        with(&[("/start", json!("2026-12-01T14:00:00.000Z"))]),
        with(&[("/start", json!("2026-12-01T14:00:00+00:00"))]),
        json!({"fullUrl": "urn:uuid:1", "resource": visit()}),
    ] {
        assert_eq!(fingerprint(&same, &[]), known, "{same}");
    }
    let mut bare = visit();
    let removed = bare.pointer_mut("/contained/0").unwrap().as_object_mut().unwrap().remove("meta");
    assert!(removed.is_some());
    assert_eq!(fingerprint(&bare, &[]), known);
}

#[test]
fn what_is_said_is_a_change() {
    let known = fingerprint(&visit(), &[]);
    for other in [
        with(&[("/start", json!("2026-12-01T09:00:00.001-05:00"))]),
        with(&[("/start", json!("2026-12-01T09:00:00"))]),
        with(&[("/status", json!("cancelled"))]),
        with(&[("/meta/tag", json!([]))]),
        with(&[("/text/status", json!("empty"))]),
        with(&[("/participant/0/status", json!("declined"))]),
        with(&[("/participant", json!([]))]),
        with(&[("/id", json!(["a17"]))]),
    ] {
        assert_ne!(fingerprint(&other, &[]), known, "{other}");
    }
    // Only the resource's own text is rendered from it.
    let concept = |text: &str| json!({"resourceType": "X", "type": {"text": {"div": text}}});
    assert_ne!(fingerprint(&concept("a"), &[]), fingerprint(&concept("b"), &[]));
}

#[test]
fn the_order_of_what_is_included_is_no_change() {
    let (patient, place) = (
        json!({"resourceType": "Patient", "id": "p1"}),
        json!({"resourceType": "Location", "id": "l1"}),
    );
    let one = fingerprint(&visit(), &[&patient, &place, &patient]);
    assert_eq!(one, fingerprint(&visit(), &[&place, &patient]));
    assert_ne!(one, fingerprint(&visit(), &[&place]));
    assert_ne!(fingerprint(&patient, &[&place]), fingerprint(&place, &[&patient]));
}

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_read_appointment_is_kept_with_each_companion_once() {
    let patient = |version: &str| json!({"resourceType": "Patient", "id": "p1", "meta": {"versionId": version}});
    let elsewhere =
        json!({"fullUrl": "https://mpi.example.org/Patient/p1", "resource": patient("1")});
    let unnamed = json!({"resourceType": "Location", "name": "Owl Clinic"});
    let included = vec![
        patient("1"),
        patient("2"),
        patient("1"),
        elsewhere.clone(),
        json!({"resourceType": "Appointment", "id": "a16"}),
        unnamed.clone(),
        unnamed.clone(),
    ];
    let kept = read(&bundle(visit(), included, "https://ehr.example.org/r4/"));
    let entry = |url: &str, resource: Value| json!({"fullUrl": url, "resource": resource});
    let expected = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        entry("https://ehr.example.org/r4/Appointment/a17", visit()),
        entry("https://ehr.example.org/r4/Patient/p1", patient("2")),
        elsewhere,
        {"resource": unnamed},
    ]});
    assert_eq!(kept, expected);
}

#[test]
fn a_deletion_is_kept_as_history() {
    let at = json::instant("2026-11-20T15:00:00-05:00");
    let kept = read(&deleted("a17", at, "https://ehr.example.org/r4"));
    assert_eq!(kept["type"], "history");
    assert_eq!(kept["entry"][0]["fullUrl"], "https://ehr.example.org/r4/Appointment/a17");
    assert_eq!(kept["entry"][0]["request"], json!({"method": "DELETE", "url": "Appointment/a17"}));
    assert_eq!(kept["entry"][0]["response"]["lastModified"], "2026-11-20T20:00:00Z");
    let unknown = read(&deleted("a17", None, "https://ehr.example.org/r4"));
    assert_eq!(unknown["entry"][0]["response"], json!({"status": "204"}));
}

#[test]
fn what_is_replaced_is_named_by_elements_or_extensions() {
    let extension = |name: &str, to: &str| {
        let url =
            format!("http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.{name}");
        json!({"url": url, "valueReference": {"reference": to}})
    };
    let visit = json!({
        "resourceType": "Appointment", "id": "a17",
        "replaces": [{"reference": "Appointment/a1"}, {"display": "the old one"}, {"reference": "Appointment/a17"}],
        "previousAppointment": {"reference": "https://ehr.example.org/r4/Appointment/a2/_history/4"},
        "extension": [
            extension("replaces", "Appointment/a3"),
            extension("previousAppointment", "Appointment/a1"),
            extension("replaces", "Patient/a4"),
            extension("note", "Appointment/a5"),
            {"url": 7},
        ],
    });
    assert_eq!(replaces(&visit), ["a1", "a2", "a3"]);
    let many: Vec<Value> =
        (0..500).map(|id| json!({"reference": format!("Appointment/{id}")})).collect();
    assert_eq!(replaces(&json!({"replaces": many})).len(), REPLACED_MAX);
}

/// Texts that mean something here, parted by blanks.
const TEXTS: &str = "Appointment Patient PractitionerRole Bundle Parameters SubscriptionStatus Appointment/a1 \
    #p # urn:uuid:1 https://evil.example/Patient/9 Patient/../9 2026-12-01T09:00:00-05:00 \
    next type notification-event focus DELETE handshake event-notification replaced-by a1 \
    match";

/// Names of elements that are read here.
const NAMES: &str = "resourceType id meta text div entry resource fullUrl request method url link relation \
    parameter name part valueString valueReference reference participant actor contained \
    identifier value notificationEvent focus type subscription slot schedule practitioner \
    location other issue code search mode replaces extension";

/// Any JSON, with names and texts that mean something here.
pub(in crate::fhir) fn any_value() -> impl Strategy<Value = Value> {
    let words = |text: &'static str| prop::sample::select(text.split(' ').collect::<Vec<_>>());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words(TEXTS).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 80, 8, move |inner| {
        let member = (words(NAMES), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            prop::collection::vec(member, 0..8).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

/// The same with the members of each object the other way round.
fn turned(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().rev().map(|(name, value)| (name.clone(), turned(value))).collect()
        }
        Value::Array(items) => items.iter().map(turned).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

proptest! {
    #[test]
    fn the_order_of_keys_is_no_change(value in any_value(), beside in any_value()) {
        let known = fingerprint(&value, &[&beside]);
        prop_assert_eq!(&known, &fingerprint(&turned(&value), &[&turned(&beside)]));
        prop_assert_eq!(known.len(), 32);
    }

    #[test]
    fn any_value_can_be_kept(value in any_value(), beside in any_value(), base in ".{0,20}") {
        let _identity = identity(&value);
        let _replaced = replaces(&value);
        let kept = read(&bundle(value, vec![beside.clone(), beside], &base));
        prop_assert!((1..=2).contains(&kept["entry"].as_array().unwrap().len()));
    }
}
