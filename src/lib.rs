//! `appointd`: an HL7 v2 / FHIR appointment integration engine.

pub mod clock;
pub mod phi;
pub mod shutdown;

pub mod core;

pub mod hl7;
pub mod mapping;
pub mod sms;

pub mod settings;

pub mod store;

pub mod engine;

pub mod inbound;
pub mod outbound;

pub mod sim;

pub mod telemetry;
pub mod tls;

pub mod http;

pub mod app;
pub mod cli;
