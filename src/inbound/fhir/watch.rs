//! Looks after the subscription at one FHIR server: makes it, asks how it is, prolongs it, makes it anew.
//!
//! What to do next is decided in [`crate::fhir::subscription`]; here it is done, and noted before and
//! after. While a subscription does not work, the searches find what it would have told.

use std::sync::Arc;

use appointd_fhir::client::{Method, Request, Response};
use chrono::TimeDelta;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::desk::Desk;
use crate::clock::Timestamp;
use crate::core::feed::{Feed, FeedReport, Subscription, SubscriptionStatus};
use crate::fhir::query::escaped;
use crate::fhir::render;
use crate::fhir::subscription::{
    Endpoint, Held, Model, Seen, SeenStatus, Step, WatchPolicy, changed, is_ours, next_step, wanted,
};
use crate::outbound::fhir::Trouble;

/// What is to be subscribed to.
#[derive(Debug, Clone)]
pub struct Options {
    /// In which model.
    pub model: Model,
    /// What is asked for.
    pub endpoint: Endpoint,
    /// How it is watched.
    pub policy: WatchPolicy,
    /// A digest of what is asked for.
    pub made_for: String,
    /// After what time it ends if it is not prolonged, if it ends.
    pub lifetime: Option<TimeDelta>,
}

/// Looks after a subscription.
#[derive(Debug)]
pub struct Watcher {
    desk: Arc<Desk>,
    options: Options,
}

/// Why a step could not be done; a code.
enum Failed {
    Trouble(Trouble),
    Status(u16),
    Form(&'static str),
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Watcher {
    /// Prepares to look after a subscription.
    #[must_use]
    pub const fn new(desk: Arc<Desk>, options: Options) -> Self {
        Self { desk, options }
    }

    /// Looks after it until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let now = self.desk.clock.now();
            let Some(feed) = self.desk.feed() else {
                tokio::select! {
                    () = self.desk.clock.sleep_until(now + TimeDelta::minutes(1)) => continue,
                    () = stop.cancelled() => return,
                }
            };
            let mut held = held_of(&feed);
            let step = self.next(&feed, &held, now);
            if let Step::Nothing { look_again_at } = step {
                self.note(&held);
                tokio::select! {
                    () = self.desk.clock.sleep_until(look_again_at) => continue,
                    () = stop.cancelled() => return,
                }
            }
            tokio::select! {
                () = self.desk.server.until_open() => {}
                () = stop.cancelled() => return,
            }
            if let Err(failed) = self.perform(step, &mut held, now).await {
                self.complain(step, &failed);
            }
            self.note(&held);
            let state = state_of(&held, &self.options.made_for);
            if !self.desk.report(FeedReport::Subscription(state)).await {
                // The store refuses: what was done is found again at the server.
                tokio::select! {
                    () = self.desk.clock.sleep_until(now + TimeDelta::seconds(10)) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }

    fn next(&self, feed: &Feed, held: &Held, now: Timestamp) -> Step {
        let made_for = feed.subscription.as_ref().map_or("", |known| known.made_for.as_str());
        let is_other = held.id.is_some() && made_for != self.options.made_for;
        if is_other && held.status != SeenStatus::Gone {
            return Step::Recreate;
        }
        next_step(held, None, now, &self.options.policy)
    }

    fn note(&self, held: &Held) {
        let works = held.status == SeenStatus::Active;
        self.desk.note_subscription((!works).then(|| held.status.name()));
    }

    fn complain(&self, step: Step, failed: &Failed) {
        let server = self.desk.name.as_str();
        let what = match step {
            Step::Nothing { .. } => "nothing",
            Step::Create => "create",
            Step::Recreate => "recreate",
            Step::Reactivate => "reactivate",
            Step::Renew { .. } => "renew",
            Step::AskStatus => "ask",
        };
        match failed {
            Failed::Trouble(trouble) => {
                warn!(
                    server,
                    what,
                    code = trouble.code(),
                    "The subscription cannot be looked after"
                );
            }
            Failed::Status(status) => {
                error!(server, what, status, "The server refuses a subscription");
            }
            Failed::Form(problem) => {
                error!(server, what, problem, "A subscription cannot be made");
            }
        }
    }

    /// Does a step; the state says afterwards what is known.
    async fn perform(&self, step: Step, held: &mut Held, now: Timestamp) -> Result<(), Failed> {
        match step {
            Step::Nothing { .. } => Ok(()),
            Step::AskStatus => {
                held.tried(step, now);
                let seen = self.ask(held).await?;
                let was_active = held.status == SeenStatus::Active;
                held.saw(&seen, now);
                if was_active && held.status != SeenStatus::Active {
                    warn!(
                        server = self.desk.name.as_str(),
                        "The subscription does not work any more"
                    );
                    self.desk.report(FeedReport::Behind).await;
                }
                Ok(())
            }
            Step::Create | Step::Recreate => {
                let old = held.id.take();
                held.tried(step, now);
                if let Err(failed) = self.sweep(old.as_deref()).await {
                    // It is still there, for all we know: it must not go on telling another address.
                    held.id = old;
                    if held.id.is_some() {
                        held.status = SeenStatus::Gone;
                    }
                    return Err(failed);
                }
                self.create(held, now).await
            }
            Step::Reactivate => {
                held.tried(step, now);
                self.desk.report(FeedReport::Behind).await;
                self.change(held, None, now).await
            }
            Step::Renew { end } => {
                // Tried, whether it works or not: a server that refuses is not asked again at once.
                held.acted_at = Some(now);
                self.change(held, Some(end), now).await?;
                held.tried(step, now);
                Ok(())
            }
        }
    }

    async fn ask(&self, held: &Held) -> Result<Seen, Failed> {
        let id = held.id.as_deref().unwrap_or_default();
        if self.options.model != Model::Criteria {
            let answer = self.get(&format!("Subscription/{id}/$status")).await?;
            if answer.status == 200 {
                return Ok(Seen::read(&json_of(&answer)?));
            }
        }
        let answer = self.get(&format!("Subscription/{id}")).await?;
        match answer.status {
            200 => Ok(Seen::read(&json_of(&answer)?)),
            404 | 410 => Ok(Seen::gone()),
            status => Err(Failed::Status(status)),
        }
    }

    /// Takes away what of ours is still there: a second one would tell everything twice.
    async fn sweep(&self, old: Option<&str>) -> Result<(), Failed> {
        let mut ids: Vec<String> = old.map(str::to_owned).into_iter().collect();
        let url = escaped(&self.options.endpoint.url);
        let answer = self.get(&format!("Subscription?url={url}")).await?;
        if answer.status == 200 {
            let bundle = json_of(&answer)?;
            let entries = bundle.get("entry").and_then(Value::as_array);
            let resources = entries.into_iter().flatten().filter_map(|entry| entry.get("resource"));
            let ours = resources.filter(|found| is_ours(found, &self.options.endpoint.url));
            ids.extend(ours.filter_map(|found| Some(found.get("id")?.as_str()?.to_owned())));
        }
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let target = format!("Subscription/{id}");
            let request =
                Request { method: Method::Delete, target, headers: Vec::new(), body: None };
            let answer = self.desk.server.send(request).await?;
            if !matches!(answer.status, 200..=299 | 404 | 410) {
                return Err(Failed::Status(answer.status));
            }
        }
        Ok(())
    }

    async fn create(&self, held: &mut Held, now: Timestamp) -> Result<(), Failed> {
        let mut endpoint = self.options.endpoint.clone();
        // Some servers never start one themselves, others refuse one that says it is running.
        endpoint.starts_active =
            self.options.model == Model::Criteria && held.failures.is_multiple_of(2);
        endpoint.end = self.options.lifetime.map(|lifetime| now + lifetime);
        let body = render::subscription(&wanted(self.options.model, &endpoint));
        let body = body.map_err(|_| Failed::Form("its settings do not fit the model"))?;
        let headers = vec![content_type()];
        let target = "Subscription".to_owned();
        let request = Request { method: Method::Post, target, headers, body: Some(body) };
        let answer = self.desk.server.send(request).await?;
        if !matches!(answer.status, 200 | 201) {
            return Err(Failed::Status(answer.status));
        }
        let made = json_of(&answer).ok();
        let id = made.as_ref().and_then(|made| made.get("id")?.as_str().map(str::to_owned));
        let id = id.or_else(|| answer.header("location").and_then(id_in));
        held.id = Some(id.ok_or(Failed::Form("the server does not say its id"))?);
        held.end = endpoint.end;
        if let Some(made) = made {
            held.saw(&Seen::read(&made), now);
        }
        info!(server = self.desk.name.as_str(), status = held.status.name(), "Subscribed");
        Ok(())
    }

    /// Asks for it again as it is, with a new end if there is one.
    async fn change(
        &self,
        held: &mut Held,
        end: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let id = held.id.clone().unwrap_or_default();
        let target = format!("Subscription/{id}");
        let answer = self.get(&target).await?;
        match answer.status {
            200 => {}
            404 | 410 => {
                held.saw(&Seen::gone(), now);
                return Ok(());
            }
            status => return Err(Failed::Status(status)),
        }
        let read = json_of(&answer)?;
        let runs = Seen::read(&read).status == SeenStatus::Active;
        let starts_active =
            self.options.model == Model::Criteria && (runs || held.failures.is_multiple_of(2));
        let body = changed(&read, starts_active || runs, end).to_string().into_bytes();
        let mut headers = vec![content_type()];
        headers.extend(answer.header("etag").map(|tag| ("If-Match".to_owned(), tag.to_owned())));
        let request = Request { method: Method::Put, target, headers, body: Some(body) };
        let answer = self.desk.server.send(request).await?;
        if !(200..300).contains(&answer.status) {
            return Err(Failed::Status(answer.status));
        }
        if let Ok(made) = json_of(&answer) {
            held.saw(&Seen::read(&made), now);
        }
        Ok(())
    }

    async fn get(&self, target: &str) -> Result<Response, Trouble> {
        self.desk.server.get(target, None).await
    }
}

fn content_type() -> (String, String) {
    ("Content-Type".to_owned(), "application/fhir+json".to_owned())
}

fn json_of(answer: &Response) -> Result<Value, Failed> {
    serde_json::from_slice(&answer.body).map_err(|_| Failed::Form("the answer is no JSON"))
}

/// The id in an address such as `https://ehr.example.org/fhir/Subscription/7/_history/1`.
fn id_in(location: &str) -> Option<String> {
    let (_, rest) = location.rsplit_once("Subscription/")?;
    let id = rest.split('/').next()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// What is held of the subscription, for the decision about it.
fn held_of(feed: &Feed) -> Held {
    let Some(known) = &feed.subscription else { return Held::default() };
    let mut held = Held {
        id: known.id.clone(),
        status: seen_of(known.status),
        requested_at: known.requested_at,
        heard_at: feed.heard_at,
        asked_at: known.asked_at,
        seen_at: known.seen_at,
        acted_at: known.acted_at,
        failures: known.failures,
        end: known.end,
    };
    // What tells us something works, whatever it was said to be when it was made.
    if let Some(heard) = feed.heard_at.filter(|heard| Some(*heard) >= held.requested_at) {
        held.heard(heard);
    }
    if held.status == SeenStatus::Active {
        held.failures = 0;
    }
    held
}

fn state_of(held: &Held, made_for: &str) -> Subscription {
    Subscription {
        id: held.id.clone(),
        status: status_of(held.status),
        made_for: made_for.to_owned(),
        requested_at: held.requested_at,
        asked_at: held.asked_at,
        seen_at: held.seen_at,
        acted_at: held.acted_at,
        end: held.end,
        failures: held.failures,
    }
}

const fn seen_of(status: SubscriptionStatus) -> SeenStatus {
    match status {
        SubscriptionStatus::Requested => SeenStatus::Requested,
        SubscriptionStatus::Active => SeenStatus::Active,
        SubscriptionStatus::Error => SeenStatus::Error,
        SubscriptionStatus::Off => SeenStatus::Off,
        SubscriptionStatus::Gone => SeenStatus::Gone,
        SubscriptionStatus::Unknown => SeenStatus::Unknown,
    }
}

const fn status_of(status: SeenStatus) -> SubscriptionStatus {
    match status {
        SeenStatus::Requested => SubscriptionStatus::Requested,
        SeenStatus::Active => SubscriptionStatus::Active,
        SeenStatus::Error => SubscriptionStatus::Error,
        SeenStatus::Off | SeenStatus::EnteredInError => SubscriptionStatus::Off,
        SeenStatus::Gone => SubscriptionStatus::Gone,
        SeenStatus::Unknown => SubscriptionStatus::Unknown,
    }
}
