//! The single writer: takes what waits, decides it in one batch, makes it durable, then answers.
//!
//! One thread owns all changes, so the order per appointment needs no lock; many callers share one
//! flush to the disk. Timers are an arm of the same loop: it sleeps until the store's earliest due
//! row. An answer leaves only after the commit that it reports is durable.

mod agenda;
pub mod batch;
pub mod campaigns;
pub mod desk;
mod handle;
mod input;
mod load;
mod moment;
pub mod narrow;
pub mod outreach;
pub mod queue;
pub mod recorded;
pub mod render;
pub mod rows;
mod sent;
mod servers;
mod turn;
pub mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use chrono::TimeDelta;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::clock::{Clock, Timestamp};
use crate::core::appointment::Appointment;
use crate::core::delivery::{Failure, Outgoing, Report, State};
use crate::core::effect::Effect;
use crate::core::event::Event;
use crate::core::ids::{AppointmentKey, Seq};
use crate::core::rules::Rules;
use crate::store::{self, Category, Order, Range, Store, Table};
use agenda::Agenda;
use batch::{Batch, Error};
pub use handle::{Handle, Pending};
pub use input::{ANSWER_WITHIN, Answer, Reading, Received, Sameness, Verdict, Work};
use input::{Due, Input, Inputs, Kind, Send};
use rows::{Filed, Lane};
use turn::Frame;

/// How many inputs one commit takes: enough to share a flush among hundreds of connections, few
/// enough that the first of them does not wait long.
const BATCH_MAX: usize = 256;
/// How many inputs may wait; a feed that is faster than the disk is slowed down, not buffered.
const QUEUE_MAX: usize = 1_024;
/// How many bytes of messages one commit takes; a commit has to fit into a segment of the log.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long timers and sends wait after the store has refused a commit.
const HOLD_BACK: TimeDelta = TimeDelta::seconds(2);
/// How often a batch is decided again after a conflict before it is given up.
const CONFLICTS_MAX: usize = 5;

/// The rules in force; replaced as a whole on reload.
pub type SharedRules = Arc<RwLock<Arc<Rules>>>;

/// The engine, before it runs.
#[derive(Debug)]
pub struct Engine {
    store: Arc<dyn Store>,
    rules: SharedRules,
    clock: Clock,
    inputs: mpsc::Receiver<Input>,
    next_seq: Seq,
    agenda: Agenda,
    parked: BTreeMap<Lane, Parked>,
    /// Until when nothing is begun by itself, after the store refused a commit.
    held_back: Option<Timestamp>,
    /// Reports on what was claimed for a lane that was gone: nothing of it was performed.
    returned: Vec<Event>,
    /// Flows that campaigns run, read.
    shelf: outreach::Shelf,
}

#[derive(Debug)]
struct Parked {
    max: usize,
    reply: oneshot::Sender<Vec<Work>>,
}

/// What one batch has to be answered with.
#[derive(Debug, Default)]
struct Answers {
    verdicts: Vec<Verdict>,
    decided: Vec<Answer>,
    work: BTreeMap<Lane, Vec<Outgoing>>,
}

impl Engine {
    /// Prepares an engine over an open store.
    ///
    /// # Errors
    /// If the journal's end cannot be read.
    pub fn new(
        store: Arc<dyn Store>,
        rules: SharedRules,
        clock: Clock,
    ) -> Result<(Self, Handle), store::Error> {
        let last = store.scan(&Range::all(Table::Journal), 1, Order::Descending)?;
        let last = last.first().and_then(|(key, _)| rows::seq_of(key));
        let (sender, inputs) = mpsc::channel(QUEUE_MAX);
        let engine = Self {
            store: Arc::clone(&store),
            rules,
            clock,
            inputs,
            next_seq: Seq(last.map_or(1, |seq| seq.0 + 1)),
            agenda: Agenda::new(Arc::clone(&store)),
            parked: BTreeMap::new(),
            held_back: None,
            returned: Vec::new(),
            shelf: outreach::Shelf::default(),
        };
        Ok((engine, Handle::new(sender, store)))
    }

    /// Runs until told to stop, or until the store refuses to go on.
    ///
    /// # Errors
    /// If the store has to be opened again before anything more can be committed.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        let mut wake = self.clock.now();
        loop {
            let first = tokio::select! {
                input = self.inputs.recv() => match input {
                    Some(input) => Some(input),
                    None => return Ok(()),
                },
                () = self.clock.sleep_until(wake) => {
                    if self.clock.now() < wake {
                        // Idle for a minute: what is remembered is compared with what is there.
                        self.agenda.forget();
                    }
                    None
                }
                () = stop.cancelled() => {
                    return self.finish();
                }
            };
            let inputs = self.gather(first);
            wake = self.take(inputs)?;
        }
    }

    /// Decides what already waits, then stops.
    fn finish(mut self) -> Result<(), Error> {
        self.inputs.close();
        while let Ok(input) = self.inputs.try_recv() {
            let inputs = self.gather(Some(input));
            self.take(inputs)?;
        }
        if !self.returned.is_empty() {
            self.take(Inputs::default())?;
        }
        self.store.checkpoint()?;
        Ok(())
    }

    fn gather(&mut self, first: Option<Input>) -> Inputs {
        let mut inputs = Inputs::default();
        let mut next = first;
        let mut bytes = 0;
        while let Some(input) = next {
            match input {
                Input::Received(received, reply) => {
                    bytes += received.raw.len();
                    inputs.received.push((received, reply));
                    inputs.order.push(Kind::Received);
                }
                Input::Event(event, reply) => {
                    inputs.events.push((event, reply));
                    inputs.order.push(Kind::Event);
                }
                Input::Claim { lane, max, reply } => {
                    self.parked.insert(lane, Parked { max, reply });
                }
            }
            let taken = inputs.order.len();
            let is_full = taken >= BATCH_MAX || bytes >= BATCH_BYTES_MAX;
            next = if is_full { None } else { self.inputs.try_recv().ok() };
        }
        inputs
    }

    /// Takes one batch and says when to wake next.
    fn take(&mut self, mut inputs: Inputs) -> Result<Timestamp, Error> {
        let now = self.clock.now();
        // A lane that has ended asks for nothing any more.
        self.parked.retain(|_, parked| !parked.reply.is_closed());
        inputs.returned = std::mem::take(&mut self.returned);
        // While the store refuses, only what is asked for tries it again.
        if self.held_back.is_none_or(|until| now >= until) {
            inputs.timers = self.due_timers(now)?;
            inputs.sends = self.due_sends(now)?;
        }
        if !inputs.is_empty() {
            self.commit(inputs, now)?;
        }
        self.next_wake(now)
    }

    fn due_timers(&mut self, now: Timestamp) -> Result<Vec<Due>, Error> {
        let rows = self.agenda.due_timers(now, BATCH_MAX)?;
        let mut timers = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            let wake: rows::Wake = rows::decode(Table::Due, &row.value)?;
            timers.push(Due { event: wake.into_event(), key });
        }
        Ok(timers)
    }

    fn due_sends(&mut self, now: Timestamp) -> Result<Vec<Send>, Error> {
        let mut sends = Vec::new();
        for (lane, parked) in &self.parked {
            for (key, row) in self.agenda.due_sends(lane, now, parked.max)? {
                let outbox = rows::decode(Table::Ready, &row.value)?;
                sends.push(Send { lane: lane.clone(), outbox, key });
            }
        }
        Ok(sends)
    }

    fn next_wake(&mut self, now: Timestamp) -> Result<Timestamp, Error> {
        if !self.returned.is_empty() {
            return Ok(now);
        }
        if let Some(until) = self.held_back.filter(|until| *until > now) {
            return Ok(until);
        }
        // The wall clock is looked at once a minute whatever happens: it may have jumped.
        let mut wake = now + TimeDelta::days(1);
        if let Some(at) = self.agenda.timers_at()? {
            wake = wake.min(at);
        }
        for lane in self.parked.keys() {
            if let Some(at) = self.agenda.lane_at(lane)? {
                wake = wake.min(at);
            }
        }
        Ok(wake)
    }

    fn commit(&mut self, mut inputs: Inputs, now: Timestamp) -> Result<(), Error> {
        let rules =
            Arc::clone(&*self.rules.read().unwrap_or_else(std::sync::PoisonError::into_inner));
        let frame = Frame { rules: &rules, now, shelf: &self.shelf };
        let mut tries = 0;
        loop {
            let mut batch = Batch::new(self.store.as_ref());
            let mut seq = self.next_seq;
            let answers = decide_all(&mut batch, frame, &mut seq, &inputs)?;
            let commit = batch.into_commit()?;
            self.agenda.note(&commit.writes);
            match self.store.log(commit) {
                Ok(logged) => {
                    self.next_seq = seq;
                    if self.held_back.take().is_some() {
                        info!("The store takes commits again");
                    }
                    // Visible before it is reported: who was told looks it up next.
                    self.store.apply(logged)?;
                    self.answer(inputs, answers);
                    return Ok(());
                }
                Err(store::Error::Conflict { .. }) if tries < CONFLICTS_MAX => {
                    self.agenda.forget();
                    tries += 1;
                    debug!("A batch is decided again after a conflict");
                }
                Err(store::Error::CommitSize { .. }) if inputs.order.len() > 1 => {
                    self.agenda.forget();
                    let second = inputs.split();
                    self.commit(inputs, now)?;
                    return self.commit(second, now);
                }
                // Of what is due by itself the rest comes up again.
                Err(store::Error::CommitSize { .. }) if inputs.shorten() => self.agenda.forget(),
                Err(refusal) => return self.refuse(inputs, refusal, now),
            }
        }
    }

    fn refuse(
        &mut self,
        inputs: Inputs,
        refusal: store::Error,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.agenda.forget();
        let category = refusal.category();
        for (_, reply) in inputs.received {
            drop(reply.send(Verdict::NotStored(category)));
        }
        for (_, reply) in inputs.events {
            drop(reply.send(Answer::NotStored(category)));
        }
        let is_passing =
            matches!(refusal, store::Error::Full { .. } | store::Error::CommitSize { .. });
        if is_passing {
            if self.held_back.replace(now + HOLD_BACK).is_none() {
                warn!(error = %refusal, "The store refuses commits; senders are told to keep theirs");
            }
            return Ok(());
        }
        error!(error = %refusal, "The store refuses to go on");
        Err(refusal.into())
    }

    fn answer(&mut self, inputs: Inputs, answers: Answers) {
        // A caller that has gone away has its answer in the journal.
        for ((_, reply), verdict) in inputs.received.into_iter().zip(answers.verdicts) {
            drop(reply.send(verdict));
        }
        for ((_, reply), answer) in inputs.events.into_iter().zip(answers.decided) {
            drop(reply.send(answer));
        }
        for (lane, rows) in answers.work {
            let work: Vec<Work> = rows
                .iter()
                .filter(|row| matches!(row.state, State::Sending | State::InDoubt))
                .map(|row| self.work(row))
                .collect();
            // Rows that were all postponed or void leave the sender waiting.
            if !work.is_empty()
                && let Some(parked) = self.parked.remove(&lane)
            {
                // The lane may have gone since it was looked at: then nothing was performed.
                let unsent = parked.reply.send(work).err().unwrap_or_default();
                self.returned.extend(unsent.into_iter().map(|work| Event::DeliveryReported {
                    outbox: work.row.id,
                    report: Report::NotDone {
                        failure: Failure::TryLater,
                        code: "not_taken".to_owned(),
                    },
                }));
            }
        }
    }

    /// Adds to a row what performing it needs; what cannot be read is left out, and missed there.
    fn work(&self, row: &Outgoing) -> Work {
        let (message, appointment) = match &row.effect {
            Effect::SendSms(_) | Effect::ReadFhir(_) | Effect::CallHttp(_) => (None, None),
            Effect::UpdateFhir(write_back) | Effect::PostJson(write_back) => {
                (None, self.appointment(&write_back.appointment))
            }
            Effect::SendHl7(write_back) => {
                let appointment = self.appointment(&write_back.appointment);
                (write_back.message.and_then(|seq| self.message(seq)), appointment)
            }
        };
        Work { row: row.clone(), message, appointment }
    }

    fn message(&self, seq: Seq) -> Option<Vec<u8>> {
        let row = self.store.get(&rows::journal(seq).ok()?).ok()??;
        let (_, raw) = rows::decode_entry(&row.value).ok()?;
        Some(raw.to_vec())
    }

    fn appointment(&self, key: &AppointmentKey) -> Option<Box<Appointment>> {
        let row = self.store.get(&rows::appointment(key).ok()?).ok()??;
        rows::decode(Table::Appointment, &row.value).ok()
    }
}

fn decide_all(
    batch: &mut Batch<'_>,
    frame: Frame<'_>,
    seq: &mut Seq,
    inputs: &Inputs,
) -> Result<Answers, Error> {
    let mut answers = Answers::default();
    let mut received = inputs.received.iter();
    let mut events = inputs.events.iter();
    for kind in &inputs.order {
        match kind {
            Kind::Received => {
                let Some((received, _)) = received.next() else { continue };
                let filing = turn::receive(batch, frame, *seq, received)?;
                if !filing.is_repeated {
                    seq.0 += 1;
                }
                report(received, &filing);
                answers.verdicts.push(Verdict::Stored {
                    seq: filing.seq,
                    filed: filing.filed,
                    is_repeated: filing.is_repeated,
                });
            }
            Kind::Event => {
                let Some((event, _)) = events.next() else { continue };
                let outcomes = turn::act(batch, frame, *seq, event)?;
                answers.decided.push(Answer::Decided { seq: *seq, outcomes });
                seq.0 += 1;
            }
        }
    }
    for event in &inputs.returned {
        turn::act(batch, frame, *seq, event)?;
        seq.0 += 1;
    }
    for timer in &inputs.timers {
        batch.spend(&timer.key);
        turn::act(batch, frame, *seq, &timer.event)?;
        seq.0 += 1;
    }
    for send in &inputs.sends {
        batch.spend(&send.key);
        let before = batch.outgoing(&send.outbox)?;
        turn::act(batch, frame, *seq, &Event::SendDue { outbox: send.outbox.clone() })?;
        seq.0 += 1;
        let after = batch.outgoing(&send.outbox)?;
        // Only what this turn claimed is handed out: a row that stays as it was is under way.
        if let Some(row) = after.filter(|row| before.as_ref() != Some(row)) {
            answers.work.entry(send.lane.clone()).or_default().push(row);
        }
    }
    Ok(answers)
}

fn report(received: &Received, filing: &turn::Filing) {
    let source = received.source.as_str();
    let control_id = received.control_id.as_str();
    match &filing.filed {
        _ if filing.is_repeated => {
            debug!(source, control_id, seq = filing.seq.0, "A message is a repetition");
        }
        Filed::Quarantined(fault) => {
            warn!(source, control_id, seq = filing.seq.0, fault, "A message is in quarantine");
        }
        Filed::Noted(count) => {
            debug!(source, control_id, seq = filing.seq.0, count, "A server hints at changes");
        }
        Filed::NoEvent(reason) => {
            debug!(source, control_id, seq = filing.seq.0, reason, "A message holds no event");
        }
        Filed::Events(_) => {
            for outcome in &filing.outcomes {
                debug!(
                    source,
                    control_id,
                    seq = filing.seq.0,
                    event = outcome.event,
                    because = %outcome.because,
                    "A message was decided"
                );
            }
        }
    }
}

/// Whether a failure may pass by itself, so that a sender should try again.
#[must_use]
pub const fn is_retryable(category: Category) -> bool {
    match category {
        Category::Unavailable | Category::Unknown => true,
        Category::Malformed | Category::Unsupported | Category::Rejected | Category::Bug => false,
    }
}
