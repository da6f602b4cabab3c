//! `appointd consent`: whether a phone may be texted.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;

use super::client::{Target, load, target};
use super::query::legible;
use super::{Config, Failure, Format, block_on, out};
use crate::core::contact::{Contact, Programme};
use crate::core::phone::{PhoneNumber, Region};
use crate::engine::render::consent_json;
use crate::engine::view::View;
use crate::http::consent::Order;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Whether a phone may be texted, since when, and by whose word
    Show {
        /// The phone
        phone: String,
        /// How to print
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        #[command(flatten)]
        config: Config,
    },
    /// No more texts to a phone
    Stop(Which),
    /// Texts to a phone again; what the carrier blocks stays blocked there until the patient texts START
    Start(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The phone
    phone: String,
    /// Only texts of this programme
    #[arg(long, value_parser = PossibleValuesParser::new(Programme::ALL.map(Programme::name)))]
    programme: Option<String>,
    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Show { phone, format, config } => show(phone, *format, config),
        Command::Stop(which) => set(which, true),
        Command::Start(which) => set(which, false),
    }
}

fn parse(phone: &str, region: Region) -> Result<PhoneNumber, Failure> {
    let parsed = PhoneNumber::parse(phone, region);
    parsed.map_err(|_| Failure::Usage("this is no phone number".to_owned()))
}

/// The phone's place in the API; the plus sign has a meaning in addresses.
fn path(phone: &PhoneNumber) -> String {
    format!("/consent/{}", phone.as_str().replace('+', "%2B"))
}

fn show(phone: &str, format: Format, config: &Config) -> Result<(), Failure> {
    let settings = load(config)?;
    let phone = parse(phone, settings.region)?;
    let row = block_on(async {
        match target(&settings).await? {
            Target::Daemon(client) => client.get(&path(&phone), &()).await,
            Target::Store(store) => {
                let known = View::new(store).contact(&phone);
                let known = known.map_err(|refusal| Failure::Failed(refusal.to_string()))?;
                Ok(consent_json(&known.unwrap_or_else(|| Contact::new(phone))))
            }
        }
    })?;
    let row = match format {
        Format::Json => row,
        Format::Text | Format::Csv => legible(&row),
    };
    out::rows(&[row], format);
    Ok(())
}

fn set(which: &Which, opted_out: bool) -> Result<(), Failure> {
    let settings = load(&which.config)?;
    let phone = parse(&which.phone, settings.region)?;
    let name = which.programme.as_deref();
    let programme = Programme::ALL.into_iter().find(|known| Some(known.name()) == name);
    block_on(async {
        let Target::Daemon(client) = target(&settings).await? else {
            let advice = "consent needs the daemon to be running: it keeps what patients said";
            return Err(Failure::Failed(advice.to_owned()));
        };
        let answer = client.post(&path(&phone), &Order { opted_out, programme }).await?;
        out::say(&answer.to_string());
        Ok(())
    })
}
