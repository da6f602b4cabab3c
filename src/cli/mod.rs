//! The command line: one file a command; a value in, one call, text, JSON or CSV out.
//!
//! Exit codes: 0 ok, 1 failure or findings, 64 usage, 78 configuration (`sysexits.h`). Errors go to
//! the standard error stream, one line each.

mod check;
mod client;
mod consent;
pub mod demo;
mod flow;
mod hold;
mod map;
mod mappings;
mod out;
mod outreach;
mod query;
mod replay;
mod resync;
mod run;
mod samples;
mod send;
mod simulate;
mod store;
mod task;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

pub use out::Format;

/// A failure of a command.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked for did not work, or there are findings.
    #[error("{0}")]
    Failed(String),
    /// The arguments do not make sense together.
    #[error("{0}")]
    Usage(String),
    /// The settings are wrong; each line is one fault.
    #[error("{}", .0.join("\n"))]
    Configuration(Vec<String>),
}

impl Failure {
    const fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 64,
            Self::Configuration(_) => 78,
        }
    }
}

/// HL7 v2 appointment integration: hears the EHR, texts the patient, writes the answer back.
#[derive(Debug, Parser)]
#[command(name = "appointd", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Where the settings are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Config {
    /// The settings file
    #[arg(long, value_name = "FILE", default_value = "/etc/appointd/appointd.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole loop on this machine: no account, no configuration, temporary data
    Demo(demo::Arguments),
    /// Run the daemon
    Run(Config),
    /// Check settings, mappings and texts: all faults at once, and every text as a patient reads it
    Check(check::Arguments),
    /// Read message files with a mapping and print the normalized events
    Map(map::Arguments),
    /// Send message files by MLLP and check the answers
    Send(send::Arguments),
    /// Ask what is known: appointments, history, messages, timers, outbox, quarantine, tasks,
    /// servers, audit, consent
    Query(query::Arguments),
    /// Read stored messages again with the mapping in force
    Replay(replay::Arguments),
    /// Send the reminder of an appointment now
    Remind(replay::Remind),
    /// Read everything of a FHIR server again
    Resync(resync::Arguments),
    /// The front desk's queue: what patients wait for
    Task(task::Arguments),
    /// Texts that the flood guard holds back
    Hold(hold::Arguments),
    /// Flows of Twilio Studio: check files, or play one as the patient
    Flow(flow::Arguments),
    /// Whether a phone may be texted
    Consent(consent::Arguments),
    /// Campaigns: a flow of texts for the recipients of a list, and what they answer
    Outreach(outreach::Arguments),
    /// Look after the store
    Store(store::Arguments),
    /// Run a stand-in alone: an EHR, or the patients' phones
    Simulate(simulate::Arguments),
}

/// Runs a command; the process's exit code comes out.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let parsed = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(problem) => {
            let is_asked_for =
                matches!(problem.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Nothing can be done about a closed terminal.
            let _printed = problem.print().is_ok();
            return if is_asked_for { ExitCode::SUCCESS } else { ExitCode::from(64) };
        }
    };
    let result = match parsed.command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Run(config) => run::run(&config),
        Command::Check(arguments) => check::run(&arguments),
        Command::Map(arguments) => map::run(&arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Query(arguments) => query::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Remind(arguments) => replay::remind(&arguments),
        Command::Resync(arguments) => resync::run(&arguments),
        Command::Task(arguments) => task::run(&arguments),
        Command::Hold(arguments) => hold::run(&arguments),
        Command::Flow(arguments) => flow::run(&arguments),
        Command::Consent(arguments) => consent::run(&arguments),
        Command::Outreach(arguments) => outreach::run(&arguments),
        Command::Store(arguments) => store::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for line in failure.to_string().lines() {
                out::complain(line);
            }
            ExitCode::from(failure.code())
        }
    }
}

/// Runs async work of a command to its end.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|refusal| Failure::Failed(format!("cannot start: {refusal}")))?
        .block_on(work)
}
