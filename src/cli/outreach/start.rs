//! `outreach start`: a list becomes a campaign, by a running daemon; a dry run needs none.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::list::follow;
use super::{Client, Target, load, no_daemon, out, summary, target, who};
use crate::cli::client::{beside, problem_of};
use crate::cli::out::{Bar, Unit};
use crate::cli::{Config, Failure, Format, block_on};
use crate::clock::Clock;
use crate::core::campaign::CampaignId;
use crate::core::phone::PhoneNumber;
use crate::engine::view::View;
use crate::http::campaigns::{BadExpiry, NewOrder, expiry, name_of, read_expiry};
use crate::outreach::cell::quoted;
use crate::outreach::encoding::Scout;
use crate::outreach::list::FILE_BYTES_MAX;
use crate::outreach::preview::{Around, preview};
use crate::outreach::quote::Terms;
use crate::outreach::survey::{Finding, Standing, Survey};
use crate::settings::Settings;

/// How much of a list is looked at at a time.
const PIECE_BYTES: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The flow, by name
    #[arg(long)]
    flow: String,
    /// The list: a header with `patient_id`, `patient_first_name` and `patient_phone`, and any other columns
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
    /// The campaign's name; by default the flow's
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// How many recipients to begin with in a minute; by default as in the settings
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    per_minute: Option<u32>,
    /// How long it goes on, 1h to 90d; by default as in flow or settings
    #[arg(long, value_name = "SPAN", value_parser = span)]
    expires_after: Option<String>,
    /// Look the list over and show what would be sent; needs no daemon
    #[arg(long)]
    dry_run: bool,
    /// Leave rows with faults out; else they keep the whole list out
    #[arg(long)]
    skip_faulty: bool,
    /// It is meant, although the same list went through the same flow before
    #[arg(long)]
    again: bool,
    /// Watch it until it is over
    #[arg(long, conflicts_with = "dry_run")]
    follow: bool,
    /// Write all findings to this file, as CSV
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    findings: Option<PathBuf>,
    /// Who; by default who is logged in
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    config: Config,
}

fn name(text: &str) -> Result<String, &'static str> {
    name_of(text).map(str::to_owned).ok_or("write one line of up to 64 characters")
}

fn span(text: &str) -> Result<String, BadExpiry> {
    read_expiry(text).map(|_| text.to_owned())
}

impl Arguments {
    fn order(&self) -> NewOrder {
        NewOrder {
            flow: self.flow.clone(),
            name: self.name.clone(),
            per_minute: self.per_minute,
            expires_after: self.expires_after.clone(),
            dry_run: self.dry_run,
            skip_faulty: self.skip_faulty,
            again: self.again,
            start: None,
            findings: None,
            by: Some(who(self.by.as_ref())),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = load(&arguments.config)?;
    let mut file = opened(&arguments.csv)?;
    if arguments.findings.as_deref().is_some_and(|path| is_same(path, &arguments.csv)) {
        return Err(Failure::Usage("--findings: is the list itself".to_owned()));
    }
    block_on(async {
        match target(&settings).await {
            Ok(Target::Daemon(client)) => {
                if let Some(path) = &arguments.findings {
                    let order = NewOrder { findings: Some("csv".to_owned()), ..arguments.order() };
                    let again = opened(&arguments.csv)?;
                    client.upload_for_file("/campaigns", &order, again, path).await?;
                }
                by_daemon(&client, arguments, file, &settings).await
            }
            Ok(Target::Store(store)) if arguments.dry_run => {
                let view = View::new(store);
                let told = rehearse(&settings, arguments, &mut file, Some(&view))?;
                conclude(&told, arguments, &settings)
            }
            // Nobody has opted out of what has never run.
            Err(_) if arguments.dry_run && !settings.store.path.exists() => {
                let told = rehearse(&settings, arguments, &mut file, None)?;
                conclude(&told, arguments, &settings)
            }
            Ok(Target::Store(_)) => Err(no_daemon()),
            Err(failure) => Err(failure),
        }
    })
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    one == other || (real(one).is_some() && real(one) == real(other))
}

fn opened(path: &Path) -> Result<File, Failure> {
    let refused =
        |why: &dyn std::fmt::Display| Failure::Failed(format!("{}: {why}", path.display()));
    let file = File::open(path).map_err(|refusal| refused(&refusal))?;
    let meta = file.metadata().map_err(|refusal| refused(&refusal))?;
    if !meta.is_file() {
        return Err(refused(&"is no file"));
    }
    if meta.len() > FILE_BYTES_MAX {
        return Err(refused(&"a list has at most 1 GiB: part it"));
    }
    Ok(file)
}

async fn by_daemon(
    client: &Client,
    arguments: &Arguments,
    file: File,
    settings: &Settings,
) -> Result<(), Failure> {
    // Said before a long list is on its way.
    let flows = client.get("/flows", &()).await?;
    let names = |row: &Value| row.get("name").and_then(Value::as_str).map(str::to_owned);
    let known: Vec<String> = out::list(flows).iter().filter_map(names).collect();
    if !known.contains(&arguments.flow) {
        return Err(no_flow(&arguments.flow, known.iter().map(String::as_str)));
    }
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut bar = Bar::new("Sending the list", Unit::Bytes, 0);
    let told = move |sent| {
        bar.show(sent, length);
        if sent >= length {
            out::progress("Looking the list over..");
        }
    };
    let sent = client.upload("/campaigns", &arguments.order(), file, told).await;
    out::progress("");
    let (status, body) = sent?;
    if let (422, Some(survey)) = (status, body.get("survey")) {
        let told = summary::survey(survey, &shown(&arguments.csv));
        match arguments.format {
            Format::Text => told.iter().for_each(|line| out::say(line)),
            Format::Json => out::say(&body.to_string()),
            Format::Csv => out::rows(&[summary::flat(&body)], Format::Csv),
        }
        let can_skip = survey.get("sound").and_then(Value::as_u64).unwrap_or(0) > 0
            && survey.pointer("/missing_columns/0").is_none();
        let advice = if can_skip { "; --skip-faulty leaves them out" } else { "" };
        let detail = body.get("detail").and_then(Value::as_str).unwrap_or_default();
        return Err(Failure::Failed(format!("nothing was sent: {detail}{advice}")));
    }
    let zone = settings.rules.practice.zone;
    if let (422, Some(late)) = (status, body.get("quote").and_then(|row| summary::late(row, zone)))
    {
        return Err(Failure::Failed(format!("nothing was sent: {late}")));
    }
    if !(200..300).contains(&status) {
        return Err(problem_of(&body));
    }
    let id = body.pointer("/campaign/id").and_then(Value::as_str);
    let Some(id) = id.and_then(|id| id.parse::<CampaignId>().ok()).filter(|_| arguments.follow)
    else {
        return conclude(&body, arguments, settings);
    };
    if arguments.format != Format::Csv {
        conclude(&body, arguments, settings)?;
    }
    let row = follow(client, &id).await?;
    match arguments.format {
        Format::Text => {
            out::say("");
            summary::campaign(&row, zone).iter().for_each(|line| out::say(line));
        }
        Format::Json => out::say(&row.to_string()),
        Format::Csv => {
            let mut whole = body;
            if let Some(known) = whole.get_mut("campaign") {
                *known = row;
            }
            out::rows(&[summary::flat(&whole)], Format::Csv);
        }
    }
    Ok(())
}

fn no_flow<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let known: Vec<&str> = known.collect();
    Failure::Failed(format!("there is no flow {name}; there are: {}", known.join(", ")))
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Prints what a list comes to, and what to do next; findings of a dry run are a failure.
fn conclude(told: &Value, arguments: &Arguments, settings: &Settings) -> Result<(), Failure> {
    let null = Value::Null;
    let part = |name: &str| told.get(name).unwrap_or(&null);
    let campaign = part("campaign");
    let zone = settings.rules.practice.zone;
    if arguments.format == Format::Text {
        let mut lines = summary::survey(part("survey"), &shown(&arguments.csv));
        lines.push(String::new());
        lines.extend(summary::quote(part("quote"), zone));
        lines.push(String::new());
        match campaign.get("id").and_then(Value::as_str) {
            Some(id) => {
                lines.push(format!("Campaign {id} is {}.", state(campaign)));
                lines.push(format!("    appointd outreach status {id} --follow"));
                lines.push(format!("    appointd outreach responses {id} --output responses.csv"));
            }
            None => lines.push("Nothing was sent: leave out --dry-run to begin.".to_owned()),
        }
        lines.iter().for_each(|line| out::say(line));
    } else if arguments.format == Format::Csv {
        out::rows(&[summary::flat(told)], Format::Csv);
    } else {
        out::say(&told.to_string());
    }
    let faulty = summary::count(part("survey"), "/faulty");
    let is_missing = part("survey").pointer("/missing_columns/0").is_some();
    if arguments.dry_run && (is_missing || (faulty > 0 && !arguments.skip_faulty)) {
        return Err(Failure::Failed("the list has faults".to_owned()));
    }
    match summary::late(part("quote"), zone).filter(|_| arguments.dry_run) {
        Some(late) => Err(Failure::Failed(late)),
        None => Ok(()),
    }
}

fn state(campaign: &Value) -> &str {
    campaign.get("state").and_then(Value::as_str).unwrap_or("made")
}

/// Looks a list over without a daemon.
fn rehearse(
    settings: &Settings,
    arguments: &Arguments,
    file: &mut File,
    view: Option<&View>,
) -> Result<Value, Failure> {
    let failed = |what: &dyn std::fmt::Display| Failure::Failed(what.to_string());
    let rules = &settings.rules;
    let flows = &rules.outreach.flows;
    let known = flows.keys().map(String::as_str);
    let program = flows.get(&arguments.flow).ok_or_else(|| no_flow(&arguments.flow, known))?;
    let mut scout = Scout::default();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = file.read(&mut piece).map_err(|refusal| failed(&refusal))?;
        if count == 0 {
            break;
        }
        scout.feed(piece.get(..count).unwrap_or_default());
    }
    file.rewind().map_err(|refusal| failed(&refusal))?;
    let now = Clock::system().now();
    let expires_after = arguments.expires_after.as_deref().and_then(|span| read_expiry(span).ok());
    let terms = Terms {
        program,
        rules,
        per_minute: arguments.per_minute.unwrap_or(rules.outreach.per_minute),
        segments_per_second: settings.sms.segments_per_second,
        now,
        not_after: now + expires_after.unwrap_or_else(|| expiry(program, rules)),
    };
    let is_failing = Cell::new(false);
    let standing = |phone: &PhoneNumber| {
        let contact = view.map(|view| view.contact(phone)).transpose();
        is_failing.set(is_failing.get() || contact.is_err());
        Standing::of(contact.ok().flatten().flatten().as_ref())
    };
    let mut table = Table::open(arguments.findings.as_deref())?;
    let mut found = |finding: &Finding| table.add(finding);
    let mut around = Around { region: settings.region, standing: &standing, found: &mut found };
    let source = (&*file, scout.finish().charset);
    let preview = preview(source, terms, &mut around).map_err(|refusal| failed(&refusal))?;
    table.close()?;
    if is_failing.get() {
        return Err(failed(&"the store cannot be read"));
    }
    let survey: &Survey = &preview.survey;
    Ok(json!({ "survey": survey.to_json(), "quote": preview.quote.to_json(), "campaign": null }))
}

/// The file of all findings, if one is wanted.
struct Table {
    file: Option<(BufWriter<NamedTempFile>, PathBuf)>,
    written: std::io::Result<()>,
}

impl Table {
    fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self { file: None, written: Ok(()) }) };
        let mut file = BufWriter::new(beside(path)?);
        let written = write!(file, "{}\r\n", Finding::COLUMNS.join(","));
        Ok(Self { file: Some((file, path.to_owned())), written })
    }

    fn add(&mut self, finding: &Finding) {
        if let (Some((file, _)), Ok(())) = (&mut self.file, &self.written) {
            let cells = finding.cells().map(|cell| quoted(&cell));
            self.written = write!(file, "{}\r\n", cells.join(","));
        }
    }

    fn close(self) -> Result<(), Failure> {
        let refused = |why| Failure::Failed(format!("the findings cannot be written: {why}"));
        self.written.map_err(refused)?;
        let Some((file, path)) = self.file else { return Ok(()) };
        let file = file.into_inner().map_err(|why| refused(why.into_error()))?;
        file.persist(path).map(|_| ()).map_err(|why| refused(why.error))
    }
}
