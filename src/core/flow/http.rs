//! What a flow asks of a web server, and what it hears back.

use ::core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::program::{Function, Tools};
use crate::phi::Phi;

/// A request that a flow makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Where to; its host is on the list of `outreach.allow_hosts`.
    pub url: Phi<String>,
    /// The kind of the body, such as `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The body, as it goes out.
    pub body: Phi<String>,
}

/// How a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Without a body.
    Get,
    /// With one.
    Post,
}

/// What a server answered with a status of success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The kind of the body.
    pub content_type: String,
    /// The body, at most [`BODY_MAX`] bytes of it.
    pub body: Phi<String>,
}

/// How many bytes of an answer are kept, as Studio has it.
pub const BODY_MAX: usize = 64 * 1024;

/// Stands for every host, or every function, where a person plays all of them; settings refuse it.
pub const ANY: &str = "*";

impl Tools {
    /// What lets a flow ask for everything: for a person who plays the servers.
    #[must_use]
    pub fn any() -> Self {
        let function = Function { url: "https://function.invalid/".to_owned() };
        Self {
            allow_hosts: [ANY.to_owned()].into(),
            functions: [(ANY.to_owned(), function)].into(),
        }
    }

    /// Whether an address may be asked: by host and port, or by host at the scheme's own port; by
    /// https, unless it is this machine.
    ///
    /// ```
    /// use appointd::core::flow::Tools;
    /// let allow_hosts =
    ///     ["ehr.example.com", "10.0.0.5:8080", "127.0.0.1:8080"].map(str::to_owned).into();
    /// let tools = Tools { allow_hosts, ..Tools::default() };
    /// assert!(tools.allows("https://EHR.example.com/visits?id=1"));
    /// assert!(tools.allows("https://ehr.example.com/visits?name=Jane Doe"));
    /// assert!(tools.allows("https://10.0.0.5:8080/"));
    /// assert!(tools.allows("http://127.0.0.1:8080/"));
    /// // What is sent in the clear to another machine.
    /// assert!(!tools.allows("http://10.0.0.5:8080/"));
    /// // Another port, a name that only begins alike, and one that hides the host.
    /// assert!(!tools.allows("https://ehr.example.com:8443/"));
    /// assert!(!tools.allows("https://ehr.example.com.example.net/"));
    /// assert!(!tools.allows("https://ehr.example.com@example.net/"));
    /// ```
    #[must_use]
    pub fn allows(&self, url: &str) -> bool {
        let Some(host) = host_of(url) else { return false };
        let is_plain = !url.trim_start().starts_with("https");
        if is_plain && !is_loopback(&host) {
            return false;
        }
        let own_port = if is_plain { ":80" } else { ":443" };
        let is_listed =
            |host: &str| self.allow_hosts.iter().any(|one| one.eq_ignore_ascii_case(host));
        let bare = host.strip_suffix(own_port).unwrap_or(&host);
        is_listed(ANY)
            || is_listed(&host)
            || is_listed(bare)
            || is_listed(&format!("{bare}{own_port}"))
    }
}

/// Whether a host, with or without port, is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        Some(_) | None => host,
    };
    let name = name.trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Host and port of an address, as far as they are written: nothing if it is no address of the web,
/// or one that names a user.
pub(super) fn host_of(url: &str) -> Option<String> {
    let url = url.trim();
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    // Blanks behind it, in a name say, are written as they have to be when the request is made.
    let authority = rest.split(['/', '?', '#']).next()?;
    let is_part =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    let is_host = !authority.is_empty() && authority.chars().all(is_part);
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (authority, None),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (is_host && is_port && !name.is_empty()).then(|| authority.to_ascii_lowercase())
}
