//! Which keys are taken, how they are named, and what is published of them.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING,
    RSA_PKCS1_2048_8192_SHA384, UnparsedPublicKey,
};

use super::super::samples::{P384_PEM, RSA_PEM, WEAK_RSA_PEM, new_ec_pem, p384, rsa};
use super::*;

fn bytes(jwk: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap()
}

#[test]
fn a_key_is_named_by_its_thumbprint() {
    // Computed from the same files by another program.
    assert_eq!(rsa().kid(), "eaggystZkCHJg3A5rlInNReCsFn4iTufQAUWHTBB3m0");
    assert_eq!(p384().kid(), "6QmiWTJzOa93eEQcnXmvfZfDHqgxAHY-Wl-eE_agD6U");
}

#[test]
fn weak_and_other_keys_are_refused() {
    assert!(matches!(PrivateKey::from_pem(WEAK_RSA_PEM.as_bytes()), Err(Error::Kind)));
    let p256 = new_ec_pem(&ECDSA_P256_SHA256_FIXED_SIGNING);
    assert!(matches!(PrivateKey::from_pem(p256.as_bytes()), Err(Error::Kind)));
    let older = RSA_PEM.replace("PRIVATE KEY", "RSA PRIVATE KEY");
    let locked = RSA_PEM.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let cut = P384_PEM.lines().next().unwrap();
    for bad in ["", "hello", &older, &locked, cut] {
        assert!(matches!(PrivateKey::from_pem(bad.as_bytes()), Err(Error::NoKey)), "{bad}");
    }
    let empty = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(PrivateKey::from_pem(empty.as_bytes()), Err(Error::Kind)));
    let gone = Path::new("no/such/file.pem");
    assert!(matches!(PrivateKey::read(gone), Err(Error::File { .. })));
}

#[test]
fn what_is_published_checks_what_is_signed() {
    let set = jwks(&[rsa(), p384()]);
    let (rsa_jwk, ec_jwk) = (&set["keys"][0], &set["keys"][1]);
    let signature = rsa().sign(b"message").unwrap();
    let public = PublicKeyComponents { n: bytes(rsa_jwk, "n"), e: bytes(rsa_jwk, "e") };
    public.verify(&RSA_PKCS1_2048_8192_SHA384, b"message", &signature).unwrap();
    let signature = p384().sign(b"message").unwrap();
    let point = [&[4][..], &bytes(ec_jwk, "x"), &bytes(ec_jwk, "y")].concat();
    let public = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point);
    public.verify(b"message", &signature).unwrap();
    public.verify(b"another", &signature).unwrap_err();
    assert_eq!((rsa_jwk["alg"].as_str(), rsa_jwk["kty"].as_str()), (Some("RS384"), Some("RSA")));
    assert_eq!((ec_jwk["alg"].as_str(), ec_jwk["crv"].as_str()), (Some("ES384"), Some("P-384")));
    assert_eq!((&rsa_jwk["use"], &ec_jwk["use"]), (&json!("sig"), &json!("sig")));
}

#[test]
fn nothing_private_is_published_and_each_key_once() {
    let new = PrivateKey::from_pem(new_ec_pem(&ECDSA_P384_SHA384_FIXED_SIGNING).as_bytes());
    let keys = [new.unwrap(), rsa(), p384(), rsa()];
    let set: Value = serde_json::from_str(&jwks_json(&keys)).unwrap();
    let set = set["keys"].as_array().unwrap();
    assert_eq!(set.len(), 3);
    for key in set {
        for name in key.as_object().unwrap().keys() {
            let public = ["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"];
            assert!(public.contains(&name.as_str()), "{name}");
        }
    }
    assert_eq!(jwks_json(&[]), r#"{"keys":[]}"#);
}

#[test]
fn a_key_prints_as_its_name() {
    assert_eq!(format!("{:?}", rsa()), format!("PrivateKey({})", rsa().kid()));
}
