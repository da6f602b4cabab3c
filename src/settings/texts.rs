//! The templates beside the settings, one file a language.
//!
//! English and Spanish texts are built in, so that no file is needed. A file `en.toml` or `es.toml` of
//! the practice changes single texts; every other language must be whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::core::conversation::primary;
use crate::core::message::{
    About, DatesFile, Error, File, Preparation, Sample, Template, Texts, Variant, Which, samples,
};
use crate::core::rules::Rules;

use super::fault::{Fault, Place, shown};
use super::layers::{read_text, toml_files, tree};
use super::reader::{Desk, Section, read_root};

const ENGLISH: &str = "en";
const SPANISH: &str = "es";
const TEXTS_EN: &str = include_str!("../../conf/texts/en.toml");
const TEXTS_ES: &str = include_str!("../../conf/texts/es.toml");

/// More parts than this are worth a warning: the text costs four times what it could.
const SEGMENTS_FEW: usize = 3;
/// The same for a list of half a dozen appointments.
const SEGMENTS_OF_LIST_FEW: usize = 8;
/// Phones put ten parts together (GSM allows 255, carriers advise no more than ten).
const SEGMENTS_MAX: usize = 10;

/// Whether a text is a language's own part of a tag: `en` of `en-US`.
pub(super) fn is_language(text: &str) -> bool {
    (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Templates, with where each stands.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    files: BTreeMap<String, File>,
    /// The practice's own templates; line 1 of each.
    places: BTreeMap<Which, Place>,
    preparations: BTreeMap<(String, usize), Place>,
    paths: BTreeMap<String, Place>,
}

/// Reads `[texts]`; English and Spanish are there without a file.
pub(super) fn texts(section: &mut Section<'_>, locale: &str) -> Option<(Texts, Shelf)> {
    let path = language_folder(section);
    let mut shelf = Shelf::default();
    for (language, text) in [(ENGLISH, TEXTS_EN), (SPANISH, TEXTS_ES)] {
        let name = format!("built-in {language}.toml");
        let mut unused = Shelf::default();
        let file = read_file(section.desk, &name, text, |file| unused.templates(file, language));
        let _none = shelf.files.insert(language.to_owned(), file);
    }
    if let Some(folder) = path {
        for_each_language(section.desk, &folder, |desk, language, name, text| {
            let _none = shelf.paths.insert(language.to_owned(), Place::file(name));
            let own = read_file(desk, name, text, |file| shelf.templates(file, language));
            shelf.files.entry(language.to_owned()).or_default().overlay(own);
        });
    }
    let faults = match Texts::compile(&shelf.files, primary(locale)) {
        Ok(texts) => return Some((texts, shelf)),
        Err(faults) => faults,
    };
    for error in faults {
        let fault = shelf.fault(error);
        section.desk.notes.fault(fault);
    }
    None
}

/// Looks at all texts as patients would read them, with the practice's names and places.
pub(super) fn survey(
    root: &mut Section<'_>,
    rules: &Rules,
    sources: &BTreeSet<&str>,
    shelf: &Shelf,
) {
    shelf.warn_of_names(root, rules, sources);
    for sample in samples(rules) {
        match sample {
            Ok(sample) => {
                let is_looked_at = shelf.places.contains_key(&sample.which)
                    || sample.which.language == rules.texts.fallback();
                shelf.judge(root, &sample, is_looked_at);
            }
            Err(error) => {
                let fault = shelf.fault(error);
                root.desk.notes.fault(fault);
            }
        }
    }
}

impl Shelf {
    fn judge(&self, root: &mut Section<'_>, sample: &Sample, is_looked_at: bool) {
        let which = &sample.which;
        let notes = &mut root.desk.notes;
        let worst = sample.worst.segments;
        let few = match sample.about {
            About::Nothing | About::One => SEGMENTS_FEW,
            About::Several => SEGMENTS_OF_LIST_FEW,
        };
        if worst.count > SEGMENTS_MAX {
            let problem = format!(
                "takes {} segments with long names; write at most {SEGMENTS_MAX}",
                worst.count
            );
            notes.fault(Fault::new(self.place(which, 1), key(which), problem));
        } else if worst.count > few && is_looked_at {
            let why = if sample.worst.forced_by.is_empty() {
                String::new()
            } else {
                format!(" (because of {})", quoted(&sample.worst.forced_by))
            };
            let problem = format!(
                "{}: takes {} segments{why} with long names; each is paid for",
                which.language, worst.count
            );
            notes.warn(Fault::new(self.place(which, 1), key(which), problem));
        }
        let should_say = ["booked", "reminder"].contains(&which.name.as_str());
        if should_say && is_looked_at && !sample.text.contains("STOP") {
            let problem = format!(
                "{}: does not say how to end texts; add \"reply STOP to end texts\"",
                which.language
            );
            notes.warn(Fault::new(self.place(which, 1), key(which), problem));
        }
    }

    /// Conditions that no appointment can meet, as far as settings tell.
    fn warn_of_names(&self, root: &mut Section<'_>, rules: &Rules, sources: &BTreeSet<&str>) {
        let no_place = |code: &Option<String>| {
            code.as_deref().filter(|code| rules.place(code).is_none()).map(str::to_owned)
        };
        for (language, file) in &self.files {
            for (name, template) in &file.texts {
                for (index, variant) in template.variants.iter().enumerate() {
                    let which = Which {
                        language: language.clone(),
                        name: name.clone(),
                        variant: Some(index + 1),
                    };
                    let source = variant.source.as_deref();
                    let place = self.place(&which, 1);
                    if let Some(code) = no_place(&variant.location) {
                        let problem = format!("location {} is none of [[locations]]", shown(&code));
                        root.desk.notes.warn(Fault::new(place.clone(), key(&which), problem));
                    }
                    if let Some(source) = source.filter(|source| !sources.contains(source)) {
                        let problem =
                            format!("source {} is no listener or FHIR server", shown(source));
                        root.desk.notes.warn(Fault::new(place, key(&which), problem));
                    }
                }
            }
            for (index, one) in file.preparations.iter().enumerate() {
                let place = self.preparations.get(&(language.clone(), index));
                if let Some(code) = no_place(&one.location) {
                    let problem = format!("location {} is none of [[locations]]", shown(&code));
                    let key = format!("preparation[{index}]");
                    let place = place.cloned().unwrap_or_default();
                    root.desk.notes.warn(Fault::new(place, key, problem));
                }
            }
        }
    }

    /// Where a line of a template stands.
    fn place(&self, which: &Which, line: usize) -> Place {
        let own = self.places.get(which);
        let mut place =
            own.or_else(|| self.paths.get(&which.language)).cloned().unwrap_or_default();
        place.line = place.line.map(|first| first + line.saturating_sub(1));
        place
    }

    fn fault(&self, error: Error) -> Fault {
        let of_language = |language: &str| self.paths.get(language).cloned().unwrap_or_default();
        match error {
            Error::Template { which, line, problem } => {
                Fault::new(self.place(&which, line), key(&which), problem)
            }
            Error::Missing { language, name } => match self.paths.get(&language) {
                Some(place) => {
                    let problem = "is missing; write it, or remove the file";
                    Fault::new(place.clone(), name, problem)
                }
                None => {
                    let problem = format!(
                        "there are no texts in {language:?}; write {language}.toml in texts.path"
                    );
                    Fault::new(Place::default(), "practice.locale", problem)
                }
            },
            Error::Dates { language, key, problem } => {
                Fault::new(of_language(&language), format!("dates.{key}"), problem)
            }
            Error::Preparation { language, index, problem } => {
                let place = self.preparations.get(&(language.clone(), index)).cloned();
                let place = place.unwrap_or_else(|| of_language(&language));
                Fault::new(place, format!("preparation[{index}].text"), problem)
            }
            Error::Length { which, chars } => {
                let problem = format!("renders to {chars} characters");
                Fault::new(self.place(&which, 1), key(&which), problem)
            }
        }
    }

    /// Reads a file of texts, and notes where each stands.
    fn templates(&mut self, file: &mut Section<'_>, language: &str) -> File {
        let dates = file.table("dates", dates);
        let mut places = Vec::new();
        let preparations = file.each("preparation", |section| {
            places.push(section.place_of("text"));
            Preparation {
                visit_type: needed(section, "visit_type", "write the code of the kind of visit"),
                location: section.text("location"),
                text: needed(section, "text", "write how to prepare"),
            }
        });
        for (index, place) in places.into_iter().enumerate() {
            let _none = self.preparations.insert((language.to_owned(), index), place);
        }
        let mut texts = BTreeMap::new();
        for (name, item) in file.open_entries() {
            let mut places = Vec::new();
            let template = file.entry(item, |section| template(section, &mut places));
            for (index, place) in places.into_iter().enumerate() {
                let variant = (index > 0).then_some(index);
                let which = Which { language: language.to_owned(), name: name.clone(), variant };
                if let Some(place) = place {
                    let _none = self.places.insert(which, place);
                }
            }
            let _none = texts.insert(name, template);
        }
        File { preparations, dates, texts }
    }
}

/// Reads one text; the places of the general words and of each variant come out too.
fn template(section: &mut Section<'_>, places: &mut Vec<Option<Place>>) -> Template {
    places.push(section.has("text").then(|| section.place_of("text")));
    let text = words_of(section);
    let variants = section.each("variant", |section| {
        places.push(Some(section.place_of("text")));
        let variant = Variant {
            location: section.text("location"),
            visit_type: section.text("visit_type"),
            source: section.text("source"),
            text: String::new(),
        };
        let is_there = section.has("text");
        section.need(is_there, "text", "write the words");
        Variant { text: words_of(section).unwrap_or_default(), ..variant }
    });
    Template { text, variants }
}

fn words_of(section: &mut Section<'_>) -> Option<String> {
    section.parsed("text", "write a text in quotes", |text| Ok::<_, ()>(text.to_owned()))
}

fn needed(section: &mut Section<'_>, key: &'static str, wanted: &str) -> String {
    let text = section.text(key);
    section.need(text.is_some(), key, wanted);
    text.unwrap_or_default()
}

fn dates(section: &mut Section<'_>) -> DatesFile {
    let names = |section: &mut Section<'_>, key| section.list(key, |text| Ok(text.to_owned()));
    DatesFile {
        weekdays: names(section, "weekdays"),
        months: names(section, "months"),
        day: section.text("day"),
        day_with_year: section.text("day_with_year"),
        date: section.text("date"),
        time: section.text("time"),
        am: section.text("am"),
        pm: section.text("pm"),
        when: section.text("when"),
        when_at_one: section.text("when_at_one"),
    }
}

/// The key of a template: `reminder.text`, `reminder.variant[0].text`.
fn key(which: &Which) -> String {
    match which.variant {
        Some(number) => format!("{}.variant[{}].text", which.name, number.saturating_sub(1)),
        None => format!("{}.text", which.name),
    }
}

/// Characters, each in quotes.
fn quoted(characters: &[char]) -> String {
    characters.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>().join(" ")
}

/// Reads a text of its own keys; they are none of the settings'.
pub(super) fn read_file<T>(
    desk: &mut Desk,
    name: &str,
    text: &str,
    read: impl FnOnce(&mut Section<'_>) -> T,
) -> T {
    let mut own = Desk { notes: std::mem::take(&mut desk.notes), ..Desk::default() };
    let was_partial = std::mem::take(&mut own.notes.is_partial);
    let root = tree(name, text, &mut own.notes);
    let value = read_root(root, &mut own, read);
    own.notes.is_partial = was_partial;
    desk.notes = own.notes;
    value
}

pub(super) fn language_folder(section: &mut Section<'_>) -> Option<PathBuf> {
    let place = section.place_of("path");
    let path = section.path("path")?;
    if path.is_dir() {
        return Some(path);
    }
    section.fault(place, "path", format!("{} is no folder; write the path of one", path.display()));
    None
}

pub(super) fn for_each_language(
    desk: &mut Desk,
    folder: &Path,
    mut read: impl FnMut(&mut Desk, &str, &str, &str),
) {
    for path in toml_files(folder, &mut desk.notes) {
        let name = path.display().to_string();
        let language = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if !is_language(language) {
            let problem = "is not named after a language; call it en.toml or es.toml";
            desk.notes.fault(Fault::new(Place::file(name), "", problem));
            continue;
        }
        if let Some(text) = read_text(&path, &mut desk.notes) {
            read(desk, language, &name, &text);
        }
    }
}
