//! From a patient's wish to a request to a FHIR server, and from the server's answer to what is next.
//!
//! [`plan`] is given the appointment **as it was just read**. It looks first whether the wish still
//! makes sense (`intent`), then writes it in the way that the server takes: as JSON Patch (`patch`),
//! `FHIRPath` Patch, the whole resource (`put`), an `AppointmentResponse`, or a body of the
//! operator's own (`custom`). [`judge()`] reads the answer. Whoever calls sends, reads again when told so, and
//! plans again: [`Plan::Done`] on the appointment as read after the write is the proof that it worked.
//!
//! It must not know how a server is reached. What it does not recognise it refuses, and a person
//! decides: a wish that stays undone is seen, an appointment cancelled by mistake is not.

mod custom;
mod held;
mod intent;
mod judge;
mod participant;
mod patch;
mod policy;
mod put;
mod response;

use std::fmt;

use serde_json::Value;

pub use custom::{Custom, Error, OperationPath, PATH_BYTES_MAX, TEMPLATE_BYTES_MAX, Template};
pub use held::State;
pub use judge::{Judged, RETRY_AFTER_MAX, RetryAfter, etag, judge};
pub use patch::{FhirPathOp, FhirPathValue};
pub use policy::{Concept, IfMatch, Policy, Strategy, Target, Version};
pub use response::{Identifier, ParticipantStatus, REPLY_SYSTEM, ResponseFields};

use crate::clock::Timestamp;
use crate::core::appointment::WishKind;
use held::Held;
use participant::Patient;

/// FHIR's own media type (R4, JSON).
pub const FHIR_JSON: &str = "application/fhir+json";
/// JSON Patch. RFC 6902, 6.
pub const JSON_PATCH: &str = "application/json-patch+json";
/// JSON that is not FHIR, for an operation of a server's own.
pub const PLAIN_JSON: &str = "application/json";

/// What a patient wishes, and what is needed to judge whether it still makes sense.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// What is wished.
    pub kind: WishKind,
    /// What the patient is known by at this server, to find the participant: references in any form, or
    /// logical ids. Record numbers do not belong here, as they could be another patient's logical id.
    pub patient_refs: &'a [String],
    /// The start that the patient was told and answered; where none was, any start will do.
    pub told_start: Option<Timestamp>,
    /// The present.
    pub now: Timestamp,
    /// The id of the reply, which makes a repeated request the same request.
    pub reply_id: &'a str,
    /// The patient's words, for a server that takes a comment.
    pub comment: Option<&'a str>,
}

impl fmt::Debug for Wish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wish")
            .field("kind", &self.kind)
            .field("told_start", &self.told_start)
            .field("reply_id", &self.reply_id)
            .finish_non_exhaustive()
    }
}

/// What follows from a wish.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// It is so already: nothing to write, and the wish is fulfilled.
    Done,
    /// This is to be sent.
    Write(Box<Change>),
    /// The appointment begins at another time than the patient was told and confirmed: they must be told
    /// and asked again.
    TimeChanged,
    /// It must not be written; a person has to look.
    Refuse(Refusal),
}

/// Why a wish is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What was read is no `Appointment`.
    #[error("what was read is no Appointment")]
    NotAnAppointment,
    /// It has no id that could stand in an address.
    #[error("the appointment has no usable id")]
    NoId,
    /// Its status is on no list.
    #[error("the appointment's status is not known")]
    UnknownStatus,
    /// It has no start, or one without an offset.
    #[error("the appointment has no start")]
    NoStart,
    /// It is off, and cannot be confirmed.
    #[error("the appointment is off")]
    Off,
    /// It has gone too far, or not far enough, for this wish.
    #[error("the appointment is {}", .0.name())]
    NotBooked(State),
    /// It has begun.
    #[error("the appointment has begun")]
    Past,
    /// The server says that it cannot be cancelled (extension `is-cancelable`).
    #[error("the server does not let the appointment be cancelled")]
    NotCancelable,
    /// No participant is the patient.
    #[error("the patient is not among the participants")]
    NoParticipant,
    /// It is of several patients, and the change would be for all of them.
    #[error("the appointment is of several patients")]
    SeveralPatients,
    /// No operation is configured for this wish.
    #[error("no operation is configured for this wish")]
    NotOffered,
}

impl Refusal {
    /// One word for logs, labels and tasks.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAnAppointment => "not_an_appointment",
            Self::NoId => "no_id",
            Self::UnknownStatus => "unknown_status",
            Self::NoStart => "no_start",
            Self::Off => "off",
            Self::NotBooked(state) => state.name(),
            Self::Past => "past",
            Self::NotCancelable => "not_cancelable",
            Self::NoParticipant => "no_participant",
            Self::SeveralPatients => "several_patients",
            Self::NotOffered => "not_offered",
        }
    }
}

/// How a change is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Creates, or calls an operation.
    Post,
    /// Replaces.
    Put,
    /// Changes in parts.
    Patch,
}

impl Method {
    /// The method as HTTP writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

/// A request that brings a wish to the server.
#[derive(Clone, PartialEq)]
pub struct Change {
    /// How it is sent.
    pub method: Method,
    /// The logical id of the appointment.
    pub appointment: String,
    /// Where to, relative to the server's base.
    pub target: String,
    /// The media type of the body.
    pub content_type: &'static str,
    /// Whether `If-Match` goes along, with what [`etag`] gives for the appointment as just read. Where it
    /// is [`IfMatch::Required`] and there is no tag, the request must not be sent.
    pub if_match: IfMatch,
    /// The value of `If-None-Exist`, if the request creates something that must exist once only.
    pub if_none_exist: Option<String>,
    /// What is sent.
    pub body: Body,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An operation's address may name the patient.
        f.debug_struct("Change")
            .field("method", &self.method)
            .field("appointment", &self.appointment)
            .field("content_type", &self.content_type)
            .field("if_match", &self.if_match)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// What is sent.
#[derive(Clone, PartialEq)]
pub enum Body {
    /// The operations of a JSON Patch.
    JsonPatch(Vec<Value>),
    /// The operations of a `FHIRPath` Patch, to be written as `Parameters`.
    FhirPath(Vec<FhirPathOp>),
    /// The appointment as just read, with only the fields changed that the wish is about.
    Resource(Value),
    /// The fields of an `AppointmentResponse`, to be written as one.
    Response(ResponseFields),
    /// The operator's own JSON, filled in.
    Custom(Value),
}

impl Body {
    /// The bytes to send; nothing for the two that are written with a FHIR library.
    #[must_use]
    pub fn render(&self) -> Option<Vec<u8>> {
        let text = match self {
            Self::JsonPatch(operations) => Value::Array(operations.clone()).to_string(),
            Self::Resource(value) | Self::Custom(value) => value.to_string(),
            Self::FhirPath(_) | Self::Response(_) => return None,
        };
        Some(text.into_bytes())
    }

    /// Whether the server is asked to look that what we read still holds.
    #[must_use]
    pub fn has_tests(&self) -> bool {
        let operations = match self {
            Self::JsonPatch(operations) | Self::Custom(Value::Array(operations)) => operations,
            Self::Custom(_) | Self::FhirPath(_) | Self::Resource(_) | Self::Response(_) => {
                return false;
            }
        };
        operations.iter().any(|one| one.get("op").and_then(Value::as_str) == Some("test"))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All of them hold patient data.
        f.write_str(match self {
            Self::JsonPatch(_) => "JsonPatch",
            Self::FhirPath(_) => "FhirPath",
            Self::Resource(_) => "Resource",
            Self::Response(_) => "Response",
            Self::Custom(_) => "Custom",
        })
    }
}

/// Decides what to send to a server for a patient's wish, given the appointment as just read.
///
/// ```
/// use appointd::core::appointment::WishKind;
/// use appointd::fhir::write::{Body, Plan, Policy, Wish, plan};
/// let held = serde_json::json!({
///     "resourceType": "Appointment", "id": "7", "status": "booked", "start": "2026-12-01T09:00:00Z",
///     "participant": [{"actor": {"reference": "Patient/1"}, "status": "needs-action"}],
/// });
/// let wish = Wish {
///     kind: WishKind::Confirm,
///     patient_refs: &[],
///     told_start: "2026-12-01T04:00:00-05:00".parse().ok(),
///     now: "2026-11-30T12:00:00Z".parse().unwrap(),
///     reply_id: "SM1",
///     comment: None,
/// };
/// let Plan::Write(change) = plan(&held, &wish, &Policy::default()) else { panic!() };
/// assert_eq!((change.method.as_str(), change.target.as_str()), ("PATCH", "Appointment/7"));
/// let Body::JsonPatch(operations) = &change.body else { panic!() };
/// assert_eq!(operations.last().unwrap()["path"], "/participant/0/status");
/// ```
#[must_use]
pub fn plan(now_held: &Value, wish: &Wish<'_>, policy: &Policy) -> Plan {
    decide(now_held, wish, policy).unwrap_or_else(Plan::Refuse)
}

fn decide(now_held: &Value, wish: &Wish<'_>, policy: &Policy) -> Result<Plan, Refusal> {
    let held = Held::read(now_held)?;
    let target = policy.effective_target();
    if let Some(plan) = intent::settled(&held, wish, target)? {
        return Ok(plan);
    }
    let patient = participant::find(now_held, wish.patient_refs)?;
    if let Some(plan) = intent::for_patient(&held, &patient, wish, policy)? {
        return Ok(plan);
    }
    let task = Task { held: &held, patient: &patient, wish, policy, target };
    Ok(Plan::Write(Box::new(task.write()?)))
}

/// A wish that is to be written, with all that a writer may need.
#[derive(Clone, Copy)]
struct Task<'a> {
    held: &'a Held<'a>,
    patient: &'a Patient<'a>,
    wish: &'a Wish<'a>,
    policy: &'a Policy,
    target: Target,
}

impl Task<'_> {
    fn write(&self) -> Result<Change, Refusal> {
        let custom = self.policy.custom(self.wish.kind);
        let own = custom.body.as_ref();
        match self.policy.strategy {
            Strategy::Operation => custom::operation(self, custom),
            Strategy::AppointmentResponse => response::change(self, own),
            // A body of the operator's own would drop what else the resource holds.
            Strategy::Put => Ok(self.on_appointment(Method::Put, FHIR_JSON, put::body(self))),
            Strategy::JsonPatch => {
                let body = self.own_or(own, patch::json)?;
                Ok(self.on_appointment(Method::Patch, JSON_PATCH, body))
            }
            Strategy::FhirPathPatch => {
                let body = self.own_or(own, patch::fhirpath)?;
                Ok(self.on_appointment(Method::Patch, FHIR_JSON, body))
            }
        }
    }

    fn own_or(&self, own: Option<&Template>, usual: fn(&Self) -> Body) -> Result<Body, Refusal> {
        own.map_or_else(|| Ok(usual(self)), |own| Ok(Body::Custom(own.fill(self)?)))
    }

    fn on_appointment(&self, method: Method, content_type: &'static str, body: Body) -> Change {
        Change {
            method,
            appointment: self.held.id.to_owned(),
            target: format!("Appointment/{}", self.held.id),
            content_type,
            if_match: self.policy.if_match,
            if_none_exist: None,
            body,
        }
    }

    /// Whether the appointment's status changes, and not only the participant's.
    fn changes_status(&self) -> bool {
        self.wish.kind == WishKind::Cancel || self.target == Target::Status
    }

    /// What the appointment's status becomes, or stays.
    fn status(&self) -> &str {
        match self.wish.kind {
            WishKind::Cancel => "cancelled",
            WishKind::Confirm if self.changes_status() => "booked",
            WishKind::Confirm => self.held.status,
        }
    }

    const fn participant_status(&self) -> ParticipantStatus {
        match self.wish.kind {
            WishKind::Confirm => ParticipantStatus::Accepted,
            WishKind::Cancel => ParticipantStatus::Declined,
        }
    }

    /// The name that the reason of a cancellation has, and the reason.
    fn reason(&self) -> Option<(&'static str, &Concept)> {
        let concept = self.policy.cancel_reason.as_ref()?;
        let applies = self.wish.kind == WishKind::Cancel;
        applies.then_some((self.policy.version.cancel_reason_field(), concept))
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod plan_tests;
#[cfg(test)]
#[path = "property_tests.rs"]
mod property_tests;
