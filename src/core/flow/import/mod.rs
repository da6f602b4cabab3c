//! Reading a flow's file: every fault at once, each with its line and what to do.
//!
//! A file is an export of Studio's editor, or a flow of its REST interface with the export under
//! `definition`. What this engine would do differently from Studio is refused, not done: a text to
//! another phone, a picture, a widget for calls.

mod extension;
mod node;
mod secrets;
mod survey;
mod ways;
mod widgets;

use std::collections::BTreeMap;

use super::graph::Text;
use super::graph::{Flow, State};
use super::liquid::Template;
use super::program::{Fault, Tools};
use node::{Node, Object, Page};

pub use survey::SUBFLOWS_DEPTH_MAX;
pub(super) use survey::{Links, in_order, starts_by_request, survey};
pub(super) use ways::pattern;

/// The longest file: Studio's own limit is a quarter of it.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// The most states: Studio allows as many.
pub const STATES_MAX: usize = 1_000;
/// The most transitions of a state, and the most conditions of one.
pub const TRANSITIONS_MAX: usize = 200;
/// The most parameters or variables of a state.
pub const PARAMETERS_MAX: usize = 200;
/// How many faults of one file are told; whoever has more mends these first.
const FAULTS_MAX: usize = 100;
/// How much of a name from a file a fault repeats, in characters.
const SHOWN_MAX: usize = 60;

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) flow: Option<Flow>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Fault>,
}

/// What is found in a file.
pub(super) struct Report<'t> {
    name: &'t str,
    page: Page<'t>,
    /// What may be reached; none if that is looked up later.
    tools: Option<&'t Tools>,
    /// The state that is being read, with its type.
    state: Option<(String, String)>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Report<'_> {
    fn made(&self, node: Node<'_>, problem: impl Into<String>) -> Fault {
        Fault {
            flow: self.name.to_owned(),
            line: self.page.line(node),
            state: self.state.clone(),
            problem: problem.into(),
        }
    }

    /// Notes a fault.
    fn fault(&mut self, node: Node<'_>, problem: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            let fault = self.made(node, problem);
            self.faults.push(fault);
        }
    }

    /// Notes what is doubtful.
    fn warn(&mut self, node: Node<'_>, problem: impl Into<String>) {
        if self.warnings.len() < FAULTS_MAX {
            let fault = self.made(node, problem);
            self.warnings.push(fault);
        }
    }

    /// Parses a template.
    fn template(&mut self, node: Node<'_>, what: &str, source: String) -> Option<Text> {
        match Template::parse(&source) {
            Ok(template) => {
                for name in placeholders(&source) {
                    self.warn(node, format!("{what} still holds {name}: write the real value"));
                }
                Some(Text { source, template })
            }
            Err(fault) => {
                self.fault(node, format!("{what} is no template: {fault}"));
                None
            }
        }
    }

    /// A property as a template; none if it is missing or empty.
    fn text(&mut self, object: &Object<'_>, key: &str) -> Option<Text> {
        let node = object.get(key)?;
        let Some(source) = node.text() else {
            self.fault(node, format!("{key} is no text"));
            return None;
        };
        if source.is_empty() { None } else { self.template(node, key, source) }
    }

    /// A property as a template, which has to be there.
    fn needed(&mut self, object: &Object<'_>, key: &str) -> Option<Text> {
        let is_there = object
            .get(key)
            .is_some_and(|node| node.text().is_none_or(|text| !text.trim().is_empty()));
        if !is_there {
            self.fault(object.at(key), format!("{key} is missing or empty: write it"));
            return None;
        }
        self.text(object, key)
    }

    /// The items of a list; no list is an empty one.
    fn list<'t>(&mut self, object: &Object<'t>, key: &str, max: usize) -> Vec<Node<'t>> {
        let Some(node) = object.get(key) else { return Vec::new() };
        let Some(items) = node.array() else {
            self.fault(node, format!("{key} is no list"));
            return Vec::new();
        };
        if items.len() > max {
            self.fault(node, format!("{key} has {} entries, more than {max}", items.len()));
            return Vec::new();
        }
        items
    }
}

/// Reads a file.
pub(super) fn read(name: &str, text: &str, tools: Option<&Tools>) -> Imported {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let page = Page::new(text);
    let fault = |line, problem| Imported {
        flow: None,
        faults: vec![Fault { flow: name.to_owned(), line, state: None, problem }],
        warnings: Vec::new(),
    };
    if text.len() > FILE_BYTES_MAX {
        return fault(1, format!("has more than {FILE_BYTES_MAX} bytes: no flow is as long"));
    }
    let root = match page.root() {
        Ok(root) => root,
        Err((line, problem)) => return fault(line, problem),
    };
    let mut report =
        Report { name, page, tools, state: None, faults: Vec::new(), warnings: Vec::new() };
    secrets::look(&mut report, root);
    let flow = envelope(&mut report, root);
    let Report { mut faults, mut warnings, .. } = report;
    faults.sort_by_key(|fault| fault.line);
    warnings.sort_by_key(|warning| warning.line);
    Imported { flow: flow.filter(|_| faults.is_empty()), faults, warnings }
}

/// The sid of a flow, if its file says so, whatever else is in it.
pub(super) fn sid_of(text: &str) -> Option<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > FILE_BYTES_MAX {
        return None;
    }
    Page::new(text).root().ok()?.object()?.filled("sid")
}

fn envelope(report: &mut Report<'_>, root: Node<'_>) -> Option<Flow> {
    let Some(outer) = root.object() else {
        report.fault(root, "is no object: a flow begins with { \"states\": [..]");
        return None;
    };
    let inner = match outer.get("definition") {
        // The REST interface's older versions have the export as a text within.
        Some(node) => match node.object() {
            Some(inner) => inner,
            None => {
                report.fault(node, "definition is no object: put the exported flow there");
                return None;
            }
        },
        None => root.object()?,
    };
    let states = states(report, &inner);
    let initial = initial(report, &inner, &states);
    let (expires, language) = extension::of_flow(report, &inner);
    let named = |key| inner.text(key).or_else(|| outer.text(key));
    let flow = Flow {
        sid: outer.filled("sid").or_else(|| inner.filled("sid")),
        description: named("description").or_else(|| named("friendly_name")).unwrap_or_default(),
        initial: initial.unwrap_or_default(),
        states: states.into_iter().map(|(name, (state, _))| (name, state)).collect(),
        expires,
        language,
    };
    Some(flow)
}

type States<'t> = BTreeMap<String, (State, Node<'t>)>;

fn states<'t>(report: &mut Report<'_>, flow: &Object<'t>) -> States<'t> {
    let mut states = States::new();
    if flow.get("states").is_none() {
        report.fault(flow.node, "states are missing: this is no flow of Studio");
        return states;
    }
    let items = report.list(flow, "states", STATES_MAX);
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for item in &items {
        let name = item.object().and_then(|state| state.filled("name"));
        let Some(name) = name else { continue };
        let line = report.page.line(*item);
        if let Some(first) = names.insert(name.clone(), line) {
            let problem = format!("{} stands on line {first} already: rename it", shown(&name));
            report.fault(*item, problem);
        }
    }
    for item in items {
        if let Some((name, state)) = state(report, item, &names) {
            let _first = states.insert(name, (state, item));
        }
    }
    report.state = None;
    states
}

fn state(
    report: &mut Report<'_>,
    item: Node<'_>,
    names: &BTreeMap<String, usize>,
) -> Option<(String, State)> {
    report.state = None;
    let Some(object) = item.object() else {
        report.fault(item, "a state is no object");
        return None;
    };
    let Some(name) = object.filled("name") else {
        report.fault(item, "a state has no name: write one");
        return None;
    };
    let kind = object.filled("type").unwrap_or_default();
    report.state = Some((shown(&name), shown(&kind)));
    let properties = object.get("properties").and_then(Node::object);
    let properties = match properties {
        Some(properties) => properties,
        None => {
            if let Some(node) = object.get("properties") {
                report.fault(node, "properties is no object");
            }
            // Nothing is found in it, and faults stand at the state.
            Object::empty(item)
        }
    };
    let widget = widgets::widget(report, (&name, &kind), &object, &properties);
    let transitions = ways::transitions(report, &kind, &object, names);
    let handoff = extension::handoff(report, &properties);
    let line = report.page.line(item);
    Some((name, State { line, widget: widget?, transitions, handoff }))
}

fn initial(report: &mut Report<'_>, flow: &Object<'_>, states: &States<'_>) -> Option<String> {
    let at = flow.at("initial_state");
    let Some(initial) = flow.filled("initial_state") else {
        report.fault(at, "initial_state is missing: write the name of the trigger");
        return None;
    };
    let triggers = states.iter().filter(|(_, (state, _))| state.widget.kind() == "trigger");
    let triggers: Vec<(String, Node<'_>)> =
        triggers.map(|(name, (_, node))| (name.clone(), *node)).collect();
    if !triggers.iter().any(|(name, _)| *name == initial) {
        let problem = format!("initial_state {} is no trigger of the flow", shown(&initial));
        report.fault(at, problem);
        return Some(initial);
    }
    for (name, node) in triggers.iter().filter(|(name, _)| *name != initial) {
        let problem = format!("{} is a second trigger: remove it", shown(name));
        report.fault(*node, problem);
    }
    Some(initial)
}

/// What stands in a template to be replaced by hand: `YOUR_HELPER_DOMAIN`.
fn placeholders(text: &str) -> Vec<String> {
    let is_part = |c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let words = text.split(is_part).filter(|word| word.starts_with("YOUR_"));
    let mut names: Vec<String> = words.map(shown).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A name from a file, short and without control characters.
fn shown(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = plain.take(SHOWN_MAX).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        short.push('…');
    }
    if short.is_empty() { "(none)".to_owned() } else { short }
}

/// The nearest of some names, for a mistyped one.
fn nearest<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let bare = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wrong = bare(wrong);
    names.filter(|_| !wrong.is_empty()).find(|name| {
        let name = bare(name);
        name == wrong || (wrong.len() > 3 && (name.starts_with(&wrong) || wrong.starts_with(&name)))
    })
}
