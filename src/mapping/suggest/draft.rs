//! A proposal as it grows, and as the text of a mapping file.
//!
//! Whatever stands in it is either a path, a word of the mapping language, or a comment; what goes
//! into a comment or a quoted text is made harmless here, so that the file always loads.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::output::Output;

/// The widest line.
const COLUMNS: usize = 100;

/// A proposal.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    extends: String,
    title: String,
    duration_unit: Option<(&'static str, Vec<String>)>,
    fields: BTreeMap<Output, Proposed>,
    tables: BTreeMap<&'static str, Vec<String>>,
    triggers: BTreeMap<String, (String, Vec<String>)>,
    /// What only a person can do.
    todo: Vec<String>,
}

/// What is proposed for a field.
#[derive(Debug, Clone, Default)]
pub(super) struct Proposed {
    /// In the syntax of mapping files; the inherited list counts where there is none.
    pub(super) sources: Vec<String>,
    /// Evidence; a hint only, where no source is proposed.
    pub(super) because: Vec<String>,
}

/// The word for the list of the mapping that is extended.
pub(super) const INHERITED: &str = "\"inherited\"";

impl Draft {
    /// A mapping that changes nothing of the one that it extends.
    pub(super) fn new(extends: &str, title: String) -> Self {
        Self { extends: extends.to_owned(), title, ..Self::default() }
    }

    /// Proposes a field's list.
    pub(super) fn field(&mut self, output: Output, sources: Vec<String>, because: Vec<String>) {
        let proposed = self.fields.entry(output).or_default();
        proposed.sources = sources;
        proposed.because.extend(because);
    }

    /// Says something about a field.
    pub(super) fn hint(&mut self, output: Output, hint: impl Into<String>) {
        self.fields.entry(output).or_default().because.push(hint.into());
    }

    /// The list that is proposed for a field so far.
    pub(super) fn sources(&self, output: Output) -> Vec<String> {
        let sources = self.fields.get(&output).map(|proposed| proposed.sources.clone());
        sources.filter(|s| !s.is_empty()).unwrap_or_else(|| vec![INHERITED.to_owned()])
    }

    pub(super) fn trigger(&mut self, trigger: String, rule: &str, because: Vec<String>) {
        self.triggers.insert(trigger, (rule.to_owned(), because));
    }

    pub(super) fn unit(&mut self, unit: &'static str, because: String) {
        self.duration_unit = Some((unit, vec![because]));
    }

    /// Adds lines to a table that has no code yet.
    pub(super) fn table(&mut self, name: &'static str, lines: impl IntoIterator<Item = String>) {
        self.tables.entry(name).or_default().extend(lines);
    }

    pub(super) fn todo(&mut self, todo: impl Into<String>) {
        self.todo.push(todo.into());
    }

    pub(super) fn left_to_do(&self) -> &[String] {
        &self.todo
    }

    /// Takes what another draft says, but nothing that changes how messages are read.
    pub(super) fn take_words_of(&mut self, other: Self) {
        for (output, proposed) in other.fields {
            self.fields.entry(output).or_default().because = proposed.because;
        }
        self.todo = other.todo;
    }

    /// Whether nothing is read in another way than by the mapping that is extended.
    pub(super) fn is_empty(&self) -> bool {
        self.reads_like(&Self::default())
    }

    /// Whether messages are read in the same way as by another draft, whatever is said about it.
    pub(super) fn reads_like(&self, other: &Self) -> bool {
        let unit = |draft: &Self| draft.duration_unit.as_ref().map(|(unit, _)| *unit);
        let rules = |draft: &Self| -> Vec<(String, String)> {
            let rules = draft.triggers.iter();
            rules.map(|(trigger, (rule, _))| (trigger.clone(), rule.clone())).collect()
        };
        let fields = |draft: &Self| -> Vec<(Output, Vec<String>)> {
            let said = draft.fields.iter().filter(|(_, proposed)| !proposed.sources.is_empty());
            said.map(|(output, proposed)| (*output, proposed.sources.clone())).collect()
        };
        unit(self) == unit(other) && rules(self) == rules(other) && fields(self) == fields(other)
    }

    /// The mapping file.
    pub(super) fn to_toml(&self) -> String {
        let mut out = String::new();
        line(&mut out, &format!("title = {}", quoted(&self.title)));
        line(&mut out, &format!("extends = {}", quoted(&self.extends)));
        if let Some((unit, because)) = &self.duration_unit {
            line(&mut out, "\n[defaults]");
            because.iter().for_each(|because| comment(&mut out, because));
            line(&mut out, &format!("duration_unit = {}", quoted(unit)));
        }
        for section in ["message", "appointment", "patient"] {
            self.section(&mut out, section);
        }
        for (name, lines) in &self.tables {
            line(&mut out, &format!("\n[tables.{name}]"));
            lines.iter().for_each(|text| comment(&mut out, text));
        }
        if !self.triggers.is_empty() {
            line(&mut out, "\n[triggers]");
        }
        for (trigger, (rule, because)) in &self.triggers {
            because.iter().for_each(|because| comment(&mut out, because));
            line(&mut out, &format!("{} = {rule}", quoted(trigger)));
        }
        out
    }

    fn section(&self, out: &mut String, section: &str) {
        let mut is_open = false;
        for (output, proposed) in &self.fields {
            let Some((_, key)) = output.name().split_once('.').filter(|(name, _)| *name == section)
            else {
                continue;
            };
            line(out, "");
            if !is_open {
                line(out, &format!("[{section}]"));
                is_open = true;
            }
            if proposed.sources.is_empty() {
                for hint in &proposed.because {
                    comment(out, &format!("{key}: {hint}"));
                }
                continue;
            }
            proposed.because.iter().for_each(|because| comment(out, because));
            list(out, key, &proposed.sources);
        }
    }
}

fn list(out: &mut String, key: &str, sources: &[String]) {
    let short = format!("{key} = [{}]", sources.join(", "));
    if short.chars().count() <= COLUMNS {
        return line(out, &short);
    }
    line(out, &format!("{key} = ["));
    for source in sources {
        line(out, &format!("  {source},"));
    }
    line(out, "]");
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Writes a comment, broken where it is wide; leading blanks are kept on each line.
pub(super) fn comment(out: &mut String, text: &str) {
    let indent = text.chars().take_while(|char| *char == ' ').count();
    let hang = indent + if text.trim_start().starts_with("- ") { 2 } else { 0 };
    let mut column = 0;
    for (at, word) in text.split_whitespace().enumerate() {
        let width = word.chars().count();
        if at > 0 && column + 1 + width <= COLUMNS {
            out.push(' ');
            column += 1 + width;
        } else {
            let blanks = if at == 0 { indent } else { hang };
            let _written = write!(out, "{}# {:blanks$}", if at == 0 { "" } else { "\n" }, "");
            column = 2 + blanks + width;
        }
        out.extend(word.chars().map(|char| if char.is_control() { '?' } else { char }));
    }
    out.push_str(if column == 0 { "#\n" } else { "\n" });
}

/// A text of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            _ if char.is_control() => quoted.push('?'),
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_broken_and_made_harmless() {
        let mut out = String::new();
        comment(&mut out, "  - a\u{7}b \r\nc");
        comment(&mut out, "");
        assert_eq!(out, "#   - a?b c\n#\n");
        let mut out = String::new();
        comment(&mut out, &format!("- {}", "word ".repeat(40)));
        assert!(
            out.lines().count() > 1 && out.lines().skip(1).all(|line| line.starts_with("#   w"))
        );
        assert!(out.lines().all(|line| line.chars().count() <= COLUMNS), "{out}");
    }

    #[test]
    fn any_title_makes_a_file() {
        let mut draft = Draft::new("hl7-default", "a \"b\" \\ \u{1}\n".to_owned());
        draft.hint(Output::OptedOut, "nothing");
        draft.field(Output::Start, vec!["\"ZAP-3\"".to_owned(); 20], vec!["why".to_owned()]);
        let text = draft.to_toml();
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["title"].as_str(), Some("a \"b\" \\ ??"));
        assert_eq!(table["appointment"]["start"].as_array().unwrap().len(), 20);
    }
}
