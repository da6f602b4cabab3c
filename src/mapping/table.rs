//! Value tables and the comparison that they use: capitals, blanks, `_` and `-` do not matter.

use std::cmp::Ordering;
use std::fmt;

use crate::core::appointment::{Participation, Status};
use crate::core::claim::EhrEvent;

/// What a code of a table stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Code {
    Status(Status),
    Event(EhrEvent),
    Participation(Participation),
    Flag(bool),
    Phone(PhoneUse),
    Text(Box<str>),
    /// The code is known to say nothing here; the next source is asked.
    Nothing,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => f.write_str(status.name()),
            Self::Event(event) => f.write_str(event.name()),
            Self::Participation(answer) => f.write_str(answer.name()),
            Self::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Self::Phone(usage) => f.write_str(match usage {
                PhoneUse::Never => "never",
                PhoneUse::Home => "home",
                PhoneUse::Other => "other",
                PhoneUse::Mobile => "mobile",
                PhoneUse::Sms => "sms",
            }),
            Self::Text(text) => f.write_str(text),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

impl Code {
    pub(super) const fn status(&self) -> Option<Status> {
        if let Self::Status(status) = self { Some(*status) } else { None }
    }

    pub(super) const fn event(&self) -> Option<EhrEvent> {
        if let Self::Event(event) = self { Some(*event) } else { None }
    }

    pub(super) const fn participation(&self) -> Option<Participation> {
        if let Self::Participation(answer) = self { Some(*answer) } else { None }
    }

    pub(super) const fn flag(&self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(*flag) } else { None }
    }
}

/// What a phone is for, the better for texts the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PhoneUse {
    /// Fax, pager, e-mail, work: never texted.
    Never,
    /// The main number of the home, or unknown.
    Home,
    /// Another number of the patient's own.
    Other,
    /// A mobile phone.
    Mobile,
    /// A number that is given for texts.
    Sms,
}

/// A table from codes as messages have them to what they mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table(Vec<(Box<str>, Code)>);

impl Table {
    /// Makes a table; of two equal keys the later wins.
    pub(super) fn new(entries: impl IntoIterator<Item = (String, Code)>) -> Self {
        let mut table = Self::default();
        for (key, code) in entries {
            let key: Box<str> = folded(&key).collect::<String>().into();
            match table.0.binary_search_by(|(known, _)| known.as_ref().cmp(&key)) {
                Ok(at) => {
                    if let Some(entry) = table.0.get_mut(at) {
                        entry.1 = code;
                    }
                }
                Err(at) => table.0.insert(at, (key, code)),
            }
        }
        table
    }

    pub(super) fn get(&self, text: &str) -> Option<&Code> {
        let found = self.0.binary_search_by(|(key, _)| compare(key, text));
        self.0.get(found.ok()?).map(|(_, code)| code)
    }
}

fn compare(folded_key: &str, text: &str) -> Ordering {
    folded_key.chars().cmp(folded(text))
}

/// The characters that count in a comparison.
pub(super) fn folded(text: &str) -> impl DoubleEndedIterator<Item = char> + Clone {
    let counts = |char: &char| !char.is_whitespace() && !matches!(char, '_' | '-');
    text.chars().filter(counts).map(lowercase)
}

/// One character for one: the few whose small form is two are folded alike on both sides.
fn lowercase(char: char) -> char {
    if char.is_ascii() {
        char.to_ascii_lowercase()
    } else {
        char.to_lowercase().next().unwrap_or(char)
    }
}

/// A text to compare with, folded beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folded(Box<str>);

impl Folded {
    pub(super) fn new(text: &str) -> Self {
        Self(folded(text).collect::<String>().into())
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        folded(text).eq(self.0.chars())
    }

    /// Whether a text begins with it.
    pub(super) fn begins(&self, text: &str) -> bool {
        let mut text = folded(text);
        self.0.chars().all(|char| text.next() == Some(char))
    }

    /// Whether a text ends with it.
    pub(super) fn ends(&self, text: &str) -> bool {
        let mut text = folded(text).rev();
        self.0.chars().rev().all(|char| text.next() == Some(char))
    }

    /// Whether a text contains it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let mut rest = folded(text);
        loop {
            let mut from = rest.clone();
            if self.0.chars().all(|char| from.next() == Some(char)) {
                return true;
            }
            if rest.next().is_none() {
                return false;
            }
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_blanks_and_dashes_do_not_matter() {
        let table = Table::new([("No Show".to_owned(), Code::Status(Status::NoShow))]);
        for code in ["NOSHOW", "no-show", " No_Show ", "NO SHOW"] {
            assert_eq!(table.get(code), Some(&Code::Status(Status::NoShow)), "{code}");
        }
        for code in ["", "NO", "NOSHOWS", "NO.SHOW", "\u{e9}"] {
            assert_eq!(table.get(code), None, "{code}");
        }
    }

    #[test]
    fn a_later_entry_replaces_an_earlier_one() {
        let entry = |key: &str, flag| (key.to_owned(), Code::Flag(flag));
        let table = Table::new([entry("Y", false), entry("N", false), entry("y", true)]);
        assert_eq!(table.get("Y"), Some(&Code::Flag(true)));
        assert_eq!(table.get("n"), Some(&Code::Flag(false)));
    }

    #[test]
    fn a_part_is_found_wherever_it_may_be() {
        let part = Folded::new("No-Show");
        for (text, begins, ends, is_in) in [
            ("NO SHOW", true, true, true),
            ("no_show today", true, false, true),
            ("a n o s h o w", false, true, true),
            ("nonoshowx", false, false, true),
            ("noSho", false, false, false),
            ("", false, false, false),
        ] {
            assert_eq!(
                (part.begins(text), part.ends(text), part.is_in(text)),
                (begins, ends, is_in)
            );
        }
        let nothing = Folded::new(" ");
        assert!(nothing.begins("a") && nothing.ends("") && nothing.is_in(""));
    }

    #[test]
    fn folding_knows_other_scripts() {
        assert!(Folded::new("ÜBERFÄLLIG").matches("über-fällig"));
        assert!(!Folded::new("a").matches("b"));
    }
}
