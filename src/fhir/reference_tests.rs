//! What has to be read for an appointment, and what must not be.

use proptest::prelude::*;
use serde_json::json;

use super::resource::tests::any_value;
use super::*;

const BASE: &str = "https://ehr.example.org/r4";

fn origins() -> Origins {
    Origins::new(BASE, &["https://mpi.example.org/fhir/"]).unwrap()
}

/// An appointment with participants by reference.
fn visit(references: &[&str]) -> Value {
    let participants: Vec<Value> =
        references.iter().map(|text| json!({"actor": {"reference": text}})).collect();
    json!({"resourceType": "Appointment", "id": "a17", "participant": participants})
}

fn urls(found: &Wanted) -> Vec<&str> {
    found.wants.iter().map(|want| want.url.as_str()).collect()
}

/// What is wanted, which must be all that happens.
fn wants(appointment: &Value, at_hand: &[&Value]) -> Vec<String> {
    let found = wanted(appointment, at_hand, &origins());
    assert_eq!((found.refused, found.unreadable, found.left_out), (0, 0, 0), "{found:?}");
    urls(&found).into_iter().map(str::to_owned).collect()
}

#[test]
fn each_participant_is_read_once() {
    let visit = visit(&[
        "Patient/9",
        "https://EHR.example.org:443/r4/Patient/9/_history/3",
        "/Patient/9",
        "Practitioner/7",
        "Location/l1",
        "RelatedPerson/r",
        "HealthcareService/h",
        "Device/d",
        "Group/g",
        "https://ehr.example.org/other/Patient/9",
        "https://mpi.example.org/fhir/Patient/9",
    ]);
    let expected = [
        "Patient/9",
        "Practitioner/7",
        "Location/l1",
        "RelatedPerson/r",
        "HealthcareService/h",
        "https://ehr.example.org/other/Patient/9",
        "https://mpi.example.org/fhir/Patient/9",
    ];
    assert_eq!(wants(&visit, &[]), expected);
    let found = wanted(&visit, &[], &origins());
    let addresses: Vec<String> =
        found.wants.iter().map(|want| origins().address_of(want)).take(1).collect();
    assert_eq!(addresses, ["https://ehr.example.org/r4/Patient/9"]);
    assert!(found.wants.iter().all(|want| origins().permits(&origins().address_of(want))));
}

#[test]
fn what_only_displays_or_identifies_is_not_read() {
    let visit = json!({"resourceType": "Appointment", "participant": [
        {"actor": {"display": "Endoscopy Rooms"}},
        {"actor": {"identifier": {"system": "urn:owl", "value": "1"}}},
        {"actor": {"reference": ""}},
        {"actor": {"reference": 7}},
        {"actor": null},
        {"status": "accepted"},
        null,
    ]});
    assert_eq!(wants(&visit, &[]), [""; 0]);
    assert_eq!(
        wants(&json!({"participant": {"actor": {"reference": "Patient/1"}}}), &[]),
        ["Patient/1"]
    );
    assert_eq!(wants(&json!(null), &[]), [""; 0]);
}

#[test]
fn what_is_at_hand_is_not_read() {
    let mut visit = visit(&["#p", "Patient/9", "urn:uuid:11", "Location/l1", "Practitioner/7"]);
    visit["contained"] = json!([{"resourceType": "Patient", "id": "p"}]);
    let patient = json!({"resourceType": "Patient", "id": "9"});
    let unnamed = json!({"fullUrl": "urn:uuid:11", "resource": {"resourceType": "Patient"}});
    // A server behind a proxy, which does not know its name outside.
    let place = json!({"fullUrl": "http://inside:8080/fhir/Location/l1",
        "resource": {"resourceType": "Location", "id": "l1"}});
    assert_eq!(wants(&visit, &[&patient, &unnamed, &place]), ["Practitioner/7"]);
    // A merged patient may be answered by the one who replaces it.
    let renamed = json!({"fullUrl": format!("{BASE}/Practitioner/7"),
        "resource": {"resourceType": "Practitioner", "id": "8"}});
    assert_eq!(wants(&visit, &[&patient, &unnamed, &place, &renamed]), [""; 0]);
}

#[test]
fn one_id_at_two_servers_is_two_resources() {
    let there = "https://mpi.example.org/fhir/Patient/9";
    let visit = visit(&["Patient/9", there]);
    let own = json!({"resourceType": "Patient", "id": "9"});
    assert_eq!(wants(&visit, &[&own]), [there]);
    let want = Want { url: there.to_owned(), kind: Kind::Patient };
    let other = origins().entry_of(&want, own.clone());
    assert_eq!(wants(&visit, &[&other]), ["Patient/9"]);
    assert_eq!(wants(&visit, &[&other, &own]), [""; 0]);
}

#[test]
fn foreign_servers_are_refused_and_counted() {
    let foreign = [
        "https://evil.example/r4/Patient/9",
        "http://ehr.example.org/r4/Patient/9",
        "https://ehr.example.org:8443/r4/Patient/9",
        "https://ehr.example.org@evil.example/r4/Patient/9",
        "https://user:pass@ehr.example.org/r4/Patient/9",
        "https://ehr.example.org.evil.example/r4/Patient/9",
        "https://ehr.example.org\\.evil.example/r4/Patient/9",
        "//evil.example/r4/Patient/9",
        "\\\\evil.example\\Patient/9",
        "https://ehr.example.org/r4/../admin/Patient/9",
        "https://ehr.example.org/r4/%2e%2e/Patient/9",
        "https://mpi.example.org/Patient/9",
        "https://mpi.example.org/fhirs/Patient/9",
        "http://169.254.169.254/latest/Patient/9",
        "file:///etc/Patient/9",
        "https://ehr.example.org/r4//Patient/9",
        "https://ehr.example.org/r4?x=/Patient/9",
        "Patient//9",
    ];
    let found = wanted(&visit(&foreign), &[], &origins());
    assert_eq!((urls(&found), found.refused), (vec![], foreign.len()), "{found:?}");
    assert!(foreign.iter().all(|url| !origins().permits(url)));
    // What came along under such an address needs no read.
    let along = json!({"fullUrl": foreign[0], "resource": {"resourceType": "Patient", "id": "9"}});
    assert_eq!(wanted(&visit(&foreign[..1]), &[&along], &origins()), Wanted::default());
}

#[test]
fn references_that_name_nothing_are_counted() {
    let odd = [
        "Patient?identifier=urn:owl|9",
        "Patient",
        "Patient/",
        "Patient/..",
        "../Patient/9",
        "r4/Patient/9",
        "patient/9",
        "Patient/9#x",
        "Patient/9/$everything",
        "Patient/%39",
        "Patient/J\u{f8}rgen",
        "Patient/a_b",
        "mailto:jane@example.org",
        "#nobody",
        "urn:uuid:22",
        "https://ehr.example.org/r4/metadata",
    ];
    let found = wanted(&visit(&odd), &[], &origins());
    assert_eq!((urls(&found), found.unreadable), (vec![], odd.len()), "{found:?}");
}

#[test]
fn a_role_leads_to_its_practitioner_and_without_a_place_to_its_places() {
    let role = json!({"resourceType": "PractitionerRole", "id": "r1",
        "practitioner": {"reference": "Practitioner/7"}, "location": [{"reference": "Location/l1"}]});
    let first = visit(&["PractitionerRole/r1"]);
    assert_eq!(wants(&first, &[]), ["PractitionerRole/r1"]);
    assert_eq!(wants(&first, &[&role]), ["Practitioner/7", "Location/l1"]);
    let placed = visit(&["PractitionerRole/r1", "Location/l9"]);
    assert_eq!(wants(&placed, &[&role]), ["Practitioner/7", "Location/l9"]);
    // Roles that only came along with another appointment lead nowhere.
    assert_eq!(wants(&visit(&["Patient/9"]), &[&role]), ["Patient/9"]);
}

#[test]
fn within_another_server_references_are_its_own() {
    let visit = visit(&["https://mpi.example.org/fhir/PractitionerRole/r1"]);
    let role = json!({"resourceType": "PractitionerRole", "id": "r1",
        "practitioner": {"reference": "Practitioner/7"}});
    let want = wanted(&visit, &[], &origins()).wants.remove(0);
    let role = origins().entry_of(&want, role);
    assert_eq!(wants(&visit, &[&role]), ["https://mpi.example.org/fhir/Practitioner/7"]);
}

#[test]
fn a_slot_leads_to_a_place_only_if_there_is_none() {
    let slot =
        json!({"resourceType": "Slot", "id": "s1", "schedule": {"reference": "Schedule/c1"}});
    let schedule = json!({"resourceType": "Schedule", "id": "c1", "actor": [
        {"display": "Dr. Diaz"}, {"reference": "Practitioner/7"}, {"reference": "Location/l1"}]});
    let place = json!({"resourceType": "Location", "id": "l1"});
    let mut visit = visit(&["Patient/9"]);
    visit["slot"] = json!([{"reference": "Slot/s1"}]);
    assert_eq!(wants(&visit, &[]), ["Patient/9", "Slot/s1"]);
    assert_eq!(wants(&visit, &[&slot]), ["Patient/9", "Schedule/c1"]);
    assert_eq!(wants(&visit, &[&slot, &schedule]), ["Patient/9", "Location/l1"]);
    assert_eq!(wants(&visit, &[&slot, &schedule, &place]), ["Patient/9"]);
    for actor in [
        json!({"reference": "https://evil.example/Location/l1"}),
        json!({"display": "Owl Clinic", "type": "Location"}),
        json!({"reference": "Location/l1"}),
    ] {
        let mut placed = visit.clone();
        placed["participant"].as_array_mut().unwrap().push(json!({"actor": actor}));
        let found = wanted(&placed, &[&slot], &origins());
        assert!(!urls(&found).iter().any(|url| url.starts_with("S")), "{found:?}");
    }
}

#[test]
fn a_merged_patient_leads_to_the_one_who_replaces_it() {
    let merged = |id: &str, into: &str| {
        json!({"resourceType": "Patient", "id": id, "link": [
            {"type": "seealso", "other": {"reference": "Patient/1"}},
            {"type": "replaced-by", "other": {"reference": into}},
            {"type": "replaced-by"}]})
    };
    let visit = visit(&["Patient/9"]);
    let (first, second) = (merged("9", "Patient/10"), merged("10", "Patient/11"));
    assert_eq!(wants(&visit, &[&first]), ["Patient/10"]);
    assert_eq!(wants(&visit, &[&first, &second]), ["Patient/11"]);
    // Two who replace one another.
    assert_eq!(wants(&visit, &[&first, &merged("10", "Patient/9")]), [""; 0]);
    // Chains end.
    let chain: Vec<Value> =
        (9..20).map(|id| merged(&id.to_string(), &format!("Patient/{}", id + 1))).collect();
    let found = wanted(&visit, &chain.iter().collect::<Vec<_>>(), &origins());
    assert_eq!((found.wants.len(), found.left_out), (0, 1));
}

#[test]
fn a_crowd_is_read_in_turns() {
    let names: Vec<String> = (0..100).map(|id| format!("Patient/{id}")).collect();
    let visit = visit(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let found = wanted(&visit, &[], &origins());
    assert_eq!((found.wants.len(), found.left_out), (WANTS_MAX, 100 - WANTS_MAX));
    let read: Vec<Value> =
        (0..WANTS_MAX).map(|id| json!({"resourceType": "Patient", "id": id.to_string()})).collect();
    let found = wanted(&visit, &read.iter().collect::<Vec<_>>(), &origins());
    assert_eq!((found.wants.len(), found.left_out), (100 - WANTS_MAX, 0));
}

#[test]
fn contained_patients_who_replace_each_other_take_no_time() {
    let links: Vec<Value> =
        (0..500).map(|_| json!({"type": "replaced-by", "other": {"reference": "#p"}})).collect();
    let mut visit = visit(&["#p"]);
    // A contained resource has no contained ones, so the chain needs one that holds itself.
    visit["contained"] = json!([{"resourceType": "Patient", "id": "p", "link": links,
        "contained": [{"resourceType": "Patient", "id": "p", "link": links}]}]);
    let found = wanted(&visit, &[], &origins());
    assert!(found.wants.is_empty() && found.left_out + found.unreadable > 0, "{found:?}");
}

#[test]
fn a_base_is_a_plain_address() {
    for bad in
        ["", "ehr.example.org", "https://a@b/r4", "https://b/r4?x", "ftp://b", "https://b/../c"]
    {
        assert_eq!(Origins::new(bad, &[]), Err(BadBase), "{bad}");
        assert_eq!(Origins::new(BASE, &[bad]), Err(BadBase), "{bad}");
    }
    assert_eq!(Origins::new(" HTTPS://EHR.example.org:443/r4/ ", &[]).unwrap().base(), BASE);
}

proptest! {
    #[test]
    fn nothing_foreign_is_ever_wanted(
        appointment in any_value(),
        actors in prop::collection::vec(prop_oneof![
            ".{0,30}",
            "(https?|HTTP)://(ehr\\.example\\.org|evil\\.example|[^/]{0,12})[:@\\\\%./]?[^ ]{0,20}/Patient/[0-9.%]{1,4}",
            "[a-zA-Z/.:#%]{0,20}",
        ], 0..8),
        at_hand in prop::collection::vec(any_value(), 0..4),
    ) {
        let named = visit(&actors.iter().map(String::as_str).collect::<Vec<_>>());
        for appointment in [&appointment, &named] {
            let found = wanted(appointment, &at_hand.iter().collect::<Vec<_>>(), &origins());
            prop_assert!(found.wants.len() <= WANTS_MAX);
            for want in &found.wants {
                let address = origins().address_of(want);
                let places = ["https://ehr.example.org/", "https://mpi.example.org/fhir/"];
                prop_assert!(places.iter().any(|place| address.starts_with(place)), "{}", address);
                prop_assert!(!address.split('/').any(|step| step == ".."), "{}", address);
                prop_assert!(origins().permits(&address));
            }
        }
    }
}
