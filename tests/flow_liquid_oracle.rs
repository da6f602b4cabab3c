//! The templates of flows against `liquidjs`, which nobody here wrote; see `interop/liquid.mjs`.
//!
//! Runs where `APPOINTD_INTEROP` names a folder for foreign programs, as `.ci/run` does; elsewhere it
//! passes and says so: a test fetches nothing from the network unasked. `LIQUID_SEED` and
//! `LIQUID_COUNT` ask for other templates than the usual ones.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::path::Path;
use std::process::{Command, Stdio};

use appointd::core::flow::liquid::Template;
use serde_json::Value;

/// The fewest templates that are a comparison.
const VECTORS_MIN: usize = 1_000;

/// The most differences that are printed.
const SHOWN_MAX: usize = 40;

#[test]
fn templates_render_as_liquidjs_renders_them() {
    let Some(folder) = std::env::var_os("APPOINTD_INTEROP") else {
        println!("skipped: APPOINTD_INTEROP names no folder for liquidjs; .ci/run sets it");
        return;
    };
    let written =
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/liquid.sh"))
            .arg(Path::new(&folder).join("liquid"))
            .args(["LIQUID_SEED", "LIQUID_COUNT"].iter().map_while(|name| std::env::var(name).ok()))
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
    assert!(written.status.success(), "there are no templates of liquidjs; see above");
    let vectors = String::from_utf8(written.stdout).unwrap();
    let differences: Vec<String> = vectors.lines().filter_map(difference).collect();
    for difference in differences.iter().take(SHOWN_MAX) {
        println!("{difference}\n");
    }
    assert!(differences.is_empty(), "{} templates render otherwise", differences.len());
    assert!(vectors.lines().count() >= VECTORS_MIN, "there are fewer templates than expected");
}

/// What is wrong with a template, if anything is.
fn difference(line: &str) -> Option<String> {
    let vector: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| vector.get(name).and_then(Value::as_str).unwrap_or_default();
    let now = vector.get("now").and_then(Value::as_i64).unwrap_or_default();
    let now = chrono::DateTime::from_timestamp_millis(now).unwrap_or_default();
    let (template, output) = (text("template"), text("output"));
    let ours = match Template::parse(template) {
        Err(fault) => format!("refused: {fault}"),
        Ok(parsed) => match parsed.render(&vector["scope"], now, text("zone").parse().unwrap()) {
            Err(fault) => format!("stopped: {fault}"),
            Ok(ours) => ours,
        },
    };
    (ours != output).then(|| {
        let (scope, zone) = (&vector["scope"], text("zone"));
        format!(
            "{template}\nliquidjs: {output:?}\nours:     {ours:?}\nnow {now} zone {zone}\n{scope}"
        )
    })
}
