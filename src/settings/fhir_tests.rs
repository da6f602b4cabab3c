//! What a FHIR server may be told, what it is by default, and how what is wrong is told.

use std::path::Path;

use super::*;
use crate::settings::{Fault, Loaded, from_text};

pub(in crate::settings) const HEAD: &str =
    "[[fhir.server]]\nname = \"a\"\nbase_url = \"https://ehr.example.org/fhir\"\n";
/// What stands before [`HEAD`] where the server is to notify; 2 lines.
pub(in crate::settings) const WEB: &str = "[http]\npublic_url = \"https://sms.example.org\"\n";
pub(in crate::settings) const PROOF: &str = "[fhir.server.notify]\nsecret = \"0123456789abcdef\"\n";

pub(in crate::settings) fn loaded(text: &str) -> Loaded {
    from_text(text, Path::new("/nowhere")).unwrap()
}

/// A server of which only this is said besides name and address.
pub(in crate::settings) fn read(text: &str) -> FhirServer {
    loaded(&format!("{HEAD}{text}")).settings.fhir_servers.remove(0)
}

/// A server that this is said of and that is to notify.
pub(in crate::settings) fn subscribed(text: &str) -> FhirServer {
    loaded(&format!("{WEB}{HEAD}{text}{PROOF}")).settings.fhir_servers.remove(0)
}

pub(in crate::settings) fn lines(faults: &[Fault]) -> Vec<String> {
    let plain = |line: String| line.replacen("fhir.server[0].", "", 1);
    faults.iter().map(ToString::to_string).map(plain).collect()
}

/// Asserts that exactly these faults are found: the beginning of each line, in order.
pub(in crate::settings) fn assert_faults(text: &str, expected: &[&str]) {
    let found = lines(&from_text(text, Path::new("/nowhere")).unwrap_err());
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nexpected {expected}");
    }
}

/// As [`assert_faults`], of the only server, whose own lines begin with 4.
pub(in crate::settings) fn assert_server_faults(text: &str, expected: &[&str]) {
    assert_faults(&format!("{HEAD}{text}"), expected);
}

/// Asserts that this is warned of, and nothing else but what a server alone is always warned of.
pub(in crate::settings) fn assert_warnings(text: &str, expected: &[&str]) {
    let mut found = lines(&loaded(text).warnings);
    found.retain(|line| !line.contains("sms.backend") && !line.contains("stands in the settings"));
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nexpected {expected}");
    }
}

#[test]
fn a_server_is_searched_and_nothing_is_written_to_it() {
    let server = read("");
    assert_eq!((server.name.as_str(), server.destination().as_str()), ("a", "a"));
    assert_eq!(server.base_url, "https://ehr.example.org/fhir");
    assert_eq!((server.version, server.mapping.as_str()), (FhirVersion::R4, "fhir-r4"));
    assert_eq!((server.zone, server.region, server.same_as), (None, Region::US, None));
    assert_eq!((server.auth, server.headers, server.tls), (Auth::None, Vec::new(), None));
    assert_eq!((server.subscription, server.notify, server.write_back), (None, None, None));
    assert_eq!(server.event_numbers, EventNumbers::Monotonic);
    let polling = Polling {
        interval: Some(MINUTE),
        search: Search::LastUpdated,
        overlap: 5 * MINUTE,
        page_size: 100,
        compare_deletions_at: NaiveTime::from_hms_opt(3, 30, 0),
        first_import: FirstImport::Silent,
    };
    assert_eq!(server.polling, polling);
    let limits = FhirLimits {
        connect_timeout: 5 * SECOND,
        request_timeout: 30 * SECOND,
        requests_per_second: 5,
        parallel: 4,
        body_bytes_max: 32 << 20,
    };
    assert_eq!(server.limits, limits);
    assert!(!server.allow_plaintext && server.allow_origins.is_empty());
    assert_eq!((server.identifier_system, server.silent_feed_after), (None, None));
}

#[test]
fn what_stands_in_the_shipped_file_as_default_is_the_default() {
    let shipped = include_str!("../../conf/appointd.toml");
    let (_, section) = shipped.split_once("#[[fhir.server]]\n").unwrap();
    let (section, _) = section.split_once("# Example:").unwrap();
    let (mut table, mut comment, mut checked) = ("", String::new(), 0);
    for line in section.lines().filter_map(|line| line.strip_prefix('#')) {
        if line.starts_with(' ') {
            comment.push_str(line);
            continue;
        }
        let examples = ["None", "Needed.", "better in"];
        let is_example = examples.iter().any(|word| comment.contains(word));
        comment.clear();
        if line.starts_with('[') {
            table = line;
        } else if !is_example && table != "[fhir.server.headers]" {
            let base = base_for(table, line.split(" = ").next().unwrap());
            let (without, with) = (loaded(&base), loaded(&format!("{base}{line}\n")));
            assert_eq!(without.settings.fhir_servers, with.settings.fhir_servers, "{line}");
            checked += 1;
        }
    }
    assert_eq!(checked, 32);
}

/// A server of which a setting would show in what is read, and that has nothing to say of it.
fn base_for(table: &str, key: &str) -> String {
    let topic = "subscribe = \"backport\"\ntopic = \"urn:topic\"\n";
    let rest = match key {
        "subscribe" | "poll_interval" | "event_numbers" | "write_back" => String::new(),
        "criteria" => "subscribe = \"r4\"\n".to_owned(),
        "content" | "heartbeat" | "subscription_days" => topic.to_owned(),
        "search_days" => "search = \"window\"\nsearch_actors = [\"Location/1\"]\n".to_owned(),
        _ => "write_back = \"participant\"\n".to_owned(),
    };
    let base = HEAD.replace("https://ehr.example.org", "http://localhost") + &rest;
    if table == "[fhir.server.notify]" {
        return format!("{base}{PROOF}hmac_secret = \"0123456789abcdef\"\n");
    }
    format!("{base}{table}\n")
}

#[test]
fn every_key_of_the_feed_is_read() {
    let text = "[[hl7.listener]]\nname = \"hl7\"\nlisten = \"127.0.0.1:0\"\n\
        [[fhir.server]]\nname = \"a\"\nbase_url = \"http://10.0.0.1:8080/r5/\"\nallow_plaintext = true\n\
        version = \"R5\"\ntime_zone = \"America/Chicago\"\nregion = \"MX\"\nsame_as = \"hl7\"\n\
        identifier_system = \"urn:oid:1.2\"\npoll_interval = \"10s\"\nsearch = \"window\"\n\
        search_actors = [\"Location/2\", \"Location/1\", \"Location/2\"]\nsearch_days = 7\n\
        overlap = \"1m\"\npage_size = 7\ncompare_deletions_at = \"off\"\nfirst_import = \"notify\"\n\
        connect_timeout = \"1s\"\nrequest_timeout = \"2s\"\nrequests_per_second = 9\nparallel = 2\n\
        body_bytes_max = 65536\nallow_origins = [\"http://b.example/\", \"https://C.example:443\"]\n\
        silent_feed_after = \"2h\"\nheaders = { X-Key = \"hunter2 b\", x_other = \"hunter2\" }\n\
        [fhir.server.tls]\nca = \"ca.crt\"\ncert = \"own.crt\"\nkey = \"/own.key\"\n";
    let loaded = loaded(text);
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let server = &loaded.settings.fhir_servers[0];
    assert_eq!(server.base_url, "http://10.0.0.1:8080/r5");
    assert_eq!((server.version, server.mapping.as_str()), (FhirVersion::R5, "fhir-r5"));
    assert_eq!(server.zone, Zone::parse("America/Chicago").ok());
    assert_eq!(server.region, Region::parse("MX").unwrap());
    assert_eq!(server.same_as, Some(SourceName::new("hl7")));
    assert_eq!(server.identifier_system.as_deref(), Some("urn:oid:1.2"));
    let actors = vec!["Location/1".to_owned(), "Location/2".to_owned()];
    assert_eq!(server.polling.search, Search::Window { actors, days: 7 });
    let Polling { interval, overlap, page_size, compare_deletions_at, first_import, .. } =
        server.polling;
    assert_eq!((interval, overlap, page_size), (Some(10 * SECOND), MINUTE, 7));
    assert_eq!((compare_deletions_at, first_import), (None, FirstImport::Notify));
    assert_eq!(server.limits.connect_timeout + server.limits.request_timeout, 3 * SECOND);
    assert_eq!((server.limits.parallel, server.limits.body_bytes_max), (2, 65_536));
    assert_eq!(server.limits.requests_per_second, 9);
    // The port of the scheme is none.
    assert_eq!(server.allow_origins, ["http://b.example", "https://c.example"]);
    assert_eq!(server.silent_feed_after, Some(120 * MINUTE));
    let headers: Vec<_> = server.headers.iter().map(|(n, v)| (n.as_str(), v.expose())).collect();
    assert_eq!(headers, [("X-Key", "hunter2 b"), ("x_other", "hunter2")]);
    let tls = server.tls.as_ref().unwrap();
    assert_eq!(tls.ca.as_deref(), Some(Path::new("/nowhere/ca.crt")));
    assert_eq!(tls.identity, Some(("/nowhere/own.crt".into(), "/own.key".into())));
    assert_eq!(read("mapping = \"mine\"\n").mapping, "mine");
}

#[test]
fn nonsense_is_refused_with_line_key_and_what_to_write() {
    let text = "version = \"STU3\"\nmapping = \"a b\"\ntime_zone = \"Mars\"\nregion = \"XX\"\n\
        same_as = \"a b\"\nidentifier_system = \"a|b:c\"\nsubscribe = \"r6\"\n\
        event_numbers = \"odd\"\npoll_interval = 5\nsearch = \"all\"\nsearch_actors = [\"Slot/1\", 1]\n\
        search_days = 0\noverlap = \"2d\"\npage_size = 0\ncompare_deletions_at = \"24:00\"\n\
        first_import = \"loud\"\nwrite_back = \"all\"\nstrategy = \"fax\"\nif_match = true\n\
        patch_tests = \"no\"\nconnect_timeout = \"0s\"\nrequest_timeout = \"1h\"\n\
        requests_per_second = 0\nparallel = 65\nbody_bytes_max = 1\n\
        allow_origins = [\"https://a.example/fhir\", \"http://b.example\", \"x\"]\n\
        silent_feed_after = \"1s\"\nauth = 5\nwritten = 1\n";
    let expected = [
        "text:4: version: \"STU3\" is not right; write one of \"R4\", \"R4B\", \"R5\"",
        "text:5: mapping: \"a b\" is not right",
        "text:6: time_zone: \"Mars\" is not right",
        "text:7: region: \"XX\" is not right",
        "text:8: same_as: \"a b\" is not right; write the name of another feed",
        "text:9: identifier_system: \"a|b:c\" is not right; write the address of an identifier",
        "text:10: subscribe: \"r6\" is not right; write one of \"r4\", \"backport\", \"r5\", \"none\"",
        "text:11: event_numbers: \"odd\" is not right; write one of \"monotonic\"",
        "text:12: poll_interval: is a number; write a number and ms, s, m, h or d, from 1s to 1d, or \"off\"",
        "text:13: search: \"all\" is not right; write one of \"last_updated\", \"window\"",
        "text:14: search_actors[0]: is no actor; write one such as \"Location/1\"",
        "text:14: search_actors[1]: is a number; write texts",
        "text:15: search_days: is 0; write a number from 1 to 366",
        "text:16: overlap: \"2d\" is not right",
        "text:17: page_size: is 0; write a number from 1 to 1000",
        "text:18: compare_deletions_at: \"24:00\" is not right; write a time of day",
        "text:19: first_import: \"loud\" is not right; write one of \"silent\", \"notify\"",
        "text:20: write_back: \"all\" is not right; write one of \"participant\", \"status\", \"none\"",
        "text:21: strategy: \"fax\" is not right; write one of \"json_patch\", \"fhirpath_patch\"",
        "text:22: if_match: is true or false; write one of \"required\", \"send\", \"never\"",
        "text:23: patch_tests: is a text; write true or false",
        "text:24: connect_timeout: \"0s\" is not right",
        "text:25: request_timeout: \"1h\" is not right",
        "text:26: requests_per_second: is 0; write a number from 1 to 1000",
        "text:27: parallel: is 65; write a number from 1 to 64",
        "text:28: body_bytes_max: is 1; write a number from 65536 to 268435456",
        "text:29: allow_origins[0]: is no origin; write one such as",
        "text:29: allow_origins[1]: is no origin",
        "text:29: allow_origins[2]: is no origin",
        "text:30: silent_feed_after: \"1s\" is not right",
        "text:31: auth: is a number; write a section [fhir.server[0].auth]",
        "text:32: written: there is no such setting",
    ];
    assert_server_faults(text, &expected);
    assert_faults(
        "[fhir]\nservers = 1\n",
        &["text:2: fhir.servers: there is no such setting; did"],
    );
    assert_faults("[fhir]\nserver = 1\n", &["text:2: fhir.server: is no list of sections"]);
}

#[test]
fn name_and_address_are_needed_and_the_address_is_bare_and_encrypted() {
    assert_faults(
        "[[fhir.server]]\n",
        &["text:1: base_url: is missing", "text:1: name: is missing"],
    );
    let bad = [
        "ehr",
        "ftp://a",
        "https://u:p@a.example",
        "https://a/?x=1",
        "https://a/#x",
        "\\u0001https://a",
    ];
    for url in bad {
        let text = format!("[[fhir.server]]\nname = \"a\"\nbase_url = \"{url}\"\n");
        assert_faults(&text, &["text:3: base_url: \""]);
    }
    let far = HEAD.replace("https", "http");
    assert_faults(&far, &["text:3: base_url: patient data would cross the network in plain text"]);
    assert!(
        loaded(&format!("{far}allow_plaintext = true\n")).settings.fhir_servers[0].allow_plaintext
    );
    for near in ["http://127.0.0.1:8103/fhir", "http://localhost", "http://[::1]:80/r4"] {
        let text = format!("[[fhir.server]]\nname = \"a\"\nbase_url = \"{near}\"\n");
        assert_eq!(loaded(&text).settings.fhir_servers[0].base_url, near);
    }
    let text = format!("{far}allow_plaintext = true\ntls = {{ ca = \"x\" }}\n");
    assert_warnings(&text, &["text:5: tls: has no effect: base_url is not https"]);
    let half = "[fhir.server.tls]\ncert = \"x\"\n";
    assert_server_faults(half, &["text:4: tls.key: is missing; write both cert and key"]);
    assert!(read("[fhir.server.tls]\ncert = \"x\"\nkey = \"y\"\n").tls.unwrap().ca.is_none());
    let twice = format!("{HEAD}{}", HEAD.replace("\"a\"", "\"b\""));
    assert_warnings(&twice, &["text:6: fhir.server[1].base_url: is that of fhir.server[0] too"]);
}

#[test]
fn a_name_is_that_of_no_feed_and_of_no_destination() {
    let listener = "[[hl7.listener]]\nname = \"a\"\nlisten = \"127.0.0.1:0\"\n";
    let destination = "[[hl7.destination]]\nname = \"a\"\naddress = \"localhost:1\"\n";
    for (other, key) in [(listener, "listener"), (destination, "destination")] {
        let expected =
            format!("text:5: name: \"a\" is the name of hl7.{key}[0] too; write another");
        assert_faults(&format!("{other}{HEAD}"), &[&expected]);
    }
    assert_faults(
        &format!("{HEAD}{}", HEAD.replace("/fhir", "/r4")),
        &["text:5: fhir.server[1].name: \"a\" is the name of fhir.server[0] too"],
    );
}

#[test]
fn appointments_of_another_feed_are_of_one_that_stands_by_itself() {
    let server = |name: &str, same: &str| {
        let head =
            HEAD.replace("\"a\"", &format!("{name:?}")).replace("/fhir", &format!("/{name}"));
        format!("{head}same_as = {same:?}\n")
    };
    assert_faults(&server("a", "a"), &["text:4: same_as: is the server itself"]);
    assert_faults(&server("a", "b"), &["text:4: same_as: is no feed; write the name of an"]);
    let both = server("a", "b") + &server("b", "a");
    assert_faults(
        &both,
        &["text:4: same_as: has a same_as itself", "text:8: fhir.server[1].same_as: has"],
    );
    // A feed that is told of later, and one with a fault of its own.
    let later = format!("{}{}", server("a", "b"), HEAD.replace("\"a\"", "\"b\""));
    assert_eq!(loaded(&later).settings.fhir_servers[0].same_as, Some(SourceName::new("b")));
    let broken = format!("{}[[hl7.listener]]\nname = \"b\"\n", server("a", "b"));
    assert_faults(&broken, &["text:5: hl7.listener[0].listen: is missing"]);
    let target = "[[hl7.destination]]\nname = \"b\"\naddress = \"localhost:1\"\n";
    assert_faults(&format!("{}{target}", server("a", "b")), &["text:4: same_as: is no feed"]);
}

#[test]
fn a_search_by_windows_needs_actors_and_any_other_ignores_them() {
    assert_server_faults(
        "search = \"window\"\n",
        &["text:1: search_actors: is missing; search = \"window\""],
    );
    let many: Vec<String> = (0..1_001).map(|n| format!("\"Location/{n}\"")).collect();
    let text = format!("search = \"window\"\nsearch_actors = [{}]\n", many.join(","));
    assert_server_faults(&text, &["text:5: search_actors: has more than 1000 actors"]);
    for actor in
        ["Location", "Location/", "location/1", "Location/1/2", "Location/a b", "Location/é"]
    {
        let text = format!("search = \"window\"\nsearch_actors = [{actor:?}]\n");
        assert_server_faults(&text, &["text:5: search_actors[0]: is no actor"]);
    }
    let vain = format!("{HEAD}search_actors = [\"Location/1\"]\nsearch_days = 5\n");
    let expected = [
        "text:4: search_actors: has no effect: search is \"last_updated\"",
        "text:5: search_days: has no effect",
    ];
    assert_warnings(&vain, &expected);
}

#[test]
fn searches_are_rarer_where_the_server_notifies() {
    let subscribe = "subscribe = \"r4\"\n";
    assert_eq!(subscribed(subscribe).polling.interval, Some(15 * MINUTE));
    assert_eq!(subscribed("").polling.interval, Some(15 * MINUTE), "somebody else subscribes");
    assert_eq!(subscribed(&format!("{subscribe}poll_interval = \"off\"\n")).polling.interval, None);
    // A server that is only written to, for another feed.
    let target = "poll_interval = \"off\"\nwrite_back = \"status\"\n";
    let fault = "text:4: poll_interval: leaves a server that is written to and never heard";
    assert_server_faults(target, &[fault]);
    let own = "[[route]]\nsource = \"a\"\ndestination = \"a\"\n";
    assert_server_faults(&format!("{target}{own}"), &[fault]);
    let feed = "[[hl7.listener]]\nname = \"hl7\"\nlisten = \"127.0.0.1:0\"\n";
    let route = own.replace("source = \"a\"", "source = \"hl7\"");
    assert!(!read(&format!("{target}{feed}{route}")).is_heard());
}

#[test]
fn what_does_nothing_is_doubted() {
    let parked = format!("{HEAD}poll_interval = \"off\"\n");
    let expected = [
        "text: hl7.listener: there is none: no message can come in",
        "text: fhir.server: a is neither heard nor written to: it does nothing",
    ];
    assert_warnings(&parked, &expected);
    assert_warnings(HEAD, &[]);
    let other = HEAD.replace("\"a\"", "\"b\"").replace("/fhir", "/r4");
    let text = format!("{HEAD}{other}write_back = \"participant\"\n");
    assert_warnings(&text, &["text: route: there is none for a: staff enters"]);
    assert_warnings(&text.replacen("\"a\"\n", "\"a\"\nsame_as = \"b\"\n", 1), &[]);
}

#[test]
fn routes_join_servers_and_one_that_is_written_to_takes_its_own() {
    let feeds = "[[hl7.listener]]\nname = \"hl7\"\nlisten = \"127.0.0.1:0\"\n\
                 [[hl7.destination]]\nname = \"back\"\naddress = \"localhost:1\"\n";
    let text = |write_back: &str, from: &str, to: &str| {
        let route = format!("[[route]]\nsource = \"{from}\"\ndestination = \"{to}\"\n");
        format!("{HEAD}write_back = \"{write_back}\"\n{feeds}{route}")
    };
    let routes = |text: &str| -> Vec<String> {
        let routes = loaded(text).settings.rules.routes;
        routes.iter().map(|(from, to)| format!("{from} {to}")).collect()
    };
    assert_eq!(routes(&text("participant", "hl7", "a")), ["a a", "hl7 a"]);
    assert_eq!(routes(&text("participant", "a", "back")), ["a back"]);
    assert_eq!(routes(&text("none", "a", "back")), ["a back"]);
    let refused = "text:13: route[0].destination: takes no wishes; write write_back";
    assert_faults(&text("none", "hl7", "a"), &[refused]);
    // A wrong word is one fault, not two.
    assert_faults(&text("all", "hl7", "a"), &["text:4: write_back: \"all\" is not right"]);
    assert_faults(
        &text("status", "b", "hl7"),
        &[
            "text:12: route[0].source: \"b\" is not right; write the name of an [[hl7.listener]], [[fhir.server]] or",
            "text:13: route[0].destination: \"hl7\" is not right; write the name of an [[hl7.destination]], [[fhir.server]] or",
        ],
    );
}

#[test]
fn headers_are_names_and_values_that_the_daemon_does_not_set() {
    let text = "[fhir.server.headers]\n\"X Key\" = \"hunter2\"\nAuthorization = \"hunter2\"\nX-A = 5\n\
                x-b = \"hunter2\\nb\"\nx-c = \" \"\nX-D = \"ok\"\nx-d = \"hunter2\"\nx-e = \"hünter2\"\n";
    let found = lines(&from_text(&format!("{HEAD}{text}"), Path::new("")).unwrap_err());
    let expected = [
        "text:5: headers.\"X Key\": is no name of a header",
        "text:6: headers.Authorization: is set by the daemon; remove it, or write auth",
        "text:7: headers.X-A: is a number; write a text",
        "text:8: headers.x-b: is no value of a header",
        "text:9: headers.x-c: is no value of a header",
        "text:11: headers.x-d: stands there twice",
        "text:12: headers.x-e: is no value of a header",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nexpected {expected}");
    }
    assert!(!found.concat().contains("nter2") && found.len() == expected.len(), "{found:#?}");
    let many: String = (0..17).map(|n| format!("x{n} = \"1\"\n")).collect();
    assert_server_faults(
        &format!("[fhir.server.headers]\n{many}"),
        &["text:4: headers: has more than 16 headers"],
    );
}
