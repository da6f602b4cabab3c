//! Conditions of splits, as Studio reads them: in any case, without blanks around.

use chrono::NaiveDateTime;

use super::functions::{date, moment, time};
use super::graph::{Condition, Test};
use super::import::pattern;
use crate::core::local_time::Zone;

/// Whether a condition holds for a rendered input and a rendered value.
pub(super) fn holds(condition: &Condition, input: &str, value: &str, zone: Zone) -> bool {
    let (input, value) = (input.trim(), value.trim());
    match condition.test {
        Test::EqualTo => is_equal(input, value),
        Test::NotEqualTo => !is_equal(input, value),
        Test::MatchesAnyOf => is_any(input, value),
        Test::DoesNotMatchAnyOf => !is_any(input, value),
        Test::Contains => contains(input, value),
        Test::DoesNotContain => !contains(input, value),
        Test::StartsWith => starts(input, value),
        Test::DoesNotStartWith => !starts(input, value),
        Test::IsBlank => input.is_empty(),
        Test::IsNotBlank => !input.is_empty(),
        Test::Regex => match &condition.pattern {
            Some(pattern) => pattern.is_match(input),
            // A pattern that is filled in may be none; then it fits nothing.
            None => pattern(value).is_ok_and(|pattern| pattern.is_match(input)),
        },
        Test::LessThan => both(number, input, value).is_some_and(|(a, b)| a < b),
        Test::GreaterThan => both(number, input, value).is_some_and(|(a, b)| a > b),
        Test::IsBeforeDate => {
            both(|text| day(text, zone), input, value).is_some_and(|(a, b)| a < b)
        }
        Test::IsAfterDate => both(|text| day(text, zone), input, value).is_some_and(|(a, b)| a > b),
        Test::IsBeforeTime => {
            both(|text| clock(text, zone), input, value).is_some_and(|(a, b)| a < b)
        }
        Test::IsAfterTime => {
            both(|text| clock(text, zone), input, value).is_some_and(|(a, b)| a > b)
        }
    }
}

fn both<T>(read: impl Fn(&str) -> Option<T>, input: &str, value: &str) -> Option<(T, T)> {
    Some((read(input)?, read(value)?))
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

fn is_equal(input: &str, value: &str) -> bool {
    lower(input) == lower(value)
}

/// Whether it is one of a list such as `1, one,, uno`; an empty entry is none.
fn is_any(input: &str, list: &str) -> bool {
    list.split(',').map(str::trim).filter(|one| !one.is_empty()).any(|one| is_equal(input, one))
}

/// Nothing is contained in a text, nor does it begin one.
fn contains(input: &str, value: &str) -> bool {
    !value.is_empty() && lower(input).contains(&lower(value))
}

fn starts(input: &str, value: &str) -> bool {
    !value.is_empty() && lower(input).starts_with(&lower(value))
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn day(text: &str, zone: Zone) -> Option<chrono::NaiveDate> {
    date(text).or_else(|| moment(text, zone).as_ref().map(NaiveDateTime::date))
}

fn clock(text: &str, zone: Zone) -> Option<chrono::NaiveTime> {
    let of_moment = || moment(text, zone).filter(|_| text.contains(':'));
    time(text).or_else(|| of_moment().as_ref().map(NaiveDateTime::time))
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
