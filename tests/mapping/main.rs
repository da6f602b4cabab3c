//! Mappings at their border: messages in, events out.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod corpus;
mod fhir_corpus;
mod fhir_entries;
mod fhir_hostile;
mod fhir_people;
mod fhir_two_feeds;
mod fhir_visits;
mod files;
mod language;
mod profiles_a;
mod profiles_b;
mod resources;

use std::collections::BTreeMap;

use appointd::core::ids::SourceName;
use appointd::core::local_time::Zone;
use appointd::core::phone::Region;
use appointd::core::rules::Place;
use appointd::hl7::Message;
use appointd::mapping::{
    Explanation, Library, Mapping, Outcome, Output, Site, Trace, check_examples, lookup,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

fn received_at() -> DateTime<Utc> {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

fn with_site<T>(read: impl FnOnce(&Site<'_>) -> T) -> T {
    let source = SourceName::new("main");
    let denver = Place { zone: Some(Zone::parse("America/Denver").unwrap()), ..Place::default() };
    let locations: BTreeMap<String, Place> = [("DENVER".to_owned(), denver)].into();
    read(&Site {
        source: &source,
        zone: None,
        practice_zone: Zone::parse("America/Chicago").unwrap(),
        region: Region::US,
        locations: &locations,
    })
}

fn explained(mapping: &Mapping, text: &str) -> (Outcome, Explanation, Value) {
    let msg = Message::read(text).unwrap();
    with_site(|site| {
        let (outcome, mut explanations) = mapping.explain(&msg, site, received_at());
        assert_eq!(outcome, mapping.apply(&msg, site, received_at()), "explaining changes nothing");
        let (traced, _) = mapping.apply_traced(&msg, site, received_at());
        assert_eq!(outcome, traced, "tracing changes nothing");
        let json = outcome.to_json(&mapping.origin(&msg, site)).remove(0);
        (outcome, explanations.remove(0), json)
    })
}

/// Every event of a message.
fn events(mapping: &Mapping, text: &str) -> Vec<Value> {
    with_site(|site| {
        let msg = Message::read(text).unwrap();
        mapping.apply(&msg, site, received_at()).to_json(&mapping.origin(&msg, site))
    })
}

fn traced(mapping: &Mapping, text: &str) -> (Outcome, Trace) {
    with_site(|site| mapping.apply_traced(&Message::read(text).unwrap(), site, received_at()))
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
    assert_eq!(patient(&[(13, "\"\"^PRN^CP")]).get("phone"), Some(&Value::Null));
    assert_eq!(patient(&[(13, "\"\"^NET^Internet")]).get("phone"), None);
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
    assert_eq!(start.attempts[0].result, "its condition does not hold: MSH-12 is at least 2.5");
    assert!(explanation.notes.iter().any(|note| note.contains("2 patients; each")));
    assert!(explanation.notes.iter().any(|note| note.contains("2 times; each")));
    assert!(explanation.to_json()["appointment.start"]["taken"][0]["bytes"].is_array());
    assert!(!format!("{explanation:?}").contains("202612010930"), "values are not in debug output");
}
