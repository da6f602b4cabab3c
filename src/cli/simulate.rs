//! `appointd simulate`: the stand-ins alone, for integration tests of anything.
//!
//! Each prints its addresses, one a line, when it can be asked, and runs until it is stopped.
//! Everybody in them is invented, and nothing is kept.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveTime, TimeDelta};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, Format, block_on, out};
use crate::clock::Clock;
use crate::core::phone::PhoneNumber;
use crate::shutdown::Tasks;
use crate::sim::ehr::{Ehr, SimAppointment, SimPatient};
use crate::sim::fhir::{Access, Client, Habit, Knobs, Options, Proof, Server, Version};
use crate::sim::phone::{Carrier, Settings as CarrierSettings};
use crate::sim::world::{ACCOUNT_SID, AUTH_TOKEN, PRACTICE_NUMBER};
use crate::sms::Secret;
use crate::sms::sid::AccountSid;
use crate::telemetry::{LogFormat, start_logging};

/// How long the stand-ins may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// An EHR: a FHIR server with subscriptions, and an MLLP end that takes write-backs
    Ehr(EhrArguments),
    /// Twilio, the carrier and the patients' phones; `POST /_knobs` lets things go wrong
    Phone(PhoneArguments),
}

#[derive(Debug, clap::Args)]
struct EhrArguments {
    /// Where FHIR is served; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where write-backs are taken by MLLP; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    mllp: SocketAddr,
    /// An MLLP listener that is sent two bookings at the start, as SIU^S12
    #[arg(long, value_name = "HOST:PORT")]
    feed: Option<SocketAddr>,
    /// The version of FHIR
    #[arg(long, value_enum, ignore_case = true, default_value = "R4")]
    version: Spoken,
    /// Behave as this server is known to; `POST /_knobs` changes more
    #[arg(long, value_enum, value_name = "SERVER")]
    like: Option<Known>,
    /// The address by which clients reach the FHIR server, if it is another
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Take only requests with the bearer token in this file
    #[arg(long, value_name = "FILE", conflicts_with = "client")]
    token_file: Option<PathBuf>,
    /// Take only requests with a token from `/token`, given to this client for an assertion that is
    /// signed with a key at its address (SMART Backend Services)
    #[arg(long, value_name = "ID=JWKS-URL")]
    client: Option<String>,
    /// Begin without patients and appointments
    #[arg(long)]
    empty: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct PhoneArguments {
    /// Where Twilio's API is served; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where patients' texts are posted, as in `http://127.0.0.1:8080/twilio/inbound`
    #[arg(long, value_name = "URL")]
    inbound: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// The versions by the names that FHIR gives them.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Spoken {
    #[value(name = "R4")]
    R4,
    #[value(name = "R4B")]
    R4b,
    #[value(name = "R5")]
    R5,
}

/// The servers whose habits are known.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Known {
    Medplum,
    Hapi,
    Helios,
    Millennium,
    Athena,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // The addresses are what is printed; the log is for what goes wrong.
    let _level = start_logging(LogFormat::Text, "warn");
    match &arguments.what {
        What::Ehr(arguments) => block_on(Box::pin(ehr(arguments))),
        What::Phone(arguments) => block_on(Box::pin(phone(arguments))),
    }
}

async fn ehr(arguments: &EhrArguments) -> Result<(), Failure> {
    let stops = Stops::listen()?;
    let (clock, tasks) = (Clock::system(), Tasks::new());
    let server = Server::start(options(arguments, &clock, &tasks)?).await.map_err(failed)?;
    let mllp = Ehr::new(clock.clone(), true);
    let (socket, address) = bind(arguments.mllp).await?;
    mllp.listen(socket, &tasks);
    if !arguments.empty {
        server.invent().map_err(failed)?;
    }
    let mut addresses = vec![("fhir", server.base_url()), ("mllp", address.to_string())];
    if arguments.client.is_some() {
        addresses.push(("token", server.token_url()));
    }
    say(&addresses, arguments.format);
    if let Some(feed) = arguments.feed
        && !arguments.empty
    {
        mllp.connect(feed).await;
        book(&mllp, &clock).await?;
    }
    stops.wait().await;
    server.release();
    mllp.disconnect().await;
    tasks.drain(STOP_WITHIN).await;
    Ok(())
}

fn options(arguments: &EhrArguments, clock: &Clock, tasks: &Tasks) -> Result<Options, Failure> {
    let version = match arguments.version {
        Spoken::R4 => Version::R4,
        Spoken::R4b => Version::R4b,
        Spoken::R5 => Version::R5,
    };
    let knobs = match arguments.like {
        None => Knobs::default(),
        Some(Known::Medplum) => Knobs::like(Habit::Medplum),
        Some(Known::Hapi) => Knobs::like(Habit::Hapi),
        Some(Known::Helios) => Knobs::like(Habit::Helios),
        Some(Known::Millennium) => Knobs::like(Habit::Millennium),
        Some(Known::Athena) => Knobs::like(Habit::Athena),
    };
    Ok(Options {
        version,
        listen: arguments.listen,
        public_url: arguments.public_url.clone(),
        access: access(arguments)?,
        knobs,
        tasks: tasks.clone(),
        ..Options::at(clock.clone())
    })
}

fn access(arguments: &EhrArguments) -> Result<Access, Failure> {
    if let Some(file) = &arguments.token_file {
        return Ok(Access::Bearer(token(file)?));
    }
    let Some(client) = &arguments.client else { return Ok(Access::Open) };
    let (id, url) = client
        .split_once('=')
        .filter(|(id, _)| !id.is_empty())
        .ok_or_else(|| Failure::Usage("--client is written ID=JWKS-URL".to_owned()))?;
    let client = Client { id: id.to_owned(), proof: Proof::KeysAt(url.to_owned()) };
    Ok(Access::Clients(vec![client]))
}

fn token(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|refusal| Failure::Failed(format!("{}: {refusal}", file.display())))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::Usage(format!("{} is empty", file.display())));
    }
    Ok(token.to_owned())
}

/// Books an appointment for each of two patients by MLLP.
async fn book(ehr: &Arc<Ehr>, clock: &Clock) -> Result<(), Failure> {
    let ten = NaiveTime::from_hms_opt(10, 0, 0).unwrap_or_default();
    let people = [
        ("20001", "MRN1000", "Jane", "Doe", "(415) 555-0123", 3),
        ("20002", "MRN1001", "John", "Roe", "(415) 555-0124", 5),
    ];
    for (id, mrn, given, family, phone, days) in people {
        let own = str::to_owned;
        let patient =
            SimPatient { mrn: own(mrn), given: own(given), family: own(family), phone: own(phone) };
        let start = (clock.now() + TimeDelta::days(days)).date_naive().and_time(ten);
        let visit = SimAppointment {
            id: own(id),
            patient,
            start,
            location: own("EAST"),
            status: own("Booked"),
        };
        let answer = ehr.book(visit).await;
        if answer != "AA" && answer != "CA" {
            return Err(Failure::Failed(format!("the feed did not take {id}: {answer}")));
        }
    }
    Ok(())
}

async fn phone(arguments: &PhoneArguments) -> Result<(), Failure> {
    let stops = Stops::listen()?;
    let tasks = Tasks::new();
    let account = AccountSid::parse(ACCOUNT_SID).map_err(failed)?;
    let number = PhoneNumber::parse_e164(PRACTICE_NUMBER).map_err(failed)?;
    let settings = CarrierSettings::new(account, Secret::new(AUTH_TOKEN), number);
    let carrier = Carrier::start(settings, Clock::system(), tasks.tracker(), tasks.stop_token())
        .map_err(failed)?;
    if let Some(inbound) = &arguments.inbound {
        carrier.set_inbound_url(inbound);
    }
    let (socket, address) = bind(arguments.listen).await?;
    let (stop, router) = (tasks.stop_token(), carrier.router());
    tasks.spawn(async move {
        let served = axum::serve(socket, router).with_graceful_shutdown(stop.cancelled_owned());
        // The stand-in ends with the program.
        let _ended = served.await.is_ok();
    });
    let addresses = [
        ("twilio", format!("http://{address}")),
        ("account_sid", ACCOUNT_SID.to_owned()),
        ("auth_token", AUTH_TOKEN.to_owned()),
        ("number", PRACTICE_NUMBER.to_owned()),
        ("phones", format!("http://{address}/sim/phones")),
        ("knobs", format!("http://{address}/_knobs")),
    ];
    say(&addresses, arguments.format);
    stops.wait().await;
    tasks.drain(STOP_WITHIN).await;
    Ok(())
}

/// Prints what a client has to know, one a line.
fn say(addresses: &[(&str, String)], format: Format) {
    match format {
        Format::Text => {
            addresses.iter().for_each(|(name, value)| out::say(&format!("{name} {value}")));
        }
        Format::Json | Format::Csv => {
            let row = |(name, value): &(&str, String)| json!({ "name": name, "value": value });
            let rows: Vec<Value> = addresses.iter().map(row).collect();
            out::rows(&rows, format);
        }
    }
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let refused = |refusal| Failure::Failed(format!("cannot listen on {listen}: {refusal}"));
    let socket = TcpListener::bind(listen).await.map_err(refused)?;
    let address = socket.local_addr().map_err(refused)?;
    Ok((socket, address))
}

/// The signals that end a stand-in.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    /// Before anything is printed: whoever reads it may stop the stand-in.
    fn listen() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn failed(refusal: impl std::fmt::Display) -> Failure {
    Failure::Failed(refusal.to_string())
}
