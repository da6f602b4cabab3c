//! Opening: what the log holds goes into the base, then the log starts anew.
//!
//! Nothing is built on a tail that may be only half on disk: every open ends with a checkpoint and
//! an empty log of a new generation. An open that is interrupted is simply done again.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use crate::store::base::{Base, guarded};
use crate::store::checkpoint::Checkpointer;
use crate::store::disk::{self, Disk};
use crate::store::embedded::Options;
use crate::store::log::{self, Log};
use crate::store::mark::{Mark, MarkFile};
use crate::store::record::Record;
use crate::store::rows::{self, Rows};
use crate::store::{Error, Version};

/// Lengths in the log have four bytes; a segment is also what memory must hold at least twice.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 4096..=1 << 30;

/// A store brought up to date.
pub(super) struct Recovered {
    pub(super) checkpointer: Checkpointer,
    pub(super) log: Log,
    pub(super) mark: Mark,
}

/// Locks the folder against other processes and other handles of this one.
pub(super) fn lock_folder(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let io = |source| Error::io("lock", &path, source);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        rustix::io::Errno::WOULDBLOCK => Error::Locked { path: folder.to_path_buf() },
        other => io(other.into()),
    })?;
    Ok(file)
}

/// Brings the base up to the last durable commit and starts an empty log.
pub(super) fn recover(disk: &Arc<dyn Disk>, options: &Options) -> Result<Recovered, Error> {
    let folder = options.folder.as_path();
    check_sizes(options)?;
    let base = Base::open(&folder.join("base"), options.cache_bytes)?;
    let (file, mark) = MarkFile::open(&**disk, &folder.join("mark"))?;
    let is_mismatch = match &mark {
        Some(mark) => base.stamped()? < mark.sequence,
        None => guarded(|| Ok(base.everything().next().is_some()))?,
    };
    if is_mismatch {
        return Err(Error::damaged("the base and its checkpoint mark do not belong together"));
    }
    let mark = mark.unwrap_or_default();
    let found = log::read(&**disk, folder, mark.generation, mark.sequence)?;
    if let (Some(hole), false) = (found.hole, options.is_salvage) {
        let text = format!("log record {} of up to {}", hole.missing, hole.last_seen);
        return Err(Error::damaged(text));
    }
    let checkpointer = Checkpointer::new(Arc::clone(disk), base, file, mark.clone());
    if mark.is_applying {
        checkpointer.recount()?;
    }
    let mut sequence = mark.sequence;
    if let Some(last) = found.records.last() {
        sequence = last.sequence;
        checkpointer.absorb(&replay(found.records), sequence)?;
    }
    // Sequences seen behind a hole are not given out again.
    sequence = sequence.max(found.hole.map_or(0, |hole| hole.last_seen));
    if found.hole.is_some() {
        log::set_aside(folder, mark.generation)?;
    }
    let generation = getrandom::u64()
        .map_err(|error| Error::io("draw a number for", folder, std::io::Error::other(error)))?;
    checkpointer.begin_generation(generation, sequence)?;
    let count = options.log_segments.max(2);
    let log = Log::create(&**disk, folder, count, options.log_segment_bytes)?;
    disk::sync_tree(folder)?;
    let mark = checkpointer.latest();
    for segment in (0..count).rev().filter(|number| *number != log.current()) {
        checkpointer.add_free(segment);
    }
    Ok(Recovered { checkpointer, log, mark })
}

fn replay(records: Vec<Record>) -> Rows {
    let mut replayed = Rows::new();
    for record in records {
        rows::lay(&mut replayed, Version(record.sequence), record.writes);
    }
    replayed
}

fn check_sizes(options: &Options) -> Result<(), Error> {
    if SEGMENT_BYTES.contains(&options.log_segment_bytes) {
        return Ok(());
    }
    Err(Error::Misuse { rule: "a log segment has 4 KiB to 1 GiB" })
}
