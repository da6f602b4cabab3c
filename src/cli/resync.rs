//! `appointd resync`: everything of a FHIR server is read again.

use super::client::{Target, load, target};
use super::{Config, Failure, block_on, out};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Names of FHIR servers in the settings
    #[arg(required = true, value_name = "SERVER")]
    servers: Vec<String>,
    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = load(&arguments.config)?;
    block_on(async {
        let Target::Daemon(client) = target(&settings).await? else {
            let advice = "resync needs the daemon to be running: it is what reads the server";
            return Err(Failure::Failed(advice.to_owned()));
        };
        for server in &arguments.servers {
            if settings.fhir_servers.iter().all(|known| known.name.as_str() != server) {
                let problem = format!("there is no FHIR server \"{server}\" in the settings");
                return Err(Failure::Usage(problem));
            }
            client.post(&format!("/servers/{server}/resync"), &()).await?;
            out::say(&format!(
                "{server}: everything is read again; query servers shows how far it is"
            ));
        }
        Ok(())
    })
}
