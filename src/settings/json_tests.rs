//! Sources and destinations of JSON, and how what is wrong with them is told.

use std::path::Path;

use super::*;
use crate::settings::{Settings, from_text};

const SOURCE: &str = "[[json.source]]\nname = \"engine\"\n\
    flow_sid = \"FW00000000000000000000000000000001\"\n\
    account_sid = \"AC00000000000000000000000000000001\"\nauth_token = \"hunter2\"\n";
const DESTINATION: &str =
    "[[json.destination]]\nname = \"answers\"\nurl = \"https://engine.example.org/a?b=c\"\n";
const ROUTE: &str = "[[route]]\nsource = \"engine\"\ndestination = \"answers\"\n";

fn settings(text: &str) -> Settings {
    from_text(text, Path::new("/nowhere")).unwrap().settings
}

fn faults(text: &str) -> String {
    let faults = from_text(text, Path::new("/nowhere")).unwrap_err();
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn a_source_and_a_destination_are_joined_by_a_route() {
    let settings = settings(&format!("{SOURCE}{DESTINATION}{ROUTE}"));
    let source = &settings.json_sources[0];
    assert_eq!(source.auth_token.expose(), "hunter2");
    let destination = &settings.json_destinations[0];
    assert_eq!(destination.url, "https://engine.example.org/a?b=c");
    assert_eq!((&destination.auth, destination.timeout.as_secs()), (&CallbackAuth::None, 30));
    assert_eq!(settings.rules.routes[&source.name], destination.name);
    assert!(settings.rules.callbacks.contains(&destination.name));
}

#[test]
fn a_source_alone_hears_and_is_warned_of_its_missing_route() {
    let loaded = from_text(&format!("{SOURCE}{DESTINATION}"), Path::new("/nowhere")).unwrap();
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let warnings = warnings.join("\n");
    assert!(warnings.contains("there is none for engine"), "{warnings}");
    assert!(!warnings.contains("no message can come in"), "{warnings}");
}

#[test]
fn users_of_callbacks_have_a_password_or_a_token() {
    let with = |auth: &str| {
        settings(&format!("{DESTINATION}[json.destination.auth]\n{auth}")).json_destinations
    };
    let basic = with("kind = \"basic\"\nuser = \"appointd\"\npassword = \"hunter2\"\n");
    assert!(matches!(&basic[0].auth, CallbackAuth::Basic { user, .. } if user == "appointd"));
    let bearer = with("kind = \"bearer\"\ntoken = \"hunter2\"\n");
    assert!(matches!(&bearer[0].auth, CallbackAuth::Bearer { .. }));
    let faults = faults(&format!(
        "{DESTINATION}[json.destination.auth]\nkind = \"basic\"\nuser = \"a:b\"\ntoken = \"hunter2\"\n"
    ));
    for key in ["auth.user", "auth.password", "auth.token"] {
        assert!(faults.contains(&format!("json.destination[0].{key}")), "{key}\n{faults}");
    }
    assert!(!faults.contains("hunter2"), "{faults}");
}

#[test]
fn what_is_wrong_is_named() {
    let twice = SOURCE.replace("engine", "other");
    for (text, key) in [
        ("[[json.source]]\n".to_owned(), "json.source[0].name"),
        ("[[json.source]]\n".to_owned(), "json.source[0].flow_sid"),
        ("[[json.source]]\n".to_owned(), "json.source[0].account_sid"),
        ("[[json.source]]\n".to_owned(), "json.source[0].auth_token"),
        (SOURCE.replace("FW", "AC"), "json.source[0].flow_sid"),
        (format!("{SOURCE}api_key_sid = \"SK1\"\n"), "json.source[0].api_key_sid"),
        (format!("{SOURCE}{twice}"), "json.source[1].flow_sid"),
        (format!("{SOURCE}{SOURCE}"), "json.source[1].name"),
        (DESTINATION.replace("https", "http"), "json.destination[0].url"),
        (DESTINATION.replace("https://", ""), "json.destination[0].url"),
        (DESTINATION.replace("?b=c", "#f"), "json.destination[0].url"),
        (format!("{DESTINATION}timeout = \"1h\"\n"), "json.destination[0].timeout"),
        (format!("{DESTINATION}retries = 5\n"), "json.destination[0].retries"),
    ] {
        let faults = faults(&text);
        assert!(faults.contains(key), "{key}\n{faults}");
    }
    let plain = DESTINATION.replace("https", "http");
    assert_eq!(settings(&format!("{plain}allow_plaintext = true\n")).json_destinations.len(), 1);
    let here = plain.replace("engine.example.org", "127.0.0.1:9");
    assert_eq!(settings(&here).json_destinations.len(), 1);
}
