//! The words of one language: the form of their file, and what is wrong with it.
//!
//! A phrase may hold choices: `[I/we/] can't make it` is three phrases, the last one without the
//! bracket. Lists are spread out when they are read, so that understanding is looking up.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::fold::fold;
use super::{CARRIER_STOP, PHRASE_WORDS_MAX};

/// How many phrases one line with choices makes at most; what goes beyond is left out.
const SPREAD_MAX: usize = 2_000;
/// Written in a phrase for a name, whatever it is: `this is not NAME`.
const NAME: &str = "NAME";
/// A name as it stands in a spread phrase; nobody can type it, for folding drops it.
pub(super) const ANY_NAME: &str = "\u{e000}";

/// The words of one language, folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Texts that mean yes.
    pub confirm: BTreeSet<String>,
    /// Texts that mean no.
    pub cancel: BTreeSet<String>,
    /// Texts that ask for another time.
    pub reschedule: BTreeSet<String>,
    /// Texts that opt out.
    pub stop: BTreeSet<String>,
    /// Texts that opt in.
    pub start: BTreeSet<String>,
    /// Texts that ask for help.
    pub help: BTreeSet<String>,
    /// Texts of somebody who is not the patient.
    pub wrong_number: BTreeSet<String>,
    /// Texts that a person has to read, such as "running late".
    pub person: BTreeSet<String>,
    /// Words that may stand around one of the above without changing it (`please`, `thanks`).
    pub polite: BTreeSet<String>,
    /// Words that say no more than "I have read it", unless they answer a question (`ok`, `great`).
    pub weak: BTreeSet<String>,
    /// Why somebody does not come; it says nothing by itself.
    pub reason: BTreeSet<String>,
    /// What machines answer; a text with one of these is not the patient's.
    pub automatic: BTreeSet<String>,
    /// What a phone writes before the quoted text to which somebody reacted.
    pub reactions: BTreeSet<String>,
    /// Phrases that also count with a question mark.
    pub asked: BTreeSet<String>,
    /// Words in which one slip of the finger is forgiven.
    pub main: BTreeSet<String>,
    /// Every word of the lists.
    pub vocabulary: BTreeSet<String>,
    /// The words by which appointments are named.
    pub naming: Naming,
}

/// The words by which one of several appointments is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Naming {
    /// All there are.
    pub all: BTreeSet<String>,
    /// The two there are.
    pub both: BTreeSet<String>,
    /// None of them.
    pub neither: BTreeSet<String>,
    /// Words between two of them.
    pub and: BTreeSet<String>,
    /// Words that lead to a name, a day or a number: `the`, `for`, `number`.
    pub before: BTreeSet<String>,
    /// Words that lead to a number only: `option`.
    pub option: BTreeSet<String>,
    /// Words that follow one: `one`, `appointment`.
    pub after: BTreeSet<String>,
    /// Words before a time of day.
    pub at: BTreeSet<String>,
    /// Before noon.
    pub am: BTreeSet<String>,
    /// After noon.
    pub pm: BTreeSet<String>,
    /// The present day.
    pub today: BTreeSet<String>,
    /// The next day.
    pub tomorrow: BTreeSet<String>,
    /// Days from Monday on.
    pub weekdays: Vec<BTreeSet<String>>,
    /// Months from January on.
    pub months: Vec<BTreeSet<String>>,
    /// First, second and so on.
    pub ordinals: Vec<BTreeSet<String>>,
    /// One, two and so on.
    pub numbers: Vec<BTreeSet<String>>,
    /// The one at the end.
    pub last: BTreeSet<String>,
    /// Whether `8/12` may be the eighth of December.
    pub day_first: bool,
}

/// The form of a word list's file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordsFile {
    /// Texts that mean yes.
    pub confirm: Vec<String>,
    /// Texts that mean no.
    pub cancel: Vec<String>,
    /// Texts that ask for another time.
    pub reschedule: Vec<String>,
    /// Texts that opt out, besides those that carriers act on.
    #[serde(default)]
    pub stop: Vec<String>,
    /// Texts that opt in.
    pub start: Vec<String>,
    /// Texts that ask for help.
    pub help: Vec<String>,
    /// Texts of somebody who is not the patient.
    #[serde(default)]
    pub wrong_number: Vec<String>,
    /// Texts that a person has to read.
    #[serde(default)]
    pub person: Vec<String>,
    /// Words of courtesy.
    #[serde(default)]
    pub polite: Vec<String>,
    /// Words that say no more than "I have read it".
    #[serde(default)]
    pub weak: Vec<String>,
    /// Why somebody does not come.
    #[serde(default)]
    pub reason: Vec<String>,
    /// What machines answer.
    #[serde(default)]
    pub automatic: Vec<String>,
    /// What stands before a quoted text to which somebody reacted.
    #[serde(default)]
    pub reactions: Vec<String>,
    /// Words in which one slip is forgiven.
    #[serde(default)]
    pub main: Vec<String>,
    /// Words that look like one of those and are none.
    #[serde(default)]
    pub other: Vec<String>,
    /// The words by which appointments are named.
    #[serde(default)]
    pub naming: NamingFile,
}

/// The form of the words by which appointments are named.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NamingFile {
    /// All there are.
    pub all: Vec<String>,
    /// The two there are.
    pub both: Vec<String>,
    /// None of them.
    pub neither: Vec<String>,
    /// Words between two of them.
    pub and: Vec<String>,
    /// Words that lead to a name, a day or a number.
    pub before: Vec<String>,
    /// Words that lead to a number only.
    pub option: Vec<String>,
    /// Words that follow one.
    pub after: Vec<String>,
    /// Words before a time of day.
    pub at: Vec<String>,
    /// Before noon.
    pub am: Vec<String>,
    /// After noon.
    pub pm: Vec<String>,
    /// The present day.
    pub today: Vec<String>,
    /// The next day.
    pub tomorrow: Vec<String>,
    /// Days from Monday on.
    pub weekdays: Vec<String>,
    /// Months from January on.
    pub months: Vec<String>,
    /// First, second and so on.
    pub ordinals: Vec<String>,
    /// One, two and so on.
    pub numbers: Vec<String>,
    /// The one at the end.
    pub last: Vec<String>,
    /// Whether `8/12` may be the eighth of December.
    pub day_first: bool,
}

impl From<WordsFile> for Words {
    fn from(file: WordsFile) -> Self {
        let asked = file.lists().into_iter().flat_map(|(_, list)| list);
        let asked = asked.filter(|line| line.trim_end().ends_with('?')).flat_map(|l| spread(l));
        let mut words = Self {
            asked: asked.collect(),
            confirm: set(&file.confirm),
            cancel: set(&file.cancel),
            reschedule: set(&file.reschedule),
            stop: set(&file.stop),
            start: set(&file.start),
            help: set(&file.help),
            wrong_number: set(&file.wrong_number),
            person: set(&file.person),
            polite: set(&file.polite),
            weak: set(&file.weak),
            reason: set(&file.reason),
            automatic: set(&file.automatic),
            reactions: set(&file.reactions),
            main: set(&file.main),
            vocabulary: set(&file.other),
            naming: Naming::from(file.naming),
        };
        let lists = [
            &words.confirm,
            &words.cancel,
            &words.reschedule,
            &words.stop,
            &words.start,
            &words.help,
            &words.wrong_number,
            &words.person,
            &words.polite,
            &words.reason,
            &words.automatic,
            &words.main,
        ];
        let known = lists.into_iter().chain(words.naming.lists()).flatten();
        let known: BTreeSet<String> =
            known.flat_map(|phrase| phrase.split(' ')).map(str::to_owned).collect();
        words.vocabulary.extend(known);
        words
    }
}

impl From<NamingFile> for Naming {
    fn from(file: NamingFile) -> Self {
        let row = |list: &[String]| list.iter().map(|line| spread(line).collect()).collect();
        Self {
            all: set(&file.all),
            both: set(&file.both),
            neither: set(&file.neither),
            and: set(&file.and),
            before: set(&file.before),
            option: set(&file.option),
            after: set(&file.after),
            at: set(&file.at),
            am: set(&file.am),
            pm: set(&file.pm),
            today: set(&file.today),
            tomorrow: set(&file.tomorrow),
            weekdays: row(&file.weekdays),
            months: row(&file.months),
            ordinals: row(&file.ordinals),
            numbers: row(&file.numbers),
            last: set(&file.last),
            day_first: file.day_first,
        }
    }
}

impl Naming {
    fn lists(&self) -> impl Iterator<Item = &BTreeSet<String>> {
        let single = [
            &self.all,
            &self.both,
            &self.neither,
            &self.and,
            &self.before,
            &self.option,
            &self.after,
            &self.at,
            &self.today,
            &self.tomorrow,
            &self.last,
        ];
        let rows = [&self.weekdays, &self.months, &self.ordinals, &self.numbers];
        single.into_iter().chain(rows.into_iter().flatten())
    }

    /// Whether a phrase is a day: `tomorrow`, `on tuesday`.
    pub(super) fn is_day(&self, phrase: &str) -> bool {
        let is_day = |text: &str| {
            let mut days = [&self.today, &self.tomorrow].into_iter().chain(&self.weekdays);
            days.any(|day| day.contains(text))
        };
        let led = phrase.split_once(' ').filter(|(first, _)| self.before.contains(*first));
        is_day(phrase) || led.is_some_and(|(_, day)| is_day(day))
    }
}

impl WordsFile {
    /// The lists whose phrases mean something by themselves, with their keys.
    fn lists(&self) -> [(&'static str, &[String]); 9] {
        [
            ("confirm", &self.confirm),
            ("cancel", &self.cancel),
            ("reschedule", &self.reschedule),
            ("stop", &self.stop),
            ("start", &self.start),
            ("help", &self.help),
            ("wrong_number", &self.wrong_number),
            ("person", &self.person),
            ("polite", &self.polite),
        ]
    }

    /// What is wrong with the lists: the key, and what to do about it.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        let mut problems = Vec::new();
        for (key, list) in self.lists() {
            if list.is_empty() && matches!(key, "confirm" | "cancel" | "reschedule") {
                problems.push((key, "is empty; write at least one phrase".to_owned()));
            }
            for line in list {
                if choices(line) > SPREAD_MAX {
                    let problem = format!("{line:?} makes more than {SPREAD_MAX} phrases; part it");
                    problems.push((key, problem));
                }
                // Choices can be longer than what is ever looked up; a line as a whole must not be.
                let words = |phrase: &String| phrase.split(' ').count();
                if spread(line).map(|phrase| words(&phrase)).min() > Some(PHRASE_WORDS_MAX) {
                    let problem =
                        format!("{line:?} has more than {PHRASE_WORDS_MAX} words; shorten it");
                    problems.push((key, problem));
                }
                for phrase in spread(line) {
                    problems.extend(fault_of(key, &phrase).map(|problem| (key, problem)));
                    let other = seen.insert(phrase.clone(), key).filter(|other| *other != key);
                    if let Some(other) = other {
                        let problem = format!("{phrase:?} stands in {other} too; remove one");
                        problems.push((key, problem));
                    }
                }
            }
        }
        for (key, list, wanted) in [
            ("naming.weekdays", &self.naming.weekdays, 7),
            ("naming.months", &self.naming.months, 12),
        ] {
            if !list.is_empty() && list.len() != wanted {
                let problem = format!("has {} entries; write {wanted}, in order", list.len());
                problems.push((key, problem));
            }
        }
        problems
    }
}

fn fault_of(key: &str, phrase: &str) -> Option<String> {
    let is_visit = matches!(key, "confirm" | "cancel" | "reschedule");
    if phrase.is_empty() {
        return Some("has a phrase of which nothing counts; remove it".to_owned());
    }
    (is_visit && (phrase == "cancel" || CARRIER_STOP.contains(&phrase)))
        .then(|| format!("{phrase:?} is an opt-out to carriers; remove it"))
}

fn set(list: &[String]) -> BTreeSet<String> {
    list.iter().flat_map(|line| spread(line)).collect()
}

/// How many phrases the choices of a line make.
fn choices(line: &str) -> usize {
    let brackets = line.split('[').skip(1).filter_map(|rest| rest.split(']').next());
    brackets.fold(1, |all, choices| all.saturating_mul(choices.split('/').count()))
}

/// The phrases of a line, folded.
fn spread(line: &str) -> impl Iterator<Item = String> {
    let mut made = vec![String::new()];
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        let (inside, after) = after.split_once(']').unwrap_or((after, ""));
        let append = |phrase: &String| {
            let phrase = phrase.clone();
            inside.split('/').map(move |choice| format!("{phrase}{before}{choice}"))
        };
        made = made.iter().flat_map(append).take(SPREAD_MAX).collect();
        rest = after;
    }
    made.into_iter().flat_map(move |phrase| with_names(&format!("{phrase}{rest}")))
}

/// Folds a phrase; a name in it may have two words.
fn with_names(phrase: &str) -> Vec<String> {
    // `[I/we] ['m/'re] coming`: the bracket belongs to the word before it.
    let phrase = phrase.replace(" '", "'");
    let Some((before, after)) = phrase.split_once(NAME) else { return vec![fold(&phrase)] };
    let (before, after) = (fold(before), fold(after));
    let join = |name: &str| format!("{before} {name} {after}").trim().to_owned();
    vec![join(ANY_NAME), join(&format!("{ANY_NAME} {ANY_NAME}"))]
}
