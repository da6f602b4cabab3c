//! Who is the patient.

use serde_json::json;

use super::*;

fn of(actors: &Value, known: &[&str]) -> Result<usize, Refusal> {
    let list: Vec<Value> = actors
        .as_array()
        .unwrap()
        .iter()
        .map(|actor| match actor.as_str() {
            Some(reference) => json!({"actor": {"reference": reference}}),
            None => json!({ "actor": actor }),
        })
        .collect();
    let held = json!({
        "participant": list,
        "contained": [
            {"resourceType": "Patient", "id": "p1"}, {"resourceType": "HealthcareService", "id": "28"},
        ],
    });
    let known: Vec<String> = known.iter().map(|&known| known.to_owned()).collect();
    find(&held, &known).map(|found| found.index)
}

#[test]
fn the_only_patient_is_the_patient() {
    let actors = json!(["Practitioner/1", "Location/1", "Patient/5", "#28"]);
    for known in [&[][..], &["5"]] {
        assert_eq!(of(&actors, known), Ok(2));
    }
    let other = of(&actors, &["Patient/9"]);
    assert_eq!(other, Err(Refusal::NoParticipant), "the place was given to somebody else");
    assert_eq!(
        of(&json!(["Patient/5", "Patient/5"]), &[]),
        Ok(0),
        "one who is listed twice is one"
    );
}

#[test]
fn a_reference_is_found_in_any_form() {
    let base = "https://ehr.example/fhir/Patient/5";
    for own in [
        "Patient/5",
        "Patient/5/_history/2",
        base,
        "https://ehr.example/fhir/Patient/5/_history/9",
        " Patient/5 ",
    ] {
        let actors = json!(["Patient/4", own]);
        for known in
            ["Patient/5", "5", base, "http://EHR.example/fhir/Patient/5", "Patient/5/_history/1"]
        {
            assert_eq!(of(&actors, &["Patient/77", known]), Ok(1), "{own} {known}");
        }
    }
    assert_eq!(of(&json!(["Patient/4", "#p1"]), &["#p1"]), Ok(1));
}

#[test]
fn one_of_another_server_is_another_one() {
    let actors = json!(["https://a.example/Patient/5", "https://b.example/Patient/5"]);
    assert_eq!(of(&actors, &["https://b.example/Patient/5"]), Ok(1));
    assert_eq!(of(&actors, &["https://c.example/Patient/5"]), Err(Refusal::NoParticipant));
}

#[test]
fn who_is_not_among_several_is_not_found() {
    let actors = json!(["Patient/4", "Patient/5"]);
    for known in [&[][..], &["Patient/6"], &["RelatedPerson/5"], &[""], &["Patient/"]] {
        assert_eq!(of(&actors, known), Err(Refusal::NoParticipant), "{known:?}");
    }
    assert_eq!(of(&json!(["#p1", "Patient/4"]), &["p1"]), Err(Refusal::NoParticipant));
}

#[test]
fn an_actor_may_have_a_type_instead_of_a_reference() {
    let jane = json!({"type": "Patient", "display": "Jane Doe"});
    assert_eq!(of(&json!(["Practitioner/1", jane]), &[]), Ok(1));
    let by_address = json!({"type": "http://hl7.org/fhir/StructureDefinition/Patient"});
    assert_eq!(of(&json!([by_address]), &[]), Ok(0));
    let urn = json!({"reference": "urn:uuid:c2d70315", "type": "Patient"});
    assert_eq!(of(&json!(["Patient/4", urn]), &["urn:uuid:c2d70315"]), Ok(1));
    assert_eq!(of(&json!([{"display": "Jane Doe"}]), &[]), Err(Refusal::NoParticipant));
}

#[test]
fn a_related_person_counts_where_there_is_no_patient() {
    assert_eq!(of(&json!(["RelatedPerson/1", "Practitioner/1"]), &[]), Ok(0));
    assert_eq!(of(&json!(["RelatedPerson/1", "Patient/1"]), &["RelatedPerson/1"]), Ok(1));
    let two = json!(["RelatedPerson/1", "RelatedPerson/2"]);
    assert_eq!(of(&two, &[]), Err(Refusal::NoParticipant));
    assert_eq!(of(&two, &["2"]), Err(Refusal::NoParticipant), "an id is a patient's");
    assert_eq!(of(&two, &["RelatedPerson/2"]), Ok(1));
}

#[test]
fn misshapen_participants_are_passed_over() {
    let held = json!({"participant": [
        null, 7, {}, {"actor": null}, {"actor": {"reference": 5}}, {"actor": {"reference": ""}},
        {"actor": {"reference": "patient/5"}}, {"actor": {"reference": "/5"}},
        {"actor": {"reference": "Patient/5"}, "status": 3},
    ]});
    let found = find(&held, &[]).unwrap();
    assert_eq!((found.index, found.status, found.has_status), (8, None, true));
    assert!(found.is_alone);
}

#[test]
fn a_crowd_is_not_written_for() {
    let crowd = vec![json!({"actor": {"reference": "Patient/5"}}); PARTICIPANTS_MAX + 1];
    assert_eq!(find(&json!({"participant": crowd}), &[]), Err(Refusal::SeveralPatients));
}
