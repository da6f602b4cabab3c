//! Lists of campaigns: whatever a spreadsheet writes is read as meant or refused with a reason, each
//! row is judged before anybody is texted, and a million rows pass through the memory of a few.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[expect(dead_code, unused_imports, reason = "each suite uses a part of what is shared")]
mod support;

use std::collections::BTreeMap;
use std::io::{self, Read};

use appointd::core::campaign::Recipient;
use appointd::core::contact::{BadNumber, Contact, Programme};
use appointd::core::flow::{Program, Tools};
use appointd::core::message::segments::Encoding;
use appointd::core::phone::{PhoneNumber, Region};
use appointd::core::rules::Rules;
use appointd::outreach::encoding::{Charset, Scout};
use appointd::outreach::list::{CELL_CHARS_MAX, COLUMNS_MAX, Error, List, ROW_BYTES_MAX};
use appointd::outreach::preview::{Around, Preview, Recipients, preview};
use appointd::outreach::quote::Terms;
use appointd::outreach::survey::{Examiner, Finding, Problem, Standing};
use proptest::prelude::*;
use support::{phone, rules, utc};

const HEADER: &str = "patient_id,patient_first_name,patient_phone";

fn charset(bytes: &[u8]) -> Charset {
    let mut scout = Scout::default();
    scout.feed(bytes);
    scout.finish().charset
}

/// Lines and recipients, or findings, of a list.
type Judged = (Vec<(u64, String)>, Vec<Finding>);

fn read(bytes: &[u8]) -> Result<Judged, Error> {
    let mut list = List::open(bytes, charset(bytes))?;
    let mut examiner = Examiner::new(Region::US, Vec::new());
    let (mut recipients, mut findings) = (Vec::new(), Vec::new());
    while let Some(row) = list.next_row()? {
        let line = row.line;
        let (recipient, found) = examiner.examine(row);
        recipients.extend(recipient.map(|known| (line, told(&known))));
        findings.extend(found);
    }
    Ok((recipients, findings))
}

fn told(recipient: &Recipient) -> String {
    let data: Vec<String> = recipient
        .data
        .expose()
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
        .collect();
    data.join(";")
}

/// The one recipient of a list of one.
fn only(bytes: &[u8]) -> String {
    let (recipients, findings) = read(bytes).unwrap();
    assert_eq!((recipients.len(), findings.len()), (1, 0), "{recipients:?} {findings:?}");
    recipients[0].1.clone()
}

fn problems(text: &str) -> Vec<(u64, Problem)> {
    read(text.as_bytes()).unwrap().1.iter().map(|found| (found.line, found.problem)).collect()
}

#[test]
fn any_spreadsheets_form_is_read_alike() {
    let wanted = "patient_id=A1;patient_first_name=José;patient_phone=415-555-0123";
    let rows = |separator: &str, end: &str| {
        let header = HEADER.replace(',', separator);
        format!("{header}{end}A1{separator}José{separator}415-555-0123{end}")
    };
    for separator in [",", ";", "\t", "|"] {
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(only(rows(separator, end).as_bytes()), wanted, "{separator:?} {end:?}");
        }
    }
    let plain = rows(",", "\r\n");
    assert_eq!(only(format!("\u{feff}{plain}").as_bytes()), wanted);
    assert_eq!(only(plain.trim_end().as_bytes()), wanted);
    assert_eq!(only(format!("sep=;\r\n{}", rows(";", "\r\n")).as_bytes()), wanted);
    let little: Vec<u8> = format!("\u{feff}{}", rows("\t", "\r\n"))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(only(&little), wanted);
    assert_eq!(only(&little[2..]), wanted);
    let big: Vec<u8> =
        format!("\u{feff}{plain}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(only(&big), wanted);
    let ansi: Vec<u8> = plain.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    assert_eq!(only(&ansi), wanted);
}

#[test]
fn names_of_columns_may_be_written_as_people_do() {
    let list = "Patient ID, patient-first-name ,PATIENTPHONE,Procedure Date,language\n\
                A1,Jane,4155550123,\"June 3, 2026\",Español\n";
    let (recipients, findings) = read(list.as_bytes()).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(
        recipients[0].1,
        "patient_id=A1;patient_first_name=Jane;patient_phone=4155550123;\
         Procedure Date=June 3, 2026;language=Español"
    );
    let mut list = List::open(list.as_bytes(), Charset::Utf8).unwrap();
    let mut examiner = Examiner::new(Region::US, Vec::new());
    let recipient = examiner.examine(list.next_row().unwrap().unwrap()).0.unwrap();
    assert_eq!(recipient.language.as_deref(), Some("es"));
    assert_eq!(recipient.phone, phone("+14155550123"));
}

#[test]
fn quotation_marks_hold_separators_line_ends_and_marks() {
    let list =
        format!("{HEADER},note\r\nA1,\"Ja\"\"ne\",4155550123,\"two\r\nlines, one cell\"\r\n");
    let wanted = "patient_id=A1;patient_first_name=Ja\"ne;patient_phone=4155550123;\
                  note=two\nlines, one cell";
    assert_eq!(only(list.as_bytes()), wanted);
    let list = "patient_id;patient_first_name;patient_phone\nA1;\"a,b,c\";4155550123\n";
    assert!(only(list.as_bytes()).contains("a,b,c"));
}

#[test]
fn a_row_is_named_by_its_line_in_the_file() {
    let list = format!(
        "{HEADER}\r\n\r\nA1,\"two\r\nlines\",4155550121\r\n\r\n,,\r\nA2,Jane,4155550122\r\n\
         A3,Jane,4155550123"
    );
    let lines: Vec<u64> = read(list.as_bytes()).unwrap().0.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 7, 8]);
    let list = format!("sep=,\n{HEADER}\nA1,Jane,4155550121\n");
    assert_eq!(read(list.as_bytes()).unwrap().0[0].0, 3);
}

#[test]
fn a_list_without_what_it_needs_is_refused_as_a_whole() {
    let refused = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(refused(""), "the list is empty");
    assert_eq!(refused("\r\n\r\n"), "the list is empty");
    assert_eq!(refused(HEADER), "the list has a header and no rows");
    assert_eq!(refused(&format!("{HEADER}\n,,\n\n")), "the list has a header and no rows");
    assert_eq!(
        refused("patient_id,patient_phone\n1,2"),
        "the list has no column patient_first_name"
    );
    assert!(refused("A1,Jane,4155550123\n").starts_with("line 1 is no header"));
    let same = refused(&format!("{HEADER},Patient Id\n"));
    assert_eq!(same, "columns 1 and 4 have the same name: rename one");
    assert_eq!(refused(&format!("{HEADER},,note\n")), "column 4 has no name");
    let many = format!(
        "{HEADER},{}\n",
        (0..COLUMNS_MAX).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",")
    );
    assert!(refused(&many).contains("at most 100"));
    let long = format!("{HEADER},{}\n", "x".repeat(101));
    assert!(refused(&long).starts_with("the name of column 4"));
}

#[test]
fn a_row_that_does_not_end_stops_the_list_and_not_the_machine() {
    let list = format!("{HEADER}\nA1,Jane,4155550123\nA2,\"{}", "x\n".repeat(ROW_BYTES_MAX));
    let refused = read(list.as_bytes()).unwrap_err();
    assert!(matches!(refused, Error::EndlessRow { line: 3 }), "{refused:?}");
    let list = format!("{HEADER},{}", "x".repeat(ROW_BYTES_MAX * 2));
    assert!(matches!(read(list.as_bytes()), Err(Error::EndlessRow { line: 1 })));
}

#[test]
fn a_quotation_mark_that_is_not_closed_swallows_no_rows() {
    let refused = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
    let list = format!("{HEADER}\nA1,Jane,4155550121\nA2,\"John,4155550122\nA3,Ann,4155550123\n");
    assert_eq!(refused(&list), "unclosed quotation mark, begun near line 3");
    assert_eq!(
        refused(&format!("sep=,\n{HEADER}\n\nA1,Jane,\"4155550121")),
        "unclosed quotation mark, begun near line 4"
    );
    assert_eq!(
        refused(&format!("{HEADER},\"note\nA1")),
        "unclosed quotation mark, begun near line 1"
    );
    // A mark within a cell opens nothing, and one behind two is closed.
    let list =
        format!("{HEADER}\nA1,Ja\"ne,4155550121\nA2,\"Jo\"\"\",4155550122\nA3,\"\",4155550123");
    assert_eq!(read(list.as_bytes()).unwrap().0.len(), 3);
    let list = format!(
        "{HEADER},note\nA1,Jane,4155550121,\"left\nA2,John,4155550122,\nA3,Ann,4155550123,\"x\n\
         A4,Sue,4155550124,\"one, two, three, four\nfive, six, seven, eight\"\n"
    );
    assert_eq!(problems(&list), [(2, Problem::Swallowed)]);
}

#[test]
fn empty_cells_at_the_end_of_a_row_may_be_left_out() {
    let list = format!("{HEADER},day,note\nA1,Jane,4155550121\nA2,John,4155550122,Monday\n");
    let (recipients, findings) = read(list.as_bytes()).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    assert!(recipients[0].1.ends_with("day=;note="), "{recipients:?}");
    assert!(recipients[1].1.ends_with("day=Monday;note="), "{recipients:?}");
    let list = "patient_id,note,patient_first_name,patient_phone\nA1,x,Jane\n";
    assert_eq!(problems(list), [(2, Problem::Ragged { found: 3, expected: 4 })]);
}

#[test]
fn a_row_that_is_kept_out_keeps_no_other_out() {
    let list = format!(
        "{HEADER}\nA1,Jane,12\n,Joe,4155550122\nA1,Jane,4155550121\nA2,Joe,4155550122\n\
         A2,Joe,4155550122\n"
    );
    let found = problems(&list);
    let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3, 6, 6], "{found:?}");
    assert_eq!(found[2..], [(6, Problem::SamePatient(5)), (6, Problem::SamePhone(5))]);
}

#[test]
fn a_broken_byte_spoils_its_row_and_not_the_list() {
    let list = [
        format!("{HEADER}\nA1,José,4155550121\nA2,Inés,4155550122\nA3,Zo").as_bytes(),
        b"\xe9,4155550123\n",
    ]
    .concat();
    let (recipients, findings) = read(&list).unwrap();
    assert!(recipients[0].1.contains("José"), "{recipients:?}");
    assert_eq!((findings.len(), findings[0].line), (1, 4));
    assert_eq!(findings[0].problem, Problem::Unreadable);
}

#[test]
fn rows_that_are_too_short_or_too_long_are_told() {
    let list = format!("{HEADER}\nA1,Jane\nA2,Jane,4155550122,,\nA3,Jane,4155550123,x\n");
    let ragged = |found| Problem::Ragged { found, expected: 3 };
    assert_eq!(problems(&list), [(2, ragged(2)), (4, ragged(4))]);
}

#[test]
fn columns_that_are_empty_to_the_end_are_none() {
    let list = format!("{HEADER},,\nA1,Jane,4155550123,,\n");
    assert_eq!(only(list.as_bytes()).matches('=').count(), 3);
}

#[test]
fn cells_that_no_text_can_hold_are_told() {
    let list = format!(
        "{HEADER},note\nA1,Jane,4155550121,{}\nA2,Ja\0ne,4155550122,x\nA3,Jane,4155550123,{}\n",
        "x".repeat(CELL_CHARS_MAX + 1),
        "é".repeat(CELL_CHARS_MAX),
    );
    assert_eq!(problems(&list), [(2, Problem::CellTooLong), (3, Problem::Unreadable)]);
    let broken =
        b"\xef\xbb\xbfpatient_id,patient_first_name,patient_phone\nA1,Jos\xe9,4155550123\n";
    let found = read(broken).unwrap().1;
    assert_eq!(found[0].problem, Problem::Unreadable);
    assert_eq!(found[0].column.as_deref(), Some("patient_first_name"));
}

#[test]
fn phones_are_judged_as_spreadsheets_spoil_them() {
    let list = format!(
        "{HEADER}\nA1,Jane,1.41556E+10\nA2,Jane,\"1,41556e10\"\nA3,Jane,4155550123.0\nA4,Jane,\n\
         A5,Jane,12345\nA6,Jane,+1 (415) 555-0124\nA7,Jane,'4155550125\n"
    );
    let found = problems(&list);
    assert_eq!(found[..2], [(2, Problem::PhoneRounded), (3, Problem::PhoneRounded)]);
    let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3, 5, 6], "{found:?}");
    assert!(Problem::PhoneRounded.to_string().contains("make the column text"));
}

#[test]
fn the_second_of_a_phone_or_patient_is_kept_out() {
    let list = format!(
        "{HEADER}\nA1,Jane,4155550121\nA2,John,(415) 555-0121\nA1,Jane,4155550122\n,Joe,4155550123\n"
    );
    assert_eq!(
        problems(&list),
        [(3, Problem::SamePhone(2)), (4, Problem::SamePatient(2)), (5, Problem::NoPatient)]
    );
}

#[test]
fn what_a_finding_says_holds_nothing_of_the_list() {
    let list = format!(
        "{HEADER},language\nsecret1,secret2,secret3,secret4\nsecret1,x,1.4155E+10,\nsecret5,secret6\n"
    );
    for found in read(list.as_bytes()).unwrap().1 {
        let told = format!("{found:?} {} {}", found.to_json(), found.cells().join(" "));
        assert!(!told.contains("secret"), "{told}");
    }
}

// ------------------------------------------------------------------------- survey and dry run

/// A flow that greets, and uses a column of its own.
fn flow() -> Program {
    let text = r#"{"description": "Greets", "initial_state": "Trigger", "flags": {}, "states": [
        {"name": "Trigger", "type": "trigger", "properties": {},
         "transitions": [{"event": "incomingRequest", "next": "greet"}]},
        {"name": "greet", "type": "send-message", "transitions": [{"event": "sent"}, {"event": "failed"}],
         "properties": {"to": "{{contact.channel.address}}", "from": "{{flow.channel.address}}",
          "body": "Owl Clinic: Hi {{flow.data.patient_first_name}}, see you on {{flow.data.day}}. {{flow.data.note | default: 'Bye'}}"}}]}"#;
    let files = BTreeMap::from([("greeting".to_owned(), text.to_owned())]);
    Program::read("greeting", &files, &Tools::default()).unwrap()
}

fn looked(list: &str, standing: &dyn Fn(&PhoneNumber) -> Standing) -> (Preview, Vec<Finding>) {
    let (program, rules) = (flow(), rules());
    let mut findings = Vec::new();
    let mut found = |finding: &Finding| findings.push(finding.clone());
    let mut around = Around { region: Region::US, standing, found: &mut found };
    let preview = preview((list.as_bytes(), Charset::Utf8), terms(&program, &rules), &mut around);
    (preview.unwrap(), findings)
}

fn terms<'a>(program: &'a Program, rules: &'a Rules) -> Terms<'a> {
    // Tuesday, 10:00 in New York, where texts go out from 9 to 20.
    let now = utc("2026-12-01T15:00:00Z");
    let not_after = utc("2026-12-02T14:00:00Z");
    Terms { program, rules, per_minute: 2, segments_per_second: 1.0, now, not_after }
}

fn is_free(_: &PhoneNumber) -> Standing {
    Standing::Free
}

#[test]
fn a_survey_counts_what_is_wrong_and_says_where() {
    let list = format!(
        "{HEADER},day,language\nA1,Jane,4155550121,Monday,\nA2,,4155550122,Monday,en\n\
         A3,Joe,4155550123,,Klingon\nA4,Ann,4155550124,Friday,es\nA5,Sue,4155550125,Friday,\n"
    );
    let out = phone("+14155550124");
    let standing =
        |phone: &PhoneNumber| if *phone == out { Standing::OptedOut } else { Standing::Free };
    let (Preview { survey, quote }, findings) = looked(&list, &standing);
    assert_eq!((survey.rows, survey.sound(), survey.faulty), (5, 3, 2));
    let kinds: Vec<_> = survey.counts.iter().map(|(kind, count)| (*kind, *count)).collect();
    assert_eq!(kinds, [("language", 1), ("missing_value", 2), ("opted_out", 1)]);
    assert_eq!(survey.first, findings);
    let columns: Vec<_> =
        findings.iter().map(|found| (found.line, found.column.as_deref())).collect();
    assert_eq!(
        columns,
        [(3, Some("patient_first_name")), (4, Some("day")), (4, Some("language")), (5, None)]
    );
    assert_eq!((quote.recipients, quote.left_out, quote.texts), (3, 1, 2));
    assert!(survey.refusal(false).unwrap().starts_with("2 of 5 rows have faults"));
    assert_eq!(survey.refusal(true), None);
}

#[test]
fn a_column_that_the_flow_needs_and_the_list_has_not_is_told_once() {
    let list = format!("{HEADER},Day\nA1,Jane,4155550121,Monday\nA2,Joe,4155550122,Friday\n");
    let (Preview { survey, .. }, findings) = looked(&list, &is_free);
    assert_eq!(survey.missing, [("day".to_owned(), Some("Day".to_owned()))]);
    assert!(findings.is_empty(), "{findings:?}");
    assert!(survey.refusal(true).unwrap().contains("day"));
}

#[test]
fn a_phone_stands_as_its_row_says() {
    let mut contact = Contact::new(phone("+14155550123"));
    assert_eq!(Standing::of(None), Standing::Free);
    assert_eq!(Standing::of(Some(&contact)), Standing::Free);
    contact.bad = Some(BadNumber { code: "30005".to_owned(), since: utc("2026-12-01T15:00:00Z") });
    assert_eq!(Standing::of(Some(&contact)), Standing::BadNumber);
    contact.consent.without.insert(Programme::Outreach);
    assert_eq!(Standing::of(Some(&contact)), Standing::OptedOut);
}

#[test]
fn a_quote_is_what_the_flow_would_send() {
    let list = format!(
        "{HEADER},day,note,language\nA1,Jane,4155550121,Monday,,en\n\
         A2,Inés,4155550122,Friday,\"{}\",en\nA3,José,4155550123,lunes,,es\n",
        "Bring your card. ".repeat(12)
    );
    let (Preview { quote, .. }, _) = looked(&list, &is_free);
    let shown: Vec<_> = quote.samples.iter().map(|sample| sample.line).collect();
    assert_eq!(shown, [2, 3, 4]);
    let first = &quote.samples[0];
    assert_eq!(first.body.expose(), "Owl Clinic: Hi Jane, see you on Monday. Bye");
    assert_eq!(first.segments.encoding, Encoding::Gsm7);
    assert_eq!((quote.texts, quote.segments, quote.segments_max, quote.wide), (3, 4, 2, 0));
    // Two recipients a minute.
    assert_eq!(quote.minutes, 2);
    assert_eq!(quote.ends_at, Some(utc("2026-12-01T15:02:00Z")));
    assert!(!quote.is_late());
}

#[test]
fn the_end_falls_into_the_hours_for_texts() {
    // Ten hours of Tuesday are left, which are 1200 recipients at two a minute.
    let rows: String =
        (0..1_260).map(|n| format!("A{n},Jane,+1415{:07},Monday\n", 5_550_000 + n)).collect();
    let (Preview { quote, survey }, _) = looked(&format!("{HEADER},day\n{rows}"), &is_free);
    assert_eq!((survey.rows, survey.faulty), (1_260, 0));
    assert_eq!(quote.minutes, 630);
    assert_eq!(quote.ends_at, Some(utc("2026-12-02T14:30:00Z")));
    assert!(quote.is_late());
}

#[test]
fn who_would_get_no_text_is_noted_and_taken_all_the_same() {
    let list = format!(
        "{HEADER},day,note\nA1,Jane,4155550121,Monday,{}\nA2,Joe,4155550122,,ok\n\
         A3,Ann,4155550123,Friday,ok\n",
        "x".repeat(1_600)
    );
    let (Preview { survey, quote }, findings) = looked(&list, &is_free);
    assert_eq!((survey.faulty, quote.recipients, quote.texts), (1, 2, 1));
    assert_eq!(findings[0].problem, Problem::NoText);
    let source = (list.as_bytes(), Charset::Utf8);
    let mut rows = Recipients::open(source, &flow(), Region::US).unwrap();
    let taken: Vec<u64> = rows.next(9).unwrap().iter().map(|known| known.row).collect();
    assert_eq!(taken, [2, 4]);
    assert!(rows.next(9).unwrap().is_empty());
}

// ------------------------------------------------------------------------------- length, chance

/// A list that is made while it is read.
struct Endless {
    rows: u32,
    next: u32,
    line: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.line.is_empty() && self.next <= self.rows {
            let n = self.next;
            self.line = match n {
                0 => format!("{HEADER},day\n").into_bytes(),
                n => format!("MRN{n},Jane,+1415{n:07},Monday\n").into_bytes(),
            };
            self.next += 1;
        }
        let count = out.len().min(self.line.len());
        out[..count].copy_from_slice(&self.line[..count]);
        self.line.drain(..count);
        Ok(count)
    }
}

#[test]
fn a_long_list_is_read_as_it_comes() {
    let source = Endless { rows: 20_000, next: 0, line: Vec::new() };
    let mut list = List::open(source, Charset::Utf8).unwrap();
    let mut examiner = Examiner::new(Region::US, Vec::new());
    let (mut rows, mut taken) = (0, 0);
    while let Some(row) = list.next_row().unwrap() {
        rows += 1;
        taken += usize::from(examiner.examine(row).0.is_some());
    }
    assert_eq!(rows, 20_000);
    // What is no number of the plan is kept out: area codes and exchanges begin with 2 to 9.
    assert!(taken < rows);
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _read = read(&bytes).is_ok();
        let headed = [HEADER.as_bytes(), b"\n", &bytes].concat();
        let _read = read(&headed).is_ok();
    }

    #[test]
    fn any_cells_come_back_as_they_were_written(
        cells in proptest::collection::vec("[^\u{0}-\u{1f}\u{7f}-\u{9f}\u{fffd}]{0,20}", 1..5),
        separator in proptest::sample::select(vec![",", ";", "\t", "|"]),
    ) {
        let names: Vec<String> = (0..cells.len()).map(|n| format!("column{n}")).collect();
        let quoted: Vec<String> =
            cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        let list = format!(
            "{}{separator}{}\r\nA1{separator}Jane{separator}4155550123{separator}{}\r\n",
            HEADER.replace(',', separator), names.join(separator), quoted.join(separator),
        );
        let mut list = List::open(list.as_bytes(), Charset::Utf8).unwrap();
        let mut examiner = Examiner::new(Region::US, Vec::new());
        let recipient = examiner.examine(list.next_row().unwrap().unwrap()).0.unwrap();
        for (name, cell) in names.iter().zip(&cells) {
            prop_assert_eq!(recipient.data.expose()[name].as_str().unwrap(), cell.trim());
        }
    }
}
