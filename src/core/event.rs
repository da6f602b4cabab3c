//! Everything that can change state, as one closed enum.
//!
//! Messages from the EHR, timers, replies, delivery results and operators' clicks all pass through
//! here; there is no other way into the store.

use serde::{Deserialize, Serialize};

use super::campaign::{CampaignId, NewCampaign, Order, Recipient, SessionId};
use super::claim::Claim;
use super::contact::Programme;
use super::delivery::Report;
use super::feed::{FeedReport, Notified};
use super::flow::HttpAnswer;
use super::gate::Word;
use super::ids::{AppointmentKey, OutboxId, SourceName};
use super::phone::PhoneNumber;
use super::task::{TaskId, TaskState};
use crate::clock::Timestamp;
use crate::phi::Phi;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The EHR said something about an appointment.
    Claimed(Box<Claim>),
    /// A moment planned for an appointment has come.
    TimerDue {
        /// Whose.
        appointment: AppointmentKey,
        /// The generation it was planned in; after a change it is void.
        generation: u32,
    },
    /// A patient texted.
    ReplyReceived(Reply),
    /// The sender is about to perform an effect and asks whether it still should.
    SendDue {
        /// Which.
        outbox: OutboxId,
    },
    /// An effect was performed, refused, or left in doubt.
    DeliveryReported {
        /// Which.
        outbox: OutboxId,
        /// How it went.
        report: Report,
    },
    /// A FHIR server told that something changed.
    Notified(Box<Notified>),
    /// Something was done at, or heard of, a FHIR server.
    FeedReported {
        /// Which.
        server: SourceName,
        /// What.
        report: FeedReport,
    },
    /// An operator, or a campaign's list, says whether a phone may be texted.
    ConsentSet {
        /// Which phone.
        phone: PhoneNumber,
        /// For which programme; for all if for none.
        programme: Option<Programme>,
        /// Whether texts are switched off.
        opted_out: bool,
    },
    /// Somebody takes a task, is done with it, or gives it back.
    TaskMoved {
        /// Which.
        id: TaskId,
        /// What it is from now on.
        to: TaskState,
        /// Who.
        by: String,
    },
    /// An operator opens a gate that the flood guard has closed.
    GateOpened {
        /// Whose.
        source: SourceName,
        /// What becomes of the texts that it holds.
        word: Word,
    },
    /// An operator's word is carried out on held texts.
    HeldMoved {
        /// Whose.
        source: SourceName,
        /// What becomes of them.
        word: Word,
        /// Which, at most [`super::gate::MOVED_MAX`].
        ids: Vec<OutboxId>,
    },
    /// An operator wants a reminder sent now.
    RemindNow {
        /// For which appointment.
        appointment: AppointmentKey,
    },
    /// A campaign is made.
    CampaignMade(Box<NewCampaign>),
    /// Recipients of a list, or of a request, are added to a campaign.
    RecipientsAdded {
        /// Which.
        campaign: CampaignId,
        /// Who, at most [`super::campaign::ADDED_MAX`].
        recipients: Vec<Recipient>,
    },
    /// An operator starts, pauses, resumes or stops a campaign.
    CampaignMoved {
        /// Which.
        campaign: CampaignId,
        /// What is wanted.
        order: Order,
        /// By whom.
        by: String,
    },
    /// It is time to begin a campaign's next recipients.
    CampaignDue {
        /// Which.
        campaign: CampaignId,
        /// The generation it was planned in.
        generation: u32,
    },
    /// A recipient's moment has come.
    SessionDue {
        /// Whose.
        session: SessionId,
        /// The generation it was planned in.
        generation: u32,
    },
    /// A web server answered a flow's request.
    HttpAnswered {
        /// The row of the outbox.
        outbox: OutboxId,
        /// What it said.
        answer: HttpAnswer,
    },
}

/// A text from a phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The provider's id of the text; the same id is the same text.
    pub message_id: String,
    /// Whose phone.
    pub from: PhoneNumber,
    /// What it says.
    pub body: Phi<String>,
    /// What the provider has already made of it, if it handles opt-out words itself.
    pub handled: Option<Handled>,
    /// When the patient sent it, if it was found late: by listing, its webhook being lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// How many pictures and the like came with it; the body may then be empty.
    #[serde(default)]
    pub media: u32,
}

/// An opt-out word that the provider has acted on and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handled {
    /// The phone is blocked.
    Stop,
    /// The phone is free again.
    Start,
    /// The help text was sent.
    Help,
}
