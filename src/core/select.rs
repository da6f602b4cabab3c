//! Which of several appointments a text names: by number, by day, by name, or all of them.
//!
//! Pure word matching, like [`super::reply`]; what the text says beside that is handed back to be
//! read there.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::local_time::LocalTime;
use super::reply::Words;

/// An appointment that a text may name.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The patient's given name.
    pub given: Option<&'a str>,
    /// When it starts.
    pub start: Option<&'a LocalTime>,
}

/// What a number in a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// A place in a list that the patient was shown, from 1.
    Places,
    /// No place: there was no list.
    Nothing,
}

/// Appointments that a part of a text names, and what it says of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// Which of the choices, counted from 0.
    pub choices: BTreeSet<usize>,
    /// What is left of the text without the words that name them.
    pub rest: String,
}

/// Finds what a text names; empty if it names nothing, or nothing there is.
#[must_use]
pub fn select(
    _text: &str,
    _choices: &[Choice<'_>],
    _numbers: Numbers,
    _words: &BTreeMap<String, Words>,
    _today: NaiveDate,
) -> Vec<Pick> {
    Vec::new()
}
