//! What happens when a planned moment comes: a reminder, or the end of the appointment.
//!
//! Several appointments of one patient on one day share one reminder, and a patient gets no more
//! than the configured number a day. A moment that came while the daemon was down is acted on if
//! that is still of use.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::appointment::{Appointment, Disposition, Timer, TimerKind};
use super::contact::{Contact, Programme};
use super::effect::{About, Effect, Planned, Sms, TextKind};
use super::hours::Hours;
use super::ids::AppointmentKey;
use super::reason::Reason;
use super::rules::Rules;
use super::scene::{Decision, Scene};
use crate::clock::Timestamp;

/// How many appointments one reminder lists at most; a text of more segments is not read.
const DIGEST_MAX: usize = 6;

/// How late a timer and its text may be and still count as in time, so that an offset of just
/// `min_lead` is of use.
const LATE_MAX: TimeDelta = TimeDelta::minutes(5);

/// Decides what follows from a timer of `key` that was planned in `generation`.
#[must_use]
pub fn decide(
    key: &AppointmentKey,
    generation: u32,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let Some(appointment) = scene.appointments.get(key) else {
        return Decision::nothing(Some(key.clone()), "REMIND", Reason::Unknown);
    };
    if appointment.generation != generation {
        // The change that raised the generation planned its own timers, under their own entries.
        return Decision::nothing(Some(key.clone()), "REMIND", Reason::Void);
    }
    let mut after = appointment.clone();
    after.remember(scene.seq);
    let due: Vec<Timer> = after.timers.iter().copied().filter(|timer| timer.due <= now).collect();
    after.timers.retain(|timer| timer.due > now);
    if due.iter().any(|timer| timer.kind == TimerKind::Expire) {
        return expire(after);
    }
    // After a standstill several may be due; one text says it all.
    let Some(latest) = due.last() else {
        return Decision::nothing(Some(key.clone()), "REMIND", Reason::Void);
    };
    remind(after, latest.kind, scene, rules, now)
}

/// Decides on an operator's wish to remind now: the cap does not hold it, consent and hours do.
#[must_use]
pub fn remind_now(key: &AppointmentKey, scene: &Scene, rules: &Rules, now: Timestamp) -> Decision {
    let Some(appointment) = scene.appointments.get(key) else {
        return Decision::nothing(Some(key.clone()), "REMIND", Reason::Unknown);
    };
    let mut after = appointment.clone();
    after.remember(scene.seq);
    if let Some(reason) = objection(&after, scene, now) {
        return written(after, reason);
    }
    let Some(phone) = after.patient.phone.clone() else { return written(after, Reason::NoPhone) };
    let contact = scene.contact(&phone);
    queue(vec![after], contact, rules, now)
}

fn expire(mut after: Appointment) -> Decision {
    after.timers.clear();
    match after.disposition {
        Disposition::Queued | Disposition::Reminded(_) => {
            after.disposition = Disposition::Expired;
        }
        Disposition::OptedOut | Disposition::Expired => {}
    }
    let key = after.key.clone();
    let mut decision = Decision { appointments: vec![after], ..Decision::default() };
    decision.explain(Some(key), "EXPIRE", Reason::Expired);
    decision
}

fn remind(
    mut after: Appointment,
    kind: TimerKind,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    if let Some(reason) = objection(&after, scene, now) {
        return written(after, reason);
    }
    let (Some(phone), Some(start)) = (after.patient.phone.clone(), after.start.clone()) else {
        return written(after, Reason::NoPhone);
    };
    // A moment that came during a standstill may have become one of the night. It is planned anew,
    // rather than left to wait in the outbox, so that it counts for the day on which it leaves.
    let opening = Hours::of(start.zone, Some(&phone), &rules.reminders).next_opening(now);
    if start.instant - opening + LATE_MAX < rules.reminders.min_lead {
        return written(after, Reason::TooLate);
    }
    if opening > now {
        after.timers.push(Timer { kind, due: opening });
        after.timers.sort_by_key(|timer| timer.due);
        return written(after, Reason::Postponed);
    }
    let contact = scene.contact(&phone);
    if is_capped(&contact, &after, rules, now) {
        return written(after, Reason::Capped);
    }
    if rules.reminders.per_phone_per_week.is_some_and(|cap| contact.texts_this_week(now) >= cap) {
        return written(after, Reason::CappedWeek);
    }
    let others = same_day(&after, kind, scene, &contact, now);
    let is_useful = |other: &Appointment| {
        let start = other.start.as_ref();
        let is_theirs = rules.reminders.digest_by_phone || other.patient.is_same(&after.patient);
        is_theirs
            && start.is_some_and(|start| start.instant - now + LATE_MAX >= rules.reminders.min_lead)
            && !is_capped(&contact, other, rules, now)
    };
    let others: Vec<Appointment> =
        others.into_iter().filter(is_useful).take(DIGEST_MAX - 1).collect();
    let listed = std::iter::once(after).chain(others).collect();
    queue(listed, contact, rules, now)
}

/// The first reason for which an appointment gets no reminder.
fn objection(appointment: &Appointment, scene: &Scene, now: Timestamp) -> Option<Reason> {
    let phone = appointment.patient.phone.as_ref();
    let opted_out = phone
        .and_then(|phone| scene.contacts.get(phone))
        .is_some_and(|contact| !contact.consent.allows(Programme::Appointments));
    let checks = [
        (appointment.patient.deceased, Reason::Deceased),
        (!appointment.status.is_open(), Reason::NotExpected(appointment.status)),
        (appointment.start.is_none(), Reason::NoStart),
        (appointment.is_past(now), Reason::Past),
        (appointment.is_asked_off(), Reason::AskedToCancel),
        (phone.is_none(), Reason::NoPhone),
        (opted_out, Reason::OptedOut),
    ];
    checks.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
}

/// Whether the appointment's patient has had the day's reminders.
fn is_capped(contact: &Contact, row: &Appointment, rules: &Rules, now: Timestamp) -> bool {
    let zone = row.start.as_ref().map_or(rules.practice.zone, |start| start.zone);
    let today = zone.date(now);
    let theirs = contact
        .reminded
        .iter()
        .filter(|reminded| reminded.patient == row.patient.id && zone.date(reminded.at) == today);
    theirs.count() >= rules.reminders.per_patient_per_day
}

/// The other appointments that the phone hears of on the same local day, earliest first; their own
/// reminders of this kind, and those that come before it, are spent.
fn same_day(
    main: &Appointment,
    kind: TimerKind,
    scene: &Scene,
    contact: &Contact,
    now: Timestamp,
) -> Vec<Appointment> {
    let Some(start) = &main.start else { return Vec::new() };
    let day = start.zone.date(start.instant);
    let keys: BTreeSet<&AppointmentKey> = contact.appointments.iter().collect();
    let mut others: Vec<Appointment> = keys
        .into_iter()
        .filter(|key| **key != main.key)
        .filter_map(|key| scene.appointments.get(key))
        .filter(|other| other.awaits_patient(now) && !other.patient.deceased)
        .filter(|other| other.start.as_ref().is_some_and(|s| s.zone.date(s.instant) == day))
        .cloned()
        .collect();
    for other in &mut others {
        // Only the timer that corresponds to this reminder, not the one of the day after. Reminders
        // are counted from the earliest on.
        other.timers.retain(|timer| timer.kind > kind);
        other.remember(scene.seq);
    }
    others.sort_by_key(|other| other.start.as_ref().map(|start| start.instant));
    others
}

fn queue(
    mut listed: Vec<Appointment>,
    mut contact: Contact,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let mut decision = Decision::default();
    let Some(first) = listed.first() else { return decision };
    let mut patients: Vec<Option<&str>> =
        listed.iter().map(|listed| listed.patient.id.as_deref()).collect();
    patients.sort_unstable();
    patients.dedup();
    for patient in patients {
        contact.count_reminder(patient, now);
    }
    let earliest = listed.iter().filter_map(|a| a.start.as_ref()).map(|s| s.instant).min();
    let not_after =
        earliest.map_or(now, |start| (start - rules.reminders.min_lead).max(now)) + LATE_MAX;
    let language = first.patient.language.clone();
    for (index, appointment) in listed.iter_mut().enumerate() {
        appointment.disposition = match appointment.disposition {
            Disposition::Reminded(count) => Disposition::Reminded(count.saturating_add(1)),
            Disposition::Queued | Disposition::OptedOut | Disposition::Expired => {
                Disposition::Reminded(1)
            }
        };
        let reason = if index == 0 { Reason::ReminderQueued } else { Reason::InDigest };
        decision.explain(Some(appointment.key.clone()), "REMIND", reason);
    }
    let mut about: Vec<&Appointment> = listed.iter().collect();
    about.sort_by_key(|a| a.start.as_ref().map(|start| start.instant));
    let about = about
        .into_iter()
        .map(|a| About { appointment: a.key.clone(), generation: a.generation })
        .collect();
    decision.effects.push(Planned {
        effect: Effect::SendSms(Sms {
            to: contact.phone.clone(),
            kind: TextKind::Reminder,
            about,
            language,
            body: None,
            outreach: None,
        }),
        due: now,
        not_after,
    });
    decision.appointments = listed;
    decision.contacts.push(contact);
    decision
}

fn written(after: Appointment, reason: Reason) -> Decision {
    let key = after.key.clone();
    let mut decision = Decision { appointments: vec![after], ..Decision::default() };
    decision.explain(Some(key), "REMIND", reason);
    decision
}
