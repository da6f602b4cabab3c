//! A stand-in for an EHR's FHIR server: appointments with versions, searches, patches, subscriptions
//! of the three kinds, tokens, and every fault and habit that real servers were seen to have.
//!
//! It holds all in memory and speaks over real sockets on a port of the system's choice. It is the
//! other side of what the daemon reads and writes, and therefore imports nothing of that. Nothing in
//! it waits for time to pass: what is late is late until it is told to go on. What it does not do:
//! transactions, chained searches, topics that are more than "an appointment has changed", XML, TLS.
//! Everybody in it is invented.

mod auth;
mod book;
mod control;
mod crud;
mod deliver;
mod faults;
mod habits;
mod jwt;
mod operations;
mod pages;
mod patch;
mod reply;
mod routes;
mod search;
mod state;
mod store;
mod subscribe;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

pub use auth::{Access, Client, Proof};
pub use book::Visit;
pub use deliver::Delivery;
pub use faults::{
    Answer, Fault, Focus, Forgery, Knobs, Meddling, NextLink, Numbering, PatchForms, RestHook,
    RetryAfter,
};
pub use habits::{Habit, MILLENNIUM_PATCHES};
pub use state::{REMEMBERED_MAX, Request};
pub use store::RESOURCES_MAX;

use crate::clock::Clock;
use crate::shutdown::Tasks;
use state::State;
use store::Key;

/// How long the stand-in may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection to a receiver may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a token is good for if nothing else is set, in seconds.
const TOKEN_SECONDS: u32 = 300;

/// Why the stand-in cannot start, or cannot take something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The client for notifications cannot be made.
    #[error("the client for notifications: {0}")]
    Client(#[from] reqwest::Error),
    /// What is to be put is no resource with a type and an id.
    #[error("this is no resource with a type and an id")]
    NoResource,
    /// There are as many resources as the stand-in holds.
    #[error("there is no room for more than {RESOURCES_MAX} resources")]
    Full,
}

/// The version of FHIR that a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// 4.0.1.
    #[default]
    R4,
    /// 4.3.0.
    R4b,
    /// 5.0.0.
    R5,
}

impl Version {
    /// The number, as in `CapabilityStatement.fhirVersion`.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::R4 => "4.0.1",
            Self::R4b => "4.3.0",
            Self::R5 => "5.0.0",
        }
    }
}

/// When notifications go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sending {
    /// As soon as there is something to tell.
    #[default]
    AtOnce,
    /// When [`Server::deliver`] is called.
    WhenTold,
}

/// What may differ between stand-ins.
#[derive(Debug, Clone)]
pub struct Options {
    /// The version that is spoken.
    pub version: Version,
    /// The time, for `lastUpdated`, tokens and ends of subscriptions.
    pub clock: Clock,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address by which clients reach the stand-in, if it is another, without `/fhir`.
    pub public_url: Option<String>,
    /// Who may ask.
    pub access: Access,
    /// How long a token is good for, in seconds.
    pub token_seconds: u32,
    /// When notifications go out.
    pub sending: Sending,
    /// The habits and faults to begin with.
    pub knobs: Knobs,
    /// The tasks that the stand-in's own belong to.
    pub tasks: Tasks,
}

impl Options {
    /// A faultless R4 server on a free loopback port, open to everybody, at this clock.
    #[must_use]
    pub fn at(clock: Clock) -> Self {
        Self {
            version: Version::default(),
            clock,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            access: Access::default(),
            token_seconds: TOKEN_SECONDS,
            sending: Sending::default(),
            knobs: Knobs::default(),
            tasks: Tasks::new(),
        }
    }
}

/// The stand-in; clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Server {
    core: Arc<Core>,
    address: SocketAddr,
    tasks: Tasks,
}

#[derive(Debug)]
struct Core {
    /// The address without `/fhir`.
    root_url: String,
    access: Access,
    token_seconds: u32,
    sending: Sending,
    clock: Clock,
    http: reqwest::Client,
    state: Mutex<State>,
    /// Held by who sends, so that what waits goes out in its order.
    flushing: tokio::sync::Mutex<()>,
    to_deliver: Notify,
    changes: watch::Sender<u64>,
    releases: watch::Sender<u64>,
    stop: CancellationToken,
}

impl Server {
    /// Starts the stand-in, empty.
    ///
    /// # Errors
    /// If the port cannot be had, or the client for notifications cannot be made.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let refused = |source| Error::Listen { address: options.listen, source };
        let socket = TcpListener::bind(options.listen).await.map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        let root_url = options.public_url.unwrap_or_else(|| format!("http://{address}"));
        let root_url = root_url.trim_end_matches('/').to_owned();
        let base_url = format!("{root_url}/fhir");
        let tasks = options.tasks;
        let core = Arc::new(Core {
            root_url,
            access: options.access,
            token_seconds: options.token_seconds,
            sending: options.sending,
            clock: options.clock,
            http: client()?,
            state: Mutex::new(State::new(options.version, base_url, options.knobs)),
            flushing: tokio::sync::Mutex::default(),
            to_deliver: Notify::new(),
            changes: watch::Sender::new(0),
            releases: watch::Sender::new(0),
            stop: tasks.stop_token(),
        });
        let router = Router::new().fallback(routes::serve).with_state(Arc::clone(&core));
        let stop = tasks.stop_token();
        tasks.spawn(async move {
            let served = axum::serve(socket, router).with_graceful_shutdown(stop.cancelled_owned());
            // The stand-in ends with the program.
            let _ended = served.await.is_ok();
        });
        tasks.spawn(deliver::deliver_all(Arc::clone(&core)));
        Ok(Self { core, address, tasks })
    }

    /// Where the stand-in listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the resources, as in `http://127.0.0.1:4000/fhir`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/fhir", self.core.root_url)
    }

    /// The address of the token endpoint.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}/token", self.core.root_url)
    }

    /// Keeps a resource as it is, whether a server should take it or not, and tells the
    /// subscriptions; returns its version.
    ///
    /// # Errors
    /// If it has no type or no id, or there is no room.
    pub fn put(&self, resource: Value) -> Result<String, Error> {
        let part = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
        let key = Key::new(part("resourceType"), part("id"));
        if !(store::is_kind(&key.kind) && store::is_id(&key.id)) {
            return Err(Error::NoResource);
        }
        let now = self.core.clock.now();
        let held = self.core.change(|state| state.put(&key, resource, now)).ok_or(Error::Full)?;
        self.core.wake();
        Ok(held.version)
    }

    /// The resource at `Type/id`, as it is held; `None` if there is none or it is deleted.
    #[must_use]
    pub fn get(&self, reference: &str) -> Option<Value> {
        let key = Key::parse(reference)?;
        self.core.look(|state| state.store.live(&key).cloned())
    }

    /// All resources of a type, as they are held.
    #[must_use]
    pub fn all(&self, kind: &str) -> Vec<Value> {
        self.core.look(|state| {
            state.store.of_kind(kind).map(|(_, _, resource)| resource.clone()).collect()
        })
    }

    /// Changes the resource at `Type/id` by a merge patch (RFC 7396), as a user of the EHR does;
    /// returns the version, or `None` if there is no such resource. An empty object makes a version
    /// without a change.
    pub fn change(&self, reference: &str, change: &Value) -> Option<String> {
        let key = Key::parse(reference)?;
        let now = self.core.clock.now();
        let held = self.core.change(|state| state.merge(&key, change, now))?;
        self.core.wake();
        Some(held.version)
    }

    /// Deletes the resource at `Type/id`; returns whether there was one.
    pub fn delete(&self, reference: &str) -> bool {
        let Some(key) = Key::parse(reference) else { return false };
        let now = self.core.clock.now();
        let is_deleted = self.core.change(|state| state.delete(&key, now).is_some());
        self.core.wake();
        is_deleted
    }

    /// The requests so far, oldest first; those to the controls are not among them.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.core.look(State::requests)
    }

    /// The notifications so far, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.core.look(State::deliveries)
    }

    /// How many notifications wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.core.look(|state| state.queue.len())
    }

    /// The knobs as they stand; what has been used up is no longer in them.
    #[must_use]
    pub fn knobs(&self) -> Knobs {
        self.core.look(|state| state.knobs.clone())
    }

    /// Turns knobs.
    pub fn set(&self, turn: impl FnOnce(&mut Knobs)) {
        self.core.change(|state| turn(&mut state.knobs));
        self.core.wake();
    }

    /// Lets another user change the resource at `Type/id` by a merge patch just before the next write
    /// to it arrives.
    pub fn meddle(&self, reference: &str, change: Value) {
        let meddling = Meddling { on: reference.to_owned(), change, times: 1 };
        self.set(|knobs| knobs.meddle.push(meddling));
    }

    /// Sends what waits, and what comes to it meanwhile; returns how many notifications went out.
    pub async fn deliver(&self) -> usize {
        self.core.flush().await
    }

    /// Lets every active subscription to a topic be sent a heartbeat.
    pub fn heartbeat(&self) {
        self.core.change(State::heartbeat);
        self.core.wake();
    }

    /// Lets the numbers of events begin anew, as after a start without memory.
    pub fn reset_counters(&self) {
        self.core.change(State::reset_counters);
    }

    /// Withdraws every token.
    pub fn revoke_tokens(&self) {
        self.core.change(|state| state.grants.revoke());
    }

    /// Lets go of the requests that are held in silence; their connections are closed.
    pub fn release(&self) {
        self.core.release();
    }

    /// Waits until the stand-in is as wanted.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&Self) -> bool) {
        let mut changes = self.core.changes.subscribe();
        loop {
            changes.mark_unchanged();
            // The sender lives in `core`; should it be gone, nothing will change any more.
            if wanted(self) || changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Stops the stand-in, and all that belongs to the same tasks.
    pub async fn stop(self) {
        self.core.release();
        self.tasks.drain(STOP_WITHIN).await;
    }
}

impl Core {
    /// Looks at what is held.
    fn look<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what is held, and wakes who waits for that.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// Lets what waits be sent, if that is done at once.
    fn wake(&self) {
        if self.sending == Sending::AtOnce && self.look(|state| !state.queue.is_empty()) {
            self.to_deliver.notify_one();
        }
    }

    fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    /// Waits until requests that are held in silence are let go, or all stops.
    async fn released(&self) {
        let mut releases = self.releases.subscribe();
        // The sender lives in `core`.
        let _ended = self.stop.run_until_cancelled(releases.changed()).await;
    }

    /// Waits while a knob is on, or until all stops.
    async fn wait_while(&self, is_on: impl Fn(&Knobs) -> bool) {
        let mut changes = self.changes.subscribe();
        while self.look(|state| is_on(&state.knobs)) {
            if self.stop.run_until_cancelled(changes.changed()).await.is_none() {
                return;
            }
        }
    }
}

/// A client for notifications and clients' keys, by plain HTTP.
fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Fails if a provider is installed already, which is then used.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .connect_timeout(CONNECT_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        // A receiver that was started anew must not be met by an old connection.
        .pool_max_idle_per_host(0)
        .user_agent("owl-clinic-fhir")
        .no_proxy()
        .tls_certs_only([])
        .build()
}

#[cfg(test)]
mod tests;
