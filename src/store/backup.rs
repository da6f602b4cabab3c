//! Backups: one JSON object per row and line, and a last line that proves the file whole.
//!
//! ```text
//! {"table":"journal","key":"0000000000000001","value":"dGV4dA=="}
//! {"backup":1,"rows":1,"sha256":"9c2e.."}
//! ```
//! The sum covers every byte before the last line. Any engine can be restored from it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::disk::{FILE_MODE, sync_folder};
use crate::store::{Commit, Error, Key, Order, Range, Row, Store, Table};

/// Rows read at a time: the engine is asked again between pages.
pub(super) const PAGE_ROWS: usize = 500;

const FORM: u32 = 1;
/// A line holds one row; a log segment, which bounds a value, may not be much larger than this.
const LINE_BYTES_MAX: u64 = 256 << 20;
/// Rows and bytes restored in one commit.
const COMMIT_ROWS: usize = 500;
const COMMIT_BYTES: usize = 4 << 20;

/// What a backup file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Rows of all tables.
    pub rows: u64,
    /// The sum over all lines but the last, as in the file.
    pub sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowLine {
    table: String,
    key: String,
    value: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastLine {
    backup: u32,
    rows: u64,
    sha256: String,
}

/// Writes all rows that `page` returns to a file, which appears only when it is whole.
pub(super) fn write(
    to: &Path,
    mut page: impl FnMut(&Range) -> Result<Vec<(Key, Row)>, Error>,
) -> Result<Backup, Error> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let io = |source| Error::io("write", &partial, source);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(&partial);
    let mut out = Summed { out: BufWriter::new(file.map_err(io)?), sum: Sha256::new(), rows: 0 };
    for table in Table::ALL {
        let mut range = Range::all(*table);
        loop {
            let rows = page(&range)?;
            let Some((last, _)) = rows.last() else { break };
            range = range.after(last);
            rows.iter().try_for_each(|(key, row)| out.row(key, row)).map_err(io)?;
        }
    }
    let backup = out.finish().map_err(io)?;
    std::fs::rename(&partial, to).map_err(|source| Error::io("rename", &partial, source))?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync_folder(folder.unwrap_or_else(|| Path::new(".")))?;
    Ok(backup)
}

struct Summed {
    out: BufWriter<File>,
    sum: Sha256,
    rows: u64,
}

impl Summed {
    fn row(&mut self, key: &Key, row: &Row) -> std::io::Result<()> {
        let line = RowLine {
            table: key.table().name().to_owned(),
            key: hex(key.bytes()),
            value: BASE64.encode(&row.value),
        };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        self.sum.update(&line);
        self.rows += 1;
        self.out.write_all(&line)
    }

    fn finish(mut self) -> std::io::Result<Backup> {
        let backup = Backup { rows: self.rows, sha256: hex(&self.sum.finalize()) };
        let last = LastLine { backup: FORM, rows: backup.rows, sha256: backup.sha256.clone() };
        serde_json::to_writer(&mut self.out, &last)?;
        self.out.write_all(b"\n")?;
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        Ok(backup)
    }
}

/// Restores a backup into an empty store, after checking that the file is whole, and counts.
///
/// # Errors
/// [`Error::NotEmpty`] if the store has rows, [`Error::Backup`] if the file is not whole, in both
/// cases with nothing changed; [`Error::Damaged`] if the store then does not hold what the file
/// does.
pub fn restore(from: &Path, into: &dyn Store) -> Result<Backup, Error> {
    for table in Table::ALL {
        if !into.scan(&Range::all(*table), 1, Order::Ascending)?.is_empty() {
            return Err(Error::NotEmpty { table: table.name() });
        }
    }
    let backup = Lines::open(from)?.check()?;
    let mut lines = Lines::open(from)?;
    let mut commit = Commit::default();
    let mut bytes = 0;
    while let Some(Line::Row(key, value)) = lines.next()? {
        bytes += value.len();
        commit.put(key, value);
        if commit.writes.len() >= COMMIT_ROWS || bytes >= COMMIT_BYTES {
            into.commit(std::mem::take(&mut commit))?;
            bytes = 0;
        }
    }
    into.commit(commit)?;
    into.checkpoint()?;
    let report = into.verify()?;
    let rows = report.tables.values().map(|stats| stats.rows).sum::<u64>();
    if !report.is_sound() || rows != backup.rows {
        return Err(Error::damaged(format!("restored {rows} rows of {}", backup.rows)));
    }
    Ok(backup)
}

enum Line {
    Row(Key, Vec<u8>),
    Last(LastLine),
}

struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::io("open", path, source))?;
        let file = BufReader::with_capacity(1 << 16, file);
        Ok(Self { path: path.to_path_buf(), file, line: Vec::new(), number: 0 })
    }

    /// Reads to the end and compares the last line with what came before it.
    fn check(mut self) -> Result<Backup, Error> {
        let mut sum = Sha256::new();
        let mut rows = 0;
        loop {
            match self.next()? {
                Some(Line::Row(..)) => {
                    rows += 1;
                    sum.update(&self.line);
                }
                Some(Line::Last(last)) => {
                    let sha256 = hex(&sum.finalize());
                    if last.backup != FORM || last.rows != rows || last.sha256 != sha256 {
                        return Err(self.fault("count or sum differ from the rows before"));
                    }
                    if self.next()?.is_some() {
                        return Err(self.fault("something follows the last line"));
                    }
                    return Ok(Backup { rows, sha256 });
                }
                None => return Err(self.fault("the last line is missing: the file was cut")),
            }
        }
    }

    fn next(&mut self) -> Result<Option<Line>, Error> {
        self.line.clear();
        self.number += 1;
        let read = self.file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.line);
        if read.map_err(|source| Error::io("read", &self.path, source))? == 0 {
            return Ok(None);
        }
        if self.line.last() != Some(&b'\n') {
            return Err(self.fault("the line is cut, or too long"));
        }
        if self.line.starts_with(b"{\"backup\"") {
            let last = serde_json::from_slice(&self.line);
            return last.map(|last| Some(Line::Last(last))).map_err(|_| self.fault("no JSON"));
        }
        let Ok(row) = serde_json::from_slice::<RowLine>(&self.line) else {
            return Err(self.fault("not a row"));
        };
        let Some(table) = Table::from_name(&row.table) else {
            return Err(self.fault("a table that this version does not know"));
        };
        let key = unhex(&row.key).and_then(|key| Key::new(table, &key).ok());
        let Some(key) = key else { return Err(self.fault("a key that is none")) };
        let Ok(value) = BASE64.decode(&row.value) else {
            return Err(self.fault("a value that is not base64"));
        };
        Ok(Some(Line::Row(key, value)))
    }

    fn fault(&self, fault: &'static str) -> Error {
        Error::Backup { path: self.path.clone(), line: self.number, fault }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}
