//! The writing side of campaigns: keys, what an event of theirs can touch, and what was decided.
//!
//! A campaign and each of its recipients are rows; the texts of a flow are kept once for all
//! campaigns that run it, so that a flow that is edited in the meantime goes on as it began.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::error;

use super::batch::{Batch, Error};
use super::rows;
use crate::core::campaign::{
    BEGUN_MAX, Campaign, CampaignId, CampaignState, Recipient, SessionId, pace,
};
use crate::core::flow::{Program, ProgramId, Sources};
use crate::core::phone::PhoneNumber;
use crate::core::rules::Rules;
use crate::core::scene::{Decision, Scene};
use crate::store::{self, Key, Order, Range, Store, Table};

/// How many flows are kept read; more of them are read again when they are wanted.
const PROGRAMS_MAX: usize = 64;

/// The key of a campaign.
///
/// # Errors
/// If the id is longer than a key.
pub fn campaign(id: &CampaignId) -> Result<Key, store::Error> {
    Key::joined(Table::Campaign, &[CAMPAIGNS, id.as_str().as_bytes()])
}

/// What the keys of campaigns begin with in their table.
pub(super) const CAMPAIGNS: &[u8] = b"c";

/// The key of a flow's texts.
///
/// # Errors
/// As [`campaign`].
pub fn program(id: &ProgramId) -> Result<Key, store::Error> {
    Key::joined(Table::Campaign, &[b"p", id.0.as_bytes()])
}

/// What the keys of a campaign's recipients begin with.
#[must_use]
pub fn sessions_of(id: &CampaignId) -> Vec<u8> {
    [id.as_str().as_bytes(), b"\0"].concat()
}

/// The key of a recipient; those of a campaign are in the order of their rows.
///
/// # Errors
/// As [`campaign`].
pub fn session(id: &SessionId) -> Result<Key, store::Error> {
    Key::joined(Table::Session, &[&sessions_of(&id.campaign), &id.row.to_be_bytes()])
}

/// The row of a recipient's key.
#[must_use]
pub(super) fn row_of(key: &Key) -> Option<u64> {
    key.bytes().last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The ids of a campaign's recipients behind a row, in their order.
pub(super) fn recipients(
    store: &dyn Store,
    campaign: &CampaignId,
    behind: u64,
    limit: usize,
) -> Result<Vec<SessionId>, Error> {
    let last = session(&SessionId { campaign: campaign.clone(), row: behind })?;
    let range = Range::prefix(Table::Session, &sessions_of(campaign)).after(&last);
    let found = store.scan(&range, limit, Order::Ascending)?;
    let id = |key: &Key| row_of(key).map(|row| SessionId { campaign: campaign.clone(), row });
    Ok(found.iter().filter_map(|(key, _)| id(key)).collect())
}

/// Flows that have been read.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<BTreeMap<ProgramId, Arc<Program>>>);

impl Shelf {
    /// The program of an id: that of the settings, one read before, or one from the store.
    fn program(
        &self,
        batch: &mut Batch<'_>,
        rules: &Rules,
        id: &ProgramId,
    ) -> Result<Option<Arc<Program>>, Error> {
        if let Some(known) = rules.outreach.flows.values().find(|known| known.id() == id) {
            return Ok(Some(Arc::clone(known)));
        }
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(bytes) = batch.plain(&program(id)?)? else { return Ok(None) };
        let sources: Sources = rows::decode(Table::Campaign, &bytes)?;
        let read = match Program::restore(&sources) {
            Ok(read) => Arc::new(read),
            Err(faults) => {
                let faults = faults.len();
                error!(program = id.0, faults, "A campaign's flow cannot be read by this version");
                return Ok(None);
            }
        };
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() >= PROGRAMS_MAX {
            shelf.clear();
        }
        shelf.insert(id.clone(), Arc::clone(&read));
        Ok(Some(read))
    }
}

/// What loading for campaigns needs besides the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) shelf: &'a Shelf,
}

/// Adds a campaign, and those of the recipients that it has already, with the phones of all.
pub(super) fn add_recipients(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    (campaign, recipients): (&CampaignId, &[Recipient]),
    around: Around<'_>,
) -> Result<(), Error> {
    add_campaign(batch, scene, campaign, around)?;
    for recipient in recipients {
        let id = SessionId { campaign: campaign.clone(), row: recipient.row };
        if let Some(row) = batch.session(&id)? {
            scene.sessions.insert(id, row);
        }
        add_phone(batch, scene, &recipient.phone)?;
    }
    Ok(())
}

/// Adds a campaign and the recipients whose turn it is.
pub(super) fn add_turn(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    campaign: &CampaignId,
    around: Around<'_>,
) -> Result<(), Error> {
    let Some(row) = add_campaign(batch, scene, campaign, around)? else { return Ok(()) };
    let (behind, count) = if row.state == CampaignState::Stopped {
        (row.swept, BEGUN_MAX)
    } else {
        (row.begun, pace(row.per_minute).0)
    };
    for id in batch.recipients(campaign, behind, count)? {
        if let Some(row) = batch.session(&id)? {
            add_phone(batch, scene, &row.phone)?;
            scene.sessions.insert(id, row);
        }
    }
    Ok(())
}

/// Adds a recipient with campaign, flow and phone.
pub(super) fn add_session(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    id: &SessionId,
    around: Around<'_>,
) -> Result<(), Error> {
    let Some(row) = batch.session(id)? else { return Ok(()) };
    add_campaign(batch, scene, &id.campaign, around)?;
    add_phone(batch, scene, &row.phone)?;
    scene.sessions.insert(id.clone(), row);
    Ok(())
}

/// Adds a phone alone: the appointments that it hears of do not matter to a campaign.
fn add_phone(batch: &mut Batch<'_>, scene: &mut Scene, phone: &PhoneNumber) -> Result<(), Error> {
    if let Some(contact) = batch.contact(phone)? {
        let _kept = scene.contacts.entry(phone.clone()).or_insert(contact);
    }
    Ok(())
}

/// Adds a campaign and its flow.
pub(super) fn add_campaign(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    id: &CampaignId,
    around: Around<'_>,
) -> Result<Option<Campaign>, Error> {
    let Some(row) = batch.campaign(id)? else { return Ok(None) };
    if let Some(program) = around.shelf.program(batch, around.rules, &row.program)? {
        scene.programs.insert(row.program.clone(), program);
    }
    scene.campaigns.insert(id.clone(), row.clone());
    Ok(Some(row))
}

/// Writes what a decision says of campaigns, and takes it out of the decision.
pub(super) fn collect(batch: &mut Batch<'_>, decision: &mut Decision) -> Result<(), Error> {
    if let Some((id, sources)) = decision.sources.take() {
        let key = program(&id)?;
        if batch.plain(&key)?.is_none() {
            batch.put_plain(key, Some(rows::encode(&sources)));
        }
    }
    for row in decision.campaigns.drain(..) {
        batch.put_campaign(row)?;
    }
    for row in decision.sessions.drain(..) {
        batch.put_session(row)?;
    }
    Ok(())
}
