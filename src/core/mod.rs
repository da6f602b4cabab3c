//! Pure decisions: state, event, rules and the time in; new state, effects and a reason out.
//!
//! Nothing here can block or fail: no socket, store, clock or randomness. [`decide`] is the only
//! door; whatever changes an appointment passes through it.

pub mod appointment;
pub mod campaign;
pub mod claim;
mod compare;
pub mod consent;
pub mod contact;
pub mod conversation;
pub mod delivery;
pub mod effect;
pub mod ehr;
pub mod event;
pub mod feed;
pub mod field;
pub mod flow;
pub mod gate;
pub mod hours;
pub mod ids;
pub mod local_time;
mod merge;
pub mod message;
pub mod outreach;
pub mod phone;
pub mod reason;
pub mod reminder;
pub mod reply;
pub mod rules;
pub mod scene;
pub mod select;
pub mod sending;
pub mod share;
pub mod task;
pub mod timer;

use crate::clock::Timestamp;
use event::Event;
use rules::Rules;
use scene::{Decision, Scene};
use share::Subject;

/// Decides what follows from an event.
///
/// `subject` is the row that a claim is about, as [`share::targets`] finds it; without it a claim is
/// about an appointment that nobody has heard of.
#[must_use]
pub fn decide(
    subject: Option<&Subject>,
    event: &Event,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    match event {
        Event::Claimed(claim) => {
            let mut decision = ehr::decide(subject, claim, scene, rules, now);
            task::settle(scene, now, &mut decision);
            gate::count(claim, scene, rules, now, &mut decision);
            outreach::end_all_for_consent(&mut decision, scene, now);
            decision
        }
        Event::TimerDue { appointment, generation } => {
            timer::decide(appointment, *generation, scene, rules, now)
        }
        Event::ReplyReceived(reply) => conversation::decide(reply, scene, rules, now),
        Event::SendDue { outbox } => sending::claim(outbox, scene, rules, now),
        Event::DeliveryReported { outbox, report } => {
            sending::report(outbox, report, scene, rules, now)
        }
        Event::Notified(notified) => feed::hear(notified, scene, rules, now),
        Event::FeedReported { server, report } => feed::report(server, report, scene, now),
        Event::ConsentSet { phone, programme, opted_out } => {
            consent::set(phone, *programme, *opted_out, scene, now)
        }
        Event::TaskMoved { id, to, by } => task::moved(*id, *to, by, scene, now),
        Event::GateOpened { source, word } => gate::open(source, *word, scene, now),
        Event::HeldMoved { source, word, ids } => gate::moved(source, *word, ids, scene, now),
        Event::RemindNow { appointment } => timer::remind_now(appointment, scene, rules, now),
        Event::CampaignMade(new) => campaign::made(new, scene),
        Event::RecipientsAdded { campaign, recipients } => {
            campaign::added(campaign, recipients, scene, rules, now)
        }
        Event::CampaignMoved { campaign, order, by } => {
            campaign::moved(campaign, *order, by, scene, now)
        }
        Event::CampaignDue { campaign, generation } => {
            campaign::due(campaign, *generation, scene, rules, now)
        }
        Event::SessionDue { session, generation } => {
            outreach::due(session, *generation, scene, rules, now)
        }
        Event::HttpAnswered { outbox, answer } => {
            outreach::answered(outbox, answer, scene, rules, now)
        }
    }
}
