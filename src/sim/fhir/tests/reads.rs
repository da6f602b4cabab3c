//! Reading resources and their versions.

use super::*;

#[tokio::test]
async fn a_resource_is_read_with_its_version() {
    let bench = Bench::start().await;
    let read = bench.get("Appointment/visit-1").await;
    assert_eq!(read.status, 200);
    assert_eq!(read.header("etag"), "W/\"1\"");
    assert_eq!(read.header("content-type"), "application/fhir+json");
    assert!(read.header("last-modified").ends_with("GMT"));
    assert_eq!(read.at("/meta/versionId"), "1");
    assert_eq!(read.at("/status"), "booked");
    assert_eq!(read.at("/start"), "2026-12-04T18:00:00Z");
    let known = [("if-none-match", "W/\"1\"")];
    let known = bench.ask(Method::GET, "Appointment/visit-1", &known, None).await;
    assert_eq!((known.status, known.text.as_str()), (304, ""));
    let other = [("if-none-match", "W/\"7\"")];
    assert_eq!(bench.ask(Method::GET, "Appointment/visit-1", &other, None).await.status, 200);
    let requests = bench.server.requests();
    assert_eq!(requests[0].path, "/fhir/Appointment/visit-1");
    assert_eq!(requests[1].header("If-None-Match"), Some("W/\"1\""));
    assert_eq!(requests.iter().map(|r| r.status).collect::<Vec<_>>(), [200, 304, 200].map(Some));
}

#[tokio::test]
async fn every_version_stays_readable_and_what_is_deleted_is_gone() {
    let bench = Bench::start().await;
    bench.server.cancel("visit-1", "prov").unwrap();
    assert!(bench.server.delete("Appointment/visit-1"));
    let first = bench.get("Appointment/visit-1/_history/1").await;
    assert_eq!((first.status, first.at("/status")), (200, &json!("booked")));
    let second = bench.get("Appointment/visit-1/_history/2").await;
    assert_eq!(second.at("/cancelationReason/coding/0/code"), "prov");
    assert!(second.at("/meta/lastUpdated").as_str() > first.at("/meta/lastUpdated").as_str());
    assert_eq!(bench.get("Appointment/visit-1/_history/3").await.status, 410);
    assert_eq!(bench.get("Appointment/visit-1/_history/4").await.status, 404);
    let gone = bench.get("Appointment/visit-1").await;
    assert_eq!((gone.status, gone.at("/resourceType")), (410, &json!("OperationOutcome")));
    assert_eq!(gone.at("/issue/0/code"), "deleted");
    let history = bench.get("Appointment/visit-1/_history").await;
    assert_eq!(history.at("/total"), 3);
    assert_eq!(history.at("/entry/0/request/method"), "DELETE");
    let unknown = bench.get("Appointment/nobody").await;
    assert_eq!((unknown.status, unknown.at("/issue/0/code")), (404, &json!("not-found")));
    assert!(!bench.server.delete("Appointment/visit-1"));
}

#[tokio::test]
async fn the_server_tells_its_version_and_what_it_can() {
    for (version, number) in
        [(Version::R4, "4.0.1"), (Version::R4b, "4.3.0"), (Version::R5, "5.0.0")]
    {
        let bench = Bench::start_with(|options| options.version = version).await;
        let told = bench.get("metadata").await;
        assert_eq!(told.at("/resourceType"), "CapabilityStatement");
        assert_eq!(told.at("/fhirVersion"), number);
        assert!(told.text.contains("_lastUpdated") && told.text.contains("Subscription"));
        bench.server.set(|knobs| {
            knobs.no_subscriptions = true;
            knobs.needs_actor = true;
        });
        let told = bench.get("metadata").await;
        assert!(!told.text.contains("_lastUpdated") && !told.text.contains("Subscription"));
        assert_eq!(bench.get("Subscription").await.status, 404);
    }
}

#[tokio::test]
async fn an_appointment_has_the_shape_of_its_version() {
    let bench = Bench::start_with(|options| options.version = Version::R5).await;
    bench.server.cancel("visit-1", "pat").unwrap();
    let visit = bench.server.get("Appointment/visit-1").unwrap();
    assert_eq!(visit["participant"][0]["required"], true);
    assert_eq!(visit["serviceType"][0]["concept"]["text"], "Check-up");
    assert_eq!(visit["cancellationReason"]["coding"][0]["code"], "pat");
    let bench = Bench::start().await;
    let visit = bench.server.get("Appointment/visit-1").unwrap();
    assert_eq!(visit["participant"][0]["required"], "required");
    assert_eq!(visit["serviceType"][0]["text"], "Check-up");
}

#[tokio::test]
async fn the_front_desk_changes_what_it_says() {
    let bench = Bench::start().await;
    let server = &bench.server;
    assert_eq!(server.confirm_by_staff("visit-1").as_deref(), Some("2"));
    let visit = server.get("Appointment/visit-1").unwrap();
    assert_eq!(visit["participant"][0]["status"], "accepted");
    let start = Utc.with_ymd_and_hms(2026, 12, 5, 20, 0, 0).unwrap();
    assert_eq!(server.move_to("visit-1", start).as_deref(), Some("3"));
    let visit = server.get("Appointment/visit-1").unwrap();
    assert_eq!(visit["start"], "2026-12-05T20:00:00Z");
    assert_eq!(visit["end"], "2026-12-05T20:30:00Z");
    assert_eq!(visit["participant"][0]["status"], "needs-action", "the new time is not confirmed");
    assert_eq!(server.set_status("visit-1", "noshow").as_deref(), Some("4"));
    assert_eq!(server.change("Appointment/visit-1", &json!({})).as_deref(), Some("5"));
    assert_eq!(server.get("Appointment/visit-1").unwrap()["status"], "noshow");
    assert_eq!(server.set_status("nobody", "booked"), None);
    assert_eq!(server.all("Appointment").len(), 3);
    assert!(matches!(server.put(json!({ "id": "x" })), Err(Error::NoResource)));
    assert!(matches!(server.put(json!({ "resourceType": "Patient" })), Err(Error::NoResource)));
    // An offset that was written stays.
    let eastern = chrono::FixedOffset::west_opt(5 * 3600).unwrap();
    let visit =
        Visit { start: start.with_timezone(&eastern), ..Visit::new("visit-9", "jane", start) };
    server.book(&visit).unwrap();
    server.move_to("visit-9", start + TimeDelta::hours(1)).unwrap();
    let moved = server.get("Appointment/visit-9").unwrap();
    assert_eq!(moved["start"], "2026-12-05T16:00:00-05:00");
}

#[tokio::test]
async fn versions_and_times_can_be_useless() {
    let bench = Bench::start().await;
    bench.server.set(|knobs| knobs.no_etag = true);
    let read = bench.get("Appointment/visit-1").await;
    assert_eq!((read.header("etag"), read.at("/meta/versionId")), ("", &json!("1")));
    bench.server.set(|knobs| knobs.no_version_id = true);
    let read = bench.get("Appointment/visit-1").await;
    assert_eq!((read.header("etag"), read.at("/meta/versionId")), ("", &Value::Null));
    let known = [("if-none-match", "W/\"1\"")];
    assert_eq!(bench.ask(Method::GET, "Appointment/visit-1", &known, None).await.status, 200);
    bench.server.set(|knobs| knobs.last_updated_now = true);
    bench.clock.advance(TimeDelta::hours(2));
    let read = bench.get("Appointment/visit-1").await;
    assert_eq!(read.at("/meta/lastUpdated"), "2026-12-01T11:00:00.000Z");
    let bench = Bench::start_with(|options| options.knobs.uuid_versions = true).await;
    let first = bench.get("Appointment/visit-1").await;
    bench.server.set_status("visit-1", "arrived").unwrap();
    let second = bench.get("Appointment/visit-1").await;
    assert_eq!(first.at("/meta/versionId").as_str().unwrap().len(), 36);
    assert_ne!(first.header("etag"), second.header("etag"));
}

#[tokio::test]
async fn answers_can_be_larger_than_anybody_wants() {
    let bench = Bench::start().await;
    bench.server.set(|knobs| knobs.pad_answers = 20_000_000);
    let read = bench.get("Appointment/visit-1").await;
    assert!(read.text.len() > 20_000_000);
    assert_eq!(read.at("/status"), "booked");
    for path in ["Appointment?_count=1", "Appointment?_id=nobody"] {
        let found = bench.get(path).await;
        assert!(found.text.len() > 20_000_000);
        assert_eq!(found.at("/resourceType"), "Bundle");
    }
}

#[tokio::test]
async fn another_version_of_fhir_can_be_refused() {
    let bench = Bench::start().await;
    let accept = [("accept", "application/fhir+json; fhirVersion=4.3")];
    assert_eq!(bench.ask(Method::GET, "Appointment/visit-1", &accept, None).await.status, 200);
    bench.server.set(|knobs| knobs.strict_version = true);
    assert_eq!(bench.ask(Method::GET, "Appointment/visit-1", &accept, None).await.status, 406);
    let accept = [("accept", "application/fhir+json; fhirVersion=4.0")];
    assert_eq!(bench.ask(Method::GET, "Appointment/visit-1", &accept, None).await.status, 200);
    let sent = [("content-type", "application/fhir+json; fhirVersion=4.3")];
    let visit = bench.server.get("Appointment/visit-1").unwrap();
    let put = bench.ask(Method::PUT, "Appointment/visit-1", &sent, Some(&visit)).await;
    assert_eq!(put.status, 415);
}
