//! `/_knobs`: what goes wrong, as JSON, for a shell. It needs no login.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Callbacks, Carrier, Fate, Fault};
use crate::core::phone::PhoneNumber;

pub(super) fn router() -> Router<Carrier> {
    Router::new().route("/_knobs", get(knobs).post(set))
}

/// The knobs that a request turns; the others stay.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Knobs {
    /// Requests to send that go wrong, before those already set.
    fail_next: Option<FailNext>,
    /// Numbers to which every request goes wrong, or with null no longer.
    fail_numbers: BTreeMap<PhoneNumber, Option<Fault>>,
    /// How texts to a number end.
    fates: BTreeMap<PhoneNumber, Fate>,
    /// How status callbacks arrive.
    callbacks: Option<Callbacks>,
    /// How many webhooks of patients' texts are lost from now on.
    lose_inbound: Option<usize>,
    /// Whether accepted texts keep their first status.
    hold_deliveries: Option<bool>,
    /// Where patients' texts are posted.
    inbound_url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailNext {
    #[serde(default = "once")]
    count: usize,
    fault: Fault,
}

const fn once() -> usize {
    1
}

async fn knobs(State(carrier): State<Carrier>) -> Json<Value> {
    let hold_deliveries = !*carrier.core.is_open.borrow();
    Json(carrier.core.with_state(|state| {
        json!({
            "fail_next": state.faults.next,
            "fail_numbers": state.faults.by_number,
            "fates": state.faults.fates,
            "callbacks": state.faults.callbacks,
            "lose_inbound": state.faults.inbound_lost,
            "hold_deliveries": hold_deliveries,
            "inbound_url": state.inbound_url,
        })
    }))
}

async fn set(State(carrier): State<Carrier>, body: Bytes) -> Response {
    let Ok(turned) = serde_json::from_slice::<Knobs>(&body) else {
        let told = json!({ "title": "a knob or its value is not known" });
        return (StatusCode::BAD_REQUEST, Json(told)).into_response();
    };
    if let Some(FailNext { count, fault }) = turned.fail_next {
        carrier.fail_next(count, fault);
    }
    for (number, fault) in &turned.fail_numbers {
        carrier.fail_number(number, *fault);
    }
    for (number, fate) in &turned.fates {
        carrier.set_fate(number, *fate);
    }
    if let Some(callbacks) = turned.callbacks {
        carrier.set_callbacks(callbacks);
    }
    if let Some(count) = turned.lose_inbound {
        carrier.lose_inbound(count);
    }
    match turned.hold_deliveries {
        Some(true) => carrier.hold_deliveries(),
        Some(false) => carrier.release_deliveries(),
        None => {}
    }
    if let Some(url) = &turned.inbound_url {
        carrier.set_inbound_url(url);
    }
    knobs(State(carrier)).await.into_response()
}
