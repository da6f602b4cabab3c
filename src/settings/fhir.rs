//! `[[fhir.server]]`: where appointments are read, and where wishes are written, over FHIR.
//!
//! A server is a source and a destination, under one name. Here stands what is read of it and how;
//! who it is asked as is in `fhir_auth`, how its notifications are believed in `fhir_notify`, what is
//! written to it in `fhir_write`. Nothing here knows what a request looks like.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::NaiveTime;

use crate::core::ids::{DestinationName, SourceName};
use crate::core::local_time::Zone;
use crate::core::phone::Region;
use crate::core::rules::{self, ServerRules};
use crate::sms::Secret;

use super::fault::Place;
use super::fhir_auth::{self, Auth};
use super::fhir_notify::{self, Notify};
use super::fhir_subscription::{self, EventNumbers, Subscription};
use super::fhir_write::{self, WriteBack};
use super::listener::{NAME_WANTED, SILENCE, checked_name, region, zone};
use super::net::{BaseUrl, HttpsFiles, https_files, parse_origin, parse_url};
use super::reader::Section;
use super::server::Http;
use super::time::parse_time;

/// The most actors that a search by windows goes through: each is a request for every window.
const ACTORS_MAX: usize = 1_000;
/// The largest answer by default: a page of 100 appointments with their patients has some MiB.
const BODY_BYTES_MAX: u64 = 32 << 20;

/// A FHIR server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FhirServer {
    /// Its name as a source; [`FhirServer::destination`] is the same as a destination.
    pub name: SourceName,
    /// Where it is, without trailing slash.
    pub base_url: String,
    /// Whether patient data may cross a network unencrypted.
    pub allow_plaintext: bool,
    /// What it speaks.
    pub version: FhirVersion,
    /// The mapping that reads its resources.
    pub mapping: String,
    /// The zone of its times, whose offset is mostly `Z`.
    pub zone: Option<Zone>,
    /// How phone numbers are written at home.
    pub region: Region,
    /// The feed whose appointments it tells of too; that one has no `same_as` itself.
    pub same_as: Option<SourceName>,
    /// Who it is asked as.
    pub auth: Auth,
    /// Headers of every request besides, such as API keys.
    pub headers: Vec<(String, Secret)>,
    /// Certificates, where those of the system do not do.
    pub tls: Option<HttpsFiles>,
    /// What it is asked to notify of.
    pub subscription: Option<Subscription>,
    /// What the numbers of its notifications mean.
    pub event_numbers: EventNumbers,
    /// How its notifications are believed; without it none are taken. There is one wherever there is
    /// a subscription.
    pub notify: Option<Notify>,
    /// How it is searched.
    pub polling: Polling,
    /// The identifier system under which it knows the appointments of HL7 feeds.
    pub identifier_system: Option<String>,
    /// What is written to it; without it, nothing is.
    pub write_back: Option<WriteBack>,
    /// What it may use up.
    pub limits: FhirLimits,
    /// The other origins that references may be read from, with the same credentials, as
    /// `https://host:port`.
    pub allow_origins: Vec<String>,
    /// How long a silence of the feed is worth an alert.
    pub silent_feed_after: Option<Duration>,
}

impl FhirServer {
    /// Its name as a destination.
    #[must_use]
    pub fn destination(&self) -> DestinationName {
        DestinationName::new(self.name.as_str())
    }

    /// What decisions depend on at it.
    #[must_use]
    pub fn rules(&self) -> (SourceName, ServerRules) {
        let event_numbers = match self.event_numbers {
            EventNumbers::Monotonic => rules::EventNumbers::Monotonic,
            EventNumbers::PerBundle => rules::EventNumbers::PerBundle,
            EventNumbers::Ignore => rules::EventNumbers::Ignore,
        };
        (self.name.clone(), ServerRules { event_numbers })
    }

    /// Whether anything is ever heard of it.
    #[must_use]
    pub const fn is_heard(&self) -> bool {
        self.notify.is_some() || self.polling.interval.is_some()
    }
}

/// A version of FHIR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FhirVersion {
    /// 4.0.1.
    R4,
    /// 4.3.0, whose appointments are those of R4.
    R4B,
    /// 5.0.0.
    R5,
}

/// How a server is searched for what no notification has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polling {
    /// The pause between two searches; without it there are none.
    pub interval: Option<Duration>,
    /// By what.
    pub search: Search,
    /// How far each search reaches back behind the last change seen.
    pub overlap: Duration,
    /// How many resources are asked for at once.
    pub page_size: usize,
    /// When, by the server's own clock, known appointments are looked for that are gone.
    pub compare_deletions_at: Option<NaiveTime>,
    /// What the first search does.
    pub first_import: FirstImport,
}

/// What appointments are searched by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// By the time of their last change.
    LastUpdated,
    /// By actor and day, for servers that cannot do that.
    Window {
        /// Whose appointments, as `Location/1`; at least one.
        actors: Vec<String>,
        /// How many days ahead.
        days: u64,
    },
}

/// What the first search does with the appointments that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstImport {
    /// They are kept and reminded of; no patient is told that they were booked.
    Silent,
    /// As with any other.
    Notify,
}

/// What a server may use up, and how much it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FhirLimits {
    /// How long to wait for the connection.
    pub connect_timeout: Duration,
    /// How long to wait for an answer.
    pub request_timeout: Duration,
    /// How many requests are begun in a second.
    pub requests_per_second: u32,
    /// How many run at a time.
    pub parallel: usize,
    /// The largest answer that is read.
    pub body_bytes_max: usize,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const WAITING: RangeInclusive<Duration> = SECOND..=Duration::from_secs(600);

const VERSIONS: [(&str, FhirVersion); 3] =
    [("R4", FhirVersion::R4), ("R4B", FhirVersion::R4B), ("R5", FhirVersion::R5)];

/// What servers are read among, and what is left to check when all are read.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) region: Region,
    pub(super) http: &'a Http,
    /// Names of sources, and whose they are.
    pub(super) sources: &'a mut BTreeMap<String, String>,
    /// Names of destinations, and whose they are.
    pub(super) destinations: &'a mut BTreeMap<String, String>,
    pub(super) seen: Seen,
}

/// What was read of all servers, also of those with faults.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Those that take write-back.
    pub(super) written: BTreeSet<String>,
    /// Those that take none.
    pub(super) unwritten: BTreeSet<String>,
    /// Those that call back from another machine.
    callers: Vec<String>,
    /// Whose base address it is.
    urls: BTreeMap<String, String>,
    /// Who tells of whose appointments, and where that stands.
    same: Vec<Mark>,
    /// Who is not to be searched.
    off: Vec<Mark>,
}

/// A key that can be judged only when everything is read.
#[derive(Debug)]
struct Mark {
    server: String,
    value: String,
    place: Place,
    key: String,
}

/// Reads one server.
pub(super) fn read(section: &mut Section<'_>, around: &mut Around<'_>) -> Option<FhirServer> {
    let name = name(section, around);
    let known = name.as_deref().unwrap_or_default();
    let version = section.chosen("version", &VERSIONS, FhirVersion::R4);
    let allow_plaintext = section.flag("allow_plaintext", false);
    let base_url = base_url(section, allow_plaintext, around);
    let same_as = same_as(section, known, &mut around.seen);
    let is_secure = base_url.as_ref().is_none_or(|url| url.is_secure);
    if !is_secure {
        section.idle(&["tls"], "base_url is not https");
    }
    let tls = https_files(section);
    let auth = section.table("auth", |auth| fhir_auth::auth(auth, known));
    let headers = section.table("headers", fhir_auth::headers);
    let subscription = fhir_subscription::read(section, version);
    let event_numbers = fhir_subscription::event_numbers(section, subscription.as_ref());
    if subscription.is_some() && base_url.as_ref().is_some_and(|url| !url.is_loopback) {
        around.seen.callers.push(known.to_owned());
    }
    let notify = fhir_notify::read(section, known, subscription.is_some(), around.http);
    let polling = polling(section, known, notify.is_some(), &mut around.seen);
    let (write_back, is_known) = fhir_write::read(section);
    if is_known && name.is_some() {
        let seen = &mut around.seen;
        let names = if write_back.is_some() { &mut seen.written } else { &mut seen.unwritten };
        let _is_new = names.insert(known.to_owned());
    }
    let mapping = section.parsed("mapping", NAME_WANTED, checked_name);
    let usual = if version == Some(FhirVersion::R5) { "fhir-r5" } else { "fhir-r4" };
    Some(FhirServer {
        allow_plaintext,
        mapping: mapping.unwrap_or_else(|| usual.to_owned()),
        zone: zone(section),
        region: region(section).unwrap_or(around.region),
        same_as,
        headers,
        tls,
        subscription,
        event_numbers,
        notify,
        polling,
        identifier_system: identifier_system(section),
        write_back,
        limits: limits(section),
        allow_origins: allow_origins(section, allow_plaintext),
        silent_feed_after: section.duration_or_off("silent_feed_after", SILENCE, None),
        version: version?,
        auth: auth?,
        name: SourceName::new(name?),
        base_url: base_url?.text,
    })
}

/// Reads a name that no feed and no destination has.
fn name(section: &mut Section<'_>, around: &mut Around<'_>) -> Option<String> {
    let place = section.place_of("name");
    let name = section.parsed("name", NAME_WANTED, checked_name);
    section.need(name.is_some(), "name", NAME_WANTED);
    let name = name?;
    let own = section.name().to_owned();
    let source = around.sources.insert(name.clone(), own.clone());
    let destination = around.destinations.insert(name.clone(), own);
    if let Some(other) = source.or(destination) {
        section.fault(place, "name", format!("{name:?} is the name of {other} too; write another"));
    }
    Some(name)
}

fn base_url(
    section: &mut Section<'_>,
    allow_plaintext: bool,
    around: &mut Around<'_>,
) -> Option<BaseUrl> {
    let place = section.place_of("base_url");
    let wanted = "write an address such as \"https://ehr.example.org/fhir/r4\", without query";
    let url = section.parsed("base_url", wanted, |text| parse_url(text).ok_or(()));
    section.need(url.is_some(), "base_url", wanted);
    let url = url?;
    if !url.is_secure && !url.is_loopback && !allow_plaintext {
        let problem = "patient data would cross the network in plain text; write an https address, \
                       or allow_plaintext = true if the network is protected otherwise";
        section.fault(place.clone(), "base_url", problem);
    }
    let own = section.name().to_owned();
    if let Some(other) = around.seen.urls.insert(url.text.clone(), own) {
        let advice = format!("is that of {other} too: patients would be told everything twice");
        section.warn(place, "base_url", advice);
    }
    Some(url)
}

fn same_as(section: &mut Section<'_>, server: &str, seen: &mut Seen) -> Option<SourceName> {
    let place = section.place_of("same_as");
    let wanted = "write the name of another feed";
    let value = section.parsed("same_as", wanted, checked_name)?;
    let (server, key) = (server.to_owned(), section.full("same_as"));
    seen.same.push(Mark { server, value: value.clone(), place, key });
    Some(SourceName::new(value))
}

fn polling(section: &mut Section<'_>, server: &str, is_told: bool, seen: &mut Seen) -> Polling {
    let (place, key) = (section.place_of("poll_interval"), section.full("poll_interval"));
    let usual = Some(if is_told { 15 * MINUTE } else { MINUTE });
    let interval = section.duration_or_off("poll_interval", SECOND..=DAY, usual);
    if interval.is_none() && !is_told {
        seen.off.push(Mark { server: server.to_owned(), value: String::new(), place, key });
    }
    let imports = [("silent", FirstImport::Silent), ("notify", FirstImport::Notify)];
    Polling {
        interval,
        search: search(section),
        // What is committed late, or by a clock that is behind, is still found.
        overlap: section.duration("overlap", Duration::ZERO..=DAY, 5 * MINUTE),
        page_size: section.size("page_size", 1..=1_000, 100),
        compare_deletions_at: compare_deletions_at(section),
        first_import: section.choice("first_import", &imports, FirstImport::Silent),
    }
}

fn search(section: &mut Section<'_>) -> Search {
    let by = section.chosen("search", &[("last_updated", false), ("window", true)], false);
    if by == Some(false) {
        section.idle(&["search_actors", "search_days"], "search is \"last_updated\"");
    }
    let place = section.place_of("search_actors");
    let actors = section.list("search_actors", |text| {
        let wanted = "is no actor; write one such as \"Location/1\"";
        if is_actor(text) { Ok(text.to_owned()) } else { Err(wanted.to_owned()) }
    });
    let days = section.count("search_days", 1..=366, 60);
    if by != Some(true) {
        return Search::LastUpdated;
    }
    let wanted = "search = \"window\" asks for appointments of actors; write the server's places, \
                  such as [\"Location/1\"]";
    let mut actors = actors.unwrap_or_default();
    section.need(!actors.is_empty(), "search_actors", wanted);
    actors.sort();
    actors.dedup();
    if actors.len() > ACTORS_MAX {
        let problem = format!("has more than {ACTORS_MAX} actors; split the server in two");
        section.fault(place, "search_actors", problem);
    }
    Search::Window { actors, days }
}

/// Whether a text is a reference to someone or something that appointments are with.
fn is_actor(text: &str) -> bool {
    let types =
        ["Location", "Practitioner", "PractitionerRole", "HealthcareService", "Device", "Patient"];
    text.split_once('/').is_some_and(|(kind, id)| {
        // FHIR R4, 2.24.0.1 (id).
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        types.contains(&kind) && (1..=64).contains(&id.len()) && id.bytes().all(is_id)
    })
}

fn compare_deletions_at(section: &mut Section<'_>) -> Option<NaiveTime> {
    let wanted = "write a time of day such as \"03:30\" or \"0330\", or \"off\"";
    let time = section.parsed("compare_deletions_at", wanted, |text| match text {
        "off" => Ok(None),
        // The end of the day is no moment of it.
        text => parse_time(text).and_then(|time| time.ok_or(())).map(Some),
    });
    time.unwrap_or_else(|| NaiveTime::from_hms_opt(3, 30, 0))
}

fn identifier_system(section: &mut Section<'_>) -> Option<String> {
    let wanted = "write the address of an identifier system, such as \"urn:oid:2.16.840.1.1\"";
    section.parsed("identifier_system", wanted, |text| {
        // A bar would end it in a search (`identifier=SYSTEM|VALUE`).
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'|');
        if is_plain && text.contains(':') { Ok(text.to_owned()) } else { Err(()) }
    })
}

fn limits(section: &mut Section<'_>) -> FhirLimits {
    let per_second = section.count("requests_per_second", 1..=1_000, 5);
    FhirLimits {
        connect_timeout: section.duration("connect_timeout", WAITING, 5 * SECOND),
        request_timeout: section.duration("request_timeout", WAITING, 30 * SECOND),
        requests_per_second: u32::try_from(per_second).unwrap_or(u32::MAX),
        parallel: section.size("parallel", 1..=64, 4),
        body_bytes_max: section.size("body_bytes_max", 64 << 10..=256 << 20, BODY_BYTES_MAX),
    }
}

fn allow_origins(section: &mut Section<'_>, allow_plaintext: bool) -> Vec<String> {
    let origins = section.list("allow_origins", |text| {
        let wanted = "is no origin; write one such as \"https://files.example.org\", without path";
        parse_origin(text)
            .filter(|url| url.is_secure || url.is_loopback || allow_plaintext)
            .map(|url| url.origin)
            .ok_or_else(|| wanted.to_owned())
    });
    origins.unwrap_or_default()
}

/// Checks what hangs on other sections: the feeds that are named, and the routes.
pub(super) fn check(
    root: &mut Section<'_>,
    seen: &Seen,
    public_url: Option<&str>,
    sources: &BTreeMap<String, String>,
    routes: &BTreeMap<SourceName, DestinationName>,
) {
    for server in &seen.callers {
        let wanted = format!("write the address under which {server:?} reaches this daemon");
        root.need(public_url.is_some(), "http.public_url", &wanted);
    }
    for mark in &seen.same {
        if let Some(problem) = problem_of_same(mark, &seen.same, sources) {
            root.fault(mark.place.clone(), &mark.key, problem);
        }
    }
    for mark in &seen.off {
        let is_other = |source: &SourceName| source.as_str() != mark.server;
        let is_served =
            routes.iter().any(|(source, to)| to.as_str() == mark.server && is_other(source));
        if seen.written.contains(&mark.server) && !is_served {
            let problem = "leaves a server that is written to and never heard; write an interval, \
                           subscribe, or a [[route]] from the feed that tells of its appointments";
            root.fault(mark.place.clone(), &mark.key, problem);
        }
    }
}

fn problem_of_same(
    mark: &Mark,
    same: &[Mark],
    sources: &BTreeMap<String, String>,
) -> Option<&'static str> {
    if mark.value == mark.server {
        return Some("is the server itself; write the name of another feed");
    }
    if !sources.contains_key(&mark.value) {
        return Some("is no feed; write the name of an [[hl7.listener]] or of another server");
    }
    let is_second = same.iter().any(|other| other.server == mark.value);
    is_second.then_some("has a same_as itself; write the feed that has none")
}

#[cfg(test)]
#[path = "fhir_tests.rs"]
pub(super) mod tests;
