//! What a flow asks of a web server, and what it hears back.

use serde::{Deserialize, Serialize};

use crate::phi::Phi;

/// A request that a flow makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Where to; its host is on the list of `outreach.allow_hosts`.
    pub url: Phi<String>,
    /// The kind of the body, such as `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The body, as it goes out.
    pub body: Phi<String>,
}

/// How a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Without a body.
    Get,
    /// With one.
    Post,
}

/// What a server answered with a status of success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The kind of the body.
    pub content_type: String,
    /// The body, at most [`BODY_MAX`] bytes of it.
    pub body: Phi<String>,
}

/// How many bytes of an answer are kept, as Studio has it.
pub const BODY_MAX: usize = 64 * 1024;
