//! What a server says of a subscription: the resource itself, or the answer of `$status`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::fhir::instant::instant;

/// How many entries and parameters are looked at; an answer about one subscription has a dozen.
const ITEMS_MAX: usize = 200;
/// The longest word of an error that is kept.
const CODE_BYTES_MAX: usize = 32;

/// The status of a subscription, all versions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenStatus {
    /// Asked for, not yet running.
    Requested,
    /// Running.
    Active,
    /// Stopped by an error.
    Error,
    /// Switched off, or at its end.
    Off,
    /// Withdrawn as a mistake (R5).
    EnteredInError,
    /// There is no such subscription.
    Gone,
    /// Not said, or by a word that is on no list.
    #[default]
    Unknown,
}

impl SeenStatus {
    /// FHIR's word where there is one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Active => "active",
            Self::Error => "error",
            Self::Off => "off",
            Self::EnteredInError => "entered-in-error",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }

    fn parse(word: &str) -> Self {
        match word.trim() {
            "requested" => Self::Requested,
            "active" => Self::Active,
            "error" => Self::Error,
            "off" => Self::Off,
            "entered-in-error" => Self::EnteredInError,
            _ => Self::Unknown,
        }
    }
}

/// What a server says of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Whether it runs.
    pub status: SeenStatus,
    /// When it ends, which only the resource says.
    pub end: Option<Timestamp>,
    /// The code of the error, if it has one; a server's sentences are not read.
    pub error: Option<String>,
    /// How many events there were since it began, by a count that some servers begin anew.
    pub events: Option<u64>,
}

impl Seen {
    /// What is seen when reading the subscription finds nothing.
    #[must_use]
    pub fn gone() -> Self {
        Self { status: SeenStatus::Gone, ..Self::default() }
    }

    /// Reads a `Subscription`, a `SubscriptionStatus`, the `Parameters` that stand for one in R4, or a
    /// Bundle that begins with any of them.
    #[must_use]
    pub fn read(value: &Value) -> Self {
        match text(value, "resourceType") {
            Some("Subscription" | "SubscriptionStatus") => Self::of_resource(value),
            Some("Parameters") => Self::of_parameters(value, parameter_resource),
            Some("Bundle") => Self::of_bundle(value),
            Some(_) | None => Self::default(),
        }
    }

    fn of_bundle(bundle: &Value) -> Self {
        let resources = list(bundle, "entry").filter_map(|entry| entry.get("resource"));
        let read = resources.filter_map(|resource| match text(resource, "resourceType")? {
            "Subscription" | "SubscriptionStatus" => Some(Self::of_resource(resource)),
            "Parameters" => Some(Self::of_parameters(resource, |_| None)),
            _ => None,
        });
        read.fold(None, |first, next| first.or(Some(next))).unwrap_or_default()
    }

    fn of_resource(resource: &Value) -> Self {
        Self {
            status: text(resource, "status").map_or(SeenStatus::Unknown, SeenStatus::parse),
            end: text(resource, "end").and_then(instant),
            error: list(resource, "error").find_map(code),
            events: resource.get("eventsSinceSubscriptionStart").and_then(number),
        }
    }

    /// `within` opens what an operation has wrapped into `return`.
    fn of_parameters(parameters: &Value, within: fn(&Value) -> Option<Self>) -> Self {
        let mut seen = Self::default();
        for parameter in list(parameters, "parameter") {
            match text(parameter, "name") {
                Some("status") => {
                    let word = any_value(parameter).and_then(Value::as_str);
                    seen.status = word.map_or(SeenStatus::Unknown, SeenStatus::parse);
                }
                Some("error") => {
                    seen.error = seen.error.or_else(|| any_value(parameter).and_then(code));
                }
                Some("events-since-subscription-start" | "eventsSinceSubscriptionStart") => {
                    seen.events = any_value(parameter).and_then(number);
                }
                Some("return") => {
                    if let Some(inner) = within(parameter) {
                        return inner;
                    }
                }
                Some(_) | None => {}
            }
        }
        seen
    }
}

/// What a parameter holds as a resource; one that wraps again is not opened.
fn parameter_resource(parameter: &Value) -> Option<Seen> {
    let resource = parameter.get("resource")?;
    match text(resource, "resourceType")? {
        "Bundle" => Some(Seen::of_bundle(resource)),
        "Parameters" => Some(Seen::of_parameters(resource, |_| None)),
        "Subscription" | "SubscriptionStatus" => Some(Seen::of_resource(resource)),
        _ => None,
    }
}

/// Whether a subscription that a search has found delivers to this address of ours.
#[must_use]
pub fn is_ours(subscription: &Value, endpoint: &str) -> bool {
    let plain = |address: &str| address.trim().trim_end_matches('/').to_owned();
    let channel = subscription.get("channel").and_then(|channel| text(channel, "endpoint"));
    text(subscription, "resourceType") == Some("Subscription")
        && channel
            .or_else(|| text(subscription, "endpoint"))
            .is_some_and(|own| !own.is_empty() && plain(own) == plain(endpoint))
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten().take(ITEMS_MAX)
}

/// The value of a parameter, whatever type a server gives it.
fn any_value(parameter: &Value) -> Option<&Value> {
    let fields = parameter.as_object()?;
    fields.iter().find(|(name, _)| name.starts_with("value")).map(|(_, value)| value)
}

/// A count, which comes as a number or as a text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The code of a concept or of a bare coding, if it looks like one; prose could be about a patient.
fn code(concept: &Value) -> Option<String> {
    let is_code = |code: &&str| {
        (1..=CODE_BYTES_MAX).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    let mut codes = list(concept, "coding").filter_map(|coding| text(coding, "code"));
    codes.find(is_code).or_else(|| text(concept, "code").filter(is_code)).map(str::to_owned)
}

#[cfg(test)]
#[path = "seen_tests.rs"]
mod tests;
