//! The library of mappings: those shipped with the program, and the site's own beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::compile::{Mapping, compile};
use super::document::Faults;
use super::fault::{Fault, Place, suggestion};
use super::spec::Spec;
use super::view::{Input, View};
use crate::core::ids::SourceName;

/// The mappings that are part of the program: path and text.
const SHIPPED: &[(&str, &str)] = &[
    ("mappings/allscripts-pm.toml", include_str!("../../mappings/allscripts-pm.toml")),
    ("mappings/athenahealth.toml", include_str!("../../mappings/athenahealth.toml")),
    ("mappings/cerner.toml", include_str!("../../mappings/cerner.toml")),
    ("mappings/eclinicalworks.toml", include_str!("../../mappings/eclinicalworks.toml")),
    ("mappings/epic.toml", include_str!("../../mappings/epic.toml")),
    ("mappings/fhir-canvas.toml", include_str!("../../mappings/fhir-canvas.toml")),
    ("mappings/fhir-cerner.toml", include_str!("../../mappings/fhir-cerner.toml")),
    ("mappings/fhir-medplum.toml", include_str!("../../mappings/fhir-medplum.toml")),
    ("mappings/fhir-r4.toml", include_str!("../../mappings/fhir-r4.toml")),
    ("mappings/fhir-r5.toml", include_str!("../../mappings/fhir-r5.toml")),
    ("mappings/ge-centricity.toml", include_str!("../../mappings/ge-centricity.toml")),
    ("mappings/hl7-default.toml", include_str!("../../mappings/hl7-default.toml")),
    ("mappings/meditech.toml", include_str!("../../mappings/meditech.toml")),
    ("mappings/mie-webchart.toml", include_str!("../../mappings/mie-webchart.toml")),
    ("mappings/nextgen-enterprise.toml", include_str!("../../mappings/nextgen-enterprise.toml")),
    ("mappings/nextgen-office.toml", include_str!("../../mappings/nextgen-office.toml")),
    ("mappings/nhs-pas.toml", include_str!("../../mappings/nhs-pas.toml")),
    ("mappings/samedi.toml", include_str!("../../mappings/samedi.toml")),
];

/// Longest chain of `extends`; bounds the work on a file.
const CHAIN_MAX: usize = 8;

/// Compiled mappings by name.
#[derive(Debug, Clone, Default)]
pub struct Library(BTreeMap<String, Arc<Mapping>>);

/// A mapping that recognised a message.
#[derive(Debug, Clone, Copy)]
pub struct Detected<'a> {
    /// The mapping.
    pub mapping: &'a Arc<Mapping>,
    /// Why, as its file says it.
    pub because: &'a str,
}

impl Library {
    /// Compiles the shipped mappings and the site's own.
    ///
    /// `files` are paths, which faults are reported by, and texts; a mapping is named as its file
    /// without folder and `.toml`. A site's mapping takes the place of a shipped one of that name.
    ///
    /// # Errors
    /// Every fault of every file; then no mapping is to be used.
    pub fn load<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<Fault>> {
        let faults = Faults::default();
        let mut specs = BTreeMap::new();
        for (file, text) in SHIPPED.iter().copied().chain(files) {
            if let Some(spec) = Spec::read(file, text, &faults) {
                specs.insert(name_of(file), spec);
            }
        }
        let mut library = Self::default();
        for name in specs.keys().copied() {
            if let Some(chain) = chain(name, &specs, &faults) {
                library.0.insert(name.to_owned(), Arc::new(compile(name, &chain, &faults)));
            }
        }
        let mut faults = faults.into_vec();
        if faults.is_empty() {
            return Ok(library);
        }
        // A fault of a parent is met again by each child.
        let mut seen = BTreeSet::new();
        faults.retain(|fault| seen.insert(fault.clone()));
        Err(faults)
    }

    /// The mapping with a name.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Option<&Arc<Mapping>> {
        self.0.get(name)
    }

    /// The mapping for a message by what its header and content tell, and why; nothing if no dialect
    /// recognises it.
    #[must_use]
    pub fn detect<'m>(
        &self,
        input: impl Into<Input<'m>>,
        source: &SourceName,
    ) -> Option<Detected<'_>> {
        let view = View::new(input.into(), source.as_str());
        let recognised = |mapping: &&Arc<Mapping>| {
            mapping.is_for(&view)
                && mapping.detect.as_ref().is_some_and(|detect| detect.when.holds(&view))
        };
        // A site's own mapping knows its EHR better than any that is shipped.
        let rank = |mapping: &&Arc<Mapping>| {
            let is_shipped = |file: &String| SHIPPED.iter().any(|(shipped, _)| shipped == file);
            let is_own = !mapping.files.first().is_some_and(is_shipped);
            (is_own, mapping.detect.as_ref().map_or(0, |detect| detect.rank))
        };
        // Of equal ranks the first name wins, so that the choice is the same at every start.
        let mapping = self.0.values().filter(recognised).rev().max_by_key(rank)?;
        let because = mapping.detect.as_ref().map_or("", |detect| detect.reason.as_str());
        Some(Detected { mapping, because })
    }

    /// All mappings in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Mapping>> {
        self.0.values()
    }
}

/// Compiles a shipped mapping.
///
/// ```
/// let mapping = appointd::mapping::lookup("hl7-default").unwrap();
/// assert_eq!(mapping.name(), "hl7-default");
/// assert!(appointd::mapping::lookup("no-such-ehr").is_none());
/// ```
#[must_use]
pub fn lookup(name: &str) -> Option<Arc<Mapping>> {
    static COMPILED: OnceLock<Option<Library>> = OnceLock::new();
    COMPILED.get_or_init(|| Library::load([]).ok()).as_ref()?.lookup(name).cloned()
}

fn name_of(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.strip_suffix(".toml").unwrap_or(name)
}

/// A mapping and those that it extends, itself first.
fn chain<'a>(
    name: &'a str,
    specs: &'a BTreeMap<&str, Spec>,
    faults: &Faults,
) -> Option<Vec<&'a Spec>> {
    let mut names = vec![name];
    let mut chain = vec![specs.get(name)?];
    while let Some((parent, place)) = chain.last().and_then(|spec| spec.extends.as_ref()) {
        if let Some(problem) = wrong_parent(parent, &names, specs) {
            // A cycle is reported by the file that closes it.
            faults.push(Place { key: "extends".to_owned(), ..place.clone() }.fault(problem));
            return None;
        }
        let (own, parent_spec) = (chain.last()?, specs.get(parent.as_str())?);
        if own.reads != parent_spec.reads {
            let problem = format!("\"{parent}\" reads something else: see `reads`");
            faults.push(Place { key: "extends".to_owned(), ..place.clone() }.fault(problem));
            return None;
        }
        names.push(parent);
        chain.push(parent_spec);
    }
    Some(chain)
}

fn wrong_parent(parent: &str, names: &[&str], specs: &BTreeMap<&str, Spec>) -> Option<String> {
    if !specs.contains_key(parent) {
        let hint = suggestion(parent, specs.keys().copied());
        return Some(format!("there is no mapping \"{parent}\"{hint}"));
    }
    if names.contains(&parent) {
        return Some(format!("goes round in a circle: {} -> {parent}", names.join(" -> ")));
    }
    (names.len() >= CHAIN_MAX).then(|| format!("extends more than {CHAIN_MAX} mappings"))
}
