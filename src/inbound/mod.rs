//! How things come in: listen, read, submit to the engine, answer what it says.

pub mod intake;
pub mod mllp;
mod nack;
pub mod poll;
pub mod silence;
pub mod sms;
