//! Plays a transcript: does what each line says, and writes down what came of it.

use std::collections::BTreeMap;

use appointd::clock::Timestamp;
use appointd::core::campaign::Order;
use appointd::core::event::Event;
use appointd::core::ids::AppointmentKey;
use appointd::core::local_time::LocalTime;
use appointd::core::phone::PhoneNumber;
use appointd::hl7::ack::AckCode;
use appointd::sim::phone::{Answer, Callbacks, Fate, Fault};
use chrono::{NaiveDate, TimeDelta};

use super::campaign;
use super::feed::{self, Visit};
use super::script::{self, Person, Script};
use super::stage::{Ambush, Stage};
use super::told::Teller;

/// Due moments that one movement of the clock passes at most.
const MOMENTS_MAX: usize = 1_000;

/// Plays a transcript, and returns it with what came of it.
pub(crate) fn play(script: &Script) -> Result<String, String> {
    let mut written: Vec<String> = script.head.clone();
    let first = script.lines.first().and_then(|line| script::date_line(&line.text));
    let first = first.ok_or("there is no line with a date, such as Mon 30 Nov 2026, 10:00")?;
    let mut play = Play {
        stage: Stage::new(script, LocalTime::settle(first, script.zone).instant)?,
        teller: Teller::new(script),
        script,
        visits: BTreeMap::new(),
        sent: 0,
        last: None,
        said: Vec::new(),
    };
    for line in &script.lines {
        let told = play
            .line(line.text.trim())
            .map_err(|fault| format!("line {}: {}: {fault}", line.number, line.text))?;
        written.push(line.text.clone());
        written.extend(told.into_iter().map(|told| format!("    > {told}")));
    }
    Ok(written.join("\n") + "\n")
}

struct Play<'a> {
    stage: Stage,
    teller: Teller,
    script: &'a Script,
    visits: BTreeMap<String, Visit>,
    sent: u64,
    /// The last message and its control id.
    last: Option<(String, String)>,
    /// What is seen at once by who does the step.
    said: Vec<String>,
}

type Done = Result<(), String>;

impl Play<'_> {
    fn line(&mut self, line: &str) -> Result<Vec<String>, String> {
        if line.is_empty() || line.starts_with("Note: ") {
            return Ok(Vec::new());
        }
        let was_running = self.stage.running().is_some();
        let is_asked = self.step(line)?;
        self.stage.rest()?;
        if was_running && self.stage.running().is_none() {
            self.teller.crashed(&self.stage);
            self.said.push("the daemon is down".to_owned());
        }
        let is_asked = is_asked && self.said.is_empty();
        let mut told = std::mem::take(&mut self.said);
        told.extend(self.teller.tell(&self.stage, is_asked));
        Ok(told)
    }

    /// Does what a line says; whether something should come of it.
    fn step(&mut self, line: &str) -> Result<bool, String> {
        if let Some(local) = script::date_line(line) {
            self.go(LocalTime::settle(local, self.script.zone).instant)?;
            return Ok(false);
        }
        if let Some(length) = line.strip_prefix("wait ") {
            self.go(self.stage.clock.now() + parse_length(length)?)?;
            return Ok(false);
        }
        if let Some(step) = line.strip_prefix("EHR ") {
            return self.ehr(step);
        }
        if let Some(step) = line.strip_prefix("carrier ") {
            return self.carrier(step).map(|()| false);
        }
        if let Some(step) = line.strip_prefix("operator ") {
            if let Some(done) = self.campaign(step) {
                return done.map(|()| true);
            }
            return self.operator(step).map(|()| true);
        }
        if let Some((who, words)) = line.split_once(" texts: ") {
            return self.patient(who, words).map(|()| true);
        }
        match line {
            "the daemon crashes" => self.stage.crash(),
            "the daemon starts again" => self.stage.start(),
            "the daemon will crash while it sends, before the carrier has the text" => {
                self.stage.lie_in_wait(Ambush::CrashBefore);
            }
            "the daemon will crash while it sends, after the carrier has the text" => {
                self.stage.lie_in_wait(Ambush::CrashAfter);
            }
            "the poller looks" => {
                self.stage.poll()?;
                return Ok(true);
            }
            _ => return Err("what is to be done?".to_owned()),
        }
        Ok(false)
    }

    /// Moves the clock, from one moment at which something is due to the next.
    fn go(&mut self, to: Timestamp) -> Done {
        if to < self.stage.clock.now() {
            return Err("time does not go back".to_owned());
        }
        for _ in 0..MOMENTS_MAX {
            self.stage.rest()?;
            match self.stage.next_due().filter(|due| *due <= to) {
                Some(due) => self.stage.clock.advance_to(due),
                None => {
                    self.stage.clock.advance_to(to);
                    return Ok(());
                }
            }
        }
        Err("something is due again and again".to_owned())
    }

    fn today(&self) -> NaiveDate {
        self.script.zone.date(self.stage.clock.now())
    }

    fn ehr(&mut self, step: &str) -> Result<bool, String> {
        let (step, written) = match step.split_once(", written on ") {
            Some((step, moment)) => {
                let local = script::moment(moment, self.today())?;
                (step, Some(LocalTime::settle(local, self.script.zone).instant))
            }
            None => (step, None),
        };
        if step == "will not take the next wish" {
            self.stage.ehr.answer_next(&[AckCode::ApplicationError]);
            return Ok(false);
        }
        if step == "repeats its last message" {
            let (text, id) = self.last.clone().ok_or("there is none")?;
            self.said.extend(feed::deliver(&self.stage, &text, &id));
            return Ok(true);
        }
        if let Some(step) = step.strip_prefix("books visit ") {
            let visit = self.booking(step)?;
            self.visits.insert(visit.id.clone(), visit.clone());
            self.send("S12", &visit, written);
            return Ok(true);
        }
        if let Some(step) = step.strip_prefix("notes that ") {
            return self.note(step, written);
        }
        for (verb, trigger) in [
            ("moves visit ", "S13"),
            ("changes visit ", "S14"),
            ("confirms visit ", "S14"),
            ("cancels visit ", "S15"),
            ("marks as missed visit ", "S26"),
        ] {
            if let Some(step) = step.strip_prefix(verb) {
                let visit = self.change(verb, step)?;
                self.send(trigger, &visit, written);
                return Ok(true);
            }
        }
        Err("what does the EHR do?".to_owned())
    }

    /// `1 for Jane on Thu 3 Dec at 09:00, EAST`
    fn booking(&self, step: &str) -> Result<Visit, String> {
        let form = "a booking is VISIT for NAME on DAY at TIME, PLACE";
        let (id, rest) = step.split_once(" for ").ok_or(form)?;
        let (name, rest) = rest.split_once(" on ").ok_or(form)?;
        let (moment, place) = rest.split_once(", ").ok_or(form)?;
        Ok(Visit {
            id: id.to_owned(),
            person: self.person(name)?.clone(),
            start: script::moment(moment, self.today())?,
            place: place.to_owned(),
            provider: "1234^Diaz^Frances",
            status: "Booked",
            is_deceased: false,
            no_texts: None,
        })
    }

    fn change(&mut self, verb: &str, step: &str) -> Result<Visit, String> {
        let today = self.today();
        let (id, how) = match step.split_once(' ') {
            Some((id, how)) => (id, how),
            None => (step, ""),
        };
        let visit = self.visits.get_mut(id).ok_or("there is no such visit")?;
        match verb {
            "moves visit " => {
                let moment = how.strip_prefix("to ").ok_or("a visit is moved to DAY at TIME")?;
                visit.start = script::moment(moment, today)?;
                visit.status = "Booked";
            }
            "changes visit " => {
                if let Some(place) = how.strip_prefix("to place ") {
                    place.clone_into(&mut visit.place);
                } else if how == "to Dr. Roe" {
                    visit.provider = "5678^Roe^Max";
                } else if !how.is_empty() {
                    return Err("a visit is changed to place PLACE, or to Dr. Roe".to_owned());
                }
            }
            "confirms visit " => visit.status = "Confirmed",
            "cancels visit " => visit.status = "Cancelled",
            _ => visit.status = "Noshow",
        }
        Ok(visit.clone())
    }

    /// What the EHR tells of a patient comes with each of the patient's visits.
    fn note(&mut self, step: &str, written: Option<Timestamp>) -> Result<bool, String> {
        let (name, what) = step.split_once(' ').ok_or("of whom is it noted?")?;
        let mrn = self.person(name)?.mrn.clone();
        let number = what.strip_prefix("has the number ").map(script::phone).transpose()?;
        let mut told = Vec::new();
        for visit in self.visits.values_mut().filter(|visit| visit.person.mrn == mrn) {
            match (what, &number) {
                ("has died", _) => visit.is_deceased = true,
                ("wants no texts", _) => visit.no_texts = Some(true),
                ("wants texts again", _) => visit.no_texts = Some(false),
                (_, Some(number)) => visit.person.phone = number.clone(),
                (_, None) => return Err("what is noted?".to_owned()),
            }
            told.push(visit.clone());
        }
        for visit in told {
            self.send("S14", &visit, written);
            self.stage.rest()?;
        }
        Ok(true)
    }

    fn send(&mut self, trigger: &str, visit: &Visit, written: Option<Timestamp>) {
        self.sent += 1;
        let id = format!("MSG{}", self.sent);
        let at = written.unwrap_or_else(|| self.stage.clock.now());
        let text = feed::message(trigger, &id, visit, at);
        self.said.extend(feed::deliver(&self.stage, &text, &id));
        self.last = Some((text, id));
    }

    fn patient(&mut self, who: &str, words: &str) -> Done {
        let from = self.phone_of(who)?;
        if words == "(a picture without words)" {
            return self.stage.picture(&from);
        }
        let body = script::body(words)?;
        let replied = self.stage.run(self.stage.carrier.reply(&from, &body));
        let replied = replied.ok_or("the practice has no number")?;
        match replied.http_status {
            Some(200 | 204) => {}
            Some(status) => self.said.push(format!("the carrier was answered {status}")),
            None => self.said.push("the daemon does not hear of it".to_owned()),
        }
        Ok(())
    }

    fn carrier(&mut self, step: &str) -> Done {
        let carrier = self.stage.carrier.clone();
        let fate = |step: &str, verb: &str| -> Option<(String, u32)> {
            let (number, code) = step.strip_prefix(verb)?.split_once(": ")?;
            Some((number.to_owned(), code.parse().ok()?))
        };
        if let Some((who, code)) = fate(step, "cannot deliver to ") {
            carrier.set_fate(&self.phone_of(&who)?, Fate::Undelivered(code));
            return Ok(());
        }
        if let Some(who) = step.strip_prefix("delivers again to ") {
            carrier.set_fate(&self.phone_of(who)?, Fate::Delivered);
            return Ok(());
        }
        if let Some(code) = step.strip_prefix("refuses the next text with ") {
            let code = code.parse().map_err(|_| "the code is a number")?;
            self.stage.lie_in_wait(Ambush::Refuse(code));
            return Ok(());
        }
        match step {
            "loses the next text of a patient" => carrier.lose_inbound(1),
            "takes the next text and drops the answer" => {
                carrier.fail_next(1, Fault::after_accept(Answer::Closed));
            }
            "drops the next text and the answer" => {
                carrier.fail_next(1, Fault::before_accept(Answer::Closed));
            }
            "answers the next text with 500" => {
                carrier.fail_next(1, Fault::before_accept(Answer::ServerError));
            }
            "answers the next text with 429" => {
                carrier.fail_next(1, Fault::before_accept(Answer::Throttled));
            }
            "reports everything twice" => carrier.set_callbacks(Callbacks::Repeated),
            "reports the last first" => carrier.set_callbacks(Callbacks::Reversed),
            "reports nothing" => {
                self.stage.is_silent = true;
                carrier.set_callbacks(Callbacks::Lost);
            }
            "is slow to report" => {
                self.stage.is_silent = true;
                carrier.hold_deliveries();
            }
            "reports at last" => {
                self.stage.is_silent = false;
                carrier.release_deliveries();
            }
            _ => return Err("what does the carrier do?".to_owned()),
        }
        Ok(())
    }

    /// An operator's word on a campaign; `None` if it is on something else.
    fn campaign(&mut self, step: &str) -> Option<Done> {
        let (verb, rest) = step.split_once(" campaign ")?;
        if let ("starts", Some((flow, names))) = (verb, rest.split_once(" for ")) {
            let people: Result<Vec<Person>, String> =
                names.split(", ").map(|name| self.person(name).cloned()).collect();
            return Some(people.and_then(|people| campaign::start(&self.stage, flow, &people)));
        }
        Some(match verb {
            "pauses" => campaign::order(&self.stage, rest, Order::Pause),
            "resumes" => campaign::order(&self.stage, rest, Order::Resume),
            "stops" => campaign::order(&self.stage, rest, Order::Stop),
            "looks at" => campaign::shown(&self.stage, rest, &self.script.people)
                .map(|lines| self.said.extend(lines)),
            _ => Err("what becomes of the campaign?".to_owned()),
        })
    }

    fn operator(&self, step: &str) -> Done {
        match step {
            "releases what is held" => return self.stage.post("/api/v1/holds/ehr/release"),
            "discards what is held" => return self.stage.post("/api/v1/holds/ehr/discard"),
            _ => {}
        }
        let event = if let Some(id) = step.strip_prefix("reminds visit ") {
            let key = self.key(id)?;
            Event::RemindNow { appointment: key }
        } else if let Some(who) = step.strip_prefix("stops texts to ") {
            Event::ConsentSet { phone: self.phone_of(who)?, programme: None, opted_out: true }
        } else if let Some(who) = step.strip_prefix("starts texts to ") {
            Event::ConsentSet { phone: self.phone_of(who)?, programme: None, opted_out: false }
        } else {
            return Err("what does the operator do?".to_owned());
        };
        let handle = self.stage.running().ok_or("no daemon runs")?.handle.clone();
        self.stage.run(handle.act(event));
        Ok(())
    }

    fn key(&self, id: &str) -> Result<AppointmentKey, String> {
        let handle = &self.stage.running().ok_or("no daemon runs")?.handle;
        let row = handle.view().appointment(id).map_err(|fault| fault.to_string())?;
        Ok(row.ok_or("the daemon knows no such visit")?.key)
    }

    fn person(&self, name: &str) -> Result<&Person, String> {
        let mut people = self.script.people.iter();
        people.find(|person| person.given == name).ok_or_else(|| format!("{name}: who is that?"))
    }

    /// A phone, by whose it is or by its number.
    fn phone_of(&self, who: &str) -> Result<PhoneNumber, String> {
        if who.starts_with('(') {
            return script::phone(who);
        }
        Ok(self.person(who)?.phone.clone())
    }
}

/// A length of time such as `2m 5s`.
fn parse_length(text: &str) -> Result<TimeDelta, String> {
    text.split(' ').try_fold(TimeDelta::zero(), |sum, part| {
        let seconds = match part.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            Some(_) | None => return Err(format!("{part}: no length of time")),
        };
        let count: i64 = part
            .trim_end_matches(char::is_alphabetic)
            .parse()
            .map_err(|_| format!("{part}: no length of time"))?;
        Ok(sum + TimeDelta::seconds(count * seconds))
    })
}
