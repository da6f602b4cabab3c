//! What the member promises, seen from outside: its own unit tests would compile `fhir-sdk`'s types into
//! a second artefact.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests"
)]

mod build;
mod client;
mod conformance;
mod peer;
mod tls;
