//! Campaigns over the API and the command line: a list comes in, is judged, becomes a campaign, is
//! ordered about, and its answers come out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use appointd::app::{App, Running};
use appointd::clock::Clock;
use appointd::core::contact::Programme;
use appointd::core::event::{Event, Reply};
use appointd::core::flow::{Program, Tools};
use appointd::core::phone::PhoneNumber;
use appointd::phi::Phi;
use appointd::settings;
use appointd::store::{Memory, Store};
use chrono::{TimeDelta, TimeZone as _, Utc};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far more than anything here takes: what hangs fails.
const WITHIN: Duration = Duration::from_secs(120);
/// How often it is looked whether something has happened.
const LOOKS_MAX: u32 = 2_000;

const FLOW: &str = r#"{"description": "Asks one thing", "initial_state": "Trigger", "flags": {}, "states": [
 {"name": "Trigger", "type": "trigger", "properties": {},
  "transitions": [{"event": "incomingRequest", "next": "pain"}]},
 {"name": "pain", "type": "send-and-wait-for-reply",
  "transitions": [{"event": "incomingMessage", "next": "thanks"}, {"event": "timeout"}, {"event": "deliveryFailure"}],
  "properties": {"to": "{{contact.channel.address}}", "from": "{{flow.channel.address}}", "timeout": "3600",
   "body": "Owl Clinic: Hi {{flow.data.patient_first_name}}, how is your {{flow.data.part}}?"}},
 {"name": "thanks", "type": "send-message", "transitions": [{"event": "sent"}, {"event": "failed"}],
  "properties": {"to": "{{contact.channel.address}}", "from": "{{flow.channel.address}}", "body": "Thank you."}}]}"#;

const LIST: &str = "patient_id;patient_first_name;patient_phone;part\r\n\
    MRN1;Jane;(415) 555-0101;knee\r\nMRN2;John;(415) 555-0102;hip\r\n";

struct Daemon {
    running: Running,
    clock: Clock,
}

async fn daemon() -> Daemon {
    let text = "[practice]\nname = \"Owl Clinic\"\ncallback_phone = \"+15105550100\"\n\
                time_zone = \"America/Los_Angeles\"\n[store]\nengine = \"memory\"\n\
                [http]\nlisten = \"127.0.0.1:0\"\n[sms]\nbackend = \"memory\"\nsegments_per_second = 1000\n";
    let mut settings = settings::from_text(text, "".as_ref()).unwrap().settings;
    let files = [("asks".to_owned(), FLOW.to_owned())].into();
    let program = Program::read("asks", &files, &Tools::default()).unwrap();
    settings.rules.outreach.flows.insert("asks".to_owned(), Arc::new(program));
    // 10:00 in Los Angeles.
    let clock = Clock::manual(Utc.with_ymd_and_hms(2026, 11, 30, 18, 0, 0).unwrap());
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let app = App::build(settings, store, clock.clone()).await.unwrap();
    Daemon { running: app.start().unwrap(), clock }
}

impl Daemon {
    async fn ask(&self, line: &str, body: &str) -> (u16, String, String) {
        ask(self.running.http, self.running.token.expose(), line, body).await
    }

    async fn json(&self, line: &str, body: &str) -> (u16, Value) {
        let (status, _, body) = self.ask(line, body).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{line} {body}")))
    }

    async fn make(&self, query: &str, list: &str) -> (u16, Value) {
        self.json(&format!("POST /api/v1/campaigns?flow=asks{query}"), list).await
    }

    async fn order(&self, id: &str, order: &str) -> (u16, Value) {
        self.json(&format!("POST /api/v1/campaigns/{id}/{order}"), r#"{"by":"Frances"}"#).await
    }

    async fn campaign(&self, id: &str) -> Value {
        self.json(&format!("GET /api/v1/campaigns/{id}"), "").await.1
    }

    /// Moves the clock until a campaign is as wanted.
    async fn until(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..LOOKS_MAX {
            let row = self.campaign(id).await;
            if is_so(&row) {
                return row;
            }
            self.clock.advance(TimeDelta::seconds(1));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{}", self.campaign(id).await);
    }

    async fn reply(&self, from: &str, body: &str) {
        let reply = Reply {
            message_id: format!("SM{from}{body}"),
            from: PhoneNumber::parse_e164(from).unwrap(),
            body: Phi::new(body.to_owned()),
            handled: None,
            sent_at: None,
            media: 0,
        };
        self.running.handle.act(Event::ReplyReceived(reply)).await;
    }
}

async fn ask(to: SocketAddr, token: &str, line: &str, body: &str) -> (u16, String, String) {
    let length = body.len();
    let text = format!(
        "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let work = async {
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(WITHIN, work).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, body) = (&answer[..end], &answer[end + 4..]);
    let head = String::from_utf8_lossy(head).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let is_chunked = head.contains("transfer-encoding: chunked");
    let body = if is_chunked { joined(body) } else { body.to_vec() };
    (status, head, String::from_utf8_lossy(&body).into_owned())
}

/// A body that came in chunks.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = std::str::from_utf8(&body[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            break;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
    whole
}

fn id_of(told: &Value) -> String {
    told["campaign"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_dry_run_shows_everything_and_makes_nothing() {
    let daemon = daemon().await;
    let (status, told) = daemon.make("&dry_run=true", LIST).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!((&told["survey"]["rows"], &told["survey"]["faulty"]), (&json!(2), &json!(0)));
    assert_eq!(told["survey"]["delimiter"], ";");
    let sample = &told["quote"]["samples"][0];
    assert_eq!(sample["body"], "Owl Clinic: Hi Jane, how is your knee?");
    assert_eq!((&told["quote"]["texts"], &told["quote"]["segments"]), (&json!(2), &json!(2)));
    assert_eq!(told["campaign"], Value::Null);
    assert_eq!(daemon.json("GET /api/v1/campaigns", "").await.1, json!([]));
    let (_, flows) = daemon.json("GET /api/v1/flows", "").await;
    assert_eq!(flows[0]["name"], "asks");
    assert_eq!(flows[0]["questions"][0]["name"], "pain");
    daemon.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_list_with_faults_is_taken_only_without_them() {
    let daemon = daemon().await;
    let list = format!("{LIST}MRN3;Frances;12;toe\r\nMRN4;Jo;(415) 555-0101;toe\r\n");
    let (status, told) = daemon.make("", &list).await;
    assert_eq!((status, &told["status"]), (422, &json!(422)), "{told}");
    assert_eq!(told["survey"]["faulty"], 2);
    assert_eq!(told["survey"]["findings"][0]["line"], 4);
    assert_eq!(daemon.json("GET /api/v1/campaigns", "").await.1, json!([]));
    let line = "POST /api/v1/campaigns?flow=asks&dry_run=true&findings=csv";
    let (status, _, table) = daemon.ask(line, &list).await;
    assert_eq!(status, 200);
    assert!(table.starts_with("line,column,kind,fault,problem\r\n4,patient_phone,phone,true,"));
    assert_eq!(table.lines().count(), 3, "{table}");
    let (status, told) = daemon.make("&skip_faulty=true", &list).await;
    assert_eq!((status, &told["campaign"]["recipients"]), (201, &json!(2)), "{told}");
    daemon.running.stop().await.unwrap();
}

#[tokio::test]
async fn the_same_list_goes_through_the_same_flow_once() {
    let daemon = daemon().await;
    let (status, first) = daemon.make("&start=false", LIST).await;
    assert_eq!((status, &first["campaign"]["state"]), (201, &json!("loading")), "{first}");
    let (status, told) = daemon.make("", LIST).await;
    assert_eq!((status, &told["field"]), (409, &json!("again")));
    assert!(told["detail"].as_str().unwrap().contains(&id_of(&first)), "{told}");
    // What was stopped before it began has texted nobody.
    assert_eq!(daemon.order(&id_of(&first), "stop").await.0, 200);
    daemon.clock.advance(TimeDelta::seconds(2));
    let (status, second) = daemon.make("", LIST).await;
    assert_eq!(status, 201, "{second}");
    daemon.clock.advance(TimeDelta::seconds(2));
    let (status, third) = daemon.make("&again=true&name=Second%20round", LIST).await;
    assert_eq!((status, &third["campaign"]["name"]), (201, &json!("Second round")), "{third}");
    assert!(id_of(&third).starts_with("second-round-"));
    let (_, all) = daemon.json("GET /api/v1/campaigns", "").await;
    assert_eq!(all.as_array().unwrap().len(), 3);
    assert_eq!(all[0]["id"], id_of(&third));
    daemon.running.stop().await.unwrap();
}

#[tokio::test]
async fn orders_move_a_campaign_or_say_why_not() {
    let daemon = daemon().await;
    let (_, told) = daemon.make("&start=false&per_minute=1", LIST).await;
    let id = id_of(&told);
    assert_eq!(daemon.order(&id, "resume").await.0, 409);
    let (status, row) = daemon.order(&id, "start").await;
    assert_eq!((status, &row["state"], &row["by"]), (200, &json!("running"), &json!("Frances")));
    assert_eq!(daemon.order(&id, "pause").await.1["state"], "paused");
    assert_eq!(daemon.order(&id, "resume").await.1["state"], "running");
    assert_eq!(daemon.order(&id, "stop").await.1["state"], "stopped");
    assert_eq!(daemon.order(&id, "resume").await.0, 409);
    assert_eq!(daemon.order("no-such", "stop").await.0, 404);
    assert_eq!(daemon.json(&format!("POST /api/v1/campaigns/{id}/stop"), "{}").await.0, 422);
    daemon.running.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_a_problem_that_names_the_field() {
    let daemon = daemon().await;
    for (query, list, status, field) in [
        ("flow=none", LIST, 404, "flow"),
        ("flow=asks&per_minute=0", LIST, 422, "per_minute"),
        ("flow=asks&expires_after=5", LIST, 422, "expires_after"),
        ("flow=asks&expires_after=91d", LIST, 422, "expires_after"),
        ("flow=asks&name=%20", LIST, 422, "name"),
        ("flow=asks&findings=csv", LIST, 422, "findings"),
        ("flow=asks&start=perhaps", LIST, 400, "query"),
        ("flow=asks&nobody=1", LIST, 400, "query"),
        ("flow=asks", "", 422, "body"),
        ("flow=asks", "MRN1,Jane,4155550101\n", 422, "body"),
        (
            "flow=asks",
            "patient_id,patient_first_name,patient_phone\n1,Jane,4155550101\n",
            422,
            "body",
        ),
    ] {
        let (told, body) = daemon.json(&format!("POST /api/v1/campaigns?{query}"), list).await;
        assert_eq!((told, &body["field"]), (status, &json!(field)), "{query} {body}");
    }
    for (path, status) in [
        ("campaigns/none", 404),
        ("campaigns/None!", 404),
        ("campaigns/none/responses", 404),
        ("campaigns/none/responses?layout=round", 400),
        ("campaigns/none/responses?format=pdf", 400),
    ] {
        assert_eq!(daemon.json(&format!("GET /api/v1/{path}"), "").await.0, status, "{path}");
    }
    let (status, _, _) = ask(daemon.running.http, "wrong", "GET /api/v1/campaigns", "").await;
    assert_eq!(status, 401);
    daemon.running.stop().await.unwrap();
}

#[tokio::test]
async fn answers_come_out_as_they_came_in() {
    let daemon = daemon().await;
    let out = PhoneNumber::parse_e164("+14155550102").unwrap();
    let programme = Some(Programme::Outreach);
    daemon.running.handle.act(Event::ConsentSet { phone: out, programme, opted_out: true }).await;
    let (status, told) = daemon.make("", LIST).await;
    assert_eq!((status, &told["quote"]["not_texted"]), (201, &json!(1)), "{told}");
    let id = id_of(&told);
    daemon.until(&id, |row| row["tally"]["texts"] == 1 && row["tally"]["opted_out"] == 1).await;
    daemon.reply("+14155550101", "=better, thanks").await;
    let row = daemon.until(&id, |row| row["state"] == "finished").await;
    assert_eq!((&row["tally"]["answers"], &row["tally"]["completed"]), (&json!(1), &json!(1)));
    let path = format!("GET /api/v1/campaigns/{id}/responses");
    let (status, head, table) = daemon.ask(&path, "").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/csv"), "{head}");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[0],
        "patient_id,patient_first_name,patient_phone,part,status,started_at,ended_at,texts,\
         pain,pain_read_as,pain_at"
    );
    assert!(lines[1].starts_with("MRN1,Jane,(415) 555-0101,knee,completed,2026-11-30T10:"));
    assert!(lines[1].contains(",\"'=better, thanks\","), "{}", lines[1]);
    assert!(lines[2].starts_with("MRN2,John,(415) 555-0102,hip,opted_out,"), "{}", lines[2]);
    let (_, _, rows) = daemon.ask(&format!("{path}?layout=row&format=json"), "").await;
    let row: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    assert_eq!((&row["question"], &row["response"]), (&json!("pain"), &json!("=better, thanks")));
    let query = "?anonymous=true&keep=part&without_words=true";
    let (_, _, table) = daemon.ask(&format!("{path}{query}"), "").await;
    assert!(table.starts_with("recipient,part,status,started_on,"), "{table}");
    assert!(!table.contains("Jane") && !table.contains("better"), "{table}");
    let (status, _, _) = daemon.ask(&format!("{path}?anonymous=true&keep=patient_id"), "").await;
    assert_eq!(status, 422);
    let (status, head, _) = daemon.ask(&format!("{path}?format=xlsx"), "").await;
    assert_eq!(status, 200);
    assert!(head.contains("-responses.xlsx"), "{head}");
    daemon.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_list_that_its_campaign_has_no_time_for_is_refused() {
    let daemon = daemon().await;
    let rows: String = (0..90).map(|n| format!("M{n},Jane,+1415555{n:04},knee\n")).collect();
    let list = format!("patient_id,patient_first_name,patient_phone,part\n{rows}");
    let (status, told) = daemon.make("&per_minute=1&expires_after=1h", &list).await;
    assert_eq!((status, &told["field"]), (422, &json!("expires_after")), "{told}");
    assert_eq!(told["quote"]["is_late"], true);
    assert_eq!(daemon.json("GET /api/v1/campaigns", "").await.1, json!([]));
    let (_, told) = daemon.make("&start=false&expires_after=1h", &list).await;
    assert_eq!(told["quote"]["is_late"], false, "{told}");
    daemon.clock.advance(TimeDelta::hours(2));
    let (status, told) = daemon.order(&id_of(&told), "start").await;
    assert_eq!(status, 409, "{told}");
    assert!(told["detail"].as_str().unwrap().contains("its time is over"), "{told}");
    daemon.running.stop().await.unwrap();
}

#[tokio::test]
async fn of_two_that_send_the_same_list_at_once_one_is_refused() {
    let daemon = daemon().await;
    let ((one, _), (other, _)) = tokio::join!(daemon.make("", LIST), daemon.make("", LIST));
    assert_eq!(std::cmp::min(one, other), 201);
    assert_eq!(std::cmp::max(one, other), 409);
    assert_eq!(daemon.json("GET /api/v1/campaigns", "").await.1.as_array().unwrap().len(), 1);
    daemon.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_list_goes_to_the_engine_in_portions() {
    let daemon = daemon().await;
    let rows: String = (0..600).map(|n| format!("M{n},Jane,+1415555{n:04},knee\n")).collect();
    let list = format!("patient_id,patient_first_name,patient_phone,part\n{rows}");
    let (status, told) = daemon.make("&start=false", &list).await;
    assert_eq!((status, &told["campaign"]["recipients"]), (201, &json!(600)), "{told}");
    let path = format!("GET /api/v1/campaigns/{}/responses?format=json", id_of(&told));
    let (_, _, lines) = daemon.ask(&path, "").await;
    assert_eq!(lines.lines().count(), 600);
    daemon.running.stop().await.unwrap();
}
