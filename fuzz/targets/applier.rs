#![no_main]
//! See [`appointd_fuzz::applier`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| appointd_fuzz::applier::check(data));
