//! When a request may go: after failures, after the server's own wish, after refusals, and in time.

use super::super::samples::start;
use super::*;

fn seconds(count: i64) -> TimeDelta {
    TimeDelta::seconds(count)
}

/// Sends one request that comes to this.
fn send(gate: &mut Gate, seen: Seen, now: Timestamp) {
    let leave = gate.admit(now).unwrap();
    gate.note(leave, seen, now);
}

fn broken() -> Gate {
    let mut gate = Gate::default();
    for _ in 0..3 {
        send(&mut gate, Seen::Failed("timeout"), start());
    }
    gate
}

#[test]
fn three_failures_in_a_row_pause_and_one_probe_ends_it() {
    let mut gate = Gate::default();
    for seen in [Seen::Failed("a"), Seen::Failed("a"), Seen::Answered, Seen::Failed("a")] {
        send(&mut gate, seen, start());
        assert_eq!(gate.state(start()), State::Up);
    }
    let mut gate = broken();
    let until = start() + seconds(5);
    assert_eq!(gate.state(start()), State::Paused { until, why: "timeout" });
    assert_eq!(gate.admit(until - seconds(1)), Err(Hold::Paused(until)));
    let probe = gate.admit(until).unwrap();
    assert!(matches!(gate.admit(until), Err(Hold::Paused(_))), "one finds out");
    assert!(matches!(gate.state(until), State::Paused { .. }), "nothing is shown yet");
    gate.note(probe, Seen::Answered, until);
    assert_eq!(gate.state(until), State::Up);
    assert!(gate.admit(until).is_ok() && gate.admit(until).is_ok());
}

#[test]
fn a_failed_probe_pauses_longer_and_a_lost_one_as_long() {
    let mut gate = broken();
    let at = start() + seconds(5);
    let probe = gate.admit(at).unwrap();
    gate.note(probe, Seen::Failed("connect"), at);
    assert_eq!(gate.state(at), State::Paused { until: at + seconds(10), why: "connect" });
    let at = at + seconds(10);
    gate.admit(at).unwrap();
    assert_eq!(gate.admit(at + seconds(9)), Err(Hold::Paused(at + seconds(10))));
    assert!(gate.admit(at + seconds(10)).is_ok());
}

#[test]
fn many_requests_that_fail_at_once_are_one_failure() {
    let mut gate = Gate::default();
    let leaves: Vec<Leave> = (0..20).map(|_| gate.admit(start()).unwrap()).collect();
    for leave in leaves {
        gate.note(leave, Seen::Failed("timeout"), start());
    }
    assert_eq!(gate.hold(start()), Some(Hold::Paused(start() + seconds(5))));
    let mut gate = Gate::default();
    let leaves: Vec<Leave> = (0..20).map(|_| gate.admit(start()).unwrap()).collect();
    for leave in leaves {
        gate.note(leave, Seen::Busy("http_429", None), start());
    }
    assert_eq!(gate.hold(start()), Some(Hold::Paused(start() + seconds(5))));
}

#[test]
fn a_server_is_left_alone_as_long_as_it_asks() {
    let mut gate = Gate::default();
    let slow = gate.admit(start()).unwrap();
    send(&mut gate, Seen::Busy("http_429", Some(RetryAfter::For(seconds(120)))), start());
    let until = start() + seconds(120);
    assert_eq!(gate.state(start()), State::Paused { until, why: "http_429" });
    gate.note(slow, Seen::Answered, start());
    assert_eq!(gate.hold(start()), Some(Hold::Paused(until)), "an older answer ends no wish");
    assert_eq!(gate.state(until), State::Up);
    // Without a time it is asked less and less.
    for pause in [10, 20] {
        let now = until + seconds(pause * 10);
        send(&mut gate, Seen::Busy("http_429", None), now);
        assert_eq!(gate.hold(now), Some(Hold::Paused(now + seconds(pause))));
    }
    let now = until + seconds(1_000);
    send(&mut gate, Seen::Answered, now);
    send(&mut gate, Seen::Busy("http_429", None), now);
    assert_eq!(gate.hold(now), Some(Hold::Paused(now + seconds(5))));
}

#[test]
fn refusals_in_a_row_are_not_provoked_further() {
    let mut gate = Gate::default();
    send(&mut gate, Seen::Denied("http_401"), start());
    assert_eq!(gate.state(start()), State::Refused("http_401"));
    send(&mut gate, Seen::Denied("http_401"), start());
    send(&mut gate, Seen::Denied("http_401"), start());
    let until = start() + seconds(5);
    assert_eq!(gate.admit(start()), Err(Hold::Refused("http_401", until)));
    send(&mut gate, Seen::Answered, until);
    assert_eq!(gate.state(until), State::Up);
}

#[test]
fn a_refusal_shows_that_the_server_is_there() {
    let mut gate = broken();
    let at = start() + seconds(5);
    send(&mut gate, Seen::Denied("http_401"), at);
    assert_eq!(gate.state(at), State::Refused("http_401"));
    assert!(gate.admit(at).is_ok());
}

#[test]
fn a_wish_is_read_as_seconds_or_date_and_bounded() {
    let parse = |text| RetryAfter::parse(Some(text), None).map(|wish| wish.bounded(start()));
    assert_eq!(parse("120"), Some(seconds(120)));
    assert_eq!(parse(" 7 "), Some(seconds(7)));
    assert_eq!(parse("0"), Some(RETRY_AFTER_MIN));
    for long in ["86400", "99999999999999999999999999"] {
        assert_eq!(parse(long), Some(RETRY_AFTER_MAX), "{long}");
    }
    assert_eq!(parse("Mon, 30 Nov 2026 18:01:30 GMT"), Some(seconds(90)));
    assert_eq!(parse("Mon, 30 Nov 2026 17:00:00 GMT"), Some(RETRY_AFTER_MIN));
    for bad in ["", "soon", "-5", "1.5", "2026-11-30T18:01:30Z", "Mon, 30 Feb 2026 18:00:00 GMT"] {
        assert_eq!(parse(bad), None, "{bad}");
    }
    assert_eq!(RetryAfter::parse(None, None), None);
}

#[test]
fn a_date_is_a_distance_by_the_servers_own_clock() {
    let (asked, sent) = ("Tue, 01 Dec 2026 03:00:45 GMT", "Tue, 01 Dec 2026 03:00:00 GMT");
    let wish = RetryAfter::parse(Some(asked), Some(sent)).unwrap();
    assert_eq!(wish.bounded(start()), seconds(45));
}

#[test]
fn requests_begin_evenly_spread() {
    let millis = Duration::from_millis;
    let pace = Pace::new(NonZeroU32::new(4));
    // All ask at once, then one by one.
    for turn in 0..9 {
        assert_eq!(pace.take_turn(millis(0)), millis(turn * 250));
    }
    assert_eq!(pace.take_turn(millis(2_200)), millis(50));
    // After a silence one is free, and no more.
    assert_eq!(pace.take_turn(millis(60_000)), millis(0));
    assert_eq!(pace.take_turn(millis(60_000)), millis(250));
    let free = Pace::new(None);
    assert!((0..1_000).all(|_| free.take_turn(millis(7)).is_zero()));
    let wild = Pace::new(NonZeroU32::new(u32::MAX));
    assert!((0..1_000).all(|_| wild.take_turn(millis(7)).is_zero()));
}
