//! From the text of a path to its words; knows nothing of what may follow what.

use super::Error;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    /// A name of an element, function or type, or an operator that is a word.
    Name(&'a str),
    /// A name in backticks, which is nothing but an element.
    Element(String),
    Text(String),
    Integer(i64),
    Decimal(f64),
    /// With its `$` or `%`.
    Variable(&'a str),
    Symbol(&'static str),
}

/// The longer before those that they begin with.
const SYMBOLS: [&str; 18] =
    ["!=", "!~", "<=", ">=", "<", ">", "=", "~", "|", "&", "+", "-", "(", ")", "[", "]", ",", "."];

/// What is written by who knows other languages, and what to write here.
const STRANGERS: [(&str, &str); 10] = [
    ("==", "equality is written ="),
    ("&&", "this is written and"),
    ("||", "this is written or"),
    ("<>", "this is written !="),
    ("\"", "texts stand in single quotes"),
    ("{", "the empty collection is not in this subset"),
    ("//", "comments are not in this subset"),
    ("/*", "comments are not in this subset"),
    ("/", "arithmetic is not in this subset"),
    ("*", "arithmetic is not in this subset"),
];

/// The words of a path, each with its offset in bytes.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, Error> {
    let mut reader = Reader { text, rest: text.trim_start() };
    let mut tokens = Vec::new();
    while let Some(first) = reader.rest.chars().next() {
        tokens.push((reader.at(), reader.token(first)?));
        reader.rest = reader.rest.trim_start();
    }
    Ok(tokens)
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    const fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn fail<T>(&self, problem: impl Into<String>) -> Result<T, Error> {
        Err(Error::new(self.text, self.at(), problem))
    }

    fn token(&mut self, first: char) -> Result<Token<'a>, Error> {
        match first {
            'a'..='z' | 'A'..='Z' | '_' => Ok(Token::Name(self.take_while(belongs_to_name))),
            '0'..='9' => self.number(),
            '\'' => self.quoted(first).map(Token::Text),
            '`' => self.element(),
            '@' => self.date(),
            '$' | '%' => Ok(self.variable(first)),
            _ => self.symbol(),
        }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|char| !belongs(char)).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn number(&mut self) -> Result<Token<'a>, Error> {
        let written = self.rest;
        let whole = self.take_while(|char| char.is_ascii_digit());
        let after = self.rest.strip_prefix('.').unwrap_or_default();
        if !after.starts_with(|char: char| char.is_ascii_digit()) {
            let Ok(number) = whole.parse() else { return self.fail("this number is too large") };
            return Ok(Token::Integer(number));
        }
        self.take(1);
        let fraction = self.take_while(|char| char.is_ascii_digit());
        let decimal = written.get(..whole.len() + 1 + fraction.len()).unwrap_or_default();
        match decimal.parse() {
            Ok(number) => Ok(Token::Decimal(number)),
            Err(_) => self.fail("this is no number"),
        }
    }

    fn element(&mut self) -> Result<Token<'a>, Error> {
        let begin = self.at();
        let name = self.quoted('`')?;
        if name.is_empty() {
            return Err(Error::new(self.text, begin, "an element has a name"));
        }
        Ok(Token::Element(name))
    }

    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        let begin = self.at();
        self.take(1);
        let mut text = String::new();
        loop {
            let mut chars = self.rest.chars();
            let Some(char) = chars.next() else {
                let problem = format!("what begins here is not closed with {quote}");
                return Err(Error::new(self.text, begin, problem));
            };
            if char == '\\' {
                text.push(self.escape()?);
                continue;
            }
            self.rest = chars.as_str();
            if char == quote {
                return Ok(text);
            }
            text.push(char);
        }
    }

    /// `FHIRPath` N1, 4.1.2.
    fn escape(&mut self) -> Result<char, Error> {
        let read = match self.rest.as_bytes().get(1) {
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            Some(b'f') => Some('\u{c}'),
            Some(plain @ (b'\\' | b'/' | b'\'' | b'"' | b'`')) => Some(char::from(*plain)),
            Some(b'u') => self.rest.get(2..6).and_then(unicode),
            Some(_) | None => None,
        };
        let Some(char) = read else {
            return self.fail("no escape: \\' \\\" \\` \\\\ \\/ \\n \\r \\t \\f and \\u0041 are");
        };
        self.take(if self.rest.starts_with("\\u") { 6 } else { 2 });
        Ok(char)
    }

    fn date(&mut self) -> Result<Token<'a>, Error> {
        let rest = self.rest.get(1..).unwrap_or_default();
        let mut end = 0;
        for (at, char) in rest.char_indices() {
            let follows = rest.get(at + 1..).unwrap_or_default();
            let is_point = char == '.' && follows.starts_with(|char: char| char.is_ascii_digit());
            if !is_point && !matches!(char, '0'..='9' | '-' | ':' | '+' | 'T' | 'Z') {
                break;
            }
            end = at + 1;
        }
        let written = rest.get(..end).unwrap_or_default();
        let (date, time) = written.split_once('T').unwrap_or((written, ""));
        let text = match (is_date(date), is_time(time)) {
            (true, _) if time.is_empty() => date,
            (true, true) => written,
            (false, true) if date.is_empty() => time,
            (true | false, _) => {
                return self.fail("a date is written @2026-01-31, or @2026-01-31T10:30:00Z");
            }
        };
        self.take(1 + end);
        Ok(Token::Text(text.to_owned()))
    }

    fn variable(&mut self, sigil: char) -> Token<'a> {
        let name = self.rest.get(1..).unwrap_or_default();
        let end = name.find(|char| !belongs_to_name(char)).unwrap_or(name.len());
        Token::Variable(self.take(sigil.len_utf8() + end))
    }

    fn symbol(&mut self) -> Result<Token<'a>, Error> {
        if let Some((_, advice)) = STRANGERS.iter().find(|known| self.rest.starts_with(known.0)) {
            return self.fail(*advice);
        }
        let Some(symbol) = SYMBOLS.iter().find(|symbol| self.rest.starts_with(**symbol)) else {
            return self.fail("this character has no meaning in a path");
        };
        self.take(symbol.len());
        Ok(Token::Symbol(symbol))
    }
}

const fn belongs_to_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn unicode(digits: &str) -> Option<char> {
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten().and_then(char::from_u32)
}

fn shape(text: &str) -> String {
    text.chars().map(|char| if char.is_ascii_digit() { '9' } else { char }).collect()
}

fn is_date(text: &str) -> bool {
    matches!(shape(text).as_str(), "9999" | "9999-99" | "9999-99-99")
}

fn is_time(text: &str) -> bool {
    let shape = shape(text);
    let zones = ["Z", "+99:99", "-99:99"];
    let time = zones.iter().find_map(|zone| shape.strip_suffix(zone)).unwrap_or(&shape);
    let is_fraction = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte == b'9');
    matches!(time, "99" | "99:99" | "99:99:99")
        || time.strip_prefix("99:99:99.").is_some_and(is_fraction)
}
