//! What a patient's text means.
//!
//! Reading is by word lists, one a language, as data in `conf/replies/`: no learning, no guessing. A
//! text is folded first ([`fold()`]), then parted into phrases of the lists. What says two things at
//! once, or one thing and something that no list knows, is for a person: a wrong answer costs a
//! patient the appointment, a question costs a text.

mod fold;
mod reaction;
mod read;
mod typo;
mod words;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use fold::fold;
pub use words::{Naming, NamingFile, Words, WordsFile};

pub(super) use read::number_of;

use fold::READ_MAX;
use reaction::is_reaction;
use read::{Heard, Reader};

/// What a text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// "I am coming."
    Confirm,
    /// "I am not coming."
    Cancel,
    /// "I need another time."
    Reschedule,
    /// "Send no more texts."
    Stop,
    /// The bare word CANCEL: to the carrier an opt-out, to the patient maybe a cancellation.
    CancelOrStop,
    /// "Send texts again."
    Start,
    /// "Who are you?"
    Help,
    /// "You have the wrong number."
    WrongNumber,
    /// A number, which may pick from a list.
    Number(u8),
    /// Something is understood and something else is said or asked besides: for a person to read.
    Mixed,
    /// Anything else.
    Unclear,
}

impl Intent {
    /// Whether it can be acted on without a person.
    const fn is_clear(self) -> bool {
        !matches!(self, Self::Mixed | Self::Unclear)
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirm => f.write_str("confirm"),
            Self::Cancel => f.write_str("cancel"),
            Self::Reschedule => f.write_str("reschedule"),
            Self::Stop => f.write_str("stop"),
            Self::CancelOrStop => f.write_str("stop, or maybe cancel"),
            Self::Start => f.write_str("start"),
            Self::Help => f.write_str("help"),
            Self::WrongNumber => f.write_str("wrong number"),
            Self::Mixed => f.write_str("more than one thing"),
            Self::Number(n) => write!(f, "number {n}"),
            Self::Unclear => f.write_str("unclear"),
        }
    }
}

/// Opt-out words that carriers act on themselves (Twilio's defaults, which hold the FCC's list of
/// 47 CFR 64.1200(a)(10)), but for CANCEL. They count only when they are the whole text.
const CARRIER_STOP: [&str; 7] =
    ["stop", "stopall", "unsubscribe", "end", "quit", "revoke", "optout"];

/// How many words a phrase has at most.
const PHRASE_WORDS_MAX: usize = 8;

/// Reads a text in any of the languages there are. A patient may answer in another language than the
/// text's; the own one, if it is known, is tried first, and languages that contradict each other are
/// for a person.
#[must_use]
pub fn understand(text: &str, own: Option<&str>, words: &BTreeMap<String, Words>) -> Intent {
    let mut all: Vec<&Words> = own.and_then(|tag| words.get(tag)).into_iter().collect();
    all.extend(words.iter().filter(|(tag, _)| Some(tag.as_str()) != own).map(|(_, words)| words));
    read_by(text, &all)
}

/// Reads a text in one language.
///
/// ```
/// use appointd::core::reply::{Intent, Words, WordsFile, read};
/// let words = Words::from(toml::from_str::<WordsFile>(r#"
///     confirm = ["yes", "c", "confirm"]
///     cancel = ["[I/we/] can't make it"]
///     reschedule = ["reschedule"]
///     start = ["start"]
///     help = ["help"]
///     polite = ["please", "thanks"]
///     main = ["confirm"]
/// "#).unwrap());
/// assert_eq!(read("Yes, thanks!", &words), Intent::Confirm);
/// assert_eq!(read("I cant make it", &words), Intent::Cancel);
/// assert_eq!(read("comfirm", &words), Intent::Confirm);
/// // Two things at once, or one and more, are for a person.
/// assert_eq!(read("yes but can I come at 3", &words), Intent::Mixed);
/// // To the carrier this word is an opt-out, whatever the patient meant.
/// assert_eq!(read("CANCEL", &words), Intent::CancelOrStop);
/// // Misspelled it is none to the carrier, so that an answer arrives and can be contradicted. Who
/// // writes it under a reminder means the visit, and an opt-out would silence all that follows.
/// assert_eq!(read("please cancel", &words), Intent::Cancel);
/// ```
#[must_use]
pub fn read(text: &str, words: &Words) -> Intent {
    read_by(text, &[words])
}

/// Whether the carrier itself blocks the sender for this text, so that no answer can arrive.
///
/// Carriers act on one of their words alone, whatever its case. Whether one with punctuation around
/// counts is not documented; it is taken as one, because a confirmation that is not sent costs less
/// than a text to somebody whom the carrier has blocked.
///
/// ```
/// use appointd::core::reply::is_carrier_stop;
/// assert!(is_carrier_stop(" Stop. ") && is_carrier_stop("CANCEL") && is_carrier_stop("opt-out"));
/// assert!(!is_carrier_stop("STOP please") && !is_carrier_stop("stop texting me"));
/// ```
#[must_use]
pub fn is_carrier_stop(text: &str) -> bool {
    let text = text.trim();
    if text.contains(char::is_whitespace) || text.chars().nth(READ_MAX).is_some() {
        return false;
    }
    let word: String =
        text.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    word == "cancel" || CARRIER_STOP.contains(&word.as_str())
}

/// Whether a text says no more than that the one before it was read: courtesy, or an "ok" that
/// answers no question.
#[must_use]
pub fn is_acknowledgment(text: &str, words: &BTreeMap<String, Words>) -> bool {
    let folded = fold(text);
    let tokens: Vec<&str> = folded.split_whitespace().take(PHRASE_WORDS_MAX * 2 + 1).collect();
    let is_short = !tokens.is_empty() && tokens.len() <= PHRASE_WORDS_MAX * 2;
    is_short && words.values().any(|words| is_made_of(&tokens, words))
}

/// Whether the words can be parted into courtesies and weak ones.
fn is_made_of(tokens: &[&str], words: &Words) -> bool {
    let mut reached = vec![false; tokens.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for from in 0..tokens.len() {
        if !reached.get(from).is_some_and(|reached| *reached) {
            continue;
        }
        for length in 1..=PHRASE_WORDS_MAX.min(tokens.len() - from) {
            let phrase = tokens.get(from..from + length).unwrap_or_default().join(" ");
            if words.polite.contains(&phrase) || words.weak.contains(&phrase) {
                reached.get_mut(from + length).into_iter().for_each(|reached| *reached = true);
            }
        }
    }
    reached.last().is_some_and(|reached| *reached)
}

/// Reads by several languages, the first one being the patient's own.
fn read_by(text: &str, all: &[&Words]) -> Intent {
    if is_reaction(text, all.iter().copied()) {
        return Intent::Mixed;
    }
    if text.trim().chars().nth(READ_MAX).is_some() {
        return Intent::Unclear;
    }
    let heard = Heard::new(text);
    // These always work, whatever the lists say.
    match heard.folded().as_str() {
        "cancel" => return Intent::CancelOrStop,
        "confirm appt" => return Intent::Confirm,
        "cancel appt" => return Intent::Cancel,
        word if CARRIER_STOP.contains(&word) => return Intent::Stop,
        _ => {}
    }
    let mut understood = Intent::Unclear;
    for forgives in [false, true] {
        let by = |lists: &[&Words]| Reader { lists, all, forgives }.read(&heard);
        let alone: Vec<Intent> = all.iter().map(|words| by(&[words])).collect();
        let mut clear = alone.iter().copied().filter(|intent| intent.is_clear());
        if let Some(first) = clear.next() {
            return if clear.all(|other| other == first) { first } else { Intent::Mixed };
        }
        // "Yes, gracias" is whole in no language, but in both together.
        let together = by(all);
        if together.is_clear() {
            return together;
        }
        if together == Intent::Mixed || alone.contains(&Intent::Mixed) {
            understood = Intent::Mixed;
        }
    }
    understood
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
