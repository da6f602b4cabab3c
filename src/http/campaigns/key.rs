//! The key that gives recipients their numbers in anonymous exports.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crate::outreach::responses::Key;

/// The file in the store's folder, which backups leave out: who has a backup cannot tell from a number
/// who it is.
const FILE: &str = "outreach.key";

/// Reads the key of a store's folder, and makes it at the first time; without a folder it is one that
/// nobody sees again.
///
/// # Errors
/// If it can be neither read nor made.
pub fn key(folder: Option<&Path>) -> io::Result<Key> {
    let mut bytes = [0_u8; 32];
    let Some(path) = folder.map(|folder| folder.join(FILE)) else {
        getrandom::fill(&mut bytes).map_err(|_| io::ErrorKind::Unsupported)?;
        return Ok(Key::new(bytes));
    };
    match File::open(&path) {
        Ok(mut file) => file.read_exact(&mut bytes)?,
        Err(refusal) if refusal.kind() == io::ErrorKind::NotFound => {
            getrandom::fill(&mut bytes).map_err(|_| io::ErrorKind::Unsupported)?;
            // Whole or not at all: a key cut short would be another at the next start.
            let folder = path.parent().unwrap_or_else(|| Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            if file.persist_noclobber(&path).is_err() {
                // Another has made it in between.
                File::open(&path)?.read_exact(&mut bytes)?;
            }
        }
        Err(refusal) => return Err(refusal),
    }
    Ok(Key::new(bytes))
}
