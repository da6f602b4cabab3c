//! What is wrong in the settings, and where it stands.

use std::fmt;

/// How much of a wrong value is shown.
const SHOWN_CHARS_MAX: usize = 60;
/// More faults than this help nobody; the rest is counted.
const FAULTS_MAX: usize = 300;

/// Where a value was written: a file and a line, or a variable of the environment.
///
/// It travels through the layers as the origin of a `config` value, in the form `FILE:LINE`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, or `environment NAME`.
    pub file: Option<String>,
    /// The line, counted from 1.
    pub line: Option<usize>,
}

impl Place {
    /// A place somewhere in a file or in the environment.
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: Some(file.into()), line: None }
    }

    /// A line of a file.
    pub fn line(file: impl Into<String>, line: usize) -> Self {
        Self { file: Some(file.into()), line: Some(line) }
    }

    /// Reads the origin of a value.
    pub(super) fn of_origin(origin: Option<&str>) -> Self {
        let Some(origin) = origin else { return Self::default() };
        match origin.rsplit_once(':').map(|(file, line)| (file, line.parse())) {
            Some((file, Ok(line))) => Self::line(file, line),
            Some((_, Err(_))) | None => Self::file(origin),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}"),
            (Some(file), None) => f.write_str(file),
            (None, _) => f.write_str("settings"),
        }
    }
}

/// One thing that is wrong, or doubtful, in the settings; prints as one line.
///
/// ```
/// use appointd::settings::{Fault, Place};
/// let fault = Fault::new(Place::line("a.toml", 7), "http.listen", "is no address; write HOST:PORT");
/// assert_eq!(fault.to_string(), "a.toml:7: http.listen: is no address; write HOST:PORT");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The full key, such as `hl7.listener[1].charset`; empty if it concerns a whole file.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

impl Fault {
    /// Describes a fault.
    pub fn new(place: Place, key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place, key: key.into(), problem: problem.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.problem)
        } else {
            write!(f, "{}: {}: {}", self.place, self.key, self.problem)
        }
    }
}

/// A wrong value as it may be shown: short, quoted, on one line.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let dots = if short.len() < text.len() { ".." } else { "" };
    format!("{short:?}{dots}")
}

/// The faults and warnings of one run.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Fault>,
    /// A file could not be read whole, so that what seems missing may stand in the unread part.
    pub(super) is_partial: bool,
    unlisted: usize,
}

impl Notes {
    pub(super) fn fault(&mut self, fault: Fault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        } else {
            self.unlisted += 1;
        }
    }

    pub(super) fn warn(&mut self, warning: Fault) {
        if self.warnings.len() < FAULTS_MAX {
            self.warnings.push(warning);
        }
    }

    /// Everything that is wrong, in the order of the files.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by(|a, b| {
            (&a.place.file, a.place.line, &a.key).cmp(&(&b.place.file, b.place.line, &b.key))
        });
        if self.unlisted > 0 {
            let problem = format!("{} more faults are not listed", self.unlisted);
            self.faults.push(Fault::new(Place::default(), "", problem));
        }
        self.faults
    }
}
