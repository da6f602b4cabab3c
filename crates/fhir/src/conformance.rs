//! What `fhir-sdk` thinks of a resource that came in: a report, and never a gate.
//!
//! Its types refuse what servers really send, and quietly drop some of it, so nothing is read by them.
//! That a source's resources do not conform is still worth a count and a line.

use std::borrow::Cow;
use std::fmt;

use fhir_sdk::r4b::resources::Appointment;
use serde::Deserialize;
use serde_json::error::Category;

/// Why a resource does not conform, without any of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonconformity {
    /// The type of resource it should be.
    pub resource_type: &'static str,
    /// What is wrong.
    pub fault: Fault,
    /// The line in the text, from 1.
    pub line: usize,
    /// The column in the line, from 1; near what is wrong, as a value with choices is read to its end
    /// before it is judged.
    pub column: usize,
}

/// What is wrong with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No JSON.
    Syntax,
    /// Nested deeper than [`DEPTH_MAX`].
    Depth,
    /// A resource of another type, or of none.
    ResourceType,
    /// A field that FHIR demands is not there.
    Missing,
    /// A value is of another type, or a code that FHIR does not have there.
    Value,
}

impl Fault {
    /// A word for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Depth => "depth",
            Self::ResourceType => "resource_type",
            Self::Missing => "missing",
            Self::Value => "value",
        }
    }
}

impl fmt::Display for Nonconformity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource_type, fault, line, column } = self;
        write!(f, "{resource_type} does not conform ({}) at {line}:{column}", fault.as_str())
    }
}

impl std::error::Error for Nonconformity {}

/// How deep objects and arrays may be nested. Real resources end below 16; a resource within a resource
/// takes 2 levels and up to 60 KB of stack without optimisation, so that 2 MiB would end at 70.
pub const DEPTH_MAX: usize = 32;

const APPOINTMENT: &str = "Appointment";

/// What the library does not look at: it takes any resource for the one that is asked for.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "resourceType", borrow, default)]
    resource_type: Cow<'a, str>,
}

/// Reads an Appointment as R4B, in which it is the same as in R4, and forgets it.
///
/// # Errors
/// If it does not conform, with the first thing that is wrong.
pub fn report(json: &[u8]) -> Result<(), Nonconformity> {
    let as_a_whole =
        |fault| Nonconformity { resource_type: APPOINTMENT, fault, line: 1, column: 1 };
    if is_deep(json) {
        return Err(as_a_whole(Fault::Depth));
    }
    let head = serde_json::from_slice::<Head<'_>>(json).map_err(|error| nonconformity(&error))?;
    if head.resource_type != APPOINTMENT {
        return Err(as_a_whole(Fault::ResourceType));
    }
    serde_json::from_slice::<Appointment>(json).map(drop).map_err(|error| nonconformity(&error))
}

/// Whether brackets outside strings are nested too deep; what is no JSON may be taken for either.
fn is_deep(json: &[u8]) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    json.iter().any(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth += 1,
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEPTH_MAX
    })
}

fn nonconformity(error: &serde_json::Error) -> Nonconformity {
    let fault = match error.classify() {
        // The text of such an error may end with the value, but begins with the library's own words.
        Category::Data if error.to_string().starts_with("missing field") => Fault::Missing,
        Category::Data => Fault::Value,
        Category::Io | Category::Syntax | Category::Eof => Fault::Syntax,
    };
    let (line, column) = (error.line(), error.column());
    Nonconformity { resource_type: APPOINTMENT, fault, line, column }
}
