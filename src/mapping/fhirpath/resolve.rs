//! `resolve()`: from a reference to the resource that it means, if that is at hand.
//!
//! Nothing is fetched. A reference that two resources could answer is answered by none: a text to
//! the wrong patient is worse than no text.

use serde_json::Value;

use super::Item;
use super::entry::Entry;
use super::evaluate::Evaluation;
use super::work::TooMuch;

/// Longest reference that is looked for; FHIR has no limit, addresses on the web have this one.
const REFERENCE_BYTES_MAX: usize = 2048;

impl<'v> Evaluation<'v> {
    pub(super) fn resolve(&mut self, entry: &Entry<'v>) -> Result<Option<Entry<'v>>, TooMuch> {
        let Some(reference) = reference(entry).filter(|text| text.len() <= REFERENCE_BYTES_MAX)
        else {
            return Ok(None);
        };
        if let Some(id) = reference.strip_prefix('#') {
            let found = self.contained(entry.home, id)?;
            return Ok(found.map(|found| Entry::at_home(Item::Node(found), entry.home)));
        }
        let reference = reference.split_once("/_history/").map_or(reference, |(bare, _)| bare);
        let name = Name::of(reference);
        let (mut by_url, mut by_name) = (Only::default(), Only::default());
        for (url, resource) in candidates(self.root, self.included) {
            self.work.spend(1)?;
            if url == Some(reference) {
                by_url.offer(resource);
            }
            if name.is_some_and(|name| name.is_of(resource)) {
                by_name.offer(resource);
            }
        }
        let found = if by_url.is_offered { by_url.resource } else { by_name.resource };
        Ok(found.map(Entry::resource))
    }

    fn contained(&mut self, home: &'v Value, id: &str) -> Result<Option<&'v Value>, TooMuch> {
        if id.is_empty() {
            return Ok(Some(home));
        }
        let mut only = Only::default();
        for resource in array(home, "contained") {
            self.work.spend(1)?;
            if text(resource, "id") == Some(id) {
                only.offer(resource);
            }
        }
        Ok(only.resource)
    }
}

fn reference<'a>(entry: &'a Entry<'_>) -> Option<&'a str> {
    let Item::Node(node @ Value::Object(_)) = entry.item else { return entry.text() };
    text(node, "reference")
}

/// What a reference says without address: `Patient/12`.
#[derive(Clone, Copy)]
struct Name<'a> {
    resource_type: &'a str,
    id: &'a str,
}

impl<'a> Name<'a> {
    fn of(reference: &'a str) -> Option<Self> {
        let (before, id) = reference.rsplit_once('/')?;
        let is_absolute = before.starts_with("http://") || before.starts_with("https://");
        let resource_type = match before.rsplit_once('/') {
            Some((_, last)) if is_absolute => last,
            Some(_) => return None,
            None => before,
        };
        Some(Self { resource_type, id })
    }

    fn is_of(self, resource: &Value) -> bool {
        text(resource, "resourceType") == Some(self.resource_type)
            && text(resource, "id") == Some(self.id)
    }
}

/// A resource if it alone was offered.
#[derive(Default)]
struct Only<'v> {
    is_offered: bool,
    resource: Option<&'v Value>,
}

impl<'v> Only<'v> {
    fn offer(&mut self, resource: &'v Value) {
        let is_repeated = self.resource.is_some_and(|known| std::ptr::eq(known, resource));
        self.resource = (!self.is_offered || is_repeated).then_some(resource);
        self.is_offered = true;
    }
}

/// The resources at hand, those of bundles with their addresses.
fn candidates<'v>(
    root: &'v Value,
    included: &'v [Value],
) -> impl Iterator<Item = (Option<&'v str>, &'v Value)> {
    let is_bundle = |value: &Value| text(value, "resourceType") == Some("Bundle");
    let bundles = std::iter::once(root).chain(included).filter(move |value| is_bundle(value));
    let entries = bundles.flat_map(|bundle| array(bundle, "entry")).filter_map(|entry| {
        let resource = entry.get("resource")?;
        Some((text(entry, "fullUrl"), resource))
    });
    let plain = included.iter().filter(move |value| !is_bundle(value)).map(|value| (None, value));
    entries.chain(plain)
}

fn array<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}
