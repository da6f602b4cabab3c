//! Counting, forgetting, and the rows of gates.

use super::*;

fn now() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

fn gate() -> Gate {
    Gate::new(SourceName::new("ehr"))
}

#[test]
fn a_gate_forgets_what_is_older_than_the_longest_time() {
    let mut gate = gate();
    for minute in 0..500 {
        gate.count(1, 2, now() + TimeDelta::minutes(minute));
    }
    let later = now() + TimeDelta::minutes(499);
    assert!(gate.minutes.len() <= 61, "{}", gate.minutes.len());
    assert_eq!(gate.counted(TimeDelta::minutes(10), later), (10, 20));
    assert_eq!(gate.counted(WITHIN_MAX, later), (60, 120));
    assert_eq!(gate.counted(WITHIN_MAX, later + TimeDelta::hours(2)), (0, 0));
}

#[test]
fn a_clock_that_is_set_back_counts_what_follows() {
    let mut gate = gate();
    gate.count(5, 0, now());
    gate.count(1, 0, now() - TimeDelta::days(1));
    assert_eq!(gate.counted(TimeDelta::minutes(10), now() - TimeDelta::days(1)), (1, 0));
    assert_eq!(gate.minutes.len(), 1);
}

#[test]
fn counts_do_not_wrap() {
    let mut gate = gate();
    gate.count(u32::MAX, u32::MAX, now());
    gate.count(u32::MAX, 1, now());
    gate.count(7, 7, now() + TimeDelta::minutes(1));
    assert_eq!(gate.counted(WITHIN_MAX, now() + TimeDelta::minutes(1)), (u32::MAX, u32::MAX));
}

#[test]
fn the_source_of_an_appointment_stands_before_the_first_mark_of_its_key() {
    for key in ["ehr/17", "ehr:placer/17", "ehr#2/1:7", "ehr~MRN%7E2000/17", "ehr#2~M/1/7"] {
        assert_eq!(source_of(&AppointmentKey::new(key)).as_str(), "ehr", "{key}");
    }
}

#[test]
fn old_rows_of_gates_are_read() {
    let row: Gate = serde_json::from_str(r#"{"source":"ehr"}"#).unwrap();
    assert_eq!(row, gate());
}
