//! What FHIR servers send and serve, without a wire: raw JSON in, values out.
//!
//! Real servers break their own format in many ways, and a typed reader fails a whole page for one
//! unknown code, or drops a field without a word. So everything that comes in is read here from raw
//! JSON, piece by piece, and what is not understood is counted or kept with its reason. Nothing
//! here knows of sockets, of the store, or of what an appointment means to a patient: claims are
//! `mapping`'s, requests are `outbound`'s.
//!
//! On the path of a notification: [`signature`] over the raw bytes first, then [`notification`],
//! which gives hints of what changed. What is read in answer to a hint, by [`page`] or singly, is
//! told from what is known by [`resource`], completed by [`mod@reference`], and kept as a Bundle.

mod address;
mod json;

pub mod notification;
pub mod page;
pub mod reference;
pub mod resource;
pub mod signature;

pub use json::NoJson;
