//! Mappings at their border: messages in, events out.

use std::collections::BTreeMap;

use appointd::core::claim::Claim;
use appointd::core::ids::SourceName;
use appointd::core::local_time::Zone;
use appointd::core::phone::Region;
use appointd::core::rules::Place;
use appointd::hl7::Message;
use appointd::hl7::batch::split;
use appointd::mapping::{Library, Mapping, Outcome, Site, check_examples, lookup};
use chrono::{DateTime, Utc};

fn received_at() -> DateTime<Utc> {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

fn site<'a>(source: &'a SourceName, locations: &'a BTreeMap<String, Place>) -> Site<'a> {
    let practice_zone = Zone::parse("America/Chicago").unwrap();
    Site { source, zone: None, practice_zone, region: Region::US, locations }
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
        for text in split(text).messages {
            lines.push(format!("{name} | {}", told(&mapping, text)));
        }
    }
    lines.sort();
    println!("{}", lines.join("\n"));
}

/// What a message comes to, in one line without patient data.
fn told(mapping: &Mapping, text: &str) -> String {
    let source = SourceName::new("corpus");
    let locations = BTreeMap::new();
    let site = site(&source, &locations);
    let msg = match Message::read(text) {
        Ok(msg) => msg,
        Err(error) => return format!("unreadable: {error}"),
    };
    let (outcome, _) = mapping.explain(&msg, &site, received_at());
    assert_eq!(outcome, mapping.apply(&msg, &site, received_at()));
    match outcome {
        Outcome::Claims(claims) => claims.iter().map(summary).collect::<Vec<_>>().join("; "),
        Outcome::NoEvent(why) => format!("no event: {}: {}", why.code, why.sentence),
        Outcome::Failed(error) => format!("failed: {error}"),
    }
}

fn summary(claim: &Claim) -> String {
    let json = claim.to_json();
    let appointment = &json["appointment"];
    let has = |value: &serde_json::Value| match value {
        serde_json::Value::Null => "-",
        _ => "yes",
    };
    let patient = &json["patient"];
    format!(
        "{} {} {} start {} {} min, type {}, at {}, phone {}, language {}",
        claim.origin.trigger,
        claim.event.name(),
        appointment["status"],
        appointment["start"],
        appointment["duration_minutes"],
        appointment["type"],
        appointment["location"]["code"],
        has(&patient["phone"]),
        patient["language"],
    )
}
