//! Conditions: `when` of a source or rule.
//!
//! A condition is a test of a path (`equals`, `in`, `present`, `prefix`, ..), of the trigger, of the
//! feed, or `all`, `any` or `not` of others. Texts are compared without regard to capitals, blanks,
//! `_` and `-`. Patterns (`matches`) know `*` (any text) and `?` (one character); what they cannot
//! say is said by a regular expression (`regex`), which sees the text as it is. Both take time linear
//! in the text.

use std::cmp::Ordering;
use std::fmt;

use super::document::{Node, Table};
use super::expression::Expression;
use super::path::Found;
use super::spot::Spot;
use super::table::{Folded, folded};
use super::view::View;
use crate::hl7::Dtm;

/// Deepest nesting; bounds the stack.
const DEPTH_MAX: usize = 16;

/// A compiled condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Trigger(Vec<Trigger>),
    /// The name of the feed.
    Source(Vec<String>),
    Path {
        path: Spot,
        /// As the mapping writes it.
        label: String,
        test: Test,
    },
}

/// A trigger: `SIU^S12`, `S12`, `SIU^*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trigger {
    code: Option<String>,
    event: Option<String>,
}

/// A test of the value at a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    In(Vec<Folded>),
    Present(bool),
    Null(bool),
    Prefix(Folded),
    Suffix(Folded),
    Contains(Folded),
    Glob(Folded),
    Regex(Expression),
    IsTime(bool),
    /// Numbers between dots, as in versions.
    AtLeast(Vec<u64>),
    Below(Vec<u64>),
}

impl Trigger {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let part = |text: &str| (text != "*").then(|| text.to_owned());
        let is_name = |text: &str| {
            text == "*" || (!text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric()))
        };
        let (code, event) = text.split_once('^').unwrap_or(("*", text));
        (is_name(code) && is_name(event)).then(|| Self { code: part(code), event: part(event) })
    }

    pub(super) fn matches(&self, code: &str, event: &str) -> bool {
        let is = |wanted: &Option<String>, said: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(said))
        };
        is(&self.code, code) && is(&self.event, event)
    }

    /// How exactly it says what it matches: the more exact wins.
    pub(super) const fn rank(&self) -> u8 {
        match (&self.code, &self.event) {
            (Some(_), Some(_)) => 3,
            (None, Some(_)) => 2,
            (Some(_), None) => 1,
            (None, None) => 0,
        }
    }
}

impl Condition {
    /// Reads a condition; what is wrong is reported there.
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        Self::read_nested(node, 0)
    }

    fn read_nested(node: &Node<'_>, depth: usize) -> Option<Self> {
        if depth > DEPTH_MAX {
            node.fault(format!("conditions are nested more than {DEPTH_MAX} deep"));
            return None;
        }
        let table = node.table()?;
        let nested = |nodes: Vec<Node<'_>>| {
            nodes.iter().filter_map(|node| Self::read_nested(node, depth + 1)).collect()
        };
        let mut found: Vec<Self> = Vec::new();
        found.extend(table.get("all").map(|node| Self::All(nested(node.list()))));
        found.extend(table.get("any").map(|node| Self::Any(nested(node.list()))));
        if let Some(inner) = table.get("not") {
            found.push(Self::Not(Box::new(Self::read_nested(&inner, depth + 1)?)));
        }
        found.extend(table.get("trigger").map(|node| Self::Trigger(triggers(node))));
        found.extend(table.get("source").map(|node| Self::Source(node.texts())));
        if let Some(at) = table.get("path") {
            let path = Spot::read(&at);
            let tests = tests(&table);
            if tests.is_empty() {
                table.fault("a test is missing, such as equals, in, present or prefix");
            }
            let label = at.as_text().unwrap_or_default();
            let path = path?;
            found.extend(tests.into_iter().map(|test| Self::Path {
                path: match &test {
                    // Whether anything is there is asked of the whole field.
                    Test::Present(_) | Test::Null(_) => path.clone(),
                    Test::In(_)
                    | Test::Prefix(_)
                    | Test::Suffix(_)
                    | Test::Contains(_)
                    | Test::Glob(_)
                    | Test::Regex(_)
                    | Test::IsTime(_)
                    | Test::AtLeast(_)
                    | Test::Below(_) => path.clone().into_component(),
                },
                label: label.to_owned(),
                test,
            }));
        }
        if found.is_empty() {
            table.fault("a condition needs path and a test, trigger, source, all, any or not");
        }
        table.finish();
        match found.len() {
            1 => found.pop(),
            _ => Some(Self::All(found)),
        }
    }

    /// Whether the condition holds for a message.
    pub(super) fn holds(&self, view: &View<'_>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(view)),
            Self::Any(any) => any.iter().any(|one| one.holds(view)),
            Self::Not(inner) => !inner.holds(view),
            Self::Trigger(any) => any.iter().any(|one| one.matches(view.kind.0, view.kind.1)),
            Self::Source(any) => any.iter().any(|name| name == view.feed),
            Self::Path { path, test, .. } => test.holds_at(path, view),
        }
    }
}

impl Condition {
    /// Shows each path that the condition looks at.
    pub(super) fn paths(&self, see: &mut dyn FnMut(&Spot)) {
        match self {
            Self::All(all) | Self::Any(all) => all.iter().for_each(|one| one.paths(see)),
            Self::Not(inner) => inner.paths(see),
            Self::Trigger(_) | Self::Source(_) => {}
            Self::Path { path, .. } => see(path),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, all: &[Self], word: &str| {
            for (index, one) in all.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                match one {
                    Self::All(_) | Self::Any(_) => write!(f, "({one})")?,
                    Self::Not(_) | Self::Trigger(_) | Self::Source(_) | Self::Path { .. } => {
                        write!(f, "{one}")?;
                    }
                }
            }
            Ok(())
        };
        match self {
            Self::All(all) => joined(f, all, "and"),
            Self::Any(any) => joined(f, any, "or"),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::Trigger(any) => {
                let names: Vec<_> = any.iter().map(ToString::to_string).collect();
                write!(f, "trigger is {}", names.join(" or "))
            }
            Self::Source(any) => write!(f, "source is {}", any.join(" or ")),
            Self::Path { label, test, .. } => write!(f, "{label} {test}"),
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "*".to_owned());
        write!(f, "{}^{}", part(&self.code), part(&self.event))
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers =
            |numbers: &[u64]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
        match self {
            Self::In(any) => {
                let any: Vec<_> = any.iter().map(|one| format!("\"{}\"", one.as_str())).collect();
                write!(f, "is {}", any.join(" or "))
            }
            Self::Present(true) => f.write_str("is there"),
            Self::Present(false) => f.write_str("is not there"),
            Self::Null(true) => f.write_str("is null"),
            Self::Null(false) => f.write_str("is not null"),
            Self::Prefix(part) => write!(f, "begins with \"{}\"", part.as_str()),
            Self::Suffix(part) => write!(f, "ends with \"{}\"", part.as_str()),
            Self::Contains(part) => write!(f, "contains \"{}\"", part.as_str()),
            Self::Glob(pattern) => write!(f, "fits \"{}\"", pattern.as_str()),
            Self::Regex(expression) => write!(f, "fits /{expression}/"),
            Self::IsTime(true) => f.write_str("is a time"),
            Self::IsTime(false) => f.write_str("is no time"),
            Self::AtLeast(least) => write!(f, "is at least {}", numbers(least)),
            Self::Below(limit) => write!(f, "is below {}", numbers(limit)),
        }
    }
}

fn triggers(node: Node<'_>) -> Vec<Trigger> {
    let read = |node: &Node<'_>| {
        let trigger = Trigger::parse(&node.text()?);
        if trigger.is_none() {
            node.fault("a trigger is written S12, SIU^S12 or SIU^*");
        }
        trigger
    };
    node.list().iter().filter_map(read).collect()
}

fn tests(table: &Table<'_>) -> Vec<Test> {
    let folded = |key| {
        let text = Folded::new(&table.text(key)?);
        // It would hold for every text there is.
        let is_empty = text.as_str().trim_matches('*').is_empty() && key != "equals";
        if is_empty {
            table.fault(format!(
                "{key} is compared without blanks, _ and -, and nothing is left; write a regex"
            ));
        }
        Some(text)
    };
    let flag = |key| table.get(key)?.flag();
    let any =
        |node: Node<'_>| Test::In(node.texts().iter().map(|text| Folded::new(text)).collect());
    [
        folded("equals").map(|text| Test::In(vec![text])),
        table.get("in").map(any),
        flag("present").map(Test::Present),
        flag("null").map(Test::Null),
        folded("prefix").map(Test::Prefix),
        folded("suffix").map(Test::Suffix),
        folded("contains").map(Test::Contains),
        folded("matches").map(Test::Glob),
        table.get("regex").and_then(|node| Expression::read(&node)).map(Test::Regex),
        flag("is_time").map(Test::IsTime),
        table.get("at_least").and_then(|node| read_numbers(&node)).map(Test::AtLeast),
        table.get("below").and_then(|node| read_numbers(&node)).map(Test::Below),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn read_numbers(node: &Node<'_>) -> Option<Vec<u64>> {
    let numbers = numbers(&node.text()?);
    if numbers.is_none() {
        node.fault("numbers with dots between them are expected, such as \"2.5\"");
    }
    numbers
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    parts(text).collect()
}

/// How the numbers of a text compare with others; nothing if there is one that is none.
fn compared(text: &str, with: &[u64]) -> Option<Ordering> {
    let is_numbers = parts(text).all(|number| number.is_some());
    is_numbers.then(|| parts(text).flatten().cmp(with.iter().copied()))
}

fn parts(text: &str) -> impl Iterator<Item = Option<u64>> {
    text.trim().split('.').map(|number| number.parse().ok())
}

impl Test {
    fn holds_at(&self, path: &Spot, view: &View<'_>) -> bool {
        match self {
            Self::Present(wanted) => path.first(view).is_some_and(|f| !f.is_null()) == *wanted,
            Self::Null(wanted) => path.first(view).is_some_and(|f| f.is_null()) == *wanted,
            Self::IsTime(wanted) => self.any(path, view) == *wanted,
            Self::In(_)
            | Self::Prefix(_)
            | Self::Suffix(_)
            | Self::Contains(_)
            | Self::Glob(_)
            | Self::Regex(_)
            | Self::AtLeast(_)
            | Self::Below(_) => self.any(path, view),
        }
    }

    fn any(&self, path: &Spot, view: &View<'_>) -> bool {
        let mut holds = false;
        path.visit(view, &mut |found: Found<'_>| {
            let text = view.decode(found.raw.trim());
            holds |= !found.is_null() && self.holds(&text);
            // A path without [*] means the first value only.
            holds || !path.is_every()
        });
        holds
    }

    fn holds(&self, text: &str) -> bool {
        match self {
            Self::In(any) => any.iter().any(|one| one.matches(text)),
            Self::Prefix(part) => part.begins(text),
            Self::Suffix(part) => part.ends(text),
            Self::Contains(part) => part.is_in(text),
            Self::Glob(pattern) => glob(pattern.as_str(), folded(text)),
            Self::Regex(expression) => expression.is_in(text),
            Self::IsTime(_) => Dtm::parse(text).is_ok(),
            Self::AtLeast(least) => compared(text, least).is_some_and(Ordering::is_ge),
            Self::Below(limit) => compared(text, limit).is_some_and(Ordering::is_lt),
            Self::Present(_) | Self::Null(_) => true,
        }
    }
}

/// Whether a text fits a pattern of `*` and `?`; goes back to the last `*` only.
fn glob<I: Iterator<Item = char> + Clone>(pattern: &str, mut text: I) -> bool {
    let mut pattern = pattern.chars();
    let mut retry: Option<(std::str::Chars<'_>, I)> = None;
    loop {
        let before_text = text.clone();
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((pattern.clone(), before_text.clone()));
                text = before_text;
            }
            (Some(wanted), Some(char)) if wanted == '?' || wanted == char => {}
            _ => {
                let Some((after_star, mut from)) = retry.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                text = from.clone();
                retry = Some((after_star, from));
            }
        }
    }
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
