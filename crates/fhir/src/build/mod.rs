//! Resources that go out, built by `fhir-sdk`'s R4B builders and handed over as JSON.
//!
//! What is built here is the same in R4 and R4B. Text and times come from outside and are checked: a
//! value that FHIR does not allow is an error with the name of its field, never a panic, and never the
//! value itself.

mod patch;
mod response;
mod subscription;
mod text;

use fhir_sdk::r4b::types::Reference;
use serde::Serialize;

pub use self::patch::{Operation, Value, fhirpath_patch};
pub use self::response::{Answer, Identifier, Participation, appointment_response};
pub use self::subscription::{Content, Model, NewSubscription, subscription};

/// The most entries of one list: operations, filters or headers. Nobody needs a tenth of it.
pub const ENTRIES_MAX: usize = 64;

/// Why a resource is not built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No time in the form of an R4 instant: date, `T`, time with seconds, offset.
    #[error("{field} is no time with an offset")]
    Time {
        /// Which field.
        field: &'static str,
    },
    /// Empty, too long, or of characters that FHIR does not allow there.
    #[error("{field} is empty, too long or has characters that its type does not allow")]
    Text {
        /// Which field.
        field: &'static str,
    },
    /// Outside the range of its type.
    #[error("{field} is out of range")]
    Number {
        /// Which field.
        field: &'static str,
    },
    /// A list is empty that must not be, or is longer than [`ENTRIES_MAX`].
    #[error("{field} has no or too many entries")]
    Entries {
        /// Which list.
        field: &'static str,
    },
    /// The library refused what was checked before; a fault of this crate.
    #[error("resource cannot be built")]
    Library,
}

/// The one way to bytes. Each serializer would compile the code of all resources anew.
fn json<T: Serialize>(resource: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(resource).map_err(library)
}

/// What a builder complains of is a field that is missing, which is a fault of this crate.
fn library<E>(_: E) -> Error {
    Error::Library
}

fn reference(field: &'static str, target: &str) -> Result<Reference, Error> {
    let target = text::uri(field, target)?;
    Reference::builder().reference(target).build().map_err(library)
}

fn check_entries<T>(field: &'static str, entries: &[T]) -> Result<(), Error> {
    if entries.len() > ENTRIES_MAX { Err(Error::Entries { field }) } else { Ok(()) }
}
