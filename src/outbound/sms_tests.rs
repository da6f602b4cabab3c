//! Which message at the provider is a row's, and what each class is a failure of.

use serde_json::{Value, json};

use super::*;
use crate::core::delivery::Tries;
use crate::core::effect::TextKind;
use crate::sms::answer;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn row() -> Outgoing {
    let to = PhoneNumber::parse_e164("+14155550123").unwrap();
    let body = Some(Phi::new("See you at 9".to_owned()));
    let sms =
        Sms { to, kind: TextKind::Reminder, about: vec![], language: None, body, outreach: None };
    Outgoing {
        id: OutboxId::new("1-1-0"),
        effect: Effect::SendSms(sms),
        state: State::InDoubt,
        due: at("2026-12-01T18:01:00Z"),
        not_after: at("2026-12-02T18:00:00Z"),
        attempts: 1,
        created_at: at("2026-11-29T18:00:00Z"),
        provider_id: None,
        error: None,
        tries: Tries { claimed_at: Some(at("2026-12-01T18:00:00Z")), ..Tries::default() },
    }
}

fn is_ours(changes: &[(&str, Value)]) -> bool {
    let mut message = json!({
        "sid": "SM0123456789abcdef0123456789abcdef", "direction": "outbound-api", "from": null,
        "body": "See you at 9", "num_segments": "1",
        "date_created": "Tue, 01 Dec 2026 18:00:05 +0000",
    });
    for (name, value) in changes {
        message[*name] = value.clone();
    }
    let message = answer::message(message.to_string().as_bytes()).unwrap();
    let row = row();
    let Effect::SendSms(sms) = &row.effect else { return false };
    is_it(&message, &row, sms)
}

#[test]
fn a_message_is_ours_by_its_words_and_its_time() {
    assert!(is_ours(&[]));
    assert!(!is_ours(&[("body", "See you at 10".into())]));
    assert!(!is_ours(&[("direction", "inbound".into())]));
    // The clocks may differ a little; a text of the day before is another.
    assert!(is_ours(&[("date_created", "Tue, 01 Dec 2026 17:59:00 +0000".into())]));
    assert!(!is_ours(&[("date_created", "Mon, 30 Nov 2026 18:00:05 +0000".into())]));
    assert!(!is_ours(&[("date_created", "Tue, 01 Dec 2026 18:30:00 +0000".into())]));
    assert!(is_ours(&[("date_created", Value::Null)]));
}

#[test]
fn where_words_are_redacted_the_number_of_segments_has_to_do() {
    assert!(is_ours(&[("body", "".into())]));
    assert!(is_ours(&[("body", "".into()), ("num_segments", "0".into())]));
    assert!(!is_ours(&[("body", "".into()), ("num_segments", "3".into())]));
}

#[test]
fn only_what_is_known_to_pass_is_tried_again() {
    for class in Class::ALL {
        let again = !matches!(failure_of(class).next(), Next::GiveUp | Next::Drop);
        let expected = matches!(
            class,
            Class::TransientDelivery
                | Class::ThrottleNow
                | Class::ThrottleQueue
                | Class::DailyCap
                | Class::Config
                | Class::Policy
        );
        assert_eq!(again, expected, "{class:?}");
    }
}

#[test]
fn a_text_is_held_in_no_queue_longer_than_is_set_nor_than_it_is_of_use() {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let lasts = |now| valid_for(&row(), hours(4), at(now));
    assert_eq!(lasts("2026-12-01T18:00:00Z"), hours(4));
    assert_eq!(lasts("2026-12-02T16:00:00Z"), hours(2));
    assert_eq!(lasts("2026-12-02T19:00:00Z"), Duration::ZERO);
}
