//! The bounds of a rendering: the work it may do, and the only buffer that texts are made in.
//!
//! Whatever copies or reads a text or a list pays by its bytes, so that neither a loop nor the
//! doubling of a text within one can take longer than the tank allows.

use serde_json::Value as Json;

use super::fault::OutOfFuel;
use super::{OUTPUT_BYTES_MAX, STEPS_MAX};

/// The bytes whose reading or copying costs as much as one step.
const BYTES_PER_STEP: usize = 256;

/// What an element of a list costs beside its own bytes.
const ELEMENT_BYTES: usize = 16;

/// Values nested deeper are not read; the JSON parser itself stops at this depth.
pub(super) const DEPTH_MAX: usize = 128;

/// What is left of the work that a rendering may do.
#[derive(Debug)]
pub(super) struct Fuel {
    bytes: usize,
}

impl Fuel {
    /// A full tank.
    pub(super) const fn full() -> Self {
        Self { bytes: STEPS_MAX * BYTES_PER_STEP }
    }

    /// Pays for a node, a filter or the reading of a path.
    pub(super) fn step(&mut self) -> Result<(), OutOfFuel> {
        self.bytes(BYTES_PER_STEP)
    }

    /// Pays for the reading or copying of so many bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Result<(), OutOfFuel> {
        self.bytes = self.bytes.checked_sub(count).ok_or(OutOfFuel::Steps)?;
        Ok(())
    }

    /// Pays for so many elements of a list.
    pub(super) fn elements(&mut self, count: usize) -> Result<(), OutOfFuel> {
        self.bytes(count.saturating_mul(ELEMENT_BYTES))
    }

    /// Pays for a copy of a value.
    pub(super) fn copy(&mut self, value: &Json) -> Result<Json, OutOfFuel> {
        self.weigh(value, 0)?;
        Ok(value.clone())
    }

    /// Pays for the reading of a value and all that is in it.
    pub(super) fn weigh(&mut self, value: &Json, depth: usize) -> Result<(), OutOfFuel> {
        if depth > DEPTH_MAX {
            return Err(OutOfFuel::Steps);
        }
        self.elements(1)?;
        match value {
            Json::Null | Json::Bool(_) | Json::Number(_) => Ok(()),
            Json::String(text) => self.bytes(text.len()),
            Json::Array(items) => items.iter().try_for_each(|item| self.weigh(item, depth + 1)),
            Json::Object(fields) => fields.iter().try_for_each(|(name, item)| {
                self.bytes(name.len())?;
                self.weigh(item, depth + 1)
            }),
        }
    }
}

/// A text in the making, of at most [`OUTPUT_BYTES_MAX`] bytes.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Adds a text and pays for it.
    pub(super) fn push(&mut self, text: &str, fuel: &mut Fuel) -> Result<(), OutOfFuel> {
        fuel.bytes(text.len())?;
        if self.text.len().saturating_add(text.len()) > OUTPUT_BYTES_MAX {
            return Err(OutOfFuel::Length);
        }
        self.text.push_str(text);
        Ok(())
    }

    /// Adds a character and pays for it.
    pub(super) fn push_char(&mut self, character: char, fuel: &mut Fuel) -> Result<(), OutOfFuel> {
        self.push(character.encode_utf8(&mut [0; 4]), fuel)
    }

    /// Adds a character so many times.
    pub(super) fn pad(
        &mut self,
        with: char,
        count: usize,
        fuel: &mut Fuel,
    ) -> Result<(), OutOfFuel> {
        (0..count).try_for_each(|_| self.push_char(with, fuel))
    }

    /// The finished text.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}
