//! A wish as the whole resource: the JSON just read, with only the fields changed that it is about.
//!
//! A typed round trip would lose what the type does not know. Numbers keep their value; how many
//! noughts a decimal had is lost in reading already.

use serde_json::{Value, json};

use super::{Body, Task};

pub(super) fn body(task: &Task<'_>) -> Body {
    let mut resource = task.held.raw.clone();
    if task.changes_status() {
        set(Some(&mut resource), "status", json!(task.status()));
    } else {
        let list = resource.get_mut("participant");
        let own = list.and_then(|list| list.get_mut(task.patient.index));
        set(own, "status", json!(task.participant_status().as_str()));
    }
    if let Some((name, concept)) = task.reason() {
        set(Some(&mut resource), name, concept.to_json());
    }
    Body::Resource(resource)
}

/// Sets a field in its place, or as the last one.
fn set(object: Option<&mut Value>, name: &str, value: Value) {
    if let Some(fields) = object.and_then(Value::as_object_mut) {
        fields.insert(name.to_owned(), value);
    }
}
