//! What recipients answered, laid out for a spreadsheet or a program.
//!
//! [`Plan`] says which columns there are and makes rows of a recipient; [`Output`] writes them as CSV,
//! as JSON lines, or as a workbook. One recipient is in memory at a time.

mod anonymous;
mod write;

use std::collections::BTreeSet;

use serde_json::Value;

pub use anonymous::{Key, Numbers};
pub use write::{Error, Output, WORKBOOK_ROWS_MAX};

use super::header::{REQUIRED, folded};
use super::list::COLUMNS_MAX;
use crate::clock::Timestamp;
use crate::core::campaign::{Session, SessionState};
use crate::core::flow::Answer;
use crate::core::local_time::Zone;

/// How responses are laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// A row for each recipient, with columns for each question.
    #[default]
    Column,
    /// A row for each answer.
    Row,
}

/// In which form responses are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header, UTF-8.
    #[default]
    Csv,
    /// One JSON object a line.
    Json,
    /// A workbook of a spreadsheet.
    Xlsx,
}

impl Layout {
    /// Finds one by its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "column" => Some(Self::Column),
            "row" => Some(Self::Row),
            _ => None,
        }
    }
}

impl Format {
    /// Finds one by its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "xlsx" => Some(Self::Xlsx),
            _ => None,
        }
    }

    /// The name, which is also the ending of a file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Xlsx => "xlsx",
        }
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/x-ndjson",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// What is wanted of a campaign's responses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How they are laid out.
    pub layout: Layout,
    /// Whether names, phones and all columns of the list are left out.
    pub is_anonymous: bool,
    /// Columns of the list that stay all the same.
    pub keep: Vec<String>,
    /// Whether the words are left out, and only what they were read as stays.
    pub without_words: bool,
}

/// A wish that cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWish {
    /// A column to keep is none of the list.
    #[error("the list has no column {0:?}")]
    NoColumn(String),
    /// A column to keep says who it is.
    #[error("{0} says who the recipient is: it cannot stay in an anonymous export")]
    Names(&'static str),
    /// Columns are kept where all are.
    #[error("is for anonymous exports: all columns are there in others")]
    NotAnonymous,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Text, which is never calculated.
    Text(String),
    /// A count.
    Number(u32),
}

impl Cell {
    fn of(text: Option<&str>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.to_owned()))
    }
}

/// Which columns responses have, and how a recipient becomes rows of them.
#[derive(Debug)]
pub struct Plan {
    layout: Layout,
    /// Columns of the list that are shown.
    shown: Vec<String>,
    questions: Vec<String>,
    numbers: Option<Numbers>,
    without_words: bool,
    zone: Zone,
    header: Vec<String>,
}

impl Plan {
    /// Lays out the responses of a campaign: the columns of its list, the questions of its flow.
    ///
    /// `numbers` are given in place of names if they are wanted without.
    ///
    /// # Errors
    /// If a column that is to be kept is not there, or says who it is.
    pub fn new(
        wanted: &Wanted,
        columns: &[String],
        questions: Vec<String>,
        numbers: Numbers,
        zone: Zone,
    ) -> Result<Self, BadWish> {
        if !wanted.is_anonymous && !wanted.keep.is_empty() {
            return Err(BadWish::NotAnonymous);
        }
        for name in &wanted.keep {
            if let Some(who) = REQUIRED.into_iter().find(|known| folded(known) == folded(name)) {
                return Err(BadWish::Names(who));
            }
            if !columns.contains(name) {
                return Err(BadWish::NoColumn(name.clone()));
            }
        }
        let is_shown = |name: &&String| !wanted.is_anonymous || wanted.keep.contains(name);
        let mut plan = Self {
            layout: wanted.layout,
            shown: columns.iter().filter(is_shown).cloned().collect(),
            questions,
            numbers: wanted.is_anonymous.then_some(numbers),
            without_words: wanted.without_words,
            zone,
            header: Vec::new(),
        };
        plan.header = plan.names();
        Ok(plan)
    }

    /// The names of the columns; no two are the same.
    #[must_use]
    pub fn header(&self) -> &[String] {
        &self.header
    }

    fn names(&self) -> Vec<String> {
        let is_anonymous = self.numbers.is_some();
        let mut own: Vec<String> = Vec::new();
        match self.layout {
            Layout::Column => {
                let times = if is_anonymous {
                    ["started_on", "ended_on"]
                } else {
                    ["started_at", "ended_at"]
                };
                own.extend(["status", times[0], times[1], "texts"].map(str::to_owned));
                for question in &self.questions {
                    own.extend((!self.without_words).then(|| question.clone()));
                    own.push(format!("{question}_read_as"));
                    own.push(format!("{question}{}", if is_anonymous { "_on" } else { "_at" }));
                }
            }
            Layout::Row => {
                own.push("question".to_owned());
                own.extend((!self.without_words).then(|| "response".to_owned()));
                let time = if is_anonymous { "answered_on" } else { "answered_at" };
                own.extend(["read_as", time, "status"].map(str::to_owned));
            }
        }
        let number = is_anonymous.then(|| "recipient".to_owned());
        unique(number.into_iter().chain(self.shown.iter().cloned()).chain(own))
    }

    /// The rows of a recipient: one, or one for each answer.
    #[must_use]
    pub fn rows(&self, session: &Session) -> Vec<Vec<Cell>> {
        let mut head = Vec::with_capacity(self.header.len());
        if let Some(numbers) = &self.numbers {
            head.push(Cell::Text(numbers.of(&session.id)));
        }
        let data = session.run.trigger.data.expose();
        head.extend(self.shown.iter().map(|name| match data.get(name) {
            None | Some(Value::Null) => Cell::Empty,
            Some(Value::String(text)) if text.is_empty() => Cell::Empty,
            Some(Value::String(text)) => Cell::Text(text.clone()),
            Some(other) => Cell::Text(other.to_string()),
        }));
        match self.layout {
            Layout::Column => vec![self.wide(head, session)],
            Layout::Row => self.long(&head, session),
        }
    }

    fn wide(&self, mut row: Vec<Cell>, session: &Session) -> Vec<Cell> {
        row.push(status(session.state));
        row.push(self.time(session.started_at));
        row.push(self.time(session.ended_at));
        row.push(Cell::Number(session.texts));
        for question in &self.questions {
            // A question that was asked again has its last answer.
            let answer =
                session.run.answers.iter().rev().find(|answer| answer.question == *question);
            self.add_answer(&mut row, answer);
        }
        row
    }

    fn long(&self, head: &[Cell], session: &Session) -> Vec<Vec<Cell>> {
        let of_answer = |answer: &Answer| {
            let mut row = head.to_vec();
            row.push(Cell::Text(answer.question.clone()));
            self.add_answer(&mut row, Some(answer));
            row.push(status(session.state));
            row
        };
        session.run.answers.iter().map(of_answer).collect()
    }

    fn add_answer(&self, row: &mut Vec<Cell>, answer: Option<&Answer>) {
        if !self.without_words {
            row.push(Cell::of(answer.map(|answer| answer.body.expose().as_str())));
        }
        row.push(Cell::of(answer.and_then(|answer| answer.read_as.as_deref())));
        row.push(self.time(answer.map(|answer| answer.at)));
    }

    /// A moment in the practice's zone; of a recipient without a name, the day: to the second, times
    /// tell in which order the list was gone through.
    fn time(&self, at: Option<Timestamp>) -> Cell {
        let Some(at) = at else { return Cell::Empty };
        let local = at.with_timezone(&self.zone.offset_at(at));
        let form = if self.numbers.is_some() { "%Y-%m-%d" } else { "%Y-%m-%dT%H:%M:%S%:z" };
        Cell::Text(local.format(form).to_string())
    }
}

fn status(state: SessionState) -> Cell {
    Cell::Text(state.name().to_owned())
}

/// Names of which no two are the same: a later one gets a number.
fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let free = |name: String, seen: &BTreeSet<String>| {
        let mut free = name.clone();
        let mut number = 2;
        while seen.contains(&free) {
            free = format!("{name}_{number}");
            number += 1;
        }
        free
    };
    let mut unique = Vec::new();
    for name in names {
        let name = free(name, &seen);
        let _new = seen.insert(name.clone());
        unique.push(name);
    }
    unique
}

/// The columns that recipients have, in the order in which they come up, at most [`COLUMNS_MAX`].
///
/// Those of a list have the same; requests may each have others.
#[derive(Debug, Default)]
pub struct Columns(Vec<String>);

impl Columns {
    /// Adds those of a recipient.
    pub fn add(&mut self, session: &Session) {
        for name in session.run.trigger.data.expose().keys() {
            if self.0.len() < COLUMNS_MAX && !self.0.contains(name) {
                self.0.push(name.clone());
            }
        }
    }

    /// All of them.
    #[must_use]
    pub fn into_names(self) -> Vec<String> {
        self.0
    }
}
