//! How a server takes changes: what an operator sets per server.

use serde_json::{Value, json};

use super::custom::Custom;
use crate::core::appointment::WishKind;

/// Where a confirmation is noted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Target {
    /// The patient's participant becomes `accepted`.
    #[default]
    Participant,
    /// The appointment becomes `booked`, at servers where it was only proposed before.
    Status,
}

/// In which way changes are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strategy {
    /// JSON Patch (RFC 6902).
    #[default]
    JsonPatch,
    /// `FHIRPath` Patch: a `Parameters` resource.
    FhirPathPatch,
    /// The whole resource.
    Put,
    /// A new `AppointmentResponse`; the server draws the consequence.
    AppointmentResponse,
    /// An operation with a body of the operator's own.
    Operation,
}

/// Whether a change carries the version that it is based on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IfMatch {
    /// Nothing is sent without it.
    Required,
    /// It goes along if there is one.
    #[default]
    Send,
    /// It does not go along.
    Never,
}

/// The version of FHIR that the server speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// Release 4.
    #[default]
    R4,
    /// Release 4B, the same as release 4 where appointments are concerned.
    R4B,
    /// Release 5.
    R5,
}

impl Version {
    /// What the reason of a cancellation is called: R5 mended a spelling (FHIR-32768).
    #[must_use]
    pub const fn cancel_reason_field(self) -> &'static str {
        match self {
            Self::R4 | Self::R4B => "cancelationReason",
            Self::R5 => "cancellationReason",
        }
    }
}

/// A concept with one coding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concept {
    /// The code system's address.
    pub system: Option<String>,
    /// The code.
    pub code: String,
    /// What it means, in words.
    pub text: Option<String>,
}

impl Concept {
    /// `pat` of FHIR's own list: called off by the patient.
    #[must_use]
    pub fn patient() -> Self {
        Self {
            system: Some(
                "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason".to_owned(),
            ),
            code: "pat".to_owned(),
            text: Some("Patient".to_owned()),
        }
    }

    /// The concept as a `CodeableConcept`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut concept = match &self.system {
            Some(system) => json!({"coding": [{"system": system, "code": self.code}]}),
            None => json!({"coding": [{"code": self.code}]}),
        };
        if let (Some(text), Some(fields)) = (&self.text, concept.as_object_mut()) {
            fields.insert("text".to_owned(), json!(text));
        }
        concept
    }
}

/// How a server takes changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Where a confirmation is noted.
    pub target: Target,
    /// In which way changes are sent.
    pub strategy: Strategy,
    /// Whether they carry the version that they are based on.
    pub if_match: IfMatch,
    /// Whether a JSON Patch asks the server to look that what was read still holds. Some servers take no
    /// `test`; others heed nothing else, as they overlook `If-Match` on a patch.
    pub patch_tests: bool,
    /// The version of FHIR.
    pub version: Version,
    /// Why the patient's appointment is cancelled, as this server wants to hear it.
    pub cancel_reason: Option<Concept>,
    /// What is sent for a confirmation in place of the usual.
    pub confirm: Custom,
    /// What is sent for a cancellation in place of the usual.
    pub cancel: Custom,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            target: Target::default(),
            strategy: Strategy::default(),
            if_match: IfMatch::default(),
            patch_tests: true,
            version: Version::default(),
            cancel_reason: Some(Concept::patient()),
            confirm: Custom::default(),
            cancel: Custom::default(),
        }
    }
}

impl Policy {
    pub(super) const fn custom(&self, kind: WishKind) -> &Custom {
        match kind {
            WishKind::Confirm => &self.confirm,
            WishKind::Cancel => &self.cancel,
        }
    }

    /// A response speaks of its participant only, whatever the target.
    pub(super) const fn effective_target(&self) -> Target {
        match self.strategy {
            Strategy::AppointmentResponse => Target::Participant,
            Strategy::JsonPatch | Strategy::FhirPathPatch | Strategy::Put | Strategy::Operation => {
                self.target
            }
        }
    }
}
