//! How many parts a text takes on the air, and how to keep it to few.
//!
//! A text goes as GSM-7 (160 characters, 153 per part) as long as every character is in that
//! alphabet; one that is not turns the whole text into UCS-2 (70, 67 per part) and about doubles its
//! price. [`fold_to_gsm`] therefore replaces characters that only look different; letters with
//! accents are kept, because `ano` is not `año`.

use std::borrow::Cow;

/// The alphabet a text is sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The 7-bit alphabet of 3GPP TS 23.038.
    Gsm7,
    /// 16-bit units, for everything else.
    Ucs2,
}

/// The size of a text on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// The alphabet that the text needs.
    pub encoding: Encoding,
    /// The parts that are billed; an empty text counts as one.
    pub count: usize,
    /// Septets of GSM-7, or UTF-16 units.
    pub units: usize,
}

impl Segments {
    /// Counts the parts of a text.
    ///
    /// ```
    /// use appointd::core::message::segments::{Encoding, Segments};
    /// assert_eq!(Segments::of("See you at 9").encoding, Encoding::Gsm7);
    /// // The acute i is not in the GSM alphabet, although the n with tilde is.
    /// assert_eq!(Segments::of("Sí, mañana").encoding, Encoding::Ucs2);
    /// ```
    #[must_use]
    pub fn of(text: &str) -> Self {
        let encoding = if is_gsm(text) { Encoding::Gsm7 } else { Encoding::Ucs2 };
        let (single, part) = encoding.capacity();
        let units: usize = text.chars().map(|character| encoding.units(character)).sum();
        if units <= single {
            return Self { encoding, count: 1, units };
        }
        let (mut count, mut used) = (1, 0);
        for character in text.chars() {
            let width = encoding.units(character);
            // An escape sequence or a surrogate pair is never split over two parts.
            if used + width > part {
                count += 1;
                used = 0;
            }
            used += width;
        }
        Self { encoding, count, units }
    }
}

impl Encoding {
    /// The name that people know it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        }
    }

    /// Units of a text that is alone, and of each part of a longer one.
    const fn capacity(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }

    fn units(self, character: char) -> usize {
        match self {
            Self::Gsm7 => 1 + usize::from(is_gsm_extension(character)),
            Self::Ucs2 => character.len_utf16(),
        }
    }
}

/// Replaces look-alikes (curly quotes, dashes, special blanks, ellipsis, bullets) if that keeps the
/// text in GSM-7; a text that needs UCS-2 all the same stays as it is.
///
/// ```
/// use appointd::core::message::segments::fold_to_gsm;
/// assert_eq!(fold_to_gsm("It’s at 9\u{202f}AM — don’t be late…"), "It's at 9 AM - don't be late...");
/// assert_eq!(fold_to_gsm("Sí — a las 9"), "Sí — a las 9");
/// ```
#[must_use]
pub fn fold_to_gsm(text: &str) -> Cow<'_, str> {
    if is_gsm(text) {
        return Cow::Borrowed(text);
    }
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        if is_gsm_basic(character) || is_gsm_extension(character) {
            folded.push(character);
        } else if let Some(replacement) = look_alike(character) {
            folded.push_str(replacement);
        } else if let Some(ascii) = full_width(character) {
            folded.push(ascii);
        } else if let Some(composed) =
            folded.chars().last().and_then(|last| compose(last, character))
        {
            folded.pop();
            folded.push(composed);
        } else {
            return Cow::Borrowed(text);
        }
    }
    Cow::Owned(folded)
}

fn is_gsm(text: &str) -> bool {
    text.chars().all(|character| is_gsm_basic(character) || is_gsm_extension(character))
}

// 3GPP TS 23.038, 6.2.1: the default alphabet.
const fn is_gsm_basic(character: char) -> bool {
    matches!(character,
        '\n' | '\r' | ' '..='?' | 'A'..='Z' | 'a'..='z' | '@' | '_'
        | '£' | '¥' | '§' | '¤' | '¡' | '¿' | 'è' | 'é' | 'ù' | 'ì' | 'ò' | 'à' | 'Ç' | 'Ø' | 'ø' | 'Å'
        | 'å' | 'Æ' | 'æ' | 'ß' | 'É' | 'Ä' | 'Ö' | 'Ñ' | 'Ü' | 'ä' | 'ö' | 'ñ' | 'ü'
        | 'Δ' | 'Φ' | 'Γ' | 'Λ' | 'Ω' | 'Π' | 'Ψ' | 'Σ' | 'Θ' | 'Ξ')
}

// 3GPP TS 23.038, 6.2.1.1: reached by an escape, hence two septets.
const fn is_gsm_extension(character: char) -> bool {
    matches!(character, '^' | '{' | '}' | '[' | ']' | '~' | '|' | '\\' | '€' | '\u{c}')
}

/// The replacement of a character that only looks different in print.
const fn look_alike(character: char) -> Option<&'static str> {
    Some(match character {
        // A low opening quote is printed as a comma.
        '\u{201a}' => ",",
        '\u{2018}'..='\u{201b}'
        | '`'
        | '´'
        | '\u{2bb}'..='\u{2bd}'
        | '\u{2b9}'
        | '\u{2c8}'
        | '\u{2032}'
        | '\u{2035}'
        | '\u{275b}'
        | '\u{275c}' => "'",
        '\u{201c}'..='\u{201f}'
        | '«'
        | '»'
        | '\u{2ba}'
        | '\u{2033}'
        | '\u{2036}'
        | '\u{275d}'
        | '\u{275e}'
        | '\u{301d}'
        | '\u{301e}' => "\"",
        '\u{2039}' => "<",
        '\u{203a}' => ">",
        '\u{2010}'..='\u{2015}'
        | '\u{2212}'
        | '\u{2022}'
        | '\u{2023}'
        | '\u{2043}'
        | '\u{25cf}'
        | '\u{25aa}'
        | '\u{b7}'
        | '\u{fe58}'
        | '\u{fe63}' => "-",
        '\u{2026}' => "...",
        '\t'
        | '\u{a0}'
        | '\u{2000}'..='\u{200a}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202f}'
        | '\u{205f}'
        | '\u{3000}' => " ",
        // Invisible marks, soft hyphen included; not the joiner of emoji, which folding cannot save.
        '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => {
            ""
        }
        '\u{2044}' | '\u{2215}' => "/",
        '\u{203c}' => "!!",
        '\u{bc}' => "1/4",
        '\u{bd}' => "1/2",
        '\u{be}' => "3/4",
        '\u{2217}' | '\u{204e}' => "*",
        '\u{2223}' | '\u{a6}' => "|",
        '\u{223c}' | '\u{2dc}' => "~",
        '\u{2122}' => "TM",
        '\u{ae}' => "(R)",
        '\u{a9}' => "(C)",
        _ => return None,
    })
}

/// The ASCII twin of a full-width form.
fn full_width(character: char) -> Option<char> {
    let offset = u32::from(character).checked_sub(0xff01).filter(|offset| *offset <= 0x5d)?;
    char::from_u32(0x21 + offset).filter(|ascii| is_gsm_basic(*ascii) || is_gsm_extension(*ascii))
}

/// Joins a letter and a combining accent, where GSM-7 has the letter in one piece.
const fn compose(base: char, accent: char) -> Option<char> {
    Some(match (base, accent) {
        ('e', '\u{301}') => 'é',
        ('E', '\u{301}') => 'É',
        ('a', '\u{300}') => 'à',
        ('e', '\u{300}') => 'è',
        ('i', '\u{300}') => 'ì',
        ('o', '\u{300}') => 'ò',
        ('u', '\u{300}') => 'ù',
        ('n', '\u{303}') => 'ñ',
        ('N', '\u{303}') => 'Ñ',
        ('a', '\u{308}') => 'ä',
        ('o', '\u{308}') => 'ö',
        ('u', '\u{308}') => 'ü',
        ('A', '\u{308}') => 'Ä',
        ('O', '\u{308}') => 'Ö',
        ('U', '\u{308}') => 'Ü',
        ('a', '\u{30a}') => 'å',
        ('A', '\u{30a}') => 'Å',
        ('C', '\u{327}') => 'Ç',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const VECTORS: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/twilio/sms-segment-vectors.json");

    #[test]
    fn the_providers_own_counts_are_met() {
        let Ok(vectors) = std::fs::read(VECTORS) else { return };
        let vectors: Value = serde_json::from_slice(&vectors).unwrap();
        for vector in vectors["vectors"].as_array().unwrap() {
            let text = vector["text"].as_str().unwrap();
            let plain = described(Segments::of(text));
            let expected = |encoding: &str, count: &str| {
                (vector[encoding].as_str().unwrap(), vector[count].as_u64().unwrap())
            };
            assert_eq!(plain, expected("encoding", "segments"), "{}", vector["name"]);
            let folded = described(Segments::of(&fold_to_gsm(text)));
            assert_eq!(folded, expected("smart_encoding", "smart_segments"), "{}", vector["name"]);
        }
    }

    #[test]
    fn lengths_at_the_border_of_a_part() {
        let cases = [
            ("a".repeat(160), Encoding::Gsm7, 1, 160),
            ("a".repeat(161), Encoding::Gsm7, 2, 161),
            ("a".repeat(306), Encoding::Gsm7, 2, 306),
            ("a".repeat(307), Encoding::Gsm7, 3, 307),
            ("€".repeat(80), Encoding::Gsm7, 1, 160),
            (format!("{}€{}", "a".repeat(152), "a".repeat(153)), Encoding::Gsm7, 3, 307),
            ("您".repeat(70), Encoding::Ucs2, 1, 70),
            ("您".repeat(71), Encoding::Ucs2, 2, 71),
            (format!("{}👍{}", "您".repeat(66), "您".repeat(67)), Encoding::Ucs2, 3, 135),
            (String::new(), Encoding::Gsm7, 1, 0),
        ];
        for (text, encoding, count, units) in cases {
            assert_eq!(Segments::of(&text), Segments { encoding, count, units }, "{text}");
        }
    }

    #[test]
    fn look_alikes_fold_and_letters_stay() {
        let cases = [
            ("“9–10”\u{a0}AM • bring\tID…", "\"9-10\" AM - bring ID..."),
            ("Sen\u{303}or Jose\u{301}", "Señor José"),
            ("ＡＢＣ１２３！", "ABC123!"),
            ("zero\u{200b}width\u{feff}", "zerowidth"),
            ("`x` 5′ 6″", "'x' 5' 6\""),
            ("confirmación — 9", "confirmación — 9"),
            ("— 👍", "— 👍"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(fold_to_gsm(text), expected, "{text}");
        }
        assert!(matches!(fold_to_gsm("plain {text}"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,80}") {
            let once = fold_to_gsm(&text).into_owned();
            prop_assert_eq!(fold_to_gsm(&once), once.as_str());
        }

        #[test]
        fn parts_hold_all_units(text in "\\PC{0,400}") {
            let segments = Segments::of(&text);
            let (_, part) = segments.encoding.capacity();
            prop_assert!(segments.count == 1 || segments.units <= segments.count * part);
            prop_assert!(segments.units >= (segments.count - 1) * (part - 1));
        }
    }

    fn described(segments: Segments) -> (&'static str, u64) {
        let encoding = match segments.encoding {
            Encoding::Gsm7 => "GSM-7",
            Encoding::Ucs2 => "UCS-2",
        };
        (encoding, segments.count as u64)
    }
}
