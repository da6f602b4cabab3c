//! The words of a text: templates, one file a language, rendered with what a patient may be told.
//!
//! For each text the first variant that fits the appointment is taken, else the general words.
//! Templates see only the variables listed in [`VARIABLES`]; there is none for a diagnosis, a reason
//! or a birth date, and an unknown name is an error when the template is read, not when a patient
//! waits. What is rendered is folded to the letters of a plain text message where that loses nothing.

mod dates;
mod file;
mod lint;
mod names;
mod sample;
pub mod segments;
mod trial;
mod vars;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, ErrorKind, Output, State, UndefinedBehavior, escape_formatter};

use super::appointment::Appointment;
use super::effect::TextKind;
use dates::Dates;
use segments::fold_to_gsm;
use vars::Vars;

pub use dates::DatesFile;
pub use file::{File, PREPARATION_CHARS_MAX, PREPARATIONS_MAX, Preparation, Template};
pub use file::{VARIANTS_MAX, Variant};
pub use lint::carrier_word;
pub use names::VARIABLES;
pub use sample::{About, Sample, Size, samples};
pub use vars::{Subject, names_provider};

/// Twilio refuses longer texts (error 21617); a patient would not read one either.
pub const TEXT_CHARS_MAX: usize = 1600;

/// The fuel of one rendering: a template that loops is stopped, not waited for.
const FUEL: u64 = 20_000;

/// The templates of all languages; a copy is cheap.
#[derive(Debug, Clone)]
pub struct Texts(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    env: Environment<'static>,
    fallback: String,
    languages: BTreeSet<String>,
    /// Conditions of variants, by language and name of the text, in the order of the file.
    variants: BTreeMap<(String, &'static str), Vec<Variant>>,
    preparations: BTreeMap<String, Vec<Preparation>>,
    dates: BTreeMap<String, Dates>,
}

/// Which template: the words of a text in a language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Which {
    /// Language of the file.
    pub language: String,
    /// Which text.
    pub name: String,
    /// Which of its variants, from 1; none of them is the general text.
    pub variant: Option<usize>,
}

/// Why a text cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The template cannot be read, or says what no text may say.
    #[error("{}: [{}] line {line}: {problem}", which.language, which.name)]
    Template {
        /// Which.
        which: Which,
        /// Line within the template.
        line: usize,
        /// What is wrong; never holds a value.
        problem: String,
    },
    /// A text is missing.
    #[error("{language}: [{name}] is missing")]
    Missing {
        /// Language of the file.
        language: String,
        /// Which text.
        name: String,
    },
    /// A line of `[dates]` is wrong.
    #[error("{language}: dates.{key} {problem}")]
    Dates {
        /// Language of the file.
        language: String,
        /// Which line.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A preparation is wrong.
    #[error("{language}: preparation[{index}] {problem}")]
    Preparation {
        /// Language of the file.
        language: String,
        /// Which, from 0.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// It came out empty or longer than [`TEXT_CHARS_MAX`].
    #[error("{}: [{}] renders to {chars} characters", which.language, which.name)]
    Length {
        /// Which.
        which: Which,
        /// How long.
        chars: usize,
    },
}

impl Which {
    fn new(language: &str, kind: TextKind, variant: Option<usize>) -> Self {
        Self { language: language.to_owned(), name: kind.name().to_owned(), variant }
    }

    /// The name in the engine of templates.
    fn id(&self) -> String {
        format!("{}/{}/{}", self.language, self.name, self.variant.unwrap_or(0))
    }

    fn fault(&self, line: usize, problem: impl Into<String>) -> Error {
        Error::Template { which: self.clone(), line, problem: problem.into() }
    }

    fn unreadable(&self, error: &minijinja::Error) -> Error {
        // Other details may quote a value.
        let own = error.detail().filter(|detail| [PRINTS_NONE, PRINTS_GROUP].contains(detail));
        let problem = own.map_or_else(|| error.kind().to_string(), str::to_owned);
        self.fault(error.line().unwrap_or(1), problem)
    }
}

impl Texts {
    /// Reads the files of all languages; `fallback` serves patients whose language has none.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn compile(files: &BTreeMap<String, File>, fallback: &str) -> Result<Self, Vec<Error>> {
        let mut env = environment();
        let mut faults = Vec::new();
        let mut texts = Shelf {
            env: Environment::empty(),
            fallback: fallback.to_owned(),
            languages: files.keys().cloned().collect(),
            variants: BTreeMap::new(),
            preparations: BTreeMap::new(),
            dates: BTreeMap::new(),
        };
        for (language, file) in files {
            for kind in TextKind::ALL {
                let template = file.texts.get(kind.name());
                faults.extend(add_text(&mut env, language, kind, template));
                let variants = template.map(|template| template.variants.clone());
                let key = (language.clone(), kind.name());
                let _none = texts.variants.insert(key, variants.unwrap_or_default());
            }
            faults.extend(unknown_texts(language, file));
            faults.extend(faults_of_preparations(language, file));
            let _none = texts.preparations.insert(language.clone(), file.preparations.clone());
            match dates_of(language, file) {
                Ok(dates) => {
                    let _none = texts.dates.insert(language.clone(), dates);
                }
                Err(found) => faults.extend(found),
            }
        }
        if !files.contains_key(fallback) {
            let name = "locale".to_owned();
            faults.push(Error::Missing { language: fallback.to_owned(), name });
        }
        texts.env = env;
        let texts = Self(Arc::new(texts));
        if faults.is_empty() {
            faults = trial::faults(&texts);
        }
        if faults.is_empty() { Ok(texts) } else { Err(faults) }
    }

    /// The languages there are.
    #[must_use]
    pub fn languages(&self) -> &BTreeSet<String> {
        &self.0.languages
    }

    /// The language of patients whose own is not known, or has no texts.
    #[must_use]
    pub fn fallback(&self) -> &str {
        &self.0.fallback
    }

    fn language(&self, wanted: Option<&str>) -> &str {
        let wanted = wanted.map(|tag| super::conversation::primary(tag.trim()).to_lowercase());
        wanted.and_then(|tag| self.0.languages.get(&tag)).unwrap_or(&self.0.fallback)
    }

    fn dates(&self, language: &str) -> Option<&Dates> {
        self.0.dates.get(language)
    }

    fn variants(&self, language: &str, kind: TextKind) -> &[Variant] {
        let key = (language.to_owned(), kind.name());
        self.0.variants.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    /// All templates of a text in a language.
    fn choices(&self, language: &str, kind: TextKind) -> impl Iterator<Item = Which> {
        let count = self.variants(language, kind).len();
        let numbers = std::iter::once(None).chain((1..=count).map(Some));
        let language = language.to_owned();
        numbers.map(move |variant| Which::new(&language, kind, variant))
    }

    /// The first variant that fits all of the appointments, else the general text.
    fn choose(&self, language: &str, kind: TextKind, about: &[&Appointment]) -> Which {
        let fits =
            |variant: &Variant| !about.is_empty() && about.iter().all(|one| variant.fits(one));
        let found = self.variants(language, kind).iter().position(fits);
        Which::new(language, kind, found.map(|index| index + 1))
    }

    /// How to prepare, in the patient's language, else the practice's, else any: an instruction in
    /// another language can be asked about, one that is missing cannot.
    fn preparation(&self, language: &str, visit_type: &str, place: Option<&str>) -> Option<&str> {
        let first = [language, self.0.fallback.as_str()];
        let others = self.0.languages.iter().map(String::as_str);
        first.into_iter().chain(others).find_map(|language| {
            let listed = self.0.preparations.get(language)?;
            let fits = |one: &&Preparation| {
                one.visit_type == visit_type
                    && one.location.as_deref().is_none_or(|code| place == Some(code))
            };
            listed.iter().find(fits).map(|found| found.text.trim())
        })
    }

    /// Fills a template.
    fn write(&self, which: &Which, vars: &Vars) -> Result<String, Error> {
        let template =
            self.0.env.get_template(&which.id()).map_err(|error| which.unreadable(&error))?;
        let text = template.render(Serde(vars)).map_err(|error| which.unreadable(&error))?;
        finished(&text, which)
    }
}

impl Variant {
    /// Whether an appointment meets all its conditions.
    fn fits(&self, appointment: &Appointment) -> bool {
        let place = appointment.location.as_ref().map(|location| location.code.as_str());
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&self.location, place)
            && is(&self.visit_type, appointment.visit_type.as_deref())
            && is(&self.source, Some(appointment.source.as_str()))
    }
}

/// Writes a text.
///
/// # Errors
/// [`Error`] if the template fails on this appointment; the words are in none of them.
pub fn render(
    kind: TextKind,
    language: Option<&str>,
    subject: &Subject<'_>,
) -> Result<String, Error> {
    let texts = &subject.rules.texts;
    let language = texts.language(language);
    let which = texts.choose(language, kind, subject.appointments);
    texts.write(&which, &vars::vars(subject, texts, language))
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    // It would print whatever a template sees.
    env.remove_global("debug");
    env.set_formatter(print);
    env
}

const PRINTS_NONE: &str = "prints a variable that may be missing; put it in {% if .. %}";
const PRINTS_GROUP: &str = "prints a whole group of variables; name the one that is meant";

/// Prints a value; "Hi none" is not for patients, nor is a list of everything.
fn print(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let refused = |problem| Err(minijinja::Error::new(ErrorKind::InvalidOperation, problem));
    if value.is_none() {
        return refused(PRINTS_NONE);
    }
    if matches!(value.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable) {
        return refused(PRINTS_GROUP);
    }
    escape_formatter(out, state, value)
}

/// Adds a text with its variants; what is wrong with their words comes out.
fn add_text(
    env: &mut Environment<'static>,
    language: &str,
    kind: TextKind,
    template: Option<&Template>,
) -> Vec<Error> {
    let Some(Template { text: Some(general), variants }) = template else {
        let name = kind.name().to_owned();
        return vec![Error::Missing { language: language.to_owned(), name }];
    };
    let mut faults = add(env, &Which::new(language, kind, None), general);
    if variants.len() > VARIANTS_MAX {
        let problem = format!("has more than {VARIANTS_MAX} variants; remove some");
        faults.push(Which::new(language, kind, None).fault(1, problem));
        return faults;
    }
    for (index, variant) in variants.iter().enumerate() {
        let which = Which::new(language, kind, Some(index + 1));
        if variant.location.is_none() && variant.visit_type.is_none() && variant.source.is_none() {
            let problem = "has no condition; write location, visit_type or source, or remove it";
            faults.push(which.fault(1, problem));
        }
        faults.extend(add(env, &which, &variant.text));
    }
    faults
}

fn add(env: &mut Environment<'static>, which: &Which, text: &str) -> Vec<Error> {
    if let Err(error) = env.add_template_owned(which.id(), text.to_owned()) {
        return vec![which.unreadable(&error)];
    }
    let mut faults: Vec<Error> = names::faults(text)
        .into_iter()
        .map(|fault| which.fault(fault.line, fault.problem))
        .collect();
    if let Some(word) = carrier_word(&names::literals(text)) {
        let line = text.lines().position(|line| line.contains(&word)).unwrap_or(0) + 1;
        faults.push(which.fault(line, asks_for(&word)));
    }
    faults
}

fn asks_for(word: &str) -> String {
    format!("asks to reply {word}: carriers take that as an opt-out; ask for C, R, X or STOP")
}

fn unknown_texts(language: &str, file: &File) -> Vec<Error> {
    let known: BTreeSet<&str> = TextKind::ALL.iter().map(|kind| kind.name()).collect();
    let unknown = file.texts.keys().filter(|name| !known.contains(name.as_str()));
    let fault = |name: &String| {
        let which = Which { language: language.to_owned(), name: name.clone(), variant: None };
        which.fault(1, "there is no such text")
    };
    unknown.map(fault).collect()
}

fn faults_of_preparations(language: &str, file: &File) -> Vec<Error> {
    let fault = |index: usize, problem: String| Error::Preparation {
        language: language.to_owned(),
        index,
        problem,
    };
    if file.preparations.len() > PREPARATIONS_MAX {
        let problem = format!("is one of more than {PREPARATIONS_MAX}; remove some");
        return vec![fault(PREPARATIONS_MAX, problem)];
    }
    let mut faults = Vec::new();
    for (index, one) in file.preparations.iter().enumerate() {
        let text = one.text.trim();
        let chars = text.chars().count();
        if chars == 0 || chars > PREPARATION_CHARS_MAX {
            let problem = format!("has {chars} characters; write 1 to {PREPARATION_CHARS_MAX}");
            faults.push(fault(index, problem));
        }
        if text.contains("{{") || text.contains("{%") || text.contains(char::is_control) {
            let problem = "is no template: write plain words, in one line".to_owned();
            faults.push(fault(index, problem));
        }
        if let Some(word) = carrier_word(text) {
            faults.push(fault(index, asks_for(&word)));
        }
    }
    faults
}

fn dates_of(language: &str, file: &File) -> Result<Dates, Vec<Error>> {
    if file.dates.is_empty() {
        let name = "dates".to_owned();
        return Err(vec![Error::Missing { language: language.to_owned(), name }]);
    }
    Dates::compile(&file.dates).map_err(|faults| {
        let fault = |(key, problem)| Error::Dates { language: language.to_owned(), key, problem };
        faults.into_iter().map(fault).collect()
    })
}

fn finished(text: &str, which: &Which) -> Result<String, Error> {
    let text = one_stop(&fold_to_gsm(text.trim()));
    let chars = text.chars().count();
    if chars == 0 || chars > TEXT_CHARS_MAX {
        return Err(Error::Length { which: which.clone(), chars });
    }
    Ok(text)
}

/// An abbreviation at the end of a sentence ends it: "10:30 a. m." takes no second full stop.
fn one_stop(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        plain.push(character);
        if character != '.' {
            continue;
        }
        let mut more = 0;
        while rest.next_if_eq(&'.').is_some() {
            more += 1;
        }
        // Three and more are meant.
        plain.extend(std::iter::repeat_n('.', if more == 1 { 0 } else { more }));
    }
    plain
}
