//! Public keys of others, as a JWK set, and the check of a signature with them.
//!
//! Which algorithms a key can check follows from the key, never from the token: a token that names
//! another one is not checked at all. That, and a closed list without `none` and without HMAC, is
//! what keeps a public key from being used as a shared secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, UnparsedPublicKey,
};
use serde_json::Value;

/// An issuer has two to four keys; large clouds publish about ten.
const KEYS_MAX: usize = 64;

/// Algorithms of tokens that are believed (RFC 7518, 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Es256,
    Es384,
}

impl Algorithm {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "RS384" => Some(Self::Rs384),
            "ES256" => Some(Self::Es256),
            "ES384" => Some(Self::Es384),
            _ => None,
        }
    }
}

/// What is signed, and how, as the token says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<&'a str>,
    pub(super) message: &'a [u8],
    pub(super) signature: &'a [u8],
}

/// What a set says of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// It is right.
    Right,
    /// The key that the token names has not made it.
    Wrong,
    /// No key that it could be by; a newer set may have one.
    NoKey,
}

/// A set of public keys.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    /// The only algorithm it is for, if it says so.
    algorithm: Option<Algorithm>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Rsa(PublicKeyComponents<Vec<u8>>),
    /// Uncompressed points.
    P256(Vec<u8>),
    P384(Vec<u8>),
}

impl KeySet {
    /// Reads a set. Keys of other kinds and for other uses are passed over, as RFC 7517, 5 wants it;
    /// nothing if it is no set, or no key of it serves.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(json).ok()?;
        let keys = document.get("keys")?.as_array()?;
        let keys: Vec<Key> = keys.iter().take(KEYS_MAX).filter_map(Key::read).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Checks a signature.
    pub(super) fn check(&self, signed: Signed<'_>) -> Finding {
        let names_it = |key: &Key| key.kid.is_some() && key.kid.as_deref() == signed.kid;
        let mut named = self.0.iter().filter(|key| names_it(key)).peekable();
        if named.peek().is_some() {
            let is_right = named.any(|key| key.has_made(signed));
            return if is_right { Finding::Right } else { Finding::Wrong };
        }
        // Whoever names no key, token or set, means any.
        let is_open = |key: &Key| signed.kid.is_none() || key.kid.is_none();
        let is_right = self.0.iter().filter(|key| is_open(key)).any(|key| key.has_made(signed));
        if is_right { Finding::Right } else { Finding::NoKey }
    }
}

impl Key {
    fn read(jwk: &Value) -> Option<Self> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|used| used != "sig") {
            return None;
        }
        let operations = jwk.get("key_ops").and_then(Value::as_array);
        if operations.is_some_and(|known| !known.iter().any(|one| one == "verify")) {
            return None;
        }
        let algorithm = match text("alg") {
            Some(name) => Some(Algorithm::parse(name)?),
            None => None,
        };
        let public = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                Public::Rsa(PublicKeyComponents { n: number(text("n")?)?, e: number(text("e")?)? })
            }
            ("EC", Some("P-256")) => Public::P256(point(text("x")?, text("y")?, 32)?),
            ("EC", Some("P-384")) => Public::P384(point(text("x")?, text("y")?, 48)?),
            _ => return None,
        };
        Some(Self { kid: text("kid").map(str::to_owned), algorithm, public })
    }

    fn has_made(&self, signed: Signed<'_>) -> bool {
        let Signed { algorithm, message, signature, .. } = signed;
        if self.algorithm.is_some_and(|only| only != algorithm) {
            return false;
        }
        let checked = match (&self.public, algorithm) {
            (Public::Rsa(key), Algorithm::Rs256) => {
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Public::Rsa(key), Algorithm::Rs384) => {
                key.verify(&RSA_PKCS1_2048_8192_SHA384, message, signature)
            }
            (Public::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Public::P384(point), Algorithm::Es384) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            (Public::Rsa(_), Algorithm::Es256 | Algorithm::Es384)
            | (Public::P256(_), Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Es384)
            | (Public::P384(_), Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Es256) => {
                return false;
            }
        };
        checked.is_ok()
    }
}

/// A number without the zeros before it that some writers leave there.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).filter(|number| !number.is_empty()).map(<[u8]>::to_vec)
}

/// A point as SEC 1, 2.3.3 writes it, with the zeros that some writers leave out.
fn point(x: &str, y: &str, bytes: usize) -> Option<Vec<u8>> {
    let mut point = vec![4];
    for coordinate in [number(x)?, number(y)?] {
        let zeros = bytes.checked_sub(coordinate.len())?;
        point.extend(std::iter::repeat_n(0, zeros));
        point.extend(coordinate);
    }
    Some(point)
}
