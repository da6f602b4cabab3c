//! One FHIR server as a feed: what all that hear, read and search it share.
//!
//! Here an appointment that was read becomes a bundle with all that belongs to it, and goes to the
//! engine; the bundle is what the journal keeps. One that is gone becomes a bundle that says so.

use std::sync::{Arc, Mutex, PoisonError};

use appointd_fhir::conformance;
use serde_json::Value;
use tokio::sync::Notify;

use super::shelf::Shelf;
use crate::clock::Clock;
use crate::core::appointment::Appointment;
use crate::core::effect::Hinted;
use crate::core::event::Event;
use crate::core::feed::{Feed, FeedReport, Notified};
use crate::core::ids::SourceName;
use crate::engine::rows::digest;
use crate::engine::{Answer, Handle, Reading, Sameness, Verdict};
use crate::fhir::reference::Origins;
use crate::fhir::resource;
use crate::inbound::intake::Intake;
use crate::inbound::resources::Arrival;
use crate::outbound::fhir::lane::{Telling, Told};
use crate::outbound::fhir::{Server, State, Trouble};
use crate::telemetry::Metrics;

/// What first sight means for the patient.
const FIRST_IMPORT: &str = "first import: it was there before we listened";

/// What is shared.
#[derive(Debug)]
pub struct Desk {
    /// The server's name as a source.
    pub name: SourceName,
    /// The way to it.
    pub server: Server,
    /// How its resources are read.
    pub intake: Arc<Intake>,
    /// The engine.
    pub handle: Handle,
    /// The time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Arc<Metrics>,
    base: String,
    habits: Habits,
    pub(super) shelf: Shelf,
    /// Rung when there may be something to search for.
    pub(super) bell: Notify,
    trouble: Mutex<Troubles>,
}

/// What is done otherwise at one server than at another.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Whether patients are texted about what was there before.
    pub tells_first_import: bool,
    /// Whether it is counted what would not pass a strict reading; there is one for R4 and R4B.
    pub counts_nonconforming: bool,
}

/// What is amiss at a server, by who noticed it.
#[derive(Debug, Default)]
struct Troubles {
    search: Option<String>,
    subscription: Option<String>,
}

/// Why an appointment was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The server did not answer, or not as it should.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The server will not give it out.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// Our own store does not take it now.
    #[error("not stored")]
    NotStored,
}

impl Desk {
    /// Prepares the desk of a server.
    #[must_use]
    pub fn new(
        server: Server,
        origins: Origins,
        intake: Arc<Intake>,
        habits: Habits,
        (handle, clock, metrics): (Handle, Clock, Arc<Metrics>),
    ) -> Self {
        Self {
            habits,
            name: intake.source.clone(),
            base: origins.base(),
            shelf: Shelf::new(server.clone(), origins, clock.clone()),
            server,
            intake,
            handle,
            clock,
            metrics,
            bell: Notify::new(),
            trouble: Mutex::default(),
        }
    }

    /// The server's base address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Hands an appointment as it stands at the server to the engine; what came along is used, what
    /// is missing read.
    ///
    /// # Errors
    /// If what belongs to it cannot be read now, or the engine does not take it.
    pub async fn take(&self, appointment: Value, at_hand: Vec<Value>) -> Result<(), NotTaken> {
        self.count_nonconforming(&appointment);
        let quiet = self.quiet_about(&appointment)?;
        let included = self.shelf.complete(&appointment, at_hand).await?;
        self.submit(resource::bundle(appointment, included, &self.base), quiet).await
    }

    /// Counts an appointment that a strict reader would refuse: ours takes it, and the server's maker
    /// may want to know.
    fn count_nonconforming(&self, appointment: &Value) {
        if !self.habits.counts_nonconforming {
            return;
        }
        if let Err(fault) = conformance::report(appointment.to_string().as_bytes()) {
            self.metrics.nonconforming(&self.name, fault.fault.as_str());
        }
    }

    /// Why a patient is not told of an appointment: until everything has been read once, what is seen
    /// first was there before us, unless it is in its first version.
    fn quiet_about(&self, appointment: &Value) -> Result<Option<&'static str>, NotTaken> {
        if self.habits.tells_first_import {
            return Ok(None);
        }
        let view = self.handle.view();
        let feed = view.feed(&self.name).map_err(|_| NotTaken::NotStored)?;
        if feed.is_some_and(|feed| feed.is_imported) {
            return Ok(None);
        }
        let Some(identity) = resource::identity(appointment) else { return Ok(None) };
        let known = view.resource(&self.name, &identity.id).map_err(|_| NotTaken::NotStored)?;
        Ok(known.is_none().then_some(FIRST_IMPORT))
    }

    /// Plans a look at an appointment that could not be taken now, so that the others need not wait.
    pub(super) async fn look_later(&self, id: &str) -> Result<(), NotTaken> {
        let arrival = Arrival { peer: self.server.name(), quiet: None };
        let mut received = self.intake.arrived(Vec::new(), &arrival);
        received.trigger = "look".to_owned();
        received.sameness = Sameness::Never;
        received.reading = Reading::Notified(Notified {
            server: self.name.clone(),
            is_handshake: false,
            status: None,
            hints: vec![Hinted::Appointment(id.to_owned())],
            is_vague: false,
            numbers: Vec::new(),
        });
        match self.handle.submit(received).await {
            Verdict::Stored { .. } => Ok(()),
            Verdict::NotStored(_) => Err(NotTaken::NotStored),
        }
    }

    /// Tells the engine that an appointment is gone; nothing if nobody knows of it.
    ///
    /// # Errors
    /// If the engine does not take it.
    pub async fn take_gone(&self, id: &str) -> Result<(), NotTaken> {
        let known = self.handle.view().resource(&self.name, id);
        let Some(row) = known.map_err(|_| NotTaken::NotStored)? else { return Ok(()) };
        // Not stamped later than what is known: should it come back, that is news again.
        self.submit(resource::deleted(id, Some(row.occurred_at), &self.base), None).await
    }

    async fn submit(&self, raw: Vec<u8>, quiet: Option<&str>) -> Result<(), NotTaken> {
        let now = self.clock.now();
        let arrival = Arrival { peer: self.server.name(), quiet };
        for parsed in self.intake.resources(raw, &arrival, now) {
            let verdict = self.handle.submit(parsed.received).await;
            self.metrics.verdict(&self.name, &verdict);
            if matches!(verdict, Verdict::NotStored(_)) {
                return Err(NotTaken::NotStored);
            }
        }
        self.intake.hear(now);
        self.metrics.heard(&self.name, now);
        Ok(())
    }

    /// Keeps an entry of a page that is no resource, for a person to look at; once, however often it
    /// is found.
    pub(super) async fn keep_bad(&self, raw: &Value, why: &str) -> Result<(), NotTaken> {
        let raw = raw.to_string().into_bytes();
        let digest = digest(&raw);
        let arrival = Arrival { peer: self.server.name(), quiet: None };
        let mut received = self.intake.arrived(raw, &arrival);
        received.sender = self.server.name().to_owned();
        received.control_id = digest;
        received.reading = Reading::Fault(format!("an entry of a page cannot be read: {why}"));
        let verdict = self.handle.submit(received).await;
        self.metrics.verdict(&self.name, &verdict);
        match verdict {
            Verdict::Stored { .. } => Ok(()),
            Verdict::NotStored(_) => Err(NotTaken::NotStored),
        }
    }

    /// What is known of the server as a feed; nothing if the store cannot be read.
    #[must_use]
    pub fn feed(&self) -> Option<Feed> {
        let known = self.handle.view().feed(&self.name).ok()?;
        Some(known.unwrap_or_else(|| Feed::new(self.name.clone())))
    }

    /// Notes what was done at the server; returns whether that is on disk.
    pub async fn report(&self, report: FeedReport) -> bool {
        let event = Event::FeedReported { server: self.name.clone(), report };
        let answer = self.handle.act(event).await;
        self.ring();
        matches!(answer, Answer::Decided { .. })
    }

    /// Lets the one who searches look at what is wanted.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Notes whether searches work; a code where they do not.
    pub(super) fn note_search(&self, trouble: Option<&str>) {
        self.troubles(|all| all.search = trouble.map(str::to_owned));
    }

    /// Notes whether the subscription works; a word where it does not.
    pub fn note_subscription(&self, trouble: Option<&str>) {
        self.troubles(|all| all.subscription = trouble.map(str::to_owned));
        self.metrics.subscription(&self.name, trouble.is_none());
    }

    fn troubles<T>(&self, act: impl FnOnce(&mut Troubles) -> T) -> T {
        act(&mut self.trouble.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The feed whose appointments the server tells of: itself, or another one.
    #[must_use]
    pub fn space(&self) -> &SourceName {
        &self.intake.space
    }

    /// What is amiss at the server, in words for readiness; nothing if all is well.
    #[must_use]
    pub fn impairment(&self) -> Option<String> {
        match self.server.state() {
            State::Up => {}
            State::Paused { why, .. } => return Some(format!("left alone for a while: {why}")),
            State::Refused(code) => return Some(format!("it refuses our credentials: {code}")),
        }
        self.troubles(|all| {
            let search = all.search.as_ref().map(|code| format!("it cannot be searched: {code}"));
            search.or_else(|| all.subscription.as_ref().map(|word| format!("subscription {word}")))
        })
    }
}

impl Told for Desk {
    fn tell(&self, appointment: Value) -> Telling<'_> {
        Box::pin(async move { self.take(appointment, Vec::new()).await.is_ok() })
    }

    fn tell_gone<'a>(&'a self, id: &'a str) -> Telling<'a> {
        Box::pin(async move { self.take_gone(id).await.is_ok() })
    }

    fn tells_of(&self, appointment: &Appointment) -> bool {
        // Of another feed's appointments only what was read here is known to be the same.
        appointment.resources.contains_key(&self.name) || appointment.source == *self.space()
    }
}
