//! What a patient's text means.
//!
//! Reading is by word lists, one a language, as data in `conf/replies/`: no learning, no guessing. A
//! text is folded first (case, accents, punctuation, look of emoji), so `Sí!` and `si` are one. What
//! says two things at once, or a thing and a question, is unclear: a wrong answer costs a patient the
//! appointment, a question costs a text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

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
/// 47 CFR 64.1200(a)(10)). They count only when they are the whole text.
const CARRIER_STOP: [&str; 7] =
    ["stop", "stopall", "unsubscribe", "end", "quit", "revoke", "optout"];

/// Nobody answers a reminder with a novel: what has more characters is unclear, and not read.
const READ_MAX: usize = 400;

/// How many words a phrase has at most.
const PHRASE_WORDS_MAX: usize = 8;

/// The words of one language, folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Whole texts that mean yes.
    pub confirm: BTreeSet<String>,
    /// Whole texts that mean no.
    pub cancel: BTreeSet<String>,
    /// Whole texts that ask for another time.
    pub reschedule: BTreeSet<String>,
    /// Whole texts that opt out.
    pub stop: BTreeSet<String>,
    /// Whole texts that opt in.
    pub start: BTreeSet<String>,
    /// Whole texts that ask for help.
    pub help: BTreeSet<String>,
    /// Words that may stand around one of the above without changing it (`please`, `thanks`).
    pub polite: BTreeSet<String>,
}

/// The form of a word list's file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordsFile {
    /// Whole texts that mean yes.
    pub confirm: Vec<String>,
    /// Whole texts that mean no.
    pub cancel: Vec<String>,
    /// Whole texts that ask for another time.
    pub reschedule: Vec<String>,
    /// Whole texts that opt out, besides those that carriers act on.
    #[serde(default)]
    pub stop: Vec<String>,
    /// Whole texts that opt in.
    pub start: Vec<String>,
    /// Whole texts that ask for help.
    pub help: Vec<String>,
    /// Words of courtesy.
    #[serde(default)]
    pub polite: Vec<String>,
}

impl From<WordsFile> for Words {
    fn from(file: WordsFile) -> Self {
        let folded = |list: Vec<String>| list.iter().map(|text| fold(text)).collect();
        Self {
            confirm: folded(file.confirm),
            cancel: folded(file.cancel),
            reschedule: folded(file.reschedule),
            stop: folded(file.stop),
            start: folded(file.start),
            help: folded(file.help),
            polite: folded(file.polite),
        }
    }
}

/// Reads a text in any of the languages there are. A patient may answer in another language than the
/// text's; the own one, if it is known, has the first word.
#[must_use]
pub fn understand(text: &str, own: Option<&str>, words: &BTreeMap<String, Words>) -> Intent {
    let own = own.and_then(|tag| words.get(tag));
    let mut understood = own.map_or(Intent::Unclear, |words| read(text, words));
    for words in words.values() {
        if understood != Intent::Unclear {
            break;
        }
        understood = read(text, words);
    }
    understood
}

/// Reads a text.
///
/// ```
/// use appointd::core::reply::{Intent, Words, WordsFile, read};
/// let words = Words::from(toml::from_str::<WordsFile>(r#"
///     confirm = ["yes", "c", "confirm"]
///     cancel = ["can't make it"]
///     reschedule = ["reschedule"]
///     start = ["start"]
///     help = ["help"]
///     polite = ["please", "thanks"]
/// "#).unwrap());
/// assert_eq!(read("Yes, thanks!", &words), Intent::Confirm);
/// assert_eq!(read("cant make it", &words), Intent::Cancel);
/// // Two things at once are none.
/// assert_eq!(read("yes but can I come at 3", &words), Intent::Unclear);
/// // To the carrier this word is an opt-out, whatever the patient meant.
/// assert_eq!(read("CANCEL", &words), Intent::CancelOrStop);
/// ```
#[must_use]
pub fn read(text: &str, words: &Words) -> Intent {
    if text.trim().chars().nth(READ_MAX).is_some() {
        return Intent::Unclear;
    }
    let folded = fold(text);
    if CARRIER_STOP.contains(&folded.as_str()) || words.stop.contains(&folded) {
        return Intent::Stop;
    }
    if folded == "cancel" {
        return Intent::CancelOrStop;
    }
    // These two always work, whatever the lists say.
    match folded.as_str() {
        "confirm appt" => return Intent::Confirm,
        "cancel appt" => return Intent::Cancel,
        _ => {}
    }
    // Phrases are put together for what concerns the visit, never to find an opt-out word: the
    // carrier does not block on "stop please", and so neither must we pretend it did.
    match_lists(&folded, words).or_else(|| in_phrases(&folded, words)).unwrap_or(Intent::Unclear)
}

fn match_lists(folded: &str, words: &Words) -> Option<Intent> {
    let lists = [
        (&words.confirm, Intent::Confirm),
        (&words.cancel, Intent::Cancel),
        (&words.reschedule, Intent::Reschedule),
        (&words.start, Intent::Start),
        (&words.help, Intent::Help),
    ];
    if let Some((_, intent)) = lists.into_iter().find(|(list, _)| list.contains(folded)) {
        return Some(intent);
    }
    folded.parse::<u8>().ok().map(Intent::Number)
}

/// Reads a text that is made of several phrases of one meaning, and of courtesy: "yes, see you
/// then, thank you". Every word has to belong to one of them, and all have to mean the same.
fn in_phrases(folded: &str, words: &Words) -> Option<Intent> {
    let parts: Vec<&str> = folded.split(' ').take(PHRASE_WORDS_MAX * 4).collect();
    // What each beginning of the text can mean; `None` is courtesy alone.
    let mut meanings: Vec<Vec<Option<Intent>>> = vec![Vec::new(); parts.len() + 1];
    if let Some(start) = meanings.first_mut() {
        start.push(None);
    }
    for from in 0..parts.len() {
        let before = meanings.get(from).cloned().unwrap_or_default();
        for length in 1..=PHRASE_WORDS_MAX.min(parts.len() - from) {
            let phrase = parts.get(from..from + length).unwrap_or_default().join(" ");
            let says = visit_phrase(&phrase, words);
            let is_courtesy = length == 1 && words.polite.contains(&phrase);
            for meaning in &before {
                let joined = match (meaning, says) {
                    (None, Some(intent)) => Some(Some(intent)),
                    (Some(meant), Some(intent)) if *meant == intent => Some(Some(intent)),
                    _ => is_courtesy.then_some(*meaning),
                };
                let Some(after) = meanings.get_mut(from + length) else { continue };
                after.extend(joined.filter(|joined| !after.contains(joined)));
            }
        }
    }
    match meanings.last()?.iter().flatten().collect::<Vec<_>>().as_slice() {
        [only] => Some(**only),
        _ => None,
    }
}

/// What a phrase says about the visit.
fn visit_phrase(phrase: &str, words: &Words) -> Option<Intent> {
    let lists = [
        (&words.confirm, Intent::Confirm),
        (&words.cancel, Intent::Cancel),
        (&words.reschedule, Intent::Reschedule),
    ];
    lists.into_iter().find(|(list, _)| list.contains(phrase)).map(|(_, intent)| intent)
}

/// Folds a text to what counts: lower case, no accents, no punctuation, single blanks.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len().min(200));
    for c in text.trim_start().chars().take(READ_MAX).flat_map(char::to_lowercase) {
        match plain(c) {
            Folded::Letter(letter) => folded.push(letter),
            Folded::Pair(pair) => folded.push_str(pair),
            Folded::Blank => {
                if !folded.is_empty() && !folded.ends_with(' ') {
                    folded.push(' ');
                }
            }
            Folded::Nothing => {}
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

enum Folded {
    Letter(char),
    Pair(&'static str),
    Blank,
    Nothing,
}

fn plain(c: char) -> Folded {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => Folded::Letter('a'),
        'è' | 'é' | 'ê' | 'ë' => Folded::Letter('e'),
        'ì' | 'í' | 'î' | 'ï' => Folded::Letter('i'),
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' => Folded::Letter('o'),
        'ù' | 'ú' | 'û' | 'ü' => Folded::Letter('u'),
        'ñ' => Folded::Letter('n'),
        'ç' => Folded::Letter('c'),
        'ß' => Folded::Pair("ss"),
        // "can't" and "cant" are one word; so are an emoji and its toned or joined variants, and a
        // digit and its keycap.
        '\''
        | '\u{2018}'
        | '\u{2019}'
        | '`'
        | '\u{300}'..='\u{36f}'
        | '\u{200d}'
        | '\u{20e3}'
        | '\u{fe0e}'
        | '\u{fe0f}'
        | '\u{1f3fb}'..='\u{1f3ff}' => Folded::Nothing,
        c if c.is_alphanumeric() => Folded::Letter(c),
        // Emoji and other symbols carry meaning; punctuation and blanks part words.
        c if !c.is_ascii() && !c.is_whitespace() && !is_general_punctuation(c) => Folded::Letter(c),
        _ => Folded::Blank,
    }
}

const fn is_general_punctuation(c: char) -> bool {
    matches!(c, '\u{2000}'..='\u{206f}' | '\u{a0}'..='\u{bf}' | '\u{3000}'..='\u{303f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn english() -> Words {
        Words::from(
            toml::from_str::<WordsFile>(include_str!("../../conf/replies/en.toml")).unwrap(),
        )
    }

    #[test]
    fn everyday_replies_are_understood() {
        let table = [
            ("C", Intent::Confirm),
            ("c.", Intent::Confirm),
            ("1", Intent::Number(1)),
            ("Yes", Intent::Confirm),
            ("YES!!!", Intent::Confirm),
            ("yes please", Intent::Confirm),
            ("Yes, see you then!", Intent::Confirm),
            ("Hi, ok thanks, I'll be there", Intent::Confirm),
            ("Ok thank you", Intent::Confirm),
            ("👍🏽", Intent::Confirm),
            ("✅", Intent::Confirm),
            ("I’ll be there", Intent::Confirm),
            ("Confirm Appt", Intent::Confirm),
            ("cancel appt.", Intent::Cancel),
            ("Can't make it, sorry", Intent::Cancel),
            ("X", Intent::Cancel),
            ("R", Intent::Reschedule),
            ("reschedule please", Intent::Reschedule),
            ("STOP", Intent::Stop),
            (" stop. ", Intent::Stop),
            ("Unsubscribe", Intent::Stop),
            ("cancel", Intent::CancelOrStop),
            ("START", Intent::Start),
            ("help", Intent::Help),
            ("2", Intent::Number(2)),
        ];
        for (text, intent) in table {
            assert_eq!(read(text, &english()), intent, "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_is_unclear() {
        let hostile = "y".repeat(100_000);
        let table = [
            "",
            "   ",
            "?",
            "no",
            "yes no",
            "yes but can I come at 3",
            "yes I can't make it",
            "ok cancel appointment",
            "thank you",
            "I don't want to cancel",
            "who is this",
            "999",
            "c x",
            "stop please",
            "\u{0}\u{feff}",
            hostile.as_str(),
        ];
        for text in table {
            assert_eq!(read(text, &english()), Intent::Unclear, "{}", text.len());
        }
    }

    #[test]
    fn no_word_stands_in_two_lists() {
        let words = english();
        let lists = [
            &words.confirm,
            &words.cancel,
            &words.reschedule,
            &words.start,
            &words.help,
            &words.stop,
        ];
        let total: usize = lists.iter().map(|list| list.len()).sum();
        let distinct: BTreeSet<&String> = lists.into_iter().flatten().collect();
        assert_eq!(total, distinct.len());
    }
}
