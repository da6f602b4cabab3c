//! From text as senders write it to text with one segment a line, each closed by a carriage return.
//!
//! Each deviation that can be read is repaired and recorded as a [`Repair`]; each that cannot is an
//! [`Error`]. At the end the books must balance: every byte of the input is in the output or was
//! counted as a blank that carries nothing. A second run over two segments or more changes nothing.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memmem};

use super::Category;
use super::path::SegmentName;
use super::separators::{Oddity, Separators};
use super::tokens::FIELD_PARTS_MAX;

/// Most segments in one message: far above any appointment, bounds memory.
const SEGMENTS_MAX: usize = 65_536;
/// Most repairs listed one by one; above it a message is odd enough to be looked at.
const REPAIRS_MAX: usize = 64;
/// Segments seen glued to the one before, and recognised when a set id follows the name.
const GLUED: [[u8; 3]; 5] = [*b"NK1", *b"NTE", *b"PV1", *b"AIL", *b"RGS"];

/// A deviation that was repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// A byte order mark before MSH was left out.
    ByteOrderMark,
    /// Segments ended in LF only; each became CR.
    LineFeedEnds,
    /// Segments ended in CR and LF; each became CR.
    CarriageReturnLineFeedEnds,
    /// Lines without a visible character were left out.
    BlankLines {
        /// How many.
        count: usize,
    },
    /// Blanks before a segment name were left out.
    LeadingBlanks {
        /// Index of the segment.
        segment: usize,
    },
    /// A line that begins no segment was joined, after a line feed, to the segment before it.
    Continuation {
        /// Index of the segment that it was joined to.
        segment: usize,
    },
    /// A segment stood glued to the one before and was cut off.
    MissingSegmentEnd {
        /// Index of the segment that was cut off.
        segment: usize,
    },
    /// MSH-2 was read otherwise than by position.
    EncodingCharacters(Oddity),
}

/// Why text is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text does not begin with MSH.
    #[error("the text does not begin with an MSH segment")]
    NoHeader,
    /// MSH-1 cannot divide text.
    #[error("MSH-1 is no separator")]
    FieldSeparator,
    /// A second MSH segment: two messages in one text.
    #[error("second MSH segment at offset {at}; split the batch first")]
    SecondHeader {
        /// Byte offset in the text.
        at: usize,
    },
    /// More segments than the limit.
    #[error("more than {SEGMENTS_MAX} segments")]
    TooManySegments,
    /// One field has more separators than the limit.
    #[error("a field of segment {segment} has more than {FIELD_PARTS_MAX} separators")]
    TooManyParts {
        /// Name of the segment.
        segment: SegmentName,
    },
    /// What was read does not cover the input.
    #[error("{missing_bytes} bytes of the text were lost in reading")]
    NotCovered {
        /// How many bytes.
        missing_bytes: usize,
    },
}

impl Error {
    /// The kind of failure.
    #[must_use]
    pub const fn category(self) -> Category {
        match self {
            Self::NoHeader | Self::FieldSeparator | Self::SecondHeader { .. } => {
                Category::Malformed
            }
            Self::TooManySegments | Self::TooManyParts { .. } => Category::Rejected,
            Self::NotCovered { .. } => Category::Bug,
        }
    }
}

/// Text of one message, repaired.
#[derive(Clone)]
pub(crate) struct Normalised {
    pub(crate) text: String,
    pub(crate) separators: Separators,
    pub(crate) repairs: Vec<Repair>,
    /// Where each segment is, without its carriage return.
    pub(crate) segments: Vec<Range<usize>>,
}

/// Repairs the text of one message.
pub(crate) fn normalise(input: &str) -> Result<Normalised, Error> {
    let mut repairs = Vec::new();
    let text = input.strip_prefix('\u{FEFF}').unwrap_or(input);
    if text.len() < input.len() {
        repairs.push(Repair::ByteOrderMark);
    }
    let body = text.trim_start_matches(is_blank);
    let (separators, oddity) = separators(body)?;
    repairs.extend(oddity.map(Repair::EncodingCharacters));

    let mut lines = Lines {
        out: String::with_capacity(body.len() + 1),
        separators,
        repairs,
        segments: Vec::with_capacity(16),
        dropped: input.len() - body.len(),
        added: 0,
        blank_lines: 0,
    };
    lines.read(body, input.len() - body.len())?;
    lines.cut_glued();
    let Lines { out, segments, repairs, dropped, added, .. } = lines;
    let (covered, expected) = (out.len() + dropped, input.len() + added);
    if covered != expected || !tiles(&segments, out.len()) {
        debug_assert!(false, "{covered} of {expected} bytes covered");
        return Err(Error::NotCovered { missing_bytes: expected.abs_diff(covered).max(1) });
    }
    let normalised = Normalised { text: out, separators, repairs, segments };
    normalised.check_fields()?;
    Ok(normalised)
}

/// Cuts text that this program wrote: nothing is repaired, and only CR ends a segment.
pub(crate) fn from_own(text: String) -> Result<Normalised, Error> {
    let (separators, _) = separators(&text)?;
    let mut segments = Vec::new();
    let mut start = 0;
    for end in memchr_iter(b'\r', text.as_bytes()) {
        segments.push(start..end);
        start = end + 1;
    }
    if !tiles(&segments, text.len()) {
        return Err(Error::NotCovered { missing_bytes: text.len() - start });
    }
    let normalised = Normalised { text, separators, repairs: Vec::new(), segments };
    normalised.check_fields()?;
    Ok(normalised)
}

impl Normalised {
    /// Holds the limit that bounds the tokenizer's memory; only a long segment can break it.
    fn check_fields(&self) -> Result<(), Error> {
        if self.segments.len() > SEGMENTS_MAX {
            return Err(Error::TooManySegments);
        }
        let separators = self.separators;
        let divides = [separators.component, separators.repetition, separators.subcomponent];
        for range in self.segments.iter().filter(|range| range.len() > FIELD_PARTS_MAX) {
            let segment = self.text.get(range.clone()).unwrap_or_default();
            for field in segment.split(separators.field) {
                let over = field.len() > FIELD_PARTS_MAX
                    && field.matches(divides).nth(FIELD_PARTS_MAX).is_some();
                if over {
                    let segment = SegmentName::of(segment).unwrap_or(SegmentName::MSH);
                    return Err(Error::TooManyParts { segment });
                }
            }
        }
        Ok(())
    }
}

fn separators(body: &str) -> Result<(Separators, Option<Oddity>), Error> {
    let after = body.strip_prefix("MSH").ok_or(Error::NoHeader)?;
    let field = after.chars().next().ok_or(Error::NoHeader)?;
    let header = after.split(['\r', '\n']).next().unwrap_or_default();
    let encoding = header.split(field).nth(1).unwrap_or_default();
    Separators::read(field, encoding).ok_or(Error::FieldSeparator)
}

/// Whether the segments and their carriage returns cover the text without gap or overlap.
fn tiles(segments: &[Range<usize>], text_bytes: usize) -> bool {
    let end = segments.iter().try_fold(0, |next, segment| {
        (segment.start == next && segment.end >= next).then_some(segment.end + 1)
    });
    end == Some(text_bytes)
}

const fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\r' | '\0' | '\u{B}' | '\u{FEFF}')
}

/// Whether a line begins a segment: `^[A-Z][A-Z0-9]{2}` and then a separator or nothing.
pub(crate) fn is_segment(line: &str, field_separator: char) -> bool {
    let Some((name, rest)) = line.split_at_checked(3) else { return false };
    // A line feed follows the name alone where a continuation was joined to it.
    let ends = |char| char == field_separator || char == '\n';
    SegmentName::parse(name).is_ok() && (rest.is_empty() || rest.starts_with(ends))
}

/// Whether a line is the header of a message, with the given separators or with its own.
pub(crate) fn is_header(line: &str, field_separator: Option<char>) -> bool {
    let Some(after) = line.strip_prefix("MSH") else { return false };
    let Some(own) = after.chars().next().filter(char::is_ascii_punctuation) else { return false };
    if Some(own) == field_separator {
        return true;
    }
    let encoding = after.split(own).nth(1).unwrap_or_default();
    let whole = after.matches(own).nth(1).is_some();
    whole
        && (3..=5).contains(&encoding.len())
        && encoding.bytes().all(|byte| byte.is_ascii_punctuation())
}

/// The lines of a text, each with its end.
fn lines(text: &str, feeds_are_text: bool) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let bytes = rest.as_bytes();
        let end = if feeds_are_text { memchr(b'\r', bytes) } else { memchr2(b'\r', b'\n', bytes) };
        let (line, after) = rest.split_at_checked(end.map_or(rest.len(), |end| end + 1))?;
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

/// A line without the line feeds after its last visible character, and what follows them.
fn without_end(line: &str) -> &str {
    let visible = line.trim_end_matches(is_blank).len();
    let blanks = line.get(visible..).and_then(|blanks| blanks.find('\n'));
    blanks.and_then(|feed| line.get(..visible + feed)).unwrap_or(line)
}

/// The lines of a message on their way to segments.
struct Lines {
    out: String,
    separators: Separators,
    repairs: Vec<Repair>,
    segments: Vec<Range<usize>>,
    /// Bytes of the input that carry nothing and were left out.
    dropped: usize,
    /// Bytes of the output that the input lacked: carriage returns.
    added: usize,
    blank_lines: usize,
}

impl Lines {
    fn read(&mut self, body: &str, mut at: usize) -> Result<(), Error> {
        // If CR ends segments, LF is text; a CR after all else proves nothing.
        let inner = body.trim_end_matches(is_blank);
        let feeds_are_text = inner.contains('\r');
        if !feeds_are_text && inner.contains('\n') {
            self.repairs.push(Repair::LineFeedEnds);
        }
        let end = at + inner.len();
        let mut crlf = false;
        for line in lines(body, feeds_are_text) {
            let closed = line.ends_with(|char| char == '\r' || (char == '\n' && !feeds_are_text));
            let content = line.get(..line.len() - usize::from(closed)).unwrap_or_default();
            let kept = content.strip_prefix('\n').unwrap_or(content);
            crlf |= kept.len() < content.len();
            let is_last = at < end && at + line.len() > end;
            let kept = if is_last { without_end(kept) } else { kept };
            self.dropped += content.len() - kept.len();
            let blank = self.line(kept, closed, at)?;
            self.blank_lines += usize::from(blank && at < end);
            at += line.len();
        }
        if crlf {
            self.repairs.push(Repair::CarriageReturnLineFeedEnds);
        }
        if self.blank_lines > 0 {
            self.repairs.push(Repair::BlankLines { count: self.blank_lines });
        }
        Ok(())
    }

    /// Takes one line; tells whether it was blank.
    fn line(&mut self, content: &str, closed: bool, at: usize) -> Result<bool, Error> {
        let trimmed = content.trim_start_matches(is_blank);
        if trimmed.is_empty() {
            self.dropped += content.len() + usize::from(closed);
            return Ok(true);
        }
        self.added += usize::from(!closed);
        if !self.segments.is_empty() && is_header(trimmed, Some(self.separators.field)) {
            return Err(Error::SecondHeader { at });
        }
        if !is_segment(trimmed, self.separators.field) {
            self.join(content);
            return Ok(false);
        }
        if trimmed.len() < content.len() {
            self.repair(Repair::LeadingBlanks { segment: self.segments.len() });
            self.dropped += content.len() - trimmed.len();
        }
        if self.segments.len() >= SEGMENTS_MAX {
            return Err(Error::TooManySegments);
        }
        self.place(trimmed);
        Ok(false)
    }

    fn place(&mut self, segment: &str) {
        let start = self.out.len();
        self.out.push_str(segment);
        self.segments.push(start..self.out.len());
        self.out.push('\r');
    }

    fn join(&mut self, content: &str) {
        self.repair(Repair::Continuation { segment: self.segments.len().saturating_sub(1) });
        self.out.pop();
        self.out.push('\n');
        self.out.push_str(content);
        if let Some(range) = self.segments.last_mut() {
            range.end = self.out.len();
        }
        self.out.push('\r');
    }

    fn repair(&mut self, repair: Repair) {
        if self.repairs.len() < REPAIRS_MAX {
            self.repairs.push(repair);
        }
    }

    /// Cuts segments off that stand glued to the one before.
    fn cut_glued(&mut self) {
        let Ok(field) = u8::try_from(self.separators.field) else { return };
        let found = GLUED.iter().any(|[a, b, c]| {
            memmem::find(self.out.as_bytes(), &[field, *a, *b, *c, field]).is_some()
        });
        if !found {
            return;
        }
        let whole = std::mem::take(&mut self.out);
        // The old index of the segment that each cut was made in, and the new one of what it gave.
        let mut cuts = Vec::new();
        for (index, range) in std::mem::take(&mut self.segments).into_iter().enumerate() {
            let mut rest = whole.get(range).unwrap_or_default();
            // MSH and ERR name applications and segments in their fields.
            let may_hold_names = rest.starts_with("MSH") || rest.starts_with("ERR");
            while let Some(at) = glue(rest, field).filter(|_| !may_hold_names) {
                let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
                self.place(before);
                cuts.push((index, self.segments.len()));
                rest = after;
            }
            self.place(rest);
        }
        self.added += cuts.len();
        self.renumber(&cuts);
        for (_, segment) in cuts {
            self.repair(Repair::MissingSegmentEnd { segment });
        }
    }

    fn renumber(&mut self, cuts: &[(usize, usize)]) {
        for repair in &mut self.repairs {
            if let Repair::LeadingBlanks { segment } | Repair::Continuation { segment } = repair {
                *segment += cuts.iter().filter(|(old, _)| old < segment).count();
            }
        }
    }
}

/// Where in a segment another one begins: after a separator, with a set id after its name.
fn glue(segment: &str, field: u8) -> Option<usize> {
    let bytes = segment.as_bytes();
    memchr_iter(field, bytes).map(|at| at + 1).find(|start| {
        let Some(([a, b, c, after], rest)) =
            bytes.get(*start..).and_then(|rest| rest.split_first_chunk::<4>())
        else {
            return false;
        };
        let set_id = memchr(field, rest).and_then(|end| rest.get(..end)).unwrap_or_default();
        *after == field
            && GLUED.contains(&[*a, *b, *c])
            && (1..=4).contains(&set_id.len())
            && set_id.iter().all(u8::is_ascii_digit)
    })
}

#[cfg(test)]
#[path = "normalise_tests.rs"]
mod tests;
