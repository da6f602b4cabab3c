//! A piece of a message: a field, a repetition, a component or a subcomponent.
//!
//! All four are the same thing, a byte range of the message's text that knows its level; they are
//! cut when they are asked for and can be copied. At each level: the raw text, the decoded text, the
//! range, and the value in HL7's three meanings.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use super::escape;
use super::message::Body;
use super::tokens::{self, Level};

/// What a message says at a place.
///
/// HL7 tells "nothing said" (keep what you have) from "delete it" (`""`). HL7 v2.5.1, 2.5.3.1.
#[derive(Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing there, or empty.
    Absent,
    /// Exactly `""`: what is known is to be deleted.
    Null,
    /// Text, with its escape sequences decoded.
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// The text, if there is any.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Text(text) => Some(text),
        }
    }

    /// The text, or an empty one.
    #[must_use]
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Absent | Self::Null => Cow::Borrowed(""),
            Self::Text(text) => text,
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Null => "Null",
            Self::Text(_) => "Text([phi])",
        })
    }
}

/// The levels of a message's division, as type parameters of [`Part`].
pub mod level {
    /// Between two field separators.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Field;
    /// Between two repetition separators.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Repetition;
    /// Between two component separators.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Component;
    /// Between two subcomponent separators.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Subcomponent;
    /// Whatever a path names.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Any;
}

/// A piece of a message's text at one level.
#[derive(Clone, Copy)]
pub struct Part<'a, L> {
    body: &'a Body,
    start: usize,
    end: usize,
    level: PhantomData<L>,
}

/// A field of a segment.
pub type Field<'a> = Part<'a, level::Field>;
/// One repetition of a field.
pub type Repetition<'a> = Part<'a, level::Repetition>;
/// A component of a repetition.
pub type Component<'a> = Part<'a, level::Component>;
/// A subcomponent of a component.
pub type Subcomponent<'a> = Part<'a, level::Subcomponent>;

impl<L> fmt::Debug for Part<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({}..{})", self.start, self.end)
    }
}

impl<'a, L> Part<'a, L> {
    pub(crate) const fn new(body: &'a Body, start: usize, end: usize) -> Self {
        Self { body, start, end, level: PhantomData }
    }

    /// The text as it stands in the message.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.body.slice(self.range())
    }

    /// The text with its escape sequences decoded.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        if self.is_literal() {
            return Cow::Borrowed(self.raw());
        }
        escape::decode(self.raw(), self.body.separators())
    }

    /// Where it is in the message's text, in bytes.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// What it says.
    #[must_use]
    pub fn value(&self) -> Value<'a> {
        match self.raw() {
            "" => Value::Absent,
            "\"\"" => Value::Null,
            _ => Value::Text(self.text()),
        }
    }

    /// The same piece without its level.
    #[must_use]
    pub const fn any(self) -> Part<'a, level::Any> {
        Part::new(self.body, self.start, self.end)
    }

    pub(crate) fn is_null(&self) -> bool {
        self.raw() == "\"\""
    }

    /// MSH-1 and MSH-2 are the separators themselves and are not divided by them.
    const fn is_literal(&self) -> bool {
        self.end <= self.body.literal_end()
    }

    fn divide<M>(&self, level: Level) -> Vec<Part<'a, M>> {
        if self.is_literal() {
            return vec![Part::new(self.body, self.start, self.end)];
        }
        tokens::ranges(self.raw(), self.body.separators(), level)
            .into_iter()
            .map(|range| Part::new(self.body, self.start + range.start, self.start + range.end))
            .collect()
    }

    fn nth<M>(&self, level: Level, number: usize) -> Option<Part<'a, M>> {
        let index = number.checked_sub(1)?;
        let separator = level.separator(self.body.separators());
        let first = if self.is_literal() { None } else { self.raw().find(separator) };
        match (index, first) {
            // Most reads want the first part, which ends at the first separator.
            (0, _) => {
                let end = first.map_or(self.end, |first| self.start + first);
                Some(Part::new(self.body, self.start, end))
            }
            (_, None) => None,
            (_, Some(_)) => self.divide(level).into_iter().nth(index),
        }
    }
}

impl<'a> Field<'a> {
    /// The field's repetitions; an empty field has one empty one.
    pub fn repetitions(&self) -> impl ExactSizeIterator<Item = Repetition<'a>> + use<'a> {
        self.divide(Level::Repetition).into_iter()
    }

    /// The repetition with this number, from 1.
    #[must_use]
    pub fn repetition(&self, number: usize) -> Option<Repetition<'a>> {
        self.nth(Level::Repetition, number)
    }

    /// A component of the first repetition, by its number from 1.
    #[must_use]
    pub fn component(&self, number: usize) -> Option<Component<'a>> {
        self.repetition(1)?.component(number)
    }
}

impl<'a> Repetition<'a> {
    /// The repetition's components.
    pub fn components(&self) -> impl ExactSizeIterator<Item = Component<'a>> + use<'a> {
        self.divide(Level::Component).into_iter()
    }

    /// The component with this number, from 1.
    #[must_use]
    pub fn component(&self, number: usize) -> Option<Component<'a>> {
        self.nth(Level::Component, number)
    }
}

impl<'a> Component<'a> {
    /// The component's subcomponents.
    pub fn subcomponents(&self) -> impl ExactSizeIterator<Item = Subcomponent<'a>> + use<'a> {
        self.divide(Level::Subcomponent).into_iter()
    }

    /// The subcomponent with this number, from 1.
    #[must_use]
    pub fn subcomponent(&self, number: usize) -> Option<Subcomponent<'a>> {
        self.nth(Level::Subcomponent, number)
    }
}
