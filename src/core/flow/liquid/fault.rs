//! Why a template is refused, and why a rendering stopped. Knows nothing of values: what stands in
//! a scope is a patient's and never comes into an error.

use std::fmt;

use super::{BYTES_MAX, NESTING_MAX, NODES_MAX, OUTPUT_BYTES_MAX, STEPS_MAX};

/// The longest name that an error repeats, in characters; longer ones are cut.
const NAME_CHARS_MAX: usize = 40;

/// Where and why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, byte {offset}: {cause}")]
pub struct Fault {
    /// Line of the template, from 1.
    pub line: usize,
    /// Byte of the template, from 0.
    pub offset: usize,
    /// What is wrong there.
    pub cause: Cause,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Longer than any template of a flow.
    #[error("the template is longer than {BYTES_MAX} bytes")]
    TooLong,
    /// More texts, outputs and tags than a rendering could take.
    #[error("the template has more than {NODES_MAX} parts")]
    TooManyParts,
    /// Blocks or brackets within one another beyond the bound.
    #[error("nested more than {NESTING_MAX} deep")]
    TooDeep,
    /// `{{`, `{%` or a quote without its end.
    #[error("{0} is not closed")]
    NotClosed(&'static str),
    /// A block whose end is missing.
    #[error("{{% {0} %}} has no {{% end{0} %}}")]
    NoEnd(&'static str),
    /// An end or a branch without its block.
    #[error("{{% {0} %}} stands outside its block")]
    OutOfPlace(Name),
    /// A second `else`, or a branch after it.
    #[error("{{% {0} %}} after {{% else %}}")]
    AfterElse(Name),
    /// A tag that this language does not have.
    #[error("unknown tag \"{0}\"")]
    UnknownTag(Name),
    /// A filter that this language does not have.
    #[error("unknown filter \"{0}\"")]
    UnknownFilter(Name),
    /// A filter with too few or too many arguments.
    #[error("filter \"{filter}\" takes {} arguments, not {given}", numbers(*.least, *.most))]
    Arguments {
        /// The filter.
        filter: &'static str,
        /// The fewest arguments that it can do with.
        least: usize,
        /// The most that it reads.
        most: usize,
        /// Those that are written.
        given: usize,
    },
    /// A named argument that the filter or the tag does not have.
    #[error("unknown argument \"{0}\"")]
    UnknownArgument(Name),
    /// A zone that is not in the time zone database.
    #[error("unknown time zone \"{0}\"")]
    UnknownZone(Name),
    /// Something is missing.
    #[error("{0} expected")]
    Expected(&'static str),
    /// Something is too much.
    #[error("unexpected \"{0}\"")]
    Unexpected(Name),
}

fn numbers(least: usize, most: usize) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}

/// A name as the template writes it, cut to a bearable length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Keeps the beginning.
    pub(super) fn of(text: &str) -> Self {
        Self(text.chars().take(NAME_CHARS_MAX).collect())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a rendering stopped; what was rendered until then is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutOfFuel {
    /// More work than a template may make.
    #[error("the template takes more than {STEPS_MAX} steps")]
    Steps,
    /// A text of the template, or one on the way to it, became too long.
    #[error("the template makes a text of more than {OUTPUT_BYTES_MAX} bytes")]
    Length,
}
