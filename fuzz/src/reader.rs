//! Any bytes, as the payload of a frame: text, messages, segments, fields, parts, values.
//!
//! Nothing may be lost on the way: messages are parts of the text, segments of a message, and the
//! parts of each level with the separators between them are what they were cut from.

use appointd::hl7::{
    Component, Dtm, Field, Message, Repetition, Segment, Separators, Value, batch, charset, escape,
};

use super::answers;

/// The most messages of one payload that are looked at closely.
const MESSAGES_MAX: usize = 16;

/// Checks one payload.
pub fn check(data: &[u8]) {
    let Ok(decoded) = charset::decode(data, None) else { return };
    let _written = charset::encode(&decoded.text, decoded.charset);
    let batch = batch::split(&decoded.text);
    is_covered(&decoded.text, &batch);
    for text in batch.messages.iter().take(MESSAGES_MAX) {
        let Ok(msg) = Message::read(text) else {
            let _header = appointd::hl7::ack::header_only(text);
            continue;
        };
        is_read_again(&msg);
        is_tiled(&msg);
        for segment in msg.segments() {
            check_segment(&msg, segment);
        }
        answers::check(&msg, data);
    }
}

/// Messages are parts of the text in their order, and what is in none of them was counted.
fn is_covered(text: &str, batch: &batch::Batch<'_>) {
    let base = text.as_ptr() as usize;
    let mut next = 0;
    for message in &batch.messages {
        let start = message.as_ptr() as usize - base;
        assert!(start >= next, "messages overlap");
        next = start + message.len();
    }
    assert!(next <= text.len());
    let inside: usize = batch.messages.iter().map(|message| message.len()).sum();
    assert!(inside + batch.stray_bytes <= text.len());
}

/// What was repaired once needs no repair.
fn is_read_again(msg: &Message) {
    let again = Message::read(msg.text()).expect("a repaired message is a message");
    assert!(again.separators() == msg.separators(), "the same separators");
    // A single segment may hold a line feed as its only line end.
    if msg.segments().len() > 1 {
        assert!(again.text() == msg.text(), "the same text");
    }
}

fn is_tiled(msg: &Message) {
    let mut next = 0;
    for segment in msg.segments() {
        assert_eq!(segment.range().start, next, "segments follow each other");
        next = segment.range().end;
        assert_eq!(msg.text().as_bytes().get(next), Some(&b'\r'));
        next += 1;
    }
    assert_eq!(next, msg.text().len());
}

fn check_segment(msg: &Message, segment: Segment<'_>) {
    let separators = msg.separators();
    let fields: Vec<Field<'_>> = segment.fields().collect();
    let is_header = segment.index() == 0;
    let mut whole = segment.name().to_string();
    for (index, field) in fields.iter().enumerate() {
        // MSH-1 is the separator itself.
        if !(is_header && index == 0) {
            whole.push(separators.field);
            whole.push_str(field.raw());
        }
        assert_eq!(msg.text().get(field.range()), Some(field.raw()));
        check_field(separators, *field);
    }
    let name_bytes = segment.raw().find(separators.field).unwrap_or_else(|| segment.raw().len());
    let rest = segment.raw().get(name_bytes..).unwrap_or_default();
    assert_eq!(whole.get(3..), Some(rest), "fields cover the segment");
    for number in [1, 2, 3, fields.len(), fields.len() + 1] {
        let found = segment.field(number).map(|field| field.range());
        let expected = number.checked_sub(1).and_then(|index| fields.get(index));
        assert_eq!(found, expected.map(|field| field.range()), "field {number}");
    }
}

fn check_field(separators: &Separators, field: Field<'_>) {
    let repetitions: Vec<Repetition<'_>> = field.repetitions().collect();
    let parts = repetitions.iter().map(|part| part.raw());
    assert!(is_joined(field.raw(), separators.repetition, parts), "repetitions cover the field");
    check_value(separators, field.raw(), &field.value());
    for repetition in repetitions {
        let components: Vec<Component<'_>> = repetition.components().collect();
        let parts = components.iter().map(|part| part.raw());
        assert!(is_joined(repetition.raw(), separators.component, parts), "components cover");
        for component in components {
            let subcomponents: Vec<_> = component.subcomponents().collect();
            let parts = subcomponents.iter().map(|part| part.raw());
            assert!(is_joined(component.raw(), separators.subcomponent, parts), "they cover");
            for subcomponent in subcomponents {
                check_value(separators, subcomponent.raw(), &subcomponent.value());
            }
        }
    }
}

/// Whether parts with separators between them are the whole.
fn is_joined<'a>(
    whole: &str,
    separator: char,
    mut parts: impl ExactSizeIterator<Item = &'a str>,
) -> bool {
    let Some(first) = parts.next() else { return false };
    let mut rest = whole.strip_prefix(first);
    for part in parts {
        rest = rest.and_then(|rest| rest.strip_prefix(separator)?.strip_prefix(part));
    }
    rest == Some("")
}

fn check_value(separators: &Separators, raw: &str, value: &Value<'_>) {
    match value {
        Value::Absent => assert!(raw.is_empty()),
        Value::Null => assert_eq!(raw, "\"\""),
        Value::Text(text) => {
            let written = escape::encode(text, separators);
            let read = escape::decode(&written, separators);
            assert!(read == *text, "what was escaped is read as it was");
            if let Ok(time) = Dtm::parse(text) {
                let again = Dtm::parse(&time.to_string()).expect("a written time is a time");
                assert_eq!((time.precision, time.offset), (again.precision, again.offset));
                let _instant = time.instant();
            }
        }
    }
}
