//! What a value looks like, from its characters alone.

use chrono::Datelike as _;

use crate::hl7::Dtm;
use crate::hl7::dtm::Precision;

/// A kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A time of day on a day.
    Time,
    /// A day.
    Day,
    Mail,
    /// Digits with what people put between those of a phone number.
    Phone,
    /// `Family, Given`.
    Person,
    /// `Y` or `N`.
    Flag,
    /// Up to five digits.
    Number,
    /// Letters without a digit or blank, and not many.
    Code,
    /// Without blanks, and with digits.
    Identifier,
    Text,
}

/// Years that appointments and births are in; digits that come to others are no date.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2100;
/// Digits of phone numbers: a local number, and what E.164 allows.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
const NUMBER_DIGITS_MAX: usize = 5;
const CODE_CHARS_MAX: usize = 20;
const IDENTIFIER_CHARS: std::ops::RangeInclusive<usize> = 2..=80;

impl Kind {
    pub(super) fn of(text: &str) -> Self {
        let text = text.trim();
        if let Some(kind) = time(text) {
            return kind;
        }
        let chars = text.chars().count();
        let has_blank = text.contains(char::is_whitespace);
        let digits = text.chars().filter(char::is_ascii_digit).count();
        if text.contains('@') && text.contains('.') && !has_blank {
            Self::Mail
        } else if matches!(text, "Y" | "N" | "y" | "n") {
            Self::Flag
        } else if is_phone(text, digits) {
            Self::Phone
        } else if is_person(text) {
            Self::Person
        } else if digits > 0 && digits == chars && digits <= NUMBER_DIGITS_MAX {
            Self::Number
        } else if digits > 0 && !has_blank && IDENTIFIER_CHARS.contains(&chars) {
            Self::Identifier
        } else if digits == 0 && !has_blank && (1..=CODE_CHARS_MAX).contains(&chars) {
            Self::Code
        } else {
            Self::Text
        }
    }

    /// What a person would call values of this kind.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Time => "a time",
            Self::Day => "a date",
            Self::Mail => "an e-mail address",
            Self::Phone => "a phone number",
            Self::Person => "a name",
            Self::Flag => "a flag Y/N",
            Self::Number => "a number",
            Self::Code => "a word",
            Self::Identifier => "an identifier",
            Self::Text => "text",
        }
    }
}

fn time(text: &str) -> Option<Kind> {
    let dtm = Dtm::parse(text).ok().filter(|dtm| YEARS.contains(&dtm.local.year()))?;
    match dtm.precision {
        Precision::Year | Precision::Month => None,
        Precision::Day => Some(Kind::Day),
        // Ten digits are a phone number more often than a time without minutes.
        Precision::Hour => None,
        Precision::Minute | Precision::Second | Precision::Fraction => Some(Kind::Time),
    }
}

/// Bare digits are no phone number here: identifiers look the same.
fn is_phone(text: &str, digits: usize) -> bool {
    let body = text.split(['x', 'X']).next().unwrap_or_default();
    let is_plain = body.chars().all(|char| char.is_ascii_digit() || " +()-./".contains(char));
    let is_punctuated = body.contains(|char: char| " +()-./".contains(char));
    is_plain && is_punctuated && PHONE_DIGITS.contains(&digits)
}

fn is_person(text: &str) -> bool {
    let is_name = |part: &str| {
        let part = part.trim();
        part.chars().next().is_some_and(char::is_alphabetic)
            && part.chars().all(|char| char.is_alphabetic() || " .'-".contains(char))
    };
    text.split_once(',').is_some_and(|(family, given)| is_name(family) && is_name(given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_by_its_characters() {
        for (kind, texts) in [
            (Kind::Time, ["202612010930", "20261201093000-0600", "2026-12-01T09:30"].as_slice()),
            (Kind::Day, &["20261201", "2026-12-01"]),
            (Kind::Mail, &["jane@example.org"]),
            (Kind::Phone, &["(415)555-0123", "+44 20 7946 0123", "555-0123", "555-0123 x7"]),
            (Kind::Person, &["Doe, Jane", "DOE,J."]),
            (Kind::Flag, &["Y", "n"]),
            (Kind::Number, &["30", "1", "10001"]),
            (Kind::Code, &["CONF", "No-Show", "é"]),
            (Kind::Identifier, &["4155550123", "APT-77", "V9", "123-4", "2026"]),
            (Kind::Text, &["Follow up", "", &"x".repeat(30)]),
        ] {
            for text in texts {
                let expected = if *text == "2026" { Kind::Number } else { kind };
                assert_eq!(Kind::of(text), expected, "{text}");
            }
        }
    }
}
