//! Campaigns: a flow for each recipient of a list, and how far each of them has come.
//!
//! Plain data here; what follows from an event is decided beside it. The recipients of a list are
//! rows of their own ([`Session`]), begun one after the other as fast as the campaign may text.

mod decide;
mod tally;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) use decide::interval;
pub(crate) use decide::pace;
pub use decide::{added, due, execution_sid, made, moved};
pub use tally::Tally;

use super::flow::{Program, ProgramId, Run, Sources};
use super::phone::PhoneNumber;
use crate::clock::Timestamp;
use crate::phi::Phi;

/// How many recipients one event adds at most, so that a commit stays small.
pub const ADDED_MAX: usize = 250;
/// How many recipients one turn begins at most.
pub const BEGUN_MAX: usize = 100;
/// How long a campaign's id may be, in bytes.
pub const ID_MAX: usize = 64;

/// The id of a campaign: small letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CampaignId(String);

/// A text that is no campaign's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no id of a campaign: small letters, digits and hyphens, at most 64")]
pub struct BadCampaignId;

impl CampaignId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes an id of a name and what tells campaigns of one name apart.
    #[must_use]
    pub fn of(name: &str, mark: &str) -> Self {
        let mut id = String::new();
        for c in name.chars().flat_map(char::to_lowercase) {
            if c.is_ascii_alphanumeric() {
                id.push(c);
            } else if !id.ends_with('-') && !id.is_empty() {
                id.push('-');
            }
            if id.len() >= ID_MAX / 2 {
                break;
            }
        }
        let mark: String = mark.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
        let id = id.trim_end_matches('-');
        Self(format!("{id}-{}", mark.to_ascii_lowercase()).trim_matches('-').to_owned())
    }
}

impl fmt::Display for CampaignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CampaignId {
    type Err = BadCampaignId;

    fn from_str(text: &str) -> Result<Self, BadCampaignId> {
        let is_known = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let is_id = !text.is_empty() && text.len() <= ID_MAX && text.bytes().all(is_known);
        if is_id { Ok(Self(text.to_owned())) } else { Err(BadCampaignId) }
    }
}

/// One recipient of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId {
    /// The campaign.
    pub campaign: CampaignId,
    /// The recipient's place in it: the line of the list, or what a request's id comes to.
    pub row: u64,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.campaign, self.row)
    }
}

/// A campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Its name, for people.
    pub name: String,
    /// Where its recipients come from.
    pub kind: CampaignKind,
    /// The flow, by name.
    pub flow: String,
    /// The flow as it was when the campaign was made.
    pub program: ProgramId,
    /// How far it is.
    pub state: CampaignState,
    /// The digest of list and flow, so that the same is not started twice by mistake.
    pub digest: String,
    /// How many recipients it begins with in a minute.
    pub per_minute: u32,
    /// When nobody is texted any more.
    pub not_after: Timestamp,
    /// Whether the list is complete; before, it cannot be started.
    #[serde(default)]
    pub is_whole: bool,
    /// The last recipient that was begun; those behind wait.
    #[serde(default)]
    pub begun: u64,
    /// The last recipient that was looked at after the campaign was stopped.
    #[serde(default)]
    pub swept: u64,
    /// The last recipient that was added.
    #[serde(default)]
    pub last: u64,
    /// When the next recipients are begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Changes with each order, so that what was planned before is void.
    #[serde(default)]
    pub generation: u32,
    /// How many recipients are begun and have not got a text yet.
    #[serde(default)]
    pub unsent: u64,
    /// The last moment that was given to a recipient whose day had not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Timestamp>,
    /// How many recipients are how far.
    #[serde(default)]
    pub tally: Tally,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was first started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was stopped, or the last recipient was through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Who gave the last order.
    #[serde(default)]
    pub by: String,
}

impl Campaign {
    /// A campaign of a flow to which nobody belongs yet.
    #[must_use]
    pub fn new(id: CampaignId, kind: CampaignKind, program: &Program, now: Timestamp) -> Self {
        Self {
            id,
            name: program.name().to_owned(),
            kind,
            flow: program.name().to_owned(),
            program: program.id().clone(),
            state: CampaignState::Loading,
            digest: program.id().to_string(),
            per_minute: 1,
            not_after: now,
            is_whole: false,
            begun: 0,
            swept: 0,
            last: 0,
            due: None,
            generation: 0,
            unsent: 0,
            slot: None,
            tally: Tally::default(),
            created_at: now,
            started_at: None,
            ended_at: None,
            by: String::new(),
        }
    }
}

/// Where the recipients of a campaign come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignKind {
    /// A list, complete before the first of them is texted.
    List,
    /// Requests, one by one, each begun at once; it never ends by itself.
    Standing,
}

/// How far a campaign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// Its list is being taken in; nobody is texted.
    Loading,
    /// Recipients are begun.
    Running,
    /// No more recipients are begun for now; who is in conversation is answered.
    Paused,
    /// Nobody is texted any more.
    Stopped,
    /// All recipients are through.
    Finished,
}

impl CampaignState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Loading, Self::Running, Self::Paused, Self::Stopped, Self::Finished];

    /// The name in commands and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
        }
    }
}

/// What an operator wants of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Begin, once the list is complete.
    Start,
    /// Begin with nobody else for now.
    Pause,
    /// Go on.
    Resume,
    /// End it: no text goes out any more.
    Stop,
}

impl Order {
    /// The name in commands and the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
        }
    }
}

/// A campaign that is to be, with the texts of its flow.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCampaign {
    /// The campaign, in its first state.
    pub campaign: Campaign,
    /// The texts of its program.
    pub sources: Sources,
}

/// A recipient, as a list or a request names one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipient {
    /// The place in the campaign, from 1.
    pub row: u64,
    /// Whom to text.
    pub phone: PhoneNumber,
    /// The language, as a BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// All columns.
    pub data: Phi<Map<String, Value>>,
}

/// A recipient in a campaign's flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// Whom it texts.
    pub phone: PhoneNumber,
    /// How far it is.
    pub state: SessionState,
    /// The way through the flow.
    pub run: Run,
    /// When it wants attention next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Changes with each step, so that what was planned before is void.
    #[serde(default)]
    pub generation: u32,
    /// When it is given up.
    pub not_after: Timestamp,
    /// When its first text was planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When the recipient last texted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<Timestamp>,
    /// How many texts were planned since then.
    #[serde(default)]
    pub unanswered: u32,
    /// How many texts have left.
    #[serde(default)]
    pub texts: u32,
}

/// How far a recipient is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Not begun yet.
    Waiting,
    /// Under way.
    Active,
    /// The flow came to its end.
    Completed,
    /// The flow gave it to a person.
    HandedOver,
    /// It took too long.
    Expired,
    /// The phone may not be texted.
    OptedOut,
    /// A text could not be sent.
    Failed,
    /// The campaign was stopped.
    Stopped,
}

impl SessionState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Active,
        Self::Completed,
        Self::HandedOver,
        Self::Expired,
        Self::OptedOut,
        Self::Failed,
        Self::Stopped,
    ];

    /// The name in responses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::HandedOver => "handed_over",
            Self::Expired => "expired",
            Self::OptedOut => "opted_out",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Waiting | Self::Active => false,
            Self::Completed
            | Self::HandedOver
            | Self::Expired
            | Self::OptedOut
            | Self::Failed
            | Self::Stopped => true,
        }
    }
}
