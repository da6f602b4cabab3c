//! A recipient's conversation: the flow's steps, and what is asked of the world for them.
//!
//! The flow says what comes next; here it meets consent, hours, the phone's other conversations and
//! the campaign's tally. A phone is in one campaign's conversation at a time, so that nobody has to
//! ask which question an answer is for.

mod asked;
mod sent;
mod talk;

use chrono::TimeDelta;

pub(super) use asked::{Question, asked, end_all_for_consent, end_for_consent, fit};
pub(super) use sent::{forget_asked, is_current, is_ours, note_asked, permission, reported};
pub use talk::{Asked, Either, Talk};

use super::campaign::{
    CampaignId, CampaignKind, CampaignState, Session, SessionId, SessionState, interval,
};
use super::contact::{Contact, Programme};
use super::delivery::Report;
use super::effect::{Effect, FlowCall, OutreachText, Planned, Sms, Task, TaskKind, TextKind};
use super::flow::{self, Act, End, Happened, HttpAnswer, Note, Surroundings, Wait};
use super::hours::Hours;
use super::ids::OutboxId;
use super::phone::PhoneNumber;
use super::reason::Reason;
use super::rules::Rules;
use super::scene::{Decision, Scene};
use crate::clock::Timestamp;
use crate::phi::Phi;

const EVENT: &str = "OUTREACH";

/// How much a recipient's flow may want done in all: one that asks, calls or texts in a circle ends.
const ACTS_MAX: u32 = 300;
/// How many texts a recipient gets without having answered: a flow that sends more goes in a circle.
const UNANSWERED_MAX: u32 = 20;
/// When it is looked again whether a flow can be read.
const UNREADABLE_PAUSE: TimeDelta = TimeDelta::hours(1);

/// How long after a reply a text is its answer, which goes out at any hour.
const ANSWERS_WITHIN: TimeDelta = TimeDelta::minutes(15);
/// How long a web server is asked for what a flow wants.
const CALLED_WITHIN: TimeDelta = TimeDelta::minutes(5);
/// When it is looked again whether a phone is free that is in another conversation.
const FREE_AGAIN: TimeDelta = TimeDelta::minutes(10);
/// When it is looked again whether a phone may have another text this week.
const NEXT_DAY: TimeDelta = TimeDelta::days(1);

/// Begins with a recipient, or says when to try again.
pub(super) fn begin(
    id: &SessionId,
    decision: &mut Decision,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) {
    let Some(session) = decision.session(id, scene) else { return };
    if session.state != SessionState::Waiting {
        return;
    }
    let (phone, not_after) = (session.phone.clone(), session.not_after);
    let Some(contact) = decision.contact_or_new(&phone, scene).map(|known| known.clone()) else {
        return;
    };
    if now >= not_after {
        return end(id, SessionState::Expired, decision, scene, now);
    }
    if !contact.consent.allows(Programme::Outreach) {
        return end(id, SessionState::OptedOut, decision, scene, now);
    }
    if contact.bad.is_some() {
        return end(id, SessionState::Failed, decision, scene, now);
    }
    let state = decision.campaign(&id.campaign, scene).map(|campaign| campaign.state);
    if state == Some(CampaignState::Stopped) {
        return end(id, SessionState::Stopped, decision, scene, now);
    }
    let objection = objection(id, (&contact, state), rules, now);
    let postponed = objection.or_else(|| closed(id, &contact, decision, scene, rules, now));
    if let Some((at, reason)) = postponed {
        if let Some(session) = decision.session(id, scene) {
            session.due = Some(at);
            session.generation += 1;
        }
        return decision.explain(None, EVENT, reason);
    }
    if let Some(contact) = decision.contact_or_new(&phone, scene) {
        contact.talk = Some(Talk { session: id.clone(), asked: None });
    }
    if let Some(campaign) = decision.campaign(&id.campaign, scene) {
        campaign.tally.shift(SessionState::Waiting, SessionState::Active);
        campaign.unsent += 1;
    }
    if let Some(session) = decision.session(id, scene) {
        session.state = SessionState::Active;
        session.started_at = Some(now);
    }
    take(id, &Happened::Begun, decision, scene, rules, now);
}

/// When to begin with a recipient who cannot be begun now, and why.
fn objection(
    id: &SessionId,
    (contact, state): (&Contact, Option<CampaignState>),
    rules: &Rules,
    now: Timestamp,
) -> Option<(Timestamp, Reason)> {
    if state == Some(CampaignState::Paused) {
        return Some((now + FREE_AGAIN, Reason::CampaignIs(CampaignState::Paused)));
    }
    if contact.talk.as_ref().is_some_and(|talk| talk.session != *id) {
        return Some((now + FREE_AGAIN, Reason::InOtherTalk));
    }
    let cap = rules.reminders.per_phone_per_week;
    if cap.is_some_and(|cap| contact.texts_this_week(now) >= cap) {
        return Some((now + NEXT_DAY, Reason::CappedWeek));
    }
    None
}

/// When the phone's hours begin, if it may not be texted now.
fn closed(
    id: &SessionId,
    contact: &Contact,
    decision: &mut Decision,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Option<(Timestamp, Reason)> {
    let opening = hours(&contact.phone, rules).next_opening(now);
    if opening <= now {
        return None;
    }
    // Whoever lives further west is begun when the day begins there, at the same pace.
    let campaign = decision.campaign(&id.campaign, scene)?;
    let after_last = campaign.slot.map(|slot| slot + interval(campaign.per_minute));
    let at = after_last.map_or(opening, |after_last| after_last.max(opening));
    campaign.slot = Some(at);
    Some((at, Reason::Postponed))
}

/// The hours at which a campaign may text a phone.
fn hours(phone: &PhoneNumber, rules: &Rules) -> Hours {
    Hours::of(rules.practice.zone, Some(phone), &rules.reminders)
}

/// Takes a recipient's flow on by something that happened.
pub(super) fn take(
    id: &SessionId,
    happened: &Happened,
    decision: &mut Decision,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) {
    let Some(session) = decision.session(id, scene).filter(|known| !known.state.is_over()) else {
        return decision.explain(None, EVENT, Reason::Void);
    };
    let mut session = session.clone();
    let Some(program) = scene.program(&id.campaign) else {
        // Another version may be able to read it.
        session.due = Some((now + UNREADABLE_PAUSE).min(session.not_after));
        session.generation += 1;
        decision.put_session(session);
        return decision.explain(None, EVENT, Reason::Unknown);
    };
    if session.run.acts >= ACTS_MAX {
        return end(id, SessionState::Failed, decision, scene, now);
    }
    let stepped = flow::step(program, &session.run, happened, surroundings(rules, now));
    if stepped.run == session.run && stepped.act.is_none() {
        return decision.explain(None, EVENT, Reason::Void);
    }
    let answers = stepped.run.answers.len().saturating_sub(session.run.answers.len());
    if let Some(campaign) = decision.campaign(&id.campaign, scene) {
        campaign.tally.answers += u64::try_from(answers).unwrap_or(0);
    }
    session.run = stepped.run;
    session.generation += 1;
    if let Happened::Heard(text) = happened {
        session.heard_at = Some(text.at);
        session.unanswered = 0;
    }
    for note in stepped.notes {
        decision.tasks.push(task(&session.phone, note, now));
    }
    if let Some(act) = stepped.act {
        session.unanswered += u32::from(matches!(act, Act::Text { .. }));
        if session.unanswered > UNANSWERED_MAX {
            decision.tasks.push(circle(&session, now));
            return end(id, SessionState::Failed, decision, scene, now);
        }
        decision.effects.push(planned(&session, act, rules, now));
    }
    let (wait, not_after) = (session.run.wait.clone(), session.not_after);
    session.due = match &wait {
        Wait::Reply { until, .. } => Some((*until).min(not_after)),
        Wait::Start | Wait::Delivery { .. } | Wait::Call => Some(not_after),
        Wait::End(_) => None,
    };
    decision.put_session(session);
    match wait {
        Wait::End(ended) => end(id, state_after(&ended), decision, scene, now),
        Wait::Start | Wait::Delivery { .. } | Wait::Call | Wait::Reply { .. } => {
            decision.explain(None, EVENT, Reason::FlowWentOn);
        }
    }
}

/// What steps of flows depend on.
#[must_use]
pub fn surroundings(rules: &Rules, now: Timestamp) -> Surroundings<'_> {
    Surroundings {
        tools: &rules.outreach.tools,
        words: &rules.replies.words,
        practice_name: &rules.practice.name,
        callback_phone: &rules.practice.callback_phone,
        zone: rules.practice.zone,
        now,
    }
}

const fn state_after(end: &End) -> SessionState {
    match end {
        End::Completed => SessionState::Completed,
        End::HandedOver => SessionState::HandedOver,
        End::Runaway => SessionState::Failed,
    }
}

fn task(phone: &PhoneNumber, note: Note, now: Timestamp) -> Task {
    Task {
        kind: if note.is_urgent { TaskKind::OutreachUrgent } else { TaskKind::Outreach },
        appointment: None,
        phone: Some(phone.clone()),
        note: note.text,
        at: now,
    }
}

/// What a flow wants done, with the times that bound it.
fn planned(session: &Session, act: Act, rules: &Rules, now: Timestamp) -> Planned {
    let number = session.run.acts;
    match act {
        Act::Call(call) => Planned {
            effect: Effect::CallHttp(FlowCall { session: session.id.clone(), act: number, call }),
            due: now,
            not_after: (now + CALLED_WITHIN).min(session.not_after),
        },
        Act::Text { body, .. } => {
            let kind =
                if is_answer(session, now) { TextKind::OutreachAnswer } else { TextKind::Outreach };
            let due =
                if kind.is_answer() { now } else { hours(&session.phone, rules).next_opening(now) };
            Planned {
                effect: Effect::SendSms(Sms {
                    to: session.phone.clone(),
                    kind,
                    about: Vec::new(),
                    language: session.run.trigger.language.clone(),
                    body: Some(body),
                    outreach: Some(OutreachText {
                        session: session.id.clone(),
                        act: number,
                        is_first: session.texts == 0 && session.heard_at.is_none(),
                    }),
                }),
                due,
                not_after: session.not_after,
            }
        }
    }
}

/// A flow that texts in a circle is for a person to mend.
fn circle(session: &Session, now: Timestamp) -> Task {
    let text = format!(
        "campaign {}: the flow has sent {UNANSWERED_MAX} texts without an answer; it was ended",
        session.id.campaign
    );
    task(&session.phone, Note { text: Phi::new(text), is_urgent: false }, now)
}

/// Whether the recipient has texted so lately that a text is taken for the answer.
fn is_answer(session: &Session, now: Timestamp) -> bool {
    session.heard_at.is_some_and(|heard| now - heard <= ANSWERS_WITHIN)
}

/// Ends with a recipient.
pub(super) fn end(
    id: &SessionId,
    state: SessionState,
    decision: &mut Decision,
    scene: &Scene,
    now: Timestamp,
) {
    let Some(session) = decision.session(id, scene).filter(|known| !known.state.is_over()) else {
        return;
    };
    let before = session.state;
    let is_unsent = before == SessionState::Active && session.texts == 0;
    session.state = state;
    session.ended_at = Some(now);
    session.due = None;
    session.generation += 1;
    let phone = session.phone.clone();
    if let Some(contact) = decision.contact_or_new(&phone, scene)
        && contact.talk.as_ref().is_some_and(|talk| talk.session == *id)
    {
        contact.talk = None;
        contact.talked_at = Some(now);
    }
    if let Some(campaign) = decision.campaign(&id.campaign, scene) {
        campaign.tally.shift(before, state);
        campaign.unsent = campaign.unsent.saturating_sub(u64::from(is_unsent));
    }
    finish(&id.campaign, decision, scene, now);
    decision.explain(None, EVENT, Reason::RecipientIs(state));
}

/// Notes that a list's campaign is through with all of its recipients.
pub(super) fn finish(id: &CampaignId, decision: &mut Decision, scene: &Scene, now: Timestamp) {
    let Some(campaign) = decision.campaign(id, scene) else { return };
    let is_open = matches!(campaign.state, CampaignState::Running | CampaignState::Paused);
    let is_through = campaign.tally.waiting == 0 && campaign.tally.active == 0;
    if campaign.kind == CampaignKind::List && is_open && is_through {
        campaign.state = CampaignState::Finished;
        campaign.ended_at = Some(now);
        campaign.due = None;
    }
}

/// Decides what follows when a recipient's moment has come: the turn, a reply that did not come, or
/// that it took too long.
#[must_use]
pub fn due(
    id: &SessionId,
    generation: u32,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let known = scene.sessions.get(id).filter(|known| known.generation == generation);
    let Some(known) = known else { return Decision::nothing(None, EVENT, Reason::Void) };
    let mut decision = Decision::default();
    if scene.is_stopped(&id.campaign) {
        end(id, SessionState::Stopped, &mut decision, scene, now);
    } else if known.state == SessionState::Waiting {
        begin(id, &mut decision, scene, rules, now);
    } else if !scene.contact(&known.phone).consent.allows(Programme::Outreach) {
        end(id, SessionState::OptedOut, &mut decision, scene, now);
    } else {
        time_up(known, &mut decision, scene, rules, now);
        if now >= known.not_after {
            end(id, SessionState::Expired, &mut decision, scene, now);
        }
    }
    decision
}

/// No reply has come in time. What the flow says then cannot be said at night, when the answer may
/// still come: so it is waited for until the morning.
fn time_up(known: &Session, decision: &mut Decision, scene: &Scene, rules: &Rules, now: Timestamp) {
    let opening = hours(&known.phone, rules).next_opening(now);
    if opening <= now || now >= known.not_after {
        return take(&known.id, &Happened::TimeUp, decision, scene, rules, now);
    }
    if let Some(session) = decision.session(&known.id, scene) {
        session.due = Some(opening.min(session.not_after));
        session.generation += 1;
    }
    decision.explain(None, EVENT, Reason::Postponed);
}

/// Decides what follows from a web server's answer to a flow.
#[must_use]
pub fn answered(
    id: &OutboxId,
    answer: &HttpAnswer,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let Some(known) = scene.outbox.get(id) else {
        return Decision::nothing(None, EVENT, Reason::Unknown);
    };
    let mut row = known.clone();
    row.apply(&Report::Accepted { id: answer.status.to_string() }, now, &rules.delivery);
    let mut decision = Decision::default();
    if let Effect::CallHttp(call) = &row.effect
        && row.state != known.state
        && is_current(&call.session, call.act, scene)
    {
        take(&call.session, &Happened::Called(answer.clone()), &mut decision, scene, rules, now);
    }
    decision.explain(None, "DELIVERY", Reason::Accepted);
    decision.outbox.push(row);
    decision
}
