//! FHIR servers as the daemon reaches them: who it is to them, and how hard it leans on them.
//!
//! [`server`] sends one request to one server, authorized and within its limits; what to ask, and what
//! an answer means, is decided elsewhere. [`keys`] are the daemon's own, for signing; [`jwt`] is the
//! other side, for tokens with which a server shows the daemon who *it* is. Bytes go over
//! `appointd_fhir`, the only crate that knows a FHIR library.

mod assertion;
pub mod auth;
mod fetch;
pub mod jwt;
mod key_set;
pub mod keys;
pub mod lane;
mod limit;
#[cfg(test)]
mod samples;
pub mod server;
mod token;

pub use appointd_fhir::client::{Method, Request, Response};
pub use auth::{Auth, Style};
pub use fetch::AddressFault;
pub use keys::{PrivateKey, jwks, jwks_json};
pub use limit::State;
pub use server::{Options, Server, Trouble};
