//! `/_knobs`, and what a client does to messages besides creating them.

use serde_json::json;

use super::*;

#[tokio::test]
async fn knobs_are_turned_by_json_and_what_is_not_known_turns_none() {
    let bench = Bench::start().await;
    let http = &bench.carrier.core.http;
    let url = format!("{}/_knobs", bench.base_url);
    let turn = async |knobs: Value| http.post(&url).body(knobs.to_string()).send().await.unwrap();
    let turned = turn(json!({
        "fail_next": {"count": 2, "fault": {"accepted": false, "answer": "server_error"}},
        "fail_numbers": {JOHN: {"accepted": true, "answer": {"late": 5}}},
        "fates": {JANE: {"undelivered": 30003}, JOHN: "sent_only"},
        "callbacks": "reversed",
        "lose_inbound": 3,
        "hold_deliveries": true,
    }));
    assert_eq!(turned.await.status(), StatusCode::OK);
    let shown: Value = http.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown["fail_next"].as_array().unwrap().len(), 2);
    assert_eq!(shown["fail_numbers"][JOHN], json!({"accepted": true, "answer": {"late": 5}}));
    assert_eq!(shown["fates"][JANE], json!({"undelivered": 30003}));
    assert_eq!((&shown["callbacks"], &shown["lose_inbound"]), (&"reversed".into(), &3.into()));
    assert_eq!(shown["hold_deliveries"], true);
    for bad in
        [json!({"knob": 1}), json!({"callbacks": "sideways"}), json!({"fates": {"x": "lost"}})]
    {
        assert_eq!(turn(bad).await.status(), StatusCode::BAD_REQUEST);
    }
    let mended = turn(json!({"fail_numbers": {JOHN: null}, "hold_deliveries": false})).await;
    let shown: Value = mended.json().await.unwrap();
    assert_eq!(shown["fail_numbers"], json!({}));
    assert_eq!(shown["callbacks"], "reversed");
    bench.stop().await;
}

#[tokio::test]
async fn a_delivery_fails_by_the_number_it_goes_to() {
    let mut bench = Bench::start().await;
    for (number, code) in [
        ("+15005530003", 30003),
        ("+15005530005", 30005),
        ("+15005530006", 30006),
        ("+15005530007", 30007),
    ] {
        accepted(bench.client().create(&text(number, "Hello")).await);
        assert_eq!(bench.next_status().await.status, MessageStatus::Sent);
        let news = bench.next_status().await;
        assert_eq!((news.status, news.error_code), (MessageStatus::Undelivered, Some(code)));
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_late_answer_is_the_right_one() {
    let bench = Bench::start().await;
    bench.carrier.fail_next(1, Fault::before_accept(Answer::Late(20)));
    accepted(bench.client().create(&text(JANE, "Hello")).await);
    assert_eq!(bench.carrier.texts(&phone(JANE)).len(), 1);
    bench.stop().await;
}

#[tokio::test]
async fn what_was_sent_since_a_moment_is_listed() {
    let bench = Bench::start().await;
    let client = bench.client();
    for number in 0..3 {
        accepted(client.create(&text(JANE, &format!("text {number}"))).await);
        bench.carrier.core.clock.advance(chrono::TimeDelta::hours(1));
    }
    let start = Utc.with_ymd_and_hms(2026, 12, 1, 9, 30, 0).unwrap();
    let rows = client.list_since(Some(JANE), start).await.unwrap();
    let bodies: Vec<_> = rows.iter().map(|row| row.body.expose().as_str()).collect();
    assert_eq!(bodies, ["text 2", "text 1"]);
    assert_eq!(client.list_since(Some(JOHN), start).await.unwrap(), []);
    assert_eq!(client.list_since(None, start).await.unwrap().len(), 2);
    bench.stop().await;
}
