//! The front desk's queue: what becomes of a task once it is raised.
//!
//! A task is open until somebody takes it, and taken until it is done; what one phone or appointment
//! causes again and again is one task with notes, so that the desk does not drown. Raising tasks is
//! the business of the decisions that find the need.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::appointment::{Wish, WishState};
use super::effect::{Task, TaskKind};
use super::ids::{AppointmentKey, Seq};
use super::reason::Reason;
use super::scene::{Decision, Scene};
use crate::clock::Timestamp;
use crate::phi::Phi;

/// How many notes a task has besides its first; more of them are only counted. Who reads it calls the
/// patient anyway, and all is in the journal.
pub const NOTES_MAX: usize = 20;
/// How long the name of who has a task may be, in characters.
pub const NAME_MAX: usize = 64;

/// A task's id: the journal's entry that raised it, and its place among those of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskId {
    /// The entry.
    pub seq: Seq,
    /// The place, from 0.
    pub index: u16,
}

impl TaskId {
    /// The id of the `index`th task of an entry.
    #[must_use]
    pub fn of(seq: Seq, index: usize) -> Self {
        Self { seq, index: u16::try_from(index).unwrap_or(u16::MAX) }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.seq, self.index)
    }
}

/// A text that is no task's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no id of a task; query tasks shows them, such as 1234-0")]
pub struct BadId;

impl FromStr for TaskId {
    type Err = BadId;

    /// Reads an id as people write it.
    ///
    /// ```
    /// use appointd::core::task::TaskId;
    /// assert_eq!("1234-0".parse::<TaskId>().unwrap().to_string(), "1234-0");
    /// assert!("1234".parse::<TaskId>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, BadId> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let (seq, index) = text.split_once('-').filter(|_| is_plain).ok_or(BadId)?;
        let seq = Seq(seq.parse().map_err(|_| BadId)?);
        Ok(Self { seq, index: index.parse().map_err(|_| BadId)? })
    }
}

/// How far a task is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Nobody has it yet.
    #[default]
    Open,
    /// Somebody has it.
    Taken,
    /// Nothing is left to do.
    Done,
}

impl TaskState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Taken, Self::Done];

    /// The name in commands and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Taken => "taken",
            Self::Done => "done",
        }
    }

    /// Finds a state by its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    const fn may_become(self, to: Self) -> bool {
        match (self, to) {
            (Self::Open, Self::Taken | Self::Done) | (Self::Taken, Self::Open | Self::Done) => true,
            (Self::Open, Self::Open) | (Self::Taken, Self::Taken) | (Self::Done, _) => false,
        }
    }
}

impl TaskKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Reschedule,
        Self::Unclear,
        Self::CancelOrOptOut,
        Self::EnterByHand,
        Self::WriteBackFailed,
        Self::TextFailed,
        Self::Declined,
        Self::ReadFailed,
        Self::WrongNumber,
        Self::BadNumber,
        Self::Flood,
        Self::Outreach,
        Self::OutreachUrgent,
    ];

    /// The name in JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reschedule => "reschedule",
            Self::Unclear => "unclear",
            Self::CancelOrOptOut => "cancel_or_opt_out",
            Self::EnterByHand => "enter_by_hand",
            Self::WriteBackFailed => "write_back_failed",
            Self::TextFailed => "text_failed",
            Self::Declined => "declined",
            Self::ReadFailed => "read_failed",
            Self::WrongNumber => "wrong_number",
            Self::BadNumber => "bad_number",
            Self::Flood => "flood",
            Self::Outreach => "outreach",
            Self::OutreachUrgent => "outreach_urgent",
        }
    }

    /// Whether it is about a phone rather than one of its appointments.
    const fn is_of_phone(self) -> bool {
        match self {
            Self::Unclear
            | Self::CancelOrOptOut
            | Self::TextFailed
            | Self::WrongNumber
            | Self::BadNumber
            | Self::Outreach
            | Self::OutreachUrgent => true,
            Self::Reschedule
            | Self::EnterByHand
            | Self::WriteBackFailed
            | Self::Declined
            | Self::ReadFailed
            | Self::Flood => false,
        }
    }
}

/// What a task is about: tasks of one kind about the same are one.
#[must_use]
pub fn subject(task: &Task) -> String {
    let phone = task.phone.as_ref().map(|phone| phone.as_str());
    let appointment = task.appointment.as_ref().map(AppointmentKey::as_str);
    let about = if task.kind.is_of_phone() { phone.or(appointment) } else { appointment.or(phone) };
    about.unwrap_or_default().to_owned()
}

/// What was said besides, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// What.
    pub note: Phi<String>,
    /// About which appointment, if about another one than the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appointment: Option<AppointmentKey>,
}

/// A task in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// What is to be done.
    #[serde(flatten)]
    pub task: Task,
    /// How far it is.
    #[serde(default)]
    pub state: TaskState,
    /// Who has it, or was done with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it was moved last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
    /// What came later, oldest first, at most [`NOTES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// How many notes more there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub notes_left_out: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Ticket {
    /// A task that was just raised.
    #[must_use]
    pub const fn new(task: Task) -> Self {
        Self {
            task,
            state: TaskState::Open,
            by: None,
            changed_at: None,
            notes: Vec::new(),
            notes_left_out: 0,
        }
    }

    /// Takes in another task about the same. One that somebody has already is open again: what is new
    /// would not be seen there.
    pub fn add(&mut self, task: Task) {
        if self.notes.len() >= NOTES_MAX {
            // The last one tells what is wanted now.
            self.notes.remove(0);
            self.notes_left_out = self.notes_left_out.saturating_add(1);
        }
        if self.state == TaskState::Taken {
            self.state = TaskState::Open;
            self.by = None;
            self.changed_at = Some(task.at);
        }
        let appointment =
            task.appointment.filter(|key| self.task.appointment.as_ref() != Some(key));
        self.notes.push(Note { at: task.at, note: task.note, appointment });
    }

    /// Moves it; whether it may be moved is not asked.
    pub fn set(&mut self, to: TaskState, by: &str, now: Timestamp) {
        self.state = to;
        self.changed_at = Some(now);
        self.by = match to {
            TaskState::Open => None,
            TaskState::Taken | TaskState::Done => Some(by.chars().take(NAME_MAX).collect()),
        };
    }
}

/// Decides on an operator's word that a task is taken, done, or open again.
#[must_use]
pub fn moved(id: TaskId, to: TaskState, by: &str, scene: &Scene, now: Timestamp) -> Decision {
    let Some(known) = scene.tickets.get(&id) else {
        return Decision::nothing(None, "TASK", Reason::Unknown);
    };
    let subject = known.task.appointment.clone();
    if !known.state.may_become(to) {
        return Decision::nothing(subject, "TASK", Reason::TaskIs(known.state));
    }
    let mut ticket = known.clone();
    ticket.set(to, by, now);
    let mut decision = Decision { tickets: vec![(id, ticket)], ..Decision::default() };
    decision.explain(subject, "TASK", Reason::TaskMoved);
    decision
}

/// Closes what nobody has to enter by hand any more, as the EHR has said it itself.
pub fn settle(scene: &Scene, now: Timestamp, decision: &mut Decision) {
    let is_reflected = |wish: Option<&Wish>| wish.is_some_and(|w| w.state == WishState::Reflected);
    let mut done = Vec::new();
    for (id, ticket) in &scene.tickets {
        let is_ours = matches!(ticket.task.kind, TaskKind::EnterByHand | TaskKind::WriteBackFailed)
            && ticket.state != TaskState::Done;
        let Some(key) = ticket.task.appointment.as_ref().filter(|_| is_ours) else { continue };
        let after = decision.appointments.iter().find(|row| row.key == *key);
        if is_reflected(after.and_then(|row| row.wish.as_ref())) {
            let mut ticket = ticket.clone();
            ticket.set(TaskState::Done, "the EHR's own message", now);
            done.push((*id, ticket, key.clone()));
        }
    }
    for (id, ticket, key) in done {
        decision.explain(Some(key), "TASK", Reason::TaskMoved);
        decision.tickets.push((id, ticket));
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
