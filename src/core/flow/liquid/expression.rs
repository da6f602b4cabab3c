//! Parses expressions: values, paths, comparisons, filters.

use chrono_tz::Tz;
use serde_json::Value as Json;

use super::NESTING_MAX;
use super::cursor::Cursor;
use super::fault::{Cause, Fault, Name};
use super::filters::Filter;
use super::node::{
    Call, Chain, Comparison, Filtered, Link, Operand, Operator, Path, Root, Segment,
};

/// Words that are no names.
const RESERVED: &[&str] = &["and", "or", "not", "contains"];

/// Operators, longer ones before their beginnings.
const SIGNS: &[(&str, Operator)] = &[
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<>", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// Reads an expression with its filters, up to the end.
pub(super) fn filtered(cursor: &mut Cursor<'_>) -> Result<Filtered, Fault> {
    let expression = expression(cursor)?;
    let mut filters = Vec::new();
    loop {
        cursor.skip_blank();
        if !cursor.eat("|") {
            break;
        }
        filters.push(call(cursor)?);
    }
    cursor.finish()?;
    Ok(Filtered { expression, filters })
}

fn expression(cursor: &mut Cursor<'_>) -> Result<Chain<Link, Comparison>, Fault> {
    let first = comparison(cursor)?;
    let mut rest = Vec::new();
    loop {
        cursor.skip_blank();
        let link = if cursor.eat_word("and") {
            Link::And
        } else if cursor.eat_word("or") {
            Link::Or
        } else {
            return Ok(Chain { first, rest });
        };
        rest.push((link, comparison(cursor)?));
    }
}

fn comparison(cursor: &mut Cursor<'_>) -> Result<Comparison, Fault> {
    let mut negated = None;
    cursor.skip_blank();
    while cursor.eat_word("not") {
        negated = Some(!negated.unwrap_or(false));
        cursor.skip_blank();
    }
    let first = operand(cursor, 0)?;
    let mut rest = Vec::new();
    while let Some(operator) = operator(cursor) {
        rest.push((operator, operand(cursor, 0)?));
    }
    Ok(Comparison { negated, chain: Chain { first, rest } })
}

fn operator(cursor: &mut Cursor<'_>) -> Option<Operator> {
    cursor.skip_blank();
    if cursor.eat_word("contains") {
        return Some(Operator::Contains);
    }
    SIGNS.iter().find(|(sign, _)| cursor.eat(sign)).map(|(_, operator)| *operator)
}

/// Reads a filter behind its bar.
fn call(cursor: &mut Cursor<'_>) -> Result<Call, Fault> {
    cursor.skip_blank();
    let start = cursor.offset();
    let Some(name) = cursor.word() else {
        return Err(cursor.fault(Cause::Expected("a filter's name")));
    };
    let Some(form) = Filter::named(name) else {
        return Err(cursor.fault_at(start, Cause::UnknownFilter(Name::of(name))));
    };
    let mut call = Call { filter: form.filter, arguments: Vec::new(), named: None };
    cursor.skip_blank();
    if cursor.eat(":") {
        loop {
            argument(cursor, form.named, &mut call)?;
            cursor.skip_blank();
            if !cursor.eat(",") {
                break;
            }
        }
    }
    let given = call.arguments.len();
    if !(form.least..=form.most).contains(&given) {
        let (filter, least, most) = (form.name, form.least, form.most);
        return Err(cursor.fault_at(start, Cause::Arguments { filter, least, most, given }));
    }
    if call.filter == Filter::Date {
        for zone in call.arguments.get(1).into_iter().chain(&call.named) {
            check_zone(cursor, start, zone)?;
        }
    }
    Ok(call)
}

fn argument(cursor: &mut Cursor<'_>, named: Option<&str>, call: &mut Call) -> Result<(), Fault> {
    cursor.skip_blank();
    let start = cursor.offset();
    let mut ahead = cursor.clone();
    if let Some(name) = ahead.word() {
        ahead.skip_blank();
        if ahead.eat(":") {
            *cursor = ahead;
            if Some(name) != named {
                return Err(cursor.fault_at(start, Cause::UnknownArgument(Name::of(name))));
            }
            call.named = Some(operand(cursor, 0)?);
            return Ok(());
        }
    }
    call.arguments.push(operand(cursor, 0)?);
    Ok(())
}

/// A zone that is written must exist; one that a path leads to is looked up when it is known.
fn check_zone(cursor: &Cursor<'_>, start: usize, zone: &Operand) -> Result<(), Fault> {
    if let Operand::Literal(Json::String(name)) = zone
        && name.parse::<Tz>().is_err()
    {
        return Err(cursor.fault_at(start, Cause::UnknownZone(Name::of(name))));
    }
    Ok(())
}

/// Reads one value.
pub(super) fn operand(cursor: &mut Cursor<'_>, depth: usize) -> Result<Operand, Fault> {
    if depth > NESTING_MAX {
        return Err(cursor.fault(Cause::TooDeep));
    }
    cursor.skip_blank();
    let value = match cursor.peek() {
        Some('(') => Some(range(cursor, depth)?),
        Some('[') => {
            let root = match key(cursor, depth)? {
                Segment::Name(name) => Root::Name(name),
                Segment::Index(index) => Root::Name(index.to_string()),
                Segment::Key(operand) => Root::Key(Box::new(operand)),
            };
            let segments = segments(cursor, depth)?;
            return Ok(Operand::Path(Path { root, segments }));
        }
        _ => literal(cursor)?,
    };
    let root = match value {
        Some(value)
            if !matches!(cursor.peek(), Some('.' | '[')) || cursor.rest().starts_with("..") =>
        {
            return Ok(value);
        }
        Some(value) => Root::Value(Box::new(value)),
        None => Root::Name(name(cursor)?),
    };
    let segments = segments(cursor, depth)?;
    Ok(Operand::Path(Path { root, segments }))
}

fn literal(cursor: &mut Cursor<'_>) -> Result<Option<Operand>, Fault> {
    if let Some(text) = cursor.quoted()? {
        return Ok(Some(Operand::Literal(text.into())));
    }
    if let Some(number) = cursor.number() {
        return Ok(Some(Operand::Literal(number)));
    }
    let value = match cursor.peek_word() {
        Some("true") => Operand::Literal(true.into()),
        Some("false") => Operand::Literal(false.into()),
        Some("nil" | "null") => Operand::Literal(Json::Null),
        Some("empty") => Operand::Empty,
        Some("blank") => Operand::Blank,
        _ => return Ok(None),
    };
    cursor.word();
    Ok(Some(value))
}

fn name(cursor: &mut Cursor<'_>) -> Result<String, Fault> {
    match cursor.peek_word() {
        Some(word) if RESERVED.contains(&word) => Err(cursor.fault(Cause::Expected("a value"))),
        Some(word) => {
            cursor.word();
            Ok(word.to_owned())
        }
        None if cursor.rest().is_empty() => Err(cursor.fault(Cause::Expected("a value"))),
        None => Err(cursor.unexpected()),
    }
}

/// Reads `(1..5)`.
fn range(cursor: &mut Cursor<'_>, depth: usize) -> Result<Operand, Fault> {
    cursor.require("(", "\"(\"")?;
    let first = operand(cursor, depth + 1)?;
    cursor.require("..", "\"..\"")?;
    let last = operand(cursor, depth + 1)?;
    cursor.require(")", "\")\"")?;
    Ok(Operand::Range(Box::new(first), Box::new(last)))
}

fn segments(cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<Segment>, Fault> {
    let mut segments = Vec::new();
    loop {
        if cursor.peek() == Some('[') {
            segments.push(key(cursor, depth)?);
        } else if cursor.peek() == Some('.') && !cursor.rest().starts_with("..") {
            cursor.eat(".");
            cursor.skip_blank();
            let name = cursor.word().ok_or_else(|| cursor.fault(Cause::Expected("a name")))?;
            segments.push(Segment::Name(name.to_owned()));
        } else {
            return Ok(segments);
        }
    }
}

/// Reads `[0]`, `["name"]` or `[path]`.
fn key(cursor: &mut Cursor<'_>, depth: usize) -> Result<Segment, Fault> {
    cursor.require("[", "\"[\"")?;
    let operand = operand(cursor, depth + 1)?;
    cursor.require("]", "\"]\"")?;
    if let Operand::Literal(Json::Number(number)) = &operand
        && let Some(index) = number.as_i64()
    {
        return Ok(Segment::Index(index));
    }
    Ok(match operand {
        Operand::Literal(Json::String(name)) => Segment::Name(name),
        Operand::Literal(_)
        | Operand::Empty
        | Operand::Blank
        | Operand::Path(_)
        | Operand::Range(..) => Segment::Key(operand),
    })
}
