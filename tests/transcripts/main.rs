//! Conversations that run through the real daemon on a moved clock, as a nurse would write them down.
//!
//! Each file of `fixtures/transcripts` says what EHR, patients, carrier and operators do, and below
//! each step, in the lines that begin with `>`, what came of it. With `APPOINTD_TRANSCRIPTS=update`
//! those lines are written anew, to be read by a person; otherwise they are compared.
//! `APPOINTD_TRANSCRIPT=name` plays only the files whose names contain that.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and show what differs"
)]

mod campaign;
mod difference;
mod feed;
mod play;
mod script;
mod stage;
mod told;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use script::Script;

/// How many are played at a time: they mostly wait for sockets.
const PLAYED_AT_ONCE: usize = 4;
/// What is asked of the collection as a whole.
const TRANSCRIPTS_MIN: usize = 45;

#[test]
fn every_conversation_goes_as_it_is_written() {
    let files = files();
    let is_update = std::env::var("APPOINTD_TRANSCRIPTS").is_ok_and(|what| what == "update");
    let (left, faults) = (Mutex::new(files), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..PLAYED_AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(file) = left.lock().unwrap().pop() else { return };
                    // A fault in one must not keep the others from being played.
                    let played = std::panic::catch_unwind(|| check(&file, is_update));
                    let fault = played.unwrap_or_else(|_| Err("it panicked".to_owned()));
                    if let Err(fault) = fault {
                        faults.lock().unwrap().push(format!("{}: {fault}", file.display()));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} transcripts differ:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn there_are_transcripts_enough() {
    if std::env::var("APPOINTD_TRANSCRIPT").is_err() {
        assert!(files().len() >= TRANSCRIPTS_MIN, "{} are few", files().len());
    }
}

fn files() -> Vec<PathBuf> {
    let only = std::env::var("APPOINTD_TRANSCRIPT").unwrap_or_default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transcripts");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .filter(|path| path.to_string_lossy().contains(&only))
        .collect();
    files.sort();
    files
}

fn check(file: &Path, is_update: bool) -> Result<(), String> {
    let told = |fault: std::io::Error| fault.to_string();
    let written = std::fs::read_to_string(file).map_err(told)?;
    let script = Script::read(&written)?;
    let played = play::play(&script)?;
    if played == written {
        return Ok(());
    }
    if is_update {
        println!("{} is written anew", file.display());
        return std::fs::write(file, played).map_err(told);
    }
    Err(format!("\n{}", difference::of(&written, &played)))
}
