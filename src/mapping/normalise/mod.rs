//! From what a message writes to what the event holds: names, times, durations, phones, languages.

pub(super) mod case;
pub(super) mod duration;
pub(super) mod language;
pub(super) mod phone;
pub(super) mod time;
