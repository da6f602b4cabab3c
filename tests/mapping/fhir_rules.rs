//! What the rules for FHIR make of patients, places and statuses, at the edges.

use appointd::core::phone::PhoneNumber;
use appointd::mapping::{Outcome, Resource, lookup};
use serde_json::{Value, json};

use super::{received_at, with_site};

const TIMEZONE: &str = "http://hl7.org/fhir/StructureDefinition/timezone";

/// What a mapping makes of an appointment: its events.
fn events(mapping: &str, appointment: &Value) -> Vec<Value> {
    let mapping = lookup(mapping).unwrap();
    let resource = Resource::new(appointment.clone()).unwrap();
    with_site(|site| {
        let outcome = mapping.apply(&resource, site, received_at());
        let (explained, _) = mapping.explain(&resource, site, received_at());
        assert_eq!(outcome, explained, "explaining changes nothing");
        let (traced, _) = mapping.apply_traced(&resource, site, received_at());
        assert_eq!(outcome, traced, "tracing changes nothing");
        outcome.to_json(&mapping.origin(&resource, site))
    })
}

fn event(appointment: &Value) -> Value {
    let mut events = events("fhir-r4", appointment);
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// A booking, with what is said besides.
fn booking(more: &Value) -> Value {
    let mut booking = json!({"resourceType": "Appointment", "id": "a1", "status": "booked",
        "start": "2030-12-01T15:30:00Z"});
    booking.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    booking
}

/// A booking of a contained patient, of whom this is said.
fn of_patient(said: &Value) -> Value {
    let mut patient = json!({"resourceType": "Patient", "id": "p"});
    patient.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
    booking(
        &json!({"contained": [patient], "participant": [{"actor": {"reference": "#p"}, "status": "accepted"}]}),
    )
}

fn patient(said: &Value) -> Value {
    event(&of_patient(said))["patient"].clone()
}

/// The last two digits of the phone that is taken; `none` if it is said that there is none.
fn phone(telecom: &Value) -> String {
    match &patient(&json!({"telecom": telecom}))["phone"] {
        Value::String(phone) => phone[phone.len() - 2..].to_owned(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

fn number(end: u8) -> String {
    format!("(415) 555-01{end:02}")
}

#[test]
fn phones_are_taken_by_system_and_use_then_preference_rank_and_time() {
    let mobile = |end: u8, more: Value| {
        let mut one = json!({"system": "phone", "use": "mobile", "value": number(end)});
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one
    };
    let sms = |end: u8| json!({"system": "sms", "value": number(end)});
    let home = |end: u8| json!({"system": "phone", "use": "home", "value": number(end), "rank": 1});
    let preferred = json!({"extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/iso21090-preferred", "valueBoolean": true}]});
    let within = json!({"extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/contactpoint-extension", "valueString": "12"}]});
    let plain = || json!({});
    for (telecom, taken) in [
        (json!([home(1), mobile(2, plain()), sms(3)]), "03"),
        (json!([home(1), mobile(2, plain())]), "02"),
        (json!([home(1)]), "01"),
        (json!([mobile(1, json!({"rank": 1})), mobile(2, preferred)]), "02"),
        (json!([mobile(1, json!({"rank": "2"})), mobile(2, json!({"rank": "1"}))]), "02"),
        (json!([mobile(1, plain()), mobile(2, json!({"rank": 9}))]), "02"),
        (json!([mobile(1, json!({"rank": 0})), mobile(2, json!({"rank": 9}))]), "02"),
        (
            json!([
                mobile(1, json!({"period": {"start": "2028"}})),
                mobile(2, json!({"period": {"start": "2029-05"}}))
            ]),
            "02",
        ),
        (json!([mobile(1, plain()), mobile(2, plain())]), "01"),
        (json!([mobile(1, within.clone()), home(2)]), "02"),
        (json!([{"value": number(1)}]), "01"),
        (json!([{"value": "jane@example.org"}, {"use": "mobile"}]), "none"),
        (json!([{"system": "phone", "_value": {"extension": []}}]), "none"),
        (json!([mobile(1, json!({"use": "old"})), mobile(2, json!({"system": "fax"}))]), "none"),
        (
            json!([mobile(1, json!({"system": "pager"})), mobile(2, json!({"system": "other"}))]),
            "none",
        ),
        (json!([mobile(1, json!({"use": "work"}))]), "none"),
        (json!([]), "none"),
    ] {
        assert_eq!(phone(&telecom), taken, "{telecom}");
    }
}

#[test]
fn a_number_is_taken_in_its_time_only() {
    // It is read as 2030 begins in UTC: in Chicago it is the last evening of the year before.
    for (period, is_taken) in [
        (json!({"end": "2028"}), false),
        (json!({"end": "2029"}), true),
        (json!({"end": "2029-11"}), false),
        (json!({"end": "2029-12"}), true),
        (json!({"end": "2029-12-31"}), true),
        (json!({"end": "2029-12-30"}), false),
        (json!({"end": "2030"}), true),
        (json!({"end": "2029-12-31T23:59:59Z"}), false),
        (json!({"end": "2030-01-01T00:00:00Z"}), true),
        (json!({"end": "9999-12-31T23:59:59.999999+00:00"}), true),
        (json!({"end": "soon"}), false),
        (json!({"end": null}), true),
        (json!({"start": "2030-01-02"}), false),
        (json!({"start": "2029-12-31"}), true),
        (json!({"start": "0001-01-01T00:00:00+00:00"}), true),
        (json!({"start": "long ago"}), true),
        (json!({}), true),
        (json!("always"), true),
    ] {
        let telecom =
            json!([{"system": "phone", "use": "mobile", "value": number(1), "period": period}]);
        assert_eq!(phone(&telecom) == "01", is_taken, "{period}");
    }
}

#[test]
fn who_is_not_at_hand_keeps_the_phone_that_is_known() {
    let unknown = booking(
        &json!({"participant": [{"actor": {"reference": "Patient/p9"}, "status": "accepted"}]}),
    );
    assert_eq!(
        event(&unknown)["patient"],
        json!({"id": "p9", "ids": [{"value": "p9", "system": "fhir"}]})
    );
    let mobile = json!([{"system": "phone", "use": "mobile", "value": number(1)}]);
    assert_eq!(patient(&json!({"telecom": mobile, "active": true}))["phone"], "+14155550101");
    assert_eq!(patient(&json!({"telecom": mobile, "active": false}))["phone"], Value::Null);
    assert!(patient(&json!({"telecom": mobile, "active": false})).get("phone").is_some());
}

#[test]
fn a_guardian_is_asked_only_for_an_own_ward_without_a_phone() {
    let visit = |patient: Value, related: Value| {
        let mut contained = [
            json!({"resourceType": "Patient", "id": "p", "active": true}),
            json!({"resourceType": "RelatedPerson", "id": "r", "patient": {"reference": "#p"},
                "telecom": [{"system": "phone", "use": "mobile", "value": number(7)}]}),
        ];
        for (one, more) in contained.iter_mut().zip([patient, related]) {
            one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        let visit = booking(&json!({"contained": contained, "participant": [
            {"actor": {"reference": "#p"}, "status": "needs-action"},
            {"actor": {"reference": "#r"}, "status": "declined"}]}));
        let event = event(&visit);
        let phone = event["patient"]["phone"].as_str().map(str::to_owned);
        (phone.unwrap_or_default(), event["appointment"]["participation"].clone())
    };
    let own = json!({"telecom": [{"system": "phone", "use": "mobile", "value": number(1)}]});
    let guardians = "+14155550107".to_owned();
    assert_eq!(visit(json!({}), json!({})), (guardians.clone(), json!("declined")));
    assert_eq!(visit(own, json!({})), ("+14155550101".to_owned(), json!("declined")));
    for (patient, related, answer) in [
        (json!({"active": false}), json!({}), "declined"),
        (json!({}), json!({"active": false}), "declined"),
        (json!({}), json!({"period": {"end": "2029-01-01"}}), "declined"),
        (json!({}), json!({"patient": {"reference": "Patient/other"}}), "needs_action"),
        (json!({}), json!({"patient": null}), "needs_action"),
    ] {
        assert_eq!(visit(patient, related.clone()), (String::new(), json!(answer)), "{related}");
    }
}

#[test]
fn the_preferred_language_is_spoken_by_its_standard_code() {
    let coding = |system: &str, code: &str| json!({"system": system, "code": code});
    let tag = |code: &str| coding("urn:ietf:bcp:47", code);
    let local = |code: &str| coding("urn:owl", code);
    for (communication, expected) in [
        (
            json!([{"language": {"coding": [tag("en")]}}, {"language": {"coding": [tag("es")]}, "preferred": true}]),
            json!("es"),
        ),
        (
            json!([{"language": {"coding": [tag("fr")]}}, {"language": {"coding": [tag("es")]}}]),
            json!("fr"),
        ),
        (json!([{"language": {"coding": [local("de"), tag("es-MX")]}}]), json!("es-MX")),
        (json!([{"language": {"coding": [local("151"), {"display": "Spanish"}]}}]), json!("es")),
        (json!([{"language": {"coding": [local("151")], "text": "Français"}}]), json!("fr")),
        (json!([{"language": {"text": "spa"}}]), json!("es")),
        (json!([{"language": {"coding": [local("151")]}, "preferred": true}]), Value::Null),
        (json!([]), Value::Null),
        (json!({"language": {"coding": tag("pt-BR")}}), json!("pt-BR")),
    ] {
        let said = patient(&json!({"communication": communication}));
        assert_eq!(said.get("language").unwrap_or(&Value::Null), &expected, "{communication}");
    }
}

#[test]
fn whatever_stands_for_a_death_means_death() {
    for (said, expected) in [
        (json!({"deceasedBoolean": true}), json!(true)),
        (json!({"deceasedBoolean": "true"}), json!(true)),
        (json!({"deceasedBoolean": 1}), json!(true)),
        (json!({"deceasedBoolean": false}), json!(false)),
        (json!({"deceasedDateTime": "2029-10-01"}), json!(true)),
        (json!({"deceasedDateTime": "2029-10-01T10:00:00"}), json!(true)),
        (json!({"deceasedDateTime": "31/02/2029"}), json!(true)),
        (json!({"deceasedDateTime": ""}), json!(true)),
        (json!({"deceasedDateTime": 0}), json!(true)),
        (json!({"deceasedDateTime": {}}), json!(true)),
        (json!({"deceasedDateTime": ["?"]}), json!(true)),
        (json!({"deceasedDateTime": null, "_deceasedDateTime": {"extension": []}}), json!(true)),
        (
            json!({"_deceasedDateTime": {"extension": [{"url": "u", "valueCode": "unknown"}]}}),
            json!(true),
        ),
        (json!({"deceasedBoolean": false, "deceasedDateTime": "2029-10-01"}), json!(true)),
        (json!({"deceasedDateTime": null}), Value::Null),
        (json!({}), Value::Null),
    ] {
        let found = patient(&said);
        assert_eq!(found.get("deceased").unwrap_or(&Value::Null), &expected, "{said}");
    }
    let off = booking(
        &json!({"status": "cancelled", "cancelationReason": {"coding": [{"code": "pat-dec"}]}}),
    );
    assert_eq!(event(&off)["patient"]["deceased"], true);
}

#[test]
fn a_merged_record_leads_to_the_one_that_is_left() {
    let merged = |old: Value, new: Value| {
        let mut contained = [
            json!({"resourceType": "Patient", "id": "old", "active": false, "name": [{"family": "Roe"}],
                "telecom": [{"system": "phone", "use": "mobile", "value": number(1)}],
                "link": [{"type": "replaced-by", "other": {"reference": "#new"}}]}),
            json!({"resourceType": "Patient", "id": "new", "name": [{"family": "Doe"}],
                "telecom": [{"system": "phone", "use": "mobile", "value": number(2)}]}),
        ];
        for (one, more) in contained.iter_mut().zip([old, new]) {
            one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        event(&booking(&json!({"contained": contained, "participant": [{"actor": {"reference": "#old"}, "status": "accepted"}]})))["patient"].clone()
    };
    let found = merged(json!({}), json!({}));
    assert_eq!((&found["family"], &found["phone"]), (&json!("Doe"), &json!("+14155550102")));
    assert_eq!(merged(json!({"deceasedDateTime": ""}), json!({}))["deceased"], true);
    assert_eq!(merged(json!({}), json!({"deceasedBoolean": true}))["deceased"], true);
    assert_eq!(merged(json!({}), json!({"active": false}))["phone"], Value::Null);
    let seealso =
        json!({"link": [{"type": "seealso", "other": {"reference": "#new"}}], "active": true});
    assert_eq!(merged(seealso, json!({}))["family"], "Roe");
    let gone = json!({"link": [{"type": "replaced-by", "other": {"reference": "Patient/p7"}}]});
    let found = merged(gone, json!({}));
    assert_eq!((&found["phone"], &found["id"]), (&Value::Null, &json!("p7")));
}

#[test]
fn a_patient_without_a_record_is_known_by_what_the_reference_says() {
    for (actor, kind, expected) in [
        (
            json!({"display": "Doe, Jane"}),
            json!([{"text": "Patient"}]),
            json!({"ids": [], "family": "Doe", "given": "Jane"}),
        ),
        (
            json!({"display": "Jane Doe"}),
            json!([{"coding": [{"display": "patient"}]}]),
            json!({"ids": [], "family": "Jane Doe"}),
        ),
        (
            json!({"type": "Patient", "identifier": {"system": "urn:mrn", "value": "7"}}),
            Value::Null,
            json!({"id": "7", "ids": [{"value": "7", "system": "urn:mrn"}]}),
        ),
        (
            json!({"reference": "https://one.example/fhir/Patient/p7/_history/2"}),
            Value::Null,
            json!({"id": "p7", "ids": [{"value": "p7", "system": "fhir"}]}),
        ),
        (json!({"reference": "Patient?identifier=7"}), Value::Null, json!({"ids": []})),
        (json!({"display": "Owl Clinic"}), Value::Null, json!({"ids": []})),
        (
            json!({"display": "Diaz, Frances"}),
            json!([{"coding": [{"code": "PPRF"}]}]),
            json!({"ids": []}),
        ),
    ] {
        let visit = booking(
            &json!({"participant": [{"actor": actor, "type": kind, "status": "accepted"}]}),
        );
        assert_eq!(event(&visit)["patient"], expected, "{actor}");
    }
}

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
        format!("{} {}", &start[11..], event["appointment"]["time_zone"].as_str().unwrap())
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
            let phone = PhoneNumber::parse(
                patient["phone"].as_str().unwrap(),
                appointd::core::phone::Region::US,
            );
            assert!(phone.is_ok());
            format!(
                "{} {} {}",
                patient["family"], appointment["participation"], patient["deceased"]
            )
            .replace('"', "")
        })
        .collect();
    assert_eq!(told, ["Doe1 accepted false", "Doe2 declined true", "Doe3 needs_action false"]);
    let library = appointd::mapping::Library::load([(
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
    let resource = super::resources::only(&bundle.to_string());
    let mapping = lookup("fhir-r4").unwrap();
    let outcome = with_site(|site| mapping.apply(&resource, site, received_at()));
    let Outcome::Claims(claims) = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        claims[0].to_json()["appointment"]["location"],
        json!({"code": "l1", "name": "Owl Clinic"})
    );
}
