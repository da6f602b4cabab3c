//! Proofs that hold, and all the ways in which they do not.

use proptest::prelude::*;

use super::*;

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::new(text)).collect()
}

fn header(texts: &[&str]) -> Proof {
    Proof::Header { name: "X-Hook-Token".to_owned(), secrets: secrets(texts) }
}

fn hmac(texts: &[&str]) -> Proof {
    Proof::Hmac { name: "X-Signature".to_owned(), secrets: secrets(texts) }
}

fn web_sub(texts: &[&str]) -> Proof {
    Proof::WebSub { name: "X-Hub-Signature".to_owned(), secrets: secrets(texts) }
}

fn basic(texts: &[&str]) -> Proof {
    Proof::Basic { user: "owl".to_owned(), secrets: secrets(texts) }
}

fn check_one(proof: &Proof, name: &str, value: &str, body: &[u8]) -> Result<Verified, Forged> {
    verify(std::slice::from_ref(proof), &[("host", "a"), (name, value)], body)
}

/// RFC 4231, test case 2.
const KEY: &str = "Jefe";
const TEXT: &[u8] = b"what do ya want for nothing?";
const SHA256: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
const SHA384: &str = "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649";
const SHA512: &str = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
/// RFC 2202, test case 2.
const SHA1: &str = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";

#[test]
fn a_header_names_the_sender_and_covers_no_body() {
    let found = check_one(&header(&["owl-1"]), "x-hook-token", " owl-1 ", b"{}").unwrap();
    assert!(found.names_sender() && !found.covers_body() && !found.covers_headers());
    for (value, error) in [
        ("owl-2", Forged::Mismatch),
        ("OWL-1", Forged::Mismatch),
        ("owl-", Forged::Mismatch),
        ("owl-11", Forged::Mismatch),
        ("", Forged::Missing),
    ] {
        assert_eq!(check_one(&header(&["owl-1"]), "x-hook-token", value, b""), Err(error));
    }
    assert_eq!(check_one(&header(&["owl-1"]), "x-token", "owl-1", b""), Err(Forged::Missing));
}

#[test]
fn a_keyed_hash_covers_the_body_and_no_header() {
    for value in [SHA256.to_owned(), SHA256.to_uppercase()] {
        let found = check_one(&hmac(&[KEY]), "X-Signature", &value, TEXT).unwrap();
        assert!(found.covers_body() && !found.names_sender() && !found.covers_headers());
    }
    for (value, body, error) in [
        (SHA256, b"what do ya want for nothing!".as_slice(), Forged::Mismatch),
        (SHA256.get(..62).unwrap(), TEXT, Forged::Mismatch),
        (SHA256.get(..63).unwrap(), TEXT, Forged::Malformed),
        (&SHA256.replace('5', "é"), TEXT, Forged::Malformed),
        (SHA512, TEXT, Forged::Mismatch),
        ("00", TEXT, Forged::Mismatch),
        ("", TEXT, Forged::Missing),
        ("sha256=", TEXT, Forged::Malformed),
    ] {
        assert_eq!(check_one(&hmac(&[KEY]), "x-signature", value, body), Err(error), "{value}");
    }
}

#[test]
fn web_sub_names_its_method() {
    for value in [
        format!("sha1={SHA1}"),
        format!("sha256={SHA256}"),
        format!("sha384={SHA384}"),
        format!("SHA512={SHA512}"),
    ] {
        let found = check_one(&web_sub(&[KEY]), "x-hub-signature", &value, TEXT);
        assert!(found.unwrap().covers_body(), "{value}");
    }
    for (value, error) in [
        (SHA256.to_owned(), Forged::Malformed),
        (format!("md5={SHA256}"), Forged::Malformed),
        (format!("={SHA256}"), Forged::Malformed),
        (format!("sha1={SHA256}"), Forged::Mismatch),
        (format!("sha256={SHA1}"), Forged::Mismatch),
        ("sha256=".to_owned(), Forged::Malformed),
    ] {
        let found = check_one(&web_sub(&[KEY]), "x-hub-signature", &value, TEXT);
        assert_eq!(found, Err(error), "{value}");
    }
}

#[test]
fn basic_is_user_and_password() {
    for value in ["Basic b3dsOmh1bnRlcjpYMg==", "basic  b3dsOmh1bnRlcjpYMg"] {
        let found = check_one(&basic(&["hunter:X2"]), "Authorization", value, b"").unwrap();
        assert!(found.names_sender() && !found.covers_body());
    }
    for (value, error) in [
        ("Bearer b3dsOmh1bnRlcjpYMg==", Forged::Malformed),
        ("Basic", Forged::Malformed),
        ("Basic ###", Forged::Malformed),
        // owl:hunter and jay:hunter:X2.
        ("Basic b3dsOmh1bnRlcg==", Forged::Mismatch),
        ("Basic amF5Omh1bnRlcjpYMg==", Forged::Mismatch),
    ] {
        assert_eq!(check_one(&basic(&["hunter:X2"]), "authorization", value, b""), Err(error));
    }
}

#[test]
fn during_rotation_two_secrets_are_valid() {
    let both = header(&["owl-1", "owl-2"]);
    assert!(check_one(&both, "x-hook-token", "owl-1", b"").is_ok());
    assert!(check_one(&both, "x-hook-token", "owl-2", b"").is_ok());
    assert!(check_one(&hmac(&["new", KEY]), "x-signature", SHA256, TEXT).is_ok());
    let value = format!("sha256={SHA256}");
    assert!(check_one(&web_sub(&["new", KEY]), "x-hub-signature", &value, TEXT).is_ok());
    assert!(
        check_one(&basic(&["a", "hunter:X2"]), "authorization", "Basic b3dsOmh1bnRlcjpYMg==", b"")
            .is_ok()
    );
}

#[test]
fn all_proofs_have_to_hold() {
    let proofs = [header(&["owl-1"]), hmac(&[KEY])];
    let headers = [("x-hook-token", "owl-1"), ("x-signature", SHA256)];
    let found = verify(&proofs, &headers, TEXT).unwrap();
    assert!(found.names_sender() && found.covers_body());
    assert_eq!(verify(&proofs, &headers[..1], TEXT), Err(Forged::Missing));
    assert_eq!(verify(&proofs, &headers[1..], TEXT), Err(Forged::Missing));
    // A proxy may have left another value beside the right one.
    let twice = [("x-hook-token", "owl-0"), ("X-Hook-Token", "owl-1")];
    assert!(verify(&proofs[..1], &twice, b"").is_ok());
}

#[test]
fn nothing_configured_believes_nobody() {
    assert_eq!(verify(&[], &[("x-hook-token", "owl-1")], b""), Err(Forged::NoProof));
    for proof in [header(&[]), header(&["", " "]), hmac(&[""]), web_sub(&[]), basic(&[""])] {
        for value in ["", "owl:", "Basic b3dsOg==", SHA256] {
            for name in ["x-hook-token", "x-signature", "x-hub-signature", "authorization"] {
                assert_eq!(check_one(&proof, name, value, TEXT), Err(Forged::NoProof));
            }
        }
    }
    // HMAC with an empty key is something that anybody can compute.
    let empty = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
    assert_eq!(check_one(&hmac(&["", "x"]), "x-signature", empty, b""), Err(Forged::Mismatch));
}

proptest! {
    #[test]
    fn nothing_made_up_is_believed(
        value in prop_oneof![".{0,80}", "[0-9a-f]{64}", "sha(1|256|384|512)=[0-9a-f]{0,130}", "Basic [A-Za-z0-9+/=]{0,30}"],
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        for proof in [header(&["a long secret"]), hmac(&["k"]), web_sub(&["k"]), basic(&["pass"])] {
            for name in ["x-hook-token", "x-signature", "x-hub-signature", "authorization"] {
                prop_assert!(check_one(&proof, name, &value, &body).is_err());
            }
        }
    }
}
