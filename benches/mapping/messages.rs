//! What is read: the invented messages of this project, and foreign ones where they are at hand.

use std::fs;
use std::path::Path;

use appointd::hl7::{Message, batch, charset};

use crate::Failure;

/// Payloads and what the bare parser gets of them.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) payloads: Vec<Payload>,
}

/// One message.
pub(crate) struct Payload {
    pub(crate) bytes: Vec<u8>,
    pub(crate) text: String,
}

/// The sets that are there.
pub(crate) fn sets() -> Result<Vec<Set>, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sets = vec![set("fixtures", &root.join("fixtures/hl7"))?];
    let foreign = root.join("../shared/corpus/hl7");
    if foreign.is_dir() {
        sets.push(set("foreign", &foreign)?);
    }
    Ok(sets)
}

impl Set {
    /// The mean length of a message.
    pub(crate) fn mean_bytes(&self) -> usize {
        let bytes: usize = self.payloads.iter().map(|payload| payload.bytes.len()).sum();
        bytes / self.payloads.len().max(1)
    }
}

/// The files of a folder that hold one message which both readers take.
fn set(name: &'static str, folder: &Path) -> Result<Set, Failure> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut payloads = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|kind| kind == "hl7")) {
        let bytes = fs::read(path)?;
        let Ok(decoded) = charset::decode(&bytes, None) else { continue };
        let [text] = *batch::split(&decoded.text).messages else { continue };
        let is_read = Message::read(text).is_ok() && crate::bare(text).is_some();
        let text = text.to_owned();
        if is_read {
            payloads.push(Payload { bytes, text });
        }
    }
    if payloads.is_empty() { Err("no messages".into()) } else { Ok(Set { name, payloads }) }
}
