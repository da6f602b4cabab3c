//! The layers, from files and the environment to one tree of values.
//!
//! Each value carries the file and line it came from as its origin. Lists of tables add up over the
//! layers, so that `conf.d` can hold one file an interface; everything else is replaced.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use config::{Config, Map, Source, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Notes, Place, shown};

/// The largest file that is read; a practice with a thousand locations needs a tenth of it.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// The most files of one folder that are read.
pub const FILES_MAX: usize = 256;
/// Settings are at most five levels deep; what lies deeper is a slip.
const DEPTH_MAX: usize = 12;
/// The longest list that the environment can address by index.
const INDEX_MAX: usize = 99;
/// The key of the crate's cache under which the tree lies.
const ROOT: &str = "root";
/// What begins the name of a variable.
const PREFIX: &str = "APPOINTD__";

/// One source of values, in the order in which they are laid over each other.
#[derive(Debug, Clone)]
enum Layer {
    File(Value),
    Environment(Vec<(String, Vec<String>, String)>),
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let mut cache = Value::new(None, ValueKind::Table(Map::new()));
        self.collect_to(&mut cache)?;
        cache.into_table()
    }

    fn collect_to(&self, cache: &mut Value) -> Result<(), config::ConfigError> {
        let mut root = take_root(cache);
        match self {
            Self::File(value) => merge(&mut root, value.clone()),
            Self::Environment(variables) => {
                for (name, path, value) in variables {
                    let origin = format!("environment {name}");
                    set(&mut root, path, Value::new(Some(&origin), value.as_str()));
                }
            }
        }
        put_root(cache, root);
        Ok(())
    }
}

/// Takes the tree out of the crate's cache, where it is the only item of the only key.
///
/// The crate reads keys as paths (`a[9999999999]` becomes a list of that length) and forgets where
/// tables stood; it does neither to what lies in a list.
fn take_root(cache: &mut Value) -> Value {
    if let ValueKind::Table(mut table) = std::mem::take(&mut cache.kind)
        && let Some(list) = table.remove(ROOT)
        && let ValueKind::Array(mut items) = list.kind
        && let Some(root) = items.pop()
    {
        return root;
    }
    Value::new(None, ValueKind::Table(Map::new()))
}

fn put_root(cache: &mut Value, root: Value) {
    let list = Value::new(None, ValueKind::Array(vec![root]));
    cache.kind = ValueKind::Table(Map::from([(ROOT.to_owned(), list)]));
}

fn merge(base: &mut Value, over: Value) {
    let origin = over.origin().map(str::to_owned);
    match (&mut base.kind, over.kind) {
        (ValueKind::Table(base), ValueKind::Table(over)) => {
            for (key, value) in over {
                match base.get_mut(&key) {
                    Some(below) => merge(below, value),
                    None => {
                        let _none = base.insert(key, value);
                    }
                }
            }
        }
        (ValueKind::Array(base), ValueKind::Array(over)) if is_tables(base) && is_tables(&over) => {
            base.extend(over);
        }
        (_, kind) => *base = Value::new(origin.as_ref(), kind),
    }
}

fn is_tables(list: &[Value]) -> bool {
    !list.is_empty() && list.iter().all(|item| matches!(item.kind, ValueKind::Table(_)))
}

fn set(at: &mut Value, path: &[String], value: Value) {
    let Some((segment, rest)) = path.split_first() else {
        *at = value;
        return;
    };
    let index = segment.parse::<usize>().ok().filter(|index| *index <= INDEX_MAX);
    let is_open = matches!(at.kind, ValueKind::Nil | ValueKind::Array(_));
    let origin = value.origin().map(str::to_owned);
    if let Some(index) = index.filter(|_| is_open) {
        if !matches!(at.kind, ValueKind::Array(_)) {
            *at = Value::new(origin.as_ref(), ValueKind::Array(Vec::new()));
        }
        if let ValueKind::Array(list) = &mut at.kind {
            if list.len() <= index {
                list.resize(index + 1, Value::new(origin.as_ref(), ValueKind::Nil));
            }
            if let Some(item) = list.get_mut(index) {
                set(item, rest, value);
            }
        }
        return;
    }
    if !matches!(at.kind, ValueKind::Table(_)) {
        *at = Value::new(origin.as_ref(), ValueKind::Table(Map::new()));
    }
    if let ValueKind::Table(table) = &mut at.kind {
        let nil = || Value::new(origin.as_ref(), ValueKind::Nil);
        set(table.entry(segment.clone()).or_insert_with(nil), rest, value);
    }
}

/// Reads the main file, `conf.d/*.toml` beside it, and the environment.
pub(super) fn load(
    path: &Path,
    env: impl Iterator<Item = (String, String)>,
    notes: &mut Notes,
) -> Value {
    let mut files = vec![path.to_owned()];
    let folder = path.parent().map_or_else(|| PathBuf::from("conf.d"), |dir| dir.join("conf.d"));
    if folder.is_dir() {
        files.extend(toml_files(&folder, notes));
    }
    let mut layers = Vec::new();
    for file in files {
        let name = file.display().to_string();
        match read_text(&file, notes) {
            Some(text) => layers.push(Layer::File(tree(&name, &text, notes))),
            None => notes.is_partial = true,
        }
    }
    layers.push(environment(env));
    stack(&path.display().to_string(), layers, notes)
}

/// Reads one text, as if it were a file of this name.
pub(super) fn from_text(name: &str, text: &str, notes: &mut Notes) -> Value {
    stack(name, vec![Layer::File(tree(name, text, notes))], notes)
}

fn stack(name: &str, layers: Vec<Layer>, notes: &mut Notes) -> Value {
    let builder =
        layers.into_iter().fold(Config::builder(), |builder, layer| builder.add_source(layer));
    let mut kind = ValueKind::Nil;
    match builder.build() {
        Ok(mut config) => kind = take_root(&mut config.cache).kind,
        Err(error) => notes.fault(Fault::new(Place::file(name), "", error.to_string())),
    }
    // What is missing altogether is missing in the main file.
    Value::new(Some(&name.to_owned()), kind)
}

fn environment(env: impl Iterator<Item = (String, String)>) -> Layer {
    let mut variables: BTreeMap<String, (Vec<String>, String)> = BTreeMap::new();
    for (name, value) in env {
        if let Some(path) = name.strip_prefix(PREFIX) {
            // The depth bounds the recursion over a hostile name.
            let path = path.splitn(DEPTH_MAX, "__").map(str::to_lowercase).collect();
            let name = name.escape_debug().to_string();
            let _earlier = variables.insert(name, (path, value));
        }
    }
    // In the order of names, so that list items come in the order of their index.
    Layer::Environment(variables.into_iter().map(|(name, (path, v))| (name, path, v)).collect())
}

/// The TOML files of a folder, by name.
pub(super) fn toml_files(folder: &Path, notes: &mut Notes) -> Vec<PathBuf> {
    let place = || Place::file(folder.display().to_string());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let problem = format!("the folder cannot be read: {}", error.kind());
            notes.fault(Fault::new(place(), "", problem));
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .take(FILES_MAX + 1)
        .collect();
    if files.len() > FILES_MAX {
        let problem = format!("holds more than {FILES_MAX} files; put them together");
        notes.fault(Fault::new(place(), "", problem));
        files.truncate(FILES_MAX);
    }
    files.sort();
    files
}

/// Reads a text file within the limit.
pub(super) fn read_text(path: &Path, notes: &mut Notes) -> Option<String> {
    let name = path.display().to_string();
    let mut fault = |place: Place, problem: String| {
        notes.fault(Fault::new(place, "", problem));
        None
    };
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = fs::metadata(path).and_then(|metadata| {
        // A pipe or device would make the start hang.
        if !metadata.is_file() {
            return Err(std::io::Error::other("it is no file"));
        }
        fs::File::open(path)?.take(limit).read_to_end(&mut bytes)
    });
    if let Err(error) = read {
        return fault(Place::file(name), format!("cannot be read: {error}"));
    }
    if bytes.len() > FILE_BYTES_MAX {
        return fault(Place::file(name), format!("is larger than {FILE_BYTES_MAX} bytes"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let sound = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = sound.filter(|byte| **byte == b'\n').count() + 1;
            fault(Place::line(name, line), "is no UTF-8 text; save it as UTF-8".to_owned())
        }
    }
}

/// Reads a TOML text into values that know their line.
pub(super) fn tree(name: &str, text: &str, notes: &mut Notes) -> Value {
    let mut reader = Tree { name, lines: line_starts(text), notes };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let line = reader.line(error.span().map_or(0, |span| span.start));
        reader.notes.is_partial = true;
        let problem = format!("is no TOML: {}", error.message());
        reader.notes.fault(Fault::new(Place::line(name, line), "", problem));
    }
    let start = table.span().start;
    reader.table(table.into_inner(), start, 0)
}

fn line_starts(text: &str) -> Vec<usize> {
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
}

struct Tree<'a> {
    name: &'a str,
    lines: Vec<usize>,
    notes: &'a mut Notes,
}

impl Tree<'_> {
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).max(1)
    }

    fn origin(&self, at: usize) -> String {
        format!("{}:{}", self.name, self.line(at))
    }

    fn table(&mut self, table: DeTable<'_>, at: usize, depth: usize) -> Value {
        let origin = self.origin(at);
        let mut values = Map::new();
        for (key, value) in table {
            let at = key.span().start;
            let key = key.into_inner().into_owned();
            if depth >= DEPTH_MAX {
                let place = Place::line(self.name, self.line(at));
                self.notes.fault(Fault::new(
                    place,
                    "",
                    format!("{} is nested too deep", shown(&key)),
                ));
                break;
            }
            let value = self.value(value.into_inner(), at, depth + 1);
            let _none = values.insert(key, value);
        }
        Value::new(Some(&origin), ValueKind::Table(values))
    }

    fn value(&mut self, value: DeValue<'_>, at: usize, depth: usize) -> Value {
        let origin = self.origin(at);
        let kind = match value {
            DeValue::String(text) => ValueKind::String(text.into_owned()),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => ValueKind::I64(number),
                    // Larger than any limit; the getter's range says what would be right.
                    Err(_) => ValueKind::Float(f64::INFINITY),
                }
            }
            DeValue::Float(number) => ValueKind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => ValueKind::Boolean(flag),
            DeValue::Datetime(datetime) => ValueKind::String(datetime.to_string()),
            DeValue::Array(_) | DeValue::Table(_) if depth >= DEPTH_MAX => ValueKind::Nil,
            DeValue::Array(list) => {
                let mut values = Vec::new();
                for item in list {
                    let at = item.span().start;
                    values.push(self.value(item.into_inner(), at, depth + 1));
                }
                ValueKind::Array(values)
            }
            DeValue::Table(table) => return self.table(table, at, depth),
        };
        Value::new(Some(&origin), kind)
    }
}
