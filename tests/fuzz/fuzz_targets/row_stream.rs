//! Reads a row of `stream`: see `decoders::row_stream`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::row_stream(bytes));
