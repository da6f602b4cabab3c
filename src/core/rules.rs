//! The practice's own rules, as settings have them: an input of every decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{NaiveTime, TimeDelta};

use super::appointment::Notice;
use super::flow::{Program, Tools};
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
    /// Destinations that are told by JSON callbacks.
    pub callbacks: BTreeSet<DestinationName>,
    /// Campaigns.
    pub outreach: Outreach,
    /// The texts.
    pub texts: Texts,
}

/// How campaigns are run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outreach {
    /// The flows that there are, by name.
    pub flows: BTreeMap<String, Arc<Program>>,
    /// What they may reach outside.
    pub tools: Tools,
    /// How many recipients a campaign begins with in a minute, if it does not say.
    pub per_minute: u32,
    /// How long a campaign goes on, if it does not say.
    pub expires_after: TimeDelta,
    /// From whom its texts come: our number, or the id of the messaging service.
    pub sender: String,
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
    /// How much texts tell where the place does not say.
    pub privacy: Privacy,
    /// How much they may tell of a kind of visit, by its code.
    pub visit_types: BTreeMap<String, Privacy>,
}

impl Practice {
    /// How much a text may tell: what the place says, or else the practice, unless the kind of visit
    /// is stricter.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use appointd::core::local_time::Zone;
    /// use appointd::core::rules::{Place, Practice, Privacy};
    /// let practice = Practice {
    ///     name: "Owl Clinic".to_owned(),
    ///     callback_phone: "(202) 555-0100".to_owned(),
    ///     zone: Zone::UTC,
    ///     privacy: Privacy::Detailed,
    ///     visit_types: BTreeMap::from([("COUNSELING".to_owned(), Privacy::Minimal)]),
    /// };
    /// let place = Place { privacy: Some(Privacy::Standard), ..Place::default() };
    /// assert_eq!(practice.privacy(None, Some("FOLLOWUP")), Privacy::Detailed);
    /// assert_eq!(practice.privacy(Some(&place), None), Privacy::Standard);
    /// assert_eq!(practice.privacy(Some(&place), Some("COUNSELING")), Privacy::Minimal);
    /// ```
    #[must_use]
    pub fn privacy(&self, place: Option<&Place>, visit_type: Option<&str>) -> Privacy {
        let at_place = place.and_then(|place| place.privacy).unwrap_or(self.privacy);
        let of_type = visit_type.and_then(|code| self.visit_types.get(code));
        of_type.map_or(at_place, |of_type| at_place.min(*of_type))
    }
}

/// How much texts tell of a visit, the strictest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privacy {
    /// When, and whom to call: no name, place, provider or preparation.
    Minimal,
    /// Also the given name, the place's name and how to prepare.
    #[default]
    Standard,
    /// Also the provider and the place's address.
    Detailed,
}

impl Privacy {
    /// All of them, by the name used in settings.
    pub const NAMES: [(&'static str, Self); 3] =
        [("minimal", Self::Minimal), ("standard", Self::Standard), ("detailed", Self::Detailed)];
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
    /// How much texts tell of visits there; `None` is what the practice says.
    pub privacy: Option<Privacy>,
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
    /// Whether the hours have to suit the zone of the phone's area too.
    pub by_area_code: bool,
    /// Whether one text reminds a whole family that shares a phone of the day's visits.
    pub digest_by_phone: bool,
    /// How many notices and reminders a phone gets in seven days; cancellations and new times are
    /// counted, and never held back. `None` is no cap.
    pub per_phone_per_week: Option<usize>,
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
