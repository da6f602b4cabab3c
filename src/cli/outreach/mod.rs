//! `appointd outreach`: campaigns.

mod list;
mod responses;
mod start;
mod summary;

use clap::Subcommand;

use super::client::{Client, Target, load, target};
use super::{Config, Failure, Format, block_on, out};
use crate::core::campaign::{CampaignId, Order};
use crate::http::campaigns::By;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look a list over, and text its recipients
    Start(start::Arguments),
    /// Campaigns, the newest first
    List {
        /// How to print
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        #[command(flatten)]
        config: Config,
    },
    /// How far a campaign is
    Status {
        /// The campaign, as `outreach list` shows it
        id: CampaignId,
        /// Watch it until it is over
        #[arg(long)]
        follow: bool,
        /// How to print
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        #[command(flatten)]
        config: Config,
    },
    /// Begin with nobody else for now; who is in conversation is answered
    Pause(Which),
    /// Go on
    Resume(Which),
    /// End it for good: nobody is texted any more
    Stop(Which),
    /// What recipients answered, as a table for a spreadsheet or a program
    Responses(responses::Arguments),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The campaign, as `outreach list` shows it
    id: CampaignId,
    /// Who; by default who is logged in
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Start(arguments) => start::run(arguments),
        Command::List { format, config } => list::all(*format, config),
        Command::Status { id, follow, format, config } => list::one(id, *follow, *format, config),
        Command::Pause(which) => give(which, Order::Pause),
        Command::Resume(which) => give(which, Order::Resume),
        Command::Stop(which) => give(which, Order::Stop),
        Command::Responses(arguments) => responses::run(arguments),
    }
}

/// Who gives an order: as told, else who is logged in.
fn who(by: Option<&String>) -> String {
    let by = by.cloned().or_else(|| std::env::var("USER").ok());
    by.filter(|by| !by.trim().is_empty()).unwrap_or_else(|| "operator".to_owned())
}

fn give(which: &Which, order: Order) -> Result<(), Failure> {
    let settings = load(&which.config)?;
    block_on(async {
        let Target::Daemon(client) = target(&settings).await? else { return Err(no_daemon()) };
        let path = format!("/campaigns/{}/{}", which.id, order.name());
        let row = client.post(&path, &By { by: who(which.by.as_ref()) }).await?;
        out::say(&summary::progress(&row));
        Ok(())
    })
}

fn no_daemon() -> Failure {
    Failure::Failed("outreach needs the daemon to be running: it is what texts".to_owned())
}
