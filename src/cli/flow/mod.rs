//! `appointd flow`: look at flows, and play them, before a patient does.
//!
//! Nothing is stored, nobody is texted and no server is asked.

mod check;
mod files;
mod play;
mod screen;

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Subcommand;

use super::{Failure, out};
use crate::core::flow::Program;

/// What is done with flows.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Read flows of Twilio Studio: all faults with their lines, questions, columns, texts
    Check(check::Arguments),
    /// Play a flow as the patient; what a server or the staff would get is shown
    Play(play::Arguments),
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.what {
        What::Check(arguments) => check::run(arguments),
        What::Play(arguments) => play::run(arguments),
    }
}

/// Prints the flows of the settings, with their questions.
pub(super) fn list(flows: &BTreeMap<String, Arc<Program>>) {
    for (name, program) in flows {
        let questions: Vec<String> =
            program.questions().into_iter().map(|question| question.name).collect();
        let asks = match questions.as_slice() {
            [] => "asks nothing".to_owned(),
            questions => format!("asks {}", questions.join(", ")),
        };
        out::say(&format!("flow {name}: {} states, {asks}", program.states()));
    }
    out::say("");
}
