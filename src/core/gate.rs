//! The flood guard: how many texts a source would cause, and what is held back when it is too many.
//!
//! Archives that are sent again, a feed switched to another system, a loop at the EHR: each would text
//! every patient there is. Notices that a source's messages plan are counted, and so are its events
//! for appointments that are over. Over the limit the source's gate closes: notices that wait are held
//! when they are about to be sent, until an operator lets them go or takes them away. Reminders,
//! answers and wishes pass a closed gate; the state of appointments is kept as always.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::claim::Claim;
use super::delivery::{Outgoing, State};
use super::effect::{Effect, Task, TaskKind, TextKind};
use super::ids::{AppointmentKey, OutboxId, SourceName};
use super::reason::Reason;
use super::rules::Rules;
use super::scene::{Decision, Scene};
use super::sending::{main_appointment, subject_of};
use super::task::{TaskId, TaskState};
use crate::clock::Timestamp;
use crate::phi::Phi;

/// The longest time that is counted over; a count is kept for each of its minutes.
pub const WITHIN_MAX: TimeDelta = TimeDelta::minutes(60);
/// How many held texts one turn moves: each brings an appointment's row into the commit.
pub const MOVED_MAX: usize = 100;
/// How many discarded floods a gate remembers for texts of theirs that wait for their time. A text
/// waits until the hours for texts begin; so many floods in a night are one loop.
const DISCARDED_MAX: usize = 8;

/// How many texts sources may cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// Where a source has no limit of its own; none means no guard.
    pub limit: Option<Limit>,
    /// Sources with a word of their own.
    pub sources: BTreeMap<SourceName, Option<Limit>>,
}

/// How many texts a source may cause in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// So many are let through.
    pub texts: u32,
    /// In this time, which ends now; at most [`WITHIN_MAX`].
    pub within: TimeDelta,
}

impl Guard {
    /// A source's limit; none means that it is not guarded.
    #[must_use]
    pub fn limit(&self, source: &SourceName) -> Option<Limit> {
        self.sources.get(source).copied().unwrap_or(self.limit)
    }
}

/// What the guard knows of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// The source.
    pub source: SourceName,
    /// The minutes in which something was counted, oldest first.
    #[serde(default)]
    pub minutes: Vec<Minute>,
    /// Since when and why nothing is let through; open if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// How many texts are held.
    #[serde(default)]
    pub held: u64,
    /// What was planned up to then has an operator's word and is not held again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Timestamp>,
    /// What was planned in these times is not sent, by an operator's word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discarded: Vec<Span>,
}

/// What was counted in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// Which, counted from 1970.
    pub at: i64,
    /// Notices that were planned.
    pub texts: u32,
    /// Events for appointments that are over.
    pub past: u32,
}

/// That a gate is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Since when.
    pub since: Timestamp,
    /// When what closed it may have begun.
    pub from: Timestamp,
    /// What was counted more of.
    pub because: Flood,
    /// The task that tells a person.
    pub task: TaskId,
}

/// What there was too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flood {
    /// Texts to patients.
    Texts,
    /// Events for appointments that are over, as an archive has them.
    Past,
}

/// A stretch of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its begin.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

/// What an operator says of held texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// They may go, as far as they are still true.
    Release,
    /// They are not sent.
    Discard,
}

impl Word {
    /// The word in commands and in the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Discard => "discard",
        }
    }

    const fn event(self) -> &'static str {
        match self {
            Self::Release => "RELEASE",
            Self::Discard => "DISCARD",
        }
    }

    const fn reason(self) -> Reason {
        match self {
            Self::Release => Reason::Released,
            Self::Discard => Reason::Discarded,
        }
    }
}

impl Gate {
    /// An open gate that has counted nothing.
    #[must_use]
    pub const fn new(source: SourceName) -> Self {
        Self {
            source,
            minutes: Vec::new(),
            closed: None,
            held: 0,
            released: None,
            discarded: Vec::new(),
        }
    }

    /// How much was counted in the time that ends now: texts, and events for what is over.
    #[must_use]
    pub fn counted(&self, within: TimeDelta, now: Timestamp) -> (u32, u32) {
        let (first, last) = (minute(now - within), minute(now));
        let counted = self.minutes.iter().filter(|minute| minute.at > first && minute.at <= last);
        counted.fold((0, 0), |(texts, past), minute| {
            (texts.saturating_add(minute.texts), past.saturating_add(minute.past))
        })
    }

    fn count(&mut self, texts: u32, past: u32, now: Timestamp) {
        let at = minute(now);
        let oldest = minute(now - WITHIN_MAX);
        // What lies ahead was counted before the clock was set back.
        self.minutes.retain(|minute| minute.at > oldest && minute.at <= at);
        match self.minutes.last_mut().filter(|minute| minute.at == at) {
            Some(minute) => {
                minute.texts = minute.texts.saturating_add(texts);
                minute.past = minute.past.saturating_add(past);
            }
            None => self.minutes.push(Minute { at, texts, past }),
        }
    }

    /// What an operator, or a flood that is not over, says of a notice that waits.
    fn objection(&self, row: &Outgoing) -> Option<Reason> {
        let planned = row.created_at;
        if self.discarded.iter().any(|span| span.from <= planned && planned <= span.to) {
            return Some(Reason::Discarded);
        }
        let is_released = self.released.is_some_and(|until| planned <= until);
        (self.closed.is_some() && !is_released).then_some(Reason::HeldBack)
    }
}

fn minute(at: Timestamp) -> i64 {
    at.timestamp().div_euclid(60)
}

/// The source of an appointment, as its key has it.
#[must_use]
pub fn source_of(key: &AppointmentKey) -> SourceName {
    let is_mark = |c: char| matches!(c, ':' | '#' | '~' | '/');
    SourceName::new(key.as_str().split(is_mark).next().unwrap_or_default())
}

/// The source whose gate a row of the outbox has to pass, if it has to pass one.
#[must_use]
pub fn gate_of(row: &Outgoing) -> Option<SourceName> {
    let subject = main_appointment(row).filter(|_| is_notice(&row.effect));
    subject.as_ref().map(source_of)
}

/// Counts what a claim has come to, and closes its source's gate if that is too much. What the
/// mapping or an operator has asked silence for does not count.
pub fn count(claim: &Claim, scene: &Scene, rules: &Rules, now: Timestamp, decision: &mut Decision) {
    let source = &claim.origin.space;
    let Some(limit) = rules.guard.limit(source).filter(|_| claim.quiet.is_none()) else { return };
    let notices = decision.effects.iter().filter(|planned| is_notice(&planned.effect));
    let subjects: Vec<_> = notices.map(|planned| subject_of(&planned.effect)).collect();
    let texts = subjects.len();
    let past = decision.because.iter().filter(|o| o.because == Reason::Past).count();
    if texts == 0 && past == 0 {
        return;
    }
    let whole = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut gate = decision.take_gate(source, scene);
    gate.count(whole(texts), whole(past), now);
    if gate.closed.is_none() {
        close(&mut gate, limit, scene, now, decision);
    }
    if gate.closed.is_some() && texts > 0 {
        // Held from the start: a flood must not keep the sender busy with what it may not send.
        decision.is_held = true;
        gate.held = gate.held.saturating_add(u64::from(whole(texts)));
        for subject in subjects {
            decision.explain(subject, "SEND", Reason::HeldBack);
        }
    }
    decision.gates.push(gate);
}

/// In which state an effect of a decision begins, given [`Decision::is_held`].
#[must_use]
pub const fn first_state(is_held: bool, effect: &Effect) -> State {
    if is_held && is_notice(effect) { State::Held } else { State::Ready }
}

const fn is_notice(effect: &Effect) -> bool {
    match effect {
        Effect::SendSms(sms) => matches!(sms.kind, TextKind::Notice(_)),
        Effect::SendHl7(_)
        | Effect::UpdateFhir(_)
        | Effect::PostJson(_)
        | Effect::CallHttp(_)
        | Effect::ReadFhir(_) => false,
    }
}

fn close(gate: &mut Gate, limit: Limit, scene: &Scene, now: Timestamp, decision: &mut Decision) {
    let (texts, past) = gate.counted(limit.within, now);
    if texts.saturating_add(past) <= limit.texts {
        return;
    }
    let because = if past > texts { Flood::Past } else { Flood::Texts };
    let minutes = limit.within.num_minutes();
    let note = format!(
        "{}: {texts} texts, and {past} events for appointments that are over, within {minutes} minutes",
        gate.source
    );
    let task = TaskId::of(scene.seq, scene.effects_before + decision.tasks.len());
    decision.tasks.push(Task {
        kind: TaskKind::Flood,
        appointment: None,
        phone: None,
        note: Phi::new(note),
        at: now,
    });
    // What was planned before an operator let the last flood go is not part of this one.
    let let_go_until = gate.released.map(|until| until + TimeDelta::milliseconds(1));
    let from = let_go_until.map_or(now - limit.within, |after| after.max(now - limit.within));
    gate.closed = Some(Closed { since: now, from, because, task });
}

/// Why a notice that is about to be sent is not, by its source's gate.
#[must_use]
pub fn objection(row: &Outgoing, scene: &Scene) -> Option<Reason> {
    scene.gates.get(&gate_of(row)?)?.objection(row)
}

/// Holds a notice back.
#[must_use]
pub fn hold(mut row: Outgoing, scene: &Scene) -> Decision {
    let mut decision = Decision::default();
    if let Some(source) = gate_of(&row) {
        let mut gate = scene.gate(&source);
        gate.held += 1;
        decision.gates.push(gate);
    }
    let subject = main_appointment(&row);
    if let Some(key) = &subject {
        // The journal's entry is part of the appointment's history.
        let _row = decision.row(key, scene);
    }
    row.state = State::Held;
    decision.outbox.push(row);
    decision.explain(subject, "SEND", Reason::HeldBack);
    decision
}

/// Opens a gate by an operator's word; the texts that it holds are moved by [`moved`] afterwards.
#[must_use]
pub fn open(source: &SourceName, word: Word, scene: &Scene, now: Timestamp) -> Decision {
    let Some(known) = scene.gates.get(source) else {
        return Decision::nothing(None, word.event(), Reason::Unknown);
    };
    let Some(closed) = &known.closed else {
        return Decision::nothing(None, word.event(), Reason::NothingChanged);
    };
    let mut gate = known.clone();
    gate.closed = None;
    gate.minutes.clear();
    match word {
        Word::Release => gate.released = Some(now),
        Word::Discard => {
            if gate.discarded.len() >= DISCARDED_MAX {
                gate.discarded.remove(0);
            }
            gate.discarded.push(Span { from: closed.from, to: now });
        }
    }
    let mut decision = Decision { gates: vec![gate], ..Decision::default() };
    if let Some(ticket) = scene.tickets.get(&closed.task) {
        let mut ticket = ticket.clone();
        ticket.set(TaskState::Done, word.name(), now);
        decision.tickets.push((closed.task, ticket));
    }
    decision.explain(None, word.event(), word.reason());
    decision
}

/// Moves held texts by an operator's word: back to those that wait, or out. What is no longer true is
/// found when it is about to be sent. A gate that has closed again keeps what it holds.
#[must_use]
pub fn moved(
    source: &SourceName,
    word: Word,
    ids: &[OutboxId],
    scene: &Scene,
    now: Timestamp,
) -> Decision {
    let mut gate = scene.gate(source);
    if gate.closed.is_some() {
        return Decision::nothing(None, word.event(), Reason::HeldBack);
    }
    let mut decision = Decision::default();
    for row in ids.iter().filter_map(|id| scene.outbox.get(id)) {
        if row.state != State::Held || gate_of(row).as_ref() != Some(source) {
            continue;
        }
        gate.held = gate.held.saturating_sub(1);
        let mut row = row.clone();
        match word {
            Word::Release => {
                row.state = State::Ready;
                row.due = now;
            }
            Word::Discard => row.state = State::Void,
        }
        forget(&row, scene, &mut decision);
        decision.explain(main_appointment(&row), word.event(), word.reason());
        decision.outbox.push(row);
    }
    if decision.outbox.is_empty() {
        return Decision::nothing(None, word.event(), Reason::NothingChanged);
    }
    decision.gates.push(gate);
    decision
}

/// Puts the turn into the appointment's history; a notice that is not sent no longer waits to be
/// replaced.
fn forget(row: &Outgoing, scene: &Scene, decision: &mut Decision) {
    let Effect::SendSms(sms) = &row.effect else { return };
    for about in &sms.about {
        let Some(known) = decision.row(&about.appointment, scene) else { continue };
        let is_ours = known.generation == about.generation
            && known.unsent_notice.map(TextKind::Notice) == Some(sms.kind);
        if row.state == State::Void && is_ours {
            known.unsent_notice = None;
        }
    }
}

/// Counts a held text that turns out to have been sent: the carrier's word of an earlier try.
pub fn left(before: &Outgoing, scene: &Scene, decision: &mut Decision) {
    let is_held = before.state == State::Held;
    let stays = decision.outbox.iter().any(|row| row.id == before.id && row.state == State::Held);
    // Written twice, it was withdrawn by the same turn and is counted.
    let times = decision.outbox.iter().filter(|row| row.id == before.id).count();
    if is_held && !stays && times <= 1 {
        let_go(before, scene, decision);
    }
}

/// Counts a text that its source's gate holds no longer.
pub fn let_go(before: &Outgoing, scene: &Scene, decision: &mut Decision) {
    // A gate that is not at hand would be written as one that knows of nothing.
    let Some(source) = gate_of(before).filter(|source| scene.gates.contains_key(source)) else {
        return;
    };
    let mut gate = decision.take_gate(&source, scene);
    gate.held = gate.held.saturating_sub(1);
    decision.gates.push(gate);
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
