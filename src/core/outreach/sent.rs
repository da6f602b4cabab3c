//! What a flow wanted done: whether it may be done now, and how it went.

use chrono::TimeDelta;

use super::{Asked, EVENT, Talk, end, finish, hours, is_answer, take};
use crate::clock::Timestamp;
use crate::core::campaign::{CampaignState, SessionId, SessionState};
use crate::core::consent::Permission;
use crate::core::contact::{Contact, Programme};
use crate::core::delivery::{Outgoing, State};
use crate::core::effect::{Effect, OutreachText, Sms};
use crate::core::flow::{Happened, Wait};
use crate::core::reason::Reason;
use crate::core::rules::Rules;
use crate::core::scene::{Decision, Scene};

/// When it is looked again whether a paused campaign goes on.
const PAUSED_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// Whether a recipient's flow is still at this act: it waits for how it went, or for the reply to it.
pub(in crate::core) fn is_current(id: &SessionId, act: u32, scene: &Scene) -> bool {
    let known = scene.sessions.get(id).filter(|known| !known.state.is_over());
    known.is_some_and(|known| {
        let is_at_it = match known.run.wait {
            Wait::Delivery { .. } | Wait::Call | Wait::Reply { .. } => true,
            Wait::Start | Wait::End(_) => false,
        };
        known.run.acts == act && is_at_it
    })
}

/// Lets the flow know how what it wanted done went.
pub(in crate::core) fn reported(
    decision: &mut Decision,
    (known, row): (&Outgoing, &Outgoing),
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) {
    let has_left = |state| matches!(state, State::Accepted | State::Delivered);
    let is_lost = |state| matches!(state, State::Failed | State::Void);
    let (leaves, is_given_up) = (
        has_left(row.state) && !has_left(known.state),
        is_lost(row.state) && !is_lost(known.state),
    );
    match &row.effect {
        Effect::SendSms(Sms { outreach: Some(text), to, .. }) => {
            // Another try of a text that had left is not another text.
            if leaves && row.tries.lost.is_empty() {
                count(&text.session, decision, scene);
            }
            if !is_current(&text.session, text.act, scene) {
                return;
            }
            let waits = scene.sessions.get(&text.session).map(|session| &session.run.wait);
            if leaves && !matches!(waits, Some(Wait::Reply { .. })) {
                let happened = Happened::Sent { sid: row.provider_id.clone() };
                take(&text.session, &happened, decision, scene, rules, now);
            } else if is_given_up {
                let contact = decision.contact_or_new(to, scene);
                if contact.is_some_and(|known| !known.consent.allows(Programme::Outreach)) {
                    return end(&text.session, SessionState::OptedOut, decision, scene, now);
                }
                let code = row.error.clone().unwrap_or_default();
                take(&text.session, &Happened::NotSent { code }, decision, scene, rules, now);
                fail_if_never_texted(&text.session, decision, scene, now);
            }
        }
        Effect::CallHttp(call) if is_given_up && is_current(&call.session, call.act, scene) => {
            let status = row.error.as_deref().and_then(|code| code.parse().ok());
            take(&call.session, &Happened::NotCalled { status }, decision, scene, rules, now);
        }
        Effect::SendSms(_)
        | Effect::SendHl7(_)
        | Effect::UpdateFhir(_)
        | Effect::PostJson(_)
        | Effect::CallHttp(_)
        | Effect::ReadFhir(_) => {}
    }
}

/// Counts a text that has left.
fn count(id: &SessionId, decision: &mut Decision, scene: &Scene) {
    let Some(session) = decision.session(id, scene) else { return };
    session.texts += 1;
    let is_first = session.texts == 1 && session.state == SessionState::Active;
    if let Some(campaign) = decision.campaign(&id.campaign, scene) {
        campaign.tally.texts += 1;
        campaign.unsent = campaign.unsent.saturating_sub(u64::from(is_first));
    }
}

/// A flow that ended with nobody texted did not come to its end.
fn fail_if_never_texted(id: &SessionId, decision: &mut Decision, scene: &Scene, now: Timestamp) {
    let Some(session) = decision.session(id, scene) else { return };
    if session.state == SessionState::Completed && session.texts == 0 {
        session.state = SessionState::Failed;
        if let Some(campaign) = decision.campaign(&id.campaign, scene) {
            campaign.tally.shift(SessionState::Completed, SessionState::Failed);
        }
        decision.explain(None, EVENT, Reason::RecipientIs(SessionState::Failed));
    }
    finish(&id.campaign, decision, scene, now);
}

/// Why a flow's text may not go out now, and whether it may later.
pub(in crate::core) fn permission(
    row: &Outgoing,
    (sms, text): (&Sms, &OutreachText),
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Permission {
    let contact = scene.contact(&sms.to);
    if !contact.consent.allows(Programme::Outreach) {
        return Permission::Never(Reason::OptedOut);
    }
    if contact.bad.is_some() {
        return Permission::Never(Reason::BadNumber);
    }
    let state = scene.campaigns.get(&text.session.campaign).map(|campaign| campaign.state);
    let session = scene.sessions.get(&text.session);
    // What the carrier took and lost is sent again, though the flow may have gone on.
    let goes_on = session.is_some_and(|session| match session.state {
        SessionState::Active | SessionState::Completed | SessionState::HandedOver => true,
        SessionState::Waiting
        | SessionState::Expired
        | SessionState::OptedOut
        | SessionState::Failed
        | SessionState::Stopped => false,
    });
    let is_lost = !row.tries.lost.is_empty() && goes_on;
    let is_wanted = is_lost || is_current(&text.session, text.act, scene);
    if state == Some(CampaignState::Stopped) || !is_wanted {
        return Permission::Never(Reason::Void);
    }
    if has_died(text, &contact, scene) {
        return Permission::Never(Reason::Deceased);
    }
    if state == Some(CampaignState::Paused) && text.is_first {
        return Permission::Later(now + PAUSED_AGAIN);
    }
    if sms.kind.is_answer() && session.is_some_and(|session| is_answer(session, now)) {
        return Permission::Go;
    }
    let opening = hours(&sms.to, rules).next_opening(now);
    if opening > now { Permission::Later(opening) } else { Permission::Go }
}

/// Notes what a text asks that leaves; whether it asks for something.
pub(in crate::core) fn note_asked(
    contact: &mut Contact,
    text: &OutreachText,
    scene: &Scene,
    now: Timestamp,
) -> bool {
    let Some(session) = scene.sessions.get(&text.session) else { return false };
    let asks = match session.run.wait {
        Wait::Delivery { asks } => asks,
        Wait::Reply { .. } => true,
        Wait::Start | Wait::Call | Wait::End(_) => false,
    };
    let state = session.run.frames.last().map(|frame| frame.state.clone());
    let (true, Some(state)) = (asks && session.run.acts == text.act, state) else { return false };
    let known = contact.talk.take().and_then(|talk| talk.asked);
    // Asked again, it is the same question.
    let known = known.filter(|known| known.state == state);
    let asked = known.unwrap_or(Asked { at: now, state, act: text.act });
    contact.talk = Some(Talk { session: text.session.clone(), asked: Some(asked) });
    true
}

/// Notes that what a text asked is not out after all.
pub(in crate::core) fn forget_asked(contact: &mut Contact, text: &OutreachText) {
    let Some(talk) = &mut contact.talk else { return };
    let is_it = talk.asked.as_ref().is_some_and(|asked| asked.act == text.act);
    if talk.session == text.session && is_it {
        talk.asked = None;
    }
}

/// Whether the recipient is known to have died, by a visit of the same record number.
fn has_died(text: &OutreachText, contact: &Contact, scene: &Scene) -> bool {
    let session = scene.sessions.get(&text.session);
    let id = session.and_then(|session| session.run.trigger.data.expose().get("patient_id"));
    let Some(id) = id.and_then(serde_json::Value::as_str) else { return false };
    let rows = contact.appointments.iter().filter_map(|key| scene.appointments.get(key));
    rows.into_iter().any(|row| row.patient.deceased && row.patient.id.as_deref() == Some(id))
}

/// Whether an effect is one of a flow.
pub(in crate::core) const fn is_ours(effect: &Effect) -> bool {
    match effect {
        Effect::SendSms(sms) => sms.outreach.is_some(),
        Effect::CallHttp(_) => true,
        Effect::SendHl7(_) | Effect::UpdateFhir(_) | Effect::PostJson(_) | Effect::ReadFhir(_) => {
            false
        }
    }
}
