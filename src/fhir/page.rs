//! One page of a search's answer, entry by entry, and the way from page to page.
//!
//! A page is a Bundle of whatever type. One entry that makes no sense is kept as such and spoils
//! nothing else; a link to another server spoils the page, because the next request would carry a
//! credential there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::address::{Address, Origin};
use super::json::{self, NoJson};
use super::resource;
use crate::category::Category;

/// Most entries of a page. Asked for are 100; some servers ignore that and send all they have.
pub const ENTRIES_MAX: usize = 20_000;

/// Most codes of warnings kept of a page; they are shown, and many say no more than a few.
const WARNINGS_MAX: usize = 20;

/// Why a page, or a walk through pages, cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The body is no JSON.
    #[error(transparent)]
    NoJson(#[from] NoJson),
    /// The server answered with an `OperationOutcome` instead; with the codes of its issues.
    #[error("the server answered with an outcome: {}", .0.join(", "))]
    Outcome(Vec<String>),
    /// Another resource, or none.
    #[error("the answer is no Bundle")]
    NoBundle,
    /// More than [`ENTRIES_MAX`].
    #[error("the page has more than {ENTRIES_MAX} entries")]
    TooManyEntries,
    /// The link to the next page leads to another server, or is no address.
    #[error("the link to the next page leads to another server, or nowhere")]
    ForeignLink,
    /// The link to the next page was followed before.
    #[error("the links from page to page run in a circle")]
    Loop,
    /// The walk was longer than allowed.
    #[error("there are more than {0} pages")]
    TooManyPages(usize),
}

impl PageError {
    /// What kind of failure this is.
    #[must_use]
    pub const fn category(&self) -> Category {
        match self {
            Self::NoJson(_) | Self::NoBundle | Self::Loop => Category::Malformed,
            Self::Outcome(_) => Category::Unavailable,
            Self::TooManyEntries | Self::ForeignLink | Self::TooManyPages(_) => Category::Rejected,
        }
    }
}

/// A page of results.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// What it holds, in its order.
    pub entries: Vec<Entry>,
    /// The address of the next page, as the server wrote it if that was absolute.
    pub next: Option<String>,
    /// Issue codes of outcomes within the page.
    pub warnings: Vec<String>,
    /// How many results there are in all, if the server says.
    pub total: Option<u64>,
}

/// An entry of a page. Printing one does not show what it says.
#[derive(Clone, PartialEq)]
pub enum Entry {
    /// What was searched for.
    Match(Found),
    /// What came along.
    Include(Found),
    /// What the server says about the search.
    Outcome(Value),
    /// What cannot be used.
    Bad {
        /// Why.
        reason: &'static str,
        /// The entry as it came.
        raw: Value,
    },
}

/// A resource of a page.
#[derive(Clone, PartialEq)]
pub struct Found {
    /// Its address, if the entry states one.
    pub url: Option<String>,
    /// The resource; it has a type and an id.
    pub resource: Value,
}

impl Found {
    /// The resource as an entry, which remembers its address.
    #[must_use]
    pub fn into_entry(self) -> Value {
        let mut entry = serde_json::Map::new();
        entry.extend(self.url.map(|url| ("fullUrl".to_owned(), Value::from(url))));
        entry.insert("resource".to_owned(), self.resource);
        Value::Object(entry)
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Match(found) => f.debug_tuple("Match").field(found).finish(),
            Self::Include(found) => f.debug_tuple("Include").field(found).finish(),
            Self::Outcome(_) => f.write_str("Outcome"),
            Self::Bad { reason, .. } => f.debug_tuple("Bad").field(reason).finish(),
        }
    }
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(json::kind(&self.resource))
    }
}

/// Reads a page of a search for appointments at a server's base address.
///
/// ```
/// use appointd::fhir::page::{Entry, read};
/// let body = br#"{"resourceType": "Bundle", "link": [{"relation": "next", "url": "?page=2"}],
///     "entry": [{"resource": {"resourceType": "Appointment", "id": "a1"}}, {"fullUrl": 7}]}"#;
/// let page = read(body, "https://ehr.example.org/r4")?;
/// assert!(matches!(&page.entries[..], [Entry::Match(_), Entry::Bad { .. }]));
/// assert_eq!(page.next.unwrap(), "https://ehr.example.org/r4/Appointment?page=2");
/// # Ok::<(), appointd::fhir::page::PageError>(())
/// ```
///
/// # Errors
/// See [`PageError`]; an entry that makes no sense is none.
pub fn read(body: &[u8], base: &str) -> Result<Page, PageError> {
    let mut root = json::parse(body)?;
    match json::kind(&root) {
        "Bundle" => {}
        "OperationOutcome" => return Err(PageError::Outcome(issue_codes(&root).collect())),
        _ => return Err(PageError::NoBundle),
    }
    let mut page = Page {
        next: next(&root, base)?,
        total: root.get("total").and_then(json::count),
        ..Page::default()
    };
    let entries = match root.get_mut("entry").map(Value::take) {
        Some(Value::Array(entries)) => entries,
        Some(Value::Null) | None => Vec::new(),
        Some(single) => vec![single],
    };
    if entries.len() > ENTRIES_MAX {
        return Err(PageError::TooManyEntries);
    }
    for raw in entries {
        let entry = entry(raw);
        if let Entry::Outcome(outcome) = &entry {
            for code in issue_codes(outcome) {
                if page.warnings.len() < WARNINGS_MAX && !page.warnings.contains(&code) {
                    page.warnings.push(code);
                }
            }
        }
        page.entries.push(entry);
    }
    Ok(page)
}

fn issue_codes(outcome: &Value) -> impl Iterator<Item = String> {
    let issues = json::each(outcome, "issue").iter().take(WARNINGS_MAX);
    issues.map(|issue| json::code(json::text(issue, "code").unwrap_or_default()))
}

fn entry(mut raw: Value) -> Entry {
    let bad = |reason, raw| Entry::Bad { reason, raw };
    let Some(resource) = raw.get("resource").filter(|resource| resource.is_object()) else {
        return bad("the entry has no resource", raw);
    };
    let kind = json::kind(resource);
    if kind == "OperationOutcome" {
        let outcome = raw.get_mut("resource").map(Value::take).unwrap_or_default();
        return Entry::Outcome(outcome);
    }
    if !json::is_type(kind) {
        return bad("the resource has no type", raw);
    }
    if resource::identity(resource).is_none() {
        return bad("the resource has no id that it could be read by", raw);
    }
    let mode = raw.get("search").and_then(|search| json::text(search, "mode"));
    let is_match = match mode {
        Some("include") => false,
        // Some servers call what they include a match.
        Some(_) | None => kind == "Appointment",
    };
    let url = json::word(&raw, "fullUrl");
    let resource = raw.get_mut("resource").map(Value::take).unwrap_or_default();
    let found = Found { url, resource };
    if is_match { Entry::Match(found) } else { Entry::Include(found) }
}

/// The address of the next page. A cursor is opaque, so an absolute link is followed as it stands.
fn next(root: &Value, base: &str) -> Result<Option<String>, PageError> {
    let Some(link) = link(root, "next") else { return Ok(None) };
    let base = Address::parse(base).ok_or(PageError::ForeignLink)?;
    let is_own = |url: &str| Origin::of(url).is_some_and(|origin| origin == base.origin);
    let head = link.split(['/', '?']).next().unwrap_or_default();
    let url = if head.contains(':') {
        link.to_owned()
    } else if let Some(rest) = link.strip_prefix("//") {
        format!("{}://{rest}", base.origin.scheme())
    } else if link.starts_with('/') {
        format!("{}{link}", base.origin.written())
    } else if link.starts_with('?') {
        // Relative to what was asked for, which the page tells as its own address.
        let own = self::link(root, "self").and_then(|own| own.split('?').next());
        let own = own.filter(|own| is_own(own)).map(str::to_owned);
        format!("{}{link}", own.unwrap_or_else(|| format!("{}/Appointment", base.written())))
    } else {
        // FHIR has links relative to the base, not to the request.
        format!("{}/{link}", base.written())
    };
    if is_own(&url) { Ok(Some(url)) } else { Err(PageError::ForeignLink) }
}

fn link<'v>(root: &'v Value, relation: &str) -> Option<&'v str> {
    let links = json::each(root, "link").iter();
    let mut urls = links.filter(|link| json::text(link, "relation") == Some(relation));
    urls.find_map(|link| json::text(link, "url").map(str::trim).filter(|url| !url.is_empty()))
}

/// A walk from page to page, which ends.
#[derive(Debug, Clone)]
pub struct PageWalk {
    pages_max: usize,
    pages: usize,
    seen: BTreeSet<String>,
}

impl PageWalk {
    /// Starts at the first page, of which there is one.
    #[must_use]
    pub fn new(first: &str, pages_max: usize) -> Self {
        Self { pages_max, pages: 1, seen: BTreeSet::from([mark(first)]) }
    }

    /// How many pages were gone to.
    #[must_use]
    pub const fn pages(&self) -> usize {
        self.pages
    }

    /// Goes on to a next page.
    ///
    /// # Errors
    /// [`PageError::Loop`] if it was gone to before, [`PageError::TooManyPages`] at the limit.
    pub fn follow(&mut self, next: &str) -> Result<(), PageError> {
        if !self.seen.insert(mark(next)) {
            return Err(PageError::Loop);
        }
        if self.pages >= self.pages_max {
            return Err(PageError::TooManyPages(self.pages_max));
        }
        self.pages += 1;
        Ok(())
    }
}

/// Cursors can be long, and there may be many pages.
fn mark(url: &str) -> String {
    json::digest([url.as_bytes()])
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
