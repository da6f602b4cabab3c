//! The tables of replies: what patients write, and what it has to be taken for.
//!
//! A wrong answer that is acted on costs an appointment, a question costs a text: no entry may be
//! understood wrong, and what stays with a person is marked as such in the table.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use appointd::core::local_time::{LocalTime, Zone};
use appointd::core::reply::{Intent, Words, WordsFile, fold, is_carrier_stop, read, understand};
use appointd::core::select::{Choice, Numbers, Pick, select};
use proptest::prelude::*;
use serde::Deserialize;

const KINDS: [&str; 6] = ["plain", "sentence", "typo", "negation", "mixed", "hostile"];
const LANGUAGES: [(&str, &str); 2] = [("en", "English"), ("es", "Spanish")];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    reply: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    text: String,
    intent: String,
    kind: String,
    language: Option<String>,
    accepted: Option<String>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    right: usize,
    unclear: usize,
    wrong: usize,
}

fn language(tag: &str) -> Words {
    let path = format!("{}/conf/replies/{tag}.toml", env!("CARGO_MANIFEST_DIR"));
    Words::from(toml::from_str::<WordsFile>(&fs::read_to_string(path).unwrap()).unwrap())
}

fn words() -> BTreeMap<String, Words> {
    LANGUAGES.iter().map(|(tag, _)| ((*tag).to_owned(), language(tag))).collect()
}

fn table(name: &str) -> Vec<Entry> {
    let path = format!("{}/fixtures/replies/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    toml::from_str::<Table>(&fs::read_to_string(path).unwrap()).unwrap().reply
}

/// An intent as tables write it.
fn written(intent: Intent) -> String {
    match intent {
        Intent::Confirm => "confirm".to_owned(),
        Intent::Cancel => "cancel".to_owned(),
        Intent::Reschedule => "reschedule".to_owned(),
        Intent::Stop => "stop".to_owned(),
        Intent::CancelOrStop => "cancel_or_stop".to_owned(),
        Intent::Start => "start".to_owned(),
        Intent::Help => "help".to_owned(),
        Intent::WrongNumber => "wrong_number".to_owned(),
        Intent::Number(number) => format!("number({number})"),
        Intent::Mixed => "mixed".to_owned(),
        Intent::Unclear => "unclear".to_owned(),
    }
}

fn is_persons(intent: &str) -> bool {
    matches!(intent, "mixed" | "unclear")
}

/// Runs a table; counts by kind, and the entries that fail.
fn run(
    entries: &[Entry],
    own: Option<&str>,
    words: &BTreeMap<String, Words>,
) -> (BTreeMap<String, Count>, Vec<String>) {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut faults = Vec::new();
    for entry in entries {
        assert!(KINDS.contains(&entry.kind.as_str()), "{entry:?}");
        let own = entry.language.as_deref().or(own);
        let found = written(understand(&entry.text, own, words));
        let count = counts.entry(entry.kind.clone()).or_default();
        let fault = format!("{:?}: {found} instead of {}", entry.text, entry.intent);
        if found == entry.intent {
            count.right += 1;
            if entry.accepted.is_some() {
                faults.push(format!("{:?} is understood by now: remove `accepted`", entry.text));
            }
        } else if is_persons(&found) {
            count.unclear += 1;
            if entry.accepted.as_deref() != Some("unclear") {
                faults.push(fault);
            }
        } else {
            count.wrong += 1;
            faults.push(format!("WRONG {fault}"));
        }
    }
    (counts, faults)
}

fn accuracy_table() -> (String, Vec<String>) {
    let words = words();
    let mut table_text = String::from(
        "| language | kind | replies | right | left to a person | wrong |\n|---|---|---|---|---|---|\n",
    );
    let mut faults = Vec::new();
    for (tag, name) in LANGUAGES {
        let (counts, found) = run(&table(tag), Some(tag), &words);
        faults.extend(found);
        for kind in KINDS {
            let Count { right, unclear, wrong } = counts.get(kind).copied().unwrap_or_default();
            let all = right + unclear + wrong;
            writeln!(table_text, "| {name} | {kind} | {all} | {right} | {unclear} | {wrong} |")
                .unwrap();
        }
    }
    let (counts, found) = run(&table("fresh"), None, &words);
    faults.extend(found);
    let mut total = Count::default();
    for count in counts.values() {
        total.right += count.right;
        total.unclear += count.unclear;
        total.wrong += count.wrong;
    }
    let Count { right, unclear, wrong } = total;
    let all = right + unclear + wrong;
    writeln!(table_text, "| both | held back | {all} | {right} | {unclear} | {wrong} |").unwrap();
    (table_text, faults)
}

#[test]
fn every_reply_of_the_tables_is_understood_or_left_to_a_person() {
    let (table, faults) = accuracy_table();
    assert!(faults.is_empty(), "{table}\n{}\n", faults.join("\n"));
}

#[test]
fn readme_tells_the_accuracy_as_it_is() {
    let path = format!("{}/README.md", env!("CARGO_MANIFEST_DIR"));
    let (table, _) = accuracy_table();
    assert!(fs::read_to_string(path).unwrap().contains(&table), "the table is\n{table}");
}

#[test]
fn tables_are_long_and_a_third_of_them_nasty() {
    let entries: Vec<Entry> = LANGUAGES.iter().flat_map(|(tag, _)| table(tag)).collect::<Vec<_>>();
    let nasty = entries.iter().filter(|e| !matches!(e.kind.as_str(), "plain" | "sentence")).count();
    assert!(entries.len() >= 330, "{}", entries.len());
    assert!(nasty * 3 >= entries.len(), "{nasty} of {}", entries.len());
    assert!(table("fresh").len() >= 60);
}

#[test]
fn the_language_of_the_patient_may_be_unknown_or_another() {
    let words = words();
    for (tag, _) in LANGUAGES {
        for entry in table(tag) {
            for own in [None, Some("en"), Some("es"), Some("fr")] {
                let found = written(understand(&entry.text, own, &words));
                let is_right = found == entry.intent || is_persons(&found);
                assert!(is_right, "{:?} for {own:?}: {found}", entry.text);
            }
        }
    }
}

#[test]
fn the_shipped_lists_have_no_problems() {
    for (tag, _) in LANGUAGES {
        let path = format!("{}/conf/replies/{tag}.toml", env!("CARGO_MANIFEST_DIR"));
        let file: WordsFile = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert!(file.problems().is_empty(), "{tag}: {:#?}", file.problems());
    }
}

#[test]
fn languages_that_contradict_each_other_are_for_a_person() {
    let file = |confirm: &str, cancel: &str| {
        let file = format!(
            "confirm = [\"{confirm}\"]\ncancel = [\"{cancel}\"]\nreschedule = [\"r\"]\nstart = []\nhelp = []\n"
        );
        Words::from(toml::from_str::<WordsFile>(&file).unwrap())
    };
    let words = BTreeMap::from([
        ("aa".to_owned(), file("ne", "ano")),
        ("bb".to_owned(), file("ano", "ne")),
    ]);
    assert_eq!(understand("ne", Some("aa"), &words), Intent::Mixed);
    assert_eq!(understand("ne", None, &words), Intent::Mixed);
    assert_eq!(understand("r", None, &words), Intent::Reschedule);
}

#[test]
fn only_what_the_carrier_blocks_is_said_to_be_blocked() {
    for text in ["STOP", " stop\n", "Stop.", "UNSUBSCRIBE", "end", "Cancel", "OptOut", "REVOKE!"] {
        assert!(is_carrier_stop(text), "{text}");
    }
    for text in ["", "stop please", "please stop", "cancle", "opt out", "no mas", "C", "stops"] {
        assert!(!is_carrier_stop(text), "{text}");
    }
}

// --------------------------------------------------------------------------------- selection

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenes {
    scene: Vec<Scene>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scene {
    today: String,
    /// Given name and start.
    choices: Vec<(String, String)>,
    /// Text, whether numbers are places, and the picks as `1,2: rest | 3: rest`.
    texts: Vec<(String, bool, String)>,
}

fn shown(picks: &[Pick]) -> String {
    let one = |pick: &Pick| {
        let places: Vec<String> = pick.choices.iter().map(|i| (i + 1).to_string()).collect();
        format!("{}: {}", places.join(","), pick.rest).trim().to_owned()
    };
    picks.iter().map(one).collect::<Vec<_>>().join(" | ")
}

#[test]
fn texts_pick_what_they_name_and_nothing_else() {
    let path = format!("{}/fixtures/replies/select.toml", env!("CARGO_MANIFEST_DIR"));
    let scenes: Scenes = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let words = words();
    let mut faults = Vec::new();
    let mut count = 0;
    for scene in &scenes.scene {
        let starts: Vec<LocalTime> = scene
            .choices
            .iter()
            .map(|(_, start)| {
                LocalTime::settle(start.parse().unwrap(), Zone::parse("America/New_York").unwrap())
            })
            .collect();
        let names = scene.choices.iter().map(|(name, _)| Some(name.as_str()));
        let choices: Vec<Choice<'_>> =
            names.zip(&starts).map(|(given, start)| Choice { given, start: Some(start) }).collect();
        for (text, are_places, expected) in &scene.texts {
            count += 1;
            let numbers = if *are_places { Numbers::Places } else { Numbers::Nothing };
            let found = shown(
                &select(text, &choices, numbers, &words, scene.today.parse().unwrap()).into_picks(),
            );
            if found != *expected {
                faults.push(format!("{text:?}: {found:?} instead of {expected:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    assert!(count >= 60, "{count}");
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}|[\\s\\S]{0,60}|[a-z0-9 ,.?:/<'👍]{0,80}") {
        let words = words_once();
        let found = understand(&text, Some("en"), words);
        prop_assert_eq!(found, understand(&text, Some("en"), words));
        prop_assert_eq!(fold(&fold(&text)), fold(&text));
        prop_assert!(!is_carrier_stop(&text) || matches!(found, Intent::Stop | Intent::CancelOrStop));
        let start = LocalTime::settle(
            "2026-12-08T14:00:00".parse().unwrap(),
            Zone::parse("America/New_York").unwrap(),
        );
        let choices = [Choice { given: Some("Jane"), start: Some(&start) }; 3];
        for pick in select(&text, &choices, Numbers::Places, words, start.local.date()).into_picks() {
            prop_assert!(pick.choices.iter().all(|choice| *choice < 3) && !pick.choices.is_empty());
        }
    }

    #[test]
    fn a_negation_before_anything_is_never_acted_on(
        negation in "don't|do not|never|not|no quiero|nunca|didn't",
        index in any::<prop::sample::Index>(),
    ) {
        let words = words_once();
        let lists = words.values().flat_map(|words| [&words.confirm, &words.cancel]).flatten();
        let phrases: Vec<&String> = lists.collect();
        let phrase = index.get(&phrases);
        let meant = read_any(phrase, words);
        let found = understand(&format!("{negation} {phrase}"), None, words);
        prop_assert!(found != meant || is_persons(&written(found)), "{} {}: {}", negation, phrase, found);
    }
}

#[test]
fn the_longest_texts_are_answered() {
    let words = words();
    let names =
        ["y", "C ", "👍", "yes, ", "\u{202e}ي", "\u{0}", "\u{301}", "I can't confirm 1 and "];
    for part in names {
        let text: String = part.chars().cycle().take(1_600).collect();
        assert!(is_persons(&written(understand(&text, None, &words))), "{part:?}");
        let text: String = part.chars().cycle().take(399).collect();
        let _intent: Intent = understand(&text, None, &words);
    }
}

#[test]
fn no_phrase_is_in_two_intents_of_two_languages() {
    let words = words();
    let mut seen: BTreeMap<&String, Intent> = BTreeMap::new();
    let mut doubles = BTreeSet::new();
    for words in words.values() {
        for (list, intent) in [
            (&words.confirm, Intent::Confirm),
            (&words.cancel, Intent::Cancel),
            (&words.reschedule, Intent::Reschedule),
            (&words.stop, Intent::Stop),
        ] {
            for phrase in list {
                if seen.insert(phrase, intent).is_some_and(|other| other != intent) {
                    doubles.insert(phrase);
                }
            }
        }
    }
    assert!(doubles.is_empty(), "{doubles:?}");
}

fn words_once() -> &'static BTreeMap<String, Words> {
    static WORDS: std::sync::OnceLock<BTreeMap<String, Words>> = std::sync::OnceLock::new();
    WORDS.get_or_init(words)
}

fn read_any(phrase: &str, words: &BTreeMap<String, Words>) -> Intent {
    words
        .values()
        .map(|words| read(phrase, words))
        .find(|i| !is_persons(&written(*i)))
        .unwrap_or(Intent::Unclear)
}
