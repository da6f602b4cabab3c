//! A campaign's question that waits for an answer, as a reply finds it.

use super::{end, surroundings};
use crate::clock::Timestamp;
use crate::core::campaign::{Session, SessionState};
use crate::core::contact::{Contact, Programme};
use crate::core::flow::{self, Fit, Inbound};
use crate::core::rules::Rules;
use crate::core::scene::{Decision, Scene};

/// A campaign's question that waits for an answer from a phone.
#[derive(Debug)]
pub(in crate::core) struct Question<'a> {
    /// The recipient.
    pub(in crate::core) session: &'a Session,
    /// When the question left.
    pub(in crate::core) at: Timestamp,
}

/// The question that a phone has been asked by a campaign, if it may be answered.
pub(in crate::core) fn asked<'a>(contact: &Contact, scene: &'a Scene) -> Option<Question<'a>> {
    let talk = contact.talk.as_ref()?;
    let session = scene.sessions.get(&talk.session).filter(|known| !known.state.is_over())?;
    let is_allowed =
        contact.consent.allows(Programme::Outreach) && !scene.is_stopped(&talk.session.campaign);
    // A question that is still to leave is not what an answer is for.
    let state = session.run.frames.last().map(|frame| frame.state.as_str());
    let out = talk.asked.as_ref().filter(|out| is_allowed && Some(out.state.as_str()) == state)?;
    Some(Question { session, at: out.at })
}

/// How well a text fits the question.
pub(in crate::core) fn fit(
    asked: &Question<'_>,
    text: &Inbound,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Fit {
    scene.program(&asked.session.id.campaign).map_or(Fit::NotAsked, |program| {
        flow::fits(program, &asked.session.run, text, surroundings(rules, now))
    })
}

/// Ends a phone's conversation with a campaign if campaigns may not text it any more.
pub(in crate::core) fn end_for_consent(
    contact: &Contact,
    decision: &mut Decision,
    scene: &Scene,
    now: Timestamp,
) {
    if contact.consent.allows(Programme::Outreach) {
        return;
    }
    let Some(talk) = &contact.talk else { return };
    let id = talk.session.clone();
    end(&id, SessionState::OptedOut, decision, scene, now);
}

/// Does so for every phone that a decision writes.
pub(in crate::core) fn end_all_for_consent(decision: &mut Decision, scene: &Scene, now: Timestamp) {
    let is_over =
        |contact: &&Contact| contact.talk.is_some() && !contact.consent.allows(Programme::Outreach);
    let over: Vec<Contact> = decision.contacts.iter().filter(is_over).cloned().collect();
    for contact in over {
        end_for_consent(&contact, decision, scene, now);
    }
}
