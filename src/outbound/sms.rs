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
use tracing::{error, warn};

use super::brake::{Brake, Gate};
use super::bucket::Bucket;
use super::twilio::{Doubt, Filter, Outcome, Twilio};
use crate::clock::{Clock, Stopwatch, Timestamp};
use crate::core::delivery::{Failure, Next, Outgoing, Report, State};
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
/// How long after its claim a text may come to be at the provider: the wait for the sender's rate, and
/// the longest wait for an answer.
const UNDER_WAY_MAX: TimeDelta = TimeDelta::minutes(10);
/// How long before its last try a row may have been planned. Of older ones it is not looked up which
/// messages are theirs; none waits for a week.
const PLANNED_WITHIN: TimeDelta = TimeDelta::days(7);

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
    /// How long the provider may hold a text in its queue.
    pub validity: Duration,
}

/// The lane of texts.
#[derive(Debug)]
pub struct SmsLane {
    backend: Backend,
    options: Options,
    handle: Handle,
    clock: Clock,
    metrics: Arc<Metrics>,
    brake: Arc<Brake>,
    /// Held while a text is looked for and found, so that no two rows take one message for theirs.
    looking: tokio::sync::Mutex<()>,
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
        brake: Arc<Brake>,
    ) -> Self {
        Self {
            backend,
            options,
            handle,
            clock,
            metrics,
            brake,
            looking: tokio::sync::Mutex::default(),
            in_hand: Mutex::default(),
        }
    }

    /// Sends what is due until told to stop.
    pub async fn run(self: Arc<Self>, tasks: Tasks) {
        let stop = tasks.stop_token();
        let parallel = self.options.parallel.max(1);
        let places = Arc::new(Semaphore::new(parallel));
        let mut bucket = Bucket::new(self.options.segments_per_second);
        let started = Stopwatch::start();
        loop {
            let next = self.next((&places, parallel));
            let taken = tokio::select! {
                taken = next => taken,
                () = stop.cancelled() => return,
            };
            let Some(Taken { work, is_trial }) = taken else { return };
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
                tokio::time::sleep(bucket.take(segments(&work.row), started.elapsed())).await;
                let lane = Arc::clone(&self);
                tasks.spawn(async move {
                    lane.take(work, is_trial).await;
                    drop(place);
                });
            }
        }
    }

    /// Waits until something may be sent, and is due. `None` if the engine has gone.
    async fn next(&self, (places, parallel): (&Semaphore, usize)) -> Option<Taken> {
        loop {
            let (room, is_trial) = match self.brake.gate(self.clock.now()) {
                Gate::Open(room) => (room.clamp(1, parallel), false),
                Gate::Trial(pause) => {
                    tokio::time::sleep(pause).await;
                    (1, true)
                }
                Gate::Rest(until) => {
                    self.clock.sleep_until(until).await;
                    continue;
                }
            };
            // With one place less than there may be, another request can begin. So a trial is alone.
            let kept = parallel - room;
            let others = u32::try_from(kept + 1).unwrap_or(u32::MAX);
            drop(places.acquire_many(others).await.ok()?);
            let max = places.available_permits().saturating_sub(kept).max(1);
            let max = if is_trial { 1 } else { max };
            return self.handle.claim(Lane::Sms, max).await.map(|work| Taken { work, is_trial });
        }
    }

    async fn take(&self, work: Work, is_trial: bool) {
        let row = work.row;
        let Effect::SendSms(sms) = &row.effect else { return };
        if row.state == State::InDoubt {
            let _others_wait = self.looking.lock().await;
            let report = self.look_for(&row, sms).await;
            self.metrics.sent("sms", outcome(&report));
            // It is durable when this returns: who looks next sees that the message is taken.
            return self.report(&row, report).await;
        }
        let objection = self.brake.objection(self.clock.now()).filter(|_| !is_trial);
        let report = match objection {
            Some(failure) => refused(failure, "held"),
            None => self.send(&row, sms).await,
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
            // So it is meant to be: nobody needs a task for each patient of a trial.
            return refused(Failure::Forbidden, "not_in_allow_only");
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
        let valid_for = valid_for(row, self.options.validity, self.clock.now());
        let outcome = twilio.create(&message.valid_for(valid_for)).await;
        self.note(&outcome, sms);
        report_of(outcome)
    }

    /// Tells the brake.
    fn note(&self, outcome: &Outcome, sms: &Sms) {
        match outcome {
            Outcome::Accepted { .. } => self.brake.accepted(),
            Outcome::Refused { class, code, http_status } => {
                let code = code_of(*code, *http_status);
                if failure_of(*class) == Failure::WordsRefused {
                    error!(code, template = sms.kind.name(), "Twilio refuses the words of a text");
                }
                self.brake.failed(*class, &code, (self.clock.now(), false));
            }
            Outcome::NotSent { cause } => {
                warn!(cause, "Twilio cannot be reached");
                self.brake.unreachable();
            }
            Outcome::Unknown(doubt) => {
                warn!(?doubt, "Twilio may have taken a text or not; it will be looked for");
                self.brake.unreachable();
            }
        }
    }

    /// Looks for a text in doubt where it would be if it had been taken.
    async fn look_for(&self, row: &Outgoing, sms: &Sms) -> Report {
        match &self.backend {
            Backend::Twilio(twilio) => self.look_at(twilio, row, sms).await,
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

    async fn look_at(&self, twilio: &Twilio, row: &Outgoing, sms: &Sms) -> Report {
        // The number is not said at first if a messaging service chooses it.
        let filter = Filter { to: Some(sms.to.clone()), from: twilio.number().cloned() };
        let found = match twilio.list_recent(&filter, LOOKED_THROUGH).await {
            Ok(found) => found,
            Err(problem) => {
                warn!(error = %problem, "Twilio's list of messages cannot be read");
                return Report::InDoubt { code: "list".to_owned() };
            }
        };
        let is_known = |sid: &str| {
            row.provider_id.as_deref() == Some(sid) || row.tries.lost.iter().any(|lost| lost == sid)
        };
        let alike = found.iter().filter(|message| is_it(message, row, sms));
        let sids = alike.map(|message| message.sid.as_str()).filter(|sid| !is_known(sid));
        let candidates: Vec<String> = sids.map(str::to_owned).collect();
        if candidates.is_empty() {
            return Report::NoTrace;
        }
        let Some(owned) = self.owned_messages(row, sms).await else {
            return Report::InDoubt { code: "outbox".to_owned() };
        };
        let free = candidates.into_iter().find(|sid| !owned.contains(sid));
        free.map_or(Report::NoTrace, |id| Report::Accepted { id })
    }

    /// The provider's ids of the phone's other texts, if they could all be looked through.
    async fn owned_messages(&self, row: &Outgoing, sms: &Sms) -> Option<BTreeSet<String>> {
        let since = row.tries.claimed_at.unwrap_or(row.created_at) - PLANNED_WITHIN;
        let (view, to, id) = (self.handle.view(), sms.to.clone(), row.id.clone());
        // It may look through the texts of a week.
        let scan = tokio::task::spawn_blocking(move || view.owned_messages(&to, since, &id));
        match scan.await {
            Ok(Ok(Some(owned))) => return Some(owned),
            Ok(Ok(None)) => warn!("The outbox is too long to be looked through"),
            Ok(Err(problem)) => warn!(error = %problem, "The outbox cannot be read"),
            Err(_) => warn!("The outbox cannot be read"),
        }
        None
    }
}

/// Work that was claimed.
struct Taken {
    work: Vec<Work>,
    /// Whether it is to find out if the provider takes texts again.
    is_trial: bool,
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

/// How long the provider may hold a text: as long as it is of use, and not longer than is set.
fn valid_for(row: &Outgoing, validity: Duration, now: Timestamp) -> Duration {
    (row.not_after - now).to_std().unwrap_or_default().min(validity)
}

/// Whether a message at the provider is this row's text.
fn is_it(message: &MessageRow, row: &Outgoing, sms: &Sms) -> bool {
    let words = sms.body.as_ref().map_or("", |body| body.expose().as_str());
    // With redaction on the body is blank; then length, number and time have to do.
    let is_same = if message.body.expose().is_empty() {
        let parts = message.num_segments.filter(|parts| *parts > 0);
        parts.is_none_or(|parts| parts == Segments::of(words).count.try_into().unwrap_or(u32::MAX))
    } else {
        message.body.expose().trim() == words.trim()
    };
    let is_ours = message.direction != Some(Direction::Inbound);
    let from = row.tries.claimed_at.unwrap_or(row.created_at) - CLOCK_SKEW;
    let until = row.tries.claimed_at.map(|at| at + UNDER_WAY_MAX + CLOCK_SKEW);
    let in_time =
        message.created_at.is_none_or(|at| at >= from && until.is_none_or(|until| at <= until));
    is_same && is_ours && in_time
}

fn code_of(code: Option<u32>, http_status: u16) -> String {
    code.map_or_else(|| format!("http_{http_status}"), |code| code.to_string())
}

/// Why nobody knows whether a text was taken, as a code.
fn doubt_code(doubt: Doubt) -> String {
    match doubt {
        Doubt::Timeout => "no_answer".to_owned(),
        Doubt::Broken => "connection_broken".to_owned(),
        Doubt::ServerError { code, http_status } => code_of(code, http_status),
        Doubt::Unreadable => "answer_unreadable".to_owned(),
    }
}

fn report_of(outcome: Outcome) -> Report {
    match outcome {
        Outcome::Accepted { sid, .. } => Report::Accepted { id: sid.as_str().to_owned() },
        Outcome::Refused { class, code, http_status } => {
            refused(failure_of(class), &code_of(code, http_status))
        }
        Outcome::NotSent { .. } => refused(Failure::TryLater, "not_sent"),
        Outcome::Unknown(doubt) => Report::InDoubt { code: doubt_code(doubt) },
    }
}

/// What a class of error codes is a failure of; what follows is the core's.
#[must_use]
pub const fn failure_of(class: Class) -> Failure {
    match class {
        Class::OptedOut => Failure::OptedOut,
        Class::BadNumber | Class::Unroutable => Failure::BadNumber,
        Class::TransientDelivery => Failure::NotReached,
        Class::ThrottleNow => Failure::Throttled,
        Class::ThrottleQueue => Failure::SenderPaused,
        Class::DailyCap => Failure::DayUsedUp,
        Class::Config => Failure::Misconfigured,
        Class::Content => Failure::WordsRefused,
        Class::Policy => Failure::QuietHours,
        Class::Forbidden => Failure::Forbidden,
        Class::Ambiguous | Class::Permanent => Failure::Permanent,
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
        Report::NotDone { failure, .. } => match failure.next() {
            Next::GiveUp | Next::Drop => "refused",
            Next::Pause
            | Next::Spaced
            | Next::Backoff
            | Next::Wait(_)
            | Next::Midnight
            | Next::Opening => "retry",
        },
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

#[cfg(test)]
#[path = "sms_tests.rs"]
mod tests;
