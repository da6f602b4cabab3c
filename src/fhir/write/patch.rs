//! A wish as a patch: JSON Patch, which can test what it changes, and `FHIRPath` Patch, which cannot.

use serde_json::{Value, json};

use super::policy::Concept;
use super::{Body, Task};
use crate::core::appointment::WishKind;

/// One operation of a `FHIRPath` Patch. R4, Patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FhirPathOp {
    /// Puts another value in the place of one.
    Replace {
        /// The element, as `FHIRPath`.
        path: String,
        /// What it becomes.
        value: FhirPathValue,
    },
    /// Adds an element.
    Add {
        /// What it is added to, as `FHIRPath`.
        path: String,
        /// Its name there.
        name: String,
        /// What it is.
        value: FhirPathValue,
    },
}

/// What a `FHIRPath` Patch writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FhirPathValue {
    /// `valueCode`.
    Code(String),
    /// `valueCodeableConcept`.
    Concept(Concept),
}

/// A place in a JSON document. RFC 6901, 3 and 4.
pub(super) fn pointer<'a>(tokens: impl IntoIterator<Item = &'a str>) -> String {
    let mut pointer = String::new();
    for token in tokens {
        pointer.push('/');
        pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

pub(super) fn json(task: &Task<'_>) -> Body {
    let index = task.patient.index.to_string();
    let mut operations = Vec::new();
    if task.policy.patch_tests {
        operations.push(test(["status"], task.held.status));
        if let Some(reference) = task.patient.reference {
            let place = ["participant", index.as_str(), "actor", "reference"];
            operations.push(test(place, reference));
        }
        // A confirmation is one of a time: where `If-Match` is overlooked, nothing else would notice
        // that it has been moved since it was read.
        let start = task.held.text("start").filter(|_| task.wish.kind == WishKind::Confirm);
        operations.extend(start.map(|start| test(["start"], start)));
    }
    if task.changes_status() {
        operations.push(write("replace", &pointer(["status"]), json!(task.status())));
    } else {
        // Replacing what is not there fails. RFC 6902, 4.3.
        let op = if task.patient.has_status { "replace" } else { "add" };
        let place = pointer(["participant", index.as_str(), "status"]);
        operations.push(write(op, &place, json!(task.participant_status().as_str())));
    }
    if let Some((name, concept)) = task.reason() {
        // Adding replaces what is there. RFC 6902, 4.1.
        operations.push(write("add", &pointer([name]), concept.to_json()));
    }
    Body::JsonPatch(operations)
}

fn test<'a>(place: impl IntoIterator<Item = &'a str>, value: &str) -> Value {
    write("test", &pointer(place), json!(value))
}

fn write(op: &str, path: &str, value: Value) -> Value {
    json!({ "op": op, "path": path, "value": value })
}

pub(super) fn fhirpath(task: &Task<'_>) -> Body {
    let mut operations = Vec::new();
    if task.changes_status() {
        let value = FhirPathValue::Code(task.status().to_owned());
        operations.push(replace("Appointment.status".to_owned(), value));
    } else {
        let place = format!("Appointment.participant[{}]", task.patient.index);
        let value = FhirPathValue::Code(task.participant_status().as_str().to_owned());
        operations.push(if task.patient.has_status {
            replace(format!("{place}.status"), value)
        } else {
            add(place, "status", value)
        });
    }
    if let Some((name, concept)) = task.reason() {
        let value = FhirPathValue::Concept(concept.clone());
        // Adding a second one of what may be there once is refused.
        operations.push(if task.held.raw.get(name).is_some() {
            replace(format!("Appointment.{name}"), value)
        } else {
            add("Appointment".to_owned(), name, value)
        });
    }
    Body::FhirPath(operations)
}

const fn replace(path: String, value: FhirPathValue) -> FhirPathOp {
    FhirPathOp::Replace { path, value }
}

fn add(path: String, name: &str, value: FhirPathValue) -> FhirPathOp {
    FhirPathOp::Add { path, name: name.to_owned(), value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_spells_its_marks() {
        assert_eq!(pointer(["participant", "2", "status"]), "/participant/2/status");
        assert_eq!(pointer(["a/b", "m~n", ""]), "/a~1b/m~0n/");
        assert_eq!(pointer(["~1"]), "/~01");
        assert_eq!(pointer([]), "");
    }
}
