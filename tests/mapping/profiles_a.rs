//! Shipped profiles: each proves itself, and is recognised by nothing but its own messages.

use appointd::core::ids::SourceName;
use appointd::hl7::Message;
use appointd::mapping::Library;
use toml::Table;

const PROFILES: [(&str, &str); 7] = [
    ("allscripts-pm", include_str!("../../mappings/allscripts-pm.toml")),
    ("athenahealth", include_str!("../../mappings/athenahealth.toml")),
    ("cerner", include_str!("../../mappings/cerner.toml")),
    ("epic", include_str!("../../mappings/epic.toml")),
    ("meditech", include_str!("../../mappings/meditech.toml")),
    ("mie-webchart", include_str!("../../mappings/mie-webchart.toml")),
    ("nextgen-office", include_str!("../../mappings/nextgen-office.toml")),
];

fn examples(text: &str) -> Vec<Table> {
    let file: Table = text.parse().unwrap();
    let examples = file["example"].as_array().unwrap();
    examples.iter().map(|example| example.as_table().unwrap().clone()).collect()
}

#[test]
fn a_profile_proves_every_event_and_a_null() {
    for (name, text) in PROFILES {
        let expected: Vec<_> =
            examples(text).iter().map(|e| e["expect"].as_str().unwrap().to_owned()).collect();
        assert!(expected.len() >= 8, "{name}");
        for event in ["BOOKED", "MODIFIED", "CANCELED", "NOSHOWED"] {
            let wanted = format!("\"event\": \"{event}\"");
            assert!(expected.iter().any(|json| json.contains(&wanted)), "{name} {event}");
        }
        assert!(expected.iter().any(|json| json.contains("\"phone\": null")), "{name}");
    }
}

#[test]
fn a_profile_recognises_its_own_messages_and_no_others() {
    let library = Library::load([]).unwrap();
    let source = SourceName::new("main");
    for (name, text) in PROFILES {
        for example in examples(text) {
            let msg = Message::read(example["message"].as_str().unwrap()).unwrap();
            let found = library.detect(&msg, &source);
            let found = found.as_ref().map(|found| found.mapping.name());
            // MEDITECH does not say who it is, and not every message has what gives it away.
            let may_be_nobodys = name == "meditech";
            let is_own = found == Some(name) || (found.is_none() && may_be_nobodys);
            assert!(is_own, "{name}: {} is taken for {found:?}", example["name"]);
        }
    }
}
