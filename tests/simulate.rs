//! The stand-ins as commands: what they print, that they answer there, and that they stop.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A stand-in in a process of its own, and what it has printed.
struct Process {
    child: Child,
    lines: Vec<String>,
}

impl Process {
    /// Starts a stand-in and waits until it has printed `count` lines.
    fn start(arguments: &[&str], count: usize) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        for _ in 0..count {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            lines.push(line.trim().to_owned());
        }
        Self { child, lines }
    }

    /// The value that was printed under a name.
    fn value(&self, name: &str) -> String {
        let found = self.lines.iter().find_map(|line| line.strip_prefix(&format!("{name} ")));
        found.unwrap_or_else(|| panic!("no {name} in {:?}", self.lines)).to_owned()
    }

    fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, unless its test has failed.
        let _killed = self.child.kill().is_ok();
        let _reaped = self.child.wait().is_ok();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_appointd"));
    command.arg("simulate").args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// Gets an address; the answer comes back with its head.
fn get(url: &str, header: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    stream.write_all(format!("{request}{header}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_ehr_prints_where_it_is_and_runs_until_it_is_stopped() {
    let ehr = Process::start(&["ehr"], 2);
    let fhir = ehr.value("fhir");
    let answer = get(&format!("{fhir}/Appointment?patient=jane"), "");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"total\":2"), "{answer}");
    assert!(get(&format!("{fhir}/metadata"), "").contains("\"4.0.1\""));
    TcpStream::connect(ehr.value("mllp")).unwrap();
    assert_eq!(ehr.stop(), Some(0));
}

#[test]
fn the_ehr_speaks_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "t0ken\n").unwrap();
    let file = file.to_str().unwrap();
    let arguments = ["ehr", "--version", "R5", "--like", "medplum", "--empty", "--format", "json"];
    let ehr = Process::start(&[&arguments[..], &["--token-file", file]].concat(), 2);
    let first: Value = serde_json::from_str(ehr.lines.first().unwrap()).unwrap();
    assert_eq!(first.pointer("/name"), Some(&Value::from("fhir")));
    let fhir = first.pointer("/value").unwrap().as_str().unwrap();
    assert!(get(&format!("{fhir}/metadata"), "").contains("\"5.0.0\""));
    assert!(get(&format!("{fhir}/Appointment"), "").starts_with("HTTP/1.1 401"));
    let answer = get(&format!("{fhir}/Appointment"), "authorization: Bearer t0ken\r\n");
    assert!(answer.contains("\"total\":0"), "{answer}");
    assert_eq!(ehr.stop(), Some(0));
}

#[test]
fn a_client_is_told_where_the_tokens_are() {
    let client = "owl=http://127.0.0.1:1/jwks.json";
    let ehr = Process::start(&["ehr", "--client", client], 3);
    assert!(ehr.value("token").ends_with("/token"));
    assert_eq!(ehr.stop(), Some(0));
    let refused = command(&["ehr", "--client", "owl"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(64));
    let refused = command(&["ehr", "--token-file", "/nonexistent/token"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let refused = command(&["ehr", "--version", "DSTU2"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(64));
}

#[test]
fn the_phones_print_the_account() {
    let phones = Process::start(&["phone", "--inbound", "http://127.0.0.1:1/twilio/inbound"], 6);
    assert!(phones.value("account_sid").starts_with("AC"));
    assert_eq!(phones.value("number"), "+15105550100");
    let answer = get(&phones.value("phones"), "");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"phones\":[]"), "{answer}");
    let account = phones.value("account_sid");
    let messages =
        format!("{}/2010-04-01/Accounts/{account}/Messages.json", phones.value("twilio"));
    assert!(get(&messages, "").starts_with("HTTP/1.1 401"), "the token is needed");
    let knobs = get(&phones.value("knobs"), "");
    assert!(knobs.contains("\"callbacks\":\"in_order\""), "{knobs}");
    assert_eq!(phones.stop(), Some(0));
}
