//! What is known about one appointment: the row that decisions read and write.
//!
//! Status (what the EHR says) and disposition (how far the reminders have come) are two things, and
//! a patient's wish that is on its way to the EHR is a third.

use std::collections::BTreeMap;
use std::fmt;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::ids::{AppointmentKey, DestinationName, Identifier, Seq, SourceName};
use super::local_time::LocalTime;
use super::phone::PhoneNumber;
use super::share::Sharing;
use crate::clock::Timestamp;
use crate::phi::Phi;

/// How many journal entries an appointment refers to; older ones stay in the journal and are found
/// by their message. A busy feed sends a few dozen messages for one appointment.
pub const HISTORY_MAX: usize = 1_000;

/// How long an appointment counts as lasting when no message tells.
pub const DEFAULT_DURATION: TimeDelta = TimeDelta::minutes(60);

/// The appointment's status at the EHR.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Booked and expected.
    #[default]
    Booked,
    /// Booked, and the patient is known to come.
    Confirmed,
    /// Asked for, not yet given; no text is due.
    Pending,
    /// The patient has come.
    Arrived,
    /// Over.
    Fulfilled,
    /// Called off.
    Canceled,
    /// The patient did not come.
    NoShow,
    /// Never meant: withdrawn as a mistake.
    EnteredInError,
}

impl Status {
    /// Whether the patient is still expected.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Booked | Self::Confirmed => true,
            Self::Pending
            | Self::Arrived
            | Self::Fulfilled
            | Self::Canceled
            | Self::NoShow
            | Self::EnteredInError => false,
        }
    }

    /// Whether the appointment has been called off.
    #[must_use]
    pub const fn is_off(self) -> bool {
        matches!(self, Self::Canceled | Self::EnteredInError)
    }

    /// The name used in settings, queries and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::Confirmed => "confirmed",
            Self::Pending => "pending",
            Self::Arrived => "arrived",
            Self::Fulfilled => "fulfilled",
            Self::Canceled => "canceled",
            Self::NoShow => "noshow",
            Self::EnteredInError => "entered_in_error",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the patient has answered to being invited, where the EHR keeps it apart from the status
/// (FHIR R4, Appointment.participant.status).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Participation {
    /// Nothing yet.
    NeedsAction,
    /// Perhaps.
    Tentative,
    /// Coming.
    Accepted,
    /// Not coming; the appointment still stands.
    Declined,
}

impl Participation {
    /// The name used in mappings and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NeedsAction => "needs_action",
            Self::Tentative => "tentative",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
        }
    }
}

/// The resource that an appointment is at a FHIR server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its id there.
    pub id: String,
    /// The version that was read last, if the server counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Held {
    /// Whether this is an older version than another; only numbers tell.
    #[must_use]
    pub fn is_older(&self, than: &Self) -> bool {
        let number = |held: &Self| held.version.as_ref().and_then(|v| v.parse::<u64>().ok());
        match (number(self), number(than)) {
            (Some(own), Some(other)) => self.id == than.id && own < other,
            (Some(_) | None, _) => false,
        }
    }
}

/// How far the reminders of an appointment have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// No reminder has been sent.
    #[default]
    Queued,
    /// This many reminders have been sent.
    Reminded(u8),
    /// The patient wants no texts.
    OptedOut,
    /// The appointment's time has passed.
    Expired,
}

impl Disposition {
    /// What it becomes when the phone is opted out, or is not; what is over stays as it was.
    #[must_use]
    pub const fn under_consent(self, opted_out: bool) -> Self {
        match self {
            Self::Queued | Self::Reminded(_) if opted_out => Self::OptedOut,
            Self::OptedOut if !opted_out => Self::Queued,
            Self::Queued | Self::Reminded(_) | Self::OptedOut | Self::Expired => self,
        }
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued => f.write_str("QUEUED"),
            Self::Reminded(count) => write!(f, "REMINDED-{count}"),
            Self::OptedOut => f.write_str("OPTED-OUT"),
            Self::Expired => f.write_str("EXPIRED"),
        }
    }
}

/// Where the visit takes place, as the message names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The code that `[[locations]]` is looked up by.
    pub code: String,
    /// A name to show, if the message has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Who sees the patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// The provider's id at the EHR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
}

/// Who the visit is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patient {
    /// The medical record number or its like.
    pub id: Option<String>,
    /// All identifiers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<Identifier>,
    /// Given name.
    pub given: Option<Phi<String>>,
    /// Family name.
    pub family: Option<Phi<String>>,
    /// Where texts go.
    pub phone: Option<PhoneNumber>,
    /// The preferred language as a BCP 47 tag.
    pub language: Option<String>,
    /// Whether the patient has died.
    #[serde(default)]
    pub deceased: bool,
}

impl Patient {
    /// Whether two appointments are of one person: by record number, or by name where neither has one.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.id, &other.id) {
            (Some(own), Some(others)) => own == others,
            (None, None) => self.given == other.given && self.family == other.family,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// A moment at which an appointment wants to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// What for.
    pub kind: TimerKind,
    /// When.
    pub due: Timestamp,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// The reminder with this place among `reminders.offsets`, counted from 0.
    Reminder(u8),
    /// The appointment is over.
    Expire,
}

/// What a patient has asked for by text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WishKind {
    /// "I am coming."
    Confirm,
    /// "I am not coming."
    Cancel,
}

/// A patient's wish on its way to the EHR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// What is wished.
    pub kind: WishKind,
    /// When the reply came.
    pub requested_at: Timestamp,
    /// How far it has come.
    pub state: WishState,
}

/// How far a wish has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WishState {
    /// Noted, not yet sent; also the last state where no destination is configured.
    Requested,
    /// On the wire to this destination.
    Sent(DestinationName),
    /// The destination has accepted it.
    Acknowledged(DestinationName),
    /// The EHR's own message says the same.
    Reflected,
    /// It could not be brought to the EHR; a person has a task.
    Failed,
}

/// A notice that waits to be sent, kept so that a later change can replace it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A new appointment.
    Booked,
    /// A new time.
    Rescheduled,
    /// A new place, provider or visit type.
    Modified,
    /// The appointment stands confirmed.
    Confirmed,
    /// Called off.
    Canceled,
    /// Missed.
    NoShowed,
}

impl Notice {
    /// Whether it agrees with a status: a visit that is pending or over takes no booking notice.
    #[must_use]
    pub const fn fits(self, status: Status) -> bool {
        match self {
            Self::Booked | Self::Rescheduled | Self::Modified | Self::Confirmed => status.is_open(),
            Self::Canceled => matches!(status, Status::Canceled),
            Self::NoShowed => matches!(status, Status::NoShow),
        }
    }
}

/// One appointment of one patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appointment {
    /// Its key.
    pub key: AppointmentKey,
    /// The feed that it comes from.
    pub source: SourceName,
    /// Every identifier it was heard under.
    pub ids: Vec<Identifier>,
    /// Which of its number's appointments it is, and what it knows of the others.
    #[serde(default, skip_serializing_if = "Sharing::is_alone")]
    pub sharing: Sharing,
    /// Grows with every change that voids what was planned before.
    pub generation: u32,
    /// What the EHR says.
    pub status: Status,
    /// How far the reminders have come.
    pub disposition: Disposition,
    /// When it starts.
    pub start: Option<LocalTime>,
    /// When it ends.
    pub end: Option<LocalTime>,
    /// How long it lasts.
    pub duration_minutes: Option<u32>,
    /// The kind of visit, as coded by the EHR; never shown to a patient.
    pub visit_type: Option<String>,
    /// Where.
    pub location: Option<Location>,
    /// With whom.
    pub provider: Option<Provider>,
    /// Whom to call about it.
    pub callback_phone: Option<String>,
    /// What the patient has answered, where the EHR keeps that apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participation: Option<Participation>,
    /// What it is at FHIR servers, by server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<SourceName, Held>,
    /// The appointment that came in its place, by the EHR's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<AppointmentKey>,
    /// For whom.
    pub patient: Patient,
    /// When the newest message applied was made (MSH-7).
    pub occurred_at: Timestamp,
    /// The newest message applied; write-back is built from it.
    pub last_message: Option<Seq>,
    /// What is planned, earliest first.
    pub timers: Vec<Timer>,
    /// The patient's wish, if one was texted.
    pub wish: Option<Wish>,
    /// A notice that is queued and not yet claimed by the sender.
    pub unsent_notice: Option<Notice>,
    /// Its entries in the journal, oldest first, at most [`HISTORY_MAX`].
    pub history: Vec<Seq>,
    /// When it was first heard of.
    pub created_at: Timestamp,
}

impl Appointment {
    /// When the visit is over, as far as is known.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        let start = self.start.as_ref()?;
        let end = self.end.as_ref().map(|end| end.instant).filter(|end| *end > start.instant);
        let duration = self
            .duration_minutes
            .map_or(DEFAULT_DURATION, |minutes| TimeDelta::minutes(i64::from(minutes)));
        let whole_day = start.date_only.then(|| start.instant + TimeDelta::days(1));
        Some(end.or(whole_day).unwrap_or(start.instant + duration))
    }

    /// When the visit can no longer be prepared for: its start, or its day's end if only the day is
    /// known.
    #[must_use]
    pub fn begun_at(&self) -> Option<Timestamp> {
        let start = self.start.as_ref()?;
        if start.date_only { self.ends_at() } else { Some(start.instant) }
    }

    /// Whether the visit has begun or lies behind.
    #[must_use]
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.begun_at().is_some_and(|begun| begun <= now)
    }

    /// Whether the visit lies behind; one without a known time never does.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.ends_at().is_some_and(|end| end < now)
    }

    /// Whether the patient is expected and has not asked to be let off.
    #[must_use]
    pub fn awaits_patient(&self, now: Timestamp) -> bool {
        self.status.is_open()
            && !self.is_past(now)
            && !self.is_asked_off()
            && self.participation != Some(Participation::Declined)
            && self.replaced_by.is_none()
    }

    /// Whether the patient has said not to come. That the EHR could not be told, which is a task for
    /// staff, does not bring the patient back: a reminder would only show that nobody listened.
    #[must_use]
    pub fn is_asked_off(&self) -> bool {
        self.wish.as_ref().is_some_and(|wish| wish.kind == WishKind::Cancel)
    }

    /// Whether the patient has asked for this and the EHR has not refused.
    #[must_use]
    pub fn has_wish(&self, kind: WishKind) -> bool {
        self.wish.as_ref().is_some_and(|wish| wish.kind == kind && wish.state != WishState::Failed)
    }

    /// The earliest timer's moment.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.iter().map(|timer| timer.due).min()
    }

    /// Notes an entry of the journal that concerns this appointment.
    pub fn remember(&mut self, seq: Seq) {
        if self.history.last() == Some(&seq) {
            return;
        }
        if self.history.len() >= HISTORY_MAX {
            // The first entry says where the appointment came from: keep it, drop the second.
            self.history.remove(1);
        }
        self.history.push(seq);
    }
}
