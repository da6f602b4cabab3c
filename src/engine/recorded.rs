//! Messages as they came, out of the journal: to be mapped again, compared, counted.

use super::batch::Error;
use super::rows::{self, Cause};
use super::view::View;
use crate::clock::Timestamp;
use crate::core::ids::{Seq, SourceName};
use crate::store::{Order, Range, Table};

/// How many entries are read at a time.
const PAGE: usize = 50;
/// A page of messages ends behind so many bytes; the next one goes on from there.
const PAGE_BYTES: usize = 16 * 1024 * 1024;

/// A message of the journal, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedMessage {
    /// Its entry.
    pub seq: Seq,
    /// When it was stored.
    pub at: Timestamp,
    /// The feed.
    pub source: SourceName,
    /// Its bytes.
    pub raw: Vec<u8>,
}

impl View {
    /// Reads messages as they came, the oldest first, beginning behind an entry.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn recorded(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Vec<RecordedMessage>, Error> {
        let first = match after {
            Some(after) => Seq(after.0.saturating_add(1)),
            None => self.first_since(since)?,
        };
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut range = Range::all(Table::Journal).from(&rows::journal(first)?);
        // Entries that are no messages are passed over, so a page may take several looks.
        while found.len() < limit && bytes < PAGE_BYTES {
            let page = self.store.scan(&range, PAGE, Order::Ascending)?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(last);
            for (key, row) in &page {
                let (entry, raw) = rows::decode_entry(&row.value)?;
                if until.is_some_and(|until| entry.at > until) {
                    return Ok(found);
                }
                let is_wanted = since.is_none_or(|since| entry.at >= since);
                if let (Some(seq), Cause::Message(meta), true) = (
                    rows::seq_of(key),
                    entry.cause,
                    is_wanted && found.len() < limit && bytes < PAGE_BYTES,
                ) && meta.replay_of.is_none()
                {
                    bytes += raw.len();
                    let raw = raw.to_vec();
                    found.push(RecordedMessage { seq, at: entry.at, source: meta.source, raw });
                }
            }
        }
        Ok(found)
    }

    /// The first entry that is not older; found by halving, since entries are in order of time.
    fn first_since(&self, since: Option<Timestamp>) -> Result<Seq, Error> {
        let all = Range::all(Table::Journal);
        let end = |order| -> Result<Option<u64>, Error> {
            let row = self.store.scan(&all, 1, order)?.pop();
            Ok(row.and_then(|(key, _)| rows::seq_of(&key)).map(|seq| seq.0))
        };
        let (Some(since), Some(mut low), Some(mut high)) =
            (since, end(Order::Ascending)?, end(Order::Descending)?)
        else {
            return Ok(Seq(0));
        };
        while low < high {
            let middle = low + (high - low) / 2;
            let from = all.clone().from(&rows::journal(Seq(middle))?);
            let next = self.store.scan(&from, 1, Order::Ascending)?.pop();
            let Some((key, row)) = next else { break };
            let (entry, _) = rows::decode_entry(&row.value)?;
            if entry.at < since {
                low = rows::seq_of(&key).map_or(high, |seq| seq.0.saturating_add(1));
            } else {
                high = middle;
            }
        }
        Ok(Seq(low))
    }
}
