//! How a message is applied to what is known of an appointment.
//!
//! Fields only: what a message says, deletes or leaves alone. What that amounts to, and what a
//! patient hears of it, is decided in [`super::ehr`].

use std::collections::BTreeMap;

use super::appointment::{Appointment, Disposition, Participation, Patient, Status};
use super::claim::{Claim, EhrEvent, PatientClaim};
use super::field::Field;
use super::ids::Identifier;
use super::share::{Sharing, Subject, is_same};
use crate::clock::Timestamp;
use crate::phi::Phi;

/// An appointment as it is before its first message is applied.
pub(super) fn first_heard(subject: &Subject, claim: &Claim, now: Timestamp) -> Appointment {
    Appointment {
        key: subject.key.clone(),
        source: claim.origin.space.clone(),
        ids: Vec::new(),
        sharing: Sharing { part: subject.part.clone(), ..Sharing::default() },
        generation: 0,
        status: status_of(claim.event),
        disposition: Disposition::Queued,
        start: None,
        end: None,
        duration_minutes: None,
        visit_type: None,
        location: None,
        provider: None,
        callback_phone: None,
        participation: None,
        resources: BTreeMap::new(),
        replaced_by: None,
        patient: Patient::default(),
        occurred_at: claim.occurred_at,
        last_message: None,
        timers: Vec::new(),
        wish: None,
        unsent_notice: None,
        history: Vec::new(),
        created_at: now,
    }
}

const fn status_of(event: EhrEvent) -> Status {
    match event {
        EhrEvent::Booked | EhrEvent::Rescheduled | EhrEvent::Modified => Status::Booked,
        EhrEvent::Confirmed => Status::Confirmed,
        EhrEvent::Canceled => Status::Canceled,
        EhrEvent::NoShowed => Status::NoShow,
    }
}

/// Applies a claim to the state held.
pub(super) fn merge(after: &mut Appointment, claim: &Claim, is_known: bool) {
    let said = &claim.appointment;
    add_ids(&mut after.ids, &said.ids);
    let start_before = after.start.clone();
    said.start.update(&mut after.start);
    let moved = is_known
        && start_before.as_ref().map(|s| s.instant) != after.start.as_ref().map(|s| s.instant);
    if moved && said.end.is_absent() {
        // The old end belongs to the old start.
        after.end = None;
    }
    said.end.update(&mut after.end);
    said.duration_minutes.update(&mut after.duration_minutes);
    let held = Said { status: after.status, participation: after.participation };
    after.status = next_status(held, claim, is_known, moved);
    said.participation.update(&mut after.participation);
    remember_resource(after, claim);
    if claim.is_second_voice() {
        // What the other feed calls places and people would look like a change.
        fill(after, claim);
        said_of_death(&mut after.patient, claim);
        return;
    }
    said.visit_type.update(&mut after.visit_type);
    said.location.update(&mut after.location);
    said.provider.update(&mut after.provider);
    said.callback_phone.update(&mut after.callback_phone);
    merge_patient(&mut after.patient, claim);
}

fn remember_resource(after: &mut Appointment, claim: &Claim) {
    if let Some(resource) = &claim.appointment.resource {
        after.resources.insert(claim.origin.source.clone(), resource.clone());
    }
}

/// What is held of the visit before a claim.
#[derive(Clone, Copy)]
struct Said {
    status: Status,
    participation: Option<Participation>,
}

/// The status after a claim: what the message says, else what its event implies.
fn next_status(held: Said, claim: &Claim, is_known: bool, moved: bool) -> Status {
    let Said { status: held, participation } = held;
    match (claim.event, claim.appointment.status.value()) {
        (EhrEvent::Canceled, Some(Status::EnteredInError)) => Status::EnteredInError,
        (EhrEvent::Canceled, _) => Status::Canceled,
        (EhrEvent::NoShowed, _) => Status::NoShow,
        (EhrEvent::Confirmed, _) => Status::Confirmed,
        (_, Some(Status::Booked)) if is_known && !moved => answered(held, participation, claim),
        (_, Some(said)) => *said,
        // Said again of the same time, it takes nothing back.
        (EhrEvent::Booked | EhrEvent::Rescheduled, None)
            if is_known && !moved && held == Status::Confirmed =>
        {
            Status::Confirmed
        }
        (EhrEvent::Booked | EhrEvent::Rescheduled, None) => Status::Booked,
        // A confirmation was for the old time.
        (EhrEvent::Modified, None) if moved && held == Status::Confirmed => Status::Booked,
        (EhrEvent::Modified, None) if is_known => held,
        (EhrEvent::Modified, None) => Status::Booked,
    }
}

/// The status of a booked visit by the patient's answer to it. Only the change to "accepted" says
/// something: many EHRs book every participant as accepted.
fn answered(held: Status, before: Option<Participation>, claim: &Claim) -> Status {
    if claim.is_second_voice() && held == Status::Confirmed {
        // The first voice knows more than that it is booked.
        return held;
    }
    let Some(now) = claim.appointment.participation.value() else { return Status::Booked };
    let was_asked = matches!(
        before,
        Some(Participation::NeedsAction | Participation::Tentative | Participation::Declined)
    );
    let is_accepted = *now == Participation::Accepted;
    if is_accepted && (was_asked || held == Status::Confirmed) {
        Status::Confirmed
    } else {
        Status::Booked
    }
}

fn merge_patient(held: &mut Patient, claim: &Claim) {
    let said = &claim.patient;
    if said.id.value().is_some() && !is_same(said, held) {
        if has_same_name(said, held) {
            // The person has got another number.
            held.ids.clear();
        } else {
            // A correction: nothing that is known is this person's, least of all the phone.
            *held = Patient::default();
        }
    }
    said.id.update(&mut held.id);
    add_ids(&mut held.ids, &said.ids);
    said.given.update(&mut held.given);
    said.family.update(&mut held.family);
    said.phone.update(&mut held.phone);
    said.language.update(&mut held.language);
    said_of_death(held, claim);
}

const fn said_of_death(held: &mut Patient, claim: &Claim) {
    match claim.patient.deceased {
        Field::Absent => {}
        Field::Null => held.deceased = false,
        Field::Value(deceased) => held.deceased = deceased,
    }
}

/// Whether the names that are said and held are the same; what is not said is not another name.
fn has_same_name(said: &PatientClaim, held: &Patient) -> bool {
    let is_same = |said: &Field<Phi<String>>, held: &Option<Phi<String>>| match said {
        Field::Value(said) => held
            .as_ref()
            .is_some_and(|held| held.expose().to_lowercase() == said.expose().to_lowercase()),
        Field::Absent | Field::Null => true,
    };
    is_same(&said.family, &held.family) && is_same(&said.given, &held.given)
}

/// Takes from an older message only what no newer one has said.
pub(super) fn fill(after: &mut Appointment, claim: &Claim) {
    let said = &claim.appointment;
    add_ids(&mut after.ids, &said.ids);
    said.visit_type.fill(&mut after.visit_type);
    said.location.fill(&mut after.location);
    said.provider.fill(&mut after.provider);
    said.callback_phone.fill(&mut after.callback_phone);
    let patient = &claim.patient;
    patient.id.fill(&mut after.patient.id);
    patient.given.fill(&mut after.patient.given);
    patient.family.fill(&mut after.patient.family);
    patient.phone.fill(&mut after.patient.phone);
    patient.language.fill(&mut after.patient.language);
    if patient.deceased == Field::Value(true) {
        // Nobody is late to say this; to take it back needs a newer word.
        after.patient.deceased = true;
    }
    if let Some(resource) = &claim.appointment.resource {
        let source = claim.origin.source.clone();
        after.resources.entry(source).or_insert_with(|| resource.clone());
    }
}

pub(super) fn add_ids(held: &mut Vec<Identifier>, said: &[Identifier]) {
    for id in said {
        if !held.contains(id) {
            held.push(id.clone());
        }
    }
}
