//! Reads a row of `done`: see `decoders::row_done`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::row_done(bytes));
