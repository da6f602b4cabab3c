//! JSON for a page that shows the patients' phones.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Carrier, wire};
use crate::core::phone::{PhoneNumber, Region};
use crate::sms::request::BODY_CHARS_MAX;

pub(super) fn router() -> Router<Carrier> {
    Router::new().route("/sim/phones", get(phones)).route("/sim/phones/{phone}/reply", post(reply))
}

async fn phones(State(carrier): State<Carrier>) -> Json<Value> {
    let phones = carrier.core.with_state(|state| {
        let phone = |(number, texts): (PhoneNumber, Vec<super::Text>)| {
            let bubbles: Vec<Value> = texts.iter().map(wire::bubble).collect();
            let is_opted_out = state.opted_out.contains(&number);
            json!({"phone": number.as_str(), "opted_out": is_opted_out, "bubbles": bubbles})
        };
        state.by_phone().into_iter().map(phone).collect::<Vec<Value>>()
    });
    Json(json!({"phones": phones, "now": carrier.core.clock.now()}))
}

#[derive(Deserialize)]
struct Reply {
    text: String,
}

/// Only JSON is taken, so that no form on another site can write in a patient's name.
async fn reply(
    State(carrier): State<Carrier>,
    Path(phone): Path<String>,
    Json(reply): Json<Reply>,
) -> Response {
    let Ok(phone) = PhoneNumber::parse(&phone, Region::US) else {
        return (StatusCode::BAD_REQUEST, Json(json!({"title": "phone is invalid"})))
            .into_response();
    };
    if reply.text.chars().count() > BODY_CHARS_MAX {
        return (StatusCode::PAYLOAD_TOO_LARGE, Json(json!({"title": "text is too long"})))
            .into_response();
    }
    let Some(replied) = carrier.reply(&phone, &reply.text).await else {
        return (StatusCode::CONFLICT, Json(json!({"title": "the practice has no number"})))
            .into_response();
    };
    let answer = json!({
        "sid": replied.sid.as_str(),
        "http_status": replied.http_status,
        "attempts": replied.attempts,
    });
    Json(answer).into_response()
}
