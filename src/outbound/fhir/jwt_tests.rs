//! Which tokens are believed: every trick that has worked on somebody, and keys that change.

use std::fs;

use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

use super::super::keys::{PrivateKey, jwks};
use super::super::samples::{Peer, RSA_PEM, p384, reply, rsa, signed, start, unsigned};
use super::*;

fn options(keys: KeySource) -> Options {
    Options {
        name: "owl".to_owned(),
        keys,
        audience: "https://owl.example/fhir".to_owned(),
        issuer: Some("https://login.ehr.example".to_owned()),
        leeway: Duration::from_secs(30),
        subjects: vec!["ehr-1".to_owned()],
        ca: None,
    }
}

fn verifier(peer: &Peer) -> Verifier {
    Verifier::new(options(KeySource::Url(peer.url("/keys")))).unwrap()
}

async fn published(keys: &[PrivateKey]) -> (Arc<Peer>, Verifier) {
    let peer = Peer::start().await;
    peer.publish(&jwks(keys));
    let verifier = verifier(&peer);
    (peer, verifier)
}

fn header(key: &PrivateKey) -> Value {
    json!({ "alg": key.algorithm(), "kid": key.kid() })
}

fn claims() -> Value {
    json!({
        "iss": "https://login.ehr.example",
        "aud": "https://owl.example/fhir",
        "sub": "ehr-1",
        "exp": start().timestamp() + 300,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn token(key: &PrivateKey) -> String {
    signed(key, &header(key), &claims())
}

#[tokio::test]
async fn a_right_token_is_believed_and_keys_are_fetched_once() {
    let (peer, verifier) = published(&[rsa(), p384()]).await;
    for key in [rsa(), p384(), rsa()] {
        assert_eq!(verifier.verify(&token(&key), start()).await, Ok(()));
    }
    assert_eq!(peer.asked("/keys").len(), 1);
}

#[tokio::test]
async fn sha_256_is_believed_too() {
    let pem = RSA_PEM.as_bytes();
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let rng = ring::rand::SystemRandom::new();
    let message = unsigned(&json!({ "alg": "RS256", "kid": "a" }), &claims());
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &rng, message.as_bytes(), &mut signature).unwrap();
    let rs256 = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));

    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let der = EcdsaKeyPair::generate_pkcs8(algorithm, &rng).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &rng).unwrap();
    let message = unsigned(&json!({ "alg": "ES256", "kid": "b" }), &claims());
    let signature = pair.sign(&rng, message.as_bytes()).unwrap();
    let es256 = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));

    let point = ring::signature::KeyPair::public_key(&pair).as_ref().to_vec();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let jwk = rsa().public_jwk();
    let peer = Peer::start().await;
    peer.publish(&json!({ "keys": [
        { "kty": "RSA", "kid": "a", "n": jwk["n"], "e": jwk["e"] },
        { "kty": "EC", "kid": "b", "crv": "P-256", "x": x, "y": y },
    ] }));
    let verifier = verifier(&peer);
    assert_eq!(verifier.verify(&rs256, start()).await, Ok(()));
    assert_eq!(verifier.verify(&es256, start()).await, Ok(()));
}

#[tokio::test]
async fn no_token_without_a_real_signature_is_believed() {
    let (_peer, verifier) = published(&[rsa(), p384()]).await;
    let key = rsa();
    let check = async |token: String| verifier.verify(&token, start()).await.unwrap_err();
    for alg in ["none", "None", "NONE", "", "HS256", "HS384", "RS512", "PS256", "EdDSA", "rs384"] {
        let head = json!({ "alg": alg, "kid": key.kid() });
        assert_eq!(check(signed(&key, &head, &claims())).await, Forged::Algorithm, "{alg}");
        let bare = format!("{}.", unsigned(&head, &claims()));
        assert_eq!(check(bare).await, Forged::Algorithm, "{alg}");
    }
    // A public key used as the secret of an HMAC.
    let public = key.public_jwk().to_string();
    for alg in ["HS256", "RS256", "ES384"] {
        let message = unsigned(&json!({ "alg": alg, "kid": key.kid() }), &claims());
        let secret = hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes());
        let tag = hmac::sign(&secret, message.as_bytes());
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
        assert!(matches!(check(token).await, Forged::Algorithm | Forged::Signature), "{alg}");
    }
    // The key of one kind, the algorithm of another.
    let head = json!({ "alg": "ES384", "kid": rsa().kid() });
    assert_eq!(check(signed(&p384(), &head, &claims())).await, Forged::Signature);
    let head = json!({ "alg": "RS384", "kid": p384().kid() });
    assert_eq!(check(signed(&rsa(), &head, &claims())).await, Forged::Signature);
    // A key is for the algorithm it was published for.
    let head = json!({ "alg": "RS256", "kid": rsa().kid() });
    assert_eq!(check(signed(&rsa(), &head, &claims())).await, Forged::Signature);
    let empty = format!("{}.", unsigned(&header(&key), &claims()));
    assert_eq!(check(empty).await, Forged::Signature);
    let other = signed(&key, &header(&key), &with("jti", json!("a")));
    let cut = other.rsplit_once('.').unwrap().1;
    let moved = format!("{}.{cut}", unsigned(&header(&key), &claims()));
    assert_eq!(check(moved).await, Forged::Signature);
}

#[tokio::test]
async fn claims_are_checked() {
    let (_peer, verifier) = published(&[rsa()]).await;
    let now = start().timestamp();
    for (name, value, found) in [
        ("exp", json!(now - 29), Ok(())),
        ("exp", json!(now - 30), Err(Forged::Expired)),
        ("exp", json!(null), Err(Forged::Expired)),
        ("exp", json!("9999999999"), Err(Forged::Expired)),
        ("exp", json!(1e300), Ok(())),
        ("exp", json!(-1e300), Err(Forged::Expired)),
        ("nbf", json!(now + 30), Ok(())),
        ("nbf", json!(now + 31), Err(Forged::NotYet)),
        ("nbf", json!("soon"), Err(Forged::NotYet)),
        ("aud", json!("https://owl.example/fhir/"), Err(Forged::Audience)),
        ("aud", json!(null), Err(Forged::Audience)),
        ("aud", json!([]), Err(Forged::Audience)),
        ("aud", json!(["x", "https://owl.example/fhir"]), Ok(())),
        ("aud", json!([["https://owl.example/fhir"]]), Err(Forged::Audience)),
        ("iss", json!("https://login.ehr.example.evil"), Err(Forged::Issuer)),
        ("iss", json!(null), Err(Forged::Issuer)),
        ("sub", json!("ehr-2"), Err(Forged::Subject)),
        ("sub", json!(["ehr-1"]), Err(Forged::Subject)),
    ] {
        let token = signed(&rsa(), &header(&rsa()), &with(name, value.clone()));
        assert_eq!(verifier.verify(&token, start()).await, found, "{name} {value}");
    }
    let mut other = with("client_id", json!("ehr-1"));
    other["sub"] = json!("2a7c");
    let token = signed(&rsa(), &header(&rsa()), &other);
    assert_eq!(verifier.verify(&token, start()).await, Ok(()));
}

#[tokio::test]
async fn what_is_no_token_is_refused_before_keys_are_fetched() {
    let (peer, verifier) = published(&[rsa()]).await;
    let right = token(&rsa());
    let padded = right.replacen('.', "=.", 1);
    let long = format!("{right}{}", "a".repeat(TOKEN_BYTES_MAX));
    let list = unsigned(&json!(["RS384"]), &claims()) + ".AAAA";
    let number = unsigned(&json!({ "alg": "RS384", "kid": 7 }), &claims()) + ".AAAA";
    let no_claims = unsigned(&header(&rsa()), &json!("claims")) + ".AAAA";
    let four = format!("{right}.AAAA");
    let blank = format!(" {right}");
    for bad in ["", ".", "..", "a.b.c", &padded, &long, &list, &number, &no_claims, &four, &blank] {
        assert_eq!(verifier.verify(bad, start()).await, Err(Forged::Form), "{bad:.40}");
    }
    let critical = json!({ "alg": "RS384", "kid": rsa().kid(), "crit": ["b64"], "b64": false });
    let token = signed(&rsa(), &critical, &claims());
    assert_eq!(verifier.verify(&token, start()).await, Err(Forged::Critical));
    assert!(peer.asked("/keys").is_empty());
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_once_in_a_minute() {
    let (peer, verifier) = published(&[rsa()]).await;
    assert_eq!(verifier.verify(&token(&rsa()), start()).await, Ok(()));
    let new = token(&p384());
    for _ in 0..5 {
        assert_eq!(verifier.verify(&new, start()).await, Err(Forged::UnknownKey));
    }
    assert_eq!(peer.asked("/keys").len(), 1, "fetched less than a minute ago");
    peer.publish(&jwks(&[p384(), rsa()]));
    let now = start() + FETCH_EVERY;
    assert_eq!(verifier.verify(&new, now).await, Ok(()));
    assert_eq!(
        verifier.verify(&token(&rsa()), now).await,
        Ok(()),
        "the old one is still published"
    );
    assert_eq!(peer.asked("/keys").len(), 2);
}

#[tokio::test]
async fn a_key_that_was_taken_back_is_not_believed_for_long() {
    let (peer, verifier) = published(&[rsa(), p384()]).await;
    let endless = signed(&rsa(), &header(&rsa()), &with("exp", json!(1e12)));
    assert_eq!(verifier.verify(&endless, start()).await, Ok(()));
    peer.publish(&jwks(&[p384()]));
    assert_eq!(verifier.verify(&endless, start() + FRESH_FOR).await, Err(Forged::UnknownKey));
}

#[tokio::test]
async fn without_newer_keys_the_old_ones_serve_a_day() {
    let (peer, verifier) = published(&[rsa()]).await;
    let endless = signed(&rsa(), &header(&rsa()), &with("exp", json!(1e12)));
    assert_eq!(verifier.verify(&endless, start()).await, Ok(()));
    peer.tell("/keys", (0..9).map(|_| reply(503, "<html>")));
    assert_eq!(verifier.verify(&endless, start() + TimeDelta::hours(2)).await, Ok(()));
    let later = start() + SERVES_FOR;
    assert_eq!(verifier.verify(&endless, later).await, Err(Forged::KeysUnavailable));
}

#[tokio::test]
async fn without_keys_nothing_is_believed_and_nothing_is_hammered() {
    let (peer, verifier) = published(&[rsa()]).await;
    let large = "x".repeat(KEY_SET_BYTES_MAX + 1);
    let none = r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#;
    let bad = [reply(404, ""), reply(200, "<html>"), reply(200, &large), reply(200, none)];
    let count = bad.len();
    peer.tell("/keys", bad);
    let mut now = start();
    for _ in 0..count {
        for _ in 0..3 {
            let found = verifier.verify(&token(&rsa()), now).await;
            assert_eq!(found, Err(Forged::KeysUnavailable));
        }
        now += FIRST_EVERY;
    }
    assert_eq!(peer.asked("/keys").len(), count);
    assert_eq!(verifier.verify(&token(&rsa()), now).await, Ok(()));
}

#[tokio::test]
async fn odd_keys_in_a_set_are_passed_over() {
    let mut named = rsa().public_jwk();
    named["use"] = json!("enc");
    let mut wrapping = p384().public_jwk();
    wrapping["key_ops"] = json!(["wrapKey"]);
    let mut good = rsa().public_jwk();
    good.as_object_mut().unwrap().remove("kid");
    let peer = Peer::start().await;
    peer.publish(&json!({ "keys": [
        null, 7, "key", {}, named, wrapping, { "kty": "RSA", "n": "", "e": "AQAB" },
        { "kty": "EC", "crv": "P-384", "x": "AA", "y": "!" },
        { "kty": "RSA", "alg": "PS256", "n": good["n"], "e": good["e"] }, good,
    ] }));
    let verifier = verifier(&peer);
    assert_eq!(verifier.verify(&token(&rsa()), start()).await, Ok(()), "a key without a name");
    let nameless = signed(&rsa(), &json!({ "alg": "RS384" }), &claims());
    assert_eq!(verifier.verify(&nameless, start()).await, Ok(()));
    assert_eq!(verifier.verify(&token(&p384()), start()).await, Err(Forged::UnknownKey));
}

#[tokio::test]
async fn keys_may_lie_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let verifier = Verifier::new(options(KeySource::File(path.clone()))).unwrap();
    let token = token(&rsa());
    assert_eq!(verifier.verify(&token, start()).await, Err(Forged::KeysUnavailable));
    fs::write(&path, jwks(&[rsa()]).to_string()).unwrap();
    assert_eq!(verifier.verify(&token, start() + FIRST_EVERY).await, Ok(()));
}

#[test]
fn keys_are_not_fetched_in_clear() {
    let found = Verifier::new(options(KeySource::Url("http://ehr.example/keys".to_owned())));
    assert!(matches!(found, Err(AddressFault::PlainHttp)));
}
