//! Whether a text may go out now: consent, state and hours, checked in the commit that claims it.
//!
//! This is the last gate before a text leaves the house. Whatever happened since the text was
//! planned (the appointment moved, the patient texted STOP, the day ended) is seen here.

use super::appointment::{Appointment, Notice, WishState};
use super::contact::{ConsentCause, Contact, Programme};
use super::delivery::Outgoing;
use super::effect::{About, Effect, Sms, TextKind, WriteBack};
use super::local_time::Zone;
use super::phone::PhoneNumber;
use super::reason::Reason;
use super::reminder::next_opening;
use super::rules::Rules;
use super::scene::{Decision, Scene};
use crate::clock::Timestamp;

/// Whether an effect may be performed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// Now.
    Go,
    /// At this later moment.
    Later(Timestamp),
    /// Not at all.
    Never(Reason),
}

/// Brings the dispositions of a phone's appointments in line with its consent.
pub fn spread(contact: &Contact, scene: &Scene, decision: &mut Decision) {
    for key in &contact.appointments {
        let Some(known) = scene.appointments.get(key) else { continue };
        let disposition =
            known.disposition.under_consent(!contact.consent.allows(Programme::Appointments));
        if disposition != known.disposition
            && let Some(row) = decision.row(key, scene)
        {
            row.disposition = disposition;
        }
    }
}

/// Decides on an operator's word on whether a phone may be texted. It lifts an opt-out too: the
/// patient may have asked for that at the desk. What the carrier blocks stays blocked there until the
/// patient texts START.
#[must_use]
pub fn set(
    phone: &PhoneNumber,
    programme: Option<Programme>,
    opted_out: bool,
    scene: &Scene,
    now: Timestamp,
) -> Decision {
    let mut contact = scene.contact(phone);
    let by = ConsentCause::Operator;
    let is_change = match programme {
        Some(programme) => contact.set_programme(programme, opted_out, by, now),
        None => contact.set_consent(opted_out, by, now),
    };
    let event = if opted_out { "OPTED_OUT" } else { "OPTED_IN" };
    if !is_change {
        return Decision::nothing(None, event, Reason::NothingChanged);
    }
    let mut decision = Decision::default();
    spread(&contact, scene, &mut decision);
    decision.explain(None, event, Reason::ConsentBy(by));
    decision.contacts.push(contact);
    decision
}

/// Decides whether a row of the outbox may be performed now.
#[must_use]
pub fn may_send(row: &Outgoing, scene: &Scene, rules: &Rules, now: Timestamp) -> Permission {
    let is_overdue = now > row.not_after;
    match &row.effect {
        Effect::SendHl7(write_back) | Effect::UpdateFhir(write_back)
            if !is_wished(write_back, scene) =>
        {
            Permission::Never(Reason::Void)
        }
        Effect::SendHl7(write_back) if is_shared(write_back, scene) => {
            Permission::Never(Reason::Shared)
        }
        Effect::UpdateFhir(write_back) if speaks_for_others(write_back, scene) => {
            Permission::Never(Reason::Shared)
        }
        Effect::SendHl7(_) | Effect::UpdateFhir(_) | Effect::SendSms(_) | Effect::ReadFhir(_)
            if is_overdue =>
        {
            Permission::Never(Reason::Overdue)
        }
        Effect::SendHl7(_) | Effect::UpdateFhir(_) | Effect::ReadFhir(_) => Permission::Go,
        Effect::SendSms(sms) => may_text(sms, scene, rules, now),
    }
}

/// Whether the patient still wishes what was to be written. An older wish that waits for its next
/// try must not undo a newer one, nor call off the new time of a visit that was moved.
pub(super) fn is_wished(write_back: &WriteBack, scene: &Scene) -> bool {
    let known = scene.appointments.get(&write_back.appointment);
    let Some(wish) = known.and_then(|known| known.wish.as_ref()) else { return false };
    let is_open = match wish.state {
        WishState::Requested | WishState::Sent(_) | WishState::Acknowledged(_) => true,
        WishState::Reflected | WishState::Failed => false,
    };
    is_open && wish.kind == write_back.wish
}

/// Whether the number has come to be that of others too since the wish was planned.
fn is_shared(write_back: &WriteBack, scene: &Scene) -> bool {
    let known = scene.appointments.get(&write_back.appointment);
    known.is_some_and(|known| !known.sharing.is_alone())
}

/// Whether a change of the resource would speak for others too: of a group visit each patient's own
/// answer can be written, but not that it is off.
fn speaks_for_others(write_back: &WriteBack, scene: &Scene) -> bool {
    let known = scene.appointments.get(&write_back.appointment);
    known.is_some_and(|known| known.sharing.forbids(write_back.wish))
}

/// Leaves in a reminder the appointments that it still may speak of, if any is left; the words are
/// written anew then.
pub fn drop_void(sms: &mut Sms, scene: &Scene, now: Timestamp) {
    if sms.kind != TextKind::Reminder {
        return;
    }
    let contact = scene.contact(&sms.to);
    let is_current = |about: &About| {
        let known = scene.appointments.get(&about.appointment);
        known.is_some_and(|a| refusal(sms, about.generation, a, &contact, now).is_none())
    };
    let kept: Vec<About> = sms.about.iter().filter(|about| is_current(about)).cloned().collect();
    if !kept.is_empty() && kept.len() < sms.about.len() {
        sms.about = kept;
        sms.body = None;
    }
}

fn may_text(sms: &Sms, scene: &Scene, rules: &Rules, now: Timestamp) -> Permission {
    let contact = scene.contact(&sms.to);
    if !contact.consent.allows(Programme::Appointments) {
        return Permission::Never(Reason::OptedOut);
    }
    if contact.bad.is_some() {
        return Permission::Never(Reason::BadNumber);
    }
    let mut zone = rules.practice.zone;
    for about in &sms.about {
        let Some(appointment) = scene.appointments.get(&about.appointment) else {
            return Permission::Never(Reason::Unknown);
        };
        if let Some(start) = &appointment.start {
            zone = start.zone;
        }
        if let Some(reason) = refusal(sms, about.generation, appointment, &contact, now) {
            return Permission::Never(reason);
        }
    }
    if sms.kind.is_answer() { Permission::Go } else { in_hours(zone, rules, now) }
}

fn refusal(
    sms: &Sms,
    generation: u32,
    appointment: &Appointment,
    contact: &Contact,
    now: Timestamp,
) -> Option<Reason> {
    if appointment.patient.deceased {
        return Some(Reason::Deceased);
    }
    if sms.kind.is_answer() {
        return None;
    }
    if appointment.generation != generation {
        return Some(Reason::Void);
    }
    if appointment.patient.phone.as_ref() != Some(&contact.phone) {
        return Some(Reason::Void);
    }
    let fits = if let TextKind::Notice(notice) = sms.kind {
        notice.fits(appointment.status)
    } else {
        appointment.awaits_patient(now)
    };
    if !fits {
        return Some(Reason::Void);
    }
    // A missed visit is the one notice that is about the past.
    let is_about_past = sms.kind == TextKind::Notice(Notice::NoShowed);
    (!is_about_past && appointment.is_past(now)).then_some(Reason::Past)
}

fn in_hours(zone: Zone, rules: &Rules, now: Timestamp) -> Permission {
    let opening = next_opening(now, zone, rules.reminders.window);
    if opening > now { Permission::Later(opening) } else { Permission::Go }
}
