//! The daemon is killed with SIGKILL a hundred times under load, and nothing that it acknowledged
//! is missing afterwards: no message, timer, text or write-back; and no text is sent twice.
//!
//! The daemon is a process of its own, its peers are in this one and live on. Each round kills it
//! after a drawn number of acknowledgments, with messages, replies and sends in the air. The seed is
//! printed, and can be given as `APPOINTD_CRASH_SEED`.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use appointd::clock::Clock;
use appointd::core::phone::PhoneNumber;
use appointd::engine::view::{Filter, Subject, View};
use appointd::hl7::Message;
use appointd::outbound::mllp::{Connection, Exchange};
use appointd::shutdown::Tasks;
use appointd::sim::ehr::{Ehr, Line, SimAppointment, SimPatient, siu};
use appointd::sim::phone::{Carrier, Direction, Settings as CarrierSettings, Text};
use appointd::sms::Secret;
use appointd::sms::sid::AccountSid;
use appointd::store::{Embedded, Options, Store};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

const ROUNDS: u64 = 100;
const CONNECTIONS: u64 = 4;
const FIRST_AREA: u64 = 212;
/// A guard against waiting for ever; what is awaited takes seconds.
const SETTLED_WITHIN: Duration = Duration::from_secs(240);
const ACCOUNT: &str = "AC00000000000000000000000000000000";
const TOKEN: &str = "token-of-the-stand-in";
const NUMBER: &str = "+15105550100";
const OUTBOX_WAITING: &str = "appointd_rows{kind=\"outbox_waiting\"}";

/// Booking number `index`: everything about it follows from its number.
fn booking(index: u64) -> SimAppointment {
    let own = str::to_owned;
    // 555-0100 to 555-0199 is kept free in every area code; 212 to 289 are codes of places.
    assert!(index < 7_800, "every booking has a phone of its own");
    let phone = format!("+1{}55501{:02}", FIRST_AREA + index / 100, index % 100);
    let start = Clock::system().now() + chrono::TimeDelta::days(10);
    SimAppointment {
        id: format!("V{index}"),
        patient: SimPatient {
            mrn: format!("M{index}"),
            given: own("Jane"),
            family: own("Doe"),
            phone,
        },
        start: start.naive_utc(),
        location: own("EAST"),
        status: own("Booked"),
    }
}

struct Daemon {
    process: Process,
    log: std::thread::JoinHandle<()>,
}

/// A process that does not outlive a failed test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _is_gone = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Daemon {
    /// Starts the daemon and waits until it says that it is ready.
    fn start(config: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_appointd"))
            .args(["run", "--config"])
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("the daemon did not start: {seen:#?}");
            };
            if line.contains("\"Ready\"") {
                break;
            }
            seen.push(line);
        }
        // Whoever does not read a pipe to its end blocks the writer.
        let log = std::thread::spawn(move || for _line in lines.map_while(Result::ok) {});
        Self { process: Process(process), log }
    }

    fn kill(self) {
        drop(self.process);
        self.log.join().unwrap();
    }

    fn terminate(mut self) {
        let id = self.process.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.process.0.wait().unwrap().success(), "a drained daemon ends with 0");
        self.log.join().unwrap();
    }
}

/// The peers, which outlive every daemon.
struct Peers {
    carrier: Carrier,
    ehr: Arc<Ehr>,
    feed: SocketAddr,
    http: SocketAddr,
    next: AtomicU64,
    /// Bookings that were acknowledged.
    acknowledged: Mutex<BTreeSet<u64>>,
    /// Bookings whose patient has texted "C".
    texted: Mutex<BTreeSet<u64>>,
    /// Bookings whose patient's "C" was answered with 200.
    replied: Mutex<BTreeSet<u64>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_no_text_is_sent_twice() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::new();
    let (peers, config) = set_up(folder.path(), &tasks).await;
    let mut random = Random::seeded();
    for _round in 0..ROUNDS {
        let daemon = Daemon::start(&config);
        let wanted = 1 + random.below(60);
        // Work goes on while it is killed: what is in the air then is what matters.
        tokio::select! {
            () = load(&peers) => {}
            () = acknowledgments(&peers, wanted) => {}
        }
        daemon.kill();
    }
    let daemon = Daemon::start(&config);
    if tokio::time::timeout(SETTLED_WITHIN, settle(&peers)).await.is_err() {
        panic!("not everything arrived: {}", missing(&peers).await);
    }
    daemon.terminate();
    check_peers(&peers).await;
    check_store(folder.path(), &peers).await;
    tasks.drain(Duration::from_secs(5)).await;
}

async fn set_up(folder: &Path, tasks: &Tasks) -> (Arc<Peers>, PathBuf) {
    let clock = Clock::system();
    let number = PhoneNumber::parse_e164(NUMBER).unwrap();
    let settings =
        CarrierSettings::new(AccountSid::parse(ACCOUNT).unwrap(), Secret::new(TOKEN), number);
    let carrier =
        Carrier::start(settings, clock.clone(), tasks.tracker(), tasks.stop_token()).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let carrier_address = socket.local_addr().unwrap();
    let router = carrier.router();
    tasks.spawn(async move { axum::serve(socket, router).await.unwrap() });
    let ehr = Ehr::new(clock, false);
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ehr_address = socket.local_addr().unwrap();
    ehr.listen(socket, tasks);
    let (feed, http) = (free_port().await, free_port().await);
    carrier.set_inbound_url(&format!("http://{http}/twilio/inbound"));
    let config = folder.join("appointd.toml");
    let text = settings_text(&folder.join("store"), feed, http, carrier_address, ehr_address);
    std::fs::write(&config, text).unwrap();
    let peers = Peers {
        carrier,
        ehr,
        feed,
        http,
        next: AtomicU64::new(0),
        acknowledged: Mutex::default(),
        texted: Mutex::default(),
        replied: Mutex::default(),
    };
    (Arc::new(peers), config)
}

async fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn settings_text(
    store: &Path,
    feed: SocketAddr,
    http: SocketAddr,
    carrier: SocketAddr,
    ehr: SocketAddr,
) -> String {
    format!(
        r#"
[practice]
name = "Owl Clinic"
callback_phone = "+15105550100"
time_zone = "UTC"
[store]
path = "{}"
[http]
listen = "{http}"
public_url = "http://{http}"
[[hl7.listener]]
name = "main-ehr"
listen = "{feed}"
[[hl7.destination]]
name = "main-ehr"
address = "{ehr}"
[[route]]
source = "main-ehr"
destination = "main-ehr"
[twilio]
account_sid = "{ACCOUNT}"
auth_token = "{TOKEN}"
from = "{NUMBER}"
base_url = "http://{carrier}"
poll_every = "off"
[sms]
backend = "twilio"
segments_per_second = 1000
[reminders.window]
start = "00:00"
finish = "24:00"
[guard]
texts = "off"
[delivery]
retry_first = "1s"
reconcile_after = "1s"
[log]
level = "info"
format = "json"
"#,
        store.display()
    )
}

/// Bookings on several connections and replies to the texts that they bring, without end.
async fn load(peers: &Arc<Peers>) {
    let feeds = (0..CONNECTIONS).map(|_| feed(peers));
    tokio::join!(futures_util::future::join_all(feeds), replies(peers));
}

async fn feed(peers: &Arc<Peers>) {
    let within = Duration::from_secs(30);
    let Ok(mut connection) = Connection::open(&peers.feed.to_string(), None, within).await else {
        return;
    };
    loop {
        let index = peers.next.fetch_add(1, Ordering::Relaxed);
        let control_id = format!("C{index}");
        let text = siu("S12", &control_id, &booking(index), Clock::system().now());
        match connection.exchange(text.as_bytes(), &control_id, within).await {
            Exchange::Answered(answered) => {
                assert!(answered.ack.code.is_positive(), "{:?}", answered.ack);
                peers.acknowledged.lock().await.insert(index);
            }
            Exchange::NotSent(_) | Exchange::NoAnswer(_) => return,
        }
    }
}

/// Every fifth patient answers the text, once: a second "C" would rightly be answered again.
async fn replies(peers: &Arc<Peers>) {
    loop {
        let texted = peers.texted.lock().await.clone();
        let open = |text: &Text| {
            let index = booking_of(text)?;
            let is_due = index % 5 == 0 && !texted.contains(&index);
            (text.direction == Direction::OutboundApi && is_due).then_some(index)
        };
        let texts =
            peers.carrier.wait_for(|texts| texts.iter().any(|text| open(text).is_some())).await;
        let due: BTreeSet<u64> = texts.iter().filter_map(open).collect();
        for index in due {
            peers.texted.lock().await.insert(index);
            let phone = PhoneNumber::parse_e164(&booking(index).patient.phone).unwrap();
            let reply = peers.carrier.reply(&phone, "C").await;
            if reply.is_some_and(|reply| reply.http_status == Some(200)) {
                peers.replied.lock().await.insert(index);
            }
        }
    }
}

fn booking_of(text: &Text) -> Option<u64> {
    let digits = text.to.as_str().strip_prefix("+1")?;
    let area: u64 = digits.get(..3)?.parse().ok()?;
    let line: u64 = digits.get(8..)?.parse().ok()?;
    Some((area - FIRST_AREA) * 100 + line)
}

/// Waits until so many more bookings are acknowledged.
async fn acknowledgments(peers: &Arc<Peers>, more: u64) {
    let wanted = peers.acknowledged.lock().await.len() + usize::try_from(more).unwrap();
    while peers.acknowledged.lock().await.len() < wanted {
        tokio::task::yield_now().await;
    }
}

/// Waits until every acknowledged booking has its text, every reply is with the EHR, and nothing is
/// left in the outbox: the last answers, and texts of bookings whose acknowledgment was cut off.
async fn settle(peers: &Arc<Peers>) {
    let acknowledged = peers.acknowledged.lock().await.clone();
    peers
        .carrier
        .wait_for(|texts| {
            let told: BTreeSet<u64> = booked(texts).filter_map(booking_of).collect();
            acknowledged.is_subset(&told)
        })
        .await;
    let replied = peers.replied.lock().await.clone();
    peers
        .ehr
        .wait_for(|lines| {
            let told: BTreeSet<u64> = lines.iter().filter_map(confirmed).collect();
            replied.is_subset(&told)
        })
        .await;
    while outbox_waiting(peers).await != 0 {
        tokio::task::yield_now().await;
    }
}

/// How many rows wait in the outbox, as the daemon tells its monitoring.
async fn outbox_waiting(peers: &Arc<Peers>) -> u64 {
    let answer = reqwest::get(format!("http://{}/metrics", peers.http)).await.unwrap();
    let text = answer.text().await.unwrap();
    let line = text.lines().find(|line| line.starts_with(OUTBOX_WAITING)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// What has not arrived, for the message of a failure.
async fn missing(peers: &Arc<Peers>) -> String {
    let texts = peers.carrier.all_texts();
    let told: BTreeSet<u64> = booked(&texts).filter_map(booking_of).collect();
    let wished: BTreeSet<u64> = peers.ehr.transcript().iter().filter_map(confirmed).collect();
    let acknowledged = peers.acknowledged.lock().await;
    let replied = peers.replied.lock().await;
    let texts: Vec<_> = acknowledged.difference(&told).collect();
    let wishes: Vec<_> = replied.difference(&wished).collect();
    format!("texts of {texts:?}, wishes of {wishes:?}")
}

fn booked(texts: &[Text]) -> impl Iterator<Item = &Text> {
    texts.iter().filter(|text| {
        text.direction == Direction::OutboundApi && text.body.expose().contains("Reply C")
    })
}

fn confirmed(line: &Line) -> Option<u64> {
    let msg = Message::read(&line.text).ok()?;
    let id = msg.get(&"SCH-2.1".parse().unwrap()).into_text().into_owned();
    id.strip_prefix('V')?.parse().ok()
}

async fn check_peers(peers: &Arc<Peers>) {
    let texts = peers.carrier.all_texts();
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for text in texts.iter().filter(|text| text.direction == Direction::OutboundApi) {
        let key = (text.to.as_str().to_owned(), text.body.expose().clone());
        *seen.entry(key).or_default() += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    // A write-back may come twice, under one control id, so that the EHR can drop it.
    let mut ids: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for line in peers.ehr.transcript() {
        let msg = Message::read(&line.text).unwrap();
        let index = confirmed(&line).unwrap();
        ids.entry(index).or_default().insert(msg.header().control_id);
    }
    assert!(ids.values().all(|ids| ids.len() == 1), "one wish, one control id: {ids:?}");
    let acknowledged = peers.acknowledged.lock().await.len();
    println!(
        "{ROUNDS} kills: {acknowledged} acknowledged, {} texts, {} wishes at the EHR",
        texts.len(),
        ids.len()
    );
}

async fn check_store(folder: &Path, peers: &Arc<Peers>) {
    let store: Arc<dyn Store> =
        Arc::new(Embedded::open(Options::new(folder.join("store"))).unwrap());
    assert!(store.verify().unwrap().is_sound());
    let view = View::new(store);
    let filter = Filter { limit: 1_000_000, ..Filter::default() };
    let rows = view.query(Subject::Appointments, &filter).unwrap();
    let mut timers: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        let id = row["key"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        timers.insert(id, row["timers"].as_array().unwrap().len());
    }
    for index in peers.acknowledged.lock().await.iter() {
        // Two reminders and the end.
        assert_eq!(timers.get(&format!("V{index}")), Some(&3), "booking {index}");
    }
    let waiting =
        view.query(Subject::Outbox, &Filter { status: Some("ready".to_owned()), ..filter });
    assert_eq!(waiting.unwrap().len(), 0, "nothing waits for ever");
}

/// A small generator of numbers, seeded from outside or from the time.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let given = std::env::var("APPOINTD_CRASH_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            u64::try_from(Clock::system().now().timestamp_micros()).unwrap() | 1
        });
        println!("APPOINTD_CRASH_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
