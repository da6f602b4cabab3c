//! The appointment as it was just read: the few fields that a wish depends on.

use serde_json::Value;

use super::Refusal;
use crate::clock::Timestamp;
use crate::fhir::instant::instant;

/// The longest id that is put into an address. FHIR allows 64 bytes; servers have made longer ones.
const ID_BYTES_MAX: usize = 256;

/// The status of a FHIR `Appointment`, R4 to R5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "these are FHIR's words")]
pub enum State {
    Proposed,
    Pending,
    Booked,
    Arrived,
    Fulfilled,
    Cancelled,
    NoShow,
    EnteredInError,
    CheckedIn,
    Waitlist,
}

impl State {
    const ALL: [Self; 10] = [
        Self::Proposed,
        Self::Pending,
        Self::Booked,
        Self::Arrived,
        Self::Fulfilled,
        Self::Cancelled,
        Self::NoShow,
        Self::EnteredInError,
        Self::CheckedIn,
        Self::Waitlist,
    ];

    /// Reads FHIR's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == word)
    }

    /// FHIR's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Pending => "pending",
            Self::Booked => "booked",
            Self::Arrived => "arrived",
            Self::Fulfilled => "fulfilled",
            Self::Cancelled => "cancelled",
            Self::NoShow => "noshow",
            Self::EnteredInError => "entered-in-error",
            Self::CheckedIn => "checked-in",
            Self::Waitlist => "waitlist",
        }
    }
}

/// An appointment as read, of which the parts are borrowed.
pub(super) struct Held<'a> {
    pub(super) raw: &'a Value,
    pub(super) id: &'a str,
    pub(super) state: State,
    /// The status as written, which a `test` compares byte by byte.
    pub(super) status: &'a str,
    pub(super) start: Option<Timestamp>,
}

impl<'a> Held<'a> {
    pub(super) fn read(raw: &'a Value) -> Result<Self, Refusal> {
        if text(raw, "resourceType") != Some("Appointment") {
            return Err(Refusal::NotAnAppointment);
        }
        let id = text(raw, "id").filter(|id| is_id(id)).ok_or(Refusal::NoId)?;
        let status = text(raw, "status").ok_or(Refusal::UnknownStatus)?;
        let state = State::parse(status).ok_or(Refusal::UnknownStatus)?;
        let start = text(raw, "start").and_then(instant);
        Ok(Self { raw, id, state, status, start })
    }

    /// A text at the top, such as `start`, as written.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        text(self.raw, name)
    }

    /// Whether the server forbids to cancel, as Oracle Health Millennium says it by an extension.
    pub(super) fn is_protected(&self) -> bool {
        let extensions = self.raw.get("extension").and_then(Value::as_array);
        extensions.into_iter().flatten().any(|one| {
            let name = text(one, "url").and_then(|url| url.rsplit('/').next());
            name == Some("is-cancelable") && one.get("valueBoolean") == Some(&Value::Bool(false))
        })
    }
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// Whether an id can stand in an address as it is and leads nowhere else.
pub(super) fn is_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(is_plain)
        && !id.bytes().all(|byte| byte == b'.')
}
