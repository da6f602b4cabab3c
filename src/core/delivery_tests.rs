//! The life of a row, step by step.

use super::*;
use crate::core::appointment::{Notice, WishKind};
use crate::core::effect::{Sms, WriteBack};
use crate::core::ids::{AppointmentKey, DestinationName, Identifier, SourceName};
use crate::core::phone::{PhoneNumber, Region};

fn rules() -> DeliveryRules {
    DeliveryRules {
        retry_first: TimeDelta::seconds(10),
        retry_max: TimeDelta::minutes(10),
        write_back_for: TimeDelta::hours(24),
        reconcile_after: TimeDelta::seconds(60),
    }
}

fn now() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

fn outgoing(effect: Effect) -> Outgoing {
    let mut row = Outgoing {
        id: OutboxId::new("1-1-0"),
        effect,
        state: State::Ready,
        due: now(),
        not_after: now() + TimeDelta::days(1),
        attempts: 0,
        created_at: now(),
        provider_id: None,
        error: None,
        tries: Tries::default(),
    };
    row.claim(now(), &rules());
    row
}

fn text(kind: TextKind) -> Outgoing {
    let to = PhoneNumber::parse("+14155550123", Region::US).unwrap();
    outgoing(Effect::SendSms(Sms {
        to,
        kind,
        about: vec![],
        language: None,
        body: None,
        outreach: None,
    }))
}

fn write_back() -> Outgoing {
    let key = AppointmentKey::of(&SourceName::new("ehr"), &Identifier::new("1", "filler"));
    outgoing(Effect::SendHl7(WriteBack {
        destination: DestinationName::new("ehr"),
        appointment: key,
        wish: WishKind::Confirm,
        message: None,
        control_id: "X".to_owned(),
        told_start: None,
    }))
}

fn in_doubt() -> Report {
    Report::InDoubt { code: "timeout".to_owned() }
}

#[test]
fn a_text_in_doubt_is_never_blindly_repeated() {
    let mut row = text(TextKind::Notice(Notice::Canceled));
    row.apply(&in_doubt(), now(), &rules());
    assert_eq!(row.state, State::InDoubt);
    assert!(!row.is_orphaned(now()) && row.is_orphaned(now() + TimeDelta::minutes(1)));
}

#[test]
fn without_a_trace_a_notice_is_repeated_and_a_reminder_is_not() {
    let mut notice = text(TextKind::Notice(Notice::Canceled));
    let mut reminder = text(TextKind::Reminder);
    for row in [&mut notice, &mut reminder] {
        row.apply(&in_doubt(), now(), &rules());
        row.apply(&Report::NoTrace, now(), &rules());
    }
    assert_eq!((notice.state, reminder.state), (State::Ready, State::Failed));
}

#[test]
fn a_message_to_the_ehr_in_doubt_is_sent_again() {
    let mut row = write_back();
    row.apply(&in_doubt(), now(), &rules());
    assert_eq!(row.state, State::Ready);
}

#[test]
fn nothing_is_tried_after_its_time() {
    let mut row = write_back();
    let late = row.not_after - TimeDelta::seconds(1);
    let refused = Report::NotDone { failure: Failure::TryLater, code: "AR".to_owned() };
    row.apply(&refused, late, &rules());
    assert_eq!(row.state, State::Failed);
}

#[test]
fn delivered_is_not_undone_by_a_late_report() {
    let mut row = text(TextKind::Reminder);
    row.apply(&Report::Delivered { id: "SM1".to_owned() }, now(), &rules());
    row.apply(&Report::Accepted { id: "SM1".to_owned() }, now(), &rules());
    let lost = Report::Undelivered {
        id: "SM1".to_owned(),
        failure: Failure::TryLater,
        code: "30003".to_owned(),
    };
    row.apply(&lost, now(), &rules());
    assert_eq!(row.state, State::Delivered);
}

#[test]
fn pauses_double_up_to_the_longest() {
    let mut row = write_back();
    let busy = Report::NotDone { failure: Failure::TryLater, code: "AR".to_owned() };
    let mut pauses = Vec::new();
    for _ in 0..10 {
        row.apply(&busy, now(), &rules());
        pauses.push((row.due - now()).num_seconds());
        row.claim(now(), &rules());
    }
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
    assert!(pauses[0] >= 10 && pauses[9] <= 720, "{pauses:?}");
}

#[test]
fn a_text_that_is_taken_and_lost_again_and_again_is_given_up() {
    let mut row = text(TextKind::Reminder);
    for number in 1..LOST_MAX {
        let id = format!("SM{number}");
        let lost =
            Report::Undelivered { id, failure: Failure::SenderPaused, code: "30001".to_owned() };
        row.apply(&lost, now(), &rules());
        assert_eq!(row.state, State::Ready, "{number}");
        row.claim(now(), &rules());
    }
    let id = "SM0".to_owned();
    let last = Report::Undelivered { id, failure: Failure::SenderPaused, code: "30001".to_owned() };
    row.apply(&last, now(), &rules());
    assert_eq!(row.state, State::Failed);
}

#[test]
fn a_row_from_before_tries_were_told_apart_is_read() {
    let mut json = serde_json::to_value(text(TextKind::Reminder)).unwrap();
    json.as_object_mut().unwrap().remove("tries");
    let row: Outgoing = serde_json::from_value(json).unwrap();
    assert_eq!(row.tries, Tries::default());
}
