//! Flows: conversations as data, in the JSON that Twilio Studio exports.
//!
//! A [`Program`] is a flow with the flows that it calls, read and checked; a [`Run`] is how far one
//! recipient has come in it. [`step`] is pure: program, run and what happened in, the run as it is
//! from now on and at most one thing to be done outside. Nothing here knows of campaigns, phones,
//! consent or hours; whoever performs an [`Act`] sees to those, and tells how it went.

mod http;
mod program;
mod run;
mod step;

pub use http::{BODY_MAX, Call, HttpAnswer, Method};
pub use program::{Column, Fault, Function, Program, ProgramId, Question, Sources, Tools};
pub use run::{Answer, End, Frame, Inbound, Run, Trigger, TriggerKind, Wait};
pub use step::{Act, Fit, Happened, Note, Stepped, Surroundings, fits, step};
