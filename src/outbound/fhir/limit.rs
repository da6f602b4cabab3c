//! How hard one server is leaned on: a pace, pauses it asks for, and pauses after failures.
//!
//! The [`Gate`] is pure: it takes the time and what was seen, and says whether a request may go.
//! Three things close it, each by itself: failures in a row, the server's own wish (429, or a 503
//! that names a time), and credentials that are refused in a row, because some servers lock an
//! account that keeps knocking. The [`Pace`] spreads requests over the second.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::{Stopwatch, Timestamp};
use crate::outbound::breaker::Breaker;

/// A server that wants more than an hour is asked once in an hour, so that nobody has to restart
/// the daemon after a slip in a header.
const RETRY_AFTER_MAX: TimeDelta = TimeDelta::hours(1);

/// "Retry at once" would be a loop.
const RETRY_AFTER_MIN: TimeDelta = TimeDelta::seconds(1);

/// Spreads requests evenly, by the monotonic clock: a pace is a matter of the wire, not of the day.
#[derive(Debug)]
pub(super) struct Pace {
    every: Option<Duration>,
    began: Stopwatch,
    /// When the next turn is free, from the beginning.
    free_at: Mutex<Duration>,
}

impl Pace {
    /// A pace of so many requests in a second; any pace if none is given.
    pub(super) fn new(per_second: Option<NonZeroU32>) -> Self {
        let every = per_second.map(|count| Duration::from_secs(1) / count.get());
        Self { every, began: Stopwatch::start(), free_at: Mutex::default() }
    }

    /// Waits for one's turn, in the order of asking.
    pub(super) async fn turn(&self) {
        let wait = self.take_turn(self.began.elapsed());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes the next turn and says how far it is. After a silence one turn is free at once, and no
    /// burst of those that were not taken.
    fn take_turn(&self, now: Duration) -> Duration {
        let Some(every) = self.every else { return Duration::ZERO };
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = now.max(*free_at);
        *free_at = turn.saturating_add(every);
        turn - now
    }
}

/// How long a server wants to be left alone (RFC 9110, 10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryAfter {
    /// So long.
    For(TimeDelta),
    /// Until then, by our clock.
    Until(Timestamp),
}

impl RetryAfter {
    /// Reads the header: seconds, or a date. A date is taken as a distance from the server's own
    /// `Date`, so that clocks need not agree; what cannot be read counts as missing.
    pub(super) fn parse(retry_after: Option<&str>, date: Option<&str>) -> Option<Self> {
        let text = retry_after?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // Too many digits for a number are too long as well.
            let seconds = text.parse().unwrap_or(RETRY_AFTER_MAX.num_seconds());
            let seconds = seconds.min(RETRY_AFTER_MAX.num_seconds());
            return Some(Self::For(TimeDelta::seconds(seconds)));
        }
        let until = http_date(text)?;
        Some(date.and_then(http_date).map_or(Self::Until(until), |sent| Self::For(until - sent)))
    }

    fn bounded(self, now: Timestamp) -> TimeDelta {
        let asked = match self {
            Self::For(span) => span,
            Self::Until(until) => until - now,
        };
        asked.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|date| date.with_timezone(&Utc))
}

/// What a request that was let through came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// An answer that shows a server in order.
    Answered,
    /// No answer, or one that shows a server out of order.
    Failed(&'static str),
    /// The server wants to be left alone.
    Busy(&'static str, Option<RetryAfter>),
    /// The credentials are refused.
    Denied(&'static str),
}

/// Whether a server is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is.
    Up,
    /// It is left alone.
    Paused {
        /// Until then; past if the next request is to find out.
        until: Timestamp,
        /// Why, as a code.
        why: &'static str,
    },
    /// It, or its token endpoint, refuses our credentials: a person must act.
    Refused(&'static str),
}

/// Leave to send one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leave {
    /// It finds out whether a pause is over; nobody else is let through meanwhile.
    is_probe: bool,
}

/// Why a request must not be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// The server is left alone until then.
    Paused(Timestamp),
    /// Its refusals are not provoked again until then.
    Refused(&'static str, Timestamp),
}

impl Hold {
    /// When to ask again.
    pub(super) const fn until(self) -> Timestamp {
        match self {
            Self::Paused(until) | Self::Refused(_, until) => until,
        }
    }
}

/// One reason for pauses.
#[derive(Debug, Default)]
struct Pauses {
    breaker: Breaker,
    until: Option<Timestamp>,
    why: &'static str,
}

impl Pauses {
    fn ahead(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| *until > now)
    }

    /// Pauses anew from now, as long as the breaker says.
    fn rearm(&mut self, now: Timestamp) {
        let pause = TimeDelta::from_std(self.breaker.pause()).unwrap_or(RETRY_AFTER_MAX);
        self.until = self.breaker.is_open().then(|| now + pause);
    }

    /// Of requests that were under way when the breaker opened only the probe counts: many failing
    /// at once are one failure.
    fn failed(&mut self, why: &'static str, is_probe: bool, now: Timestamp) {
        self.why = why;
        if is_probe || !self.breaker.is_open() {
            self.breaker.failed();
            self.rearm(now);
        }
    }

    fn over(&mut self) {
        self.breaker.succeeded();
        self.until = None;
    }
}

/// Lets requests to one server through, or not.
#[derive(Debug, Default)]
pub(super) struct Gate {
    failing: Pauses,
    busy: Pauses,
    denied: Pauses,
    /// Set while the last word of the server was a refusal.
    refused: Option<&'static str>,
}

impl Gate {
    /// Why nothing may be sent now, if so.
    pub(super) fn hold(&self, now: Timestamp) -> Option<Hold> {
        let paused = self.busy.ahead(now).max(self.failing.ahead(now)).map(Hold::Paused);
        paused.or_else(|| Some(Hold::Refused(self.denied.why, self.denied.ahead(now)?)))
    }

    /// Asks for leave to send. Who gets it reports by [`Gate::note`]; if it never does, the pause
    /// is over by itself in time.
    pub(super) fn admit(&mut self, now: Timestamp) -> Result<Leave, Hold> {
        if let Some(hold) = self.hold(now) {
            return Err(hold);
        }
        let is_probe = self.failing.breaker.is_open() || self.denied.breaker.is_open();
        self.failing.rearm(now);
        self.denied.rearm(now);
        Ok(Leave { is_probe })
    }

    /// Takes note of what became of a request.
    pub(super) fn note(&mut self, leave: Leave, seen: Seen, now: Timestamp) {
        match seen {
            Seen::Answered => {
                self.failing.over();
                self.denied.over();
                self.refused = None;
                // A pause that the server asked for stands, whatever else it still answers.
                if self.busy.ahead(now).is_none() {
                    self.busy.over();
                }
            }
            Seen::Failed(why) => self.failing.failed(why, leave.is_probe, now),
            Seen::Busy(why, asked) => {
                self.busy.why = why;
                let ahead = self.busy.ahead(now);
                if ahead.is_none() {
                    self.busy.breaker.trip();
                    self.busy.rearm(now);
                }
                if let Some(asked) = asked {
                    self.busy.until = ahead.max(Some(now + asked.bounded(now)));
                }
            }
            Seen::Denied(why) => {
                // Whoever refuses is there.
                self.failing.over();
                self.refused = Some(why);
                self.denied.failed(why, leave.is_probe, now);
            }
        }
    }

    /// How the server stands.
    pub(super) fn state(&self, now: Timestamp) -> State {
        if let Some(until) = self.busy.ahead(now) {
            return State::Paused { until, why: self.busy.why };
        }
        // Until a request has shown that it is over, it is not.
        if let Some(until) = self.failing.until {
            return State::Paused { until, why: self.failing.why };
        }
        self.refused.map_or(State::Up, State::Refused)
    }
}

#[cfg(test)]
#[path = "limit_tests.rs"]
mod tests;
