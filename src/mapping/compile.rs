//! From the words of mapping files to the form that is executed.
//!
//! A mapping and what it extends are joined here: per field the own list counts, per code of a
//! table, per trigger and per rule the own entry; what is not said is inherited.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::document::{Faults, Reads};
use super::fault::{Place, suggestion};
use super::fhirpath::Variables;
use super::normalise::case::Case;
use super::normalise::duration::seconds_in;
use super::normalise::time::ZoneRule;
use super::output::{Kind, Output};
use super::source::{Entry, Look, Source};
use super::spec::{
    Detect, EVENTS, Example, Rule, Spec, TriggerRule, list, no_status, status_named,
};
use super::table::{Code, PhoneUse, Table};
use super::variables::{self, Uses};
use super::view::{Body, View};
use crate::core::appointment::Participation;
use crate::core::claim::EhrEvent;

/// A compiled mapping: reads messages of one dialect.
pub struct Mapping {
    pub(super) name: String,
    /// Of the texts of its own file and of those that it extends.
    pub(super) hash: String,
    /// Its own file and those that it extends.
    pub(super) files: Vec<String>,
    pub(super) title: Option<String>,
    /// By [`Output`] as a number.
    sources: Vec<Vec<Compiled>>,
    /// The most exact first.
    pub(super) triggers: Vec<TriggerRule>,
    pub(super) ignore_if: Vec<Rule>,
    pub(super) suppress_if: Vec<Rule>,
    pub(super) duration_unit_seconds: u32,
    /// Of times without offset.
    pub(super) zone: Option<ZoneRule>,
    pub(super) name_case: Case,
    /// What `%name` means in its paths.
    pub(super) variables: Variables,
    pub(super) each_patient: bool,
    pub(super) each_time: bool,
    pub(super) detect: Option<Detect>,
    pub(super) reads: Reads,
    pub(super) examples: Vec<Example>,
}

/// A source with the table that it uses.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) source: Source,
    pub(super) table: Option<Arc<Table>>,
    /// What the constant of a coded field means.
    pub(super) constant: Option<Code>,
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Mapping {
    /// The name by which settings choose it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of its file's text and of those that it extends: 16 hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The files that it is made of, its own first.
    #[must_use]
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// What its file says that it is for.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Whether it reads FHIR resources, not HL7 messages.
    #[must_use]
    pub fn reads_fhir(&self) -> bool {
        self.reads == Reads::Fhir
    }

    pub(super) fn is_for(&self, view: &View<'_>) -> bool {
        match &view.body {
            Body::Hl7(_) => self.reads == Reads::Hl7,
            Body::Json(_) => self.reads == Reads::Fhir,
        }
    }

    pub(super) fn sources(&self, output: Output) -> &[Compiled] {
        self.sources.get(output as usize).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Joins a mapping with what it extends; `chain` begins with the mapping itself.
pub(super) fn compile(name: &str, chain: &[&Spec], faults: &Faults) -> Mapping {
    let tables = Tables::join(chain);
    let mut sources = vec![Vec::new(); Output::ALL.len()];
    for output in Output::ALL {
        let list = joined_list(output, chain, faults);
        check_reach(&list, faults);
        if let Some(slot) = sources.get_mut(output as usize) {
            *slot = tables.attach(output, list, faults);
        }
    }
    let unit = chain.iter().find_map(|spec| spec.duration_unit.as_deref());
    let own = chain.first();
    let variables = variables::join(chain, faults);
    let (ignore_if, suppress_if) = (
        joined_rules(chain, |spec| &spec.ignore_if),
        joined_rules(chain, |spec| &spec.suppress_if),
    );
    let uses = Uses { variables: &variables, faults };
    sources.iter().flatten().for_each(|compiled| uses.check_source(&compiled.source));
    ignore_if.iter().chain(&suppress_if).for_each(|rule| uses.check_rule(rule));
    Mapping {
        name: name.to_owned(),
        hash: digest(chain),
        files: chain.iter().map(|spec| spec.place.file.clone()).collect(),
        title: own.and_then(|spec| spec.title.clone()),
        sources,
        triggers: joined_triggers(chain),
        ignore_if,
        suppress_if,
        variables,
        duration_unit_seconds: unit.and_then(seconds_in).unwrap_or(60),
        zone: chain.iter().find_map(|spec| spec.zone),
        name_case: chain.iter().find_map(|spec| spec.name_case).unwrap_or_default(),
        each_patient: chain.iter().find_map(|spec| spec.each_patient).unwrap_or(false),
        each_time: chain.iter().find_map(|spec| spec.each_time).unwrap_or(false),
        detect: own.and_then(|spec| spec.detect.clone()),
        reads: own.map(|spec| spec.reads).unwrap_or_default(),
        examples: own.map(|spec| spec.examples.clone()).unwrap_or_default(),
    }
}

/// 64 bits of SHA-256 tell the versions of one file apart.
fn digest(chain: &[&Spec]) -> String {
    let mut hasher = Sha256::new();
    for spec in chain {
        hasher.update(u64::try_from(spec.text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(spec.text.as_bytes());
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The list of a field, with the inherited one in the place of the word.
fn joined_list(output: Output, chain: &[&Spec], faults: &Faults) -> Vec<Source> {
    let Some((spec, parents)) = chain.split_first() else { return Vec::new() };
    let Some(entries) = spec.outputs.get(&output) else {
        return joined_list(output, parents, faults);
    };
    let mut joined = Vec::new();
    for entry in entries {
        match entry {
            Entry::Source(source) => joined.push(source.as_ref().clone()),
            Entry::Inherited if parents.is_empty() => {
                let place = Place { key: output.name().to_owned(), ..spec.place.clone() };
                faults.push(place.fault("nothing is inherited: the mapping extends none"));
            }
            Entry::Inherited => joined.extend(joined_list(output, parents, faults)),
        }
    }
    joined
}

/// A constant without condition ends the search, and a path that was asked without condition gives
/// nothing new: what follows is never asked.
fn check_reach(list: &[Source], faults: &Faults) {
    for (index, source) in list.iter().enumerate() {
        let is_before = |before: &Source| {
            before.place.file == source.place.file
                && before.when.is_none()
                && before.capture.is_none()
                && before.label == source.label
                && before.table == source.table
                && format!("{:?}", before.options) == format!("{:?}", source.options)
        };
        if source.capture.is_none() && list.iter().take(index).any(is_before) {
            let problem = format!("never reached: {} was asked before it", source.label);
            faults.push(source.place.fault(problem));
        }
    }
    let is_final =
        |source: &Source| matches!(source.look, Look::Constant(_)) && source.when.is_none();
    let after = list.iter().position(is_final).and_then(|at| list.get(at + 1));
    if let Some(source) = after {
        faults
            .push(source.place.fault("never reached: the constant before it always gives a value"));
    }
}

fn joined_triggers(chain: &[&Spec]) -> Vec<TriggerRule> {
    let mut joined: Vec<TriggerRule> = Vec::new();
    for rule in chain.iter().flat_map(|spec| &spec.triggers) {
        if !joined.iter().any(|known| known.trigger == rule.trigger) {
            joined.push(rule.clone());
        }
    }
    joined.sort_by_key(|rule| std::cmp::Reverse(rule.trigger.rank()));
    joined
}

fn joined_rules(chain: &[&Spec], rules: impl Fn(&Spec) -> &Vec<Rule>) -> Vec<Rule> {
    let mut joined: Vec<Rule> = Vec::new();
    for rule in chain.iter().flat_map(|spec| rules(spec)) {
        if !joined.iter().any(|known| known.code == rule.code) {
            joined.push(rule.clone());
        }
    }
    joined
}

/// All value tables, by name, with the places of their entries; not yet given a kind.
struct Tables<'a>(BTreeMap<&'a str, Vec<&'a super::spec::TableEntry>>);

impl<'a> Tables<'a> {
    fn join(chain: &[&'a Spec]) -> Self {
        let mut joined: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        // The mapping's own entries come last and so win.
        for spec in chain.iter().rev() {
            for (name, entries) in &spec.tables {
                joined.entry(name).or_default().extend(entries);
            }
        }
        Self(joined)
    }

    fn attach(&self, output: Output, list: Vec<Source>, faults: &Faults) -> Vec<Compiled> {
        let mut compiled: BTreeMap<String, Option<Arc<Table>>> = BTreeMap::new();
        let mut attached = Vec::new();
        for source in list {
            let usual = match output.kind() {
                Kind::Coded { table } => Some(table),
                Kind::Phones => Some("phone_use"),
                Kind::Ids
                | Kind::References
                | Kind::Time
                | Kind::Duration
                | Kind::Text
                | Kind::Parts(_)
                | Kind::Callback
                | Kind::Language => None,
            };
            let name = source.table.clone().or_else(|| usual.map(str::to_owned));
            let table = name.and_then(|name| {
                let table = compiled
                    .entry(name.clone())
                    .or_insert_with(|| self.compile(&name, output, &source.place, faults));
                table.clone()
            });
            let constant = constant(&source, output, table.as_deref(), faults);
            attached.push(Compiled { source, table, constant });
        }
        attached
    }

    fn compile(
        &self,
        name: &str,
        output: Output,
        asked: &Place,
        faults: &Faults,
    ) -> Option<Arc<Table>> {
        let Some(entries) = self.0.get(name) else {
            let hint = suggestion(name, self.0.keys().copied());
            faults.push(asked.fault(format!("there is no table \"{name}\"{hint}")));
            return None;
        };
        let mut codes = Vec::new();
        for entry in entries {
            match code(&entry.means, output) {
                Ok(code) => codes.push((entry.code.clone(), code)),
                Err(problem) => faults.push(entry.place.fault(problem)),
            }
        }
        Some(Arc::new(Table::new(codes)))
    }
}

/// What the constant of a coded field means: the meaning itself, or a code of its table.
fn constant(
    source: &Source,
    output: Output,
    table: Option<&Table>,
    faults: &Faults,
) -> Option<Code> {
    let (Look::Constant(value), Kind::Coded { .. }) = (&source.look, output.kind()) else {
        return None;
    };
    match code(value, output) {
        Ok(code) => Some(code),
        Err(problem) => {
            let found = table.and_then(|table| table.get(value)).cloned();
            if found.is_none() {
                faults.push(source.place.fault(problem));
            }
            found
        }
    }
}

const PARTICIPATIONS: [Participation; 4] = [
    Participation::NeedsAction,
    Participation::Tentative,
    Participation::Accepted,
    Participation::Declined,
];

/// What a word in a table means for a field; `none` means that the code says nothing.
fn code(means: &str, output: Output) -> Result<Code, String> {
    const PHONE_USES: [(&str, PhoneUse); 5] = [
        ("sms", PhoneUse::Sms),
        ("mobile", PhoneUse::Mobile),
        ("other", PhoneUse::Other),
        ("home", PhoneUse::Home),
        ("never", PhoneUse::Never),
    ];
    if means == "none" {
        return Ok(Code::Nothing);
    }
    match output {
        Output::Status => status_named(means).map(Code::Status).ok_or_else(|| no_status(means)),
        Output::Event => EhrEvent::parse(means).map(Code::Event).ok_or_else(|| {
            format!("\"{means}\" is no event; there are {}", list(&EVENTS.map(EhrEvent::name)))
        }),
        Output::Deceased | Output::OptedOut => match means {
            "yes" => Ok(Code::Flag(true)),
            "no" => Ok(Code::Flag(false)),
            _ => Err(format!("\"{means}\" is neither yes nor no")),
        },
        Output::Participation => {
            let found = PARTICIPATIONS.into_iter().find(|answer| answer.name() == means);
            let names = PARTICIPATIONS.map(Participation::name);
            found.map(Code::Participation).ok_or_else(|| {
                format!("\"{means}\" is no answer of a patient; there are {}", list(&names))
            })
        }
        Output::Phone => {
            let found = PHONE_USES.iter().find(|(name, _)| *name == means);
            let names = PHONE_USES.map(|(name, _)| name);
            found.map(|(_, usage)| Code::Phone(*usage)).ok_or_else(|| {
                format!("\"{means}\" is no use of a phone; there are {}", list(&names))
            })
        }
        Output::OccurredAt
        | Output::Ids
        | Output::Start
        | Output::End
        | Output::Duration
        | Output::VisitType
        | Output::Location
        | Output::LocationName
        | Output::Provider
        | Output::CallbackPhone
        | Output::PatientIds
        | Output::Name
        | Output::Replaces
        | Output::Language => Ok(Code::Text(means.into())),
    }
}
