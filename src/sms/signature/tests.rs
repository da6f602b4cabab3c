use serde_json::Value;

use super::*;

const VECTORS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/twilio/twilio-signature-vectors.json");

const URL: &str = "https://clinic.example/twilio/inbound?x=a%2Fb";

fn keys() -> [Secret; 2] {
    [Secret::new("new-token"), Secret::new("old-token")]
}

fn form() -> Form {
    [("From", "+14155550123"), ("Body", " S\u{ed} \u{1f44d} 1+1 "), ("ToCity", "")]
        .into_iter()
        .collect()
}

fn check(url: &str, content: Content<'_>, signature: &str) -> Result<(), Error> {
    verify(Algorithm::HmacSha1, &keys(), url, content, Some(signature))
}

fn signed(url: &str, form: Option<&Form>) -> String {
    sign(Algorithm::HmacSha1, &keys()[0], url, form)
}

#[test]
fn the_published_example_is_met() {
    let form: Form = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ]
    .into_iter()
    .collect();
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let signature = sign(Algorithm::HmacSha1, &Secret::new("12345"), url, Some(&form));
    assert_eq!(signature, "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
}

#[test]
fn the_providers_own_signatures_are_met() {
    let Ok(vectors) = std::fs::read(VECTORS) else { return };
    let vectors: Value = serde_json::from_slice(&vectors).unwrap();
    for vector in vectors.as_array().unwrap() {
        let text = |field: &str| vector[field].as_str().unwrap();
        let algorithm = match text("algorithm") {
            "HMAC_SHA1" => Algorithm::HmacSha1,
            other => {
                assert_eq!(other, "HMAC_SHA256");
                Algorithm::HmacSha256
            }
        };
        let (form, key) = (vector_form(&vector["params"]), Secret::new(text("token")));
        let content = match vector["body"].as_str() {
            Some(body) => Content::Raw(body.as_bytes()),
            None => Content::Form(&form),
        };
        let (url, signature) = (text("url"), text("signature"));
        let outcome = verify(algorithm, std::slice::from_ref(&key), url, content, Some(signature));
        assert_eq!(outcome, Ok(()), "{}", text("name"));
        assert_eq!(sign(algorithm, &key, url, Some(&form)), signature, "{}", text("name"));
        let tampered = format!("{url}x");
        let outcome = verify(algorithm, &[key], &tampered, content, Some(signature));
        assert_eq!(outcome, Err(Error::Mismatch), "{}", text("name"));
    }
}

fn vector_form(params: &Value) -> Form {
    let mut pairs = Vec::new();
    for (name, value) in params.as_object().unwrap() {
        let values = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        pairs.extend(values.iter().map(|value| (name.clone(), value.as_str().unwrap())));
    }
    pairs.into_iter().collect()
}

#[test]
fn both_tokens_are_accepted_during_rotation() {
    for key in keys() {
        let signature = sign(Algorithm::HmacSha1, &key, URL, Some(&form()));
        assert_eq!(check(URL, Content::Form(&form()), &signature), Ok(()));
    }
}

#[test]
fn the_port_may_be_left_out_or_added() {
    let cases = [
        ("https://clinic.example:443/x", "https://clinic.example/x", true),
        ("https://clinic.example/x", "https://clinic.example:443/x", true),
        ("http://clinic.example/x", "http://clinic.example:80/x", true),
        ("https://clinic.example:8443/x", "https://clinic.example/x", true),
        ("https://clinic.example:8443?x", "https://clinic.example?x", true),
        ("https://u:p@clinic.example/x", "https://u:p@clinic.example:443/x", true),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x", true),
        ("https://clinic.example/x#rc=5", "https://clinic.example/x", true),
        ("https://clinic.example/x", "https://clinic.example:8443/x", false),
        ("https://clinic.example/x", "http://clinic.example/x", false),
        ("https://clinic.example/x", "https://clinic.example/x/", false),
        ("https://clinic.example/x?a=b%20c", "https://clinic.example/x?a=b+c", false),
        ("clinic.example", "https://clinic.example", false),
    ];
    for (seen, requested, is_right) in cases {
        let outcome = check(seen, Content::Form(&form()), &signed(requested, Some(&form())));
        assert_eq!(outcome.is_ok(), is_right, "{seen} {requested}");
    }
}

#[test]
fn any_alteration_is_noticed() {
    let signature = signed(URL, Some(&form()));
    let altered = [
        [("From", "+14155550124"), ("Body", " S\u{ed} \u{1f44d} 1+1 "), ("ToCity", "")]
            .into_iter()
            .collect(),
        [("From", "+14155550123"), ("Body", "S\u{ed} \u{1f44d} 1+1"), ("ToCity", "")]
            .into_iter()
            .collect(),
        [("From", "+14155550123"), ("Body", " S\u{ed} \u{1f44d} 1+1 ")]
            .into_iter()
            .collect::<Form>(),
        form().iter().chain([("Extra", "1")]).collect(),
        Form::default(),
    ];
    for form in altered {
        assert_eq!(check(URL, Content::Form(&form), &signature), Err(Error::Mismatch), "{form:?}");
    }
    for bad in ["x", "====", &signature.replace('=', ""), &signature.to_lowercase(), "\u{1f44d}"] {
        assert_eq!(check(URL, Content::Form(&form()), bad), Err(Error::Mismatch), "{bad}");
    }
}

#[test]
fn nothing_is_believed_without_signature_or_key() {
    let form = form();
    let content = Content::Form(&form);
    for missing in [None, Some("")] {
        let outcome = verify(Algorithm::HmacSha1, &keys(), URL, content, missing);
        assert_eq!(outcome, Err(Error::Missing));
    }
    let empty = Secret::new("");
    let signature = sign(Algorithm::HmacSha1, &empty, URL, Some(&form));
    for keys in [&[][..], &[empty]] {
        let outcome = verify(Algorithm::HmacSha1, keys, URL, content, Some(&signature));
        assert_eq!(outcome, Err(Error::Mismatch));
    }
}

#[test]
fn a_raw_body_counts_only_with_its_signed_hash() {
    let hashed = "https://clinic.example/e?a=1&bodySHA256=\
                  2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824";
    assert_eq!(check(hashed, Content::Raw(b"hello"), &signed(hashed, None)), Ok(()));
    assert_eq!(
        check(hashed, Content::Raw(b"hallo"), &signed(hashed, None)),
        Err(Error::BodyMismatch)
    );
    assert_eq!(check(URL, Content::Raw(b"hello"), &signed(URL, None)), Err(Error::BodyMismatch));
    assert_eq!(check(URL, Content::Raw(b""), &signed(URL, None)), Ok(()));
    let short = "https://clinic.example/e?bodySHA256=";
    assert_eq!(check(short, Content::Raw(b""), &signed(short, None)), Err(Error::BodyMismatch));
}
