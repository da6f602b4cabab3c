//! What is refused, and what is only doubtful: all of it at once, each with line, state and advice.

use std::collections::BTreeMap;

use appointd::core::flow::{
    Column, FILE_BYTES_MAX, Fault, Program, STATES_MAX, SUBFLOWS_DEPTH_MAX, Sources, Tools,
};
use appointd::core::message::segments::{Encoding, Segments};
use appointd::settings::BUILT_IN_FLOWS;
use serde_json::json;

use crate::player::Player;
use crate::{expect_golden, files, folder, program, tools};

fn told(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

fn refused(text: &str) -> String {
    let files = BTreeMap::from([("flow".to_owned(), text.to_owned())]);
    told(&Program::read("flow", &files, &Tools::default()).unwrap_err())
}

#[test]
fn every_fault_is_told_at_once_with_its_line() {
    let faults = Program::read("faults", &files(), &tools()).unwrap_err();
    expect_golden(&folder().join("faults.golden"), &told(&faults)).unwrap();
}

#[test]
fn what_is_doubtful_is_told_and_allowed() {
    let told = told(program("doubts").warnings());
    expect_golden(&folder().join("doubts.golden"), &told).unwrap();
}

#[test]
fn what_is_no_flow_is_refused_with_the_reason() {
    for (text, expected) in [
        ("", "flow:1: is no JSON"),
        ("{\n\"states\": [\n}", "flow:3: is no JSON"),
        ("[]", "flow:1: is no object"),
        ("{}", "flow:1: states are missing"),
        (r#"{"states": 7}"#, "states is no list"),
        (r#"{"states": []}"#, "initial_state is missing"),
        (r#"{"states": [], "initial_state": "Trigger"}"#, "is no trigger of the flow"),
        (r#"{"definition": 1}"#, "definition is no object"),
    ] {
        let told = refused(text);
        assert!(told.contains(expected), "{text}: {told}");
    }
    let long = format!("{{{}}}", " ".repeat(FILE_BYTES_MAX));
    assert!(refused(&long).contains("bytes"));
    let states = vec![json!({"name": "a", "type": "send-message"}); STATES_MAX + 1];
    let many = json!({"states": states, "initial_state": "a"}).to_string();
    assert!(refused(&many).contains("more than 1000"));
    assert!(refused(&"[".repeat(5_000)).contains("is no JSON"));
}

#[test]
fn flows_cannot_call_themselves_or_too_deep() {
    let flow = |next: &str| {
        json!({"initial_state": "T", "states": [
            {"name": "T", "type": "trigger", "transitions": [{"event": "incomingParent", "next": "sub"}]},
            {"name": "sub", "type": "run-subflow", "transitions": [], "properties": {"flow_sid": next}},
        ]})
        .to_string()
    };
    let round = BTreeMap::from([("a".to_owned(), flow("b")), ("b".to_owned(), flow("a"))]);
    let faults = told(&Program::read("a", &round, &tools()).unwrap_err());
    assert!(faults.contains("without end"), "{faults}");
    let deep: BTreeMap<String, String> = (0..=SUBFLOWS_DEPTH_MAX)
        .map(|level| (format!("f{level}"), flow(&format!("f{}", level + 1))))
        .chain([("f9".to_owned(), files()["send"].clone())])
        .collect();
    let faults = told(&Program::read("f0", &deep, &tools()).unwrap_err());
    assert!(faults.contains("more than 8 calls deep"), "{faults}");
    assert!(Program::read("f3", &deep, &tools()).is_ok());
    let gone = BTreeMap::from([("a".to_owned(), flow("gone"))]);
    let faults = told(&Program::read("a", &gone, &tools()).unwrap_err());
    assert!(faults.contains("a:1: state sub (run-subflow): there is no flow"), "{faults}");
}

#[test]
fn hosts_and_functions_are_checked_at_import_and_not_when_restored() {
    let faults = told(&Program::read("http", &files(), &Tools::default()).unwrap_err());
    assert_eq!(faults.matches("the host ehr.example.org is not allowed").count(), 3, "{faults}");
    let faults = told(&Program::read("function", &files(), &Tools::default()).unwrap_err());
    assert!(faults.contains("nothing stands for the function next-slot"), "{faults}");
    let kept = Sources { main: "http".to_owned(), files: files() };
    let restored = Program::restore(&kept).unwrap();
    assert_eq!(restored.id(), program("http").id());
    // Then the call fails, as one that nobody answers.
    let mut player = Player::new(restored, serde_json::Map::new(), None);
    player.tools = Tools::default();
    let stepped = player.take(&appointd::core::flow::Happened::Begun);
    let appointd::core::flow::Act::Text { state, .. } = stepped.act.unwrap() else { panic!() };
    assert_eq!(state, "sorry");
}

#[test]
fn a_program_is_named_by_the_texts_that_it_runs() {
    let mut files = files();
    let first = Program::read("subflow", &files, &tools()).unwrap();
    assert_eq!(first.sources().files.len(), 2);
    assert_eq!(first.id().to_string().len(), 64);
    files.remove("send");
    assert_eq!(Program::read("subflow", &files, &tools()).unwrap().id(), first.id());
    files.insert("called".to_owned(), format!("{}\n", files["called"]));
    assert_ne!(Program::read("subflow", &files, &tools()).unwrap().id(), first.id());
}

#[test]
fn questions_columns_and_settings_of_a_flow_are_known() {
    let program = program("subflow");
    let names: Vec<String> = program.questions().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["colour"]);
    let column = |name: &str, is_needed| Column { name: name.to_owned(), is_needed };
    // The called flow's own `flow.data` is no column.
    assert_eq!(program.columns(), [column("colour", false), column("patient_first_name", true)]);
    let retry = crate::program("retry");
    assert_eq!(retry.expires_after(), Some(chrono::TimeDelta::days(2)));
    assert_eq!(retry.language(), Some("en"));
    let ask = crate::program("ask");
    assert_eq!(ask.sid(), Some("FW00000000000000000000000000000001"));
    assert_eq!(ask.description(), "Asks, as the REST interface exports it");
    let welcome = crate::program("new-member-welcome");
    assert_eq!(welcome.columns(), [column("patient_first_name", false)]);
    assert_eq!(crate::program("send").columns()[0], column("nothing", true));
}

#[test]
fn a_flow_that_no_list_starts_is_doubtful() {
    for (event, is_started, is_told) in [
        ("incomingRequest", true, false),
        // One that others call.
        ("incomingParent", false, false),
        ("incomingMessage", false, true),
    ] {
        let text = json!({
            "initial_state": "Trigger",
            "states": [
                {"name": "Trigger", "type": "trigger",
                    "transitions": [{"event": event, "next": "hi"}]},
                {"name": "hi", "type": "send-message", "properties": {"body": "Hi"},
                    "transitions": [{"event": "sent"}, {"event": "failed"}]},
            ],
        });
        let files = BTreeMap::from([("flow".to_owned(), text.to_string())]);
        let program = Program::read("flow", &files, &Tools::default()).unwrap();
        assert_eq!(program.starts_by_request(), is_started, "{event}");
        assert_eq!(told(program.warnings()).contains("texts nobody"), is_told, "{event}");
    }
}

#[test]
fn our_own_flows_are_without_doubts_and_short() {
    for (name, _) in BUILT_IN_FLOWS {
        let program = program(name);
        assert_eq!(told(program.warnings()), "");
        let texts = program.texts();
        assert_eq!(texts.iter().filter(|said| said.language.is_none()).count() * 2, texts.len());
        for said in &texts {
            let player = Player::new(program.clone(), serde_json::Map::new(), None);
            let template = appointd::core::flow::liquid::Template::parse(&said.text).unwrap();
            let scope = json!({
                "flow": {"data": {"patient_first_name": "Frances"}},
                "practice": {"name": "Owl Clinic of the North", "callback_phone": "(202) 555-0100"},
            });
            let text = template.render(&scope, player.now, chrono_tz::UTC).unwrap();
            let size = Segments::of(&text);
            assert_eq!(size.encoding, Encoding::Gsm7, "{name} {}: {text}", said.state);
            assert!(size.count <= 2, "{name} {}: {} segments", said.state, size.count);
        }
        // In both languages the first text says who writes, and how to end it.
        let first = &texts[..2];
        for said in first {
            assert!(said.text.starts_with("{{practice.name}}: "), "{}", said.text);
            assert!(said.text.contains("STOP"), "{}", said.text);
        }
    }
}
