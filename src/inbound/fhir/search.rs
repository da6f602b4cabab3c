//! Searching a server: pages of appointments, each handed in, however the server can be asked.
//!
//! A page is taken entry by entry; one that is bad is kept as it came and does not stop the others.
//! The cursor is the server's own latest time of change, never ours.

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};
use futures_util::future::join_all;
use serde_json::Value;
use tracing::warn;

use super::desk::{Desk, NotTaken};
use super::read::{is_of_one, refusal};
use crate::clock::Timestamp;
use crate::fhir::page::{self, Entry, PageWalk};
use crate::fhir::query::{by_identifier, escaped};
use crate::fhir::resource::identity;

/// How many pages one search may have: at 100 entries a page more appointments than a large practice
/// has ahead.
const PAGES_MAX: usize = 10_000;
/// How many appointments of a page are completed at the same time; the server's own limit holds for
/// the requests that it takes.
const AT_ONCE: usize = 8;
/// How many days one request of a search by windows covers.
const WINDOW_DAYS: i64 = 7;
/// What belongs to an appointment and may come along with it.
const INCLUDES: &str =
    "&_include=Appointment:patient&_include=Appointment:practitioner&_include=Appointment:location";

/// How a server is asked.
#[derive(Debug, Clone)]
pub struct Ways {
    /// How many results a page is to have.
    pub page_size: usize,
    /// Whose appointments are asked for, day by day, where the server cannot search by the time of
    /// change.
    pub actors: Vec<String>,
    /// How many days ahead.
    pub days: u64,
}

/// What a search came to.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The ids of all appointments.
    pub(super) ids: BTreeSet<String>,
    /// The latest time of change.
    pub(super) latest: Option<Timestamp>,
}

/// Reads what changed since a moment.
pub(super) async fn since(desk: &Desk, ways: &Ways, from: Timestamp) -> Result<Seen, NotTaken> {
    let from = from.format("%Y-%m-%dT%H:%M:%S%.3fZ");
    let count = ways.page_size;
    let first =
        format!("Appointment?_lastUpdated=ge{from}&_sort=_lastUpdated&_count={count}{INCLUDES}");
    let mut seen = Seen::default();
    walk(desk, first, &mut seen).await?;
    Ok(seen)
}

/// Reads all appointments from a day on.
pub(super) async fn all(desk: &Desk, ways: &Ways, today: NaiveDate) -> Result<Seen, NotTaken> {
    let mut seen = Seen::default();
    let count = ways.page_size;
    if ways.actors.is_empty() {
        let first = format!("Appointment?date=ge{today}&_count={count}{INCLUDES}");
        walk(desk, first, &mut seen).await?;
        return Ok(seen);
    }
    let days = i64::try_from(ways.days).unwrap_or(i64::MAX).min(3_660);
    for actor in &ways.actors {
        let parameter = parameter_of(actor);
        let mut day = 0;
        while day < days {
            let from = today + TimeDelta::days(day);
            let to = today + TimeDelta::days((day + WINDOW_DAYS).min(days));
            let first = format!(
                "Appointment?{parameter}&date=ge{from}T00:00:00Z&date=lt{to}T00:00:00Z&_count={count}"
            );
            walk(desk, first, &mut seen).await?;
            day += WINDOW_DAYS;
        }
    }
    Ok(seen)
}

/// The search parameter for an actor such as `Location/1`.
fn parameter_of(actor: &str) -> String {
    match actor.split_once('/') {
        Some((kind @ ("Location" | "Practitioner" | "Patient"), id)) => {
            format!("{}={}", kind.to_ascii_lowercase(), escaped(id))
        }
        Some(_) | None => format!("actor={}", escaped(actor)),
    }
}

/// Reads the appointment of an identifier.
pub(super) async fn identifier(
    desk: &Desk,
    system: Option<&str>,
    value: &str,
) -> Result<(), NotTaken> {
    let first = format!("{}{INCLUDES}", by_identifier(system, value));
    walk(desk, first, &mut Seen::default()).await
}

/// Reads a patient's appointments from today on, since the patient is told of differently now.
pub(super) async fn patient(desk: &Desk, id: &str) -> Result<(), NotTaken> {
    desk.shelf.forget(&format!("Patient/{id}"));
    let today = desk.clock.now().date_naive() - TimeDelta::days(1);
    let first = format!("Appointment?patient={}&date=ge{today}{INCLUDES}", escaped(id));
    walk(desk, first, &mut Seen::default()).await
}

async fn walk(desk: &Desk, first: String, seen: &mut Seen) -> Result<(), NotTaken> {
    let mut walk = PageWalk::new(&first, PAGES_MAX);
    let mut target = first;
    let mut walked = BTreeSet::new();
    loop {
        let answer = desk.server.get(&target, None).await?;
        if answer.status != 200 {
            return Err(refusal(answer.status));
        }
        let page = page::read(&answer.body, desk.base()).map_err(|fault| {
            warn!(server = desk.name.as_str(), error = %fault, "A page of results cannot be read");
            NotTaken::Refused("page")
        })?;
        let next = page.next.clone();
        let ids: Vec<String> = page.entries.iter().filter_map(id_of).collect();
        take(desk, page.entries, seen).await?;
        let Some(next) = next else { return Ok(()) };
        let known = walked.len();
        let has_matches = !ids.is_empty();
        walked.extend(ids);
        if has_matches && walked.len() == known {
            // The links differ, and lead to the same appointments for ever.
            warn!(server = desk.name.as_str(), "A search goes round in a circle");
            return Err(NotTaken::Refused("paging"));
        }
        walk.follow(&next).map_err(|fault| {
            warn!(server = desk.name.as_str(), error = %fault, "A search has no end");
            NotTaken::Refused("paging")
        })?;
        target = next;
    }
}

fn id_of(entry: &Entry) -> Option<String> {
    match entry {
        Entry::Match(found) => Some(identity(&found.resource)?.id),
        Entry::Include(_) | Entry::Outcome(_) | Entry::Bad { .. } => None,
    }
}

async fn take(desk: &Desk, entries: Vec<Entry>, seen: &mut Seen) -> Result<(), NotTaken> {
    let (mut matches, mut included) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Entry::Match(found) => matches.push(found.resource),
            Entry::Include(found) => included.push(found.into_entry()),
            Entry::Outcome(_) => {}
            Entry::Bad { reason, raw } => desk.keep_bad(&raw, reason).await?,
        }
    }
    for resource in &matches {
        let Some(identity) = identity(resource) else { continue };
        seen.latest = seen.latest.max(identity.last_updated);
        seen.ids.insert(identity.id);
    }
    let mut rest = matches.into_iter().peekable();
    while rest.peek().is_some() {
        let some: Vec<Value> = rest.by_ref().take(AT_ONCE).collect();
        let taken = some.into_iter().map(|resource| async {
            let belonging = belonging(&resource, &included);
            let id = identity(&resource).map(|known| known.id).unwrap_or_default();
            (id, desk.take(resource, belonging).await)
        });
        for (id, taken) in join_all(taken).await {
            match taken {
                Ok(()) => {}
                Err(fault) if is_of_one(fault) => desk.look_later(&id).await?,
                Err(fault) => return Err(fault),
            }
        }
    }
    Ok(())
}

/// The resources of a page that an appointment names: all of a page with each of its appointments
/// would be a page squared.
fn belonging(appointment: &Value, included: &[Value]) -> Vec<Value> {
    let references = references_in(appointment);
    let is_named = |entry: &&Value| {
        let url = entry.get("fullUrl").and_then(Value::as_str);
        let resource = entry.get("resource").unwrap_or(entry);
        let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        let id = resource.get("id").and_then(Value::as_str).unwrap_or_default();
        let tail = format!("{kind}/{id}");
        references.iter().any(|reference| Some(*reference) == url || reference.contains(&tail))
    };
    included.iter().filter(is_named).cloned().collect()
}

fn references_in(appointment: &Value) -> Vec<&str> {
    let participants = appointment.get("participant").and_then(Value::as_array);
    let actors = participants.into_iter().flatten().filter_map(|each| each.get("actor"));
    actors.filter_map(|actor| actor.get("reference").and_then(Value::as_str)).collect()
}
