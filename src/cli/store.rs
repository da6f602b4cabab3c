//! `appointd store`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Target, load, open, target};
use super::{Config, Failure, Format, block_on, out};
use crate::http::api::{BackupTo, report_json, stats_json};
use crate::settings::Settings;
use crate::store;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What the store holds
    Stats {
        /// How to print
        #[arg(long, value_enum, default_value = "json")]
        format: Format,
        #[command(flatten)]
        config: Config,
    },
    /// Walk over everything and check it
    Verify {
        #[command(flatten)]
        config: Config,
    },
    /// Write all rows to a file, while running or not
    Backup {
        /// The file to write
        file: PathBuf,
        #[command(flatten)]
        config: Config,
    },
    /// Fill an empty store from a backup; the daemon must be stopped
    Restore {
        /// The backup
        file: PathBuf,
        #[command(flatten)]
        config: Config,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Stats { format, config } => {
            let stats = stats(&load(config)?)?;
            out::rows(&[stats], *format);
            Ok(())
        }
        Command::Verify { config } => verify(&load(config)?),
        Command::Backup { file, config } => backup(&load(config)?, file),
        Command::Restore { file, config } => restore(&load(config)?, file),
    }
}

fn stats(settings: &Settings) -> Result<Value, Failure> {
    block_on(async {
        match target(settings).await? {
            Target::Daemon(client) => client.get("/store/stats", &()).await,
            Target::Store(store) => Ok(stats_json(&store.stats().map_err(failed)?)),
        }
    })
}

fn verify(settings: &Settings) -> Result<(), Failure> {
    out::progress("walking over the store ..");
    let report = block_on(async {
        match target(settings).await? {
            Target::Daemon(client) => client.post("/store/verify", &json!({})).await,
            Target::Store(store) => Ok(report_json(&store.verify().map_err(failed)?)),
        }
    });
    out::progress("");
    let report = report?;
    out::say(&report.to_string());
    if report.get("sound") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    Err(Failure::Failed(
        "the store is damaged: restore from backup with `appointd store restore`".to_owned(),
    ))
}

fn backup(settings: &Settings, file: &PathBuf) -> Result<(), Failure> {
    out::progress("writing the backup ..");
    let file = std::path::absolute(file).map_err(failed)?;
    let done = block_on(async {
        match target(settings).await? {
            Target::Daemon(client) => {
                client.post("/store/backup", &BackupTo { file: file.clone() }).await
            }
            Target::Store(store) => {
                let backup = store.backup(&file).map_err(failed)?;
                Ok(json!({ "file": file, "rows": backup.rows }))
            }
        }
    });
    out::progress("");
    out::say(&done?.to_string());
    Ok(())
}

fn restore(settings: &Settings, file: &PathBuf) -> Result<(), Failure> {
    let store = open(settings).map_err(failed)?;
    out::progress("reading the backup ..");
    let done = store::restore(file, store.as_ref());
    out::progress("");
    let rows = done.map_err(failed)?;
    store.checkpoint().map_err(failed)?;
    out::say(&json!({ "file": file, "rows": rows.rows }).to_string());
    Ok(())
}

fn failed(refusal: impl std::fmt::Display) -> Failure {
    Failure::Failed(refusal.to_string())
}
