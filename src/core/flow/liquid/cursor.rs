//! Reads what stands between delimiters, character by character, and knows where in the template it
//! is.

use serde_json::{Number, Value as Json};

use super::fault::{Cause, Fault, Name};

/// A place within an output or a tag.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cursor<'t> {
    template: &'t str,
    rest: &'t str,
    /// Where `rest` ends in the template.
    end: usize,
}

impl<'t> Cursor<'t> {
    /// Reads `text`, which stands at `offset` of the template.
    pub(super) fn new(template: &'t str, text: &'t str, offset: usize) -> Self {
        Self { template, rest: text, end: offset + text.len() }
    }

    /// The place in the template.
    pub(super) fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// A fault at this place.
    pub(super) fn fault(&self, cause: Cause) -> Fault {
        self.fault_at(self.offset(), cause)
    }

    /// A fault at another place.
    pub(super) fn fault_at(&self, offset: usize, cause: Cause) -> Fault {
        let before = self.template.get(..offset).unwrap_or(self.template);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        Fault { line, offset, cause }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'t str {
        self.rest
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Goes past blanks.
    pub(super) fn skip_blank(&mut self) {
        self.rest = self.rest.trim_start_matches(is_blank);
    }

    /// Goes past a sign, if it stands here.
    pub(super) fn eat(&mut self, sign: &str) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Goes past blanks and a sign, or faults.
    pub(super) fn require(&mut self, sign: &str, what: &'static str) -> Result<(), Fault> {
        self.skip_blank();
        if self.eat(sign) { Ok(()) } else { Err(self.fault(Cause::Expected(what))) }
    }

    /// Faults unless nothing is left.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        self.skip_blank();
        if self.rest.is_empty() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The fault that this character, or word, is too much.
    pub(super) fn unexpected(&self) -> Fault {
        let word = self.clone().word();
        let name = word.or_else(|| self.rest.get(..self.peek()?.len_utf8())).unwrap_or("");
        self.fault(Cause::Unexpected(Name::of(name)))
    }

    /// An identifier, if one stands here: letters, figures, `_`, `-` and `?`.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        let rest = self.rest.trim_start_matches(is_word);
        let word = self.rest.get(..self.rest.len() - rest.len())?;
        if word.is_empty() {
            return None;
        }
        self.rest = rest;
        Some(word)
    }

    /// The identifier that stands here, without going past it.
    pub(super) fn peek_word(&self) -> Option<&'t str> {
        self.clone().word()
    }

    /// Goes past this very identifier, if it stands here.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let is_here = self.peek_word() == Some(word);
        is_here && self.word().is_some()
    }

    /// A number, if one stands here that no letter follows.
    pub(super) fn number(&mut self) -> Option<Json> {
        let unsigned = self.rest.strip_prefix(['+', '-']).unwrap_or(self.rest);
        let mut rest = unsigned.trim_start_matches(|c: char| c.is_ascii_digit());
        if rest.len() == unsigned.len() {
            return None;
        }
        let mut is_whole = true;
        if let Some(fraction) = rest.strip_prefix('.').filter(|next| !next.starts_with('.')) {
            rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            is_whole = false;
        }
        let ends = !rest.starts_with(is_word) && (!rest.starts_with('.') || rest.starts_with(".."));
        if !ends {
            return None;
        }
        let text = self.rest.get(..self.rest.len() - rest.len())?;
        self.rest = rest;
        let whole = if is_whole { text.parse::<i64>().ok() } else { None };
        let number = whole.map(Number::from);
        number.map(Json::Number).or_else(|| Some(super::number::json(text.parse().ok()?)))
    }

    /// A quoted text, if one stands here.
    pub(super) fn quoted(&mut self) -> Result<Option<String>, Fault> {
        let Some(quote) = self.peek().filter(|quote| matches!(quote, '"' | '\'')) else {
            return Ok(None);
        };
        let start = self.offset();
        let mut characters = self.rest.chars();
        characters.next();
        let mut units = Vec::new();
        loop {
            match characters.next() {
                None => return Err(self.fault_at(start, Cause::NotClosed("a quote"))),
                Some(character) if character == quote => break,
                Some('\\') => {
                    let Some(unit) = escape(&mut characters) else {
                        return Err(self.fault_at(start, Cause::NotClosed("a quote")));
                    };
                    units.extend(unit);
                }
                Some(character) => units.extend(character.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        self.rest = characters.as_str();
        Ok(Some(String::from_utf16_lossy(&units)))
    }
}

/// The UTF-16 units of what follows a backslash, as in JavaScript: two `\u` can make one character.
fn escape(characters: &mut std::str::Chars<'_>) -> Option<Vec<u16>> {
    let first = characters.next()?;
    let plain = match first {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'u' => return Some(vec![digits(characters, 4, 16, 0)]),
        octal if octal.is_digit(8) => {
            let value = octal.to_digit(8).and_then(|digit| u16::try_from(digit).ok());
            return Some(vec![digits(characters, 2, 8, value.unwrap_or(0))]);
        }
        other => other,
    };
    Some(plain.encode_utf16(&mut [0; 2]).to_vec())
}

/// Up to `most` digits behind those already read.
fn digits(characters: &mut std::str::Chars<'_>, most: usize, base: u16, read: u16) -> u16 {
    let mut value = read;
    for _ in 0..most {
        let mut ahead = characters.clone();
        let digit = ahead.next().and_then(|character| character.to_digit(base.into()));
        let Some(digit) = digit.and_then(|digit| u16::try_from(digit).ok()) else { break };
        value = value.wrapping_mul(base).wrapping_add(digit);
        *characters = ahead;
    }
    value
}

/// Whether a character is white space between words or around a tag.
pub(super) fn is_blank(character: char) -> bool {
    character != '\u{85}' && (character.is_whitespace() || character == '\u{180e}')
}

/// Whether a character belongs to an identifier. Curly quotes, which word processors make of
/// straight ones, do not.
fn is_word(character: char) -> bool {
    match character {
        '_' | '-' | '?' => true,
        '\u{201c}' | '\u{201d}' => false,
        _ if character.is_ascii() => character.is_ascii_alphanumeric(),
        _ => !is_blank(character),
    }
}
