//! The HTTP side: webhooks, API, health and metrics, on one port.
//!
//! Limits on body, time and connections hold for all routes. Errors are JSON problems (RFC 9457).
//! Nothing that arrives without proof of where it comes from is stored, counters apart.

pub mod api;
pub mod campaigns;
pub mod consent;
mod fhir;
mod health;
pub mod holds;
mod serve;
mod servers;
mod studio;
pub mod tasks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, OriginalUri, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;

pub use health::{Health, Part};
use serve::Peer;
pub use serve::serve;

use crate::clock::{Clock, Stopwatch};
use crate::core::phone::Region;
use crate::engine::Handle;
use crate::inbound::fhir::desk::Desk;
use crate::inbound::fhir::notify::Endpoint;
use crate::inbound::intake::Intake;
use crate::inbound::sms::{self, Webhooks};
use crate::inbound::studio::Studio;
use crate::sms::Secret;
use crate::telemetry::Metrics;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);

/// What routes work with.
#[derive(Debug, Clone)]
pub struct Context {
    /// The engine.
    pub handle: Handle,
    /// The feeds, for replays.
    pub intakes: Arc<Vec<Arc<Intake>>>,
    /// The addresses that FHIR servers notify.
    pub endpoints: Arc<Vec<Endpoint>>,
    /// What is followed at FHIR servers.
    pub desks: Arc<Vec<Arc<Desk>>>,
    /// The public keys that we sign with.
    pub key_set: Arc<Value>,
    /// Twilio's webhooks, if Twilio is the backend.
    pub webhooks: Option<Arc<Webhooks>>,
    /// The door for those who post to Studio, if there are any.
    pub studio: Option<Arc<Studio>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The parts that readiness looks at.
    pub health: Arc<Health>,
    /// The token of the API.
    pub token: Secret,
    /// The token of monitoring from other machines.
    pub metrics_token: Option<Secret>,
    /// The largest body taken.
    pub body_bytes_max: usize,
    /// How phone numbers without a country are read.
    pub region: Region,
    /// What campaigns are made with.
    pub outreach: Arc<campaigns::Means>,
    /// The time.
    pub clock: Clock,
}

/// The routes of the daemon.
pub fn router(context: Context) -> Router {
    Router::new()
        .route("/twilio/inbound", post(inbound))
        .route("/twilio/status", post(status))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics))
        .nest("/api/v1", api::router(context.clone()))
        .nest("/fhir", fhir::router())
        .nest("/v2/Flows", studio::router())
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "there is nothing here", None) })
        .layer(DefaultBodyLimit::max(context.body_bytes_max))
        .layer(middleware::map_response(told))
        .layer(middleware::from_fn_with_state(Arc::clone(&context.metrics), timed))
        .with_state(context)
}

/// An answer that says what is wrong (RFC 9457).
#[must_use]
pub fn problem(status: StatusCode, detail: &str, field: Option<&str>) -> Response {
    problem_with(status, detail, field, Map::new())
}

/// The same with further members.
fn problem_with(
    status: StatusCode,
    detail: &str,
    field: Option<&str>,
    further: Map<String, Value>,
) -> Response {
    let mut body = json!({
        "title": status.canonical_reason().unwrap_or("error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let Some(object) = body.as_object_mut() {
        object.extend(further);
    }
    if let (Some(object), Some(field)) = (body.as_object_mut(), field) {
        object.insert("field".to_owned(), json!(field));
    }
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, body.to_string()).into_response()
}

/// Makes a problem of a refusal that says nothing of its own, or says it in plain text: a method that
/// an address does not take, a body that is too long or of another kind.
async fn told(answer: Response) -> Response {
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !is_plain || !status.is_client_error() {
        return answer;
    }
    let detail = match status {
        StatusCode::METHOD_NOT_ALLOWED => "this address takes other methods, see Allow",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too long",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "write the body as application/json",
        StatusCode::BAD_REQUEST => "the address or the body cannot be read",
        _ => "the request cannot be carried out",
    };
    let mut told = problem(status, detail, None);
    for (name, value) in answer.headers() {
        let is_of_body = [header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name);
        if !is_of_body {
            told.headers_mut().append(name.clone(), value.clone());
        }
    }
    told
}

async fn timed(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let within = campaigns::answered_within(&request).unwrap_or(ANSWER_WITHIN);
    let answer = match tokio::time::timeout(within, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => problem(StatusCode::GATEWAY_TIMEOUT, "the engine did not answer in time", None),
    };
    metrics.answered(watch.elapsed().as_secs_f64());
    answer
}

/// Whether a caller may read what is open on loopback only.
fn may_look(context: &Context, peer: SocketAddr, headers: &HeaderMap) -> bool {
    peer.ip().to_canonical().is_loopback()
        || has_token(context, headers)
        || context.metrics_token.as_ref().is_some_and(|token| bears(token, headers))
}

/// Whether a caller has the API's token.
fn has_token(context: &Context, headers: &HeaderMap) -> bool {
    bears(&context.token, headers)
}

fn bears(token: &Secret, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(given) = given.and_then(|value| value.strip_prefix("Bearer ")) else { return false };
    let own = token.expose();
    !own.is_empty() && bool::from(own.as_bytes().ct_eq(given.trim().as_bytes()))
}

async fn metrics(
    State(context): State<Context>,
    ConnectInfo(Peer(peer, _)): ConnectInfo<Peer>,
    headers: HeaderMap,
) -> Response {
    if !may_look(&context, peer, &headers) {
        return problem(StatusCode::UNAUTHORIZED, "a bearer token is needed from here", None);
    }
    let counts = context.clone();
    let counted = tokio::task::spawn_blocking(move || health::count(&counts)).await;
    if counted.is_err() {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "the rows cannot be counted", None);
    }
    let kind =
        [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (kind, context.metrics.render()).into_response()
}

async fn inbound(
    State(context): State<Context>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(webhooks) = &context.webhooks else { return no_webhooks() };
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let taken = webhooks.inbound(&context.handle, path, &body, signature(&headers)).await;
    answer(&context, taken, || {
        // The reply goes out by the outbox, where it can be told apart from a second one.
        ([(header::CONTENT_TYPE, "text/xml")], "<Response/>").into_response()
    })
}

async fn status(
    State(context): State<Context>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(webhooks) = &context.webhooks else { return no_webhooks() };
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let taken = webhooks.status(&context.handle, path, &body, signature(&headers)).await;
    answer(&context, taken, || StatusCode::NO_CONTENT.into_response())
}

fn signature(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-twilio-signature").and_then(|value| value.to_str().ok())
}

fn no_webhooks() -> Response {
    problem(StatusCode::NOT_FOUND, "sms.backend is not twilio", None)
}

fn answer(
    context: &Context,
    taken: Result<(), sms::Error>,
    accepted: impl FnOnce() -> Response,
) -> Response {
    let (outcome, status) = match &taken {
        Ok(()) => ("accepted", StatusCode::OK),
        Err(sms::Error::Signature(_)) => ("signature", StatusCode::FORBIDDEN),
        Err(sms::Error::Form(_) | sms::Error::Parameter(_)) => {
            ("malformed", StatusCode::BAD_REQUEST)
        }
        Err(sms::Error::NotStored) => ("not_stored", StatusCode::SERVICE_UNAVAILABLE),
    };
    context.metrics.webhook(outcome);
    match taken {
        Ok(()) => accepted(),
        Err(refusal) => problem(status, &refusal.to_string(), None),
    }
}
