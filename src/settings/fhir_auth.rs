//! `[fhir.server.auth]` and `[fhir.server.headers]`: who a FHIR server is asked as.

use std::path::PathBuf;

use crate::sms::Secret;

use super::fault::Fault;
use super::net::parse_url;
use super::reader::Section;
use super::suggest::clipped;
use super::values::text_of;

/// The most headers of one server.
const HEADERS_MAX: usize = 16;
/// The longest value of a header; servers refuse requests whose headers have some KiB.
const HEADER_BYTES_MAX: usize = 4_096;
/// The most keys of one server: one in use, and one before and behind it while they are exchanged.
const KEYS_MAX: usize = 8;

/// Who a server is asked as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Nobody, unless the certificate or a header says who.
    None,
    /// A user with a password (HTTP Basic).
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// Whoever has the token.
    Bearer {
        /// The token.
        token: Secret,
    },
    /// An OAuth client with a secret.
    ClientCredentials {
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// Where tokens are given.
        token_url: String,
        /// What is asked for; what the client usually gets if not set.
        scope: Option<String>,
        /// How the secret is shown.
        style: SecretStyle,
    },
    /// An OAuth client with a key (SMART Backend Services).
    SmartBackend {
        /// The client.
        client_id: String,
        /// Private keys, PEM: the first signs, all are published.
        key_files: Vec<PathBuf>,
        /// Where tokens are given, byte for byte; what the server says of itself if not set.
        token_url: Option<String>,
        /// What is asked for.
        scope: String,
    },
}

/// How an OAuth client shows its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretStyle {
    /// In a header (`client_secret_basic`).
    Basic,
    /// In the form (`client_secret_post`).
    Post,
}

/// The kinds of [`Auth`], before anything else is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    Basic,
    Bearer,
    ClientCredentials,
    SmartBackend,
}

impl Kind {
    const WORDS: [(&'static str, Self); 5] = [
        ("none", Self::None),
        ("basic", Self::Basic),
        ("bearer", Self::Bearer),
        ("client_credentials", Self::ClientCredentials),
        ("smart_backend", Self::SmartBackend),
    ];

    /// The keys that it uses.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Basic => &["user", "password", "password_file"],
            Self::Bearer => &["token", "token_file"],
            Self::ClientCredentials => {
                &["client_id", "client_secret", "client_secret_file", "token_url", "scope", "style"]
            }
            Self::SmartBackend => &["client_id", "key_files", "token_url", "scope"],
        }
    }
}

/// Reads `auth` of the server of this name.
pub(super) fn auth(section: &mut Section<'_>, server: &str) -> Option<Auth> {
    let kind = section.chosen("kind", &Kind::WORDS, Kind::None);
    refuse_others(section, kind);
    match kind? {
        Kind::None => Some(Auth::None),
        Kind::Basic => basic(section, server),
        Kind::Bearer => {
            let credential = format!("fhir_{server}_auth_token");
            let token = section.secret("token", "token_file", &credential);
            section.need(token.is_some(), "token", &from_file("token_file", &credential));
            Some(Auth::Bearer { token: token? })
        }
        Kind::ClientCredentials => client_credentials(section, server),
        Kind::SmartBackend => smart_backend(section),
    }
}

/// Notes the keys that belong to other kinds; with a wrong word for the kind, none is known to.
fn refuse_others(section: &mut Section<'_>, kind: Option<Kind>) {
    let used = kind.map(Kind::keys);
    let word = Kind::WORDS.iter().find(|(_, other)| Some(*other) == kind).map(|(word, _)| word);
    for key in Kind::WORDS.iter().flat_map(|(_, other)| other.keys()) {
        match (used, word) {
            (Some(used), _) if used.contains(key) => {}
            (_, Some(word)) => {
                let problem =
                    format!("is not used by kind = {word:?}; remove it, or write another kind");
                section.refuse(&[key], &problem);
            }
            (_, None) => {
                let _unused = section.take(key);
            }
        }
    }
}

/// What to write for a secret that is missing.
pub(super) fn from_file(key: &str, credential: &str) -> String {
    format!(
        "write {key} with the path of a file that holds it, or give the credential {credential}"
    )
}

fn basic(section: &mut Section<'_>, server: &str) -> Option<Auth> {
    let credential = format!("fhir_{server}_auth_password");
    let user = user(section);
    let password = section.secret("password", "password_file", &credential);
    section.need(user.is_some(), "user", USER_WANTED);
    section.need(password.is_some(), "password", &from_file("password_file", &credential));
    Some(Auth::Basic { user: user?, password: password? })
}

pub(super) const USER_WANTED: &str = "write the name of a user, without colon";

/// Reads a user of HTTP Basic, where the password stands behind a colon.
pub(super) fn user(section: &mut Section<'_>) -> Option<String> {
    section.parsed("user", USER_WANTED, |text| {
        let is_name =
            !text.trim().is_empty() && !text.contains(|c: char| c == ':' || c.is_control());
        if is_name { Ok(text.to_owned()) } else { Err(()) }
    })
}

fn client_credentials(section: &mut Section<'_>, server: &str) -> Option<Auth> {
    let credential = format!("fhir_{server}_auth_client_secret");
    let client_id = client_id(section);
    let secret = section.secret("client_secret", "client_secret_file", &credential);
    let wanted = from_file("client_secret_file", &credential);
    section.need(secret.is_some(), "client_secret", &wanted);
    let token_url = https_url(section, "token_url");
    section.need(token_url.is_some(), "token_url", "write the https address that gives tokens");
    let scope = section.text("scope");
    let styles = [("basic", SecretStyle::Basic), ("post", SecretStyle::Post)];
    let style = section.choice("style", &styles, SecretStyle::Basic);
    Some(Auth::ClientCredentials {
        client_id: client_id?,
        client_secret: secret?,
        token_url: token_url?,
        scope,
        style,
    })
}

fn smart_backend(section: &mut Section<'_>) -> Option<Auth> {
    let client_id = client_id(section);
    let place = section.place_of("key_files");
    let files = section.list("key_files", |text| {
        let is_path = !text.trim().is_empty() && !text.contains(char::is_control);
        if is_path {
            Ok(text.to_owned())
        } else {
            Err("is no path; write that of a key".to_owned())
        }
    });
    let key_files: Vec<PathBuf> =
        files.unwrap_or_default().iter().map(|file| section.path_of(file)).collect();
    let wanted = "write the paths of private keys (PEM), such as [\"secrets/fhir.pem\"]";
    section.need(!key_files.is_empty(), "key_files", wanted);
    if key_files.len() > KEYS_MAX {
        section.fault(place, "key_files", format!("has more than {KEYS_MAX} keys; remove some"));
    }
    let token_url = https_url(section, "token_url");
    let scope = section.text("scope");
    let wanted = "write what the server has granted, such as \"system/Appointment.rs\"";
    section.need(scope.is_some(), "scope", wanted);
    Some(Auth::SmartBackend { client_id: client_id?, key_files, token_url, scope: scope? })
}

fn client_id(section: &mut Section<'_>) -> Option<String> {
    let id = section.text("client_id");
    section.need(id.is_some(), "client_id", "write the id under which the server knows us");
    id
}

/// Reads an address to which secrets go, or that keys are believed from, as it is written: it stands
/// byte for byte in signed claims.
pub(super) fn https_url(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    let wanted = "write an https address such as \"https://ehr.example.org/oauth2/token\"";
    section.parsed(key, wanted, |text| {
        let is_safe = parse_url(text).is_some_and(|url| url.is_secure || url.is_loopback);
        if is_safe { Ok(text.to_owned()) } else { Err(()) }
    })
}

/// Reads `headers`: names as they are written, values that are never shown.
pub(super) fn headers(section: &mut Section<'_>) -> Vec<(String, Secret)> {
    let place = section.place().clone();
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (name, item) in section.open_entries() {
        let key = clipped(&name);
        let value = text_of(&item.value).map(Secret::new);
        let is_twice = headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name));
        let problem = match &value {
            _ if !is_header(&name) => Some("is no name of a header".to_owned()),
            _ if is_ours(&name) => {
                Some("is set by the daemon; remove it, or write auth".to_owned())
            }
            _ if is_twice => Some("stands there twice; remove one".to_owned()),
            Err(found) => Some(format!("is {found}; write a text")),
            Ok(value) if !is_header_value(value) => {
                Some("is no value of a header: one line of ASCII that is not empty".to_owned())
            }
            Ok(_) => None,
        };
        match (problem, value) {
            (Some(problem), _) => section.fault(item.place.clone(), &key, problem),
            (None, Ok(value)) => headers.push((name, value)),
            (None, Err(_)) => {}
        }
    }
    if headers.len() > HEADERS_MAX {
        let problem = format!("has more than {HEADERS_MAX} headers; remove some");
        let fault = Fault::new(place, section.name(), problem);
        section.desk.notes.fault(fault);
    }
    headers
}

/// Whether a text can be the name of a header (RFC 9110, 5.6.2).
pub(super) fn is_header(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_token)
}

fn is_header_value(value: &Secret) -> bool {
    let text = value.expose();
    (1..=HEADER_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

/// Whether the daemon sets a header itself.
fn is_ours(name: &str) -> bool {
    let ours = [
        "accept",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "if-match",
        "if-none-exist",
        "if-none-match",
        "prefer",
        "transfer-encoding",
    ];
    ours.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
#[path = "fhir_auth_tests.rs"]
mod tests;
