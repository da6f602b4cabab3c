//! `POST Messages`: a text on its way out.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::sid::ServiceSid;
use crate::core::phone::PhoneNumber;
use crate::phi::Phi;

/// Twilio refuses a longer text with error 21617.
pub const BODY_CHARS_MAX: usize = 1600;

/// Ten hours, the longest that a text may wait in Twilio's queue.
const VALIDITY_SECONDS_MAX: u64 = 36_000;

/// Why a text cannot be sent as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is nothing in the text.
    #[error("text is empty")]
    EmptyBody,
    /// The text has more than [`BODY_CHARS_MAX`] characters.
    #[error("text is longer than {BODY_CHARS_MAX} characters")]
    BodyTooLong,
    /// An outbox id has a character that would need escaping in an address, or is too long.
    #[error("outbox id is not 1 to 64 letters, digits, dashes or underscores")]
    OutboxId,
    /// A sender is neither a number, a short code nor a messaging service.
    #[error("sender is no E.164 number, short code or messaging service SID")]
    Sender,
}

/// From whom the texts come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// One number of the account.
    From(PhoneNumber),
    /// A short code of the account, five or six digits.
    ShortCode(String),
    /// A messaging service, which chooses from its pool.
    MessagingService(ServiceSid),
}

impl Sender {
    /// Reads a sender from settings.
    ///
    /// # Errors
    /// [`Error::Sender`] if it is none of the three.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_short =
            (5..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_short {
            return Ok(Self::ShortCode(text.to_owned()));
        }
        if let Ok(service) = ServiceSid::parse(text) {
            return Ok(Self::MessagingService(service));
        }
        PhoneNumber::parse_e164(text).map(Self::From).map_err(|_| Error::Sender)
    }

    /// The number or short code that patients write to; a messaging service has several.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::From(number) => Some(number.as_str()),
            Self::ShortCode(code) => Some(code),
            Self::MessagingService(_) => None,
        }
    }

    fn param(&self) -> (&'static str, &str) {
        match self {
            Self::From(number) => ("From", number.as_str()),
            Self::ShortCode(code) => ("From", code),
            Self::MessagingService(service) => ("MessagingServiceSid", service.as_str()),
        }
    }
}

impl<'de> Deserialize<'de> for Sender {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What ties a status callback to the outbox row that it reports on.
///
/// It travels in the callback's address. A signed callback with it proves that the text was
/// accepted, even if the answer to the request was lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OutboxTag {
    outbox_id: String,
    attempt: u32,
}

impl OutboxTag {
    /// Names an attempt to send an outbox row.
    ///
    /// # Errors
    /// [`Error::OutboxId`] if the id could not stand in an address as it is.
    pub fn new(outbox_id: &str, attempt: u32) -> Result<Self, Error> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if outbox_id.is_empty() || outbox_id.len() > 64 || !outbox_id.bytes().all(is_plain) {
            return Err(Error::OutboxId);
        }
        Ok(Self { outbox_id: outbox_id.to_owned(), attempt })
    }

    /// The outbox row.
    #[must_use]
    pub fn outbox_id(&self) -> &str {
        &self.outbox_id
    }

    /// Which attempt, as counted by the outbox.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The callback's address: `base` with this tag in its query.
    ///
    /// ```
    /// use appointd::sms::request::OutboxTag;
    /// let tag = OutboxTag::new("01J9ZX3V4M", 2).unwrap();
    /// let url = tag.callback_url("https://clinic.example/twilio/status#rc=5&rp=all");
    /// assert_eq!(url, "https://clinic.example/twilio/status?m=01J9ZX3V4M&a=2#rc=5&rp=all");
    /// ```
    #[must_use]
    pub fn callback_url(&self, base: &str) -> String {
        // Twilio takes connection overrides from the fragment, which must stay last.
        let (address, fragment) = base.split_at(base.find('#').unwrap_or(base.len()));
        let joint = if address.contains('?') { '&' } else { '?' };
        format!("{address}{joint}m={}&a={}{fragment}", self.outbox_id, self.attempt)
    }
}

/// A text that Twilio will take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateMessage {
    to: PhoneNumber,
    body: Phi<String>,
    tag: OutboxTag,
    valid_for: Option<Duration>,
}

impl CreateMessage {
    /// Makes a text of a body that has been rendered and folded.
    ///
    /// # Errors
    /// If the body is blank or longer than [`BODY_CHARS_MAX`].
    pub fn new(to: PhoneNumber, body: Phi<String>, tag: OutboxTag) -> Result<Self, Error> {
        if body.expose().trim().is_empty() {
            return Err(Error::EmptyBody);
        }
        if body.expose().chars().count() > BODY_CHARS_MAX {
            return Err(Error::BodyTooLong);
        }
        Ok(Self { to, body, tag, valid_for: None })
    }

    /// Lets the text expire if Twilio has not sent it within `duration`, at most ten hours.
    #[must_use]
    pub const fn valid_for(mut self, duration: Duration) -> Self {
        self.valid_for = Some(duration);
        self
    }

    /// Who is texted.
    #[must_use]
    pub const fn to(&self) -> &PhoneNumber {
        &self.to
    }

    /// What is written.
    #[must_use]
    pub const fn body(&self) -> &Phi<String> {
        &self.body
    }

    /// The outbox row and attempt.
    #[must_use]
    pub const fn tag(&self) -> &OutboxTag {
        &self.tag
    }

    /// The parameters to post.
    ///
    /// `SmartEncoded` is not among them: the body has been folded already, and must come back
    /// unchanged for an unknown outcome to be reconciled by it.
    #[must_use]
    pub fn params(
        &self,
        sender: &Sender,
        callback_base: Option<&str>,
    ) -> Vec<(&'static str, Phi<String>)> {
        let (name, value) = sender.param();
        let mut params = vec![
            ("To", Phi::new(self.to.as_str().to_owned())),
            (name, Phi::new(value.to_owned())),
            ("Body", self.body.clone()),
        ];
        if let Some(base) = callback_base {
            params.push(("StatusCallback", Phi::new(self.tag.callback_url(base))));
        }
        if let Some(duration) = self.valid_for {
            let seconds = duration.as_secs().clamp(1, VALIDITY_SECONDS_MAX);
            params.push(("ValidityPeriod", Phi::new(seconds.to_string())));
        }
        params
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "MG0123456789abcdef0123456789abcdef";

    fn message(body: &str) -> Result<CreateMessage, Error> {
        let to = PhoneNumber::parse_e164("+14155550123").map_err(|_| Error::Sender)?;
        CreateMessage::new(to, Phi::new(body.to_owned()), OutboxTag::new("row-1", 1)?)
    }

    #[test]
    fn a_text_has_a_sender_a_callback_and_an_end() {
        let text = message("See you at 9").unwrap().valid_for(Duration::from_secs(90_000));
        let sender = Sender::parse("+15005550006").unwrap();
        let params = text.params(&sender, Some("https://clinic.example/s?k=1"));
        let params: Vec<_> =
            params.iter().map(|(name, value)| (*name, value.expose().as_str())).collect();
        let expected = [
            ("To", "+14155550123"),
            ("From", "+15005550006"),
            ("Body", "See you at 9"),
            ("StatusCallback", "https://clinic.example/s?k=1&m=row-1&a=1"),
            ("ValidityPeriod", "36000"),
        ];
        assert_eq!(params, expected);
        let by_service = text.params(&Sender::parse(SERVICE).unwrap(), None);
        assert_eq!(by_service[1], ("MessagingServiceSid", Phi::new(SERVICE.to_owned())));
    }

    #[test]
    fn a_text_that_would_be_refused_is_not_made() {
        assert_eq!(message("").unwrap_err(), Error::EmptyBody);
        assert_eq!(message(" \n").unwrap_err(), Error::EmptyBody);
        assert!(message(&"é".repeat(1600)).is_ok());
        assert_eq!(message(&"é".repeat(1601)).unwrap_err(), Error::BodyTooLong);
    }

    #[test]
    fn a_sender_is_one_of_three_kinds() {
        assert!(matches!(Sender::parse("72345"), Ok(Sender::ShortCode(_))));
        assert!(matches!(Sender::parse(SERVICE), Ok(Sender::MessagingService(_))));
        for bad in ["", "4155550123", "MG12", "OWLCLINIC", "1234", "+1", "12345x"] {
            assert_eq!(Sender::parse(bad), Err(Error::Sender), "{bad}");
        }
    }

    #[test]
    fn an_outbox_id_cannot_break_out_of_the_address() {
        for bad in ["", "a&b=c", "a b", "a#b", "\u{e9}", "a%20", &"x".repeat(65)] {
            assert_eq!(OutboxTag::new(bad, 1), Err(Error::OutboxId), "{bad}");
        }
    }

    #[test]
    fn a_text_prints_neither_body_nor_number() {
        let printed = format!("{:?}", message("Hello Jane").unwrap());
        assert!(!printed.contains("Jane") && !printed.contains("14155550123"), "{printed}");
    }
}
