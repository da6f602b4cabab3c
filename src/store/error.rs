//! What can go wrong in the store, one variant per cause.
//!
//! Texts name the table, the file and the numbers, never a row's content. Two variants ask for
//! action: after [`Error::Poisoned`] the store is opened again (the log replays what was durable),
//! after [`Error::Damaged`] a backup is restored.

use std::io;
use std::path::{Path, PathBuf};

use crate::category::Category;
use crate::store::Key;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key is longer than the limit.
    #[error("key of {bytes} bytes in table {table} is over the limit of {max}")]
    KeySize {
        /// The table's name.
        table: &'static str,
        /// The key's length.
        bytes: usize,
        /// The longest key allowed.
        max: usize,
    },
    /// A commit does not fit into a log segment.
    #[error("commit of {bytes} bytes is over the limit of {max}")]
    CommitSize {
        /// The size of the commit as a log record.
        bytes: usize,
        /// The largest record allowed.
        max: usize,
    },
    /// A row changed between reading it and committing.
    #[error("row {key} has changed since it was read")]
    Conflict {
        /// The row whose version differs.
        key: Key,
    },
    /// The disk has no room, or less than the floor.
    #[error("disk of {} has {free} bytes free, the floor is {floor}", path.display())]
    Full {
        /// The store's folder, or the file that could not grow.
        path: PathBuf,
        /// Bytes free when looked at; 0 when a write failed for lack of space.
        free: u64,
        /// The configured floor.
        floor: u64,
    },
    /// Another process, or another handle of this one, has the store open.
    #[error("store {} is in use by another process", path.display())]
    Locked {
        /// The store's folder.
        path: PathBuf,
    },
    /// Stored bytes are not what was written.
    #[error("store damaged ({what}{}): restore from backup with `appointd store restore`",
        key.as_ref().map(|key| format!(", row {key}")).unwrap_or_default())]
    Damaged {
        /// What was found damaged.
        what: String,
        /// The row, if it is one.
        key: Option<Key>,
    },
    /// An earlier failure left memory and disk apart; nothing more is committed until a reopen.
    #[error("store takes no commits until it is opened again: {cause}")]
    Poisoned {
        /// The failure that came first.
        cause: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A restore would mix with rows that are there already.
    #[error("the store to restore into already holds rows of table {table}")]
    NotEmpty {
        /// The first table that has rows.
        table: &'static str,
    },
    /// A backup file is cut, changed, or none.
    #[error("backup {} line {line}: {fault}", path.display())]
    Backup {
        /// The backup file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A long read gave way to the writer.
    #[error("{action} gave way to the writer; run it again when less comes in")]
    Busy {
        /// What was being done.
        action: &'static str,
    },
    /// The contract was broken by the caller.
    #[error("store misused: {rule}")]
    Misuse {
        /// The rule that was broken.
        rule: &'static str,
    },
}

impl Error {
    /// Tells what kind of failure this is.
    #[must_use]
    pub const fn category(&self) -> Category {
        match self {
            Self::Backup { .. } => Category::Malformed,
            Self::KeySize { .. } | Self::CommitSize { .. } => Category::Unsupported,
            Self::Conflict { .. } | Self::NotEmpty { .. } => Category::Rejected,
            Self::Full { .. }
            | Self::Locked { .. }
            | Self::Damaged { .. }
            | Self::Poisoned { .. }
            | Self::Busy { .. } => Category::Unavailable,
            // A write or sync that failed may still have reached the disk.
            Self::Io { .. } => Category::Unknown,
            Self::Misuse { .. } => Category::Bug,
        }
    }

    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Self::Full { path: path.to_path_buf(), free: 0, floor: 0 };
        }
        Self::Io { action, path: path.to_path_buf(), source }
    }

    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), key: None }
    }

    pub(super) fn damaged_row(key: Key) -> Self {
        Self::Damaged { what: "checksum".to_owned(), key: Some(key) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Table;

    #[test]
    fn no_patient_data_in_an_error_text() {
        let key = Key::new(Table::Contact, b"+12065550123").unwrap();
        let text = format!("{} {:?}", Error::damaged_row(key.clone()), Error::Conflict { key });
        assert!(!text.contains("555"), "{text}");
        assert!(!text.contains("353535"), "{text}");
        assert!(text.contains("contact"), "{text}");
    }

    #[test]
    fn lack_of_space_is_told_apart_from_other_failures() {
        let full = Error::io("write", Path::new("x"), io::Error::from_raw_os_error(28));
        assert!(matches!(full, Error::Full { .. }));
        assert_eq!(full.category(), Category::Unavailable);
        let other = Error::io("write", Path::new("x"), io::Error::from_raw_os_error(5));
        assert_eq!(other.category(), Category::Unknown);
    }
}
