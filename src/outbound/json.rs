//! The lane of a `[[json.destination]]`: patients' wishes as callbacks to an interface engine.
//!
//! One POST a wish, with the keys that the reference system posts, and under one `Idempotency-Key` at
//! every try, so that a repetition is known as one. No redirect is followed. Neither address nor body
//! reaches a log.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use appointd_fhir::transport::{self, Roots, Transport, http_client};
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::{Client, RequestBuilder, Url};
use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::breaker::Breaker;
use super::reported;
use crate::core::appointment::{Appointment, WishKind};
use crate::core::delivery::{Failure, Report};
use crate::core::effect::{Effect, WriteBack};
use crate::core::ids::{DestinationName, SourceName};
use crate::engine::rows::Lane;
use crate::engine::{Handle, Work};
use crate::shutdown::Tasks;
use crate::sms::Secret;
use crate::telemetry::Metrics;
use crate::tls::ClientFiles;

/// As whom the daemon calls.
const AGENT: &str = concat!("appointd/", env!("CARGO_PKG_VERSION"));

/// How a destination is called.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name.
    pub name: DestinationName,
    /// Where callbacks are posted.
    pub url: String,
    /// As whom.
    pub auth: Auth,
    /// Headers of every callback besides.
    pub headers: Vec<(String, Secret)>,
    /// The flow that each source posts to, which its callbacks name.
    pub flows: BTreeMap<SourceName, String>,
    /// Certificates.
    pub files: ClientFiles,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Who a destination is called as.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Nobody.
    None,
    /// A user with a password.
    Basic(String, Secret),
    /// Whoever has the token.
    Bearer(Secret),
}

/// Why a destination cannot be called as configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address.
    #[error("url is no address")]
    Url,
    /// A file of certificates cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The certificates.
    #[error(transparent)]
    Transport(#[from] transport::Error),
}

/// A client of one destination.
#[derive(Debug)]
pub struct Callback {
    http: Client,
    url: Url,
    options: Options,
}

impl Callback {
    /// Makes a client; nothing is connected yet, but all files are read.
    ///
    /// # Errors
    /// If something in the options cannot be used.
    pub fn new(options: Options) -> Result<Self, Error> {
        let url = Url::parse(&options.url).map_err(|_| Error::Url)?;
        let is_secure = url.scheme() == "https";
        let roots = match &options.files.ca {
            Some(ca) => Roots::Pem(read(ca)?),
            None if is_secure => Roots::System,
            // A machine without root certificates can still talk to its neighbours.
            None => Roots::Nobody,
        };
        let identity = match &options.files.identity {
            Some((cert, key)) => Some([read(cert)?, read(key)?].join(&b'\n')),
            None => None,
        };
        let http = http_client(&Transport {
            connect_timeout: options.connect_timeout,
            total_timeout: options.timeout,
            roots,
            identity,
            uses_proxies_of_environment: is_secure,
        })?;
        Ok(Self { http, url, options })
    }

    /// Whether the destination answers at all, whatever it says to a request without a body.
    ///
    /// # Errors
    /// A word for what was seen instead.
    pub async fn reach(&self) -> Result<(), &'static str> {
        let request = self.authorized(self.http.head(self.url.clone()));
        request.send().await.map(drop).map_err(|error| silence(&error))
    }

    /// Posts a callback, once.
    async fn post(&self, write_back: &WriteBack, appointment: &Appointment) -> Report {
        let flow_sid = self.options.flows.get(&appointment.source).map_or("", String::as_str);
        let body = body(write_back.wish, appointment, flow_sid).to_string();
        let request = self
            .authorized(self.http.post(self.url.clone()))
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", &write_back.control_id)
            .body(body);
        match request.send().await {
            // What it says besides the status is nobody's business.
            Ok(response) => judge(response.status().as_u16()),
            Err(error) => later(silence(&error)),
        }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        let mut request = request.header(USER_AGENT, AGENT);
        for (name, value) in &self.options.headers {
            request = request.header(name, value.expose());
        }
        match &self.options.auth {
            Auth::None => request,
            Auth::Basic(user, password) => request.basic_auth(user, Some(password.expose())),
            Auth::Bearer(token) => request.bearer_auth(token.expose()),
        }
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File { path: path.clone(), source })
}

/// The reference system's callback; what is not known is an empty text there.
fn body(wish: WishKind, appointment: &Appointment, flow_sid: &str) -> Value {
    let provider = appointment.provider.as_ref().and_then(|provider| provider.id.as_deref());
    json!({
        "flow_sid": flow_sid,
        "event_type": match wish {
            WishKind::Confirm => "Confirm",
            WishKind::Cancel => "Cancel",
        },
        "appointment_id": appointment.ids.first().map_or("", |id| &id.value),
        "provider_id": provider.unwrap_or_default(),
        "patient_id": appointment.patient.id.as_deref().unwrap_or_default(),
    })
}

/// What a status means. That nothing was done is believed of refusals only; whatever may pass by
/// itself is tried again, which the key makes harmless.
fn judge(status: u16) -> Report {
    let code = format!("http_{status}");
    match status {
        200..=299 => Report::Accepted { id: code },
        408 | 425 | 429 | 500..=599 => Report::NotDone { failure: Failure::TryLater, code },
        _ => Report::NotDone { failure: Failure::Permanent, code },
    }
}

fn later(code: &str) -> Report {
    Report::NotDone { failure: Failure::TryLater, code: code.to_owned() }
}

/// A word for why there is no answer.
pub(super) fn silence(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        return "connect";
    }
    if error.is_builder() {
        return "request";
    }
    if error.is_timeout() { "timeout" } else { "cut_off" }
}

/// The lane of one destination.
#[derive(Debug)]
pub struct JsonLane {
    callback: Callback,
    handle: Handle,
    metrics: Arc<Metrics>,
    breaker: Breaker,
}

impl JsonLane {
    /// Prepares the lane.
    #[must_use]
    pub fn new(callback: Callback, handle: Handle, metrics: Arc<Metrics>) -> Self {
        Self { callback, handle, metrics, breaker: Breaker::default() }
    }

    /// Calls for what is due until told to stop.
    pub async fn run(mut self, tasks: Tasks) {
        let stop = tasks.stop_token();
        let lane = Lane::Json(self.name().clone());
        loop {
            let pause = self.breaker.pause();
            let work = tokio::select! {
                work = async {
                    tokio::time::sleep(pause).await;
                    self.handle.claim(lane.clone(), 1).await
                } => work,
                () = stop.cancelled() => return,
            };
            let Some(work) = work else { return };
            for work in work {
                // Not interrupted: the answer to what is sent is worth the wait at the end too.
                self.take(work).await;
            }
        }
    }

    const fn name(&self) -> &DestinationName {
        &self.callback.options.name
    }

    async fn take(&mut self, work: Work) {
        let Effect::PostJson(write_back) = &work.row.effect else { return };
        let report = match work.appointment.as_deref() {
            Some(appointment) => self.callback.post(write_back, appointment).await,
            None => Report::NotDone { failure: Failure::Permanent, code: "unknown".to_owned() },
        };
        self.note(&report);
        reported::report(&self.handle, &self.metrics, self.name(), &work.row.id, report).await;
    }

    fn note(&mut self, report: &Report) {
        let destination = self.callback.options.name.as_str();
        match report {
            Report::NotDone { failure: Failure::TryLater, code } => {
                warn!(destination, code, "A destination takes no callback now");
                if self.breaker.failed() {
                    error!(destination, "The destination is out of order; its lane is paused");
                    self.metrics.breaker(destination, true);
                }
                return;
            }
            Report::NotDone { code, .. } => {
                error!(destination, code, "A destination refuses a callback");
            }
            Report::Accepted { .. }
            | Report::Delivered { .. }
            | Report::Undelivered { .. }
            | Report::InDoubt { .. }
            | Report::NoTrace => {}
        }
        if self.breaker.succeeded() {
            info!(destination, "The destination answers again");
            self.metrics.breaker(destination, false);
        }
    }
}
