//! The names that templates may use, and the reader that finds those they must not.
//!
//! It reads the tags of a template without running it, so that a fault has its line and its name,
//! also within loops. It takes a name for what the template's own `for` and `set` make of it; what it
//! cannot follow, the trial renderings catch.

use std::collections::BTreeMap;

/// What templates may use, and what each is.
pub const VARIABLES: [(&str, &str); 14] = [
    ("practice.name", "the practice; every text must have it"),
    (
        "practice.callback_phone",
        "whom to call: the place's number, else the message's or the practice's",
    ),
    ("patient.given", "given name; none where privacy is minimal, or several patients are meant"),
    ("appointment.day", "\"Tue, Dec 8\", with the year if it is another one"),
    ("appointment.time", "\"10:30 AM\"; none for all-day visits"),
    ("appointment.when", "day and time: \"Tue, Dec 8 at 10:30 AM\""),
    ("appointment.date", "\"12/8/2026\""),
    ("appointment.patient", "given name; in a list of several only if their names differ"),
    ("appointment.location", "name of a described place; none if sensitive or privacy is minimal"),
    ("appointment.address", "its address; only where privacy is detailed"),
    ("appointment.provider", "who sees the patient; only where privacy is detailed"),
    ("appointment.preparation", "how to prepare, from [[preparation]]; none if privacy is minimal"),
    ("appointment.callback_phone", "whom to call about it"),
    ("appointment.status", "\"booked\", \"confirmed\", \"canceled\" or \"over\""),
];

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Line within the template, from 1.
    pub(super) line: usize,
    /// What.
    pub(super) problem: String,
}

/// What texts must not carry: the words of names that would, without underscores.
///
/// Minimum necessary, 45 CFR 164.502(b): a text is read on a locked screen and over a shoulder.
const PATIENT_DATA: [&str; 46] = [
    "family",
    "familyname",
    "lastname",
    "surname",
    "fullname",
    "mrn",
    "id",
    "ids",
    "identifier",
    "identifiers",
    "patientid",
    "appointmentid",
    "recordnumber",
    "medicalrecordnumber",
    "account",
    "accountnumber",
    "insurance",
    "ssn",
    "reason",
    "reasonforvisit",
    "comment",
    "note",
    "notes",
    "diagnosis",
    "diagnoses",
    "dx",
    "condition",
    "procedure",
    "specialty",
    "speciality",
    "service",
    "servicetype",
    "department",
    "visittype",
    "appointmenttype",
    "type",
    "birthdate",
    "dateofbirth",
    "birthday",
    "dob",
    "age",
    "sex",
    "gender",
    "phone",
    "mobile",
    "email",
];

/// Names that lists of appointments and loops bring.
const LOOP: [&str; 10] = [
    "index",
    "index0",
    "revindex",
    "revindex0",
    "first",
    "last",
    "length",
    "depth",
    "depth0",
    "previtem",
];

/// Words of the template language that are no variables.
const KEYWORDS: [&str; 28] = [
    "for",
    "in",
    "if",
    "else",
    "elif",
    "endif",
    "endfor",
    "and",
    "or",
    "not",
    "is",
    "set",
    "endset",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "recursive",
    "do",
    "with",
    "endwith",
    "filter",
    "endfilter",
    "raw",
    "endraw",
    "autoescape",
];

/// Functions that templates may call.
const FUNCTIONS: [&str; 3] = ["range", "dict", "namespace"];

/// Finds the names in a template that are unknown, and those that texts must not carry.
pub(super) fn faults(template: &str) -> Vec<Fault> {
    let mut reader = Reader::default();
    for tag in tags(template) {
        reader.tag(&tag);
    }
    reader.faults
}

/// The words of a template that stand outside its tags, each run on its own, and the texts in quotes
/// within them.
pub(super) fn literals(template: &str) -> String {
    let mut words = String::new();
    let mut rest = template;
    while let Some((start, end_mark)) = next_tag(rest) {
        let (before, after) = rest.split_at(start);
        words.push_str(before);
        let end = after.find(end_mark).map_or(after.len(), |end| end + end_mark.len());
        let (tag, after) = after.split_at(end);
        if !tag.starts_with("{#") {
            for token in tokens(tag, 1) {
                if let Kind::Text(text) = token.kind {
                    words.push(' ');
                    words.push_str(&text);
                }
            }
        }
        words.push(' ');
        rest = after;
    }
    words.push_str(rest);
    words
}

/// A tag: its tokens.
type Tag = Vec<Token>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    kind: Kind,
    line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Name(String),
    Text(String),
    Number,
    Mark(char),
}

fn next_tag(text: &str) -> Option<(usize, &'static str)> {
    let found = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")]
        .into_iter()
        .filter_map(|(start, end)| text.find(start).map(|at| (at, end)));
    found.min_by_key(|(at, _)| *at)
}

fn tags(template: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = template;
    while let Some((start, end_mark)) = next_tag(rest) {
        let (before, after) = rest.split_at(start);
        line += newlines(before);
        let end = after.find(end_mark).map_or(after.len(), |end| end + end_mark.len());
        let (tag, after) = after.split_at(end);
        if !tag.starts_with("{#") {
            found.push(tokens(tag, line));
        }
        line += newlines(tag);
        rest = after;
    }
    found
}

fn newlines(text: &str) -> usize {
    text.matches('\n').count()
}

fn tokens(tag: &str, first_line: usize) -> Tag {
    let inner = tag.trim_start_matches(['{', '%', '-', '+']).trim_end_matches(['}', '%', '-', '+']);
    let mut line = first_line;
    let mut found = Vec::new();
    let mut rest = inner.chars().peekable();
    while let Some(character) = rest.next() {
        let at = line;
        let kind = match character {
            '\n' => {
                line += 1;
                continue;
            }
            blank if blank.is_whitespace() => continue,
            '"' | '\'' => {
                let text: String = rest.by_ref().take_while(|c| *c != character).collect();
                line += newlines(&text);
                Kind::Text(text)
            }
            letter if letter.is_alphabetic() || letter == '_' => {
                let mut name = String::from(letter);
                while let Some(next) = rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(next);
                }
                Kind::Name(name)
            }
            digit if digit.is_ascii_digit() => {
                while rest.next_if(char::is_ascii_digit).is_some() {}
                Kind::Number
            }
            mark => Kind::Mark(mark),
        };
        found.push(Token { kind, line: at });
    }
    found
}

/// Follows a template tag by tag.
#[derive(Debug, Default)]
struct Reader {
    /// What names of the template's own stand for; `None` is something of its own.
    own: BTreeMap<String, Option<String>>,
    faults: Vec<Fault>,
}

/// A name with what follows it, as in `a.b[0]`.
#[derive(Debug)]
struct Path {
    parts: Vec<String>,
    line: usize,
}

impl Reader {
    fn tag(&mut self, tag: &[Token]) {
        let word = |index: usize| match tag.get(index).map(|token| &token.kind) {
            Some(Kind::Name(name)) => Some(name.as_str()),
            _ => None,
        };
        match word(0) {
            Some("for") => {
                let split = |tokens: &[Token], word: &str| {
                    let at = tokens.iter().position(|token| is_name(token, word));
                    at.unwrap_or(tokens.len())
                };
                let (targets, list) = tag.split_at(split(tag, "in"));
                // The condition sees what the loop names.
                let (list, condition) = list.split_at(split(list, "if"));
                let meaning = self.expression(list);
                let is_list = meaning.as_deref() == Some("appointments");
                self.bind(targets.get(1..).unwrap_or_default(), is_list.then_some("appointment"));
                let _meaning = self.expression(condition);
            }
            Some("set" | "with") => {
                let split = tag.iter().position(|token| token.kind == Kind::Mark('='));
                let (targets, value) = tag.split_at(split.unwrap_or(tag.len()));
                let meaning = self.expression(value.get(1..).unwrap_or_default());
                self.bind(targets.get(1..).unwrap_or_default(), meaning.as_deref());
            }
            _ => {
                let _meaning = self.expression(tag);
            }
        }
    }

    fn bind(&mut self, targets: &[Token], meaning: Option<&str>) {
        for target in targets {
            if let Kind::Name(name) = &target.kind {
                let _shadowed = self.own.insert(name.clone(), meaning.map(str::to_owned));
            }
        }
    }

    /// Reads an expression; what it stands for comes out, if that is plain.
    fn expression(&mut self, tokens: &[Token]) -> Option<String> {
        let mut meaning = None;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let before = at.checked_sub(1).and_then(|index| tokens.get(index));
            match &token.kind {
                Kind::Name(name)
                    if is_variable(name, before, tokens.get(at + 1), tokens.get(at + 2)) =>
                {
                    let (path, next) = path(tokens, at);
                    meaning = self.path(&path).or(meaning);
                    at = next;
                    continue;
                }
                Kind::Text(text) if names_an_attribute(tokens, at) => {
                    let path = Path { parts: vec![text.clone()], line: token.line };
                    self.patient_data(&path);
                }
                Kind::Name(_) | Kind::Text(_) | Kind::Number | Kind::Mark(_) => {}
            }
            at += 1;
        }
        meaning
    }

    /// Checks a path; what it stands for comes out.
    fn path(&mut self, path: &Path) -> Option<String> {
        let root = path.parts.first()?;
        let rest = path.parts.get(1..).unwrap_or_default();
        let known = self.own.get(root).cloned();
        let (root, is_own) = match known {
            Some(Some(meaning)) => (meaning, true),
            Some(None) => {
                let _is_data = self.patient_data(path);
                return None;
            }
            None => (root.clone(), false),
        };
        let (root, rest) = match rest.split_first() {
            Some((index, rest)) if root == "appointments" && index == INDEX => {
                ("appointment".to_owned(), rest)
            }
            _ => (root, rest),
        };
        let first = rest.first().map(String::as_str);
        let full = first.map_or_else(|| root.clone(), |first| format!("{root}.{first}"));
        let is_known = match (root.as_str(), first) {
            ("practice" | "patient" | "appointment" | "appointments", None) => true,
            ("loop", first) => first.is_none_or(|name| LOOP.contains(&name)),
            (_, Some(_)) => VARIABLES.iter().any(|(name, _)| *name == full),
            (_, None) => is_own,
        };
        if is_known {
            return Some(full);
        }
        if !self.patient_data(path) {
            let names: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
            let problem = format!("unknown variable {full}; there are: {}", names.join(", "));
            self.faults.push(Fault { line: path.line, problem });
        }
        None
    }

    /// Notes a name that stands for what texts must not carry.
    fn patient_data(&mut self, path: &Path) -> bool {
        let is_data = |part: &&String| {
            let plain = part.replace('_', "").to_lowercase();
            PATIENT_DATA.contains(&plain.as_str())
        };
        let Some(_) = path.parts.iter().find(is_data) else { return false };
        let name = path.parts.join(".");
        let problem = format!(
            "{name}: a text must not carry that; others may read it on the patient's phone"
        );
        self.faults.push(Fault { line: path.line, problem });
        true
    }
}

/// What stands for a number in brackets.
const INDEX: &str = "0";

fn is_name(token: &Token, word: &str) -> bool {
    matches!(&token.kind, Kind::Name(name) if name == word)
}

fn is_variable(
    name: &str,
    before: Option<&Token>,
    after: Option<&Token>,
    second: Option<&Token>,
) -> bool {
    let is_mark = |token: Option<&Token>, mark: char| {
        token.is_some_and(|token| token.kind == Kind::Mark(mark))
    };
    let is_filter = is_mark(before, '|') || before.is_some_and(|token| is_name(token, "filter"));
    let is_test = before.is_some_and(|token| is_name(token, "is") || is_name(token, "not"))
        && !is_mark(after, '.')
        && TESTS.contains(&name);
    let is_argument = is_mark(after, '=') && !is_mark(second, '=');
    let is_call = is_mark(after, '(') && FUNCTIONS.contains(&name);
    !(KEYWORDS.contains(&name) || is_filter || is_test || is_argument || is_call)
}

/// Names of tests, as in `x is defined`.
const TESTS: [&str; 18] = [
    "defined",
    "undefined",
    "none",
    "string",
    "number",
    "boolean",
    "sequence",
    "mapping",
    "odd",
    "even",
    "eq",
    "ne",
    "in",
    "true",
    "false",
    "startingwith",
    "endingwith",
    "divisibleby",
];

/// Whether a text in quotes is the name of a field: `map(attribute="x")`, `selectattr("x")`.
fn names_an_attribute(tokens: &[Token], at: usize) -> bool {
    let behind = |steps: usize| at.checked_sub(steps).and_then(|index| tokens.get(index));
    let is_attribute = behind(2).is_some_and(|token| is_name(token, "attribute"));
    let filters = ["attr", "selectattr", "rejectattr", "groupby"];
    is_attribute
        || behind(2).is_some_and(|token| filters.iter().any(|filter| is_name(token, filter)))
}

/// Reads a name and what hangs on it; the place behind comes out too.
fn path(tokens: &[Token], start: usize) -> (Path, usize) {
    let line = tokens.get(start).map_or(1, |token| token.line);
    let mut parts = Vec::new();
    if let Some(Token { kind: Kind::Name(name), .. }) = tokens.get(start) {
        parts.push(name.clone());
    }
    let mut at = start + 1;
    let kind = |index: usize| tokens.get(index).map(|token| &token.kind);
    loop {
        match (kind(at), kind(at + 1), kind(at + 2)) {
            (Some(Kind::Mark('.')), Some(Kind::Name(name)), _) => {
                parts.push(name.clone());
                at += 2;
            }
            (Some(Kind::Mark('.')), Some(Kind::Number), _) => {
                parts.push(INDEX.to_owned());
                at += 2;
            }
            (Some(Kind::Mark('[')), Some(Kind::Text(name)), Some(Kind::Mark(']'))) => {
                parts.push(name.clone());
                at += 3;
            }
            (Some(Kind::Mark('[')), Some(Kind::Number), Some(Kind::Mark(']'))) => {
                parts.push(INDEX.to_owned());
                at += 3;
            }
            _ => return (Path { parts, line }, at),
        }
    }
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
