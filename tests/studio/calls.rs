//! What flows ask of web servers, and what they make of the answers.

use std::sync::{Arc, Mutex};

use appointd::engine::view::Subject;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::TimeDelta;
use serde_json::json;

use crate::support::{ACCOUNT, Bench, JOHN, TOKEN};

/// What was asked, and the statuses of the next answers; 200 after that.
type Desk = Arc<Mutex<(Vec<String>, Vec<u16>)>>;

async fn answer(State(desk): State<Desk>, body: String) -> Response {
    let mut desk = desk.lock().unwrap();
    desk.0.push(body);
    let status = if desk.1.is_empty() { 200 } else { desk.1.remove(0) };
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, "application/json")], "{\"slot\":\"Friday\"}").into_response()
}

/// A bench with a flow that asks a server of this machine for a slot and texts it.
async fn bench(statuses: &[u16]) -> (Bench, Desk) {
    let desk = Desk::default();
    desk.lock().unwrap().1 = statuses.to_vec();
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let router = Router::new()
        .route("/slot", get(answer))
        .route("/next", post(answer))
        .with_state(Arc::clone(&desk));
    appointd::shutdown::Tasks::new()
        .spawn(async move { axum::serve(socket, router).await.unwrap() });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ask.json");
    std::fs::write(&path, flow(&address.to_string())).unwrap();
    let text = format!(
        "[outreach]\nflows = [\"{}\"]\nallow_hosts = [\"{address}\"]\n\
         [[outreach.function]]\nname = \"next-slot\"\nurl = \"http://{address}/next\"\n",
        path.display()
    );
    (Bench::start(&text).await, desk)
}

fn flow(address: &str) -> String {
    let text = |name: &str, body: &str| {
        let properties = json!({
            "body": body, "from": "{{flow.channel.address}}", "to": "{{contact.channel.address}}",
        });
        let transitions = json!([{ "event": "sent" }, { "event": "failed" }]);
        json!({
            "name": name, "type": "send-message", "properties": properties, "transitions": transitions,
        })
    };
    let ask = json!({
        "name": "ask", "type": "make-http-request",
        "properties": {
            "method": "GET", "content_type": "application/json",
            "url": format!("http://{address}/slot?name={{{{flow.data.patient_first_name}}}}"),
        },
        "transitions": [{ "event": "success", "next": "run" }, { "event": "failed", "next": "sorry" }],
    });
    let run = json!({
        "name": "run", "type": "run-function",
        "properties": {
            "url": "https://owl-1234.twil.io/next-slot",
            "parameters": [{ "key": "slot", "value": "{{widgets.ask.parsed.slot}}" }],
        },
        "transitions": [{ "event": "success", "next": "tell" }, { "event": "fail", "next": "sorry" }],
    });
    json!({
        "description": "Asks for a slot.", "initial_state": "Trigger",
        "flags": { "allow_concurrent_calls": true },
        "states": [
            {
                "name": "Trigger", "type": "trigger", "properties": {},
                "transitions": [{ "event": "incomingRequest", "next": "ask" }],
            },
            ask,
            run,
            text("tell", "Owl Clinic: next slot {{widgets.ask.parsed.slot}}."),
            text("sorry", "Owl Clinic: please call us."),
        ],
    })
    .to_string()
}

async fn start(bench: &Bench) {
    let parameters = json!({ "patient_id": "MRN2000", "patient_first_name": "John" }).to_string();
    let form = [("To", JOHN), ("From", "+15105550100"), ("Parameters", parameters.as_str())];
    let (status, answer) = bench.send("ask", Some((ACCOUNT, TOKEN)), &form).await;
    assert_eq!(status, 201, "{answer}");
}

#[tokio::test]
async fn a_flow_asks_a_server_and_texts_the_answer() {
    let (bench, desk) = bench(&[]).await;
    start(&bench).await;
    assert!(bench.texts(JOHN, 1).await[0].contains("next slot Friday"));
    assert_eq!(desk.lock().unwrap().0, ["", "slot=Friday"]);
    bench.stop().await;
}

#[tokio::test]
async fn a_server_that_refuses_is_the_flows_other_way() {
    let (bench, desk) = bench(&[404]).await;
    start(&bench).await;
    assert!(bench.texts(JOHN, 1).await[0].contains("please call us"));
    assert_eq!(desk.lock().unwrap().0.len(), 1);
    bench.stop().await;
}

#[tokio::test]
async fn a_server_that_is_out_of_order_is_asked_again() {
    let (bench, desk) = bench(&[503]).await;
    start(&bench).await;
    bench.settled(Subject::Outbox, |row| row["error"] == "503" && row["state"] == "ready").await;
    bench.world.clock.advance(TimeDelta::minutes(1));
    assert!(bench.texts(JOHN, 1).await[0].contains("next slot Friday"));
    assert_eq!(desk.lock().unwrap().0.len(), 3);
    bench.stop().await;
}
