//! `appointd run`: the daemon under systemd, or on a terminal.

use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::client::{Beacon, load, open};
use super::{Config, Failure, block_on};
use crate::app::watch::Watch;
use crate::app::{App, Reloaded, Running};
use crate::clock::Clock;
use crate::settings::{self, Settings};
use crate::store::{Memory, Store};
use crate::telemetry::{LogFormat, LogLevel, start_logging};

/// How often it is looked whether the engine still runs; sooner if a watchdog wants it.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A shorter watchdog than twice this is a slip in the unit; it is not served.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(100);

pub(super) fn run(config: &Config) -> Result<(), Failure> {
    let settings = load(config)?;
    let format = match settings.log.format {
        settings::Format::Json => LogFormat::Json,
        settings::Format::Text => LogFormat::Text,
        settings::Format::Auto if std::io::stderr().is_terminal() => LogFormat::Text,
        settings::Format::Auto => LogFormat::Json,
    };
    let log = start_logging(format, settings.log.level.name());
    let store: Arc<dyn Store> = match settings.store.engine {
        settings::Engine::Memory => Arc::new(Memory::new()),
        settings::Engine::Sled => {
            open(&settings).map_err(|refusal| Failure::Failed(format!("store: {refusal}")))?
        }
    };
    block_on(Box::pin(serve(config.clone(), settings, store, log)))
}

async fn serve(
    config: Config,
    settings: Settings,
    store: Arc<dyn Store>,
    log: Option<LogLevel>,
) -> Result<(), Failure> {
    let failed = |refusal: &dyn std::fmt::Display| Failure::Failed(refusal.to_string());
    let folder = settings.store.path.clone();
    let has_folder = settings.store.engine != settings::Engine::Memory;
    let scheme = if settings.http.tls.is_some() { "https" } else { "http" };
    let public_url = settings.http.public_url.clone();
    let clock = Clock::system();
    let app = App::build(settings, store, clock).await.map_err(|refusal| failed(&refusal))?;
    let running = app.start().map_err(|refusal| failed(&refusal))?;
    let url = match (scheme, public_url) {
        // A certificate is made out to a name, which only the settings know.
        ("https", Some(public_url)) => public_url.trim_end_matches('/').to_owned(),
        _ => format!("{scheme}://{}", running.http),
    };
    let beacon = Beacon { url, token: running.token.expose().to_owned() };
    if has_folder && let Err(refusal) = leave_beacon(&folder, &beacon) {
        warn!(error = %refusal, "The command line will not find this daemon");
    }
    for address in &running.mllp {
        info!(%address, "Listening for MLLP");
    }
    info!(address = %running.http, version = env!("CARGO_PKG_VERSION"), "Ready");
    // Before it is said: whoever hears it may send a signal, and an unheard one would kill.
    let signals = Signals::listen();
    notify(&[NotifyState::Ready]);
    let ended = match signals {
        Ok(signals) => attend(&config, &running, log.as_ref(), signals).await,
        Err(refusal) => Err(Failure::Failed(format!("signals: {refusal}"))),
    };
    notify(&[NotifyState::Stopping]);
    if has_folder {
        // A file that stays behind is found to be out of date by the next reader.
        let _removed = std::fs::remove_file(Beacon::path(&folder)).is_ok();
    }
    let stopped = running.stop().await.map_err(|refusal| failed(&refusal));
    ended.and(stopped)
}

/// The signals that mean something to the daemon.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// Waits for signals; returns when it is time to stop.
async fn attend(
    config: &Config,
    running: &Running,
    log: Option<&LogLevel>,
    mut signals: Signals,
) -> Result<(), Failure> {
    // Twice in the watchdog's time, as sd_watchdog_enabled(3) advises.
    let look_every = sd_notify::watchdog_enabled()
        .map_or(LOOK_EVERY, |within| (within / 2).clamp(LOOK_EVERY_MIN, LOOK_EVERY));
    let mut watch = watch(&running.mapping_paths());
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hang_up.recv() => {
                reload(config, running, log);
                watch = self::watch(&running.mapping_paths());
            }
            () = changed(&mut watch) => {
                reload_mappings(running);
                // A folder that was replaced is another one.
                watch = self::watch(&running.mapping_paths());
            }
            () = tokio::time::sleep(look_every) => {
                if running.has_failed() {
                    return Err(Failure::Failed("the engine has stopped; see the log".to_owned()));
                }
                // The engine runs and this loop turns: the watchdog may rest.
                notify(&[NotifyState::Watchdog]);
                if watch.is_none() && !running.mapping_paths().is_empty() {
                    watch = self::watch(&running.mapping_paths());
                    if watch.is_some() {
                        reload_mappings(running);
                    }
                }
            }
        }
    }
    info!("Stopping: what is in hand is finished first");
    Ok(())
}

fn reload(config: &Config, running: &Running, log: Option<&LogLevel>) {
    let mut reloading = vec![NotifyState::Reloading];
    // Type=notify-reload waits for an answer that is younger than its signal.
    reloading.extend(NotifyState::monotonic_usec_now().ok());
    notify(&reloading);
    match load(config) {
        Ok(settings) => {
            if let Some(log) = log
                && !log.set(settings.log.level.name())
            {
                warn!("The log level could not be changed");
            }
            match running.reload(&settings) {
                Ok(()) => info!("Reloaded: rules, texts, mappings, certificates, log level"),
                Err(faults) => tell_faults(&faults),
            }
        }
        Err(faults) => {
            let faults: Vec<String> = faults.to_string().lines().map(str::to_owned).collect();
            running.note_reload(Reloaded::Settings, &faults);
            tell_faults(&faults);
        }
    }
    notify(&[NotifyState::Ready]);
}

fn reload_mappings(running: &Running) {
    match running.reload_mappings() {
        Ok(()) => info!("Reloaded: mappings, after a change of their files"),
        Err(faults) => tell_faults(&faults),
    }
}

fn tell_faults(faults: &[String]) {
    for fault in faults {
        error!(fault, "Not reloaded: what was in force stays in force");
    }
}

/// Watches the practice's mapping files, if it has any.
fn watch(paths: &[PathBuf]) -> Option<Watch> {
    if paths.is_empty() {
        return None;
    }
    let watch = Watch::over(paths);
    if let Err(refusal) = &watch {
        warn!(error = %refusal, "Changes of mapping files are not seen; reload by signal");
    }
    watch.ok()
}

async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

fn notify(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _told = sd_notify::notify(states).is_ok();
}

fn leave_beacon(folder: &Path, beacon: &Beacon) -> std::io::Result<()> {
    let text = serde_json::to_vec(beacon).map_err(std::io::Error::other)?;
    let path = Beacon::path(folder);
    let _old = std::fs::remove_file(&path).is_ok();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&text)
}
