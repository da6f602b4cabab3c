//! One FHIR server as the daemon talks to it: authorized, paced, and left alone when it must be.
//!
//! A request is sent once; only one whose token was refused is sent a second time, with another. What
//! is repeated beyond that, and whether it may be, is decided by who asked. A server that is paused
//! is not waited for: the caller learns until when and does something else. Neither addresses nor
//! bodies reach a log, only the server's name and a code.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use appointd_fhir::client::{self, Client, Method, NoAnswer, NotSent, Request, Response, Settings};
use appointd_fhir::transport::{self, Roots};
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use super::auth::{self, Auth, Authorizer, Credential};
use super::fetch::{AGENT, Address, AddressFault, Reach};
use super::limit::{Gate, Hold, Leave, Pace, RetryAfter, Seen, State};
use super::token::Fault;
use crate::category::Category;
use crate::clock::{Clock, Timestamp};
use crate::sms::Secret;
use crate::tls::ClientFiles;

/// How one server is talked to.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name in settings, logs and metrics.
    pub name: String,
    /// Its base address, https or on this machine.
    pub base_url: String,
    /// The parameter `fhirVersion` of media types, as in `4.0`; none if not set.
    pub fhir_version: Option<&'static str>,
    /// As whom.
    pub auth: Auth,
    /// Headers of every request, such as an API key's; a request's own header of that name wins.
    pub extra_headers: Vec<(String, Secret)>,
    /// Other names of the server, as in `https://files.example`: absolute addresses may lead there,
    /// and **get the same credentials**.
    pub allow_origins: Vec<String>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a request may take as a whole, without waiting for its turn.
    pub request_timeout: Duration,
    /// The longest answer that is taken, in bytes.
    pub body_bytes_max: usize,
    /// How many requests may be under way at once.
    pub parallel: NonZeroUsize,
    /// How many requests may begin in a second, evenly spread; any number if not set.
    pub requests_per_second: Option<NonZeroU32>,
    /// Who may sign the server's certificate, PEM; the system's roots if not set.
    pub ca: Option<PathBuf>,
    /// Our certificate chain and its key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why a server cannot be talked to as configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The base address, or one of the other origins.
    #[error("address of the server is {0}")]
    Address(#[from] AddressFault),
    /// The base address has a query.
    #[error("address of the server is not of the form https://host/path")]
    Base,
    /// The credentials.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// A header of the settings.
    #[error("header number {0} cannot be sent")]
    Header(usize),
    /// A file of certificates cannot be read.
    #[error("{}: cannot be read", path.display())]
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

/// Why there is no answer that is worth reading; codes are from closed lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nothing was sent that the server could have performed.
    #[error("not sent: {0}")]
    NotSent(&'static str),
    /// The server may have performed it.
    #[error("no answer: {0}")]
    NoAnswer(&'static str),
    /// The server is left alone until then, and has not performed it.
    #[error("paused until {until}")]
    Paused {
        /// When to ask again.
        until: Timestamp,
    },
    /// The answer is longer than allowed; the request has been performed or refused.
    #[error("answer is longer than allowed")]
    TooLarge,
    /// The server, or its token endpoint, refuses our credentials.
    #[error("not authorized: {0}")]
    Unauthorized(&'static str),
    /// The address is on a server that is neither this one nor allowed.
    #[error("address is on another server")]
    Foreign,
}

impl Trouble {
    /// What kind of failure it is.
    #[must_use]
    pub const fn category(self) -> Category {
        match self {
            Self::NotSent(_) | Self::Paused { .. } => Category::Unavailable,
            Self::NoAnswer(_) | Self::TooLarge => Category::Unknown,
            Self::Unauthorized(_) | Self::Foreign => Category::Rejected,
        }
    }

    /// A word for it, for reports, logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotSent(code) | Self::NoAnswer(code) | Self::Unauthorized(code) => code,
            Self::Paused { .. } => "paused",
            Self::TooLarge => "too_large",
            Self::Foreign => "foreign",
        }
    }
}

/// One FHIR server; clones are the same one.
#[derive(Debug, Clone)]
pub struct Server(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    client: Client,
    authorizer: Authorizer,
    extra_headers: Vec<(String, Secret)>,
    clock: Clock,
    gate: Mutex<Gate>,
    pace: Pace,
    permits: Semaphore,
}

impl Server {
    /// Prepares a server; nothing is connected yet, but all files are read.
    ///
    /// # Errors
    /// If something in the options cannot be used.
    pub fn new(options: Options, clock: Clock) -> Result<Self, Error> {
        let base = Address::parse(&options.base_url)?;
        let others = options.allow_origins.iter().map(|url| Address::parse(url));
        let others = others.collect::<Result<Vec<_>, _>>()?;
        let sendable = |(name, value): &(String, Secret)| auth::is_sendable(name, value);
        if let Some(index) = options.extra_headers.iter().position(|header| !sendable(header)) {
            return Err(Error::Header(index + 1));
        }
        let reach = Reach {
            files: ClientFiles { ca: options.ca, identity: options.identity },
            connect_timeout: options.connect_timeout,
            total_timeout: options.request_timeout,
        };
        let mut transport = reach
            .transport(&base)
            .map_err(|(path, source)| Error::File { path: path.to_owned(), source })?;
        if transport.roots == Roots::Nobody && others.iter().any(Address::is_https) {
            transport.roots = Roots::System;
        }
        let http = transport::http_client(&transport)?;
        let authorizer = Authorizer::new(options.auth, &base, reach, clock.clone())?;
        let client = Client::new(Settings {
            base_url: options.base_url,
            http,
            user_agent: AGENT.to_owned(),
            body_bytes_max: options.body_bytes_max,
            fhir_version: options.fhir_version,
            allow_origins: options.allow_origins,
        })
        .map_err(|_| Error::Base)?;
        Ok(Self(Arc::new(Inner {
            name: options.name,
            client,
            authorizer,
            extra_headers: options.extra_headers,
            clock,
            gate: Mutex::default(),
            pace: Pace::new(options.requests_per_second),
            permits: Semaphore::new(options.parallel.get().min(Semaphore::MAX_PERMITS)),
        })))
    }

    /// Its name in settings, logs and metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Reads an address, relative to the base or absolute; with a version that is known already, the
    /// answer may be 304.
    ///
    /// # Errors
    /// As [`Server::send`].
    pub async fn get(
        &self,
        target: &str,
        if_none_match: Option<&str>,
    ) -> Result<Response, Trouble> {
        let headers = if_none_match.map(|etag| ("If-None-Match".to_owned(), etag.to_owned()));
        let headers = headers.into_iter().collect();
        let target = target.to_owned();
        self.send(Request { method: Method::Get, target, headers, body: None }).await
    }

    /// Sends a request when it is its turn and takes the answer, whatever its status but 401, 429, and
    /// 503 with `Retry-After`, which are troubles.
    ///
    /// It waits for its turn as long as that takes. A pause is not waited for.
    ///
    /// # Errors
    /// [`Trouble`]; [`Trouble::NoAnswer`] and [`Trouble::TooLarge`] only if the server may have
    /// performed it.
    pub async fn send(&self, request: Request) -> Result<Response, Trouble> {
        self.check_open()?;
        // Never closed, so never refused.
        let permit = self.0.permits.acquire().await;
        let _permit = permit.map_err(|_| Trouble::NotSent("closed"))?;
        self.check_open()?;
        self.0.pace.turn().await;
        let leave = self.gate(|gate, now| gate.admit(now)).map_err(trouble_of)?;
        let (result, seen) = self.exchange(request).await;
        if let Some(seen) = seen {
            self.note(leave, seen);
        }
        match (result, seen) {
            (_, Some(Seen::Busy(..))) => Err(self.paused()),
            (result, _) => result,
        }
    }

    /// How the server stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.gate(|gate, now| gate.state(now))
    }

    /// Waits until a request may be sent; it may be paused again by then.
    pub async fn until_open(&self) {
        while let Some(hold) = self.gate(|gate, now| gate.hold(now)) {
            self.0.clock.sleep_until(hold.until()).await;
        }
    }

    fn gate<T>(&self, act: impl FnOnce(&mut Gate, Timestamp) -> T) -> T {
        let now = self.0.clock.now();
        act(&mut self.0.gate.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    fn check_open(&self) -> Result<(), Trouble> {
        self.gate(|gate, now| gate.hold(now)).map_or(Ok(()), |hold| Err(trouble_of(hold)))
    }

    /// Until when, for a request that the server has put off.
    fn paused(&self) -> Trouble {
        let now = self.0.clock.now();
        let hold = self.gate(|gate, now| gate.hold(now));
        Trouble::Paused { until: hold.map_or(now, Hold::until) }
    }

    /// Sends a request, a second time if its token was refused, and says what that shows of the
    /// server; nothing if the fault is the request's own.
    async fn exchange(&self, request: Request) -> (Result<Response, Trouble>, Option<Seen>) {
        let credential = match self.0.authorizer.credential().await {
            Ok(credential) => credential,
            Err(fault) => return without_token(fault),
        };
        let can_renew = matches!(credential, Credential::Token(_));
        let again = can_renew.then(|| request.clone());
        let answer = self.0.client.send(self.authorized(request, &credential)).await;
        let Some(again) = again.filter(|_| is_unauthorized(&answer)) else { return judge(answer) };
        match self.0.authorizer.instead_of(&credential).await {
            Ok(None) => judge(answer),
            Ok(Some(renewed)) => {
                self.0.pace.turn().await;
                judge(self.0.client.send(self.authorized(again, &renewed)).await)
            }
            Err(fault) => without_token(fault),
        }
    }

    fn authorized(&self, mut request: Request, credential: &Credential) -> Request {
        let own =
            |name: &str| request.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        let extra = self.0.extra_headers.iter().filter(|(name, _)| !own(name));
        let extra: Vec<_> =
            extra.map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
        request.headers.extend(extra);
        if let Some(header) = credential.header() {
            request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
            request.headers.push(("Authorization".to_owned(), header.to_owned()));
        }
        request
    }

    /// Takes note of what was seen, and tells the log if the server stands otherwise now.
    fn note(&self, leave: Leave, seen: Seen) {
        let (before, after) = self.gate(|gate, now| {
            let before = gate.state(now);
            gate.note(leave, seen, now);
            (before, gate.state(now))
        });
        let server = self.name();
        match (before, after) {
            (State::Paused { .. }, State::Paused { .. })
            | (State::Up, State::Up)
            | (State::Refused(_), State::Refused(_)) => {}
            (_, State::Paused { until, why }) => {
                warn!(server, %until, code = why, "A FHIR server is left alone for a while");
            }
            (_, State::Refused(why)) => {
                error!(server, code = why, "A FHIR server refuses our credentials");
            }
            (_, State::Up) => info!(server, "A FHIR server answers again"),
        }
    }
}

const fn trouble_of(hold: Hold) -> Trouble {
    match hold {
        Hold::Paused(until) => Trouble::Paused { until },
        Hold::Refused(code, _) => Trouble::Unauthorized(code),
    }
}

const fn without_token(fault: Fault) -> (Result<Response, Trouble>, Option<Seen>) {
    let (trouble, seen) = match fault {
        Fault::Refused(code) => (Trouble::Unauthorized(code), Seen::Denied(code)),
        Fault::Unavailable(code) => (Trouble::NotSent(code), Seen::Failed(code)),
        Fault::Busy(asked) => (Trouble::NotSent("token_busy"), Seen::Busy("token_busy", asked)),
    };
    (Err(trouble), Some(seen))
}

fn is_unauthorized(answer: &Result<Response, client::Error>) -> bool {
    answer.as_ref().is_ok_and(|response| response.status == 401)
}

/// What an answer, or its absence, means for the caller, and what it shows of the server.
fn judge(answer: Result<Response, client::Error>) -> (Result<Response, Trouble>, Option<Seen>) {
    let error = match answer {
        Ok(response) => return judge_response(response),
        Err(error) => error,
    };
    let not_sent = |code| (Err(Trouble::NotSent(code)), Some(Seen::Failed(code)));
    let no_answer = |code| (Err(Trouble::NoAnswer(code)), Some(Seen::Failed(code)));
    match error {
        client::Error::Url => (Err(Trouble::NotSent("address")), None),
        client::Error::Header => (Err(Trouble::NotSent("header")), None),
        client::Error::NotSent(NotSent::Library) => (Err(Trouble::NotSent("library")), None),
        client::Error::ForeignOrigin => (Err(Trouble::Foreign), None),
        client::Error::NotSent(NotSent::Connect) => not_sent("connect"),
        client::Error::NotSent(NotSent::Tls) => not_sent("tls"),
        client::Error::NotSent(NotSent::Dns) => not_sent("dns"),
        client::Error::NoAnswer(NoAnswer::Timeout) => no_answer("timeout"),
        client::Error::NoAnswer(NoAnswer::Broken) => no_answer("cut_off"),
        client::Error::NoAnswer(NoAnswer::Unfinished { .. }) => no_answer("unfinished"),
        client::Error::NoAnswer(NoAnswer::Redirected) => no_answer("redirected"),
        client::Error::TooLarge { status } => {
            (Err(Trouble::TooLarge), Some(failure(status).map_or(Seen::Answered, Seen::Failed)))
        }
    }
}

fn judge_response(response: Response) -> (Result<Response, Trouble>, Option<Seen>) {
    let asked = RetryAfter::parse(response.header("retry-after"), response.header("date"));
    let seen = match response.status {
        401 => {
            return (Err(Trouble::Unauthorized("http_401")), Some(Seen::Denied("http_401")));
        }
        429 => Seen::Busy("http_429", asked),
        503 if asked.is_some() => Seen::Busy("http_503", asked),
        status => failure(status).map_or(Seen::Answered, Seen::Failed),
    };
    (Ok(response), Some(seen))
}

/// The code of a status that shows a server, or a gateway before it, out of order. That it does not
/// implement what was asked (501) says nothing of other requests.
const fn failure(status: u16) -> Option<&'static str> {
    match status {
        501 => None,
        500 => Some("http_500"),
        502 => Some("http_502"),
        503 => Some("http_503"),
        504 => Some("http_504"),
        505.. => Some("http_5xx"),
        _ => None,
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
