//! What can go wrong, on demand: with a request, with a delivery, with the news of it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::rules;
use crate::core::phone::PhoneNumber;

/// A request to send that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Whether the text is accepted all the same.
    #[serde(rename = "accepted")]
    pub is_accepted: bool,
    /// What the client gets to see.
    pub answer: Answer,
}

/// What a client gets instead of the right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// HTTP 500 with Twilio's error 20500.
    ServerError,
    /// HTTP 504 with a gateway's HTML.
    GatewayHtml,
    /// HTTP 429 with Twilio's error 20429.
    Throttled,
    /// HTTP 201 with something that is not a message.
    Garbage,
    /// The connection is closed without an answer.
    Closed,
    /// Nothing, until the client gives up.
    Silence,
    /// The right answer, so many milliseconds late; the text is accepted in any case.
    Late(u32),
}

impl Fault {
    /// The text is not accepted.
    #[must_use]
    pub const fn before_accept(answer: Answer) -> Self {
        Self { is_accepted: false, answer }
    }

    /// The text is accepted, but the client does not learn it.
    #[must_use]
    pub const fn after_accept(answer: Answer) -> Self {
        Self { is_accepted: true, answer }
    }
}

/// How a text ends that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The handset has it.
    #[default]
    Delivered,
    /// The carrier gives no receipt.
    SentOnly,
    /// The carrier could not deliver it, with an error code such as 30003.
    Undelivered(u32),
    /// Twilio could not hand it over, with an error code.
    Failed(u32),
}

/// How status callbacks arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Callbacks {
    /// Each once, in order.
    #[default]
    InOrder,
    /// Each twice.
    Repeated,
    /// The last first.
    Reversed,
    /// None.
    Lost,
}

/// The faults that are set; without any, all goes well.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) next: VecDeque<Fault>,
    pub(super) by_number: BTreeMap<PhoneNumber, Fault>,
    pub(super) fates: BTreeMap<PhoneNumber, Fate>,
    pub(super) callbacks: Callbacks,
    pub(super) inbound_lost: usize,
}

impl Faults {
    /// The fault of a request to send; one of the queue is used up by it.
    pub(super) fn take(&mut self, to: Option<&PhoneNumber>) -> Option<Fault> {
        self.next.pop_front().or_else(|| self.by_number.get(to?).copied())
    }

    pub(super) fn fate(&self, to: &PhoneNumber) -> Fate {
        let by_number = || rules::delivery_error(to).map(Fate::Undelivered);
        self.fates.get(to).copied().or_else(by_number).unwrap_or_default()
    }

    /// Whether the next inbound webhook is lost.
    pub(super) fn take_inbound_lost(&mut self) -> bool {
        let is_lost = self.inbound_lost > 0;
        self.inbound_lost = self.inbound_lost.saturating_sub(1);
        is_lost
    }
}
