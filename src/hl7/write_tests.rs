//! Edits that read back as what was set, and leave the rest alone.

use proptest::prelude::*;

use super::*;
use crate::hl7::Value;

const TEXT: &str = "MSH|^~\\&|EHR^1^ISO|MAIN|APPT|OWL|20260301||SIU^S12|7|P|2.5\r\
    SCH|P1|F1^X&Y||||REASON|||30|min\r\
    PID|1||M1^^^A^MR~S9^^^B^SS||Doe^Jane||19800101|F|||||\"\"\r\
    NTE|1||odd \\X0A\\ text  \r\
    NTE|2||two\r\
    ZQQ|keep|\"\"|^^~&|me\r";

fn draft() -> Draft {
    Draft::from(&Message::read(TEXT).unwrap())
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn after(edit: impl FnOnce(&mut Draft) -> Result<(), Error>) -> String {
    let mut draft = draft();
    edit(&mut draft).unwrap();
    draft.finish().unwrap().text().to_owned()
}

#[test]
fn without_an_edit_the_text_is_the_same() {
    assert_eq!(after(|_| Ok(())), TEXT);
}

#[test]
fn only_the_place_that_is_set_changes() {
    for (place, value, old, new) in [
        ("MSH-10", "8", "|7|P", "|8|P"),
        ("MSH-9.2", "S14", "SIU^S12", "SIU^S14"),
        ("SCH-2.2.2", "Z", "X&Y", "X&Z"),
        ("SCH-2.2", "Z", "X&Y", "Z"),
        ("SCH-6", "", "REASON", ""),
        ("PID-3[2].1", "S8", "S9", "S8"),
        ("PID-3[2]", "S8", "S9^^^B^SS", "S8"),
        ("PID-3", "X", "M1^^^A^MR~S9^^^B^SS", "X"),
        ("PID-5.2", "A^B", "Jane", "A\\S\\B"),
        ("NTE[2]-3", "a\r\nb", "two", "a\\X0D\\\\X0A\\b"),
        ("SCH-10.3.2", "z", "|min", "|min^^&z"),
        ("SCH-12[3]", "z", "|min", "|min||~~z"),
        ("PID-13.2", "z", "|\"\"\rNTE", "|^z\rNTE"),
    ] {
        assert_eq!(after(|d| d.set(&path(place), value)), TEXT.replace(old, new), "{place}");
    }
}

#[test]
fn a_raw_value_stays_inside_its_place() {
    assert_eq!(after(|d| d.set_raw(&path("SCH-6"), "A^B~C&D")), TEXT.replace("REASON", "A^B~C&D"));
    for (place, raw) in [
        ("SCH-6", "a|b"),
        ("SCH-6", "a\rPID"),
        ("SCH-6", "a\u{1c}"),
        ("SCH-6[1]", "a~b"),
        ("SCH-6.1", "a^b"),
        ("SCH-6.1.1", "a&b"),
    ] {
        let path = path(place);
        assert_eq!(draft().set_raw(&path, raw), Err(Error::Breaks { path }), "{raw:?}");
    }
}

#[test]
fn null_is_set_on_purpose_and_never_by_accident() {
    let mut draft = draft();
    draft.set_null(&path("SCH-6")).unwrap();
    draft.set(&path("SCH-7"), "\"\"").unwrap();
    let msg = draft.finish().unwrap();
    assert_eq!(msg.get(&path("SCH-6")), Value::Null);
    assert_eq!(msg.get(&path("SCH-7")), Value::Text("\"\"".into()));
}

#[test]
fn segments_are_deleted_by_name_and_by_place() {
    let msg = Message::read("MSH|^~\\&|A\rTQ1|1\rAIL|1\rTQ1|2\rAIL|2\r").unwrap();
    let mut draft = Draft::from(&msg);
    draft.set_in(4, &"AIL-2".parse().unwrap(), "X").unwrap();
    draft.delete_all(SegmentName::TQ1);
    draft.delete_all(SegmentName::MSH);
    assert_eq!(draft.finish().unwrap().text(), "MSH|^~\\&|A\rAIL|1\rAIL|2|X\r");
    draft.retain(|index| index == 2);
    assert_eq!(draft.finish().unwrap().text(), "MSH|^~\\&|A\rAIL|2|X\r");
}

#[test]
fn segments_are_deleted_and_inserted() {
    let nte = SegmentName::parse("NTE").unwrap();
    assert_eq!(after(|d| d.delete(nte, 2)), TEXT.replace("NTE|2||two\r", ""));
    assert_eq!(after(|d| d.insert_after(nte, 2, "NTE|3\r")), TEXT.replace("two\r", "two\rNTE|3\r"));
    assert_eq!(after(|d| d.append("ZZZ")), format!("{TEXT}ZZZ\r"));
    assert_eq!(draft().count(nte), 2);
}

#[test]
fn what_would_break_the_message_is_refused() {
    let mut draft = draft();
    let nte = SegmentName::parse("NTE").unwrap();
    assert_eq!(draft.delete(SegmentName::MSH, 1), Err(Error::Header));
    for number in [0, 3] {
        let missing = Error::NoSegment { segment: nte, occurrence: number };
        assert_eq!(draft.delete(nte, number), Err(missing));
    }
    for text in ["", "NT", "NTE|a\rPID|1", "MSH|^~\\&|", "note", "NTE|a\u{b}"] {
        assert_eq!(draft.append(text), Err(Error::NotSegment), "{text:?}");
    }
    assert_eq!(draft.set(&path("MSH-1"), "x"), Err(Error::Separators));
    assert_eq!(draft.set(&path("MSH-2"), "x"), Err(Error::Separators));
    assert!(matches!(draft.set(&path("PID-3[*]"), "x"), Err(Error::Several { .. })));
    assert!(matches!(draft.set(&path("NTE[*]-3"), "x"), Err(Error::Several { .. })));
    assert!(matches!(draft.set(&path("TQ1-7"), "x"), Err(Error::NoSegment { .. })));
    assert_eq!(draft.finish().unwrap().text(), TEXT);
}

#[test]
fn swapping_twice_changes_nothing() {
    let swapped = after(Draft::swap_ends);
    assert!(swapped.starts_with("MSH|^~\\&|APPT|OWL|EHR^1^ISO|MAIN|2026"));
    assert_eq!(after(|d| d.swap_ends().and_then(|()| d.swap_ends())), TEXT);
    let mut short = Draft::from(&Message::read("MSH|^~\\&|EHR\r").unwrap());
    short.swap_ends().unwrap();
    assert_eq!(short.finish().unwrap().text(), "MSH|^~\\&|||EHR|\r");
}

fn places() -> impl Strategy<Value = Path> {
    let segment = prop_oneof![Just("MSH"), Just("SCH"), Just("PID"), Just("NTE[2]"), Just("ZQQ")];
    let level = prop::option::of(1_u16..5);
    (segment, 3_u16..30, level.clone(), level.clone(), level).prop_map(|(s, f, r, c, sub)| {
        let repetition = r.map_or_else(String::new, |r| format!("[{r}]"));
        let component = c.map_or_else(String::new, |c| format!(".{c}"));
        let sub = sub.filter(|_| c.is_some()).map_or_else(String::new, |sub| format!(".{sub}"));
        path(&format!("{s}-{f}{repetition}{component}{sub}"))
    })
}

proptest! {
    #[test]
    fn what_is_set_is_read_back(sets in prop::collection::vec((places(), any::<String>()), 1..8)) {
        let mut draft = draft();
        for (place, value) in &sets {
            draft.set(place, value).unwrap();
            let msg = draft.finish().unwrap();
            prop_assert_eq!(msg.get(place).into_text(), value.as_str());
            // What we write needs no repair at the other end.
            let read = Message::read(msg.text()).unwrap();
            prop_assert_eq!((read.text(), read.repairs()), (msg.text(), &[][..]));
        }
    }

    #[test]
    fn other_fields_keep_their_bytes(place in places(), value: String) {
        let before = Message::read(TEXT).unwrap();
        let mut draft = draft();
        draft.set(&place, &value).unwrap();
        let after = draft.finish().unwrap();
        for (old, new) in before.segments().zip(after.segments()) {
            for (number, field) in (1_u16..).zip(old.fields()) {
                let edited = old.name() == place.segment && number == place.field.get();
                let new = new.field(usize::from(number)).unwrap();
                prop_assert!(edited || field.raw() == new.raw());
            }
        }
    }
}
