//! What a caller of Studio's REST API posts to start an execution, and what it hears back.
//!
//! Pure: a form in, typed values or faults out, and the JSON of the answers. A fault names the field
//! and what is expected there, never the value. What an execution does is not known here.

mod answer;
mod event;
mod time;

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub use answer::{Execution, Refusal};
pub use event::{AppointmentEvent, EventType, Site};

use super::form::Form;
use crate::core::phone::{PhoneNumber, Region};
use crate::phi::Phi;

/// The longest `From` that is taken; the id of a messaging service has 34 characters.
const FROM_BYTES_MAX: usize = 64;
/// How many members `Parameters` may have; the reference system's events have 16.
pub const PARAMETERS_MAX: usize = 200;

/// Something that is wrong with a request; never holds a value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct Fault {
    /// The field.
    pub field: &'static str,
    /// What is wrong, and what is expected.
    pub problem: &'static str,
}

impl Fault {
    /// Names a field and what is wrong with it.
    #[must_use]
    pub const fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }

    /// Twilio's code of it: 21211 and 21212 are those of the two numbers, 20001 is any other.
    #[must_use]
    pub fn code(&self) -> u32 {
        match self.field {
            "To" => 21211,
            "From" => 21212,
            _ => 20001,
        }
    }
}

/// A request to start an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// For whom.
    pub to: PhoneNumber,
    /// `Parameters`, as they came; an empty object if there are none.
    pub raw: Phi<String>,
    /// `Parameters`, read.
    pub parameters: Phi<Map<String, Value>>,
}

impl Request {
    /// Reads a form; numbers are read as people write them in `region`.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn read(form: &Form, region: Region) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let to = match form.get_filled("To") {
            None => Err(Fault::new("To", "is missing; write the patient's number as +14155550123")),
            Some(text) => PhoneNumber::parse(text, region)
                .map_err(|_| Fault::new("To", "is no phone number; write it as +14155550123")),
        };
        let from = check_from(form.get_filled("From").unwrap_or_default());
        let raw = form.get_filled("Parameters").unwrap_or("{}");
        let parameters = parameters(raw);
        faults.extend(to.as_ref().err());
        faults.extend(from.err());
        faults.extend(parameters.as_ref().err());
        match (to, parameters) {
            (Ok(to), Ok(parameters)) if faults.is_empty() => {
                let raw = Phi::new(raw.to_owned());
                Ok(Self { to, raw, parameters: Phi::new(parameters) })
            }
            (Ok(_) | Err(_), _) => Err(faults),
        }
    }
}

/// Studio texts from this number; here the account's own sender does, so only the form is checked.
fn check_from(text: &str) -> Result<(), Fault> {
    if text.is_empty() {
        return Err(Fault::new("From", "is missing; write the practice's number"));
    }
    let is_plain = text.len() <= FROM_BYTES_MAX && !text.contains(char::is_control);
    if is_plain { Ok(()) } else { Err(Fault::new("From", "is no phone number")) }
}

fn parameters(raw: &str) -> Result<Map<String, Value>, Fault> {
    let wanted = "is no JSON object; write {\"name\": \"value\", ..}";
    let value: Value = serde_json::from_str(raw).map_err(|_| Fault::new("Parameters", wanted))?;
    let Value::Object(parameters) = value else { return Err(Fault::new("Parameters", wanted)) };
    if parameters.len() > PARAMETERS_MAX {
        return Err(Fault::new("Parameters", "has more than 200 members"));
    }
    Ok(parameters)
}

/// The id of an execution, `FN` and 32 hexadecimal digits, made of what it is about: the same
/// request has the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionSid(String);

impl ExecutionSid {
    /// Makes the id of what tells an execution from others.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        Self(format!("FN{}", digest(parts)))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A number of 63 bits that stands for it, never 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        let digits = self.0.get(2..18).unwrap_or_default();
        (u64::from_str_radix(digits, 16).unwrap_or(1) >> 1).max(1)
    }

    /// Reads an id; nothing if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("FN")?;
        let is_sid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_sid.then(|| Self(text.to_ascii_lowercase().replacen("fn", "FN", 1)))
    }
}

impl fmt::Display for ExecutionSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 32 hexadecimal digits of what `parts` say, each told from the next by its length.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "studio_tests.rs"]
mod tests;
