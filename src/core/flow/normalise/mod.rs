//! What a reply means where a flow expects a number, yes or no, or one of some words.
//!
//! No guessing: a word that no list knows, a second number, a range, a negation or a question make a
//! reply unread, and the patient is asked again. Words of all languages count, because patients answer
//! in their own; what means one thing in one language and another in the other counts in the
//! patient's only.

mod lexicon;
mod number;

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Expect;
use crate::core::reply::{Words, fold};
use lexicon::{AROUND_CHOICES, NO, YES};

/// Longer replies are not read: nobody answers yes in a novel.
const CHARS_MAX: usize = 160;
/// How many words a phrase has at most.
const PHRASE_WORDS_MAX: usize = 8;

/// What a reply is read as, in the form that splits compare: `7`, `YES`, a choice's own word.
pub(super) fn read_as(
    expect: &Expect,
    text: &str,
    language: Option<&str>,
    words: &BTreeMap<String, Words>,
) -> Option<String> {
    let is_readable = text.trim().chars().nth(CHARS_MAX).is_none();
    // Who asks back has not answered.
    if !is_readable || text.contains(['?', '¿', '？']) {
        return None;
    }
    match expect {
        Expect::Number { min, max } => {
            number::read(text, (*min, *max), language).map(|number| number.to_string())
        }
        Expect::YesNo => {
            let own = |list: &[&str]| -> BTreeSet<String> {
                list.iter().map(|phrase| fold(phrase)).collect()
            };
            let (mut yes, no) = (own(YES), own(NO));
            // In Spanish it means "already".
            if language != Some("en") {
                let _was = yes.remove("ya");
            }
            let said = parted(text, &[yes, no], words, &BTreeSet::new())?;
            ["YES", "NO"].get(said).map(|word| (*word).to_owned())
        }
        Expect::Choice(choices) => {
            let folded = |(word, also): &(String, Vec<String>)| -> BTreeSet<String> {
                std::iter::once(word).chain(also).map(|phrase| fold(phrase)).collect()
            };
            let lists: Vec<BTreeSet<String>> = choices.iter().map(folded).collect();
            let around = AROUND_CHOICES.iter().map(|word| fold(word)).collect();
            let said = parted(text, &lists, words, &around)?;
            choices.get(said).map(|(word, _)| word.clone())
        }
    }
}

/// What was said so far on the way through a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Nothing,
    One(usize),
    Several,
}

impl Said {
    fn and(self, list: usize) -> Self {
        match self {
            Self::Nothing => Self::One(list),
            Self::One(before) if before == list => self,
            Self::One(_) | Self::Several => Self::Several,
        }
    }
}

/// Parts a text into phrases of the lists and courtesies; the one list that all phrases are of.
fn parted(
    text: &str,
    lists: &[BTreeSet<String>],
    words: &BTreeMap<String, Words>,
    around: &BTreeSet<String>,
) -> Option<usize> {
    let folded = fold(text);
    let tokens: Vec<String> = folded.split_whitespace().map(calmed).collect();
    let mut reached: Vec<BTreeSet<Said>> = vec![BTreeSet::new(); tokens.len() + 1];
    reached.first_mut()?.extend([Said::Nothing]);
    for from in 0..tokens.len() {
        let before = reached.get(from).cloned().unwrap_or_default();
        if before.is_empty() {
            continue;
        }
        for length in 1..=PHRASE_WORDS_MAX.min(tokens.len() - from) {
            let phrase = tokens.get(from..from + length).unwrap_or_default().join(" ");
            let mut after = BTreeSet::new();
            for (index, _) in lists.iter().enumerate().filter(|(_, list)| list.contains(&phrase)) {
                after.extend(before.iter().map(|said| said.and(index)));
            }
            let is_polite = words.values().any(|words| words.polite.contains(&phrase));
            // A phrase that answers is no courtesy as well.
            if after.is_empty() && (is_polite || around.contains(&phrase)) {
                after.extend(&before);
            }
            reached.get_mut(from + length).into_iter().for_each(|set| set.extend(&after));
        }
    }
    let mut ends = reached.last()?.iter().filter(|said| **said != Said::Nothing);
    match (ends.next(), ends.next()) {
        (Some(Said::One(list)), None) => Some(*list),
        _ => None,
    }
}

/// `yesssss` as one says it without the hurry.
fn calmed(word: &str) -> String {
    let chars: Vec<char> = word.chars().collect();
    let mut calm = String::new();
    for run in chars.chunk_by(|a, b| a == b) {
        let kept = if run.len() >= 3 { 1 } else { run.len() };
        calm.extend(run.iter().take(kept));
    }
    calm
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
