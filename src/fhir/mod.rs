//! FHIR without a wire: what servers say, and what is said to them. Pure.
//!
//! Everything works on JSON as it came (`serde_json::Value`): real servers break their own format in
//! many ways, a typed reading would refuse a whole page for one unknown code, and lose on writing what
//! it does not know. Whatever comes in is hostile: lengths are bounded, a missing or misshapen field is
//! an answer and never a panic, and no refusal quotes the patient.
//!
//! On the path of a notification: [`signature`] over the raw bytes first, then [`notification`],
//! which gives hints of what changed. What is read in answer to a hint, by [`page`] or singly, is
//! told from what is known by [`resource`], completed by [`mod@reference`], and kept as a bundle.
//!
//! On the way out [`mod@write`] decides what a patient's wish amounts to, given the appointment as it
//! was just read, and judges the server's answer; [`outcome`] reads what went wrong; [`subscription`]
//! says how we want to be told of changes, and what to do when the telling stops. [`render`] writes
//! what a FHIR library has to write, [`query`] what stands in an address.
//!
//! Nothing here knows a socket, a clock, a store, a setting's file, or what an appointment means to a
//! patient: claims are `mapping`'s.

mod address;
mod instant;
mod json;
pub mod notification;
pub mod outcome;
pub mod page;
pub mod query;
pub mod reference;
pub mod render;
pub mod resource;
pub mod signature;
pub mod subscription;
pub mod write;

pub use json::NoJson;
