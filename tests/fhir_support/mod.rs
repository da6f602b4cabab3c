//! The daemon beside a stand-in for an EHR's FHIR server, in one process on loopback.
//!
//! The clock stands still until a test moves it; what is waited for is a condition, with a limit that
//! only something that hangs reaches. Texts are read off the outbox, where the backend in memory has
//! accepted them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod talk;

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use appointd::app::{self, App, Running};
use appointd::clock::{Clock, Timestamp};
use appointd::core::appointment::Appointment;
use appointd::core::event::{Event, Reply};
use appointd::core::feed::Feed;
use appointd::core::ids::SourceName;
use appointd::core::phone::PhoneNumber;
use appointd::engine::view::{Filter, Subject, View};
use appointd::phi::Phi;
use appointd::settings;
use appointd::sim::fhir::{Access, Knobs, Options, Request, Sending, Server, Version, Visit};
use appointd::store::{Memory, Store};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use talk::{Answered, send};

/// Far more than anything here takes: what hangs fails.
pub(crate) const WITHIN: Duration = Duration::from_secs(120);
/// How long it is until a condition is looked at again.
const LOOK: Duration = Duration::from_millis(1);
/// After so many looks a ticking clock moves by a second.
const LOOKS_A_TICK: u32 = 25;

/// Jane Doe's phone.
pub(crate) const JANE: &str = "+14155550123";
/// John Roe's phone.
pub(crate) const JOHN: &str = "+14155550124";
/// The name of the server in the settings.
pub(crate) const OWL: &str = "owl";
/// What notifications are known by.
pub(crate) const SECRET: &str = "owl-hook-secret-0001";
/// The system of the clinic's numbers for appointments.
pub(crate) const NUMBERS: &str = "urn:owl-clinic:appointment";

/// How the daemon hears of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Not at all.
    Silent,
    /// By searching once a minute.
    Poll,
    /// By a subscription to criteria.
    R4,
    /// By a subscription to a topic, in R4.
    Backport,
    /// By a subscription to a topic, in R5.
    R5,
}

impl Way {
    const fn version(self) -> Version {
        match self {
            Self::Silent | Self::Poll | Self::R4 | Self::Backport => Version::R4,
            Self::R5 => Version::R5,
        }
    }

    fn lines(self) -> String {
        let topic = "topic = \"https://owl.example/SubscriptionTopic/appointment\"";
        match self {
            Self::Silent => "poll_interval = \"off\"".to_owned(),
            Self::Poll => "poll_interval = \"1m\"".to_owned(),
            Self::R4 => "subscribe = \"r4\"".to_owned(),
            Self::Backport => format!("subscribe = \"backport\"\n{topic}"),
            Self::R5 => format!("version = \"R5\"\nsubscribe = \"r5\"\n{topic}"),
        }
    }
}

/// What may differ between beds.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) way: Way,
    /// Further lines of the server's settings.
    pub(crate) server: String,
    /// Further sections of it, and of the settings.
    pub(crate) further: String,
    /// The site's own mapping, as `owls.toml`.
    pub(crate) mapping: Option<&'static str>,
    pub(crate) access: Access,
    pub(crate) sending: Sending,
    pub(crate) knobs: Knobs,
}

impl Plan {
    pub(crate) fn by(way: Way) -> Self {
        Self {
            way,
            server: String::new(),
            further: String::new(),
            mapping: None,
            access: Access::default(),
            sending: Sending::default(),
            knobs: Knobs::default(),
        }
    }

    /// Wishes are written, with these further lines of settings.
    pub(crate) fn writing(way: Way, lines: &str) -> Self {
        let server = format!("write_back = \"participant\"\n{lines}");
        Self { server, ..Self::by(way) }
    }
}

/// The daemon and the stand-in.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) server: Server,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<Memory>,
    pub(crate) http: SocketAddr,
    daemon: Option<Running>,
    settings: String,
    folder: TempDir,
    replies: Cell<u32>,
}

impl Bed {
    /// The stand-in with its people, and the daemon when it has read all and hears of changes.
    pub(crate) async fn start(plan: Plan) -> Self {
        let way = plan.way;
        let mut bed = Self::prepare(plan).await;
        bed.up().await;
        bed.settled(way).await;
        bed
    }

    /// The stand-in with its people, and a daemon that is yet to be started.
    pub(crate) async fn prepare(plan: Plan) -> Self {
        // Ten in the morning in Los Angeles.
        let clock = Clock::manual("2026-11-30T18:00:00Z".parse().unwrap());
        let options = Options {
            version: plan.way.version(),
            access: plan.access.clone(),
            sending: plan.sending,
            knobs: plan.knobs.clone(),
            ..Options::at(clock.clone())
        };
        let server = Server::start(options).await.unwrap();
        for resource in people() {
            server.put(resource).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        if let Some(mapping) = plan.mapping {
            std::fs::write(folder.path().join("owls.toml"), mapping).unwrap();
        }
        let http = free_port().await;
        let settings = settings_text(&server, http, &plan);
        let (store, replies) = (Arc::new(Memory::new()), Cell::new(0));
        Self { server, clock, store, http, daemon: None, settings, folder, replies }
    }

    /// Starts the daemon on its store.
    pub(crate) async fn up(&mut self) {
        let folder: &Path = self.folder.path();
        let loaded = settings::from_text(&self.settings, folder)
            .unwrap_or_else(|faults| panic!("{faults:?}\n{}", self.settings));
        let app = within(async {
            loop {
                let store = Arc::clone(&self.store) as Arc<dyn Store>;
                let settings = loaded.settings.clone();
                match Box::pin(App::build(settings, store, self.clock.clone())).await {
                    // The port of the daemon before may not be free at once.
                    Err(app::Error::Bind { .. }) => tokio::time::sleep(LOOK).await,
                    built => return built.unwrap(),
                }
            }
        })
        .await;
        self.daemon = Some(app.start().unwrap());
    }

    /// Stops the daemon; the store stays.
    pub(crate) async fn down(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            within(daemon.stop()).await.unwrap();
        }
    }

    /// Stops everything.
    pub(crate) async fn stop(mut self) {
        self.down().await;
        within(self.server.stop()).await;
    }

    pub(crate) fn daemon(&self) -> &Running {
        self.daemon.as_ref().unwrap()
    }

    /// Waits until all that was there is read, and the subscription works if there is one.
    pub(crate) async fn settled(&self, way: Way) {
        self.ticking("the first search", || {
            let feed = self.feed();
            let is_heard = matches!(way, Way::Silent | Way::Poll)
                || (feed.subscription.is_some()
                    && self.server.all("Subscription").iter().any(|one| one["status"] == "active"));
            feed.is_imported && feed.wanted.is_none() && is_heard
        })
        .await;
    }

    /// Waits until something is so, while time stands still.
    pub(crate) async fn until(&self, what: &str, is_so: impl FnMut() -> bool) {
        self.wait(what, None, is_so).await;
    }

    /// Waits until something is so, while time passes.
    pub(crate) async fn ticking(&self, what: &str, is_so: impl FnMut() -> bool) {
        self.wait(what, Some(TimeDelta::seconds(1)), is_so).await;
    }

    async fn wait(&self, what: &str, tick: Option<TimeDelta>, mut is_so: impl FnMut() -> bool) {
        let waited = tokio::time::timeout(WITHIN, async {
            let mut looks = 0_u32;
            while !is_so() {
                tokio::time::sleep(LOOK).await;
                looks = looks.wrapping_add(1);
                if let Some(tick) = tick.filter(|_| looks.is_multiple_of(LOOKS_A_TICK)) {
                    self.clock.advance(tick);
                }
            }
        });
        if waited.await.is_err() {
            let outbox = self.query(Subject::Outbox);
            panic!("{what} did not come about\n{:#?}\n{outbox:#?}", self.feed());
        }
    }

    // ------------------------------------------------------------------ what the daemon knows

    pub(crate) fn view(&self) -> View {
        View::new(Arc::clone(&self.store) as Arc<dyn Store>)
    }

    pub(crate) fn query(&self, subject: Subject) -> Vec<Value> {
        self.view().query(subject, &Filter { limit: 100_000, ..Filter::default() }).unwrap()
    }

    pub(crate) fn feed(&self) -> Feed {
        let name = SourceName::new(OWL);
        self.view().feed(&name).unwrap().unwrap_or_else(|| Feed::new(name))
    }

    /// The appointment of a resource of the server.
    pub(crate) fn row(&self, id: &str) -> Option<Appointment> {
        self.view().resource(&SourceName::new(OWL), id).unwrap()
    }

    /// Whether the daemon knows a resource in the version that the server holds.
    pub(crate) fn is_followed(&self, id: &str) -> bool {
        let Some(row) = self.row(id) else { return false };
        let held = row.resources.get(&SourceName::new(OWL)).and_then(|held| held.version.clone());
        match self.server.get(&format!("Appointment/{id}")) {
            Some(resource) => held.as_deref() == resource["meta"]["versionId"].as_str(),
            None => row.status.is_off(),
        }
    }

    /// Waits until the daemon knows a resource as it is, and has done all that follows from it.
    pub(crate) async fn followed(&self, id: &str) -> Appointment {
        self.until(id, || self.is_followed(id)).await;
        self.calm().await;
        self.row(id).unwrap()
    }

    /// The same, for a daemon that searches, or that tries again: while time passes.
    pub(crate) async fn found(&self, id: &str) -> Appointment {
        self.ticking(id, || self.is_followed(id)).await;
        self.calm().await;
        self.row(id).unwrap()
    }

    /// Waits until nothing is due any more.
    pub(crate) async fn calm(&self) {
        self.until("calm", || !self.query(Subject::Outbox).iter().any(|row| self.is_due(row)))
            .await;
    }

    fn is_due(&self, row: &Value) -> bool {
        let due: Timestamp = row["due"].as_str().unwrap().parse().unwrap();
        match row["state"].as_str().unwrap() {
            "ready" | "in_doubt" => due <= self.clock.now(),
            "sending" => true,
            _ => false,
        }
    }

    /// The texts that a phone got, by their kinds, oldest first.
    pub(crate) fn texts(&self, phone: &str) -> Vec<String> {
        let rows = self.query(Subject::Outbox);
        let mut texts: Vec<&str> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        // Rows of one moment have no order; the journal has.
        for entry in self.query(Subject::History).iter().rev() {
            let Some(id) = entry["cause"]["send"]["outbox"].as_str() else { continue };
            let row = rows.iter().find(|row| row["id"] == id && row["state"] == "accepted");
            let row = row.filter(|row| row["to"] == phone && seen.insert(id.to_owned()));
            texts.extend(row.and_then(|row| row["kind"].as_str()));
        }
        texts.into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn tasks(&self) -> Vec<Value> {
        self.query(Subject::Tasks)
    }

    // ------------------------------------------------------------------ what others do

    /// Jane's visit in some days at ten in the morning, where the clinic is.
    pub(crate) fn book(&self, id: &str, days: i64) -> Timestamp {
        let start = self.clock.now().date_naive() + TimeDelta::days(days);
        let start = start.and_hms_opt(18, 0, 0).unwrap().and_utc();
        self.server.book(&Visit::new(id, "jane", start)).unwrap();
        start
    }

    /// A patient texts.
    pub(crate) async fn reply(&self, phone: &str, body: &str) {
        self.replies.set(self.replies.get() + 1);
        let reply = Reply {
            message_id: format!("SM{}", self.replies.get()),
            from: PhoneNumber::parse_e164(phone).unwrap(),
            body: Phi::new(body.to_owned()),
            handled: None,
            sent_at: None,
            media: 0,
        };
        within(self.daemon().handle.act(Event::ReplyReceived(reply))).await;
    }

    /// The writes of appointments that the server saw, with their answers.
    pub(crate) fn writes(&self) -> Vec<Request> {
        let mut requests = self.server.requests();
        requests.retain(|request| {
            request.method != "GET" && request.path.starts_with("/fhir/Appointment")
        });
        requests
    }

    /// The answers to those.
    pub(crate) fn written(&self) -> Vec<Option<u16>> {
        self.writes().iter().map(|request| request.status).collect()
    }

    /// A resource at the server, or a part of it.
    pub(crate) fn there(&self, reference: &str, pointer: &str) -> Value {
        let resource = self.server.get(reference).unwrap_or_default();
        resource.pointer(pointer).cloned().unwrap_or_default()
    }

    /// Reads from the daemon.
    pub(crate) async fn get(&self, path: &str) -> Answered {
        send(self.http, ("GET", path), &[], "").await
    }

    /// The server tells of a resource by itself, as HAPI does.
    pub(crate) async fn notify(&self, reference: &str) -> Answered {
        let body = self.server.get(reference).unwrap_or_default().to_string();
        let headers = [("X-Hook-Token", SECRET), ("Content-Type", "application/fhir+json")];
        let path = format!("/fhir/notify/{OWL}/{reference}");
        send(self.http, ("PUT", &path), &headers, &body).await
    }

    /// An operator has everything read again.
    pub(crate) async fn resync(&self) {
        // A search that began at this very moment would count as the answer.
        self.clock.advance(TimeDelta::seconds(1));
        let token = format!("Bearer {}", self.daemon().token.expose());
        let path = format!("/api/v1/servers/{OWL}/resync");
        let answer = send(self.http, ("POST", &path), &[("Authorization", &token)], "").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.ticking("everything read again", || self.feed().wanted.is_none()).await;
        self.calm().await;
    }
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(WITHIN, future).await.unwrap()
}

async fn free_port() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn settings_text(server: &Server, http: SocketAddr, plan: &Plan) -> String {
    let (base, way) = (server.base_url(), plan.way.lines());
    let notify = match plan.way {
        Way::Silent | Way::Poll => String::new(),
        Way::R4 | Way::Backport | Way::R5 => {
            format!("[fhir.server.notify]\nheader = \"X-Hook-Token\"\nsecret = \"{SECRET}\"\n")
        }
    };
    let further = plan.further.replace("{token_url}", &server.token_url());
    let mappings = plan.mapping.map_or("", |_| "[mappings]\npaths = [\"owls.toml\"]\n");
    format!(
        r#"
[practice]
name = "Owl Clinic"
callback_phone = "+15105550100"
time_zone = "America/Los_Angeles"
[store]
engine = "memory"
[http]
listen = "{http}"
[sms]
backend = "memory"
segments_per_second = 1000
{mappings}
[[fhir.server]]
name = "{OWL}"
base_url = "{base}"
requests_per_second = 1000
{way}
{server}
{notify}
{further}
"#,
        server = plan.server
    )
}

/// A patient with a mobile phone.
pub(crate) fn patient(id: &str, given: &str, family: &str, phone: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "id": id,
        "active": true,
        "name": [{ "use": "official", "family": family, "given": [given] }],
        "telecom": [{ "system": "phone", "use": "mobile", "value": phone }],
    })
}

/// Everybody whom the stand-in knows at first.
fn people() -> Vec<Value> {
    vec![
        patient("jane", "Jane", "Doe", "(415) 555-0123"),
        patient("john", "John", "Roe", "(415) 555-0124"),
        json!({
            "resourceType": "Practitioner",
            "id": "frances",
            "name": [{ "family": "Diaz", "given": ["Frances"] }],
        }),
        json!({ "resourceType": "Location", "id": "east", "name": "Owl Clinic East" }),
        json!({ "resourceType": "Location", "id": "west", "name": "Owl Clinic West" }),
    ]
}
