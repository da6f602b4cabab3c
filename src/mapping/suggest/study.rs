//! The samples under study: what each says of itself, and how candidates are tried on all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDateTime;

use super::super::lines::Lines;
use super::super::load::Library;
use super::super::path::{Found, Path};
use super::super::{Fault, Mapping, Site};
use super::Basis;
use super::draft::Draft;
use super::inventory::{Inventory, Place, Stats, text_of};
use super::region::{self, Chosen};
use super::shown::People;
use super::trial::Trial;
use crate::hl7::{Dtm, Message};

/// The names under which a proposal is compiled: the second if it extends one of the first name.
const NAMES: [(&str, &str); 2] = [("proposal", "proposal.toml"), ("proposal-2", "proposal-2.toml")];
/// Where names of persons stand: patient, relatives, providers, whoever made the entry.
const NAMED: [&str; 16] = [
    "PID-5[*]",
    "PID-6[*]",
    "PID-9[*]",
    "NK1[*]-2[*]",
    "GT1[*]-3[*]",
    "PV1-7[*]",
    "PV1-8[*]",
    "PV1-9[*]",
    "PV1-17[*]",
    "SCH-12[*]",
    "SCH-16[*]",
    "SCH-20[*]",
    "AIP[*]-3[*]",
    "AIG[*]-3[*]",
    "PD1-4[*]",
    "EVN-5[*]",
];

/// One sample message. Not to be printed: it tells of a patient.
pub(super) struct Sample<'a> {
    pub(super) msg: &'a Message,
    lines: Lines<'a>,
    pub(super) code: String,
    pub(super) event: String,
    pub(super) made_at: Option<NaiveDateTime>,
    /// Tells patients apart, if the message has one; never shown.
    pub(super) patient: Option<String>,
}

impl Sample<'_> {
    fn of(msg: &Message) -> Sample<'_> {
        let header = msg.header();
        let lines = Lines::new(msg);
        let at = |path| Path::parse(path).ok().and_then(|path| first(&lines, &path));
        let named = || Some(format!("{}\n{}", at("PID-5")?, at("PID-7").unwrap_or_default()));
        let patient = at("PID-3").or_else(|| at("PID-2")).or_else(named);
        Sample {
            msg,
            code: header.message_code,
            event: header.trigger,
            made_at: Dtm::parse(&header.message_time).ok().map(|dtm| dtm.local),
            patient,
            lines,
        }
    }

    /// Message code and trigger event, as mappings write them.
    pub(super) fn trigger(&self) -> String {
        if self.event.is_empty() {
            return self.code.clone();
        }
        format!("{}^{}", self.code, self.event)
    }

    pub(super) fn first(&self, path: &Path) -> Option<String> {
        first(&self.lines, path)
    }

    /// Shows each value at a path to `see` until it says that it has seen enough.
    pub(super) fn visit(&self, path: &Path, see: &mut dyn FnMut(Found<'_>) -> bool) {
        path.visit(&self.lines, &mut |found| see(found));
    }
}

fn first(lines: &Lines<'_>, path: &Path) -> Option<String> {
    let mut path = path.clone();
    path.component = path.component.or(Some(1));
    let found = path.first(lines).filter(|found| !found.is_null())?;
    text_of(lines.msg, &found.raw)
}

/// All samples and what is known of them.
pub(super) struct Study<'a> {
    pub(super) samples: Vec<Sample<'a>>,
    pub(super) inventory: Inventory,
    pub(super) people: People,
    pub(super) region: Chosen,
    basis: &'a Basis<'a>,
}

impl<'a> Study<'a> {
    pub(super) fn new(messages: &'a [Message], basis: &'a Basis<'a>) -> Self {
        let samples: Vec<_> = messages.iter().map(Sample::of).collect();
        let mut people = People::default();
        for path in NAMED.iter().filter_map(|path| Path::parse(path).ok()) {
            for sample in &samples {
                sample.visit(&path, &mut |found| {
                    let names = found.raw.split(sample.msg.separators().component).take(4);
                    for name in names.filter_map(|raw| text_of(sample.msg, raw)) {
                        people.add(&name);
                    }
                    false
                });
            }
        }
        let inventory = Inventory::of(messages.iter(), &people);
        let region = region::choose(&samples, basis.site.region);
        Self { samples, inventory, people, region, basis }
    }

    pub(super) const fn base(&self) -> &Mapping {
        self.basis.base
    }

    /// What the samples are read with.
    pub(super) fn site(&self) -> Site<'a> {
        Site { region: self.region.region, ..self.basis.site }
    }

    /// Compiles a draft, beside the site's own mappings.
    pub(super) fn compile(&self, text: &str) -> Result<Arc<Mapping>, Vec<Fault>> {
        let [usual, other] = NAMES;
        let (name, file) = if self.base().name() == usual.0 { other } else { usual };
        let files = self.basis.files.iter().copied();
        let library = Library::load(files.chain([(file, text)]))?;
        library.lookup(name).map(Arc::clone).ok_or_else(Vec::new)
    }

    /// Reads all samples with a draft.
    pub(super) fn read_with(&self, draft: &Draft) -> Result<Trial, Vec<Fault>> {
        let mapping = self.compile(&draft.to_toml())?;
        Ok(Trial::run(mapping, self, self.basis.now))
    }

    /// The first value at a path in each sample.
    pub(super) fn column(&self, path: &str) -> Vec<Option<String>> {
        let path = Path::parse(path).ok();
        let read = |sample: &Sample<'_>| path.as_ref().and_then(|path| sample.first(path));
        self.samples.iter().map(read).collect()
    }

    /// Samples by trigger, with their places.
    pub(super) fn by_trigger(&self) -> BTreeMap<String, Vec<usize>> {
        let mut by_trigger: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, sample) in self.samples.iter().enumerate() {
            by_trigger.entry(sample.trigger()).or_default().push(at);
        }
        by_trigger
    }

    /// Where a value stands, how often, what it is and what it looks like.
    pub(super) fn evidence(&self, place: &Place, stats: &Stats) -> String {
        format!(
            "{} holds {} in {} of {}: {}",
            place.path(),
            stats.usual().name(),
            stats.messages,
            messages(self.samples.len()),
            stats.masks()
        )
    }
}

/// A number of messages in words.
pub(super) fn messages(count: usize) -> String {
    format!("{count} message{}", if count == 1 { "" } else { "s" })
}
