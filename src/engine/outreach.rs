//! The writing side of campaigns: keys, what an event of theirs can touch, and what was decided.
//!
//! A campaign and each of its recipients are rows; the texts of a flow are kept once for all
//! campaigns that run it, so that a flow that is edited in the meantime goes on as it began.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::error;

use super::batch::{Batch, Error};
use super::rows;
use crate::clock::Timestamp;
use crate::core::campaign::{
    BEGUN_MAX, Campaign, CampaignId, CampaignState, Session, SessionId, pace,
};
use crate::core::event::Event;
use crate::core::flow::{Program, ProgramId, Sources};
use crate::core::ids::AppointmentKey;
use crate::core::phone::PhoneNumber;
use crate::core::rules::Rules;
use crate::core::scene::{Decision, Scene};
use crate::store::{self, Commit, DueAt, Key, Order, Range, Store, Table};

/// How many flows are kept read; more of them are read again when they are wanted.
const PROGRAMS_MAX: usize = 64;

/// What an entry of the table of moments calls up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Wake {
    /// An appointment, and the generation that its moment was planned in.
    Appointment(AppointmentKey, u32),
    /// A campaign.
    Campaign {
        /// Which.
        campaign: CampaignId,
        /// The generation.
        generation: u32,
    },
    /// A recipient.
    Recipient {
        /// Which.
        session: SessionId,
        /// The generation.
        generation: u32,
    },
}

impl Wake {
    /// The event that its moment is.
    #[must_use]
    pub fn into_event(self) -> Event {
        match self {
            Self::Appointment(appointment, generation) => {
                Event::TimerDue { appointment, generation }
            }
            Self::Campaign { campaign, generation } => Event::CampaignDue { campaign, generation },
            Self::Recipient { session, generation } => Event::SessionDue { session, generation },
        }
    }
}

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

/// When something is called up.
pub(super) type Moment = (Timestamp, Wake);

/// When a campaign wants attention.
pub(super) fn campaign_wake(row: &Campaign) -> Option<Moment> {
    let wake = Wake::Campaign { campaign: row.id.clone(), generation: row.generation };
    Some((row.due?, wake))
}

/// When a recipient wants attention.
pub(super) fn session_wake(row: &Session) -> Option<Moment> {
    let wake = Wake::Recipient { session: row.id.clone(), generation: row.generation };
    Some((row.due.filter(|_| !row.state.is_over())?, wake))
}

/// Puts a row's next moment into the table of moments, in place of the one before.
pub(super) fn index(
    commit: &mut Commit,
    (old, new): (Option<Moment>, Option<Moment>),
    spent: &[Key],
) -> Result<(), Error> {
    let key = |at: &Option<Moment>| at.as_ref().map(|(at, wake)| moment(*at, wake)).transpose();
    let (old_key, new_key) = (key(&old)?, key(&new)?);
    // What was called up and stays as it is has to be called up again.
    if old == new && new_key.as_ref().is_none_or(|key| !spent.contains(key)) {
        return Ok(());
    }
    if let Some(old_key) = old_key {
        commit.delete(old_key);
    }
    if let (Some(new_key), Some((_, wake))) = (new_key, new) {
        commit.put(new_key, rows::encode(&wake));
    }
    Ok(())
}

/// The key of a moment; no appointment's key begins with the mark.
fn moment(at: Timestamp, wake: &Wake) -> Result<Key, store::Error> {
    let id = match wake {
        Wake::Appointment(key, _) => return rows::due(at, key),
        Wake::Campaign { campaign, .. } => format!("\0c{campaign}"),
        Wake::Recipient { session, .. } => format!("\0s{session}"),
    };
    Key::due(DueAt::new(rows::whole_millis(at)), id.as_bytes())
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

/// Adds what an event of a campaign can touch.
pub(super) fn add(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    event: &Event,
    around: Around<'_>,
) -> Result<(), Error> {
    match event {
        Event::CampaignMade(new) => {
            add_campaign(batch, scene, &new.campaign.id, around)?;
        }
        Event::CampaignMoved { campaign, .. } => {
            add_campaign(batch, scene, campaign, around)?;
        }
        Event::RecipientsAdded { campaign, recipients } => {
            add_campaign(batch, scene, campaign, around)?;
            for recipient in recipients {
                let id = SessionId { campaign: campaign.clone(), row: recipient.row };
                if let Some(row) = batch.session(&id)? {
                    scene.sessions.insert(id, row);
                }
                add_phone(batch, scene, &recipient.phone)?;
            }
        }
        Event::CampaignDue { campaign, .. } => {
            if let Some(row) = add_campaign(batch, scene, campaign, around)? {
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
            }
        }
        Event::SessionDue { session, .. } => add_session(batch, scene, session, around)?,
        Event::Claimed(_)
        | Event::TimerDue { .. }
        | Event::ReplyReceived(_)
        | Event::SendDue { .. }
        | Event::DeliveryReported { .. }
        | Event::Notified(_)
        | Event::FeedReported { .. }
        | Event::ConsentSet { .. }
        | Event::TaskMoved { .. }
        | Event::GateOpened { .. }
        | Event::HeldMoved { .. }
        | Event::RemindNow { .. }
        | Event::HttpAnswered { .. } => {}
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

fn add_campaign(
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

/// What an operator did, for the journal; `None` if it was no operator.
pub(super) fn action(event: &Event) -> Option<String> {
    match event {
        Event::CampaignMade(new) => {
            Some(format!("campaign {} made by {}", new.campaign.id, new.campaign.by))
        }
        Event::CampaignMoved { campaign, order, by } => {
            Some(format!("campaign {campaign} {} by {by}", order.name()))
        }
        Event::RecipientsAdded { campaign, recipients } => {
            Some(format!("campaign {campaign}, {} recipients", recipients.len()))
        }
        Event::CampaignDue { .. }
        | Event::SessionDue { .. }
        | Event::HttpAnswered { .. }
        | Event::Claimed(_)
        | Event::TimerDue { .. }
        | Event::ReplyReceived(_)
        | Event::SendDue { .. }
        | Event::DeliveryReported { .. }
        | Event::Notified(_)
        | Event::FeedReported { .. }
        | Event::ConsentSet { .. }
        | Event::TaskMoved { .. }
        | Event::GateOpened { .. }
        | Event::HeldMoved { .. }
        | Event::RemindNow { .. } => None,
    }
}
