//! Transport security for MLLP and HTTP: rustls with `ring`, certificates from files, hot reload.
//!
//! A configuration is read as a whole: a certificate that does not fit its key is an error at start
//! and at reload, and the one in force stays. Client certificates are asked for when a `client_ca` is
//! configured, and then nobody gets in without one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

/// When a silent connection is probed first: sooner than the 10 minutes after which cloud networks
/// forget it.
pub const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// How often it is probed then.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// How many probes may stay unanswered.
const KEEPALIVE_TRIES: u32 = 4;
/// How long sent bytes may stay unacknowledged before a connection counts as dead.
const USER_TIMEOUT: Duration = Duration::from_secs(120);

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read as what it should be.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The parts do not fit.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The host's name cannot be verified.
    #[error("\"{0}\" is no host name")]
    Name(String),
}

/// The files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Who may sign clients' certificates; if set, clients need one.
    pub client_ca: Option<PathBuf>,
}

/// The files of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// Who may sign the server's certificate; the system's roots if not set.
    pub ca: Option<PathBuf>,
    /// Our certificate chain and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The server's side, replaceable while running.
#[derive(Clone)]
pub struct Acceptor {
    files: Arc<ServerFiles>,
    config: Arc<RwLock<Arc<rustls::ServerConfig>>>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Acceptor({})", self.files.cert.display())
    }
}

impl Acceptor {
    /// Reads the files.
    ///
    /// # Errors
    /// If one cannot be read or they do not fit.
    pub fn new(files: ServerFiles) -> Result<Self, Error> {
        let config = server_config(&files)?;
        Ok(Self { files: Arc::new(files), config: Arc::new(RwLock::new(Arc::new(config))) })
    }

    /// Reads the files again; on an error the old ones stay in force.
    ///
    /// # Errors
    /// If one cannot be read or they do not fit.
    pub fn reload(&self) -> Result<(), Error> {
        let config = Arc::new(server_config(&self.files)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// If the peer does not speak TLS or has no certificate that is taken.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        let config = Arc::clone(&*self.config.read().unwrap_or_else(PoisonError::into_inner));
        tokio_rustls::TlsAcceptor::from(config).accept(stream).await
    }
}

/// The subject of the certificate that a client has shown, as in `CN=ehr.example.org, O=Owl Clinic`
/// (RFC 4514 writes it from the other end; this is the order of the certificate).
#[must_use]
pub fn subject_of(stream: &server::TlsStream<TcpStream>) -> Option<String> {
    let (_, session) = stream.get_ref();
    let cert = session.peer_certificates()?.first()?;
    let (_, cert) = x509_parser::parse_x509_certificate(cert).ok()?;
    Some(cert.subject().to_string())
}

/// The client's side.
#[derive(Clone)]
pub struct Connector {
    config: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({:?})", self.name)
    }
}

impl Connector {
    /// Reads the files for connecting to a host.
    ///
    /// # Errors
    /// If one cannot be read or they do not fit.
    pub fn new(files: &ClientFiles, host: &str) -> Result<Self, Error> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| Error::Name(host.to_owned()))?;
        let mut roots = RootCertStore::empty();
        if let Some(ca) = &files.ca {
            for cert in certs(ca)? {
                roots.add(cert)?;
            }
        }
        let builder = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match &files.identity {
            Some((cert, key)) => builder.with_client_auth_cert(certs(cert)?, private_key(key)?)?,
            None => builder.with_no_client_auth(),
        };
        Ok(Self { config: Arc::new(config), name })
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// If the peer does not speak TLS or is not who it should be.
    pub async fn connect(&self, stream: TcpStream) -> io::Result<client::TlsStream<TcpStream>> {
        tokio_rustls::TlsConnector::from(Arc::clone(&self.config))
            .connect(self.name.clone(), stream)
            .await
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn server_config(files: &ServerFiles) -> Result<rustls::ServerConfig, Error> {
    let builder = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for cert in certs(path)? {
                roots.add(cert)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .build()
                .map_err(|error| unreadable(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    Ok(builder.with_single_cert(certs(&files.cert)?, private_key(&files.key)?)?)
}

fn certs(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certs = CertificateDer::pem_file_iter(path)
        .map_err(|error| unreadable(path, error))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(path, error))?;
    if certs.is_empty() {
        return Err(unreadable(path, "no certificate in it"));
    }
    Ok(certs)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, problem: impl fmt::Display) -> Error {
    Error::File { path: path.to_owned(), problem: problem.to_string() }
}

/// Sets what every connection of ours wants: no delay of small frames, and probes, so that a peer
/// that has vanished is noticed.
///
/// # Errors
/// If the system does not know an option.
pub fn tune(stream: &TcpStream, keepalive: Option<Duration>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    if let Some(after) = keepalive {
        let keepalive = TcpKeepalive::new()
            .with_time(after)
            .with_interval(KEEPALIVE_EVERY)
            .with_retries(KEEPALIVE_TRIES);
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}
