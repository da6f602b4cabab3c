//! The only place where the daemon uses `fhir-sdk`: plain functions over its types and its client.
//!
//! Any resource of FHIR can contain any other, so reading or writing a single one of `fhir-sdk`'s types
//! compiles the code of all of them into the crate that asks for it. That is minutes and gigabytes, and
//! would be paid with every change of the daemon. Here it is paid once.
//!
//! Rules: no generic function, nothing of `fhir_sdk` in a signature, as few typed entry points as can
//! be, and no import of the daemon.

pub mod build;
pub mod client;
pub mod conformance;
pub mod transport;
