//! Whether a text may go out now: consent, state and hours, checked in the commit that claims it.
//!
//! This is the last gate before a text leaves the house. Whatever happened since the text was
//! planned (the appointment moved, the patient texted STOP, the day ended) is seen here.

use std::collections::BTreeMap;

use super::appointment::{Appointment, Notice, WishState};
use super::contact::{ConsentCause, Contact, Programme};
use super::conversation::OPTED_OUT_WITHIN;
use super::delivery::{Outgoing, State};
use super::effect::{About, Effect, Planned, Sms, TextKind, WriteBack};
use super::gate;
use super::hours::Hours;
use super::local_time::Zone;
use super::outreach;
use super::phone::PhoneNumber;
use super::reason::Reason;
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

/// Plans the notices again that an opt-out took back, once texts are on again: what the patient has
/// not been told is news still.
pub fn tell_after_all(contact: &Contact, scene: &Scene, decision: &mut Decision, now: Timestamp) {
    if !contact.consent.allows(Programme::Appointments) {
        return;
    }
    for row in contact.appointments.iter().filter_map(|key| scene.appointments.get(key)) {
        let Some(notice) = row.unsent_notice.filter(|notice| notice.fits(row.status)) else {
            continue;
        };
        let Some(begun) = row.begun_at().filter(|begun| *begun > now) else { continue };
        let about = About { appointment: row.key.clone(), generation: row.generation };
        // One that waits still will tell it.
        let waits = |known: &Outgoing| {
            let is_it = matches!(&known.effect, Effect::SendSms(sms) if sms.about.contains(&about));
            is_it && !known.state.is_final()
        };
        if scene.outbox.values().any(waits) {
            continue;
        }
        decision.effects.push(Planned {
            effect: Effect::SendSms(Sms {
                to: contact.phone.clone(),
                kind: TextKind::Notice(notice),
                about: vec![about],
                language: row.patient.language.clone(),
                body: None,
                outreach: None,
            }),
            due: now,
            not_after: begun,
        });
        decision.explain(Some(row.key.clone()), "OPTED_IN", Reason::NoticeQueued(notice));
    }
}

/// Takes back the texts to a phone that wait in the outbox: an opt-out is for them too.
pub fn withdraw_texts(contact: &Contact, scene: &Scene, decision: &mut Decision) {
    for row in scene.outbox.values() {
        let Effect::SendSms(sms) = &row.effect else { continue };
        let programme = match sms.outreach {
            Some(_) => Programme::Outreach,
            None => Programme::Appointments,
        };
        let waits = matches!(row.state, State::Ready | State::Held);
        let is_out = !contact.consent.allows(programme) && sms.kind != TextKind::OptedOut;
        if !waits || sms.to != contact.phone || !is_out {
            continue;
        }
        let subject = sms.about.first().map(|about| about.appointment.clone());
        decision.explain(subject, "SEND", Reason::OptedOut);
        if row.state == State::Held {
            gate::let_go(row, scene, decision);
        }
        decision.outbox.push(Outgoing { state: State::Void, ..row.clone() });
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
    let was_allowed = contact.consent.allows(Programme::Appointments);
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
    withdraw_texts(&contact, scene, &mut decision);
    if !was_allowed {
        tell_after_all(&contact, scene, &mut decision, now);
    }
    decision.explain(None, event, Reason::ConsentBy(by));
    decision.contacts.push(contact.clone());
    outreach::end_for_consent(&contact, &mut decision, scene, now);
    decision
}

/// Decides whether a row of the outbox may be performed now.
#[must_use]
pub fn may_send(row: &Outgoing, scene: &Scene, rules: &Rules, now: Timestamp) -> Permission {
    let is_overdue = now > row.not_after;
    match &row.effect {
        Effect::SendHl7(write_back)
        | Effect::UpdateFhir(write_back)
        | Effect::PostJson(write_back)
            if !is_wished(write_back, scene) =>
        {
            Permission::Never(Reason::Void)
        }
        Effect::SendHl7(write_back) if is_shared(write_back, scene) => {
            Permission::Never(Reason::Shared)
        }
        Effect::UpdateFhir(write_back) | Effect::PostJson(write_back)
            if speaks_for_others(write_back, scene) =>
        {
            Permission::Never(Reason::Shared)
        }
        Effect::SendHl7(_)
        | Effect::UpdateFhir(_)
        | Effect::PostJson(_)
        | Effect::SendSms(_)
        | Effect::ReadFhir(_)
        | Effect::CallHttp(_)
            if is_overdue =>
        {
            Permission::Never(Reason::Overdue)
        }
        Effect::CallHttp(call) if !outreach::is_current(&call.session, call.act, scene) => {
            Permission::Never(Reason::Void)
        }
        Effect::SendHl7(_)
        | Effect::UpdateFhir(_)
        | Effect::PostJson(_)
        | Effect::ReadFhir(_)
        | Effect::CallHttp(_) => Permission::Go,
        Effect::SendSms(sms) => match &sms.outreach {
            Some(text) => outreach::permission(row, (sms, text), scene, rules, now),
            None => may_text(sms, row.attempts, scene, rules, now),
        },
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

fn may_text(sms: &Sms, attempts: u32, scene: &Scene, rules: &Rules, now: Timestamp) -> Permission {
    let contact = scene.contact(&sms.to);
    // That no more texts will come is the one thing that may still be said.
    let is_last_word = sms.kind == TextKind::OptedOut
        && contact.consent.since.is_some_and(|since| now - since <= OPTED_OUT_WITHIN);
    if !contact.consent.allows(Programme::Appointments) && !is_last_word {
        return Permission::Never(Reason::OptedOut);
    }
    let mut zones = BTreeMap::new();
    if contact.bad.is_some() {
        return Permission::Never(Reason::BadNumber);
    }
    for about in &sms.about {
        let Some(appointment) = scene.appointments.get(&about.appointment) else {
            return Permission::Never(Reason::Unknown);
        };
        if let Some(start) = &appointment.start {
            let _same = zones.insert(start.zone.to_string(), start.zone);
        }
        if let Some(reason) = refusal(sms, about.generation, appointment, &contact, now) {
            return Permission::Never(reason);
        }
    }
    if sms.kind.is_answer() {
        return Permission::Go;
    }
    // Another try of a text that was counted is not another text.
    if attempts == 0 && is_held_by_cap(sms, &contact, rules, now) {
        return Permission::Never(Reason::CappedWeek);
    }
    if zones.is_empty() {
        let _none = zones.insert(String::new(), rules.practice.zone);
    }
    in_hours(zones.into_values().collect(), sms, rules, now)
}

/// Whether the phone has had the week's texts. Who travels for nothing, or at the wrong time, because
/// of a cap was not spared anything: these two are told in any case.
fn is_held_by_cap(sms: &Sms, contact: &Contact, rules: &Rules, now: Timestamp) -> bool {
    let is_needed = matches!(sms.kind, TextKind::Notice(Notice::Canceled | Notice::Rescheduled));
    let cap = rules.reminders.per_phone_per_week.filter(|_| !is_needed);
    cap.is_some_and(|cap| contact.texts_this_week(now) >= cap)
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

fn in_hours(zones: Vec<Zone>, sms: &Sms, rules: &Rules, now: Timestamp) -> Permission {
    let hours = zones.into_iter().map(|zone| Hours::of(zone, Some(&sms.to), &rules.reminders));
    let opening = hours.map(|hours| hours.next_opening(now)).max().unwrap_or(now);
    if opening > now { Permission::Later(opening) } else { Permission::Go }
}
