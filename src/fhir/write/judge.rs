//! What a server's answer to a change means.
//!
//! Servers disagree on which status says what: a stale version is 409, 412 or 428, a failed `test` 400
//! or 422, a locked record 423. All of them mean the same here: read again and decide again. That a
//! change was accepted is proved by reading, too.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;

use super::held::text;
use super::{Change, Method, response};
use crate::clock::Timestamp;
use crate::fhir::instant::http_date;
use crate::fhir::outcome::{self, Code};

/// The longest that a server can make us wait. One that is down for maintenance says hours; asking
/// once an hour harms nobody, and a patient's word must not lie until tomorrow.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// The longest appointment that is read out of an answer; a longer one is read again by itself.
const RESOURCE_BYTES_MAX: usize = 1024 * 1024;
/// The longest entity tag; real ones have up to 70 bytes.
const ETAG_BYTES_MAX: usize = 256;

/// What an answer means.
#[derive(Clone, PartialEq)]
pub enum Judged {
    /// Taken. To be sure, plan again on the appointment as it is now.
    Accepted {
        /// The appointment as it is now, if the answer holds it; else it is to be read.
        resource: Option<Value>,
        /// Its version.
        etag: Option<String>,
    },
    /// Something has changed meanwhile: read again and plan again, a few times at most.
    Reread(Code),
    /// Not now.
    Later {
        /// When the server wants to be asked again, if it says so.
        after: Option<RetryAfter>,
        /// Why.
        code: Code,
    },
    /// The credentials have run out or are wrong: get new ones, once.
    Unauthorized,
    /// We may not do this, and will not be allowed to by asking again.
    Forbidden,
    /// There is no such appointment.
    Gone,
    /// No, and asking again would not help.
    Refused(Code),
}

impl std::fmt::Debug for Judged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepted { resource, etag } => f
                .debug_struct("Accepted")
                .field("has_resource", &resource.is_some())
                .field("etag", etag)
                .finish(),
            Self::Reread(code) => f.debug_tuple("Reread").field(code).finish(),
            Self::Later { after, code } => {
                f.debug_struct("Later").field("after", after).field("code", code).finish()
            }
            Self::Unauthorized => f.write_str("Unauthorized"),
            Self::Forbidden => f.write_str("Forbidden"),
            Self::Gone => f.write_str("Gone"),
            Self::Refused(code) => f.debug_tuple("Refused").field(code).finish(),
        }
    }
}

/// When a server wants to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// After this time.
    In(Duration),
    /// At this moment by the server's clock.
    At(Timestamp),
}

impl RetryAfter {
    /// Reads a `Retry-After`: seconds, or a date in any form of HTTP. RFC 9110, 10.2.3.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than fit are a long time, too.
            let seconds = text.parse().unwrap_or(u64::MAX);
            return Some(Self::In(Duration::from_secs(seconds).min(RETRY_AFTER_MAX)));
        }
        http_date(text).map(Self::At)
    }

    /// The moment to ask again: not in the past, and at most [`RETRY_AFTER_MAX`] ahead.
    #[must_use]
    pub fn due(self, now: Timestamp) -> Timestamp {
        let ahead = |by: Duration| {
            TimeDelta::from_std(by).ok().and_then(|by| now.checked_add_signed(by)).unwrap_or(now)
        };
        match self {
            Self::In(time) => ahead(time.min(RETRY_AFTER_MAX)),
            Self::At(moment) => moment.clamp(now, ahead(RETRY_AFTER_MAX)),
        }
    }
}

/// Judges a server's answer to a change; `header` looks a header up by its name in small letters.
#[must_use]
pub fn judge<'h>(
    status: u16,
    header: &dyn Fn(&str) -> Option<&'h str>,
    body: &[u8],
    change: &Change,
) -> Judged {
    let code = || outcome::read(body).code;
    match status {
        200..=299 => accepted(header("etag"), body, change),
        401 => Judged::Unauthorized,
        403 => Judged::Forbidden,
        410 => Judged::Gone,
        // A patch or a put names the appointment; another address may be unknown by itself.
        404 if change.method != Method::Post => Judged::Gone,
        404 => Judged::Reread(code()),
        // Several of what should exist once do exist. R4, conditional create.
        412 if response::is_response(change) && change.if_none_exist.is_some() => {
            Judged::Accepted { resource: None, etag: None }
        }
        // 304 is an answer to a change that changes nothing.
        304 | 409 | 412 | 423 | 424 | 428 => Judged::Reread(code()),
        408 | 425 | 429 | 500 | 502 | 503 | 504 | 506..=599 => {
            let after = header("retry-after").and_then(RetryAfter::parse);
            Judged::Later { after, code: code() }
        }
        _ => by_code(code(), status, header, change),
    }
}

/// A refusal whose reason is in the body, if anywhere.
fn by_code<'h>(
    code: Code,
    status: u16,
    header: &dyn Fn(&str) -> Option<&'h str>,
    change: &Change,
) -> Judged {
    let is_test = matches!(status, 400 | 422) && change.body.has_tests();
    if is_test || code == Code::CONFLICT || code == Code::LOCK_ERROR {
        return Judged::Reread(code);
    }
    if code == Code::THROTTLED {
        return Judged::Later { after: header("retry-after").and_then(RetryAfter::parse), code };
    }
    Judged::Refused(code)
}

fn accepted(tag: Option<&str>, body: &[u8], change: &Change) -> Judged {
    let is_short = body.len() <= RESOURCE_BYTES_MAX;
    let resource: Option<Value> =
        is_short.then(|| serde_json::from_slice(body).ok()).flatten().filter(|value| {
            text(value, "resourceType") == Some("Appointment")
                && text(value, "id") == Some(change.appointment.as_str())
        });
    // The tag is of what was asked for, which is not the appointment where something else was created.
    let is_of_appointment = resource.is_some() || change.method != Method::Post;
    let tag = tag.filter(|_| is_of_appointment);
    Judged::Accepted { etag: etag(tag, resource.as_ref()), resource }
}

/// The version to send as `If-Match`: the header `ETag` exactly as given, else `meta.versionId`.
///
/// ```
/// use appointd::fhir::write::etag;
/// let read = serde_json::json!({"meta": {"versionId": "2-1"}});
/// assert_eq!(etag(Some("\"7\""), Some(&read)).as_deref(), Some("\"7\""));
/// assert_eq!(etag(None, Some(&read)).as_deref(), Some("W/\"2-1\""));
/// ```
#[must_use]
pub fn etag(header: Option<&str>, resource: Option<&Value>) -> Option<String> {
    let is_sendable = |text: &str| {
        (1..=ETAG_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    if let Some(tag) = header.filter(|tag| is_sendable(tag) && !tag.trim().is_empty()) {
        return Some(tag.to_owned());
    }
    let version = match resource?.get("meta")?.get("versionId")? {
        Value::String(version) => version.clone(),
        Value::Number(version) => version.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let is_plain = is_sendable(&version) && !version.contains([' ', '"']);
    is_plain.then(|| format!("W/\"{version}\""))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
