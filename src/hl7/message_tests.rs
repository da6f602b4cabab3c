//! Reading values, and the tokenizer's known defects, none of which may reach a caller.

use proptest::prelude::*;

use super::*;
use crate::hl7::separators::Oddity;

const TEXT: &str = "MSH|^~\\&|EHR^1.2^ISO|MAIN|||20260301||SIU^S12^SIU_S12|7|P|2.5\r\
    SCH|P1|F1^X&Y\r\
    PID|1||~M1^^^A&B^MR|\"\"|Doe^Jane|||||||\"\"|^\"\"^x\r\
    AIL|1||R1^^^CLINIC\r\
    AIL|2||R2\r";

fn read(text: &str) -> Message {
    Message::read(text).unwrap()
}

fn get(msg: &Message, path: &str) -> String {
    match msg.get(&path.parse().unwrap()) {
        Value::Absent => "-".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Text(text) => text.into_owned(),
    }
}

#[test]
fn a_path_leads_to_its_value() {
    let msg = read(TEXT);
    for (path, value) in [
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-2.1", "^~\\&"),
        ("MSH-2.2", "-"),
        ("MSH-3.2", "1.2"),
        ("MSH-9.2", "S12"),
        ("SCH-2", "F1^X&Y"),
        ("SCH-2.1", "F1"),
        ("SCH-2.2.2", "Y"),
        ("SCH-3", "-"),
        ("PID-3.1", "-"),
        ("PID-3[2].1", "M1"),
        ("PID-3[2].4.2", "B"),
        ("PID-3[3]", "-"),
        ("AIL-3.4", "CLINIC"),
        ("AIL[2]-3.1", "R2"),
        ("AIL[2]-3.1.1", "R2"),
        ("AIL[3]-3.1", "-"),
        ("AIL[*]-1", "1"),
        ("ZZZ-1", "-"),
    ] {
        assert_eq!(get(&msg, path), value, "{path}");
    }
}

#[test]
fn null_is_not_absent_and_covers_what_is_below_it() {
    let msg = read(TEXT);
    for path in ["PID-12", "PID-12.1", "PID-12.7.2", "PID-12[2].1", "PID-12[*].7", "PID-4"] {
        assert_eq!(get(&msg, path), "null", "{path}");
    }
    assert_eq!(get(&msg, "PID-13.2"), "null");
    assert_eq!(get(&msg, "PID-13.1"), "-");
    assert_eq!(get(&msg, "PID-13.3"), "x");
    assert_eq!(get(&msg, "PID-99"), "-");
}

#[test]
fn a_star_leads_to_each_place_with_its_number() {
    let msg = read(TEXT);
    let paths = |path: &str| -> Vec<String> {
        msg.select(&path.parse().unwrap()).iter().map(|found| found.path.to_string()).collect()
    };
    assert_eq!(paths("AIL[*]-3.1"), ["AIL[1]-3.1", "AIL[2]-3.1"]);
    assert_eq!(paths("PID-3[*].5"), ["PID-3[2].5"]);
    assert_eq!(paths("PID-3[*]"), ["PID-3[1]", "PID-3[2]"]);
    assert_eq!(paths("AIL[2]-3"), ["AIL[2]-3"]);
    assert!(paths("ZZZ[*]-1").is_empty());
}

#[test]
fn each_level_knows_its_text_and_its_place() {
    let msg = read(TEXT);
    let pid = msg.segment("PID").unwrap();
    assert_eq!((pid.index(), pid.occurrence(), pid.name().as_str()), (2, 1, "PID"));
    let field = pid.field(3).unwrap();
    let repetition = field.repetitions().nth(1).unwrap();
    let component = repetition.component(4).unwrap();
    let subcomponent = component.subcomponent(2).unwrap();
    assert_eq!(component.raw(), "A&B");
    assert_eq!(msg.text().get(subcomponent.range()), Some("B"));
    assert_eq!(msg.segments().last().unwrap().occurrence(), 2);
    assert_eq!(
        msg.segments().map(|segment| segment.fields().count()).sum::<usize>(),
        12 + 2 + 13 + 3 + 3
    );
}

#[test]
fn numbers_out_of_range_are_nothing() {
    let pid = read(TEXT);
    let pid = pid.segment("PID").unwrap();
    assert!(pid.field(0).is_none() && pid.field(usize::MAX).is_none());
    assert!(pid.field(3).unwrap().component(0).is_none());
    assert!(read("MSH|^~\\&\r").segments().next().unwrap().field(3).is_none());
}

#[test]
fn the_header_is_decoded() {
    let header =
        read("MSH|^~\\&|E\\T\\R^1|\"\"|||t||SIU^S12|7|P^T|2.5^USA|3||AL|NE||A~B\r").header();
    assert_eq!(
        (header.sending_application.as_str(), header.sending_facility.as_str()),
        ("E&R", "")
    );
    assert_eq!((header.trigger.as_str(), header.structure.as_str()), ("S12", ""));
    assert_eq!((header.accept_ack.as_str(), header.application_ack.as_str()), ("AL", "NE"));
    assert_eq!(
        (header.version_numbers(), header.charsets),
        (Some((2, 5, 0)), vec!["A".to_owned(), "B".to_owned()])
    );
}

#[test]
fn debug_output_holds_no_value() {
    let msg = read(TEXT);
    let shown =
        format!("{msg:?} {:?} {:?}", msg.segment("PID"), msg.get(&"PID-5".parse().unwrap()));
    assert!(!shown.contains("Doe"), "{shown}");
}

/// The defects of the tokenizer's own message level, by number, as kept away from callers.
mod tokenizer_defects {
    use super::*;
    use crate::hl7::{Dtm, dtm, escape, path};

    #[test]
    fn no_1_an_odd_line_does_not_end_the_message() {
        for odd in ["", " NK1|1", "PV1", "ZABC|1", "pid|1"] {
            let msg = read(&format!("MSH|^~\\&|A\r\n{odd}\r\nAIL|1||LAST\r\n"));
            assert_eq!(get(&msg, "AIL-3"), "LAST", "{odd:?}");
        }
    }

    #[test]
    fn no_2_escapes_next_to_non_ascii_text_are_decoded() {
        let msg = read("MSH|^~\\&|A\rPID|日本\\T\\日本^Müller \\T\\ Söhne\r");
        assert_eq!(get(&msg, "PID-1.1"), "日本&日本");
        assert_eq!(get(&msg, "PID-1.2"), "Müller & Söhne");
    }

    #[test]
    fn no_3_an_unterminated_escape_keeps_the_rest() {
        assert_eq!(get(&read("MSH|^~\\&|A\rPID|C:\\dir rest\r"), "PID-1"), "C:\\dir rest");
    }

    #[test]
    fn no_4_hexadecimal_and_formatting_escapes_are_decoded() {
        let msg = read("MSH|^~\\&|A\rPID|\\X41\\\\X0D0A\\\\H\\b\\N\\\\.sp2\\\\.br\\\r");
        assert_eq!(get(&msg, "PID-1"), "A\r\nb\n\n\n");
    }

    #[test]
    fn no_5_an_odd_msh_2_shifts_no_field() {
        for encoding in ["^~\\&#", "^~\\", "^~&\\", "^~\\\\&", "^", ""] {
            let msg = read(&format!("MSH|{encoding}|A|||||| |SIU^S12|7\rPID|a&b\r"));
            assert_eq!((get(&msg, "MSH-3"), get(&msg, "MSH-10.2")), ("A".into(), "S12".into()));
            assert_eq!(get(&msg, "PID-1.1.2"), "b", "{encoding}");
        }
        let msg = read("MSH|^~\\|A\r");
        assert_eq!(msg.repairs(), [Repair::EncodingCharacters(Oddity::Short)]);
    }

    #[test]
    fn no_6_text_keeps_its_own_separators() {
        assert_eq!(get(&read("MSH|^~\\&|A\rPID|DOE^JOHN~X^Y\r"), "PID-1"), "DOE^JOHN~X^Y");
    }

    #[test]
    fn no_7_and_8_times_are_read_by_our_own_reader() {
        assert_eq!(Dtm::parse("20240231"), Err(dtm::Error::Day));
        assert_eq!(Dtm::parse("202403012460"), Err(dtm::Error::Hour));
        assert_eq!(Dtm::parse("20240301").unwrap().offset, None);
        let at = Dtm::parse("20240301120000.1234-0030").unwrap();
        assert_eq!(at.local.and_utc().timestamp_subsec_micros(), 123_400);
        assert_eq!(at.offset.unwrap().local_minus_utc(), -1800);
    }

    #[test]
    fn no_9_an_echoed_escape_is_not_escaped_again() {
        let text = "MSH|^~\\&|A\rPID|a\\T\\b\r";
        let echoed = crate::hl7::Draft::from(&read(text)).finish().unwrap();
        assert_eq!(echoed.text(), text);
    }

    #[test]
    fn no_10_a_wrong_path_is_an_error() {
        assert_eq!(Path::parse("PID-5.x"), Err(path::Error::Number { at: 6 }));
        assert_eq!(Path::parse("PID-99999999999"), Err(path::Error::Range { at: 4 }));
    }

    #[test]
    fn no_11_a_mark_or_blank_before_msh_is_no_error_and_shows_no_content() {
        assert_eq!(get(&read("\u{FEFF}MSH|^~\\&|A\r"), "MSH-3"), "A");
        assert_eq!(get(&read("\u{B}\nMSH|^~\\&|A\r"), "MSH-3"), "A");
        assert_eq!(Message::read("DOE^JANE|").unwrap_err(), Error::NoHeader);
    }

    #[test]
    fn no_12_two_messages_are_not_one() {
        let refused = Message::read("MSH|^~\\&|A\rMSH|^~\\&|B\r").unwrap_err();
        assert_eq!(refused, Error::SecondHeader { at: 11 });
    }

    #[test]
    fn no_13_a_line_feed_in_a_value_cuts_nothing() {
        let msg = read("MSH|^~\\&|A\rNTE|1||one\ntwo|x\rPID|1\r");
        assert_eq!((get(&msg, "NTE-3"), get(&msg, "NTE-4")), ("one\ntwo".into(), "x".into()));
        assert_eq!(get(&msg, "PID-1"), "1");
        assert_eq!(escape::decode("one\ntwo", msg.separators()), "one\ntwo");
    }
}

#[test]
fn as_many_segments_as_there_may_be_are_selected() {
    let text = format!("MSH|^~\\&|A\r{}", "AIL|1\r".repeat(65_535));
    let msg = Message::read(&text).unwrap();
    assert_eq!(msg.select(&"AIL[*]-1".parse().unwrap()).len(), 65_535);
}

proptest! {
    #[test]
    fn any_message_can_be_walked_through(body in "[|^~&\\\\\r\nA-Z1\"日 ]{0,80}") {
        let Ok(msg) = Message::read(&format!("MSH|^~\\&|{body}")) else { return Ok(()) };
        for segment in msg.segments() {
            let plain: Vec<_> = segment.raw().split('|').skip(1).collect();
            let ours: Vec<_> = segment.fields().map(|field| field.raw()).collect();
            let header = usize::from(segment.index() == 0);
            prop_assert_eq!(&ours[header..], &plain[..]);
            for (number, field) in (1..).zip(segment.fields()) {
                prop_assert_eq!(segment.field(number).unwrap().range(), field.range());
                for repetition in field.repetitions() {
                    for component in repetition.components() {
                        for subcomponent in component.subcomponents() {
                            let there = msg.text().get(subcomponent.range());
                            prop_assert_eq!(there, Some(subcomponent.raw()));
                            let _value = subcomponent.value();
                        }
                    }
                }
            }
        }
    }
}
