//! Folding: what of a text counts, as words.
//!
//! Case, accents, punctuation, the look of an emoji and characters that nobody sees do not count.
//! Nothing here knows a language.

/// Nobody answers a reminder with a novel: what has more characters is unclear, and not read.
pub(super) const READ_MAX: usize = 400;

/// A word of a text, or an emoji.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// As it counts.
    pub(super) text: String,
    /// Whether it was written with a capital, as names are.
    pub(super) is_capital: bool,
}

/// Stands for a face that says something, but not what: it belongs to no list.
const FACE: char = '\u{2639}';
/// What `<3` stands for.
const HEART: char = '\u{2764}';

/// Accented letters of U+0100 to U+017F, without accents.
const LATIN_A: &str = "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll\
    lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/// Folds a text to what counts: lower case, no accents, no punctuation, single blanks.
///
/// ```
/// use appointd::core::reply::fold;
/// assert_eq!(fold("  ¡SÍ!  "), "si");
/// assert_eq!(fold("Can’t make it :)"), "cant make it");
/// assert_eq!(fold("ok👍🏽👍🏽"), "ok 👍");
/// ```
#[must_use]
pub fn fold(text: &str) -> String {
    tokens(text).into_iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
}

/// The words of a text, at most as many as [`READ_MAX`] characters hold.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Found::default();
    let chars: Vec<char> = text.trim_start().chars().take(READ_MAX).map(narrow).collect();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        let rest = chars.get(at..).unwrap_or_default();
        let length = found.face(rest).unwrap_or_else(|| {
            let before = at.checked_sub(1).and_then(|before| chars.get(before));
            let after = chars.get(at + 1);
            let is_inside = matches!(c, '.' | ':' | '/' | '-')
                && before.is_some_and(char::is_ascii_digit)
                && after.is_some_and(char::is_ascii_digit);
            // `3:30`, `12/8` and a phone number are no choices from a list.
            if is_inside {
                found.letter(c);
            } else {
                found.hear(c);
            }
            1
        });
        at += length;
    }
    found.end();
    found.tokens
}

#[derive(Debug, Default)]
struct Found {
    tokens: Vec<Token>,
    word: String,
    is_capital: bool,
}

impl Found {
    /// Reads a face made of letters at the beginning of what is left: in `:X` no X is said, and in
    /// `<3` no 3.
    fn face(&mut self, rest: &[char]) -> Option<usize> {
        let is_end = |c: Option<&char>| c.is_none_or(|c| c.is_whitespace());
        let (symbol, length) = match rest {
            ['<', '3', after @ ..] if !after.first().is_some_and(char::is_ascii_digit) => {
                (HEART, 2)
            }
            [':' | ';' | '=', '-' | '^' | '\'', c, after @ ..]
                if c.is_alphanumeric() && is_end(after.first()) && self.word.is_empty() =>
            {
                (FACE, 3)
            }
            [':' | ';' | '=', c, after @ ..]
                if c.is_alphanumeric() && is_end(after.first()) && self.word.is_empty() =>
            {
                (FACE, 2)
            }
            _ => return None,
        };
        self.symbol(symbol);
        Some(length)
    }

    fn hear(&mut self, c: char) {
        if is_invisible(c) {
            return;
        }
        if is_symbol(c) {
            return self.symbol(c);
        }
        if !c.is_alphanumeric() && (c.is_ascii() || c.is_whitespace() || is_punctuation(c)) {
            return self.end();
        }
        if self.word.is_empty() {
            self.is_capital = c.is_uppercase();
        }
        for c in c.to_lowercase() {
            match pair(c) {
                Some(pair) => self.word.push_str(pair),
                None => self.letter(bare(c)),
            }
        }
    }

    fn letter(&mut self, c: char) {
        if !is_invisible(c) {
            self.word.push(c);
        }
    }

    /// An emoji is a word of its own; a row of the same says it once.
    fn symbol(&mut self, c: char) {
        self.end();
        let text = c.to_string();
        if self.tokens.last().is_none_or(|last| last.text != text) {
            self.tokens.push(Token { text, is_capital: false });
        }
    }

    fn end(&mut self) {
        if !self.word.is_empty() {
            let text = std::mem::take(&mut self.word);
            self.tokens.push(Token { text, is_capital: self.is_capital });
        }
    }
}

/// Full-width, circled, mathematical and foreign digits and letters as the plain ones.
fn narrow(c: char) -> char {
    let shift = |from: u32, to: char| {
        u32::from(c).checked_sub(from).and_then(|offset| char::from_u32(u32::from(to) + offset))
    };
    let plain = match c {
        '\u{ff01}'..='\u{ff5e}' => shift(0xff01, '!'),
        '\u{2460}'..='\u{2468}' => shift(0x2460, '1'),
        '\u{24b6}'..='\u{24cf}' => shift(0x24b6, 'A'),
        '\u{24d0}'..='\u{24e9}' => shift(0x24d0, 'a'),
        '\u{660}'..='\u{669}' => shift(0x660, '0'),
        '\u{6f0}'..='\u{6f9}' => shift(0x6f0, '0'),
        '\u{966}'..='\u{96f}' => shift(0x966, '0'),
        // Bold, italic, script and so on: alphabets of 52 letters, then rows of ten digits.
        '\u{1d400}'..='\u{1d6a3}' => letter_of((u32::from(c) - 0x1d400) % 52),
        '\u{1d7ce}'..='\u{1d7ff}' => char::from_digit((u32::from(c) - 0x1d7ce) % 10, 10),
        _ => None,
    };
    plain.unwrap_or(c)
}

fn letter_of(index: u32) -> Option<char> {
    let first = if index < 26 { u32::from('A') } else { u32::from('a') - 26 };
    char::from_u32(first + index)
}

/// A small letter without its accent.
fn bare(c: char) -> char {
    match c {
        'à'..='å' | '\u{1ea0}'..='\u{1eb7}' => 'a',
        'ç' => 'c',
        'è'..='ë' | '\u{1eb8}'..='\u{1ec7}' => 'e',
        'ì'..='ï' | '\u{1ec8}'..='\u{1ecb}' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' | 'ơ' | '\u{1ecc}'..='\u{1ee3}' => 'o',
        'ù'..='ü' | 'ư' | '\u{1ee4}'..='\u{1ef1}' => 'u',
        'ý' | 'ÿ' | '\u{1ef2}'..='\u{1ef9}' => 'y',
        '\u{100}'..='\u{17f}' => {
            let index = usize::try_from(u32::from(c) - 0x100).unwrap_or(usize::MAX);
            LATIN_A.chars().nth(index).unwrap_or(c)
        }
        c => c,
    }
}

fn pair(c: char) -> Option<&'static str> {
    match c {
        'ß' => Some("ss"),
        'æ' => Some("ae"),
        'œ' => Some("oe"),
        _ => None,
    }
}

/// What is not seen, or only changes the look: apostrophes ("can't" and "cant" are one word),
/// combining accents, joiners, directions, variants and tones of emoji, tags, controls.
fn is_invisible(c: char) -> bool {
    match c {
        '\'' | '`' | '´' | 'ʼ' | '\u{2018}' | '\u{2019}' | '\u{201b}' => true,
        '\u{ad}' | '\u{61c}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{180e}' | '\u{feff}' => true,
        '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' => true,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        // The man or the woman that a shrug may be.
        '\u{2640}' | '\u{2642}' => true,
        '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..='\u{e0fff}' | '\u{e000}'..='\u{f8ff}' => true,
        c => c.is_control() && !c.is_whitespace(),
    }
}

const fn is_symbol(c: char) -> bool {
    matches!(c,
        '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{245f}' | '\u{2500}'..='\u{27bf}'
        | '\u{2900}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

const fn is_punctuation(c: char) -> bool {
    matches!(c,
        '\u{a0}'..='\u{bf}' | '\u{60c}' | '\u{61b}' | '\u{61f}' | '\u{66a}'..='\u{66d}' | '\u{6d4}'
        | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}')
}
