//! What a mapping reads, an HL7 message or a JSON resource: its kind, its feed, and the values in it.
//!
//! Rules ask here by a [`Spot`](super::spot::Spot) in either's syntax and do not mind which it is.

use std::borrow::Cow;
use std::cell::Cell;

use serde_json::Value;

use super::fhirpath::{self, Context, Hit, Item, TooMuch, Values, Variables};
use super::lines::{Lines, Scope, Share};
use super::path::Found;
use super::resource::Resource;
use super::spot::At;
use super::{Error, participants};
use crate::clock::Timestamp;
use crate::core::appointment::Held;
use crate::core::claim::Origin;
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
    Json(Sheet<'m>),
}

/// A resource as a mapping looks at it.
#[derive(Debug)]
pub(super) struct Sheet<'m> {
    pub(super) resource: &'m Resource,
    variables: &'m Variables,
    /// What they give in what is looked at.
    values: Values<'m>,
    now: Option<Timestamp>,
    scope: Scope,
    /// Whether a path wanted more than it may: then nothing that was read can be believed.
    is_exceeded: Cell<bool>,
}

impl<'m> Sheet<'m> {
    fn new(resource: &'m Resource) -> Self {
        static NONE: Variables = Variables::none();
        Self {
            resource,
            variables: &NONE,
            values: Values::none(),
            now: None,
            scope: Scope::default(),
            is_exceeded: Cell::new(false),
        }
    }

    fn context(&self) -> Context<'_, 'm> {
        Context {
            root: self.resource.root(),
            url: self.resource.url(),
            beside: self.resource.beside(),
            hidden: &self.scope.hidden,
            variables: self.variables,
            values: &self.values,
            now: self.now,
        }
    }

    /// What stands at a path.
    pub(super) fn find(&self, path: &fhirpath::Path) -> Vec<Found<'m>> {
        self.told(path.find(&self.context()))
    }

    /// What stands at a path from what was found before.
    fn find_from(&self, found: &Found<'m>, path: &fhirpath::Path) -> Vec<Found<'m>> {
        let Some((node, home)) = found.node.zip(found.home) else { return Vec::new() };
        self.told(path.find_from(node, home, &self.context()))
    }

    fn told(&self, hits: Result<Vec<Hit<'m>>, TooMuch>) -> Vec<Found<'m>> {
        match hits {
            Ok(hits) => hits.into_iter().filter_map(found_item).collect(),
            Err(TooMuch) => {
                self.is_exceeded.set(true);
                Vec::new()
            }
        }
    }

    /// The elements that a variable of the mapping leads to.
    pub(super) fn named(&self, variable: &str) -> Vec<&'m Value> {
        let path = self.variables.get(variable);
        let found = path.map(|path| self.find(path)).unwrap_or_default();
        found.into_iter().filter_map(|found| found.node).collect()
    }
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
                Self { kind: ("", resource.kind()), feed, body: Body::Json(Sheet::new(resource)) }
            }
        }
    }

    /// Looks with a mapping's variables, at a time.
    pub(super) fn with(mut self, variables: &'m Variables, now: Timestamp) -> Self {
        if let Body::Json(sheet) = &mut self.body {
            sheet.variables = variables;
            sheet.now = Some(now);
        }
        self
    }

    /// The name of what is read, in events.
    pub(super) const fn protocol(&self) -> &'static str {
        match &self.body {
            Body::Hl7(_) => Origin::HL7,
            Body::Json(_) => Origin::FHIR,
        }
    }

    /// What tells this message from others of its sender: MSH-10, or the resource's id.
    pub(super) fn control_id(&self) -> &'m str {
        match &self.body {
            Body::Hl7(lines) => lines.header(10, 1),
            Body::Json(sheet) => sheet.resource.id(),
        }
    }

    /// The time of the message as its header writes it.
    pub(super) fn stamp(&self) -> &'m str {
        match &self.body {
            Body::Hl7(lines) => lines.header(7, 1),
            Body::Json(_) => "",
        }
    }

    /// The resource that it is at its server.
    pub(super) fn held(&self) -> Option<Held> {
        match &self.body {
            Body::Hl7(_) => None,
            Body::Json(sheet) => sheet.resource.held(),
        }
    }

    /// Whether an offset in a time tells the zone of the place. Servers of FHIR count in whatever
    /// offset they like, mostly in that of no place.
    pub(super) const fn offset_is_zone(&self) -> bool {
        match &self.body {
            Body::Hl7(_) => true,
            Body::Json(_) => false,
        }
    }

    pub(super) fn narrow(&mut self, scope: Scope) {
        match &mut self.body {
            Body::Hl7(lines) => lines.narrow(scope),
            Body::Json(sheet) => {
                sheet.scope = scope;
                sheet.values = Values::none();
                sheet.values = sheet.variables.values(&sheet.context());
            }
        }
    }

    /// The events that it tells of.
    pub(super) fn shares(&self, patients: bool, times: bool) -> Result<Vec<Share>, Error> {
        match &self.body {
            Body::Hl7(lines) => {
                lines.shares(patients, times).map_err(|found| Error::TooMany { found })
            }
            Body::Json(sheet) => participants::shares(sheet, patients),
        }
    }

    /// Whether something could not be looked through, so that nothing else is to be believed.
    pub(super) const fn is_exceeded(&self) -> bool {
        match &self.body {
            Body::Hl7(_) => false,
            Body::Json(sheet) => sheet.is_exceeded.get(),
        }
    }

    /// A part of what was found; nothing if it is empty.
    pub(super) fn part(&self, found: &Found<'m>, at: &At) -> Option<Found<'m>> {
        match (&self.body, at) {
            (Body::Hl7(lines), At::Component(number)) => found.component(lines.msg, *number),
            (Body::Json(sheet), At::Member(path)) => {
                sheet.find_from(found, path).into_iter().next()
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
            Body::Json(_) => fhirpath::locate(found.home?.resource, found.node?),
        }
    }
}

/// What a path into JSON found, as text where it is one.
fn found_item(hit: Hit<'_>) -> Option<Found<'_>> {
    let Hit { item, home } = hit;
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
    (!is_empty).then_some(Found { raw, at: None, node, home: Some(home) })
}
