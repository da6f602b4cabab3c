//! Paths into JSON resources: a subset of `FHIRPath` (N1, version 2.0.0), for FHIR R4 and R5.
//!
//! [`Path::parse`] reads a path, [`Path::find`] finds what stands there, [`locate()`] says
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
//! | `getReferenceKey()` `getReferenceKey(Patient)` | the id at the end of a reference, of those to one type (SQL on FHIR) |
//! | `now()` | the time of the reading, in UTC |
//! | `startsWith` `endsWith` `contains` `matches` `replace` `lower` `upper` `trim` `substring` `length` `split` `join` | functions of a text |
//! | `iif(c, a, b)` | `a` if `c` is true, else `b`, which may be missing |
//! | <code>a \| b</code> | both, equal ones once |
//! | `=` `!=` `~` `!~` `<` `<=` `>` `>=` `in` | comparisons; `~` without regard to capitals, blanks and order |
//! | `and` `or` `xor` `implies` | three-valued logic |
//! | `&` `+` | texts put together; without one of them `&` gives the other, `+` nothing |
//! | `'text'` `12` `-1.5` `true` `@2026-01-31` `@2026-01-31T10:30:00Z` | values; escapes in texts: `\'` `\\` `\n` `\u0041` |
//! | `$this`, `%resource`, `( )` | the item in question, the whole resource, grouping |
//! | `%patient` | what the variable of this name gives, from the whole resource on ([`Variables`]) |
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
//! resource in which it stands. All else is looked for in [`Context::beside`]: first by address
//! (`fullUrl`), then by type and id, of which an absolute reference has to end in both. What came by
//! an address of the web is meant by an absolute reference only if it is this address, and by a
//! relative one only if it came from the same server as the resource itself. `/_history/n` does not
//! matter. If several could be meant, none is. References by identifier and conditional ones give
//! nothing.
//!
//! # Bounds
//!
//! A path has at most [`BYTES_MAX`] bytes and [`DEPTH_MAX`] levels of brackets. An evaluation visits
//! at most [`work::ITEMS_MAX`] items and handles [`work::EFFORT_MAX`] bytes of text; one that wants
//! more gives nothing at all, as `empty()` or `count()` of a part would say what is not true.

mod beside;
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
mod variables;
mod work;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use beside::Beside;
pub(in crate::mapping) use entry::Home;
pub(in crate::mapping) use locate::locate;
pub(in crate::mapping) use resolve::Name;
pub(in crate::mapping) use variables::{VARIABLES_DEEP_MAX, Values, Variables};
pub(in crate::mapping) use work::TooMuch;

use evaluate::Evaluation;
use syntax::Expression;

use crate::clock::Timestamp;

/// Longest path; what is longer is a program, and harder to read than several sources.
pub(in crate::mapping) const BYTES_MAX: usize = 1024;

/// Deepest nesting of brackets and arguments; bounds the stack.
pub(in crate::mapping) const DEPTH_MAX: usize = 16;

/// A path as a mapping writes it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::mapping) struct Path {
    text: Box<str>,
    expression: Expression,
    /// The variables that it uses, without the `%`.
    variables: Vec<Box<str>>,
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

/// What a path is evaluated in.
#[derive(Debug, Clone, Copy)]
pub(in crate::mapping) struct Context<'c, 'v> {
    /// The whole resource: `%resource`.
    pub(in crate::mapping) root: &'v Value,
    /// The address that it came by.
    pub(in crate::mapping) url: Option<&'v str>,
    /// Resources at hand, for `resolve()`.
    pub(in crate::mapping) beside: &'v [Arc<Beside>],
    /// Numbers, in order, of those of its participants that are not to be seen.
    pub(in crate::mapping) hidden: &'c [usize],
    /// What `%name` means.
    pub(in crate::mapping) variables: &'c Variables,
    /// What is known already of what variables give.
    pub(in crate::mapping) values: &'c Values<'v>,
    /// The time of the reading: `now()`.
    pub(in crate::mapping) now: Option<Timestamp>,
}

impl<'v> Context<'_, 'v> {
    /// The whole resource, with its address.
    const fn home(&self) -> Home<'v> {
        Home { resource: self.root, url: self.url }
    }
}

/// What a path finds, and where.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::mapping) struct Hit<'v> {
    /// What.
    pub(in crate::mapping) item: Item<'v>,
    /// In which resource.
    pub(in crate::mapping) home: Home<'v>,
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
        let (expression, variables) = parse::parse(text)?;
        Ok(Self { text: text.into(), expression, variables })
    }

    /// The names of the variables that it uses.
    pub(in crate::mapping) fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|name| &**name)
    }

    /// What stands at the path from the root on, in order.
    ///
    /// # Errors
    ///
    /// When it takes more than is allowed: then nothing is known, not even that nothing is there.
    pub(in crate::mapping) fn find<'v>(
        &self,
        context: &Context<'_, 'v>,
    ) -> Result<Vec<Hit<'v>>, TooMuch> {
        self.find_from(context.root, context.home(), context)
    }

    /// What stands at the path from a node on, which stands in the resource `home`.
    ///
    /// # Errors
    ///
    /// When it takes more than is allowed.
    pub(in crate::mapping) fn find_from<'v>(
        &self,
        node: &'v Value,
        home: Home<'v>,
        context: &Context<'_, 'v>,
    ) -> Result<Vec<Hit<'v>>, TooMuch> {
        let found = Evaluation::new(*context).run(&self.expression, node, home)?;
        let hit = |entry: entry::Entry<'v>| Hit { item: entry.item, home: entry.home };
        Ok(found.into_iter().map(hit).collect())
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;
