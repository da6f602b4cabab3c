//! What is written from a message that was read: its acknowledgment, and edits of itself.

use appointd::hl7::{
    AckCode, AckError, AckMode, AckReceived, Answer, Draft, ErrorCode, Message, Path, SegmentName,
    Value, Verdict, acknowledge, escape, is_acknowledgment, plan,
};
use chrono::DateTime;

/// Places that edits are tried at.
const PATHS: [&str; 9] = [
    "MSH-10",
    "MSH-9.3",
    "SCH-25",
    "SCH-25.2",
    "SCH-11[2].4.2",
    "PID-13[3].1",
    "ZZZ-1",
    "NTE[2]-3",
    "MSH-2",
];

/// Writes and reads again.
pub(crate) fn check(msg: &Message, data: &[u8]) {
    let _named = is_acknowledgment(msg);
    let _received = AckReceived::read(msg);
    check_answer(msg);
    let value = String::from_utf8_lossy(data.get(..24).unwrap_or(data));
    for path in PATHS {
        let path: Path = path.parse().expect("a path");
        check_edit(msg, &path, &value);
    }
    check_segments(msg);
}

fn check_answer(msg: &Message) {
    let header = msg.header();
    for mode in [AckMode::Original, AckMode::Enhanced, AckMode::Auto] {
        let _plan = plan(&header, mode, Verdict::Accepted);
    }
    let location = "PID-13[2].1".parse().ok();
    let error = AckError { code: ErrorCode::DataType, location, text: "a|b^c\\d\r~&\"" };
    for (code, error) in
        [(AckCode::ApplicationAccept, None), (AckCode::ApplicationError, Some(error))]
    {
        let now = DateTime::UNIX_EPOCH;
        let answer = Answer { code, error, control_id: "A^1", request_id: Some("R|1"), now };
        let text = acknowledge(Some(msg), &answer);
        let is_framed = |char: char| char.is_control() && !matches!(char, '\r' | '\t');
        assert!(!text.contains(is_framed), "an answer goes through any frame");
        let read = Message::read(&text).expect("an answer is a message");
        assert_eq!(read.repairs(), [], "an answer needs no repair");
        let received = AckReceived::read(&read).expect("an answer is an acknowledgment");
        assert_eq!((received.code, received.control_id.as_str()), (code, "R|1"));
        assert_eq!(read.header().control_id, "A^1");
        assert!(is_acknowledgment(&read));
        // The request's own id, as it stands there.
        let text = acknowledge(Some(msg), &Answer { request_id: None, ..answer });
        let read = Message::read(&text).expect("an answer is a message");
        if let Ok(received) = AckReceived::read(&read) {
            assert_eq!(received.code, code);
        }
    }
}

/// A value that is set is there, and all other segments are what they were.
fn check_edit(msg: &Message, path: &Path, value: &str) {
    let mut draft = Draft::from(msg);
    let unchanged = draft.finish().expect("a message without edits is a message");
    assert!(unchanged.text() == msg.text());
    if draft.set(path, value).is_err() {
        return;
    }
    let edited = draft.finish().expect("an edited message is a message");
    let found = edited.get(path);
    assert_eq!(found.text().unwrap_or_default(), value, "{path}");
    assert_eq!(matches!(found, Value::Absent), value.is_empty());
    let mut left = usize::from(path.occurrence.number().unwrap_or(1));
    for (before, after) in msg.segments().zip(edited.segments()) {
        let is_named = before.name() == path.segment;
        left = left.wrapping_sub(usize::from(is_named));
        assert!((is_named && left == 0) || before.raw() == after.raw());
    }
    let mut raw = Draft::from(msg);
    if raw.set_raw(path, value).is_ok() {
        let edited = raw.finish().expect("an edited message is a message");
        let found = edited.find(path).map(|part| part.raw());
        assert_eq!(found, Some(value), "{path}");
        let decoded = escape::decode(value, edited.separators());
        assert_eq!(edited.get(path).text().unwrap_or(value), decoded);
    }
    draft.set_null(path).expect("what can be set can be deleted");
    let edited = draft.finish().expect("an edited message is a message");
    assert!(matches!(edited.get(path), Value::Null), "{path}");
}

fn check_segments(msg: &Message) {
    let mut draft = Draft::from(msg);
    draft.swap_ends().expect("there is a header");
    let separator = msg.separators().field;
    draft.append(&format!("ZZ9{separator}1")).expect("a segment");
    let name = SegmentName::parse("ZZ9").expect("a name");
    let count = draft.count(name);
    let swapped = draft.finish().expect("an edited message is a message");
    assert_eq!(swapped.segments().len(), msg.segments().len() + 1);
    let (before, after) = (msg.header(), swapped.header());
    assert_eq!(after.sending_application, before.receiving_application);
    assert_eq!(after.receiving_facility, before.sending_facility);
    draft.delete(name, u16::try_from(count).unwrap_or(1)).expect("it is there");
    assert_eq!(draft.count(name), count - 1);
    draft.delete_all(name);
    assert_eq!(draft.count(name), 0);
    draft.retain(|index| index == 1);
    assert!(draft.finish().expect("an edited message is a message").segments().len() <= 2);
}
