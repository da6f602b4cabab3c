//! The templates beside the settings, one file a language.
//!
//! English is built in, so that no file is needed. A file `en.toml` of the practice changes single
//! texts; every other language must be whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::core::conversation::primary;
use crate::core::message::{Error, File, Template, Texts};

use super::fault::{Fault, Place};
use super::layers::{read_text, toml_files, tree};
use super::reader::{Desk, Section, read_root};
use super::values::text_of;

const ENGLISH: &str = "en";
const TEXTS_EN: &str = include_str!("../../conf/texts/en.toml");

/// Whether a text is a language's own part of a tag: `en` of `en-US`.
pub(super) fn is_language(text: &str) -> bool {
    (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Templates, with where each stands.
#[derive(Debug, Default)]
struct Shelf {
    files: BTreeMap<String, File>,
    places: BTreeMap<(String, String), Place>,
    paths: BTreeMap<String, Place>,
}

/// Reads `[texts]`.
pub(super) fn texts(section: &mut Section<'_>, locale: &str) -> Option<Texts> {
    let path = language_folder(section);
    let mut shelf = Shelf::default();
    let built_in = read_file(section.desk, "built-in en.toml", TEXTS_EN, |file| {
        templates(file, ENGLISH, &mut BTreeMap::new())
    });
    let _none = shelf.files.insert(ENGLISH.to_owned(), built_in);
    if let Some(folder) = path {
        for_each_language(section.desk, &folder, |desk, language, name, text| {
            let _none = shelf.paths.insert(language.to_owned(), Place::file(name));
            let read =
                read_file(desk, name, text, |file| templates(file, language, &mut shelf.places));
            shelf.files.entry(language.to_owned()).or_default().extend(read);
        });
    }
    let faults = match Texts::compile(&shelf.files, primary(locale)) {
        Ok(texts) => return Some(texts),
        Err(faults) => faults,
    };
    for error in faults {
        let fault = shelf.fault(error);
        section.desk.notes.fault(fault);
    }
    None
}

impl Shelf {
    fn fault(&self, error: Error) -> Fault {
        match error {
            Error::Template { language, name, line, problem } => {
                let mut place = self
                    .places
                    .get(&(language.clone(), name.clone()))
                    .or_else(|| self.paths.get(&language))
                    .cloned()
                    .unwrap_or_default();
                place.line = place.line.map(|first| first + line.saturating_sub(1));
                Fault::new(place, format!("{name}.text"), problem)
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
            Error::Length { name, chars } => {
                Fault::new(Place::default(), name, format!("renders to {chars} characters"))
            }
        }
    }
}

fn templates(
    file: &mut Section<'_>,
    language: &str,
    places: &mut BTreeMap<(String, String), Place>,
) -> File {
    let mut templates = File::new();
    for (name, item) in file.open_entries() {
        let Ok(table) = item.value.clone().into_table() else {
            file.reject(&item, "is no section; write [NAME] and below it text = \"..\"".to_owned());
            continue;
        };
        for (key, value) in table.into_iter().collect::<BTreeMap<_, _>>() {
            let place = Place::of_origin(value.origin());
            match (key.as_str(), text_of(&value)) {
                ("text", Ok(text)) => {
                    let _none = places.insert((language.to_owned(), name.clone()), place);
                    let template = Template { text: text.to_owned() };
                    let _none = templates.insert(name.clone(), template);
                }
                ("text", Err(found)) => {
                    let problem = format!("is {found}; write a text in quotes");
                    file.fault(place, &format!("{name}.text"), problem);
                }
                _ => file.fault(place, &name, "has an unknown key; there is only text"),
            }
        }
    }
    templates
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
