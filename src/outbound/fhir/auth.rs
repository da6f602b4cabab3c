//! As whom the daemon asks a FHIR server: the kinds of credentials, and the header made of them.
//!
//! Certificates are no matter of a header; they belong to the connection ([`super::server`]).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use super::fetch::{Address, AddressFault, Reach};
use super::keys::PrivateKey;
use super::token::{Bearer, Endpoint, Fault, Held, Proof, Tokens};
use crate::clock::Clock;
use crate::sms::Secret;

/// The document that names a server's token endpoint (SMART App Launch 2.2, 3.1).
const CONFIGURATION: &str = ".well-known/smart-configuration";

/// Credentials for a server.
#[derive(Debug, Clone)]
pub enum Auth {
    /// None, or a certificate.
    None,
    /// A user and a password.
    Basic {
        /// Who.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token that does not change.
    Bearer(Secret),
    /// OAuth's client credentials with a shared secret.
    ClientCredentials {
        /// Where tokens come from.
        token_url: String,
        /// Who.
        client_id: String,
        /// The secret.
        client_secret: Secret,
        /// What for; the client's usual scope if not given.
        scope: Option<String>,
        /// Where the secret stands.
        style: Style,
    },
    /// SMART Backend Services: client credentials with a signed assertion.
    SmartBackend {
        /// Where tokens come from; discovered if not given.
        token_url: Option<String>,
        /// Who.
        client_id: String,
        /// What for, as in `system/Appointment.rs`.
        scope: Option<String>,
        /// The first signs. All are to be published, so that a new one is known before it is first.
        keys: Vec<PrivateKey>,
    },
}

/// Where a client's secret stands in a request for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// In the header: `client_secret_basic`.
    Basic,
    /// In the form: `client_secret_post`.
    Post,
}

/// Why credentials cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address of the token endpoint.
    #[error("token endpoint is {0}")]
    TokenUrl(#[from] AddressFault),
    /// A name with a colon in it would end there.
    #[error("user name for Basic holds a colon or is empty")]
    User,
    /// A header cannot hold it.
    #[error("bearer token is empty or holds blanks or other than ASCII")]
    Bearer,
    /// Nobody to ask as.
    #[error("client id is empty")]
    ClientId,
    /// Nothing to sign with.
    #[error("no private key to sign with")]
    NoKey,
}

/// Makes the header for each request.
#[derive(Debug)]
pub(super) enum Authorizer {
    Nothing,
    Fixed(Secret),
    Tokens(Box<Tokens>),
}

/// What a request was authorized with.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    Nothing,
    Fixed(Secret),
    Token(Bearer),
}

impl Credential {
    /// The value of `Authorization`.
    pub(super) fn header(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Fixed(header) => Some(header.expose()),
            Self::Token(bearer) => Some(bearer.header.expose()),
        }
    }
}

impl Authorizer {
    /// Checks credentials for a server with a base address.
    pub(super) fn new(
        auth: Auth,
        base: &Address,
        reach: Reach,
        clock: Clock,
    ) -> Result<Self, Error> {
        let (endpoint, client_id, scope, proof) = match auth {
            Auth::None => return Ok(Self::Nothing),
            Auth::Basic { user, password } => {
                if user.is_empty() || user.contains(':') {
                    return Err(Error::User);
                }
                let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
                return Ok(Self::Fixed(Secret::new(&format!("Basic {pair}"))));
            }
            Auth::Bearer(token) => {
                let text = token.expose();
                if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(Error::Bearer);
                }
                return Ok(Self::Fixed(Secret::new(&format!("Bearer {text}"))));
            }
            Auth::ClientCredentials { token_url, client_id, client_secret, scope, style } => {
                let endpoint = Endpoint::Fixed(Address::parse(&token_url)?);
                (endpoint, client_id, scope, Proof::Secret(client_secret, style))
            }
            Auth::SmartBackend { token_url, client_id, scope, keys } => {
                let endpoint = match token_url {
                    Some(url) => Endpoint::Fixed(Address::parse(&url)?),
                    None => Endpoint::Discovered(Address::parse(&format!(
                        "{}/{CONFIGURATION}",
                        base.as_str().trim_end_matches('/')
                    ))?),
                };
                let key = keys.into_iter().next().ok_or(Error::NoKey)?;
                (endpoint, client_id, scope, Proof::Signed(key))
            }
        };
        if client_id.is_empty() {
            return Err(Error::ClientId);
        }
        let held = tokio::sync::Mutex::new(Held::default());
        let tokens = Tokens { endpoint, client_id, scope, proof, reach, clock, held };
        Ok(Self::Tokens(Box::new(tokens)))
    }

    /// What to authorize a request with.
    pub(super) async fn credential(&self) -> Result<Credential, Fault> {
        match self {
            Self::Nothing => Ok(Credential::Nothing),
            Self::Fixed(header) => Ok(Credential::Fixed(header.clone())),
            Self::Tokens(tokens) => tokens.current().await.map(Credential::Token),
        }
    }

    /// What to authorize a request with that was refused; nothing if there is nothing better.
    pub(super) async fn instead_of(
        &self,
        refused: &Credential,
    ) -> Result<Option<Credential>, Fault> {
        let (Self::Tokens(tokens), Credential::Token(bearer)) = (self, refused) else {
            return Ok(None);
        };
        Ok(tokens.instead_of(bearer).await?.map(Credential::Token))
    }
}

/// A header from the settings, if it can be sent.
pub(super) fn is_sendable(name: &str, value: &Secret) -> bool {
    reqwest::header::HeaderName::try_from(name).is_ok()
        && HeaderValue::try_from(value.expose()).is_ok()
}
