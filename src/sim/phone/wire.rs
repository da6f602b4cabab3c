//! The JSON and the forms that Twilio would write.

use serde_json::{Value, json};

use super::rules::{Keyword, Refusal};
use super::state::{Direction, Text};
use crate::clock::Timestamp;
use crate::sms::Form;
use crate::sms::sid::AccountSid;
use crate::sms::status::MessageStatus;

const API_VERSION: &str = "2010-04-01";

pub(super) fn messages_path(account: &AccountSid) -> String {
    format!("/{API_VERSION}/Accounts/{account}/Messages")
}

/// A message resource.
pub(super) fn message(text: &Text, account: &AccountSid) -> Value {
    let path = format!("{}/{}", messages_path(account), text.sid);
    // A messaging service has neither chosen the sender nor counted yet.
    let is_undecided = text.status == MessageStatus::Accepted;
    json!({
        "sid": text.sid.as_str(),
        "account_sid": account.as_str(),
        "messaging_service_sid": text.messaging_service_sid,
        "to": text.to.as_str(),
        "from": if is_undecided { None } else { Some(text.from.as_str()) },
        "body": text.body.expose(),
        "status": text.status.as_str(),
        "direction": text.direction.as_str(),
        "num_segments": if is_undecided { "0".to_owned() } else { text.segments.to_string() },
        "num_media": "0",
        "price": null,
        "price_unit": "USD",
        "error_code": text.error_code,
        "error_message": null,
        "date_created": rfc_2822(text.at),
        "date_updated": rfc_2822(text.updated_at),
        "date_sent": text.sent_at.map(rfc_2822),
        "api_version": API_VERSION,
        "uri": format!("{path}.json"),
        "subresource_uris": {"media": format!("{path}/Media.json")},
    })
}

/// Where a page lies in the list.
#[derive(Debug)]
pub(super) struct PagePlace {
    pub(super) number: usize,
    pub(super) size: usize,
    pub(super) first: String,
    pub(super) own: String,
    pub(super) next: Option<String>,
}

/// A page of the list of messages.
pub(super) fn page(texts: &[Text], place: &PagePlace, account: &AccountSid) -> Value {
    let start = place.number * place.size;
    let messages: Vec<Value> = texts.iter().map(|text| message(text, account)).collect();
    json!({
        "messages": messages,
        "page": place.number,
        "page_size": place.size,
        "start": start,
        "end": start + texts.len().saturating_sub(1),
        "uri": place.own,
        "first_page_uri": place.first,
        "next_page_uri": place.next,
        "previous_page_uri": null,
    })
}

/// An error answer.
pub(super) fn error(refusal: &Refusal) -> Value {
    json!({
        "code": refusal.code,
        "message": refusal.message,
        "more_info": format!("https://www.twilio.com/docs/errors/{}", refusal.code),
        "status": refusal.http_status,
    })
}

/// The form of a patient's text.
pub(super) fn inbound(text: &Text, account: &AccountSid, opt_out: Option<Keyword>) -> Form {
    let sid = text.sid.as_str();
    let segments = text.segments.to_string();
    let service =
        text.messaging_service_sid.as_ref().map(|sid| ("MessagingServiceSid", sid.as_str()));
    let opt_out = opt_out.and_then(|keyword| match keyword {
        Keyword::Stop => Some(("OptOutType", "STOP")),
        Keyword::Start => Some(("OptOutType", "START")),
        Keyword::Help => Some(("OptOutType", "HELP")),
        Keyword::Yes => None,
    });
    [
        ("ToCountry", "US"),
        ("ToState", ""),
        ("ToCity", ""),
        ("ToZip", ""),
        ("FromCountry", "US"),
        ("FromState", "CA"),
        ("FromCity", "SAN FRANCISCO"),
        ("FromZip", ""),
        ("SmsMessageSid", sid),
        ("SmsSid", sid),
        ("MessageSid", sid),
        ("AccountSid", account.as_str()),
        ("SmsStatus", "received"),
        ("NumMedia", "0"),
        ("NumSegments", segments.as_str()),
        ("From", text.from.as_str()),
        ("To", text.to.as_str()),
        ("Body", text.body.expose().as_str()),
        ("ApiVersion", API_VERSION),
    ]
    .into_iter()
    .chain(service)
    .chain(opt_out)
    .collect()
}

/// The form of a status callback.
pub(super) fn status_callback(text: &Text, account: &AccountSid) -> Form {
    let (sid, status) = (text.sid.as_str(), text.status.as_str());
    let error_code = text.error_code.map(|code| code.to_string());
    let service =
        text.messaging_service_sid.as_ref().map(|sid| ("MessagingServiceSid", sid.as_str()));
    [
        ("SmsSid", sid),
        ("SmsStatus", status),
        ("MessageSid", sid),
        ("MessageStatus", status),
        ("AccountSid", account.as_str()),
        ("To", text.to.as_str()),
        ("From", text.from.as_str()),
        ("ApiVersion", API_VERSION),
    ]
    .into_iter()
    .chain(service)
    .chain(error_code.as_deref().map(|code| ("ErrorCode", code)))
    .collect()
}

/// A text as a bubble on the demo page.
pub(super) fn bubble(text: &Text) -> Value {
    let side = match text.direction {
        Direction::Inbound => "patient",
        Direction::OutboundApi => "practice",
        Direction::OutboundReply => "carrier",
    };
    json!({
        "sid": text.sid.as_str(),
        "side": side,
        "body": text.body.expose(),
        "status": text.status.as_str(),
        "error_code": text.error_code,
        "segments": text.segments,
        "at": text.at,
    })
}

fn rfc_2822(at: Timestamp) -> String {
    at.format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
