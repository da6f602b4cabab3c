//! `/v2/Flows`: executions, as Twilio Studio's REST API takes them.
//!
//! Here is HTTP only; who may call, and what follows, is decided in [`crate::inbound::studio`].

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;

use super::serve::Peer;
use super::{Context, problem};
use crate::inbound::studio::Call;
use crate::sms::studio::Refusal;

/// How many seconds a caller waits that has guessed too often, or whose event was not stored.
const RETRY_AFTER: &str = "60";

/// The routes below `/v2/Flows`.
pub(super) fn router() -> Router<Context> {
    Router::new().route("/{flow}/Executions", post(create))
}

async fn create(
    State(context): State<Context>,
    Path(flow): Path<String>,
    ConnectInfo(Peer(peer, _)): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(studio) = &context.studio else {
        return problem(StatusCode::NOT_FOUND, "no [[json.source]] is configured", None);
    };
    let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let call = Call {
        flow: &flow,
        authorization: header("authorization"),
        idempotency_key: header("idempotency-key"),
        peer: peer.ip().to_canonical(),
        body: &body,
    };
    let is_form = header("content-type").is_none_or(is_form);
    let taken = if is_form { studio.create(&call).await } else { studio.refuse_kind(&call) };
    let outcome = match &taken {
        Ok(_) => "accepted",
        Err(Refusal::Unauthorized | Refusal::TooMany) => "unauthorized",
        Err(Refusal::NotStored) => "not_stored",
        Err(
            Refusal::Unknown
            | Refusal::NoForm
            | Refusal::TooLarge
            | Refusal::Faults(_)
            | Refusal::Active
            | Refusal::Stopped,
        ) => "malformed",
    };
    context.metrics.webhook(outcome);
    match taken {
        Ok(execution) => json(StatusCode::CREATED, &execution),
        Err(refusal) => refused(&refusal),
    }
}

fn is_form(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.is_empty() || kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status());
    let mut answer = json(status.unwrap_or(StatusCode::BAD_REQUEST), &refusal.to_json());
    let headers = answer.headers_mut();
    match refusal {
        Refusal::Unauthorized => {
            let realm = HeaderValue::from_static("Basic realm=\"appointd\"");
            headers.insert(header::WWW_AUTHENTICATE, realm);
        }
        Refusal::TooMany | Refusal::NotStored => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        Refusal::Unknown
        | Refusal::NoForm
        | Refusal::TooLarge
        | Refusal::Faults(_)
        | Refusal::Active
        | Refusal::Stopped => {}
    }
    answer
}

fn json(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
