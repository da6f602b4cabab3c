//! Settings: the shipped file and the reader agree, every fault is found in one run, and nothing
//! that anyone writes into a file makes the reading panic.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use appointd::settings::{Backend, Engine, Fault, Loaded, Settings, from_text, load};
use chrono::TimeDelta;
use tempfile::TempDir;

const SHIPPED: &str = include_str!("../conf/appointd.toml");

/// The text with every example taken in.
fn uncommented(text: &str) -> String {
    let is_example =
        |line: &str| line.strip_prefix('#').is_some_and(|rest| !rest.starts_with([' ', '#']));
    let line = |line: &str| {
        let bare = line.strip_prefix('#').filter(|_| is_example(line));
        bare.unwrap_or(line).to_owned()
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A folder with the settings, and files for the secrets and languages that they name.
fn folder(text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "appointd.toml", text);
    for secret in
        SHIPPED.split("_file = \"secrets/").skip(1).filter_map(|rest| rest.split('"').next())
    {
        write(dir.path(), &format!("secrets/{secret}"), format!("from-{secret}\n"));
    }
    write(dir.path(), "texts/en.toml", include_str!("../conf/texts/en.toml"));
    write(dir.path(), "replies/en.toml", include_str!("../conf/replies/en.toml"));
    let flow = include_str!("../conf/flows/new-member-welcome.json");
    write(dir.path(), "flows/new-member-welcome.json", flow);
    dir
}

fn write(dir: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn load_dir(dir: &TempDir, env: &[(&str, &str)]) -> Result<Loaded, Vec<Fault>> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(&dir.path().join("appointd.toml"), env, None)
}

fn read(text: &str) -> Result<Loaded, Vec<Fault>> {
    from_text(text, Path::new("/nowhere"))
}

fn lines(faults: Result<Loaded, Vec<Fault>>) -> Vec<String> {
    faults.expect_err("faults").iter().map(ToString::to_string).collect()
}

/// Asserts that exactly these faults are found: the beginning of each line, in order.
fn assert_faults(text: &str, expected: &[&str]) {
    let found = lines(read(text));
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nexpected {expected}");
    }
}

#[test]
fn the_shipped_file_loads_as_it_is() {
    let dir = folder(SHIPPED);
    let loaded = load_dir(&dir, &[]).unwrap();
    let settings = loaded.settings;
    assert_eq!(settings.listeners.len(), 1);
    assert_eq!(settings.listeners[0].name.as_str(), "main-ehr");
    assert_eq!(settings.listeners[0].listen, "127.0.0.1:2575".parse().unwrap());
    assert_eq!(settings.sms.backend, Backend::File("/var/lib/appointd/sms.jsonl".into()));
    assert!(settings.twilio.is_none() && settings.destinations.is_empty());
    let warnings: Vec<&str> = loaded.warnings.iter().map(|w| w.key.as_str()).collect();
    assert_eq!(warnings, ["sms.backend"]);
}

#[test]
fn the_shipped_file_loads_with_every_example_taken_in() {
    // A destination beyond this machine with TLS, and Twilio's settings, are all in it.
    let dir = folder(&uncommented(SHIPPED));
    let loaded = load_dir(&dir, &[]).unwrap();
    let twilio = loaded.settings.twilio.unwrap();
    assert_eq!(twilio.auth_token.expose(), "from-twilio_auth_token", "the file counts");
    assert_eq!(loaded.settings.destinations.len(), 1);
    let routes: Vec<String> =
        loaded.settings.rules.routes.iter().map(|(from, to)| format!("{from} {to}")).collect();
    let expected = ["athena main-ehr-back", "azure azure", "backport backport", "canvas canvas"];
    assert_eq!(routes[..4], expected);
    assert_eq!(routes[4..], ["main-ehr main-ehr-back", "medplum medplum", "millennium millennium"]);
    assert_eq!(loaded.settings.fhir_servers.len(), 7);
}

#[test]
fn the_shipped_file_works_with_twilio() {
    let text = uncommented(SHIPPED).replace("backend = \"file\"", "backend = \"twilio\"");
    assert_eq!(load_dir(&folder(&text), &[]).unwrap().settings.sms.backend, Backend::Twilio);
}

#[test]
fn every_setting_stands_in_the_shipped_file_and_nothing_else_does() {
    let text = uncommented(SHIPPED);
    let known = load_dir(&folder(&text), &[]).unwrap().keys;
    let mut written = BTreeSet::new();
    keys("", &text.parse::<toml::Table>().unwrap(), &mut written);
    // Below `set`, keys are positions in messages, below `headers` names of headers, below
    // `error_codes` Twilio's codes.
    let is_fixed = |key: &String| {
        !key.starts_with("hl7.destination.set.")
            && !key.starts_with("fhir.server.headers.")
            && !key.starts_with("json.destination.headers.")
            && !key.starts_with("twilio.error_codes.")
    };
    written.retain(is_fixed);
    let known: BTreeSet<String> = known.into_iter().filter(is_fixed).collect();
    assert_eq!(known.difference(&written).collect::<Vec<_>>(), Vec::<&String>::new(), "unwritten");
    assert_eq!(written.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "unknown");
}

fn keys(path: &str, table: &toml::Table, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let inner = match value {
            toml::Value::Table(table) => vec![table],
            toml::Value::Array(list) => list.iter().filter_map(|item| item.as_table()).collect(),
            _ => Vec::new(),
        };
        for table in inner {
            keys(&key, table, found);
        }
        found.insert(key);
    }
}

#[test]
fn what_stands_in_the_shipped_file_as_default_is_the_default() {
    let as_shipped = printed(&read(SHIPPED).unwrap().settings);
    let shipped: Vec<&str> = SHIPPED.lines().collect();
    let (mut comment, mut is_live, mut checked) = (String::new(), true, 0);
    for (index, line) in shipped.iter().enumerate() {
        if line.starts_with('[') || line.starts_with("#[") {
            is_live = line.starts_with('[');
        }
        if line.is_empty() || !line.starts_with('#') {
            comment.clear();
        } else if line.starts_with("# ") || *line == "#" {
            let is_after_key = index > 0 && !shipped[index - 1].starts_with("# ");
            comment = if is_after_key { (*line).to_owned() } else { format!("{comment} {line}") };
        } else if is_live && !line.starts_with("#[") {
            let is_example = ["None", "Empty: all are", "better in", "Files, or", "by default"];
            let is_example =
                is_example.iter().any(|words| comment.contains(words)) && !line.ends_with("[]");
            if !is_example {
                let mut lines = shipped.clone();
                lines[index] = line.trim_start_matches('#');
                let changed = printed(&read(&lines.join("\n")).unwrap().settings);
                assert!(changed == as_shipped, "{line} is not the default");
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "{checked}");
}

/// All but the texts, whose templates print in any order.
fn printed(settings: &Settings) -> String {
    let Settings { rules, store, http, listeners, destinations, sms, twilio, .. } = settings;
    let rules = (
        (&rules.practice, &rules.locations, &rules.reminders, &rules.notifications),
        (&rules.replies, &rules.delivery, &rules.routes),
    );
    let rest = (&settings.mappings, settings.log, &settings.metrics, settings.shutdown_grace);
    let ends = (listeners, destinations, &settings.fhir_servers);
    format!("{rules:?}{:?}{rest:?}", (store, http, ends, sms, twilio))
}

#[test]
fn an_empty_file_is_a_daemon_that_hears_nothing() {
    let loaded = read("").unwrap();
    assert!(loaded.settings.listeners.is_empty());
    assert_eq!(loaded.warnings[0].key, "hl7.listener");
    let reminders = &loaded.settings.rules.reminders;
    assert_eq!(reminders.offsets, [TimeDelta::hours(48), TimeDelta::hours(24)]);
    assert_eq!(loaded.settings.rules.notifications.enabled.len(), 6);
}

#[test]
fn the_built_in_settings_need_no_file_and_take_any_port() {
    let settings = Settings::builtin().unwrap();
    assert_eq!((settings.http.listen.port(), settings.listeners[0].listen.port()), (0, 0));
    assert_eq!((settings.sms.backend, settings.store.engine), (Backend::Memory, Engine::Memory));
}

#[test]
fn faults_of_all_kinds_are_found_in_one_run() {
    let text = r#"
[practice]
callback_phone = 5
time_zone = "Mars/Olympus"
[http]
lisen = "127.0.0.1:80"
public_url = "ftp://x"
[reminders]
offsets = ["48h", "soon", 5]
per_patient_per_day = 1000
window = { start = "20:00", finish = "0900" }
[sms]
backend = "twilio"
allow_only = ["555"]
[[hl7.listener]]
listen = "0.0.0.0:2575"
charset = "EBCDIC"
allow = ["10.0.0.1/8"]
[[hl7.listener]]
name = "main ehr"
listen = "127.0.0.1:2575"
frame_timeout = 30
ack_mode = "maybe"
[[route]]
source = "nobody"
[[locations]]
name = "Owl Clinic"
[console]
[nonsense]
"#;
    let expected = [
        "text: practice.name: is missing; write the name that patients know",
        "text: twilio: is missing; sms.backend needs",
        "text:3: practice.callback_phone: is a number; write the number to call",
        "text:4: practice.time_zone: \"Mars/Olympus\" is not right; write an IANA name",
        "text:6: http.lisen: there is no such setting; did you mean listen?",
        "text:7: http.public_url: \"ftp://x\" is not right; write an address",
        "text:9: reminders.offsets[1]: is no length of time",
        "text:9: reminders.offsets[2]: is a number; write texts",
        "text:10: reminders.per_patient_per_day: is 1000; write a number from 0 to 20",
        "text:11: reminders.window.finish: is not after start",
        "text:14: sms.allow_only[0]: phone number has fewer than 7 digits; write a number",
        "text:15: hl7.listener[0].name: is missing; write 1 to 64",
        "text:16: hl7.listener[0].allow_plaintext: patient data would cross",
        "text:17: hl7.listener[0].charset: \"EBCDIC\" is not right; write a name of HL7 table",
        "text:18: hl7.listener[0].allow[0]: is no network",
        "text:20: hl7.listener[1].name: \"main ehr\" is not right; write 1 to 64",
        "text:21: hl7.listener[1].listen: port 2575 is used by hl7.listener[0].listen too",
        "text:22: hl7.listener[1].frame_timeout: is a number; write a number and ms",
        "text:23: hl7.listener[1].ack_mode: \"maybe\" is not right; write one of \"auto\"",
        "text:24: route[0].destination: is missing",
        "text:25: route[0].source: \"nobody\" is not right",
        "text:26: locations[0].code: is missing",
        "text:28: console: is not supported by this version",
        "text:29: nonsense: there is no such setting; remove it",
    ];
    assert_faults(text, &expected);
}

#[test]
fn several_slips_of_syntax_are_told_with_their_lines() {
    let found = lines(read("[http\nlisten = \n[log]\nlevel = \"loud\"\nformat = 'x\n"));
    assert!(found.iter().filter(|line| line.contains("is no TOML")).count() >= 2, "{found:#?}");
    assert!(!found.iter().any(|line| line.contains("is missing")), "{found:#?}");
}

#[test]
fn names_ports_codes_and_routes_are_unique() {
    let listener = "[[hl7.listener]]\nname = \"a\"\nlisten = \"127.0.0.1:0\"\n";
    assert_faults(
        &listener.repeat(2),
        &["text:5: hl7.listener[1].name: \"a\" is the name of hl7.listener[0] too"],
    );
    let location = "[[locations]]\ncode = \"A\"\n";
    assert_faults(&location.repeat(2), &["text:4: locations[1].code: is the code of another"]);
    let route = "[[route]]\nsource = \"a\"\ndestination = \"b\"\n";
    let destination = "[[hl7.destination]]\nname = \"b\"\naddress = \"localhost:1\"\n";
    let text = format!("{listener}{destination}{}", route.repeat(2));
    assert_faults(&text, &["text:11: route[1].source: has another route"]);
    // A slip in a listener does not make its routes wrong too.
    let broken = text.replace("127.0.0.1:0", "nowhere").replace(&route.repeat(2), route);
    assert_faults(&broken, &["text:3: hl7.listener[0].listen: \"nowhere\" is not right"]);
    assert_faults(
        "[http]\nlisten = \"[::]:99\"\nallow_plaintext = true\n[[hl7.listener]]\nname = \"a\"\nlisten = \"127.0.0.1:99\"",
        &["text:6: hl7.listener[0].listen: port 99 is used by http.listen too"],
    );
}

#[test]
fn patient_data_crosses_a_network_in_plain_text_only_if_told_so() {
    let server = "listen = \"0.0.0.0:1\"\n";
    let text = format!(
        "[http]\n{server}[[hl7.listener]]\nname = \"a\"\nlisten = \"0.0.0.0:2\"\n\
         [[hl7.destination]]\nname = \"b\"\naddress = \"ehr.example.org:1\"\n"
    );
    assert_faults(
        &text,
        &[
            "text:2: http.allow_plaintext",
            "text:5: hl7.listener[0].allow_plaintext",
            "text:8: hl7.destination[0].allow_plaintext",
        ],
    );
    let tls = "tls = { cert = \"a.crt\", key = \"a.key\" }\n";
    let secured = text.replace(server, &format!("{server}{tls}"));
    let secured = secured.replace("\"0.0.0.0:2\"\n", &format!("\"0.0.0.0:2\"\n{tls}"));
    let loaded = read(&format!("{secured}tls = {{ ca = \"b.crt\" }}\n")).unwrap();
    assert!(loaded.warnings.iter().any(|w| w.problem.starts_with("lets anyone in")));
    assert_eq!(loaded.settings.http.tls.unwrap().cert, Path::new("/nowhere/a.crt"));
}

#[test]
fn the_environment_overrules_files_and_conf_d_adds_listeners() {
    let dir = folder(
        "[log]\nlevel = \"warn\"\n[[hl7.listener]]\nname = \"a\"\nlisten = \"127.0.0.1:0\"\n",
    );
    write(dir.path(), "conf.d/20.toml", "[log]\nlevel = \"debug\"\nformat = \"json\"\n");
    write(
        dir.path(),
        "conf.d/10.toml",
        "[log]\nlevel = \"error\"\n[[hl7.listener]]\nname = \"b\"\nlisten = \"127.0.0.1:0\"\n",
    );
    write(dir.path(), "conf.d/notes.txt", "not read");
    let settings = load_dir(&dir, &[]).unwrap().settings;
    assert_eq!((settings.log.level.name(), settings.listeners.len()), ("debug", 2));
    let env = [
        ("APPOINTD__LOG__LEVEL", "trace"),
        ("APPOINTD__HL7__LISTENER__1__CHARSET", "8859/1"),
        ("APPOINTD__HL7__LISTENER__1__ACCEPT_BARE_MSH", "true"),
        ("APPOINTD__HL7__LISTENER__1__CONNECTIONS_MAX", "7"),
        ("APPOINTD__REMINDERS__OFFSETS", "2400, 4800,0000"),
        ("APPOINTD__SMS__SEGMENTS_PER_SECOND", "3.75"),
        ("HOME", "/root"),
    ];
    let settings = load_dir(&dir, &env).unwrap().settings;
    assert_eq!(settings.log.level.name(), "trace");
    let listener = &settings.listeners[1];
    assert_eq!(listener.charset.as_deref(), Some("8859/1"));
    assert!(listener.accept_bare_msh && listener.limits.connections_max == 7);
    assert_eq!(settings.rules.reminders.offsets, [TimeDelta::hours(48), TimeDelta::hours(24)]);
}

#[test]
fn hostile_variables_are_faults() {
    let dir = folder("");
    let deep = format!("APPOINTD__{}", "A__".repeat(10_000));
    let env = [
        ("APPOINTD__HL7__LISTENER__99999999999__NAME", "x"),
        ("APPOINTD__LOG__LEVEL__X", "x"),
        ("APPOINTD__STORE", "x"),
        ("APPOINTD__A[9999999999]", "x"),
        ("APPOINTD__", ""),
        (deep.as_str(), "x"),
    ];
    let found = lines(load_dir(&dir, &env));
    assert!(found.len() >= 5, "{found:#?}");
    assert!(
        found.iter().any(|line| line.starts_with("environment APPOINTD__STORE: store: is a text"))
    );
}

#[test]
fn secrets_come_from_credentials_first_and_are_never_printed() {
    let text = "[twilio]\naccount_sid = \"AC00000000000000000000000000000000\"\nfrom = \"+12025550100\"\n\
                auth_token = \"literal-hunter2\"\n";
    let dir = folder(text);
    let loaded = load_dir(&dir, &[]).unwrap();
    assert!(loaded.warnings.iter().any(|w| w.key == "twilio.auth_token"));
    let printed = format!("{loaded:?}{:?}", loaded.warnings);
    assert!(!printed.contains("hunter2"));
    assert_eq!(loaded.settings.twilio.unwrap().auth_token.expose(), "literal-hunter2");
    write(dir.path(), "credentials/twilio_auth_token", "from-systemd\n");
    let path = dir.path().join("appointd.toml");
    let loaded = load(&path, std::iter::empty(), Some(&dir.path().join("credentials"))).unwrap();
    assert_eq!(loaded.settings.twilio.unwrap().auth_token.expose(), "from-systemd");
    assert!(!loaded.warnings.iter().any(|w| w.key == "twilio.auth_token"));
}

#[test]
fn a_wrong_secret_is_told_without_its_value() {
    for secret in ["", " \n", "hunter2 hunter2", "hunter2\nhunter2", "hünter2"] {
        let dir = folder("[metrics]\ntoken_file = \"token\"\n[http]\napi_token = 5\n");
        write(dir.path(), "token", secret);
        let found = lines(load_dir(&dir, &[]));
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(!found.concat().contains("nter2"), "{found:#?}");
    }
    let found = lines(read("[metrics]\ntoken_file = \"gone\"\n"));
    assert!(found[0].contains("metrics.token_file: cannot be read"), "{found:#?}");
}

#[test]
fn phone_numbers_are_not_printed() {
    let text = "[practice]\ncallback_phone = \"1415555012\"\n[sms]\nallow_only = [\"1415555012\", 14155550123]\n";
    let found = lines(read(text));
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(!found.concat().contains("1415555"), "{found:#?}");
}

#[test]
fn unreadable_files_are_told_and_not_waited_for() {
    let gone = load(Path::new("/nowhere/appointd.toml"), std::iter::empty(), None);
    assert_eq!(lines(gone).len(), 1);
    let dir = folder("");
    assert!(load(dir.path(), std::iter::empty(), None).is_err(), "a folder");
    assert!(load(Path::new("/dev/zero"), std::iter::empty(), None).is_err(), "endless");
    let hostile: [Vec<u8>; 4] = [
        vec![b'#'; 2 << 20],
        b"[http]\n# \xff\n".to_vec(),
        (0..=255).cycle().take(100_000).collect(),
        vec![0; 1000],
    ];
    for bytes in hostile {
        write(dir.path(), "appointd.toml", bytes);
        assert!(load_dir(&dir, &[]).is_err());
    }
    write(dir.path(), "appointd.toml", b"[http]\n# \xff\n");
    assert!(
        lines(load_dir(&dir, &[]))[0]
            .ends_with("appointd.toml:2: is no UTF-8 text; save it as UTF-8")
    );
}
