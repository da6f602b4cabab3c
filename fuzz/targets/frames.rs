#![no_main]
//! See [`appointd_fuzz::frames`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| appointd_fuzz::frames::check(data));
