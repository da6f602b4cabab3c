//! A patient's wish as a message to the EHR.
//!
//! The message is the appointment's last one with a few values changed: what the EHR called things
//! goes back byte for byte, Z-segments too, and what a site needs besides is set by path. Where no
//! such message is at hand, a minimal one is made from what is known of the appointment.

mod minimal;
mod template;

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::core::appointment::{Appointment, WishKind};
use crate::core::local_time::Zone;
use crate::hl7::{Draft, Message, Path, SegmentName, dtm, escape, normalise, path, write};

pub use template::{Form, Template};

/// What is to be brought to the EHR.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What the patient wishes.
    pub wish: WishKind,
    /// About which appointment; only needed where there is no last message with a schedule.
    pub appointment: Option<&'a Appointment>,
    /// MSH-10; the same at every try.
    pub control_id: &'a str,
    /// MSH-7.
    pub now: Timestamp,
    /// The zone that MSH-7 is written in.
    pub zone: Zone,
}

/// Why a message could not be built; holds no value of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An edit is not possible.
    #[error("the write-back cannot be built")]
    Edit(#[from] write::Error),
    /// Neither a last message with a schedule nor the appointment is at hand.
    #[error("nothing is known that the write-back could be built from")]
    NothingKnown,
    /// A path of our own is wrong.
    #[error("a path of the write-back is wrong")]
    Path(#[from] path::Error),
    /// The message that is begun with is wrong.
    #[error("the message that the write-back begins with cannot be read")]
    Begin(#[from] normalise::Error),
}

impl Error {
    /// The kind of failure.
    #[must_use]
    pub const fn category(&self) -> crate::hl7::Category {
        match self {
            Self::Edit(error) => error.category(),
            Self::NothingKnown => crate::hl7::Category::Rejected,
            Self::Path(_) | Self::Begin(_) => crate::hl7::Category::Bug,
        }
    }
}

/// Builds the message for a wish, from the appointment's last message if that has a schedule.
///
/// # Errors
/// An edit that the template asks for and the message does not allow; see [`Error`].
pub fn build(
    request: &Request<'_>,
    template: &Template,
    last: Option<&Message>,
) -> Result<Message, Error> {
    let usable = last.filter(|msg| msg.segment("SCH").is_some());
    let minimal;
    let base = match usable {
        Some(msg) => msg,
        None => {
            minimal = minimal::message(request, last)?;
            &minimal
        }
    };
    let mut edit = Edit { draft: Draft::from(base), base };
    if last.is_some() {
        edit.draft.swap_ends()?;
    }
    edit.header(request, template.form)?;
    edit.resources()?;
    match template.form {
        Form::SiuS14 | Form::SiuS15 => edit.schedule(request, template)?,
        Form::SrmS03 | Form::SrmS04 => edit.request(request, template)?,
    }
    for (path, value) in &template.set {
        edit.set_anywhere(path, value)?;
    }
    Ok(edit.draft.finish()?)
}

struct Edit<'a> {
    draft: Draft,
    base: &'a Message,
}

impl Edit<'_> {
    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        Ok(self.draft.set(&Path::parse(path)?, value)?)
    }

    fn set_raw(&mut self, path: &str, raw: &str) -> Result<(), Error> {
        Ok(self.draft.set_raw(&Path::parse(path)?, raw)?)
    }

    fn raw(&self, path: &str) -> Result<String, Error> {
        let found = self.base.find(&Path::parse(path)?);
        Ok(found.map(|part| part.raw().to_owned()).unwrap_or_default())
    }

    fn header(&mut self, request: &Request<'_>, form: Form) -> Result<(), Error> {
        let now = request.now.with_timezone(&request.zone.offset_at(request.now));
        let now = dtm::format(&now);
        self.set("MSH-7", &now)?;
        let header = self.base.header();
        self.set("MSH-9", "")?;
        self.set("MSH-9.1", form.code())?;
        self.set("MSH-9.2", form.trigger())?;
        // Required since 2.4; before, some receivers take a third component for an error.
        let says_structure = header.version_numbers().is_some_and(|version| version >= (2, 4, 0));
        if says_structure || !header.structure.is_empty() {
            self.set("MSH-9.3", form.structure())?;
        }
        self.set("MSH-10", request.control_id)?;
        // The sender's sequence, its continuation and the acknowledgments that it wanted.
        for path in ["MSH-13", "MSH-14", "MSH-15", "MSH-16"] {
            if !self.raw(path)?.is_empty() {
                self.set(path, "")?;
            }
        }
        if self.base.segment("EVN").is_some() {
            self.set("EVN-1", form.trigger())?;
            self.set("EVN-2", &now)?;
        }
        Ok(())
    }

    /// Leaves out resources that were taken off, and asks for no change of the others
    /// (HL7 table 0206: `D` delete, `X` no change).
    fn resources(&mut self) -> Result<(), Error> {
        let mut group_deleted = false;
        let mut deleted = BTreeSet::new();
        for segment in self.base.segments() {
            let name = segment.name();
            if !matches!(name.as_str(), "RGS" | "AIS" | "AIG" | "AIL" | "AIP") {
                continue;
            }
            let action = segment.field(2).map(|field| field.raw().trim()).unwrap_or_default();
            if name.as_str() == "RGS" {
                group_deleted = action == "D";
            }
            if group_deleted || action == "D" {
                deleted.insert(segment.index());
            } else if !action.is_empty() {
                // By its place, not by its number: there may be thousands.
                self.draft.set_in(segment.index(), &Path::parse(&format!("{name}-2"))?, "X")?;
            }
        }
        self.draft.retain(|index| !deleted.contains(&index));
        Ok(())
    }

    /// SIU: the schedule with a new status.
    fn schedule(&mut self, request: &Request<'_>, template: &Template) -> Result<(), Error> {
        self.set_raw("SCH-6", &self.coded(template.reason(request.wish)))?;
        self.set_raw("SCH-25", &self.coded(template.status(request.wish)))?;
        self.entered_by("SCH-16", "SCH-20", template)
    }

    /// SRM: the request segment in the place of the schedule (HL7 v2.5.1, 10.6.1 and 10.6.2).
    fn request(&mut self, request: &Request<'_>, template: &Template) -> Result<(), Error> {
        let separator = self.base.separators().field;
        let fields = [1, 2, 3, 4, 5].map(|number| format!("SCH-{number}"));
        let mut arq = String::from("ARQ");
        for path in &fields {
            arq.push(separator);
            arq.push_str(&self.raw(path)?);
        }
        arq.push(separator);
        arq.push_str(&self.coded(template.reason(request.wish)));
        for path in ["SCH-7", "SCH-8", "SCH-9", "SCH-10"] {
            arq.push(separator);
            arq.push_str(&self.raw(path)?);
        }
        arq.push(separator);
        arq.push_str(&self.range()?);
        let sch = SegmentName::parse("SCH")?;
        self.draft.insert_after(sch, 1, &arq)?;
        self.draft.delete(sch, 1)?;
        let contact = self.raw("SCH-12")?;
        self.set_raw("ARQ-15", &contact)?;
        self.entered_by("ARQ-15", "ARQ-19", template)?;
        // No timing segment belongs to a request.
        self.draft.delete_all(SegmentName::TQ1);
        Ok(())
    }

    /// The appointment's time as a range, as it stands in the schedule or the timing segment.
    fn range(&self) -> Result<String, Error> {
        let mut start = self.raw("SCH-11.4")?;
        let mut end = self.raw("SCH-11.5")?;
        if start.is_empty() {
            start = self.raw("TQ1-7.1")?;
            end = self.raw("TQ1-8.1")?;
        }
        let component = self.base.separators().component;
        Ok(if end.is_empty() { start } else { format!("{start}{component}{end}") })
    }

    /// The standard requires a contact and who entered it; a contact that is there stays.
    fn entered_by(&mut self, contact: &str, by: &str, template: &Template) -> Result<(), Error> {
        let current = self.draft.finish()?;
        let has_contact = current.find(&Path::parse(contact)?).is_some_and(|p| !p.raw().is_empty());
        if !has_contact {
            self.set(contact, &template.entered_by)?;
        }
        self.set(by, &template.entered_by)
    }

    /// A code and its text in the message's own separators.
    fn coded(&self, (code, text): (&str, &str)) -> String {
        let separators = self.base.separators();
        let code = escape::encode(code, separators);
        if text.is_empty() {
            return code.into_owned();
        }
        format!("{code}{}{}", separators.component, escape::encode(text, separators))
    }

    /// Sets a site's own value; a segment that is missing is added.
    fn set_anywhere(&mut self, path: &Path, value: &str) -> Result<(), Error> {
        if self.draft.count(path.segment) == 0 {
            let empty = format!("{}{}", path.segment, self.base.separators().field);
            self.draft.append(&empty)?;
        }
        if value == super::path::NULL {
            self.draft.set_null(path)?;
        } else if path.component.is_some() {
            self.draft.set(path, value)?;
        } else {
            self.draft.set_raw(path, value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
