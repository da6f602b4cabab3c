//! How results are printed: a table for people, JSON lines or CSV for programs.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write};
use std::time::Duration;

use clap::ValueEnum;
use serde_json::Value;

use crate::clock::Stopwatch;
use crate::outreach::cell::quoted;

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

/// How often a bar is drawn at most.
const DRAWN_EVERY: Duration = Duration::from_millis(100);
/// How wide a bar is.
const BAR_CELLS: usize = 24;

/// What a bar counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes, shown as megabytes.
    Bytes,
    /// Recipients.
    Recipients,
}

/// A bar on a terminal, with rate and time left; nothing elsewhere.
#[derive(Debug)]
pub(crate) struct Bar {
    label: &'static str,
    unit: Unit,
    watch: Stopwatch,
    drawn: Duration,
    /// What was done when it began.
    from: u64,
}

impl Bar {
    /// Begins at what is done already.
    pub(crate) fn new(label: &'static str, unit: Unit, from: u64) -> Self {
        Self { label, unit, watch: Stopwatch::start(), drawn: Duration::ZERO, from }
    }

    /// Shows how much is done.
    pub(crate) fn show(&mut self, done: u64, total: u64) {
        let elapsed = self.watch.elapsed();
        let is_early = elapsed < self.drawn + DRAWN_EVERY && done < total;
        if !is_watched() || is_early {
            return;
        }
        self.drawn = elapsed;
        progress(&self.line(done, total, elapsed));
    }

    #[expect(clippy::cast_precision_loss, reason = "rates are for the eye")]
    fn line(&self, done: u64, total: u64, elapsed: Duration) -> String {
        let done = done.min(total);
        let cells = u64::try_from(BAR_CELLS).unwrap_or(u64::MAX);
        let full = done.saturating_mul(cells).checked_div(total).unwrap_or(cells);
        let full = usize::try_from(full).unwrap_or(BAR_CELLS).min(BAR_CELLS);
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        let rate = done.saturating_sub(self.from) as f64 / elapsed.as_secs_f64().max(0.001);
        let (amount, rate_text) = match self.unit {
            Unit::Bytes => (
                format!("{:.1} of {:.1} MB", done as f64 / 1e6, total as f64 / 1e6),
                format!("{:.1} MB/s", rate / 1e6),
            ),
            Unit::Recipients => {
                (format!("{done} of {total}"), format!("{:.0} a minute", rate * 60.0))
            }
        };
        let left = (total - done) as f64 / rate;
        let left = if left.is_finite() { duration(left) } else { "?".to_owned() };
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR_CELLS - full));
        format!("{} {bar} {percent:>3} %  {amount}  {rate_text}  {left} left", self.label)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        progress("");
    }
}

/// Seconds as people say them.
pub(crate) fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded to what is shown"
    )]
    let seconds = seconds.clamp(0.0, 1e9) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{}:{:02} h", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Where what is no line goes: bytes of a file.
pub(crate) fn sink() -> impl Write {
    std::io::stdout().lock()
}

/// Whether a person is watching what is put out.
pub(crate) fn is_shown() -> bool {
    std::io::stdout().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_tells_rate_and_time_left() {
        let bar = Bar::new("Texting", Unit::Recipients, 0);
        let line = bar.line(50, 100, Duration::from_secs(60));
        assert!(line.contains(" 50 %  50 of 100  50 a minute  1:00 min left"), "{line}");
        assert!(bar.line(0, 0, Duration::ZERO).contains("100 %"));
        assert!(bar.line(0, 9, Duration::ZERO).contains("? left"));
    }
}
