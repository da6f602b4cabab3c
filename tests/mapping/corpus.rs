//! Messages of foreign systems, where they are at hand.

use appointd::hl7::Message;
use appointd::hl7::batch::split;
use appointd::mapping::lookup;
use serde_json::Value;

use super::explained;

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
