//! How a server takes changes: what an operator sets per server.

use serde_json::{Value, json};

use super::custom::{OperationPath, Template};
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
    /// FHIRPath Patch: a `Parameters` resource.
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
    pub display: Option<String>,
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
            display: Some("Patient".to_owned()),
        }
    }

    /// The concept as a `CodeableConcept`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut coding = serde_json::Map::new();
        if let Some(system) = &self.system {
            coding.insert("system".to_owned(), json!(system));
        }
        coding.insert("code".to_owned(), json!(self.code));
        if let Some(display) = &self.display {
            coding.insert("display".to_owned(), json!(display));
        }
        json!({ "coding": [coding] })
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
    /// A body of the operator's own for a confirmation.
    pub confirm: Option<Template>,
    /// A body of the operator's own for a cancellation.
    pub cancel: Option<Template>,
    /// Where an operation is called, for templates that name no path of their own.
    pub operation: Option<OperationPath>,
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
            confirm: None,
            cancel: None,
            operation: None,
        }
    }
}

/// What in a policy does not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// An operation without any body.
    #[error("the strategy operation needs a body for confirm or cancel")]
    NoTemplate,
    /// An operation without a path.
    #[error("the operation for {} has no path", wish(*.0))]
    NoPath(WishKind),
    /// A JSON Patch that is no list.
    #[error("the body for {} must be a list of operations", wish(*.0))]
    NotAList(WishKind),
    /// A resource that is none.
    #[error("the body for {} must be an object", wish(*.0))]
    NotAnObject(WishKind),
    /// A body where the appointment itself is the body.
    #[error("the strategy put takes no body for {}", wish(*.0))]
    Unused(WishKind),
}

const fn wish(kind: WishKind) -> &'static str {
    match kind {
        WishKind::Confirm => "confirm",
        WishKind::Cancel => "cancel",
    }
}

impl Policy {
    /// The operator's own body for a wish, if there is one.
    #[must_use]
    pub const fn template(&self, kind: WishKind) -> Option<&Template> {
        match kind {
            WishKind::Confirm => self.confirm.as_ref(),
            WishKind::Cancel => self.cancel.as_ref(),
        }
    }

    /// What does not fit together; such a policy is refused before it is used.
    #[must_use]
    pub fn faults(&self) -> Vec<PolicyFault> {
        let mut faults = Vec::new();
        if self.strategy == Strategy::Operation && self.confirm.is_none() && self.cancel.is_none() {
            faults.push(PolicyFault::NoTemplate);
        }
        for kind in [WishKind::Confirm, WishKind::Cancel] {
            let Some(template) = self.template(kind) else { continue };
            let fault = match self.strategy {
                Strategy::Operation => (template.path().is_none() && self.operation.is_none())
                    .then_some(PolicyFault::NoPath(kind)),
                Strategy::JsonPatch => (!template.is_list()).then_some(PolicyFault::NotAList(kind)),
                Strategy::FhirPathPatch | Strategy::AppointmentResponse => {
                    (!template.is_object()).then_some(PolicyFault::NotAnObject(kind))
                }
                Strategy::Put => Some(PolicyFault::Unused(kind)),
            };
            faults.extend(fault);
        }
        faults
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
