//! Real-world files, if they are at hand: whatever is in them is read whole.

use std::path::PathBuf;

use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder;

use super::frame::Limits;
use super::{AckReceived, Incoming, Message, MllpCodec, batch, charset, receipt};

/// The files, or none where there is no such folder.
fn files() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/hl7"));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hl7"))
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

/// The payloads of a file, framed or not.
fn payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    if !bytes.iter().any(|byte| matches!(byte, 0x0B | 0x1C)) {
        return vec![bytes.to_vec()];
    }
    let mut codec = MllpCodec::new(Limits { accept_bare_msh: true, ..Limits::default() });
    let mut buffer = BytesMut::from(bytes);
    let mut payloads = Vec::new();
    while let Some(incoming) = codec.decode_eof(&mut buffer).unwrap() {
        match incoming {
            Incoming::Frame(frame) => payloads.push(frame.payload.to_vec()),
            Incoming::Abandoned(part) => assert!(part.starts_with(b"MSH")),
            Incoming::Commit(_) | Incoming::Partial(_) | Incoming::TooLarge(_) => {
                panic!("{incoming:?}")
            }
        }
    }
    payloads
}

fn visible(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace() && *char != '\0').collect()
}

#[test]
fn every_file_is_read_whole() {
    for (name, bytes) in files() {
        for payload in payloads(&bytes) {
            let decoded = charset::decode(&payload, None).unwrap();
            let batch = batch::split(&decoded.text);
            assert_eq!((batch.stray_bytes, batch.is_miscounted()), (0, false), "{name}");
            assert!(!batch.messages.is_empty(), "{name}");
            for text in batch.messages {
                let msg = Message::read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(visible(msg.text()), visible(text), "{name}");
                assert!(
                    name == "edge_no_sch.hl7" || !msg.header().message_code.is_empty(),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn answers_are_read_or_refused_as_expected() {
    for (name, bytes) in files().into_iter().filter(|(name, _)| name.starts_with("ack_")) {
        let msg = Message::read(&charset::decode(&bytes, None).unwrap().text).unwrap();
        let read = AckReceived::read(&msg).map(|ack| ack.code.as_str());
        let expected = match name.as_str() {
            "ack_2msa.hl7" => Err(receipt::Error::SeveralMsa { count: 2 }),
            "ack_empty_msa2.hl7" => Err(receipt::Error::NoControlId),
            "ack_de_ca.hl7" => Ok("CA"),
            _ => Ok("AA"),
        };
        assert_eq!(read, expected, "{name}");
    }
}
