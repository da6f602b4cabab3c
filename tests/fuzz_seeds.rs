//! The seeds of the fuzzer, through what the fuzzer asserts.
//!
//! `fuzz/` is a package of its own, built only where one fuzzes; its assertions are built here too,
//! so that a change that breaks one is seen at once. A finding becomes a seed.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "the fuzzer's assertions panic, as those of tests do"
)]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
pub mod fuzz;

/// Runs the seeds of a target: the files of its corpus that have an ending.
fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("a folder of seeds") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some() {
            let seed = fs::read(&path).expect("a seed");
            // Shown only if the check panics.
            check(&seed);
            count += 1;
        }
    }
    assert!(count >= 12, "{count} seeds of {target}");
}

#[test]
fn any_chunks_of_a_stream_are_the_same_frames() {
    run("frames", fuzz::frames::check);
}

#[test]
fn nothing_of_a_payload_is_lost_in_reading() {
    run("reader", fuzz::reader::check);
}

#[test]
fn a_mapping_is_refused_with_places_or_works() {
    run("compiler", fuzz::compiler::check);
}

#[test]
fn every_mapping_reads_any_message_or_says_why_not() {
    run("applier", fuzz::applier::check);
}

#[test]
fn a_flow_is_refused_with_lines_or_runs_within_its_bounds() {
    run("flows", fuzz::flows::check);
}
