//! JSON Patch (RFC 6902) and `FHIRPath` Patch, as far as appointments are written back by them.
//!
//! Of JSON Patch `test`, `replace`, `add` and `remove`; of `FHIRPath` Patch `replace`, `add`,
//! `insert` and `delete`, on paths of names, indexes and `where(a.b = 'c')`. A patch is applied as a whole or
//! not at all. What a resource may be is not looked at here.

use serde_json::{Map, Value};

/// Operations of one patch.
const OPERATIONS_MAX: usize = 100;
/// Steps of one path.
const STEPS_MAX: usize = 16;
/// The name by which Millennium takes the patient's answer; no element of FHIR.
const PATIENT_STATUS: &str = "/patient-status";
/// Elements of an appointment that are lists, for those that are not there yet.
const LISTS: [&str; 12] = [
    "extension",
    "identifier",
    "participant",
    "coding",
    "type",
    "serviceType",
    "serviceCategory",
    "specialty",
    "reasonCode",
    "reason",
    "note",
    "requestedPeriod",
];

/// Why a patch is not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is no patch.
    Malformed(&'static str),
    /// It does not fit the resource, or is not taken here.
    Unfit(&'static str),
    /// A `test` failed.
    Test,
}

/// Applies a JSON Patch; of `listed` operations only, if there are any.
pub(super) fn json_patch(
    resource: &Value,
    patch: &Value,
    listed: &[String],
) -> Result<Value, Refused> {
    let operations = patch.as_array().ok_or(Refused::Malformed("the patch is no array"))?;
    if operations.is_empty() || operations.len() > OPERATIONS_MAX {
        return Err(Refused::Malformed("the patch has no operation or too many"));
    }
    let mut changed = resource.clone();
    for operation in operations {
        let text = |name: &str| operation.get(name).and_then(Value::as_str);
        let op = text("op").ok_or(Refused::Malformed("an operation has no op"))?;
        let path = text("path").ok_or(Refused::Malformed("an operation has no path"))?;
        is_listed(listed, op, path)?;
        let value = operation.get("value");
        if path == PATIENT_STATUS && !listed.is_empty() {
            answer_of_patient(&mut changed, value)?;
        } else {
            json_operation(&mut changed, op, path, value)?;
        }
    }
    Ok(changed)
}

fn is_listed(listed: &[String], op: &str, path: &str) -> Result<(), Refused> {
    let is_listed = listed.is_empty() || listed.iter().any(|one| *one == format!("{op} {path}"));
    if is_listed { Ok(()) } else { Err(Refused::Unfit("this operation is not taken on this path")) }
}

/// Millennium takes it only while the appointment is booked and the patient has not answered.
fn answer_of_patient(resource: &mut Value, value: Option<&Value>) -> Result<(), Refused> {
    let code = value.cloned().ok_or(Refused::Malformed("an operation has no value"))?;
    let is_booked = resource.get("status").and_then(Value::as_str) == Some("booked");
    let participants = resource.get_mut("participant").and_then(Value::as_array_mut);
    let mut answered = 0;
    for participant in participants.into_iter().flatten() {
        let actor = participant.pointer("/actor/reference").and_then(Value::as_str);
        let is_patient = actor.is_some_and(|actor| actor.contains("Patient/"));
        let status = participant.get_mut("status");
        if let (true, Some(status)) = (is_patient, status)
            && matches!(status.as_str(), Some("tentative" | "needs-action"))
        {
            *status = code.clone();
            answered += 1;
        }
    }
    if is_booked && answered > 0 {
        return Ok(());
    }
    Err(Refused::Unfit("the patient's status cannot be changed now"))
}

fn json_operation(
    resource: &mut Value,
    op: &str,
    path: &str,
    value: Option<&Value>,
) -> Result<(), Refused> {
    let value = value.ok_or(Refused::Malformed("an operation has no value"));
    match op {
        "test" => {
            let is_same = resource.pointer(path) == Some(value?);
            if is_same { Ok(()) } else { Err(Refused::Test) }
        }
        "replace" => {
            let place =
                resource.pointer_mut(path).ok_or(Refused::Unfit("there is no such path"))?;
            *place = value?.clone();
            Ok(())
        }
        "add" => add(resource, path, value?.clone()),
        "remove" => remove(resource, path),
        _ => Err(Refused::Malformed("this operation is unknown here")),
    }
}

/// The path of what holds a value, and the value's own name in it.
fn split(path: &str) -> Result<(&str, String), Refused> {
    let (parent, name) = path.rsplit_once('/').ok_or(Refused::Malformed("a path is no pointer"))?;
    Ok((parent, name.replace("~1", "/").replace("~0", "~")))
}

fn add(resource: &mut Value, path: &str, value: Value) -> Result<(), Refused> {
    const NO_PLACE: Refused = Refused::Unfit("there is no place for the value");
    let (parent, name) = split(path)?;
    match resource.pointer_mut(parent) {
        Some(Value::Object(object)) => {
            object.insert(name, value);
            Ok(())
        }
        Some(Value::Array(list)) if name == "-" => {
            list.push(value);
            Ok(())
        }
        Some(Value::Array(list)) => {
            let place: usize = name.parse().map_err(|_| NO_PLACE)?;
            if place > list.len() {
                return Err(NO_PLACE);
            }
            list.insert(place, value);
            Ok(())
        }
        _ => Err(NO_PLACE),
    }
}

fn remove(resource: &mut Value, path: &str) -> Result<(), Refused> {
    const NOTHING: Refused = Refused::Unfit("there is nothing to remove");
    let (parent, name) = split(path)?;
    match resource.pointer_mut(parent) {
        Some(Value::Object(object)) => object.shift_remove(&name).map(drop).ok_or(NOTHING),
        Some(Value::Array(list)) => {
            let place: usize = name.parse().map_err(|_| NOTHING)?;
            if place >= list.len() {
                return Err(NOTHING);
            }
            list.remove(place);
            Ok(())
        }
        _ => Err(NOTHING),
    }
}

/// Applies a `FHIRPath` Patch; of `listed` operations only, if there are any.
pub(super) fn fhirpath_patch(
    resource: &Value,
    patch: &Value,
    listed: &[String],
) -> Result<Value, Refused> {
    let is_patch = patch.get("resourceType").and_then(Value::as_str) == Some("Parameters");
    let operations = patch.get("parameter").and_then(Value::as_array).filter(|_| is_patch);
    let operations = operations.ok_or(Refused::Malformed("the patch is no Parameters"))?;
    if operations.is_empty() || operations.len() > OPERATIONS_MAX {
        return Err(Refused::Malformed("the patch has no operation or too many"));
    }
    let mut changed = resource.clone();
    for operation in operations {
        let is_operation = operation.get("name").and_then(Value::as_str) == Some("operation");
        if !is_operation {
            return Err(Refused::Malformed("a parameter is no operation"));
        }
        let text = |name| part(operation, name).and_then(value_of)?.as_str().map(str::to_owned);
        let kind = text("type").ok_or(Refused::Malformed("an operation has no type"))?;
        let path = text("path").ok_or(Refused::Malformed("an operation has no path"))?;
        is_listed(listed, &kind, &path)?;
        fhirpath_operation(&mut changed, &kind, &path, operation)?;
    }
    Ok(changed)
}

fn fhirpath_operation(
    resource: &mut Value,
    kind: &str,
    path: &str,
    operation: &Value,
) -> Result<(), Refused> {
    const NOT_ONE: Refused = Refused::Unfit("the path does not name one element");
    const NO_VALUE: Refused = Refused::Malformed("an operation has no value");
    let found = resolve(resource, path)?;
    let one = || if let [one] = found.as_slice() { Ok(one.as_str()) } else { Err(NOT_ONE) };
    let value = part(operation, "value").and_then(value_of).ok_or(NO_VALUE);
    match kind {
        "replace" => {
            let place = resource.pointer_mut(one()?).ok_or(NOT_ONE)?;
            *place = value?;
            Ok(())
        }
        "delete" if found.is_empty() => Ok(()),
        "delete" => remove(resource, one()?),
        "add" => {
            let name = part(operation, "name").and_then(value_of);
            let name = name.as_ref().and_then(Value::as_str);
            let name = name.ok_or(Refused::Malformed("an operation has no name"))?;
            add_element(resource.pointer_mut(one()?), name, value?)
        }
        "insert" => {
            let index = part(operation, "index").and_then(value_of).and_then(|v| v.as_u64());
            let index = index.ok_or(Refused::Malformed("an operation has no index"))?;
            let (parent, name) = path.rsplit_once('.').ok_or(NOT_ONE)?;
            let parents = resolve(resource, parent)?;
            let [parent] = parents.as_slice() else { return Err(NOT_ONE) };
            add(resource, &format!("{parent}/{name}/{index}"), value?)
        }
        _ => Err(Refused::Malformed("this operation is unknown here")),
    }
}

fn add_element(parent: Option<&mut Value>, name: &str, value: Value) -> Result<(), Refused> {
    let parent = parent.and_then(Value::as_object_mut);
    let parent = parent.ok_or(Refused::Unfit("there is no place for the value"))?;
    match parent.get_mut(name) {
        Some(Value::Array(list)) => list.push(value),
        Some(_) => return Err(Refused::Unfit("the element is there already")),
        None if LISTS.contains(&name) => {
            parent.insert(name.to_owned(), Value::Array(vec![value]));
        }
        None => {
            parent.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

/// The part of an operation with this name.
fn part<'a>(operation: &'a Value, name: &str) -> Option<&'a Value> {
    let parts = operation.get("part")?.as_array()?;
    parts.iter().find(|part| part.get("name").and_then(Value::as_str) == Some(name))
}

/// `value[x]` of a part, or an element made of parts within it.
fn value_of(part: &Value) -> Option<Value> {
    let object = part.as_object()?;
    if let Some((_, value)) = object.iter().find(|(name, _)| name.starts_with("value")) {
        return Some(value.clone());
    }
    let mut element = Map::new();
    for part in object.get("part")?.as_array()? {
        let name = part.get("name")?.as_str()?;
        // One level within another: the deepest JSON that is read bounds this.
        add_part(&mut element, name, value_of(part)?);
    }
    Some(Value::Object(element))
}

fn add_part(element: &mut Map<String, Value>, name: &str, value: Value) {
    match element.get_mut(name) {
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
        None if LISTS.contains(&name) => {
            element.insert(name.to_owned(), Value::Array(vec![value]));
        }
        None => {
            element.insert(name.to_owned(), value);
        }
    }
}

/// The JSON pointers that a path leads to.
fn resolve(resource: &Value, path: &str) -> Result<Vec<String>, Refused> {
    const UNKNOWN: Refused = Refused::Malformed("this path is not understood");
    let steps = steps(path).ok_or(UNKNOWN)?;
    let (root, steps) = steps.split_first().ok_or(UNKNOWN)?;
    if resource.get("resourceType").and_then(Value::as_str) != Some(root.as_str()) {
        return Err(Refused::Unfit("the path begins with another type"));
    }
    let mut found = vec![String::new()];
    for step in steps {
        if let Some(condition) = step.strip_prefix("where(").and_then(|s| s.strip_suffix(')')) {
            let (left, right) = condition.split_once('=').ok_or(UNKNOWN)?;
            let right = right.trim().trim_matches(['\'', '"']);
            found.retain(|pointer| is_met(resource.pointer(pointer), left.trim(), right));
            continue;
        }
        let (name, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((name, index)) => (name, Some(index.parse::<usize>().map_err(|_| UNKNOWN)?)),
            None => (step.as_str(), None),
        };
        if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(UNKNOWN);
        }
        let below: Vec<String> =
            found.iter().flat_map(|pointer| children(resource, pointer, name)).collect();
        found = match index {
            Some(index) => below.into_iter().skip(index).take(1).collect(),
            None => below,
        };
    }
    Ok(found)
}

/// Cuts a path at its points, not at those within parentheses or quotes.
fn steps(path: &str) -> Option<Vec<String>> {
    let (mut steps, mut depth) = (vec![String::new()], 0_u32);
    for c in path.chars() {
        match c {
            '.' if depth == 0 => steps.push(String::new()),
            _ => {
                depth = match c {
                    '(' => depth + 1,
                    ')' => depth.checked_sub(1)?,
                    _ => depth,
                };
                steps.last_mut()?.push(c);
            }
        }
    }
    (depth == 0 && steps.len() <= STEPS_MAX).then_some(steps)
}

fn children(resource: &Value, pointer: &str, name: &str) -> Vec<String> {
    match resource.pointer(pointer).and_then(|value| value.get(name)) {
        None => Vec::new(),
        Some(Value::Array(list)) => {
            (0..list.len()).map(|place| format!("{pointer}/{name}/{place}")).collect()
        }
        Some(_) => vec![format!("{pointer}/{name}")],
    }
}

fn is_met(element: Option<&Value>, path: &str, wanted: &str) -> bool {
    let value = path.split('.').try_fold(element, |value, name| Some(value?.get(name)));
    value.flatten().and_then(Value::as_str) == Some(wanted)
}
