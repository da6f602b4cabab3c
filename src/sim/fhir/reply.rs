//! A request as it was read, and the answer before it is bytes.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use super::state::Request;
use super::wire::{FHIR_JSON, outcome};
use crate::clock::Timestamp;

/// How much of a body is remembered.
const REMEMBERED_BYTES_MAX: usize = 256 * 1024;

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type of the body, without its parameters.
    pub(super) fn media_type(&self) -> &str {
        self.header("content-type").and_then(|kind| kind.split(';').next()).unwrap_or("").trim()
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Reply> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Reply::refused(400, "structure", "the body is no JSON"))
    }

    /// Whether the client prefers something (RFC 7240).
    pub(super) fn prefers(&self, what: &str) -> bool {
        let all = self.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        all.flat_map(|value| value.split([',', ';'])).any(|one| one.trim() == what)
    }

    /// As it is remembered.
    pub(super) fn request(&self, at: Timestamp) -> Request {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let body = self.body.get(..REMEMBERED_BYTES_MAX).unwrap_or(&self.body);
        Request {
            at,
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.iter().map(|(k, v)| (k.as_str().to_owned(), text(v))).collect(),
            body: String::from_utf8_lossy(body).into_owned(),
            status: None,
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    pub(super) media_type: &'static str,
}

impl Reply {
    /// An answer without a body.
    pub(super) const fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None, media_type: FHIR_JSON }
    }

    /// HTTP 200.
    pub(super) const fn ok(body: Value) -> Self {
        Self { status: 200, headers: Vec::new(), body: Some(body), media_type: FHIR_JSON }
    }

    /// An `OperationOutcome` with an issue's code.
    pub(super) fn refused(status: u16, code: &str, told: &str) -> Self {
        Self { status, ..Self::ok(outcome("error", code, told)) }
    }

    /// JSON that is no resource.
    pub(super) const fn plain(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body), media_type: "application/json" }
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn into_response(self) -> Response {
        let body = self.body.map(|body| body.to_string()).unwrap_or_default();
        let mut response = Response::new(Body::from(body.clone()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        }
        for (name, value) in self.headers {
            // A value that no header can hold is left out.
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
                headers.insert(name, value);
            }
        }
        response
    }
}
