//! Mappings at their border: messages in, events out.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use std::collections::BTreeMap;

use appointd::core::ids::SourceName;
use appointd::core::local_time::Zone;
use appointd::core::phone::Region;
use appointd::core::rules::Place;
use appointd::hl7::Message;
use appointd::hl7::batch::split;
use appointd::mapping::{
    Explanation, Library, Mapping, Outcome, Output, Site, check_examples, lookup,
};
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

fn received_at() -> DateTime<Utc> {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

fn explained(mapping: &Mapping, text: &str) -> (Outcome, Explanation, Value) {
    let msg = Message::read(text).unwrap();
    let source = SourceName::new("main");
    let denver = Place { zone: Some(Zone::parse("America/Denver").unwrap()), ..Place::default() };
    let locations: BTreeMap<String, Place> = [("DENVER".to_owned(), denver)].into();
    let site = Site {
        source: &source,
        zone: None,
        practice_zone: Zone::parse("America/Chicago").unwrap(),
        region: Region::US,
        locations: &locations,
    };
    let (outcome, explanation) = mapping.explain(&msg, &site, received_at());
    assert_eq!(outcome, mapping.apply(&msg, &site, received_at()), "explaining changes nothing");
    let json = outcome.to_json(&mapping.origin(&msg, &site)).remove(0);
    (outcome, explanation, json)
}

/// What the default mapping makes of a message.
fn read(text: &str) -> Value {
    explained(&lookup("hl7-default").unwrap(), text).2
}

/// A message of version 2.4 with an SCH segment of these fields, and further segments.
fn siu(trigger: &str, sch: &[(usize, &str)], more: &str) -> String {
    let mut fields = [""; 29];
    fields[2] = "10001";
    for (number, value) in sch {
        fields[*number] = value;
    }
    let sch = fields[1..].join("|");
    format!(
        "MSH|^~\\&|EHR|MAIN|APPTD|HUB|20261120110311||SIU^{trigger}|M1|P|2.4\rSCH|{sch}\r{more}"
    )
}

const START: (usize, &str) = (11, "^^^20261201093000");

/// An S14 with a PID of these fields.
fn patient(fields: &[(usize, &str)]) -> Value {
    let mut pid = [""; 41];
    for (number, value) in fields {
        pid[*number] = value;
    }
    read(&siu("S14", &[], &format!("PID|{}", pid[1..].join("|"))))["patient"].clone()
}

#[test]
fn every_shipped_mapping_does_what_its_examples_say() {
    let library = Library::load([]).unwrap();
    for mapping in library.iter() {
        let faults: Vec<_> = check_examples(mapping).iter().map(ToString::to_string).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

#[test]
fn trigger_and_status_are_weighed() {
    for (trigger, status, event, is) in [
        ("S12", "", "BOOKED", "booked"),
        ("S12", "Booked", "BOOKED", "booked"),
        ("S12", "Confirmed", "CONFIRMED", "confirmed"),
        ("S12", "6^ARRIVED", "BOOKED", "arrived"),
        ("S12", "Cancelled", "CANCELED", "canceled"),
        ("S13", "", "RESCHEDULED", "booked"),
        ("S13", "NO SHOW", "NOSHOWED", "noshow"),
        ("S14", "", "MODIFIED", "null"),
        ("S14", "O", "MODIFIED", "null"),
        ("S14", "CONF", "CONFIRMED", "confirmed"),
        ("S14", "1^SCH", "MODIFIED", "booked"),
        ("S14", "Rescheduled", "RESCHEDULED", "booked"),
        ("S14", "Deleted", "CANCELED", "entered_in_error"),
        ("S14", "Complete", "MODIFIED", "fulfilled"),
        ("S15", "Booked", "CANCELED", "canceled"),
        ("S15", "No-Show", "NOSHOWED", "noshow"),
        ("S15", "Deleted", "CANCELED", "canceled"),
        ("S16", "Booked", "CANCELED", "canceled"),
        ("S17", "Booked", "CANCELED", "entered_in_error"),
        ("S18", "", "MODIFIED", "null"),
        ("S22", "Cancelled", "CANCELED", "canceled"),
        ("S26", "Booked", "NOSHOWED", "noshow"),
        ("S26", "Cancelled", "NOSHOWED", "noshow"),
    ] {
        let json = read(&siu(trigger, &[START, (25, status)], ""));
        let said = json["appointment"].get("status").and_then(Value::as_str).unwrap_or("null");
        assert_eq!((&json["event"], said), (&json!(event), is), "{trigger} {status}: {json}");
    }
}

#[test]
fn a_waitlisted_booking_needs_no_start() {
    let json = read(&siu("S12", &[(25, "Waitlist")], ""));
    assert_eq!(
        (&json["event"], &json["appointment"]["status"]),
        (&json!("BOOKED"), &json!("pending"))
    );
}

#[test]
fn a_deletion_and_a_broadcast_are_quiet() {
    for (trigger, is_quiet) in [("S12", false), ("S15", false), ("S17", true), ("S27", true)] {
        let mapping = lookup("hl7-default").unwrap();
        let (outcome, ..) = explained(&mapping, &siu(trigger, &[START], ""));
        let Outcome::Claims(claims) = outcome else { panic!("{trigger} is an event") };
        assert_eq!(claims[0].quiet.is_some(), is_quiet, "{trigger}");
    }
}

#[test]
fn what_is_no_event_has_a_reason() {
    for (text, code) in [
        (siu("S23", &[], ""), "trigger_ignored"),
        (siu("S24", &[], ""), "trigger_ignored"),
        (siu("S99", &[], ""), "trigger_ignored"),
        (siu("", &[], ""), "trigger_ignored"),
        (siu("S12", &[], "").replace("SIU^", "ADT^"), "trigger_ignored"),
        ("MSH|^~\\&".to_owned(), "trigger_ignored"),
        ("MSH|^~\\&|||||||\"\"".to_owned(), "trigger_ignored"),
    ] {
        let json = read(&text);
        assert_eq!(json["event"], Value::Null, "{text}");
        assert_eq!(json["code"], code, "{text}");
        assert!(json["reason"].as_str().unwrap().len() > 20);
    }
}

#[test]
fn a_missing_or_impossible_field_is_named_with_the_paths_tried() {
    let no_id = siu("S12", &[(2, ""), START], "");
    for (text, field, says) in [
        (no_id.clone(), "appointment.ids", "PV1-19.1"),
        (no_id.replace("S12", "S15"), "appointment.ids", "SCH-1[*].1"),
        (siu("S12", &[(2, "\"\"")], ""), "appointment.ids", "SCH-2[*].1"),
        (siu("S12", &[], ""), "appointment.start", "AIS-4"),
        (siu("S13", &[(11, "\"\"")], ""), "appointment.start", "SCH-11.4"),
        (siu("S12", &[(11, "^^^0000")], ""), "appointment.start", "SCH-11.4"),
        (siu("S12", &[(11, "^^^20260231093000")], ""), "appointment.start", "SCH-11.4"),
        (siu("S14", &[(11, "^^^202612010960")], ""), "appointment.start", "SCH-11.4"),
        (siu("S12", &[(11, "^^^tomorrow")], "AIS|1||X|20261201"), "appointment.start", "SCH-11.4"),
        (siu("S12", &[(11, "^^^202612")], ""), "appointment.start", "SCH-11.4"),
    ] {
        let json = read(&text);
        assert_eq!((&json["code"], &json["field"]), (&json!("failed"), &json!(field)), "{json}");
        let reason = json["reason"].as_str().unwrap();
        assert!(reason.contains(says), "{reason}");
        assert!(!reason.contains("tomorrow") && !reason.contains("0231"), "no values: {reason}");
    }
}

#[test]
fn a_cancellation_does_not_fail_for_its_time() {
    for trigger in ["S15", "S17", "S26"] {
        for start in ["", "^^^20260231", "\"\""] {
            let json = read(&siu(trigger, &[(11, start)], ""));
            assert_ne!(json["event"], Value::Null, "{trigger} {start}");
        }
    }
}

#[test]
fn ids_are_kept_with_their_systems() {
    let json = read(&siu(
        "S12",
        &[(1, "P1^X~P2"), (2, "~F1^EHR~F2~F1"), START],
        "PV1|1||||||||||||||||||V1",
    ));
    let id = |value, system| json!({"value": value, "system": system});
    let expected = [
        id("F1", "filler"),
        id("F2", "filler"),
        id("P1", "placer"),
        id("P2", "placer"),
        id("V1", "visit"),
    ];
    assert_eq!(json["appointment"]["ids"], json!(expected));
    assert_eq!(json["appointment"]["id"], "F1");
}

#[test]
fn the_start_is_where_the_version_and_the_sender_put_it() {
    let tq1 = "TQ1|1||||||202612020800";
    let later = |text: String| text.replace("|P|2.4", "|P|2.5.1");
    for (text, start) in [
        (siu("S12", &[START], ""), "2026-12-01T09:30:00-06:00"),
        (siu("S12", &[START], tq1), "2026-12-01T09:30:00-06:00"),
        (later(siu("S12", &[START], tq1)), "2026-12-02T08:00:00-06:00"),
        (siu("S12", &[], tq1), "2026-12-02T08:00:00-06:00"),
        (siu("S12", &[(11, "202612010930")], ""), "2026-12-01T09:30:00-06:00"),
        (siu("S12", &[(11, "2^^2 hours")], "AIS|1||X|202612010800"), "2026-12-01T08:00:00-06:00"),
        (
            siu("S12", &[], "AIS|1|D|X|202611300800\rAIL|1|A|X|||202612010800"),
            "2026-12-01T08:00:00-06:00",
        ),
        (siu("S12", &[(11, "^^^202612010930-0800")], ""), "2026-12-01T09:30:00-08:00"),
        (siu("S12", &[START], "AIL|1||DENVER"), "2026-12-01T09:30:00-07:00"),
        (siu("S12", &[(11, "^^^20260308023000")], ""), "2026-03-08T03:30:00-05:00"),
        (siu("S12", &[(11, "^^^20261201")], ""), "2026-12-01T00:00:00-06:00"),
        (
            siu("S12", &[(11, "^^^20261201093000~^^^20261208093000")], ""),
            "2026-12-01T09:30:00-06:00",
        ),
    ] {
        assert_eq!(read(&text)["appointment"]["start"], start, "{text}");
    }
}

#[test]
fn end_and_duration_are_made_to_agree() {
    let until = |end: &str| format!("^^^202612010930^{end}");
    for (sch, end, minutes) in [
        (vec![(9, "30"), (10, "MIN"), START], "10:00", json!(30)),
        (vec![(9, "60"), (10, "s"), (11, &*until("202612011020"))], "10:20", json!(50)),
        (vec![(9, "30"), (11, &*until("202612020930"))], "09:30", json!(1440)),
        (vec![(9, "30"), (11, &*until("202612020931"))], "10:00", json!(30)),
        (vec![(9, "30"), (11, &*until("202612010900"))], "10:00", json!(30)),
        (vec![(9, "30"), (11, &*until("soon"))], "10:00", json!(30)),
        (vec![(9, "1800"), START], "10:00", json!(30)),
        (vec![(9, "3420"), (10, "S"), START], "10:27", json!(57)),
        (vec![(11, "^^M30^202612010930")], "10:00", json!(30)),
        (vec![(9, "abc"), (10, "min"), START], "", Value::Null),
        (vec![(9, "99999"), (10, "min"), START], "", Value::Null),
    ] {
        let json = read(&siu("S12", &sch, ""));
        let appointment = &json["appointment"];
        let said = appointment["end"].as_str().and_then(|end| end.get(11..16)).unwrap_or_default();
        assert_eq!((said, &appointment["duration_minutes"]), (end, &minutes), "{sch:?}");
    }
}

#[test]
fn the_best_phone_is_taken() {
    for (phones, number) in [
        ("(415)555-0101", "+14155550101"),
        ("(415)555-0101^PRN^PH~(415)555-0102^PRN^CP", "+14155550102"),
        ("(415)555-0101^PRN^PH~(415)555-0103^ORN^PH", "+14155550103"),
        ("(415)555-0101^WPN^PH~(415)555-0102^WPN^CP~(415)555-0103", "+14155550103"),
        ("(415)555-0101^HOME~4155550102^MOBILE", "+14155550102"),
        ("^PRN^CP^^1^415^5550104", "+14155550104"),
        ("^PRN^CP^^^415^5550104", "+14155550104"),
        ("^^CP^^^^^^^^^(415) 555-0105", "+14155550105"),
        ("j@example.org^NET^Internet~4155550106^PRN^PH^j@example.org", "+14155550106"),
        ("415-555-0107^PRN^FX~415-555-0108^PRN^PH", "+14155550108"),
        ("+49 30 901820^PRN^CP", "+4930901820"),
        ("415-555-0109 x12^PRN", "+14155550109"),
    ] {
        assert_eq!(patient(&[(13, phones)])["phone"], number, "{phones}");
    }
}

#[test]
fn what_is_no_phone_for_texts_is_not_said_and_null_is() {
    for phones in
        ["", "Not Recorded", "415-555-0101^WPN^PH", "x@y.org^NET^Internet", "123", "^^^^^^", "日本"]
    {
        assert_eq!(patient(&[(13, phones), (14, "415-555-0110")]).get("phone"), None, "{phones}");
    }
    assert_eq!(patient(&[(13, "\"\"")]).get("phone"), Some(&Value::Null));
    assert_eq!(patient(&[(13, "\"\""), (40, "4155550101^PRS")])["phone"], "+14155550101");
}

#[test]
fn patients_are_known_by_record_number_never_by_a_national_one() {
    for (list, id) in [
        ("123456789^^^SSA^SS~M1^^^MAIN^MR", json!("M1")),
        ("P1^^^MAIN^PI~M1^^^MAIN^MR", json!("M1")),
        ("^^^^PT~P1^^^&www.example.org&DNS^PI", json!("P1")),
        ("U1", json!("U1")),
        ("123456789^^^SSA^SS", Value::Null),
        ("1^^^X^NNESP~2^^^X^NHS~3^^^X^DLTX", Value::Null),
    ] {
        assert_eq!(patient(&[(3, list)])["id"], id, "{list}");
    }
    assert_eq!(
        patient(&[(2, "E1"), (4, "A1")])["ids"][1],
        json!({"value": "A1", "system": "alternate"})
    );
}

#[test]
fn names_languages_and_death_are_read() {
    let doe = patient(&[(5, "Dough^J^^^^^D~Doe&van^Jane^^^^^L")]);
    assert_eq!((&doe["family"], &doe["given"]), (&json!("Doe"), &json!("Jane")));
    let cut = patient(&[(5, "O\\T\\Roe^\"\"")]);
    assert_eq!((&cut["family"], cut.get("given")), (&json!("O&Roe"), Some(&Value::Null)));
    for (said, tag) in [
        ("spa^Spanish", json!("es")),
        ("^English", json!("en")),
        ("x^y", Value::Null),
        ("\"\"", Value::Null),
    ] {
        assert_eq!(patient(&[(15, said)])["language"], tag, "{said}");
    }
    for (date, flag, deceased) in [
        ("", "", Value::Null),
        ("", "N", json!(false)),
        ("", "Y", json!(true)),
        ("20260228", "", json!(true)),
        ("20260228", "N", json!(true)),
        ("00000000", "N", json!(false)),
        ("", "maybe", Value::Null),
    ] {
        assert_eq!(patient(&[(29, date), (30, flag)])["deceased"], deceased, "{date} {flag}");
    }
}

#[test]
fn place_and_provider_have_fallbacks() {
    let read = |more: &str| read(&siu("S14", &[], more))["appointment"].clone();
    let both = read(
        "PV1|1|O|WARD||||77^Roe\rRGS|1|D\rAIL|1||OLD\rRGS|2\rAIL|1||CARD^R1^^MAIN^^^^^Owl\rAIP|1||12^Diaz^F",
    );
    assert_eq!(both["location"], json!({"code": "CARD", "name": "Owl"}));
    assert_eq!(both["provider"], json!({"id": "12", "family": "Diaz", "given": "F"}));
    let visit = read("PV1|1|O|^^^WARD||||77^Roe\rAIL|1||^^^\rAIP|1");
    assert_eq!(visit["location"]["code"], "WARD");
    assert_eq!(visit["provider"], json!({"id": "77", "family": "Roe"}));
    let none = read("AIL|1||\"\"\rAIP");
    assert_eq!(none.get("location"), Some(&Value::Null));
    assert_eq!(none.get("provider"), None);
}

#[test]
fn the_messages_time_is_believed_within_reason() {
    for (said, occurred_at) in [
        ("20261120110311", "2026-11-20T17:03:11Z"),
        ("202611201103", "2026-11-20T17:03:00Z"),
        ("20261120110311+0100", "2026-11-20T10:03:11Z"),
        ("2026112011031150", "2026-11-20T17:03:11Z"),
        ("20990101", "2030-01-01T00:00:00Z"),
        ("20300103", "2030-01-01T00:00:00Z"),
        ("20300103000000", "2030-01-01T00:00:00Z"),
        ("", "2030-01-01T00:00:00Z"),
        ("yesterday", "2030-01-01T00:00:00Z"),
    ] {
        let text = siu("S14", &[], "").replace("|20261120110311|", &format!("|{said}|"));
        assert_eq!(read(&text)["occurred_at"], occurred_at, "{said}");
    }
}

#[test]
fn an_explanation_names_the_bytes_the_rule_and_what_was_tried() {
    let mapping = lookup("hl7-default").unwrap();
    let text = siu("S12", &[(11, "^^^202612010930~^^^202612080930")], "PID|1\rPID|2");
    let (_, explanation, _) = explained(&mapping, &text);
    let start = explanation.field(Output::Start).unwrap();
    let taken = start.taken().next().unwrap();
    assert_eq!(taken.rule, "SCH-11.4");
    assert!(taken.written_at.starts_with("mappings/hl7-default.toml:"));
    let at = taken.position.unwrap();
    assert_eq!(at.to_string(), "SCH[1]-11[1].4");
    assert_eq!(text.get(at.start..at.end), Some("202612010930"));
    assert_eq!(start.attempts[0].result, "its condition does not hold");
    assert!(explanation.notes.iter().any(|note| note.contains("2 patients")));
    assert!(explanation.notes.iter().any(|note| note.contains("2 times")));
    assert!(explanation.to_json()["appointment.start"]["taken"][0]["bytes"].is_array());
    assert!(!format!("{explanation:?}").contains("202612010930"), "values are not in debug output");
}

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
        [[quiet_if]]
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

/// Runs when the folder of foreign messages lies beside the project; `--nocapture` shows the table.
#[test]
fn every_foreign_message_is_mapped_or_refused_with_a_reason() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/hl7");
    let Ok(files) = std::fs::read_dir(folder) else { return };
    let mapping = lookup("hl7-default").unwrap();
    let mut lines = Vec::new();
    for file in files {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "hl7") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(&bytes);
        let is_framing = |char: char| char.is_control() && char != '\r' && char != '\n';
        for text in split(text.trim_matches(is_framing)).messages {
            let told = match Message::read(text) {
                Ok(_) => summary(&explained(&mapping, text).2),
                Err(error) => format!("unreadable: {error}"),
            };
            lines.push(format!("{name} | {told}"));
        }
    }
    lines.sort();
    println!("{}", lines.join("\n"));
}

/// An event in one line, without patient data.
fn summary(json: &Value) -> String {
    if json["event"].is_null() {
        return format!("{}: {}", json["code"], json["reason"]);
    }
    let (appointment, patient) = (&json["appointment"], &json["patient"]);
    format!(
        "{} {} {} {} {} min, type {}, at {}, phone {}, language {}",
        json["source"]["trigger"],
        json["event"],
        appointment["status"],
        appointment["start"],
        appointment["duration_minutes"],
        appointment["type"],
        appointment["location"]["code"],
        patient["phone"].is_string(),
        patient["language"],
    )
}
