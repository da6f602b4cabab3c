//! `appointd map`: as an analyst uses it, on files and on what the journal has kept.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use appointd::clock::Clock;
use appointd::sim::ehr::{SimAppointment, SimPatient};
use appointd::sim::world::{Plan, World};
use appointd::store::{Embedded, Options, Store};
use chrono::{NaiveDate, TimeZone as _, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;

const NEW: &str = r#"
extends = "hl7-default"
[appointment]
type = { value = "VISIT" }
[triggers]
"SIU^S14" = { ignore = "changes are not read" }
"#;

const BOOKING: &str = "MSH|^~\\&|OWL|MAIN|A|B|20261120||SIU^S12|M1|P|2.4\rSCH||10001|||||||||^^^202612010930|||||||||ZED|||||LOST\rZRM|7\rPID|1||MRN1||Doe^Jane\r";
const CHANGE: &str =
    "MSH|^~\\&|OWL|MAIN|A|B|20261120||SIU^S14|M2|P|2.4\rSCH||10001|||||||||^^^202612010930\r";

#[test]
fn a_difference_is_told_by_field_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "new.toml", NEW);
    write(&folder, "all.hl7", &format!("{BOOKING}{CHANGE}"));
    let told = map(&folder, &["--diff", "hl7-default", "./new.toml", "all.hl7"]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let rows = rows(&told);
    assert_eq!(
        rows[0],
        json!({"control_id": "M1", "trigger": "SIU^S12", "event": 1,
        "field": "appointment.type", "old": "(not said)", "new": "VISIT"})
    );
    let event = rows.iter().find(|row| row["field"] == "event").unwrap();
    assert_eq!((&event["old"], &event["new"]), (&json!("MODIFIED"), &Value::Null));
    let summary = String::from_utf8(told.stderr).unwrap();
    assert!(summary.contains("2 message(s) compared:"), "{summary}");
    assert!(summary.contains("appointment.type 1"), "{summary}");

    let same = map(&folder, &["--diff", "hl7-default", "hl7-default", "all.hl7"]);
    assert!(same.stdout.is_empty());
    assert!(String::from_utf8(same.stderr).unwrap().contains("nothing differs"));
}

#[test]
fn coverage_names_unused_rules_unknown_codes_and_unread_positions() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "all.hl7", BOOKING);
    let told = map(&folder, &["--coverage", "--mapping", "hl7-default", "all.hl7"]);
    let rows = rows(&told);
    let has = |wanted: Value| {
        rows.iter()
            .any(|row| wanted.as_object().unwrap().iter().all(|(key, value)| row[key] == *value))
    };
    assert!(has(json!({"finding": "unread_position", "what": "ZRM-1", "messages": 1})));
    assert!(has(json!({"finding": "unread_position", "what": "SCH-20"})), "{rows:?}");
    assert!(!has(json!({"finding": "unread_position", "what": "SCH-11"})));
    assert!(has(json!({"finding": "unused_rule", "of": "appointment.start", "what": "AIS-4"})));
    assert!(!has(json!({"finding": "unused_rule", "of": "appointment.start", "what": "SCH-11.4"})));
    assert!(has(json!({"finding": "unused_rule", "what": "trigger SIU^S26"})));
    assert!(has(json!({"finding": "unknown_code", "of": "appointment.status", "code": "LOST"})));
    assert!(!told.stdout.windows(4).any(|four| four == b"Jane"), "values are not shown");
}

#[test]
fn a_file_is_a_mapping_and_its_faults_are_told_with_lines() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "all.hl7", BOOKING);
    write(&folder, "new.toml", NEW);
    let told = map(&folder, &["--mapping", "new.toml", "all.hl7"]);
    assert_eq!(rows(&told)[0]["appointment"]["type"], "VISIT");
    write(&folder, "bad.toml", "extends = \"hl7-default\"\n[appointment]\nstart = \"SCH.11\"\n");
    let refused = map(&folder, &["--mapping", "./bad.toml", "all.hl7"]);
    assert_eq!(refused.status.code(), Some(78));
    let faults = String::from_utf8(refused.stderr).unwrap();
    assert!(faults.contains("bad.toml:3: appointment.start"), "{faults}");
    for (arguments, says) in [
        (&["--mapping", "hl7-defualt", "all.hl7"][..], "did you mean \"hl7-default\"?"),
        (&["--mapping", "./none.toml", "all.hl7"], "none.toml"),
        (&["--since", "7d"], "--config"),
        (&[], "FILE"),
    ] {
        let refused = map(&folder, arguments);
        assert_eq!(refused.status.code(), Some(64), "{arguments:?}");
        assert!(String::from_utf8(refused.stderr).unwrap().contains(says), "{arguments:?}");
    }
}

#[test]
fn recorded_messages_are_mapped_compared_and_covered() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "new.toml", NEW);
    record(folder.path());
    write(
        &folder,
        "appointd.toml",
        "[practice]\nname = \"Owl Clinic\"\ncallback_phone = \"+15105550100\"\n\
         time_zone = \"America/Los_Angeles\"\n[store]\npath = \"store\"\nfree_bytes_min = 1048576\n\
         [[hl7.listener]]\nname = \"main-ehr\"\nlisten = \"127.0.0.1:0\"\n[sms]\nbackend = \"memory\"\n",
    );
    let config = ["--config", "appointd.toml", "--since", "2026-11-01"];
    let read = map(&folder, &config);
    let events = rows(&read);
    assert_eq!(events.len(), 3, "{read:?}");
    assert_eq!(events[0]["event"], "BOOKED");
    let seq = events[1]["seq"].as_u64().unwrap();
    let one = map(&folder, &["--config", "appointd.toml", "--id", &seq.to_string(), "--explain"]);
    assert_eq!(rows(&one)[0]["appointment"], events[1]["appointment"]);
    assert!(rows(&one)[0]["explain"].is_object());
    let none = map(&folder, &["--config", "appointd.toml", "--id", "999999"]);
    assert_eq!(none.status.code(), Some(1));

    let compared = map(&folder, &[&["--diff", "hl7-default", "./new.toml"], &config[..]].concat());
    assert_eq!(rows(&compared).len(), 3);
    let covered = map(&folder, &[&["--coverage"], &config[..]].concat());
    let summary = String::from_utf8(covered.stderr).unwrap();
    assert!(summary.contains("hl7-default: 3 message(s) use"), "{summary}");
    let later = map(&folder, &["--config", "appointd.toml", "--since", "2027-11-01"]);
    assert_eq!(later.status.code(), Some(1));
}

/// A day of three bookings in a store that is left behind.
#[test]
fn resources_are_mapped_entry_by_entry_whatever_they_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let visit = |id: &str, status: &str| json!({"resourceType": "Appointment", "id": id, "status": status, "start": "2026-12-01T15:30:00Z"});
    let lines = format!("{}\n{{broken\n{}\n", visit("a1", "booked"), visit("a2", "cancelled"));
    write(&folder, "lines.ndjson", &lines);
    let told = map(&folder, &["lines.ndjson"]);
    let read = rows(&told);
    assert_eq!(read[0]["appointment"]["id"], "a1");
    assert_eq!(read[0]["source"]["mapping"], "fhir-r4");
    assert_eq!(read[1]["fault"], "entry 2: it is no JSON");
    assert_eq!(read[2]["event"], "CANCELED");
    assert_eq!(told.status.code(), Some(1), "one of them is a fault");

    let notification = json!({"resourceType": "Bundle", "type": "history", "entry": [
        {"resource": {"resourceType": "SubscriptionStatus", "type": "event-notification"}},
        {"resource": visit("a3", "booked"), "request": {"method": "PUT", "url": "Appointment/a3"}},
        {"request": {"method": "DELETE", "url": "Appointment/a4"}}]});
    write(&folder, "all.json", &json!([visit("a5", "noshow"), notification]).to_string());
    let told = map(&folder, &["--explain", "--mapping", "fhir-r5", "all.json"]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let read = rows(&told);
    let events: Vec<_> = read.iter().map(|row| &row["event"]).collect();
    assert_eq!(json!(events), json!(["NOSHOWED", null, "BOOKED", "CANCELED"]));
    assert_eq!(read[1]["code"], "entry_passed");
    assert_eq!(read[1]["reason"], "entry 1: it tells of a subscription, not of an appointment");
    assert_eq!(read[3]["suppressed"], "the appointment was deleted at the server");
    assert_eq!(
        read[2]["explain"]["appointment.start"]["taken"][0]["position"],
        "Appointment.start"
    );

    write(&folder, "none.json", r#"{"resourceType": "Bundle", "entry": []}"#);
    let told = map(&folder, &["none.json"]);
    assert_eq!(rows(&told)[0]["reason"], "there is no appointment in the bundle");
    let told = map(&folder, &["--diff", "fhir-r4", "fhir-canvas", "all.json"]);
    let summary = String::from_utf8(told.stderr).unwrap();
    assert!(summary.contains("4 message(s) compared: "), "{summary}");
    assert!(!summary.contains("passed over"), "{summary}");
    let told = map(&folder, &["--coverage", "--mapping", "fhir-r4", "all.json"]);
    let uses = rows(&told);
    let row = uses.iter().find(|row| row["of"] == "appointment.replaces").unwrap();
    assert_eq!((&row["finding"], &row["messages"]), (&json!("unused_rule"), &json!(3)));
}

fn record(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = Options { free_floor_bytes: 0, ..Options::new(folder.join("store")) };
        let store: Arc<dyn Store> = Arc::new(Embedded::open(options).unwrap());
        let clock = Clock::manual(Utc.with_ymd_and_hms(2026, 11, 30, 18, 0, 0).unwrap());
        let world = World::start(Plan { store: Some(store), ..Plan::at(clock) }).await.unwrap();
        for day in 3..6 {
            let answer = world.ehr.book(SimAppointment {
                id: format!("1000{day}"),
                patient: SimPatient {
                    mrn: format!("MRN{day}"),
                    given: "Jane".to_owned(),
                    family: "Doe".to_owned(),
                    phone: "(415) 555-0123".to_owned(),
                },
                start: NaiveDate::from_ymd_opt(2026, 12, day)
                    .unwrap()
                    .and_hms_opt(9, 0, 0)
                    .unwrap(),
                location: "EAST".to_owned(),
                status: "Booked".to_owned(),
            });
            assert_eq!(answer.await, "AA");
        }
        world.stop().await.unwrap();
    });
}

fn write(folder: &TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join(name), text).unwrap();
}

fn map(folder: &TempDir, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_appointd"))
        .arg("map")
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap()
}

fn rows(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
