//! Addresses on the web, read strictly enough to say which server one leads to.
//!
//! A server's answer decides where the daemon, with its credentials, reads next; so what two readers
//! could understand differently is no address here. No name is looked up.

/// Longest address; some servers keep a whole search in the cursor of their paging.
const BYTES_MAX: usize = 8192;

/// Scheme, host and port: what a credential is meant for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    is_tls: bool,
    /// In lower case; an IPv6 address with its brackets.
    host: String,
    port: u16,
}

/// An address without a query, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) origin: Origin,
    /// From its slash, without a slash at the end; may be empty.
    pub(super) path: String,
}

impl Origin {
    /// The origin of an absolute address, whatever its path and query are.
    ///
    /// Refused are other schemes, user names, fragments, backslashes and blanks.
    pub(super) fn of(text: &str) -> Option<Self> {
        parts(text).map(|(origin, _, _)| origin)
    }

    /// The origin as an address begins with it; a standard port is not written.
    pub(super) fn written(&self) -> String {
        let Self { host, port, .. } = self;
        let scheme = self.scheme();
        if *port == standard_port(self.is_tls) {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{port}")
        }
    }

    pub(super) const fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }
}

impl Address {
    /// Reads an absolute address that is to have no query.
    ///
    /// Refused is what [`Origin::of`] refuses, a path that is not ASCII, and steps such as `..` in
    /// whatever spelling.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (origin, path, query) = parts(text)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        (query.is_none() && is_straight(path)).then(|| Self { origin, path: path.to_owned() })
    }

    /// The address as it is compared and requested.
    pub(super) fn written(&self) -> String {
        format!("{}{}", self.origin.written(), self.path)
    }

    /// What of the path lies below another address, without the slash between.
    pub(super) fn below(&self, base: &Self) -> Option<&str> {
        if self.origin != base.origin {
            return None;
        }
        self.path.strip_prefix(base.path.as_str())?.strip_prefix('/')
    }
}

/// Origin, path and query.
fn parts(text: &str) -> Option<(Origin, &str, Option<&str>)> {
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '#');
    if text.len() > BYTES_MAX || text.contains(is_odd) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let is_tls = scheme.eq_ignore_ascii_case("https");
    if !is_tls && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    Some((origin(is_tls, authority)?, path, query))
}

fn origin(is_tls: bool, authority: &str) -> Option<Origin> {
    let host_end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_end)?;
    let is_host = match host.strip_prefix('[') {
        Some(inner) => {
            let inner = inner.strip_suffix(']')?;
            inner.contains(':')
                && inner.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
        }
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        }
    };
    if !is_host {
        return None;
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => standard_port(is_tls),
        None => return None,
        Some(digits) => {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|port| is_number && *port > 0)?
        }
    };
    Some(Origin { is_tls, host: host.to_ascii_lowercase(), port })
}

const fn standard_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}

/// Whether each step of the path goes down.
fn is_straight(path: &str) -> bool {
    let steps = path.strip_prefix('/').map(|path| path.split('/'));
    path.is_ascii()
        && steps.into_iter().flatten().all(|step| {
            // An escaped dot is a dot to some readers, an escaped slash a slash.
            let step = step.to_ascii_lowercase().replace("%2e", ".");
            let is_step = step.is_empty() || step == "." || step == "..";
            !is_step && !["%2f", "%5c", "%00", "%25"].iter().any(|escape| step.contains(escape))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Option<String> {
        Address::parse(text).map(|address| address.written())
    }

    #[test]
    fn addresses_of_one_server_are_written_alike() {
        for text in [
            "https://ehr.example.org/fhir",
            "HTTPS://EHR.Example.ORG/fhir/",
            "https://ehr.example.org:443/fhir",
        ] {
            assert_eq!(written(text).as_deref(), Some("https://ehr.example.org/fhir"), "{text}");
        }
        assert_eq!(written("http://[::1]:80/r4").as_deref(), Some("http://[::1]/r4"));
        assert_eq!(written("http://a:8080").as_deref(), Some("http://a:8080"));
        assert_eq!(written("https://a:80").as_deref(), Some("https://a:80"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_address() {
        let long = format!("https://a/{}", "b".repeat(BYTES_MAX));
        for text in [
            "",
            "ehr.example.org/fhir",
            "//ehr.example.org/fhir",
            "https:/ehr.example.org/fhir",
            "https:\\\\ehr.example.org\\fhir",
            "https://ehr.example.org\\@evil.example/fhir",
            "https://user@ehr.example.org/fhir",
            "https://ehr.example.org:443@evil.example/fhir",
            "https://ehr.example.org%2eevil.example/fhir",
            "https://ehr.example.org#@evil.example/fhir",
            "https://ehr.example.org /fhir",
            "https://ehr.example.org\t/fhir",
            "https://ehr.exämple.org/fhir",
            "https:///fhir",
            "https://:443/fhir",
            "https://ehr.example.org:/fhir",
            "https://ehr.example.org:+443/fhir",
            "https://ehr.example.org:65536/fhir",
            "https://ehr.example.org:0/fhir",
            "https://[::1/fhir",
            "https://[::1]x/fhir",
            "https://[evil]/fhir",
            "https://ehr.example.org/fhir/../admin",
            "https://ehr.example.org/fhir/%2E%2e/admin",
            "https://ehr.example.org/fhir/.%2e/admin",
            "https://ehr.example.org/fhir/%252e%252e/admin",
            "https://ehr.example.org/fhir%2fPatient",
            "https://ehr.example.org//fhir",
            "ftp://ehr.example.org/fhir",
            "file:///etc/passwd",
            "javascript://ehr.example.org/%0aalert(1)",
            &long,
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_cursor_may_be_anything_but_leads_to_its_server() {
        let own = Origin::of("https://ehr.example.org").unwrap();
        for text in [
            "https://ehr.example.org/fhir?_count=1|2&x=https://evil.example/../b%2e",
            "https://EHR.example.org:443?ct=é",
            "https://ehr.example.org/fhir/next%2Fpage//..",
        ] {
            assert_eq!(Origin::of(text).as_ref(), Some(&own), "{text}");
            assert_eq!(Address::parse(text), None, "{text}");
        }
        assert_eq!(Origin::of("https://ehr.example.org@evil.example/?a"), None);
        assert_eq!(
            Origin::of("https://evil.example?@ehr.example.org/").unwrap().host,
            "evil.example"
        );
    }

    #[test]
    fn below_means_below_whole_steps() {
        let base = Address::parse("https://ehr.example.org/fhir").unwrap();
        let below = |text: &str| Some(Address::parse(text)?.below(&base)?.to_owned());
        assert_eq!(
            below("https://EHR.example.org:443/fhir/Patient/9").as_deref(),
            Some("Patient/9")
        );
        assert_eq!(below("https://ehr.example.org/fhirother/Patient/9"), None);
        assert_eq!(below("http://ehr.example.org/fhir/Patient/9"), None);
        assert_eq!(below("https://ehr.example.org:8443/fhir/Patient/9"), None);
        assert_eq!(below("https://ehr.example.org.evil.example/fhir/Patient/9"), None);
    }
}
