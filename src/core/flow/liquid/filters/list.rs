//! Filters of lists. A value that is no list is a list of itself, and nil an empty one.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::Arguments;
use crate::core::flow::liquid::fault::OutOfFuel;
use crate::core::flow::liquid::fuel::{Fuel, Page};
use crate::core::flow::liquid::number;
use crate::core::flow::liquid::value::{Key, Value, join, number_of, units, write_json};

/// A filter of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core::flow::liquid) enum List {
    Compact,
    Concat,
    First,
    Join,
    Last,
    Map,
    Reverse,
    Size,
    Slice,
    Sort,
    SortNatural,
    Sum,
    Uniq,
    Where,
}

impl List {
    /// Applies the filter.
    pub(super) fn apply<'a>(
        self,
        value: Value<'a>,
        given: &Arguments<'a>,
        fuel: &mut Fuel,
    ) -> Result<Value<'a>, OutOfFuel> {
        let items = value.items();
        fuel.elements(items.len())?;
        if let Json::String(text) = value.json() {
            fuel.bytes(text.len())?;
        }
        let made = match self {
            Self::First => return end(&value, Ordering::Less, fuel),
            Self::Last => return end(&value, Ordering::Greater, fuel),
            Self::Size => return Ok(Value::made(size(value.json()))),
            Self::Slice => return slice(&value, given, fuel),
            Self::Sum => return sum(items, given, fuel),
            Self::Join => return joined(items, given, fuel),
            Self::Compact => copies(items.iter().filter(|item| !item.is_null()), fuel)?,
            Self::Concat => copies(items.iter().chain(given.at(0).items()), fuel)?,
            Self::Map => map(items, given, fuel)?,
            Self::Reverse => copies(items.iter().rev(), fuel)?,
            Self::Sort => sorted(items, given, orders, fuel)?,
            Self::SortNatural => sorted(items, given, natural, fuel)?,
            Self::Uniq => unique(items, fuel)?,
            Self::Where => chosen(items, given, fuel)?,
        };
        Ok(Value::made(made))
    }
}

fn copies<'j>(
    items: impl Iterator<Item = &'j Json>,
    fuel: &mut Fuel,
) -> Result<Vec<Json>, OutOfFuel> {
    items.map(|item| fuel.copy(item)).collect()
}

/// The first or last element, or character.
fn end<'a>(value: &Value<'a>, side: Ordering, fuel: &mut Fuel) -> Result<Value<'a>, OutOfFuel> {
    let is_first = side.is_lt();
    match value.json() {
        Json::Array(_) => {
            value.get(&Key::Name(if is_first { "first" } else { "last" }.into()), fuel)
        }
        Json::String(text) => {
            let mut characters = text.chars();
            let end = if is_first { characters.next() } else { characters.next_back() };
            Ok(Value::made(end.map(String::from).unwrap_or_default()))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => Ok(Value::made("")),
    }
}

fn size(json: &Json) -> usize {
    match json {
        Json::Array(items) => items.len(),
        Json::String(text) => units(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => 0,
    }
}

/// Part of a list or a text, by its first place, which is counted from the end if negative, and its
/// length, which is 1 unless told.
fn slice<'a>(
    value: &Value<'a>,
    given: &Arguments<'a>,
    fuel: &mut Fuel,
) -> Result<Value<'a>, OutOfFuel> {
    let begin = number::index(given.at(0).number());
    let length = given.given(1).map_or(1, |length| number::index(length.number()));
    let range = |count: usize| {
        let from_end = if begin < 0 { i64::try_from(count).unwrap_or(i64::MAX) } else { 0 };
        // Before the beginning there is nothing, whatever the length.
        let first = usize::try_from(begin.saturating_add(from_end)).ok()?;
        Some((first, usize::try_from(length).ok()?))
    };
    if let Json::Null = value.json() {
        return Ok(Value::made(Vec::<Json>::new()));
    }
    if let Json::Array(items) = value.json() {
        let (first, length) = range(items.len()).unwrap_or((0, 0));
        return Ok(Value::made(copies(items.iter().skip(first).take(length), fuel)?));
    }
    let text = value.text(fuel)?;
    let (first, length) = range(text.chars().count()).unwrap_or((0, 0));
    let part: String = text.chars().skip(first).take(length).collect();
    fuel.bytes(part.len())?;
    Ok(Value::made(part))
}

fn sum<'a>(items: &[Json], given: &Arguments<'a>, fuel: &mut Fuel) -> Result<Value<'a>, OutOfFuel> {
    let property = given.text(0, fuel)?;
    let mut sum = 0.0;
    for item in items {
        let value = property_of(item, &property, fuel)?;
        sum += number_of(value.json()).unwrap_or(0.0);
    }
    Ok(Value::made(number::json(sum)))
}

fn joined<'a>(
    items: &[Json],
    given: &Arguments<'a>,
    fuel: &mut Fuel,
) -> Result<Value<'a>, OutOfFuel> {
    let separator = match given.given(0) {
        Some(separator) => separator.text(fuel)?.into_owned(),
        None => " ".to_owned(),
    };
    let mut page = Page::default();
    join(items, &separator, &mut page, fuel)?;
    Ok(Value::made(page.into_text()))
}

fn map(items: &[Json], given: &Arguments<'_>, fuel: &mut Fuel) -> Result<Vec<Json>, OutOfFuel> {
    let property = given.text(0, fuel)?;
    items
        .iter()
        .map(|item| {
            let value = property_of(item, &property, fuel)?;
            fuel.copy(value.json())
        })
        .collect()
}

/// The elements with a property of this value; without a value, those whose property is true.
fn chosen(items: &[Json], given: &Arguments<'_>, fuel: &mut Fuel) -> Result<Vec<Json>, OutOfFuel> {
    let property = given.text(0, fuel)?;
    let wanted = match given.given(1) {
        None => None,
        Some(Value::Empty) => Some(Value::Empty),
        Some(Value::Blank) => Some(Value::Blank),
        Some(value) => Some(Value::Seen(value.json())),
    };
    let mut chosen = Vec::new();
    for item in items {
        let value = property_of(item, &property, fuel)?;
        let is_one = match &wanted {
            Some(wanted) => value.equals(wanted, fuel)?,
            None => value.is_true(),
        };
        if is_one {
            chosen.push(fuel.copy(item)?);
        }
    }
    Ok(chosen)
}

fn unique(items: &[Json], fuel: &mut Fuel) -> Result<Vec<Json>, OutOfFuel> {
    let mut seen = BTreeSet::new();
    let mut unique = Vec::new();
    for item in items {
        let mut page = Page::default();
        write_json(item, &mut page, fuel, 0)?;
        if seen.insert(page.into_text()) {
            unique.push(fuel.copy(item)?);
        }
    }
    Ok(unique)
}

/// Elements in the order of a property, or of themselves; equal ones stay as they were.
fn sorted(
    items: &[Json],
    given: &Arguments<'_>,
    order: fn(&(Json, String), &(Json, String)) -> Ordering,
    fuel: &mut Fuel,
) -> Result<Vec<Json>, OutOfFuel> {
    let property = given.text(0, fuel)?;
    let mut keyed = Vec::new();
    for item in items {
        let value = property_of(item, &property, fuel)?;
        let text = value.text(fuel)?.to_lowercase();
        keyed.push(((fuel.copy(value.json())?, text), fuel.copy(item)?));
    }
    keyed.sort_by(|(left, _), (right, _)| order(left, right));
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

/// Numbers before texts before the rest, and nil last: an order in which everything has a place, which
/// JavaScript's does not have if kinds are mixed.
fn orders((left, _): &(Json, String), (right, _): &(Json, String)) -> Ordering {
    let rank = |json: &Json| match json {
        Json::Number(_) | Json::Bool(_) => 0,
        Json::String(_) => 1,
        Json::Array(_) | Json::Object(_) => 2,
        Json::Null => 3,
    };
    rank(left).cmp(&rank(right)).then_with(|| match (left, right) {
        (Json::String(left), Json::String(right)) => number::compare_texts(left, right),
        _ => number_of(left).unwrap_or(0.0).total_cmp(&number_of(right).unwrap_or(0.0)),
    })
}

/// As small letters, and nil last.
fn natural((left, left_text): &(Json, String), (right, right_text): &(Json, String)) -> Ordering {
    let by_nil = left.is_null().cmp(&right.is_null());
    by_nil.then_with(|| number::compare_texts(left_text, right_text))
}

/// What a property such as `name.given` of an element is; the element itself without one.
fn property_of<'j>(
    item: &'j Json,
    property: &str,
    fuel: &mut Fuel,
) -> Result<Value<'j>, OutOfFuel> {
    let mut value = Value::Seen(item);
    for part in property.split('.').filter(|_| !property.is_empty()) {
        value = value.get(&Key::Name(part.into()), fuel)?;
    }
    Ok(value)
}
