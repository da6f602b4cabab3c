//! Mappings at their border: messages in, events out.

use std::collections::BTreeMap;

use appointd::core::claim::Claim;
use appointd::core::ids::SourceName;
use appointd::core::local_time::Zone;
use appointd::core::phone::Region;
use appointd::core::rules::Place;
use appointd::hl7::Message;
use appointd::mapping::{Library, Mapping, Outcome, Site, check_examples, lookup};
use chrono::{DateTime, Utc};

fn received_at() -> DateTime<Utc> {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

#[test]
fn every_shipped_mapping_does_what_its_examples_say() {
    let library = Library::load([]).unwrap();
    for mapping in library.iter() {
        let faults: Vec<_> = check_examples(mapping).iter().map(ToString::to_string).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// Runs when the folder of foreign messages lies beside the project.
#[test]
fn every_foreign_message_is_mapped_or_refused_with_a_reason() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/hl7");
    let Ok(files) = std::fs::read_dir(folder) else { return };
    let mapping = lookup("hl7-default").unwrap();
    let source = SourceName::new("corpus");
    let locations = BTreeMap::new();
    let mut lines = Vec::new();
    for file in files {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "hl7") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(&bytes);
        let text =
            text.trim_matches(|char: char| char.is_control() && char != '\r' && char != '\n');
        for text in appointd::hl7::batch::split(text)
            .map(|b| b.messages.iter().map(|m| m.to_string()).collect())
            .unwrap_or_else(|_| vec![text.to_owned()])
        {
            let outcome = match Message::read(&text) {
                Ok(msg) => told(&mapping, &msg, &source, &locations),
                Err(error) => format!("unreadable: {error}"),
            };
            lines.push(format!("{name} | {outcome}"));
        }
    }
    lines.sort();
    println!("{}", lines.join("\n"));
}
