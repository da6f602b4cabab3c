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
use lexicon::{AROUND_CHOICES, NO, THANKS, YES, YES_ALONE};

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
            if is_yes_alone(text) {
                return Some("YES".to_owned());
            }
            let lists = Lists { own: &[yes, no], around: &BTreeSet::new(), after_yes: YES_ALONE };
            let said = parted(text, &lists, words)?;
            ["YES", "NO"].get(said).map(|word| (*word).to_owned())
        }
        Expect::Choice(choices) => {
            let folded = |(word, also): &(String, Vec<String>)| -> BTreeSet<String> {
                std::iter::once(word).chain(also).map(|phrase| fold(phrase)).collect()
            };
            let own: Vec<BTreeSet<String>> = choices.iter().map(folded).collect();
            let around = AROUND_CHOICES.iter().map(|word| fold(word)).collect();
            let lists = Lists { own: &own, around: &around, after_yes: &[] };
            let said = parted(text, &lists, words)?;
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

/// Whether a text is `I do` or the like, and thanks besides at most.
fn is_yes_alone(text: &str) -> bool {
    let folded = fold(text);
    let mut rest = folded.as_str();
    loop {
        let without = THANKS.iter().find_map(|thanks| {
            let before = rest.strip_prefix(thanks).and_then(|rest| rest.strip_prefix(' '));
            before.or_else(|| rest.strip_suffix(thanks)?.strip_suffix(' '))
        });
        match without {
            Some(without) => rest = without,
            None => return YES_ALONE.contains(&rest),
        }
    }
}

/// The phrases that a text is parted into, besides courtesies.
#[derive(Debug)]
struct Lists<'a> {
    /// What answers.
    own: &'a [BTreeSet<String>],
    /// What may stand around an answer.
    around: &'a BTreeSet<String>,
    /// What says nothing more behind a phrase of the first list.
    after_yes: &'a [&'a str],
}

/// The words of a text, as they are written and as they are said without hurry.
#[derive(Debug)]
struct Tokens {
    raw: Vec<String>,
    calm: Vec<String>,
}

impl Tokens {
    fn of(text: &str) -> Self {
        let raw: Vec<String> = fold(text).split_whitespace().map(str::to_owned).collect();
        let calm = raw.iter().map(|word| calmed(word)).collect();
        Self { raw, calm }
    }

    /// The phrase at a place, as it is known: as it is written before what it may mean.
    fn phrase(&self, at: std::ops::Range<usize>, is_known: impl Fn(&str) -> bool) -> String {
        let raw = self.raw.get(at.clone()).unwrap_or_default().join(" ");
        if is_known(&raw) { raw } else { self.calm.get(at).unwrap_or_default().join(" ") }
    }
}

/// Parts a text into phrases of the lists and courtesies; the one list that all phrases are of.
fn parted(text: &str, lists: &Lists<'_>, words: &BTreeMap<String, Words>) -> Option<usize> {
    let tokens = Tokens::of(text);
    let count = tokens.raw.len();
    let answers = |phrase: &str| lists.own.iter().any(|list| list.contains(phrase));
    // A phrase that answers is no courtesy as well.
    let is_polite = |phrase: &str| {
        !answers(phrase) && words.values().any(|words| words.polite.contains(phrase))
    };
    let is_known = |phrase: &str| answers(phrase) || is_polite(phrase);
    let spans: Vec<(usize, usize)> = (0..count)
        .flat_map(|from| (from + 1..=count.min(from + PHRASE_WORDS_MAX)).map(move |to| (from, to)))
        .collect();
    let polite: Vec<(usize, usize)> = spans
        .iter()
        .copied()
        .filter(|(from, to)| is_polite(&tokens.phrase(*from..*to, is_known)))
        .collect();
    let mut reached: Vec<BTreeSet<Said>> = vec![BTreeSet::new(); count + 1];
    reached.first_mut()?.extend([Said::Nothing]);
    for (from, to) in spans {
        let before = reached.get(from).cloned().unwrap_or_default();
        let phrase = tokens.phrase(from..to, is_known);
        // `no problem` is no no.
        let is_part = polite.iter().any(|(a, b)| *a <= from && to <= *b && to - from < b - a);
        let mut after = BTreeSet::new();
        for (index, _) in lists.own.iter().enumerate().filter(|(_, list)| list.contains(&phrase)) {
            after.extend(before.iter().filter(|_| !is_part).map(|said| said.and(index)));
        }
        if polite.contains(&(from, to)) || (!answers(&phrase) && lists.around.contains(&phrase)) {
            after.extend(&before);
        }
        if lists.after_yes.contains(&phrase.as_str()) {
            after.extend(before.iter().filter(|said| **said == Said::One(0)));
        }
        reached.get_mut(to).into_iter().for_each(|set| set.extend(&after));
    }
    let mut ends = reached.last()?.iter().filter(|said| **said != Said::Nothing);
    match (ends.next(), ends.next()) {
        (Some(Said::One(list)), None) => Some(*list),
        _ => None,
    }
}

/// `yesssss` as one says it without the hurry; figures mean what they are.
fn calmed(word: &str) -> String {
    let chars: Vec<char> = word.chars().collect();
    let mut calm = String::new();
    for run in chars.chunk_by(|a, b| a == b) {
        let is_figure = run.first().is_some_and(|c| c.is_numeric());
        let kept = if run.len() >= 3 && !is_figure { 1 } else { run.len() };
        calm.extend(run.iter().take(kept));
    }
    calm
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
