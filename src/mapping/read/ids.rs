//! Identifiers: all that a message gives, with who assigned them, and the ids of others.

use std::borrow::Cow;

use serde_json::Value;

use super::super::compile::Compiled;
use super::super::fhirpath::Name;
use super::super::output::Output;
use super::super::path::Found;
use super::super::record::{Recorder, Verdict};
use super::super::source::{IdAt, Options, System};
use super::super::view::Body;
use super::{Reader, bounded};
use crate::core::ids::Identifier;

/// The longest identifier: EI.1 and CX.1 hold 199 characters at most (HL7 v2.7).
const ID_BYTES_MAX: usize = 400;
/// The most identifiers of one appointment or patient.
const IDS_MAX: usize = 32;

impl<'m, R: Recorder> Reader<'m, R> {
    /// Every identifier of every source.
    pub(in super::super) fn ids(&mut self, output: Output) -> Vec<Identifier> {
        self.recorder.begin(output);
        let mut ids: Vec<Identifier> = Vec::new();
        for compiled in self.mapping.sources(output) {
            let Options::Ids(at) = &compiled.source.options else { continue };
            self.each(compiled, |reader, found| {
                let verdict = match reader.id(compiled, &found, at) {
                    None => Verdict::NoIdentifier,
                    Some(id) if ids.contains(&id) => Verdict::Duplicate,
                    Some(id) => {
                        ids.push(id);
                        Verdict::Taken
                    }
                };
                reader.attempt(compiled, &found, verdict);
                ids.len() >= IDS_MAX
            });
        }
        ids
    }

    fn id(&self, compiled: &Compiled, found: &Found<'m>, at: &IdAt) -> Option<Identifier> {
        // A constant, and a JSON text, is the identifier itself.
        let is_plain = found.at.is_none() && !found.node.is_some_and(Value::is_object);
        let mut value = if is_plain { self.text(found) } else { self.component(found, &at.value)? };
        if let Some(expression) = &compiled.source.capture {
            value = expression.capture(value)?;
        }
        for path in &at.also {
            if let Some(part) = path.first(self.view).filter(|part| !part.is_null()) {
                value = Cow::Owned(format!("{value}/{}", self.text(&part)));
            }
        }
        // Systems fill an unused number with zeros; it would make one of many.
        let is_nothing = value.bytes().all(|byte| byte == b'0');
        if is_nothing || value.len() > ID_BYTES_MAX {
            return None;
        }
        let system = match &at.system {
            System::Named(name) => Cow::Borrowed(name.as_str()),
            System::At(parts) => parts
                .iter()
                .find_map(|at| self.component(found, at).filter(|text| !text.is_empty()))
                .unwrap_or(Cow::Borrowed("patient")),
        };
        Some(Identifier::new(value.into_owned(), bounded(&system)))
    }

    /// The ids of others; of a reference to one the id at its end.
    pub(in super::super) fn references(&mut self, output: Output) -> Vec<String> {
        let ids = self.ids(output).into_iter().map(|id| id.value);
        match &self.view.body {
            Body::Hl7(_) => ids.collect(),
            Body::Json(_) => {
                let tail = |id: String| Name::of(&id).map(|name| name.id.to_owned()).unwrap_or(id);
                ids.map(tail).collect()
            }
        }
    }
}
