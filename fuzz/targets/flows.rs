#![no_main]
//! See [`appointd_fuzz::flows`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| appointd_fuzz::flows::check(data));
