//! How a patient is answered: which texts, when, and how often at most.

use chrono::TimeDelta;

use super::super::appointment::Appointment;
use super::super::contact::Answered;
use super::super::effect::{About, Effect, Planned, Sms, TextKind};
use super::super::hours::Hours;
use super::super::ids::AppointmentKey;
use super::super::local_time::Zone;
use super::super::reason::Reason;
use super::{OPTED_OUT_WITHIN, Talk};
use crate::clock::Timestamp;

/// An answer that could not be sent within this time would only confuse.
const ANSWER_WITHIN: TimeDelta = TimeDelta::hours(1);
/// How many answers a phone gets in an hour. A patient needs two or three; a machine that answers
/// ours would go on for ever, and the carrier refuses fifteen in half a minute (Twilio's error 14107).
const ANSWERS_MAX: usize = 6;
/// A text that was found so long after it was sent is not part of a conversation any more.
const LATE: TimeDelta = TimeDelta::hours(1);
/// The same answer about the same appointments within this time tells nothing.
const SAME_ANSWER_PAUSE: TimeDelta = TimeDelta::minutes(10);

impl Talk<'_> {
    /// Answers about those of the appointments that are open.
    pub(super) fn answer_about(&mut self, kind: TextKind, keys: &[AppointmentKey]) {
        let rows: Vec<Appointment> = keys
            .iter()
            .filter_map(|key| self.open.iter().find(|open| open.key == *key))
            .cloned()
            .collect();
        self.answer(kind, &rows.iter().collect::<Vec<_>>());
    }

    pub(super) fn answer(&mut self, kind: TextKind, about: &[&Appointment]) {
        let keys: Vec<AppointmentKey> = about.iter().map(|a| a.key.clone()).collect();
        if let Some(reason) = self.objection(kind, &keys) {
            return self.decision.explain(keys.first().cloned(), "REPLY", reason);
        }
        // It has taken the place of a notice, and is needed for as long.
        let needed = about.first().filter(|_| kind == TextKind::ChangedMeanwhile);
        let needed = needed.and_then(|first| first.begun_at());
        self.contact.answered.push(Answered { at: self.now, kind, about: keys });
        let about = about
            .iter()
            .map(|a| About { appointment: a.key.clone(), generation: a.generation })
            .collect();
        let due = self.answer_at();
        let not_after =
            due + if kind == TextKind::OptedOut { OPTED_OUT_WITHIN } else { ANSWER_WITHIN };
        self.decision.effects.push(Planned {
            effect: Effect::SendSms(Sms {
                to: self.contact.phone.clone(),
                kind,
                about,
                language: self.language.clone(),
                body: None,
                outreach: None,
            }),
            due,
            not_after: needed.map_or(not_after, |needed| needed.max(not_after)),
        });
    }

    /// Whether the text was sent long before it was found.
    pub(super) fn is_found_late(&self) -> bool {
        self.reply.sent_at.is_some_and(|sent| self.now - sent > LATE)
    }

    /// When to answer: at once, whatever the hour, as the patient is at the phone; but not in the
    /// night to a text that was found hours later.
    fn answer_at(&self) -> Timestamp {
        if !self.is_found_late() {
            return self.now;
        }
        self.hours_of(self.zone()).next_opening(self.now)
    }

    /// The zone that the next visit is in.
    pub(super) fn zone(&self) -> Zone {
        let zone = self.open.first().and_then(|open| Some(open.start.as_ref()?.zone));
        zone.unwrap_or(self.rules.practice.zone)
    }

    /// The hours at which the phone may be texted of what is in a zone.
    pub(super) fn hours_of(&self, zone: Zone) -> Hours {
        Hours::of(zone, Some(&self.contact.phone), &self.rules.reminders)
    }

    /// Why an answer is not given. What machines send is answered a few times only.
    pub(super) fn objection(&mut self, kind: TextKind, about: &[AppointmentKey]) -> Option<Reason> {
        let now = self.now;
        self.contact.answered.retain(|answered| now - answered.at < TimeDelta::hours(1));
        if kind == TextKind::OptedOut {
            return None;
        }
        if self.contact.answered.len() >= ANSWERS_MAX {
            return Some(Reason::AnsweredEnough);
        }
        let is_same = |answered: &Answered| {
            answered.kind == kind
                && answered.about == about
                && now - answered.at < SAME_ANSWER_PAUSE
        };
        let repeats = !about.is_empty() && kind != TextKind::WhichOne;
        (repeats && self.contact.answered.last().is_some_and(is_same))
            .then_some(Reason::AnsweredBefore)
    }
}
