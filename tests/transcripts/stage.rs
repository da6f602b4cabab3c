//! The daemon between its stand-ins, on a clock that is moved, in a runtime of its own so that it can
//! crash in the middle of whatever it does.
//!
//! Nothing is awaited for its duration: after each step the stage looks until the daemon is at rest,
//! that is until nothing is due, nothing is under way and all news of texts has arrived.

use std::collections::BTreeSet;
use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use appointd::app::{self, App, Running};
use appointd::clock::{Clock, Timestamp};
use appointd::core::delivery::{Outgoing, State};
use appointd::core::event::Event;
use appointd::core::ids::{OutboxId, Seq};
use appointd::core::phone::PhoneNumber;
use appointd::core::rules::Rules;
use appointd::engine::Engine;
use appointd::engine::rows::{self, Cause};
use appointd::inbound::poll::Poller;
use appointd::outbound::twilio::{Reach, http_client};
use appointd::settings::{self, Settings};
use appointd::shutdown::Tasks;
use appointd::sim::ehr::Ehr;
use appointd::sim::phone::{Carrier, Direction, Settings as CarrierSettings, Text};
use appointd::sms::sid::AccountSid;
use appointd::sms::signature::{Algorithm, sign};
use appointd::sms::status::MessageStatus;
use appointd::sms::{Form, Secret};
use appointd::store::{Key, Memory, Order, Range, Store, Table};
use axum::Json;
use axum::extract::{Request, State as Shared};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use super::script::Script;

/// A guard against waiting for ever; rest takes milliseconds, or the few seconds for which the
/// breaker of a lane is open.
const LOOKS_MAX: u32 = 60_000;
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Rows that one conversation has; far more than any.
const ROWS_MAX: usize = 10_000;
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
const BUILD_TRIES_MAX: u32 = 200;
const ACCOUNT: &str = "AC00000000000000000000000000000000";
const TOKEN: &str = "token-of-the-stand-in";
const NUMBER: &str = "+15105550100";

/// Everything that there is.
pub(crate) struct Stage {
    peers: Runtime,
    daemon: Option<(Runtime, Running)>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) carrier: Carrier,
    pub(crate) ehr: Arc<Ehr>,
    gate: Arc<Gate>,
    settings: Settings,
    http: reqwest::Client,
    pub(crate) feed: SocketAddr,
    /// Whether the carrier keeps news of texts to itself.
    pub(crate) is_silent: bool,
    /// Texts whose news came while nobody listened.
    unheard: BTreeSet<String>,
    /// The last entry of the journal when the daemon was started.
    started: u64,
}

/// What happens to the next request to send, in front of the carrier.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ambush {
    /// The daemon crashes before the carrier has it.
    CrashBefore,
    /// The daemon crashes when the carrier has it, before the answer.
    CrashAfter,
    /// The carrier refuses it with this code.
    Refuse(u32),
}

/// Where the daemon's requests pass on their way to the carrier.
#[derive(Debug, Default)]
struct Gate {
    next: Mutex<Option<Ambush>>,
    is_stuck: AtomicBool,
}

async fn pass(Shared(gate): Shared<Arc<Gate>>, request: Request, next: Next) -> Response {
    let is_send = request.method() == Method::POST && request.uri().path().contains("/Messages");
    let ambush = if is_send { gate.next.lock().unwrap().take() } else { None };
    match ambush {
        None => next.run(request).await,
        Some(Ambush::Refuse(code)) => {
            let body = serde_json::json!({ "code": code, "status": 400, "message": "refused",
                "more_info": format!("https://www.twilio.com/docs/errors/{code}") });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
        Some(Ambush::CrashBefore) => {
            gate.is_stuck.store(true, Ordering::SeqCst);
            pending().await
        }
        Some(Ambush::CrashAfter) => {
            drop(next.run(request).await);
            gate.is_stuck.store(true, Ordering::SeqCst);
            pending().await
        }
    }
}

impl Stage {
    /// Sets up the stand-ins and the daemon.
    pub(crate) fn new(script: &Script, start: Timestamp) -> Result<Self, String> {
        let peers = runtime();
        let clock = Clock::manual(start);
        let gate = Arc::new(Gate::default());
        let (carrier, ehr, addresses) = peers.block_on(stand_ins(&clock, &gate));
        let text = settings_text(script, &addresses);
        let loaded = settings::from_text(&text, Path::new("")).map_err(|faults| {
            faults.iter().map(|fault| format!("{fault}\n")).collect::<String>()
        })?;
        let mut stage = Self {
            peers,
            daemon: None,
            store: Arc::new(Memory::new()),
            clock,
            carrier,
            ehr,
            gate,
            settings: loaded.settings,
            http: http_client(Reach::PlainLoopback, ANSWERED_WITHIN, ANSWERED_WITHIN)
                .map_err(|fault| fault.to_string())?,
            feed: addresses.feed,
            is_silent: false,
            unheard: BTreeSet::new(),
            started: 0,
        };
        stage.start();
        Ok(stage)
    }

    /// Lets something happen to the next text.
    pub(crate) fn lie_in_wait(&self, ambush: Ambush) {
        if let Ambush::CrashAfter = ambush {
            // No news of the text may come before the crash.
            self.carrier.hold_deliveries();
        }
        *self.gate.next.lock().unwrap() = Some(ambush);
    }

    /// Runs something beside the daemon.
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.peers.block_on(work)
    }

    /// The daemon, if it runs.
    pub(crate) fn running(&self) -> Option<&Running> {
        self.daemon.as_ref().map(|(_, running)| running)
    }

    /// Starts the daemon, on the ports that it had.
    pub(crate) fn start(&mut self) {
        let runtime = runtime();
        for text in self.carrier.all_texts() {
            self.unheard.insert(text.sid.to_string());
        }
        let journal = Range::all(Table::Journal);
        let last = self.store.scan(&journal, 1, Order::Descending).unwrap().pop();
        self.started = last.and_then(|(key, _)| rows::seq_of(&key)).map_or(0, |seq| seq.0);
        for _ in 0..BUILD_TRIES_MAX {
            let (settings, store) = (self.settings.clone(), Arc::clone(&self.store));
            let clock = self.clock.clone();
            let built = async { App::build(settings, store, clock).await?.start() };
            match runtime.block_on(built) {
                Ok(running) => {
                    self.daemon = Some((runtime, running));
                    return;
                }
                // Sockets of the one before it may not be closed yet.
                Err(app::Error::Bind { .. }) => self.pause(),
                Err(fault) => panic!("the daemon does not start: {fault}"),
            }
        }
        panic!("the daemon's ports stay taken");
    }

    /// Ends the daemon in the middle of whatever it does.
    pub(crate) fn crash(&mut self) {
        let Some((runtime, mut running)) = self.daemon.take() else { return };
        // The engine's thread ends when nobody is left who could ask it for anything.
        let rules = Arc::new(RwLock::new(Arc::new(self.settings.rules.clone())));
        running.handle = Engine::new(Arc::new(Memory::new()), rules, self.clock.clone()).unwrap().1;
        runtime.shutdown_background();
        for _ in 0..LOOKS_MAX {
            if running.has_failed() {
                self.gate.is_stuck.store(false, Ordering::SeqCst);
                self.carrier.release_deliveries();
                self.wait_for_carrier();
                return;
            }
            self.pause();
        }
        panic!("the engine does not end");
    }

    /// Asks the daemon for something as the command line does.
    pub(crate) fn post(&self, path: &str) -> Result<(), String> {
        let Some(running) = self.running() else { return Err("no daemon runs".to_owned()) };
        let url = format!("http://{}{path}", running.http);
        let token = running.token.expose();
        let asked = async { self.http.post(url).bearer_auth(token).send().await };
        let answer = self.run(asked).map_err(|fault| fault.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
    }

    /// Posts a picture without words as the carrier does; the stand-in knows no pictures.
    pub(crate) fn picture(&self, from: &PhoneNumber) -> Result<(), String> {
        let Some(running) = self.running() else { return Err("no daemon runs".to_owned()) };
        let url = format!("http://{}/twilio/inbound", running.http);
        let fields = [
            ("AccountSid", ACCOUNT),
            ("MessageSid", "MM00000000000000000000000000000001"),
            ("From", from.as_str()),
            ("To", NUMBER),
            ("Body", ""),
            ("NumMedia", "1"),
            ("MediaContentType0", "image/jpeg"),
            ("MediaUrl0", "https://api.twilio.com/picture"),
        ];
        let written = |(key, value): &(&str, &str)| format!("{key}={}", value.replace('+', "%2B"));
        let body = fields.iter().map(written).collect::<Vec<_>>().join("&");
        let form = Form::parse(body.as_bytes()).map_err(|fault| fault.to_string())?;
        let signature = sign(Algorithm::HmacSha1, &Secret::new(TOKEN), &url, Some(&form));
        let post = self.http.post(url).header("X-Twilio-Signature", signature).body(body);
        let post = post.header("Content-Type", "application/x-www-form-urlencoded");
        let answer = self.run(async { post.send().await }).map_err(|fault| fault.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
    }

    /// Compares with the carrier's list of received texts.
    pub(crate) fn poll(&self) -> Result<(), String> {
        let Some(running) = self.running() else { return Err("no daemon runs".to_owned()) };
        let twilio = app::twilio_of(&self.settings)?.ok_or("no carrier is set")?;
        let handle = running.handle.clone();
        let poller = Poller::new(twilio, Duration::MAX, handle, self.clock.clone());
        let since = self.clock.now() - chrono::TimeDelta::hours(1);
        if self.run(poller.look(since, chrono::TimeDelta::zero())) {
            Ok(())
        } else {
            Err("the list was not read".to_owned())
        }
    }

    /// Looks until nothing is under way; a daemon that was to crash has crashed then.
    pub(crate) fn rest(&mut self) -> Result<(), String> {
        let mut was_at_rest = false;
        for _ in 0..LOOKS_MAX {
            if self.daemon.is_none() {
                self.wait_for_carrier();
                return Ok(());
            }
            if self.gate.is_stuck.load(Ordering::SeqCst) {
                self.crash();
                return Ok(());
            }
            let unrest = self.unrest();
            // Tables are read one after the other: one look may fall between two commits.
            if unrest.is_none() && was_at_rest {
                return Ok(());
            }
            was_at_rest = unrest.is_none();
            self.pause();
        }
        Err(format!("the daemon does not come to rest: {}", self.unrest().unwrap_or_default()))
    }

    /// The next moment at which something is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.daemon.as_ref()?;
        let timers = self.moments().into_iter();
        let waiting = self.outbox().into_iter().filter(|row| match row.state {
            // What was being sent when the daemon ended comes up again.
            State::Ready | State::InDoubt | State::Sending => true,
            State::Held | State::Accepted | State::Delivered | State::Failed | State::Void => false,
        });
        timers.chain(waiting.map(|row| row.due)).filter(|due| *due > self.clock.now()).min()
    }

    /// When something is called up, the earliest first.
    fn moments(&self) -> Vec<Timestamp> {
        let found = self.store.scan(&Range::all(Table::Due), ROWS_MAX, Order::Ascending).unwrap();
        found.iter().filter_map(|(key, _)| key.due_at()?.timestamp()).collect()
    }

    /// The value of a row.
    pub(crate) fn row(&self, key: &Key) -> Option<Vec<u8>> {
        self.store.get(key).unwrap().map(|row| row.value)
    }

    /// The rules in force.
    pub(crate) fn rules(&self) -> Result<Arc<Rules>, String> {
        let running = self.running().ok_or("no daemon runs")?;
        Ok(running.rules())
    }

    /// Lets the engine decide on an event.
    pub(crate) fn act(&self, event: Event) -> Result<(), String> {
        let handle = self.running().ok_or("no daemon runs")?.handle.clone();
        let _answer = self.run(handle.act(event));
        Ok(())
    }

    /// The rows of the outbox.
    pub(crate) fn outbox(&self) -> Vec<Outgoing> {
        self.rows(Table::Outbox)
    }

    fn rows<T: DeserializeOwned>(&self, table: Table) -> Vec<T> {
        let found = self.store.scan(&Range::all(table), ROWS_MAX, Order::Ascending).unwrap();
        found.iter().map(|(_, row)| rows::decode(table, &row.value).unwrap()).collect()
    }

    /// What is under way, if anything is.
    fn unrest(&self) -> Option<String> {
        let now = self.clock.now();
        if self.moments().first().is_some_and(|due| *due <= now) {
            return Some("a timer is due".to_owned());
        }
        let (outbox, in_hand) = (self.outbox(), self.in_hand());
        let is_busy = |row: &Outgoing| match row.state {
            State::Ready => row.due <= now,
            State::InDoubt | State::Sending => row.due <= now || in_hand.contains(&row.id),
            State::Held | State::Accepted | State::Delivered | State::Failed | State::Void => false,
        };
        if let Some(row) = outbox.iter().find(|row| is_busy(row)) {
            return Some(format!("{} is {}", row.id, row.state.name()));
        }
        if self.is_silent {
            return None;
        }
        self.carrier.all_texts().iter().find_map(|text| self.unheard_of(text, &outbox))
    }

    /// What has been claimed since the start, and not been reported on.
    fn in_hand(&self) -> BTreeSet<OutboxId> {
        let since = rows::journal(Seq(self.started)).unwrap();
        let range = Range::all(Table::Journal).after(&since);
        let mut in_hand = BTreeSet::new();
        for (_, row) in self.store.scan(&range, ROWS_MAX, Order::Ascending).unwrap() {
            match rows::decode_entry(&row.value).unwrap().0.cause {
                Cause::Send { outbox } => {
                    in_hand.insert(outbox);
                }
                Cause::Delivery { outbox, .. } => {
                    in_hand.remove(&outbox);
                }
                Cause::Message(_) | Cause::Timer | Cause::Reply { .. } | Cause::Operator { .. } => {
                }
            }
        }
        in_hand
    }

    /// A text of which the daemon has yet to hear.
    fn unheard_of(&self, text: &Text, outbox: &[Outgoing]) -> Option<String> {
        if text.direction != Direction::OutboundApi || self.unheard.contains(text.sid.as_str()) {
            return None;
        }
        let is_known = is_final(text) && {
            let sid = Some(text.sid.as_str());
            let row = outbox.iter().find(|row| row.provider_id.as_deref() == sid);
            row.is_none_or(|row| row.state != State::Accepted)
        };
        (!is_known).then(|| format!("{} is {}", text.sid, text.status.as_str()))
    }

    /// Waits until the carrier is through, while nobody listens to it.
    fn wait_for_carrier(&self) {
        if !self.is_silent {
            let is_done = |text: &Text| text.direction != Direction::OutboundApi || is_final(text);
            self.run(self.carrier.wait_for(|texts| texts.iter().all(is_done)));
        }
    }

    fn pause(&self) {
        self.run(async { tokio::time::sleep(LOOK_EVERY).await });
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some((runtime, _)) = self.daemon.take() {
            runtime.shutdown_background();
        }
    }
}

fn is_final(text: &Text) -> bool {
    match text.status {
        MessageStatus::Delivered
        | MessageStatus::Read
        | MessageStatus::PartiallyDelivered
        | MessageStatus::Undelivered
        | MessageStatus::Failed
        | MessageStatus::Canceled => true,
        MessageStatus::Accepted
        | MessageStatus::Scheduled
        | MessageStatus::Queued
        | MessageStatus::Sending
        | MessageStatus::Sent
        | MessageStatus::Receiving
        | MessageStatus::Received => false,
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

struct Addresses {
    carrier: SocketAddr,
    ehr: SocketAddr,
    feed: SocketAddr,
    http: SocketAddr,
}

async fn stand_ins(clock: &Clock, gate: &Arc<Gate>) -> (Carrier, Arc<Ehr>, Addresses) {
    let tasks = Tasks::new();
    let number = PhoneNumber::parse_e164(NUMBER).unwrap();
    let account = AccountSid::parse(ACCOUNT).unwrap();
    let settings = CarrierSettings::new(account, Secret::new(TOKEN), number);
    let carrier =
        Carrier::start(settings, clock.clone(), tasks.tracker(), tasks.stop_token()).unwrap();
    let router = carrier.router().layer(from_fn_with_state(Arc::clone(gate), pass));
    let socket = loopback().await;
    let carrier_address = socket.local_addr().unwrap();
    tasks.spawn(async move { axum::serve(socket, router).await.unwrap() });
    let ehr = Ehr::new(clock.clone(), false);
    let socket = loopback().await;
    let ehr_address = socket.local_addr().unwrap();
    ehr.listen(socket, &tasks);
    // Both are held until both are known, so that they differ.
    let (feed, http) = (loopback().await, loopback().await);
    let (feed, http) = (feed.local_addr().unwrap(), http.local_addr().unwrap());
    carrier.set_inbound_url(&format!("http://{http}/twilio/inbound"));
    (carrier, ehr, Addresses { carrier: carrier_address, ehr: ehr_address, feed, http })
}

async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// The usual settings, each replaced by the transcript's own if it has one.
fn settings_text(script: &Script, at: &Addresses) -> String {
    let Addresses { carrier, ehr, feed, http } = at;
    let mappings = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transcripts");
    let lines = [
        ("practice.name", "\"Owl Clinic\"".to_owned()),
        ("practice.callback_phone", "\"(510) 555-0100\"".to_owned()),
        ("practice.time_zone", format!("\"{}\"", script.zone)),
        ("locations", PLACES.to_owned()),
        ("store.engine", "\"memory\"".to_owned()),
        ("http.listen", format!("\"{http}\"")),
        ("http.public_url", format!("\"http://{http}\"")),
        ("mappings.paths", format!("[\"{}\"]", mappings.join("our-ehr.toml").display())),
        (
            "hl7.listener",
            format!("[{{ name = \"ehr\", listen = \"{feed}\", mapping = \"our-ehr\" }}]"),
        ),
        ("hl7.destination", format!("[{{ name = \"ehr\", address = \"{ehr}\" }}]")),
        ("route", "[{ source = \"ehr\", destination = \"ehr\" }]".to_owned()),
        ("twilio.account_sid", format!("\"{ACCOUNT}\"")),
        ("twilio.auth_token", format!("\"{TOKEN}\"")),
        ("twilio.from", format!("\"{NUMBER}\"")),
        ("twilio.base_url", format!("\"http://{carrier}\"")),
        ("twilio.poll_every", "\"off\"".to_owned()),
        ("sms.backend", "\"twilio\"".to_owned()),
        ("sms.segments_per_second", "1000".to_owned()),
    ];
    let is_own = |key: &str| script.settings.iter().any(|(own, _)| own == key);
    let usual = lines.iter().filter(|(key, _)| !is_own(key)).map(|(k, v)| format!("{k} = {v}\n"));
    let own = script.settings.iter().map(|(key, value)| format!("{key} = {value}\n"));
    usual.chain(own).collect()
}

/// The places of the practice.
const PLACES: &str = r#"[
  { code = "EAST", name = "Owl Clinic East", address = "12 Elm St" },
  { code = "WEST", name = "Owl Clinic West", address = "7 Oak Ave" },
  { code = "BOSTON", name = "Owl Clinic Boston", address = "3 Pine Rd", time_zone = "America/New_York" },
]"#;
