//! A TOML file as a tree whose every node knows its line, read with all faults at once.
//!
//! Deserialising into structs stops at the first fault and forgets lines; here each table reports
//! the keys that nobody asked for, with the nearest of those that were.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Place, suggestion};

/// Largest mapping file; bounds memory and time for a file named by mistake.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Where faults are collected.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    pub(super) fn push(&self, fault: Fault) {
        self.0.borrow_mut().push(fault);
    }

    pub(super) fn into_vec(self) -> Vec<Fault> {
        self.0.into_inner()
    }
}

/// What a mapping reads, and so the syntax of its paths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Reads {
    #[default]
    Hl7,
    Fhir,
}

impl Reads {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "hl7" => Some(Self::Hl7),
            "fhir" => Some(Self::Fhir),
            _ => None,
        }
    }
}

/// The file under reading.
#[derive(Debug, Clone, Copy)]
struct File<'a> {
    name: &'a str,
    reads: Reads,
    /// The offsets of line ends.
    ends: &'a [usize],
    faults: &'a Faults,
}

impl File<'_> {
    fn line_at(&self, offset: usize) -> usize {
        1 + self.ends.partition_point(|end| *end < offset)
    }
}

/// Parses a file and hands its root to `read`; nothing if it is no TOML.
pub(super) fn with_root<T>(
    name: &str,
    text: &str,
    faults: &Faults,
    read: impl FnOnce(Table<'_>) -> T,
) -> Option<T> {
    let place = Place { file: name.to_owned(), ..Place::default() };
    if text.len() > FILE_BYTES_MAX {
        faults.push(place.fault(format!("the file has more than {FILE_BYTES_MAX} bytes")));
        return None;
    }
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', text.as_bytes()).collect();
    let mut file = File { name, reads: Reads::default(), ends: &ends, faults };
    match DeTable::parse(text) {
        Ok(root) => {
            let said = root.get_ref().get("reads").map(|said| said.get_ref());
            if let Some(DeValue::String(said)) = said {
                file.reads = Reads::parse(said).unwrap_or_default();
            }
            Some(read(Table {
                file,
                line: 0,
                key: String::new(),
                entries: root.get_ref(),
                known: RefCell::default(),
            }))
        }
        Err(error) => {
            let line = error.span().map_or(0, |span| file.line_at(span.start));
            faults.push(Place { line, ..place }.fault(error.message()));
            None
        }
    }
}

/// A table of the file; remembers which keys were asked for.
#[derive(Debug)]
pub(super) struct Table<'a> {
    file: File<'a>,
    line: usize,
    key: String,
    entries: &'a DeTable<'a>,
    known: RefCell<Vec<&'static str>>,
}

/// A value of the file.
#[derive(Debug)]
pub(super) struct Node<'a> {
    file: File<'a>,
    line: usize,
    key: String,
    value: &'a DeValue<'a>,
}

impl<'a> Table<'a> {
    pub(super) fn place(&self) -> Place {
        Place { file: self.file.name.to_owned(), line: self.line, key: self.key.clone() }
    }

    pub(super) fn fault(&self, problem: impl Into<String>) {
        self.file.faults.push(self.place().fault(problem));
    }

    /// Reports a fault of another place of the file.
    pub(super) fn fault_at(&self, place: &Place, problem: impl Into<String>) {
        self.file.faults.push(place.fault(problem));
    }

    /// The value of a key; from now on the key is known.
    pub(super) fn get(&self, key: &'static str) -> Option<Node<'a>> {
        self.known.borrow_mut().push(key);
        self.entries.get(key).map(|value| self.node(key, value))
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.get(key)?.text()
    }

    pub(super) const fn reads(&self) -> Reads {
        self.file.reads
    }

    /// What the mapping reads, as the key `reads` of its file says.
    pub(super) fn said_reads(&self) -> Reads {
        if let Some(node) = self.get("reads")
            && node.text().is_some_and(|name| Reads::parse(&name).is_none())
        {
            node.fault("a mapping reads \"hl7\" or \"fhir\"");
        }
        self.file.reads
    }

    /// All entries, for tables whose keys are free.
    pub(super) fn entries(&self) -> Vec<(String, Node<'a>)> {
        let entries = self.entries.iter();
        entries
            .map(|(key, value)| (key.get_ref().to_string(), self.node(key.get_ref(), value)))
            .collect()
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for (key, _) in self.entries.iter() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let hint = suggestion(name, known.iter().copied());
            let place = Place {
                line: self.file.line_at(key.span().start),
                key: joined(&self.key, name),
                file: self.file.name.to_owned(),
            };
            self.file.faults.push(place.fault(format!("unknown key{hint}")));
        }
    }

    fn node(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Node<'a> {
        Node {
            file: self.file,
            line: self.file.line_at(value.span().start),
            key: joined(&self.key, key),
            value: value.get_ref(),
        }
    }
}

impl<'a> Node<'a> {
    pub(super) fn place(&self) -> Place {
        Place { file: self.file.name.to_owned(), line: self.line, key: self.key.clone() }
    }

    pub(super) fn fault(&self, problem: impl Into<String>) {
        self.file.faults.push(self.place().fault(problem));
    }

    pub(super) const fn reads(&self) -> Reads {
        self.file.reads
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.fault(format!("{what} is expected here, not {}", kind(self.value)));
        None
    }

    pub(super) fn text(&self) -> Option<String> {
        match self.as_text() {
            Some(text) => Some(text.to_owned()),
            None => self.expected("a text in quotes"),
        }
    }

    pub(super) fn as_text(&self) -> Option<&'a str> {
        if let DeValue::String(text) = self.value { Some(text) } else { None }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        let DeValue::Boolean(flag) = self.value else { return self.expected("true or false") };
        Some(*flag)
    }

    /// A number of a component, from 1.
    pub(super) fn number(&self) -> Option<u16> {
        let number = self.value.as_integer().and_then(|number| number.as_str().parse().ok());
        number.filter(|number| *number > 0).or_else(|| self.expected("a number from 1"))
    }

    /// The elements of a list; a single value is a list of one.
    pub(super) fn list(self) -> Vec<Node<'a>> {
        let DeValue::Array(values) = self.value else { return vec![self] };
        let element = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| Node {
            file: self.file,
            line: self.file.line_at(value.span().start),
            key: format!("{}[{}]", self.key, index + 1),
            value: value.get_ref(),
        };
        values.iter().enumerate().map(element).collect()
    }

    pub(super) fn texts(self) -> Vec<String> {
        self.list().iter().filter_map(Node::text).collect()
    }

    pub(super) fn as_table(&self) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.value else { return None };
        Some(Table {
            file: self.file,
            line: self.line,
            key: self.key.clone(),
            entries,
            known: RefCell::default(),
        })
    }

    pub(super) fn table(&self) -> Option<Table<'a>> {
        self.as_table().or_else(|| self.expected("a table"))
    }
}

fn joined(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
