//! How results are printed: a table for people, JSON lines or CSV for programs.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use clap::ValueEnum;
use serde_json::Value;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people
    Text,
    /// One JSON object a line
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// The widest column of a table; what is longer is cut.
const COLUMN_MAX: usize = 48;

/// The longest line that is asked for, in bytes.
const LINE_MAX: u64 = 16 * 1024;

/// Prints a line; a closed pipe ends the output, not the program.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _written = writeln!(out, "{line}").is_ok();
}

/// Prints a line of error.
pub(crate) fn complain(line: &str) {
    let mut out = std::io::stderr().lock();
    let _written = writeln!(out, "appointd: {line}").is_ok();
}

/// Whether a person is watching the output.
pub(crate) fn is_seen() -> bool {
    std::io::stdout().is_terminal()
}

/// Asks for a line; none if there is no more. What is not typed by a person is shown, so that the
/// output reads as a conversation.
pub(crate) fn ask(prompt: &str) -> Option<String> {
    let mut out = std::io::stdout().lock();
    let _written = write!(out, "{prompt}").and_then(|()| out.flush()).is_ok();
    let mut line = Vec::new();
    let mut input = std::io::stdin().lock();
    let read = (&mut input).take(LINE_MAX).read_until(b'\n', &mut line).unwrap_or(0);
    let line = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
    if read == 0 || !std::io::stdin().is_terminal() {
        let _written = writeln!(out, "{line}").is_ok();
    }
    (read > 0).then_some(line)
}

/// Whether a person is watching the error stream, for progress.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Shows progress on a terminal, in place.
pub(crate) fn progress(text: &str) {
    if is_watched() {
        let mut out = std::io::stderr().lock();
        let _written = write!(out, "\r\x1b[K{text}").and_then(|()| out.flush()).is_ok();
    }
}

/// The rows of an answer; one that is no list is one row.
pub(crate) fn list(answer: Value) -> Vec<Value> {
    if let Value::Array(rows) = answer { rows } else { vec![answer] }
}

/// Prints rows.
pub(crate) fn rows(rows: &[Value], format: Format) {
    match format {
        Format::Json => rows.iter().for_each(|row| say(&row.to_string())),
        Format::Csv => csv(rows),
        Format::Text => table(rows),
    }
}

fn columns(rows: &[Value]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut columns = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys()) {
        if seen.insert(name) {
            columns.push(name.clone());
        }
    }
    columns
}

fn cell(row: &Value, column: &str) -> String {
    match row.get(column) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn csv(rows: &[Value]) {
    let columns = columns(rows);
    say(&columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(","));
    for row in rows {
        let cells: Vec<String> = columns.iter().map(|column| quoted(&cell(row, column))).collect();
        say(&cells.join(","));
    }
}

/// RFC 4180; a cell that a spreadsheet would take for a formula is made plain text.
fn quoted(text: &str) -> String {
    let is_formula = text.starts_with(['=', '@', '\t', '\r'])
        || (text.starts_with(['+', '-']) && text.parse::<f64>().is_err());
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

fn table(rows: &[Value]) {
    if rows.is_empty() {
        complain("nothing found");
        return;
    }
    let columns = columns(rows);
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|column| shortened(&cell(row, column))).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let widest = cells.iter().filter_map(|row| row.get(index)).map(|c| c.chars().count());
            widest.max().unwrap_or(0).max(name.len())
        })
        .collect();
    say(&line(&columns, &widths));
    for row in &cells {
        say(&line(row, &widths));
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<String> =
        cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}

fn shortened(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if plain.chars().count() <= COLUMN_MAX {
        return plain;
    }
    plain.chars().take(COLUMN_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_safe_in_a_spreadsheet() {
        assert_eq!(quoted("=1+1"), "'=1+1");
        assert_eq!(quoted("+14155550123"), "+14155550123");
        assert_eq!(quoted("-cmd"), "'-cmd");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
