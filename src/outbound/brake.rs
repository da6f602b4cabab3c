//! Whether the sender of texts may send, and how many requests at once.
//!
//! Three things hold it back, and each row waits meanwhile: a breaker, open while the provider cannot
//! be reached or refuses every text; a rest, as when the day's texts are used up; and a measure of
//! requests at once that halves whenever the provider has had too many. What the provider's webhooks
//! tell counts as much as its answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use tracing::{error, info, warn};

use super::breaker::Breaker;
use super::sms::failure_of;
use crate::clock::Timestamp;
use crate::core::delivery::{Failure, SENDER_PAUSE, provider_midnight};
use crate::sms::error_codes::Class;
use crate::telemetry::Metrics;

/// How long a fault counts that was found on delivery, if no delivery tells that it is mended: some
/// carriers never tell.
const DELIVERY_FAULT_COUNTS: TimeDelta = TimeDelta::hours(1);

/// The kind under which a fault of configuration is told in `appointd_breaker_open`.
const CONFIGURATION: &str = "sms_configuration";

/// Holds the sender back.
#[derive(Debug)]
pub struct Brake {
    parallel: usize,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    fault: Option<Fault>,
    rest: Option<Rest>,
    at_once: usize,
}

/// What is wrong with the account or its sender.
#[derive(Debug, Clone)]
struct Fault {
    code: String,
    /// Set if the provider takes texts and refuses them later; a text taken then proves nothing.
    on_delivery_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Timestamp,
    failure: Failure,
}

/// What the sender may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Send, with so many requests at once.
    Open(usize),
    /// Try one text after this pause.
    Trial(Duration),
    /// Nothing until then.
    Rest(Timestamp),
}

impl Brake {
    /// A sender with nothing against it.
    #[must_use]
    pub fn new(parallel: usize, metrics: Arc<Metrics>) -> Self {
        let parallel = parallel.max(1);
        let state =
            State { breaker: Breaker::default(), fault: None, rest: None, at_once: parallel };
        Self { parallel, metrics, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the sender may do now.
    #[must_use]
    pub fn gate(&self, now: Timestamp) -> Gate {
        let mut state = self.state();
        self.forget(&mut state, now);
        if let Some(rest) = state.rest {
            return Gate::Rest(rest.until);
        }
        if state.breaker.is_open() {
            return Gate::Trial(state.breaker.pause());
        }
        Gate::Open(state.at_once)
    }

    /// Why a text that was handed out must not leave any more; nothing if it may.
    #[must_use]
    pub fn objection(&self, now: Timestamp) -> Option<Failure> {
        let mut state = self.state();
        self.forget(&mut state, now);
        let fault = state.fault.as_ref().map(|_| Failure::Misconfigured);
        state.rest.map(|rest| rest.failure).or(fault)
    }

    /// Forgets what no longer counts.
    fn forget(&self, state: &mut State, now: Timestamp) {
        if state.rest.is_some_and(|rest| rest.until <= now) {
            state.rest = None;
            self.metrics.sms_held_until(None);
            info!("Texts are sent again after a rest");
        }
        let found_at = state.fault.as_ref().and_then(|fault| fault.on_delivery_at);
        if found_at.is_some_and(|at| now - at > DELIVERY_FAULT_COUNTS) {
            self.close(state);
        }
    }

    fn close(&self, state: &mut State) {
        if state.breaker.succeeded() {
            info!("Twilio takes texts again");
        }
        state.fault = None;
        self.metrics.breaker("sms", false);
        self.metrics.breaker(CONFIGURATION, false);
    }

    /// Notes that the provider has taken a text.
    pub fn accepted(&self) {
        let mut state = self.state();
        state.at_once = (state.at_once + 1).min(self.parallel);
        if state.fault.as_ref().is_none_or(|fault| fault.on_delivery_at.is_none()) {
            self.close(&mut state);
        }
    }

    /// Notes that a text has arrived.
    pub fn delivered(&self) {
        let mut state = self.state();
        if state.fault.is_some() {
            self.close(&mut state);
        }
    }

    /// Notes that the provider cannot be reached, or its answer not be had.
    pub fn unreachable(&self) {
        let mut state = self.state();
        let _is_news = state.breaker.failed();
        self.metrics.breaker("sms", state.breaker.is_open());
    }

    /// Notes that a text was refused, or after it was taken not delivered.
    pub fn failed(&self, class: Class, code: &str, (now, is_delivery): (Timestamp, bool)) {
        self.metrics.sms_failed(class.name());
        let failure = failure_of(class);
        let mut state = self.state();
        match failure {
            Failure::Throttled => state.at_once = (state.at_once / 2).max(1),
            Failure::SenderPaused => self.rest(&mut state, now + SENDER_PAUSE, failure),
            Failure::DayUsedUp => self.rest(&mut state, provider_midnight(now), failure),
            Failure::Misconfigured => {
                if state.fault.is_none() {
                    let is_open = state.breaker.is_open();
                    error!(code, is_open, "Twilio refuses all texts of this sender; they are kept");
                }
                let on_delivery_at = is_delivery.then_some(now);
                state.fault = Some(Fault { code: code.to_owned(), on_delivery_at });
                let _is_news = state.breaker.trip();
                self.metrics.breaker("sms", true);
                self.metrics.breaker(CONFIGURATION, true);
            }
            Failure::OptedOut
            | Failure::BadNumber
            | Failure::TryLater
            | Failure::Permanent
            | Failure::Overtaken
            | Failure::NotReached
            | Failure::WordsRefused
            | Failure::QuietHours
            | Failure::Forbidden => {}
        }
    }

    fn rest(&self, state: &mut State, until: Timestamp, failure: Failure) {
        if state.rest.is_some_and(|rest| rest.until >= until) {
            return;
        }
        state.rest = Some(Rest { until, failure });
        self.metrics.sms_held_until(Some(until));
        if failure == Failure::DayUsedUp {
            error!(%until, "The sender's texts for the day are used up; the others are held");
        } else {
            warn!(%until, "The sender's queue at Twilio is full; it rests");
        }
    }

    /// What is wrong, for readiness; texts are kept meanwhile, and all else goes on.
    #[must_use]
    pub fn impairment(&self, now: Timestamp) -> Option<String> {
        let mut state = self.state();
        self.forget(&mut state, now);
        if let Some(fault) = &state.fault {
            return Some(format!("Twilio refuses all texts of this sender, code {}", fault.code));
        }
        if let Some(rest) = state.rest {
            let until = rest.until.to_rfc3339_opts(SecondsFormat::Secs, true);
            return Some(format!("held until {until}"));
        }
        state.breaker.is_open().then(|| "Twilio does not answer".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn brake() -> Brake {
        Brake::new(8, Arc::new(Metrics::new()))
    }

    const NOW: &str = "2026-12-01T15:00:00Z";

    #[test]
    fn too_many_requests_halve_those_at_once_and_successes_win_them_back() {
        let brake = brake();
        for expected in [4, 2, 1, 1] {
            brake.failed(Class::ThrottleNow, "20429", (at(NOW), false));
            assert_eq!(brake.gate(at(NOW)), Gate::Open(expected));
        }
        for _ in 0..20 {
            brake.accepted();
        }
        assert_eq!(brake.gate(at(NOW)), Gate::Open(8));
    }

    #[test]
    fn a_days_cap_holds_until_midnight_in_los_angeles() {
        let brake = brake();
        brake.failed(Class::DailyCap, "30023", (at(NOW), true));
        let midnight = at("2026-12-02T08:00:00Z");
        assert_eq!(brake.gate(at(NOW)), Gate::Rest(midnight));
        assert_eq!(brake.objection(at(NOW)), Some(Failure::DayUsedUp));
        assert_eq!(brake.impairment(at(NOW)).unwrap(), "held until 2026-12-02T08:00:00Z");
        // A full queue meanwhile does not shorten it, nor does a text that was under way.
        brake.failed(Class::ThrottleQueue, "21611", (at(NOW), false));
        brake.accepted();
        assert_eq!(brake.gate(at(NOW)), Gate::Rest(midnight));
        assert_eq!(brake.gate(midnight), Gate::Open(8));
        assert_eq!((brake.objection(midnight), brake.impairment(midnight)), (None, None));
    }

    #[test]
    fn a_fault_of_configuration_opens_at_once_and_the_first_success_closes() {
        let brake = brake();
        brake.failed(Class::Config, "20003", (at(NOW), false));
        assert!(matches!(brake.gate(at(NOW)), Gate::Trial(pause) if !pause.is_zero()));
        assert!(brake.impairment(at(NOW)).unwrap().contains("20003"));
        assert_eq!(brake.objection(at(NOW)), Some(Failure::Misconfigured));
        brake.accepted();
        assert_eq!(brake.gate(at(NOW)), Gate::Open(8));
        assert_eq!(brake.impairment(at(NOW)), None);
    }

    #[test]
    fn what_fails_on_delivery_is_not_mended_by_being_taken() {
        let brake = brake();
        brake.failed(Class::Config, "30034", (at(NOW), true));
        brake.accepted();
        assert!(matches!(brake.gate(at(NOW)), Gate::Trial(_)));
        brake.delivered();
        assert_eq!(brake.gate(at(NOW)), Gate::Open(8));
        brake.failed(Class::Config, "30034", (at(NOW), true));
        assert_eq!(brake.gate(at("2026-12-01T16:00:01Z")), Gate::Open(8), "nobody tells of it");
    }

    #[test]
    fn three_requests_without_an_answer_open_the_breaker() {
        let brake = brake();
        brake.unreachable();
        brake.unreachable();
        assert_eq!(brake.gate(at(NOW)), Gate::Open(8));
        brake.unreachable();
        assert!(matches!(brake.gate(at(NOW)), Gate::Trial(_)));
        assert_eq!(brake.objection(at(NOW)), None);
        assert_eq!(brake.impairment(at(NOW)).unwrap(), "Twilio does not answer");
        brake.accepted();
        assert_eq!(brake.gate(at(NOW)), Gate::Open(8));
    }
}
