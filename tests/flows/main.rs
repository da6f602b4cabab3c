//! Flows of Twilio Studio as this engine runs them: transcripts, faults, and what must hold of any.
//!
//! Each file of `fixtures/flows/*.txt` names a flow and says what happens to it; the lines that begin
//! with `>` say what came of it. With `APPOINTD_FLOWS=update` those are written anew, to be read by a
//! person; otherwise they are compared. All flows and values are made up.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and show what differs"
)]

mod commands;
mod faults;
mod player;
mod properties;
mod steps;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use appointd::core::flow::{Function, Program, Tools};
use appointd::core::reply::{Words, WordsFile};
use appointd::settings::BUILT_IN_FLOWS;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/flows")
}

/// All flows there are for tests, by name.
pub(crate) fn files() -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BUILT_IN_FLOWS
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            files.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    files
}

pub(crate) fn tools() -> Tools {
    let function = Function { url: "https://functions.example.org/next".to_owned() };
    Tools {
        allow_hosts: ["ehr.example.org".to_owned(), "functions.example.org".to_owned()].into(),
        functions: [("next-slot".to_owned(), function)].into(),
    }
}

pub(crate) fn program(name: &str) -> Program {
    let read = Program::read(name, &files(), &tools());
    read.unwrap_or_else(|faults| {
        panic!("{}", faults.iter().map(|fault| format!("{fault}\n")).collect::<String>())
    })
}

/// The word lists, spread once.
pub(crate) static WORDS: LazyLock<BTreeMap<String, Words>> = LazyLock::new(|| {
    let read = |text| Words::from(toml::from_str::<WordsFile>(text).unwrap());
    let en = read(include_str!("../../conf/replies/en.toml"));
    let es = read(include_str!("../../conf/replies/es.toml"));
    [("en".to_owned(), en), ("es".to_owned(), es)].into()
});

/// Compares with what is written, or writes it anew.
pub(crate) fn expect_golden(path: &Path, told: &str) -> Result<(), String> {
    let written = fs::read_to_string(path).unwrap_or_default();
    if written == told {
        return Ok(());
    }
    if std::env::var("APPOINTD_FLOWS").is_ok_and(|what| what == "update") {
        println!("{} is written anew", path.display());
        return fs::write(path, told).map_err(|fault| fault.to_string());
    }
    let at = written.lines().zip(told.lines()).position(|(a, b)| a != b);
    let line = at.unwrap_or_else(|| written.lines().count().min(told.lines().count()));
    let of = |text: &str| text.lines().nth(line).unwrap_or("(its end)").to_owned();
    Err(format!("{}:{}:\n- {}\n+ {}", path.display(), line + 1, of(&written), of(told)))
}

#[test]
fn every_conversation_goes_as_it_is_written() {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 16, "{} are few", paths.len());
    let faults: Vec<String> = paths
        .iter()
        .filter_map(|path| {
            let script = fs::read_to_string(path).unwrap();
            expect_golden(path, &player::play(&script)).err()
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
