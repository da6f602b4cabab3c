//! Any byte stream, cut anyhow, through the codec of MLLP.
//!
//! What comes out is compared with a second reading of the rules: [`model`] looks at the stream as a
//! whole and knows nothing of chunks, buffers and states.

use appointd::hl7::frame::{
    Commit, END, Error, Frame, Incoming, Limits, MllpCodec, PREFIX_BYTES, START,
};
use tokio_util::bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder as _, Encoder as _};

/// The input's first bytes, which say how the rest is read.
const HEAD_BYTES: usize = 4;

/// What a stream comes to: its events, and whether it ended for too much junk.
type Read = (Vec<Incoming>, bool);

/// Checks one stream.
pub fn check(data: &[u8]) {
    let Some((&[flags, frame_max, junk_max, seed], stream)) =
        data.split_first_chunk::<HEAD_BYTES>()
    else {
        return;
    };
    let usual = Limits::default();
    let limits = Limits {
        frame_bytes_max: if flags & 2 == 0 {
            usual.frame_bytes_max
        } else {
            usize::from(frame_max)
        },
        junk_bytes_max: if flags & 4 == 0 { usual.junk_bytes_max } else { usize::from(junk_max) },
        accept_bare_msh: flags & 1 == 1,
    };
    let whole = read(limits, [stream]);
    assert_eq!(whole, model(limits, stream), "the codec follows its rules");
    assert_eq!(whole, read(limits, Chunks { rest: stream, seed: u32::from(seed) }), "any chunks");
    if stream.len() <= 4096 {
        assert_eq!(whole, read(limits, stream.chunks(1)), "single bytes");
    }
    for incoming in whole.0 {
        if let Incoming::Frame(frame) = incoming {
            is_written_as_it_was_read(&frame);
        }
    }
}

/// Reads a stream as a connection does.
fn read<'a>(limits: Limits, chunks: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut codec = MllpCodec::new(limits);
    let mut buffer = BytesMut::new();
    let mut seen = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(incoming)) => seen.push(incoming),
                Ok(None) => break,
                Err(error) => return (seen, is_junk(&error, limits)),
            }
        }
        // What is held is one frame at most, and of junk no more than begins a header.
        let most = if codec.is_within_frame() { limits.frame_bytes_max } else { 2 };
        assert!(buffer.len() <= most, "{} bytes are held", buffer.len());
    }
    loop {
        match codec.decode_eof(&mut buffer) {
            Ok(Some(incoming)) => seen.push(incoming),
            Ok(None) => break,
            Err(error) => return (seen, is_junk(&error, limits)),
        }
    }
    assert!(buffer.is_empty(), "nothing is left in the buffer");
    (seen, false)
}

fn is_junk(error: &Error, limits: Limits) -> bool {
    let told = match error {
        Error::Junk { discarded_bytes } => Some(*discarded_bytes),
        Error::Reserved { .. } | Error::Io(_) => None,
    };
    assert_eq!(told, Some(limits.junk_bytes_max), "no other error than junk");
    true
}

/// Chunks of a few bytes or many, by a seed.
struct Chunks<'a> {
    rest: &'a [u8],
    seed: u32,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        // Numerical Recipes' generator; the upper bits are the better ones.
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let random = (self.seed >> 16) as usize;
        let length = if random & 1 == 0 { 1 + random / 2 % 7 } else { random / 2 };
        let (chunk, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        Some(chunk)
    }
}

/// What the rules say about a stream that is there as a whole.
fn model(limits: Limits, stream: &[u8]) -> Read {
    let mut seen = Vec::new();
    let mut rest = stream;
    'frames: loop {
        let Some((mut junk, after)) = frame_start(limits, rest) else { return (seen, true) };
        let Some(after) = after else { return (seen, false) };
        rest = after;
        loop {
            while let Some(after) = rest.strip_prefix(&[START]) {
                (rest, junk) = (after, junk + 1);
            }
            let end = rest.iter().position(|byte| [START, END].contains(byte));
            let (payload, after) = rest.split_at(end.unwrap_or(rest.len()));
            let is_ended = after.first() == Some(&END);
            let kept = &payload[..payload.len().min(PREFIX_BYTES).min(limits.frame_bytes_max)];
            let bytes = Bytes::copy_from_slice(payload);
            let is_large = payload.len() > limits.frame_bytes_max;
            if is_large {
                seen.push(Incoming::TooLarge(Bytes::copy_from_slice(kept)));
            } else if end.is_none() {
                seen.extend((!payload.is_empty()).then_some(Incoming::Partial(bytes)));
            } else if !is_ended {
                seen.push(Incoming::Abandoned(bytes));
            } else {
                seen.push(match payload {
                    [0x06] => Incoming::Commit(Commit::Ack),
                    [0x15] => Incoming::Commit(Commit::Nak),
                    _ => Incoming::Frame(Frame { payload: bytes, discarded_bytes: junk }),
                });
            }
            let Some(after) = after.get(1..) else { return (seen, false) };
            (rest, junk) = (after, 0);
            if is_ended {
                rest = rest.strip_prefix(b"\r").unwrap_or(rest);
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
                continue 'frames;
            }
        }
    }
}

/// How much is skipped before the next payload, and what begins with it; nothing for too much junk.
fn frame_start(limits: Limits, stream: &[u8]) -> Option<(usize, Option<&[u8]>)> {
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0);
    let blanks = stream.iter().take_while(is_blank).count();
    let after_blanks = &stream[blanks..];
    let (junk, start) = if limits.accept_bare_msh && after_blanks.starts_with(b"MSH") {
        (blanks, Some(after_blanks))
    } else if limits.accept_bare_msh && b"MSH".starts_with(after_blanks) {
        (blanks, None)
    } else {
        let start = stream.iter().position(|byte| *byte == START);
        (start.unwrap_or(stream.len()), start.map(|start| &stream[start + 1..]))
    };
    (junk <= limits.junk_bytes_max).then_some((junk, start))
}

fn is_written_as_it_was_read(frame: &Frame) {
    let mut wire = BytesMut::new();
    let payload: &[u8] = &frame.payload;
    MllpCodec::default().encode(payload, &mut wire).expect("no framing byte is in a payload");
    assert_eq!(&wire[..], [&[START], payload, &[END, b'\r']].concat());
}
