//! Faults of requests, the controls, and what is remembered.

use super::*;

async fn fail(bench: &Bench, fault: Fault) -> Answered {
    bench.server.set(|knobs| knobs.fail_next.push(fault));
    bench.get("Appointment/visit-1").await
}

#[tokio::test]
async fn a_server_can_be_busy() {
    let bench = Bench::start().await;
    for (after, header) in [
        (RetryAfter::Missing, ""),
        (RetryAfter::Seconds(7), "7"),
        (RetryAfter::Date(90), "Tue, 01 Dec 2026 09:01:30 GMT"),
        (RetryAfter::Garbage, "soon"),
    ] {
        let throttled = fail(&bench, Fault::next(Answer::Throttled(after))).await;
        assert_eq!((throttled.status, throttled.header("retry-after")), (429, header));
        assert_eq!(throttled.at("/issue/0/code"), "throttled");
        let busy = fail(&bench, Fault::next(Answer::Unavailable(after))).await;
        assert_eq!((busy.status, busy.header("retry-after")), (503, header));
    }
    assert_eq!(bench.get("Appointment/visit-1").await.status, 200, "each is used up");
}

#[tokio::test]
async fn an_answer_can_be_no_fhir() {
    let bench = Bench::start().await;
    let html = fail(&bench, Fault::next(Answer::GatewayHtml)).await;
    assert_eq!((html.status, html.header("content-type")), (502, "text/html"));
    assert!(html.text.starts_with("<html>"));
    let garbage = fail(&bench, Fault::next(Answer::Garbage)).await;
    assert_eq!((garbage.status, &garbage.body), (200, &Value::Null));
    let denied = fail(&bench, Fault::next(Answer::Unauthorized)).await;
    assert_eq!(denied.status, 401);
    assert!(denied.header("www-authenticate").starts_with("Bearer"));
    let locked = fail(&bench, Fault::next(Answer::Status(423))).await;
    assert_eq!((locked.status, locked.at("/resourceType")), (423, &json!("OperationOutcome")));
    let statuses: Vec<_> = bench.server.requests().iter().map(|one| one.status).collect();
    assert_eq!(statuses, [502, 200, 401, 423].map(Some));
}

#[tokio::test]
async fn a_fault_hits_what_it_is_meant_for() {
    let bench = Bench::start().await;
    let fault = Fault::next(Answer::Status(500)).on("PATCH", "/fhir/Appointment/visit-2").times(2);
    bench.server.set(|knobs| knobs.fail_next.push(fault));
    let patch = json!([{ "op": "replace", "path": "/status", "value": "arrived" }]);
    assert_eq!(bench.get("Appointment/visit-2").await.status, 200);
    assert_eq!(bench.json_patch("Appointment/visit-1", "", &patch).await.status, 200);
    for status in [500, 500, 200] {
        assert_eq!(bench.json_patch("Appointment/visit-2", "", &patch).await.status, status);
    }
}

#[tokio::test]
async fn a_write_can_be_done_without_the_clients_learning_it() {
    let bench = Bench::start().await;
    let patch = json!([{ "op": "replace", "path": "/status", "value": "arrived" }]);
    let closed = Fault::next(Answer::Closed).though_done();
    bench.server.set(|knobs| knobs.fail_next.push(closed));
    let request = bench.http.patch(bench.url("Appointment/visit-1"));
    let request = request.header("content-type", "application/json-patch+json");
    assert!(request.body(patch.to_string()).send().await.is_err());
    assert_eq!(bench.server.get("Appointment/visit-1").unwrap()["status"], "arrived");
    bench.server.set(|knobs| knobs.fail_next.push(Fault::next(Answer::Closed)));
    assert!(bench.http.get(bench.url("Appointment/visit-1")).send().await.is_err());
    assert_eq!(bench.server.requests().last().unwrap().status, None);
}

#[tokio::test]
async fn silence_lasts_until_it_is_broken() {
    let bench = Bench::start().await;
    bench.server.set(|knobs| knobs.fail_next.push(Fault::next(Answer::Silence)));
    let asked = bench.http.get(bench.url("Appointment/visit-1")).timeout(WITHIN).send();
    let released = async {
        bench.server.wait_for(|server| !server.requests().is_empty()).await;
        assert_eq!(bench.get("Appointment/visit-2").await.status, 200, "others are answered");
        bench.server.release();
    };
    let (answer, ()) = tokio::join!(asked, released);
    assert!(!answer.unwrap_err().is_timeout());
    assert_eq!(bench.get("Appointment/visit-1").await.status, 200);
}

#[tokio::test]
async fn a_stand_in_stops_though_somebody_waits() {
    let bench = Bench::start().await;
    bench.server.set(|knobs| {
        knobs.slow_pages = true;
        knobs.fail_next.push(Fault::next(Answer::Silence).on("GET", "/fhir/Appointment/"));
    });
    let silent = bench.http.get(bench.url("Appointment/visit-1")).send();
    let slow = bench.http.get(bench.url("Appointment")).send();
    let stopped = async {
        bench.server.wait_for(|server| server.requests().len() == 2).await;
        bench.server.clone().stop().await;
    };
    let (silent, _, ()) = tokio::join!(silent, slow, stopped);
    assert!(silent.is_err());
}

#[tokio::test]
async fn a_server_can_be_down() {
    let bench = Bench::start().await;
    bench.server.set(|knobs| knobs.down = true);
    assert!(bench.http.get(bench.url("metadata")).send().await.is_err());
    bench.server.set(|knobs| knobs.down = false);
    assert_eq!(bench.get("metadata").await.status, 200);
}

#[tokio::test]
async fn a_shell_turns_the_same_knobs() {
    let bench = Bench::start().await;
    let set = async |knobs: Value| bench.post(&bench.control("knobs"), &knobs).await;
    let turned = set(json!({
        "fail_next": [{ "answer": { "unavailable": { "seconds": 2 } }, "method": "GET" }],
        "forge": "wrong_secret",
        "next": { "elsewhere": "http://192.0.2.1" },
        "meddle": [{ "change": { "status": "arrived" } }],
        "lose_next": 3,
    }))
    .await;
    assert_eq!((turned.status, turned.at("/lose_next")), (200, &json!(3)));
    let knobs = bench.server.knobs();
    assert_eq!((knobs.lose_next, knobs.forge), (3, Forgery::WrongSecret));
    assert_eq!(knobs.next, NextLink::Elsewhere("http://192.0.2.1".to_owned()));
    assert_eq!(
        knobs.fail_next,
        [Fault::next(Answer::Unavailable(RetryAfter::Seconds(2))).on("GET", "")]
            .map(|fault| Fault { path: None, ..fault })
    );
    assert_eq!(
        set(json!({ "lose_next": 0 })).await.at("/forge"),
        "wrong_secret",
        "the others stay"
    );
    for bad in
        [json!({ "loose": 1 }), json!({ "lose_next": "x" }), json!([]), json!({ "forge": "x" })]
    {
        assert_eq!(set(bad.clone()).await.status, 400, "{bad}");
    }
    assert_eq!(bench.get("Appointment/visit-1").await.status, 503);
    let requests = bench.get(&bench.control("requests")).await;
    assert_eq!(requests.body.as_array().unwrap().len(), 1, "the controls are not remembered");
    assert_eq!(requests.at("/0/status"), 503);
    bench.server.set(|knobs| *knobs = Knobs::default());
    bench.post("Subscription", &backport(&bench.receiver.url, "id-only")).await;
    let sent = bench.post(&bench.control("deliver"), &json!({})).await;
    assert_eq!(sent.at("/sent"), 1);
    for name in ["heartbeat", "reset", "release", "revoke"] {
        assert_eq!(bench.post(&bench.control(name), &json!({})).await.status, 200, "{name}");
    }
    assert_eq!(bench.heard().await.len(), 2);
    let deliveries = bench.get(&bench.control("deliveries")).await;
    assert_eq!(deliveries.at("/0/kind"), "handshake");
    assert_eq!(deliveries.at("/1/kind"), "heartbeat");
    assert_eq!(bench.get(&bench.control("nothing")).await.status, 404);
    let known = bench.get(&bench.control("knobs")).await;
    assert_eq!(serde_json::from_value::<Knobs>(known.body).unwrap(), Knobs::default());
}

#[test]
fn every_habit_can_be_told_and_read() {
    let habits = [Habit::Medplum, Habit::Hapi, Habit::Helios, Habit::Millennium, Habit::Athena];
    for habit in habits {
        let knobs = Knobs::like(habit);
        assert_ne!(knobs, Knobs::default());
        let told = serde_json::to_value(&knobs).unwrap();
        assert_eq!(serde_json::from_value::<Knobs>(told).unwrap(), knobs);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let bench = Bench::start().await;
    let large = "x".repeat(33 * 1024 * 1024);
    // The refusal may come before the client has written it all.
    let answer = bench.http.post(bench.url("Appointment")).body(large).send().await;
    assert!(
        answer.is_ok_and(|answer| answer.status() == 413) || bench.server.requests().is_empty()
    );
    assert_eq!(bench.get("Appointment/visit-1").await.status, 200);
}
