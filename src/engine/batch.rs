//! One batch of turns: what was loaded, what was changed, and the commit that it comes to.
//!
//! Turns of a batch see each other's changes; a row that several of them touch is written once.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::rows::{self, Entry, Unreadable};
use crate::clock::Timestamp;
use crate::core::appointment::Appointment;
use crate::core::contact::Contact;
use crate::core::delivery::Outgoing;
use crate::core::effect::Task;
use crate::core::ids::{AppointmentKey, Identifier, OutboxId, Seq, SourceName};
use crate::core::phone::PhoneNumber;
use crate::store::{self, Commit, Key, Row, Store, Table, Version};

/// Why a turn could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A row is of a form that this version does not know.
    #[error(transparent)]
    Row(#[from] Unreadable),
}

/// Rows of one table, as loaded and as changed.
#[derive(Debug)]
struct Held<V> {
    version: Version,
    before: Option<V>,
    after: Option<V>,
    is_changed: bool,
}

type Rows<K, V> = BTreeMap<K, Held<V>>;

/// A batch of turns over a store.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    store: &'a dyn Store,
    appointments: Rows<AppointmentKey, Appointment>,
    contacts: Rows<PhoneNumber, Contact>,
    outbox: Rows<OutboxId, Outgoing>,
    plain: BTreeMap<Key, (Version, Option<Vec<u8>>)>,
    spent: Vec<Key>,
    puts: Vec<(Key, Option<Vec<u8>>)>,
}

impl<'a> Batch<'a> {
    pub(crate) const fn new(store: &'a dyn Store) -> Self {
        Self {
            store,
            appointments: BTreeMap::new(),
            contacts: BTreeMap::new(),
            outbox: BTreeMap::new(),
            plain: BTreeMap::new(),
            spent: Vec::new(),
            puts: Vec::new(),
        }
    }

    pub(crate) fn appointment(
        &mut self,
        key: &AppointmentKey,
    ) -> Result<Option<Appointment>, Error> {
        load(self.store, &mut self.appointments, key, || rows::appointment(key))
    }

    pub(crate) fn contact(&mut self, phone: &PhoneNumber) -> Result<Option<Contact>, Error> {
        load(self.store, &mut self.contacts, phone, || rows::contact(phone))
    }

    pub(crate) fn outgoing(&mut self, id: &OutboxId) -> Result<Option<Outgoing>, Error> {
        load(self.store, &mut self.outbox, id, || rows::outbox(id))
    }

    /// Finds the appointment that one of these identifiers belongs to; the first that is known
    /// decides.
    pub(crate) fn find(
        &mut self,
        source: &SourceName,
        ids: &[Identifier],
    ) -> Result<Option<AppointmentKey>, Error> {
        for id in ids {
            let key = AppointmentKey::of(source, id);
            if self.appointment(&key)?.is_some() {
                return Ok(Some(key));
            }
            if let Some(bytes) = self.plain(&rows::alias(source, id)?)? {
                return Ok(Some(rows::decode(Table::Alias, &bytes)?));
            }
        }
        Ok(None)
    }

    /// Reads a row that is not cached by type.
    pub(crate) fn plain(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        if let Some((_, value)) = self.plain.get(key) {
            return Ok(value.clone());
        }
        let row = read(self.store, key)?;
        let version = Version::of(row.as_ref());
        let value = row.map(|row| row.value);
        self.plain.insert(key.clone(), (version, value.clone()));
        Ok(value)
    }

    /// Changes a row that is not cached by type.
    pub(crate) fn put_plain(&mut self, key: Key, value: Option<Vec<u8>>) {
        if let Some((_, held)) = self.plain.get_mut(&key) {
            held.clone_from(&value);
        }
        self.puts.push((key, value));
    }

    /// Takes away an entry of a time index that has served, so that it cannot come up again
    /// whatever is decided.
    pub(crate) fn spend(&mut self, key: &Key) {
        self.spent.push(key.clone());
    }

    pub(crate) fn put_appointment(&mut self, row: Appointment) -> Result<(), Error> {
        self.appointment(&row.key)?;
        change(&mut self.appointments, row.key.clone(), row);
        Ok(())
    }

    pub(crate) fn put_contact(&mut self, row: Contact) -> Result<(), Error> {
        self.contact(&row.phone)?;
        change(&mut self.contacts, row.phone.clone(), row);
        Ok(())
    }

    pub(crate) fn put_outgoing(&mut self, row: Outgoing) -> Result<(), Error> {
        self.outgoing(&row.id)?;
        change(&mut self.outbox, row.id.clone(), row);
        Ok(())
    }

    pub(crate) fn put_task(&mut self, seq: Seq, index: usize, task: &Task) -> Result<(), Error> {
        self.puts.push((rows::task(seq, index)?, Some(rows::encode(task))));
        Ok(())
    }

    pub(crate) fn put_entry(&mut self, seq: Seq, entry: &Entry, raw: &[u8]) -> Result<(), Error> {
        self.puts.push((rows::journal(seq)?, Some(rows::encode_entry(entry, raw))));
        Ok(())
    }

    /// What the batch comes to.
    pub(crate) fn into_commit(self) -> Result<Commit, Error> {
        let mut commit = Commit::default();
        // First, so that an index entry that is written anew below stays.
        for key in &self.spent {
            commit.delete(key.clone());
        }
        for (key, held) in self.appointments {
            let row_key = rows::appointment(&key)?;
            index_timers(&mut commit, held.before.as_ref(), held.after.as_ref(), &self.spent)?;
            if held.is_changed {
                index_ids(&mut commit, held.before.as_ref(), held.after.as_ref())?;
            }
            write(&mut commit, row_key, &held);
        }
        for (phone, held) in self.contacts {
            write(&mut commit, rows::contact(&phone)?, &held);
        }
        for (id, held) in self.outbox {
            index_outbox(&mut commit, held.before.as_ref(), held.after.as_ref(), &self.spent)?;
            write(&mut commit, rows::outbox(&id)?, &held);
        }
        for (key, (version, _)) in self.plain {
            commit.require(key, version);
        }
        for (key, value) in self.puts {
            commit.writes.push(store::Write { key, value });
        }
        Ok(commit)
    }
}

/// Reads a row for a decision: so that the store need not look again when the commit asks for it.
fn read(store: &dyn Store, key: &Key) -> Result<Option<Row>, store::Error> {
    Ok(store.snapshot(std::slice::from_ref(key))?.pop().flatten())
}

fn load<K: Ord + Clone, V: DeserializeOwned + Clone>(
    store: &dyn Store,
    rows: &mut Rows<K, V>,
    id: &K,
    key: impl FnOnce() -> Result<Key, store::Error>,
) -> Result<Option<V>, Error> {
    if let Some(held) = rows.get(id) {
        return Ok(held.after.clone());
    }
    let key = key()?;
    let row = read(store, &key)?;
    let version = Version::of(row.as_ref());
    let value: Option<V> = match &row {
        Some(row) => Some(rows::decode(key.table(), &row.value)?),
        None => None,
    };
    let held = Held { version, before: value.clone(), after: value.clone(), is_changed: false };
    rows.insert(id.clone(), held);
    Ok(value)
}

fn change<K: Ord, V>(rows: &mut Rows<K, V>, id: K, row: V) {
    if let Some(held) = rows.get_mut(&id) {
        held.after = Some(row);
        held.is_changed = true;
    }
}

fn write<V: Serialize>(commit: &mut Commit, key: Key, held: &Held<V>) {
    commit.require(key.clone(), held.version);
    if held.is_changed {
        commit.writes.push(store::Write { key, value: held.after.as_ref().map(rows::encode) });
    }
}

fn index_timers(
    commit: &mut Commit,
    before: Option<&Appointment>,
    after: Option<&Appointment>,
    spent: &[Key],
) -> Result<(), Error> {
    let wake =
        |row: &Appointment| -> Option<(Timestamp, u32)> { Some((row.next_due()?, row.generation)) };
    let (old, new) = (before.and_then(wake), after.and_then(wake));
    let key = |wake: Option<(Timestamp, u32)>, row: Option<&Appointment>| match (wake, row) {
        (Some((at, _)), Some(row)) => rows::due(at, &row.key).map(Some),
        (Some(_) | None, _) => Ok(None),
    };
    let (old_key, new_key) = (key(old, before)?, key(new, after)?);
    // A row that was called up and stays as it is has to be called up again.
    if old == new && new_key.as_ref().is_none_or(|key| !spent.contains(key)) {
        return Ok(());
    }
    if let Some(old_key) = old_key {
        commit.delete(old_key);
    }
    if let (Some(new_key), Some((_, generation)), Some(row)) = (new_key, new, after) {
        commit.put(new_key, rows::encode(&(&row.key, generation)));
    }
    Ok(())
}

fn index_ids(
    commit: &mut Commit,
    before: Option<&Appointment>,
    after: Option<&Appointment>,
) -> Result<(), Error> {
    let Some(after) = after else { return Ok(()) };
    let known = before.map_or(&[][..], |before| &before.ids);
    for id in after.ids.iter().filter(|id| !known.contains(id)) {
        // The identifier that the key is made of needs no other entry.
        if AppointmentKey::of(&after.source, id) != after.key {
            commit.put(rows::alias(&after.source, id)?, rows::encode(&after.key));
        }
    }
    Ok(())
}

fn index_outbox(
    commit: &mut Commit,
    before: Option<&Outgoing>,
    after: Option<&Outgoing>,
    spent: &[Key],
) -> Result<(), Error> {
    let waits = |row: &&Outgoing| !row.state.is_final();
    let old = before.filter(waits).map(rows::ready).transpose()?;
    let new = after.filter(waits).map(rows::ready).transpose()?;
    if old == new && new.as_ref().is_none_or(|key| !spent.contains(key)) {
        return Ok(());
    }
    if let Some(old) = old {
        commit.delete(old);
    }
    if let (Some(new), Some(row)) = (new, after) {
        commit.put(new, rows::encode(&row.id));
    }
    Ok(())
}
