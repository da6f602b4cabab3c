//! What is wrong with a list, row by row, before anybody is texted.
//!
//! A *fault* keeps a row out; a *note* lets it in and says what will become of it. A finding tells the
//! line, the column and the cause, and never what stands there: it may be printed, mailed and logged.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::list::{CELL_CHARS_MAX, ROW_BYTES_MAX, Row};
use crate::core::campaign::Recipient;
use crate::core::contact::{Contact, Programme};
use crate::core::message::TEXT_CHARS_MAX;
use crate::core::phone::{self, PhoneNumber, Region};
use crate::mapping::language_tag;
use crate::phi::Phi;

/// How many findings a survey holds itself; all of them pass by whoever looks.
pub const FINDINGS_MAX: usize = 100;

/// From how many digits on something looks like a phone: those of a number without an area code.
const PHONE_DIGITS_MIN: usize = 7;

/// Something about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line at which the row begins.
    pub line: u64,
    /// The column, if it is about one.
    pub column: Option<String>,
    /// What.
    pub problem: Problem,
}

/// What can be about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It has more cells than there are columns, or not those that every list has. Others may be missing
    /// at its end, where spreadsheets leave out what is empty.
    #[error("has {found} cells where the header has {expected}: is a separator within a value?")]
    Ragged {
        /// How many it has.
        found: usize,
        /// How many there are columns.
        expected: usize,
    },
    /// A cell holds further rows.
    #[error("holds what look like further rows: is a quotation mark not closed?")]
    Swallowed,
    /// It is too long.
    #[error("has more than {ROW_BYTES_MAX} bytes")]
    RowTooLong,
    /// A cell is too long.
    #[error("has more than {CELL_CHARS_MAX} characters")]
    CellTooLong,
    /// A cell has characters that are none.
    #[error("has characters that cannot be read: write the file as UTF-8")]
    Unreadable,
    /// The phone is none.
    #[error("{0}")]
    Phone(phone::Error),
    /// A spreadsheet has made a figure of the phone.
    #[error(
        "a spreadsheet has rounded the phone number (as in 1.4155E+10): make the column text, and enter it again"
    )]
    PhoneRounded,
    /// The phone came before.
    #[error("has the phone of line {0}")]
    SamePhone(u64),
    /// The patient came before.
    #[error("has the patient_id of line {0}")]
    SamePatient(u64),
    /// No patient is named.
    #[error("is empty")]
    NoPatient,
    /// A value that a text uses is not there.
    #[error("is empty, and the flow's texts use it")]
    Missing,
    /// The phone is opted out.
    #[error("has opted out of texts: is not texted")]
    OptedOut,
    /// The carrier says that the number cannot be texted.
    #[error("cannot be texted, as the carrier said before: is not texted")]
    BadNumber,
    /// The flow ends without a text.
    #[error(
        "gets no text: the flow ends at once, or its text would be empty or over {TEXT_CHARS_MAX} characters"
    )]
    NoText,
    /// The language is none that is known.
    #[error("is no language that is known: the practice's is taken")]
    Language,
}

impl Problem {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ragged { .. } => "cells",
            Self::Swallowed => "swallowed_rows",
            Self::RowTooLong => "row_too_long",
            Self::CellTooLong => "cell_too_long",
            Self::Unreadable => "unreadable",
            Self::Phone(_) => "phone",
            Self::PhoneRounded => "phone_rounded",
            Self::SamePhone(_) => "same_phone",
            Self::SamePatient(_) => "same_patient",
            Self::NoPatient => "no_patient",
            Self::Missing => "missing_value",
            Self::OptedOut => "opted_out",
            Self::BadNumber => "bad_number",
            Self::NoText => "no_text",
            Self::Language => "language",
        }
    }

    /// Whether it keeps the row out.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        !matches!(self, Self::OptedOut | Self::BadNumber | Self::NoText | Self::Language)
    }
}

impl Finding {
    /// Renders it for scripts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "line": self.line,
            "column": self.column,
            "kind": self.problem.name(),
            "fault": self.problem.is_fault(),
            "problem": self.problem.to_string(),
        })
    }

    /// Its cells, in the order of [`Finding::COLUMNS`].
    #[must_use]
    pub fn cells(&self) -> [String; 5] {
        [
            self.line.to_string(),
            self.column.clone().unwrap_or_default(),
            self.problem.name().to_owned(),
            self.problem.is_fault().to_string(),
            self.problem.to_string(),
        ]
    }

    /// What its cells are called.
    pub const COLUMNS: [&'static str; 5] = ["line", "column", "kind", "fault", "problem"];
}

/// Whether a phone may be texted, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing speaks against it.
    Free,
    /// It is opted out of campaigns, or of everything.
    OptedOut,
    /// The carrier says that it cannot be.
    BadNumber,
}

impl Standing {
    /// What a phone's row says.
    #[must_use]
    pub fn of(contact: Option<&Contact>) -> Self {
        match contact {
            Some(contact) if !contact.consent.allows(Programme::Outreach) => Self::OptedOut,
            Some(contact) if contact.bad.is_some() => Self::BadNumber,
            Some(_) | None => Self::Free,
        }
    }
}

/// Looks at the rows of one list, one after the other.
///
/// It remembers each phone and a 64-bit digest of each patient's id with its line: about 40 bytes a
/// row, 40 MB for the longest list. Two ids of a million have one digest once in some 40 million lists.
#[derive(Debug)]
pub struct Examiner {
    region: Region,
    needed: Vec<String>,
    phones: BTreeMap<u64, u32>,
    patients: BTreeMap<u64, u32>,
}

impl Examiner {
    /// Looks for what a flow needs, with phones as they are written in a region.
    #[must_use]
    pub const fn new(region: Region, needed: Vec<String>) -> Self {
        Self { region, needed, phones: BTreeMap::new(), patients: BTreeMap::new() }
    }

    /// Makes a recipient of a row; none if there is a fault among the findings.
    pub fn examine(&mut self, row: Row<'_>) -> (Option<Recipient>, Vec<Finding>) {
        let mut desk = Desk { line: row.line, findings: Vec::new() };
        let columns = row.header.names().len();
        let surplus = row.cells.iter().skip(columns).any(|cell| !cell.trim().is_empty());
        if row.cells.len() <= row.header.last_required() || surplus {
            desk.note(None, Problem::Ragged { found: row.cells.len(), expected: columns });
            return (None, desk.findings);
        }
        if row.cells.as_slice().len() > ROW_BYTES_MAX {
            desk.note(None, Problem::RowTooLong);
            return (None, desk.findings);
        }
        let cell = |place: usize| row.cells.get(place).unwrap_or_default().trim();
        let mut data = Map::new();
        for (place, name) in row.header.names().iter().enumerate() {
            let cell = cell(place);
            if cell.len() > CELL_CHARS_MAX && cell.chars().count() > CELL_CHARS_MAX {
                desk.note(Some(name), Problem::CellTooLong);
            }
            if cell.contains(|c: char| c == '\u{fffd}' || c.is_control() && c != '\n' && c != '\t')
            {
                desk.note(Some(name), Problem::Unreadable);
            }
            if holds_rows(cell, row) {
                desk.note(Some(name), Problem::Swallowed);
            }
            if cell.is_empty() && self.needed.contains(name) {
                desk.note(Some(name), Problem::Missing);
            }
            let _new = data.insert(name.clone(), Value::from(cell));
        }
        let patient = self.patient(cell(row.header.patient()), &mut desk);
        let phone = self.phone(cell(row.header.phone()), &mut desk);
        let language = row.header.language().map(cell).filter(|text| !text.is_empty());
        let tag = language.and_then(language_tag);
        if language.is_some() && tag.is_none() {
            desk.note(Some("language"), Problem::Language);
        }
        let is_sound = desk.findings.iter().all(|finding| !finding.problem.is_fault());
        let Some((phone, key)) = phone.filter(|_| is_sound) else { return (None, desk.findings) };
        // Only a row that is taken keeps others out.
        remember(&mut self.phones, key, row.line);
        if let Some(patient) = patient {
            remember(&mut self.patients, patient, row.line);
        }
        let data = Phi::new(data);
        (Some(Recipient { row: row.line, phone, language: tag, data }), desk.findings)
    }

    /// By what a patient is known.
    fn patient(&self, id: &str, desk: &mut Desk) -> Option<u64> {
        if id.is_empty() {
            desk.note(Some("patient_id"), Problem::NoPatient);
            return None;
        }
        let digest = Sha256::digest(id.as_bytes());
        let key = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        if let Some(line) = self.patients.get(&key) {
            desk.note(Some("patient_id"), Problem::SamePatient((*line).into()));
        }
        Some(key)
    }

    /// A phone, and by what it is known.
    fn phone(&self, text: &str, desk: &mut Desk) -> Option<(PhoneNumber, u64)> {
        const COLUMN: Option<&str> = Some("patient_phone");
        if is_rounded(text) {
            desk.note(COLUMN, Problem::PhoneRounded);
            return None;
        }
        // A column of figures, written with one decimal.
        let whole = text.strip_suffix(".0").filter(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        let phone = match PhoneNumber::parse(whole.unwrap_or(text), self.region) {
            Ok(phone) => phone,
            Err(refusal) => {
                desk.note(COLUMN, Problem::Phone(refusal));
                return None;
            }
        };
        // E.164 has 15 digits at most, which fit.
        let key = phone.as_str().trim_start_matches('+').parse().unwrap_or(0);
        if let Some(line) = self.phones.get(&key) {
            desk.note(COLUMN, Problem::SamePhone((*line).into()));
        }
        Some((phone, key))
    }
}

fn remember(seen: &mut BTreeMap<u64, u32>, key: u64, line: u64) {
    // A row has at most so many lines that a million of them fit.
    let here = u32::try_from(line).unwrap_or(u32::MAX);
    let _first = seen.entry(key).or_insert(here);
}

/// Whether a later line of a cell has as many separators as a row, and figures where the phone
/// stands: a mark that is closed by one far below makes a cell of the rows between.
fn holds_rows(cell: &str, row: Row<'_>) -> bool {
    let is_row = |line: &str| {
        let digits = line.split(row.delimiter).nth(row.header.phone());
        let digits = digits.map_or(0, |cell| cell.bytes().filter(u8::is_ascii_digit).count());
        line.matches(row.delimiter).count() + 1 >= row.header.names().len()
            && digits >= PHONE_DIGITS_MIN
    };
    cell.lines().skip(1).any(is_row)
}

/// Whether a phone is written as 1.4155E+10: its last digits are lost.
fn is_rounded(text: &str) -> bool {
    let Some((figure, power)) = text.split_once(['e', 'E']) else { return false };
    let power = power.strip_prefix('+').unwrap_or(power);
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    are_digits(power) && are_digits(&figure.replacen(['.', ','], "", 1))
}

struct Desk {
    line: u64,
    findings: Vec<Finding>,
}

impl Desk {
    fn note(&mut self, column: Option<&str>, problem: Problem) {
        let column = column.map(str::to_owned);
        self.findings.push(Finding { line: self.line, column, problem });
    }
}

/// What there is to say about a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The character set, for people.
    pub charset: String,
    /// What separates the cells.
    pub delimiter: char,
    /// The columns.
    pub columns: Vec<String>,
    /// Columns that texts of the flow use and the list has not, each with one of the list that may be
    /// meant.
    pub missing: Vec<(String, Option<String>)>,
    /// How many rows there are, blank ones left out.
    pub rows: u64,
    /// How many have a fault.
    pub faulty: u64,
    /// How many findings there are of each kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first of them, at most [`FINDINGS_MAX`].
    pub first: Vec<Finding>,
}

impl Survey {
    /// Counts a row and its findings.
    pub fn count(&mut self, is_sound: bool, findings: &[Finding]) {
        self.rows += 1;
        self.faulty += u64::from(!is_sound);
        for finding in findings {
            *self.counts.entry(finding.problem.name()).or_default() += 1;
            if self.first.len() < FINDINGS_MAX {
                self.first.push(finding.clone());
            }
        }
    }

    /// How many rows can be taken.
    #[must_use]
    pub const fn sound(&self) -> u64 {
        self.rows - self.faulty
    }

    /// How many findings there are.
    #[must_use]
    pub fn findings(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Why the list cannot be taken as a whole; `None` if it can.
    #[must_use]
    pub fn refusal(&self, skip_faulty: bool) -> Option<String> {
        if !self.missing.is_empty() {
            let names: Vec<&str> = self.missing.iter().map(|(name, _)| name.as_str()).collect();
            return Some(format!(
                "the flow uses columns that the list has not: {}",
                names.join(", ")
            ));
        }
        if self.sound() == 0 {
            return Some("no row of the list can be taken".to_owned());
        }
        if self.faulty > 0 && !skip_faulty {
            let (faulty, rows) = (self.faulty, self.rows);
            return Some(format!("{faulty} of {rows} rows have faults: mend them, or skip them"));
        }
        None
    }

    /// Renders it for scripts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let missing =
            |(name, like): &(String, Option<String>)| json!({ "column": name, "like": like });
        json!({
            "charset": self.charset,
            "delimiter": self.delimiter.to_string(),
            "columns": self.columns,
            "missing_columns": self.missing.iter().map(missing).collect::<Vec<_>>(),
            "rows": self.rows,
            "sound": self.sound(),
            "faulty": self.faulty,
            "counts": self.counts,
            "findings_in_all": self.findings(),
            "findings": self.first.iter().map(Finding::to_json).collect::<Vec<_>>(),
        })
    }
}
