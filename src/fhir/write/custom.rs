//! Bodies and paths of the operator's own, for servers that take changes in a way of their own.
//!
//! A body is JSON whose texts may hold `{appointment}`, `{patient}`, `{index}`,
//! `{participant_status}`, `{status}`, `{start}` and `{reply_id}`; `{index}` may stand for a number,
//! too. It is read once, and filled in value by value: whatever a server wrote into an appointment
//! cannot break out of its text.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::held::is_id;
use super::participant::{Kind, Reference};
use super::policy::IfMatch;
use super::{Body, Change, FHIR_JSON, Method, PLAIN_JSON, Refusal, Task};

/// The longest body; a message Bundle of an operation has a few kilobytes.
pub const TEMPLATE_BYTES_MAX: usize = 64 * 1024;
/// The longest path of an operation.
pub const PATH_BYTES_MAX: usize = 512;

/// What stands in a body that was read for an `{index}` outside of any text.
const BARE_INDEX: &str = "\u{0}index";

/// What a site sends in place of the usual.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Custom {
    /// The body; without it, the strategy's own.
    pub body: Option<Template>,
    /// Which operation is called; without it, an operation is not there for this wish.
    pub path: Option<OperationPath>,
}

/// What can stand between braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Appointment,
    Patient,
    Index,
    ParticipantStatus,
    Status,
    Start,
    ReplyId,
}

impl Name {
    const ALL: [Self; 7] = [
        Self::Appointment,
        Self::Patient,
        Self::Index,
        Self::ParticipantStatus,
        Self::Status,
        Self::Start,
        Self::ReplyId,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Appointment => "appointment",
            Self::Patient => "patient",
            Self::Index => "index",
            Self::ParticipantStatus => "participant_status",
            Self::Status => "status",
            Self::Start => "start",
            Self::ReplyId => "reply_id",
        }
    }

    fn value(self, task: &Task<'_>) -> Result<String, Refusal> {
        Ok(match self {
            Self::Appointment => task.held.id.to_owned(),
            Self::Patient => patient_id(task).ok_or(Refusal::NoParticipant)?,
            Self::Index => task.patient.index.to_string(),
            Self::ParticipantStatus => task.participant_status().as_str().to_owned(),
            Self::Status => task.status().to_owned(),
            Self::Start => task.held.text("start").ok_or(Refusal::NoStart)?.to_owned(),
            Self::ReplyId => task.wish.reply_id.to_owned(),
        })
    }
}

/// The logical id of the patient; a related person's would be taken for one.
fn patient_id(task: &Task<'_>) -> Option<String> {
    let reference = task.patient.reference.filter(|_| task.patient.kind == Kind::Patient)?;
    Reference::read(reference).map(|read| read.id.to_owned()).filter(|id| is_id(id))
}

/// Why a body or a path cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is longer than allowed.
    #[error("longer than {max} bytes")]
    TooLong {
        /// The most that is allowed.
        max: usize,
    },
    /// It is not JSON.
    #[error("not JSON, at line {line} column {column}")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// It is JSON, but neither an object nor a list.
    #[error("neither an object nor a list")]
    Bare,
    /// What stands between braces is none of the names.
    #[error("unknown placeholder {{{0}}}")]
    Unknown(String),
    /// A path that leads away from the server's base.
    #[error("not a path below the server's base")]
    Path,
}

/// Text with placeholders, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Name(Name),
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, Error> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            let word = after.split_once('}').map(|(word, _)| word).filter(|word| is_word(word));
            let Some(word) = word else {
                // A brace that holds no word is a brace.
                plain.push('{');
                rest = after;
                continue;
            };
            let name = Name::ALL.into_iter().find(|name| name.as_str() == word);
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            pieces.push(Piece::Name(name.ok_or_else(|| Error::Unknown(word.to_owned()))?));
            rest = after.split_once('}').map_or("", |(_, rest)| rest);
        }
        plain.push_str(rest);
        pieces.push(Piece::Plain(plain));
        Ok(Self(pieces))
    }

    fn fill(&self, task: &Task<'_>, spell: fn(&str) -> String) -> Result<String, Refusal> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Plain(plain) => text.push_str(plain),
                Piece::Name(name) => text.push_str(&spell(&name.value(task)?)),
            }
        }
        Ok(text)
    }
}

fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Where an operation is called, such as `Appointment/{appointment}/$cancel`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationPath(Pattern);

impl OperationPath {
    /// Reads a path, relative to the server's base.
    ///
    /// # Errors
    /// If it is empty, too long, leads away from the base, or holds an unknown placeholder.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > PATH_BYTES_MAX {
            return Err(Error::TooLong { max: PATH_BYTES_MAX });
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._~$/?&=%{}".contains(c);
        let leads_away = text.split(['/', '?']).any(|part| part.is_empty() || is_step(part));
        if leads_away || !text.chars().all(is_allowed) {
            return Err(Error::Path);
        }
        Pattern::parse(text).map(Self)
    }
}

/// A body of the operator's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Value);

impl Template {
    /// Reads a body: JSON whose texts may hold placeholders.
    ///
    /// # Errors
    /// If it is too long, not a JSON object or list, or holds an unknown placeholder.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(Error::TooLong { max: TEMPLATE_BYTES_MAX });
        }
        let body: Value = serde_json::from_str(&marked(text))
            .map_err(|error| Error::NotJson { line: error.line(), column: error.column() })?;
        if !body.is_object() && !body.is_array() {
            return Err(Error::Bare);
        }
        check(&body)?;
        Ok(Self(body))
    }

    /// The body for a task.
    pub(super) fn fill(&self, task: &Task<'_>) -> Result<Value, Refusal> {
        filled(&self.0, task)
    }
}

/// Puts a mark that is JSON in the place of each `{index}` that stands for a number.
fn marked(text: &str) -> String {
    let mark = Value::from(BARE_INDEX).to_string();
    let mut marked = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_text = false;
    let mut is_escaped = false;
    loop {
        if let Some(after) = rest.strip_prefix("{index}").filter(|_| !is_text) {
            marked.push_str(&mark);
            rest = after;
            continue;
        }
        let mut letters = rest.chars();
        let Some(letter) = letters.next() else { return marked };
        rest = letters.as_str();
        marked.push(letter);
        is_text ^= letter == '"' && !is_escaped;
        is_escaped = is_text && letter == '\\' && !is_escaped;
    }
}

/// Depth is bounded by the reader of JSON.
fn check(value: &Value) -> Result<(), Error> {
    match value {
        Value::String(text) => Pattern::parse(text).map(drop),
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Object(fields) => fields.iter().try_for_each(|(name, field)| {
            Pattern::parse(name)?;
            check(field)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn filled(value: &Value, task: &Task<'_>) -> Result<Value, Refusal> {
    Ok(match value {
        Value::String(text) if text == BARE_INDEX => json!(task.patient.index),
        Value::String(text) => Value::String(filled_text(text, task)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| filled(item, task)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, field)| Ok((filled_text(name, task)?, filled(field, task)?)))
                .collect::<Result<_, Refusal>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

fn filled_text(text: &str, task: &Task<'_>) -> Result<String, Refusal> {
    // Cannot fail: the text was read when the template was.
    let pattern = Pattern::parse(text).map_err(|_| Refusal::NotOffered)?;
    pattern.fill(task, str::to_owned)
}

/// A call of an operation.
pub(super) fn operation(task: &Task<'_>, custom: &Custom) -> Result<Change, Refusal> {
    // A path is a wish's own, so that a confirmation never calls what cancels.
    let path = custom.path.as_ref().ok_or(Refusal::NotOffered)?;
    let target = path.0.fill(task, encoded)?;
    if target.split(['/', '?']).any(is_step) {
        return Err(Refusal::NotOffered);
    }
    let body = match &custom.body {
        Some(template) => template.fill(task)?,
        // An operation without parameters. R4, Operations.
        None => json!({"resourceType": "Parameters"}),
    };
    let is_resource = body.get("resourceType").is_some();
    // An operation changes what it likes; the version goes along where the server insists on it.
    let if_match = match task.policy.if_match {
        IfMatch::Required => IfMatch::Required,
        IfMatch::Send | IfMatch::Never => IfMatch::Never,
    };
    Ok(Change {
        method: Method::Post,
        appointment: task.held.id.to_owned(),
        target,
        content_type: if is_resource { FHIR_JSON } else { PLAIN_JSON },
        if_match,
        if_none_exist: None,
        body: Body::Custom(body),
    })
}

/// Whether a part of a path stays or goes up instead of naming something. RFC 3986, 5.2.4.
fn is_step(part: &str) -> bool {
    matches!(part, "." | "..")
}

/// A value in an address. RFC 3986, 2.1.
pub(super) fn encoded(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            spelled.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(spelled, "%{byte:02X}");
        }
    }
    spelled
}

#[cfg(test)]
#[path = "custom_tests.rs"]
mod tests;
