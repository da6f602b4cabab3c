//! A site's own files: what they change, what is wrong with them, and that nothing panics.

use appointd::mapping::{Library, Outcome, check_examples, lookup};
use proptest::prelude::*;
use serde_json::json;

use super::{START, explained, siu};

#[test]
fn a_site_changes_what_is_different_and_inherits_the_rest() {
    let own = r#"
        extends = "hl7-default"
        [appointment]
        start = ["ZDT-2", "inherited"]
        type = { value = "VISIT" }
        [patient]
        opted_out = { path = "ZCO-1[*]", table = "consent" }
        [triggers]
        "SIU^S12" = { event = "BOOKED", status = "booked", heed = ["canceled"] }
        "SIU^S18" = { ignore = "surgery cases are not texted" }
        "ADT^A05" = { event = "BOOKED" }
        [tables.status]
        confirmed = ["C1"]
        none = ["Confirmed"]
        [tables.consent]
        yes = ["STOP"]
        [[ignore_if]]
        code = "test_patient"
        reason = "test patients are not texted"
        when = { any = [{ path = "PID-5.1", prefix = "ZZTEST" }, { all = [{ path = "PID-5.1", equals = "test" }, { not = { path = "PV1-2", in = ["I", "E"] } }] }] }
        [[suppress_if]]
        code = "inpatient"
        reason = "inpatients are told at the ward"
        when = { path = "PV1-2", matches = "I*" }
    "#;
    let library = Library::load([("conf/own.toml", own)]).unwrap();
    let mapping = library.lookup("own").unwrap();
    let map = |text: &str| explained(mapping, text);
    let json = |text: &str| map(text).2;

    let booked = json(&siu("S12", &[START, (25, "C1")], "ZDT|1|202612020800\rZCO|stop"));
    assert_eq!(booked["event"], "BOOKED");
    assert_eq!(booked["appointment"]["start"], "2026-12-02T08:00:00-06:00");
    assert_eq!(booked["appointment"]["type"], "VISIT");
    assert_eq!(booked["patient"]["opted_out"], true);
    assert_eq!(booked["source"]["mapping"], "own");
    assert_eq!(json(&siu("S14", &[START, (25, "C1")], ""))["event"], "CONFIRMED");
    assert_eq!(json(&siu("S14", &[START, (25, "Confirmed")], ""))["event"], "MODIFIED");
    assert_eq!(json(&siu("S18", &[], ""))["reason"], "surgery cases are not texted");
    assert_eq!(json(&siu("S14", &[], "PID|1||||zz-test one"))["code"], "test_patient");
    assert_eq!(json(&siu("S14", &[], "PID|1||||TEST"))["code"], "test_patient");
    assert_eq!(json(&siu("S14", &[], "PID|1||||TEST\rPV1|1|I"))["event"], "MODIFIED");
    let adt = siu("S12", &[START], "").replace("SIU^S12", "ADT^A05");
    assert_eq!(json(&adt)["event"], "BOOKED");
    let Outcome::Claims(claims) = map(&siu("S14", &[], "PV1|1|IP")).0 else { panic!("a claim") };
    assert_eq!(claims[0].quiet.as_deref(), Some("inpatients are told at the ward"));
}

#[test]
fn every_fault_of_a_file_is_told_with_line_and_key() {
    let own = r#"extends = "hl7-defualt"
colour = "red"
[appointment]
strat = ["SCH-11.4"]
start = ["SCH-11.x", { path = "SCH-11.4", sotf = true }, 7, { value = "x", path = "SCH-1" }]
duration = { path = "SCH-9", unit = "parsec" }
ids = { path = "SCH-2", when = { path = "PV1-2" } }
[triggers]
"SIU^S12" = { event = "BOKED" }
"S 13" = { event = "BOOKED", heed = ["confirmd"] }
[tables.status]
confirmt = ["C"]
[[example]]
name = "x"
message = "MSH"
expect = "{"
"#;
    let faults = Library::load([("conf/own.toml", own)]).unwrap_err();
    let text = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for wanted in [
        "own.toml:1: extends: there is no mapping \"hl7-defualt\", did you mean \"hl7-default\"?",
        "own.toml:2: colour: unknown key",
        "own.toml:4: appointment.strat: unknown key, did you mean \"start\"?",
        "own.toml:5: appointment.start[1]: a number from 1",
        "own.toml:5: appointment.start[2].sotf: unknown key, did you mean \"soft\"?",
        "own.toml:5: appointment.start[3]: a text in quotes is expected here, not a number",
        "own.toml:5: appointment.start[4]: a source has either path or value",
        "own.toml:6: appointment.duration.unit: a unit of time",
        "own.toml:7: appointment.ids.when: a test is missing",
        "own.toml:9: triggers.SIU^S12.event: \"BOKED\" is no event, did you mean \"BOOKED\"?",
        "own.toml:10: triggers.S 13: a trigger is written",
        "own.toml:10: triggers.S 13.heed[1]: \"confirmd\" is no status, did you mean \"confirmed\"?",
        "own.toml:16: example[1].expect: the expected event is no JSON",
    ] {
        assert!(text.contains(wanted), "{wanted}\n---\n{text}");
    }
}

#[test]
fn joined_mappings_are_checked_too() {
    for (own, wanted) in [
        ("extends = \"own\"", "goes round in a circle: own -> own"),
        ("patient = 3", "a table is expected here, not a number"),
        ("= broken", "own.toml:1: "),
        (
            "extends = \"hl7-default\"\n[tables.status]\nconfirmt = [\"C\"]",
            "own.toml:3: tables.status.confirmt",
        ),
        ("[appointment]\nstart = [\"inherited\"]", "nothing is inherited"),
        ("[appointment]\nstatus = [\"SCH-25\"]", "there is no table \"status\""),
        (
            "extends = \"hl7-default\"\n[appointment]\ntype = [{ value = \"X\" }, \"SCH-8\"]",
            "own.toml:3: appointment.type[2]: never reached",
        ),
    ] {
        let faults = Library::load([("conf/own.toml", own)]).unwrap_err();
        let text = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(text.contains(wanted), "{wanted}\n---\n{text}");
    }
}

#[test]
fn an_example_that_does_not_hold_says_what_came_instead() {
    let own = "extends = \"hl7-default\"\n[[example]]\nname = \"wrong\"\nmessage = '''\nMSH|^~\\&|||||||SIU^S14\nSCH||7\n'''\n\
        expect = '{\"event\": \"MODIFIED\", \"appointment\": {\"id\": \"8\"}}'\n";
    let library = Library::load([("conf/own.toml", own)]).unwrap();
    let faults = check_examples(library.lookup("own").unwrap());
    let text = faults[0].to_string();
    assert!(
        text.contains("own.toml:2") && text.contains("appointment.id was expected to be \"8\""),
        "{text}"
    );
}

#[test]
fn a_dialect_says_where_phones_and_units_are() {
    let own = r#"
        extends = "hl7-default"
        defaults.duration_unit = "s"
        [appointment]
        duration = ["SCH-9", { path = "ZDU-1", unit = "h" }]
        location = { path = "AIL-3", code = 4, name = [9, 2] }
        provider = { path = "AIG-3", id = 1, family = 2 }
        location_name = { path = "AIL-4.2" }
        callback_phone = { path = "ZPH-1", number = ["2 3"] }
        ids = { path = "ZID-1[2=APPT].3", system_at = 2 }
        [patient]
        phone = { path = "PID-13", number = ["1"], codes = [4], preferred = 9, table = "nhs" }
        [tables.nhs]
        home = ["HOME"]
        never = ["EMAIL"]
    "#;
    let library = Library::load([("conf/own.toml", own)]).unwrap();
    let more = "PID|1||||||||||||4155550101^^^HOME^^^^^N~4155550102^^^HOME^^^^^Y~4155550103^^^EMAIL\r\
        ZID|1^VISIT^V1~2^APPT^A1\rZPH|x^415^5550104\rAIL|1||X^R^^MAIN|^Owl\rAIG|1||5^Roe^Nobody";
    let (.., json) =
        explained(library.lookup("own").unwrap(), &siu("S12", &[(9, "600"), START], more));
    let appointment = &json["appointment"];
    assert_eq!(json["patient"]["phone"], "+14155550102");
    assert_eq!(appointment["ids"], json!([{"value": "A1", "system": "APPT"}]));
    assert_eq!(appointment["duration_minutes"], 10);
    assert_eq!(appointment["location"], json!({"code": "MAIN", "name": "R"}));
    assert_eq!(appointment["provider"], json!({"id": "5", "family": "Roe"}));
    assert_eq!(appointment["callback_phone"], "+14155550104");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_message_is_mapped_or_refused(
        trigger in 12_u8..28,
        body in "((SCH|PID|PV1|TQ1|RGS|AIS|AIL|AIP|AIG|OBX)(\\|[-A-D0-9^~&\\\\\". +:é日]{0,12}){0,30}\r){0,8}",
    ) {
        let text = format!("MSH|^~\\&|A|B|||20261120||SIU^S{trigger}|1|P|2.5\r{body}");
        let (outcome, ..) = explained(&lookup("hl7-default").unwrap(), &text);
        if let Outcome::Failed(error) = outcome {
            prop_assert!(error.to_string().starts_with("appointment."));
        }
    }

    #[test]
    fn any_mapping_is_compiled_or_refused(
        key in "appointment.start|patient.phone|triggers.S12|tables.x|when|ignore_if|example|[a-z.]{1,9}",
        value in "\"(PID|SCH|X)-?[0-9.\\[\\]=*|!a-z]{0,12}\"|[0-9]{1,4}|true|\\[\\]|\\{ (path|value|when|event) = \"[A-Z0-9.-]{0,9}\" \\}",
    ) {
        let own = format!("extends = \"hl7-default\"\n{key} = {value}\n");
        if let Err(faults) = Library::load([("own.toml", own.as_str())]) {
            prop_assert!(faults.iter().all(|fault| fault.file == "own.toml"));
        }
    }
}
