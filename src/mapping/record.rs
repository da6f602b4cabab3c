//! What happens while a message is read, for whoever wants to know.
//!
//! Reading tells a [`Recorder`] each attempt; the one used in production is [`Silent`] and costs
//! nothing, because everything that it is told is borrowed or copied.

use super::fault::Place;
use super::normalise::{duration, phone, time};
use super::output::Output;
use super::path::Found;
use super::source::Source;
use super::view::View;

/// Listens to the reading of a message.
pub(super) trait Recorder {
    /// Whether anything is kept; what costs time to find out is skipped if not.
    const LISTENS: bool;

    /// An event begins: one patient and time of the message.
    fn event(&mut self);

    /// A field begins.
    fn begin(&mut self, output: Output);

    /// A source of the current field was asked.
    fn attempt(&mut self, source: &Source, seen: Option<Seen<'_, '_>>, verdict: Verdict);

    /// What was done to the value that was taken last.
    fn step(&mut self, say: impl FnOnce() -> String);

    /// Something worth knowing about the message as a whole.
    fn note(&mut self, note: Note);

    /// The event failed for the sake of a field.
    fn failed(&mut self, field: Output);

    /// A rule that decided about the message as a whole: what it is, and where it is written.
    fn rule(&mut self, say: impl FnOnce() -> String, place: &Place);
}

/// What was found, and in what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'s, 'm> {
    pub(super) found: &'s Found<'m>,
    pub(super) view: &'s View<'m>,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    /// `""` counts if no later source has a value.
    Null,
    Absent,
    ConditionNotMet,
    NotInTable,
    /// The regular expression does not fit.
    NotCaptured,
    SaysNothing,
    NotATime(time::Problem),
    NotADuration(duration::Problem),
    NotAPhone(phone::Problem),
    NotALanguage,
    /// The number is good, another one is better.
    SecondBest,
    NoIdentifier,
    Duplicate,
}

/// Something worth knowing about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    SeveralPatients(u16),
    SeveralTimes(u16),
    OnePatientOf(usize),
    OneTimeOf(usize),
    EndBeforeStart,
    EndTooLate,
    EndFromDuration,
    DurationFromEnd,
    StatusNotHeeded,
    EventByStatus,
    EventByWord,
    EventByTrigger,
    TimeInFuture,
    NoMessageTime,
    TimeWithoutOffset,
    SettledGap,
    SettledFold,
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silent;

impl Recorder for Silent {
    const LISTENS: bool = false;

    fn event(&mut self) {}

    fn begin(&mut self, _output: Output) {}

    fn attempt(&mut self, _source: &Source, _seen: Option<Seen<'_, '_>>, _verdict: Verdict) {}

    fn step(&mut self, _say: impl FnOnce() -> String) {}

    fn note(&mut self, _note: Note) {}

    fn failed(&mut self, _field: Output) {}

    fn rule(&mut self, _say: impl FnOnce() -> String, _place: &Place) {}
}
