//! FHIR without a wire: what a server says, and what is said to it. Pure.
//!
//! Everything works on JSON as it came (`serde_json::Value`): a typed reading would refuse a whole page
//! for one unknown code, and lose on writing what it does not know. On the way out [`mod@write`] decides
//! what a patient's wish amounts to, given the appointment as it was just read, and judges the
//! server's answer; [`outcome`] reads what went wrong; [`subscription`] says how we want to be told
//! of changes, and what to do when the telling stops.
//!
//! Nothing here knows a socket, a clock, a store or a setting's file. Whatever comes in is hostile:
//! lengths are bounded, a missing or misshapen field is an answer and never a panic, and no refusal
//! quotes the patient.

mod instant;
pub mod outcome;
pub mod subscription;
pub mod write;
