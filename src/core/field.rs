//! A value that a message gives, deletes, or does not mention.
//!
//! HL7 v2 sets `""` (delete the value) apart from nothing (leave it as it is); confusing the two
//! erases phone numbers (HL7 v2.5.1, 2.5.3).

/// What a message says about one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Not mentioned: the known value stays.
    #[default]
    Absent,
    /// Explicitly deleted.
    Null,
    /// Given.
    Value(T),
}

impl<T> Field<T> {
    /// The given value, if there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Whether the message does not mention the field.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Turns a given value into another.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Null => Field::Null,
            Self::Value(value) => Field::Value(f(value)),
        }
    }
}

impl<T: Clone> Field<T> {
    /// Applies what the message says to the value held.
    ///
    /// ```
    /// use appointd::core::field::Field;
    /// let mut phone = Some("+14155550123");
    /// Field::Absent.update(&mut phone);
    /// assert_eq!(phone, Some("+14155550123"));
    /// Field::Null.update(&mut phone);
    /// assert_eq!(phone, None);
    /// ```
    pub fn update(&self, held: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Null => *held = None,
            Self::Value(value) => *held = Some(value.clone()),
        }
    }

    /// Takes the given value where none is held, and nothing else.
    pub fn fill(&self, held: &mut Option<T>) {
        if held.is_none() {
            *held = self.value().cloned();
        }
    }
}

impl<T> From<Option<T>> for Field<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }
}
