//! Rows kept in memory only: the store of tests and of `demo`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::store::backup::{self, Backup};
use crate::store::gate::{Gate, Logged};
use crate::store::rows::{self, Rows, Slot};
use crate::store::{
    Commit, Committed, Error, Key, Order, Range, Report, Row, Stats, Store, Table, TableStats,
    Version, Write,
};

/// A store that forgets when it is dropped; otherwise it keeps the contract.
#[derive(Debug, Default)]
pub struct Memory {
    gate: Arc<Gate>,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    rows: Rows,
    sequence: u64,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> BTreeMap<Table, TableStats> {
        let mut tables: BTreeMap<_, TableStats> = BTreeMap::new();
        for (key, slot) in &self.read().rows {
            let table = tables.entry(key.table()).or_default();
            let bytes = key.stored().len() + slot.value.as_ref().map_or(0, Vec::len);
            table.rows += 1;
            table.bytes += bytes as u64;
        }
        tables
    }
}

impl Store for Memory {
    fn get(&self, key: &Key) -> Result<Option<Row>, Error> {
        Ok(self.read().rows.get(key).and_then(Slot::row))
    }

    fn snapshot(&self, keys: &[Key]) -> Result<Vec<Option<Row>>, Error> {
        let state = self.read();
        Ok(keys.iter().map(|key| state.rows.get(key).and_then(Slot::row)).collect())
    }

    fn scan(&self, range: &Range, limit: usize, order: Order) -> Result<Vec<(Key, Row)>, Error> {
        rows::merge(vec![rows::layer(&self.read().rows, range, order)], limit, order)
    }

    fn log(&self, commit: Commit) -> Result<Logged, Error> {
        let ticket = self.gate.enter()?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for (key, version) in commit.preconditions {
            if state.rows.get(&key).map_or(Version::ABSENT, |slot| slot.version) != version {
                return Err(Error::Conflict { key });
            }
        }
        state.sequence += 1;
        Ok(Logged::new(ticket, Version(state.sequence), commit.writes))
    }

    fn apply(&self, logged: Logged) -> Result<Committed, Error> {
        let version = logged.version;
        let (writes, turn) = logged.take(&self.gate)?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for Write { key, value } in writes {
            match value {
                Some(value) => {
                    state.rows.insert(key, Slot { version, value: Some(value) });
                }
                None => {
                    state.rows.remove(&key);
                }
            }
        }
        drop(turn);
        Ok(Committed { version })
    }

    fn checkpoint(&self) -> Result<(), Error> {
        drop(self.gate.enter()?);
        Ok(())
    }

    fn stats(&self) -> Result<Stats, Error> {
        let tables = self.tables();
        let sequence = self.read().sequence;
        Ok(Stats { tables, sequence, checkpoint_sequence: sequence, ..Stats::default() })
    }

    fn verify(&self) -> Result<Report, Error> {
        Ok(Report { tables: self.tables(), ..Report::default() })
    }

    fn backup(&self, to: &Path) -> Result<Backup, Error> {
        let state = self.read();
        backup::write(to, |range| {
            rows::merge(
                vec![rows::layer(&state.rows, range, Order::Ascending)],
                backup::PAGE_ROWS,
                Order::Ascending,
            )
        })
    }

    fn is_writable(&self) -> Result<(), Error> {
        self.gate.check()
    }

    fn free_bytes(&self) -> Result<u64, Error> {
        Ok(u64::MAX)
    }
}
