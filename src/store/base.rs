//! sled, kept at arm's length: every call that can panic goes through one boundary, every value
//! carries a checksum, and what sled calls flushed is made durable.
//!
//! sled 0.34 calls `sync_file_range` where it means fsync, and overwrites parts of its file once
//! their rows are "stable" elsewhere in it. So its files get the file system's synchronous flag:
//! each of its writes is then on disk before sled builds on it. Where there is no such flag (tmpfs)
//! the sync at each checkpoint remains.

use std::borrow::Cow;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use crate::store::disk::{create_folder, sync_folder, sync_tree};
use crate::store::gate::lock;
use crate::store::record;
use crate::store::rows::{Entry, Found, Layer, Slot};
use crate::store::{Error, Key, Order, Range, Row, Version};

/// sled gives its file's lock back a moment after it is dropped, from its own threads.
const LOCK_ATTEMPTS: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A page over a quarter of this becomes a file of its own, and a page holds up to 16 rows: with
/// sled's 512 KiB that happens to ordinary messages of 8 KB. Measured with 2 MiB: a tenth less
/// processor time and disk. It cannot change once a store exists.
const SEGMENT_BYTES: usize = 2 << 20;

/// Sorts before every table.
const STAMP_KEY: &[u8] = b"\0stamp";
const FIRST_TABLE_KEY: &[u8] = b"\x01";

/// The rows on disk.
#[derive(Debug)]
pub(super) struct Base {
    db: sled::Db,
    /// sled's own file, through a handle of ours, for syncing.
    file: File,
    folder: PathBuf,
    /// The highest number of a blob file that is known to be durable.
    blobs_synced: Mutex<u64>,
}

impl Base {
    /// Opens the base, creating it.
    pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, Error> {
        create_folder(&folder.join("blobs"))?;
        remove_unfinished_snapshots(folder)?;
        make_synchronous(folder);
        make_synchronous(&folder.join("blobs"));
        let db = open_sled(folder, cache_bytes)?;
        let path = folder.join("db");
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|source| Error::io("open", &path, source))?;
        make_synchronous(&path);
        sync_tree(folder)?;
        Ok(Self { db, file, folder: folder.to_path_buf(), blobs_synced: Mutex::new(0) })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads one row.
    pub(super) fn get(&self, key: &Key) -> Result<Option<Row>, Error> {
        let Some(stored) = guarded(|| self.db.get(key.stored()).map_err(failed))? else {
            return Ok(None);
        };
        let (version, value) = record::unseal(key, &stored)?;
        Ok(Some(Row { version, value: value.to_vec() }))
    }

    /// Reads the version of one row.
    pub(super) fn version(&self, key: &Key) -> Result<Version, Error> {
        let stored = guarded(|| self.db.get(key.stored()).map_err(failed))?;
        stored.map_or(Ok(Version::ABSENT), |stored| Ok(record::unseal(key, &stored)?.0))
    }

    /// Reads the rows of a range, sealed; to be drained inside [`guarded`].
    pub(super) fn layer<'a>(&self, range: &Range, order: Order) -> Layer<'a> {
        let Some(bounds) = range.bounds() else { return Box::new(std::iter::empty()) };
        let found = self.db.range::<&[u8], _>(bounds).map(entry);
        match order {
            Order::Ascending => Box::new(found),
            Order::Descending => Box::new(found.rev()),
        }
    }

    /// Reads everything, whatever its keys; to be drained inside [`guarded`].
    pub(super) fn everything(&self) -> Layer<'static> {
        Box::new(self.db.range(FIRST_TABLE_KEY..).map(entry))
    }

    /// Notes up to which commit the base holds everything; the last thing before it is settled.
    pub(super) fn stamp(&self, sequence: u64) -> Result<(), Error> {
        self.db.insert(STAMP_KEY, &sequence.to_be_bytes()).map_err(failed)?;
        Ok(())
    }

    /// The last commit noted; 0 in a new base.
    ///
    /// sled takes damaged bytes at the end of its file for a torn write and opens without them: then
    /// the stamp is older than the mark.
    pub(super) fn stamped(&self) -> Result<u64, Error> {
        let stored = guarded(|| self.db.get(STAMP_KEY).map_err(failed))?;
        let sequence = stored.map_or(Some(0), |stored| {
            stored.first_chunk().map(|sequence| u64::from_be_bytes(*sequence))
        });
        sequence.ok_or_else(|| Error::damaged("the stamp of the base"))
    }

    /// Puts or deletes a row without making it durable; returns the length of the value before.
    pub(super) fn change(
        &self,
        key: &Key,
        slot: &Slot,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<usize>, Error> {
        let before = match &slot.value {
            Some(value) => {
                record::seal(key, slot.version, value, scratch);
                self.db.insert(key.stored(), scratch.as_slice())
            }
            None => self.db.remove(key.stored()),
        };
        let before = before.map_err(failed)?;
        Ok(before.map(|stored| stored.len().saturating_sub(record::ENVELOPE_BYTES)))
    }

    /// Makes all changes durable.
    pub(super) fn settle(&self) -> Result<(), Error> {
        guarded(|| self.db.flush().map_err(failed))?;
        let path = self.folder.join("db");
        self.file.sync_data().map_err(|source| Error::io("sync", &path, source))?;
        self.settle_blobs()
    }

    /// sled keeps pages over a quarter of a segment in files of their own, with rising numbers for names, and
    /// does not sync them.
    fn settle_blobs(&self) -> Result<(), Error> {
        let folder = self.folder.join("blobs");
        let io = |source| Error::io("list", &folder, source);
        let mut synced = lock(&self.blobs_synced);
        let mut last = *synced;
        for entry in std::fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
            let Some(number) = number.filter(|number| *number > *synced) else { continue };
            // One that is gone by now was replaced by a later one.
            if let Ok(file) = File::open(&path) {
                file.sync_all().map_err(|source| Error::io("sync", &path, source))?;
            }
            last = last.max(number);
        }
        *synced = last;
        sync_folder(&folder)
    }
}

/// Calls into sled: a panic there means that it met bytes which it did not write.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_panic| {
        Err(Error::damaged("the engine stopped at bytes that it did not write"))
    })
}

fn entry<'a>(found: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Entry<'a>, Error> {
    let (key, value) = found.map_err(failed)?;
    Ok(Entry { key: Cow::Owned(key.to_vec()), found: Found::Sealed(value) })
}

fn failed(error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) => Error::io("use", Path::new("base/db"), source),
        other @ (sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::Corruption { .. }) => Error::damaged(other.to_string()),
    }
}

fn open_sled(folder: &Path, cache_bytes: u64) -> Result<sled::Db, Error> {
    let (_never_sends, pause) = mpsc::channel::<()>();
    let mut attempt = 0;
    loop {
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::LowSpace)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None);
        let opened = guarded(|| Ok(config.open()))?;
        attempt += 1;
        match opened {
            Err(sled::Error::Io(error))
                if attempt < LOCK_ATTEMPTS && error.to_string().contains("acquire lock") =>
            {
                let _time_is_up = pause.recv_timeout(LOCK_PAUSE);
            }
            opened => return opened.map_err(failed),
        }
    }
}

/// A crash while sled wrote a snapshot leaves it unfinished, and sled would then not open.
fn remove_unfinished_snapshots(folder: &Path) -> Result<(), Error> {
    let io = |source| Error::io("list", folder, source);
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            std::fs::remove_file(&path).map_err(|source| Error::io("remove", &path, source))?;
        }
    }
    Ok(())
}

/// Sets the flag that files created in the folder inherit.
fn make_synchronous(path: &Path) {
    // Not every file system has the flag; see the module for what remains then.
    let _unsupported = File::open(path).ok().map(|file| {
        ioctl_getflags(&file).and_then(|flags| ioctl_setflags(&file, flags | IFlags::SYNC))
    });
}
