//! Resources that are huge, odd or malicious: read, or refused with a reason, and never for another.

use appointd::mapping::resource::Why;
use appointd::mapping::{Error, Library, NoResource, Outcome, Resource, lookup};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::resources::only;
use super::{received_at, with_site};

const MAPPINGS: [&str; 5] = ["fhir-r4", "fhir-r5", "fhir-cerner", "fhir-canvas", "fhir-medplum"];

fn apply(resource: &Resource) -> Outcome {
    let mapping = lookup("fhir-r4").unwrap();
    with_site(|site| mapping.apply(resource, site, received_at()))
}

fn patients(outcome: Outcome) -> Vec<Value> {
    let Outcome::Claims(claims) = outcome else { return Vec::new() };
    claims.iter().map(|claim| claim.to_json()["patient"].clone()).collect()
}

/// A booking with these participants, and what else is said.
fn visit(participants: &[Value], more: &Value) -> Resource {
    let mut visit = json!({"resourceType": "Appointment", "id": "a1", "status": "booked",
        "start": "2030-12-01T15:30:00Z", "participant": participants});
    visit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Resource::new(visit).unwrap()
}

fn person(reference: &str) -> Value {
    json!({"actor": {"reference": reference}, "status": "accepted"})
}

#[test]
fn a_bundle_of_twenty_megabytes_is_read_entry_by_entry() {
    const COUNT: usize = 4_000;
    let filler = "x".repeat(4_800);
    let mut entries = Vec::new();
    for n in 0..COUNT {
        let reference = format!("Patient/p{n}");
        entries.push(json!({"resource": {"resourceType": "Appointment", "id": format!("a{n}"), "status": "booked",
            "start": "2030-12-01T15:30:00Z", "text": {"div": filler}, "participant": [person(&reference)]}}));
        entries.push(json!({"resource": {"resourceType": "Patient", "id": format!("p{n}"), "name": [{"family": format!("Doe{n}")}]}}));
    }
    let text = json!({"resourceType": "Bundle", "entry": entries}).to_string();
    assert!(text.len() > 20_000_000);
    let read = Resource::read_all(&text).unwrap();
    assert_eq!(read.len(), COUNT);
    for (n, resource) in read.into_iter().enumerate() {
        let family = patients(apply(&resource.unwrap())).remove(0)["family"].clone();
        assert_eq!(family, format!("Doe{n}"));
    }
}

#[test]
fn too_many_participants_go_to_a_person() {
    let of = |patients: usize, others: usize| {
        let patients = (0..patients).map(|n| person(&format!("Patient/p{n}")));
        let others = (0..others).map(|n| person(&format!("Device/d{n}")));
        apply(&visit(&patients.chain(others).collect::<Vec<_>>(), &json!({})))
    };
    assert_eq!(patients(of(64, 236)).len(), 64);
    assert_eq!(of(65, 0), Outcome::Failed(Error::TooMany { found: 65 }));
    assert_eq!(of(1, 300), Outcome::Failed(Error::TooLarge));
    assert_eq!(of(10_000, 0), Outcome::Failed(Error::TooLarge));
    assert_eq!(of(0, 10_000), Outcome::Failed(Error::TooLarge));
    assert_eq!(patients(of(1, 299)).len(), 1);
    let told = Error::TooLarge.to_string();
    assert!(told.contains("at most 300 participants"), "{told}");
}

#[test]
fn what_cannot_be_looked_through_is_not_half_read() {
    // Among these the date of death, or an opt-out, may be what is not reached.
    let telecom =
        vec![json!({"system": "phone", "use": "mobile", "value": "(415) 555-0101"}); 20_000];
    let patient = json!({"resourceType": "Patient", "id": "p", "telecom": telecom});
    let outcome = apply(&visit(&[person("#p")], &json!({"contained": [patient]})));
    assert_eq!(outcome, Outcome::Failed(Error::TooLarge));
}

#[test]
fn contained_oddities_are_nobody() {
    let doe = |id: &str| json!({"resourceType": "Patient", "id": id, "name": [{"family": "Doe"}]});
    let roe = |id: &str| json!({"resourceType": "Patient", "id": id, "name": [{"family": "Roe"}]});
    for (contained, reference, expected) in [
        (json!([doe("p")]), "#p", "Doe"),
        (json!([doe("p"), roe("p")]), "#p", ""),
        (json!([doe("q")]), "#p", ""),
        (json!([{"resourceType": "Patient", "name": [{"family": "Doe"}]}]), "#p", ""),
        (json!([{"resourceType": "Basic", "id": "b", "contained": [doe("p")]}]), "#p", ""),
        (json!(doe("p")), "#p", ""),
        (json!([doe("p")]), "Patient/p", ""),
        (json!([doe("p")]), "#", ""),
        (json!([null, 7, "x", [doe("p")], doe("p")]), "#p", "Doe"),
        (json!("p"), "#p", ""),
    ] {
        let found = patients(apply(&visit(&[person(reference)], &json!({"contained": contained}))));
        let family = found[0].get("family").and_then(Value::as_str).unwrap_or_default();
        assert_eq!(family, expected, "{contained} {reference}");
    }
}

#[test]
fn a_patient_of_another_host_is_another_patient() {
    let bundle = |reference: &str, full_url: &str| {
        json!({"resourceType": "Bundle", "entry": [
            {"fullUrl": "https://ehr.example/fhir/Appointment/a1", "resource": {"resourceType": "Appointment", "id": "a1",
                "status": "booked", "start": "2030-12-01T15:30:00Z", "participant": [person(reference)]}},
            {"fullUrl": full_url, "resource": {"resourceType": "Patient", "id": "p1",
                "telecom": [{"system": "sms", "value": "(415) 555-0101"}]}}]})
        .to_string()
    };
    let own = "https://ehr.example/fhir/Patient/p1";
    for (reference, full_url, is_found) in [
        ("Patient/p1", own, true),
        (own, own, true),
        ("https://ehr.example/fhir/Patient/p1/_history/3", own, true),
        ("urn:uuid:7", "urn:uuid:7", true),
        ("Patient/p1", "urn:uuid:7", true),
        ("https://evil.example/fhir/Patient/p1", own, false),
        ("https://ehr.example/fhir2/Patient/p1", own, false),
        ("Patient/p1", "https://evil.example/fhir/Patient/p1", false),
        ("http://169.254.169.254/Patient/p1", own, false),
        ("file:///Patient/p1", own, false),
        ("../Patient/p1", own, false),
    ] {
        let found = patients(apply(&only(&bundle(reference, full_url)))).remove(0);
        assert_eq!(found.get("phone").is_some(), is_found, "{reference} {full_url}");
    }
}

#[test]
fn what_refers_to_itself_comes_to_an_end() {
    let circle = json!({"contained": [
        {"resourceType": "Patient", "id": "p", "name": [{"family": "Doe"}],
            "link": [{"type": "replaced-by", "other": {"reference": "#q"}}, {"type": "replaced-by", "other": {"reference": "#p"}}]},
        {"resourceType": "Patient", "id": "q", "name": [{"family": "Roe"}],
            "link": [{"type": "replaced-by", "other": {"reference": "#p"}}]},
        {"resourceType": "RelatedPerson", "id": "r", "patient": {"reference": "#r"}},
        {"resourceType": "PractitionerRole", "id": "x", "practitioner": {"reference": "#x"}},
        {"resourceType": "Location", "id": "l", "managingOrganization": {"reference": "#l"}}]});
    let all: Vec<_> = ["#p", "#q", "#r", "#x", "#l", "#", "Appointment/a1"].map(person).to_vec();
    assert_eq!(patients(apply(&visit(&all, &circle))).len(), 2);
    let round = "extends = \"fhir-r4\"\nreads = \"fhir\"\n[variables]\nwho = \"%patient\"";
    let faults = Library::load([("round.toml", round)]).unwrap_err();
    let told = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(told.contains("round.toml:4: variables.who: it leads back to itself"), "{told}");
}

#[test]
fn variables_that_are_not_there_are_told() {
    for (own, wanted) in [
        (
            "[appointment]\nstart = \"%zonee\"",
            "own.toml:4: appointment.start: there is no variable %zonee, did you mean \"zone\"?",
        ),
        ("[appointment]\nlocation = { path = \"a\", code = \"%x\" }", "there is no variable %x"),
        (
            "[appointment]\nstart = { path = \"a\", zone_at = \"%x\", when = { path = \"%y\", present = true } }",
            "there is no variable %y",
        ),
        ("[patient]\nphone = { path = \"a\", rank = \"%x\" }", "there is no variable %x"),
        ("[variables]\nx = \"%y\"", "own.toml:4: variables.x: there is no variable %y"),
        ("[variables]\nx = \"a.wher(b)\"", "own.toml:4: variables.x: the function wher"),
        ("[variables]\nresource = \"a\"", "a variable has a name of letters and digits"),
        ("[variables]\n\"a b\" = \"a\"", "a variable has a name of letters and digits"),
        ("[variables]\nx = 7", "a text in quotes is expected"),
        (
            "[detect]\nreason = \"x\"\nwhen = { path = \"%who\", present = true }",
            "%who is not known before the mapping is chosen",
        ),
        (
            "[[ignore_if]]\ncode = \"x\"\nreason = \"x\"\nwhen = { path = \"%x\", present = true }",
            "there is no variable %x",
        ),
    ] {
        let own = format!("extends = \"fhir-r4\"\nreads = \"fhir\"\n{own}");
        let faults = Library::load([("own.toml", own.as_str())]).unwrap_err();
        let told = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(wanted), "{wanted}\n---\n{told}");
    }
    let hl7 = "extends = \"hl7-default\"\n[variables]\nx = \"PID-3\"";
    let faults = Library::load([("own.toml", hl7)]).unwrap_err();
    assert!(faults[0].to_string().contains("only mappings that read FHIR have variables"));
}

/// Texts that the rules ask for, parted by blanks.
const TEXTS: &str = "Appointment Patient RelatedPerson Bundle Location Practitioner booked cancelled #p # \
    Patient/p https://h.example/Patient/p/_history/1 urn:uuid:1 p replaced-by 2030-12-01T15:30:00Z \
    2030-12-01 2030-02-31 phone mobile +14155550101 es-MX \"\" America/Denver DELETE Appointment/a1 \
    http://hl7.org/fhir/StructureDefinition/timezone e\u{301}\u{65e5}";

/// Names that the rules ask for.
const NAMES: &str = "resourceType id status start _start end participant actor reference type \
    contained link other telecom system use value period rank name family given text communication \
    language coding code preferred deceasedDateTime _deceasedDateTime deceasedBoolean extension url \
    valueCode meta versionId tag entry resource request method fullUrl identifier patient active display";

/// Names and texts that the rules ask for, in any shape.
fn any_json() -> impl Strategy<Value = Value> + Clone {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(TEXTS.split(' ').collect::<Vec<_>>()).prop_map(Value::from),
    ];
    let name = prop::sample::select(NAMES.split(' ').collect::<Vec<_>>());
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|all| all
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<Map<_, _>>())
                .prop_map(Value::Object),
        ]
    })
}

/// An appointment, or a bundle of one, with anything in it.
fn any_resource() -> impl Strategy<Value = Value> {
    let appointment = (any_json(), any_json(), any_json()).prop_map(|(participant, contained, more)| {
        let mut root = json!({"resourceType": "Appointment", "id": "a1", "status": "booked", "start": "2030-12-01T15:30:00Z",
            "participant": participant, "contained": [contained]});
        if let Value::Object(more) = more {
            root.as_object_mut().unwrap().extend(more);
        }
        root
    });
    prop_oneof![
        any_json(),
        appointment.clone(),
        (appointment, any_json(), any_json()).prop_map(|(one, other, entry)| {
            json!({"resourceType": "Bundle", "entry": [{"resource": one}, {"resource": other}, entry]})
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_json_is_read_or_refused(root in any_resource()) {
        let text = root.to_string();
        match Resource::read_all(&text) {
            Ok(read) => {
                for resource in read.into_iter().flatten() {
                    for name in MAPPINGS {
                        let mapping = lookup(name).unwrap();
                        with_site(|site| {
                            let outcome = mapping.apply(&resource, site, received_at());
                            let (explained, told) = mapping.explain(&resource, site, received_at());
                            assert_eq!(outcome, explained);
                            assert!(!told.is_empty());
                            let (traced, _) = mapping.apply_traced(&resource, site, received_at());
                            assert_eq!(outcome, traced);
                        });
                    }
                }
            }
            Err(refused) => prop_assert_ne!(refused, NoResource::TooLong { bytes: text.len() }),
        }
    }

    #[test]
    fn any_text_is_opened_or_refused(text in "[\\[\\]{}\":,a-z0-9\n \u{feff}]{0,80}") {
        if let Ok(read) = Resource::read_all(&text) {
            let passed = read.iter().filter_map(|entry| entry.as_ref().err());
            prop_assert!(passed.clone().count() == 0 || passed.map(|one| one.why).all(|why| why != Why::Nested));
        }
    }
}
