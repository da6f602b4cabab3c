//! Random lives of a store, compared with a map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Lab, Loss, contents, key};
use crate::store::disk::Step;
use crate::store::{Commit, Key, Order, Range, Store, Table, Version};

#[derive(Debug, Clone)]
enum Act {
    Commit(Vec<(u8, Option<Vec<u8>>)>),
    Checkpoint,
    Scan(u8, u8, usize),
    Reopen,
    PowerCut(bool),
    InterruptCheckpoint(usize, bool),
    /// The sync of a commit fails, and so much of it reaches the disk.
    Tear(u8, usize),
}

fn act() -> impl Strategy<Value = Act> {
    let write =
        (0..24_u8, proptest::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..400)));
    prop_oneof![
        12 => prop::collection::vec(write, 1..6).prop_map(Act::Commit),
        3 => (any::<u8>(), any::<u8>(), 0..30_usize).prop_map(|(a, b, n)| Act::Scan(a % 26, b % 26, n)),
        1 => Just(Act::Checkpoint),
        1 => Just(Act::Reopen),
        1 => any::<bool>().prop_map(Act::PowerCut),
        1 => (0..6_usize, any::<bool>()).prop_map(|(step, least)| Act::InterruptCheckpoint(step, least)),
        1 => (0..24_u8, 0..120_usize).prop_map(|(row, torn)| Act::Tear(row, torn)),
    ]
}

fn row(number: u8) -> Key {
    key(&char::from(b'a' + number).to_string())
}

const fn loss(is_least: bool) -> Loss {
    if is_least { Loss::Least } else { Loss::Most }
}

type Model = BTreeMap<Key, Vec<u8>>;

fn check_scan(store: &dyn Store, model: &Model, from: u8, to: u8, limit: usize) {
    let range = Range::between(Table::Appointment, row(from).bytes(), row(to).bytes());
    let inside: Vec<_> = model.iter().filter(|(k, _)| **k >= row(from) && **k < row(to)).collect();
    let up = store.scan(&range, limit, Order::Ascending).unwrap();
    assert!(up.iter().map(|(k, r)| (k, &r.value)).eq(inside.iter().copied().take(limit)));
    let down = store.scan(&range, limit, Order::Descending).unwrap();
    assert!(down.iter().map(|(k, r)| (k, &r.value)).eq(inside.iter().rev().copied().take(limit)));
}

fn commit(store: &dyn Store, model: &mut Model, writes: Vec<(u8, Option<Vec<u8>>)>) {
    let mut commit = Commit::default();
    for (number, value) in writes {
        let key = row(number);
        commit.require(key.clone(), Version::of(store.get(&key).unwrap().as_ref()));
        match value {
            Some(value) => {
                model.insert(key.clone(), value.clone());
                commit.put(key, value);
            }
            None => {
                model.remove(&key);
                commit.delete(key);
            }
        }
    }
    store.commit(commit).unwrap();
}

fn live(acts: Vec<Act>) {
    let mut lab = Lab::new();
    let mut store = lab.open().unwrap();
    let mut model = Model::new();
    for act in acts {
        match act {
            Act::Commit(writes) => commit(&store, &mut model, writes),
            Act::Checkpoint => store.checkpoint().unwrap(),
            Act::Scan(from, to, limit) => check_scan(&store, &model, from, to, limit),
            Act::Reopen => {
                drop(store);
                store = lab.open().unwrap();
            }
            Act::PowerCut(is_least) => {
                // At rest, so that the copy of the base is one that a disk could hold.
                let after = if is_least {
                    store.checkpoint().map(|()| Loss::Least)
                } else {
                    Ok(Loss::Most)
                };
                let after = lab.power_cut(after.unwrap(), 0);
                store = after.open().unwrap();
                lab = after;
            }
            Act::InterruptCheckpoint(step, is_least) => {
                store.checkpoint().unwrap();
                commit(&store, &mut model, vec![(3, Some(vec![3; 50])), (4, None)]);
                let steps = [
                    Step::Begin,
                    Step::Apply,
                    Step::HalfApplied,
                    Step::Settle,
                    Step::Mark,
                    Step::Done,
                ];
                lab.set(|disk| disk.stop_at = Some(steps[step]));
                store.checkpoint().unwrap_err();
                let after = lab.power_cut(loss(is_least), 0);
                store = after.open().unwrap();
                lab = after;
            }
            Act::Tear(number, torn) => {
                store.checkpoint().unwrap();
                lab.set(|disk| disk.fail_sync = true);
                let mut torn_commit = Commit::default();
                torn_commit.put(row(number), "torn");
                store.commit(torn_commit).unwrap_err();
                let after = lab.power_cut(Loss::Most, torn);
                store = after.open().unwrap();
                lab = after;
                if store.get(&row(number)).unwrap().is_some_and(|row| row.value == b"torn") {
                    model.insert(row(number), b"torn".to_vec());
                }
            }
        }
    }
    assert_eq!(contents(&store), model);
    let report = store.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    drop(store);
    assert_eq!(contents(&lab.open().unwrap()), model);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_life_of_a_store_ends_with_what_was_committed(acts in prop::collection::vec(act(), 1..60)) {
        live(acts);
    }
}
