//! How things come in: listen, read, submit to the engine, answer what it says.

pub mod fhir;
pub mod intake;
pub mod mllp;
mod nack;
pub mod poll;
pub mod resources;
pub mod silence;
pub mod sms;
pub mod studio;
mod studio_flow;
