//! Paths that other paths call by a name: `%patient`.
//!
//! Each is a path from the whole resource. One may use others, so deep and no deeper, and never
//! itself; a name that nobody defined gives nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{Evaluation, Found};
use super::{Context, Path};

/// How deep variables may use each other; bounds the stack, and what a reader has to look up.
pub(in crate::mapping) const VARIABLES_DEEP_MAX: usize = 4;

/// Paths by their names, without the `%`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::mapping) struct Variables {
    paths: BTreeMap<Box<str>, Path>,
    /// Their names, those first that others use.
    order: Vec<Box<str>>,
}

/// What variables give, found once for all paths that use them.
#[derive(Debug, Default)]
pub(in crate::mapping) struct Values<'v>(BTreeMap<Box<str>, Found<'v>>);

impl<'v> Values<'v> {
    /// Nothing is found yet: what a path uses is looked for each time.
    pub(in crate::mapping) const fn none() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Found<'v>> {
        self.0.get(name)
    }
}

impl Variables {
    /// No variable at all.
    pub(in crate::mapping) const fn none() -> Self {
        Self { paths: BTreeMap::new(), order: Vec::new() }
    }

    /// Collects paths; of two of one name the later wins.
    pub(in crate::mapping) fn new(paths: impl IntoIterator<Item = (String, Path)>) -> Self {
        let paths = paths.into_iter().map(|(name, path)| (name.into(), path)).collect();
        let mut variables = Self { paths, order: Vec::new() };
        let mut order: Vec<Box<str>> = variables.paths.keys().cloned().collect();
        // One that leads back to itself is refused elsewhere, and gives nothing here.
        order.retain(|name| variables.depth(name).is_some());
        order.sort_by_key(|name| variables.depth(name));
        variables.order = order;
        variables
    }

    /// What each of them gives; `context` has no values yet.
    pub(in crate::mapping) fn values<'v>(&self, context: &Context<'_, 'v>) -> Values<'v> {
        let mut values = Values::none();
        for name in &self.order {
            let Some(path) = self.get(name) else { continue };
            let context = Context { values: &values, ..*context };
            let found =
                Evaluation::new(context).run(&path.expression, context.root, context.home());
            values.0.insert(name.clone(), found);
        }
        values
    }

    pub(in crate::mapping) fn get(&self, name: &str) -> Option<&Path> {
        self.paths.get(name)
    }

    /// The names.
    pub(in crate::mapping) fn names(&self) -> impl Iterator<Item = &str> {
        self.paths.keys().map(|name| &**name)
    }

    /// How deep a variable goes, itself counted; nothing if it is deeper than it may be, or goes
    /// round in a circle.
    pub(in crate::mapping) fn depth(&self, name: &str) -> Option<usize> {
        let mut level = BTreeSet::from([name]);
        for depth in 1..=VARIABLES_DEEP_MAX {
            let used = level.iter().filter_map(|name| self.get(name));
            level = used.flat_map(|path| path.variables()).collect();
            if level.is_empty() {
                return Some(depth);
            }
        }
        None
    }
}
