//! `appointd flow check`: all faults of flows, and what is in those that have none.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::files::{Named, Setting};
use super::screen::counted;
use crate::cli::{Failure, out};
use crate::clock::Clock;
use crate::core::flow::liquid::Template;
use crate::core::flow::{Column, Program};
use crate::core::message::segments::Segments;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Files exported from Twilio Studio; those beside a file may be called by it
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The settings file, for the hosts and functions that flows may call
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let setting = Setting::of(arguments.config.as_ref())?;
    let mut faults = Vec::new();
    for path in &arguments.files {
        let named = match Named::read(path, &setting.flows) {
            Ok(named) => named,
            Err(failure) => {
                faults.push(failure.to_string());
                continue;
            }
        };
        match Program::read(&named.name, &named.files, &setting.tools) {
            Ok(program) => {
                for warning in program.warnings() {
                    out::complain(&format!("warning: {}", named.told(warning)));
                }
                show(&program, &setting);
            }
            Err(found) => faults.extend(found.iter().map(|fault| named.told(fault))),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Failed(faults.join("\n"))) }
}

fn show(program: &Program, setting: &Setting) {
    let questions = program.questions();
    let columns = program.columns();
    out::say(&format!("{}: {}", program.name(), program.description()));
    out::say(&format!("  {} states", program.states()));
    out::say(&format!("  {}", counted(questions.len(), "question")));
    for question in &questions {
        out::say(&format!("    {}", question.name));
    }
    let named = |column: &Column| {
        let mark = if column.is_needed { " (needed)" } else { "" };
        format!("{}{mark}", column.name)
    };
    let names: Vec<String> = columns.iter().map(named).collect();
    let list = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    out::say(&format!("  columns: {list}"));
    out::say("  texts");
    let scope = sample(&columns, setting);
    for said in program.texts() {
        let language = said.language.map(|tag| format!(" [{tag}]")).unwrap_or_default();
        let rendered = Template::parse(&said.text).ok().and_then(|template| {
            template.render(&scope, Clock::system().now(), chrono_tz::UTC).ok()
        });
        let text = rendered.unwrap_or(said.text);
        let segments = Segments::of(&text);
        let size = format!("{}, {}", segments.encoding.name(), counted(segments.count, "segment"));
        out::say(&format!("    {}{language}: {size}", said.state));
        out::say(&format!("      {text}"));
    }
    out::say("");
}

/// Values to see texts with.
fn sample(columns: &[Column], setting: &Setting) -> Value {
    let value = |column: &Column| {
        let value = if column.name.contains("name") { "Frances" } else { "12345" };
        (column.name.clone(), json!(value))
    };
    let data: Map<String, Value> = columns.iter().map(value).collect();
    json!({
        "flow": { "data": data },
        "trigger": { "request": { "parameters": data } },
        "practice": {
            "name": setting.practice_name,
            "callback_phone": setting.callback_phone,
        },
    })
}
