//! `/fhir`: the addresses that FHIR servers notify, and the public keys that we sign with.
//!
//! Here is HTTP only; who is believed, and what is stored, is decided in [`crate::inbound::fhir`].

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use super::serve::Peer;
use super::{Context, problem};
use crate::fhir::notification::{self, Call};
use crate::inbound::fhir::notify::Refusal;

/// The longest notification that is taken: one with whole resources has some KiB each.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How many headers of a call are looked at.
const HEADERS_MAX: usize = 100;
/// How long a server waits that is told to come again.
const RETRY_AFTER: &str = "30";

/// The routes below `/fhir`.
pub(super) fn router() -> Router<Context> {
    let notified: MethodRouter<Context> = post(root).put(root).delete(root);
    let below: MethodRouter<Context> = post(path).put(path).delete(path);
    Router::new()
        .route("/notify/{server}", notified)
        .route("/notify/{server}/{*path}", below)
        .route("/jwks.json", get(keys))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn root(
    State(context): State<Context>,
    Path(server): Path<String>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    (method, headers): (Method, HeaderMap),
    body: Bytes,
) -> Response {
    notify(&context, &server, "", &peer, (&method, &headers), &body).await
}

async fn path(
    State(context): State<Context>,
    Path((server, path)): Path<(String, String)>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    (method, headers): (Method, HeaderMap),
    body: Bytes,
) -> Response {
    notify(&context, &server, &path, &peer, (&method, &headers), &body).await
}

async fn notify(
    context: &Context,
    server: &str,
    path: &str,
    peer: &Peer,
    (method, headers): (&Method, &HeaderMap),
    body: &[u8],
) -> Response {
    let endpoint = context.endpoints.iter().find(|known| known.desk().name.as_str() == server);
    let Some(endpoint) = endpoint else {
        return problem(StatusCode::NOT_FOUND, "no server is configured under this name", None);
    };
    let method = match *method {
        Method::PUT => notification::Method::Put,
        Method::DELETE => notification::Method::Delete,
        _ => notification::Method::Post,
    };
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .take(HEADERS_MAX)
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let call = Call { method, path, headers: &headers, body };
    let taken = endpoint.take(&call, peer.1.as_deref()).await;
    let outcome = match &taken {
        Ok(_) => "accepted",
        Err(Refusal::Forged) => "signature",
        Err(Refusal::NotStored) => "not_stored",
    };
    context.metrics.webhook(outcome);
    match taken {
        Ok(answer) => {
            let kind = [(header::CONTENT_TYPE, "application/fhir+json")];
            (kind, answer.to_string()).into_response()
        }
        Err(refusal @ Refusal::Forged) => {
            problem(StatusCode::FORBIDDEN, &refusal.to_string(), None)
        }
        Err(refusal @ Refusal::NotStored) => {
            let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, &refusal.to_string(), None);
            let again = header::HeaderValue::from_static(RETRY_AFTER);
            answer.headers_mut().insert(header::RETRY_AFTER, again);
            answer
        }
    }
}

/// The public keys of all servers that we sign for (RFC 7517, 5).
async fn keys(State(context): State<Context>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/jwk-set+json")];
    (kind, context.key_set.to_string()).into_response()
}
