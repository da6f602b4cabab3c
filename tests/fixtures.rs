//! The messages and the old store in `fixtures/` are read as they always were.
#![expect(clippy::unwrap_used, reason = "helpers of a test")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use appointd::engine::view::{Filter, Subject, View};
use appointd::store::{self, Memory, Store};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

fn mapped(file: &str) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_appointd"))
        .args(["map", &format!("{FOLDER}/hl7/{file}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn each_message_is_the_event_that_its_name_says() {
    let files = [
        ("siu_booked.hl7", "BOOKED"),
        ("siu_rescheduled.hl7", "RESCHEDULED"),
        ("siu_modified.hl7", "MODIFIED"),
        ("siu_confirmed.hl7", "CONFIRMED"),
        ("siu_canceled.hl7", "CANCELED"),
        ("siu_noshowed.hl7", "NOSHOWED"),
    ];
    for (file, event) in files {
        let row = mapped(file);
        assert_eq!(row.get("event").unwrap(), event, "{file}");
        assert_eq!(row.pointer("/appointment/id").unwrap(), "10001", "{file}");
        assert_eq!(row.pointer("/patient/phone").unwrap(), "+14155550123", "{file}");
    }
}

#[test]
fn a_store_of_the_first_form_is_read_whole() {
    let store = Memory::new();
    let restored = store::restore(Path::new(&format!("{FOLDER}/store/v1.backup")), &store).unwrap();
    assert!(restored.rows > 20);
    assert!(store.verify().unwrap().is_sound());
    let view = View::new(Arc::new(store));
    let filter = Filter { limit: 1_000, ..Filter::default() };
    for (name, subject) in Subject::ALL {
        let rows = view.query(subject, &filter).unwrap();
        // The first form knew no FHIR servers.
        let is_filled = !matches!(subject, Subject::Audit | Subject::Servers);
        assert_eq!(!rows.is_empty(), is_filled, "{name}: every form of row is in the old store");
    }
}
