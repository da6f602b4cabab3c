//! Whether the daemon is alive, and whether it can do its work.
//!
//! Ready is end to end: the engine answers, the store has room, every listener is bound. A receiver
//! that is out of order is shown and does not make us unready: what comes in is still kept. So it is
//! with the sender of texts, as when Twilio refuses the account or the day's texts are used up: part
//! `sms` is impaired, and texts wait; to take the daemon out of service would lose replies besides.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Context, Peer, may_look};
use crate::engine::view::View;
use crate::store::Table;

/// How many rows are counted at most; more is as alarming as this.
const COUNTED_MAX: usize = 10_000;

/// How a part of the daemon is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Working.
    Up,
    /// Working, but not as it should, with a reason.
    Impaired(String),
    /// Not working, with a reason.
    Down(String),
}

/// The parts that readiness looks at.
#[derive(Debug, Default)]
pub struct Health {
    parts: Mutex<BTreeMap<String, Part>>,
}

impl Health {
    /// Notes how a part is.
    pub fn set(&self, name: &str, part: Part) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), part);
    }

    fn parts(&self) -> BTreeMap<String, Part> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(super) async fn alive() -> &'static str {
    "alive\n"
}

pub(super) async fn ready(
    State(context): State<Context>,
    ConnectInfo(Peer(peer, _)): ConnectInfo<Peer>,
    headers: HeaderMap,
) -> Response {
    let mut parts = context.health.parts();
    parts.insert("engine".to_owned(), engine(&context));
    if let Some(webhooks) = &context.webhooks {
        let part = webhooks.impairment().map_or(Part::Up, Part::Impaired);
        parts.insert("sms".to_owned(), part);
    }
    for desk in context.desks.iter() {
        let part = desk.impairment().map_or(Part::Up, Part::Impaired);
        parts.insert(format!("server {}", desk.name), part);
    }
    let checked = context.clone();
    let store = tokio::task::spawn_blocking(move || store(&checked)).await;
    parts.insert("store".to_owned(), store.unwrap_or_else(|_| Part::Down("panicked".to_owned())));
    let is_ready = !parts.values().any(|part| matches!(part, Part::Down(_)));
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if !may_look(&context, peer, &headers) {
        // From afar only the answer itself: details help an attacker.
        return status.into_response();
    }
    let parts: BTreeMap<String, String> = parts
        .into_iter()
        .map(|(name, part)| match part {
            Part::Up => (name, "up".to_owned()),
            Part::Impaired(why) => (name, format!("impaired: {why}")),
            Part::Down(why) => (name, format!("down: {why}")),
        })
        .collect();
    let body = json!({ "ready": is_ready, "parts": parts }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A full queue means that the engine stands still, or that the disk cannot follow.
fn engine(context: &Context) -> Part {
    if context.handle.is_stopped() {
        return Part::Down("stopped".to_owned());
    }
    if context.handle.is_full() { Part::Down("its queue is full".to_owned()) } else { Part::Up }
}

fn store(context: &Context) -> Part {
    match context.handle.store().is_writable() {
        Ok(()) => Part::Up,
        Err(refusal) => Part::Down(refusal.to_string()),
    }
}

/// Brings the gauges that are read off the store up to date.
pub(super) fn count(context: &Context) {
    let view = context.handle.view();
    let tables = [("quarantine", Table::Quarantine), ("outbox_waiting", Table::Ready)];
    for (name, table) in tables {
        if let Ok(count) = view.count(table, COUNTED_MAX) {
            context.metrics.set_rows(name, count);
        }
    }
    count_waiting(context, &view);
    context.metrics.set_rows("engine_queue", context.handle.waiting());
    if let Ok(bytes) = context.handle.store().free_bytes() {
        context.metrics.set_free_bytes(bytes);
    }
}

fn count_waiting(context: &Context, view: &View) {
    let now = context.clock.now();
    if let Ok(waiting) = view.waiting() {
        context.metrics.set_rows("tasks", waiting.tasks);
        for (kind, count) in &waiting.open {
            context.metrics.set_open_tasks(kind, *count);
        }
        for (name, since) in [("yes", waiting.urgent_since), ("no", waiting.others_since)] {
            let age = since.map_or(0, |since| (now - since).num_seconds().max(0));
            context.metrics.set_oldest_task(name, age);
        }
    }
    for gate in view.gates().unwrap_or_default() {
        context.metrics.gate(&gate.source, gate.closed.is_some(), gate.held);
    }
}
