//! Conditions: `when` of a source or rule.
//!
//! A condition is a test of a path (`equals`, `in`, `present`, `prefix`, ..), of the trigger, or
//! `all`, `any` or `not` of others. Texts are compared without regard to capitals, blanks, `_` and
//! `-`; patterns know `*` (any text) and `?` (one character), and no more: that is enough for every
//! dialect met so far, takes linear time and cannot be got wrong by a bracket.

use crate::hl7::{Dtm, Message};

use super::document::{Node, Table};
use super::path::{Found, Path};
use super::table::{Folded, folded};

/// Deepest nesting; bounds the stack.
const DEPTH_MAX: usize = 16;

/// A compiled condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Trigger(Vec<Trigger>),
    Path { path: Path, test: Test },
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
        if let Some(at) = table.get("path") {
            let path = read_path(&at);
            let tests = tests(&table);
            if tests.is_empty() {
                table.fault("a test is missing, such as equals, in, present or prefix");
            }
            let path = path?;
            found.extend(tests.into_iter().map(|test| Self::Path { path: path.clone(), test }));
        }
        if found.is_empty() {
            table.fault("a condition needs path and a test, trigger, all, any or not");
        }
        table.finish();
        match found.len() {
            1 => found.pop(),
            _ => Some(Self::All(found)),
        }
    }

    /// Whether the condition holds for a message with this code and trigger event.
    pub(super) fn holds(&self, msg: &Message, kind: (&str, &str)) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(msg, kind)),
            Self::Any(any) => any.iter().any(|one| one.holds(msg, kind)),
            Self::Not(inner) => !inner.holds(msg, kind),
            Self::Trigger(any) => any.iter().any(|one| one.matches(kind.0, kind.1)),
            Self::Path { path, test } => test.holds_at(path, msg),
        }
    }
}

/// Reads a path from a value; what is wrong is reported there.
pub(super) fn read_path(node: &Node<'_>) -> Option<Path> {
    match Path::parse(&node.text()?) {
        Ok(path) => Some(path),
        Err(error) => {
            node.fault(error.to_string());
            None
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
    let folded = |key| table.text(key).map(|text| Folded::new(&text));
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
    text.trim().split('.').map(|number| number.parse().ok()).collect()
}

impl Test {
    fn holds_at(&self, path: &Path, msg: &Message) -> bool {
        match self {
            Self::Present(wanted) => path.first(msg).is_some_and(|f| !f.is_null()) == *wanted,
            Self::Null(wanted) => path.first(msg).is_some_and(|f| f.is_null()) == *wanted,
            Self::IsTime(wanted) => self.any(path, msg) == *wanted,
            Self::In(_)
            | Self::Prefix(_)
            | Self::Suffix(_)
            | Self::Contains(_)
            | Self::Glob(_)
            | Self::AtLeast(_)
            | Self::Below(_) => self.any(path, msg),
        }
    }

    fn any(&self, path: &Path, msg: &Message) -> bool {
        let mut holds = false;
        path.visit(msg, &mut |found: Found<'_>| {
            let text = crate::hl7::escape::decode(found.raw.trim(), msg.separators());
            holds |= !found.is_null() && self.holds(&text);
            // A path without [*] means the first value only.
            holds || !path.is_every()
        });
        holds
    }

    fn holds(&self, text: &str) -> bool {
        match self {
            Self::In(any) => any.iter().any(|one| one.matches(text)),
            Self::Prefix(part) => text_of(text).starts_with(part.as_str()),
            Self::Suffix(part) => text_of(text).ends_with(part.as_str()),
            Self::Contains(part) => text_of(text).contains(part.as_str()),
            Self::Glob(pattern) => glob(pattern.as_str(), &text_of(text)),
            Self::IsTime(_) => Dtm::parse(text).is_ok(),
            Self::AtLeast(least) => numbers(text).is_some_and(|numbers| numbers >= *least),
            Self::Below(limit) => numbers(text).is_some_and(|numbers| numbers < *limit),
            Self::Present(_) | Self::Null(_) => true,
        }
    }
}

fn text_of(text: &str) -> String {
    folded(text).collect()
}

/// Whether a text fits a pattern of `*` and `?`; goes back to the last `*` only.
fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
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
mod tests {
    use super::*;

    #[test]
    fn a_pattern_knows_star_and_question_mark_only() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "abc"),
            ("a*c", "abbc"),
            ("a?c", "abc"),
            ("*b*", "abc"),
            ("a*b*c", "aXbXbXc"),
            ("[a]", "[a]"),
            ("日*", "日本"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("a", ""), ("a?c", "ac"), ("a*c", "abcd"), ("?", ""), (".*", "abc")]
        {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        assert!(!glob(&"*a".repeat(200), &"a".repeat(100)));
        assert!(!glob("*a*a*a*a*a*b", &"a".repeat(10_000)));
    }

    #[test]
    fn versions_are_compared_by_number() {
        let at_least = Test::AtLeast(vec![2, 5]);
        for (version, holds) in [
            ("2.5", true),
            ("2.5.1", true),
            ("2.10", true),
            ("2.4", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(at_least.holds(version), holds, "{version}");
        }
    }

    #[test]
    fn triggers_are_read_or_refused() {
        assert!(Trigger::parse("SIU^S12").unwrap().matches("siu", "S12"));
        assert!(Trigger::parse("S12").unwrap().matches("SRM", "S12"));
        assert!(Trigger::parse("SIU^*").unwrap().matches("SIU", ""));
        assert!(!Trigger::parse("SIU^*").unwrap().matches("ADT", "A08"));
        for bad in ["", "^", "SIU^", "SIU^S12^SIU_S12", "S 12"] {
            assert!(Trigger::parse(bad).is_none(), "{bad}");
        }
    }
}
