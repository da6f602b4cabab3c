//! What the tests of this folder share: keys made for them, a small server, a writer of tokens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, EcdsaSigningAlgorithm};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::keys::PrivateKey;
use crate::clock::Timestamp;
use crate::shutdown::Tasks;
use crate::sms::Form;

/// Made for these tests and used nowhere else.
pub(super) const RSA_PEM: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCfkbQEkvvc4y5D\n\
5tsB0h+qDyxS+wYkF8/On3qfCH4DwUf3Mxbtf8bnFWnMyaopqujH4KiAysMeCIje\n\
4/2So+iXh0xFXzJPIj7BUzWuSrgUeiXss4ulr6rEr8xLx/v9BC74ADOiMmzsKzEu\n\
UTYwvqhSI8+v8fwbbVUYve1xclBR5Rpk8bPn7psYJ0DUvnSqJr20fAAe+e3XKV8T\n\
7MEs/QGHHclcmUXwUxjkUXoEz704wQAViCGzv/L8TwmBFmaPh4dmmSbNTcnKC+GS\n\
lo56yoAps8EjaRz2e+rBWx28Gka8En6ZwaGHH74aeB0c2MKFRP2++C9G8Q6SNa+z\n\
RbmG5kwjAgMBAAECggEAFx3JBKFJ1Ryg6bD/yOTotb61TvTTABc7rB/EvarscofQ\n\
G1Aul0vGWVjBTIEUjS0XbvQCr9xv5XcauPYyGHR1Wr+nfXnxNFnuLxyVBMG0ptwb\n\
3WK/WB/kRH0r7U3fRAQUon8zpmDZZbdLdyhzCh8SDGA9aKxM4lOgRdF8nKLmXuPv\n\
+jiFz1EauVoYVDefUUT7LWUvnrcIucKAoANBuqOray6F4XGJmt8S6t66Ol9Ich1w\n\
/6kaGxwdyp/WKLeXA6dVY5VMJOaw4vucdiQKZzGiMyAI3jRV9QcK8d0lsC0N62MS\n\
Xd+MzIFGeyDBokhOuTjlzTipVYBhfHMgpAf2PGX3TQKBgQDTT3nrocfmp91LEGG9\n\
LxtNOX+x84g8DMf+QV4W0d8rqtOGZ8NrS/51hk2KGudZ0+848yLBv2oSJ5RoEAC5\n\
F8UdKJIrGvmVK9lhmntm9lm+8iP8p+2PzONo6Iy687sABsG60X4BuO0YZA+mKZMu\n\
VxuPoMvngkYFUgcD3KSHV+5I7wKBgQDBUOjtNuV7hNqRMlhHvG7iPpqBvIPOjsCj\n\
728xKQ5mxxNWvouztDdu1F15BKDzxmDCj6xvgJ5Hb4n4mMA6KLSPE8ddWsXD7TFQ\n\
obauXLL5/dkVJcEa4Suueq1ZYtQXIKQhYUqKU8QhrWMAe7TSpVyRC+Io1hJwSfeX\n\
KpDLdYzoDQKBgGeefHHQpl70B+8MPHFxzRiETprrie2wcs26LjJQffhCz3EEJu7R\n\
mBj3X8SORs5kv9UUXQHXJGN8pyiUWFZrUoxm3a5njuXYV8Ol5kdqHD4nLQBzNGok\n\
lYtXJdNzO0rbBVrf6cNcdF9Widn4XyUFMA2xUuvWlRF81NXO95sqwj1fAoGAcTUb\n\
oscSLnqHsJ3l+uSLnuyAeNdX7N/GSnqOCCD98QxF8/eUQkGYcMvmjVc7lmanBWkz\n\
1vxgNH9KMg3qDGUID/3KM45T4EAIMCrzmzpoCWQx+2NnqYERnpTy7TSl9YFE/NNH\n\
3qfdZMdwAblwFCeIhNyLrdRnaeC3IIxpzOxi/wUCgYAVUVDRFLh0y+rV6mE6GpOr\n\
JVMO6PovZOWCh5l/dIqEomgxMCoSYcAFXwGWXdt99Sp3dmFFTOOXDF4OQC+Xfub3\n\
lkHxxFuR58AsLKSMylBWe/jbFK2TY+GhR731Z2YqBY6aRhVAP3Uuqf8qiwF6zuHJ\n\
UPYP7ItheVp7JUguVfFU+Q==\n\
-----END PRIVATE KEY-----\n\
";
/// As [`RSA_PEM`].
pub(super) const P384_PEM: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDApdp9eL21KzZLddir0\n\
xPSBRt9WDgegPNoO9yGLztOTUhBGdDwof60F9YKx/epSZi2hZANiAAT4R//VbpXe\n\
TIdM8iHnjVn2tJLeKi1/DxJfYnFjFA0pQ2FLbbPMYWEVjYddNcY+lA53y3gFrE56\n\
nd5ojEMO1Hwh4I4heu4IvWijRFUW/9w8e4/pHmWMKQtn+u3IQWYN+m0=\n\
-----END PRIVATE KEY-----\n\
";
/// Of 1024 bits: too weak.
pub(super) const WEAK_RSA_PEM: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAMR8kWu5pdzrTrmF\n\
pWlU1d4XLtpIdrPOTXjYF9hlUkzoo+gSiYdz+A2fSIURUYPhReT9LsW3/VxQE00J\n\
4SginGmmAKKT4tFWMhvIRrG93u925A1aDT90igDpPEFwhfrlV9MXhh5EGJOESGyE\n\
IS3J8chu0JDTJlC74Qsfvimt1EzpAgMBAAECgYAkPPE5FAFCMGfRkZODTLExB8eN\n\
XKX/3YGuUvR65Zz7MEDikWCqCbprEMB4QkxtbUPNyuAweRGST/ZvU+4hz9hW1KtJ\n\
T+F1HxMP5KVMDFy6tuVlMGx2CujJ1IEkbUIVHshbS+SWI64JBOhCW5mPbmf+E7xF\n\
GImC8kBOheU4Y7H3jQJBAPiUaVaWvJ4708nMg/0upPYGLp6IPXjgDrgpRZvwk7cL\n\
NaOFzNCt6isSfDNCAF7WH2sU++m54a4GQW/R2qgWrvcCQQDKWhKq4uGEC+gOS2Yp\n\
Yo9CyVLoTQ/j7MYW1T8BElA5jovIrjQXDEUFZXtSYJXQcb7rlJfhjZHmXsOKcLf4\n\
U4sfAkBppzLKgdDzdDxFJi7nWn70rpX7/a4bBShcb/ZNHEi8YQBQW1s9St4fpoCx\n\
jJj5tgquicG0irP4MmJ3s3s7PEDrAkA6xob9lAElNcAlxsjZ5ILwR0IJr7iZ38B6\n\
CV7PlN4wmbMIi3Ed8LZrptp3Rw69CQ0HqJWlMlXasFPj9nG5c6rJAkEA60uaZlNf\n\
W0oqS6Tg+oqjwC5KdpjEmHzWlE+BDaq+QpqWBlTbcvKUgZV1sDcTl7fTieFt2WhU\n\
wM8so3PJjIwysQ==\n\
-----END PRIVATE KEY-----\n\
";

/// A moment at which the clocks of tests stand.
pub(super) fn start() -> Timestamp {
    "2026-11-30T18:00:00Z".parse().unwrap()
}

pub(super) fn rsa() -> PrivateKey {
    PrivateKey::from_pem(RSA_PEM.as_bytes()).unwrap()
}

pub(super) fn p384() -> PrivateKey {
    PrivateKey::from_pem(P384_PEM.as_bytes()).unwrap()
}

/// A new key, as PKCS#8 in PEM.
pub(super) fn new_ec_pem(algorithm: &'static EcdsaSigningAlgorithm) -> String {
    let der = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
    let text = STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

/// Header and claims as a JWT has them, without a signature.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// A JWT signed by one of our keys, whatever its header says.
pub(super) fn signed(key: &PrivateKey, header: &Value, claims: &Value) -> String {
    let message = unsigned(header, claims);
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap());
    format!("{message}.{signature}")
}

/// Header and claims of a JWT.
pub(super) fn parts(jwt: &str) -> (Value, Value) {
    let mut parts = jwt.split('.');
    let mut next = || {
        let bytes = URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    (next(), next())
}

/// What a peer was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// A parameter of a form.
    pub(super) fn param(&self, name: &str) -> Option<String> {
        Form::parse(&self.body).unwrap().get(name).map(str::to_owned)
    }
}

/// A status, headers, and a body.
pub(super) type Reply = (u16, Vec<(&'static str, String)>, String);

pub(super) fn reply(status: u16, body: &str) -> Reply {
    (status, Vec::new(), body.to_owned())
}

/// A small server: `/fhir/..`, `/token`, `/keys` and the SMART configuration, which answer as told.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) base: String,
    asked: Mutex<Vec<Asked>>,
    /// What is answered next, by the beginning of the path; then what is usual.
    replies: Mutex<Vec<(&'static str, VecDeque<Reply>)>>,
    /// The only `Authorization` that `/fhir/` takes, if set.
    takes: Mutex<Option<String>>,
    keys: Mutex<String>,
}

impl Peer {
    pub(super) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let peer = Arc::new(Self { base, ..Self::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&peer));
        Tasks::new().spawn(async move { axum::serve(listener, router).await.unwrap() });
        peer
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(super) fn tell(&self, path: &'static str, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().push((path, replies.into_iter().collect()));
    }

    pub(super) fn take_only(&self, authorization: &str) {
        *self.takes.lock().unwrap() = Some(authorization.to_owned());
    }

    pub(super) fn publish(&self, keys: &Value) {
        *self.keys.lock().unwrap() = keys.to_string();
    }

    /// What was asked below a path.
    pub(super) fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.path.starts_with(path)).cloned().collect()
    }

    fn next(&self, asked: &Asked) -> Reply {
        let is_fhir = asked.path.starts_with("/fhir/") && !asked.path.contains(".well-known");
        let told = self.replies.lock().unwrap().iter_mut().find_map(|(path, replies)| {
            if asked.path.starts_with(*path) { replies.pop_front() } else { None }
        });
        if let Some(told) = told {
            return told;
        }
        let takes = self.takes.lock().unwrap().clone();
        if is_fhir && takes.is_some_and(|only| asked.header("authorization") != Some(&only)) {
            return reply(401, "{}");
        }
        let body = match asked.path.as_str() {
            "/token" => {
                let number = self.asked("/token").len();
                json!({ "access_token": format!("t{number}"), "token_type": "bearer",
                        "expires_in": 300 })
            }
            "/keys" => return reply(200, &self.keys.lock().unwrap()),
            path if path.contains(".well-known") => json!({ "token_endpoint": self.url("/token") }),
            _ => json!({ "resourceType": "Basic" }),
        };
        reply(200, &body.to_string())
    }
}

async fn answer(
    State(peer): State<Arc<Peer>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked { method, path: uri.path().to_owned(), headers, body: body.to_vec() };
    peer.asked.lock().unwrap().push(asked.clone());
    let (status, headers, body) = peer.next(&asked);
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// Long enough that no test reaches it.
pub(super) const WITHIN: Duration = Duration::from_secs(60);
