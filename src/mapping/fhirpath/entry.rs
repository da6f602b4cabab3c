//! What an evaluation has in its hands: an item, and where it comes from.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Item;
use super::types::{choice, is_resource, is_same};
use super::work::{TooMuch, Work};

/// An item with what its surroundings say about it.
#[derive(Debug, Clone)]
pub(super) struct Entry<'v> {
    pub(super) item: Item<'v>,
    /// Of a primitive `start` the element `_start`, which holds its extensions.
    beside: Option<&'v Value>,
    /// The type in the name of a choice element.
    kind: Option<&'static str>,
    /// The resource among whose contained ones its references are looked for.
    pub(super) home: Home<'v>,
}

/// The resource in which something stands, and the address that it came by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::mapping) struct Home<'v> {
    /// The resource; of what is contained that which contains it.
    pub(in crate::mapping) resource: &'v Value,
    /// The address, if it is known.
    pub(in crate::mapping) url: Option<&'v str>,
}

/// An item that is a single value, to be compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'a> {
    Bool(bool),
    Integer(i64),
    Decimal(f64),
    Text(&'a str),
}

impl<'a> Scalar<'a> {
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self::Bool(*flag)),
            Value::String(text) => Some(Self::Text(text)),
            Value::Number(number) => {
                number.as_i64().map(Self::Integer).or_else(|| number.as_f64().map(Self::Decimal))
            }
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn written(self) -> Cow<'a, str> {
        match self {
            Self::Bool(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Decimal(number) => Cow::Owned(number.to_string()),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }
}

impl Item<'_> {
    pub(super) fn scalar(&self) -> Option<Scalar<'_>> {
        match self {
            Self::Node(value) => Scalar::of(value),
            Self::Bool(flag) => Some(Scalar::Bool(*flag)),
            Self::Integer(number) => Some(Scalar::Integer(*number)),
            Self::Decimal(number) => Some(Scalar::Decimal(*number)),
            Self::Text(text) => Some(Scalar::Text(text)),
        }
    }
}

impl<'v> Entry<'v> {
    /// A resource, which is at home in itself.
    pub(super) const fn resource(home: Home<'v>) -> Self {
        Self::at_home(Item::Node(home.resource), home)
    }

    /// An item that stands nowhere, or of which nothing more is known.
    pub(super) const fn at_home(item: Item<'v>, home: Home<'v>) -> Self {
        Self { item, beside: None, kind: None, home }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Some(Scalar::Text(text)) = self.item.scalar() { Some(text) } else { None }
    }

    /// What it costs to take it in hand once more.
    pub(super) const fn weight(&self) -> usize {
        if let Item::Text(text) = &self.item { 1 + text.len() } else { 1 }
    }

    /// What stands under a name, arrays taken apart but for the numbers that are hidden.
    pub(super) fn members(
        &self,
        name: &str,
        hidden: &[usize],
        work: &mut Work,
        found: &mut Vec<Self>,
    ) -> Result<(), TooMuch> {
        let Some(map) = self.map(name) else { return Ok(()) };
        work.spend(1)?;
        let mut place = Place::exact(map, name);
        if place.is_none() {
            work.spend(map.len())?;
            place = Place::choice(map, name);
        }
        let Some(place) = place else { return Ok(()) };
        let Value::Array(values) = place.value else {
            work.visit()?;
            found.push(self.member(name, place));
            return Ok(());
        };
        let besides = place.beside.and_then(Value::as_array);
        for (index, value) in values.iter().enumerate() {
            if !hidden.is_empty() && hidden.binary_search(&index).is_ok() {
                continue;
            }
            work.visit()?;
            if !value.is_null() {
                let beside = besides.and_then(|besides| besides.get(index));
                found.push(self.member(name, Place { value, beside, kind: None }));
            }
        }
        Ok(())
    }

    /// Where names are looked up: of a primitive only what stands beside it.
    fn map(&self, name: &str) -> Option<&'v Map<String, Value>> {
        let Item::Node(node) = self.item else { return None };
        let beside = self.beside.filter(|_| matches!(name, "extension" | "id"));
        node.as_object().or_else(|| beside?.as_object())
    }

    fn member(&self, name: &str, place: Place<'v>) -> Self {
        let Place { value, beside, kind } = place;
        // A contained resource refers to its sisters by its container.
        let is_own = name != "contained" && value.get("resourceType").is_some();
        let home = if is_own { Home { resource: value, url: None } } else { self.home };
        Self { item: Item::Node(value), beside, kind, home }
    }

    /// Whether it is a resource of a type.
    pub(super) fn is_resource(&self, wanted: &str) -> bool {
        self.resource_type().is_some_and(|name| is_resource(name, wanted))
    }

    fn resource_type(&self) -> Option<&'v str> {
        let Item::Node(node) = self.item else { return None };
        node.get("resourceType")?.as_str()
    }

    /// Whether it is of a type, by the name of its choice element, as a resource, or by its JSON.
    pub(super) fn is_of(&self, wanted: &str) -> bool {
        if let Some(kind) = self.kind {
            return is_same(kind, wanted);
        }
        match self.item.scalar() {
            None => self.is_resource(wanted),
            Some(Scalar::Bool(_)) => is_same("boolean", wanted),
            Some(Scalar::Integer(_)) => is_same("integer", wanted),
            Some(Scalar::Decimal(_)) => is_same("decimal", wanted),
            Some(Scalar::Text(_)) => is_same("string", wanted),
        }
    }
}

#[derive(Clone, Copy)]
struct Place<'v> {
    value: &'v Value,
    beside: Option<&'v Value>,
    kind: Option<&'static str>,
}

impl<'v> Place<'v> {
    fn exact(map: &'v Map<String, Value>, name: &str) -> Option<Self> {
        let value = map.get(name).filter(|value| !value.is_null())?;
        let is_plain = !value.is_object() && !value.get(0).is_some_and(Value::is_object);
        let beside = if is_plain { map.get(&format!("_{name}")) } else { None };
        Some(Self { value, beside, kind: None })
    }

    /// FHIR R4, 2.6.0.3: `value[x]` is written with its type, and never repeats.
    fn choice(map: &'v Map<String, Value>, name: &str) -> Option<Self> {
        map.iter().find_map(|(written, value)| {
            let kind = choice(written.strip_prefix(name)?)?;
            let beside = map.get(&format!("_{written}"));
            let is_single = !value.is_null() && !value.is_array();
            is_single.then_some(Self { value, beside, kind: Some(kind) })
        })
    }
}
