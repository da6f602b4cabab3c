//! Notifications on the way: lost, doubled, out of order, late, renumbered, forged, refused.

use super::*;

/// A bench with a subscription to a topic, its handshake through.
async fn subscribed(change: impl FnOnce(&mut Knobs)) -> (Bench, String) {
    let bench = Bench::start().await;
    let id = bench.subscribe(&backport(&bench.receiver.url, "full-resource")).await;
    bench.receiver.take();
    bench.server.set(change);
    (bench, id)
}

fn arrive(bench: &Bench) {
    for id in ["visit-1", "visit-2", "visit-3"] {
        bench.server.set_status(id, "arrived").unwrap();
    }
}

fn numbers(heard: &[Hook]) -> Vec<String> {
    heard.iter().flat_map(Hook::numbers).collect()
}

#[tokio::test]
async fn some_get_lost() {
    let (bench, _) = subscribed(|knobs| knobs.lose_next = 2).await;
    arrive(&bench);
    assert_eq!(numbers(&bench.heard().await), ["3"]);
    let lost = &bench.server.deliveries()[1];
    assert_eq!((lost.attempts, lost.status, lost.is_taken), (0, None, false));
    assert_eq!(bench.server.knobs().lose_next, 0);
}

#[tokio::test]
async fn some_come_many_times() {
    let (bench, _) = subscribed(|knobs| knobs.duplicate = 18).await;
    bench.server.set_status("visit-1", "arrived").unwrap();
    let heard = bench.heard().await;
    assert_eq!(numbers(&heard), vec!["1"; 19]);
    assert_ne!(heard[0].at("/id"), heard[1].at("/id"), "each Bundle is its own");
}

#[tokio::test]
async fn some_come_out_of_order_or_late() {
    let (bench, _) = subscribed(|knobs| knobs.reorder = true).await;
    arrive(&bench);
    assert_eq!(numbers(&bench.heard().await), ["3", "2", "1"]);
    bench.server.set(|knobs| knobs.hold = true);
    arrive(&bench);
    bench.server.set_status("visit-1", "booked").unwrap();
    assert_eq!((bench.heard().await.len(), bench.server.waiting()), (0, 4));
    bench.server.set(|knobs| knobs.hold = false);
    assert_eq!(bench.heard().await.len(), 4);
}

#[tokio::test]
async fn numbers_can_mean_nothing() {
    let (bench, _) = subscribed(|knobs| knobs.numbering = Numbering::AlwaysOne).await;
    arrive(&bench);
    let heard = bench.heard().await;
    assert_eq!(numbers(&heard), ["1", "1", "1"]);
    assert_eq!(heard[2].status()["eventsSinceSubscriptionStart"], "1");
    let (bench, _) = subscribed(|knobs| {
        knobs.numbering = Numbering::PerBundle;
        knobs.bundle_max = 2;
    })
    .await;
    arrive(&bench);
    let heard = bench.heard().await;
    assert_eq!(heard.iter().map(Hook::numbers).collect::<Vec<_>>(), [vec!["1", "2"], vec!["1"]]);
    let (bench, _) = subscribed(|_| {}).await;
    arrive(&bench);
    bench.heard().await;
    bench.server.reset_counters();
    arrive(&bench);
    bench.server.set_status("visit-1", "booked").unwrap();
    assert_eq!(numbers(&bench.heard().await), ["1", "2", "3", "4"]);
    bench.server.set(|knobs| knobs.bare_numbers = true);
    bench.server.set_status("visit-1", "noshow").unwrap();
    assert_eq!(bench.heard().await[0].events()[0]["eventNumber"], json!(5));
}

#[tokio::test]
async fn some_are_sent_by_somebody_else() {
    let (bench, _) = subscribed(|knobs| knobs.forge = Forgery::WrongSecret).await;
    bench.server.set_status("visit-1", "arrived").unwrap();
    let heard = bench.heard().await;
    assert_eq!(heard[0].header("authorization"), "not-Bearer hook-secret");
    assert_eq!(heard[0].at("/entry/1/resource/status"), "cancelled");
    assert_eq!(heard[1].header("authorization"), "Bearer hook-secret");
    assert_eq!(heard[1].at("/entry/1/resource/status"), "arrived");
    bench.server.set(|knobs| knobs.forge = Forgery::MadeUpId);
    bench.server.set_status("visit-1", "booked").unwrap();
    let heard = bench.heard().await;
    assert_eq!(heard[0].header("authorization"), "Bearer hook-secret");
    assert!(heard[0].foci()[0].ends_with("/Appointment/made-up"));
    assert_eq!(bench.get("Appointment/made-up").await.status, 404);
    let forged: Vec<Forgery> = bench.server.deliveries().iter().map(|one| one.forgery).collect();
    let expected =
        [Forgery::None, Forgery::WrongSecret, Forgery::None, Forgery::MadeUpId, Forgery::None];
    assert_eq!(forged, expected);
}

#[tokio::test]
async fn a_failure_is_tried_again_and_counts_in_the_end() {
    let (bench, id) = subscribed(|knobs| {
        knobs.retries = 2;
        knobs.error_after = 2;
    })
    .await;
    bench.receiver.answer(&[(500, ""), (503, "")]);
    bench.server.set_status("visit-1", "arrived").unwrap();
    assert_eq!(bench.heard().await.len(), 3);
    let last = bench.server.deliveries().pop().unwrap();
    assert_eq!((last.attempts, last.status, last.is_taken), (3, Some(200), true));
    for round in ["active", "error"] {
        bench.receiver.answer(&[(500, "{}"); 3]);
        bench.server.change("Appointment/visit-1", &json!({})).unwrap();
        assert_eq!(bench.heard().await.len(), 3);
        assert_eq!(bench.status(&id).await, round);
    }
    bench.server.change("Appointment/visit-1", &json!({})).unwrap();
    assert_eq!(bench.heard().await.len(), 0);
}

#[tokio::test]
async fn an_answer_without_fhir_can_be_a_failure() {
    let (bench, _) = subscribed(|knobs| {
        knobs.body_required = true;
        knobs.retries = 3;
    })
    .await;
    bench.receiver.answer(&[(200, ""), (200, "ok"), (200, "{}")]);
    bench.server.set_status("visit-1", "arrived").unwrap();
    assert_eq!(bench.heard().await.len(), 4);
    bench.server.set(|knobs| knobs.body_required = false);
    bench.receiver.answer(&[(200, "")]);
    bench.server.set_status("visit-1", "booked").unwrap();
    assert_eq!(bench.heard().await.len(), 1);
}

#[tokio::test]
async fn nobody_may_be_there() {
    let bench = Bench::start().await;
    let id = bench.subscribe(&criteria("http://127.0.0.1:1/hook")).await;
    bench.server.set_status("visit-1", "arrived").unwrap();
    assert_eq!(bench.server.deliver().await, 1);
    let last = bench.server.deliveries().pop().unwrap();
    assert_eq!((last.status, last.attempts, last.is_taken), (None, 1, false));
    assert_eq!(bench.status(&id).await, "active");
    let id = bench.subscribe(&backport("http://127.0.0.1:1/hook", "empty")).await;
    assert_eq!(bench.status(&id).await, "error");
}

#[tokio::test]
async fn a_notification_can_differ_from_the_guide() {
    let (bench, _) = subscribed(|knobs| {
        knobs.bundle_type = Some("transaction".to_owned());
        knobs.focus = Focus::Relative;
        knobs.pad_notifications = 20_000_000;
        knobs.no_deletes = true;
    })
    .await;
    bench.server.set_status("visit-1", "arrived").unwrap();
    bench.server.delete("Appointment/visit-1");
    let heard = bench.heard().await;
    assert_eq!(heard.len(), 1, "deletions are not told");
    assert_eq!(heard[0].at("/type"), "transaction");
    assert_eq!(heard[0].foci(), ["Appointment/visit-1"]);
    assert!(heard[0].text.len() > 20_000_000);
    let bench = Bench::start().await;
    bench.server.set(|knobs| knobs.empty_has_focus = true);
    bench.subscribe(&backport(&bench.receiver.url, "empty")).await;
    bench.receiver.take();
    bench.server.set_status("visit-1", "arrived").unwrap();
    assert!(bench.heard().await[0].foci()[0].ends_with("/Appointment/visit-1"));
}

#[tokio::test]
async fn what_lies_between_can_go_missing() {
    let bench = Bench::start().await;
    bench.subscribe(&criteria(&bench.receiver.url)).await;
    bench.server.set(|knobs| knobs.latest_only = true);
    bench.server.set_status("visit-1", "arrived").unwrap();
    bench.server.set_status("visit-1", "fulfilled").unwrap();
    let heard = bench.heard().await;
    assert_eq!(heard.iter().map(|hook| hook.at("/status")).collect::<Vec<_>>(), ["fulfilled"; 2]);
}

#[tokio::test]
async fn a_header_can_be_cut_at_its_second_colon() {
    let bench = Bench::start().await;
    let mut wanted = criteria(&bench.receiver.url);
    wanted["channel"]["header"] = json!(["X-Hook-Token: a:b"]);
    bench.subscribe(&wanted).await;
    bench.server.set_status("visit-1", "arrived").unwrap();
    assert_eq!(bench.heard().await[0].header("x-hook-token"), "a:b");
    bench.server.set(|knobs| knobs.headers_cut = true);
    bench.server.set_status("visit-1", "booked").unwrap();
    assert_eq!(bench.heard().await[0].header("x-hook-token"), "a");
}

#[tokio::test]
async fn notifications_can_go_out_at_once() {
    let bench = Bench::start_with(|options| options.sending = Sending::AtOnce).await;
    let made = bench.post("Subscription", &backport(&bench.receiver.url, "id-only")).await;
    let id = format!("Subscription/{}", made.at("/id").as_str().unwrap());
    let is_active = |server: &Server| server.get(&id).unwrap()["status"] == "active";
    tokio::time::timeout(WITHIN, bench.server.wait_for(is_active)).await.unwrap();
    let patch = json!([{ "op": "replace", "path": "/status", "value": "arrived" }]);
    bench.json_patch("Appointment/visit-1", "", &patch).await;
    bench.server.set_status("visit-2", "arrived").unwrap();
    let is_told = |server: &Server| server.deliveries().len() == 3;
    tokio::time::timeout(WITHIN, bench.server.wait_for(is_told)).await.unwrap();
    bench.server.set(|knobs| knobs.hold = true);
    bench.server.set_status("visit-3", "arrived").unwrap();
    assert_eq!(bench.server.waiting(), 1);
    bench.server.set(|knobs| knobs.hold = false);
    let is_told = |server: &Server| server.deliveries().len() == 4;
    tokio::time::timeout(WITHIN, bench.server.wait_for(is_told)).await.unwrap();
    assert_eq!(numbers(&bench.receiver.take()), ["1", "2", "3"]);
}
