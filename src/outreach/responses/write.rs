//! Rows as CSV, JSON lines or a workbook.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{Format as Style, Workbook, XlsxError};
use serde_json::{Map, Value};

use super::{Cell, Format};
use crate::outreach::cell::quoted;

/// How many rows a workbook has, its header included: the limit of the format.
pub const WORKBOOK_ROWS_MAX: u32 = 1_048_576;
/// How many characters a cell of a workbook holds: the limit of the format.
const WORKBOOK_CELL_CHARS_MAX: usize = 32_767;

/// Responses that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// To where they go.
    #[error("the responses cannot be written: {0}")]
    Write(#[from] io::Error),
    /// There are more rows than a workbook has.
    #[error("a workbook has {WORKBOOK_ROWS_MAX} rows, and there are more: take CSV")]
    TooManyRows,
    /// The workbook.
    #[error("the workbook cannot be written")]
    Workbook(#[source] Box<XlsxError>),
}

impl From<XlsxError> for Error {
    fn from(refusal: XlsxError) -> Self {
        Self::Workbook(Box::new(refusal))
    }
}

/// Where rows are written.
pub struct Output<W: Write> {
    sink: W,
    header: Vec<String>,
    form: Form,
    scratch: PathBuf,
}

enum Form {
    Csv,
    Json,
    /// It goes to a file of its own row by row, and from there to the sink at the end.
    Xlsx(Box<Workbook>, u32),
}

impl<W: Write> std::fmt::Debug for Output<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<W: Write> Output<W> {
    /// Writes the header; a workbook is put together in files without names in the folder `scratch`.
    ///
    /// # Errors
    /// If nothing can be written.
    pub fn new(
        mut sink: W,
        format: Format,
        header: &[String],
        scratch: &Path,
    ) -> Result<Self, Error> {
        let form = match format {
            Format::Csv => {
                let names: Vec<String> = header.iter().map(|name| quoted(name)).collect();
                write!(sink, "{}\r\n", names.join(","))?;
                Form::Csv
            }
            Format::Json => Form::Json,
            Format::Xlsx => {
                let mut book = Workbook::new();
                book.set_tempdir(scratch)?;
                let sheet = book.add_worksheet_with_constant_memory()?;
                let _sheet = sheet.set_name("Responses")?;
                let _sheet = sheet.set_freeze_panes(1, 0)?;
                let bold = Style::new().set_bold();
                for (column, name) in (0_u16..).zip(header) {
                    let _sheet = sheet.write_string_with_format(0, column, name, &bold)?;
                }
                Form::Xlsx(Box::new(book), 1)
            }
        };
        Ok(Self { sink, header: header.to_vec(), form, scratch: scratch.to_owned() })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// If nothing more can be written.
    pub fn row(&mut self, row: &[Cell]) -> Result<(), Error> {
        match &mut self.form {
            Form::Csv => {
                let cells: Vec<String> = row.iter().map(csv_cell).collect();
                write!(self.sink, "{}\r\n", cells.join(","))?;
            }
            Form::Json => {
                let object: Map<String, Value> =
                    self.header.iter().cloned().zip(row.iter().map(json_cell)).collect();
                serde_json::to_writer(&mut self.sink, &object).map_err(io::Error::from)?;
                self.sink.write_all(b"\n")?;
            }
            Form::Xlsx(book, next) => {
                if *next >= WORKBOOK_ROWS_MAX {
                    return Err(Error::TooManyRows);
                }
                let sheet = book.worksheet_from_index(0)?;
                for (column, cell) in (0_u16..).zip(row) {
                    match cell {
                        Cell::Empty => {}
                        Cell::Number(number) => {
                            let _sheet = sheet.write_number(*next, column, *number)?;
                        }
                        // As a string it is shown, whatever it begins with.
                        Cell::Text(text) => {
                            let _sheet = sheet.write_string(*next, column, short(text))?;
                        }
                    }
                }
                *next += 1;
            }
        }
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> Result<W, Error> {
        if let Form::Xlsx(book, _) = &mut self.form {
            // The form wants to go back within what it writes, which a stream does not.
            let mut whole = tempfile::tempfile_in(&self.scratch)?;
            book.save_to_writer(&mut whole)?;
            io::Seek::rewind(&mut whole)?;
            let _bytes = io::copy(&mut whole, &mut self.sink)?;
        }
        self.sink.flush()?;
        Ok(self.sink)
    }
}

fn csv_cell(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => quoted(text),
        Cell::Number(number) => number.to_string(),
    }
}

fn json_cell(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) => Value::from(text.as_str()),
        Cell::Number(number) => Value::from(*number),
    }
}

fn short(text: &str) -> String {
    text.chars().take(WORKBOOK_CELL_CHARS_MAX).collect()
}
