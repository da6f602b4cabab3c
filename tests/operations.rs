//! What operators rely on: health, metrics, refusals, reload, drain, and how the process starts and
//! ends.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use appointd::clock::Clock;
use appointd::engine::view::{Filter, Subject, View};
use appointd::settings;
use appointd::sim::ehr::{SimAppointment, SimPatient, siu};
use appointd::sim::world::{Plan, World};
use appointd::store::{
    Backup, Commit, Committed, Error, Key, Logged, Memory, Order, Range, Report, Row, Stats, Store,
};
use chrono::{NaiveDate, NaiveDateTime, TimeZone as _, Utc};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Far more than anything here takes: what hangs fails.
const WITHIN: Duration = Duration::from_secs(120);
/// As in `http`.
const BODY_BYTES_MAX: usize = 256 * 1024;

// ---------------------------------------------------------------------------------- health

#[tokio::test]
async fn alive_and_ready_once_the_ports_are_bound() {
    let world = World::start(plan()).await.unwrap();
    let alive = get(world.daemon.http, "/healthz", "").await;
    assert_eq!((alive.status, alive.body.as_str()), (200, "alive\n"));
    let ready = get(world.daemon.http, "/readyz", "").await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["ready"], true);
    assert_eq!(ready.json()["parts"]["engine"], "up");
    assert_eq!(ready.json()["parts"]["store"], "up");
    let listener = format!("listener {}", world.daemon.mllp[0]);
    assert_eq!(ready.json()["parts"][listener], "up");
    stop(world).await;
}

#[tokio::test]
async fn neither_ready_nor_accepting_while_the_store_refuses() {
    let store = Arc::new(Moody::default());
    let world = World::start(with_store(&store)).await.unwrap();
    store.refuses.store(true, Ordering::SeqCst);
    let ready = get(world.daemon.http, "/readyz", "").await;
    assert_eq!(ready.status, 503);
    let told = ready.json()["parts"]["store"].as_str().unwrap().to_owned();
    assert!(told.starts_with("down: disk of "), "{told}");
    let answer = within(world.ehr.book(visit("10001", 3))).await;
    assert!(["AR", "AE"].contains(&answer.as_str()), "{answer}");
    assert!(appointments(&store).is_empty());
    assert_eq!(get(world.daemon.http, "/healthz", "").await.status, 200);

    store.refuses.store(false, Ordering::SeqCst);
    assert_eq!(get(world.daemon.http, "/readyz", "").await.status, 200);
    assert_eq!(within(world.ehr.book(visit("10001", 3))).await, "AA");
    assert_eq!(appointments(&store).len(), 1);
    stop(world).await;
}

#[tokio::test]
async fn metrics_tell_of_a_message_and_of_no_patient() {
    let world = World::start(plan()).await.unwrap();
    assert_eq!(within(world.ehr.book(visit("10001", 3))).await, "AA");
    within(world.carrier.wait_for(|texts| !texts.is_empty())).await;
    let metrics = get(world.daemon.http, "/metrics", "").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.head.contains("application/openmetrics-text"), "{}", metrics.head);
    for line in [
        "appointd_messages_total{source=\"main-ehr\",kind=\"event\"} 1",
        "appointd_acknowledgments_total{source=\"main-ehr\",kind=\"AA\"} 1",
        "appointd_mllp_connections{source=\"main-ehr\"} 1",
        "appointd_rows{kind=\"quarantine\"} 0",
    ] {
        assert!(metrics.body.lines().any(|found| found == line), "{line}\n{}", metrics.body);
    }
    for name in ["appointd_mllp_bytes_total{", "appointd_last_message_timestamp_seconds{"] {
        assert!(metrics.body.contains(name), "{name}\n{}", metrics.body);
    }
    for secret in ["Doe", "Jane", "555", "MRN1000", "10001"] {
        assert!(!metrics.body.contains(secret), "{secret}\n{}", metrics.body);
    }
    assert!(metrics.body.ends_with("# EOF\n"));
    stop(world).await;
}

// ---------------------------------------------------------------------------------- refusals

#[tokio::test]
async fn the_api_is_closed_without_its_token() {
    let world = World::start(plan()).await.unwrap();
    let token = world.daemon.token.expose().to_owned();
    let wrong = [
        String::new(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Bearer \r\n".to_owned(),
        "Authorization: Bearer wrong\r\n".to_owned(),
        format!("Authorization: Bearer {token}x\r\n"),
        format!("Authorization: Bearer {}\r\n", token.get(1..).unwrap()),
        format!("Authorization: Basic {token}\r\n"),
        format!("Authorization: {token}\r\n"),
        format!("X-Authorization: Bearer {token}\r\n"),
    ];
    for path in ["/api/v1/query/appointments", "/api/v1/messages/1/raw", "/api/v1/store/stats"] {
        for headers in &wrong {
            let refused = get(world.daemon.http, path, headers).await;
            assert_eq!(refused.status, 401, "{path} {headers}");
            refused.assert_problem(401);
            assert!(refused.head.contains("www-authenticate: bearer"), "{}", refused.head);
        }
    }
    let right = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(get(world.daemon.http, "/api/v1/query/appointments", &right).await.status, 200);
    stop(world).await;
}

#[tokio::test]
async fn an_over_size_body_is_refused_with_413() {
    let store = Arc::new(Memory::new());
    let world =
        World::start(Plan { store: Some(Arc::clone(&store) as _), ..plan() }).await.unwrap();
    let before = rows(&*store);
    let authorized = format!("Authorization: Bearer {}\r\n", world.daemon.token.expose());
    for (path, headers) in [
        ("/twilio/inbound", ""),
        ("/twilio/status", ""),
        ("/api/v1/replay", "Content-Type: application/json\r\n"),
    ] {
        let headers = format!("{authorized}{headers}");
        let body = "x".repeat(BODY_BYTES_MAX + 1);
        assert_eq!(post(world.daemon.http, path, &headers, &body).await.status, 413, "{path}");
        let body = "x".repeat(BODY_BYTES_MAX);
        let taken = post(world.daemon.http, path, &headers, &body).await;
        assert!([400, 403].contains(&taken.status), "{path} {}", taken.status);
    }
    assert_eq!(rows(&*store), before);
    stop(world).await;
}

#[tokio::test]
async fn a_wrong_signature_is_refused_with_403_and_leaves_nothing() {
    let store = Arc::new(Memory::new());
    let world =
        World::start(Plan { store: Some(Arc::clone(&store) as _), ..plan() }).await.unwrap();
    let before = rows(&*store);
    let account = format!("AC{}", "0".repeat(32));
    let body = format!(
        "MessageSid=SM{}&AccountSid={account}&From=%2B14155550123&To=%2B15105550100&Body=C",
        "1".repeat(32)
    );
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let mut refused = 0;
    for signature in [
        String::new(),
        "X-Twilio-Signature: \r\n".to_owned(),
        "X-Twilio-Signature: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n".to_owned(),
        "X-Twilio-Signature: no base64 at all\r\n".to_owned(),
        format!("X-Twilio-Signature: {}\r\n", "A".repeat(10_000)),
    ] {
        for path in ["/twilio/inbound", "/twilio/status?outbox=1"] {
            let answer = post(world.daemon.http, path, &format!("{form}{signature}"), &body).await;
            answer.assert_problem(403);
            refused += 1;
        }
    }
    assert_eq!(rows(&*store), before);
    let metrics = get(world.daemon.http, "/metrics", "").await.body;
    let line = format!("appointd_webhooks_total{{kind=\"signature\"}} {refused}");
    assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    stop(world).await;
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_with_404() {
    let world = World::start(plan()).await.unwrap();
    let authorized = format!("Authorization: Bearer {}\r\n", world.daemon.token.expose());
    for path in ["/nothing", "/twilio", "/%2e%2e/etc/passwd", "/healthz/", "//"] {
        get(world.daemon.http, path, "").await.assert_problem(404);
    }
    for path in ["/api/v1/query/secrets", "/api/v1/messages/99999/raw"] {
        let missing = get(world.daemon.http, path, &authorized).await;
        missing.assert_problem(404);
        assert!(missing.json()["field"].is_string(), "{}", missing.body);
    }
    stop(world).await;
}

#[tokio::test]
async fn what_is_no_http_does_not_disturb_the_port() {
    let world = World::start(plan()).await.unwrap();
    let endless = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
    for bytes in [
        b"\x0bMSH|^~\\&|A|B|C|D|20261130||SIU^S12|1|P|2.5.1\r\x1c\r".as_slice(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        endless.as_bytes(),
    ] {
        let answer = exchange(world.daemon.http, bytes, true).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1."), "{answer}");
    }
    assert_eq!(get(world.daemon.http, "/healthz", "").await.status, 200);
    stop(world).await;
}

// ---------------------------------------------------------------------------------- reload, drain

#[tokio::test]
async fn a_broken_mapping_at_reload_leaves_the_old_in_force() {
    let world = World::start(plan()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("default.toml"), "version = \"no mapping\"").unwrap();
    let refused = world.daemon.reload(&changed("Barn Clinic", folder.path(), true));
    let told = refused.unwrap_err().join("\n");
    assert!(told.contains("default"), "{told}");
    assert_eq!(within(world.ehr.book(visit("10001", 3))).await, "AA");
    let texts = within(world.carrier.wait_for(|texts| !texts.is_empty())).await;
    assert!(texts[0].body.expose().contains("Owl Clinic"), "{}", texts[0].body.expose());

    world.daemon.reload(&changed("Barn Clinic", folder.path(), false)).unwrap();
    assert_eq!(within(world.ehr.book(visit("10002", 4))).await, "AA");
    let texts = within(world.carrier.wait_for(|texts| texts.len() > 1)).await;
    assert!(texts[1].body.expose().contains("Barn Clinic"), "{}", texts[1].body.expose());
    stop(world).await;
}

#[tokio::test]
async fn messages_in_hand_at_the_stop_are_answered_and_stored() {
    let store = Arc::new(Moody::default());
    let world = World::start(with_store(&store)).await.unwrap();
    let now = world.clock.now();
    let mut feed = TcpStream::connect(world.daemon.mllp[0]).await.unwrap();
    store.hold(true);
    let message = siu("S12", "HELD0000000000000001", &visit("10001", 3), now);
    feed.write_all(format!("\x0b{message}\x1c\r").as_bytes()).await.unwrap();
    within(store.entered.notified()).await;
    let World { daemon, .. } = world;
    let http = daemon.http;
    let answers = async {
        // The stop has been ordered when this begins: `join` polls in order.
        store.hold(false);
        let mut answer = String::new();
        feed.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (stopped, answer) = within(async { tokio::join!(daemon.stop(), answers) }).await;
    stopped.unwrap();
    assert!(answer.contains("MSA|AA|HELD0000000000000001"), "{answer:?}");
    assert_eq!(appointments(&store).len(), 1);
    assert!(TcpStream::connect(http).await.is_err(), "the port is closed after the stop");
}

// ---------------------------------------------------------------------------------- helpers

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(WITHIN, work).await.unwrap()
}

async fn stop(world: World) {
    within(world.stop()).await.unwrap();
}

fn plan() -> Plan {
    Plan::at(Clock::manual(Utc.with_ymd_and_hms(2026, 11, 30, 18, 0, 0).unwrap()))
}

fn with_store(store: &Arc<Moody>) -> Plan {
    Plan { store: Some(Arc::clone(store) as _), ..plan() }
}

fn visit(id: &str, day: u32) -> SimAppointment {
    SimAppointment {
        id: id.to_owned(),
        patient: SimPatient {
            mrn: format!("MRN{id}"),
            given: "Jane".to_owned(),
            family: "Doe".to_owned(),
            phone: "(415) 555-0123".to_owned(),
        },
        start: morning(day),
        location: "EAST".to_owned(),
        status: "Booked".to_owned(),
    }
}

fn morning(day: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 12, day).unwrap().and_hms_opt(9, 30, 0).unwrap()
}

/// Settings as the world has them, with another name, and with the mappings of a folder if wanted.
fn changed(name: &str, folder: &Path, own_mappings: bool) -> settings::Settings {
    let paths = if own_mappings { "[mappings]\npaths = [\".\"]" } else { "" };
    let text = format!(
        "[practice]\nname = \"{name}\"\ncallback_phone = \"+15105550100\"\n\
         time_zone = \"America/Los_Angeles\"\n[store]\nengine = \"memory\"\n\
         [[hl7.listener]]\nname = \"main-ehr\"\nlisten = \"127.0.0.1:0\"\n{paths}"
    );
    settings::from_text(&text, folder).unwrap().settings
}

fn appointments(store: &Arc<Moody>) -> Vec<Value> {
    let view = View::new(Arc::clone(store) as _);
    view.query(Subject::Appointments, &Filter { limit: 10, ..Filter::default() }).unwrap()
}

fn rows(store: &dyn Store) -> Vec<(String, usize)> {
    let tables = store.stats().unwrap().tables;
    tables
        .iter()
        .map(|(table, held)| (table.name().to_owned(), usize::try_from(held.rows).unwrap()))
        .collect()
}

struct Answered {
    status: u16,
    /// In lower case.
    head: String,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{} {}", self.head, self.body);
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        assert_eq!(self.json()["status"], status);
        assert!(self.json()["detail"].is_string() && self.json()["title"].is_string());
    }
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> Answered {
    request(
        address,
        format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n"),
    )
    .await
}

async fn post(address: SocketAddr, path: &str, headers: &str, body: &str) -> Answered {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}");
    request(address, format!("{head}Content-Length: {length}\r\n\r\n{body}")).await
}

async fn request(address: SocketAddr, text: String) -> Answered {
    let answer = exchange(address, text.as_bytes(), false).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answered { status, head, body: body.to_owned() }
}

/// Writes bytes, ends the writing side if wanted, and reads what comes.
async fn exchange(address: SocketAddr, bytes: &[u8], ends: bool) -> String {
    let work = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The other side may hang up before it has read everything.
        let _written = stream.write_all(bytes).await.is_ok();
        let _ended = ends && stream.shutdown().await.is_ok();
        let mut answer = Vec::new();
        let _read = stream.read_to_end(&mut answer).await.is_ok();
        String::from_utf8_lossy(&answer).into_owned()
    };
    within(work).await
}

/// A store in memory that can refuse commits, and hold them back.
#[derive(Debug, Default)]
struct Moody {
    inner: Memory,
    refuses: AtomicBool,
    holds: Mutex<bool>,
    released: Condvar,
    /// A commit is being held back.
    entered: Notify,
}

impl Moody {
    fn hold(&self, holds: bool) {
        *self.holds.lock().unwrap() = holds;
        self.released.notify_all();
    }

    fn wait_while_held(&self) {
        let mut holds = self.holds.lock().unwrap();
        while *holds {
            self.entered.notify_one();
            holds = self.released.wait(holds).unwrap();
        }
    }

    fn mood(&self) -> Result<(), Error> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(Error::Full { path: "/nowhere".into(), free: 0, floor: 1 });
        }
        Ok(())
    }
}

impl Store for Moody {
    fn get(&self, key: &Key) -> Result<Option<Row>, Error> {
        self.inner.get(key)
    }

    fn snapshot(&self, keys: &[Key]) -> Result<Vec<Option<Row>>, Error> {
        self.inner.snapshot(keys)
    }

    fn scan(&self, range: &Range, limit: usize, order: Order) -> Result<Vec<(Key, Row)>, Error> {
        self.inner.scan(range, limit, order)
    }

    fn log(&self, commit: Commit) -> Result<Logged, Error> {
        self.wait_while_held();
        self.mood()?;
        self.inner.log(commit)
    }

    fn apply(&self, logged: Logged) -> Result<Committed, Error> {
        self.inner.apply(logged)
    }

    fn checkpoint(&self) -> Result<(), Error> {
        self.inner.checkpoint()
    }

    fn stats(&self) -> Result<Stats, Error> {
        self.inner.stats()
    }

    fn verify(&self) -> Result<Report, Error> {
        self.inner.verify()
    }

    fn backup(&self, to: &Path) -> Result<Backup, Error> {
        self.inner.backup(to)
    }

    fn is_writable(&self) -> Result<(), Error> {
        self.mood()
    }

    fn free_bytes(&self) -> Result<u64, Error> {
        self.inner.free_bytes()
    }
}
