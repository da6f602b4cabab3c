//! The reading side of campaigns: what there is, how far it is, and what was answered.

use serde_json::{Value, json};

use super::batch::Error;
use super::outreach::{self, CAMPAIGNS};
use super::rows;
use super::view::View;
use crate::clock::Timestamp;
use crate::core::campaign::{Campaign, CampaignId, CampaignState, Session, SessionId};
use crate::core::flow::{ProgramId, Sources};
use crate::store::{Key, Order, Range, Row, Table};

/// How many campaigns are listed; a practice that makes one a day has so many in thirteen years.
pub const CAMPAIGNS_MAX: usize = 5_000;
/// How many rows are read at a time.
const PAGE: usize = 500;

impl View {
    /// All campaigns, the newest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn campaigns(&self) -> Result<Vec<Campaign>, Error> {
        let mut range = Range::prefix(Table::Campaign, CAMPAIGNS);
        let mut found: Vec<Campaign> = Vec::new();
        while found.len() < CAMPAIGNS_MAX {
            let page = self.store.scan(&range, PAGE, Order::Ascending)?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(last);
            for (_, row) in &page {
                found.push(rows::decode(Table::Campaign, &row.value)?);
            }
        }
        found.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
        Ok(found)
    }

    /// Reads a campaign.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn campaign(&self, id: &CampaignId) -> Result<Option<Campaign>, Error> {
        let row = self.store.get(&rows::campaign(id)?)?;
        Ok(row.map(|row| rows::decode(Table::Campaign, &row.value)).transpose()?)
    }

    /// Reads the texts of a flow as they were kept with the campaigns that run it.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn flow_sources(&self, id: &ProgramId) -> Result<Option<Sources>, Error> {
        let row = self.store.get(&rows::program(id)?)?;
        Ok(row.map(|row| rows::decode(Table::Campaign, &row.value)).transpose()?)
    }

    /// Reads a recipient.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn recipient(&self, id: &SessionId) -> Result<Option<Session>, Error> {
        let row = self.store.get(&rows::session(id)?)?;
        Ok(row.map(|row| rows::decode(Table::Session, &row.value)).transpose()?)
    }

    /// A campaign's recipients in the order of its list, a page in memory at a time.
    #[must_use]
    pub fn recipients(&self, id: &CampaignId) -> Recipients {
        Recipients {
            view: self.clone(),
            range: Range::prefix(Table::Session, &rows::sessions_of(id)),
            page: Vec::new().into_iter(),
            is_over: false,
        }
    }

    /// The rows of a campaign's recipients, in their order.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn recipient_rows(&self, id: &CampaignId) -> Result<Vec<u64>, Error> {
        let mut found: Vec<u64> = Vec::new();
        loop {
            let behind = found.last().copied().unwrap_or(0);
            let page = outreach::recipients(self.store.as_ref(), id, behind, PAGE)?;
            if page.is_empty() {
                return Ok(found);
            }
            found.extend(page.iter().map(|id| id.row));
        }
    }
}

/// A campaign's recipients, one after the other.
#[derive(Debug)]
pub struct Recipients {
    view: View,
    range: Range,
    page: std::vec::IntoIter<(Key, Row)>,
    is_over: bool,
}

impl Recipients {
    fn turn(&mut self) -> Result<(), Error> {
        let page = self.view.store.scan(&self.range, PAGE, Order::Ascending)?;
        match page.last() {
            Some((last, _)) => self.range = self.range.clone().after(last),
            None => self.is_over = true,
        }
        self.page = page.into_iter();
        Ok(())
    }
}

impl Iterator for Recipients {
    type Item = Result<Session, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0
            && !self.is_over
            && let Err(refusal) = self.turn()
        {
            self.is_over = true;
            return Some(Err(refusal));
        }
        let (_, row) = self.page.next()?;
        Some(rows::decode(Table::Session, &row.value).map_err(Error::from))
    }
}

/// Renders a campaign for people and scripts.
#[must_use]
pub fn campaign_json(row: &Campaign, now: Timestamp) -> Value {
    json!({
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "flow": row.flow,
        "state": row.state.name(),
        "recipients": row.tally.recipients(),
        "tally": row.tally,
        "per_minute": row.per_minute,
        "minutes_left": minutes_left(row),
        "is_expired": row.not_after <= now,
        "not_after": row.not_after,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "by": row.by,
    })
}

/// How many minutes of the hours for texts it takes to begin with who waits.
fn minutes_left(row: &Campaign) -> Option<u64> {
    match row.state {
        CampaignState::Loading | CampaignState::Running | CampaignState::Paused => {
            Some(row.tally.waiting.div_ceil(row.per_minute.max(1).into()))
        }
        CampaignState::Stopped | CampaignState::Finished => None,
    }
}
