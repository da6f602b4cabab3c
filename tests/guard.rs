//! The flood guard: what is counted, what a closed gate holds back, and what an operator's word does.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, RwLock};

use appointd::clock::Clock;
use appointd::core::claim::Claim;
use appointd::core::delivery::Report;
use appointd::core::effect::Effect;
use appointd::core::event::Event;
use appointd::core::field::Field;
use appointd::core::gate::{Gate, Guard, Limit, MOVED_MAX, Word};
use appointd::core::ids::{OutboxId, SourceName};
use appointd::core::reason::Reason;
use appointd::core::rules::Rules;
use appointd::engine::rows::Lane;
use appointd::engine::view::{Filter, Subject, View};
use appointd::engine::{Answer, Engine, Handle, Reading, Received, Sameness};
use appointd::store::{Embedded, Memory, Options, Store};
use serde_json::Value;
use support::{
    JANE, NEXT_TUESDAY, TUESDAY, World, booked, canceled, hours, minutes, phone, rules, utc, with,
};
use tokio_util::sync::CancellationToken;

fn ehr() -> SourceName {
    SourceName::new("ehr")
}

fn guarded(texts: u32) -> Rules {
    let limit = Some(Limit { texts, within: minutes(10) });
    Rules { guard: Guard { limit, ..Guard::default() }, ..rules() }
}

/// A booking of a patient of its own.
fn of_another(id: usize, make: fn(&str, &str) -> Claim) -> Claim {
    with(make(&id.to_string(), NEXT_TUESDAY), |claim| {
        claim.patient.id = Field::Value(format!("MRN{id}"));
        claim.patient.phone = Field::Value(phone(&format!("+1415555{id:04}")));
    })
}

/// Bookings of others, before the sender does anything.
fn hear(world: &mut World, ids: Range<usize>) {
    for id in ids {
        world.hear(of_another(id, booked));
    }
}

/// Jane's phone, with bookings of so many others heard before the sender did anything.
fn flooded(limit: u32, bookings: usize) -> World {
    let mut world = World::with_rules(guarded(limit));
    hear(&mut world, 0..bookings);
    world
}

fn gate(world: &World) -> &Gate {
    &world.scene.gates[&ehr()]
}

fn held(world: &World) -> Vec<OutboxId> {
    let rows = world.scene.outbox.values();
    rows.filter(|row| row.state.name() == "held").map(|row| row.id.clone()).collect()
}

fn say(world: &mut World, word: Word) -> Vec<Reason> {
    let reasons = world.turn(None, &Event::GateOpened { source: ehr(), word });
    let ids = held(world);
    world.turn(None, &Event::HeldMoved { source: ehr(), word, ids });
    world.settle();
    reasons
}

// ---------------------------------------------------------------------------------- decisions

#[test]
fn up_to_the_limit_every_text_leaves() {
    let mut world = flooded(10, 10);
    world.settle();
    assert_eq!(world.sent.len(), 10);
    assert!(world.tasks.is_empty() && gate(&world).closed.is_none());
}

#[test]
fn above_the_limit_what_has_not_left_yet_is_held_and_one_task_tells_of_it() {
    let mut world = flooded(10, 50);
    world.settle();
    assert!(world.sent.is_empty(), "none had left when the gate closed");
    assert_eq!(gate(&world).held, 50);
    let kinds: Vec<_> = world.tasks.iter().map(|task| task.kind.name()).collect();
    assert_eq!(kinds, ["flood"]);
    assert!(!world.tasks[0].note.expose().contains("555"));
}

#[test]
fn the_same_number_over_a_longer_time_is_no_flood() {
    let mut world = World::with_rules(guarded(10));
    for id in 0..50 {
        world.tell(of_another(id, booked));
        world.pass(minutes(2));
    }
    assert_eq!((world.sent.len(), world.tasks.len()), (50, 0));
}

#[test]
fn an_archive_of_past_visits_closes_the_gate() {
    let mut world = World::with_rules(guarded(10));
    for id in 0..20 {
        world.tell(booked(&id.to_string(), "2026-11-01T10:00:00"));
    }
    assert!(gate(&world).closed.is_some() && world.sent.is_empty());
    world.tell(of_another(100, booked));
    assert_eq!((world.sent.len(), held(&world).len()), (0, 1));
}

#[test]
fn what_is_read_in_silence_does_not_count() {
    let mut world = World::with_rules(guarded(10));
    for id in 0..50 {
        world.tell(with(of_another(id, booked), |c| c.quiet = Some("first import".to_owned())));
        world.tell(with(booked(&format!("P{id}"), "2026-11-01T10:00:00"), |c| {
            c.quiet = Some("first import".to_owned());
        }));
    }
    assert!(world.scene.gates.is_empty() && world.tasks.is_empty());
}

#[test]
fn a_source_without_limit_is_not_counted() {
    let mut world = World::with_rules(guarded(10));
    world.rules.guard.sources.insert(ehr(), None);
    for id in 0..50 {
        world.tell(of_another(id, booked));
    }
    assert_eq!(world.sent.len(), 50);
    assert!(world.scene.gates.is_empty());
}

#[test]
fn reminders_answers_and_wishes_pass_a_closed_gate() {
    let mut world = World::with_rules(guarded(10));
    world.tell(booked("J1", NEXT_TUESDAY));
    assert_eq!(world.kinds(), ["booked"]);
    hear(&mut world, 0..20);
    world.settle();
    assert!(gate(&world).closed.is_some());
    world.reply(JANE, "C");
    assert_eq!((world.last().kind.name(), world.written.len()), ("confirm_noted", 1));
    world.sent.clear();
    world.pass(hours(24 * 6 + 1));
    let reminders = world.kinds().iter().filter(|kind| **kind == "reminder").count();
    assert!(reminders >= 21, "{:?}", world.kinds());
    assert!(world.kinds().iter().all(|kind| *kind == "reminder"), "{:?}", world.kinds());
}

#[test]
fn released_texts_leave_once_and_only_what_is_still_so() {
    let mut world = flooded(10, 50);
    world.settle();
    // One is called off, one moves, one phone opts out, while they are held.
    world.tell(of_another(1, canceled));
    world.tell(with(of_another(2, booked), |c| {
        c.appointment.start = Field::Value(support::local("2026-12-09T09:00:00"));
    }));
    world.reply("+14155550003", "STOP");
    assert!(world.sent.iter().all(|sent| !matches!(sent.kind.name(), "booked" | "canceled")));
    world.sent.clear();

    assert_eq!(say(&mut world, Word::Release), [Reason::Released]);
    let texted: BTreeSet<_> = world.sent.iter().map(|sent| sent.to.clone()).collect();
    assert_eq!((world.sent.len(), texted.len()), (48, 48), "each once");
    for never in ["+14155550001", "+14155550003"] {
        assert!(!texted.contains(&phone(never)), "{never}");
    }
    let gate = gate(&world);
    assert!(gate.closed.is_none() && gate.held == 0 && held(&world).is_empty());
    assert_eq!(say(&mut world, Word::Release), [Reason::NothingChanged]);
    assert_eq!(world.sent.len(), 48);
}

#[test]
fn discarded_texts_never_leave_and_what_comes_later_does() {
    let mut world = flooded(10, 50);
    world.settle();
    say(&mut world, Word::Discard);
    world.pass(hours(1));
    assert!(world.sent.is_empty() && held(&world).is_empty() && gate(&world).held == 0);
    world.tell(of_another(7, canceled));
    world.pass(minutes(3));
    assert_eq!(world.kinds(), ["canceled"], "the patient may know of it from elsewhere");
    world.tell(of_another(99, booked));
    assert_eq!(world.kinds(), ["canceled", "booked"]);
}

#[test]
fn discarding_a_flood_takes_also_what_waits_for_the_morning() {
    let mut world = World::with_rules(guarded(10));
    // 23:00 in New York.
    world.now = utc("2026-12-02T04:00:00Z");
    for id in 0..5 {
        world.tell(of_another(id, booked));
    }
    hear(&mut world, 5..30);
    world.settle();
    assert_eq!(world.waiting().len(), 5, "postponed before the gate closed");
    say(&mut world, Word::Discard);
    world.pass(hours(12));
    assert!(world.sent.is_empty(), "{:?}", world.kinds());
}

#[test]
fn what_an_operator_has_released_is_not_held_by_the_next_flood() {
    let mut world = flooded(10, 20);
    world.settle();
    world.turn(None, &Event::GateOpened { source: ehr(), word: Word::Release });
    let ids = held(&world);
    world.turn(None, &Event::HeldMoved { source: ehr(), word: Word::Release, ids });
    world.pass(minutes(0));
    world.now += minutes(1);
    hear(&mut world, 100..120);
    world.settle();
    assert_eq!((world.sent.len(), gate(&world).held), (20, 20));
    assert_eq!(world.tasks.len(), 2, "each closing is told");
}

#[test]
fn discarding_a_flood_leaves_what_was_released_before_it() {
    let mut world = World::with_rules(guarded(10));
    // 23:00 in New York: what is released waits for the morning.
    world.now = utc("2026-12-02T04:00:00Z");
    hear(&mut world, 0..20);
    world.settle();
    say(&mut world, Word::Release);
    world.now += minutes(1);
    hear(&mut world, 100..120);
    world.settle();
    say(&mut world, Word::Discard);
    world.pass(hours(12));
    let texted: BTreeSet<_> = world.sent.iter().map(|sent| sent.to.clone()).collect();
    let released: BTreeSet<_> = (0..20).map(|id| phone(&format!("+1415555{id:04}"))).collect();
    assert_eq!(texted, released);
}

#[test]
fn a_gate_that_has_closed_again_keeps_what_it_holds() {
    let mut world = flooded(10, 20);
    world.settle();
    world.turn(None, &Event::GateOpened { source: ehr(), word: Word::Discard });
    world.now += minutes(1);
    hear(&mut world, 100..120);
    world.settle();
    let ids = held(&world);
    let reasons = world.turn(None, &Event::HeldMoved { source: ehr(), word: Word::Discard, ids });
    assert_eq!(reasons, [Reason::HeldBack]);
    assert_eq!(held(&world).len(), 40);
}

#[test]
fn words_on_what_is_not_held_change_nothing() {
    let mut world = flooded(10, 20);
    let source = SourceName::new("lab");
    let opened = Event::GateOpened { source: source.clone(), word: Word::Release };
    assert_eq!(world.turn(None, &opened), [Reason::Unknown]);
    world.settle();
    let ids = held(&world);
    let moved = Event::HeldMoved { source, word: Word::Discard, ids };
    assert_eq!(world.turn(None, &moved), [Reason::NothingChanged]);
    assert_eq!(held(&world).len(), 20);
}

#[test]
fn a_held_text_that_the_sender_asks_for_stays_held() {
    let mut world = flooded(10, 20);
    world.settle();
    let id = held(&world)[0].clone();
    assert_eq!(world.send(&id), [Reason::HeldBack]);
    assert_eq!((held(&world).len(), gate(&world).held), (20, 20));
    // The carrier's word of an earlier try, however late.
    world.report(&id, Report::Accepted { id: "SM1".to_owned() });
    assert_eq!((held(&world).len(), gate(&world).held), (19, 19));
}

// ---------------------------------------------------------------------------------- engine

struct House {
    clock: Clock,
    handle: Handle,
    view: View,
}

/// Runs an engine for as long as the test lasts.
async fn house<F: Future<Output = ()>>(store: Arc<dyn Store>, test: impl FnOnce(House) -> F) {
    let clock = Clock::manual(utc(TUESDAY));
    let rules = Arc::new(RwLock::new(Arc::new(guarded(50))));
    let (engine, handle) = Engine::new(Arc::clone(&store), rules, clock.clone()).unwrap();
    let test = test(House { clock, handle, view: View::new(store) });
    tokio::select! {
        ended = engine.run(CancellationToken::new()) => ended.unwrap(),
        () = test => {}
    }
}

fn message(control_id: &str, claim: Claim) -> Received {
    let claim = with(claim, |claim| claim.occurred_at = utc(TUESDAY));
    Received {
        source: ehr(),
        peer: "test".to_owned(),
        control_id: control_id.to_owned(),
        trigger: "SIU^S12".to_owned(),
        sender: "EHR|MAIN".to_owned(),
        mapping: "generic".to_owned(),
        mapping_hash: String::new(),
        detected: None,
        trace: String::new(),
        raw: control_id.as_bytes().to_vec(),
        reading: Reading::Claims(vec![claim]),
        replay_of: None,
        sameness: Sameness::Bytes,
    }
}

impl House {
    async fn tell(&self, control_id: &str, claim: Claim) {
        self.handle.submit(message(control_id, claim)).await;
    }

    /// Takes up what the engine gives, until it gives nothing more; whom it was for.
    async fn send_all(&self) -> Vec<String> {
        let mut sent = Vec::new();
        loop {
            let work = tokio::select! {
                biased;
                work = self.handle.claim(Lane::Sms, 8) => work.unwrap(),
                () = self.idle() => return sent,
            };
            for work in work {
                let Effect::SendSms(sms) = &work.row.effect else { continue };
                sent.push(sms.to.as_str().to_owned());
                let report = Report::Accepted { id: format!("SM{}", work.row.id) };
                self.handle
                    .act(Event::DeliveryReported { outbox: work.row.id.clone(), report })
                    .await;
            }
        }
    }

    /// Waits until nothing is due in the lane of texts.
    async fn idle(&self) {
        loop {
            // Each round lets the engine take one batch more.
            let unknown = OutboxId::new("none");
            self.handle.act(Event::SendDue { outbox: unknown }).await;
            let filter = Filter { status: Some("ready".to_owned()), limit: 1, ..Filter::default() };
            if self.view.query(Subject::Outbox, &filter).unwrap().is_empty() {
                return;
            }
        }
    }

    fn tasks(&self, status: Option<&str>) -> Vec<Value> {
        let status = status.map(str::to_owned);
        let filter = Filter { status, limit: 100, ..Filter::default() };
        self.view.query(Subject::Tasks, &filter).unwrap()
    }

    fn gate(&self) -> Gate {
        self.view.gate(&ehr()).unwrap().unwrap()
    }

    /// Says a word and carries it out, as an operator's command does.
    async fn say(&self, word: Word) {
        self.handle.act(Event::GateOpened { source: ehr(), word }).await;
        self.go_on(word).await;
    }

    async fn go_on(&self, word: Word) {
        loop {
            let ids = self.view.held(&ehr(), None, MOVED_MAX).unwrap();
            if ids.is_empty() {
                return;
            }
            self.handle.act(Event::HeldMoved { source: ehr(), word, ids }).await;
        }
    }
}

/// A thousand bookings in a minute, of which the first hundred are sent as they come.
async fn flood(house: &House) -> Vec<String> {
    let mut sent = Vec::new();
    for id in 0..1_000 {
        house.tell(&format!("M{id}"), of_another(id, booked)).await;
        if id % 10 == 9 && id < 100 {
            sent.extend(house.send_all().await);
        }
    }
    sent.extend(house.send_all().await);
    sent
}

#[tokio::test]
async fn of_a_thousand_bookings_the_first_leave_and_the_rest_wait_for_an_operator() {
    house(Arc::new(Memory::new()), |house| async move {
        let first = flood(&house).await;
        assert!((1..=50).contains(&first.len()), "{}", first.len());
        let held = u64::try_from(1_000 - first.len()).unwrap();
        assert_eq!(house.gate().held, held);
        assert_eq!(house.view.waiting().unwrap().tasks, 1);
        let tasks = house.tasks(None);
        assert_eq!((tasks.len(), &tasks[0]["kind"]), (1, &Value::from("flood")));

        for id in 900..910 {
            house.tell(&format!("X{id}"), of_another(id, canceled)).await;
        }
        house.say(Word::Release).await;
        let mut second = house.send_all().await;
        assert_eq!(second.len(), 1_000 - first.len() - 10);
        second.extend(first);
        let phones: BTreeSet<String> = second.iter().cloned().collect();
        assert_eq!(phones.len(), second.len(), "nobody is texted twice");
        assert!((900..910).all(|id| !phones.contains(&format!("+1415555{id:04}"))));

        assert!(house.tasks(None).is_empty());
        let done = house.tasks(Some("done"));
        assert_eq!((&done[0]["state"], &done[0]["by"]), (&"done".into(), &"release".into()));
        let audit = Filter { limit: 100, ..Filter::default() };
        let audit = house.view.query(Subject::Audit, &audit).unwrap();
        let opened = audit.last().unwrap()["cause"]["operator"]["action"].clone();
        assert_eq!(opened, format!("hold release ehr, {held} held"));
        let moved = audit.iter().filter(|row| row["outcomes"].as_array().unwrap().len() > 1);
        assert_eq!(moved.count(), usize::try_from(held).unwrap().div_ceil(MOVED_MAX));
    })
    .await;
}

#[tokio::test]
async fn after_a_restart_a_closed_gate_is_closed_and_a_word_half_carried_out_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let open =
        || -> Arc<dyn Store> { Arc::new(Embedded::open(Options::new(folder.path())).unwrap()) };
    house(open(), |house| async move {
        for id in 0..300 {
            house.tell(&format!("M{id}"), of_another(id, booked)).await;
        }
        assert!(house.send_all().await.is_empty());
    })
    .await;
    house(open(), |house| async move {
        assert!(house.gate().closed.is_some());
        house.tell("M900", of_another(900, booked)).await;
        assert!(house.send_all().await.is_empty());
        // The daemon dies between two turns of a discard.
        house.handle.act(Event::GateOpened { source: ehr(), word: Word::Discard }).await;
        let ids = house.view.held(&ehr(), None, MOVED_MAX).unwrap();
        house.handle.act(Event::HeldMoved { source: ehr(), word: Word::Discard, ids }).await;
    })
    .await;
    house(open(), |house| async move {
        assert_eq!(house.gate().held, 201);
        house.go_on(Word::Discard).await;
        assert_eq!(house.gate().held, 0);
        house.clock.advance(hours(1));
        assert!(house.send_all().await.is_empty());
        house.tell("M901", of_another(901, booked)).await;
        assert_eq!(house.send_all().await, ["+14155550901"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_moved_beside_a_turn_of_others_is_decided_once() {
    house(Arc::new(Memory::new()), |house| async move {
        for id in 0..60 {
            house.tell(&format!("M{id}"), of_another(id, booked)).await;
        }
        house.send_all().await;
        house.handle.act(Event::GateOpened { source: ehr(), word: Word::Release }).await;
        let ids = house.view.held(&ehr(), None, MOVED_MAX).unwrap();
        let event = || Event::HeldMoved { source: ehr(), word: Word::Release, ids: ids.clone() };
        let (first, second) = tokio::join!(house.handle.act(event()), house.handle.act(event()));
        let reason = |answer: Answer| match answer {
            Answer::Decided { outcomes, .. } => outcomes[0].because.clone(),
            Answer::NotStored(_) => Reason::Unknown,
        };
        assert_eq!(reason(first), Reason::Released);
        assert_eq!(reason(second), Reason::NothingChanged);
        assert_eq!(house.send_all().await.len(), 60);
    })
    .await;
}
