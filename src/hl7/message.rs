//! One message: owned text, its segments, and the values in it.
//!
//! Reading cuts the text into segments and nothing more; fields are found when they are asked for,
//! and only a field that is read below its own level goes through the tokenizer. A message is cheap
//! to clone and to send to another thread.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use memchr::memchr_iter;

use super::header::Header;
use super::normalise::{self, Error, Normalised, Repair};
use super::part::{Field, Part, Repetition, Value, level};
use super::path::{Path, Pick, SegmentName};
use super::separators::Separators;

/// The text of a message and what is known about it.
pub(crate) struct Body {
    normalised: Normalised,
    /// Where MSH-2 ends: what is before is not divided and not decoded.
    literal_end: usize,
}

impl Body {
    pub(crate) fn slice(&self, range: Range<usize>) -> &str {
        self.normalised.text.get(range).unwrap_or_default()
    }

    pub(crate) const fn separators(&self) -> &Separators {
        &self.normalised.separators
    }

    pub(crate) const fn literal_end(&self) -> usize {
        self.literal_end
    }
}

/// A message that was read.
///
/// ```
/// use appointd::hl7::Message;
/// let msg = Message::read("MSH|^~\\&|EHR|MAIN\nPID|1||M1||Doe^Jane\n")?;
/// assert_eq!(msg.get(&"PID-5.2".parse().unwrap()).text(), Some("Jane"));
/// assert_eq!(msg.repairs().len(), 1); // line feeds
/// # Ok::<(), appointd::hl7::normalise::Error>(())
/// ```
#[derive(Clone)]
pub struct Message(Arc<Body>);

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.segments().map(|segment| segment.name()).collect();
        f.debug_struct("Message")
            .field("segments", &names)
            .field("repairs", &self.repairs())
            .finish_non_exhaustive()
    }
}

/// A place in a message that a path with `[*]` led to.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The path with the numbers that were met.
    pub path: Path,
    /// What is there.
    pub part: Part<'a, level::Any>,
}

impl Message {
    /// Reads the text of one message, with the repairs that [`normalise`] lists.
    ///
    /// # Errors
    ///
    /// Fails if the text does not begin with MSH, holds two messages, or breaks a limit.
    pub fn read(text: &str) -> Result<Self, Error> {
        normalise::normalise(text).map(Self::new)
    }

    /// Reads text that this program wrote: nothing is repaired.
    pub(crate) fn from_own(text: String) -> Result<Self, Error> {
        normalise::from_own(text).map(Self::new)
    }

    fn new(normalised: Normalised) -> Self {
        let header = normalised.segments.first().cloned().unwrap_or_default();
        let header = normalised.text.get(header).unwrap_or_default();
        let separator = normalised.separators.field;
        let literal_end = header.match_indices(separator).nth(1).map_or(header.len(), |at| at.0);
        Self(Arc::new(Body { normalised, literal_end }))
    }

    /// The characters that divide it.
    #[must_use]
    pub fn separators(&self) -> &Separators {
        self.0.separators()
    }

    /// The text after repair: segments closed by CR, all else as it came.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.normalised.text
    }

    /// What was repaired.
    #[must_use]
    pub fn repairs(&self) -> &[Repair] {
        &self.0.normalised.repairs
    }

    /// All segments in the order of the message.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Segment<'_>> + Clone {
        let ranges = self.0.normalised.segments.iter().enumerate();
        ranges.map(|(index, range)| Segment {
            body: &self.0,
            index,
            start: range.start,
            end: range.end,
        })
    }

    /// The segments with a name, in order.
    pub fn segments_named(&self, name: SegmentName) -> impl Iterator<Item = Segment<'_>> + Clone {
        self.segments().filter(move |segment| segment.name() == name)
    }

    /// The first segment with a name.
    #[must_use]
    pub fn segment(&self, name: &str) -> Option<Segment<'_>> {
        let name = SegmentName::parse(name).ok()?;
        self.segments_named(name).next()
    }

    /// The header's usual fields.
    #[must_use]
    pub fn header(&self) -> Header {
        Header::of(self)
    }

    /// What the message says at a place; with `[*]`, at the first one that is there.
    ///
    /// A field that is `""` as a whole is null at each of its components too.
    #[must_use]
    pub fn get(&self, path: &Path) -> Value<'_> {
        self.find(path).map_or(Value::Absent, |part| part.value())
    }

    /// The piece of text at a place, if the message reaches that far.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<Part<'_, level::Any>> {
        if !path.is_single() {
            return self.select(path).first().map(|found| found.part);
        }
        let occurrence = usize::from(path.occurrence.number()?);
        self.segments_named(path.segment).nth(occurrence - 1)?.find(path)
    }

    /// Each piece of text that a path leads to, with the numbers that stand for its `[*]`.
    #[must_use]
    pub fn select(&self, path: &Path) -> Vec<Found<'_>> {
        let mut found = Vec::new();
        for (occurrence, segment) in (1..=u16::MAX).zip(self.segments_named(path.segment)) {
            if path.occurrence.number().is_some_and(|number| number != occurrence) {
                continue;
            }
            let mut path = *path;
            if path.occurrence == Pick::Every {
                path.occurrence = nth(occurrence);
            }
            segment.select(path, &mut found);
        }
        found
    }
}

fn nth(number: u16) -> Pick {
    std::num::NonZeroU16::new(number).map_or(Pick::Unsaid, Pick::Nth)
}

/// One segment of a message.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    body: &'a Body,
    index: usize,
    start: usize,
    end: usize,
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(segment {}, {} bytes)", self.name(), self.index, self.end - self.start)
    }
}

impl<'a> Segment<'a> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> SegmentName {
        // Reading lets no other line become a segment.
        SegmentName::of(self.raw()).unwrap_or(SegmentName::MSH)
    }

    /// Its place among all segments, from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// Its place among the segments with its name, from 1.
    #[must_use]
    pub fn occurrence(&self) -> usize {
        let name = self.raw().get(..3);
        let before = self.body.normalised.segments.iter().take(self.index);
        1 + before.filter(|range| self.body.slice((*range).clone()).get(..3) == name).count()
    }

    /// Its text without the carriage return.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.body.slice(self.start..self.end)
    }

    /// Where it is in the message's text, in bytes.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// The field with this number, from 1, if the segment reaches that far.
    #[must_use]
    pub fn field(&self, number: usize) -> Option<Field<'a>> {
        if self.index > 0 {
            return self.between(number.checked_sub(1)?);
        }
        match number {
            0 => None,
            // MSH-1 is the separator itself, so all others stand one place earlier.
            1 => Some(Field::new(self.body, self.start + 3, self.start + 4)),
            _ => self.between(number - 2),
        }
    }

    /// The text after the separator with this index, up to the next one.
    fn between(&self, index: usize) -> Option<Field<'a>> {
        let separator = u8::try_from(self.body.separators().field).ok()?;
        let mut separators = memchr_iter(separator, self.raw().as_bytes()).skip(index);
        let start = self.start + separators.next()? + 1;
        let end = separators.next().map_or(self.end, |end| self.start + end);
        Some(Field::new(self.body, start, end))
    }

    /// All fields, from the first.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let (body, end, header) = (self.body, self.end, self.index == 0);
        let own = header.then(|| Field::new(body, self.start + 3, self.start + 4));
        let separator = u8::try_from(body.separators().field).unwrap_or(b'|');
        let start = self.start;
        let mut starts = memchr_iter(separator, self.raw().as_bytes()).peekable();
        own.into_iter().chain(std::iter::from_fn(move || {
            let first = start + starts.next()? + 1;
            Some(Field::new(body, first, starts.peek().map_or(end, |next| start + next)))
        }))
    }

    /// What the segment says at a path's field; the path's segment part is not looked at.
    #[must_use]
    pub fn get(&self, path: &Path) -> Value<'a> {
        self.find(path).map_or(Value::Absent, |part| part.value())
    }

    /// The piece of text at a path's field; the path's segment part is not looked at.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<Part<'a, level::Any>> {
        let field = self.field(usize::from(path.field.get()))?;
        let whole = path.component.is_none() && path.repetition == Pick::Unsaid;
        if whole || field.is_null() {
            return Some(field.any());
        }
        let number = path.repetition.number().unwrap_or(1);
        within(field.repetition(usize::from(number))?, path)
    }

    fn select(&self, path: Path, found: &mut Vec<Found<'a>>) {
        let Some(field) = self.field(usize::from(path.field.get())) else { return };
        if path.repetition != Pick::Every || field.is_null() {
            let path = match path.repetition {
                Pick::Every => Path { repetition: Pick::Unsaid, ..path },
                Pick::Unsaid | Pick::Nth(_) => path,
            };
            found.extend(self.find(&path).map(|part| Found { path, part }));
            return;
        }
        for (number, repetition) in (1..=u16::MAX).zip(field.repetitions()) {
            let path = Path { repetition: nth(number), ..path };
            found.extend(within(repetition, &path).map(|part| Found { path, part }));
        }
    }
}

fn within<'a>(repetition: Repetition<'a>, path: &Path) -> Option<Part<'a, level::Any>> {
    let Some(component) = path.component.filter(|_| !repetition.is_null()) else {
        return Some(repetition.any());
    };
    let component = repetition.component(usize::from(component.get()))?;
    let Some(subcomponent) = path.subcomponent.filter(|_| !component.is_null()) else {
        return Some(component.any());
    };
    component.subcomponent(usize::from(subcomponent.get())).map(Part::any)
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
