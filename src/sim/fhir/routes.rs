//! Every request goes through here: faults first, then who asks, then what is asked for.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::auth::{smart_configuration, unauthorized};
use super::faults::Answer;
use super::reply::{Asked, Reply};
use super::search::Query;
use super::store::{Key, is_id, is_kind};
use super::wire::{capabilities, pad};
use super::{Core, control};

/// The largest body that is taken.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Answers a request.
pub(super) async fn serve(State(core): State<Arc<Core>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return Reply::refused(413, "too-long", "the body is too large").into_response();
    };
    let asked = Asked {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    if let Some(name) = asked.path.strip_prefix("/_") {
        return control::serve(&core, name, &asked).await;
    }
    let now = core.clock.now();
    let number = core.change(|state| state.asked(asked.request(now)));
    let fault = core.change(|state| {
        if state.knobs.down {
            return Some((Answer::Closed, false));
        }
        let fault = state.knobs.take_fault(&asked.method, &asked.path)?;
        Some((fault.answer, fault.is_done))
    });
    if let Some((answer, false)) = fault {
        return instead(&core, number, answer).await;
    }
    let reply = core.reply(&asked).await;
    // What has been done may have to be told, whether the client learns it or not.
    core.wake();
    match fault {
        Some((answer, _)) => instead(&core, number, answer).await,
        None => {
            core.change(|state| state.answered(number, reply.status));
            reply.into_response()
        }
    }
}

impl Core {
    async fn reply(&self, asked: &Asked) -> Reply {
        let now = self.clock.now();
        let path = asked.path.trim_end_matches('/');
        match path {
            "/token" if asked.method == "POST" => return self.token(asked).await,
            "/.well-known/smart-configuration" | "/fhir/.well-known/smart-configuration" => {
                return Reply::plain(200, smart_configuration(&self.root_url));
            }
            "/fhir/metadata" => {
                let body = self
                    .look(|state| capabilities(state.version, &state.knobs, &state.base_url, now));
                return Reply::ok(body);
            }
            _ => {}
        }
        let Some(path) = path.strip_prefix("/fhir/") else {
            return Reply::refused(404, "not-found", "the resources are below /fhir");
        };
        let refused = self.look(|state| {
            state.authorize(&self.access, asked, now).err().or_else(|| {
                let is_strict = state.knobs.strict_version;
                is_strict.then(|| other_version(asked, state.version.number())).flatten()
            })
        });
        if let Some(refused) = refused {
            return refused;
        }
        let segments: Vec<&str> = path.split('/').collect();
        let mut reply = self.resources(asked, &segments).await;
        let bytes = self.look(|state| state.knobs.pad_answers);
        if let (true, Some(body)) = (reply.status < 300, reply.body.as_mut()) {
            pad(body, bytes);
        }
        reply
    }

    async fn resources(&self, asked: &Asked, segments: &[&str]) -> Reply {
        let now = self.clock.now();
        let unknown = || Reply::refused(404, "not-supported", "there is no such resource");
        let [kind, rest @ ..] = segments else { return unknown() };
        if !is_kind(kind) {
            return unknown();
        }
        if *kind == "Subscription" && self.look(|state| state.knobs.no_subscriptions) {
            return unknown();
        }
        match (asked.method.as_str(), rest) {
            ("GET", []) => self.search(kind, &asked.query).await,
            ("POST", ["_search"]) => self.search(kind, &String::from_utf8_lossy(&asked.body)).await,
            ("GET", ["$status"]) if *kind == "Subscription" => self.statuses(asked),
            ("POST", []) => {
                let reply = self.change(|state| state.create(kind, asked, now));
                self.shake_hands(kind).await;
                reply
            }
            (_, [id, further @ ..]) if is_id(id) => {
                let key = Key::new(kind, id);
                let reply = self.change(|state| match (asked.method.as_str(), further) {
                    ("GET", []) => state.read(&key, asked, now),
                    ("PUT", []) => state.update(&key, asked, now),
                    ("PATCH", []) => state.patch(&key, asked, now),
                    ("DELETE", []) => state.remove(&key, asked, now),
                    ("GET", ["_history"]) => state.history(&key, now),
                    ("GET", ["_history", version]) => state.read_version(&key, version, now),
                    ("POST", ["$cancel"]) if *kind == "Appointment" => {
                        state.cancel_operation(&key, asked, now)
                    }
                    ("GET" | "POST", ["$status"]) if *kind == "Subscription" => {
                        state.status_operation(id, now)
                    }
                    ("GET" | "POST", ["$events"]) if *kind == "Subscription" => {
                        state.events_operation(id, asked, now)
                    }
                    _ => Reply::refused(405, "not-supported", "this is not done here"),
                });
                if matches!(asked.method.as_str(), "PUT" | "PATCH") {
                    self.shake_hands(kind).await;
                }
                reply
            }
            _ => Reply::refused(405, "not-supported", "this is not done here"),
        }
    }

    async fn search(&self, kind: &str, query: &str) -> Reply {
        self.wait_while(|knobs| knobs.slow_pages).await;
        let now = self.clock.now();
        self.change(|state| state.search(kind, query, now))
    }

    /// `GET Subscription/$status?id=a,b`.
    fn statuses(&self, asked: &Asked) -> Reply {
        let now = self.clock.now();
        let query = Query::parse(&asked.query);
        let ids: Vec<&str> = query.all("id").flat_map(|ids| ids.split(',')).collect();
        let mut entries = Vec::new();
        for id in ids {
            let reply = self.change(|state| state.status_operation(id, now));
            if reply.status != 200 {
                return reply;
            }
            let entry = reply.body.as_ref().and_then(|body| body.pointer("/entry/0")).cloned();
            entries.extend(entry);
        }
        let total = entries.len();
        Reply::ok(json!({
            "resourceType": "Bundle", "type": "searchset", "total": total, "entry": entries,
        }))
    }

    /// Lets the handshake come before the answer, if that is set.
    async fn shake_hands(&self, kind: &str) {
        if kind == "Subscription" && self.look(|state| state.knobs.handshake_first) {
            self.flush().await;
        }
    }
}

/// The refusal of a request in another version of FHIR, as `LinuxForHealth` has it.
fn other_version(asked: &Asked, number: &str) -> Option<Reply> {
    // Major and minor number: 4.0 of 4.0.1.
    let own = number.rsplit_once('.').map_or(number, |(own, _)| own);
    for (name, status) in [("content-type", 415), ("accept", 406)] {
        let value = asked.header(name).unwrap_or_default();
        let named = value.split(';').find_map(|part| part.trim().strip_prefix("fhirVersion="));
        if named.is_some_and(|named| named.split(',').next() != Some(own)) {
            return Some(Reply::refused(status, "not-supported", "another version is spoken here"));
        }
    }
    None
}

/// A fault's answer.
async fn instead(core: &Core, number: u64, answer: Answer) -> Response {
    let now = core.clock.now();
    let after = |reply: Reply, after: super::faults::RetryAfter| match after.text(now) {
        Some(after) => reply.with("retry-after", after),
        None => reply,
    };
    let reply = match answer {
        Answer::Throttled(when) => {
            after(Reply::refused(429, "throttled", "there are too many requests"), when)
        }
        Answer::Unavailable(when) => {
            after(Reply::refused(503, "transient", "the server is busy"), when)
        }
        Answer::Unauthorized => unauthorized("Bearer error=\"invalid_token\""),
        Answer::Status(status) => Reply::refused(status, "processing", "this went wrong on demand"),
        Answer::GatewayHtml => {
            core.change(|state| state.answered(number, 502));
            let html = "<html><head><title>502 Bad Gateway</title></head></html>";
            let kind = [(header::CONTENT_TYPE, "text/html")];
            return (StatusCode::BAD_GATEWAY, kind, html).into_response();
        }
        Answer::Garbage => {
            core.change(|state| state.answered(number, 200));
            let kind = [(header::CONTENT_TYPE, "application/fhir+json")];
            return (StatusCode::OK, kind, "{\"resourceType\": \"Bun").into_response();
        }
        Answer::Closed => return closed(),
        Answer::Silence => {
            core.released().await;
            return closed();
        }
    };
    core.change(|state| state.answered(number, reply.status));
    reply.into_response()
}

/// A body that breaks at once makes the server close the connection before it has written a byte.
fn closed() -> Response {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let stream = futures_util::stream::once(std::future::ready(Err::<Bytes, _>(broken)));
    Response::new(Body::from_stream(stream))
}
