//! What is known about one phone: consent, what it was last asked, whose appointments it hears of.
//!
//! A phone may belong to a family; consent and conversation go by phone, reminder caps by patient.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize};

use super::effect::TextKind;
use super::ids::{AppointmentKey, OutboxId};
use super::outreach::{Either, Talk};
use super::phone::PhoneNumber;
use super::reply::Intent;
use crate::clock::Timestamp;

/// How many reminders are remembered for the daily cap.
const REMINDED_MAX: usize = 64;
/// How many appointments a phone hears of; a large family with chronic illness has a dozen.
pub const FOLLOWED_MAX: usize = 64;
/// How many changes of consent a phone remembers; all of them are in the journal.
pub const CONSENT_CHANGES_MAX: usize = 32;
/// How many prompts are remembered: a reply may be about an earlier one than the last.
const PROMPTS_MAX: usize = 8;
/// How many texts are remembered for the weekly cap, which is at most as high.
pub const TEXTED_MAX: usize = 50;
const WEEK: TimeDelta = TimeDelta::days(7);
/// How many cancellations of one phone are held back at a time.
const HELD_MAX: usize = 16;
/// How many received texts are remembered to know a repeated delivery by its id: more than a person
/// sends in a day, as a list of the last day is looked through after a start.
const HEARD_MAX: usize = 128;

/// A phone that texts go to and come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Its number.
    pub phone: PhoneNumber,
    /// Whether it may be texted.
    pub consent: Consent,
    /// The appointments that it hears of.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub appointments: BTreeSet<AppointmentKey>,
    /// The last texts that asked for an answer, oldest first.
    #[serde(default, rename = "prompt", deserialize_with = "few")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<Prompt>,
    /// A question that waits for its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// How many replies in a row were not understood.
    #[serde(default)]
    pub not_understood: u8,
    /// When the last of them came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_understood_at: Option<Timestamp>,
    /// When the patient was last told that a person will read the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_at: Option<Timestamp>,
    /// The last text that left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spoke: Option<Spoke>,
    /// The answers of the last hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<Answered>,
    /// When a text without an open appointment was last answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stranger_answered_at: Option<Timestamp>,
    /// Cancellation notices that are held back, in case a new booking follows.
    #[serde(default, deserialize_with = "few", skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldCancel>,
    /// Reminders of the last days, for the daily cap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reminded: Vec<Reminded>,
    /// When notices and reminders went out in the last seven days, for the weekly cap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texted: Vec<Timestamp>,
    /// Texts in the outbox that have not been claimed yet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub waiting: BTreeSet<OutboxId>,
    /// Ids of the last texts received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<String>,
    /// The campaign's conversation that it is in; there is one at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talk: Option<Talk>,
    /// When the last of them ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talked_at: Option<Timestamp>,
    /// A reply that fits a visit and a campaign's question; the patient was asked which is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub either: Option<Box<Either>>,
    /// Set while the carrier says that the number cannot be texted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad: Option<BadNumber>,
}

/// What the carrier says of a number that cannot be texted. It counts until a text comes from the
/// phone, one is delivered to it, or an operator switches texts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadNumber {
    /// The carrier's code.
    pub code: String,
    /// Since when.
    pub since: Timestamp,
}

/// Whether a phone may be texted, since when, and by whose word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Whether it is opted out.
    pub opted_out: bool,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// By whose word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ConsentCause>,
    /// Programmes that the phone is opted out of, while it may be texted by others.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<Programme>,
    /// The changes, oldest first, at most [`CONSENT_CHANGES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ConsentChange>,
}

impl Consent {
    /// Whether a programme may text the phone.
    #[must_use]
    pub fn allows(&self, programme: Programme) -> bool {
        !self.opted_out && !self.without.contains(&programme)
    }
}

/// What texts are about; consent can be taken back for one of these alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Programme {
    /// Notices, reminders and answers about appointments.
    Appointments,
    /// Campaigns.
    Outreach,
}

impl Programme {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Appointments, Self::Outreach];

    /// The name in commands and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Appointments => "appointments",
            Self::Outreach => "outreach",
        }
    }
}

/// A change of consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentChange {
    /// When.
    pub at: Timestamp,
    /// Whether texts were switched off.
    pub opted_out: bool,
    /// By whose word.
    pub by: ConsentCause,
    /// For which programme; for all if for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programme: Option<Programme>,
}

/// By whose word consent changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentCause {
    /// The patient texted a word such as STOP or START.
    Keyword,
    /// The patient said so in other words.
    Words,
    /// The provider refused a text because the phone is blocked there (Twilio's error 21610).
    Refusal,
    /// The phone says that it is not the patient's.
    WrongNumber,
    /// The provider reports that it has blocked or freed the phone.
    Provider,
    /// The EHR says so.
    Ehr,
    /// An operator.
    Operator,
}

impl ConsentCause {
    /// The cause in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Keyword => "as the patient texted",
            Self::Words => "as the patient said in other words",
            Self::Provider => "as the provider reports",
            Self::Refusal => "as the provider refused a text",
            Self::WrongNumber => "as the phone is not the patient's",
            Self::Ehr => "as the EHR says",
            Self::Operator => "as an operator set",
        }
    }
}

/// The last text that asked for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// What it was about.
    pub appointments: Vec<AppointmentKey>,
    /// When it was sent.
    pub at: Timestamp,
    /// The starts that it told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub starts: BTreeMap<AppointmentKey, Timestamp>,
    /// Whether the patient has replied to it.
    #[serde(default)]
    pub is_answered: bool,
    /// The text in the outbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<OutboxId>,
}

/// The start of an appointment that the last of these texts, oldest first, told.
#[must_use]
pub fn told_start(prompts: &[Prompt], key: &AppointmentKey) -> Option<Timestamp> {
    prompts.iter().rev().find_map(|prompt| prompt.starts.get(key).copied())
}

/// A text that left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoke {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub kind: TextKind,
    /// Whether it asked for something.
    pub asks: bool,
}

/// An answer to a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// When it was planned.
    pub at: Timestamp,
    /// Which.
    pub kind: TextKind,
    /// What it was about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<AppointmentKey>,
}

/// A numbered question: which appointment?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What the numbers stand for, from 1.
    pub options: Vec<AppointmentKey>,
    /// What the patient wanted when the question came up.
    pub intent: Intent,
    /// When it was asked.
    pub at: Timestamp,
}

/// A cancellation whose notice waits for `notifications.cancel_hold`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldCancel {
    /// What was called off.
    pub appointment: AppointmentKey,
    /// The notice in the outbox.
    pub outbox: OutboxId,
    /// Until when it is held.
    pub until: Timestamp,
}

/// A reminder that counts towards the daily cap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminded {
    /// The patient's record number, or nothing where none is known.
    pub patient: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Reads a list, or the single value that stood in its place in older rows.
fn few<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Few<T> {
        Many(Vec<T>),
        One(T),
    }
    Ok(match Few::deserialize(deserializer)? {
        Few::Many(many) => many,
        Few::One(one) => vec![one],
    })
}

impl Contact {
    /// A phone of which nothing is known yet.
    #[must_use]
    pub const fn new(phone: PhoneNumber) -> Self {
        Self {
            phone,
            consent: Consent {
                opted_out: false,
                since: None,
                by: None,
                without: BTreeSet::new(),
                changes: Vec::new(),
            },
            appointments: BTreeSet::new(),
            prompts: Vec::new(),
            question: None,
            not_understood: 0,
            not_understood_at: None,
            handed_at: None,
            spoke: None,
            answered: Vec::new(),
            stranger_answered_at: None,
            held: Vec::new(),
            reminded: Vec::new(),
            texted: Vec::new(),
            waiting: BTreeSet::new(),
            heard: Vec::new(),
            talk: None,
            talked_at: None,
            either: None,
            bad: None,
        }
    }

    /// Lets the phone hear of an appointment; returns false if it hears of too many already.
    ///
    /// What is over makes room first. A phone over [`FOLLOWED_MAX`] is a feed's stand-in for "none
    /// known": its texts are sent, but its replies cannot be told apart any more.
    pub fn follow(
        &mut self,
        key: &AppointmentKey,
        is_over: impl Fn(&AppointmentKey) -> bool,
    ) -> bool {
        if self.appointments.contains(key) {
            return true;
        }
        if self.appointments.len() >= FOLLOWED_MAX {
            self.appointments.retain(|followed| !is_over(followed));
        }
        if self.appointments.len() >= FOLLOWED_MAX {
            return false;
        }
        self.appointments.insert(key.clone())
    }

    /// Sets whether the phone may be texted; returns whether that is a change.
    pub fn set_consent(&mut self, opted_out: bool, by: ConsentCause, now: Timestamp) -> bool {
        // Whoever switches texts on says that the number is good; the EHR says so in every message.
        let is_mended = !opted_out && by != ConsentCause::Ehr && self.bad.take().is_some();
        let is_known = self.consent.opted_out == opted_out;
        // The EHR repeats its word with every message, and knows nothing of programmes.
        let is_word = by == ConsentCause::Ehr;
        if is_known && (opted_out || is_word || self.consent.without.is_empty()) {
            return is_mended;
        }
        if !opted_out {
            // START is for everything.
            self.consent.without.clear();
        }
        self.consent.opted_out = opted_out;
        self.consent.since = Some(now);
        self.consent.by = Some(by);
        self.note_consent(ConsentChange { at: now, opted_out, by, programme: None });
        true
    }

    /// Sets whether one programme may text the phone; returns whether that is a change.
    pub fn set_programme(
        &mut self,
        programme: Programme,
        opted_out: bool,
        by: ConsentCause,
        now: Timestamp,
    ) -> bool {
        let is_change = if opted_out {
            self.consent.without.insert(programme)
        } else {
            self.consent.without.remove(&programme)
        };
        if is_change {
            let programme = Some(programme);
            self.note_consent(ConsentChange { at: now, opted_out, by, programme });
        }
        is_change
    }

    fn note_consent(&mut self, change: ConsentChange) {
        if self.consent.changes.len() >= CONSENT_CHANGES_MAX {
            self.consent.changes.remove(0);
        }
        self.consent.changes.push(change);
    }

    /// Counts a reminder of a patient.
    pub fn count_reminder(&mut self, patient: Option<&str>, now: Timestamp) {
        self.reminded.retain(|reminded| now - reminded.at < TimeDelta::days(2));
        if self.reminded.len() >= REMINDED_MAX {
            self.reminded.remove(0);
        }
        self.reminded.push(Reminded { patient: patient.map(str::to_owned), at: now });
    }

    /// Notes a text that asks for an answer.
    pub fn ask(&mut self, prompt: Prompt) {
        if prompt.outbox.is_some() {
            // Another try of the same text.
            self.prompts.retain(|known| known.outbox != prompt.outbox);
        }
        if self.prompts.len() >= PROMPTS_MAX {
            self.prompts.remove(0);
        }
        self.prompts.push(prompt);
        self.question = None;
    }

    /// Notes that the patient has replied to the texts about these appointments.
    pub fn hear_answer(&mut self, keys: &[AppointmentKey]) {
        for prompt in &mut self.prompts {
            prompt.is_answered |= keys.iter().any(|key| prompt.appointments.contains(key));
        }
    }

    /// Counts a text that answers none.
    pub fn count_text(&mut self, now: Timestamp) {
        self.texted.retain(|at| now - *at < WEEK);
        if self.texted.len() >= TEXTED_MAX {
            self.texted.remove(0);
        }
        self.texted.push(now);
    }

    /// How many texts that answer none went out in the last seven days.
    #[must_use]
    pub fn texts_this_week(&self, now: Timestamp) -> usize {
        self.texted.iter().filter(|at| now - **at < WEEK).count()
    }

    /// Holds a cancellation back.
    pub fn hold(&mut self, held: HeldCancel) {
        self.held.retain(|other| other.appointment != held.appointment);
        if self.held.len() >= HELD_MAX {
            self.held.remove(0);
        }
        self.held.push(held);
    }

    /// Holds the cancellation of an appointment back no longer.
    pub fn let_go(&mut self, appointment: &AppointmentKey) {
        self.held.retain(|held| held.appointment != *appointment);
    }

    /// Notes a received text; returns false if it was received before.
    pub fn hear(&mut self, message_id: &str) -> bool {
        if self.heard.iter().any(|heard| heard == message_id) {
            return false;
        }
        self.bad = None;
        if self.heard.len() >= HEARD_MAX {
            self.heard.remove(0);
        }
        self.heard.push(message_id.to_owned());
        true
    }
}
