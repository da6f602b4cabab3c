//! A: the daemon of this crate, its store in a folder, settings as they come.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use appointd::app::{App, Running};
use appointd::clock::Clock;
use appointd::settings;
use appointd::store::{Embedded, Options};
use tokio::runtime::Runtime;

use crate::Failure;

/// What differs from the defaults: ports of the system's choice, no limit on connections that the
/// client would meet, texts that go nowhere, and no quiet hours, so that night and day are alike.
const SETTINGS: &str = r#"
[practice]
name = "Owl Clinic"
callback_phone = "+15105550100"
time_zone = "America/New_York"
[http]
listen = "127.0.0.1:0"
[sms]
backend = "memory"
[reminders]
window = { start = "00:00", finish = "24:00" }
[[hl7.listener]]
name = "main-ehr"
listen = "127.0.0.1:0"
connections_max = 1024
connections_per_peer_max = 1024
"#;

pub(crate) struct Daemon {
    pub(crate) address: SocketAddr,
    running: Running,
    runtime: Runtime,
}

impl Daemon {
    pub(crate) fn start(folder: &Path) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let loaded = settings::from_text(SETTINGS, folder).map_err(|faults| {
            faults.iter().map(|fault| format!("{fault}\n")).collect::<String>()
        })?;
        let store = Arc::new(Embedded::open(Options::new(folder))?);
        let app = App::build(loaded.settings, store, Clock::system());
        let running = runtime.block_on(async { app.await?.start() })?;
        let address = *running.mllp.first().ok_or("the daemon has no listener")?;
        Ok(Self { address, running, runtime })
    }

    /// Returns when nothing is left to be done of what was sent.
    pub(crate) fn settle(&self) -> Result<(), Failure> {
        Ok(self.running.handle.store().checkpoint()?)
    }

    pub(crate) fn stop(self) -> Result<(), Failure> {
        Ok(self.runtime.block_on(self.running.stop())?)
    }
}
