//! A flow with the flows that it calls: read from Studio's JSON, checked, and named by its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::graph::{Flow, Widget};
use super::import::{self, Links};
use super::liquid::Template;

/// How many flows one program has at most.
pub const FLOWS_MAX: usize = 100;

/// A flow and those that it calls, ready to run. Two programs of the same texts have the same id, and
/// are the same.
#[derive(Debug, Clone)]
pub struct Program {
    id: ProgramId,
    sources: Sources,
    flows: BTreeMap<String, Flow>,
    warnings: Vec<Fault>,
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// The digest of a program's texts, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProgramId(pub String);

impl fmt::Display for ProgramId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The texts of a program, as they are kept with the campaigns that run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The name of the flow that begins.
    pub main: String,
    /// All flows by name.
    pub files: BTreeMap<String, String>,
}

/// What flows may reach outside, by the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tools {
    /// Hosts, with or without port, that `make-http-request` may ask.
    pub allow_hosts: BTreeSet<String>,
    /// What stands for the functions of `run-function`, by name and by sid.
    pub functions: BTreeMap<String, Function>,
}

/// What stands for a function that Studio would run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The address that gets its parameters as a form by POST.
    pub url: String,
}

/// What is wrong with a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The flow.
    pub flow: String,
    /// The line in its file, from 1.
    pub line: usize,
    /// The state and its type, if it concerns one.
    pub state: Option<(String, String)>,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.flow, self.line)?;
        if let Some((name, kind)) = &self.state {
            write!(f, "state {name} ({kind}): ")?;
        }
        f.write_str(&self.problem)
    }
}

/// A question of a flow: a state that waits for a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name of the state, which is the column in responses.
    pub name: String,
    /// What is asked, as it stands in the flow.
    pub text: String,
}

/// A column of the list that texts of a flow use as `flow.data.NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether a text uses it without a `default`, so that a recipient without it gets a gap.
    pub is_needed: bool,
}

/// A text that a recipient may get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The flow.
    pub flow: String,
    /// The state.
    pub state: String,
    /// The language as a primary tag; none for the flow's own.
    pub language: Option<String>,
    /// The template.
    pub text: String,
}

impl Program {
    /// Reads a flow and those that it calls from all flows there are, by name.
    ///
    /// # Errors
    /// Every fault of every flow that it reaches.
    pub fn read(
        main: &str,
        files: &BTreeMap<String, String>,
        tools: &Tools,
    ) -> Result<Self, Vec<Fault>> {
        Self::assemble(main, files, Some(tools))
    }

    /// Reads a program as it was kept; what it may reach outside is looked up when it is reached.
    ///
    /// # Errors
    /// As [`Program::read`].
    pub fn restore(sources: &Sources) -> Result<Self, Vec<Fault>> {
        Self::assemble(&sources.main, &sources.files, None)
    }

    fn assemble(
        main: &str,
        files: &BTreeMap<String, String>,
        tools: Option<&Tools>,
    ) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::new(files, tools);
        reader.follow(main);
        let Reader { flows, mut faults, mut warnings, .. } = reader;
        if faults.is_empty() {
            let (between, doubts) = import::survey(main, &flows);
            faults.extend(between);
            warnings.extend(doubts);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let is_reached = |name: &String| flows.contains_key(name);
        let files: BTreeMap<String, String> = files
            .iter()
            .filter(|(name, _)| is_reached(name))
            .map(|(name, text)| (name.clone(), text.clone()))
            .collect();
        let sources = Sources { main: main.to_owned(), files };
        Ok(Self { id: digest(&sources), sources, flows, warnings })
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &ProgramId {
        &self.id
    }

    /// The name of the flow that begins.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.sources.main
    }

    /// Its texts.
    #[must_use]
    pub const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Studio's id of the flow, if its file says so by the key `sid`.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.main()?.sid.as_deref()
    }

    /// Whether a list or a request starts it: its trigger leads on by `incomingRequest`. Where it does
    /// not, a recipient gets nothing.
    #[must_use]
    pub fn starts_by_request(&self) -> bool {
        self.main().is_some_and(import::starts_by_request)
    }

    /// What it is about, as its file says.
    #[must_use]
    pub fn description(&self) -> &str {
        self.main().map_or("", |flow| flow.description.as_str())
    }

    /// How long a recipient may take from begin to end, if its file says so.
    #[must_use]
    pub fn expires_after(&self) -> Option<chrono::TimeDelta> {
        self.main()?.expires
    }

    /// The language of its texts where none fits the recipient's, if its file says so.
    #[must_use]
    pub fn language(&self) -> Option<&str> {
        self.main()?.language.as_deref()
    }

    /// What is allowed in its flows, and yet hardly meant.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// How many states its flows have.
    #[must_use]
    pub fn states(&self) -> usize {
        self.flows.values().map(|flow| flow.states.len()).sum()
    }

    /// Its questions in the order in which they come up.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        let mut questions: Vec<Question> = Vec::new();
        for (_, name, state) in self.in_order() {
            let Widget::Ask(ask) = &state.widget else { continue };
            if !questions.iter().any(|question| question.name == name) {
                let text = ask.texts.body.source.clone();
                questions.push(Question { name: name.to_owned(), text });
            }
        }
        questions
    }

    /// The texts that a recipient may get, in the order in which they come up.
    #[must_use]
    pub fn texts(&self) -> Vec<Said> {
        let mut said = Vec::new();
        for (flow, name, state) in self.in_order() {
            let (first, again) = match &state.widget {
                Widget::Send(texts) => (texts, None),
                Widget::Ask(ask) => (&ask.texts, ask.retry.as_ref().map(|retry| &retry.texts)),
                Widget::Trigger
                | Widget::Split(_)
                | Widget::Set(_)
                | Widget::Http(_)
                | Widget::Function(_)
                | Widget::Subflow(_) => continue,
            };
            for texts in std::iter::once(first).chain(again) {
                let own = std::iter::once((None, &texts.body));
                let others = texts.others.iter().map(|(tag, text)| (Some(tag.clone()), text));
                said.extend(own.chain(others).map(|(language, text)| Said {
                    flow: flow.to_owned(),
                    state: name.to_owned(),
                    language,
                    text: text.source.clone(),
                }));
            }
        }
        said
    }

    /// The columns of a list that its texts use.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        let mut columns: BTreeMap<String, bool> = BTreeMap::new();
        for (flow, _, state) in self.in_order() {
            let is_main = flow == self.sources.main;
            let column = |path: &[String]| column_of(path, is_main);
            for text in state.templates() {
                for name in text.template.paths().iter().filter_map(|path| column(path)) {
                    let _known = columns.entry(name).or_default();
                }
            }
            for text in state.texts() {
                for name in needed_in(&text.source).iter().filter_map(|path| column(path)) {
                    let _before = columns.insert(name, true);
                }
            }
        }
        columns.into_iter().map(|(name, is_needed)| Column { name, is_needed }).collect()
    }

    fn main(&self) -> Option<&Flow> {
        self.flow(&self.sources.main)
    }

    /// One of its flows.
    pub(super) fn flow(&self, name: &str) -> Option<&Flow> {
        self.flows.get(name)
    }

    /// All states that can be reached, with their flow and their name, as they come up.
    fn in_order(&self) -> Vec<(&str, &str, &super::graph::State)> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        let mut left = vec![self.sources.main.as_str()];
        // Called flows come behind the one that calls: where exactly a text stands says its state.
        while let Some(name) = left.pop() {
            let Some((name, flow)) = self.flows.get_key_value(name) else { continue };
            if !seen.insert(name) {
                continue;
            }
            for (state_name, state) in import::in_order(flow) {
                order.push((name.as_str(), state_name, state));
                if let Widget::Subflow(call) = &state.widget {
                    left.extend(call.flow.as_deref());
                }
            }
        }
        order
    }
}

/// Reads the flows that are called, one after the other.
#[derive(Debug)]
struct Reader<'a> {
    files: &'a BTreeMap<String, String>,
    tools: Option<&'a Tools>,
    links: Option<Links>,
    flows: BTreeMap<String, Flow>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl<'a> Reader<'a> {
    const fn new(files: &'a BTreeMap<String, String>, tools: Option<&'a Tools>) -> Self {
        Self {
            files,
            tools,
            links: None,
            flows: BTreeMap::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn follow(&mut self, main: &str) {
        let mut left = vec![main.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(name) = left.pop() {
            if seen.len() >= FLOWS_MAX || !seen.insert(name.clone()) {
                continue;
            }
            let Some(text) = self.files.get(&name) else {
                let problem = "there is no flow of this name".to_owned();
                self.faults.push(Fault { flow: name, line: 1, state: None, problem });
                continue;
            };
            let read = import::read(&name, text, self.tools);
            self.faults.extend(read.faults);
            self.warnings.extend(read.warnings);
            let Some(mut flow) = read.flow else { continue };
            left.extend(self.link(&name, &mut flow));
            let _none = self.flows.insert(name, flow);
        }
    }

    /// Finds the flows that a flow calls.
    fn link(&mut self, name: &str, flow: &mut Flow) -> Vec<String> {
        let mut called = Vec::new();
        for (state_name, state) in &mut flow.states {
            let Widget::Subflow(call) = &mut state.widget else { continue };
            // Other files are looked into only if somebody calls one of them.
            let links = self.links.get_or_insert_with(|| links(self.files));
            if let Some(found) = links.resolve(&call.wanted) {
                call.flow = Some(found.to_owned());
                called.push(found.to_owned());
                continue;
            }
            let problem = "there is no flow of this flow_sid: put its file beside this one, with \
                           its \"sid\" in it, or write the name of the file"
                .to_owned();
            let state_of = (state_name.clone(), "run-subflow".to_owned());
            let (flow, line) = (name.to_owned(), state.line);
            self.faults.push(Fault { flow, line, state: Some(state_of), problem });
        }
        called
    }
}

fn links(files: &BTreeMap<String, String>) -> Links {
    let sid = |(name, text): (&String, &String)| Some((import::sid_of(text)?, name.clone()));
    Links { by_sid: files.iter().filter_map(sid).collect(), names: files.keys().cloned().collect() }
}

fn digest(sources: &Sources) -> ProgramId {
    let mut hash = Sha256::new();
    let main = (&sources.main, &String::new());
    for (name, text) in std::iter::once(main).chain(&sources.files) {
        for part in [name, text] {
            // The length keeps apart what only reads the same together.
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    ProgramId(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The column that a path reads; flows that are called have values of their own in `flow.data`.
fn column_of(path: &[String], is_main: bool) -> Option<String> {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["flow", "data", name, ..] if is_main => Some((*name).to_owned()),
        ["trigger", "request", "parameters", name, ..] => Some((*name).to_owned()),
        _ => None,
    }
}

/// The paths that a text prints as they are: without a `default`, and not under a condition on them.
fn needed_in(source: &str) -> Vec<Vec<String>> {
    let tags = source.split("{%").skip(1).filter_map(|rest| rest.split("%}").next());
    let tested: BTreeSet<Vec<String>> = tags.flat_map(tested_in).collect();
    let outputs = source.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    let plain = outputs.filter(|output| !has_default(output));
    let parsed = plain.filter_map(|output| Template::parse(&format!("{{{{{output}}}}}")).ok());
    parsed.flat_map(|one| one.paths()).filter(|path| !tested.contains(path)).collect()
}

/// The paths that the condition of a tag looks at.
fn tested_in(tag: &str) -> Vec<Vec<String>> {
    let tag = tag.trim_matches(['-', ' ', '\t', '\r', '\n']);
    let Some((word, condition)) = tag.split_once(char::is_whitespace) else { return Vec::new() };
    let template = match word {
        "if" | "elsif" | "unless" => format!("{{% if {condition} %}}{{% endif %}}"),
        "case" => format!("{{{{ {condition} }}}}"),
        _ => return Vec::new(),
    };
    Template::parse(&template).map(|one| one.paths()).unwrap_or_default()
}

/// Whether one of the filters of an output is `default`.
fn has_default(output: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let mut filters = output.split('|').skip(1);
    filters.any(|filter| filter.trim_start().split(|c| !is_part(c)).next() == Some("default"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_needed_where_nothing_stands_for_it() {
        let name = || vec![vec!["flow".to_owned(), "data".to_owned(), "name".to_owned()]];
        for (text, expected) in [
            ("{{flow.data.name}}", name()),
            ("{{flow.data.name | default: 'you'}}", Vec::new()),
            ("{{flow.data.name | append: 'default'}}", name()),
            ("{% if flow.data.name %}{{flow.data.name}}{% endif %}", Vec::new()),
            ("{%- unless flow.data.name == '' -%}{{flow.data.name}}{% endunless %}", Vec::new()),
            ("{% if flow.data.clinic_name %}{{flow.data.name}}{% endif %}", name()),
        ] {
            assert_eq!(needed_in(text), expected, "{text}");
        }
    }
}
