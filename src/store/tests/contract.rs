//! The contract, on every engine: in memory, on disk, and on disk with a checkpoint all the time.

use std::path::Path;

use chrono::{DateTime, TimeDelta};
use tempfile::TempDir;

use super::{Embedded, contents, key, open, options, put, value};
use crate::store::{
    Commit, DueAt, Error, Key, Memory, Options, Order, Range, Store, Table, Version, restore,
};

fn memory(_folder: &Path) -> Box<dyn Store> {
    Box::new(Memory::new())
}

fn roomy(folder: &Path) -> Box<dyn Store> {
    Box::new(Embedded::open(Options { log_segment_bytes: 1 << 20, ..options(folder) }).unwrap())
}

fn tiny(folder: &Path) -> Box<dyn Store> {
    Box::new(open(folder))
}

type Engine = fn(&Path) -> Box<dyn Store>;

macro_rules! on_every_engine {
    ($($rule:ident)*) => {$(
        #[test]
        fn $rule() {
            for engine in [memory, roomy, tiny] as [Engine; 3] {
                let folder = tempfile::tempdir().unwrap();
                rules::$rule(&*engine(&folder.path().join("store")), &folder);
            }
        }
    )*};
}

on_every_engine! {
    what_is_put_is_read_and_what_is_deleted_is_not
    each_write_changes_the_version
    a_changed_row_is_a_conflict_and_nothing_is_written
    a_row_deleted_and_put_again_is_a_conflict
    of_two_writes_to_a_row_the_last_counts
    a_logged_commit_is_invisible_until_applied
    a_dropped_commit_poisons
    the_next_commit_waits_for_the_one_before
    a_commit_is_not_applied_to_another_store
    a_commit_without_writes_only_checks
    a_scan_keeps_to_its_range_order_and_limit
    pages_follow_each_other_both_ways
    deleted_rows_do_not_return_from_deeper_layers
    due_rows_come_in_order_of_time_up_to_the_moment
    readers_never_see_half_a_commit
    a_backup_restores_into_every_engine
    a_backup_never_mixes_with_other_rows
    counts_are_those_of_the_rows
    long_reads_and_the_writer_do_not_block_each_other
}

mod rules {
    use super::*;

    pub(super) fn what_is_put_is_read_and_what_is_deleted_is_not(store: &dyn Store, _: &TempDir) {
        store.commit(put("a", "one")).unwrap();
        store.commit(put("b", "")).unwrap();
        store.commit(put("c", vec![0xff; 3000])).unwrap();
        assert_eq!(value(store, "a").unwrap(), b"one");
        assert_eq!(value(store, "b").unwrap(), b"");
        assert_eq!(value(store, "c").unwrap(), vec![0xff; 3000]);
        let mut commit = Commit::default();
        commit.delete(key("a")).delete(key("never there"));
        store.commit(commit).unwrap();
        assert_eq!(value(store, "a"), None);
        let rows = store.snapshot(&[key("c"), key("a"), key("b"), key("c")]).unwrap();
        let lengths: Vec<_> = rows.iter().map(|row| row.as_ref().map(|r| r.value.len())).collect();
        assert_eq!(lengths, [Some(3000), None, Some(0), Some(3000)]);
    }

    pub(super) fn each_write_changes_the_version(store: &dyn Store, _: &TempDir) {
        let mut seen = vec![Version::ABSENT];
        for _ in 0..50 {
            let committed = store.commit(put("a", "the same")).unwrap();
            assert_eq!(Version::of(store.get(&key("a")).unwrap().as_ref()), committed.version);
            assert!(!seen.contains(&committed.version));
            seen.push(committed.version);
        }
        assert_eq!(Version::of(store.get(&key("b")).unwrap().as_ref()), Version::ABSENT);
    }

    pub(super) fn a_changed_row_is_a_conflict_and_nothing_is_written(
        store: &dyn Store,
        _: &TempDir,
    ) {
        let first = store.commit(put("a", "one")).unwrap().version;
        let require = |version| {
            let mut commit = put("b", "decided");
            commit.require(key("a"), version);
            commit
        };
        store.commit(require(first)).unwrap();
        store.commit(put("a", "two")).unwrap();
        store.checkpoint().unwrap();
        for stale in [first, Version::ABSENT] {
            let mut commit = require(stale);
            commit.put(key("c"), "never");
            let error = store.commit(commit).unwrap_err();
            assert!(matches!(error, Error::Conflict { key: found } if found == key("a")));
        }
        let mut absent = put("d", "new");
        absent.require(key("d"), Version::ABSENT);
        store.commit(absent.clone()).unwrap();
        assert!(matches!(store.commit(absent), Err(Error::Conflict { .. })));
        assert_eq!(value(store, "c"), None);
    }

    pub(super) fn a_row_deleted_and_put_again_is_a_conflict(store: &dyn Store, _: &TempDir) {
        let first = store.commit(put("a", "one")).unwrap().version;
        let mut delete = Commit::default();
        delete.delete(key("a"));
        store.commit(delete).unwrap();
        let mut commit = Commit::default();
        commit.require(key("a"), Version::ABSENT).put(key("a"), "one");
        store.commit(commit).unwrap();
        let mut commit = Commit::default();
        commit.require(key("a"), first);
        assert!(matches!(store.commit(commit), Err(Error::Conflict { .. })));
    }

    pub(super) fn of_two_writes_to_a_row_the_last_counts(store: &dyn Store, _: &TempDir) {
        let mut commit = put("a", "one");
        commit.put(key("b"), "one").delete(key("a")).put(key("b"), "two");
        store.commit(commit).unwrap();
        assert_eq!(value(store, "a"), None);
        assert_eq!(value(store, "b").unwrap(), b"two");
    }

    pub(super) fn a_logged_commit_is_invisible_until_applied(store: &dyn Store, _: &TempDir) {
        let logged = store.log(put("a", "one")).unwrap();
        assert_eq!(value(store, "a"), None);
        assert!(contents(store).is_empty());
        store.apply(logged).unwrap();
        assert_eq!(value(store, "a").unwrap(), b"one");
    }

    pub(super) fn a_dropped_commit_poisons(store: &dyn Store, _: &TempDir) {
        store.commit(put("a", "one")).unwrap();
        drop(store.log(put("a", "two")).unwrap());
        for _ in 0..2 {
            assert!(matches!(store.commit(put("b", "x")), Err(Error::Poisoned { .. })));
        }
        assert_eq!(value(store, "a").unwrap(), b"one");
    }

    pub(super) fn the_next_commit_waits_for_the_one_before(store: &dyn Store, _: &TempDir) {
        let logged = store.log(put("a", "one")).unwrap();
        assert!(matches!(store.log(put("b", "x")), Err(Error::Misuse { .. })));
        assert!(matches!(store.checkpoint(), Err(Error::Misuse { .. })));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| store.commit(put("b", "two")).unwrap());
            store.apply(logged).unwrap();
            other.join().unwrap();
        });
        assert_eq!(contents(store).len(), 2);
    }

    pub(super) fn a_commit_is_not_applied_to_another_store(store: &dyn Store, _: &TempDir) {
        let other = Memory::new();
        let logged = other.log(put("a", "one")).unwrap();
        assert!(matches!(store.apply(logged), Err(Error::Misuse { .. })));
        assert_eq!(value(store, "a"), None);
        store.commit(put("a", "two")).unwrap();
        assert!(matches!(other.commit(put("b", "x")), Err(Error::Poisoned { .. })));
    }

    pub(super) fn a_commit_without_writes_only_checks(store: &dyn Store, _: &TempDir) {
        let version = store.commit(put("a", "one")).unwrap().version;
        let before = store.stats().unwrap().sequence;
        let mut commit = Commit::default();
        commit.require(key("a"), version).require(key("b"), Version::ABSENT);
        store.commit(commit).unwrap();
        store.commit(Commit::default()).unwrap();
        assert!(store.stats().unwrap().sequence <= before + 2);
        assert_eq!(contents(store).len(), 1);
    }

    pub(super) fn a_scan_keeps_to_its_range_order_and_limit(store: &dyn Store, _: &TempDir) {
        let mut commit = Commit::default();
        for table in Table::ALL {
            for id in [&b""[..], b"a", b"a\0", b"ab", b"b", b"\xff\xff"] {
                commit.put(Key::new(*table, id).unwrap(), id);
            }
        }
        store.commit(commit).unwrap();
        let scan = |range: Range, limit, order| -> Vec<Vec<u8>> {
            let rows = store.scan(&range, limit, order).unwrap();
            rows.into_iter().map(|(_, row)| row.value).collect()
        };
        let all = scan(Range::all(Table::Task), 99, Order::Ascending);
        assert_eq!(all, [&b""[..], b"a", b"a\0", b"ab", b"b", b"\xff\xff"]);
        let back = scan(Range::all(Table::Task), 2, Order::Descending);
        assert_eq!(back, [&b"\xff\xff"[..], b"b"]);
        let prefix = scan(Range::prefix(Table::Task, b"a"), 99, Order::Descending);
        assert_eq!(prefix, [&b"ab"[..], b"a\0", b"a"]);
        let last = scan(Range::prefix(Table::Task, b"\xff"), 99, Order::Ascending);
        assert_eq!(last, [b"\xff\xff"]);
        let some = scan(Range::between(Table::Task, b"a\0", b"b"), 99, Order::Ascending);
        assert_eq!(some, [&b"a\0"[..], b"ab"]);
        for none in [Range::between(Table::Task, b"b", b"a"), Range::prefix(Table::Task, b"zz")] {
            assert!(scan(none, 99, Order::Ascending).is_empty());
        }
        assert!(scan(Range::all(Table::Task), 0, Order::Ascending).is_empty());
    }

    pub(super) fn pages_follow_each_other_both_ways(store: &dyn Store, _: &TempDir) {
        for number in 0..100_u8 {
            let mut commit = Commit::default();
            commit.put(Key::new(Table::Journal, &[number]).unwrap(), vec![number; 100]);
            store.commit(commit).unwrap();
        }
        for order in [Order::Ascending, Order::Descending] {
            let mut range = Range::all(Table::Journal);
            let mut seen = Vec::new();
            loop {
                let page = store.scan(&range, 7, order).unwrap();
                let Some((last, _)) = page.last() else { break };
                range = match order {
                    Order::Ascending => range.after(last),
                    Order::Descending => range.before(last),
                };
                seen.extend(page.iter().map(|(key, _)| key.bytes()[0]));
            }
            if order == Order::Descending {
                seen.reverse();
            }
            assert_eq!(seen, (0..100).collect::<Vec<u8>>());
        }
    }

    pub(super) fn deleted_rows_do_not_return_from_deeper_layers(store: &dyn Store, _: &TempDir) {
        let mut commit = put("a", "1");
        commit.put(key("b"), "1").put(key("c"), "1").put(key("d"), "1");
        store.commit(commit).unwrap();
        store.checkpoint().unwrap();
        let mut commit = put("b", "2");
        commit.delete(key("a")).delete(key("d"));
        store.commit(commit).unwrap();
        for _ in 0..2 {
            let rows: Vec<_> = contents(store).into_values().collect();
            assert_eq!(rows, [b"2", b"1"]);
            let back = store.scan(&Range::all(Table::Appointment), 1, Order::Descending).unwrap();
            assert_eq!(back[0].0, key("c"));
            store.checkpoint().unwrap();
        }
    }

    pub(super) fn due_rows_come_in_order_of_time_up_to_the_moment(store: &dyn Store, _: &TempDir) {
        let at = |minutes| DueAt::new(DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes));
        for (id, minutes) in [500, 3, 70_000, 4, 3].into_iter().enumerate() {
            let mut commit = Commit::default();
            commit.put(Key::due(at(minutes), &id.to_be_bytes()).unwrap(), "");
            store.commit(commit).unwrap();
        }
        let due = |until, limit| -> Vec<Option<DueAt>> {
            store.due(until, limit).unwrap().iter().map(|(key, _)| key.due_at()).collect()
        };
        assert_eq!(due(at(2), 9), []);
        assert_eq!(due(at(4), 9), [Some(at(3)), Some(at(3)), Some(at(4))]);
        assert_eq!(due(at(1_000_000), 9).len(), 5);
        assert_eq!(due(at(1_000_000), 1), [Some(at(3))]);
    }

    pub(super) fn readers_never_see_half_a_commit(store: &dyn Store, _: &TempDir) {
        let keys: Vec<_> = (0..20).map(|n| key(&format!("{n:02}"))).collect();
        let write = |round: u32| {
            let mut commit = Commit::default();
            for key in &keys {
                commit.put(key.clone(), round.to_string());
            }
            store.commit(commit).unwrap();
        };
        write(0);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (1..200).for_each(write));
            while !writer.is_finished() {
                let rows = store.snapshot(&keys).unwrap();
                assert!(rows.iter().all(|row| row == &rows[0]));
                let range = Range::all(Table::Appointment);
                let rows = store.scan(&range, 99, Order::Descending).unwrap();
                assert_eq!(rows.len(), keys.len());
                assert!(rows.iter().all(|(_, row)| row == &rows[0].1));
            }
        });
    }

    pub(super) fn a_backup_restores_into_every_engine(store: &dyn Store, folder: &TempDir) {
        for number in 0..600_u32 {
            let mut commit = Commit::default();
            let table = Table::ALL[number as usize % Table::ALL.len()];
            let id = number.wrapping_mul(2_654_435_761).to_be_bytes();
            commit
                .put(Key::new(table, &id).unwrap(), vec![number.to_le_bytes()[0]; number as usize]);
            store.commit(commit).unwrap();
        }
        let file = folder.path().join("backup.jsonl");
        let backup = store.backup(&file).unwrap();
        assert_eq!(backup.rows, 600);
        store.commit(put("later", "not in it")).unwrap();
        let mut before = contents(store);
        before.remove(&key("later"));
        for (number, engine) in ([memory, roomy] as [Engine; 2]).into_iter().enumerate() {
            let target = engine(&folder.path().join(number.to_string()));
            assert_eq!(restore(&file, &*target).unwrap(), backup);
            assert_eq!(contents(&*target), before);
        }
        assert!(!folder.path().join("backup.jsonl.partial").exists());
    }

    pub(super) fn a_backup_never_mixes_with_other_rows(store: &dyn Store, folder: &TempDir) {
        let file = folder.path().join("backup.jsonl");
        store.commit(put("a", "one")).unwrap();
        store.backup(&file).unwrap();
        let error = restore(&file, store).unwrap_err();
        assert!(matches!(error, Error::NotEmpty { table: "appointment" }));
    }

    pub(super) fn counts_are_those_of_the_rows(store: &dyn Store, _: &TempDir) {
        for round in 0..40 {
            let mut commit = put(&format!("{}", round % 7), vec![1; round]);
            commit.delete(key(&format!("{}", (round + 3) % 7)));
            store.commit(commit).unwrap();
        }
        store.checkpoint().unwrap();
        let rows = contents(store);
        let stats = store.stats().unwrap();
        let found = stats.tables[&Table::Appointment];
        assert_eq!(found.rows, rows.len() as u64);
        let bytes = rows.iter().map(|(key, value)| 1 + key.bytes().len() + value.len());
        assert_eq!(found.bytes, bytes.sum::<usize>() as u64);
        assert_eq!(stats.pending_rows, 0);
        let report = store.verify().unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(report.tables, stats.tables);
    }

    pub(super) fn long_reads_and_the_writer_do_not_block_each_other(
        store: &dyn Store,
        folder: &TempDir,
    ) {
        let file = folder.path().join("backup.jsonl");
        let write = |round: usize| {
            let mut commit = put(&format!("{}", round % 97), vec![1; round % 3000]);
            commit.put(key("round"), round.to_string());
            store.commit(commit).unwrap();
        };
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..250).for_each(write));
            while !writer.is_finished() {
                match store.verify() {
                    Ok(report) => assert!(report.is_sound(), "{report:?}"),
                    Err(error) => assert!(matches!(error, Error::Busy { .. }), "{error}"),
                }
                match store.backup(&file) {
                    Ok(backup) => assert!(backup.rows <= 98),
                    Err(error) => assert!(matches!(error, Error::Busy { .. }), "{error}"),
                }
            }
        });
        assert_eq!(contents(store).len(), 98);
    }
}
