//! Paths that other paths call by a name: `%patient`.
//!
//! Each is a path from the whole resource. One may use others, so deep and no deeper, and never
//! itself; a name that nobody defined gives nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::Path;

/// How deep variables may use each other; bounds the stack, and what a reader has to look up.
pub(in crate::mapping) const VARIABLES_DEEP_MAX: usize = 4;

/// Paths by their names, without the `%`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::mapping) struct Variables(BTreeMap<Box<str>, Path>);

impl Variables {
    /// No variable at all.
    pub(in crate::mapping) const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Collects paths; of two of one name the later wins.
    pub(in crate::mapping) fn new(paths: impl IntoIterator<Item = (String, Path)>) -> Self {
        Self(paths.into_iter().map(|(name, path)| (name.into(), path)).collect())
    }

    pub(in crate::mapping) fn get(&self, name: &str) -> Option<&Path> {
        self.0.get(name)
    }

    /// The names.
    pub(in crate::mapping) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
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
