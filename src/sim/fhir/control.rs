//! The paths below `/_`, by which a shell sets what a test sets in Rust. They need no login and are
//! not remembered.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use super::Core;
use super::reply::{Asked, Reply};

/// Answers a request to `/_NAME`.
pub(super) async fn serve(core: &Arc<Core>, name: &str, asked: &Asked) -> Response {
    let done = || Reply::plain(200, json!({}));
    let reply = match (asked.method.as_str(), name) {
        ("GET", "knobs") => knobs(core),
        ("POST", "knobs") => set_knobs(core, asked),
        ("GET", "requests") => {
            let requests = core.look(super::state::State::requests);
            Reply::plain(200, serde_json::to_value(requests).unwrap_or_default())
        }
        ("GET", "deliveries") => {
            let deliveries = core.look(super::state::State::deliveries);
            Reply::plain(200, serde_json::to_value(deliveries).unwrap_or_default())
        }
        ("POST", "deliver") => {
            let sent = core.flush().await;
            Reply::plain(200, json!({ "sent": sent }))
        }
        ("POST", "heartbeat") => {
            core.change(super::state::State::heartbeat);
            core.wake();
            done()
        }
        ("POST", "reset") => {
            core.change(super::state::State::reset_counters);
            done()
        }
        ("POST", "revoke") => {
            core.change(|state| state.grants.revoke());
            done()
        }
        ("POST", "release") => {
            core.release();
            done()
        }
        _ => Reply::plain(404, json!({ "title": "there is no such control" })),
    };
    reply.into_response()
}

fn knobs(core: &Core) -> Reply {
    let knobs = core.look(|state| state.knobs.clone());
    Reply::plain(200, serde_json::to_value(knobs).unwrap_or_default())
}

/// Sets the knobs that are named; the others stay.
fn set_knobs(core: &Core, asked: &Asked) -> Reply {
    let changes: Option<Value> = serde_json::from_slice(&asked.body).ok();
    let merged = core.change(|state| {
        let merged = changes.as_ref().and_then(|changes| state.knobs.merged(changes))?;
        state.knobs = merged;
        Some(())
    });
    if merged.is_none() {
        return Reply::plain(400, json!({ "title": "a knob or its value is not known" }));
    }
    core.wake();
    knobs(core)
}
