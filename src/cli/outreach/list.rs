//! `outreach list` and `outreach status`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, Target, load, out, summary, target};
use crate::cli::out::{Bar, Unit};
use crate::cli::{Config, Failure, Format, block_on};
use crate::clock::Clock;
use crate::core::campaign::CampaignId;
use crate::engine::campaigns::campaign_json;
use crate::engine::view::View;

/// How often a campaign that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) fn all(format: Format, config: &Config) -> Result<(), Failure> {
    let settings = load(config)?;
    let rows = block_on(async {
        match target(&settings).await? {
            Target::Daemon(client) => Ok(out::list(client.get("/campaigns", &()).await?)),
            Target::Store(store) => {
                let rows = View::new(store).campaigns().map_err(|refusal| failed(&refusal))?;
                let now = Clock::system().now();
                Ok(rows.iter().map(|row| campaign_json(row, now)).collect())
            }
        }
    })?;
    let rows = match format {
        Format::Json => rows,
        Format::Text | Format::Csv => rows.iter().map(legible).collect(),
    };
    out::rows(&rows, format);
    Ok(())
}

/// What fits in a line.
fn legible(row: &Value) -> Value {
    let of = |name: &str| row.get(name).cloned().unwrap_or_default();
    let count = |name: &str| row.pointer(&format!("/tally/{name}")).cloned().unwrap_or_default();
    json!({
        "id": of("id"), "name": of("name"), "state": of("state"), "recipients": of("recipients"),
        "waiting": count("waiting"), "active": count("active"), "completed": count("completed"),
        "failed": count("failed"), "texts": count("texts"), "answers": count("answers"),
        "minutes_left": of("minutes_left"),
    })
}

pub(super) fn one(
    id: &CampaignId,
    is_followed: bool,
    format: Format,
    config: &Config,
) -> Result<(), Failure> {
    let settings = load(config)?;
    let row = block_on(async {
        match target(&settings).await? {
            Target::Daemon(client) if is_followed => follow(&client, id).await,
            Target::Daemon(client) => look(&client, id).await,
            Target::Store(store) => {
                let row = View::new(store).campaign(id).map_err(|refusal| failed(&refusal))?;
                let row = row.ok_or_else(|| failed(&"there is no such campaign"))?;
                Ok(campaign_json(&row, Clock::system().now()))
            }
        }
    })?;
    match format {
        Format::Text => {
            let zone = settings.rules.practice.zone;
            summary::campaign(&row, zone).iter().for_each(|line| out::say(line));
        }
        Format::Json => out::rows(&[row], format),
        Format::Csv => out::rows(&[legible(&row)], format),
    }
    Ok(())
}

async fn look(client: &Client, id: &CampaignId) -> Result<Value, Failure> {
    client.get(&format!("/campaigns/{id}"), &()).await
}

/// Watches a campaign until it is over, or the watcher leaves.
pub(super) async fn follow(client: &Client, id: &CampaignId) -> Result<Value, Failure> {
    let mut row = look(client, id).await?;
    let mut bar = Bar::new("Texting", Unit::Recipients, summary::begun(&row));
    while summary::is_open(&row) {
        match summary::all_begun(&row) {
            Some(told) => out::progress(&told),
            None => bar.show(summary::begun(&row), summary::count(&row, "/recipients")),
        }
        tokio::time::sleep(LOOK_EVERY).await;
        row = look(client, id).await?;
    }
    Ok(row)
}

fn failed(what: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(what.to_string())
}
