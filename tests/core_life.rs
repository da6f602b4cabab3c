//! What no sequence of events may do: random lives of five appointments of two patients on two
//! phones. What holds of every single text is checked by the world when the text leaves.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use appointd::core::effect::TextKind;
use appointd::core::field::Field;
use chrono::{NaiveDate, TimeDelta};
use proptest::prelude::*;
use support::{
    JANE, OTHER, World, booked, canceled, confirmed, for_rick, key, modified, new_york, noshowed,
    phone, rescheduled, with,
};

/// What can happen in a random life.
#[derive(Debug, Clone)]
enum Step {
    Book(u8, u8),
    Move(u8, u8),
    Confirm(u8),
    Cancel(u8),
    NoShow(u8),
    Die(u8),
    ChangePhone(u8, bool),
    Text(bool, u8),
    Pass(u16),
    Sleep(u16),
    RemindNow(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0_u8..5;
    prop_oneof![
        6 => (id.clone(), 0_u8..40).prop_map(|(id, slot)| Step::Book(id, slot)),
        3 => (id.clone(), 0_u8..40).prop_map(|(id, slot)| Step::Move(id, slot)),
        2 => id.clone().prop_map(Step::Confirm),
        3 => id.clone().prop_map(Step::Cancel),
        1 => id.clone().prop_map(Step::NoShow),
        1 => id.clone().prop_map(Step::Die),
        1 => (id.clone(), any::<bool>()).prop_map(|(id, other)| Step::ChangePhone(id, other)),
        6 => (any::<bool>(), 0_u8..12).prop_map(|(other, text)| Step::Text(other, text)),
        8 => (1_u16..3_000).prop_map(Step::Pass),
        2 => (1_u16..6_000).prop_map(Step::Sleep),
        1 => id.prop_map(Step::RemindNow),
    ]
}

const TEXTS: [&str; 12] =
    ["C", "X", "R", "STOP", "START", "HELP", "1", "2", "cancel", "what?", "yes", "3"];

/// A slot in the two weeks from the beginning, at any hour.
fn slot(slot: u8) -> String {
    let hour = (u32::from(slot) * 7) % 24;
    format!("2026-12-{:02}T{hour:02}:30:00", 2 + slot / 3)
}

struct Life {
    world: World,
    slots: BTreeMap<u8, u8>,
    died: Vec<u8>,
}

impl Life {
    fn run(steps: &[Step]) -> Self {
        let mut life = Self { world: World::new(), slots: BTreeMap::new(), died: Vec::new() };
        for step in steps {
            life.step(step);
        }
        life
    }

    fn claim(
        &self,
        id: u8,
        make: fn(&str, &str) -> appointd::core::claim::Claim,
    ) -> appointd::core::claim::Claim {
        let slot_of = self.slots.get(&id).copied().unwrap_or(id);
        let claim = with(make(&id.to_string(), &slot(slot_of)), |c| {
            c.patient.phone = Field::Absent;
            if self.died.contains(&(id % 2)) {
                c.patient.deceased = Field::Value(true);
            }
        });
        // Even appointments are Jane's, odd ones Rick's.
        if id.is_multiple_of(2) { claim } else { for_rick(claim) }
    }

    fn step(&mut self, step: &Step) {
        match step.clone() {
            Step::Book(id, to) => {
                self.slots.insert(id, to);
                let mut claim = self.claim(id, booked);
                claim.patient.phone = Field::Value(phone(JANE));
                self.world.tell(claim);
            }
            Step::Move(id, to) => {
                self.slots.insert(id, to);
                self.world.tell(self.claim(id, rescheduled));
            }
            Step::Confirm(id) => drop(self.world.tell(self.claim(id, confirmed))),
            Step::Cancel(id) => drop(self.world.tell(self.claim(id, canceled))),
            Step::NoShow(id) => drop(self.world.tell(self.claim(id, noshowed))),
            Step::Die(id) => {
                self.died.push(id % 2);
                // Each of the patient's appointments is sent again with the news.
                for id in 0..5 {
                    if self.died.contains(&(id % 2)) && self.slots.contains_key(&id) {
                        self.world.tell(self.claim(id, modified));
                    }
                }
            }
            Step::ChangePhone(id, other) => {
                let mut claim = self.claim(id, modified);
                claim.patient.phone = Field::Value(phone(if other { OTHER } else { JANE }));
                self.world.tell(claim);
            }
            Step::Text(other, text) => {
                self.world.reply(if other { OTHER } else { JANE }, TEXTS[usize::from(text)]);
            }
            Step::Pass(by) => self.world.pass(TimeDelta::minutes(i64::from(by))),
            Step::Sleep(by) => self.world.sleep(TimeDelta::minutes(i64::from(by))),
            Step::RemindNow(id) => {
                let known = self.world.scene.appointments.contains_key(&key(&id.to_string()));
                if known {
                    self.world.remind_now(&id.to_string());
                }
            }
        }
    }

    /// The reminders by phone, patient and local day. FIXME: a patient who is known under two phones
    /// has the cap on each of them.
    fn reminders_by_day(&self) -> BTreeMap<(String, String, NaiveDate), usize> {
        let mut count = BTreeMap::new();
        for sent in self.world.sent.iter().filter(|sent| sent.kind == TextKind::Reminder) {
            let about = &sent.about[0].appointment;
            let patient = self.world.scene.appointments[about].patient.id.clone().unwrap();
            let phone = sent.to.as_str().to_owned();
            *count.entry((phone, patient, new_york().date(sent.at))).or_default() += 1;
        }
        count
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_life_breaks_a_rule(steps in prop::collection::vec(step(), 1..40)) {
        let life = Life::run(&steps);
        let mut seen = BTreeSet::new();
        for sent in &life.world.sent {
            for about in &sent.about {
                if let TextKind::Notice(_) = sent.kind {
                    let once = seen.insert((about.appointment.clone(), about.generation, sent.kind));
                    prop_assert!(once, "{:?} twice for one generation", sent.kind);
                }
            }
        }
        if !steps.iter().any(|step| matches!(step, Step::RemindNow(_))) {
            for ((_, patient, date), count) in life.reminders_by_day() {
                prop_assert!(count <= 2, "{} reminders for {} on {}", count, patient, date);
            }
        }
        for outcome in &life.world.log {
            prop_assert!(!outcome.because.to_string().is_empty());
        }
    }

    #[test]
    fn every_life_comes_to_rest(steps in prop::collection::vec(step(), 1..40)) {
        let mut life = Life::run(&steps);
        life.world.pass(TimeDelta::days(60));
        prop_assert!(life.world.waiting().is_empty());
        prop_assert!(life.world.scene.appointments.values().all(|a| a.timers.is_empty()));
    }
}
