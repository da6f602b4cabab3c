//! The daemon between its stand-ins: an EHR on one side, patients' phones on the other.
//!
//! Used by `appointd demo` and by the tests of the whole loop. Everything is on loopback ports of
//! the system's choice; the store is in memory unless one is given; the clock is the caller's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use super::clinic::{Clinic, FhirClinic};
use super::ehr::Ehr;
use super::fhir;
use super::phone::{Carrier, Settings as CarrierSettings};
use crate::app::{self, App, Running};
use crate::clock::Clock;
use crate::core::ids::SourceName;
use crate::core::local_time::Zone;
use crate::core::phone::PhoneNumber;
use crate::settings;
use crate::shutdown::Tasks;
use crate::sms::Secret;
use crate::sms::sid::AccountSid;
use crate::store::{Memory, Store};

/// The stand-in's account; made up, and good for nothing elsewhere.
pub const ACCOUNT_SID: &str = "AC00000000000000000000000000000000";
/// Its token, which is no secret: both ends of it are on this machine.
pub const AUTH_TOKEN: &str = "demo-token-of-the-stand-in";
/// The practice's number, from the range that is kept free for such uses.
pub const PRACTICE_NUMBER: &str = "+15105550100";

/// The name of the EHR in the settings, as a feed and as a destination.
const FEED: &str = "main-ehr";
/// What the stand-in tells of; it knows no other topic.
const TOPIC: &str = "http://example.org/topics/appointment";
/// The header secret of its notifications, which is no secret either.
const HOOK_SECRET: &str = "demo-secret-of-the-stand-in";
/// How often it is looked at most whether the daemon is ready.
const LOOKS_MAX: u32 = 1_000;
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How often another port is tried.
const BIND_TRIES_MAX: u32 = 20;

/// Why a world cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The daemon.
    #[error(transparent)]
    App(#[from] app::Error),
    /// A socket or a client.
    #[error("{0}")]
    Setup(String),
}

/// A daemon and its stand-ins.
#[derive(Debug)]
pub struct World {
    /// The daemon.
    pub daemon: Running,
    /// The EHR by MLLP; it has nothing to do in a world by FHIR.
    pub ehr: Arc<Ehr>,
    /// The EHR, whichever it is.
    pub clinic: Clinic,
    /// The phones.
    pub carrier: Carrier,
    /// The time.
    pub clock: Clock,
    tasks: Tasks,
}

/// What may differ between worlds.
#[derive(Debug)]
pub struct Plan {
    /// The time.
    pub clock: Clock,
    /// The store; one in memory if not given.
    pub store: Option<Arc<dyn Store>>,
    /// Further settings, TOML.
    pub settings: String,
    /// Further settings of the destination, TOML.
    pub destination: String,
    /// Whether the EHR reflects write-backs.
    pub reflects: bool,
    /// Whether the EHR is a FHIR server, instead of speaking HL7 v2 over MLLP.
    pub by_fhir: bool,
}

impl Plan {
    /// A world at this clock, all else as usual.
    #[must_use]
    pub const fn at(clock: Clock) -> Self {
        Self {
            clock,
            store: None,
            settings: String::new(),
            destination: String::new(),
            reflects: true,
            by_fhir: false,
        }
    }
}

impl World {
    /// Sets up the stand-ins and the daemon between them.
    ///
    /// # Errors
    /// If a port cannot be had.
    pub async fn start(plan: Plan) -> Result<Self, Error> {
        let tasks = Tasks::new();
        let carrier = carrier(&plan.clock, &tasks)?;
        let (carrier_socket, carrier_address) = loopback().await?;
        serve(carrier_socket, carrier.router(), &tasks);
        let ehr = Ehr::new(plan.clock.clone(), plan.reflects);
        let (ehr_socket, ehr_address) = loopback().await?;
        ehr.listen(ehr_socket, &tasks);
        let store = plan.store.unwrap_or_else(|| Arc::new(Memory::new()));
        let clinic = if plan.by_fhir {
            Clinic::Fhir(fhir_clinic(&plan.clock, &tasks).await?)
        } else {
            Clinic::Hl7(Arc::clone(&ehr))
        };
        let sections = match &clinic {
            Clinic::Hl7(_) => hl7_sections(ehr_address, &plan.destination),
            Clinic::Fhir(clinic) => fhir_sections(&clinic.server().base_url()),
        };
        let further = sections + &plan.settings;
        let daemon = daemon(carrier_address, &further, &store, &plan.clock).await?.start()?;
        carrier.set_inbound_url(&format!("http://{}/twilio/inbound", daemon.http));
        if let Some(feed) = daemon.mllp.first() {
            ehr.connect(*feed).await;
        }
        if let Clinic::Fhir(clinic) = &clinic {
            followed(&daemon, clinic).await;
        }
        Ok(Self { daemon, ehr, clinic, carrier, clock: plan.clock, tasks })
    }

    /// Serves further routes beside the stand-ins; the address comes back.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub async fn serve(&self, listen: SocketAddr, router: Router) -> Result<SocketAddr, Error> {
        let refused =
            |refusal: std::io::Error| Error::Setup(format!("cannot listen on {listen}: {refusal}"));
        let socket = TcpListener::bind(listen).await.map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        serve(socket, router, &self.tasks);
        Ok(address)
    }

    /// Stops the daemon, then the stand-ins.
    ///
    /// # Errors
    /// If the daemon ended with a fault.
    pub async fn stop(self) -> Result<(), Error> {
        // The daemon would wait for its peer to hang up.
        self.ehr.disconnect().await;
        self.daemon.stop().await?;
        self.tasks.drain(Duration::from_secs(5)).await;
        Ok(())
    }
}

fn carrier(clock: &Clock, tasks: &Tasks) -> Result<Carrier, Error> {
    let told = |what: &dyn std::fmt::Display| Error::Setup(what.to_string());
    let account = AccountSid::parse(ACCOUNT_SID).map_err(|fault| told(&fault))?;
    let number = PhoneNumber::parse_e164(PRACTICE_NUMBER).map_err(|fault| told(&fault))?;
    let settings = CarrierSettings::new(account, Secret::new(AUTH_TOKEN), number);
    Carrier::start(settings, clock.clone(), tasks.tracker(), tasks.stop_token())
        .map_err(|refusal| told(&refusal))
}

fn serve(socket: TcpListener, router: Router, tasks: &Tasks) {
    let stop = tasks.stop_token();
    tasks.spawn(async move {
        let served = axum::serve(socket, router).with_graceful_shutdown(stop.cancelled_owned());
        // The stand-ins end with the program.
        let _ended = served.await.is_ok();
    });
}

/// The zone of the practice, and of its book.
const ZONE: &str = "America/Los_Angeles";

async fn fhir_clinic(clock: &Clock, tasks: &Tasks) -> Result<Arc<FhirClinic>, Error> {
    let told = |what: &dyn std::fmt::Display| Error::Setup(what.to_string());
    let options = fhir::Options { tasks: tasks.clone(), ..fhir::Options::at(clock.clone()) };
    let server = fhir::Server::start(options).await.map_err(|refusal| told(&refusal))?;
    let zone = Zone::parse(ZONE).map_err(|fault| told(&fault))?;
    FhirClinic::new(server, zone).map_err(|refusal| told(&refusal))
}

/// Waits until the daemon has subscribed, and has read what was there before: what is booked from now
/// on is news.
async fn followed(daemon: &Running, clinic: &FhirClinic) {
    let is_active = |server: &fhir::Server| {
        let all = server.all("Subscription");
        all.iter().any(|known| known.get("status").is_some_and(|status| status == "active"))
    };
    clinic.server().wait_for(is_active).await;
    let name = SourceName::new(FEED);
    for _ in 0..LOOKS_MAX {
        let feed = daemon.handle.view().feed(&name).ok().flatten();
        if feed.is_some_and(|feed| feed.is_imported) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn loopback() -> Result<(TcpListener, SocketAddr), Error> {
    let refused = |refusal: std::io::Error| Error::Setup(refusal.to_string());
    let socket = TcpListener::bind("127.0.0.1:0").await.map_err(refused)?;
    let address = socket.local_addr().map_err(refused)?;
    Ok((socket, address))
}

/// Builds the daemon on a port that is free: webhooks are signed over the address, which therefore
/// has to be known before the daemon binds it, and may be taken by another in between.
async fn daemon(
    carrier: SocketAddr,
    further: &str,
    store: &Arc<dyn Store>,
    clock: &Clock,
) -> Result<App, Error> {
    let mut tries = 0;
    loop {
        let http = loopback().await?.1;
        let text = settings_text(carrier, http) + further;
        let loaded = settings::from_text(&text, std::path::Path::new(""))
            .map_err(|faults| Error::Setup(faults.iter().map(|f| format!("{f}\n")).collect()))?;
        match Box::pin(App::build(loaded.settings, Arc::clone(store), clock.clone())).await {
            Err(app::Error::Bind { .. }) if tries < BIND_TRIES_MAX => tries += 1,
            built => return Ok(built?),
        }
    }
}

/// The feed and destination of an EHR that speaks HL7 v2.
fn hl7_sections(ehr: SocketAddr, destination: &str) -> String {
    format!(
        r#"
[[hl7.listener]]
name = "{FEED}"
listen = "127.0.0.1:0"
connections_max = 1024
connections_per_peer_max = 1024
[[hl7.destination]]
name = "{FEED}"
address = "{ehr}"
{destination}
[[route]]
source = "{FEED}"
destination = "{FEED}"
"#
    )
}

/// The feed and destination of an EHR that is a FHIR server.
fn fhir_sections(base_url: &str) -> String {
    format!(
        r#"
[[fhir.server]]
name = "{FEED}"
base_url = "{base_url}"
subscribe = "backport"
topic = "{TOPIC}"
write_back = "participant"
notify.secret = "{HOOK_SECRET}"
requests_per_second = 1000
"#
    )
}

fn settings_text(carrier: SocketAddr, http: SocketAddr) -> String {
    format!(
        r#"
[practice]
name = "Owl Clinic"
callback_phone = "+15105550100"
time_zone = "{ZONE}"
[[locations]]
code = "EAST"
name = "Owl Clinic East"
address = "12 Elm St"
[[locations]]
code = "WEST"
name = "Owl Clinic West"
address = "7 Oak Ave"
[store]
engine = "memory"
[http]
listen = "{http}"
public_url = "http://{http}"
[twilio]
account_sid = "{ACCOUNT_SID}"
auth_token = "{AUTH_TOKEN}"
from = "{PRACTICE_NUMBER}"
base_url = "http://{carrier}"
[sms]
backend = "twilio"
segments_per_second = 1000
"#
    )
}
