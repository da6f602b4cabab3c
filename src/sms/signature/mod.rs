//! `X-Twilio-Signature`: proof that a webhook comes from Twilio and was not altered.
//!
//! Signed is the whole address as Twilio requested it, followed for a form by every parameter's name
//! and decoded value, sorted by name. A JSON body is signed by its hash, which stands in the query
//! as `bodySHA256`. The address must be built from the configured public address and the raw path
//! and query, never from what a proxy says of itself.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::{Form, Secret};

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no signature, or no token to check it with.
    #[error("signature is missing")]
    Missing,
    /// The signature fits no accepted token.
    #[error("signature does not fit")]
    Mismatch,
    /// The body is not the one that was signed.
    #[error("body does not fit its signed hash")]
    BodyMismatch,
}

/// What a webhook carries besides its address.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// The decoded form of a POST.
    Form(&'a Form),
    /// Any other body as it came; empty for a GET.
    Raw(&'a [u8]),
}

/// How the signature is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// The account's auth token is the key; Twilio's default.
    HmacSha1,
    /// A shared key of the webhooks configuration API is the key.
    HmacSha256,
}

/// Signs a webhook as Twilio does, for the stand-in.
#[must_use]
pub fn sign(algorithm: Algorithm, key: &Secret, url: &str, form: Option<&Form>) -> String {
    let text = signed_text(without_fragment(url), form);
    STANDARD.encode(mac(algorithm, key.expose().as_bytes(), text.as_bytes()))
}

/// Checks a webhook against every accepted key; two are accepted while a token is rotated.
///
/// The address is tried as it is, without its port and with its scheme's standard port, because
/// Twilio's own libraries differ in that.
///
/// # Errors
/// See [`Error`]; the time taken does not tell how near a wrong signature came.
pub fn verify(
    algorithm: Algorithm,
    keys: &[Secret],
    url: &str,
    content: Content<'_>,
    signature: Option<&str>,
) -> Result<(), Error> {
    let signature = signature.filter(|text| !text.is_empty()).ok_or(Error::Missing)?;
    let form = match content {
        Content::Form(form) => Some(form),
        Content::Raw(_) => None,
    };
    let mut is_right = Choice::from(0);
    for variant in port_variants(without_fragment(url)) {
        let text = signed_text(&variant, form);
        // An empty key would let anyone sign.
        for key in keys.iter().filter(|key| !key.expose().is_empty()) {
            let own = STANDARD.encode(mac(algorithm, key.expose().as_bytes(), text.as_bytes()));
            is_right |= own.as_bytes().ct_eq(signature.as_bytes());
        }
    }
    if !bool::from(is_right) {
        return Err(Error::Mismatch);
    }
    match content {
        Content::Form(_) => Ok(()),
        Content::Raw(body) => body_fits(url, body).then_some(()).ok_or(Error::BodyMismatch),
    }
}

fn signed_text(url: &str, form: Option<&Form>) -> String {
    let mut params: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in form.into_iter().flat_map(Form::iter) {
        params.entry(name).or_default().insert(value);
    }
    let mut text = url.to_owned();
    for (name, values) in params {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    text
}

fn mac(algorithm: Algorithm, key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length, so there is always a code.
    match algorithm {
        Algorithm::HmacSha1 => Hmac::<Sha1>::new_from_slice(key)
            .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec()),
        Algorithm::HmacSha256 => Hmac::<Sha256>::new_from_slice(key)
            .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec()),
    }
    .unwrap_or_default()
}

fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(address, _)| address)
}

/// The address as it is, without a port, and with the standard port if it has none.
fn port_variants(url: &str) -> BTreeSet<String> {
    let mut variants = BTreeSet::from([url.to_owned()]);
    let Some((scheme, rest)) = url.split_once("://") else { return variants };
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let user_end = authority.rfind('@').map_or(0, |at| at + 1);
    let (user, host_port) = authority.split_at(user_end);
    // In [::1]:8080 only the last colon is the port's.
    let host_end = host_port.rfind(']').map_or(0, |at| at + 1);
    let port_at =
        host_port.get(host_end..).and_then(|tail| tail.rfind(':')).map(|at| host_end + at);
    if let Some(host) = port_at.and_then(|at| host_port.get(..at)) {
        variants.insert(format!("{scheme}://{user}{host}{path}"));
    } else if let Some(port) = standard_port(scheme) {
        variants.insert(format!("{scheme}://{user}{host_port}:{port}{path}"));
    }
    variants
}

fn standard_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

/// Whether a raw body is empty and unannounced, or has the hash that the signed query gives.
fn body_fits(url: &str, body: &[u8]) -> bool {
    let query = without_fragment(url).split_once('?').map_or("", |(_, query)| query);
    let announced = query.split('&').find_map(|pair| pair.strip_prefix("bodySHA256="));
    let Some(announced) = announced else { return body.is_empty() };
    let mut own = String::with_capacity(64);
    for byte in Sha256::digest(body) {
        own.extend(
            [byte >> 4, byte & 15]
                .map(|nibble| char::from_digit(u32::from(nibble), 16).unwrap_or_default()),
        );
    }
    own.as_bytes().ct_eq(announced.to_ascii_lowercase().as_bytes()).into()
}

#[cfg(test)]
mod tests;
