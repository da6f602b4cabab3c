//! The few file operations on which durability rests, so that tests can make them fail.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use crate::store::Error;

/// Only the daemon's user may read patient data.
pub(super) const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// The steps of a checkpoint, each a place where power may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The mark does not yet say that the base is being changed.
    Begin,
    /// The base is about to be changed.
    Apply,
    /// Half of the rows are in the base.
    HalfApplied,
    /// All rows are handed to the base.
    Settle,
    /// The base is durable.
    Mark,
    /// The mark is durable.
    Done,
}

/// Opens the files of log and mark.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Opens a file for reading and writing, creating it.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Block>>;

    /// Is told how far a checkpoint is; an error ends it there.
    fn reached(&self, _step: Step, _base: &Path) -> Result<(), Error> {
        Ok(())
    }
}

/// An open file that is read whole and written in place.
pub(super) trait Block: fmt::Debug + Send + Sync {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns when all that was written would survive a power cut.
    fn sync(&self) -> io::Result<()>;
    fn read(&self) -> io::Result<Vec<u8>>;
    fn resize(&self, bytes: u64) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug)]
pub(super) struct Real;

impl Disk for Real {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Block>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path)?;
        Ok(Box::new(file))
    }
}

impl Block for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let len = usize::try_from(self.metadata()?.len()).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}

/// Gives a file real blocks full of zeros: writing over them later needs no change of metadata,
/// which saves a third of each sync.
pub(super) fn fill(block: &dyn Block, bytes: u64) -> io::Result<()> {
    block.resize(0)?;
    let mut offset = 0;
    while offset < bytes {
        let len = (bytes - offset).min(ZEROS.len() as u64);
        let zeros = usize::try_from(len).ok().and_then(|len| ZEROS.get(..len));
        block.write_at(zeros.unwrap_or_default(), offset)?;
        offset += len;
    }
    block.sync()
}

/// Creates a folder and those above it, readable by this user only.
pub(super) fn create_folder(path: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
        .map_err(|source| Error::io("create", path, source))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| Error::io("sync", path, source))
}

/// Makes a folder, all in it and its name durable.
pub(super) fn sync_tree(path: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(path).map_err(|source| Error::io("list", path, source))? {
        let entry = entry.map_err(|source| Error::io("list", path, source))?.path();
        if entry.is_dir() {
            sync_tree(&entry)?;
        } else {
            sync_folder(&entry)?;
        }
    }
    sync_folder(path)?;
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
}

/// Adds up the bytes of all files under a folder.
pub(super) fn folder_bytes(path: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).map_err(|source| Error::io("list", path, source))? {
        let entry = entry.map_err(|source| Error::io("list", path, source))?;
        // A file may go while we look: the base removes what it no longer needs.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
