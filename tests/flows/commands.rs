//! `appointd flow check` and `appointd flow play`, as typed.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::{expect_golden, folder};

fn appointd(arguments: &[&str], typed: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_appointd"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that ends before it has read everything closes the pipe.
    let _closed = child.stdin.take().unwrap().write_all(typed.as_bytes()).is_err();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn playing_reads_like_the_conversation() {
    let typed = "/help\n7 or 8\n/vars\n/back\nabout five\nyes\n";
    let played = appointd(&["flow", "play", "conf/flows/post-procedure.json"], typed);
    assert!(played.status.success(), "{}", text(&played.stderr));
    expect_golden(&folder().join("play.golden"), &text(&played.stdout)).unwrap();
    assert!(!text(&played.stdout).contains('\x1b'));
}

#[test]
fn a_player_is_server_and_may_wait_or_leave() {
    let typed = "503 {}\n\n/quit\n";
    let data = ["--data", "host=ehr.example.org", "--data", "patient_first_name=John"];
    let played =
        appointd(&[&["flow", "play", "fixtures/flows/http.json"][..], &data].concat(), typed);
    let out = text(&played.stdout);
    assert!(out.contains("GET https://ehr.example.org/slots?of=day&name=John+%26+co"), "{out}");
    assert!(out.contains("POST https://ehr.example.org/FN"), "{out}");
    let waited = appointd(&["flow", "play", "post-procedure", "--language", "es"], "/wait\n");
    let out = text(&waited.stdout);
    assert!(out.contains("waits up to 6h") && out.contains("No recibimos respuesta"), "{out}");
    let failed = appointd(&["flow", "play", "post-procedure"], "/fail\n");
    assert!(text(&failed.stdout).contains("has come to its end"), "{}", text(&failed.stdout));
    let unknown = appointd(&["flow", "play", "gone"], "");
    assert_eq!(unknown.status.code(), Some(64));
    assert!(text(&unknown.stderr).contains("there are new-member-welcome"));
}

#[test]
fn the_first_row_of_a_list_gives_the_values() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list.csv");
    std::fs::write(&list, "patient_id,patient_first_name,patient_phone\n1,\"Roe, Frances\",x\n")
        .unwrap();
    let list = list.to_string_lossy().into_owned();
    let played = appointd(&["flow", "play", "new-member-welcome", "--from-csv", &list], "");
    assert!(text(&played.stdout).contains("Welcome, Roe, Frances!"), "{}", text(&played.stdout));
}

#[test]
fn checking_tells_faults_and_shows_what_is_sound() {
    let good = appointd(&["flow", "check", "conf/flows/post-procedure.json"], "");
    assert!(good.status.success(), "{}", text(&good.stderr));
    let out = text(&good.stdout);
    for expected in ["3 questions", "columns: patient_first_name", "pain [es]: GSM-7, 1 segment"] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    let bad =
        ["fixtures/flows/faults.json", "fixtures/flows/doubts.json", "fixtures/flows/gone.json"];
    let bad = appointd(&[&["flow", "check"][..], &bad].concat(), "");
    assert_eq!(bad.status.code(), Some(1));
    let told = text(&bad.stderr);
    assert!(
        told.contains("appointd: fixtures/flows/faults.json:29: state voice (say-play)"),
        "{told}"
    );
    assert!(told.contains("warning: fixtures/flows/doubts.json:8: state island"), "{told}");
    assert!(told.contains("fixtures/flows/gone.json: No such file"), "{told}");
}
