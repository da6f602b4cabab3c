//! Watching, minute by minute.

use proptest::prelude::*;

use super::*;

fn start() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

fn after(minutes: i64) -> Timestamp {
    start() + TimeDelta::minutes(minutes)
}

fn seen(status: SeenStatus) -> Seen {
    Seen { status, ..Seen::default() }
}

/// One that was created at the start, and seen active a minute later.
fn active() -> Held {
    let mut held = Held::default();
    held.tried(Step::Create, start());
    held.id = Some("5".to_owned());
    held.saw(&seen(SeenStatus::Active), after(1));
    held
}

fn requested() -> Held {
    let mut held = Held::default();
    held.tried(Step::Create, start());
    held.id = Some("5".to_owned());
    held
}

fn step(held: &Held, at: i64) -> Step {
    next_step(held, None, after(at), &WatchPolicy::default())
}

fn told(held: &Held, status: SeenStatus, at: i64) -> Step {
    next_step(held, Some(&seen(status)), after(at), &WatchPolicy::default())
}

fn look(at: i64) -> Step {
    Step::Nothing { look_again_at: after(at) }
}

#[test]
fn what_does_not_exist_is_created() {
    assert_eq!(step(&Held::default(), 0), Step::Create);
    let mut held = Held::default();
    held.tried(Step::Create, start());
    assert_eq!(step(&held, 0), look(1));
    assert_eq!(step(&held, 1), Step::Create);
    held.tried(Step::Create, after(1));
    assert_eq!(step(&held, 2), look(3), "each failure doubles the wait");
    held.failures = u32::MAX;
    assert_eq!(step(&held, 2), look(61));
}

#[test]
fn a_running_one_is_asked_after_a_while() {
    let held = active();
    assert_eq!(step(&held, 2), look(16));
    assert_eq!(step(&held, 16), Step::AskStatus);
    assert_eq!(told(&held, SeenStatus::Active, 16), look(31));
    assert_eq!(told(&held, SeenStatus::Unknown, 16), look(31));
}

#[test]
fn missed_heartbeats_make_it_ask_sooner() {
    let policy = WatchPolicy { heartbeat: Some(TimeDelta::minutes(2)), ..WatchPolicy::default() };
    let mut held = active();
    held.heard(after(3));
    let at = |held: &Held, minute| next_step(held, None, after(minute), &policy);
    assert_eq!(at(&held, 4), look(7));
    assert_eq!(at(&held, 7), Step::AskStatus);
    held.tried(Step::AskStatus, after(7));
    held.saw(&seen(SeenStatus::Active), after(7));
    assert_eq!(at(&held, 7), look(11), "it says that it is well, and is asked again");
    held.heard(after(8));
    assert_eq!(at(&held, 8), look(12));
}

#[test]
fn a_silent_server_is_not_flooded_with_questions() {
    let policy = WatchPolicy { heartbeat: Some(TimeDelta::seconds(1)), ..WatchPolicy::default() };
    let mut held = active();
    assert_eq!(next_step(&held, None, after(2), &policy), Step::AskStatus);
    held.tried(Step::AskStatus, after(2));
    assert_eq!(next_step(&held, None, after(2), &policy), look(3));
}

#[test]
fn a_stopped_one_is_activated_and_after_some_failures_made_anew() {
    for status in [SeenStatus::Error, SeenStatus::Off] {
        let mut held = active();
        let mut minute = 20;
        for _ in 0..3 {
            assert_eq!(told(&held, status, minute), Step::Reactivate);
            held.saw(&seen(status), after(minute));
            held.tried(Step::Reactivate, after(minute));
            minute += 60;
        }
        assert_eq!(told(&held, status, minute), Step::Recreate);
    }
    let never = WatchPolicy { reactivations_max: 0, ..WatchPolicy::default() };
    let stopped = seen(SeenStatus::Error);
    assert_eq!(next_step(&active(), Some(&stopped), after(9), &never), Step::Recreate);
}

#[test]
fn one_that_works_again_begins_to_count_anew() {
    let mut held = active();
    held.tried(Step::Reactivate, after(20));
    assert_eq!(held.failures, 1);
    held.heard(after(21));
    assert_eq!((held.status, held.failures), (SeenStatus::Active, 1));
    held.saw(&seen(SeenStatus::Active), after(22));
    assert_eq!(held.failures, 0);
}

#[test]
fn one_that_is_gone_is_made_anew() {
    let held = active();
    assert_eq!(
        next_step(&held, Some(&Seen::gone()), after(20), &WatchPolicy::default()),
        Step::Recreate
    );
    assert_eq!(told(&held, SeenStatus::EnteredInError, 20), Step::Recreate);
}

#[test]
fn one_that_does_not_become_active_is_asked_and_then_made_anew() {
    let held = requested();
    assert_eq!(step(&held, 1), look(15));
    assert_eq!(told(&held, SeenStatus::Requested, 10), look(15));
    assert_eq!(step(&held, 15), Step::AskStatus, "it may have become active without a word");
    assert_eq!(told(&held, SeenStatus::Active, 15), look(30));
    assert_eq!(told(&held, SeenStatus::Requested, 15), Step::Recreate);
    let mut unanswered = held;
    unanswered.tried(Step::AskStatus, after(15));
    assert_eq!(step(&unanswered, 15), look(16), "no answer is no reason");
    assert_eq!(step(&unanswered, 16), Step::AskStatus);
}

#[test]
fn a_handshake_shows_that_it_runs() {
    let mut held = requested();
    held.heard(after(1));
    assert_eq!(held.status, SeenStatus::Active);
    assert_eq!(step(&held, 15), Step::AskStatus);
}

#[test]
fn waiting_begins_when_it_is_first_seen_to_wait() {
    let mut found = Held { id: Some("5".to_owned()), ..Held::default() };
    assert_eq!(step(&found, 0), Step::AskStatus);
    found.saw(&seen(SeenStatus::Requested), after(0));
    assert_eq!(found.requested_at, Some(start()));
    assert_eq!(step(&found, 1), look(15));
    let mut fallen_back = active();
    fallen_back.saw(&seen(SeenStatus::Requested), after(100));
    assert_eq!(step(&fallen_back, 100), look(115));
}

#[test]
fn it_is_renewed_before_its_end() {
    let day = 24 * 60;
    let mut held = active();
    held.end = Some(after(3 * day));
    assert_eq!(told(&held, SeenStatus::Active, 10), look(25));
    let renewed = Step::Renew { end: after(31 * day) };
    assert_eq!(told(&held, SeenStatus::Active, day), renewed);
    held.tried(renewed, after(day));
    assert_eq!(held.end, Some(after(31 * day)));
    assert_eq!(told(&held, SeenStatus::Active, day + 1), look(day + 16));
    let ignored = Seen { end: Some(after(3 * day)), ..seen(SeenStatus::Active) };
    let policy = WatchPolicy::default();
    assert_eq!(next_step(&held, Some(&ignored), after(day), &policy), look(day + 1));
}

#[test]
fn one_that_has_ended_is_made_anew() {
    for status in [SeenStatus::Active, SeenStatus::Off, SeenStatus::Error] {
        let ended = Seen { end: Some(after(19)), ..seen(status) };
        let step = next_step(&active(), Some(&ended), after(20), &WatchPolicy::default());
        assert_eq!(step, Step::Recreate, "{status:?}");
    }
    let mut held = active();
    held.end = Some(after(19));
    held.tried(Step::Recreate, after(20));
    assert_eq!(held.end, None);
}

#[test]
fn a_short_life_is_not_renewed_all_the_time() {
    let policy = WatchPolicy {
        lifetime: TimeDelta::hours(1),
        renew_before: TimeDelta::days(2),
        ..WatchPolicy::default()
    };
    let mut held = active();
    held.end = Some(after(60));
    assert_eq!(next_step(&held, None, after(10), &policy), look(16));
    let renewed = Step::Renew { end: after(90) };
    held.saw(&seen(SeenStatus::Active), after(29));
    assert_eq!(next_step(&held, None, after(30), &policy), renewed);
    held.tried(renewed, after(30));
    assert_eq!(next_step(&held, None, after(31), &policy), look(44));
}

#[test]
fn a_clock_that_went_back_does_not_silence_the_watch() {
    let mut held = active();
    held.saw(&seen(SeenStatus::Active), after(100_000));
    held.heard_at = Some(after(100_000));
    assert_eq!(step(&held, 5), look(20));
}

fn statuses() -> impl Strategy<Value = SeenStatus> {
    proptest::sample::select(vec![
        SeenStatus::Requested,
        SeenStatus::Active,
        SeenStatus::Error,
        SeenStatus::Off,
        SeenStatus::EnteredInError,
        SeenStatus::Gone,
        SeenStatus::Unknown,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn watching_never_spins_and_never_sleeps_for_long(
        answers in proptest::collection::vec(proptest::option::of(statuses()), 40),
        ends in proptest::collection::vec(-100_i64..100_000, 40),
        heartbeat in proptest::option::of(1_i64..10_000),
    ) {
        let policy = WatchPolicy {
            heartbeat: heartbeat.map(TimeDelta::seconds),
            ..WatchPolicy::default()
        };
        let mut held = Held::default();
        let mut now = start();
        let mut acts_in_a_row = 0;
        for (answer, end) in answers.iter().zip(&ends) {
            let step = next_step(&held, None, now, &policy);
            held.tried(step, now);
            match step {
                Step::Nothing { look_again_at } => {
                    prop_assert!(look_again_at > now && look_again_at - now <= TimeDelta::hours(1));
                    now = look_again_at;
                    acts_in_a_row = 0;
                }
                Step::Create | Step::Recreate => held.id = answer.map(|_| "5".to_owned()),
                Step::AskStatus => {
                    if let Some(status) = *answer {
                        let end = Some(now + TimeDelta::minutes(*end));
                        held.saw(&Seen { status, end, ..Seen::default() }, now);
                    }
                }
                Step::Reactivate => prop_assert!(held.id.is_some()),
                Step::Renew { end } => prop_assert!(end > now),
            }
            acts_in_a_row += 1;
            prop_assert!(acts_in_a_row <= 3, "{held:?}");
        }
    }

    #[test]
    fn no_time_is_too_early_or_too_late(at in any::<i64>(), noted in any::<i64>(), status in statuses()) {
        let moment = |seconds: i64| chrono::DateTime::from_timestamp(seconds / 1_000_000, 0);
        let (Some(now), Some(noted)) = (moment(at), moment(noted)) else { return Ok(()) };
        let mut held = Held { end: Some(noted), heard_at: Some(noted), ..active() };
        held.saw(&seen(status), noted);
        for now in [now, Timestamp::MAX_UTC, Timestamp::MIN_UTC] {
            let policy = WatchPolicy { heartbeat: Some(TimeDelta::MAX), ..WatchPolicy::default() };
            let _step = next_step(&held, Some(&seen(status)), now, &policy);
            let _step = next_step(&held, None, now, &WatchPolicy::default());
        }
    }
}
