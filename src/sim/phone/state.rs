//! All texts, and who has opted out; no network, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::faults::Faults;
use super::rules::{Draft, Keyword};
use super::{OptOut, Settings};
use crate::clock::Timestamp;
use crate::core::message::segments::Segments;
use crate::core::phone::PhoneNumber;
use crate::phi::Phi;
use crate::sms::sid::{MessageSid, ServiceSid};
use crate::sms::status::MessageStatus;

/// Texts that are kept; the oldest are forgotten first.
pub const TEXTS_MAX: usize = 100_000;

/// Which way a text went, and by whom it was caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The patient wrote it.
    Inbound,
    /// The practice sent it through the API.
    OutboundApi,
    /// Twilio itself answered an opt-out word.
    OutboundReply,
}

impl Direction {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundReply => "outbound-reply",
        }
    }
}

/// A text as the stand-in holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The message's identifier.
    pub sid: MessageSid,
    /// Which way it went.
    pub direction: Direction,
    /// The receiving number.
    pub to: PhoneNumber,
    /// The sending number.
    pub from: PhoneNumber,
    /// The messaging service that it was sent by.
    pub messaging_service_sid: Option<ServiceSid>,
    /// What is written.
    pub body: Phi<String>,
    /// Its latest status.
    pub status: MessageStatus,
    /// Why it failed.
    pub error_code: Option<u32>,
    /// The parts that it takes.
    pub segments: usize,
    /// Where its status callbacks go.
    pub status_callback: Option<String>,
    /// When it was accepted, by the stand-in's clock.
    pub at: Timestamp,
    /// When it was handed to the carrier.
    pub sent_at: Option<Timestamp>,
    /// When its status last changed.
    pub updated_at: Timestamp,
}

impl Text {
    /// The patient's number, whichever way the text went.
    #[must_use]
    pub const fn phone(&self) -> &PhoneNumber {
        match self.direction {
            Direction::Inbound => &self.from,
            Direction::OutboundApi | Direction::OutboundReply => &self.to,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) texts: Vec<Text>,
    pub(super) opted_out: BTreeSet<PhoneNumber>,
    pub(super) faults: Faults,
    pub(super) inbound_url: Option<String>,
    made: u64,
}

impl State {
    /// Keeps an accepted text.
    pub(super) fn accept(&mut self, draft: Draft, now: Timestamp) -> Option<Text> {
        let Draft { to, from, service, body, status_callback } = draft;
        let status = service.as_ref().map_or(MessageStatus::Queued, |_| MessageStatus::Accepted);
        let text = Text {
            messaging_service_sid: service,
            status_callback,
            status,
            ..self.text(Direction::OutboundApi, Route { to, from }, body, now)?
        };
        self.keep(text.clone());
        Some(text)
    }

    /// Keeps a patient's text, acts on an opt-out word, and keeps Twilio's own answer to it.
    pub(super) fn receive(
        &mut self,
        from: &PhoneNumber,
        body: &str,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Received> {
        let to = self.practice_number(from, settings)?;
        let keyword = Keyword::read(body).filter(|_| settings.opt_out != OptOut::App);
        let route = Route { to: to.clone(), from: from.clone() };
        let mut text = self.text(Direction::Inbound, route, Phi::new(body.to_owned()), now)?;
        text.status = MessageStatus::Received;
        text.sent_at = Some(now);
        text.messaging_service_sid.clone_from(&settings.messaging_service_sid);
        self.keep(text.clone());
        let answer = keyword.and_then(|keyword| self.obey(keyword, from));
        if let Some(answer) = answer {
            let route = Route { to: from.clone(), from: to };
            let mut reply =
                self.text(Direction::OutboundReply, route, Phi::new(answer.to_owned()), now)?;
            reply.status = MessageStatus::Delivered;
            reply.sent_at = Some(now);
            self.keep(reply);
        }
        Some(Received { text, keyword })
    }

    /// Sets a status; `None` if the text has been forgotten.
    pub(super) fn advance(
        &mut self,
        sid: &MessageSid,
        status: MessageStatus,
        error_code: Option<u32>,
        now: Timestamp,
    ) -> Option<Text> {
        let text = self.texts.iter_mut().rev().find(|text| text.sid == *sid)?;
        text.status = status;
        text.error_code = error_code;
        text.updated_at = now;
        if status == MessageStatus::Sent {
            text.sent_at = Some(now);
        }
        Some(text.clone())
    }

    /// Cancels a text that has not been handed over yet; returns whether it could be.
    pub(super) fn cancel(&mut self, sid: &MessageSid, now: Timestamp) -> bool {
        let Some(text) = self.texts.iter_mut().rev().find(|text| text.sid == *sid) else {
            return false;
        };
        let can_be = matches!(text.status, MessageStatus::Accepted | MessageStatus::Queued);
        if can_be {
            text.status = MessageStatus::Canceled;
            text.updated_at = now;
        }
        can_be
    }

    /// Takes the words out of a text.
    pub(super) fn redact(&mut self, sid: &MessageSid, now: Timestamp) {
        if let Some(text) = self.texts.iter_mut().rev().find(|text| text.sid == *sid) {
            text.body = Phi::new(String::new());
            text.updated_at = now;
        }
    }

    /// Forgets a text.
    pub(super) fn delete(&mut self, sid: &MessageSid) {
        self.texts.retain(|text| text.sid != *sid);
    }

    /// The texts of each phone, in order.
    pub(super) fn by_phone(&self) -> BTreeMap<PhoneNumber, Vec<Text>> {
        let mut phones: BTreeMap<PhoneNumber, Vec<Text>> = BTreeMap::new();
        for text in &self.texts {
            phones.entry(text.phone().clone()).or_default().push(text.clone());
        }
        phones
    }

    /// The number that last wrote to this phone, else the practice's first.
    fn practice_number(&self, phone: &PhoneNumber, settings: &Settings) -> Option<PhoneNumber> {
        let is_to_phone = |text: &&Text| text.direction != Direction::Inbound && text.to == *phone;
        let last = self.texts.iter().rev().find(is_to_phone).map(|text| text.from.clone());
        last.or_else(|| settings.numbers.first().cloned())
    }

    /// Changes the block, and gives Twilio's answer.
    fn obey(&mut self, keyword: Keyword, phone: &PhoneNumber) -> Option<&'static str> {
        match keyword {
            Keyword::Stop => self.opted_out.insert(phone.clone()).then_some(
                "You have successfully been unsubscribed. You will not receive any more messages \
                 from this number. Reply START to resubscribe.",
            ),
            Keyword::Start | Keyword::Yes => self.opted_out.remove(phone).then_some(
                "You have successfully been re-subscribed to messages from this number. Reply HELP \
                 for help. Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
            ),
            Keyword::Help => Some("Reply STOP to unsubscribe. Msg&Data Rates May Apply."),
        }
    }

    fn text(
        &mut self,
        direction: Direction,
        route: Route,
        body: Phi<String>,
        now: Timestamp,
    ) -> Option<Text> {
        Some(Text {
            sid: self.next_sid()?,
            direction,
            to: route.to,
            from: route.from,
            messaging_service_sid: None,
            segments: Segments::of(body.expose()).count,
            body,
            status: MessageStatus::Queued,
            error_code: None,
            status_callback: None,
            at: now,
            sent_at: None,
            updated_at: now,
        })
    }

    fn keep(&mut self, text: Text) {
        if self.texts.len() == TEXTS_MAX {
            self.texts.remove(0);
        }
        self.texts.push(text);
    }

    /// Looks random, and is the same in every run, so that transcripts can be compared.
    fn next_sid(&mut self) -> Option<MessageSid> {
        self.made += 1;
        let mut sid = String::from("SM");
        for byte in Sha256::digest(self.made.to_be_bytes()).iter().take(16) {
            write!(sid, "{byte:02x}").ok()?;
        }
        MessageSid::parse(&sid).ok()
    }
}

struct Route {
    to: PhoneNumber,
    from: PhoneNumber,
}

/// A patient's text, and what Twilio made of it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) text: Text,
    pub(super) keyword: Option<Keyword>,
}
