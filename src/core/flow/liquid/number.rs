//! Numbers as JavaScript reads, writes and rounds them, since Liquid of flows does so.

use std::cmp::Ordering;

use serde_json::{Number, Value as Json};

/// Whole numbers up to here have no neighbour that a float takes for them.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// The longest text that is read as a number; what is longer is none, like all else that is no number.
const TEXT_BYTES_MAX: usize = 1_024;

/// Floats from here on are written with an exponent.
const PLAIN_EXPONENT_MAX: i32 = 21;

/// Floats smaller than ten to this are written with an exponent.
const PLAIN_EXPONENT_MIN: i32 = -6;

/// A number of a text or a scope; whole numbers stay whole, and nil is what is not finite.
pub(super) fn json(value: f64) -> Json {
    match whole(value) {
        Some(whole) => whole.into(),
        None => Number::from_f64(value).map_or(Json::Null, Json::Number),
    }
}

/// The whole number that a float is.
#[expect(clippy::cast_possible_truncation, reason = "it has no fraction and fits")]
pub(super) fn whole(value: f64) -> Option<i64> {
    (value.abs() <= WHOLE_MAX && value.fract() == 0.0).then_some(value as i64)
}

/// A float towards zero, and zero for what is no number, as indexes are read.
pub(super) fn index(value: f64) -> i64 {
    let within = if value.is_nan() { 0.0 } else { value.clamp(-WHOLE_MAX, WHOLE_MAX) };
    whole(within.trunc()).unwrap_or(0)
}

/// The float nearest to a JSON number.
pub(super) fn of(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

/// The number that a text is, and 0 for a blank one; none if it is no number.
pub(super) fn parse(text: &str) -> Option<f64> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = text.trim();
    if text.is_empty() {
        return Some(0.0);
    }
    for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        let digits =
            text.strip_prefix(prefix).or_else(|| text.strip_prefix(&*prefix.to_ascii_uppercase()));
        if let Some(digits) = digits.filter(|digits| !digits.starts_with(['+', '-'])) {
            return u32::from_str_radix(digits, base).ok().map(f64::from);
        }
    }
    let is_decimal =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    if text.bytes().all(is_decimal) { text.parse().ok() } else { None }
}

/// A number as it is printed. Whole numbers of the scope keep all digits.
pub(super) fn text(number: &Number) -> String {
    if number.is_f64() { float_text(of(number)) } else { number.to_string() }
}

fn float_text(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (PLAIN_EXPONENT_MIN..PLAIN_EXPONENT_MAX).contains(&exponent) {
        return if value == 0.0 { "0".to_owned() } else { format!("{value}") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{}", exponent.unsigned_abs())
}

/// Rounds to so many decimals, halves away from zero, by the digits that are printed: 1.005 is 1.01.
pub(super) fn round(value: f64, decimals: i64) -> f64 {
    let scaled = shift(value.abs(), decimals);
    if scaled.is_nan() || scaled >= WHOLE_MAX {
        return value;
    }
    let below = scaled.floor();
    let rounded = shift(if scaled - below >= 0.5 { below + 1.0 } else { below }, -decimals);
    if value < 0.0 { -rounded } else { rounded }
}

/// Multiplies by a power of ten without an error.
fn shift(value: f64, power: i64) -> f64 {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent = exponent.parse::<i64>().unwrap_or(0).saturating_add(power);
    format!("{mantissa}e{exponent}").parse().unwrap_or(f64::NAN)
}

/// Texts in the order of JavaScript: by UTF-16.
pub(super) fn compare_texts(left: &str, right: &str) -> Ordering {
    left.encode_utf16().cmp(right.encode_utf16())
}
