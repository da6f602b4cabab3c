//! The `AppointmentResponse`: a patient's answer for servers whose appointments others may not change.

use fhir_sdk::r4b::codes::ParticipationStatus;
use fhir_sdk::r4b::resources::AppointmentResponse;
use fhir_sdk::r4b::types::Identifier as SdkIdentifier;

use super::{Error, json, library, reference, text};

/// What the patient said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Participation {
    /// Comes.
    Accepted,
    /// Does not come.
    Declined,
    /// Is not sure.
    Tentative,
}

/// A name that a resource has in a system of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identifier<'a> {
    /// Whose names, a URI.
    pub system: &'a str,
    /// The name.
    pub value: &'a str,
}

/// An answer to an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The appointment, as in `Appointment/1`.
    pub appointment: &'a str,
    /// Who answers, as in `Patient/1`.
    pub actor: &'a str,
    /// What the answer is.
    pub status: Participation,
    /// The start that was answered to, with offset.
    pub start: Option<&'a str>,
    /// The end that was answered to, with offset.
    pub end: Option<&'a str>,
    /// In the patient's words.
    pub comment: Option<&'a str>,
    /// By which the same answer, sent twice, is known as one.
    pub identifier: Option<Identifier<'a>>,
}

/// Writes an answer as an `AppointmentResponse` resource.
///
/// # Errors
/// If a time has no offset, or a text is not allowed where it stands.
pub fn appointment_response(answer: &Answer<'_>) -> Result<Vec<u8>, Error> {
    let mut response = AppointmentResponse::builder()
        .appointment(reference("appointment", answer.appointment)?)
        .actor(reference("actor", answer.actor)?)
        .participant_status(match answer.status {
            Participation::Accepted => ParticipationStatus::Accepted,
            Participation::Declined => ParticipationStatus::Declined,
            Participation::Tentative => ParticipationStatus::Tentative,
        });
    if let Some(start) = answer.start {
        response = response.start(text::instant("start", start)?);
    }
    if let Some(end) = answer.end {
        response = response.end(text::instant("end", end)?);
    }
    if let Some(comment) = answer.comment {
        response = response.comment(text::string("comment", comment)?);
    }
    if let Some(identifier) = answer.identifier {
        let identifier = SdkIdentifier::builder()
            .system(text::uri("identifier.system", identifier.system)?)
            .value(text::line("identifier.value", identifier.value)?);
        response = response.identifier(vec![Some(identifier.build().map_err(library)?)]);
    }
    json(&response.build().map_err(library)?)
}
