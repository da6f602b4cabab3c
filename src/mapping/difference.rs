//! What a changed mapping would do otherwise: the events of two mappings, field by field.
//!
//! Pure. Whoever compares brings the messages: files, or those that the journal has kept.

use serde_json::{Map, Value, json};

use super::Site;
use super::compile::Mapping;
use super::view::Input;
use crate::clock::Timestamp;

/// One field that two mappings read differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which event of the message, from 1.
    pub event: usize,
    /// The field, such as `appointment.start`.
    pub field: String,
    /// What the old mapping says; `None` if it says nothing.
    pub old: Option<Value>,
    /// What the new one says.
    pub new: Option<Value>,
}

impl Change {
    /// Renders it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let side = |value: &Option<Value>| match value {
            // A value that is deleted and one that is not said are two things.
            None => json!("(not said)"),
            Some(value) => value.clone(),
        };
        json!({
            "event": self.event, "field": self.field,
            "old": side(&self.old), "new": side(&self.new),
        })
    }
}

/// Reads a message with both mappings and compares the events; nothing if they are the same.
#[must_use]
pub fn difference(
    old: &Mapping,
    new: &Mapping,
    input: Input<'_>,
    site: &Site<'_>,
    now: Timestamp,
) -> Vec<Change> {
    let read = |mapping: &Mapping| {
        mapping.apply(input, site, now).to_json(&mapping.origin(input, site)).into_iter()
    };
    let (mut old, mut new) = (read(old), read(new));
    let mut changes = Vec::new();
    for event in 1.. {
        let (old, new) = (old.next(), new.next());
        if old.is_none() && new.is_none() {
            break;
        }
        compare(event, "", old.as_ref(), new.as_ref(), &mut changes);
    }
    changes
}

/// Which mapping it was is not a difference.
const NAMES: [&str; 2] = ["source.mapping", "source.mapping_hash"];

fn compare(
    event: usize,
    field: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    changes: &mut Vec<Change>,
) {
    if old == new || NAMES.contains(&field) {
        return;
    }
    let empty = Map::new();
    let parts = |side: Option<&Value>| match side {
        Some(Value::Object(parts)) => Some(parts.clone()),
        Some(_) => None,
        None => Some(empty.clone()),
    };
    // A part is compared by its own parts, unless one side has a plain value there.
    match (parts(old), parts(new)) {
        (Some(before), Some(after)) if old.or(new).is_some_and(Value::is_object) => {
            let gone = after.keys().filter(|key| !before.contains_key(*key));
            for key in before.keys().chain(gone) {
                let field = if field.is_empty() { key.clone() } else { format!("{field}.{key}") };
                compare(event, &field, before.get(key), after.get(key), changes);
            }
        }
        (Some(_) | None, _) => changes.push(Change {
            event,
            field: field.to_owned(),
            old: old.cloned(),
            new: new.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(old: &Value, new: &Value) -> Vec<(String, Option<Value>, Option<Value>)> {
        let mut changes = Vec::new();
        compare(1, "", Some(old), Some(new), &mut changes);
        changes.into_iter().map(|change| (change.field, change.old, change.new)).collect()
    }

    #[test]
    fn only_what_differs_is_told() {
        let old = json!({"event": "BOOKED", "source": {"mapping": "a", "mapping_hash": "1"},
            "appointment": {"type": "X", "location": {"code": "C"}, "ids": [1]}});
        let new = json!({"event": "BOOKED", "source": {"mapping": "b", "mapping_hash": "2"},
            "appointment": {"type": null, "location": {"code": "C", "name": "N"}, "ids": [1, 2]}});
        assert_eq!(
            changes(&old, &new),
            [
                ("appointment.type".to_owned(), Some(json!("X")), Some(Value::Null)),
                ("appointment.location.name".to_owned(), None, Some(json!("N"))),
                ("appointment.ids".to_owned(), Some(json!([1])), Some(json!([1, 2]))),
            ]
        );
        assert!(changes(&old, &old).is_empty());
    }

    #[test]
    fn an_event_that_is_no_more_is_told_by_its_fields() {
        let old = json!({"event": "BOOKED", "patient": {"id": "1"}});
        let new = json!({"event": null, "reason": "x"});
        let fields: Vec<_> = changes(&old, &new).into_iter().map(|change| change.0).collect();
        assert_eq!(fields, ["event", "patient.id", "reason"]);
    }
}
