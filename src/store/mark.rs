//! The checkpoint mark: up to which commit the base holds everything.
//!
//! Two slots in one file are written in turn, so a torn write leaves the older mark. The mark also
//! holds the row counts of the base, by which rows that vanish silently are noticed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::store::disk::{Block, Disk, fill};
use crate::store::{Error, Table, TableStats};

/// A slot never shares a disk block with the other.
const SLOT_BYTES: u64 = 4096;
const MAGIC: [u8; 4] = *b"ApM1";

/// What the base held at the last checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Of two marks the one written later.
    pub(super) number: u64,
    /// Log records of another generation are left-overs; unguessable, new at each open.
    pub(super) generation: u64,
    /// The last commit that the base holds.
    pub(super) sequence: u64,
    /// Whether the base is being changed, so that the counts may be behind it.
    pub(super) is_applying: bool,
    /// Rows and bytes in the base.
    pub(super) tables: BTreeMap<Table, TableStats>,
}

/// The mark's file.
#[derive(Debug)]
pub(super) struct MarkFile {
    path: PathBuf,
    block: Box<dyn Block>,
}

impl MarkFile {
    /// Opens the file and reads the mark; `None` if there is none yet, or none that is sound.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<(Self, Option<Mark>), Error> {
        let io = |source| Error::io("open", path, source);
        let block = disk.open(path).map_err(io)?;
        let bytes = block.read().map_err(io)?;
        if bytes.len() as u64 != 2 * SLOT_BYTES {
            fill(&*block, 2 * SLOT_BYTES).map_err(io)?;
        }
        let slots = bytes.chunks(usize::try_from(SLOT_BYTES).unwrap_or(usize::MAX));
        let mark = slots.filter_map(decode).max_by_key(|mark| mark.number);
        Ok((Self { path: path.to_path_buf(), block }, mark))
    }

    /// Makes a mark durable; it takes the number after the one before.
    pub(super) fn write(&self, mark: &mut Mark) -> Result<(), Error> {
        mark.number += 1;
        self.block
            .write_at(&encode(mark), mark.number % 2 * SLOT_BYTES)
            .and_then(|()| self.block.sync())
            .map_err(|source| Error::io("write", &self.path, source))
    }
}

fn encode(mark: &Mark) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&mark.number.to_le_bytes());
    bytes.extend_from_slice(&mark.generation.to_le_bytes());
    bytes.extend_from_slice(&mark.sequence.to_le_bytes());
    bytes.push(u8::from(mark.is_applying));
    // Fewer tables than letters.
    bytes.push(u8::try_from(mark.tables.len()).unwrap_or(u8::MAX));
    for (table, stats) in &mark.tables {
        bytes.push(table.byte());
        bytes.extend_from_slice(&stats.rows.to_le_bytes());
        bytes.extend_from_slice(&stats.bytes.to_le_bytes());
    }
    let checksum = crc32fast::hash(bytes.get(8..).unwrap_or_default());
    bytes.iter_mut().skip(4).zip(checksum.to_le_bytes()).for_each(|(to, from)| *to = from);
    bytes
}

fn decode(slot: &[u8]) -> Option<Mark> {
    let (magic, rest) = slot.split_first_chunk::<4>()?;
    let (checksum, body) = rest.split_first_chunk::<4>()?;
    let mut rest = body;
    let mut mark = Mark {
        number: take(&mut rest)?,
        generation: take(&mut rest)?,
        sequence: take(&mut rest)?,
        is_applying: *rest.split_off_first()? != 0,
        tables: BTreeMap::new(),
    };
    for _ in 0..*rest.split_off_first()? {
        let table = Table::from_byte(*rest.split_off_first()?)?;
        let stats = TableStats { rows: take(&mut rest)?, bytes: take(&mut rest)? };
        mark.tables.insert(table, stats);
    }
    let summed = body.get(..body.len() - rest.len())?;
    let is_sound = *magic == MAGIC && u32::from_le_bytes(*checksum) == crc32fast::hash(summed);
    is_sound.then_some(mark)
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let (number, tail) = rest.split_first_chunk::<8>()?;
    *rest = tail;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::Real;

    fn mark(sequence: u64) -> Mark {
        let tables = Table::ALL.iter().map(|t| (*t, TableStats { rows: sequence, bytes: 9 }));
        Mark { sequence, generation: 5, tables: tables.collect(), ..Mark::default() }
    }

    #[test]
    fn the_latest_mark_counts_and_a_torn_one_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        let (file, none) = MarkFile::open(&Real, &path).unwrap();
        assert_eq!(none, None);
        let mut written = mark(1);
        file.write(&mut written).unwrap();
        written.sequence = 2;
        file.write(&mut written).unwrap();
        assert_eq!(MarkFile::open(&Real, &path).unwrap().1, Some(written.clone()));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(MarkFile::open(&Real, &path).unwrap().1.unwrap().sequence, 1);
    }

    #[test]
    fn a_mark_cut_or_flipped_anywhere_is_none() {
        let sound = encode(&mark(7));
        assert_eq!(decode(&sound), Some(mark(7)));
        for at in 0..sound.len() {
            assert_eq!(decode(&sound[..at]), None);
            let mut flipped = sound.clone();
            flipped[at] ^= 0x40;
            assert_eq!(decode(&flipped), None, "flipped at {at}");
        }
    }
}
