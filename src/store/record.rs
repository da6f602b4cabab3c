//! The bytes on disk: a row in the base, a commit in the log.
//!
//! Both carry a version byte and a checksum of their own, because the engine below notices a
//! flipped bit sometimes, late, or by a panic. Lengths are read as hostile.

use crate::store::{Error, Key, Version, Write};

/// Version byte, checksum, and the sequence of the commit that wrote the row.
pub(super) const ENVELOPE_BYTES: usize = 1 + 4 + 8;
/// Magic with version, payload length, generation, sequence, checksum, four spare bytes.
pub(super) const HEADER_BYTES: usize = 4 + 4 + 8 + 8 + 4 + 4;
/// Begins each log record; the last byte is the version of its form.
pub(super) const MAGIC: [u8; 4] = *b"ApW1";

const ROW_VERSION: u8 = 1;
const PUT: u8 = 1;
const DELETE: u8 = 0;

/// Wraps a value for the base; the checksum covers the key, so a value cannot change places.
pub(super) fn seal(key: &Key, version: Version, value: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.push(ROW_VERSION);
    out.extend_from_slice(&row_checksum(key, version, value).to_le_bytes());
    out.extend_from_slice(&version.0.to_le_bytes());
    out.extend_from_slice(value);
}

/// Unwraps a value from the base, checking it.
pub(super) fn unseal<'a>(key: &Key, stored: &'a [u8]) -> Result<(Version, &'a [u8]), Error> {
    let parts = || {
        let (version, rest) = stored.split_first()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let (sequence, value) = rest.split_first_chunk::<8>()?;
        let version = (*version == ROW_VERSION).then(|| Version(u64::from_le_bytes(*sequence)))?;
        (u32::from_le_bytes(*checksum) == row_checksum(key, version, value))
            .then_some((version, value))
    };
    parts().ok_or_else(|| Error::damaged_row(key.clone()))
}

fn row_checksum(key: &Key, version: Version, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.stored());
    hasher.update(&version.0.to_le_bytes());
    hasher.update(value);
    hasher.finalize()
}

/// One commit as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) sequence: u64,
    pub(super) writes: Vec<Write>,
}

/// Writes a log record into `out`, replacing what was there.
pub(super) fn encode(generation: u64, sequence: u64, writes: &[Write], out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEADER_BYTES, 0);
    out.extend_from_slice(&length(writes.len()));
    for write in writes {
        let key = write.key.stored();
        out.push(if write.value.is_some() { PUT } else { DELETE });
        out.extend_from_slice(&length(key.len()));
        out.extend_from_slice(key);
        if let Some(value) = &write.value {
            out.extend_from_slice(&length(value.len()));
            out.extend_from_slice(value);
        }
    }
    let Some((header, payload)) = out.split_first_chunk_mut::<HEADER_BYTES>() else { return };
    let mut head = Vec::with_capacity(HEADER_BYTES);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&length(payload.len()));
    head.extend_from_slice(&generation.to_le_bytes());
    head.extend_from_slice(&sequence.to_le_bytes());
    head.extend_from_slice(&record_checksum(&head, payload).to_le_bytes());
    header.iter_mut().zip(head).for_each(|(to, from)| *to = from);
}

/// The size that [`encode`] will produce, for refusing a commit before copying it.
pub(super) fn encoded_bytes(writes: &[Write]) -> usize {
    let rows = writes.iter().map(|write| {
        1 + 4 + write.key.stored().len() + write.value.as_ref().map_or(0, |value| 4 + value.len())
    });
    HEADER_BYTES + 4 + rows.sum::<usize>()
}

/// A record found in the log, not yet taken apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Framed<'a> {
    pub(super) sequence: u64,
    pub(super) bytes: usize,
    payload: &'a [u8],
}

/// Reads the record at the start of `bytes`: `None` unless it is whole, sound and of `generation`.
pub(super) fn frame(generation: u64, bytes: &[u8]) -> Option<Framed<'_>> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let (magic, fields) = header.split_first_chunk::<4>()?;
    let (len, fields) = fields.split_first_chunk::<4>()?;
    let (found, fields) = fields.split_first_chunk::<8>()?;
    let (sequence, fields) = fields.split_first_chunk::<8>()?;
    let (checksum, _spare) = fields.split_first_chunk::<4>()?;
    if *magic != MAGIC || u64::from_le_bytes(*found) != generation {
        return None;
    }
    let payload = rest.get(..usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    let head = header.get(..HEADER_BYTES - 8)?;
    (u32::from_le_bytes(*checksum) == record_checksum(head, payload)).then_some(Framed {
        sequence: u64::from_le_bytes(*sequence),
        bytes: HEADER_BYTES + payload.len(),
        payload,
    })
}

impl Framed<'_> {
    /// Takes the record apart; the checksum held, so a fault here is damage or another program's.
    pub(super) fn decode(&self) -> Result<Record, Error> {
        let broken = || Error::damaged(format!("log record {}", self.sequence));
        let mut rest = self.payload;
        let count = take_length(&mut rest).ok_or_else(broken)?;
        let mut writes = Vec::new();
        for _ in 0..count {
            writes.push(take_write(&mut rest).ok_or_else(broken)?);
        }
        if !rest.is_empty() {
            return Err(broken());
        }
        Ok(Record { sequence: self.sequence, writes })
    }
}

fn take_write(rest: &mut &[u8]) -> Option<Write> {
    let op = rest.split_off_first()?;
    let len = take_length(rest)?;
    let key = Key::from_stored(rest.split_off(..len)?)?;
    let value = match *op {
        PUT => {
            let len = take_length(rest)?;
            Some(rest.split_off(..len)?.to_vec())
        }
        DELETE => None,
        _ => return None,
    };
    Some(Write { key, value })
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let (len, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    usize::try_from(u32::from_le_bytes(*len)).ok()
}

/// Lengths are checked against the segment's size, below 4 GiB, before they are written.
fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

/// `head` is the header before its checksum; the magic is compared, not summed.
fn record_checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Table;

    fn key(bytes: &[u8]) -> Key {
        Key::new(Table::Journal, bytes).unwrap()
    }

    fn writes() -> Vec<Write> {
        vec![
            Write { key: key(b"one"), value: Some(b"value".to_vec()) },
            Write { key: key(b"two"), value: Some(Vec::new()) },
            Write { key: key(b""), value: None },
        ]
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let mut bytes = vec![9; 3];
        encode(7, 42, &writes(), &mut bytes);
        assert_eq!(bytes.len(), encoded_bytes(&writes()));
        let framed = frame(7, &bytes).unwrap();
        assert_eq!(framed.decode().unwrap(), Record { sequence: 42, writes: writes() });
        assert!(frame(8, &bytes).is_none());
    }

    #[test]
    fn a_record_cut_or_flipped_anywhere_is_none() {
        let mut bytes = Vec::new();
        encode(7, 42, &writes(), &mut bytes);
        for end in 0..bytes.len() {
            assert!(frame(7, &bytes[..end]).is_none(), "cut at {end}");
        }
        for at in (0..bytes.len()).filter(|at| !(HEADER_BYTES - 4..HEADER_BYTES).contains(at)) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert!(frame(7, &flipped).is_none(), "flipped at {at}");
        }
    }

    #[test]
    fn lengths_that_lie_are_damage_not_panics() {
        for payload in [&[0xff; 4][..], &[1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff], b"", &[0; 5]] {
            assert!(Framed { sequence: 1, bytes: 0, payload }.decode().is_err());
        }
    }

    #[test]
    fn a_value_flipped_cut_or_in_another_place_is_damage() {
        let mut sealed = Vec::new();
        seal(&key(b"one"), Version(3), b"value", &mut sealed);
        assert_eq!(unseal(&key(b"one"), &sealed).unwrap(), (Version(3), &b"value"[..]));
        assert!(unseal(&key(b"two"), &sealed).is_err());
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(unseal(&key(b"one"), &flipped).is_err());
            assert!(unseal(&key(b"one"), &sealed[..at]).is_err());
        }
    }
}
