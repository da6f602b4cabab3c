//! SIU and SRM: the appointment's own message with a new status, or a request for one.

use super::{Edit, Error, Request, Template, known};
use crate::hl7::{Path, SegmentName};

/// The segments that a resource's own notes and preferences follow.
const RESOURCES: [&str; 5] = ["RGS", "AIS", "AIG", "AIL", "AIP"];

impl Edit<'_> {
    /// SIU: the schedule with a new status.
    pub(super) fn schedule(&mut self, request: &Request<'_>) -> Result<(), Error> {
        self.resources()?;
        self.set_raw("SCH-6", &self.coded(Template::reason(request.wish)))?;
        self.set_raw("SCH-25", &self.coded(Template::status(request.wish)))?;
        self.entered_by("SCH-16", "SCH-20")
    }

    /// SRM: the request segment in the place of the schedule (HL7 v2.5.1, 10.6.1 and 10.6.2).
    pub(super) fn request(&mut self, request: &Request<'_>) -> Result<(), Error> {
        self.resources()?;
        let sch = SegmentName::parse("SCH")?;
        if self.draft.count(sch) > 0 {
            let arq = self.request_segment(request)?;
            self.draft.insert_after(sch, 1, &arq)?;
            self.draft.delete(sch, 1)?;
            let contact = self.raw("SCH-12")?;
            self.set_raw("ARQ-15", &contact)?;
        } else {
            self.set_raw("ARQ-6", &self.coded(Template::reason(request.wish)))?;
        }
        self.entered_by("ARQ-15", "ARQ-19")?;
        // No timing segment belongs to a request.
        let timing = SegmentName::parse("TQ1")?;
        while self.draft.count(timing) > 0 {
            self.draft.delete(timing, 1)?;
        }
        Ok(())
    }

    fn request_segment(&self, request: &Request<'_>) -> Result<String, Error> {
        let separator = self.base.separators().field;
        let mut arq = String::from("ARQ");
        let mut add = |raw: &str| {
            arq.push(separator);
            arq.push_str(raw);
        };
        // The placer's id is required of a request (10.6.1.1); where the EHR has booked without one,
        // its own is the one that finds the appointment.
        let placer = self.raw("SCH-1")?;
        add(&if placer.is_empty() { self.raw("SCH-2[1]")? } else { placer });
        for path in ["SCH-2", "SCH-3", "SCH-4", "SCH-5"] {
            add(&self.raw(path)?);
        }
        add(&self.coded(Template::reason(request.wish)));
        for path in ["SCH-7", "SCH-8", "SCH-9", "SCH-10"] {
            add(&self.raw(path)?);
        }
        add(&self.range(request)?);
        Ok(arq)
    }

    /// Leaves out resources that were taken off, and asks for no change of the others
    /// (HL7 table 0206: `D` delete, `X` no change).
    fn resources(&mut self) -> Result<(), Error> {
        let (mut is_group_off, mut is_off) = (false, false);
        let mut off = std::collections::BTreeSet::new();
        let mut kept = std::collections::BTreeMap::<SegmentName, u16>::new();
        let mut changed = Vec::new();
        for segment in self.base.segments() {
            let name = segment.name();
            if !RESOURCES.contains(&name.as_str()) {
                // What is said about a resource goes with it.
                let is_about = matches!(name.as_str(), "NTE" | "APR");
                is_off &= is_about;
                if is_off {
                    off.insert(segment.index());
                }
                continue;
            }
            let action = segment.field(2).map(|field| field.raw().trim()).unwrap_or_default();
            if name.as_str() == "RGS" {
                is_group_off = action == "D";
            }
            is_off = is_group_off || action == "D";
            if is_off {
                off.insert(segment.index());
                continue;
            }
            let occurrence = kept.entry(name).or_default();
            *occurrence = occurrence.saturating_add(1);
            if !action.is_empty() {
                changed.push(format!("{name}[{occurrence}]-2"));
            }
        }
        self.draft.retain(|place| !off.contains(&place));
        for path in changed {
            self.set(&path, "X")?;
        }
        Ok(())
    }

    /// The appointment's time as a range.
    fn range(&self, request: &Request<'_>) -> Result<String, Error> {
        let (start, end) = self.times(request)?;
        let component = self.base.separators().component;
        Ok(if end.is_empty() { start } else { format!("{start}{component}{end}") })
    }

    /// Start and end as they stand in the schedule or the timing segment, else as they are known.
    pub(super) fn times(&self, request: &Request<'_>) -> Result<(String, String), Error> {
        for (start, end) in [("SCH-11.4", "SCH-11.5"), ("TQ1-7.1", "TQ1-8.1")] {
            let start = self.told(start)?;
            if !start.is_empty() {
                return Ok((start, self.told(end)?));
            }
        }
        let known = |time: Option<&_>| time.map(known::written).unwrap_or_default();
        let appointment = request.appointment;
        let start = known(appointment.and_then(|known| known.start.as_ref()));
        Ok((start, known(appointment.and_then(|known| known.end.as_ref()))))
    }

    /// The standard requires a contact and who entered it; a contact that is there stays.
    fn entered_by(&mut self, contact: &str, by: &str) -> Result<(), Error> {
        let current = self.draft.finish()?;
        let has_contact = current.find(&Path::parse(contact)?).is_some_and(|p| !p.raw().is_empty());
        let entered_by = self.template.entered_by.clone();
        if !has_contact {
            self.set(contact, &entered_by)?;
        }
        self.set(by, &entered_by)
    }
}
