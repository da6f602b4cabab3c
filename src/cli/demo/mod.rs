//! `appointd demo`: the whole loop on one machine, with no account and no configuration.

mod campaign;
pub mod page;
mod script;
mod state;

use std::net::SocketAddr;

use super::{Failure, block_on};
use crate::telemetry::{LogFormat, start_logging};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Play a scripted day on a fast clock, print what each party sent and received, and end
    #[arg(long)]
    once: bool,
    /// Let the EHR be a FHIR server, instead of speaking HL7 v2 over MLLP
    #[arg(long)]
    fhir: bool,
    /// Where the page is served; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8088")]
    listen: SocketAddr,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // The page and the script show what happens; the log is for what goes wrong.
    let _level = start_logging(LogFormat::Text, "warn");
    if arguments.once {
        return block_on(Box::pin(script::play(arguments.fhir)));
    }
    if !arguments.listen.ip().is_loopback() {
        return Err(Failure::Usage(
            "the demo has no login: --listen takes a loopback address".to_owned(),
        ));
    }
    block_on(Box::pin(page::serve(arguments.listen, arguments.fhir)))
}
