//! Where flows and values come from: files, the settings, what is built in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::cli::client::load;
use crate::cli::{Config, Failure};
use crate::core::flow::{FILE_BYTES_MAX, Fault, Tools};
use crate::core::local_time::Zone;
use crate::core::reply::Words;
use crate::settings::{BUILT_IN_FLOWS, Settings};

/// How much of a list is read for its first row.
const LIST_BYTES_MAX: usize = 1024 * 1024;

/// What a flow is read and played with.
pub(super) struct Setting {
    pub(super) practice_name: String,
    pub(super) callback_phone: String,
    pub(super) zone: Zone,
    pub(super) words: BTreeMap<String, Words>,
    pub(super) tools: Tools,
    /// The flows there are by name, built-in ones included.
    pub(super) flows: BTreeMap<String, String>,
}

impl Setting {
    /// By the settings, or by those that are built in.
    pub(super) fn of(config: Option<&PathBuf>) -> Result<Self, Failure> {
        let settings = match config {
            Some(path) => load(&Config { config: path.clone() })?,
            None => {
                let told = |faults: Vec<crate::settings::Fault>| {
                    Failure::Configuration(faults.iter().map(ToString::to_string).collect())
                };
                Settings::builtin().map_err(told)?
            }
        };
        let rules = settings.rules;
        let built_in = BUILT_IN_FLOWS.iter().map(|(name, text)| ((*name).into(), (*text).into()));
        let mut flows: BTreeMap<String, String> = built_in.collect();
        for (name, program) in &rules.outreach.flows {
            let text = program.sources().files.get(name);
            flows.extend(text.map(|text| (name.clone(), text.clone())));
        }
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        Ok(Self {
            practice_name: or(rules.practice.name, "Owl Clinic"),
            callback_phone: or(rules.practice.callback_phone, "(202) 555-0100"),
            zone: rules.practice.zone,
            words: rules.replies.words,
            tools: rules.outreach.tools,
            flows,
        })
    }
}

/// A flow's file, the name that it goes by, and its path for faults.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) paths: BTreeMap<String, PathBuf>,
    pub(super) files: BTreeMap<String, String>,
}

impl Named {
    /// Reads a file; those beside it may be called by it.
    pub(super) fn read(path: &Path, flows: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut files = flows.clone();
        let mut paths = BTreeMap::new();
        let name = name_of(path);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let beside = fs::read_dir(folder.unwrap_or_else(|| Path::new("."))).into_iter().flatten();
        let beside = beside.flatten().map(|entry| entry.path());
        for other in beside.filter(|path| path.extension().is_some_and(|ending| ending == "json")) {
            if let Ok(text) = text_of(&other) {
                let _built_in = files.insert(name_of(&other), text);
                let _none = paths.insert(name_of(&other), other);
            }
        }
        let _beside = files.insert(name.clone(), text_of(path)?);
        let _beside = paths.insert(name.clone(), path.to_owned());
        Ok(Self { name, paths, files })
    }

    /// A fault with the path of its file.
    pub(super) fn told(&self, fault: &Fault) -> String {
        let path = self.paths.get(&fault.flow).map(|path| path.display().to_string());
        let flow = path.unwrap_or_else(|| format!("built-in {}.json", fault.flow));
        Fault { flow, ..fault.clone() }.to_string()
    }
}

fn name_of(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::Failed(format!("{}: {why}", path.display()));
    let size = fs::metadata(path).map_err(|refusal| failed(refusal.to_string()))?.len();
    if size > u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX) {
        return Err(failed(format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    let bytes = fs::read(path).map_err(|refusal| failed(refusal.to_string()))?;
    String::from_utf8(bytes).map_err(|_| failed("is no UTF-8 text; save it as UTF-8".to_owned()))
}

/// The values of a list's first row.
pub(super) fn first_row(path: &Path) -> Result<Map<String, Value>, Failure> {
    let failed = |why: &str| Failure::Failed(format!("{}: {why}", path.display()));
    let bytes = fs::read(path).map_err(|refusal| failed(&refusal.to_string()))?;
    let head = bytes.get(..bytes.len().min(LIST_BYTES_MAX)).unwrap_or_default();
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}');
    let header = text.lines().next().unwrap_or_default();
    let count = |delimiter: &char| header.matches(*delimiter).count();
    let delimiter = [',', ';', '\t'].into_iter().max_by_key(count).unwrap_or(',');
    let mut records = records(text, delimiter).into_iter();
    let (Some(names), Some(values)) = (records.next(), records.next()) else {
        return Err(failed("has no row below its header"));
    };
    let pairs = names.into_iter().zip(values);
    Ok(pairs.map(|(name, value)| (name.trim().to_owned(), Value::String(value))).collect())
}

/// The first two records (RFC 4180).
fn records(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut records = vec![Vec::new()];
    let (mut field, mut is_quoted) = (String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                let _second = chars.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                records
                    .last_mut()
                    .into_iter()
                    .for_each(|last| last.push(std::mem::take(&mut field)));
                if records.len() == 2 {
                    return records;
                }
                records.push(Vec::new());
            }
            c if c == delimiter && !is_quoted => {
                records
                    .last_mut()
                    .into_iter()
                    .for_each(|last| last.push(std::mem::take(&mut field)));
            }
            c => field.push(c),
        }
    }
    if let Some(last) = records.last_mut()
        && (!field.is_empty() || !last.is_empty())
    {
        last.push(field);
    }
    records.retain(|record| !record.is_empty());
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_of_a_list_gives_the_values() {
        let rows = records("a;b\r\n\"x;\"\"y\"\"\";2\r\n3;4", ';');
        assert_eq!(rows, [["a", "b"], ["x;\"y\"", "2"]]);
        assert_eq!(records("a,b\n1,2", ','), [["a", "b"], ["1", "2"]]);
        assert_eq!(records("a,b\n", ',').len(), 1);
    }
}
