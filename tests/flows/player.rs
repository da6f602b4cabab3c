//! Plays a script: what happens to a run, line by line, and what it says to that.
//!
//! A run goes through JSON between any two steps, as it would through the store.

use std::fmt::Write as _;

use appointd::clock::Timestamp;
use appointd::core::flow::{
    Act, Happened, HttpAnswer, Inbound, Method, Program, Run, Stepped, Surroundings, Tools,
    Trigger, TriggerKind, Wait, fits, step,
};
use appointd::core::local_time::Zone;
use appointd::phi::Phi;
use chrono::{DateTime, TimeDelta};
use serde_json::{Map, Value};

pub(crate) struct Player {
    pub(crate) program: Program,
    pub(crate) tools: Tools,
    pub(crate) now: Timestamp,
    pub(crate) run: Run,
}

impl Player {
    pub(crate) fn new(program: Program, data: Map<String, Value>, language: Option<&str>) -> Self {
        let trigger = Trigger {
            kind: TriggerKind::Request,
            to: "+12025550123".to_owned(),
            from: "+12025550100".to_owned(),
            data: Phi::new(data),
            sid: "FN00000000000000000000000000000001".to_owned(),
            language: language.map(str::to_owned),
        };
        let now = DateTime::parse_from_rfc3339("2026-03-02T15:00:00Z").unwrap().to_utc();
        Self { program, tools: crate::tools(), now, run: Run::new(trigger) }
    }

    pub(crate) fn around(&self) -> Surroundings<'_> {
        Surroundings {
            tools: &self.tools,
            words: &crate::WORDS,
            practice_name: "Owl Clinic",
            callback_phone: "(202) 555-0100",
            zone: Zone::parse("America/Chicago").unwrap(),
            now: self.now,
        }
    }

    /// Takes the run on; it comes back from its JSON as it went in.
    pub(crate) fn take(&mut self, happened: &Happened) -> Stepped {
        let stepped = step(&self.program, &self.run, happened, self.around());
        let kept = serde_json::to_string(&stepped.run).unwrap();
        self.run = serde_json::from_str(&kept).unwrap();
        assert_eq!(self.run, stepped.run, "{kept}");
        stepped
    }

    pub(crate) fn inbound(&self, words: &str) -> Inbound {
        Inbound { sid: "SM1".to_owned(), body: Phi::new(words.to_owned()), at: self.now, media: 0 }
    }

    fn happened(&mut self, line: &str) -> Happened {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (what, rest) {
            ("begin", _) => Happened::Begun,
            ("you", words) => Happened::Heard(self.inbound(words)),
            ("sent", _) => Happened::Sent { sid: Some(format!("SM-{}", self.run.acts)) },
            ("fail", code) => Happened::NotSent { code: code.to_owned() },
            ("wait", _) => {
                if let Wait::Reply { until, .. } = self.run.wait {
                    self.now = until;
                }
                Happened::TimeUp
            }
            ("early", _) => Happened::TimeUp,
            ("server", "none") => Happened::NotCalled { status: None },
            ("server", answer) => {
                let (status, body) = answer.split_once(' ').unwrap_or((answer, ""));
                let status: u16 = status.parse().unwrap();
                match status {
                    200..=299 => Happened::Called(HttpAnswer {
                        status,
                        content_type: "application/json; charset=utf-8".to_owned(),
                        body: Phi::new(body.to_owned()),
                    }),
                    _ => Happened::NotCalled { status: Some(status) },
                }
            }
            other => panic!("unknown step {other:?}"),
        }
    }
}

/// The script with what came of each step.
pub(crate) fn play(script: &str) -> String {
    let head = |key: &str| {
        let line = script.lines().find_map(|line| line.strip_prefix(key));
        line.map(str::trim).unwrap_or_default().to_owned()
    };
    let data = serde_json::from_str(&head("data:")).unwrap_or_default();
    let language = Some(head("language:")).filter(|tag| !tag.is_empty());
    let program = crate::program(&head("flow:"));
    let mut player = Player::new(program, data, language.as_deref());
    let mut told = String::new();
    for line in script.lines().filter(|line| !line.starts_with('>')) {
        writeln!(told, "{line}").unwrap();
        let is_head = ["flow:", "data:", "language:", "#"].iter().any(|key| line.starts_with(key));
        if is_head || line.trim().is_empty() {
            continue;
        }
        if line == "known" {
            let frame = player.run.frames.last().unwrap();
            let known = Value::Object(frame.variables.expose().clone());
            writeln!(told, "> variables {known}").unwrap();
            continue;
        }
        let happened = player.happened(line);
        if let Happened::Heard(text) = &happened {
            let fit = fits(&player.program, &player.run, text, player.around());
            writeln!(told, "> fits: {fit:?}").unwrap();
        }
        let (before, answers) = (player.run.clone(), player.run.answers.len());
        let stepped = player.take(&happened);
        tell(&mut told, &before, answers, &stepped, player.now);
    }
    told
}

fn tell(told: &mut String, before: &Run, answers: usize, stepped: &Stepped, now: Timestamp) {
    let run = &stepped.run;
    for answer in run.answers.iter().skip(answers) {
        let read = answer.read_as.as_deref().unwrap_or("-");
        writeln!(told, "> answer {}: {:?}, read as {read}", answer.question, answer.body.expose())
            .unwrap();
    }
    for note in &stepped.notes {
        let urgent = if note.is_urgent { ", urgent" } else { "" };
        writeln!(told, "> staff{urgent}: {}", note.text.expose()).unwrap();
    }
    match &stepped.act {
        Some(Act::Text { state, body }) => {
            writeln!(told, "> text {state}: {}", body.expose()).unwrap();
        }
        Some(Act::Call(call)) => {
            let method = match call.method {
                Method::Get => "GET",
                Method::Post => "POST",
            };
            let kind = call.content_type.as_deref().unwrap_or("-");
            writeln!(told, "> call {method} {} ({kind}) {}", call.url.expose(), call.body.expose())
                .unwrap();
        }
        None if run == before => writeln!(told, "> nothing").unwrap(),
        None => {}
    }
    if run.wait != before.wait {
        match &run.wait {
            Wait::Reply { until, .. } => {
                writeln!(told, "> waits {}", span(*until - now)).unwrap();
            }
            Wait::End(end) => writeln!(told, "> ended: {end:?}").unwrap(),
            Wait::Start | Wait::Delivery { .. } | Wait::Call => {}
        }
    }
}

fn span(time: TimeDelta) -> String {
    format!("{} s", time.num_seconds())
}
