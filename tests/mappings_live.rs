//! Mappings in a running daemon: chosen by message, explained afterwards, replaced while running.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use appointd::app::watch::Watch;
use appointd::clock::Clock;
use appointd::engine::view::{Filter, Subject};
use appointd::sim::world::{Plan, World};
use chrono::{TimeZone as _, Utc};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far more than anything here takes: what hangs fails.
const WITHIN: Duration = Duration::from_secs(120);

const OWL: &str = r#"
extends = "hl7-default"
[detect]
when = { path = "MSH-3.1", prefix = "OWLSOFT" }
reason = "the sending application is Owlsoft's"
[appointment]
type = { value = "FIRST" }
"#;

#[tokio::test]
async fn a_feed_on_auto_takes_the_mapping_that_recognises_the_message() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), OWL);
    let world = start(folder.path(), "auto").await;
    assert_eq!(send(&world, &message("OWLSOFT 3", "M1", "10001")).await, "AA");
    assert_eq!(send(&world, &message("OTHER", "M2", "10002")).await, "AA");
    let messages = query(&world, Subject::Messages);
    let meta = |index: usize| messages[index]["cause"]["message"].clone();
    assert_eq!(meta(1)["mapping"], "owl");
    assert_eq!(meta(1)["detected"], "the sending application is Owlsoft's");
    assert_eq!(meta(1)["mapping_hash"].as_str().unwrap().len(), 16);
    assert_eq!(meta(0)["mapping"], "hl7-default");
    assert_eq!(meta(0)["detected"], "no dialect recognises the message");

    let told = api(&world, "GET", &format!("/messages/{}/explain", messages[1]["seq"]), "").await;
    let now = &told["now"][0];
    assert_eq!(now["appointment"]["type"], "FIRST");
    assert_eq!(now["detected"], "the sending application is Owlsoft's");
    let taken = &now["explain"]["appointment.start"]["taken"][0];
    assert_eq!(taken["position"], "SCH[1]-11[1].4");
    let trace = told["then"]["trace"][0].as_array().unwrap();
    let start = trace.iter().find(|entry| entry["field"] == "appointment.start").unwrap();
    assert_eq!(start["bytes"], taken["bytes"]);
    assert_eq!(start["written_at"], taken["written_at"]);
    within(world.stop()).await.unwrap();
}

#[tokio::test]
async fn a_message_that_tells_nothing_is_read_as_its_senders_others() {
    let folder = tempfile::tempdir().unwrap();
    let own = OWL.replace("MSH-3.1\", prefix = \"OWLSOFT\"", "ZOW-1\", present = true");
    save(folder.path(), &own);
    let world = start(folder.path(), "auto").await;
    let booking = message("X", "M1", "10001") + "ZOW|1\r";
    assert_eq!(send(&world, &booking).await, "AA");
    assert_eq!(send(&world, &message("X", "M2", "10002")).await, "AA");
    assert_eq!(send(&world, &message("Y", "M3", "10003")).await, "AA");
    let messages = query(&world, Subject::Messages);
    let mappings: Vec<_> =
        messages.iter().map(|row| row["cause"]["message"]["mapping"].as_str().unwrap()).collect();
    assert_eq!(mappings, ["hl7-default", "owl", "owl"]);
    within(world.stop()).await.unwrap();
}

#[tokio::test]
async fn a_message_sent_again_is_read_once_the_mapping_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), OWL);
    let world = start(folder.path(), "owl").await;
    let odd = message("X", "M1", "").replace("SCH||", "ZAP|10001\rSCH||");
    assert_eq!(send(&world, &odd).await, "AA");
    assert_eq!(query(&world, Subject::Quarantine).len(), 1);
    save(folder.path(), &format!("{OWL}\nids = [{{ path = \"ZAP-1\", system = \"filler\" }}]\n"));
    world.daemon.reload_mappings().unwrap();
    assert_eq!(send(&world, &odd).await, "AA");
    assert!(query(&world, Subject::Quarantine).is_empty());
    assert_eq!(query(&world, Subject::Appointments).len(), 1);
    let before = query(&world, Subject::Messages).len();
    assert_eq!(send(&world, &odd).await, "AA");
    assert_eq!(query(&world, Subject::Messages).len(), before, "a third time it is a repetition");
    within(world.stop()).await.unwrap();
}

#[tokio::test]
async fn a_posted_message_is_mapped_and_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), OWL);
    let world = start(folder.path(), "owl").await;
    let read = api(&world, "POST", "/map/second-ehr", &message("OTHER", "M1", "10001")).await;
    assert_eq!(read[0]["event"], "BOOKED");
    assert_eq!(read[0]["appointment"]["type"], "FIRST");
    assert!(read[0]["explain"]["patient.phone"].is_object());
    let unreadable = api(&world, "POST", "/map/second-ehr", "MSH|").await;
    assert!(unreadable[0]["event"].is_null());
    assert!(query(&world, Subject::Messages).is_empty());
    within(world.stop()).await.unwrap();
}

#[tokio::test]
async fn a_saved_mapping_is_in_force_and_a_broken_one_leaves_the_old() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), OWL);
    let world = start(folder.path(), "owl").await;
    let mut watch = Watch::over(&world.daemon.mapping_paths()).unwrap();

    save(folder.path(), &OWL.replace("FIRST", "SECOND"));
    within(watch.changed()).await;
    world.daemon.reload_mappings().unwrap();
    assert_eq!(send(&world, &message("X", "M1", "10001")).await, "AA");
    assert_eq!(types(&world), ["SECOND"]);

    // Editors write beside the file and rename.
    let broken = OWL.replace("type = { value = \"FIRST\" }", "type = [\"SCH.8\"]\nstrat = []");
    std::fs::write(folder.path().join("owl.toml~"), broken).unwrap();
    std::fs::rename(folder.path().join("owl.toml~"), folder.path().join("owl.toml")).unwrap();
    within(watch.changed()).await;
    let faults = world.daemon.reload_mappings().unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults.iter().any(|fault| fault.contains("owl.toml:7: appointment.type")),
        "{faults:?}"
    );
    let ready = get(&world, "/readyz").await;
    assert!(ready.contains("\"ready\":true") && ready.contains("impaired: "), "{ready}");
    assert!(get(&world, "/metrics").await.contains("appointd_reload_refused 1"));
    assert_eq!(send(&world, &message("X", "M2", "10002")).await, "AA");
    assert_eq!(types(&world), ["SECOND", "SECOND"]);

    let unproved = format!(
        "{OWL}\n[[example]]\nname = \"x\"\nmessage = 'MSH|^~\\&|A|B'\nexpect = '{{\"event\": \"BOOKED\"}}'\n"
    );
    save(folder.path(), &unproved);
    let faults = world.daemon.reload_mappings().unwrap_err();
    assert!(faults[0].contains("example \"x\""), "{faults:?}");

    save(folder.path(), &OWL.replace("FIRST", "THIRD"));
    world.daemon.reload_mappings().unwrap();
    assert!(get(&world, "/metrics").await.contains("appointd_reload_refused 0"));
    assert_eq!(send(&world, &message("X", "M3", "10003")).await, "AA");
    assert_eq!(types(&world), ["SECOND", "SECOND", "THIRD"]);
    within(world.stop()).await.unwrap();
}

#[tokio::test]
async fn a_message_without_a_required_field_waits_with_its_trace_until_the_mapping_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), OWL);
    let world = start(folder.path(), "owl").await;
    let odd = message("X", "M1", "").replace("SCH||", "ZAP|10001\rSCH||");
    assert_eq!(send(&world, &odd).await, "AA");
    let waiting = query(&world, Subject::Quarantine);
    assert_eq!(waiting.len(), 1);
    let meta = &waiting[0]["cause"]["message"];
    assert!(meta["filed"]["quarantined"].as_str().unwrap().contains("appointment.ids is missing"));
    let path = format!("/messages/{}/explain", waiting[0]["seq"]);
    let told = api(&world, "GET", &path, "").await;
    let tried = told["then"]["trace"][0].as_array().unwrap();
    assert!(tried.iter().any(|entry| entry["result"] == "nothing there"), "{told}");

    save(folder.path(), &format!("{OWL}\nids = [{{ path = \"ZAP-1\", system = \"filler\" }}]\n"));
    world.daemon.reload_mappings().unwrap();
    let order = format!("{{\"ids\": [{}]}}", waiting[0]["seq"]);
    let replayed = api(&world, "POST", "/replay", &order).await;
    assert!(replayed[0]["messages"][0]["stored"]["seq"].is_u64(), "{replayed}");
    assert!(query(&world, Subject::Quarantine).is_empty());
    assert_eq!(query(&world, Subject::Appointments)[0]["key"], "second-ehr/10001");
    within(world.stop()).await.unwrap();
}

fn save(folder: &Path, text: &str) {
    std::fs::write(folder.join("owl.toml"), text).unwrap();
}

/// A world with a second feed whose mappings lie in a folder.
async fn start(folder: &Path, mapping: &str) -> World {
    let clock = Clock::manual(Utc.with_ymd_and_hms(2026, 11, 30, 18, 0, 0).unwrap());
    let settings = format!(
        "[mappings]\npaths = [\"{}\"]\n[[hl7.listener]]\nname = \"second-ehr\"\n\
         listen = \"127.0.0.1:0\"\nmapping = \"{mapping}\"\n",
        folder.display()
    );
    World::start(Plan { settings, ..Plan::at(clock) }).await.unwrap()
}

fn message(sender: &str, control_id: &str, id: &str) -> String {
    format!(
        "MSH|^~\\&|{sender}|MAIN|APPTD|HUB|20261130100000||SIU^S12|{control_id}|P|2.4\r\
         SCH||{id}|||||||||^^^20261203093000\rPID|1||MRN1||Doe^Jane||||||||4155550123^PRN^CP\r"
    )
}

/// Sends a message to the second feed and reads the answer's code.
async fn send(world: &World, message: &str) -> String {
    let work = async {
        let mut stream = TcpStream::connect(world.daemon.mllp[1]).await.unwrap();
        stream.write_all(format!("\x0b{message}\x1c\r").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\x1c\r") {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            answer.push(byte[0]);
        }
        String::from_utf8(answer).unwrap()
    };
    let answer = within(work).await;
    let msa = answer.split('\r').find(|segment| segment.starts_with("MSA")).unwrap();
    msa.split('|').nth(1).unwrap().to_owned()
}

fn query(world: &World, subject: Subject) -> Vec<Value> {
    let filter = Filter { limit: 100, ..Filter::default() };
    world.daemon.handle.view().query(subject, &filter).unwrap()
}

fn types(world: &World) -> Vec<String> {
    let rows = query(world, Subject::Appointments);
    rows.iter().map(|row| row["type"].as_str().unwrap().to_owned()).collect()
}

async fn get(world: &World, path: &str) -> String {
    request(world, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await
}

async fn api(world: &World, method: &str, path: &str, body: &str) -> Value {
    let text = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        world.daemon.token.expose(),
        body.len()
    );
    let answer = request(world, text).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap()
}

async fn request(world: &World, text: String) -> String {
    within(async {
        let mut stream = TcpStream::connect(world.daemon.http).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    })
    .await
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(WITHIN, work).await.unwrap()
}
