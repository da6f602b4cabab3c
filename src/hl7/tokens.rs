//! The tokenizer: one field to its repetitions, components and subcomponents.
//!
//! This is the only place that knows `hl7-parser`. It gets a single field at a time, never a whole
//! message: its message parser stops without an error at what it does not understand, and its
//! escape decoder and date reader are not used at all. Whatever it returns is measured against the
//! text that went in; if the parts do not cover it, the text is one part.

use std::ops::Range;

use hl7_parser::message as tokenized;
use hl7_parser::parser;

use super::separators::Separators;

/// Most separators in one field: bounds the tokenizer's memory to some megabytes.
pub(crate) const FIELD_PARTS_MAX: usize = 20_000;

/// The level at which text is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Repetition,
    Component,
    Subcomponent,
}

impl Level {
    pub(crate) const fn separator(self, separators: &Separators) -> char {
        match self {
            Self::Repetition => separators.repetition,
            Self::Component => separators.component,
            Self::Subcomponent => separators.subcomponent,
        }
    }
}

/// The byte ranges of the parts of `text`; at least one.
pub(crate) fn ranges(text: &str, separators: &Separators, level: Level) -> Vec<Range<usize>> {
    let separator = level.separator(separators);
    if !text.contains(separator) {
        return whole(text);
    }
    let lengths = lengths(text, tokenizers(separators), level).unwrap_or_default();
    let mut ranges = Vec::with_capacity(lengths.len());
    let mut next = 0;
    for length in lengths {
        ranges.push(next..next + length);
        next += length + separator.len_utf8();
    }
    let covered = ranges.last().is_some_and(|last| last.end == text.len());
    debug_assert!(covered, "the tokenizer does not cover its input");
    if covered { ranges } else { whole(text) }
}

fn whole(text: &str) -> Vec<Range<usize>> {
    std::iter::once(0..text.len()).collect()
}

fn lengths(text: &str, separators: tokenized::Separators, level: Level) -> Option<Vec<usize>> {
    Some(match level {
        Level::Repetition => parser::parse_field_with_separators(text, separators)
            .ok()?
            .repeats()
            .map(|part| part.raw_value().len())
            .collect(),
        Level::Component => parser::parse_repeat_with_separators(text, separators)
            .ok()?
            .components()
            .map(|part| part.raw_value().len())
            .collect(),
        Level::Subcomponent => parser::parse_component_with_separators(text, separators)
            .ok()?
            .subcomponents()
            .map(|part| part.raw_value().len())
            .collect(),
    })
}

const fn tokenizers(separators: &Separators) -> tokenized::Separators {
    tokenized::Separators {
        field: separators.field,
        component: separators.component,
        subcomponent: separators.subcomponent,
        repetition: separators.repetition,
        escape: separators.escape,
        lenient_newlines: false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str, level: Level) -> Vec<&str> {
        let ranges = ranges(text, &Separators::default(), level);
        ranges.into_iter().map(|range| text.get(range).unwrap()).collect()
    }

    #[test]
    fn each_level_divides_at_its_own_separator() {
        assert_eq!(parts("a^b&c~d", Level::Repetition), ["a^b&c", "d"]);
        assert_eq!(parts("a^b&c", Level::Component), ["a", "b&c"]);
        assert_eq!(parts("b&c", Level::Subcomponent), ["b", "c"]);
    }

    #[test]
    fn empty_parts_are_parts() {
        assert_eq!(parts("", Level::Repetition), [""]);
        assert_eq!(parts("~~", Level::Repetition), ["", "", ""]);
        assert_eq!(parts("^a^", Level::Component), ["", "a", ""]);
    }

    proptest! {
        #[test]
        fn the_tokenizer_agrees_with_a_plain_split(text in "[ab\u{e9}日\\\\^&~\n]{0,40}") {
            let repetitions = parts(&text, Level::Repetition);
            prop_assert_eq!(&repetitions, &text.split('~').collect::<Vec<_>>());
            for repetition in repetitions {
                let components = parts(repetition, Level::Component);
                prop_assert_eq!(&components, &repetition.split('^').collect::<Vec<_>>());
                for component in components {
                    let plain: Vec<_> = component.split('&').collect();
                    prop_assert_eq!(parts(component, Level::Subcomponent), plain);
                }
            }
        }
    }
}
