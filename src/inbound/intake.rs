//! From the bytes of a frame to what the engine takes: character set, batch, reading, mapping.
//!
//! Synchronous, without socket or store. The same road is taken by a listener, by a replay and by
//! the dry run on the command line, so that what one of them shows is what the others do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::resources::Arrival;
use crate::clock::Timestamp;
use crate::core::ids::{Seq, SourceName};
use crate::core::local_time::Zone;
use crate::core::phone::Region;
use crate::core::rules::Place;
use crate::engine::{Reading, Received, Sameness};
use crate::hl7::{self, Charset, Message, batch, charset};
use crate::mapping::{Choice, Chosen, Input, Outcome, Site, Trace};

/// How many senders of one feed are remembered; a feed has one or two, an interface engine some dozen.
const SENDERS_MAX: usize = 256;

/// Where messages of one feed are read.
#[derive(Debug)]
pub struct Intake {
    /// The feed.
    pub source: SourceName,
    /// The feed whose appointments it tells of: itself, or another one.
    pub space: SourceName,
    /// What its messages are.
    pub language: Language,
    /// A character set that wins over what messages say of themselves.
    pub charset: Option<Charset>,
    /// The zone of times without one, where the place has none.
    pub zone: Option<Zone>,
    /// The region of phone numbers in national form.
    pub region: Region,
    /// Processing ids (MSH-11) that are taken; empty takes all.
    pub processing_ids: Vec<String>,
    /// When a message was last stored, in milliseconds; the start counts as one.
    pub heard_at: AtomicI64,
    /// With `auto`, the mapping that recognised a message of each sender (MSH-3 and MSH-4).
    pub senders: Mutex<BTreeMap<String, String>>,
    /// What can be replaced while running.
    pub live: RwLock<Arc<Live>>,
}

/// What messages of a feed are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// HL7 v2, in frames and batches.
    Hl7,
    /// FHIR resources.
    Fhir,
}

/// The part of an intake that a reload replaces.
#[derive(Debug)]
pub struct Live {
    /// Which mapping reads a message.
    pub mapping: Choice,
    /// The practice's places.
    pub locations: BTreeMap<String, Place>,
    /// The zone where nothing else is known.
    pub practice_zone: Zone,
}

/// Why a message was not read as events; decides the answer's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// None.
    None,
    /// There is no header to answer to.
    Headless,
    /// It is no message.
    Parse,
    /// The mapping found no way.
    Mapping,
    /// It is not meant for this system (MSH-11).
    NotForUs,
    /// It is over the listener's limit, and only its head is kept.
    TooLarge,
}

/// One message of a frame, read.
#[derive(Debug)]
pub struct Parsed {
    /// For the engine.
    pub received: Received,
    /// The message, as far as it could be read, to be answered.
    pub request: Option<Message>,
    /// What was wrong.
    pub trouble: Trouble,
}

/// A frame, read.
#[derive(Debug)]
pub struct Frame {
    /// Its messages, in order; at least one.
    pub messages: Vec<Parsed>,
    /// The control id of the batch around them (BHS-11).
    pub batch_id: Option<String>,
    /// The character set of the answer.
    pub charset: Charset,
}

impl Intake {
    /// Notes that a message was stored.
    pub fn hear(&self, now: Timestamp) {
        self.heard_at.store(now.timestamp_millis(), Ordering::Relaxed);
    }

    /// How long nothing was stored.
    #[must_use]
    pub fn silence(&self, now: Timestamp) -> TimeDelta {
        TimeDelta::milliseconds(now.timestamp_millis() - self.heard_at.load(Ordering::Relaxed))
    }

    /// The mapping and places in force.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces mapping and places.
    pub fn reload(&self, live: Live) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }

    /// Reads a frame.
    #[must_use]
    pub fn read(&self, payload: &[u8], peer: &str, now: Timestamp) -> Frame {
        let decoded = match charset::decode(payload, self.charset) {
            Ok(decoded) => decoded,
            Err(refusal) => {
                let mut parsed = self.fault(payload, peer, Trouble::Parse, refusal.to_string());
                parsed.request = hl7::ack::header_only(&String::from_utf8_lossy(payload));
                if parsed.request.is_none() {
                    parsed.trouble = Trouble::Headless;
                }
                return Frame { messages: vec![parsed], batch_id: None, charset: Charset::UTF_8 };
            }
        };
        let batch = batch::split(&decoded.text);
        let charset = decoded.charset;
        let batch_id = batch.control_id.map(str::to_owned);
        let messages = match batch.messages.as_slice() {
            [] => {
                let fault = "there is no MSH segment".to_owned();
                vec![self.fault(payload, peer, Trouble::Headless, fault)]
            }
            // The bytes as they came are kept; of a batch, each message as it was decoded.
            [only] if batch_id.is_none() => {
                vec![self.message(only, payload.to_vec(), peer, now)]
            }
            several => several
                .iter()
                .map(|text| self.message(text, charset::encode(text, charset), peer, now))
                .collect(),
        };
        Frame { messages, batch_id, charset }
    }

    /// Reads a stored message again.
    #[must_use]
    pub fn reread(&self, raw: &[u8], seq: Seq, now: Timestamp) -> Vec<Parsed> {
        let arrival = Arrival { peer: "replay", quiet: None };
        let mut messages = match self.language {
            Language::Hl7 => self.read(raw, arrival.peer, now).messages,
            Language::Fhir => self.resources(raw.to_vec(), &arrival, now),
        };
        for parsed in &mut messages {
            parsed.received.replay_of = Some(seq);
        }
        messages
    }

    /// Keeps bytes that are no message.
    #[must_use]
    pub fn fragment(&self, bytes: &[u8], peer: &str, fault: &str) -> Parsed {
        self.fault(bytes, peer, Trouble::Headless, fault.to_owned())
    }

    fn message(&self, text: &str, raw: Vec<u8>, peer: &str, now: Timestamp) -> Parsed {
        let msg = match Message::read(text) {
            Ok(msg) => msg,
            Err(fault) => {
                let mut parsed = self.fault(&raw, peer, Trouble::Parse, fault.to_string());
                parsed.request = hl7::ack::header_only(text);
                match &parsed.request {
                    Some(request) => name(&mut parsed.received, &request.header()),
                    None => parsed.trouble = Trouble::Headless,
                }
                return parsed;
            }
        };
        let header = msg.header();
        let live = self.live();
        let mut received = self.received(raw, peer, Reading::NoEvent(String::new()));
        name(&mut received, &header);
        let chosen = self.choose(&live, &msg, &received.sender);
        received.mapping = chosen.mapping.name().to_owned();
        received.mapping_hash = chosen.mapping.hash().to_owned();
        received.detected = chosen.because.map(str::to_owned);
        let site = self.site(&live);
        if let Some((reading, trouble)) = self.beforehand(&msg, &header) {
            received.reading = reading;
            return Parsed { received, request: Some(msg), trouble };
        }
        let (outcome, trace) = chosen.mapping.apply_traced(&msg, &site, now);
        received.trace = trace.into_stored();
        let (reading, trouble) = match outcome {
            Outcome::Claims(claims) => (Reading::Claims(claims), Trouble::None),
            Outcome::NoEvent(reason) => {
                let said = format!("{} ({})", reason.sentence, reason.code);
                (Reading::NoEvent(said), Trouble::None)
            }
            Outcome::Failed(fault) => (Reading::Fault(fault.to_string()), Trouble::Mapping),
        };
        received.reading = reading;
        Parsed { received, request: Some(msg), trouble }
    }

    /// The mapping for a message. One that tells nothing of its dialect is read as the sender's others
    /// were: dialects call the same numbers by different names.
    fn choose<'l>(&self, live: &'l Live, msg: &Message, sender: &str) -> Chosen<'l> {
        let chosen = live.mapping.of(msg, &self.source);
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if chosen.is_recognised {
            if senders.len() < SENDERS_MAX && !senders.contains_key(sender) {
                senders.insert(sender.to_owned(), chosen.mapping.name().to_owned());
            }
            return chosen;
        }
        let known = senders.get(sender).and_then(|name| live.mapping.named(name));
        match known.filter(|_| chosen.because.is_some()) {
            Some(mapping) => {
                let because = Some("an earlier message of the same sender was recognised");
                Chosen { mapping, because, is_recognised: false }
            }
            None => chosen,
        }
    }

    /// What is known about the feed besides its messages.
    pub(super) fn site<'a>(&'a self, live: &'a Live) -> Site<'a> {
        Site {
            source: &self.source,
            zone: self.zone,
            practice_zone: live.practice_zone,
            region: self.region,
            locations: &live.locations,
        }
    }

    /// Reads messages with the mapping in force, explains each step, and changes nothing.
    #[must_use]
    pub fn explain(&self, raw: &[u8], now: Timestamp) -> Vec<Value> {
        let fault = |fault: String| json!({ "event": null, "fault": fault });
        if self.language == Language::Fhir {
            return self.explain_resources(raw, now);
        }
        let decoded = match charset::decode(raw, self.charset) {
            Ok(decoded) => decoded,
            Err(refusal) => return vec![fault(refusal.to_string())],
        };
        let live = self.live();
        let site = self.site(&live);
        let explain = |text: &&str| match Message::read(text) {
            Ok(msg) => explained(live.mapping.of(&msg, &self.source), (&msg).into(), &site, now),
            Err(refusal) => vec![fault(refusal.to_string())],
        };
        batch::split(&decoded.text).messages.iter().flat_map(explain).collect()
    }

    /// Renders a stored trace; the lines are those of the files at the time, so the files are only
    /// named if the mapping is still the same.
    #[must_use]
    pub fn trace(&self, name: &str, hash: &str, stored: &str) -> Value {
        let live = self.live();
        let mapping = live.mapping.named(name).filter(|mapping| mapping.hash() == hash);
        let files = mapping.map(|mapping| mapping.files()).unwrap_or_default();
        Trace::from_stored(stored.to_owned()).to_json(files)
    }

    /// What is decided before any mapping is asked.
    fn beforehand(&self, msg: &Message, header: &hl7::Header) -> Option<(Reading, Trouble)> {
        if hl7::is_acknowledgment(msg) {
            let reason = "acknowledgment: an answer, not an event";
            return Some((Reading::NoEvent(reason.to_owned()), Trouble::None));
        }
        let is_for_us =
            self.processing_ids.is_empty() || self.processing_ids.contains(&header.processing_id);
        if !is_for_us {
            let reason = format!("processing id {} is not taken here", header.processing_id);
            return Some((Reading::NoEvent(reason), Trouble::NotForUs));
        }
        None
    }

    fn fault(&self, raw: &[u8], peer: &str, trouble: Trouble, fault: String) -> Parsed {
        let received = self.received(raw.to_vec(), peer, Reading::Fault(fault));
        Parsed { received, request: None, trouble }
    }

    pub(super) fn received(&self, raw: Vec<u8>, peer: &str, reading: Reading) -> Received {
        Received {
            source: self.source.clone(),
            peer: peer.to_owned(),
            control_id: String::new(),
            trigger: String::new(),
            sender: String::new(),
            mapping: String::new(),
            mapping_hash: String::new(),
            detected: None,
            trace: String::new(),
            raw,
            sameness: Sameness::Bytes,
            reading,
            replay_of: None,
        }
    }
}

/// Renders what a message is read as: one object for each event, with its explanation.
#[must_use]
pub fn explained(
    chosen: Chosen<'_>,
    input: Input<'_>,
    site: &Site<'_>,
    now: Timestamp,
) -> Vec<Value> {
    let (outcome, explanations) = chosen.mapping.explain(input, site, now);
    let mut rows = outcome.to_json(&chosen.mapping.origin(input, site));
    let explanations = explanations.iter().map(Some).chain(std::iter::repeat(None));
    for (row, explanation) in rows.iter_mut().zip(explanations) {
        let Some(object) = row.as_object_mut() else { continue };
        if let Some(because) = chosen.because {
            object.insert("detected".to_owned(), because.into());
        }
        if let Some(explanation) = explanation {
            object.insert("explain".to_owned(), explanation.to_json());
        }
    }
    rows
}

fn name(received: &mut Received, header: &hl7::Header) {
    received.control_id.clone_from(&header.control_id);
    received.trigger = if header.trigger.is_empty() {
        header.message_code.clone()
    } else {
        format!("{}^{}", header.message_code, header.trigger)
    };
    received.sender = format!("{}|{}", header.sending_application, header.sending_facility);
}
