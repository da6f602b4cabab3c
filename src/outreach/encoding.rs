//! Character sets of lists: which one a file is in, and its text as UTF-8 with line ends of one kind.
//!
//! Which one is decided over the whole file, before a row is read, by what prevails: characters of
//! several bytes that are UTF-8, or bytes that are not. A broken byte among many sound characters stays
//! visible in its row, and does not spoil every name of the list. What a file cannot tell is read as
//! Windows-1252, in which every byte has a meaning or is visibly none.

use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How much is decoded at a time.
const CHUNK_BYTES: usize = 16 * 1024;

/// A character set of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Charset {
    /// With or without a byte order mark.
    #[serde(rename = "UTF-8")]
    Utf8,
    /// As spreadsheets write "Unicode text".
    #[serde(rename = "UTF-16LE")]
    Utf16Le,
    /// The same in the other order.
    #[serde(rename = "UTF-16BE")]
    Utf16Be,
    /// What spreadsheets on Windows write without being asked.
    #[serde(rename = "Windows-1252")]
    Windows1252,
}

impl Charset {
    const fn encoding(self) -> &'static encoding_rs::Encoding {
        match self {
            Self::Utf8 => UTF_8,
            Self::Utf16Le => UTF_16LE,
            Self::Utf16Be => UTF_16BE,
            Self::Windows1252 => WINDOWS_1252,
        }
    }

    /// The name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.encoding().name()
    }
}

/// What is known of a file after its bytes have been seen once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scouted {
    /// Its character set.
    pub charset: Charset,
    /// How long it is.
    pub bytes: u64,
    /// The digest of its bytes.
    pub digest: [u8; 32],
}

/// Looks over a file's bytes as they come.
///
/// ```
/// use appointd::outreach::encoding::{Charset, Scout};
/// let charset = |bytes: &[u8]| {
///     let mut scout = Scout::default();
///     scout.feed(bytes);
///     scout.finish().charset
/// };
/// assert_eq!(charset("José".as_bytes()), Charset::Utf8);
/// assert_eq!(charset(b"Jos\xe9"), Charset::Windows1252);
/// assert_eq!(charset(b"\xff\xfeJ\0"), Charset::Utf16Le);
/// ```
#[derive(Debug, Default)]
pub struct Scout {
    hash: Sha256,
    bytes: u64,
    head: Vec<u8>,
    /// The start of a character whose other bytes have not come yet.
    begun: Vec<u8>,
    /// How many characters of several bytes there are.
    wide: u64,
    /// How many bytes or sequences are no characters.
    broken: u64,
}

impl Scout {
    /// Looks at the next bytes.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.hash.update(chunk);
        self.bytes += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let wanted = 4_usize.saturating_sub(self.head.len());
        self.head.extend(chunk.iter().take(wanted));
        self.check(chunk);
    }

    fn check(&mut self, chunk: &[u8]) {
        let joined;
        let bytes = if self.begun.is_empty() {
            chunk
        } else {
            joined = [std::mem::take(&mut self.begun).as_slice(), chunk].concat();
            &joined
        };
        let mut rest = bytes;
        loop {
            let Err(refusal) = std::str::from_utf8(rest) else {
                self.wide += wide(rest);
                return;
            };
            let (sound, others) = rest.split_at_checked(refusal.valid_up_to()).unwrap_or_default();
            self.wide += wide(sound);
            let Some(length) = refusal.error_len() else {
                self.begun = others.to_vec();
                return;
            };
            self.broken += 1;
            rest = others.get(length..).unwrap_or_default();
        }
    }

    /// Says what the file is.
    #[must_use]
    pub fn finish(self) -> Scouted {
        let charset = match self.head.as_slice() {
            [0xef, 0xbb, 0xbf, ..] => Charset::Utf8,
            [0xff, 0xfe, ..] => Charset::Utf16Le,
            [0xfe, 0xff, ..] => Charset::Utf16Be,
            // Without a mark, a list begins with a letter of the Latin alphabet, or a quote.
            [1..=0x7f, 0, 1..=0x7f, 0] => Charset::Utf16Le,
            [0, 1..=0x7f, 0, 1..=0x7f] => Charset::Utf16Be,
            _ => {
                let broken = self.broken + u64::from(!self.begun.is_empty());
                if broken == 0 || self.wide > broken { Charset::Utf8 } else { Charset::Windows1252 }
            }
        };
        Scouted { charset, bytes: self.bytes, digest: self.hash.finalize().into() }
    }
}

/// How many characters of text are of several bytes.
fn wide(text: &[u8]) -> u64 {
    let count = text.iter().filter(|byte| **byte >= 0xc0).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A file's text as UTF-8: without a byte order mark, every line ended by a line feed alone. What
/// cannot be decoded becomes U+FFFD.
#[derive(Debug)]
pub struct Decoded<R> {
    source: R,
    decoder: Decoder,
    raw: Box<[u8]>,
    /// What is decoded, and how much of it has been given out.
    text: Vec<u8>,
    given: usize,
    was_return: bool,
    last: u8,
    is_over: bool,
}

impl<R: Read> Decoded<R> {
    /// Decodes a file.
    pub fn new(source: R, charset: Charset) -> Self {
        Self {
            source,
            decoder: charset.encoding().new_decoder_with_bom_removal(),
            raw: vec![0; CHUNK_BYTES].into_boxed_slice(),
            text: Vec::new(),
            given: 0,
            was_return: false,
            last: b'\n',
            is_over: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let count = match self.source.read(&mut self.raw) {
            Err(refusal) if refusal.kind() == io::ErrorKind::Interrupted => return Ok(()),
            read => read?,
        };
        self.is_over = count == 0;
        let raw = self.raw.get(..count).unwrap_or_default();
        let room = self.decoder.max_utf8_buffer_length(count).unwrap_or(CHUNK_BYTES * 3);
        let mut decoded = String::with_capacity(room);
        let (result, _, _) = self.decoder.decode_to_string(raw, &mut decoded, self.is_over);
        if result == CoderResult::OutputFull {
            return Err(io::Error::other("the text has grown too long"));
        }
        self.text.clear();
        self.given = 0;
        for byte in decoded.bytes() {
            match byte {
                b'\n' if self.was_return => {}
                b'\r' => self.text.push(b'\n'),
                other => self.text.push(other),
            }
            self.was_return = byte == b'\r';
        }
        self.last = self.text.last().copied().unwrap_or(self.last);
        if self.is_over && self.last != b'\n' {
            self.text.push(b'\n');
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.text.len() && !self.is_over {
            self.fill()?;
        }
        let mut rest = self.text.get(self.given..).unwrap_or_default();
        let count = rest.read(out)?;
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scouted(chunks: &[&[u8]]) -> Charset {
        let mut scout = Scout::default();
        chunks.iter().for_each(|chunk| scout.feed(chunk));
        scout.finish().charset
    }

    fn decoded(bytes: &[u8], charset: Charset) -> String {
        let mut text = String::new();
        Decoded::new(bytes, charset).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        assert_eq!(scouted(&[b"Jos\xc3", b"\xa9"]), Charset::Utf8);
        assert_eq!(scouted(&[b"\xf0", b"\x9f", b"\x98", b"\x80"]), Charset::Utf8);
        assert_eq!(scouted(&[b"Jos\xc3"]), Charset::Windows1252);
        assert_eq!(scouted(&[b"Jos\xe9", b" ok"]), Charset::Windows1252);
        assert_eq!(scouted(&[]), Charset::Utf8);
        assert_eq!(scouted(&[b"\xfe", b"\xff\0a"]), Charset::Utf16Be);
        assert_eq!(scouted(&[b"p\0a\0"]), Charset::Utf16Le);
    }

    #[test]
    fn what_prevails_tells_the_character_set() {
        assert_eq!(scouted(&["José, Inés, ".as_bytes(), b"Zo\xe9"]), Charset::Utf8);
        assert_eq!(scouted(&["José, Inés, Zo".as_bytes(), b"\xc3"]), Charset::Utf8);
        assert_eq!(scouted(&["José, ".as_bytes(), b"In\xe9s, Zo\xe9"]), Charset::Windows1252);
        assert_eq!(scouted(&["José, ".as_bytes(), b"In\xe9s"]), Charset::Windows1252);
    }

    #[test]
    fn lines_end_by_a_line_feed_whatever_they_ended_by() {
        assert_eq!(decoded(b"a\r\nb\rc\n\nd", Charset::Utf8), "a\nb\nc\n\nd\n");
        assert_eq!(decoded(b"", Charset::Utf8), "");
        assert_eq!(decoded(b"\xef\xbb\xbfa\r\n", Charset::Utf8), "a\n");
        assert_eq!(decoded(b"\xff\xfeS\0\xed\0\r\0\n\0", Charset::Utf16Le), "Sí\n");
        assert_eq!(decoded(b"\x80 a\xf1o", Charset::Windows1252), "€ año\n");
    }

    #[test]
    fn what_lies_over_the_border_of_a_chunk_is_read_whole() {
        let long = format!("{}é\r\n", "a".repeat(CHUNK_BYTES - 1)).repeat(3);
        let wanted = long.replace('\r', "");
        assert_eq!(decoded(long.as_bytes(), Charset::Utf8), wanted);
    }
}
