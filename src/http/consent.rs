//! Whether a phone may be texted: what is known, and an operator's word.
//!
//! The phone stands in the address, which is therefore never logged.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Context, problem};
use crate::core::contact::{Contact, Programme};
use crate::core::event::Event;
use crate::core::phone::PhoneNumber;
use crate::engine::Answer;
use crate::engine::render::consent_json;

/// An operator's word on a phone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Whether texts are switched off.
    pub opted_out: bool,
    /// For which programme; for all if for none.
    #[serde(default)]
    pub programme: Option<Programme>,
}

/// What is known of a phone's consent; without a word it may be texted.
pub(super) async fn show(State(context): State<Context>, Path(phone): Path<String>) -> Response {
    match parse(&context, &phone) {
        Ok(phone) => known(&context, phone).await,
        Err(refusal) => refusal,
    }
}

/// Sets whether a phone may be texted.
pub(super) async fn set(
    State(context): State<Context>,
    Path(phone): Path<String>,
    order: Result<Json<Order>, JsonRejection>,
) -> Response {
    let phone = match parse(&context, &phone) {
        Ok(phone) => phone,
        Err(refusal) => return refusal,
    };
    let Ok(Json(Order { opted_out, programme })) = order else {
        let detail = "write {\"opted_out\": true} or false, and \"programme\" if for one alone: \
                      \"appointments\" or \"outreach\"";
        return problem(StatusCode::UNPROCESSABLE_ENTITY, detail, Some("body"));
    };
    let event = Event::ConsentSet { phone: phone.clone(), programme, opted_out };
    match context.handle.act(event).await {
        Answer::Decided { .. } => known(&context, phone).await,
        Answer::NotStored(_) => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "not stored, try again later", None)
        }
    }
}

fn parse(context: &Context, phone: &str) -> Result<PhoneNumber, Response> {
    PhoneNumber::parse(phone, context.region)
        .map_err(|_| problem(StatusCode::UNPROCESSABLE_ENTITY, "is no phone number", Some("phone")))
}

async fn known(context: &Context, phone: PhoneNumber) -> Response {
    let view = context.handle.view();
    let read = tokio::task::spawn_blocking(move || -> Option<Value> {
        let known = view.contact(&phone).ok()?;
        Some(consent_json(&known.unwrap_or_else(|| Contact::new(phone))))
    });
    match read.await {
        Ok(Some(row)) => Json(row).into_response(),
        Ok(None) | Err(_) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the phone cannot be read", None)
        }
    }
}
