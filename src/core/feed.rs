//! What is known of a FHIR server as a feed: its subscription, its last event, how far it has been
//! searched.
//!
//! A notification is a hint: it plans a look at what it names, and nothing else. Numbers of events
//! that skip or start anew, and notifications that name nothing, ask for a search; so what was lost
//! on the way is found by what the server holds. Looking and searching are done outside.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::effect::{Effect, Hinted, Planned, ReadAt};
use super::ids::SourceName;
use super::reason::Reason;
use super::rules::{EventNumbers, Rules};
use super::scene::{Decision, Scene};
use crate::clock::Timestamp;

/// How long to wait for an event that was overtaken, before it counts as lost (Subscriptions R5
/// Backport IG, "Recovery").
const OVERTAKEN_WITHIN: TimeDelta = TimeDelta::seconds(10);
/// How long a look that fails is tried again; the daily comparison finds the rest.
const READ_FOR: TimeDelta = TimeDelta::days(2);

/// A FHIR server, as what it tells is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// The server.
    pub server: SourceName,
    /// The subscription that was made there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<Subscription>,
    /// When it was last heard of by itself, heartbeats included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<Timestamp>,
    /// The last event's number and time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event: Option<Numbered>,
    /// Up to which `meta.lastUpdated` everything has been read; the server's time, not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Timestamp>,
    /// Whether everything there was has been read once.
    #[serde(default)]
    pub is_imported: bool,
    /// When the last whole search began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searched_at: Option<Timestamp>,
    /// When what is held was last compared with what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_at: Option<Timestamp>,
    /// A search that is asked for before its regular time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Wanted>,
}

/// A subscription at a server, and what was done about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id there; nothing as long as there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How the server says it is.
    #[serde(default)]
    pub status: SubscriptionStatus,
    /// What it was made for, as a digest: other settings need another one.
    #[serde(default)]
    pub made_for: String,
    /// Since when it is waited for to work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
    /// When the server was last asked about it, whether it answered or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// When the server last said something of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// When it was last made, started or prolonged, whether that worked or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted_at: Option<Timestamp>,
    /// When the server will end it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// How often in a row it was made or started without coming to work.
    #[serde(default)]
    pub failures: u32,
}

/// How a subscription is (FHIR R4, Subscription.status).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// Made, not yet working.
    Requested,
    /// Working.
    Active,
    /// Notifications could not be delivered.
    Error,
    /// Ended.
    Off,
    /// There is none by its id any more.
    Gone,
    /// Something else, or not known.
    #[default]
    Unknown,
}

impl SubscriptionStatus {
    /// The name in queries and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Active => "active",
            Self::Error => "error",
            Self::Off => "off",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }
}

/// An event's number since the subscription began, and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered {
    /// The number.
    pub number: u64,
    /// When it happened, if the server tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A search that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Not before.
    pub due: Timestamp,
    /// When it was asked for: a search that began earlier does not answer it.
    pub since: Timestamp,
    /// Whether everything is to be read, whatever has been read before.
    #[serde(default)]
    pub everything: bool,
}

/// A notification, as far as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// The server.
    pub server: SourceName,
    /// Whether it is the first word of a new subscription.
    pub is_handshake: bool,
    /// What the server says of the subscription.
    pub status: Option<SubscriptionStatus>,
    /// What is to be looked at.
    pub hints: Vec<Hinted>,
    /// Whether something changed that it does not name.
    pub is_vague: bool,
    /// The numbers of its events, in order.
    pub numbers: Vec<Numbered>,
}

/// What was done at, or heard of, a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedReport {
    /// It is there: a heartbeat.
    Heard,
    /// A search came to its end.
    Searched {
        /// When it began.
        began: Timestamp,
        /// The latest `meta.lastUpdated` that was seen.
        cursor: Option<Timestamp>,
        /// Whether it was of everything.
        everything: bool,
    },
    /// What is held was compared with what is there.
    Compared,
    /// The subscription as it is now.
    Subscription(Subscription),
    /// Something may have been missed, because nobody was told for a while.
    Behind,
    /// An operator wants everything read again.
    Resync,
}

impl Feed {
    /// A server of which nothing is known yet.
    #[must_use]
    pub const fn new(server: SourceName) -> Self {
        Self {
            server,
            subscription: None,
            heard_at: None,
            last_event: None,
            cursor: None,
            is_imported: false,
            searched_at: None,
            compared_at: None,
            wanted: None,
        }
    }

    /// Asks for a search; the sooner and the wider of two wins.
    fn want(&mut self, due: Timestamp, now: Timestamp, everything: bool) {
        let before = self.wanted;
        self.wanted = Some(Wanted {
            due: before.map_or(due, |wanted| wanted.due.min(due)),
            since: now,
            everything: everything || before.is_some_and(|wanted| wanted.everything),
        });
    }

    /// Takes in an event's number; returns whether something is missing or began anew.
    fn count(&mut self, said: Numbered) -> Option<Gap> {
        let last = self.last_event.replace(said)?;
        let is_later = match (last.at, said.at) {
            (Some(last), Some(said)) => said > last,
            (None, _) | (_, None) => false,
        };
        if said.number > last.number.saturating_add(1) {
            return Some(Gap::Skipped);
        }
        if said.number > last.number {
            return None;
        }
        if is_later {
            return Some(Gap::Restarted);
        }
        // Repeated, or overtaken: what was last stays.
        self.last_event = Some(last);
        None
    }
}

/// What is wrong with the numbers of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// Some did not come.
    Skipped,
    /// They count from the start again, without a word.
    Restarted,
}

/// Decides what a notification comes to.
#[must_use]
pub fn hear(notified: &Notified, scene: &Scene, rules: &Rules, now: Timestamp) -> Decision {
    let mut feed = scene.feed(&notified.server);
    let mut decision = Decision::default();
    feed.heard_at = Some(now);
    if let (Some(status), Some(subscription)) = (notified.status, feed.subscription.as_mut()) {
        subscription.status = status;
    }
    if notified.is_handshake {
        // A new subscription counts its own events.
        feed.last_event = None;
        decision.explain(None, "HANDSHAKE", Reason::Heard);
    }
    for number in &notified.numbers {
        match rules.event_numbers(&notified.server) {
            EventNumbers::Monotonic => {}
            EventNumbers::PerBundle | EventNumbers::Ignore => continue,
        }
        let Some(gap) = feed.count(*number) else { continue };
        let due = match gap {
            Gap::Skipped => now + OVERTAKEN_WITHIN,
            Gap::Restarted => now,
        };
        feed.want(due, now, false);
        decision.explain(None, "NOTIFIED", Reason::EventsMissing);
    }
    if notified.is_vague {
        feed.want(now, now, false);
        decision.explain(None, "NOTIFIED", Reason::SearchPlanned);
    }
    for what in &notified.hints {
        let read = ReadAt { server: notified.server.clone(), what: what.clone() };
        if scene.planned.contains(&read) || is_planned(&decision, &read) {
            decision.explain(None, "NOTIFIED", Reason::ReadPlannedBefore);
            continue;
        }
        decision.effects.push(Planned {
            effect: Effect::ReadFhir(read),
            due: now,
            not_after: now + READ_FOR,
        });
        decision.explain(None, "NOTIFIED", Reason::ReadPlanned);
    }
    decision.feeds.push(feed);
    decision
}

fn is_planned(decision: &Decision, read: &ReadAt) -> bool {
    decision.effects.iter().any(|planned| match &planned.effect {
        Effect::ReadFhir(other) => other == read,
        Effect::SendSms(_)
        | Effect::SendHl7(_)
        | Effect::UpdateFhir(_)
        | Effect::PostJson(_)
        | Effect::CallHttp(_) => false,
    })
}

/// Decides what follows from work at a server.
#[must_use]
pub fn report(server: &SourceName, report: &FeedReport, scene: &Scene, now: Timestamp) -> Decision {
    let mut feed = scene.feed(server);
    let mut decision = Decision::default();
    match report {
        FeedReport::Heard => feed.heard_at = Some(now),
        FeedReport::Searched { began, cursor, everything } => {
            feed.searched_at = Some(*began);
            feed.is_imported = feed.is_imported || *everything;
            // A server's clock that was set back must not hide what comes next.
            feed.cursor = if *everything { *cursor } else { (*cursor).max(feed.cursor) };
            let is_answered =
                |wanted: &Wanted| wanted.since <= *began && (*everything || !wanted.everything);
            feed.wanted = feed.wanted.filter(|wanted| !is_answered(wanted));
        }
        FeedReport::Compared => feed.compared_at = Some(now),
        FeedReport::Subscription(subscription) => {
            let known = feed.subscription.as_ref().and_then(|known| known.id.as_ref());
            if subscription.id.is_some() && known != subscription.id.as_ref() {
                feed.last_event = None;
                // Between two subscriptions nobody told us anything.
                feed.want(now, now, false);
            }
            let mut subscription = subscription.clone();
            // It may have told us something while it was being made.
            let has_told = feed.heard_at.is_some() && feed.heard_at >= subscription.requested_at;
            if subscription.status == SubscriptionStatus::Requested && has_told {
                subscription.status = SubscriptionStatus::Active;
            }
            feed.subscription = Some(subscription);
        }
        FeedReport::Behind => feed.want(now, now, false),
        FeedReport::Resync => {
            feed.want(now, now, true);
            decision.explain(None, "RESYNC", Reason::SearchPlanned);
        }
    }
    decision.feeds.push(feed);
    decision
}
