//! What a server is asked to notify of, in each of the three models.

use super::super::fhir::tests::{
    HEAD, PROOF, WEB, assert_faults, assert_warnings, loaded, read, subscribed,
};
use super::*;

const TOPIC: &str = "topic = \"https://ehr.example.org/topic|1\"\n";

fn subscription(text: &str) -> Subscription {
    subscribed(text).subscription.unwrap()
}

/// The faults of a server that is to notify, whose own lines begin with 6.
fn assert_subscribed_faults(text: &str, expected: &[&str]) {
    assert_faults(&format!("{WEB}{HEAD}{text}{PROOF}"), expected);
}

fn assert_subscribed_warnings(text: &str, expected: &[&str]) {
    assert_warnings(&format!("{WEB}{HEAD}{text}{PROOF}"), expected);
}

#[test]
fn by_criteria_every_appointment_is_told_of_by_default() {
    let expected = Subscription {
        kind: SubscriptionKind::R4,
        criteria: "Appointment?".to_owned(),
        topic: None,
        filters: Vec::new(),
        content: Content::IdOnly,
        heartbeat: None,
        lifetime: None,
    };
    assert_eq!(subscription("subscribe = \"r4\"\n"), expected);
    let server = subscribed("subscribe = \"r4\"\nversion = \"R4B\"\ncriteria = \"Appointment\"\n");
    assert_eq!(server.event_numbers, EventNumbers::Ignore, "there are none");
    assert_eq!(server.subscription.unwrap().criteria, "Appointment");
}

#[test]
fn every_key_is_read() {
    let text = format!(
        "subscribe = \"backport\"\n{TOPIC}filters = [\"Appointment?location=Location/1&actor=a\"]\n\
         content = \"full-resource\"\nheartbeat = \"30s\"\nsubscription_days = 7\n\
         event_numbers = \"per_bundle\"\n"
    );
    let server = subscribed(&text);
    assert_eq!(server.event_numbers, EventNumbers::PerBundle);
    let expected = Subscription {
        kind: SubscriptionKind::Backport,
        criteria: "Appointment?".to_owned(),
        topic: Some("https://ehr.example.org/topic|1".to_owned()),
        filters: vec!["Appointment?location=Location/1&actor=a".to_owned()],
        content: Content::FullResource,
        heartbeat: Some(30 * SECOND),
        lifetime: Some(7 * DAY),
    };
    assert_eq!(server.subscription, Some(expected));
    let five = format!(
        "subscribe = \"r5\"\nversion = \"R5\"\n{TOPIC}content = \"empty\"\nheartbeat = \"off\"\n\
         subscription_days = \"off\"\n"
    );
    let server = subscribed(&five);
    assert_eq!(server.event_numbers, EventNumbers::Monotonic);
    let Subscription { kind, content, heartbeat, lifetime, .. } = server.subscription.unwrap();
    assert_eq!((kind, content), (SubscriptionKind::R5, Content::Empty));
    assert_eq!((heartbeat, lifetime), (None, None));
    assert_eq!(read("event_numbers = \"ignore\"\n").event_numbers, EventNumbers::Ignore);
}

#[test]
fn a_model_goes_with_the_version_and_a_topic_where_it_has_topics() {
    let wrong = "text:6: subscribe: ";
    for version in ["R4", "R4B"] {
        let text = format!("subscribe = \"r5\"\nversion = \"{version}\"\n{TOPIC}");
        assert_subscribed_faults(&text, &[&format!("{wrong}\"r5\" is of R5; write \"backport\"")]);
    }
    for model in ["r4", "backport"] {
        let text = format!("subscribe = \"{model}\"\nversion = \"R5\"\n{TOPIC}");
        assert_subscribed_faults(&text, &[&format!("{wrong}is not for servers with version")]);
    }
    // Of a wrong word nothing follows.
    let text = "subscribe = \"r4\"\nversion = \"5\"\n";
    assert_subscribed_faults(text, &["text:7: version: \"5\" is not right"]);
    for text in ["subscribe = \"backport\"\n", "subscribe = \"r5\"\nversion = \"R5\"\n"] {
        assert_subscribed_faults(text, &["text:3: topic: is missing; write the address of the"]);
    }
    let text = "subscribe = \"backport\"\ntopic = \"appointments\"\n";
    assert_subscribed_faults(text, &["text:7: topic: \"appointments\" is not right"]);
}

#[test]
fn a_server_elsewhere_has_to_know_where_to_notify() {
    let text = format!("{HEAD}subscribe = \"r4\"\n{PROOF}");
    let missing = "text: http.public_url: is missing; write the address under which \"a\" reaches";
    assert_faults(&text, &[missing]);
    // A slip in the address is one fault, not two.
    let slip = format!("[http]\npublic_url = \"ftp://x\"\n{text}");
    assert_faults(&slip, &["text:2: http.public_url: \"ftp://x\" is not right"]);
    let near = text.replace("https://ehr.example.org", "http://127.0.0.1");
    assert!(loaded(&near).settings.fhir_servers[0].subscription.is_some());
}

#[test]
fn searches_are_for_appointments_and_by_status_they_are_doubted() {
    for search in [
        "Patient?",
        "Appointments",
        "Appointment/1",
        "Appointment?status",
        "Appointment?a=b c",
        "appointment?",
        "",
    ] {
        let text = format!("subscribe = \"r4\"\ncriteria = \"{search}\"\n");
        let expected = "write a search for appointments, such as";
        assert_subscribed_faults(
            &text,
            &[&format!("text:7: criteria: {search:?} is not right; {expected}")],
        );
    }
    for search in ["Appointment", "Appointment?", "Patient?a=b", "location=Location/1"] {
        let text = format!("subscribe = \"backport\"\n{TOPIC}filters = [\"{search}\"]\n");
        assert_subscribed_faults(&text, &["text:8: filters[0]: is no search; write one such as"]);
    }
    for status in ["status=booked", "date=ge2026-01-01&status:not=cancelled"] {
        let text = format!("subscribe = \"r4\"\ncriteria = \"Appointment?{status}\"\n");
        assert_subscribed_warnings(
            &text,
            &["text:7: criteria: goes by status: a server is silent"],
        );
        let text =
            format!("subscribe = \"backport\"\n{TOPIC}filters = [\"Appointment?{status}\"]\n");
        assert_subscribed_warnings(&text, &["text:8: filters: goes by status"]);
    }
    let other = "subscribe = \"r4\"\ncriteria = \"Appointment?part-status=accepted\"\n";
    assert_subscribed_warnings(other, &[]);
}

#[test]
fn nonsense_is_refused() {
    let text = "subscribe = \"r4\"\ncontent = \"all\"\nheartbeat = \"1s\"\nsubscription_days = \"never\"\n\
                filters = 5\n";
    assert_subscribed_faults(
        text,
        &[
            "text:7: content: \"all\" is not right; write one of \"empty\", \"id-only\", \"full-resource\"",
            "text:8: heartbeat: \"1s\" is not right; write a number and ms, s, m, h or d, from 5s to 1d",
            "text:9: subscription_days: is a text; write a number from 1 to 366, or \"off\"",
            "text:10: filters: is a number; write a list",
        ],
    );
    let zero = "subscribe = \"r4\"\nsubscription_days = 0\n";
    assert_subscribed_faults(zero, &["text:7: subscription_days: is 0; write a number from 1"]);
}

#[test]
fn what_has_no_effect_is_told() {
    let topics = format!("{TOPIC}filters = [\"Appointment?a=b\"]\nheartbeat = \"30s\"\n");
    let why = "has no effect: subscribe is \"r4\", which has criteria only";
    let line = |number: usize, key: &str, why: &str| format!("text:{number}: {key}: {why}");
    let found = ["topic", "filters", "heartbeat"];
    let expected: Vec<String> = (7..).zip(found).map(|(n, key)| line(n, key, why)).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_subscribed_warnings(&format!("subscribe = \"r4\"\n{topics}"), &expected);
    let criteria = format!("subscribe = \"backport\"\n{TOPIC}criteria = \"Appointment?\"\n");
    assert_subscribed_warnings(
        &criteria,
        &["text:8: criteria: has no effect: subscribe goes by topic"],
    );
    let none =
        format!("{HEAD}criteria = \"Appointment?\"\ncontent = \"empty\"\nsubscription_days = 5\n");
    let why = "has no effect: subscribe is \"none\"";
    let found = ["criteria", "content", "subscription_days"];
    let expected: Vec<String> = (4..).zip(found).map(|(n, key)| line(n, key, why)).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_warnings(&none, &expected);
}
