//! How effects leave the house: take a claimed row of the outbox, perform it, report how it went.
//!
//! Each lane (texts; each HL7 destination) is one task that asks the engine for work when it has
//! room, so a slow or dead receiver holds up nothing but its own lane. What a report means for the
//! row, and whether it is tried again, is decided by the core; a lane only pauses itself while its
//! receiver is out of order.

pub mod brake;
pub mod breaker;
pub mod bucket;
pub mod call;
pub mod fhir;
pub mod gone;
pub mod hl7;
pub mod json;
pub mod mllp;
mod reported;
pub mod sms;
pub mod twilio;
