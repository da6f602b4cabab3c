//! Lists in and responses out: what a campaign reads from a spreadsheet, and what it writes for one.
//!
//! A list comes as bytes: [`encoding`] tells their character set, [`list`] their rows, [`survey`] what
//! is wrong with each, [`quote`] what would be sent, [`mod@preview`] does it all in one pass and gives
//! the recipients in a second. [`responses`] lays out what recipients answered, as CSV, JSON or a
//! workbook, by name or without names. [`cell`] keeps what people wrote from being calculated.
//!
//! Pure, over readers, writers and iterators: a million rows pass through the memory of a few. What a
//! campaign is, and who may be texted, is the business of [`crate::core`].

pub mod cell;
pub mod encoding;
pub mod header;
pub mod list;
pub mod preview;
pub mod quote;
pub mod responses;
pub mod survey;
