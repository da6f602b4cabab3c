//! A daemon that an interface engine posts to as to Studio, patients' phones, and the engine's ear.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use appointd::clock::Clock;
use appointd::core::phone::PhoneNumber;
use appointd::engine::view::{Filter, Subject};
use appointd::outbound::twilio::{Reach, http_client};
use appointd::sim::world::{Plan, World};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

/// Far more than anything here takes: what hangs fails.
const WITHIN: Duration = Duration::from_secs(120);
pub(crate) const JANE: &str = "+14155550123";
pub(crate) const JOHN: &str = "+14155550177";
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const FLOW: &str = "FW00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "token-of-the-engine";
const KEY: &str = "SK00000000000000000000000000000001";

/// An engine that posts, and one that listens; no answers are routed to it without `[[route]]`.
pub(crate) const ENGINE: &str = "\
    [[json.source]]\nname = \"engine\"\nflow_sid = \"FW00000000000000000000000000000001\"\n\
    account_sid = \"AC00000000000000000000000000000001\"\nauth_token = \"token-of-the-engine\"\n\
    api_key_sid = \"SK00000000000000000000000000000001\"\napi_key_secret = \"secret-of-the-key\"\n";

/// What the engine's ear hears, and what it answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ear {
    pub(crate) heard: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    /// The statuses of the next answers; 200 after that.
    pub(crate) answers: Arc<Mutex<Vec<u16>>>,
}

impl Ear {
    pub(crate) fn router(&self) -> Router {
        Router::new().route("/answers", post(hear)).with_state(self.clone())
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.heard.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }
}

async fn hear(State(ear): State<Ear>, headers: HeaderMap, body: String) -> StatusCode {
    let body = serde_json::from_str(&body).unwrap();
    ear.heard.lock().unwrap().push((headers, body));
    let mut answers = ear.answers.lock().unwrap();
    let status = if answers.is_empty() { 200 } else { answers.remove(0) };
    StatusCode::from_u16(status).unwrap()
}

pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) http: reqwest::Client,
    seconds: Mutex<i64>,
}

impl Bench {
    /// A Monday morning at ten in Los Angeles.
    pub(crate) async fn start(further: &str) -> Self {
        let clock = Clock::manual("2026-11-30T18:00:00Z".parse().unwrap());
        let plan = Plan { settings: format!("{ENGINE}{further}"), ..Plan::at(clock) };
        let world = World::start(plan).await.unwrap();
        let http = http_client(Reach::PlainLoopback, WITHIN, WITHIN).unwrap();
        Self { world, http, seconds: Mutex::new(0) }
    }

    /// An event of Jane's next week, a second after the one before.
    pub(crate) fn event(&self, event_type: &str, id: &str) -> Value {
        let mut seconds = self.seconds.lock().unwrap();
        *seconds += 1;
        let at = self.world.clock.now() - TimeDelta::minutes(5) + TimeDelta::seconds(*seconds);
        json!({
            "event_type": event_type,
            "event_datetime_utc": at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "patient_id": "MRN1000",
            "patient_first_name": "Jane",
            "patient_last_name": "Doe",
            "patient_phone": JANE,
            "provider_id": "1234",
            "provider_first_name": "Frances",
            "provider_last_name": "Diaz",
            "provider_callback_phone": "+15105550100",
            "appointment_location": "EAST",
            "appointment_id": id,
            "appointment_timezone": "-0800",
            "appointment_datetime": "2026-12-08T09:30:00.000Z",
        })
    }

    /// Posts an event as the engine does.
    pub(crate) async fn post(&self, event: &Value) -> (u16, Value) {
        let to = event["patient_phone"].as_str().unwrap_or(JANE).to_owned();
        let parameters = event.to_string();
        let form = [("To", to.as_str()), ("From", "+15105550100"), ("Parameters", &parameters)];
        self.send(FLOW, Some((ACCOUNT, TOKEN)), &form).await
    }

    /// As [`Bench::post`], and it must be taken.
    pub(crate) async fn tell(&self, event: &Value) -> String {
        let (status, answer) = self.post(event).await;
        assert_eq!(status, 201, "{answer}");
        answer["sid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn send(
        &self,
        flow: &str,
        user: Option<(&str, &str)>,
        form: &[(&str, &str)],
    ) -> (u16, Value) {
        let url = format!("http://{}/v2/Flows/{flow}/Executions", self.world.daemon.http);
        let mut request = self.http.post(url).form(form);
        if let Some((user, password)) = user {
            request = request.basic_auth(user, Some(password));
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) const fn key() -> (&'static str, &'static str) {
        (KEY, "secret-of-the-key")
    }

    /// The texts to a phone, once there are so many.
    pub(crate) async fn texts(&self, to: &str, count: usize) -> Vec<String> {
        let to = PhoneNumber::parse_e164(to).unwrap();
        let is_theirs = |text: &&appointd::sim::phone::Text| text.to == to;
        let all = self.world.carrier.wait_for(|all| all.iter().filter(is_theirs).count() >= count);
        let all = within(all).await;
        let bodies: Vec<String> =
            all.iter().filter(is_theirs).map(|text| text.body.expose().clone()).collect();
        assert_eq!(bodies.len(), count, "{bodies:#?}");
        bodies
    }

    pub(crate) async fn reply(&self, from: &str, text: &str) {
        let from = PhoneNumber::parse_e164(from).unwrap();
        let replied = within(self.world.carrier.reply(&from, text)).await.unwrap();
        assert_eq!(replied.http_status, Some(200));
    }

    pub(crate) fn query(&self, subject: Subject) -> Vec<Value> {
        let filter = Filter { limit: 100, ..Filter::default() };
        self.world.daemon.handle.view().query(subject, &filter).unwrap()
    }

    /// The first row of a subject that is as wanted.
    pub(crate) async fn settled(&self, subject: Subject, wanted: impl Fn(&Value) -> bool) -> Value {
        within(async {
            loop {
                if let Some(row) = self.query(subject).into_iter().find(&wanted) {
                    return row;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    pub(crate) async fn stop(self) {
        self.world.stop().await.unwrap();
    }
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(WITHIN, future).await.unwrap()
}

/// An event with a field changed.
pub(crate) fn with(mut event: Value, field: &str, value: &str) -> Value {
    event[field] = json!(value);
    event
}
