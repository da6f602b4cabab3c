//! What the rules for FHIR make of patients and those who come along: phones, languages, deaths.

use appointd::mapping::{Resource, lookup};
use serde_json::{Value, json};

use super::{received_at, with_site};

/// What a mapping makes of an appointment: its events.
pub(super) fn events(mapping: &str, appointment: &Value) -> Vec<Value> {
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

pub(super) fn event(appointment: &Value) -> Value {
    let mut events = events("fhir-r4", appointment);
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// A booking, with what is said besides.
pub(super) fn booking(more: &Value) -> Value {
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
    let patient = patient(&json!({"telecom": telecom}));
    let phone = patient.get("phone").map(|phone| phone.as_str().unwrap_or("none"));
    phone.unwrap_or("not said").trim_start_matches("+141555501").to_owned()
}

pub(super) fn number(end: u8) -> String {
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
        (json!([mobile(1, within), home(2)]), "02"),
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
    assert_eq!(visit(json!({}), json!({})), (guardians, json!("declined")));
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
        // The name in the record is better, and comes with it.
        (
            json!({"reference": "Patient/p7", "display": "Doe Jr., PhD"}),
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
