//! Lists as they come: separated values of any spreadsheet, one record at a time.
//!
//! Knows the form only: RFC 4180 with any of four separators, a header that names the columns, bounds
//! on everything. Whether a value can be used is for [`super::survey`]. Memory does not depend on the
//! length of the list. No error holds a value of the list; where there may be no header, not even a
//! name of it, because that line would be a patient.

use std::io::{self, Cursor, Read};

use csv::{ReaderBuilder, StringRecord, Terminator};

use super::encoding::{Charset, Decoded};
use super::header::{self, Header};

/// How many columns a list may have; spreadsheets of practices have a dozen, exports of an EHR some
/// sixty.
pub const COLUMNS_MAX: usize = 100;
/// How many characters a cell may have; a text has 1,600 at most.
pub const CELL_CHARS_MAX: usize = 4_096;
/// How many bytes a row may have; a longer one is a quotation mark that is never closed.
pub const ROW_BYTES_MAX: usize = 64 * 1024;
/// How many rows a list may have; a workbook has 1,048,576, and texting so many takes weeks.
pub const ROWS_MAX: u64 = 1_000_000;
/// How many bytes a list may have: a million rows of a kilobyte.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// How much of the start is looked at to find the separator.
const SAMPLE_BYTES: u64 = 64 * 1024;
/// How many records of it.
const SAMPLE_RECORDS: usize = 6;
/// What the reader takes at a time, beyond the row that it reads.
const AHEAD_BYTES: usize = 8 * 1024;

/// A list that cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is in it.
    #[error("the list is empty")]
    Empty,
    /// Only a header is in it.
    #[error("the list has a header and no rows")]
    NoRows,
    /// The first line names none of the columns that every list has.
    #[error(
        "line 1 is no header: it must name the columns, patient_id, patient_first_name and patient_phone among them"
    )]
    NoHeader,
    /// A column that every list has is not there.
    #[error("the list has no column {0}")]
    NoColumn(&'static str),
    /// Two columns have one name.
    #[error("columns {0} and {1} have the same name: rename one")]
    SameColumn(usize, usize),
    /// A column between others has no name.
    #[error("column {0} has no name")]
    NoName(usize),
    /// A column's name cannot be used.
    #[error(
        "the name of column {0} cannot be used: write one line of at most {max} characters",
        max = header::NAME_CHARS_MAX
    )]
    BadName(usize),
    /// There are too many columns.
    #[error("the list has {0} columns; at most {COLUMNS_MAX} are read")]
    TooManyColumns(usize),
    /// There are too many rows.
    #[error("the list has more than {ROWS_MAX} rows: part it")]
    TooManyRows,
    /// A row does not end.
    #[error(
        "the row at line {line} has more than {ROW_BYTES_MAX} bytes: is a quotation mark not closed?"
    )]
    EndlessRow {
        /// Where it begins.
        line: u64,
    },
    /// A cell is not closed before the list ends: what follows it would be taken for its text.
    #[error("unclosed quotation mark, begun near line {line}")]
    Unclosed {
        /// Where it is opened.
        line: u64,
    },
    /// The file cannot be read.
    #[error("the list cannot be read: {0}")]
    Read(io::ErrorKind),
}

impl Error {
    fn of(refusal: csv::Error, line: u64) -> Self {
        let csv::ErrorKind::Io(refusal) = refusal.into_kind() else {
            // Nothing else can go wrong with flexible records of valid text.
            return Self::Read(io::ErrorKind::InvalidData);
        };
        let is_endless = refusal.get_ref().is_some_and(|cause| cause.is::<Endless>());
        if is_endless { Self::EndlessRow { line } } else { Self::Read(refusal.kind()) }
    }
}

/// A list that is being read.
pub struct List<R> {
    reader: csv::Reader<Bounded<Text<R>>>,
    header: Header,
    delimiter: u8,
    record: StringRecord,
    /// Lines before the header.
    skipped: u64,
    line: u64,
    rows: u64,
}

type Text<R> = io::Chain<Cursor<Vec<u8>>, Decoded<R>>;

impl<R> std::fmt::Debug for List<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("List").field("header", &self.header).field("line", &self.line).finish()
    }
}

/// A record of a list.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The line at which it begins, from 1.
    pub line: u64,
    /// Its cells; there may be more or fewer than columns.
    pub cells: &'a StringRecord,
    /// The columns.
    pub header: &'a Header,
    /// What separates the cells.
    pub delimiter: char,
}

impl<R: Read> List<R> {
    /// Reads the header of a list, and finds out what separates its cells.
    ///
    /// # Errors
    /// If it has no header that can be used.
    pub fn open(source: R, charset: Charset) -> Result<Self, Error> {
        let mut text = Decoded::new(source, charset);
        let mut sample = Vec::new();
        let read = text.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample);
        let _count = read.map_err(|refusal| Error::Read(refusal.kind()))?;
        let told = told_delimiter(&mut sample);
        let delimiter = told.unwrap_or_else(|| header::delimiter(&sample, SAMPLE_RECORDS));
        let source = Bounded {
            source: Cursor::new(sample).chain(text),
            left: 0,
            quotes: Quotes { delimiter, place: Place::Start, lines: 0, opened: 0 },
            is_over: false,
        };
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(AHEAD_BYTES)
            .from_reader(source);
        let skipped = u64::from(told.is_some());
        let header = Header::default();
        let (line, rows) = (1, 0);
        let record = StringRecord::new();
        let mut list = Self { reader, header, delimiter, record, skipped, line, rows };
        if !list.advance()? {
            return Err(Error::Empty);
        }
        list.header = Header::read(&list.record)?;
        Ok(list)
    }

    /// The columns.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What separates the cells.
    #[must_use]
    pub const fn delimiter(&self) -> char {
        self.delimiter as char
    }

    /// The next record that is not blank.
    ///
    /// # Errors
    /// If the list cannot be read any further; if it ends and has had none.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, Error> {
        loop {
            if !self.advance()? {
                return if self.rows == 0 { Err(Error::NoRows) } else { Ok(None) };
            }
            if self.record.iter().any(|cell| !cell.trim().is_empty()) {
                break;
            }
        }
        self.rows += 1;
        if self.rows > ROWS_MAX {
            return Err(Error::TooManyRows);
        }
        let (line, delimiter) = (self.line, self.delimiter());
        Ok(Some(Row { line, cells: &self.record, header: &self.header, delimiter }))
    }

    fn advance(&mut self) -> Result<bool, Error> {
        let before = self.reader.position().line() + self.skipped;
        self.reader.get_mut().left = ROW_BYTES_MAX + AHEAD_BYTES;
        let read = self.reader.read_record(&mut self.record);
        let is_there = read.map_err(|refusal| Error::of(refusal, before))?;
        if let Some(line) = self.reader.get_ref().unclosed() {
            return Err(Error::Unclosed { line: line + self.skipped });
        }
        // Blank lines before a record are passed over with it: its line is told by where it ends.
        let within: usize = self.record.iter().map(lines_within).sum();
        let after = self.reader.position().line() + self.skipped;
        let within = u64::try_from(within).unwrap_or(u64::MAX);
        self.line = after.saturating_sub(1).saturating_sub(within).max(before);
        Ok(is_there)
    }
}

fn lines_within(cell: &str) -> usize {
    memchr::memchr_iter(b'\n', cell.as_bytes()).count()
}

/// The separator that a line `sep=;` before the header names, as one spreadsheet writes it for
/// another; the line is taken away.
fn told_delimiter(sample: &mut Vec<u8>) -> Option<u8> {
    let line = sample.get(..6)?;
    let [s, e, p, b'=', delimiter, b'\n'] = line else { return None };
    let is_told =
        [*s, *e, *p].eq_ignore_ascii_case(b"sep") && header::DELIMITERS.contains(delimiter);
    let delimiter = Some(*delimiter).filter(|_| is_told)?;
    drop(sample.drain(..6));
    Some(delimiter)
}

/// Gives so many bytes, and then fails: a row that does not end would fill the memory. It also keeps
/// an eye on quotation marks, because the reader takes the end of a file for the end of a quote.
struct Bounded<R> {
    source: R,
    left: usize,
    quotes: Quotes,
    is_over: bool,
}

impl<R> Bounded<R> {
    /// The line at which a quotation mark was opened that the end of the list has not closed.
    fn unclosed(&self) -> Option<u64> {
        let is_open = self.is_over && self.quotes.place == Place::Quoted;
        is_open.then_some(self.quotes.opened)
    }
}

/// Where in a cell the bytes are that were given out last, by the rules of the reader.
struct Quotes {
    delimiter: u8,
    place: Place,
    /// Line ends so far.
    lines: u64,
    /// The line of the last mark that opened a cell.
    opened: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the start of a cell: only here a mark opens it.
    Start,
    Plain,
    Quoted,
    /// Behind a mark in a quoted cell, which closes it or is the first of two.
    Mark,
}

impl Quotes {
    fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let is_end = byte == b'\n' || byte == self.delimiter;
            self.place = match self.place {
                Place::Start if byte == b'"' => {
                    self.opened = self.lines + 1;
                    Place::Quoted
                }
                Place::Mark if byte == b'"' => Place::Quoted,
                Place::Start | Place::Plain | Place::Mark if is_end => Place::Start,
                Place::Start | Place::Plain | Place::Mark => Place::Plain,
                Place::Quoted if byte == b'"' => Place::Mark,
                Place::Quoted => Place::Quoted,
            };
            self.lines += u64::from(byte == b'\n');
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the row does not end")]
struct Endless;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(Endless));
        }
        let room = out.len().min(self.left);
        let given = out.get_mut(..room).unwrap_or_default();
        let count = self.source.read(given)?;
        self.quotes.pass(given.get(..count).unwrap_or_default());
        self.is_over = count == 0 && room > 0;
        self.left -= count;
        Ok(count)
    }
}
