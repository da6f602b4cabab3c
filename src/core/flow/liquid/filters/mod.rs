//! The filters by name, and what each of them takes.

mod list;
mod math;
mod text;

use serde_json::Value as Json;

use list::List;
use math::Math;
use text::Text;

use super::dates;
use super::fault::OutOfFuel;
use super::fuel::{Fuel, Page};
use super::render::Renderer;
use super::value::{Value, write_json};

/// A filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Date,
    Default,
    Json,
    List(List),
    Math(Math),
    Text(Text),
}

/// How a filter is written.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) name: &'static str,
    pub(super) filter: Filter,
    /// The fewest and the most arguments.
    pub(super) least: usize,
    pub(super) most: usize,
    /// The argument that is written with its name.
    pub(super) named: Option<&'static str>,
}

const fn form(name: &'static str, filter: Filter, least: usize, most: usize) -> Form {
    Form { name, filter, least, most, named: None }
}

const fn list(name: &'static str, list: List, least: usize, most: usize) -> Form {
    form(name, Filter::List(list), least, most)
}

const fn math(name: &'static str, math: Math, least: usize, most: usize) -> Form {
    form(name, Filter::Math(math), least, most)
}

const fn text(name: &'static str, text: Text, least: usize, most: usize) -> Form {
    form(name, Filter::Text(text), least, most)
}

const FORMS: &[Form] = &[
    math("abs", Math::Abs, 0, 0),
    text("append", Text::Append, 1, 1),
    math("at_least", Math::AtLeast, 1, 1),
    math("at_most", Math::AtMost, 1, 1),
    text("capitalize", Text::Capitalize, 0, 0),
    math("ceil", Math::Ceil, 0, 0),
    list("compact", List::Compact, 0, 0),
    list("concat", List::Concat, 1, 1),
    Form { named: Some("timezone"), ..form("date", Filter::Date, 0, 2) },
    Form { named: Some("allow_false"), ..form("default", Filter::Default, 1, 1) },
    math("divided_by", Math::DividedBy, 1, 2),
    text("downcase", Text::Downcase, 0, 0),
    text("escape", Text::Escape, 0, 0),
    text("escape_once", Text::EscapeOnce, 0, 0),
    list("first", List::First, 0, 0),
    math("floor", Math::Floor, 0, 0),
    list("join", List::Join, 0, 1),
    form("json", Filter::Json, 0, 0),
    list("last", List::Last, 0, 0),
    text("lstrip", Text::Lstrip, 0, 1),
    list("map", List::Map, 1, 1),
    math("minus", Math::Minus, 1, 1),
    math("modulo", Math::Modulo, 1, 1),
    math("plus", Math::Plus, 1, 1),
    text("prepend", Text::Prepend, 1, 1),
    text("remove", Text::Remove, 1, 1),
    text("remove_first", Text::RemoveFirst, 1, 1),
    text("replace", Text::Replace, 1, 2),
    text("replace_first", Text::ReplaceFirst, 1, 2),
    list("reverse", List::Reverse, 0, 0),
    math("round", Math::Round, 0, 1),
    text("rstrip", Text::Rstrip, 0, 1),
    list("size", List::Size, 0, 0),
    list("slice", List::Slice, 1, 2),
    list("sort", List::Sort, 0, 1),
    list("sort_natural", List::SortNatural, 0, 1),
    text("split", Text::Split, 1, 1),
    text("strip", Text::Strip, 0, 1),
    text("strip_newlines", Text::StripNewlines, 0, 0),
    list("sum", List::Sum, 0, 1),
    math("times", Math::Times, 1, 1),
    form("to_json", Filter::Json, 0, 0),
    text("truncate", Text::Truncate, 0, 2),
    text("truncatewords", Text::Truncatewords, 0, 2),
    list("uniq", List::Uniq, 0, 0),
    text("upcase", Text::Upcase, 0, 0),
    text("url_decode", Text::UrlDecode, 0, 0),
    text("url_encode", Text::UrlEncode, 0, 0),
    list("where", List::Where, 1, 2),
];

impl Filter {
    /// The filter of this name.
    pub(super) fn named(name: &str) -> Option<&'static Form> {
        FORMS.iter().find(|form| form.name == name)
    }
}

/// The names of all filters.
#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    FORMS.iter().map(|form| form.name).collect()
}

/// The arguments of a filter, computed.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    pub(super) arguments: Vec<Value<'a>>,
    pub(super) named: Option<Value<'a>>,
}

impl<'a> Arguments<'a> {
    /// An argument; nil if it is not there.
    fn at(&self, index: usize) -> Value<'a> {
        self.arguments.get(index).cloned().unwrap_or(Value::nil())
    }

    /// An argument that is there and is not nil.
    fn given(&self, index: usize) -> Option<&Value<'a>> {
        self.arguments.get(index).filter(|value| !value.is_nil())
    }

    /// The text of an argument; empty if it is nil.
    fn text(&self, index: usize, fuel: &mut Fuel) -> Result<String, OutOfFuel> {
        Ok(self.at(index).text(fuel)?.into_owned())
    }
}

/// Applies a filter to a value.
pub(super) fn apply<'a>(
    renderer: &mut Renderer<'a>,
    filter: Filter,
    value: Value<'a>,
    arguments: &Arguments<'a>,
) -> Result<Value<'a>, OutOfFuel> {
    let fuel = &mut renderer.fuel;
    match filter {
        Filter::Math(math) => Ok(math.apply(&value, arguments)),
        Filter::Text(text) => text.apply(&value, arguments, fuel),
        Filter::List(list) => list.apply(value, arguments, fuel),
        Filter::Default => Ok(default(value, arguments)),
        Filter::Json => {
            let mut page = Page::default();
            write_json(value.json(), &mut page, fuel, 0)?;
            Ok(Value::made(page.into_text()))
        }
        Filter::Date => date(renderer, value, arguments),
    }
}

/// Nil, false, and texts and lists without content give way to the argument.
fn default<'a>(value: Value<'a>, arguments: &Arguments<'a>) -> Value<'a> {
    let allows_false = arguments.named.as_ref().is_some_and(Value::is_true);
    let is_missing = match value.json() {
        Json::Null => true,
        Json::Bool(is_true) => !is_true && !allows_false,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Number(_) | Json::Object(_) => false,
    };
    if is_missing { arguments.at(0) } else { value }
}

fn date<'a>(
    renderer: &mut Renderer<'a>,
    value: Value<'a>,
    arguments: &Arguments<'a>,
) -> Result<Value<'a>, OutOfFuel> {
    if let Json::String(text) = value.json() {
        renderer.fuel.bytes(text.len())?;
    }
    let zone = arguments.named.as_ref().or_else(|| arguments.given(1));
    let zone = zone.map_or(dates::Zone::Named(renderer.zone), |zone| {
        dates::Zone::of(zone.json(), renderer.zone)
    });
    let Some(moment) = dates::Moment::read(value.json(), renderer.now, renderer.zone, zone) else {
        return Ok(value);
    };
    let fuel = &mut renderer.fuel;
    let format = match arguments.given(0) {
        Some(format) => format.text(fuel)?,
        None => dates::FORMAT.into(),
    };
    let mut page = Page::default();
    moment.write(&format, &mut page, fuel)?;
    Ok(Value::made(page.into_text()))
}
