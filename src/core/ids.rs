//! Names of things: sources, appointments, journal entries, rows of the outbox.
//!
//! Each is a type of its own, so that a patient's number cannot be passed where an appointment's is
//! wanted. None of them is made from patient data except [`AppointmentKey`], which holds the
//! appointment's number at the EHR.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The configured name of a feed (`[[hl7.listener]] name`).
    SourceName
}
name! {
    /// The configured name of an outlet for write-back (`[[hl7.destination]] name`).
    DestinationName
}
name! {
    /// An appointment: `SOURCE/ID`, where ID is the first identifier that it was ever heard under.
    AppointmentKey
}
name! {
    /// A row of the outbox; travels in the status callback's address.
    OutboxId
}

impl AppointmentKey {
    /// Makes the key of an appointment first heard of under `id` from `source`.
    ///
    /// The system is part of the key: a filler's 17 and a placer's 17 are two appointments.
    #[must_use]
    pub fn of(source: &SourceName, id: &Identifier) -> Self {
        if id.system == Identifier::FILLER {
            Self(format!("{source}/{}", id.value))
        } else {
            Self(format!("{source}/{}:{}", id.system, id.value))
        }
    }
}

impl OutboxId {
    /// Makes the id of the `index`th effect of the turn `seq`, decided at `now`.
    ///
    /// The time keeps ids apart when an older backup is restored and `seq` counts again.
    #[must_use]
    pub fn of(now: Timestamp, seq: Seq, index: usize) -> Self {
        Self(format!("{:x}-{:x}-{index:x}", now.timestamp_millis(), seq.0))
    }
}

/// The position of an entry in the journal; grows by one with every turn.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An identifier as a message gives it, with the system that assigned it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identifier {
    /// The identifier, byte for byte.
    pub value: String,
    /// `filler`, `placer`, `visit`, or an assigning authority.
    pub system: String,
}

impl Identifier {
    /// The system of ids that the EHR's scheduling gives (SCH-2).
    pub const FILLER: &'static str = "filler";

    /// Pairs a value with its system.
    pub fn new(value: impl Into<String>, system: impl Into<String>) -> Self {
        Self { value: value.into(), system: system.into() }
    }
}
