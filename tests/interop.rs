//! The loop between clients and servers that nobody here wrote; see `interop/loop.py`.
//!
//! Runs where `APPOINTD_INTEROP` names a folder that `interop/run.sh` has filled (or may fill);
//! elsewhere it passes and says so: a test fetches nothing from the network unasked.

use std::path::Path;
use std::process::Command;

#[test]
fn the_loop_closes_with_foreign_clients_and_servers() {
    let Some(folder) = std::env::var_os("APPOINTD_INTEROP") else {
        println!("skipped: APPOINTD_INTEROP names no folder for the clients; .ci/run sets it");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/run.sh");
    let played = Command::new(script).arg(env!("CARGO_BIN_EXE_appointd")).arg(folder).status();
    assert!(played.unwrap().success(), "the loop is not closed; see above");
}
