//! What holds of any file, any flow and any order of events.

use std::collections::BTreeMap;

use appointd::core::flow::{Act, Happened, HttpAnswer, Program, Wait};
use appointd::phi::Phi;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::player::Player;
use crate::{files, tools};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Reads a file; it is taken, or refused with a reason.
fn read(text: &str) -> Option<Program> {
    let files = BTreeMap::from([("flow".to_owned(), text.to_owned())]);
    match Program::read("flow", &files, &tools()) {
        Ok(program) => {
            let _all = (program.questions(), program.columns(), program.texts());
            Some(program)
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            let lines = text.lines().count().max(1);
            for fault in faults {
                assert!(!fault.problem.is_empty() && (1..=lines).contains(&fault.line), "{fault}");
            }
            None
        }
    }
}

/// Any JSON, with the words of flows in it.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "states",
        "name",
        "type",
        "properties",
        "transitions",
        "event",
        "next",
        "conditions",
        "trigger",
        "send-message",
        "body",
        "appointd",
        "initial_state",
        "retry",
        "definition",
        "{{a",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        let key = word.clone().prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6)
                .prop_map(|pairs| Value::Object(Map::from_iter(pairs))),
        ]
    })
}

/// A flow of valid widgets that lead anywhere.
fn any_flow() -> impl Strategy<Value = Value> {
    prop::collection::vec((0_usize..7, 0_usize..9, 0_usize..9, 0_usize..9), 1..9).prop_map(
        |picks| {
            let name = |index: usize| {
                if index < picks.len() { format!("s{index}") } else { String::new() }
            };
            let mut states = vec![json!({
                "name": "T", "type": "trigger",
                "transitions": [{"event": "incomingRequest", "next": "s0"}],
            })];
            for (index, (kind, a, b, c)) in picks.iter().enumerate() {
                let (a, b, c) = (name(*a), name(*b), name(*c));
                states.push(widget(&name(index), *kind, [&a, &b, &c]));
            }
            json!({"states": states, "initial_state": "T"})
        },
    )
}

fn widget(name: &str, kind: usize, [a, b, c]: [&str; 3]) -> Value {
    let two = |first: &str, second: &str| json!([{"event": first, "next": a}, {"event": second, "next": b}]);
    let (kind, transitions, properties) = match kind {
        0 => (
            "send-message",
            two("sent", "failed"),
            json!({"body": format!("{name} {{{{flow.variables.x}}}}")}),
        ),
        1 | 2 => (
            "send-and-wait-for-reply",
            json!([{"event": "incomingMessage", "next": a}, {"event": "timeout", "next": b}, {"event": "deliveryFailure", "next": c}]),
            json!({"body": "?", "timeout": "{{flow.variables.x}}", "appointd": {"expect": "number", "retry": {"max": 2, "text": "again?"}, "handoff": {"note": "n"}}}),
        ),
        3 => (
            "split-based-on",
            json!([{"event": "noMatch", "next": a}, {"event": "match", "next": b, "conditions": [{"type": "less_than", "value": "5", "arguments": ["{{flow.variables.x}}"]}]}]),
            json!({"input": "{{flow.variables.x}}"}),
        ),
        4 => (
            "set-variables",
            json!([{"event": "next", "next": a}]),
            json!({"variables": [{"key": "x", "value": "{{flow.variables.x | plus: 1}}"}, {"key": "y", "value": "{{flow.variables.y}}{{widgets}}"}]}),
        ),
        5 => (
            "make-http-request",
            two("success", "failed"),
            json!({"method": "POST", "url": "https://ehr.example.org/", "body": "{{flow.variables}}"}),
        ),
        _ => (
            "run-function",
            two("success", "fail"),
            json!({"url": "/get-datetime-parts", "parameters": []}),
        ),
    };
    json!({"name": name, "type": kind, "transitions": transitions, "properties": properties})
}

fn any_event() -> impl Strategy<Value = u8> {
    0_u8..10
}

fn event(player: &mut Player, which: u8) -> Happened {
    match which {
        0 => Happened::Begun,
        1 | 2 => Happened::Sent { sid: Some("SM2".to_owned()) },
        3 => Happened::NotSent { code: "30006".to_owned() },
        4 => Happened::Heard(player.inbound("7")),
        5 => Happened::Heard(player.inbound("{{flow.data}} or so")),
        6 => {
            if let Wait::Reply { until, .. } = player.run.wait {
                player.now = until;
            }
            Happened::TimeUp
        }
        7 => Happened::Called(HttpAnswer {
            status: 200,
            content_type: "application/json".to_owned(),
            body: Phi::new("{\"a\": [1, \"b\"]}".to_owned()),
        }),
        8 => Happened::NotCalled { status: Some(503) },
        _ => Happened::Sent { sid: None },
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn any_json_is_taken_or_refused_with_a_reason(value in any_json()) {
        read(&value.to_string());
        read(&serde_json::to_string_pretty(&value).unwrap());
        let states = json!({"states": [value.clone(), value], "initial_state": "a"});
        read(&states.to_string());
    }

    #[test]
    fn any_text_is_taken_or_refused_with_a_reason(text in ".{0,200}") {
        read(&text);
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn a_flow_with_something_else_in_it_is_taken_or_refused(
        which in 0_usize..20, at in 0_usize..10_000, length in 0_usize..40, put in ".{0,8}",
    ) {
        let files = files();
        let text = files.values().nth(which % files.len()).unwrap();
        let mut chars: Vec<char> = text.chars().collect();
        let at = at % chars.len();
        let end = (at + length).min(chars.len());
        chars.splice(at..end, put.chars());
        read(&chars.into_iter().collect::<String>());
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn any_flow_stays_within_its_bounds_whatever_happens(
        flow in any_flow(), events in prop::collection::vec(any_event(), 0..40),
    ) {
        let program = read(&flow.to_string()).expect("a valid flow");
        let data = Map::from_iter([("name".to_owned(), json!("Jane"))]);
        let mut player = Player::new(program, data, Some("es-US"));
        player.take(&Happened::Begun);
        for which in events {
            let happened = event(&mut player, which);
            let before = player.run.clone();
            let stepped = player.take(&happened);
            // One act at a time, counted; none while it waits for a reply or is at its end.
            let acts = stepped.run.acts - before.acts;
            prop_assert_eq!(acts, u32::from(stepped.act.is_some()));
            match (&stepped.run.wait, &stepped.act) {
                (Wait::Delivery { .. }, Some(Act::Text { body, .. })) => {
                    prop_assert!(!body.expose().trim().is_empty());
                }
                (Wait::Call, Some(Act::Call(_))) => {}
                (_, Some(act)) => prop_assert!(false, "{act:?}"),
                (_, None) => {}
            }
        }
    }
}
