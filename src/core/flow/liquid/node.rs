//! A template after parsing: a tree of nodes and the expressions in them. Nothing here computes.

use serde_json::Value as Json;

use super::filters::Filter;

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Output(Filtered),
    /// `if`, `elsif`, `unless`: the first branch that holds.
    If {
        branches: Vec<Branch>,
        otherwise: Vec<Node>,
    },
    Case {
        subject: Filtered,
        arms: Vec<Arm>,
        otherwise: Vec<Node>,
    },
    For(Box<For>),
    Assign {
        name: String,
        value: Filtered,
    },
    Capture {
        name: String,
        body: Vec<Node>,
    },
    Count {
        name: String,
        way: Way,
    },
    Cycle {
        /// The choices as they are written, by which cycles know one another.
        text: String,
        group: Option<Operand>,
        choices: Vec<Operand>,
    },
    Break,
    Continue,
}

/// A condition and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub(super) test: Filtered,
    /// The body follows if the test does so.
    pub(super) when: bool,
    pub(super) body: Vec<Node>,
}

/// `when` with its values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arm {
    pub(super) values: Vec<Operand>,
    pub(super) body: Vec<Node>,
}

/// A loop.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct For {
    pub(super) variable: String,
    pub(super) list: Operand,
    pub(super) offset: Option<Operand>,
    pub(super) limit: Option<Operand>,
    pub(super) reversed: bool,
    pub(super) body: Vec<Node>,
    /// What stands instead if the list is empty.
    pub(super) otherwise: Vec<Node>,
}

/// The way of a counter: `increment` shows, then counts up; `decrement` counts down, then shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// An expression and the filters behind it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filtered {
    pub(super) expression: Chain<Link, Comparison>,
    pub(super) filters: Vec<Call>,
}

/// Terms with operators between them, which Liquid reads from the right: `a and b or c` is
/// `a and (b or c)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chain<O, T> {
    pub(super) first: T,
    pub(super) rest: Vec<(O, T)>,
}

/// What joins conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    And,
    Or,
}

/// A value, or values that are compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
    /// Whether an odd number of `not` stands before it, if there is any.
    pub(super) negated: Option<bool>,
    pub(super) chain: Chain<Operator, Operand>,
}

/// What compares two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}

/// A value as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Literal(Json),
    Empty,
    Blank,
    Path(Path),
    Range(Box<Operand>, Box<Operand>),
}

/// Where a value is found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) segments: Vec<Segment>,
}

/// Where a path begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Root {
    /// A local or a name of the scope.
    Name(String),
    /// A name that is itself a value: `[name]`.
    Key(Box<Operand>),
    /// A value that is written: `"text".size`.
    Value(Box<Operand>),
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Segment {
    Name(String),
    /// From 0, or from the end if negative.
    Index(i64),
    Key(Operand),
}

/// A filter with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) filter: Filter,
    pub(super) arguments: Vec<Operand>,
    /// `allow_false` of `default`, `timezone` of `date`.
    pub(super) named: Option<Operand>,
}
