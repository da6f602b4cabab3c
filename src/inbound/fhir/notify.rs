//! The address that a FHIR server notifies: is it the server, what does it say, is it on disk?
//!
//! Who it is comes first, over the raw bytes. Then it is stored, and only then answered, in the form
//! that servers expect: many run a FHIR client and take anything else for a failure. What is the
//! server's and cannot be read is stored too, and answered as taken: an error would end the
//! subscription.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use tracing::warn;

use super::desk::Desk;
use crate::clock::Stopwatch;
use crate::core::effect::Hinted;
use crate::core::feed::{FeedReport, Notified, Numbered, SubscriptionStatus};
use crate::engine::{Reading, Received, Sameness, Verdict};
use crate::fhir::notification::{self, Call, Change, Hint, Kind, Notification, Target};
use crate::fhir::signature::{self, Proof};
use crate::inbound::resources::Arrival;
use crate::outbound::fhir::jwt::{self, Verifier};
use crate::sms::Secret;

/// How long the answer waits for what belongs to a resource; servers give up after two seconds.
const TAKEN_WITHIN: Duration = Duration::from_millis(1_200);

/// What notifications of a server are checked against.
#[derive(Debug)]
pub struct Checks {
    /// Secrets in headers and signatures; each of them has to hold.
    pub proofs: Vec<Proof>,
    /// Tokens of the server.
    pub tokens: Option<Verifier>,
    /// Subjects of client certificates.
    pub subjects: Vec<String>,
    /// The last part of the path.
    pub path_token: Option<Secret>,
    /// Whether nothing is asked for, because only this machine can reach us.
    pub is_open: bool,
}

/// The address of one server.
#[derive(Debug)]
pub struct Endpoint {
    desk: Arc<Desk>,
    checks: Checks,
    trusts_resources: bool,
}

/// Why a call is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing proves that it is the server.
    #[error("the call does not prove that it comes from the server")]
    Forged,
    /// It could not be stored.
    #[error("not stored, try again later")]
    NotStored,
}

impl Endpoint {
    /// Prepares the address of a server.
    #[must_use]
    pub const fn new(desk: Arc<Desk>, checks: Checks, trusts_resources: bool) -> Self {
        Self { desk, checks, trusts_resources }
    }

    /// The server.
    #[must_use]
    pub const fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Takes a call; the answer is what the server expects to hear.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn take(&self, call: &Call<'_>, subject: Option<&str>) -> Result<Value, Refusal> {
        let (path, covers_body) = self.check(call, subject).await?;
        let call = Call { path: &path, ..*call };
        let notification = notification::read(&call);
        let answer = answer_to(&notification);
        match notification.kind {
            Kind::Heartbeat => {
                if !self.desk.report(FeedReport::Heard).await {
                    return Err(Refusal::NotStored);
                }
            }
            Kind::Handshake
            | Kind::Events
            | Kind::QueryStatus
            | Kind::QueryEvents
            | Kind::Unreadable(_) => self.store(notification, call.body, covers_body).await?,
        }
        self.desk.intake.hear(self.desk.clock.now());
        Ok(answer)
    }

    /// Who calls; the path without the secret in it, and whether the body is proved too.
    async fn check(
        &self,
        call: &Call<'_>,
        subject: Option<&str>,
    ) -> Result<(String, bool), Refusal> {
        let checks = &self.checks;
        let mut path = call.path;
        let mut is_proved = checks.is_open;
        if let Some(token) = &checks.path_token {
            let (first, rest) = path.split_once('/').unwrap_or((path, ""));
            if !bool::from(token.expose().as_bytes().ct_eq(first.as_bytes())) {
                return Err(Refusal::Forged);
            }
            path = rest;
            is_proved = true;
        }
        if !checks.subjects.is_empty() {
            let is_known =
                subject.is_some_and(|subject| checks.subjects.iter().any(|s| s == subject));
            if !is_known {
                return Err(Refusal::Forged);
            }
            is_proved = true;
        }
        let mut covers_body = false;
        for proof in &checks.proofs {
            let proof = std::slice::from_ref(proof);
            let verified = signature::verify(proof, call.headers, call.body);
            covers_body |= verified.map_err(|_| Refusal::Forged)?.covers_body();
            is_proved = true;
        }
        if let Some(verifier) = &checks.tokens {
            let bearer = call
                .headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
                .and_then(|(_, value)| value.strip_prefix("Bearer "));
            let token = bearer.ok_or(Refusal::Forged)?;
            let now = self.desk.clock.now();
            verifier.verify(token, now).await.map_err(|fault| {
                // Without keys to check by the server is not to blame, and should come again.
                let is_ours = fault == jwt::Forged::KeysUnavailable;
                if is_ours { Refusal::NotStored } else { Refusal::Forged }
            })?;
            is_proved = true;
        }
        if is_proved { Ok((path.to_owned(), covers_body)) } else { Err(Refusal::Forged) }
    }

    async fn store(
        &self,
        mut notification: Notification,
        body: &[u8],
        covers_body: bool,
    ) -> Result<(), Refusal> {
        if self.trusts_resources {
            self.take_resources(&mut notification, covers_body).await?;
        }
        if notification.skipped > 0 {
            let (server, count) = (self.desk.name.as_str(), notification.skipped);
            warn!(server, count, "Parts of a notification name nothing that is followed");
        }
        let verdict = self.desk.handle.submit(received(&self.desk, &notification, body)).await;
        self.desk.metrics.verdict(&self.desk.name, &verdict);
        self.desk.ring();
        match verdict {
            Verdict::Stored { .. } => Ok(()),
            Verdict::NotStored(_) => Err(Refusal::NotStored),
        }
    }

    /// Hands in the appointments that came whole; they need no look any more. What is said to be gone
    /// is looked at in any case.
    async fn take_resources(
        &self,
        notification: &mut Notification,
        covers_body: bool,
    ) -> Result<(), Refusal> {
        let mut left = Vec::new();
        // One for the whole call, since the server does not wait for each.
        let watch = Stopwatch::start();
        for mut hint in std::mem::take(&mut notification.hints) {
            let is_appointment = matches!(hint.target, Target::Appointment(_));
            let is_there = hint.change != Change::Deleted;
            let resource = hint.resource.take().filter(|_| is_appointment && is_there);
            match resource {
                Some(resource) if covers_body || !self.checks.is_open => {
                    let taken = self.desk.take(resource, hint.included.to_vec());
                    let left_of_it = TAKEN_WITHIN.saturating_sub(watch.elapsed());
                    let taken = tokio::time::timeout(left_of_it, taken).await;
                    if !matches!(taken, Ok(Ok(()))) {
                        // What belongs to it could not be read in time; the look does that.
                        left.push(hint);
                    }
                }
                Some(_) | None => left.push(hint),
            }
        }
        notification.hints = left;
        Ok(())
    }
}

/// What the engine is given.
fn received(desk: &Desk, notification: &Notification, body: &[u8]) -> Received {
    let arrival = Arrival { peer: desk.server.name(), quiet: None };
    let mut received = desk.intake.arrived(body.to_vec(), &arrival);
    received.trigger = trigger_of(notification.kind).to_owned();
    received.sender = desk.name.as_str().to_owned();
    let first = notification.hints.first();
    let is_numbered = notification.id.is_some() || first.is_some_and(|hint| hint.number.is_some());
    received.control_id = first
        .and_then(|hint| hint.key.clone())
        .or_else(|| notification.id.clone())
        .unwrap_or_default();
    // What does not say which event it is may say the same of another one.
    let is_told_apart = is_numbered && !received.control_id.is_empty();
    received.sameness = if is_told_apart { Sameness::Bytes } else { Sameness::Never };
    received.reading = match notification.kind {
        Kind::Unreadable(why) => Reading::Fault(format!("the notification cannot be read: {why}")),
        Kind::Handshake
        | Kind::Heartbeat
        | Kind::Events
        | Kind::QueryStatus
        | Kind::QueryEvents => Reading::Notified(notified(desk, notification)),
    };
    received
}

const fn trigger_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Handshake => "handshake",
        Kind::Heartbeat => "heartbeat",
        Kind::Events => "notification",
        Kind::QueryStatus => "query-status",
        Kind::QueryEvents => "query-events",
        Kind::Unreadable(_) => "",
    }
}

fn notified(desk: &Desk, notification: &Notification) -> Notified {
    let number = |hint: &Hint| {
        let number = hint.number?;
        Some(Numbered { number, at: hint.timestamp })
    };
    Notified {
        server: desk.name.clone(),
        is_handshake: notification.kind == Kind::Handshake,
        status: notification.status.as_deref().map(status_of),
        hints: notification.hints.iter().filter_map(hinted).collect(),
        is_vague: notification.hints.iter().any(|hint| hint.target == Target::Any),
        numbers: notification.hints.iter().filter_map(number).collect(),
    }
}

fn hinted(hint: &Hint) -> Option<Hinted> {
    match &hint.target {
        Target::Appointment(id) => Some(Hinted::Appointment(id.clone())),
        Target::Identifier { system, value } => {
            Some(Hinted::Identifier { system: system.clone(), value: value.clone() })
        }
        Target::Other { kind, id } if kind == "Patient" => Some(Hinted::Patient(id.clone())),
        // Who and where may have been renamed: the next search shows it, and no patient waits for it.
        Target::Other { .. } | Target::Any => None,
    }
}

/// How a code says that a subscription is (FHIR R4, subscription-status).
#[must_use]
pub fn status_of(code: &str) -> SubscriptionStatus {
    match code {
        "requested" => SubscriptionStatus::Requested,
        "active" => SubscriptionStatus::Active,
        "error" => SubscriptionStatus::Error,
        "off" | "entered-in-error" => SubscriptionStatus::Off,
        _ => SubscriptionStatus::Unknown,
    }
}

/// What servers expect to hear: a bundle for a bundle, else an outcome.
fn answer_to(notification: &Notification) -> Value {
    if notification.asks_bundle_answer {
        return json!({ "resourceType": "Bundle", "type": "transaction-response" });
    }
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{ "severity": "information", "code": "informational" }],
    })
}
