//! Texts that the flood guard holds: what there is, and an operator's word on it.
//!
//! A word opens the gate in one turn, and the texts are moved in further turns of a bounded number.
//! What a crash or a lost connection leaves behind is moved when the word is said again.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Context, problem};
use crate::core::event::Event;
use crate::core::gate::{MOVED_MAX, Word};
use crate::core::ids::{OutboxId, SourceName};
use crate::core::reason::Reason;
use crate::engine::Answer;

/// How many texts one request moves; the caller asks again for the rest, so that each is answered in
/// time.
const REQUEST_MAX: usize = 2_000;
/// How many held texts a dry run looks at.
const LOOKED_AT_MAX: usize = 5_000;

/// An operator's word on what a source's gate holds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Order {
    /// Whether to say what would happen, and change nothing.
    pub dry_run: bool,
    /// Whether it is about texts that an earlier request has left: a gate that has closed again in
    /// between stays closed.
    pub go_on: bool,
}

/// The gates of all sources.
pub(super) async fn list(State(context): State<Context>) -> Response {
    let (view, now) = (context.handle.view(), context.clock.now());
    match tokio::task::spawn_blocking(move || view.holds(now)).await {
        Ok(Ok(rows)) => Json(rows).into_response(),
        Ok(Err(_)) | Err(_) => unreadable(),
    }
}

/// Lets held texts go.
pub(super) async fn release(
    State(context): State<Context>,
    Path(source): Path<String>,
    body: Bytes,
) -> Response {
    carry_out(&context, &SourceName::new(source), Word::Release, &body).await
}

/// Takes held texts away.
pub(super) async fn discard(
    State(context): State<Context>,
    Path(source): Path<String>,
    body: Bytes,
) -> Response {
    carry_out(&context, &SourceName::new(source), Word::Discard, &body).await
}

async fn carry_out(context: &Context, source: &SourceName, word: Word, body: &[u8]) -> Response {
    // Without a body it is the plain order.
    let order = if body.is_empty() { Ok(Order::default()) } else { serde_json::from_slice(body) };
    let Ok(order) = order else {
        let detail = "write {\"dry_run\": true}, or nothing";
        return problem(StatusCode::UNPROCESSABLE_ENTITY, detail, Some("body"));
    };
    let (view, wanted) = (context.handle.view(), source.clone());
    let gate = match tokio::task::spawn_blocking(move || view.gate(&wanted)).await {
        Ok(Ok(Some(gate))) => gate,
        Ok(Ok(None)) => {
            let detail = "this source has caused no texts that were counted";
            return problem(StatusCode::NOT_FOUND, detail, Some("source"));
        }
        Ok(Err(_)) | Err(_) => return unreadable(),
    };
    if order.dry_run {
        return rehearse(context, source, word).await;
    }
    if gate.closed.is_some() {
        if order.go_on {
            return closed_again();
        }
        let event = Event::GateOpened { source: source.clone(), word };
        if let Answer::NotStored(_) = context.handle.act(event).await {
            return not_stored();
        }
    }
    move_held(context, source, word).await
}

async fn move_held(context: &Context, source: &SourceName, word: Word) -> Response {
    let mut moved = 0;
    loop {
        let rows = match held(context, source, None, MOVED_MAX).await {
            Ok(rows) => rows,
            Err(refusal) => return refusal,
        };
        if rows.is_empty() || moved >= REQUEST_MAX {
            let is_done = rows.is_empty();
            let answer = json!({
                "source": source, "word": word, "moved": moved, "done": is_done,
            });
            return Json(answer).into_response();
        }
        let event = Event::HeldMoved { source: source.clone(), word, ids: rows.clone() };
        let Answer::Decided { outcomes, .. } = context.handle.act(event).await else {
            return not_stored();
        };
        if outcomes.iter().any(|outcome| outcome.because == Reason::HeldBack) {
            return closed_again();
        }
        if outcomes.iter().any(|outcome| outcome.because == Reason::NothingChanged) {
            // Another operator may have moved them in between.
            match held(context, source, None, MOVED_MAX).await {
                Ok(left) if left != rows => continue,
                Ok(_) => {}
                Err(refusal) => return refusal,
            }
            // What the index names is not held: going on would not end.
            let detail = "the index of held texts names what is not held; see store verify";
            return problem(StatusCode::INTERNAL_SERVER_ERROR, detail, None);
        }
        let is_move = |because| matches!(because, &Reason::Released | &Reason::Discarded);
        moved += outcomes.iter().filter(|outcome| is_move(&outcome.because)).count();
    }
}

/// Tells what a word would come to.
async fn rehearse(context: &Context, source: &SourceName, word: Word) -> Response {
    let (mut looked_at, mut still_so) = (0_usize, 0_usize);
    let mut after = None;
    while looked_at < LOOKED_AT_MAX {
        let rows = match held(context, source, after.clone(), MOVED_MAX).await {
            Ok(rows) => rows,
            Err(refusal) => return refusal,
        };
        let Some(last) = rows.last() else { break };
        after = Some(last.clone());
        looked_at += rows.len();
        let (view, now) = (context.handle.view(), context.clock.now());
        let counted = tokio::task::spawn_blocking(move || {
            rows.iter()
                .map(|id| view.is_still_so(id, now))
                .filter(|so| matches!(so, Ok(true)))
                .count()
        });
        still_so += counted.await.unwrap_or_default();
    }
    let answer = json!({
        "source": source, "word": word, "dry_run": true, "looked_at": looked_at,
        "still_so": still_so, "no_longer_so": looked_at - still_so,
    });
    Json(answer).into_response()
}

async fn held(
    context: &Context,
    source: &SourceName,
    after: Option<OutboxId>,
    limit: usize,
) -> Result<Vec<OutboxId>, Response> {
    let (view, source) = (context.handle.view(), source.clone());
    let rows = tokio::task::spawn_blocking(move || view.held(&source, after.as_ref(), limit)).await;
    rows.ok().and_then(Result::ok).ok_or_else(unreadable)
}

fn closed_again() -> Response {
    let detail = "the gate has closed again: say the word once more if it is meant for that too";
    problem(StatusCode::CONFLICT, detail, Some("source"))
}

fn not_stored() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "not stored, try again later", None)
}

fn unreadable() -> Response {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "what is held cannot be read", None)
}
