//! Requests to a FHIR server over `fhir-sdk`'s client: bytes in, bytes out.
//!
//! Its typed calls cannot be used: they send no `If-Match` with a patch, drop the headers of errors,
//! take a success without an `ETag` for a failure, and repeat what timed out. What is used is its way to
//! send a request as it is, with repetition off. Whether to repeat, and what an answer means, is the
//! caller's; here an error says no more than whether the request may have been performed.
//!
//! Addresses and bodies hold patient data: no error and no `Debug` shows them. The library itself writes
//! addresses to the log, which whoever sets up logging must shut for [`LOG_TARGET`].

use std::error::Error as StdError;
use std::fmt;
use std::io;

use fhir_sdk::client::{Client as Sdk, Error as SdkError, RequestSettings};
use fhir_sdk::version::FhirR4B;
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use rustls::AlertDescription;

/// The target, and the beginning of targets, of log lines that show whole addresses.
pub const LOG_TARGET: &str = "fhir_sdk";

/// FHIR's own media type, R4 section 2.21.0.6.
const FHIR_JSON: &str = "application/fhir+json";

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An address cannot be read, or holds what belongs into a header.
    #[error("address cannot be used")]
    Url,
    /// The address is on a server that is neither the base's nor allowed.
    #[error("address is on a server that is not allowed")]
    ForeignOrigin,
    /// The name or value of a header holds what a header cannot.
    #[error("header cannot be sent")]
    Header,
    /// No byte of the request has left.
    #[error("not sent: {0}")]
    NotSent(NotSent),
    /// The request, or a part of it, has left, and no whole answer came back.
    #[error("no answer: {0}")]
    NoAnswer(NoAnswer),
    /// The answer's body is longer than allowed.
    #[error("answer with status {status} is longer than allowed")]
    TooLarge {
        /// The answer's status.
        status: u16,
    },
}

impl Error {
    /// Whether the server may have done what was asked.
    #[must_use]
    pub const fn may_be_performed(&self) -> bool {
        match self {
            Self::Url | Self::ForeignOrigin | Self::Header | Self::NotSent(_) => false,
            Self::NoAnswer(_) | Self::TooLarge { .. } => true,
        }
    }
}

/// What kept a request from being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// Nobody accepts connections there, or not in time.
    #[error("no connection")]
    Connect,
    /// The server's certificate is not trusted, or it does not trust ours.
    #[error("no trusted connection")]
    Tls,
    /// The server's name leads nowhere.
    #[error("name not resolved")]
    Dns,
    /// The library refused the request.
    #[error("refused by the library")]
    Library,
}

/// What happened to a request that may have been performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing came in time.
    #[error("timeout")]
    Timeout,
    /// The connection broke, or what came was not HTTP.
    #[error("cut off")]
    Broken,
    /// The answer began, and did not end.
    #[error("cut off after status {status}")]
    Unfinished {
        /// The answer's status.
        status: u16,
    },
    /// The HTTP client followed a redirect to a server that is not allowed.
    #[error("redirected to a server that is not allowed")]
    Redirected,
}

/// What a client is made of.
#[derive(Clone)]
pub struct Settings {
    /// The server's base, as in `https://ehr.example/fhir/r4`; without credentials and query.
    pub base_url: String,
    /// As made by [`crate::transport::http_client`]. One that follows redirects would carry headers to
    /// servers that are not allowed.
    pub http: reqwest::Client,
    /// Sent with each request.
    pub user_agent: String,
    /// The longest body that is taken, in bytes.
    pub body_bytes_max: usize,
    /// The parameter `fhirVersion` of what is accepted and sent, as in `4.0`; none if not set, as some
    /// servers refuse it.
    pub fhir_version: Option<&'static str>,
    /// Servers beside the base's that absolute addresses may lead to, as in `https://files.example`.
    /// They get the same headers.
    pub allow_origins: Vec<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A base address may hold a token by mistake, which is refused later.
        f.debug_struct("Settings")
            .field("body_bytes_max", &self.body_bytes_max)
            .finish_non_exhaustive()
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads or searches.
    Get,
    /// Creates, or calls an operation.
    Post,
    /// Replaces.
    Put,
    /// Changes in parts.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    const fn as_http(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Post => reqwest::Method::POST,
            Self::Put => reqwest::Method::PUT,
            Self::Patch => reqwest::Method::PATCH,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

/// A request, sent once.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// Relative to the base, as in `Appointment/1`, or an absolute address; empty for the base itself.
    pub target: String,
    /// Names and values. `Accept` and `Content-Type` are set to FHIR's own if they are not among them.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<Vec<u8>>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Target, headers and body hold patient data and secrets.
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

/// An answer, whatever its status.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names, in lower case, and values, in the order of the answer.
    pub headers: Vec<(String, String)>,
    /// What was sent; not always JSON.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header; its name is meant in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A client of one FHIR server; clones share its connections.
#[derive(Clone)]
pub struct Client {
    sdk: Sdk<FhirR4B>,
    /// As given, and with a slash at its end, so that a relative address adds to it.
    base: Url,
    folder: Url,
    origins: Vec<Url>,
    media_type: HeaderValue,
    body_bytes_max: usize,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client; nothing is connected yet.
    ///
    /// # Errors
    /// [`Error::Url`] if base or an allowed origin is no http address or holds credentials, a query or a
    /// fragment; [`Error::Header`] if the user agent cannot be sent.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let base = base(&settings.base_url)?;
        let origins = settings.allow_origins.iter().map(|url| self::base(url));
        let origins = origins.collect::<Result<Vec<_>, _>>()?;
        let media_type = match settings.fhir_version {
            None => FHIR_JSON.to_owned(),
            Some(version) => format!("{FHIR_JSON}; fhirVersion={version}"),
        };
        let media_type = HeaderValue::try_from(media_type).map_err(|_| Error::Header)?;
        let user_agent = HeaderValue::try_from(settings.user_agent).map_err(|_| Error::Header)?;
        // The library lets a request's own headers win over these.
        let defaults = RequestSettings::default()
            .retries(0)
            .header(USER_AGENT, user_agent)
            .header(ACCEPT, media_type.clone());
        let mut folder = base.clone();
        if !folder.path().ends_with('/') {
            folder.set_path(&format!("{}/", base.path()));
        }
        // Origins are compared here, as the library knows all or one; and what version a server calls
        // itself must not hide that a request was performed.
        let sdk = Sdk::builder()
            .base_url(base.clone())
            .client(settings.http)
            .request_settings(defaults)
            .allow_origin_mismatch()
            .allow_version_mismatch()
            .build()
            .map_err(|_| Error::Url)?;
        Ok(Self { sdk, base, folder, origins, media_type, body_bytes_max: settings.body_bytes_max })
    }

    /// Sends a request once and takes the answer, whatever its status.
    ///
    /// # Errors
    /// [`Error::may_be_performed`] tells whether the server may have done it all the same.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let url = self.url(&request.target)?;
        let headers = self.headers(&request)?;
        let sent = self.sdk.send_custom_request(|http| {
            let builder = http.request(request.method.as_http(), url).headers(headers);
            match request.body {
                Some(body) => builder.body(body),
                None => builder,
            }
        });
        self.answer(sent.await.map_err(|error| without_answer(&error))?).await
    }

    fn url(&self, target: &str) -> Result<Url, Error> {
        let mut url = match target {
            "" => self.base.clone(),
            _ => self.folder.join(target).map_err(|_| Error::Url)?,
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Url);
        }
        self.check_origin(&url)?;
        url.set_fragment(None);
        Ok(url)
    }

    fn check_origin(&self, url: &Url) -> Result<(), Error> {
        let mut allowed = self.origins.iter().chain([&self.base]);
        let is_allowed = allowed.any(|allowed| allowed.origin() == url.origin());
        if is_allowed { Ok(()) } else { Err(Error::ForeignOrigin) }
    }

    fn headers(&self, request: &Request) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name = HeaderName::try_from(name).map_err(|_| Error::Header)?;
            let mut value = HeaderValue::try_from(value).map_err(|_| Error::Header)?;
            // Most of them are secrets or tell of a patient; the mark keeps them out of every `Debug`.
            value.set_sensitive(true);
            headers.append(name, value);
        }
        if request.body.is_some() {
            headers.entry(CONTENT_TYPE).or_insert_with(|| self.media_type.clone());
        }
        Ok(headers)
    }

    async fn answer(&self, mut answer: reqwest::Response) -> Result<Response, Error> {
        let status = answer.status().as_u16();
        // Too late for what was sent, but not for what would be believed.
        self.check_origin(answer.url()).map_err(|_| Error::NoAnswer(NoAnswer::Redirected))?;
        let headers = answer.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let headers = headers.collect();
        let mut body = Vec::new();
        let unfinished = |_| Error::NoAnswer(NoAnswer::Unfinished { status });
        while let Some(chunk) = answer.chunk().await.map_err(unfinished)? {
            if body.len().saturating_add(chunk.len()) > self.body_bytes_max {
                return Err(Error::TooLarge { status });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body })
    }
}

/// Reads an address that others are compared with or built upon.
fn base(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|_| Error::Url)?;
    let is_http = matches!(url.scheme(), "http" | "https");
    let is_bare = url.query().is_none() && url.fragment().is_none();
    if !is_http || !is_bare || !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Url);
    }
    Ok(url)
}

fn without_answer(error: &SdkError) -> Error {
    let SdkError::Request(error) = error else {
        // With both checks off and no login, the library fails by itself only before it sends.
        return Error::NotSent(NotSent::Library);
    };
    if error.is_builder() {
        return Error::NotSent(NotSent::Library);
    }
    let tls = tls_error(error);
    if error.is_connect() {
        return Error::NotSent(match tls {
            Some(_) => NotSent::Tls,
            None if error.is_dns() => NotSent::Dns,
            None => NotSent::Connect,
        });
    }
    if tls.is_some_and(refuses_certificate) {
        return Error::NotSent(NotSent::Tls);
    }
    Error::NoAnswer(if error.is_timeout() { NoAnswer::Timeout } else { NoAnswer::Broken })
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // What an I/O error wraps, often another I/O error, is not its source.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Whether the server turned our certificate down. In TLS 1.3 it says so after the request may have been
/// written, which it then does not read (RFC 8446, 4.4.2.4 and 6.2).
fn refuses_certificate(error: &rustls::Error) -> bool {
    let rustls::Error::AlertReceived(alert) = error else { return false };
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure
    )
}
