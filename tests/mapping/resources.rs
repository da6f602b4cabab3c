//! The same language on JSON: a site's file that reads FHIR resources.

use appointd::core::ids::SourceName;
use appointd::mapping::{Choice, Library, Outcome, Resource, Trace, lookup};
use serde_json::{Value, json};

use super::{received_at, with_site};

const APPOINTMENT: &str = r##"{"resourceType": "Appointment", "id": "a1", "status": "booked",
  "start": "2026-12-01T09:30:00-06:00", "comment": "room 12, recall",
  "contained": [{"resourceType": "Patient", "id": "p1", "name": [{"family": "Doe"}]}],
  "participant": [{"actor": {"reference": "#p1"}}]}"##;

/// The one resource of a text.
pub(super) fn only(text: &str) -> Resource {
    let mut read: Vec<_> = Resource::read_all(text).unwrap().into_iter().flatten().collect();
    assert_eq!(read.len(), 1);
    read.remove(0)
}

fn read(mapping: &str, text: &str) -> Vec<Value> {
    let library =
        Library::load([("conf/own.toml", mapping)]).map_err(|faults| faults[0].to_string());
    let library = library.unwrap();
    let mapping = library.lookup("own").unwrap();
    let resource = only(text);
    with_site(|site| {
        let outcome = mapping.apply(&resource, site, received_at());
        let (explained, _) = mapping.explain(&resource, site, received_at());
        assert_eq!(outcome, explained);
        outcome.to_json(&mapping.origin(&resource, site))
    })
}

#[test]
fn a_site_extends_the_reading_of_resources() {
    let own = r#"
        extends = "fhir-r4"
        reads = "fhir"
        [appointment]
        type = [{ path = "comment", capture = ', (\w+)$', when = { path = "comment", regex = "^room" } }, "inherited"]
        status = [{ value = "confirmed", when = { all = [{ trigger = "Appointment" }, { path = "participant.where(status = 'accepted')", present = false }] } }]
        [tables.status]
        none = ["booked"]
    "#;
    let json = read(own, APPOINTMENT).remove(0);
    assert_eq!(json["event"], "CONFIRMED");
    assert_eq!(json["appointment"]["type"], "recall");
    assert_eq!(json["patient"]["family"], "Doe");
}

#[test]
fn an_explanation_names_the_element() {
    let mapping = lookup("fhir-r4").unwrap();
    let resource = only(APPOINTMENT);
    let (_, explanation) = with_site(|site| mapping.explain(&resource, site, received_at()));
    let json = explanation[0].to_json();
    let start = &json["appointment.start"]["taken"][0];
    assert_eq!(start["position"], "Appointment.start");
    assert_eq!(start["raw"], "2026-12-01T09:30:00-06:00");
    assert_eq!(json["patient.name"]["taken"][0]["position"], "Appointment.contained[0].name[0]");
    let (_, trace) = with_site(|site| mapping.apply_traced(&resource, site, received_at()));
    let trace = Trace::from_stored(trace.into_stored()).to_json(mapping.files());
    let fields: Vec<_> = trace[0].as_array().unwrap().iter().map(|one| &one["field"]).collect();
    assert!(fields.contains(&&json!("appointment.start")), "{trace}");
}

#[test]
fn a_message_and_a_resource_are_not_taken_for_each_other() {
    let resource = only(APPOINTMENT);
    let msg = appointd::hl7::Message::read("MSH|^~\\&|A|B|||20261120||SIU^S12|1|P|2.4").unwrap();
    with_site(|site| {
        let outcome = lookup("hl7-default").unwrap().apply(&resource, site, received_at());
        assert!(matches!(outcome, Outcome::NoEvent(why) if why.code == "not_readable"));
        let outcome = lookup("fhir-r4").unwrap().apply(&msg, site, received_at());
        assert!(matches!(outcome, Outcome::NoEvent(why) if why.code == "not_readable"));
    });
    let library = std::sync::Arc::new(Library::load([]).unwrap());
    let auto = Choice::parse("auto", &library).unwrap();
    let source = SourceName::new("main");
    assert_eq!(auto.of(&resource, &source).mapping.name(), "fhir-r4");
    assert_eq!(auto.of(&msg, &source).mapping.name(), "hl7-default");
}

#[test]
fn what_is_wrong_with_paths_into_resources_is_told() {
    for (own, wanted) in [
        ("reads = \"xml\"", "own.toml:1: reads: a mapping reads \"hl7\" or \"fhir\""),
        ("extends = \"hl7-default\"\nreads = \"fhir\"", "\"hl7-default\" reads something else"),
        ("extends = \"fhir-r4\"", "\"fhir-r4\" reads something else"),
        (
            "extends = \"fhir-r4\"\nreads = \"fhir\"\n[appointment]\nstart = \"Appointment.start.wher(true)\"",
            "own.toml:4: appointment.start: ",
        ),
        (
            "extends = \"fhir-r4\"\nreads = \"fhir\"\n[appointment]\nstart = \"Appointment.start.wher(true)\"",
            "did you mean \"where\"?",
        ),
        (
            "extends = \"fhir-r4\"\nreads = \"fhir\"\n[appointment]\nlocation = { path = \"a\", code = 1 }",
            "a text in quotes is expected here",
        ),
        (
            "extends = \"fhir-r4\"\nreads = \"fhir\"\n[appointment]\nstart = \"SCH-11.4\"",
            "own.toml:4: appointment.start",
        ),
    ] {
        let faults = Library::load([("conf/own.toml", own)]).unwrap_err();
        let text = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(text.contains(wanted), "{wanted}\n---\n{text}");
    }
}

#[test]
fn what_is_no_resource_is_refused_without_quoting_it() {
    for (text, says) in [
        ("{\"a\": Jane}", "no JSON (line 1"),
        ("{\"name\": \"Jane\"}", "no resourceType"),
        ("\"Jane\"", "no resourceType"),
        ("{}", "no resourceType"),
        ("", "no JSON"),
    ] {
        let told = Resource::read_all(text).unwrap_err().to_string();
        assert!(told.contains(says) && !told.contains("Jane"), "{told}");
    }
    let none = "{\"resourceType\": \"Bundle\", \"entry\": [{}]}";
    let told = Resource::read_all(none).unwrap().remove(0).unwrap_err();
    assert_eq!(told.to_string(), "entry 1: it has no resource");
    assert!(told.is_fault());
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(Resource::read_all(&deep).is_err());
}
