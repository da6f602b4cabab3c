//! The practice's own rules, as settings have them: an input of every decision.

use std::collections::BTreeMap;

use chrono::{NaiveTime, TimeDelta};

use super::appointment::Notice;
use super::gate::Guard;
use super::ids::{DestinationName, SourceName};
use super::local_time::Zone;
use super::message::Texts;
use super::reply::Words;

/// Everything that decisions depend on besides state and event.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The practice.
    pub practice: Practice,
    /// Its places, by the code that messages use.
    pub locations: BTreeMap<String, Place>,
    /// When to remind.
    pub reminders: Reminders,
    /// Which events are texted.
    pub notifications: Notifications,
    /// How replies are read.
    pub replies: Replies,
    /// How deliveries are tried.
    pub delivery: DeliveryRules,
    /// How many texts sources may cause.
    pub guard: Guard,
    /// Where wishes of patients go, by source.
    pub routes: BTreeMap<SourceName, DestinationName>,
    /// FHIR servers, which are sources and destinations by one name.
    pub servers: BTreeMap<SourceName, ServerRules>,
    /// The texts.
    pub texts: Texts,
}

/// What decisions depend on at a FHIR server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerRules {
    /// What its numbers of events are worth.
    pub event_numbers: EventNumbers,
}

/// How a server numbers the events of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventNumbers {
    /// One after the other, so that a missing one is seen.
    Monotonic,
    /// Anew in each notification.
    PerBundle,
    /// In no way that tells anything.
    Ignore,
}

/// The practice that texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Practice {
    /// The name in every text.
    pub name: String,
    /// Whom to call.
    pub callback_phone: String,
    /// The zone where nothing else is known.
    pub zone: Zone,
}

/// A place of visits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The name to show.
    pub name: Option<String>,
    /// The address to show.
    pub address: Option<String>,
    /// Whom to call.
    pub phone: Option<String>,
    /// Its zone.
    pub zone: Option<Zone>,
    /// Whether its name tells what the patient suffers from; it is then never shown.
    pub sensitive: bool,
}

/// When to remind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminders {
    /// How long before the appointment, the longest first.
    pub offsets: Vec<TimeDelta>,
    /// The hours at which patients are texted.
    pub window: Window,
    /// How many reminders a patient gets on one day.
    pub per_patient_per_day: usize,
    /// How much time a reminder leaves before the appointment at least.
    pub min_lead: TimeDelta,
}

/// Hours of the day, the start included, the finish not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First moment.
    pub start: NaiveTime,
    /// First moment that is too late; `None` is midnight.
    pub finish: Option<NaiveTime>,
}

impl Window {
    /// The whole day.
    pub const ALWAYS: Self = Self { start: NaiveTime::MIN, finish: None };

    /// Whether a time of day lies in it.
    #[must_use]
    pub fn contains(self, time: NaiveTime) -> bool {
        time >= self.start && self.finish.is_none_or(|finish| time < finish)
    }
}

/// Which events are texted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notifications {
    /// The notices that are switched on.
    pub enabled: Vec<Notice>,
    /// How long a cancellation notice waits for a new booking.
    pub cancel_hold: TimeDelta,
    /// How old a message may be to be worth a text.
    pub stale_after: TimeDelta,
    /// Whether a patient is texted once more when the EHR reflects the wish.
    pub tell_when_reflected: bool,
}

/// How replies are read.
#[derive(Debug, Clone)]
pub struct Replies {
    /// How long after the appointment's end it can still be answered.
    pub answer_until_after_end: TimeDelta,
    /// For how long the last text decides which appointment a reply means.
    pub prompt_counts_for: TimeDelta,
    /// Whether the provider blocks and answers STOP, START and HELP itself.
    pub provider_answers_keywords: bool,
    /// The words, by language.
    pub words: BTreeMap<String, Words>,
}

/// How deliveries are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRules {
    /// The first pause before another try; it doubles each time.
    pub retry_first: TimeDelta,
    /// The longest pause.
    pub retry_max: TimeDelta,
    /// How long a wish is tried at the EHR.
    pub write_back_for: TimeDelta,
    /// How long to wait before a text in doubt is looked for at the provider.
    pub reconcile_after: TimeDelta,
}

impl Rules {
    /// What a server's numbers of events are worth.
    #[must_use]
    pub fn event_numbers(&self, server: &SourceName) -> EventNumbers {
        self.servers.get(server).map_or(EventNumbers::Ignore, |rules| rules.event_numbers)
    }

    /// Whether a destination is a FHIR server.
    #[must_use]
    pub fn is_server(&self, destination: &DestinationName) -> bool {
        self.servers.keys().any(|server| server.as_str() == destination.as_str())
    }

    /// The place that a code stands for.
    #[must_use]
    pub fn place(&self, code: &str) -> Option<&Place> {
        self.locations.get(code)
    }
}
