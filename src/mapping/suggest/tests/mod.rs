//! Proposals at their border: messages in, a mapping file out, and what it reads.

mod corpus;
mod evidence;
mod made_up;
mod property;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::super::{Library, Mapping, Site, lookup};
use super::{Basis, Suggestion, suggest};
use crate::clock::Timestamp;
use crate::core::ids::SourceName;
use crate::core::local_time::Zone;
use crate::core::phone::Region;
use crate::hl7::Message;

fn now() -> Timestamp {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

fn at_site<T>(act: impl FnOnce(Site<'_>) -> T) -> T {
    let (source, locations) = (SourceName::new("main"), BTreeMap::new());
    act(Site {
        source: &source,
        zone: None,
        practice_zone: Zone::parse("America/Chicago").unwrap(),
        region: Region::US,
        locations: &locations,
    })
}

fn messages(texts: &[String]) -> Vec<Message> {
    texts.iter().map(|text| Message::read(text).unwrap()).collect()
}

fn proposal(texts: &[String]) -> Suggestion {
    proposal_of(&messages(texts))
}

fn proposal_of(samples: &[Message]) -> Suggestion {
    let base = lookup("hl7-default").unwrap();
    at_site(|site| suggest(samples, &Basis { base: &base, files: &[], site, now: now() })).unwrap()
}

fn compiled(text: &str) -> Arc<Mapping> {
    let library = Library::load([("our-ehr.toml", text)]);
    library.unwrap_or_else(|faults| panic!("{faults:?}\n{text}")).lookup("our-ehr").unwrap().clone()
}

fn events(mapping: &Mapping, texts: &[String]) -> Vec<Value> {
    at_site(|site| {
        messages(texts)
            .iter()
            .map(|msg| {
                let outcome = mapping.apply(msg, &site, now());
                outcome.to_json(&mapping.origin(msg, &site)).remove(0)
            })
            .collect()
    })
}

/// The segments of a message under a usual header.
fn message(trigger: &str, segments: &[&str]) -> String {
    let header = format!("MSH|^~\\&|OWL|MAIN|||20261120110311||{trigger}|MSG1|P|2.4");
    std::iter::once(header.as_str()).chain(segments.iter().copied()).collect::<Vec<_>>().join("\r")
}

/// The line that begins with a key.
fn line<'t>(text: &'t str, key: &str) -> &'t str {
    text.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key} in\n{text}"))
}
