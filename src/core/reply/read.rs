//! From words to a meaning.
//!
//! A text is parted into phrases of the lists, so that as few words as possible are left over. Only
//! what is covered whole, and says one thing, has a meaning; with anything left over it is for a
//! person. So a negation that no list knows can never turn into its opposite.

use super::fold::{Token, tokens};
use super::typo::is_slip;
use super::words::{ANY_NAME, Words};
use super::{Intent, PHRASE_WORDS_MAX};

const CONFIRM: u32 = 1;
const CANCEL: u32 = 1 << 1;
const RESCHEDULE: u32 = 1 << 2;
const STOP: u32 = 1 << 3;
const START: u32 = 1 << 4;
const HELP: u32 = 1 << 5;
const WRONG_NUMBER: u32 = 1 << 6;
const PERSON: u32 = 1 << 7;
/// A day was named.
const DAY: u32 = 1 << 8;
const REASON: u32 = 1 << 9;
const NUMBER: u32 = 1 << 10;
/// A choice of one letter.
const LETTER: u32 = 1 << 11;
/// A word such as `option`, after which a number may stand.
const LEAD: u32 = 1 << 12;
/// A phrase that counts as a question too.
const ASKED: u32 = 1 << 13;
const AND: u32 = 1 << 14;

const VISIT: u32 = CONFIRM | CANCEL | RESCHEDULE;
const RESCHEDULE_AND_CANCEL: u32 = RESCHEDULE | CANCEL;
const STOP_AND_WRONG: u32 = STOP | WRONG_NUMBER;
const INTENTS: u32 = VISIT | STOP | START | HELP | WRONG_NUMBER | PERSON;

/// A text, ready to be looked up.
#[derive(Debug)]
pub(super) struct Heard {
    tokens: Vec<Token>,
    is_question: bool,
}

/// A way to part the beginning of a text; less is better.
#[derive(Debug, Clone, Copy, Default)]
struct Parting {
    left_over: usize,
    phrases: usize,
    says: u32,
    /// What it says otherwise than by a letter in the middle, which may be any letter.
    spoken: u32,
    number: Option<u8>,
}

/// Where in a text a phrase stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    is_first: bool,
    is_last: bool,
}

/// Word lists to read by, and whether slips are forgiven.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) lists: &'a [&'a Words],
    /// All languages there are: a word of any of them is no slip.
    pub(super) all: &'a [&'a Words],
    pub(super) forgives: bool,
}

impl Heard {
    pub(super) fn new(text: &str) -> Self {
        let is_question = text.contains(['?', '¿', '\u{ff1f}', '\u{61f}']);
        let mut tokens = tokens(text);
        if !text.contains(char::is_lowercase) {
            // Who writes all in capitals marks no names by them.
            tokens.iter_mut().for_each(|token| token.is_capital = false);
        }
        Self { tokens, is_question }
    }

    pub(super) fn folded(&self) -> String {
        self.tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

impl Reader<'_> {
    pub(super) fn read(&self, heard: &Heard) -> Intent {
        let plain: Vec<String> = heard.tokens.iter().map(|token| self.normal(token)).collect();
        if self.is_automatic(&plain) {
            return Intent::Unclear;
        }
        let named: Vec<&str> = heard
            .tokens
            .iter()
            .zip(&plain)
            .map(|(token, word)| self.or_name(token, word))
            .collect();
        let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
        meaning(self.part(&plain, &named), heard.is_question)
    }

    /// The way to part the text into phrases that leaves the fewest words over, and of those the
    /// one of the fewest phrases; equals are taken together, so that doubt shows.
    fn part(&self, plain: &[&str], named: &[&str]) -> Parting {
        let mut best: Vec<Option<Parting>> = vec![None; plain.len() + 1];
        if let Some(first) = best.first_mut() {
            *first = Some(Parting::default());
        }
        for from in 0..plain.len() {
            let Some(before) = best.get(from).copied().flatten() else { continue };
            let longest = PHRASE_WORDS_MAX.min(plain.len() - from);
            for length in 1..=longest {
                let words = plain.get(from..from + length).unwrap_or_default();
                let names = named.get(from..from + length).unwrap_or_default();
                let phrase = words.join(" ");
                let mut says = self.says(&phrase);
                if words != names {
                    says = says.or_else(|| self.wrong(&names.join(" ")));
                }
                let is_last = from + length == plain.len();
                let place = Place { is_first: from == 0, is_last };
                let joined = before.with(&phrase, says, self.number(&phrase), place);
                let Some(joined) = joined.or_else(|| (length == 1).then(|| before.without()))
                else {
                    continue;
                };
                if let Some(after) = best.get_mut(from + length) {
                    *after = Some(after.map_or(joined, |other| other.or(joined)));
                }
            }
        }
        best.pop().flatten().unwrap_or_default()
    }

    /// What a phrase says; 0 is courtesy.
    fn says(&self, phrase: &str) -> Option<u32> {
        let mut says = None;
        for words in self.lists {
            let lists = [
                (&words.confirm, CONFIRM),
                (&words.cancel, CANCEL),
                (&words.reschedule, RESCHEDULE),
                (&words.stop, STOP),
                (&words.start, START),
                (&words.help, HELP),
                (&words.wrong_number, WRONG_NUMBER),
                (&words.person, PERSON),
                (&words.polite, 0),
                (&words.reason, REASON),
                (&words.naming.and, AND),
            ];
            let found = lists.into_iter().find(|(list, _)| list.contains(phrase));
            let asked = if words.asked.contains(phrase) { ASKED } else { 0 };
            let found = found.map(|(_, bits)| bits | asked);
            let found = found.or_else(|| words.naming.is_day(phrase).then_some(DAY));
            let found = found.or_else(|| words.naming.option.contains(phrase).then_some(LEAD));
            if let Some(bits) = found {
                says = Some(says.unwrap_or(0) | bits);
            }
        }
        // Alone this word is an opt-out, and never comes here; in a sentence it is about the visit.
        says.or_else(|| (phrase == "cancel").then_some(CANCEL))
            .or_else(|| self.number(phrase).map(|_| NUMBER))
    }

    fn wrong(&self, phrase: &str) -> Option<u32> {
        let is_listed = self.lists.iter().any(|words| words.wrong_number.contains(phrase));
        is_listed.then_some(WRONG_NUMBER)
    }

    fn number(&self, phrase: &str) -> Option<u8> {
        number_of(phrase, self.lists)
    }

    fn knows(&self, word: &str) -> bool {
        self.all.iter().any(|words| words.vocabulary.contains(word))
    }

    /// A word as the lists may know it: "yesss" as "yes", and in the second reading slips mended.
    fn normal(&self, token: &Token) -> String {
        let word = token.text.as_str();
        let is_short = word.chars().nth(1).is_none();
        if is_short || self.knows(word) || word.bytes().all(|byte| byte.is_ascii_digit()) {
            return word.to_owned();
        }
        for kept in [1, 2] {
            let squeezed = squeeze(word, 3, kept);
            if squeezed.chars().nth(1).is_some() && squeezed != word && self.knows(&squeezed) {
                return squeezed;
            }
        }
        // A row of two is too common to mean nothing, but for the words that are answers.
        let squeezed = squeeze(word, 2, 1);
        let is_answer =
            |words: &&Words| words.confirm.contains(&squeezed) || words.polite.contains(&squeezed);
        if squeezed.chars().nth(1).is_some() && self.lists.iter().any(is_answer) {
            return squeezed;
        }
        let mut main = self.lists.iter().flat_map(|words| &words.main);
        let meant = self.forgives.then(|| main.find(|main| is_slip(word, main))).flatten();
        meant.cloned().unwrap_or_else(|| word.to_owned())
    }

    /// What stands with a capital and in no list may be a name.
    fn or_name<'t>(&self, token: &Token, word: &'t str) -> &'t str {
        if token.is_capital && !self.knows(word) { ANY_NAME } else { word }
    }

    fn is_automatic(&self, plain: &[String]) -> bool {
        let has = |phrase: &String| {
            let words: Vec<&str> = phrase.split(' ').collect();
            plain.windows(words.len()).any(|window| window == words)
        };
        self.all.iter().flat_map(|words| &words.automatic).any(has)
    }
}

impl Parting {
    /// Goes on with a phrase of the lists, unless it is none here.
    fn with(
        self,
        phrase: &str,
        says: Option<u32>,
        number: Option<u8>,
        place: Place,
    ) -> Option<Self> {
        let mut says = says?;
        let number = number.filter(|_| says & NUMBER != 0);
        let is_letter = phrase.chars().nth(1).is_none() && says & VISIT != 0;
        if is_letter {
            says |= LETTER;
        }
        // "Thanks x" is a kiss, and who knows what the 3 of "thank you 3" is.
        let is_choice = is_letter || number.is_some();
        let agrees = (says | meant_by(number)) & (self.says | meant_by(self.number)) & VISIT != 0;
        let is_led = self.says & LEAD != 0;
        if is_choice && place.is_last && !place.is_first && !(agrees || is_led) {
            return None;
        }
        let is_repeated = self.says & says & (LETTER | DAY) != 0;
        if is_repeated || (number.is_some() && self.number.is_some()) {
            return None;
        }
        let spoken = if is_letter && !place.is_first { 0 } else { says };
        Some(Self {
            left_over: self.left_over,
            phrases: self.phrases + 1,
            says: self.says | says,
            spoken: self.spoken | spoken,
            number: number.or(self.number),
        })
    }

    /// Goes on with a word that is left over.
    const fn without(self) -> Self {
        Self { left_over: self.left_over + 1, phrases: self.phrases + 1, ..self }
    }

    fn or(self, other: Self) -> Self {
        match (self.left_over, self.phrases).cmp(&(other.left_over, other.phrases)) {
            std::cmp::Ordering::Less => self,
            std::cmp::Ordering::Greater => other,
            std::cmp::Ordering::Equal => Self {
                says: self.says | other.says,
                spoken: self.spoken | other.spoken,
                number: self.number.or(other.number),
                ..self
            },
        }
    }
}

/// What a number says where it stands beside words: the choices that texts offer.
const fn meant_by(number: Option<u8>) -> u32 {
    match number {
        Some(1) => CONFIRM,
        Some(2) => RESCHEDULE,
        Some(3) => CANCEL,
        Some(_) => PERSON,
        None => 0,
    }
}

fn meaning(parting: Parting, is_question: bool) -> Intent {
    let says = parting.says;
    let has_lone_lead = says & LEAD != 0 && parting.number.is_none();
    if parting.left_over > 0 || has_lone_lead {
        let is_understood = parting.spoken & INTENTS != 0;
        return if is_understood { Intent::Mixed } else { Intent::Unclear };
    }
    let has_more = says & (DAY | REASON) != 0;
    let intents = says & INTENTS;
    if let (0, Some(number)) = (intents, parting.number) {
        return if is_question || has_more { Intent::Unclear } else { Intent::Number(number) };
    }
    let is_asked = is_question && says & ASKED == 0;
    match intents | meant_by(parting.number) {
        0 => Intent::Unclear,
        // Who asks whether it is so, or names a day that may be another one, has not confirmed.
        CONFIRM if !is_asked && !has_more => Intent::Confirm,
        CANCEL if !is_asked => Intent::Cancel,
        // Who cannot come and wants another time wants another time: a person calls, and the old
        // one stands until then.
        RESCHEDULE | RESCHEDULE_AND_CANCEL => Intent::Reschedule,
        // A stranger who wants no more texts gets no more, whoever's number this is.
        STOP | STOP_AND_WRONG if !has_more => Intent::Stop,
        START if !is_asked && !has_more => Intent::Start,
        HELP if !has_more => Intent::Help,
        WRONG_NUMBER if !has_more => Intent::WrongNumber,
        _ => Intent::Mixed,
    }
}

/// A number as digits or as a word.
pub(in crate::core) fn number_of(word: &str, lists: &[&Words]) -> Option<u8> {
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return word.parse().ok();
    }
    let mut rows = lists.iter().map(|words| &words.naming.numbers);
    let place = rows.find_map(|row| row.iter().position(|names| names.contains(word)))?;
    u8::try_from(place + 1).ok()
}

/// Shortens every row of `least` or more equal letters to `kept`.
fn squeeze(word: &str, least: usize, kept: usize) -> String {
    let letters: Vec<char> = word.chars().collect();
    let rows = letters.chunk_by(|one, next| one == next);
    rows.flat_map(|row| {
        let length = if row.len() >= least { kept } else { row.len() };
        row.iter().copied().take(length)
    })
    .collect()
}
