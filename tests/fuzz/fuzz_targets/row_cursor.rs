//! Reads a row of `cursor`: see `decoders::row_cursor`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::row_cursor(bytes));
