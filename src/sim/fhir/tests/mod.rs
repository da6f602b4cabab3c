//! The stand-in over real sockets: each thing it does, and each knob.

mod access;
mod faults;
mod notifications;
mod notifying;
mod patches;
mod reads;
mod searches;
mod subscriptions;
mod writes;

use std::collections::{BTreeMap, VecDeque};

use axum::body::to_bytes;
use axum::extract::Request as Incoming;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use chrono::{TimeDelta, TimeZone as _, Utc};
use reqwest::Method;
use serde_json::json;

use super::*;

/// Far more than anything here takes: what hangs fails.
const WITHIN: Duration = Duration::from_secs(60);

/// A stand-in that sends when told, a client of it, and a receiver of its notifications.
struct Bench {
    server: Server,
    clock: Clock,
    http: reqwest::Client,
    receiver: Receiver,
}

/// An answer, read.
#[derive(Debug, Clone)]
struct Answered {
    status: u16,
    headers: BTreeMap<String, String>,
    text: String,
    body: Value,
}

impl Answered {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The references of the entries of a Bundle.
    fn entries(&self) -> Vec<String> {
        let entries = self.at("/entry").as_array().cloned().unwrap_or_default();
        let name = |entry: &Value| {
            let part = |name: &str| entry["resource"][name].as_str().unwrap_or("").to_owned();
            format!("{}/{}", part("resourceType"), part("id"))
        };
        entries.iter().map(name).collect()
    }

    /// The address of the next page.
    fn next(&self) -> Option<String> {
        let links = self.at("/link").as_array()?;
        let next = links.iter().find(|link| link["relation"] == "next")?;
        Some(next["url"].as_str()?.to_owned())
    }
}

impl Bench {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A stand-in with people and three visits, changed before it starts.
    async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = Clock::manual(Utc.with_ymd_and_hms(2026, 12, 1, 9, 0, 0).unwrap());
        let mut options = Options { sending: Sending::WhenTold, ..Options::at(clock.clone()) };
        change(&mut options);
        let server = Server::start(options).await.unwrap();
        server.invent().unwrap();
        let receiver = Receiver::start(&server.tasks).await;
        Self { server, clock, http: client().unwrap(), receiver }
    }

    fn url(&self, path: &str) -> String {
        if path.starts_with("http") {
            return path.to_owned();
        }
        format!("{}/{path}", self.server.base_url())
    }

    async fn get(&self, path: &str) -> Answered {
        self.ask(Method::GET, path, &[], None).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answered {
        let mut request = self.http.request(method, self.url(path)).timeout(WITHIN);
        if let Some(body) = body {
            let is_named = headers.iter().any(|(name, _)| *name == "content-type");
            if !is_named {
                request = request.header("content-type", "application/fhir+json");
            }
            request = request.body(body.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answered(request.send().await.unwrap()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answered {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    async fn json_patch(&self, path: &str, tag: &str, patch: &Value) -> Answered {
        let mut headers = vec![("content-type", "application/json-patch+json")];
        if !tag.is_empty() {
            headers.push(("if-match", tag));
        }
        self.ask(Method::PATCH, path, &headers, Some(patch)).await
    }

    /// Subscribes and sends what that brings about; the id comes back.
    async fn subscribe(&self, subscription: &Value) -> String {
        let made = self.post("Subscription", subscription).await;
        assert_eq!(made.status, 201, "{}", made.text);
        self.server.deliver().await;
        made.at("/id").as_str().unwrap().to_owned()
    }

    async fn status(&self, id: &str) -> String {
        let read = self.get(&format!("Subscription/{id}")).await;
        read.at("/status").as_str().unwrap_or("").to_owned()
    }

    /// Lets the server send, and takes what has come.
    async fn heard(&self) -> Vec<Hook> {
        self.server.deliver().await;
        self.receiver.take()
    }

    fn control(&self, name: &str) -> String {
        format!("http://{}/_{name}", self.server.address())
    }
}

async fn answered(response: reqwest::Response) -> Answered {
    let status = response.status().as_u16();
    let text = |value: &header::HeaderValue| value.to_str().unwrap_or("").to_owned();
    let headers =
        response.headers().iter().map(|(k, v)| (k.as_str().to_owned(), text(v))).collect();
    let text = response.text().await.unwrap_or_default();
    let body = serde_json::from_str(&text).unwrap_or_default();
    Answered { status, headers, text, body }
}

/// A notification as it came in.
#[derive(Debug, Clone)]
struct Hook {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    text: String,
    body: Value,
}

impl Hook {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The events' numbers in a notification of any version.
    fn numbers(&self) -> Vec<String> {
        self.events().iter().map(|event| plain(&event["eventNumber"])).collect()
    }

    /// What the events are about.
    fn foci(&self) -> Vec<String> {
        self.events().iter().map(|event| plain(&event["focus"]["reference"])).collect()
    }

    /// The notification's type.
    fn kind(&self) -> String {
        plain(&self.status()["type"])
    }

    fn events(&self) -> Vec<Value> {
        self.status()["notificationEvent"].as_array().cloned().unwrap_or_default()
    }

    /// The status resource, that of R4 brought into the form of the others.
    fn status(&self) -> Value {
        let status = self.at("/entry/0/resource");
        if status["resourceType"] != "Parameters" {
            return status.clone();
        }
        flattened(&status["parameter"])
    }
}

fn flattened(parameters: &Value) -> Value {
    let mut flat = json!({});
    for one in parameters.as_array().into_iter().flatten() {
        let name = match one["name"].as_str().unwrap() {
            "events-since-subscription-start" => "eventsSinceSubscriptionStart",
            "event-number" => "eventNumber",
            other => other,
        };
        if name == "notification-event" {
            let list =
                flat.as_object_mut().unwrap().entry("notificationEvent").or_insert(json!([]));
            list.as_array_mut().unwrap().push(flattened(&one["part"]));
            continue;
        }
        let mut values = one.as_object().unwrap().iter().filter(|(k, _)| k.starts_with("value"));
        flat[name] = values.next().unwrap().1.clone();
    }
    flat
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Takes notifications, and answers as told, else with 200 and a FHIR body.
struct Receiver {
    url: String,
    hooks: Arc<Mutex<Vec<Hook>>>,
    answers: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
}

impl Receiver {
    async fn start(tasks: &Tasks) -> Self {
        let (hooks, answers): (Arc<Mutex<Vec<Hook>>>, Arc<Mutex<VecDeque<_>>>) = Default::default();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", socket.local_addr().unwrap());
        let (heard, told) = (Arc::clone(&hooks), Arc::clone(&answers));
        let router = Router::new().fallback(move |request: Incoming| async move {
            let (parts, body) = request.into_parts();
            let text = to_bytes(body, usize::MAX).await.unwrap();
            let text = String::from_utf8(text.to_vec()).unwrap();
            let value = |value: &header::HeaderValue| value.to_str().unwrap_or("").to_owned();
            heard.lock().unwrap().push(Hook {
                method: parts.method.to_string(),
                path: parts.uri.path().to_owned(),
                headers: parts.headers.iter().map(|(k, v)| (k.to_string(), value(v))).collect(),
                body: serde_json::from_str(&text).unwrap_or_default(),
                text,
            });
            let usual = (200, "{\"resourceType\":\"OperationOutcome\"}");
            let (status, body) = told.lock().unwrap().pop_front().unwrap_or(usual);
            (StatusCode::from_u16(status).unwrap(), body).into_response()
        });
        let stop = tasks.stop_token();
        tasks.spawn(async move {
            let served = axum::serve(socket, router).with_graceful_shutdown(stop.cancelled_owned());
            served.await.unwrap();
        });
        Self { url, hooks, answers }
    }

    fn answer(&self, answers: &[(u16, &'static str)]) {
        self.answers.lock().unwrap().extend(answers);
    }

    fn take(&self) -> Vec<Hook> {
        std::mem::take(&mut self.hooks.lock().unwrap())
    }
}

/// An R4 criteria subscription with a payload.
fn criteria(url: &str) -> Value {
    json!({
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "texts",
        "criteria": "Appointment?",
        "channel": {
            "type": "rest-hook",
            "endpoint": url,
            "payload": "application/fhir+json",
            "header": ["X-Hook-Token: s3cret"],
        },
    })
}

/// A Backport subscription.
fn backport(url: &str, content: &str) -> Value {
    const GUIDE: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition";
    json!({
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "texts",
        "criteria": "http://owl-clinic.example/topic/appointment-change",
        "channel": {
            "type": "rest-hook",
            "endpoint": url,
            "payload": "application/fhir+json",
            "_payload": { "extension": [{
                "url": format!("{GUIDE}/backport-payload-content"), "valueCode": content,
            }] },
            "header": ["Authorization: Bearer hook-secret"],
        },
    })
}

/// An R5 subscription.
fn r5(url: &str, content: &str) -> Value {
    json!({
        "resourceType": "Subscription",
        "status": "requested",
        "topic": "http://owl-clinic.example/topic/appointment-change",
        "channelType": { "code": "rest-hook" },
        "endpoint": url,
        "parameter": [{ "name": "X-Hook-Token", "value": "s3cret" }],
        "content": content,
    })
}
