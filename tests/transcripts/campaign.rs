//! Campaigns in a transcript: a list is started, paused, stopped, and what the recipients answered.

use appointd::core::campaign::{
    Campaign, CampaignId, CampaignKind, Order, Recipient, Session, SessionId,
};
use appointd::core::event::Event;
use appointd::engine::rows;
use appointd::phi::Phi;
use appointd::store::Table;
use chrono::TimeDelta;
use serde_json::json;

use super::script::Person;
use super::stage::Stage;

const PER_MINUTE: u32 = 60;
const LASTS: TimeDelta = TimeDelta::days(3);

/// The campaign of a flow; a transcript has one of each.
fn id(flow: &str) -> CampaignId {
    CampaignId::of(flow, "1")
}

/// Makes and starts a campaign for these people.
pub(crate) fn start(stage: &Stage, flow: &str, people: &[Person]) -> Result<(), String> {
    let program = stage.rules()?.outreach.flows.get(flow).cloned();
    let program = program.ok_or_else(|| format!("{flow}: there is no such flow"))?;
    let now = stage.clock.now();
    let campaign = Campaign {
        per_minute: PER_MINUTE,
        not_after: now + LASTS,
        by: "operator".to_owned(),
        ..Campaign::new(id(flow), CampaignKind::List, &program, now)
    };
    let recipients = people.iter().zip(1..).map(|(person, row)| {
        let data = json!({
            "patient_id": person.mrn,
            "patient_first_name": person.given,
            "patient_phone": person.phone.as_str(),
        });
        let language = (person.language == "spa").then(|| "es".to_owned());
        let data = data.as_object().cloned().unwrap_or_default();
        Recipient { row, phone: person.phone.clone(), language, data: Phi::new(data) }
    });
    let recipients = recipients.collect();
    let sources = program.sources().clone();
    let new = appointd::core::campaign::NewCampaign { campaign, sources };
    stage.act(Event::CampaignMade(Box::new(new)))?;
    stage.act(Event::RecipientsAdded { campaign: id(flow), recipients })?;
    stage.act(Event::RecipientsAdded { campaign: id(flow), recipients: Vec::new() })?;
    order(stage, flow, Order::Start)
}

/// Gives an order.
pub(crate) fn order(stage: &Stage, flow: &str, order: Order) -> Result<(), String> {
    let by = "operator".to_owned();
    stage.act(Event::CampaignMoved { campaign: id(flow), order, by })
}

/// How it stands with each recipient, and what was answered.
pub(crate) fn shown(stage: &Stage, flow: &str, people: &[Person]) -> Result<Vec<String>, String> {
    let row = stage.row(&rows::campaign(&id(flow)).map_err(|fault| fault.to_string())?);
    let campaign: Campaign =
        rows::decode(Table::Campaign, &row.ok_or("there is no such campaign")?)
            .map_err(|fault| fault.to_string())?;
    let mut lines = vec![format!("the campaign is {}", campaign.state.name())];
    for number in 1..=campaign.last {
        let id = SessionId { campaign: campaign.id.clone(), row: number };
        let row = stage.row(&rows::session(&id).map_err(|fault| fault.to_string())?);
        let session: Session = rows::decode(Table::Session, &row.ok_or("a recipient is missing")?)
            .map_err(|fault| fault.to_string())?;
        let person = people.iter().find(|person| person.phone == session.phone);
        let name = person.map_or("?", |person| person.given.as_str());
        let answers = session.run.answers.iter().map(|answer| {
            let read = answer.read_as.as_ref().map(|read| format!(" ({read})"));
            let read = read.unwrap_or_default();
            format!("; {} = {}{read}", answer.question, answer.body.expose())
        });
        let answers: String = answers.collect();
        lines.push(format!("{name} is {}{answers}", session.state.name()));
    }
    Ok(lines)
}
