//! What follows from an operator's word on a campaign, and from its moments.
//!
//! A campaign begins its recipients one after the other, so many in a minute; whoever cannot be begun
//! at that moment gets a moment of its own. A stopped campaign goes through its recipients once more,
//! so that none of them is left in a conversation that nobody continues.

use chrono::TimeDelta;

use super::{
    BEGUN_MAX, Campaign, CampaignId, CampaignKind, CampaignState, NewCampaign, Order, Recipient,
    Session, SessionId, SessionState,
};
use crate::clock::Timestamp;
use crate::core::effect::{Task, TaskKind};
use crate::core::flow::{Run, Trigger, TriggerKind};
use crate::core::hours::Hours;
use crate::core::outreach;
use crate::core::reason::Reason;
use crate::core::rules::Rules;
use crate::core::scene::{Decision, Scene};
use crate::phi::Phi;

const EVENT: &str = "CAMPAIGN";

/// How long a campaign waits before it looks again whether its texts have left.
const CROWDED_PAUSE: TimeDelta = TimeDelta::seconds(2);
/// How many first texts may wait to leave, whatever the pace: enough to keep a fast sender busy.
const UNSENT_MIN: u64 = 20;

/// Decides on a new campaign.
#[must_use]
pub fn made(new: &NewCampaign, scene: &Scene) -> Decision {
    if scene.campaigns.contains_key(&new.campaign.id) {
        return Decision::nothing(None, EVENT, Reason::Repeated);
    }
    let mut decision = Decision {
        sources: Some((new.campaign.program.clone(), new.sources.clone())),
        campaigns: vec![new.campaign.clone()],
        ..Decision::default()
    };
    decision.explain(None, EVENT, Reason::CampaignIs(new.campaign.state));
    decision
}

/// Decides on recipients that are to be added.
#[must_use]
pub fn added(
    id: &CampaignId,
    recipients: &[Recipient],
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let Some(campaign) = scene.campaigns.get(id) else {
        return Decision::nothing(None, EVENT, Reason::Unknown);
    };
    if recipients.is_empty() && campaign.state == CampaignState::Loading {
        // That was the last of them.
        let whole = Campaign { is_whole: true, ..campaign.clone() };
        let mut decision = Decision { campaigns: vec![whole], ..Decision::default() };
        decision.explain(None, EVENT, Reason::RecipientsAdded(0));
        return decision;
    }
    let takes = match campaign.kind {
        CampaignKind::List => campaign.state == CampaignState::Loading,
        CampaignKind::Standing => {
            matches!(campaign.state, CampaignState::Running | CampaignState::Paused)
        }
    };
    if !takes {
        return Decision::nothing(None, EVENT, Reason::CampaignIs(campaign.state));
    }
    let mut decision = Decision::default();
    let mut count = 0;
    for recipient in recipients {
        let span = scene.program(id).and_then(|program| program.expires_after());
        let until = now + span.unwrap_or(rules.outreach.expires_after);
        let session = session(campaign, recipient, &rules.outreach.sender, until);
        let is_known = scene.sessions.contains_key(&session.id)
            || decision.sessions.iter().any(|known| known.id == session.id);
        if is_known {
            continue;
        }
        count += 1;
        let id = session.id.clone();
        decision.sessions.push(session);
        if let Some(campaign) = decision.campaign(&id.campaign, scene) {
            campaign.last = campaign.last.max(id.row);
            campaign.tally.add(SessionState::Waiting);
        }
        if campaign.kind == CampaignKind::Standing {
            outreach::begin(&id, &mut decision, scene, rules, now);
        }
    }
    decision.explain(None, EVENT, Reason::RecipientsAdded(count));
    decision
}

fn session(campaign: &Campaign, recipient: &Recipient, sender: &str, until: Timestamp) -> Session {
    let id = SessionId { campaign: campaign.id.clone(), row: recipient.row };
    let trigger = Trigger {
        kind: TriggerKind::Request,
        to: recipient.phone.as_str().to_owned(),
        from: sender.to_owned(),
        data: recipient.data.clone(),
        sid: execution_sid(&id),
        language: recipient.language.clone(),
    };
    Session {
        phone: recipient.phone.clone(),
        state: SessionState::Waiting,
        run: Run::new(trigger),
        due: None,
        generation: 0,
        not_after: match campaign.kind {
            CampaignKind::List => campaign.not_after,
            CampaignKind::Standing => until,
        },
        started_at: None,
        ended_at: None,
        heard_at: None,
        unanswered: 0,
        texts: 0,
        id,
    }
}

/// The id of a run in the form of Studio's: `FN` and 32 hexadecimal digits.
#[must_use]
pub fn execution_sid(id: &SessionId) -> String {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(id.to_string().as_bytes());
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("FN{hex}")
}

/// Decides on an operator's order.
#[must_use]
pub fn moved(id: &CampaignId, order: Order, by: &str, scene: &Scene, now: Timestamp) -> Decision {
    let Some(known) = scene.campaigns.get(id) else {
        return Decision::nothing(None, EVENT, Reason::Unknown);
    };
    // A list that nobody has time for any more would only expire.
    let is_late = known.kind == CampaignKind::List && now >= known.not_after;
    let is_refused = order == Order::Start && (!known.is_whole || is_late);
    let again = known.kind == CampaignKind::Standing
        && (known.state, order) == (CampaignState::Stopped, Order::Resume);
    let state = if again { Some(CampaignState::Running) } else { after(known.state, order) };
    let Some(state) = state.filter(|_| !is_refused) else {
        return Decision::nothing(None, EVENT, Reason::CampaignIs(known.state));
    };
    let mut campaign = known.clone();
    campaign.state = state;
    campaign.generation += 1;
    by.clone_into(&mut campaign.by);
    campaign.due = match state {
        CampaignState::Running | CampaignState::Stopped => Some(now),
        CampaignState::Loading | CampaignState::Paused | CampaignState::Finished => None,
    };
    if order == Order::Start {
        campaign.started_at = Some(now);
    }
    if order == Order::Stop {
        campaign.ended_at = Some(now);
    }
    let mut decision = Decision { campaigns: vec![campaign], ..Decision::default() };
    decision.explain(None, EVENT, Reason::CampaignIs(state));
    decision
}

/// What a campaign is after an order, if it can be followed.
const fn after(state: CampaignState, order: Order) -> Option<CampaignState> {
    match (state, order) {
        (CampaignState::Loading, Order::Start) | (CampaignState::Paused, Order::Resume) => {
            Some(CampaignState::Running)
        }
        (CampaignState::Running, Order::Pause) => Some(CampaignState::Paused),
        (CampaignState::Loading | CampaignState::Running | CampaignState::Paused, Order::Stop) => {
            Some(CampaignState::Stopped)
        }
        (
            CampaignState::Loading
            | CampaignState::Running
            | CampaignState::Paused
            | CampaignState::Stopped
            | CampaignState::Finished,
            Order::Start | Order::Pause | Order::Resume | Order::Stop,
        ) => None,
    }
}

/// Begins the recipients whose turn it is, or goes through those of a stopped campaign.
#[must_use]
pub fn due(
    id: &CampaignId,
    generation: u32,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let known = scene.campaigns.get(id).filter(|known| known.generation == generation);
    let Some(known) = known else { return Decision::nothing(None, EVENT, Reason::Void) };
    match known.state {
        CampaignState::Stopped => sweep(known, scene, now),
        CampaignState::Running => begin_some(known, scene, rules, now),
        CampaignState::Loading | CampaignState::Paused | CampaignState::Finished => {
            Decision::nothing(None, EVENT, Reason::CampaignIs(known.state))
        }
    }
}

fn begin_some(known: &Campaign, scene: &Scene, rules: &Rules, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    let opening = Hours::at(rules.practice.zone, rules.reminders.window).next_opening(now);
    let is_crowded = known.unsent >= UNSENT_MIN.max(u64::from(known.per_minute));
    let pause = if is_crowded { opening.max(now + CROWDED_PAUSE) } else { opening };
    if pause > now && now < known.not_after {
        if let Some(campaign) = decision.campaign(&known.id, scene) {
            campaign.due = Some(pause);
        }
        decision.explain(None, EVENT, Reason::Postponed);
        return decision;
    }
    if !scene.programs.contains_key(&known.program) {
        return pause_unread(known, scene, now);
    }
    let (count, interval) = pace(known.per_minute);
    let turn: Vec<SessionId> = rows_of(known, scene).take(count).cloned().collect();
    for id in &turn {
        outreach::begin(id, &mut decision, scene, rules, now);
    }
    if let Some(campaign) = decision.campaign(&known.id, scene) {
        campaign.begun = turn.last().map_or(campaign.begun, |last| last.row);
        campaign.due = (campaign.begun < campaign.last).then(|| now + interval);
    }
    outreach::finish(&known.id, &mut decision, scene, now);
    let begun = u64::try_from(turn.len()).unwrap_or(u64::MAX);
    decision.explain(None, EVENT, Reason::RecipientsBegun(begun));
    decision
}

/// Pauses a campaign whose flow this version cannot read: nobody is given up for that.
fn pause_unread(known: &Campaign, scene: &Scene, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    if let Some(campaign) = decision.campaign(&known.id, scene) {
        campaign.state = CampaignState::Paused;
        campaign.due = None;
        campaign.generation += 1;
    }
    decision.tasks.push(Task {
        kind: TaskKind::Outreach,
        appointment: None,
        phone: None,
        note: Phi::new(format!("campaign {} is paused: its flow cannot be read", known.id)),
        at: now,
    });
    decision.explain(None, EVENT, Reason::CampaignIs(CampaignState::Paused));
    decision
}

fn sweep(known: &Campaign, scene: &Scene, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    let turn: Vec<SessionId> = rows_of(known, scene).cloned().collect();
    for id in &turn {
        outreach::end(id, SessionState::Stopped, &mut decision, scene, now);
    }
    if let Some(campaign) = decision.campaign(&known.id, scene) {
        campaign.swept = turn.last().map_or(campaign.swept, |last| last.row);
        campaign.due = (turn.len() >= BEGUN_MAX).then_some(now);
    }
    decision.explain(None, EVENT, Reason::CampaignIs(known.state));
    decision
}

fn rows_of<'a>(campaign: &'a Campaign, scene: &'a Scene) -> impl Iterator<Item = &'a SessionId> {
    scene.sessions.keys().filter(|id| id.campaign == campaign.id)
}

/// How many recipients are begun at a time, and how far apart the times are.
pub(crate) fn pace(per_minute: u32) -> (usize, TimeDelta) {
    let per_minute = per_minute.max(1);
    let count = per_minute.div_ceil(60).min(u32::try_from(BEGUN_MAX).unwrap_or(u32::MAX));
    let interval = interval(per_minute) * i32::try_from(count).unwrap_or(1);
    (usize::try_from(count).unwrap_or(1), interval)
}

/// The time from one recipient to the next.
pub(in crate::core) fn interval(per_minute: u32) -> TimeDelta {
    TimeDelta::microseconds(60_000_000 / i64::from(per_minute.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_kept_whether_slow_or_fast() {
        for per_minute in [1, 7, 30, 60, 61, 300, 6_000, 60_000] {
            let (count, interval) = pace(per_minute);
            let in_a_minute = 60_000_000.0 / interval.as_seconds_f64() / 1e6;
            let begun = in_a_minute * f64::from(u32::try_from(count).unwrap());
            let ratio = begun / f64::from(per_minute);
            assert!((0.99..1.01).contains(&ratio), "{per_minute}: {begun}");
            assert!((1..=BEGUN_MAX).contains(&count));
        }
    }
}
