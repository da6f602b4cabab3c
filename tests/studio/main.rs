//! An interface engine that was made for Studio posts here, with nothing changed but the address, and
//! hears of patients' answers as before.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod callbacks;
mod calls;
mod events;
mod support;
