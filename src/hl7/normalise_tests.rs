//! Each known way to spell a message wrongly, and what becomes of it.

use proptest::prelude::*;

use super::*;

const MSH: &str = "MSH|^~\\&|A";

fn read(text: &str) -> (String, Vec<Repair>) {
    let normalised = normalise(text).unwrap();
    (normalised.text, normalised.repairs)
}

#[test]
fn a_clean_message_is_unchanged() {
    let text = format!("{MSH}\rPID|1\rPV1\r");
    assert_eq!(read(&text), (text, vec![]));
    assert_eq!(read(MSH), (format!("{MSH}\r"), vec![]));
}

#[test]
fn line_feeds_end_segments_only_where_no_carriage_return_does() {
    let clean = format!("{MSH}\rPID|1\r");
    assert_eq!(read(&format!("{MSH}\nPID|1\n")), (clean.clone(), vec![Repair::LineFeedEnds]));
    assert_eq!(read(&format!("{MSH}\nPID|1\n\r")), (clean.clone(), vec![Repair::LineFeedEnds]));
    let crlf = vec![Repair::CarriageReturnLineFeedEnds];
    assert_eq!(read(&format!("{MSH}\r\nPID|1\r\n")), (clean, crlf));
    for end in ["", "\r", "\n", "\r\n", "\n\r", " \r\n\0"] {
        assert_eq!(read(&format!("{MSH}{end}")).0.trim_end(), MSH, "{end:?}");
    }
    let inside = format!("{MSH}\rNTE|1||one\nOBX|two\rPID|1\r");
    assert_eq!(read(&inside), (inside.clone(), vec![]));
}

#[test]
fn blank_lines_and_leading_blanks_are_left_out() {
    let text = format!("\u{FEFF}\r\n  {MSH}\r\r \t\r  PID|1\r\0\r");
    let (read, repairs) = read(&text);
    assert_eq!(read, format!("{MSH}\rPID|1\r"));
    let expected = [
        Repair::ByteOrderMark,
        Repair::LeadingBlanks { segment: 1 },
        Repair::BlankLines { count: 2 },
    ];
    assert_eq!(repairs, expected);
}

#[test]
fn a_line_that_is_no_segment_continues_the_one_before() {
    for line in ["second line|x", "  indented", "pid|1", "ZABC|1", "1AB|x", "日本|x", "PI"] {
        let (text, repairs) = read(&format!("{MSH}\rNTE|1||first\r{line}\rPID|1\r"));
        assert_eq!(text, format!("{MSH}\rNTE|1||first\n{line}\rPID|1\r"));
        assert_eq!(repairs, [Repair::Continuation { segment: 1 }]);
    }
}

#[test]
fn a_glued_segment_is_cut_off_only_with_name_and_set_id() {
    let (text, repairs) = read(&format!("{MSH}\rPID|1||NK1|1|Roe||NTE|1||x\rnext\rPV1|1\r"));
    assert_eq!(text, format!("{MSH}\rPID|1||\rNK1|1|Roe||\rNTE|1||x\nnext\rPV1|1\r"));
    let cut = |segment| Repair::MissingSegmentEnd { segment };
    assert_eq!(repairs, [Repair::Continuation { segment: 1 }, cut(2), cut(3)]);
    for value in ["|NK1|x|", "|NK1||", "|NK1", "|NK1|1", "|PID|1|", "|XNK1|1|", "|NK1|12345|"] {
        let text = format!("{MSH}\rZXX|1{value}\r");
        assert_eq!(read(&text), (text, vec![]));
    }
    let named = format!("{MSH}|NK1|1|\rERR|1|PV1|1|\r");
    assert_eq!(read(&named), (named, vec![]));
}

#[test]
fn an_odd_msh_2_is_recorded() {
    let (_, repairs) = read("MSH|^~\\|A\r");
    assert_eq!(repairs, [Repair::EncodingCharacters(Oddity::Short)]);
}

#[test]
fn what_is_no_message_is_refused() {
    for text in ["", "MSH", "SH|^~\\&|", "msh|^~\\&|", "GET / HTTP/1.1", "FHS|^~\\&|", "MSH\r"] {
        let refused = normalise(text).err();
        assert!(matches!(refused, Some(Error::NoHeader | Error::FieldSeparator)), "{text:?}");
    }
    for text in ["MSHA^~\\&A", "MSH ^~\\& ", "MSHü^~\\&ü"] {
        assert_eq!(normalise(text).err(), Some(Error::FieldSeparator), "{text:?}");
    }
}

#[test]
fn two_messages_in_one_text_are_refused() {
    let second = format!("{MSH}\rPID|1\r");
    let at = second.len();
    let refused = normalise(&format!("{second}{second}")).err();
    assert_eq!(refused, Some(Error::SecondHeader { at }));
    let other = normalise(&format!("{second}MSH$%*/@$B\r")).err();
    assert_eq!(other, Some(Error::SecondHeader { at }));
}

#[test]
fn hostile_sizes_are_refused() {
    let segments = format!("{MSH}\r{}", "A01\r".repeat(SEGMENTS_MAX));
    assert_eq!(normalise(&segments).err(), Some(Error::TooManySegments));
    let parts = format!("{MSH}\rOBX|{}\r", "^".repeat(FIELD_PARTS_MAX + 1));
    let obx = SegmentName::parse("OBX").unwrap();
    assert_eq!(normalise(&parts).err(), Some(Error::TooManyParts { segment: obx }));
    assert!(normalise(&format!("{MSH}\rOBX|{}\r", "x".repeat(1 << 20))).is_ok());
    assert!(normalise(&format!("{MSH}\rOBX|{}\r", "|".repeat(1 << 20))).is_ok());
}

#[test]
fn errors_name_no_value() {
    let error = normalise("MSHDOE^JANE").err().unwrap();
    assert!(!error.to_string().contains("DOE"));
}

proptest! {
    #[test]
    fn any_text_is_covered_or_refused(text: String) {
        if let Ok(normalised) = normalise(&format!("MSH|^~\\&|{text}")) {
            let kept = |text: &str| text.chars().filter(|char| !is_blank(*char)).count();
            prop_assert_eq!(kept(&normalised.text), kept(&text) + 9);
        }
    }

    #[test]
    fn a_second_reading_repairs_nothing_and_no_character_is_lost(
        lines in prop::collection::vec(
            ("(PID\\||NTE\\|1|\\|NK1\\|1\\||PV1| |\t|pid|x|日\u{e9}|\\\\F\\\\|\\|PV1\\|2\\|){0,6}", "[\r\n]{0,3}"),
            0..12,
        ),
        start in "\u{FEFF}?[ \r\n]{0,2}",
    ) {
        let body: String = lines.iter().flat_map(|(line, end)| [line.as_str(), end]).collect();
        let text = format!("{start}{MSH}{body}");
        let once = normalise(&text).unwrap();
        let visible = |text: &str| text.chars().filter(|char| !is_blank(*char)).collect::<String>();
        prop_assert_eq!(visible(&once.text), visible(&text));
        let twice = normalise(&once.text).unwrap();
        prop_assert_eq!(visible(&twice.text), visible(&once.text));
        // In a single segment nothing tells that its line feeds are text.
        if once.segments.len() > 1 {
            prop_assert_eq!(&twice.text, &once.text);
            prop_assert_eq!(twice.segments, once.segments);
            prop_assert_eq!(twice.repairs, vec![]);
        }
    }
}
