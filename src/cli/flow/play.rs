//! `appointd flow play`: a flow in the terminal, the reader being patient and web server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::files::{Named, Setting, first_row};
use super::screen::{Screen, span};
use crate::cli::{Failure, Format, out};
use crate::clock::{Clock, Timestamp};
use crate::core::flow::{
    Act, Call, End, Happened, HttpAnswer, Inbound, Method, Program, Run, Stepped, Surroundings,
    Tools, Trigger, TriggerKind, Wait, step,
};
use crate::phi::Phi;

const HELP: &str = "\
/wait  let the time for an answer pass
/fail  the text could not be delivered; at a request: no answer
/back  to the question before
/vars  what the flow knows
/quit  stop";

/// How many texts may follow each other without a reply: what is longer is a circle.
const TEXTS_MAX: u32 = 50;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A file exported from Twilio Studio, or the name of a flow that is built in or of the settings
    #[arg(value_name = "FILE|NAME")]
    flow: String,
    /// A value of the list, as flow.data.KEY; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    data: Vec<String>,
    /// Take the values of a list's first row
    #[arg(long, value_name = "FILE")]
    from_csv: Option<PathBuf>,
    /// The patient's language, such as es
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// The settings file, for the practice's name, its flows and its word lists
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let setting = Setting::of(arguments.config.as_ref())?;
    let screen = Screen::new();
    let program = program(&arguments.flow, &setting)?;
    let data = data(arguments)?;
    for column in program.columns().iter().filter(|column| !data.contains_key(&column.name)) {
        let name = &column.name;
        screen.aside(&format!("flow.data.{name} is empty; give one by --data {name}=.."));
    }
    let trigger = Trigger {
        kind: TriggerKind::Request,
        to: "+12025550123".to_owned(),
        from: "+12025550100".to_owned(),
        data: Phi::new(data),
        sid: "FN00000000000000000000000000000000".to_owned(),
        language: arguments.language.clone(),
    };
    screen.aside(&format!("{}: {}", program.name(), program.description()));
    screen.aside("You are the patient. /help tells what else you can do.");
    let mut player = Player {
        program: &program,
        setting: &setting,
        tools: Tools::any(),
        screen,
        now: Clock::system().now(),
        run: Run::new(trigger),
        before: Vec::new(),
    };
    player.play();
    player.show_answers();
    Ok(())
}

fn program(wanted: &str, setting: &Setting) -> Result<Program, Failure> {
    let path = Path::new(wanted);
    let named = if path.is_file() {
        Named::read(path, &setting.flows)?
    } else if setting.flows.contains_key(wanted) {
        let files = setting.flows.clone();
        Named { name: wanted.to_owned(), paths: BTreeMap::new(), files }
    } else {
        let names: Vec<&str> = setting.flows.keys().map(String::as_str).collect();
        let problem = format!("{wanted} is no file and no flow; there are {}", names.join(", "));
        return Err(Failure::Usage(problem));
    };
    let faults =
        |faults: Vec<_>| -> Vec<String> { faults.iter().map(|fault| named.told(fault)).collect() };
    Program::read(&named.name, &named.files, &Tools::any())
        .map_err(|found| Failure::Failed(faults(found).join("\n")))
}

fn data(arguments: &Arguments) -> Result<Map<String, Value>, Failure> {
    let mut data = Map::from_iter([("patient_first_name".to_owned(), json!("Jane"))]);
    if let Some(path) = &arguments.from_csv {
        data.extend(first_row(path)?);
    }
    for pair in &arguments.data {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Failure::Usage(format!("--data {pair}: write KEY=VALUE")));
        };
        let _before = data.insert(key.trim().to_owned(), json!(value));
    }
    Ok(data)
}

/// What was typed, or what it asks for.
enum Typed {
    Words(String),
    Wait,
    Fail,
    Back,
    Quit,
}

struct Player<'a> {
    program: &'a Program,
    setting: &'a Setting,
    tools: Tools,
    screen: Screen,
    now: Timestamp,
    run: Run,
    /// The run at each question that was answered.
    before: Vec<(Run, Timestamp)>,
}

impl Player<'_> {
    fn play(&mut self) {
        let mut next = Some(Happened::Begun);
        let mut texts = 0;
        while let Some(happened) = next.take() {
            let act = self.take(&happened);
            next = match (act, self.run.wait.clone()) {
                (Some(Act::Text { .. }), _) if texts >= TEXTS_MAX => {
                    self.screen.aside(&format!(
                        "{TEXTS_MAX} texts without a reply: the flow goes round in a circle"
                    ));
                    None
                }
                (Some(Act::Text { state, body }), _) => {
                    texts += 1;
                    self.screen.bubble(&state, body.expose());
                    Some(Happened::Sent { sid: Some(format!("SM{:032}", self.run.acts)) })
                }
                (Some(Act::Call(call)), _) => self.answer(&call),
                (None, Wait::Reply { .. }) => {
                    texts = 0;
                    self.reply()
                }
                (None, Wait::End(end)) => {
                    self.end(&end);
                    None
                }
                (None, Wait::Start | Wait::Delivery { .. } | Wait::Call) => None,
            };
        }
    }

    fn take(&mut self, happened: &Happened) -> Option<Act> {
        let around = Surroundings {
            tools: &self.tools,
            words: &self.setting.words,
            practice_name: &self.setting.practice_name,
            callback_phone: &self.setting.callback_phone,
            zone: self.setting.zone,
            now: self.now,
        };
        let Stepped { run, act, notes } = step(self.program, &self.run, happened, around);
        let is_heard = run.answers.len() > self.run.answers.len();
        if let Some(read) = run.answers.last().filter(|_| is_heard).and_then(|a| a.read_as.as_ref())
        {
            self.screen.aside(&format!("read as {read}"));
        }
        self.run = run;
        for note in notes {
            self.screen.note(note.text.expose(), note.is_urgent);
        }
        act
    }

    /// Asks for the patient's words.
    fn reply(&mut self) -> Option<Happened> {
        let Wait::Reply { until, .. } = self.run.wait else { return None };
        self.screen.aside(&format!("waits up to {}", span(until - self.now)));
        loop {
            match self.typed("you") {
                Typed::Words(words) if words.trim().is_empty() => {}
                Typed::Words(words) => {
                    self.before.push((self.run.clone(), self.now));
                    return Some(Happened::Heard(Inbound {
                        sid: format!("SM9{:031}", self.run.acts),
                        body: Phi::new(words),
                        at: self.now,
                        media: 0,
                    }));
                }
                Typed::Wait => {
                    self.before.push((self.run.clone(), self.now));
                    self.now = self.now.max(until);
                    return Some(Happened::TimeUp);
                }
                Typed::Fail => {
                    self.before.push((self.run.clone(), self.now));
                    return Some(Happened::NotSent { code: "30003".to_owned() });
                }
                Typed::Back => match self.before.pop() {
                    Some((run, now)) => {
                        (self.run, self.now) = (run, now);
                        let at = self.run.frames.last().map_or("", |frame| frame.state.as_str());
                        self.screen.aside(&format!("back at {at}"));
                        return self.reply();
                    }
                    None => self.screen.aside("this is the first question"),
                },
                Typed::Quit => return None,
            }
        }
    }

    /// Asks for the answer of a web server.
    fn answer(&self, call: &Call) -> Option<Happened> {
        let method = match call.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        self.screen.aside(&format!("{method} {}", call.url.expose()));
        if !call.body.expose().is_empty() {
            self.screen.aside(&format!("     {}", call.body.expose()));
        }
        self.screen.aside("you are the server: status and body, or nothing for 200 {}");
        loop {
            let words = match self.typed("server") {
                Typed::Words(words) => words,
                Typed::Wait | Typed::Fail => return Some(Happened::NotCalled { status: None }),
                Typed::Back => {
                    self.screen.aside("go back at the next question");
                    continue;
                }
                Typed::Quit => return None,
            };
            let words = words.trim();
            let (status, body) = words.split_once(' ').unwrap_or((words, "{}"));
            match if status.is_empty() { Ok(200) } else { status.parse::<u16>() } {
                Ok(status) if (200..300).contains(&status) => {
                    return Some(Happened::Called(HttpAnswer {
                        status,
                        content_type: "application/json".to_owned(),
                        body: Phi::new(body.trim().to_owned()),
                    }));
                }
                Ok(status) => return Some(Happened::NotCalled { status: Some(status) }),
                Err(_) => self.screen.aside("write a status such as 200 or 503, then a body"),
            }
        }
    }

    /// Reads a line; what only looks is done at once.
    fn typed(&self, who: &str) -> Typed {
        loop {
            let Some(line) = out::ask(&self.screen.prompt(who)) else { return Typed::Quit };
            match line.trim() {
                "/wait" => return Typed::Wait,
                "/fail" => return Typed::Fail,
                "/back" => return Typed::Back,
                "/quit" | "/q" => return Typed::Quit,
                "/help" | "/?" => self.screen.aside(HELP),
                "/vars" => self.screen.aside(&self.known()),
                other if other.starts_with('/') => {
                    self.screen.aside(&format!("there is no such command\n{HELP}"));
                }
                _ => return Typed::Words(line),
            }
        }
    }

    fn known(&self) -> String {
        let Some(frame) = self.run.frames.last() else { return "nothing yet".to_owned() };
        let data = frame.data.as_ref().unwrap_or(&self.run.trigger.data);
        let known = json!({
            "state": frame.state,
            "flow": { "data": data.expose(), "variables": frame.variables.expose() },
            "widgets": frame.widgets.expose(),
        });
        serde_json::to_string_pretty(&known).unwrap_or_default()
    }

    fn end(&self, end: &End) {
        let words = match end {
            End::Completed => "The flow has come to its end.",
            End::HandedOver => "The flow has handed over to a person.",
            End::Runaway => "The flow was stopped: it went beyond its bounds.",
        };
        out::say("");
        self.screen.aside(words);
    }

    fn show_answers(&self) {
        if self.run.answers.is_empty() {
            return;
        }
        out::say("");
        let rows: Vec<Value> = self
            .run
            .answers
            .iter()
            .map(|answer| {
                json!({
                    "question": answer.question,
                    "answer": answer.body.expose(),
                    "read as": answer.read_as,
                })
            })
            .collect();
        out::rows(&rows, Format::Text);
    }
}
