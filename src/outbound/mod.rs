//! Acts on effects: takes outbox rows, talks to a peer, reports back.

pub mod twilio;
