//! A stand-in for Twilio, the carrier and the patient's phone.
//!
//! It takes requests to send as Twilio does, checks, refuses, delivers and reports, and a test or
//! the demo page writes back as the patient. It speaks over real sockets, holds all in memory, and
//! fails on demand. What it does not do: media, scheduling, messaging services with more than one
//! choice of number; a block holds for all numbers of the practice.

mod api;
mod control;
mod delivery;
mod demo;
mod faults;
mod rules;
mod state;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use faults::{Answer, Callbacks, Fate, Fault};
pub use state::{Direction, TEXTS_MAX, Text};

use crate::clock::Clock;
use crate::core::phone::PhoneNumber;
use crate::outbound::twilio::{Reach, http_client};
use crate::sms::sid::{AccountSid, KeySid, MessageSid, ServiceSid};
use crate::sms::{Form, Secret};
use rules::{Draft, Refusal};
use state::State;

/// Accepted texts that may wait for delivery; beyond that the stand-in answers 429.
const DELIVERIES_MAX: usize = 4_096;

/// The account that the stand-in plays.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The account in the path and, with the token, in the credentials.
    pub account_sid: AccountSid,
    /// Checks requests and signs webhooks.
    pub auth_token: Secret,
    /// Checks requests as well.
    pub api_key: Option<(KeySid, Secret)>,
    /// The practice's numbers.
    pub numbers: Vec<PhoneNumber>,
    /// The practice's messaging service, which sends by the first number.
    pub messaging_service_sid: Option<ServiceSid>,
    /// Where a patient's text is posted if the webhook fails for good.
    pub fallback_url: Option<String>,
    /// How often a webhook is tried again.
    pub retry: Retry,
    /// Who acts on opt-out words.
    pub opt_out: OptOut,
}

impl Settings {
    /// An account with one number and Twilio's default behaviour.
    #[must_use]
    pub fn new(account_sid: AccountSid, auth_token: Secret, number: PhoneNumber) -> Self {
        Self {
            account_sid,
            auth_token,
            api_key: None,
            numbers: vec![number],
            messaging_service_sid: None,
            fallback_url: None,
            retry: Retry::default(),
            opt_out: OptOut::default(),
        }
    }
}

/// Twilio's connection overrides `rc` and `rp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Further attempts, 0 to 5.
    pub count: u8,
    /// What counts as a failure.
    pub on: RetryOn,
}

impl Default for Retry {
    /// Twilio's own default, by which an error answer loses the patient's text.
    fn default() -> Self {
        Self { count: 1, on: RetryOn::ConnectFailure }
    }
}

/// What a webhook is tried again for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOn {
    /// Only if there was no answer.
    ConnectFailure,
    /// For an answer of 400 to 499.
    ClientError,
    /// For an answer of 500 and above.
    ServerError,
    /// Without an answer, and for one of 400 and above.
    All,
}

/// Who acts on STOP, START and HELP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OptOut {
    /// Twilio does, silently towards us.
    #[default]
    Provider,
    /// Twilio does, and adds `OptOutType` to the webhook.
    Advanced,
    /// We do: the account's own handling is switched off.
    App,
}

/// What became of a patient's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replied {
    /// The message's identifier.
    pub sid: MessageSid,
    /// The last answer of the webhook; none if it was lost or nobody listens.
    pub http_status: Option<u16>,
    /// How often it was posted.
    pub attempts: u8,
}

/// The stand-in; clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Carrier {
    core: Arc<Core>,
    accepted: mpsc::Sender<MessageSid>,
}

#[derive(Debug)]
struct Core {
    settings: Settings,
    clock: Clock,
    http: reqwest::Client,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    is_open: watch::Sender<bool>,
    stop: CancellationToken,
}

impl Carrier {
    /// Starts the stand-in's one background task on `tracker`; it ends when `stop` is cancelled.
    ///
    /// # Errors
    /// If the HTTP client for webhooks cannot be made.
    pub fn start(
        settings: Settings,
        clock: Clock,
        tracker: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, reqwest::Error> {
        let http = http_client(
            Reach::PlainLoopback,
            delivery::WEBHOOK_CONNECT_TIMEOUT,
            delivery::WEBHOOK_TIMEOUT,
        )?;
        let core = Arc::new(Core {
            settings,
            clock,
            http,
            state: Mutex::default(),
            changes: watch::Sender::new(0),
            is_open: watch::Sender::new(true),
            stop: stop.clone(),
        });
        let (accepted, to_deliver) = mpsc::channel(DELIVERIES_MAX);
        drop(tracker.spawn(delivery::deliver_all(Arc::clone(&core), to_deliver, stop)));
        Ok(Self { core, accepted })
    }

    /// Twilio's paths, those of the demo page under `/sim`, and `/_knobs`, by which a shell lets
    /// things go wrong as a test does in Rust.
    pub fn router(&self) -> Router {
        api::router().merge(demo::router()).merge(control::router()).with_state(self.clone())
    }

    /// Sets where patients' texts are posted.
    pub fn set_inbound_url(&self, url: &str) {
        self.core.with_state(|state| state.inbound_url = Some(url.to_owned()));
    }

    /// Writes as the patient, and waits until the webhook is through.
    ///
    /// The text goes to the number that last wrote to this phone. `None` if there is no such number
    /// and the practice has none.
    pub async fn reply(&self, from: &PhoneNumber, text: &str) -> Option<Replied> {
        let core = &self.core;
        let now = core.clock.now();
        let received = core.change(|state| state.receive(from, text, &core.settings, now))?;
        let sid = received.text.sid.clone();
        let url = core.with_state(|state| {
            let is_lost = state.faults.take_inbound_lost();
            state.inbound_url.clone().filter(|_| !is_lost)
        });
        let Some(url) = url else { return Some(Replied { sid, http_status: None, attempts: 0 }) };
        let keyword = received.keyword.filter(|_| core.settings.opt_out == OptOut::Advanced);
        let form = wire::inbound(&received.text, &core.settings.account_sid, keyword);
        let posted = delivery::post_inbound(core, &url, &form, sid.as_str()).await;
        Some(Replied { sid, http_status: posted.http_status, attempts: posted.attempts })
    }

    /// All texts, oldest first.
    #[must_use]
    pub fn all_texts(&self) -> Vec<Text> {
        self.core.with_state(|state| state.texts.clone())
    }

    /// The texts behind the first `count`, oldest first.
    #[must_use]
    pub fn texts_behind(&self, count: usize) -> Vec<Text> {
        self.core.with_state(|state| state.texts.iter().skip(count).cloned().collect())
    }

    /// The texts to and from a phone, oldest first.
    #[must_use]
    pub fn texts(&self, phone: &PhoneNumber) -> Vec<Text> {
        let mut texts = self.all_texts();
        texts.retain(|text| text.phone() == phone);
        texts
    }

    /// Waits until the texts are as wanted, and returns them.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&[Text]) -> bool) -> Vec<Text> {
        let mut changes = self.core.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let texts = self.all_texts();
            // The sender lives in `core`; should it be gone, nothing will change any more.
            if wanted(&texts) || changes.changed().await.is_err() {
                return texts;
            }
        }
    }

    /// Lets the next `count` requests to send go wrong, before those already set.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.core.with_state(|state| {
            for _ in 0..count.min(TEXTS_MAX) {
                state.faults.next.push_front(fault);
            }
        });
    }

    /// Lets every request to send to a number go wrong, or no longer.
    pub fn fail_number(&self, to: &PhoneNumber, fault: Option<Fault>) {
        self.core.with_state(|state| match fault {
            Some(fault) => drop(state.faults.by_number.insert(to.clone(), fault)),
            None => drop(state.faults.by_number.remove(to)),
        });
    }

    /// Sets how texts to a number end.
    pub fn set_fate(&self, to: &PhoneNumber, fate: Fate) {
        self.core.with_state(|state| state.faults.fates.insert(to.clone(), fate));
    }

    /// Sets how status callbacks arrive.
    pub fn set_callbacks(&self, callbacks: Callbacks) {
        self.core.with_state(|state| state.faults.callbacks = callbacks);
    }

    /// Lets the webhooks of the next `count` patients' texts be lost; the list still has them.
    pub fn lose_inbound(&self, count: usize) {
        self.core.with_state(|state| state.faults.inbound_lost = count);
    }

    /// Holds deliveries back; accepted texts keep their first status.
    pub fn hold_deliveries(&self) {
        self.core.is_open.send_replace(false);
    }

    /// Lets deliveries through again.
    pub fn release_deliveries(&self) {
        self.core.is_open.send_replace(true);
    }

    /// Whether a phone is blocked.
    #[must_use]
    pub fn is_opted_out(&self, phone: &PhoneNumber) -> bool {
        self.core.with_state(|state| state.opted_out.contains(phone))
    }

    /// Checks and keeps a text, and hands it to the background task.
    fn accept(&self, form: &Form) -> Result<Text, Refusal> {
        let core = &self.core;
        let place = self.accepted.try_reserve().map_err(|_| rules::THROTTLED)?;
        let now = core.clock.now();
        let text = core.change(|state| {
            let draft: Draft = rules::check(form, &core.settings, &state.opted_out)?;
            state.accept(draft, now).ok_or(rules::SERVER_ERROR)
        })?;
        place.send(text.sid.clone());
        Ok(text)
    }
}

impl Core {
    fn with_state<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the texts, and wakes who waits for that.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = self.with_state(change);
        self.changes.send_modify(|count| *count += 1);
        result
    }
}

#[cfg(test)]
mod tests;
