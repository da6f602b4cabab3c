//! `appointd replay` and `appointd remind`: what an operator has done again, or now.

use super::client::{Target, load, target};
use super::{Config, Failure, Format, block_on, out};
use crate::http::api;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Numbers of journal entries, as `query quarantine` and `query messages` show them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<u64>,
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
    let order = api::Replay {
        ids: arguments.ids.clone(),
        dry_run: arguments.dry_run,
        notify: arguments.notify,
    };
    let rows = block_on(async {
        match target(&settings).await? {
            Target::Daemon(client) => client.post("/replay", &order).await,
            Target::Store(_) => Err(not_running("replay")),
        }
    })?;
    let rows = out::list(rows);
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

fn not_running(command: &str) -> Failure {
    Failure::Failed(format!("{command} needs the daemon to be running: it decides, and it sends"))
}
