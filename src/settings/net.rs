//! Addresses, networks, URLs and certificates as settings write them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use super::reader::Section;

/// Certificate files of a server; they are opened by whoever listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Authorities whose clients are let in; without it any client is.
    pub client_ca: Option<PathBuf>,
}

/// Certificate files of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// Authorities whose servers are trusted, PEM.
    pub ca: PathBuf,
    /// Our own certificate chain and its key, where the server asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate must carry; the host of the address if not given.
    pub server_name: Option<String>,
}

/// Certificate files of a client whose server is named by a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsFiles {
    /// Authorities whose servers are trusted, PEM; the system's if not given.
    pub ca: Option<PathBuf>,
    /// Our own certificate chain and its key, where the server asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A host, by name or number, and its port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Name or number; an IPv6 number without its brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Address {
    /// Reads `HOST:PORT` or `[IPV6]:PORT`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.trim().rsplit_once(':')?;
        let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(v6) => v6.filter(|v6| v6.parse::<Ipv6Addr>().is_ok())?,
            None => host,
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_host = (1..=253).contains(&host.len())
            && (host.bytes().all(is_name) || host.parse::<Ipv6Addr>().is_ok());
        is_host.then(|| Self { host: host.to_owned(), port })
    }

    /// Whether it stays on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// A network of peers, in CIDR form.
///
/// ```
/// use appointd::settings::Network;
/// let network = Network::parse("10.1.0.0/16").unwrap();
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// // A listener on [::] sees IPv4 peers in mapped form.
/// assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!(!network.contains("10.2.0.1".parse().unwrap()));
/// // Bits behind the prefix are a slip.
/// assert!(Network::parse("10.1.0.1/16").is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Reads `10.1.0.0/16`, `fd00::/8` or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(longest, u32::from);
        let network = Self { address, prefix };
        let is_clean = prefix <= longest && network.masked(address) == bits(address);
        is_clean.then_some(network)
    }

    /// Whether a peer belongs to it.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = if self.address.is_ipv4() { peer.to_canonical() } else { peer };
        peer.is_ipv4() == self.address.is_ipv4() && self.masked(peer) == bits(self.address)
    }

    /// The address with the bits behind the prefix cleared.
    fn masked(&self, address: IpAddr) -> u128 {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let behind = longest - self.prefix.min(longest);
        let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
        bits(address) & mask
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// Reads the address of a server that requests go to, or come to: scheme, host, maybe port and path.
///
/// A trailing slash is dropped: what is appended begins with one.
pub(super) fn parse_url(text: &str) -> Option<BaseUrl> {
    let url = reqwest::Url::parse(text).ok()?;
    let is_secure = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let is_plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let host = url.host_str()?.trim_matches(['[', ']']);
    let base = BaseUrl {
        text: text.trim_end_matches('/').to_owned(),
        origin: url.origin().ascii_serialization(),
        has_path: url.path().len() > 1,
        is_secure,
        is_loopback: is_loopback(host),
        has_underscore: host.contains('_'),
    };
    is_plain.then_some(base)
}

/// Reads scheme and host, maybe a port, and nothing else.
pub(super) fn parse_origin(text: &str) -> Option<BaseUrl> {
    parse_url(text).filter(|url| !url.has_path)
}

/// A URL with what the checks look at.
#[derive(Debug)]
pub(super) struct BaseUrl {
    pub(super) text: String,
    /// Scheme, host and port, as they are compared.
    pub(super) origin: String,
    pub(super) has_path: bool,
    pub(super) is_secure: bool,
    pub(super) is_loopback: bool,
    pub(super) has_underscore: bool,
}

/// What a URL looks like, for faults.
pub(super) const URL_WANTED: &str = "write an address such as \"https://sms.example.org\"";

/// Reads the `tls` section of a server, if there is one.
pub(super) fn server_tls(section: &mut Section<'_>) -> Option<TlsFiles> {
    section.table_if_any("tls", |tls| {
        let (cert, key) = (tls.path("cert"), tls.path("key"));
        let client_ca = tls.path("client_ca");
        tls.need(cert.is_some(), "cert", "write the path of the certificate chain (PEM)");
        tls.need(key.is_some(), "key", "write the path of the private key (PEM)");
        Some(TlsFiles { cert: cert?, key: key?, client_ca })
    })?
}

/// Reads the `tls` section of a client, if there is one.
pub(super) fn client_tls(section: &mut Section<'_>) -> Option<ClientTls> {
    section.table_if_any("tls", |tls| {
        let server_name = tls.text("server_name");
        let files = client_files(tls);
        tls.need(files.ca.is_some(), "ca", "write the path of the certificates to trust (PEM)");
        Some(ClientTls { ca: files.ca?, identity: files.identity, server_name })
    })?
}

/// Reads the `tls` section of a client that is told a URL, if there is one.
pub(super) fn https_files(section: &mut Section<'_>) -> Option<HttpsFiles> {
    section.table_if_any("tls", client_files)
}

fn client_files(tls: &mut Section<'_>) -> HttpsFiles {
    let (ca, cert, key) = (tls.path("ca"), tls.path("cert"), tls.path("key"));
    let wanted = "write both cert and key, or neither";
    tls.need(cert.is_some() || key.is_none(), "cert", wanted);
    tls.need(key.is_some() || cert.is_none(), "key", wanted);
    HttpsFiles { ca, identity: cert.zip(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for text in ["ehr.example.org:6661", "10.0.0.1:1", "[::1]:2575", "ehr_1:99"] {
            assert_eq!(Address::parse(text).map(|a| a.to_string()), Some(text.to_owned()));
        }
        let long = format!("{}:1", "a".repeat(254));
        let bad =
            ["", "ehr", "ehr:", ":1", "ehr:0", "ehr:65536", "[::1:1", "[x]:1", "a b:1", "é:1"];
        for text in bad.into_iter().chain([long.as_str()]) {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn networks_bound_their_prefix() {
        for text in ["0.0.0.0/0", "::/0", "10.0.0.1", "fd00::/8", "10.0.0.1/32", "::1/128"] {
            assert!(Network::parse(text).is_some(), "{text}");
        }
        for text in
            ["", "/", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0/8", "10.0.0.1/8", "x/8"]
        {
            assert!(Network::parse(text).is_none(), "{text}");
        }
        let all = Network::parse("0.0.0.0/0").unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()));
        assert!(!all.contains("fd00::1".parse().unwrap()), "another family");
    }

    #[test]
    fn urls_carry_no_credentials_and_no_query() {
        assert_eq!(
            parse_url("https://a.example/x/").map(|url| url.text).unwrap(),
            "https://a.example/x"
        );
        assert!(parse_url("http://[::1]:8080").unwrap().is_loopback);
        let bad = [
            "",
            "a.example",
            "ftp://a.example",
            "https://",
            "https://u:p@a.example",
            "https://a/?q=1",
            "https://a/#f",
        ];
        for text in bad {
            assert!(parse_url(text).is_none(), "{text}");
        }
    }
}
