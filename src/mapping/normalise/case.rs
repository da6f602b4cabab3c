//! Names in capitals as people write them: `DOE` becomes `Doe`, `O'BRIEN` `O'Brien`.
//!
//! A name of small and capital letters is kept as it is: whoever typed it knew better.

/// How the names of persons are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) enum Case {
    /// As they come.
    #[default]
    Keep,
    /// Names without small letters, or without capitals, get a capital at each word's begin.
    Title,
}

impl Case {
    /// Reads the name of a case as mappings have it.
    pub(in super::super) fn parse(name: &str) -> Option<Self> {
        match name {
            "keep" => Some(Self::Keep),
            "title" => Some(Self::Title),
            _ => None,
        }
    }

    /// Writes a name; the second part says whether it was changed.
    pub(in super::super) fn write(self, name: String) -> (String, bool) {
        let is_mixed = name.chars().any(char::is_lowercase) && name.chars().any(char::is_uppercase);
        let letters = name.chars().filter(|char| char.is_alphabetic()).count();
        // One letter is an initial, and two may be one as well ("JR", "AJ").
        if self == Self::Keep || is_mixed || letters < 3 {
            return (name, false);
        }
        let title = title(&name);
        let is_changed = title != name;
        (title, is_changed)
    }
}

fn title(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split_inclusive(|char: char| !char.is_alphabetic()) {
        let lower = word.to_lowercase();
        let begins_word = match lower.strip_prefix("mc") {
            // McDonald, but not Mcx.
            Some(rest) if rest.chars().filter(|char| char.is_alphabetic()).count() >= 3 => {
                out.push_str("Mc");
                rest
            }
            Some(_) | None => &lower,
        };
        let mut chars = begins_word.chars();
        if let Some(first) = chars.next() {
            out.extend(first.to_uppercase());
            out.push_str(chars.as_str());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_case_become_names() {
        for (text, expected) in [
            ("DOE", "Doe"),
            ("jane", "Jane"),
            ("O'BRIEN", "O'Brien"),
            ("SMITH-JONES", "Smith-Jones"),
            ("VAN DER BERG", "Van Der Berg"),
            ("MCDONALD", "McDonald"),
            ("MÜLLER", "Müller"),
            ("ÉLISE", "Élise"),
            ("JANE A", "Jane A"),
            ("DOE, JR.", "Doe, Jr."),
        ] {
            assert_eq!(Case::Title.write(text.to_owned()), (expected.to_owned(), true));
        }
    }

    #[test]
    fn what_is_mixed_short_or_without_case_is_kept() {
        for text in ["Doe", "McDonald", "de la Cruz", "van Dyk", "AJ", "J", "", "山田", "123"] {
            assert_eq!(Case::Title.write(text.to_owned()), (text.to_owned(), false));
        }
        assert_eq!(Case::Keep.write("DOE".to_owned()).0, "DOE");
    }
}
