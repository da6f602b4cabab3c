//! Who may ask, and how a client gets a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PublicKeyData as _};
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;

use super::super::jwt::Assertion;
use super::*;

/// An assertion made for this test by a key that was then thrown away, and that key's public half.
const RS384: &str = "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6Im1hZGUtZm9yLXRoaXMtdGVzdCJ9.\
eyJpc3MiOiJvd2wiLCJzdWIiOiJvd2wiLCJhdWQiOiJodHRwOi8vMTI3LjAuMC4xL3Rva2VuIiwianRpIjoiMSIsImV4cCI6\
MTc5NjExNTYwMH0.oDEaj7KXTrzLJZgp4nvCutHez7hOIwnUmMc9mtOV6wY1F1bb_AztbW5k8Ormyknlo_YJy3zEb7k98SZd\
WmOSsYV-NlzYwImLs2g0_AVh604sv4J-98PMT5emxER4ujk87oeApjmcq5nFtH128LyRQyrHosCZMixw_k0OAXz6XD4A3MDi\
Bg61cjfdqZx-i6_U762cErecr1gqJOzUeNuK_85kET7BikScK5m7W_qYXF4vh97e9-i56q1LvBPE0WeTqNHeKqinRqgBsMaN\
eu-0EAPwado9nzYCLhNwiGrCaAnvA_O4y3ZaxKnP01eW1wC6UqEEcZuRBw11dUB45o4ceg";
const MODULUS: &str = "uRyZqEZ6jHTk80GI_nDsLo243Xku9uz35C38dh3dUHQfwTM9ME0I2TU1irMJlkbn3rLxorK_bsPo\
YepoJTP1ZPtjH2RCw7Iwq4cGO6kByxSDEYmF-o3fe0ndzqxnKELe59e3fwjS_KgJ7py7ZvQBmiz_qB8z-PmidlFhIdJGjl4c\
PYa9_W3NDu1_LBgyoCZSit1hW5qqK6FkHc17XmXkyV_LyVwIdHxa2ACZFbBO_Rb0AJnMOvRxfosgTd1qzaJzy78-7sHuHo8J\
OKLgHOSJf_KPkixzS6Oc3p3B5EbzjmC8dAZpivxdY_wcHKuS-tKynoEzZi_pY3T97nwp1AiQmQ";

#[test]
fn a_signature_by_rs384_is_checked() {
    let keys = |modulus: &str, kid: &str| json!({ "keys": [{ "kty": "RSA", "kid": kid, "n": modulus, "e": "AQAB" }] });
    let right = keys(MODULUS, "made-for-this-test");
    let assertion = Assertion::read(RS384).unwrap();
    assert_eq!(assertion.verify(&right), Ok(()));
    assert_eq!(
        (assertion.claim("iss").as_str(), assertion.expires()),
        ("owl", Some(1_796_115_600))
    );
    assert!(assertion.verify(&keys(MODULUS, "other")).is_err());
    assert!(
        assertion.verify(&keys(&MODULUS.replace("uRyZ", "uRyY"), "made-for-this-test")).is_err()
    );
    let (signed, signature) = RS384.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let claims = URL_SAFE_NO_PAD.encode("{\"iss\":\"somebody\"}");
    let changed = format!("{header}.{claims}.{signature}");
    assert!(Assertion::read(&changed).unwrap().verify(&right).is_err());
    for bad in ["", "a.b", "a.b.c", &format!("e30.e30.{signature}"), &"x".repeat(20_000)] {
        assert!(Assertion::read(bad).is_err(), "{bad}");
    }
    let none = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"));
    assert!(Assertion::read(&none).is_err());
}

/// A client's key, and how it is shown.
struct Signer {
    key: Arc<dyn rustls::sign::SigningKey>,
    jwks: Value,
}

impl Signer {
    fn new() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let point = pair.der_bytes();
        let (x, y) = point[1..].split_at(48);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        let key = json!({ "kty": "EC", "crv": "P-384", "kid": "one", "x": x, "y": y });
        let der = PrivateKeyDer::try_from(pair.serialize_der()).unwrap();
        let key_of = rustls::crypto::ring::sign::any_ecdsa_type(&der).unwrap();
        Self { key: key_of, jwks: json!({ "keys": [key] }) }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES384", "typ": "JWT", "kid": "one" });
        let [header, claims] =
            [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let scheme = [SignatureScheme::ECDSA_NISTP384_SHA384];
        let der = self.key.choose_scheme(&scheme).unwrap().sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(halves(&der)))
    }
}

/// The two numbers of a DER signature, 48 bytes each.
fn halves(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut all = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        rest = after;
        let number = if number[0] == 0 { &number[1..] } else { number };
        all.extend(std::iter::repeat_n(0, 48 - number.len()));
        all.extend_from_slice(number);
    }
    all
}

fn clients(proof: Proof) -> Access {
    Access::Clients(vec![Client { id: "owl".to_owned(), proof }])
}

/// What a client that does everything right asserts.
fn claims(bench: &Bench, jti: &str) -> Value {
    let now = bench.clock.now().timestamp();
    json!({ "iss": "owl", "sub": "owl", "aud": bench.server.token_url(), "jti": jti, "exp": now + 240 })
}

async fn ask(bench: &Bench, form: &[(&str, &str)], basic: Option<(&str, &str)>) -> Answered {
    let mut request = bench.http.post(bench.server.token_url()).form(form);
    if let Some((user, password)) = basic {
        request = request.basic_auth(user, Some(password));
    }
    answered(request.send().await.unwrap()).await
}

async fn assert(bench: &Bench, assertion: &str) -> Answered {
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "system/Appointment.cruds"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    ask(bench, &form, None).await
}

async fn read_with(bench: &Bench, token: &str) -> u16 {
    let given = format!("Bearer {token}");
    let headers = [("authorization", given.as_str())];
    bench.ask(Method::GET, "Appointment/visit-1", &headers, None).await.status
}

#[tokio::test]
async fn a_password_or_a_token_can_be_needed() {
    let access = Access::Basic { user: "owl".to_owned(), password: "hoot".to_owned() };
    let bench = Bench::start_with(|options| options.access = access).await;
    let get = async |password: &str| {
        let request = bench.http.get(bench.url("Appointment/visit-1"));
        request.basic_auth("owl", Some(password)).send().await.unwrap().status().as_u16()
    };
    assert_eq!((get("hoot").await, get("no").await), (200, 401));
    let refused = bench.get("Appointment/visit-1").await;
    assert_eq!((refused.status, refused.at("/issue/0/code")), (401, &json!("login")));
    assert!(refused.header("www-authenticate").starts_with("Basic"));
    assert_eq!(bench.get("metadata").await.status, 200, "that is for everybody");
    let bench = Bench::start_with(|options| options.access = Access::Bearer("t".to_owned())).await;
    assert_eq!((read_with(&bench, "t").await, read_with(&bench, "u").await), (200, 401));
}

#[tokio::test]
async fn a_secret_is_good_for_a_token_for_a_while() {
    let bench = Bench::start_with(|options| {
        options.access = clients(Proof::Secret("hoot".to_owned()));
    })
    .await;
    let grant = ("grant_type", "client_credentials");
    let by_header = ask(&bench, &[grant], Some(("owl", "hoot"))).await;
    let posted = [grant, ("client_id", "owl"), ("client_secret", "hoot")];
    let by_form = ask(&bench, &posted, None).await;
    for granted in [&by_header, &by_form] {
        assert_eq!((granted.status, granted.at("/expires_in")), (200, &json!(300)));
        assert_eq!(
            (granted.at("/token_type"), granted.header("cache-control")),
            (&json!("bearer"), "no-store")
        );
        assert_eq!(read_with(&bench, granted.at("/access_token").as_str().unwrap()).await, 200);
    }
    let first = by_header.at("/access_token").as_str().unwrap();
    assert_ne!(by_form.at("/access_token"), first);
    bench.clock.advance(TimeDelta::seconds(301));
    assert_eq!(read_with(&bench, first).await, 401);
    let token = ask(&bench, &posted, None).await.at("/access_token").as_str().unwrap().to_owned();
    assert_eq!(read_with(&bench, &token).await, 200);
    bench.server.revoke_tokens();
    assert_eq!(read_with(&bench, &token).await, 401);
    for (form, basic, status, error) in [
        (&[grant][..], Some(("owl", "no")), 401, "invalid_client"),
        (&[grant], Some(("nobody", "hoot")), 401, "invalid_client"),
        (&[grant], None, 401, "invalid_client"),
        (&[("grant_type", "password")], Some(("owl", "hoot")), 400, "unsupported_grant_type"),
    ] {
        let refused = ask(&bench, form, basic).await;
        assert_eq!((refused.status, refused.at("/error")), (status, &json!(error)));
    }
    let plain = bench.http.post(bench.server.token_url()).body("{}").send().await.unwrap();
    assert_eq!(plain.status(), 400);
}

#[tokio::test]
async fn an_assertion_is_looked_at_closely() {
    let signer = Signer::new();
    let keys = Proof::Keys(signer.jwks.clone());
    let bench = Bench::start_with(|options| options.access = clients(keys)).await;
    let granted = assert(&bench, &signer.sign(&claims(&bench, "a"))).await;
    assert_eq!((granted.status, granted.at("/scope")), (200, &json!("system/Appointment.cruds")));
    assert_eq!(read_with(&bench, granted.at("/access_token").as_str().unwrap()).await, 200);
    let now = bench.clock.now().timestamp();
    for (name, value) in [
        ("jti", json!("a")),
        ("jti", json!("")),
        ("iss", json!("nobody")),
        ("sub", json!("somebody")),
        ("aud", json!(bench.server.base_url())),
        ("exp", json!(now - 60)),
        ("exp", json!(now + 3600)),
        ("exp", json!("soon")),
    ] {
        let mut claims = claims(&bench, "b");
        claims[name] = value;
        let refused = assert(&bench, &signer.sign(&claims)).await;
        assert_eq!(
            (refused.status, refused.at("/error")),
            (401, &json!("invalid_client")),
            "{name}"
        );
    }
    let stranger = assert(&bench, &Signer::new().sign(&claims(&bench, "c"))).await;
    assert_eq!(stranger.at("/error_description"), "the signature is not the client's");
    let form = [("grant_type", "client_credentials"), ("client_assertion", "x")];
    assert_eq!(ask(&bench, &form, None).await.status, 401);
    let assertion = signer.sign(&claims(&bench, "d"));
    let form = [
        form[0],
        ("client_assertion", assertion.as_str()),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    ];
    let refused = ask(&bench, &form, None).await;
    assert_eq!((refused.status, refused.at("/error")), (400, &json!("invalid_scope")));
    let bench = Bench::start_with(|options| options.access = clients(Proof::Shape)).await;
    let anybody = Signer::new().sign(&claims(&bench, "a"));
    assert_eq!(assert(&bench, &anybody).await.status, 200, "whoever signed it");
}

#[tokio::test]
async fn keys_are_fetched_from_where_the_client_shows_them() {
    let signer = Signer::new();
    let tasks = Tasks::new();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", socket.local_addr().unwrap());
    let jwks = signer.jwks.clone();
    let router = Router::new()
        .route("/jwks.json", axum::routing::get(move || async move { axum::Json(jwks.clone()) }));
    tasks.spawn(async move { axum::serve(socket, router).await.unwrap() });
    let proof = Proof::KeysAt(url.clone());
    let bench = Bench::start_with(|options| options.access = clients(proof)).await;
    assert_eq!(assert(&bench, &signer.sign(&claims(&bench, "a"))).await.status, 200);
    let stranger = Signer::new();
    assert_eq!(assert(&bench, &stranger.sign(&claims(&bench, "b"))).await.status, 401);
    let proof = Proof::KeysAt(format!("{url}.missing"));
    let bench = Bench::start_with(|options| options.access = clients(proof)).await;
    let refused = assert(&bench, &signer.sign(&claims(&bench, "a"))).await;
    assert_eq!(refused.at("/error_description"), "the keys cannot be had");
}

#[tokio::test]
async fn the_token_endpoint_is_told() {
    let bench = Bench::start().await;
    let told = bench.get(".well-known/smart-configuration").await;
    assert_eq!(told.at("/token_endpoint"), bench.server.token_url().as_str());
    assert!(told.text.contains("RS384") && told.text.contains("ES384"));
    let bench = Bench::start_with(|options| {
        options.public_url = Some("https://ehr.owl-clinic.example/".to_owned());
    })
    .await;
    assert_eq!(bench.server.base_url(), "https://ehr.owl-clinic.example/fhir");
    assert_eq!(bench.server.token_url(), "https://ehr.owl-clinic.example/token");
}
