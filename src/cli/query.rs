//! `appointd query`.

use super::client::{Target, load, target};
use super::{Config, Failure, Format, block_on, out};
use crate::clock::Clock;
use crate::engine::view::{Subject, View};
use crate::http::api::Narrowing;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// appointments, history, messages, timers, outbox, quarantine, tasks or audit
    subject: String,
    /// Only this patient's, by record number
    #[arg(long)]
    patient: Option<String>,
    /// Only this phone's
    #[arg(long)]
    phone: Option<String>,
    /// Only this appointment's, by key or any of its identifiers
    #[arg(long)]
    appointment: Option<String>,
    /// Not before: 2026-12-01, 2026-12-01T09:30:00Z, or a span back from now such as 7d
    #[arg(long)]
    since: Option<String>,
    /// Not after, likewise
    #[arg(long)]
    until: Option<String>,
    /// Only with this status, state or event
    #[arg(long)]
    status: Option<String>,
    /// At most so many rows
    #[arg(long)]
    limit: Option<usize>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(subject) = Subject::parse(&arguments.subject) else {
        let known: Vec<&str> = Subject::ALL.iter().map(|(name, _)| *name).collect();
        return Err(Failure::Usage(format!(
            "there is no \"{}\" to query; there are: {}",
            arguments.subject,
            known.join(", ")
        )));
    };
    let narrowing = Narrowing {
        patient: arguments.patient.clone(),
        phone: arguments.phone.clone(),
        appointment: arguments.appointment.clone(),
        since: arguments.since.clone(),
        until: arguments.until.clone(),
        status: arguments.status.clone(),
        limit: arguments.limit,
    };
    let filter = narrowing
        .filter(Clock::system().now())
        .map_err(|bad| Failure::Usage(format!("--{bad}")))?;
    let settings = load(&arguments.config)?;
    let rows = block_on(async {
        match target(&settings).await? {
            Target::Daemon(client) => {
                let path = format!("/query/{}", arguments.subject);
                Ok(out::list(client.get(&path, &narrowing).await?))
            }
            Target::Store(store) => View::new(store)
                .query(subject, &filter)
                .map_err(|refusal| Failure::Failed(refusal.to_string())),
        }
    })?;
    out::rows(&rows, arguments.format);
    Ok(())
}
