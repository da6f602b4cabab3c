//! Executes a path: steps, selections and functions of collections.
//!
//! Where `FHIRPath` signals an error (several items where one is meant, a text where a number is
//! meant) the result is empty: a message is not refused for the odd shape of one element.

use serde_json::Value;

use super::entry::{Entry, Home, Scalar};
use super::syntax::{Call, Expression, Literal, Start, Step};
use super::variables::VARIABLES_DEEP_MAX;
use super::work::{TooMuch, Work};
use super::{Context, Item};

/// The element of which some may be hidden.
const PARTICIPANT: &str = "participant";

pub(super) type Found<'v> = Result<Vec<Entry<'v>>, TooMuch>;

/// One evaluation of one path.
pub(super) struct Evaluation<'c, 'v> {
    pub(super) context: Context<'c, 'v>,
    pub(super) work: Work,
    /// How many variables are under evaluation, one within the other.
    depth: usize,
}

impl<'c, 'v> Evaluation<'c, 'v> {
    pub(super) const fn new(context: Context<'c, 'v>) -> Self {
        Self { context, work: Work::new(), depth: 0 }
    }

    /// What a path gives from a node on, which stands in the resource `home`.
    pub(super) fn run(mut self, path: &Expression, node: &'v Value, home: Home<'v>) -> Found<'v> {
        let focus = Entry::at_home(Item::Node(node), home);
        self.expression(path, std::slice::from_ref(&focus))
    }

    /// What an expression gives if `$this` is the focus.
    pub(super) fn expression(&mut self, expr: &Expression, focus: &[Entry<'v>]) -> Found<'v> {
        self.work.spend(1)?;
        match expr {
            Expression::Chain { start, steps } => {
                let mut found = self.start(start, focus)?;
                for step in steps {
                    found = self.step(step, found, focus)?;
                }
                Ok(found)
            }
            Expression::Operation { first, rest } => {
                let mut left = self.expression(first, focus)?;
                for (operator, right) in rest {
                    let right = self.expression(right, focus)?;
                    left = self.operate(*operator, left, right)?;
                }
                Ok(left)
            }
        }
    }

    fn start(&mut self, start: &Start, focus: &[Entry<'v>]) -> Found<'v> {
        match start {
            Start::Focus => {
                self.work.spend(focus.iter().map(Entry::weight).sum())?;
                Ok(focus.to_vec())
            }
            Start::Resource => Ok(vec![Entry::resource(self.context.home())]),
            Start::Variable(name) => self.variable(name),
            Start::Type(name) => {
                self.work.spend(focus.len())?;
                Ok(focus.iter().filter(|entry| entry.is_resource(name)).cloned().collect())
            }
            Start::Literal(literal) => self.literal(literal),
            Start::Group(inner) => self.expression(inner, focus),
        }
    }

    fn variable(&mut self, name: &str) -> Found<'v> {
        if let Some(found) = self.context.values.get(name) {
            let found = found.as_ref().map_err(|too_much| *too_much)?;
            self.work.spend(found.iter().map(Entry::weight).sum())?;
            return Ok(found.clone());
        }
        let variables = self.context.variables;
        let Some(path) = variables.get(name).filter(|_| self.depth < VARIABLES_DEEP_MAX) else {
            return Ok(Vec::new());
        };
        self.depth += 1;
        let root = Entry::resource(self.context.home());
        let found = self.expression(&path.expression, std::slice::from_ref(&root));
        self.depth -= 1;
        found
    }

    fn literal(&mut self, literal: &Literal) -> Found<'v> {
        let item = match literal {
            Literal::Bool(flag) => Item::Bool(*flag),
            Literal::Integer(number) => Item::Integer(*number),
            Literal::Decimal(number) => Item::Decimal(*number),
            Literal::Text(text) => {
                self.work.spend(text.len())?;
                Item::Text(text.clone())
            }
        };
        Ok(vec![self.computed(item)])
    }

    fn step(&mut self, step: &Step, input: Vec<Entry<'v>>, focus: &[Entry<'v>]) -> Found<'v> {
        self.work.spend(1)?;
        match step {
            Step::Member(name) => self.members(&input, name),
            Step::Index(number) => {
                let number = self.integer(number, focus)?.and_then(|at| usize::try_from(at).ok());
                let found = number.and_then(|at| input.into_iter().nth(at));
                Ok(found.into_iter().collect())
            }
            Step::Call(call) => self.call(call, input, focus),
        }
    }

    pub(super) fn members(&mut self, input: &[Entry<'v>], name: &str) -> Found<'v> {
        let mut found = Vec::new();
        for entry in input {
            let is_root = entry.item.node().is_some_and(|n| std::ptr::eq(n, self.context.root));
            let hidden = if is_root && name == PARTICIPANT { self.context.hidden } else { &[] };
            entry.members(name, hidden, &mut self.work, &mut found)?;
        }
        Ok(found)
    }

    fn call(&mut self, call: &Call, mut input: Vec<Entry<'v>>, focus: &[Entry<'v>]) -> Found<'v> {
        match call {
            Call::First => input.truncate(1),
            Call::Last => input = input.pop().into_iter().collect(),
            Call::Tail => input = input.into_iter().skip(1).collect(),
            Call::Single => input.truncate(if input.len() == 1 { 1 } else { 0 }),
            Call::Skip(number) => {
                let Some(number) = self.integer(number, focus)? else { return Ok(Vec::new()) };
                // Fewer than none is none.
                input = input.into_iter().skip(usize::try_from(number).unwrap_or(0)).collect();
            }
            Call::Take(number) => {
                let number = self.integer(number, focus)?.unwrap_or(0);
                input.truncate(usize::try_from(number).unwrap_or(0));
            }
            Call::Where(criteria) => return self.selected(input, criteria),
            Call::Exists(criteria) => {
                let found = match criteria {
                    Some(criteria) => self.selected(input, criteria)?,
                    None => input,
                };
                return Ok(self.flag(Some(!found.is_empty())));
            }
            Call::All(criteria) => {
                let count = input.len();
                let found = self.selected(input, criteria)?;
                return Ok(self.flag(Some(found.len() == count)));
            }
            Call::Select(projection) => return self.projected(&input, projection),
            Call::Empty => return Ok(self.flag(Some(input.is_empty()))),
            Call::Not => return Ok(self.flag(truth(&input).map(|flag| !flag))),
            Call::Count => return Ok(vec![self.number(input.len())]),
            Call::Extension(url) => return self.extensions(&input, url, focus),
            Call::OfType(name) => input.retain(|entry| entry.is_of(name)),
            Call::Resolve => return self.resolved(&input),
            Call::ReferenceKey(wanted) => return self.reference_keys(&input, wanted.as_deref()),
            Call::Now => return Ok(self.now()),
            Call::Iif { when, then, otherwise } => {
                let branch = match truth(&self.expression(when, &input)?) {
                    Some(true) => Some(then),
                    Some(false) | None => otherwise.as_ref(),
                };
                return branch.map_or(Ok(Vec::new()), |expr| self.expression(expr, &input));
            }
            Call::Join(separator) => return self.joined(&input, separator.as_ref(), focus),
            Call::Text(call) => return self.text_call(call, &input, focus),
        }
        Ok(input)
    }

    fn selected(&mut self, input: Vec<Entry<'v>>, criteria: &Expression) -> Found<'v> {
        let mut found = Vec::new();
        for entry in input {
            self.work.visit()?;
            let answer = self.expression(criteria, std::slice::from_ref(&entry))?;
            if truth(&answer) == Some(true) {
                found.push(entry);
            }
        }
        Ok(found)
    }

    fn projected(&mut self, input: &[Entry<'v>], projection: &Expression) -> Found<'v> {
        let mut found = Vec::new();
        for entry in input {
            self.work.visit()?;
            found.extend(self.expression(projection, std::slice::from_ref(entry))?);
        }
        Ok(found)
    }

    fn extensions(
        &mut self,
        input: &[Entry<'v>],
        url: &Expression,
        focus: &[Entry<'v>],
    ) -> Found<'v> {
        let Some(url) = self.text(url, focus)? else { return Ok(Vec::new()) };
        let mut found = self.members(input, "extension")?;
        self.work.spend(url.len().saturating_mul(found.len()))?;
        found.retain(|entry| {
            let Item::Node(node) = entry.item else { return false };
            node.get("url").and_then(Value::as_str) == Some(url.as_str())
        });
        Ok(found)
    }

    fn resolved(&mut self, input: &[Entry<'v>]) -> Found<'v> {
        let mut found = Vec::new();
        for entry in input {
            self.work.visit()?;
            found.extend(self.resolve(entry)?);
        }
        Ok(found)
    }

    pub(super) fn integer(
        &mut self,
        expr: &Expression,
        focus: &[Entry<'v>],
    ) -> Result<Option<i64>, TooMuch> {
        let found = self.expression(expr, focus)?;
        let Some(Scalar::Integer(number)) = single(&found) else { return Ok(None) };
        Ok(Some(number))
    }

    /// The one text that an argument gives.
    pub(super) fn text(
        &mut self,
        expr: &Expression,
        focus: &[Entry<'v>],
    ) -> Result<Option<String>, TooMuch> {
        let found = self.expression(expr, focus)?;
        let Some(Scalar::Text(text)) = single(&found) else { return Ok(None) };
        self.work.spend(text.len())?;
        Ok(Some(text.to_owned()))
    }

    pub(super) const fn computed(&self, item: Item<'v>) -> Entry<'v> {
        Entry::at_home(item, self.context.home())
    }

    /// The time of the reading, in UTC.
    fn now(&self) -> Vec<Entry<'v>> {
        let written = self.context.now.map(|now| now.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        written.map(|text| self.computed(Item::Text(text))).into_iter().collect()
    }

    pub(super) fn flag(&self, flag: Option<bool>) -> Vec<Entry<'v>> {
        flag.map(|flag| self.computed(Item::Bool(flag))).into_iter().collect()
    }

    pub(super) fn number(&self, number: usize) -> Entry<'v> {
        self.computed(Item::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

/// The only item, if it is a single value.
pub(super) fn single<'a>(found: &'a [Entry<'_>]) -> Option<Scalar<'a>> {
    let [entry] = found else { return None };
    entry.item.scalar()
}

/// `FHIRPath` N1, 4.5: one item that is no Boolean says that it is there.
pub(super) fn truth(found: &[Entry<'_>]) -> Option<bool> {
    match (found, single(found)) {
        ([_], Some(Scalar::Bool(flag))) => Some(flag),
        ([_], _) => Some(true),
        _ => None,
    }
}
