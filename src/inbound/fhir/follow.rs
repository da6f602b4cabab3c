//! Searches one FHIR server: at first, from time to time, and whenever something may be missing.
//!
//! A search that fails changes nothing and is begun anew; how far the last one came is in the store.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::desk::{Desk, NotTaken};
use super::plan::{Habit, Step, next};
use super::read::{appointment, code_of, is_of_one};
use super::search::{self, Seen, Ways};
use crate::clock::Timestamp;
use crate::core::feed::FeedReport;
use crate::core::local_time::Zone;

/// The first pause after a search that failed; it doubles each time.
const PAUSE_FIRST: TimeDelta = TimeDelta::seconds(5);
/// The longest pause.
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(10);
/// How long at most until it is looked again at what is wanted.
const LOOK_EVERY: TimeDelta = TimeDelta::minutes(1);

/// How a server is searched.
#[derive(Debug, Clone)]
pub struct Options {
    /// How it is asked.
    pub ways: Ways,
    /// The pause between two searches.
    pub interval: Option<std::time::Duration>,
    /// How far a search reaches back behind the last change seen: what is committed late bears an
    /// earlier time.
    pub overlap: TimeDelta,
    /// When, by the zone's clock, everything is compared.
    pub compare_at: Option<chrono::NaiveTime>,
    /// The zone of the server.
    pub zone: Zone,
}

/// Searches a server.
#[derive(Debug)]
pub struct Follower {
    desk: Arc<Desk>,
    options: Options,
}

impl Follower {
    /// Prepares the searches of a server.
    #[must_use]
    pub const fn new(desk: Arc<Desk>, options: Options) -> Self {
        Self { desk, options }
    }

    /// Searches until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let habit = Habit {
            interval: self.options.interval,
            compare_at: self.options.compare_at.map(|time| (time, self.options.zone)),
            always_all: !self.options.ways.actors.is_empty(),
        };
        // What a server told while nobody listened is lost: it gives up long before the next search.
        self.desk.report(FeedReport::Behind).await;
        let mut failures = 0;
        loop {
            let now = self.desk.clock.now();
            let step = self
                .desk
                .feed()
                .map_or(Step::Wait(now + LOOK_EVERY), |feed| next(&feed, &habit, now));
            let until = match step {
                Step::Wait(until) => until.min(now + LOOK_EVERY),
                step @ (Step::Since(_) | Step::All) => {
                    let done = tokio::select! {
                        done = self.search(step, now) => done,
                        () = stop.cancelled() => return,
                    };
                    match self.judge(done, &mut failures) {
                        None => continue,
                        Some(pause) => self.desk.clock.now() + pause,
                    }
                }
            };
            let is_failing = failures > 0;
            tokio::select! {
                () = self.desk.clock.sleep_until(until) => {}
                // What is wanted now is not wanted sooner than the server can be asked again.
                () = self.desk.bell.notified(), if !is_failing => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Notes how a search went; how long to pause, if it failed.
    fn judge(&self, done: Result<(), NotTaken>, failures: &mut i32) -> Option<TimeDelta> {
        let server = self.desk.name.as_str();
        let Err(fault) = done else {
            if *failures > 0 {
                info!(server, "The server can be searched again");
            }
            *failures = 0;
            self.desk.note_search(None);
            self.desk.metrics.searched(&self.desk.name, "done");
            return None;
        };
        let code = code_of(fault);
        warn!(server, code, "A search has failed");
        self.desk.note_search(Some(code));
        self.desk.metrics.searched(&self.desk.name, "failed");
        let pause = (PAUSE_FIRST * (1 << (*failures).min(10))).min(PAUSE_MAX);
        *failures = failures.saturating_add(1);
        Some(pause)
    }

    async fn search(&self, step: Step, began: Timestamp) -> Result<(), NotTaken> {
        let desk = &self.desk;
        desk.server.until_open().await;
        let (seen, everything) = match step {
            Step::Wait(_) => return Ok(()),
            Step::Since(cursor) => {
                let from = cursor - self.options.overlap;
                (search::since(desk, &self.options.ways, from).await?, false)
            }
            Step::All => (self.all(began).await?, true),
        };
        // A date in the future would hide everything until then, and what changes while we read bears a
        // later one than when we began.
        let cursor = seen.latest.map(|latest| latest.min(began));
        let report = FeedReport::Searched { began, cursor, everything };
        if !desk.report(report).await {
            return Err(NotTaken::NotStored);
        }
        Ok(())
    }

    /// Reads everything ahead, and what we hold and did not see.
    async fn all(&self, began: Timestamp) -> Result<Seen, NotTaken> {
        let desk = &self.desk;
        // Yesterday, in case the server counts days in another zone.
        let today = self.options.zone.date(began) - TimeDelta::days(1);
        let seen = search::all(desk, &self.options.ways, today).await?;
        let (view, name) = (desk.handle.view(), desk.name.clone());
        let held = tokio::task::spawn_blocking(move || view.held_at(&name, began)).await;
        let Ok(Ok(held)) = held else { return Err(NotTaken::NotStored) };
        let missing = held
            .into_iter()
            .filter(|(id, row)| !row.status.is_off() && !seen.ids.contains(id))
            .map(|(id, _)| id);
        for id in missing {
            match appointment(desk, &id).await {
                Ok(()) => {}
                Err(fault) if is_of_one(fault) => desk.look_later(&id).await?,
                Err(fault) => return Err(fault),
            }
        }
        if !desk.report(FeedReport::Compared).await {
            return Err(NotTaken::NotStored);
        }
        info!(server = desk.name.as_str(), count = seen.ids.len(), "Everything was read");
        Ok(seen)
    }
}
