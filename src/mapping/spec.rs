//! A mapping file as it is written: checked word by word, not yet joined with what it extends.

use std::collections::BTreeMap;

use serde_json::Value;

use super::condition::{Condition, Trigger};
use super::document::{Faults, Node, Reads, Table, with_root};
use super::fault::{Place, suggestion};
use super::normalise::case::Case;
use super::normalise::time::ZoneRule;
use super::output::Output;
use super::source::{Entry, read_zone};
use super::table::Folded;
use super::variables::{self, Variable};
use crate::core::appointment::Status;
use crate::core::claim::EhrEvent;
use crate::core::local_time::Zone;
use crate::core::phone::Region;

/// One mapping file.
#[derive(Debug, Clone, Default)]
pub(super) struct Spec {
    pub(super) place: Place,
    /// The file's whole text, for the mapping's digest.
    pub(super) text: String,
    /// What it reads; the same as what it extends.
    pub(super) reads: Reads,
    pub(super) extends: Option<(String, Place)>,
    pub(super) title: Option<String>,
    pub(super) duration_unit: Option<String>,
    pub(super) zone: Option<ZoneRule>,
    pub(super) name_case: Option<Case>,
    pub(super) detect: Option<Detect>,
    /// Whether each patient of a message is read, not only the first.
    pub(super) each_patient: Option<bool>,
    /// Whether each time of a message is read, not only the first.
    pub(super) each_time: Option<bool>,
    pub(super) outputs: BTreeMap<Output, Vec<Entry>>,
    /// Paths that others call by a name.
    pub(super) variables: Vec<Variable>,
    pub(super) tables: BTreeMap<String, Vec<TableEntry>>,
    pub(super) triggers: Vec<TriggerRule>,
    pub(super) ignore_if: Vec<Rule>,
    pub(super) suppress_if: Vec<Rule>,
    pub(super) examples: Vec<Example>,
}

/// How messages of the dialect are recognised.
#[derive(Debug, Clone)]
pub(super) struct Detect {
    pub(super) when: Condition,
    /// Why, as a sentence for people.
    pub(super) reason: String,
    /// The highest wins.
    pub(super) rank: u16,
}

/// The rank of a dialect that names none.
const RANK_USUAL: u16 = 10;

/// One code of a value table.
#[derive(Debug, Clone)]
pub(super) struct TableEntry {
    pub(super) code: String,
    pub(super) means: String,
    pub(super) place: Place,
}

/// What a trigger means.
#[derive(Debug, Clone)]
pub(super) struct TriggerRule {
    pub(super) place: Place,
    pub(super) trigger: Trigger,
    pub(super) action: Action,
}

/// What is done with a message of some trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Ignore(String),
    Read {
        event: EhrEvent,
        /// The status that the trigger implies.
        status: Option<Status>,
        heed: Heed,
        suppress: Option<String>,
    },
}

/// Which statuses of the message beat its trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heed {
    Any,
    These(Vec<Status>),
}

/// A filter: a condition and the reason that is stored.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) place: Place,
    pub(super) code: String,
    pub(super) when: Condition,
    pub(super) reason: String,
}

/// A message and the event that it must give.
#[derive(Debug, Clone)]
pub(super) struct Example {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) message: String,
    pub(super) expect: Value,
    pub(super) zone: Zone,
    pub(super) region: Region,
}

impl Spec {
    /// Reads a file; what is wrong is added to `faults`.
    pub(super) fn read(name: &str, text: &str, faults: &Faults) -> Option<Self> {
        with_root(name, text, faults, |root| {
            let mut spec = Self { place: root.place(), text: text.to_owned(), ..Self::default() };
            spec.extends = root.get("extends").and_then(|node| Some((node.text()?, node.place())));
            spec.reads = root.said_reads();
            spec.title = root.text("title");
            if let Some(defaults) = root.get("defaults").and_then(|node| node.table()) {
                spec.read_defaults(defaults);
            }
            spec.detect = root.get("detect").and_then(|node| read_detect(&node));
            for section in ["message", "appointment", "patient"] {
                if let Some(table) = root.get(section).and_then(|node| node.table()) {
                    spec.read_outputs(section, table);
                }
            }
            spec.variables =
                root.get("variables").map(|node| variables::read(&node)).unwrap_or_default();
            if let Some(tables) = root.get("tables").and_then(|node| node.table()) {
                spec.read_tables(&tables);
            }
            if let Some(triggers) = root.get("triggers").and_then(|node| node.table()) {
                let read = |(name, node): (String, _)| read_trigger(&name, &node);
                spec.triggers = triggers.entries().into_iter().filter_map(read).collect();
            }
            spec.ignore_if = rules(&root, "ignore_if");
            spec.suppress_if = rules(&root, "suppress_if");
            let examples = root.get("example").map(Node::list).unwrap_or_default();
            spec.examples = examples.iter().filter_map(read_example).collect();
            root.finish();
            spec
        })
    }

    fn read_defaults(&mut self, defaults: Table<'_>) {
        self.duration_unit = defaults.text("duration_unit");
        check_unit(&defaults, self.duration_unit.as_deref());
        self.zone = defaults.get("zone").and_then(|node| read_zone(&node));
        self.name_case = defaults.get("name_case").and_then(|node| {
            let case = Case::parse(&node.text()?);
            if case.is_none() {
                node.fault("names are written \"title\" (DOE becomes Doe) or \"keep\"");
            }
            case
        });
        defaults.finish();
    }

    fn read_outputs(&mut self, section: &str, table: Table<'_>) {
        if section == "message" {
            self.each_patient = table.get("patients").and_then(|node| read_each(&node));
            self.each_time = table.get("times").and_then(|node| read_each(&node));
        }
        for output in Output::ALL {
            let Some((_, key)) = output.name().split_once('.').filter(|(s, _)| *s == section)
            else {
                continue;
            };
            if let Some(node) = table.get(key) {
                self.outputs.insert(output, Entry::read_list(node, output));
            }
        }
        table.finish();
    }

    fn read_tables(&mut self, tables: &Table<'_>) {
        for (name, node) in tables.entries() {
            let Some(table) = node.table() else { continue };
            let mut entries = Vec::new();
            for (means, codes) in table.entries() {
                let place = codes.place();
                for code in codes.texts() {
                    check_once(&entries, &code, &means, &place, tables);
                    entries.push(TableEntry { code, means: means.clone(), place: place.clone() });
                }
            }
            self.tables.insert(name, entries);
        }
    }
}

/// A code means one thing; that it is listed twice is a slip, whichever is meant.
fn check_once(before: &[TableEntry], code: &str, means: &str, place: &Place, tables: &Table<'_>) {
    let folded = Folded::new(code);
    let is_other = |entry: &&TableEntry| entry.means != means && folded.matches(&entry.code);
    if let Some(other) = before.iter().find(is_other) {
        let problem = format!("\"{code}\" cannot mean both {} and {means}", other.means);
        tables.fault_at(place, problem);
    }
}

fn read_each(node: &Node<'_>) -> Option<bool> {
    match node.text()?.as_str() {
        "each" => Some(true),
        "first" => Some(false),
        _ => {
            node.fault("\"each\" or \"first\" is expected");
            None
        }
    }
}

fn read_detect(node: &Node<'_>) -> Option<Detect> {
    let table = node.table()?;
    let when = table.get("when").and_then(|node| Condition::read(&node));
    if let Some(when) = &when {
        variables::refuse(when, node);
    }
    let reason = table.text("reason");
    let rank = table.get("rank").and_then(|node| node.number()).unwrap_or(RANK_USUAL);
    if reason.is_none() || table.get("when").is_none() {
        table.fault("detection needs when and reason");
    }
    table.finish();
    Some(Detect { when: when?, reason: reason?, rank })
}

fn check_unit(defaults: &Table<'_>, unit: Option<&str>) {
    if unit.is_some_and(|unit| super::normalise::duration::seconds_in(unit).is_none()) {
        defaults.fault("duration_unit is no unit of time; write \"min\" or \"s\"");
    }
}

fn read_trigger(name: &str, node: &Node<'_>) -> Option<TriggerRule> {
    let trigger = Trigger::parse(name);
    if trigger.is_none() {
        node.fault("a trigger is written SIU^S12, SIU^* or S12");
    }
    let table = node.table()?;
    let ignore = table.text("ignore");
    let event = table.get("event").and_then(|node| read_event(&node));
    let status = table.get("status").and_then(|node| read_status(&node));
    let heed = table.get("heed").map_or(Heed::Any, read_heed);
    let suppress = table.text("suppress");
    let action = match (ignore, event) {
        (Some(reason), None) => Some(Action::Ignore(reason)),
        (None, Some(event)) => Some(Action::Read { event, status, heed, suppress }),
        (Some(_), Some(_)) | (None, None) => {
            table.fault("a trigger has either event or ignore");
            None
        }
    };
    let place = table.place();
    table.finish();
    Some(TriggerRule { place, trigger: trigger?, action: action? })
}

fn read_event(node: &Node<'_>) -> Option<EhrEvent> {
    let name = node.text()?;
    let event = EhrEvent::parse(&name);
    if event.is_none() {
        let hint = suggestion(&name, EVENTS.map(EhrEvent::name));
        node.fault(format!(
            "\"{name}\" is no event{hint}; there are {}",
            list(&EVENTS.map(EhrEvent::name))
        ));
    }
    event
}

fn read_status(node: &Node<'_>) -> Option<Status> {
    let name = node.text()?;
    let status = status_named(&name);
    if status.is_none() {
        node.fault(no_status(&name));
    }
    status
}

/// The complaint about a name that is no status.
pub(super) fn no_status(name: &str) -> String {
    let names = STATUSES.map(Status::name);
    format!("\"{name}\" is no status{}; there are {}", suggestion(name, names), list(&names))
}

pub(super) const EVENTS: [EhrEvent; 6] = [
    EhrEvent::Booked,
    EhrEvent::Rescheduled,
    EhrEvent::Modified,
    EhrEvent::Confirmed,
    EhrEvent::Canceled,
    EhrEvent::NoShowed,
];

const STATUSES: [Status; 8] = [
    Status::Booked,
    Status::Confirmed,
    Status::Pending,
    Status::Arrived,
    Status::Fulfilled,
    Status::Canceled,
    Status::NoShow,
    Status::EnteredInError,
];

/// Reads a status by its name.
pub(super) fn status_named(name: &str) -> Option<Status> {
    STATUSES.into_iter().find(|status| status.name() == name)
}

pub(super) fn list(names: &[&str]) -> String {
    names.join(", ")
}

fn read_heed(node: Node<'_>) -> Heed {
    if node.as_text() == Some("any") {
        return Heed::Any;
    }
    Heed::These(node.list().iter().filter_map(read_status).collect())
}

fn rules(root: &Table<'_>, key: &'static str) -> Vec<Rule> {
    let nodes = root.get(key).map(Node::list).unwrap_or_default();
    let read = |node: &Node<'_>| {
        let table = node.table()?;
        let code = table.text("code");
        let reason = table.text("reason");
        let when = table.get("when").and_then(|node| Condition::read(&node));
        if code.is_none() || reason.is_none() || table.get("when").is_none() {
            table.fault("a rule needs code, reason and when");
        }
        let place = table.place();
        table.finish();
        Some(Rule { place, code: code?, reason: reason?, when: when? })
    };
    let rules: Vec<Rule> = nodes.iter().filter_map(read).collect();
    for (index, rule) in rules.iter().enumerate() {
        if rules.iter().take(index).any(|before| before.code == rule.code) {
            root.fault_at(&rule.place, format!("there is a rule \"{}\" before it", rule.code));
        }
    }
    rules
}

fn read_example(node: &Node<'_>) -> Option<Example> {
    let table = node.table()?;
    let name = table.text("name");
    let message = table.text("message");
    let expect = table.get("expect").and_then(|node| {
        let parsed = serde_json::from_str(&node.text()?);
        if let Err(error) = &parsed {
            node.fault(format!("the expected event is no JSON: {error}"));
        }
        parsed.ok()
    });
    let zone = table.get("zone").and_then(|node| {
        let zone = Zone::parse(&node.text()?);
        if let Err(error) = &zone {
            node.fault(error.to_string());
        }
        zone.ok()
    });
    let region = table.get("region").and_then(|node| {
        let region = Region::parse(&node.text()?);
        if region.is_none() {
            node.fault("this region is not known; write a country code such as \"US\"");
        }
        region
    });
    if name.is_none() || message.is_none() || table.get("expect").is_none() {
        table.fault("an example needs name, message and expect");
    }
    let place = table.place();
    table.finish();
    Some(Example {
        place,
        name: name?,
        message: message?,
        expect: expect?,
        zone: zone.unwrap_or(Zone::UTC),
        region: region.unwrap_or(Region::US),
    })
}
