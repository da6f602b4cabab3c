//! A wrapper that keeps patient data out of logs, metrics and error texts.
//!
//! Whatever a format string prints of a [`Phi`] is `[phi]`; reading the value takes a visible call
//! to [`Phi::expose`], which a review can look for. It serialises as the value itself, because the
//! store and the API are where patient data belongs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value about a patient; prints as `[phi]`.
///
/// ```
/// let name = appointd::phi::Phi::new("Jane");
/// assert_eq!(format!("{name} {name:?}"), "[phi] [phi]");
/// assert_eq!(*name.expose(), "Jane");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Reads the value; each call is a place where patient data leaves its wrapper.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Takes the value out of its wrapper.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Phi<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

impl<T> fmt::Display for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}
