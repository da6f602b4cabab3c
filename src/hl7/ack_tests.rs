//! Answers by version, separators and state of the request.

use chrono::TimeZone;

use super::*;

const REQUEST: &str = "MSH|^~\\&|EHR^1.2.3^ISO|MAIN^4.5^ISO|APPT|OWL|20260301||SIU^S12^SIU_S12|M\\T\\7|P^T|2.5.1^USA||||||8859/1~UNICODE UTF-8\rSCH|1\r";

fn answer(code: AckCode, error: Option<AckError<'_>>) -> Answer<'_> {
    let now = Utc.with_ymd_and_hms(2026, 3, 1, 9, 0, 0).unwrap();
    Answer { code, error, control_id: "NEW1", request_id: None, now }
}

fn reply(request: &str, code: AckCode, error: Option<AckError<'_>>) -> String {
    let request = Message::read(request).unwrap();
    acknowledge(Some(&request), &answer(code, error)).replace('\r', "\n")
}

fn missing_start() -> AckError<'static> {
    AckError {
        code: ErrorCode::RequiredFieldMissing,
        location: Some("SCH-11.4".parse().unwrap()),
        text: "no start|time",
    }
}

#[test]
fn sender_and_receiver_change_places_with_all_components() {
    assert_eq!(
        reply(REQUEST, AckCode::ApplicationAccept, None),
        "MSH|^~\\&|APPT|OWL|EHR^1.2.3^ISO|MAIN^4.5^ISO|20260301090000+0000||ACK^S12^ACK|NEW1|P^T\
         |2.5.1^USA||||||8859/1~UNICODE UTF-8\nMSA|AA|M\\T\\7\n"
    );
}

#[test]
fn the_message_type_has_the_form_of_the_requests_version() {
    for (version, form) in [
        ("2.2", "ACK"),
        ("2.3.1", "ACK"),
        ("2.4", "ACK^S12"),
        ("2.5", "ACK^S12^ACK"),
        ("2.8.2", "ACK^S12^ACK"),
        ("", "ACK"),
        ("x", "ACK"),
    ] {
        let request = format!("MSH|^~\\&|||||||SIU^S12|1|P|{version}\r");
        let text = reply(&request, AckCode::CommitAccept, None);
        assert_eq!(text.split('|').nth(8), Some(form), "{version}");
    }
}

#[test]
fn an_error_since_2_5_has_place_code_severity_and_text() {
    let text = reply(REQUEST, AckCode::ApplicationError, Some(missing_start()));
    assert!(text.contains("MSA|AE|M\\T\\7|no start\\F\\time\n"));
    assert!(text.ends_with(
        "\nERR||SCH^1^11^1^4|101^Required field missing^HL70357|E||||no start\\F\\time\n"
    ));
}

#[test]
fn an_error_before_2_5_is_one_field() {
    let request = REQUEST.replace("2.5.1^USA", "2.4");
    let text = reply(&request, AckCode::ApplicationError, Some(missing_start()));
    assert!(text.ends_with("\nERR|SCH^1^11^101&Required field missing&HL70357\n"));
    let nowhere = Some(AckError { code: ErrorCode::Internal, location: None, text: "" });
    let text = reply(&request, AckCode::ApplicationReject, nowhere);
    assert!(text.ends_with("\nERR|^^^207&Application internal error&HL70357\n"));
}

#[test]
fn an_error_since_2_7_is_not_in_msa() {
    let request = REQUEST.replace("2.5.1^USA", "2.7");
    assert!(
        reply(&request, AckCode::ApplicationError, Some(missing_start()))
            .contains("\nMSA|AE|M\\T\\7\n")
    );
}

#[test]
fn the_answer_uses_the_separators_of_the_request() {
    let request = "MSH$%*/@$EHR%1$B$C$D$$$SIU%S12$77$P$2.5\r";
    assert_eq!(
        reply(request, AckCode::ApplicationAccept, None),
        "MSH$%*/@$C$D$EHR%1$B$20260301090000+0000$$ACK%S12%ACK$NEW1$P$2.5\nMSA$AA$77\n"
    );
}

#[test]
fn a_request_without_header_gets_the_smallest_well_formed_answer() {
    let text = acknowledge(None, &answer(AckCode::ApplicationReject, None));
    assert_eq!(text, "MSH|^~\\&|||||20260301090000+0000||ACK|NEW1|P|2.3\rMSA|AR|\r");
    assert!(Message::read(&text).unwrap().repairs().is_empty());
}

#[test]
fn a_request_without_control_id_gets_an_empty_msa_2() {
    let text = reply("MSH|^~\\&|A\r", AckCode::ApplicationError, None);
    assert!(text.ends_with("\nMSA|AE|\n"));
}

#[test]
fn a_batch_is_answered_by_its_own_control_id() {
    let request = Message::read(REQUEST).unwrap();
    let answer = Answer { request_id: Some("B|1"), ..answer(AckCode::ApplicationAccept, None) };
    assert!(acknowledge(Some(&request), &answer).ends_with("\rMSA|AA|B\\F\\1\r"));
}

#[test]
fn a_header_cut_in_the_middle_is_answered() {
    for cut in 4..REQUEST.len() {
        let Some(request) = header_only(REQUEST.get(..cut).unwrap()) else {
            panic!("cut at {cut}")
        };
        let text = acknowledge(Some(&request), &answer(AckCode::ApplicationReject, None));
        let read = Message::read(&text).unwrap();
        assert_eq!((read.segments().len(), read.repairs().len()), (2, 0), "cut at {cut}");
    }
}

#[test]
fn a_line_feed_in_a_copied_field_does_not_break_the_answer() {
    let text = reply("MSH|^~\\&|A\nx||||||SIU|1|P|2.3\rPID|1\r", AckCode::ApplicationAccept, None);
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn what_is_written_of_ones_own_is_escaped_where_it_holds_a_separator() {
    for (field, component) in [('+', '^'), ('.', '+'), ('-', '.'), ('|', '2')] {
        let request = format!("MSH{field}{component}~\\&{field}A{field}B");
        let request = Message::read(&request).unwrap();
        let text = acknowledge(Some(&request), &answer(AckCode::ApplicationAccept, None));
        let header = Message::read(&text).unwrap().header();
        assert_eq!(header.message_time, "20260301090000+0000", "{field}{component}");
        assert_eq!((header.control_id.as_str(), header.version.as_str()), ("NEW1", "2.3"));
    }
}
