//! `[store]`, `[http]`, `[log]`, `[metrics]` and `[shutdown]`: the daemon itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::listener::{Taken, check_plaintext, socket};
use super::net::{TlsFiles, server_tls};
use super::reader::Section;
use super::texting::public_url;
use crate::sms::Secret;

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// By which engine.
    pub engine: Engine,
    /// The folder.
    pub path: PathBuf,
    /// Below this free space, messages are refused rather than half kept.
    pub free_bytes_min: u64,
    /// Memory for pages of the store.
    pub cache_bytes: u64,
}

/// An engine of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// In a folder.
    Sled,
    /// In memory, for tests and demonstrations.
    Memory,
}

/// Webhooks, API, health, metrics and pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The address under which Twilio reaches it, without trailing slash.
    pub public_url: Option<String>,
    /// Certificates, for TLS.
    pub tls: Option<TlsFiles>,
    /// The token of scripts and of the command line.
    pub api_token: Option<Secret>,
    /// The largest body.
    pub body_bytes_max: usize,
    /// Connections at a time.
    pub connections_max: usize,
}

/// What is written of the daemon's doings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// How much.
    pub level: Level,
    /// In which form.
    pub format: Format,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What a person must act on.
    Error,
    /// That, and what went wrong and was mended.
    Warn,
    /// That, and changes of state.
    Info,
    /// That, and a line a message.
    Debug,
    /// That, and a line a frame.
    Trace,
}

impl Level {
    const WORDS: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    /// The word for it in the settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines for people on a terminal, objects elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// One object a line.
    Json,
}

/// Who may read the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// The token that health and metrics ask for from elsewhere than this machine; without one they
    /// are closed to others.
    pub token: Option<Secret>,
}

/// Reads `[store]`.
pub(super) fn store(section: &mut Section<'_>) -> Store {
    let place = section.place_of("engine");
    let words =
        [("sled", Some(Engine::Sled)), ("memory", Some(Engine::Memory)), ("postgres", None)];
    let engine = section.choice("engine", &words, Some(Engine::Sled));
    if engine.is_none() {
        let problem = "\"postgres\" is not supported by this version; write \"sled\"";
        section.fault(place.clone(), "engine", problem);
    }
    let engine = engine.unwrap_or(Engine::Sled);
    if engine == Engine::Memory {
        section.warn(place, "engine", "keeps nothing over a restart");
    }
    Store {
        engine,
        path: section.path("path").unwrap_or_else(|| PathBuf::from("/var/lib/appointd")),
        free_bytes_min: section.count("free_bytes_min", 1 << 20..=1 << 50, 256 << 20),
        cache_bytes: section.count("cache_bytes", 1 << 20..=1 << 40, 64 << 20),
    }
}

/// Reads `[http]`.
pub(super) fn http(section: &mut Section<'_>, taken: &mut Taken) -> Http {
    let place = section.place_of("listen");
    let listen = socket(section, taken).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
    let tls = server_tls(section);
    let allow_plaintext = section.flag("allow_plaintext", false);
    if !listen.ip().to_canonical().is_loopback() {
        check_plaintext(section, tls.is_some(), allow_plaintext, &place);
    }
    Http {
        listen,
        public_url: public_url(section),
        tls,
        api_token: section.secret("api_token", "api_token_file", "http_api_token"),
        // A webhook has 2 KiB; an API request of ids has less than this.
        body_bytes_max: section.size("body_bytes_max", 1 << 10..=64 << 20, 256 << 10),
        connections_max: section.size("connections_max", 1..=65_536, 256),
    }
}

/// Reads `[log]`.
pub(super) fn log(section: &mut Section<'_>) -> Log {
    let formats = [("auto", Format::Auto), ("text", Format::Text), ("json", Format::Json)];
    Log {
        level: section.choice("level", &Level::WORDS, Level::Info),
        format: section.choice("format", &formats, Format::Auto),
    }
}

/// Reads `[metrics]`.
pub(super) fn metrics(section: &mut Section<'_>) -> Metrics {
    Metrics { token: section.secret("token", "token_file", "metrics_token") }
}

/// Reads `[shutdown]`: how long work in hand may take after the order to stop.
pub(super) fn shutdown_grace(section: &mut Section<'_>) -> Duration {
    let second = Duration::from_secs(1);
    section.duration("grace", second..=600 * second, 20 * second)
}
