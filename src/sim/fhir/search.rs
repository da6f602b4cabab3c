//! Which resources a search finds, and in what order; no pages, no network.
//!
//! Parameters that are not known are passed over, as most servers do. Values are combined by commas
//! (or), parameters by being there (and).

use chrono::{DateTime, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use serde_json::Value;

use super::store::{Key, Store};
use crate::clock::Timestamp;

/// Parameters of one search.
const PARAMETERS_MAX: usize = 200;

/// The parameters of a search, decoded, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`.
    pub(super) fn parse(text: &str) -> Self {
        // The reader of addresses decodes; the address itself means nothing.
        let Ok(url) = reqwest::Url::parse(&format!("http://search.invalid/?{text}")) else {
            return Self::default();
        };
        let pairs = url.query_pairs().take(PARAMETERS_MAX);
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    pub(super) const fn of(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Why a search is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclear(pub(super) &'static str);

/// Finds resources of a type.
pub(super) fn find(store: &Store, kind: &str, query: &Query) -> Result<Vec<Key>, Unclear> {
    check(query)?;
    let fits = |resource: &Value| {
        query.pairs().all(|(name, value)| is_met(resource, name, value).unwrap_or(true))
    };
    let mut found: Vec<(&Key, Timestamp, &Value)> = store
        .of_kind(kind)
        .filter(|(_, _, resource)| fits(resource))
        .map(|(key, held, resource)| (key, held.at, resource))
        .collect();
    for order in query.first("_sort").unwrap_or_default().split(',').rev() {
        let (name, is_down) = order.strip_prefix('-').map_or((order, false), |name| (name, true));
        match name {
            "_lastUpdated" => found.sort_by_key(|(_, at, _)| *at),
            "date" => found.sort_by_key(|(_, _, resource)| start_of(resource)),
            "_id" => found.sort_by_key(|(key, ..)| key.id.clone()),
            _ => {}
        }
        if is_down {
            found.reverse();
        }
    }
    Ok(found.into_iter().map(|(key, ..)| key.clone()).collect())
}

fn check(query: &Query) -> Result<(), Unclear> {
    let dates = query.pairs().filter(|(name, _)| matches!(*name, "date" | "_lastUpdated"));
    let mut values = dates.flat_map(|(_, value)| value.split(','));
    if values.any(|value| Span::parse(value).is_none()) {
        return Err(Unclear("a date cannot be read"));
    }
    if query.first("_count").is_some_and(|count| count.parse::<usize>().is_err()) {
        return Err(Unclear("_count is no number"));
    }
    Ok(())
}

/// Whether a resource meets a parameter; `None` if the parameter is not known.
pub(super) fn is_met(resource: &Value, name: &str, values: &str) -> Option<bool> {
    let (name, modifier) = name.split_once(':').unwrap_or((name, ""));
    let mut any = false;
    for value in values.split(',') {
        any |= is_one_met(resource, name, modifier, value)?;
    }
    Some(if modifier == "not" { !any } else { any })
}

fn is_one_met(resource: &Value, name: &str, modifier: &str, value: &str) -> Option<bool> {
    let kind = text(resource, "/resourceType").unwrap_or_default();
    let is_text = |pointer: &str| text(resource, pointer) == Some(value);
    Some(match (kind, name) {
        (_, "_id") => is_text("/id"),
        (_, "_lastUpdated") => {
            let at = text(resource, "/meta/lastUpdated").and_then(read_instant);
            Span::parse(value).zip(at).is_some_and(|(span, at)| span.holds(at))
        }
        (_, "identifier") => has_identifier(resource, value),
        (_, "status") => is_text("/status"),
        ("Appointment", "date") => {
            Span::parse(value).zip(start_of(resource)).is_some_and(|(span, at)| span.holds(at))
        }
        ("Appointment", "patient") => has_actor(resource, "Patient", value),
        ("Appointment", "practitioner") => has_actor(resource, "Practitioner", value),
        ("Appointment", "location") => has_actor(resource, "Location", value),
        ("Appointment", "actor") => has_actor(resource, modifier, value),
        ("AppointmentResponse", "appointment") => {
            text(resource, "/appointment/reference").is_some_and(|held| names(held, value))
        }
        ("Subscription", "url") => is_text("/channel/endpoint") || is_text("/endpoint"),
        ("Subscription", "criteria") => is_text("/criteria"),
        ("Subscription", "topic") => is_text("/topic") || is_text("/criteria"),
        ("Patient" | "Practitioner", "family") => is_text("/name/0/family"),
        ("Patient" | "Practitioner", "name") => resource
            .get("name")
            .is_some_and(|name| name.to_string().to_lowercase().contains(&value.to_lowercase())),
        ("Patient", "phone") => {
            resource.get("telecom").is_some_and(|telecom| telecom.to_string().contains(value))
        }
        _ => return None,
    })
}

fn has_actor(resource: &Value, kind: &str, value: &str) -> bool {
    let participants = resource.get("participant").and_then(Value::as_array);
    participants.into_iter().flatten().filter_map(|one| text(one, "/actor/reference")).any(|held| {
        let is_kind = kind.is_empty() || Key::parse(held).is_some_and(|key| key.kind == kind);
        is_kind && names(held, value)
    })
}

/// Whether a reference is the one that is looked for, which may be an id, `Type/id` or an address.
fn names(held: &str, value: &str) -> bool {
    let Some(key) = Key::parse(held) else { return held == value };
    match Key::parse(value) {
        Some(wanted) => wanted == key,
        None => key.id == value,
    }
}

fn has_identifier(resource: &Value, value: &str) -> bool {
    let identifiers = match resource.get("identifier") {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    identifiers.iter().any(|one| {
        let held = text(one, "/value").unwrap_or_default();
        match value.split_once('|') {
            None => held == value,
            Some((system, "")) => text(one, "/system").unwrap_or_default() == system,
            Some((system, wanted)) => {
                held == wanted && text(one, "/system").unwrap_or_default() == system
            }
        }
    })
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn start_of(resource: &Value) -> Option<Timestamp> {
    text(resource, "/start").and_then(read_instant)
}

fn read_instant(text: &str) -> Option<Timestamp> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc))
}

/// A value of a search for dates: a comparison with a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    compare: Compare,
    from: Timestamp,
    /// The first moment after it.
    to: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Within,
    Outside,
    From,
    After,
    UpTo,
    Before,
}

impl Span {
    /// Reads `ge2026-12-01` and its like; without a zone it is UTC.
    fn parse(text: &str) -> Option<Self> {
        let (compare, rest) = match text.get(..2)? {
            "eq" => (Compare::Within, text.get(2..)?),
            "ne" => (Compare::Outside, text.get(2..)?),
            "ge" => (Compare::From, text.get(2..)?),
            "gt" | "sa" => (Compare::After, text.get(2..)?),
            "le" => (Compare::UpTo, text.get(2..)?),
            "lt" | "eb" => (Compare::Before, text.get(2..)?),
            _ => (Compare::Within, text),
        };
        let (from, to) = stretch(rest)?;
        Some(Self { compare, from, to })
    }

    fn holds(self, at: Timestamp) -> bool {
        match self.compare {
            Compare::Within => self.from <= at && at < self.to,
            Compare::Outside => at < self.from || at >= self.to,
            Compare::From => at >= self.from,
            Compare::After => at >= self.to,
            Compare::UpTo => at < self.to,
            Compare::Before => at < self.from,
        }
    }
}

/// The stretch that a date or an instant means by its precision.
fn stretch(text: &str) -> Option<(Timestamp, Timestamp)> {
    if let Some(at) = read_instant(text) {
        let is_to_the_second = !text.contains('.');
        let width =
            if is_to_the_second { TimeDelta::seconds(1) } else { TimeDelta::milliseconds(1) };
        return Some((at, at + width));
    }
    if let Ok(at) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S") {
        return Some((at.and_utc(), at.and_utc() + TimeDelta::seconds(1)));
    }
    if let Ok(at) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M") {
        return Some((at.and_utc(), at.and_utc() + TimeDelta::minutes(1)));
    }
    let midnight = |date: NaiveDate| Some(date.and_hms_opt(0, 0, 0)?.and_utc());
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some((midnight(date)?, midnight(date.checked_add_days(Days::new(1))?)?));
    }
    let month = |text: &str| NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok();
    if let Some(date) = month(text) {
        return Some((midnight(date)?, midnight(date.checked_add_months(Months::new(1))?)?));
    }
    let date = month(&format!("{text}-01"))?;
    Some((midnight(date)?, midnight(date.checked_add_months(Months::new(12))?)?))
}
