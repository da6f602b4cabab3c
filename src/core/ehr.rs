//! What a message from the EHR changes: the claim is compared with the state held.
//!
//! Feeds are noisy and start in the middle. What a message *claims* (S14, "modified") and what
//! *happened* (a new time; nothing at all) differ, and only what a patient can see is worth a text.
//! The rules of precedence between claim and state are here; reading the message is the mapping's.

use chrono::TimeDelta;

use super::appointment::{
    Appointment, Disposition, Notice, Participation, Status, TimerKind, WishKind,
};
use super::claim::{Claim, EhrEvent};
use super::compare::{compare, instant, is_older, reflect};
use super::consent::{spread, withdraw_texts};
use super::contact::{ConsentCause, Contact, HeldCancel, Programme, told_start};
use super::effect::{About, Effect, Planned, Sms, Task, TaskKind, TextKind};
use super::ids::{AppointmentKey, OutboxId};
use super::merge::{fill, first_heard, merge};
use super::message::names_provider;
use super::phone::PhoneNumber;
use super::reason::Reason;
use super::reminder;
use super::rules::Rules;
use super::scene::{Decision, Scene};
use super::share::{Subject, registered};
use crate::clock::Timestamp;
use crate::phi::Phi;

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
    let is_late = before.is_some_and(|known| is_older(claim, known));
    let mut after = match before {
        Some(known) => known.clone(),
        None => first_heard(&subject, claim, now),
    };
    if is_late {
        fill(&mut after, claim);
    } else {
        merge(&mut after, claim, before.is_some());
        if !claim.is_of_state() {
            after.last_message = Some(scene.seq);
        }
        if !claim.is_second_voice() || before.is_none() {
            // Two systems have two clocks: the first one's tells the order of its messages.
            after.occurred_at = claim.occurred_at.min(now + AHEAD_MAX);
        }
    }
    after.sharing.learn(claim.share);
    after.remember(scene.seq);
    let happened = if is_late { None } else { compare(before, &after, claim) };
    let mut turn =
        Turn { before, claim, scene, rules, now, is_late, decision: Decision::default() };
    let mut contact = turn.settle_contacts(&after);
    let reason = turn.settle(&mut after, contact.as_mut(), happened);
    turn.hear_refusal(&mut after);
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
            withdraw_texts(contact, self.scene, &mut self.decision);
            let event = if opted_out { "OPTED_OUT" } else { "OPTED_IN" };
            self.decision.explain(None, event, Reason::ConsentBy(ConsentCause::Ehr));
        }
    }

    /// Stops reminding a patient who has declined at the EHR, and lets staff know: the visit stands,
    /// and who is expected there will not come.
    fn hear_refusal(&mut self, after: &mut Appointment) {
        let declined = Some(Participation::Declined);
        if after.participation != declined || !after.status.is_open() {
            return;
        }
        after.timers.retain(|timer| timer.kind == TimerKind::Expire);
        let was_known = self.before.is_none_or(|before| before.participation == declined);
        // Who has cancelled by text is on the way there already.
        if was_known || self.is_late || after.has_wish(WishKind::Cancel) {
            return;
        }
        self.decision.tasks.push(Task {
            kind: TaskKind::Declined,
            appointment: Some(after.key.clone()),
            phone: after.patient.phone.clone(),
            note: Phi::new(Reason::Declined.to_string()),
            at: self.now,
        });
        self.decision.explain(Some(after.key.clone()), "MODIFIED", Reason::Declined);
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
        if matches!(happened, Some(EhrEvent::Booked | EhrEvent::Rescheduled)) {
            // It stands again, whatever came in its place.
            after.replaced_by = None;
        }
        let echo = happened.and_then(|event| reflect(after, event));
        self.replan(after, happened);
        let opted_out = contact
            .as_ref()
            .is_some_and(|contact| !contact.consent.allows(Programme::Appointments));
        after.disposition = after.disposition.under_consent(opted_out);
        if self.is_late {
            return Reason::OutOfOrder;
        }
        let Some(event) = happened else {
            return match self.before {
                Some(before)
                    if before.patient == after.patient && before.status == after.status =>
                {
                    Reason::NothingChanged
                }
                Some(_) | None => Reason::NothingVisible(after.status),
            };
        };
        if let Some(wish) = echo
            && !self.rules.notifications.tell_when_reflected
        {
            return Reason::Echo(wish);
        }
        let replaced = self.named_before(after, event).or_else(|| {
            contact.as_deref().and_then(|contact| self.replaced_by(after, contact, event))
        });
        let notice = if replaced.is_some() { Notice::Rescheduled } else { notice_of(event) };
        if let Some(reason) = self.objection(after, contact.as_deref(), event, notice) {
            return reason;
        }
        let Some(contact) = contact else { return Reason::NoPhone };
        let reason = self.queue_notice(after, contact, notice);
        let Some(replaced) = replaced else { return reason };
        self.withdraw(&replaced, &after.key, contact);
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
            (contact.is_some_and(|c| !c.consent.allows(Programme::Appointments)), Reason::OptedOut),
            (contact.is_some_and(|c| c.bad.is_some()), Reason::BadNumber),
            (after.start.is_none(), Reason::NoStart),
            (self.is_first_heard_off(after), Reason::FirstHeardOff),
            (self.is_past(after, event), Reason::Past),
            (event == EhrEvent::Canceled && after.replaced_by.is_some(), Reason::Replaced),
            (after.participation == Some(Participation::Declined), Reason::Declined),
            (
                self.now - self.claim.occurred_at > self.rules.notifications.stale_after,
                Reason::Stale,
            ),
            (!self.rules.notifications.enabled.contains(&notice), Reason::SwitchedOff(notice)),
            (!notice.fits(after.status), Reason::NotExpected(after.status)),
            (self.is_hidden(after, event), Reason::NothingVisible(after.status)),
        ];
        if let Some(why) = &self.claim.quiet {
            return Some(Reason::Quiet(why.clone()));
        }
        checks.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
    }

    /// Whether just the provider is another one, of whom texts do not speak.
    fn is_hidden(&self, after: &Appointment, event: EhrEvent) -> bool {
        let Some(before) = self.before.filter(|_| event == EhrEvent::Modified) else {
            return false;
        };
        before.provider != after.provider
            && before.location == after.location
            && before.visit_type == after.visit_type
            && !names_provider(after, self.rules)
    }

    /// A resource that is off when it is seen first may have been so for long.
    fn is_first_heard_off(&self, after: &Appointment) -> bool {
        let is_off = !after.status.is_open() && after.status != Status::Pending;
        self.before.is_none() && self.claim.is_of_state() && is_off
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
        let mut unsent = after.unsent_notice;
        let was_reminded = matches!(after.disposition, Disposition::Reminded(_))
            || told_start(&contact.prompts, &after.key).is_some();
        if notice == Notice::Canceled && was_reminded {
            // The booking's notice may wait still; that there is a visit was told all the same.
            unsent = unsent.filter(|unsent| *unsent != Notice::Booked);
        }
        let Some((notice, reason)) = merge_notice(unsent, notice) else {
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
            && contact.consent.allows(Programme::Appointments)
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
            contact.hold(HeldCancel {
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
                outreach: None,
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
        let held = contact.held.iter().filter(|held| is_new && held.until > self.now);
        let mut old = held.filter_map(|held| self.scene.appointments.get(&held.appointment));
        // One that was taken back stands, and its new notice too.
        let replaced = old.find(|old| {
            old.key != after.key
                && old.unsent_notice == Some(Notice::Canceled)
                && is_same_visit(old, after)
        });
        replaced.map(|old| old.key.clone())
    }

    /// The appointment that a new one says it came in place of, unless the patient has been told
    /// that it is off: then this is another one.
    fn named_before(&self, after: &Appointment, event: EhrEvent) -> Option<AppointmentKey> {
        let is_new = self.before.is_none()
            && matches!(event, EhrEvent::Booked | EhrEvent::Rescheduled)
            && !self.claim.appointment.replaces.is_empty();
        let named = |row: &&Appointment| {
            let ids = &self.claim.appointment.replaces;
            row.key != after.key
                && row.patient.is_same(&after.patient)
                && (row.resources.values().any(|held| ids.contains(&held.id))
                    || row.ids.iter().any(|id| ids.contains(&id.value)))
        };
        let old = self.scene.appointments.values().filter(|_| is_new).find(named)?;
        let is_told_off = old.status.is_off() && old.unsent_notice.is_none();
        (!is_told_off).then(|| old.key.clone())
    }

    /// Takes an appointment out of the patient's sight: what was planned for it is void, and that it
    /// is called off later is no news.
    fn withdraw(&mut self, old: &AppointmentKey, new: &AppointmentKey, contact: &mut Contact) {
        let Some(old) = self.decision.row(old, self.scene) else { return };
        // The notice in the outbox belongs to this generation: it is void from now on.
        old.generation += 1;
        old.unsent_notice = None;
        old.timers.retain(|timer| timer.kind == TimerKind::Expire);
        old.replaced_by = Some(new.clone());
        contact.let_go(&old.key);
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

/// The phones whose rows a claim about `before` may touch.
pub fn phones<'a>(
    before: Option<&'a Appointment>,
    claim: &'a Claim,
) -> impl Iterator<Item = &'a PhoneNumber> {
    let held = before.and_then(|before| before.patient.phone.as_ref());
    let said = claim.patient.phone.value();
    held.into_iter().chain(said)
}
