//! What Twilio checks before it accepts a text, and in which words it refuses.
//!
//! The magic numbers are those of Twilio's test credentials, so that scripts written for them run
//! here as well.

use std::collections::BTreeSet;

use super::Settings;
use crate::core::phone::{PhoneNumber, Region};
use crate::phi::Phi;
use crate::sms::Form;
use crate::sms::request::BODY_CHARS_MAX;
use crate::sms::sid::ServiceSid;

/// An error answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) http_status: u16,
    pub(super) code: u32,
    pub(super) message: &'static str,
}

pub(super) const UNAUTHORIZED: Refusal = refusal(401, 20003, "Authenticate");
pub(super) const NOT_FOUND: Refusal = refusal(404, 20404, "The requested resource was not found");
pub(super) const THROTTLED: Refusal = refusal(429, 20429, "Too Many Requests");
pub(super) const SERVER_ERROR: Refusal =
    refusal(500, 20500, "An internal server error has occurred");
pub(super) const IN_USE: Refusal =
    refusal(409, 20009, "The message cannot be deleted before it has come to its end");
pub(super) const NOT_CANCELABLE: Refusal =
    refusal(400, 20001, "The message has been handed over and cannot be canceled");
pub(super) const MALFORMED: Refusal = refusal(400, 20001, "The request cannot be read");

/// A text that passed all checks.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) to: PhoneNumber,
    pub(super) from: PhoneNumber,
    pub(super) service: Option<ServiceSid>,
    pub(super) body: Phi<String>,
    pub(super) status_callback: Option<String>,
}

/// Checks a request to send, in Twilio's order.
pub(super) fn check(
    form: &Form,
    settings: &Settings,
    opted_out: &BTreeSet<PhoneNumber>,
) -> Result<Draft, Refusal> {
    let to = form.get_filled("To").ok_or(bad(21604, "A 'To' phone number is required."))?;
    let body = form.get_filled("Body").ok_or(bad(21602, "Message body is required."))?;
    let to = PhoneNumber::parse(to, Region::US)
        .map_err(|_| bad(21211, "The 'To' number is not a valid phone number."))?;
    if body.chars().count() > BODY_CHARS_MAX {
        return Err(bad(21617, "The concatenated message body exceeds the 1600 character limit."));
    }
    let status_callback = form.get_filled("StatusCallback");
    if !status_callback.is_none_or(is_absolute_url) {
        return Err(bad(21609, "The 'StatusCallback' URL is not a valid URL."));
    }
    if form.get("SendAt").is_some() || form.get("ScheduleType").is_some() {
        return Err(bad(35118, "This stand-in does not schedule messages."));
    }
    let (from, service) = sender(form, settings)?;
    recipient(&to)?;
    if opted_out.contains(&to) {
        return Err(bad(21610, "Attempt to send to unsubscribed recipient"));
    }
    let status_callback = status_callback.map(str::to_owned);
    Ok(Draft { to, from, service, body: Phi::new(body.to_owned()), status_callback })
}

fn sender(form: &Form, settings: &Settings) -> Result<(PhoneNumber, Option<ServiceSid>), Refusal> {
    const UNUSABLE: Refusal =
        bad(21606, "The 'From' phone number is not a valid message-capable Twilio phone number.");
    if let Some(service) = form.get_filled("MessagingServiceSid") {
        let own = settings.messaging_service_sid.as_ref();
        let service = own.filter(|own| own.as_str() == service);
        let service = service.ok_or(bad(21701, "The Messaging Service does not exist."))?;
        let from =
            settings.numbers.first().ok_or(bad(21703, "The Messaging Service has no senders."))?;
        return Ok((from.clone(), Some(service.clone())));
    }
    let from = form.get_filled("From").ok_or(bad(21603, "A 'From' phone number is required."))?;
    let from = PhoneNumber::parse_e164(from)
        .map_err(|_| bad(21212, "The 'From' number is not a valid phone number."))?;
    match from.as_str() {
        _ if settings.numbers.contains(&from) => Ok((from, None)),
        "+15005550006" => Ok((from, None)),
        "+15005550001" => Err(bad(21212, "The 'From' number is not a valid phone number.")),
        "+15005550008" => {
            Err(bad(21611, "This 'From' number has exceeded the maximum number of queued messages"))
        }
        _ => Err(UNUSABLE),
    }
}

fn recipient(to: &PhoneNumber) -> Result<(), Refusal> {
    match to.as_str() {
        "+15005550001" => Err(bad(21211, "The 'To' number is not a valid phone number.")),
        "+15005550002" => {
            Err(bad(21612, "The 'To' phone number is not currently reachable via SMS"))
        }
        "+15005550003" => {
            Err(bad(21408, "Permission to send an SMS has not been enabled for the region"))
        }
        "+15005550004" => Err(bad(21610, "Attempt to send to unsubscribed recipient")),
        "+15005550009" => Err(bad(21614, "'To' number is not a valid mobile number")),
        _ => Ok(()),
    }
}

/// The error of every delivery to a number whose last five digits are an error code of the carriers,
/// as in +15005530003 for 30003. The provider has no such numbers; its test account delivers nothing.
pub(super) fn delivery_error(to: &PhoneNumber) -> Option<u32> {
    let code = to.as_str().strip_prefix("+150055")?.parse().ok()?;
    (30_001..=30_999).contains(&code).then_some(code)
}

fn is_absolute_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !host.is_empty() && !host.contains(['_', ' '])
}

const fn bad(code: u32, message: &'static str) -> Refusal {
    refusal(400, code, message)
}

const fn refusal(http_status: u16, code: u32, message: &'static str) -> Refusal {
    Refusal { http_status, code, message }
}

/// What a patient's text means to Twilio itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Stop,
    Start,
    /// Lifts a block, but is an ordinary answer otherwise.
    Yes,
    Help,
}

impl Keyword {
    /// Reads a single word, in any case; a sentence that contains one is none.
    pub(super) fn read(body: &str) -> Option<Self> {
        match body.trim().to_ascii_uppercase().as_str() {
            "STOP" | "STOPALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" | "REVOKE"
            | "OPTOUT" => Some(Self::Stop),
            "START" | "UNSTOP" => Some(Self::Start),
            "YES" => Some(Self::Yes),
            "HELP" | "INFO" => Some(Self::Help),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_a_single_word() {
        let cases = [
            ("stop", Some(Keyword::Stop)),
            (" Cancel \n", Some(Keyword::Stop)),
            ("STOP PLEASE", None),
            ("CANCEL APPT", None),
            ("unstop", Some(Keyword::Start)),
            ("Yes", Some(Keyword::Yes)),
            ("info", Some(Keyword::Help)),
            ("", None),
        ];
        for (body, keyword) in cases {
            assert_eq!(Keyword::read(body), keyword, "{body}");
        }
    }

    #[test]
    fn a_callback_address_is_absolute() {
        assert!(is_absolute_url("https://clinic.example/s?m=1#rc=5"));
        for bad in ["", "/s", "clinic.example", "https://", "https://a_b.example/", "ftp://x"] {
            assert!(!is_absolute_url(bad), "{bad}");
        }
    }
}
