//! What Twilio's REST interface answers: a message, a page of messages, an error, or a gateway's
//! HTML.
//!
//! A field of an unexpected kind is taken as absent, a message without SID as no message: the SID is
//! what proves that the text was accepted.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::sid::{MessageSid, ServiceSid};
use super::status::MessageStatus;
use crate::core::phone::PhoneNumber;
use crate::phi::Phi;

/// The answer cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The body is not a JSON object.
    #[error("answer is not a JSON object")]
    NotJson,
    /// A field that matters is absent or malformed.
    #[error("answer has no valid {0}")]
    Field(&'static str),
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a patient to us.
    Inbound,
    /// From us to a patient: by the API, from a call, or in reply.
    Outbound,
}

/// A message as Twilio holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The message's identifier.
    pub sid: MessageSid,
    /// Its status, if it is one that we know.
    pub status: Option<MessageStatus>,
    /// Which way it went, if it is said.
    pub direction: Option<Direction>,
    /// The receiving number; absent if it is obfuscated or a short code.
    pub to: Option<PhoneNumber>,
    /// The sending number; absent too while a messaging service has not chosen it.
    pub from: Option<PhoneNumber>,
    /// The messaging service that it was sent by.
    pub messaging_service_sid: Option<ServiceSid>,
    /// The text; empty if it is redacted.
    pub body: Phi<String>,
    /// The parts that it took; 0 while a messaging service has not counted.
    pub num_segments: Option<u32>,
    /// Pictures and the like.
    pub num_media: Option<u32>,
    /// Why it failed.
    pub error_code: Option<u32>,
    /// When Twilio accepted it.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was handed to the carrier.
    pub sent_at: Option<DateTime<Utc>>,
}

/// A page of the list of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The messages that could be read, newest first.
    pub messages: Vec<MessageRow>,
    /// Messages without a valid SID.
    pub unreadable: usize,
    /// The path of the next page, which begins with a single slash.
    pub next_page_uri: Option<String>,
}

/// What an error answer says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// Twilio's code; a gateway gives none.
    pub code: Option<u32>,
    /// Twilio's sentence, which may repeat the number.
    pub message: Phi<String>,
}

/// Reads a message.
///
/// # Errors
/// If the body is not JSON, or has no valid SID.
pub fn message(body: &[u8]) -> Result<MessageRow, Error> {
    row(&object(body)?)
}

/// Reads a page of messages.
///
/// # Errors
/// If the body is not JSON, or has no list of messages.
pub fn page(body: &[u8]) -> Result<Page, Error> {
    let value = object(body)?;
    let listed = value.get("messages").and_then(Value::as_array).ok_or(Error::Field("messages"))?;
    let messages: Vec<_> = listed.iter().filter_map(|value| row(value).ok()).collect();
    let unreadable = listed.len() - messages.len();
    // A whole address, or one that begins with //, could lead the credentials to another host.
    let is_path = |uri: &&str| uri.starts_with('/') && !uri.starts_with("//");
    let next_page_uri = text(&value, "next_page_uri").filter(is_path).map(str::to_owned);
    Ok(Page { messages, unreadable, next_page_uri })
}

/// Reads an error; of one that is not JSON nothing is known but its HTTP status.
#[must_use]
pub fn refusal(body: &[u8]) -> Refusal {
    let Ok(value) = object(body) else { return Refusal::default() };
    let message = text(&value, "message").unwrap_or_default().chars().take(300).collect();
    Refusal { code: number(&value, "code"), message: Phi::new(message) }
}

fn object(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).ok().filter(Value::is_object).ok_or(Error::NotJson)
}

fn row(value: &Value) -> Result<MessageRow, Error> {
    let sid = text(value, "sid").and_then(|sid| MessageSid::parse(sid).ok());
    let phone = |name| text(value, name).and_then(|text| PhoneNumber::parse_e164(text).ok());
    Ok(MessageRow {
        sid: sid.ok_or(Error::Field("sid"))?,
        status: text(value, "status").and_then(MessageStatus::parse),
        direction: text(value, "direction").and_then(direction),
        to: phone("to"),
        from: phone("from"),
        messaging_service_sid: text(value, "messaging_service_sid")
            .and_then(|sid| ServiceSid::parse(sid).ok()),
        body: Phi::new(text(value, "body").unwrap_or_default().to_owned()),
        num_segments: number(value, "num_segments"),
        num_media: number(value, "num_media"),
        error_code: number(value, "error_code"),
        created_at: date(value, "date_created"),
        sent_at: date(value, "date_sent"),
    })
}

fn direction(word: &str) -> Option<Direction> {
    match word {
        "inbound" => Some(Direction::Inbound),
        "outbound-api" | "outbound-call" | "outbound-reply" => Some(Direction::Outbound),
        _ => None,
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// Counts come as strings, codes as numbers; either is taken for both.
fn number(value: &Value, name: &str) -> Option<u32> {
    let field = value.get(name)?;
    field
        .as_u64()
        .and_then(|number| number.try_into().ok())
        .or_else(|| field.as_str()?.parse().ok())
}

fn date(value: &Value, name: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text(value, name)?).ok().map(|date| date.to_utc())
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({
            "sid": "SM0123456789abcdef0123456789abcdef", "status": "queued", "direction": "outbound-api",
            "to": "+14155550123", "from": null, "body": "Hello \u{1f44d}", "num_segments": "1",
            "num_media": "0", "error_code": null, "price": null, "date_sent": null,
            "date_created": "Thu, 24 Aug 2023 05:01:45 +0000", "new_field": {"a": [1]},
            "messaging_service_sid": "MG0123456789abcdef0123456789abcdef",
        })
    }

    #[test]
    fn a_message_is_read_with_its_nulls() {
        let row = message(sample().to_string().as_bytes()).unwrap();
        assert_eq!(row.status, Some(MessageStatus::Queued));
        assert_eq!(row.direction, Some(Direction::Outbound));
        assert_eq!((row.from, row.sent_at, row.error_code), (None, None, None));
        assert_eq!(row.num_segments, Some(1));
        assert_eq!(row.created_at, Some(Utc.with_ymd_and_hms(2023, 8, 24, 5, 1, 45).unwrap()));
    }

    #[test]
    fn fields_of_the_wrong_kind_are_absent() {
        let mut odd = sample();
        for (field, value) in [
            ("status", json!("teleported")),
            ("to", json!(14_155_550_123_u64)),
            ("num_segments", json!(2)),
            ("error_code", json!("30003")),
            ("date_created", json!("yesterday")),
            ("direction", json!(["inbound"])),
            ("body", json!(null)),
        ] {
            odd[field] = value;
        }
        let row = message(odd.to_string().as_bytes()).unwrap();
        assert_eq!((row.status, row.to, row.created_at, row.direction), (None, None, None, None));
        assert_eq!((row.num_segments, row.error_code), (Some(2), Some(30003)));
        assert_eq!(row.body.expose(), "");
    }

    #[test]
    fn an_answer_without_sid_proves_nothing() {
        let cases: [(&[u8], Error); 8] = [
            (b"", Error::NotJson),
            (b"<html><title>504 Gateway Time-out</title></html>", Error::NotJson),
            (b"\xff\xfe{", Error::NotJson),
            (b"[]", Error::NotJson),
            (b"{\"sid\":\"SM", Error::NotJson),
            (b"{}", Error::Field("sid")),
            (b"{\"sid\":null}", Error::Field("sid")),
            (b"{\"sid\":\"SM1\"}", Error::Field("sid")),
        ];
        for (body, error) in cases {
            assert_eq!(message(body), Err(error), "{}", String::from_utf8_lossy(body));
        }
        assert_eq!(message("[".repeat(100_000).as_bytes()), Err(Error::NotJson));
    }

    #[test]
    fn a_page_skips_what_it_cannot_read_and_stays_on_its_host() {
        let body =
            json!({"messages": [sample(), {"sid": 7}], "next_page_uri": "/2010-04-01/x?Page=1"});
        let read = page(body.to_string().as_bytes()).unwrap();
        assert_eq!((read.messages.len(), read.unreadable), (1, 1));
        assert_eq!(read.next_page_uri.as_deref(), Some("/2010-04-01/x?Page=1"));
        for uri in ["https://evil.example/", "//evil.example/", "", "x"] {
            let body = json!({"messages": [], "next_page_uri": uri}).to_string();
            assert_eq!(page(body.as_bytes()).unwrap().next_page_uri, None, "{uri}");
        }
        assert_eq!(page(b"{\"messages\":{}}"), Err(Error::Field("messages")));
    }

    #[test]
    fn a_refusal_is_read_from_json_only() {
        let body = br#"{"code":21211,"message":"The 'To' number +1415 is not valid","status":400}"#;
        assert_eq!(refusal(body).code, Some(21211));
        assert_eq!(format!("{:?}", refusal(body).message), "[phi]");
        for body in [&b"<html>502</html>"[..], b"", b"{\"code\":\"no\"}", b"{\"code\":-1}", b"null"]
        {
            assert_eq!(refusal(body).code, None);
        }
    }
}
