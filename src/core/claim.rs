//! What a message claims: the normalized event, whatever dialect it came in.
//!
//! A claim is not yet what happened: [`super::ehr`] compares it with the state held. Its JSON form
//! is the project's public event format: a key that is absent was not mentioned by the message,
//! `null` means that the message deletes the value.

use serde_json::{Map, Value, json};

use super::appointment::{Held, Location, Participation, Provider, Status};
use super::field::Field;
use super::ids::{Identifier, SourceName};
use super::local_time::LocalTime;
use super::phone::PhoneNumber;
use crate::clock::Timestamp;
use crate::phi::Phi;

/// The event that a message claims, or that was found to have happened.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EhrEvent {
    /// A new appointment.
    Booked,
    /// The start changed.
    Rescheduled,
    /// Place, provider or visit type changed.
    Modified,
    /// The status became confirmed.
    Confirmed,
    /// Called off.
    Canceled,
    /// The patient did not come.
    #[serde(rename = "NOSHOWED")]
    NoShowed,
}

impl EhrEvent {
    /// The name in settings, mappings and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Booked => "BOOKED",
            Self::Rescheduled => "RESCHEDULED",
            Self::Modified => "MODIFIED",
            Self::Confirmed => "CONFIRMED",
            Self::Canceled => "CANCELED",
            Self::NoShowed => "NOSHOWED",
        }
    }

    /// Reads a name as [`EhrEvent::name`] writes it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Booked,
            Self::Rescheduled,
            Self::Modified,
            Self::Confirmed,
            Self::Canceled,
            Self::NoShowed,
        ]
        .into_iter()
        .find(|event| event.name() == name)
    }
}

/// Where a claim comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The feed.
    pub source: SourceName,
    /// The feed whose numbers it speaks in: another than its own where two feeds tell of the same
    /// appointments.
    pub space: SourceName,
    /// `hl7v2`, `fhir` or `json`.
    pub protocol: &'static str,
    /// The message's control id (MSH-10).
    pub control_id: String,
    /// The message's trigger, such as `SIU^S12`.
    pub trigger: String,
    /// The mapping that read it.
    pub mapping: String,
    /// The digest of the mapping's files, so that a changed mapping is told from the one before.
    pub mapping_hash: String,
}

/// What a message says about the appointment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppointmentClaim {
    /// Every identifier, the preferred first; never empty in a claim.
    pub ids: Vec<Identifier>,
    /// Status.
    pub status: Field<Status>,
    /// Start.
    pub start: Field<LocalTime>,
    /// End.
    pub end: Field<LocalTime>,
    /// Length.
    pub duration_minutes: Field<u32>,
    /// Kind of visit.
    pub visit_type: Field<String>,
    /// Place.
    pub location: Field<Location>,
    /// Provider.
    pub provider: Field<Provider>,
    /// Whom to call.
    pub callback_phone: Field<String>,
    /// What the patient has answered, where the EHR keeps that apart from the status.
    pub participation: Field<Participation>,
    /// The resource that it is at a FHIR server.
    pub resource: Option<Held>,
    /// Ids of appointments in whose place it came.
    pub replaces: Vec<String>,
}

/// What a message says about the patient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatientClaim {
    /// Record number.
    pub id: Field<String>,
    /// All identifiers.
    pub ids: Vec<Identifier>,
    /// Given name.
    pub given: Field<Phi<String>>,
    /// Family name.
    pub family: Field<Phi<String>>,
    /// Phone for texts.
    pub phone: Field<PhoneNumber>,
    /// Language as a BCP 47 tag.
    pub language: Field<String>,
    /// Whether the patient has died.
    pub deceased: Field<bool>,
    /// Whether the EHR says that the patient wants no texts.
    pub opted_out: Field<bool>,
}

/// A normalized event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What the message claims.
    pub event: EhrEvent,
    /// When the message was made.
    pub occurred_at: Timestamp,
    /// Where it comes from.
    pub origin: Origin,
    /// The appointment.
    pub appointment: AppointmentClaim,
    /// The patient.
    pub patient: PatientClaim,
    /// A reason for which the mapping wants no text for this message.
    pub quiet: Option<String>,
    /// Whether the message tells of others under the same identifiers.
    pub share: Share,
}

/// How many claims one message may make; one that names more patients and times than this is a
/// list, and not an appointment.
pub const CLAIMS_MAX: usize = 64;

/// How an appointment's identifiers are shared: by the patients of a group visit, by the times of a
/// series. One claim is about one patient and one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many patients the message names.
    pub patients: u16,
    /// Which of the times this claim is about, from 1.
    pub occurrence: u16,
    /// How many times the message names.
    pub occurrences: u16,
}

impl Default for Share {
    fn default() -> Self {
        Self { patients: 1, occurrence: 1, occurrences: 1 }
    }
}

impl Claim {
    /// Whether it comes from a feed that tells of another feed's appointments.
    #[must_use]
    pub fn is_second_voice(&self) -> bool {
        self.origin.source != self.origin.space
    }

    /// Whether it says what is, not what happened: a resource does, a message does not.
    #[must_use]
    pub fn is_of_state(&self) -> bool {
        self.origin.protocol == Origin::FHIR
    }

    /// Renders the public JSON form.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut appointment = self.appointment.to_json();
        let Share { patients, occurrence, occurrences } = self.share;
        if patients > 1 {
            appointment.insert("patients".to_owned(), json!(patients));
        }
        if occurrences > 1 {
            let place = json!({ "number": occurrence, "of": occurrences });
            appointment.insert("occurrence".to_owned(), place);
        }
        let mut event = json!({
            "event": self.event.name(),
            "occurred_at": self.occurred_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "source": self.origin.to_json(),
            "appointment": appointment,
            "patient": self.patient.to_json(),
        });
        if let (Some(object), Some(reason)) = (event.as_object_mut(), &self.quiet) {
            object.insert("suppressed".to_owned(), json!(reason));
        }
        event
    }
}

impl Origin {
    /// The protocol of HL7 v2 messages.
    pub const HL7: &'static str = "hl7v2";
    /// The protocol of FHIR resources.
    pub const FHIR: &'static str = "fhir";
    /// The protocol of plain JSON.
    pub const JSON: &'static str = "json";

    /// Renders the `source` object of the public JSON form.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.source.as_str(),
            "protocol": self.protocol,
            "control_id": self.control_id,
            "trigger": self.trigger,
            "mapping": self.mapping,
            "mapping_hash": self.mapping_hash,
        })
    }
}

impl AppointmentClaim {
    fn to_json(&self) -> Map<String, Value> {
        let mut out = Map::new();
        if let Some(first) = self.ids.first() {
            out.insert("id".to_owned(), json!(first.value));
        }
        out.insert("ids".to_owned(), json!(self.ids));
        put(&mut out, "status", &self.status, |status| json!(status.name()));
        put(&mut out, "start", &self.start, |start| json!(start.to_rfc3339()));
        put(&mut out, "end", &self.end, |end| json!(end.to_rfc3339()));
        if let Field::Value(start) = &self.start {
            out.insert("time_zone".to_owned(), json!(start.zone.to_string()));
            if start.date_only {
                out.insert("date_only".to_owned(), json!(true));
            }
        }
        put(&mut out, "duration_minutes", &self.duration_minutes, |minutes| json!(minutes));
        put(&mut out, "type", &self.visit_type, |code| json!(code));
        put(&mut out, "location", &self.location, |location| json!(location));
        put(&mut out, "provider", &self.provider, |provider| json!(provider));
        put(&mut out, "callback_phone", &self.callback_phone, |phone| json!(phone));
        put(&mut out, "participation", &self.participation, |answer| json!(answer));
        if !self.replaces.is_empty() {
            out.insert("replaces".to_owned(), json!(self.replaces));
        }
        out
    }
}

impl PatientClaim {
    fn to_json(&self) -> Value {
        let mut out = Map::new();
        put(&mut out, "id", &self.id, |id| json!(id));
        out.insert("ids".to_owned(), json!(self.ids));
        put(&mut out, "given", &self.given, |name| json!(name));
        put(&mut out, "family", &self.family, |name| json!(name));
        put(&mut out, "phone", &self.phone, |phone| json!(phone));
        put(&mut out, "language", &self.language, |tag| json!(tag));
        put(&mut out, "deceased", &self.deceased, |dead| json!(dead));
        put(&mut out, "opted_out", &self.opted_out, |out| json!(out));
        Value::Object(out)
    }
}

fn put<T>(out: &mut Map<String, Value>, key: &str, field: &Field<T>, render: impl Fn(&T) -> Value) {
    match field {
        Field::Absent => {}
        Field::Null => {
            out.insert(key.to_owned(), Value::Null);
        }
        Field::Value(value) => {
            out.insert(key.to_owned(), render(value));
        }
    }
}
