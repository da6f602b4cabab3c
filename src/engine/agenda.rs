//! The earliest entry of each time index, remembered between commits.
//!
//! Asking the store for the first row of an index is dear after many entries have been taken from
//! its front: each of them leaves a mark that has to be passed until a checkpoint clears it away.
//! The engine is the only writer of its indexes, so it knows below which key nothing is left, and
//! reads from there; while the first entry is known it does not read at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rows::Lane;
use crate::clock::Timestamp;
use crate::store::{self, Key, Order, Range, Row, Store, Table, Write};

/// What is planned, by time: the timers of appointments, and the effects of each lane.
#[derive(Debug)]
pub(super) struct Agenda {
    store: Arc<dyn Store>,
    timers: Index,
    lanes: BTreeMap<Lane, Index>,
}

/// Keys of one prefix, each with a time behind it.
#[derive(Debug)]
struct Index {
    table: Table,
    prefix: Vec<u8>,
    first: First,
}

#[derive(Debug)]
enum First {
    /// This is the first entry; or there is none.
    Known(Option<Key>),
    /// The first entry lies behind this one, which is gone.
    Behind(Key),
    /// Nothing is known.
    Unknown,
}

impl Agenda {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, timers: Index::new(Table::Due, Vec::new()), lanes: BTreeMap::new() }
    }

    /// When the first timer is due.
    pub(super) fn timers_at(&mut self) -> Result<Option<Timestamp>, store::Error> {
        self.timers.at(&*self.store)
    }

    /// When the first effect of a lane is due.
    pub(super) fn lane_at(&mut self, lane: &Lane) -> Result<Option<Timestamp>, store::Error> {
        lane_index(&mut self.lanes, lane).at(&*self.store)
    }

    /// The timers that are due, earliest first.
    pub(super) fn due_timers(
        &mut self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, store::Error> {
        self.timers.due(&*self.store, now, limit)
    }

    /// The effects of a lane that are due, earliest first.
    pub(super) fn due_sends(
        &mut self,
        lane: &Lane,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, store::Error> {
        lane_index(&mut self.lanes, lane).due(&*self.store, now, limit)
    }

    /// Learns from what is about to be committed, in its order.
    pub(super) fn note(&mut self, writes: &[Write]) {
        for write in writes {
            let (table, bytes) = (write.key.table(), write.key.bytes());
            let index = if table == Table::Due {
                Some(&mut self.timers)
            } else if table == Table::Ready {
                self.lanes.values_mut().find(|index| bytes.starts_with(&index.prefix))
            } else {
                None
            };
            if let Some(index) = index {
                index.note(write);
            }
        }
    }

    /// Forgets everything: a commit was refused, or another process may have written.
    pub(super) fn forget(&mut self) {
        self.timers.first = First::Unknown;
        self.lanes.clear();
    }
}

fn lane_index<'a>(lanes: &'a mut BTreeMap<Lane, Index>, lane: &Lane) -> &'a mut Index {
    lanes.entry(lane.clone()).or_insert_with(|| Index::new(Table::Ready, lane.prefix()))
}

impl Index {
    const fn new(table: Table, prefix: Vec<u8>) -> Self {
        Self { table, prefix, first: First::Unknown }
    }

    fn note(&mut self, Write { key, value }: &Write) {
        let first = match (&self.first, value) {
            (First::Known(None), Some(_)) => First::Known(Some(key.clone())),
            (First::Known(Some(first)), Some(_)) if key < first => First::Known(Some(key.clone())),
            (First::Behind(gone), Some(_)) if key <= gone => First::Known(Some(key.clone())),
            (First::Known(Some(first)), None) if key == first => First::Behind(key.clone()),
            (First::Known(_) | First::Behind(_) | First::Unknown, _) => return,
        };
        self.first = first;
    }

    fn first(&mut self, store: &dyn Store) -> Result<Option<&Key>, store::Error> {
        let all = Range::prefix(self.table, &self.prefix);
        let range = match &self.first {
            First::Known(_) => None,
            First::Behind(gone) => Some(all.after(gone)),
            First::Unknown => Some(all),
        };
        if let Some(range) = range {
            let rows = store.scan(&range, 1, Order::Ascending)?;
            self.first = First::Known(rows.into_iter().next().map(|(key, _)| key));
        }
        match &self.first {
            First::Known(first) => Ok(first.as_ref()),
            First::Behind(_) | First::Unknown => Ok(None),
        }
    }

    fn at(&mut self, store: &dyn Store) -> Result<Option<Timestamp>, store::Error> {
        let prefix_bytes = self.prefix.len();
        Ok(self.first(store)?.and_then(|first| moment(first.bytes().get(prefix_bytes..)?)))
    }

    fn due(
        &mut self,
        store: &dyn Store,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, store::Error> {
        if self.at(store)?.is_none_or(|at| at > now) {
            return Ok(Vec::new());
        }
        // One millisecond on, since a range excludes its end.
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0).saturating_add(1);
        let end = [self.prefix.as_slice(), &millis.to_be_bytes()].concat();
        let table = self.table;
        let Some(first) = self.first(store)? else { return Ok(Vec::new()) };
        store.scan(&Range::between(table, first.bytes(), &end), limit, Order::Ascending)
    }
}

/// The time at the start of what follows the prefix.
fn moment(bytes: &[u8]) -> Option<Timestamp> {
    let millis = i64::try_from(u64::from_be_bytes(*bytes.first_chunk()?)).ok()?;
    Timestamp::from_timestamp_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::AppointmentKey;
    use crate::engine::rows;
    use crate::store::{Commit, Memory};

    fn at(minute: u32) -> Timestamp {
        format!("2026-12-01T09:{minute:02}:00Z").parse().unwrap()
    }

    fn due(minute: u32, name: &str) -> Key {
        rows::due(at(minute), &AppointmentKey::new(name)).unwrap()
    }

    /// An agenda that hears of every commit, and the store under it.
    struct Desk {
        store: Arc<Memory>,
        agenda: Agenda,
    }

    impl Desk {
        fn new() -> Self {
            let store = Arc::new(Memory::new());
            Self { agenda: Agenda::new(store.clone()), store }
        }

        fn commit(&mut self, deletes: &[Key], puts: &[Key]) {
            let mut commit = Commit::default();
            for key in deletes {
                commit.delete(key.clone());
            }
            for key in puts {
                commit.put(key.clone(), b"row".as_slice());
            }
            self.agenda.note(&commit.writes);
            self.store.commit(commit).unwrap();
        }

        fn due(&mut self, minute: u32) -> Vec<Key> {
            let rows = self.agenda.due_timers(at(minute), 10).unwrap();
            rows.into_iter().map(|(key, _)| key).collect()
        }
    }

    #[test]
    fn the_first_entry_is_known_whatever_is_put_and_taken() {
        let mut desk = Desk::new();
        assert_eq!(desk.agenda.timers_at().unwrap(), None);
        desk.commit(&[], &[due(20, "b")]);
        assert_eq!(desk.agenda.timers_at().unwrap(), Some(at(20)));
        desk.commit(&[], &[due(30, "c"), due(10, "a")]);
        assert_eq!(desk.agenda.timers_at().unwrap(), Some(at(10)));
        desk.commit(&[due(10, "a")], &[]);
        desk.commit(&[], &[due(5, "early")]);
        assert_eq!(desk.agenda.timers_at().unwrap(), Some(at(5)));
        desk.commit(&[due(5, "early"), due(20, "b")], &[]);
        assert_eq!(desk.agenda.timers_at().unwrap(), Some(at(30)));
        desk.commit(&[due(30, "c")], &[]);
        assert_eq!(desk.agenda.timers_at().unwrap(), None);
    }

    #[test]
    fn an_entry_taken_and_put_again_in_one_commit_stays_first() {
        let mut desk = Desk::new();
        desk.commit(&[], &[due(10, "a"), due(20, "b")]);
        assert_eq!(desk.due(15), [due(10, "a")]);
        desk.commit(&[due(10, "a")], &[due(10, "a")]);
        assert_eq!(desk.due(15), [due(10, "a")]);
    }

    #[test]
    fn what_is_due_ends_with_the_moment() {
        let mut desk = Desk::new();
        desk.commit(&[], &[due(10, "a"), due(10, "b"), due(11, "c")]);
        assert!(desk.due(9).is_empty());
        assert_eq!(desk.due(10), [due(10, "a"), due(10, "b")]);
    }

    #[test]
    fn a_refused_commit_is_forgotten() {
        let mut desk = Desk::new();
        desk.commit(&[], &[due(20, "b")]);
        assert_eq!(desk.agenda.timers_at().unwrap(), Some(at(20)));
        desk.agenda.note(&[Write { key: due(10, "a"), value: Some(Vec::new()) }]);
        desk.agenda.forget();
        assert_eq!(desk.agenda.timers_at().unwrap(), Some(at(20)));
    }

    #[test]
    fn lanes_are_kept_apart_and_early_entries_of_one_do_not_wake_another() {
        let mut desk = Desk::new();
        let other = Lane::Hl7(crate::core::ids::DestinationName::new("main"));
        let key = |lane: &Lane, minute| {
            let millis = u64::try_from(at(minute).timestamp_millis()).unwrap().to_be_bytes();
            Key::joined(Table::Ready, &[&lane.prefix(), &millis, b"id"]).unwrap()
        };
        assert_eq!(desk.agenda.lane_at(&other).unwrap(), None);
        desk.commit(&[], &[key(&Lane::Sms, 5), key(&other, 10)]);
        assert_eq!(desk.agenda.lane_at(&other).unwrap(), Some(at(10)));
        assert_eq!(desk.agenda.lane_at(&Lane::Sms).unwrap(), Some(at(5)));
        let due = desk.agenda.due_sends(&other, at(30), 9).unwrap();
        assert_eq!(due.len(), 1);
    }
}
