//! What the sender of a message is told when it is not simply accepted.
//!
//! Apart from parsing on purpose: the message is stored first, and whether its sender hears of a
//! fault is the practice's policy. Most EHRs stop their queue at the first error.

use super::intake::Trouble;
use crate::engine::Verdict;
use crate::engine::rows::Filed;
use crate::hl7;
use crate::hl7::ack::ErrorCode;
use crate::settings::NackPolicy;

/// A verdict as HL7 says it, with the error to tell.
pub(super) type Judged = (hl7::Verdict, Option<(ErrorCode, &'static str)>);

/// What the sender is told of a verdict.
pub(super) fn judge(verdict: &Verdict, trouble: Trouble, policy: NackPolicy) -> Judged {
    let content = |is_told: bool, code, text| {
        if is_told {
            (hl7::Verdict::ContentError, Some((code, text)))
        } else {
            (hl7::Verdict::Accepted, None)
        }
    };
    match (verdict, trouble) {
        (Verdict::NotStored(_), _) => {
            (hl7::Verdict::Rejected, Some((ErrorCode::Internal, "not stored, send again later")))
        }
        (_, Trouble::Headless) => {
            (hl7::Verdict::Rejected, Some((ErrorCode::SegmentSequence, "no readable MSH segment")))
        }
        (_, Trouble::NotForUs) => (
            hl7::Verdict::Rejected,
            Some((ErrorCode::UnsupportedProcessingId, "not taken by this listener")),
        ),
        (_, Trouble::TooLarge) => (
            hl7::Verdict::Rejected,
            Some((ErrorCode::Internal, "over the listener's limit of bytes a message")),
        ),
        (Verdict::Stored { filed: Filed::Quarantined(_), .. }, Trouble::Mapping) => content(
            matches!(policy, NackPolicy::MappingErrors),
            ErrorCode::RequiredFieldMissing,
            "stored, and no event could be read from it",
        ),
        (Verdict::Stored { filed: Filed::Quarantined(_), .. }, _) => content(
            !matches!(policy, NackPolicy::Never),
            ErrorCode::DataType,
            "stored, and cannot be read as HL7 v2",
        ),
        (Verdict::Stored { .. }, _) => (hl7::Verdict::Accepted, None),
    }
}

/// The worse, the higher.
pub(super) const fn rank(verdict: hl7::Verdict) -> u8 {
    match verdict {
        hl7::Verdict::Accepted => 0,
        hl7::Verdict::ContentError => 1,
        hl7::Verdict::Rejected => 2,
    }
}
