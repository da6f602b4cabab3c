//! What patients answer goes to the interface engine as the reference system's callback, and is tried
//! until it is taken, or a person has to see to it.

use appointd::engine::view::Subject;
use chrono::TimeDelta;
use serde_json::json;

use crate::support::{Bench, Ear, FLOW, JANE, within};

/// A bench whose engine hears of answers; the ear is bound before the daemon knows its address.
async fn bench(further: &str) -> (Bench, Ear) {
    let ear = Ear::default();
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let router = ear.router();
    appointd::shutdown::Tasks::new()
        .spawn(async move { axum::serve(socket, router).await.unwrap() });
    let text = format!(
        "[[json.destination]]\nname = \"engine-back\"\nurl = \"http://{address}/answers\"\n{further}\
         [[route]]\nsource = \"engine\"\ndestination = \"engine-back\"\n"
    );
    (Bench::start(&text).await, ear)
}

async fn heard(ear: &Ear, count: usize) {
    within(async {
        while ear.heard.lock().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn answers_become_callbacks_with_the_keys_of_the_reference_system() {
    for (reply, event_type) in
        [("C", "Confirm"), ("X", "Cancel"), ("CONFIRM APPT", "Confirm"), ("CANCEL APPT", "Cancel")]
    {
        let (bench, ear) = bench("").await;
        bench.tell(&bench.event("BOOKED", "10001")).await;
        bench.texts(JANE, 1).await;
        // Far beyond any wait for a reply.
        bench.world.clock.advance(TimeDelta::hours(5));
        bench.reply(JANE, reply).await;
        heard(&ear, 1).await;
        let expected = json!({
            "flow_sid": FLOW,
            "event_type": event_type,
            "appointment_id": "10001",
            "provider_id": "1234",
            "patient_id": "MRN1000",
        });
        assert_eq!(ear.bodies(), [expected], "{reply}");
        let row = bench
            .settled(Subject::Outbox, |row| {
                row["kind"] == "write_back" && row["state"] == "accepted"
            })
            .await;
        let headers = ear.heard.lock().unwrap()[0].0.clone();
        assert_eq!(headers["idempotency-key"].to_str().unwrap(), row["control_id"]);
        assert_eq!(headers["content-type"], "application/json");
        assert!(bench.query(Subject::Tasks).is_empty());
        bench.stop().await;
    }
}

#[tokio::test]
async fn the_engines_own_word_for_an_answer_is_no_news() {
    let (bench, ear) = bench("").await;
    bench.tell(&bench.event("BOOKED", "10001")).await;
    bench.texts(JANE, 1).await;
    bench.reply(JANE, "C").await;
    heard(&ear, 1).await;
    bench
        .settled(Subject::Outbox, |row| row["kind"] == "write_back" && row["state"] == "accepted")
        .await;
    bench.texts(JANE, 2).await;
    bench.tell(&bench.event("CONFIRMED", "10001")).await;
    let row = bench.settled(Subject::Appointments, |row| row["wish"]["state"] == "reflected").await;
    assert_eq!(row["status"], "confirmed");
    bench.texts(JANE, 2).await;
    bench.stop().await;
}

#[tokio::test]
async fn a_callback_is_repeated_under_one_key_until_it_is_taken() {
    let (bench, ear) = bench("").await;
    *ear.answers.lock().unwrap() = vec![503, 429];
    bench.tell(&bench.event("BOOKED", "10001")).await;
    bench.texts(JANE, 1).await;
    bench.reply(JANE, "X").await;
    for count in [1, 2] {
        heard(&ear, count).await;
        let code = if count == 1 { "http_503" } else { "http_429" };
        bench.settled(Subject::Outbox, |row| row["error"] == code && row["state"] == "ready").await;
        bench.world.clock.advance(TimeDelta::minutes(10));
    }
    heard(&ear, 3).await;
    let keys: Vec<_> = ear
        .heard
        .lock()
        .unwrap()
        .iter()
        .map(|(headers, _)| headers["idempotency-key"].clone())
        .collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    bench
        .settled(Subject::Outbox, |row| row["kind"] == "write_back" && row["state"] == "accepted")
        .await;
    assert!(bench.query(Subject::Tasks).is_empty());
    bench.stop().await;
}

#[tokio::test]
async fn a_refused_callback_is_a_task() {
    // A redirect is not followed: the next address would get what is the patient's.
    for status in [400, 401, 302] {
        let (bench, ear) = bench("").await;
        *ear.answers.lock().unwrap() = vec![status];
        bench.tell(&bench.event("BOOKED", "10001")).await;
        bench.texts(JANE, 1).await;
        bench.reply(JANE, "C").await;
        let task = bench.settled(Subject::Tasks, |_| true).await;
        assert_eq!(task["note"], format!("http_{status}"), "{task}");
        assert_eq!(ear.bodies().len(), 1);
        bench.stop().await;
    }
}

#[tokio::test]
async fn a_callback_says_who_calls() {
    let auth = "[json.destination.auth]\nkind = \"basic\"\nuser = \"appointd\"\npassword = \"hunter2\"\n\
                [json.destination.headers]\nX-API-Key = \"key-of-the-gateway\"\n";
    let (bench, ear) = bench(auth).await;
    bench.tell(&bench.event("BOOKED", "10001")).await;
    bench.texts(JANE, 1).await;
    bench.reply(JANE, "C").await;
    heard(&ear, 1).await;
    let headers = ear.heard.lock().unwrap()[0].0.clone();
    assert_eq!(headers["authorization"], "Basic YXBwb2ludGQ6aHVudGVyMg==");
    assert_eq!(headers["x-api-key"], "key-of-the-gateway");
    bench.stop().await;
}
