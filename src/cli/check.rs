//! `appointd check`: all faults at once, before a start or a reload.

use std::time::Duration;

use super::client::load;
use super::{Config, Failure, Format, block_on, flow, out, samples};
use crate::app;
use crate::clock::Clock;
use crate::core::effect::TextKind;
use crate::outbound::mllp::Connection;
use crate::outbound::twilio::Filter;
use crate::settings::{Backend, FhirServer, Settings};

/// How long a peer may take to be reached.
const REACHED_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
#[command(after_long_help = samples::variables())]
pub(super) struct Arguments {
    #[command(flatten)]
    config: Config,
    /// Also try Twilio's credentials and every destination
    #[arg(long)]
    online: bool,
    /// Leave out the samples of texts
    #[arg(long)]
    brief: bool,
    /// How the samples of texts are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = load(&arguments.config)?;
    let mut faults = mappings(&settings);
    if arguments.online {
        faults.extend(block_on(async { Ok(online(&settings).await) })?);
    }
    if !faults.is_empty() {
        return Err(Failure::Configuration(faults));
    }
    if !arguments.brief {
        samples::print(&settings.rules, arguments.format);
    }
    if arguments.format != Format::Text {
        // Whoever reads rows reads nothing else; the exit code says that all is well.
        return Ok(());
    }
    if !arguments.brief {
        flow::list(&settings.rules.outreach.flows);
    }
    let languages: Vec<&str> =
        settings.rules.texts.languages().iter().map(String::as_str).collect();
    out::say(&format!(
        "ok: {} listener(s), {} FHIR server(s), {} destination(s), {} text(s) in {}",
        settings.listeners.len() + settings.json_sources.len(),
        settings.fhir_servers.len(),
        settings.destinations.len() + settings.json_destinations.len(),
        TextKind::ALL.len(),
        languages.join(", ")
    ));
    Ok(())
}

/// Every mapping has to prove itself by its examples, and those that listeners name have to exist.
fn mappings(settings: &Settings) -> Vec<String> {
    let mut faults = Vec::new();
    if let Err(refused) = app::choices_of(settings) {
        faults.extend(refused);
    }
    for destination in &settings.destinations {
        if let Err(fault) = app::lane_options(settings, destination) {
            faults.push(format!("destination {}: {fault}", destination.name));
        }
    }
    for destination in &settings.json_destinations {
        if let Err(fault) = app::callback_of(settings, destination) {
            faults.push(fault);
        }
    }
    for server in &settings.fhir_servers {
        if let Err(fault) = app::rooms_fit(settings, server, &Clock::system()) {
            faults.push(format!("fhir.server {}: {fault}", server.name));
        }
    }
    faults
}

async fn online(settings: &Settings) -> Vec<String> {
    let mut faults = Vec::new();
    if settings.sms.backend == Backend::Twilio {
        match app::twilio_of(settings) {
            Ok(Some(twilio)) => {
                if let Err(refusal) = twilio.list_recent(&Filter::default(), 1).await {
                    faults.push(format!("twilio: {refusal}"));
                }
            }
            Ok(None) => faults.push("twilio: not configured".to_owned()),
            Err(fault) => faults.push(format!("twilio: {fault}")),
        }
    }
    for destination in &settings.destinations {
        let options = match app::lane_options(settings, destination) {
            Ok(options) => options,
            Err(fault) => {
                faults.push(format!("destination {}: {fault}", destination.name));
                continue;
            }
        };
        let opened = Connection::open(&options.address, options.tls.as_ref(), REACHED_WITHIN).await;
        if let Err(refusal) = opened {
            faults.push(format!("destination {}: {refusal}", destination.name));
        }
    }
    for destination in &settings.json_destinations {
        match app::callback_of(settings, destination) {
            Ok(callback) => {
                if let Err(code) = callback.reach().await {
                    let name = &destination.name;
                    faults.push(format!("json.destination {name}: cannot be reached: {code}"));
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    for server in &settings.fhir_servers {
        if let Err(fault) = reached(server).await {
            faults.push(format!("fhir.server {}: {fault}", server.name));
        }
    }
    faults
}

/// Asks a server for one appointment, as the daemon would.
async fn reached(server: &FhirServer) -> Result<(), String> {
    let client = app::server_of(server, &Clock::system())?;
    let answer = client.get("metadata", None).await.map_err(|trouble| trouble.to_string())?;
    if answer.status != 200 {
        return Err(format!("answers {} to metadata", answer.status));
    }
    let search = "Appointment?_count=1";
    let answer = client.get(search, None).await.map_err(|trouble| trouble.to_string())?;
    match answer.status {
        // Some servers search only by actor and day; they know us, which is what was asked.
        200 | 400 | 422 => Ok(()),
        status => Err(format!("answers {status} to a search for appointments")),
    }
}
