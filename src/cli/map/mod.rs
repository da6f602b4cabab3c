//! `appointd map`: what a mapping makes of messages, and what another one would.
//!
//! Messages come from files or from the journal. Nothing is stored and nobody is texted.

mod comparison;
mod files;
mod recorded;
mod suggest;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::client::load;
use super::{Config, Failure, Format, mappings, out};
use crate::clock::Clock;
use crate::core::ids::SourceName;
use crate::core::local_time::Zone;
use crate::core::phone::Region;
use crate::core::rules::Place;
use crate::hl7::{Charset, Message};
use crate::inbound::intake;
use crate::mapping::{Choice, Input, NoEntry, Resource, Site};
use crate::settings::Settings;

pub(super) use files::{Found, messages_of};

/// The mapping if none is named and there are no settings.
const MAPPING_DEFAULT: &str = crate::mapping::choice::AUTO;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Message files, `-` for the standard input; MLLP-framed or not, several messages a file
    #[arg(required_unless_present_any = ["since", "id"], value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The mapping, by name or file, or auto; else that of the feed, or auto without settings
    #[arg(long, value_name = "NAME")]
    mapping: Option<String>,
    /// The settings file, for places, zones and mappings of your own, and for recorded messages
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Recorded messages, not before: a date, a time, or a span back from now such as 7d
    #[arg(long, conflicts_with = "files", requires = "config", value_name = "TIME")]
    since: Option<String>,
    /// Recorded messages, not after, likewise
    #[arg(long, requires = "since", value_name = "TIME")]
    until: Option<String>,
    /// A recorded message, by its number in `query messages` or `query quarantine`
    #[arg(long, conflicts_with_all = ["files", "since"], requires = "config", value_name = "ID")]
    id: Option<u64>,
    /// Show for every field where it was found and which rule found it
    #[arg(long)]
    explain: bool,
    /// Show what a new mapping would read otherwise than an old one, field by field
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["mapping", "explain"])]
    diff: Option<Vec<String>>,
    /// Show rules that no message uses, codes that no table knows, positions that no rule reads
    #[arg(long, conflicts_with_all = ["diff", "explain"])]
    coverage: bool,
    /// Propose a mapping for the EHR that sent these messages, with its evidence, as a starting file;
    /// it extends the mapping named, or the one that recognises most of them
    #[arg(long, conflicts_with_all = ["diff", "coverage", "explain", "format"])]
    suggest: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
}

/// A message to be read, and where it comes from.
#[derive(Debug)]
struct Sample {
    content: Content,
    /// The file's name, or the journal's number.
    from: Option<(&'static str, Value)>,
    /// Which of the feeds reads it.
    feed: usize,
}

/// What a sample is, or why it is none.
#[derive(Debug)]
enum Content {
    Hl7(Message),
    Fhir(Resource),
    /// An entry that is not read, and need not be.
    Passed(String),
    Unreadable(String),
}

/// What is known of a feed: of each listener, or of none.
#[derive(Debug)]
struct Feed {
    name: SourceName,
    mapping: String,
    zone: Option<Zone>,
    region: Region,
    charset: Option<Charset>,
}

/// What messages are read with.
#[derive(Debug)]
struct Bench {
    settings: Option<Settings>,
    feeds: Vec<Feed>,
    practice_zone: Zone,
    locations: BTreeMap<String, Place>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bench = Bench::new(arguments)?;
    if let Some([old, new]) = arguments.diff.as_deref() {
        return comparison::diff(arguments, &bench, old, new);
    }
    if arguments.coverage {
        return comparison::coverage(arguments, &bench);
    }
    if arguments.suggest {
        return suggest::run(arguments, &bench);
    }
    read(arguments, &bench)
}

/// Reads messages as events.
fn read(arguments: &Arguments, bench: &Bench) -> Result<(), Failure> {
    let choices = bench.choices(arguments.mapping.as_deref())?;
    let mut rows = Vec::new();
    let mut faults = 0;
    // JSON needs no look at all rows before the first is printed.
    let streams = arguments.format == Format::Json;
    each_sample(arguments, bench, |sample| {
        let Some(choice) = choices.get(sample.feed) else { return };
        let mut read = bench.read(choice, sample, arguments.explain);
        faults += read.iter().filter(|row| row.get("fault").is_some()).count();
        if streams {
            out::rows(&read, arguments.format);
        } else {
            rows.append(&mut read);
        }
    })?;
    out::rows(&rows, arguments.format);
    if faults > 0 {
        return Err(Failure::Failed(format!("{faults} of these cannot be read as events")));
    }
    Ok(())
}

/// Shows each message that the arguments name to `see`; none at all is a failure.
fn each_sample(
    arguments: &Arguments,
    bench: &Bench,
    mut see: impl FnMut(&Sample),
) -> Result<u64, Failure> {
    let mut count = 0;
    for file in &arguments.files {
        for content in contents(file)? {
            let name = (arguments.files.len() > 1).then(|| json!(file.display().to_string()));
            count += 1;
            see(&Sample { content, from: name.map(|name| ("file", name)), feed: 0 });
        }
    }
    let Some(settings) = bench.settings.as_ref().filter(|_| arguments.files.is_empty()) else {
        return Ok(count);
    };
    let mut add = |kept: &recorded::Kept| {
        let feed = bench.feeds.iter().position(|feed| feed.name == kept.source).unwrap_or(0);
        let charset = bench.feeds.get(feed).and_then(|feed| feed.charset);
        for text in recorded::texts(&kept.raw, charset) {
            count += 1;
            see(&Sample {
                content: Content::hl7(&text),
                from: Some(("seq", json!(kept.seq))),
                feed,
            });
        }
    };
    match arguments.id {
        Some(id) => recorded::one(settings, id, &mut add)?,
        None => {
            let (since, until) = (arguments.since.as_deref(), arguments.until.as_deref());
            recorded::each(settings, since, until, &mut add)?;
        }
    }
    if count == 0 {
        return Err(Failure::Failed("no message was recorded in that time".to_owned()));
    }
    Ok(count)
}

impl Bench {
    fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let Some(config) = &arguments.config else {
            return Ok(Self {
                settings: None,
                feeds: vec![Feed {
                    name: SourceName::new("map"),
                    mapping: MAPPING_DEFAULT.to_owned(),
                    zone: None,
                    region: Region::US,
                    charset: None,
                }],
                practice_zone: Zone::UTC,
                locations: BTreeMap::new(),
            });
        };
        let settings = load(&Config { config: config.clone() })?;
        let feed = |listener: &crate::settings::Listener| Feed {
            name: listener.name.clone(),
            mapping: listener.mapping.clone(),
            zone: listener.zone,
            region: listener.region,
            charset: listener.charset.as_deref().and_then(Charset::for_label),
        };
        let server = |server: &crate::settings::FhirServer| Feed {
            name: server.name.clone(),
            mapping: server.mapping.clone(),
            zone: server.zone,
            region: server.region,
            charset: None,
        };
        let servers = settings.fhir_servers.iter().map(server);
        let feeds: Vec<Feed> = settings.listeners.iter().map(feed).chain(servers).collect();
        if feeds.is_empty() {
            return Err(Failure::Usage("the settings have no listener and no server".to_owned()));
        }
        Ok(Self {
            feeds,
            practice_zone: settings.rules.practice.zone,
            locations: settings.rules.locations.clone(),
            settings: Some(settings),
        })
    }

    /// The mapping of each feed, or the one that is named for all.
    fn choices(&self, named: Option<&str>) -> Result<Vec<Choice>, Failure> {
        let choice =
            |feed: &Feed| mappings::choice(named.unwrap_or(&feed.mapping), self.settings.as_ref());
        self.feeds.iter().map(choice).collect()
    }

    /// What is known about a sample's feed.
    fn site(&self, sample: &Sample) -> Option<Site<'_>> {
        self.site_of(sample.feed)
    }

    fn site_of(&self, feed: usize) -> Option<Site<'_>> {
        let feed = self.feeds.get(feed)?;
        Some(Site {
            source: &feed.name,
            zone: feed.zone,
            practice_zone: self.practice_zone,
            region: feed.region,
            locations: &self.locations,
        })
    }

    fn read(&self, choice: &Choice, sample: &Sample, explain: bool) -> Vec<Value> {
        if let Content::Passed(reason) = &sample.content {
            let row = json!({ "event": null, "code": "entry_passed", "reason": reason });
            return vec![sample.name(row)];
        }
        let (input, site) = match (sample.input(), self.site(sample)) {
            (Ok(input), Some(site)) => (input, site),
            (Err(fault), _) => {
                return vec![sample.name(json!({ "event": null, "fault": fault }))];
            }
            (Ok(_), None) => return Vec::new(),
        };
        let chosen = choice.of(input, site.source);
        let mut rows = intake::explained(chosen, input, &site, Clock::system().now());
        for object in rows.iter_mut().filter_map(Value::as_object_mut) {
            if object.get("code").is_some_and(|code| code == "failed") {
                let fault = object.get("reason").cloned();
                object.extend(fault.map(|fault| ("fault".to_owned(), fault)));
            }
            if !explain {
                object.remove("explain");
            }
        }
        rows.into_iter().map(|row| sample.name(row)).collect()
    }
}

/// The messages or resources of a file.
fn contents(file: &Path) -> Result<Vec<Content>, Failure> {
    let bytes = files::bytes_of(file)?;
    if let Some(text) = files::json_in(&bytes) {
        let resources = Resource::read_all(text)
            .map_err(|fault| Failure::Failed(format!("{}: {fault}", file.display())))?;
        if resources.is_empty() {
            return Ok(vec![Content::Passed("there is no appointment in the bundle".to_owned())]);
        }
        return Ok(resources.into_iter().map(Content::fhir).collect());
    }
    let found = files::messages_in(&bytes, file)?;
    Ok(found.iter().map(|found| Content::hl7(&found.text)).collect())
}

impl Content {
    fn hl7(text: &str) -> Self {
        Message::read(text).map_or_else(|fault| Self::Unreadable(fault.to_string()), Self::Hl7)
    }

    fn fhir(entry: Result<Resource, NoEntry>) -> Self {
        match entry {
            Ok(resource) => Self::Fhir(resource),
            Err(passed) if passed.is_fault() => Self::Unreadable(passed.to_string()),
            Err(passed) => Self::Passed(passed.to_string()),
        }
    }
}

impl Sample {
    /// Whether it is an entry that no mapping is to read.
    const fn is_passed(&self) -> bool {
        matches!(self.content, Content::Passed(_))
    }

    fn input(&self) -> Result<Input<'_>, &str> {
        match &self.content {
            Content::Hl7(msg) => Ok(msg.into()),
            Content::Fhir(resource) => Ok(resource.into()),
            Content::Passed(reason) | Content::Unreadable(reason) => Err(reason),
        }
    }

    /// Says in a row where the message comes from.
    fn name(&self, mut row: Value) -> Value {
        if let (Some(object), Some((key, value))) = (row.as_object_mut(), &self.from) {
            object.insert((*key).to_owned(), value.clone());
        }
        row
    }
}
