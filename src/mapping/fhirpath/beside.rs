//! Resources that lie beside the one that is read, found by their address or by type and id.
//!
//! The index is made once for a whole bundle and shared by all that is read from it, so that a page
//! of thousands of appointments is not searched through for each of their references. Knows nothing
//! of what refers to them.

use std::collections::BTreeMap;

use serde_json::Value;

/// Longest reference that is looked for; FHIR has no limit, addresses on the web have this one.
pub(super) const REFERENCE_BYTES_MAX: usize = 2048;

/// Resources at hand, each with the address that it came by, if any.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beside {
    kept: Vec<Kept>,
    by_url: BTreeMap<Box<str>, Slot>,
    by_name: BTreeMap<Box<str>, Slot>,
}

#[derive(Debug, Clone, PartialEq)]
struct Kept {
    url: Option<Box<str>>,
    resource: Value,
}

/// Who answers to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    One(usize),
    /// Several that are not the same: none is meant.
    Several,
}

/// What a name leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer<'v> {
    None,
    One(&'v Value, Option<&'v str>),
    Several,
}

impl Beside {
    /// Keeps resources: each with its address (`fullUrl` of a bundle), if it has one.
    #[must_use]
    pub fn new(resources: impl IntoIterator<Item = (Option<String>, Value)>) -> Self {
        let mut beside = Self::default();
        for (url, resource) in resources {
            let url = url.map(|url| bare(&url).into());
            beside.kept.push(Kept { url, resource });
        }
        for (at, kept) in beside.kept.iter().enumerate() {
            if let Some(url) = kept.url.as_ref().filter(|url| url.len() <= REFERENCE_BYTES_MAX) {
                enter(&mut beside.by_url, url.clone(), at, &beside.kept);
            }
            let (kind, id) = (text(&kept.resource, "resourceType"), text(&kept.resource, "id"));
            if let (Some(kind), Some(id)) = (kind, id)
                && kind.len() + id.len() < REFERENCE_BYTES_MAX
            {
                enter(&mut beside.by_name, format!("{kind}/{id}").into(), at, &beside.kept);
            }
        }
        beside
    }

    /// One of them by its place.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&Value> {
        self.kept.get(at).map(|kept| &kept.resource)
    }

    /// The address of one of them.
    #[must_use]
    pub fn url(&self, at: usize) -> Option<&str> {
        self.kept.get(at)?.url.as_deref()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn by_url(&self, url: &str) -> Answer<'_> {
        self.answer(self.by_url.get(url))
    }

    /// By type and id, such as `Patient/12`.
    pub(super) fn by_name(&self, name: &str) -> Answer<'_> {
        self.answer(self.by_name.get(name))
    }

    fn answer(&self, slot: Option<&Slot>) -> Answer<'_> {
        match slot {
            None => Answer::None,
            Some(Slot::Several) => Answer::Several,
            Some(Slot::One(at)) => match self.kept.get(*at) {
                Some(kept) => Answer::One(&kept.resource, kept.url.as_deref()),
                None => Answer::None,
            },
        }
    }
}

/// Two that are the same are one; a page may bring what it includes twice.
fn enter(index: &mut BTreeMap<Box<str>, Slot>, key: Box<str>, at: usize, kept: &[Kept]) {
    let is_same = |known: usize| {
        kept.get(known).map(|kept| &kept.resource) == kept.get(at).map(|kept| &kept.resource)
    };
    let slot = index.entry(key).or_insert(Slot::One(at));
    if let Slot::One(known) = *slot
        && known != at
        && !is_same(known)
    {
        *slot = Slot::Several;
    }
}

/// A reference without the version that it names.
pub(super) fn bare(reference: &str) -> &str {
    reference.split_once("/_history/").map_or(reference, |(bare, _)| bare)
}

pub(super) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}
