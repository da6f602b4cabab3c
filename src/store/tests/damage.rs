//! Damage: bytes that are not what was written are noticed, named, and never a panic.

use std::fs;
use std::path::Path;

use super::{Embedded, contents, key, open, options, put, value};
use crate::store::disk::Real;
use crate::store::{Error, Key, Memory, Options, Store, Table, log, record, restore};

/// Generation and checkpoint of the logs made here.
const GENERATION: u64 = 77;
const CHECKPOINT: u64 = 10;

/// Segment 0 with commits 11, 12 and 13.
fn segment() -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for sequence in 11..14 {
        let mut record = Vec::new();
        let commit = put(&format!("row {sequence}"), vec![1; 20]);
        record::encode(GENERATION, sequence, &commit.writes, &mut record);
        bytes.extend(record);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn read(folder: &Path) -> (Vec<u64>, Option<log::Hole>) {
    let found = log::read(&Real, folder, GENERATION, CHECKPOINT).unwrap();
    (found.records.iter().map(|record| record.sequence).collect(), found.hole)
}

#[test]
fn a_tail_torn_at_any_byte_ends_the_log_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, ends) = segment();
    for cut in 0..bytes.len() {
        for filler in [0, 0xff] {
            let mut torn = bytes[..cut].to_vec();
            torn.resize(1024, filler);
            fs::write(folder.path().join("log-0"), torn).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
            assert_eq!(read(folder.path()), ((11..11 + whole).collect(), None), "cut at {cut}");
        }
    }
}

#[test]
fn a_record_flipped_in_the_middle_is_a_hole() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, ends) = segment();
    for at in (0..ends[1]).filter(|at| !(28..32).contains(&(at % ends[0]))) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        fs::write(folder.path().join("log-0"), flipped).unwrap();
        let missing = if at < ends[0] { 11 } else { 12 };
        let hole = Some(log::Hole { missing, last_seen: 13 });
        assert_eq!(read(folder.path()), ((11..missing).collect(), hole), "flipped at {at}");
    }
}

#[test]
fn a_segment_lost_before_another_is_a_hole_and_left_overs_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, ends) = segment();
    fs::write(folder.path().join("log-0"), &bytes[ends[0]..]).unwrap();
    assert_eq!(read(folder.path()), (vec![], Some(log::Hole { missing: 11, last_seen: 13 })));
    // The same bytes are left over once the checkpoint is past them, or of another opening.
    let found = log::read(&Real, folder.path(), GENERATION, 13).unwrap();
    assert!(found.records.is_empty() && found.hole.is_none());
    let found = log::read(&Real, folder.path(), GENERATION + 1, CHECKPOINT).unwrap();
    assert!(found.records.is_empty() && found.hole.is_none());
    // In two segments, in any order of files.
    fs::write(folder.path().join("log-1"), &bytes[..ends[0]]).unwrap();
    assert_eq!(read(folder.path()), (vec![11, 12, 13], None));
}

#[test]
fn a_forged_record_inside_a_torn_one_is_not_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let mut forged = Vec::new();
    record::encode(GENERATION, 11, &put("forged", "x").writes, &mut forged);
    let mut outer = Vec::new();
    record::encode(GENERATION, 11, &put("outer", forged).writes, &mut outer);
    outer.truncate(outer.len() - 1);
    outer.resize(512, 0);
    fs::write(folder.path().join("log-0"), outer).unwrap();
    assert_eq!(read(folder.path()).0, Vec::<u64>::new());
}

#[test]
fn a_hole_stops_the_open_and_salvage_keeps_what_came_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for name in ["a", "b", "c"] {
        store.commit(put(name, vec![7; 100])).unwrap();
    }
    drop(store);
    let log = folder.path().join("log-0");
    let mut bytes = fs::read(&log).unwrap();
    bytes[200] ^= 1;
    fs::write(&log, bytes).unwrap();
    let error = Embedded::open(options(folder.path())).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }));
    assert!(error.to_string().contains("restore from backup"), "{error}");
    let salvage = Options { is_salvage: true, ..options(folder.path()) };
    let store = Embedded::open(salvage).unwrap();
    assert!(value(&store, "a").is_some() && value(&store, "b").is_none());
    let report = store.verify().unwrap();
    assert!(!report.is_sound());
    assert!(report.faults.iter().any(|fault| fault.contains("damaged")), "{report:?}");
    store.commit(put("d", "new")).unwrap();
    drop(store);
    assert_eq!(contents(&open(folder.path())).len(), 2);
}

#[test]
fn a_flip_in_the_log_of_a_running_store_is_found_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for name in ["a", "b", "c"] {
        store.commit(put(name, vec![7; 100])).unwrap();
    }
    // The checkpoint that verify begins with makes these left-overs: no fault.
    assert!(store.verify().unwrap().is_sound());
    assert_eq!(store.stats().unwrap().checkpoint_sequence, 3);
}

/// A closed store with rows in its base, and their number.
fn filled(folder: &Path) -> Vec<(Key, Vec<u8>)> {
    let store = Embedded::open(Options { log_segment_bytes: 1 << 18, ..options(folder) }).unwrap();
    for number in 0..600_u32 {
        let mut commit = put(&format!("row {number}"), vec![number.to_le_bytes()[0]; 2000]);
        commit.put(Key::new(Table::Journal, &number.to_be_bytes()).unwrap(), "journal");
        store.commit(commit).unwrap();
    }
    store.close().unwrap();
    contents(&store).into_iter().collect()
}

#[test]
fn a_flipped_bit_in_a_value_is_found_by_get_and_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let db = folder.path().join("base/db");
    let mut bytes = fs::read(&db).unwrap();
    // Every copy of the row that the base keeps.
    let places: Vec<_> = memchr::memmem::find_iter(&bytes, &[77_u8; 2000]).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| bytes[at + 150] ^= 1);
    fs::write(&db, bytes).unwrap();
    // The base may notice first, by itself or by a panic; whoever it is, it is an error.
    match Embedded::open(options(folder.path())) {
        Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{error}"),
        Ok(store) => {
            let error = store.get(&key("row 77"));
            let is_damaged = matches!(error, Err(Error::Damaged { .. }));
            assert!(is_damaged || !matches!(error, Ok(Some(_))), "{error:?}");
            assert!(!store.verify().unwrap().is_sound());
        }
    }
}

#[test]
fn flipped_bits_anywhere_never_pass_for_a_sound_store() {
    let folder = tempfile::tempdir().unwrap();
    let rows = filled(folder.path());
    let db = fs::read(folder.path().join("base/db")).unwrap();
    let used = db.iter().rposition(|byte| *byte != 0).unwrap();
    for round in 0..40 {
        let copy = tempfile::tempdir().unwrap();
        super::copy_tree(folder.path(), copy.path());
        let mut flipped = db.clone();
        flipped[used * round / 40] ^= 0x20;
        fs::write(copy.path().join("base/db"), flipped).unwrap();
        let Ok(store) = Embedded::open(options(copy.path())) else { continue };
        let is_sound = store.verify().is_ok_and(|report| report.is_sound());
        let all = rows.iter().all(|(key, value)| {
            store.get(key).is_ok_and(|row| row.is_some_and(|row| &row.value == value))
        });
        assert!(!is_sound || all, "round {round}");
    }
}

#[test]
fn a_missing_base_or_mark_is_damage_not_an_empty_store() {
    for gone in ["base", "mark"] {
        let folder = tempfile::tempdir().unwrap();
        drop(filled(folder.path()));
        let path = folder.path().join(gone);
        if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.unwrap();
        let error = Embedded::open(options(folder.path())).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{gone}: {error}");
    }
}

#[test]
fn a_backup_cut_or_changed_anywhere_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.jsonl");
    let store = Memory::new();
    store.commit(put("a", "one")).unwrap();
    store.commit(put("b", vec![0xff; 70])).unwrap();
    store.backup(&file).unwrap();
    let bytes = fs::read(&file).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&file, bytes).unwrap();
        let target = Memory::new();
        assert!(matches!(restore(&file, &target), Err(Error::Backup { .. })), "{what}");
        assert!(contents(&target).is_empty());
    };
    for at in 0..bytes.len() {
        refused(&bytes[..at], &format!("cut at {at}"));
        let mut flipped = bytes.clone();
        flipped[at] ^= 2;
        refused(&flipped, &format!("flipped at {at}"));
    }
    refused(&bytes.repeat(2), "twice");
    refused(&[&bytes[..], b"\n"].concat(), "more");
    fs::write(&file, &bytes).unwrap();
    assert_eq!(restore(&file, &Memory::new()).unwrap().rows, 2);
}
