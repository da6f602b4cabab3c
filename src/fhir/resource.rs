//! One resource as raw JSON: which it is, whether it changed, which of two is newer, and the forms
//! in which a read appointment and a deletion are kept.
//!
//! Where a function takes resources, an entry of a Bundle (`{"fullUrl": .., "resource": ..}`) does
//! as well: the address tells apart what two servers keep under one type and id.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use super::json;
use super::reference::Name;
use crate::clock::Timestamp;

/// Most appointments that one is said to replace; the rest is not followed.
const REPLACED_MAX: usize = 16;

/// R4's form of an R5 element, by its end: FHIR's extensions package for use of R5 in R4.
const REPLACES: [&str; 2] = [
    "/5.0/StructureDefinition/extension-Appointment.replaces",
    "/5.0/StructureDefinition/extension-Appointment.previousAppointment",
];

/// Which resource this is, and which state of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its type, such as `Appointment`.
    pub kind: String,
    /// Its logical id at its server.
    pub id: String,
    /// `meta.versionId`.
    pub version: Option<String>,
    /// `meta.lastUpdated`.
    pub last_updated: Option<Timestamp>,
}

/// The resource itself, be it given bare or as an entry of a Bundle.
#[must_use]
pub fn bare(value: &Value) -> &Value {
    let inner = value.get("resource").filter(|_| json::kind(value).is_empty());
    inner.unwrap_or(value)
}

/// Which resource this is; nothing if it has no type or no id that could be read by.
#[must_use]
pub fn identity(resource: &Value) -> Option<Identity> {
    let resource = bare(resource);
    let kind = json::kind(resource);
    let id = json::word(resource, "id").filter(|id| json::is_id(id))?;
    let meta = resource.get("meta").unwrap_or(&Value::Null);
    json::is_type(kind).then(|| Identity {
        kind: kind.to_owned(),
        id,
        version: json::word(meta, "versionId"),
        last_updated: json::instant_in(meta, "lastUpdated"),
    })
}

/// Whether the first is newer than the second: by `lastUpdated`, then by `versionId` if both are
/// numbers. Nothing if that cannot be said.
#[must_use]
pub fn is_newer(first: &Identity, second: &Identity) -> Option<bool> {
    if (&first.kind, &first.id) != (&second.kind, &second.id) {
        return None;
    }
    let by_time = first.last_updated.zip(second.last_updated).map(|(one, other)| one.cmp(&other));
    if let Some(order) = by_time.filter(|order| order.is_ne()) {
        return Some(order.is_gt());
    }
    let (one, other) = (first.version.as_deref()?, second.version.as_deref()?);
    let number = |version: &str| version.parse::<u64>().ok();
    match number(one).zip(number(other)) {
        Some((one, other)) => Some(one.cmp(&other) == Ordering::Greater),
        None => (one == other).then_some(false),
    }
}

/// The digest of what a resource and those beside it say.
///
/// Left out is what changes without anything being said: `meta.lastUpdated`, `meta.versionId` and
/// the rendered text, of contained resources too; the order of keys and of what is included; how an
/// instant is written. A server that stamps the time of the request is seen as unchanged.
///
/// ```
/// use appointd::fhir::resource::fingerprint;
/// use serde_json::json;
/// let one = json!({"resourceType": "Appointment", "start": "2026-12-01T09:00:00.000-05:00",
///     "meta": {"lastUpdated": "2026-11-20T11:16:00Z"}});
/// let other = json!({"start": "2026-12-01T14:00:00Z", "resourceType": "Appointment"});
/// assert_eq!(fingerprint(&one, &[]), fingerprint(&other, &[]));
/// ```
#[must_use]
pub fn fingerprint(resource: &Value, included: &[&Value]) -> String {
    let of_one = |resource: &Value| {
        let mut text = String::new();
        write_canonical(bare(resource), &mut text);
        json::digest([text.as_bytes()])
    };
    let beside: BTreeSet<String> = included.iter().map(|resource| of_one(resource)).collect();
    let whole = [of_one(resource)];
    json::digest(whole.iter().chain(&beside).map(|digest| digest.as_bytes()))
}

/// Writes a value so that equal contents are equal text. The depth is the parser's, at most 128.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let is_resource = members.contains_key("resourceType");
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_unstable();
            text.push('{');
            for name in names {
                let Some(member) = members.get(name) else { continue };
                match (name.as_str(), member) {
                    ("meta", Value::Object(meta)) if is_resource => {
                        write_without(&["lastUpdated", "versionId"], name, meta, text);
                    }
                    ("text", Value::Object(narrative)) if is_resource => {
                        write_without(&["div"], name, narrative, text);
                    }
                    _ => write_member(name, member, text),
                }
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::String(plain) => match json::instant(plain) {
            Some(at) => text.push_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => text.push_str(&value.to_string()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
    }
}

fn write_member(name: &str, member: &Value, text: &mut String) {
    text.push_str(&Value::from(name).to_string());
    text.push(':');
    write_canonical(member, text);
    text.push(',');
}

/// Writes a member without some of what it holds, and not at all if nothing is left.
fn write_without(left_out: &[&str], name: &str, members: &Map<String, Value>, text: &mut String) {
    let kept = members.iter().filter(|(name, _)| !left_out.contains(&name.as_str()));
    let kept: Map<String, Value> =
        kept.map(|(name, member)| (name.clone(), member.clone())).collect();
    if !kept.is_empty() {
        write_member(name, &Value::Object(kept), text);
    }
}

/// A Bundle of type `collection`: the form in which a read appointment is kept in the journal.
///
/// The appointment is the first entry and the only one of its type, because a reader takes each
/// appointment of a Bundle for one that is told of. Of what is included twice under one address the
/// newer is kept: a reference that two resources answer is answered by none.
#[must_use]
pub fn bundle(appointment: Value, included: Vec<Value>, base: &str) -> Vec<u8> {
    let mut entries = vec![Entry::new(appointment, base)];
    for value in included {
        let entry = Entry::new(value, base);
        if json::kind(&entry.resource) == "Appointment" {
            continue;
        }
        match entries.iter_mut().find(|known| known.is_same(&entry)) {
            None => entries.push(entry),
            Some(known) if entry.is_newer(known) => *known = entry,
            Some(_) => {}
        }
    }
    let entries: Vec<Value> = entries.into_iter().map(Entry::into_value).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
    bundle.to_string().into_bytes()
}

struct Entry {
    url: Option<String>,
    resource: Value,
}

impl Entry {
    fn new(mut value: Value, base: &str) -> Self {
        let is_entry = json::kind(&value).is_empty();
        let url = json::word(&value, "fullUrl").filter(|_| is_entry);
        let inner = value.get_mut("resource").filter(|_| is_entry).map(Value::take);
        let resource = inner.unwrap_or(value);
        let url = url.or_else(|| {
            let Identity { kind, id, .. } = identity(&resource)?;
            Some(format!("{}/{kind}/{id}", base.trim_end_matches('/')))
        });
        Self { url, resource }
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.url.is_some() && self.url == other.url) || self.resource == other.resource
    }

    fn is_newer(&self, other: &Self) -> bool {
        let pair = identity(&self.resource).zip(identity(&other.resource));
        pair.and_then(|(one, other)| is_newer(&one, &other)).unwrap_or(false)
    }

    fn into_value(self) -> Value {
        match self.url {
            Some(url) => json!({"fullUrl": url, "resource": self.resource}),
            None => json!({"resource": self.resource}),
        }
    }
}

/// A Bundle of type `history` with one `DELETE`: the form in which a deletion is kept in the journal.
#[must_use]
pub fn deleted(id: &str, at: Option<Timestamp>, base: &str) -> Vec<u8> {
    let mut response = json!({"status": "204"});
    if let (Some(at), Some(response)) = (at, response.as_object_mut()) {
        let at = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        response.insert("lastModified".to_owned(), at.into());
    }
    let url = format!("Appointment/{id}");
    let entry = json!({
        "fullUrl": format!("{}/{url}", base.trim_end_matches('/')),
        "request": {"method": "DELETE", "url": url},
        "response": response,
    });
    let bundle = json!({"resourceType": "Bundle", "type": "history", "entry": [entry]});
    bundle.to_string().into_bytes()
}

/// The ids of appointments that this one replaces or follows: R5's `replaces` and
/// `previousAppointment`, or their extensions for R4.
///
/// A previous appointment may simply be the visit before, so the id alone does not say that the
/// other is off.
#[must_use]
pub fn replaces(appointment: &Value) -> Vec<String> {
    let appointment = bare(appointment);
    let own = json::text(appointment, "id");
    let elements = ["replaces", "previousAppointment"].map(|name| json::each(appointment, name));
    let extensions = json::each(appointment, "extension").iter().filter(|extension| {
        let url = json::text(extension, "url").unwrap_or_default();
        REPLACES.iter().any(|end| url.ends_with(end))
    });
    let references = elements
        .into_iter()
        .flatten()
        .chain(extensions.filter_map(|extension| extension.get("valueReference")));
    let mut ids: Vec<String> = Vec::new();
    for name in references.filter_map(|value| Name::of(json::text(value, "reference")?)) {
        let is_other = name.kind == "Appointment" && Some(name.id.as_str()) != own;
        if is_other && !ids.contains(&name.id) && ids.len() < REPLACED_MAX {
            ids.push(name.id);
        }
    }
    ids
}

#[cfg(test)]
#[path = "resource_tests.rs"]
pub(in crate::fhir) mod tests;
