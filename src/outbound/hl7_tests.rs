//! Which answers decide, and what they mean; answers come from a peer that speaks the protocol.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const WITHIN: Duration = Duration::from_secs(60);

fn answer(kind: &str, code: &str, status: &str) -> String {
    format!("MSH|^~\\&|EHR||||||{kind}|9|P|2.5\rMSA|{code}|C1\rSCH|{}{status}\r", "|".repeat(24))
}

fn received(kind: &str, code: &str, status: &str) -> AckReceived {
    AckReceived::read(&Message::read(&answer(kind, code, status)).unwrap()).unwrap()
}

fn judged(form: Form, wish: WishKind, answer: &AckReceived, takes_acknowledgment: bool) -> String {
    let is_decision = decides(answer, form, takes_acknowledgment);
    match judge(answer, is_decision, wish, &DestinationName::new("ehr")) {
        Report::Accepted { id } => id,
        Report::NotDone { failure, code } => format!("{failure:?} {code}"),
        Report::Delivered { .. }
        | Report::Undelivered { .. }
        | Report::InDoubt { .. }
        | Report::NoTrace => "other".to_owned(),
    }
}

#[test]
fn a_notice_is_taken_by_any_good_answer() {
    for code in ["AA", "CA"] {
        let answer = received("ACK^S14", code, "");
        assert_eq!(judged(Form::SiuS14, WishKind::Confirm, &answer, false), code);
    }
}

#[test]
fn a_request_is_accepted_by_the_response_only() {
    for (kind, code, expected) in [
        ("SRR^S03^SRR_S01", "AA", "AA"),
        ("SRR^S03^SRR_S01", "CA", "Permanent no_decision"),
        ("ACK^S03", "CA", "Permanent no_decision"),
        ("ACK^S03", "AA", "Permanent no_decision"),
        ("SRR^S03^SRR_S01", "AE", "Permanent AE"),
        ("ACK^S03", "AR", "TryLater AR"),
    ] {
        let answer = received(kind, code, "");
        let found = judged(Form::SrmS03, WishKind::Confirm, &answer, false);
        assert_eq!(found, expected, "{kind} {code}");
    }
    let plain = |code| judged(Form::SrmS04, WishKind::Cancel, &received("ACK", code, ""), true);
    assert_eq!((plain("AA").as_str(), plain("CA").as_str()), ("AA", "Permanent no_decision"));
}

#[test]
fn a_response_that_says_that_the_visit_is_off_confirms_nothing() {
    let off = received("SRR^S03", "AA", "Cancelled");
    let found = judged(Form::SrmS03, WishKind::Confirm, &off, false);
    assert_eq!(found, "Permanent appointment_off");
    assert_eq!(judged(Form::SrmS04, WishKind::Cancel, &off, false), "AA");
    for status in ["Booked", "Pending", "6^ARRIVED", ""] {
        let answer = received("SRR^S03", "AA", status);
        assert_eq!(judged(Form::SrmS03, WishKind::Confirm, &answer, false), "AA", "{status}");
    }
}

/// A peer that sends these answers to the first frame, and then says no more.
async fn peer(answers: &[String]) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let frames: String = answers.iter().map(|text| format!("\u{b}{text}\u{1c}\r")).collect();
    Tasks::new().spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        let mut byte = [0];
        while stream.read(&mut byte).await.unwrap() == 1 && byte != [0x1c] {}
        stream.write_all(frames.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        while stream.read(&mut byte).await.unwrap_or(0) == 1 {}
    });
    address
}

async fn exchanged(answers: &[String]) -> Exchange {
    let address = peer(answers).await;
    let mut connection = Connection::open(&address, None, WITHIN).await.unwrap();
    let decides = |ack: &AckReceived| decides(ack, Form::SrmS03, false);
    connection.exchange_until(b"MSH|^~\\&|A", "C1", WITHIN, decides).await
}

fn told(exchange: &Exchange) -> &str {
    match exchange {
        Exchange::Answered(answered) if answered.ack.response.is_some() => "decision",
        Exchange::Answered(_) => "receipt",
        Exchange::NotSent(code) | Exchange::NoAnswer(code) => code,
    }
}

#[tokio::test]
async fn after_a_receipt_the_decision_is_waited_for() {
    let receipt = || answer("ACK^S03", "CA", "");
    let accepted = || answer("ACK^S03", "AA", "");
    let decision = || answer("SRR^S03^SRR_S01", "AA", "Booked");
    assert_eq!(told(&exchanged(&[receipt(), accepted(), decision()]).await), "decision");
    assert_eq!(told(&exchanged(&[receipt()]).await), "receipt");
    assert_eq!(told(&exchanged(&[]).await), "closed");
    let other = decision().replace("|C1\r", "|C2\r");
    assert_eq!(told(&exchanged(&[other]).await), "answer_to_another_message");
    let refusal = exchanged(&[answer("ACK^S03", "AE", ""), decision()]).await;
    assert_eq!(told(&refusal), "receipt", "a refusal is final");
}
