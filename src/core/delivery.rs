//! What becomes of an effect: the life of a row in the outbox.
//!
//! Pure transitions. A row is claimed in a commit of its own before anything leaves the house, and
//! its result is another; so after a crash it is known which effects may have been performed. A text
//! that may have been accepted is *in doubt* and is looked for at the provider, never blindly
//! repeated. A message to the EHR is repeated with the same control id, which the EHR can recognise.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::effect::{Effect, TextKind};
use super::ids::OutboxId;
use super::local_time::{LocalTime, Zone};
use super::rules::DeliveryRules;
use crate::clock::Timestamp;

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Its id.
    pub id: OutboxId,
    /// What to do.
    pub effect: Effect,
    /// How far it is.
    pub state: State,
    /// When it wants attention next; meaningless in a final state.
    pub due: Timestamp,
    /// When it is no longer of use.
    pub not_after: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was planned.
    pub created_at: Timestamp,
    /// The provider's id of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Why the last try failed, as a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is known of its tries besides their number.
    #[serde(default, skip_serializing_if = "Tries::is_empty")]
    pub tries: Tries,
}

/// What is known of the tries of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// When the last one was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// How many do not count: the receiver took none of them up, for reasons that are not the row's.
    #[serde(default)]
    pub spared: u32,
    /// The provider's ids of those that were taken and did not arrive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

impl Tries {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How far an effect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for its time.
    Ready,
    /// Held back by the flood guard until an operator releases or discards it.
    Held,
    /// Claimed: from now on it may have been performed.
    Sending,
    /// It is not known whether it was performed.
    InDoubt,
    /// Accepted by the provider or the EHR.
    Accepted,
    /// Arrived at the phone.
    Delivered,
    /// Given up.
    Failed,
    /// Not performed, for a reason in the journal.
    Void,
}

impl State {
    /// Whether nothing more will be done.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Ready | Self::Held | Self::Sending | Self::InDoubt => false,
            Self::Accepted | Self::Delivered | Self::Failed | Self::Void => true,
        }
    }

    /// The name in queries and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Held => "held",
            Self::Sending => "sending",
            Self::InDoubt => "in_doubt",
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Void => "void",
        }
    }
}

/// How performing an effect went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Accepted; texts have the provider's id.
    Accepted {
        /// The provider's id, or the EHR's answer code.
        id: String,
    },
    /// The provider says that the text arrived.
    Delivered {
        /// The provider's id.
        id: String,
    },
    /// The provider says that the text did not arrive.
    Undelivered {
        /// The provider's id.
        id: String,
        /// Why.
        failure: Failure,
        /// Its code.
        code: String,
    },
    /// Refused, or never left the house.
    NotDone {
        /// What follows from it.
        failure: Failure,
        /// Its code.
        code: String,
    },
    /// It may or may not have been accepted.
    InDoubt {
        /// What was seen last.
        code: String,
    },
    /// The provider was searched and shows no trace.
    NoTrace,
}

/// Why a try failed; what follows is [`Failure::next`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The phone has opted out at the provider: it is suppressed here too.
    OptedOut,
    /// The number cannot be texted: the phone is marked, and staff have a task.
    BadNumber,
    /// It may work later.
    TryLater,
    /// It will never work.
    Permanent,
    /// What it was about is no longer so, and what is so now has been told.
    Overtaken,
    /// The provider takes no more requests at this moment, and did not look at this one.
    Throttled,
    /// The sender has to rest for minutes: its queue at the provider is full.
    SenderPaused,
    /// The sender's texts for the day are used up.
    DayUsedUp,
    /// The account or the sender is not set up right; no text of any row would pass.
    Misconfigured,
    /// The handset is off, or the carrier fails for now.
    NotReached,
    /// The words are refused; the template wants another look.
    WordsRefused,
    /// The provider's own quiet hours.
    QuietHours,
    /// The provider's rules forbid texts to this phone, and nobody can do anything about it.
    Forbidden,
}

/// What becomes of a row after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing more; a person is told.
    GiveUp,
    /// Nothing more, and nobody needs to know.
    Drop,
    /// Another try after a pause that doubles with each.
    Pause,
    /// At most [`SPACED`] more tries, which keep the hours for texts and the caps.
    Spaced,
    /// Another try in moments; the pause doubles, and the try does not count.
    Backoff,
    /// Another try when the sender goes on; the try does not count.
    Wait(TimeDelta),
    /// Another try when the provider's day begins ([`provider_midnight`]); the try does not count.
    Midnight,
    /// Another try when the hours for texts begin again; the try does not count.
    Opening,
}

/// The pauses before the tries of a text that the provider took and could not deliver: what a phone
/// that is off for a while needs, and one that is off for a meeting or a flight. There is no third.
pub const SPACED: [TimeDelta; 2] = [TimeDelta::minutes(30), TimeDelta::hours(3)];
/// How often the provider may take a text and lose it, whatever for: each time may cost money.
const LOST_MAX: usize = 10;
/// The first pause after a request that was not taken up, which doubles.
const BACKOFF_FIRST: TimeDelta = TimeDelta::milliseconds(100);
/// The longest of these pauses.
const BACKOFF_MAX: TimeDelta = TimeDelta::seconds(30);
/// How long a sender rests whose queue is full.
pub const SENDER_PAUSE: TimeDelta = TimeDelta::minutes(5);
/// How long a row waits at least that was refused with all others; the lane itself waits longer.
const MISCONFIGURED_PAUSE: TimeDelta = TimeDelta::seconds(5);

impl Failure {
    /// What follows. This is the only place that says so.
    #[must_use]
    pub const fn next(self) -> Next {
        match self {
            Self::OptedOut | Self::BadNumber | Self::Permanent | Self::WordsRefused => Next::GiveUp,
            Self::Overtaken | Self::Forbidden => Next::Drop,
            Self::TryLater => Next::Pause,
            Self::NotReached => Next::Spaced,
            Self::Throttled => Next::Backoff,
            Self::SenderPaused => Next::Wait(SENDER_PAUSE),
            Self::Misconfigured => Next::Wait(MISCONFIGURED_PAUSE),
            Self::DayUsedUp => Next::Midnight,
            Self::QuietHours => Next::Opening,
        }
    }

    /// Whether it is the sender's, and so would befall any other text as well.
    #[must_use]
    pub const fn is_of_sender(self) -> bool {
        match self {
            Self::Throttled | Self::SenderPaused | Self::DayUsedUp | Self::Misconfigured => true,
            Self::OptedOut
            | Self::BadNumber
            | Self::TryLater
            | Self::Permanent
            | Self::Overtaken
            | Self::NotReached
            | Self::WordsRefused
            | Self::QuietHours
            | Self::Forbidden => false,
        }
    }
}

/// When caps on a day's texts begin anew: the next midnight in Los Angeles, where the carriers that
/// have such caps count their days.
#[must_use]
pub fn provider_midnight(now: Timestamp) -> Timestamp {
    let zone = Zone::Iana(chrono_tz::America::Los_Angeles);
    let tomorrow = zone.date(now).succ_opt().unwrap_or(chrono::NaiveDate::MAX);
    LocalTime::day(tomorrow, zone).instant
}

impl Outgoing {
    /// Marks the row as claimed.
    pub fn claim(&mut self, now: Timestamp, rules: &DeliveryRules) {
        self.state = State::Sending;
        self.attempts += 1;
        self.tries.claimed_at = Some(now);
        self.due = now + rules.reconcile_after;
    }

    /// Whether the row was claimed by a daemon that did not live to report.
    #[must_use]
    pub fn is_orphaned(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Sending | State::InDoubt) && self.due <= now
    }

    /// Applies a report; the row says afterwards what is to be done next, and when.
    pub fn apply(&mut self, report: &Report, now: Timestamp, rules: &DeliveryRules) {
        if self.is_outdated(report) {
            return;
        }
        if let Report::Accepted { id } | Report::Delivered { id } | Report::Undelivered { id, .. } =
            report
        {
            self.provider_id = Some(id.clone());
        }
        match report {
            Report::Accepted { .. } => {
                if self.state != State::Delivered {
                    self.state = State::Accepted;
                    self.error = None;
                }
            }
            Report::Delivered { .. } => {
                self.state = State::Delivered;
                self.error = None;
            }
            Report::Undelivered { failure, code, id } => {
                if self.state == State::Delivered {
                    return;
                }
                self.tries.lost.push(id.clone());
                self.fail(*failure, code, now, rules);
            }
            Report::NotDone { failure, code } => {
                if failure.next() == Next::Spaced {
                    self.tries.lost.push(code.clone());
                }
                self.fail(*failure, code, now, rules);
            }
            Report::InDoubt { code } => {
                self.error = Some(code.clone());
                self.state = if self.is_repeatable() { State::Ready } else { State::InDoubt };
                let pause =
                    if self.is_repeatable() { self.pause(rules) } else { rules.reconcile_after };
                self.due = now + pause;
            }
            Report::NoTrace => {
                let next = now + self.pause(rules);
                self.retry_or_fail(self.repeats_when_in_doubt(), next);
            }
        }
        self.expire();
    }

    /// Plans the next try for another time; it fails if that is too late.
    pub fn postpone(&mut self, due: Timestamp) {
        self.due = due;
        self.expire();
    }

    fn expire(&mut self) {
        if self.state == State::Ready && self.due > self.not_after {
            self.state = State::Failed;
        }
    }

    fn fail(&mut self, failure: Failure, code: &str, now: Timestamp, rules: &DeliveryRules) {
        self.error = Some(code.to_owned());
        let due = match failure.next() {
            Next::GiveUp => None,
            Next::Drop => {
                self.state = State::Void;
                return;
            }
            Next::Pause => Some(now + self.pause(rules)),
            Next::Spaced => SPACED.get(self.tries.lost.len().saturating_sub(1)).map(|p| now + *p),
            Next::Backoff => {
                self.tries.spared += 1;
                let doublings = self.tries.spared.saturating_sub(1).min(16);
                let pause = (BACKOFF_FIRST * (1_i32 << doublings)).min(BACKOFF_MAX);
                Some(now + self.spread(pause))
            }
            Next::Wait(pause) => {
                self.tries.spared += 1;
                Some(now + self.spread(pause))
            }
            Next::Midnight => {
                self.tries.spared += 1;
                Some(provider_midnight(now))
            }
            // Whoever knows the hours plans it by `postpone`.
            Next::Opening => {
                self.tries.spared += 1;
                Some(now)
            }
        };
        let is_over = self.tries.lost.len() >= LOST_MAX;
        self.retry_or_fail(due.is_some() && !is_over, due.unwrap_or(now));
    }

    /// Whether a report says nothing that is not known, and known better: the sender's answer, the
    /// provider's callbacks and a search overtake each other and are repeated.
    fn is_outdated(&self, report: &Report) -> bool {
        let is_known = |id: &String| self.provider_id.as_ref() == Some(id);
        // A late report of an earlier try does not speak for a later one.
        let is_other = |id| self.state == State::Accepted && !is_known(id);
        let is_lost = |id| self.tries.lost.contains(id);
        match report {
            Report::Accepted { id } => is_known(id) || is_other(id) || is_lost(id),
            Report::Delivered { id } => is_other(id),
            Report::Undelivered { id, .. } => {
                is_other(id) || is_lost(id) || (is_known(id) && self.state != State::Accepted)
            }
            // These speak of the try that is under way.
            Report::NotDone { .. } | Report::InDoubt { .. } | Report::NoTrace => match self.state {
                State::Sending | State::InDoubt => false,
                State::Ready
                | State::Held
                | State::Accepted
                | State::Delivered
                | State::Failed
                | State::Void => true,
            },
        }
    }

    fn retry_or_fail(&mut self, again: bool, next: Timestamp) {
        if again {
            self.state = State::Ready;
            self.due = next;
        } else {
            self.state = State::Failed;
        }
    }

    /// Whether performing it twice has the effect of once.
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        match &self.effect {
            Effect::SendSms(_) => false,
            Effect::SendHl7(_)
            | Effect::UpdateFhir(_)
            | Effect::PostJson(_)
            | Effect::CallHttp(_)
            | Effect::ReadFhir(_) => true,
        }
    }

    fn repeats_when_in_doubt(&self) -> bool {
        match &self.effect {
            Effect::SendSms(sms) => TextKind::repeats_when_in_doubt(sms.kind),
            Effect::SendHl7(_)
            | Effect::UpdateFhir(_)
            | Effect::PostJson(_)
            | Effect::CallHttp(_)
            | Effect::ReadFhir(_) => true,
        }
    }

    /// The pause before the next try: it doubles, and ids spread it so that not all return at once.
    fn pause(&self, rules: &DeliveryRules) -> TimeDelta {
        let tries = self.attempts.saturating_sub(self.tries.spared);
        let doublings = tries.saturating_sub(1).min(16);
        self.spread((rules.retry_first * (1_i32 << doublings)).min(rules.retry_max))
    }

    /// A pause with up to a fifth more, by the id.
    fn spread(&self, pause: TimeDelta) -> TimeDelta {
        let spread = i32::from(self.id.as_str().bytes().fold(0_u8, u8::wrapping_add) % 20);
        pause + pause * spread / 100
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
