//! The kinds of failure that callers tell apart.
//!
//! Every error of every room is of one of these kinds; acknowledgment code, HTTP status and retry
//! follow from the kind, not from the error.

/// What kind of failure an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The input breaks its own format.
    Malformed,
    /// The input is right, but asks for what is not offered.
    Unsupported,
    /// The request is understood and refused: a limit or a rule says no.
    Rejected,
    /// It may work later.
    Unavailable,
    /// It is not known whether it happened.
    Unknown,
    /// The program is wrong.
    Bug,
}
