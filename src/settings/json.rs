//! `[[json.source]]` and `[[json.destination]]`: interface engines that speak Studio's requests, and
//! those that hear of patients' answers by a callback.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::ids::{DestinationName, SourceName};
use crate::core::local_time::Zone;
use crate::core::phone::Region;
use crate::sms::Secret;

use super::fault::Place;
use super::fhir_auth::{USER_WANTED, from_file, headers, user};
use super::listener::{name, region, zone};
use super::net::{BaseUrl, HttpsFiles, https_files, parse_url};
use super::reader::Section;
use super::texting::{ApiKey, sid};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A caller that posts appointment events as executions of a Studio flow.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonSource {
    /// The name of the feed.
    pub name: SourceName,
    /// The flow that it posts to; `flow_sid` of callbacks too.
    pub flow_sid: String,
    /// The account that it says it is, which is its user.
    pub account_sid: String,
    /// Its password.
    pub auth_token: Secret,
    /// Another user and password.
    pub api_key: Option<ApiKey>,
    /// How phone numbers are written there.
    pub region: Region,
    /// The zone of times that come without one, where the place has none.
    pub zone: Option<Zone>,
}

/// A receiver of callbacks.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonDestination {
    /// Its name.
    pub name: DestinationName,
    /// Where callbacks are posted.
    pub url: String,
    /// As whom.
    pub auth: CallbackAuth,
    /// Headers of every callback besides.
    pub headers: Vec<(String, Secret)>,
    /// Certificates, where the system's do not do.
    pub tls: Option<HttpsFiles>,
    /// How long to wait for the connection.
    pub connect_timeout: Duration,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

/// Who a receiver of callbacks is called as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackAuth {
    /// Nobody, unless the certificate or a header says who.
    None,
    /// A user with a password (HTTP Basic).
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// Whoever has the token.
    Bearer {
        /// The token.
        token: Secret,
    },
}

/// What is read of `[json]`.
#[derive(Debug, Default)]
pub(super) struct Json {
    pub(super) sources: Vec<JsonSource>,
    pub(super) destinations: Vec<JsonDestination>,
    /// The names of destinations, also of those with faults.
    pub(super) callbacks: BTreeSet<DestinationName>,
}

/// Reads `[json]`; names of sources and destinations are noted in `names`.
pub(super) fn json(
    section: &mut Section<'_>,
    practice_region: Region,
    (sources, destinations): (&mut BTreeMap<String, String>, &mut BTreeMap<String, String>),
) -> Json {
    let mut flows = BTreeMap::new();
    let read = section.each("source", |item| source(item, practice_region, sources, &mut flows));
    let mut json = Json { sources: read.into_iter().flatten().collect(), ..Json::default() };
    let callbacks = &mut json.callbacks;
    let read = section.each("destination", |item| destination(item, destinations, callbacks));
    json.destinations = read.into_iter().flatten().collect();
    json
}

fn source(
    section: &mut Section<'_>,
    practice_region: Region,
    names: &mut BTreeMap<String, String>,
    flows: &mut BTreeMap<String, String>,
) -> Option<JsonSource> {
    let name = name(section, names);
    let known = name.as_deref().unwrap_or_default();
    let place = section.place_of("flow_sid");
    let flow_sid = sid(section, "flow_sid", "FW");
    section.need(flow_sid.is_some(), "flow_sid", "write the flow's id, FW and 32 digits");
    if let Some(flow_sid) = &flow_sid
        && let Some(other) = flows.insert(flow_sid.clone(), section.name().to_owned())
    {
        section.fault(place, "flow_sid", format!("is that of {other} too; write another"));
    }
    let account_sid = sid(section, "account_sid", "AC");
    section.need(account_sid.is_some(), "account_sid", "write the account's id, AC and 32 digits");
    let credential = format!("json_{known}_auth_token");
    let auth_token = section.secret("auth_token", "auth_token_file", &credential);
    section.need(auth_token.is_some(), "auth_token", &from_file("auth_token_file", &credential));
    let api_key = api_key(section, known);
    let region = region(section).unwrap_or(practice_region);
    let zone = zone(section);
    Some(JsonSource {
        name: SourceName::new(name?),
        flow_sid: flow_sid?,
        account_sid: account_sid?,
        auth_token: auth_token?,
        api_key,
        region,
        zone,
    })
}

fn api_key(section: &mut Section<'_>, source: &str) -> Option<ApiKey> {
    let credential = format!("json_{source}_api_key_secret");
    let sid = sid(section, "api_key_sid", "SK");
    let secret = section.secret("api_key_secret", "api_key_secret_file", &credential);
    section.need(secret.is_some() || sid.is_none(), "api_key_secret", "a key id needs its secret");
    section.need(sid.is_some() || secret.is_none(), "api_key_sid", "a key secret needs its id");
    Some(ApiKey { sid: sid?, secret: secret? })
}

fn destination(
    section: &mut Section<'_>,
    names: &mut BTreeMap<String, String>,
    callbacks: &mut BTreeSet<DestinationName>,
) -> Option<JsonDestination> {
    let name = name(section, names).map(DestinationName::new);
    callbacks.extend(name.clone());
    let known = name.as_ref().map_or("", DestinationName::as_str).to_owned();
    let url = url(section);
    if url.as_ref().is_some_and(|(_, url)| !url.is_secure) {
        section.idle(&["tls"], "url is not https");
    }
    let tls = https_files(section);
    let auth = section.table("auth", |auth| self::auth(auth, &known));
    let headers = section.table("headers", headers);
    let connect_timeout = section.duration("connect_timeout", SECOND..=MINUTE, 5 * SECOND);
    let timeout = section.duration("timeout", SECOND..=10 * MINUTE, 30 * SECOND);
    Some(JsonDestination {
        name: name?,
        url: url?.0,
        auth: auth?,
        headers,
        tls,
        connect_timeout,
        timeout,
    })
}

fn url(section: &mut Section<'_>) -> Option<(String, BaseUrl)> {
    let place: Place = section.place_of("url");
    let wanted = "write an address such as \"https://engine.example.org/answers\"";
    let url = section.parsed("url", wanted, |text| {
        // Some engines tell their channels apart by a query.
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let is_query = !query.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#');
        let url = parse_url(base).filter(|_| is_query);
        url.map(|url| (text.to_owned(), url)).ok_or(())
    });
    section.need(url.is_some(), "url", wanted);
    let allow_plaintext = section.flag("allow_plaintext", false);
    let (_, base) = url.as_ref()?;
    if !base.is_secure && !base.is_loopback && !allow_plaintext {
        let problem = "patient data would cross the network in plain text; write an https address, \
                       or allow_plaintext = true if the network is protected otherwise";
        section.fault(place, "url", problem);
    }
    url
}

/// The ways to say who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    Basic,
    Bearer,
}

fn auth(section: &mut Section<'_>, destination: &str) -> Option<CallbackAuth> {
    let words = [("none", Kind::None), ("basic", Kind::Basic), ("bearer", Kind::Bearer)];
    let kind = section.chosen("kind", &words, Kind::None)?;
    let problem = "is not used by this kind; remove it, or write another kind";
    if kind != Kind::Basic {
        section.refuse(&["user", "password", "password_file"], problem);
    }
    if kind != Kind::Bearer {
        section.refuse(&["token", "token_file"], problem);
    }
    match kind {
        Kind::None => Some(CallbackAuth::None),
        Kind::Basic => {
            let credential = format!("json_{destination}_auth_password");
            let user = user(section);
            section.need(user.is_some(), "user", USER_WANTED);
            let password = section.secret("password", "password_file", &credential);
            let wanted = from_file("password_file", &credential);
            section.need(password.is_some(), "password", &wanted);
            Some(CallbackAuth::Basic { user: user?, password: password? })
        }
        Kind::Bearer => {
            let credential = format!("json_{destination}_auth_token");
            let token = section.secret("token", "token_file", &credential);
            section.need(token.is_some(), "token", &from_file("token_file", &credential));
            Some(CallbackAuth::Bearer { token: token? })
        }
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
