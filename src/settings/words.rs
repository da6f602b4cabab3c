//! The word lists beside the settings, by which replies are read, one file a language.
//!
//! English and Spanish are built in, so that no file is needed. A file of the practice replaces the
//! built-in one of its language.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::core::reply::{NamingFile, Words, WordsFile};

use super::reader::Section;
use super::texts::{for_each_language, language_folder, read_file};

/// The lists that are built in, spread once; a test reads them as it would a practice's own.
static BUILT_IN: LazyLock<BTreeMap<String, Words>> = LazyLock::new(|| {
    let files = [
        ("en", include_str!("../../conf/replies/en.toml")),
        ("es", include_str!("../../conf/replies/es.toml")),
    ];
    let read = |text| toml::from_str::<WordsFile>(text).map(Words::from).unwrap_or_default();
    files.into_iter().map(|(language, text)| (language.to_owned(), read(text))).collect()
});

/// Reads the word lists of `[replies] path`.
pub(super) fn words(section: &mut Section<'_>) -> BTreeMap<String, Words> {
    let path = language_folder(section);
    let mut words = BUILT_IN.clone();
    if let Some(folder) = path {
        for_each_language(section.desk, &folder, |desk, language, name, text| {
            let lists = read_file(desk, name, text, word_lists);
            let _replaced = words.insert(language.to_owned(), lists);
        });
    }
    words
}

fn word_lists(file: &mut Section<'_>) -> Words {
    let needed = ["confirm", "cancel", "reschedule"];
    let written: Vec<&str> = needed.into_iter().filter(|key| file.has(key)).collect();
    let lists = WordsFile {
        confirm: list(file, "confirm", true),
        cancel: list(file, "cancel", true),
        reschedule: list(file, "reschedule", true),
        stop: list(file, "stop", false),
        start: list(file, "start", true),
        help: list(file, "help", true),
        wrong_number: list(file, "wrong_number", false),
        person: list(file, "person", false),
        polite: list(file, "polite", false),
        weak: list(file, "weak", false),
        reason: list(file, "reason", false),
        automatic: list(file, "automatic", false),
        reactions: list(file, "reactions", false),
        main: list(file, "main", false),
        other: list(file, "other", false),
        naming: file.table("naming", naming),
    };
    let mut noted = BTreeSet::new();
    for (key, problem) in lists.problems() {
        // A list that is not there is missing already, which says more than empty.
        let is_told = problem.starts_with("is empty") && !written.contains(&key);
        if !is_told && noted.insert((key, problem.clone())) {
            file.fault(file.place().clone(), key, problem);
        }
    }
    Words::from(lists)
}

fn naming(section: &mut Section<'_>) -> NamingFile {
    NamingFile {
        all: list(section, "all", false),
        both: list(section, "both", false),
        neither: list(section, "neither", false),
        and: list(section, "and", false),
        before: list(section, "before", false),
        option: list(section, "option", false),
        after: list(section, "after", false),
        at: list(section, "at", false),
        am: list(section, "am", false),
        pm: list(section, "pm", false),
        today: list(section, "today", false),
        tomorrow: list(section, "tomorrow", false),
        weekdays: list(section, "weekdays", false),
        months: list(section, "months", false),
        ordinals: list(section, "ordinals", false),
        numbers: list(section, "numbers", false),
        last: list(section, "last", false),
        day_first: section.flag("day_first", false),
    }
}

fn list(section: &mut Section<'_>, key: &'static str, is_needed: bool) -> Vec<String> {
    let words = section.list(key, |text| Ok(text.to_owned()));
    section.need(words.is_some() || !is_needed, key, "write a list of texts in brackets");
    words.unwrap_or_default()
}
