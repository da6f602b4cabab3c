#![no_main]
//! See [`appointd_fuzz::reader`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| appointd_fuzz::reader::check(data));
