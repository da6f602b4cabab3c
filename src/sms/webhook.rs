//! What Twilio posts to us: a patient's text, or news of one of ours.
//!
//! Both are read from a form whose signature has been checked. Unknown parameters are kept with the
//! known ones.

use chrono::{DateTime, Utc};

use super::answer::{Direction, MessageRow};
use super::form::Form;
use super::request::OutboxTag;
use super::sid::{MessageSid, ServiceSid};
use super::status::MessageStatus;
use crate::core::phone::PhoneNumber;
use crate::phi::Phi;

/// A webhook that lacks what it is about; the value is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A parameter is absent or empty.
    #[error("parameter {0} is missing")]
    Missing(&'static str),
    /// A parameter cannot be what it should.
    #[error("parameter {0} is invalid")]
    Invalid(&'static str),
}

/// What Advanced Opt-Out made of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptOutType {
    /// Twilio blocks the patient's number from now on.
    Stop,
    /// Twilio has lifted the block.
    Start,
    /// Twilio has answered with its help text.
    Help,
}

/// A patient's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundSms {
    /// The message's identifier, by which repetitions are known.
    pub message_sid: MessageSid,
    /// The patient's number.
    pub from: PhoneNumber,
    /// Our number or short code; empty in a list, which does not say a short code as a number.
    pub to: String,
    /// The service that our number belongs to.
    pub messaging_service_sid: Option<ServiceSid>,
    /// The text, untrimmed; may be empty if a picture came.
    pub body: Phi<String>,
    /// Pictures and the like.
    pub num_media: u32,
    /// When it was sent, if it was found in the list; a webhook comes at once, and does not say.
    pub sent_at: Option<DateTime<Utc>>,
    /// Set if Twilio has acted on an opt-out word.
    pub opt_out_type: Option<OptOutType>,
    /// All parameters as they came, those above included.
    pub params: Phi<Form>,
}

impl InboundSms {
    /// Reads the form of an inbound text.
    ///
    /// # Errors
    /// If `MessageSid`, `From`, `To` or `Body` is absent, or one of them invalid.
    pub fn parse(form: Form) -> Result<Self, Error> {
        let num_media = match form.get_filled("NumMedia") {
            Some(text) => text.parse().map_err(|_| Error::Invalid("NumMedia"))?,
            None => 0,
        };
        // A picture may come without words.
        let body = form.get("Body").or_else(|| (num_media > 0).then_some(""));
        Ok(Self {
            message_sid: message_sid(&form)?,
            from: PhoneNumber::parse_e164(required(&form, "From")?)
                .map_err(|_| Error::Invalid("From"))?,
            to: required(&form, "To")?.to_owned(),
            messaging_service_sid: form
                .get_filled("MessagingServiceSid")
                .and_then(|sid| ServiceSid::parse(sid).ok()),
            body: Phi::new(body.ok_or(Error::Missing("Body"))?.to_owned()),
            num_media,
            sent_at: None,
            opt_out_type: form.get_filled("OptOutType").map(opt_out_type).transpose()?,
            params: Phi::new(form),
        })
    }

    /// Makes an inbound text of a row of the message list, for texts whose webhook was lost.
    ///
    /// # Errors
    /// If the row is of an outbound message, or does not say who sent it.
    pub fn from_row(row: &MessageRow) -> Result<Self, Error> {
        if row.direction != Some(Direction::Inbound) {
            return Err(Error::Invalid("direction"));
        }
        Ok(Self {
            message_sid: row.sid.clone(),
            from: row.from.clone().ok_or(Error::Missing("from"))?,
            to: row.to.as_ref().map(|to| to.as_str().to_owned()).unwrap_or_default(),
            messaging_service_sid: row.messaging_service_sid.clone(),
            body: row.body.clone(),
            num_media: row.num_media.unwrap_or_default(),
            sent_at: row.sent_at.or(row.created_at),
            opt_out_type: None,
            params: Phi::new(Form::default()),
        })
    }
}

/// News of a text that we sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusCallback {
    /// The message's identifier.
    pub message_sid: MessageSid,
    /// What became of it; news comes in any order, so merge it.
    pub status: MessageStatus,
    /// Why it failed.
    pub error_code: Option<u32>,
    /// The outbox row and attempt that our own address carried.
    pub tag: Option<OutboxTag>,
    /// All parameters of the body as they came.
    pub params: Phi<Form>,
}

impl StatusCallback {
    /// Reads the form of a status callback and the query of the address that it was posted to.
    ///
    /// # Errors
    /// If `MessageSid` or `MessageStatus` is absent or invalid, or `m` and `a` in the query are not
    /// what we put there.
    pub fn parse(query: &Form, form: Form) -> Result<Self, Error> {
        let status = form.get_filled("MessageStatus").or_else(|| form.get_filled("SmsStatus"));
        let status = status.ok_or(Error::Missing("MessageStatus"))?;
        let error_code = form.get_filled("ErrorCode").filter(|code| *code != "0");
        Ok(Self {
            message_sid: message_sid(&form)?,
            status: MessageStatus::parse(status).ok_or(Error::Invalid("MessageStatus"))?,
            error_code: error_code
                .map(|code| code.parse().map_err(|_| Error::Invalid("ErrorCode")))
                .transpose()?,
            tag: outbox_tag(query)?,
            params: Phi::new(form),
        })
    }
}

fn message_sid(form: &Form) -> Result<MessageSid, Error> {
    // SmsSid is the older name of the same.
    let sid = form.get_filled("MessageSid").or_else(|| form.get_filled("SmsSid"));
    MessageSid::parse(sid.ok_or(Error::Missing("MessageSid"))?)
        .map_err(|_| Error::Invalid("MessageSid"))
}

fn required<'a>(form: &'a Form, name: &'static str) -> Result<&'a str, Error> {
    form.get_filled(name).ok_or(Error::Missing(name))
}

fn opt_out_type(word: &str) -> Result<OptOutType, Error> {
    match word {
        "STOP" => Ok(OptOutType::Stop),
        "START" => Ok(OptOutType::Start),
        "HELP" => Ok(OptOutType::Help),
        _ => Err(Error::Invalid("OptOutType")),
    }
}

fn outbox_tag(query: &Form) -> Result<Option<OutboxTag>, Error> {
    let Some(outbox_id) = query.get("m") else { return Ok(None) };
    let attempt = query.get("a").ok_or(Error::Missing("a"))?;
    let attempt = attempt.parse().map_err(|_| Error::Invalid("a"))?;
    OutboxTag::new(outbox_id, attempt).map(Some).map_err(|_| Error::Invalid("m"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sms::answer;

    const SID: &str = "SM0123456789abcdef0123456789abcdef";

    fn inbound(changes: &[(&str, Option<&str>)]) -> Result<InboundSms, Error> {
        let base = [
            ("MessageSid", SID),
            ("From", "+14155550123"),
            ("To", "+15005550006"),
            ("Body", " YES "),
            ("NumMedia", "0"),
            ("FutureParam", "x"),
        ];
        InboundSms::parse(changed(&base, changes))
    }

    fn status(query: &str, changes: &[(&str, Option<&str>)]) -> Result<StatusCallback, Error> {
        let base = [("MessageSid", SID), ("MessageStatus", "delivered"), ("To", "+14155550123")];
        let query = Form::parse(query.as_bytes()).map_err(|_| Error::Invalid("query"))?;
        StatusCallback::parse(&query, changed(&base, changes))
    }

    fn changed(base: &[(&str, &str)], changes: &[(&str, Option<&str>)]) -> Form {
        let kept = base.iter().filter(|(name, _)| changes.iter().all(|(other, _)| other != name));
        let added = changes.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
        kept.copied().chain(added).collect()
    }

    #[test]
    fn a_picture_may_come_without_words() {
        let picture = inbound(&[("Body", None), ("NumMedia", Some("1"))]).unwrap();
        assert_eq!((picture.body.expose().as_str(), picture.num_media), ("", 1));
        assert_eq!(inbound(&[("Body", None)]).unwrap_err(), Error::Missing("Body"));
    }

    #[test]
    fn a_patients_text_is_kept_untrimmed_with_all_its_parameters() {
        let text = inbound(&[]).unwrap();
        assert_eq!(text.body.expose(), " YES ");
        assert_eq!(text.params.expose().get("FutureParam"), Some("x"));
        assert_eq!((text.num_media, text.opt_out_type), (0, None));
        let printed = format!("{text:?}");
        assert!(!printed.contains("YES") && !printed.contains("14155550123"), "{printed}");
    }

    #[test]
    fn an_opt_out_and_a_picture_are_told() {
        let text = inbound(&[("OptOutType", Some("STOP")), ("NumMedia", Some("2"))]).unwrap();
        assert_eq!((text.num_media, text.opt_out_type), (2, Some(OptOutType::Stop)));
        assert_eq!(inbound(&[("Body", Some(""))]).unwrap().body.expose(), "");
        assert_eq!(inbound(&[("NumMedia", None)]).unwrap().num_media, 0);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let cases = [
            (("MessageSid", None), Error::Missing("MessageSid")),
            (("MessageSid", Some("SM1")), Error::Invalid("MessageSid")),
            (("From", None), Error::Missing("From")),
            (("From", Some("")), Error::Missing("From")),
            (("From", Some("whatsapp:+14155550123")), Error::Invalid("From")),
            (("From", Some("22395")), Error::Invalid("From")),
            (("To", None), Error::Missing("To")),
            (("Body", None), Error::Missing("Body")),
            (("NumMedia", Some("-1")), Error::Invalid("NumMedia")),
            (("OptOutType", Some("MAYBE")), Error::Invalid("OptOutType")),
        ];
        for (change, error) in cases {
            assert_eq!(inbound(&[change]), Err(error), "{change:?}");
        }
    }

    #[test]
    fn a_status_callback_finds_its_outbox_row() {
        let callback = status("m=row-1&a=2", &[("ErrorCode", Some(""))]).unwrap();
        let tag = callback.tag.unwrap();
        assert_eq!((tag.outbox_id(), tag.attempt()), ("row-1", 2));
        assert_eq!((callback.status, callback.error_code), (MessageStatus::Delivered, None));
        assert_eq!(status("", &[]).unwrap().tag, None);
        let failed = [("MessageStatus", Some("undelivered")), ("ErrorCode", Some("30003"))];
        assert_eq!(status("", &failed).unwrap().error_code, Some(30003));
        let old = [("MessageStatus", None), ("SmsStatus", Some("sent"))];
        assert_eq!(status("", &old).unwrap().status, MessageStatus::Sent);
    }

    #[test]
    fn a_malformed_status_callback_is_refused() {
        let cases = [
            ("", ("MessageStatus", None), Error::Missing("MessageStatus")),
            ("", ("MessageStatus", Some("lost")), Error::Invalid("MessageStatus")),
            ("", ("ErrorCode", Some("x")), Error::Invalid("ErrorCode")),
            ("m=a%26b&a=1", ("x", None), Error::Invalid("m")),
            ("m=row", ("x", None), Error::Missing("a")),
            ("m=row&a=-1", ("x", None), Error::Invalid("a")),
        ];
        for (query, change, error) in cases {
            assert_eq!(status(query, &[change]), Err(error), "{query} {change:?}");
        }
    }

    #[test]
    fn a_lost_webhook_is_made_good_from_the_list() {
        let json = |direction: &str| {
            format!(
                r#"{{"sid":"{SID}","direction":"{direction}","from":"+14155550123","to":"+15005550006","body":"C"}}"#
            )
        };
        let row = answer::message(json("inbound").as_bytes()).unwrap();
        let text = InboundSms::from_row(&row).unwrap();
        assert_eq!((text.message_sid.as_str(), text.body.expose().as_str()), (SID, "C"));
        let row = answer::message(json("outbound-api").as_bytes()).unwrap();
        assert_eq!(InboundSms::from_row(&row), Err(Error::Invalid("direction")));
    }
}
