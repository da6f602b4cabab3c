//! How notifications are believed: which proofs there are, and that one is needed.

use std::path::Path;

use super::super::fhir::tests::{
    HEAD, WEB, assert_faults, assert_server_faults, assert_warnings, lines, loaded, read,
};
use super::*;
use crate::settings::from_text;

const CLOSED: &str = "[http]\nlisten = \"127.0.0.1:8080\"\n";
const CERTIFICATES: &str = "[http]\ntls = { cert = \"a\", key = \"b\", client_ca = \"c\" }\n";
const SECTION: &str = "[fhir.server.notify]\n";

/// A secret long enough, of which nothing may be shown.
const LONG: &str = "hunter2-hunter2-hunter2";

#[test]
fn every_key_is_read() {
    let text = format!(
        "{CERTIFICATES}{HEAD}{SECTION}header = \"X-Mine\"\nsecret = \"{LONG}\"\n\
         secret_other = \"{LONG}-b\"\nhmac_header = \"X-Hub-Signature\"\nhmac_secret = \"{LONG}:c\"\n\
         hmac_secret_other = \"{LONG}-d\"\nuser = \"ehr\"\npassword = \"hunter2\"\n\
         jwks_url = \"https://a.example/jwks\"\naudience = \"us\"\nissuer = \"them/\"\n\
         client_cert_subjects = [\"CN=a\", \" CN=b, O=Owl \"]\npath_token = \"{LONG}\"\n\
         trust_full_resource = true\n"
    );
    let loaded = loaded(&text);
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let secret = |name: &str, secret: &str, other: &str| SecretHeader {
        name: name.to_owned(),
        secret: Secret::new(&format!("{LONG}{secret}")),
        other: Some(Secret::new(&format!("{LONG}{other}"))),
    };
    let expected = Notify {
        header: Some(secret("X-Mine", "", "-b")),
        hmac: Some(secret("X-Hub-Signature", ":c", "-d")),
        basic: Some(("ehr".to_owned(), Secret::new("hunter2"))),
        jwt: Some(TokenIssuer {
            jwks_url: "https://a.example/jwks".to_owned(),
            audience: "us".to_owned(),
            issuer: Some("them/".to_owned()),
        }),
        client_cert_subjects: vec!["CN=a".to_owned(), "CN=b, O=Owl".to_owned()],
        path_token: Some(Secret::new(LONG)),
        trust_full_resource: true,
    };
    assert_eq!(loaded.settings.fhir_servers[0].notify, Some(expected));
}

#[test]
fn headers_have_usual_names_and_resources_are_read_again() {
    let text = format!("{SECTION}secret = \"{LONG}\"\nhmac_secret = \"{LONG}\"\n");
    let notify = read(&text).notify.unwrap();
    let header = |name: &str| {
        Some(SecretHeader { name: name.to_owned(), secret: Secret::new(LONG), other: None })
    };
    let expected =
        Notify { header: header("X-Hook-Token"), hmac: header("X-Signature"), ..Notify::default() };
    assert_eq!(notify, expected);
    assert!(!notify.trust_full_resource);
}

#[test]
fn one_proof_is_needed_unless_only_this_machine_can_notify() {
    let subscribe = "subscribe = \"r4\"\n";
    let lacking = "notify: has no proof that a notification is from the server; write secret_file";
    assert_faults(&format!("{WEB}{HEAD}{subscribe}"), &[&format!("text:3: {lacking}")]);
    assert_faults(&format!("{WEB}{HEAD}{SECTION}"), &[&format!("text:6: {lacking}")]);
    let open = "[http]\nlisten = \"0.0.0.0:80\"\nallow_plaintext = true\n";
    assert_faults(&format!("{open}{HEAD}{SECTION}"), &[&format!("text:7: {lacking}")]);
    let near = HEAD.replace("https://ehr.example.org", "http://localhost");
    let text = format!("{CLOSED}{near}{subscribe}");
    assert_warnings(&text, &[&format!("text:3: {lacking}")]);
    let notify = loaded(&text).settings.fhir_servers.remove(0).notify;
    assert_eq!(notify, Some(Notify::default()), "they are taken nevertheless");
    assert_eq!(loaded(HEAD).settings.fhir_servers.remove(0).notify, None);
    let proofs = [
        format!("secret = \"{LONG}\"\n"),
        format!("hmac_secret = \"{LONG}\"\n"),
        format!("user = \"u\"\npassword = \"{LONG}\"\n"),
        "jwks_url = \"https://a.example\"\naudience = \"us\"\n".to_owned(),
        format!("path_token = \"{LONG}\"\n"),
    ];
    for proof in proofs {
        let text = format!("{WEB}{HEAD}{subscribe}{SECTION}{proof}");
        assert!(loaded(&text).settings.fhir_servers[0].notify.as_ref().unwrap().has_proof());
    }
    let text = format!("{CERTIFICATES}{HEAD}{SECTION}client_cert_subjects = [\"CN=a\"]\n");
    assert!(loaded(&text).settings.fhir_servers[0].notify.as_ref().unwrap().has_proof());
    let weak = format!("{WEB}{HEAD}{SECTION}path_token = \"{LONG}\"\n");
    assert_warnings(&weak, &["text:6: notify: is proved by its path only, which proxies log"]);
    let short = format!("{WEB}{HEAD}{SECTION}secret = \"short\"\n");
    assert_warnings(&short, &["text:7: notify.secret: has fewer than 16 characters"]);
}

#[test]
fn what_belongs_together_is_written_together() {
    let alone = [
        ("header = \"X-A\"", "secret: is missing; write secret_file with the path of a file"),
        ("secret_other = \"0123456789abcdef\"", "secret: is missing"),
        ("hmac_header = \"X-A\"", "hmac_secret: is missing; write hmac_secret_file"),
        ("hmac_secret_other = \"0123456789abcdef\"", "hmac_secret: is missing"),
        ("user = \"u\"", "password: is missing; write password_file"),
        ("password = \"p\"", "user: is missing; write the name of a user"),
        ("jwks_url = \"https://a.example\"", "audience: is missing; write for whom"),
        ("audience = \"us\"", "jwks_url: is missing; write the https address of the keys"),
        ("issuer = \"them\"", "jwks_url: is missing"),
    ];
    for (text, expected) in alone {
        assert_server_faults(
            &format!("{SECTION}{text}\n"),
            &[&format!("text:4: notify.{expected}")],
        );
    }
    let subjects = format!("{SECTION}client_cert_subjects = [\"CN=a\"]\n");
    let expected = "text:5: notify.client_cert_subjects: needs http.tls.client_ca";
    assert_server_faults(&subjects, &[expected]);
}

#[test]
fn nonsense_is_refused_without_a_secret() {
    let text = format!(
        "{CERTIFICATES}{HEAD}{SECTION}header = \"X A\"\nsecret = \"hunter2:{LONG}\"\n\
         secret_other = \"{LONG}:b\"\nhmac_header = \"\"\nhmac_secret = \"hunter2 b\"\n\
         hmac_secret_other_file = \"/nowhere/gone\"\nuser = \"a:b\"\npassword = 5\n\
         jwks_url = \"http://a.example\"\naudience = \"\"\nissuer = 5\n\
         client_cert_subjects = [\"\", \"a\\nb\", 5]\npath_token = \"hunter2\"\n\
         trust_full_resource = 1\nproof = \"none\"\n"
    );
    let found = lines(&from_text(&text, Path::new("")).unwrap_err());
    let expected = [
        "/nowhere/gone: notify.hmac_secret_other_file: cannot be read",
        "text:7: notify.header: \"X A\" is not right; write the name of a header",
        "text:8: notify.secret: holds a colon, at which servers cut it; choose another",
        "text:9: notify.secret_other: holds a colon",
        "text:10: notify.hmac_header: \"\" is not right",
        "text:11: notify.hmac_secret: is no secret",
        "text:13: notify.user: \"a:b\" is not right",
        "text:14: notify.password: is no text",
        "text:15: notify.jwks_url: \"http://a.example\" is not right; write an https address",
        "text:16: notify.audience: \"\" is not right",
        "text:17: notify.issuer: is a number",
        "text:18: notify.client_cert_subjects[0]: is no subject",
        "text:18: notify.client_cert_subjects[1]: is no subject",
        "text:18: notify.client_cert_subjects[2]: is a number",
        "text:19: notify.path_token: is not right; write 16 to 128 letters",
        "text:20: notify.trust_full_resource: is a number; write true or false",
        "text:21: notify.proof: there is no such setting",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nexpected {expected}");
    }
    assert!(!found.concat().contains("nter2"), "{found:#?}");
}
