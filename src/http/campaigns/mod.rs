//! Campaigns over the API: lists in, orders, how far they are, responses out.
//!
//! A list is spooled to a file without a name and looked over before anything is made of it. Its rows
//! then go to the engine in portions, whether or not the caller still waits; if the daemon ends in
//! between, the campaign is left loading, texts nobody, and keeps no other out.

mod intake;
mod key;
mod responses;
mod spool;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use intake::{BadExpiry, Order as NewOrder, expiry, read_expiry};
pub use key::key;
pub use responses::{Choice, Source, write_responses};

use super::{Context, problem};
use crate::core::campaign::{Campaign, CampaignId, CampaignState, Order};
use crate::core::event::Event;
use crate::core::flow::Program;
use crate::core::rules::Rules;
use crate::core::task::NAME_MAX;
use crate::engine::campaigns::campaign_json;
use crate::engine::{Answer, SharedRules};

/// How long a list may take: a million rows over a slow line, and to the disk.
pub const LIST_WITHIN: Duration = Duration::from_secs(2 * 3600);
/// How many lists are taken in at a time: each may fill a gigabyte of the disk.
const LISTS_MAX: usize = 2;

/// What campaigns are made with.
#[derive(Debug)]
pub struct Means {
    rules: SharedRules,
    segments_per_second: f64,
    /// Where lists wait to be read, and workbooks to be sent.
    folder: PathBuf,
    /// Whether the folder is the store's, so that what is left there is found again.
    is_kept: bool,
    places: Arc<Semaphore>,
    /// Whose list goes to the engine now.
    turn: Mutex<()>,
    /// Where lists are taken in, though nobody waits for the answer any more.
    tasks: TaskTracker,
    /// Tells them to stop.
    stop: CancellationToken,
    key: std::sync::OnceLock<crate::outreach::responses::Key>,
}

impl Means {
    /// Puts together rules, the sender's parts in a second, and a folder for files, which may be the
    /// store's; lists are taken in among its tasks, until they are told to stop.
    #[must_use]
    pub fn new(
        rules: SharedRules,
        segments_per_second: f64,
        folder: PathBuf,
        is_kept: bool,
        (tasks, stop): (TaskTracker, CancellationToken),
    ) -> Self {
        let places = Arc::new(Semaphore::new(LISTS_MAX));
        let key = std::sync::OnceLock::new();
        let turn = Mutex::new(());
        Self { rules, segments_per_second, folder, is_kept, places, turn, tasks, stop, key }
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&*self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The routes.
pub(super) fn router() -> Router<Context> {
    Router::new()
        .route("/campaigns", get(list).post(intake::create))
        .route("/campaigns/{id}", get(show))
        .route("/campaigns/{id}/start", post(start))
        .route("/campaigns/{id}/pause", post(pause))
        .route("/campaigns/{id}/resume", post(resume))
        .route("/campaigns/{id}/stop", post(stop))
        .route("/campaigns/{id}/responses", get(responses::send))
        .route("/flows", get(flows))
}

/// How long a request may take that carries a list or a workbook; `None` for others.
pub(super) fn answered_within(request: &Request) -> Option<Duration> {
    let path = request.uri().path();
    let is_list = request.method() == Method::POST && path == "/api/v1/campaigns";
    let is_book = path.starts_with("/api/v1/campaigns/") && path.ends_with("/responses");
    (is_list || is_book).then_some(LIST_WITHIN)
}

/// By whom an order is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    /// Who gives it.
    pub by: String,
}

async fn list(State(context): State<Context>) -> Response {
    let (view, now) = (context.handle.view(), context.clock.now());
    let read = tokio::task::spawn_blocking(move || view.campaigns()).await;
    let Ok(Ok(rows)) = read else { return unreadable() };
    Json(rows.iter().map(|row| campaign_json(row, now)).collect::<Vec<_>>()).into_response()
}

async fn show(State(context): State<Context>, Path(id): Path<String>) -> Response {
    match find(&context, &id).await {
        Ok(row) => Json(campaign_json(&row, context.clock.now())).into_response(),
        Err(refusal) => refusal,
    }
}

async fn start(
    State(context): State<Context>,
    Path(id): Path<String>,
    by: Result<Json<By>, JsonRejection>,
) -> Response {
    ordered(&context, &id, Order::Start, by).await
}

async fn pause(
    State(context): State<Context>,
    Path(id): Path<String>,
    by: Result<Json<By>, JsonRejection>,
) -> Response {
    ordered(&context, &id, Order::Pause, by).await
}

async fn resume(
    State(context): State<Context>,
    Path(id): Path<String>,
    by: Result<Json<By>, JsonRejection>,
) -> Response {
    ordered(&context, &id, Order::Resume, by).await
}

async fn stop(
    State(context): State<Context>,
    Path(id): Path<String>,
    by: Result<Json<By>, JsonRejection>,
) -> Response {
    ordered(&context, &id, Order::Stop, by).await
}

async fn ordered(
    context: &Context,
    id: &str,
    order: Order,
    by: Result<Json<By>, JsonRejection>,
) -> Response {
    let Ok(Json(By { by })) = by else {
        let detail = "write {\"by\": \"Frances\"}";
        return problem(StatusCode::UNPROCESSABLE_ENTITY, detail, Some("body"));
    };
    let Some(by) = name_of(&by) else { return no_name("by") };
    let row = match find(context, id).await {
        Ok(row) => row,
        Err(refusal) => return refusal,
    };
    match give(context, &row.id, order, by).await {
        Ok(row) => Json(campaign_json(&row, context.clock.now())).into_response(),
        Err(refusal) => refusal,
    }
}

/// Gives an order, and says how the campaign is from then on.
async fn give(
    context: &Context,
    id: &CampaignId,
    order: Order,
    by: &str,
) -> Result<Campaign, Response> {
    let event = Event::CampaignMoved { campaign: id.clone(), order, by: by.to_owned() };
    if let Answer::NotStored(_) = context.handle.act(event).await {
        return Err(not_stored());
    }
    let row = find(context, id.as_str()).await?;
    if follows(order, row.state) {
        return Ok(row);
    }
    let is_late = order == Order::Start && row.not_after <= context.clock.now();
    let late = if is_late { ", and its time is over: make another" } else { "" };
    let detail = format!("the campaign is {}{late}", row.state.name());
    Err(problem(StatusCode::CONFLICT, &detail, Some("state")))
}

/// Whether a campaign is in this state after an order was followed.
const fn follows(order: Order, state: CampaignState) -> bool {
    match order {
        // Nobody may be left to begin with.
        Order::Start | Order::Resume => {
            matches!(state, CampaignState::Running | CampaignState::Finished)
        }
        Order::Pause => matches!(state, CampaignState::Paused),
        Order::Stop => matches!(state, CampaignState::Stopped),
    }
}

async fn find(context: &Context, id: &str) -> Result<Campaign, Response> {
    let Ok(id) = id.parse::<CampaignId>() else { return Err(unknown()) };
    let view = context.handle.view();
    match tokio::task::spawn_blocking(move || view.campaign(&id)).await {
        Ok(Ok(Some(row))) => Ok(row),
        Ok(Ok(None)) => Err(unknown()),
        Ok(Err(_)) | Err(_) => Err(unreadable()),
    }
}

/// The flows that there are.
async fn flows(State(context): State<Context>) -> Response {
    let rules = context.outreach.rules();
    let flows = rules.outreach.flows.iter().map(|(name, program)| flow_json(name, program));
    Json(flows.collect::<Vec<_>>()).into_response()
}

/// Renders a flow for people and scripts.
#[must_use]
pub fn flow_json(name: &str, program: &Program) -> Value {
    let questions: Vec<Value> = program
        .questions()
        .iter()
        .map(|question| json!({ "name": question.name, "text": question.text }))
        .collect();
    let columns: Vec<Value> = program
        .columns()
        .iter()
        .map(|column| json!({ "name": column.name, "needed": column.is_needed }))
        .collect();
    json!({
        "name": name,
        "description": program.description(),
        "sid": program.sid(),
        "questions": questions,
        "columns": columns,
        "expires_after_hours": program.expires_after().map(|span| span.num_hours()),
    })
}

/// A name of somebody or something: one line that is not empty.
#[must_use]
pub fn name_of(text: &str) -> Option<&str> {
    let name = text.trim();
    let is_name =
        (1..=NAME_MAX).contains(&name.chars().count()) && !name.contains(char::is_control);
    is_name.then_some(name)
}

fn no_name(field: &str) -> Response {
    let detail = "write one line of up to 64 characters";
    problem(StatusCode::UNPROCESSABLE_ENTITY, detail, Some(field))
}

fn unknown() -> Response {
    problem(StatusCode::NOT_FOUND, "there is no such campaign", Some("id"))
}

fn not_stored() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "not stored, try again later", None)
}

fn unreadable() -> Response {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "the campaign cannot be read", None)
}
