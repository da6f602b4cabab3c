//! `[fhir.server.notify]`: how notifications of a FHIR server are believed.
//!
//! Anyone who reaches the port can send one. Each proof that is written here has to be given.

use crate::sms::Secret;

use super::fhir_auth::{USER_WANTED, from_file, https_url, is_header, user};
use super::reader::Section;
use super::server::Http;

/// A secret that is shorter can be guessed by trying.
const SECRET_CHARS_MIN: usize = 16;
/// The longest part of a path that is a secret.
const PATH_TOKEN_BYTES_MAX: usize = 128;
/// The longest subject of a certificate.
const SUBJECT_BYTES_MAX: usize = 512;
/// The header that holds the secret, where none is named.
const HEADER_DEFAULT: &str = "X-Hook-Token";
/// The header that holds the signature, where none is named.
const HMAC_HEADER_DEFAULT: &str = "X-Signature";

/// How notifications are believed: each proof that is set has to be given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notify {
    /// A header with a secret.
    pub header: Option<SecretHeader>,
    /// A header with a signature over the body: HMAC-SHA256 in hexadecimal digits, in
    /// `X-Hub-Signature` behind its method.
    pub hmac: Option<SecretHeader>,
    /// A user and a password (HTTP Basic).
    pub basic: Option<(String, Secret)>,
    /// A signed token (JWT).
    pub jwt: Option<TokenIssuer>,
    /// Subjects of client certificates, one of which the server must show; with none, it need not.
    pub client_cert_subjects: Vec<String>,
    /// The last part of the path.
    pub path_token: Option<Secret>,
    /// Whether a resource that comes along counts as read; otherwise it is read again.
    pub trust_full_resource: bool,
}

/// A header that proves something, and the secrets behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretHeader {
    /// Its name.
    pub name: String,
    /// The secret.
    pub secret: Secret,
    /// Another that counts too, while secrets are exchanged.
    pub other: Option<Secret>,
}

/// Whose tokens are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIssuer {
    /// Where its public keys are.
    pub jwks_url: String,
    /// For whom a token must be.
    pub audience: String,
    /// By whom it must be, if that is checked.
    pub issuer: Option<String>,
}

impl Notify {
    /// Whether anything proves that a notification is from the server.
    #[must_use]
    pub const fn has_proof(&self) -> bool {
        self.has_strong_proof() || self.path_token.is_some()
    }

    /// Whether that is more than an address that was not told to anyone else.
    const fn has_strong_proof(&self) -> bool {
        self.header.is_some()
            || self.hmac.is_some()
            || self.basic.is_some()
            || self.jwt.is_some()
            || !self.client_cert_subjects.is_empty()
    }
}

/// Reads `notify` of the server of this name; there is one if it is written or if the server is asked
/// to notify.
pub(super) fn read(
    section: &mut Section<'_>,
    server: &str,
    is_subscribed: bool,
    http: &Http,
) -> Option<Notify> {
    let place = section.place_of("notify");
    let asks_certificates = http.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    let faults_before = section.desk.notes.faults.len();
    let is_taken = is_subscribed || section.has("notify");
    let notify = section.table("notify", |section| notify(section, server, asks_certificates));
    let is_sound = section.desk.notes.faults.len() == faults_before;
    if !is_taken {
        return None;
    }
    // Behind a proxy, this machine is not who the notification is from.
    let is_closed = http.listen.ip().to_canonical().is_loopback() && http.public_url.is_none();
    if is_sound && !notify.has_proof() {
        let problem = "has no proof that a notification is from the server; write secret_file, \
                       hmac_secret_file, user, jwks_url or client_cert_subjects";
        if is_closed {
            section.warn(place, "notify", problem);
        } else {
            section.fault(place, "notify", problem);
        }
    } else if is_sound && !notify.has_strong_proof() {
        let advice = "is proved by its path only, which proxies log; write secret_file too";
        section.warn(place, "notify", advice);
    }
    Some(notify)
}

fn notify(section: &mut Section<'_>, server: &str, asks_certificates: bool) -> Notify {
    Notify {
        header: header(section, server),
        hmac: hmac(section, server),
        basic: basic(section, server),
        jwt: jwt(section),
        client_cert_subjects: client_cert_subjects(section, asks_certificates),
        path_token: path_token(section),
        trust_full_resource: section.flag("trust_full_resource", false),
    }
}

fn header(section: &mut Section<'_>, server: &str) -> Option<SecretHeader> {
    let names = ["header", "secret", "secret_file", "secret_other", "secret_other_file"];
    let parts = parts(section, server, names);
    for (key, secret) in [("secret", &parts.secret), ("secret_other", &parts.other)] {
        let Some((secret, place)) = secret else { continue };
        // Medplum takes what stands between the first and the second colon of `NAME: VALUE`.
        if secret.expose().contains(':') {
            let problem = "holds a colon, at which servers cut it; choose another";
            section.fault(place.clone(), key, problem);
        }
    }
    parts.joined(HEADER_DEFAULT)
}

fn hmac(section: &mut Section<'_>, server: &str) -> Option<SecretHeader> {
    let names = [
        "hmac_header",
        "hmac_secret",
        "hmac_secret_file",
        "hmac_secret_other",
        "hmac_secret_other_file",
    ];
    parts(section, server, names).joined(HMAC_HEADER_DEFAULT)
}

/// What is read of a header that proves something.
struct Parts {
    name: Option<String>,
    secret: Option<(Secret, super::fault::Place)>,
    other: Option<(Secret, super::fault::Place)>,
}

impl Parts {
    fn joined(self, name: &str) -> Option<SecretHeader> {
        Some(SecretHeader {
            name: self.name.unwrap_or_else(|| name.to_owned()),
            secret: self.secret?.0,
            other: self.other.map(|(other, _)| other),
        })
    }
}

/// Reads the keys for a header's name, its secret, and the other one, each also from a file.
fn parts(section: &mut Section<'_>, server: &str, keys: [&'static str; 5]) -> Parts {
    let [header, secret, secret_file, other, other_file] = keys;
    let name =
        section.parsed(header, "write the name of a header, such as \"X-Hook-Token\"", |text| {
            if is_header(text) { Ok(text.to_owned()) } else { Err(()) }
        });
    let read = |section: &mut Section<'_>, key, file_key| {
        let credential = format!("fhir_{server}_notify_{key}");
        let place = section.place_of(if section.has(file_key) { file_key } else { key });
        let secret = section.secret(key, file_key, &credential)?;
        if secret.expose().len() < SECRET_CHARS_MIN {
            let advice = format!("has fewer than {SECRET_CHARS_MIN} characters and can be guessed");
            section.warn(place.clone(), key, advice);
        }
        Some((secret, place))
    };
    let parts = Parts {
        secret: read(section, secret, secret_file),
        other: read(section, other, other_file),
        name,
    };
    let wanted = from_file(secret_file, &format!("fhir_{server}_notify_{secret}"));
    let is_alone = parts.secret.is_none() && (parts.name.is_some() || parts.other.is_some());
    section.need(!is_alone, secret, &wanted);
    parts
}

fn basic(section: &mut Section<'_>, server: &str) -> Option<(String, Secret)> {
    let credential = format!("fhir_{server}_notify_password");
    let user = user(section);
    let password = section.secret("password", "password_file", &credential);
    section.need(user.is_some() || password.is_none(), "user", USER_WANTED);
    let wanted = from_file("password_file", &credential);
    section.need(password.is_some() || user.is_none(), "password", &wanted);
    user.zip(password)
}

fn jwt(section: &mut Section<'_>) -> Option<TokenIssuer> {
    let jwks_url = https_url(section, "jwks_url");
    let (audience, issuer) = (section.text("audience"), section.text("issuer"));
    // A token for somebody else proves nothing here.
    let wanted = "write for whom tokens must be, as the server was told";
    section.need(audience.is_some() || jwks_url.is_none(), "audience", wanted);
    let is_idle = jwks_url.is_none() && (audience.is_some() || issuer.is_some());
    section.need(!is_idle, "jwks_url", "write the https address of the keys that sign tokens");
    Some(TokenIssuer { jwks_url: jwks_url?, audience: audience?, issuer })
}

fn client_cert_subjects(section: &mut Section<'_>, asks_certificates: bool) -> Vec<String> {
    let place = section.place_of("client_cert_subjects");
    let subjects = section.list("client_cert_subjects", |text| {
        let is_line = !text.trim().is_empty()
            && text.len() <= SUBJECT_BYTES_MAX
            && !text.contains(char::is_control);
        let wanted = "is no subject; write one such as \"CN=ehr.example.org\"";
        if is_line { Ok(text.trim().to_owned()) } else { Err(wanted.to_owned()) }
    });
    let subjects = subjects.unwrap_or_default();
    if !subjects.is_empty() && !asks_certificates {
        let problem = "needs http.tls.client_ca: no client is asked for a certificate";
        section.fault(place, "client_cert_subjects", problem);
    }
    subjects
}

fn path_token(section: &mut Section<'_>) -> Option<Secret> {
    let wanted = "write 16 to 128 letters, digits, dashes or underscores that nobody can guess";
    section.parsed_unseen("path_token", wanted, |text| {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_token = (SECRET_CHARS_MIN..=PATH_TOKEN_BYTES_MAX).contains(&text.len())
            && text.bytes().all(is_good);
        if is_token { Ok(Secret::new(text)) } else { Err("is not right") }
    })
}

#[cfg(test)]
#[path = "fhir_notify_tests.rs"]
mod tests;
