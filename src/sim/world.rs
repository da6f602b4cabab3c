//! The daemon between its stand-ins: an EHR on one side, patients' phones on the other.
//!
//! Used by `appointd demo` and by the tests of the whole loop. Everything is on loopback ports of
//! the system's choice; the store is in memory unless one is given; the clock is the caller's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use super::ehr::Ehr;
use super::phone::{Carrier, Settings as CarrierSettings};
use crate::app::{self, App, Running};
use crate::clock::Clock;
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
    /// The EHR.
    pub ehr: Arc<Ehr>,
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
        let ends = (carrier_address, ehr_address);
        let further = (plan.destination.as_str(), plan.settings.as_str());
        let daemon = daemon(ends, further, &store, &plan.clock).await?.start()?;
        carrier.set_inbound_url(&format!("http://{}/twilio/inbound", daemon.http));
        if let Some(feed) = daemon.mllp.first() {
            ehr.connect(*feed).await;
        }
        Ok(Self { daemon, ehr, carrier, clock: plan.clock, tasks })
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

async fn loopback() -> Result<(TcpListener, SocketAddr), Error> {
    let refused = |refusal: std::io::Error| Error::Setup(refusal.to_string());
    let socket = TcpListener::bind("127.0.0.1:0").await.map_err(refused)?;
    let address = socket.local_addr().map_err(refused)?;
    Ok((socket, address))
}

/// Builds the daemon on a port that is free: webhooks are signed over the address, which therefore
/// has to be known before the daemon binds it, and may be taken by another in between.
async fn daemon(
    (carrier, ehr): (SocketAddr, SocketAddr),
    (destination, further): (&str, &str),
    store: &Arc<dyn Store>,
    clock: &Clock,
) -> Result<App, Error> {
    let mut tries = 0;
    loop {
        let http = loopback().await?.1;
        let text = settings_text((carrier, ehr, http), destination) + further;
        let loaded = settings::from_text(&text, std::path::Path::new(""))
            .map_err(|faults| Error::Setup(faults.iter().map(|f| format!("{f}\n")).collect()))?;
        match App::build(loaded.settings, Arc::clone(store), clock.clone()).await {
            Err(app::Error::Bind { .. }) if tries < BIND_TRIES_MAX => tries += 1,
            built => return Ok(built?),
        }
    }
}

fn settings_text(
    (carrier, ehr, http): (SocketAddr, SocketAddr, SocketAddr),
    destination: &str,
) -> String {
    format!(
        r#"
[practice]
name = "Owl Clinic"
callback_phone = "+15105550100"
time_zone = "America/Los_Angeles"
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
[[hl7.listener]]
name = "main-ehr"
listen = "127.0.0.1:0"
connections_max = 1024
connections_per_peer_max = 1024
[[hl7.destination]]
name = "main-ehr"
address = "{ehr}"
{destination}
[[route]]
source = "main-ehr"
destination = "main-ehr"
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
