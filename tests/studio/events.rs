//! Appointment events and flows, posted as to Studio.

use appointd::engine::view::Subject;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Bench, FLOW, JANE, JOHN, TOKEN, with};

#[tokio::test]
async fn every_event_reaches_the_patient() {
    let bench = Bench::start("").await;
    bench.tell(&bench.event("BOOKED", "10001")).await;
    bench.texts(JANE, 1).await;
    let moved = "2026-12-09T10:00:00Z";
    let event = |kind| with(bench.event(kind, "10001"), "appointment_datetime", moved);
    bench.tell(&event("Rescheduled")).await;
    bench.texts(JANE, 2).await;
    let west = |kind| with(event(kind), "appointment_location", "WEST");
    bench.tell(&west("MODIFIED")).await;
    bench.texts(JANE, 3).await;
    bench.tell(&west("CONFIRM")).await;
    bench.texts(JANE, 4).await;
    // Said again it is nothing.
    bench.tell(&west("CONFIRMED")).await;
    bench.tell(&west("REMIND")).await;
    bench.texts(JANE, 5).await;
    bench.tell(&west("CANCEL")).await;
    bench.settled(Subject::Outbox, |row| row["kind"] == "canceled").await;
    bench.world.clock.advance(TimeDelta::minutes(3));
    let texts = bench.texts(JANE, 6).await;
    for (text, part) in texts.iter().zip([
        "Hi Jane, appointment on Tue, Dec 8 at 9:30 AM",
        "your appointment is now on Wed, Dec 9 at 10:00 AM",
        "have changed. It is on Wed, Dec 9 at 10:00 AM, Owl Clinic West",
        "Your appointment on Wed, Dec 9 at 10:00 AM is confirmed",
        "Reminder for Jane: appointment on Wed, Dec 9 at 10:00 AM",
        "Your appointment on Wed, Dec 9 at 10:00 AM has been canceled",
    ]) {
        assert!(text.contains(part), "{text}");
    }
    bench
        .tell(&with(bench.event("NOSHOWED", "10002"), "appointment_datetime", "2026-11-30T08:00"))
        .await;
    assert!(bench.texts(JANE, 7).await[6].contains("We missed you on Mon, Nov 30"));
    bench.tell(&bench.event("OPTED-OUT", "10003")).await;
    bench.tell(&bench.event("BOOKED", "10003")).await;
    let consent = bench.query(Subject::Consent);
    assert_eq!((&consent[0]["opted_out"], &consent[0]["phone"]), (&json!(true), &json!(JANE)));
    let messages = bench.query(Subject::Messages);
    let triggers: Vec<_> =
        messages.iter().map(|row| row["cause"]["message"]["trigger"].clone()).collect();
    assert_eq!(triggers.len(), 10, "{triggers:?}");
    for name in [
        "BOOKED",
        "RESCHEDULED",
        "MODIFIED",
        "CONFIRMED",
        "REMIND",
        "CANCELED",
        "NOSHOWED",
        "OPTED-OUT",
    ] {
        assert!(triggers.contains(&json!(format!("JSON^{name}"))), "{name} {triggers:?}");
    }
    // None since the opting out.
    bench.texts(JANE, 7).await;
    bench.stop().await;
}

#[tokio::test]
async fn the_time_is_what_the_clock_shows_there_whatever_its_suffix() {
    let bench = Bench::start("").await;
    let table = [
        ("2026-12-08T09:30:00Z", "-0700", "2026-12-08T09:30:00-07:00"),
        ("2026-12-08T09:30:00.000Z", "-07:00", "2026-12-08T09:30:00-07:00"),
        ("2026-12-08T09:30:00+00:00", "America/Los_Angeles", "2026-12-08T09:30:00-08:00"),
        ("2026-12-08T09:30:00-05:00", "America/New_York", "2026-12-08T09:30:00-05:00"),
        ("2026-12-08 09:30", "UTC", "2026-12-08T09:30:00+00:00"),
        // The clocks jump over it: an hour later.
        ("2027-03-14T02:30:00", "America/Los_Angeles", "2027-03-14T03:30:00-07:00"),
        // The clocks show it twice: the earlier.
        ("2027-11-07T01:30:00", "America/Los_Angeles", "2027-11-07T01:30:00-07:00"),
        // An offset has no gaps.
        ("2027-03-14T02:30:00", "-0800", "2027-03-14T02:30:00-08:00"),
        // The practice's own.
        ("2026-12-08T09:30:00", "", "2026-12-08T09:30:00-08:00"),
    ];
    for (index, (time, zone, expected)) in table.into_iter().enumerate() {
        let id = format!("2000{index}");
        let event = with(bench.event("BOOKED", &id), "appointment_datetime", time);
        bench.tell(&with(event, "appointment_timezone", zone)).await;
        let row = bench.settled(Subject::Appointments, |row| is(row, &id)).await;
        assert_eq!(row["start"], expected, "{time} {zone}");
    }
    bench.stop().await;
}

fn is(row: &Value, id: &str) -> bool {
    row.to_string().contains(&format!("engine/{id}"))
}

#[tokio::test]
async fn the_same_event_is_taken_once() {
    let bench = Bench::start("").await;
    let event = bench.event("BOOKED", "10001");
    let first = bench.tell(&event).await;
    assert!(first.starts_with("FN") && first.len() == 34, "{first}");
    bench.texts(JANE, 1).await;
    bench.world.clock.advance(TimeDelta::minutes(1));
    let (_, again) = bench.post(&event).await;
    assert_eq!(
        (&again["sid"], &again["date_created"]),
        (&json!(first), &json!("2026-11-30T18:00:00Z"))
    );
    let reordered: serde_json::Map<String, Value> =
        event.as_object().unwrap().clone().into_iter().rev().collect();
    assert_eq!(bench.tell(&Value::Object(reordered)).await, first);
    assert_eq!(bench.query(Subject::Messages).len(), 1);
    // The same event of the same time that says something else is one of its own.
    let moved = with(event, "appointment_datetime", "2026-12-08T10:30:00");
    assert_ne!(bench.tell(&moved).await, first);
    assert!(bench.texts(JANE, 2).await[1].contains("now on Tue, Dec 8 at 10:30 AM"));
    // A reminder that is asked for twice by one request is one.
    let remind =
        with(bench.event("REMIND", "10001"), "appointment_datetime", "2026-12-08T10:30:00");
    bench.tell(&remind).await;
    bench.texts(JANE, 3).await;
    bench.tell(&remind).await;
    let reminders = bench.query(Subject::Outbox);
    assert_eq!(reminders.iter().filter(|row| row["kind"] == "reminder").count(), 1);
    bench.stop().await;
}

#[tokio::test]
async fn nothing_is_taken_of_who_does_not_prove_who_it_is() {
    let bench = Bench::start("").await;
    let parameters = bench.event("BOOKED", "10001").to_string();
    let form = [("To", JANE), ("From", "+15105550100"), ("Parameters", parameters.as_str())];
    let other = ACCOUNT.replace("AC0", "AC1");
    for user in [
        None,
        Some((ACCOUNT, "")),
        Some((ACCOUNT, "token-of-the-engin")),
        Some(("", TOKEN)),
        Some((other.as_str(), TOKEN)),
        Some((Bench::key().0, TOKEN)),
    ] {
        let (status, answer) = bench.send(FLOW, user, &form).await;
        assert_eq!((status, &answer["code"]), (401, &json!(20003)), "{user:?} {answer}");
    }
    // Who may not call hears nothing of what there is.
    let (status, _) = bench.send("FW2", Some((ACCOUNT, "x")), &[]).await;
    assert_eq!(status, 401);
    assert!(
        bench.query(Subject::Messages).is_empty() && bench.query(Subject::Quarantine).is_empty()
    );
    let (status, _) = bench.send(FLOW, Some(Bench::key()), &form).await;
    assert_eq!(status, 201);
    for _ in 0..10 {
        let _refused = bench.send(FLOW, Some((ACCOUNT, "guess")), &form).await;
    }
    let (status, answer) = bench.send(FLOW, Some((ACCOUNT, "guess")), &form).await;
    assert_eq!((status, &answer["code"]), (429, &json!(20429)), "{answer}");
    // Who knows the password is not locked out by who guesses it.
    assert_eq!(bench.send(FLOW, Some((ACCOUNT, TOKEN)), &form).await.0, 201);
    bench.world.clock.advance(TimeDelta::minutes(2));
    assert_eq!(bench.send(FLOW, Some((ACCOUNT, "guess")), &form).await.0, 401);
    bench.stop().await;
}

#[tokio::test]
async fn a_refusal_says_what_and_where_and_is_not_stored() {
    let bench = Bench::start("").await;
    let user = Some((ACCOUNT, TOKEN));
    let parameters = bench.event("BOOKED", "10001").to_string();
    let whole = [("To", JANE), ("From", "+15105550100"), ("Parameters", parameters.as_str())];
    let (status, answer) = bench.send("FW00000000000000000000000000000009", user, &whole).await;
    assert_eq!((status, &answer["code"], &answer["status"]), (404, &json!(20404), &json!(404)));
    for (event, field) in [
        (with(bench.event("BOOKED", "1"), "event_type", "MOVED"), "event_type"),
        (with(bench.event("BOOKED", "1"), "patient_phone", "Jane's"), "To"),
        (
            with(bench.event("BOOKED", "1"), "appointment_datetime", "2026-02-30T09:00"),
            "appointment_datetime",
        ),
        (with(bench.event("BOOKED", "1"), "patient_last_name", "Doe{{x}}"), "patient_last_name"),
    ] {
        let (status, answer) = bench.post(&event).await;
        assert_eq!((status, &answer["field"]), (400, &json!(field)), "{answer}");
        assert!(answer["detail"].is_string() && answer["message"].is_string(), "{answer}");
        assert!(!answer.to_string().contains("Doe{{"), "{answer}");
    }
    let other = [("To", JOHN), whole[1], whole[2]];
    let (status, answer) = bench.send(FLOW, user, &other).await;
    assert_eq!((status, &answer["field"]), (400, &json!("patient_phone")), "{answer}");
    let long = "x".repeat(70_000);
    let (status, _) = bench.send(FLOW, user, &[("To", JANE), ("Parameters", &long)]).await;
    assert_eq!(status, 413);
    for hostile in [
        "",
        "{",
        "[[[[",
        "null",
        "\u{0}",
        "{\"event_type\":{}}",
        "{\"a\":1e999}",
        &"[".repeat(9_000),
    ] {
        let form = [whole[0], whole[1], ("Parameters", hostile)];
        let (status, answer) = bench.send(FLOW, user, &form).await;
        assert_eq!(status, 400, "{hostile} {answer}");
    }
    let url = format!("http://{}/v2/Flows/{FLOW}/Executions", bench.world.daemon.http);
    let json = bench.http.post(&url).basic_auth(ACCOUNT, Some(TOKEN)).json(&json!({ "To": JANE }));
    assert_eq!(json.send().await.unwrap().status(), 415);
    assert!(
        bench.query(Subject::Messages).is_empty() && bench.query(Subject::Quarantine).is_empty()
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_flows_name_starts_it_for_a_phone_once() {
    let bench = Bench::start("").await;
    let parameters = json!({ "patient_id": "MRN2000", "patient_first_name": "John" }).to_string();
    let form = [("To", JOHN), ("From", "+15105550100"), ("Parameters", parameters.as_str())];
    let url = format!("http://{}/v2/Flows/post-procedure/Executions", bench.world.daemon.http);
    let start = |key: &'static str| {
        let request = bench.http.post(&url).basic_auth(ACCOUNT, Some(TOKEN)).form(&form);
        async move {
            let answer = request.header("Idempotency-Key", key).send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        }
    };
    let (status, first) = start("a").await;
    assert_eq!(status, 201, "{first}");
    assert!(first["sid"].as_str().unwrap().starts_with("FN"));
    assert!(bench.texts(JOHN, 1).await[0].contains("John"));
    let (status, again) = start("a").await;
    assert_eq!((status, &again["sid"]), (201, &first["sid"]));
    let (status, busy) = start("b").await;
    assert_eq!((status, &busy["code"]), (409, &json!(20409)), "{busy}");
    bench.texts(JOHN, 1).await;
    bench.stop().await;
}

/// What the reference system got wrong.
#[tokio::test]
async fn no_event_is_lost_for_its_time_or_its_address() {
    let bench = Bench::start("").await;
    // More than a week ahead.
    let far = with(bench.event("BOOKED", "1"), "appointment_datetime", "2027-03-01T09:30:00Z");
    bench.tell(&far).await;
    bench.texts(JANE, 1).await;
    // Within the hour, where no reminder has room.
    let near = |kind| with(bench.event(kind, "2"), "appointment_datetime", "2026-11-30T10:40:00Z");
    bench.tell(&near("BOOKED")).await;
    bench.texts(JANE, 2).await;
    bench.tell(&near("CANCELED")).await;
    bench.settled(Subject::Outbox, |row| row["kind"] == "canceled").await;
    bench.world.clock.advance(TimeDelta::minutes(3));
    assert!(bench.texts(JANE, 3).await[2].contains("has been canceled"));
    // A move by more than a week.
    let moved =
        with(bench.event("RESCHEDULED", "1"), "appointment_datetime", "2027-04-01T09:30:00Z");
    bench.tell(&moved).await;
    bench.texts(JANE, 4).await;
    // An address with commas, and whatever else stands in one.
    let place = "12 Elm St, Suite 3, patient_id=7, c/o \"Roe\" & Sons; #4";
    bench.tell(&with(bench.event("BOOKED", "3"), "appointment_location", place)).await;
    bench.texts(JANE, 5).await;
    bench.stop().await;
}

#[tokio::test]
async fn one_change_leaves_the_phones_other_appointments_alone() {
    let bench = Bench::start("").await;
    bench.tell(&bench.event("BOOKED", "1")).await;
    let child = with(bench.event("BOOKED", "2"), "patient_id", "MRN2000");
    let child = with(child, "patient_first_name", "John");
    bench.tell(&with(child, "appointment_datetime", "2026-12-10T09:30:00")).await;
    bench.texts(JANE, 2).await;
    let timers = || bench.query(Subject::Timers).into_iter().filter(|row| is(row, "2")).count();
    let planned = timers();
    assert!(planned > 0);
    let told = bench.query(Subject::Outbox).len();
    bench
        .tell(&with(bench.event("NOSHOWED", "1"), "appointment_datetime", "2026-11-30T08:00"))
        .await;
    assert_eq!(timers(), planned);
    assert!(bench.query(Subject::Outbox).len() > told, "nothing is deleted");
    bench.stop().await;
}

#[tokio::test]
async fn an_execution_is_as_studio_describes_it() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/twilio/twilio_studio_v2.json");
    let Ok(text) = std::fs::read_to_string(path) else { return };
    let spec: Value = serde_json::from_str(&text).unwrap();
    let schema = &spec["components"]["schemas"]["studio.v2.flow.execution"]["properties"];
    let bench = Bench::start("").await;
    let (status, execution) = bench.post(&bench.event("BOOKED", "10001")).await;
    assert_eq!(status, 201);
    let execution = execution.as_object().unwrap();
    for (name, of_name) in schema.as_object().unwrap() {
        let value = execution.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        if value.is_null() {
            assert_eq!(of_name["nullable"], true, "{name}");
            continue;
        }
        match of_name["type"].as_str() {
            Some("string") => assert!(value.is_string(), "{name}"),
            Some("integer") => assert!(value.is_i64(), "{name}"),
            Some("object") => assert!(value.is_object(), "{name}"),
            Some(_) | None => {}
        }
        if let (Some(pattern), Some(text)) = (of_name["pattern"].as_str(), value.as_str()) {
            assert!(regex::Regex::new(pattern).unwrap().is_match(text), "{name} {text}");
        }
        if of_name["format"] == "date-time" {
            assert!(value.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().is_ok());
        }
    }
    assert!(execution.keys().all(|name| schema.get(name).is_some()), "{execution:?}");
    let states = &spec["components"]["schemas"]["execution_enum_status"]["enum"];
    assert!(states.as_array().unwrap().contains(&execution["status"]));
    bench.stop().await;
}
