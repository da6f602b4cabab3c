//! The five or six characters that a message says it is divided by.
//!
//! MSH-1 is the fourth character, MSH-2 the text up to the next MSH-1. Senders shorten MSH-2, double
//! its backslash or swap its last two characters; read by position, as most parsers do, that shifts
//! or merges every field. Here each character has one meaning and what is missing takes the usual one.

/// What was odd about MSH-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// Fewer than four characters; the usual ones were taken for the rest.
    Short,
    /// A character stood there twice, or cannot divide text, and was left out.
    Unusable,
    /// Escape and subcomponent character stood in each other's place (`^~&\`).
    Swapped,
}

/// The characters that divide a message; ASCII and all different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    /// MSH-1, usually `|`.
    pub field: char,
    /// Usually `^`.
    pub component: char,
    /// Usually `~`.
    pub repetition: char,
    /// Usually `\`.
    pub escape: char,
    /// Usually `&`.
    pub subcomponent: char,
    /// Since version 2.7, usually `#`; marks text that was cut.
    pub truncation: Option<char>,
}

/// MSH-2 as nearly everyone writes it.
const USUAL: [char; 4] = ['^', '~', '\\', '&'];

impl Default for Separators {
    fn default() -> Self {
        Self {
            field: '|',
            component: '^',
            repetition: '~',
            escape: '\\',
            subcomponent: '&',
            truncation: None,
        }
    }
}

impl Separators {
    /// Reads MSH-1 and MSH-2; `None` if MSH-1 cannot divide text.
    ///
    /// ```
    /// use appointd::hl7::Separators;
    /// let (separators, oddity) = Separators::read('|', r"^~\\&").unwrap();
    /// assert_eq!(separators, Separators::default());
    /// assert!(oddity.is_some());
    /// ```
    #[must_use]
    pub fn read(field: char, encoding: &str) -> Option<(Self, Option<Oddity>)> {
        if !divides(field) {
            return None;
        }
        let mut oddity = None;
        let mut taken = vec![field];
        // At most five have a meaning; the bound keeps a hostile MSH-2 cheap.
        for char in encoding.chars().take(16) {
            if divides(char) && !taken.contains(&char) && taken.len() < 6 {
                taken.push(char);
                continue;
            }
            oddity = Some(Oddity::Unusable);
            // A letter holds its place; a repeated character does not.
            let usual = USUAL.get(taken.len() - 1).filter(|usual| !taken.contains(usual));
            taken.extend(usual.filter(|_| !divides(char)));
        }
        if let [_, '^', '~', third @ '&', fourth @ '\\', ..] = taken.as_mut_slice() {
            std::mem::swap(third, fourth);
            oddity = Some(Oddity::Swapped);
        }
        let truncation = taken.get(5).copied();
        for usual in USUAL.into_iter().skip(taken.len() - 1) {
            oddity = oddity.or(Some(Oddity::Short));
            let free = ['!', '$', '%', '*', ';'].into_iter().find(|spare| !taken.contains(spare));
            taken.push(if taken.contains(&usual) { free? } else { usual });
        }
        let [field, component, repetition, escape, subcomponent, ..] = *taken.as_slice() else {
            return None;
        };
        Some((Self { field, component, repetition, escape, subcomponent, truncation }, oddity))
    }

    /// MSH-2 as these separators are written.
    #[must_use]
    pub fn encoding_characters(&self) -> String {
        let usual = [self.component, self.repetition, self.escape, self.subcomponent];
        usual.into_iter().chain(self.truncation).collect()
    }
}

/// Whether a character can divide text: visible ASCII that no segment name, number or word has, and
/// that is not the quote of which HL7's null is made.
const fn divides(char: char) -> bool {
    char.is_ascii_punctuation() && char != '"'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(encoding: &str) -> (String, Option<Oddity>) {
        let (separators, oddity) = Separators::read('|', encoding).unwrap();
        (separators.encoding_characters(), oddity)
    }

    #[test]
    fn usual_and_foreign_separators_are_taken_by_position() {
        assert_eq!(read(r"^~\&"), (r"^~\&".to_owned(), None));
        assert_eq!(read("%*/@"), ("%*/@".to_owned(), None));
    }

    #[test]
    fn a_fifth_character_is_the_truncation_character() {
        let (separators, oddity) = Separators::read('|', r"^~\&#").unwrap();
        assert_eq!((separators.truncation, oddity), (Some('#'), None));
    }

    #[test]
    fn missing_characters_take_their_usual_meaning() {
        for short in ["", "^", "^~", r"^~\"] {
            assert_eq!(read(short), (r"^~\&".to_owned(), Some(Oddity::Short)), "{short:?}");
        }
    }

    #[test]
    fn a_doubled_or_swapped_character_shifts_nothing() {
        assert_eq!(read(r"^~\\&"), (r"^~\&".to_owned(), Some(Oddity::Unusable)));
        assert_eq!(read(r"^~&\"), (r"^~\&".to_owned(), Some(Oddity::Swapped)));
    }

    #[test]
    fn letters_digits_and_non_ascii_divide_nothing() {
        assert_eq!(read("EPIC"), (r"^~\&".to_owned(), Some(Oddity::Unusable)));
        assert_eq!(read("ü~"), (r"^~\&".to_owned(), Some(Oddity::Unusable)));
        for field in ['A', '1', ' ', '\r', 'ü'] {
            assert_eq!(Separators::read(field, r"^~\&"), None);
        }
    }

    #[test]
    fn a_quote_divides_nothing_because_two_of_them_are_null() {
        assert_eq!(Separators::read('"', r"^~\&"), None);
        assert_eq!(read("^\"\\&"), (r"^~\&".to_owned(), Some(Oddity::Unusable)));
    }

    #[test]
    fn a_missing_character_never_repeats_one_that_is_there() {
        let (separators, _) = Separators::read('^', "").unwrap();
        assert_eq!(separators.encoding_characters(), r"!~\&");
    }
}
