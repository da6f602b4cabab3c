//! The embedded engine: log in front, rows in memory, sled behind.
//!
//! A commit is one record in the log, one write and one sync; then its rows join those in memory.
//! A reader looks there first, then at rows frozen for a checkpoint, then at the base. At open the
//! log is replayed into the base, and written from its start again.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::{fmt, mem};

use rustix::fs::statvfs;

use crate::store::backup::{self, Backup};
use crate::store::base::guarded;
use crate::store::checkpoint::{Checkpointer, Frozen};
use crate::store::disk::{self, Disk, Real};
use crate::store::gate::{Gate, Logged, lock};
use crate::store::log::{self, Log};
use crate::store::mark::Mark;
use crate::store::record;
use crate::store::recovery::{self, Recovered};
use crate::store::rows::{self, Rows, Slot};
use crate::store::{
    Commit, Committed, Error, Key, Order, Range, Report, Row, Stats, Store, Table, TableStats,
    Version, Write,
};

/// Free space is looked at again after this many commits or bytes, so that no clock is needed.
const LOOK_EVERY_COMMITS: u32 = 256;
const LOOK_EVERY_BYTES: u64 = 16 << 20;
/// Versions remembered between reading and committing: more than a batch reads.
const RECENT_MAX: usize = 4096;
/// A buffer that one large commit needed is not kept.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

/// How an [`Embedded`] store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the store; created if it is not there.
    pub folder: PathBuf,
    /// Memory for pages of the base. 64 MiB serve about as many bytes of rows in use; with less
    /// than that a checkpoint costs half as much processor time again.
    pub cache_bytes: u64,
    /// Size of a log segment, and so the bytes of rows kept in memory between checkpoints, and the
    /// largest commit. Twice the size saves a tenth of the processor time of a checkpoint.
    pub log_segment_bytes: u64,
    /// Segments, at least two; with more, a burst waits later for the checkpoint.
    pub log_segments: usize,
    /// Commits are refused with [`Error::Full`] below this many bytes of free space.
    pub free_floor_bytes: u64,
    /// Opens a store whose log is damaged in the middle: keeps what comes before the damage, and
    /// puts the log aside. Without it, opening fails with [`Error::Damaged`].
    pub is_salvage: bool,
}

impl Options {
    /// The defaults for a folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            cache_bytes: 64 << 20,
            log_segment_bytes: 32 << 20,
            log_segments: 3,
            free_floor_bytes: 256 << 20,
            is_salvage: false,
        }
    }
}

/// A store in a folder, for one process.
///
/// Dropping it is like a crash: nothing durable is lost, the next open replays the log.
#[derive(Debug)]
pub struct Embedded {
    core: Arc<Core>,
    worker: Option<JoinHandle<()>>,
}

struct Core {
    options: Options,
    disk: Arc<dyn Disk>,
    gate: Arc<Gate>,
    view: RwLock<View>,
    /// Versions of rows that only the base has; void when the base takes rows from memory.
    recent: Mutex<BTreeMap<Key, Version>>,
    writer: Mutex<Writer>,
    checkpointer: Checkpointer,
    /// Locks the folder until everything above is gone.
    _lock: File,
}

/// The rows that are not yet in the base.
#[derive(Debug, Default)]
struct View {
    active: Rows,
    /// Oldest first.
    frozen: Vec<Arc<Frozen>>,
}

#[derive(Debug)]
struct Writer {
    log: Log,
    generation: u64,
    sequence: u64,
    buffer: Vec<u8>,
    commits_since_look: u32,
    bytes_since_look: u64,
}

impl Embedded {
    /// Opens a store, creating it, and replays its log.
    ///
    /// # Errors
    /// [`Error::Locked`] if it is open elsewhere, [`Error::Damaged`] if it cannot be trusted,
    /// [`Error::Io`].
    pub fn open(options: Options) -> Result<Self, Error> {
        Self::open_on(Arc::new(Real), options)
    }

    pub(super) fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<Self, Error> {
        disk::create_folder(&options.folder)?;
        let lock = recovery::lock_folder(&options.folder)?;
        let Recovered { checkpointer, log, mark } = recovery::recover(&disk, &options)?;
        let writer = Writer {
            log,
            generation: mark.generation,
            sequence: mark.sequence,
            buffer: Vec::new(),
            // The first commit looks.
            commits_since_look: LOOK_EVERY_COMMITS,
            bytes_since_look: 0,
        };
        let core = Arc::new(Core {
            options,
            disk,
            gate: Arc::default(),
            view: RwLock::default(),
            recent: Mutex::default(),
            writer: Mutex::new(writer),
            checkpointer,
            _lock: lock,
        });
        let worker = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn({
                let core = Arc::clone(&core);
                move || core.checkpointer.run(&core.gate, || core.forget_oldest())
            })
            .map_err(|source| Error::io("start a thread for", &core.options.folder, source))?;
        Ok(Self { core, worker: Some(worker) })
    }

    /// Brings everything into the base and takes no further commit.
    ///
    /// # Errors
    /// [`Error::Poisoned`] if the base refuses; nothing durable is lost by that.
    pub fn close(&self) -> Result<(), Error> {
        self.checkpoint()?;
        self.core.gate.poison("it was closed");
        Ok(())
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.core.checkpointer.stop();
        if let Some(Err(_panic)) = self.worker.take().map(JoinHandle::join) {
            tracing::error!("Checkpoint thread of the store panicked");
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("folder", &self.options.folder).finish_non_exhaustive()
    }
}

impl Core {
    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_oldest(&self) {
        let oldest = {
            let frozen = &mut self.view_mut().frozen;
            lock(&self.recent).clear();
            (!frozen.is_empty()).then(|| frozen.remove(0))
        };
        // Freeing many rows takes a while: not under the lock.
        drop(oldest);
    }

    fn read(&self, view: &View, key: &Key) -> Result<Option<Row>, Error> {
        view.slot(key).map_or_else(|| self.checkpointer.base.get(key), |slot| Ok(slot.row()))
    }

    /// Reads a row and remembers its version in the base, for the commit that will ask for it.
    fn read_for_decision(&self, view: &View, key: &Key) -> Result<Option<Row>, Error> {
        if let Some(slot) = view.slot(key) {
            return Ok(slot.row());
        }
        let row = self.checkpointer.base.get(key)?;
        let mut recent = lock(&self.recent);
        if recent.len() >= RECENT_MAX {
            recent.clear();
        }
        recent.insert(key.clone(), Version::of(row.as_ref()));
        Ok(row)
    }

    fn check_versions(&self, preconditions: Vec<(Key, Version)>) -> Result<(), Error> {
        let view = self.view();
        for (key, version) in preconditions {
            let found = match view.slot(&key) {
                Some(Slot { value: None, .. }) => Version::ABSENT,
                Some(Slot { version, .. }) => *version,
                None => {
                    let recent = lock(&self.recent).get(&key).copied();
                    recent.map_or_else(|| self.checkpointer.base.version(&key), Ok)?
                }
            };
            if found != version {
                return Err(Error::Conflict { key });
            }
        }
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, Error> {
        let stat = statvfs(&self.options.folder)
            .map_err(|error| Error::io("look at", &self.options.folder, error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Looks at the free space now and then, and at each commit while there is too little.
    fn check_space(&self, writer: &mut Writer) -> Result<(), Error> {
        if writer.commits_since_look < LOOK_EVERY_COMMITS
            && writer.bytes_since_look < LOOK_EVERY_BYTES
        {
            return Ok(());
        }
        let (free, floor) = (self.free_bytes()?, self.options.free_floor_bytes);
        if free < floor {
            return Err(Error::Full { path: self.options.folder.clone(), free, floor });
        }
        (writer.commits_since_look, writer.bytes_since_look) = (0, 0);
        Ok(())
    }

    /// Freezes the rows in memory for a checkpoint and goes on in another segment.
    fn rotate(&self, writer: &mut Writer) -> Result<(), Error> {
        let next = self.checkpointer.take_free(&self.gate)?;
        let frozen = {
            let mut view = self.view_mut();
            let frozen = Arc::new(Frozen {
                rows: mem::take(&mut view.active),
                last_sequence: writer.sequence,
                segment: writer.log.current(),
            });
            view.frozen.push(Arc::clone(&frozen));
            frozen
        };
        self.checkpointer.push(frozen);
        writer.log.switch(next);
        Ok(())
    }

    fn append(&self, writer: &mut Writer, writes: &[Write]) -> Result<Version, Error> {
        let sequence = writer.sequence + 1;
        writer.buffer.shrink_to(BUFFER_KEPT_BYTES);
        record::encode(writer.generation, sequence, writes, &mut writer.buffer);
        writer.log.append(&writer.buffer).map_err(|failed| match failed {
            // The next record is written over this one.
            log::Failed::Write(error) => error,
            log::Failed::Sync(error) => {
                self.gate.poison("a sync of the log failed");
                error
            }
        })?;
        writer.sequence = sequence;
        writer.commits_since_look += 1;
        writer.bytes_since_look += writer.buffer.len() as u64;
        Ok(Version(sequence))
    }
}

impl View {
    /// The latest change of a row that the base does not have yet.
    fn slot(&self, key: &Key) -> Option<&Slot> {
        let frozen = || self.frozen.iter().rev().find_map(|frozen| frozen.rows.get(key));
        self.active.get(key).or_else(frozen)
    }

    fn rows(&self) -> u64 {
        let frozen = self.frozen.iter().map(|frozen| frozen.rows.len()).sum::<usize>();
        (self.active.len() + frozen) as u64
    }
}

impl Store for Embedded {
    fn get(&self, key: &Key) -> Result<Option<Row>, Error> {
        self.core.read(&self.core.view(), key)
    }

    fn snapshot(&self, keys: &[Key]) -> Result<Vec<Option<Row>>, Error> {
        let view = self.core.view();
        keys.iter().map(|key| self.core.read_for_decision(&view, key)).collect()
    }

    fn scan(&self, range: &Range, limit: usize, order: Order) -> Result<Vec<(Key, Row)>, Error> {
        let view = self.core.view();
        guarded(|| {
            let mut layers = vec![rows::layer(&view.active, range, order)];
            let frozen = view.frozen.iter().rev();
            layers.extend(frozen.map(|frozen| rows::layer(&frozen.rows, range, order)));
            layers.push(self.core.checkpointer.base.layer(range, order));
            rows::merge(layers, limit, order)
        })
    }

    fn log(&self, commit: Commit) -> Result<Logged, Error> {
        let core = &self.core;
        let ticket = core.gate.enter()?;
        let mut writer = lock(&core.writer);
        core.check_versions(commit.preconditions)?;
        if commit.writes.is_empty() {
            return Ok(Logged::new(ticket, Version(writer.sequence), commit.writes));
        }
        let bytes = record::encoded_bytes(&commit.writes);
        let max = usize::try_from(core.options.log_segment_bytes).unwrap_or(usize::MAX);
        if bytes > max {
            return Err(Error::CommitSize { bytes, max });
        }
        core.check_space(&mut writer)?;
        if !writer.log.has_room(bytes) {
            core.rotate(&mut writer)?;
        }
        let written = writer.log.offset();
        core.checkpointer.pace(&core.gate, written, core.options.log_segment_bytes)?;
        let version = core.append(&mut writer, &commit.writes)?;
        Ok(Logged::new(ticket, version, commit.writes))
    }

    fn apply(&self, logged: Logged) -> Result<Committed, Error> {
        let version = logged.version;
        let (writes, turn) = logged.take(&self.core.gate)?;
        rows::lay(&mut self.core.view_mut().active, version, writes);
        drop(turn);
        Ok(Committed { version })
    }

    fn checkpoint(&self) -> Result<(), Error> {
        let turn = self.core.gate.enter()?;
        {
            let mut writer = lock(&self.core.writer);
            if writer.log.offset() > 0 {
                self.core.rotate(&mut writer)?;
            }
        }
        drop(turn);
        self.core.checkpointer.drain(&self.core.gate)
    }

    fn stats(&self) -> Result<Stats, Error> {
        let mark = self.core.checkpointer.latest();
        let pending_rows = self.core.view().rows();
        let disk_bytes = disk::folder_bytes(&self.core.options.folder)?;
        let writer = lock(&self.core.writer);
        Ok(Stats {
            tables: mark.tables,
            pending_rows,
            disk_bytes,
            sequence: writer.sequence,
            checkpoint_sequence: mark.sequence,
            log_bytes: writer.log.offset(),
        })
    }

    fn verify(&self) -> Result<Report, Error> {
        self.checkpoint()?;
        let marked = lock(&self.core.checkpointer.marked);
        let mut report = Report::default();
        match self.core.checkpointer.survey() {
            Ok(survey) => {
                report.damaged_rows = survey.damaged_rows;
                report.damaged_keys = survey.damaged_keys;
                report.tables = survey.tables;
            }
            Err(busy @ Error::Busy { .. }) => return Err(busy),
            Err(error) => report.faults.push(error.to_string()),
        }
        compare(&marked.mark, &mut report);
        // The writer may be waiting for a checkpoint, and that for this lock.
        drop(marked);
        let folder = &self.core.options.folder;
        report
            .faults
            .extend(log::damaged(folder)?.into_iter().map(|name| format!("{name} is kept aside")));
        // The writer stands still meanwhile: a record half written is no hole.
        let _writer = lock(&self.core.writer);
        let mark = self.core.checkpointer.latest();
        let found = log::read(&*self.core.disk, folder, mark.generation, mark.sequence)?;
        report.log_records = found.records.len() as u64;
        if let Some(hole) = found.hole {
            report.faults.push(format!("log record {} is damaged", hole.missing));
        }
        Ok(report)
    }

    fn backup(&self, to: &Path) -> Result<Backup, Error> {
        self.checkpoint()?;
        let checkpointer = &self.core.checkpointer;
        let _unchanging = lock(&checkpointer.marked);
        backup::write(to, |range| {
            checkpointer.give_way("backup")?;
            let page = || vec![checkpointer.base.layer(range, Order::Ascending)];
            guarded(|| rows::merge(page(), backup::PAGE_ROWS, Order::Ascending))
        })
    }

    fn is_writable(&self) -> Result<(), Error> {
        self.core.gate.check()?;
        let (free, floor) = (self.core.free_bytes()?, self.core.options.free_floor_bytes);
        if free < floor {
            return Err(Error::Full { path: self.core.options.folder.clone(), free, floor });
        }
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, Error> {
        self.core.free_bytes()
    }
}

/// Notes the tables that have more or fewer rows than were committed.
fn compare(mark: &Mark, report: &mut Report) {
    for table in Table::ALL {
        let rows = |tables: &BTreeMap<_, TableStats>| {
            tables.get(table).map_or(0, |stats: &TableStats| stats.rows)
        };
        let (expected, found) = (rows(&mark.tables), rows(&report.tables));
        if expected != found {
            report.miscounted.insert(*table, (expected, found));
        }
    }
}
