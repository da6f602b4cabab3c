//! Messages in files: framed or not, several per file, in any character set.

use std::io::Read as _;
use std::path::Path;

use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder as _;

use super::super::Failure;
use crate::hl7::frame::{Incoming, Limits, MllpCodec, START};
use crate::hl7::{Charset, batch, charset};

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// A message in a file.
#[derive(Debug, Clone)]
pub(in super::super) struct Found {
    /// Its text.
    pub(in super::super) text: String,
    /// The character set that it was written in.
    pub(in super::super) charset: Charset,
}

/// The messages of a file, framed or not.
pub(in super::super) fn messages_of(file: &Path) -> Result<Vec<Found>, Failure> {
    messages_in(&bytes_of(file)?, file)
}

/// The messages in the bytes of a file.
pub(super) fn messages_in(bytes: &[u8], file: &Path) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for payload in payloads(bytes) {
        let decoded = charset::decode(&payload, None)
            .map_err(|fault| Failure::Failed(format!("{}: {fault}", file.display())))?;
        let batch = batch::split(&decoded.text);
        let charset = decoded.charset;
        found.extend(batch.messages.iter().map(|text| Found { text: (*text).to_owned(), charset }));
    }
    if found.is_empty() {
        return Err(Failure::Failed(format!("{}: there is no message in it", file.display())));
    }
    Ok(found)
}

/// The text in the bytes of a file that holds JSON; nothing if it holds anything else.
pub(super) fn json_in(bytes: &[u8]) -> Option<&str> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let is_json = text.starts_with(b"{") || text.starts_with(b"[");
    std::str::from_utf8(text).ok().filter(|_| is_json)
}

/// The bytes of a file, or of the standard input.
pub(super) fn bytes_of(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(FILE_BYTES_MAX).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file)
            .and_then(|opened| opened.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
    };
    read.map_err(|refusal| Failure::Failed(format!("{}: {refusal}", file.display())))?;
    Ok(bytes)
}

/// The payloads of MLLP frames, or the whole where there is no frame.
fn payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    if !bytes.contains(&START) {
        return vec![bytes.to_vec()];
    }
    let limits = Limits { frame_bytes_max: bytes.len(), ..Limits::default() };
    let mut codec = MllpCodec::new(limits);
    let mut buffer = BytesMut::from(bytes);
    let mut payloads = Vec::new();
    while let Ok(Some(incoming)) = codec.decode_eof(&mut buffer) {
        match incoming {
            Incoming::Frame(frame) => payloads.push(frame.payload.to_vec()),
            Incoming::Partial(rest) => payloads.push(rest.to_vec()),
            Incoming::Abandoned(_) | Incoming::TooLarge(_) | Incoming::Commit(_) => {}
        }
    }
    payloads
}
