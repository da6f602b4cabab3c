//! Known servers as sets of knobs, from what they were seen to do or say that they do.

use serde::{Deserialize, Serialize};

use super::faults::{Focus, Knobs, Numbering, PatchForms, RestHook};

/// A server whose habits are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Habit {
    /// Medplum 5: R4 criteria, POST of the resource, signed; PATCH without regard to If-Match.
    Medplum,
    /// HAPI JPA: R4 criteria, PUT and DELETE below the endpoint; wants FHIR for an answer.
    Hapi,
    /// Helios: Backport with relative references.
    Helios,
    /// Oracle Health Millennium: no subscriptions, narrow searches, listed patches only.
    Millennium,
    /// athenahealth: events numbered in each Bundle, named by identifiers.
    Athena,
}

/// The operations of a PATCH that Millennium takes (Oracle's documentation of
/// `PATCH Appointment/{id}`).
pub const MILLENNIUM_PATCHES: [&str; 4] =
    ["replace /patient-status", "replace /status", "add /cancelationReason", "add /extension"];

impl Knobs {
    /// The knobs that make the stand-in behave as a known server.
    #[must_use]
    pub fn like(habit: Habit) -> Self {
        let right = Self::default();
        match habit {
            Habit::Medplum => Self {
                uuid_versions: true,
                ignore_if_match_on_patch: true,
                test_status: 400,
                patch_forms: PatchForms::Json,
                any_status: true,
                no_status_operation: true,
                no_events_operation: true,
                rest_hook: RestHook::Medplum,
                latest_only: true,
                headers_cut: true,
                retries: 3,
                ..right
            },
            Habit::Hapi => Self {
                conflict_status: 409,
                rest_hook: RestHook::Hapi,
                numbering: Numbering::AlwaysOne,
                body_required: true,
                retries: 2,
                ..right
            },
            Habit::Helios => Self {
                any_status: true,
                empty_events: true,
                bare_numbers: false,
                focus: Focus::Relative,
                empty_has_focus: true,
                retries: 10,
                error_after: 3,
                ..right
            },
            Habit::Millennium => Self {
                conflict_status: 409,
                if_match_required: Some(412),
                patch_forms: PatchForms::Json,
                patch_paths: MILLENNIUM_PATCHES.map(str::to_owned).to_vec(),
                no_body: true,
                needs_actor: true,
                no_subscriptions: true,
                ..right
            },
            Habit::Athena => Self {
                no_handshake: true,
                numbering: Numbering::PerBundle,
                bundle_max: 10,
                event_ids: true,
                focus: Focus::Identifier,
                retries: 3,
                ..right
            },
        }
    }
}
