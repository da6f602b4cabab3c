//! Stand-ins for the peers, for the demo and for tests.

pub mod ehr;
pub mod fhir;
pub mod phone;
pub mod world;
