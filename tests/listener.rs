//! Bytes on a socket: what comes in by MLLP, well formed or not, and what is answered.
//!
//! The daemon runs between its stand-ins; every test talks to its real port.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test")]

use std::path::PathBuf;
use std::time::Duration;

use appointd::clock::Clock;
use appointd::engine::view::{Filter, Subject};
use appointd::hl7::frame::{Incoming, MllpCodec};
use appointd::hl7::{AckReceived, Message};
use appointd::sim::world::{Plan, World};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder;

/// An invented booking in the far future of the tests' clock.
fn booking(control_id: &str, id: &str) -> String {
    format!(
        "MSH|^~\\&|EHR|CLINIC|APPOINTD|CLINIC|20261130090000||SIU^S12^SIU_S12|{control_id}|P|2.5.1\r\
         SCH|P{id}|{id}|||||CHECKUP|NORMAL|30|MIN|^^^20261210090000^20261210093000||||||||||||||Booked\r\
         PID|1||M{id}^^^CLINIC^MR||Doe^Jane||19800101|F|||||(415) 555-0123^PRN^CP\r\
         RGS|1\rAIL|1||EAST^^^CLINIC\r"
    )
}

fn framed(payload: &[u8]) -> Vec<u8> {
    [b"\x0b", payload, b"\x1c\r"].concat()
}

fn clock() -> Clock {
    Clock::manual("2026-11-30T18:00:00Z".parse().unwrap())
}

async fn world() -> World {
    World::start(Plan::at(clock())).await.unwrap()
}

async fn world_with(settings: &str) -> World {
    World::start(Plan { settings: settings.to_owned(), ..Plan::at(clock()) }).await.unwrap()
}

/// A sender that counts what is answered.
struct Sender {
    stream: TcpStream,
    codec: MllpCodec,
    buffer: BytesMut,
}

impl Sender {
    async fn to(world: &World) -> Self {
        let stream = TcpStream::connect(world.daemon.mllp[0]).await.unwrap();
        Self { stream, codec: MllpCodec::default(), buffer: BytesMut::new() }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next answer; `None` when the daemon has closed.
    async fn answer(&mut self) -> Option<Message> {
        loop {
            if let Some(Incoming::Frame(frame)) = self.codec.decode(&mut self.buffer).unwrap() {
                let text = String::from_utf8_lossy(&frame.payload).into_owned();
                assert!(text.ends_with('\r'), "an answer ends in CR");
                return Some(Message::read(&text).unwrap());
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => return None,
            }
        }
    }

    async fn code(&mut self) -> String {
        let answer = self.answer().await.unwrap();
        let ack = AckReceived::read(&answer).unwrap();
        format!("{} {}", ack.code.as_str(), ack.control_id)
    }

    /// Says that no more comes, and collects what is answered until the daemon closes.
    async fn finish(mut self) -> Vec<Message> {
        self.stream.shutdown().await.unwrap();
        let mut answers = Vec::new();
        while let Some(answer) = self.answer().await {
            answers.push(answer);
        }
        answers
    }
}

fn query(world: &World, subject: Subject) -> Vec<Value> {
    let filter = Filter { limit: 100_000, ..Filter::default() };
    world.daemon.handle.view().query(subject, &filter).unwrap()
}

#[tokio::test]
async fn a_booking_is_stored_before_it_is_answered() {
    let world = world().await;
    let mut sender = Sender::to(&world).await;
    sender.send(&framed(booking("C1", "1").as_bytes())).await;
    assert_eq!(sender.code().await, "AA C1");
    assert_eq!(query(&world, Subject::Appointments).len(), 1);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_frame_may_come_byte_by_byte_and_several_in_one_piece() {
    let world = world().await;
    let mut sender = Sender::to(&world).await;
    for byte in framed(booking("C1", "1").as_bytes()) {
        sender.send(&[byte]).await;
    }
    assert_eq!(sender.code().await, "AA C1");
    let many: Vec<u8> = (2..202)
        .flat_map(|n| framed(booking(&format!("C{n}"), &n.to_string()).as_bytes()))
        .collect();
    sender.send(&many).await;
    for n in 2..202 {
        assert_eq!(sender.code().await, format!("AA C{n}"), "in the order received");
    }
    assert_eq!(query(&world, Subject::Appointments).len(), 201);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_repetition_is_answered_alike_and_done_once() {
    let world = world().await;
    let mut sender = Sender::to(&world).await;
    for _ in 0..3 {
        sender.send(&framed(booking("C1", "1").as_bytes())).await;
        assert_eq!(sender.code().await, "AA C1");
    }
    assert_eq!(query(&world, Subject::Messages).len(), 1);
    // The same control id over another content is another message: some EHRs number so.
    sender.send(&framed(booking("C1", "2").as_bytes())).await;
    assert_eq!(sender.code().await, "AA C1");
    assert_eq!(query(&world, Subject::Appointments).len(), 2);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn garbage_is_kept_and_the_next_good_message_goes_through() {
    let world = world().await;
    let mut sender = Sender::to(&world).await;
    sender.send(&framed(b"GET / HTTP/1.1\r\nHost: clinic\r\n\r\n")).await;
    assert_eq!(sender.answer().await.unwrap().get(&"MSA-1".parse().unwrap()).into_text(), "AR");
    sender.send(b"\0\0\r\nstray").await;
    sender.send(&framed(booking("C1", "1").as_bytes())).await;
    assert_eq!(sender.code().await, "AA C1");
    assert_eq!(query(&world, Subject::Quarantine).len(), 1);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn half_a_frame_is_no_message() {
    let world = world().await;
    let mut sender = Sender::to(&world).await;
    let frame = framed(booking("C1", "1").as_bytes());
    sender.send(&frame[..frame.len() / 2]).await;
    assert!(sender.finish().await.is_empty(), "nobody is answered");
    let mut sender = Sender::to(&world).await;
    sender.send(&frame[..100]).await;
    sender.send(&frame).await;
    assert_eq!(sender.code().await, "AA C1");
    assert_eq!(query(&world, Subject::Appointments).len(), 1);
    let kept = query(&world, Subject::Quarantine);
    assert_eq!(kept.len(), 2, "both halves are kept");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_frame_over_the_limit_is_rejected_and_the_connection_closed() {
    let world = world_with(
        "[[hl7.listener]]\nname = \"small\"\nlisten = \"127.0.0.1:0\"\nmax_frame_bytes = 2048\n",
    )
    .await;
    let stream = TcpStream::connect(world.daemon.mllp[1]).await.unwrap();
    let mut sender = Sender { stream, codec: MllpCodec::default(), buffer: BytesMut::new() };
    let long = booking("C1", "1") + "NTE|1||" + &"x".repeat(100_000) + "\r";
    sender.send(&framed(long.as_bytes())).await;
    assert_eq!(sender.code().await, "AR C1");
    assert!(sender.answer().await.is_none(), "closed");
    assert_eq!(query(&world, Subject::Quarantine).len(), 1);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_connection_over_the_limit_is_refused_and_a_free_place_is_given_again() {
    let world = world_with(
        "[[hl7.listener]]\nname = \"few\"\nlisten = \"127.0.0.1:0\"\nconnections_max = 2\n",
    )
    .await;
    let address = world.daemon.mllp[1];
    let connect = || async move {
        let stream = TcpStream::connect(address).await.unwrap();
        Sender { stream, codec: MllpCodec::default(), buffer: BytesMut::new() }
    };
    let mut held = Vec::new();
    for n in 0..2 {
        let mut sender = connect().await;
        sender.send(&framed(booking(&format!("H{n}"), &n.to_string()).as_bytes())).await;
        sender.code().await;
        held.push(sender);
    }
    let mut refused = connect().await;
    assert!(refused.answer().await.is_none());
    assert!(held.pop().unwrap().finish().await.is_empty());
    // The daemon has closed its side by now: the place is free as soon as its task has ended.
    loop {
        let mut sender = connect().await;
        let sent = sender.stream.write_all(&framed(booking("L", "9").as_bytes())).await;
        if sent.is_ok() && sender.answer().await.is_some() {
            break;
        }
    }
    world.stop().await.unwrap();
}

#[tokio::test]
async fn in_enhanced_mode_the_receipt_comes_before_the_answer() {
    let world = world().await;
    let mut sender = Sender::to(&world).await;
    let asked = booking("C1", "1").replace("|P|2.5.1\r", "|P|2.5.1|||AL|AL\r");
    sender.send(&framed(asked.as_bytes())).await;
    assert_eq!(sender.code().await, "CA C1");
    assert_eq!(sender.code().await, "AA C1");
    let silent = booking("C2", "2").replace("|P|2.5.1\r", "|P|2.5.1|||NE|NE\r");
    sender.send(&framed(silent.as_bytes())).await;
    assert!(sender.finish().await.is_empty(), "NE asks for no answer");
    assert_eq!(query(&world, Subject::Appointments).len(), 2, "stored all the same");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn an_answer_is_never_answered() {
    let world = world().await;
    let mut sender = Sender::to(&world).await;
    sender.send(&framed(b"MSH|^~\\&|EHR|C|A|C|20261130||ACK^S12|X|P|2.5.1\rMSA|AA|Y\r")).await;
    assert!(sender.finish().await.is_empty());
    world.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_mapped_is_stored_accepted_and_can_be_read_again() {
    let world = world().await;
    let mut sender = Sender::to(&world).await;
    let impossible = booking("C1", "1").replace("20261210090000^", "20261332090000^");
    sender.send(&framed(impossible.as_bytes())).await;
    assert_eq!(sender.code().await, "AA C1", "it will never be right: an EHR must not wait for it");
    let kept = query(&world, Subject::Quarantine);
    assert_eq!(kept.len(), 1);
    let fault = kept[0].pointer("/cause/message/filed/quarantined").unwrap().as_str().unwrap();
    assert!(fault.contains("start") && fault.contains("SCH-11"), "{fault}");
    assert!(!fault.contains("20261332"), "no value in a fault: {fault}");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_batch_is_answered_once_and_all_of_it_is_read() {
    let world = world().await;
    let mut sender = Sender::to(&world).await;
    let batch = format!(
        "FHS|^~\\&|EHR|C|A|C|20261130\rBHS|^~\\&|EHR|C|A|C|20261130||||B77\r{}{}BTS|2\rFTS|1\r",
        booking("C1", "1"),
        booking("C2", "2")
    );
    sender.send(&framed(batch.as_bytes())).await;
    assert_eq!(sender.code().await, "AA B77");
    assert_eq!(query(&world, Subject::Appointments).len(), 2);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn names_in_latin_1_arrive_whole_and_the_answer_is_in_the_same_charset() {
    let world = world().await;
    let mut sender = Sender::to(&world).await;
    let text = booking("C1", "1").replace("Doe^Jane", "M\u{fc}ller^Zo\u{eb}");
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    sender.send(&framed(&bytes)).await;
    assert_eq!(sender.code().await, "AA C1");
    let rows = query(&world, Subject::Appointments);
    assert_eq!(rows[0].pointer("/patient/given").unwrap(), "Zo\u{eb}");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_thousand_connections_at_once_are_all_served() {
    let world = world().await;
    let mut senders = Vec::new();
    for n in 0..1000 {
        let mut sender = Sender::to(&world).await;
        sender.send(&framed(booking(&format!("C{n}"), &n.to_string()).as_bytes())).await;
        senders.push(sender);
    }
    for (n, mut sender) in senders.into_iter().enumerate() {
        assert_eq!(sender.code().await, format!("AA C{n}"));
    }
    world.stop().await.unwrap();
}

/// Every file of the corpus through a real socket: one well-formed answer a frame, and each message
/// an event or a stored reason. Prints the table with `--nocapture`.
#[tokio::test]
async fn the_corpus_is_answered_frame_by_frame_and_nothing_of_it_disappears() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/hl7"));
    if !folder.exists() {
        return;
    }
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "hl7"));
    files.sort();
    assert!(!files.is_empty());
    // One feed a file, since control ids repeat among them; bare MSH is among the variations.
    let listeners: String = (0..files.len())
        .map(|n| {
            format!(
                "[[hl7.listener]]\nname = \"f{n}\"\nlisten = \"127.0.0.1:0\"\n\
                 accept_bare_msh = true\nack_mode = \"original\"\n"
            )
        })
        .collect();
    let world = world_with(&listeners).await;
    for (n, file) in files.iter().enumerate() {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let bytes = std::fs::read(file).unwrap();
        let is_framed = bytes.contains(&0x1c);
        let bytes = if is_framed { bytes } else { framed(&bytes) };
        let ends = bytes.iter().filter(|byte| **byte == 0x1c).count();
        let stream = TcpStream::connect(world.daemon.mllp[n + 1]).await.unwrap();
        let mut sender = Sender { stream, codec: MllpCodec::default(), buffer: BytesMut::new() };
        sender.send(&bytes).await;
        let answers = sender.finish().await;
        let stored = stored(&world, &format!("f{n}"));
        // One of them is an acknowledgment by name only: its MSA is glued into the MSH.
        let is_ack = name.starts_with("ack_") && name != "ack_adr_a19";
        assert_eq!(answers.len(), if is_ack { 0 } else { ends }, "{name}");
        for answer in &answers {
            assert!(answer.segment("MSA").is_some(), "{name}");
        }
        assert!(stored.len() >= ends, "{name}: {stored:?}");
        assert!(stored.iter().all(|what| !what.is_empty()), "{name}: {stored:?}");
        println!("{name} | {}", stored.join("; "));
    }
    world.stop().await.unwrap();
}

/// What became of the messages of a feed.
fn stored(world: &World, source: &str) -> Vec<String> {
    let mut rows = query(world, Subject::Messages);
    rows.retain(|row| row.pointer("/cause/message/source").is_some_and(|name| name == source));
    rows.reverse();
    let what = |row: &Value| {
        let outcomes = row["outcomes"].as_array().unwrap();
        let events: Vec<String> = outcomes
            .iter()
            .map(|o| {
                format!("{} ({})", o["event"].as_str().unwrap(), o["because"].as_str().unwrap())
            })
            .collect();
        let filed = row.pointer("/cause/message/filed").unwrap();
        match (filed.get("no_event"), filed.get("quarantined")) {
            (Some(reason), _) => format!("no event: {}", reason.as_str().unwrap()),
            (_, Some(fault)) => format!("quarantine: {}", fault.as_str().unwrap()),
            _ => events.join(", "),
        }
    };
    rows.iter().map(what).collect()
}

#[tokio::test]
async fn a_frame_that_does_not_end_in_time_is_kept_and_closed() {
    let world = world_with(
        "[[hl7.listener]]\nname = \"brisk\"\nlisten = \"127.0.0.1:0\"\nframe_timeout = \"1s\"\n",
    )
    .await;
    let stream = TcpStream::connect(world.daemon.mllp[1]).await.unwrap();
    let mut sender = Sender { stream, codec: MllpCodec::default(), buffer: BytesMut::new() };
    sender.send(b"\x0bMSH|^~\\&|SLOW").await;
    let closed = tokio::time::timeout(Duration::from_secs(60), sender.answer()).await;
    assert!(closed.unwrap_or_else(|_| panic!("still open")).is_none());
    assert_eq!(query(&world, Subject::Quarantine).len(), 1);
    world.stop().await.unwrap();
}
