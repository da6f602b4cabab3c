//! From what a message writes to what the event holds: times, durations, phones, languages.

pub(super) mod duration;
pub(super) mod language;
pub(super) mod phone;
pub(super) mod time;
