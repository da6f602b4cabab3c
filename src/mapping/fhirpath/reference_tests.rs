//! References, their keys, and the variables that paths share.

use serde_json::{Value, json};

use super::tests::{appointment, beside, check, context, found_in};
use super::*;

#[test]
fn a_reference_to_another_server_is_not_answered_by_this_one() {
    let at = |url: &str| Some(url.to_owned());
    let slot = |id: &str, status: &str| json!({"resourceType": "Slot", "id": id, "status": status});
    let beside = [Arc::new(Beside::new([
        (at("https://one.example/fhir/Slot/a"), slot("a", "free")),
        (at("https://one.example/fhir/Slot/a"), slot("a", "free")),
        (at("urn:uuid:7"), slot("b", "busy")),
        (None, slot("c", "busy-tentative")),
    ]))];
    let root = json!({"resourceType": "Appointment", "id": "x"});
    for (url, path, expected) in [
        (Some("https://one.example/fhir/Appointment/x"), "'Slot/a'", "free"),
        (Some("https://two.example/fhir/Appointment/x"), "'Slot/a'", ""),
        (Some("urn:uuid:1"), "'Slot/a'", "free"),
        (None, "'Slot/a'", "free"),
        (None, "'https://one.example/fhir/Slot/a'", "free"),
        (None, "'https://one.example/fhir/Slot/a/_history/4'", "free"),
        (None, "'https://two.example/fhir/Slot/a'", ""),
        (Some("https://one.example/fhir/Appointment/x"), "'https://two.example/fhir/Slot/a'", ""),
        (None, "'https://two.example/fhir/Slot/b'", "busy"),
        (None, "'urn:uuid:7'", "busy"),
        (None, "'https://any.example/Slot/c'", "busy-tentative"),
    ] {
        let context = Context { url, ..context(&root, &beside) };
        let expected: Vec<_> = Some(expected).filter(|text| !text.is_empty()).into_iter().collect();
        assert_eq!(
            found_in(&format!("{path}.resolve().status"), &context),
            json!(expected),
            "{path}"
        );
    }
}

#[test]
fn a_reference_within_another_servers_resource_is_that_servers() {
    let at = |url: &str| Some(url.to_owned());
    let role = json!({"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/d"}});
    let doctor = |family: &str| json!({"resourceType": "Practitioner", "id": "d", "name": [{"family": family}]});
    let root = json!({"resourceType": "Appointment", "id": "x"});
    let path =
        "'https://two.example/PractitionerRole/r'.resolve().practitioner.resolve().name.family";
    for (url, expected) in [
        ("https://two.example/Practitioner/d", json!(["Diaz"])),
        ("https://one.example/Practitioner/d", json!([])),
    ] {
        let beside = [Arc::new(Beside::new([
            (at("https://two.example/PractitionerRole/r"), role.clone()),
            (at(url), doctor("Diaz")),
        ]))];
        let context =
            Context { url: Some("https://one.example/Appointment/x"), ..context(&root, &beside) };
        assert_eq!(found_in(path, &context), expected, "{url}");
    }
}

#[test]
fn two_that_differ_under_one_name_are_none() {
    let slot = |status: &str| (None, json!({"resourceType": "Slot", "id": "a", "status": status}));
    let root = json!({"resourceType": "Appointment"});
    let read =
        |beside: &[Arc<Beside>]| found_in("'Slot/a'.resolve().status", &context(&root, beside));
    let kept = |all: &[&str]| Arc::new(Beside::new(all.iter().map(|status| slot(status))));
    assert_eq!(read(&[kept(&["free", "busy"])]), json!([]));
    assert_eq!(read(&[kept(&["free"]), kept(&["busy"])]), json!([]));
    assert_eq!(read(&[kept(&["free"]), kept(&["free", "free"])]), json!(["free"]));
    assert_eq!(read(&[kept(&["free", "busy"]), kept(&["free"])]), json!([]));
}

#[test]
fn a_reference_ends_in_a_key() {
    let root = json!({"resourceType": "Appointment", "slot": [
        {"reference": "Slot/a"}, {"reference": "https://one.example/fhir/Slot/b/_history/3"},
        {"reference": "Schedule/c"}, {"reference": "#d"}, {"reference": "urn:uuid:5"},
        {"reference": "Slot?identifier=7"}, {"reference": "Slot/"}, {"reference": "a/Slot/e"},
        {"display": "nobody"}, {"reference": 7}
    ]});
    check(
        &root,
        &[
            ("slot.getReferenceKey()", r#"["a","b","c"]"#),
            ("slot.getReferenceKey(Slot)", r#"["a","b"]"#),
            ("slot.reference.getReferenceKey(Schedule)", r#"["c"]"#),
            ("slot.where(getReferenceKey() = 'b').reference.length()", "[42]"),
        ],
    );
}

#[test]
fn variables_lead_on_from_the_whole_resource() {
    let root = appointment();
    let beside = [Arc::new(beside())];
    let path = |text: &str| Path::parse(text).unwrap();
    let variables = Variables::new([
        ("patient".to_owned(), path("participant.actor.resolve().ofType(Patient)")),
        ("phones".to_owned(), path("%patient.telecom")),
        ("round".to_owned(), path("%about")),
        ("about".to_owned(), path("%round")),
    ]);
    let context = Context {
        variables: &variables,
        hidden: &[1, 3],
        now: "2026-11-20T17:03:11.250Z".parse().ok(),
        ..context(&root, &beside)
    };
    for (path, expected) in [
        ("%patient.id", r#"["p1"]"#),
        ("%phones.where(use = 'mobile').value", r#"["555-0101"]"#),
        ("contained.select(%patient.id)", r#"["p1","p1","p1","p1"]"#),
        ("contained[0].select(%resource.id)", r#"["a1"]"#),
        ("%nobody | %round | %about", "[]"),
        ("participant.status", r#"["accepted","tentative"]"#),
        ("%resource.participant.count()", "[2]"),
        ("now()", r#"["2026-11-20T17:03:11Z"]"#),
        ("start > now()", "[true]"),
    ] {
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(found_in(path, &context), expected, "{path}");
        let values = variables.values(&context);
        assert_eq!(found_in(path, &Context { values: &values, ..context }), expected, "{path}");
    }
    let depth = |name| variables.depth(name);
    assert_eq!([depth("patient"), depth("phones"), depth("round")], [Some(1), Some(2), None]);
}
