//! Notifications of real servers and of the specification, when the corpus stands beside the
//! project: each is read for what it is.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use appointd::fhir::notification::{self, Call, Change, Kind, Method, Notification, Target};
use appointd::fhir::page::{self, Entry};
use appointd::fhir::reference::{Origins, wanted};
use appointd::fhir::signature::{Forged, Proof, verify};
use appointd::fhir::{reference, resource};
use appointd::sms::Secret;
use serde_json::Value;

const BASE: &str = "https://ehr.example.org/r4";

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/fhir"))
}

/// The JSON files of a folder, by name; nothing where the corpus is not.
fn files(name: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder().join(name)) else { return Vec::new() };
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let file = entry.file_name().to_string_lossy().into_owned();
            (format!("{name}/{file}"), fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn read(body: &[u8], headers: &[(&str, &str)]) -> Notification {
    notification::read(&Call { method: Method::Post, path: "", headers, body })
}

/// What a file is read as: its kind, and each hint's target, change and whether it is whole.
fn shown(told: &Notification) -> (Kind, Vec<String>) {
    let hint = |hint: &notification::Hint| {
        let target = match &hint.target {
            Target::Appointment(id) => format!("Appointment/{id}"),
            Target::Other { kind, id } => format!("{kind}/{id}"),
            Target::Identifier { system, value } => {
                format!("{}|{value}", system.as_deref().unwrap_or_default())
            }
            Target::Any => "any".to_owned(),
        };
        let change = match hint.change {
            Change::Created => " created",
            Change::Updated => " updated",
            Change::Deleted => " deleted",
            Change::Unknown => "",
        };
        let whole = if hint.resource.is_some() { " whole" } else { "" };
        let along = if hint.included.is_empty() { "" } else { " along" };
        format!("{target}{change}{whole}{along}")
    };
    (told.kind, told.hints.iter().map(hint).collect())
}

/// Each file with what it must be read as.
type Expected = (&'static str, Kind, &'static [&'static str]);

const ENCOUNTER: &str = "Encounter/86009987-eabe-42bf-8c02-b112b18cb616";

const BACKPORT: &[Expected] = &[
    ("appt-r4-delete", Kind::Events, &["Appointment/a1 deleted"]),
    ("appt-r4-full-resource", Kind::Events, &["Appointment/a1 updated whole"]),
    ("appt-r4-id-only", Kind::Events, &["Appointment/a1 updated"]),
    ("appt-r4-two-events", Kind::Events, &["Appointment/a1", "Appointment/a1"]),
    ("r4-notification-empty-with-auth", Kind::Events, &["any"]),
    ("r4-notification-empty", Kind::Events, &["any"]),
    ("r4-notification-error", Kind::QueryStatus, &[]),
    ("r4-notification-full-resource", Kind::Events, &["ENCOUNTER created whole"]),
    ("r4-notification-handshake", Kind::Handshake, &[]),
    ("r4-notification-heartbeat", Kind::Heartbeat, &[]),
    ("r4-notification-id-only", Kind::Events, &["ENCOUNTER"]),
    ("r4-notification-multi-resource", Kind::Events, &["ENCOUNTER created whole along"]),
];

const R4B: &[Expected] = &[
    ("notification-empty", Kind::Events, &["any"]),
    ("notification-full-resource-with-patient", Kind::Events, &["Encounter/2 updated whole along"]),
    ("notification-full-resource", Kind::Events, &["Encounter/2 updated whole"]),
    ("notification-handshake", Kind::Handshake, &[]),
    ("notification-heartbeat", Kind::Heartbeat, &[]),
    (
        "notification-id-only-query",
        Kind::QueryEvents,
        &["Encounter/1 updated", "Encounter/2 updated"],
    ),
    ("notification-id-only-with-patient", Kind::Events, &["Encounter/2 updated"]),
    ("notification-id-only", Kind::Events, &["Encounter/2 updated"]),
    ("notification-message-full-resource", Kind::Events, &["Encounter/2 updated whole"]),
    ("notification-query-status", Kind::QueryStatus, &[]),
];

const R5: &[Expected] = &[
    ("notification-empty", Kind::Events, &["any"]),
    ("notification-error", Kind::Events, &["any"]),
    ("notification-full-resource-with-patient", Kind::Events, &["Encounter/2 updated whole along"]),
    ("notification-full-resource", Kind::Events, &["Encounter/2 updated whole"]),
    ("notification-handshake", Kind::Handshake, &[]),
    ("notification-heartbeat", Kind::Heartbeat, &[]),
    ("notification-id-only-with-patient", Kind::Events, &["Encounter/2 updated"]),
    ("notification-id-only", Kind::Events, &["Encounter/2 updated"]),
    ("notification-message-full-resource", Kind::Events, &["Encounter/2 updated whole"]),
    (
        "notification-query-event",
        Kind::QueryEvents,
        &["Encounter/307 updated whole along", "Encounter/308 updated whole along"],
    ),
    ("notification-query-status", Kind::QueryStatus, &[]),
];

const ATHENA: &[Expected] = &[
    (
        "appointment-notification",
        Kind::Events,
        &["urn:athenahealth:athenanet:appointment:195900|2"],
    ),
    ("order-notification", Kind::Events, &["urn:athenahealth:athenanet:order:195900|157479"]),
    ("patient-notification", Kind::Events, &["Patient/a-195900.E-1"]),
    ("test-bundle", Kind::Events, &["urn:athenahealth:athenanet:api:appointments:195900|1"]),
];

const HFS_FIRST: &str = "Appointment/01a1f8b9-4bf5-7a20-ac42-476ea482d4a0";
const HFS_SECOND: &str = "Appointment/01a1f8c9-694a-7241-8483-ef1d54af1cf6";

const HFS: &[Expected] = &[
    ("event-empty-nonconformant-has-focus.body", Kind::Events, &["FIRST"]),
    ("event-full-resource-create.body", Kind::Events, &["SECOND whole"]),
    ("event-full-resource-delete.body", Kind::Events, &["SECOND"]),
    ("event-full-resource-update-cancelled.body", Kind::Events, &["SECOND whole"]),
    ("event-id-only-create.body", Kind::Events, &["FIRST"]),
    ("event-id-only-delete.body", Kind::Events, &["FIRST"]),
    ("event-id-only-update.body", Kind::Events, &["FIRST"]),
    ("handshake.body", Kind::Handshake, &[]),
];

const MEDPLUM_FIRST: &str = "Appointment/af0fc9b0-5be8-44be-bfcb-30316c57e8cc";
const MEDPLUM_BOGUS: &str = "Appointment/9be89043-7330-4120-b18c-c4900734bf49";

const MEDPLUM: &[Expected] = &[
    ("create-bogus-status.body", Kind::Events, &["BOGUS created whole"]),
    ("create.body", Kind::Events, &["FIRST created whole"]),
    ("delete.body", Kind::Events, &["FIRST deleted"]),
    ("update-cancelled.body", Kind::Events, &["FIRST updated whole"]),
    ("update-participant-accepted.body", Kind::Events, &["FIRST updated whole"]),
    ("update-participant-declined.body", Kind::Events, &["FIRST updated whole"]),
];

fn check(told: &Notification, file: &str, expected: &[Expected], names: &[(&str, &str)]) {
    let stem = file.rsplit('/').next().unwrap().trim_end_matches(".json");
    let known = expected.iter().find(|(name, ..)| *name == stem);
    assert!(known.is_some(), "{file} is not in the table");
    let (_, kind, hints) = known.unwrap();
    let spelled = |hint: &&str| {
        names.iter().fold((*hint).to_owned(), |text, (name, value)| text.replace(name, value))
    };
    assert_eq!(shown(told), (*kind, hints.iter().map(spelled).collect()), "{file}");
}

#[test]
fn notifications_of_topics_are_read_for_what_they_are() {
    for (name, expected) in
        [("backport_r4", BACKPORT), ("r4b_hl7", R4B), ("r5_hl7", R5), ("athena", ATHENA)]
    {
        let files = files(name)
            .into_iter()
            .filter(|(file, _)| !name.ends_with("_hl7") || file.contains("/notification-"));
        let mut count = 0;
        for (file, body) in files {
            let told = read(&body, &[]);
            check(&told, &file, expected, &[("ENCOUNTER", ENCOUNTER)]);
            assert!(told.asks_bundle_answer, "{file}");
            assert!(told.subscription.is_some() && told.id.is_some(), "{file}");
            assert!(told.events_since_start.is_some(), "{file}");
            // Athena's test bundle has an entry with nothing but an id.
            assert_eq!(told.skipped, usize::from(file.ends_with("test-bundle.json")), "{file}");
            assert!(told.hints.iter().all(|hint| hint.key.is_some()), "{file}");
            count += 1;
        }
        assert!(count == 0 || count == expected.len(), "{name} {count}");
    }
}

#[test]
fn an_error_is_told_by_its_code() {
    for (folder, file) in
        [("backport_r4", "/r4-notification-error.json"), ("r5_hl7", "/notification-error.json")]
    {
        for (_, body) in files(folder).iter().filter(|(name, _)| name.ends_with(file)) {
            let told = read(body, &[]);
            assert_eq!(told.status.as_deref(), Some("error"));
            assert_eq!(told.error.as_deref(), Some("no-response"));
        }
    }
}

/// Method, path and headers of a captured request.
fn captured(headers: &Value) -> Vec<(&str, &str)> {
    let headers = headers["headers"].as_object().unwrap();
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect()
}

fn headers_of(files: &[(String, Vec<u8>)], body: &str) -> Option<Value> {
    let name = body.replace(".body.json", ".headers.json");
    let (_, bytes) = files.iter().find(|(file, _)| *file == name)?;
    Some(serde_json::from_slice(bytes).unwrap())
}

#[test]
fn what_helios_sent_is_read_and_its_token_verified() {
    let files = files("hfs_capture");
    let proofs = [Proof::Header {
        name: "Authorization".to_owned(),
        secrets: vec![Secret::new("Bearer another"), Secret::new("Bearer hook-secret")],
    }];
    let mut keys = BTreeSet::new();
    for (file, body) in files.iter().filter(|(file, _)| file.ends_with(".body.json")) {
        let told = read(body, &[]);
        check(&told, file, HFS, &[("FIRST", HFS_FIRST), ("SECOND", HFS_SECOND)]);
        assert_eq!(told.skipped, 0, "{file}");
        for key in told.hints.iter().filter_map(|hint| hint.key.clone()) {
            assert!(keys.insert(key), "{file}");
        }
        if let Some(headers) = headers_of(&files, file) {
            let headers = captured(&headers);
            assert!(verify(&proofs, &headers, body).unwrap().names_sender(), "{file}");
            assert_eq!(verify(&proofs, &[], body), Err(Forged::Missing));
        }
    }
    assert!(keys.is_empty() || keys.len() == 7);
}

#[test]
fn what_medplum_sent_is_verified_and_read() {
    let files = files("medplum_capture");
    let hmac = |secret: &str| Proof::Hmac {
        name: "X-Signature".to_owned(),
        secrets: vec![Secret::new("the one before"), Secret::new(secret)],
    };
    let token =
        Proof::Header { name: "X-Hook-Token".to_owned(), secrets: vec![Secret::new("tok123")] };
    let mut count = 0;
    for (file, body) in files.iter().filter(|(file, _)| file.ends_with(".body.json")) {
        let headers = headers_of(&files, file).unwrap();
        let headers = captured(&headers);
        let verified = verify(&[hmac("s3cr3t"), token.clone()], &headers, body).unwrap();
        assert!(verified.covers_body() && verified.names_sender() && !verified.covers_headers());
        assert_eq!(verify(&[hmac("secret")], &headers, body), Err(Forged::Mismatch));
        let mut altered = body.clone();
        altered.push(b' ');
        assert_eq!(verify(&[hmac("s3cr3t")], &headers, &altered), Err(Forged::Mismatch));

        let told = read(body, &headers);
        check(&told, file, MEDPLUM, &[("FIRST", MEDPLUM_FIRST), ("BOGUS", MEDPLUM_BOGUS)]);
        assert_eq!(told.subscription.as_deref(), Some("3651dec8-2dae-4ff8-ab4d-09844637afd6"));
        assert!(!told.asks_bundle_answer && told.skipped == 0);
        // Three participants, none of them at hand.
        if let Some(visit) = &told.hints[0].resource {
            let wants = wanted(visit, &[], &Origins::new(BASE, &[]).unwrap()).wants;
            let kinds: Vec<_> = wants.iter().map(|want| want.kind).collect();
            assert_eq!(
                kinds,
                [
                    reference::Kind::Patient,
                    reference::Kind::Practitioner,
                    reference::Kind::Location
                ]
            );
        }
        count += 1;
    }
    assert!(count == 0 || count == MEDPLUM.len());
}

#[test]
fn every_resource_has_an_identity_and_every_page_its_entries() {
    let mut prints = BTreeSet::new();
    let folders = ["argonaut_stu3", "cerner_r4", "gematik_r4", "ihe_r4", "r4b_hl7", "r5_hl7"];
    for (file, body) in folders.iter().flat_map(|name| files(name)) {
        let value: Value = serde_json::from_slice(&body).unwrap();
        let is_bundle = value["resourceType"] == "Bundle";
        let is_posted = value.get("id").is_none();
        assert_eq!(resource::identity(&value).is_some(), !is_posted, "{file}");
        assert!(prints.insert(resource::fingerprint(&value, &[])) || file.contains("r5_hl7"));
        let origins = Origins::new("https://fhir-open.cerner.com/r4/x", &[]).unwrap();
        let found = wanted(&value, &[], &origins);
        let is_visit = value["resourceType"] == "Appointment";
        assert!(found.wants.len() <= if is_visit { 10 } else { 0 }, "{file} {found:?}");
        assert_eq!((found.refused, found.left_out, found.unreadable), (0, 0, 0), "{file}");
        if is_bundle && file.starts_with("cerner") {
            let own = value["link"][0]["url"].as_str().unwrap_or("https://cerner.example.org/r4");
            let base = own.rsplit_once('/').unwrap().0;
            let page = page::read(&body, base).unwrap();
            assert_eq!(page.entries.len(), value["entry"].as_array().unwrap().len());
            let is_bad = |entry: &Entry| matches!(entry, Entry::Bad { .. });
            assert!(!page.entries.iter().any(is_bad), "{file}");
            let links = value["link"].to_string();
            assert_eq!(page.next.is_some(), links.contains("\"next\""), "{file}");
        }
    }
}
