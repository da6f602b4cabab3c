//! MLLP framing: a stream of bytes to payloads and back, as a codec for `tokio-util`.
//!
//! A frame is `0B payload 1C 0D`. Real senders leave out the last byte, put NULs between frames,
//! restart in the middle of one, or forget the first byte; see [`MllpCodec`] for what is done about
//! each. The codec keeps its state between reads, never looks at a byte twice, and gives the same
//! events however the stream was cut into segments. It holds at most one frame up to the limit;
//! time-outs and the answer to a frame that is too large are the listener's.

use std::io;

use memchr::{memchr, memchr2};
use tokio_util::bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::Category;

/// Start block: opens a frame.
pub const START: u8 = 0x0B;
/// End block: closes the payload.
pub const END: u8 = 0x1C;
const CR: u8 = 0x0D;
const LF: u8 = 0x0A;
const BARE: &[u8] = b"MSH";

/// How much of a frame over the limit is kept: enough for its header, so that it can be answered.
pub const PREFIX_BYTES: usize = 64 * 1024;

/// Above this a payload takes the read buffer with it instead of being copied out of it, and the
/// read buffer is replaced, so that one large frame does not stay with a connection of many days.
const COPY_BYTES: usize = 64 * 1024;
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// The bounds of one connection's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest payload; a larger one becomes [`Incoming::TooLarge`].
    pub frame_bytes_max: usize,
    /// Most bytes skipped in search of a start block; above it the peer does not speak MLLP.
    pub junk_bytes_max: usize,
    /// Whether `MSH` opens a frame where a start block should be.
    pub accept_bare_msh: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 16 * 1024 * 1024,
            junk_bytes_max: 64 * 1024,
            accept_bare_msh: false,
        }
    }
}

/// A complete frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The bytes between start and end block.
    pub payload: Bytes,
    /// How many bytes were skipped before the start block.
    pub discarded_bytes: usize,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("payload_bytes", &self.payload.len())
            .field("discarded_bytes", &self.discarded_bytes)
            .finish()
    }
}

/// The one-byte answer of MLLP release 2, sent when the receiver has stored the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// `06`: stored.
    Ack,
    /// `15`: not stored.
    Nak,
}

/// What the stream brought.
#[derive(Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A complete frame.
    Frame(Frame),
    /// A commit block of MLLP release 2; not an HL7 acknowledgment.
    Commit(Commit),
    /// The payload so far of a frame in which a new start block came: the sender began again.
    Abandoned(Bytes),
    /// The payload so far of a frame that was open when the stream ended. Never a message.
    Partial(Bytes),
    /// The first [`PREFIX_BYTES`] of a frame over the limit; the rest is being thrown away.
    TooLarge(Bytes),
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frame(frame) => frame.fmt(f),
            Self::Commit(commit) => commit.fmt(f),
            Self::Abandoned(bytes) => write!(f, "Abandoned({} bytes)", bytes.len()),
            Self::Partial(bytes) => write!(f, "Partial({} bytes)", bytes.len()),
            Self::TooLarge(bytes) => write!(f, "TooLarge(first {} bytes)", bytes.len()),
        }
    }
}

/// Why a stream cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No start block within the limit.
    #[error("{discarded_bytes} bytes without an MLLP start block")]
    Junk {
        /// Bytes skipped since the last frame.
        discarded_bytes: usize,
    },
    /// A payload to be sent holds a byte that frames are made of.
    #[error("payload holds the framing byte {byte:#04x} at offset {at}")]
    Reserved {
        /// The byte.
        byte: u8,
        /// Its offset in the payload.
        at: usize,
    },
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    /// The kind of failure.
    #[must_use]
    pub const fn category(&self) -> Category {
        match self {
            Self::Junk { .. } => Category::Malformed,
            Self::Reserved { .. } => Category::Rejected,
            Self::Io(_) => Category::Unavailable,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// After an end block: one CR and one LF belong to it, whenever they come.
    Trailer { cr_seen: bool },
    /// Between frames. `blank`: all that was skipped so far could stand before a bare `MSH`.
    Between { junk: usize, blank: bool },
    /// Inside a frame whose payload starts at the buffer's first byte.
    Within { junk: usize, scan_from: usize },
    /// Throwing away the rest of a frame over the limit.
    Skipping,
}

const FRESH: State = State::Between { junk: 0, blank: true };

/// Cuts a byte stream into MLLP frames, and frames what is sent.
///
/// - Bytes before a start block are skipped, counted, and bounded by an error.
/// - A frame is complete at its end block; one CR and one LF after it are swallowed when they come.
/// - A start block inside a frame begins anew and gives up the part before it.
/// - The end of the stream inside a frame gives [`Incoming::Partial`], never a message.
///
/// ```
/// use appointd::hl7::frame::{Incoming, MllpCodec};
/// use tokio_util::{bytes::BytesMut, codec::Decoder};
///
/// // Two frames in one segment, the first without the closing carriage return.
/// let mut stream = BytesMut::from(&b"\x0bMSH|1\x1c\x0bMSH|2\x1c\r"[..]);
/// let mut codec = MllpCodec::default();
/// for expected in ["MSH|1", "MSH|2"] {
///     let Some(Incoming::Frame(frame)) = codec.decode(&mut stream)? else { unreachable!() };
///     assert_eq!(frame.payload, expected.as_bytes());
/// }
/// assert!(codec.decode(&mut stream)?.is_none());
/// # Ok::<(), appointd::hl7::frame::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MllpCodec {
    limits: Limits,
    state: State,
}

impl Default for MllpCodec {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl MllpCodec {
    /// A codec at the start of a stream.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, state: FRESH }
    }

    /// Whether a frame has begun and not ended: the time-out inside a frame applies.
    #[must_use]
    pub const fn is_within_frame(&self) -> bool {
        matches!(self.state, State::Within { .. } | State::Skipping)
    }

    /// Skips to the next frame's payload; `false` if more bytes are needed for that.
    fn open(&mut self, src: &mut BytesMut, junk: usize, blank: bool) -> Result<bool, Error> {
        let mut junk = junk;
        if self.limits.accept_bare_msh && blank {
            let blanks = src.iter().take_while(|byte| is_blank(**byte)).count();
            junk = self.skip(src, junk, blanks)?;
            if src.starts_with(BARE) {
                self.state = State::Within { junk, scan_from: 0 };
                return Ok(true);
            }
            if BARE.starts_with(src) {
                self.state = State::Between { junk, blank };
                return Ok(false);
            }
        }
        let start = memchr(START, src);
        junk = self.skip(src, junk, start.unwrap_or(src.len()))?;
        if start.is_none() {
            self.state = State::Between { junk, blank: false };
            return Ok(false);
        }
        src.advance(1);
        self.state = State::Within { junk, scan_from: 0 };
        Ok(true)
    }

    fn skip(&self, src: &mut BytesMut, junk: usize, count: usize) -> Result<usize, Error> {
        src.advance(count);
        let discarded_bytes = junk.saturating_add(count);
        if discarded_bytes > self.limits.junk_bytes_max {
            return Err(Error::Junk { discarded_bytes: self.limits.junk_bytes_max });
        }
        Ok(discarded_bytes)
    }

    /// Looks for the end of the open frame; `None` without a change of state if it is not there.
    fn close(&mut self, src: &mut BytesMut, junk: usize, scan_from: usize) -> Option<Incoming> {
        let unseen = src.get(scan_from..).unwrap_or_default();
        let found = memchr2(START, END, unseen).map(|at| scan_from + at);
        let payload_bytes = found.unwrap_or(src.len());
        if payload_bytes > self.limits.frame_bytes_max {
            let kept = PREFIX_BYTES.min(self.limits.frame_bytes_max);
            let prefix = Bytes::copy_from_slice(src.get(..kept).unwrap_or_default());
            src.advance(payload_bytes);
            self.state = State::Skipping;
            return Some(Incoming::TooLarge(prefix));
        }
        if found.is_none() {
            self.state = State::Within { junk, scan_from: payload_bytes };
            return None;
        }
        let payload = take(src, payload_bytes);
        let ended = src.first() == Some(&END);
        src.advance(1);
        if ended {
            self.state = State::Trailer { cr_seen: false };
            return Some(match &*payload {
                [0x06] => Incoming::Commit(Commit::Ack),
                [0x15] => Incoming::Commit(Commit::Nak),
                _ => Incoming::Frame(Frame { payload, discarded_bytes: junk }),
            });
        }
        self.state = State::Within { junk: 0, scan_from: 0 };
        Some(Incoming::Abandoned(payload))
    }

    /// Throws away the rest of a frame over the limit; `false` if its end has not come.
    fn skip_frame(&mut self, src: &mut BytesMut) -> bool {
        let Some(at) = memchr2(START, END, src) else {
            src.clear();
            return false;
        };
        let ended = src.get(at) == Some(&END);
        src.advance(at + 1);
        self.state = if ended {
            State::Trailer { cr_seen: false }
        } else {
            State::Within { junk: 0, scan_from: 0 }
        };
        true
    }
}

/// Cuts a payload off the front, as a copy if it is small, so that the read buffer is used again.
fn take(src: &mut BytesMut, payload_bytes: usize) -> Bytes {
    if payload_bytes <= COPY_BYTES {
        let payload = Bytes::copy_from_slice(src.get(..payload_bytes).unwrap_or_default());
        src.advance(payload_bytes);
        return payload;
    }
    let payload = src.split_to(payload_bytes).freeze();
    let mut rest = BytesMut::with_capacity(READ_BUFFER_BYTES.max(src.len()));
    rest.extend_from_slice(src);
    *src = rest;
    payload
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | LF | CR | 0)
}

impl Decoder for MllpCodec {
    type Item = Incoming;
    type Error = Error;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, Error> {
        // Each turn consumes bytes or leaves, and changes of state do not go round without bytes.
        loop {
            match self.state {
                State::Trailer { cr_seen } => match src.first() {
                    None => return Ok(None),
                    Some(&CR) if !cr_seen => {
                        src.advance(1);
                        self.state = State::Trailer { cr_seen: true };
                    }
                    Some(&LF) => {
                        src.advance(1);
                        self.state = FRESH;
                    }
                    Some(_) => self.state = FRESH,
                },
                State::Between { junk, blank } => {
                    if src.is_empty() || !self.open(src, junk, blank)? {
                        return Ok(None);
                    }
                }
                // A second start block right after the first abandons nothing.
                State::Within { junk, scan_from: 0 } if src.first() == Some(&START) => {
                    self.state = State::Within { junk: junk.saturating_add(1), scan_from: 0 };
                    src.advance(1);
                }
                State::Within { junk, scan_from } => return Ok(self.close(src, junk, scan_from)),
                State::Skipping => {
                    if !self.skip_frame(src) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, Error> {
        if let Some(incoming) = self.decode(src)? {
            return Ok(Some(incoming));
        }
        let rest = src.split().freeze();
        let open = matches!(self.state, State::Within { .. });
        self.state = FRESH;
        Ok((open && !rest.is_empty()).then_some(Incoming::Partial(rest)))
    }
}

impl Encoder<&[u8]> for MllpCodec {
    type Error = Error;

    fn encode(&mut self, payload: &[u8], dst: &mut BytesMut) -> Result<(), Error> {
        if let Some(at) = memchr2(START, END, payload) {
            let byte = payload.get(at).copied().unwrap_or(START);
            return Err(Error::Reserved { byte, at });
        }
        // One buffer, one write: some receivers take what one read brings for a whole message.
        dst.reserve(payload.len() + 3);
        dst.put_u8(START);
        dst.put_slice(payload);
        dst.put_slice(&[END, CR]);
        Ok(())
    }
}

impl Encoder<Bytes> for MllpCodec {
    type Error = Error;

    fn encode(&mut self, payload: Bytes, dst: &mut BytesMut) -> Result<(), Error> {
        Encoder::<&[u8]>::encode(self, &payload, dst)
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
