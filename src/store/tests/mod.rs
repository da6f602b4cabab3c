//! A disk that can fail and lose power, and the helpers that all suites use.

mod contract;
mod crash;
mod damage;
mod property;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::store::disk::{Block, Disk, Real, Step};
use crate::store::gate::lock;
use crate::store::{Commit, Embedded, Error, Key, Options, Order, Range, Store, Table};

/// Small enough that a few dozen commits go round all segments.
const SEGMENT_BYTES: u64 = 4096;

fn options(folder: &Path) -> Options {
    Options {
        cache_bytes: 1 << 20,
        log_segment_bytes: SEGMENT_BYTES,
        log_segments: 2,
        free_floor_bytes: 0,
        ..Options::new(folder)
    }
}

fn open(folder: &Path) -> Embedded {
    Embedded::open(options(folder)).unwrap()
}

fn key(text: &str) -> Key {
    Key::new(Table::Appointment, text.as_bytes()).unwrap()
}

fn put(text: &str, value: impl Into<Vec<u8>>) -> Commit {
    let mut commit = Commit::default();
    commit.put(key(text), value);
    commit
}

fn value(store: &dyn Store, text: &str) -> Option<Vec<u8>> {
    store.get(&key(text)).unwrap().map(|row| row.value)
}

/// All rows of a store, by key.
fn contents(store: &dyn Store) -> BTreeMap<Key, Vec<u8>> {
    let scan = |table: &Table| {
        store.scan(&Range::all(*table), usize::MAX, Order::Ascending).unwrap().into_iter()
    };
    Table::ALL.iter().flat_map(scan).map(|(key, row)| (key, row.value)).collect()
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Which base a power cut leaves: as of the last sync, or with all that sled wrote since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Most,
    Least,
}

/// A folder on a disk that fails on schedule and remembers what was synced.
#[derive(Debug)]
struct Lab {
    folder: TempDir,
    disk: Arc<Simulated>,
}

#[derive(Debug, Default)]
struct Simulated(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    synced: BTreeMap<PathBuf, Vec<u8>>,
    /// Per file, the writes since its last sync.
    unsynced: BTreeMap<PathBuf, Vec<(u64, Vec<u8>)>>,
    base: Option<TempDir>,
    fail_write: Option<io::ErrorKind>,
    fail_sync: bool,
    stop_at: Option<Step>,
}

impl Lab {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), disk: Arc::default() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn open(&self) -> Result<Embedded, Error> {
        let disk: Arc<dyn Disk> = Arc::clone(&self.disk) as _;
        Embedded::open_on(disk, options(self.path()))
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.disk.0));
    }

    /// What the disk holds after a power cut now, `torn` bytes of unsynced writes included.
    fn power_cut(&self, loss: Loss, torn: usize) -> Self {
        let after = Self::new();
        let state = lock(&self.disk.0);
        for (path, synced) in &state.synced {
            let mut bytes = synced.clone();
            let mut left = torn;
            for (offset, write) in state.unsynced.get(path).into_iter().flatten() {
                let write = &write[..write.len().min(left)];
                left -= write.len();
                let offset = usize::try_from(*offset).unwrap();
                if offset + write.len() <= bytes.len() {
                    bytes[offset..offset + write.len()].copy_from_slice(write);
                }
            }
            fs::write(after.path().join(path.file_name().unwrap()), bytes).unwrap();
        }
        match loss {
            Loss::Least => copy_tree(&self.path().join("base"), &after.path().join("base")),
            Loss::Most => {
                copy_tree(state.base.as_ref().unwrap().path(), &after.path().join("base"));
            }
        }
        after
    }
}

impl State {
    fn keep_base(&mut self, base: &Path) {
        let kept = tempfile::tempdir().unwrap();
        copy_tree(base, kept.path());
        self.base = Some(kept);
    }
}

impl Disk for Simulated {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Block>> {
        let real = Real.open(path)?;
        let mut state = lock(&self.0);
        state.synced.insert(path.to_path_buf(), real.read()?);
        if path.ends_with("mark") {
            // The base was opened, and so made durable, just before.
            state.keep_base(&path.with_file_name("base"));
        }
        Ok(Box::new(SimulatedBlock { path: path.to_path_buf(), real, state: Arc::clone(&self.0) }))
    }

    fn reached(&self, step: Step, base: &Path) -> Result<(), Error> {
        let mut state = lock(&self.0);
        if step == Step::Mark {
            state.keep_base(base);
        }
        if state.stop_at == Some(step) {
            return Err(Error::Misuse { rule: "the test stops the checkpoint here" });
        }
        Ok(())
    }
}

#[derive(Debug)]
struct SimulatedBlock {
    path: PathBuf,
    real: Box<dyn Block>,
    state: Arc<Mutex<State>>,
}

impl Block for SimulatedBlock {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        let failure = state.fail_write;
        let written = if failure.is_some() { &bytes[..bytes.len() / 2] } else { bytes };
        let unsynced = state.unsynced.entry(self.path.clone()).or_default();
        unsynced.push((offset, written.to_vec()));
        self.real.write_at(written, offset)?;
        failure.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.fail_sync {
            return Err(io::Error::other("sync failed"));
        }
        state.unsynced.remove(&self.path);
        state.synced.insert(self.path.clone(), self.real.read()?);
        Ok(())
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        self.real.read()
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.real.resize(bytes)
    }
}
