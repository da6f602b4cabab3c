//! The ports of the daemon: bound before anything runs, with their certificates.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::{Error, assemble, choices_of};
use crate::clock::Clock;
use crate::core::rules::Rules;
use crate::engine::Handle;
use crate::inbound::intake::{Intake, Live};
use crate::inbound::mllp::Listener;
use crate::mapping::Choice;
use crate::settings::{self, Settings};
use crate::telemetry::Metrics;
use crate::tls;

pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })
}

pub(super) fn acceptor(
    files: Option<&settings::TlsFiles>,
    all: &mut Vec<tls::Acceptor>,
) -> Result<Option<tls::Acceptor>, Error> {
    let Some(files) = files else { return Ok(None) };
    let files = tls::ServerFiles {
        cert: files.cert.clone(),
        key: files.key.clone(),
        client_ca: files.client_ca.clone(),
    };
    let acceptor =
        tls::Acceptor::new(files).map_err(|refusal| Error::Setup(format!("tls: {refusal}")))?;
    all.push(acceptor.clone());
    Ok(Some(acceptor))
}

type Bound = (Vec<Arc<Intake>>, Vec<(Listener, SocketAddr)>);

pub(super) async fn bind_listeners(
    settings: &Settings,
    handle: &Handle,
    clock: &Clock,
    metrics: &Arc<Metrics>,
    acceptors: &mut Vec<tls::Acceptor>,
) -> Result<Bound, Error> {
    let mut intakes = Vec::new();
    let mut listeners = Vec::new();
    let choices = choices_of(settings).map_err(|faults| Error::Setup(faults.join("; ")))?;
    for (configured, choice) in settings.listeners.iter().zip(choices) {
        let intake =
            Arc::new(assemble::intake(configured, live(&settings.rules, choice), clock.now()));
        let tls = acceptor(configured.tls.as_ref(), acceptors)?;
        let options = assemble::listener_options(configured, tls);
        let socket = bind(configured.listen).await?;
        let address = socket.local_addr().unwrap_or(configured.listen);
        let shared = (clock.clone(), Arc::clone(metrics));
        let listener = Listener::new(socket, Arc::clone(&intake), options, handle.clone(), shared);
        intakes.push(intake);
        listeners.push((listener, address));
    }
    Ok((intakes, listeners))
}

/// The part of an intake that a reload replaces.
pub(super) fn live(rules: &Rules, mapping: Choice) -> Live {
    Live { mapping, locations: rules.locations.clone(), practice_zone: rules.practice.zone }
}
