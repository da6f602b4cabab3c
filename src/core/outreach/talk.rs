//! What a phone remembers of the campaign's conversation that it is in.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::core::campaign::SessionId;
use crate::core::event::Reply;

/// A campaign's conversation with a phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// The recipient.
    pub session: SessionId,
    /// The question that is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// A campaign's question that is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// When it left first.
    pub at: Timestamp,
    /// The state of the flow that asks.
    pub state: String,
    /// Which act of the run it was.
    pub act: u32,
}

/// A reply of which the patient has to say what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Either {
    /// The reply.
    pub reply: Reply,
    /// The recipient whose question it may answer.
    pub session: SessionId,
    /// When the patient was asked.
    pub at: Timestamp,
}
