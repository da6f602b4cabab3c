//! HL7 v2: from bytes on a socket to values with a position, and back. Pure.
//!
//! On the way in: [`frame`] cuts a stream into MLLP frames, [`charset`] turns a payload into text,
//! [`batch`] finds the messages in it, [`message`] reads one and remembers each repair that it
//! needed ([`normalise`]), [`path`] names a value in it. On the way back: [`ack`] builds the answer
//! that [`ack_mode`] asks for, [`mod@write`] edits a message byte for byte, [`receipt`] reads the
//! peer's answer to it.
//!
//! Nothing here knows a socket, a clock, a store or what an appointment is. Whatever comes in is
//! hostile: every length is bounded, nothing recurses on input, and what cannot be understood is an
//! error that says where, without quoting the patient.
//!
//! The rule of the house: **a message is never silently shortened.** What was read covers the
//! input, or reading fails.

pub mod ack;
pub mod ack_mode;
pub mod batch;
pub mod charset;
pub mod control_id;
pub mod dtm;
pub mod escape;
pub mod frame;
pub mod header;
pub mod message;
pub mod normalise;
pub mod part;
pub mod path;
pub mod receipt;
pub mod separators;
mod tokens;
pub mod write;

#[cfg(test)]
mod corpus;

pub use ack::{AckCode, AckError, Answer, ErrorCode, acknowledge};
pub use ack_mode::{AckMode, Plan, Verdict, is_acknowledgment, plan};
pub use charset::Charset;
pub use control_id::control_id;
pub use dtm::Dtm;
pub use frame::{Incoming, MllpCodec};
pub use header::Header;
pub use message::{Message, Segment};
pub use normalise::Repair;
pub use part::{Component, Field, Repetition, Subcomponent, Value};
pub use path::{Path, SegmentName};
pub use receipt::AckReceived;
pub use separators::Separators;
pub use write::Draft;

pub use crate::category::Category;
