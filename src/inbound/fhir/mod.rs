//! FHIR servers as feeds: what they tell, and what is read of them.
//!
//! A notification is stored before it is answered, and comes to looks at the server ([`notify`]). A
//! look reads the appointment with all that belongs to it ([`read`], [`shelf`]), and hands it to the
//! engine as one bundle ([`desk`]). What no notification told is found by searches ([`search`]), as
//! often and as far as [`plan`] says; [`follow`] carries that out, and [`watch`] looks after the
//! subscription. What happened is for the engine to find, by comparing.

pub mod desk;
pub mod follow;
pub mod notify;
mod plan;
pub mod read;
pub mod search;
mod shelf;
pub mod watch;
