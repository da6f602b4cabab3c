//! `appointd`: an HL7 v2 / FHIR appointment integration engine.

pub mod clock;
pub mod core;
pub mod phi;

pub mod hl7;
pub mod sms;

pub mod settings;

pub mod store;

pub mod engine;
