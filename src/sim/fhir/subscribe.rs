//! Subscriptions of the three kinds, read from the resource as a client wrote it, and what has to be
//! told to whom. How it is told is `wire`'s, and that it goes out `deliver`'s.

use std::collections::VecDeque;

use chrono::DateTime;
use serde_json::{Value, json};

use super::Version;
use super::search::{Query, is_met, text};
use super::state::State;
use super::store::{Held, Key};
use crate::clock::Timestamp;

/// Events of a subscription that `$events` can still tell.
const EVENTS_MAX: usize = 1_000;
/// Notifications that may wait; the oldest are forgotten first.
const QUEUE_MAX: usize = 10_000;
/// Headers that one subscription may ask for.
const HEADERS_MAX: usize = 20;

/// Backport IG: what a notification holds.
const CONTENT_URL: &str = "/StructureDefinition/backport-payload-content";
/// Backport IG: which of a topic's events are wanted.
const FILTER_URL: &str = "/StructureDefinition/backport-filter-criteria";
/// Backport IG: how many events may be in a notification.
const COUNT_URL: &str = "/StructureDefinition/backport-max-count";
/// Medplum: the key that notifications are signed with.
const SECRET_URL: &str = "/StructureDefinition/subscription-secret";

/// What a subscription is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A search (R4).
    Criteria,
    /// A topic (Backport and R5).
    Topic,
}

/// What a notification to a topic's subscription holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Empty,
    IdOnly,
    FullResource,
}

/// What happened to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interaction {
    Create,
    Update,
    Delete,
}

impl Interaction {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One change that a subscription is told of.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) key: Key,
    pub(super) interaction: Interaction,
    /// As it was after the change; for a deletion, as it was before.
    pub(super) resource: Value,
}

/// Something that waits to be sent.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) subscription: String,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Handshake,
    Heartbeat,
    Event(Event),
}

/// What is kept about a subscription beside the resource.
#[derive(Debug, Default)]
pub(super) struct Hook {
    pub(super) count: u64,
    pub(super) events: VecDeque<Event>,
    /// Notifications without success, one after the other.
    pub(super) failures: u32,
    /// The value of `X-Hub-Secret` when it was created (athenahealth).
    pub(super) hub_secret: Option<String>,
}

/// A subscription, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) kind: Kind,
    pub(super) endpoint: String,
    pub(super) headers: Vec<(String, String)>,
    /// Whether an R4 criteria subscription is sent the resource.
    pub(super) has_payload: bool,
    pub(super) content: Content,
    pub(super) topic: String,
    pub(super) secret: Option<String>,
    pub(super) bundle_max: Option<usize>,
    end: Option<Timestamp>,
    focus: String,
    filter: Query,
}

impl Channel {
    /// Reads a subscription.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(
        resource: &Value,
        version: Version,
        is_cut: bool,
    ) -> Result<Self, &'static str> {
        let channel = match version {
            Version::R5 => read_r5(resource)?,
            Version::R4 | Version::R4b => read_r4(resource, is_cut)?,
        };
        let is_address = ["http://", "https://"].iter().any(|s| channel.endpoint.starts_with(s));
        if !is_address || reqwest::Url::parse(&channel.endpoint).is_err() {
            return Err("the endpoint is no address");
        }
        Ok(channel)
    }

    /// Whether a change is of interest.
    fn wants(&self, resource: &Value, key: &Key, interaction: Interaction) -> bool {
        if self.focus != key.kind {
            return false;
        }
        // What is gone meets no criteria; it is told by the type alone, as servers do that tell it.
        interaction == Interaction::Delete
            || self
                .filter
                .pairs()
                .all(|(name, values)| is_met(resource, name, values).unwrap_or(true))
    }
}

fn read_r4(resource: &Value, is_cut: bool) -> Result<Channel, &'static str> {
    let criteria = text(resource, "/criteria").ok_or("there are no criteria")?;
    if text(resource, "/channel/type") != Some("rest-hook") {
        return Err("only rest-hook channels are known");
    }
    let content = extension(resource.pointer("/channel/_payload"), CONTENT_URL);
    let content = content.and_then(|found| found.get("valueCode")?.as_str());
    let is_topic = content.is_some() || criteria.starts_with("http");
    let filters = extensions(resource.get("_criteria"), FILTER_URL);
    let filters: Vec<&str> =
        filters.filter_map(|found| found.get("valueString")?.as_str()).collect();
    // Of several filters one has to be met; the stand-in looks at the first.
    let search =
        if is_topic { filters.first().copied().unwrap_or("Appointment?") } else { criteria };
    let (focus, filter) = search.split_once('?').unwrap_or((search, ""));
    let headers = resource.pointer("/channel/header").and_then(Value::as_array);
    let headers = headers.into_iter().flatten().take(HEADERS_MAX).filter_map(Value::as_str);
    let secret = extension(Some(resource), SECRET_URL);
    let bundle_max = extension(resource.get("channel"), COUNT_URL);
    Ok(Channel {
        kind: if is_topic { Kind::Topic } else { Kind::Criteria },
        endpoint: text(resource, "/channel/endpoint").ok_or("there is no endpoint")?.to_owned(),
        headers: headers.filter_map(|line| header(line, is_cut)).collect(),
        has_payload: text(resource, "/channel/payload").is_some(),
        content: content_of(content)?,
        topic: if is_topic { criteria.to_owned() } else { String::new() },
        secret: secret.and_then(|found| Some(found.get("valueString")?.as_str()?.to_owned())),
        bundle_max: bundle_max.and_then(|found| size(found.get("valuePositiveInt")?)),
        end: end_of(resource),
        focus: focus.to_owned(),
        filter: Query::parse(filter),
    })
}

fn read_r5(resource: &Value) -> Result<Channel, &'static str> {
    let topic = text(resource, "/topic").ok_or("there is no topic")?;
    if text(resource, "/channelType/code") != Some("rest-hook") {
        return Err("only rest-hook channels are known");
    }
    let headers = resource.get("parameter").and_then(Value::as_array);
    let header = |one: &Value| {
        Some((one.get("name")?.as_str()?.to_owned(), one.get("value")?.as_str()?.to_owned()))
    };
    let filters = resource.get("filterBy").and_then(Value::as_array);
    let filter = |one: &Value| {
        let name = one.get("filterParameter")?.as_str()?;
        let compare = text(one, "/comparator").unwrap_or_default();
        Some((name.to_owned(), format!("{compare}{}", text(one, "/value")?)))
    };
    Ok(Channel {
        kind: Kind::Topic,
        endpoint: text(resource, "/endpoint").ok_or("there is no endpoint")?.to_owned(),
        headers: headers.into_iter().flatten().take(HEADERS_MAX).filter_map(header).collect(),
        has_payload: true,
        content: content_of(text(resource, "/content"))?,
        topic: topic.to_owned(),
        secret: None,
        bundle_max: resource.get("maxCount").and_then(size),
        end: end_of(resource),
        focus: "Appointment".to_owned(),
        filter: Query::of(filters.into_iter().flatten().filter_map(filter).collect()),
    })
}

fn content_of(code: Option<&str>) -> Result<Content, &'static str> {
    match code {
        Some("empty") => Ok(Content::Empty),
        None | Some("id-only") => Ok(Content::IdOnly),
        Some("full-resource") => Ok(Content::FullResource),
        Some(_) => Err("the content is unknown"),
    }
}

fn header(line: &str, is_cut: bool) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let value = if is_cut { value.split(':').next()? } else { value };
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

fn extension<'a>(element: Option<&'a Value>, url: &'a str) -> Option<&'a Value> {
    extensions(element, url).next()
}

fn extensions<'a>(element: Option<&'a Value>, url: &'a str) -> impl Iterator<Item = &'a Value> {
    let all = element.and_then(|element| element.get("extension")).and_then(Value::as_array);
    let is_wanted = move |one: &&Value| text(one, "/url").is_some_and(|known| known.ends_with(url));
    all.into_iter().flatten().filter(is_wanted)
}

fn size(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok().filter(|size| *size > 0)
}

fn end_of(resource: &Value) -> Option<Timestamp> {
    Some(DateTime::parse_from_rfc3339(text(resource, "/end")?).ok()?.to_utc())
}

impl State {
    /// The subscription as it is to be worked with.
    pub(super) fn channel(&self, id: &str) -> Option<Channel> {
        let resource = self.store.live(&Key::new("Subscription", id))?;
        Channel::read(resource, self.version, self.knobs.headers_cut).ok()
    }

    /// Looks at a subscription that a client has written: what is requested becomes active, at once
    /// or by a handshake.
    pub(super) fn requested(&mut self, id: &str, hub_secret: Option<String>, now: Timestamp) {
        let Some(channel) = self.channel(id) else { return };
        let hook = self.hooks.entry(id.to_owned()).or_default();
        hook.failures = 0;
        if hub_secret.is_some() {
            hook.hub_secret = hub_secret;
        }
        let status = self.subscription_status(id);
        if status == "off" {
            return;
        }
        if self.knobs.stuck_requested {
            return self.set_subscription_status(id, "requested", None, now);
        }
        if channel.kind == Kind::Criteria || self.knobs.no_handshake {
            return self.set_subscription_status(id, "active", None, now);
        }
        self.set_subscription_status(id, "requested", None, now);
        self.enqueue(id, What::Handshake);
    }

    pub(super) fn subscription_status(&self, id: &str) -> String {
        let resource = self.store.live(&Key::new("Subscription", id));
        resource.and_then(|resource| text(resource, "/status")).unwrap_or("off").to_owned()
    }

    /// Sets the status, and the reason if there is one; the same status makes no new version.
    pub(super) fn set_subscription_status(
        &mut self,
        id: &str,
        status: &str,
        error: Option<&str>,
        now: Timestamp,
    ) {
        let key = Key::new("Subscription", id);
        let Some(resource) = self.store.live(&key) else { return };
        if text(resource, "/status") == Some(status) {
            return;
        }
        let mut changed = resource.clone();
        let Some(object) = changed.as_object_mut() else { return };
        object.insert("status".to_owned(), json!(status));
        match error.filter(|_| self.version != Version::R5) {
            Some(error) => drop(object.insert("error".to_owned(), json!(error))),
            None => drop(object.shift_remove("error")),
        }
        // It has its place already.
        drop(self.store.put(&key, changed, self.knobs.uuid_versions, now));
    }

    /// Tells the active subscriptions of a change.
    pub(super) fn tell(&mut self, key: &Key, held: &Held, before: Option<&Value>, now: Timestamp) {
        let interaction = match (&held.resource, before) {
            (None, _) => Interaction::Delete,
            (Some(_), None) => Interaction::Create,
            (Some(_), Some(_)) => Interaction::Update,
        };
        let Some(resource) = held.resource.as_ref().or(before) else { return };
        if interaction == Interaction::Delete && self.knobs.no_deletes {
            return;
        }
        let ids: Vec<String> =
            self.store.of_kind("Subscription").map(|(key, ..)| key.id.clone()).collect();
        for id in ids {
            let Some(channel) = self.channel(&id) else { continue };
            if self.subscription_status(&id) != "active" || self.knobs.stuck_requested {
                continue;
            }
            if channel.end.is_some_and(|end| end <= now) {
                self.set_subscription_status(&id, "off", None, now);
                continue;
            }
            if !channel.wants(resource, key, interaction) {
                continue;
            }
            let hook = self.hooks.entry(id.clone()).or_default();
            hook.count += 1;
            let event = Event {
                number: hook.count,
                at: held.at,
                key: key.clone(),
                interaction,
                resource: resource.clone(),
            };
            if hook.events.len() == EVENTS_MAX {
                hook.events.pop_front();
            }
            hook.events.push_back(event.clone());
            self.enqueue(&id, What::Event(event));
        }
    }

    /// Lets every active subscription to a topic be sent a heartbeat.
    pub(super) fn heartbeat(&mut self) {
        let active = self.store.of_kind("Subscription");
        let active = active.filter(|(_, _, resource)| text(resource, "/status") == Some("active"));
        let ids: Vec<String> = active.map(|(key, ..)| key.id.clone()).collect();
        for id in ids {
            if self.channel(&id).is_some_and(|channel| channel.kind == Kind::Topic) {
                self.enqueue(&id, What::Heartbeat);
            }
        }
    }

    /// Forgets how many events there were, as a server does that is started anew without memory.
    pub(super) fn reset_counters(&mut self) {
        for hook in self.hooks.values_mut() {
            hook.count = 0;
            hook.events.clear();
        }
    }

    fn enqueue(&mut self, id: &str, what: What) {
        if self.queue.len() == QUEUE_MAX {
            self.queue.pop_front();
        }
        self.queue.push_back(Notice { subscription: id.to_owned(), what });
    }
}
