//! The client of Twilio's messages: one request, one outcome, no retry.
//!
//! Creating a message is not idempotent, so the outcome tells apart what was surely not sent, what
//! was refused, what was accepted, and what nobody knows. The dispatcher decides what follows from
//! each; an unknown outcome it reconciles with [`Twilio::list_recent`]. Neither a retry nor a
//! redirect happens in here, because each could send a second text.

use std::error::Error as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Client, RequestBuilder, Response, Url};

use crate::core::phone::PhoneNumber;
use crate::sms::Secret;
use crate::sms::answer::{self, MessageRow, Page};
use crate::sms::error_codes::{Class, Table};
use crate::sms::request::{CreateMessage, Sender};
use crate::sms::sid::{AccountSid, KeySid, MessageSid};
use crate::sms::status::MessageStatus;

/// Twilio's address in its first region; others are `https://api.{edge}.{region}.twilio.com`.
pub const BASE_URL: &str = "https://api.twilio.com";

/// A TCP and TLS handshake takes well under a second; nothing is lost by giving up here.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Twilio's own gateway gives up after 26 s; to give up earlier would only make outcomes unknown.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);

/// A message takes 1 to 7 KiB as JSON; of a longer answer the outcome is unknown.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// A page of [`PAGE_ROWS`] messages of the greatest length.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Rows asked for in one page.
const PAGE_ROWS: usize = 100;

/// Rows that one call returns at most, whatever the caller asks for.
pub const ROWS_MAX: usize = 1_000;

/// Rows that are listed since a moment at most: a large practice's texts of a day, both ways.
pub const SINCE_ROWS_MAX: usize = 20_000;

/// How to talk to Twilio, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme and host, without a path.
    pub base_url: String,
    /// The account that sends.
    pub account_sid: AccountSid,
    /// The credentials for requests.
    pub auth: Auth,
    /// From whom the texts come.
    pub sender: Sender,
    /// Where status callbacks go; the outbox tag is added to its query.
    pub status_callback: Option<String>,
    /// Limit for a connection to be made.
    pub connect_timeout: Duration,
    /// Limit for a request as a whole.
    pub total_timeout: Duration,
    /// What error codes mean.
    pub error_codes: Table,
}

impl Settings {
    /// The usual settings: Twilio's first region and the default limits.
    #[must_use]
    pub fn new(account_sid: AccountSid, auth: Auth, sender: Sender) -> Self {
        Self {
            base_url: BASE_URL.to_owned(),
            account_sid,
            auth,
            sender,
            status_callback: None,
            connect_timeout: CONNECT_TIMEOUT,
            total_timeout: TOTAL_TIMEOUT,
            error_codes: Table::default(),
        }
    }
}

/// Credentials for requests; webhooks are always signed with the auth token.
#[derive(Debug, Clone)]
pub enum Auth {
    /// The account's auth token.
    Token(Secret),
    /// An API key, which can be revoked alone.
    ApiKey {
        /// The key's identifier.
        sid: KeySid,
        /// The key's secret.
        secret: Secret,
    },
}

/// What became of one attempt to send a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Twilio has the text.
    Accepted {
        /// The message's identifier.
        sid: MessageSid,
        /// Its first status, of which there will be no callback.
        status: Option<MessageStatus>,
    },
    /// Twilio will not send the text.
    Refused {
        /// What is to be done about it.
        class: Class,
        /// Twilio's code.
        code: Option<u32>,
        /// The HTTP status.
        http_status: u16,
    },
    /// No byte of the request was written; it is safe to try again.
    NotSent {
        /// Why there was no connection.
        cause: String,
    },
    /// Twilio may have the text or not.
    Unknown(Doubt),
}

/// Why an outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// No answer came in time.
    Timeout,
    /// The connection broke after the request was begun.
    Broken,
    /// The server, or a gateway before it, failed.
    ServerError {
        /// The HTTP status.
        http_status: u16,
        /// Twilio's code, if it was Twilio.
        code: Option<u32>,
    },
    /// The answer claims success, but names no message.
    Unreadable,
}

/// A question to Twilio failed; asking again does no harm.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The base address is none, or has more than scheme and host.
    #[error("base address of Twilio is not of the form https://host")]
    BaseUrl,
    /// Credentials and numbers would cross the network in clear.
    #[error("base address of Twilio is neither https nor on this machine")]
    PlainHttp,
    /// The HTTP client could not be made, as when no root certificates are installed.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
    /// There was no whole answer.
    #[error("no answer from Twilio")]
    Unavailable(#[source] reqwest::Error),
    /// Twilio answered with an error.
    #[error("refused by Twilio with HTTP status {http_status}, code {code:?}")]
    Refused {
        /// What is to be done about it.
        class: Class,
        /// Twilio's code.
        code: Option<u32>,
        /// The HTTP status.
        http_status: u16,
    },
    /// The answer cannot be understood.
    #[error("answer of Twilio cannot be read")]
    Unreadable(#[source] answer::Error),
    /// The answer is longer than one expects.
    #[error("answer of Twilio is longer than {0} bytes")]
    TooLong(usize),
}

/// Which messages to list; both numbers may be left open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only messages to this number.
    pub to: Option<PhoneNumber>,
    /// Only messages from this number.
    pub from: Option<PhoneNumber>,
}

/// A client for one account.
#[derive(Debug, Clone)]
pub struct Twilio {
    http: Client,
    base: Url,
    settings: Settings,
}

impl Twilio {
    /// Makes a client; nothing is connected yet.
    ///
    /// # Errors
    /// If the base address cannot be used, or the system has no root certificates.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let base = Url::parse(&settings.base_url).map_err(|_| Error::BaseUrl)?;
        let is_bare = base.path() == "/" && base.query().is_none() && base.fragment().is_none();
        if !is_bare || !base.username().is_empty() || base.password().is_some() {
            return Err(Error::BaseUrl);
        }
        let reach = match base.scheme() {
            "https" => Reach::Network,
            "http" if is_loopback(&base) => Reach::PlainLoopback,
            "http" => return Err(Error::PlainHttp),
            _ => return Err(Error::BaseUrl),
        };
        let http = http_client(reach, settings.connect_timeout, settings.total_timeout)
            .map_err(|error| Error::Client(error.without_url()))?;
        Ok(Self { http, base, settings })
    }

    /// The number that texts come from, if it is one number.
    #[must_use]
    pub const fn number(&self) -> Option<&PhoneNumber> {
        match &self.settings.sender {
            Sender::From(number) => Some(number),
            Sender::ShortCode(_) | Sender::MessagingService(_) => None,
        }
    }

    /// From whom texts come.
    #[must_use]
    pub const fn sender(&self) -> &Sender {
        &self.settings.sender
    }

    /// Sends a text, once.
    pub async fn create(&self, message: &CreateMessage) -> Outcome {
        let settings = &self.settings;
        let params = message.params(&settings.sender, settings.status_callback.as_deref());
        let request = self.http.post(self.messages_url()).form(&params);
        let response = match self.authorized(request).send().await {
            Ok(response) => response,
            Err(error) => return without_answer(error),
        };
        let http_status = response.status().as_u16();
        let body = read_at_most(response, MESSAGE_BYTES_MAX).await;
        if !(200..300).contains(&http_status) {
            return self.refusal(http_status, &body.unwrap_or_default());
        }
        match body.as_deref().map(answer::message) {
            Ok(Ok(row)) => Outcome::Accepted { sid: row.sid, status: row.status },
            Ok(Err(_)) | Err(Error::TooLong(_)) => Outcome::Unknown(Doubt::Unreadable),
            Err(Error::Unavailable(error)) if error.is_timeout() => {
                Outcome::Unknown(Doubt::Timeout)
            }
            Err(_) => Outcome::Unknown(Doubt::Broken),
        }
    }

    /// Lists messages, newest first, at most `limit` and [`ROWS_MAX`].
    ///
    /// The date of sending is no filter here: a message that has not been sent yet has none.
    ///
    /// # Errors
    /// If a page cannot be had or read; pages before it are lost too.
    pub async fn list_recent(
        &self,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<MessageRow>, Error> {
        let number = |number: &Option<PhoneNumber>| Some(number.as_ref()?.as_str().to_owned());
        let params = [("To", number(&filter.to)), ("From", number(&filter.from))];
        self.pages(&params, limit.min(ROWS_MAX), None).await
    }

    /// Lists messages since a moment, newest first, at most [`SINCE_ROWS_MAX`]: those to a number or
    /// short code, or all of the account.
    ///
    /// # Errors
    /// As [`Twilio::list_recent`].
    pub async fn list_since(
        &self,
        to: Option<&str>,
        since: DateTime<Utc>,
    ) -> Result<Vec<MessageRow>, Error> {
        let params = [("To", to.map(str::to_owned))];
        let mut rows = self.pages(&params, SINCE_ROWS_MAX, Some(since)).await?;
        rows.retain(|row| row.created_at.is_some_and(|created| created >= since));
        Ok(rows)
    }

    async fn pages(
        &self,
        params: &[(&str, Option<String>)],
        limit: usize,
        since: Option<DateTime<Utc>>,
    ) -> Result<Vec<MessageRow>, Error> {
        let mut url = self.messages_url();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("PageSize", &limit.clamp(1, PAGE_ROWS).to_string());
            for (name, value) in params {
                if let Some(value) = value {
                    query.append_pair(name, value);
                }
            }
        }
        let mut rows = Vec::new();
        // An endless chain of pages ends here too: each one counts, even if it is empty.
        for _page in 0..limit.div_ceil(PAGE_ROWS).max(1) {
            let body = self.get(url, PAGE_BYTES_MAX).await?;
            let Page { messages, next_page_uri, .. } =
                answer::page(&body).map_err(Error::Unreadable)?;
            let oldest = messages.iter().rev().find_map(|row| row.created_at);
            rows.extend(messages);
            if since.zip(oldest).is_some_and(|(since, oldest)| oldest < since) {
                break;
            }
            let next = next_page_uri.and_then(|uri| self.base.join(&uri).ok());
            let Some(next) = next.filter(|next| next.origin() == self.base.origin()) else { break };
            url = next;
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// Fetches one message.
    ///
    /// # Errors
    /// If there is no such message, or no readable answer.
    pub async fn fetch(&self, sid: &MessageSid) -> Result<MessageRow, Error> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/Messages/{sid}.json", self.account_path()));
        let body = self.get(url, MESSAGE_BYTES_MAX).await?;
        answer::message(&body).map_err(Error::Unreadable)
    }

    async fn get(&self, url: Url, bytes_max: usize) -> Result<Vec<u8>, Error> {
        let response = self.authorized(self.http.get(url)).send().await;
        let response = response.map_err(|error| Error::Unavailable(error.without_url()))?;
        let http_status = response.status().as_u16();
        let body = read_at_most(response, bytes_max).await;
        if (200..300).contains(&http_status) {
            return body;
        }
        let code = answer::refusal(&body.unwrap_or_default()).code;
        let class = self.settings.error_codes.refusal(http_status, code);
        Err(Error::Refused { class, code, http_status })
    }

    fn refusal(&self, http_status: u16, body: &[u8]) -> Outcome {
        let code = answer::refusal(body).code;
        let class = self.settings.error_codes.refusal(http_status, code);
        if class == Class::Ambiguous {
            return Outcome::Unknown(Doubt::ServerError { http_status, code });
        }
        Outcome::Refused { class, code, http_status }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.settings.auth {
            Auth::Token(token) => {
                request.basic_auth(self.settings.account_sid.as_str(), Some(token.expose()))
            }
            Auth::ApiKey { sid, secret } => request.basic_auth(sid.as_str(), Some(secret.expose())),
        }
    }

    fn messages_url(&self) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/Messages.json", self.account_path()));
        url
    }

    fn account_path(&self) -> String {
        format!("/2010-04-01/Accounts/{}", self.settings.account_sid)
    }
}

/// How far a client reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Other machines: https only, certificates checked against the system's roots, proxies of the
    /// environment used.
    Network,
    /// This machine: no proxy, and no root certificates are needed.
    PlainLoopback,
}

/// Makes an HTTP client that follows no redirect and repeats nothing.
///
/// # Errors
/// If the system has no root certificates.
pub fn http_client(
    reach: Reach,
    connect_timeout: Duration,
    total_timeout: Duration,
) -> Result<Client, reqwest::Error> {
    // Fails if a provider is installed already, which is then used.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = Client::builder()
        .connect_timeout(connect_timeout)
        .timeout(total_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        // A connection that the peer is about to close breaks the request that takes it.
        .pool_idle_timeout(Duration::from_secs(10))
        .user_agent(concat!("appointd/", env!("CARGO_PKG_VERSION")));
    match reach {
        Reach::Network => builder.https_only(true).build(),
        Reach::PlainLoopback => builder.no_proxy().tls_certs_only([]).build(),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn without_answer(error: reqwest::Error) -> Outcome {
    // Neither a request that was not built nor one without connection has written anything.
    if error.is_connect() || error.is_builder() {
        return Outcome::NotSent { cause: described(error) };
    }
    Outcome::Unknown(if error.is_timeout() { Doubt::Timeout } else { Doubt::Broken })
}

/// The error and its causes in one line, without the address.
fn described(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}

async fn read_at_most(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > bytes_max => {
                return Err(Error::TooLong(bytes_max));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(Error::Unavailable(error.without_url())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(base_url: &str) -> Settings {
        let digits = "0123456789abcdef0123456789abcdef";
        let account = AccountSid::parse(&format!("AC{digits}")).unwrap();
        let sid = KeySid::parse(&format!("SK{digits}")).unwrap();
        let auth = Auth::ApiKey { sid, secret: Secret::new("hunter2") };
        let sender = Sender::parse("+15005550006").unwrap();
        Settings { base_url: base_url.to_owned(), ..Settings::new(account, auth, sender) }
    }

    #[test]
    fn an_https_client_can_be_made() {
        // A machine without root certificates, as a bare container, cannot reach Twilio.
        assert!(matches!(Twilio::new(settings(BASE_URL)), Ok(_) | Err(Error::Client(_))));
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:80"] {
            assert!(Twilio::new(settings(good)).is_ok(), "{good}");
        }
        for bad in ["http://api.twilio.com", "http://127.0.0.1.example", "http://10.0.0.1"] {
            assert!(matches!(Twilio::new(settings(bad)), Err(Error::PlainHttp)), "{bad}");
        }
        for bad in ["", "api.twilio.com", "ftp://x", "https://u:p@x", "https://x/v1", "https://x?a"]
        {
            assert!(matches!(Twilio::new(settings(bad)), Err(Error::BaseUrl)), "{bad}");
        }
    }

    #[test]
    fn a_client_prints_no_secret_and_no_number() {
        let printed = format!("{:?}", Twilio::new(settings("http://localhost")).unwrap());
        assert!(!printed.contains("hunter2") && !printed.contains("15005550006"), "{printed}");
    }
}
