//! The short form of an explanation, kept with every message: which rule gave each value, and where
//! the value stands.
//!
//! No values and no words, so that it costs some hundred bytes and a microsecond. A text of entries
//! with `;` between them, a `/` before each event but the first:
//!
//! `6a58SCH1-11.1.4+312,14` = field 6 of [`Output::ALL`], by the rule in line 58 of file `a` (the
//! mapping's own; `b` is what it extends, and so on), at SCH\[1\]-11\[1\].4, byte 312, 14 bytes long;
//! `6a58!3` = that rule gave nothing, for reason 3 of [`REASONS`]. Where all went well only what was
//! taken is kept; of a message that failed, everything that was tried for the field that is missing.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::fault::Place;
use super::output::Output;
use super::record::{Note, Recorder, Seen, Verdict};
use super::source::Source;

/// The most bytes of a trace; a list of a thousand identifiers explains nothing more.
const TRACE_BYTES_MAX: usize = 8 * 1024;
/// The most attempts kept in case that a field is missing; they fill a trace.
const TRIED_MAX: usize = TRACE_BYTES_MAX / 8;

/// Why a rule gave nothing, by number.
const REASONS: [&str; 12] = [
    "nothing there",
    "its condition does not hold",
    "the code is not in the table",
    "the code means nothing here",
    "the regular expression does not fit",
    "no time",
    "no duration",
    "no phone number for texts",
    "no known language",
    "no identifier there",
    "says that the value is deleted",
    "passed over",
];

/// A trace as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace(String);

impl Trace {
    /// Wraps a stored text.
    #[must_use]
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text to be stored.
    #[must_use]
    pub fn into_stored(self) -> String {
        self.0
    }

    /// Renders it: for each event a list of fields with rule and position; what cannot be read is
    /// left out. `files` are those that the mapping was made of, itself first.
    #[must_use]
    pub fn to_json(&self, files: &[String]) -> Value {
        let event = |text: &str| -> Value {
            text.split(';').filter_map(|entry| entry_json(entry, files)).collect()
        };
        self.0.split('/').filter(|text| !text.is_empty()).map(event).collect()
    }
}

fn entry_json(entry: &str, files: &[String]) -> Option<Value> {
    let (field, rest) = number(entry)?;
    let output = Output::ALL.get(field)?;
    let mut chars = rest.chars();
    let letter = chars.next().filter(char::is_ascii_lowercase)?;
    let (line, rest) = number(chars.as_str())?;
    let file = files.get(usize::try_from(u32::from(letter) - u32::from('a')).ok()?);
    let written_at = format!("{}:{line}", file.map_or("?", String::as_str));
    if let Some(reason) = rest.strip_prefix('!') {
        let reason = REASONS.get(number(reason)?.0)?;
        return Some(json!({ "field": output.name(), "written_at": written_at, "result": reason }));
    }
    let Some((position, bytes)) = rest.split_once('+') else {
        return Some(json!({ "field": output.name(), "written_at": written_at, "constant": true }));
    };
    let (start, length) = bytes.split_once(',')?;
    let (start, length): (usize, usize) = (start.parse().ok()?, length.parse().ok()?);
    let end = start.checked_add(length)?;
    Some(json!({
        "field": output.name(), "written_at": written_at,
        "position": position, "bytes": [start, end],
    }))
}

fn number(text: &str) -> Option<(usize, &str)> {
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// Collects a trace.
#[derive(Debug)]
pub(super) struct Tracer<'a> {
    files: &'a [String],
    text: String,
    events: usize,
    field: Option<Output>,
    /// Where the present field begins.
    begin: usize,
    /// What was tried for fields without which there is no event; words are made of it only if one
    /// is missing.
    tried: Vec<Tried>,
}

/// A rule that gave nothing.
#[derive(Debug, Clone, Copy)]
struct Tried {
    field: Output,
    file: char,
    line: usize,
    reason: usize,
}

impl<'a> Tracer<'a> {
    pub(super) const fn new(files: &'a [String]) -> Self {
        Self { files, text: String::new(), events: 0, field: None, begin: 0, tried: Vec::new() }
    }

    pub(super) fn into_trace(self) -> Trace {
        Trace(self.text)
    }

    /// The letter of a rule's file.
    fn letter(&self, source: &Source) -> char {
        let file = self.files.iter().position(|file| *file == source.place.file).unwrap_or(25);
        let letter = u8::try_from(file).ok().and_then(|file| b'a'.checked_add(file.min(25)));
        letter.map_or('z', char::from)
    }

    fn head(&mut self, field: Option<Output>, file: char, line: usize) {
        let field = field.and_then(|field| Output::ALL.iter().position(|one| *one == field));
        // Writing to a text cannot fail.
        let _written = write!(self.text, "{}{file}{line}", field.unwrap_or_default());
    }
}

impl Recorder for Tracer<'_> {
    const LISTENS: bool = false;

    fn event(&mut self) {
        if self.events > 0 {
            self.text.push('/');
        }
        self.events += 1;
        self.tried.clear();
    }

    fn begin(&mut self, output: Output) {
        self.field = Some(output);
        self.begin = self.text.len();
    }

    fn attempt(&mut self, source: &Source, seen: Option<Seen<'_, '_>>, verdict: Verdict) {
        if self.text.len() > TRACE_BYTES_MAX {
            return;
        }
        let Some(reason) = reason(verdict) else {
            // A better number takes the place of the one before.
            if self.field == Some(Output::Phone) {
                self.text.truncate(self.begin);
            }
            self.head(self.field, self.letter(source), source.place.line);
            if let Some(at) = seen.and_then(|seen| seen.found.at) {
                let text = &mut self.text;
                let _written =
                    write!(text, "{}{}-{}.{}", at.segment, at.occurrence, at.field, at.repetition);
                for part in [at.component, at.subcomponent].into_iter().flatten() {
                    let _written = write!(text, ".{part}");
                }
                let _written = write!(text, "+{},{}", at.start, at.end - at.start);
            }
            self.text.push(';');
            return;
        };
        if let Some(field @ (Output::Ids | Output::Start)) = self.field
            && self.tried.len() < TRIED_MAX
        {
            let (file, line) = (self.letter(source), source.place.line);
            self.tried.push(Tried { field, file, line, reason });
        }
    }

    fn step(&mut self, _say: impl FnOnce() -> String) {}

    fn note(&mut self, _note: Note) {}

    fn failed(&mut self, field: Output) {
        for tried in std::mem::take(&mut self.tried).iter().filter(|tried| tried.field == field) {
            if self.text.len() > TRACE_BYTES_MAX {
                return;
            }
            self.head(Some(field), tried.file, tried.line);
            let _written = write!(self.text, "!{};", tried.reason);
        }
    }

    fn rule(&mut self, _say: impl FnOnce() -> String, _place: &Place) {}
}

/// The number of the reason for which nothing was taken; nothing if something was.
const fn reason(verdict: Verdict) -> Option<usize> {
    Some(match verdict {
        Verdict::Taken => return None,
        Verdict::Absent => 0,
        Verdict::ConditionNotMet => 1,
        Verdict::NotInTable => 2,
        Verdict::SaysNothing => 3,
        Verdict::NotCaptured => 4,
        Verdict::NotATime(_) => 5,
        Verdict::NotADuration(_) => 6,
        Verdict::NotAPhone(_) => 7,
        Verdict::NotALanguage => 8,
        Verdict::NoIdentifier => 9,
        Verdict::Null => 10,
        Verdict::SecondBest | Verdict::Duplicate => 11,
    })
}
