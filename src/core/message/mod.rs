//! The words of a text: templates, one file a language, rendered with what a patient may be told.
//!
//! Templates see only the variables listed in [`Vars`]; there is none for a diagnosis, a reason or a
//! birth date, and an unknown name is an error when the template is read, not when a patient waits.
//! What is rendered is folded to the letters of a plain text message where that loses nothing.

pub mod segments;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use super::appointment::Appointment;
use super::effect::TextKind;
use super::local_time::LocalTime;
use super::rules::Rules;
use crate::clock::Timestamp;
use segments::fold_to_gsm;

/// Twilio refuses longer texts (error 21617); a patient would not read one either.
pub const TEXT_CHARS_MAX: usize = 1600;

/// The fuel of one rendering: a template that loops is stopped, not waited for.
const FUEL: u64 = 20_000;

/// The templates of all languages.
#[derive(Debug, Clone)]
pub struct Texts {
    env: Arc<Environment<'static>>,
    fallback: String,
    languages: BTreeSet<String>,
}

/// Why a text cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The template cannot be read.
    #[error("{language}: [{name}] line {line}: {problem}")]
    Template {
        /// Language of the file.
        language: String,
        /// Which text.
        name: String,
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
    /// It came out empty or longer than [`TEXT_CHARS_MAX`].
    #[error("{name}: renders to {chars} characters")]
    Length {
        /// Which text.
        name: String,
        /// How long.
        chars: usize,
    },
}

/// What templates see.
#[derive(Debug, Serialize)]
struct Vars<'a> {
    practice: PracticeVars<'a>,
    patient: PatientVars<'a>,
    appointment: Option<Item<'a>>,
    appointments: Vec<Item<'a>>,
}

/// The practice, as templates see it.
#[derive(Debug, Serialize)]
struct PracticeVars<'a> {
    name: &'a str,
    callback_phone: &'a str,
}

/// The patient, as templates see it.
#[derive(Debug, Serialize)]
struct PatientVars<'a> {
    given: Option<&'a str>,
}

/// An appointment, as templates see it.
#[derive(Debug, Clone, Serialize)]
struct Item<'a> {
    day: String,
    date: String,
    time: Option<String>,
    patient: Option<&'a str>,
    location: Option<String>,
    address: Option<String>,
    provider: Option<String>,
    callback_phone: &'a str,
}

/// The names that templates may use, by where they may stand.
const ROOTS: [&str; 4] = ["practice", "patient", "appointment", "appointments"];
const NAMES: [&str; 11] = [
    "practice.name",
    "practice.callback_phone",
    "patient.given",
    "appointment.day",
    "appointment.date",
    "appointment.time",
    "appointment.patient",
    "appointment.location",
    "appointment.address",
    "appointment.provider",
    "appointment.callback_phone",
];

/// What a text is about.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The appointments, the main one first.
    pub appointments: &'a [&'a Appointment],
    /// Practice and places.
    pub rules: &'a Rules,
    /// The present moment.
    pub now: Timestamp,
}

/// One language's file: the name of a text, and its template.
pub type File = BTreeMap<String, Template>;

/// A template in a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The words.
    pub text: String,
}

impl Texts {
    /// Reads the files of all languages; `fallback` serves patients whose language has none.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn compile(files: &BTreeMap<String, File>, fallback: &str) -> Result<Self, Vec<Error>> {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_fuel(Some(FUEL));
        // It would print whatever a template sees.
        env.remove_global("debug");
        let mut faults = Vec::new();
        for (language, file) in files {
            for kind in TextKind::ALL {
                let name = kind.name().to_owned();
                let Some(template) = file.get(&name) else {
                    faults.push(Error::Missing { language: language.clone(), name });
                    continue;
                };
                let added =
                    env.add_template_owned(format!("{language}/{name}"), template.text.clone());
                if let Err(error) = added {
                    faults.push(unreadable(language, &name, &error));
                }
            }
            faults.extend(unknown_texts(language, file));
            faults.extend(unknown_names(&env, language, file));
        }
        if !files.contains_key(fallback) {
            let name = "locale".to_owned();
            faults.push(Error::Missing { language: fallback.to_owned(), name });
        }
        if faults.is_empty() {
            faults = files.keys().flat_map(|language| trial::faults(&env, language)).collect();
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let languages = files.keys().cloned().collect();
        Ok(Self { env: Arc::new(env), fallback: fallback.to_owned(), languages })
    }

    /// The languages there are.
    #[must_use]
    pub const fn languages(&self) -> &BTreeSet<String> {
        &self.languages
    }

    fn language<'a>(&'a self, wanted: Option<&'a str>) -> &'a str {
        let wanted = wanted.map(super::conversation::primary);
        wanted.filter(|tag| self.languages.contains(*tag)).unwrap_or(&self.fallback)
    }
}

fn unreadable(language: &str, name: &str, error: &minijinja::Error) -> Error {
    Error::Template {
        language: language.to_owned(),
        name: name.to_owned(),
        line: error.line().unwrap_or(1),
        problem: error.kind().to_string(),
    }
}

fn unknown_texts(language: &str, file: &File) -> Vec<Error> {
    let known: BTreeSet<&str> = TextKind::ALL.iter().map(|kind| kind.name()).collect();
    let unknown = file.keys().filter(|name| !known.contains(name.as_str()));
    let fault = |name: &String| Error::Template {
        language: language.to_owned(),
        name: name.clone(),
        line: 1,
        problem: "there is no such text".to_owned(),
    };
    unknown.map(fault).collect()
}

fn unknown_names(env: &Environment<'_>, language: &str, file: &File) -> Vec<Error> {
    let mut faults = Vec::new();
    for (name, template) in file {
        let Ok(compiled) = env.get_template(&format!("{language}/{name}")) else { continue };
        for used in compiled.undeclared_variables(true) {
            let is_known = ROOTS.contains(&used.as_str()) || NAMES.contains(&used.as_str());
            if is_known {
                continue;
            }
            let line = template.text.lines().position(|line| line.contains(&used)).unwrap_or(0) + 1;
            faults.push(Error::Template {
                language: language.to_owned(),
                name: name.clone(),
                line,
                problem: format!("unknown variable {used}; there are: {}", NAMES.join(", ")),
            });
        }
    }
    faults
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
    let name = kind.name();
    let template = texts
        .env
        .get_template(&format!("{language}/{name}"))
        .map_err(|error| unreadable(language, name, &error))?;
    let text = template
        .render(Serde(vars(subject)))
        .map_err(|error| unreadable(language, name, &error))?;
    finished(&text, name)
}

fn finished(text: &str, name: &str) -> Result<String, Error> {
    let text = fold_to_gsm(text.trim()).into_owned();
    let chars = text.chars().count();
    if chars == 0 || chars > TEXT_CHARS_MAX {
        return Err(Error::Length { name: name.to_owned(), chars });
    }
    Ok(text)
}

fn vars<'a>(subject: &Subject<'a>) -> Vars<'a> {
    let practice = &subject.rules.practice;
    let main = subject.appointments.first();
    Vars {
        practice: PracticeVars {
            name: &practice.name,
            callback_phone: main
                .map_or(practice.callback_phone.as_str(), |a| callback(a, subject.rules)),
        },
        patient: PatientVars { given: main.and_then(|a| given(a)) },
        appointment: main.map(|a| item(a, subject)),
        appointments: subject.appointments.iter().map(|a| item(a, subject)).collect(),
    }
}

fn given(appointment: &Appointment) -> Option<&str> {
    appointment.patient.given.as_ref().map(|given| given.expose().as_str())
}

fn callback<'a>(appointment: &'a Appointment, rules: &'a Rules) -> &'a str {
    let place = appointment.location.as_ref().and_then(|l| rules.place(&l.code));
    place
        .and_then(|place| place.phone.as_deref())
        .or(appointment.callback_phone.as_deref())
        .unwrap_or(&rules.practice.callback_phone)
}

fn item<'a>(appointment: &'a Appointment, subject: &Subject<'a>) -> Item<'a> {
    let rules = subject.rules;
    let place = appointment.location.as_ref().and_then(|l| rules.place(&l.code));
    // Only places that the practice has described are named: what a feed calls a clinic may tell
    // what the patient suffers from.
    let shown = place.filter(|place| !place.sensitive);
    let start = appointment.start.as_ref();
    Item {
        day: start.map_or_else(String::new, |start| day(start, subject.now)),
        date: start.map_or_else(String::new, |start| start.local.format("%-m/%-d/%Y").to_string()),
        time: start.and_then(time),
        patient: given(appointment),
        location: shown.and_then(|place| place.name.clone()),
        address: shown.and_then(|place| place.address.clone()),
        provider: shown.and_then(|_| provider(appointment)),
        callback_phone: callback(appointment, rules),
    }
}

fn provider(appointment: &Appointment) -> Option<String> {
    let provider = appointment.provider.as_ref()?;
    let names = [provider.given.as_deref(), provider.family.as_deref()];
    let name: Vec<&str> = names.into_iter().flatten().filter(|name| !name.is_empty()).collect();
    (!name.is_empty()).then(|| name.join(" "))
}

/// The day as people say it; with the year where it is not plain.
fn day(start: &LocalTime, now: Timestamp) -> String {
    let this_year = start.zone.local(now).format("%Y").to_string();
    let format = if start.local.format("%Y").to_string() == this_year {
        "%a, %b %-d"
    } else {
        "%a, %b %-d, %Y"
    };
    start.local.format(format).to_string()
}

fn time(start: &LocalTime) -> Option<String> {
    (!start.date_only).then(|| start.local.format("%-I:%M %p").to_string())
}
