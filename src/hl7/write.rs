//! Editing a message as text: what is not set stays byte for byte.
//!
//! A write-back is the appointment's last message with some values changed, so ids, Z-segments and
//! even odd spellings go back as they came. Values are set by path; what a path needs (fields,
//! repetitions, components) is padded, a missing segment is not invented.

use super::Category;
use super::escape;
use super::message::Message;
use super::normalise::is_segment;
use super::path::{Path, Pick, SegmentName};
use super::separators::Separators;

/// HL7's "delete what you have".
const NULL: &str = "\"\"";

/// A message being edited.
///
/// ```
/// use appointd::hl7::{Draft, Message};
/// let msg = Message::read("MSH|^~\\&|EHR||APPT\rSCH|10^X\rZXX|as|it is\r").unwrap();
/// let mut draft = Draft::from(&msg);
/// draft.swap_ends()?;
/// draft.set(&"SCH-25.2".parse().unwrap(), "Confirmed & done")?;
/// let sent = draft.finish()?;
/// assert_eq!(sent.text(), concat!(
///     "MSH|^~\\&|APPT||EHR|\r",
///     "SCH|10^X||||||||||||||||||||||||^Confirmed \\T\\ done\r",
///     "ZXX|as|it is\r",
/// ));
/// # Ok::<(), appointd::hl7::write::Error>(())
/// ```
#[derive(Clone)]
pub struct Draft {
    /// The segments without their carriage returns; the first is MSH.
    segments: Vec<String>,
    separators: Separators,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.segments.iter().map(|segment| segment.get(..3).unwrap_or_default());
        f.debug_list().entries(names).finish()
    }
}

/// Why an edit is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message has no such segment.
    #[error("the message has no segment {segment} number {occurrence}")]
    NoSegment {
        /// Its name.
        segment: SegmentName,
        /// Its number.
        occurrence: u16,
    },
    /// A path with `[*]`.
    #[error("{path} names more than one place")]
    Several {
        /// The path.
        path: Path,
    },
    /// MSH-1 and MSH-2 divide the message and cannot be set.
    #[error("the separators cannot be set")]
    Separators,
    /// The header cannot be deleted.
    #[error("MSH cannot be deleted")]
    Header,
    /// A raw value with a separator of a level above, or a control character.
    #[error("the raw value for {path} holds a separator that would break the message")]
    Breaks {
        /// The path.
        path: Path,
    },
    /// Text that is no segment.
    #[error("the text to be inserted is no single segment")]
    NotSegment,
    /// What was written cannot be read.
    #[error("the edited message cannot be read")]
    Unreadable(#[source] super::normalise::Error),
}

impl Error {
    /// The kind of failure.
    #[must_use]
    pub const fn category(self) -> Category {
        match self {
            Self::NoSegment { .. } | Self::Several { .. } | Self::Separators | Self::Header => {
                Category::Rejected
            }
            Self::Breaks { .. } | Self::NotSegment => Category::Malformed,
            Self::Unreadable(_) => Category::Bug,
        }
    }
}

impl From<&Message> for Draft {
    fn from(msg: &Message) -> Self {
        let segments = msg.segments().map(|segment| segment.raw().to_owned()).collect();
        Self { segments, separators: *msg.separators() }
    }
}

impl Draft {
    /// Sets a value as text: separators and line ends in it are escaped.
    ///
    /// A path without component replaces the whole field or the repetition that it names.
    ///
    /// # Errors
    ///
    /// Fails for a missing segment, a path with `[*]`, and the separators themselves.
    pub fn set(&mut self, path: &Path, value: &str) -> Result<(), Error> {
        let value = self.escaped(value);
        self.put(path, &value)
    }

    /// Sets a value as [`Draft::set`] does, in the segment at a place among all, from 0; the path's
    /// segment part is not looked at.
    ///
    /// # Errors
    ///
    /// Fails as [`Draft::set`] does.
    pub fn set_in(&mut self, index: usize, path: &Path, value: &str) -> Result<(), Error> {
        let value = self.escaped(value);
        self.put_in(index, path, &value)
    }

    /// Sets a value as it stands on the wire, like `CONF^Confirmed`.
    ///
    /// # Errors
    ///
    /// Fails as [`Draft::set`] does, and if the value would reach beyond its place.
    pub fn set_raw(&mut self, path: &Path, raw: &str) -> Result<(), Error> {
        let Separators { field, repetition, component, subcomponent, .. } = self.separators;
        let repeats = path.repetition == Pick::Unsaid && path.component.is_none();
        let breaks = raw.contains(|char: char| {
            char == field
                || (char.is_control() && char != '\t')
                || (char == repetition && !repeats)
                || (char == component && path.component.is_some())
                || (char == subcomponent && path.subcomponent.is_some())
        });
        if breaks { Err(Error::Breaks { path: *path }) } else { self.put(path, raw) }
    }

    /// Sets a value to `""`: the receiver is to delete what it has.
    ///
    /// # Errors
    ///
    /// Fails as [`Draft::set`] does.
    pub fn set_null(&mut self, path: &Path) -> Result<(), Error> {
        self.put(path, NULL)
    }

    /// Exchanges MSH-3/4 and MSH-5/6 with all their components.
    ///
    /// # Errors
    ///
    /// Fails only if there is no header, which reading rules out.
    pub fn swap_ends(&mut self) -> Result<(), Error> {
        let separator = self.separators.field;
        let no_header = Error::NoSegment { segment: SegmentName::MSH, occurrence: 1 };
        let header = self.segments.first_mut().ok_or(no_header)?;
        let mut parts: Vec<&str> = header.split(separator).collect();
        parts.resize(parts.len().max(6), "");
        if let [_, _, application, facility, to_application, to_facility, ..] = &mut *parts {
            std::mem::swap(application, to_application);
            std::mem::swap(facility, to_facility);
        }
        *header = join(&parts, separator);
        Ok(())
    }

    /// How many segments have this name.
    #[must_use]
    pub fn count(&self, name: SegmentName) -> usize {
        self.segments.iter().filter(|segment| SegmentName::of(segment) == Some(name)).count()
    }

    /// Deletes one segment.
    ///
    /// # Errors
    ///
    /// Fails for a missing segment and for MSH.
    pub fn delete(&mut self, name: SegmentName, occurrence: u16) -> Result<(), Error> {
        let at = self.position(name, occurrence)?;
        if at == 0 {
            return Err(Error::Header);
        }
        self.segments.remove(at);
        Ok(())
    }

    /// Deletes each segment with a name but MSH.
    pub fn delete_all(&mut self, name: SegmentName) {
        self.segments
            .retain(|segment| name == SegmentName::MSH || SegmentName::of(segment) != Some(name));
    }

    /// Keeps the segments that are wanted by their place among all, from 0; MSH stays.
    pub fn retain(&mut self, mut wants: impl FnMut(usize) -> bool) {
        let mut index = 0..;
        self.segments.retain(|_| index.next().is_none_or(|index| index == 0 || wants(index)));
    }

    /// Inserts a segment, given as on the wire, after another one.
    ///
    /// # Errors
    ///
    /// Fails for a missing segment, and for text that is no single segment.
    pub fn insert_after(
        &mut self,
        name: SegmentName,
        occurrence: u16,
        segment: &str,
    ) -> Result<(), Error> {
        let at = self.position(name, occurrence)?;
        let segment = self.checked(segment)?;
        self.segments.insert(at + 1, segment);
        Ok(())
    }

    /// Adds a segment, given as on the wire, at the end.
    ///
    /// # Errors
    ///
    /// Fails for text that is no single segment.
    pub fn append(&mut self, segment: &str) -> Result<(), Error> {
        let segment = self.checked(segment)?;
        self.segments.push(segment);
        Ok(())
    }

    /// The message as edited.
    ///
    /// # Errors
    ///
    /// Fails if a limit is broken.
    pub fn finish(&self) -> Result<Message, Error> {
        let mut text = String::with_capacity(self.segments.iter().map(|s| s.len() + 1).sum());
        for segment in &self.segments {
            text.push_str(segment);
            text.push('\r');
        }
        Message::from_own(text).map_err(Error::Unreadable)
    }

    fn checked(&self, segment: &str) -> Result<String, Error> {
        let segment = segment.strip_suffix('\r').unwrap_or(segment);
        let control = segment.contains(|char: char| char.is_control() && char != '\t');
        let fits = is_segment(segment, self.separators.field) && !segment.starts_with("MSH");
        if fits && !control { Ok(segment.to_owned()) } else { Err(Error::NotSegment) }
    }

    fn position(&self, name: SegmentName, occurrence: u16) -> Result<usize, Error> {
        let named =
            self.segments.iter().enumerate().filter(|(_, s)| SegmentName::of(s) == Some(name));
        let found =
            usize::from(occurrence).checked_sub(1).and_then(|nth| named.map(|s| s.0).nth(nth));
        found.ok_or(Error::NoSegment { segment: name, occurrence })
    }

    fn escaped(&self, value: &str) -> String {
        // Two quotes are HL7's null; as text they have to be written otherwise.
        if value == NULL {
            let escape = self.separators.escape;
            return format!("{escape}X2222{escape}");
        }
        escape::encode(value, &self.separators).into_owned()
    }

    fn put(&mut self, path: &Path, raw: &str) -> Result<(), Error> {
        let occurrence = path.occurrence.number().ok_or(Error::Several { path: *path })?;
        let at = self.position(path.segment, occurrence)?;
        self.put_in(at, path, raw)
    }

    fn put_in(&mut self, at: usize, path: &Path, raw: &str) -> Result<(), Error> {
        let several = Error::Several { path: *path };
        let repetition = path.repetition.number().ok_or(several)?;
        // In the header the separator after the name is field 1 and no part of its own.
        let index = usize::from(path.field.get()) - usize::from(at == 0);
        if at == 0 && index < 2 {
            return Err(Error::Separators);
        }
        let Separators { field, repetition: between, component, subcomponent, .. } =
            self.separators;
        let Some(segment) = self.segments.get_mut(at) else { return Err(several) };
        let whole = path.component.is_none() && path.repetition == Pick::Unsaid;
        *segment = replace(segment, field, index, |text| {
            if whole {
                return raw.to_owned();
            }
            replace(unless_null(text), between, usize::from(repetition) - 1, |text| {
                let Some(number) = path.component else { return raw.to_owned() };
                replace(unless_null(text), component, usize::from(number.get()) - 1, |text| {
                    let Some(number) = path.subcomponent else { return raw.to_owned() };
                    let index = usize::from(number.get()) - 1;
                    replace(unless_null(text), subcomponent, index, |_| raw.to_owned())
                })
            })
        });
        Ok(())
    }
}

/// A null that gets parts is a null no more.
fn unless_null(text: &str) -> &str {
    if text == NULL { "" } else { text }
}

/// Replaces the part at an index, with as many empty parts before it as it takes.
fn replace(text: &str, separator: char, index: usize, new: impl FnOnce(&str) -> String) -> String {
    let mut parts: Vec<&str> = text.split(separator).collect();
    parts.resize(parts.len().max(index + 1), "");
    let mut replaced = String::new();
    if let Some(part) = parts.get_mut(index) {
        replaced = new(part);
        *part = &replaced;
    }
    let joined = join(&parts, separator);
    drop(replaced);
    joined
}

fn join(parts: &[&str], separator: char) -> String {
    let mut buffer = [0; 4];
    parts.join(separator.encode_utf8(&mut buffer))
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
