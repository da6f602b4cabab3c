//! One whole number out of a reply, or none.

use super::lexicon::{
    AROUND_NUMBERS, AROUND_PHRASES, FALSE_FRIENDS, NOTHING, NUMBERS, OUT_OF, TENS,
};
use crate::core::reply::fold;

/// A piece of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Digits(i64),
    Word(String),
    /// `/`
    Over,
}

/// Reads a number within bounds.
pub(super) fn read(text: &str, (min, max): (i64, i64), language: Option<&str>) -> Option<i64> {
    if min == 0 && NOTHING.contains(&fold(text).as_str()) {
        return Some(0);
    }
    let pieces = pieces(text)?;
    let mut rest = pieces.as_slice();
    let (mut digits, mut spelled) = (None, None);
    while let Some(piece) = rest.first() {
        let (number, length) = match piece {
            Piece::Digits(number) => (Some(*number), 1),
            Piece::Over => return None,
            Piece::Word(word) => match spelled_number(word, rest, language) {
                Some((number, length)) => (Some(number), length),
                None => (None, around(word, rest)?),
            },
        };
        let is_digits = matches!(piece, Piece::Digits(_));
        rest = rest.get(length..)?;
        let Some(number) = number else { continue };
        // `7 (seven)` is one number; `1 1` could be two, or eleven.
        let before = if is_digits { digits.replace(number) } else { spelled.replace(number) };
        if before.is_some() {
            return None;
        }
        rest = past_scale(rest, max, language)?;
    }
    let number = match (digits, spelled) {
        (Some(digits), Some(spelled)) if digits != spelled => return None,
        (digits, spelled) => digits.or(spelled)?,
    };
    (min..=max).contains(&number).then_some(number)
}

/// How many words at the beginning change nothing.
fn around(word: &str, rest: &[Piece]) -> Option<usize> {
    let begins = |phrase: &&&[&str]| begins_with(rest, phrase);
    let phrase = AROUND_PHRASES.iter().find(begins).map(|phrase| phrase.len());
    phrase.or_else(|| AROUND_NUMBERS.contains(&word).then_some(1))
}

fn begins_with(rest: &[Piece], words: &[&str]) -> bool {
    let is_one = |(piece, word): (&Piece, &&str)| match piece {
        Piece::Over => *word == "/",
        Piece::Word(own) => own == word,
        Piece::Digits(_) => false,
    };
    rest.get(..words.len()).is_some_and(|head| head.iter().zip(words).all(is_one))
}

/// Passes over `/10` or `out of 10`; another end of the scale than that of the question is a fault.
fn past_scale<'p>(rest: &'p [Piece], max: i64, language: Option<&str>) -> Option<&'p [Piece]> {
    for words in OUT_OF {
        if !begins_with(rest, words) {
            continue;
        }
        let tail = rest.get(words.len()..).unwrap_or_default();
        let end = match tail.first() {
            Some(Piece::Digits(number)) => Some((*number, 1)),
            Some(Piece::Word(word)) => spelled_number(word, tail, language),
            Some(Piece::Over) | None => None,
        };
        match end {
            Some((end, length)) if end == max => return tail.get(length..),
            Some(_) => return None,
            None => {}
        }
    }
    Some(rest)
}

/// A number in words at the beginning, and of how many words it is.
fn spelled_number(word: &str, rest: &[Piece], language: Option<&str>) -> Option<(i64, usize)> {
    let unit = |word: &str| {
        let known = NUMBERS.iter().find(|(name, _, _)| *name == word)?;
        let is_foreign =
            FALSE_FRIENDS.contains(&word) && language.is_some_and(|own| own != known.2);
        // Where the language is not known, `ten` is the English word; nobody counts on `once`.
        let is_doubtful = language.is_none() && word == "once";
        (!is_foreign && !is_doubtful).then_some(known.1)
    };
    if let Some(number) = unit(word) {
        return Some((number, 1));
    }
    let tens = TENS.iter().find(|(name, _)| *name == word)?.1;
    let word_at = |index: usize| match rest.get(index) {
        Some(Piece::Word(word)) => Some(word.as_str()),
        Some(Piece::Digits(_) | Piece::Over) | None => None,
    };
    let small = |index| word_at(index).and_then(unit).filter(|unit| (1..=9).contains(unit));
    if let Some(unit) = small(1) {
        return Some((tens + unit, 2));
    }
    if let Some(unit) = small(2).filter(|_| word_at(1) == Some("y")) {
        return Some((tens + unit, 3));
    }
    Some((tens, 1))
}

/// Parts a text; none if it holds a sign that changes a number.
fn pieces(text: &str) -> Option<Vec<Piece>> {
    let text = text.replace('\u{1f51f}', " 10 ");
    let chars: Vec<char> = text.chars().filter(|c| !is_unseen(*c)).map(narrow).collect();
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        let rest = chars.get(at..).unwrap_or_default();
        let before = at.checked_sub(1).and_then(|before| chars.get(before)).copied();
        if c.is_ascii_digit() {
            let (number, length) = digits(rest)?;
            pieces.push(Piece::Digits(number));
            at += length;
        } else if c.is_alphabetic() {
            let word: String = rest.iter().take_while(|c| is_letter(**c)).collect();
            at += word.chars().count();
            pieces.extend(fold(&word).split_whitespace().map(|one| Piece::Word(one.to_owned())));
        } else {
            sign(c, before, rest.get(1).copied(), &mut pieces)?;
            at += 1;
        }
    }
    Some(pieces)
}

/// Looks at a sign: most say nothing, some change what stands beside.
fn sign(c: char, before: Option<char>, after: Option<char>, into: &mut Vec<Piece>) -> Option<()> {
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let is_alpha = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    match c {
        '/' => into.push(Piece::Over),
        // `twenty-one` and `7-ish`, but neither `7-8` nor `-7`.
        '-' | '‐' | '‑' | '–' | '—' if is_alpha(before) && (is_alpha(after) || is_digit(after)) =>
            {}
        '-' | '‐' | '‑' | '–' | '—' if is_digit(before) && is_alpha(after) => {}
        '-' | '‐' | '‑' | '–' | '—' | '\u{2212}' => return None,
        '+' | '%' | '<' | '>' | '*' | '^' | '&' | '\\' | '|' | '_' | '$' => return None,
        '≥' | '≤' | '±' | '≠' => return None,
        // `7:30` and `3.` are told apart; `:7` is neither.
        ':' if is_digit(before) && is_digit(after) => return None,
        '.' | ',' if is_digit(after) && !is_alpha(before) => return None,
        _ if c.is_numeric() => return None,
        _ => {}
    }
    Some(())
}

/// A number in digits at the beginning, and its length. A fraction is none.
fn digits(rest: &[char]) -> Option<(i64, usize)> {
    let whole: String = rest.iter().take_while(|c| c.is_ascii_digit()).collect();
    let mut length = whole.len();
    let mut number = whole;
    if let [mark @ ('.' | ','), first, ..] = rest.get(length..).unwrap_or_default()
        && first.is_ascii_digit()
    {
        let part: String =
            rest.iter().skip(length + 1).take_while(|c| c.is_ascii_digit()).collect();
        match (mark, part.len()) {
            (',', 3) => number.push_str(&part),
            (_, 1 | 2) if part.bytes().all(|digit| digit == b'0') => {}
            _ => return None,
        }
        length += 1 + part.len();
    }
    let is_padded = number.len() > 2 && number.starts_with('0');
    let number = number.parse::<i64>().ok().filter(|_| !is_padded)?;
    Some((number, length))
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '\'' | '’')
}

/// What a keycap or a face carries, and nobody sees.
const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{fe0e}' | '\u{fe0f}' | '\u{20e3}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
    )
}

/// Wide digits, as some keyboards have them, as usual ones.
fn narrow(c: char) -> char {
    let offset = u32::from(c).wrapping_sub(u32::from('０'));
    if offset < 10 { char::from_digit(offset, 10).unwrap_or(c) } else { c }
}
