//! Searches, pages, and what is wrong with them on demand.

use super::*;

#[tokio::test]
async fn appointments_are_found_by_their_parameters() {
    let bench = Bench::start().await;
    let base = bench.server.base_url();
    let all = ["visit-1", "visit-2", "visit-3"];
    let jane = ["visit-1", "visit-3"];
    let by_address = format!("patient={base}/Patient/jane");
    let cases: &[(&str, &[&str])] = &[
        ("", &all),
        ("_id=visit-1,visit-2", &["visit-1", "visit-2"]),
        ("patient=Patient/jane", &jane),
        ("patient=jane", &jane),
        (&by_address, &jane),
        ("patient=jane,john", &all),
        ("actor=Location/west", &["visit-2"]),
        ("actor:Patient=john", &["visit-2"]),
        ("location=west&patient=jane", &[]),
        ("practitioner=frances", &all),
        ("identifier=urn:owl-clinic:appointment|visit-3", &["visit-3"]),
        ("identifier=visit-3", &["visit-3"]),
        ("identifier=urn:other|visit-3", &[]),
        ("status=booked,arrived", &all),
        ("status:not=booked", &[]),
        ("date=ge2026-12-05&date=lt2026-12-07", &["visit-2"]),
        ("date=2026-12-04", &["visit-1"]),
        ("date=2026-12", &all),
        ("date=2026", &all),
        ("date=2026-11", &[]),
        ("date=eq2026-12-04T18:00:00Z", &["visit-1"]),
        ("date=gt2026-12-04T18:00:00Z", &["visit-2", "visit-3"]),
        ("date=le2026-12-04T12:00:00-06:00", &["visit-1"]),
        ("date=ne2026-12-04", &["visit-2", "visit-3"]),
        ("date=2027", &[]),
        ("unknown=parameter", &all),
        ("_sort=-date", &["visit-3", "visit-2", "visit-1"]),
    ];
    for (query, wanted) in cases {
        let found = bench.get(&format!("Appointment?{query}")).await;
        let wanted: Vec<String> = wanted.iter().map(|id| format!("Appointment/{id}")).collect();
        let mut entries = found.entries();
        if !query.starts_with("_sort") {
            entries.sort();
        }
        assert_eq!(entries, wanted, "{query}");
        assert_eq!(found.at("/total"), wanted.len());
        assert_eq!(found.at("/type"), "searchset");
    }
    for bad in [
        "date=yesterday",
        "_lastUpdated=ge2026-13-01",
        "_count=many",
        "date=2026-12-01T09:00:00+00:00",
    ] {
        assert_eq!(bench.get(&format!("Appointment?{bad}")).await.status, 400, "{bad}");
    }
    let posted = [("content-type", "application/x-www-form-urlencoded")];
    let request =
        bench.http.post(bench.url("Appointment/_search")).header(posted[0].0, posted[0].1);
    let found = answered(request.body("patient=john").send().await.unwrap()).await;
    assert_eq!(found.entries(), ["Appointment/visit-2"]);
    assert_eq!(bench.get("Patient?family=Doe").await.entries(), ["Patient/jane"]);
}

#[tokio::test]
async fn changes_are_found_by_when_they_were_made() {
    let bench = Bench::start().await;
    let cursor = bench.get("Appointment?_sort=-_lastUpdated&_count=1").await;
    let cursor = cursor.at("/entry/0/resource/meta/lastUpdated").as_str().unwrap().to_owned();
    bench.clock.advance(TimeDelta::minutes(1));
    bench.server.set_status("visit-2", "arrived").unwrap();
    bench.server.set_status("visit-1", "arrived").unwrap();
    let query = format!("Appointment?_lastUpdated=gt{cursor}&_sort=_lastUpdated");
    let found = bench.get(&query).await;
    assert_eq!(found.entries(), ["Appointment/visit-2", "Appointment/visit-1"]);
    let query = format!("Appointment?_lastUpdated=ge{cursor}&_sort=_lastUpdated");
    assert_eq!(bench.get(&query).await.entries().len(), 3, "ge finds the last one again");
    // Deletions never appear.
    bench.server.delete("Appointment/visit-1");
    assert_eq!(bench.get(&query).await.entries().len(), 2);
}

#[tokio::test]
async fn a_search_comes_in_pages_that_do_not_shift() {
    let bench = Bench::start().await;
    let first = bench.get("Appointment?_sort=_lastUpdated&_count=1").await;
    assert_eq!((first.at("/total"), first.entries().len()), (&json!(3), 1));
    bench.server.set_status("visit-1", "arrived").unwrap();
    let next = first.next().unwrap();
    assert!(next.starts_with(&bench.server.base_url()), "{next}");
    assert!(!next.contains("_sort"), "the link says nothing");
    let second = bench.get(&next).await;
    assert_eq!(second.entries(), ["Appointment/visit-2"]);
    let third = bench.get(&second.next().unwrap()).await;
    assert_eq!(third.entries(), ["Appointment/visit-3"]);
    assert_eq!(third.next(), None);
    assert_eq!(
        bench.get(&next).await.entries(),
        ["Appointment/visit-2"],
        "a page can be had again"
    );
    bench.server.set(|knobs| knobs.expire_pages = true);
    assert_eq!(bench.get(&next).await.status, 410);
    bench.server.set(|knobs| {
        knobs.expire_pages = false;
        knobs.page_max = 2;
    });
    assert_eq!(bench.get("Appointment?_count=50").await.entries().len(), 2);
    assert_eq!(bench.get("Appointment?page=made-up").await.status, 410);
}

#[tokio::test]
async fn what_appointments_point_to_is_included_once() {
    let bench = Bench::start().await;
    let query = "Appointment?_include=Appointment:patient&_include=Appointment:practitioner\
                 &_include=Appointment:location";
    let found = bench.get(query).await;
    let included = &found.entries()[3..];
    let all =
        ["Location/east", "Location/west", "Patient/jane", "Patient/john", "Practitioner/frances"];
    assert_eq!(included, all);
    let modes: Vec<&Value> = found
        .at("/entry")
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["search"]["mode"])
        .collect();
    assert_eq!(modes[..3], [&json!("match"); 3]);
    assert_eq!(modes[3..], [&json!("include"); 5]);
    let found = bench.get("Appointment?_id=visit-1&_include=Appointment:actor:Patient").await;
    assert_eq!(found.entries()[1..], ["Patient/jane"]);
    bench.server.change(
        "Appointment/visit-1",
        &json!({ "participant": [
        { "actor": { "reference": "http://192.0.2.1/fhir/Patient/jane" }, "status": "accepted" },
        { "actor": { "reference": "Patient/unknown" }, "status": "accepted" },
        { "actor": { "display": "Somebody" }, "status": "accepted" },
    ] }),
    );
    let found = bench.get("Appointment?_id=visit-1&_include=Appointment:patient").await;
    assert_eq!(found.entries().len(), 1);
    bench.server.set(|knobs| knobs.ignore_include = true);
    assert_eq!(bench.get(query).await.entries().len(), 3);
    bench.server.set(|knobs| knobs.no_search_mode = true);
    assert!(!bench.get(query).await.text.contains("\"mode\""));
}

#[tokio::test]
async fn a_page_can_hold_what_nobody_can_read() {
    let bench = Bench::start().await;
    bench.server.set(|knobs| {
        knobs.bad_entry = true;
        knobs.outcome_entry = true;
    });
    let first = bench.get("Appointment?_count=2").await;
    let entries = first.entries();
    assert_eq!(
        entries,
        ["Appointment/visit-1", "Appointment/broken-0", "Appointment/visit-2", "OperationOutcome/"]
    );
    assert_eq!(first.at("/entry/1/resource/status"), 17);
    assert_eq!(first.at("/entry/3/search/mode"), "outcome");
    let second = bench.get(&first.next().unwrap()).await;
    assert_eq!(
        second.entries(),
        ["Appointment/broken-2", "Appointment/visit-3", "OperationOutcome/"]
    );
}

#[tokio::test]
async fn links_can_lead_astray() {
    let bench = Bench::start().await;
    bench.server.set(|knobs| knobs.next = NextLink::Relative);
    let next = bench.get("Appointment?_count=2").await.next().unwrap();
    assert!(next.starts_with("Appointment?page="), "{next}");
    assert_eq!(bench.get(&next).await.entries(), ["Appointment/visit-3"]);
    bench.server.set(|knobs| knobs.next = NextLink::Elsewhere("http://192.0.2.1:80/".to_owned()));
    let next = bench.get("Appointment?_count=2").await.next().unwrap();
    assert!(next.starts_with("http://192.0.2.1:80/fhir/Appointment?page="), "{next}");
    bench.server.set(|knobs| {
        knobs.next = NextLink::Absolute;
        knobs.page_loop = true;
    });
    let mut page = bench.get("Appointment?_count=2").await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(page.entries().len());
        page = bench.get(&page.next().unwrap()).await;
    }
    assert_eq!(seen, [2, 1, 2, 1], "it never ends");
}

#[tokio::test]
async fn a_page_can_be_late() {
    let bench = Bench::start().await;
    bench.server.set(|knobs| knobs.slow_pages = true);
    let asked = bench.get("Appointment");
    let released = async {
        bench.server.wait_for(|server| !server.requests().is_empty()).await;
        bench.server.set(|knobs| knobs.slow_pages = false);
    };
    let (found, ()) = tokio::join!(asked, released);
    assert_eq!(found.entries().len(), 3);
    bench.server.set(|knobs| knobs.slow_pages = true);
    assert_eq!(bench.get("Appointment/visit-1").await.status, 200, "only searches are slow");
}

#[tokio::test]
async fn a_search_can_need_one_actor_and_two_dates() {
    let bench = Bench::start_with(|options| options.knobs = Knobs::like(Habit::Millennium)).await;
    let found =
        bench.get("Appointment?location=east,west&date=ge2026-12-01&date=lt2026-12-05").await;
    assert_eq!(found.entries(), ["Appointment/visit-1"]);
    assert_eq!(bench.get("Appointment?_id=visit-1").await.entries().len(), 1);
    for bad in [
        "_lastUpdated=ge2026-12-01",
        "date=ge2026-12-01&date=lt2026-12-05",
        "location=east&date=ge2026-12-01",
        "location=east&patient=jane&date=ge2026-12-01&date=lt2026-12-05",
        "location=east&date=ge2026-12-01&date=lt2026-12-05&_sort=date",
        "",
    ] {
        assert_eq!(bench.get(&format!("Appointment?{bad}")).await.status, 400, "{bad}");
    }
    assert_eq!(bench.get("Patient?_id=jane").await.status, 200);
}
