//! Whether a wish still makes sense for the appointment as it is now.
//!
//! Two looks: at the appointment, and, once they are found, at the patient's own part in it.

use chrono::{DurationRound, TimeDelta};

use super::held::{Held, State};
use super::participant::Patient;
use super::policy::{Policy, Strategy, Target};
use super::{Plan, Refusal, Wish};
use crate::clock::Timestamp;
use crate::core::appointment::WishKind;

/// What the appointment itself says to a wish; nothing if it depends on the participant.
pub(super) fn settled(
    held: &Held<'_>,
    wish: &Wish<'_>,
    target: Target,
) -> Result<Option<Plan>, Refusal> {
    match wish.kind {
        WishKind::Confirm => confirm(held, wish, target),
        WishKind::Cancel => cancel(held, wish),
    }
}

fn confirm(held: &Held<'_>, wish: &Wish<'_>, target: Target) -> Result<Option<Plan>, Refusal> {
    match held.state {
        State::Booked | State::Proposed | State::Pending => {}
        State::Cancelled | State::EnteredInError => return Err(Refusal::Off),
        State::Arrived | State::CheckedIn | State::Fulfilled | State::NoShow | State::Waitlist => {
            return Err(Refusal::NotBooked(held.state));
        }
    }
    let start = held.start.ok_or(Refusal::NoStart)?;
    // Before anything else: many servers book with everybody `accepted`, and who said yes to another
    // time has not said yes to this one.
    if wish.told_start.is_some_and(|told| minute(told) != minute(start)) {
        return if start <= wish.now { Err(Refusal::Past) } else { Ok(Some(Plan::TimeChanged)) };
    }
    if target == Target::Status && held.state == State::Booked {
        return Ok(Some(Plan::Done));
    }
    Ok(None)
}

/// Texts tell no seconds, and some feeds have none.
fn minute(moment: Timestamp) -> Timestamp {
    moment.duration_trunc(TimeDelta::minutes(1)).unwrap_or(moment)
}

/// Cancelling is right at any start that lies ahead: who cannot come cannot come.
fn cancel(held: &Held<'_>, wish: &Wish<'_>) -> Result<Option<Plan>, Refusal> {
    match held.state {
        State::Cancelled | State::EnteredInError => return Ok(Some(Plan::Done)),
        State::Booked | State::Proposed | State::Pending | State::Waitlist => {}
        State::Arrived | State::CheckedIn | State::Fulfilled | State::NoShow => {
            return Err(Refusal::NotBooked(held.state));
        }
    }
    if held.start.ok_or(Refusal::NoStart)? <= wish.now {
        return Err(Refusal::Past);
    }
    if held.is_protected() {
        return Err(Refusal::NotCancelable);
    }
    Ok(None)
}

/// What the patient's part in the appointment says to a wish; nothing if it is to be written.
pub(super) fn for_patient(
    held: &Held<'_>,
    patient: &Patient<'_>,
    wish: &Wish<'_>,
    policy: &Policy,
) -> Result<Option<Plan>, Refusal> {
    let target = policy.effective_target();
    let is_response = policy.strategy == Strategy::AppointmentResponse;
    let is_so = match wish.kind {
        WishKind::Confirm => target == Target::Participant && patient.status == Some("accepted"),
        WishKind::Cancel => is_response && patient.status == Some("declined"),
    };
    if is_so {
        return Ok(Some(Plan::Done));
    }
    if held.start.ok_or(Refusal::NoStart)? <= wish.now {
        return Err(Refusal::Past);
    }
    let is_for_all = match wish.kind {
        WishKind::Confirm => target == Target::Status,
        WishKind::Cancel => !is_response,
    };
    if is_for_all && !patient.is_alone {
        return Err(Refusal::SeveralPatients);
    }
    Ok(None)
}
