//! Crashes: what was reported durable is there afterwards, whole, whatever was cut off when.

use std::fs;
use std::io::ErrorKind;

use super::{Embedded, Lab, Loss, contents, key, open, options, put, value};
use crate::store::disk::Step;
use crate::store::{Category, Commit, Error, Options, Store};

const STEPS: [Step; 6] =
    [Step::Begin, Step::Apply, Step::HalfApplied, Step::Settle, Step::Mark, Step::Done];

/// A commit of two rows that must always agree.
fn pair(number: usize) -> Commit {
    let mut commit = put(&format!("a{}", number % 11), number.to_string());
    commit.put(key(&format!("b{}", number % 11)), number.to_string());
    if number.is_multiple_of(5) {
        commit.delete(key(&format!("a{}", (number + 3) % 11)));
        commit.delete(key(&format!("b{}", (number + 3) % 11)));
    }
    commit
}

fn fill(store: &dyn Store, numbers: std::ops::Range<usize>) {
    assert!(numbers.map(pair).all(|commit| store.commit(commit).is_ok()));
}

#[test]
fn a_store_dropped_without_close_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let store = open(folder.path());
        fill(&store, 0..30 * round);
        let before = contents(&store);
        drop(store);
        let store = open(folder.path());
        assert_eq!(contents(&store), before);
        assert!(store.verify().unwrap().is_sound());
    }
}

#[test]
fn a_closed_store_has_nothing_to_replay_and_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.commit(put("a", "one")).unwrap();
    store.close().unwrap();
    assert_eq!(store.stats().unwrap().pending_rows, 0);
    assert!(matches!(store.commit(put("a", "two")), Err(Error::Poisoned { .. })));
    drop(store);
    assert_eq!(value(&open(folder.path()), "a").unwrap(), b"one");
}

#[test]
fn a_second_open_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let error = Embedded::open(options(folder.path())).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }));
    assert_eq!(error.category(), Category::Unavailable);
    store.commit(put("a", "one")).unwrap();
    drop(store);
    drop(open(folder.path()));
}

#[test]
fn no_commit_is_lost_by_a_power_cut() {
    let lab = Lab::new();
    let store = lab.open().unwrap();
    for number in 0..120 {
        store.commit(pair(number)).unwrap();
        if number % 8 == 7 {
            let after = lab.power_cut(Loss::Most, 0);
            assert_eq!(contents(&after.open().unwrap()), contents(&store), "commit {number}");
        }
    }
}

#[test]
fn a_commit_cut_anywhere_is_there_whole_or_not_at_all() {
    let lab = Lab::new();
    let store = lab.open().unwrap();
    store.commit(pair(1)).unwrap();
    let before = contents(&store);
    lab.set(|disk| disk.fail_sync = true);
    let error = store.commit(pair(2)).unwrap_err();
    assert_eq!(error.category(), Category::Unknown);
    assert!(matches!(store.commit(pair(3)), Err(Error::Poisoned { .. })));
    let mut whole = 0;
    for torn in [0, 1, 3, 4, 20, 31, 32, 33, 40, 50, 60, 75, 500] {
        let after = lab.power_cut(Loss::Most, torn);
        let store = after.open().unwrap();
        let found = contents(&store);
        whole += usize::from(found != before);
        assert!(found == before || value(&store, "a2") == value(&store, "b2"), "{torn} bytes");
        store.commit(pair(4)).unwrap();
        assert!(store.verify().unwrap().is_sound());
    }
    assert_eq!(whole, 2, "the record has 62 bytes: the last two cuts leave it whole");
}

#[test]
fn a_checkpoint_interrupted_at_any_step_is_done_again() {
    for step in STEPS {
        for loss in [Loss::Most, Loss::Least] {
            let lab = Lab::new();
            let store = lab.open().unwrap();
            fill(&store, 0..25);
            store.checkpoint().unwrap();
            fill(&store, 25..40);
            let before = contents(&store);
            lab.set(|disk| disk.stop_at = Some(step));
            assert!(matches!(store.checkpoint(), Err(Error::Poisoned { .. })), "{step:?}");
            assert!(matches!(store.commit(pair(1)), Err(Error::Poisoned { .. })));
            assert_eq!(contents(&store), before, "readers go on");
            let after = lab.power_cut(loss, 0);
            let reopened = after.open().unwrap();
            assert_eq!(contents(&reopened), before, "{step:?} {loss:?}");
            let report = reopened.verify().unwrap();
            assert!(report.is_sound(), "{step:?} {loss:?} {report:?}");
        }
    }
}

#[test]
fn an_open_interrupted_at_any_step_is_done_again() {
    for step in STEPS {
        let lab = Lab::new();
        let store = lab.open().unwrap();
        fill(&store, 0..20);
        let before = contents(&store);
        let cut = lab.power_cut(Loss::Most, 0);
        cut.set(|disk| disk.stop_at = Some(step));
        assert!(cut.open().is_err());
        let again = cut.power_cut(Loss::Least, 0);
        let reopened = again.open().unwrap();
        assert_eq!(contents(&reopened), before, "{step:?}");
        assert!(reopened.verify().unwrap().is_sound(), "{step:?}");
    }
}

#[test]
fn a_write_without_room_refuses_one_commit_and_no_more() {
    let lab = Lab::new();
    let store = lab.open().unwrap();
    store.commit(pair(1)).unwrap();
    lab.set(|disk| disk.fail_write = Some(ErrorKind::StorageFull));
    assert!(matches!(store.commit(pair(2)), Err(Error::Full { .. })));
    lab.set(|disk| disk.fail_write = None);
    store.commit(pair(3)).unwrap();
    let before = contents(&store);
    drop(store);
    assert_eq!(contents(&lab.open().unwrap()), before);
    assert_eq!(before.len(), 4);
}

#[test]
fn below_the_floor_of_free_space_nothing_is_taken_and_all_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.commit(put("a", "one")).unwrap();
    drop(store);
    let full = Options { free_floor_bytes: u64::MAX, ..options(folder.path()) };
    let store = Embedded::open(full).unwrap();
    for _ in 0..3 {
        let error = store.commit(put("a", "two")).unwrap_err();
        assert!(matches!(error, Error::Full { floor: u64::MAX, .. }));
    }
    assert_eq!(value(&store, "a").unwrap(), b"one");
    assert!(store.free_bytes().unwrap() > 0);
}

#[test]
fn a_commit_larger_than_a_segment_is_refused_and_one_that_just_fits_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let error = store.commit(put("a", vec![7; 4096])).unwrap_err();
    assert!(matches!(error, Error::CommitSize { max: 4096, .. }));
    // Header, count, then operation, key length, key and value length.
    let fits = 4096 - 32 - 4 - (1 + 4 + 2 + 4);
    for round in 0..5 {
        store.commit(put("a", vec![round; fits])).unwrap();
    }
    drop(store);
    assert_eq!(value(&open(folder.path()), "a").unwrap(), vec![4; fits]);
}

#[test]
fn values_that_the_base_keeps_in_files_of_their_own_survive() {
    let lab = Lab::new();
    let disk = std::sync::Arc::clone(&lab.disk) as _;
    let large = Options { log_segment_bytes: 1 << 20, ..options(lab.path()) };
    let store = Embedded::open_on(disk, large).unwrap();
    for round in 0..6 {
        store.commit(put("large", vec![round; 700_000])).unwrap();
        store.commit(put("small", vec![round])).unwrap();
    }
    store.checkpoint().unwrap();
    let after = lab.power_cut(Loss::Most, 0);
    let store = after.open().unwrap();
    assert_eq!(value(&store, "large").unwrap(), vec![5; 700_000]);
    assert!(store.verify().unwrap().is_sound());
}

#[test]
fn other_segment_sizes_and_unfinished_snapshots_are_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = None;
    for (size, count) in [(4096, 2), (1 << 16, 4), (8192, 3)] {
        let sized =
            Options { log_segment_bytes: size, log_segments: count, ..options(folder.path()) };
        let store = Embedded::open(sized).unwrap();
        assert!(before.is_none_or(|before| before == contents(&store)));
        fill(&store, 0..30);
        before = Some(contents(&store));
        drop(store);
        let unfinished = folder.path().join("base/snap.0000000000000FFF.generating");
        fs::write(unfinished, b"half").unwrap();
        assert!(!folder.path().join(format!("log-{count}")).exists());
    }
}
