//! Who a server is asked as: what each kind needs, and what it may not be told.

use std::fs;
use std::path::Path;

use super::super::fhir::tests::{HEAD, assert_server_faults, lines, read};
use super::*;
use crate::settings::{from_text, load};

fn auth(text: &str) -> Auth {
    read(&format!("[fhir.server.auth]\n{text}")).auth
}

/// The faults of `auth`, whose own lines begin with 5.
fn assert_auth_faults(text: &str, expected: &[&str]) {
    assert_server_faults(&format!("[fhir.server.auth]\n{text}"), expected);
}

#[test]
fn every_key_of_each_kind_is_read() {
    assert_eq!(auth("kind = \"none\"\n"), Auth::None);
    let password = Secret::new("hunter2");
    let basic = auth("kind = \"basic\"\nuser = \"owl clinic\"\npassword = \"hunter2\"\n");
    assert_eq!(basic, Auth::Basic { user: "owl clinic".to_owned(), password });
    let token = Secret::new("hunter2");
    assert_eq!(auth("kind = \"bearer\"\ntoken = \"hunter2\"\n"), Auth::Bearer { token });
    let client = "kind = \"client_credentials\"\nclient_id = \"owl\"\nclient_secret = \"hunter2\"\n\
                  token_url = \"https://a.example/token/\"\n";
    let expected = |scope: Option<&str>, style| Auth::ClientCredentials {
        client_id: "owl".to_owned(),
        client_secret: Secret::new("hunter2"),
        // The address is a claim of signed tokens: not even a slash may be lost.
        token_url: "https://a.example/token/".to_owned(),
        scope: scope.map(str::to_owned),
        style,
    };
    assert_eq!(auth(client), expected(None, SecretStyle::Basic));
    let rest = "scope = \"a b\"\nstyle = \"post\"\n";
    assert_eq!(auth(&format!("{client}{rest}")), expected(Some("a b"), SecretStyle::Post));
    let smart = "kind = \"smart_backend\"\nclient_id = \"owl\"\nkey_files = [\"a.pem\", \"/b.pem\"]\n\
                 scope = \"system/Appointment.rs\"\n";
    let expected = Auth::SmartBackend {
        client_id: "owl".to_owned(),
        key_files: vec!["/nowhere/a.pem".into(), "/b.pem".into()],
        token_url: None,
        scope: "system/Appointment.rs".to_owned(),
    };
    assert_eq!(auth(smart), expected);
}

#[test]
fn each_kind_needs_its_own() {
    assert_auth_faults(
        "kind = \"basic\"\n",
        &[
            "text:4: auth.password: is missing; write password_file with the path of a file that \
             holds it, or give the credential fhir_a_auth_password",
            "text:4: auth.user: is missing",
        ],
    );
    assert_auth_faults(
        "kind = \"bearer\"\n",
        &["text:4: auth.token: is missing; write token_file"],
    );
    assert_auth_faults(
        "kind = \"client_credentials\"\n",
        &[
            "text:4: auth.client_id: is missing",
            "text:4: auth.client_secret: is missing",
            "text:4: auth.token_url: is missing; write the https address that gives tokens",
        ],
    );
    assert_auth_faults(
        "kind = \"smart_backend\"\nkey_files = []\n",
        &[
            "text:4: auth.client_id: is missing",
            "text:4: auth.key_files: is missing; write the paths of private keys (PEM)",
            "text:4: auth.scope: is missing; write what the server has granted",
        ],
    );
}

#[test]
fn what_a_kind_does_not_use_is_a_fault() {
    let all = [
        ("user", "\"u\""),
        ("password", "\"p\""),
        ("password_file", "\"/nowhere/p\""),
        ("token", "\"t\""),
        ("token_file", "\"/nowhere/t\""),
        ("client_id", "\"c\""),
        ("client_secret", "\"s\""),
        ("client_secret_file", "\"/nowhere/s\""),
        ("token_url", "\"https://a.example\""),
        ("scope", "\"s\""),
        ("style", "\"basic\""),
        ("key_files", "[\"k\"]"),
    ];
    for (word, kind) in Kind::WORDS {
        let others = all.iter().filter(|(key, _)| !kind.keys().contains(key));
        for (key, value) in others {
            let text = format!("{HEAD}[fhir.server.auth]\nkind = \"{word}\"\n{key} = {value}\n");
            let found = lines(&from_text(&text, Path::new("")).unwrap_err());
            let expected =
                format!("text:6: auth.{key}: is not used by kind = \"{word}\"; remove it");
            assert!(found.iter().any(|line| line.starts_with(&expected)), "{found:#?}");
            assert!(!found.concat().contains("cannot be read"), "{found:#?}");
        }
    }
    assert_auth_faults(
        "token = \"t\"\n",
        &["text:5: auth.token: is not used by kind = \"none\"; remove it, or write another kind"],
    );
    // Of a wrong word it is not known what it uses.
    let wrong = "kind = \"ntlm\"\nuser = \"u\"\ntoken = \"t\"\nkey_files = 5\n";
    assert_auth_faults(wrong, &["text:5: auth.kind: \"ntlm\" is not right; write one of \"none\""]);
}

#[test]
fn nonsense_is_refused_without_a_secret() {
    let found = |text: &str| {
        let text = format!("{HEAD}[fhir.server.auth]\n{text}");
        let found = lines(&from_text(&text, Path::new("")).unwrap_err());
        assert!(!found.concat().contains("nter2"), "{found:#?}");
        found.into_iter().map(|line| line.split(';').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        found("kind = \"basic\"\nuser = \"a:b\"\npassword = \"hunter2 hunter2\"\n"),
        [
            "text:6: auth.user: \"a:b\" is not right",
            "text:7: auth.password: is no secret: one line of 1 to 4096 characters without blanks",
        ]
    );
    let client = "kind = \"client_credentials\"\nclient_id = \"a\\nb\"\nclient_secret = 5\n\
                  token_url = \"http://a.example/token\"\nstyle = \"jwt\"\n";
    assert_eq!(
        found(client),
        [
            "text:6: auth.client_id: \"a\\nb\" is not right",
            "text:7: auth.client_secret: is no text",
            "text:8: auth.token_url: \"http://a.example/token\" is not right",
            "text:9: auth.style: \"jwt\" is not right",
        ]
    );
    let smart =
        "kind = \"smart_backend\"\nclient_id = \"a\"\nscope = \"s\"\nkey_files = [\" \", 5]\n";
    assert_eq!(
        found(smart),
        ["text:8: auth.key_files[0]: is no path", "text:8: auth.key_files[1]: is a number",]
    );
    let keys = "\"k\",".repeat(9);
    let many = format!(
        "kind = \"smart_backend\"\nclient_id = \"a\"\nscope = \"s\"\nkey_files = [{keys}]\n"
    );
    assert_eq!(found(&many), ["text:8: auth.key_files: has more than 8 keys"]);
}

#[test]
fn secrets_come_from_credentials_files_and_the_settings_in_this_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("appointd.toml");
    let kinds = [
        ("basic", "user = \"u\"\n", "password"),
        ("bearer", "", "token"),
        ("client_credentials", "client_id = \"c\"\ntoken_url = \"https://t\"\n", "client_secret"),
    ];
    for (kind, rest, key) in kinds {
        let read = |credentials: Option<&Path>| {
            let settings = load(&path, std::iter::empty(), credentials).unwrap().settings;
            match settings.fhir_servers.into_iter().next().unwrap().auth {
                Auth::Basic { password: secret, .. }
                | Auth::Bearer { token: secret }
                | Auth::ClientCredentials { client_secret: secret, .. } => {
                    secret.expose().to_owned()
                }
                Auth::None | Auth::SmartBackend { .. } => String::new(),
            }
        };
        let auth = format!("{HEAD}[fhir.server.auth]\nkind = {kind:?}\n{rest}");
        fs::write(&path, format!("{auth}{key} = \"literal\"\n")).unwrap();
        assert_eq!(read(None), "literal");
        fs::write(dir.path().join("file"), "from-file\n").unwrap();
        fs::write(&path, format!("{auth}{key} = \"literal\"\n{key}_file = \"file\"\n")).unwrap();
        assert_eq!(read(None), "from-file");
        fs::write(dir.path().join(format!("fhir_a_auth_{key}")), "from-systemd\n").unwrap();
        assert_eq!(read(Some(dir.path())), "from-systemd");
        fs::write(&path, &auth).unwrap();
        assert_eq!(read(Some(dir.path())), "from-systemd");
    }
}
