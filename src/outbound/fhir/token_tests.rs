//! How tokens are asked for, kept and renewed, against a small server.

use std::sync::Arc;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, RSA_PKCS1_2048_8192_SHA384,
    UnparsedPublicKey,
};
use serde_json::json;

use super::super::keys::jwks;
use super::super::samples::{Peer, WITHIN, new_ec_pem, p384, parts, reply, rsa, start};
use super::*;
use crate::tls::ClientFiles;

fn tokens(peer: &Peer, proof: Proof, clock: &Clock) -> Tokens {
    Tokens {
        endpoint: Endpoint::Fixed(Address::parse(&peer.url("/token")).unwrap()),
        client_id: "owl clinic".to_owned(),
        scope: Some("system/Appointment.rs".to_owned()),
        proof,
        reach: Reach {
            files: ClientFiles::default(),
            connect_timeout: WITHIN,
            total_timeout: WITHIN,
        },
        clock: clock.clone(),
        held: Mutex::default(),
    }
}

async fn by_secret() -> (Arc<Peer>, Tokens, Clock) {
    let (peer, clock) = (Peer::start().await, Clock::manual(start()));
    let proof = Proof::Secret(Secret::new("hunter:2"), Style::Post);
    let tokens = tokens(&peer, proof, &clock);
    (peer, tokens, clock)
}

async fn header(tokens: &Tokens) -> String {
    tokens.current().await.unwrap().header.expose().to_owned()
}

fn granted(token: &str, expires_in: &Value) -> super::super::samples::Reply {
    let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": expires_in });
    reply(200, &body.to_string())
}

#[tokio::test]
async fn a_token_is_kept_until_a_minute_before_its_end() {
    let (peer, tokens, clock) = by_secret().await;
    assert_eq!(header(&tokens).await, "Bearer t1");
    clock.advance(TimeDelta::seconds(239));
    assert_eq!(header(&tokens).await, "Bearer t1");
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(header(&tokens).await, "Bearer t2");
    assert_eq!(peer.asked("/token").len(), 2);
}

#[tokio::test]
async fn requests_at_once_ask_for_one_token() {
    let (peer, tokens, _clock) = by_secret().await;
    let headers = join_all((0..10).map(|_| header(&tokens))).await;
    assert!(headers.iter().all(|header| header == "Bearer t1"));
    assert_eq!(peer.asked("/token").len(), 1);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_serves_until_its_end() {
    let (peer, tokens, clock) = by_secret().await;
    assert_eq!(header(&tokens).await, "Bearer t1");
    peer.tell("/token", [reply(500, "<html>"), reply(400, r#"{"error":"invalid_client"}"#)]);
    clock.advance(TimeDelta::seconds(250));
    assert_eq!(header(&tokens).await, "Bearer t1");
    assert_eq!(header(&tokens).await, "Bearer t1");
    assert_eq!(peer.asked("/token").len(), 2, "a failure stands for a while");
    clock.advance(TimeDelta::seconds(50));
    assert_eq!(tokens.current().await.unwrap_err(), Fault::Refused("invalid_client"));
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_in_a_minute() {
    let (peer, tokens, clock) = by_secret().await;
    let first = tokens.current().await.unwrap();
    let second = tokens.instead_of(&first).await.unwrap().unwrap();
    assert_eq!(second.header.expose(), "Bearer t2");
    // Who was refused with the first meanwhile takes the second.
    let same = tokens.instead_of(&first).await.unwrap().unwrap();
    assert_eq!(same.header.expose(), "Bearer t2");
    assert!(tokens.instead_of(&second).await.unwrap().is_none());
    assert_eq!(peer.asked("/token").len(), 2);
    clock.advance(TimeDelta::seconds(60));
    assert!(tokens.instead_of(&second).await.unwrap().is_some());
    assert_eq!(peer.asked("/token").len(), 3);
}

#[tokio::test]
async fn a_secret_stands_in_the_form_or_in_the_header() {
    let (peer, tokens_by_form, clock) = by_secret().await;
    header(&tokens_by_form).await;
    let proof = Proof::Secret(Secret::new("hunter:2"), Style::Basic);
    header(&tokens(&peer, proof, &clock)).await;
    let [by_form, by_header] = &peer.asked("/token")[..] else { panic!("two questions") };
    for asked in [by_form, by_header] {
        assert_eq!(asked.param("grant_type").unwrap(), "client_credentials");
        assert_eq!(asked.param("scope").unwrap(), "system/Appointment.rs");
    }
    assert_eq!(by_form.param("client_id").unwrap(), "owl clinic");
    assert_eq!(by_form.param("client_secret").unwrap(), "hunter:2");
    assert_eq!(by_form.header("authorization"), None);
    assert_eq!(by_header.param("client_secret"), None);
    // Encoded as in a form first, so that the colon between the halves is the only one.
    let pair = STANDARD.encode("owl+clinic:hunter%3A2");
    assert_eq!(by_header.header("authorization").unwrap(), format!("Basic {pair}"));
}

#[tokio::test]
async fn an_assertion_is_as_smart_backend_services_want_it() {
    let (peer, clock) = (Peer::start().await, Clock::manual(start()));
    let mut ids = Vec::new();
    for key in [rsa(), p384()] {
        let set = jwks(std::slice::from_ref(&key));
        header(&tokens(&peer, Proof::Signed(key), &clock)).await;
        let asked = peer.asked("/token").pop().unwrap();
        assert_eq!(asked.param("client_assertion_type").unwrap(), assertion::TYPE);
        assert_eq!((asked.param("client_id"), asked.param("client_secret")), (None, None));
        let jwt = asked.param("client_assertion").unwrap();
        let (head, claims) = parts(&jwt);
        let jwk = &set["keys"][0];
        assert_eq!((&head["alg"], &head["kid"]), (&jwk["alg"], &jwk["kid"]));
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("owl clinic"), &json!("owl clinic")));
        assert_eq!(claims["aud"], json!(peer.url("/token")));
        let life = claims["exp"].as_i64().unwrap() - start().timestamp();
        assert!((60..=300).contains(&life), "{life}");
        ids.push(claims["jti"].as_str().unwrap().to_owned());
        check_by_hand(&jwt, jwk);
    }
    assert_ne!(ids[0], ids[1]);
    assert!(ids.iter().all(|id| URL_SAFE_NO_PAD.decode(id).unwrap().len() == 16));
}

/// Checks a signature without the code that made it.
fn check_by_hand(jwt: &str, jwk: &Value) {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let member = |name: &str| bytes(jwk[name].as_str().unwrap());
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let (message, signature) = (message.as_bytes(), bytes(signature));
    if jwk["kty"] == "RSA" {
        let key = PublicKeyComponents { n: member("n"), e: member("e") };
        key.verify(&RSA_PKCS1_2048_8192_SHA384, message, &signature).unwrap();
    } else {
        let point = [vec![4], member("x"), member("y")].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point);
        key.verify(message, &signature).unwrap();
    }
}

#[tokio::test]
async fn a_token_endpoint_is_discovered_and_found_again_when_it_has_moved() {
    let (peer, clock) = (Peer::start().await, Clock::manual(start()));
    let at = peer.url("/fhir/.well-known/smart-configuration");
    let endpoint = Endpoint::Discovered(Address::parse(&at).unwrap());
    let tokens = Tokens { endpoint, ..tokens(&peer, Proof::Signed(p384()), &clock) };
    header(&tokens).await;
    let claims = parts(&peer.asked("/token")[0].param("client_assertion").unwrap()).1;
    assert_eq!(claims["aud"], json!(peer.url("/token")));
    clock.advance(TimeDelta::minutes(5));
    header(&tokens).await;
    assert_eq!(peer.asked("/fhir/").len(), 1, "it is remembered");
    peer.tell("/token", [reply(404, "")]);
    clock.advance(TimeDelta::minutes(5));
    assert_eq!(tokens.current().await.unwrap_err(), Fault::Refused("token_endpoint_gone"));
    clock.advance(TimeDelta::minutes(1));
    header(&tokens).await;
    assert_eq!(peer.asked("/fhir/").len(), 2);
}

#[tokio::test]
async fn a_discovery_that_leads_nowhere_is_a_fault() {
    let plain = r#"{"token_endpoint":"http://ehr.example/token"}"#;
    let none = "discovery_unreadable";
    for (answer, fault) in [
        (reply(404, "<html>"), Fault::Refused("discovery_refused")),
        (reply(500, ""), Fault::Unavailable("discovery_failed")),
        (reply(429, ""), Fault::Busy(None)),
        (reply(200, "<html>"), Fault::Unavailable(none)),
        (reply(200, r#"{"token_endpoint":7}"#), Fault::Unavailable(none)),
        (reply(200, plain), Fault::Refused("discovery_endpoint")),
        (reply(302, ""), Fault::Refused("discovery_refused")),
        (reply(200, &"x".repeat(DISCOVERY_BYTES_MAX + 1)), Fault::Unavailable("discovery_cut_off")),
    ] {
        let (peer, clock) = (Peer::start().await, Clock::manual(start()));
        peer.tell("/fhir/", [answer]);
        let at = peer.url("/fhir/.well-known/smart-configuration");
        let endpoint = Endpoint::Discovered(Address::parse(&at).unwrap());
        let tokens = Tokens { endpoint, ..tokens(&peer, Proof::Signed(p384()), &clock) };
        assert_eq!(tokens.current().await.unwrap_err(), fault);
        assert!(peer.asked("/token").is_empty());
    }
}

#[tokio::test]
async fn refusals_are_told_by_codes_of_a_list() {
    let name = "Frances Doe";
    for (status, body, fault) in [
        (400, r#"{"error":"invalid_client"}"#.to_owned(), Fault::Refused("invalid_client")),
        (401, r#"{"error":"invalid_scope"}"#.to_owned(), Fault::Refused("invalid_scope")),
        (400, format!(r#"{{"error":"{name}"}}"#), Fault::Refused("token_refused")),
        (400, "<html>".to_owned(), Fault::Refused("token_refused")),
        (403, "[]".to_owned(), Fault::Refused("token_refused")),
        (400, r#"{"error":7}"#.to_owned(), Fault::Refused("token_refused")),
        (400, r#"{"error":"server_error"}"#.to_owned(), Fault::Unavailable("server_error")),
        (500, String::new(), Fault::Unavailable("token_failed")),
        (429, String::new(), Fault::Busy(None)),
        (307, String::new(), Fault::Refused("token_redirected")),
        (200, "{}".to_owned(), Fault::Unavailable("token_unreadable")),
        (200, "<html>".to_owned(), Fault::Unavailable("token_unreadable")),
        (200, r#"{"access_token":""}"#.to_owned(), Fault::Unavailable("token_unreadable")),
        (200, r#"{"access_token":"a\r\nb"}"#.to_owned(), Fault::Unavailable("token_unreadable")),
        (200, r#"{"access_token":"a","token_type":"mac"}"#.into(), Fault::Refused("token_type")),
        (200, "x".repeat(ANSWER_BYTES_MAX + 1), Fault::Unavailable("token_cut_off")),
    ] {
        let (peer, tokens, _clock) = by_secret().await;
        peer.tell("/token", [reply(status, &body)]);
        assert_eq!(tokens.current().await.unwrap_err(), fault, "{status}");
    }
}

#[tokio::test]
async fn a_refusal_is_not_provoked_again_for_a_minute() {
    let (peer, tokens, clock) = by_secret().await;
    peer.tell("/token", [reply(400, r#"{"error":"invalid_client"}"#)]);
    for _ in 0..5 {
        assert_eq!(tokens.current().await.unwrap_err(), Fault::Refused("invalid_client"));
    }
    assert_eq!(peer.asked("/token").len(), 1);
    clock.advance(TimeDelta::minutes(1));
    assert_eq!(header(&tokens).await, "Bearer t2");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unavailable() {
    let (peer, mut tokens, _clock) = by_secret().await;
    tokens.endpoint = Endpoint::Fixed(Address::parse("http://127.0.0.1:1/token").unwrap());
    assert_eq!(tokens.current().await.unwrap_err(), Fault::Unavailable("token_unreachable"));
    assert!(peer.asked("/").is_empty());
}

#[tokio::test]
async fn a_life_that_makes_no_sense_is_the_usual_one() {
    for (told, seconds) in [
        (json!(3600), 3540),
        (json!("3600"), 3540),
        (json!(3600.5), 3540),
        (json!(60), 30),
        (json!(1e300), 86_340),
        (json!(null), 240),
        (json!(0), 240),
        (json!(-5), 240),
        (json!("soon"), 240),
        (json!("NaN"), 240),
        (json!({}), 240),
    ] {
        let (peer, tokens, clock) = by_secret().await;
        peer.tell("/token", [granted("a", &told)]);
        assert_eq!(header(&tokens).await, "Bearer a");
        clock.advance(TimeDelta::seconds(seconds - 1));
        assert_eq!(header(&tokens).await, "Bearer a", "{told}");
        clock.advance(TimeDelta::seconds(2));
        assert_eq!(header(&tokens).await, "Bearer t2", "{told}");
    }
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let (_peer, tokens, _clock) = by_secret().await;
    header(&tokens).await;
    let printed = format!("{tokens:?}");
    assert!(!printed.contains("hunter") && !printed.contains("Bearer t1"), "{printed}");
    let key = PrivateKey::from_pem(new_ec_pem(&ECDSA_P384_SHA384_FIXED_SIGNING).as_bytes());
    let printed = format!("{:?}", Proof::Signed(key.unwrap()));
    assert!(printed.len() < 80, "{printed}");
}
