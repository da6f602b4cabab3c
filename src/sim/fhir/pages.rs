//! Searches as Bundles: pages, links to the next one, included resources, and what of that is wrong
//! on demand.
//!
//! What a search has found is kept for its further pages, so that a change in between neither drops
//! nor repeats an entry; the link is a token that says nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};

use super::faults::NextLink;
use super::reply::Reply;
use super::search::{Query, find, text};
use super::state::State;
use super::store::{Key, instant, uuid_of};
use super::wire::{outcome, shown};
use crate::clock::Timestamp;

/// Pages that can still be asked for; the oldest are forgotten first.
const PAGES_MAX: usize = 1_000;

/// One page of a search.
#[derive(Debug, Clone)]
struct Page {
    kind: String,
    found: Arc<Vec<Key>>,
    query: Arc<Query>,
    offset: usize,
}

/// The pages that can be asked for, by their tokens.
#[derive(Debug, Default)]
pub(super) struct Pages {
    open: BTreeMap<String, Page>,
    order: VecDeque<String>,
    made: u64,
}

impl Pages {
    fn open(&mut self, page: Page) -> String {
        self.made += 1;
        let token = uuid_of(format!("page {}", self.made).as_bytes());
        if self.order.len() == PAGES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.open.remove(&oldest);
        }
        self.order.push_back(token.clone());
        self.open.insert(token.clone(), page);
        token
    }
}

impl State {
    /// Answers a search; `asked` is the query as it came, for the link to itself.
    pub(super) fn search(&mut self, kind: &str, asked: &str, now: Timestamp) -> Reply {
        let query = Query::parse(asked);
        let page = match query.first("page") {
            Some(token) if !self.knobs.expire_pages => self.pages.open.get(token).cloned(),
            Some(_) => None,
            None => match self.first_page(kind, query) {
                Ok(page) => Some(page),
                Err(refusal) => return refusal,
            },
        };
        match page {
            Some(page) => Reply::ok(self.render(&page, asked, now)),
            None => Reply::refused(410, "expired", "the page is no longer there"),
        }
    }

    fn first_page(&self, kind: &str, mut query: Query) -> Result<Page, Reply> {
        if kind == "Appointment" && self.knobs.needs_actor {
            narrow(&query)?;
            query.add("_sort", "date");
        }
        let found = find(&self.store, kind, &query);
        let found = found.map_err(|unclear| Reply::refused(400, "invalid", unclear.0))?;
        let query = Arc::new(query);
        Ok(Page { kind: kind.to_owned(), found: Arc::new(found), query, offset: 0 })
    }

    fn render(&mut self, page: &Page, asked: &str, now: Timestamp) -> Value {
        let wanted = page.query.first("_count").and_then(|count| count.parse().ok());
        let size = wanted.unwrap_or(self.knobs.page_max).clamp(1, self.knobs.page_max.max(1));
        let keys: Vec<Key> = page.found.iter().skip(page.offset).take(size).cloned().collect();
        let mut entries: Vec<Value> =
            keys.iter().filter_map(|key| self.entry(key, "match", now)).collect();
        let included = self.included(&keys, &page.query);
        let middle = entries.len() / 2;
        if self.knobs.bad_entry {
            entries.insert(middle, broken(&self.base_url, page.offset));
        }
        entries.extend(included.iter().filter_map(|key| self.entry(key, "include", now)));
        if self.knobs.outcome_entry {
            let warning = outcome("warning", "not-found", "something could not be found");
            entries.push(json!({ "resource": warning, "search": { "mode": "outcome" } }));
        }
        if self.knobs.no_search_mode {
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                entry.shift_remove("search");
            }
        }
        let mark = if asked.is_empty() { "" } else { "?" };
        let own = format!("{}/{}{mark}{asked}", self.base_url, page.kind);
        let mut links = vec![json!({ "relation": "self", "url": own })];
        let after = page.offset + size;
        let next = match after < page.found.len() {
            true => Some(Page { offset: after, ..page.clone() }),
            false => self.knobs.page_loop.then(|| Page { offset: 0, ..page.clone() }),
        };
        if let Some(next) = next {
            let url = self.link(&page.kind, next);
            links.push(json!({ "relation": "next", "url": url }));
        }
        json!({
            "resourceType": "Bundle",
            "id": uuid_of(own.as_bytes()),
            "type": "searchset",
            "timestamp": instant(now),
            "total": page.found.len(),
            "link": links,
            "entry": entries,
        })
    }

    fn entry(&self, key: &Key, mode: &str, now: Timestamp) -> Option<Value> {
        Some(json!({
            "fullUrl": format!("{}/{key}", self.base_url),
            "resource": shown(self.store.current(key)?, &self.knobs, now)?,
            "search": { "mode": mode },
        }))
    }

    /// What `_include` asks for, each once.
    fn included(&self, keys: &[Key], query: &Query) -> BTreeSet<Key> {
        let mut included = BTreeSet::new();
        if self.knobs.ignore_include {
            return included;
        }
        for wanted in query.all("_include") {
            let mut parts = wanted.split(':').skip(1);
            let (name, target) = (parts.next().unwrap_or_default(), parts.next());
            for resource in keys.iter().filter_map(|key| self.store.live(key)) {
                let held = references(resource, name).into_iter();
                let held = held.filter_map(|reference| self.own(&reference));
                included.extend(held.filter(|key| target.is_none_or(|kind| key.kind == kind)));
            }
        }
        included.retain(|key| !keys.contains(key));
        included
    }

    /// The key of a reference that points to this server.
    fn own(&self, reference: &str) -> Option<Key> {
        let is_elsewhere = reference.contains("://") && !reference.starts_with(&self.base_url);
        Key::parse(reference).filter(|_| !is_elsewhere)
    }

    fn link(&mut self, kind: &str, page: Page) -> String {
        let token = self.pages.open(page);
        let relative = format!("{kind}?page={token}");
        match &self.knobs.next {
            NextLink::Absolute => format!("{}/{relative}", self.base_url),
            NextLink::Relative => relative,
            NextLink::Elsewhere(host) => {
                let path = reqwest::Url::parse(&self.base_url).map(|url| url.path().to_owned());
                let path = path.unwrap_or_default();
                format!("{}{}/{relative}", host.trim_end_matches('/'), path.trim_end_matches('/'))
            }
        }
    }
}

/// What Millennium wants of a search for appointments (Oracle's documentation of
/// `GET Appointment`).
fn narrow(query: &Query) -> Result<(), Reply> {
    let refused = |told: &str| Err(Reply::refused(400, "invalid", told));
    if query.first("_id").is_some() {
        return Ok(());
    }
    if query.pairs().any(|(name, _)| matches!(name, "_lastUpdated" | "_sort")) {
        return refused("_lastUpdated and _sort are not supported");
    }
    let is_actor = |name: &str| {
        matches!(name.split(':').next(), Some("patient" | "practitioner" | "location"))
    };
    if query.pairs().filter(|(name, _)| is_actor(name)).count() != 1 {
        return refused("exactly one of patient, practitioner and location is needed");
    }
    let has = |bounds: [&str; 2]| {
        query.all("date").any(|date| bounds.iter().any(|bound| date.starts_with(bound)))
    };
    if !(has(["ge", "gt"]) && has(["lt", "le"])) {
        return refused("date needs both a lower and an upper bound");
    }
    Ok(())
}

/// The references of a resource that a search parameter follows.
fn references(resource: &Value, name: &str) -> Vec<String> {
    let own = |reference: &str| reference.to_owned();
    let single = |pointer: &str| text(resource, pointer).map(own).into_iter().collect();
    match name {
        "appointment" => return single("/appointment/reference"),
        "subject" => return single("/subject/reference"),
        _ => {}
    }
    let kind = match name {
        "patient" => "Patient/",
        "practitioner" => "Practitioner/",
        "location" => "Location/",
        "actor" => "/",
        _ => return Vec::new(),
    };
    let participants = resource.get("participant").and_then(Value::as_array);
    let held = participants.into_iter().flatten().filter_map(|one| text(one, "/actor/reference"));
    held.filter(|reference| reference.contains(kind)).map(own).collect()
}

/// An entry that nobody can make anything of.
fn broken(base: &str, offset: usize) -> Value {
    let id = format!("broken-{offset}");
    json!({
        "fullUrl": format!("{base}/Appointment/{id}"),
        "resource": {
            "resourceType": "Appointment",
            "id": id,
            "status": 17,
            "start": "the day after tomorrow",
            "participant": { "actor": "nobody" },
        },
        "search": { "mode": "match" },
    })
}
