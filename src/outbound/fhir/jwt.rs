//! Tokens with which a server shows the daemon who it is: whether one is to be believed.
//!
//! A notification's sender gets its token from an issuer of its own; the daemon knows that issuer by
//! its published keys. Whatever is wrong with a token, the caller learns a word for a metric and the
//! sender learns nothing. Keys are fetched seldom, however many tokens name keys that nobody knows.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::fetch::{Address, AddressFault, Reach};
use super::key_set::{Algorithm, Finding, KeySet, Signed};
use crate::category::Category;
use crate::clock::Timestamp;
use crate::tls::ClientFiles;

/// Servers refuse headers over 16 KB.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Sixty-four keys with chains of certificates.
const KEY_SET_BYTES_MAX: usize = 512 * 1024;
/// Senders give up on a notification after 2 s; an answer to it must not wait longer for keys.
const FETCH_TIMEOUT: Duration = Duration::from_millis(1_500);

/// For an unknown key the set is fetched at most so often: unknown keys are easily invented.
const FETCH_EVERY: TimeDelta = TimeDelta::minutes(1);
/// While there is no set at all, nothing is believed, so it is tried sooner.
const FIRST_EVERY: TimeDelta = TimeDelta::seconds(5);
/// A key that its issuer has taken back is believed at most so long.
const FRESH_FOR: TimeDelta = TimeDelta::hours(1);
/// So long a set serves if no newer one can be had.
const SERVES_FOR: TimeDelta = TimeDelta::days(1);

/// Where an issuer's public keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// Published, https or on this machine.
    Url(String),
    /// In a file, as a JWK set.
    File(PathBuf),
}

/// Which tokens are believed.
#[derive(Debug, Clone)]
pub struct Options {
    /// Of which server, for the log.
    pub name: String,
    /// Who signs.
    pub keys: KeySource,
    /// For whom it must be: our name at the issuer.
    pub audience: String,
    /// By whom it must be; by any that the keys are of, if not set.
    pub issuer: Option<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// Clients that may send, as in `sub`, `client_id` or `azp`; any if empty.
    pub subjects: Vec<String>,
    /// Who may sign the issuer's certificate, PEM; the system's roots if not set.
    pub ca: Option<PathBuf>,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// It is no signed JWT, or far too long.
    #[error("token is no signed JWT")]
    Form,
    /// Its algorithm is not in the list, as `none` and all with a shared secret.
    #[error("token has an algorithm that is not accepted")]
    Algorithm,
    /// It has an extension that must be understood and is not.
    #[error("token has a critical extension")]
    Critical,
    /// It has no end, or is past it.
    #[error("token is expired")]
    Expired,
    /// It is not good yet.
    #[error("token is not valid yet")]
    NotYet,
    /// It is for somebody else.
    #[error("token is for another audience")]
    Audience,
    /// It is by somebody else.
    #[error("token is by another issuer")]
    Issuer,
    /// The client may not send here.
    #[error("token is of a client that may not send")]
    Subject,
    /// No key of the issuer's is the one it names.
    #[error("token names an unknown key")]
    UnknownKey,
    /// The key it names has not signed it.
    #[error("token has a wrong signature")]
    Signature,
    /// The issuer's keys cannot be had now; it may be right.
    #[error("keys of the issuer cannot be had")]
    KeysUnavailable,
}

impl Forged {
    /// What kind of failure it is: only without keys may the same token be believed later.
    #[must_use]
    pub const fn category(self) -> Category {
        match self {
            Self::KeysUnavailable => Category::Unavailable,
            Self::Form => Category::Malformed,
            Self::Algorithm
            | Self::Critical
            | Self::Expired
            | Self::NotYet
            | Self::Audience
            | Self::Issuer
            | Self::Subject
            | Self::UnknownKey
            | Self::Signature => Category::Rejected,
        }
    }

    /// A word for it, for logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Algorithm => "algorithm",
            Self::Critical => "critical",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Audience => "audience",
            Self::Issuer => "issuer",
            Self::Subject => "subject",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }
}

/// Checks tokens of one issuer.
#[derive(Debug)]
pub struct Verifier {
    options: Options,
    source: Source,
    held: RwLock<Option<Held>>,
    /// When the keys were last asked for; held while they are.
    tried_at: Mutex<Option<Timestamp>>,
}

#[derive(Debug)]
enum Source {
    Url(Address, Reach),
    File(PathBuf),
}

#[derive(Debug, Clone)]
struct Held {
    keys: Arc<KeySet>,
    at: Timestamp,
}

impl Verifier {
    /// Prepares a check; keys are fetched with the first token.
    ///
    /// # Errors
    /// If the keys' address is neither https nor on this machine.
    pub fn new(options: Options) -> Result<Self, AddressFault> {
        let source = match &options.keys {
            KeySource::Url(url) => Source::Url(
                Address::parse(url)?,
                Reach {
                    files: ClientFiles { ca: options.ca.clone(), identity: None },
                    connect_timeout: FETCH_TIMEOUT,
                    total_timeout: FETCH_TIMEOUT,
                },
            ),
            KeySource::File(path) => Source::File(path.clone()),
        };
        Ok(Self { options, source, held: RwLock::default(), tried_at: Mutex::default() })
    }

    /// Whether a token is to be believed, as it stands after `Bearer`.
    ///
    /// # Errors
    /// [`Forged`]; with [`Forged::KeysUnavailable`] the sender should come again.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<(), Forged> {
        let token = Token::parse(token)?;
        // Before the signature: who cannot even claim the right thing must not make us fetch keys.
        self.check_claims(&token.claims, now)?;
        let held = self.held(now).await?;
        match held.keys.check(token.signed()) {
            Finding::Right => return Ok(()),
            Finding::Wrong => return Err(Forged::Signature),
            Finding::NoKey => {}
        }
        let newer = self.newer_than(Some(held.at), now).await.ok_or(Forged::UnknownKey)?;
        match newer.keys.check(token.signed()) {
            Finding::Right => Ok(()),
            Finding::Wrong => Err(Forged::Signature),
            Finding::NoKey => Err(Forged::UnknownKey),
        }
    }

    fn check_claims(&self, claims: &Value, now: Timestamp) -> Result<(), Forged> {
        let leeway = self.options.leeway.as_secs_f64();
        let now = now.timestamp_millis() as f64 / 1_000.0;
        let expires = claims.get("exp").and_then(Value::as_f64);
        if expires.is_none_or(|expires| now - leeway >= expires) {
            return Err(Forged::Expired);
        }
        let is_ahead = |starts: &Value| starts.as_f64().is_none_or(|at| now + leeway < at);
        if claims.get("nbf").is_some_and(is_ahead) {
            return Err(Forged::NotYet);
        }
        // One, or several (RFC 7519, 4.1.3).
        let is_ours = |name: &Value| name.as_str() == Some(self.options.audience.as_str());
        let is_for_us = claims.get("aud").is_some_and(|audience| {
            is_ours(audience) || audience.as_array().is_some_and(|all| all.iter().any(is_ours))
        });
        if !is_for_us {
            return Err(Forged::Audience);
        }
        let text = |name| claims.get(name).and_then(Value::as_str);
        if self.options.issuer.is_some() && text("iss") != self.options.issuer.as_deref() {
            return Err(Forged::Issuer);
        }
        let subjects = &self.options.subjects;
        let is_known = |name| subjects.iter().any(|known| Some(known.as_str()) == text(name));
        // An issuer for machines names the client in one of these.
        if !subjects.is_empty() && !["sub", "client_id", "azp"].into_iter().any(is_known) {
            return Err(Forged::Subject);
        }
        Ok(())
    }

    /// The keys in force.
    async fn held(&self, now: Timestamp) -> Result<Held, Forged> {
        let held = self.known();
        let age = held.as_ref().map(|held| (now - held.at).abs());
        if let Some(held) = held.clone().filter(|_| age < Some(FRESH_FOR)) {
            return Ok(held);
        }
        if let Some(newer) = self.newer_than(held.as_ref().map(|held| held.at), now).await {
            return Ok(newer);
        }
        held.filter(|_| age < Some(SERVES_FOR)).ok_or(Forged::KeysUnavailable)
    }

    /// Keys fetched after those known, unless that was tried just now. However many ask, one fetches.
    async fn newer_than(&self, known_at: Option<Timestamp>, now: Timestamp) -> Option<Held> {
        let mut tried_at = self.tried_at.lock().await;
        let held = self.known();
        if held.as_ref().map(|held| held.at) != known_at {
            return held;
        }
        let every = if held.is_some() { FETCH_EVERY } else { FIRST_EVERY };
        if tried_at.is_some_and(|at| (now - at).abs() < every) {
            return None;
        }
        *tried_at = Some(now);
        let server = self.options.name.as_str();
        let keys = match self.fetch().await {
            Ok(keys) => Arc::new(keys),
            Err(code) => {
                warn!(server, code, "The keys of a FHIR server's issuer cannot be had");
                return None;
            }
        };
        info!(server, "The keys of a FHIR server's issuer were read");
        let newer = Held { keys, at: now };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(newer.clone());
        Some(newer)
    }

    fn known(&self) -> Option<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fetch(&self) -> Result<KeySet, &'static str> {
        let json = match &self.source {
            Source::File(path) => std::fs::read(path).map_err(|_| "file")?,
            Source::Url(address, reach) => {
                let answer = reach.get(address, KEY_SET_BYTES_MAX).await;
                let answer = answer.map_err(|_| "no_answer")?;
                if !(200..300).contains(&answer.status) {
                    return Err("refused");
                }
                answer.body
            }
        };
        if json.len() > KEY_SET_BYTES_MAX {
            return Err("too_large");
        }
        KeySet::parse(&json).ok_or("no_key")
    }
}

/// A token taken apart, not believed yet.
struct Token<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    claims: Value,
    message: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    fn parse(text: &'a str) -> Result<Self, Forged> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Forged::Form);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(Forged::Form)?;
        let (header, claims) = message.split_once('.').ok_or(Forged::Form)?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Forged::Form);
        let object = |part: &str| {
            let value: Value = serde_json::from_slice(&decoded(part)?).map_err(|_| Forged::Form)?;
            if value.is_object() { Ok(value) } else { Err(Forged::Form) }
        };
        let header = object(header)?;
        let name = header.get("alg").and_then(Value::as_str).ok_or(Forged::Form)?;
        let algorithm = Algorithm::parse(name).ok_or(Forged::Algorithm)?;
        // RFC 7515, 4.1.11: what is critical and not understood makes it invalid.
        if header.get("crit").is_some() {
            return Err(Forged::Critical);
        }
        let kid = match header.get("kid") {
            Some(kid) => Some(kid.as_str().ok_or(Forged::Form)?.to_owned()),
            None => None,
        };
        let (claims, signature) = (object(claims)?, decoded(signature)?);
        Ok(Self { algorithm, kid, claims, message: message.as_bytes(), signature })
    }

    fn signed(&self) -> Signed<'_> {
        Signed {
            algorithm: self.algorithm,
            kid: self.kid.as_deref(),
            message: self.message,
            signature: &self.signature,
        }
    }
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
