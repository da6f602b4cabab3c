//! What recipients answered, as it goes out: each layout in each form, by name and without, and nothing
//! in it that a spreadsheet would calculate.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::io::Cursor;

use appointd::core::campaign::{CampaignId, Session, SessionId, SessionState};
use appointd::core::flow::{Answer, Run, Trigger, TriggerKind, Wait};
use appointd::core::local_time::Zone;
use appointd::core::phone::PhoneNumber;
use appointd::outreach::responses::{
    BadWish, Columns, Format, Key, Layout, Numbers, Output, Plan, Wanted,
};
use appointd::phi::Phi;
use calamine::{Data, Reader as _, Xlsx};
use serde_json::{Map, Value, json};

const COLUMNS: [&str; 4] = ["patient_id", "patient_first_name", "patient_phone", "arm"];

fn session(row: u64, first_name: &str, state: SessionState, answers: &[(&str, &str)]) -> Session {
    let phone = format!("+1415555{:04}", 100 + row);
    let values = [format!("MRN{row}"), first_name.to_owned(), phone.clone(), "=A".to_owned()];
    let pairs = COLUMNS.iter().zip(values);
    let data: Map<String, Value> =
        pairs.map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let answers = answers.iter().zip(1..).map(|((question, body), minute)| Answer {
        question: (*question).to_owned(),
        body: Phi::new((*body).to_owned()),
        read_as: body.strip_prefix("about ").map(str::to_owned),
        at: format!("2026-12-01T23:{minute:02}:00Z").parse().unwrap(),
    });
    let started_at =
        (state != SessionState::Waiting).then(|| "2026-12-01T23:00:00Z".parse().unwrap());
    let trigger = Trigger {
        kind: TriggerKind::Request,
        to: phone.clone(),
        from: "+15105550100".to_owned(),
        data: Phi::new(data),
        sid: String::new(),
        language: None,
    };
    Session {
        id: SessionId { campaign: campaign(), row },
        phone: PhoneNumber::parse_e164(&phone).unwrap(),
        state,
        run: Run {
            trigger,
            frames: Vec::new(),
            wait: Wait::Start,
            answers: answers.collect(),
            acts: 0,
        },
        due: None,
        generation: 0,
        not_after: "2026-12-08T00:00:00Z".parse().unwrap(),
        started_at,
        ended_at: state.is_over().then(|| "2026-12-01T23:30:00Z".parse().unwrap()),
        heard_at: None,
        unanswered: 0,
        texts: u32::from(state != SessionState::Waiting) * 2,
    }
}

fn campaign() -> CampaignId {
    "pain-1".parse().unwrap()
}

fn sessions() -> Vec<Session> {
    vec![
        session(
            2,
            "Jane",
            SessionState::Completed,
            &[("pain", "bad"), ("pain", "about 7"), ("call", "=HYPERLINK(\"x\"), \"yes\"")],
        ),
        session(3, "José", SessionState::Active, &[("pain", "3")]),
        session(4, "@John", SessionState::Waiting, &[]),
    ]
}

fn numbers() -> Numbers {
    Numbers::new(Key::new([7; 32]))
}

fn written(wanted: &Wanted, format: Format) -> Vec<u8> {
    let mut columns = Columns::default();
    sessions().iter().for_each(|session| columns.add(session));
    let questions = vec!["pain".to_owned(), "call".to_owned()];
    let zone = Zone::parse("America/New_York").unwrap();
    let plan = Plan::new(wanted, &columns.into_names(), questions, numbers(), zone).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let mut output = Output::new(Vec::new(), format, plan.header(), scratch.path()).unwrap();
    for session in sessions() {
        for row in plan.rows(&session) {
            output.row(&row).unwrap();
        }
    }
    output.finish().unwrap()
}

fn text(wanted: &Wanted, format: Format) -> String {
    String::from_utf8(written(wanted, format)).unwrap()
}

fn by_row() -> Wanted {
    Wanted { layout: Layout::Row, ..Wanted::default() }
}

#[test]
fn a_row_for_each_recipient_has_a_column_for_each_question() {
    assert_eq!(
        text(&Wanted::default(), Format::Csv),
        "patient_id,patient_first_name,patient_phone,arm,status,started_at,ended_at,texts,\
         pain,pain_read_as,pain_at,call,call_read_as,call_at\r\n\
         MRN2,Jane,+14155550102,'=A,completed,2026-12-01T18:00:00-05:00,2026-12-01T18:30:00-05:00,2,\
         about 7,7,2026-12-01T18:02:00-05:00,\"'=HYPERLINK(\"\"x\"\"), \"\"yes\"\"\",,2026-12-01T18:03:00-05:00\r\n\
         MRN3,José,+14155550103,'=A,active,2026-12-01T18:00:00-05:00,,2,\
         3,,2026-12-01T18:01:00-05:00,,,\r\n\
         MRN4,'@John,+14155550104,'=A,waiting,,,0,,,,,,\r\n"
    );
}

#[test]
fn a_row_for_each_answer_has_all_of_them() {
    assert_eq!(
        text(&by_row(), Format::Csv),
        "patient_id,patient_first_name,patient_phone,arm,question,response,read_as,answered_at,status\r\n\
         MRN2,Jane,+14155550102,'=A,pain,bad,,2026-12-01T18:01:00-05:00,completed\r\n\
         MRN2,Jane,+14155550102,'=A,pain,about 7,7,2026-12-01T18:02:00-05:00,completed\r\n\
         MRN2,Jane,+14155550102,'=A,call,\"'=HYPERLINK(\"\"x\"\"), \"\"yes\"\"\",,2026-12-01T18:03:00-05:00,completed\r\n\
         MRN3,José,+14155550103,'=A,pain,3,,2026-12-01T18:01:00-05:00,active\r\n"
    );
}

#[test]
fn json_lines_hold_the_words_as_they_came() {
    let lines = text(&Wanted::default(), Format::Json);
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["call"], "=HYPERLINK(\"x\"), \"yes\"");
    assert_eq!((&rows[0]["pain_read_as"], &rows[0]["texts"]), (&json!("7"), &json!(2)));
    assert_eq!(rows[2]["pain"], Value::Null);
    let rows: Vec<Value> = text(&by_row(), Format::Json)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows[1]["response"], "about 7");
}

#[test]
fn a_workbook_holds_the_same_and_no_formula() {
    for wanted in [Wanted::default(), by_row()] {
        let bytes = written(&wanted, Format::Xlsx);
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
        assert!(book.worksheet_formula("Responses").unwrap().is_empty());
        let sheet = book.worksheet_range("Responses").unwrap();
        let shown = |cell: &Data| cell.to_string();
        let rows: Vec<Vec<String>> =
            sheet.rows().map(|row| row.iter().map(shown).collect()).collect();
        let lines = text(&wanted, Format::Json);
        let wanted: Vec<Map<String, Value>> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let names: Vec<String> = wanted[0].keys().cloned().collect();
        assert_eq!(rows[0], names);
        for (row, object) in rows[1..].iter().zip(&wanted) {
            let cells: Vec<String> = object
                .values()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .map(|text| if text == "null" { String::new() } else { text })
                .collect();
            assert_eq!(row, &cells);
        }
    }
}

#[test]
fn without_names_nobody_is_told_but_by_a_number() {
    let wanted = Wanted {
        is_anonymous: true,
        keep: vec!["arm".to_owned()],
        without_words: true,
        ..Wanted::default()
    };
    let table = text(&wanted, Format::Csv);
    let number = numbers().of(&SessionId { campaign: campaign(), row: 2 });
    assert_eq!(number.len(), 16);
    let mut lines = table.lines();
    assert_eq!(
        lines.next().unwrap(),
        "recipient,arm,status,started_on,ended_on,texts,pain_read_as,pain_on,call_read_as,call_on"
    );
    assert_eq!(
        lines.next().unwrap(),
        format!("{number},'=A,completed,2026-12-01,2026-12-01,2,7,2026-12-01,,2026-12-01")
    );
    for told in ["Jane", "MRN", "5550", "about", "HYPERLINK", "18:0"] {
        assert!(!table.contains(told), "{told} {table}");
    }
    let rows = Wanted { layout: Layout::Row, ..wanted };
    let header = "recipient,arm,question,read_as,answered_on,status\r\n";
    assert!(text(&rows, Format::Csv).starts_with(header));
}

#[test]
fn numbers_are_the_same_each_time_and_tell_no_order() {
    let (numbers, other) = (numbers(), Numbers::new(Key::new([8; 32])));
    let id = |row| SessionId { campaign: campaign(), row };
    let rows: Vec<u64> = (1..200).collect();
    let order = numbers.order(&campaign(), rows.clone());
    assert_ne!(order, rows);
    assert_eq!(order, numbers.order(&campaign(), order.clone()));
    let told: Vec<String> = order.iter().map(|row| numbers.of(&id(*row))).collect();
    assert!(told.is_sorted());
    assert_ne!(numbers.of(&id(1)), other.of(&id(1)));
    let elsewhere = SessionId { campaign: "pain-2".parse().unwrap(), row: 1 };
    assert_ne!(numbers.of(&id(1)), numbers.of(&elsewhere));
}

#[test]
fn columns_that_say_who_it_is_cannot_stay() {
    let names = COLUMNS.map(str::to_owned);
    let refused = |is_anonymous, keep: &str| {
        let wanted = Wanted { is_anonymous, keep: vec![keep.to_owned()], ..Wanted::default() };
        Plan::new(&wanted, &names, Vec::new(), numbers(), Zone::UTC).err()
    };
    assert_eq!(refused(true, "patient_phone"), Some(BadWish::Names("patient_phone")));
    assert_eq!(refused(true, "Patient Phone"), Some(BadWish::Names("patient_phone")));
    assert_eq!(refused(true, "leg"), Some(BadWish::NoColumn("leg".to_owned())));
    assert_eq!(refused(false, "arm"), Some(BadWish::NotAnonymous));
    assert_eq!(refused(true, "arm"), None);
}

#[test]
fn no_two_columns_have_one_name() {
    let names = ["status", "pain", "texts"].map(str::to_owned);
    let questions = vec!["pain".to_owned()];
    let plan = Plan::new(&Wanted::default(), &names, questions, numbers(), Zone::UTC).unwrap();
    assert_eq!(
        plan.header(),
        [
            "status",
            "pain",
            "texts",
            "status_2",
            "started_at",
            "ended_at",
            "texts_2",
            "pain_2",
            "pain_read_as",
            "pain_at"
        ]
    );
}
