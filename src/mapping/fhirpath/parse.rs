//! The grammar of paths; what the words are is [`super::token`]'s.

use super::super::fault::suggestion;
use super::syntax::{Call, Expression, Literal, Operator, Pattern, Start, Step, TextCall};
use super::token::{Token, tokens};
use super::types::{resource_fault, type_fault};
use super::{BYTES_MAX, DEPTH_MAX, Error};

/// Each function of the subset, and how many arguments it takes at least and at most.
pub(super) const FUNCTIONS: [(&str, usize, usize); 31] = [
    ("all", 1, 1),
    ("contains", 1, 1),
    ("count", 0, 0),
    ("empty", 0, 0),
    ("endsWith", 1, 1),
    ("exists", 0, 1),
    ("extension", 1, 1),
    ("first", 0, 0),
    ("getReferenceKey", 0, 1),
    ("iif", 2, 3),
    ("join", 0, 1),
    ("last", 0, 0),
    ("length", 0, 0),
    ("lower", 0, 0),
    ("matches", 1, 1),
    ("not", 0, 0),
    ("now", 0, 0),
    ("ofType", 1, 1),
    ("replace", 2, 2),
    ("resolve", 0, 0),
    ("select", 1, 1),
    ("single", 0, 0),
    ("skip", 1, 1),
    ("split", 1, 1),
    ("startsWith", 1, 1),
    ("substring", 1, 2),
    ("tail", 0, 0),
    ("take", 1, 1),
    ("trim", 0, 0),
    ("upper", 0, 0),
    ("where", 1, 1),
];

/// The operators, from those that bind least (`FHIRPath` N1, 6.8).
const LEVELS: [&[(&str, Operator)]; 8] = [
    &[("implies", Operator::Implies)],
    &[("or", Operator::Or), ("xor", Operator::Xor)],
    &[("and", Operator::And)],
    &[("in", Operator::In)],
    &[
        ("=", Operator::Equals),
        ("!=", Operator::Differs),
        ("~", Operator::Resembles),
        ("!~", Operator::ResemblesNot),
    ],
    &[
        ("<", Operator::Below),
        ("<=", Operator::AtMost),
        (">", Operator::Above),
        (">=", Operator::AtLeast),
    ],
    &[("|", Operator::Union)],
    &[("&", Operator::Join), ("+", Operator::Plus)],
];

/// Operators of `FHIRPath` that are not in the subset, and what to write instead.
const ABSENT: [(&str, &str); 6] = [
    ("as", "as is not in this subset: write .ofType(..)"),
    ("is", "is is not in this subset: write .ofType(..).exists()"),
    ("contains", "contains between two values is not in this subset: write them around in"),
    ("div", "arithmetic is not in this subset"),
    ("mod", "arithmetic is not in this subset"),
    ("-", "arithmetic is not in this subset"),
];

/// Reads a path; with it come the names of the variables that it uses.
pub(super) fn parse(text: &str) -> Result<(Expression, Vec<Box<str>>), Error> {
    if text.len() > BYTES_MAX {
        return Err(Error::new(text, 0, format!("a path has at most {BYTES_MAX} bytes")));
    }
    let (tokens, variables) = (tokens(text)?, Vec::new());
    let mut parser = Parser { text, tokens, next: 0, depth: 0, variables };
    let expression = parser.expression()?;
    if parser.peek().is_some() {
        return parser.fail_after("an operator or the end is expected");
    }
    Ok((expression, parser.variables))
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token<'a>)>,
    next: usize,
    depth: usize,
    variables: Vec<Box<str>>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn take(&mut self) -> Option<Token<'a>> {
        let token = self.peek().cloned();
        self.next += usize::from(token.is_some());
        token
    }

    /// Refuses what comes next.
    fn fail<T>(&self, problem: impl Into<String>) -> Result<T, Error> {
        self.fail_at(self.next, problem)
    }

    fn fail_at<T>(&self, token: usize, problem: impl Into<String>) -> Result<T, Error> {
        let at = self.tokens.get(token).map_or(self.text.len(), |(at, _)| *at);
        Err(Error::new(self.text, at, problem))
    }

    /// Refuses what comes after a value.
    fn fail_after<T>(&self, problem: impl Into<String>) -> Result<T, Error> {
        let Some(Token::Name(word) | Token::Symbol(word)) = self.peek() else {
            return self.fail(problem);
        };
        match ABSENT.iter().find(|(absent, _)| absent == word) {
            Some((_, advice)) => self.fail(*advice),
            None => self.fail(problem),
        }
    }

    fn is_next(&self, symbol: &str) -> bool {
        matches!(self.peek(), Some(Token::Symbol(next)) if *next == symbol)
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let is_next = self.is_next(symbol);
        self.next += usize::from(is_next);
        is_next
    }

    fn close(&mut self, symbol: &str) -> Result<(), Error> {
        if self.eat(symbol) { Ok(()) } else { self.fail_after(format!("{symbol} is expected")) }
    }

    fn expression(&mut self) -> Result<Expression, Error> {
        if self.depth == DEPTH_MAX {
            return self.fail(format!("brackets are nested more than {DEPTH_MAX} deep"));
        }
        self.depth += 1;
        let expression = self.operation(&LEVELS)?;
        self.depth -= 1;
        Ok(expression)
    }

    fn operation(&mut self, levels: &[&[(&str, Operator)]]) -> Result<Expression, Error> {
        let Some((level, tighter)) = levels.split_first() else { return self.chain() };
        let first = self.operation(tighter)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator(level) {
            rest.push((operator, self.operation(tighter)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Expression::Operation { first: Box::new(first), rest })
    }

    fn operator(&mut self, level: &[(&str, Operator)]) -> Option<Operator> {
        let Some(Token::Name(word) | Token::Symbol(word)) = self.peek() else { return None };
        let (_, operator) = level.iter().find(|(written, _)| written == word)?;
        self.next += 1;
        Some(*operator)
    }

    fn chain(&mut self) -> Result<Expression, Error> {
        let (start, mut steps) = self.start()?;
        loop {
            if self.eat(".") {
                steps.push(self.step()?);
            } else if self.eat("[") {
                steps.push(Step::Index(self.expression()?));
                self.close("]")?;
            } else {
                break;
            }
        }
        Ok(Expression::Chain { start, steps })
    }

    fn start(&mut self) -> Result<(Start, Vec<Step>), Error> {
        let at = self.next;
        let Some(token) = self.take() else {
            return self.fail("a path is expected, as in Appointment.status");
        };
        let start = match token {
            Token::Name("true") => Start::Literal(Literal::Bool(true)),
            Token::Name("false") => Start::Literal(Literal::Bool(false)),
            Token::Name(name) if is_type(name) && !self.is_next("(") => {
                if let Some(problem) = resource_fault(name) {
                    return self.fail_at(at, problem);
                }
                Start::Type(name.to_owned())
            }
            Token::Name(_) | Token::Element(_) => {
                self.next = at;
                return Ok((Start::Focus, vec![self.step()?]));
            }
            Token::Text(text) => Start::Literal(Literal::Text(text)),
            Token::Integer(number) => Start::Literal(Literal::Integer(number)),
            Token::Decimal(number) => Start::Literal(Literal::Decimal(number)),
            Token::Variable("$this") => Start::Focus,
            Token::Variable("%resource") => Start::Resource,
            Token::Variable(name) => match variable(name) {
                Some(name) => {
                    self.variables.push(name.into());
                    Start::Variable(name.into())
                }
                None => return self.fail_at(at, no_variable(name)),
            },
            Token::Symbol("-") => Start::Literal(self.negative()?),
            Token::Symbol("(") => {
                let inner = self.expression()?;
                self.close(")")?;
                Start::Group(Box::new(inner))
            }
            Token::Symbol(_) => return self.fail_at(at, "a path or a value is expected"),
        };
        Ok((start, Vec::new()))
    }

    fn negative(&mut self) -> Result<Literal, Error> {
        let number = match self.peek() {
            Some(Token::Integer(number)) => Literal::Integer(-number),
            Some(Token::Decimal(number)) => Literal::Decimal(-number),
            Some(_) | None => return self.fail("a number is expected after the minus"),
        };
        self.next += 1;
        Ok(number)
    }

    fn step(&mut self) -> Result<Step, Error> {
        let at = self.next;
        match self.take() {
            Some(Token::Element(name)) => Ok(Step::Member(name)),
            Some(Token::Name(name)) if self.eat("(") => self.call(name, at).map(Step::Call),
            Some(Token::Name(name)) => Ok(Step::Member(name.to_owned())),
            Some(_) | None => self.fail_at(at, "an element or a function is expected after a dot"),
        }
    }

    /// Reads a function's arguments, the opening bracket being read.
    fn call(&mut self, name: &str, at: usize) -> Result<Call, Error> {
        let known = FUNCTIONS.iter().find(|(known, ..)| *known == name);
        let Some((_, least, most)) = known else { return self.fail_at(at, no_function(name)) };
        if name == "ofType" {
            return self.type_argument().map(Call::OfType);
        }
        if name == "getReferenceKey" {
            let wanted = if self.eat(")") { None } else { Some(self.type_argument()?) };
            return Ok(Call::ReferenceKey(wanted));
        }
        let first = self.next;
        let mut args = Vec::new();
        while !self.is_next(")") {
            if !args.is_empty() && !self.eat(",") {
                return self.fail_after("a comma or ) is expected");
            }
            args.push(self.expression()?);
        }
        self.close(")")?;
        if args.len() < *least || args.len() > *most {
            return self.fail_at(at, wrong_count(name, *least, *most));
        }
        if name == "matches" {
            return match pattern(&args) {
                Ok(pattern) => Ok(Call::Text(TextCall::Matches(pattern))),
                Err(problem) => self.fail_at(first, problem),
            };
        }
        build(name, args).map_or_else(|| self.fail_at(at, no_function(name)), Ok)
    }

    /// A type, and the closing bracket.
    fn type_argument(&mut self) -> Result<String, Error> {
        let mut name = self.type_name()?;
        if matches!(name.as_str(), "FHIR" | "System") && self.eat(".") {
            name = self.type_name()?;
        }
        if let Some(problem) = type_fault(&name) {
            return self.fail_at(self.next - 1, problem);
        }
        self.close(")")?;
        Ok(name)
    }

    fn type_name(&mut self) -> Result<String, Error> {
        let name = match self.peek() {
            Some(Token::Name(name)) => (*name).to_owned(),
            Some(Token::Element(name)) => name.clone(),
            Some(_) | None => return self.fail("a type is expected, as in ofType(Patient)"),
        };
        self.next += 1;
        Ok(name)
    }
}

fn is_type(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_uppercase())
}

/// The name of a variable of the mapping, from its first letter on.
fn variable(written: &str) -> Option<&str> {
    written.strip_prefix('%').filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
}

fn no_variable(name: &str) -> String {
    let advice = suggestion(name, ["$this", "%resource"]);
    format!("{name} is not in this subset, only $this, %resource and own variables are{advice}")
}

fn no_function(name: &str) -> String {
    let advice = suggestion(name, FUNCTIONS.map(|(name, ..)| name));
    format!("the function {name} is not in this subset{advice}")
}

fn wrong_count(name: &str, least: usize, most: usize) -> String {
    match (least, most) {
        (0, 0) => format!("{name} takes no argument"),
        (1, 1) => format!("{name} takes 1 argument"),
        (least, most) if least == most => format!("{name} takes {least} arguments"),
        (least, most) => format!("{name} takes {least} to {most} arguments"),
    }
}

fn pattern(args: &[Expression]) -> Result<Pattern, &'static str> {
    let [Expression::Chain { start: Start::Literal(Literal::Text(text)), steps }] = args else {
        return Err("the pattern of matches is written in quotes, not computed");
    };
    if !steps.is_empty() {
        return Err("the pattern of matches is written in quotes, not computed");
    }
    Pattern::compile(text).ok_or("this is no regular expression, or it is too large")
}

fn build(name: &str, args: Vec<Expression>) -> Option<Call> {
    let mut args = args.into_iter();
    let mut arg = || args.next();
    Some(match name {
        "first" => Call::First,
        "last" => Call::Last,
        "tail" => Call::Tail,
        "single" => Call::Single,
        "skip" => Call::Skip(arg()?),
        "take" => Call::Take(arg()?),
        "where" => Call::Where(arg()?),
        "select" => Call::Select(arg()?),
        "all" => Call::All(arg()?),
        "exists" => Call::Exists(arg()),
        "empty" => Call::Empty,
        "not" => Call::Not,
        "now" => Call::Now,
        "count" => Call::Count,
        "extension" => Call::Extension(arg()?),
        "resolve" => Call::Resolve,
        "iif" => Call::Iif { when: arg()?, then: arg()?, otherwise: arg() },
        "join" => Call::Join(arg()),
        "startsWith" => Call::Text(TextCall::StartsWith(arg()?)),
        "endsWith" => Call::Text(TextCall::EndsWith(arg()?)),
        "contains" => Call::Text(TextCall::Contains(arg()?)),
        "replace" => Call::Text(TextCall::Replace { old: arg()?, new: arg()? }),
        "lower" => Call::Text(TextCall::Lower),
        "upper" => Call::Text(TextCall::Upper),
        "trim" => Call::Text(TextCall::Trim),
        "substring" => Call::Text(TextCall::Substring { start: arg()?, length: arg() }),
        "length" => Call::Text(TextCall::Length),
        "split" => Call::Text(TextCall::Split(arg()?)),
        _ => return None,
    })
}
