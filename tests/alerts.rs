//! Alerts name metrics that exist, with labels that exist.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use appointd::core::ids::SourceName;
use appointd::engine::Verdict;
use appointd::store::Category;
use appointd::telemetry::Metrics;
use chrono::DateTime;

#[test]
fn alerts_name_metrics_that_exist() {
    let rendered = rendered();
    let known: BTreeSet<&str> = rendered
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let alerts = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/prometheus-alerts.yml"),
    )
    .unwrap();
    let mut named = BTreeSet::new();
    let mut faults = Vec::new();
    for (number, line) in alerts.lines().enumerate() {
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        for name in line.split(word).filter(|name| name.starts_with("appointd_")) {
            named.insert(name.to_owned());
            if !known.contains(name) {
                faults.push(format!("systemd/prometheus-alerts.yml:{}: no {name}", number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    assert!(named.len() > 8, "{named:?}");
    let labels = labels(&rendered);
    for (metric, label) in [
        ("appointd_messages_total", "kind"),
        ("appointd_messages_total", "source"),
        ("appointd_rows", "kind"),
        ("appointd_tasks_open", "kind"),
        ("appointd_tasks_oldest_open_seconds", "urgent"),
        ("appointd_gate_closed", "source"),
        ("appointd_breaker_open", "kind"),
        ("appointd_sends_total", "outcome"),
        ("appointd_sends_total", "lane"),
        ("appointd_webhooks_total", "kind"),
        ("appointd_sms_failures_total", "kind"),
    ] {
        assert!(labels[metric].contains(label), "{metric} {label}");
    }
}

fn rendered() -> String {
    let metrics = Metrics::new();
    let source = SourceName::new("main-ehr");
    metrics.connection_opened(&source);
    metrics.connection_refused(&source, "address");
    metrics.frame(&source, 2, 1);
    metrics.frame_fault(&source, "partial");
    metrics.verdict(&source, &Verdict::NotStored(Category::Unavailable));
    metrics.heard(&source, DateTime::UNIX_EPOCH);
    metrics.acknowledged(&source, "AA");
    metrics.sent("sms", "accepted");
    metrics.breaker("sms", true);
    metrics.sms_failed("content");
    metrics.sms_held_until(None);
    metrics.webhook("accepted");
    metrics.searched(&source, "failed");
    metrics.subscription(&source, false);
    metrics.set_rows("tasks", 1);
    metrics.set_open_tasks("unclear", 1);
    metrics.set_oldest_task("yes", 1);
    metrics.gate(&source, true, 1);
    metrics.set_free_bytes(1);
    metrics.answered(0.1);
    metrics.render()
}

fn labels(rendered: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in rendered.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let pairs = rest.split('}').next().unwrap().split(',');
        labels.entry(name).or_default().extend(pairs.filter_map(|pair| pair.split('=').next()));
    }
    labels
}
