//! What a mapping reads, an HL7 message or a JSON resource: its kind, its feed, and the values in it.
//!
//! Rules ask here by a [`Spot`](super::spot::Spot) in either's syntax and do not mind which it is.

use std::borrow::Cow;

use serde_json::Value;

use super::fhirpath::{self, Item};
use super::lines::{Lines, Scope, Share};
use super::path::Found;
use super::spot::At;
use crate::hl7::{Message, escape};

/// What a mapping is given to read.
#[derive(Debug, Clone, Copy)]
pub enum Input<'m> {
    /// An HL7 v2 message.
    Hl7(&'m Message),
    /// A FHIR resource.
    Json(&'m Resource),
}

impl<'m> From<&'m Message> for Input<'m> {
    fn from(msg: &'m Message) -> Self {
        Self::Hl7(msg)
    }
}

impl<'m> From<&'m Resource> for Input<'m> {
    fn from(resource: &'m Resource) -> Self {
        Self::Json(resource)
    }
}

/// A FHIR resource with those that came with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resource {
    pub(super) root: Value,
    pub(super) included: Vec<Value>,
}

/// Why text is no resource; holds no value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoResource {
    /// Not JSON.
    #[error("this is no JSON (line {line}, column {column})")]
    Json {
        /// Where reading stopped.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// JSON without `resourceType`.
    #[error("the JSON is no FHIR resource: it has no resourceType")]
    Type,
}

impl Resource {
    /// Reads resources: one, several in an array, or a bundle, whose appointments are each one with
    /// all other entries beside it.
    ///
    /// # Errors
    /// [`NoResource`] if the text is none.
    pub fn read_all(text: &str) -> Result<Vec<Self>, NoResource> {
        let root: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| NoResource::Json { line: error.line(), column: error.column() })?;
        if let Value::Array(roots) = root {
            return roots.into_iter().map(|root| Self::new(root, &[])).collect();
        }
        if kind(&root) != "Bundle" {
            return Ok(vec![Self::new(root, &[])?]);
        }
        let entries = root.get("entry").and_then(Value::as_array);
        let resource = |entry: &Value| entry.get("resource").cloned();
        let all: Vec<Value> = entries.into_iter().flatten().filter_map(resource).collect();
        let told = all.iter().filter(|resource| kind(resource) == "Appointment");
        told.map(|root| Self::new(root.clone(), &all)).collect()
    }

    fn new(root: Value, included: &[Value]) -> Result<Self, NoResource> {
        if kind(&root).is_empty() {
            return Err(NoResource::Type);
        }
        let included = included.iter().filter(|other| **other != root).cloned().collect();
        Ok(Self { root, included })
    }

    /// The resource's type, such as `Appointment`.
    #[must_use]
    pub fn kind(&self) -> &str {
        kind(&self.root)
    }
}

fn kind(root: &Value) -> &str {
    root.get("resourceType").and_then(Value::as_str).unwrap_or_default()
}

/// What is under reading.
#[derive(Debug)]
pub(super) struct View<'m> {
    /// Message code and trigger event; of a resource its type as the trigger event.
    pub(super) kind: (&'m str, &'m str),
    /// The feed that it came by.
    pub(super) feed: &'m str,
    pub(super) body: Body<'m>,
}

/// Either of what can be read.
#[derive(Debug)]
pub(super) enum Body<'m> {
    Hl7(Lines<'m>),
    Json(&'m Resource),
}

impl<'m> View<'m> {
    pub(super) fn new(input: Input<'m>, feed: &'m str) -> Self {
        match input {
            Input::Hl7(msg) => {
                let lines = Lines::new(msg);
                let kind = (lines.header(9, 1), lines.header(9, 2));
                Self { kind, feed, body: Body::Hl7(lines) }
            }
            Input::Json(resource) => {
                Self { kind: ("", resource.kind()), feed, body: Body::Json(resource) }
            }
        }
    }

    /// The name of what is read, in events.
    pub(super) const fn protocol(&self) -> &'static str {
        match &self.body {
            Body::Hl7(_) => "hl7v2",
            Body::Json(_) => "fhir",
        }
    }

    /// What tells this message from others of its sender: MSH-10, or the resource's id.
    pub(super) fn control_id(&self) -> &'m str {
        match &self.body {
            Body::Hl7(lines) => lines.header(10, 1),
            Body::Json(resource) => {
                resource.root.get("id").and_then(Value::as_str).unwrap_or_default()
            }
        }
    }

    /// The time of the message as its header writes it.
    pub(super) fn stamp(&self) -> &'m str {
        match &self.body {
            Body::Hl7(lines) => lines.header(7, 1),
            Body::Json(_) => "",
        }
    }

    pub(super) fn narrow(&mut self, scope: Scope) {
        match &mut self.body {
            Body::Hl7(lines) => lines.narrow(scope),
            Body::Json(_) => {}
        }
    }

    /// The events that the message tells of; a resource is one.
    pub(super) fn shares(&self, patients: bool, times: bool) -> Result<Vec<Share>, usize> {
        match &self.body {
            Body::Hl7(lines) => lines.shares(patients, times),
            Body::Json(_) => {
                Ok(vec![Share { patients: 1, occurrence: 1, times: 1, ..Share::default() }])
            }
        }
    }

    /// A part of what was found; nothing if it is empty.
    pub(super) fn part(&self, found: &Found<'m>, at: &At) -> Option<Found<'m>> {
        match (&self.body, at) {
            (Body::Hl7(lines), At::Component(number)) => found.component(lines.msg, *number),
            (Body::Json(resource), At::Member(path)) => {
                let context = fhirpath::Context { included: &resource.included };
                let items = path.evaluate(found.node?, &context);
                items.into_iter().find_map(found_item)
            }
            (Body::Hl7(_), At::Member(_)) | (Body::Json(_), At::Component(_)) => None,
        }
    }

    /// Escape sequences decoded, where what is read has them.
    pub(super) fn decode<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match &self.body {
            Body::Hl7(lines) => escape::decode(text, lines.msg.separators()),
            Body::Json(_) => Cow::Borrowed(text),
        }
    }

    /// Where a JSON value stands, for explanations.
    pub(super) fn element(&self, found: &Found<'m>) -> Option<String> {
        match &self.body {
            Body::Hl7(_) => None,
            Body::Json(resource) => {
                let node = found.node?;
                let included = resource.included.iter();
                std::iter::once(&resource.root)
                    .chain(included)
                    .find_map(|root| fhirpath::locate(root, node))
            }
        }
    }
}

/// What a path into JSON found, as text where it is one.
pub(super) fn found_item(item: Item<'_>) -> Option<Found<'_>> {
    let node = item.node();
    let raw = match (node, item) {
        (Some(Value::String(text)), _) => Cow::Borrowed(text.as_str()),
        (Some(Value::Object(_)), _) => Cow::Borrowed(""),
        (Some(Value::Null | Value::Array(_)), _) => return None,
        (Some(Value::Bool(_) | Value::Number(_)), item) => Cow::Owned(item.text()?.into_owned()),
        (None, Item::Text(text)) => Cow::Owned(text),
        (None, item) => Cow::Owned(item.text()?.into_owned()),
    };
    let is_empty = raw.trim().is_empty() && !node.is_some_and(Value::is_object);
    (!is_empty).then_some(Found { raw, at: None, node })
}
