//! Names of places in a message: `PID-13[2].1`, `SCH-11.4`, `AIL[1]-3.4`, `PID-3[*]`.
//!
//! Read from settings, so a wrong one is an error that says where and why, and written in
//! explanations and ERR segments. A path is small and can be copied; what it means in a message is
//! [`super::message`]'s.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use super::Category;

/// The three characters that a segment begins with: a capital letter, then capitals or digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName([u8; 3]);

impl SegmentName {
    /// The header's name.
    pub const MSH: Self = Self(*b"MSH");
    /// The name of the head of a group of resources.
    pub const RGS: Self = Self(*b"RGS");
    /// The acknowledgment's name.
    pub const MSA: Self = Self(*b"MSA");
    /// The patient's name.
    pub const PID: Self = Self(*b"PID");
    /// The schedule's name.
    pub const SCH: Self = Self(*b"SCH");
    /// The name of a time since version 2.5.
    pub const TQ1: Self = Self(*b"TQ1");

    /// Reads a name.
    ///
    /// # Errors
    ///
    /// Fails unless it is a capital letter and two capitals or digits.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Self::of(name).filter(|_| name.len() == 3).ok_or(Error::Segment)
    }

    /// The name that a segment's text begins with.
    pub(crate) fn of(segment: &str) -> Option<Self> {
        let name = *segment.as_bytes().first_chunk::<3>()?;
        let [first, rest @ ..] = name;
        let valid = first.is_ascii_uppercase()
            && rest.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        valid.then_some(Self(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of several segments or repetitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pick {
    /// Not said: the first segment; the first repetition, or the whole field if the path ends there.
    #[default]
    Unsaid,
    /// The one with this number, from 1.
    Nth(NonZeroU16),
    /// Each, written `[*]`.
    Every,
}

impl Pick {
    /// The number that is meant where only one can be.
    #[must_use]
    pub const fn number(self) -> Option<u16> {
        match self {
            Self::Unsaid => Some(1),
            Self::Nth(number) => Some(number.get()),
            Self::Every => None,
        }
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsaid => Ok(()),
            Self::Nth(number) => write!(f, "[{number}]"),
            Self::Every => f.write_str("[*]"),
        }
    }
}

/// Where in a message a value is.
///
/// ```
/// use appointd::hl7::Path;
/// let path: Path = "PID-13[2].1".parse()?;
/// assert_eq!((path.field.get(), path.component.map(|c| c.get())), (13, Some(1)));
/// assert_eq!(path.to_string(), "PID-13[2].1");
/// # Ok::<(), appointd::hl7::path::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// The segment's name.
    pub segment: SegmentName,
    /// Which of the segments with this name.
    pub occurrence: Pick,
    /// The field, from 1; MSH-1 is the separator itself.
    pub field: NonZeroU16,
    /// Which repetition of the field.
    pub repetition: Pick,
    /// The component, from 1.
    pub component: Option<NonZeroU16>,
    /// The subcomponent, from 1.
    pub subcomponent: Option<NonZeroU16>,
}

/// Why text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The segment name is wrong.
    #[error("a path begins with a segment name of three capitals or digits, like PID")]
    Segment,
    /// No hyphen and field number after the segment.
    #[error("a hyphen and a field number are missing at offset {at}, as in PID-5")]
    Field {
        /// Byte offset.
        at: usize,
    },
    /// No number where one has to be.
    #[error("a number is missing at offset {at}")]
    Number {
        /// Byte offset.
        at: usize,
    },
    /// A number that is 0 or too large.
    #[error("the number at offset {at} is not from 1 to 65535")]
    Range {
        /// Byte offset.
        at: usize,
    },
    /// A bracket that is not closed.
    #[error("a closing bracket is missing at offset {at}")]
    Bracket {
        /// Byte offset.
        at: usize,
    },
    /// Something after the end.
    #[error("unexpected text at offset {at}")]
    Trailing {
        /// Byte offset.
        at: usize,
    },
}

impl Error {
    /// The kind of failure.
    #[must_use]
    pub const fn category(self) -> Category {
        Category::Malformed
    }
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// Fails with the offset of what is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (name, rest) = text.split_at_checked(3).ok_or(Error::Segment)?;
        let segment = SegmentName::parse(name)?;
        let mut reader = Reader { text, rest };
        let occurrence = reader.pick()?;
        if !reader.eat('-') {
            return Err(Error::Field { at: reader.at() });
        }
        let field = reader.number()?;
        let repetition = reader.pick()?;
        let component = if reader.eat('.') { Some(reader.number()?) } else { None };
        let deeper = component.is_some() && reader.eat('.');
        let subcomponent = if deeper { Some(reader.number()?) } else { None };
        if !reader.rest.is_empty() {
            return Err(Error::Trailing { at: reader.at() });
        }
        Ok(Self { segment, occurrence, field, repetition, component, subcomponent })
    }

    /// Whether the path names one place, not each of several.
    #[must_use]
    pub const fn is_single(&self) -> bool {
        !matches!(self.occurrence, Pick::Every) && !matches!(self.repetition, Pick::Every)
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    const fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn eat(&mut self, expected: char) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn number(&mut self) -> Result<NonZeroU16, Error> {
        let at = self.at();
        let rest = self.rest.trim_start_matches(|char: char| char.is_ascii_digit());
        let digits = self.rest.get(..self.rest.len() - rest.len()).unwrap_or_default();
        if digits.is_empty() {
            return Err(Error::Number { at });
        }
        self.rest = rest;
        digits.parse().map_err(|_| Error::Range { at })
    }

    fn pick(&mut self) -> Result<Pick, Error> {
        if !self.eat('[') {
            return Ok(Pick::Unsaid);
        }
        let pick = if self.eat('*') { Pick::Every } else { Pick::Nth(self.number()?) };
        if self.eat(']') { Ok(pick) } else { Err(Error::Bracket { at: self.at() }) }
    }
}

impl FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}-{}{}", self.segment, self.occurrence, self.field, self.repetition)?;
        if let Some(component) = self.component {
            write!(f, ".{component}")?;
        }
        if let Some(subcomponent) = self.subcomponent {
            write!(f, ".{subcomponent}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_written_as_it_was_read() {
        for text in
            ["PID-5", "PID-13[2].1", "SCH-11.4", "AIL[1]-3.4.2", "PID-3[*]", "NTE[*]-3", "ZX1-1"]
        {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_path_says_where() {
        for (text, error) in [
            ("", Error::Segment),
            ("PI", Error::Segment),
            ("pid-5", Error::Segment),
            ("1ID-5", Error::Segment),
            ("日本-5", Error::Segment),
            ("PID", Error::Field { at: 3 }),
            ("PID.5", Error::Field { at: 3 }),
            ("PIDX-5", Error::Field { at: 3 }),
            ("PID-", Error::Number { at: 4 }),
            ("PID-5.x", Error::Number { at: 6 }),
            ("PID-5.", Error::Number { at: 6 }),
            ("PID-5[]", Error::Number { at: 6 }),
            ("PID-0", Error::Range { at: 4 }),
            ("PID-5[0]", Error::Range { at: 6 }),
            ("PID-99999999999999999999", Error::Range { at: 4 }),
            ("PID-5[2", Error::Bracket { at: 7 }),
            ("PID[*-5", Error::Bracket { at: 5 }),
            ("PID-5 ", Error::Trailing { at: 5 }),
            ("PID-5.1.2.3", Error::Trailing { at: 9 }),
            ("PID-5.1[2]", Error::Trailing { at: 7 }),
        ] {
            assert_eq!(Path::parse(text), Err(error), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-Z0-9*.\\[\\]日-]{0,16}") {
            if let Ok(path) = Path::parse(&text) {
                prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
