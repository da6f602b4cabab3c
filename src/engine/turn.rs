//! One turn: load what the event can touch, decide, collect.
//!
//! Synchronous and without a clock: the same inputs on the same store come to the same commit.

use std::collections::BTreeSet;

use super::batch::{Batch, Error};
use super::desk;
use super::input::{Reading, Received, Sameness};
use super::load::{add_appointment, add_contact, add_talk, load};
use super::outreach::{self, Shelf};
use super::rows::{self, Cause, Entry, Filed, MessageMeta, Seen};
use crate::clock::Timestamp;
use crate::core::appointment::Appointment;
use crate::core::claim::Claim;
use crate::core::contact::{Contact, FOLLOWED_MAX};
use crate::core::delivery::{Outgoing, Report, State, Tries};
use crate::core::effect::{Effect, Planned};
use crate::core::event::Event;
use crate::core::feed::FeedReport;
use crate::core::gate::first_state;
use crate::core::ids::{Identifier, OutboxId, Seq, SourceName};
use crate::core::phone::PhoneNumber;
use crate::core::reason::{Outcome, Reason};
use crate::core::rules::Rules;
use crate::core::scene::{Decision, Scene};
use crate::core::{decide, ehr, share};
use crate::store::Table;

/// How many waiting texts a phone knows of; what is over is still stopped when it is claimed.
const WAITING_MAX: usize = 64;
/// How many appointments one can come in place of.
const REPLACED_MAX: usize = 4;

/// What every turn of a batch shares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) now: Timestamp,
    pub(crate) shelf: &'a Shelf,
}

impl<'a> Frame<'a> {
    pub(super) const fn around(self) -> outreach::Around<'a> {
        outreach::Around { rules: self.rules, shelf: self.shelf }
    }
}

/// What became of a received message.
#[derive(Debug)]
pub(crate) struct Filing {
    pub(crate) seq: Seq,
    pub(crate) filed: Filed,
    pub(crate) is_repeated: bool,
    pub(crate) outcomes: Vec<Outcome>,
}

/// Takes in a message: repetition, decision per event, journal, quarantine.
pub(crate) fn receive(
    batch: &mut Batch<'_>,
    frame: Frame<'_>,
    seq: Seq,
    received: &Received,
) -> Result<Filing, Error> {
    let digest = match &received.sameness {
        Sameness::Bytes | Sameness::Never => rows::digest(&received.raw),
        Sameness::Content(digest) => digest.clone(),
    };
    let seen_key =
        rows::dedupe(&received.source, &received.sender, &received.trigger, &received.control_id)?;
    let is_heard_always = received.sameness == Sameness::Never;
    let seen = if is_heard_always { None } else { batch.plain(&seen_key)? };
    let seen: Option<Seen> = seen.map(|bytes| rows::decode(Table::Dedupe, &bytes)).transpose()?;
    let mut replay_of = received.replay_of;
    if let Some(seen) = seen.as_ref().filter(|seen| replay_of.is_none() && seen.digest == digest) {
        let is_mended = matches!(seen.filed, Filed::Quarantined(_))
            && !matches!(received.reading, Reading::Fault(_));
        if !is_mended {
            let Seen { seq, filed, .. } = seen.clone();
            return Ok(Filing { seq, filed, is_repeated: true, outcomes: Vec::new() });
        }
        // Sent again until it is understood, and now it is.
        replay_of = Some(seen.seq);
    }
    let (filed, outcomes) = file(batch, frame, seq, received)?;
    let entry = Entry {
        at: frame.now,
        cause: Cause::Message(MessageMeta {
            source: received.source.clone(),
            peer: received.peer.clone(),
            control_id: received.control_id.clone(),
            trigger: received.trigger.clone(),
            sender: received.sender.clone(),
            mapping: received.mapping.clone(),
            mapping_hash: received.mapping_hash.clone(),
            detected: received.detected.clone(),
            trace: received.trace.clone(),
            filed: filed.clone(),
            replay_of,
        }),
        outcomes: outcomes.clone(),
    };
    batch.put_entry(seq, &entry, &received.raw)?;
    settle_quarantine(batch, seq, replay_of, &filed)?;
    // What was read again answers for the message that it repeats.
    let is_first_heard = replay_of.is_none_or(|of| seen.is_some_and(|seen| seen.seq == of));
    if is_first_heard && !is_heard_always {
        let seen = Seen { seq: replay_of.unwrap_or(seq), digest, filed: filed.clone() };
        batch.put_plain(seen_key, Some(rows::encode(&seen)));
    }
    Ok(Filing { seq, filed, is_repeated: false, outcomes })
}

fn file(
    batch: &mut Batch<'_>,
    frame: Frame<'_>,
    seq: Seq,
    received: &Received,
) -> Result<(Filed, Vec<Outcome>), Error> {
    match &received.reading {
        Reading::Claims(claims) => {
            let mut outcomes = Vec::new();
            let mut effects = 0;
            for claim in claims {
                outcomes.extend(claimed(batch, frame, seq, &mut effects, claim)?);
            }
            let count = u32::try_from(claims.len()).unwrap_or(u32::MAX);
            Ok((Filed::Events(count), outcomes))
        }
        Reading::Notified(notified) => {
            let event = Event::Notified(Box::new(notified.clone()));
            let scene = load(batch, frame, seq, &event)?;
            let decision = decide(None, &event, &scene, frame.rules, frame.now);
            let count = u32::try_from(notified.hints.len()).unwrap_or(u32::MAX);
            Ok((Filed::Noted(count), collect(batch, frame, &scene, decision)?))
        }
        Reading::NoEvent(reason) => Ok((Filed::NoEvent(reason.clone()), Vec::new())),
        Reading::Fault(fault) => Ok((Filed::Quarantined(fault.clone()), Vec::new())),
    }
}

fn settle_quarantine(
    batch: &mut Batch<'_>,
    seq: Seq,
    replay_of: Option<Seq>,
    filed: &Filed,
) -> Result<(), Error> {
    match (filed, replay_of) {
        (Filed::Quarantined(fault), None) => {
            batch.put_plain(rows::quarantine(seq)?, Some(rows::encode(fault)));
        }
        // A replay that is understood clears the entry it repeats; one that is not leaves it.
        (Filed::Events(_) | Filed::Noted(_) | Filed::NoEvent(_), Some(of)) => {
            batch.put_plain(rows::quarantine(of)?, None);
        }
        (Filed::Quarantined(fault), Some(of)) => {
            batch.put_plain(rows::quarantine(of)?, Some(rows::encode(fault)));
        }
        (Filed::Events(_) | Filed::Noted(_) | Filed::NoEvent(_), None) => {}
    }
    Ok(())
}

/// Takes one claim of a message, which may be about several rows; `effects` counts what the message
/// has come to so far.
fn claimed(
    batch: &mut Batch<'_>,
    frame: Frame<'_>,
    seq: Seq,
    effects: &mut usize,
    claim: &Claim,
) -> Result<Vec<Outcome>, Error> {
    let mut known = batch.find(&claim.origin.space, &claim.appointment.ids)?;
    if let (None, Some(resource)) = (&known, &claim.appointment.resource) {
        known = batch.find_resource(&claim.origin.source, &resource.id)?;
    }
    let mut register = match &known {
        Some(key) => batch.appointment(key)?,
        None => None,
    };
    let targets = share::targets(claim, register.as_ref(), |key| batch.appointment(key))?;
    let mut outcomes = Vec::new();
    for target in targets {
        // The row at hand is as it is only until the first of the targets is decided.
        let before = match register.take().filter(|row| row.key == target.subject.key) {
            Some(row) => Some(row),
            None => batch.appointment(&target.subject.key)?,
        };
        let mut scene = Scene { seq, effects_before: *effects, ..Scene::default() };
        if let Some(register) = &target.subject.register {
            add_appointment(batch, &mut scene, register)?;
        }
        add_claimed(batch, &mut scene, (before, &target.claim), frame.around())?;
        add_replaced(batch, &mut scene, &target.claim)?;
        if frame.rules.guard.limit(&claim.origin.space).is_some() {
            desk::add_gate(batch, &mut scene, &claim.origin.space)?;
        }
        let event = Event::Claimed(Box::new(target.claim));
        let decision = decide(Some(&target.subject), &event, &scene, frame.rules, frame.now);
        *effects += decision.effects.len().max(decision.tasks.len());
        outcomes.extend(collect(batch, frame, &scene, decision)?);
    }
    Ok(outcomes)
}

/// Adds the row that a claim is about, and of its phones what the claim touches.
fn add_claimed(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    (before, claim): (Option<Appointment>, &Claim),
    around: outreach::Around<'_>,
) -> Result<(), Error> {
    let phones: BTreeSet<PhoneNumber> = ehr::phones(before.as_ref(), claim).cloned().collect();
    let was_dead = before.as_ref().is_some_and(|before| before.patient.deceased);
    if let Some(before) = before {
        desk::add_wished(batch, scene, &before)?;
        scene.appointments.insert(before.key.clone(), before);
    }
    for phone in phones {
        let Some(contact) = batch.contact(&phone)? else { continue };
        if touches_all(claim, was_dead, &contact) {
            add_contact(batch, scene, &phone)?;
            add_talk(batch, scene, &phone, around)?;
            continue;
        }
        for held in &contact.held {
            add_appointment(batch, scene, &held.appointment)?;
        }
        scene.contacts.insert(phone, contact);
    }
    Ok(())
}

/// Adds the appointments in whose place a claim says that its own came.
fn add_replaced(batch: &mut Batch<'_>, scene: &mut Scene, claim: &Claim) -> Result<(), Error> {
    for id in claim.appointment.replaces.iter().take(REPLACED_MAX) {
        let key = match batch.find_resource(&claim.origin.source, id)? {
            Some(key) => Some(key),
            None => {
                let id = Identifier::new(id, Identifier::FILLER);
                batch.find(&claim.origin.space, &[id])?
            }
        };
        if let Some(key) = key {
            add_appointment(batch, scene, &key)?;
        }
    }
    Ok(())
}

/// Whether a claim concerns every appointment of its phone, so that all have to be at hand: news of
/// consent or of a death, and a phone that hears of so many that the past ones have to make room.
fn touches_all(claim: &Claim, was_dead: bool, contact: &Contact) -> bool {
    claim.patient.opted_out.value().is_some()
        || claim.patient.deceased.value().is_some_and(|is_dead| *is_dead != was_dead)
        || contact.appointments.len() >= FOLLOWED_MAX
}

/// Takes any event but a message.
pub(crate) fn act(
    batch: &mut Batch<'_>,
    frame: Frame<'_>,
    seq: Seq,
    event: &Event,
) -> Result<Vec<Outcome>, Error> {
    if let Event::ReplyReceived(reply) = event {
        // The phone remembers its last texts; the poll behind the webhooks brings older ones again.
        let sms = SourceName::new("sms");
        let key = rows::dedupe(&sms, reply.from.as_str(), "", &reply.message_id)?;
        if batch.plain(&key)?.is_some() {
            let repeated = Decision::nothing(None, "REPLY", Reason::Repeated);
            return Ok(repeated.because);
        }
        batch.put_plain(key, Some(rows::encode(&seq)));
    }
    let scene = load(batch, frame, seq, event)?;
    let decision = decide(None, event, &scene, frame.rules, frame.now);
    let outcomes = collect(batch, frame, &scene, decision)?;
    // What a look at a server has seen is an entry of its own; the look is none.
    let is_look = scene.outbox.values().any(|row| matches!(row.effect, Effect::ReadFhir(_)));
    let Some(cause) = cause_of(event, &scene).filter(|_| !is_look) else { return Ok(outcomes) };
    let entry = Entry { at: frame.now, cause, outcomes: outcomes.clone() };
    batch.put_entry(seq, &entry, &[])?;
    Ok(outcomes)
}

fn cause_of(event: &Event, scene: &Scene) -> Option<Cause> {
    match event {
        // Messages have their own way, with their bytes.
        Event::Claimed(_) | Event::Notified(_) => None,
        // A server's own housekeeping changes nothing for anybody.
        Event::FeedReported { report: FeedReport::Resync, .. } => {
            Some(Cause::Operator { action: "resync".to_owned() })
        }
        Event::FeedReported { .. } => None,
        Event::TimerDue { .. } => Some(Cause::Timer),
        Event::ReplyReceived(reply) => {
            Some(Cause::Reply { from: reply.from.clone(), body: reply.body.clone() })
        }
        Event::SendDue { outbox } => Some(Cause::Send { outbox: outbox.clone() }),
        Event::DeliveryReported { outbox, report } => {
            Some(Cause::Delivery { outbox: outbox.clone(), report: report.clone() })
        }
        Event::ConsentSet { opted_out, .. } => {
            let action = if *opted_out { "opt_out" } else { "opt_in" };
            Some(Cause::Operator { action: action.to_owned() })
        }
        Event::TaskMoved { .. } | Event::GateOpened { .. } | Event::HeldMoved { .. } => {
            desk::action(event, scene).map(|action| Cause::Operator { action })
        }
        Event::CampaignMade(new) => {
            let (id, by) = (&new.campaign.id, &new.campaign.by);
            Some(Cause::Operator { action: format!("campaign {id} made by {by}") })
        }
        Event::RecipientsAdded { campaign, recipients } => {
            let action = format!("campaign {campaign}, {} recipients", recipients.len());
            Some(Cause::Operator { action })
        }
        Event::CampaignMoved { campaign, order, by } => {
            let action = format!("campaign {campaign} {} by {by}", order.name());
            Some(Cause::Operator { action })
        }
        Event::CampaignDue { .. } | Event::SessionDue { .. } => Some(Cause::Timer),
        Event::HttpAnswered { outbox, answer } => {
            let report = Report::Accepted { id: answer.status.to_string() };
            Some(Cause::Delivery { outbox: outbox.clone(), report })
        }
        Event::RemindNow { .. } => Some(Cause::Operator { action: "remind".to_owned() }),
    }
}

/// Notes at its phone whether a text waits to be claimed.
fn note_waiting(batch: &mut Batch<'_>, row: &Outgoing) -> Result<(), Error> {
    let Effect::SendSms(sms) = &row.effect else { return Ok(()) };
    let waits = matches!(row.state, State::Ready | State::Held);
    let Some(mut contact) = batch.contact(&sms.to)? else { return Ok(()) };
    let is_news = if waits {
        contact.waiting.len() < WAITING_MAX && contact.waiting.insert(row.id.clone())
    } else {
        contact.waiting.remove(&row.id)
    };
    if is_news { batch.put_contact(contact) } else { Ok(()) }
}

/// Puts a decision's rows into the batch; effects become rows of the outbox.
fn collect(
    batch: &mut Batch<'_>,
    frame: Frame<'_>,
    scene: &Scene,
    mut decision: Decision,
) -> Result<Vec<Outcome>, Error> {
    desk::collect(batch, scene, &mut decision)?;
    outreach::collect(batch, &mut decision)?;
    let (seq, before) = (scene.seq, scene.effects_before);
    for row in decision.appointments {
        batch.put_appointment(row)?;
    }
    for row in decision.contacts {
        batch.put_contact(row)?;
    }
    for row in decision.outbox {
        if let Effect::ReadFhir(read) = &row.effect
            && row.state == State::Accepted
        {
            // What was seen is in the journal; the look itself is nobody's business any more.
            batch.put_plain(rows::planned(read)?, None);
            batch.remove_outgoing(&row.id)?;
            continue;
        }
        note_waiting(batch, &row)?;
        batch.put_outgoing(row)?;
    }
    for row in decision.feeds {
        batch.put_plain(rows::feed(&row.server)?, Some(rows::encode(&row)));
    }
    for (index, planned) in decision.effects.into_iter().enumerate() {
        let id = OutboxId::of(frame.now, seq, before + index);
        if let Effect::ReadFhir(read) = &planned.effect {
            batch.put_plain(rows::planned(read)?, Some(rows::encode(&id)));
        }
        let state = first_state(decision.is_held, &planned.effect);
        let row = Outgoing { state, ..outgoing(id, planned, frame.now) };
        note_waiting(batch, &row)?;
        batch.add_outgoing(row);
    }
    Ok(decision.because)
}

fn outgoing(id: OutboxId, planned: Planned, now: Timestamp) -> Outgoing {
    Outgoing {
        id,
        effect: planned.effect,
        state: State::Ready,
        due: planned.due,
        not_after: planned.not_after,
        attempts: 0,
        created_at: now,
        provider_id: None,
        error: None,
        tries: Tries::default(),
    }
}
