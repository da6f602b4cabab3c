//! Notifications on their way: what of the queue is sent, lost, doubled or forged, and what the
//! receiver answered.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;

use super::Core;
use super::faults::{Forgery, Knobs, RestHook};
use super::state::State;
use super::store::Key;
use super::subscribe::{Channel, Event, Interaction, Kind, Notice, What};
use super::wire::{FHIR_JSON, Told, by_habit, pad};
use crate::clock::Timestamp;

/// How long a receiver may take. athenahealth gives 2 seconds, Medplum 120.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The most of an answer's body that is read.
const ANSWER_BYTES_MAX: usize = 1_000_000;
/// Times that a notification is sent or tried, whatever the knobs say.
const TIMES_MAX: u32 = 100;
/// An id that no resource has.
const MADE_UP: &str = "made-up";

/// A notification that was sent, or should have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// When it was made up.
    pub at: Timestamp,
    /// The subscription's id.
    pub subscription: String,
    /// `handshake`, `heartbeat`, `event-notification`, or `criteria` for that of an R4 criteria
    /// subscription.
    pub kind: String,
    /// The method.
    pub method: String,
    /// Where it went.
    pub url: String,
    /// What was sent.
    pub body: String,
    /// The resources that it is about, as `Appointment/ID`.
    pub focus: Vec<String>,
    /// The status of the receiver's last answer; none if there was none.
    pub status: Option<u16>,
    /// How often it was tried; 0 if it was lost.
    pub attempts: u32,
    /// Who sent it if not the server.
    pub forgery: Forgery,
    /// Whether the receiver has taken it.
    pub is_taken: bool,
}

/// A request that is to be sent.
#[derive(Debug)]
struct Outgoing {
    delivery: Delivery,
    headers: Vec<(String, String)>,
    retries: u32,
    is_body_required: bool,
}

/// Sends what waits whenever there is something, until told to stop.
pub(super) async fn deliver_all(core: Arc<Core>) {
    let work = async {
        loop {
            core.to_deliver.notified().await;
            core.flush().await;
        }
    };
    // It is a loop: it ends by being stopped only.
    let _stopped: Option<()> = core.stop.clone().run_until_cancelled(work).await;
}

impl Core {
    /// Sends what waits, and what comes to it meanwhile; returns how many notifications went out.
    pub(super) async fn flush(&self) -> usize {
        let _alone = self.flushing.lock().await;
        let mut sent = 0;
        loop {
            let now = self.clock.now();
            let Some(outgoing) = self.change(|state| state.next_outgoing(now)) else { return sent };
            for one in outgoing {
                sent += 1;
                let done = self.send(one).await;
                let now = self.clock.now();
                self.change(|state| state.sent(done, now));
            }
        }
    }

    async fn send(&self, outgoing: Outgoing) -> Delivery {
        let Outgoing { mut delivery, headers, retries, is_body_required } = outgoing;
        for _ in 0..=retries.min(TIMES_MAX) {
            delivery.attempts += 1;
            let Ok(method) = reqwest::Method::from_bytes(delivery.method.as_bytes()) else { break };
            let mut request = self.http.request(method, &delivery.url).timeout(ANSWER_WITHIN);
            for (name, value) in &headers {
                request = request.header(name, value);
            }
            let Ok(mut response) = request.body(delivery.body.clone()).send().await else {
                delivery.status = None;
                continue;
            };
            delivery.status = Some(response.status().as_u16());
            let is_success = response.status().is_success();
            let mut body = Vec::new();
            while let Ok(Some(chunk)) = response.chunk().await {
                if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
            delivery.is_taken = is_success && (!is_body_required || is_fhir(&body));
            if delivery.is_taken {
                break;
            }
        }
        delivery
    }
}

fn is_fhir(body: &[u8]) -> bool {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    body.is_some_and(|body| body.get("resourceType").is_some())
}

/// The parts of a notification that differ between the kinds.
struct Letter {
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Value>,
}

impl State {
    /// Takes the next notification off the queue, as what is really sent for it; `None` if nothing
    /// waits, or what waits is held back.
    fn next_outgoing(&mut self, now: Timestamp) -> Option<Vec<Outgoing>> {
        if self.knobs.hold {
            return None;
        }
        let notice =
            if self.knobs.reorder { self.queue.pop_back() } else { self.queue.pop_front() }?;
        let Some(channel) = self.channel(&notice.subscription) else { return Some(Vec::new()) };
        let (kind, events) = match notice.what {
            What::Handshake => ("handshake", Vec::new()),
            What::Heartbeat => ("heartbeat", Vec::new()),
            What::Event(first) => {
                let events = self.bundled(&notice.subscription, first, &channel);
                let is_topic = channel.kind == Kind::Topic;
                (if is_topic { "event-notification" } else { "criteria" }, events)
            }
        };
        let notice = (notice.subscription.as_str(), kind, events.as_slice());
        let real = self.outgoing(notice, &channel, Forgery::None, now);
        if self.knobs.take_loss() {
            let lost = Delivery { attempts: 0, ..real.delivery };
            self.delivered(lost);
            return Some(Vec::new());
        }
        let mut all = Vec::new();
        if self.knobs.forge != Forgery::None && !events.is_empty() {
            all.push(self.outgoing(notice, &channel, self.knobs.forge, now));
        }
        for _ in 0..self.knobs.duplicate.min(TIMES_MAX) {
            all.push(self.outgoing(notice, &channel, Forgery::None, now));
        }
        all.push(real);
        Some(all)
    }

    /// The event and those that wait behind it for the same subscription, as far as they go into one
    /// Bundle.
    fn bundled(&mut self, id: &str, first: Event, channel: &Channel) -> Vec<Event> {
        let max = match channel.kind {
            Kind::Criteria => 1,
            Kind::Topic => channel.bundle_max.unwrap_or(self.knobs.bundle_max),
        };
        let mut events = vec![first];
        let mut kept = std::collections::VecDeque::new();
        while let Some(notice) = self.queue.pop_front() {
            match notice.what {
                What::Event(event) if notice.subscription == id && events.len() < max => {
                    events.push(event);
                }
                what @ (What::Handshake | What::Heartbeat | What::Event(_)) => {
                    kept.push_back(Notice { subscription: notice.subscription, what });
                }
            }
        }
        self.queue = kept;
        events
    }

    fn outgoing(
        &mut self,
        (id, kind, events): (&str, &str, &[Event]),
        channel: &Channel,
        forgery: Forgery,
        now: Timestamp,
    ) -> Outgoing {
        let mut events = events.to_vec();
        for event in &mut events {
            if self.knobs.latest_only
                && let Some(current) = self.store.live(&event.key)
            {
                event.resource.clone_from(current);
            }
            forge(event, forgery);
        }
        let mut letter = match (channel.kind, events.first()) {
            (Kind::Criteria, Some(event)) => by_criteria(id, channel, event, &self.knobs, now),
            (Kind::Criteria, None) | (Kind::Topic, _) => {
                let body = self.told((id, kind), channel, &events, now);
                Letter {
                    method: "POST",
                    url: channel.endpoint.clone(),
                    headers: vec![("Content-Type".to_owned(), FHIR_JSON.to_owned())],
                    body: Some(body),
                }
            }
        };
        if let Some(body) = &mut letter.body {
            pad(body, self.knobs.pad_notifications);
        }
        let body = letter.body.map(|body| body.to_string()).unwrap_or_default();
        let mut headers = letter.headers;
        headers.extend(self.credentials(id, channel, &body, forgery));
        let delivery = Delivery {
            at: now,
            subscription: id.to_owned(),
            kind: kind.to_owned(),
            method: letter.method.to_owned(),
            url: letter.url,
            body,
            focus: events.iter().map(|event| event.key.to_string()).collect(),
            status: None,
            attempts: 0,
            forgery,
            is_taken: false,
        };
        let is_body_required = self.knobs.body_required;
        // Somebody else has one try.
        let retries = if forgery == Forgery::None { self.knobs.retries } else { 0 };
        Outgoing { delivery, headers, retries, is_body_required }
    }

    /// A notification to a topic's subscription; for `query-status` the status resource alone.
    pub(super) fn told(
        &mut self,
        (id, kind): (&str, &str),
        channel: &Channel,
        events: &[Event],
        now: Timestamp,
    ) -> Value {
        let serial = self.next_serial();
        let status = self.subscription_status(id);
        let told = Told {
            version: self.version,
            knobs: &self.knobs,
            base: &self.base_url,
            id,
            topic: &channel.topic,
            status: &status,
            kind,
            count: self.hooks.get(id).map_or(0, |hook| hook.count),
            events,
            content: channel.content,
            now,
            serial,
        };
        // The status alone is no Bundle of a notification.
        if kind == "query-status" { told.status_resource() } else { told.bundle() }
    }

    /// The headers that the subscription asks for, and signatures over the body.
    fn credentials(
        &self,
        id: &str,
        channel: &Channel,
        body: &str,
        forgery: Forgery,
    ) -> Vec<(String, String)> {
        let is_wrong = forgery == Forgery::WrongSecret;
        let secret =
            |secret: &str| if is_wrong { format!("not-{secret}") } else { secret.to_owned() };
        let mut headers: Vec<(String, String)> =
            channel.headers.iter().map(|(name, value)| (name.clone(), secret(value))).collect();
        if let Some(key) = &channel.secret {
            headers.push(("X-Signature".to_owned(), signature(&secret(key), body)));
        }
        let hub_secret = self.hooks.get(id).and_then(|hook| hook.hub_secret.as_ref());
        if let Some(key) = hub_secret {
            let signed = format!("sha256={}", signature(&secret(key), body));
            headers.push(("X-Hub-Signature".to_owned(), signed));
        }
        headers
    }

    /// Notes what became of a notification, and what follows for its subscription.
    fn sent(&mut self, delivery: Delivery, now: Timestamp) {
        let id = delivery.subscription.clone();
        if delivery.forgery == Forgery::None {
            let error_after = self.knobs.error_after;
            let failures = self.hooks.get(&id).map_or(0, |hook| hook.failures);
            let failures = if delivery.is_taken { 0 } else { failures.saturating_add(1) };
            let is_exhausted = error_after > 0 && failures >= error_after;
            // A subscription that is gone meanwhile has none.
            if let Some(hook) = self.hooks.get_mut(&id) {
                hook.failures = failures;
            }
            if delivery.kind == "handshake" {
                let status = if delivery.is_taken { "active" } else { "error" };
                let error = (!delivery.is_taken).then_some("the handshake failed");
                self.set_subscription_status(&id, status, error, now);
            } else if is_exhausted {
                let error = Some("notifications could not be delivered");
                self.set_subscription_status(&id, "error", error, now);
            }
        }
        self.delivered(delivery);
    }
}

/// A notification to an R4 criteria subscription.
fn by_criteria(
    id: &str,
    channel: &Channel,
    event: &Event,
    knobs: &Knobs,
    now: Timestamp,
) -> Letter {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let endpoint = channel.endpoint.clone();
    if !channel.has_payload {
        return Letter { method: "POST", url: endpoint, headers: Vec::new(), body: None };
    }
    let mut headers = vec![own("Content-Type", FHIR_JSON)];
    let resource = by_habit(event.resource.clone(), knobs, now);
    let is_delete = event.interaction == Interaction::Delete;
    match knobs.rest_hook {
        RestHook::Hapi => {
            let url = format!("{}/{}", endpoint.trim_end_matches('/'), event.key);
            let method = if is_delete { "DELETE" } else { "PUT" };
            Letter { method, url, headers, body: (!is_delete).then_some(resource) }
        }
        RestHook::Medplum => {
            headers.push(own("X-Medplum-Subscription", id));
            headers.push(own("X-Medplum-Interaction", event.interaction.as_str()));
            if is_delete {
                headers.push(own("X-Medplum-Deleted-Resource", &event.key.to_string()));
            }
            let body = if is_delete { json!({}) } else { resource };
            Letter { method: "POST", url: endpoint, headers, body: Some(body) }
        }
    }
}

/// Makes an event tell what is not so.
fn forge(event: &mut Event, forgery: Forgery) {
    match forgery {
        Forgery::None => return,
        Forgery::WrongSecret => {}
        Forgery::MadeUpId => event.key = Key::new(&event.key.kind, MADE_UP),
    }
    event.interaction = Interaction::Update;
    let id = json!(event.key.id);
    if let Some(object) = event.resource.as_object_mut() {
        object.insert("id".to_owned(), id);
        object.insert("status".to_owned(), json!("cancelled"));
    }
}

/// HMAC-SHA256 in lower-case hexadecimal digits.
fn signature(key: &str, body: &str) -> String {
    // HMAC takes a key of any length, so there is always a code.
    let code = Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .map(|mac| mac.chain_update(body.as_bytes()).finalize().into_bytes().to_vec())
        .unwrap_or_default();
    code.iter().map(|byte| format!("{byte:02x}")).collect()
}
