//! Random days at a clinic: staff books, moves, calls off, confirms and deletes, notifications get lost,
//! doubled, reordered, held back, renumbered and forged, and the daemon is started anew in between.
//!
//! Whatever happens on the way, in the end the daemon knows what the server holds, and on the way no
//! patient hears a thing twice, or after it was called off. Each run is named by its seed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests"
)]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod fhir_support;

use std::collections::{BTreeMap, BTreeSet};

use appointd::core::appointment::Status;
use appointd::engine::view::Subject;
use appointd::sim::fhir::{Forgery, Knobs, Numbering, Visit};
use chrono::{DateTime, TimeDelta, Utc};
use fhir_support::{Bed, JANE, JOHN, Plan, Way, patient};
use serde_json::{Value, json};

/// How much happens on a day.
const STEPS: u32 = 250;
/// How many appointments there are at most.
const VISITS_MAX: usize = 15;
/// The phone of Rick Doe, who has died.
const RICK: &str = "+14155550125";

#[tokio::test]
async fn a_day_of_seed_1_by_criteria() {
    day(1, Way::R4, "").await;
}

#[tokio::test]
async fn a_day_of_seed_2_by_topic() {
    day(2, Way::Backport, "").await;
}

#[tokio::test]
async fn a_day_of_seed_3_by_topic_of_r5() {
    day(3, Way::R5, "").await;
}

#[tokio::test]
async fn a_day_of_seed_4_by_searches_alone() {
    day(4, Way::Poll, "").await;
}

#[tokio::test]
async fn a_day_of_seed_5_by_topic_and_frequent_searches() {
    day(5, Way::Backport, "poll_interval = \"1m\"").await;
}

#[tokio::test]
async fn a_day_of_seed_6_by_criteria_and_small_pages() {
    day(6, Way::R4, "poll_interval = \"2m\"\npage_size = 2").await;
}

#[tokio::test]
async fn a_day_of_seed_7_by_topic_without_content() {
    day(7, Way::Backport, "content = \"empty\"").await;
}

#[tokio::test]
async fn a_day_of_seed_8_by_trusted_resources() {
    day(8, Way::R5, "content = \"full-resource\"").await;
}

async fn day(seed: u64, way: Way, lines: &str) {
    let mut day = Day::begin(seed, way, lines).await;
    for _ in 0..STEPS {
        day.step().await;
    }
    day.end().await;
}

/// Chance that comes out the same each time (`SplitMix64`).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn span(&mut self, bound: usize) -> i64 {
        i64::try_from(self.below(bound)).unwrap()
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// What the staff has done to an appointment, which bounds what its patient may hear.
#[derive(Debug, Default)]
struct Done {
    books: usize,
    moves: usize,
    cancels: usize,
    confirms: usize,
    relocations: usize,
}

struct Day {
    seed: u64,
    way: Way,
    chance: Chance,
    bed: Bed,
    done: BTreeMap<String, Done>,
}

impl Day {
    async fn begin(seed: u64, way: Way, lines: &str) -> Self {
        let mut plan = Plan::by(way);
        plan.server = lines.to_owned();
        let mut bed = Bed::prepare(plan).await;
        let mut rick = patient("rick", "Rick", "Doe", "(415) 555-0125");
        rick["deceasedBoolean"] = json!(true);
        bed.server.put(rick).unwrap();
        bed.up().await;
        bed.settled(way).await;
        Self { seed, way, chance: Chance(seed), bed, done: BTreeMap::new() }
    }

    async fn step(&mut self) {
        match self.chance.below(30) {
            0..=4 => self.book(),
            5..=14 => self.change(),
            15..=21 => self.disturb(),
            22 => {
                self.bed.down().await;
                self.bed.up().await;
            }
            23..=26 => {
                let by = TimeDelta::seconds(1 + self.chance.span(120));
                self.bed.clock.advance(by);
            }
            _ => self.bed.calm().await,
        }
    }

    fn start(&mut self) -> DateTime<Utc> {
        let day = self.bed.clock.now().date_naive() + TimeDelta::days(4 + self.chance.span(14));
        let minute = 5 * self.chance.span(72);
        day.and_hms_opt(17, 0, 0).unwrap().and_utc() + TimeDelta::minutes(minute)
    }

    fn book(&mut self) {
        if self.done.len() >= VISITS_MAX {
            return;
        }
        let id = format!("a{}", self.done.len());
        let who = self.chance.one(&["jane", "john", "jane", "rick"]);
        let start = self.start();
        self.bed.server.book(&Visit::new(&id, who, start)).unwrap();
        self.done.entry(id).or_default().books += 1;
    }

    fn change(&mut self) {
        let ids: Vec<String> = self.done.keys().cloned().collect();
        if ids.is_empty() {
            return;
        }
        let id = self.chance.one(&ids);
        let start = self.start();
        let what = self.chance.below(16);
        let (server, done) = (&self.bed.server, self.done.get_mut(&id).unwrap());
        let reference = format!("Appointment/{id}");
        let is_off = self.bed.there(&reference, "/status") == "cancelled";
        match what {
            0..=3 => {
                done.moves += 1;
                server.move_to(&id, start);
            }
            4 | 5 => {
                done.cancels += 1;
                server.cancel(&id, "prov");
            }
            6 if is_off => {
                done.books += 1;
                server.set_status(&id, "booked");
            }
            6..=8 | 12.. => {
                done.confirms += 1;
                server.confirm_by_staff(&id);
            }
            9 => {
                done.relocations += 1;
                let mut participants = self.bed.there(&reference, "/participant");
                if let Some(place) = participants.pointer_mut("/2/actor/reference") {
                    let is_east = *place == "Location/east";
                    *place = json!(if is_east { "Location/west" } else { "Location/east" });
                    server.change(&reference, &json!({ "participant": participants }));
                }
            }
            10 => {
                server.change(&reference, &json!({ "comment": start.to_rfc3339() }));
            }
            11 => {
                server.delete(&reference);
            }
        }
    }

    /// Something goes wrong on the way to the daemon, or goes right again.
    fn disturb(&mut self) {
        let chance = &mut self.chance;
        let server = &self.bed.server;
        let count = u32::try_from(chance.below(3)).unwrap();
        match chance.below(7) {
            0 => server.set(|knobs| knobs.lose_next = count),
            1 => server.set(|knobs| knobs.duplicate = count),
            2 => server.set(|knobs| knobs.reorder = !knobs.reorder),
            3 => server.set(|knobs| knobs.hold = !knobs.hold),
            4 => {
                let forgery = chance.one(&[Forgery::None, Forgery::WrongSecret, Forgery::MadeUpId]);
                server.set(|knobs| knobs.forge = forgery);
            }
            5 => server.reset_counters(),
            _ => {
                let numbering =
                    chance.one(&[Numbering::Counting, Numbering::AlwaysOne, Numbering::PerBundle]);
                server.set(|knobs| {
                    knobs.numbering = numbering;
                    knobs.bundle_max = 1 + usize::try_from(count).unwrap();
                });
            }
        }
    }

    /// All goes right again; what is held then is compared.
    async fn end(self) {
        let bed = &self.bed;
        bed.server.set(|knobs| *knobs = Knobs::default());
        bed.server.deliver().await;
        bed.settled(self.way).await;
        bed.resync().await;
        for id in self.done.keys() {
            self.compare(id);
        }
        bed.clock.advance(TimeDelta::minutes(5));
        bed.calm().await;
        self.heard_enough();
        self.heard_once();
        self.heard_nothing_of_what_is_off();
        let texts = bed.texts(JANE).len() + bed.texts(JOHN).len();
        assert!(texts > 0, "seed {}: only {texts} texts of {:?}", self.seed, self.done);
        // Reminders come, and visits pass.
        for _ in 0..48 {
            bed.clock.advance(TimeDelta::hours(12));
            bed.calm().await;
        }
        self.heard_once();
        self.heard_nothing_of_what_is_off();
        assert!(bed.texts(RICK).is_empty(), "seed {}: he is dead", self.seed);
        assert!(bed.tasks().is_empty(), "seed {}: {:?}", self.seed, bed.tasks());
        self.bed.stop().await;
    }

    fn compare(&self, id: &str) {
        let (seed, row) = (self.seed, self.bed.row(id));
        let Some(there) = self.bed.server.get(&format!("Appointment/{id}")) else {
            // It may have come and gone unseen.
            let is_off = row.is_none_or(|row| row.status.is_off());
            assert!(is_off, "seed {seed}: {id} is deleted");
            return;
        };
        let row = row.unwrap();
        let start: DateTime<Utc> = there["start"].as_str().unwrap().parse().unwrap();
        assert_eq!(row.start.unwrap().instant, start, "seed {seed}: {id}");
        let is_off = there["status"] == "cancelled";
        assert_eq!(row.status == Status::Canceled, is_off, "seed {seed}: {id}");
        assert_eq!(row.status.is_open(), !is_off, "seed {seed}: {id}");
        let place = there["participant"][2]["actor"]["reference"].as_str().unwrap();
        let code = row.location.unwrap().code;
        assert_eq!(format!("Location/{code}"), place, "seed {seed}: {id}");
    }

    /// The texts that went out, by the row that they are mainly about.
    fn sent(&self) -> Vec<(String, String, Value)> {
        let rows = self.bed.query(Subject::Outbox).into_iter();
        let mut rows: BTreeMap<String, Value> = rows
            .filter(|row| row["state"] == "accepted" && row["about"].is_array())
            .map(|row| (row["id"].as_str().unwrap().to_owned(), row))
            .collect();
        let history = self.bed.query(Subject::History).into_iter().rev();
        let sends = history.filter_map(|entry| {
            rows.remove(entry["cause"]["send"]["outbox"].as_str().unwrap_or_default())
        });
        let rows: Vec<Value> = sends.collect();
        let name = |row: &Value, pointer: &str| {
            row.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let sent = rows.into_iter();
        sent.map(|row| (name(&row, "/about/0/appointment"), name(&row, "/kind"), row)).collect()
    }

    /// Whoever is expected has been told of the time that counts, and whoever is not, that it is off.
    fn heard_enough(&self) {
        let sent = self.sent();
        for id in self.done.keys() {
            let Some(row) = self.bed.row(id) else { continue };
            if row.patient.deceased || !row.status.is_open() {
                continue;
            }
            let last = sent.iter().rev().find(|(key, ..)| key == row.key.as_str());
            let (.., last) = last.unwrap_or_else(|| panic!("seed {}: {id} unheard", self.seed));
            let start = row.start.unwrap();
            let time = start.zone.local(start.instant).format("%-I:%M").to_string();
            let body = last["body"].as_str().unwrap();
            assert!(body.contains(&time), "seed {}: {id} is at {time}: {body}", self.seed);
        }
    }

    /// No text went out twice, and none that nothing was done for.
    fn heard_once(&self) {
        let mut seen = BTreeSet::new();
        let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (key, kind, row) in self.sent().into_iter().filter(|(_, kind, _)| kind != "reminder") {
            let generation = row["about"][0]["generation"].as_u64();
            let is_new = seen.insert((key.clone(), kind.clone(), generation));
            assert!(is_new, "seed {}: {kind} twice for {key}", self.seed);
            *counts.entry((key, kind)).or_default() += 1;
        }
        for ((key, kind), count) in counts {
            let done = &self.done[key.rsplit('/').next().unwrap()];
            let most = match kind.as_str() {
                "booked" => done.books,
                // One that is booked while another's cancellation waits is told as its new time.
                "rescheduled" => done.moves + done.books,
                "modified" => done.relocations + done.books,
                "confirmed" => done.confirms,
                "canceled" => done.cancels,
                _ => 0,
            };
            assert!(count <= most, "seed {}: {count} times {kind} for {key}", self.seed);
        }
    }

    /// By the daemon's own journal nothing but the cancellation was said of what was off.
    fn heard_nothing_of_what_is_off(&self) {
        let outbox = self.bed.query(Subject::Outbox).into_iter();
        let outbox: BTreeMap<String, Value> =
            outbox.map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect();
        let mut off: BTreeSet<String> = BTreeSet::new();
        for entry in self.bed.query(Subject::History).into_iter().rev() {
            let outcomes = entry["outcomes"].as_array().cloned().unwrap_or_default();
            let sends = entry["cause"]["send"]["outbox"].as_str().and_then(|id| outbox.get(id));
            if let Some(row) = sends.filter(|_| outcomes.iter().any(|o| o["reason"] == "sending")) {
                for about in row["about"].as_array().into_iter().flatten() {
                    let key = about["appointment"].as_str().unwrap();
                    let is_wrong = off.contains(key) && row["kind"] != "canceled";
                    assert!(!is_wrong, "seed {}: {row} after {key} was off", self.seed);
                }
            }
            for outcome in &outcomes {
                let is_change = !["out_of_order", "nothing_changed", "sending"]
                    .iter()
                    .any(|reason| outcome["reason"] == *reason)
                    && outcome["reason"]["nothing_visible"].is_null();
                let Some(key) = outcome["appointment"].as_str().filter(|_| is_change) else {
                    continue;
                };
                match outcome["event"].as_str().unwrap_or_default() {
                    "CANCELED" => {
                        off.insert(key.to_owned());
                    }
                    "BOOKED" | "RESCHEDULED" | "CONFIRMED" => {
                        off.remove(key);
                    }
                    _ => {}
                }
            }
        }
    }
}
