//! The scripted day: booking, reminder, reply, write-back, reschedule, cancel, opt-out.
//!
//! The clock stands still between the steps and jumps with them, so the days pass in a moment. Each
//! step waits for what it should bring about; a step that brings about nothing would never end, so
//! the whole has a limit.

use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::Value;

use super::super::{Failure, out};
use super::campaign;
use crate::clock::{Clock, Timestamp};
use crate::core::local_time::{LocalTime, Zone};
use crate::core::phone::{PhoneNumber, Region};
use crate::engine::view::{Filter, Subject};
use crate::hl7::Message;
use crate::sim::ehr::{Line, SimAppointment, SimPatient};
use crate::sim::phone::{Direction, Text};
use crate::sim::world::{Plan, World};

/// How often it is looked at most whether the daemon has heard.
const LOOKS_MAX: u32 = 1_000;
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long the whole may take; it needs a few seconds.
const WITHIN: Duration = Duration::from_secs(120);

/// Plays the day.
pub(super) async fn play(by_fhir: bool) -> Result<(), Failure> {
    let played = tokio::time::timeout(WITHIN, Box::pin(day(by_fhir))).await;
    played.map_err(|_| Failure::Failed("the demo did not come to its end in time".to_owned()))?
}

struct Stage {
    world: World,
    zone: Zone,
    shown: (usize, usize),
}

async fn day(by_fhir: bool) -> Result<(), Failure> {
    let failed = |what: &dyn std::fmt::Display| Failure::Failed(what.to_string());
    let zone = Zone::parse("America/Los_Angeles").map_err(|fault| failed(&fault))?;
    let start = LocalTime::settle(local(2026, 11, 30, 10)?, zone).instant;
    let plan = Plan { by_fhir, ..Plan::at(Clock::manual(start)) };
    let world = World::start(plan).await.map_err(|e| failed(&e))?;
    let mut stage = Stage { world, zone, shown: (0, 0) };
    out::say("appointd demo: a few days at Owl Clinic, on a fast clock.");
    out::say("Everybody here is invented; nothing leaves this machine.");
    janes_visit(&mut stage).await?;
    johns_visit(&mut stage).await?;
    a_family(&mut stage).await?;
    a_campaign(&mut stage).await?;
    stage.close().await
}

async fn janes_visit(stage: &mut Stage) -> Result<(), Failure> {
    let jane = patient("MRN1000", "Jane", "Doe", "(415) 555-0123");
    let phone = number(&jane)?;
    stage.title("The EHR books Jane for Thursday; she gets a text");
    let visit = appointment("10001", jane, local(2026, 12, 3, 9)?);
    stage.world.clinic.book(visit).await;
    stage.texts(&phone, 1).await;
    stage.title("Two days before, a reminder; she answers; the EHR is told, and says so itself");
    stage.advance_to(local(2026, 12, 1, 9)?);
    stage.texts(&phone, 2).await;
    stage.replies(&phone, "Is it about my knee?").await;
    stage.texts(&phone, 4).await;
    stage.replies(&phone, "Yes, see you then!").await;
    stage.texts(&phone, 6).await;
    stage.written(1).await;
    stage.title("The EHR moves the visit to Friday");
    stage.world.clinic.reschedule("10001", local(2026, 12, 4, 14)?).await;
    stage.texts(&phone, 7).await;
    stage.title("She cannot come, and says so in her own words");
    stage.replies(&phone, "Sorry, can't make it").await;
    stage.texts(&phone, 9).await;
    stage.written(2).await;
    Ok(())
}

async fn johns_visit(stage: &mut Stage) -> Result<(), Failure> {
    let john = patient("MRN1001", "John", "Roe", "(415) 555-0124");
    let phone = number(&john)?;
    stage.title("The EHR books John, and calls it off; he is told after two minutes' grace");
    stage.world.clinic.book(appointment("10002", john.clone(), local(2026, 12, 8, 11)?)).await;
    stage.texts(&phone, 1).await;
    stage.world.clinic.cancel("10002").await;
    // The two minutes begin when the daemon has heard of it.
    stage.heard("10002", "canceled").await;
    stage.world.clock.advance(TimeDelta::seconds(125));
    stage.texts(&phone, 2).await;
    stage.title("John wants no more texts; a new booking is kept, and he is left alone");
    stage.replies(&phone, "STOP").await;
    stage.texts(&phone, 4).await;
    stage.world.clinic.book(appointment("10003", john, local(2026, 12, 9, 11)?)).await;
    stage.heard("10003", "booked").await;
    stage.show();
    Ok(())
}

async fn a_family(stage: &mut Stage) -> Result<(), Failure> {
    let ann = patient("MRN1002", "Ann", "Diaz", "(415) 555-0125");
    let leo = patient("MRN1003", "Leo", "Diaz", "(415) 555-0125");
    let phone = number(&ann)?;
    stage.title("Ann and her son Leo share a phone; both have a visit next Tuesday");
    stage.world.clinic.book(appointment("10004", ann, local(2026, 12, 8, 9)?)).await;
    stage.texts(&phone, 1).await;
    stage.world.clinic.book(appointment("10005", leo, local(2026, 12, 8, 10)?)).await;
    stage.texts(&phone, 2).await;
    stage.title("One reminder lists the day; one letter answers for both");
    stage.advance_to(local(2026, 12, 6, 9)?);
    stage.texts(&phone, 3).await;
    stage.replies(&phone, "c").await;
    stage.texts(&phone, 5).await;
    stage.reflected(&["10004", "10005"]).await;
    stage.title("A reply that says more than one thing is for a person, who gets a task");
    stage.replies(&phone, "yes but can Leo come at 3?").await;
    stage.texts(&phone, 7).await;
    Ok(())
}

async fn a_campaign(stage: &mut Stage) -> Result<(), Failure> {
    // Two of the list, one of whom is written to in Spanish.
    let rows: Vec<&str> = campaign::LIST.lines().collect();
    let list: Vec<&str> = [0, 1, 3].iter().filter_map(|row| rows.get(*row).copied()).collect();
    let failed = |what: &dyn std::fmt::Display| Failure::Failed(what.to_string());
    let phone = |text| PhoneNumber::parse(text, Region::US).map_err(|fault| failed(&fault));
    let (jane, frances) = (phone("(415) 555-0101")?, phone("(415) 555-0103")?);
    stage.title("From a spreadsheet, two patients are asked how they are after a procedure");
    let list = format!("{}\n", list.join("\n"));
    campaign::Api::of(&stage.world)
        .start("post-procedure", list)
        .await
        .map_err(|refusal| failed(&refusal))?;
    stage.texts(&jane, 1).await;
    stage.world.clock.advance(TimeDelta::seconds(5));
    stage.texts(&frances, 1).await;
    stage
        .title("One says it in words and in Spanish; the other is in pain, and a nurse has a task");
    stage.replies(&frances, "como un dos").await;
    stage.texts(&frances, 3).await;
    stage.replies(&frances, "sí").await;
    stage.texts(&frances, 5).await;
    stage.replies(&jane, "about eight, I think").await;
    stage.texts(&jane, 3).await;
    Ok(())
}

impl Stage {
    fn title(&mut self, text: &str) {
        self.show();
        out::say("");
        out::say(&format!("-- {text}"));
    }

    fn advance_to(&self, local: NaiveDateTime) {
        self.world.clock.advance_to(LocalTime::settle(local, self.zone).instant);
    }

    /// Waits until a phone has shown so many bubbles, and no text is on its way.
    async fn texts(&mut self, phone: &PhoneNumber, count: usize) {
        let is_of = |text: &&Text| text.to == *phone || text.from == *phone;
        self.world.carrier.wait_for(|texts| texts.iter().filter(is_of).count() >= count).await;
        self.show();
    }

    /// Waits until so many wishes have been written to the EHR, and have come back from it.
    async fn written(&mut self, count: usize) {
        let clinic = &self.world.clinic;
        let is_fhir = clinic.is_fhir();
        let is_change = |line: &&Line| line.from == "appointd" && line.trigger.starts_with("PATCH");
        clinic
            .wait_for(|lines| {
                if is_fhir {
                    lines.iter().filter(is_change).count() >= count
                } else {
                    // What was said before, the wish, and the EHR's own word of it.
                    lines.len() >= 3 * count
                }
            })
            .await;
        self.settled().await;
        self.show();
    }

    /// Waits until the daemon has heard the EHR's own word of a wish.
    async fn settled(&self) {
        self.known(|row| row.pointer("/wish/state").is_some_and(|state| state == "reflected"))
            .await;
    }

    /// Waits until the EHR has said itself what was wished of each of these.
    async fn reflected(&mut self, ids: &[&str]) {
        for id in ids {
            let is_it = |row: &Value| {
                let key = row.get("key").and_then(Value::as_str).unwrap_or_default();
                key.ends_with(&format!("/{id}"))
                    && row.pointer("/wish/state").is_some_and(|state| state == "reflected")
            };
            self.known(is_it).await;
        }
        self.show();
    }

    /// Waits until the daemon knows an appointment in this status.
    async fn heard(&self, id: &str, status: &str) {
        let is_it = |row: &Value| {
            let key = row.get("key").and_then(Value::as_str).unwrap_or_default();
            key.ends_with(&format!("/{id}")) && row.get("status").is_some_and(|now| now == status)
        };
        self.known(is_it).await;
    }

    /// Waits until some appointment is as wanted; what never comes is shown by its absence.
    async fn known(&self, is_wanted: impl Fn(&Value) -> bool) {
        let view = self.world.daemon.handle.view();
        for _ in 0..LOOKS_MAX {
            let filter = Filter { limit: 100, ..Filter::default() };
            let rows = view.query(Subject::Appointments, &filter).unwrap_or_default();
            if rows.iter().any(&is_wanted) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn replies(&mut self, phone: &PhoneNumber, text: &str) {
        // A minute later, so that the order can be seen.
        self.world.clock.advance(TimeDelta::minutes(1));
        self.world.carrier.reply(phone, text).await;
        self.show();
    }

    /// Prints what is new, in the order of time.
    fn show(&mut self) {
        let lines = self.world.clinic.transcript();
        let texts = self.world.carrier.all_texts();
        let new_lines = lines.iter().skip(self.shown.0).map(|line| (line.at, 1, said(line)));
        // The clock stands still within a step: what the patient writes comes before what follows.
        let rank = |text: &Text| if text.direction == Direction::Inbound { 0 } else { 2 };
        let new_texts =
            texts.iter().skip(self.shown.1).map(|text| (text.at, rank(text), texted(text)));
        let mut new: Vec<(Timestamp, u8, String)> = new_lines.chain(new_texts).collect();
        self.shown = (lines.len(), texts.len());
        new.sort_by_key(|(at, rank, _)| (*at, *rank));
        for (at, _, line) in new {
            out::say(&format!("{}  {line}", self.zone.local(at).format("%a %b %e %H:%M")));
        }
    }

    /// Prints how everything stands, and stops.
    async fn close(mut self) -> Result<(), Failure> {
        self.title("How it stands, and why");
        let view = self.world.daemon.handle.view();
        let filter = Filter { limit: 100, ..Filter::default() };
        let failed = |what: &dyn std::fmt::Display| Failure::Failed(what.to_string());
        for row in view.query(Subject::Appointments, &filter).map_err(|e| failed(&e))? {
            let part =
                |name: &str| row.get(name).and_then(|v| v.as_str()).unwrap_or("-").to_owned();
            out::say(&format!("{}: {}, {}", part("key"), part("status"), part("disposition")));
        }
        let silent = Some("10003".to_owned());
        let johns = Filter { appointment: silent, limit: 1, ..Filter::default() };
        for row in view.query(Subject::Messages, &johns).map_err(|e| failed(&e))? {
            let because = row.pointer("/outcomes/0/because").and_then(|v| v.as_str());
            out::say(&format!("John's second booking sent no text: {}", because.unwrap_or("-")));
        }
        self.title("What is left for staff");
        for row in view.query(Subject::Tasks, &filter).map_err(|e| failed(&e))?.iter().rev() {
            let part = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or("-");
            let kind = part("kind").replace('_', " ");
            out::say(&format!("{kind}, {}: \"{}\"", part("phone"), part("note")));
        }
        self.world.stop().await.map_err(|e| failed(&e))
    }
}

/// One line for a message between EHR and daemon.
fn said(line: &Line) -> String {
    if line.text.is_empty() || line.text.starts_with(['{', '[']) {
        let (from, to) = if line.from == "ehr" { ("EHR", "appointd") } else { ("appointd", "EHR") };
        return format!("{from} -> {to}: {} [{}]", line.trigger, line.answer);
    }
    let (from, to) = if line.from == "ehr" { ("EHR", "appointd") } else { ("appointd", "EHR") };
    let value = |path: &str| {
        let msg = Message::read(&line.text).ok()?;
        Some(msg.get(&path.parse().ok()?).into_text().into_owned())
    };
    let id = value("SCH-2.1").or_else(|| value("ARQ-2.1")).unwrap_or_default();
    let status = value("SCH-25.1").unwrap_or_default();
    format!("{from} -> {to}: {} {id} {status} [{}]", line.trigger, line.answer)
}

/// One line for a text.
fn texted(text: &Text) -> String {
    let body = text.body.expose();
    match text.direction {
        Direction::Inbound => format!("{} texts: {body}", text.from.as_str()),
        Direction::OutboundApi => {
            format!("text to {} ({} segment(s)): {body}", text.to.as_str(), text.segments)
        }
        Direction::OutboundReply => format!("carrier to {}: {body}", text.to.as_str()),
    }
}

fn patient(mrn: &str, given: &str, family: &str, phone: &str) -> SimPatient {
    let own = str::to_owned;
    SimPatient { mrn: own(mrn), given: own(given), family: own(family), phone: own(phone) }
}

fn appointment(id: &str, patient: SimPatient, start: NaiveDateTime) -> SimAppointment {
    SimAppointment {
        id: id.to_owned(),
        patient,
        start,
        location: "EAST".to_owned(),
        status: "Booked".to_owned(),
    }
}

fn number(patient: &SimPatient) -> Result<PhoneNumber, Failure> {
    PhoneNumber::parse(&patient.phone, Region::US)
        .map_err(|fault| Failure::Failed(fault.to_string()))
}

fn local(year: i32, month: u32, day: u32, hour: u32) -> Result<NaiveDateTime, Failure> {
    NaiveDate::from_ymd_opt(year, month, day)
        .and_then(|date| date.and_hms_opt(hour, 0, 0))
        .ok_or_else(|| Failure::Failed("there is no such time".to_owned()))
}
