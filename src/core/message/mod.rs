//! What is written to a patient.

pub mod segments;
