//! What the fuzzer asserts, one module for each target.
//!
//! Each has `check`, which takes any bytes and panics if a rule of the program does not hold for
//! them. The targets call it with what the fuzzer makes up, `tests/fuzz_seeds.rs` of the main crate
//! with the seeds, so that neither seeds nor assertions rot between two runs of the fuzzer.

mod answers;
pub mod applier;
pub mod compiler;
pub mod flows;
pub mod frames;
mod outcome;
pub mod reader;
mod site;
