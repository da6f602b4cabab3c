//! `appointd replay` and `appointd remind`: what an operator has done again, or now.

use super::client::{Client, Target, load, target};
use super::{Config, Failure, Format, block_on, out};
use crate::http::api;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Numbers of journal entries, as `query quarantine` and `query messages` show them
    #[arg(required_unless_present = "quarantine", value_name = "ID")]
    ids: Vec<u64>,
    /// All that is in quarantine, the oldest first
    #[arg(long, conflicts_with = "ids")]
    quarantine: bool,
    /// Show what would be read, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Let patients be texted about it
    #[arg(long)]
    notify: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
    #[command(flatten)]
    config: Config,
}

#[derive(Debug, clap::Args)]
pub(super) struct Remind {
    /// Keys of appointments, or any of their identifiers
    #[arg(required = true, value_name = "APPOINTMENT")]
    appointments: Vec<String>,
    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = load(&arguments.config)?;
    let rows = block_on(async {
        let Target::Daemon(client) = target(&settings).await? else {
            return Err(not_running("replay"));
        };
        let ids =
            if arguments.quarantine { quarantined(&client).await? } else { arguments.ids.clone() };
        let mut rows = Vec::new();
        // One by one: a request that reads thousands again would not end in time.
        for id in ids {
            let order =
                api::Replay { ids: vec![id], dry_run: arguments.dry_run, notify: arguments.notify };
            rows.append(&mut out::list(client.post("/replay", &order).await?));
            out::progress(&format!("{} messages", rows.len()));
        }
        out::progress("");
        Ok(rows)
    })?;
    let has_failed = rows.iter().any(|row| row.get("error").is_some());
    out::rows(&rows, arguments.format);
    if has_failed {
        return Err(Failure::Failed("not every entry could be read again".to_owned()));
    }
    Ok(())
}

pub(super) fn remind(arguments: &Remind) -> Result<(), Failure> {
    let settings = load(&arguments.config)?;
    block_on(async {
        let Target::Daemon(client) = target(&settings).await? else {
            return Err(not_running("remind"));
        };
        for appointment in &arguments.appointments {
            let order = api::Remind { appointment: appointment.clone() };
            let answer = client.post("/appointments/remind", &order).await?;
            out::say(&answer.to_string());
        }
        Ok(())
    })
}

/// The entries in quarantine, the oldest first, so that an appointment's messages keep their order.
async fn quarantined(client: &Client) -> Result<Vec<u64>, Failure> {
    let narrowing = api::Narrowing { limit: Some(api::LIMIT_MAX), ..api::Narrowing::default() };
    let rows = out::list(client.get("/query/quarantine", &narrowing).await?);
    let mut ids: Vec<u64> = rows.iter().filter_map(|row| row.get("seq")?.as_u64()).collect();
    ids.sort_unstable();
    Ok(ids)
}

fn not_running(command: &str) -> Failure {
    Failure::Failed(format!("{command} needs the daemon to be running: it decides, and it sends"))
}
