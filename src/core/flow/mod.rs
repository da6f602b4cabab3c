//! Flows: conversations as data, in the JSON that Twilio Studio exports.
//!
//! A [`Program`] is a flow with the flows that it calls, read and checked; a [`Run`] is how far one
//! recipient has come in it. [`step()`] is pure: program, run and what happened in, the run as it is
//! from now on and at most one thing to be done outside. Nothing here knows of campaigns, phones,
//! consent or hours; whoever performs an [`Act`] sees to those, and tells how it went.
//!
//! # Widgets
//!
//! `trigger`, `send-message`, `send-and-wait-for-reply`, `split-based-on` with all its conditions,
//! `set-variables`, `make-http-request`, `run-function` and `run-subflow`. Everything else is a fault
//! of the file, with its line. Templates ([`liquid`]) see `flow`, `trigger`, `contact` and `widgets`
//! as in Studio, and `practice.name` and `practice.callback_phone` besides.
//!
//! # Extensions
//!
//! Studio ignores keys that it does not know. These stand under `appointd`:
//!
//! | where | key | meaning |
//! |---|---|---|
//! | the flow | `language` | the language of its texts: `"en"` |
//! | the flow | `expires` | how long a recipient may take: `"72h"`, `"90m"`, `"7d"` |
//! | a text's properties | `body` | the text in other languages: `{"es": ".."}` |
//! | a question's properties | `expect` | `"number"` (with `min`, `max`), `"yes_no"`, or `"choice"` (with `choices`: `{"AM": ["morning"], ..}`) |
//! | a question's properties | `retry` | asks again what was not understood: `{"max": 2, "text": "..", "body": {"es": ".."}}` |
//! | any state's properties | `handoff` | tells staff when it is reached: `{"note": "..", "urgent": true}` |
//! | everywhere | `note` | for whoever reads the file |
//!
//! With `expect`, `widgets.NAME.inbound.Body` is what the reply means ("about seven" is `7`, "sí" is
//! `YES`), and empty if that is not clear; the words stay in `widgets.NAME.inbound.raw_body`. Without
//! it, a reply is not understood if the next split that looks at it takes `noMatch`. Once a question
//! was asked again `max` times, the flow goes on with what there is. A flow that ends in a state with
//! `handoff` ends as handed over. The note should say what to do, and none of the patient's words.

mod condition;
mod context;
mod functions;
mod graph;
mod http;
mod import;
pub mod liquid;
mod normalise;
mod program;
mod request;
mod run;
mod step;
mod walk;

pub use functions::DATETIME_PARTS;
pub use http::{ANY, BODY_MAX, Call, HttpAnswer, Method};
pub use import::{FILE_BYTES_MAX, PARAMETERS_MAX, STATES_MAX, SUBFLOWS_DEPTH_MAX, TRANSITIONS_MAX};
pub use program::{
    Column, FLOWS_MAX, Fault, Function, Program, ProgramId, Question, Said, Sources, Tools,
};
pub use run::{Answer, End, Frame, Inbound, Run, Trigger, TriggerKind, Wait};
pub use step::{
    ANSWERS_MAX, Act, Fit, Happened, Note, RUN_BYTES_MAX, Stepped, Surroundings, TIMEOUT_SECONDS,
    TIMEOUT_SECONDS_MAX, TIMEOUT_SECONDS_MIN, fits, step,
};
pub use walk::STEPS_MAX;
