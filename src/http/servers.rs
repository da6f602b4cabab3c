//! What operators ask of FHIR servers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Context, problem};
use crate::core::event::Event;
use crate::core::feed::FeedReport;
use crate::engine::Answer;

/// Has everything of a server read again.
pub(super) async fn resync(State(context): State<Context>, Path(server): Path<String>) -> Response {
    let Some(desk) = context.desks.iter().find(|desk| desk.name.as_str() == server) else {
        let detail = "there is no FHIR server of this name in the settings";
        return problem(StatusCode::NOT_FOUND, detail, Some("server"));
    };
    let event = Event::FeedReported { server: desk.name.clone(), report: FeedReport::Resync };
    let answer = context.handle.act(event).await;
    desk.ring();
    match answer {
        Answer::Decided { seq, .. } => {
            Json(json!({ "seq": seq, "server": server })).into_response()
        }
        Answer::NotStored(_) => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "not stored, try again later", None)
        }
    }
}
