//! Every field of an event, right and wrong; and what callers hear.

use chrono::NaiveDateTime;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::core::local_time::Zone;

const FLOW: &str = "FW0123456789abcdef0123456789abcdef";
const SITE: Site<'static> = Site { flow_sid: FLOW, region: Region::US };

fn jane() -> PhoneNumber {
    PhoneNumber::parse_e164("+14155550123").unwrap()
}

/// An event with every field.
fn whole() -> Value {
    json!({
        "event_type": "BOOKED",
        "event_datetime_utc": "2026-11-20T17:03:11Z",
        "patient_id": "MRN1000",
        "patient_first_name": "Jane",
        "patient_last_name": "Doe",
        "patient_phone": "+14155550123",
        "provider_id": "1234",
        "provider_first_name": "Frances",
        "provider_last_name": "Diaz",
        "provider_callback_phone": "(510) 555-0100",
        "appointment_location": "12 Elm St, Suite 3",
        "appointment_id": "10001",
        "appointment_timezone": "-0700",
        "appointment_datetime": "2026-12-01T09:30:00.000Z",
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut event = whole();
    event[field] = value;
    event
}

fn without(field: &str) -> Value {
    let mut event = whole();
    event.as_object_mut().unwrap().remove(field);
    event
}

fn read(event: &Value) -> Result<AppointmentEvent, Vec<Fault>> {
    AppointmentEvent::read(event.as_object().unwrap(), &jane(), SITE)
}

#[test]
fn every_field_is_read() {
    let event = read(&whole()).unwrap();
    assert_eq!((event.event, event.appointment_id.as_str()), (EventType::Booked, "10001"));
    assert_eq!(
        event.occurred_at,
        "2026-11-20T17:03:11Z".parse::<crate::clock::Timestamp>().unwrap()
    );
    let nine: NaiveDateTime = "2026-12-01T09:30:00".parse().unwrap();
    assert_eq!((event.start, event.zone), (Some(nine), Zone::parse("-07:00").ok()));
    assert_eq!((event.patient_id.as_str(), event.phone.clone()), ("MRN1000", jane()));
    assert_eq!(event.patient_given.unwrap().expose(), "Jane");
    assert_eq!(event.patient_family.unwrap().expose(), "Doe");
    assert_eq!(event.provider_id.as_deref(), Some("1234"));
    assert_eq!(event.provider_given.as_deref(), Some("Frances"));
    assert_eq!(event.provider_family.as_deref(), Some("Diaz"));
    assert_eq!(event.callback_phone.as_deref(), Some("(510) 555-0100"));
    // A comma is part of an address, and of nothing else.
    assert_eq!(event.location.as_deref(), Some("12 Elm St, Suite 3"));
}

#[test]
fn every_word_for_an_event_is_taken_in_any_case() {
    for (word, event) in [
        ("booked", EventType::Booked),
        ("MODIFIED", EventType::Modified),
        ("Rescheduled", EventType::Rescheduled),
        ("NOSHOWED", EventType::NoShowed),
        ("CANCEL", EventType::Canceled),
        ("CANCELED", EventType::Canceled),
        ("Confirm", EventType::Confirmed),
        ("CONFIRMED", EventType::Confirmed),
        ("REMIND", EventType::Remind),
        ("OPTED-OUT", EventType::OptedOut),
        ("opted_out", EventType::OptedOut),
    ] {
        assert_eq!(read(&with("event_type", json!(word))).unwrap().event, event, "{word}");
    }
}

#[test]
fn zones_are_offsets_or_names() {
    for text in ["-0700", "-07:00", "America/Phoenix", "UTC", "Z", "+05:45", "+1400"] {
        assert!(read(&with("appointment_timezone", json!(text))).is_ok(), "{text}");
    }
    let event = read(&without("appointment_timezone")).unwrap();
    assert_eq!(event.zone, None);
}

#[test]
fn what_may_be_left_out_is_not_said() {
    let optional = [
        "patient_first_name",
        "patient_last_name",
        "patient_phone",
        "provider_id",
        "provider_first_name",
        "provider_last_name",
        "provider_callback_phone",
        "appointment_location",
        "appointment_timezone",
    ];
    for field in optional {
        assert!(read(&without(field)).is_ok(), "{field}");
        assert!(read(&with(field, json!(null))).is_ok(), "{field}");
        assert!(read(&with(field, json!("  "))).is_ok(), "{field}");
    }
    let mut event = without("appointment_datetime");
    assert_eq!(read(&event).unwrap_err(), [Fault::new("appointment_datetime", "is missing")]);
    for word in ["CANCEL", "CONFIRM", "NOSHOWED", "REMIND", "OPTED-OUT"] {
        event["event_type"] = json!(word);
        assert!(read(&event).is_ok(), "{word}");
    }
}

#[test]
fn what_an_event_can_do_without_does_not_refuse_it() {
    for phone in [json!("12"), json!("front desk"), json!("0".repeat(65)), json!(7)] {
        let event = read(&with("provider_callback_phone", phone.clone())).unwrap();
        assert_eq!(event.callback_phone, None, "{phone}");
    }
    let event = read(&with("patient_last_name", json!("O`Neill"))).unwrap();
    assert_eq!(event.patient_family.unwrap().expose(), "O'Neill");
}

#[test]
fn a_wrong_field_is_named_and_its_value_is_not() {
    let long = "x".repeat(201);
    let table: &[(&str, Value)] = &[
        ("event_type", json!("MOVED")),
        ("event_type", json!("")),
        ("event_type", json!(7)),
        ("event_type", json!(["BOOKED"])),
        ("event_datetime_utc", json!("yesterday")),
        ("event_datetime_utc", json!("2026-02-30T09:00:00Z")),
        ("event_datetime_utc", json!("0001-01-01T00:00:00Z")),
        ("event_datetime_utc", json!(1_764_000_000)),
        ("patient_id", json!(null)),
        ("patient_id", json!(1.5)),
        ("patient_id", json!("MRN\u{0}1000")),
        ("patient_id", json!(long)),
        ("patient_first_name", json!("Jane\nDoe")),
        ("patient_first_name", json!("<script>")),
        ("patient_first_name", json!("Jane {{x}}")),
        ("patient_first_name", json!("http://example.org")),
        ("patient_first_name", json!("Jane\u{202e}")),
        ("patient_first_name", json!({ "a": 1 })),
        ("patient_first_name", json!(5)),
        ("patient_last_name", json!("D".repeat(81))),
        ("patient_last_name", json!("Doe\u{7f}")),
        ("patient_phone", json!("+14155550124")),
        ("patient_phone", json!("call me")),
        ("patient_phone", json!(4_155_550_123_u64)),
        ("provider_id", json!(true)),
        ("provider_first_name", json!("<id>")),
        ("provider_id", json!("`id`")),
        ("provider_last_name", json!("Di\u{85}az")),
        ("appointment_location", json!(long)),
        ("appointment_location", json!("Elm St\r\n12")),
        ("appointment_id", json!("")),
        ("appointment_id", json!([])),
        ("appointment_timezone", json!("Mars/Olympus")),
        ("appointment_timezone", json!("-2300")),
        ("appointment_timezone", json!("PST8")),
        ("appointment_timezone", json!(-700)),
        ("appointment_datetime", json!("2026-12-02")),
        ("appointment_datetime", json!("12/01/2026 09:30")),
        ("appointment_datetime", json!("2026-02-29T09:30:00")),
        ("appointment_datetime", json!("2026-12-01T25:30:00")),
        ("appointment_datetime", json!("9999-12-31T09:30:00")),
    ];
    for (field, value) in table {
        let faults = read(&with(field, value.clone())).unwrap_err();
        let [fault] = faults.as_slice() else { panic!("{field} {value}: {faults:?}") };
        assert_eq!(&fault.field, field, "{value}");
        let told = Refusal::Faults(faults.clone()).to_json().to_string();
        let text = value.as_str().unwrap_or("4155550123");
        assert!(text.len() < 4 || !told.contains(text), "{told}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = read(&json!({ "appointment_timezone": "x", "provider_id": [] })).unwrap_err();
    let fields: Vec<_> = faults.iter().map(|fault| fault.field).collect();
    let expected = [
        "event_type",
        "event_datetime_utc",
        "appointment_id",
        "patient_id",
        "appointment_timezone",
        "provider_id",
    ];
    assert_eq!(fields, expected);
    let json = Refusal::Faults(faults).to_json();
    assert_eq!((&json["field"], &json["code"]), (&json!("event_type"), &json!(20001)));
    assert_eq!(json["errors"].as_array().unwrap().len(), 6);
}

#[test]
fn ids_may_be_numbers() {
    let mut event = with("patient_id", json!(1000));
    event["appointment_id"] = json!(10001);
    let event = read(&event).unwrap();
    assert_eq!((event.patient_id.as_str(), event.appointment_id.as_str()), ("1000", "10001"));
}

#[test]
fn the_same_event_has_the_same_sid_and_another_has_not() {
    let sid = |event: &Value| read(event).unwrap().sid;
    let first = sid(&whole());
    assert!(ExecutionSid::parse(first.as_str()).is_some());
    let backwards: Map<String, Value> =
        whole().as_object().unwrap().clone().into_iter().rev().collect();
    assert_eq!(sid(&Value::Object(backwards)), first);
    assert_eq!(sid(&with("appointment_datetime", json!("2026-12-01 09:30"))), first);
    for (field, value) in [
        ("event_type", "CANCELED"),
        ("event_datetime_utc", "2026-11-20T17:03:12Z"),
        ("appointment_id", "10002"),
        ("appointment_location", "West"),
        ("appointment_datetime", "2026-12-01T09:31"),
    ] {
        assert_ne!(sid(&with(field, json!(value))), first, "{field}");
    }
}

fn form(pairs: &[(&str, &str)]) -> Form {
    pairs.iter().copied().collect()
}

#[test]
fn a_request_needs_both_numbers_and_an_object() {
    let whole = [("To", "+14155550123"), ("From", "+15105550100"), ("Parameters", "{\"a\":1}")];
    let request = Request::read(&form(&whole), Region::US).unwrap();
    assert_eq!((request.to, request.raw.expose().as_str()), (jane(), "{\"a\":1}"));
    for (field, value, code) in [
        ("To", "", 21211),
        ("To", "Jane", 21211),
        ("To", "client:jane", 21211),
        ("From", "", 21212),
        ("From", "+1\n2", 21212),
        ("Parameters", "[]", 20001),
        ("Parameters", "{", 20001),
        ("Parameters", "{a=1, b=2}", 20001),
    ] {
        let pairs = whole.map(|(name, own)| (name, if name == field { value } else { own }));
        let faults = Request::read(&form(&pairs), Region::US).unwrap_err();
        assert_eq!((faults[0].field, Refusal::Faults(faults.clone()).code()), (field, code));
    }
    assert_eq!(Request::read(&Form::default(), Region::US).unwrap_err().len(), 2);
}

#[test]
fn a_refusal_speaks_twilios_language_and_ours() {
    let json = Refusal::Unauthorized.to_json();
    assert_eq!((&json["code"], &json["status"]), (&json!(20003), &json!(401)));
    assert_eq!(json["more_info"], "https://www.twilio.com/docs/errors/20003");
    assert_eq!(json["message"], json["detail"]);
    for (refusal, status, code) in [
        (Refusal::Unknown, 404, 20404),
        (Refusal::Active, 409, 20409),
        (Refusal::TooMany, 429, 20429),
        (Refusal::NotStored, 503, 20503),
    ] {
        assert_eq!((refusal.status(), refusal.code()), (status, code));
    }
}

proptest! {
    #[test]
    fn any_parameters_are_read_or_refused(
        values in prop::collection::vec((0_usize..14, any_json()), 0..6),
    ) {
        let mut event = whole();
        let names: Vec<String> = event.as_object().unwrap().keys().cloned().collect();
        for (name, value) in values {
            event[names[name].as_str()] = value;
        }
        if let Err(faults) = read(&event) {
            prop_assert!(!faults.is_empty());
        }
    }

    #[test]
    fn any_bytes_are_a_request_or_faults(body in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(form) = Form::parse(&body) {
            let faults = Request::read(&form, Region::US).err();
            prop_assert!(faults.is_none_or(|faults| !faults.is_empty()));
        }
    }

    #[test]
    fn any_text_is_a_time_or_none(text in "[0-9TZ:+. \\-é]{0,30}") {
        let _either = (time::wall_clock(&text).is_ok(), time::instant(&text).is_ok());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[0-9T:Z+-]{10,25}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(Value::from),
    ]
}
