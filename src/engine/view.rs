//! The reading side: what is known, for people and scripts.
//!
//! Reads the store beside the writer; nothing here changes anything. Rows come as JSON objects, one
//! shape for the API, the command line and files.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::batch::Error;
use super::narrow::Named;
use super::render::{appointment_json, entry_json, joined, outgoing_json};
use super::rows::{self, Cause, Entry, Filed, Lane};
use crate::clock::Timestamp;
use crate::core::appointment::Appointment;
use crate::core::contact::Contact;
use crate::core::delivery::Outgoing;
use crate::core::effect::Effect;
use crate::core::ids::{AppointmentKey, OutboxId, Seq};
use crate::core::phone::PhoneNumber;
use crate::store::{Key, Order, Range, Row, Store, Table};

/// How many rows one query looks at; more is asked for by narrowing it.
pub(super) const SCANNED_MAX: usize = 200_000;
/// How many rows are read at a time.
const PAGE: usize = 500;

/// Which rows are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this patient's record number.
    pub patient: Option<String>,
    /// Of this phone.
    pub phone: Option<PhoneNumber>,
    /// Of this appointment: its key, or one of its identifiers.
    pub appointment: Option<String>,
    /// Not older.
    pub since: Option<Timestamp>,
    /// Not newer.
    pub until: Option<Timestamp>,
    /// With this status or state.
    pub status: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Appointments as they are.
    Appointments,
    /// Every turn.
    History,
    /// Messages as they came.
    Messages,
    /// Planned moments.
    Timers,
    /// Effects and their states.
    Outbox,
    /// Messages that were not understood.
    Quarantine,
    /// What people have to look at.
    Tasks,
    /// FHIR servers: subscriptions, and how far they have been read.
    Servers,
    /// What operators did.
    Audit,
    /// Who may not be texted.
    Consent,
}

impl Subject {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 10] = [
        ("appointments", Self::Appointments),
        ("history", Self::History),
        ("messages", Self::Messages),
        ("timers", Self::Timers),
        ("outbox", Self::Outbox),
        ("quarantine", Self::Quarantine),
        ("tasks", Self::Tasks),
        ("servers", Self::Servers),
        ("audit", Self::Audit),
        ("consent", Self::Consent),
    ];

    /// Finds a subject by its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, subject)| subject)
    }
}

/// The reading side of a store.
#[derive(Debug, Clone)]
pub struct View {
    pub(super) store: Arc<dyn Store>,
}

impl View {
    /// Reads from a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Answers a query, newest first where time matters.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn query(&self, subject: Subject, filter: &Filter) -> Result<Vec<Value>, Error> {
        match subject {
            Subject::Appointments => self.appointments(filter),
            Subject::History => self.history(filter, |_| true),
            Subject::Messages => {
                self.history(filter, |entry| matches!(entry.cause, Cause::Message(_)))
            }
            Subject::Audit => {
                self.history(filter, |entry| matches!(entry.cause, Cause::Operator { .. }))
            }
            Subject::Timers => self.timers(filter),
            Subject::Outbox => self.outbox(filter),
            Subject::Quarantine => self.quarantine(filter),
            Subject::Tasks => self.tasks(filter),
            Subject::Servers => self.servers(filter),
            Subject::Consent => self.consents(filter),
        }
    }

    /// Reads an appointment by key or by one of its identifiers; where several share one, the first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn appointment(&self, name: &str) -> Result<Option<Appointment>, Error> {
        let mut found = self.by_key(name)?;
        if found.is_some() {
            return Ok(found);
        }
        self.scan(Table::Appointment, Order::Ascending, |_, row| {
            let row: Appointment = rows::decode(Table::Appointment, &row.value)?;
            if row.sharing.part.is_first() && row.ids.iter().any(|id| id.value == name) {
                found = Some(row);
                return Ok(false);
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// Reads an appointment by its key.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn by_key(&self, name: &str) -> Result<Option<Appointment>, Error> {
        let row = self.store.get(&rows::appointment(&AppointmentKey::new(name))?)?;
        Ok(row.map(|row| rows::decode(Table::Appointment, &row.value)).transpose()?)
    }

    /// Reads a row of the outbox.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn outgoing(&self, id: &OutboxId) -> Result<Option<Outgoing>, Error> {
        let row = self.store.get(&rows::outbox(id)?)?;
        Ok(row.map(|row| rows::decode(Table::Outbox, &row.value)).transpose()?)
    }

    /// Reads a phone's row.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn contact(&self, phone: &PhoneNumber) -> Result<Option<Contact>, Error> {
        let row = self.store.get(&rows::contact(phone)?)?;
        Ok(row.map(|row| rows::decode(Table::Contact, &row.value)).transpose()?)
    }

    /// Reads an entry of the journal and the message as it came.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn entry(&self, seq: Seq) -> Result<Option<(Entry, Vec<u8>)>, Error> {
        let Some(row) = self.store.get(&rows::journal(seq)?)? else { return Ok(None) };
        let (entry, raw) = rows::decode_entry(&row.value)?;
        Ok(Some((entry, raw.to_vec())))
    }

    /// The lanes that effects wait in.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn lanes(&self) -> Result<BTreeSet<Lane>, Error> {
        let mut found = BTreeSet::new();
        self.scan(Table::Ready, Order::Ascending, |key, _| {
            found.extend(rows::lane_of(key));
            Ok(true)
        })?;
        Ok(found)
    }

    /// Counts the rows of a table, up to a bound.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn count(&self, table: Table, bound: usize) -> Result<usize, Error> {
        Ok(self.store.scan(&Range::all(table), bound, Order::Ascending)?.len())
    }

    pub(super) fn scan(
        &self,
        table: Table,
        order: Order,
        mut each: impl FnMut(&Key, &Row) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut range = Range::all(table);
        let mut scanned = 0;
        // Rows of the future are looked through whole: what is gone at a server must be found.
        while scanned < SCANNED_MAX || table == Table::Appointment {
            let page = self.store.scan(&range, PAGE, order)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            range = match order {
                Order::Ascending => range.after(last),
                Order::Descending => range.before(last),
            };
            for (key, row) in &page {
                if !each(key, row)? {
                    return Ok(());
                }
            }
            scanned += page.len();
        }
        Ok(())
    }

    fn appointments(&self, filter: &Filter) -> Result<Vec<Value>, Error> {
        let mut found = Vec::new();
        self.scan(Table::Appointment, Order::Ascending, |_, row| {
            let row: Appointment = rows::decode(Table::Appointment, &row.value)?;
            if is_wanted(&row, filter) {
                found.push(appointment_json(&row));
            }
            Ok(found.len() < filter.limit)
        })?;
        Ok(found)
    }

    fn history(
        &self,
        filter: &Filter,
        is_wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Vec<Value>, Error> {
        let only = self.entries_of(filter)?;
        let mut found = Vec::new();
        let mut add = |seq: Seq, bytes: &[u8]| -> Result<bool, Error> {
            let (entry, _) = rows::decode_entry(bytes)?;
            if filter.since.is_some_and(|since| entry.at < since) {
                return Ok(false);
            }
            let is_late = filter.until.is_some_and(|until| entry.at > until);
            let is_theirs = only.as_ref().is_none_or(|seqs| seqs.contains(&seq))
                || is_from(&entry, filter.phone.as_ref());
            if !is_late
                && is_theirs
                && is_wanted(&entry)
                && has_status(&entry, filter.status.as_deref())
            {
                found.push(entry_json(seq, &entry));
            }
            Ok(found.len() < filter.limit)
        };
        match &only {
            // A phone's replies may concern no appointment: they are found by looking at all.
            Some(seqs) if filter.phone.is_none() => {
                for seq in seqs.iter().rev() {
                    let Some(row) = self.store.get(&rows::journal(*seq)?)? else { continue };
                    if !add(*seq, &row.value)? {
                        break;
                    }
                }
            }
            Some(_) | None => self.scan(Table::Journal, Order::Descending, |key, row| {
                rows::seq_of(key).map_or(Ok(true), |seq| add(seq, &row.value))
            })?,
        }
        Ok(found)
    }

    /// The entries of the appointments that a filter names; `None` if it names none.
    fn entries_of(&self, filter: &Filter) -> Result<Option<BTreeSet<Seq>>, Error> {
        let mut named = Filter { status: None, since: None, until: None, ..filter.clone() };
        if let Some(name) = &filter.appointment {
            if let Some(row) = self.by_key(name)? {
                return Ok(Some(row.history.into_iter().collect()));
            }
            // A number may be that of several rows.
            named = Filter { appointment: Some(name.clone()), ..Filter::default() };
        } else if filter.patient.is_none() && filter.phone.is_none() {
            return Ok(None);
        }
        let mut seqs = BTreeSet::new();
        self.scan(Table::Appointment, Order::Ascending, |_, row| {
            let row: Appointment = rows::decode(Table::Appointment, &row.value)?;
            if is_wanted(&row, &named) {
                seqs.extend(row.history);
            }
            Ok(true)
        })?;
        Ok(Some(seqs))
    }

    fn timers(&self, filter: &Filter) -> Result<Vec<Value>, Error> {
        let mut found = Vec::new();
        self.scan(Table::Due, Order::Ascending, |key, row| {
            let wake: rows::Wake = rows::decode(Table::Due, &row.value)?;
            let rows::Wake::Appointment(name, _) = wake else { return Ok(true) };
            let at = key.due_at().and_then(|at| at.timestamp());
            if filter.until.zip(at).is_some_and(|(until, at)| at > until) {
                return Ok(false);
            }
            if filter.since.zip(at).is_some_and(|(since, at)| at < since) {
                return Ok(true);
            }
            let Some(row) = self.store.get(&rows::appointment(&name)?)? else { return Ok(true) };
            let row: Appointment = rows::decode(Table::Appointment, &row.value)?;
            if is_wanted(&row, &Filter { since: None, until: None, ..filter.clone() }) {
                for timer in &row.timers {
                    found.push(json!({
                        "due": timer.due, "kind": timer.kind, "appointment": row.key,
                        "generation": row.generation, "status": row.status,
                    }));
                }
            }
            Ok(found.len() < filter.limit)
        })?;
        Ok(found)
    }

    fn outbox(&self, filter: &Filter) -> Result<Vec<Value>, Error> {
        let named = self.named(filter)?;
        let mut found = Vec::new();
        self.scan(Table::Outbox, Order::Descending, |_, row| {
            let row: Outgoing = rows::decode(Table::Outbox, &row.value)?;
            let wanted = [
                filter.status.as_deref().is_none_or(|status| row.state.name() == status),
                filter.since.is_none_or(|since| row.created_at >= since),
                filter.until.is_none_or(|until| row.created_at <= until),
                is_about(&row, filter.phone.as_ref(), named.as_ref()),
            ];
            if wanted.into_iter().all(|holds| holds) {
                found.push(outgoing_json(&row));
            }
            Ok(found.len() < filter.limit)
        })?;
        Ok(found)
    }

    fn quarantine(&self, filter: &Filter) -> Result<Vec<Value>, Error> {
        let mut found = Vec::new();
        self.scan(Table::Quarantine, Order::Descending, |key, _| {
            let Some(seq) = rows::seq_of(key) else { return Ok(true) };
            let Some((entry, raw)) = self.entry(seq)? else { return Ok(true) };
            let is_in_time = filter.since.is_none_or(|since| entry.at >= since)
                && filter.until.is_none_or(|until| entry.at <= until);
            if is_in_time {
                let bytes = json!({ "bytes": raw.len() });
                found.push(joined(entry_json(seq, &entry), bytes));
            }
            Ok(found.len() < filter.limit)
        })?;
        Ok(found)
    }
}

/// Whether an entry is a text from this phone.
fn is_from(entry: &Entry, phone: Option<&PhoneNumber>) -> bool {
    matches!(&entry.cause, Cause::Reply { from, .. } if Some(from) == phone)
}

pub(super) fn is_wanted(row: &Appointment, filter: &Filter) -> bool {
    let starts = row.start.as_ref().map(|start| start.instant);
    let checks = [
        filter.patient.as_ref().is_none_or(|id| {
            row.patient.id.as_ref() == Some(id) || row.patient.ids.iter().any(|i| i.value == *id)
        }),
        filter.phone.is_none() || filter.phone == row.patient.phone,
        filter.appointment.as_ref().is_none_or(|name| {
            row.key.as_str() == name || row.ids.iter().any(|id| id.value == *name)
        }),
        filter.status.as_deref().is_none_or(|status| row.status.name() == status),
        filter.since.is_none_or(|since| starts.is_some_and(|at| at >= since)),
        filter.until.is_none_or(|until| starts.is_some_and(|at| at <= until)),
    ];
    checks.into_iter().all(|holds| holds)
}

fn is_about(row: &Outgoing, phone: Option<&PhoneNumber>, named: Option<&Named>) -> bool {
    let is_named = |key: &AppointmentKey| named.is_none_or(|named| named.has(key));
    match &row.effect {
        Effect::SendSms(sms) => {
            phone.is_none_or(|phone| sms.to == *phone)
                && (named.is_none() || sms.about.iter().any(|about| is_named(&about.appointment)))
        }
        Effect::ReadFhir(_) | Effect::CallHttp(_) => phone.is_none() && named.is_none(),
        Effect::SendHl7(write_back)
        | Effect::UpdateFhir(write_back)
        | Effect::PostJson(write_back) => phone.is_none() && is_named(&write_back.appointment),
    }
}

fn has_status(entry: &Entry, status: Option<&str>) -> bool {
    let Some(status) = status else { return true };
    match &entry.cause {
        Cause::Message(meta) => match &meta.filed {
            Filed::Events(_) => entry.outcomes.iter().any(|o| o.event.eq_ignore_ascii_case(status)),
            Filed::Noted(_) => status == "noted",
            Filed::NoEvent(_) => status == "no_event",
            Filed::Quarantined(_) => status == "quarantined",
        },
        Cause::Timer
        | Cause::Reply { .. }
        | Cause::Send { .. }
        | Cause::Delivery { .. }
        | Cause::Operator { .. } => {
            entry.outcomes.iter().any(|o| o.event.eq_ignore_ascii_case(status))
        }
    }
}
