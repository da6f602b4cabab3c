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

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The phone has opted out at the provider.
    OptedOut,
    /// The number cannot be texted.
    BadNumber,
    /// It may work later.
    TryLater,
    /// It will never work.
    Permanent,
    /// What it was about is no longer so, and what is so now has been told.
    Overtaken,
}

/// How many tries a text has that the provider took and could not deliver.
const UNDELIVERED_MAX: u32 = 2;

impl Outgoing {
    /// Marks the row as claimed.
    pub fn claim(&mut self, now: Timestamp, rules: &DeliveryRules) {
        self.state = State::Sending;
        self.attempts += 1;
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
            Report::Undelivered { failure, code, .. } => {
                if self.state == State::Delivered {
                    return;
                }
                self.error = Some(code.clone());
                let again = *failure == Failure::TryLater && self.attempts < UNDELIVERED_MAX;
                // The network is slow to find out; half an hour is what a phone that is off needs.
                self.retry_or_fail(again, now + TimeDelta::minutes(30));
            }
            Report::NotDone { failure, code } => {
                self.error = Some(code.clone());
                if *failure == Failure::Overtaken {
                    self.state = State::Void;
                    return;
                }
                let next = now + self.pause(rules);
                self.retry_or_fail(*failure == Failure::TryLater, next);
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
        if self.state == State::Ready && self.due > self.not_after {
            self.state = State::Failed;
        }
    }

    /// Whether a report says nothing that is not known, and known better: the sender's answer, the
    /// provider's callbacks and a search overtake each other and are repeated.
    fn is_outdated(&self, report: &Report) -> bool {
        let is_known = |id: &String| self.provider_id.as_ref() == Some(id);
        // A late report of an earlier try does not speak for a later one.
        let is_other = |id| self.state == State::Accepted && !is_known(id);
        match report {
            Report::Accepted { id } => is_known(id) || is_other(id),
            Report::Delivered { id } => is_other(id),
            Report::Undelivered { id, .. } => {
                is_other(id) || (is_known(id) && self.state != State::Accepted)
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
            Effect::SendHl7(_) | Effect::UpdateFhir(_) | Effect::ReadFhir(_) => true,
        }
    }

    fn repeats_when_in_doubt(&self) -> bool {
        match &self.effect {
            Effect::SendSms(sms) => TextKind::repeats_when_in_doubt(sms.kind),
            Effect::SendHl7(_) | Effect::UpdateFhir(_) | Effect::ReadFhir(_) => true,
        }
    }

    /// The pause before the next try: it doubles, and ids spread it so that not all return at once.
    fn pause(&self, rules: &DeliveryRules) -> TimeDelta {
        let doublings = self.attempts.saturating_sub(1).min(16);
        let pause = (rules.retry_first * (1_i32 << doublings)).min(rules.retry_max);
        let spread = i32::from(self.id.as_str().bytes().fold(0_u8, u8::wrapping_add) % 20);
        pause + pause * spread / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::appointment::{Notice, WishKind};
    use crate::core::effect::{Sms, WriteBack};
    use crate::core::ids::{AppointmentKey, DestinationName, Identifier, SourceName};
    use crate::core::phone::{PhoneNumber, Region};

    fn rules() -> DeliveryRules {
        DeliveryRules {
            retry_first: TimeDelta::seconds(10),
            retry_max: TimeDelta::minutes(10),
            write_back_for: TimeDelta::hours(24),
            reconcile_after: TimeDelta::seconds(60),
        }
    }

    fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().unwrap()
    }

    fn outgoing(effect: Effect) -> Outgoing {
        let mut row = Outgoing {
            id: OutboxId::new("1-1-0"),
            effect,
            state: State::Ready,
            due: now(),
            not_after: now() + TimeDelta::days(1),
            attempts: 0,
            created_at: now(),
            provider_id: None,
            error: None,
        };
        row.claim(now(), &rules());
        row
    }

    fn text(kind: TextKind) -> Outgoing {
        let to = PhoneNumber::parse("+14155550123", Region::US).unwrap();
        outgoing(Effect::SendSms(Sms { to, kind, about: vec![], language: None, body: None }))
    }

    fn write_back() -> Outgoing {
        let key = AppointmentKey::of(&SourceName::new("ehr"), &Identifier::new("1", "filler"));
        outgoing(Effect::SendHl7(WriteBack {
            destination: DestinationName::new("ehr"),
            appointment: key,
            wish: WishKind::Confirm,
            message: None,
            control_id: "X".to_owned(),
            told_start: None,
        }))
    }

    fn in_doubt() -> Report {
        Report::InDoubt { code: "timeout".to_owned() }
    }

    #[test]
    fn a_text_in_doubt_is_never_blindly_repeated() {
        let mut row = text(TextKind::Notice(Notice::Canceled));
        row.apply(&in_doubt(), now(), &rules());
        assert_eq!(row.state, State::InDoubt);
        assert!(!row.is_orphaned(now()) && row.is_orphaned(now() + TimeDelta::minutes(1)));
    }

    #[test]
    fn without_a_trace_a_notice_is_repeated_and_a_reminder_is_not() {
        let mut notice = text(TextKind::Notice(Notice::Canceled));
        let mut reminder = text(TextKind::Reminder);
        for row in [&mut notice, &mut reminder] {
            row.apply(&in_doubt(), now(), &rules());
            row.apply(&Report::NoTrace, now(), &rules());
        }
        assert_eq!((notice.state, reminder.state), (State::Ready, State::Failed));
    }

    #[test]
    fn a_message_to_the_ehr_in_doubt_is_sent_again() {
        let mut row = write_back();
        row.apply(&in_doubt(), now(), &rules());
        assert_eq!(row.state, State::Ready);
    }

    #[test]
    fn nothing_is_tried_after_its_time() {
        let mut row = write_back();
        let late = row.not_after - TimeDelta::seconds(1);
        let refused = Report::NotDone { failure: Failure::TryLater, code: "AR".to_owned() };
        row.apply(&refused, late, &rules());
        assert_eq!(row.state, State::Failed);
    }

    #[test]
    fn delivered_is_not_undone_by_a_late_report() {
        let mut row = text(TextKind::Reminder);
        row.apply(&Report::Delivered { id: "SM1".to_owned() }, now(), &rules());
        row.apply(&Report::Accepted { id: "SM1".to_owned() }, now(), &rules());
        let lost = Report::Undelivered {
            id: "SM1".to_owned(),
            failure: Failure::TryLater,
            code: "30003".to_owned(),
        };
        row.apply(&lost, now(), &rules());
        assert_eq!(row.state, State::Delivered);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut row = write_back();
        let busy = Report::NotDone { failure: Failure::TryLater, code: "AR".to_owned() };
        let mut pauses = Vec::new();
        for _ in 0..10 {
            row.apply(&busy, now(), &rules());
            pauses.push((row.due - now()).num_seconds());
            row.claim(now(), &rules());
        }
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
        assert!(pauses[0] >= 10 && pauses[9] <= 720, "{pauses:?}");
    }
}
