//! A wish as a new `AppointmentResponse`, for servers whose appointments are theirs to change.

use std::fmt;

use chrono::DateTime;
use serde_json::Value;

use super::custom::{Template, encoded};
use super::held::is_id;
use super::participant::{Kind, Reference};
use super::policy::IfMatch;
use super::{Body, Change, FHIR_JSON, Method, Refusal, Task};

/// The system of the identifier that a response carries: the id of the text that it comes from.
pub const REPLY_SYSTEM: &str = "urn:appointd:reply";

/// How much of the patient's words goes along; a text of ten parts has 1 530 letters.
const COMMENT_CHARS_MAX: usize = 2_000;

/// Whether a participant comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParticipantStatus {
    /// Comes.
    Accepted,
    /// Does not come.
    Declined,
}

impl ParticipantStatus {
    /// FHIR's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Declined => "declined",
        }
    }
}

/// A business identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// Who gives it.
    pub system: String,
    /// Its value.
    pub value: String,
}

/// The fields of an `AppointmentResponse`.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseFields {
    /// The appointment, as in `Appointment/1`.
    pub appointment: String,
    /// Who answers, as in `Patient/1`.
    pub actor: String,
    /// What they answer.
    pub status: ParticipantStatus,
    /// The appointment's start as the server writes it.
    pub start: Option<String>,
    /// The appointment's end as the server writes it.
    pub end: Option<String>,
    /// The patient's words.
    pub comment: Option<String>,
    /// The id of the reply.
    pub identifier: Identifier,
}

impl fmt::Debug for ResponseFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFields")
            .field("appointment", &self.appointment)
            .field("status", &self.status)
            .field("identifier", &self.identifier)
            .finish_non_exhaustive()
    }
}

pub(super) fn change(task: &Task<'_>, template: Option<&Template>) -> Result<Change, Refusal> {
    let body = match template {
        Some(template) => Body::Custom(template.fill(task)?),
        None => Body::Response(fields(task)?),
    };
    let reply = encoded(task.wish.reply_id);
    Ok(Change {
        method: Method::Post,
        appointment: task.held.id.to_owned(),
        target: "AppointmentResponse".to_owned(),
        content_type: FHIR_JSON,
        // What is created has no version that it could be based on.
        if_match: IfMatch::Never,
        if_none_exist: (!reply.is_empty())
            .then(|| format!("identifier={}%7C{reply}", encoded(REPLY_SYSTEM))),
        body,
    })
}

fn fields(task: &Task<'_>) -> Result<ResponseFields, Refusal> {
    // What is spelled in another way than an instant is left out: the appointment has it.
    let time = |name: &str| {
        let text = task.held.text(name)?;
        DateTime::parse_from_rfc3339(text).ok().map(|_| text.to_owned())
    };
    Ok(ResponseFields {
        appointment: format!("Appointment/{}", task.held.id),
        actor: actor(task).ok_or(Refusal::NoParticipant)?,
        status: task.participant_status(),
        start: time("start"),
        end: time("end"),
        comment: task.wish.comment.and_then(comment),
        identifier: Identifier {
            system: REPLY_SYSTEM.to_owned(),
            value: task.wish.reply_id.to_owned(),
        },
    })
}

/// The patient's words without what no FHIR text may hold. R4, Data types.
fn comment(words: &str) -> Option<String> {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let text: String = words.trim().chars().take(COMMENT_CHARS_MAX).map(plain).collect();
    (!text.trim().is_empty()).then_some(text)
}

/// The patient's reference in a form that means the same outside of the appointment.
fn actor(task: &Task<'_>) -> Option<String> {
    let own = task.patient.reference;
    let known = task.wish.patient_refs.iter().map(String::as_str);
    let known = known.filter(|_| task.patient.kind == Kind::Patient);
    own.into_iter().chain(known).find_map(|text| {
        let text = text.trim();
        Reference::read(text).filter(|read| is_id(read.id))?;
        // Who comes is the patient, not a version of their record.
        Some(text.split_once("/_history/").map_or(text, |(plain, _)| plain).to_owned())
    })
}

/// Whether a body is a response, for which other rules hold when it is refused.
pub(super) fn is_response(change: &Change) -> bool {
    match &change.body {
        Body::Response(_) => true,
        Body::Custom(body) => {
            body.get("resourceType").and_then(Value::as_str) == Some("AppointmentResponse")
        }
        Body::JsonPatch(_) | Body::FhirPath(_) | Body::Resource(_) => false,
    }
}
