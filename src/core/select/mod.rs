//! Which of several appointments a text names: by number, by day, by name, or all of them.
//!
//! Pure word matching, like [`super::reply`]; what the text says beside that is handed back to be
//! read there. A text in which anything named is not there, or fits several, names nothing: the
//! patient is asked, never half understood.

mod name;
mod pieces;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::local_time::LocalTime;
use super::reply::{Words, fold, is_carrier_stop};
use name::{Kind, Named, Namer};
use pieces::{Piece, pieces};

/// Nobody picks from a list with a novel.
const READ_MAX: usize = 400;

/// An appointment that a text may name.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The patient's given name.
    pub given: Option<&'a str>,
    /// When it starts.
    pub start: Option<&'a LocalTime>,
}

/// What a number in a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// A place in a list that the patient was shown, from 1.
    Places,
    /// No place: there was no list.
    Nothing,
}

/// Appointments that a part of a text names, and what it says of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// Which of the choices, counted from 0.
    pub choices: BTreeSet<usize>,
    /// What is left of the text without the words that name them.
    pub rest: String,
}

/// A part of a text.
#[derive(Debug)]
enum Part {
    Group(BTreeSet<usize>),
    Words(Vec<Piece>),
}

/// What a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Nothing.
    Nothing,
    /// Something that there is not, or that could be several.
    InDoubt,
    /// These, each with what is said of it.
    Picks(Vec<Pick>),
}

impl Selection {
    /// What is named for certain; empty if nothing is.
    #[must_use]
    pub fn into_picks(self) -> Vec<Pick> {
        match self {
            Self::Nothing | Self::InDoubt => Vec::new(),
            Self::Picks(picks) => picks,
        }
    }
}

/// Finds what a text names.
///
/// A rest that is the bare word CANCEL is given back as `CANCEL APPT`: the text was about an
/// appointment, and is no opt-out.
#[must_use]
pub fn select(
    text: &str,
    choices: &[Choice<'_>],
    numbers: Numbers,
    words: &BTreeMap<String, Words>,
    today: NaiveDate,
) -> Selection {
    if choices.is_empty() || text.trim().chars().nth(READ_MAX).is_some() {
        return Selection::Nothing;
    }
    let all: Vec<&Words> = words.values().collect();
    let namer = Namer { choices, numbers, words: &all, today };
    let pieces = pieces(text);
    let Some(parts) = parts(&pieces, &namer) else { return Selection::InDoubt };
    if !parts.iter().any(|part| matches!(part, Part::Group(_))) {
        return Selection::Nothing;
    }
    let is_question = text.contains(['?', '¿']);
    picks(parts, &namer, is_question).map_or(Selection::InDoubt, Selection::Picks)
}

/// Parts a text into what names and what does not; `None` if something named is in doubt.
fn parts(pieces: &[Piece], namer: &Namer<'_>) -> Option<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    let mut at = 0;
    while let Some(rest) = pieces.get(at..).filter(|rest| !rest.is_empty()) {
        if namer.is_neither(rest) {
            return None;
        }
        if namer.named(rest).is_some() {
            let (group, length) = group(rest, namer)?;
            parts.push(Part::Group(group));
            at += length;
            continue;
        }
        let piece = rest.first()?.clone();
        match parts.last_mut() {
            Some(Part::Words(words)) => words.push(piece),
            Some(Part::Group(_)) | None => parts.push(Part::Words(vec![piece])),
        }
        at += 1;
    }
    Some(parts)
}

/// Reads names that stand together: "1 and 3", "Jane's on Tuesday at 2", "both on Friday".
fn group(pieces: &[Piece], namer: &Namer<'_>) -> Option<(BTreeSet<usize>, usize)> {
    let mut picked = BTreeSet::new();
    let mut term: Vec<Named> = Vec::new();
    let mut at = 0;
    loop {
        let rest = pieces.get(at..).unwrap_or_default();
        let joins = rest.iter().take_while(|piece| namer.is_and(piece)).count();
        let Some(next) = namer.named(rest.get(joins..).unwrap_or_default()) else { break };
        let has_word = rest.iter().take(joins).any(|piece| !piece.is_break);
        let is_new_kind = term.iter().all(|named| named.kind != next.kind);
        if !term.is_empty() && (has_word || !is_new_kind) {
            picked.extend(settle(&term)?);
            term.clear();
        }
        at += joins + next.pieces;
        term.push(next);
    }
    picked.extend(settle(&term)?);
    Some((picked, at))
}

/// The choices that fit all that is said of them; one, unless all were asked for.
fn settle(term: &[Named]) -> Option<BTreeSet<usize>> {
    let mut fits = term.iter().map(|named| named.fits.clone());
    let first = fits.next()?;
    let fits = fits.fold(first, |all, next| all.intersection(&next).copied().collect());
    let is_plural = term.iter().any(|named| named.kind == Kind::All);
    (fits.len() == 1 || (is_plural && !fits.is_empty())).then_some(fits)
}

/// Gives every group the words that belong to it.
fn picks(parts: Vec<Part>, namer: &Namer<'_>, is_question: bool) -> Option<Vec<Pick>> {
    let groups = parts.iter().filter(|part| matches!(part, Part::Group(_))).count();
    if groups == 0 {
        return None;
    }
    let mut picks: Vec<(BTreeSet<usize>, Vec<Piece>)> = Vec::new();
    let mut waiting: Vec<Piece> = Vec::new();
    let leads = matches!(speaking(&parts, namer).first(), Some(Part::Words(_)));
    let ends = matches!(speaking(&parts, namer).last(), Some(Part::Words(_)));
    // "1 C and 2", "C 1, X": whose the words are is anybody's guess.
    if groups > 1 && leads == ends {
        return None;
    }
    let mut is_after_last = false;
    for part in parts {
        match part {
            Part::Group(group) => {
                picks.push((group, std::mem::take(&mut waiting)));
                is_after_last = true;
            }
            Part::Words(mut words) => {
                if groups > 1 {
                    words.retain(|piece| !namer.is_and(piece));
                }
                let is_courtesy = is_courtesy(&words, namer);
                let belongs_before = groups == 1 || !leads || is_courtesy;
                match picks.last_mut().filter(|_| is_after_last && belongs_before) {
                    Some((_, rest)) => rest.extend(words),
                    None => waiting.extend(words),
                }
            }
        }
    }
    if !waiting.is_empty() {
        return None;
    }
    finish(picks, is_question)
}

/// The parts but for courtesy.
fn speaking<'a>(parts: &'a [Part], namer: &Namer<'_>) -> Vec<&'a Part> {
    let speaks = |part: &&Part| match part {
        Part::Group(_) => true,
        Part::Words(words) => !is_courtesy(words, namer),
    };
    parts.iter().filter(speaks).collect()
}

fn is_courtesy(words: &[Piece], namer: &Namer<'_>) -> bool {
    let is_polite = |piece: &Piece| {
        let lists = namer.words.iter();
        piece.word.is_empty() || lists.into_iter().any(|words| words.polite.contains(&piece.word))
    };
    words.iter().all(|piece| is_polite(piece) || namer.is_and(piece))
}

fn finish(picks: Vec<(BTreeSet<usize>, Vec<Piece>)>, is_question: bool) -> Option<Vec<Pick>> {
    let mut seen = BTreeSet::new();
    let mut finished = Vec::new();
    for (choices, rest) in picks {
        // Two answers for one appointment are none.
        if choices.iter().any(|choice| !seen.insert(*choice)) {
            return None;
        }
        let words = rest.iter().filter(|piece| !piece.is_break).map(|piece| piece.raw.as_str());
        let mut rest = words.collect::<Vec<_>>().join(" ");
        if fold(&rest) == "cancel" {
            rest = format!("{rest} APPT");
        } else if is_carrier_stop(&rest) {
            // "Stop Tuesday" may be an opt-out and may be none: it is read whole.
            return None;
        }
        // A question stays one, even if its mark stood at a name.
        if is_question && !rest.contains('?') && !rest.is_empty() {
            rest.push('?');
        }
        finished.push(Pick { choices, rest });
    }
    Some(finished)
}
