//! The composition root: settings in, a running daemon out, a drain at the end.
//!
//! Everything is read and every port is bound before anything runs; a fault at this stage ends the
//! start with all that is known about it. Knows all rooms, and is known by none.

mod assemble;
mod edges;
mod ports;
mod servers;
pub mod watch;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::{error, info, warn};

pub use assemble::{choices_of, lane_options, library_of, mapping_files, twilio_of};
pub use edges::callback_of;
pub use servers::{rooms_fit, server_of};

use crate::clock::Clock;
use crate::core::ids::SourceName;
use crate::core::rules::Rules;
use crate::engine::{Engine, Handle, SharedRules};
use crate::http::{self, Context, Health, Part};
use crate::inbound::intake::Intake;
use crate::inbound::mllp::Listener;
use crate::inbound::poll::Poller;
use crate::inbound::silence;
use crate::inbound::sms::Webhooks;
use crate::mapping::Choice;
use crate::outbound::brake::Brake;
use crate::outbound::hl7::Hl7Lane;
use crate::outbound::sms::{Backend, SmsLane};
use crate::settings::{self, Settings};
use crate::shutdown::Tasks;
use crate::sms::Secret;
use crate::store::{self, Store};
use crate::telemetry::Metrics;
use crate::tls;
use edges::Edges;
use ports::{acceptor, bind, bind_listeners, live};
use servers::{Faces, Rooms, Shared};

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened.
    #[error("store: {0}")]
    Store(#[from] store::Error),
    /// A port cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Something in the settings does not fit the world.
    #[error("{0}")]
    Setup(String),
    /// The engine has ended by itself.
    #[error("the engine has stopped: {0}")]
    Engine(String),
}

/// A daemon, all ports bound, not yet taking anything.
#[derive(Debug)]
pub struct App {
    settings: Settings,
    clock: Clock,
    handle: Handle,
    rules: SharedRules,
    engine: Option<Engine>,
    intakes: Vec<Arc<Intake>>,
    listeners: Vec<(Listener, SocketAddr)>,
    acceptors: Vec<tls::Acceptor>,
    http: (TcpListener, Option<tls::Acceptor>),
    sms: Arc<SmsLane>,
    poller: Option<Poller>,
    webhooks: Option<Arc<Webhooks>>,
    lanes: Vec<Hl7Lane>,
    edges: Edges,
    servers: Vec<Rooms>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    token: Secret,
}

/// What a reload is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// Everything.
    Settings,
    /// Changed mapping files only.
    Mappings,
}

/// A running daemon.
#[derive(Debug)]
pub struct Running {
    tasks: Tasks,
    engine_tasks: Tasks,
    engine: Option<JoinHandle<Result<(), String>>>,
    grace: Duration,
    rules: SharedRules,
    intakes: Vec<Arc<Intake>>,
    acceptors: Vec<tls::Acceptor>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    /// Those in force.
    settings: Mutex<Box<Settings>>,
    /// Whether the last reload of settings, and of mappings alone, was refused.
    refused: Mutex<(bool, bool)>,
    /// The engine's door.
    pub handle: Handle,
    /// Where the listeners listen, in the order of the settings.
    pub mllp: Vec<SocketAddr>,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// The token of the API.
    pub token: Secret,
}

impl App {
    /// Opens the store, binds all ports and prepares every room.
    ///
    /// # Errors
    /// The first thing that stands in the way.
    pub async fn build(
        settings: Settings,
        store: Arc<dyn Store>,
        clock: Clock,
    ) -> Result<Self, Error> {
        let rules: SharedRules = Arc::new(RwLock::new(Arc::new(settings.rules.clone())));
        let (engine, handle) = Engine::new(store, Arc::clone(&rules), clock.clone())?;
        let metrics = Arc::new(Metrics::new());
        let mut acceptors = Vec::new();
        let (mut intakes, listeners) =
            bind_listeners(&settings, &handle, &clock, &metrics, &mut acceptors).await?;
        let http_tls = acceptor(settings.http.tls.as_ref(), &mut acceptors)?;
        let http = (bind(settings.http.listen).await?, http_tls);
        let twilio = twilio_of(&settings).map_err(Error::Setup)?;
        let backend = match (&settings.sms.backend, &twilio) {
            (settings::Backend::Twilio, Some(twilio)) => Backend::Twilio(Box::new(twilio.clone())),
            (settings::Backend::Twilio, None) => {
                return Err(Error::Setup(
                    "sms.backend is twilio and [twilio] is not set".to_owned(),
                ));
            }
            (settings::Backend::File(path), _) => Backend::File(path.clone()),
            (settings::Backend::Memory, _) => Backend::Memory(Mutex::default()),
        };
        let shared = (clock.clone(), Arc::clone(&metrics));
        let brake = Arc::new(Brake::new(settings.sms.parallel, Arc::clone(&metrics)));
        let options = assemble::sms_options(&settings);
        let sms = SmsLane::new(backend, options, handle.clone(), shared, Arc::clone(&brake));
        let mut lanes = Vec::new();
        for destination in &settings.destinations {
            let options = lane_options(&settings, destination).map_err(Error::Setup)?;
            let metrics = Arc::clone(&metrics);
            lanes.push(Hl7Lane::new(options, handle.clone(), clock.clone(), metrics));
        }
        let at = http.0.local_addr().unwrap_or(settings.http.listen);
        let edges = Edges::new(&settings, at, &rules, &handle, (&clock, &metrics));
        let edges = edges.map_err(Error::Setup)?;
        let shared =
            Shared { handle: handle.clone(), clock: clock.clone(), metrics: Arc::clone(&metrics) };
        let servers = build_servers(&settings, &shared)?;
        intakes.extend(servers.iter().map(|rooms| Arc::clone(&rooms.desk.intake)));
        let webhooks = assemble::webhooks(&settings, &brake, &clock).map(Arc::new);
        let token = settings.http.api_token.clone().unwrap_or_else(new_token);
        let poller = match (twilio, assemble::poll_every(&settings)) {
            (Some(twilio), Some(every)) => {
                Some(Poller::new(twilio, every, handle.clone(), clock.clone()))
            }
            (Some(_) | None, _) => None,
        };
        Ok(Self {
            clock,
            handle,
            rules,
            engine: Some(engine),
            intakes,
            listeners,
            acceptors,
            http,
            sms: Arc::new(sms),
            poller,
            webhooks,
            lanes,
            edges,
            servers,
            metrics,
            health: Arc::new(Health::default()),
            token,
            settings,
        })
    }

    /// Where the listeners listen, in the order of the settings.
    #[must_use]
    pub fn mllp(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|(_, address)| *address).collect()
    }

    /// The token of the API, to be written where the command line finds it.
    #[must_use]
    pub const fn token(&self) -> &Secret {
        &self.token
    }

    /// Starts everything.
    ///
    /// # Errors
    /// If the engine's thread cannot be started.
    pub fn start(mut self) -> Result<Running, Error> {
        let tasks = Tasks::new();
        let engine_tasks = Tasks::new();
        let engine = self.engine.take().map(|engine| start_engine(engine, &engine_tasks));
        let engine = engine.transpose()?;
        for listener in &self.listeners {
            self.health.set(&format!("listener {}", listener.1), Part::Up);
        }
        watch_silence(&self.settings, &self.intakes, &self.clock, &tasks);
        let mllp = self.mllp();
        for (listener, _) in self.listeners {
            tasks.spawn(listener.run(tasks.clone()));
        }
        tasks.spawn(Arc::clone(&self.sms).run(tasks.clone()));
        for lane in self.lanes {
            tasks.spawn(lane.run(tasks.clone()));
        }
        let studio = self.edges.studio.clone();
        self.edges.start(&tasks);
        let mut faces = Faces::default();
        for rooms in self.servers {
            faces.start(rooms, &tasks);
        }
        if let Some(poller) = self.poller {
            tasks.spawn(poller.run(tasks.stop_token()));
        }
        let (socket, acceptor) = self.http;
        let http = socket.local_addr().unwrap_or(self.settings.http.listen);
        let context = Context {
            handle: self.handle.clone(),
            intakes: Arc::new(self.intakes.clone()),
            key_set: Arc::new(faces.key_set()),
            endpoints: Arc::new(faces.endpoints),
            desks: Arc::new(faces.desks),
            webhooks: self.webhooks,
            studio,
            metrics: Arc::clone(&self.metrics),
            health: Arc::clone(&self.health),
            token: self.token.clone(),
            metrics_token: self.settings.metrics.token.clone(),
            body_bytes_max: self.settings.http.body_bytes_max,
            region: self.settings.region,
            outreach: Arc::new(assemble::outreach(&self.settings, &self.rules, &tasks)),
            clock: self.clock,
        };
        serve_http((socket, acceptor), context, self.settings.http.connections_max, &tasks);
        Ok(Running {
            tasks,
            engine_tasks,
            engine,
            grace: self.settings.shutdown_grace,
            rules: self.rules,
            intakes: self.intakes,
            acceptors: self.acceptors,
            metrics: self.metrics,
            health: self.health,
            settings: Mutex::new(Box::new(self.settings)),
            refused: Mutex::default(),
            handle: self.handle,
            mllp,
            http,
            token: self.token,
        })
    }
}

impl Running {
    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts new rules, mappings and certificates into force; what is wrong leaves the old ones, and
    /// raises an alert.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn reload(&self, settings: &Settings) -> Result<(), Vec<String>> {
        let done = self.put_in_force(settings);
        let faults = done.as_ref().err().map_or(&[][..], Vec::as_slice);
        self.note_reload(Reloaded::Settings, faults);
        if faults.is_empty() {
            self.note_reload(Reloaded::Mappings, faults);
        }
        done
    }

    /// Puts changed mapping files into force, with all else as it is.
    ///
    /// # Errors
    /// Everything that is wrong; then the old ones stay in force.
    pub fn reload_mappings(&self) -> Result<(), Vec<String>> {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let done = self.put_mappings_in_force(&settings);
        self.note_reload(Reloaded::Mappings, done.as_ref().err().map_or(&[], Vec::as_slice));
        done
    }

    /// The practice's own mapping files and folders.
    #[must_use]
    pub fn mapping_paths(&self) -> Vec<std::path::PathBuf> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).mappings.clone()
    }

    /// Notes what stood in the way of a reload; nothing if it was done.
    pub fn note_reload(&self, what: Reloaded, faults: &[String]) {
        let name = match what {
            Reloaded::Settings => "reload",
            Reloaded::Mappings => "reload of mappings",
        };
        let part = match faults {
            [] => Part::Up,
            [only] => Part::Impaired(only.clone()),
            [first, rest @ ..] => Part::Impaired(format!("{first} (and {} more)", rest.len())),
        };
        self.health.set(name, part);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            Reloaded::Settings => refused.0 = !faults.is_empty(),
            Reloaded::Mappings => refused.1 = !faults.is_empty(),
        }
        self.metrics.reload_refused(refused.0 || refused.1);
    }

    fn put_in_force(&self, settings: &Settings) -> Result<(), Vec<String>> {
        for intake in &self.intakes {
            if sources(settings).all(|name| *name != intake.source) {
                return Err(vec![format!("feed {} is gone; restart", intake.source)]);
            }
        }
        let has_other_servers = {
            let known = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
            known.fhir_servers != settings.fhir_servers
        };
        if has_other_servers {
            warn!(
                "Changed settings of FHIR servers are in force after a restart; mappings are now"
            );
        }
        // All that can fail comes before anything is in force.
        let choices = choices_of(settings)?;
        for acceptor in &self.acceptors {
            acceptor.reload().map_err(|refusal| vec![refusal.to_string()])?;
        }
        self.choose(settings, &choices);
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(settings.rules.clone());
        **self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings.clone();
        Ok(())
    }

    fn put_mappings_in_force(&self, settings: &Settings) -> Result<(), Vec<String>> {
        self.choose(settings, &choices_of(settings)?);
        Ok(())
    }

    fn choose(&self, settings: &Settings, choices: &[Choice]) {
        for intake in &self.intakes {
            let mut pairs = sources(settings).zip(choices);
            if let Some((_, choice)) = pairs.find(|(name, _)| **name == intake.source) {
                intake.reload(live(&settings.rules, choice.clone()));
            }
        }
    }

    /// Whether the engine has ended by itself.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.engine.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Stops: listeners and lanes first, the engine last.
    ///
    /// # Errors
    /// If the engine ended with a fault.
    pub async fn stop(mut self) -> Result<(), Error> {
        if !self.tasks.drain(self.grace).await {
            warn!(
                "Not everything ended within the grace period; what is claimed is taken up at the next start"
            );
        }
        self.engine_tasks.drain(Duration::ZERO).await;
        let Some(engine) = self.engine.take() else { return Ok(()) };
        let ended = tokio::task::spawn_blocking(move || engine.join()).await;
        match ended {
            Ok(Ok(Ok(()))) => {
                info!("Stopped; everything taken is on disk");
                Ok(())
            }
            Ok(Ok(Err(fault))) => Err(Error::Engine(fault)),
            Ok(Err(_)) | Err(_) => Err(Error::Engine("it panicked".to_owned())),
        }
    }
}

fn serve_http(
    (socket, acceptor): (TcpListener, Option<tls::Acceptor>),
    context: Context,
    connections_max: usize,
    tasks: &Tasks,
) {
    let stop = tasks.stop_token();
    tasks.spawn(async move {
        let router = http::router(context);
        let served = http::serve(socket, acceptor, router, connections_max, stop).await;
        if let Err(refusal) = served {
            error!(error = %refusal, "The HTTP port has failed");
        }
    });
}

/// Watches the feeds whose silence is worth an alert.
fn watch_silence(settings: &Settings, intakes: &[Arc<Intake>], clock: &Clock, tasks: &Tasks) {
    let listeners = settings.listeners.iter().map(|known| known.silent_feed_after);
    let servers = settings.fhir_servers.iter().map(|known| known.silent_feed_after);
    for (intake, after) in intakes.iter().zip(listeners.chain(servers)) {
        let Some(after) = after else { continue };
        let watch = silence::watch(Arc::clone(intake), after, clock.clone());
        let stop = tasks.stop_token();
        tasks.spawn(async move {
            tokio::select! {
                () = watch => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// The names of all feeds, in the order of [`choices_of`].
fn sources(settings: &Settings) -> impl Iterator<Item = &SourceName> {
    let listeners = settings.listeners.iter().map(|listener| &listener.name);
    listeners.chain(settings.fhir_servers.iter().map(|server| &server.name))
}

fn build_servers(settings: &Settings, shared: &Shared) -> Result<Vec<Rooms>, Error> {
    let choices = choices_of(settings).map_err(|faults| Error::Setup(faults.join("; ")))?;
    let choices = choices.into_iter().skip(settings.listeners.len());
    let pairs = settings.fhir_servers.iter().zip(choices);
    pairs
        .map(|(server, choice)| {
            servers::rooms(settings, server, live(&settings.rules, choice), shared)
                .map_err(Error::Setup)
        })
        .collect()
}

/// The engine has a thread of its own: it waits for the disk, and nothing else should.
fn start_engine(engine: Engine, tasks: &Tasks) -> Result<JoinHandle<Result<(), String>>, Error> {
    let stop = tasks.stop_token();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|refusal| Error::Setup(refusal.to_string()))?;
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || runtime.block_on(engine.run(stop)).map_err(|fault| fault.to_string()))
        .map_err(|refusal| Error::Setup(refusal.to_string()))
}

/// 256 random bits; without randomness the API stays closed.
fn new_token() -> Secret {
    let mut bytes = [0_u8; 32];
    if getrandom::fill(&mut bytes).is_err() {
        return Secret::new("");
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Secret::new(&hex)
}
