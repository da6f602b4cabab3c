//! One step of a run: from something that happened to the next thing to be done.

use std::collections::BTreeMap;

use super::http::{Call, HttpAnswer};
use super::program::{Program, Tools};
use super::run::{Inbound, Run};
use crate::clock::Timestamp;
use crate::core::local_time::Zone;
use crate::core::reply::Words;
use crate::phi::Phi;

/// What a step depends on besides program, run and event.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// What flows may reach outside.
    pub tools: &'a Tools,
    /// The word lists, for yes and no.
    pub words: &'a BTreeMap<String, Words>,
    /// The zone of dates and times in texts and conditions.
    pub zone: Zone,
    /// The time.
    pub now: Timestamp,
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// It begins.
    Begun,
    /// The recipient texted.
    Heard(Inbound),
    /// Its text has left.
    Sent {
        /// The provider's id, if it is known.
        sid: Option<String>,
    },
    /// Its text cannot be sent.
    NotSent {
        /// Why, as a code.
        code: String,
    },
    /// A web server answered.
    Called(HttpAnswer),
    /// No web server answered, or not with success.
    NotCalled {
        /// The status, if there was an answer.
        status: Option<u16>,
    },
    /// It waited for a reply long enough.
    TimeUp,
}

/// What a step comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// The run as it is from now on.
    pub run: Run,
    /// What is to be done outside; none if it waits for a reply, or has ended.
    pub act: Option<Act>,
    /// What a person has to look at.
    pub notes: Vec<Note>,
}

/// What a run wants done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Text the recipient.
    Text {
        /// The state that says so.
        state: String,
        /// The words.
        body: Phi<String>,
    },
    /// Ask a web server.
    Call(Call),
}

/// What a flow gives to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it says, without the patient's words.
    pub text: Phi<String>,
    /// Whether it should be looked at before others.
    pub is_urgent: bool,
}

/// How well a text fits what a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is one of the answers that the flow tells apart.
    Answer,
    /// The flow takes any words.
    Words,
    /// It is none of the answers.
    Nothing,
    /// The run waits for no reply.
    NotAsked,
}

/// How well a text fits what a run waits for, without taking it.
#[must_use]
pub fn fits(program: &Program, run: &Run, text: &Inbound, around: Surroundings<'_>) -> Fit {
    let _ = (program, run, text, around);
    Fit::NotAsked
}

/// Takes a run on by something that happened; what does not concern it leaves it as it is.
#[must_use]
pub fn step(
    program: &Program,
    run: &Run,
    happened: &Happened,
    around: Surroundings<'_>,
) -> Stepped {
    let _ = (program, happened, around);
    Stepped { run: run.clone(), act: None, notes: Vec::new() }
}
