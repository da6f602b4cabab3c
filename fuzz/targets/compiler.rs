#![no_main]
//! See [`appointd_fuzz::compiler`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| appointd_fuzz::compiler::check(data));
