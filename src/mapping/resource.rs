//! FHIR resources as they come: one, several in a list or in lines, or in a bundle of any type.
//!
//! A text is opened entry by entry. What is an appointment, or tells that one is deleted, is to be
//! read; all else lies beside it for its references. An entry that is neither is told with its
//! reason, so that nothing is lost without a word. Knows nothing of what a mapping makes of it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::fhirpath::Beside;
use crate::core::appointment::Held;

/// The longest text that is read. A page of a thousand appointments with all that they refer to has
/// some megabytes; what is far longer is no page, and would take much memory.
pub const TEXT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The longest id and version that are kept. FHIR allows 64 characters, servers are more generous.
const ID_BYTES_MAX: usize = 400;

/// Where the tag of a deletion comes from: no server says so, this program does.
const TAG_SYSTEM: &str = "urn:appointd";
/// The tag of an appointment that was deleted.
const TAG_DELETED: &str = "deleted";

/// A FHIR resource with those that came with it, which it shares with others.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its place among the first of those beside it.
    at: usize,
    beside: Vec<Arc<Beside>>,
}

/// Why text is no resource; holds no value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoResource {
    /// Not JSON.
    #[error("this is no JSON (line {line}, column {column})")]
    Json {
        /// Where reading stopped.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// JSON without `resourceType`.
    #[error("the JSON is no FHIR resource: it has no resourceType")]
    Type,
    /// More than is read at once.
    #[error("the text has {bytes} bytes; at most {TEXT_BYTES_MAX} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
}

/// Why an entry is not read; holds no value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("entry {number}: {why}")]
pub struct NoEntry {
    /// Which of the bundle, list or lines, from 1.
    pub number: usize,
    /// Why.
    pub why: Why,
}

/// What is in the way of reading an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// `SubscriptionStatus`, or the `Parameters` that stand for it.
    #[error("it tells of a subscription, not of an appointment")]
    Subscription,
    /// `MessageHeader`.
    #[error("it is the header of a message")]
    Header,
    /// `OperationOutcome`.
    #[error("it is a remark of the server")]
    Remark,
    /// An address or a request without a resource, as notifications have them that only say that
    /// something changed.
    #[error("it tells of a resource without bringing it")]
    Hint,
    /// A deletion of anything but an appointment.
    #[error("it tells that something else than an appointment was deleted")]
    OtherDeleted,
    /// A deletion that names nothing.
    #[error("it is a deletion that does not say of what")]
    NothingDeleted,
    /// Neither resource nor anything about one.
    #[error("it has no resource")]
    Empty,
    /// JSON without `resourceType`.
    #[error("it has no resourceType")]
    Type,
    /// An appointment that nothing can be known by.
    #[error("the appointment has neither id nor identifier")]
    Id,
    /// A bundle in a bundle.
    #[error("it is a bundle in a bundle, which is not read")]
    Nested,
    /// A line that is no JSON.
    #[error("it is no JSON")]
    Json,
}

impl NoEntry {
    /// Whether something is wrong with the entry; what is not belongs to every bundle of its type.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        match self.why {
            Why::Subscription | Why::Header | Why::Remark | Why::Hint | Why::OtherDeleted => false,
            Why::NothingDeleted | Why::Empty | Why::Type | Why::Id | Why::Nested | Why::Json => {
                true
            }
        }
    }
}

impl Resource {
    /// Reads resources: one, several in a list or one in each line, or bundles, of which each
    /// appointment is one, and each deletion of an appointment ([`Resource::deleted`]). All others
    /// of the text lie beside each of them. Entries that are not read come with the reason; a bundle
    /// without appointments comes to nothing.
    ///
    /// # Errors
    /// [`NoResource`] if nothing of the text can be read.
    pub fn read_all(text: &str) -> Result<Vec<Result<Self, NoEntry>>, NoResource> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(NoResource::TooLong { bytes: text.len() });
        }
        let text = text.trim_start_matches('\u{feff}');
        let mut opened = Opened::default();
        match serde_json::from_str(text) {
            Ok(Value::Array(roots)) => {
                for (number, root) in (1..).zip(roots) {
                    opened.root(number, root);
                }
            }
            Ok(root) if kind(&root).is_empty() => return Err(NoResource::Type),
            Ok(root) => opened.root(1, root),
            Err(error) if is_lines(text) => {
                // The whole is no JSON, each line is.
                drop(error);
                let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
                for (number, line) in lines {
                    match serde_json::from_str(line) {
                        Ok(root) => opened.root(number, root),
                        Err(_) => opened.pass(number, Why::Json),
                    }
                }
            }
            Err(error) => {
                return Err(NoResource::Json { line: error.line(), column: error.column() });
            }
        }
        Ok(opened.close())
    }

    /// Wraps one resource.
    ///
    /// # Errors
    /// [`NoResource::Type`] if it is none.
    pub fn new(root: Value) -> Result<Self, NoResource> {
        if kind(&root).is_empty() {
            return Err(NoResource::Type);
        }
        Ok(Self { at: 0, beside: vec![Arc::new(Beside::new([(None, root)]))] })
    }

    /// An appointment of which nothing is left but that it was deleted: cancelled, with a tag that
    /// mappings tell it by. `at` is when, as the server writes it.
    #[must_use]
    pub fn deleted(id: &str, at: Option<&str>) -> Self {
        Self { at: 0, beside: vec![Arc::new(Beside::new([(None, tombstone(id, at))]))] }
    }

    /// Lays further resources beside it, for its references.
    #[must_use]
    pub fn with(mut self, beside: Arc<Beside>) -> Self {
        self.beside.push(beside);
        self
    }

    /// The resource itself.
    #[must_use]
    pub fn root(&self) -> &Value {
        const NOTHING: &Value = &Value::Null;
        self.beside.first().and_then(|own| own.get(self.at)).unwrap_or(NOTHING)
    }

    /// The address that it came by, if it came in a bundle.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.beside.first()?.url(self.at)
    }

    /// All resources at hand, itself among them.
    #[must_use]
    pub fn beside(&self) -> &[Arc<Beside>] {
        &self.beside
    }

    /// The resource's type, such as `Appointment`.
    #[must_use]
    pub fn kind(&self) -> &str {
        kind(self.root())
    }

    /// The resource's id; empty if it has none.
    #[must_use]
    pub fn id(&self) -> &str {
        id(self.root())
    }

    /// What it is at its server, if it is an appointment: id and version.
    pub(super) fn held(&self) -> Option<Held> {
        if self.kind() != "Appointment" || self.id().is_empty() {
            return None;
        }
        let version = match self.root().get("meta").and_then(|meta| meta.get("versionId")) {
            Some(Value::String(text)) => Some(text.trim().to_owned()),
            // Some servers count with numbers.
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) | None => None,
        };
        let version = version.filter(|text| !text.is_empty() && text.len() <= ID_BYTES_MAX);
        Some(Held { id: self.id().to_owned(), version })
    }
}

/// Whether a text holds a resource in each line: the first is one.
fn is_lines(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().and_then(|line| serde_json::from_str::<Value>(line).ok());
    first.is_some_and(|first| first.is_object()) && lines.next().is_some()
}

/// A text under opening.
#[derive(Default)]
struct Opened {
    /// All resources, with their addresses.
    kept: Vec<(Option<String>, Value)>,
    /// What is to be read, by its place among them, and what is not.
    entries: Vec<Result<usize, NoEntry>>,
}

impl Opened {
    fn close(self) -> Vec<Result<Resource, NoEntry>> {
        let beside = Arc::new(Beside::new(self.kept));
        let resource = |at| Resource { at, beside: vec![Arc::clone(&beside)] };
        self.entries.into_iter().map(|entry| entry.map(resource)).collect()
    }

    fn pass(&mut self, number: usize, why: Why) {
        self.entries.push(Err(NoEntry { number, why }));
    }

    /// Something that stands by itself: a resource of any type is to be read.
    fn root(&mut self, number: usize, root: Value) {
        match kind(&root) {
            "" => self.pass(number, Why::Type),
            "Bundle" => {
                let Value::Object(mut bundle) = root else { return };
                if let Some(Value::Array(entries)) = bundle.remove("entry") {
                    for (number, entry) in (1..).zip(entries) {
                        self.entry(number, entry);
                    }
                }
            }
            _ => self.keep(None, root),
        }
    }

    fn keep(&mut self, url: Option<String>, resource: Value) {
        self.entries.push(Ok(self.kept.len()));
        self.kept.push((url, resource));
    }

    fn entry(&mut self, number: usize, entry: Value) {
        let Value::Object(mut entry) = entry else { return self.pass(number, Why::Empty) };
        let url = member(&entry, "fullUrl").map(str::to_owned);
        if inner(&entry, "request", "method")
            .is_some_and(|said| said.eq_ignore_ascii_case("DELETE"))
        {
            return self.deletion(number, url, &entry);
        }
        let Some(resource @ Value::Object(_)) = entry.remove("resource") else {
            let says = ["fullUrl", "request", "response", "id"];
            let is_hint = says.iter().any(|name| entry.contains_key(*name));
            return self.pass(number, if is_hint { Why::Hint } else { Why::Empty });
        };
        match kind(&resource) {
            "" => self.pass(number, Why::Type),
            "Appointment" if !is_known(&resource) => self.pass(number, Why::Id),
            "Appointment" => self.keep(url, resource),
            "Bundle" => self.pass(number, Why::Nested),
            "Parameters" | "SubscriptionStatus" => self.pass(number, Why::Subscription),
            "MessageHeader" => self.pass(number, Why::Header),
            "OperationOutcome" => self.pass(number, Why::Remark),
            _ => self.kept.push((url, resource)),
        }
    }

    fn deletion(&mut self, number: usize, url: Option<String>, entry: &Map<String, Value>) {
        let said = inner(entry, "request", "url").and_then(target);
        match said.or_else(|| url.as_deref().and_then(target)) {
            Some(("Appointment", id)) => {
                let tombstone = tombstone(id, inner(entry, "response", "lastModified"));
                self.keep(url, tombstone);
            }
            Some(_) => self.pass(number, Why::OtherDeleted),
            None => self.pass(number, Why::NothingDeleted),
        }
    }
}

fn tombstone(id: &str, at: Option<&str>) -> Value {
    let mut meta = json!({ "tag": [{ "system": TAG_SYSTEM, "code": TAG_DELETED }] });
    if let (Some(at), Some(meta)) = (at, meta.as_object_mut()) {
        meta.insert("lastUpdated".to_owned(), json!(at));
    }
    json!({ "resourceType": "Appointment", "id": id, "status": "cancelled", "meta": meta })
}

/// Type and id of what a request is about, whatever stands before; not of a search.
fn target(url: &str) -> Option<(&str, &str)> {
    let bare = url.split_once("/_history").map_or(url, |(bare, _)| bare);
    let mut parts = bare.trim_end_matches('/').rsplit('/');
    let (id, kind) = (parts.next()?, parts.next()?);
    let is_name = |text: &str| !text.is_empty() && !text.contains(['?', '#', '=', '&', ':']);
    (is_name(id) && is_name(kind) && id.len() <= ID_BYTES_MAX).then_some((kind, id))
}

/// Whether an appointment can be told from others.
fn is_known(appointment: &Value) -> bool {
    let identifiers = appointment.get("identifier").and_then(Value::as_array);
    !id(appointment).is_empty() || identifiers.is_some_and(|all| !all.is_empty())
}

fn kind(root: &Value) -> &str {
    root.get("resourceType").and_then(Value::as_str).unwrap_or_default()
}

fn id(root: &Value) -> &str {
    let id = root.get("id").and_then(Value::as_str).map(str::trim);
    id.filter(|id| id.len() <= ID_BYTES_MAX).unwrap_or_default()
}

fn member<'v>(entry: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    entry.get(name)?.as_str()
}

fn inner<'v>(entry: &'v Map<String, Value>, outer: &str, name: &str) -> Option<&'v str> {
    entry.get(outer)?.get(name)?.as_str()
}
