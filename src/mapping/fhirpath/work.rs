//! How much one evaluation may do, so that no path and no resource holds up the feed.

/// How many items one evaluation visits at most: what steps find and criteria test. A searchset of
/// a thousand appointments stays below; a path that goes through everything for everything does
/// not.
pub(in crate::mapping) const ITEMS_MAX: usize = 10_000;

/// How many bytes of text one evaluation reads and writes at most, together with comparisons and
/// names looked at; some milliseconds.
pub(in crate::mapping) const EFFORT_MAX: usize = 4 * 1024 * 1024;

/// The path wants more than an evaluation may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path goes through more than {ITEMS_MAX} items or compares too much text")]
pub(in crate::mapping) struct TooMuch;

/// What is left.
#[derive(Debug)]
pub(super) struct Work {
    items: usize,
    effort: usize,
}

impl Work {
    pub(super) const fn new() -> Self {
        Self { items: ITEMS_MAX, effort: EFFORT_MAX }
    }

    /// Visits an item.
    pub(super) fn visit(&mut self) -> Result<(), TooMuch> {
        self.items = self.items.checked_sub(1).ok_or(TooMuch)?;
        Ok(())
    }

    /// Reads or writes so many bytes; to be asked before they are written.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), TooMuch> {
        self.effort = self.effort.checked_sub(bytes).ok_or(TooMuch)?;
        Ok(())
    }
}
