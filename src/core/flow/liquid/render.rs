//! Renders a template: walks its nodes, keeps its locals, and pays for every step.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde_json::{Value as Json, json};

use super::fault::OutOfFuel;
use super::filters;
use super::fuel::{Fuel, Page};
use super::node::{
    Call, Chain, Comparison, Filtered, For, Link, Node, Operand, Path, Root, Segment, Way,
};
use super::number;
use super::value::{Key, Value};
use crate::clock::Timestamp;

/// A rendering under way.
#[derive(Debug)]
pub(super) struct Renderer<'a> {
    scope: &'a Json,
    /// The time and zone of dates.
    pub(super) now: Timestamp,
    pub(super) zone: Tz,
    pub(super) fuel: Fuel,
    page: Page,
    locals: BTreeMap<&'a str, Value<'a>>,
    counters: BTreeMap<&'a str, i64>,
    cycles: BTreeMap<(&'a str, String), usize>,
    loops: Vec<Turn<'a>>,
}

/// A loop under way.
#[derive(Debug)]
struct Turn<'a> {
    variable: &'a str,
    item: Value<'a>,
    index: usize,
    length: usize,
}

/// How the rendering goes on after a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Next,
    Break,
    Continue,
}

impl<'a> Renderer<'a> {
    /// Begins with a full tank.
    pub(super) fn new(scope: &'a Json, now: Timestamp, zone: Tz) -> Self {
        Self {
            scope,
            now,
            zone,
            fuel: Fuel::full(),
            page: Page::default(),
            locals: BTreeMap::new(),
            counters: BTreeMap::new(),
            cycles: BTreeMap::new(),
            loops: Vec::new(),
        }
    }

    /// The text of a template.
    pub(super) fn text(mut self, nodes: &'a [Node]) -> Result<String, OutOfFuel> {
        self.nodes(nodes)?;
        Ok(self.page.into_text())
    }

    /// The value of a single output.
    pub(super) fn json(&mut self, filtered: &'a Filtered) -> Result<Json, OutOfFuel> {
        let value = self.filtered(filtered)?;
        self.fuel.copy(value.json())
    }

    fn nodes(&mut self, nodes: &'a [Node]) -> Result<Then, OutOfFuel> {
        for node in nodes {
            self.fuel.step()?;
            let then = self.node(node)?;
            if then != Then::Next {
                return Ok(then);
            }
        }
        Ok(Then::Next)
    }

    fn node(&mut self, node: &'a Node) -> Result<Then, OutOfFuel> {
        match node {
            Node::Text(text) => self.page.push(text, &mut self.fuel)?,
            Node::Output(filtered) => {
                let value = self.filtered(filtered)?;
                value.print(&mut self.page, &mut self.fuel)?;
            }
            Node::If { branches, otherwise } => {
                for branch in branches {
                    if self.filtered(&branch.test)?.is_true() == branch.when {
                        return self.nodes(&branch.body);
                    }
                }
                return self.nodes(otherwise);
            }
            Node::Case { subject, arms, otherwise } => {
                let subject = self.filtered(subject)?;
                // Every arm with the value is rendered, as everywhere in Liquid.
                let (mut is_hit, mut then) = (false, Then::Next);
                for arm in arms {
                    if then == Then::Next && self.is_one_of(&subject, &arm.values)? {
                        is_hit = true;
                        then = self.nodes(&arm.body)?;
                    }
                }
                return if is_hit { Ok(then) } else { self.nodes(otherwise) };
            }
            Node::For(head) => return self.repeat(head),
            Node::Assign { name, value } => {
                let value = self.filtered(value)?;
                self.locals.insert(name, value);
            }
            Node::Capture { name, body } => {
                let around = std::mem::take(&mut self.page);
                let then = self.nodes(body)?;
                let page = std::mem::replace(&mut self.page, around);
                self.locals.insert(name, Value::made(page.into_text()));
                return Ok(then);
            }
            Node::Count { name, way } => self.count(name, *way)?,
            Node::Cycle { text, group, choices } => self.cycle(text, group.as_ref(), choices)?,
            Node::Break => return Ok(Then::Break),
            Node::Continue => return Ok(Then::Continue),
        }
        Ok(Then::Next)
    }

    fn is_one_of(&mut self, subject: &Value<'a>, values: &'a [Operand]) -> Result<bool, OutOfFuel> {
        // A bare `empty` or `blank` is an empty text here.
        let subject = Value::Seen(subject.json());
        for value in values {
            let value = self.operand(value)?;
            self.fuel.step()?;
            if subject.equals(&value, &mut self.fuel)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn repeat(&mut self, head: &'a For) -> Result<Then, OutOfFuel> {
        let list = self.operand(&head.list)?;
        let items = self.elements(&list)?;
        if items.is_empty() {
            return self.nodes(&head.otherwise);
        }
        let (mut first, mut end) = (0, items.len());
        if let Some(offset) = self.modifier(head.offset.as_ref())? {
            first = place(offset, items.len());
        }
        if let Some(limit) = self.modifier(head.limit.as_ref())? {
            end = first + place(limit, end - first);
        }
        let length = end - first;
        let mut chosen: Vec<Value<'a>> = items.into_iter().skip(first).take(length).collect();
        if head.reversed {
            chosen.reverse();
        }
        for (index, item) in chosen.into_iter().enumerate() {
            self.fuel.step()?;
            self.loops.push(Turn { variable: &head.variable, item, index, length });
            let then = self.nodes(&head.body);
            self.loops.pop();
            if then? == Then::Break {
                break;
            }
        }
        Ok(Then::Next)
    }

    /// What a loop goes through: a text once, the fields of an object as pairs.
    fn elements(&mut self, list: &Value<'a>) -> Result<Vec<Value<'a>>, OutOfFuel> {
        if let Value::Seen(Json::Array(items)) = list {
            self.fuel.elements(items.len())?;
            return Ok(items.iter().map(Value::Seen).collect());
        }
        match list.json() {
            Json::Array(items) => {
                items.iter().map(|item| self.fuel.copy(item).map(Value::made)).collect()
            }
            Json::Object(fields) => fields
                .iter()
                .map(|(name, item)| {
                    self.fuel.bytes(name.len())?;
                    let item = self.fuel.copy(item)?;
                    Ok(Value::made(vec![Json::from(name.as_str()), item]))
                })
                .collect(),
            Json::String(text) if !text.is_empty() => Ok(vec![list.clone()]),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Ok(Vec::new()),
        }
    }

    fn modifier(&mut self, operand: Option<&'a Operand>) -> Result<Option<i64>, OutOfFuel> {
        let Some(operand) = operand else { return Ok(None) };
        let value = self.operand(operand)?;
        Ok(if value.is_nil() { None } else { Some(number::index(value.number())) })
    }

    fn count(&mut self, name: &'a str, way: Way) -> Result<(), OutOfFuel> {
        let of_scope = || match self.scope.get(name) {
            Some(Json::Number(value)) => number::index(number::of(value)),
            Some(_) | None => 0,
        };
        let value = self.counters.get(name).copied().unwrap_or_else(of_scope);
        let shown = match way {
            Way::Up => value,
            Way::Down => value.saturating_sub(1),
        };
        let next = if way == Way::Up { value.saturating_add(1) } else { shown };
        self.counters.insert(name, next);
        self.page.push(&shown.to_string(), &mut self.fuel)
    }

    fn cycle(
        &mut self,
        text: &'a str,
        group: Option<&'a Operand>,
        choices: &'a [Operand],
    ) -> Result<(), OutOfFuel> {
        let group = match group {
            Some(group) => self.operand(group)?.text(&mut self.fuel)?.into_owned(),
            None => String::new(),
        };
        // It goes on wherever the same choices stand in the same group.
        let turn = self.cycles.entry((text, group)).or_default();
        let choice = choices.get(*turn);
        *turn = if *turn + 1 < choices.len() { *turn + 1 } else { 0 };
        let Some(choice) = choice else { return Ok(()) };
        let value = self.operand(choice)?;
        value.print(&mut self.page, &mut self.fuel)
    }

    /// An expression with its filters.
    fn filtered(&mut self, filtered: &'a Filtered) -> Result<Value<'a>, OutOfFuel> {
        let mut value = self.expression(&filtered.expression)?;
        for call in &filtered.filters {
            value = self.call(value, call)?;
        }
        Ok(value)
    }

    fn call(&mut self, value: Value<'a>, call: &'a Call) -> Result<Value<'a>, OutOfFuel> {
        self.fuel.step()?;
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for operand in &call.arguments {
            arguments.push(self.operand(operand)?);
        }
        let named = call.named.as_ref().map(|named| self.operand(named)).transpose()?;
        filters::apply(self, call.filter, value, &filters::Arguments { arguments, named })
    }

    fn expression(&mut self, chain: &'a Chain<Link, Comparison>) -> Result<Value<'a>, OutOfFuel> {
        let Some(((link, last), between)) = chain.rest.split_last() else {
            return self.comparison(&chain.first);
        };
        let mut holds = self.comparison(last)?.is_true();
        let mut link = *link;
        for (before, comparison) in between.iter().rev() {
            holds = joined(link, self.comparison(comparison)?.is_true(), holds);
            link = *before;
        }
        holds = joined(link, self.comparison(&chain.first)?.is_true(), holds);
        Ok(Value::made(holds))
    }

    fn comparison(&mut self, comparison: &'a Comparison) -> Result<Value<'a>, OutOfFuel> {
        let chain = &comparison.chain;
        let mut value = match chain.rest.split_last() {
            None => self.operand(&chain.first)?,
            Some(((operator, last), between)) => {
                let mut right = self.operand(last)?;
                let mut operator = *operator;
                for (before, operand) in between.iter().rev() {
                    let left = self.operand(operand)?;
                    right = Value::made(left.compare(operator, &right, &mut self.fuel)?);
                    operator = *before;
                }
                let left = self.operand(&chain.first)?;
                Value::made(left.compare(operator, &right, &mut self.fuel)?)
            }
        };
        if let Some(negated) = comparison.negated {
            value = Value::made(value.is_true() != negated);
        }
        Ok(value)
    }

    fn operand(&mut self, operand: &'a Operand) -> Result<Value<'a>, OutOfFuel> {
        match operand {
            Operand::Literal(json) => Ok(Value::Seen(json)),
            Operand::Empty => Ok(Value::Empty),
            Operand::Blank => Ok(Value::Blank),
            Operand::Path(path) => self.path(path),
            Operand::Range(first, last) => {
                let (first, last) = (self.operand(first)?, self.operand(last)?);
                self.range(first.number(), last.number())
            }
        }
    }

    fn range(&mut self, first: f64, last: f64) -> Result<Value<'a>, OutOfFuel> {
        let mut numbers = Vec::new();
        let mut next = first;
        while next <= last && next.is_finite() {
            self.fuel.elements(1)?;
            numbers.push(number::json(next));
            next += 1.0;
        }
        Ok(Value::made(numbers))
    }

    fn path(&mut self, path: &'a Path) -> Result<Value<'a>, OutOfFuel> {
        self.fuel.step()?;
        let mut value = match &path.root {
            Root::Name(name) => self.variable(name)?,
            Root::Key(operand) => {
                let key = self.operand(operand)?;
                let name = key.text(&mut self.fuel)?;
                self.variable(&name)?
            }
            Root::Value(operand) => self.operand(operand)?,
        };
        for segment in &path.segments {
            let key = match segment {
                Segment::Name(name) => Key::Name(name.into()),
                Segment::Index(index) => Key::Index(*index),
                Segment::Key(operand) => {
                    let key = self.operand(operand)?;
                    self.key(&key)?
                }
            };
            value = value.get(&key, &mut self.fuel)?;
        }
        Ok(value)
    }

    fn key(&mut self, value: &Value<'a>) -> Result<Key<'static>, OutOfFuel> {
        if let Json::Number(index) = value.json()
            && let Some(index) = number::whole(number::of(index))
        {
            return Ok(Key::Index(index));
        }
        Ok(Key::Name(value.text(&mut self.fuel)?.into_owned().into()))
    }

    /// A variable of a loop, a local, a counter, or a name of the scope.
    fn variable(&mut self, name: &str) -> Result<Value<'a>, OutOfFuel> {
        for turn in self.loops.iter().rev() {
            if turn.variable == name {
                return Ok(turn.item.clone());
            }
            if name == "forloop" {
                return Ok(turn.forloop());
            }
        }
        if let Some(value) = self.locals.get(name) {
            return Ok(value.clone());
        }
        if let Some(count) = self.counters.get(name) {
            return Ok(Value::made(*count));
        }
        match self.scope {
            Json::Object(fields) => {
                self.fuel.step()?;
                Ok(fields.get(name).map_or(Value::nil(), Value::Seen))
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                Ok(Value::nil())
            }
        }
    }
}

impl Turn<'_> {
    fn forloop<'b>(&self) -> Value<'b> {
        let left = self.length - self.index;
        Value::made(json!({
            "length": self.length,
            "index": self.index + 1,
            "index0": self.index,
            "rindex": left,
            "rindex0": left - 1,
            "first": self.index == 0,
            "last": left == 1,
        }))
    }
}

fn joined(link: Link, left: bool, right: bool) -> bool {
    match link {
        Link::And => left && right,
        Link::Or => left || right,
    }
}

/// A place in a list of this length, counted from the end if negative.
fn place(index: i64, length: usize) -> usize {
    let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
    if index < 0 { length.saturating_sub(distance) } else { distance.min(length) }
}
