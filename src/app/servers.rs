//! From the settings of a FHIR server to its rooms: client, desk, address, searches, lanes.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use base64::Engine as _;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::clock::{Clock, Timestamp};
use crate::engine::Handle;
use crate::engine::rows::digest;
use crate::fhir::reference::Origins;
use crate::fhir::render;
use crate::fhir::signature::Proof;
use crate::fhir::subscription::{self as sub, Model};
use crate::fhir::write::{self, Policy};
use crate::inbound::fhir::desk::{Desk, Habits};
use crate::inbound::fhir::follow::{self, Follower};
use crate::inbound::fhir::notify::{Checks, Endpoint};
use crate::inbound::fhir::read::Reader;
use crate::inbound::fhir::search::Ways;
use crate::inbound::fhir::watch::{self, Watcher};
use crate::inbound::intake::{Intake, Language, Live};
use crate::outbound::fhir::jwt::{self, Verifier};
use crate::outbound::fhir::lane::{self, WriteLane};
use crate::outbound::fhir::{self, Auth, PrivateKey, Server, Style};
use crate::settings::{self, FhirServer, Settings};
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;

/// How far a token's clock may differ from ours.
const LEEWAY: std::time::Duration = std::time::Duration::from_secs(60);

/// Everything of one server.
#[derive(Debug)]
pub(super) struct Rooms {
    pub(super) desk: Arc<Desk>,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) reader: Reader,
    pub(super) follower: Option<Follower>,
    pub(super) watcher: Option<Watcher>,
    pub(super) lane: WriteLane,
    /// Public keys.
    pub(super) keys: Vec<Value>,
}

/// What all servers share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) handle: Handle,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
}

/// Prepares a server.
///
/// # Errors
/// What cannot be used of its settings.
pub(super) fn rooms(
    settings: &Settings,
    server: &FhirServer,
    live: Live,
    shared: &Shared,
) -> Result<Rooms, String> {
    let told = |what: &dyn std::fmt::Display| format!("fhir.server {}: {what}", server.name);
    let keys = keys_of(server).map_err(|fault| told(&fault))?;
    let published = keys.iter().map(PrivateKey::public_jwk).collect();
    let client = client(server, keys, shared).map_err(|fault| told(&fault))?;
    let allowed: Vec<&str> = server.allow_origins.iter().map(String::as_str).collect();
    let origins = Origins::new(&server.base_url, &allowed).map_err(|fault| told(&fault))?;
    let base = origins.base();
    let habits = Habits {
        tells_first_import: server.polling.first_import == settings::FirstImport::Notify,
        counts_nonconforming: server.version != settings::FhirVersion::R5,
    };
    let intake = Arc::new(intake(server, live, shared.clock.now()));
    let all = || (shared.handle.clone(), shared.clock.clone(), Arc::clone(&shared.metrics));
    let desk = Arc::new(Desk::new(client.clone(), origins, intake, habits, all()));
    let endpoint = match &server.notify {
        None => None,
        Some(notify) => {
            let checks = checks(settings, server, notify).map_err(|fault| told(&fault))?;
            Some(Endpoint::new(Arc::clone(&desk), checks, notify.trust_full_resource))
        }
    };
    let policy = match &server.write_back {
        None => None,
        Some(write_back) => Some(policy(server, write_back).map_err(|fault| told(&fault))?),
    };
    let options = lane::Options {
        name: server.destination(),
        policy,
        identifier_system: server.identifier_system.clone(),
        base,
    };
    let lane = WriteLane::new(options, client, Arc::clone(&desk) as Arc<dyn lane::Told>, all());
    let follower =
        server.is_heard().then(|| Follower::new(Arc::clone(&desk), searches(settings, server)));
    let reader = Reader::new(Arc::clone(&desk), server.limits.parallel);
    let watcher = match &server.subscription {
        None => None,
        Some(wanted) => {
            let options = subscription(settings, server, wanted).map_err(|fault| told(&fault))?;
            Some(Watcher::new(Arc::clone(&desk), options))
        }
    };
    Ok(Rooms { desk, endpoint, reader, follower, watcher, lane, keys: published })
}

/// Looks whether a server's settings can be used, without beginning anything.
///
/// # Errors
/// What cannot be used.
pub fn rooms_fit(settings: &Settings, server: &FhirServer, clock: &Clock) -> Result<(), String> {
    server_of(server, clock)?;
    if let Some(notify) = &server.notify {
        checks(settings, server, notify)?;
    }
    if let Some(write_back) = &server.write_back {
        policy(server, write_back)?;
    }
    Ok(())
}

/// A client of a server, for a look at whether it answers.
///
/// # Errors
/// What cannot be used of its settings.
pub fn server_of(server: &FhirServer, clock: &Clock) -> Result<Server, String> {
    let keys = keys_of(server)?;
    Server::new(client_options(server, keys), clock.clone()).map_err(|fault| fault.to_string())
}

fn client(server: &FhirServer, keys: Vec<PrivateKey>, shared: &Shared) -> Result<Server, String> {
    let options = client_options(server, keys);
    Server::new(options, shared.clock.clone()).map_err(|fault| fault.to_string())
}

fn client_options(server: &FhirServer, keys: Vec<PrivateKey>) -> fhir::Options {
    let tls = server.tls.as_ref();
    fhir::Options {
        name: server.name.as_str().to_owned(),
        base_url: server.base_url.clone(),
        fhir_version: None,
        auth: auth(server, keys),
        extra_headers: server.headers.clone(),
        allow_origins: server.allow_origins.clone(),
        connect_timeout: server.limits.connect_timeout,
        request_timeout: server.limits.request_timeout,
        body_bytes_max: server.limits.body_bytes_max,
        parallel: NonZeroUsize::new(server.limits.parallel).unwrap_or(NonZeroUsize::MIN),
        requests_per_second: NonZeroU32::new(server.limits.requests_per_second),
        ca: tls.and_then(|tls| tls.ca.clone()),
        identity: tls.and_then(|tls| tls.identity.clone()),
    }
}

fn keys_of(server: &FhirServer) -> Result<Vec<PrivateKey>, String> {
    let settings::Auth::SmartBackend { key_files, .. } = &server.auth else {
        return Ok(Vec::new());
    };
    key_files.iter().map(|path| PrivateKey::read(path).map_err(|fault| fault.to_string())).collect()
}

fn auth(server: &FhirServer, keys: Vec<PrivateKey>) -> Auth {
    match &server.auth {
        settings::Auth::None => Auth::None,
        settings::Auth::Basic { user, password } => {
            Auth::Basic { user: user.clone(), password: password.clone() }
        }
        settings::Auth::Bearer { token } => Auth::Bearer(token.clone()),
        settings::Auth::ClientCredentials { client_id, client_secret, token_url, scope, style } => {
            Auth::ClientCredentials {
                token_url: token_url.clone(),
                client_id: client_id.clone(),
                client_secret: client_secret.clone(),
                scope: scope.clone(),
                style: match style {
                    settings::SecretStyle::Basic => Style::Basic,
                    settings::SecretStyle::Post => Style::Post,
                },
            }
        }
        settings::Auth::SmartBackend { client_id, token_url, scope, .. } => Auth::SmartBackend {
            token_url: token_url.clone(),
            client_id: client_id.clone(),
            scope: Some(scope.clone()),
            keys,
        },
    }
}

fn intake(server: &FhirServer, live: Live, now: Timestamp) -> Intake {
    Intake {
        source: server.name.clone(),
        space: server.same_as.clone().unwrap_or_else(|| server.name.clone()),
        language: Language::Fhir,
        charset: None,
        zone: server.zone,
        region: server.region,
        processing_ids: Vec::new(),
        heard_at: AtomicI64::new(now.timestamp_millis()),
        senders: std::sync::Mutex::default(),
        live: std::sync::RwLock::new(Arc::new(live)),
    }
}

fn checks(
    settings: &Settings,
    server: &FhirServer,
    notify: &settings::Notify,
) -> Result<Checks, String> {
    let mut proofs = Vec::new();
    let secrets = |header: &settings::SecretHeader| {
        std::iter::once(header.secret.clone()).chain(header.other.clone()).collect()
    };
    if let Some(header) = &notify.header {
        proofs.push(Proof::Header { name: header.name.clone(), secrets: secrets(header) });
    }
    if let Some(header) = &notify.hmac {
        let (name, secrets) = (header.name.clone(), secrets(header));
        // WebSub names the method before the digits.
        let is_web_sub = name.eq_ignore_ascii_case("X-Hub-Signature");
        proofs.push(if is_web_sub {
            Proof::WebSub { name, secrets }
        } else {
            Proof::Hmac { name, secrets }
        });
    }
    if let Some((user, password)) = &notify.basic {
        proofs.push(Proof::Basic { user: user.clone(), secrets: vec![password.clone()] });
    }
    let verifier = |issuer: &settings::TokenIssuer| {
        Verifier::new(jwt::Options {
            name: server.name.as_str().to_owned(),
            keys: jwt::KeySource::Url(issuer.jwks_url.clone()),
            audience: issuer.audience.clone(),
            issuer: issuer.issuer.clone(),
            leeway: LEEWAY,
            subjects: Vec::new(),
            ca: None,
        })
        .map_err(|fault| format!("notify.jwks_url is {fault}"))
    };
    Ok(Checks {
        proofs,
        tokens: notify.jwt.as_ref().map(verifier).transpose()?,
        subjects: notify.client_cert_subjects.clone(),
        path_token: notify.path_token.clone(),
        is_open: !notify.has_proof() && settings.http.listen.ip().to_canonical().is_loopback(),
    })
}

fn policy(server: &FhirServer, set: &settings::WriteBack) -> Result<Policy, String> {
    let reason = &set.cancel_reason;
    Ok(Policy {
        target: match set.target {
            settings::WriteTarget::Participant => write::Target::Participant,
            settings::WriteTarget::Status => write::Target::Status,
        },
        strategy: match set.strategy {
            settings::Strategy::JsonPatch => write::Strategy::JsonPatch,
            settings::Strategy::FhirPathPatch => write::Strategy::FhirPathPatch,
            settings::Strategy::Put => write::Strategy::Put,
            settings::Strategy::AppointmentResponse => write::Strategy::AppointmentResponse,
            settings::Strategy::Operation => write::Strategy::Operation,
        },
        if_match: match set.if_match {
            settings::IfMatch::Required => write::IfMatch::Required,
            settings::IfMatch::Send => write::IfMatch::Send,
            settings::IfMatch::Never => write::IfMatch::Never,
        },
        patch_tests: set.patch_tests,
        version: match server.version {
            settings::FhirVersion::R4 => write::Version::R4,
            settings::FhirVersion::R4B => write::Version::R4B,
            settings::FhirVersion::R5 => write::Version::R5,
        },
        cancel_reason: Some(write::Concept {
            system: Some(reason.system.clone()).filter(|system| !system.is_empty()),
            code: reason.code.clone(),
            text: reason.text.clone(),
        }),
        confirm: template(&set.confirm)?,
        cancel: template(&set.cancel)?,
    })
}

fn template(set: &settings::WriteTemplate) -> Result<write::Custom, String> {
    let told = |fault: write::Error| fault.to_string();
    let body = set.body.as_deref().map(write::Template::parse).transpose().map_err(told)?;
    let path = set.path.as_deref().map(write::OperationPath::parse).transpose().map_err(told)?;
    Ok(write::Custom { body, path })
}

fn searches(settings: &Settings, server: &FhirServer) -> follow::Options {
    let polling = &server.polling;
    let (actors, days) = match &polling.search {
        settings::Search::LastUpdated => (Vec::new(), 0),
        settings::Search::Window { actors, days } => (actors.clone(), *days),
    };
    follow::Options {
        ways: Ways { page_size: polling.page_size, actors, days },
        interval: polling.interval,
        overlap: TimeDelta::from_std(polling.overlap).unwrap_or(TimeDelta::minutes(5)),
        compare_at: polling.compare_deletions_at,
        zone: server.zone.unwrap_or(settings.rules.practice.zone),
    }
}

/// What a server is asked to tell us.
fn subscription(
    settings: &Settings,
    server: &FhirServer,
    set: &settings::Subscription,
) -> Result<watch::Options, String> {
    let notify = server.notify.as_ref();
    let public = settings.http.public_url.clone();
    // A server on this machine reaches us where we listen.
    let base = public.unwrap_or_else(|| format!("http://{}", settings.http.listen));
    let mut url = format!("{}/fhir/notify/{}", base.trim_end_matches('/'), server.name);
    if let Some(token) = notify.and_then(|notify| notify.path_token.as_ref()) {
        url.push('/');
        url.push_str(token.expose());
    }
    let model = match set.kind {
        settings::SubscriptionKind::R4 => Model::Criteria,
        settings::SubscriptionKind::Backport => Model::Backport,
        settings::SubscriptionKind::R5 => Model::R5,
    };
    let seconds = |span: std::time::Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
    let endpoint = sub::Endpoint {
        server: server.name.as_str().to_owned(),
        url,
        headers: notify.map(headers).unwrap_or_default(),
        criteria: match (model, &set.topic) {
            (Model::Backport | Model::R5, Some(topic)) => topic.clone(),
            (Model::Backport | Model::R5, None) | (Model::Criteria, _) => set.criteria.clone(),
        },
        filters: set.filters.clone(),
        content: match set.content {
            settings::Content::Empty => sub::Content::Empty,
            settings::Content::IdOnly => sub::Content::IdOnly,
            settings::Content::FullResource => sub::Content::FullResource,
        },
        heartbeat_seconds: set.heartbeat.map(seconds),
        timeout_seconds: None,
        end: None,
        secret: notify.and_then(signing_key),
        attempts_max: None,
        count_max: None,
        starts_active: false,
    };
    let written = render::subscription(&sub::wanted(model, &endpoint));
    let written = written.map_err(|fault| fault.to_string())?;
    Ok(watch::Options {
        model,
        made_for: digest(&written),
        lifetime: set.lifetime.and_then(|span| TimeDelta::from_std(span).ok()),
        policy: watch_policy(model, set),
        endpoint,
    })
}

fn watch_policy(model: Model, set: &settings::Subscription) -> sub::WatchPolicy {
    let usual = sub::WatchPolicy::default();
    let span = |span: std::time::Duration| TimeDelta::from_std(span).ok();
    let lifetime = set.lifetime.and_then(span).unwrap_or(usual.lifetime);
    let policy = sub::WatchPolicy {
        heartbeat: set.heartbeat.and_then(span),
        lifetime,
        renew_before: usual.renew_before.min(lifetime / 4),
        ..usual
    };
    match model {
        // Without handshake a server starts it at once, or never does.
        Model::Criteria => sub::WatchPolicy {
            requested_max: TimeDelta::seconds(20),
            retry_min: TimeDelta::seconds(10),
            ..policy
        },
        Model::Backport | Model::R5 => policy,
    }
}

/// The headers that a server is to send, by which it is known.
fn headers(notify: &settings::Notify) -> Vec<String> {
    let header = notify.header.as_ref();
    let own = header.map(|header| format!("{}: {}", header.name, header.secret.expose()));
    let basic = notify.basic.as_ref().map(|(user, password)| {
        let pair = format!("{user}:{}", password.expose());
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        format!("Authorization: Basic {pair}")
    });
    own.into_iter().chain(basic).collect()
}

/// The key that a server is to sign with, in the extension that Medplum has for it.
fn signing_key(notify: &settings::Notify) -> Option<sub::Secret> {
    let header = notify.hmac.as_ref()?;
    Some(sub::Secret {
        url: "https://www.medplum.com/fhir/StructureDefinition/subscription-secret".to_owned(),
        value: header.secret.expose().to_owned(),
    })
}

/// What HTTP serves of all servers.
#[derive(Debug, Default)]
pub(super) struct Faces {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) desks: Vec<Arc<Desk>>,
    keys: Vec<Value>,
}

impl Faces {
    /// Starts a server's tasks.
    pub(super) fn start(&mut self, rooms: Rooms, tasks: &Tasks) {
        tasks.spawn(rooms.reader.run(tasks.clone()));
        tasks.spawn(rooms.lane.run(tasks.clone()));
        if let Some(follower) = rooms.follower {
            tasks.spawn(follower.run(tasks.stop_token()));
        }
        if let Some(watcher) = rooms.watcher {
            tasks.spawn(watcher.run(tasks.stop_token()));
        }
        self.desks.push(rooms.desk);
        self.endpoints.extend(rooms.endpoint);
        for key in rooms.keys {
            // Servers may share a key.
            if !self.keys.contains(&key) {
                self.keys.push(key);
            }
        }
    }

    /// The key set that is served (RFC 7517, 5).
    pub(super) fn key_set(&mut self) -> Value {
        json!({ "keys": std::mem::take(&mut self.keys) })
    }
}
