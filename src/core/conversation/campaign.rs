//! Whether a reply is for a campaign's question or about a visit.
//!
//! A question that waits has the reply first, unless the words plainly answer something of the visits
//! that was said later. What could be either is asked, once.

use super::{Talk, is_about_visit};
use crate::core::contact::Either;
use crate::core::effect::TextKind;
use crate::core::flow::{Fit, Inbound};
use crate::core::ids::AppointmentKey;
use crate::core::outreach;
use crate::core::reason::Reason;
use crate::core::reply::Intent;

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
        let Some(asked) = outreach::asked(&self.contact, self.scene) else { return false };
        if self.now < asked.at {
            return false;
        }
        let text = inbound(self.reply, self.now);
        let fit = outreach::fit(&asked, &text, self.scene, self.rules, self.now);
        match self.whose(intent, fit, &asked) {
            Whose::Visit => false,
            Whose::Campaign => {
                self.flow = Some((asked.session.id.clone(), text));
                true
            }
            Whose::Either => {
                self.contact.either = Some(Box::new(Either {
                    reply: self.reply.clone(),
                    session: asked.session.id.clone(),
                    at: self.now,
                }));
                self.answer(TextKind::WhichTalk, &[]);
                self.decision.explain(None, "REPLY", Reason::AskedWhichTalk);
                true
            }
        }
    }

    /// Takes the answer to "is it about your visit, or about our question?", unless that is the visit.
    pub(super) fn settles(&mut self, either: Option<&Either>, intent: Intent) -> bool {
        let Some(either) = either else { return false };
        if intent == Intent::Number(2) {
            self.flow = Some((either.session.clone(), inbound(&either.reply, self.now)));
        } else {
            // Asked once: a person reads both.
            self.hand_over(Reason::HandedToStaff);
        }
        true
    }

    fn whose(&self, intent: Intent, fit: Fit, asked: &outreach::Asked<'_>) -> Whose {
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
        match fit {
            Fit::NotAsked => Whose::Visit,
            _any if is_picked => Whose::Visit,
            Fit::Answer if is_about_visit && is_later => Whose::Either,
            Fit::Words if is_about_visit && is_later => Whose::Visit,
            Fit::Nothing if is_about_visit && prompted.is_some() => Whose::Visit,
            Fit::Nothing if self.is_acknowledgment() => Whose::Visit,
            Fit::Answer | Fit::Words | Fit::Nothing => Whose::Campaign,
        }
    }
}

/// A reply as a flow hears it.
pub(super) fn inbound(reply: &crate::core::event::Reply, now: crate::clock::Timestamp) -> Inbound {
    Inbound {
        sid: reply.message_id.clone(),
        body: reply.body.clone(),
        at: reply.sent_at.unwrap_or(now).min(now),
        media: reply.media,
    }
}
