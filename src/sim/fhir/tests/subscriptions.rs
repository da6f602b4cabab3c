//! Subscriptions: from requested to active, or not.

use super::*;

#[tokio::test]
async fn criteria_become_active_by_themselves() {
    let bench = Bench::start().await;
    let made = bench.post("Subscription", &criteria(&bench.receiver.url)).await;
    assert_eq!((made.status, made.at("/status")), (201, &json!("requested")));
    let id = made.at("/id").as_str().unwrap();
    assert_eq!(bench.status(id).await, "active");
    assert_eq!(bench.heard().await.len(), 0, "there is no handshake");
    let found = bench.get(&format!("Subscription?url={}", bench.receiver.url)).await;
    assert_eq!(found.entries(), [format!("Subscription/{id}")]);
    assert_eq!(bench.get("Subscription?url=http://192.0.2.1/").await.at("/total"), 0);
    assert_eq!(bench.get("Subscription?status=active").await.at("/total"), 1);
}

#[tokio::test]
async fn a_topic_needs_a_handshake() {
    for (version, kind) in [
        (Version::R4, "history"),
        (Version::R4b, "history"),
        (Version::R5, "subscription-notification"),
    ] {
        let bench = Bench::start_with(|options| options.version = version).await;
        let url = &bench.receiver.url;
        let wanted =
            if version == Version::R5 { r5(url, "id-only") } else { backport(url, "id-only") };
        let made = bench.post("Subscription", &wanted).await;
        let id = made.at("/id").as_str().unwrap();
        assert_eq!(bench.status(id).await, "requested");
        let heard = bench.heard().await;
        let [handshake] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!((handshake.method.as_str(), handshake.path.as_str()), ("POST", "/hook"));
        assert_eq!(handshake.header("content-type"), "application/fhir+json");
        assert_eq!(handshake.at("/type"), kind);
        let status = handshake.status();
        assert_eq!(
            (&status["type"], &status["status"]),
            (&json!("handshake"), &json!("requested"))
        );
        assert_eq!(status["eventsSinceSubscriptionStart"], "0");
        let first = handshake.at("/entry/0/resource/resourceType");
        assert_eq!(first, if version == Version::R4 { "Parameters" } else { "SubscriptionStatus" });
        assert_eq!(bench.status(id).await, "active");
        assert_eq!(bench.heard().await.len(), 0, "once is enough");
    }
}

#[tokio::test]
async fn a_handshake_that_fails_is_an_error_until_the_client_tries_again() {
    let bench = Bench::start().await;
    bench.receiver.answer(&[(401, "")]);
    let id = bench.subscribe(&backport(&bench.receiver.url, "id-only")).await;
    assert_eq!(bench.status(&id).await, "error");
    let read = bench.get(&format!("Subscription/{id}")).await;
    assert_eq!(read.at("/error"), "the handshake failed");
    bench.server.set_status("visit-1", "arrived").unwrap();
    bench.receiver.take();
    assert_eq!(bench.heard().await.len(), 0, "nothing is told meanwhile");
    let mut again = read.body;
    again["status"] = json!("requested");
    let path = format!("Subscription/{id}");
    assert_eq!(bench.ask(Method::PUT, &path, &[], Some(&again)).await.status, 200);
    bench.server.deliver().await;
    let read = bench.get(&path).await;
    assert_eq!((read.at("/status"), read.at("/error")), (&json!("active"), &Value::Null));
    // Active cannot be had by asking for it.
    bench.receiver.answer(&[(500, "")]);
    let mut active = read.body;
    active["reason"] = json!("renewed");
    bench.ask(Method::PUT, &path, &[], Some(&active)).await;
    assert_eq!(bench.status(&id).await, "requested");
    bench.server.deliver().await;
    assert_eq!(bench.status(&id).await, "error");
}

#[tokio::test]
async fn a_subscription_can_get_stuck_or_need_no_handshake() {
    let bench = Bench::start().await;
    bench.server.set(|knobs| knobs.stuck_requested = true);
    for wanted in [criteria(&bench.receiver.url), backport(&bench.receiver.url, "empty")] {
        let id = bench.subscribe(&wanted).await;
        assert_eq!(bench.status(&id).await, "requested");
    }
    bench.server.set_status("visit-1", "arrived").unwrap();
    assert_eq!(bench.heard().await.len(), 0);
    bench.server.set(|knobs| {
        knobs.stuck_requested = false;
        knobs.no_handshake = true;
    });
    let id = bench.subscribe(&backport(&bench.receiver.url, "empty")).await;
    assert_eq!(bench.status(&id).await, "active");
    assert_eq!(bench.heard().await.len(), 0);
}

#[tokio::test]
async fn the_handshake_can_come_before_the_answer() {
    let bench = Bench::start().await;
    bench.server.set(|knobs| knobs.handshake_first = true);
    let made = bench.post("Subscription", &backport(&bench.receiver.url, "empty")).await;
    assert_eq!(made.at("/status"), "requested");
    assert_eq!(bench.receiver.take().len(), 1);
    assert_eq!(bench.status(made.at("/id").as_str().unwrap()).await, "active");
}

#[tokio::test]
async fn a_subscription_ends() {
    let bench = Bench::start().await;
    let mut wanted = criteria(&bench.receiver.url);
    wanted["end"] = json!("2026-12-01T10:00:00Z");
    let id = bench.subscribe(&wanted).await;
    bench.server.set_status("visit-1", "arrived").unwrap();
    assert_eq!(bench.heard().await.len(), 1);
    bench.clock.advance(TimeDelta::hours(1));
    bench.server.set_status("visit-1", "fulfilled").unwrap();
    assert_eq!((bench.heard().await.len(), bench.status(&id).await.as_str()), (0, "off"));
    let id = bench.subscribe(&criteria(&bench.receiver.url)).await;
    bench.ask(Method::DELETE, &format!("Subscription/{id}"), &[], None).await;
    bench.server.set_status("visit-1", "booked").unwrap();
    assert_eq!(bench.heard().await.len(), 0, "what is deleted is not told");
}

#[tokio::test]
async fn a_subscription_that_cannot_work_is_refused() {
    let bench = Bench::start().await;
    for (pointer, value) in [
        ("/criteria", Value::Null),
        ("/channel/type", json!("websocket")),
        ("/channel/endpoint", json!("hook")),
        ("/channel/endpoint", Value::Null),
        ("/channel/_payload/extension/0/valueCode", json!("everything")),
    ] {
        let mut wanted = backport(&bench.receiver.url, "id-only");
        *wanted.pointer_mut(pointer).unwrap() = value;
        assert_eq!(bench.post("Subscription", &wanted).await.status, 422, "{pointer}");
    }
    let bench = Bench::start_with(|options| options.version = Version::R5).await;
    for name in ["topic", "endpoint", "channelType"] {
        let mut wanted = r5(&bench.receiver.url, "id-only");
        wanted.as_object_mut().unwrap().remove(name);
        assert_eq!(bench.post("Subscription", &wanted).await.status, 422, "{name}");
    }
}

#[tokio::test]
async fn the_status_and_the_events_can_be_asked_for() {
    for version in [Version::R4, Version::R4b, Version::R5] {
        let bench = Bench::start_with(|options| options.version = version).await;
        let url = &bench.receiver.url;
        let wanted =
            if version == Version::R5 { r5(url, "id-only") } else { backport(url, "id-only") };
        let id = bench.subscribe(&wanted).await;
        for code in ["arrived", "booked", "noshow"] {
            bench.server.set_status("visit-1", code).unwrap();
        }
        let told = bench.get(&format!("Subscription/{id}/$status")).await;
        assert_eq!((told.status, told.at("/type")), (200, &json!("searchset")));
        let told = as_hook(&told).status();
        assert_eq!((&told["type"], &told["status"]), (&json!("query-status"), &json!("active")));
        assert_eq!(told["eventsSinceSubscriptionStart"], "3");
        assert_eq!(bench.get(&format!("Subscription/$status?id={id}")).await.at("/total"), 1);
        let path = format!("Subscription/{id}/$events?eventsSinceNumber=2&eventsUntilNumber=3");
        let told = as_hook(&bench.get(&path).await);
        assert_eq!(
            (told.kind().as_str(), told.numbers()),
            ("query-event", vec!["2".into(), "3".into()])
        );
        assert!(told.foci()[0].ends_with("/Appointment/visit-1"));
        let body = json!({
            "resourceType": "Parameters",
            "parameter": [{ "name": "eventsSinceNumber", "valueString": "3" }],
        });
        let told = as_hook(&bench.post(&format!("Subscription/{id}/$events"), &body).await);
        assert_eq!(told.numbers(), ["3"]);
        bench.server.set(|knobs| knobs.empty_events = true);
        assert_eq!(as_hook(&bench.get(&path).await).numbers().len(), 0);
        bench.server.set(|knobs| {
            knobs.no_events_operation = true;
            knobs.no_status_operation = true;
        });
        assert_eq!(bench.get(&path).await.status, 404);
        assert_eq!(bench.get(&format!("Subscription/{id}/$status")).await.status, 404);
        assert_eq!(bench.get(&format!("Subscription/$status?id={id}")).await.status, 404);
    }
    let bench = Bench::start().await;
    let id = bench.subscribe(&criteria(&bench.receiver.url)).await;
    assert_eq!(bench.get(&format!("Subscription/{id}/$status")).await.status, 404);
}

fn as_hook(told: &Answered) -> Hook {
    Hook {
        method: String::new(),
        path: String::new(),
        headers: BTreeMap::new(),
        text: String::new(),
        body: told.body.clone(),
    }
}
