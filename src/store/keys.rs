//! The shape of keys: one byte names the table, the rest is the table's own.
//!
//! Keys sort by their bytes, so whatever is to be read in order is written big-endian. A key's text
//! form shows its bytes only for tables whose keys say nothing about a patient.

use std::borrow::Borrow;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use crate::store::Error;

/// The longest key without its table byte; identifiers from outside are far shorter, longer ones
/// are to be hashed by the caller.
pub const KEY_BYTES_MAX: usize = 1024;

macro_rules! tables {
    ($($name:ident = $byte:literal $text:literal $(($phi:ident))?, $doc:literal;)*) => {
        /// The closed list of tables; a new one is one line here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Table { $(#[doc = $doc] $name,)* }

        impl Table {
            /// Every table, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The byte that its keys begin with.
            #[must_use]
            pub const fn byte(self) -> u8 {
                match self { $(Self::$name => $byte,)* }
            }

            /// Its name in backups and reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Finds the table of a key's first byte.
            #[must_use]
            pub const fn from_byte(byte: u8) -> Option<Self> {
                match byte { $($byte => Some(Self::$name),)* _ => None }
            }

            /// Finds a table by its name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)* _ => None }
            }

            const fn is_key_phi(self) -> bool {
                match self { $(Self::$name => tables!(@phi $($phi)?),)* }
            }
        }
    };
    (@phi phi) => { true };
    (@phi) => { false };
}

tables! {
    Journal = b'j' "journal", "What came in and what was decided, in order.";
    Dedupe = b'd' "dedupe" (phi), "Messages seen before.";
    Appointment = b'a' "appointment" (phi), "The state of each appointment.";
    Alias = b'i' "alias" (phi), "Other identifiers of an appointment.";
    Contact = b'c' "contact" (phi), "A phone number: consent, language, conversation.";
    Outbox = b'o' "outbox", "Effects to be carried out.";
    Due = b'x' "due" (phi), "What is to happen when; keys begin with the time.";
    Ready = b'y' "ready", "Effects in their lanes, by the time they are due.";
    Task = b't' "task", "Work for a person.";
    Meta = b'm' "meta", "About the store itself.";
    Quarantine = b'q' "quarantine", "What could not be understood, kept as it came.";
    Wish = b'w' "wish" (phi), "A patient's wish on its way into the EHR.";
    Feed = b'f' "feed", "A FHIR server as a feed, and what is planned to be read there.";
    Gate = b'g' "gate", "A source under the flood guard, and the texts of it that are held.";
    Desk = b'k' "desk" (phi), "Tasks that nobody is done with, by what they are about.";
    Campaign = b'e' "campaign", "Campaigns, and the flows that they run.";
    Session = b's' "session" (phi), "A recipient in an outreach flow.";
    User = b'u' "user", "Console users.";
    Audit = b'l' "audit", "Who did what in the console.";
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A row's key: its table and the bytes within the table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<[u8]>);

impl Key {
    /// Makes a key of a table from the bytes within it.
    ///
    /// # Errors
    /// [`Error::KeySize`] over [`KEY_BYTES_MAX`].
    pub fn new(table: Table, bytes: &[u8]) -> Result<Self, Error> {
        Self::joined(table, &[bytes])
    }

    /// Makes a key of the due table: the time, then what tells rows of one time apart.
    ///
    /// # Errors
    /// [`Error::KeySize`] over [`KEY_BYTES_MAX`].
    pub fn due(at: DueAt, id: &[u8]) -> Result<Self, Error> {
        Self::joined(Table::Due, &[&at.0.to_be_bytes(), id])
    }

    /// Makes a key of a table from several parts, one after the other.
    ///
    /// # Errors
    /// [`Error::KeySize`] over [`KEY_BYTES_MAX`].
    pub fn joined(table: Table, parts: &[&[u8]]) -> Result<Self, Error> {
        let bytes = parts.iter().map(|part| part.len()).sum::<usize>();
        if bytes > KEY_BYTES_MAX {
            return Err(Error::KeySize { table: table.name(), bytes, max: KEY_BYTES_MAX });
        }
        let mut key = Vec::with_capacity(bytes + 1);
        key.push(table.byte());
        for part in parts {
            key.extend_from_slice(part);
        }
        Ok(Self(key.into_boxed_slice()))
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> Table {
        // The constructors admit no other first byte.
        self.0.first().and_then(|byte| Table::from_byte(*byte)).unwrap_or(Table::Meta)
    }

    /// The bytes within the table.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.split_first().map_or(&[], |(_, rest)| rest)
    }

    /// The time at the start of a key of the due table.
    #[must_use]
    pub fn due_at(&self) -> Option<DueAt> {
        if self.table() != Table::Due {
            return None;
        }
        self.bytes().first_chunk().map(|time| DueAt(u64::from_be_bytes(*time)))
    }

    /// The bytes with the table byte in front, as they are stored.
    pub(super) fn stored(&self) -> &[u8] {
        &self.0
    }

    /// Reads a stored key; `None` if no table begins so.
    pub(super) fn from_stored(bytes: &[u8]) -> Option<Self> {
        let (byte, rest) = bytes.split_first()?;
        Self::new(Table::from_byte(*byte)?, rest).ok()
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        write!(f, "{table}:")?;
        if table.is_key_phi() {
            return f.write_str("[phi]");
        }
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A moment in the due table: milliseconds since 1970, in the order of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DueAt(u64);

impl DueAt {
    /// Takes a moment, to the millisecond below; before 1970 counts as 1970.
    #[must_use]
    pub fn new(at: DateTime<Utc>) -> Self {
        Self(u64::try_from(at.timestamp_millis()).unwrap_or(0))
    }

    /// The moment; `None` beyond the calendar.
    #[must_use]
    pub fn timestamp(self) -> Option<DateTime<Utc>> {
        let millis = TimeDelta::try_milliseconds(i64::try_from(self.0).ok()?)?;
        DateTime::UNIX_EPOCH.checked_add_signed(millis)
    }
}

/// A stretch of keys within one table: first included, end excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    from: Box<[u8]>,
    to: Box<[u8]>,
}

impl Range {
    /// All rows of a table.
    #[must_use]
    pub fn all(table: Table) -> Self {
        Self::prefix(table, &[])
    }

    /// The rows whose key within the table begins with `prefix`.
    #[must_use]
    pub fn prefix(table: Table, prefix: &[u8]) -> Self {
        let from = stored(table, prefix);
        let to = following(&from);
        Self { from, to }
    }

    /// The rows from `from` up to, not including, `to`.
    #[must_use]
    pub fn between(table: Table, from: &[u8], to: &[u8]) -> Self {
        Self { from: stored(table, from), to: stored(table, to) }
    }

    /// The rows of the due table up to and including a moment.
    #[must_use]
    pub fn due_until(until: DueAt) -> Self {
        let from = stored(Table::Due, &[]);
        let to = following(&stored(Table::Due, &until.0.to_be_bytes()));
        Self { from, to }
    }

    /// What is left of the range behind `key`: the next page in ascending order.
    #[must_use]
    pub fn after(mut self, key: &Key) -> Self {
        let mut from = key.stored().to_vec();
        from.push(0);
        self.from = self.from.max(from.into_boxed_slice());
        self
    }

    /// What is left of the range from `key` on, itself included.
    #[must_use]
    pub fn from(mut self, key: &Key) -> Self {
        self.from = self.from.max(Box::from(key.stored()));
        self
    }

    /// What is left of the range before `key`: the next page in descending order.
    #[must_use]
    pub fn before(mut self, key: &Key) -> Self {
        self.to = self.to.min(Box::from(key.stored()));
        self
    }

    /// The bounds, or `None` if nothing can lie between them.
    pub(super) fn bounds(&self) -> Option<std::ops::Range<&[u8]>> {
        (self.from < self.to).then_some(&*self.from..&*self.to)
    }
}

fn stored(table: Table, bytes: &[u8]) -> Box<[u8]> {
    let mut key = Vec::with_capacity(bytes.len() + 1);
    key.push(table.byte());
    key.extend_from_slice(bytes);
    key.into_boxed_slice()
}

/// The first key behind all that begin with `prefix`; table bytes are letters, so there is one.
fn following(prefix: &[u8]) -> Box<[u8]> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    end.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_own_byte_and_name() {
        for table in Table::ALL {
            assert_eq!(Table::from_byte(table.byte()), Some(*table));
            assert_eq!(Table::from_name(table.name()), Some(*table));
            assert!(table.byte().is_ascii_lowercase());
        }
        assert_eq!(Table::from_byte(0), None);
        assert_eq!(Table::from_name(""), None);
    }

    #[test]
    fn a_key_over_the_limit_is_refused() {
        assert!(Key::new(Table::Alias, &[7; KEY_BYTES_MAX]).is_ok());
        let error = Key::new(Table::Alias, &[7; KEY_BYTES_MAX + 1]).unwrap_err();
        assert!(matches!(error, Error::KeySize { bytes: 1025, .. }));
    }

    #[test]
    fn stored_keys_of_no_table_are_none() {
        assert_eq!(Key::from_stored(b""), None);
        assert_eq!(Key::from_stored(b"\xffabc"), None);
        assert_eq!(Key::from_stored(&[b'j'; KEY_BYTES_MAX + 2]), None);
        let key = Key::new(Table::Journal, b"abc").unwrap();
        assert_eq!(Key::from_stored(key.stored()), Some(key));
    }

    #[test]
    fn a_prefix_of_highest_bytes_ends_with_its_table() {
        let range = Range::prefix(Table::Alias, &[0xff, 0xff]);
        let inside = Key::new(Table::Alias, &[0xff; 9]).unwrap();
        let bounds = range.bounds().unwrap();
        assert!(bounds.contains(&inside.stored()));
        assert_eq!(bounds.end, [b'i' + 1]);
        assert_eq!(Range::between(Table::Alias, b"b", b"a").bounds(), None);
    }

    #[test]
    fn due_times_before_1970_and_at_the_end_of_time_do_not_wrap() {
        let early = DueAt::new(DateTime::UNIX_EPOCH - TimeDelta::days(1));
        assert_eq!(early, DueAt::new(DateTime::UNIX_EPOCH));
        let late = DueAt::new(DateTime::<Utc>::MAX_UTC);
        assert!(late > early);
        assert!(late.timestamp().is_some());
        assert_eq!(DueAt(u64::MAX).timestamp(), None);
        assert!(Range::due_until(DueAt(u64::MAX)).bounds().is_some());
        assert_eq!(Key::due(late, b"id").unwrap().due_at(), Some(late));
        assert_eq!(Key::new(Table::Due, b"short").unwrap().due_at(), None);
        assert_eq!(Key::new(Table::Task, b"12345678").unwrap().due_at(), None);
    }
}
