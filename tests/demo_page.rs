//! The demo's page over loopback: what it shows, what it takes, and what it refuses.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail the test"
)]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use appointd::cli::demo::page;
use appointd::clock::Clock;
use appointd::outbound::twilio::{Reach, http_client};
use appointd::sim::phone::{Direction, Text};
use appointd::sim::world::{Plan, World};
use appointd::sms::status::MessageStatus;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

struct Demo {
    world: World,
    url: String,
    http: reqwest::Client,
}

impl Demo {
    /// A demo on a Monday morning, Jane's visit booked and her text delivered.
    async fn start() -> Self {
        let clock = Clock::manual("2026-11-30T18:00:00Z".parse().unwrap());
        let world = World::start(Plan::at(clock)).await.unwrap();
        let router = page::router(&world).unwrap();
        let address = world.serve("127.0.0.1:0".parse().unwrap(), router).await.unwrap();
        page::book_first(&world).await.unwrap();
        let limit = Duration::from_secs(10);
        let http = http_client(Reach::PlainLoopback, limit, limit).unwrap();
        let demo = Self { world, url: format!("http://{address}"), http };
        demo.texts(1).await;
        demo
    }

    /// Waits until so many texts have reached their end.
    async fn texts(&self, count: usize) -> Vec<Text> {
        let is_done = |text: &&Text| match text.direction {
            Direction::Inbound | Direction::OutboundReply => true,
            Direction::OutboundApi => text.status == MessageStatus::Delivered,
        };
        self.world.carrier.wait_for(|texts| texts.iter().filter(is_done).count() >= count).await
    }

    async fn state(&self) -> Value {
        let answer = self.http.get(format!("{}/demo/state", self.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// Asks for the state until it is as wanted: an `AA` means that the message is kept, and what
    /// it changes can be read a moment later.
    async fn state_once(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let wait = async {
            loop {
                let state = self.state().await;
                if wanted(&state) {
                    return state;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap()
    }

    async fn post(&self, path: &str, order: Value) -> (u16, Value) {
        self.post_as("application/json", path, order.to_string()).await
    }

    async fn post_as(&self, kind: &str, path: &str, body: String) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.url)).header(CONTENT_TYPE, kind);
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

fn booking() -> Value {
    json!({
        "given": "John", "family": "Roe", "phone": "415-555-0124",
        "start": "2026-12-07T14:30", "location": "WEST",
    })
}

fn with(mut order: Value, field: &str, value: Value) -> Value {
    order[field] = value;
    order
}

fn reasons(state: &Value) -> Vec<&str> {
    let cards = state["engine"].as_array().unwrap().iter();
    cards
        .flat_map(|card| card["history"].as_array().unwrap())
        .map(|line| line["because"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_page_is_alive_on_arrival() {
    let demo = Demo::start().await;
    let state = demo.state().await;
    assert_eq!(state["ehr"][0]["patient"], "Jane Doe");
    assert_eq!(state["ehr"][0]["start"], "2026-12-03T10:00");
    assert_eq!(state["messages"][0]["trigger"], "SIU^S12");
    assert!(state["messages"][0]["segments"][0].as_str().unwrap().starts_with("MSH|"));
    assert_eq!(state["phones"][0]["phone"], "+14155550123");
    assert_eq!(state["phones"][0]["bubbles"][0]["side"], "practice");
    assert_eq!(state["engine"][0]["disposition"], "QUEUED");
    assert!(reasons(&state).contains(&"booking notice queued"));
    assert_eq!(state["next"]["what"], "reminder 1");
    assert_eq!(state["next"]["at"], "2026-12-01T18:00:00Z");
    assert_eq!(state["tasks"], json!([]));
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere_and_no_inline_code() {
    let demo = Demo::start().await;
    let mut pages = Vec::new();
    for path in ["/", "/page.css", "/page.js", "/owl.svg"] {
        let answer = demo.http.get(format!("{}{path}", demo.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_guarded(answer.headers());
        pages.push(answer.text().await.unwrap());
    }
    let html = &pages[0];
    assert!(!html.contains("//") || html.matches("//").count() == html.matches("<!--").count());
    for banned in ["<style", "style=", "<script>", "onclick=", "javascript:"] {
        assert!(!html.contains(banned), "{banned}");
    }
    for banned in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!pages[2].contains(banned), "{banned}");
    }
}

fn assert_guarded(headers: &HeaderMap) {
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(!policy.contains("unsafe"));
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(!headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_booking_becomes_a_message_and_a_text() {
    let demo = Demo::start().await;
    let (status, answer) = demo.post("/demo/book", booking()).await;
    assert_eq!((status, &answer["answer"]), (200, &json!("AA")));
    let texts = demo.texts(2).await;
    assert!(texts[1].body.expose().contains("Hi John"));
    assert_eq!(texts[1].to.as_str(), "+14155550124");
    let state = demo.state().await;
    assert_eq!(state["phones"][1]["names"], json!(["John Roe"]));
    assert_eq!(state["engine"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_reply_is_explained_and_brought_to_the_ehr() {
    let demo = Demo::start().await;
    let reply = json!({ "phone": "+14155550123", "text": "C" });
    assert_eq!(demo.post("/demo/reply", reply).await.0, 200);
    demo.texts(3).await;
    demo.world.ehr.wait_for(|lines| lines.iter().any(|line| line.from == "appointd")).await;
    let state = demo.state().await;
    assert_eq!(state["phones"][0]["bubbles"][1]["side"], "patient");
    assert!(reasons(&state).contains(&"understood as confirm"));
    assert_eq!(state["engine"][0]["wish"]["kind"], "is coming");
}

#[tokio::test]
async fn after_stop_the_page_says_why_there_is_no_text() {
    let demo = Demo::start().await;
    demo.post("/demo/reply", json!({ "phone": "415 555 0123", "text": "STOP" })).await;
    demo.texts(3).await;
    let order = json!({ "action": "reschedule", "id": "10000", "start": "2026-12-04T09:00" });
    assert_eq!(demo.post("/demo/change", order).await.0, 200);
    let state = demo.state_once(|state| reasons(state).len() > 3).await;
    assert_eq!(reasons(&state)[0], "the phone is opted out of texts");
    assert_eq!(state["phones"][0]["blocked"], true);
    assert_eq!(state["engine"][0]["disposition"], "OPTED-OUT");
}

#[tokio::test]
async fn the_clock_stops_at_every_planned_moment_on_its_way() {
    let demo = Demo::start().await;
    assert_eq!(demo.post("/demo/clock", json!({ "by": "next" })).await.0, 200);
    let texts = demo.texts(2).await;
    assert!(texts[1].body.expose().contains("Reminder for Jane"));
    demo.post("/demo/clock", json!({ "by": "hour" })).await;
    // The second reminder is due 23 hours later, within the day.
    demo.post("/demo/clock", json!({ "by": "day" })).await;
    let texts = demo.texts(3).await;
    assert_eq!(texts[2].at.to_rfc3339(), "2026-12-02T18:00:00+00:00");
    let state = demo.state().await;
    assert_eq!(state["now"], "2026-12-02T19:00:00Z");
    assert_eq!(state["engine"][0]["disposition"], "REMINDED-2");
}

#[tokio::test]
async fn a_change_reaches_the_patient() {
    let demo = Demo::start().await;
    let cases = [
        (json!({ "action": "relocate", "id": "10000", "location": "WEST" }), "SIU^S14"),
        (json!({ "action": "no_show", "id": "10000" }), "SIU^S26"),
        (json!({ "action": "cancel", "id": "10000" }), "SIU^S15"),
    ];
    for (order, trigger) in cases {
        assert_eq!(demo.post("/demo/change", order).await.0, 200, "{trigger}");
        assert_eq!(demo.state().await["messages"][0]["trigger"], trigger);
    }
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let demo = Demo::start().await;
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"] {
        for path in ["/demo/book", "/demo/change", "/demo/reply", "/demo/clock"] {
            let (status, answer) = demo.post_as(kind, path, booking().to_string()).await;
            assert_eq!(status, 415, "{kind} {path}");
            assert_eq!(answer["detail"], "send application/json");
        }
    }
    assert_eq!(demo.state().await["ehr"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bad_bodies_are_refused_without_being_repeated() {
    let demo = Demo::start().await;
    let huge = with(booking(), "given", json!("J".repeat(20_000))).to_string();
    let cases = [
        (413, huge),
        (400, "{".to_owned()),
        (400, String::new()),
        (422, "[]".to_owned()),
        (422, "{\"given\": 7}".to_owned()),
        (422, with(booking(), "secret", json!("x")).to_string()),
    ];
    for (expected, body) in cases {
        let (status, answer) = demo.post_as("application/json", "/demo/book", body).await;
        assert_eq!(status, expected, "{answer}");
        assert!(!answer.to_string().contains("secret"));
    }
    let deep = "[".repeat(10_000);
    assert_eq!(demo.post_as("application/json", "/demo/clock", deep).await.0, 400);
}

#[tokio::test]
async fn bad_fields_are_named() {
    let demo = Demo::start().await;
    let cases = [
        ("given", json!("  ")),
        ("family", json!("Roe\rPID|1")),
        ("family", json!("R".repeat(51))),
        ("phone", json!("12")),
        ("phone", json!("")),
        ("phone", json!("415-555-0124\r\nZZZ|1")),
        ("start", json!("2026-02-31T09:00")),
        ("start", json!("tomorrow")),
        ("start", json!("")),
        ("start", json!("9999-12-31T09:00")),
        ("start", json!("-0001-12-31T09:00")),
        ("location", json!("NORTH")),
    ];
    for (field, value) in cases {
        let (status, answer) = demo.post("/demo/book", with(booking(), field, value.clone())).await;
        assert_eq!((status, &answer["field"]), (422, &json!(field)), "{value}");
    }
    assert_eq!(demo.state().await["ehr"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn orders_about_the_unknown_are_refused() {
    let demo = Demo::start().await;
    let cases = [
        ("/demo/change", json!({ "action": "cancel", "id": "9" }), 404),
        ("/demo/change", json!({ "action": "delete", "id": "10000" }), 422),
        ("/demo/change", json!({ "action": "reschedule", "id": "10000", "start": "x" }), 422),
        ("/demo/change", json!({ "action": "relocate", "id": "10000", "location": "" }), 422),
        ("/demo/reply", json!({ "phone": "415-555-0199", "text": "C" }), 404),
        ("/demo/reply", json!({ "phone": "415-555-0123", "text": " " }), 422),
        ("/demo/reply", json!({ "phone": "415-555-0123", "text": "x".repeat(1601) }), 422),
        ("/demo/clock", json!({ "by": "year" }), 422),
        ("/demo/nothing", json!({}), 404),
        ("/demo/state", json!({}), 405),
    ];
    for (path, order, expected) in cases {
        let (status, answer) = demo.post(path, order.clone()).await;
        assert_eq!(status, expected, "{path} {order} {answer}");
    }
}

#[tokio::test]
async fn names_cannot_break_out_of_the_message() {
    let demo = Demo::start().await;
    let order = with(booking(), "family", json!("<b>|^~\\&Roe"));
    assert_eq!(demo.post("/demo/book", order).await.1["answer"], "AA");
    let name = json!("John <b>|^~\\&Roe");
    demo.state_once(|state| state["engine"][0]["patient"] == name).await;
}

#[tokio::test]
async fn the_book_has_an_end() {
    let demo = Demo::start().await;
    for _ in 1..50 {
        assert_eq!(demo.post("/demo/book", booking()).await.0, 200);
    }
    assert_eq!(demo.post("/demo/book", booking()).await.0, 409);
    demo.state_once(|state| state["engine"].as_array().unwrap().len() == 50).await;
}

fn demo_command(listen: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_appointd"))
        .args(["demo", "--listen", listen])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn the_command_says_where_the_page_is_and_ends_cleanly() {
    use rustix::process::{Pid, Signal, kill_process};
    for signal in [Signal::INT, Signal::TERM] {
        let mut child = demo_command("127.0.0.1:0");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("Open http://127.0.0.1:"), "{line}");
        assert!(line.ends_with("/ in a browser; Ctrl-C ends it.\n"), "{line}");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_taken_port_is_told_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let output = demo_command(&listen).wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains(&listen) && told.contains("--listen 127.0.0.1:"), "{told}");
}

#[test]
fn the_page_is_served_on_loopback_only() {
    let output = demo_command("0.0.0.0:0").wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(64));
}
