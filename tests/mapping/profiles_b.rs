//! What every shipped mapping owes its reader, and what some of them make of messages.

use std::collections::BTreeSet;
use std::fs;

use appointd::core::ids::SourceName;
use appointd::core::local_time::Zone;
use appointd::core::phone::Region;
use appointd::hl7::Message;
use appointd::mapping::{Library, Mapping, Resource, Site, lookup};
use serde_json::Value;

use super::received_at;

const EXAMPLES_MIN: usize = 8;
const EVENTS: [&str; 6] =
    ["BOOKED", "RESCHEDULED", "MODIFIED", "CONFIRMED", "CANCELED", "NOSHOWED"];
/// Events that a dialect cannot tell: Millennium calls every appointment that stands confirmed.
const UNTOLD: [(&str, &str); 1] = [("cerner", "CONFIRMED")];
/// Events that no resource tells: it says what is, not what happened.
const UNTOLD_BY_STATE: [&str; 3] = ["RESCHEDULED", "MODIFIED", "CONFIRMED"];

fn text_of(mapping: &Mapping) -> String {
    let file = format!("{}/mappings/{}.toml", env!("CARGO_MANIFEST_DIR"), mapping.name());
    fs::read_to_string(file).unwrap()
}

/// Name, message and expectation of each example of a mapping.
fn examples_of(mapping: &Mapping) -> Vec<[String; 3]> {
    let document: toml::Table = text_of(mapping).parse().unwrap();
    let text = |one: &toml::Value, key| one[key].as_str().unwrap().to_owned();
    let examples = document["example"].as_array().unwrap().iter();
    examples.map(|one| ["name", "message", "expect"].map(|key| text(one, key))).collect()
}

/// The mapping that recognises a message.
fn detected(library: &Library, text: &str) -> Option<String> {
    let source = SourceName::new("main");
    let detected = if text.trim_start().starts_with('{') {
        let entries = Resource::read_all(text).unwrap();
        let resource = entries.into_iter().find_map(Result::ok)?;
        library.detect(&resource, &source)
    } else {
        library.detect(&Message::read(text).ok()?, &source)
    };
    detected.map(|detected| detected.mapping.name().to_owned())
}

/// What a mapping makes of one message of a practice in this zone and country.
fn read_in(mapping: &Mapping, zone: &str, region: &str, text: &str) -> Value {
    let source = SourceName::new("main");
    let site = Site {
        source: &source,
        zone: None,
        practice_zone: Zone::parse(zone).unwrap(),
        region: Region::parse(region).unwrap(),
        locations: &Default::default(),
    };
    let msg = Message::read(text).unwrap();
    let outcome = mapping.apply(&msg, &site, received_at());
    outcome.to_json(&mapping.origin(&msg, &site)).remove(0)
}

#[test]
fn every_mapping_file_is_shipped() {
    let library = Library::load([]).unwrap();
    let shipped: BTreeSet<_> = library.iter().map(|mapping| mapping.name().to_owned()).collect();
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> =
        files.filter_map(|file| Some(file.strip_suffix(".toml")?.to_owned())).collect();
    assert_eq!(shipped, files);
}

#[test]
fn every_mapping_says_what_it_rests_on() {
    for mapping in Library::load([]).unwrap().iter() {
        let text = text_of(mapping);
        let header: Vec<_> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let name = mapping.name();
        assert!(header.iter().any(|line| line.contains("Rests on")), "{name}: on what?");
    }
}

#[test]
fn every_mapping_has_an_example_of_each_event() {
    for mapping in Library::load([]).unwrap().iter() {
        let (name, examples) = (mapping.name(), examples_of(mapping));
        assert!(examples.len() >= EXAMPLES_MIN, "{name}: {} examples", examples.len());
        let rules: BTreeSet<_> = examples.iter().map(|[rule, ..]| rule).collect();
        assert_eq!(rules.len(), examples.len(), "{name}: two examples of one name");
        let events = |[.., expect]: &[String; 3]| -> Vec<String> {
            let json: Value = serde_json::from_str(expect).unwrap();
            let one = std::slice::from_ref(&json);
            let events = json.as_array().map_or(one, Vec::as_slice);
            events.iter().filter_map(|event| Some(event["event"].as_str()?.to_owned())).collect()
        };
        let shown: BTreeSet<_> = examples.iter().flat_map(events).collect();
        for event in EVENTS {
            let is_untold = mapping.reads_fhir() && UNTOLD_BY_STATE.contains(&event);
            let is_told = shown.contains(event) || UNTOLD.contains(&(name, event));
            assert!(is_told || is_untold, "{name}: no example of {event}");
        }
    }
}

#[test]
fn every_dialect_recognises_its_own_messages_and_no_others() {
    let library = Library::load([]).unwrap();
    for mapping in library.iter() {
        let name = mapping.name();
        let mut is_recognised = name == "hl7-default";
        for [rule, message, _] in examples_of(mapping) {
            if let Some(by) = detected(&library, &message) {
                assert_eq!(by, name, "\"{rule}\"");
                is_recognised = true;
            }
        }
        assert!(is_recognised, "{name} recognises none of its own examples");
    }
}

#[test]
fn what_a_dialect_leaves_out_is_not_said() {
    let samedi = "MSH|^~\\&|samedi-hl7gateway|samedi|kis|x|20261120||SIU^S15|1|P|2.5\r\
        SCH||e-1||||BOOKED|||600||||||||||||||||Deleted\r\
        PID|1||p1^^^&www.example.org&DNS^PI||Doe^Jane\r\
        RGS|1|D\rAIG|1|D|2^Frances Diaz^99^arzt-2\rAIG|2|D|1^Raum 1^99^raum-1";
    let json = read_in(&lookup("samedi").unwrap(), "Europe/Berlin", "DE", samedi);
    assert_eq!(json["event"], "CANCELED");
    for field in ["/patient/phone", "/appointment/location", "/appointment/provider"] {
        assert_eq!(json.pointer(field), None, "{field}: {json}");
    }
    let pas = "MSH|^~\\&|OWL_PAS|OWL|||20261120||SIU^S14|1|P|2.4\rSCH|OP1\r\
        AIP|1||||x||20261120140527|0|MINS|15|MINS||confirmed";
    let json = read_in(&lookup("nhs-pas").unwrap(), "Europe/London", "GB", pas);
    assert_eq!(json["event"], "MODIFIED");
    for field in ["start", "end", "duration_minutes", "status", "provider"] {
        assert_eq!(json["appointment"].get(field), None, "{field}: {json}");
    }
}

/// Runs when the folder of foreign messages lies beside the project.
#[test]
fn foreign_messages_are_read_by_their_own_mapping() {
    for (file, mapping, event, status, start) in [
        ("corepoint_siu-example", "ge-centricity", "MODIFIED", "arrived", "03-06T10:00"),
        ("nhs_pas_s12", "nhs-pas", "BOOKED", "booked", "10-24T09:45"),
        ("nhs_pas_s14", "nhs-pas", "MODIFIED", "booked", "10-31T10:00"),
        ("nhs_pas_s15", "nhs-pas", "CANCELED", "canceled", "10-24T09:45"),
        ("nhs_pas_s26", "nhs-pas", "NOSHOWED", "noshow", "10-24T09:45"),
        ("nhs_pas_z02", "nhs-pas", "MODIFIED", "fulfilled", "10-24T09:45"),
        ("nhs_pas_adt_a05", "nhs-pas", "BOOKED", "booked", "10-24T09:45"),
        ("nhs_pas_adt_a38", "nhs-pas", "CANCELED", "canceled", "10-24T09:45"),
        ("samedi_s12", "samedi", "BOOKED", "booked", "05-16T13:00"),
        ("samedi_s14", "samedi", "MODIFIED", "booked", "05-16T14:00"),
        ("samedi_s15", "samedi", "CANCELED", "canceled", "05-16T14:00"),
    ] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/hl7");
        let Ok(text) = fs::read_to_string(format!("{folder}/{file}.hl7")) else { continue };
        let json = read_in(&lookup(mapping).unwrap(), "Europe/London", "GB", &text);
        let appointment = &json["appointment"];
        let said = appointment["start"].as_str().and_then(|start| start.get(5..16));
        assert_eq!((&json["event"], &appointment["status"]), (&event.into(), &status.into()));
        assert_eq!(said, Some(start), "{file}");
        assert_eq!(json["patient"]["ids"].as_array().map(Vec::len), Some(1), "{file}");
    }
}

/// Runs when the folder of foreign messages lies beside the project.
#[test]
fn foreign_messages_are_recognised_by_their_own_mapping_only() {
    let library = Library::load([]).unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/hl7");
    let Ok(files) = fs::read_dir(folder) else { return };
    // Of the last two there is no message at all.
    let own = [
        ("corepoint_siu-example", "ge-centricity"),
        ("nhs_pas_", "nhs-pas"),
        ("samedi_s", "samedi"),
        ("none", "eclinicalworks"),
        ("none", "nextgen-enterprise"),
    ];
    for file in files {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let by = detected(&library, text.trim_matches(|char: char| char.is_control()));
        for (prefix, mapping) in own {
            let is_own = name.starts_with(prefix);
            assert_eq!(by.as_deref() == Some(mapping), is_own, "{name} by {by:?}");
        }
    }
}
