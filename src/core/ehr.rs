//! What a message from the EHR changes: the claim is compared with the state held.
//!
//! Feeds are noisy and start in the middle. What a message *claims* (S14, "modified") and what
//! *happened* (a new time; nothing at all) differ, and only what a patient can see is worth a text.
//! The rules of precedence between claim and state are here; reading the message is the mapping's.

use chrono::TimeDelta;

use super::appointment::{
    Appointment, Disposition, Notice, Status, TimerKind, WishKind, WishState,
};
use super::claim::{Claim, EhrEvent};
use super::consent::spread;
use super::contact::{ConsentCause, Contact, HeldCancel};
use super::effect::{About, Effect, Planned, Sms, TextKind};
use super::ids::{AppointmentKey, OutboxId};
use super::merge::{fill, first_heard, merge};
use super::phone::PhoneNumber;
use super::reason::Reason;
use super::reminder;
use super::rules::Rules;
use super::scene::{Decision, Scene};
use super::share::{Subject, registered};
use crate::clock::Timestamp;

/// How far ahead of ours a sender's clock is believed. A message stamped later counts as stamped
/// then, so that a slip of the year does not make everything after it out of order.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);

/// Decides what a claim changes in the row that it is about.
#[must_use]
pub fn decide(
    subject: Option<&Subject>,
    claim: &Claim,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let subject = subject.cloned().unwrap_or_else(|| Subject::unheard(claim));
    let before = scene.appointments.get(&subject.key);
    let is_late = before.is_some_and(|known| claim.occurred_at < known.occurred_at);
    let mut after = match before {
        Some(known) => known.clone(),
        None => first_heard(&subject, claim, now),
    };
    if is_late {
        fill(&mut after, claim);
    } else {
        merge(&mut after, claim, before.is_some());
        after.last_message = Some(scene.seq);
        after.occurred_at = claim.occurred_at.min(now + AHEAD_MAX);
    }
    after.sharing.learn(claim.share);
    after.remember(scene.seq);
    let happened = if is_late { None } else { compare(before, &after, claim) };
    let mut turn =
        Turn { before, claim, scene, rules, now, is_late, decision: Decision::default() };
    let mut contact = turn.settle_contacts(&after);
    let reason = turn.settle(&mut after, contact.as_mut(), happened);
    turn.carry(&mut after, contact.as_mut());
    turn.register(&subject);
    let event = happened.unwrap_or(claim.event).name();
    turn.decision.explain(Some(after.key.clone()), event, reason);
    turn.decision.appointments.push(after);
    turn.decision.contacts.extend(contact);
    turn.decision
}

struct Turn<'a> {
    before: Option<&'a Appointment>,
    claim: &'a Claim,
    scene: &'a Scene,
    rules: &'a Rules,
    now: Timestamp,
    is_late: bool,
    decision: Decision,
}

impl Turn<'_> {
    /// Moves the appointment to the phone it belongs to now, and notes what the EHR says of consent.
    fn settle_contacts(&mut self, after: &Appointment) -> Option<Contact> {
        let phone = after.patient.phone.as_ref();
        let former = self.before.and_then(|before| before.patient.phone.as_ref());
        if let Some(former) = former.filter(|former| phone != Some(former)) {
            let mut contact = self.scene.contact(former);
            contact.appointments.remove(&after.key);
            self.decision.contacts.push(contact);
        }
        let mut contact = self.scene.contact(phone?);
        self.hear_consent(after, &mut contact);
        // A row that is not at hand was not needed: it cannot be told to be over.
        contact.follow(&after.key, |key| {
            self.scene.appointments.get(key).is_some_and(|known| known.is_over(self.now))
        });
        self.mourn(after, &contact);
        Some(contact)
    }

    /// Marks the patient's other appointments on this phone: a message tells of a death, or takes
    /// it back, with one appointment, and the family must not be reminded of the next.
    fn mourn(&mut self, after: &Appointment, contact: &Contact) {
        let was_known = self.before.is_some_and(|before| before.patient.deceased);
        let is_news = after.patient.deceased != was_known;
        for key in contact.appointments.iter().filter(|key| is_news && **key != after.key) {
            let known = self.scene.appointments.get(key);
            if known.is_some_and(|known| known.patient.is_same(&after.patient))
                && let Some(other) = self.decision.row(key, self.scene)
            {
                other.patient.deceased = after.patient.deceased;
            }
        }
    }

    /// Notes what the EHR says of consent. It can always opt a patient out, but back in only if it
    /// was the EHR itself that opted out: a flag that says no in every message is not the patient's
    /// START. A late message settles nothing that the EHR has settled since.
    fn hear_consent(&mut self, after: &Appointment, contact: &mut Contact) {
        let Some(&opted_out) = self.claim.patient.opted_out.value() else { return };
        let is_own = contact.consent.by == Some(ConsentCause::Ehr);
        let counts = if self.is_late { opted_out && !is_own } else { opted_out || is_own };
        if counts && contact.set_consent(opted_out, ConsentCause::Ehr, self.now) {
            // The row of this appointment is the decision's own, and is brought in line there.
            contact.appointments.remove(&after.key);
            spread(contact, self.scene, &mut self.decision);
            let event = if opted_out { "OPTED_OUT" } else { "OPTED_IN" };
            self.decision.explain(None, event, Reason::ConsentBy(ConsentCause::Ehr));
        }
    }

    /// Lets the row that is found by the identifiers know of this one.
    fn register(&mut self, subject: &Subject) {
        let key = subject.register.as_ref();
        let Some(register) = key.and_then(|key| self.scene.appointments.get(key)) else { return };
        let Some(news) = registered(register, subject, self.claim) else { return };
        if let Some(row) = self.decision.row(&register.key, self.scene) {
            row.sharing = news.sharing;
            row.ids = news.ids;
        }
    }

    /// Brings generation, timers, wish and notice in line with what happened.
    fn settle(
        &mut self,
        after: &mut Appointment,
        contact: Option<&mut Contact>,
        happened: Option<EhrEvent>,
    ) -> Reason {
        let phone_changed =
            self.before.is_some_and(|before| before.patient.phone != after.patient.phone);
        if happened.is_some_and(|event| event != EhrEvent::Confirmed) || phone_changed {
            after.generation += 1;
        }
        let echo = happened.and_then(|event| reflect(after, event));
        self.replan(after, happened);
        let opted_out = contact.as_ref().is_some_and(|contact| contact.consent.opted_out);
        after.disposition = after.disposition.under_consent(opted_out);
        if self.is_late {
            return Reason::OutOfOrder;
        }
        let Some(event) = happened else {
            return match self.before {
                Some(before) if before.status == after.status => Reason::NothingChanged,
                Some(_) | None => Reason::NothingVisible(after.status),
            };
        };
        if let Some(wish) = echo
            && !self.rules.notifications.tell_when_reflected
        {
            return Reason::Echo(wish);
        }
        let replaced =
            contact.as_deref().and_then(|contact| self.replaced_by(after, contact, event));
        let notice = if replaced.is_some() { Notice::Rescheduled } else { notice_of(event) };
        if let Some(reason) = self.objection(after, contact.as_deref(), event, notice) {
            return reason;
        }
        let Some(contact) = contact else { return Reason::NoPhone };
        let reason = self.queue_notice(after, contact, notice);
        let Some(replaced) = replaced else { return reason };
        self.withdraw(&replaced, contact);
        Reason::RebookedInHold
    }

    fn replan(&self, after: &mut Appointment, happened: Option<EhrEvent>) {
        let start_changed = self.before.is_none_or(|before| instant(before) != instant(after));
        let revived = self.before.is_some_and(|before| {
            (!before.status.is_open() && after.status.is_open())
                || (before.patient.deceased && !after.patient.deceased)
        });
        if start_changed || revived || happened == Some(EhrEvent::Rescheduled) {
            if after.disposition != Disposition::OptedOut {
                after.disposition = Disposition::Queued;
            }
            after.timers = reminder::plan(after, &self.rules.reminders, self.now);
        } else if !after.status.is_open() || after.patient.deceased {
            after.timers.retain(|timer| timer.kind == TimerKind::Expire);
        }
        let end = after.ends_at();
        for timer in after.timers.iter_mut().filter(|timer| timer.kind == TimerKind::Expire) {
            timer.due = end.unwrap_or(timer.due);
        }
        after.timers.sort_by_key(|timer| timer.due);
    }

    /// The first reason for which no notice is sent.
    fn objection(
        &self,
        after: &Appointment,
        contact: Option<&Contact>,
        event: EhrEvent,
        notice: Notice,
    ) -> Option<Reason> {
        let checks = [
            (after.patient.deceased, Reason::Deceased),
            (contact.is_none(), Reason::NoPhone),
            (contact.is_some_and(|c| c.consent.opted_out), Reason::OptedOut),
            (after.start.is_none(), Reason::NoStart),
            (self.is_past(after, event), Reason::Past),
            (
                self.now - self.claim.occurred_at > self.rules.notifications.stale_after,
                Reason::Stale,
            ),
            (!self.rules.notifications.enabled.contains(&notice), Reason::SwitchedOff(notice)),
            (!notice.fits(after.status), Reason::NotExpected(after.status)),
        ];
        if let Some(why) = &self.claim.quiet {
            return Some(Reason::Quiet(why.clone()));
        }
        checks.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
    }

    fn is_past(&self, after: &Appointment, event: EhrEvent) -> bool {
        match event {
            // A missed visit lies in the past by nature; it is told within the staleness limit.
            EhrEvent::NoShowed => after
                .ends_at()
                .is_some_and(|end| self.now - end > self.rules.notifications.stale_after),
            EhrEvent::Booked
            | EhrEvent::Rescheduled
            | EhrEvent::Modified
            | EhrEvent::Confirmed
            | EhrEvent::Canceled => after.is_past(self.now),
        }
    }

    fn queue_notice(
        &mut self,
        after: &mut Appointment,
        contact: &mut Contact,
        notice: Notice,
    ) -> Reason {
        let Some((notice, reason)) = merge_notice(after.unsent_notice, notice) else {
            after.unsent_notice = None;
            return Reason::NeverTold;
        };
        if after.unsent_notice.is_some() {
            // The row that it replaces belongs to the generation before, and is void with it.
            after.generation += 1;
        }
        self.plan_notice(after, contact, notice);
        reason
    }

    /// Plans a notice that waits once more where its row has become void, and what made it void is
    /// not told: by setting, by the mapping's wish, or because just the phone is another one.
    fn carry(&mut self, after: &mut Appointment, contact: Option<&mut Contact>) {
        let (Some(before), Some(contact)) = (self.before, contact) else { return };
        let is_void = before.generation != after.generation && self.decision.effects.is_empty();
        let Some(notice) = before.unsent_notice.filter(|_| is_void) else { return };
        let is_due = after.unsent_notice == Some(notice)
            && notice.fits(after.status)
            && !contact.consent.opted_out
            && !after.patient.deceased
            && !(notice != Notice::NoShowed && after.is_past(self.now));
        if is_due {
            self.plan_notice(after, contact, notice);
        }
    }

    fn plan_notice(&mut self, after: &mut Appointment, contact: &mut Contact, notice: Notice) {
        let mut due = self.now;
        if notice == Notice::Canceled {
            due = self.now + self.rules.notifications.cancel_hold;
            let index = self.decision.effects.len();
            contact.held = Some(HeldCancel {
                appointment: after.key.clone(),
                outbox: OutboxId::of(self.now, self.scene.seq, self.scene.effects_before + index),
                until: due,
            });
        }
        after.unsent_notice = Some(notice);
        let begun = after.begun_at().unwrap_or(self.now + TimeDelta::days(1));
        let not_after = match notice {
            Notice::NoShowed => begun + self.rules.notifications.stale_after + TimeDelta::days(1),
            Notice::Booked
            | Notice::Rescheduled
            | Notice::Modified
            | Notice::Confirmed
            | Notice::Canceled => begun,
        };
        self.decision.effects.push(Planned {
            effect: Effect::SendSms(Sms {
                to: contact.phone.clone(),
                kind: TextKind::Notice(notice),
                about: vec![About { appointment: after.key.clone(), generation: after.generation }],
                language: after.patient.language.clone(),
                body: None,
            }),
            due,
            not_after,
        });
    }

    /// The appointment whose cancellation is still held back and whose place this one takes. Senders
    /// announce the new one as a booking, or as a new time although its number is new.
    fn replaced_by(
        &self,
        after: &Appointment,
        contact: &Contact,
        event: EhrEvent,
    ) -> Option<AppointmentKey> {
        let is_new =
            event == EhrEvent::Booked || (event == EhrEvent::Rescheduled && self.before.is_none());
        let held = contact.held.as_ref().filter(|held| is_new && held.until > self.now)?;
        let old = self.scene.appointments.get(&held.appointment)?;
        // One that was taken back stands, and its new notice too.
        let is_replaced = old.key != after.key
            && old.unsent_notice == Some(Notice::Canceled)
            && is_same_visit(old, after);
        is_replaced.then(|| old.key.clone())
    }

    /// Withdraws a cancellation notice that is still held back.
    fn withdraw(&mut self, old: &AppointmentKey, contact: &mut Contact) {
        let Some(old) = self.decision.row(old, self.scene) else { return };
        // The notice in the outbox belongs to this generation: it is void from now on.
        old.generation += 1;
        old.unsent_notice = None;
        contact.held = None;
    }
}

fn is_same_visit(old: &Appointment, new: &Appointment) -> bool {
    old.patient.is_same(&new.patient) && old.visit_type == new.visit_type
}

/// The notice that says what the patient needs to know, given one that has not gone out yet.
/// `None` if nothing needs saying any more.
fn merge_notice(unsent: Option<Notice>, new: Notice) -> Option<(Notice, Reason)> {
    let Some(unsent) = unsent else { return Some((new, Reason::NoticeQueued(new))) };
    let merged = match (unsent, new) {
        // Booked and called off before a word went out.
        (Notice::Booked, Notice::Canceled) => return None,
        (Notice::Booked, Notice::Rescheduled | Notice::Modified | Notice::Confirmed) => {
            Notice::Booked
        }
        (Notice::Rescheduled, Notice::Modified | Notice::Confirmed) => Notice::Rescheduled,
        (Notice::Modified, Notice::Confirmed) => Notice::Modified,
        // Called off and taken back, or moved, before a word went out.
        (Notice::Canceled, Notice::Booked | Notice::Modified | Notice::Confirmed) => {
            Notice::Modified
        }
        (_, new) => new,
    };
    Some((merged, Reason::NoticeReplaced(merged)))
}

const fn notice_of(event: EhrEvent) -> Notice {
    match event {
        EhrEvent::Booked => Notice::Booked,
        EhrEvent::Rescheduled => Notice::Rescheduled,
        EhrEvent::Modified => Notice::Modified,
        EhrEvent::Confirmed => Notice::Confirmed,
        EhrEvent::Canceled => Notice::Canceled,
        EhrEvent::NoShowed => Notice::NoShowed,
    }
}

/// If the EHR says what the patient had asked for, marks the wish as reflected.
fn reflect(after: &mut Appointment, event: EhrEvent) -> Option<WishKind> {
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
fn compare(before: Option<&Appointment>, after: &Appointment, claim: &Claim) -> Option<EhrEvent> {
    let Some(before) = before else { return Some(claim.event) };
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
    // Another place is news even when the visit is confirmed there.
    if is_visibly_changed(before, after) {
        return Some(EhrEvent::Modified);
    }
    let is_confirmed = before.status != after.status && after.status == Status::Confirmed;
    is_confirmed.then_some(EhrEvent::Confirmed)
}

fn instant(appointment: &Appointment) -> Option<(Timestamp, bool)> {
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

/// The phones whose rows a claim about `before` may touch.
pub fn phones<'a>(
    before: Option<&'a Appointment>,
    claim: &'a Claim,
) -> impl Iterator<Item = &'a PhoneNumber> {
    let held = before.and_then(|before| before.patient.phone.as_ref());
    let said = claim.patient.phone.value();
    held.into_iter().chain(said)
}
