//! Who may ask: Basic, a fixed token, or tokens that the stand-in gives out itself, for a client's
//! secret or for a signed assertion (SMART Backend Services).

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use super::Core;
use super::jwt::Assertion;
use super::reply::{Asked, Reply};
use super::search::Query;
use super::state::State;
use super::store::uuid_of;
use crate::clock::Timestamp;

/// The longest time that an assertion may be good for (SMART App Launch 2, client authentication).
const ASSERTION_MINUTES_MAX: i64 = 5;
/// How far the clocks of client and stand-in may be apart.
const LEEWAY_SECONDS: i64 = 10;
/// Tokens and assertions that are remembered; those that have run out are forgotten first.
const GRANTS_MAX: usize = 10_000;
/// How long a client may take to show its keys.
const KEYS_WITHIN: Duration = Duration::from_secs(10);
/// The most that is read of a client's keys.
const KEYS_BYTES_MAX: usize = 256 * 1024;
/// RFC 7523.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who may ask for resources.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Access {
    /// Everybody.
    #[default]
    Open,
    /// Whoever has this user's password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// Whoever has this token.
    Bearer(String),
    /// Whoever has a token from `/token`, which these clients get.
    Clients(Vec<Client>),
}

/// A client that may have tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// How it shows that it is the one.
    pub proof: Proof,
}

/// How a client shows who it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Proof {
    /// By this secret, in the header or in the form.
    Secret(String),
    /// By an assertion signed with one of these keys (a JWKS).
    Keys(Value),
    /// By an assertion signed with one of the keys that are at this address.
    KeysAt(String),
    /// By an assertion of the right shape, whoever signed it.
    Shape,
}

/// What has been given out.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// Tokens and when they run out.
    tokens: BTreeMap<String, Timestamp>,
    /// Assertions that have been used, and when they run out.
    used: BTreeMap<String, Timestamp>,
    made: u64,
}

impl Grants {
    fn grant(&mut self, expires: Timestamp, now: Timestamp) -> String {
        self.made += 1;
        let token = uuid_of(format!("token {}", self.made).as_bytes());
        remember(&mut self.tokens, token.clone(), expires, now);
        token
    }

    /// Forgets every token, so that each is answered with 401.
    pub(super) fn revoke(&mut self) {
        self.tokens.clear();
    }
}

fn remember(
    held: &mut BTreeMap<String, Timestamp>,
    name: String,
    until: Timestamp,
    now: Timestamp,
) {
    if held.len() >= GRANTS_MAX {
        held.retain(|_, until| *until > now);
    }
    if held.len() < GRANTS_MAX {
        held.insert(name, until);
    }
}

impl State {
    /// Looks at the header Authorization.
    pub(super) fn authorize(
        &self,
        access: &Access,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<(), Reply> {
        let given = asked.header("authorization").unwrap_or_default();
        let bearer = given.strip_prefix("Bearer ").unwrap_or_default();
        let (is_known, challenge) = match access {
            Access::Open => (true, ""),
            Access::Basic { user, password } => {
                (basic(given) == Some((user.clone(), password.clone())), "Basic realm=\"fhir\"")
            }
            Access::Bearer(token) => (bearer == token, "Bearer"),
            Access::Clients(_) => {
                let until = self.grants.tokens.get(bearer);
                (until.is_some_and(|until| *until > now), "Bearer error=\"invalid_token\"")
            }
        };
        if is_known { Ok(()) } else { Err(unauthorized(challenge)) }
    }
}

pub(super) fn unauthorized(challenge: &str) -> Reply {
    let reply = Reply::refused(401, "login", "authentication is needed");
    reply.with("www-authenticate", challenge.to_owned())
}

fn basic(given: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(given.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// What `/.well-known/smart-configuration` answers.
pub(super) fn smart_configuration(root: &str) -> Value {
    json!({
        "issuer": root,
        "token_endpoint": format!("{root}/token"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["system/Appointment.cruds", "system/*.rs", "system/*.read"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    })
}

impl Core {
    /// `POST /token`.
    pub(super) async fn token(&self, asked: &Asked) -> Reply {
        let now = self.clock.now();
        let form = Query::parse(&String::from_utf8_lossy(&asked.body));
        if asked.media_type() != "application/x-www-form-urlencoded" {
            return refused(400, "invalid_request", "the request is no form");
        }
        if form.first("grant_type") != Some("client_credentials") {
            return refused(400, "unsupported_grant_type", "only client_credentials is known");
        }
        let proved = match form.first("client_assertion") {
            Some(assertion) => self.by_assertion(assertion, &form, now).await,
            None => self.by_secret(asked, &form),
        };
        if let Err(told) = proved {
            return refused(401, "invalid_client", told);
        }
        let scope = form.first("scope").unwrap_or_default();
        if scope.is_empty() && form.first("client_assertion").is_some() {
            return refused(400, "invalid_scope", "there is no scope");
        }
        let seconds = self.token_seconds;
        let until = now + TimeDelta::seconds(i64::from(seconds));
        let token = self.change(|state| state.grants.grant(until, now));
        let granted = json!({
            "access_token": token,
            "token_type": "bearer",
            "expires_in": seconds,
            "scope": scope,
        });
        Reply::plain(200, granted).with("cache-control", "no-store".to_owned())
    }

    fn client(&self, id: &str) -> Option<&Client> {
        match &self.access {
            Access::Clients(clients) => clients.iter().find(|client| client.id == id),
            Access::Open | Access::Basic { .. } | Access::Bearer(_) => None,
        }
    }

    fn by_secret(&self, asked: &Asked, form: &Query) -> Result<(), &'static str> {
        let header = asked.header("authorization").and_then(basic);
        let posted = || {
            let own = |name: &str| form.first(name).map(str::to_owned);
            Some((own("client_id")?, own("client_secret")?))
        };
        let (id, secret) = header.or_else(posted).ok_or("there are no credentials")?;
        let client = self.client(&id).ok_or("the client is not known")?;
        match &client.proof {
            Proof::Secret(known) if *known == secret => Ok(()),
            Proof::Secret(_) => Err("the secret is not the client's"),
            Proof::Keys(_) | Proof::KeysAt(_) | Proof::Shape => Err("an assertion is needed"),
        }
    }

    async fn by_assertion(
        &self,
        text: &str,
        form: &Query,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        if form.first("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err("the client_assertion_type is not known");
        }
        let assertion = Assertion::read(text)?;
        let client = self.client(&assertion.claim("iss")).ok_or("the client is not known")?;
        if assertion.claim("sub") != client.id {
            return Err("sub is not iss");
        }
        if assertion.claim("aud") != format!("{}/token", self.root_url) {
            return Err("aud is not the token endpoint");
        }
        let expires = assertion.expires().and_then(|at| DateTime::from_timestamp(at, 0));
        let expires = expires.ok_or("there is no exp")?;
        let leeway = TimeDelta::seconds(LEEWAY_SECONDS);
        if expires + leeway < now {
            return Err("the assertion has run out");
        }
        if expires > now + TimeDelta::minutes(ASSERTION_MINUTES_MAX) + leeway {
            return Err("the assertion is good for too long");
        }
        let name = assertion.claim("jti");
        if name.is_empty() {
            return Err("there is no jti");
        }
        let keys = match &client.proof {
            Proof::Secret(_) => return Err("a secret is needed"),
            Proof::Shape => None,
            Proof::Keys(keys) => Some(keys.clone()),
            Proof::KeysAt(url) => Some(self.keys(url).await.ok_or("the keys cannot be had")?),
        };
        if let Some(keys) = keys {
            assertion.verify(&keys)?;
        }
        self.change(|state| {
            if state.grants.used.contains_key(&name) {
                return Err("the assertion has been used");
            }
            remember(&mut state.grants.used, name, expires + leeway, now);
            Ok(())
        })
    }

    /// Fetches a client's keys; `None` if that fails.
    async fn keys(&self, url: &str) -> Option<Value> {
        let mut response = self.http.get(url).timeout(KEYS_WITHIN).send().await.ok()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            if body.len() + chunk.len() > KEYS_BYTES_MAX {
                return None;
            }
            body.extend_from_slice(&chunk);
        }
        if response.status().is_success() { serde_json::from_slice(&body).ok() } else { None }
    }
}

/// RFC 6749, 5.2.
fn refused(status: u16, code: &str, told: &str) -> Reply {
    Reply::plain(status, json!({ "error": code, "error_description": told }))
}
