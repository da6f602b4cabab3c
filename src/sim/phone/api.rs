//! Twilio's REST interface, as far as messages go.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDate;

use super::Carrier;
use super::faults::{Answer, Fault};
use super::rules::{self, Refusal};
use super::state::Text;
use super::wire::{self, PagePlace};
use crate::core::phone::{PhoneNumber, Region};
use crate::sms::Form;
use crate::sms::status::MessageStatus;

/// Twilio's own limit.
const PAGE_SIZE_MAX: usize = 1_000;

pub(super) fn router() -> Router<Carrier> {
    const MESSAGES: &str = "/2010-04-01/Accounts/{account}/Messages.json";
    const MESSAGE: &str = "/2010-04-01/Accounts/{account}/Messages/{message}";
    Router::new()
        .route(MESSAGES, get(list).post(create))
        .route(MESSAGE, get(fetch).post(update).delete(delete))
}

async fn create(
    State(carrier): State<Carrier>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refusal) = authorize(&carrier, &headers, &account) {
        return refused(&refusal);
    }
    let Ok(form) = Form::parse(&body) else { return refused(&rules::MALFORMED) };
    let to = form.get("To").and_then(|to| PhoneNumber::parse(to, Region::US).ok());
    let fault = carrier.core.with_state(|state| state.faults.take(to.as_ref()));
    let late = match fault {
        Some(Fault { answer: Answer::Late(millis), .. }) => Some(millis),
        Some(Fault { is_accepted: false, answer }) => return instead(&carrier, answer).await,
        Some(Fault { is_accepted: true, .. }) | None => None,
    };
    let text = match carrier.accept(&form) {
        Ok(text) => text,
        Err(refusal) => return refused(&refusal),
    };
    match (late, fault) {
        (Some(millis), _) => {
            let wait = tokio::time::sleep(Duration::from_millis(millis.into()));
            let _is_over = carrier.core.stop.run_until_cancelled(wait).await;
        }
        (None, Some(Fault { answer, .. })) => return instead(&carrier, answer).await,
        (None, None) => {}
    }
    let resource = wire::message(&text, &carrier.core.settings.account_sid);
    (StatusCode::CREATED, Json(resource)).into_response()
}

async fn list(
    State(carrier): State<Carrier>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = authorize(&carrier, &headers, &account) {
        return refused(&refusal);
    }
    let Ok(query) = Form::parse(query.unwrap_or_default().as_bytes()) else {
        return refused(&rules::MALFORMED);
    };
    let size = query.get_filled("PageSize").and_then(|size| size.parse().ok()).unwrap_or(50);
    let size = size.clamp(1, PAGE_SIZE_MAX);
    let number: usize = query.get("Page").and_then(|page| page.parse().ok()).unwrap_or(0);
    let after = query.get("PageToken").and_then(|token| token.strip_prefix("PA"));
    let fits = |text: &Text| {
        query.get_filled("To").is_none_or(|to| text.to.as_str() == to)
            && query.get_filled("From").is_none_or(|from| text.from.as_str() == from)
            && fits_dates(text, &query)
    };
    let mut texts = carrier.all_texts();
    texts.retain(fits);
    texts.reverse();
    // The page follows a message, not a number of messages: newer ones may have come in between.
    let start = after.and_then(|sid| texts.iter().position(|text| text.sid.as_str() == sid));
    texts.drain(..start.map_or(0, |position| position + 1));
    let is_last = texts.len() <= size;
    texts.truncate(size);

    let account = &carrier.core.settings.account_sid;
    let uri = |number: usize, after: Option<&str>| {
        let kept =
            query.iter().filter(|(name, _)| !matches!(*name, "Page" | "PageToken" | "PageSize"));
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut params: Vec<(String, String)> = kept.map(own).collect();
        params.push(("PageSize".to_owned(), size.to_string()));
        params.push(("Page".to_owned(), number.to_string()));
        params.extend(after.map(|sid| ("PageToken".to_owned(), format!("PA{sid}"))));
        let query: Form = params.into_iter().collect();
        format!("{}.json?{}", wire::messages_path(account), query.encode())
    };
    let last = texts.last().filter(|_| !is_last).map(|text| text.sid.as_str());
    let place = PagePlace {
        number,
        size,
        first: uri(0, None),
        own: uri(number, after),
        next: last.map(|sid| uri(number + 1, Some(sid))),
    };
    Json(wire::page(&texts, &place, account)).into_response()
}

async fn fetch(
    State(carrier): State<Carrier>,
    Path((account, message)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    match known(&carrier, &headers, &account, &message) {
        Ok(text) => Json(wire::message(&text, &carrier.core.settings.account_sid)).into_response(),
        Err(refusal) => refused(&refusal),
    }
}

/// Whether a text was sent on the day, or before or after the days, that a query names.
fn fits_dates(text: &Text, query: &Form) -> bool {
    ["DateSent", "DateSent<", "DateSent>"].into_iter().all(|name| {
        let Some(asked) = query.get_filled(name) else { return true };
        let Some(sent) = text.sent_at else { return false };
        // A day, or a moment of which the day counts.
        let day = asked.get(..10).and_then(|day| day.parse::<NaiveDate>().ok());
        day.is_some_and(|day| match name {
            "DateSent<" => sent.date_naive() <= day,
            "DateSent>" => sent.date_naive() >= day,
            _ => sent.date_naive() == day,
        })
    })
}

async fn update(
    State(carrier): State<Carrier>,
    Path((account, message)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let sid = match known(&carrier, &headers, &account, &message) {
        Ok(text) => text.sid,
        Err(refusal) => return refused(&refusal),
    };
    let Ok(form) = Form::parse(&body) else { return refused(&rules::MALFORMED) };
    let now = carrier.core.clock.now();
    match (form.get("Status"), form.get("Body")) {
        (Some("canceled"), _) => {
            if !carrier.core.change(|state| state.cancel(&sid, now)) {
                return refused(&rules::NOT_CANCELABLE);
            }
        }
        // The only change of words is to have none.
        (None, Some("")) => carrier.core.change(|state| state.redact(&sid, now)),
        _ => return refused(&rules::MALFORMED),
    }
    fetch(State(carrier), Path((account, message)), headers).await
}

async fn delete(
    State(carrier): State<Carrier>,
    Path((account, message)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    match known(&carrier, &headers, &account, &message) {
        Ok(text) if text.status.is_final() || text.status == MessageStatus::Sent => {
            carrier.core.change(|state| state.delete(&text.sid));
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(_) => refused(&rules::IN_USE),
        Err(refusal) => refused(&refusal),
    }
}

/// The text that a path names.
fn known(
    carrier: &Carrier,
    headers: &HeaderMap,
    account: &str,
    message: &str,
) -> Result<Text, Refusal> {
    authorize(carrier, headers, account)?;
    let sid = message.strip_suffix(".json").unwrap_or(message);
    let mut texts = carrier.all_texts().into_iter();
    texts.find(|text| text.sid.as_str() == sid).ok_or(rules::NOT_FOUND)
}

/// HTTP Basic with the account's token or the API key, for the account in the path.
fn authorize(carrier: &Carrier, headers: &HeaderMap, account: &str) -> Result<(), Refusal> {
    let settings = &carrier.core.settings;
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let encoded = header.and_then(|value| value.strip_prefix("Basic ")).unwrap_or_default();
    let given = STANDARD.decode(encoded).unwrap_or_default();
    let is_pair = |user: &str, secret: &str| given == format!("{user}:{secret}").as_bytes();
    let by_token = is_pair(settings.account_sid.as_str(), settings.auth_token.expose());
    let key = settings.api_key.as_ref();
    let by_key = key.is_some_and(|(sid, secret)| is_pair(sid.as_str(), secret.expose()));
    if (by_token || by_key) && account == settings.account_sid.as_str() {
        Ok(())
    } else {
        Err(rules::UNAUTHORIZED)
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.http_status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(wire::error(refusal))).into_response()
}

/// A fault's answer.
async fn instead(carrier: &Carrier, answer: Answer) -> Response {
    match answer {
        Answer::ServerError => refused(&rules::SERVER_ERROR),
        Answer::Throttled => refused(&rules::THROTTLED),
        Answer::GatewayHtml => {
            let html = "<html><head><title>504 Gateway Time-out</title></head></html>";
            let kind = [(header::CONTENT_TYPE, "text/html")];
            (StatusCode::GATEWAY_TIMEOUT, kind, html).into_response()
        }
        Answer::Garbage => (StatusCode::CREATED, "{\"sid\": \"SM").into_response(),
        Answer::Closed | Answer::Late(_) => closed(),
        Answer::Silence => {
            carrier.core.stop.cancelled().await;
            closed()
        }
    }
}

/// A body that breaks at once makes the server close the connection before it has written a byte.
fn closed() -> Response {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let stream = futures_util::stream::once(std::future::ready(Err::<Bytes, _>(broken)));
    Response::new(Body::from_stream(stream))
}
