//! Proof that a notification comes from the server that was subscribed to.
//!
//! Everything is checked over the raw bytes, before anything reads them. A token that a header
//! carries says who sends; a keyed hash says that the body is what was sent. Neither covers method,
//! path and other headers. Bearer tokens that are signed, and client certificates, are checked
//! where keys and connections are known.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::{Choice, ConstantTimeEq as _};

use crate::category::Category;
use crate::sms::Secret;

/// Most values looked at for one proof; a request has one, or is an attempt to be slow.
const VALUES_MAX: usize = 4;

/// Padding is left out by some clients.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a server is configured to prove itself by. Each has several secrets, so that one can be
/// replaced while the other is still in use; empty ones count as absent.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A header with a secret for its whole value, as `channel.header` has it: `X-Hook-Token`, or
    /// `Authorization` with `Bearer ..`.
    Header {
        /// The header's name.
        name: String,
        /// Accepted values.
        secrets: Vec<Secret>,
    },
    /// HMAC-SHA256 of the body in hexadecimal digits, as Medplum sends in `X-Signature`.
    Hmac {
        /// The header's name.
        name: String,
        /// Accepted keys.
        secrets: Vec<Secret>,
    },
    /// HMAC of the body behind the name of its method, as in `X-Hub-Signature: sha256=..`
    /// (W3C `WebSub`, 7.1): `sha1`, `sha256`, `sha384` or `sha512`.
    WebSub {
        /// The header's name.
        name: String,
        /// Accepted keys.
        secrets: Vec<Secret>,
    },
    /// `Authorization: Basic ..`.
    Basic {
        /// The user.
        user: String,
        /// Accepted passwords.
        secrets: Vec<Secret>,
    },
}

/// What is known of a request that was verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// A secret came along that only the sender has.
    names_sender: bool,
    /// The body was signed.
    covers_body: bool,
}

impl Verified {
    /// Whether the request carried a secret of the sender.
    #[must_use]
    pub const fn names_sender(self) -> bool {
        self.names_sender
    }

    /// Whether the body is as its sender signed it.
    #[must_use]
    pub const fn covers_body(self) -> bool {
        self.covers_body
    }

    /// Whether headers are as their sender signed them: never. A deletion that stands in
    /// `X-Medplum-Deleted-Resource` beside a signed `{}` is true only if a read confirms it.
    #[must_use]
    pub const fn covers_headers(self) -> bool {
        false
    }
}

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// No proof is configured, or none with a secret.
    #[error("no proof is configured")]
    NoProof,
    /// The header of a proof is missing.
    #[error("the proof is missing")]
    Missing,
    /// The header is there, and is not in its form.
    #[error("the proof is not in its form")]
    Malformed,
    /// No accepted secret fits.
    #[error("the proof does not fit")]
    Mismatch,
}

impl Forged {
    /// What kind of failure this is.
    #[must_use]
    pub const fn category(self) -> Category {
        match self {
            // Nothing that the sender does could be right.
            Self::NoProof => Category::Unavailable,
            Self::Missing | Self::Malformed | Self::Mismatch => Category::Rejected,
        }
    }
}

/// Checks a request; all configured proofs have to hold.
///
/// The time taken does not tell how near a wrong proof came.
///
/// # Errors
/// [`Forged`] for the first proof that does not hold, and if there is none.
pub fn verify(proofs: &[Proof], headers: &[(&str, &str)], body: &[u8]) -> Result<Verified, Forged> {
    let mut verified = Verified::default();
    for proof in proofs {
        check(proof, headers, body)?;
        match proof {
            Proof::Header { .. } | Proof::Basic { .. } => verified.names_sender = true,
            Proof::Hmac { .. } | Proof::WebSub { .. } => verified.covers_body = true,
        }
    }
    if proofs.is_empty() { Err(Forged::NoProof) } else { Ok(verified) }
}

fn check(proof: &Proof, headers: &[(&str, &str)], body: &[u8]) -> Result<(), Forged> {
    let (name, secrets) = match proof {
        Proof::Header { name, secrets }
        | Proof::Hmac { name, secrets }
        | Proof::WebSub { name, secrets } => (name.as_str(), secrets),
        Proof::Basic { secrets, .. } => ("authorization", secrets),
    };
    // An empty secret would let anyone in.
    let mut secrets = secrets.iter().map(Secret::expose).filter(|text| !text.is_empty()).peekable();
    if secrets.peek().is_none() {
        return Err(Forged::NoProof);
    }
    let secrets: Vec<&str> = secrets.collect();
    let named = headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let mut outcome = Err(Forged::Missing);
    for (_, value) in named.take(VALUES_MAX) {
        outcome = fits(proof, &secrets, value.trim(), body);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn fits(proof: &Proof, secrets: &[&str], value: &str, body: &[u8]) -> Result<(), Forged> {
    if value.is_empty() {
        return Err(Forged::Missing);
    }
    let mut fits = Choice::from(0);
    match proof {
        Proof::Header { .. } => {
            for secret in secrets {
                fits |= is_same(secret.as_bytes(), value.as_bytes());
            }
        }
        Proof::Basic { user, .. } => {
            let (scheme, encoded) = value.split_once(' ').ok_or(Forged::Malformed)?;
            if !scheme.eq_ignore_ascii_case("basic") {
                return Err(Forged::Malformed);
            }
            let sent = BASE64.decode(encoded.trim()).map_err(|_| Forged::Malformed)?;
            for secret in secrets {
                fits |= is_same(format!("{user}:{secret}").as_bytes(), &sent);
            }
        }
        Proof::Hmac { .. } => {
            let sent = unhex(value).ok_or(Forged::Malformed)?;
            for secret in secrets {
                fits |= mac::<Hmac<Sha256>>(secret, body).ct_eq(&sent);
            }
        }
        Proof::WebSub { .. } => {
            let (method, digits) = value.split_once('=').ok_or(Forged::Malformed)?;
            let mac = method_of(method.trim()).ok_or(Forged::Malformed)?;
            let sent = unhex(digits.trim()).ok_or(Forged::Malformed)?;
            for secret in secrets {
                fits |= mac(secret, body).ct_eq(&sent);
            }
        }
    }
    if bool::from(fits) { Ok(()) } else { Err(Forged::Mismatch) }
}

/// Compares digests, so that not even the length of a secret shows.
fn is_same(own: &[u8], sent: &[u8]) -> Choice {
    Sha256::digest(own).as_slice().ct_eq(Sha256::digest(sent).as_slice())
}

/// From key and body to a code.
type Method = fn(&str, &[u8]) -> Vec<u8>;

fn method_of(name: &str) -> Option<Method> {
    match name.to_ascii_lowercase().as_str() {
        "sha1" => Some(mac::<Hmac<Sha1>>),
        "sha256" => Some(mac::<Hmac<Sha256>>),
        "sha384" => Some(mac::<Hmac<Sha384>>),
        "sha512" => Some(mac::<Hmac<Sha512>>),
        _ => None,
    }
}

fn mac<M: Mac + KeyInit>(key: &str, body: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length, so there is always a code; an empty one would fit nothing.
    <M as KeyInit>::new_from_slice(key.as_bytes())
        .map(|mac| mac.chain_update(body).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

/// The bytes of hexadecimal digits in either case; nothing for anything else, and for none.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits = text.as_bytes().iter().map(digit).collect::<Option<Vec<u8>>>()?;
    let is_whole = !digits.is_empty() && digits.len() % 2 == 0;
    is_whole.then(|| {
        digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect()
    })
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
