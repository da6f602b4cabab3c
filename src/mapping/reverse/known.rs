//! What is known of an appointment, as the segments of a message.
//!
//! Used where the last message lacks them, or where there is none.

use super::{Error, Request};
use crate::core::appointment::Appointment;
use crate::core::ids::Identifier;
use crate::core::local_time::LocalTime;
use crate::hl7::dtm::{Dtm, Precision};
use crate::hl7::{Draft, Message, Path, Separators};

/// The segments that scheduling requires, in a version that most receivers read; text is UTF-8.
const SKELETON: &str = "MSH|^~\\&|APPTD||||||SIU^S14^SIU_S12||P|2.5.1||||||UNICODE UTF-8\r\
    SCH|\rPID|1\rPV1|1|O\rRGS|1\r";

/// Writes what is known of an appointment, in the separators of the message that it is for.
pub(super) fn message(request: &Request<'_>, of: Option<&Message>) -> Result<Message, Error> {
    let appointment = request.appointment.ok_or(Error::NothingKnown)?;
    let skeleton = of.map_or_else(|| SKELETON.to_owned(), |of| skeleton(of.separators()));
    let mut draft = Draft::from(&Message::read(&skeleton)?);
    let mut set = |path: &str, value: &str| -> Result<(), Error> {
        if value.is_empty() {
            return Ok(());
        }
        Ok(draft.set(&Path::parse(path)?, value)?)
    };
    let ids = Ids::of(appointment);
    set("SCH-1.1", ids.placer)?;
    set("SCH-2.1", ids.filler)?;
    set("PV1-19.1", ids.visit)?;
    if let Some(minutes) = appointment.duration_minutes {
        set("SCH-9", &minutes.to_string())?;
        set("SCH-10", "min")?;
    }
    for (path, time) in [("SCH-11.4", &appointment.start), ("SCH-11.5", &appointment.end)] {
        set(path, &time.as_ref().map(written).unwrap_or_default())?;
    }
    let patient = &appointment.patient;
    for (number, id) in (1_u16..).zip(&patient.ids) {
        set(&format!("PID-3[{number}].1"), &id.value)?;
        set(&format!("PID-3[{number}].4"), &id.system)?;
    }
    if patient.ids.is_empty() {
        set("PID-3.1", patient.id.as_deref().unwrap_or_default())?;
    }
    let text = |name: &Option<crate::phi::Phi<String>>| {
        name.as_ref().map(|name| name.expose().clone()).unwrap_or_default()
    };
    set("PID-5.1", &text(&patient.family))?;
    set("PID-5.2", &text(&patient.given))?;
    if let Some(location) = &appointment.location {
        let separator = draft.finish()?.separators().field;
        draft.append(&format!("AIL{separator}1"))?;
        draft.set(&Path::parse("AIL-3.1")?, &location.code)?;
    }
    Ok(draft.finish()?)
}

fn skeleton(separators: &Separators) -> String {
    let f = separators.field;
    let encoding = separators.encoding_characters();
    format!("MSH{f}{encoding}{f}\rSCH{f}\rPID{f}1\rPV1{f}1{f}O\r")
}

/// The ids of an appointment by the places that HL7 v2 has for them.
#[derive(Debug)]
pub(super) struct Ids<'a> {
    /// SCH-1.
    pub(super) placer: &'a str,
    /// SCH-2; where the EHR has none, the number that it knows the appointment by.
    pub(super) filler: &'a str,
    /// PV1-19.
    pub(super) visit: &'a str,
}

impl<'a> Ids<'a> {
    pub(super) fn of(appointment: &'a Appointment) -> Self {
        let of = |system: &str| {
            let id = appointment.ids.iter().find(|id| id.system == system);
            id.map(|id| id.value.as_str()).unwrap_or_default()
        };
        let (placer, visit) = (of("placer"), of("visit"));
        let is_own = |id: &&Identifier| !matches!(id.system.as_str(), "placer" | "visit");
        // An id of a system that HL7 v2 does not know is the EHR's own; a feed of patient messages
        // knows the appointment by its visit.
        let own = appointment.ids.iter().find(is_own).map(|id| id.value.as_str());
        let filler = match (of(Identifier::FILLER), own) {
            ("", Some(own)) => own,
            ("", None) if placer.is_empty() => visit,
            (filler, _) => filler,
        };
        Self { placer, filler, visit }
    }

    /// The one that the EHR knows best.
    pub(super) fn best(&self) -> &'a str {
        if self.filler.is_empty() { self.placer } else { self.filler }
    }
}

/// A time as HL7 writes it, with the place's offset.
pub(super) fn written(time: &LocalTime) -> String {
    let precision = if time.date_only { Precision::Day } else { Precision::Second };
    let offset = time.zone.offset_at(time.instant);
    let offset = (!time.date_only).then_some(offset);
    Dtm { local: time.local, precision, offset }.to_string()
}
