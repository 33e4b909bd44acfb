//! Reads a recording: see `decoders::file_tape`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::file_tape(bytes));
