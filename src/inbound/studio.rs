//! Interface engines that post to Studio: who calls, what it is about, is it on disk?
//!
//! Whoever posts executions to a Studio flow posts them here by changing one address. A flow's id that
//! a `[[json.source]]` has is an appointment event, and goes the way of a message; one that is a
//! flow's here starts that flow for a phone, in a campaign that stands open for such requests.
//! Nothing is looked at before user and password are right, and what cannot be read is not stored:
//! the caller is told, and keeps it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use chrono::TimeDelta;
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use tracing::warn;

use super::studio_flow;
use crate::clock::{Clock, Timestamp};
use crate::core::appointment::{Location, Provider};
use crate::core::claim::{AppointmentClaim, Claim, EhrEvent, Origin, PatientClaim, Share};
use crate::core::event::Event;
use crate::core::field::Field;
use crate::core::ids::{AppointmentKey, Identifier, Seq, SourceName};
use crate::core::local_time::{LocalTime, Zone};
use crate::core::phone::Region;
use crate::core::rules::Rules;
use crate::engine::rows::{Cause, Entry};
use crate::engine::{Answer, Handle, Reading, Received, Sameness, SharedRules, Verdict};
use crate::sms::studio::{
    AppointmentEvent, EventType, Execution, ExecutionSid, Fault, Refusal, Request, Site,
};
use crate::sms::{Form, Secret, form};
use crate::telemetry::Metrics;

/// The name that stands where a message has its mapping.
const MAPPING: &str = "studio";
/// How many wrong passwords of one kind from one address are answered as such in
/// [`FAILURES_WITHIN`], before the caller is told to wait: a person who sets it up mistypes a few
/// times, and a guess at 128 bits needs more.
const FAILURES_MAX: u32 = 10;
/// How long a wrong password counts.
const FAILURES_WITHIN: TimeDelta = TimeDelta::minutes(1);
/// How many addresses are remembered; with more of them, the oldest are forgotten.
const CALLERS_MAX: usize = 1_024;

/// An interface engine that may call.
#[derive(Debug, Clone)]
pub struct Feed {
    /// The name of the feed.
    pub name: SourceName,
    /// The flow that its events are posted to.
    pub flow_sid: String,
    /// The account that it says it is.
    pub account_sid: String,
    /// Users and their passwords, any of which is right.
    pub users: Vec<(String, Secret)>,
    /// How phone numbers are written there.
    pub region: Region,
    /// The zone of times that come without one, where the place has none.
    pub zone: Option<Zone>,
}

/// A call, as HTTP brings it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The flow in the path.
    pub flow: &'a str,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<&'a str>,
    /// From where.
    pub peer: IpAddr,
    /// The form.
    pub body: &'a [u8],
}

/// The door for such callers.
#[derive(Debug)]
pub struct Studio {
    feeds: Vec<Feed>,
    pub(super) rules: SharedRules,
    pub(super) handle: Handle,
    pub(super) clock: Clock,
    metrics: Arc<Metrics>,
    /// The address that we are reached at, for the addresses in answers.
    base_url: String,
    failures: Mutex<BTreeMap<(IpAddr, bool), (u32, Timestamp)>>,
}

impl Studio {
    /// Opens the door to feeds; `base_url` is the address that we are reached at.
    #[must_use]
    pub fn new(
        feeds: Vec<Feed>,
        base_url: String,
        rules: SharedRules,
        handle: Handle,
        (clock, metrics): (Clock, Arc<Metrics>),
    ) -> Self {
        let failures = Mutex::new(BTreeMap::new());
        Self { feeds, rules, handle, clock, metrics, base_url, failures }
    }

    /// Takes a call; the answer is the execution that it started, or that it had started before.
    ///
    /// # Errors
    /// [`Refusal`]; nothing of the call is kept then.
    pub async fn create(&self, call: &Call<'_>) -> Result<Value, Refusal> {
        let callers = self.callers(call)?;
        let Some(first) = callers.first() else { return Err(Refusal::Unauthorized) };
        let feed = callers.iter().find(|feed| feed.flow_sid == call.flow);
        let program = feed.is_none().then(|| studio_flow::find(&self.rules(), call.flow)).flatten();
        let region = feed.unwrap_or(first).region;
        if feed.is_none() && program.is_none() {
            return Err(Refusal::Unknown);
        }
        let form = Form::parse(call.body).map_err(|fault| match fault {
            form::Error::TooLong => Refusal::TooLarge,
            form::Error::TooManyParams | form::Error::NotUtf8(_) => {
                Refusal::Faults(vec![Fault::new("body", "is no form in UTF-8")])
            }
        })?;
        let request = Request::read(&form, region).map_err(Refusal::Faults)?;
        let (sid, started_at) = match (feed, program) {
            (Some(feed), _) => self.event(feed, &request, call.peer).await?,
            (None, Some(program)) => self.flow(&program, &request, call.idempotency_key).await?,
            (None, None) => return Err(Refusal::Unknown),
        };
        let execution = Execution {
            sid: &sid,
            account_sid: &feed.unwrap_or(first).account_sid,
            flow_sid: call.flow,
            to: Some(&request.to),
            is_active: true,
            started_at,
            updated_at: started_at,
        };
        Ok(execution.to_json(&self.base_url))
    }

    /// Refuses a body of another kind than a form; only who may call is told so.
    ///
    /// # Errors
    /// [`Refusal`], always.
    pub fn refuse_kind(&self, call: &Call<'_>) -> Result<Value, Refusal> {
        self.callers(call).and(Err(Refusal::NoForm))
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The feeds whose user and password the caller has.
    fn callers(&self, call: &Call<'_>) -> Result<Vec<&Feed>, Refusal> {
        let now = self.clock.now();
        let Some((user, password)) = call.authorization.and_then(basic) else {
            return Err(Refusal::Unauthorized);
        };
        let is_known = self.feeds.iter().flat_map(|feed| &feed.users).any(|(own, _)| *own == user);
        // All are compared, however early one fits.
        let fits = |feed: &&Feed| {
            feed.users.iter().fold(false, |fits, (own, secret)| {
                let is_user = own.as_bytes().ct_eq(user.as_bytes());
                let is_password = secret.expose().as_bytes().ct_eq(password.as_bytes());
                fits | bool::from(is_user & is_password)
            })
        };
        let callers: Vec<&Feed> = self.feeds.iter().filter(fits).collect();
        // Whoever has the password is let in, whatever others behind the same proxy guess.
        if !callers.is_empty() {
            return Ok(callers);
        }
        let caller = (call.peer, is_known);
        if self.has_failed_often(caller, now) {
            return Err(Refusal::TooMany);
        }
        self.note_failure(caller, now);
        Err(Refusal::Unauthorized)
    }

    fn has_failed_often(&self, caller: (IpAddr, bool), now: Timestamp) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .get(&caller)
            .is_some_and(|(count, since)| *count >= FAILURES_MAX && now < *since + FAILURES_WITHIN)
    }

    fn note_failure(&self, caller: (IpAddr, bool), now: Timestamp) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, (_, since)| now < *since + FAILURES_WITHIN);
        if failures.len() >= CALLERS_MAX {
            failures.clear();
        }
        let (count, _) = failures.entry(caller).or_insert((0, now));
        *count += 1;
        if *count == FAILURES_MAX {
            warn!(peer = %caller.0, "Wrong passwords for executions; the caller has to wait");
        }
    }

    /// Takes an appointment event.
    async fn event(
        &self,
        feed: &Feed,
        request: &Request,
        peer: IpAddr,
    ) -> Result<(ExecutionSid, Timestamp), Refusal> {
        let site = Site { flow_sid: &feed.flow_sid, region: feed.region };
        let read = AppointmentEvent::read(request.parameters.expose(), &request.to, site);
        let event = read.map_err(Refusal::Faults)?;
        let claim = claim(feed, &event, &self.rules());
        let received = Received {
            source: feed.name.clone(),
            peer: peer.to_string(),
            control_id: event.sid.as_str().to_owned(),
            trigger: claim.origin.trigger.clone(),
            sender: feed.account_sid.clone(),
            mapping: MAPPING.to_owned(),
            mapping_hash: String::new(),
            detected: None,
            trace: String::new(),
            raw: request.raw.expose().as_bytes().to_vec(),
            // The id is made of what it says.
            sameness: Sameness::Content(event.sid.as_str().to_owned()),
            reading: Reading::Claims(vec![claim]),
            replay_of: None,
        };
        let verdict = self.handle.submit(received).await;
        self.metrics.verdict(&feed.name, &verdict);
        let Verdict::Stored { seq, is_repeated, .. } = verdict else {
            return Err(Refusal::NotStored);
        };
        self.metrics.heard(&feed.name, self.clock.now());
        let entry = self.entry(seq).await?;
        if event.event == EventType::Remind {
            self.remind(seq, &entry, is_repeated).await?;
        }
        Ok((event.sid, entry.at))
    }

    /// Reminds of the appointment that an entry is about, unless that was done when it came first: a
    /// caller that heard no answer calls again.
    async fn remind(&self, seq: Seq, entry: &Entry, is_repeated: bool) -> Result<(), Refusal> {
        let key = entry.outcomes.iter().find_map(|outcome| outcome.appointment.clone());
        let Some(key) = key else { return Ok(()) };
        if is_repeated && self.was_reminded_since(&key, seq).await? {
            return Ok(());
        }
        match self.handle.act(Event::RemindNow { appointment: key }).await {
            Answer::Decided { .. } => Ok(()),
            Answer::NotStored(_) => Err(Refusal::NotStored),
        }
    }

    async fn was_reminded_since(&self, key: &AppointmentKey, seq: Seq) -> Result<bool, Refusal> {
        let (view, key) = (self.handle.view(), key.clone());
        let found = tokio::task::spawn_blocking(move || {
            let history = view.by_key(key.as_str()).ok()??.history;
            let later = history.into_iter().filter(|other| *other > seq);
            let mut entries = later.map(|other| view.entry(other).ok().flatten());
            Some(entries.any(|entry| {
                entry.is_some_and(|(entry, _)| matches!(entry.cause, Cause::Operator { .. }))
            }))
        });
        found.await.map_err(|_| Refusal::NotStored).map(|found| found.unwrap_or(false))
    }

    async fn entry(&self, seq: Seq) -> Result<Entry, Refusal> {
        let view = self.handle.view();
        let found = tokio::task::spawn_blocking(move || view.entry(seq)).await;
        match found {
            Ok(Ok(Some((entry, _)))) => Ok(entry),
            Ok(Ok(None) | Err(_)) | Err(_) => Err(Refusal::NotStored),
        }
    }
}

/// What an event claims; times are settled in the zone of the event, the place, the feed or the
/// practice, whichever is the first to say one.
fn claim(feed: &Feed, event: &AppointmentEvent, rules: &Rules) -> Claim {
    let place = event.location.as_deref().and_then(|code| rules.place(code));
    let zone = event.zone.or_else(|| place.and_then(|place| place.zone)).or(feed.zone);
    let zone = zone.unwrap_or(rules.practice.zone);
    let (claimed, quiet) = match event.event {
        EventType::Booked => (EhrEvent::Booked, None),
        EventType::Rescheduled => (EhrEvent::Rescheduled, None),
        EventType::Modified | EventType::OptedOut => (EhrEvent::Modified, None),
        EventType::NoShowed => (EhrEvent::NoShowed, None),
        EventType::Canceled => (EhrEvent::Canceled, None),
        EventType::Confirmed => (EhrEvent::Confirmed, None),
        // The reminder that follows tells what is so.
        EventType::Remind => (EhrEvent::Modified, Some("a reminder was asked for".to_owned())),
    };
    let opted_out =
        if event.event == EventType::OptedOut { Field::Value(true) } else { Field::Absent };
    Claim {
        event: claimed,
        occurred_at: event.occurred_at,
        origin: Origin {
            source: feed.name.clone(),
            space: feed.name.clone(),
            protocol: Origin::JSON,
            control_id: event.sid.as_str().to_owned(),
            trigger: format!("JSON^{}", event.event.name()),
            mapping: MAPPING.to_owned(),
            mapping_hash: String::new(),
        },
        appointment: AppointmentClaim {
            ids: vec![Identifier::new(&event.appointment_id, Identifier::FILLER)],
            start: said(event.start.map(|start| LocalTime::settle(start, zone))),
            location: said(event.location.clone().map(|code| Location { code, name: None })),
            provider: said(provider(event)),
            callback_phone: said(event.callback_phone.clone()),
            ..AppointmentClaim::default()
        },
        patient: PatientClaim {
            id: Field::Value(event.patient_id.clone()),
            given: said(event.patient_given.clone()),
            family: said(event.patient_family.clone()),
            phone: Field::Value(event.phone.clone()),
            opted_out,
            ..PatientClaim::default()
        },
        quiet,
        share: Share::default(),
    }
}

fn provider(event: &AppointmentEvent) -> Option<Provider> {
    let provider = Provider {
        id: event.provider_id.clone(),
        family: event.provider_family.clone(),
        given: event.provider_given.clone(),
    };
    (provider != Provider::default()).then_some(provider)
}

fn said<T>(value: Option<T>) -> Field<T> {
    value.map_or(Field::Absent, Field::Value)
}

/// User and password of HTTP Basic (RFC 7617).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let pair = String::from_utf8(bytes).ok()?;
    pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}
