//! What a FHIR server is asked to notify of (`subscribe` of `[[fhir.server]]`, and what belongs to it).

use std::time::Duration;

use super::fault::Place;
use super::fhir::FhirVersion;
use super::reader::Section;

/// What a server is asked to notify of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// In which of the three models.
    pub kind: SubscriptionKind,
    /// The search whose results are told of, as R4 has it.
    pub criteria: String,
    /// The topic, as the others have it; there is one wherever they are chosen.
    pub topic: Option<String>,
    /// Searches that narrow the topic, as `Appointment?location=Location/1`.
    pub filters: Vec<String>,
    /// How much a notification says.
    pub content: Content,
    /// How often the server is to say that it lives.
    pub heartbeat: Option<Duration>,
    /// How long it lasts before it is renewed; without it, it has no end.
    pub lifetime: Option<Duration>,
}

/// A model of subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionKind {
    /// By criteria, as R4 itself has it.
    R4,
    /// By topic, in R4 or R4B.
    Backport,
    /// By topic, as R5 itself has it.
    R5,
}

/// How much a notification says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// That something has changed.
    Empty,
    /// What has changed.
    IdOnly,
    /// What it is now.
    FullResource,
}

/// What the numbers of notifications mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventNumbers {
    /// They count the subscription's events: a gap is something lost.
    Monotonic,
    /// They begin anew in every notification.
    PerBundle,
    /// Nothing.
    Ignore,
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// The resource that all searches are for.
const RESOURCE: &str = "Appointment";

const KINDS: [(&str, Option<SubscriptionKind>); 4] = [
    ("r4", Some(SubscriptionKind::R4)),
    ("backport", Some(SubscriptionKind::Backport)),
    ("r5", Some(SubscriptionKind::R5)),
    ("none", None),
];
const CONTENTS: [(&str, Content); 3] = [
    ("empty", Content::Empty),
    ("id-only", Content::IdOnly),
    ("full-resource", Content::FullResource),
];

/// Reads what belongs to `subscribe`.
pub(super) fn read(
    section: &mut Section<'_>,
    version: Option<FhirVersion>,
) -> Option<Subscription> {
    let place = section.place_of("subscribe");
    let chosen = section.chosen("subscribe", &KINDS, None);
    let kind = chosen.flatten();
    match kind {
        None if chosen.is_some() => {
            let keys =
                ["criteria", "topic", "filters", "content", "heartbeat", "subscription_days"];
            section.idle(&keys, "subscribe is \"none\"");
        }
        None => {}
        Some(SubscriptionKind::R4) => {
            let why = "subscribe is \"r4\", which has criteria only";
            section.idle(&["topic", "filters", "heartbeat"], why);
        }
        Some(SubscriptionKind::Backport | SubscriptionKind::R5) => {
            section.idle(&["criteria"], "subscribe goes by topic; write filters");
        }
    }
    if let Some((kind, version)) = kind.zip(version) {
        check_version(section, place, kind, version);
    }
    let criteria = criteria(section);
    let topic = topic(section);
    if matches!(kind, Some(SubscriptionKind::Backport | SubscriptionKind::R5)) {
        section.need(topic.is_some(), "topic", "write the address of the server's topic");
    }
    let days = section.count_or_off("subscription_days", 1..=366, None);
    let rest = Subscription {
        kind: SubscriptionKind::R4,
        criteria,
        topic,
        filters: filters(section),
        content: section.choice("content", &CONTENTS, Content::IdOnly),
        heartbeat: section.duration_or_off("heartbeat", 5 * SECOND..=DAY, None),
        lifetime: days.map(|days| Duration::from_secs(days.saturating_mul(DAY.as_secs()))),
    };
    kind.map(|kind| Subscription { kind, ..rest })
}

fn check_version(
    section: &mut Section<'_>,
    place: Place,
    kind: SubscriptionKind,
    version: FhirVersion,
) {
    let is_five = match version {
        FhirVersion::R5 => true,
        FhirVersion::R4 | FhirVersion::R4B => false,
    };
    let problem = match (kind, is_five) {
        (SubscriptionKind::R5, false) => "\"r5\" is of R5; write \"backport\", or version = \"R5\"",
        (SubscriptionKind::R4 | SubscriptionKind::Backport, true) => {
            "is not for servers with version = \"R5\"; write \"r5\""
        }
        (SubscriptionKind::R4 | SubscriptionKind::Backport, false)
        | (SubscriptionKind::R5, true) => return,
    };
    section.fault(place, "subscribe", problem);
}

fn criteria(section: &mut Section<'_>) -> String {
    let place = section.place_of("criteria");
    let wanted = "write a search for appointments, such as \"Appointment?location=Location/1\"";
    let is_right = |text: &str| parameters(text).is_some();
    let criteria = section.parsed("criteria", wanted, |text| {
        if is_right(text) { Ok(text.to_owned()) } else { Err(()) }
    });
    if criteria.as_deref().is_some_and(goes_by_status) {
        section.warn(place, "criteria", BY_STATUS);
    }
    criteria.unwrap_or_else(|| format!("{RESOURCE}?"))
}

fn topic(section: &mut Section<'_>) -> Option<String> {
    let wanted =
        "write an address such as \"https://ehr.example.org/SubscriptionTopic/appointment\"";
    section.parsed("topic", wanted, |text| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_address = is_plain && reqwest::Url::parse(text).is_ok();
        if is_address { Ok(text.to_owned()) } else { Err(()) }
    })
}

fn filters(section: &mut Section<'_>) -> Vec<String> {
    let place = section.place_of("filters");
    let filters = section.list("filters", |text| {
        let is_right = parameters(text).is_some_and(|parameters| !parameters.is_empty());
        let wanted = "is no search; write one such as \"Appointment?location=Location/1\"";
        if is_right { Ok(text.to_owned()) } else { Err(wanted.to_owned()) }
    });
    let filters = filters.unwrap_or_default();
    if filters.iter().any(|filter| goes_by_status(filter)) {
        section.warn(place, "filters", BY_STATUS);
    }
    filters
}

const BY_STATUS: &str =
    "goes by status: a server is silent when an appointment leaves it, as by a cancellation";

/// The parameters of a search for appointments, by name; none if it is no such search.
fn parameters(search: &str) -> Option<Vec<&str>> {
    let rest = search.strip_prefix(RESOURCE)?;
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let query = if rest.is_empty() { rest } else { rest.strip_prefix('?')? };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').map(|(name, _)| name)).collect()
}

/// Whether a search filters on the status, plainly or with a modifier.
fn goes_by_status(search: &str) -> bool {
    let names = parameters(search).unwrap_or_default();
    names.iter().any(|name| name.split(':').next() == Some("status"))
}

/// Reads what event numbers mean; R4 itself has none.
pub(super) fn event_numbers(
    section: &mut Section<'_>,
    subscription: Option<&Subscription>,
) -> EventNumbers {
    let words = [
        ("monotonic", EventNumbers::Monotonic),
        ("per_bundle", EventNumbers::PerBundle),
        ("ignore", EventNumbers::Ignore),
    ];
    let usual = match subscription.map(|subscription| subscription.kind) {
        Some(SubscriptionKind::R4) => EventNumbers::Ignore,
        Some(SubscriptionKind::Backport | SubscriptionKind::R5) | None => EventNumbers::Monotonic,
    };
    section.choice("event_numbers", &words, usual)
}

#[cfg(test)]
#[path = "fhir_subscription_tests.rs"]
mod tests;
