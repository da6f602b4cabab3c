//! `[variables]`: paths that others call by a name, so that a file says once where the patient is,
//! and a dialect that keeps the patient elsewhere says only that.
//!
//! Joined like all else: of one name the dialect's own counts. Only paths of FHIR have variables.

use super::condition::Condition;
use super::document::{Faults, Node, Reads};
use super::fault::{Place, suggestion};
use super::fhirpath::{Path, VARIABLES_DEEP_MAX, Variables};
use super::source::{Look, Options, Source, Unit};
use super::spec::{Rule, Spec};
use super::spot::{At, Spot};

/// Names that mean something else.
const TAKEN: [&str; 3] = ["resource", "context", "rootResource"];

/// A path with a name.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    name: String,
    path: Path,
    place: Place,
}

/// Reads the section; what is wrong is reported there.
pub(super) fn read(node: &Node<'_>) -> Vec<Variable> {
    if node.reads() != Reads::Fhir {
        node.fault("only mappings that read FHIR have variables");
        return Vec::new();
    }
    let Some(table) = node.table() else { return Vec::new() };
    let entries = table.entries();
    entries.into_iter().filter_map(|(name, node)| read_one(name, &node)).collect()
}

fn read_one(name: String, node: &Node<'_>) -> Option<Variable> {
    let is_word = name.starts_with(|char: char| char.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_word || TAKEN.contains(&name.as_str()) {
        node.fault("a variable has a name of letters and digits, and not one that FHIRPath has");
    }
    match Path::parse(&node.text()?) {
        Ok(path) => Some(Variable { name, path, place: node.place() }),
        Err(problem) => {
            node.fault(problem.to_string());
            None
        }
    }
}

/// Reports variables where a mapping is not chosen yet.
pub(super) fn refuse(when: &Condition, node: &Node<'_>) {
    when.paths(&mut |spot| {
        let Spot::Json(path) = spot else { return };
        if let Some(name) = path.variables().next() {
            node.fault(format!("%{name} is not known before the mapping is chosen"));
        }
    });
}

/// The variables of a mapping; `chain` begins with the mapping itself.
pub(super) fn join(chain: &[&Spec], faults: &Faults) -> Variables {
    let all = || chain.iter().rev().flat_map(|spec| &spec.variables);
    let variables = Variables::new(all().map(|one| (one.name.clone(), one.path.clone())));
    let uses = Uses { variables: &variables, faults };
    for one in all() {
        uses.check(&one.path, &one.place);
        if variables.depth(&one.name).is_none() {
            faults.push(one.place.fault(format!(
                "it leads back to itself, or through more than {VARIABLES_DEEP_MAX} variables"
            )));
        }
    }
    variables
}

/// Reports variables that nobody defined.
#[derive(Clone, Copy)]
pub(super) struct Uses<'a> {
    pub(super) variables: &'a Variables,
    pub(super) faults: &'a Faults,
}

impl Uses<'_> {
    pub(super) fn check_rule(&self, rule: &Rule) {
        self.check_condition(&rule.when, &rule.place);
    }

    pub(super) fn check_source(&self, source: &Source) {
        let place = &source.place;
        if let Look::Path(spot) = &source.look {
            self.check_spot(spot, place);
        }
        if let Some(when) = &source.when {
            self.check_condition(when, place);
        }
        match &source.options {
            Options::Ids(id) => {
                self.check_part(&id.value, place);
                id.also.iter().for_each(|spot| self.check_spot(spot, place));
            }
            Options::Time { zone_at, .. } => {
                zone_at.iter().for_each(|spot| self.check_spot(spot, place));
            }
            Options::Duration { unit: Unit::At(spot) } => self.check_spot(spot, place),
            Options::Parts(parts) => {
                let parts = parts.each.iter().flatten().chain(&parts.full);
                parts.for_each(|at| self.check_part(at, place));
            }
            Options::Phones(xtn) => {
                let more = [&xtn.preferred, &xtn.rank, &xtn.since, &xtn.until];
                let numbers = xtn.number.iter().flat_map(|way| &way.components);
                let all = numbers.chain(&xtn.codes).chain(more.into_iter().flatten());
                all.for_each(|at| self.check_part(at, place));
            }
            Options::None
            | Options::Coded { .. }
            | Options::Duration { unit: Unit::Default | Unit::Named(_) } => {}
        }
    }

    fn check_condition(&self, when: &Condition, place: &Place) {
        when.paths(&mut |spot| self.check_spot(spot, place));
    }

    fn check_spot(&self, spot: &Spot, place: &Place) {
        if let Spot::Json(path) = spot {
            self.check(path, place);
        }
    }

    fn check_part(&self, at: &At, place: &Place) {
        if let At::Member(path) = at {
            self.check(path, place);
        }
    }

    fn check(&self, path: &Path, place: &Place) {
        for name in path.variables().filter(|name| self.variables.get(name).is_none()) {
            let hint = suggestion(name, self.variables.names());
            self.faults.push(place.fault(format!("there is no variable %{name}{hint}")));
        }
    }
}
