//! What a subscription of ours looks like in each model.

use std::fmt;

use serde_json::{Map, Value, json};

use super::{Model, SeenStatus};
use crate::clock::Timestamp;

/// The only payload that we read.
const PAYLOAD: &str = "application/fhir+json";
/// What a subscription is about.
const RESOURCE: &str = "Appointment";
/// What a time is compared by. R4, Search.
const COMPARATORS: [&str; 9] = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

/// How much a notification says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Content {
    /// That something happened.
    Empty,
    /// To what; we read it ourselves, so that a forged notification can claim nothing.
    #[default]
    IdOnly,
    /// With the resource.
    FullResource,
}

impl Content {
    /// FHIR's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::IdOnly => "id-only",
            Self::FullResource => "full-resource",
        }
    }
}

/// A key that a server signs its notifications with, given to it in an extension of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The extension's address.
    pub url: String,
    /// The key.
    pub value: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What we want of a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The server's configured name.
    pub server: String,
    /// Where notifications go. The path cannot be guessed, and is what we know our own by.
    pub url: String,
    /// Headers that go along, as in `X-Hook-Token: secret`.
    pub headers: Vec<String>,
    /// The search, as in `Appointment?`, or the topic's canonical address.
    pub criteria: String,
    /// Conditions on a topic, as in `Appointment?location=Location/1`; all of them hold.
    pub filters: Vec<String>,
    /// How much a notification says.
    pub content: Content,
    /// How often the server shows that it is alive, in seconds.
    pub heartbeat_seconds: Option<u32>,
    /// How long it tries to deliver, in seconds.
    pub timeout_seconds: Option<u32>,
    /// When it ends.
    pub end: Option<Timestamp>,
    /// What notifications are signed with.
    pub secret: Option<Secret>,
    /// How often a server tries that has a setting for it.
    pub attempts_max: Option<u32>,
    /// How many events come in one notification at most (R5).
    pub count_max: Option<u32>,
    /// Whether it is created as `active`, for servers that never make it so themselves.
    pub starts_active: bool,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address and the headers are what a forger would need.
        f.debug_struct("Endpoint").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Endpoint {
    const fn status(&self) -> SeenStatus {
        if self.starts_active { SeenStatus::Active } else { SeenStatus::Requested }
    }

    fn reason(&self) -> String {
        format!("appointd: appointments of {}", self.server)
    }
}

/// A subscription in the form of R4 or R4B, to be written with a FHIR library.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSubscription {
    /// [`Model::Criteria`] or [`Model::Backport`].
    pub model: Model,
    /// The whole search, or the topic.
    pub criteria: String,
    /// Conditions of a topic (`backport-filter-criteria`), as in `Appointment?location=Location/1`.
    pub filters: Vec<String>,
    /// Where notifications go.
    pub endpoint: String,
    /// Headers that go along.
    pub headers: Vec<String>,
    /// The media type; without it notifications have no body.
    pub payload: Option<&'static str>,
    /// How much a notification says, for a topic.
    pub content: Content,
    /// `backport-heartbeat-period`.
    pub heartbeat_seconds: Option<u32>,
    /// `backport-timeout`.
    pub timeout_seconds: Option<u32>,
    /// When it ends, as an instant.
    pub end: Option<String>,
    /// What it is for, in words.
    pub reason: String,
    /// An extension with a key, and its address.
    pub secret: Option<(String, String)>,
    /// How often a server tries that has a setting for it.
    pub max_attempts: Option<u32>,
    /// `requested`, or `active` for servers that never make it so themselves.
    pub status: SeenStatus,
}

impl fmt::Debug for NewSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSubscription").field("model", &self.model).finish_non_exhaustive()
    }
}

/// A subscription that we want to exist.
#[derive(Clone, PartialEq)]
pub enum Wanted {
    /// R4 or R4B.
    R4(Box<NewSubscription>),
    /// R5, the resource itself.
    R5(Value),
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::R4(new) => f.debug_tuple("R4").field(new).finish(),
            Self::R5(_) => f.write_str("R5"),
        }
    }
}

/// What a subscription of ours looks like.
#[must_use]
pub fn wanted(model: Model, endpoint: &Endpoint) -> Wanted {
    let is_topic = match model {
        Model::R5 => return Wanted::R5(r5(endpoint)),
        Model::Backport => true,
        Model::Criteria => false,
    };
    // Criteria know only two contents: the resource, or nothing.
    let has_payload = is_topic || endpoint.content != Content::Empty;
    Wanted::R4(Box::new(NewSubscription {
        model,
        criteria: endpoint.criteria.clone(),
        filters: if is_topic { endpoint.filters.clone() } else { Vec::new() },
        endpoint: endpoint.url.clone(),
        headers: endpoint.headers.clone(),
        payload: has_payload.then_some(PAYLOAD),
        content: endpoint.content,
        heartbeat_seconds: endpoint.heartbeat_seconds.filter(|_| is_topic),
        timeout_seconds: endpoint.timeout_seconds.filter(|_| is_topic),
        end: endpoint.end.map(written),
        reason: endpoint.reason(),
        secret: endpoint.secret.as_ref().map(|own| (own.url.clone(), own.value.clone())),
        max_attempts: endpoint.attempts_max,
        status: endpoint.status(),
    }))
}

fn r5(endpoint: &Endpoint) -> Value {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        fields.extend(value.map(|value| (name.to_owned(), value)));
    };
    let filters: Vec<Value> = endpoint.filters.iter().flat_map(|text| r5_filters(text)).collect();
    let parameters: Vec<Value> = endpoint
        .headers
        .iter()
        .filter_map(|header| header.split_once(':'))
        .map(|(name, value)| json!({ "name": name.trim(), "value": value.trim() }))
        .collect();
    let secret = endpoint.secret.as_ref();
    set("resourceType", Some(json!("Subscription")));
    set("extension", secret.map(|own| json!([{ "url": own.url, "valueString": own.value }])));
    set("status", Some(json!(endpoint.status().name())));
    set("topic", Some(json!(endpoint.criteria)));
    set("end", endpoint.end.map(|end| json!(written(end))));
    set("reason", Some(json!(endpoint.reason())));
    set("filterBy", (!filters.is_empty()).then(|| json!(filters)));
    set(
        "channelType",
        Some(json!({
            "system": "http://terminology.hl7.org/CodeSystem/subscription-channel-type",
            "code": "rest-hook",
        })),
    );
    set("endpoint", Some(json!(endpoint.url)));
    set("parameter", (!parameters.is_empty()).then(|| json!(parameters)));
    set("heartbeatPeriod", endpoint.heartbeat_seconds.map(|seconds| json!(seconds)));
    set("timeout", endpoint.timeout_seconds.map(|seconds| json!(seconds)));
    set("contentType", Some(json!(PAYLOAD)));
    set("content", Some(json!(endpoint.content.as_str())));
    set("maxCount", endpoint.count_max.map(|count| json!(count)));
    Value::Object(fields)
}

/// The conditions of a search, one by one.
fn r5_filters(search: &str) -> Vec<Value> {
    let (resource, query) = search.split_once('?').unwrap_or((RESOURCE, search));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| {
            let (name, modifier) =
                key.split_once(':').map_or((key, None), |(name, modifier)| (name, Some(modifier)));
            let (comparator, value) = compared(name, value);
            let mut fields = Map::new();
            for (name, value) in [
                ("resourceType", Some(resource)),
                ("filterParameter", Some(name)),
                ("comparator", comparator),
                ("modifier", modifier),
                ("value", Some(value)),
            ] {
                fields.extend(value.map(|value| (name.to_owned(), json!(value))));
            }
            Value::Object(fields)
        })
        .collect()
}

/// Takes the comparator off a time; in other values the same letters are a part of them.
fn compared<'a>(name: &str, value: &'a str) -> (Option<&'a str>, &'a str) {
    let is_time = matches!(name, "date" | "_lastUpdated");
    match value.split_at_checked(2) {
        Some((comparator, time)) if is_time && COMPARATORS.contains(&comparator) => {
            (Some(comparator), time)
        }
        Some(_) | None => (None, value),
    }
}

/// The subscription as just read, asked for again: with a status to start from, without the error that
/// stopped it, and with a new end if there is one. To be put in the place of the old one.
#[must_use]
pub fn changed(read: &Value, starts_active: bool, end: Option<Timestamp>) -> Value {
    let mut resource = read.clone();
    if let Some(fields) = resource.as_object_mut() {
        let status = if starts_active { SeenStatus::Active } else { SeenStatus::Requested };
        fields.insert("status".to_owned(), json!(status.name()));
        fields.shift_remove("error");
        if let Some(end) = end {
            fields.insert("end".to_owned(), json!(written(end)));
        }
    }
    resource
}

/// A moment as FHIR's `instant`.
fn written(moment: Timestamp) -> String {
    moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
#[path = "wanted_tests.rs"]
mod tests;
