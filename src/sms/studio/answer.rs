//! The answers: an execution as Studio shows one, and a refusal as Twilio writes one.
//!
//! A refusal is an object of both worlds: Twilio's keys for its libraries, and those of RFC 9457
//! beside them for people.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::{ExecutionSid, Fault, digest};
use crate::clock::Timestamp;
use crate::core::phone::PhoneNumber;

/// An execution that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution<'a> {
    /// Its id.
    pub sid: &'a ExecutionSid,
    /// The account that asked.
    pub account_sid: &'a str,
    /// The flow.
    pub flow_sid: &'a str,
    /// For whom, where that may be told.
    pub to: Option<&'a PhoneNumber>,
    /// Whether it still goes on.
    pub is_active: bool,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Execution<'_> {
    /// Renders it; `base` is the address that we are reached at.
    #[must_use]
    pub fn to_json(&self, base: &str) -> Value {
        let url = format!("{base}/v2/Flows/{}/Executions/{}", self.flow_sid, self.sid);
        let time = |at: Timestamp| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let contact = self.to.map(|to| format!("FC{}", digest(&[self.account_sid, to.as_str()])));
        json!({
            "sid": self.sid.as_str(),
            "account_sid": self.account_sid,
            "flow_sid": self.flow_sid,
            "flow_version": 1,
            "contact_sid": contact,
            "contact_channel_address": self.to.map(PhoneNumber::as_str),
            "status": if self.is_active { "active" } else { "ended" },
            "context": {},
            "initiated_by": null,
            "date_created": time(self.started_at),
            "date_updated": time(self.updated_at),
            "links": {
                "steps": format!("{url}/Steps"),
                "execution_context": format!("{url}/Context"),
            },
            "url": url,
        })
    }
}

/// Why there is no execution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// User and password are not those of an account that may ask.
    #[error("user and password are not those of a configured account")]
    Unauthorized,
    /// So many wrong passwords came from there that none is looked at for a while.
    #[error("too many wrong passwords, try again in a minute")]
    TooMany,
    /// There is no such flow, or no such execution of it.
    #[error("there is no such flow or execution here")]
    Unknown,
    /// The body is of another kind.
    #[error("the body is no form; write it as application/x-www-form-urlencoded")]
    NoForm,
    /// The body is longer than a request can be.
    #[error("the body is too long")]
    TooLarge,
    /// Something in the request; at least one fault.
    #[error("the request cannot be read")]
    Faults(Vec<Fault>),
    /// The flow is under way with this phone.
    #[error("an execution of this flow is already active for this contact")]
    Active,
    /// An operator has stopped the flow.
    #[error("the flow takes no executions, it is stopped here")]
    Stopped,
    /// It could not be stored; the caller should try again.
    #[error("not stored, try again later")]
    NotStored,
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::TooMany => 429,
            Self::Unknown => 404,
            Self::NoForm => 415,
            Self::TooLarge => 413,
            Self::Faults(_) => 400,
            Self::Active | Self::Stopped => 409,
            Self::NotStored => 503,
        }
    }

    /// Twilio's code.
    #[must_use]
    pub fn code(&self) -> u32 {
        match self {
            Self::Unauthorized => 20003,
            Self::Faults(faults) => faults.first().map_or(20001, Fault::code),
            Self::TooMany
            | Self::Unknown
            | Self::NoForm
            | Self::TooLarge
            | Self::Active
            | Self::Stopped
            | Self::NotStored => 20_000 + u32::from(self.status()),
        }
    }

    /// Renders it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (status, code) = (self.status(), self.code());
        let faults = match self {
            Self::Faults(faults) => faults.as_slice(),
            Self::Unauthorized
            | Self::TooMany
            | Self::Unknown
            | Self::NoForm
            | Self::TooLarge
            | Self::Active
            | Self::Stopped
            | Self::NotStored => &[],
        };
        let first = faults.first();
        let detail = first.map_or_else(|| self.to_string(), ToString::to_string);
        let mut body = json!({
            "code": code,
            "message": detail,
            "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
            "status": status,
            "detail": detail,
        });
        if let (Some(object), Some(first)) = (body.as_object_mut(), first) {
            object.insert("field".to_owned(), json!(first.field));
            let each = |fault: &Fault| json!({ "field": fault.field, "detail": fault.problem });
            object.insert("errors".to_owned(), faults.iter().map(each).collect());
        }
        body
    }
}
