//! All that the stand-in holds, and the changes to it; no network, no clock.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Version;
use super::auth::Grants;
use super::deliver::Delivery;
use super::faults::Knobs;
use super::pages::Pages;
use super::store::{Held, Key, Store};
use super::subscribe::{Hook, Notice};
use crate::clock::Timestamp;

/// Requests and deliveries that are remembered; the oldest are forgotten first.
pub const REMEMBERED_MAX: usize = 10_000;

/// A request that was made to the stand-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// When it came.
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// The path, as in `/fhir/Appointment/1`.
    pub path: String,
    /// What follows the question mark, as it came.
    pub query: String,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, as far as it is text.
    pub body: String,
    /// The status of the answer; none while there is none, and none if there was none.
    pub status: Option<u16>,
}

impl Request {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) version: Version,
    pub(super) base_url: String,
    pub(super) knobs: Knobs,
    pub(super) store: Store,
    pub(super) hooks: BTreeMap<String, Hook>,
    pub(super) queue: VecDeque<Notice>,
    pub(super) pages: Pages,
    pub(super) grants: Grants,
    /// With the number of each.
    requests: VecDeque<(u64, Request)>,
    requests_made: u64,
    deliveries: VecDeque<Delivery>,
    serial: u64,
}

impl State {
    pub(super) fn new(version: Version, base_url: String, knobs: Knobs) -> Self {
        Self {
            version,
            base_url,
            knobs,
            store: Store::default(),
            hooks: BTreeMap::new(),
            queue: VecDeque::new(),
            pages: Pages::default(),
            grants: Grants::default(),
            requests: VecDeque::new(),
            requests_made: 0,
            deliveries: VecDeque::new(),
            serial: 0,
        }
    }

    /// Keeps a new version of a resource, and tells the subscriptions; `None` if there is no room.
    pub(super) fn put(&mut self, key: &Key, resource: Value, now: Timestamp) -> Option<Held> {
        let before = self.store.live(key).cloned();
        let held = self.store.put(key, resource, self.knobs.uuid_versions, now)?;
        self.tell(key, &held, before.as_ref(), now);
        Some(held)
    }

    /// Deletes a resource, and tells the subscriptions; `None` if there is none.
    pub(super) fn delete(&mut self, key: &Key, now: Timestamp) -> Option<Held> {
        let before = self.store.live(key).cloned();
        let held = self.store.delete(key, self.knobs.uuid_versions, now)?;
        if key.kind == "Subscription" {
            self.hooks.remove(&key.id);
        }
        self.tell(key, &held, before.as_ref(), now);
        Some(held)
    }

    /// Lets another user change a resource first, if one is to.
    pub(super) fn meddle(&mut self, key: &Key, now: Timestamp) {
        if self.store.live(key).is_none() {
            return;
        }
        let Some(change) = self.knobs.take_meddling(&key.to_string()) else { return };
        self.merge(key, &change, now);
    }

    /// Changes a resource by a merge patch (RFC 7396); a `null` removes.
    pub(super) fn merge(&mut self, key: &Key, change: &Value, now: Timestamp) -> Option<Held> {
        let mut resource = self.store.live(key)?.clone();
        merge(&mut resource, change);
        self.put(key, resource, now)
    }

    /// A number that no other notification has.
    pub(super) const fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Remembers a request; its number is for [`State::answered`].
    pub(super) fn asked(&mut self, request: Request) -> u64 {
        self.requests_made += 1;
        if self.requests.len() == REMEMBERED_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back((self.requests_made, request));
        self.requests_made
    }

    pub(super) fn answered(&mut self, number: u64, status: u16) {
        let request = self.requests.iter_mut().rev().find(|(known, _)| *known == number);
        if let Some((_, request)) = request {
            request.status = Some(status);
        }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.iter().map(|(_, request)| request.clone()).collect()
    }

    pub(super) fn delivered(&mut self, delivery: Delivery) {
        if self.deliveries.len() == REMEMBERED_MAX {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(delivery);
    }

    pub(super) fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.iter().cloned().collect()
    }
}

/// RFC 7396.
fn merge(target: &mut Value, change: &Value) {
    let Value::Object(changes) = change else {
        target.clone_from(change);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, value) in changes {
        if value.is_null() {
            object.shift_remove(name);
        } else {
            merge(object.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Whether two versions say the same; what the server itself writes does not count.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    let bare = |value: &Value| {
        let mut value = value.clone();
        if let Some(meta) = value.get_mut("meta").and_then(Value::as_object_mut) {
            meta.shift_remove("versionId");
            meta.shift_remove("lastUpdated");
        }
        if let Some(object) = value.as_object_mut()
            && object.get("meta").is_none_or(|meta| *meta == json!({}))
        {
            object.shift_remove("meta");
        }
        value
    };
    bare(one) == bare(other)
}
