//! The answer to a message: what is in it depends on the request's separators and version.
//!
//! Sender and receiver change places with all their components, MSH-11, -12 and -18 are copied
//! whole, and each segment, the last too, ends in CR: some peers do not see the answer otherwise. A
//! request without a readable header gets the smallest answer that is well formed.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::dtm;
use super::escape;
use super::header::Header;
use super::message::Message;
use super::path::{Path, Pick};
use super::separators::Separators;

/// MSA-1. HL7 table 0008.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AckCode {
    /// AA: taken.
    ApplicationAccept,
    /// AE: content error.
    ApplicationError,
    /// AR: not taken, for a reason other than content.
    ApplicationReject,
    /// CA: on disk.
    CommitAccept,
    /// CE: content error.
    CommitError,
    /// CR: not stored.
    CommitReject,
}

impl AckCode {
    const ALL: [Self; 6] = [
        Self::ApplicationAccept,
        Self::ApplicationError,
        Self::ApplicationReject,
        Self::CommitAccept,
        Self::CommitError,
        Self::CommitReject,
    ];

    /// The code's two letters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApplicationAccept => "AA",
            Self::ApplicationError => "AE",
            Self::ApplicationReject => "AR",
            Self::CommitAccept => "CA",
            Self::CommitError => "CE",
            Self::CommitReject => "CR",
        }
    }

    /// Finds a code by its two letters, in either case.
    #[must_use]
    pub fn for_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(code.trim()))
    }

    /// Whether the code says that all is well.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        matches!(self, Self::ApplicationAccept | Self::CommitAccept)
    }
}

/// What is wrong with a message. HL7 table 0357.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// 100.
    SegmentSequence,
    /// 101.
    RequiredFieldMissing,
    /// 102.
    DataType,
    /// 103.
    TableValueNotFound,
    /// 200.
    UnsupportedMessageType,
    /// 201.
    UnsupportedEvent,
    /// 202.
    UnsupportedProcessingId,
    /// 203.
    UnsupportedVersion,
    /// 204.
    UnknownKey,
    /// 205.
    DuplicateKey,
    /// 206.
    RecordLocked,
    /// 207.
    Internal,
}

impl ErrorCode {
    /// The number and the text of the table.
    #[must_use]
    pub const fn entry(self) -> (u16, &'static str) {
        match self {
            Self::SegmentSequence => (100, "Segment sequence error"),
            Self::RequiredFieldMissing => (101, "Required field missing"),
            Self::DataType => (102, "Data type error"),
            Self::TableValueNotFound => (103, "Table value not found"),
            Self::UnsupportedMessageType => (200, "Unsupported message type"),
            Self::UnsupportedEvent => (201, "Unsupported event code"),
            Self::UnsupportedProcessingId => (202, "Unsupported processing id"),
            Self::UnsupportedVersion => (203, "Unsupported version id"),
            Self::UnknownKey => (204, "Unknown key identifier"),
            Self::DuplicateKey => (205, "Duplicate key identifier"),
            Self::RecordLocked => (206, "Application record locked"),
            Self::Internal => (207, "Application internal error"),
        }
    }
}

/// The reason in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckError<'a> {
    /// What is wrong.
    pub code: ErrorCode,
    /// Where, if it is one place.
    pub location: Option<Path>,
    /// A sentence for a person; never holds patient data.
    pub text: &'a str,
}

/// What the answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The code.
    pub code: AckCode,
    /// The reason, unless all is well.
    pub error: Option<AckError<'a>>,
    /// MSH-10 of the answer, new and unique; see [`super::control_id()`].
    pub control_id: &'a str,
    /// MSA-2 if it is not the request's MSH-10: a batch's control id.
    pub request_id: Option<&'a str>,
    /// MSH-7 of the answer.
    pub now: DateTime<Utc>,
}

/// The version of an answer to a request that states none: its forms are understood by all.
const VERSION_UNKNOWN: &str = "2.3";

/// Writes the answer to a request; `None` for a request without a readable header.
///
/// The text ends in CR. It is written in the request's character set by [`super::charset::encode`].
#[must_use]
pub fn acknowledge(request: Option<&Message>, answer: &Answer<'_>) -> String {
    let writer = Writer::new(request, answer);
    let mut out = String::with_capacity(256);
    writer.header(&mut out);
    writer.acknowledgment(&mut out);
    if let Some(error) = &answer.error {
        writer.error(error, &mut out);
    }
    out
}

/// Reads the first MSH line of text that is no readable message, so that it can be answered.
///
/// ```
/// use appointd::hl7::ack::header_only;
/// let twice = "\rMSH|^~\\&|EHR|||||||7\rMSH|^~\\&|EHR|||||||8";
/// assert_eq!(header_only(twice).unwrap().header().control_id, "7");
/// assert!(header_only("GET / HTTP/1.1").is_none());
/// ```
#[must_use]
pub fn header_only(text: &str) -> Option<Message> {
    let mut lines = text.split(['\r', '\n']).map(str::trim_start);
    let line = lines.find(|line| line.trim_start_matches('\u{FEFF}').starts_with("MSH"))?;
    Message::read(line).ok()
}

fn or<'t>(text: &'t str, default: &'t str) -> &'t str {
    if text.is_empty() { default } else { text }
}

struct Writer<'a> {
    request: Option<&'a Message>,
    answer: &'a Answer<'a>,
    separators: Separators,
    header: Header,
    version: (u8, u8, u8),
}

impl<'a> Writer<'a> {
    fn new(request: Option<&'a Message>, answer: &'a Answer<'a>) -> Self {
        let header = request.map(Message::header).unwrap_or_default();
        let version = header.version_numbers().unwrap_or((2, 3, 0));
        let separators = request.map(|msg| *msg.separators()).unwrap_or_default();
        Self { request, answer, separators, header, version }
    }

    /// A header field of the request, as it stands there.
    fn raw(&self, field: usize) -> &'a str {
        let header = self.request.and_then(|msg| msg.segments().next());
        header.and_then(|header| header.field(field)).map_or("", |field| field.raw())
    }

    fn escaped<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
        escape::encode(text, &self.separators)
    }

    fn header(&self, out: &mut String) {
        let encoding = self.separators.encoding_characters();
        // A plus or a dot may be a separator.
        let at = dtm::format(&self.answer.now.fixed_offset());
        let (at, version) = (self.escaped(&at), self.escaped(VERSION_UNKNOWN));
        let (message_type, id) = (self.message_type(), self.escaped(self.answer.control_id));
        let mut fields = vec![
            &*encoding,
            self.raw(5),
            self.raw(6),
            self.raw(3),
            self.raw(4),
            &*at,
            "",
            &*message_type,
            &*id,
            or(self.raw(11), "P"),
            or(self.raw(12), &version),
        ];
        let charset = self.raw(18);
        if !charset.is_empty() {
            fields.extend(["", "", "", "", "", charset]);
        }
        self.segment("MSH", &fields, out);
    }

    fn segment(&self, name: &str, fields: &[&str], out: &mut String) {
        out.push_str(name);
        for field in fields {
            out.push(self.separators.field);
            // What is copied may hold a line feed, or a byte that frames are made of.
            let visible = |char: char| if char.is_control() && char != '\t' { ' ' } else { char };
            out.extend(field.chars().map(visible));
        }
        out.push('\r');
    }

    /// MSH-9: one component up to 2.3.1, the trigger since 2.4, the structure since 2.5.
    fn message_type(&self) -> String {
        let trigger = self.escaped(&self.header.trigger);
        let c = self.separators.component;
        match self.version {
            version if version < (2, 4, 0) || trigger.is_empty() => "ACK".to_owned(),
            version if version < (2, 5, 0) => format!("ACK{c}{trigger}"),
            _ => format!("ACK{c}{trigger}{c}ACK"),
        }
    }

    fn acknowledgment(&self, out: &mut String) {
        let id = self.answer.request_id.map(|id| self.escaped(id));
        let id = id.as_deref().unwrap_or_else(|| self.raw(10));
        let mut fields = vec![self.answer.code.as_str(), id];
        // MSA-3 is gone since 2.7; ERR-8 says it since 2.5, but older peers show only this.
        let text = self.answer.error.map(|error| self.escaped(error.text));
        if let Some(text) = text.as_deref().filter(|_| self.version < (2, 7, 0)) {
            fields.push(text);
        }
        self.segment("MSA", &fields, out);
    }

    fn error(&self, error: &AckError<'_>, out: &mut String) {
        let Separators { component: c, subcomponent: s, .. } = self.separators;
        let (number, name) = error.code.entry();
        if self.version < (2, 5, 0) {
            let place = error.location.map_or_else(
                || format!("{c}{c}"),
                |at| format!("{}{c}{}{c}{}", at.segment, said(at.occurrence, "1"), at.field),
            );
            let field = format!("{place}{c}{number}{s}{name}{s}HL70357");
            return self.segment("ERR", &[&field], out);
        }
        let place = error.location.map(|at| self.location(&at)).unwrap_or_default();
        let code = format!("{number}{c}{name}{c}HL70357");
        let severity = if self.answer.code.is_positive() { "W" } else { "E" };
        let text = self.escaped(error.text);
        self.segment("ERR", &["", &place, &code, severity, "", "", "", &text], out);
    }

    /// ERR-2: segment, its number, field, repetition, component, subcomponent.
    fn location(&self, at: &Path) -> String {
        let c = self.separators.component;
        let mut text = format!("{}{c}{}{c}{}", at.segment, said(at.occurrence, "1"), at.field);
        let deeper = at.component.is_some();
        let repetition = said(at.repetition, if deeper { "1" } else { "" });
        if !repetition.is_empty() {
            let _infallible = write!(text, "{c}{repetition}");
        }
        for number in [at.component, at.subcomponent].into_iter().flatten() {
            let _infallible = write!(text, "{c}{number}");
        }
        text
    }
}

fn said(pick: Pick, unsaid: &str) -> String {
    match pick {
        Pick::Unsaid => unsaid.to_owned(),
        Pick::Nth(number) => number.to_string(),
        Pick::Every => "1".to_owned(),
    }
}

#[cfg(test)]
#[path = "ack_tests.rs"]
mod tests;
