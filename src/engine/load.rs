//! Loading for a turn: the rows that an event can touch, as a scene.

use super::batch::{Batch, Error};
use super::turn::Frame;
use super::{desk, outreach, rows};
use crate::core::appointment::Appointment;
use crate::core::delivery::State;
use crate::core::effect::{Effect, ReadAt};
use crate::core::event::Event;
use crate::core::gate::gate_of;
use crate::core::ids::{AppointmentKey, OutboxId, Seq, SourceName};
use crate::core::phone::PhoneNumber;
use crate::core::scene::Scene;
use crate::store::Table;

/// Loads what an event can touch.
pub(super) fn load(
    batch: &mut Batch<'_>,
    frame: Frame<'_>,
    seq: Seq,
    event: &Event,
) -> Result<Scene, Error> {
    let around = frame.around();
    let mut scene = Scene { seq, ..Scene::default() };
    match event {
        Event::Claimed(_) => {}
        Event::TimerDue { appointment, .. } | Event::RemindNow { appointment } => {
            if let Some(found) = add_appointment(batch, &mut scene, appointment)?
                && let Some(phone) = found.patient.phone
            {
                add_contact(batch, &mut scene, &phone)?;
            }
        }
        Event::Notified(notified) => {
            add_feed(batch, &mut scene, &notified.server)?;
            for what in &notified.hints {
                let read = ReadAt { server: notified.server.clone(), what: what.clone() };
                add_planned(batch, &mut scene, read)?;
            }
        }
        Event::FeedReported { server, .. } => add_feed(batch, &mut scene, server)?,
        Event::ReplyReceived(reply) => {
            add_contact(batch, &mut scene, &reply.from)?;
            add_talk(batch, &mut scene, &reply.from, around)?;
        }
        Event::ConsentSet { phone, .. } => {
            add_contact(batch, &mut scene, phone)?;
            add_talk(batch, &mut scene, phone, around)?;
        }
        Event::TaskMoved { .. } | Event::GateOpened { .. } | Event::HeldMoved { .. } => {
            desk::add(batch, &mut scene, event)?;
        }
        Event::CampaignMade(new) => {
            outreach::add_campaign(batch, &mut scene, &new.campaign.id, around)?;
        }
        Event::CampaignMoved { campaign, .. } => {
            outreach::add_campaign(batch, &mut scene, campaign, around)?;
        }
        Event::RecipientsAdded { campaign, recipients } => {
            outreach::add_recipients(batch, &mut scene, (campaign, recipients), around)?;
        }
        Event::CampaignDue { campaign, .. } => {
            outreach::add_turn(batch, &mut scene, campaign, around)?;
        }
        Event::SessionDue { session, .. } => {
            outreach::add_session(batch, &mut scene, session, around)?;
        }
        Event::SendDue { outbox }
        | Event::DeliveryReported { outbox, .. }
        | Event::HttpAnswered { outbox, .. } => {
            add_outgoing(batch, &mut scene, outbox, around)?;
        }
    }
    Ok(scene)
}

pub(super) fn add_appointment(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    key: &AppointmentKey,
) -> Result<Option<Appointment>, Error> {
    let found = batch.appointment(key)?;
    if let Some(found) = &found {
        scene.appointments.insert(key.clone(), found.clone());
    }
    Ok(found)
}

/// Adds a phone and the appointments that it hears of.
pub(super) fn add_contact(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    phone: &PhoneNumber,
) -> Result<(), Error> {
    let Some(contact) = batch.contact(phone)? else { return Ok(()) };
    for key in &contact.appointments {
        add_appointment(batch, scene, key)?;
    }
    for id in &contact.waiting {
        let Some(row) = batch.outgoing(id)? else { continue };
        if let (State::Held, Some(source)) = (row.state, gate_of(&row)) {
            desk::add_gate(batch, scene, &source)?;
        }
        scene.outbox.insert(id.clone(), row);
    }
    scene.contacts.insert(phone.clone(), contact);
    Ok(())
}

/// Adds the campaign's conversation that a phone is in.
pub(super) fn add_talk(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    phone: &PhoneNumber,
    around: outreach::Around<'_>,
) -> Result<(), Error> {
    let talk = scene.contacts.get(phone).and_then(|contact| contact.talk.clone());
    talk.map_or(Ok(()), |talk| outreach::add_session(batch, scene, &talk.session, around))
}

fn add_outgoing(
    batch: &mut Batch<'_>,
    scene: &mut Scene,
    id: &OutboxId,
    around: outreach::Around<'_>,
) -> Result<(), Error> {
    let Some(row) = batch.outgoing(id)? else { return Ok(()) };
    match &row.effect {
        Effect::SendSms(sms) => {
            for about in &sms.about {
                add_appointment(batch, scene, &about.appointment)?;
            }
            // What the provider says of consent concerns all of the phone's appointments.
            add_contact(batch, scene, &sms.to)?;
            if let Some(text) = &sms.outreach {
                outreach::add_session(batch, scene, &text.session, around)?;
            }
            add_talk(batch, scene, &sms.to, around)?;
        }
        Effect::SendHl7(write_back)
        | Effect::UpdateFhir(write_back)
        | Effect::PostJson(write_back) => {
            add_appointment(batch, scene, &write_back.appointment)?;
        }
        Effect::CallHttp(call) => outreach::add_session(batch, scene, &call.session, around)?,
        Effect::ReadFhir(_) => {}
    }
    if let Some(source) = gate_of(&row) {
        desk::add_gate(batch, scene, &source)?;
    }
    scene.outbox.insert(id.clone(), row);
    Ok(())
}

fn add_feed(batch: &mut Batch<'_>, scene: &mut Scene, server: &SourceName) -> Result<(), Error> {
    if let Some(row) = batch.plain(&rows::feed(server)?)? {
        scene.feeds.insert(server.clone(), rows::decode(Table::Feed, &row)?);
    }
    Ok(())
}

/// Adds a look that waits to be taken; one that has begun may have seen less than there is now.
fn add_planned(batch: &mut Batch<'_>, scene: &mut Scene, read: ReadAt) -> Result<(), Error> {
    let Some(row) = batch.plain(&rows::planned(&read)?)? else { return Ok(()) };
    let id: OutboxId = rows::decode(Table::Feed, &row)?;
    if batch.outgoing(&id)?.is_some_and(|row| row.state == State::Ready) {
        scene.planned.insert(read);
    }
    Ok(())
}
