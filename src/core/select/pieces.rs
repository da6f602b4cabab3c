//! A text in pieces: words, numbers glued to letters taken apart, and breaks between them.

use crate::core::reply::fold;

/// What may be glued to a number and belong to it.
const ENDINGS: [&str; 9] = ["am", "pm", "a", "p", "st", "nd", "rd", "th", "º"];

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// As it was typed.
    pub(super) raw: String,
    /// As it counts; empty if it does not.
    pub(super) word: String,
    /// Whether it is a comma or the like.
    pub(super) is_break: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Digit,
    Letter,
    Break,
    Other,
}

/// Takes a text apart.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    text.split_whitespace().flat_map(apart).collect()
}

fn apart(chunk: &str) -> Vec<Piece> {
    let chars: Vec<char> = chunk.chars().collect();
    let mut found: Vec<Piece> = Vec::new();
    let mut raw = String::new();
    // What the last letters and digits of the piece are, and the letters since they began.
    let mut last = Kind::Other;
    let mut run = String::new();
    for (at, c) in chars.iter().copied().enumerate() {
        let kind = kind_of(c);
        let rest = chars.get(at..).unwrap_or_default();
        let is_cut = match (last, kind) {
            (Kind::Digit, Kind::Letter) => !is_ending(rest),
            (Kind::Letter, Kind::Digit) => run.chars().nth(1).is_none(),
            (_, Kind::Break) => true,
            _ => false,
        };
        if is_cut {
            push(&mut found, &mut raw);
        }
        if kind == Kind::Break {
            found.push(Piece { raw: c.to_string(), word: String::new(), is_break: true });
            last = Kind::Other;
            continue;
        }
        raw.push(c);
        if kind != Kind::Other {
            if kind != last {
                run.clear();
            }
            run.push(c);
            last = kind;
        }
    }
    push(&mut found, &mut raw);
    found
}

fn push(found: &mut Vec<Piece>, raw: &mut String) {
    let raw = std::mem::take(raw);
    if !raw.is_empty() {
        found.push(Piece { word: fold(&raw), raw, is_break: false });
    }
}

const fn kind_of(c: char) -> Kind {
    match c {
        '0'..='9' => Kind::Digit,
        ',' | '&' | '+' | ';' => Kind::Break,
        '\'' | '’' => Kind::Other,
        c if c.is_ascii_alphabetic() => Kind::Letter,
        c if c.is_ascii() => Kind::Other,
        // Letters of any script, and emoji: both end a number.
        '\u{fe00}'..='\u{fe0f}' | '\u{20e3}' => Kind::Other,
        _ => Kind::Letter,
    }
}

fn is_ending(rest: &[char]) -> bool {
    let letters = rest.iter().take_while(|c| kind_of(**c) == Kind::Letter);
    let letters: String = letters.flat_map(|c| c.to_lowercase()).collect();
    ENDINGS.contains(&letters.as_str())
}
