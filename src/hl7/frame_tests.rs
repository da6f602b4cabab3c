//! Streams as real senders cut and spoil them.

use proptest::prelude::*;

use super::*;

/// Decodes `chunks` one read at a time; an error ends the stream, as it does for a listener.
fn events(limits: Limits, chunks: &[&[u8]]) -> (Vec<Incoming>, Option<usize>) {
    let mut codec = MllpCodec::new(limits);
    let mut buffer = BytesMut::new();
    let mut seen = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(incoming)) => seen.push(incoming),
                Ok(None) => break,
                Err(Error::Junk { discarded_bytes }) => return (seen, Some(discarded_bytes)),
                Err(other) => panic!("{other}"),
            }
        }
    }
    while let Some(incoming) = codec.decode_eof(&mut buffer).unwrap() {
        seen.push(incoming);
    }
    assert!(buffer.is_empty());
    (seen, None)
}

fn whole(stream: &[u8]) -> Vec<Incoming> {
    events(Limits::default(), &[stream]).0
}

fn frame(payload: &'static [u8], discarded_bytes: usize) -> Incoming {
    Incoming::Frame(Frame { payload: Bytes::from_static(payload), discarded_bytes })
}

#[test]
fn a_frame_is_complete_at_its_end_block() {
    for stream in
        [&b"\x0bMSH|a\x1c\r"[..], b"\x0bMSH|a\x1c", b"\x0bMSH|a\x1c\r\n", b"\x0bMSH|a\x1c\n"]
    {
        assert_eq!(whole(stream), [frame(b"MSH|a", 0)]);
    }
}

#[test]
fn one_carriage_return_and_one_line_feed_belong_to_the_trailer_whenever_they_come() {
    let stream = b"\x0ba\x1c\r\n\x0bb\x1c\r\x0bc\x1c";
    for cut in 0..=stream.len() {
        let (left, right) = stream.split_at(cut);
        let seen = events(Limits::default(), &[left, right]).0;
        assert_eq!(seen, [frame(b"a", 0), frame(b"b", 0), frame(b"c", 0)], "cut at {cut}");
    }
}

#[test]
fn bytes_before_a_start_block_are_skipped_and_counted() {
    assert_eq!(whole(b"\0\0\0\x0ba\x1c\r\0\0\x0bb\x1c\r"), [frame(b"a", 3), frame(b"b", 2)]);
    assert_eq!(whole(b"\x0ba\x1c\r\r\r\x0bb\x1c"), [frame(b"a", 0), frame(b"b", 2)]);
}

#[test]
fn too_much_junk_ends_the_stream_with_an_error() {
    let limits = Limits { junk_bytes_max: 4, ..Limits::default() };
    assert_eq!(events(limits, &[b"GET / HTTP/1.1\r\n"]), (vec![], Some(4)));
    assert_eq!(events(limits, &[b"1234\x0ba\x1c"]).0, [frame(b"a", 4)]);
}

#[test]
fn a_start_block_inside_a_frame_begins_anew() {
    let seen = whole(b"\x0bMSH|old\x0bMSH|new\x1c\r");
    assert_eq!(seen, [Incoming::Abandoned(Bytes::from_static(b"MSH|old")), frame(b"MSH|new", 0)]);
    assert_eq!(whole(b"\x0b\x0ba\x1c\r"), [frame(b"a", 1)]);
}

#[test]
fn a_frame_cut_by_the_end_of_the_stream_is_no_message() {
    assert_eq!(whole(b"\x0bMSH|cut"), [Incoming::Partial(Bytes::from_static(b"MSH|cut"))]);
    assert_eq!(whole(b"\x0b"), []);
    assert_eq!(whole(b"MSH|never framed"), []);
}

#[test]
fn a_bare_msh_opens_a_frame_only_where_one_may_start_and_only_if_allowed() {
    let bare = Limits { accept_bare_msh: true, ..Limits::default() };
    for stream in [&b"MSH|a\x1c\r"[..], b"\r\nMSH|a\x1c\r"] {
        let discarded = stream.len() - b"MSH|a\x1c\r".len();
        assert_eq!(events(bare, &[stream]).0, [frame(b"MSH|a", discarded)]);
        assert_eq!(whole(stream), []);
    }
    assert_eq!(events(bare, &[b"xMSH|a\x1c\x0bMSH|b\x1c"]).0, [frame(b"MSH|b", 7)]);
    assert_eq!(events(bare, &[b"MSH|a\x1c\rMSH|b\x1c\r"]).0.len(), 2);
}

#[test]
fn a_frame_over_the_limit_is_told_once_and_the_next_one_is_read() {
    let limits = Limits { frame_bytes_max: 4, ..Limits::default() };
    let told = Incoming::TooLarge(Bytes::from_static(b"1234"));
    assert_eq!(events(limits, &[b"\x0b12345\x1c\r\x0bok\x1c"]).0, [told.clone(), frame(b"ok", 0)]);
    assert_eq!(events(limits, &[b"\x0b1234\x1c\r"]).0, [frame(b"1234", 0)]);
    assert_eq!(events(limits, &[b"\x0b12345", b"67\x0bok\x1c"]).0, [told, frame(b"ok", 0)]);
}

#[test]
fn a_frame_over_the_limit_is_not_buffered() {
    let mut codec = MllpCodec::new(Limits { frame_bytes_max: 1000, ..Limits::default() });
    let mut buffer = BytesMut::from(&b"\x0b"[..]);
    let mut events = 0;
    for _ in 0..1000 {
        buffer.extend_from_slice(&[b'x'; 100]);
        events += usize::from(codec.decode(&mut buffer).unwrap().is_some());
        assert!(buffer.len() <= 1100);
    }
    assert_eq!(events, 1);
    assert!(codec.is_within_frame());
}

#[test]
fn a_large_frame_does_not_keep_its_buffer_on_the_connection() {
    let mut buffer = BytesMut::from(&b"\x0b"[..]);
    buffer.extend_from_slice(&vec![b'x'; 1 << 20]);
    buffer.extend_from_slice(b"\x1c\r");
    let Some(Incoming::Frame(frame)) = MllpCodec::default().decode(&mut buffer).unwrap() else {
        panic!("no frame")
    };
    assert_eq!(frame.payload.len(), 1 << 20);
    assert!(buffer.capacity() <= READ_BUFFER_BYTES);
}

#[test]
fn a_commit_block_of_release_2_is_not_an_acknowledgment() {
    let seen = whole(b"\x0b\x06\x1c\r\x0bMSH|ack\x1c\r\x0b\x15\x1c\r");
    let commits =
        [Incoming::Commit(Commit::Ack), frame(b"MSH|ack", 0), Incoming::Commit(Commit::Nak)];
    assert_eq!(seen, commits);
}

#[test]
fn a_payload_with_framing_bytes_is_not_sent() {
    let mut dst = BytesMut::new();
    let mut codec = MllpCodec::default();
    for (payload, byte) in [(&b"a\x0bb"[..], START), (&b"a\x1cb"[..], END)] {
        let refused = codec.encode(payload, &mut dst);
        assert!(matches!(refused, Err(Error::Reserved { byte: b, at: 1 }) if b == byte));
    }
    assert!(dst.is_empty());
    codec.encode(Bytes::from_static(b"MSH|a\r"), &mut dst).unwrap();
    assert_eq!(&dst[..], b"\x0bMSH|a\r\x1c\r");
}

#[test]
fn debug_output_shows_lengths_and_no_content() {
    assert_eq!(format!("{:?}", Incoming::Partial(Bytes::from_static(b"DOE"))), "Partial(3 bytes)");
    assert!(!format!("{:?}", frame(b"DOE^JANE", 0)).contains("DOE"));
}

/// Streams of what frames are made of, and of any bytes.
fn stream_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(vec![START]),
        Just(vec![END]),
        Just(vec![END, CR]),
        Just(vec![CR]),
        Just(vec![LF]),
        Just(vec![0]),
        Just(vec![START, 0x06, END, CR]),
        Just(b"MSH|x".to_vec()),
        Just(b"M".to_vec()),
        Just(b"S".to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let pieces = prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => pieces, 1 => prop::collection::vec(any::<u8>(), 0..2048)]
}

fn limits() -> impl Strategy<Value = Limits> {
    let small =
        |bytes: std::ops::Range<usize>, usual: usize| prop_oneof![2 => bytes, 1 => Just(usual)];
    let usual = Limits::default();
    let (frame, junk) = (small(0..24, usual.frame_bytes_max), small(0..24, usual.junk_bytes_max));
    (frame, junk, any::<bool>()).prop_map(|(frame_bytes_max, junk_bytes_max, accept_bare_msh)| {
        Limits { frame_bytes_max, junk_bytes_max, accept_bare_msh }
    })
}

proptest! {
    #[test]
    fn any_chunking_of_any_byte_stream_gives_the_same_frames(
        stream in stream_bytes(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        limits in limits(),
    ) {
        let whole = events(limits, &[&stream]);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks: Vec<_> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        prop_assert_eq!(&events(limits, &chunks), &whole);
        let bytes: Vec<_> = stream.chunks(1).collect();
        prop_assert_eq!(&events(limits, &bytes), &whole);
    }

    #[test]
    fn what_is_encoded_is_decoded(payload in "[^\u{b}\u{1c}\u{6}\u{15}]{0,60}") {
        let mut wire = BytesMut::new();
        MllpCodec::default().encode(payload.as_bytes(), &mut wire).unwrap();
        let frame = Frame { payload: Bytes::from(payload.into_bytes()), discarded_bytes: 0 };
        prop_assert_eq!(whole(&wire), [Incoming::Frame(frame)]);
    }
}
