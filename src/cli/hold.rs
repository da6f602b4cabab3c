//! `appointd hold`: texts that the flood guard holds back.

use clap::Subcommand;
use serde_json::Value;

use super::client::{Client, Target, load, target};
use super::{Config, Failure, Format, block_on, out};
use crate::clock::Clock;
use crate::core::gate::Word;
use crate::engine::view::View;
use crate::http::holds::Order;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sources, whether their gate is closed, and what it holds
    List {
        /// How to print
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        #[command(flatten)]
        config: Config,
    },
    /// Open a source's gate and let go what it holds, as far as it is still true
    Release(Which),
    /// Open a source's gate and send nothing of what it holds
    Discard(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The source, as `hold list` shows it
    source: String,
    /// Show what would be sent, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::List { format, config } => list(*format, config),
        Command::Release(which) => say(which, Word::Release),
        Command::Discard(which) => say(which, Word::Discard),
    }
}

fn list(format: Format, config: &Config) -> Result<(), Failure> {
    let settings = load(config)?;
    let rows = block_on(async {
        match target(&settings).await? {
            Target::Daemon(client) => Ok(out::list(client.get("/holds", &()).await?)),
            Target::Store(store) => View::new(store)
                .holds(Clock::system().now())
                .map_err(|refusal| Failure::Failed(refusal.to_string())),
        }
    })?;
    out::rows(&rows, format);
    Ok(())
}

fn say(which: &Which, word: Word) -> Result<(), Failure> {
    let settings = load(&which.config)?;
    block_on(async {
        let Target::Daemon(client) = target(&settings).await? else {
            let advice = "hold needs the daemon to be running: it keeps the texts";
            return Err(Failure::Failed(advice.to_owned()));
        };
        carry_out(&client, which, word).await
    })
}

async fn carry_out(client: &Client, which: &Which, word: Word) -> Result<(), Failure> {
    if which.source.contains(['/', '?', '#', '%']) {
        return Err(Failure::Usage("this is no name of a source".to_owned()));
    }
    let path = format!("/holds/{}/{}", which.source, word.name());
    if which.dry_run {
        let answer = client.post(&path, &Order { dry_run: true, go_on: false }).await?;
        out::say(&answer.to_string());
        return Ok(());
    }
    let mut order = Order::default();
    let mut moved = 0;
    // A request moves so many that it is answered in time.
    loop {
        let answer = client.post(&path, &order).await?;
        moved += answer.get("moved").and_then(Value::as_u64).unwrap_or(0);
        if answer.get("done") != Some(&Value::Bool(false)) {
            break;
        }
        order.go_on = true;
        out::progress(&format!("{moved} texts"));
    }
    out::progress("");
    let said = match word {
        Word::Release => "released; what is no longer true is not sent",
        Word::Discard => "discarded",
    };
    out::say(&format!("{}: {moved} texts {said}; the gate is open", which.source));
    Ok(())
}
