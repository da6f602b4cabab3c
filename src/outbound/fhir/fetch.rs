//! Single questions to addresses beside the FHIR server's own: token endpoints, discovery, key sets.
//!
//! Such an address may lie on another host, so it does not pass the FHIR client's check of origins;
//! it must be https, or on this machine. No redirect is followed, because a secret would follow it.
//! The client is made anew for each question: there is one in minutes, and the certificates in
//! force are then those on disk. Nothing here knows what is asked.

use std::path::Path;
use std::time::Duration;

use appointd_fhir::transport::{Roots, Transport, http_client};
use reqwest::header::{ACCEPT, AUTHORIZATION, DATE, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, RequestBuilder, Url};

use super::limit::RetryAfter;
use crate::tls::ClientFiles;

/// Longer addresses break proxies; the longest token endpoint seen has 140 characters.
const ADDRESS_BYTES_MAX: usize = 2_048;

/// As whom the daemon asks.
pub(super) const AGENT: &str = concat!("appointd/", env!("CARGO_PKG_VERSION"));

/// Why an address is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// It is no address, is too long, or holds a user, a password or a fragment.
    #[error("not of the form https://host/path")]
    Form,
    /// A secret would cross the network in clear.
    #[error("neither https nor on this machine")]
    PlainHttp,
}

/// An address that may be asked, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    text: String,
    url: Url,
}

impl Address {
    /// Reads an address.
    pub(super) fn parse(text: &str) -> Result<Self, AddressFault> {
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressFault::Form);
        }
        let url = Url::parse(text).map_err(|_| AddressFault::Form)?;
        let is_bare = url.username().is_empty() && url.password().is_none();
        if !is_bare || url.fragment().is_some() || !url.has_host() {
            return Err(AddressFault::Form);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(AddressFault::PlainHttp),
            _ => return Err(AddressFault::Form),
        }
        Ok(Self { text: text.to_owned(), url })
    }

    /// The address letter by letter: an assertion's audience is compared as text.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether certificates matter for it.
    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether it is on this machine, by its name alone.
    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// How a host is reached.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    pub(super) files: ClientFiles,
    pub(super) connect_timeout: Duration,
    pub(super) total_timeout: Duration,
}

impl Reach {
    /// Reads the certificates for asking an address.
    ///
    /// # Errors
    /// The path of a file that cannot be read, and why.
    pub(super) fn transport(
        &self,
        address: &Address,
    ) -> Result<Transport, (&Path, std::io::Error)> {
        let roots = match &self.files.ca {
            Some(ca) => Roots::Pem(read(ca)?),
            None if address.is_https() => Roots::System,
            // A machine without root certificates can still talk to itself.
            None => Roots::Nobody,
        };
        let identity = match &self.files.identity {
            Some((cert, key)) => Some([read(cert)?, read(key)?].join(&b'\n')),
            None => None,
        };
        Ok(Transport {
            connect_timeout: self.connect_timeout,
            total_timeout: self.total_timeout,
            roots,
            identity,
            uses_proxies_of_environment: !address.is_loopback(),
        })
    }

    /// Asks for a JSON document.
    pub(super) async fn get(&self, address: &Address, bytes_max: usize) -> Result<Answer, Silence> {
        ask(self.client(address)?.get(address.url.clone()), bytes_max).await
    }

    /// Posts a form.
    pub(super) async fn post(
        &self,
        address: &Address,
        form: &[(&str, &str)],
        authorization: Option<HeaderValue>,
        bytes_max: usize,
    ) -> Result<Answer, Silence> {
        let mut request = self.client(address)?.post(address.url.clone()).form(form);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        ask(request, bytes_max).await
    }

    fn client(&self, address: &Address) -> Result<Client, Silence> {
        let transport = self.transport(address).map_err(|_| Silence::Certificates)?;
        http_client(&transport).map_err(|_| Silence::Certificates)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, (&Path, std::io::Error)> {
    std::fs::read(path).map_err(|error| (path, error))
}

/// An answer of any status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<RetryAfter>,
    pub(super) body: Vec<u8>,
}

/// Why there is no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// A file of certificates cannot be used, or the system has no roots.
    Certificates,
    /// There was no connection.
    Unreachable,
    /// No answer came in time.
    Timeout,
    /// The connection broke.
    Broken,
    /// The answer is too long.
    TooLong,
}

async fn ask(request: RequestBuilder, bytes_max: usize) -> Result<Answer, Silence> {
    let request = request.header(ACCEPT, "application/json").header(USER_AGENT, AGENT);
    let mut response = request.send().await.map_err(|error| silence(&error))?;
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = RetryAfter::parse(header(RETRY_AFTER), header(DATE));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| silence(&error))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(Silence::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, retry_after, body })
}

fn silence(error: &reqwest::Error) -> Silence {
    if error.is_connect() || error.is_builder() {
        return Silence::Unreachable;
    }
    if error.is_timeout() { Silence::Timeout } else { Silence::Broken }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_asked_but_on_this_machine() {
        for good in ["https://ehr.example/token", "http://127.0.0.1:8080/t", "http://[::1]/x"] {
            assert_eq!(Address::parse(good).unwrap().as_str(), good);
        }
        for plain in ["http://ehr.example/token", "http://10.0.0.1/", "http://localhost.example"] {
            assert_eq!(Address::parse(plain), Err(AddressFault::PlainHttp), "{plain}");
        }
        let long = format!("https://ehr.example/{}", "a".repeat(ADDRESS_BYTES_MAX));
        for bad in ["", "token", "ftp://x/y", "https://u:p@x/", "https://x/#a", "file:///x", &long]
        {
            assert_eq!(Address::parse(bad), Err(AddressFault::Form), "{bad}");
        }
    }
}
