//! The demo in a browser: one page, its data as JSON, and the few things that a visitor may do.
//!
//! Everything that the page shows comes from [`super::state`]; everything that a visitor does goes
//! the long way round, as a message of the EHR or as a text from a phone. Only JSON is taken, so
//! that no form on another site can act here. There is no login: the demo serves loopback only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use chrono::{Datelike as _, Days, NaiveDateTime, NaiveTime, TimeDelta, Weekday};
use serde::Deserialize;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::super::{Failure, out};
use super::{campaign, state};
use crate::clock::{Clock, Timestamp};
use crate::core::local_time::{LocalTime, Zone};
use crate::core::phone::{PhoneNumber, Region};
use crate::engine::Handle;
use crate::http::problem;
use crate::sim::clinic::Clinic;
use crate::sim::ehr::{SimAppointment, SimPatient};
use crate::sim::phone::Carrier;
use crate::sim::world::{Plan, World};
use crate::sms::request::BODY_CHARS_MAX;

/// The places of [`World`]'s practice.
pub(super) const LOCATIONS: [(&str, &str); 2] =
    [("EAST", "Owl Clinic East"), ("WEST", "Owl Clinic West")];
/// The zone of the practice; all times of the page are in it.
const ZONE: &str = "America/Los_Angeles";
/// How many appointments the EHR's book takes; the page shows all of them, and is read often.
const APPOINTMENTS_MAX: usize = 50;
/// The longest name; HL7 v2.5.1 gives a family name 50 characters.
const NAME_CHARS_MAX: usize = 50;
/// The largest order; a text of the longest kind fits twice.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// How far from now an appointment may lie.
const BOOKABLE_DAYS: i64 = 730;
/// How many planned moments one move of the clock passes through.
const STEPS_MAX: usize = 200;
/// How long the daemon may take at each of them before the clock moves on all the same.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);
/// How often it is looked whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a move of the clock may take.
const MOVED_WITHIN: Duration = Duration::from_secs(15);

/// No script and no style but the page's own, and nothing from elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// What the routes work with.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub(super) handle: Handle,
    pub(super) ehr: Clinic,
    pub(super) carrier: Carrier,
    pub(super) clock: Clock,
    pub(super) zone: Zone,
    api: campaign::Api,
    booked: Arc<AtomicU64>,
    /// Held while the clock is moved, so that two clicks are two moves.
    moving: Arc<tokio::sync::Mutex<()>>,
}

/// Serves the page until Ctrl-C or SIGTERM.
pub(super) async fn serve(listen: SocketAddr, by_fhir: bool) -> Result<(), Failure> {
    let failed = |what: &dyn std::fmt::Display| Failure::Failed(what.to_string());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|refusal| failed(&refusal))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|refusal| failed(&refusal))?;
    let zone = Zone::parse(ZONE).map_err(|fault| failed(&fault))?;
    let clock = Clock::shifted();
    clock.advance_to(opening(clock.now(), zone));
    let plan = Plan { by_fhir, ..Plan::at(clock) };
    let world = World::start(plan).await.map_err(|fault| failed(&fault))?;
    let served = world.serve(listen, router(&world)?).await;
    let address = match served {
        Ok(address) => address,
        Err(refusal) => {
            let _stopped = world.stop().await.is_ok();
            return Err(Failure::Failed(format!(
                "{refusal}; choose another port with --listen 127.0.0.1:PORT (0 takes a free one)"
            )));
        }
    };
    book_first(&world).await?;
    out::say(&format!("Open http://{address}/ in a browser; Ctrl-C ends it."));
    out::say("Everybody in it is invented, nothing leaves this machine, nothing is kept.");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    world.stop().await.map_err(|fault| failed(&fault))
}

/// The routes of the page, for a world that runs.
///
/// # Errors
/// If the practice's zone is unknown.
pub fn router(world: &World) -> Result<Router, Failure> {
    let desk = desk(world)?;
    Ok(Router::new()
        .route("/", asset("text/html; charset=utf-8", include_str!("assets/page.html")))
        .route("/page.css", asset("text/css", include_str!("assets/page.css")))
        .route("/page.js", asset("text/javascript", include_str!("assets/page.js")))
        .route("/owl.svg", asset("image/svg+xml", include_str!("assets/owl.svg")))
        .route("/demo/state", get(show))
        .route("/demo/book", post(book))
        .route("/demo/change", post(change))
        .route("/demo/reply", post(reply))
        .route("/demo/clock", post(advance))
        .route("/demo/outreach", post(outreach))
        .method_not_allowed_fallback(|| async {
            problem(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this address", None)
        })
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "there is nothing here", None) })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(guarded))
        .with_state(desk))
}

/// Books the visit that is there when the page opens: Jane Doe's, three working days ahead.
///
/// # Errors
/// If the practice's zone is unknown.
pub async fn book_first(world: &World) -> Result<(), Failure> {
    let desk = desk(world)?;
    let patient = SimPatient {
        mrn: "MRN1000".to_owned(),
        given: "Jane".to_owned(),
        family: "Doe".to_owned(),
        phone: "(415) 555-0123".to_owned(),
    };
    let today = desk.zone.date(desk.clock.now());
    let visit = SimAppointment {
        id: "10000".to_owned(),
        patient,
        start: working_day(today, 3).and_time(time(10, 0)),
        location: "EAST".to_owned(),
        status: "Booked".to_owned(),
    };
    desk.ehr.book(visit).await;
    Ok(())
}

fn desk(world: &World) -> Result<Desk, Failure> {
    let zone = Zone::parse(ZONE).map_err(|fault| Failure::Failed(fault.to_string()))?;
    Ok(Desk {
        handle: world.daemon.handle.clone(),
        ehr: world.clinic.clone(),
        carrier: world.carrier.clone(),
        clock: world.clock.clone(),
        zone,
        api: campaign::Api::of(world),
        booked: Arc::new(AtomicU64::new(10_001)),
        moving: Arc::default(),
    })
}

/// A moment at which patients may be texted: now if that is one, else the next morning.
fn opening(now: Timestamp, zone: Zone) -> Timestamp {
    let local = zone.local(now);
    let day = match local.time() {
        early if early < time(9, 30) => local.date(),
        late if late >= time(18, 0) => local.date() + Days::new(1),
        _ => return now,
    };
    LocalTime::settle(day.and_time(time(9, 30)), zone).instant
}

/// A day so many days later, or the Monday after.
pub(super) fn working_day(from: chrono::NaiveDate, days: u64) -> chrono::NaiveDate {
    let day = from + Days::new(days);
    match day.weekday() {
        Weekday::Sat => day + Days::new(2),
        Weekday::Sun => day + Days::new(1),
        Weekday::Mon | Weekday::Tue | Weekday::Wed | Weekday::Thu | Weekday::Fri => day,
    }
}

pub(super) fn time(hour: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or(NaiveTime::MIN)
}

fn asset(kind: &'static str, text: &'static str) -> MethodRouter<Desk> {
    get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
}

async fn guarded(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let mut answer = next.run(request).await;
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

async fn show(State(desk): State<Desk>) -> Response {
    // Reads the store, which may block.
    match tokio::task::spawn_blocking(move || state::render(&desk)).await {
        Ok(Ok(state)) => Json(state).into_response(),
        Ok(Err(_)) | Err(_) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the state cannot be read", None)
        }
    }
}

/// A field that cannot be taken, and why.
#[derive(Debug)]
struct Bad(&'static str, &'static str);

impl Bad {
    fn answer(&self) -> Response {
        problem(StatusCode::UNPROCESSABLE_ENTITY, self.1, Some(self.0))
    }
}

/// The order itself, or an answer that does not repeat what was sent.
fn read<T>(order: Result<Json<T>, JsonRejection>) -> Result<T, Box<Response>> {
    let rejection = match order {
        Ok(Json(order)) => return Ok(order),
        Err(rejection) => rejection,
    };
    let detail = match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "send application/json",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        StatusCode::UNPROCESSABLE_ENTITY => "the JSON lacks a field, or has one of another kind",
        _ => "the body is no JSON",
    };
    Err(Box::new(problem(rejection.status(), detail, None)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Booking {
    given: String,
    family: String,
    phone: String,
    start: String,
    location: String,
}

async fn book(State(desk): State<Desk>, order: Result<Json<Booking>, JsonRejection>) -> Response {
    let order = match read(order) {
        Ok(order) => order,
        Err(answer) => return *answer,
    };
    let book = desk.ehr.appointments();
    if book.len() >= APPOINTMENTS_MAX {
        return problem(StatusCode::CONFLICT, "the demo's book is full; start it again", None);
    }
    let visit = match visit(&desk, &order, &book) {
        Ok(visit) => visit,
        Err(bad) => return bad.answer(),
    };
    let id = visit.id.clone();
    let answer = desk.ehr.book(visit).await;
    Json(json!({ "id": id, "answer": answer })).into_response()
}

fn visit(desk: &Desk, order: &Booking, book: &[SimAppointment]) -> Result<SimAppointment, Bad> {
    let given = name("given", &order.given)?;
    let family = name("family", &order.family)?;
    let number = phone(&order.phone)?;
    let start = start(desk, &order.start)?;
    let location = location(&order.location)?;
    let number_of = |row: &SimAppointment| PhoneNumber::parse(&row.patient.phone, Region::US).ok();
    let known = book.iter().find(|row| {
        row.patient.given == given
            && row.patient.family == family
            && number_of(row).as_ref() == Some(&number)
    });
    let id = desk.booked.fetch_add(1, Ordering::Relaxed).to_string();
    let patient = known.map(|row| row.patient.clone()).unwrap_or_else(|| SimPatient {
        mrn: format!("MRN{id}"),
        given,
        family,
        phone: order.phone.trim().to_owned(),
    });
    Ok(SimAppointment { id, patient, start, location, status: "Booked".to_owned() })
}

fn name(field: &'static str, text: &str) -> Result<String, Bad> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Bad(field, "a name is needed"));
    }
    if text.chars().count() > NAME_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(Bad(field, "a name has at most 50 characters, on one line"));
    }
    Ok(text.to_owned())
}

fn phone(text: &str) -> Result<PhoneNumber, Bad> {
    let is_plain = !text.chars().any(char::is_control);
    PhoneNumber::parse(text, Region::US)
        .ok()
        .filter(|_| is_plain)
        .ok_or(Bad("phone", "write a phone number, such as 415-555-0123"))
}

/// Reads what a browser's field for date and time gives.
fn start(desk: &Desk, text: &str) -> Result<NaiveDateTime, Bad> {
    let start = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .into_iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .ok_or(Bad("start", "write a date and time, such as 2026-12-01T09:30"))?;
    let away = start - desk.zone.local(desk.clock.now());
    if away.abs() > TimeDelta::days(BOOKABLE_DAYS) {
        return Err(Bad("start", "the date lies more than two years away"));
    }
    Ok(start)
}

fn location(code: &str) -> Result<String, Bad> {
    LOCATIONS
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(known, _)| (*known).to_owned())
        .ok_or(Bad("location", "there is no such place"))
}

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
enum Change {
    Reschedule { id: String, start: String },
    Relocate { id: String, location: String },
    Cancel { id: String },
    NoShow { id: String },
}

async fn change(State(desk): State<Desk>, order: Result<Json<Change>, JsonRejection>) -> Response {
    let order = match read(order) {
        Ok(order) => order,
        Err(answer) => return *answer,
    };
    let (Change::Reschedule { id, .. }
    | Change::Relocate { id, .. }
    | Change::Cancel { id }
    | Change::NoShow { id }) = &order;
    if !desk.ehr.appointments().iter().any(|row| row.id == *id) {
        return problem(StatusCode::NOT_FOUND, "there is no such appointment", Some("id"));
    }
    let answer = match &order {
        Change::Reschedule { id, start: text } => match start(&desk, text) {
            Ok(start) => desk.ehr.reschedule(id, start).await,
            Err(bad) => return bad.answer(),
        },
        Change::Relocate { id, location: code } => match location(code) {
            Ok(location) => desk.ehr.relocate(id, &location).await,
            Err(bad) => return bad.answer(),
        },
        Change::Cancel { id } => desk.ehr.cancel(id).await,
        Change::NoShow { id } => desk.ehr.no_show(id).await,
    };
    Json(json!({ "answer": answer })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    phone: String,
    text: String,
}

async fn reply(State(desk): State<Desk>, order: Result<Json<Reply>, JsonRejection>) -> Response {
    let order = match read(order) {
        Ok(order) => order,
        Err(answer) => return *answer,
    };
    let number = match phone(&order.phone) {
        Ok(number) => number,
        Err(bad) => return bad.answer(),
    };
    if order.text.trim().is_empty() {
        return Bad("text", "a text is needed").answer();
    }
    if order.text.chars().count() > BODY_CHARS_MAX {
        return Bad("text", "a text has at most 1600 characters").answer();
    }
    if !state::numbers(&desk).contains(&number) {
        return problem(StatusCode::NOT_FOUND, "nobody here has this phone", Some("phone"));
    }
    let replied = desk.carrier.reply(&number, &order.text).await;
    let http_status = replied.and_then(|replied| replied.http_status);
    Json(json!({ "http_status": http_status })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outreach {
    flow: String,
}

async fn outreach(
    State(desk): State<Desk>,
    order: Result<Json<Outreach>, JsonRejection>,
) -> Response {
    let order = match read(order) {
        Ok(order) => order,
        Err(answer) => return *answer,
    };
    if !campaign::FLOWS.iter().any(|(name, _)| *name == order.flow) {
        return Bad("flow", "there is no such flow").answer();
    }
    match desk.api.start(&order.flow, campaign::LIST.to_owned()).await {
        Ok(()) => Json(json!({})).into_response(),
        Err(refusal) => problem(StatusCode::CONFLICT, &refusal, None),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    by: By,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    Hour,
    Day,
    Next,
}

async fn advance(State(desk): State<Desk>, order: Result<Json<Move>, JsonRejection>) -> Response {
    let order = match read(order) {
        Ok(order) => order,
        Err(answer) => return *answer,
    };
    let _moving = desk.moving.lock().await;
    let now = desk.clock.now();
    let target = match order.by {
        By::Hour => Some(now + TimeDelta::hours(1)),
        By::Day => Some(now + TimeDelta::days(1)),
        By::Next => state::next_after(&desk, now),
    };
    let Some(target) = target else {
        return problem(StatusCode::CONFLICT, "nothing is planned", None);
    };
    // The clock is there when time is up, though not by every step.
    let _in_time = tokio::time::timeout(MOVED_WITHIN, pass(&desk, target)).await.is_ok();
    desk.clock.advance_to(target);
    Json(json!({ "now": desk.clock.now() })).into_response()
}

/// Moves the clock from one planned moment to the next, so that everything happens at its time.
async fn pass(desk: &Desk, target: Timestamp) {
    for _ in 0..STEPS_MAX {
        let next = state::next_after(desk, desk.clock.now()).filter(|next| *next <= target);
        desk.clock.advance_to(next.unwrap_or(target));
        let _in_time = tokio::time::timeout(SETTLED_WITHIN, settled(desk)).await.is_ok();
        if next.is_none_or(|next| next == target) {
            return;
        }
    }
}

/// Waits until the daemon has nothing to do at this moment.
async fn settled(desk: &Desk) {
    while state::is_busy(desk) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
