//! The front desk's queue over the API.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{Context, problem};
use crate::core::event::Event;
use crate::core::reason::Reason;
use crate::core::task::{NAME_MAX, TaskId, TaskState};
use crate::engine::Answer;
use crate::engine::render::ticket_json;

/// What a task is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// `open`, `taken` or `done`.
    pub state: String,
    /// Who has it, or is done with it.
    pub by: String,
}

/// Moves a task in the queue.
pub(super) async fn set(
    State(context): State<Context>,
    Path(id): Path<String>,
    order: Result<Json<Move>, JsonRejection>,
) -> Response {
    let refused =
        |detail: &str, field| problem(StatusCode::UNPROCESSABLE_ENTITY, detail, Some(field));
    let Ok(id) = id.parse::<TaskId>() else { return unknown() };
    let Ok(Json(order)) = order else {
        return refused("write {\"state\": .., \"by\": ..}", "body");
    };
    let Some(to) = TaskState::parse(&order.state) else {
        return refused("write \"open\", \"taken\" or \"done\"", "state");
    };
    let by = order.by.trim();
    let is_name = (1..=NAME_MAX).contains(&by.chars().count()) && !by.contains(char::is_control);
    if !is_name {
        return refused("write who does it: one line of up to 64 characters", "by");
    }
    let outcomes = match context.handle.act(Event::TaskMoved { id, to, by: by.to_owned() }).await {
        Answer::Decided { outcomes, .. } => outcomes,
        Answer::NotStored(_) => {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "not stored, try again later", None);
        }
    };
    let reasons = || outcomes.iter().map(|outcome| &outcome.because);
    if reasons().any(|because| *because == Reason::Unknown) {
        return unknown();
    }
    if let Some(because) = reasons().find(|because| matches!(because, Reason::TaskIs(_))) {
        return problem(StatusCode::CONFLICT, &because.to_string(), Some("state"));
    }
    let view = context.handle.view();
    match tokio::task::spawn_blocking(move || view.ticket(id)).await {
        Ok(Ok(Some(ticket))) => Json(ticket_json(id, &ticket)).into_response(),
        Ok(Ok(None) | Err(_)) | Err(_) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the task cannot be read", None)
        }
    }
}

fn unknown() -> Response {
    problem(StatusCode::NOT_FOUND, "there is no such task", Some("id"))
}
