use super::*;

fn read(text: &str) -> Message {
    Message::read(&format!("MSH|^~\\&|A|B\r{text}")).unwrap()
}

fn first(path: &str, text: &str) -> Option<String> {
    let msg = read(text);
    Path::parse(path).unwrap().first(&Lines::new(&msg)).map(|found| found.raw.into_owned())
}

fn is(path: &str, text: &str, expected: &str) {
    assert_eq!(first(path, text).as_deref(), Some(expected), "{path}");
}

const PID: &str = "PID|1||^^^X^PI~123^^^USSSA^SS~M1^^^EHR&1.2&ISO^MR|";

#[test]
fn a_repetition_is_picked_by_number_or_by_content() {
    is("PID-3[2].1", PID, "123");
    is("PID-3[5=MR|MRN].1", PID, "M1");
    is("PID-3[type=mr].1", PID, "M1");
    is("PID-3[type!=SS].1", PID, "M1");
    is("PID-3[type!=S*|P*].1", PID, "M1");
    is("PID-3[4.2=1.2].4.1", PID, "EHR");
    assert_eq!(first("PID-3[1].1", PID), None);
    assert_eq!(first("PID-3[5=MR][2].1", PID), None);
}

#[test]
fn without_a_bracket_the_first_repetition_with_the_value_counts() {
    is("PID-3.1", PID, "123");
    assert_eq!(first("PID-3.9", PID), None);
    assert_eq!(first("PID-40.1", PID), None);
    assert_eq!(first("ZZZ-1", PID), None);
}

#[test]
fn null_is_found_only_if_no_text_is() {
    is("PID-13.1", "PID|||||||||||||\"\"", NULL);
    is("PID-13.1", "PID|||||||||||||\"\"~5551234567", "5551234567");
    is("PID-13.7", "PID|||||||||||||\"\"", NULL);
    assert_eq!(first("PID-13.2", "PID|||||||||||||\"\"^^PH"), None);
}

#[test]
fn resources_that_are_taken_off_are_not_read() {
    let rescheduled = "RGS|1|D\rAIL|1|D|OLD\rAIL|2||OLDER\rRGS|2|A\rAIL|1|D|GONE\rAIL|2|A|NEW";
    is("AIL-3.1", rescheduled, "NEW");
    is("AIL[1]-3.1", rescheduled, "OLD");
    is("AIL[2=A]-3", rescheduled, "NEW");
    is("AIL-3.1", "AIL|1||\rAIL|2||SECOND", "SECOND");
}

#[test]
fn only_the_first_of_other_segments_is_read() {
    assert_eq!(first("PID-5.1", "PID|1\rPID|2||||Doe"), None);
    is("PID[2]-5.1", "PID|1\rPID|2||||Doe", "Doe");
    is("OBX[3.1=SchedulingStatus]-5", "OBX|1|ST|A||x\rOBX|2|ST|Scheduling_Status||y", "y");
}

#[test]
fn a_position_names_the_very_bytes() {
    let msg = read(PID);
    let found = Path::parse("PID-3[type=MR].4.2").unwrap().first(&Lines::new(&msg)).unwrap();
    let at = found.at.unwrap();
    assert_eq!(msg.text().get(at.start..at.end), Some("1.2"));
    assert_eq!(at.to_string(), "PID[1]-3[3].4.2");
}

#[test]
fn every_is_visited_in_order() {
    let msg = read("NTE|1||a~b\rNTE|2||c");
    let mut seen = Vec::new();
    Path::parse("NTE[*]-3[*]").unwrap().visit(&Lines::new(&msg), &mut |found| {
        seen.push(found.raw.into_owned());
        false
    });
    assert_eq!(seen, ["a", "b", "c"]);
}

#[test]
fn a_wrong_path_says_where_and_what() {
    for (text, problem) in [
        ("", "a path begins with a segment name"),
        ("pid-3", "a path begins with a segment name"),
        ("日本-3", "a path begins with a segment name"),
        ("PIX-3", "no segment of the standard is named PIX, did you mean \"PID\"?"),
        ("PID", "a hyphen and a field number are expected"),
        ("PID.3", "a hyphen and a field number are expected"),
        ("PID-x", "a number from 1"),
        ("PID-0", "a number from 1"),
        ("PID-99999999", "a number from 1"),
        ("PID-3[", "a number, * or a test"),
        ("PID-3[]", "a number, * or a test"),
        ("PID-3[1", "a closing bracket"),
        ("PID-3[1][2]", "only one number"),
        ("PID-3[tipe=MR].1", "did you mean \"type\"?"),
        ("PID-3[5!MR=X].1", "= or != is expected"),
        ("PID-3[5=MR.1", "a closing bracket"),
        ("PID-3.1.1.1", "the path should end here"),
        ("PID-3.1[2]", "the path should end here"),
    ] {
        let error = Path::parse(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
    }
}
