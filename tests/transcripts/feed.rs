//! The EHR's front desk: its book, and the messages that follow from what is done to it.

use std::time::Duration;

use appointd::clock::Timestamp;
use appointd::outbound::mllp::{Connection, Exchange};
use chrono::{NaiveDateTime, TimeDelta};

use super::script::Person;
use super::stage::Stage;

/// A guard against waiting for ever.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// A visit in the EHR's book.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) id: String,
    pub(crate) person: Person,
    pub(crate) start: NaiveDateTime,
    pub(crate) place: String,
    pub(crate) provider: &'static str,
    /// As SCH-25 says it.
    pub(crate) status: &'static str,
    pub(crate) is_deceased: bool,
    /// Whether the patient wants no texts, if the EHR knows.
    pub(crate) no_texts: Option<bool>,
}

/// Writes a scheduling message.
pub(crate) fn message(trigger: &str, control_id: &str, visit: &Visit, at: Timestamp) -> String {
    let Person { given, family, mrn, phone, language, .. } = &visit.person;
    let stamp = at.format("%Y%m%d%H%M%S+0000");
    let start = visit.start.format("%Y%m%d%H%M%S");
    let end = (visit.start + TimeDelta::minutes(30)).format("%Y%m%d%H%M%S");
    let (id, status, phone) = (&visit.id, visit.status, phone.as_str());
    let deceased = if visit.is_deceased { "Y" } else { "N" };
    let mut segments = vec![
        format!(
            "MSH|^~\\&|SIMEHR|CLINIC|APPOINTD|CLINIC|{stamp}||SIU^{trigger}^SIU_S12|{control_id}|P|2.5.1"
        ),
        format!(
            "SCH|P-{id}|{id}|||||CHECKUP^Check-up|NORMAL|30|MIN|^^^{start}^{end}||||||||||||||{status}"
        ),
        format!(
            "PID|1||{mrn}^^^CLINIC^MR||{family}^{given}^^^^^L||19800101|F|||||{phone}^PRN^CP||{language}{}{deceased}",
            "|".repeat(15)
        ),
        "PV1|1|O".to_owned(),
        "RGS|1|A".to_owned(),
        "AIS|1|A|CHECKUP^Check-up".to_owned(),
        format!("AIL|1|A|{}^^^CLINIC", visit.place),
        format!("AIP|1|A|{}^^^Dr.", visit.provider),
    ];
    if let Some(no_texts) = visit.no_texts {
        segments.push(format!("ZTX|{}", if no_texts { "Y" } else { "N" }));
    }
    segments.join("\r") + "\r"
}

/// Delivers a message; what was answered, if it is worth telling.
pub(crate) fn deliver(stage: &Stage, text: &str, control_id: &str) -> Option<String> {
    let exchanged = stage.run(async {
        let address = stage.feed.to_string();
        let Ok(mut connection) = Connection::open(&address, None, ANSWERED_WITHIN).await else {
            return Err("nobody listens".to_owned());
        };
        match connection.exchange(text.as_bytes(), control_id, ANSWERED_WITHIN).await {
            Exchange::Answered(answered) => Ok(answered.ack.code.as_str().to_owned()),
            Exchange::NotSent(code) | Exchange::NoAnswer(code) => Err(code.to_owned()),
        }
    });
    match exchanged {
        Ok(code) if code == "AA" => None,
        Ok(code) => Some(format!("the EHR's message is answered {code}")),
        Err(why) => Some(format!("the EHR's message is not answered: {why}")),
    }
}
