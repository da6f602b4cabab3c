//! `outreach responses`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::Value;

use super::{Target, load, out, target};
use crate::cli::client::beside;
use crate::cli::{Config, Failure, block_on};
use crate::core::campaign::CampaignId;
use crate::engine::view::View;
use crate::http::campaigns::{Choice, Source, key, write_responses};
use crate::settings::Settings;

/// How many rows are shown to a person.
const SHOWN_MAX: usize = 200;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The campaign, as `outreach list` shows it
    id: CampaignId,
    /// A row for each recipient, or for each answer
    #[arg(long, value_enum, default_value = "column")]
    layout: Layout,
    /// How to write; by default as the ending of --output says, else as a table for people
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// The file to write; nobody else may read it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Numbers in place of names, phones and all columns of the list; days in place of times
    #[arg(long)]
    anonymous: bool,
    /// Columns of the list that stay all the same
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', requires = "anonymous")]
    keep: Vec<String>,
    /// Leave out the words, which may name somebody; what they were read as stays
    #[arg(long)]
    without_words: bool,
    #[command(flatten)]
    config: Config,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// A row for each recipient, with columns for each question
    Column,
    /// A row for each answer
    Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A table for people: the first rows
    Text,
    /// Comma-separated values with a header
    Csv,
    /// One JSON object a line
    Json,
    /// A workbook of a spreadsheet
    Xlsx,
}

impl Arguments {
    fn form(&self) -> Result<Form, Failure> {
        let Some(path) = &self.output else { return Ok(self.format.unwrap_or(Form::Text)) };
        let ending = path.extension().map(std::ffi::OsStr::to_string_lossy);
        let by_ending = ending.and_then(|ending| Form::from_str(&ending, true).ok());
        match self.format.or(by_ending) {
            Some(form) if form != Form::Text => Ok(form),
            Some(_) | None => Err(Failure::Usage(
                "--output: end the name in .csv, .json or .xlsx, or add --format".to_owned(),
            )),
        }
    }

    fn choice(&self, form: Form) -> Choice {
        let layout = match self.layout {
            Layout::Column => "column",
            Layout::Row => "row",
        };
        let format = match form {
            Form::Csv => "csv",
            Form::Text | Form::Json => "json",
            Form::Xlsx => "xlsx",
        };
        Choice {
            layout: Some(layout.to_owned()),
            format: Some(format.to_owned()),
            anonymous: self.anonymous,
            keep: (!self.keep.is_empty()).then(|| self.keep.join(",")),
            without_words: self.without_words,
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let form = arguments.form()?;
    if form == Form::Xlsx && arguments.output.is_none() && out::is_shown() {
        return Err(Failure::Usage("a workbook cannot be shown: add --output FILE".to_owned()));
    }
    let settings = load(&arguments.config)?;
    let choice = arguments.choice(form);
    match (&arguments.output, form) {
        (Some(path), _) => to_file(&settings, arguments, &choice, path),
        (None, Form::Text) => {
            let mut table = Table::default();
            fill(&settings, arguments, &choice, &mut table)?;
            table.show();
            Ok(())
        }
        (None, Form::Csv | Form::Json | Form::Xlsx) => {
            let mut printed = Printed::default();
            let filled = fill(&settings, arguments, &choice, &mut printed);
            // Who reads no further has what they wanted.
            if printed.is_closed { Ok(()) } else { filled }
        }
    }
}

/// Writes a file that is there when it is whole.
fn to_file(
    settings: &Settings,
    arguments: &Arguments,
    choice: &Choice,
    path: &Path,
) -> Result<(), Failure> {
    let refused =
        |why: &dyn std::fmt::Display| Failure::Failed(format!("{}: {why}", path.display()));
    let mut file = io::BufWriter::new(beside(path)?);
    fill(settings, arguments, choice, &mut file)?;
    let file = file.into_inner().map_err(|why| refused(&why))?;
    let _file = file.persist(path).map_err(|why| refused(&why.error))?;
    out::complain(&format!("written to {}", path.display()));
    Ok(())
}

fn fill(
    settings: &Settings,
    arguments: &Arguments,
    choice: &Choice,
    sink: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    block_on(async {
        match target(settings).await? {
            Target::Daemon(client) => {
                let path = format!("/campaigns/{}/responses", arguments.id);
                client.download(&path, choice, sink).await
            }
            Target::Store(store) => {
                by_store(&View::new(store), settings, (&arguments.id, choice), sink)
            }
        }
    })
}

fn by_store(
    view: &View,
    settings: &Settings,
    (id, choice): (&CampaignId, &Choice),
    sink: &mut dyn Write,
) -> Result<(), Failure> {
    let failed = |what: &dyn std::fmt::Display| Failure::Failed(what.to_string());
    let campaign = view.campaign(id).map_err(|refusal| failed(&refusal))?;
    let campaign = campaign.ok_or_else(|| failed(&"there is no such campaign"))?;
    let (wanted, format) = choice
        .read()
        .map_err(|(field, problem)| Failure::Usage(format!("--{field}: {problem}")))?;
    let folder = &settings.store.path;
    let key = key(Some(folder)).map_err(|refusal| failed(&refusal))?;
    let zone = settings.rules.practice.zone;
    let source = Source { view, campaign: &campaign, zone, key, scratch: folder };
    let written = write_responses(&source, &wanted, format, sink);
    written.map(|_| ()).map_err(|refusal| failed(&refusal))
}

/// The standard output; a closed pipe ends it.
#[derive(Default)]
struct Printed {
    is_closed: bool,
}

impl Printed {
    fn told<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        let is_closed = |refusal: &io::Error| refusal.kind() == io::ErrorKind::BrokenPipe;
        self.is_closed |= done.as_ref().is_err_and(is_closed);
        done
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = out::sink().write(bytes);
        self.told(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = out::sink().flush();
        self.told(flushed)
    }
}

/// The first rows, for a person.
#[derive(Default)]
struct Table {
    line: Vec<u8>,
    rows: Vec<Value>,
    count: usize,
}

impl Table {
    fn show(&self) {
        out::rows(&self.rows, crate::cli::Format::Text);
        if self.count > self.rows.len() {
            let (shown, all) = (self.rows.len(), self.count);
            out::complain(&format!(
                "{shown} of {all} rows are shown: --output FILE writes them all"
            ));
        }
    }
}

impl Write for Table {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            self.count += 1;
            if self.rows.len() < SHOWN_MAX {
                self.rows.extend(serde_json::from_slice::<Value>(&self.line).ok());
            }
            self.line.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
