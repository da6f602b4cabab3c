//! From what is to be sent to its bytes: here our plain structs meet the FHIR library's builders.

use appointd_fhir::build;
use serde_json::Value;

use super::subscription::{Content, Model, NewSubscription, SeenStatus, Wanted};
use super::write::{Body, FhirPathOp, FhirPathValue, ParticipantStatus, ResponseFields};

/// What is to be sent cannot be written as FHIR; no value is quoted.
#[derive(Debug, thiserror::Error)]
#[error("cannot be written as FHIR: {0}")]
pub struct Unwritten(#[from] build::Error);

/// Writes the body of a change.
///
/// # Errors
/// [`Unwritten`] if a text is not allowed where it stands.
pub fn body(body: &Body) -> Result<Vec<u8>, Unwritten> {
    match body {
        Body::FhirPath(operations) => {
            let operations: Vec<build::Operation<'_>> = operations.iter().map(operation).collect();
            Ok(build::fhirpath_patch(&operations)?)
        }
        Body::Response(fields) => Ok(build::appointment_response(&answer(fields))?),
        Body::JsonPatch(_) | Body::Resource(_) | Body::Custom(_) => {
            Ok(body.render().unwrap_or_default())
        }
    }
}

fn operation(operation: &FhirPathOp) -> build::Operation<'_> {
    match operation {
        FhirPathOp::Replace { path, value: new } => {
            build::Operation::Replace { path, value: value(new) }
        }
        FhirPathOp::Add { path, name, value: new } => {
            build::Operation::Add { path, name, value: value(new) }
        }
    }
}

fn value(value: &FhirPathValue) -> build::Value<'_> {
    match value {
        FhirPathValue::Code(code) => build::Value::Code(code),
        FhirPathValue::Concept(concept) => build::Value::Concept {
            system: concept.system.as_deref(),
            code: &concept.code,
            text: concept.text.as_deref(),
        },
    }
}

fn answer(fields: &ResponseFields) -> build::Answer<'_> {
    build::Answer {
        appointment: &fields.appointment,
        actor: &fields.actor,
        status: match fields.status {
            ParticipantStatus::Accepted => build::Participation::Accepted,
            ParticipantStatus::Declined => build::Participation::Declined,
        },
        start: fields.start.as_deref(),
        end: fields.end.as_deref(),
        comment: fields.comment.as_deref(),
        identifier: Some(build::Identifier {
            system: &fields.identifier.system,
            value: &fields.identifier.value,
        }),
    }
}

/// Writes a subscription.
///
/// # Errors
/// [`Unwritten`] if a text is not allowed where it stands.
pub fn subscription(wanted: &Wanted) -> Result<Vec<u8>, Unwritten> {
    match wanted {
        Wanted::R5(resource) => Ok(resource.to_string().into_bytes()),
        Wanted::R4(wanted) => r4(wanted),
    }
}

fn r4(wanted: &NewSubscription) -> Result<Vec<u8>, Unwritten> {
    let filters: Vec<&str> = wanted.filters.iter().map(String::as_str).collect();
    let headers: Vec<&str> = wanted.headers.iter().map(String::as_str).collect();
    let secret = wanted.secret.as_ref();
    let bytes = build::subscription(&build::NewSubscription {
        model: match wanted.model {
            // R5 has a form of its own, which is not written here.
            Model::Criteria | Model::R5 => build::Model::Criteria,
            Model::Backport => build::Model::Backport,
        },
        criteria: &wanted.criteria,
        filters: &filters,
        endpoint: &wanted.endpoint,
        headers: &headers,
        payload: wanted.payload,
        content: match wanted.content {
            Content::Empty => build::Content::Empty,
            Content::IdOnly => build::Content::IdOnly,
            Content::FullResource => build::Content::FullResource,
        },
        heartbeat_seconds: wanted.heartbeat_seconds,
        timeout_seconds: wanted.timeout_seconds,
        end: wanted.end.as_deref(),
        reason: &wanted.reason,
        secret: secret.map(|(url, value)| (url.as_str(), value.as_str())),
        max_attempts: wanted.max_attempts,
    })?;
    Ok(if wanted.status == SeenStatus::Active { started(bytes) } else { bytes })
}

/// The same, as already active: the library's builder knows only what the standard has a client say.
fn started(bytes: Vec<u8>) -> Vec<u8> {
    let Ok(mut resource) = serde_json::from_slice::<Value>(&bytes) else { return bytes };
    if let Some(status) = resource.get_mut("status") {
        *status = SeenStatus::Active.name().into();
    }
    resource.to_string().into_bytes()
}
