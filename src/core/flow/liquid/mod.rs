//! The template language of flows: the part of Liquid that flows of Twilio Studio use.
//!
//! A [`Template`] is parsed once, when a flow is imported: an unknown filter or tag is a [`Fault`]
//! then, not a strange text at night. Rendering reads a scope of JSON, takes the time and the zone
//! from the caller, and always ends: work and length are bounded (see the constants below).
//! Nothing is escaped unasked, and no other template can be included.
//!
//! Filters and tags do what those of `liquidjs` do, against which a test compares them, but for this:
//!
//! - An object that is printed, joined or put into a text is JSON, also within a list.
//! - A missing value and `null` are the same: they are equal, have no order, and are `null` in JSON.
//! - Objects are equal if their fields are. Numbers beyond 2^53 in the scope keep their digits.
//! - What is no finite number (a division by zero) is nil.
//! - A date that the calendar does not have is left as it is, and `%Z` is the zone's abbreviation.
//! - A date without a time, `2026-12-01` or `20261201`, is midnight in the practice's zone, as
//!   `12/1/2026` is; there the one is midnight in UTC, a day early in America, the other seconds.
//! - A loose end in an expression, or a wrong number of arguments, is a fault.
//! - In addition there are `<>`, `to_json`, `timezone:` of `date` and `%D %F %R %r %T`.

mod cursor;
mod dates;
mod expression;
mod fault;
mod filters;
mod fuel;
mod instant;
mod lex;
mod node;
mod number;
mod parse;
mod paths;
mod render;
mod value;

use chrono_tz::Tz;
use serde_json::Value as Json;

use crate::clock::Timestamp;

pub use fault::{Cause, Fault, Name, OutOfFuel};
use node::Node;

/// The longest template; bodies of HTTP requests are a few kilobytes, texts far less.
pub const BYTES_MAX: usize = 64 * 1024;

/// The most texts, outputs and tags of a template.
pub const NODES_MAX: usize = 5_000;

/// The most blocks, or brackets, within one another; parsing and rendering recurse by them.
pub const NESTING_MAX: usize = 32;

/// The steps of a rendering: nodes, filters, paths read, and every 256 bytes copied or read. A loop
/// over a thousand rows of a few outputs fits; what takes more ends with [`OutOfFuel::Steps`].
pub const STEPS_MAX: usize = 10_000;

/// The longest text that a template makes, also on the way to its output.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// A template, parsed once.
///
/// ```
/// # use appointd::core::flow::liquid::Template;
/// let template = Template::parse("Hi {{ flow.data.name | default: 'there' | capitalize }}!")?;
/// let scope = serde_json::json!({"flow": {"data": {"name": "jane"}}});
/// let now = chrono::DateTime::UNIX_EPOCH;
/// assert_eq!(template.render(&scope, now, chrono_tz::UTC).as_deref(), Ok("Hi Jane!"));
/// assert_eq!(template.render(&().into(), now, chrono_tz::UTC).as_deref(), Ok("Hi There!"));
/// # Ok::<(), appointd::core::flow::liquid::Fault>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    nodes: Vec<Node>,
}

impl Template {
    /// Parses a text.
    ///
    /// # Errors
    ///
    /// [`Fault`] tells where the text is not of this language, and why.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        parse::parse(text).map(|nodes| Self { nodes })
    }

    /// Renders with a scope, in which a missing path is empty; dates are shown in `zone`.
    ///
    /// # Errors
    ///
    /// [`OutOfFuel`] if the work or the length goes beyond its bound.
    pub fn render(&self, scope: &Json, now: Timestamp, zone: Tz) -> Result<String, OutOfFuel> {
        render::Renderer::new(scope, now, zone).text(&self.nodes)
    }

    /// The value of a template that is one output and nothing else, such as `{{ flow.data }}`, with
    /// its type; of any other the text. For parameters and variables.
    ///
    /// # Errors
    ///
    /// [`OutOfFuel`] if the work or the length goes beyond its bound.
    pub fn value(&self, scope: &Json, now: Timestamp, zone: Tz) -> Result<Json, OutOfFuel> {
        let mut renderer = render::Renderer::new(scope, now, zone);
        match self.nodes.as_slice() {
            [Node::Output(filtered)] => renderer.json(filtered),
            nodes => renderer.text(nodes).map(Json::String),
        }
    }

    /// Every path that outputs and tags read from the scope, as far as it is written literally, in
    /// the order of first mention: `flow.data["first-name"][0]` is `flow`, `data`, `first-name`,
    /// `0`. What the template itself assigned, captured, counted or loops over before is left out.
    #[must_use]
    pub fn paths(&self) -> Vec<Vec<String>> {
        paths::of(&self.nodes)
    }

    /// The text of a template without outputs and tags.
    #[must_use]
    pub fn is_literal(&self) -> Option<&str> {
        match self.nodes.as_slice() {
            [] => Some(""),
            [Node::Text(text)] => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "liquid_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "hostile_tests.rs"]
mod hostile;
