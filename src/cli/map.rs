//! `appointd map`: what a mapping makes of messages, without a daemon.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder as _;

use super::client::load;
use super::{Config, Failure, Format, mappings, out};
use crate::clock::Clock;
use crate::core::ids::SourceName;
use crate::core::local_time::Zone;
use crate::core::phone::Region;
use crate::core::rules::Place;
use crate::hl7::frame::{Incoming, Limits, MllpCodec, START};
use crate::hl7::{Charset, Message, batch, charset};
use crate::inbound::intake;
use crate::mapping::{Choice, Site};

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The mapping if none is named.
const MAPPING_DEFAULT: &str = "hl7-default";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Message files, `-` for the standard input; MLLP-framed or not, several messages a file
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The mapping, by name or file, or auto; else the first listener's, or hl7-default
    #[arg(long, value_name = "NAME")]
    mapping: Option<String>,
    /// The settings file, for places, zones and mappings of your own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show for every field where it was found and which rule found it
    #[arg(long)]
    explain: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
}

/// What messages are read with.
struct Reader {
    choice: Choice,
    source: SourceName,
    zone: Option<Zone>,
    practice_zone: Zone,
    region: Region,
    locations: BTreeMap<String, Place>,
}

/// A message in a file.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its text.
    pub(super) text: String,
    /// The character set that it was written in.
    pub(super) charset: Charset,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let reader = Reader::new(arguments)?;
    let mut rows = Vec::new();
    let mut faults = 0;
    for file in &arguments.files {
        for found in messages_of(file)? {
            let mut read = reader.read(&found.text, arguments.explain);
            faults += read.iter().filter(|row| row.get("fault").is_some()).count();
            if arguments.files.len() > 1 {
                for row in &mut read {
                    if let Some(object) = row.as_object_mut() {
                        object.insert("file".to_owned(), json!(file.display().to_string()));
                    }
                }
            }
            rows.append(&mut read);
        }
    }
    out::rows(&rows, arguments.format);
    if faults > 0 {
        return Err(Failure::Failed(format!("{faults} of these cannot be read as events")));
    }
    Ok(())
}

impl Reader {
    fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let Some(config) = &arguments.config else {
            let named = arguments.mapping.as_deref().unwrap_or(MAPPING_DEFAULT);
            return Ok(Self {
                choice: mappings::choice(named, None)?,
                source: SourceName::new("map"),
                zone: None,
                practice_zone: Zone::UTC,
                region: Region::US,
                locations: BTreeMap::new(),
            });
        };
        let settings = load(&Config { config: config.clone() })?;
        let first = settings.listeners.first();
        let usual = first.map_or(MAPPING_DEFAULT, |listener| listener.mapping.as_str());
        let named = arguments.mapping.as_deref().unwrap_or(usual);
        Ok(Self {
            choice: mappings::choice(named, Some(&settings))?,
            source: first.map_or_else(|| SourceName::new("map"), |listener| listener.name.clone()),
            zone: first.and_then(|listener| listener.zone),
            practice_zone: settings.rules.practice.zone,
            region: first.map_or(Region::US, |listener| listener.region),
            locations: settings.rules.locations.clone(),
        })
    }

    fn read(&self, text: &str, explain: bool) -> Vec<Value> {
        let msg = match Message::read(text) {
            Ok(msg) => msg,
            Err(fault) => {
                return vec![json!({ "event": null, "fault": fault.to_string() })];
            }
        };
        let site = Site {
            source: &self.source,
            zone: self.zone,
            practice_zone: self.practice_zone,
            region: self.region,
            locations: &self.locations,
        };
        let chosen = self.choice.of(&msg, &self.source);
        let mut rows = intake::explained(chosen, &msg, &site, Clock::system().now());
        for object in rows.iter_mut().filter_map(Value::as_object_mut) {
            if object.get("code").is_some_and(|code| code == "failed") {
                let fault = object.get("reason").cloned();
                object.extend(fault.map(|fault| ("fault".to_owned(), fault)));
            }
            if !explain {
                object.remove("explain");
            }
        }
        rows
    }
}

/// The messages of a file, framed or not.
pub(super) fn messages_of(file: &Path) -> Result<Vec<Found>, Failure> {
    let bytes = bytes_of(file)
        .map_err(|refusal| Failure::Failed(format!("{}: {refusal}", file.display())))?;
    let mut found = Vec::new();
    for payload in payloads(&bytes) {
        let decoded = charset::decode(&payload, None)
            .map_err(|fault| Failure::Failed(format!("{}: {fault}", file.display())))?;
        let batch = batch::split(&decoded.text);
        let charset = decoded.charset;
        found.extend(batch.messages.iter().map(|text| Found { text: (*text).to_owned(), charset }));
    }
    if found.is_empty() {
        return Err(Failure::Failed(format!("{}: there is no message in it", file.display())));
    }
    Ok(found)
}

fn bytes_of(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The payloads of MLLP frames, or the whole where there is no frame.
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
