//! Watching a subscription: what to do next, given what was seen and heard of it.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{Seen, SeenStatus};
use crate::clock::Timestamp;

/// How many heartbeats may be missed. Backport IG, "Handling errors": after more, ask.
const HEARTBEATS_MISSED_MAX: i32 = 2;
/// The longest that a watcher does not look, whatever it waits for.
const LOOK_MAX: TimeDelta = TimeDelta::hours(1);
/// The shortest time between two looks, so that no setting makes them spin.
const LOOK_MIN: TimeDelta = TimeDelta::seconds(1);
/// How often the time between two attempts is doubled at most.
const DOUBLINGS_MAX: u32 = 16;

/// What is known of a subscription of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its logical id; nothing as long as there is none.
    pub id: Option<String>,
    /// What was last seen of it, or what it was left as.
    pub status: SeenStatus,
    /// Since when it has been waited for to become active.
    pub requested_at: Option<Timestamp>,
    /// When it last delivered anything, a heartbeat included.
    pub heard_at: Option<Timestamp>,
    /// When it was last asked about, whether there was an answer or not.
    pub asked_at: Option<Timestamp>,
    /// When a server last said something of it.
    pub seen_at: Option<Timestamp>,
    /// When it was last created, activated or renewed, whether that worked or not.
    pub acted_at: Option<Timestamp>,
    /// How often in a row that was done without its becoming active.
    pub failures: u32,
    /// When it ends.
    pub end: Option<Timestamp>,
}

/// What is set for watching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchPolicy {
    /// How often the server shows that it is alive, if it was asked to.
    pub heartbeat: Option<TimeDelta>,
    /// How often it is asked, whatever it delivers.
    pub ask_every: TimeDelta,
    /// How long it may take to become active; one large server takes ten minutes.
    pub requested_max: TimeDelta,
    /// How long before its end it is renewed.
    pub renew_before: TimeDelta,
    /// How far ahead the new end lies.
    pub lifetime: TimeDelta,
    /// How often in a row it is activated before it is made anew; 0 for servers where that never helps.
    pub reactivations_max: u32,
    /// The least time between two attempts, which doubles with each that fails.
    pub retry_min: TimeDelta,
    /// The longest time between two attempts.
    pub retry_max: TimeDelta,
}

impl Default for WatchPolicy {
    fn default() -> Self {
        Self {
            heartbeat: None,
            ask_every: TimeDelta::minutes(15),
            requested_max: TimeDelta::minutes(15),
            renew_before: TimeDelta::days(2),
            lifetime: TimeDelta::days(30),
            reactivations_max: 3,
            retry_min: TimeDelta::minutes(1),
            retry_max: TimeDelta::hours(1),
        }
    }
}

/// What to do about a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing until then.
    Nothing {
        /// When to look again.
        look_again_at: Timestamp,
    },
    /// Look for one of ours at the server, and create one if there is none.
    Create,
    /// Delete it, as far as it still exists, and create it anew. What was missed is caught up.
    Recreate,
    /// Catch up what was missed, then ask for it again.
    Reactivate,
    /// Give it a new end.
    Renew {
        /// The new end.
        end: Timestamp,
    },
    /// Ask for its status; where the server has no `$status`, read the subscription itself.
    AskStatus,
}

impl Held {
    /// Notes that a step has been tried, whether it worked or not. The caller sets and clears the id.
    pub fn tried(&mut self, step: Step, now: Timestamp) {
        match step {
            Step::Nothing { .. } => {}
            Step::AskStatus => self.asked_at = Some(now),
            Step::Create | Step::Recreate | Step::Reactivate => {
                self.acted_at = Some(now);
                self.requested_at = Some(now);
                self.asked_at = None;
                self.seen_at = None;
                self.status = SeenStatus::Requested;
                self.failures = self.failures.saturating_add(1);
                if step != Step::Reactivate {
                    self.end = None;
                }
            }
            Step::Renew { end } => {
                self.acted_at = Some(now);
                self.end = Some(end);
            }
        }
    }

    /// Notes that it has delivered something. A handshake and a heartbeat show that it runs, too.
    pub fn heard(&mut self, now: Timestamp) {
        self.heard_at = Some(now);
        if self.status == SeenStatus::Requested {
            self.status = SeenStatus::Active;
        }
    }

    /// Notes what a server says of it.
    pub fn saw(&mut self, seen: &Seen, now: Timestamp) {
        self.asked_at = Some(now);
        self.seen_at = Some(now);
        let is_new = self.status != SeenStatus::Requested || self.requested_at.is_none();
        if seen.status == SeenStatus::Requested && is_new {
            self.requested_at = Some(now);
        }
        if seen.status != SeenStatus::Unknown {
            self.status = seen.status;
        }
        if seen.status == SeenStatus::Active {
            self.failures = 0;
        }
        if seen.end.is_some() {
            self.end = seen.end;
        }
    }
}

/// Decides what to do about a subscription. `seen` is what a server has just said of it, if it was
/// just asked; without that, what was noted counts. Nothing is noted here: see [`Held::saw`] and
/// [`Held::tried`].
#[must_use]
pub fn next_step(state: &Held, seen: Option<&Seen>, now: Timestamp, policy: &WatchPolicy) -> Step {
    let mut state = state.clone();
    if let Some(seen) = seen {
        state.saw(seen, now);
    }
    let watch = Watch { state: &state, now, policy };
    let step = watch.step();
    let free_at = match step {
        Step::Create | Step::Recreate | Step::Reactivate | Step::Renew { .. } => watch.free_at(),
        Step::AskStatus => watch.free_to_ask_at(),
        Step::Nothing { .. } => return step,
    };
    if free_at > now { watch.nothing([free_at]) } else { step }
}

struct Watch<'a> {
    state: &'a Held,
    now: Timestamp,
    policy: &'a WatchPolicy,
}

impl Watch<'_> {
    fn step(&self) -> Step {
        if self.state.id.is_none() {
            return Step::Create;
        }
        match self.state.status {
            SeenStatus::Gone | SeenStatus::EnteredInError => Step::Recreate,
            SeenStatus::Error | SeenStatus::Off => self.after_stop(),
            SeenStatus::Requested => self.while_requested(),
            SeenStatus::Active | SeenStatus::Unknown => self.while_active(),
        }
    }

    /// One that has ended stays off however often it is activated.
    fn after_stop(&self) -> Step {
        let is_over = self.state.end.is_some_and(|end| end <= self.now);
        if is_over || self.state.failures >= self.policy.reactivations_max {
            return Step::Recreate;
        }
        Step::Reactivate
    }

    fn while_requested(&self) -> Step {
        let since = self.past(self.state.requested_at).unwrap_or(self.now);
        let limit = later(since, self.policy.requested_max);
        // It may have become active without a word, so it is asked once more before it is given up.
        let sure = limit.max(self.free_at());
        if limit <= self.now {
            // Asked once it may be made anew: it may have come to work while that was waited for.
            let is_known = self.past(self.state.seen_at).is_some_and(|seen| seen >= sure);
            if is_known {
                return Step::Recreate;
            }
            return if sure <= self.now { Step::AskStatus } else { self.nothing([sure]) };
        }
        let asked = self.past(self.state.asked_at).unwrap_or(since);
        let ask = later(asked, self.policy.ask_every);
        if ask <= self.now { Step::AskStatus } else { self.nothing([limit, ask]) }
    }

    fn while_active(&self) -> Step {
        let renewal = self.state.end.map(|end| earlier(end, self.renew_before()));
        if self.state.end.is_some_and(|end| end <= self.now) {
            return Step::Recreate;
        }
        if renewal.is_some_and(|renewal| renewal <= self.now) {
            return Step::Renew { end: later(self.now, self.policy.lifetime) };
        }
        let ask = self.ask_at();
        if ask <= self.now {
            return Step::AskStatus;
        }
        self.nothing([ask].into_iter().chain(renewal))
    }

    /// A new end must lie outside of the time in which it is renewed, or it would be so all the time.
    fn renew_before(&self) -> TimeDelta {
        self.policy.renew_before.min(self.policy.lifetime / 2)
    }

    /// When it is asked about: by the calendar, or sooner when its heartbeat has stopped. A server that
    /// promises a heartbeat and sends none is asked again and again, and left in peace otherwise.
    fn ask_at(&self) -> Timestamp {
        let began = self.past(self.state.requested_at);
        let asked = self.past(self.state.asked_at);
        let Some(base) = asked.or(began) else { return self.now };
        let by_calendar = later(base, self.policy.ask_every);
        let Some(period) = self.policy.heartbeat else { return by_calendar };
        let missed = period.checked_mul(HEARTBEATS_MISSED_MAX).unwrap_or(LOOK_MAX);
        let alive = self.past(self.state.heard_at).map_or(base, |heard| heard.max(base));
        by_calendar.min(later(alive, missed)).max(self.free_to_ask_at())
    }

    /// When something may be tried again.
    fn free_at(&self) -> Timestamp {
        let Some(acted) = self.past(self.state.acted_at) else { return self.now };
        let doublings = self.state.failures.saturating_sub(1).min(DOUBLINGS_MAX);
        let wait = self.policy.retry_min.checked_mul(1 << doublings);
        let wait = wait.unwrap_or(self.policy.retry_max).min(self.policy.retry_max);
        later(acted, wait)
    }

    /// When it may be asked about again; short heartbeats and silent servers make no flood.
    fn free_to_ask_at(&self) -> Timestamp {
        let asked = self.past(self.state.asked_at);
        asked.map_or(self.now, |asked| later(asked, self.policy.retry_min))
    }

    fn nothing(&self, moments: impl IntoIterator<Item = Timestamp>) -> Step {
        let first = moments.into_iter().min().unwrap_or(self.now);
        let look_again_at = first.clamp(later(self.now, LOOK_MIN), later(self.now, LOOK_MAX));
        Step::Nothing { look_again_at }
    }

    /// A moment that is not ahead: after the clock was set back, what was noted would hold for long.
    fn past(&self, moment: Option<Timestamp>) -> Option<Timestamp> {
        moment.map(|moment| moment.min(self.now))
    }
}

fn later(moment: Timestamp, by: TimeDelta) -> Timestamp {
    moment.checked_add_signed(by).unwrap_or(Timestamp::MAX_UTC)
}

fn earlier(moment: Timestamp, by: TimeDelta) -> Timestamp {
    moment.checked_sub_signed(by).unwrap_or(Timestamp::MIN_UTC)
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
