//! The writing side of what operators look after: the gates of the flood guard, and the queue of tasks.
//!
//! Loads the rows that an operator's word, or a message, can touch, and writes what was decided. A
//! task that is about the same as one that nobody is done with becomes a note of that one.

use serde::{Deserialize, Serialize};
use tracing::error;

use super::batch::{Batch, Error};
use super::rows;
use crate::clock::Timestamp;
use crate::core::appointment::{Appointment, WishState};
use crate::core::effect::{Task, TaskKind};
use crate::core::event::Event;
use crate::core::gate::{Gate, MOVED_MAX};
use crate::core::ids::{OutboxId, SourceName};
use crate::core::scene::{Decision, Scene};
use crate::core::task::{TaskId, TaskState, Ticket};
use crate::phi::Phi;
use crate::store::Table;

/// A task that nobody is done with, as it is found by what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Which.
    pub id: TaskId,
    /// Of which kind.
    pub kind: TaskKind,
    /// Whether somebody has it.
    pub state: TaskState,
    /// Since when there is something to do.
    pub at: Timestamp,
}

/// Adds the gate of a source.
pub(super) fn add_gate(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    source: &SourceName,
) -> Result<(), Error> {
    if let Some(gate) = batch.gate(source)? {
        scene.gates.insert(source.clone(), gate);
    }
    Ok(())
}

/// Adds the tasks that an appointment's message may show to be done.
pub(super) fn add_wished(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    before: &Appointment,
) -> Result<(), Error> {
    let is_open = before.wish.as_ref().is_some_and(|wish| wish.state != WishState::Reflected);
    for kind in [TaskKind::EnterByHand, TaskKind::WriteBackFailed].into_iter().filter(|_| is_open) {
        let task = Task {
            kind,
            appointment: Some(before.key.clone()),
            phone: None,
            note: Phi::new(String::new()),
            at: before.created_at,
        };
        if let Some(pending) = pending(batch, &task)? {
            add_ticket(batch, scene, pending.id)?;
        }
    }
    Ok(())
}

/// Adds what an operator's event can touch.
pub(super) fn add(batch: &mut Batch<'_>, scene: &mut Scene, event: &Event) -> Result<(), Error> {
    match event {
        Event::TaskMoved { id, .. } => add_ticket(batch, scene, *id),
        Event::GateOpened { source, .. } => {
            add_gate(batch, scene, source)?;
            let closed = scene.gates.get(source).and_then(|gate| gate.closed.as_ref());
            let task = closed.map(|closed| closed.task);
            task.map_or(Ok(()), |task| add_ticket(batch, scene, task))
        }
        Event::HeldMoved { source, ids, .. } => {
            add_gate(batch, scene, source)?;
            ids.iter().take(MOVED_MAX).try_for_each(|id| add_held(batch, scene, id))
        }
        Event::Claimed(_)
        | Event::TimerDue { .. }
        | Event::ReplyReceived(_)
        | Event::SendDue { .. }
        | Event::DeliveryReported { .. }
        | Event::Notified(_)
        | Event::FeedReported { .. }
        | Event::ConsentSet { .. }
        | Event::RemindNow { .. }
        | Event::CampaignMade(_)
        | Event::RecipientsAdded { .. }
        | Event::CampaignMoved { .. }
        | Event::CampaignDue { .. }
        | Event::SessionDue { .. }
        | Event::HttpAnswered { .. } => Ok(()),
    }
}

/// Adds a held text and the appointment that it is about; the phone's others are not concerned.
fn add_held(batch: &mut Batch<'_>, scene: &mut Scene, id: &OutboxId) -> Result<(), Error> {
    let Some(row) = batch.outgoing(id)? else { return Ok(()) };
    if let Some(key) = crate::core::sending::main_appointment(&row)
        && let Some(known) = batch.appointment(&key)?
    {
        scene.appointments.insert(key, known);
    }
    scene.outbox.insert(id.clone(), row);
    Ok(())
}

/// What an operator did, for the journal; `None` if it was no operator.
pub(super) fn action(event: &Event, scene: &Scene) -> Option<String> {
    match event {
        Event::TaskMoved { id, to, by } => Some(format!("task {id} {} by {by}", to.name())),
        Event::GateOpened { source, word } => {
            let held = scene.gates.get(source).map_or(0, |gate| gate.held);
            Some(format!("hold {} {source}, {held} held", word.name()))
        }
        Event::HeldMoved { source, word, ids } => {
            Some(format!("hold {} {source}, {} texts", word.name(), ids.len()))
        }
        Event::Claimed(_)
        | Event::TimerDue { .. }
        | Event::ReplyReceived(_)
        | Event::SendDue { .. }
        | Event::DeliveryReported { .. }
        | Event::Notified(_)
        | Event::FeedReported { .. }
        | Event::ConsentSet { .. }
        | Event::RemindNow { .. }
        | Event::CampaignMade(_)
        | Event::RecipientsAdded { .. }
        | Event::CampaignMoved { .. }
        | Event::CampaignDue { .. }
        | Event::SessionDue { .. }
        | Event::HttpAnswered { .. } => None,
    }
}

/// Writes what a decision says of gates and tasks, and takes it out of the decision.
pub(super) fn collect(
    batch: &mut Batch<'_>,
    scene: &Scene,
    decision: &mut Decision,
) -> Result<(), Error> {
    for gate in decision.gates.drain(..) {
        tell(scene.gates.get(&gate.source), &gate);
        batch.put_gate(gate)?;
    }
    for (id, ticket) in decision.tickets.drain(..) {
        put_ticket(batch, id, &ticket)?;
    }
    for (index, task) in decision.tasks.drain(..).enumerate() {
        let id = TaskId::of(scene.seq, scene.effects_before + index);
        raise(batch, id, task)?;
    }
    Ok(())
}

/// Lets the log know of a gate that closes, once.
fn tell(before: Option<&Gate>, after: &Gate) {
    let was_closed = before.is_some_and(|gate| gate.closed.is_some());
    if let Some(closed) = after.closed.as_ref().filter(|_| !was_closed) {
        let source = after.source.as_str();
        let because = match closed.because {
            crate::core::gate::Flood::Texts => "texts",
            crate::core::gate::Flood::Past => "past appointments",
        };
        error!(source, because, "Too many texts at once; this source's notices are held");
    }
}

fn raise(batch: &mut Batch<'_>, id: TaskId, task: Task) -> Result<(), Error> {
    if let Some(pending) = pending(batch, &task)?
        && let Some(mut ticket) = ticket(batch, pending.id)?
        && ticket.state != TaskState::Done
    {
        ticket.add(task);
        return put_ticket(batch, pending.id, &ticket);
    }
    put_ticket(batch, id, &Ticket::new(task))
}

/// The task that this one adds to, if there is one.
fn pending(batch: &mut Batch<'_>, task: &Task) -> Result<Option<Pending>, Error> {
    if task.kind == TaskKind::Flood {
        // Each time that a gate closes is an event of its own.
        return Ok(None);
    }
    let row = batch.plain(&rows::desk(task, None)?)?;
    Ok(row.map(|bytes| rows::decode(Table::Desk, &bytes)).transpose()?)
}

fn ticket(batch: &mut Batch<'_>, id: TaskId) -> Result<Option<Ticket>, Error> {
    let row = batch.plain(&rows::task(id)?)?;
    Ok(row.map(|bytes| rows::decode(Table::Task, &bytes)).transpose()?)
}

fn add_ticket(batch: &mut Batch<'_>, scene: &mut Scene, id: TaskId) -> Result<(), Error> {
    if let Some(ticket) = ticket(batch, id)? {
        scene.tickets.insert(id, ticket);
    }
    Ok(())
}

fn put_ticket(batch: &mut Batch<'_>, id: TaskId, ticket: &Ticket) -> Result<(), Error> {
    let (row, place) = (rows::task(id)?, rows::desk(&ticket.task, Some(id))?);
    // Read before they are written, so that later turns of the batch see them.
    batch.plain(&row)?;
    let known = batch.plain(&place)?;
    let known: Option<Pending> =
        known.map(|bytes| rows::decode(Table::Desk, &bytes)).transpose()?;
    batch.put_plain(row, Some(rows::encode(ticket)));
    let (kind, state) = (ticket.task.kind, ticket.state);
    // One that somebody had in between waits since it was given back.
    let at = ticket.changed_at.unwrap_or(ticket.task.at);
    match state {
        TaskState::Open | TaskState::Taken => {
            batch.put_plain(place, Some(rows::encode(&Pending { id, kind, state, at })));
        }
        TaskState::Done if known.is_some_and(|known| known.id == id) => {
            batch.put_plain(place, None);
        }
        TaskState::Done => {}
    }
    Ok(())
}
