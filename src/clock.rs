//! The only place that reads the time.
//!
//! A [`Clock`] is the system's, or one that stands still until it is moved (tests, the scripted
//! demo), or the system's with an offset that a button moves (the demo in a browser). Whoever waits
//! for a moment waits on the clock, so that moving it wakes them.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

/// An instant in UTC, with the precision of the clock.
pub type Timestamp = DateTime<Utc>;

/// The longest sleep before the wall clock is read again: it may have jumped (suspend, NTP, an
/// administrator), and no reminder may be late by more than this for that.
pub const RECHECK: Duration = Duration::from_secs(60);

/// A source of time that can be shared, and in tests moved.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    System,
    /// System time plus an offset.
    Shifted(Arc<watch::Sender<TimeDelta>>),
    /// Stands still until it is moved.
    Manual(Arc<watch::Sender<Timestamp>>),
}

impl Clock {
    /// The operating system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Kind::System)
    }

    /// The operating system's clock, which [`Clock::advance`] can move ahead.
    #[must_use]
    pub fn shifted() -> Self {
        Self(Kind::Shifted(Arc::new(watch::channel(TimeDelta::zero()).0)))
    }

    /// A clock that stands at `start` until it is moved.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(watch::channel(start).0)))
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System => system_now(),
            Kind::Shifted(offset) => system_now() + *offset.borrow(),
            Kind::Manual(at) => *at.borrow(),
        }
    }

    /// Moves a clock that can be moved, and wakes who waits on it; the system's clock stays.
    pub fn advance(&self, by: TimeDelta) {
        match &self.0 {
            Kind::System => {}
            Kind::Shifted(offset) => offset.send_modify(|offset| *offset += by),
            Kind::Manual(at) => at.send_modify(|at| *at += by),
        }
    }

    /// Moves a clock that can be moved to `to`, if that lies ahead.
    pub fn advance_to(&self, to: Timestamp) {
        let by = to - self.now();
        if by > TimeDelta::zero() {
            self.advance(by);
        }
    }

    /// Waits until `deadline`, at most [`RECHECK`] of real time; the caller looks at the clock again.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        match &self.0 {
            Kind::System => tokio::time::sleep(self.remaining(deadline)).await,
            Kind::Shifted(offset) => {
                let mut moved = offset.subscribe();
                tokio::select! {
                    () = tokio::time::sleep(self.remaining(deadline)) => {}
                    _ = moved.changed() => {}
                }
            }
            Kind::Manual(at) => {
                let mut at = at.subscribe();
                // The sender lives as long as this clock, so waiting cannot fail.
                let _reached = at.wait_for(|now| *now >= deadline).await;
            }
        }
    }

    fn remaining(&self, deadline: Timestamp) -> Duration {
        (deadline - self.now()).to_std().unwrap_or(Duration::ZERO).min(RECHECK)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
fn system_now() -> Timestamp {
    Utc::now()
}

/// A reading of the monotonic clock, for measuring how long something took.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the monotonic clock"
    )]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_moved_clock_wakes_its_sleepers() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let sleeper = clock.clone();
        let deadline = DateTime::UNIX_EPOCH + TimeDelta::days(2);
        let (tx, rx) = tokio::sync::oneshot::channel();
        let task = async move {
            sleeper.sleep_until(deadline).await;
            tx.send(sleeper.now()).unwrap();
        };
        let mover = async {
            clock.advance(TimeDelta::days(1));
            clock.advance(TimeDelta::days(1));
        };
        tokio::join!(task, mover);
        assert_eq!(rx.await.unwrap(), deadline);
    }

    #[test]
    fn the_clock_never_goes_back() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        clock.advance_to(DateTime::UNIX_EPOCH - TimeDelta::days(1));
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH);
    }
}
