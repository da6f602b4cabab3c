//! What holds for any appointment, any wish and any policy.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, prop_assert_ne, proptest};
use serde_json::{Value, json};

use super::{
    Body, Concept, Plan, Policy, Strategy as Way, Target, Version, Wish, WishKind, etag, judge,
    plan,
};

const NOW: &str = "2026-11-30T12:00:00Z";

/// Applies a JSON Patch; says which operation fails. RFC 6902, as far as ours go.
fn apply(operations: &[Value], document: &Value) -> Result<Value, String> {
    let mut document = document.clone();
    for one in operations {
        let failed = || one.to_string();
        let (parent, last) =
            one["path"].as_str().and_then(|path| path.rsplit_once('/')).ok_or_else(failed)?;
        let last = last.replace("~1", "/").replace("~0", "~");
        let place = document.pointer_mut(parent).and_then(Value::as_object_mut);
        let fields = place.ok_or_else(failed)?;
        let has = fields.contains_key(&last);
        match one["op"].as_str() {
            Some("test") if fields.get(&last) == Some(&one["value"]) => {}
            Some("replace") if !has => return Err(failed()),
            Some("add" | "replace") => {
                fields.insert(last, one["value"].clone());
            }
            Some(_) | None => return Err(failed()),
        }
    }
    Ok(document)
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => proptest::sample::select(words).prop_map(|word| json!(word)),
        1 => Just(Value::Null),
        1 => Just(json!(7)),
    ]
}

const STATUSES: &[&str] = &[
    "booked",
    "booked",
    "booked",
    "proposed",
    "pending",
    "arrived",
    "checked-in",
    "fulfilled",
    "cancelled",
    "noshow",
    "entered-in-error",
    "waitlist",
    "bogus",
];
const STARTS: &[&str] = &[
    "2026-12-01T09:00:00Z",
    "2026-12-01T04:00:00-05:00",
    "2026-12-01T09:00:00.000Z",
    "2026-12-02T09:00:00Z",
    "2026-11-01T09:00:00Z",
    "2026-12-01T09:00:00",
];
const ACTORS: &[&str] = &[
    "Patient/jane",
    "Patient/jane",
    "https://ehr.example/Patient/jane/_history/2",
    "Patient/john",
    "RelatedPerson/frances",
    "Practitioner/diaz",
    "#p1",
    "#p2",
    "urn:uuid:1",
    "",
];
const ANSWERS: &[&str] = &["accepted", "declined", "tentative", "needs-action", "odd"];

fn participant() -> impl Strategy<Value = Value> {
    let actor = (word(ACTORS), any::<bool>());
    (actor, proptest::option::of(word(ANSWERS))).prop_map(|((reference, is_typed), status)| {
        let mut one = json!({"actor": {"reference": reference}, "x": 1.25});
        if is_typed {
            one["actor"]["type"] = json!("Patient");
        }
        if let Some(status) = status {
            one["status"] = status;
        }
        one
    })
}

fn appointment() -> impl Strategy<Value = Value> {
    let participants = proptest::collection::vec(participant(), 0..4);
    (word(STATUSES), word(STARTS), participants, any::<[bool; 3]>()).prop_map(
        |(status, start, participants, [has_reason, is_protected, is_late])| {
            let mut held = json!({
                "resourceType": "Appointment", "id": "7",
                "contained": [{"resourceType": "Patient", "id": "p1"}],
                "status": status, "_status": {"id": "s"}, "start": start,
                "participant": participants, "a/b~c": [null, true, 1e300, -0.5, "ü"],
            });
            if has_reason {
                held["cancelationReason"] = json!({"text": "old"});
            }
            if is_protected && is_late {
                held["extension"] = json!([{"url": "x/is-cancelable", "valueBoolean": false}]);
            }
            held
        },
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    let strategies = proptest::sample::select(vec![
        Way::JsonPatch,
        Way::FhirPathPatch,
        Way::Put,
        Way::AppointmentResponse,
        Way::Operation,
    ]);
    (strategies, any::<[bool; 4]>()).prop_map(
        |(strategy, [by_status, tests, is_r5, has_reason])| Policy {
            target: if by_status { Target::Status } else { Target::Participant },
            strategy,
            patch_tests: tests,
            version: if is_r5 { Version::R5 } else { Version::R4 },
            cancel_reason: has_reason.then(Concept::patient),
            ..Policy::default()
        },
    )
}

fn known() -> [String; 2] {
    ["Patient/jane", "RelatedPerson/frances"].map(str::to_owned)
}

fn wish(refs: &[String], is_cancel: bool, knows_start: bool) -> Wish<'_> {
    Wish {
        kind: if is_cancel { WishKind::Cancel } else { WishKind::Confirm },
        patient_refs: refs,
        told_start: knows_start.then(|| "2026-12-01T09:00:00Z".parse().unwrap()),
        now: NOW.parse().unwrap(),
        reply_id: "SM1",
        comment: None,
    }
}

/// Any JSON whose names are those that matter.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|is| json!(is)),
        any::<i64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(|text| json!(text)),
        word(STATUSES),
        word(STARTS),
        word(ACTORS),
        Just(json!("Appointment")),
        Just(json!("Patient")),
    ];
    let name = proptest::sample::select(vec![
        "resourceType",
        "id",
        "status",
        "start",
        "participant",
        "actor",
        "reference",
        "type",
        "contained",
        "extension",
        "url",
        "valueBoolean",
        "meta",
        "versionId",
        "issue",
        "code",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let fields = proptest::collection::btree_map(name.clone(), inner.clone(), 0..8);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::Array),
            fields.prop_map(|fields| json!(fields)),
        ]
    })
}

/// What differs between two documents, as places.
fn differences(before: &Value, after: &Value, place: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            for name in one.keys().chain(other.keys()) {
                let place = format!("{place}/{name}");
                match (one.get(name), other.get(name)) {
                    (Some(one), Some(other)) => differences(one, other, &place, found),
                    _ => found.push(place),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                differences(one, other, &format!("{place}/{index}"), found);
            }
        }
        _ if before == after => {}
        _ => found.push(place.to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn a_written_patch_applies_and_fulfils_the_wish(
        held in appointment(), policy in policy(), is_cancel: bool, knows_start: bool,
    ) {
        let refs = known();
        let wish = wish(&refs, is_cancel, knows_start);
        let policy = Policy { strategy: Way::JsonPatch, ..policy };
        let Plan::Write(change) = plan(&held, &wish, &policy) else { return Ok(()) };
        let Body::JsonPatch(operations) = &change.body else { panic!("{change:?}") };
        let after = apply(operations, &held).unwrap();
        prop_assert_eq!(plan(&after, &wish, &policy), Plan::Done);
        if is_cancel {
            prop_assert_eq!(&after["status"], "cancelled");
        }
        // Both ways of writing come to the same.
        let put = Policy { strategy: Way::Put, ..policy };
        let Plan::Write(change) = plan(&held, &wish, &put) else { panic!() };
        prop_assert_eq!(change.body, Body::Resource(after));
    }

    #[test]
    fn a_put_changes_only_what_the_wish_is_about(
        held in appointment(), policy in policy(), is_cancel: bool, knows_start: bool,
    ) {
        let refs = known();
        let policy = Policy { strategy: Way::Put, ..policy };
        let Plan::Write(change) = plan(&held, &wish(&refs, is_cancel, knows_start), &policy) else {
            return Ok(());
        };
        let Body::Resource(after) = &change.body else { panic!() };
        let mut found = Vec::new();
        differences(&held, after, "", &mut found);
        let is_wished = |place: &String| {
            place == "/status"
                || place.starts_with("/cancelationReason")
                || place == "/cancellationReason"
                || (place.starts_with("/participant/") && place.ends_with("/status"))
        };
        prop_assert!(found.iter().all(is_wished), "{found:?}");
        prop_assert!(!found.is_empty());
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        prop_assert!(names(after).starts_with(&names(&held)));
    }

    #[test]
    fn any_json_is_planned_without_a_panic(
        held in any_json(), policy in policy(), is_cancel: bool, refs in proptest::collection::vec(".{0,12}", 0..3),
    ) {
        let _plan = plan(&held, &wish(&refs, is_cancel, true), &policy);
        let mut held = held;
        if let Some(fields) = held.as_object_mut() {
            fields.insert("resourceType".to_owned(), json!("Appointment"));
            fields.insert("id".to_owned(), json!("7"));
        }
        let _plan = plan(&held, &wish(&refs, is_cancel, true), &policy);
        let _tag = etag(None, Some(&held));
    }

    #[test]
    fn any_appointment_has_one_answer_in_every_strategy(
        held in appointment(), policy in policy(), is_cancel: bool, knows_start: bool,
    ) {
        let refs = known();
        let planned = plan(&held, &wish(&refs, is_cancel, knows_start), &policy);
        if let Plan::Write(change) = planned {
            prop_assert_ne!(policy.strategy, Way::Operation);
            prop_assert_eq!(&change.appointment, "7");
            let is_rendered = change.body.render().is_some();
            let by_library = [Way::FhirPathPatch, Way::AppointmentResponse];
            prop_assert_eq!(is_rendered, !by_library.contains(&policy.strategy));
        }
    }

    #[test]
    fn any_answer_is_judged_without_a_panic(
        status: u16, body in proptest::collection::vec(any::<u8>(), 0..200), value in any_json(), header in ".{0,40}",
        held in appointment(),
    ) {
        let refs = known();
        let Plan::Write(change) = plan(&held, &wish(&refs, true, true), &Policy::default()) else {
            return Ok(());
        };
        let _judged = judge(status, &|_| Some(header.as_str()), &body, &change);
        let _judged = judge(status, &|_| None, value.to_string().as_bytes(), &change);
    }
}
