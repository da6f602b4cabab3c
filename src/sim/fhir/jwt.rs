//! A client's assertion: a JWT (RFC 7519) signed by RS384 or ES384, checked with the client's keys.
//!
//! The cryptography is that of the TLS library; here are only the forms in which keys and signatures
//! stand in a JWT.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use serde_json::Value;

/// The longest assertion.
const ASSERTION_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a coordinate and of half a signature on the curve P-384.
const P384_BYTES: usize = 48;
/// The largest RSA key, in bytes (8192 bits).
const RSA_BYTES_MAX: usize = 1024;

/// The algorithms that SMART Backend Services ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rs384,
    Es384,
}

/// An assertion, taken apart.
#[derive(Debug)]
pub(super) struct Assertion<'a> {
    header: Value,
    claims: Value,
    /// What is signed.
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Assertion<'a> {
    /// Takes an assertion apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(text: &'a str) -> Result<Self, &'static str> {
        const NO_JWT: &str = "the assertion is no JWT";
        if text.len() > ASSERTION_BYTES_MAX {
            return Err(NO_JWT);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(NO_JWT)?;
        let (header, claims) = signed.split_once('.').ok_or(NO_JWT)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| NO_JWT);
        let json = |part: &str| serde_json::from_slice(&decode(part)?).map_err(|_| NO_JWT);
        let read = Self {
            header: json(header)?,
            claims: json(claims)?,
            signed,
            signature: decode(signature)?,
        };
        match read.algorithm() {
            Some(_) => Ok(read),
            None => Err("alg is neither RS384 nor ES384"),
        }
    }

    /// A claim that is text; empty if it is not there.
    pub(super) fn claim(&self, name: &str) -> String {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The claim `exp`.
    pub(super) fn expires(&self) -> Option<i64> {
        self.claims.get("exp")?.as_i64()
    }

    /// Checks the signature with the key that the header names.
    ///
    /// # Errors
    /// If there is no such key, or it did not make the signature.
    pub(super) fn verify(&self, keys: &Value) -> Result<(), &'static str> {
        const NO_KEY: &str = "the key is not among the client's";
        let algorithm = self.algorithm().ok_or(NO_KEY)?;
        let wanted = self.header.get("kid").and_then(Value::as_str).ok_or("there is no kid")?;
        let keys = keys.get("keys").and_then(Value::as_array).ok_or(NO_KEY)?;
        let is_wanted = |key: &&Value| key.get("kid").and_then(Value::as_str) == Some(wanted);
        let key = keys.iter().find(is_wanted).ok_or(NO_KEY)?;
        let (scheme, public, signature) = match algorithm {
            Algorithm::Es384 => {
                let signature = ecdsa(&self.signature).ok_or("the signature is malformed")?;
                let public = point(key).ok_or(NO_KEY)?;
                (SignatureScheme::ECDSA_NISTP384_SHA384, public, signature)
            }
            Algorithm::Rs384 => {
                let public = rsa(key).ok_or(NO_KEY)?;
                (SignatureScheme::RSA_PKCS1_SHA384, public, self.signature.clone())
            }
        };
        let known = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let fitting = known.mapping.iter().filter(|(one, _)| *one == scheme);
        let mut fitting = fitting.flat_map(|(_, algorithms)| algorithms.iter());
        let signed = self.signed.as_bytes();
        if fitting.any(|one| one.verify_signature(&public, signed, &signature).is_ok()) {
            return Ok(());
        }
        Err("the signature is not the client's")
    }

    fn algorithm(&self) -> Option<Algorithm> {
        match self.header.get("alg")?.as_str()? {
            "RS384" => Some(Algorithm::Rs384),
            "ES384" => Some(Algorithm::Es384),
            _ => None,
        }
    }
}

fn number(key: &Value, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok()
}

/// An RSA key as `RSAPublicKey` (RFC 8017, A.1.1).
fn rsa(key: &Value) -> Option<Vec<u8>> {
    let (modulus, exponent) = (number(key, "n")?, number(key, "e")?);
    let is_rsa = key.get("kty")?.as_str()? == "RSA" && modulus.len() <= RSA_BYTES_MAX;
    is_rsa.then(|| sequence(&[integer(&modulus), integer(&exponent)].concat()))
}

/// A key on P-384 as an uncompressed point (SEC 1, 2.3.3).
fn point(key: &Value) -> Option<Vec<u8>> {
    let (x, y) = (number(key, "x")?, number(key, "y")?);
    let is_p384 = key.get("crv")?.as_str()? == "P-384";
    let is_whole = x.len() == P384_BYTES && y.len() == P384_BYTES;
    (is_p384 && is_whole).then(|| [vec![4], x, y].concat())
}

/// A signature of two halves as `ECDSA-Sig-Value` (RFC 3279, 2.2.3).
fn ecdsa(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(P384_BYTES)?;
    (s.len() == P384_BYTES).then(|| sequence(&[integer(r), integer(s)].concat()))
}

/// DER: an unsigned INTEGER.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut digits = bytes.get(zeros..).unwrap_or_default().to_vec();
    // A leading one bit would make it negative.
    if digits.first().is_none_or(|first| *first >= 0x80) {
        digits.insert(0, 0);
    }
    tagged(0x02, &digits)
}

/// DER: a SEQUENCE.
fn sequence(content: &[u8]) -> Vec<u8> {
    tagged(0x30, content)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut all = vec![tag];
    match digits.as_slice() {
        [] => all.push(0),
        [short] if *short < 0x80 => all.push(*short),
        long => {
            // A length has at most eight bytes.
            all.push(0x80 | u8::try_from(long.len()).unwrap_or(0));
            all.extend_from_slice(long);
        }
    }
    all.extend_from_slice(content);
    all
}
