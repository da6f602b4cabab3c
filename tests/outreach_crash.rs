//! A campaign runs to its end over requests that fail and a daemon that is killed in the middle, and
//! every answer is recorded once: no text is sent twice, none is missing.
//!
//! The daemon is a process of its own, started and asked by its own command line; the phones are in
//! this one and live on. Of a hundred requests to send three go wrong, before or after the carrier
//! has taken the text. `APPOINTD_RECIPIENTS` sets another number of recipients; the figures of the
//! README come from `APPOINTD_RECIPIENTS=10000 cargo test --release --test outreach_crash -- --nocapture`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use appointd::clock::{Clock, Stopwatch};
use appointd::core::phone::PhoneNumber;
use appointd::shutdown::Tasks;
use appointd::sim::phone::{Answer, Carrier, Direction, Fault, Settings as CarrierSettings, Text};
use appointd::sms::Secret;
use appointd::sms::sid::AccountSid;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How many recipients there are if nothing else is said.
const RECIPIENTS: usize = 300;
/// One of so many requests goes wrong.
const FAULTY: usize = 33;
/// How many phones reply at a time.
const REPLYING: usize = 16;
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// A guard against waiting for ever.
const THROUGH_WITHIN: Duration = Duration::from_secs(1_200);
const ACCOUNT: &str = "AC00000000000000000000000000000000";
const TOKEN: &str = "token-of-the-stand-in";
const NUMBER: &str = "+15105550100";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_recorded_once_whatever_fails() {
    let count = std::env::var("APPOINTD_RECIPIENTS").ok().and_then(|text| text.parse().ok());
    let count = count.unwrap_or(RECIPIENTS);
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::new();
    let (carrier, config) = set_up(folder.path(), &tasks).await;
    let list = folder.path().join("list.csv");
    std::fs::write(&list, list_of(count)).unwrap();
    let mut daemon = Daemon::start(&config);
    let watch = Stopwatch::start();
    let arguments = ["--flow", "post-procedure", "--per-minute", "60000", "--csv"];
    let _told = ask(&config, &[&["start"], &arguments[..], &[list.to_str().unwrap()]].concat());
    let phones = tasks.clone();
    let replying = carrier.clone();
    let places = Arc::new(Semaphore::new(REPLYING));
    let own = Arc::clone(&places);
    tasks.spawn(async move { answer_all(replying, phones, own).await });
    let texts_before = count / 2;
    until(|| sent(&carrier.texts_behind(0)).count() >= texts_before).await;
    // Texts are on their way while it is killed. Replies are not: one that no webhook brought is
    // looked for two minutes later at the earliest, and the transcripts tell of that.
    let all = u32::try_from(REPLYING).unwrap();
    let quiet = places.acquire_many(all).await.unwrap();
    daemon = daemon.killed_and_started(&config);
    drop(quiet);
    while campaign(folder.path()).await["state"] != "finished" {
        assert!(watch.elapsed() < THROUGH_WITHIN, "the campaign does not come to its end");
        tokio::time::sleep(LOOK_EVERY * 20).await;
    }
    let seconds = watch.elapsed().as_secs_f64();
    let memory = daemon.memory_peak();
    daemon.terminate();
    check_texts(&carrier, count);
    check_responses(&config, count);
    let texts = sent(&carrier.all_texts()).count();
    let rate = f64::from(u32::try_from(texts).unwrap()) / seconds;
    println!(
        "{count} recipients: {texts} texts in {seconds:.0} s, {rate:.0} a second, {memory} at most"
    );
    tasks.drain(Duration::from_secs(5)).await;
}

/// A recipient's phone; 555-0100 to 555-0199 is kept free in every area code.
fn phone(index: usize) -> String {
    // Codes that end in 11 are no area codes.
    let areas: Vec<usize> = (212..=330).filter(|area| area % 100 != 11).collect();
    format!("+1{}55501{:02}", areas.get(index / 100).unwrap(), index % 100)
}

fn index_of(phone: &str) -> usize {
    let digits = phone.strip_prefix("+1").unwrap();
    let area: usize = digits.get(..3).unwrap().parse().unwrap();
    let line: usize = digits.get(8..).unwrap().parse().unwrap();
    let skipped = (212..area).filter(|area| area % 100 == 11).count();
    (area - 212 - skipped) * 100 + line
}

/// What a recipient answers to the first question.
const fn pain(index: usize) -> usize {
    index % 11
}

/// What a recipient answers to a text, if it asks something.
fn reply_to(text: &Text) -> Option<String> {
    let body = text.body.expose();
    let index = index_of(text.to.as_str());
    if body.contains("how much pain") {
        Some(pain(index).to_string())
    } else if body.contains("nurse to call you about") {
        Some("yes".to_owned())
    } else if body.contains("follow-up visit planned") {
        Some("no".to_owned())
    } else {
        None
    }
}

/// The answers that a recipient gives in all, by question.
fn answers(index: usize) -> BTreeMap<&'static str, String> {
    let mut answers = BTreeMap::from([("pain", pain(index).to_string())]);
    match pain(index) {
        0..=3 => drop(answers.insert("visit-planned", "no".to_owned())),
        4..=6 => drop(answers.insert("call-wanted", "yes".to_owned())),
        _ => {}
    }
    answers
}

fn list_of(count: usize) -> String {
    let mut list = "patient_id,patient_first_name,patient_phone\n".to_owned();
    for index in 0..count {
        writeln!(list, "M{index},Jane,{}", phone(index)).unwrap();
    }
    list
}

fn sent(texts: &[Text]) -> impl Iterator<Item = &Text> {
    texts.iter().filter(|text| text.direction == Direction::OutboundApi)
}

/// Replies to each text once, and lets some of the requests to send go wrong.
async fn answer_all(carrier: Carrier, tasks: Tasks, places: Arc<Semaphore>) {
    let stop = tasks.stop_token();
    let (mut seen, mut requests) = (0, 0);
    let faults = [
        Fault::before_accept(Answer::ServerError),
        Fault::after_accept(Answer::Closed),
        Fault::before_accept(Answer::Throttled),
        Fault::after_accept(Answer::GatewayHtml),
        Fault::before_accept(Answer::Closed),
    ];
    while !stop.is_cancelled() {
        tokio::time::sleep(LOOK_EVERY).await;
        let texts = carrier.texts_behind(seen);
        seen += texts.len();
        for text in sent(&texts) {
            requests += 1;
            if requests % FAULTY == 0 {
                let fault = faults.get(requests / FAULTY % faults.len()).unwrap();
                carrier.fail_next(1, *fault);
            }
            let Some(words) = reply_to(text) else { continue };
            let place = Arc::clone(&places).acquire_owned().await.unwrap();
            let (carrier, to) = (carrier.clone(), text.to.clone());
            tasks.spawn(async move {
                let _replied = carrier.reply(&to, &words).await;
                drop(place);
            });
        }
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(THROUGH_WITHIN, async {
        while !is_so() {
            tokio::time::sleep(LOOK_EVERY * 20).await;
        }
    });
    assert!(waited.await.is_ok(), "the campaign does not come to its end");
}

fn check_texts(carrier: &Carrier, count: usize) {
    let texts = carrier.all_texts();
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for text in sent(&texts) {
        *seen.entry((text.to.as_str(), text.body.expose())).or_default() += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    let asked: BTreeSet<&str> = seen.keys().map(|(to, _)| *to).collect();
    assert_eq!(asked.len(), count, "everybody was asked");
}

fn check_responses(config: &Path, count: usize) {
    let told = ask(config, &["responses", &id(config), "--layout", "row", "--format", "json"]);
    let mut found: BTreeMap<usize, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for line in told.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let index = index_of(row["patient_phone"].as_str().unwrap());
        let question = row["question"].as_str().unwrap().to_owned();
        let response = row["response"].as_str().unwrap().to_owned();
        found.entry(index).or_default().entry(question).or_default().push(response);
    }
    assert_eq!(found.len(), count, "everybody answered");
    for (index, found) in found {
        let wanted = answers(index);
        let found: BTreeMap<&str, String> =
            found.iter().map(|(question, words)| (question.as_str(), words.join("|"))).collect();
        assert_eq!(found, wanted, "recipient {index}");
    }
}

/// The campaign, as the API tells: asking it costs less than the command line.
async fn campaign(folder: &Path) -> Value {
    let beacon = std::fs::read_to_string(folder.join("store/api.json")).unwrap();
    let beacon: Value = serde_json::from_str(&beacon).unwrap();
    let url = format!("{}/api/v1/campaigns", beacon["url"].as_str().unwrap());
    let client = reqwest::Client::new();
    let request = client.get(url).bearer_auth(beacon["token"].as_str().unwrap());
    let rows: Value = request.send().await.unwrap().json().await.unwrap();
    rows[0].clone()
}

/// The campaign, as its status tells.
fn status(config: &Path) -> Value {
    let told = ask(config, &["list", "--format", "json"]);
    serde_json::from_str(told.lines().next().unwrap()).unwrap()
}

fn id(config: &Path) -> String {
    status(config)["id"].as_str().unwrap().to_owned()
}

/// Runs `appointd outreach`; while the daemon is down it reads the store.
fn ask(config: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_appointd"))
        .arg("outreach")
        .args(arguments)
        .arg("--config")
        .arg(config)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

async fn set_up(folder: &Path, tasks: &Tasks) -> (Carrier, PathBuf) {
    let number = PhoneNumber::parse_e164(NUMBER).unwrap();
    let settings =
        CarrierSettings::new(AccountSid::parse(ACCOUNT).unwrap(), Secret::new(TOKEN), number);
    let carrier =
        Carrier::start(settings, Clock::system(), tasks.tracker(), tasks.stop_token()).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let carrier_address = socket.local_addr().unwrap();
    let router = carrier.router();
    tasks.spawn(async move { axum::serve(socket, router).await.unwrap() });
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    carrier.set_inbound_url(&format!("http://{http}/twilio/inbound"));
    let config = folder.join("appointd.toml");
    let text = format!(
        r#"
[practice]
name = "Owl Clinic"
callback_phone = "+15105550100"
time_zone = "UTC"
[store]
path = "{}"
[http]
listen = "{http}"
public_url = "http://{http}"
[twilio]
account_sid = "{ACCOUNT}"
auth_token = "{TOKEN}"
from = "{NUMBER}"
base_url = "http://{carrier_address}"
poll_every = "10s"
[sms]
backend = "twilio"
segments_per_second = 2000
parallel = 16
[reminders.window]
start = "00:00"
finish = "24:00"
[delivery]
retry_first = "1s"
reconcile_after = "1s"
[log]
level = "warn"
format = "json"
"#,
        folder.join("store").display()
    );
    std::fs::write(&config, text).unwrap();
    (carrier, config)
}

/// The daemon, which does not outlive a failed test.
struct Daemon {
    process: Child,
    log: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _is_gone = self.process.kill();
        let _status = self.process.wait();
        if let Some(log) = self.log.take() {
            let _ended = log.join();
        }
    }
}

impl Daemon {
    /// Starts it, and waits until its beacon for the command line is there.
    fn start(config: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_appointd"))
            .args(["run", "--config"])
            .arg(config)
            .env("APPOINTD__LOG__LEVEL", "info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("the daemon did not start: {seen:#?}");
            };
            if line.contains("\"Ready\"") {
                break;
            }
            seen.push(line);
        }
        // Whoever does not read a pipe to its end blocks the writer.
        let log = std::thread::spawn(move || for _line in lines.map_while(Result::ok) {});
        Self { process, log: Some(log) }
    }

    fn killed_and_started(self, config: &Path) -> Self {
        drop(self);
        Self::start(config)
    }

    /// The most memory that it had at a time, as the system tells.
    fn memory_peak(&self) -> String {
        let file = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(file).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.map_or_else(|| "?".to_owned(), |peak| peak.trim().to_owned())
    }

    fn terminate(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success(), "a drained daemon ends with 0");
    }
}
