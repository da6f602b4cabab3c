//! What a notification comes to: looks at what it names, searches for what is missing.

#![expect(clippy::panic, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use appointd::clock::Timestamp;
use appointd::core::decide;
use appointd::core::effect::{Effect, Hinted, ReadAt};
use appointd::core::event::Event;
use appointd::core::feed::{
    Feed, FeedReport, Notified, Numbered, Subscription, SubscriptionStatus,
};
use appointd::core::ids::SourceName;
use appointd::core::rules::{EventNumbers, Rules, ServerRules};
use appointd::core::scene::{Decision, Scene};
use chrono::TimeDelta;
use support::{TUESDAY, World, rules, utc};

fn server() -> SourceName {
    SourceName::new("fhir")
}

fn scene() -> Scene {
    World::new().scene
}

fn now() -> Timestamp {
    utc(TUESDAY)
}

fn with_numbers(event_numbers: EventNumbers) -> Rules {
    let mut rules = rules();
    rules.servers.insert(server(), ServerRules { event_numbers });
    rules
}

fn notified(ids: &[&str], numbers: &[(u64, i64)]) -> Notified {
    let number = |(number, second): &(u64, i64)| Numbered {
        number: *number,
        at: Some(now() + TimeDelta::seconds(*second)),
    };
    Notified {
        server: server(),
        is_handshake: false,
        status: None,
        hints: ids.iter().map(|id| Hinted::Appointment((*id).to_owned())).collect(),
        is_vague: false,
        numbers: numbers.iter().map(number).collect(),
    }
}

/// Hears a notification in a scene, which then holds what was decided.
fn hear(scene: &mut Scene, rules: &Rules, notified: Notified) -> Decision {
    let event = Event::Notified(Box::new(notified));
    let decision = decide(None, &event, scene, rules, now());
    keep(scene, &decision);
    decision
}

fn report(scene: &mut Scene, report: FeedReport) -> Feed {
    let event = Event::FeedReported { server: server(), report };
    let decision = decide(None, &event, scene, &rules(), now());
    keep(scene, &decision);
    scene.feed(&server())
}

fn keep(scene: &mut Scene, decision: &Decision) {
    for feed in &decision.feeds {
        scene.feeds.insert(feed.server.clone(), feed.clone());
    }
}

fn reads(decision: &Decision) -> Vec<&ReadAt> {
    fn read(effect: &Effect) -> &ReadAt {
        if let Effect::ReadFhir(read) = effect {
            return read;
        }
        panic!("no look at a server: {effect:?}")
    }
    decision.effects.iter().map(|planned| read(&planned.effect)).collect()
}

#[test]
fn each_thing_is_looked_at_once_until_the_look_has_begun() {
    let (mut scene, rules) = (scene(), with_numbers(EventNumbers::Ignore));
    let decision = hear(&mut scene, &rules, notified(&["a1", "a2", "a1"], &[]));
    assert_eq!(reads(&decision).len(), 2);
    scene.planned.extend(reads(&decision).into_iter().cloned());
    assert!(hear(&mut scene, &rules, notified(&["a1"], &[])).effects.is_empty());
    scene.planned.clear();
    assert_eq!(hear(&mut scene, &rules, notified(&["a1"], &[])).effects.len(), 1);
}

#[test]
fn a_missing_number_asks_for_a_search_once_it_cannot_be_only_late() {
    let (mut scene, rules) = (scene(), with_numbers(EventNumbers::Monotonic));
    hear(&mut scene, &rules, notified(&["a1"], &[(21, 1)]));
    assert_eq!(scene.feed(&server()).wanted, None, "the first number says nothing");
    hear(&mut scene, &rules, notified(&["a1"], &[(23, 3)]));
    let wanted = scene.feed(&server()).wanted;
    assert_eq!(wanted.map(|wanted| wanted.due), Some(now() + TimeDelta::seconds(10)));
    assert_eq!(wanted.map(|wanted| wanted.everything), Some(false));
}

#[test]
fn repeated_and_overtaken_events_are_no_gap() {
    let (mut scene, rules) = (scene(), with_numbers(EventNumbers::Monotonic));
    for numbers in [&[(1, 1), (2, 2), (3, 3)], &[(2, 2), (3, 3), (4, 4)]] {
        hear(&mut scene, &rules, notified(&["a1"], numbers));
    }
    let feed = scene.feed(&server());
    assert_eq!(feed.wanted, None);
    assert_eq!(feed.last_event.map(|event| event.number), Some(4));
}

#[test]
fn numbers_that_begin_anew_ask_for_a_search_at_once() {
    let (mut scene, rules) = (scene(), with_numbers(EventNumbers::Monotonic));
    hear(&mut scene, &rules, notified(&["a1"], &[(40, 1)]));
    hear(&mut scene, &rules, notified(&["a1"], &[(1, 60)]));
    let feed = scene.feed(&server());
    assert_eq!(feed.wanted.map(|wanted| wanted.due), Some(now()));
    assert_eq!(feed.last_event.map(|event| event.number), Some(1));
}

#[test]
fn numbers_that_mean_nothing_are_not_counted() {
    for kind in [EventNumbers::PerBundle, EventNumbers::Ignore] {
        let (mut scene, rules) = (scene(), with_numbers(kind));
        hear(&mut scene, &rules, notified(&["a1"], &[(1, 1)]));
        hear(&mut scene, &rules, notified(&["a1"], &[(9, 2)]));
        assert_eq!(scene.feed(&server()).wanted, None);
    }
}

#[test]
fn a_notification_that_names_nothing_asks_for_a_search() {
    let (mut scene, rules) = (scene(), with_numbers(EventNumbers::Ignore));
    hear(&mut scene, &rules, Notified { is_vague: true, ..notified(&[], &[]) });
    assert_eq!(scene.feed(&server()).wanted.map(|wanted| wanted.due), Some(now()));
}

fn searched(began: Timestamp, cursor: i64, everything: bool) -> FeedReport {
    let cursor = Some(now() + TimeDelta::minutes(cursor));
    FeedReport::Searched { began, cursor, everything }
}

#[test]
fn a_search_answers_what_was_asked_before_it_began() {
    let mut scene = scene();
    report(&mut scene, FeedReport::Resync);
    let early = now() - TimeDelta::seconds(1);
    assert!(report(&mut scene, searched(early, 1, true)).wanted.is_some());
    assert!(report(&mut scene, searched(now(), 1, false)).wanted.is_some(), "not of everything");
    let feed = report(&mut scene, searched(now(), 1, true));
    assert!(feed.wanted.is_none() && feed.is_imported);
}

#[test]
fn the_cursor_does_not_go_back_unless_everything_is_read_again() {
    let mut scene = scene();
    let at = |minutes| Some(now() + TimeDelta::minutes(minutes));
    assert_eq!(report(&mut scene, searched(now(), 10, false)).cursor, at(10));
    assert_eq!(report(&mut scene, searched(now(), 5, false)).cursor, at(10));
    assert_eq!(report(&mut scene, searched(now(), 5, true)).cursor, at(5));
}

#[test]
fn another_subscription_counts_anew_and_what_lay_between_is_searched() {
    let (mut scene, rules) = (scene(), with_numbers(EventNumbers::Monotonic));
    hear(&mut scene, &rules, notified(&["a1"], &[(7, 1)]));
    let subscription = Subscription {
        id: Some("s1".to_owned()),
        status: SubscriptionStatus::Requested,
        ..Subscription::default()
    };
    let feed = report(&mut scene, FeedReport::Subscription(subscription.clone()));
    assert!(feed.last_event.is_none() && feed.wanted.is_some());
    report(&mut scene, searched(now(), 0, false));
    let same = report(&mut scene, FeedReport::Subscription(subscription));
    assert_eq!(same.wanted, None, "the same one leaves no gap");
    let handshake = Notified {
        is_handshake: true,
        status: Some(SubscriptionStatus::Active),
        ..notified(&[], &[])
    };
    hear(&mut scene, &rules, handshake);
    let status = scene.feed(&server()).subscription.map(|known| known.status);
    assert_eq!(status, Some(SubscriptionStatus::Active));
}
