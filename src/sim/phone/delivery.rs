//! The background task that brings texts to their end and tells of it, and the webhooks it posts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::faults::{Callbacks, Fate};
use super::state::Text;
use super::{Core, Retry, RetryOn, wire};
use crate::sms::Form;
use crate::sms::sid::MessageSid;
use crate::sms::signature::{Algorithm, sign};
use crate::sms::status::MessageStatus;

/// Twilio's limits for a webhook.
pub(super) const WEBHOOK_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(15);

/// Works off accepted texts one by one, until told to stop.
pub(super) async fn deliver_all(
    core: Arc<Core>,
    mut accepted: mpsc::Receiver<MessageSid>,
    stop: CancellationToken,
) {
    let work = async {
        while let Some(sid) = accepted.recv().await {
            let mut is_open = core.is_open.subscribe();
            // The sender lives in `core`, so waiting ends only when deliveries are let through.
            drop(is_open.wait_for(|is_open| *is_open).await);
            deliver(&core, &sid).await;
        }
    };
    stop.run_until_cancelled(work).await;
}

async fn deliver(core: &Core, sid: &MessageSid) {
    let Some((first, fate, callbacks)) = core.with_state(|state| {
        let text = state.texts.iter().rev().find(|text| text.sid == *sid)?;
        let is_open = !text.status.is_final();
        is_open.then(|| (text.status, state.faults.fate(&text.to), state.faults.callbacks))
    }) else {
        return;
    };
    let mut late = Vec::new();
    for (status, error_code) in steps(first, fate) {
        let now = core.clock.now();
        let Some(text) = core.change(|state| state.advance(sid, status, error_code, now)) else {
            return;
        };
        match callbacks {
            Callbacks::InOrder => call_back(core, &text).await,
            Callbacks::Repeated => {
                call_back(core, &text).await;
                call_back(core, &text).await;
            }
            Callbacks::Reversed => late.push(text),
            Callbacks::Lost => {}
        }
    }
    for text in late.iter().rev() {
        call_back(core, text).await;
    }
}

/// The statuses that follow the first one.
fn steps(first: MessageStatus, fate: Fate) -> Vec<(MessageStatus, Option<u32>)> {
    let mut steps = Vec::new();
    if first == MessageStatus::Accepted {
        steps.push((MessageStatus::Queued, None));
    }
    match fate {
        Fate::Failed(code) => steps.push((MessageStatus::Failed, Some(code))),
        Fate::SentOnly => steps.push((MessageStatus::Sent, None)),
        Fate::Delivered => {
            steps.extend([(MessageStatus::Sent, None), (MessageStatus::Delivered, None)]);
        }
        Fate::Undelivered(code) => {
            steps.extend([(MessageStatus::Sent, None), (MessageStatus::Undelivered, Some(code))]);
        }
    }
    steps
}

async fn call_back(core: &Core, text: &Text) {
    let Some(url) = &text.status_callback else { return };
    let form = wire::status_callback(text, &core.settings.account_sid);
    let token = format!("{}-{}", text.sid, text.status.as_str());
    post_as_set(core, url, &form, &token).await;
}

/// What became of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Posted {
    pub(super) http_status: Option<u16>,
    pub(super) attempts: u8,
}

/// Posts a webhook, again as often as its address says, or else the settings.
async fn post_as_set(core: &Core, url: &str, form: &Form, token: &str) -> Posted {
    let policy = Policy::of(url, core.settings.retry);
    let mut posted = Posted::default();
    for _ in 0..=policy.count.min(5) {
        posted.attempts += 1;
        posted.http_status = post(core, url, form, token).await;
        if !policy.on.iter().any(|on| on.applies(posted.http_status)) {
            break;
        }
    }
    posted
}

/// Posts a patient's text, if need be in the end to the fallback.
pub(super) async fn post_inbound(core: &Core, url: &str, form: &Form, token: &str) -> Posted {
    let mut posted = post_as_set(core, url, form, token).await;
    let is_answered = posted.http_status.is_some_and(|status| status < 400);
    if let (false, Some(fallback)) = (is_answered, &core.settings.fallback_url) {
        posted.attempts += 1;
        posted.http_status = post(core, fallback, form, token).await;
    }
    posted
}

/// Twilio's connection overrides in the fragment of an address, as in `#rc=3&rp=5xx,ct`.
#[derive(Debug, PartialEq, Eq)]
struct Policy {
    count: u8,
    on: Vec<RetryOn>,
}

impl Policy {
    /// What the address does not say is as set; what it says wrongly is as not said.
    fn of(url: &str, set: Retry) -> Self {
        let mut policy = Self { count: set.count, on: vec![set.on] };
        let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
        for (name, value) in fragment.split('&').filter_map(|pair| pair.split_once('=')) {
            match (name, value.parse()) {
                ("rc", Ok(count @ 0..=5)) => policy.count = count,
                ("rp", _) => {
                    let on: Option<Vec<_>> = value.split(',').map(RetryOn::parse).collect();
                    policy.on = on.unwrap_or(policy.on);
                }
                _ => {}
            }
        }
        policy
    }
}

impl RetryOn {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            // A stand-in on this machine does not tell a connection from a read that takes too long.
            "ct" | "rt" => Self::ConnectFailure,
            "4xx" => Self::ClientError,
            "5xx" => Self::ServerError,
            "all" => Self::All,
            _ => return None,
        })
    }

    const fn applies(self, http_status: Option<u16>) -> bool {
        match (self, http_status) {
            (Self::ConnectFailure | Self::All, None) => true,
            (Self::ClientError | Self::ServerError, None) | (Self::ConnectFailure, Some(_)) => {
                false
            }
            (Self::ClientError, Some(status)) => status >= 400 && status < 500,
            (Self::ServerError, Some(status)) => status >= 500,
            (Self::All, Some(status)) => status >= 400,
        }
    }
}

async fn post(core: &Core, url: &str, form: &Form, token: &str) -> Option<u16> {
    let signature = sign(Algorithm::HmacSha1, &core.settings.auth_token, url, Some(form));
    let address = url.split_once('#').map_or(url, |(address, _)| address);
    let request = core
        .http
        .post(address)
        .header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        .header("User-Agent", "TwilioProxy/1.1")
        .header("X-Twilio-Signature", signature)
        .header("I-Twilio-Idempotency-Token", token)
        .body(form.encode());
    let response = request.send().await.ok()?;
    Some(response.status().as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_often_and_for_what_it_is_tried_again() {
        let set = Retry::default();
        let cases = [
            ("https://x.example/y", 1, vec![RetryOn::ConnectFailure]),
            ("https://x.example/y#rc=5&rp=all", 5, vec![RetryOn::All]),
            (
                "https://x.example/y?rc=3#rp=5xx,ct",
                1,
                vec![RetryOn::ServerError, RetryOn::ConnectFailure],
            ),
            ("https://x.example/y#rc=9&rp=7xx&e=ashburn", 1, vec![RetryOn::ConnectFailure]),
        ];
        for (url, count, on) in cases {
            assert_eq!(Policy::of(url, set), Policy { count, on }, "{url}");
        }
        let cases = [
            (RetryOn::ServerError, Some(503), true),
            (RetryOn::ServerError, Some(404), false),
            (RetryOn::ClientError, Some(404), true),
            (RetryOn::ClientError, None, false),
            (RetryOn::ConnectFailure, None, true),
            (RetryOn::ConnectFailure, Some(500), false),
            (RetryOn::All, Some(200), false),
        ];
        for (on, http_status, applies) in cases {
            assert_eq!(on.applies(http_status), applies, "{on:?} {http_status:?}");
        }
    }
}
