//! A patient's wish as a message to the EHR.
//!
//! The message is the appointment's last one with a few values changed: what the EHR called things
//! goes back byte for byte, Z-segments too, and what a site needs besides is set by path. A last
//! message of another kind than the form's, or none, is made into one ([`mod@structure`]) with what
//! is known of the appointment.

mod known;
mod note;
mod schedule;
mod structure;
pub mod template;

use std::borrow::Cow;

use crate::clock::Timestamp;
use crate::core::appointment::{Appointment, WishKind};
use crate::core::local_time::Zone;
use crate::hl7::{
    Draft, Message, Path, SegmentName, Separators, dtm, escape, normalise, path, write,
};

pub use template::{Form, Template};

/// What is to be brought to the EHR.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What the patient wishes.
    pub wish: WishKind,
    /// About which appointment; only needed where the last message lacks what the form requires.
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
    /// Neither a last message with what the form requires nor the appointment is at hand.
    #[error("nothing is known that the write-back could be built from")]
    NothingKnown,
    /// The last message is about several patients, and none of them is known to be the one.
    #[error("it is not known which of the message's patients wishes it")]
    WhichPatient,
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
            Self::NothingKnown | Self::WhichPatient => crate::hl7::Category::Rejected,
            Self::Path(_) | Self::Begin(_) => crate::hl7::Category::Bug,
        }
    }
}

/// Builds the message for a wish, from the appointment's last message if there is one.
///
/// # Errors
/// An edit that the template asks for and the message does not allow; see [`Error`].
pub fn build(
    request: &Request<'_>,
    template: &Template,
    last: Option<&Message>,
) -> Result<Message, Error> {
    let base = structure::fit(request, template.form, last)?;
    let now = dtm::format(&request.now.with_timezone(&request.zone.offset_at(request.now)));
    let schedule = last.filter(|last| structure::has_one_schedule(last));
    let mut edit = Edit { draft: Draft::from(&base), base: &base, schedule, template, now };
    if last.is_some() {
        edit.draft.swap_ends()?;
    }
    edit.header(request)?;
    match template.form {
        Form::SiuS14 | Form::SiuS15 => edit.schedule(request)?,
        Form::SrmS03 | Form::SrmS04 => edit.request(request)?,
        Form::AdtA08 => edit.update(request)?,
        Form::OruR01 => edit.result(request)?,
    }
    for (path, value) in template.values() {
        edit.set_anywhere(path, value)?;
    }
    Ok(edit.draft.finish()?)
}

struct Edit<'a> {
    draft: Draft,
    /// The message that is begun with.
    base: &'a Message,
    /// The last message, if it tells of this appointment's schedule.
    schedule: Option<&'a Message>,
    template: &'a Template,
    /// MSH-7.
    now: String,
}

impl Edit<'_> {
    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        Ok(self.draft.set(&Path::parse(path)?, value)?)
    }

    fn set_raw(&mut self, path: &str, raw: &str) -> Result<(), Error> {
        Ok(self.draft.set_raw(&Path::parse(path)?, raw)?)
    }

    /// What stands in the message that is begun with.
    fn raw(&self, path: &str) -> Result<String, Error> {
        let found = self.base.find(&Path::parse(path)?);
        Ok(found.map(|part| part.raw().to_owned()).unwrap_or_default())
    }

    /// What stands there, or stood there in the schedule that the form has no place for.
    fn told(&self, path: &str) -> Result<String, Error> {
        let raw = self.raw(path)?;
        if !raw.is_empty() {
            return Ok(raw);
        }
        let path = Path::parse(path)?;
        let found = self.schedule.and_then(|schedule| schedule.find(&path));
        Ok(found.map(|part| part.raw().to_owned()).unwrap_or_default())
    }

    fn header(&mut self, request: &Request<'_>) -> Result<(), Error> {
        let form = self.template.form;
        let now = self.now.clone();
        self.set("MSH-7", &now)?;
        self.set("MSH-9", "")?;
        self.set("MSH-9.1", form.code())?;
        self.set("MSH-9.2", form.trigger())?;
        // Required since 2.4; before, some receivers take a third component for an error.
        if self.is_since((2, 4, 0)) || !self.base.header().structure.is_empty() {
            self.set("MSH-9.3", form.structure())?;
        }
        self.set("MSH-10", request.control_id)?;
        // The sender's sequence, its continuation and the acknowledgments that it wanted.
        for path in ["MSH-13", "MSH-14", "MSH-15", "MSH-16"] {
            if !self.raw(path)?.is_empty() {
                self.set(path, "")?;
            }
        }
        if let Some(label) = &self.template.charset_label {
            self.set("MSH-18", label)?;
        }
        if self.base.segment("EVN").is_some() {
            // Withdrawn in 2.7, like all that repeats MSH-9.
            if !self.is_since((2, 7, 0)) || !self.raw("EVN-1")?.is_empty() {
                self.set("EVN-1", form.trigger())?;
            }
            self.set("EVN-2", &now)?;
            if !self.raw("EVN-6")?.is_empty() {
                self.set("EVN-6", &now)?;
            }
        }
        Ok(())
    }

    /// Whether the message is of this version or a later one; no version counts as an old one.
    fn is_since(&self, version: (u8, u8, u8)) -> bool {
        let of_site = self.template.values().iter().find(|(path, _)| {
            path.segment == SegmentName::MSH && path.field.get() == 12 && path.component.is_none()
        });
        let mut header = self.base.header();
        if let Some((_, value)) = of_site {
            value.split('^').next().unwrap_or_default().clone_into(&mut header.version);
        }
        header.version_numbers().is_some_and(|found| found >= version)
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

    /// Sets a site's own value; a segment that is missing is added where it belongs.
    fn set_anywhere(&mut self, path: &Path, value: &str) -> Result<(), Error> {
        let occurrence = usize::from(path.occurrence.number().unwrap_or(1));
        while self.draft.count(path.segment) < occurrence {
            let empty = format!("{}{}", path.segment, self.base.separators().field);
            let place = structure::place(self.template.form, &self.draft, path.segment);
            self.draft.insert(place, &empty)?;
        }
        if value == super::path::NULL {
            self.draft.set_null(path)?;
        } else if path.component.is_some() {
            self.draft.set(path, value)?;
        } else {
            let raw = in_separators(value, self.base.separators());
            self.draft.set_raw(path, &raw)?;
        }
        Ok(())
    }
}

/// A value in wire form, written with the usual separators, in those of a message.
fn in_separators<'a>(value: &'a str, separators: &Separators) -> Cow<'a, str> {
    let usual = Separators::default();
    if *separators == usual {
        return Cow::Borrowed(value);
    }
    let mut raw = String::with_capacity(value.len());
    let mut rest = value;
    loop {
        let divides = [usual.repetition, usual.component, usual.subcomponent];
        let end = rest.find(divides).unwrap_or(rest.len());
        let (part, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        raw.push_str(&escape::encode(&escape::decode(part, &usual), separators));
        let mut after = after.chars();
        match after.next() {
            None => return Cow::Owned(raw),
            Some('~') => raw.push(separators.repetition),
            Some('^') => raw.push(separators.component),
            Some(_) => raw.push(separators.subcomponent),
        }
        rest = after.as_str();
    }
}

#[cfg(test)]
mod tests;
