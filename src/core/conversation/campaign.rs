//! Whether a reply is for a campaign's question or about a visit.
//!
//! A question that waits has the reply first, unless the words plainly answer something of the visits
//! that was said later. What could be either is asked, once. What a patient says to a campaign whose
//! question is over is for a person: a late "3" to a scale must not call off a visit.

use super::named::Names;
use super::{CLOCK_SKEW, TALKED_LATELY, Talk, is_about_visit, note_of};
use crate::clock::Timestamp;
use crate::core::effect::{Task, TaskKind, TextKind};
use crate::core::event::Reply;
use crate::core::flow::{Fit, Inbound};
use crate::core::ids::AppointmentKey;
use crate::core::outreach::{self, Either};
use crate::core::reason::Reason;
use crate::core::reply::{Intent, fold};

/// What only texts about visits ask for.
const OF_VISITS: [&str; 5] = ["c", "x", "r", "confirm appt", "cancel appt"];

/// Whose a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Campaign,
    Visit,
    Either,
}

impl Talk<'_> {
    /// Takes a reply for a campaign, if it is one; false if it is about visits.
    pub(super) fn for_campaign(&mut self, intent: Intent) -> bool {
        let Some(asked) = outreach::asked(&self.contact, self.scene) else {
            return self.is_too_late_for_campaign(intent);
        };
        // One that was found late answers what had been asked by then.
        let sent = self.reply.sent_at.map(|sent| sent + CLOCK_SKEW);
        if sent.is_some_and(|sent| sent < asked.at) {
            return false;
        }
        let text = inbound(self.reply, self.now);
        let fit = outreach::fit(&asked, &text, self.scene, self.rules, self.now);
        let session = asked.session.id.clone();
        match self.whose(intent, fit, &asked) {
            Whose::Visit => false,
            Whose::Campaign => {
                self.flow = Some((session, text));
                true
            }
            Whose::Either => {
                let planned = self.decision.effects.len();
                self.answer(TextKind::WhichTalk, &[]);
                if self.decision.effects.len() == planned {
                    // It has been answered often enough: it is not asked, so a person reads it.
                    self.hand_over(Reason::HandedToStaff);
                    return true;
                }
                let reply = self.reply.clone();
                self.contact.either = Some(Box::new(Either { reply, session, at: self.now }));
                self.decision.explain(None, "REPLY", Reason::AskedWhichTalk);
                true
            }
        }
    }

    /// Gives to a person what comes after a campaign's last word and would do something to a visit.
    fn is_too_late_for_campaign(&mut self, intent: Intent) -> bool {
        let is_campaigns = self.contact.spoke.is_some_and(|spoke| {
            matches!(spoke.kind, TextKind::Outreach | TextKind::OutreachAnswer)
                && self.now - spoke.at <= TALKED_LATELY
        });
        let does_something = matches!(intent, Intent::Confirm | Intent::Cancel | Intent::Number(_));
        let words = fold(self.reply.body.expose());
        let is_plain = OF_VISITS.contains(&words.as_str()) || self.names_visit();
        if !is_campaigns || !does_something || is_plain || self.is_acknowledgment() {
            return false;
        }
        self.hand_over(Reason::HandedToStaff);
        true
    }

    fn names_visit(&self) -> bool {
        match self.named(&self.shown()) {
            Names::These(_) => true,
            Names::InDoubt | Names::None => false,
        }
    }

    /// Takes the answer to "is it about your visit, or about our question?", unless that is the visit.
    pub(super) fn settles(&mut self, either: Option<&Either>, intent: Intent) -> bool {
        let Some(either) = either else { return false };
        let asked = outreach::asked(&self.contact, self.scene);
        let text = inbound(&either.reply, self.now);
        let fits = asked.is_some_and(|asked| {
            asked.session.id == either.session
                && asked.at <= either.at
                && outreach::fit(&asked, &text, self.scene, self.rules, self.now) != Fit::NotAsked
        });
        if intent == Intent::Number(2) && fits {
            self.flow = Some((either.session.clone(), text));
            return true;
        }
        // Asked once: a person reads both.
        self.decision.tasks.push(Task {
            kind: TaskKind::Unclear,
            appointment: None,
            phone: Some(self.contact.phone.clone()),
            note: note_of(&either.reply),
            at: self.now,
        });
        self.hand_over(Reason::HandedToStaff);
        true
    }

    fn whose(&self, intent: Intent, fit: Fit, asked: &outreach::Question<'_>) -> Whose {
        let question = self.contact.question.as_ref().filter(|question| question.at > asked.at);
        let is_picked = question.is_some() && matches!(intent, Intent::Number(_));
        let is_open = |key: &AppointmentKey| self.open.iter().any(|open| open.key == *key);
        let prompted = self
            .prompts
            .iter()
            .rev()
            .find(|prompt| !prompt.is_answered && prompt.appointments.iter().any(is_open));
        let is_later = prompted.is_some_and(|prompt| prompt.at > asked.at);
        let is_about_visit = is_about_visit(intent);
        let wants_other_time = intent == Intent::Reschedule && !self.open.is_empty();
        match fit {
            Fit::NotAsked => Whose::Visit,
            _any if is_picked => Whose::Visit,
            Fit::Answer if is_about_visit && is_later => Whose::Either,
            Fit::Words if is_about_visit && is_later => Whose::Visit,
            Fit::Nothing if is_about_visit && prompted.is_some() => Whose::Visit,
            Fit::Nothing if wants_other_time || is_later && self.names_visit() => Whose::Visit,
            Fit::Nothing if self.is_acknowledgment() => Whose::Visit,
            Fit::Answer | Fit::Words | Fit::Nothing => Whose::Campaign,
        }
    }
}

/// A reply as a flow hears it.
fn inbound(reply: &Reply, now: Timestamp) -> Inbound {
    Inbound {
        sid: reply.message_id.clone(),
        body: reply.body.clone(),
        at: reply.sent_at.unwrap_or(now).min(now),
        media: reply.media,
    }
}
