//! Messages of foreign systems, where they are at hand: what each comes to is written down.
//!
//! `corpus.golden` has a line for each message, without names, numbers or phones, and a digest of
//! the whole event, so that any change is seen. It was compared with the messages by hand;
//! `APPOINTD_GOLDEN=write cargo test --test mapping corpus` writes it anew, to be compared again.

use std::collections::BTreeMap;
use std::path::Path;

use appointd::core::ids::SourceName;
use appointd::core::local_time::Zone;
use appointd::core::phone::Region;
use appointd::hl7::frame::{Incoming, Limits, MllpCodec, START};
use appointd::hl7::{Message, batch, charset};
use appointd::mapping::{Library, Mapping, Site};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder as _;

use super::received_at;

/// The folder of foreign messages; the test does nothing where it is not there.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/hl7");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mapping/corpus.golden");

const US: (&str, &str) = ("America/Chicago", "US");

/// How messages are read, by the beginning of the file's name: mapping, zone and region of the
/// sender. The first that fits counts.
const SENDERS: &[(&str, &str, (&str, &str))] = &[
    ("ack_adr", "hl7-default", US),
    ("allscripts", "allscripts-pm", US),
    ("alternate_delimiters", "allscripts-pm", US),
    ("athena", "athenahealth", US),
    ("barts_cerner", "cerner", ("Europe/London", "GB")),
    ("china", "hl7-default", ("Asia/Shanghai", "CN")),
    ("clicrdv", "hl7-default", ("Europe/Paris", "FR")),
    ("corepoint", "ge-centricity", US),
    ("epic", "epic", US),
    ("google_epic", "epic", US),
    ("mie_webchart", "mie-webchart", ("Pacific/Honolulu", "US")),
    ("nextgen_office", "nextgen-office", ("America/New_York", "US")),
    ("nhs_pas", "nhs-pas", ("Europe/London", "GB")),
    ("samedi", "samedi", ("Europe/Berlin", "DE")),
    ("zorgdomein", "hl7-default", ("Europe/Amsterdam", "NL")),
    ("", "hl7-default", US),
];

#[test]
fn every_foreign_message_comes_to_what_is_written_down() {
    let Ok(files) = std::fs::read_dir(FOLDER) else { return };
    let library = Library::load([]).unwrap();
    let mut lines = Vec::new();
    for file in files {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "hl7") {
            lines.extend(lines_of(&path, &library));
        }
    }
    lines.sort();
    let head = "file | mapping | recognised as | event, or why none | status | start | minutes | known of the patient | digest";
    let told = format!("{head}\n{}\n", lines.join("\n"));
    if std::env::var("APPOINTD_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(GOLDEN, &told).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    for (told, golden) in told.lines().zip(golden.lines()) {
        assert_eq!(told, golden);
    }
    assert_eq!(told.lines().count(), golden.lines().count());
}

fn lines_of(path: &Path, library: &Library) -> Vec<String> {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let (_, mapping, place) = SENDERS.iter().find(|(start, ..)| name.starts_with(start)).unwrap();
    let mapping = library.lookup(mapping).unwrap();
    let mut lines = Vec::new();
    for payload in payloads(&std::fs::read(path).unwrap()) {
        let text = charset::decode(&payload, None).unwrap().text;
        let messages = batch::split(&text).messages;
        if messages.is_empty() {
            lines.push(format!("{name} | {} | there is no message in it", mapping.name()));
        }
        for text in messages {
            for row in rows(mapping, text, library, *place) {
                let number = lines.len() + 1;
                lines.push(format!("{name} {number} | {} | {row}", mapping.name()));
            }
        }
    }
    lines
}

/// What is in MLLP frames, or the whole where there is no frame.
fn payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    if !bytes.contains(&START) {
        return vec![bytes.to_vec()];
    }
    let limits = Limits { frame_bytes_max: bytes.len(), ..Limits::default() };
    let mut codec = MllpCodec::new(limits);
    let mut buffer = BytesMut::from(bytes);
    let mut payloads = Vec::new();
    while let Ok(Some(incoming)) = codec.decode_eof(&mut buffer) {
        match incoming {
            Incoming::Frame(frame) => payloads.push(frame.payload.to_vec()),
            Incoming::Partial(rest) => payloads.push(rest.to_vec()),
            Incoming::Abandoned(_) | Incoming::TooLarge(_) | Incoming::Commit(_) => {}
        }
    }
    payloads
}

fn rows(
    mapping: &Mapping,
    text: &str,
    library: &Library,
    (zone, region): (&str, &str),
) -> Vec<String> {
    let msg = match Message::read(text) {
        Ok(msg) => msg,
        Err(error) => return vec![format!("unreadable: {error}")],
    };
    let source = SourceName::new("main");
    let locations = BTreeMap::new();
    let site = Site {
        source: &source,
        zone: None,
        practice_zone: Zone::parse(zone).unwrap(),
        region: Region::parse(region).unwrap(),
        locations: &locations,
    };
    let outcome = mapping.apply(&msg, &site, received_at());
    let (explained, _) = mapping.explain(&msg, &site, received_at());
    assert_eq!(explained, outcome, "explaining changes nothing");
    let found = library.detect(&msg, &source);
    let found = found.as_ref().map_or("-", |found| found.mapping.name());
    let events = outcome.to_json(&mapping.origin(&msg, &site));
    events.into_iter().map(|event| format!("{found} | {}", row(event))).collect()
}

/// An event in one line, without what tells who the patient is.
pub(super) fn row(mut event: Value) -> String {
    // The mapping's own digest changes with every comment in its file.
    event["source"].as_object_mut().unwrap().shift_remove("mapping_hash").unwrap();
    let digest = Sha256::digest(event.to_string());
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let said = |value: Option<&Value>| value.map_or_else(|| "-".to_owned(), text);
    if event["event"].is_null() {
        let field = event.get("field").map(|field| format!(" {}", text(field)));
        return format!("{}{} | {digest}", text(&event["code"]), field.unwrap_or_default());
    }
    let (appointment, patient) = (&event["appointment"], &event["patient"]);
    let phone = patient.get("phone");
    let phone =
        phone.map(|phone| if phone.is_null() { "phone deleted" } else { "phone" }.to_owned());
    let known: Vec<_> = phone
        .into_iter()
        .chain(patient.get("language").map(text))
        .chain(patient.get("deceased").map(|deceased| format!("deceased {deceased}")))
        .collect();
    format!(
        "{} | {} | {} | {} | {} | {digest}",
        text(&event["event"]),
        said(appointment.get("status")),
        said(appointment.get("start")),
        said(appointment.get("duration_minutes")),
        if known.is_empty() { "-".to_owned() } else { known.join(", ") },
    )
}
