//! What nobody may ever be sent, whatever comes in whatever order: random lives of six visits of
//! three patients, whose phones are of three zones, around the nights in which the clocks change.
//!
//! What is allowed is kept in a model of its own, simpler than the core: when a text leaves, its hour,
//! its phone, its visits and the texts before it are compared with that. The seed is fixed, and can be
//! given as `APPOINTD_POLITENESS_SEED`; `PROPTEST_CASES` says how many lives there are.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use appointd::clock::Timestamp;
use appointd::core::appointment::Notice;
use appointd::core::claim::Claim;
use appointd::core::contact::Programme;
use appointd::core::delivery::{Failure, Report, State};
use appointd::core::effect::{About, TextKind};
use appointd::core::event::Event;
use appointd::core::field::Field;
use appointd::core::ids::{AppointmentKey, OutboxId};
use appointd::core::local_time::Zone;
use appointd::core::phone::PhoneNumber;
use appointd::core::rules::Rules;
use appointd::phi::Phi;
use chrono::TimeDelta;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use support::{
    World, booked, canceled, confirmed, key, modified, new_york, noshowed, phone, place,
    rescheduled, rules, utc, with,
};

/// Three patients: given name, number, phone, and the zone of the phone's area.
const PEOPLE: [(&str, &str, &str, &str); 3] = [
    ("Jane", "MRN1000", "+14155550123", "America/Los_Angeles"),
    ("Rick", "MRN2000", "+13125550124", "America/Chicago"),
    ("Ann", "MRN3000", "+12125550125", "America/New_York"),
];
/// Visits of each: patient 0 has 0 and 3, patient 1 has 1 and 4, and so on.
const VISITS: u8 = 6;
const PER_DAY: usize = 2;
const PER_WEEK: usize = 4;
/// Days before a night in which clocks change: back on 1 November 2026, ahead on 14 March 2027.
const BEGINNINGS: [&str; 2] = ["2026-10-29T14:00:00Z", "2027-03-11T14:00:00Z"];

const TEXTS: [&str; 18] = [
    "C",
    "X",
    "R",
    "yes",
    "no",
    "1",
    "2",
    "both",
    "all",
    "STOP",
    "stop texting me",
    "CANCEL",
    "START",
    "HELP",
    "what?",
    "yes but later",
    "wrong number",
    "👍",
];
/// Those that take consent back.
const OPT_OUTS: [&str; 3] = ["STOP", "stop texting me", "CANCEL"];

#[derive(Debug, Clone)]
enum Step {
    Book(u8, u8),
    Move(u8, u8),
    Modify(u8, bool),
    Confirm(u8),
    Cancel(u8),
    NoShow(u8),
    Die(u8),
    /// News that is older than a day.
    Late(u8, u8),
    Text(usize, usize),
    Operator(usize, bool, bool),
    RemindNow(u8),
    /// Whether carrier and EHR say at once that they accept.
    Accepts(bool),
    Report(usize, u8),
    Pass(u16),
    Sleep(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let (id, who) = (0..VISITS, 0..PEOPLE.len());
    prop_oneof![
        8 => (id.clone(), 0_u8..48).prop_map(|(id, slot)| Step::Book(id, slot)),
        4 => (id.clone(), 0_u8..48).prop_map(|(id, slot)| Step::Move(id, slot)),
        2 => (id.clone(), any::<bool>()).prop_map(|(id, place)| Step::Modify(id, place)),
        2 => id.clone().prop_map(Step::Confirm),
        3 => id.clone().prop_map(Step::Cancel),
        1 => id.clone().prop_map(Step::NoShow),
        1 => id.clone().prop_map(Step::Die),
        1 => (id.clone(), 0_u8..48).prop_map(|(id, slot)| Step::Late(id, slot)),
        6 => (who.clone(), 0..TEXTS.len()).prop_map(|(who, text)| Step::Text(who, text)),
        1 => (who, any::<bool>(), any::<bool>())
            .prop_map(|(who, out, all)| Step::Operator(who, out, all)),
        1 => id.prop_map(Step::RemindNow),
        1 => any::<bool>().prop_map(Step::Accepts),
        3 => (0_usize..32, 0_u8..8).prop_map(|(text, how)| Step::Report(text, how)),
        9 => (1_u16..2_000).prop_map(Step::Pass),
        2 => (1_u16..6_000).prop_map(Step::Sleep),
    ]
}

/// An hour of the two weeks that follow, the missing and the doubled one among them.
fn slot(is_spring: bool, slot: u8) -> String {
    let (hour, day) = ((u32::from(slot) * 5 + 1) % 24, u32::from(slot / 4));
    let date = if is_spring {
        format!("2027-03-{:02}", 12 + day)
    } else if day < 2 {
        format!("2026-10-{:02}", 30 + day)
    } else {
        format!("2026-11-{:02}", day - 1)
    };
    format!("{date}T{hour:02}:30:00")
}

/// The rules, whose texts are tried out once and not for each life.
static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let mut rules = rules();
    rules.reminders.by_area_code = true;
    rules.reminders.per_patient_per_day = PER_DAY;
    rules.reminders.per_phone_per_week = Some(PER_WEEK);
    rules
});

/// A text that has left.
#[derive(Debug, Clone)]
struct Sent {
    at: Timestamp,
    to: PhoneNumber,
    kind: TextKind,
    about: Vec<About>,
    outbox: OutboxId,
}

/// A world, and what is known of it without the core.
struct Life {
    world: World,
    is_spring: bool,
    slots: BTreeMap<u8, u8>,
    off: BTreeSet<AppointmentKey>,
    /// When the last word about a visit was written.
    heard: BTreeMap<u8, Timestamp>,
    dead: BTreeSet<usize>,
    /// Phones that may not be texted, and the one confirmation, which a patient's
    /// own words are answered with.
    silent: BTreeMap<usize, Option<OutboxId>>,
    /// How often an operator asked for a reminder, by patient.
    asked: BTreeMap<usize, usize>,
    checked: usize,
    faults: Vec<String>,
}

impl Life {
    fn run(is_spring: bool, steps: &[Step]) -> Vec<String> {
        let mut world = World::with_rules(RULES.clone());
        world.now = utc(if is_spring { BEGINNINGS[1] } else { BEGINNINGS[0] });
        let mut life = Self {
            world,
            is_spring,
            slots: BTreeMap::new(),
            off: BTreeSet::new(),
            heard: BTreeMap::new(),
            dead: BTreeSet::new(),
            silent: BTreeMap::new(),
            asked: BTreeMap::new(),
            checked: 0,
            faults: Vec::new(),
        };
        for step in steps {
            life.step(step);
            life.check();
        }
        life.world.pass(TimeDelta::days(21));
        life.check();
        if !life.faults.is_empty() {
            let row = |sent: &Sent| life.world.scene.outbox.get(&sent.outbox).map(|row| row.state);
            let all = life.sent();
            life.faults.extend(all.iter().map(|sent| format!("{:?} {sent:?}", row(sent))));
        }
        life.faults
    }

    fn claim(&self, id: u8, make: fn(&str, &str) -> Claim) -> Claim {
        let at = self.slots.get(&id).copied().unwrap_or(id);
        let who = owner(id);
        with(make(&id.to_string(), &slot(self.is_spring, at)), |claim| {
            let (given, mrn, number, _) = person(who);
            claim.patient.id = Field::Value(mrn.to_owned());
            claim.patient.given = Field::Value(Phi::new(given.to_owned()));
            claim.patient.phone = Field::Value(phone(number));
            claim.patient.deceased = Field::Value(self.dead.contains(&who));
        })
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Book(id, to) => {
                self.slots.insert(id, to);
                self.off.remove(&key(&id.to_string()));
                self.tell(id, self.claim(id, booked));
            }
            Step::Move(id, to) => {
                self.slots.insert(id, to);
                self.off.remove(&key(&id.to_string()));
                self.tell(id, self.claim(id, rescheduled));
            }
            Step::Modify(id, is_there) => {
                let code = if is_there { "MAIN" } else { "SENS" };
                let claim = with(self.claim(id, modified), |claim| {
                    claim.appointment.location = Field::Value(place(code));
                });
                self.tell(id, claim);
            }
            Step::Confirm(id) => {
                self.off.remove(&key(&id.to_string()));
                self.tell(id, self.claim(id, confirmed));
            }
            Step::Cancel(id) => {
                self.off.insert(key(&id.to_string()));
                self.tell(id, self.claim(id, canceled));
            }
            Step::NoShow(id) => {
                self.off.remove(&key(&id.to_string()));
                self.tell(id, self.claim(id, noshowed));
            }
            Step::Die(id) => {
                self.dead.insert(owner(id));
                for id in (0..VISITS).filter(|other| owner(*other) == owner(id)) {
                    if self.world.scene.appointments.contains_key(&key(&id.to_string())) {
                        self.tell(id, self.claim(id, modified));
                    }
                }
            }
            Step::Late(id, to) => self.late(id, to),
            Step::Text(..)
            | Step::Operator(..)
            | Step::RemindNow(_)
            | Step::Accepts(_)
            | Step::Report(..)
            | Step::Pass(_)
            | Step::Sleep(_) => self.other_step(step),
        }
    }

    fn tell(&mut self, id: u8, claim: Claim) {
        self.heard.insert(id, self.world.now);
        self.world.tell(claim);
    }

    /// A booking that was written two days ago; it counts if that is the last word about the visit.
    fn late(&mut self, id: u8, to: u8) {
        let at = self.world.now - TimeDelta::days(2);
        let is_last = self.heard.get(&id).is_none_or(|heard| at >= *heard);
        let before = self.slots.insert(id, to);
        let claim = with(self.claim(id, booked), |claim| claim.occurred_at = at);
        if is_last {
            self.heard.insert(id, at);
            self.off.remove(&key(&id.to_string()));
        } else if let Some(before) = before {
            self.slots.insert(id, before);
        }
        self.world.tell(claim);
    }

    fn other_step(&mut self, step: &Step) {
        match *step {
            Step::Text(who, text) => {
                let body = TEXTS.get(text).unwrap();
                if OPT_OUTS.contains(body) {
                    self.silent.entry(who).or_insert(None);
                } else if *body == "START" {
                    self.silent.remove(&who);
                }
                self.world.reply(person(who).2, body);
            }
            Step::Operator(who, is_out, is_all) => {
                if is_out {
                    self.silent.entry(who).or_insert(None);
                } else {
                    self.silent.remove(&who);
                }
                let programme = (is_out && !is_all).then_some(Programme::Appointments);
                let phone = phone(person(who).2);
                let event = Event::ConsentSet { phone, programme, opted_out: is_out };
                self.world.turn(None, &event);
                self.world.settle();
            }
            Step::RemindNow(id) => {
                if self.world.scene.appointments.contains_key(&key(&id.to_string())) {
                    *self.asked.entry(owner(id)).or_default() += 1;
                    self.world.remind_now(&id.to_string());
                }
            }
            Step::Accepts(is_so) => self.world.accepts = is_so,
            Step::Report(text, how) => self.report(text, how),
            Step::Pass(by) => self.world.pass(TimeDelta::minutes(i64::from(by))),
            Step::Sleep(by) => self.world.sleep(TimeDelta::minutes(i64::from(by))),
            Step::Book(..)
            | Step::Move(..)
            | Step::Modify(..)
            | Step::Confirm(_)
            | Step::Cancel(_)
            | Step::NoShow(_)
            | Step::Die(_)
            | Step::Late(..) => {}
        }
    }

    fn report(&mut self, text: usize, how: u8) {
        let Some(index) = text.checked_rem(self.world.sent.len()) else { return };
        let Some(sent) = self.world.sent.get(index) else { return };
        // News is of the last try.
        let last = self.world.sent.iter().rposition(|other| other.outbox == sent.outbox);
        let id = format!("SM-out-{}", last.unwrap_or(index) + 1);
        let outbox = sent.outbox.clone();
        let code = |code: &str| code.to_owned();
        let report = match how {
            0 => Report::Accepted { id },
            1 => Report::Delivered { id },
            2 => Report::Undelivered { id, failure: Failure::TryLater, code: code("30003") },
            3 => Report::Undelivered { id, failure: Failure::BadNumber, code: code("30006") },
            4 => {
                let row = self.world.scene.outbox.get(&outbox).unwrap();
                let failure = Failure::OptedOut;
                let code = code("21610");
                let report = match row.state {
                    State::Sending => Report::NotDone { failure, code },
                    State::Accepted => Report::Undelivered { id, failure, code },
                    State::Ready
                    | State::Held
                    | State::InDoubt
                    | State::Delivered
                    | State::Failed
                    | State::Void => return,
                };
                let who = PEOPLE.iter().position(|known| known.2 == sent.to.as_str()).unwrap();
                self.silent.entry(who).or_insert(None);
                report
            }
            5 => Report::NotDone { failure: Failure::TryLater, code: code("20429") },
            6 => Report::InDoubt { code: code("timeout") },
            _ => Report::NoTrace,
        };
        self.world.report(&outbox, report);
        self.world.settle();
    }

    /// Checks the texts that have left since the last time.
    fn check(&mut self) {
        for sent in self.sent().into_iter().skip(self.checked) {
            self.checked += 1;
            let who = PEOPLE.iter().position(|known| known.2 == sent.to.as_str()).unwrap();
            self.check_consent(who, &sent);
            if !sent.kind.is_answer() {
                self.check_hours(who, &sent);
                self.check_visits(who, &sent);
                self.check_caps(who, &sent);
            }
        }
    }

    fn sent(&self) -> Vec<Sent> {
        let sent = self.world.sent.iter().map(|sent| Sent {
            at: sent.at,
            to: sent.to.clone(),
            kind: sent.kind,
            about: sent.about.clone(),
            outbox: sent.outbox.clone(),
        });
        sent.collect()
    }

    fn fault(&mut self, sent: &Sent, what: &str) {
        self.faults.push(format!(
            "{what}: {} to {} at {}",
            sent.kind.name(),
            sent.to.as_str(),
            sent.at
        ));
    }

    fn check_consent(&mut self, who: usize, sent: &Sent) {
        let Some(confirmation) = self.silent.get_mut(&who) else { return };
        let is_the_one = confirmation.as_ref().is_none_or(|outbox| *outbox == sent.outbox);
        if sent.kind == TextKind::OptedOut && is_the_one {
            *confirmation = Some(sent.outbox.clone());
        } else {
            self.fault(sent, "opted out");
        }
    }

    fn check_hours(&mut self, who: usize, sent: &Sent) {
        for zone in [new_york(), Zone::parse(person(who).3).unwrap()] {
            let local = zone.local(sent.at).time();
            if !self.world.rules.reminders.window.contains(local) {
                self.fault(sent, &format!("it is {local} in {zone}"));
            }
        }
    }

    fn check_visits(&mut self, who: usize, sent: &Sent) {
        let kind = sent.kind;
        if self.dead.contains(&who) {
            self.fault(sent, "the patient is dead");
        }
        for about in &sent.about {
            let start =
                self.world.scene.appointments.get(&about.appointment).unwrap().start.clone();
            let is_over = start.is_some_and(|start| start.instant <= sent.at);
            if is_over && kind != TextKind::Notice(Notice::NoShowed) {
                self.fault(sent, "the visit is over");
            }
            let is_news_of_it = kind == TextKind::Notice(Notice::Canceled);
            if self.off.contains(&about.appointment) && !is_news_of_it {
                self.fault(sent, "the visit is off");
            }
        }
    }

    fn check_caps(&mut self, who: usize, sent: &Sent) {
        // A text that is tried again is one text, and counts when it was tried first.
        let before: BTreeMap<OutboxId, Sent> = self
            .sent()
            .into_iter()
            .take(self.checked - 1)
            .rev()
            .filter(|other| other.to == sent.to && other.outbox != sent.outbox)
            .filter(|other| !other.kind.is_answer() && self.has_arrived(other))
            .map(|other| (other.outbox.clone(), other))
            .collect();
        let day = new_york().date(sent.at);
        let is_reminder =
            |other: &&Sent| other.kind == TextKind::Reminder && new_york().date(other.at) == day;
        let allowed = PER_DAY + self.asked.get(&who).copied().unwrap_or(0);
        if sent.kind == TextKind::Reminder && before.values().filter(is_reminder).count() >= allowed
        {
            self.fault(sent, "the day's reminders are through");
        }
        let week = before.values().filter(|other| sent.at - other.at < TimeDelta::days(7)).count();
        let is_needed =
            matches!(sent.kind, TextKind::Notice(Notice::Canceled | Notice::Rescheduled));
        if !is_needed && week >= PER_WEEK {
            self.fault(sent, "the week's texts are through");
        }
    }

    fn has_arrived(&self, sent: &Sent) -> bool {
        let row = self.world.scene.outbox.get(&sent.outbox);
        row.is_some_and(|row| matches!(row.state, State::Accepted | State::Delivered))
    }
}

fn owner(id: u8) -> usize {
    usize::from(id) % PEOPLE.len()
}

fn person(who: usize) -> (&'static str, &'static str, &'static str, &'static str) {
    PEOPLE.get(who).copied().unwrap()
}

#[test]
fn nobody_is_ever_sent_what_they_should_not_get() {
    let given = std::env::var("APPOINTD_POLITENESS_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = given.unwrap_or(20_261_101);
    println!("APPOINTD_POLITENESS_SEED={seed}");
    let mut bytes = [0_u8; 32];
    for (byte, from) in bytes.iter_mut().zip(seed.to_be_bytes()) {
        *byte = from;
    }
    let config = Config { failure_persistence: None, ..Config::default() };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, random);
    let lives = (any::<bool>(), vec(step(), 1..60));
    let ended = runner.run(&lives, |(is_spring, steps)| {
        let faults = Life::run(is_spring, &steps);
        prop_assert!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    });
    match ended {
        Ok(()) => {}
        Err(TestError::Fail(why, (is_spring, steps))) => {
            unreachable!("{why}\nspring: {is_spring}\n{steps:#?}")
        }
        Err(TestError::Abort(why)) => unreachable!("{why}"),
    }
}
