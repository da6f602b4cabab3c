//! Values of a JSON text that know the line on which they stand.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// A text, and where its lines begin.
#[derive(Debug)]
pub(super) struct Page<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

/// A value as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'t> {
    raw: &'t RawValue,
    /// Where the text lies in memory, from which the value's place follows.
    base: usize,
}

/// An object's fields, with the object itself.
#[derive(Debug)]
pub(super) struct Object<'t> {
    pub(super) node: Node<'t>,
    fields: BTreeMap<String, Node<'t>>,
}

impl<'t> Page<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, starts: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect() }
    }

    /// The whole text as a value; it has to be JSON.
    ///
    /// # Errors
    /// Line and reason.
    pub(super) fn root(&self) -> Result<Node<'t>, (usize, String)> {
        // The end of a file behind its last line break is no line of its own.
        let lines = self.text.lines().count().max(1);
        let told = |fault: &serde_json::Error| (fault.line().clamp(1, lines), reason(fault));
        // What is kept raw is only skimmed: a bad escape in it would come up much later.
        let _whole: Value = serde_json::from_str(self.text).map_err(|fault| told(&fault))?;
        let raw: &RawValue = serde_json::from_str(self.text).map_err(|fault| told(&fault))?;
        Ok(Node { raw, base: self.text.as_ptr().addr() })
    }

    /// The line of a value, from 1.
    pub(super) fn line(&self, node: Node<'_>) -> usize {
        let offset = node.raw.get().as_ptr().addr().saturating_sub(node.base);
        self.starts.partition_point(|start| *start <= offset).max(1)
    }
}

impl<'t> Node<'t> {
    pub(super) fn object(self) -> Option<Object<'t>> {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(self.raw.get()).ok()?;
        let own = |(key, raw)| (key, Node { raw, base: self.base });
        Some(Object { node: self, fields: fields.into_iter().map(own).collect() })
    }

    pub(super) fn array(self) -> Option<Vec<Node<'t>>> {
        let items: Vec<&RawValue> = serde_json::from_str(self.raw.get()).ok()?;
        Some(items.into_iter().map(|raw| Node { raw, base: self.base }).collect())
    }

    pub(super) fn value(self) -> Value {
        serde_json::from_str(self.raw.get()).unwrap_or_default()
    }

    pub(super) fn is_null(self) -> bool {
        self.raw.get() == "null"
    }

    /// A text, or a number or truth value as one would write it.
    pub(super) fn text(self) -> Option<String> {
        match self.value() {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(is) => Some(is.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl<'t> Object<'t> {
    /// One without fields, in place of one that is missing.
    pub(super) const fn empty(node: Node<'t>) -> Self {
        Self { node, fields: BTreeMap::new() }
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<Node<'t>> {
        self.fields.get(key).copied().filter(|node| !node.is_null())
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(Node::text)
    }

    /// A text that says something.
    pub(super) fn filled(&self, key: &str) -> Option<String> {
        self.text(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, Node<'t>)> {
        self.fields.iter().map(|(key, node)| (key.as_str(), *node))
    }

    /// A field's place if it is there, else the object's.
    pub(super) fn at(&self, key: &str) -> Node<'t> {
        self.fields.get(key).copied().unwrap_or(self.node)
    }
}

/// What the JSON reader says, without its own place.
fn reason(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    let bare = text.rsplit_once(" at line ").map_or(text.as_str(), |(bare, _)| bare);
    format!("is no JSON: {bare}; export the flow anew")
}
