//! The reading side of what operators look after: tasks, gates of the flood guard, consent.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::batch::Error;
use super::desk::Pending;
use super::narrow::Named;
use super::render::{consent_json, ticket_json};
use super::rows;
use super::view::{Filter, View};
use crate::clock::Timestamp;
use crate::core::contact::Contact;
use crate::core::effect::{Effect, TaskKind};
use crate::core::gate::Gate;
use crate::core::ids::{OutboxId, SourceName};
use crate::core::task::{TaskId, TaskState, Ticket};
use crate::store::{Order, Range, Table};

/// How many tasks and gates are counted at most; more of them is as alarming as this.
const COUNTED_MAX: usize = 10_000;

/// What waits for a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Tasks that nobody is done with.
    pub tasks: usize,
    /// Of these, the ones that nobody has yet, by kind.
    pub open: BTreeMap<&'static str, usize>,
    /// Since when the oldest urgent one is open.
    pub urgent_since: Option<Timestamp>,
    /// Since when the oldest other one is open.
    pub others_since: Option<Timestamp>,
}

impl View {
    /// Tasks by a filter, the urgent ones first, then the newest; without a status those that nobody
    /// is done with.
    pub(super) fn tasks(&self, filter: &Filter) -> Result<Vec<Value>, Error> {
        let named = self.named(filter)?;
        let mut found = BTreeMap::new();
        let mut add = |id: TaskId, ticket: Ticket| {
            if is_wanted(&ticket, filter, named.as_ref()) {
                found.insert((!ticket.task.kind.is_urgent(), Reverse(id)), ticket);
            }
        };
        // What waits is found by the desk's index, however many newer ones are done.
        self.scan(Table::Desk, Order::Ascending, |_, row| {
            let pending: Pending = rows::decode(Table::Desk, &row.value)?;
            if let Some(ticket) = self.ticket(pending.id)? {
                add(pending.id, ticket);
            }
            Ok(true)
        })?;
        // Those that are done, and one that was opened again beside another about the same.
        self.scan(Table::Task, Order::Descending, |key, row| {
            if let Some(id) = rows::task_of(key) {
                add(id, rows::decode(Table::Task, &row.value)?);
            }
            Ok(true)
        })?;
        let rows = found.iter().take(filter.limit);
        Ok(rows.map(|((_, Reverse(id)), ticket)| ticket_json(*id, ticket)).collect())
    }

    /// Reads a task.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn ticket(&self, id: TaskId) -> Result<Option<Ticket>, Error> {
        let row = self.store.get(&rows::task(id)?)?;
        Ok(row.map(|row| rows::decode(Table::Task, &row.value)).transpose()?)
    }

    /// What waits for a person.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn waiting(&self) -> Result<Waiting, Error> {
        let open = TaskKind::ALL.map(|kind| (kind.name(), 0));
        let mut waiting = Waiting { open: BTreeMap::from(open), ..Waiting::default() };
        self.scan(Table::Desk, Order::Ascending, |_, row| {
            let pending: Pending = rows::decode(Table::Desk, &row.value)?;
            waiting.tasks += 1;
            if pending.state == TaskState::Open {
                *waiting.open.entry(pending.kind.name()).or_default() += 1;
                let since = if pending.kind.is_urgent() {
                    &mut waiting.urgent_since
                } else {
                    &mut waiting.others_since
                };
                *since = Some(since.map_or(pending.at, |since| since.min(pending.at)));
            }
            Ok(waiting.tasks < COUNTED_MAX)
        })?;
        Ok(waiting)
    }

    /// The gates of all sources that have caused texts.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn gates(&self) -> Result<Vec<Gate>, Error> {
        let range = Range::prefix(Table::Gate, rows::GATE_ROWS);
        let rows = self.store.scan(&range, COUNTED_MAX, Order::Ascending)?;
        rows.iter().map(|(_, row)| Ok(rows::decode(Table::Gate, &row.value)?)).collect()
    }

    /// The gate of a source.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn gate(&self, source: &SourceName) -> Result<Option<Gate>, Error> {
        let row = self.store.get(&rows::gate(source)?)?;
        Ok(row.map(|row| rows::decode(Table::Gate, &row.value)).transpose()?)
    }

    /// The first held texts of a source behind one of them, the oldest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn held(
        &self,
        source: &SourceName,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxId>, Error> {
        let mut range = Range::prefix(Table::Gate, &rows::held_by(source));
        if let Some(after) = after {
            range = range.after(&rows::held(source, after)?);
        }
        let rows = self.store.scan(&range, limit, Order::Ascending)?;
        rows.iter().map(|(_, row)| Ok(rows::decode(Table::Gate, &row.value)?)).collect()
    }

    /// Whether a held text still tells what is so, as far as can be seen before it is sent.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn is_still_so(&self, id: &OutboxId, now: Timestamp) -> Result<bool, Error> {
        let Some(row) = self.outgoing(id)? else { return Ok(false) };
        let Effect::SendSms(sms) = &row.effect else { return Ok(false) };
        for about in &sms.about {
            let known = self.by_key(about.appointment.as_str())?;
            let is_so = known.is_some_and(|known| known.generation == about.generation);
            if !is_so {
                return Ok(false);
            }
        }
        let contact = self.contact(&sms.to)?;
        let is_opted_out = contact.is_some_and(|contact| contact.consent.opted_out);
        Ok(!is_opted_out && row.not_after >= now)
    }

    /// Gates as rows: state, since when, and what is held.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn holds(&self, now: Timestamp) -> Result<Vec<Value>, Error> {
        let mut found = Vec::new();
        for gate in self.gates()? {
            let oldest = self.held(&gate.source, None, 1)?.pop();
            let oldest = match oldest {
                Some(id) => self.outgoing(&id)?.map(|row| row.created_at),
                None => None,
            };
            let (texts, past) = gate.counted(crate::core::gate::WITHIN_MAX, now);
            let closed = gate.closed.as_ref();
            found.push(json!({
                "source": gate.source,
                "state": if closed.is_some() { "closed" } else { "open" },
                "since": closed.map(|closed| closed.since),
                "because": closed.map(|closed| closed.because),
                "task": closed.map(|closed| closed.task.to_string()),
                "held": gate.held,
                "oldest": oldest,
                "texts_last_hour": texts,
                "past_last_hour": past,
            }));
        }
        Ok(found)
    }

    /// Phones whose consent is not as it is without a word, or the one that is asked for.
    pub(super) fn consents(&self, filter: &Filter) -> Result<Vec<Value>, Error> {
        if let Some(phone) = &filter.phone {
            let known = self.contact(phone)?.unwrap_or_else(|| Contact::new(phone.clone()));
            return Ok(vec![consent_json(&known)]);
        }
        let mut found = Vec::new();
        self.scan(Table::Contact, Order::Ascending, |_, row| {
            let row: Contact = rows::decode(Table::Contact, &row.value)?;
            let consent = &row.consent;
            let is_out = consent.opted_out || !consent.without.is_empty();
            let is_wanted = match filter.status.as_deref() {
                None | Some("opted_out") => is_out,
                Some("opted_in") => !is_out && !consent.changes.is_empty(),
                Some(_) => false,
            };
            let changed = consent.changes.last().map(|change| change.at).or(consent.since);
            let is_in_time = filter.since.is_none_or(|since| changed >= Some(since))
                && filter.until.is_none_or(|until| changed <= Some(until));
            if is_wanted && is_in_time {
                found.push(consent_json(&row));
            }
            Ok(found.len() < filter.limit)
        })?;
        Ok(found)
    }
}

fn is_wanted(ticket: &Ticket, filter: &Filter, named: Option<&Named>) -> bool {
    let task = &ticket.task;
    let mut about = task
        .appointment
        .iter()
        .chain(ticket.notes.iter().filter_map(|note| note.appointment.as_ref()));
    let is_named = named.is_none_or(|named| about.any(|key| named.has(key)));
    let is_status = match filter.status.as_deref() {
        None => ticket.state != TaskState::Done,
        Some("all") => true,
        Some(status) => ticket.state.name() == status,
    };
    let checks = [
        is_status,
        filter.phone.is_none() || filter.phone == task.phone,
        is_named,
        filter.since.is_none_or(|since| task.at >= since),
        filter.until.is_none_or(|until| task.at <= until),
    ];
    checks.into_iter().all(|holds| holds)
}
