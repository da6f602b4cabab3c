//! What scripts rely on in the API: problems in one shape, narrowing that shows nobody else's rows,
//! a description that names every route.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use appointd::clock::Clock;
use appointd::sim::ehr::{SimAppointment, SimPatient};
use appointd::sim::world::{Plan, World};
use chrono::{TimeZone as _, Utc};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far more than anything here takes: what hangs fails.
const WITHIN: Duration = Duration::from_secs(120);

const DESCRIPTION: &str = include_str!("../src/http/openapi.json");

/// Where routes stand, and below which path.
const ROUTES: [(&str, &str); 5] = [
    ("/api/v1", include_str!("../src/http/api.rs")),
    ("/api/v1", include_str!("../src/http/campaigns/mod.rs")),
    ("", include_str!("../src/http/mod.rs")),
    ("/fhir", include_str!("../src/http/fhir.rs")),
    ("/v2/Flows", include_str!("../src/http/studio.rs")),
];

#[test]
fn the_description_names_every_route_and_no_other() {
    let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let mut count = 0;
    for (base, source) in ROUTES {
        for line in source.split(".route(\"").skip(1) {
            let (path, rest) = line.split_once('"').unwrap();
            let path = format!("{base}{}", path.replace("{*", "{"));
            let described = paths.get(&path).unwrap_or_else(|| panic!("{path}"));
            let handlers = rest.lines().next().unwrap();
            for method in ["get", "post", "put", "delete"] {
                let is_taken = handlers.contains(&format!("{method}("));
                assert!(!is_taken || described.get(method).is_some(), "{method} {path}");
            }
            count += 1;
        }
    }
    assert_eq!(paths.len(), count);
}

#[test]
fn what_the_description_refers_to_is_there() {
    let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    let mut ids = std::collections::BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
            assert!(operation["responses"].is_object(), "{method} {path}");
            let parameters = operation["parameters"].as_array();
            for name in path.split('{').skip(1).map(|part| part.split('}').next().unwrap()) {
                let is_there = |known: &Value| known["name"] == name && known["in"] == "path";
                assert!(parameters.unwrap().iter().any(is_there), "{method} {path} {name}");
            }
        }
    }
    for reference in DESCRIPTION.split("\"$ref\": \"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(description.pointer(pointer).is_some(), "{pointer}");
    }
    let subjects =
        &description["paths"]["/api/v1/query/{subject}"]["get"]["parameters"][0]["schema"]["enum"];
    let known: Vec<&str> =
        appointd::engine::view::Subject::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(*subjects, Value::from(known));
}

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let world = World::start(plan()).await.unwrap();
    for (line, body, status) in [
        ("GET /api/v1/query/tasks?nobody=1", "", 400),
        ("GET /api/v1/query/tasks?limit=x", "", 400),
        ("GET /api/v1/tasks?limit=-1", "", 400),
        ("GET /api/v1/tasks?phone=nobody", "", 400),
        ("GET /api/v1/query/quarantine?patient=MRN1", "", 400),
        ("GET /api/v1/query/consent?appointment=1", "", 400),
        ("GET /api/v1/query/servers?phone=4155550123", "", 400),
        ("GET /api/v1/messages/recorded?after=x", "", 400),
        ("GET /api/v1/messages/x/raw", "", 400),
        ("GET /api/v1/messages/x/explain", "", 400),
        ("POST /api/v1/replay", "{", 400),
        ("POST /api/v1/replay", r#"{"ids":"all"}"#, 422),
        ("POST /api/v1/appointments/remind", "{}", 422),
        ("POST /api/v1/store/backup", "[]", 422),
        ("POST /api/v1/tasks", "{}", 405),
        ("DELETE /api/v1/consent/4155550123", "", 405),
        ("GET /api/v1/replay", "", 405),
        ("POST /healthz", "", 405),
        ("GET /twilio/inbound", "", 405),
    ] {
        let (head, body) = ask(&world, line, body).await;
        assert!(head.contains("content-type: application/problem+json"), "{line} {head} {body}");
        let told: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(told["status"], status, "{line} {body}");
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{line} {head}");
        assert!(told["detail"].is_string() && told["title"].is_string(), "{line} {body}");
        assert_eq!(head.contains("\r\nallow: "), status == 405, "{line} {head}");
    }
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_patients_rows_are_of_that_patient_alone() {
    let world = World::start(plan()).await.unwrap();
    for id in [1, 2] {
        tokio::time::timeout(WITHIN, world.ehr.book(visit(id))).await.unwrap();
    }
    let rows = |path: String| {
        let world = &world;
        async move {
            let (_, body) = ask(world, &format!("GET /api/v1{path}"), "").await;
            serde_json::from_str::<Value>(&body).unwrap().as_array().unwrap().clone()
        }
    };
    assert_eq!(rows("/query/outbox".to_owned()).await.len(), 2);
    let theirs = rows("/query/outbox?patient=MRN1".to_owned()).await;
    assert_eq!(theirs.len(), 1, "{theirs:?}");
    assert_eq!(rows("/query/outbox?appointment=20002".to_owned()).await.len(), 1);
    assert!(rows("/query/outbox?appointment=20002&patient=MRN1".to_owned()).await.is_empty());
    assert!(rows("/query/outbox?patient=nobody".to_owned()).await.is_empty());
    assert!(rows("/query/tasks?patient=nobody".to_owned()).await.is_empty());
    world.stop().await.unwrap();
}

fn plan() -> Plan {
    Plan::at(Clock::manual(Utc.with_ymd_and_hms(2026, 11, 30, 18, 0, 0).unwrap()))
}

fn visit(id: u32) -> SimAppointment {
    SimAppointment {
        id: format!("2000{id}"),
        patient: SimPatient {
            mrn: format!("MRN{id}"),
            given: "Jane".to_owned(),
            family: "Doe".to_owned(),
            phone: format!("(415) 555-{:04}", 100 + id),
        },
        start: "2026-12-08T09:30:00".parse().unwrap(),
        location: "EAST".to_owned(),
        status: "Booked".to_owned(),
    }
}

/// Head, in small letters, and body of an answer.
async fn ask(world: &World, line: &str, body: &str) -> (String, String) {
    let (token, length) = (world.daemon.token.expose(), body.len());
    let text = format!(
        "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let work = async {
        let mut stream = TcpStream::connect(world.daemon.http).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(WITHIN, work).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}
