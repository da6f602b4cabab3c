//! Messages that the journal has kept, from a running daemon or the store of a stopped one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::client::{Target, target};
use super::super::{Failure, block_on, out};
use crate::clock::Clock;
use crate::core::ids::{Seq, SourceName};
use crate::engine::view::View;
use crate::hl7::{Charset, batch, charset};
use crate::http::api::{Narrowing, Recorded, recorded_json};
use crate::settings::Settings;

/// How many messages are fetched at a time.
const PAGE: usize = 500;

/// A message of the journal.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// Its entry.
    pub(super) seq: Seq,
    /// The feed that it came by.
    pub(super) source: SourceName,
    /// The bytes as they came.
    pub(super) raw: Vec<u8>,
}

/// Shows one message of the journal to `see`.
pub(super) fn one(settings: &Settings, id: u64, mut see: impl FnMut(&Kept)) -> Result<(), Failure> {
    let before = id.checked_sub(1);
    let query = Recorded { after: before, limit: Some(1), ..Recorded::default() };
    let rows = block_on(async {
        match target(settings).await? {
            Target::Daemon(client) => {
                Ok(out::list(client.get("/messages/recorded", &query).await?))
            }
            Target::Store(store) => {
                let found = View::new(store).recorded(None, None, before.map(Seq), 1);
                let found = found.map_err(|refusal| Failure::Failed(refusal.to_string()))?;
                Ok(found.iter().map(recorded_json).collect())
            }
        }
    })?;
    match rows.first().and_then(kept).filter(|kept| kept.seq.0 == id) {
        Some(kept) => {
            see(&kept);
            Ok(())
        }
        None => Err(Failure::Failed(format!("entry {id} is no message, or there is none"))),
    }
}

/// Shows each message that was received in a span of time to `see`, the oldest first.
pub(super) fn each(
    settings: &Settings,
    since: Option<&str>,
    until: Option<&str>,
    mut see: impl FnMut(&Kept),
) -> Result<(), Failure> {
    let narrowing = Narrowing {
        since: since.map(str::to_owned),
        until: until.map(str::to_owned),
        ..Narrowing::default()
    };
    let filter = narrowing
        .filter(Clock::system().now(), settings.region)
        .map_err(|bad| Failure::Usage(format!("--{bad}")))?;
    let mut query = Recorded {
        since: filter.since.map(|at| at.to_rfc3339()),
        until: filter.until.map(|at| at.to_rfc3339()),
        after: None,
        limit: Some(PAGE),
    };
    let mut count = 0_u64;
    block_on(async {
        let target = target(settings).await?;
        loop {
            let rows = match &target {
                Target::Daemon(client) => {
                    out::list(client.get("/messages/recorded", &query).await?)
                }
                Target::Store(store) => {
                    let page = View::new(std::sync::Arc::clone(store))
                        .recorded(filter.since, filter.until, query.after.map(Seq), PAGE)
                        .map_err(|refusal| Failure::Failed(refusal.to_string()))?;
                    page.iter().map(recorded_json).collect()
                }
            };
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let kept = kept(row).ok_or_else(|| {
                    Failure::Failed("the daemon's answer cannot be read".to_owned())
                })?;
                query.after = Some(kept.seq.0);
                count += 1;
                see(&kept);
            }
            out::progress(&format!("{count} messages"));
        }
        Ok(())
    })?;
    out::progress("");
    Ok(())
}

fn kept(row: &Value) -> Option<Kept> {
    Some(Kept {
        seq: Seq(row.get("seq")?.as_u64()?),
        source: SourceName::new(row.get("source")?.as_str()?),
        raw: STANDARD.decode(row.get("raw")?.as_str()?).ok()?,
    })
}

/// The texts of the messages in the bytes of a frame; none if they cannot be read.
pub(super) fn texts(raw: &[u8], charset: Option<Charset>) -> Vec<String> {
    let Ok(decoded) = charset::decode(raw, charset) else { return Vec::new() };
    batch::split(&decoded.text).messages.iter().map(|text| (*text).to_owned()).collect()
}
