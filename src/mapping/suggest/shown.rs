//! What of a message may stand in a proposal: its form, and codes of small sets.
//!
//! A proposal is mailed around, so it must not hold patient data. Everything is masked; a code is
//! shown as it is only after it was held against what names, numbers and dates look like and
//! against the names that the samples hold.

use std::collections::BTreeSet;

use super::super::table::folded;
use super::kind::Kind;

/// The longest form that is shown; more tells nothing.
const MASK_CHARS_MAX: usize = 24;
/// The longest name of a system, version or the like that is shown.
const LABEL_CHARS_MAX: usize = 40;
/// The most different values that codes of one position have; more are names or numbers.
pub(super) const CODES_MAX: usize = 20;
/// The longest code.
const CODE_CHARS_MAX: usize = 20;
/// A code with more digits than this is a number of something, perhaps of a person.
const CODE_DIGITS_MAX: usize = 4;

/// The form of a value: each digit a 9, each letter an `A` or `a`.
pub(super) fn masked(text: &str) -> String {
    let mut mask: String = text.chars().take(MASK_CHARS_MAX).map(mask_of).collect();
    if text.chars().nth(MASK_CHARS_MAX).is_some() {
        mask.push_str("..");
    }
    mask
}

fn mask_of(char: char) -> char {
    match char {
        _ if char.is_numeric() => '9',
        _ if char.is_uppercase() => 'A',
        _ if char.is_alphabetic() => 'a',
        ' ' => ' ',
        _ if char.is_ascii_punctuation() => char,
        _ => '?',
    }
}

/// The name of a system, a version or a trigger, made harmless for a line of text.
pub(super) fn label(text: &str) -> String {
    let plain = |char: char| if char.is_alphanumeric() || is_plain(char) { char } else { '?' };
    let mut label: String = text.trim().chars().take(LABEL_CHARS_MAX).map(plain).collect();
    if text.trim().chars().nth(LABEL_CHARS_MAX).is_some() {
        label.push_str("..");
    }
    label
}

const fn is_plain(char: char) -> bool {
    char.is_ascii_graphic() || char == ' '
}

/// The names that the samples hold, as they are compared.
#[derive(Default)]
pub(super) struct People(BTreeSet<String>);

impl People {
    pub(super) fn add(&mut self, name: &str) {
        for word in name.split([' ', ',', '-', '\'']).chain([name]) {
            let word: String = folded(word).collect();
            // An initial is as short as a code and tells nobody.
            if word.chars().count() > 1 {
                self.0.insert(word);
            }
        }
    }

    pub(super) fn has(&self, text: &str) -> bool {
        let is_known = |word: &str| self.0.contains(&folded(word).collect::<String>());
        is_known(text) || text.split([' ', ',']).any(is_known)
    }
}

/// Whether a value of a coded position is a code and nothing that tells of a person.
pub(super) fn is_code(text: &str, people: &People) -> bool {
    let digits = text.chars().filter(|char| char.is_numeric()).count();
    let is_short = text.chars().count() <= CODE_CHARS_MAX && digits <= CODE_DIGITS_MAX;
    let is_plain = text.chars().all(|c| (c.is_alphanumeric() || is_plain(c)) && c != '"');
    let is_harmless = match Kind::of(text) {
        Kind::Flag | Kind::Number | Kind::Code | Kind::Identifier | Kind::Text => true,
        Kind::Time | Kind::Day | Kind::Mail | Kind::Phone | Kind::Person => false,
    };
    is_short && is_plain && is_harmless && !people.has(text)
}

/// Codes as they are where all of a small set are codes; otherwise their forms.
pub(super) fn codes_or_masks<'a>(
    values: impl Iterator<Item = &'a str> + Clone,
    people: &People,
) -> Vec<String> {
    let distinct: BTreeSet<&str> = values.clone().collect();
    let open = distinct.len() <= CODES_MAX && values.clone().all(|value| is_code(value, people));
    values.map(|value| if open { value.to_owned() } else { masked(value) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_the_form_and_nothing_else() {
        for (text, mask) in [
            ("(415)555-0123", "(999)999-9999"),
            ("Doe, Jane", "Aaa, Aaaa"),
            ("2026-12-01 09:30", "9999-99-99 99:99"),
            ("Ünal\u{7}\n\u{202e}", "Aaaa???"),
            ("日本", "aa"),
        ] {
            assert_eq!(masked(text), mask);
        }
        assert_eq!(masked(&"x".repeat(99)).len(), MASK_CHARS_MAX + 2);
    }

    #[test]
    fn only_codes_are_shown_as_they_are() {
        let mut people = People::default();
        people.add("Doe");
        people.add("Jane Ann");
        for code in ["Booked", "NO SHOW", "6", "CNF-1", "O", "arrivé"] {
            assert!(is_code(code, &people), "{code}");
        }
        for other in [
            "DOE",
            "Jane",
            "doe jane",
            "ann",
            "12345",
            "20261201",
            "(415)555-0123",
            "Roe, John",
            "jane@example.org",
            "a\u{7}",
            "say \"x\"",
            "a text that is far too long",
        ] {
            assert!(!is_code(other, &people), "{other}");
        }
    }
}
