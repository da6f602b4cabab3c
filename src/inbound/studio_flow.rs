//! Requests that start a flow for one phone.
//!
//! Each flow has a campaign that stands open for them, made at the first request; a flow that was
//! changed has another one, so that whoever is under way goes on as it began. The id of a request says
//! which recipient of it it is, so that the same request is one recipient.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::Value;

use super::studio::Studio;
use crate::clock::Timestamp;
use crate::core::campaign::{
    Campaign, CampaignId, CampaignKind, CampaignState, NewCampaign, Recipient, SessionId,
    execution_sid,
};
use crate::core::event::Event;
use crate::core::flow::Program;
use crate::core::reason::{Outcome, Reason};
use crate::core::rules::Rules;
use crate::engine::Answer;
use crate::phi::Phi;
use crate::sms::studio::{ExecutionSid, Fault, Refusal, Request};

/// The longest `Idempotency-Key` that is taken; those in use are UUIDs.
const KEY_BYTES_MAX: usize = 255;
/// The longest tag of a language (RFC 5646, 4.4.1).
const LANGUAGE_BYTES_MAX: usize = 35;
/// A campaign that stands open has no end; a hundred years are none.
const OPEN_FOR: TimeDelta = TimeDelta::days(36_500);
/// Who makes it.
const BY: &str = "executions";

/// The flow of a name, or of Studio's id.
pub(super) fn find(rules: &Rules, flow: &str) -> Option<Arc<Program>> {
    let flows = &rules.outreach.flows;
    let by_sid = || flows.values().find(|program| program.sid() == Some(flow));
    flows.get(flow).or_else(by_sid).map(Arc::clone)
}

impl Studio {
    /// Starts a flow for a phone; answers which recipient of it that is, and since when.
    pub(super) async fn flow(
        &self,
        program: &Program,
        request: &Request,
        key: Option<&str>,
    ) -> Result<(ExecutionSid, Timestamp), Refusal> {
        let now = self.clock.now();
        let key = match key {
            Some(key) if key.len() > KEY_BYTES_MAX => {
                let fault = Fault::new("Idempotency-Key", "is longer than 255 characters");
                return Err(Refusal::Faults(vec![fault]));
            }
            Some(key) => key.to_owned(),
            // As at Studio, the same request twice is two executions.
            None => chance()?,
        };
        let parts = [program.name(), request.to.as_str(), request.raw.expose(), &key];
        let row = ExecutionSid::of(&parts).number();
        let campaign = campaign_of(program);
        let id = SessionId { campaign: campaign.clone(), row };
        if self.is_busy(&id, request).await? {
            return Err(Refusal::Active);
        }
        let recipient = recipient(row, request);
        let added = Event::RecipientsAdded { campaign, recipients: vec![recipient] };
        let mut outcomes = self.decided(added.clone()).await?;
        if is(&outcomes, |reason| *reason == Reason::Unknown) {
            let new = self.standing(program, now);
            self.decided(Event::CampaignMade(Box::new(new))).await?;
            outcomes = self.decided(added).await?;
        }
        if !is(&outcomes, |reason| matches!(reason, Reason::RecipientsAdded(_))) {
            return Err(Refusal::Stopped);
        }
        let sid = ExecutionSid::parse(&execution_sid(&id)).ok_or(Refusal::NotStored)?;
        Ok((sid, now))
    }

    /// Whether the phone is in this flow already, by another request.
    async fn is_busy(&self, id: &SessionId, request: &Request) -> Result<bool, Refusal> {
        let (view, phone) = (self.handle.view(), request.to.clone());
        let contact = tokio::task::spawn_blocking(move || view.contact(&phone)).await;
        let Ok(Ok(contact)) = contact else { return Err(Refusal::NotStored) };
        let talk = contact.and_then(|contact| contact.talk).map(|talk| talk.session);
        Ok(talk.is_some_and(|other| other.campaign == id.campaign && other.row != id.row))
    }

    async fn decided(&self, event: Event) -> Result<Vec<Outcome>, Refusal> {
        match self.handle.act(event).await {
            Answer::Decided { outcomes, .. } => Ok(outcomes),
            Answer::NotStored(_) => Err(Refusal::NotStored),
        }
    }

    fn standing(&self, program: &Program, now: Timestamp) -> NewCampaign {
        let kind = CampaignKind::Standing;
        let campaign = Campaign {
            name: format!("{}, by request", program.name()),
            state: CampaignState::Running,
            per_minute: self.rules().outreach.per_minute,
            not_after: now + OPEN_FOR,
            is_whole: true,
            started_at: Some(now),
            by: BY.to_owned(),
            ..Campaign::new(campaign_of(program), kind, program, now)
        };
        NewCampaign { campaign, sources: program.sources().clone() }
    }
}

fn campaign_of(program: &Program) -> CampaignId {
    let digest: String = program.id().0.chars().take(12).collect();
    CampaignId::of(program.name(), &format!("api{digest}"))
}

fn recipient(row: u64, request: &Request) -> Recipient {
    let mut data = request.parameters.expose().clone();
    let language = data.get("language").and_then(Value::as_str).map(str::trim);
    let is_tag = |text: &&str| {
        (2..=LANGUAGE_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let language = language.filter(is_tag).map(str::to_ascii_lowercase);
    data.insert("patient_phone".to_owned(), request.to.as_str().into());
    Recipient { row, phone: request.to.clone(), language, data: Phi::new(data) }
}

fn is(outcomes: &[Outcome], wanted: impl Fn(&Reason) -> bool) -> bool {
    outcomes.iter().any(|outcome| wanted(&outcome.because))
}

/// 128 random bits.
fn chance() -> Result<String, Refusal> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| Refusal::NotStored)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
