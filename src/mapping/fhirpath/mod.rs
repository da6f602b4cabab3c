//! Paths into JSON resources: a subset of `FHIRPath` (N1, version 2.0.0), for FHIR R4 and R5.
//!
//! [`Path::parse`] reads a path, [`Path::evaluate`] finds what stands there, [`locate()`] says
//! where that is. It knows JSON and FHIR's conventions, not FHIR's definitions: what an element may be
//! called is not checked. It knows nothing of mappings and of HL7 v2, and fetches nothing.
//!
//! # The subset
//!
//! | written | gives |
//! |---|---|
//! | `Appointment.status`, `status` | the element; a type in front (also `Resource`) gives nothing on another |
//! | `participant.actor.reference` | arrays are taken apart: the references of all participants |
//! | `deceased`, `value` | choice elements without their type: `deceasedBoolean`, `valueString` |
//! | `` `odd name` `` | an element whose name is no word |
//! | `participant[0]` | the first; nothing if there are fewer |
//! | `first()` `last()` `tail()` `skip(n)` `take(n)` | of several; `single()`: the only one, else nothing |
//! | `where(type = 'x')` | those for which it is true; `$this` is the one in question |
//! | `select(x)` | what `x` gives for each, one after the other |
//! | `exists()` `exists(x)` `empty()` `all(x)` `count()` `not()` | truth and number |
//! | `extension('url')` | the extension, also of a primitive (`start.extension(..)` reads `_start`) |
//! | `ofType(Patient)`, `value.ofType(Quantity)` | resources by type, choice elements by the type in their name |
//! | `resolve()` | the resource that a reference means, see below |
//! | `startsWith` `endsWith` `contains` `matches` `replace` `lower` `upper` `trim` `substring` `length` `split` `join` | functions of a text |
//! | `iif(c, a, b)` | `a` if `c` is true, else `b`, which may be missing |
//! | <code>a \| b</code> | both, equal ones once |
//! | `=` `!=` `~` `!~` `<` `<=` `>` `>=` `in` | comparisons; `~` without regard to capitals, blanks and order |
//! | `and` `or` `xor` `implies` | three-valued logic |
//! | `&` `+` | texts put together; without one of them `&` gives the other, `+` nothing |
//! | `'text'` `12` `-1.5` `true` `@2026-01-31` `@2026-01-31T10:30:00Z` | values; escapes in texts: `\'` `\\` `\n` `\u0041` |
//! | `$this`, `%resource`, `( )` | the item in question, the resource of the path, grouping |
//!
//! What binds most, to what binds least: `.` and `[ ]`; `&` `+`; `|`; `<` and its like; `=` and its
//! like; `in`; `and`; `or` `xor`; `implies`.
//!
//! # Where it is not `FHIRPath`
//!
//! - Nothing fails. Where `FHIRPath` signals an error (several items where one is meant, a number
//!   where a text is meant, more than one for `single()`), there is nothing.
//! - Dates and times are texts, compared as such: `@2026-01-31 < '2026-01-31T10:00:00Z'` is true,
//!   time zones are not looked at.
//! - `matches` searches, as in `FHIRPath`: `^` and `$` bind it to the ends. Its pattern stands in
//!   quotes, in the syntax of the crate `regex`, without look-around and backward references.
//! - `&` and `join` write numbers and Booleans; `+` does not, and does not add. There is no other
//!   arithmetic; decimals are binary, `0.10 = 0.1`. No quantities, and no conversions.
//! - Elements may be called by their JSON names too: `resourceType`, `valueString`, `_start`. Any
//!   element is taken for a choice element if its name ends in a type and it is no array, so that
//!   `birth` finds `birthDate`.
//! - Nulls are skipped. A primitive that has nothing but extensions is not there; what it has is
//!   read by its JSON name: `_birthDate.extension('url')`.
//! - `ofType` of what is neither resource nor choice element knows `boolean`, `integer`, `decimal`
//!   and `string` only, by the JSON.
//! - `trim`, `split` and `join` are of later versions.
//! - Arguments that are plain values (`skip(n)`, `startsWith(x)`, `[n]`) are read from `$this`.
//!
//! # `resolve()`
//!
//! It takes a reference or its text. `#id` is looked for among the contained resources of the
//! resource in which it stands. All else is looked for in [`Context::included`], and in the bundles
//! there or at the root: first by `fullUrl`, then by type and id, of which an absolute address has
//! to end in both. `/_history/n` does not matter. If several could be meant, none is: each resource
//! is to be included once. References by identifier and conditional ones give nothing.
//!
//! # Bounds
//!
//! A path has at most [`BYTES_MAX`] bytes and [`DEPTH_MAX`] levels of brackets. An evaluation visits
//! at most [`work::ITEMS_MAX`] items and handles [`work::EFFORT_MAX`] bytes of text; one that wants
//! more gives nothing at all, as `empty()` or `count()` of a part would say what is not true.

mod compare;
mod entry;
mod evaluate;
mod locate;
mod parse;
mod resolve;
mod syntax;
mod text;
mod token;
mod types;
mod work;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

pub(in crate::mapping) use locate::locate;
pub(in crate::mapping) use work::TooMuch;

use evaluate::Evaluation;
use syntax::Expression;
use work::Work;

/// Longest path; what is longer is a program, and harder to read than several sources.
pub(in crate::mapping) const BYTES_MAX: usize = 1024;

/// Deepest nesting of brackets and arguments; bounds the stack.
pub(in crate::mapping) const DEPTH_MAX: usize = 16;

/// A path as a mapping writes it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::mapping) struct Path {
    text: Box<str>,
    expression: Expression,
}

/// Why text is no path, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (at character {})", at + 1)]
pub(in crate::mapping) struct Error {
    /// How many characters stand before.
    pub(in crate::mapping) at: usize,
    /// What is wrong, and what would be right.
    pub(in crate::mapping) problem: String,
}

impl Error {
    fn new(text: &str, byte: usize, problem: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        Self { at: before.chars().count(), problem: problem.into() }
    }
}

/// Other resources at hand, for `resolve()`.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::mapping) struct Context<'v> {
    /// Resources, each once, and bundles of them.
    pub(in crate::mapping) included: &'v [Value],
}

/// What a path finds.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::mapping) enum Item<'v> {
    /// A node of the resource, or of an included one; within a resource never null, and an array
    /// only where one stands in another, which FHIR has not.
    Node(&'v Value),
    /// A computed truth.
    Bool(bool),
    /// A computed or written number.
    Integer(i64),
    /// A written number.
    Decimal(f64),
    /// A computed or written text.
    Text(String),
}

impl<'v> Item<'v> {
    /// The node, if it stands somewhere.
    pub(in crate::mapping) const fn node(&self) -> Option<&'v Value> {
        if let Self::Node(node) = self { Some(node) } else { None }
    }

    /// What a single value says, numbers and truths written; objects say nothing.
    pub(in crate::mapping) fn text(&self) -> Option<Cow<'_, str>> {
        self.scalar().map(entry::Scalar::written)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Path {
    /// Reads a path.
    pub(in crate::mapping) fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self { text: text.into(), expression: parse::parse(text)? })
    }

    /// What stands at the path, in order; nothing if it takes more than is allowed.
    pub(in crate::mapping) fn evaluate<'v>(
        &self,
        resource: &'v Value,
        context: &Context<'v>,
    ) -> Vec<Item<'v>> {
        self.evaluate_or_stop(resource, context).unwrap_or_default()
    }

    /// What stands at the path, in order.
    ///
    /// # Errors
    ///
    /// When it takes more than is allowed, so that an explanation can say so.
    pub(in crate::mapping) fn evaluate_or_stop<'v>(
        &self,
        resource: &'v Value,
        context: &Context<'v>,
    ) -> Result<Vec<Item<'v>>, TooMuch> {
        let included = context.included;
        let evaluation = Evaluation { root: resource, included, work: Work::new() };
        let found = evaluation.run(&self.expression)?;
        Ok(found.into_iter().map(|entry| entry.item).collect())
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
