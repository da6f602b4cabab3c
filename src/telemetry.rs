//! What the daemon tells the outside about itself: metrics and logs, without patient data.
//!
//! Names are stable: alert rules depend on them. Labels hold names from the settings and closed
//! lists, never anything that came in a message.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock::Timestamp;
use crate::core::ids::SourceName;
use crate::engine::Verdict;
use crate::engine::rows::Filed;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceAndKind {
    source: String,
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneAndOutcome {
    lane: String,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UrgentLabel {
    urgent: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

type ByKind = Family<SourceAndKind, Counter>;

/// The daemon's counters.
pub struct Metrics {
    registry: Registry,
    messages: ByKind,
    acknowledgments: ByKind,
    frame_faults: ByKind,
    frame_bytes: Family<SourceLabel, Counter>,
    discarded_bytes: Family<SourceLabel, Counter>,
    connections: Family<SourceLabel, Gauge>,
    refused: ByKind,
    last_message: Family<SourceLabel, Gauge<f64, AtomicU64>>,
    sends: Family<LaneAndOutcome, Counter>,
    sms_failures: Family<KindLabel, Counter>,
    sms_held_until: Gauge<i64, AtomicI64>,
    breaker_open: Family<KindLabel, Gauge>,
    webhooks: Family<KindLabel, Counter>,
    searches: ByKind,
    nonconforming: ByKind,
    subscription_active: Family<SourceLabel, Gauge>,
    rows: Family<KindLabel, Gauge>,
    desk: Desk,
    free_bytes: Gauge<i64, AtomicI64>,
    reload_refused: Gauge<i64, AtomicI64>,
    answer_seconds: Histogram,
}

/// What people have to look at.
struct Desk {
    open_tasks: Family<KindLabel, Gauge>,
    oldest_task: Family<UrgentLabel, Gauge>,
    gate_closed: Family<SourceLabel, Gauge>,
    texts_held: Family<SourceLabel, Gauge>,
}

impl Desk {
    fn new(registry: &mut Registry) -> Self {
        Self {
            open_tasks: register(registry, "tasks_open", "Tasks that nobody has yet, by kind"),
            oldest_task: register(
                registry,
                "tasks_oldest_open_seconds",
                "For how long the oldest task that nobody has yet waits",
            ),
            gate_closed: register(
                registry,
                "gate_closed",
                "Whether the flood guard holds a source's texts",
            ),
            texts_held: register(registry, "texts_held", "Texts that the flood guard holds"),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A new set of counters, all at zero.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "one entry a metric")]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("appointd");
        let buckets = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
        let this = Self {
            messages: register(&mut registry, "messages", "Messages, by what became of them"),
            acknowledgments: register(&mut registry, "acknowledgments", "Answers sent, by code"),
            frame_faults: register(
                &mut registry,
                "mllp_frame_faults",
                "Frames that are no message",
            ),
            frame_bytes: register(&mut registry, "mllp_bytes", "Bytes received in frames"),
            discarded_bytes: register(
                &mut registry,
                "mllp_discarded_bytes",
                "Bytes skipped between frames",
            ),
            connections: register(&mut registry, "mllp_connections", "Open connections"),
            refused: register(
                &mut registry,
                "mllp_connections_refused",
                "Connections refused, by reason",
            ),
            last_message: register(
                &mut registry,
                "last_message_timestamp_seconds",
                "When the last message was stored",
            ),
            sends: register(&mut registry, "sends", "Effects performed, by outcome"),
            sms_failures: register(
                &mut registry,
                "sms_failures",
                "Texts refused or not delivered, by class",
            ),
            sms_held_until: register(
                &mut registry,
                "sms_held_until_timestamp_seconds",
                "Until when the sender of texts rests; 0 if it does not",
            ),
            breaker_open: register(
                &mut registry,
                "breaker_open",
                "Whether a lane is paused after failures",
            ),
            webhooks: register(&mut registry, "webhooks", "Webhook calls, by outcome"),
            searches: register(&mut registry, "fhir_searches", "Searches of servers, by outcome"),
            nonconforming: register(
                &mut registry,
                "fhir_strict_failures",
                "Appointments that a strict reader would refuse, by fault",
            ),
            subscription_active: register(
                &mut registry,
                "fhir_subscription_active",
                "Whether a server's subscription works",
            ),
            rows: register(&mut registry, "rows", "Rows that want attention, by kind"),
            desk: Desk::new(&mut registry),
            free_bytes: register(
                &mut registry,
                "store_free_bytes",
                "Free space of the store's disk",
            ),
            reload_refused: register(
                &mut registry,
                "reload_refused",
                "Whether the last reload was refused and older settings are in force",
            ),
            answer_seconds: Histogram::new(buckets),
            registry: Registry::default(),
        };
        registry.register(
            "http_answer_seconds",
            "Time to answer an HTTP request",
            this.answer_seconds.clone(),
        );
        Self { registry, ..this }
    }

    /// Renders all counters for Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _written = encode(&mut text, &self.registry).is_ok();
        text
    }

    /// Counts an open connection.
    pub fn connection_opened(&self, source: &SourceName) {
        self.connections.get_or_create(&label(source)).inc();
    }

    /// Counts a closed connection.
    pub fn connection_closed(&self, source: &SourceName) {
        self.connections.get_or_create(&label(source)).dec();
    }

    /// Counts a connection that was refused.
    pub fn connection_refused(&self, source: &SourceName, why: &str) {
        self.refused.get_or_create(&labels(source, why)).inc();
    }

    /// Counts a frame's bytes and what lay before it.
    pub fn frame(&self, source: &SourceName, bytes: usize, discarded: usize) {
        self.frame_bytes.get_or_create(&label(source)).inc_by(bytes as u64);
        if discarded > 0 {
            self.discarded_bytes.get_or_create(&label(source)).inc_by(discarded as u64);
        }
    }

    /// Counts a frame that is no message.
    pub fn frame_fault(&self, source: &SourceName, kind: &str) {
        self.frame_faults.get_or_create(&labels(source, kind)).inc();
    }

    /// Counts what became of a message.
    pub fn verdict(&self, source: &SourceName, verdict: &Verdict) {
        let kind = match verdict {
            Verdict::NotStored(_) => "not_stored",
            Verdict::Stored { is_repeated: true, .. } => "repeated",
            Verdict::Stored { filed: Filed::Events(_), .. } => "event",
            Verdict::Stored { filed: Filed::Noted(_), .. } => "noted",
            Verdict::Stored { filed: Filed::NoEvent(_), .. } => "no_event",
            Verdict::Stored { filed: Filed::Quarantined(_), .. } => "quarantined",
        };
        self.messages.get_or_create(&labels(source, kind)).inc();
    }

    /// Notes when a feed was last heard.
    pub fn heard(&self, source: &SourceName, at: Timestamp) {
        let seconds = at.timestamp_micros() as f64 / 1e6;
        self.last_message.get_or_create(&label(source)).set(seconds);
    }

    /// Counts an answer.
    pub fn acknowledged(&self, source: &SourceName, code: &str) {
        self.acknowledgments.get_or_create(&labels(source, code)).inc();
    }

    /// Counts an effect that was performed.
    pub fn sent(&self, lane: &str, outcome: &str) {
        let labels = LaneAndOutcome { lane: lane.to_owned(), outcome: outcome.to_owned() };
        self.sends.get_or_create(&labels).inc();
    }

    /// Counts a text that was refused or not delivered, by the class of its code.
    pub fn sms_failed(&self, class: &str) {
        self.sms_failures.get_or_create(&kind(class)).inc();
    }

    /// Notes until when the sender of texts rests.
    pub fn sms_held_until(&self, until: Option<Timestamp>) {
        self.sms_held_until.set(until.map_or(0, |until| until.timestamp()));
    }

    /// Notes whether a lane is paused.
    pub fn breaker(&self, lane: &str, is_open: bool) {
        self.breaker_open.get_or_create(&kind(lane)).set(i64::from(is_open));
    }

    /// Counts a webhook call.
    pub fn webhook(&self, outcome: &str) {
        self.webhooks.get_or_create(&kind(outcome)).inc();
    }

    /// Counts a search of a server.
    pub fn searched(&self, server: &SourceName, outcome: &str) {
        self.searches.get_or_create(&labels(server, outcome)).inc();
    }

    /// Counts an appointment that a strict reader would refuse.
    pub fn nonconforming(&self, server: &SourceName, fault: &str) {
        self.nonconforming.get_or_create(&labels(server, fault)).inc();
    }

    /// Notes whether the subscription at a server works.
    pub fn subscription(&self, server: &SourceName, is_active: bool) {
        self.subscription_active.get_or_create(&label(server)).set(i64::from(is_active));
    }

    /// Notes how many rows of a kind want attention.
    pub fn set_rows(&self, name: &str, count: usize) {
        self.rows.get_or_create(&kind(name)).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Notes how many tasks of a kind nobody has yet.
    pub fn set_open_tasks(&self, name: &str, count: usize) {
        self.desk
            .open_tasks
            .get_or_create(&kind(name))
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Notes for how many seconds the oldest task waits that nobody has yet; `urgent` is yes or no.
    pub fn set_oldest_task(&self, urgent: &str, seconds: i64) {
        let label = UrgentLabel { urgent: urgent.to_owned() };
        self.desk.oldest_task.get_or_create(&label).set(seconds);
    }

    /// Notes how a source's gate is, and how many texts it holds.
    pub fn gate(&self, source: &SourceName, is_closed: bool, held: u64) {
        self.desk.gate_closed.get_or_create(&label(source)).set(i64::from(is_closed));
        let held = i64::try_from(held).unwrap_or(i64::MAX);
        self.desk.texts_held.get_or_create(&label(source)).set(held);
    }

    /// Notes the free space.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.free_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Notes whether the last reload was refused.
    pub fn reload_refused(&self, is_refused: bool) {
        self.reload_refused.set(i64::from(is_refused));
    }

    /// Notes how long an HTTP answer took.
    pub fn answered(&self, seconds: f64) {
        self.answer_seconds.observe(seconds);
    }
}

fn register<M>(registry: &mut Registry, name: &str, help: &str) -> M
where
    M: Clone + Default + prometheus_client::registry::Metric,
{
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn label(source: &SourceName) -> SourceLabel {
    SourceLabel { source: source.as_str().to_owned() }
}

fn labels(source: &SourceName, kind: &str) -> SourceAndKind {
    SourceAndKind { source: source.as_str().to_owned(), kind: kind.to_owned() }
}

fn kind(kind: &str) -> KindLabel {
    KindLabel { kind: kind.to_owned() }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines, one object a line.
    Json,
}

/// A way to change the level while running.
#[derive(Debug, Clone)]
pub struct LogLevel(reload::Handle<EnvFilter, tracing_subscriber::Registry>);

impl LogLevel {
    /// Sets the level; returns whether it could be read.
    #[must_use]
    pub fn set(&self, level: &str) -> bool {
        EnvFilter::try_new(level).is_ok_and(|filter| self.0.reload(filter).is_ok())
    }
}

/// Starts logging to the standard error stream. `None` if something else has set up logging before.
#[must_use]
pub fn start_logging(format: LogFormat, level: &str) -> Option<LogLevel> {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let registry = tracing_subscriber::registry().with(filter).with(discretion());
    let started = match format {
        LogFormat::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
        LogFormat::Text => registry
            .with(tracing_subscriber::fmt::layer().with_target(false).with_writer(std::io::stderr))
            .try_init(),
    };
    started.is_ok().then_some(LogLevel(handle))
}

/// Keeps whole addresses, which hold patients' ids, out of the log. A layer of its own, as a level asked
/// for with a target of its own would win over a directive.
fn discretion() -> FilterFn {
    FilterFn::new(is_discreet)
}

fn is_discreet(metadata: &Metadata<'_>) -> bool {
    let rest = metadata.target().strip_prefix(appointd_fhir::client::LOG_TARGET);
    !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
#[path = "telemetry_tests.rs"]
mod tests;
