//! The word lists beside the settings, by which replies are read, one file a language.
//!
//! English is built in, so that no file is needed. A file of the practice replaces the built-in one of
//! its language.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::reply::{Words, WordsFile};

use super::reader::Section;
use super::texts::{for_each_language, language_folder, read_file};

const ENGLISH: &str = "en";
const WORDS_EN: &str = include_str!("../../conf/replies/en.toml");

/// Reads the word lists of `[replies] path`.
pub(super) fn words(section: &mut Section<'_>) -> BTreeMap<String, Words> {
    let path = language_folder(section);
    let english = read_file(section.desk, "built-in en.toml", WORDS_EN, word_lists);
    let mut words = BTreeMap::from([(ENGLISH.to_owned(), english)]);
    if let Some(folder) = path {
        for_each_language(section.desk, &folder, |desk, language, name, text| {
            let lists = read_file(desk, name, text, word_lists);
            let _replaced = words.insert(language.to_owned(), lists);
        });
    }
    words
}

fn word_lists(file: &mut Section<'_>) -> Words {
    let mut list = |key: &'static str, is_needed: bool| {
        let words = file.list(key, |text| Ok(text.to_owned()));
        file.need(words.is_some() || !is_needed, key, "write a list of texts in brackets");
        words.unwrap_or_default()
    };
    let words = Words::from(WordsFile {
        confirm: list("confirm", true),
        cancel: list("cancel", true),
        reschedule: list("reschedule", true),
        stop: list("stop", false),
        start: list("start", true),
        help: list("help", true),
        polite: list("polite", false),
    });
    let lists = [
        ("confirm", &words.confirm),
        ("cancel", &words.cancel),
        ("reschedule", &words.reschedule),
        ("stop", &words.stop),
        ("start", &words.start),
        ("help", &words.help),
    ];
    let mut seen: BTreeMap<&String, &str> = BTreeMap::new();
    let mut doubles: BTreeSet<(&str, String)> = BTreeSet::new();
    for (key, list) in lists {
        for word in list {
            if let Some(other) = seen.insert(word, key) {
                let _is_new =
                    doubles.insert((key, format!("{word:?} stands in {other} too; remove one")));
            }
        }
    }
    for (key, problem) in doubles {
        file.fault(file.place().clone(), key, problem);
    }
    words
}
