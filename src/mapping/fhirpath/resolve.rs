//! `resolve()` and `getReferenceKey()`: from a reference to the resource that it means, if that is at
//! hand, or to the id that it names.
//!
//! Nothing is fetched. A reference that two resources could answer is answered by none: a text to
//! the wrong patient is worse than no text. So is one to another host than the resource came from.

use serde_json::Value;

use super::Item;
use super::beside::{Answer, REFERENCE_BYTES_MAX, bare, text};
use super::entry::{Entry, Home};
use super::evaluate::{Evaluation, Found};
use super::work::TooMuch;

impl<'v> Evaluation<'_, 'v> {
    pub(super) fn resolve(&mut self, entry: &Entry<'v>) -> Result<Option<Entry<'v>>, TooMuch> {
        let Some(reference) = reference(entry).filter(|text| text.len() <= REFERENCE_BYTES_MAX)
        else {
            return Ok(None);
        };
        if let Some(id) = reference.strip_prefix('#') {
            let found = self.contained(entry.home.resource, id)?;
            return Ok(found.map(|found| Entry::at_home(Item::Node(found), entry.home)));
        }
        let reference = bare(reference);
        let name = Name::of(reference);
        let (mut by_url, mut by_name) = (Only::default(), Only::default());
        for beside in self.context.beside {
            self.work.spend(reference.len())?;
            by_url.hear(beside.by_url(reference));
            if let Some(name) = name {
                let answer = beside.by_name(name.whole);
                by_name.hear(match answer {
                    Answer::One(_, Some(url)) if !is_of_host(name, url, entry.home.url) => {
                        Answer::None
                    }
                    Answer::One(..) | Answer::Several | Answer::None => answer,
                });
            }
        }
        let found = if by_url.is_offered { by_url.home } else { by_name.home };
        Ok(found.map(Entry::resource))
    }

    fn contained(&mut self, home: &'v Value, id: &str) -> Result<Option<&'v Value>, TooMuch> {
        if id.is_empty() {
            return Ok(Some(home));
        }
        let mut only = Only::default();
        let contained = home.get("contained").and_then(Value::as_array);
        for resource in contained.into_iter().flatten() {
            self.work.spend(1)?;
            if text(resource, "id") == Some(id) {
                only.offer(resource, None);
            }
        }
        Ok(only.home.map(|home| home.resource))
    }

    /// The ids that references name, or those of references to one type; nothing for what has no
    /// name outside this resource or bundle (`#id`, `urn:uuid:`).
    pub(super) fn reference_keys(
        &mut self,
        input: &[Entry<'v>],
        wanted: Option<&str>,
    ) -> Found<'v> {
        let mut found = Vec::new();
        for entry in input {
            self.work.visit()?;
            let Some(reference) = reference(entry) else { continue };
            self.work.spend(reference.len())?;
            let Some(name) = Name::of(reference) else { continue };
            if wanted.is_none_or(|wanted| wanted == name.kind) {
                found.push(self.computed(Item::Text(name.id.to_owned())));
            }
        }
        Ok(found)
    }
}

fn reference<'a>(entry: &'a Entry<'_>) -> Option<&'a str> {
    let Item::Node(node @ Value::Object(_)) = entry.item else { return entry.text() };
    text(node, "reference")
}

/// Whether what has this address can be meant by a reference that stands in a resource with that
/// address: one of another host is another resource, whatever its id.
fn is_of_host(name: Name<'_>, url: &str, home: Option<&str>) -> bool {
    if !is_web(url) {
        return true;
    }
    // An absolute reference would have been found by its address.
    if name.is_absolute {
        return false;
    }
    let home = home.filter(|home| is_web(home));
    let own = home.and_then(|home| home.strip_suffix(Name::of(home)?.whole));
    match (own, url.strip_suffix(name.whole)) {
        (Some(own), Some(other)) => own == other,
        (None, _) | (_, None) => true,
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// What a reference says without address: `Patient/12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mapping) struct Name<'a> {
    whole: &'a str,
    kind: &'a str,
    /// The id.
    pub(in crate::mapping) id: &'a str,
    is_absolute: bool,
}

impl<'a> Name<'a> {
    /// Type and id with the slash between them.
    pub(in crate::mapping) const fn whole(self) -> &'a str {
        self.whole
    }

    /// Reads the end of a reference, without the version that it may name.
    pub(in crate::mapping) fn of(reference: &'a str) -> Option<Self> {
        let reference = bare(reference);
        let (before, id) = reference.rsplit_once('/')?;
        let is_absolute = is_web(before);
        let kind = match before.rsplit_once('/') {
            Some((_, last)) if is_absolute => last,
            Some(_) => return None,
            None => before,
        };
        // A search (`Patient?identifier=..`) and a path of the web are no names.
        let is_name = |text: &str| {
            !text.is_empty() && !text.contains(|char: char| "?#:&=".contains(char) || char == ' ')
        };
        if !is_name(kind) || !is_name(id) {
            return None;
        }
        let whole = reference.get(reference.len() - id.len() - kind.len() - 1..)?;
        Some(Self { whole, kind, id, is_absolute })
    }
}

/// A resource if it alone was offered.
#[derive(Default)]
struct Only<'v> {
    is_offered: bool,
    home: Option<Home<'v>>,
}

impl<'v> Only<'v> {
    fn offer(&mut self, resource: &'v Value, url: Option<&'v str>) {
        let is_repeated = self.home.is_some_and(|known| known.resource == resource);
        self.home = (!self.is_offered || is_repeated).then_some(Home { resource, url });
        self.is_offered = true;
    }

    fn hear(&mut self, answer: Answer<'v>) {
        match answer {
            Answer::None => {}
            Answer::One(resource, url) => self.offer(resource, url),
            Answer::Several => {
                self.home = None;
                self.is_offered = true;
            }
        }
    }
}
