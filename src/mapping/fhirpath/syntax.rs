//! What a path consists of once it is read; knows nothing of texts and of resources.
//!
//! Steps and operators of one level stand side by side, not one in the other, so that a long path
//! is not a deep one: only brackets nest, and those are counted.

use regex::{Regex, RegexBuilder};

/// Largest compiled pattern; ten times what the longest pattern for a phone or an identifier takes.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Deepest nesting of brackets in a pattern.
const PATTERN_DEPTH_MAX: u32 = 32;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Chain { start: Start, steps: Vec<Step> },
    Operation { first: Box<Expression>, rest: Vec<(Operator, Expression)> },
}

/// What a chain of steps begins with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Start {
    /// `$this`, written or not.
    Focus,
    /// `%resource`.
    Resource,
    /// `%patient`: what its path gives.
    Variable(Box<str>),
    /// `Appointment`: the focus if it is one.
    Type(String),
    Literal(Literal),
    Group(Box<Expression>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Bool(bool),
    Integer(i64),
    Decimal(f64),
    /// Dates and times are texts too.
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Member(String),
    Index(Expression),
    Call(Call),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    First,
    Last,
    Tail,
    Single,
    Skip(Expression),
    Take(Expression),
    Where(Expression),
    Select(Expression),
    All(Expression),
    Exists(Option<Expression>),
    Empty,
    Not,
    Count,
    Extension(Expression),
    OfType(String),
    Resolve,
    /// `getReferenceKey()`, of references to one type if one is named.
    ReferenceKey(Option<String>),
    Now,
    Iif {
        when: Expression,
        then: Expression,
        otherwise: Option<Expression>,
    },
    Join(Option<Expression>),
    Text(TextCall),
}

/// A function of one text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TextCall {
    StartsWith(Expression),
    EndsWith(Expression),
    Contains(Expression),
    Matches(Pattern),
    Replace { old: Expression, new: Expression },
    Lower,
    Upper,
    Trim,
    Substring { start: Expression, length: Option<Expression> },
    Length,
    Split(Expression),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Implies,
    Or,
    Xor,
    And,
    In,
    Equals,
    Differs,
    Resembles,
    ResemblesNot,
    Below,
    AtMost,
    Above,
    AtLeast,
    Union,
    /// `&`: what is not there is an empty text.
    Join,
    /// `+`: without one text there is no other.
    Plus,
}

/// A regular expression, equal to another if it is written alike.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern; nothing if it is none, or too large.
    pub(super) fn compile(text: &str) -> Option<Self> {
        RegexBuilder::new(text)
            // FHIRPath N1, 5.6.9: "single line" mode.
            .dot_matches_new_line(true)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .nest_limit(PATTERN_DEPTH_MAX)
            .build()
            .ok()
            .map(Self)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}
