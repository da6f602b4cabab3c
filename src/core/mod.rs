//! Pure decisions and the values they are made of: no socket, store, clock or randomness.

pub mod message;
pub mod phone;
