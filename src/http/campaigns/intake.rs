//! `POST /campaigns`: a list comes in, is looked over, and becomes a campaign.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::spool::{no_spool, spooled};
use super::{Context, find, give, name_of, no_name, not_stored, unreadable};
use crate::clock::Timestamp;
use crate::core::campaign::{
    ADDED_MAX, Campaign, CampaignId, CampaignKind, CampaignState, NewCampaign, Order as Word,
    Recipient,
};
use crate::core::event::Event;
use crate::core::flow::Program;
use crate::core::reason::Reason;
use crate::core::rules::Rules;
use crate::engine::Answer;
use crate::engine::campaigns::campaign_json;
use crate::http::{problem, problem_with};
use crate::outreach::cell::quoted;
use crate::outreach::encoding::Scouted;
use crate::outreach::list;
use crate::outreach::preview::{Around, Preview, Recipients, preview};
use crate::outreach::quote::Terms;
use crate::outreach::survey::{Finding, Standing};
use crate::settings::parse_duration;

/// How many portions of recipients wait for the engine.
const PORTIONS_MAX: usize = 2;
/// How fast a campaign may be told to begin, as in the settings.
const PER_MINUTE_MAX: u32 = 60_000;
/// How long a campaign may be told to go on, as in the settings.
const EXPIRES_HOURS: std::ops::RangeInclusive<u64> = 1..=90 * 24;

/// What is to be made of a list, as it stands in an address.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Order {
    /// The flow, by name.
    pub flow: String,
    /// The campaign's name; by default the flow's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many recipients it begins with in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// How long it goes on, such as `7d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_after: Option<String>,
    /// Whether only to say what would be.
    pub dry_run: bool,
    /// Whether rows with faults are left out; else they keep the whole list out.
    pub skip_faulty: bool,
    /// Whether it is meant, although the same list went through the same flow before.
    pub again: bool,
    /// Whether it starts at once; else when it is told to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<bool>,
    /// `csv`, with a dry run: all findings as a table, and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<String>,
    /// Who makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// An order that was read.
struct Plan {
    order: Order,
    name: String,
    by: String,
    program: Arc<Program>,
    rules: Arc<Rules>,
    per_minute: u32,
    expires_after: TimeDelta,
    now: Timestamp,
}

impl Plan {
    fn read(context: &Context, order: Order) -> Result<Self, Response> {
        let refused =
            |detail: &str, field| problem(StatusCode::UNPROCESSABLE_ENTITY, detail, Some(field));
        let rules = context.outreach.rules();
        let settings = &rules.outreach;
        let Some(program) = settings.flows.get(&order.flow).map(Arc::clone) else {
            let known: Vec<&str> = settings.flows.keys().map(String::as_str).collect();
            let detail = match known.as_slice() {
                [] => "there is no such flow, and no other: see outreach.flows".to_owned(),
                known => format!("there is no such flow; there are {}", known.join(", ")),
            };
            return Err(problem(StatusCode::NOT_FOUND, &detail, Some("flow")));
        };
        if !program.starts_by_request() {
            let detail = "the flow's trigger leads nowhere on incomingRequest, so that it would text \
                          nobody";
            return Err(refused(detail, "flow"));
        }
        let name = name_of(order.name.as_deref().unwrap_or(&order.flow));
        let name = name.ok_or_else(|| no_name("name"))?.to_owned();
        let by = name_of(order.by.as_deref().unwrap_or("api"));
        let by = by.ok_or_else(|| no_name("by"))?.to_owned();
        let per_minute = order.per_minute.unwrap_or(settings.per_minute);
        if !(1..=PER_MINUTE_MAX).contains(&per_minute) {
            return Err(refused("write 1 to 60000", "per_minute"));
        }
        let expires_after = match &order.expires_after {
            None => expiry(&program, &rules),
            Some(text) => {
                expiry_of(text).ok_or_else(|| refused(BadExpiry::WORDS, "expires_after"))?
            }
        };
        let wants_table = order.findings.is_some();
        if wants_table && !(order.dry_run && order.findings.as_deref() == Some("csv")) {
            return Err(refused("write csv, with dry_run=true", "findings"));
        }
        let now = context.clock.now();
        Ok(Self { order, name, by, program, rules, per_minute, expires_after, now })
    }

    fn terms(&self, segments_per_second: f64) -> Terms<'_> {
        Terms {
            program: &self.program,
            rules: &self.rules,
            per_minute: self.per_minute,
            segments_per_second,
            now: self.now,
            not_after: self.now + self.expires_after,
        }
    }

    /// What tells whether the same list went through the same flow before.
    fn digest(&self, list: &Scouted) -> String {
        let mut hash = Sha256::new();
        hash.update(list.digest);
        hash.update(self.program.id().0.as_bytes());
        hex(&hash.finalize(), 16)
    }

    fn campaign(&self, digest: String) -> Campaign {
        let mark = format!("{}{}", self.now.format("%y%m%d%H%M%S"), digest.get(..4).unwrap_or("0"));
        let id = CampaignId::of(&self.name, &mark);
        Campaign {
            name: self.name.clone(),
            flow: self.order.flow.clone(),
            digest,
            per_minute: self.per_minute,
            not_after: self.now + self.expires_after,
            by: self.by.clone(),
            ..Campaign::new(id, CampaignKind::List, &self.program, self.now)
        }
    }
}

/// A span for which no campaign goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", Self::WORDS)]
pub struct BadExpiry;

impl BadExpiry {
    const WORDS: &str = "write a span of 1h to 90d, such as 7d";
}

/// Reads how long a campaign is to go on.
///
/// # Errors
/// If it is no span of an hour to 90 days.
pub fn read_expiry(text: &str) -> Result<TimeDelta, BadExpiry> {
    expiry_of(text).ok_or(BadExpiry)
}

fn expiry_of(text: &str) -> Option<TimeDelta> {
    parse_duration(text)
        .filter(|span| EXPIRES_HOURS.contains(&(span.as_secs() / 3600)))
        .and_then(|span| TimeDelta::from_std(span).ok())
}

/// How long a campaign goes on if nobody says so: as in the settings, or as its flow says if that is
/// longer. It is counted from when the campaign is made, for all recipients alike.
#[must_use]
pub fn expiry(program: &Program, rules: &Rules) -> TimeDelta {
    let span = rules.outreach.expires_after;
    program.expires_after().map_or(span, |of_flow| of_flow.max(span))
}

fn hex(bytes: &[u8], count: usize) -> String {
    bytes.iter().take(count).map(|byte| format!("{byte:02x}")).collect()
}

pub(super) async fn create(
    State(context): State<Context>,
    order: Result<Query<Order>, QueryRejection>,
    request: Request,
) -> Response {
    let Ok(Query(order)) = order else {
        let detail = "write flow, name, per_minute, expires_after, dry_run, skip_faulty, again, \
                      start, findings and by, each once";
        return problem(StatusCode::BAD_REQUEST, detail, Some("query"));
    };
    let plan = match Plan::read(&context, order) {
        Ok(plan) => Arc::new(plan),
        Err(refusal) => return refusal,
    };
    let Ok(place) = Arc::clone(&context.outreach.places).try_acquire_owned() else {
        let detail = "other lists are being taken in: try again when they are through";
        return problem(StatusCode::TOO_MANY_REQUESTS, detail, None);
    };
    match Box::pin(take(&context, plan, request, place)).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn take(
    context: &Context,
    plan: Arc<Plan>,
    request: Request,
    place: OwnedSemaphorePermit,
) -> Result<Response, Response> {
    let (spool, list) = Box::pin(spooled(context, request)).await?;
    let spool = Arc::new(spool);
    let looked = look(context, Arc::clone(&plan), Arc::clone(&spool), list.clone()).await?;
    if let Some(table) = looked.table {
        return Ok(download(table));
    }
    let (survey, quote) = (&looked.preview.survey, &looked.preview.quote);
    let told = |campaign: Value| json!({ "survey": survey.to_json(), "quote": quote.to_json(), "campaign": campaign });
    if plan.order.dry_run {
        return Ok(Json(told(Value::Null)).into_response());
    }
    if let Some(detail) = survey.refusal(plan.order.skip_faulty) {
        return Err(refusal(&detail, "body", "survey", survey.to_json()));
    }
    if quote.is_late() {
        let ends_at = quote.ends_at.map_or_else(|| "longer".to_owned(), |at| at.to_rfc3339());
        let detail = format!(
            "the list needs until {ends_at}, the campaign ends {}: raise per_minute or expires_after",
            quote.not_after.to_rfc3339()
        );
        return Err(refusal(&detail, "expires_after", "quote", quote.to_json()));
    }
    let (work, digest) = (context.clone(), plan.digest(&list));
    // In a task of its own: who made the list and has gone leaves no half of it.
    let taking = context.outreach.tasks.spawn(async move {
        let taken = begin(&work, plan, digest, (spool, list)).await;
        drop(place);
        taken
    });
    let row = taking.await.map_err(|_| not_stored())??;
    let row = campaign_json(&row, context.clock.now());
    Ok((StatusCode::CREATED, Json(told(row))).into_response())
}

/// Makes a campaign of a list that can be taken, whole or not at all as far as anybody is texted.
async fn begin(
    context: &Context,
    plan: Arc<Plan>,
    digest: String,
    list: (Arc<File>, Scouted),
) -> Result<Campaign, Response> {
    // One at a time: the same list may be on its way twice, and is found only when it is whole.
    let _turn = context.outreach.turn.lock().await;
    if !plan.order.again {
        refuse_repetition(context, &digest).await?;
    }
    let made = make(context, &plan, digest).await?;
    load(context, Arc::clone(&plan), &made.id, list).await?;
    if plan.order.start.unwrap_or(true) {
        give(context, &made.id, Word::Start, &plan.by).await
    } else {
        find(context, made.id.as_str()).await
    }
}

/// A refusal with what it is about.
fn refusal(detail: &str, field: &str, name: &str, about: Value) -> Response {
    let mut further = Map::new();
    let _new = further.insert(name.to_owned(), about);
    problem_with(StatusCode::UNPROCESSABLE_ENTITY, detail, Some(field), further)
}

/// A list that was looked over, and its findings as a table if they are wanted.
struct Looked {
    preview: Preview,
    table: Option<File>,
}

async fn look(
    context: &Context,
    plan: Arc<Plan>,
    spool: Arc<File>,
    list: Scouted,
) -> Result<Looked, Response> {
    let (view, means, region) =
        (context.handle.view(), Arc::clone(&context.outreach), context.region);
    let looked = tokio::task::spawn_blocking(move || -> Result<Looked, Failure> {
        let mut table = match plan.order.findings {
            Some(_) => Some(BufWriter::new(tempfile::tempfile_in(&means.folder)?)),
            None => None,
        };
        if let Some(table) = &mut table {
            write!(table, "{}\r\n", Finding::COLUMNS.join(","))?;
        }
        let (is_failing, mut written) = (Cell::new(false), Ok(()));
        let standing = |phone: &_| {
            let contact = view.contact(phone);
            is_failing.set(is_failing.get() || contact.is_err());
            Standing::of(contact.ok().flatten().as_ref())
        };
        let mut found = |finding: &Finding| {
            if let (Some(table), Ok(())) = (&mut table, &written) {
                let cells = finding.cells().map(|cell| quoted(&cell));
                written = write!(table, "{}\r\n", cells.join(","));
            }
        };
        let mut around = Around { region, standing: &standing, found: &mut found };
        let terms = plan.terms(means.segments_per_second);
        let preview = preview((rewound(&spool)?, list.charset), terms, &mut around)?;
        written?;
        if is_failing.get() {
            return Err(Failure::Store);
        }
        let table = table.map(|table| {
            let mut file = table.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind().map(|()| file)
        });
        Ok(Looked { preview, table: table.transpose()? })
    });
    looked.await.unwrap_or(Err(Failure::Store)).map_err(Failure::told)
}

fn rewound(spool: &File) -> io::Result<&File> {
    let mut file = spool;
    file.rewind()?;
    Ok(file)
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    List(#[from] list::Error),
    #[error(transparent)]
    Spool(#[from] io::Error),
    #[error("the store cannot be read")]
    Store,
}

impl Failure {
    fn told(self) -> Response {
        match self {
            Self::List(list::Error::Read(_)) | Self::Spool(_) => no_spool(),
            Self::List(refusal) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                problem(status, &refusal.to_string(), Some("body"))
            }
            Self::Store => unreadable(),
        }
    }
}

/// Refuses a list that went through the same flow before.
async fn refuse_repetition(context: &Context, digest: &str) -> Result<(), Response> {
    let view = context.handle.view();
    let read = tokio::task::spawn_blocking(move || view.campaigns()).await;
    let rows = read.ok().and_then(Result::ok).ok_or_else(unreadable)?;
    // One that was stopped before it began has texted nobody; one that is not whole never will.
    let counts = |row: &&Campaign| match row.state {
        CampaignState::Stopped => row.started_at.is_some(),
        CampaignState::Loading => row.is_whole,
        CampaignState::Running | CampaignState::Paused | CampaignState::Finished => true,
    };
    let Some(before) = rows.iter().filter(counts).find(|row| row.digest == digest) else {
        return Ok(());
    };
    let (id, state) = (&before.id, before.state.name());
    let detail = format!(
        "the same list went through the same flow before, as campaign {id} ({state}); if it is meant, say so:"
    );
    Err(problem(StatusCode::CONFLICT, &detail, Some("again")))
}

async fn make(context: &Context, plan: &Plan, digest: String) -> Result<Campaign, Response> {
    let campaign = plan.campaign(digest);
    let sources = plan.program.sources().clone();
    let new = NewCampaign { campaign: campaign.clone(), sources };
    let Answer::Decided { outcomes, .. } =
        context.handle.act(Event::CampaignMade(Box::new(new))).await
    else {
        return Err(not_stored());
    };
    let is_made = |because: &Reason| *because == Reason::CampaignIs(CampaignState::Loading);
    if outcomes.iter().any(|outcome| is_made(&outcome.because)) {
        return Ok(campaign);
    }
    let detail = "another campaign is being made of this list";
    Err(problem(StatusCode::CONFLICT, detail, Some("name")))
}

/// Hands the recipients to the engine in portions, each durable before the next.
async fn load(
    context: &Context,
    plan: Arc<Plan>,
    id: &CampaignId,
    (spool, list): (Arc<File>, Scouted),
) -> Result<(), Response> {
    let region = context.region;
    let (sender, mut portions) = mpsc::channel::<Vec<Recipient>>(PORTIONS_MAX);
    let reading = tokio::task::spawn_blocking(move || -> Result<(), Failure> {
        let source = (rewound(&spool)?, list.charset);
        let mut rows = Recipients::open(source, &plan.program, region)?;
        loop {
            let portion = rows.next(ADDED_MAX)?;
            if portion.is_empty() || sender.blocking_send(portion).is_err() {
                return Ok(());
            }
        }
    });
    while let Some(recipients) = portions.recv().await {
        let event = Event::RecipientsAdded { campaign: id.clone(), recipients };
        if context.outreach.stop.is_cancelled() {
            return Err(left(context, id, StatusCode::SERVICE_UNAVAILABLE).await);
        }
        let Answer::Decided { outcomes, .. } = context.handle.act(event).await else {
            return Err(left(context, id, StatusCode::SERVICE_UNAVAILABLE).await);
        };
        let is_added = |because: &Reason| matches!(because, Reason::RecipientsAdded(_));
        if !outcomes.iter().any(|outcome| is_added(&outcome.because)) {
            return Err(left(context, id, StatusCode::CONFLICT).await);
        }
    }
    match reading.await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => {
            return Err(left(context, id, StatusCode::SERVICE_UNAVAILABLE).await);
        }
    }
    // Only now may it be started.
    let whole = Event::RecipientsAdded { campaign: id.clone(), recipients: Vec::new() };
    match context.handle.act(whole).await {
        Answer::Decided { .. } => Ok(()),
        Answer::NotStored(_) => Err(left(context, id, StatusCode::SERVICE_UNAVAILABLE).await),
    }
}

/// What is left of a campaign whose list was not taken in to its end.
async fn left(context: &Context, id: &CampaignId, status: StatusCode) -> Response {
    let now = match find(context, id.as_str()).await {
        Ok(row) if row.state == CampaignState::Loading && !row.is_whole => {
            "texts nobody; try again".to_owned()
        }
        Ok(row) => format!("is {}", row.state.name()),
        Err(_) => "cannot be read: look at it before you try again".to_owned(),
    };
    let detail = format!("the list was not taken in to its end: campaign {id} {now}");
    problem(status, &detail, None)
}

fn download(table: File) -> Response {
    let kind = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"findings.csv\""),
    ];
    (kind, super::responses::file_body(table)).into_response()
}
