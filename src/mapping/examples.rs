//! The proof that a mapping carries: messages, and the events that they must give.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::Value;

use super::Site;
use super::compile::Mapping;
use super::fault::{Fault, Place};
use super::resource::Resource;
use super::spec::Example;
use super::view::Input;
use crate::clock::Timestamp;
use crate::core::ids::SourceName;
use crate::hl7::Message;

/// Runs a mapping's own examples; nothing comes back if all hold.
#[must_use]
pub fn check_examples(mapping: &Mapping) -> Vec<Fault> {
    mapping.examples.iter().filter_map(|example| check(mapping, example)).collect()
}

fn check(mapping: &Mapping, example: &Example) -> Option<Fault> {
    let key = format!("example \"{}\"", example.name);
    let fault = |problem: String| Some(Place { key, ..example.place.clone() }.fault(problem));
    let sample = match Sample::read(&example.message, mapping.reads_fhir()) {
        Ok(sample) => sample,
        Err(error) => return fault(format!("the message cannot be read: {error}")),
    };
    let input = sample.input();
    let source = SourceName::new("example");
    let locations = BTreeMap::new();
    let site = Site {
        source: &source,
        zone: None,
        practice_zone: example.zone,
        region: example.region,
        locations: &locations,
    };
    let outcome = mapping.apply(input, &site, long_after());
    let events = outcome.to_json(&mapping.origin(input, &site));
    let one = std::slice::from_ref(&example.expect);
    let expected = example.expect.as_array().map_or(one, Vec::as_slice);
    if expected.len() != events.len() {
        return fault(format!("{} events were expected, {} came", expected.len(), events.len()));
    }
    let mut pairs = expected.iter().zip(&events);
    let differs = |(expected, event): (&Value, &Value)| {
        let told = difference("", expected, event)?;
        let wants_event = expected.get("event").is_some_and(|event| !event.is_null());
        let why = event.get("reason").and_then(Value::as_str).filter(|_| wants_event);
        Some(why.map_or_else(|| told.clone(), |why| format!("{told}: {why}")))
    };
    pairs.find_map(differs).and_then(fault)
}

/// The message of an example.
enum Sample {
    Hl7(Message),
    Fhir(Resource),
}

impl Sample {
    fn read(text: &str, is_fhir: bool) -> Result<Self, String> {
        if !is_fhir {
            return Message::read(text).map(Self::Hl7).map_err(|error| error.to_string());
        }
        let all = Resource::read_all(text).map_err(|error| error.to_string())?;
        let mut read = Vec::new();
        for entry in all {
            match entry {
                Ok(resource) => read.push(resource),
                Err(passed) if passed.is_fault() => return Err(passed.to_string()),
                Err(_) => {}
            }
        }
        match read.len() {
            1 => read.pop().map(Self::Fhir).ok_or_else(String::new),
            count => Err(format!("one appointment is expected, not {count}")),
        }
    }

    const fn input(&self) -> Input<'_> {
        match self {
            Self::Hl7(msg) => Input::Hl7(msg),
            Self::Fhir(resource) => Input::Json(resource),
        }
    }
}

/// A time of receipt that no example's message lies ahead of (the year 2100).
fn long_after() -> Timestamp {
    DateTime::from_timestamp(4_102_444_800, 0).unwrap_or_default()
}

/// The first place where `actual` lacks something of `expected`.
fn difference(at: &str, expected: &Value, actual: &Value) -> Option<String> {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            expected.iter().find_map(|(key, expected)| {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                match actual.get(key) {
                    Some(actual) => difference(&at, expected, actual),
                    None => Some(format!("{at} was expected to be {expected}, and is absent")),
                }
            })
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            let mut pairs = (1..).zip(expected.iter().zip(actual));
            pairs.find_map(|(index, (expected, actual))| {
                difference(&format!("{at}[{index}]"), expected, actual)
            })
        }
        _ if expected == actual => None,
        _ => Some(format!("{at} was expected to be {expected}, and is {actual}")),
    }
}
