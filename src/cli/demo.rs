//! `appointd demo`.
use super::Failure;
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Play a scripted day without a browser and print what each party sent and received
    #[arg(long)]
    once: bool,
}
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    Err(Failure::Failed(format!("{}", arguments.once)))
}
