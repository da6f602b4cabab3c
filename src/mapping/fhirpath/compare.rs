//! Operators: three-valued logic, equality, order, membership and union.

use std::cmp::Ordering;

use serde_json::Value;

use super::Item;
use super::entry::{Entry, Scalar};
use super::evaluate::{Evaluation, Found, single, truth};
use super::syntax::Operator;
use super::work::{TooMuch, Work};

/// How alike two values have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// `=`.
    Equal,
    /// `~`: capitals, blanks and the order of collections do not matter.
    Equivalent,
}

impl<'v> Evaluation<'_, 'v> {
    pub(super) fn operate(
        &mut self,
        operator: Operator,
        left: Vec<Entry<'v>>,
        right: Vec<Entry<'v>>,
    ) -> Found<'v> {
        let flag = match operator {
            Operator::Implies => implies(truth(&left), truth(&right)),
            Operator::Or => or(truth(&left), truth(&right)),
            Operator::And => and(truth(&left), truth(&right)),
            Operator::Xor => truth(&left).zip(truth(&right)).map(|(left, right)| left != right),
            Operator::In => self.is_in(&left, &right)?,
            Operator::Equals => self.is_equal(&left, &right)?,
            Operator::Differs => self.is_equal(&left, &right)?.map(|flag| !flag),
            Operator::Resembles => Some(self.is_equivalent(&left, &right)?),
            Operator::ResemblesNot => Some(!self.is_equivalent(&left, &right)?),
            Operator::Below => self.order(&left, &right)?.map(Ordering::is_lt),
            Operator::AtMost => self.order(&left, &right)?.map(Ordering::is_le),
            Operator::Above => self.order(&left, &right)?.map(Ordering::is_gt),
            Operator::AtLeast => self.order(&left, &right)?.map(Ordering::is_ge),
            Operator::Union => return self.united(left, right),
            Operator::Join => return self.concatenated(&left, &right),
            Operator::Plus => return self.added(&left, &right),
        };
        Ok(self.flag(flag))
    }

    fn is_in(&mut self, left: &[Entry<'v>], right: &[Entry<'v>]) -> Result<Option<bool>, TooMuch> {
        let [wanted] = left else { return Ok(None) };
        Ok(Some(self.is_among(wanted, right)?))
    }

    fn is_among(&mut self, wanted: &Entry<'v>, others: &[Entry<'v>]) -> Result<bool, TooMuch> {
        for other in others {
            if is_same(wanted, other, Likeness::Equal, &mut self.work)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_equal(
        &mut self,
        left: &[Entry<'v>],
        right: &[Entry<'v>],
    ) -> Result<Option<bool>, TooMuch> {
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        for (left, right) in left.iter().zip(right) {
            if !is_same(left, right, Likeness::Equal, &mut self.work)? {
                return Ok(Some(false));
            }
        }
        Ok(Some(true))
    }

    fn is_equivalent(&mut self, left: &[Entry<'v>], right: &[Entry<'v>]) -> Result<bool, TooMuch> {
        let work = &mut self.work;
        pairs_up(left, right, |left, right| is_same(left, right, Likeness::Equivalent, work))
    }

    fn order(
        &mut self,
        left: &[Entry<'v>],
        right: &[Entry<'v>],
    ) -> Result<Option<Ordering>, TooMuch> {
        let (Some(left), Some(right)) = (single(left), single(right)) else { return Ok(None) };
        if let (Scalar::Text(left), Scalar::Text(right)) = (left, right) {
            self.work.spend(left.len().min(right.len()))?;
        }
        Ok(order(left, right))
    }

    /// Both, what is equal only once, in the order in which it was found.
    fn united(&mut self, left: Vec<Entry<'v>>, right: Vec<Entry<'v>>) -> Found<'v> {
        let mut united = Vec::new();
        for entry in left.into_iter().chain(right) {
            if !self.is_among(&entry, &united)? {
                united.push(entry);
            }
        }
        Ok(united)
    }
}

fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        (None, _) | (_, None) => None,
    }
}

fn or(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        (None, _) | (_, None) => None,
    }
}

fn implies(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    or(left.map(|left| !left), right)
}

fn order(left: Scalar<'_>, right: Scalar<'_>) -> Option<Ordering> {
    match (left, right) {
        (Scalar::Text(left), Scalar::Text(right)) => Some(left.cmp(right)),
        (Scalar::Integer(left), Scalar::Integer(right)) => Some(left.cmp(&right)),
        (left, right) => decimal(left)?.partial_cmp(&decimal(right)?),
    }
}

const fn decimal(scalar: Scalar<'_>) -> Option<f64> {
    match scalar {
        Scalar::Integer(number) => Some(number as f64),
        Scalar::Decimal(number) => Some(number),
        Scalar::Bool(_) | Scalar::Text(_) => None,
    }
}

fn is_same(
    left: &Entry<'_>,
    right: &Entry<'_>,
    likeness: Likeness,
    work: &mut Work,
) -> Result<bool, TooMuch> {
    match (&left.item, &right.item) {
        (Item::Node(left), Item::Node(right)) => is_same_value(left, right, likeness, work),
        (left, right) => match (left.scalar(), right.scalar()) {
            (Some(left), Some(right)) => is_same_scalar(left, right, likeness, work),
            (None, _) | (_, None) => work.spend(1).map(|()| false),
        },
    }
}

fn is_same_scalar(
    left: Scalar<'_>,
    right: Scalar<'_>,
    likeness: Likeness,
    work: &mut Work,
) -> Result<bool, TooMuch> {
    match (left, right) {
        (Scalar::Bool(left), Scalar::Bool(right)) => work.spend(1).map(|()| left == right),
        (Scalar::Text(left), Scalar::Text(right)) => {
            work.spend(1 + left.len().min(right.len()))?;
            Ok(match likeness {
                Likeness::Equal => left == right,
                Likeness::Equivalent => folded(left).eq(folded(right)),
            })
        }
        (left, right) => work.spend(1).map(|()| order(left, right) == Some(Ordering::Equal)),
    }
}

/// Capitals do not matter, nor how many blanks of which kind there are (`FHIRPath` N1, 6.1.2).
fn folded(text: &str) -> impl Iterator<Item = char> {
    let words = text.split_whitespace().enumerate();
    let spaced =
        words.flat_map(|(index, word)| (index > 0).then_some(' ').into_iter().chain(word.chars()));
    spaced.flat_map(char::to_lowercase)
}

fn is_same_value(
    left: &Value,
    right: &Value,
    likeness: Likeness,
    work: &mut Work,
) -> Result<bool, TooMuch> {
    work.spend(1)?;
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            let mut same = |left: &_, right: &_| is_same_value(left, right, likeness, work);
            match likeness {
                Likeness::Equivalent => pairs_up(left, right, same),
                Likeness::Equal => {
                    let mut is_same = left.len() == right.len();
                    for (left, right) in left.iter().zip(right) {
                        is_same = is_same && same(left, right)?;
                    }
                    Ok(is_same)
                }
            }
        }
        (Value::Object(left), Value::Object(right)) => {
            let mut is_same = left.len() == right.len();
            for (name, left) in left {
                let Some(right) = right.get(name).filter(|_| is_same) else { return Ok(false) };
                is_same = is_same_value(left, right, likeness, work)?;
            }
            Ok(is_same)
        }
        (left, right) => match (Scalar::of(left), Scalar::of(right)) {
            (Some(left), Some(right)) => is_same_scalar(left, right, likeness, work),
            (None, None) => Ok(left.is_null() && right.is_null()),
            (None, Some(_)) | (Some(_), None) => Ok(false),
        },
    }
}

/// Whether each of the left has a partner of its own on the right, and none is left over.
fn pairs_up<T>(
    left: &[T],
    right: &[T],
    mut is_pair: impl FnMut(&T, &T) -> Result<bool, TooMuch>,
) -> Result<bool, TooMuch> {
    if left.len() != right.len() {
        return Ok(false);
    }
    let mut single: Vec<&T> = right.iter().collect();
    for one in left {
        let mut partner = None;
        for (index, other) in single.iter().enumerate() {
            if is_pair(one, other)? {
                partner = Some(index);
                break;
            }
        }
        let Some(partner) = partner else { return Ok(false) };
        single.swap_remove(partner);
    }
    Ok(true)
}
