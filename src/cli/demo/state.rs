//! Everything that the demo's page shows, as one JSON object.
//!
//! Reads the stand-ins and the daemon's reading side; changes nothing. Names and texts go out as
//! they are: the page is on loopback, and everybody in it is invented.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::campaign::{self, campaign_json, campaigns};
use super::page::{Desk, LOCATIONS, time, working_day};
use crate::clock::Timestamp;
use crate::core::appointment::{Appointment, Status, Timer, TimerKind, Wish, WishKind, WishState};
use crate::core::campaign::{Campaign, Session};
use crate::core::delivery::{Outgoing, State};
use crate::core::effect::{Effect, TaskKind};
use crate::core::ids::{OutboxId, Seq};
use crate::core::phone::{PhoneNumber, Region};
use crate::core::reason::{Outcome, Reason};
use crate::engine::rows::{Cause, Entry, Filed};
use crate::engine::view::{Filter, Subject, View};
use crate::sim::ehr::{Line, SimAppointment};
use crate::sim::phone::{Direction, Text};

/// How many rows of a kind are shown.
const ROWS_MAX: usize = 100;
/// How many lines of an appointment's history are shown.
const HISTORY_MAX: usize = 40;

/// Something that will happen by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Moment {
    at: Timestamp,
    what: String,
    patient: String,
}

/// Renders everything.
///
/// # Errors
/// If the store cannot be read.
pub(super) fn render(desk: &Desk) -> Result<Value, String> {
    let now = desk.clock.now();
    let view = desk.handle.view();
    let appointments = appointments(&view)?;
    let waiting = waiting(&view)?;
    let campaigns = campaigns(&view)?;
    let moments = moments(&appointments, &waiting, &campaigns);
    let next = moments.iter().find(|moment| moment.at > now).map(moment_json);
    let engine: Result<Vec<Value>, String> =
        appointments.iter().rev().map(|row| engine_json(&view, row, &waiting, now)).collect();
    let tasks = view.query(Subject::Tasks, &filter()).map_err(|error| error.to_string())?;
    Ok(json!({
        "now": now,
        "zone": desk.zone.to_string(),
        "by_fhir": desk.ehr.is_fhir(),
        "next": next,
        "suggested_start": working_day(desk.zone.date(now), 5)
            .and_time(time(14, 30)).format("%Y-%m-%dT%H:%M").to_string(),
        "locations": LOCATIONS.map(|(code, name)| json!({ "code": code, "name": name })),
        "ehr": desk.ehr.appointments().iter().rev().map(booked_json).collect::<Vec<_>>(),
        "messages": desk.ehr.transcript().iter().enumerate().rev().take(ROWS_MAX)
            .map(|(index, line)| line_json(index, line)).collect::<Vec<_>>(),
        "phones": phones(desk, &view, &campaigns)?,
        "flows": campaign::FLOWS.map(|(name, what)| json!({ "name": name, "what": what })),
        "campaigns": campaigns.iter().map(|(row, people)| campaign_json(row, people))
            .collect::<Vec<_>>(),
        "engine": engine?,
        "others": others(&view, &appointments)?,
        "tasks": tasks.iter().map(|row| task_json(row, &appointments)).collect::<Vec<_>>(),
    }))
}

/// When something will happen by itself next.
pub(super) fn next_after(desk: &Desk, now: Timestamp) -> Option<Timestamp> {
    planned(desk).0.into_iter().map(|moment| moment.at).find(|at| *at > now)
}

/// Whether the daemon has something to do at this moment, or is doing it.
pub(super) fn is_busy(desk: &Desk) -> bool {
    let now = desk.clock.now();
    let (moments, waiting) = planned(desk);
    moments.iter().any(|moment| moment.at <= now)
        || waiting.iter().any(|row| row.state == State::Sending)
}

fn planned(desk: &Desk) -> (Vec<Moment>, Vec<Outgoing>) {
    let view = desk.handle.view();
    let appointments = appointments(&view).unwrap_or_default();
    let waiting = waiting(&view).unwrap_or_default();
    let campaigns = campaigns(&view).unwrap_or_default();
    (moments(&appointments, &waiting, &campaigns), waiting)
}

/// The phones that somebody in the book has, in the order of the bookings, and then those of the
/// campaigns' recipients.
pub(super) fn numbers(desk: &Desk) -> Vec<PhoneNumber> {
    let campaigns = campaigns(&desk.handle.view()).unwrap_or_default();
    owners(desk, &campaigns).into_iter().map(|(number, _)| number).collect()
}

fn filter() -> Filter {
    Filter { limit: ROWS_MAX, ..Filter::default() }
}

/// The daemon's appointments, in the order in which they were heard of.
fn appointments(view: &View) -> Result<Vec<Appointment>, String> {
    let rows = view.query(Subject::Appointments, &filter()).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for key in rows.iter().filter_map(|row| row.get("key")?.as_str()) {
        found.extend(view.appointment(key).map_err(|error| error.to_string())?);
    }
    found.sort_by_key(|row| (row.created_at, row.key.clone()));
    Ok(found)
}

/// Effects that are not done with.
fn waiting(view: &View) -> Result<Vec<Outgoing>, String> {
    let mut found = Vec::new();
    for state in [State::Ready, State::Sending, State::InDoubt] {
        let filter = Filter { status: Some(state.name().to_owned()), ..filter() };
        let rows = view.query(Subject::Outbox, &filter).map_err(|error| error.to_string())?;
        for id in rows.iter().filter_map(|row| row.get("id")?.as_str()) {
            let row = view.outgoing(&OutboxId::new(id)).map_err(|error| error.to_string())?;
            found.extend(row.filter(|row| !row.state.is_final()));
        }
    }
    found.sort_by_key(|row| row.due);
    Ok(found)
}

/// All that will happen by itself, the earliest first; what is overdue is part of it.
///
/// An effect that is being performed is none: its time is only that of its being missed.
fn moments(
    appointments: &[Appointment],
    waiting: &[Outgoing],
    campaigns: &[(Campaign, Vec<Session>)],
) -> Vec<Moment> {
    let mut moments: Vec<Moment> = waiting
        .iter()
        .filter(|row| row.state != State::Sending)
        .map(|row| Moment {
            at: row.due,
            what: effect_name(&row.effect),
            patient: appointments
                .iter()
                .find(|known| is_about(row, known))
                .map(patient_name)
                .unwrap_or_default(),
        })
        .collect();
    for (row, people) in campaigns {
        moments.extend(row.due.map(|at| Moment {
            at,
            what: "the campaign goes on".to_owned(),
            patient: String::new(),
        }));
        moments.extend(people.iter().filter_map(|person| {
            let patient = campaign::name(person);
            Some(Moment { at: person.due?, what: "no answer to the campaign".to_owned(), patient })
        }));
    }
    for row in appointments {
        moments.extend(row.timers.iter().map(|timer| Moment {
            at: timer.due,
            what: timer_name(*timer),
            patient: patient_name(row),
        }));
    }
    moments.sort_by_key(|moment| moment.at);
    moments
}

fn is_about(row: &Outgoing, appointment: &Appointment) -> bool {
    match &row.effect {
        Effect::SendSms(sms) => sms.about.iter().any(|about| about.appointment == appointment.key),
        Effect::ReadFhir(_) | Effect::CallHttp(_) => false,
        Effect::SendHl7(write_back)
        | Effect::UpdateFhir(write_back)
        | Effect::PostJson(write_back) => write_back.appointment == appointment.key,
    }
}

fn moment_json(moment: &Moment) -> Value {
    json!({ "at": moment.at, "what": moment.what, "patient": moment.patient })
}

fn timer_name(timer: Timer) -> String {
    match timer.kind {
        TimerKind::Reminder(index) => format!("reminder {}", u16::from(index) + 1),
        TimerKind::Expire => "end of the visit".to_owned(),
    }
}

fn effect_name(effect: &Effect) -> String {
    match effect {
        Effect::SendSms(sms) => format!("text “{}”", sms.kind.name().replace('_', " ")),
        Effect::ReadFhir(_) => "a look at the EHR".to_owned(),
        Effect::CallHttp(_) => "a question to a web server".to_owned(),
        Effect::SendHl7(write_back)
        | Effect::UpdateFhir(write_back)
        | Effect::PostJson(write_back) => match write_back.wish {
            WishKind::Confirm => "confirmation to the EHR".to_owned(),
            WishKind::Cancel => "cancellation to the EHR".to_owned(),
        },
    }
}

fn patient_name(row: &Appointment) -> String {
    let part = |name: &Option<crate::phi::Phi<String>>| {
        name.as_ref().map(|name| name.expose().clone()).unwrap_or_default()
    };
    format!("{} {}", part(&row.patient.given), part(&row.patient.family)).trim().to_owned()
}

fn place_name(code: &str) -> &str {
    LOCATIONS.iter().find(|(known, _)| *known == code).map_or(code, |(_, name)| *name)
}

fn booked_json(row: &SimAppointment) -> Value {
    json!({
        "id": row.id,
        "patient": format!("{} {}", row.patient.given, row.patient.family),
        "phone": row.patient.phone,
        "start": row.start.format("%Y-%m-%dT%H:%M").to_string(),
        "location": row.location,
        "location_name": place_name(&row.location),
        "status": row.status,
        "is_open": !matches!(row.status.as_str(), "Cancelled" | "Noshow"),
    })
}

fn line_json(index: usize, line: &Line) -> Value {
    let segments: Vec<&str> = line.text.split(['\r', '\n']).filter(|s| !s.is_empty()).collect();
    json!({
        "index": index,
        "from": line.from,
        "at": line.at,
        "trigger": line.trigger,
        "answer": line.answer,
        "segments": segments,
    })
}

/// Each phone with the names of those who have it, in the order of the bookings.
fn owners(desk: &Desk, campaigns: &[(Campaign, Vec<Session>)]) -> Vec<(PhoneNumber, Vec<String>)> {
    let mut owners: Vec<(PhoneNumber, Vec<String>)> = Vec::new();
    let booked = desk.ehr.appointments().into_iter().filter_map(|row| {
        let number = PhoneNumber::parse(&row.patient.phone, Region::US).ok()?;
        Some((number, format!("{} {}", row.patient.given, row.patient.family)))
    });
    let people = campaigns.iter().flat_map(|(_, people)| people);
    let asked = people.map(|person| (person.phone.clone(), campaign::name(person)));
    for (number, name) in booked.chain(asked) {
        match owners.iter_mut().find(|(known, _)| *known == number) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => owners.push((number, vec![name])),
        }
    }
    owners
}

fn phones(
    desk: &Desk,
    view: &View,
    campaigns: &[(Campaign, Vec<Session>)],
) -> Result<Vec<Value>, String> {
    let mut by_phone: BTreeMap<PhoneNumber, Vec<Text>> = BTreeMap::new();
    for text in desk.carrier.all_texts() {
        by_phone.entry(text.phone().clone()).or_default().push(text);
    }
    let mut phones = Vec::new();
    for (number, names) in owners(desk, campaigns) {
        let contact = view.contact(&number).map_err(|error| error.to_string())?;
        let texts = by_phone.remove(&number).unwrap_or_default();
        let skipped = texts.len().saturating_sub(ROWS_MAX);
        phones.push(json!({
            "phone": number.as_str(),
            "names": names,
            "opted_out": contact.is_some_and(|contact| contact.consent.opted_out),
            "blocked": desk.carrier.is_opted_out(&number),
            "bubbles": texts.iter().skip(skipped).map(bubble_json).collect::<Vec<_>>(),
        }));
    }
    Ok(phones)
}

fn bubble_json(text: &Text) -> Value {
    json!({
        "sid": text.sid.as_str(),
        "side": match text.direction {
            Direction::Inbound => "patient",
            Direction::OutboundApi => "practice",
            Direction::OutboundReply => "carrier",
        },
        "body": text.body.expose(),
        "status": text.status.as_str(),
        "error_code": text.error_code,
        "segments": text.segments,
        "at": text.at,
    })
}

fn engine_json(
    view: &View,
    row: &Appointment,
    waiting: &[Outgoing],
    now: Timestamp,
) -> Result<Value, String> {
    let own = waiting.iter().filter(|waits| is_about(waits, row));
    let mut history = Vec::new();
    let mut told = BTreeSet::new();
    for seq in row.history.iter().rev().take(HISTORY_MAX) {
        let Some((entry, _)) = view.entry(*seq).map_err(|error| error.to_string())? else {
            continue;
        };
        if !is_step(&entry, &mut told) {
            history.extend(entry_json(view, *seq, &entry, Some(row)));
        }
    }
    let location = row.location.as_ref().map(|location| place_name(&location.code));
    Ok(json!({
        "key": row.key,
        "patient": patient_name(row),
        "phone": row.patient.phone,
        "start": row.start.as_ref().map(|start| start.instant),
        "location": location,
        "status": row.status,
        "is_open": row.status.is_open() || row.status == Status::Pending,
        "disposition": row.disposition.to_string(),
        "wish": row.wish.as_ref().map(wish_json),
        "timers": row.timers.iter()
            .map(|timer| json!({ "at": timer.due, "what": timer_name(*timer) }))
            .collect::<Vec<_>>(),
        "waiting": own
            .map(|waits| json!({
                "at": waits.due, "what": effect_name(&waits.effect),
                "is_due": waits.due <= now || waits.state == State::Sending,
            }))
            .collect::<Vec<_>>(),
        "history": history,
    }))
}

fn wish_json(wish: &Wish) -> Value {
    json!({
        "kind": match wish.kind {
            WishKind::Confirm => "is coming",
            WishKind::Cancel => "is not coming",
        },
        "state": match &wish.state {
            WishState::Requested => "noted",
            WishState::Sent(_) => "sent to the EHR",
            WishState::Acknowledged(_) => "taken by the EHR",
            WishState::Reflected => "the EHR says so itself",
            WishState::Failed => "failed; staff have a task",
        },
    })
}

/// What patients wrote and the EHR sent that changed no appointment, the last first.
fn others(view: &View, appointments: &[Appointment]) -> Result<Vec<Value>, String> {
    let told: BTreeSet<Seq> = appointments.iter().flat_map(|row| row.history.clone()).collect();
    let rows = view.query(Subject::History, &filter()).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    let seqs = rows.iter().filter_map(|row| row.get("seq")?.as_u64()).map(Seq);
    for seq in seqs.filter(|seq| !told.contains(seq)) {
        let Some((entry, _)) = view.entry(seq).map_err(|error| error.to_string())? else {
            continue;
        };
        match &entry.cause {
            Cause::Message(_) | Cause::Reply { .. } => {
                lines.extend(entry_json(view, seq, &entry, None));
            }
            Cause::Timer | Cause::Send { .. } | Cause::Delivery { .. } | Cause::Operator { .. } => {
            }
        }
    }
    lines.truncate(HISTORY_MAX);
    Ok(lines)
}

/// The lines of an entry, or of it those that concern an appointment, the last first.
fn entry_json(view: &View, seq: Seq, entry: &Entry, row: Option<&Appointment>) -> Vec<Value> {
    let cause = cause_name(view, &entry.cause);
    entry
        .outcomes
        .iter()
        .rev()
        .filter(|outcome| match (row, &outcome.appointment) {
            (Some(row), Some(key)) => *key == row.key,
            (Some(_) | None, _) => true,
        })
        .map(|outcome| {
            json!({
                "seq": seq,
                "at": entry.at,
                "cause": cause,
                "event": outcome.event,
                "because": outcome.because.to_string(),
            })
        })
        .collect()
}

/// Whether an entry is but a step to a later one about the same effect, which tells more.
fn is_step(entry: &Entry, told: &mut BTreeSet<OutboxId>) -> bool {
    let (Cause::Send { outbox } | Cause::Delivery { outbox, .. }) = &entry.cause else {
        return false;
    };
    let is_progress = |outcome: &Outcome| {
        matches!(outcome.because, Reason::Sending | Reason::Accepted | Reason::Delivered)
    };
    !told.insert(outbox.clone()) && entry.outcomes.iter().all(is_progress)
}

fn cause_name(view: &View, cause: &Cause) -> String {
    let effect = |id: &OutboxId| {
        let row = view.outgoing(id).ok().flatten();
        row.map_or_else(|| "effect".to_owned(), |row| effect_name(&row.effect))
    };
    match cause {
        Cause::Message(meta) => match meta.filed {
            Filed::Events(_) | Filed::Noted(_) | Filed::NoEvent(_) => {
                format!("EHR: {}", meta.trigger)
            }
            Filed::Quarantined(_) => format!("EHR: {}, not understood", meta.trigger),
        },
        Cause::Timer => "timer".to_owned(),
        Cause::Reply { body, .. } => format!("patient: “{}”", body.expose()),
        Cause::Send { outbox } | Cause::Delivery { outbox, .. } => effect(outbox),
        Cause::Operator { action } => format!("operator: {action}"),
    }
}

fn task_json(row: &Value, appointments: &[Appointment]) -> Value {
    let key = row.get("appointment").and_then(Value::as_str);
    let phone = row.get("phone").and_then(Value::as_str);
    let known = appointments.iter().find(|known| match key {
        Some(key) => known.key.as_str() == key,
        None => known.patient.phone.as_ref().map(PhoneNumber::as_str) == phone,
    });
    let kind = row.get("kind").and_then(|kind| serde_json::from_value(kind.clone()).ok());
    json!({
        "seq": row.get("seq"),
        "at": row.get("at"),
        "phone": phone,
        "patient": known.map(patient_name),
        "note": row.get("note"),
        "what": kind.map(task_name),
    })
}

const fn task_name(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Reschedule => "Wants another time",
        TaskKind::Unclear => "Reply not understood",
        TaskKind::CancelOrOptOut => "Opted out, and may have meant the visit",
        TaskKind::EnterByHand => "To be entered at the EHR by hand",
        TaskKind::WriteBackFailed => "The EHR could not be told",
        TaskKind::TextFailed => "A text could not be sent",
        TaskKind::Declined => "Declined at the EHR; the visit stands",
        TaskKind::ReadFailed => "The EHR could not be asked what changed",
        TaskKind::WrongNumber => "The phone is not the patient's",
        TaskKind::BadNumber => "The number cannot be texted",
        TaskKind::Outreach | TaskKind::OutreachUrgent => "A campaign's answer",
        TaskKind::Flood => "Too many texts at once; they are held",
    }
}
