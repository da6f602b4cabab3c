//! What the engine is given, and what it answers.

use std::time::Duration;

use tokio::sync::oneshot;

use super::rows::{Filed, Lane};
use crate::core::appointment::Appointment;
use crate::core::claim::Claim;
use crate::core::delivery::Outgoing;
use crate::core::event::Event;
use crate::core::feed::Notified;
use crate::core::ids::{OutboxId, Seq, SourceName};
use crate::core::reason::Outcome;
use crate::store::{Category, Key};

/// A message as a feed received and read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The feed.
    pub source: SourceName,
    /// Who sent it.
    pub peer: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-9, such as `SIU^S12`.
    pub trigger: String,
    /// MSH-3 and MSH-4.
    pub sender: String,
    /// The mapping that read it.
    pub mapping: String,
    /// The digest of that mapping's files.
    pub mapping_hash: String,
    /// Why that mapping, if it was chosen by what the message tells.
    pub detected: Option<String>,
    /// Which rule gave each value, and where the value stands; the short form of an explanation.
    pub trace: String,
    /// The bytes as they came.
    pub raw: Vec<u8>,
    /// What tells it from a repetition.
    pub sameness: Sameness,
    /// What it was read as.
    pub reading: Reading,
    /// The journal entry that is read again, if this is a replay.
    pub replay_of: Option<Seq>,
}

/// What makes a message of one sender and control id the same as one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sameness {
    /// Its bytes.
    Bytes,
    /// What it says, as a digest: its bytes differ each time.
    Content(String),
    /// Nothing: each is heard.
    Never,
}

/// What a message was read as.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// Events.
    Claims(Vec<Claim>),
    /// A hint at changes, from a FHIR server.
    Notified(Notified),
    /// Understood, and nothing for us.
    NoEvent(String),
    /// Not understood: a fault without patient data.
    Fault(String),
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is on disk.
    Stored {
        /// Its entry in the journal.
        seq: Seq,
        /// What became of it.
        filed: Filed,
        /// Whether it had been received before.
        is_repeated: bool,
    },
    /// It is not on disk; the sender has to keep it.
    NotStored(Category),
}

/// An effect that is claimed and to be performed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The row, as committed.
    pub row: Outgoing,
    /// The stored message that a write-back is built from.
    pub message: Option<Vec<u8>>,
    /// The appointment that it is about.
    pub appointment: Option<Box<Appointment>>,
}

/// What a turn answered to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is committed.
    Decided {
        /// Its entry in the journal.
        seq: Seq,
        /// What was decided.
        outcomes: Vec<Outcome>,
    },
    /// It is not committed.
    NotStored(Category),
}

/// One input of the engine.
#[derive(Debug)]
pub(crate) enum Input {
    /// A message; boxed, since it is far larger than the rest.
    Received(Box<Received>, oneshot::Sender<Verdict>),
    /// Anything else that changes state.
    Event(Box<Event>, oneshot::Sender<Answer>),
    /// A sender asks for work in its lane, and waits until there is some.
    Claim {
        /// Which lane.
        lane: Lane,
        /// How much at most.
        max: usize,
        /// Where the work goes.
        reply: oneshot::Sender<Vec<Work>>,
    },
}

/// What one commit takes.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) received: Vec<(Box<Received>, oneshot::Sender<Verdict>)>,
    pub(super) events: Vec<(Box<Event>, oneshot::Sender<Answer>)>,
    pub(super) timers: Vec<Due>,
    pub(super) sends: Vec<Send>,
    /// Reports of the engine's own.
    pub(super) returned: Vec<Event>,
    /// The order in which messages and events came, which is the order they are decided in.
    pub(super) order: Vec<Kind>,
}

impl Inputs {
    pub(super) const fn is_empty(&self) -> bool {
        self.order.is_empty()
            && self.timers.is_empty()
            && self.sends.is_empty()
            && self.returned.is_empty()
    }

    /// Leaves out a part of what is due by itself; false if there is nothing to leave out.
    pub(super) fn shorten(&mut self) -> bool {
        let (timers, sends) = (self.timers.len(), self.sends.len());
        if sends >= timers {
            self.sends.truncate(sends / 2);
        } else {
            self.timers.truncate(timers / 2);
        }
        timers + sends > 1
    }

    /// Takes off the later half of what came from outside: a few messages may come to more rows
    /// than one commit holds.
    pub(super) fn split(&mut self) -> Self {
        let order = self.order.split_off(self.order.len() / 2);
        let is_message = |kind: &&Kind| matches!(kind, Kind::Received);
        let received = self.order.iter().filter(is_message).count();
        Self {
            received: self.received.split_off(received),
            events: self.events.split_off(self.order.len() - received),
            order,
            ..Self::default()
        }
    }
}

/// A timer whose moment has come, with the row that says so.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) event: Event,
    pub(super) key: Key,
}

/// An effect whose moment has come, with the row that says so.
#[derive(Debug)]
pub(super) struct Send {
    pub(super) lane: Lane,
    pub(super) outbox: OutboxId,
    pub(super) key: Key,
}

/// What comes from outside.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Received,
    Event,
}

/// How long a caller waits for the engine before it counts as stuck.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);
