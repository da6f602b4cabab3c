//! The HTTP client below [`crate::client`]: timeouts, certificates, and what it must not do by itself.
//!
//! It follows no redirect, as the next address would get the token too; it repeats nothing, as only the
//! caller knows whether a request can be repeated; and it keeps no connection for long.

use std::fmt;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity};

/// How long an idle connection is kept: one that the peer is about to close breaks the request that
/// takes it, and servers begin to close after 15 seconds.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The roots are no certificates in PEM.
    #[error("the root certificates cannot be read as PEM")]
    Roots,
    /// The identity is no certificate and key in PEM.
    #[error("the client certificate and its key cannot be read as PEM")]
    Identity,
    /// The system has no root certificates, or certificate and key do not fit.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Who may sign the server's certificate.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Roots {
    /// Who the system trusts.
    #[default]
    System,
    /// One of these and nobody else, PEM.
    Pem(Vec<u8>),
    /// Nobody: for servers without TLS only, and the system needs no certificates.
    Nobody,
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Pem(_) => "Pem",
            Self::Nobody => "Nobody",
        })
    }
}

/// How servers are reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Transport {
    /// Until there is a connection, TLS included.
    pub connect_timeout: Duration,
    /// From the first byte of the request to the last one of the answer.
    pub total_timeout: Duration,
    /// Who may sign the server's certificate.
    pub roots: Roots,
    /// Our certificates and the private key, PEM in one piece, for servers that ask who is there.
    pub identity: Option<Vec<u8>>,
    /// Whether `HTTPS_PROXY` and its like are obeyed.
    pub uses_proxies_of_environment: bool,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("connect_timeout", &self.connect_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("roots", &self.roots)
            .field("has_identity", &self.identity.is_some())
            .field("uses_proxies_of_environment", &self.uses_proxies_of_environment)
            .finish()
    }
}

/// Makes an HTTP client that follows no redirect and repeats nothing.
///
/// # Errors
/// If a PEM is none, certificate and key do not fit, or the system has no root certificates.
pub fn http_client(transport: &Transport) -> Result<reqwest::Client, Error> {
    // Fails if a provider is installed already, which is then used.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut builder = reqwest::Client::builder()
        .connect_timeout(transport.connect_timeout)
        .timeout(transport.total_timeout)
        .pool_idle_timeout(IDLE_MAX)
        .redirect(Policy::none())
        .retry(reqwest::retry::never());
    builder = match &transport.roots {
        Roots::System => builder,
        Roots::Nobody => builder.tls_certs_only([]),
        Roots::Pem(pem) => {
            let roots = Certificate::from_pem_bundle(pem).map_err(|_| Error::Roots)?;
            if roots.is_empty() {
                return Err(Error::Roots);
            }
            builder.tls_certs_only(roots)
        }
    };
    if let Some(pem) = &transport.identity {
        builder = builder.identity(Identity::from_pem(pem).map_err(|_| Error::Identity)?);
    }
    if !transport.uses_proxies_of_environment {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| Error::Client(error.without_url()))
}
