//! From a message of some dialect to normalized events, and from a patient's wish to a message.
//!
//! A mapping is a file of `mappings/`: for each field of the event an ordered list of places to
//! look, with conditions, value tables and normalisers; for each trigger the event that it means.
//! [`load`] reads and compiles the files, all faults at once; [`Mapping::apply`] executes one;
//! [`Mapping::explain`] does the same and tells what was found where and why; [`reverse`] builds
//! the message that brings a wish back to the EHR; [`examples`] proves a mapping by the messages
//! that its file carries; [`mod@suggest`] draws a first mapping from samples of an unknown EHR.
//! [`resource`] opens the bundles of FHIR, whose paths are `FHIRPath`.
//!
//! Pure: no store, clock or socket. A message that cannot be mapped is an outcome with a reason,
//! never a panic, and no reason or error quotes a value of the message.

mod apply;
pub mod choice;
mod compile;
mod condition;
pub mod coverage;
pub mod difference;
mod document;
pub mod examples;
pub mod explain;
mod expression;
pub mod fault;
mod fhirpath;
mod lines;
pub mod load;
mod normalise;
mod output;
mod participants;
mod path;
mod read;
mod record;
pub mod resource;
pub mod reverse;
mod source;
mod spec;
mod spot;
pub mod suggest;
mod table;
pub mod trace;
mod variables;
pub mod view;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use choice::{Choice, Chosen};
pub use compile::Mapping;
pub use document::FILE_BYTES_MAX;
pub use examples::check_examples;
pub use explain::Explanation;
pub use fault::Fault;
pub use fhirpath::Beside;
pub use load::{Detected, Library, lookup};
pub use normalise::duration::MINUTES_MAX;
pub use normalise::language::tag as language_tag;
pub use output::Output;
pub use path::Position;
pub use resource::{NoEntry, NoResource, Resource};
pub use trace::Trace;
pub use view::Input;

use lines::EVENTS_MAX;
use participants::PARTICIPANTS_MAX;

use crate::core::claim::{Claim, Origin};
use crate::core::ids::SourceName;
use crate::core::local_time::Zone;
use crate::core::phone::Region;
use crate::core::rules::Place;

/// What is known about a feed besides its messages.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The feed.
    pub source: &'a SourceName,
    /// The zone of the listener, if its settings give one.
    pub zone: Option<Zone>,
    /// The zone of the practice.
    pub practice_zone: Zone,
    /// The country whose phone numbers come without country code.
    pub region: Region,
    /// The places of visits, by the codes of messages.
    pub locations: &'a BTreeMap<String, Place>,
}

impl Site<'_> {
    const fn usual_zone(&self) -> Zone {
        match self.zone {
            Some(zone) => zone,
            None => self.practice_zone,
        }
    }
}

/// What a message comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// What it claims; one message may tell of several appointments.
    Claims(Vec<Claim>),
    /// It is understood and asks for nothing.
    NoEvent(NoEvent),
    /// It is to be looked at by a person.
    Failed(Error),
}

/// Why a message asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoEvent {
    /// A name to count and to search by, such as `trigger_ignored`, or the rule's own.
    pub code: String,
    /// A sentence for people.
    pub sentence: String,
}

/// Why a message could not be mapped; holds names and paths, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field without which there is no event is nowhere.
    #[error("{} is missing; looked for at {}", field.name(), tried.join(", "))]
    Missing {
        /// The field.
        field: Output,
        /// The paths that were tried.
        tried: Vec<String>,
    },
    /// It tells of more events than any message means.
    #[error(
        "the message tells of {found} appointments or more; at most {EVENTS_MAX} are read, and fewer of a very long message"
    )]
    TooMany {
        /// How many.
        found: usize,
    },
    /// It holds so much that a path did not come to its end, and what is not seen may matter.
    #[error(
        "the resource holds more than is looked through; at most {PARTICIPANTS_MAX} participants are read"
    )]
    TooLarge,
    /// What is written cannot be meant, such as the 31st of February.
    #[error("{} at {path} cannot be read", field.name())]
    Unreadable {
        /// The field.
        field: Output,
        /// The path that led there.
        path: String,
    },
}

pub use crate::category::Category;

impl Error {
    /// The kind of failure.
    #[must_use]
    pub const fn category(&self) -> Category {
        match self {
            Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::TooMany { .. }
            | Self::TooLarge => Category::Malformed,
        }
    }

    /// The field that failed.
    #[must_use]
    pub const fn field(&self) -> Output {
        match self {
            Self::Missing { field, .. } | Self::Unreadable { field, .. } => *field,
            // What is too much of is that which tells them apart.
            Self::TooMany { .. } | Self::TooLarge => Output::Ids,
        }
    }
}

impl Outcome {
    /// Renders the public JSON form: one object for each event, or one that says why there is none.
    #[must_use]
    pub fn to_json(&self, origin: &Origin) -> Vec<Value> {
        let source = origin.to_json();
        match self {
            Self::Claims(claims) => claims.iter().map(Claim::to_json).collect(),
            Self::NoEvent(why) => vec![json!({
                "event": null, "reason": why.sentence, "code": why.code, "source": source,
            })],
            Self::Failed(error) => vec![json!({
                "event": null, "reason": error.to_string(), "code": "failed",
                "field": error.field().name(), "source": source,
            })],
        }
    }
}
