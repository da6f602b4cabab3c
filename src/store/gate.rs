//! One commit at a time, and none after a failure.
//!
//! A [`Logged`] holds the turn from the moment a commit is durable until it is visible. If it is
//! dropped in between, memory lacks what the disk has, so the store is poisoned: it takes no more
//! commits until it is opened again and the log is replayed.

use std::fmt;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;

use crate::store::{Error, Version, Write};

/// A commit that is durable and waits to be applied.
#[must_use = "a durable commit that is not applied poisons the store"]
pub struct Logged {
    pub(super) version: Version,
    pub(super) writes: Vec<Write>,
    ticket: Ticket,
}

impl Logged {
    pub(super) fn new(mut ticket: Ticket, version: Version, writes: Vec<Write>) -> Self {
        ticket.is_durable = true;
        Self { version, writes, ticket }
    }

    /// Takes the writes for applying; the turn ends when the second part is dropped.
    pub(super) fn take(mut self, gate: &Arc<Gate>) -> Result<(Vec<Write>, Ticket), Error> {
        if !Arc::ptr_eq(&self.ticket.gate, gate) {
            return Err(Error::Misuse { rule: "a commit is applied to the store that logged it" });
        }
        self.ticket.is_durable = false;
        Ok((mem::take(&mut self.writes), self.ticket))
    }
}

impl fmt::Debug for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logged({} writes, version {})", self.writes.len(), self.version.0)
    }
}

/// Hands out turns.
#[derive(Debug, Default)]
pub(super) struct Gate {
    turn: Mutex<Option<ThreadId>>,
    free: Condvar,
    poison: OnceLock<&'static str>,
}

impl Gate {
    /// Waits for the turn.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Ticket, Error> {
        let me = std::thread::current().id();
        let mut turn = lock(&self.turn);
        while let Some(holder) = *turn {
            if holder == me {
                return Err(Error::Misuse { rule: "a commit is applied before the next one" });
            }
            turn = self.free.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        self.check()?;
        *turn = Some(me);
        Ok(Ticket { gate: Arc::clone(self), is_durable: false })
    }

    /// Refuses once the store is poisoned.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.poison.get().map_or(Ok(()), |cause| Err(Error::Poisoned { cause }))
    }

    /// Lets no further commit in; the first cause stays.
    pub(super) fn poison(&self, cause: &'static str) {
        let _cause = self.poison.get_or_init(|| cause);
    }
}

/// The turn to commit, given back when dropped.
pub(super) struct Ticket {
    gate: Arc<Gate>,
    is_durable: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_durable {
            self.gate.poison("a durable commit was dropped before it was applied");
        }
        *lock(&self.gate.turn) = None;
        self.gate.free.notify_one();
    }
}

/// Locks even if a thread panicked meanwhile: what the locks protect is changed in single steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
