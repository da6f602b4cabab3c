//! Bringing what was committed from memory into the base, behind the writer's back.
//!
//! When a log segment is full, its rows are frozen, still readable, and queued here. A thread puts
//! them into the base in key order, each row once however often it was written, makes that durable,
//! marks how far it got, and only then gives the segment back. Whatever is interrupted is done
//! again from the log at the next open: puts and deletes may be repeated.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::store::base::{Base, guarded};
use crate::store::disk::{Disk, Step};
use crate::store::gate::{Gate, lock};
use crate::store::mark::{Mark, MarkFile};
use crate::store::rows::{Found, Rows, Slot};
use crate::store::{Error, Key, Table, TableStats, record};

/// A report lists no more damaged keys than this; it counts all.
const DAMAGED_KEYS_MAX: usize = 1000;

/// A checkpoint tells how far it is this many times.
const PARTS: u64 = 64;

/// The rows of a full log segment, no longer changing.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) rows: Rows,
    /// The last commit among them.
    pub(super) last_sequence: u64,
    /// The segment that holds them too until the base does.
    pub(super) segment: usize,
}

/// The base, its mark, and what waits to go there.
#[derive(Debug)]
pub(super) struct Checkpointer {
    pub(super) base: Base,
    /// Held while the base changes, or must not.
    pub(super) marked: Mutex<Marked>,
    disk: Arc<dyn Disk>,
    latest: Mutex<Mark>,
    queue: Mutex<Queue>,
    changed: Condvar,
    is_writer_waiting: AtomicBool,
}

/// The mark and the file that it is in.
#[derive(Debug)]
pub(super) struct Marked {
    pub(super) mark: Mark,
    file: MarkFile,
}

#[derive(Debug, Default)]
struct Queue {
    pending: VecDeque<Arc<Frozen>>,
    free: Vec<usize>,
    /// How much of the oldest pending rows is in the base, of [`PARTS`].
    done: u64,
    is_stopping: bool,
}

/// What a walk over the base found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) tables: BTreeMap<Table, TableStats>,
    pub(super) damaged_rows: u64,
    pub(super) damaged_keys: Vec<Key>,
}

impl Checkpointer {
    pub(super) fn new(disk: Arc<dyn Disk>, base: Base, file: MarkFile, mark: Mark) -> Self {
        Self {
            base,
            latest: Mutex::new(mark.clone()),
            marked: Mutex::new(Marked { mark, file }),
            disk,
            queue: Mutex::default(),
            changed: Condvar::new(),
            is_writer_waiting: AtomicBool::new(false),
        }
    }

    /// The last mark made durable.
    pub(super) fn latest(&self) -> Mark {
        lock(&self.latest).clone()
    }

    /// Makes a mark of another generation, so that what the log holds by now counts no more.
    pub(super) fn begin_generation(&self, generation: u64, sequence: u64) -> Result<(), Error> {
        if self.base.stamped()? < sequence {
            guarded(|| self.base.stamp(sequence))?;
            self.base.settle()?;
        }
        let mut marked = lock(&self.marked);
        marked.mark.generation = generation;
        marked.mark.sequence = sequence;
        marked.mark.is_applying = false;
        self.write_mark(&mut marked)
    }

    /// Counts the base anew, after an interruption in the middle of a change.
    pub(super) fn recount(&self) -> Result<(), Error> {
        lock(&self.marked).mark.tables = self.survey()?.tables;
        Ok(())
    }

    /// Puts rows into the base, makes them durable and marks that.
    pub(super) fn absorb(&self, rows: &Rows, last_sequence: u64) -> Result<(), Error> {
        let mut marked = lock(&self.marked);
        self.reached(Step::Begin)?;
        marked.mark.is_applying = true;
        self.write_mark(&mut marked)?;
        self.reached(Step::Apply)?;
        let mut tables = marked.mark.tables.clone();
        guarded(|| {
            self.change(rows, &mut tables)?;
            self.base.stamp(last_sequence)
        })?;
        self.reached(Step::Settle)?;
        self.base.settle()?;
        self.reached(Step::Mark)?;
        marked.mark.tables = tables;
        marked.mark.sequence = last_sequence;
        marked.mark.is_applying = false;
        self.write_mark(&mut marked)?;
        self.reached(Step::Done)
    }

    fn change(&self, rows: &Rows, tables: &mut BTreeMap<Table, TableStats>) -> Result<(), Error> {
        let mut scratch = Vec::new();
        let part = rows.len().div_ceil(usize::try_from(PARTS).unwrap_or(1)).max(1);
        for (number, (key, slot)) in rows.iter().enumerate() {
            if number == rows.len() / 2 {
                self.reached(Step::HalfApplied)?;
            }
            if number.is_multiple_of(part) {
                lock(&self.queue).done += 1;
                self.changed.notify_all();
            }
            let before = self.base.change(key, slot, &mut scratch)?;
            let stats = tables.entry(key.table()).or_default();
            // A base that lost rows has too few to take away; verify tells.
            if let Some(value) = before {
                stats.rows = stats.rows.saturating_sub(1);
                stats.bytes = stats.bytes.saturating_sub(row_bytes(key, value));
            }
            if let Slot { value: Some(value), .. } = slot {
                stats.rows += 1;
                stats.bytes += row_bytes(key, value.len());
            }
        }
        tables.retain(|_, stats| stats.rows > 0);
        Ok(())
    }

    fn write_mark(&self, marked: &mut Marked) -> Result<(), Error> {
        marked.file.write(&mut marked.mark)?;
        lock(&self.latest).clone_from(&marked.mark);
        Ok(())
    }

    fn reached(&self, step: Step) -> Result<(), Error> {
        self.disk.reached(step, self.base.folder())
    }

    /// Reads every row of the base and checks it; the caller holds `marked`, or is alone.
    pub(super) fn survey(&self) -> Result<Survey, Error> {
        let mut survey = Survey::default();
        guarded(|| {
            for entry in self.base.everything() {
                self.give_way("verify")?;
                let entry = entry?;
                let Found::Sealed(stored) = &entry.found else { continue };
                survey.add(Key::from_stored(&entry.key), stored);
            }
            Ok(())
        })?;
        Ok(survey)
    }

    /// Ends a long read while the writer waits for a segment.
    pub(super) fn give_way(&self, action: &'static str) -> Result<(), Error> {
        if self.is_writer_waiting.load(Ordering::Relaxed) {
            return Err(Error::Busy { action });
        }
        Ok(())
    }

    /// Queues frozen rows for the base.
    pub(super) fn push(&self, frozen: Arc<Frozen>) {
        lock(&self.queue).pending.push_back(frozen);
        self.changed.notify_all();
    }

    /// Adds a segment that may be written from its start.
    pub(super) fn add_free(&self, segment: usize) {
        lock(&self.queue).free.push(segment);
        self.changed.notify_all();
    }

    /// Holds a writer that is in its last segment back to the pace of the checkpoint, so that it
    /// waits a little at each commit instead of long at the end.
    pub(super) fn pace(&self, gate: &Gate, written: u64, segment: u64) -> Result<(), Error> {
        let part = written.saturating_mul(PARTS) / segment.max(1);
        let mut queue = lock(&self.queue);
        while queue.free.is_empty() && !queue.pending.is_empty() && queue.done < part {
            gate.check()?;
            self.is_writer_waiting.store(true, Ordering::Relaxed);
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        self.is_writer_waiting.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Waits for a segment whose commits the base holds.
    pub(super) fn take_free(&self, gate: &Gate) -> Result<usize, Error> {
        let mut queue = lock(&self.queue);
        loop {
            gate.check()?;
            if let Some(segment) = queue.free.pop() {
                self.is_writer_waiting.store(false, Ordering::Relaxed);
                return Ok(segment);
            }
            self.is_writer_waiting.store(true, Ordering::Relaxed);
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the base holds everything that was queued.
    pub(super) fn drain(&self, gate: &Gate) -> Result<(), Error> {
        let mut queue = lock(&self.queue);
        while !queue.pending.is_empty() {
            gate.check()?;
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Works until stopped; `forget` is called when the base holds the oldest frozen rows.
    pub(super) fn run(&self, gate: &Gate, forget: impl Fn()) {
        while let Some(frozen) = self.next() {
            let Err(error) = self.absorb(&frozen.rows, frozen.last_sequence) else {
                forget();
                {
                    let mut queue = lock(&self.queue);
                    queue.pending.pop_front();
                    queue.done = 0;
                }
                self.add_free(frozen.segment);
                continue;
            };
            tracing::error!(%error, "Checkpoint of the store failed");
            gate.poison("a checkpoint failed");
            // Under the queue's lock, so that no waiter misses the call between look and wait.
            let _queue = lock(&self.queue);
            self.changed.notify_all();
            return;
        }
    }

    fn next(&self) -> Option<Arc<Frozen>> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.is_stopping {
                return None;
            }
            if let Some(frozen) = queue.pending.front() {
                return Some(Arc::clone(frozen));
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets [`Checkpointer::run`] end after what it is doing.
    pub(super) fn stop(&self) {
        lock(&self.queue).is_stopping = true;
        self.changed.notify_all();
    }
}

impl Survey {
    fn add(&mut self, key: Option<Key>, stored: &[u8]) {
        let value = key.as_ref().and_then(|key| record::unseal(key, stored).ok());
        match (key, value) {
            (Some(key), Some((_version, value))) => {
                let stats = self.tables.entry(key.table()).or_default();
                stats.rows += 1;
                stats.bytes += row_bytes(&key, value.len());
            }
            (key, _damaged) => {
                self.damaged_rows += 1;
                let room = DAMAGED_KEYS_MAX.saturating_sub(self.damaged_keys.len());
                self.damaged_keys.extend(key.into_iter().take(room));
            }
        }
    }
}

fn row_bytes(key: &Key, value: usize) -> u64 {
    (key.stored().len() + value) as u64
}
