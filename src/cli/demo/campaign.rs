//! A campaign in the demo: the list that comes with the product, taken in by the daemon's own API.

use std::time::Duration;

use serde_json::{Value, json};

use crate::core::campaign::{Campaign, Session, SessionState};
use crate::core::flow::Wait;
use crate::engine::view::View;
use crate::outbound::twilio::{Reach, http_client};
use crate::sim::world::World;

/// The list, as it stands in `conf/`.
pub(super) const LIST: &str = include_str!("../../../conf/outreach-example.csv");
/// The flows that it is for.
pub(super) const FLOWS: [(&str, &str); 3] = [
    ("post-procedure", "After a procedure: pain, and what follows"),
    ("new-member-welcome", "A welcome, one way"),
    ("research-eligibility", "Is a study for them? Four gates"),
];
/// How many recipients are begun in a minute: one after the other, and nobody has to wait.
const PER_MINUTE: u32 = 120;
const WITHIN: Duration = Duration::from_secs(10);

/// Where the daemon's API is.
#[derive(Debug, Clone)]
pub(super) struct Api {
    url: String,
    token: String,
}

impl Api {
    /// The API of a world's daemon.
    pub(super) fn of(world: &World) -> Self {
        let daemon = &world.daemon;
        Self {
            url: format!("http://{}/api/v1", daemon.http),
            token: daemon.token.expose().to_owned(),
        }
    }

    /// Starts a flow for the recipients of a list, as `appointd outreach start` does; answers why not
    /// if it cannot be.
    pub(super) async fn start(&self, flow: &str, list: String) -> Result<(), String> {
        let told = |refusal: reqwest::Error| refusal.without_url().to_string();
        let http = http_client(Reach::PlainLoopback, WITHIN, WITHIN).map_err(told)?;
        let per_minute = PER_MINUTE.to_string();
        let query =
            [("flow", flow), ("per_minute", &per_minute), ("again", "true"), ("by", "demo")];
        let answer = http
            .post(format!("{}/campaigns", self.url))
            .query(&query)
            .bearer_auth(&self.token)
            .header("content-type", "text/csv")
            .body(list)
            .send()
            .await
            .map_err(told)?;
        let is_made = answer.status().is_success();
        let said: Value = answer.json().await.map_err(told)?;
        let detail = said.get("detail").and_then(Value::as_str).unwrap_or("the list is refused");
        if is_made { Ok(()) } else { Err(detail.to_owned()) }
    }
}

/// The campaigns there are, the newest first, each with its recipients.
pub(super) fn campaigns(view: &View) -> Result<Vec<(Campaign, Vec<Session>)>, String> {
    let told = |error: crate::engine::batch::Error| error.to_string();
    let mut found = Vec::new();
    for campaign in view.campaigns().map_err(told)? {
        let recipients: Result<Vec<Session>, _> = view.recipients(&campaign.id).collect();
        found.push((campaign, recipients.map_err(told)?));
    }
    Ok(found)
}

/// Renders a campaign for the page.
pub(super) fn campaign_json(campaign: &Campaign, recipients: &[Session]) -> Value {
    json!({
        "id": campaign.id,
        "flow": campaign.flow,
        "state": campaign.state.name(),
        "recipients": campaign.tally.recipients(),
        "over": campaign.tally.over(),
        "texts": campaign.tally.texts,
        "people": recipients.iter().map(person_json).collect::<Vec<_>>(),
    })
}

fn person_json(session: &Session) -> Value {
    let answers: Vec<Value> = session
        .run
        .answers
        .iter()
        .map(|answer| {
            json!({
                "question": answer.question,
                "words": answer.body.expose(),
                "read_as": answer.read_as,
            })
        })
        .collect();
    json!({
        "name": name(session),
        "phone": session.phone.as_str(),
        "state": state_of(session),
        "answers": answers,
    })
}

/// The recipient's name, as the list has it.
pub(super) fn name(session: &Session) -> String {
    let given = session.run.trigger.data.expose().get("patient_first_name");
    given.and_then(Value::as_str).unwrap_or("?").to_owned()
}

fn state_of(session: &Session) -> &'static str {
    match (session.state, &session.run.wait) {
        (SessionState::Active, Wait::Reply { .. }) => "asked",
        (state, _) => state.name(),
    }
}
