//! The write-ahead log: segments of fixed size, each commit one record, one write and one sync.
//!
//! Records count up without a gap across segments. A segment is written from its start again once
//! the base holds its commits, and at each open: so a record that counts carries the generation of
//! this opening and continues the one before. The first that does not ends the log. That is normal
//! for the one being written when the power failed; if later records follow, one in the middle is
//! damaged, and going on without it would lose what was acknowledged.

use std::path::{Path, PathBuf};

use crate::store::Error;
use crate::store::disk::{Block, Disk, fill, sync_folder};
use crate::store::record::{self, Record};

/// The log's files, one of them being written.
#[derive(Debug)]
pub(super) struct Log {
    segments: Vec<Segment>,
    segment_bytes: u64,
    current: usize,
    offset: u64,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    block: Box<dyn Block>,
}

/// What a log held when it was read.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Records, in order, that continue the checkpoint without a gap.
    pub(super) records: Vec<Record>,
    /// Set if records are missing or damaged in the middle.
    pub(super) hole: Option<Hole>,
}

/// A record that is missing although later ones are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    /// The first missing commit.
    pub(super) missing: u64,
    /// The last commit seen behind it.
    pub(super) last_seen: u64,
}

impl Log {
    /// Prepares `count` empty segments; what they held must be in the base.
    pub(super) fn create(
        disk: &dyn Disk,
        folder: &Path,
        count: usize,
        segment_bytes: u64,
    ) -> Result<Self, Error> {
        for path in existing(folder)?.into_iter().skip(count) {
            std::fs::remove_file(&path).map_err(|source| Error::io("remove", &path, source))?;
        }
        let mut segments = Vec::new();
        for number in 0..count {
            let path = path(folder, number);
            let io = |source| Error::io("open", &path, source);
            let block = disk.open(&path).map_err(io)?;
            // The length shows whether an earlier preparation came to its end.
            if std::fs::metadata(&path).map_err(io)?.len() != segment_bytes {
                fill(&*block, segment_bytes).map_err(io)?;
            }
            segments.push(Segment { path, block });
        }
        sync_folder(folder)?;
        Ok(Self { segments, segment_bytes, current: 0, offset: 0 })
    }

    /// The segment being written.
    pub(super) const fn current(&self) -> usize {
        self.current
    }

    /// Bytes written to the current segment.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether a record of this size has room in the current segment.
    pub(super) const fn has_room(&self, bytes: usize) -> bool {
        self.offset + bytes as u64 <= self.segment_bytes
    }

    /// Goes on at the start of another segment, one that the base holds.
    pub(super) const fn switch(&mut self, segment: usize) {
        self.current = segment;
        self.offset = 0;
    }

    /// Makes a record durable.
    pub(super) fn append(&mut self, record: &[u8]) -> Result<(), Failed> {
        let Some(segment) = self.segments.get(self.current) else {
            return Err(Failed::Write(Error::Misuse { rule: "the log has a current segment" }));
        };
        let io = |source| Error::io("write", &segment.path, source);
        segment.block.write_at(record, self.offset).map_err(|e| Failed::Write(io(e)))?;
        segment.block.sync().map_err(|e| Failed::Sync(io(e)))?;
        self.offset += record.len() as u64;
        Ok(())
    }
}

/// Where an append stopped.
#[derive(Debug)]
pub(super) enum Failed {
    /// The record is not whole on disk.
    Write(Error),
    /// The record may or may not be on disk, and a later sync would not tell.
    Sync(Error),
}

fn path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("log-{number}"))
}

/// The segments there are, by number.
fn existing(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for number in 0.. {
        let path = path(folder, number);
        if !path.try_exists().map_err(|source| Error::io("look at", &path, source))? {
            break;
        }
        paths.push(path);
    }
    Ok(paths)
}

/// Puts the segments out of the way under another name, so that damage can be looked into.
pub(super) fn set_aside(folder: &Path, generation: u64) -> Result<(), Error> {
    for path in existing(folder)? {
        let aside = path.with_extension(format!("{generation:016x}.damaged"));
        std::fs::rename(&path, &aside).map_err(|source| Error::io("rename", &path, source))?;
    }
    sync_folder(folder)
}

/// The segments that were set aside earlier.
pub(super) fn damaged(folder: &Path) -> Result<Vec<String>, Error> {
    let io = |source| Error::io("list", folder, source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let name = entry.map_err(io)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".damaged") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Reads the records of a generation that continue a checkpoint.
pub(super) fn read(
    disk: &dyn Disk,
    folder: &Path,
    generation: u64,
    checkpoint: u64,
) -> Result<Found, Error> {
    let mut stretches = Vec::new();
    let mut last_seen = checkpoint;
    for path in existing(folder)? {
        let io = |source| Error::io("read", &path, source);
        let bytes = disk.open(&path).and_then(|block| block.read()).map_err(io)?;
        let stretch = walk(generation, checkpoint, &bytes)?;
        last_seen = last_seen.max(stretch.last_seen);
        stretches.push(stretch);
    }
    stretches.retain(|stretch| !stretch.records.is_empty());
    stretches.sort_by_key(|stretch| stretch.records.first().map(|record| record.sequence));
    let mut found = Found::default();
    let mut next = checkpoint + 1;
    for stretch in stretches {
        for record in stretch.records {
            if record.sequence == next {
                next += 1;
                found.records.push(record);
            }
        }
    }
    if last_seen >= next {
        found.hole = Some(Hole { missing: next, last_seen });
    }
    Ok(found)
}

/// The records from a segment's start, and the last one seen anywhere in it.
#[derive(Debug, Default)]
struct Stretch {
    records: Vec<Record>,
    last_seen: u64,
}

fn walk(generation: u64, checkpoint: u64, segment: &[u8]) -> Result<Stretch, Error> {
    let mut stretch = Stretch::default();
    let mut rest = segment;
    while let Some(framed) = record::frame(generation, rest) {
        // A record of an earlier turn of this generation: the end, not a continuation.
        if framed.sequence <= stretch.last_seen {
            break;
        }
        if framed.sequence > checkpoint {
            stretch.records.push(framed.decode()?);
        }
        stretch.last_seen = framed.sequence;
        rest = rest.get(framed.bytes..).unwrap_or_default();
    }
    // What follows counts only as evidence: inside a torn record there may be anything.
    for at in memchr::memmem::find_iter(rest, &record::MAGIC) {
        let framed = rest.get(at..).and_then(|rest| record::frame(generation, rest));
        stretch.last_seen = stretch.last_seen.max(framed.map_or(0, |framed| framed.sequence));
    }
    Ok(stretch)
}
