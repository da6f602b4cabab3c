//! How far a recipient has come in a flow: plain data, kept between the steps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::phi::Phi;

/// A recipient's way through a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What started it.
    pub trigger: Trigger,
    /// The flows that are under way, the one called last at the end.
    pub frames: Vec<Frame>,
    /// What it waits for.
    pub wait: Wait,
    /// What the recipient answered, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
    /// How many acts there were; it tells a late report of an earlier one from that of the last.
    #[serde(default)]
    pub acts: u32,
}

impl Run {
    /// A run that is to be begun.
    #[must_use]
    pub const fn new(trigger: Trigger) -> Self {
        Self { trigger, frames: Vec::new(), wait: Wait::Start, answers: Vec::new(), acts: 0 }
    }
}

/// The language of a tag, without region: `es` of `es-US`.
pub(super) fn primary(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

/// What started a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// By what.
    pub kind: TriggerKind,
    /// The recipient's phone, in E.164 form.
    pub to: String,
    /// Our number, or the id of the messaging service.
    pub from: String,
    /// The values that came along: `flow.data` and `trigger.request.parameters`.
    pub data: Phi<Map<String, Value>>,
    /// The id of this run, `flow.sid`.
    pub sid: String,
    /// The recipient's language as a BCP 47 tag, if one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// By what a run is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// A list, or a request (`incomingRequest`).
    Request,
    /// A text from the phone (`incomingMessage`).
    Message,
    /// Another flow (`incomingParent`).
    Parent,
}

/// One flow under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Which, by name.
    pub flow: String,
    /// The state that it is in.
    pub state: String,
    /// `flow.variables`.
    #[serde(default)]
    pub variables: Phi<Map<String, Value>>,
    /// `widgets`: what each state has left behind.
    #[serde(default)]
    pub widgets: Phi<Map<String, Value>>,
    /// How often a state has asked again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retries: BTreeMap<String, u32>,
    /// What a calling flow handed over, in place of the trigger's values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Phi<Map<String, Value>>>,
}

impl Frame {
    /// A flow at one of its states, with nothing done yet.
    pub(super) fn at(flow: &str, state: &str) -> Self {
        Self {
            flow: flow.to_owned(),
            state: state.to_owned(),
            variables: Phi::default(),
            widgets: Phi::default(),
            retries: BTreeMap::new(),
            data: None,
        }
    }
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// To be begun.
    Start,
    /// That a text has left; `asks` if its state waits for a reply then.
    Delivery {
        /// Whether it does.
        asks: bool,
    },
    /// A reply, until a moment.
    Reply {
        /// Since when the text is out.
        since: Timestamp,
        /// When it is too late.
        until: Timestamp,
    },
    /// The answer of a web server.
    Call,
    /// Nothing: it has ended.
    End(End),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The flow came to its end.
    Completed,
    /// The flow gave it to a person.
    HandedOver,
    /// It took more steps at once than a flow may, or a template more work.
    Runaway,
}

/// What a recipient answered to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The state that asked.
    pub question: String,
    /// The words.
    pub body: Phi<String>,
    /// What they were read as, if the flow reads numbers or yes and no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_as: Option<String>,
    /// When they came.
    pub at: Timestamp,
}

/// A text from the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbound {
    /// The provider's id.
    pub sid: String,
    /// What it says.
    pub body: Phi<String>,
    /// When it came.
    pub at: Timestamp,
    /// How many pictures and the like came with it.
    #[serde(default)]
    pub media: u32,
}
