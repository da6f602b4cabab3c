//! The signed statement with which the daemon shows a token endpoint who it is.
//!
//! SMART Backend Services, after RFC 7523: issuer and subject are the client, the audience is the
//! endpoint's address letter by letter, and the statement is good for a few minutes and one use.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::json;

use super::keys::{PrivateKey, Unsigned};
use crate::clock::Timestamp;

/// What `client_assertion_type` is.
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Five minutes are allowed; the rest is for a clock of the server's that is slow.
const GOOD_FOR: TimeDelta = TimeDelta::minutes(4);

/// 128 bits: no two statements ever share one.
const ID_BYTES: usize = 16;

/// Writes and signs an assertion.
///
/// It has neither `iat` nor `nbf`: neither is asked for, and a server whose clock is slow refuses
/// what was issued in its future.
///
/// # Errors
/// If the system has no random numbers.
pub(super) fn signed(
    key: &PrivateKey,
    client_id: &str,
    audience: &str,
    now: Timestamp,
) -> Result<String, Unsigned> {
    let mut id = [0; ID_BYTES];
    getrandom::fill(&mut id).map_err(|_| Unsigned)?;
    let header = json!({ "alg": key.algorithm(), "kid": key.kid(), "typ": "JWT" });
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "exp": (now + GOOD_FOR).timestamp(),
        "jti": URL_SAFE_NO_PAD.encode(id),
    });
    let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let mut jwt = format!("{}.{}", encode(header), encode(claims));
    let signature = key.sign(jwt.as_bytes())?;
    jwt.push('.');
    jwt.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(jwt)
}
