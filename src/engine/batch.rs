//! One batch of turns: what was loaded, what was changed, and the commit that it comes to.
//!
//! Turns of a batch see each other's changes; a row that several of them touch is written once.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::moment::{self, Moment};
use super::outreach;
use super::rows::{self, Unreadable};
use crate::core::appointment::{self, Appointment};
use crate::core::campaign::{Campaign, CampaignId, Session, SessionId};
use crate::core::contact::Contact;
use crate::core::delivery::{Outgoing, State};
use crate::core::gate::{Gate, gate_of};
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

/// A row as loaded, and as changed.
#[derive(Debug)]
struct Held<V> {
    /// What the commit requires; nothing of a row whose key is new by its making.
    version: Option<Version>,
    before: Option<V>,
    after: Option<V>,
}

impl<V> Held<V> {
    fn latest(&self) -> Option<&V> {
        self.after.as_ref().or(self.before.as_ref())
    }
}

type Rows<K, V> = BTreeMap<K, Held<V>>;

/// A batch of turns over a store.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    store: &'a dyn Store,
    appointments: Rows<AppointmentKey, Appointment>,
    contacts: Rows<PhoneNumber, Contact>,
    outbox: Rows<OutboxId, Outgoing>,
    gates: Rows<SourceName, Gate>,
    campaigns: Rows<CampaignId, Campaign>,
    sessions: Rows<SessionId, Session>,
    /// Rows of the outbox that are done and leave nothing behind.
    gone: BTreeSet<OutboxId>,
    /// Of rows that were put in this batch: another turn may know them by another identifier.
    aliases: BTreeMap<Key, AppointmentKey>,
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
            gates: BTreeMap::new(),
            campaigns: BTreeMap::new(),
            sessions: BTreeMap::new(),
            gone: BTreeSet::new(),
            aliases: BTreeMap::new(),
            plain: BTreeMap::new(),
            spent: Vec::new(),
            puts: Vec::new(),
        }
    }

    pub(crate) fn appointment(
        &mut self,
        key: &AppointmentKey,
    ) -> Result<Option<Appointment>, Error> {
        Ok(self.held_appointment(key)?.latest().cloned())
    }

    fn held_appointment(&mut self, key: &AppointmentKey) -> Result<&mut Held<Appointment>, Error> {
        load(self.store, &mut self.appointments, key, rows::appointment)
    }

    pub(crate) fn contact(&mut self, phone: &PhoneNumber) -> Result<Option<Contact>, Error> {
        Ok(load(self.store, &mut self.contacts, phone, rows::contact)?.latest().cloned())
    }

    pub(crate) fn outgoing(&mut self, id: &OutboxId) -> Result<Option<Outgoing>, Error> {
        Ok(load(self.store, &mut self.outbox, id, rows::outbox)?.latest().cloned())
    }

    /// Finds the appointment that one of these identifiers belongs to; the first that is known
    /// decides.
    pub(crate) fn find(
        &mut self,
        source: &SourceName,
        ids: &[Identifier],
    ) -> Result<Option<AppointmentKey>, Error> {
        for id in ids {
            if id.system == Identifier::FILLER {
                let key = AppointmentKey::of(source, id);
                if self.held_appointment(&key)?.latest().is_some() {
                    return Ok(Some(key));
                }
            }
            let alias = rows::alias(source, id)?;
            let key = match self.aliases.get(&alias) {
                Some(key) => Some(key.clone()),
                None => match self.plain(&alias)? {
                    Some(bytes) => Some(rows::decode(Table::Alias, &bytes)?),
                    None => None,
                },
            };
            let Some(key) = key else { continue };
            let known = self.held_appointment(&key)?.latest();
            if !known.is_some_and(|known| contradict(ids, &known.ids)) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// The appointment that is this resource of a server, if one is.
    pub(crate) fn find_resource(
        &mut self,
        server: &SourceName,
        id: &str,
    ) -> Result<Option<AppointmentKey>, Error> {
        let alias = rows::resource(server, id)?;
        if let Some(key) = self.aliases.get(&alias) {
            return Ok(Some(key.clone()));
        }
        let row = self.plain(&alias)?;
        Ok(row.map(|bytes| rows::decode(Table::Alias, &bytes)).transpose()?)
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
        let held = load(self.store, &mut self.appointments, &row.key, rows::appointment)?;
        let known = held.latest().map_or(&[][..], |latest| &latest.ids);
        for id in names(&row).filter(|id| !known.contains(id)) {
            self.aliases.insert(rows::alias(&row.source, id)?, row.key.clone());
        }
        let known = held.latest().map(|latest| &latest.resources);
        for (server, resource) in resources(&row, known) {
            self.aliases.insert(rows::resource(server, resource)?, row.key.clone());
        }
        held.after = Some(row);
        Ok(())
    }

    pub(crate) fn put_contact(&mut self, row: Contact) -> Result<(), Error> {
        let held = load(self.store, &mut self.contacts, &row.phone, rows::contact)?;
        held.after = Some(row);
        Ok(())
    }

    pub(crate) fn put_outgoing(&mut self, row: Outgoing) -> Result<(), Error> {
        let held = load(self.store, &mut self.outbox, &row.id, rows::outbox)?;
        held.after = Some(row);
        Ok(())
    }

    /// Takes away a row of the outbox.
    pub(crate) fn remove_outgoing(&mut self, id: &OutboxId) -> Result<(), Error> {
        load(self.store, &mut self.outbox, id, rows::outbox)?;
        self.gone.insert(id.clone());
        Ok(())
    }

    /// Puts a row of the outbox whose id was made in this turn, so that there cannot be another.
    pub(crate) fn add_outgoing(&mut self, row: Outgoing) {
        let held = Held { version: None, before: None, after: Some(row.clone()) };
        self.outbox.insert(row.id, held);
    }

    pub(crate) fn gate(&mut self, source: &SourceName) -> Result<Option<Gate>, Error> {
        Ok(load(self.store, &mut self.gates, source, rows::gate)?.latest().cloned())
    }

    pub(crate) fn put_gate(&mut self, row: Gate) -> Result<(), Error> {
        let held = load(self.store, &mut self.gates, &row.source, rows::gate)?;
        held.after = Some(row);
        Ok(())
    }

    pub(crate) fn campaign(&mut self, id: &CampaignId) -> Result<Option<Campaign>, Error> {
        Ok(load(self.store, &mut self.campaigns, id, rows::campaign)?.latest().cloned())
    }

    pub(crate) fn put_campaign(&mut self, row: Campaign) -> Result<(), Error> {
        let held = load(self.store, &mut self.campaigns, &row.id, rows::campaign)?;
        held.after = Some(row);
        Ok(())
    }

    pub(crate) fn session(&mut self, id: &SessionId) -> Result<Option<Session>, Error> {
        Ok(load(self.store, &mut self.sessions, id, rows::session)?.latest().cloned())
    }

    pub(crate) fn put_session(&mut self, row: Session) -> Result<(), Error> {
        let held = load(self.store, &mut self.sessions, &row.id, rows::session)?;
        held.after = Some(row);
        Ok(())
    }

    /// The ids of a campaign's recipients behind a row, in their order, as the store has them.
    pub(crate) fn recipients(
        &self,
        campaign: &CampaignId,
        behind: u64,
        limit: usize,
    ) -> Result<Vec<SessionId>, Error> {
        outreach::recipients(self.store, campaign, behind, limit)
    }

    pub(crate) fn put_entry(
        &mut self,
        seq: Seq,
        entry: &rows::Entry,
        raw: &[u8],
    ) -> Result<(), Error> {
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
            index_moment(&mut commit, &held, moment::appointment_wake, &self.spent)?;
            if let Some(after) = &held.after {
                index_ids(&mut commit, held.before.as_ref(), after)?;
            }
            write(&mut commit, rows::appointment(&key)?, &held);
        }
        for (phone, held) in self.contacts {
            write(&mut commit, rows::contact(&phone)?, &held);
        }
        for (id, held) in self.outbox {
            if self.gone.contains(&id) {
                index_outbox(&mut commit, held.before.as_ref(), None, &self.spent)?;
                commit.delete(rows::outbox(&id)?);
                continue;
            }
            let after = held.after.as_ref().or(held.before.as_ref());
            index_outbox(&mut commit, held.before.as_ref(), after, &self.spent)?;
            write(&mut commit, rows::outbox(&id)?, &held);
        }
        for (source, held) in self.gates {
            write(&mut commit, rows::gate(&source)?, &held);
        }
        for (id, held) in self.campaigns {
            index_moment(&mut commit, &held, moment::campaign_wake, &self.spent)?;
            write(&mut commit, rows::campaign(&id)?, &held);
        }
        for (id, held) in self.sessions {
            index_moment(&mut commit, &held, moment::session_wake, &self.spent)?;
            write(&mut commit, rows::session(&id)?, &held);
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

fn load<'r, K: Ord + Clone, V: DeserializeOwned>(
    store: &dyn Store,
    rows: &'r mut Rows<K, V>,
    id: &K,
    key: impl FnOnce(&K) -> Result<Key, store::Error>,
) -> Result<&'r mut Held<V>, Error> {
    match rows.entry(id.clone()) {
        Entry::Occupied(held) => Ok(held.into_mut()),
        Entry::Vacant(place) => {
            let key = key(id)?;
            let row = read(store, &key)?;
            let version = Some(Version::of(row.as_ref()));
            let before = row.map(|row| rows::decode(key.table(), &row.value)).transpose()?;
            Ok(place.insert(Held { version, before, after: None }))
        }
    }
}

fn write<V: Serialize>(commit: &mut Commit, key: Key, held: &Held<V>) {
    if let Some(version) = held.version {
        commit.require(key.clone(), version);
    }
    if let Some(after) = &held.after {
        commit.put(key, rows::encode(after));
    }
}

/// Puts the next moment of a row into the table of moments, in place of the one before.
fn index_moment<V>(
    commit: &mut Commit,
    held: &Held<V>,
    wake: impl Fn(&V) -> Option<Moment>,
    spent: &[Key],
) -> Result<(), Error> {
    let wakes = (held.before.as_ref().and_then(&wake), held.latest().and_then(&wake));
    moment::index(commit, wakes, spent)
}

fn index_ids(
    commit: &mut Commit,
    before: Option<&Appointment>,
    after: &Appointment,
) -> Result<(), Error> {
    let known = before.map_or(&[][..], |before| &before.ids);
    for id in names(after).filter(|id| !known.contains(id)) {
        commit.put(rows::alias(&after.source, id)?, rows::encode(&after.key));
    }
    for (server, resource) in resources(after, before.map(|before| &before.resources)) {
        commit.put(rows::resource(server, resource)?, rows::encode(&after.key));
    }
    Ok(())
}

/// The resources that a row is found by, which it was not known as before.
fn resources<'a>(
    row: &'a Appointment,
    known: Option<&BTreeMap<SourceName, appointment::Held>>,
) -> Vec<(&'a SourceName, &'a str)> {
    let is_known = |server: &SourceName, id: &str| {
        let held = known.and_then(|known| known.get(server));
        held.is_some_and(|held| held.id == id)
    };
    let all = row.resources.iter().map(|(server, held)| (server, held.id.as_str()));
    all.filter(|(server, id)| row.sharing.part.is_first() && !is_known(server, id)).collect()
}

/// Whether the main number of a message is another one than the row's of the same system. What they
/// share then is no number of one appointment: a sequence number, a constant, an encounter.
fn contradict(said: &[Identifier], known: &[Identifier]) -> bool {
    let Some(main) = said.first() else { return false };
    let mut same_system = known.iter().filter(|id| id.system == main.system).peekable();
    same_system.peek().is_some() && !same_system.any(|id| id.value == main.value)
}

/// The identifiers that a row is found by, besides its key. One of several rows under a number has
/// none: it is found by way of the row that has the number for its key. A filler's number that the
/// key is made of needs no other entry either; `find` looks there.
fn names(row: &Appointment) -> impl Iterator<Item = &Identifier> {
    let is_key = |id: &&Identifier| {
        id.system == Identifier::FILLER && AppointmentKey::of(&row.source, id) == row.key
    };
    row.ids.iter().filter(move |id| row.sharing.part.is_first() && !is_key(id))
}

fn index_outbox(
    commit: &mut Commit,
    before: Option<&Outgoing>,
    after: Option<&Outgoing>,
    spent: &[Key],
) -> Result<(), Error> {
    let old = before.map_or(Ok(None), place)?;
    let new = after.map_or(Ok(None), place)?;
    // A row that was called up and stays as it is has to be called up again.
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

/// Where a row of the outbox waits: in its lane, or behind its source's gate.
fn place(row: &Outgoing) -> Result<Option<Key>, Error> {
    match row.state {
        State::Ready | State::Sending | State::InDoubt => Ok(Some(rows::ready(row)?)),
        State::Held => Ok(gate_of(row).map(|source| rows::held(&source, &row.id)).transpose()?),
        State::Accepted | State::Delivered | State::Failed | State::Void => Ok(None),
    }
}
