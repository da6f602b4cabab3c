use serde_json::{Value, json};

use super::*;

/// An appointment of Jane Doe with Dr. Diaz; invented.
pub(super) fn appointment() -> Value {
    json!({
        "resourceType": "Appointment",
        "id": "a1",
        "contained": [
            {"resourceType": "Location", "id": "room", "name": "Room 4",
             "managingOrganization": {"reference": "#clinic"}},
            {"resourceType": "Organization", "id": "clinic", "name": "Small Clinic"},
            {"resourceType": "Basic", "id": "twin", "created": "2026-01-01"},
            {"resourceType": "Basic", "id": "twin"}
        ],
        "identifier": [
            {"system": "urn:oid:1.2.3", "value": "10001"},
            {"system": "urn:oid:1.2.4", "value": "A-77", "use": "old"}
        ],
        "status": "booked",
        "priority": 5,
        "description": "Check-up",
        "comment": "  Bring   ID\nplease ",
        "start": "2026-12-01T10:30:00-06:00",
        "_start": {"extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "America/Chicago"}
        ]},
        "end": "2026-12-01T11:00:00-06:00",
        "_created": {"extension": [{"url": "urn:absent", "valueCode": "unknown"}]},
        "minutesDuration": 30,
        "serviceType": [{"coding": [{"system": "urn:types", "code": "CHK", "display": "Check-up"}]}],
        "reasonCode": [{"text": "knee"}],
        "participant": [
            {"actor": {"reference": "Patient/p1/_history/3"}, "status": "accepted", "required": true},
            {"actor": {"reference": "Practitioner/d1", "display": "Dr. Diaz"}, "status": "accepted"},
            {"actor": {"reference": "#room"}, "status": "tentative"},
            {"actor": {"reference": "Device/none"}, "status": "needs-action", "required": false}
        ],
        "extension": [
            {"url": "urn:texts", "valueBoolean": true},
            {"url": "urn:fee", "valueQuantity": {"value": 12.50, "unit": "USD"}},
            {"url": "urn:room", "valueString": "Room 4"},
            {"url": "urn:nested", "extension": [{"url": "urn:inner", "valueInteger": 7}]}
        ],
        "odd name": "odd",
        "nothing": null,
        "div": "kept"
    })
}

fn patient() -> Value {
    json!({
        "resourceType": "Patient",
        "id": "p1",
        "name": [
            {"use": "official", "family": "Doe", "given": ["Jane", "Ann"],
             "_given": [null, {"extension": [{"url": "urn:middle", "valueBoolean": true}]}]},
            {"use": "nickname", "given": ["Janie"]}
        ],
        "telecom": [
            {"system": "phone", "use": "home", "value": "555-0100", "rank": 2},
            {"system": "phone", "use": "mobile", "value": "555-0101", "rank": 1},
            {"system": "email", "value": "jane@example.org"}
        ],
        "birthDate": "1980-02-29",
        "deceasedBoolean": false,
        "multipleBirthInteger": 2,
        "generalPractitioner": [{"reference": "https://ehr.example/fhir/Practitioner/d1"}],
        "managingOrganization": {"reference": "urn:uuid:0001"}
    })
}

pub(super) fn beside() -> Beside {
    let at = |url: &str| Some(url.to_owned());
    Beside::new([
        (None, patient()),
        (None, json!({"resourceType": "Practitioner", "id": "d1", "name": [{"family": "Diaz"}]})),
        (at("urn:uuid:0001"), json!({"resourceType": "Organization", "name": "Roe Group"})),
        (
            at("https://one.example/Slot/s"),
            json!({"resourceType": "Slot", "id": "s", "status": "free"}),
        ),
        (
            at("https://two.example/Slot/s"),
            json!({"resourceType": "Slot", "id": "s", "status": "busy"}),
        ),
        (at("urn:nothing"), Value::Null),
    ])
}

/// What a path is evaluated in, where nothing is said.
pub(super) fn context<'v>(root: &'v Value, beside: &'v [Arc<Beside>]) -> Context<'v, 'v> {
    static NONE: Variables = Variables::none();
    static KNOWN: Values<'static> = Values::none();
    Context { root, url: None, beside, hidden: &[], variables: &NONE, values: &KNOWN, now: None }
}

fn found(path: &str, resource: &Value) -> Value {
    let beside = [Arc::new(beside())];
    found_in(path, &context(resource, &beside))
}

pub(super) fn found_in(path: &str, context: &Context<'_, '_>) -> Value {
    let path = Path::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let hits = path.find(context).unwrap_or_default();
    hits.into_iter()
        .map(|hit| match hit.item {
            Item::Node(node) => node.clone(),
            Item::Bool(flag) => json!(flag),
            Item::Integer(number) => json!(number),
            Item::Decimal(number) => json!(number),
            Item::Text(text) => json!(text),
        })
        .collect()
}

/// Each path gives what is written beside it, as JSON.
pub(super) fn check(resource: &Value, table: &[(&str, &str)]) {
    for (path, expected) in table {
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(found(path, resource), expected, "{path}");
    }
}

#[test]
fn elements_are_found_by_name_and_arrays_are_taken_apart() {
    check(
        &appointment(),
        &[
            ("Appointment.status", r#"["booked"]"#),
            ("status", r#"["booked"]"#),
            ("Resource.status", r#"["booked"]"#),
            ("DomainResource.status", r#"["booked"]"#),
            ("Patient.status", "[]"),
            ("Bundle.status", "[]"),
            ("%resource.status", r#"["booked"]"#),
            ("$this.status", r#"["booked"]"#),
            ("(status)", r#"["booked"]"#),
            ("participant.status", r#"["accepted","accepted","tentative","needs-action"]"#),
            ("participant.actor.display", r#"["Dr. Diaz"]"#),
            ("serviceType.coding.code", r#"["CHK"]"#),
            ("minutesDuration", "[30]"),
            ("resourceType", r#"["Appointment"]"#),
            ("`odd name`", r#"["odd"]"#),
            ("Appointment.`status`", r#"["booked"]"#),
            ("Appointment . status", r#"["booked"]"#),
            ("div", r#"["kept"]"#),
            ("nothing", "[]"),
            ("nowhere.at.all", "[]"),
            ("status.deeper", "[]"),
            ("Appointment.reason", "[]"),
        ],
    );
}

#[test]
fn choice_elements_are_found_without_their_type() {
    check(
        &patient(),
        &[
            ("deceased", "[false]"),
            ("Patient.deceasedBoolean", "[false]"),
            ("multipleBirth", "[2]"),
            ("multipleBirth.ofType(integer)", "[2]"),
            ("multipleBirth.ofType(FHIR.integer)", "[2]"),
            ("multipleBirth.ofType(boolean)", "[]"),
            ("multiple", "[]"),
            ("deceased.boolean", "[]"),
        ],
    );
    check(
        &appointment(),
        &[
            ("extension('urn:texts').value", "[true]"),
            ("extension('urn:fee').value.unit", r#"["USD"]"#),
            ("extension('urn:fee').value.ofType(Quantity).value", "[12.5]"),
            ("extension('urn:fee').value.ofType(string)", "[]"),
            ("extension.value.ofType(string)", r#"["Room 4"]"#),
            ("extension.value.ofType(System.String)", r#"["Room 4"]"#),
        ],
    );
}

#[test]
fn a_dead_patient_is_found_by_flag_or_by_date() {
    let dead = json!({"resourceType": "Patient", "deceasedDateTime": "2025-01-02",
        "_deceasedDateTime": {"extension": [{"url": "urn:x", "valueCode": "y"}]}});
    check(
        &dead,
        &[
            ("deceased", r#"["2025-01-02"]"#),
            ("deceased.ofType(dateTime)", r#"["2025-01-02"]"#),
            ("deceased.ofType(boolean)", "[]"),
            ("deceased.exists() and deceased != false", "[true]"),
            ("deceased.extension('urn:x').value", r#"["y"]"#),
        ],
    );
}

#[test]
fn extensions_of_primitives_stand_beside_them() {
    let zone = "http://hl7.org/fhir/StructureDefinition/timezone";
    let resource = appointment();
    assert_eq!(
        found(&format!("start.extension('{zone}').value"), &resource),
        json!(["America/Chicago"])
    );
    check(
        &resource,
        &[
            ("start.extension.valueCode", r#"["America/Chicago"]"#),
            ("start.extension('urn:other')", "[]"),
            ("end.extension('urn:other')", "[]"),
            ("start.where($this > '2026').extension.value", r#"["America/Chicago"]"#),
            ("created", "[]"),
            ("_created.extension('urn:absent').value", r#"["unknown"]"#),
            ("extension('urn:nested').extension('urn:inner').value", "[7]"),
            ("extension(nowhere)", "[]"),
        ],
    );
    check(
        &patient(),
        &[
            ("name.given.where(extension('urn:middle').exists())", r#"["Ann"]"#),
            ("name.given.extension('urn:middle').value", "[true]"),
        ],
    );
}

#[test]
fn one_of_several_is_picked() {
    check(
        &appointment(),
        &[
            ("participant[1].actor.display", r#"["Dr. Diaz"]"#),
            ("participant[9]", "[]"),
            ("participant[-1]", "[]"),
            ("participant['x']", "[]"),
            ("participant[participant.count()]", "[]"),
            ("participant[minutesDuration].exists() or participant[priority].exists()", "[false]"),
            ("identifier.value[1]", r#"["A-77"]"#),
            ("identifier.value.first()", r#"["10001"]"#),
            ("identifier.value.last()", r#"["A-77"]"#),
            ("participant.status.tail()", r#"["accepted","tentative","needs-action"]"#),
            ("participant.status.skip(2)", r#"["tentative","needs-action"]"#),
            ("participant.status.skip(-1).count()", "[4]"),
            ("participant.status.skip(nowhere)", "[]"),
            ("participant.status.take(1)", r#"["accepted"]"#),
            ("participant.status.take(0)", "[]"),
            ("participant.status.take(-3)", "[]"),
            ("status.single()", r#"["booked"]"#),
            ("participant.single()", "[]"),
            ("nowhere.first()", "[]"),
        ],
    );
}

#[test]
fn selections_keep_what_is_true_only() {
    check(
        &appointment(),
        &[
            ("participant.where(status = 'tentative').actor.reference", r##"["#room"]"##),
            ("participant.where(required).actor.reference", r#"["Patient/p1/_history/3"]"#),
            ("participant.where(required = false).status", r#"["needs-action"]"#),
            ("participant.where(required.not()).status", r#"["needs-action"]"#),
            ("participant.where(nowhere = 'x')", "[]"),
            ("participant.where(nowhere != 'x')", "[]"),
            ("participant.status.where($this = 'tentative')", r#"["tentative"]"#),
            ("identifier.where(use = 'old' and system.endsWith('4')).value", r#"["A-77"]"#),
            ("identifier.where(use.empty()).value", r#"["10001"]"#),
            (
                "participant.where(actor.reference.startsWith('Practitioner/')).actor.display",
                r#"["Dr. Diaz"]"#,
            ),
            ("participant.where(status = %resource.participant[2].status).count()", "[1]"),
            ("participant.exists()", "[true]"),
            ("participant.exists(status = 'declined')", "[false]"),
            ("nowhere.exists()", "[false]"),
            ("nowhere.empty()", "[true]"),
            ("status.empty()", "[false]"),
            ("participant.all(status != 'declined')", "[true]"),
            ("participant.all(required)", "[false]"),
            ("nowhere.all(status = 'x')", "[true]"),
            ("participant.count()", "[4]"),
            (
                "identifier.select(system & '|' & value)",
                r#"["urn:oid:1.2.3|10001","urn:oid:1.2.4|A-77"]"#,
            ),
            ("identifier.select(use | value)", r#"["10001","old","A-77"]"#),
        ],
    );
}

#[test]
fn references_lead_to_resources_at_hand() {
    check(
        &appointment(),
        &[
            ("participant.actor.resolve().ofType(Patient).name.family", r#"["Doe"]"#),
            ("participant.actor.resolve().ofType(Practitioner).name.family", r#"["Diaz"]"#),
            ("participant.actor.reference.resolve().count()", "[3]"),
            ("participant.actor.resolve().ofType(Location).name", r#"["Room 4"]"#),
            (
                "participant.actor.resolve().ofType(Location).managingOrganization.resolve().name",
                r#"["Small Clinic"]"#,
            ),
            (
                "participant.where(actor.resolve() .ofType(Resource).empty()).status",
                r#"["needs-action"]"#,
            ),
            (
                "participant.actor.where(resolve().ofType(Patient).exists()).reference",
                r#"["Patient/p1/_history/3"]"#,
            ),
            ("participant.actor.resolve().where(Patient.exists()).id", r#"["p1"]"#),
            ("contained.where(id = 'clinic').select('#').resolve().id", r#"["a1"]"#),
            ("'#clinic'.resolve().name", r#"["Small Clinic"]"#),
            ("'#twin'.resolve()", "[]"),
            ("'#'.resolve().id", r#"["a1"]"#),
            ("'Patient/p1'.resolve().managingOrganization.resolve().name", r#"["Roe Group"]"#),
            ("'Patient/p1'.resolve().generalPractitioner.resolve().name.family", r#"["Diaz"]"#),
            ("'Patient/p1'.resolve().select('#room').resolve().name", r#"["Room 4"]"#),
            ("'https://one.example/Slot/s/_history/1'.resolve().status", r#"["free"]"#),
            ("'https://three.example/Slot/s'.resolve()", "[]"),
            ("'Slot/s'.resolve()", "[]"),
            ("'other/Patient/p1'.resolve()", "[]"),
            ("'p1'.resolve()", "[]"),
            ("''.resolve()", "[]"),
            ("status.resolve() | 5.resolve()", "[]"),
        ],
    );
}

#[test]
fn texts_are_tested_and_changed() {
    check(
        &appointment(),
        &[
            ("status.startsWith('boo')", "[true]"),
            ("status.endsWith('boo')", "[false]"),
            ("status.contains('ook')", "[true]"),
            ("participant.status.contains('a')", "[]"),
            ("minutesDuration.startsWith('3')", "[]"),
            ("status.startsWith(nowhere)", "[]"),
            (r"identifier[1].value.matches('\\d{2}')", "[true]"),
            (r"identifier[1].value.matches('^\\d')", "[false]"),
            (r"'a\nb'.matches('a.b')", "[true]"),
            ("description.replace('-', ' ')", r#"["Check up"]"#),
            ("'abc'.replace('', 'x')", r#"["xaxbxcx"]"#),
            ("description.upper()", r#"["CHECK-UP"]"#),
            ("description.lower()", r#"["check-up"]"#),
            ("comment.trim()", r#"["Bring   ID\nplease"]"#),
            ("status.substring(2)", r#"["oked"]"#),
            ("status.substring(0, 4)", r#"["book"]"#),
            ("status.substring(4, 99)", r#"["ed"]"#),
            ("status.substring(6) | status.substring(-1)", "[]"),
            ("status.substring(1, 0)", r#"[""]"#),
            ("status.substring(1, nowhere)", r#"["ooked"]"#),
            ("'Grüße'.substring(2, 2)", r#"["üß"]"#),
            ("status.length()", "[6]"),
            ("'日本'.length()", "[2]"),
            ("'a,b,,c'.split(',')", r#"["a","b","","c"]"#),
            ("'abc'.split('')", r#"["abc"]"#),
            ("participant.status.take(3).join('/')", r#"["accepted/accepted/tentative"]"#),
            ("(status | minutesDuration | true).join()", r#"["booked30true"]"#),
            ("nowhere.join(',')", "[]"),
            ("participant[0].actor.reference.split('/')[1]", r#"["p1"]"#),
            ("minutesDuration & ' min'", r#"["30 min"]"#),
            ("nowhere & 'x'", r#"["x"]"#),
            ("nowhere + 'x'", "[]"),
            ("status + '!' + nowhere", "[]"),
            ("status + '!'", r#"["booked!"]"#),
            ("participant & 'x'", "[]"),
            ("1 + 1", "[]"),
            (r"'it\'s \u0041\t\\ \/ \`'", r#"["it's A\t\\ / `"]"#),
        ],
    );
}

#[test]
fn values_are_compared() {
    check(
        &appointment(),
        &[
            ("status = 'booked'", "[true]"),
            ("status = 'BOOKED'", "[false]"),
            ("status ~ 'BOOKED'", "[true]"),
            ("status !~ 'BOOKED'", "[false]"),
            ("comment ~ ' bring id PLEASE'", "[true]"),
            ("nowhere = 'x'", "[]"),
            ("nowhere != nowhere", "[]"),
            ("nowhere ~ nowhere", "[true]"),
            ("nowhere ~ 'x'", "[false]"),
            ("minutesDuration = 30.0", "[true]"),
            ("minutesDuration = '30'", "[false]"),
            ("minutesDuration >= 30 and minutesDuration < 30.5", "[true]"),
            ("minutesDuration > 45", "[false]"),
            ("minutesDuration <= '45'", "[]"),
            ("priority > -1", "[true]"),
            ("start > @2026-12-01 and start < @2026-12-02", "[true]"),
            ("end > start", "[true]"),
            ("start = @2026-12-01T10:30:00-06:00", "[true]"),
            ("@T10:30 | @2026-01T | @2026", r#"["10:30","2026-01","2026"]"#),
            ("identifier[0] = identifier[0]", "[true]"),
            ("identifier[0] = identifier[1]", "[false]"),
            ("identifier = identifier[0]", "[false]"),
            ("identifier.value = ('10001' | 'A-77')", "[true]"),
            ("identifier.value = ('A-77' | '10001')", "[false]"),
            ("identifier.value ~ ('a-77' | '10001')", "[true]"),
            ("participant.status ~ participant.status.tail()", "[false]"),
            ("status in ('booked' | 'arrived')", "[true]"),
            ("status in nowhere", "[false]"),
            ("nowhere in status", "[]"),
            ("participant.status in 'accepted'", "[]"),
            ("identifier = 5", "[false]"),
            ("serviceType < 5", "[]"),
        ],
    );
}

#[test]
fn logic_has_three_values() {
    let values = ["true", "false", "nowhere"];
    for (operator, expected) in [
        (
            "and",
            ["[true]", "[false]", "[]", "[false]", "[false]", "[false]", "[]", "[false]", "[]"],
        ),
        ("or", ["[true]", "[true]", "[true]", "[true]", "[false]", "[]", "[true]", "[]", "[]"]),
        ("xor", ["[false]", "[true]", "[]", "[true]", "[false]", "[]", "[]", "[]", "[]"]),
        (
            "implies",
            ["[true]", "[false]", "[]", "[true]", "[true]", "[true]", "[true]", "[]", "[]"],
        ),
    ] {
        let pairs = values.iter().flat_map(|left| values.map(|right| (left, right)));
        for ((left, right), expected) in pairs.zip(expected) {
            check(&appointment(), &[(&format!("{left} {operator} {right}"), expected)]);
        }
    }
    check(
        &appointment(),
        &[
            ("nowhere.not()", "[]"),
            ("true.not()", "[false]"),
            ("status.not()", "[false]"),
            ("participant.not()", "[]"),
            ("status and true", "[true]"),
            ("participant and true", "[]"),
            ("iif(status = 'booked', 'yes', 'no')", r#"["yes"]"#),
            ("iif(nowhere, 'yes', 'no')", r#"["no"]"#),
            ("iif(false, 'yes')", "[]"),
            ("status.iif($this = 'booked', 'B', $this)", r#"["B"]"#),
        ],
    );
}

#[test]
fn operators_bind_as_the_specification_says() {
    check(
        &appointment(),
        &[
            ("true or true and false", "[true]"),
            ("(true or true) and false", "[false]"),
            ("false implies false and false", "[true]"),
            ("'a' & 'b' = 'ab'", "[true]"),
            ("'a' | 'b' = 'a'", "[false]"),
            ("1 = 1 = true", "[true]"),
            ("status = 'booked' in (true | false)", "[true]"),
            ("1 < 2 = true", "[true]"),
            ("'a' | 'b' & 'c' | 'a'", r#"["a","bc"]"#),
            ("-5 < -4.5", "[true]"),
        ],
    );
}
