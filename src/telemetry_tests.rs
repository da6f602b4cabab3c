//! Which lines of the log can never be had.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use appointd_fhir::client::{Client, LOG_TARGET, Method, Request, Settings};
use appointd_fhir::transport::{Roots, Transport, http_client};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a level shows of a search that nobody answers.
fn shown(level: &str, is_discreet: bool) -> String {
    let lines = Lines::default();
    let (filter, _handle) = reload::Layer::new(EnvFilter::try_new(level).unwrap());
    let discretion = is_discreet.then(discretion);
    let made = lines.clone();
    let writer = tracing_subscriber::fmt::layer().with_ansi(false);
    let writer = writer.with_writer(move || made.clone());
    let subscriber = tracing_subscriber::registry().with(filter).with(discretion).with(writer);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("The lane asks");
        search();
    });
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn search() {
    // A port that nobody listens on any more.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/fhir", socket.local_addr().unwrap());
    drop(socket);
    let transport = Transport {
        connect_timeout: Duration::from_secs(10),
        total_timeout: Duration::from_secs(10),
        roots: Roots::Nobody,
        identity: None,
        uses_proxies_of_environment: false,
    };
    let client = Client::new(Settings {
        base_url,
        http: http_client(&transport).unwrap(),
        user_agent: "appointd".to_owned(),
        body_bytes_max: 1,
        fhir_version: None,
        allow_origins: Vec::new(),
    });
    let target = "Appointment?patient=Patient/doe".to_owned();
    let request = Request { method: Method::Get, target, headers: Vec::new(), body: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(client.unwrap().send(request)).is_err());
}

#[test]
fn no_level_shows_the_addresses_of_requests() {
    let open = shown("info", false);
    assert!(open.contains("Patient/doe"), "nothing is tested: {open}");
    let target = format!("info,{LOG_TARGET}=trace");
    let within = format!("{LOG_TARGET}::client=debug,info");
    for level in ["info", "debug", "trace", &target, &within] {
        let lines = shown(level, true);
        assert!(lines.contains("The lane asks"), "{level}: {lines}");
        assert!(!lines.contains("doe") && !lines.contains(LOG_TARGET), "{level}: {lines}");
    }
}
