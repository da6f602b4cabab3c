//! What the rules for FHIR make of visits: place, clock, status, version, and groups of patients.

use appointd::core::phone::{PhoneNumber, Region};
use appointd::mapping::{Library, Outcome, Resource, lookup};
use serde_json::{Value, json};

use super::fhir_people::{booking, event, events, number};
use super::resources::only;
use super::{received_at, with_site};

const TIMEZONE: &str = "http://hl7.org/fhir/StructureDefinition/timezone";

#[test]
fn who_sees_the_patient_is_found_over_roles_and_by_display() {
    let role = json!([
        {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "#d"}},
        {"resourceType": "Practitioner", "id": "d", "name": [{"use": "old", "family": "Roe"}, {"family": "Diaz"}]}]);
    for (contained, actor, kind, expected) in [
        (role, json!({"reference": "#r"}), Value::Null, json!({"id": "d", "family": "Diaz"})),
        (
            json!([]),
            json!({"reference": "PractitionerRole/r7", "display": "Diaz, Frances"}),
            Value::Null,
            json!({"id": "r7", "family": "Diaz", "given": "Frances"}),
        ),
        (json!([]), json!({"reference": "Practitioner/d7"}), Value::Null, json!({"id": "d7"})),
        (
            json!([]),
            json!({"display": "Diaz, Frances"}),
            json!([{"coding": [{"code": "ATND"}]}]),
            json!({"family": "Diaz", "given": "Frances"}),
        ),
        (json!([]), json!({"display": "Diaz, Frances"}), Value::Null, Value::Null),
    ] {
        let visit = booking(
            &json!({"contained": contained, "participant": [{"actor": actor, "type": kind}]}),
        );
        assert_eq!(
            event(&visit)["appointment"].get("provider").unwrap_or(&Value::Null),
            &expected,
            "{actor}"
        );
    }
    let both = booking(&json!({"participant": [
        {"actor": {"reference": "Practitioner/d1"}}, {"type": [{"coding": [{"code": "PPRF"}]}], "actor": {"reference": "Practitioner/d2"}}]}));
    assert_eq!(event(&both)["appointment"]["provider"]["id"], "d2", "the primary performer first");
}

#[test]
fn the_clock_of_a_visit_is_that_of_its_place() {
    let zone_of = |url: &str, zone: &str| json!({"extension": [{"url": url, "valueCode": zone}]});
    let tz = |zone: &str| zone_of("http://hl7.org/fhir/StructureDefinition/tz-code", zone);
    let at = |location: Value, more: Value| {
        let mut place = json!({"resourceType": "Location", "id": "l", "name": "Owl Clinic",
            "identifier": [{"value": "DENVER"}]});
        place.as_object_mut().unwrap().extend(location.as_object().unwrap().clone());
        let organization = json!({"resourceType": "Organization", "id": "o",
            "extension": [{"url": TIMEZONE, "valueCode": "America/New_York"}]});
        let mut visit = booking(&json!({"contained": [place, organization],
            "participant": [{"actor": {"reference": "#l"}}]}));
        visit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let event = event(&visit);
        let start = event["appointment"]["start"].as_str().unwrap().to_owned();
        let (_, clock) = start.split_once('T').unwrap();
        format!("{clock} {}", event["appointment"]["time_zone"].as_str().unwrap())
    };
    let own = |start: Value| json!({"start": "2030-12-01T15:30:00Z", "_start": start});
    let managed = json!({"managingOrganization": {"reference": "#o"}});
    let nowhere = json!({"identifier": []});
    for (location, more, expected) in [
        (json!({}), own(tz("America/Los_Angeles")), "07:30:00-08:00 America/Los_Angeles"),
        (
            json!({}),
            own(zone_of(TIMEZONE, "America/Los_Angeles")),
            "07:30:00-08:00 America/Los_Angeles",
        ),
        (zone_of(TIMEZONE, "Pacific/Honolulu"), json!({}), "05:30:00-10:00 Pacific/Honolulu"),
        (
            zone_of(TIMEZONE, "Pacific/Honolulu"),
            own(tz("America/Los_Angeles")),
            "07:30:00-08:00 America/Los_Angeles",
        ),
        (managed, json!({}), "10:30:00-05:00 America/New_York"),
        // The settings know the place by its code.
        (json!({}), json!({}), "08:30:00-07:00 America/Denver"),
        (nowhere.clone(), json!({}), "09:30:00-06:00 America/Chicago"),
        // What is no zone is none, and least of all an offset.
        (nowhere.clone(), own(tz("Mars/Base")), "09:30:00-06:00 America/Chicago"),
        (nowhere.clone(), own(tz("-05:00")), "09:30:00-06:00 America/Chicago"),
        (
            nowhere.clone(),
            json!({"start": "2030-12-01T10:30:00-05:00"}),
            "09:30:00-06:00 America/Chicago",
        ),
        (nowhere, json!({"start": "2030-12-01T15:30:00"}), "15:30:00-06:00 America/Chicago"),
    ] {
        assert_eq!(at(location.clone(), more.clone()), expected, "{location} {more}");
    }
}

#[test]
fn a_start_without_offset_is_told() {
    let mapping = lookup("fhir-r4").unwrap();
    let notes = |start: &str| {
        let resource = Resource::new(booking(&json!({"start": start}))).unwrap();
        let (_, explained) = with_site(|site| mapping.explain(&resource, site, received_at()));
        let notes = explained[0].notes.iter().filter(|note| note.contains("no offset")).count();
        (notes, explained[0].to_json()["appointment.start"]["taken"][0]["steps"][0].clone())
    };
    assert_eq!(
        notes("2030-12-01T09:30:00"),
        (1, json!("no offset: in America/Chicago, the feed's or practice's zone"))
    );
    assert_eq!(
        notes("2030-12-01T09:30:00Z"),
        (0, json!("the offset is stated; shown in America/Chicago"))
    );
}

#[test]
fn a_status_is_known_or_a_person_is_asked() {
    for (status, expected) in [
        (json!("proposed"), "BOOKED pending"),
        (json!("waitlist"), "BOOKED pending"),
        (json!("booked"), "BOOKED booked"),
        (json!("arrived"), "BOOKED arrived"),
        (json!("checked-in"), "BOOKED arrived"),
        (json!("fulfilled"), "BOOKED fulfilled"),
        (json!("cancelled"), "CANCELED canceled"),
        (json!("noshow"), "NOSHOWED noshow"),
        (json!("entered-in-error"), "CANCELED entered_in_error"),
        (json!("bogus"), "failed appointment.status"),
        (json!("\"\""), "failed appointment.status"),
        (json!(""), "failed appointment.status"),
        (json!(7), "failed appointment.status"),
        (json!({}), "failed appointment.status"),
        (Value::Null, "failed appointment.status"),
    ] {
        let event = event(&booking(&json!({"status": status})));
        let told = match event["event"].as_str() {
            Some(name) => format!("{name} {}", event["appointment"]["status"].as_str().unwrap()),
            None => {
                format!("{} {}", event["code"].as_str().unwrap(), event["field"].as_str().unwrap())
            }
        };
        assert_eq!(told, expected, "{status}");
    }
    let absent = json!({"resourceType": "Appointment", "id": "a1", "start": "2030-12-01T15:30:00Z",
        "_status": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}});
    let told = event(&absent);
    assert_eq!(told["reason"], "appointment.status is missing; looked for at Appointment.status");
}

#[test]
fn a_length_is_a_number_or_a_text_of_one() {
    for (minutes, expected) in [
        (json!(30), json!(30)),
        (json!("30"), json!(30)),
        (json!(0), Value::Null),
        (json!(-5), Value::Null),
        (json!("x"), Value::Null),
    ] {
        let event = event(&booking(&json!({"minutesDuration": minutes})));
        assert_eq!(
            event["appointment"].get("duration_minutes").unwrap_or(&Value::Null),
            &expected,
            "{minutes}"
        );
    }
}

#[test]
fn version_and_replaced_appointments_come_along() {
    let mapping = lookup("fhir-r4").unwrap();
    let held = |meta: Value, more: Value| {
        let mut visit = booking(&json!({"meta": meta}));
        visit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let resource = Resource::new(visit).unwrap();
        let outcome = with_site(|site| mapping.apply(&resource, site, received_at()));
        let Outcome::Claims(mut claims) = outcome else { panic!("{outcome:?}") };
        let claim = claims.remove(0).appointment;
        (claim.resource.and_then(|held| held.version), claim.replaces)
    };
    let none = Vec::<String>::new();
    assert_eq!(held(json!({"versionId": "7"}), json!({})), (Some("7".to_owned()), none.clone()));
    assert_eq!(held(json!({"versionId": 7}), json!({})), (Some("7".to_owned()), none.clone()));
    assert_eq!(held(json!({"versionId": [7]}), json!({})), (None, none.clone()));
    assert_eq!(held(json!({"versionId": "x".repeat(1000)}), json!({})), (None, none));
    let url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.replaces";
    let reference = |text: &str| json!({"url": url, "valueReference": {"reference": text}});
    let replaces = json!({"extension": [
        reference("Appointment/a7"), reference("https://one.example/fhir/Appointment/a8/_history/2"),
        {"url": url, "valueReference": {"identifier": {"value": "10001"}}}, reference("Appointment/a7")]});
    assert_eq!(held(json!({}), replaces).1, ["a7", "a8", "10001"]);
}

#[test]
fn a_group_visit_shows_each_patient_alone() {
    let people: Vec<_> = (1..=3)
        .map(|n| json!({"resourceType": "Patient", "id": format!("p{n}"), "name": [{"family": format!("Doe{n}")}],
            "telecom": [{"system": "sms", "value": number(n)}], "deceasedBoolean": n == 2}))
        .collect();
    let answer = |n: usize, status: &str| json!({"actor": {"reference": format!("#p{n}")}, "status": status});
    let visit = booking(&json!({"contained": people, "participant": [
        answer(1, "accepted"), {"actor": {"reference": "Location/l1", "display": "Owl Clinic"}}, answer(2, "declined"),
        answer(3, "needs-action"), answer(1, "accepted")]}));
    let told: Vec<_> = events("fhir-r4", &visit)
        .iter()
        .map(|event| {
            let (patient, appointment) = (&event["patient"], &event["appointment"]);
            assert_eq!(
                (&appointment["patients"], &appointment["location"]["code"]),
                (&json!(3), &json!("l1"))
            );
            let phone = PhoneNumber::parse(patient["phone"].as_str().unwrap(), Region::US);
            assert!(phone.is_ok());
            format!(
                "{} {} {}",
                patient["family"], appointment["participation"], patient["deceased"]
            )
            .replace('"', "")
        })
        .collect();
    assert_eq!(told, ["Doe1 accepted false", "Doe2 declined true", "Doe3 needs_action false"]);
    let library = Library::load([(
        "first.toml",
        "extends = \"fhir-r4\"\nreads = \"fhir\"\n[message]\npatients = \"first\"",
    )]);
    let library = library.unwrap();
    let resource = Resource::new(visit).unwrap();
    let first = library.lookup("first").unwrap();
    let (outcome, explained) = with_site(|site| first.explain(&resource, site, received_at()));
    let Outcome::Claims(claims) = outcome else { panic!("{outcome:?}") };
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].to_json()["patient"]["phone"], "+14155550101");
    assert_eq!(explained[0].notes[0], "the message has 3 patients; only the first is read");
}

#[test]
fn a_slot_tells_the_place_where_nothing_else_does() {
    let bundle = json!({"resourceType": "Bundle", "entry": [
        {"resource": booking(&json!({"slot": [{"reference": "Slot/s1"}]}))},
        {"resource": {"resourceType": "Slot", "id": "s1", "schedule": {"reference": "Schedule/c1"}}},
        {"resource": {"resourceType": "Schedule", "id": "c1", "actor": [{"reference": "Location/l1"}]}},
        {"resource": {"resourceType": "Location", "id": "l1", "name": "Owl Clinic"}}]});
    let resource = only(&bundle.to_string());
    let mapping = lookup("fhir-r4").unwrap();
    let outcome = with_site(|site| mapping.apply(&resource, site, received_at()));
    let Outcome::Claims(claims) = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        claims[0].to_json()["appointment"]["location"],
        json!({"code": "l1", "name": "Owl Clinic"})
    );
}
