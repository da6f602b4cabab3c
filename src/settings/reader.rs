//! Walks the tree of values and keeps account of what was asked for.
//!
//! A [`Section`] is a table that is being read. What is asked for is taken out of it; what is left
//! in the end is unknown, and a fault. Nothing here fails: faults are noted, and the reading goes on.
//! The typed getters are in `values`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use config::{Value, ValueKind};

use super::fault::{Fault, Notes, Place};
use super::suggest::{clipped, nearest};
use super::values::kind_name;

/// Sections that are planned, and refused until they do something.
const NOT_YET: [&str; 1] = ["console"];

/// What all sections of one run share.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) notes: Notes,
    /// Every key that was asked for, without list indexes.
    pub(super) known: BTreeSet<String>,
    /// Relative paths start here.
    pub(super) base: PathBuf,
    /// Where systemd puts credentials.
    pub(super) credentials: Option<PathBuf>,
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) desk: &'a mut Desk,
    table: BTreeMap<String, Value>,
    asked: Vec<&'static str>,
    path: String,
    place: Place,
}

/// A value with its key and place.
#[derive(Debug)]
pub(super) struct Item<T> {
    pub(super) value: T,
    pub(super) place: Place,
    pub(super) key: String,
}

impl Item<Value> {
    /// Whether all it can be is text.
    pub(super) fn is_from_environment(&self) -> bool {
        self.value.origin().is_some_and(|origin| origin.starts_with("environment "))
    }
}

/// Reads a whole tree.
pub(super) fn read_root<T>(
    root: Value,
    desk: &mut Desk,
    read: impl FnOnce(&mut Section<'_>) -> T,
) -> T {
    let place = Place::of_origin(root.origin());
    let table = root.into_table().map(|table| table.into_iter().collect()).unwrap_or_default();
    let mut section = Section { desk, table, asked: Vec::new(), path: String::new(), place };
    let value = read(&mut section);
    section.finish();
    value
}

impl Section<'_> {
    /// The key of the section itself.
    pub(super) fn name(&self) -> &str {
        &self.path
    }

    /// Where the section stands.
    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// The full form of a key of this section.
    pub(super) fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes a fault of a key of this section.
    pub(super) fn fault(&mut self, place: Place, key: &str, problem: impl Into<String>) {
        let fault = Fault::new(place, self.full(key), problem);
        self.desk.notes.fault(fault);
    }

    /// Notes a doubt about a key of this section.
    pub(super) fn warn(&mut self, place: Place, key: &str, problem: impl Into<String>) {
        let warning = Fault::new(place, self.full(key), problem);
        self.desk.notes.warn(warning);
    }

    /// Notes that a key is missing, unless it is there or was in what could not be read.
    pub(super) fn need(&mut self, is_there: bool, key: &str, wanted: &str) {
        let full = self.full(key);
        let is_noted = self.desk.notes.faults.iter().any(|fault| fault.key.starts_with(&full));
        if !is_there && !is_noted && !self.desk.notes.is_partial {
            self.fault(self.place.clone(), key, format!("is missing; {wanted}"));
        }
    }

    /// Whether a key is written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// What is written under a key and not yet taken.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.table.get(key).filter(|value| !matches!(value.kind, ValueKind::Nil))
    }

    /// Takes keys that go with something else out, and notes those that are written as faults.
    pub(super) fn refuse(&mut self, keys: &[&'static str], problem: &str) {
        for key in keys {
            if let Some(item) = self.take(key) {
                self.reject(&item, problem.to_owned());
            }
        }
    }

    /// Warns of keys that are written, read, and have no effect.
    pub(super) fn idle(&mut self, keys: &[&'static str], why: &str) {
        for key in keys.iter().filter(|key| self.has(key)).copied().collect::<Vec<_>>() {
            let place = self.place_of(key);
            self.warn(place, key, format!("has no effect: {why}"));
        }
    }

    /// Where a key stands, or else where its section does.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.table
            .get(key)
            .map_or_else(|| self.place.clone(), |value| Place::of_origin(value.origin()))
    }

    /// Takes a value out, and notes that this key exists.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Item<Value>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let full = self.full(key);
        let _is_new = self.desk.known.insert(without_indexes(&full));
        let value = self.table.remove(key)?;
        let place = Place::of_origin(value.origin());
        let is_there = !matches!(value.kind, ValueKind::Nil);
        is_there.then_some(Item { value, place, key: full })
    }

    /// Notes what is wrong with a value.
    pub(super) fn reject<T>(&mut self, item: &Item<T>, problem: String) {
        self.desk.notes.fault(Fault::new(item.place.clone(), item.key.clone(), problem));
    }

    /// Reads a table; an absent one counts as empty.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let item = self.take(key);
        let (table, place) = match item {
            Some(item) => (self.entries(&item), item.place),
            None => (BTreeMap::new(), self.place.clone()),
        };
        let path = self.full(key);
        self.child(table, path, place, read)
    }

    /// Reads a table if it is there.
    pub(super) fn table_if_any<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> Option<T> {
        if self.has(key) {
            return Some(self.table(key, read));
        }
        let _absent = self.take(key);
        None
    }

    /// Reads a list of tables.
    pub(super) fn each<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_>) -> T,
    ) -> Vec<T> {
        let Some(item) = self.take(key) else { return Vec::new() };
        let path = item.key.clone();
        let ValueKind::Array(list) = item.value.kind else {
            let problem = format!("is no list of sections; write [[{path}]]");
            self.desk.notes.fault(Fault::new(item.place, path, problem));
            return Vec::new();
        };
        let mut values = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            let place = Place::of_origin(value.origin());
            let item = Item { value, place: place.clone(), key: format!("{path}[{index}]") };
            let table = self.entries(&item);
            values.push(self.child(table, item.key, place, &mut read));
        }
        values
    }

    fn entries(&mut self, item: &Item<Value>) -> BTreeMap<String, Value> {
        if let ValueKind::Table(table) = &item.value.kind {
            return table.clone().into_iter().collect();
        }
        let found = kind_name(&item.value);
        self.reject(item, format!("is {found}; write a section [{}]", item.key));
        BTreeMap::new()
    }

    fn child<T>(
        &mut self,
        table: BTreeMap<String, Value>,
        path: String,
        place: Place,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let mut child = Section { desk: &mut *self.desk, table, asked: Vec::new(), path, place };
        let value = read(&mut child);
        child.finish();
        value
    }

    /// Takes every entry whose key is not fixed: HL7 positions, names of texts.
    pub(super) fn open_entries(&mut self) -> Vec<(String, Item<Value>)> {
        let table = std::mem::take(&mut self.table);
        let item = |(key, value): (String, Value)| {
            let place = Place::of_origin(value.origin());
            let full = self.full(&key);
            (key, Item { value, place, key: full })
        };
        table.into_iter().map(item).collect()
    }

    /// Reads the table of an entry whose key is not fixed.
    pub(super) fn entry<T>(
        &mut self,
        item: Item<Value>,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let table = self.entries(&item);
        self.child(table, item.key, item.place, read)
    }

    /// Notes everything that nobody asked for.
    fn finish(self) {
        for (key, value) in &self.table {
            let place = Place::of_origin(value.origin());
            let short = clipped(key);
            let problem = match nearest(key, &self.asked) {
                _ if self.path.is_empty() && NOT_YET.contains(&key.as_str()) => {
                    "is not supported by this version; remove the section".to_owned()
                }
                Some(known) => format!("there is no such setting; did you mean {known}?"),
                None => "there is no such setting; remove it".to_owned(),
            };
            let fault = Fault::new(place, self.full(&short), problem);
            self.desk.notes.fault(fault);
        }
    }
}

fn without_indexes(key: &str) -> String {
    let mut plain = String::new();
    let mut is_index = false;
    for c in key.chars() {
        match c {
            '[' => is_index = true,
            ']' => is_index = false,
            c if !is_index => plain.push(c),
            _ => {}
        }
    }
    plain
}
