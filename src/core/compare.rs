//! What happened at the EHR, found by comparing what was known with what is said now.
//!
//! Pure comparisons of rows; what a patient hears of it is decided in [`super::ehr`].

use super::appointment::{Appointment, Status, WishKind, WishState};
use super::claim::{Claim, EhrEvent};
use crate::clock::Timestamp;

/// Whether a claim is older than what is known: by its time, and of one time by the number of the
/// resource's version.
pub(super) fn is_older(claim: &Claim, known: &Appointment) -> bool {
    let held = known.resources.get(&claim.origin.source);
    let is_lower = || match (&claim.appointment.resource, held) {
        (Some(said), Some(held)) => said.is_older(held),
        (Some(_) | None, _) => false,
    };
    claim.occurred_at < known.occurred_at || (claim.occurred_at == known.occurred_at && is_lower())
}

/// If the EHR says what the patient had asked for, marks the wish as reflected.
pub(super) fn reflect(after: &mut Appointment, event: EhrEvent) -> Option<WishKind> {
    let wish = after.wish.as_mut()?;
    let is_echo = match wish.kind {
        WishKind::Confirm => event == EhrEvent::Confirmed,
        WishKind::Cancel => event == EhrEvent::Canceled,
    };
    if is_echo && wish.state != WishState::Reflected {
        wish.state = WishState::Reflected;
        return Some(wish.kind);
    }
    let is_met = wish.kind == WishKind::Confirm && after.status == Status::Confirmed;
    match event {
        EhrEvent::Modified if is_met => wish.state = WishState::Reflected,
        // Who cannot come cannot come to another provider either.
        EhrEvent::Modified | EhrEvent::Confirmed => {}
        EhrEvent::Canceled if is_echo => {}
        // The wish was about an appointment that is no longer what it was.
        EhrEvent::Booked | EhrEvent::Rescheduled | EhrEvent::Canceled | EhrEvent::NoShowed => {
            after.wish = None;
        }
    }
    None
}

/// What happened, by comparing state before and after; `None` if nothing that has a name.
pub(super) fn compare(
    before: Option<&Appointment>,
    after: &Appointment,
    claim: &Claim,
) -> Option<EhrEvent> {
    let Some(before) = before else {
        // That a resource stands confirmed is no news while nobody knew of it.
        let is_news = !claim.is_of_state() || claim.event != EhrEvent::Confirmed;
        return Some(if is_news { claim.event } else { EhrEvent::Booked });
    };
    if before.status != after.status {
        match after.status {
            Status::Canceled | Status::EnteredInError if !before.status.is_off() => {
                return Some(EhrEvent::Canceled);
            }
            Status::NoShow => return Some(EhrEvent::NoShowed),
            Status::Booked | Status::Confirmed if before.status.is_off() => {
                // Back at the same time is a booking; at another one it has moved.
                let moved = before.start.is_some() && instant(before) != instant(after);
                return Some(if moved { EhrEvent::Rescheduled } else { EhrEvent::Booked });
            }
            Status::Booked if before.status == Status::Pending => return Some(EhrEvent::Booked),
            Status::Booked
            | Status::Confirmed
            | Status::Pending
            | Status::Arrived
            | Status::Fulfilled
            | Status::Canceled
            | Status::EnteredInError => {}
        }
    }
    if !after.status.is_open() {
        return None;
    }
    if instant(before) != instant(after) {
        return Some(EhrEvent::Rescheduled);
    }
    // What the first feed calls places and people is no change of what another one called them.
    let is_first_word =
        !claim.is_of_state() && before.last_message.is_none() && !before.resources.is_empty();
    // Another place is news even when the visit is confirmed there.
    if !is_first_word && is_visibly_changed(before, after) {
        return Some(EhrEvent::Modified);
    }
    let is_confirmed = before.status != after.status && after.status == Status::Confirmed;
    is_confirmed.then_some(EhrEvent::Confirmed)
}

pub(super) fn instant(appointment: &Appointment) -> Option<(Timestamp, bool)> {
    appointment.start.as_ref().map(|start| (start.instant, start.date_only))
}

/// Whether the patient would notice: another place, provider or kind of visit. A value that was not
/// known before is news to us, not to the patient.
fn is_visibly_changed(before: &Appointment, after: &Appointment) -> bool {
    fn differs<T: PartialEq>(before: Option<&T>, after: Option<&T>) -> bool {
        matches!((before, after), (Some(before), Some(after)) if before != after)
    }
    let code = |a: &Appointment| a.location.as_ref().map(|l| l.code.clone());
    let who =
        |a: &Appointment| a.provider.as_ref().map(|p| p.id.clone().or_else(|| p.family.clone()));
    differs(code(before).as_ref(), code(after).as_ref())
        || differs(who(before).as_ref(), who(after).as_ref())
        || differs(before.visit_type.as_ref(), after.visit_type.as_ref())
}
