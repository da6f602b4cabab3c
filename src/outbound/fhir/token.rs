//! Access tokens: asked for once, kept, renewed in time.
//!
//! However many requests need a token, one asks for it and the others wait for that answer. A failure
//! is kept for a while too, because a token endpoint that is knocked at by every request locks the
//! client out. Error texts of the endpoint are not shown: only codes that stand in a list.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde_json::Value;
use tokio::sync::Mutex;

use super::assertion;
use super::auth::Style;
use super::fetch::{Address, Answer, Reach, Silence};
use super::keys::PrivateKey;
use super::limit::RetryAfter;
use crate::clock::{Clock, Timestamp};
use crate::sms::Secret;

/// A token with a page of permissions in it has 4 KB; servers refuse headers over 16 KB.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// A token and a few words.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The longest configuration seen has 9 KB.
const DISCOVERY_BYTES_MAX: usize = 256 * 1024;

/// What SMART Backend Services recommends as the longest life, taken where none is told.
const LIFE_USUAL: TimeDelta = TimeDelta::minutes(5);
/// A longer life is not believed: a token is cheap.
const LIFE_MAX: TimeDelta = TimeDelta::days(1);
/// A token is renewed so long before its end, or at half of its life if that is short.
const RENEW_BEFORE: TimeDelta = TimeDelta::seconds(60);

/// A token that the server refuses before its end is renewed at most this often.
const FORCED_EVERY: TimeDelta = TimeDelta::minutes(1);
/// A refusal stands so long: a person, or the spreading of a new key, must come between.
const REFUSED_FOR: TimeDelta = TimeDelta::minutes(1);
/// A failure stands so long: those who waited for the same answer take it.
const FAILED_FOR: TimeDelta = TimeDelta::seconds(5);
/// Token endpoints move, and then the old one often answers for a while.
const DISCOVERED_FOR: TimeDelta = TimeDelta::days(1);

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The endpoint says no.
    Refused(&'static str),
    /// The endpoint does not answer, or not sensibly; it may later.
    Unavailable(&'static str),
    /// The endpoint wants to be left alone.
    Busy(Option<RetryAfter>),
}

/// How a client shows who it is.
#[derive(Debug)]
pub(super) enum Proof {
    /// By a secret.
    Secret(Secret, Style),
    /// By a signed assertion.
    Signed(PrivateKey),
}

/// Where tokens come from.
#[derive(Debug)]
pub(super) enum Endpoint {
    /// As configured.
    Fixed(Address),
    /// As the document there says.
    Discovered(Address),
}

/// A value of `Authorization`, and which of the tokens it holds.
#[derive(Debug, Clone)]
pub(super) struct Bearer {
    pub(super) header: Secret,
    number: u64,
}

/// The tokens for one server.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) endpoint: Endpoint,
    pub(super) client_id: String,
    pub(super) scope: Option<String>,
    pub(super) proof: Proof,
    pub(super) reach: Reach,
    pub(super) clock: Clock,
    /// Held while a token is asked for: who needs it waits here.
    pub(super) held: Mutex<Held>,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Held {
    token: Option<Token>,
    failed: Option<(Fault, Timestamp)>,
    forced_at: Option<Timestamp>,
    discovered: Option<(Address, Timestamp)>,
    /// Of the last token.
    number: u64,
}

#[derive(Debug)]
struct Token {
    bearer: Bearer,
    renew_at: Timestamp,
    expires_at: Timestamp,
}

impl Tokens {
    /// The token in force, asked for if there is none or its end is near.
    pub(super) async fn current(&self) -> Result<Bearer, Fault> {
        let mut held = self.held.lock().await;
        self.of(&mut held).await
    }

    /// Another token than one that the server has refused; nothing if it was renewed for that reason
    /// just now, because then the token is not what is wrong.
    pub(super) async fn instead_of(&self, refused: &Bearer) -> Result<Option<Bearer>, Fault> {
        let mut held = self.held.lock().await;
        let now = self.clock.now();
        let is_same =
            held.token.as_ref().is_some_and(|token| token.bearer.number == refused.number);
        if is_same {
            if held.forced_at.is_some_and(|at| (now - at).abs() < FORCED_EVERY) {
                return Ok(None);
            }
            held.forced_at = Some(now);
            held.token = None;
        }
        self.of(&mut held).await.map(Some)
    }

    async fn of(&self, held: &mut Held) -> Result<Bearer, Fault> {
        let now = self.clock.now();
        let in_force = held.token.as_ref().filter(|token| now < token.expires_at);
        if let Some(token) = in_force.filter(|token| now < token.renew_at) {
            return Ok(token.bearer.clone());
        }
        let old = in_force.map(|token| token.bearer.clone());
        if let Some((fault, _)) = held.failed.filter(|(_, until)| now < *until) {
            return old.ok_or(fault);
        }
        match self.ask(held, now).await {
            Ok(token) => {
                held.failed = None;
                let bearer = token.bearer.clone();
                held.token = Some(token);
                Ok(bearer)
            }
            Err(fault) => {
                let span = match fault {
                    Fault::Refused(_) => REFUSED_FOR,
                    Fault::Unavailable(_) | Fault::Busy(_) => FAILED_FOR,
                };
                held.failed = Some((fault, self.clock.now() + span));
                // The old one is good until its end, whatever the endpoint says.
                old.ok_or(fault)
            }
        }
    }

    async fn ask(&self, held: &mut Held, now: Timestamp) -> Result<Token, Fault> {
        let endpoint = self.endpoint(held, now).await?;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let mut authorization = None;
        let signed;
        match &self.proof {
            Proof::Secret(secret, Style::Basic) => {
                authorization = Some(basic(&self.client_id, secret)?);
            }
            Proof::Secret(secret, Style::Post) => {
                form.push(("client_id", &self.client_id));
                form.push(("client_secret", secret.expose()));
            }
            Proof::Signed(key) => {
                signed = assertion::signed(key, &self.client_id, endpoint.as_str(), now)
                    .map_err(|_| Fault::Unavailable("token_not_signed"))?;
                form.push(("client_assertion_type", assertion::TYPE));
                form.push(("client_assertion", &signed));
            }
        }
        let answer = self.reach.post(&endpoint, &form, authorization, ANSWER_BYTES_MAX).await;
        let answer = answer.map_err(|silence| unavailable(silence, TOKEN_CODES))?;
        if !(200..300).contains(&answer.status) {
            if matches!(answer.status, 404 | 405 | 410) {
                held.discovered = None;
            }
            return Err(refusal(&answer));
        }
        held.number += 1;
        token(&answer.body, held.number, now)
    }

    /// Where to ask; an address once discovered serves until a newer one is known.
    async fn endpoint(&self, held: &mut Held, now: Timestamp) -> Result<Address, Fault> {
        let document = match &self.endpoint {
            Endpoint::Fixed(address) => return Ok(address.clone()),
            Endpoint::Discovered(document) => document,
        };
        let known = held.discovered.as_ref();
        if let Some((address, _)) = known.filter(|(_, at)| (now - *at).abs() < DISCOVERED_FOR) {
            return Ok(address.clone());
        }
        match self.discover(document).await {
            Ok(address) => {
                held.discovered = Some((address.clone(), now));
                Ok(address)
            }
            Err(fault) => known.map(|(address, _)| address.clone()).ok_or(fault),
        }
    }

    async fn discover(&self, document: &Address) -> Result<Address, Fault> {
        let answer = self.reach.get(document, DISCOVERY_BYTES_MAX).await;
        let answer = answer.map_err(|silence| unavailable(silence, DISCOVERY_CODES))?;
        match answer.status {
            200..300 => {}
            429 => return Err(Fault::Busy(answer.retry_after)),
            500.. => return Err(Fault::Unavailable("discovery_failed")),
            _ => return Err(Fault::Refused("discovery_refused")),
        }
        let unreadable = Fault::Unavailable("discovery_unreadable");
        let document: Value = serde_json::from_slice(&answer.body).map_err(|_| unreadable)?;
        let endpoint = document.get("token_endpoint").and_then(Value::as_str).ok_or(unreadable)?;
        // A secret goes there: plain http would be read by others on the way.
        Address::parse(endpoint).map_err(|_| Fault::Refused("discovery_endpoint"))
    }
}

/// What a silence is called: certificates, no connection, no answer in time, no sensible answer.
type Codes = [&'static str; 4];

const TOKEN_CODES: Codes =
    ["token_certificates", "token_unreachable", "token_timeout", "token_cut_off"];
const DISCOVERY_CODES: Codes =
    ["discovery_certificates", "discovery_unreachable", "discovery_timeout", "discovery_cut_off"];

const fn unavailable(silence: Silence, codes: Codes) -> Fault {
    let [certificates, unreachable, timeout, cut_off] = codes;
    Fault::Unavailable(match silence {
        Silence::Certificates => certificates,
        Silence::Unreachable => unreachable,
        Silence::Timeout => timeout,
        Silence::Broken | Silence::TooLong => cut_off,
    })
}

/// RFC 6749, 2.3.1: both halves are encoded as in a form before they are put together.
fn basic(client_id: &str, secret: &Secret) -> Result<HeaderValue, Fault> {
    let pair = format!("{}:{}", form_encoded(client_id), form_encoded(secret.expose()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .map_err(|_| Fault::Refused("token_credentials"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn form_encoded(text: &str) -> String {
    // An address knows how; it has no other use here.
    let Ok(mut url) = Url::parse("http://localhost/") else { return String::new() };
    url.query_pairs_mut().append_key_only(text);
    url.query().unwrap_or_default().to_owned()
}

fn refusal(answer: &Answer) -> Fault {
    match answer.status {
        429 => return Fault::Busy(answer.retry_after),
        503 if answer.retry_after.is_some() => return Fault::Busy(answer.retry_after),
        408 | 425 | 500.. => return Fault::Unavailable("token_failed"),
        300..400 => return Fault::Refused("token_redirected"),
        404 | 405 | 410 => return Fault::Refused("token_endpoint_gone"),
        _ => {}
    }
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let error = body.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str);
    match error {
        Some("server_error") => Fault::Unavailable("server_error"),
        Some("temporarily_unavailable") => Fault::Unavailable("temporarily_unavailable"),
        // RFC 6749, 5.2; an error that is not in the list is not repeated, it could say anything.
        Some("invalid_request") => Fault::Refused("invalid_request"),
        Some("invalid_client") => Fault::Refused("invalid_client"),
        Some("invalid_grant") => Fault::Refused("invalid_grant"),
        Some("unauthorized_client") => Fault::Refused("unauthorized_client"),
        Some("unsupported_grant_type") => Fault::Refused("unsupported_grant_type"),
        Some("invalid_scope") => Fault::Refused("invalid_scope"),
        Some("access_denied") => Fault::Refused("access_denied"),
        Some(_) | None => Fault::Refused("token_refused"),
    }
}

fn token(body: &[u8], number: u64, now: Timestamp) -> Result<Token, Fault> {
    let unreadable = Fault::Unavailable("token_unreadable");
    let answer: Value = serde_json::from_slice(body).map_err(|_| unreadable)?;
    let text = answer.get("access_token").and_then(Value::as_str).ok_or(unreadable)?;
    let is_sendable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > TOKEN_BYTES_MAX || !is_sendable {
        return Err(unreadable);
    }
    // It must be there (RFC 6749, 5.1) and often is not; one that must be used otherwise says so.
    let kind = answer.get("token_type").and_then(Value::as_str).unwrap_or("bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(Fault::Refused("token_type"));
    }
    let life = life(answer.get("expires_in"));
    Ok(Token {
        bearer: Bearer { header: Secret::new(&format!("Bearer {text}")), number },
        renew_at: now + (life - RENEW_BEFORE).max(life / 2),
        expires_at: now + life,
    })
}

/// How long a token is good: a number, also as text; what makes no sense counts as missing.
fn life(expires_in: Option<&Value>) -> TimeDelta {
    let number = expires_in.and_then(|value| match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => value.as_f64(),
    });
    let Some(seconds) = number.filter(|seconds: &f64| seconds.is_finite() && *seconds >= 1.0)
    else {
        return LIFE_USUAL;
    };
    let span = std::time::Duration::try_from_secs_f64(seconds).ok();
    let span = span.and_then(|span| TimeDelta::from_std(span).ok());
    span.unwrap_or(LIFE_MAX).min(LIFE_MAX)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
