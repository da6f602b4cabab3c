//! Escape sequences: how a value holds the separators, bytes and formatting.
//!
//! Reading is lenient, because a lone backslash in a path or a date is common: what is no escape
//! sequence stays as it is, and nothing is ever cut off. HL7 v2.5.1, 2.7.

use std::borrow::Cow;

use memchr::memchr;

use super::separators::Separators;

/// The longest sequence looked for; hexadecimal data above it stays as it is.
const SEQUENCE_BYTES_MAX: usize = 4096;
/// The most lines or blanks that one formatting sequence makes.
const REPEAT_MAX: usize = 20;

/// What one sequence stands for.
enum Meaning {
    Char(char),
    /// A character that many times.
    Repeat(char, usize),
    /// Bytes written in hexadecimal.
    Bytes(Vec<u8>),
    /// Highlighting, indents, a change of character set: nothing that a text can show.
    Nothing,
    /// No escape sequence after all.
    Literal,
}

/// Decodes the escape sequences of a value; borrows if there are none.
///
/// ```
/// use appointd::hl7::{Separators, escape::decode};
/// let decode = |text| decode(text, &Separators::default()).into_owned();
/// assert_eq!(decode(r"Müller \T\ Söhne"), "Müller & Söhne");
/// assert_eq!(decode(r"line\.br\next"), "line\nnext");
/// assert_eq!(decode(r"C:\dir rest"), r"C:\dir rest");
/// ```
#[must_use]
pub fn decode<'a>(text: &'a str, separators: &Separators) -> Cow<'a, str> {
    // All separators are ASCII, so a byte search finds no half character.
    let Ok(escape) = u8::try_from(separators.escape) else { return Cow::Borrowed(text) };
    if memchr(escape, text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut decoded = Decoded { out: String::with_capacity(text.len()), bytes: Vec::new() };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(separators.escape) {
        decoded.push_str(before);
        let window = after.as_bytes().get(..SEQUENCE_BYTES_MAX).unwrap_or(after.as_bytes());
        let sequence = memchr(escape, window).and_then(|end| after.split_at_checked(end));
        let Some((sequence, tail)) = sequence else {
            decoded.push(separators.escape);
            rest = after;
            continue;
        };
        match meaning(sequence, separators) {
            Meaning::Char(char) => decoded.push(char),
            Meaning::Repeat(char, count) => (0..count).for_each(|_| decoded.push(char)),
            Meaning::Bytes(bytes) => decoded.bytes.extend(bytes),
            Meaning::Nothing => {}
            Meaning::Literal => {
                // The closing character may open the next sequence.
                decoded.push(separators.escape);
                rest = after;
                continue;
            }
        }
        rest = tail.get(1..).unwrap_or_default();
    }
    decoded.push_str(rest);
    decoded.flush();
    Cow::Owned(decoded.out)
}

/// Text under construction; bytes are held until a run of them ends, as they may be one character.
struct Decoded {
    out: String,
    bytes: Vec<u8>,
}

impl Decoded {
    fn push(&mut self, char: char) {
        self.flush();
        self.out.push(char);
    }

    fn push_str(&mut self, text: &str) {
        if !text.is_empty() {
            self.flush();
            self.out.push_str(text);
        }
    }

    fn flush(&mut self) {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => self.out.push_str(text),
            // The first 256 characters of Unicode are Latin-1.
            Err(_) => self.out.extend(self.bytes.iter().map(|byte| char::from(*byte))),
        }
        self.bytes.clear();
    }
}

fn meaning(sequence: &str, separators: &Separators) -> Meaning {
    match sequence {
        "F" => Meaning::Char(separators.field),
        "S" => Meaning::Char(separators.component),
        "T" => Meaning::Char(separators.subcomponent),
        "R" => Meaning::Char(separators.repetition),
        "E" => Meaning::Char(separators.escape),
        "P" => separators.truncation.map_or(Meaning::Literal, Meaning::Char),
        "H" | "N" => Meaning::Nothing,
        _ => match sequence.as_bytes() {
            [b'X', hex @ ..] => bytes(hex).map_or(Meaning::Literal, Meaning::Bytes),
            // A switch of character set: single (4 digits) or multiple byte (4 or 6).
            [b'C', hex @ ..] if hex.len() == 4 && bytes(hex).is_some() => Meaning::Nothing,
            [b'M', hex @ ..] if matches!(hex.len(), 4 | 6) && bytes(hex).is_some() => {
                Meaning::Nothing
            }
            [b'.', ..] => formatting(sequence),
            _ => Meaning::Literal,
        },
    }
}

fn bytes(hex: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = hex.as_chunks::<2>() else { return None };
    if pairs.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// Formatting commands of FT fields. HL7 v2.5.1, 2.7.6.
fn formatting(sequence: &str) -> Meaning {
    let command = sequence.get(1..3).unwrap_or_default().to_ascii_lowercase();
    let number = sequence.get(3..).unwrap_or_default().trim();
    let digits = number.trim_start_matches(['+', '-']);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Meaning::Literal;
    }
    let count = digits.parse().unwrap_or(1).min(REPEAT_MAX);
    match command.as_str() {
        "br" | "ce" => Meaning::Char('\n'),
        "sp" => Meaning::Repeat('\n', count.max(1)),
        "sk" => Meaning::Repeat(' ', count),
        "fi" | "nf" | "in" | "ti" => Meaning::Nothing,
        _ => Meaning::Literal,
    }
}

/// Encodes a value so that [`decode`] gives it back: separators, line ends and control characters.
///
/// ```
/// use appointd::hl7::{Separators, escape::encode};
/// assert_eq!(encode("a|b\r\nc", &Separators::default()), r"a\F\b\X0D\\X0A\c");
/// ```
#[must_use]
pub fn encode<'a>(text: &'a str, separators: &Separators) -> Cow<'a, str> {
    if !text.chars().any(|char| sequence_of(char, separators).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match sequence_of(char, separators) {
            Some(sequence) => {
                encoded.push(separators.escape);
                encoded.push_str(&sequence);
                encoded.push(separators.escape);
            }
            None => encoded.push(char),
        }
    }
    Cow::Owned(encoded)
}

fn sequence_of(char: char, separators: &Separators) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(match char {
        '\r' => "X0D",
        '\n' => "X0A",
        _ if char == separators.field => "F",
        _ if char == separators.component => "S",
        _ if char == separators.subcomponent => "T",
        _ if char == separators.repetition => "R",
        _ if char == separators.escape => "E",
        _ if Some(char) == separators.truncation => "P",
        // Among them are the bytes that MLLP frames are made of.
        '\0'..='\x1F' if char != '\t' => return Some(format!("X{:02X}", u32::from(char)).into()),
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> String {
        decode(text, &Separators::default()).into_owned()
    }

    #[test]
    fn separators_are_decoded_also_next_to_non_ascii_text() {
        assert_eq!(read(r"a\F\b\S\c\T\d\R\e\E\f"), r"a|b^c&d~e\f");
        assert_eq!(read(r"日本\T\日本"), "日本&日本");
    }

    #[test]
    fn an_unterminated_or_unknown_sequence_is_literal_text() {
        for literal in [r"C:\dir rest", r"C:\dir\file", r"\", r"\\", r"a\Q\b", r"\X4\", r"\X\"] {
            assert_eq!(read(literal), literal);
        }
        assert_eq!(read(r"C:\dir\F\x"), r"C:\dir|x");
    }

    #[test]
    fn hexadecimal_runs_are_utf_8_or_else_latin_1() {
        assert_eq!(read(r"\X41\"), "A");
        assert_eq!(read(r"\X0D0A\"), "\r\n");
        assert_eq!(read(r"M\XC3BC\ller M\XC3\\XBC\ller"), "Müller Müller");
        assert_eq!(read(r"M\XFC\ller"), "Müller");
    }

    #[test]
    fn formatting_becomes_line_ends_or_nothing() {
        assert_eq!(read(r"\H\bold\N\ a\.br\b\.sp2\c\.in+4\d\.sk3\e"), "bold a\nb\n\ncd   e");
        assert_eq!(read(r"\.sp999999999\").len(), REPEAT_MAX);
        assert_eq!(read(r"\C2842\x\M242A\y\Changes\z"), r"xy\Changes\z");
    }

    #[test]
    fn the_truncation_character_exists_only_where_it_is_declared() {
        assert_eq!(read(r"a\P\b"), r"a\P\b");
        let (separators, _) = Separators::read('|', r"^~\&#").unwrap();
        assert_eq!(decode(r"a\P\b", &separators), "a#b");
        assert_eq!(encode("a#b", &separators), r"a\P\b");
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        let separators = Separators::default();
        assert!(matches!(decode("plain", &separators), Cow::Borrowed(_)));
        assert!(matches!(encode("plain ü", &separators), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn decode_gives_back_what_was_encoded(text: String, encoding in "[!-/]{4,5}") {
            let (separators, _) = Separators::read('|', &encoding).unwrap();
            let encoded = encode(&text, &separators);
            let breaks = encoded.contains(['\r', '\n', '|', '\u{b}', '\u{1c}']);
            prop_assert!(!breaks);
            prop_assert_eq!(decode(&encoded, &separators), text.as_str());
        }

        #[test]
        fn decode_takes_any_text(text in r"[\\A-Z0-9.日ü|^ ]{0,60}") {
            let _text = read(&text);
        }
    }
}
