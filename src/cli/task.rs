//! `appointd task`: the front desk's queue.

use clap::Subcommand;

use super::client::{Client, Target, load, target};
use super::query::legible;
use super::{Config, Failure, Format, block_on, out};
use crate::clock::Clock;
use crate::core::task::{TaskId, TaskState};
use crate::engine::view::{Subject, View};
use crate::http::api::{self, Narrowing};
use crate::http::tasks::Move;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What is open or taken, the urgent ones first
    List {
        /// Only these: open, taken, done or all
        #[arg(long)]
        status: Option<String>,
        /// How to print
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        #[command(flatten)]
        config: Config,
    },
    /// Somebody has these now
    Take(Which),
    /// Nothing is left to do for these
    Done(Which),
    /// Give back what was taken
    Reopen(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Ids as `task list` shows them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<TaskId>,
    /// Who; by default who is logged in
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::List { status, format, config } => list(status.as_deref(), *format, config),
        Command::Take(which) => set(which, TaskState::Taken),
        Command::Done(which) => set(which, TaskState::Done),
        Command::Reopen(which) => set(which, TaskState::Open),
    }
}

fn list(status: Option<&str>, format: Format, config: &Config) -> Result<(), Failure> {
    let is_known = |status: &str| status == "all" || TaskState::parse(status).is_some();
    if status.is_some_and(|status| !is_known(status)) {
        return Err(Failure::Usage("--status: write open, taken, done or all".to_owned()));
    }
    let narrowing = Narrowing {
        status: status.map(str::to_owned),
        limit: Some(api::LIMIT_MAX),
        ..Narrowing::default()
    };
    let settings = load(config)?;
    let filter = narrowing
        .filter(Clock::system().now(), settings.region)
        .map_err(|bad| Failure::Usage(format!("--{bad}")))?;
    let rows = block_on(async {
        match target(&settings).await? {
            Target::Daemon(client) => Ok(out::list(client.get("/tasks", &narrowing).await?)),
            Target::Store(store) => View::new(store)
                .query(Subject::Tasks, &filter)
                .map_err(|refusal| Failure::Failed(refusal.to_string())),
        }
    })?;
    let rows = match format {
        Format::Json => rows,
        Format::Text | Format::Csv => rows.iter().map(legible).collect(),
    };
    out::rows(&rows, format);
    Ok(())
}

fn set(which: &Which, to: TaskState) -> Result<(), Failure> {
    let settings = load(&which.config)?;
    block_on(async {
        let Target::Daemon(client) = target(&settings).await? else {
            let advice = "task needs the daemon to be running: it keeps the queue";
            return Err(Failure::Failed(advice.to_owned()));
        };
        let by = which.by.clone().or_else(|| std::env::var("USER").ok());
        let by = by.filter(|by| !by.trim().is_empty()).unwrap_or_else(|| "operator".to_owned());
        let mut failures = Vec::new();
        for id in &which.ids {
            match set_one(&client, *id, to, &by).await {
                Ok(()) => out::say(&format!("{id} {}", to.name())),
                Err(failure) => failures.push(format!("{id}: {failure}")),
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Failure::Failed(failures.join("\n"))) }
    })
}

async fn set_one(client: &Client, id: TaskId, to: TaskState, by: &str) -> Result<(), Failure> {
    let order = Move { state: to.name().to_owned(), by: by.to_owned() };
    client.post(&format!("/tasks/{id}"), &order).await?;
    Ok(())
}
