//! Twilio's webhooks: a patient's text, and news of a text of ours.
//!
//! Nothing is believed without a signature over the configured public address. The answer leaves
//! after the commit: a text that was answered with 200 is on disk.

use std::sync::Arc;

use tracing::{error, warn};

use crate::clock::Clock;
use crate::core::delivery::{Failure, Report};
use crate::core::event::{Event, Handled, Reply};
use crate::core::ids::OutboxId;
use crate::engine::{Answer, Handle};
use crate::outbound::brake::Brake;
use crate::outbound::sms::failure_of;
use crate::sms::error_codes::Table;
use crate::sms::signature::{self, Algorithm, Content};
use crate::sms::status::MessageStatus;
use crate::sms::webhook::{self, InboundSms, OptOutType, StatusCallback};
use crate::sms::{Form, Secret};

/// What webhooks are checked against.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// The address that Twilio posts to, as Twilio knows it: scheme, host and prefix.
    pub public_url: String,
    /// The tokens that sign; two while one is replaced.
    pub tokens: Vec<Secret>,
    /// What error codes mean.
    pub error_codes: Table,
    /// The sender, which learns from what becomes of its texts.
    pub brake: Arc<Brake>,
    /// The time.
    pub clock: Clock,
}

/// Why a webhook is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The signature.
    #[error(transparent)]
    Signature(#[from] signature::Error),
    /// The body is no form.
    #[error(transparent)]
    Form(#[from] crate::sms::form::Error),
    /// A parameter.
    #[error(transparent)]
    Parameter(#[from] webhook::Error),
    /// It could not be stored; Twilio should try again.
    #[error("not stored, try again later")]
    NotStored,
}

impl Webhooks {
    fn verified(
        &self,
        path_and_query: &str,
        body: &[u8],
        signature: Option<&str>,
    ) -> Result<Form, Error> {
        let form = Form::parse(body)?;
        let url = format!("{}{path_and_query}", self.public_url.trim_end_matches('/'));
        signature::verify(
            Algorithm::HmacSha1,
            &self.tokens,
            &url,
            Content::Form(&form),
            signature,
        )?;
        Ok(form)
    }

    /// What is wrong with the sending of texts; nothing comes in less for that.
    #[must_use]
    pub fn impairment(&self) -> Option<String> {
        self.brake.impairment(self.clock.now())
    }

    /// Takes a patient's text.
    ///
    /// # Errors
    /// [`Error`]; nothing of what came without a right signature is kept.
    pub async fn inbound(
        &self,
        handle: &Handle,
        path_and_query: &str,
        body: &[u8],
        signature: Option<&str>,
    ) -> Result<(), Error> {
        let form = self.verified(path_and_query, body, signature)?;
        receive(handle, InboundSms::parse(form)?).await
    }

    /// Takes news of a text of ours.
    ///
    /// # Errors
    /// As [`Webhooks::inbound`].
    pub async fn status(
        &self,
        handle: &Handle,
        path_and_query: &str,
        body: &[u8],
        signature: Option<&str>,
    ) -> Result<(), Error> {
        let form = self.verified(path_and_query, body, signature)?;
        let query = path_and_query.split_once('?').map_or("", |(_, query)| query);
        let news = StatusCallback::parse(&Form::parse(query.as_bytes())?, form)?;
        let Some(tag) = &news.tag else { return Ok(()) };
        let Some(report) = self.report_of(&news) else { return Ok(()) };
        let event = Event::DeliveryReported { outbox: OutboxId::new(tag.outbox_id()), report };
        stored(handle.act(event).await)
    }

    fn report_of(&self, news: &StatusCallback) -> Option<Report> {
        let id = news.message_sid.as_str().to_owned();
        match news.status {
            // `sent` is the last word of a carrier without receipts; what became of such a text stays
            // unknown, and nothing follows from that.
            MessageStatus::Accepted
            | MessageStatus::Scheduled
            | MessageStatus::Queued
            | MessageStatus::Sending
            | MessageStatus::Sent => Some(Report::Accepted { id }),
            MessageStatus::Delivered | MessageStatus::Read | MessageStatus::PartiallyDelivered => {
                self.brake.delivered();
                Some(Report::Delivered { id })
            }
            MessageStatus::Undelivered | MessageStatus::Failed | MessageStatus::Canceled => {
                let class = self.error_codes.delivery(news.error_code);
                let code = news.error_code.map_or_else(|| "none".to_owned(), |c| c.to_string());
                let failure = failure_of(class);
                if failure == Failure::WordsRefused {
                    // The task that follows names the template.
                    error!(code, "A carrier filtered a text for its words");
                }
                self.brake.failed(class, &code, (self.clock.now(), true));
                Some(Report::Undelivered { id, failure, code })
            }
            MessageStatus::Receiving | MessageStatus::Received => None,
        }
    }
}

/// Hands a patient's text to the engine.
///
/// # Errors
/// [`Error::NotStored`].
pub async fn receive(handle: &Handle, sms: InboundSms) -> Result<(), Error> {
    let reply = Reply {
        message_id: sms.message_sid.as_str().to_owned(),
        from: sms.from,
        body: sms.body,
        handled: sms.opt_out_type.map(|kind| match kind {
            OptOutType::Stop => Handled::Stop,
            OptOutType::Start => Handled::Start,
            OptOutType::Help => Handled::Help,
        }),
        sent_at: sms.sent_at,
        media: sms.num_media,
    };
    stored(handle.act(Event::ReplyReceived(reply)).await)
}

fn stored(answer: Answer) -> Result<(), Error> {
    match answer {
        Answer::Decided { .. } => Ok(()),
        Answer::NotStored(category) => {
            warn!(?category, "A webhook could not be stored");
            Err(Error::NotStored)
        }
    }
}
