//! When appointments, campaigns and recipients want attention, as entries of one table in the order of
//! time.

use serde::{Deserialize, Serialize};

use super::batch::Error;
use super::rows;
use crate::clock::Timestamp;
use crate::core::appointment::Appointment;
use crate::core::campaign::{Campaign, CampaignId, Session, SessionId};
use crate::core::event::Event;
use crate::core::ids::AppointmentKey;
use crate::store::{self, Commit, DueAt, Key};

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

/// When something is called up.
pub(super) type Moment = (Timestamp, Wake);

/// When an appointment wants attention.
pub(super) fn appointment_wake(row: &Appointment) -> Option<Moment> {
    Some((row.next_due()?, Wake::Appointment(row.key.clone(), row.generation)))
}

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
    if old == new && spent.is_empty() {
        return Ok(());
    }
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
