//! The binary as systemd runs it: notifications, signals, exit codes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Far more than a start takes: what hangs fails.
const WITHIN: Duration = Duration::from_secs(60);

const SETTINGS: &str = r#"
[store]
path = "store"
free_bytes_min = 1048576
[http]
listen = "127.0.0.1:0"
[[hl7.listener]]
name = "main-ehr"
listen = "127.0.0.1:0"
[sms]
backend = "file"
[log]
format = "json"
"#;

#[test]
fn the_process_tells_when_it_is_ready_reloads_and_stops() {
    let (folder, mut daemon) = start(SETTINGS, &[]);
    daemon.wait_for("READY=1");

    daemon.signal(Signal::HUP);
    let reloading = daemon.wait_for("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    daemon.wait_for("READY=1");

    write(&folder, &format!("{SETTINGS}level = \"loud\"\n"));
    daemon.signal(Signal::HUP);
    daemon.wait_for("RELOADING=1");
    daemon.wait_for("READY=1");

    daemon.signal(Signal::TERM);
    daemon.wait_for("STOPPING=1");
    let (code, log) = daemon.end();
    assert_eq!(code, Some(0), "{log}");
    let messages: Vec<String> = log.lines().map(|line| field(line, "message")).collect();
    for said in [
        "Ready",
        "Reloaded: rules, texts, mappings, certificates, log level",
        "Not reloaded: what was in force stays in force",
        "Stopped; everything taken is on disk",
    ] {
        assert_eq!(messages.iter().filter(|message| *message == said).count(), 1, "{said}\n{log}");
    }
    let refused = log.lines().find(|line| line.contains("Not reloaded")).unwrap();
    assert!(field(refused, "fault").contains("log.level"), "{refused}");
    assert!(!folder.path().join("store/api.json").exists(), "the token is gone with the daemon");
}

#[test]
fn the_watchdog_is_fed_twice_in_its_time() {
    let (_folder, mut daemon) = start(SETTINGS, &[("WATCHDOG_USEC", "400000")]);
    daemon.wait_for("READY=1");
    daemon.socket.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    daemon.wait_for("WATCHDOG=1");
    daemon.wait_for("WATCHDOG=1");
    daemon.signal(Signal::INT);
    daemon.wait_for("STOPPING=1");
    let (code, log) = daemon.end();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_store_has_one_daemon() {
    let (folder, mut daemon) = start(SETTINGS, &[]);
    daemon.wait_for("READY=1");
    let second = run(&["run", "--config"], &folder);
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(told.contains("in use by another process"), "{told}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().0, Some(0));
}

#[test]
fn a_port_that_is_taken_ends_the_start_and_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    write(&folder, &SETTINGS.replacen("127.0.0.1:0", &address, 1));
    let refused = run(&["run", "--config"], &folder);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains(&format!("cannot listen on {address}")), "{told}");
}

#[test]
fn usage_is_64() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, SETTINGS);
    for wrong in [
        ["frobnicate", "--config"],
        ["--verbose", "--config"],
        ["run", "--token=secret"],
        ["query", "--config"],
    ] {
        let refused = run(&wrong, &folder);
        assert_eq!(refused.status.code(), Some(64), "{wrong:?}");
        assert!(!refused.stderr.is_empty());
        assert!(refused.stdout.is_empty());
    }
    let refused = run(&["query", "secrets", "--config"], &folder);
    assert_eq!(refused.status.code(), Some(64));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn wrong_settings_are_78_with_one_line_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder,
        "[http]\nlisen = 1\n[log]\nlevel = \"loud\"\n[reminders]\noffsets = [\"soon\"]\n\
         [[hl7.listener]]\nname = \"a\"\n",
    );
    for command in ["check", "run"] {
        let refused = run(&[command, "--config"], &folder);
        assert_eq!(refused.status.code(), Some(78), "{command}");
        let told = String::from_utf8(refused.stderr).unwrap();
        let lines: Vec<&str> = told.lines().collect();
        for key in ["http.lisen", "log.level", "reminders.offsets", "listen"] {
            assert!(lines.iter().any(|line| line.contains(key)), "{key}\n{told}");
        }
        assert_eq!(lines.len(), 4, "{told}");
    }
    let nowhere = tempfile::tempdir().unwrap();
    let missing = run(&["check", "--config"], &nowhere);
    assert_eq!(missing.status.code(), Some(78));
    assert_eq!(String::from_utf8(missing.stderr).unwrap().lines().count(), 1);
}

#[test]
fn the_shipped_settings_are_right() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/appointd.toml");
    let check = |more: &[&str]| {
        let checked = command().args(["check", "--config"]).arg(&shipped).args(more).output();
        let checked = checked.unwrap();
        let told = String::from_utf8(checked.stderr).unwrap();
        assert_eq!(checked.status.code(), Some(0), "{told}");
        String::from_utf8(checked.stdout).unwrap()
    };
    assert!(check(&["--brief"]).starts_with("ok: "));
    let told = check(&[]);
    assert!(told.lines().last().unwrap().starts_with("ok: "), "{told}");
    assert!(told.contains("en booked, one appointment\n    Owl Clinic: Hi Jane,"), "{told}");
    assert!(told.contains("UCS-2 because of 'á'"), "{told}");
    for line in check(&["--format", "json"]).lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(row["segments"].as_u64().unwrap() <= row["worst_segments"].as_u64().unwrap());
    }
    assert!(check(&["--format", "csv"]).starts_with("language,name,variant,about,text,"));
}

/// A daemon in a process of its own, and the socket to which it tells how it is.
struct Daemon {
    child: Child,
    socket: UnixDatagram,
}

fn start(settings: &str, env: &[(&str, &str)]) -> (TempDir, Daemon) {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, settings);
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(WITHIN)).unwrap();
    let child = command()
        .args(["run", "--config"])
        .arg(folder.path().join("appointd.toml"))
        .env("NOTIFY_SOCKET", path)
        .envs(env.iter().copied())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (folder, Daemon { child, socket })
}

impl Daemon {
    fn wait_for(&mut self, wanted: &str) -> String {
        let mut datagram = [0; 4096];
        loop {
            let count = match self.socket.recv(&mut datagram) {
                Ok(count) => count,
                // A receive with a timeout is not restarted after a signal: signal(7).
                Err(refusal) if refusal.kind() == ErrorKind::Interrupted => continue,
                Err(refusal) => self.give_up(wanted, &refusal),
            };
            let text = String::from_utf8_lossy(datagram.get(..count).unwrap()).into_owned();
            if text.lines().any(|line| line == wanted) {
                return text;
            }
        }
    }

    fn give_up(&mut self, wanted: &str, refusal: &std::io::Error) -> ! {
        let ended = self.child.try_wait();
        let _killed = self.child.kill().is_ok();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        panic!("no {wanted}: {refusal:?}; the process: {ended:?}\n{log}");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended already, unless its test has failed.
        let _killed = self.child.kill().is_ok();
        let _reaped = self.child.wait().is_ok();
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_appointd"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs a command whose last argument is the folder's settings file.
fn run(arguments: &[&str], folder: &TempDir) -> Output {
    command().args(arguments).arg(folder.path().join("appointd.toml")).output().unwrap()
}

fn write(folder: &TempDir, settings: &str) {
    std::fs::write(folder.path().join("appointd.toml"), settings).unwrap();
}

fn field(line: &str, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    value.get(name).and_then(|text| text.as_str()).unwrap_or_default().to_owned()
}
