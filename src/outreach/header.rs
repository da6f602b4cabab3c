//! The first line of a list: what its columns are called, and what separates them.

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord, Terminator};

use super::list::{COLUMNS_MAX, Error};

/// The columns that every list has, by the names that flows know them by.
pub const REQUIRED: [&str; 3] = ["patient_id", "patient_first_name", "patient_phone"];
/// How many characters a column's name may have.
pub const NAME_CHARS_MAX: usize = 100;

/// What may separate cells. A comma stands first: where nothing tells, it is that.
pub(super) const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The columns of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    names: Vec<String>,
    /// Where the columns that every list has stand, in the order of [`REQUIRED`].
    places: [usize; 3],
    language: Option<usize>,
}

impl Header {
    /// Reads the header.
    ///
    /// # Errors
    /// If a column that every list has is not there, or two have one name.
    pub(super) fn read(record: &StringRecord) -> Result<Self, Error> {
        let mut names: Vec<&str> = record.iter().map(bare).collect();
        // Spreadsheets write columns that once held something.
        while names.last().is_some_and(|name| name.is_empty()) {
            let _empty = names.pop();
        }
        let known = names.iter().filter(|name| REQUIRED.contains(&&*canonical(name))).count();
        if known == 0 {
            return Err(if names.is_empty() { Error::Empty } else { Error::NoHeader });
        }
        if names.len() > COLUMNS_MAX {
            return Err(Error::TooManyColumns(names.len()));
        }
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(Error::NoName(index + 1));
            }
            if name.chars().count() > NAME_CHARS_MAX || name.contains(char::is_control) {
                return Err(Error::BadName(index + 1));
            }
            if let Some(first) = places.insert(folded(name), index) {
                return Err(Error::SameColumn(first + 1, index + 1));
            }
        }
        let place = |wanted: &'static str| {
            places.get(&folded(wanted)).copied().ok_or(Error::NoColumn(wanted))
        };
        let [id, given, phone] = REQUIRED;
        Ok(Self {
            places: [place(id)?, place(given)?, place(phone)?],
            language: places.get("language").copied(),
            names: names.into_iter().map(canonical).collect(),
        })
    }

    /// The names, as flows know them.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where a name stands.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// The name that is the same but for case, blanks, hyphens and underscores.
    #[must_use]
    pub fn like(&self, name: &str) -> Option<&str> {
        let wanted = folded(name);
        self.names.iter().find(|known| folded(known) == wanted).map(String::as_str)
    }

    pub(super) const fn patient(&self) -> usize {
        self.places[0]
    }

    pub(super) const fn phone(&self) -> usize {
        self.places[2]
    }

    /// The last place of a column that every list has.
    pub(super) fn last_required(&self) -> usize {
        self.places.into_iter().max().unwrap_or(0)
    }

    pub(super) const fn language(&self) -> Option<usize> {
        self.language
    }
}

fn bare(name: &str) -> &str {
    name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// A name without what people write differently.
pub(super) fn folded(name: &str) -> String {
    let is_kept = |c: &char| !c.is_whitespace() && !matches!(c, '_' | '-' | '\u{feff}');
    name.chars().filter(is_kept).flat_map(char::to_lowercase).collect()
}

/// A name as flows know it: those that every list has by their own name, others as written.
fn canonical(name: &str) -> String {
    let wanted = folded(name);
    let known = REQUIRED.into_iter().find(|known| folded(known) == wanted);
    known.unwrap_or(name).to_owned()
}

/// Finds what separates the cells of the first records: what makes a header of the first, and gives
/// the others as many cells.
pub(super) fn delimiter(sample: &[u8], records: usize) -> u8 {
    let mut best = (DELIMITERS[0], (0, 0, 0));
    for delimiter in DELIMITERS {
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(sample);
        let mut read = reader.records().take(records).map_while(Result::ok);
        let Some(first) = read.next() else { continue };
        let known = first.iter().filter(|name| REQUIRED.contains(&&*canonical(bare(name)))).count();
        let fitting = read.filter(|record| record.len() == first.len()).count();
        let merit = (known, fitting, first.len());
        if merit > best.1 {
            best = (delimiter, merit);
        }
    }
    best.0
}
