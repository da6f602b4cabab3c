//! `appointd send`: an MLLP client that checks every answer.

use std::path::PathBuf;
use std::time::Duration;

use super::map::{Found, messages_of};
use super::{Failure, block_on, out};
use crate::clock::{Clock, Stopwatch};
use crate::hl7::{Message, charset};
use crate::outbound::mllp::{Connection, Exchange};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to send to
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// Message files, `-` for the standard input; MLLP-framed or not, several messages a file
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// At most so many messages a second; as fast as the answers come if not given
    #[arg(long)]
    rate: Option<f64>,
    /// Send everything so many times; repetitions carry new control ids
    #[arg(long, default_value = "1")]
    repeat: u32,
    /// How many seconds an answer may take
    #[arg(long, default_value = "30")]
    timeout: u64,
    /// Print nothing but the totals
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Default)]
struct Totals {
    sent: u64,
    accepted: u64,
    refused: u64,
    unanswered: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut texts = Vec::new();
    for file in &arguments.files {
        texts.extend(messages_of(file)?);
    }
    if texts.is_empty() {
        return Err(Failure::Usage("there is no message in these files".to_owned()));
    }
    let watch = Stopwatch::start();
    let totals = block_on(send_all(arguments, &texts))?;
    out::progress("");
    let seconds = watch.elapsed().as_secs_f64();
    out::say(&format!(
        "sent {}, accepted {}, refused {}, unanswered {} in {seconds:.2} s",
        totals.sent, totals.accepted, totals.refused, totals.unanswered
    ));
    if totals.accepted == totals.sent {
        return Ok(());
    }
    Err(Failure::Failed("not every message was accepted".to_owned()))
}

async fn send_all(arguments: &Arguments, texts: &[Found]) -> Result<Totals, Failure> {
    let within = Duration::from_secs(arguments.timeout.max(1));
    let mut connection: Option<Connection> = None;
    let mut totals = Totals::default();
    let pause = arguments.rate.filter(|rate| *rate > 0.0).map(|rate| 1.0 / rate.max(0.001));
    for round in 0..arguments.repeat {
        for found in texts {
            if let Some(pause) = pause {
                tokio::time::sleep(Duration::from_secs_f64(pause)).await;
            }
            let (text, control_id) = numbered(&found.text, round)?;
            let payload = charset::encode(&text, found.charset);
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::open(&arguments.to, None, within).await.map_err(|refusal| {
                    Failure::Failed(format!("cannot connect to {}: {refusal}", arguments.to))
                })?,
            };
            totals.sent += 1;
            match open.exchange(&payload, &control_id, within).await {
                Exchange::Answered(answered) => {
                    connection = Some(open);
                    let is_positive = answered.ack.code.is_positive();
                    *(if is_positive { &mut totals.accepted } else { &mut totals.refused }) += 1;
                    if !arguments.quiet {
                        out::say(&answered.message.text().replace('\r', "\n"));
                    }
                }
                Exchange::NotSent(code) | Exchange::NoAnswer(code) => {
                    totals.unanswered += 1;
                    out::complain(&format!("message {control_id}: no answer ({code})"));
                }
            }
            out::progress(&format!("{} sent, {} accepted", totals.sent, totals.accepted));
        }
    }
    Ok(totals)
}

/// The message as it stands, or from the second round on with a control id of its own.
fn numbered(text: &str, round: u32) -> Result<(String, String), Failure> {
    let failed = |what: &dyn std::fmt::Display| Failure::Failed(format!("message: {what}"));
    let msg = Message::read(text).map_err(|fault| failed(&fault))?;
    if round == 0 {
        return Ok((text.to_owned(), msg.header().control_id));
    }
    let control_id = crate::inbound::mllp::new_control_id(Clock::system().now());
    let path = "MSH-10".parse().map_err(|fault| failed(&fault))?;
    let mut draft = crate::hl7::Draft::from(&msg);
    draft.set(&path, &control_id).map_err(|fault| failed(&fault))?;
    let msg = draft.finish().map_err(|fault| failed(&fault))?;
    Ok((msg.text().to_owned(), control_id))
}
