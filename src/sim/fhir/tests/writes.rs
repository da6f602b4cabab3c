//! Creating, replacing, deleting, and the conditions on that.

use super::*;

fn visit(id: &str) -> Value {
    let start = Utc.with_ymd_and_hms(2026, 12, 7, 18, 0, 0).unwrap();
    Visit::new(id, "jane", start).resource(Version::R4)
}

async fn put(bench: &Bench, tag: &str, body: &Value) -> Answered {
    let path = format!("Appointment/{}", body["id"].as_str().unwrap());
    let headers = [("if-match", tag)];
    let headers = if tag.is_empty() { &[][..] } else { &headers[..] };
    bench.ask(Method::PUT, &path, headers, Some(body)).await
}

#[tokio::test]
async fn what_is_created_has_an_id_of_the_servers_choice() {
    let bench = Bench::start().await;
    let made = bench.post("Appointment", &visit("mine")).await;
    assert_eq!(made.status, 201);
    let id = made.at("/id").as_str().unwrap();
    assert_ne!(id, "mine");
    let location = format!("{}/Appointment/{id}/_history/1", bench.server.base_url());
    assert_eq!(made.header("location"), location);
    assert_eq!(made.header("etag"), "W/\"1\"");
    assert_eq!(bench.get(&location).await.body, made.body);
}

#[tokio::test]
async fn the_same_is_created_once_under_if_none_exist() {
    let bench = Bench::start().await;
    let own = [("if-none-exist", "identifier=urn:owl-clinic:appointment|visit-1")];
    let found = bench.ask(Method::POST, "Appointment", &own, Some(&visit("x"))).await;
    assert_eq!((found.status, found.at("/id")), (200, &json!("visit-1")));
    let new = [("if-none-exist", "identifier=nobody")];
    let made = bench.ask(Method::POST, "Appointment", &new, Some(&visit("x"))).await;
    assert_eq!(made.status, 201);
    let many = [("if-none-exist", "patient=jane")];
    let refused = bench.ask(Method::POST, "Appointment", &many, Some(&visit("x"))).await;
    assert_eq!(refused.status, 412);
}

#[tokio::test]
async fn a_put_needs_the_current_version_if_it_names_one() {
    let bench = Bench::start().await;
    let mut changed = bench.server.get("Appointment/visit-1").unwrap();
    changed["status"] = json!("arrived");
    let stale = put(&bench, "W/\"9\"", &changed).await;
    assert_eq!((stale.status, stale.at("/issue/0/code")), (412, &json!("conflict")));
    bench.server.set(|knobs| knobs.conflict_status = 409);
    assert_eq!(put(&bench, "W/\"9\"", &changed).await.status, 409);
    let done = put(&bench, "W/\"1\"", &changed).await;
    assert_eq!((done.status, done.header("etag")), (200, "W/\"2\""));
    // The same once more changes nothing.
    assert_eq!(put(&bench, "", &changed).await.header("etag"), "W/\"2\"");
    assert_eq!(put(&bench, "\"2\"", &changed).await.status, 200, "strong tags are taken too");
    bench.server.set(|knobs| knobs.if_match_required = Some(428));
    assert_eq!(put(&bench, "", &changed).await.status, 428);
    assert_eq!(put(&bench, "*", &changed).await.status, 200);
}

#[tokio::test]
async fn a_put_can_create_and_revive() {
    let bench = Bench::start().await;
    assert_eq!(put(&bench, "", &visit("mine")).await.status, 201);
    let removed = bench.ask(Method::DELETE, "Appointment/mine", &[], None).await;
    assert_eq!(removed.status, 204);
    assert_eq!(bench.get("Appointment/mine").await.status, 410);
    let again = bench.ask(Method::DELETE, "Appointment/mine", &[], None).await;
    assert_eq!(again.status, 204);
    let stale = [("if-match", "W/\"1\"")];
    assert_eq!(bench.ask(Method::DELETE, "Appointment/visit-2", &stale, None).await.status, 204);
    assert_eq!(
        bench
            .ask(Method::DELETE, "Appointment/visit-3", &[("if-match", "W/\"8\"")], None)
            .await
            .status,
        412
    );
    assert_eq!(put(&bench, "W/\"1\"", &visit("mine")).await.status, 412);
    let revived = put(&bench, "", &visit("mine")).await;
    assert_eq!((revived.status, revived.header("etag")), (201, "W/\"3\""));
    let unknown = bench.ask(Method::DELETE, "Appointment/nobody", &[], None).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let bench = Bench::start().await;
    let without = |name: &str| {
        let mut visit = visit("x");
        visit.as_object_mut().unwrap().remove(name);
        visit
    };
    let with = |name: &str, value: Value| {
        let mut visit = visit("x");
        visit[name] = value;
        visit
    };
    for (bad, status) in [
        (without("status"), 422),
        (without("participant"), 422),
        (without("end"), 422),
        (without("resourceType"), 400),
        (with("status", json!("bogus")), 422),
        (with("status", json!(1)), 422),
        (with("start", json!("2026-12-07 18:00")), 422),
        (with("participant", json!([])), 422),
        (with("participant", json!([{ "actor": {} }])), 422),
        (with("participant", json!([{ "status": "perhaps" }])), 422),
        (with("resourceType", json!("Patient")), 400),
        (json!([]), 400),
    ] {
        let refused = bench.post("Appointment", &bad).await;
        assert_eq!(refused.status, status, "{bad}");
        assert_eq!(refused.at("/resourceType"), "OperationOutcome");
        assert!(refused.at("/issue/0/details/text").is_string());
    }
    let unread = bench.http.post(bench.url("Appointment")).body("{").send().await.unwrap();
    assert_eq!(unread.status(), 400);
    let moved = bench.ask(Method::PUT, "Appointment/other", &[], Some(&visit("x"))).await;
    assert_eq!(moved.status, 400);
    for (method, path, status) in [
        (Method::GET, "appointment/x", 404),
        (Method::GET, "Appointment/no_id", 405),
        (Method::POST, "Appointment/visit-1", 405),
        (Method::POST, "Patient/jane/$cancel", 405),
        (Method::GET, "http://{root}/elsewhere", 404),
    ] {
        let path = path.replace("{root}", &bench.server.address().to_string());
        assert_eq!(bench.ask(method, &path, &[], Some(&json!({}))).await.status, status, "{path}");
    }
    bench.server.set(|knobs| knobs.any_status = true);
    let odd = bench.post("Appointment", &with("status", json!("bogus"))).await;
    assert_eq!((odd.status, odd.at("/status")), (201, &json!("bogus")));
}

#[tokio::test]
async fn a_write_can_be_answered_without_a_body() {
    let bench = Bench::start().await;
    let minimal = [("prefer", "return=minimal")];
    let made = bench.ask(Method::POST, "Appointment", &minimal, Some(&visit("x"))).await;
    assert_eq!((made.status, made.text.as_str(), made.header("etag")), (201, "", "W/\"1\""));
    bench.server.set(|knobs| knobs.no_body = true);
    let made = bench.post("Appointment", &visit("x")).await;
    assert_eq!((made.status, made.text.as_str(), made.header("etag")), (201, "", ""));
    assert!(made.header("location").contains("/Appointment/"));
    let mut changed = bench.server.get("Appointment/visit-1").unwrap();
    changed["status"] = json!("arrived");
    let done = put(&bench, "", &changed).await;
    assert_eq!((done.status, done.text.as_str()), (204, ""));
    assert_eq!(bench.server.get("Appointment/visit-1").unwrap()["status"], "arrived");
}

#[tokio::test]
async fn an_answer_changes_the_participant() {
    let bench = Bench::start().await;
    let response = |appointment: &str, actor: &str, answer: &str| {
        json!({
            "resourceType": "AppointmentResponse",
            "appointment": { "reference": appointment },
            "actor": { "reference": actor },
            "participantStatus": answer,
        })
    };
    let sent = response("Appointment/visit-1", "Patient/jane", "accepted");
    assert_eq!(bench.post("AppointmentResponse", &sent).await.status, 201);
    let visit = bench.server.get("Appointment/visit-1").unwrap();
    assert_eq!(visit["participant"][0]["status"], "accepted");
    assert_eq!(visit["meta"]["versionId"], "2");
    let absolute = format!("{}/Appointment/visit-1", bench.server.base_url());
    let sent = response(&absolute, "Patient/jane", "declined");
    assert_eq!(bench.post("AppointmentResponse", &sent).await.status, 201);
    let visit = bench.server.get("Appointment/visit-1").unwrap();
    assert_eq!(visit["participant"][0]["status"], "declined");
    assert_eq!(visit["status"], "booked");
    for bad in [
        response("Appointment/nobody", "Patient/jane", "accepted"),
        response("Appointment/visit-1", "Patient/john", "accepted"),
        response("Patient/jane", "Patient/jane", "accepted"),
        json!({ "resourceType": "AppointmentResponse" }),
    ] {
        assert_eq!(bench.post("AppointmentResponse", &bad).await.status, 422);
    }
    let found = bench.get("AppointmentResponse?appointment=visit-1").await;
    assert_eq!(found.at("/total"), 2);
}

#[tokio::test]
async fn the_operation_cancels_what_is_booked() {
    let bench = Bench::start().await;
    let reason = json!({ "coding": [{ "code": "pat" }] });
    let body = json!({
        "resourceType": "Parameters",
        "parameter": [{ "name": "cancelationReason", "valueCodeableConcept": reason }],
    });
    let done = bench.post("Appointment/visit-1/$cancel", &body).await;
    assert_eq!((done.status, done.at("/status")), (200, &json!("cancelled")));
    assert_eq!(done.at("/cancelationReason"), &reason);
    assert_eq!(bench.post("Appointment/visit-1/$cancel", &body).await.status, 400);
    assert_eq!(bench.post("Appointment/nobody/$cancel", &body).await.status, 404);
    let plain = bench.ask(Method::POST, "Appointment/visit-2/$cancel", &[], None).await;
    assert_eq!((plain.status, plain.at("/status")), (200, &json!("cancelled")));
}

#[tokio::test]
async fn another_user_comes_first() {
    let bench = Bench::start().await;
    let earlier = json!({ "start": "2026-12-04T17:00:00Z" });
    bench.server.set(|knobs| {
        let on = "Appointment/visit-1".to_owned();
        knobs.meddle = vec![Meddling { on, change: earlier.clone(), times: 2 }];
    });
    let patch = json!([{ "op": "replace", "path": "/status", "value": "cancelled" }]);
    assert_eq!(bench.json_patch("Appointment/visit-2", "W/\"1\"", &patch).await.status, 200);
    assert_eq!(bench.json_patch("Appointment/visit-1", "W/\"1\"", &patch).await.status, 412);
    let visit = bench.server.get("Appointment/visit-1").unwrap();
    assert_eq!((&visit["start"], &visit["status"]), (&earlier["start"], &json!("booked")));
    assert_eq!(bench.json_patch("Appointment/visit-1", "W/\"2\"", &patch).await.status, 412);
    assert_eq!(bench.json_patch("Appointment/visit-1", "W/\"3\"", &patch).await.status, 200);
    bench.server.meddle("Appointment/visit-2", json!({}));
    assert_eq!(bench.json_patch("Appointment/visit-2", "W/\"2\"", &patch).await.status, 412);
    // Where If-Match is not looked at, the change of the other is written over unseen.
    bench.server.set(|knobs| {
        let change = json!({ "status": "arrived" });
        knobs.meddle = vec![Meddling { on: String::new(), change, times: 1 }];
        knobs.ignore_if_match_on_patch = true;
    });
    assert_eq!(bench.json_patch("Appointment/visit-3", "W/\"1\"", &patch).await.status, 200);
    let visit = bench.server.get("Appointment/visit-3").unwrap();
    assert_eq!((&visit["status"], &visit["meta"]["versionId"]), (&json!("cancelled"), &json!("3")));
}
