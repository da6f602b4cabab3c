//! Filters that compute with numbers. A text counts as the number that it is, and else as 0.

use super::Arguments;
use crate::core::flow::liquid::number;
use crate::core::flow::liquid::value::Value;

/// A filter of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core::flow::liquid) enum Math {
    Abs,
    AtLeast,
    AtMost,
    Ceil,
    DividedBy,
    Floor,
    Minus,
    Modulo,
    Plus,
    Round,
    Times,
}

impl Math {
    /// Applies the filter.
    pub(super) fn apply<'a>(self, value: &Value<'a>, given: &Arguments<'a>) -> Value<'a> {
        let left = value.number();
        let right = given.at(0).number();
        let result = match self {
            Self::Abs => left.abs(),
            Self::AtLeast => left.max(right),
            Self::AtMost => left.min(right),
            Self::Ceil => left.ceil(),
            Self::DividedBy if given.at(1).is_true() => (left / right).floor(),
            Self::DividedBy => left / right,
            Self::Floor => left.floor(),
            Self::Minus => left - right,
            // The remainder has the sign of the divisor.
            Self::Modulo => ((left % right) + right) % right,
            Self::Plus => left + right,
            Self::Round => number::round(left, number::index(right)),
            Self::Times => left * right,
        };
        Value::made(number::json(result))
    }
}
