//! From settings to the edges that speak JSON: the door for Studio's callers, callbacks, and the
//! requests of flows; and the lanes that nobody serves any more.

use std::net::SocketAddr;
use std::sync::Arc;

use tracing::warn;

use crate::clock::Clock;
use crate::engine::rows::Lane;
use crate::engine::{Handle, SharedRules};
use crate::inbound::studio::{Feed, Studio};
use crate::outbound::call::{CallLane, Caller};
use crate::outbound::gone::GoneLane;
use crate::outbound::json::{Auth, Callback, JsonLane, Options};
use crate::settings::{CallbackAuth, JsonDestination, JsonSource, Settings};
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;
use crate::tls::ClientFiles;

/// The door, and the lanes of callbacks and requests.
#[derive(Debug)]
pub(super) struct Edges {
    pub(super) studio: Option<Arc<Studio>>,
    callbacks: Vec<JsonLane>,
    calls: Arc<CallLane>,
    gone: Vec<GoneLane>,
}

impl Edges {
    /// Prepares them; `http` is where we listen.
    ///
    /// # Errors
    /// What cannot be used of the settings.
    pub(super) fn new(
        settings: &Settings,
        http: SocketAddr,
        rules: &SharedRules,
        handle: &Handle,
        (clock, metrics): (&Clock, &Arc<Metrics>),
    ) -> Result<Self, String> {
        let mut callbacks = Vec::new();
        for destination in &settings.json_destinations {
            let callback = callback_of(settings, destination)?;
            callbacks.push(JsonLane::new(callback, handle.clone(), Arc::clone(metrics)));
        }
        let caller = Caller::new(settings.call_timeout);
        let caller = caller.map_err(|fault| format!("outreach: {fault}"))?;
        let calls = CallLane::new(caller, Arc::clone(rules), handle.clone(), Arc::clone(metrics));
        let public_url = settings.http.public_url.clone();
        let base_url = public_url.unwrap_or_else(|| format!("http://{http}"));
        let studio = (!settings.json_sources.is_empty()).then(|| {
            let feeds = settings.json_sources.iter().map(feed).collect();
            let shared = (clock.clone(), Arc::clone(metrics));
            Arc::new(Studio::new(feeds, base_url, Arc::clone(rules), handle.clone(), shared))
        });
        let gone = gone_lanes(settings, handle)?;
        Ok(Self { studio, callbacks, calls: Arc::new(calls), gone })
    }

    /// Starts the lanes.
    pub(super) fn start(self, tasks: &Tasks) {
        for lane in self.callbacks {
            tasks.spawn(lane.run(tasks.clone()));
        }
        tasks.spawn(self.calls.run(tasks.clone()));
        for lane in self.gone {
            tasks.spawn(lane.run(tasks.clone()));
        }
    }
}

/// The lanes in which something waits, and which the settings do not have any more.
fn gone_lanes(settings: &Settings, handle: &Handle) -> Result<Vec<GoneLane>, String> {
    let waiting = handle.view().lanes().map_err(|fault| fault.to_string())?;
    let is_gone = |lane: &Lane| match lane {
        Lane::Sms | Lane::Call => false,
        Lane::Json(name) => !settings.rules.callbacks.contains(name),
        Lane::Hl7(name) => settings.destinations.iter().all(|known| known.name != *name),
        Lane::FhirWrite(name) => {
            settings.fhir_servers.iter().all(|known| known.destination() != *name)
        }
        Lane::FhirRead(name) => settings.fhir_servers.iter().all(|known| known.name != *name),
    };
    let gone = waiting.into_iter().filter(is_gone).map(|lane| {
        warn!(?lane, "A destination is gone; what waits for it is given up");
        GoneLane::new(lane, handle.clone())
    });
    Ok(gone.collect())
}

/// A client of a receiver of callbacks.
///
/// # Errors
/// What cannot be used of its settings.
pub fn callback_of(settings: &Settings, destination: &JsonDestination) -> Result<Callback, String> {
    let tls = destination.tls.as_ref();
    let flow = |source: &JsonSource| (source.name.clone(), source.flow_sid.clone());
    let options = Options {
        name: destination.name.clone(),
        url: destination.url.clone(),
        auth: match &destination.auth {
            CallbackAuth::None => Auth::None,
            CallbackAuth::Basic { user, password } => Auth::Basic(user.clone(), password.clone()),
            CallbackAuth::Bearer { token } => Auth::Bearer(token.clone()),
        },
        headers: destination.headers.clone(),
        flows: settings.json_sources.iter().map(flow).collect(),
        files: ClientFiles {
            ca: tls.and_then(|tls| tls.ca.clone()),
            identity: tls.and_then(|tls| tls.identity.clone()),
        },
        connect_timeout: destination.connect_timeout,
        timeout: destination.timeout,
    };
    let told = |fault| format!("json.destination {}: {fault}", destination.name);
    Callback::new(options).map_err(told)
}

fn feed(source: &JsonSource) -> Feed {
    let key = source.api_key.as_ref().map(|key| (key.sid.clone(), key.secret.clone()));
    let own = (source.account_sid.clone(), source.auth_token.clone());
    Feed {
        name: source.name.clone(),
        flow_sid: source.flow_sid.clone(),
        account_sid: source.account_sid.clone(),
        users: std::iter::once(own).chain(key).collect(),
        region: source.region,
        zone: source.zone,
    }
}
