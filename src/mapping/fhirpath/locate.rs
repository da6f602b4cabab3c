//! Where in a resource a node stands, for explanations.

use serde_json::Value;

/// Deepest nesting that is looked at; bounds the stack. JSON is not read deeper than this.
const DEPTH_MAX: usize = 128;

/// The position of a node, such as `Appointment.participant[1].actor.reference`; nothing if it is
/// not in this resource. Numbers are those of the JSON arrays, from 0.
///
/// It walks through the whole resource, and is meant for people who ask, not for each message.
#[must_use]
pub(in crate::mapping) fn locate(root: &Value, node: &Value) -> Option<String> {
    let resource_type = root.get("resourceType").and_then(Value::as_str);
    let mut path = resource_type.filter(|name| is_type(name)).unwrap_or("$this").to_owned();
    find(root, node, &mut path, 0).then_some(path)
}

fn find(value: &Value, node: &Value, path: &mut String, depth: usize) -> bool {
    if std::ptr::eq(value, node) {
        return true;
    }
    if depth == DEPTH_MAX {
        return false;
    }
    let here = path.len();
    if let Some(values) = value.as_array() {
        for (index, value) in values.iter().enumerate() {
            path.push_str(&format!("[{index}]"));
            if find(value, node, path, depth + 1) {
                return true;
            }
            path.truncate(here);
        }
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        push_name(path, name);
        if find(value, node, path, depth + 1) {
            return true;
        }
        path.truncate(here);
    }
    false
}

fn push_name(path: &mut String, name: &str) {
    path.push('.');
    if is_name(name) {
        path.push_str(name);
        return;
    }
    path.push('`');
    for char in name.chars() {
        if matches!(char, '`' | '\\') {
            path.push('\\');
        }
        path.push(char);
    }
    path.push('`');
}

fn is_name(name: &str) -> bool {
    let is_begun = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
    is_begun && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_type(name: &str) -> bool {
    is_name(name) && name.starts_with(|char: char| char.is_ascii_uppercase())
}
