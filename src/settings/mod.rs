//! Settings: TOML files, the environment and credentials in, one typed value out.
//!
//! Layers are laid over each other by the `config` crate: built-in defaults, the file, `conf.d/*.toml`
//! beside it, `APPOINTD__SECTION__KEY` from the environment; secrets come from systemd credentials or
//! from files. [`layers`] makes a tree of values that know their file and line, [`reader`] and
//! [`values`] walk it. Every fault is found in one run, each with its place, its key and what to write
//! instead; whatever nobody asked for is a fault too.
//!
//! This is an edge: it reads files. It opens no port, no store and no certificate, and it does not
//! know mappings but by name, and of the way back only what can be set. All keys, with defaults and units, stand in `conf/appointd.toml`.

mod destination;
mod fault;
mod fhir;
mod fhir_auth;
mod fhir_notify;
mod fhir_subscription;
mod fhir_write;
mod flows;
mod guard;
#[cfg(test)]
mod hostile;
mod json;
mod layers;
mod listener;
mod net;
mod outreach;
mod practice;
mod reader;

mod server;
mod suggest;
mod texting;
mod texts;
mod time;
mod values;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::Value;

use crate::core::ids::{DestinationName, SourceName};
use crate::core::phone::Region;
use crate::core::rules::{Outreach, Practice, Rules};

pub use crate::sms::Secret;
pub use destination::{Consent, Destination, Retry};
pub use fault::{Fault, Place};
pub use fhir::{FhirLimits, FhirServer, FhirVersion, FirstImport, Polling, Search};
pub use fhir_auth::{Auth, SecretStyle};
pub use fhir_notify::{Notify, SecretHeader, TokenIssuer};
pub use fhir_subscription::{Content, EventNumbers, Subscription, SubscriptionKind};
pub use fhir_write::{CancelReason, IfMatch, Strategy, WriteBack, WriteTarget, WriteTemplate};
pub use flows::BUILT_IN_FLOWS;
pub use json::{CallbackAuth, JsonDestination, JsonSource};
pub use layers::{FILE_BYTES_MAX, FILES_MAX};
pub use listener::{BatchAck, Limits, Listener, NackPolicy};
pub use net::{Address, ClientTls, HttpsFiles, Network, TlsFiles};
pub use server::{Engine, Format, Http, Level, Log, Metrics, Store};
pub use texting::{ApiKey, Backend, Sender, Sms, Twilio};
pub use time::parse_duration;

use listener::Taken;
use practice::Ends;
use reader::{Desk, Section, read_root};

/// Everything that the daemon is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What decisions depend on.
    pub rules: Rules,
    /// How the practice writes phone numbers.
    pub region: Region,
    /// Where everything is kept.
    pub store: Store,
    /// Webhooks, API, health, metrics and pages.
    pub http: Http,
    /// Where messages come in.
    pub listeners: Vec<Listener>,
    /// Where wishes are written back.
    pub destinations: Vec<Destination>,
    /// Where both are done over FHIR.
    pub fhir_servers: Vec<FhirServer>,
    /// Where interface engines post appointment events as executions of a Studio flow.
    pub json_sources: Vec<JsonSource>,
    /// Where wishes are told by callbacks.
    pub json_destinations: Vec<JsonDestination>,
    /// How long a flow's request may take.
    pub call_timeout: Duration,
    /// How texts leave.
    pub sms: Sms,
    /// The account that sends them.
    pub twilio: Option<Twilio>,
    /// Files and folders of mappings besides those built in.
    pub mappings: Vec<PathBuf>,
    /// What is logged.
    pub log: Log,
    /// Who may read the metrics.
    pub metrics: Metrics,
    /// How long work in hand may take after the order to stop.
    pub shutdown_grace: Duration,
}

/// Settings that are right, with what is doubtful in them.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What a person should look at.
    pub warnings: Vec<Fault>,
    /// Every key that there is, list indexes left out; for documentation and its test.
    pub keys: BTreeSet<String>,
}

/// A daemon without files and with ports of the system's choice, for `demo` and tests.
const BUILT_IN: &str = r#"
[store]
engine = "memory"
[http]
listen = "127.0.0.1:0"
[sms]
backend = "memory"
segments_per_second = 1000
[[hl7.listener]]
name = "main-ehr"
listen = "127.0.0.1:0"
"#;

/// Reads the settings of a file, of `conf.d/*.toml` beside it, and of the environment; secrets come
/// from the folder of credentials first.
///
/// # Errors
/// Every fault there is.
pub fn load(
    path: &Path,
    env: impl Iterator<Item = (String, String)>,
    credentials: Option<&Path>,
) -> Result<Loaded, Vec<Fault>> {
    let base = path.parent().map(Path::to_owned).unwrap_or_default();
    let credentials = credentials.map(Path::to_owned);
    let mut desk = Desk { base, credentials, ..Desk::default() };
    let tree = layers::load(path, env, &mut desk.notes);
    settle(tree, desk)
}

/// Reads settings from a text; relative paths in it start at `base`.
///
/// ```
/// let loaded = appointd::settings::from_text("[http]\nlisten = \"127.0.0.1:0\"", "/tmp".as_ref());
/// assert_eq!(loaded.unwrap().settings.http.listen.port(), 0);
/// let faults = appointd::settings::from_text("[http]\nlisen = 5\n[log]\nlevel = 1", "/tmp".as_ref());
/// let lines: Vec<String> = faults.unwrap_err().iter().map(ToString::to_string).collect();
/// assert_eq!(lines[0], "text:2: http.lisen: there is no such setting; did you mean listen?");
/// assert!(lines[1].starts_with("text:4: log.level: is a number; write one of \"error\""));
/// ```
///
/// # Errors
/// Every fault there is.
pub fn from_text(text: &str, base: &Path) -> Result<Loaded, Vec<Fault>> {
    let mut desk = Desk { base: base.to_owned(), ..Desk::default() };
    let tree = layers::from_text("text", text, &mut desk.notes);
    settle(tree, desk)
}

impl Settings {
    /// The settings of a daemon without files: one listener `main-ehr` and the web on loopback
    /// ports of the system's choice, everything in memory.
    ///
    /// # Errors
    /// None, unless this text and the reader have parted.
    pub fn builtin() -> Result<Self, Vec<Fault>> {
        from_text(BUILT_IN, Path::new("")).map(|loaded| loaded.settings)
    }
}

fn settle(tree: Value, mut desk: Desk) -> Result<Loaded, Vec<Fault>> {
    let settings = read_root(tree, &mut desk, read);
    if !desk.notes.faults.is_empty() {
        return Err(desk.notes.into_faults());
    }
    let Some(settings) = settings else {
        let problem = "settings are not whole, and no fault was found: this is a defect";
        return Err(vec![Fault::new(Place::default(), "", problem)]);
    };
    Ok(Loaded { settings, warnings: desk.notes.warnings, keys: desk.known })
}

fn read(root: &mut Section<'_>) -> Option<Settings> {
    let store = root.table("store", server::store);
    let head = root.table("practice", practice::practice);
    let sms = root.table("sms", |section| texting::sms(section, &store.path, head.region));
    let is_live = sms.backend == Backend::Twilio;
    for (key, wanted) in head.unsaid.iter().filter(|_| is_live) {
        root.need(false, key, wanted);
    }
    let mut taken = Taken::default();
    let http = root.table("http", |section| {
        let http = server::http(section, &mut taken);
        let wanted = "write the https address under which Twilio reaches this daemon";
        section.need(!is_live || http.public_url.is_some(), "public_url", wanted);
        http
    });
    let mut names = BTreeMap::new();
    let (listeners, destinations) = root.table("hl7", |hl7| {
        let listeners = hl7.each("listener", |item| listener::read(item, head.region, &mut taken));
        let destinations = hl7.each("destination", |item| destination::read(item, &mut names));
        (listeners, destinations)
    });
    let (fhir_servers, seen) =
        fhir_servers(root, head.region, &http, (&mut taken.names, &mut names));
    let own = (&mut taken.names, &mut names);
    let json = root.table("json", |section| json::json(section, head.region, own));
    let twilio = root.table_if_any("twilio", texting::twilio).flatten();
    root.need(!is_live || twilio.is_some(), "twilio", "sms.backend needs the section [twilio]");
    let listeners: Vec<Listener> = listeners.into_iter().flatten().collect();
    let destinations: Vec<Destination> = destinations.into_iter().flatten().collect();
    let ends = Ends { sources: &taken.names, destinations: &names, servers: &seen };
    let region = head.region;
    let from = twilio.as_ref().map_or("", |twilio| twilio.sender.as_str());
    let (outreach, call_timeout) = root.table("outreach", |section| {
        (outreach::outreach(section, from), outreach::call_timeout(section))
    });
    let mut rules = rules(root, head, &ends, http.public_url.as_deref())?;
    rules.outreach = outreach;
    rules.callbacks = json.callbacks;
    rules.servers = fhir_servers.iter().map(FhirServer::rules).collect();
    let mappings = root.table("mappings", |section| {
        section.list("paths", |text| Ok(text.to_owned())).unwrap_or_default()
    });
    let settings = Settings {
        mappings: mappings.iter().map(|path| root.path_of(path)).collect(),
        log: root.table("log", server::log),
        metrics: root.table("metrics", server::metrics),
        shutdown_grace: root.table("shutdown", server::shutdown_grace),
        rules,
        region,
        store,
        http,
        listeners,
        destinations,
        fhir_servers,
        json_sources: json.sources,
        json_destinations: json.destinations,
        call_timeout,
        sms,
        twilio,
    };
    doubts(root, &settings);
    Some(settings)
}

fn fhir_servers(
    root: &mut Section<'_>,
    region: Region,
    http: &Http,
    (sources, destinations): (&mut BTreeMap<String, String>, &mut BTreeMap<String, String>),
) -> (Vec<FhirServer>, fhir::Seen) {
    let mut around =
        fhir::Around { region, http, sources, destinations, seen: fhir::Seen::default() };
    let servers =
        root.table("fhir", |fhir| fhir.each("server", |server| fhir::read(server, &mut around)));
    (servers.into_iter().flatten().collect(), around.seen)
}

fn rules(
    root: &mut Section<'_>,
    head: practice::Head,
    ends: &Ends<'_>,
    public_url: Option<&str>,
) -> Option<Rules> {
    let mut locations = BTreeMap::new();
    let _units = root.each("locations", |section| {
        practice::location(section, head.region, &mut locations);
    });
    let mut visit_types = BTreeMap::new();
    let _units =
        root.each("visit_types", |section| practice::visit_type(section, &mut visit_types));
    let mut routes = BTreeMap::new();
    let _units = root.each("route", |section| practice::route(section, ends, &mut routes));
    for server in &ends.servers.written {
        let own = (SourceName::new(server), DestinationName::new(server));
        let _routed = routes.entry(own.0).or_insert(own.1);
    }
    fhir::check(root, ends.servers, public_url, ends.sources, &routes);
    let reminders = root.table("reminders", practice::reminders);
    let notifications = root.table("notifications", practice::notifications);
    let replies = root.table("replies", practice::replies);
    let delivery = root.table("delivery", practice::delivery);
    let guard = root.table("guard", |section| guard::guard(section, ends.sources));
    let texts = root.table("texts", |section| texts::texts(section, &head.locale));
    let (texts, shelf) = texts?;
    let rules = Rules {
        practice: Practice { visit_types, ..head.practice },
        locations,
        reminders,
        notifications,
        replies,
        delivery,
        guard,
        routes,
        servers: BTreeMap::new(),
        callbacks: BTreeSet::new(),
        outreach: Outreach::default(),
        texts,
    };
    let sources = ends.sources.keys().map(String::as_str).collect();
    texts::survey(root, &rules, &sources, &shelf);
    Some(rules)
}

/// What is allowed, and yet hardly meant.
fn doubts(root: &mut Section<'_>, settings: &Settings) {
    let place = root.place().clone();
    let servers = &settings.fhir_servers;
    let is_heard = servers.iter().any(FhirServer::is_heard) || !settings.json_sources.is_empty();
    if settings.listeners.is_empty() && !is_heard {
        root.warn(place.clone(), "hl7.listener", "there is none: no message can come in");
    }
    if settings.sms.backend != Backend::Twilio {
        let advice = "is not \"twilio\": no patient gets a text";
        root.warn(place.clone(), "sms.backend", advice);
    }
    for server in servers.iter().filter(|server| !server.is_heard() && server.write_back.is_none())
    {
        let advice = format!("{} is neither heard nor written to: it does nothing", server.name);
        root.warn(place.clone(), "fhir.server", advice);
    }
    let takes_wishes = |server: &FhirServer| server.write_back.is_some();
    let has_callback = !settings.json_destinations.is_empty();
    if settings.destinations.is_empty() && !servers.iter().any(takes_wishes) && !has_callback {
        return;
    }
    // Wishes about appointments that are another feed's go where that feed's do.
    let has_own = |server: &&FhirServer| server.is_heard() && server.same_as.is_none();
    let heard = servers.iter().filter(has_own).map(|server| &server.name);
    let posting = settings.json_sources.iter().map(|source| &source.name);
    let listening = settings.listeners.iter().map(|listener| &listener.name);
    for feed in listening.chain(heard).chain(posting) {
        if !settings.rules.routes.contains_key(feed) {
            let advice = format!("there is none for {feed}: staff enters what its patients want");
            root.warn(place.clone(), "route", advice);
        }
    }
}
