//! The message to begin with where none of the EHR's is at hand.

use super::{Error, Request};
use crate::core::ids::Identifier;
use crate::core::local_time::LocalTime;
use crate::hl7::dtm::{Dtm, Precision};
use crate::hl7::{Draft, Message, Path};

/// The segments that the standard wants, and version 2.5.1, which most receivers read.
const SKELETON: &str = "MSH|^~\\&|||||||SIU^S14^SIU_S12||P|2.5.1\rSCH|\rPID|1\rPV1|1|O\rRGS|1\r";

/// Writes what is known of an appointment; of a last message only sender and receiver are taken.
pub(super) fn message(request: &Request<'_>, last: Option<&Message>) -> Result<Message, Error> {
    let appointment = request.appointment.ok_or(Error::NothingKnown)?;
    let mut draft = Draft::from(&Message::read(SKELETON)?);
    let mut set = |path: &str, value: &str| -> Result<(), Error> {
        if value.is_empty() {
            return Ok(());
        }
        Ok(draft.set(&Path::parse(path)?, value)?)
    };
    match last {
        Some(last) => {
            for path in ["MSH-3.1", "MSH-4.1", "MSH-5.1", "MSH-6.1"] {
                set(path, &last.get(&Path::parse(path)?).into_text())?;
            }
        }
        None => set("MSH-3", "APPTD")?,
    }
    for (system, path) in
        [("placer", "SCH-1.1"), (Identifier::FILLER, "SCH-2.1"), ("visit", "PV1-19.1")]
    {
        let id = appointment.ids.iter().find(|id| id.system == system);
        set(path, id.map(|id| id.value.as_str()).unwrap_or_default())?;
    }
    // An id of a system that HL7 v2 does not know is the EHR's own.
    let is_known = |id: &&Identifier| matches!(id.system.as_str(), "placer" | "filler" | "visit");
    if let Some(id) = appointment.ids.iter().find(|id| !is_known(id))
        && !appointment.ids.iter().any(|id| is_known(&id))
    {
        set("SCH-2.1", &id.value)?;
    }
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
        let mut ail = Draft::from(&Message::read("MSH|^~\\&\rAIL|1\r")?);
        ail.set(&Path::parse("AIL-3.1")?, &location.code)?;
        let written = ail.finish()?;
        if let Some(segment) = written.segment("AIL") {
            draft.append(segment.raw())?;
        }
    }
    Ok(draft.finish()?)
}

/// A time as HL7 writes it, with the place's offset.
fn written(time: &LocalTime) -> String {
    let precision = if time.date_only { Precision::Day } else { Precision::Second };
    let offset = time.zone.offset_at(time.instant);
    let offset = (!time.date_only).then_some(offset);
    Dtm { local: time.local, precision, offset }.to_string()
}
