//! The lane of flows' requests: a web server is asked on behalf of a recipient.
//!
//! Only hosts of `outreach.allow_hosts` are asked, which is looked at here once more: a flow's address
//! is made of what its list says. No redirect is followed, what is answered is bounded, and a log has
//! the host at most: paths and queries may tell of patients. As with Studio a POST is made once: what
//! has reached a server is not repeated unless the server says that it did nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use appointd_fhir::transport::{self, Roots, Transport, http_client};
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::{Client, Response, Url};
use tokio::sync::Semaphore;
use tracing::{debug, error, warn};

use super::json::silence;
use crate::core::delivery::{Failure, Report};
use crate::core::effect::Effect;
use crate::core::event::Event;
use crate::core::flow::{BODY_MAX, Call, HttpAnswer, Method};
use crate::core::ids::OutboxId;
use crate::engine::rows::Lane;
use crate::engine::{Answer, Handle, SharedRules, Work};
use crate::phi::Phi;
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;

/// As whom the daemon asks.
const AGENT: &str = concat!("appointd/", env!("CARGO_PKG_VERSION"));
/// How many requests run at a time: a slow server should not hold up the campaign, and a fast one
/// should not be flooded by it.
const PARALLEL: usize = 8;
/// The name in metrics.
const LANE: &str = "flow-calls";
/// The kind of a body where the flow says none, as Studio has it.
const KIND_DEFAULT: &str = "application/x-www-form-urlencoded";
/// The header under which a server may know a request that comes again after a crash of ours.
const KEY: &str = "Idempotency-Key";
/// The longest `Content-Type` of an answer that is kept.
const KIND_BYTES_MAX: usize = 128;

/// The clients of the lane.
#[derive(Debug, Clone)]
pub struct Caller {
    /// For https; none if the system has no root certificates.
    network: Option<Client>,
    /// For this machine, where no certificates are needed.
    loopback: Client,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Called {
    Answered(HttpAnswer),
    Not(Failure, String),
}

impl Caller {
    /// Makes the clients.
    ///
    /// # Errors
    /// If there cannot be an HTTP client.
    pub fn new(timeout: Duration) -> Result<Self, transport::Error> {
        let reach = |roots, uses_proxies_of_environment| {
            http_client(&Transport {
                // Shorter than the whole, so that a host that is not there is told from one that is
                // slow: only what never arrived may be repeated.
                connect_timeout: timeout / 2,
                total_timeout: timeout,
                roots,
                identity: None,
                uses_proxies_of_environment,
            })
        };
        let network = reach(Roots::System, true).ok();
        Ok(Self { network, loopback: reach(Roots::Nobody, false)? })
    }

    /// Makes a request, once; `key` is the same at every try.
    async fn call(&self, key: &str, call: &Call, allow_hosts: &BTreeSet<String>) -> Called {
        let url = match Url::parse(call.url.expose()) {
            Ok(url) if is_allowed(&url, allow_hosts) => url,
            Ok(_) => {
                // Its name may be made of what a list says of a patient.
                warn!("A flow asks a host that is not on the list");
                return Called::Not(Failure::Permanent, "not_allowed".to_owned());
            }
            Err(_) => return Called::Not(Failure::Permanent, "address".to_owned()),
        };
        let host = host_of(&url).unwrap_or_default();
        let client =
            if url.scheme() == "https" { self.network.as_ref() } else { Some(&self.loopback) };
        let Some(client) = client else {
            error!("The system has no root certificates; flows cannot ask by https");
            return Called::Not(Failure::Permanent, "certificates".to_owned());
        };
        let request = match call.method {
            Method::Get => client.get(url),
            Method::Post => {
                let kind = call.content_type.as_deref().unwrap_or(KIND_DEFAULT);
                client.post(url).header(CONTENT_TYPE, kind).body(call.body.expose().clone())
            }
        };
        let request = request.header(USER_AGENT, AGENT).header(KEY, key);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let code = silence(&error);
                warn!(host, code, "A host gives flows no answer");
                return Called::Not(without_answer(call.method, code), code.to_owned());
            }
        };
        let status = response.status().as_u16();
        debug!(host, status, "A host answered a flow");
        judge(call.method, response).await
    }
}

fn without_answer(method: Method, code: &str) -> Failure {
    match (method, code) {
        // What cannot be built now cannot be built later.
        (_, "request") => Failure::Permanent,
        (_, "connect") | (Method::Get, _) => Failure::TryLater,
        // The server may have done what it was asked for.
        (Method::Post, _) => Failure::Permanent,
    }
}

/// What an answer is to a flow: 2xx and 3xx are a success there, anything else is a failure, which
/// may pass with a server that is out of order. After a POST only a server that refused to do it for
/// now is asked again.
async fn judge(method: Method, response: Response) -> Called {
    let status = response.status().as_u16();
    // Flows see the status, which they read out of the code.
    let code = status.to_string();
    match status {
        200..=399 => {}
        429 | 503 => return Called::Not(Failure::TryLater, code),
        408 | 425 | 500..=599 => return Called::Not(without_answer(method, &code), code),
        _ => return Called::Not(Failure::Permanent, code),
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.filter(|kind| kind.len() <= KIND_BYTES_MAX).unwrap_or_default().to_owned();
    match body_of(response).await {
        // Half a JSON document is none.
        Ok(None) => Called::Not(Failure::Permanent, "too_large".to_owned()),
        Ok(Some(body)) => {
            let body = Phi::new(String::from_utf8_lossy(&body).into_owned());
            Called::Answered(HttpAnswer { status, content_type: kind, body })
        }
        Err(code) => Called::Not(without_answer(method, code), code.to_owned()),
    }
}

async fn body_of(mut response: Response) -> Result<Option<Vec<u8>>, &'static str> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| silence(&error))? {
        if body.len() + chunk.len() > BODY_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Whether flows may ask an address: its host, with its port unless that is the usual one, is on the
/// list; by https, unless it is this machine.
fn is_allowed(url: &Url, allow_hosts: &BTreeSet<String>) -> bool {
    let is_safe = match url.scheme() {
        "https" => true,
        "http" => is_loopback(url),
        _ => false,
    };
    let has_user = !url.username().is_empty() || url.password().is_some();
    // `host:443` is the same place as `host` by https.
    let with_port = url.host_str().zip(url.port_or_known_default());
    let with_port = with_port.map(|(host, port)| format!("{host}:{port}"));
    let is_known = host_of(url).is_some_and(|host| allow_hosts.contains(&host))
        || with_port.is_some_and(|host| allow_hosts.contains(&host));
    is_safe && !has_user && is_known
}

fn host_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The lane.
#[derive(Debug)]
pub struct CallLane {
    caller: Caller,
    rules: SharedRules,
    handle: Handle,
    metrics: Arc<Metrics>,
    /// What is under way: a claim may last less long than a slow server, and must not be taken up
    /// twice.
    in_hand: Mutex<BTreeSet<OutboxId>>,
}

impl CallLane {
    /// Prepares the lane.
    #[must_use]
    pub const fn new(
        caller: Caller,
        rules: SharedRules,
        handle: Handle,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { caller, rules, handle, metrics, in_hand: Mutex::new(BTreeSet::new()) }
    }

    /// Asks what is due until told to stop.
    pub async fn run(self: Arc<Self>, tasks: Tasks) {
        let stop = tasks.stop_token();
        let places = Arc::new(Semaphore::new(PARALLEL));
        loop {
            let work = tokio::select! {
                work = self.next(&places) => work,
                () = stop.cancelled() => return,
            };
            let Some(work) = work else { return };
            for work in work {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let lane = Arc::clone(&self);
                tasks.spawn(async move {
                    lane.take(work).await;
                    drop(place);
                });
            }
        }
    }

    /// Waits until there is room, and something is due.
    async fn next(&self, places: &Semaphore) -> Option<Vec<Work>> {
        drop(places.acquire().await.ok()?);
        self.handle.claim(Lane::Call, places.available_permits().max(1)).await
    }

    async fn take(&self, work: Work) {
        let Effect::CallHttp(flow) = &work.row.effect else { return };
        let id = &work.row.id;
        let in_hand = || self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if !in_hand().insert(id.clone()) {
            return;
        }
        let hosts = {
            let rules = Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner));
            rules.outreach.tools.allow_hosts.clone()
        };
        let called = self.caller.call(&id.to_string(), &flow.call, &hosts).await;
        self.report(id, called).await;
        in_hand().remove(id);
    }

    async fn report(&self, id: &OutboxId, called: Called) {
        let outcome = match &called {
            Called::Answered(_) => "accepted",
            Called::Not(Failure::TryLater, _) => "retry",
            Called::Not(..) => "refused",
        };
        self.metrics.sent(LANE, outcome);
        let outbox = id.clone();
        let event = match called {
            Called::Answered(answer) => Event::HttpAnswered { outbox, answer },
            Called::Not(failure, code) => {
                Event::DeliveryReported { outbox, report: Report::NotDone { failure, code } }
            }
        };
        if let Answer::NotStored(category) = self.handle.act(event).await {
            // The row stays claimed and comes up again.
            error!(outbox.id = %id, ?category, "An answer to a flow was not stored");
        }
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
