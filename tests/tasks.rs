//! The front desk's queue and operators' words: what is one task, who has it, and how it is done; over
//! the engine, the API and the command line.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[expect(dead_code, unused_imports, reason = "each suite uses a part of what is shared")]
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use appointd::clock::Clock;
use appointd::core::claim::Claim;
use appointd::core::event::{Event, Reply};
use appointd::core::gate::{Guard, Limit};
use appointd::core::ids::SourceName;
use appointd::core::reason::Reason;
use appointd::core::task::{TaskId, TaskState};
use appointd::engine::view::{Filter, Subject, View};
use appointd::engine::{Answer, Engine, Handle, Reading, Received, Sameness};
use appointd::phi::Phi;
use appointd::sim::world::{Plan, World};
use appointd::store::{Memory, Store, Table};
use serde_json::{Value, json};
use support::{
    JANE, NEXT_TUESDAY, OTHER, TUESDAY, booked, canceled, minutes, phone, rules, utc, with,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes: what hangs fails.
const WITHIN: Duration = Duration::from_secs(120);

struct House {
    clock: Clock,
    handle: Handle,
    view: View,
    said: std::sync::atomic::AtomicU32,
}

/// Runs an engine without a route to the EHR, so that every wish is one for the desk.
async fn house<F: Future<Output = ()>>(test: impl FnOnce(House) -> F) {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let clock = Clock::manual(utc(TUESDAY));
    let mut rules = rules();
    rules.routes.clear();
    let shared = Arc::new(RwLock::new(Arc::new(rules)));
    let (engine, handle) = Engine::new(Arc::clone(&store), shared, clock.clone()).unwrap();
    let said = std::sync::atomic::AtomicU32::new(0);
    let test = test(House { clock, handle, view: View::new(store), said });
    tokio::select! {
        ended = engine.run(CancellationToken::new()) => ended.unwrap(),
        () = test => {}
    }
}

impl House {
    fn next(&self) -> u32 {
        self.said.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    }

    async fn tell(&self, claim: Claim) {
        let claim = with(claim, |claim| claim.occurred_at = self.clock.now());
        let control_id = format!("M{}", self.next());
        let received = Received {
            source: SourceName::new("ehr"),
            peer: "test".to_owned(),
            raw: control_id.as_bytes().to_vec(),
            control_id,
            trigger: "SIU^S12".to_owned(),
            sender: "EHR|MAIN".to_owned(),
            mapping: "generic".to_owned(),
            mapping_hash: String::new(),
            detected: None,
            trace: String::new(),
            reading: Reading::Claims(vec![claim]),
            replay_of: None,
            sameness: Sameness::Bytes,
        };
        self.handle.submit(received).await;
    }

    async fn reply(&self, from: &str, body: &str) {
        let reply = Reply {
            message_id: format!("SM{}", self.next()),
            from: phone(from),
            body: Phi::new(body.to_owned()),
            handled: None,
            sent_at: None,
            media: 0,
        };
        self.handle.act(Event::ReplyReceived(reply)).await;
    }

    fn tasks(&self, status: Option<&str>) -> Vec<Value> {
        let status = status.map(str::to_owned);
        self.query(&Filter { status, limit: 100, ..Filter::default() })
    }

    fn query(&self, filter: &Filter) -> Vec<Value> {
        self.view.query(Subject::Tasks, filter).unwrap()
    }

    async fn set(&self, id: &Value, to: TaskState) -> Reason {
        let id: TaskId = id.as_str().unwrap().parse().unwrap();
        let by = "Frances".to_owned();
        match self.handle.act(Event::TaskMoved { id, to, by }).await {
            Answer::Decided { outcomes, .. } => outcomes[0].because.clone(),
            Answer::NotStored(_) => Reason::Unknown,
        }
    }
}

#[tokio::test]
async fn what_one_phone_says_again_is_a_note_of_one_task() {
    house(|house| async move {
        house.tell(booked("1", NEXT_TUESDAY)).await;
        for _ in 0..30 {
            house.reply(JANE, "R").await;
            house.clock.advance(minutes(20));
        }
        let tasks = house.tasks(None);
        assert_eq!(tasks.len(), 1, "{tasks:?}");
        assert_eq!(tasks[0]["kind"], "reschedule");
        assert!(!tasks[0]["notes"].as_array().unwrap().is_empty());
        assert_eq!(house.view.waiting().unwrap().open["reschedule"], 1);

        assert_eq!(house.set(&tasks[0]["id"], TaskState::Done).await, Reason::TaskMoved);
        assert!(house.tasks(None).is_empty());
        assert_eq!(house.view.waiting().unwrap().tasks, 0);
        house.reply(JANE, "R").await;
        let again = house.tasks(None);
        assert_eq!(again.len(), 1);
        assert_ne!(again[0]["id"], tasks[0]["id"], "what is done stays done");
        assert_eq!(house.tasks(Some("all")).len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_taken_task_is_open_again_when_the_patient_says_more() {
    house(|house| async move {
        house.tell(booked("1", NEXT_TUESDAY)).await;
        house.reply(JANE, "R").await;
        let id = house.tasks(None)[0]["id"].clone();
        assert_eq!(house.set(&id, TaskState::Taken).await, Reason::TaskMoved);
        assert_eq!(house.set(&id, TaskState::Taken).await, Reason::TaskIs(TaskState::Taken));
        let taken = house.tasks(Some("taken"));
        assert_eq!((&taken[0]["by"], &taken[0]["urgent"]), (&"Frances".into(), &false.into()));
        assert_eq!(house.view.waiting().unwrap().others_since, None, "somebody has it");
        house.clock.advance(minutes(20));
        house.reply(JANE, "R").await;
        let open = house.tasks(Some("open"));
        assert_eq!((open.len(), &open[0]["id"]), (1, &id));
        assert_eq!(house.view.waiting().unwrap().others_since, Some(house.clock.now()));
        let audit = Filter { limit: 10, ..Filter::default() };
        let audit = house.view.query(Subject::Audit, &audit).unwrap();
        let action = format!("task {} taken by Frances", id.as_str().unwrap());
        assert!(audit.iter().any(|row| row["cause"]["operator"]["action"] == action), "{audit:?}");
    })
    .await;
}

#[tokio::test]
async fn what_the_ehr_says_itself_need_not_be_entered_by_hand() {
    house(|house| async move {
        for id in ["1", "2"] {
            house
                .tell(with(booked(id, NEXT_TUESDAY), |claim| {
                    if id == "2" {
                        claim.patient.phone = appointd::core::field::Field::Value(phone(OTHER));
                        claim.patient.id =
                            appointd::core::field::Field::Value("MRN2000".to_owned());
                    }
                }))
                .await;
        }
        house.reply(JANE, "CANCEL APPT").await;
        house.reply(OTHER, "CANCEL APPT").await;
        let tasks = house.tasks(None);
        assert_eq!(tasks.len(), 2, "{tasks:?}");
        assert!(tasks.iter().all(|task| task["kind"] == "enter_by_hand"), "{tasks:?}");
        house.clock.advance(minutes(5));
        house.tell(canceled("1", NEXT_TUESDAY)).await;
        let left = house.tasks(None);
        assert_eq!((left.len(), &left[0]["appointment"]), (1, &"ehr/2".into()));
        let done = house.tasks(Some("done"));
        assert_eq!(done[0]["by"], "the EHR's own message");
    })
    .await;
}

#[tokio::test]
async fn tasks_are_found_by_phone_appointment_and_time_the_urgent_ones_first() {
    house(|house| async move {
        house.tell(booked("1", NEXT_TUESDAY)).await;
        house.reply(JANE, "CANCEL").await;
        house.clock.advance(minutes(60));
        house.reply(OTHER, "R").await;
        house
            .tell(with(booked("2", NEXT_TUESDAY), |claim| {
                claim.patient.phone = appointd::core::field::Field::Value(phone(OTHER));
            }))
            .await;
        house.reply(OTHER, "R").await;
        let all = house.tasks(None);
        assert!(all.len() >= 2, "{all:?}");
        assert_eq!(
            (&all[0]["kind"], &all[0]["urgent"]),
            (&"cancel_or_opt_out".into(), &true.into())
        );
        let by_phone = Filter { phone: Some(phone(JANE)), limit: 10, ..Filter::default() };
        assert!(house.query(&by_phone).iter().all(|task| task["phone"] == JANE));
        let named = Filter { appointment: Some("2".to_owned()), limit: 10, ..Filter::default() };
        assert!(house.query(&named).iter().all(|task| task["appointment"] == "ehr/2"));
        let since = Some(utc(TUESDAY) + minutes(30));
        let late = house.query(&Filter { since, limit: 10, ..Filter::default() });
        assert!(late.iter().all(|task| task["kind"] != "cancel_or_opt_out"), "{late:?}");
        assert_eq!(house.query(&Filter { limit: 1, ..Filter::default() }).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn no_key_of_the_desk_shows_a_phone() {
    house(|house| async move {
        house.tell(booked("1", NEXT_TUESDAY)).await;
        house.reply(JANE, "CANCEL").await;
        let range = appointd::store::Range::all(Table::Desk);
        let store = house.handle.store();
        let rows = store.scan(&range, 10, appointd::store::Order::Ascending).unwrap();
        assert!(!rows.is_empty() && rows.iter().all(|(key, _)| key.to_string() == "desk:[phi]"));
    })
    .await;
}

// ---------------------------------------------------------------------------------- API

#[tokio::test]
async fn a_task_is_moved_by_the_api_and_what_cannot_be_is_a_problem() {
    let world = World::start(Plan::at(Clock::manual(utc(TUESDAY)))).await.unwrap();
    let api = Api::of(&world);
    world.ehr.book(visit(23)).await;
    let reply = Reply {
        message_id: "SM1".to_owned(),
        from: phone(JANE),
        body: Phi::new("CANCEL".to_owned()),
        handled: None,
        sent_at: None,
        media: 0,
    };
    world.daemon.handle.act(Event::ReplyReceived(reply)).await;
    let (status, tasks) = api.get("/tasks").await;
    assert_eq!((status, tasks.as_array().unwrap().len()), (200, 1), "{tasks}");
    let path = format!("/tasks/{}", tasks[0]["id"].as_str().unwrap());

    let (status, taken) = api.post(&path, r#"{"state":"taken","by":"Frances"}"#).await;
    assert_eq!((status, &taken["state"], &taken["by"]), (200, &"taken".into(), &"Frances".into()));
    let (status, refused) = api.post(&path, r#"{"state":"taken","by":"Jane"}"#).await;
    assert_eq!((status, &refused["field"]), (409, &"state".into()), "{refused}");
    for missing in ["/tasks/999-0", "/tasks/1", "/tasks/-", "/tasks/99999999999999999999-0"] {
        assert_eq!(api.post(missing, r#"{"state":"done","by":"Jane"}"#).await.0, 404, "{missing}");
    }
    let long = "x".repeat(65);
    for (body, field) in [
        (String::new(), "body"),
        ("[]".to_owned(), "body"),
        (json!({ "state": "done" }).to_string(), "body"),
        (json!({ "state": "gone", "by": "Jane" }).to_string(), "state"),
        (json!({ "state": "done", "by": " " }).to_string(), "by"),
        (json!({ "state": "done", "by": "a\nb" }).to_string(), "by"),
        (json!({ "state": "done", "by": long }).to_string(), "by"),
    ] {
        let (status, refused) = api.post(&path, &body).await;
        assert_eq!((status, &refused["field"]), (422, &field.into()), "{body} {refused}");
    }
    assert_eq!(api.post(&path, r#"{"state":"done","by":"Frances"}"#).await.0, 200);
    assert_eq!(api.get("/tasks").await.1, json!([]));
    assert_eq!(api.get("/tasks?status=done").await.1[0]["state"], "done");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn an_operator_sets_consent_and_it_is_shown() {
    let world = World::start(Plan::at(Clock::manual(utc(TUESDAY)))).await.unwrap();
    let api = Api::of(&world);
    let (status, known) = api.get("/consent/%2B14155550123").await;
    assert_eq!((status, &known["opted_out"]), (200, &false.into()), "nothing was said yet");
    let (_, stopped) = api.post("/consent/4155550123", r#"{"opted_out":true}"#).await;
    assert_eq!((&stopped["opted_out"], &stopped["by"]), (&true.into(), &"operator".into()));
    let one = r#"{"opted_out":true,"programme":"outreach"}"#;
    let (_, without) = api.post("/consent/%2B14155550177", one).await;
    assert_eq!((&without["opted_out"], &without["without"]), (&false.into(), &json!(["outreach"])));
    let (_, rows) = api.get("/query/consent").await;
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
    let (_, started) = api.post("/consent/%2B14155550123", r#"{"opted_out":false}"#).await;
    assert_eq!(
        (&started["opted_out"], started["changes"].as_array().unwrap().len()),
        (&false.into(), 2)
    );
    assert_eq!(api.get("/query/consent?status=opted_in").await.1[0]["phone"], JANE);
    for bad in ["/consent/nobody", "/consent/%00", "/consent/12"] {
        assert_eq!(api.get(bad).await.0, 422, "{bad}");
        assert_eq!(api.post(bad, r#"{"opted_out":true}"#).await.0, 422, "{bad}");
    }
    for body in ["", "{}", r#"{"opted_out":"yes"}"#, r#"{"opted_out":true,"programme":"all"}"#] {
        assert_eq!(api.post("/consent/%2B14155550123", body).await.0, 422, "{body}");
    }
    world.stop().await.unwrap();
}

#[tokio::test]
async fn held_texts_are_released_and_discarded_by_the_api() {
    let settings = "[guard]\ntexts = 2\n".to_owned();
    let morning = Clock::manual(utc("2026-12-01T18:00:00Z"));
    let plan = Plan { settings, ..Plan::at(morning) };
    let world = World::start(plan).await.unwrap();
    let api = Api::of(&world);
    assert_eq!(api.get("/holds").await, (200, json!([])));
    for (path, body) in [("/holds/lab/release", ""), ("/holds/main-ehr/discard", "{}")] {
        assert_eq!(api.post(path, body).await.0, 404, "{path}");
    }
    for id in 0..10 {
        world.ehr.book(visit(id)).await;
    }
    let (_, holds) = api.get("/holds").await;
    assert_eq!((&holds[0]["source"], &holds[0]["state"]), (&"main-ehr".into(), &"closed".into()));
    assert!(holds[0]["held"].as_u64().unwrap() >= 8 && holds[0]["oldest"].is_string(), "{holds}");
    let metrics = request(world.daemon.http, "GET /metrics", "", "").await.1;
    for line in [
        "appointd_gate_closed{source=\"main-ehr\"} 1",
        "appointd_tasks_open{kind=\"flood\"} 1",
        "appointd_tasks_oldest_open_seconds{urgent=\"yes\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    let held = holds[0]["held"].clone();
    let (status, shown) = api.post("/holds/main-ehr/release", r#"{"dry_run":true}"#).await;
    assert_eq!((status, &shown["still_so"]), (200, &held));
    assert_eq!(api.get("/holds").await.1[0]["state"], "closed", "nothing was changed");
    assert_eq!(api.post("/holds/main-ehr/release", r#"{"go_on":true}"#).await.0, 409);
    assert_eq!(api.post("/holds/main-ehr/release", r#"{"dry":true}"#).await.0, 422);

    let (_, released) = api.post("/holds/main-ehr/release", "").await;
    assert_eq!((&released["moved"], &released["done"]), (&held, &true.into()));
    let texts = world.carrier.wait_for(|texts| texts.len() >= 10);
    assert_eq!(tokio::time::timeout(WITHIN, texts).await.unwrap().len(), 10);
    assert_eq!(api.get("/tasks").await.1, json!([]));

    for id in 10..20 {
        world.ehr.book(visit(id)).await;
    }
    let (_, discarded) = api.post("/holds/main-ehr/discard", "").await;
    assert!(discarded["moved"].as_u64().unwrap() >= 7, "{discarded}");
    assert_eq!(api.get("/holds").await.1[0]["held"], 0);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_limit_of_a_source_is_in_force() {
    let limit = |texts| Some(Limit { texts, within: minutes(10) });
    let guard = Guard {
        limit: limit(5),
        sources: [(SourceName::new("a"), None), (SourceName::new("b"), limit(7))].into(),
    };
    let of = |name| guard.limit(&SourceName::new(name)).map(|limit| limit.texts);
    assert_eq!((of("a"), of("b"), of("c")), (None, Some(7), Some(5)));
}

// ---------------------------------------------------------------------------------- commands

#[test]
fn commands_work_beside_a_daemon_and_those_that_read_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[practice]\nregion = \"GB\"\n[store]\npath = \"store\"\nfree_bytes_min = 1048576\n[http]\nlisten = \"127.0.0.1:0\"\n\
                    [[hl7.listener]]\nname = \"main-ehr\"\nlisten = \"127.0.0.1:0\"\n[sms]\nbackend = \"file\"\n";
    let file = folder.path().join("appointd.toml");
    std::fs::write(&file, settings).unwrap();
    let mut daemon = command(&["run"], &file).stderr(Stdio::piped()).spawn().unwrap();
    let beacon = folder.path().join("store/api.json");
    // The daemon tells of itself in its log; the file is what commands look for.
    let mut log = std::io::BufReader::new(daemon.stderr.take().unwrap());
    let mut line = String::new();
    while !beacon.exists() {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut log, &mut line).unwrap() > 0, "it has ended");
    }
    let drain = std::thread::Builder::new().spawn(move || {
        std::io::copy(&mut log, &mut std::io::sink()).unwrap();
    });

    let stopped = told(&["consent", "stop", "+14155550123"], &file, 0);
    assert!(stopped.contains("\"opted_out\":true"), "{stopped}");
    told(&["consent", "stop", "07700 900123", "--programme", "outreach"], &file, 0);
    told(&["consent", "stop", "nobody"], &file, 64);
    let rows = told(&["query", "consent", "--format", "json"], &file, 0);
    assert!(rows.lines().count() == 2 && rows.contains("+447700900123"), "{rows}");
    told(&["query", "quarantine", "--patient", "1"], &file, 64);
    told(&["task", "take", "1-0", "--by", "Frances"], &file, 1);
    told(&["task", "take", "x"], &file, 64);
    told(&["task", "list", "--status", "gone"], &file, 64);
    told(&["task", "list"], &file, 0);
    told(&["hold", "list"], &file, 0);
    told(&["hold", "release", "main-ehr"], &file, 1);
    told(&["hold", "release", "../tasks"], &file, 64);

    daemon.kill().unwrap();
    daemon.wait().unwrap();
    drain.unwrap().join().unwrap();
    let shown = told(&["consent", "show", "+14155550123", "--format", "json"], &file, 0);
    assert!(shown.contains("\"by\":\"operator\""), "{shown}");
    told(&["task", "list"], &file, 0);
    told(&["hold", "list"], &file, 0);
    told(&["consent", "start", "+14155550123"], &file, 1);
}

fn command(arguments: &[&str], settings: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_appointd"));
    command.env_clear().stdin(Stdio::null()).args(arguments).arg("--config").arg(settings);
    command
}

/// What a command prints, if it ends as expected.
fn told(arguments: &[&str], settings: &Path, code: i32) -> String {
    let output = command(arguments, settings).output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?} {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

// ---------------------------------------------------------------------------------- helpers

struct Api {
    address: SocketAddr,
    token: String,
}

impl Api {
    fn of(world: &World) -> Self {
        Self { address: world.daemon.http, token: world.daemon.token.expose().to_owned() }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "").await
    }

    async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        self.ask("POST", path, body).await
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let head =
            format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.token);
        let (status, text) =
            request(self.address, &format!("{method} /api/v1{path}"), &head, body).await;
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(status < 400 || value["status"] == status, "no problem: {path} {value}");
        (status, value)
    }
}

async fn request(address: SocketAddr, line: &str, head: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let text = format!(
        "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}"
    );
    let work = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(WITHIN, work).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn visit(id: u32) -> appointd::sim::ehr::SimAppointment {
    appointd::sim::ehr::SimAppointment {
        id: format!("2{id:04}"),
        patient: appointd::sim::ehr::SimPatient {
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
