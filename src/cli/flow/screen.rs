//! How a played flow looks: bubbles, dimmed names, and nothing of colour where it would be in the way.

use chrono::TimeDelta;

use crate::cli::out;
use crate::core::message::segments::Segments;

/// How wide a bubble's words run.
const WIDTH: usize = 56;

/// The terminal, or a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    has_colour: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { has_colour: is_wanted && out::is_seen() }
    }

    fn painted(self, code: &str, text: &str) -> String {
        if self.has_colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Shows what is said beside the conversation.
    pub(super) fn aside(self, text: &str) {
        for line in text.lines() {
            out::say(&self.painted("2", &format!("  {}", plain(line))));
        }
    }

    /// Shows what staff is told.
    pub(super) fn note(self, text: &str, is_urgent: bool) {
        let mark = if is_urgent { "! staff, urgent:" } else { "! staff:" };
        let code = if is_urgent { "1;31" } else { "33" };
        out::say(&self.painted(code, &format!("  {mark} {}", plain(text))));
    }

    /// Shows a text as the patient sees it.
    pub(super) fn bubble(self, state: &str, text: &str) {
        let size = counted(Segments::of(text).count, "segment");
        let lines: Vec<String> = text.lines().flat_map(|line| wrapped(&plain(line))).collect();
        let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let width = longest.max(size.len() + 4);
        out::say("");
        self.aside(state);
        out::say(&format!("  ╭{}╮", "─".repeat(width + 2)));
        for line in lines {
            out::say(&format!("  │ {}{} │", line, " ".repeat(width - line.chars().count())));
        }
        let rule = "─".repeat(width.saturating_sub(size.len() + 1));
        out::say(&format!("  ╰{rule} {} ─╯", self.painted("2", &size)));
    }

    /// What stands before something is typed.
    pub(super) fn prompt(self, text: &str) -> String {
        self.painted("1;36", &format!("{text}> "))
    }
}

/// A line of a patient or a server without what would move the cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let is_full = |line: &String| {
            !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH
        };
        if lines.last().is_some_and(is_full) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// `6m`, `1h 30m`, `2d`.
pub(super) fn span(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (length, unit) in units {
        let count = left / length;
        left %= length;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// `1 segment`, `2 segments`.
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
