//! What is wrong with a mapping file: which file, which line, which key, and what to write instead.
//!
//! Faults are collected, not raised one by one: whoever edits a mapping sees all of them in one run.

use std::fmt;

/// One thing that is wrong with a mapping file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file, as it was named when it was read.
    pub file: String,
    /// The line, from 1, if the fault has one.
    pub line: Option<usize>,
    /// The key, such as `patient.phone[2].path`; empty if the whole file is meant.
    pub key: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// A place in a mapping file that a fault can point at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) key: String,
}

impl Place {
    pub(super) fn fault(&self, problem: impl Into<String>) -> Fault {
        Fault {
            file: self.file.clone(),
            line: (self.line > 0).then_some(self.line),
            key: self.key.clone(),
            problem: problem.into(),
        }
    }
}

/// The known name that is meant by an unknown one, as the tail of a sentence; empty if none is near.
pub(super) fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let distance = |name: &str| edits(&wrong.to_lowercase(), &name.to_lowercase());
    let nearest = known.into_iter().map(|name| (distance(name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + name.len() / 4 => {
            format!(", did you mean \"{name}\"?")
        }
        Some(_) | None => String::new(),
    }
}

/// The number of letters to be put in, left out or replaced (Levenshtein); bounded by the length
/// of a key, which TOML files have few of.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            let here = (diagonal + usize::from(a != *b)).min(above + 1).min(left + 1);
            diagonal = above;
            left = here;
            *cell = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_is_recognised_and_a_stranger_is_not() {
        assert_eq!(
            suggestion("apointment", ["patient", "appointment"]),
            ", did you mean \"appointment\"?"
        );
        assert_eq!(suggestion("Phone", ["phone"]), ", did you mean \"phone\"?");
        assert_eq!(suggestion("colour", ["patient", "appointment"]), "");
        assert_eq!(suggestion("x", []), "");
    }

    #[test]
    fn a_fault_says_file_line_and_key() {
        let place =
            Place { file: "epic.toml".to_owned(), line: 7, key: "patient.phone".to_owned() };
        assert_eq!(place.fault("no path").to_string(), "epic.toml:7: patient.phone: no path");
        let whole = Place { file: "epic.toml".to_owned(), ..Place::default() };
        assert_eq!(whole.fault("no path").to_string(), "epic.toml: no path");
    }
}
