//! What a subscription of ours looks like in each model.

use std::fmt;

use serde_json::{Map, Value, json};

use super::{Model, SeenStatus};
use crate::clock::Timestamp;

/// The only payload that we read.
const PAYLOAD: &str = "application/fhir+json";
/// What a subscription is about.
const RESOURCE: &str = "Appointment";

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

/// A condition on the appointments that we are told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The search parameter.
    pub parameter: String,
    /// A comparator such as `ge`.
    pub comparator: Option<String>,
    /// A modifier such as `not`.
    pub modifier: Option<String>,
    /// The value.
    pub value: String,
}

impl Filter {
    /// The condition as a part of a search.
    fn search(&self) -> String {
        let modifier = self.modifier.as_deref().map(|word| format!(":{word}")).unwrap_or_default();
        let comparator = self.comparator.as_deref().unwrap_or_default();
        format!("{}{modifier}={comparator}{}", self.parameter, self.value)
    }
}

impl Filter {
    /// Reads the conditions of a search such as `Appointment?location=Location/1&date=ge2026-12-01`;
    /// what is no condition is left out.
    #[must_use]
    pub fn read_all(search: &str) -> Vec<Self> {
        let conditions = search.split_once('?').map_or(search, |(_, conditions)| conditions);
        let read = |condition: &str| {
            let (name, value) = condition.split_once('=')?;
            let (parameter, modifier) = match name.split_once(':') {
                Some((parameter, modifier)) => (parameter, Some(modifier.to_owned())),
                None => (name, None),
            };
            let is_whole = !parameter.is_empty() && !value.is_empty();
            is_whole.then(|| Self {
                parameter: parameter.to_owned(),
                comparator: None,
                modifier,
                value: value.to_owned(),
            })
        };
        conditions.split('&').filter_map(read).collect()
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
    /// Conditions.
    pub filters: Vec<Filter>,
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

    /// The search with the conditions behind it.
    fn search(&self) -> String {
        let mut search = self.criteria.clone();
        for filter in &self.filters {
            let mark = match search.split_once('?') {
                None => "?",
                Some((_, "")) => "",
                Some(_) => "&",
            };
            search.push_str(mark);
            search.push_str(&filter.search());
        }
        search
    }
}

/// What does not work at real servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointFault {
    /// A resource that leaves the criteria is not reported, so a cancellation never would be.
    #[error("criteria must not ask for a status: the cancellation would never be told")]
    Status,
    /// Criteria that are not a search for appointments.
    #[error("criteria must be a search for Appointment")]
    NotASearch,
    /// A topic that is not an address.
    #[error("criteria must be the canonical address of a topic")]
    NotATopic,
    /// A header without a name or with a line break.
    #[error("a header must be written as \"Name: value\", in one line")]
    Header,
    /// Medplum splits at each colon and keeps two parts.
    #[error("a header's value must not hold a colon: some servers drop what follows it")]
    Colon,
}

/// What of an endpoint does not work at real servers, for when settings are checked.
#[must_use]
pub fn faults(model: Model, endpoint: &Endpoint) -> Vec<EndpointFault> {
    let mut faults = Vec::new();
    match model {
        Model::Criteria => {
            let (name, search) =
                endpoint.criteria.split_once('?').unwrap_or((&endpoint.criteria, ""));
            if name != RESOURCE {
                faults.push(EndpointFault::NotASearch);
            }
            let asks = search.split('&').filter_map(|pair| pair.split(['=', ':']).next());
            let filters = endpoint.filters.iter().map(|filter| filter.parameter.as_str());
            if asks.chain(filters).any(|parameter| parameter == "status") {
                faults.push(EndpointFault::Status);
            }
        }
        Model::Backport | Model::R5 => {
            if !endpoint.criteria.contains(':') || endpoint.criteria.contains(char::is_whitespace) {
                faults.push(EndpointFault::NotATopic);
            }
        }
    }
    for header in &endpoint.headers {
        match header.split_once(':') {
            Some((name, value)) if is_header(name, value) => {
                faults.extend(value.contains(':').then_some(EndpointFault::Colon));
            }
            Some(_) | None => faults.push(EndpointFault::Header),
        }
    }
    faults
}

fn is_header(name: &str, value: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(is_token)
        && !value.trim().is_empty()
        && !value.contains(char::is_control)
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
    pub content: Option<Content>,
    /// `backport-heartbeat-period`.
    pub heartbeat_seconds: Option<u32>,
    /// `backport-timeout`.
    pub timeout_seconds: Option<u32>,
    /// When it ends.
    pub end: Option<Timestamp>,
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
    let has_payload = is_topic || endpoint.content == Content::FullResource;
    let filters = endpoint.filters.iter().map(|filter| format!("{RESOURCE}?{}", filter.search()));
    Wanted::R4(Box::new(NewSubscription {
        model,
        criteria: if is_topic { endpoint.criteria.clone() } else { endpoint.search() },
        filters: filters.filter(|_| is_topic).collect(),
        endpoint: endpoint.url.clone(),
        headers: endpoint.headers.clone(),
        payload: has_payload.then_some(PAYLOAD),
        content: is_topic.then_some(endpoint.content),
        heartbeat_seconds: endpoint.heartbeat_seconds.filter(|_| is_topic),
        timeout_seconds: endpoint.timeout_seconds.filter(|_| is_topic),
        end: endpoint.end,
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
    let filters: Vec<Value> = endpoint.filters.iter().map(r5_filter).collect();
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

fn r5_filter(filter: &Filter) -> Value {
    let mut fields = Map::new();
    let pairs = [
        ("resourceType", Some(RESOURCE)),
        ("filterParameter", Some(filter.parameter.as_str())),
        ("comparator", filter.comparator.as_deref()),
        ("modifier", filter.modifier.as_deref()),
        ("value", Some(filter.value.as_str())),
    ];
    for (name, value) in pairs {
        fields.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    Value::Object(fields)
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
