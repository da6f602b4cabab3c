//! Twilio's wire forms, without a wire: what is posted, what comes back, what is posted to us.
//!
//! Everything here is pure: bytes in, values out, or the other way. The client that talks is
//! `outbound::twilio`, the listener for webhooks is `inbound`, and the stand-in for tests and the
//! demo, which speaks the other side of each form, is `sim::phone`. Whatever Twilio sends is read
//! tolerantly, because it "will occasionally add new parameters without advance notice"; whatever
//! decides (a status, a SID, a signature) is read strictly.

pub mod answer;
pub mod error_codes;
pub mod form;
pub mod request;
pub mod secret;
pub mod sid;
pub mod signature;
pub mod status;
pub mod studio;
pub mod webhook;

pub use form::Form;
pub use secret::Secret;
