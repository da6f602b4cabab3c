//! Values of a rendering: what a path finds in them, what they are as texts, which are equal.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use super::fault::OutOfFuel;
use super::fuel::{DEPTH_MAX, Fuel, Page};
use super::node::Operator;
use super::number;

/// A value, shared as long as it can be.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    /// Of the scope or the template.
    Seen(&'a Json),
    /// Made on the way.
    Made(Rc<Json>),
    /// What equals every text, list and object without content.
    Empty,
    /// What equals nil, false, and texts of nothing but white space.
    Blank,
}

/// What stands for a path that leads nowhere.
static NIL: Json = Json::Null;

/// What a bare `empty` or `blank` prints.
static NOTHING: Json = Json::String(String::new());

/// A key of a list or an object.
#[derive(Debug, Clone)]
pub(super) enum Key<'k> {
    Name(Cow<'k, str>),
    Index(i64),
}

impl<'a> Value<'a> {
    /// Nil.
    pub(super) const fn nil() -> Self {
        Self::Seen(&NIL)
    }

    /// A value of its own.
    pub(super) fn made(json: impl Into<Json>) -> Self {
        Self::Made(Rc::new(json.into()))
    }

    /// The value as JSON; `empty` and `blank` are an empty text.
    pub(super) fn json(&self) -> &Json {
        match self {
            Self::Seen(json) => json,
            Self::Made(json) => json,
            Self::Empty | Self::Blank => &NOTHING,
        }
    }

    /// Whether there is nothing.
    pub(super) fn is_nil(&self) -> bool {
        self.json().is_null()
    }

    /// Whether a condition holds: everything does but nil and false.
    pub(super) fn is_true(&self) -> bool {
        !matches!(self.json(), Json::Null | Json::Bool(false))
    }

    /// The number that it is, and 0 if it is none.
    pub(super) fn number(&self) -> f64 {
        number_of(self.json()).unwrap_or(0.0)
    }

    /// What stands under a key.
    pub(super) fn get(&self, key: &Key<'_>, fuel: &mut Fuel) -> Result<Self, OutOfFuel> {
        fuel.step()?;
        if let Json::String(text) = self.json() {
            fuel.bytes(text.len())?;
        }
        match self {
            Self::Seen(json) => Ok(match find(json, key) {
                Found::Part(part) => Self::Seen(part),
                Found::Made(json) => Self::made(json),
            }),
            Self::Made(json) => Ok(match find(json, key) {
                Found::Part(part) => Self::made(fuel.copy(part)?),
                Found::Made(json) => Self::made(json),
            }),
            Self::Empty | Self::Blank => Ok(match find(&NOTHING, key) {
                Found::Part(part) => Self::Seen(part),
                Found::Made(json) => Self::made(json),
            }),
        }
    }

    /// The elements of a list; of a value that is no list, itself, and nothing of nil.
    pub(super) fn items(&self) -> &[Json] {
        match self.json() {
            Json::Null => &[],
            Json::Array(items) => items,
            item @ (Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_)) => {
                std::slice::from_ref(item)
            }
        }
    }

    /// The text that it prints.
    pub(super) fn text(&self, fuel: &mut Fuel) -> Result<Cow<'_, str>, OutOfFuel> {
        if let Json::String(text) = self.json() {
            fuel.bytes(text.len())?;
            return Ok(Cow::Borrowed(text));
        }
        let mut page = Page::default();
        self.print(&mut page, fuel)?;
        Ok(Cow::Owned(page.into_text()))
    }

    /// Prints it.
    pub(super) fn print(&self, page: &mut Page, fuel: &mut Fuel) -> Result<(), OutOfFuel> {
        print(self.json(), "", page, fuel, 0)
    }

    /// Compares two values.
    pub(super) fn compare(
        &self,
        operator: Operator,
        other: &Self,
        fuel: &mut Fuel,
    ) -> Result<bool, OutOfFuel> {
        fuel.step()?;
        let mut by_order = |wanted: fn(Ordering) -> bool| {
            self.order(other, fuel).map(|order| order.is_some_and(wanted))
        };
        match operator {
            Operator::Equal => self.equals(other, fuel),
            Operator::NotEqual => self.equals(other, fuel).map(|is_equal| !is_equal),
            Operator::Less => by_order(Ordering::is_lt),
            Operator::LessOrEqual => by_order(Ordering::is_le),
            Operator::Greater => by_order(Ordering::is_gt),
            Operator::GreaterOrEqual => by_order(Ordering::is_ge),
            Operator::Contains => self.contains(other, fuel),
        }
    }

    /// Whether two values are the same; a number and a text never are.
    pub(super) fn equals(&self, other: &Self, fuel: &mut Fuel) -> Result<bool, OutOfFuel> {
        match (self, other) {
            (Self::Empty | Self::Blank, Self::Empty | Self::Blank) => Ok(false),
            (Self::Empty, Self::Seen(_) | Self::Made(_)) => Ok(is_empty(other.json())),
            (Self::Seen(_) | Self::Made(_), Self::Empty) => Ok(is_empty(self.json())),
            (Self::Blank, Self::Seen(_) | Self::Made(_)) => is_blank(other.json(), fuel),
            (Self::Seen(_) | Self::Made(_), Self::Blank) => is_blank(self.json(), fuel),
            (Self::Seen(_) | Self::Made(_), Self::Seen(_) | Self::Made(_)) => {
                are_equal(self.json(), other.json(), fuel, 0)
            }
        }
    }

    /// The order of two values; none of nil, and none of what is no number against a number.
    fn order(&self, other: &Self, fuel: &mut Fuel) -> Result<Option<Ordering>, OutOfFuel> {
        let (Self::Seen(_) | Self::Made(_), Self::Seen(_) | Self::Made(_)) = (self, other) else {
            return Ok(None);
        };
        Ok(match (self.json(), other.json()) {
            (Json::Null, _) | (_, Json::Null) => None,
            (Json::String(left), Json::String(right)) => {
                fuel.bytes(left.len().min(right.len()))?;
                Some(number::compare_texts(left, right))
            }
            (left, right) => number_of(left)
                .zip(number_of(right))
                .and_then(|(left, right)| left.partial_cmp(&right)),
        })
    }

    fn contains(&self, part: &Self, fuel: &mut Fuel) -> Result<bool, OutOfFuel> {
        match self.json() {
            Json::Array(items) => {
                for item in items {
                    fuel.elements(1)?;
                    if Value::Seen(item).equals(&part.borrowed(), fuel)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Json::String(text) if !part.is_nil() => {
                fuel.bytes(text.len())?;
                Ok(text.contains(&*part.text(fuel)?))
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
                Ok(false)
            }
        }
    }

    fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Seen(json) => Value::Seen(json),
            Self::Made(json) => Value::Seen(json),
            Self::Empty => Value::Empty,
            Self::Blank => Value::Blank,
        }
    }
}

/// What a key leads to: a part of the value, or something about it.
enum Found<'a> {
    Part(&'a Json),
    Made(Json),
}

fn find<'a>(json: &'a Json, key: &Key<'_>) -> Found<'a> {
    let part = match json {
        Json::Object(fields) => field(fields, key),
        Json::Array(items) => element(items, key),
        Json::String(text) => return Found::Made(of_text(text, key)),
        Json::Null | Json::Bool(_) | Json::Number(_) => None,
    };
    match (part, json, key) {
        (Some(part), ..) => Found::Part(part),
        (None, Json::Object(fields), Key::Name(name)) if name == "size" => {
            Found::Made(fields.len().into())
        }
        (None, Json::Array(items), Key::Name(name)) if name == "size" || name == "length" => {
            Found::Made(items.len().into())
        }
        _ => Found::Part(&NIL),
    }
}

fn field<'a>(fields: &'a Map<String, Json>, key: &Key<'_>) -> Option<&'a Json> {
    match key {
        Key::Name(name) => fields.get(&**name),
        Key::Index(index) => fields.get(&index.to_string()),
    }
}

fn element<'a>(items: &'a [Json], key: &Key<'_>) -> Option<&'a Json> {
    match key {
        Key::Index(index) if *index < 0 => {
            let back = usize::try_from(index.unsigned_abs()).ok()?;
            items.get(items.len().checked_sub(back)?)
        }
        Key::Index(index) => items.get(usize::try_from(*index).ok()?),
        Key::Name(name) if name == "first" => items.first(),
        Key::Name(name) if name == "last" => items.last(),
        Key::Name(name) => {
            let index: usize = name.parse().ok()?;
            items.get(index).filter(|_| index.to_string() == **name)
        }
    }
}

/// The length of a text in UTF-16 units, as JavaScript counts, or one of its characters.
fn of_text(text: &str, key: &Key<'_>) -> Json {
    let index = match key {
        Key::Name(name) if name == "size" || name == "length" => return units(text).into(),
        Key::Name(name) => name.parse().ok(),
        Key::Index(index) => usize::try_from(*index).ok(),
    };
    let unit = index.and_then(|index| text.encode_utf16().nth(index));
    unit.map_or(Json::Null, |unit| String::from_utf16_lossy(&[unit]).into())
}

/// The length of a text in UTF-16 units.
pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The number that a value is, as JavaScript coerces it.
pub(super) fn number_of(json: &Json) -> Option<f64> {
    match json {
        Json::Null => Some(0.0),
        Json::Bool(is_true) => Some(f64::from(u8::from(*is_true))),
        Json::Number(number) => Some(number::of(number)),
        Json::String(text) => number::parse(text),
        Json::Array(items) => match items.as_slice() {
            [] => Some(0.0),
            [Json::String(text)] => number::parse(text),
            [Json::Number(number)] => Some(number::of(number)),
            _ => None,
        },
        Json::Object(_) => None,
    }
}

/// Prints a value: lists without anything between their elements, or with a separator; objects as
/// JSON.
fn print(
    json: &Json,
    separator: &str,
    page: &mut Page,
    fuel: &mut Fuel,
    depth: usize,
) -> Result<(), OutOfFuel> {
    match json {
        _ if depth > DEPTH_MAX => Err(OutOfFuel::Steps),
        Json::Null => Ok(()),
        Json::Bool(is_true) => page.push(if *is_true { "true" } else { "false" }, fuel),
        Json::Number(number) => page.push(&number::text(number), fuel),
        Json::String(text) => page.push(text, fuel),
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                fuel.elements(1)?;
                if index > 0 {
                    page.push(separator, fuel)?;
                }
                print(item, separator, page, fuel, depth + 1)?;
            }
            Ok(())
        }
        Json::Object(_) => write_json(json, page, fuel, depth),
    }
}

/// Prints the elements of a list with a separator; lists within it have commas.
pub(super) fn join(
    items: &[Json],
    separator: &str,
    page: &mut Page,
    fuel: &mut Fuel,
) -> Result<(), OutOfFuel> {
    for (index, item) in items.iter().enumerate() {
        fuel.elements(1)?;
        if index > 0 {
            page.push(separator, fuel)?;
        }
        print(item, ",", page, fuel, 1)?;
    }
    Ok(())
}

/// Writes JSON without blanks, numbers as they are printed.
pub(super) fn write_json(
    json: &Json,
    page: &mut Page,
    fuel: &mut Fuel,
    depth: usize,
) -> Result<(), OutOfFuel> {
    match json {
        _ if depth > DEPTH_MAX => Err(OutOfFuel::Steps),
        Json::Null => page.push("null", fuel),
        Json::Bool(_) | Json::Number(_) => print(json, "", page, fuel, depth),
        Json::String(text) => write_quoted(text, page, fuel),
        Json::Array(items) => {
            page.push("[", fuel)?;
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    page.push(",", fuel)?;
                }
                write_json(item, page, fuel, depth + 1)?;
            }
            page.push("]", fuel)
        }
        Json::Object(fields) => {
            page.push("{", fuel)?;
            for (index, (name, item)) in fields.iter().enumerate() {
                if index > 0 {
                    page.push(",", fuel)?;
                }
                write_quoted(name, page, fuel)?;
                page.push(":", fuel)?;
                write_json(item, page, fuel, depth + 1)?;
            }
            page.push("}", fuel)
        }
    }
}

fn write_quoted(text: &str, page: &mut Page, fuel: &mut Fuel) -> Result<(), OutOfFuel> {
    fuel.bytes(text.len())?;
    page.push(&Json::from(text).to_string(), fuel)
}

fn is_empty(json: &Json) -> bool {
    match json {
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

fn is_blank(json: &Json, fuel: &mut Fuel) -> Result<bool, OutOfFuel> {
    Ok(match json {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) => {
            fuel.bytes(text.len())?;
            text.chars().all(is_space)
        }
        Json::Bool(true) | Json::Number(_) | Json::Array(_) | Json::Object(_) => is_empty(json),
    })
}

/// White space of JavaScript's `trim`.
pub(super) fn is_space(character: char) -> bool {
    character == '\u{feff}' || (character != '\u{85}' && character.is_whitespace())
}

/// Pays for one side, since the comparison goes no further than the smaller one.
fn are_equal(left: &Json, right: &Json, fuel: &mut Fuel, depth: usize) -> Result<bool, OutOfFuel> {
    if depth > DEPTH_MAX {
        return Err(OutOfFuel::Steps);
    }
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            let both_whole = !left.is_f64() && !right.is_f64();
            Ok(left == right || (!both_whole && number::of(left) == number::of(right)))
        }
        (Json::String(left), Json::String(right)) => {
            fuel.bytes(left.len().min(right.len()))?;
            Ok(left == right)
        }
        (Json::Array(left), Json::Array(right)) => {
            let mut is_equal = left.len() == right.len();
            for (left, right) in left.iter().zip(right) {
                fuel.elements(1)?;
                is_equal = is_equal && are_equal(left, right, fuel, depth + 1)?;
            }
            Ok(is_equal)
        }
        (Json::Object(left), Json::Object(right)) => {
            let mut is_equal = left.len() == right.len();
            for (name, left) in left.iter().take_while(|_| left.len() == right.len()) {
                fuel.bytes(name.len())?;
                let right = right.get(name);
                is_equal = is_equal
                    && right.map_or(Ok(false), |right| are_equal(left, right, fuel, depth + 1))?;
            }
            Ok(is_equal)
        }
        (Json::Null | Json::Bool(_), _) => Ok(left == right),
        _ => Ok(false),
    }
}
