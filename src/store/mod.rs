//! The store: rows under keys, committed as one and durable before anyone is told.
//!
//! It deals in bytes; what a row means is its owner's business. One thread writes (the engine's),
//! any number read. A commit has two steps, so that verdicts can leave between them:
//! [`Store::log`] returns when the commit would survive a power cut, [`Store::apply`] makes it
//! visible. What was read carries a [`Version`]; a commit names the versions it was decided on and
//! fails with [`Error::Conflict`] if one no longer holds. With one process that never happens; with
//! several on PostgreSQL it is what keeps them right.
//!
//! [`Embedded`] keeps rows on disk: a write-ahead log in front, sorted rows in memory behind it,
//! and sled as the base, fed in bulk by a checkpoint. [`Memory`] keeps them nowhere.

mod backup;
mod base;
mod checkpoint;
mod disk;
mod embedded;
mod error;
mod gate;
mod keys;
mod log;
mod mark;
mod memory;
mod record;
mod recovery;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub use crate::category::Category;
pub use backup::{Backup, restore};
pub use embedded::{Embedded, Options};
pub use error::Error;
pub use gate::Logged;
pub use keys::{DueAt, KEY_BYTES_MAX, Key, Range, Table};
pub use memory::Memory;

/// The most rows that one scan returns; a larger limit counts as this.
pub const SCAN_ROWS_MAX: usize = 10_000;

/// The state of a row at the time it was read; it changes with each write of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version of a row that is not there.
    pub const ABSENT: Self = Self(0);

    /// The version to require for a row as it was read, there or not.
    #[must_use]
    pub fn of(row: Option<&Row>) -> Self {
        row.map_or(Self::ABSENT, |row| row.version)
    }
}

/// A row as it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Changes with each write.
    pub version: Version,
    /// The bytes that were put.
    pub value: Vec<u8>,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({} bytes, version {})", self.value.len(), self.version.0)
    }
}

/// One row to be put or deleted.
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// The row.
    pub key: Key,
    /// Its new value; `None` deletes.
    pub value: Option<Vec<u8>>,
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "Put({}, {} bytes)", self.key, value.len()),
            None => write!(f, "Delete({})", self.key),
        }
    }
}

/// Writes that happen together or not at all, and what must still hold for them to happen.
///
/// Of several writes to one row the last counts. A commit without writes only checks.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Rows and the versions that the decision was made on.
    pub preconditions: Vec<(Key, Version)>,
    /// The rows to be changed.
    pub writes: Vec<Write>,
}

impl Commit {
    /// Requires that a row is still as it was read.
    pub fn require(&mut self, key: Key, version: Version) -> &mut Self {
        self.preconditions.push((key, version));
        self
    }

    /// Puts a row.
    pub fn put(&mut self, key: Key, value: impl Into<Vec<u8>>) -> &mut Self {
        self.writes.push(Write { key, value: Some(value.into()) });
        self
    }

    /// Deletes a row; one that is not there stays away.
    pub fn delete(&mut self, key: Key) -> &mut Self {
        self.writes.push(Write { key, value: None });
        self
    }
}

/// Proof of a commit that is durable and visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The version that the rows written now have.
    pub version: Version,
}

/// The direction of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the first key on.
    Ascending,
    /// From the last key back.
    Descending,
}

/// How much a table holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Rows.
    pub rows: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// What the store holds and needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Per table, as of the last checkpoint; tables without rows are left out.
    pub tables: BTreeMap<Table, TableStats>,
    /// Rows changed since that checkpoint, kept in memory and in the log.
    pub pending_rows: u64,
    /// Bytes of all files.
    pub disk_bytes: u64,
    /// The last commit logged.
    pub sequence: u64,
    /// The last commit covered by a checkpoint.
    pub checkpoint_sequence: u64,
    /// Bytes of the log that a restart would read.
    pub log_bytes: u64,
}

/// What a walk over everything found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Sound rows per table.
    pub tables: BTreeMap<Table, TableStats>,
    /// Rows whose bytes are not what was written, or whose key is of no table.
    pub damaged_rows: u64,
    /// The first of their keys, as far as they are keys.
    pub damaged_keys: Vec<Key>,
    /// Tables whose row count differs from what was committed: expected, found.
    pub miscounted: BTreeMap<Table, (u64, u64)>,
    /// Sound log records that a restart would read.
    pub log_records: u64,
    /// Faults that concern no single row: the log's, the engine's, files set aside.
    pub faults: Vec<String>,
}

impl Report {
    /// Whether nothing is amiss.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged_rows == 0 && self.miscounted.is_empty() && self.faults.is_empty()
    }
}

/// A store of rows; see the module for its rules.
///
/// After [`Error::Poisoned`] the store is to be closed and opened again: what was durable comes
/// back, and a commit whose outcome was [`Category::Unknown`] turns out to have happened or not.
pub trait Store: Send + Sync + fmt::Debug {
    /// Reads one row.
    ///
    /// # Errors
    /// [`Error::Damaged`] if its bytes are not what was written.
    fn get(&self, key: &Key) -> Result<Option<Row>, Error>;

    /// Reads several rows as of one moment, in the order asked.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn snapshot(&self, keys: &[Key]) -> Result<Vec<Option<Row>>, Error>;

    /// Reads the rows of a range as of one moment, at most `limit` and [`SCAN_ROWS_MAX`] of them.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn scan(&self, range: &Range, limit: usize, order: Order) -> Result<Vec<(Key, Row)>, Error>;

    /// Reads the rows of the due table up to and including a moment, earliest first.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn due(&self, until: DueAt, limit: usize) -> Result<Vec<(Key, Row)>, Error> {
        self.scan(&Range::due_until(until), limit, Order::Ascending)
    }

    /// Makes a commit durable, a power cut included, and not yet visible.
    ///
    /// The result must be applied before the next commit; dropping it poisons the store.
    ///
    /// # Errors
    /// [`Error::Conflict`] if a precondition no longer holds, [`Error::Full`] below the floor of
    /// free space, [`Error::CommitSize`]; after these nothing has happened and the next commit
    /// may succeed. [`Error::Misuse`] while the thread still holds a [`Logged`].
    fn log(&self, commit: Commit) -> Result<Logged, Error>;

    /// Makes a durable commit visible.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a [`Logged`] of another store.
    fn apply(&self, logged: Logged) -> Result<Committed, Error>;

    /// Makes a commit durable and visible.
    ///
    /// # Errors
    /// As [`Store::log`].
    fn commit(&self, commit: Commit) -> Result<Committed, Error> {
        self.apply(self.log(commit)?)
    }

    /// Brings everything committed into the base, so that a restart has nothing to do.
    ///
    /// # Errors
    /// [`Error::Poisoned`] if the base refuses.
    fn checkpoint(&self) -> Result<(), Error>;

    /// Tells what the store holds.
    ///
    /// # Errors
    /// [`Error::Io`] if its files cannot be looked at.
    fn stats(&self) -> Result<Stats, Error>;

    /// Walks over everything and checks it.
    ///
    /// # Errors
    /// [`Error::Busy`] if the writer had to wait for it; damage is no error, but in the report.
    fn verify(&self) -> Result<Report, Error>;

    /// Exports all rows as of one moment into a file, while running.
    ///
    /// # Errors
    /// [`Error::Busy`] if the writer had to wait for it, [`Error::Damaged`], [`Error::Io`].
    fn backup(&self, to: &Path) -> Result<Backup, Error>;

    /// Says whether a commit would be taken now, as far as that can be told without making one.
    ///
    /// # Errors
    /// What a commit would be refused with.
    fn is_writable(&self) -> Result<(), Error>;

    /// Bytes free where the store grows.
    ///
    /// # Errors
    /// [`Error::Io`] if the system does not tell.
    fn free_bytes(&self) -> Result<u64, Error>;
}
