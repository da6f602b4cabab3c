//! ADT^A08 and ORU^R01: the wish as observations beside the patient, for EHRs that take no
//! schedule from others.
//!
//! The observations say the wish, the appointment's id and its start, each under a code of its own.
//! They stand before others of the message, so that a site's `OBX-5` is the wish.

use super::structure::{first_place, place};
use super::{Edit, Error, Form, Request, Template, known};
use crate::core::local_time::LocalTime;
use crate::hl7::{SegmentName, escape};

/// What the observations are about, OBX-3.
const REPLY: (&str, &str) = ("APPTREPLY", "Reply to appointment text message");
const ID: (&str, &str) = ("APPTID", "Appointment id");
const START: (&str, &str) = ("APPTSTART", "Appointment start");
const NOTE: (&str, &str) = ("APPTNOTE", "Note on appointment");
/// A code of no public system. HL7 table 0396.
const LOCAL: &str = "L";

/// Type, code with text, and value in wire form.
type Observation = (&'static str, (&'static str, &'static str), String);

impl Edit<'_> {
    /// ADT^A08. Required are MSH, EVN, PID and PV1; OBX follows PV2 (HL7 v2.5.1, 3.3.8 and 3.3.1).
    pub(super) fn update(&mut self, request: &Request<'_>) -> Result<(), Error> {
        let observations = self.observations(request)?;
        self.observe(observations)
    }

    /// ORU^R01. Required are MSH and OBR; PV1 only within a visit (HL7 v2.5.1, 7.3.1).
    pub(super) fn result(&mut self, request: &Request<'_>) -> Result<(), Error> {
        let now = self.now.clone();
        let filler = self.coded((request.control_id, &self.template.entered_by));
        // OBR-3, -7, -22 and -25 are required of a result (7.4.1).
        let fields = [
            (1, "1".to_owned()),
            (3, filler),
            (4, self.local_code(REPLY)),
            (7, now.clone()),
            (22, now),
            (25, "F".to_owned()),
        ];
        let obr = self.segment("OBR", &fields);
        let at = place(Form::OruR01, &self.draft, SegmentName::parse("OBR")?);
        self.draft.insert(at, &obr)?;
        let mut observations = self.observations(request)?;
        let text = self.sentence(request)?;
        observations.insert(1, ("TX", NOTE, text));
        self.observe(observations)
    }

    fn observations(&self, request: &Request<'_>) -> Result<Vec<Observation>, Error> {
        // CE and TS are withdrawn in 2.7 and known to all before 2.6.
        let (coded, time) = if self.is_since((2, 6, 0)) { ("CWE", "DTM") } else { ("CE", "TS") };
        let mut observations =
            vec![(coded, REPLY, self.local_code(Template::reason(request.wish)))];
        let id = self.appointment_id(request)?;
        if !id.is_empty() {
            observations.push(("ST", ID, id));
        }
        let (start, _) = self.times(request)?;
        if !start.is_empty() {
            observations.push((time, START, start));
        }
        Ok(observations)
    }

    fn observe(&mut self, observations: Vec<Observation>) -> Result<(), Error> {
        let obx = SegmentName::parse("OBX")?;
        // Numbers that the message has are not given again.
        let number = self.draft.count(obx) + 1;
        let first = first_place(self.template.form, &self.draft, obx);
        for (index, (kind, code, value)) in observations.into_iter().enumerate() {
            let fields = [
                (1, (number + index).to_string()),
                (2, kind.to_owned()),
                (3, self.local_code(code)),
                // One sub-id for what belongs together; required in 2.3.1.
                (4, "1".to_owned()),
                (5, value),
                (11, "F".to_owned()),
                (14, self.now.clone()),
            ];
            let segment = self.segment("OBX", &fields);
            self.draft.insert(first + index, &segment)?;
        }
        Ok(())
    }

    /// The id that the EHR knows the appointment by, as it stands in its schedule.
    fn appointment_id(&self, request: &Request<'_>) -> Result<String, Error> {
        for path in ["SCH-2[1].1", "SCH-1[1].1"] {
            let raw = self.told(path)?;
            if !raw.is_empty() {
                return Ok(raw);
            }
        }
        let ids = request.appointment.map(known::Ids::of);
        match ids.as_ref().map(known::Ids::best).unwrap_or_default() {
            "" => self.raw("PV1-19[1].1"),
            best => Ok(escape::encode(best, self.base.separators()).into_owned()),
        }
    }

    /// One line for people.
    fn sentence(&self, request: &Request<'_>) -> Result<String, Error> {
        let separators = self.base.separators();
        let (_, text) = Template::reason(request.wish);
        let mut line = escape::encode(text, separators).into_owned();
        let id = self.appointment_id(request)?;
        if !id.is_empty() {
            line = format!("{line}: appointment {id}");
        }
        let start = request.appointment.and_then(|appointment| appointment.start.as_ref());
        Ok(match start {
            Some(start) => format!("{line}, {}", escape::encode(&shown(start), separators)),
            None => line,
        })
    }

    fn local_code(&self, code: (&str, &str)) -> String {
        format!("{}{}{LOCAL}", self.coded(code), self.base.separators().component)
    }

    /// A segment with these fields, in wire form.
    fn segment(&self, name: &str, fields: &[(usize, String)]) -> String {
        let mut segment = name.to_owned();
        let mut number = 0;
        for (field, raw) in fields {
            while number < *field {
                segment.push(self.base.separators().field);
                number += 1;
            }
            segment.push_str(raw);
        }
        segment
    }
}

fn shown(start: &LocalTime) -> String {
    let form = if start.date_only { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
    start.local.format(form).to_string()
}
