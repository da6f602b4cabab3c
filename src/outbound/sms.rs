//! The lane of texts: Twilio, or a file, or memory in its place.
//!
//! A text in doubt is looked for at the provider before anything else is done about it. The rate is
//! counted in segments, as carriers do. Outside production only listed numbers are texted.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::breaker::Breaker;
use super::twilio::{Filter, Outcome, Twilio};
use crate::clock::{Clock, Timestamp};
use crate::core::delivery::{Failure, Outgoing, Report, State};
use crate::core::effect::{Effect, Sms};
use crate::core::event::Event;
use crate::core::ids::OutboxId;
use crate::core::message::segments::Segments;
use crate::core::phone::PhoneNumber;
use crate::engine::rows::Lane;
use crate::engine::{Answer, Handle, Work};
use crate::phi::Phi;
use crate::shutdown::Tasks;
use crate::sms::answer::{Direction, MessageRow};
use crate::sms::error_codes::Class;
use crate::sms::request::{CreateMessage, OutboxTag};
use crate::telemetry::Metrics;

/// How many of a phone's messages are looked through for a text in doubt.
const LOOKED_THROUGH: usize = 200;
/// How far apart the clocks of the provider and of this machine may be.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(2);

/// Who carries texts.
#[derive(Debug)]
pub enum Backend {
    /// Twilio.
    Twilio(Box<Twilio>),
    /// A file, one JSON object a line: for integration tests and trials.
    File(PathBuf),
    /// Memory: for tests.
    Memory(Mutex<Vec<Sent>>),
}

/// A text as the file and memory keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The row of the outbox.
    pub id: OutboxId,
    /// To whom.
    pub to: PhoneNumber,
    /// Which text.
    pub kind: String,
    /// What it says.
    pub body: Phi<String>,
    /// When it was sent.
    pub at: Timestamp,
}

/// How the lane behaves.
#[derive(Debug)]
pub struct Options {
    /// Segments a second.
    pub segments_per_second: f64,
    /// Requests at once.
    pub parallel: usize,
    /// Only these numbers are texted; empty is all.
    pub allow_only: Vec<PhoneNumber>,
}

/// The lane of texts.
#[derive(Debug)]
pub struct SmsLane {
    backend: Backend,
    options: Options,
    handle: Handle,
    clock: Clock,
    metrics: Arc<Metrics>,
    breaker: Mutex<Breaker>,
    /// What was handed out and is not reported on: it may wait longer than a claim lasts, and must
    /// not be taken for a text in doubt then.
    in_hand: Mutex<BTreeSet<OutboxId>>,
}

impl SmsLane {
    /// Prepares the lane.
    #[must_use]
    pub fn new(
        backend: Backend,
        options: Options,
        handle: Handle,
        (clock, metrics): (Clock, Arc<Metrics>),
    ) -> Self {
        Self {
            backend,
            options,
            handle,
            clock,
            metrics,
            breaker: Mutex::default(),
            in_hand: Mutex::default(),
        }
    }

    /// Sends what is due until told to stop.
    pub async fn run(self: Arc<Self>, tasks: Tasks) {
        let stop = tasks.stop_token();
        let places = Arc::new(Semaphore::new(self.options.parallel.max(1)));
        let mut pace = pace(self.options.segments_per_second);
        loop {
            let pause = self.breaker.lock().unwrap_or_else(PoisonError::into_inner).pause();
            let work = tokio::select! {
                work = self.next(pause, &places) => work,
                () = stop.cancelled() => return,
            };
            let Some(work) = work else { return };
            for work in work {
                if !self.hold(&work.row.id) {
                    continue;
                }
                if stop.is_cancelled() {
                    // Nothing has left the house: the next start sends it.
                    self.report(&work.row, refused(Failure::TryLater, "stopping")).await;
                    continue;
                }
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                for _ in 0..segments(&work.row) {
                    pace.tick().await;
                }
                let lane = Arc::clone(&self);
                tasks.spawn(async move {
                    lane.take(work).await;
                    drop(place);
                });
            }
        }
    }

    async fn next(&self, pause: Duration, places: &Semaphore) -> Option<Vec<Work>> {
        tokio::time::sleep(pause).await;
        // One at a time while it is not known whether the provider is back.
        let max = if pause.is_zero() { places.available_permits().max(1) } else { 1 };
        self.handle.claim(Lane::Sms, max).await
    }

    async fn take(&self, work: Work) {
        let row = work.row;
        let Effect::SendSms(sms) = &row.effect else { return };
        let report = match row.state {
            State::InDoubt => self.look_for(&row, sms).await,
            State::Ready
            | State::Held
            | State::Sending
            | State::Accepted
            | State::Delivered
            | State::Failed
            | State::Void => self.send(&row, sms).await,
        };
        self.metrics.sent("sms", outcome(&report));
        self.report(&row, report).await;
    }

    /// Takes a row in hand; false if it is already.
    fn hold(&self, id: &OutboxId) -> bool {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone())
    }

    async fn report(&self, row: &Outgoing, report: Report) {
        let event = Event::DeliveryReported { outbox: row.id.clone(), report };
        if let Answer::NotStored(category) = self.handle.act(event).await {
            // The row stays claimed and comes up again as in doubt.
            error!(outbox.id = %row.id, ?category, "A delivery report was not stored");
        }
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).remove(&row.id);
    }

    async fn send(&self, row: &Outgoing, sms: &Sms) -> Report {
        let Some(body) = &sms.body else { return refused(Failure::Permanent, "no_body") };
        let allow = &self.options.allow_only;
        if !allow.is_empty() && !allow.contains(&sms.to) {
            return refused(Failure::Permanent, "not_in_allow_only");
        }
        match &self.backend {
            Backend::Twilio(twilio) => self.send_by(twilio, row, sms, body).await,
            Backend::File(path) => match append(path, &self.sent(row, sms, body)) {
                Ok(()) => Report::Accepted { id: format!("file-{}", row.id) },
                Err(problem) => {
                    warn!(error = %problem, "A text could not be written to its file");
                    refused(Failure::TryLater, "file")
                }
            },
            Backend::Memory(texts) => {
                let sent = self.sent(row, sms, body);
                texts.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
                Report::Accepted { id: format!("memory-{}", row.id) }
            }
        }
    }

    fn sent(&self, row: &Outgoing, sms: &Sms, body: &Phi<String>) -> Sent {
        Sent {
            id: row.id.clone(),
            to: sms.to.clone(),
            kind: sms.kind.name().to_owned(),
            body: body.clone(),
            at: self.clock.now(),
        }
    }

    async fn send_by(
        &self,
        twilio: &Twilio,
        row: &Outgoing,
        sms: &Sms,
        body: &Phi<String>,
    ) -> Report {
        let message = OutboxTag::new(row.id.as_str(), row.attempts)
            .and_then(|tag| CreateMessage::new(sms.to.clone(), body.clone(), tag));
        let Ok(message) = message else { return refused(Failure::Permanent, "request") };
        let left = (row.not_after - self.clock.now()).to_std().unwrap_or_default();
        let outcome = twilio.create(&message.valid_for(left)).await;
        self.note(&outcome);
        report_of(outcome)
    }

    /// Opens or closes the breaker.
    fn note(&self, outcome: &Outcome) {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let concerns_all = match outcome {
            Outcome::Accepted { .. } => {
                if breaker.succeeded() {
                    info!("Twilio takes texts again");
                    self.metrics.breaker("sms", false);
                }
                return;
            }
            Outcome::Refused { class, code, .. } => {
                let concerns_all =
                    matches!(class, Class::Config | Class::ThrottleQueue | Class::DailyCap);
                if concerns_all {
                    error!(?class, code, "Twilio refuses all texts of this sender");
                }
                concerns_all
            }
            Outcome::NotSent { cause } => {
                warn!(cause, "Twilio cannot be reached");
                breaker.failed();
                false
            }
            Outcome::Unknown(doubt) => {
                warn!(?doubt, "Twilio may have taken a text or not; it will be looked for");
                breaker.failed();
                false
            }
        };
        if concerns_all {
            breaker.trip();
        }
        self.metrics.breaker("sms", breaker.is_open());
    }

    /// Looks for a text in doubt where it would be if it had been taken.
    async fn look_for(&self, row: &Outgoing, sms: &Sms) -> Report {
        match &self.backend {
            Backend::Twilio(twilio) => {
                let filter = Filter { to: Some(sms.to.clone()), from: None };
                match twilio.list_recent(&filter, LOOKED_THROUGH).await {
                    Ok(found) => found
                        .iter()
                        .filter(|message| row.provider_id.as_deref() != Some(message.sid.as_str()))
                        .find(|message| is_it(message, row, sms))
                        .map_or(Report::NoTrace, |message| Report::Accepted {
                            id: message.sid.as_str().to_owned(),
                        }),
                    Err(problem) => {
                        warn!(error = %problem, "Twilio's list of messages cannot be read");
                        Report::InDoubt { code: "list".to_owned() }
                    }
                }
            }
            Backend::File(path) => match is_in_file(path, &row.id) {
                Ok(true) => Report::Accepted { id: format!("file-{}", row.id) },
                Ok(false) => Report::NoTrace,
                Err(_) => Report::InDoubt { code: "file".to_owned() },
            },
            Backend::Memory(texts) => {
                let texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
                if texts.iter().any(|text| text.id == row.id) {
                    Report::Accepted { id: format!("memory-{}", row.id) }
                } else {
                    Report::NoTrace
                }
            }
        }
    }
}

/// A steady beat, one a segment.
fn pace(segments_per_second: f64) -> Interval {
    let rate = if segments_per_second > 0.0 { segments_per_second } else { 1.0 };
    let mut pace = interval(Duration::from_secs_f64(1.0 / rate.clamp(0.01, 10_000.0)));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

fn segments(row: &Outgoing) -> u32 {
    let Effect::SendSms(sms) = &row.effect else { return 0 };
    if row.state == State::InDoubt {
        return 0;
    }
    sms.body
        .as_ref()
        .map_or(1, |body| u32::try_from(Segments::of(body.expose()).count.max(1)).unwrap_or(1))
}

/// Whether a message at the provider is this row's text.
fn is_it(message: &MessageRow, row: &Outgoing, sms: &Sms) -> bool {
    let words = sms.body.as_ref().map_or("", |body| body.expose().as_str());
    // With redaction on the body is blank; then number and time have to do.
    let is_same = message.body.expose().is_empty() || message.body.expose().trim() == words.trim();
    let is_ours = message.direction != Some(Direction::Inbound);
    let in_time = message.created_at.is_none_or(|created| created + CLOCK_SKEW >= row.created_at);
    is_same && is_ours && in_time
}

fn report_of(outcome: Outcome) -> Report {
    match outcome {
        Outcome::Accepted { sid, .. } => Report::Accepted { id: sid.as_str().to_owned() },
        Outcome::Refused { class, code, http_status } => {
            let code = code.map_or_else(|| format!("http_{http_status}"), |code| code.to_string());
            refused(failure_of(class), &code)
        }
        Outcome::NotSent { .. } => refused(Failure::TryLater, "not_sent"),
        Outcome::Unknown(doubt) => Report::InDoubt { code: format!("{doubt:?}").to_lowercase() },
    }
}

/// What a class of error codes means for one text.
#[must_use]
pub const fn failure_of(class: Class) -> Failure {
    match class {
        Class::OptedOut => Failure::OptedOut,
        Class::BadNumber | Class::Unroutable => Failure::BadNumber,
        Class::TransientDelivery
        | Class::ThrottleNow
        | Class::ThrottleQueue
        | Class::DailyCap
        | Class::Config
        | Class::Policy => Failure::TryLater,
        Class::Content | Class::Ambiguous | Class::Permanent => Failure::Permanent,
    }
}

fn refused(failure: Failure, code: &str) -> Report {
    Report::NotDone { failure, code: code.to_owned() }
}

const fn outcome(report: &Report) -> &'static str {
    match report {
        Report::Accepted { .. } => "accepted",
        Report::Delivered { .. } => "delivered",
        Report::Undelivered { .. } => "undelivered",
        Report::NotDone { failure: Failure::TryLater, .. } => "retry",
        Report::NotDone { .. } => "refused",
        Report::InDoubt { .. } => "in_doubt",
        Report::NoTrace => "no_trace",
    }
}

fn append(path: &Path, sent: &Sent) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(sent).map_err(std::io::Error::other)?;
    line.push(b'\n');
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(&line)?;
    file.sync_data()
}

fn is_in_file(path: &Path, id: &OutboxId) -> std::io::Result<bool> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(problem) => return Err(problem),
    };
    Ok(text.lines().filter_map(|line| serde_json::from_str::<Sent>(line).ok()).any(|s| s.id == *id))
}
