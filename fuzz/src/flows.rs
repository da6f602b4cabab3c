//! Any text as a flow of Twilio Studio: it is refused with places, or it runs within its bounds.
//!
//! A flow that is taken is run: the input's own bytes, from the end, say what happens to it.

use std::collections::BTreeMap;

use appointd::core::flow::{
    Happened, HttpAnswer, Inbound, Program, Run, Surroundings, Tools, Trigger, TriggerKind, Wait,
    step,
};
use appointd::core::local_time::Zone;
use appointd::phi::Phi;
use chrono::{DateTime, TimeDelta};

/// How many things happen to a flow.
const EVENTS_MAX: usize = 48;

/// Checks one input.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let lines = text.lines().count().max(1);
    let files = BTreeMap::from([("flow".to_owned(), text)]);
    match Program::read("flow", &files, &Tools::any()) {
        Ok(program) => {
            let _all = (program.questions(), program.columns(), program.texts());
            play(&program, data);
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            for fault in faults {
                assert!((1..=lines).contains(&fault.line), "{fault}");
            }
        }
    }
}

fn play(program: &Program, data: &[u8]) {
    let trigger = Trigger {
        kind: TriggerKind::Request,
        to: "+12025550123".to_owned(),
        from: "+12025550100".to_owned(),
        data: Phi::default(),
        sid: "FN1".to_owned(),
        language: Some("es-US".to_owned()),
    };
    let (tools, words) = (Tools::any(), BTreeMap::new());
    let mut now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let mut run = Run::new(trigger);
    let bytes = data.iter().rev().take(EVENTS_MAX).copied();
    for byte in std::iter::once(0).chain(bytes) {
        if let (6, Wait::Reply { until, .. }) = (byte % 8, &run.wait) {
            now = *until;
        }
        let around = Surroundings {
            tools: &tools,
            words: &words,
            practice_name: "Owl Clinic",
            callback_phone: "(202) 555-0100",
            zone: Zone::UTC,
            now,
        };
        let said = Inbound {
            sid: "SM1".to_owned(),
            body: Phi::new(if byte > 100 { "7" } else { "about yes" }.to_owned()),
            at: now,
            media: 0,
        };
        let happened = match byte % 8 {
            0 if run.wait == Wait::Start => Happened::Begun,
            0 | 1 => Happened::Sent { sid: None },
            2 => Happened::NotSent { code: "30006".to_owned() },
            3 | 4 => Happened::Heard(said),
            5 => Happened::Called(HttpAnswer {
                status: 200,
                content_type: "application/json".to_owned(),
                body: Phi::new("{\"a\": [\"b\"]}".to_owned()),
            }),
            6 => Happened::TimeUp,
            _ => Happened::NotCalled { status: Some(503) },
        };
        let stepped = step(program, &run, &happened, around);
        let acts = stepped.run.acts - run.acts;
        assert!(acts == u32::from(stepped.act.is_some()), "acts are counted");
        run = stepped.run;
    }
}
