//! The daemon's own keys for signing: PEM files in, a public JWK set out.
//!
//! A key signs with the algorithm that its kind allows and with no other, so nobody can configure a
//! pair that does not fit. Its identifier is its thumbprint: it follows from the key, and two
//! daemons with the same file name it alike. Nothing here knows tokens or servers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA384, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A key of 4096 bits takes 3.3 KB in PEM; a larger file is not the one that was meant.
const PEM_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one coordinate of a point on P-384.
const P384_BYTES: usize = 48;

/// Why a private key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no PKCS#8 block in it; keys with a passphrase and keys in older forms are none.
    #[error("no \"BEGIN PRIVATE KEY\" (PKCS#8 in PEM, without a passphrase) in it")]
    NoKey,
    /// Another kind of key, or a weak one.
    #[error("neither an RSA key of 2048 to 4096 bits nor an EC key on P-384")]
    Kind,
}

/// Nothing could be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot sign with the private key")]
pub struct Unsigned;

/// A private key for signing; prints as its identifier.
#[derive(Clone)]
pub struct PrivateKey {
    kid: String,
    pair: Arc<Pair>,
}

enum Pair {
    Rsa(RsaKeyPair),
    P384(EcdsaKeyPair),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.kid)
    }
}

/// By public part.
impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid
    }
}

impl Eq for PrivateKey {}

impl PrivateKey {
    /// Reads a key from a file.
    ///
    /// # Errors
    /// If there is no usable key in it; see [`PrivateKey::from_pem`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let pem =
            std::fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        Self::from_pem(&pem)
    }

    /// Reads a key as PKCS#8 in PEM: RSA of 2048 bits or more, or EC on P-384.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let pem = pem.get(..pem.len().min(PEM_BYTES_MAX)).unwrap_or_default();
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| Error::NoKey)?;
        let der = der.secret_pkcs8_der();
        let rsa = || RsaKeyPair::from_pkcs8(der).ok().map(Pair::Rsa);
        let p384 = || {
            let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
            EcdsaKeyPair::from_pkcs8(algorithm, der, &SystemRandom::new()).ok().map(Pair::P384)
        };
        let pair = rsa().or_else(p384).ok_or(Error::Kind)?;
        Ok(Self { kid: thumbprint(&pair), pair: Arc::new(pair) })
    }

    /// The identifier: the thumbprint by RFC 7638 with SHA-256.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm as JWTs name it, `RS384` or `ES384`.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match *self.pair {
            Pair::Rsa(_) => "RS384",
            Pair::P384(_) => "ES384",
        }
    }

    /// Signs, as JWS wants it (RFC 7518, 3.3 and 3.4).
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unsigned> {
        let rng = SystemRandom::new();
        match &*self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA384, &rng, message, &mut signature)
                    .map_err(|_| Unsigned)?;
                Ok(signature)
            }
            Pair::P384(pair) => {
                let signature = pair.sign(&rng, message).map_err(|_| Unsigned)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }

    /// The public part as a JWK (RFC 7517).
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let (kid, alg) = (&self.kid, self.algorithm());
        match public_parts(&self.pair) {
            Public::Rsa { n, e } => {
                json!({ "kty": "RSA", "use": "sig", "alg": alg, "kid": kid, "n": n, "e": e })
            }
            Public::P384 { x, y } => json!({
                "kty": "EC", "use": "sig", "alg": alg, "kid": kid, "crv": "P-384", "x": x, "y": y
            }),
        }
    }
}

/// The public parts of keys as a JWK set, each key once.
#[must_use]
pub fn jwks(keys: &[PrivateKey]) -> Value {
    let mut shown: Vec<&PrivateKey> = Vec::new();
    for key in keys {
        if !shown.contains(&key) {
            shown.push(key);
        }
    }
    let keys: Vec<Value> = shown.into_iter().map(PrivateKey::public_jwk).collect();
    json!({ "keys": keys })
}

/// As [`jwks`], as the text that is served to whoever asks; it holds nothing secret.
#[must_use]
pub fn jwks_json(keys: &[PrivateKey]) -> String {
    jwks(keys).to_string()
}

/// In base64url, as a JWK has them.
enum Public {
    Rsa { n: String, e: String },
    P384 { x: String, y: String },
}

fn public_parts(pair: &Pair) -> Public {
    match pair {
        Pair::Rsa(pair) => {
            let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public());
            Public::Rsa { n: URL_SAFE_NO_PAD.encode(parts.n), e: URL_SAFE_NO_PAD.encode(parts.e) }
        }
        Pair::P384(pair) => {
            // An uncompressed point: 4, x, y (SEC 1, 2.3.3).
            let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
            let (x, y) = point.split_at(point.len().min(P384_BYTES));
            Public::P384 { x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y) }
        }
    }
}

fn thumbprint(pair: &Pair) -> String {
    // Members in this order and no blanks: the digest is over the text (RFC 7638, 3).
    let members = match public_parts(pair) {
        Public::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        Public::P384 { x, y } => format!(r#"{{"crv":"P-384","kty":"EC","x":"{x}","y":"{y}"}}"#),
    };
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
