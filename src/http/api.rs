//! `/api/v1`: queries, replays and the store's keeping, for scripts and the command line.
//!
//! Every route but the description needs the bearer token that the daemon writes beside its store.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Context, campaigns, consent, has_token, holds, problem, servers, tasks};
use crate::clock::Timestamp;
use crate::core::event::Event;
use crate::core::ids::{AppointmentKey, Seq};
use crate::core::phone::{PhoneNumber, Region};
use crate::engine::recorded::RecordedMessage;
use crate::engine::render::outcome_json;
use crate::engine::rows::Cause;
use crate::engine::view::{Filter, Subject};
use crate::engine::{Answer, Reading, Verdict};

/// How many rows a query gives if it does not say.
pub const LIMIT_DEFAULT: usize = 100;
/// How many messages come with their bytes at most: their bytes are bounded besides.
pub const RECORDED_MAX: usize = 1_000;
/// How many rows a query gives at most.
pub const LIMIT_MAX: usize = 10_000;

/// A query's narrowing, as it stands in an address or on the command line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowing {
    /// A patient's record number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// A phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// An appointment's key or one of its identifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appointment: Option<String>,
    /// Not older: RFC 3339, a date, or a span such as `7d` back from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Not newer, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Status or state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// At most so many rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A narrowing that cannot be read: which part, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadNarrowing {
    /// Which part.
    pub field: &'static str,
    /// Why.
    pub problem: &'static str,
}

impl Narrowing {
    /// Reads the parts; a phone without a country is one of `region`.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub fn filter(&self, now: Timestamp, region: Region) -> Result<Filter, BadNarrowing> {
        let phone = self.phone.as_deref().map(|text| PhoneNumber::parse(text, region));
        let phone = phone
            .transpose()
            .map_err(|_| BadNarrowing { field: "phone", problem: "is no phone number" })?;
        Ok(Filter {
            patient: self.patient.clone(),
            phone,
            appointment: self.appointment.clone(),
            since: self.since.as_deref().map(|text| moment("since", text, now)).transpose()?,
            until: self.until.as_deref().map(|text| moment("until", text, now)).transpose()?,
            status: self.status.clone(),
            limit: self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX),
        })
    }
}

fn moment(field: &'static str, text: &str, now: Timestamp) -> Result<Timestamp, BadNarrowing> {
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    if let Ok(day) = text.parse::<chrono::NaiveDate>() {
        return Ok(day.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    let problem = "write 2026-12-01, 2026-12-01T09:30:00Z, or a span such as 7d";
    crate::settings::parse_duration(text)
        .and_then(|span| now.checked_sub_signed(chrono::TimeDelta::from_std(span).ok()?))
        .ok_or(BadNarrowing { field, problem })
}

/// What is to be read again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Entries of the journal.
    pub ids: Vec<u64>,
    /// Whether to show what would be read, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether patients may be texted about it.
    #[serde(default)]
    pub notify: bool,
}

/// Which messages are wanted as they came, the oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Not older; as in [`Narrowing`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Not newer, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Only behind this entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Where a backup goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupTo {
    /// A file on the daemon's machine.
    pub file: std::path::PathBuf,
}

pub(super) fn router(context: Context) -> Router<Context> {
    Router::new()
        .route("/query/{subject}", get(query))
        .route("/messages/recorded", get(recorded))
        .route("/messages/{seq}/raw", get(raw))
        .route("/messages/{seq}/explain", get(explain))
        .route("/map/{source}", post(map))
        .route("/replay", post(replay))
        .route("/appointments/remind", post(remind))
        .route("/servers/{server}/resync", post(servers::resync))
        .route("/tasks", get(list_tasks))
        .route("/tasks/{id}", post(tasks::set))
        .route("/holds", get(holds::list))
        .route("/holds/{source}/release", post(holds::release))
        .route("/holds/{source}/discard", post(holds::discard))
        .route("/consent/{phone}", get(consent::show).post(consent::set))
        .route("/store/stats", get(stats))
        .route("/store/verify", post(verify))
        .route("/store/backup", post(backup))
        .merge(campaigns::router())
        .layer(middleware::from_fn_with_state(context, guarded))
        .route("/openapi.json", get(description))
}

async fn guarded(State(context): State<Context>, request: Request, next: Next) -> Response {
    if has_token(&context, request.headers()) {
        return next.run(request).await;
    }
    let mut answer = problem(StatusCode::UNAUTHORIZED, "a bearer token is needed", None);
    answer
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    answer
}

/// Why a body is no order, and how one is written.
fn no_order(refusal: &JsonRejection, wanted: &str) -> Response {
    problem(refusal.status(), wanted, Some("body"))
}

async fn description() -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, include_str!("openapi.json")).into_response()
}

/// Runs what reads the store off the threads that serve sockets.
async fn read<T: Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Json(value).into_response(),
        Ok(Err(refusal)) => problem(StatusCode::INTERNAL_SERVER_ERROR, &refusal, None),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the query failed", None),
    }
}

async fn query(
    State(context): State<Context>,
    Path(subject): Path<String>,
    narrowing: Result<Query<Narrowing>, QueryRejection>,
) -> Response {
    let Some(subject) = Subject::parse(&subject) else {
        return problem(StatusCode::NOT_FOUND, "there is no such subject", Some("subject"));
    };
    answer(&context, subject, narrowing).await
}

async fn list_tasks(
    State(context): State<Context>,
    narrowing: Result<Query<Narrowing>, QueryRejection>,
) -> Response {
    answer(&context, Subject::Tasks, narrowing).await
}

async fn answer(
    context: &Context,
    subject: Subject,
    narrowing: Result<Query<Narrowing>, QueryRejection>,
) -> Response {
    let Ok(Query(narrowing)) = narrowing else {
        let detail = "write patient, phone, appointment, since, until, status and limit, each once";
        return problem(StatusCode::BAD_REQUEST, detail, Some("query"));
    };
    let filter = match narrowing.filter(context.clock.now(), context.region) {
        Ok(filter) => filter,
        Err(bad) => return problem(StatusCode::BAD_REQUEST, bad.problem, Some(bad.field)),
    };
    if let Err(unknown) = subject.check(&filter) {
        return problem(StatusCode::BAD_REQUEST, &unknown.to_string(), Some(unknown.field));
    }
    let view = context.handle.view();
    read(move || view.query(subject, &filter).map_err(|error| error.to_string())).await
}

async fn recorded(
    State(context): State<Context>,
    wanted: Result<Query<Recorded>, QueryRejection>,
) -> Response {
    let Ok(Query(wanted)) = wanted else {
        let detail = "write since, until, after and limit, each once";
        return problem(StatusCode::BAD_REQUEST, detail, Some("query"));
    };
    let narrowing = Narrowing {
        since: wanted.since,
        until: wanted.until,
        limit: wanted.limit,
        ..Narrowing::default()
    };
    let filter = match narrowing.filter(context.clock.now(), context.region) {
        Ok(filter) => filter,
        Err(bad) => return problem(StatusCode::BAD_REQUEST, bad.problem, Some(bad.field)),
    };
    let view = context.handle.view();
    let after = wanted.after.map(Seq);
    read(move || {
        let limit = filter.limit.min(RECORDED_MAX);
        let found = view.recorded(filter.since, filter.until, after, limit);
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.iter().map(recorded_json).collect::<Vec<_>>())
    })
    .await
}

/// Renders a message as it came, its bytes in base64.
#[must_use]
pub fn recorded_json(message: &RecordedMessage) -> Value {
    use base64::Engine as _;
    let raw = base64::engine::general_purpose::STANDARD.encode(&message.raw);
    json!({ "seq": message.seq, "at": message.at, "source": message.source, "raw": raw })
}

async fn raw(State(context): State<Context>, Path(seq): Path<u64>) -> Response {
    let view = context.handle.view();
    match tokio::task::spawn_blocking(move || view.entry(Seq(seq))).await {
        Ok(Ok(Some((_, raw)))) => {
            ([(header::CONTENT_TYPE, "application/octet-stream")], raw).into_response()
        }
        Ok(Ok(None)) => problem(StatusCode::NOT_FOUND, "there is no such entry", Some("seq")),
        Ok(Err(_)) | Err(_) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the entry cannot be read", None)
        }
    }
}

/// How a stored message was read, and how it would be read now.
async fn explain(State(context): State<Context>, Path(seq): Path<u64>) -> Response {
    let view = context.handle.view();
    let entry = tokio::task::spawn_blocking(move || view.entry(Seq(seq))).await;
    let Ok(Ok(Some((entry, raw)))) = entry else {
        return problem(StatusCode::NOT_FOUND, "there is no such entry", Some("seq"));
    };
    let Cause::Message(meta) = entry.cause else {
        return problem(StatusCode::NOT_FOUND, "this entry is no message", Some("seq"));
    };
    let Some(intake) = context.intakes.iter().find(|intake| intake.source == meta.source) else {
        let detail = "its source is no longer configured, or is not read again";
        return problem(StatusCode::NOT_FOUND, detail, Some("source"));
    };
    let then = json!({
        "mapping": meta.mapping, "mapping_hash": meta.mapping_hash, "detected": meta.detected,
        "filed": meta.filed, "trace": intake.trace(&meta.mapping, &meta.mapping_hash, &meta.trace),
    });
    let now = intake.explain(&raw, context.clock.now());
    Json(json!({ "seq": seq, "then": then, "now": now })).into_response()
}

/// What a feed's mapping makes of messages that are posted; nothing is stored.
async fn map(
    State(context): State<Context>,
    Path(source): Path<String>,
    raw: axum::body::Bytes,
) -> Response {
    let intake = context.intakes.iter().find(|intake| intake.source.as_str() == source);
    match intake {
        Some(intake) => Json(intake.explain(&raw, context.clock.now())).into_response(),
        None => problem(StatusCode::NOT_FOUND, "there is no such source", Some("source")),
    }
}

async fn replay(
    State(context): State<Context>,
    order: Result<Json<Replay>, JsonRejection>,
) -> Response {
    let Json(order) = match order {
        Ok(order) => order,
        Err(refusal) => return no_order(&refusal, "write {\"ids\": [1], \"dry_run\": true}"),
    };
    let mut rows = Vec::new();
    for id in &order.ids {
        rows.push(replay_one(&context, Seq(*id), &order).await);
    }
    Json(rows).into_response()
}

/// Reads a stored message again with the mapping in force.
async fn replay_one(context: &Context, seq: Seq, order: &Replay) -> Value {
    let view = context.handle.view();
    let entry = tokio::task::spawn_blocking(move || view.entry(seq)).await;
    let Ok(Ok(Some((entry, raw)))) = entry else {
        return json!({ "seq": seq, "error": "there is no such entry" });
    };
    let Cause::Message(meta) = entry.cause else {
        return json!({ "seq": seq, "error": "this entry is no message" });
    };
    let Some(intake) = context.intakes.iter().find(|intake| intake.source == meta.source) else {
        return json!({ "seq": seq, "error": "its source is no longer configured, or is not read again" });
    };
    let mut read = Vec::new();
    for mut parsed in intake.reread(&raw, seq, context.clock.now()) {
        if !order.notify
            && let Reading::Claims(claims) = &mut parsed.received.reading
        {
            for claim in claims {
                claim.quiet = Some("replayed without --notify".to_owned());
            }
        }
        let reading = reading_json(&parsed.received.reading);
        if order.dry_run {
            read.push(reading);
            continue;
        }
        let verdict = context.handle.submit(parsed.received).await;
        read.push(json!({ "read": reading, "stored": verdict_json(&verdict) }));
    }
    json!({ "seq": seq, "messages": read })
}

/// Renders what a message was read as.
#[must_use]
pub fn reading_json(reading: &Reading) -> Value {
    match reading {
        Reading::Claims(claims) => {
            json!(claims.iter().map(crate::core::claim::Claim::to_json).collect::<Vec<_>>())
        }
        Reading::Notified(notified) => {
            json!({ "event": null, "reason": "a hint at changes", "hints": notified.hints })
        }
        Reading::NoEvent(reason) => json!({ "event": null, "reason": reason }),
        Reading::Fault(fault) => json!({ "event": null, "fault": fault }),
    }
}

fn verdict_json(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Stored { seq, filed, is_repeated } => {
            json!({ "seq": seq, "filed": filed, "repeated": is_repeated })
        }
        Verdict::NotStored(_) => json!({ "error": "not stored, try again later" }),
    }
}

/// The appointment to remind of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remind {
    /// Its key, or one of its identifiers.
    pub appointment: String,
}

async fn remind(
    State(context): State<Context>,
    order: Result<Json<Remind>, JsonRejection>,
) -> Response {
    let Json(order) = match order {
        Ok(order) => order,
        Err(refusal) => return no_order(&refusal, "write {\"appointment\": \"10001\"}"),
    };
    let view = context.handle.view();
    let name = order.appointment.clone();
    let known = tokio::task::spawn_blocking(move || view.appointment(&name)).await;
    let Ok(Ok(Some(known))) = known else {
        return problem(StatusCode::NOT_FOUND, "there is no such appointment", Some("appointment"));
    };
    let appointment: AppointmentKey = known.key;
    match context.handle.act(Event::RemindNow { appointment }).await {
        Answer::Decided { seq, outcomes } => {
            let outcomes: Vec<Value> = outcomes.iter().map(outcome_json).collect();
            Json(json!({ "seq": seq, "outcomes": outcomes })).into_response()
        }
        Answer::NotStored(_) => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "not stored, try again later", None)
        }
    }
}

async fn stats(State(context): State<Context>) -> Response {
    let store = Arc::clone(context.handle.store());
    read(move || store.stats().map(|stats| stats_json(&stats)).map_err(|e| e.to_string())).await
}

async fn verify(State(context): State<Context>) -> Response {
    let store = Arc::clone(context.handle.store());
    read(move || store.verify().map(|report| report_json(&report)).map_err(|e| e.to_string())).await
}

async fn backup(
    State(context): State<Context>,
    order: Result<Json<BackupTo>, JsonRejection>,
) -> Response {
    let Json(order) = match order {
        Ok(order) => order,
        Err(refusal) => return no_order(&refusal, "write {\"file\": \"/var/backups/appointd\"}"),
    };
    let store = Arc::clone(context.handle.store());
    read(move || {
        let backup = store.backup(&order.file).map_err(|error| error.to_string())?;
        Ok(json!({ "file": order.file, "rows": backup.rows }))
    })
    .await
}

/// Renders what a store holds.
#[must_use]
pub fn stats_json(stats: &crate::store::Stats) -> Value {
    let tables: Value = stats
        .tables
        .iter()
        .map(|(table, held)| {
            (table.name().to_owned(), json!({ "rows": held.rows, "bytes": held.bytes }))
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "tables": tables,
        "pending_rows": stats.pending_rows,
        "disk_bytes": stats.disk_bytes,
        "sequence": stats.sequence,
        "checkpoint_sequence": stats.checkpoint_sequence,
        "log_bytes": stats.log_bytes,
    })
}

/// Renders what a walk over a store found.
#[must_use]
pub fn report_json(report: &crate::store::Report) -> Value {
    let tables: Value = report
        .tables
        .iter()
        .map(|(table, held)| (table.name().to_owned(), json!(held.rows)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "sound": report.is_sound(),
        "rows": tables,
        "damaged_rows": report.damaged_rows,
        "damaged_keys": report.damaged_keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "miscounted": report.miscounted.iter().map(|(table, (expected, found))| {
            json!({ "table": table.name(), "expected": expected, "found": found })
        }).collect::<Vec<_>>(),
        "log_records": report.log_records,
        "faults": report.faults,
    })
}
